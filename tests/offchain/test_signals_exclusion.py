"""Labels that keep a coin out: bearish ones, or sideways ones too; and what happens when nobody is left."""

from __future__ import annotations

import pytest

from offchain.errors import EmptyUniverse
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.spec import find_spec
from offchain.spec.variants import changed

DATES = ("2024-09-02", "2024-12-02", "2025-03-03")
LOOSE = {"weights.max_weight": 1.0, "weights.min_weight": 0.0}


def rules(exclude: list[str], **keys: float) -> Methodology:
    others = {f"signals.{name}": value for name, value in keys.items()}
    return Methodology(changed(find_spec("SMART10"), {"signals.exclude": exclude, **LOOSE, **others}))


@pytest.mark.parametrize("date", DATES)
def test_without_bearish_and_sideways_coins_only_bullish_ones_are_members(synthetic: Market, date: str) -> None:
    """A1: include bullish; exclude bearish or sideways."""
    strict, mild = (rules(exclude).decide(synthetic, date) for exclude in (["bearish", "neutral"], ["bearish"]))
    assert strict.universe.members
    assert {strict.labels[name] for name in strict.universe.members} == {"bullish"}
    assert {mild.labels[name] for name in mild.universe.members} == {"bullish", "neutral"}
    # nobody bullish is lost by it: those that were members stay members
    bullish = {name for name in mild.universe.members if mild.labels[name] == "bullish"}
    assert bullish <= set(strict.universe.members)
    sideways = [name for name in mild.universe.members if mild.labels[name] == "neutral"]
    assert all(strict.universe.verdict(name).reason.startswith("neutral") for name in sideways)


def test_when_no_coin_is_bullish_the_index_says_so_and_decides_nothing(synthetic: Market) -> None:
    """A1: one clear error, which names the label of the largest; a backtest keeps what it holds and records the reason."""
    with pytest.raises(EmptyUniverse) as refusal:
        rules(["bearish", "neutral"], bullish_above=1.0).decide(synthetic, DATES[1])
    said = str(refusal.value)
    assert "SMART10: none of" in said
    assert "bitcoin: neutral" in said or "bitcoin: bearish" in said
