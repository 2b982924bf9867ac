"""Overlap, concentration, look-through and correlation; returns of periods; what fees cost and bring.

exposure
├── overlap by hand; look-through of an index of indexes; circles and wrong sums refused
└── correlation as numpy has it, holes left out pair by pair
periods
└── they multiply to the whole; trailing months keep the day
fees
├── streaming fee as the contracts' growth; mint and redeem by hand; performance only above the mark
└── what holders paid is what the operator got
"""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.analytics.exposure import (
    concentration,
    correlations,
    demand,
    look_through,
    mean_correlation,
    overlap,
    overlaps,
)
from offchain.analytics.fees import bill, revenue
from offchain.analytics.periods import KINDS, calendar, trailing
from offchain.errors import UnusableHoldings, UnusableLevels
from offchain.spec.model import FeeRules
from offchain.units import WAD

BIG = {"bitcoin": WAD // 2, "ethereum": WAD // 4, "solana": WAD // 4}
DEFI = {"ethereum": WAD // 2, "uniswap": WAD // 2}


def days(count: int, start: date = date(2021, 1, 1)) -> list[date]:
    return [start + timedelta(days=k) for k in range(count)]


# --- exposure ---------------------------------------------------------------------------------------------------------


def test_overlap_is_what_both_hold() -> None:
    """P9: 25 % of ethereum is in both."""
    assert overlap(BIG, DEFI) == overlap(DEFI, BIG) == WAD // 4
    assert overlaps({"BIG": BIG, "DEFI": DEFI})["BIG"]["BIG"] == WAD


def test_concentration_of_equal_weights_counts_them() -> None:
    """P9: Hirschman (1945); a half and two quarters are 1 / 0.375 = 2.67 names."""
    found = concentration(BIG)
    assert found.hhi == 0.375
    assert found.effective_names == pytest.approx(8 / 3)
    assert found.largest == ("bitcoin", 0.5)
    assert concentration({name: 1 for name in "abcde"}).effective_names == 5


def test_look_through_opens_an_index_inside_an_index() -> None:
    """§6.7 13: 70 % core, 30 % satellite, beside 1,000 dollars of the satellite itself."""
    mix = {"BIG": 7 * WAD // 10, "DEFI": 3 * WAD // 10}
    found = look_through({"MIX": mix, "BIG": BIG, "DEFI": DEFI}, {"MIX": 1_000, "DEFI": 1_000})
    expected = {"ethereum": 175 + 150 + 500, "uniswap": 150 + 500, "bitcoin": 350, "solana": 175}
    assert found.values == pytest.approx(expected)
    assert list(found.values) == ["ethereum", "uniswap", "bitcoin", "solana"]
    assert math.fsum(found.weights.values()) == pytest.approx(1)
    assert found.through["ethereum"] == pytest.approx({"DEFI": 500, "MIX": 325})
    assert found.concentration.largest == ("ethereum", pytest.approx(0.4125))


@pytest.mark.parametrize(
    ("indexes", "values", "word"),
    [
        ({"A": {"B": WAD}, "B": {"A": WAD}}, {"A": 1}, "A holds B holds A"),
        ({"A": {"bitcoin": WAD - 1}}, {"A": 1}, "sum to"),
        ({}, {"bitcoin": -1}, "positive amount"),
        ({}, {"bitcoin": 0}, "nothing is held"),
    ],
)
def test_holdings_that_cannot_be_are_refused(
    indexes: dict[str, dict[str, int]], values: dict[str, float], word: str
) -> None:
    with pytest.raises(UnusableHoldings, match=word):
        look_through(indexes, values)
    with pytest.raises(UnusableHoldings):
        concentration({})


def test_demand_of_one_day_is_summed_over_indexes() -> None:
    """§6.7 13: what one rebalance day asks of each market."""
    changes = {"A": {"bitcoin": 0.1, "ethereum": -0.1}, "B": {"bitcoin": -0.05, "solana": 0.05}}
    first, *rest = demand(changes, {"A": 1e6, "B": 2e6}, {"bitcoin": 1e9, "ethereum": 1e6})
    assert (first.id, first.of_volume) == ("solana", None)
    by_id = {row.id: row for row in rest}
    assert (by_id["bitcoin"].buy, by_id["bitcoin"].sell, by_id["bitcoin"].net) == pytest.approx((1e5, 1e5, 0))
    assert by_id["ethereum"].of_volume == pytest.approx(0.1)


def test_correlations_are_those_of_numpy_and_leave_out_holes() -> None:
    """P8."""
    dice = np.random.Generator(np.random.PCG64(3))
    a, b = (100 * np.cumprod(1 + dice.normal(0, 0.02, 200)) for _ in range(2))
    holed = b.copy()
    holed[50:60] = np.nan
    table = correlations({"a": a, "b": b, "holed": holed, "flat": np.ones(200)})
    expected = np.corrcoef(a[1:] / a[:-1], b[1:] / b[:-1])[0, 1]
    assert table["a"]["b"].value == pytest.approx(expected, rel=1e-9)
    assert table["b"]["a"] == table["a"]["b"]
    kept = ~np.isnan(holed)
    x, y = a[kept], holed[kept]
    assert table["a"]["holed"].value == pytest.approx(np.corrcoef(x[1:] / x[:-1], y[1:] / y[:-1])[0, 1], rel=1e-9)
    assert table["a"]["flat"].reason == "one of the two does not vary"
    known = [table[p][q].value for p, q in (("a", "b"), ("a", "holed"), ("b", "holed"))]
    assert mean_correlation(table).value == pytest.approx(np.mean(known))


# --- periods ----------------------------------------------------------------------------------------------------------


def test_trailing_returns_keep_the_day_of_the_month() -> None:
    """P2: daily, weekly, monthly, since inception."""
    dates = days(91)
    levels = [100.0 + k for k in range(91)]  # 2021-04-01 is the 91st day
    found = trailing(levels, dates)
    assert found["day"].value == pytest.approx(190 / 189 - 1)
    assert found["week"].value == pytest.approx(190 / 183 - 1)
    assert found["month"].value == pytest.approx(190 / (100 + 59) - 1)  # since 1 March
    assert found["quarter"].value == found["inception"].value == pytest.approx(0.9)
    assert found["year"].value is None
    assert "starts on 2021-01-01" in found["year"].reason


def test_a_month_before_the_end_of_march_is_the_end_of_february() -> None:
    dates = days(90)  # to 2021-03-31
    assert trailing([1.0 + k for k in range(90)], dates)["month"].value == pytest.approx(90 / 59 - 1)


@given(st.lists(st.floats(min_value=0.1, max_value=10), min_size=2, max_size=120), st.sampled_from(KINDS))
def test_calendar_returns_multiply_to_the_whole(levels: list[float], by: str) -> None:
    rows = calendar(levels, days(len(levels), date(2023, 11, 20)), by=by)
    assert math.prod(1 + row.value for row in rows) == pytest.approx(levels[-1] / levels[0], rel=1e-9)
    assert len({row.label for row in rows}) == len(rows)
    assert all(a.end == b.start for a, b in zip(rows, rows[1:], strict=False))


def test_calendar_months_start_at_the_last_level_before_them() -> None:
    rows = calendar([100, 110, 121, 133.1], [date(2021, 1, 30), date(2021, 1, 31), date(2021, 2, 1), date(2021, 2, 2)])
    assert [(row.label, round(row.value, 12)) for row in rows] == [("2021-01", 0.1), ("2021-02", 0.21)]


def test_dates_out_of_order_are_refused() -> None:
    with pytest.raises(UnusableLevels, match="does not come after"):
        trailing([1, 2], [date(2021, 1, 2), date(2021, 1, 1)])


# --- fees -------------------------------------------------------------------------------------------------------------


def test_bill_of_a_flat_year_is_the_streaming_fee_and_the_gates() -> None:
    """F1, F2, F5: 95 bps a year, 10 bps in and 10 bps out of a line that stands still."""
    rules = FeeRules(streaming_bps=95, mint_bps=10, redeem_bps=10)
    found = bill([100.0] * 366, days(366), rules, usd=10_000)
    after_mint = 10_000 * 0.999
    after_year = after_mint * (1 - 0.0095)
    assert found.mint == pytest.approx(10, abs=1e-6)
    assert found.streaming == pytest.approx(after_mint - after_year, abs=1e-6)
    assert found.net == pytest.approx(after_year * 0.999, abs=1e-6)
    assert found.mint + found.streaming + found.redeem + found.performance == pytest.approx(found.total, abs=1e-6)
    assert found.drag == pytest.approx(1 - 0.999 * 0.9905 * 0.999, abs=1e-9)


def test_performance_fee_is_taken_only_above_the_mark() -> None:
    """F3: +50 % pays 10 % of the gain; the fall and the way back pay nothing; the next new high pays again."""
    rules = FeeRules(performance_bps=1_000, performance_interval_days=7)
    levels = [100.0] * 7 + [150.0] * 7 + [100.0] * 7 + [150.0] * 7
    found = bill(levels, days(len(levels)), rules, usd=100)
    assert found.performance == pytest.approx(5.0, abs=1e-6)
    higher = bill([*levels, *[300.0] * 7], days(len(levels) + 7), rules, usd=100)
    # 145 dollars are left at 150; twice that is 290, of which 10 % of the gain above 145 is paid
    assert higher.performance == pytest.approx(5.0 + 14.5, abs=1e-6)


def test_falling_markets_pay_streaming_and_flows_only() -> None:
    """F7: recurring revenue in sideways and bear markets."""
    rules = FeeRules(streaming_bps=95, mint_bps=10, redeem_bps=10, performance_bps=1_000)
    levels = [100.0 * 0.998**k for k in range(90)]
    rows = revenue(levels, days(90), rules, usd=1e6, flows={31: 1e5, 59: -2e5})
    assert [row.month for row in rows] == ["2021-01", "2021-02", "2021-03"]
    assert all(row.streaming > 0 and row.performance == 0 for row in rows)
    assert (rows[1].mint, rows[2].redeem) == pytest.approx((100, 200), rel=1e-6)
    assert rows[0].mint == rows[0].redeem == rows[1].redeem == 0


@given(st.lists(st.floats(min_value=0.7, max_value=1.4), min_size=10, max_size=60))
def test_what_holders_paid_is_what_the_operator_got(steps: list[float]) -> None:
    """F5, F7: with one investor and no gate fees, net + streaming + performance = NAV carried by the market."""
    rules = FeeRules(streaming_bps=200, performance_bps=2_000, performance_interval_days=7)
    levels = [100.0 * math.prod(steps[:k]) for k in range(len(steps) + 1)]
    dates = days(len(levels))
    paid, income = bill(levels, dates, rules, usd=1e6), revenue(levels, dates, rules, usd=1e6)
    assert sum(row.total for row in income) == pytest.approx(paid.streaming + paid.performance, rel=1e-9, abs=1e-3)
    assert income[-1].nav == pytest.approx(paid.net, rel=1e-9)


def test_a_bill_needs_two_days() -> None:
    with pytest.raises(UnusableLevels, match="two levels"):
        bill([1.0], days(1), FeeRules())
