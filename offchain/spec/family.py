"""Which family a strategy belongs to, read from its rules, so that a file cannot claim another one.

passive   written rules of size, volume, theme or risk choose and weigh; nothing reacts to the market between reviews
hybrid    a passive structure, and an exposure or parts that follow the market
smart     signals choose the coins or weigh them
"""

from __future__ import annotations

from offchain.spec.load import find_spec
from offchain.spec.model import IndexSpec

FAMILIES = {
    "passive": "written rules choose and weigh the coins, nothing follows the market in between",
    "hybrid": "a passive structure whose exposure or parts follow the market",
    "smart": "signals choose the coins or weigh them",
}


def family(spec: IndexSpec) -> str:
    """One of FAMILIES. An index of indexes is passive only while all of them are."""
    if _is_led_by_signals(spec):
        return "smart"
    return "hybrid" if _follows_the_market(spec) or any(_is_active(row.index) for row in spec.sleeves) else "passive"


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


def _is_active(index: str) -> bool:
    return family(find_spec(index)) != "passive"
