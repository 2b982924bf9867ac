"""Where floats become wei.

to_wad             sums to exactly 1e18 · largest remainder · ties to the lowest index · refuses nonsense
to_tokens          rounds down · up on request · exact for decimal text · refuses what the chain cannot hold
format_*           never shows more than there is
"""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.errors import UnitError
from offchain.units import (
    WAD,
    bps_to_wad,
    format_tokens,
    format_usd,
    fraction_to_wad,
    from_tokens,
    price_to_d27,
    to_tokens,
    to_tokens_up,
    to_wad,
    usd_to_nano,
)

POSITIVE = st.floats(min_value=1e-9, max_value=1e15, allow_nan=False)


@given(st.lists(POSITIVE, min_size=1, max_size=60))
def test_to_wad_of_any_positive_weights_sums_to_exactly_one(weights: list[float]) -> None:
    assert sum(to_wad(weights)) == 10**18


@given(st.lists(POSITIVE, min_size=1, max_size=60))
def test_to_wad_is_within_one_wei_of_the_exact_share(weights: list[float]) -> None:
    total = sum(Decimal(repr(weight)) for weight in weights)
    for wad, weight in zip(to_wad(weights), weights, strict=True):
        assert abs(Decimal(wad) - Decimal(repr(weight)) / total * 10**18) < Decimal("1.0001")


def test_to_wad_gives_the_left_over_wei_to_the_largest_remainder() -> None:
    # thirds of 1e18: 333...3.33 each, one wei is left; sevenths: remainders decide
    assert to_wad([1, 1, 1]) == [WAD // 3 + 1, WAD // 3, WAD // 3]
    assert to_wad([1, 2, 4]) == [142857142857142857, 285714285714285714, 571428571428571429]


def test_to_wad_ties_go_to_the_lowest_index() -> None:
    assert to_wad([1] * 7)[:2] == [142857142857142858, 142857142857142857]


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([], "0 weights"),
        ([0.0, 0.0], "sum 0"),
        ([0.5, -0.1], "below 0"),
        ([float("nan")], "finite"),
        (["x"], "not a number"),
    ],
)
def test_to_wad_of_nonsense_is_refused_with_the_value(weights: list[float], says: str) -> None:
    with pytest.raises(UnitError, match=says):
        to_wad(weights)


def test_to_tokens_rounds_down_and_to_tokens_up_rounds_up() -> None:
    assert to_tokens("1.9999999", 6) == 1_999_999
    assert to_tokens_up("1.9999999", 6) == 2_000_000
    assert to_tokens(0.1, 18) == 10**17


@given(st.integers(min_value=0, max_value=2**200), st.integers(min_value=0, max_value=27))
def test_to_tokens_of_from_tokens_is_the_same_amount(amount: int, decimals: int) -> None:
    assert to_tokens(from_tokens(amount, decimals), decimals) == amount


@pytest.mark.parametrize(
    ("amount", "decimals", "says"),
    [
        (-1, 18, "below 0"),
        (float("inf"), 18, "finite"),
        (1, 40, "decimals 40 outside 0..36"),
        (10**70, 18, "exceeds 2\\*\\*256"),
        (True, 18, "truth value"),
        ("1,5", 18, "not a number"),
    ],
)
def test_to_tokens_of_what_the_chain_cannot_hold_is_refused(amount: object, decimals: int, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        to_tokens(amount, decimals)  # type: ignore[arg-type]


def test_from_tokens_of_a_float_is_refused() -> None:
    with pytest.raises(UnitError, match="to_tokens first"):
        from_tokens(1.5, 6)  # type: ignore[arg-type]


def test_prices_and_fees_convert_exactly() -> None:
    # one WBTC of 8 decimals at 65,000 USD: 65,000e9 nUSD / 1e8 tok × 1e27
    assert price_to_d27(65_000, 8) == 65_000 * 10**9 * 10**27 // 10**8
    assert bps_to_wad(95) == 95 * 10**14
    assert fraction_to_wad(0.25) == 25 * 10**16
    assert usd_to_nano(0.1) == 10**8
    with pytest.raises(UnitError, match="more than 18 decimals"):
        fraction_to_wad("0.1234567890123456789")


def test_format_never_shows_more_than_there_is() -> None:
    assert format_tokens(1_999_999_999, 9, places=2) == "1.99"
    assert format_tokens(1, 18) == "<0.000001"
    assert format_tokens(1_234_500_000, 6) == "1,234.5"
    assert [format_usd(x) for x in (1234.5, 0, 2.5e12, 0.000012, -3)] == [
        "$1,234.50", "$0.00", "$2.50 T", "$1.20e-05", "-$3.00",
    ]  # fmt: skip
