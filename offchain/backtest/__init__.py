"""The past, walked through with the same decisions as live. Start at `engine.py`; `kernel.py` is the fast path for sweeps."""

from offchain.backtest.costs import FREE, CostModel
from offchain.backtest.engine import Fixed, Rules, Target, backtest, run_decider
from offchain.backtest.fees import Terms
from offchain.backtest.results import Charge, Flow, Review, Run, Trade

__all__ = [
    "FREE",
    "Charge",
    "CostModel",
    "Fixed",
    "Flow",
    "Review",
    "Rules",
    "Run",
    "Target",
    "Terms",
    "Trade",
    "backtest",
    "run_decider",
]
