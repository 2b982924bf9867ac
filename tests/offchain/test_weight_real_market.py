"""Every scheme on the real records of 2021, with limits on what is held and on what is traded, review after review."""

from __future__ import annotations

import pytest

from offchain.market import Market
from offchain.spec import find_spec
from offchain.spec.weight_rules import SCHEMES, WeightRules
from offchain.universe.selection import select
from offchain.weights import needs, weigh

WAD = 10**18
DATES = ("2021-03-15", "2021-05-24", "2021-08-02", "2021-09-27")


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "free_float"])
def test_every_scheme_keeps_its_limits_through_2021(real_market: Market, scheme: str) -> None:
    """W1–W11: Σ = 1e18, caps and floors to the wei, turnover within its limit unless a finding says why not."""
    rules = WeightRules(
        scheme=scheme,
        max_weight=0.25,
        min_weight=0.01,
        volatility_days=60,
        fixed=(("bitcoin", 0.5), ("rest", 0.5)) if scheme == "fixed" else (),
        blend=(("erc", 0.5), ("market_cap", 0.5)) if scheme == "blend" else (),
        max_turnover=0.1,
        liquidity_days=2.0,
        portfolio_usd=50e6,
    )
    wanted, held = needs(rules), dict[str, int]()
    for date in DATES:
        snapshot = real_market.snapshot(date)
        members = [snapshot[name] for name in select(snapshot, find_spec("LC10").universe).members]
        ids = [member.id for member in members]
        history = real_market.history(date, days=wanted.days, fields=wanted.fields, ids=ids) if wanted else None
        weighing = weigh(members, rules, history=history, held={name: float(part) for name, part in held.items()})
        assert sum(weighing.weights.values()) == WAD
        assert all(WAD // 100 <= weight <= WAD // 4 for weight in weighing.weights.values())
        moved = sum(abs(weighing.weights.get(name, 0) - held.get(name, 0)) for name in {*weighing.weights, *held})
        if held and not any("max_turnover" in finding for finding in weighing.findings):
            # held goes in as floats: their last digits are some wei
            assert moved <= 2 * WAD // 10 + 10_000
        held = dict(weighing.weights)
