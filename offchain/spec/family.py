"""Which family a strategy belongs to, read from its rules, so that a file cannot claim another one.

passive   written rules of size, volume, theme or risk choose and weigh; nothing reacts to the market between reviews
hybrid    a passive structure, and an exposure or parts that follow the market
smart     signals choose the coins or weigh them
"""

from __future__ import annotations

from pathlib import Path

from offchain.spec.load import INDEXES, open_sleeves
from offchain.spec.model import IndexSpec

FAMILIES = {
    "passive": "written rules choose and weigh the coins, nothing follows the market in between",
    "hybrid": "a passive structure whose exposure or parts follow the market",
    "smart": "signals choose the coins or weigh them",
}


def family(spec: IndexSpec, *, folder: Path = INDEXES) -> str:
    """One of FAMILIES. An index of indexes is passive only while all of them are. `folder`: where the paths in its file begin."""
    if _is_led_by_signals(spec):
        return "smart"
    sleeves = open_sleeves(spec, folder=folder).values()
    is_active = any(family(sleeve, folder=place) != "passive" for sleeve, place in sleeves)
    return "hybrid" if is_active or _follows_the_market(spec) else "passive"


def _is_led_by_signals(spec: IndexSpec) -> bool:
    if spec.signals.mode == "off" or spec.sleeves:
        return False
    ranks = (spec.universe.rank_by, *spec.universe.rank_also)
    is_weighed = (
        spec.weights.scheme == "conviction" or "conviction" in dict(spec.weights.blend) or spec.weights.tilt > 0
    )
    return bool(spec.signals.exclude) or is_weighed or "score" in ranks


def _follows_the_market(spec: IndexSpec) -> bool:
    risk = spec.risk
    levers = (risk.volatility_target, risk.drawdown_limit, risk.stop_loss, risk.trim_above, risk.rotation_top)
    is_moved = any(lever > 0 for lever in levers) or risk.shift != "off" or risk.mode != "aggressive"
    return is_moved or "signal" in spec.rebalance.triggers
