"""How far each coin goes, to the wei, and why.

towards    the target · the edge of each coin's band · all gaps alike
moves      sells first · dust stays · one reason each
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.rebalance import moves, towards
from offchain.rebalance.moves import CODES
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.units import WAD, to_wad

POINT = WAD // 100
SHARES = st.lists(st.integers(0, 1_000), min_size=2, max_size=12).filter(any)


def wad(**points: int) -> dict[str, int]:
    """Weights in hundredths."""
    return {name: value * POINT for name, value in points.items()}


def apart(one: dict[str, int], other: dict[str, int]) -> int:
    return sum(abs(one.get(name, 0) - other.get(name, 0)) for name in {*one, *other}) // 2


def test_to_the_target_is_the_target() -> None:
    assert towards(wad(a=60, b=40), wad(a=50, b=50), RebalanceRules()) == wad(a=50, b=50)
    with pytest.raises(ValueError, match="current weights sum to"):
        towards({"a": 1}, {"a": WAD}, RebalanceRules())


def test_to_the_edge_of_the_band_moves_only_what_is_outside_and_the_farthest_on_the_other_side() -> None:
    """R4: a is 20 points over with 5 allowed, so 15 are sold; c lacks most and takes all of it, the others stay."""
    rules = RebalanceRules(trade_to="band", coin_band=0.05)
    current, target = wad(a=45, b=27, c=7, d=21), wad(a=25, b=25, c=25, d=25)
    assert towards(current, target, rules) == wad(a=30, b=27, c=22, d=21)


def test_the_narrower_of_two_bands_counts() -> None:
    rules = RebalanceRules(trade_to="band", coin_band=0.05, coin_band_relative=0.1)
    current, target = wad(a=60, b=40), wad(a=50, b=50)
    assert towards(current, target, rules) == wad(a=55, b=45)
    assert towards(wad(a=30, b=70), wad(a=20, b=80), rules) == wad(a=22, b=78)


def test_without_bands_of_coins_all_gaps_shrink_until_the_drift_is_the_band() -> None:
    """Drift 20 %, band 5 %: a quarter of each gap is left."""
    rules = RebalanceRules(trade_to="band", drift_band=0.05)
    assert towards(wad(a=45, b=15, c=40), wad(a=25, b=25, c=50), rules) == {
        "a": 30 * POINT, "b": 225 * POINT // 10, "c": 475 * POINT // 10,
    }  # fmt: skip
    inside = wad(a=52, b=48)
    assert towards(inside, wad(a=50, b=50), rules) == inside


def test_who_enters_or_leaves_goes_all_the_way() -> None:
    """S7: ADA has fallen to rank 11 and leaves, HYPE is in."""
    rules = RebalanceRules(trade_to="band", coin_band=0.05)
    after = towards(wad(bitcoin=90, cardano=10), wad(bitcoin=91, hyperliquid=9), rules)
    assert after == wad(bitcoin=91, hyperliquid=9)


@given(
    SHARES, SHARES, st.sampled_from([0.0, 0.01, 0.1]), st.sampled_from([0.0, 0.2, 1.0]), st.sampled_from([0.001, 0.03])
)
def test_whatever_the_band_the_sum_is_exact_and_nobody_moves_away_from_its_target(
    held: list[int], wanted: list[int], coin_band: float, relative: float, drift_band: float
) -> None:
    """R4, W11: Σ = 1e18; each weight lies between where it was and where it should be; the rest is inside its band."""
    size = min(len(held), len(wanted))
    held, wanted = held[:size] or [1], wanted[:size] or [1]
    if not any(held) or not any(wanted):
        held, wanted = [1] * size, [1] * size
    names = [f"c{number:02d}" for number in range(size)]
    current, target = (dict(zip(names, to_wad(shares), strict=True)) for shares in (held, wanted))
    rules = RebalanceRules(trade_to="band", coin_band=coin_band, coin_band_relative=relative, drift_band=drift_band)
    after = towards(current, target, rules)
    assert sum(after.values()) == WAD
    assert apart(current, after) <= apart(current, target)
    for name in names:
        low, high = sorted((current[name], target[name]))
        assert low - size <= after.get(name, 0) <= high + size, name
        width = min(
            [int(coin_band * WAD)] * (coin_band > 0) + [int(Fraction(str(relative)) * target[name])] * (relative > 0),
            default=WAD,
        )
        assert abs(after.get(name, 0) - target[name]) <= width + size
    if not coin_band and not relative:
        assert apart(after, target) <= int(drift_band * WAD) + size


def test_each_move_has_its_reason_and_sells_come_first() -> None:
    """R9, T2: sell what left, cut what is bearish or capped, lock in gains, add to what trends or fell behind."""
    current = wad(out=10, weak=20, grown=20, whale=30, strong=10, behind=10)
    after = wad(weak=10, grown=15, whale=25, strong=20, behind=15, new=15)
    found = moves(
        current, after, nav_usd=10_000, rules=RebalanceRules(), capped=["whale"],
        labels={"weak": "bearish", "strong": "bullish"}, reasons={"out": "rank 11 is below the top 10", "new": "rank 3 of the top 10"},
    )  # fmt: skip
    assert [move.id for move in found] == ["out", "weak", "grown", "whale", "new", "strong", "behind"]
    assert {move.id: move.code for move in found} == {
        "out": "leave", "weak": "bearish", "grown": "lock-in", "whale": "concentration", "new": "enter", "strong": "bullish",
        "behind": "add",
    }  # fmt: skip
    assert found[0].reason == "sold, 10.00% → 0.00%: rank 11 is below the top 10"
    assert found[0].usd == -1_000 and all(move.is_traded and move.code in CODES for move in found)


def test_small_tickets_leave_dust_where_it_is() -> None:
    """T9: a hundred dollars, five dollars at least: a move of 4 % is dust, one of 6 % is not."""
    rules = RebalanceRules(min_trade_usd=5)
    found = moves(wad(a=54, b=46), wad(a=50, b=50), nav_usd=100, rules=rules)
    assert [move.code for move in found] == ["dust", "dust"]
    assert found[0].reason.startswith("4.00 USD is below min_trade_usd 5.00; trimmed, 54.00% → 50.00%")
    assert [move.is_traded for move in moves(wad(a=56, b=44), wad(a=50, b=50), nav_usd=100, rules=rules)] == [
        True,
        True,
    ]
    assert all(move.is_traded for move in moves(wad(a=55, b=45), wad(a=50, b=50), nav_usd=100, rules=rules))
    assert moves(wad(a=50, b=50), wad(a=50, b=50), nav_usd=100, rules=rules) == ()
