"""The highest weight that an index file can lead to, which the contracts are told: too low stops a plan, too high helps a thief."""

from __future__ import annotations

from dataclasses import replace

import pytest

from offchain.spec import find_spec

STABLE = {"stable": (("dai", 0.4), ("usd-coin", 0.6))}


@pytest.mark.parametrize(
    ("symbol", "highest"),
    [
        ("LC10", 0.25),  # max_weight
        ("L1X12", 0.3),  # max_weight_largest
        ("HYBRID10", 0.5),  # all of the shift in one stablecoin, when the other is off its peg
        ("SMART10", 0.6),
        ("YIELD7", 0.4),  # max_weight again: max_stable is half of it
        ("CORE", 1.0),  # no limit of its own
    ],
)
def test_of_shipped_files(symbol: str, highest: float) -> None:
    assert find_spec(symbol).highest_weight == highest


@pytest.mark.parametrize(
    ("rules", "highest"),
    [
        ({}, 0.25),
        ({"shift": "breadth", "max_shift": 0.5}, 0.5),
        ({"shift": "breadth", "max_shift": 0.5, "max_stable": 0.35}, 0.35),
        ({"shift": "breadth", "max_shift": 0.5, "min_exposure": 0.6}, 0.4),
        ({"stop_loss": 0.3, "stop_exposure": 0.1, "min_exposure": 0.6}, 0.9),  # a stop goes below min_exposure
        ({"drawdown_limit": 0.3, "drawdown_from": 0.1, "min_exposure": 0.3}, 0.7),
        ({"buffer": 0.2, "schedule": (("09-01/09-30", 0.45),)}, 0.45),
        ({"trim_above": 2.0, "min_exposure": 0.6}, 1.0),  # how many coins are cut, nobody knows beforehand
    ],
)
def test_of_rules_that_hold_stablecoins(rules: dict[str, object], highest: float) -> None:
    spec = find_spec("LC10")
    risk = replace(spec.risk, **{**STABLE, **rules})  # type: ignore[arg-type]
    assert replace(spec, risk=risk).highest_weight == pytest.approx(highest, abs=1e-12)


@pytest.mark.parametrize("allowed", ["stablecoin", "receipt"])
def test_of_a_universe_that_may_hold_what_the_stable_side_holds(allowed: str) -> None:
    """Then the members that count as stable add to the stable side, and no rule bounds it."""
    spec = find_spec("LC10")
    classes = tuple(name for name in spec.universe.exclude_classes if name != allowed)
    risk = replace(spec.risk, buffer=0.1, **STABLE)  # type: ignore[arg-type]
    assert replace(spec, risk=risk).highest_weight == 0.25
    wider = replace(spec, risk=risk, universe=replace(spec.universe, exclude_classes=classes))
    assert wider.highest_weight == 1.0
