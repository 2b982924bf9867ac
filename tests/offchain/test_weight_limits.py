"""Caps and floors to the wei.

limit_weights     Σ = 1e18 · never above cap or below floor · pro rata between · order kept · refuses the impossible
raw_weights       cap, root and equal in integers
"""

from __future__ import annotations

import math
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.errors import InfeasibleWeights
from offchain.spec.weight_rules import WeightRules
from offchain.weights import limit_weights, raw_weights, target_weights
from tests.fuzz import examples

WAD = 10**18


@st.composite
def feasible(draw: st.DrawFn) -> tuple[list[int], int, int]:
    """(raw, cap, floor) for which weights exist, with bounds that often bind."""
    count = draw(st.integers(min_value=1, max_value=40))
    raw = draw(st.lists(st.integers(min_value=1, max_value=10**22), min_size=count, max_size=count))
    least_cap = -(-WAD // count)
    cap = draw(st.integers(min_value=least_cap, max_value=min(WAD, 4 * least_cap)))
    floor = draw(st.integers(min_value=0, max_value=WAD // count))
    return raw, cap, min(floor, cap)


def by_bisection(raw: list[int], cap: float, floor: float) -> list[float]:
    """The independent solution: the one θ for which Σ clip(θ·raw, floor, cap) = 1."""
    low, high = 0.0, 1e9 / min(raw)
    for _ in range(300):
        middle = (low + high) / 2
        if math.fsum(min(max(middle * x, floor), cap) for x in raw) < 1.0:
            low = middle
        else:
            high = middle
    return [min(max(high * x, floor), cap) for x in raw]


@given(feasible())
def test_limit_weights_sums_to_exactly_one_within_cap_and_floor(case: tuple[list[int], int, int]) -> None:
    raw, cap, floor = case
    weights = limit_weights(raw, cap=cap, floor=floor)
    assert sum(weights) == WAD
    assert floor <= min(weights)
    assert max(weights) <= cap


@given(feasible())
def test_limit_weights_agrees_with_an_independent_float_solution(case: tuple[list[int], int, int]) -> None:
    raw, cap, floor = case
    expected = by_bisection(raw, cap / WAD, floor / WAD)
    for weight, float_weight in zip(limit_weights(raw, cap=cap, floor=floor), expected, strict=True):
        assert abs(weight / WAD - float_weight) <= 1e-9


@given(feasible())
def test_limit_weights_never_gives_a_smaller_name_more(case: tuple[list[int], int, int]) -> None:
    raw, cap, floor = case
    weights = limit_weights(raw, cap=cap, floor=floor)
    ordered = [weight for _, weight in sorted(zip(raw, weights, strict=True))]
    # equal names may differ by the wei that had to go somewhere
    assert all(a <= b + len(raw) for a, b in zip(ordered, ordered[1:], strict=False))


@given(feasible(), st.integers(min_value=1, max_value=10**6))
def test_limit_weights_does_not_depend_on_the_scale_of_raw(case: tuple[list[int], int, int], factor: int) -> None:
    raw, cap, floor = case
    scaled = limit_weights([x * factor for x in raw], cap=cap, floor=floor)
    assert scaled == limit_weights(raw, cap=cap, floor=floor)


@given(feasible())
def test_limit_weights_gives_each_name_the_same_whatever_the_order(case: tuple[list[int], int, int]) -> None:
    raw, cap, floor = case
    distinct = [x * 64 + number for number, x in enumerate(raw)]
    shuffled = sorted(distinct, key=lambda x: (x * 7919) % 104_729)
    before = dict(zip(distinct, limit_weights(distinct, cap=cap, floor=floor), strict=True))
    assert dict(zip(shuffled, limit_weights(shuffled, cap=cap, floor=floor), strict=True)) == before


def test_limit_weights_given_a_cap_hands_the_excess_on_pro_rata() -> None:
    # 60/30/6/4 with cap 40 %: 20 % go to 30:6:4 → 45/9/6 → the second is above too → 40/40 and 20 % as 6:4
    weights = limit_weights([60, 30, 6, 4], cap=4 * WAD // 10)
    assert weights == [4 * WAD // 10, 4 * WAD // 10, 12 * WAD // 100, 8 * WAD // 100]


def test_limit_weights_gives_the_last_wei_to_the_largest_free_name_lowest_index_first() -> None:
    assert limit_weights([1, 1, 1]) == [WAD // 3 + 1, WAD // 3, WAD // 3]
    # the largest is at its cap: the wei goes to the next
    assert limit_weights([9, 1, 1, 1], cap=WAD // 2)[:2] == [WAD // 2, WAD // 6 + 2]


def test_limit_weights_never_hands_the_last_wei_to_a_name_without_room() -> None:
    # 11 wei in thirds: 3 each and 2 left, but the cap of 4 lets each take one only
    assert limit_weights([1, 1, 1], cap=4, total=11) == [4, 4, 3]


def test_limit_weights_where_cap_times_names_is_exactly_one_is_equal() -> None:
    assert limit_weights([5, 1, 9, 2, 7], cap=WAD // 5, floor=WAD // 5) == [WAD // 5] * 5


@pytest.mark.parametrize(
    ("raw", "cap", "floor", "says"),
    [
        ([1, 2, 3], WAD // 4, 0, "3 coins × cap 0.25 = 0.75 < 1; raise max_weight to at least 0.333333"),
        ([1, 2, 3], WAD, WAD // 2, "3 coins × floor 0.5 = 1.5 > 1; lower min_weight to at most 0.333333"),
        ([1, 2], WAD // 2, WAD, "floor 1 must lie between 0 and the cap 0.5"),
        ([], WAD, 0, "no coin to weigh"),
        ([1, 0], WAD, 0, "raw weight 0 at position 1"),
    ],
)
def test_limit_weights_given_the_impossible_names_the_numbers(raw: list[int], cap: int, floor: int, says: str) -> None:
    with pytest.raises(InfeasibleWeights) as refusal:
        limit_weights(raw, cap=cap, floor=floor)
    assert says in str(refusal.value)


def test_limit_weights_of_a_thousand_names_takes_less_than_one_and_a_half_milliseconds() -> None:
    raw = [(number * 7_919_317) % 1_000_003 * 10**15 + 1 for number in range(1, 1001)]
    best = math.inf
    for _ in range(20):
        started = time.perf_counter()
        limit_weights(raw, cap=3 * WAD // 1000, floor=WAD // 5000)
        best = min(best, time.perf_counter() - started)
    assert best < 0.0015


def test_raw_weights_of_the_root_scheme_is_the_floor_of_the_exact_root() -> None:
    cap = 123_456_789_012_345_678_901
    root = raw_weights([cap], scheme="sqrt_market_cap")[0]
    assert root**2 <= cap * WAD < (root + 1) ** 2
    assert raw_weights([5, 9], scheme="equal") == [1, 1]
    assert raw_weights([5, 9], scheme="market_cap") == [5, 9]


def test_raw_weights_of_an_unknown_scheme_suggests_one() -> None:
    with pytest.raises(InfeasibleWeights, match='Did you mean "market_cap"'):
        raw_weights([1], scheme="marketcap")


@settings(max_examples=examples(30))
@given(st.lists(st.floats(min_value=1e6, max_value=1e13), min_size=4, max_size=30, unique=True))
def test_target_weights_before_capping_is_the_share_of_market_cap(caps: list[float]) -> None:
    named = {f"coin-{number:02d}": cap for number, cap in enumerate(caps)}
    total = sum(Decimal(cap) for cap in caps)
    for name, weight in target_weights(named, WeightRules()).items():
        assert abs(Decimal(weight) / WAD - Decimal(named[name]) / total) < Decimal("1e-15")
