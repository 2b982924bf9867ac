"""How much of the index is at risk, and what could happen to it. Start at `overlay.py`: `expose` is the stage of a decision."""

from offchain.risk.alarms import alarms
from offchain.risk.overlay import expose, is_used, names, needs, uses_held, uses_levels
from offchain.risk.sleeves import blend
from offchain.risk.stable import stable_side
from offchain.risk.stops import standing

__all__ = [
    "alarms",
    "blend",
    "expose",
    "is_used",
    "names",
    "needs",
    "stable_side",
    "standing",
    "uses_held",
    "uses_levels",
]
