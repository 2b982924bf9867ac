"""Measures against other libraries' formulas, hand-made tables and textbook definitions.

returns
├── total, CAGR with 365 days, hit rate, best and worst day
└── everything lost → −100 %, not an error; too short or flat → None with a reason
risk
├── volatility, VaR, expected shortfall, skewness, kurtosis as numpy, scipy and pandas have them
└── drawdowns: depth, length, recovery; none, open, several
for risk, and against a benchmark
└── Sharpe, Sortino, Calmar, Lo's error; tracking error, information ratio, beta, alpha, capture
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from offchain.analytics import measures
from offchain.analytics.measures import DEFINITIONS, Drawdown, drawdown_line, drawdowns, measure, returns_of
from offchain.errors import UnusableLevels

positive = st.floats(min_value=0.01, max_value=1e6, allow_nan=False)
lines = st.lists(positive, min_size=2, max_size=60)
WALK = 100 * np.cumprod(1 + np.random.Generator(np.random.PCG64(7)).normal(0.001, 0.03, 500))
MARKET = 50 * np.cumprod(1 + np.random.Generator(np.random.PCG64(8)).normal(0.0005, 0.02, 500))


def changes(levels: np.ndarray) -> pd.Series:
    return pd.Series(levels).pct_change().dropna()


def value(found: measures.Measure) -> float:
    assert found.value is not None, found.reason
    return found.value


# --- returns ----------------------------------------------------------------------------------------------------------


def test_cagr_of_a_doubling_in_two_years_of_365_days_is_root_two() -> None:
    """P2, P4: a year has 365 days."""
    levels = np.linspace(100, 200, 731)
    assert value(measures.cagr(levels)) == pytest.approx(math.sqrt(2) - 1, abs=1e-15)
    assert value(measures.total_return(levels)) == pytest.approx(1.0)


def test_cagr_given_a_loss_of_everything_is_minus_one() -> None:
    assert value(measures.cagr([100, 50, 0, 0])) == -1.0
    assert returns_of([100, 50, 0, 0]) == (-0.5, -1.0)
    assert value(measures.max_drawdown([100, 50, 0, 0])) == 1.0


def test_cagr_given_a_jump_within_days_says_that_a_year_has_no_meaning() -> None:
    found = measures.cagr([1, 10])
    assert found.value is None
    assert "too few" in found.reason


def test_days_are_counted_and_ordered() -> None:
    levels = [100, 110, 99, 99, 148.5]
    assert returns_of(levels) == pytest.approx((0.1, -0.1, 0.0, 0.5))
    assert value(measures.hit_rate(levels)) == 0.5
    assert value(measures.best_day(levels)) == pytest.approx(0.5)
    assert value(measures.worst_day(levels)) == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("levels", "word"),
    [
        ([], "no levels"),
        ([1, -1], "-1"),
        ([1, float("nan")], "nan"),
        ([1, 0, 2], "does not come back"),
        ([0], "level 0"),
    ],
)
def test_levels_that_are_none_are_refused(levels: list[float], word: str) -> None:
    with pytest.raises(UnusableLevels, match=word):
        measure(levels)


# --- risk -------------------------------------------------------------------------------------------------------------


def test_volatility_is_the_sample_deviation_of_a_365_day_year() -> None:
    assert value(measures.volatility(WALK)) == pytest.approx(changes(WALK).std(ddof=1) * math.sqrt(365), rel=1e-12)


def test_value_at_risk_is_the_inverse_of_the_empirical_distribution() -> None:
    """P4: the fifth worst of a hundred days, and numpy's inverted_cdf of any number of days."""
    hundred = np.cumprod([1.0, *(1 - k / 1000 for k in range(1, 101))])
    assert value(measures.value_at_risk(hundred)) == pytest.approx(0.096)
    expected = -np.quantile(changes(WALK), 0.05, method="inverted_cdf")
    assert value(measures.value_at_risk(WALK)) == pytest.approx(expected, rel=1e-12)


def test_expected_shortfall_is_the_mean_of_exactly_the_worst_days() -> None:
    """Acerbi and Tasche (2002): with 30 days, 5 % are one day and a half."""
    moves = [-0.08, -0.04, -0.02] + [0.01] * 27
    levels = np.cumprod([1.0, *(1 + move for move in moves)])
    assert value(measures.expected_shortfall(levels)) == pytest.approx((0.08 + 0.5 * 0.04) / 1.5)
    assert value(measures.value_at_risk(levels)) == pytest.approx(0.04)


def test_tail_measures_given_too_few_days_have_a_reason() -> None:
    for found in (measures.value_at_risk(WALK[:10]), measures.expected_shortfall(WALK[:10])):
        assert found.value is None
        assert "9 returns" in found.reason


def test_moments_are_those_of_scipy() -> None:
    moves = changes(WALK)
    assert value(measures.skewness(WALK)) == pytest.approx(stats.skew(moves), rel=1e-10)
    assert value(measures.kurtosis(WALK)) == pytest.approx(stats.kurtosis(moves), rel=1e-10)


def test_drawdowns_are_found_deepest_first_with_length_and_recovery() -> None:
    """P5: peak 100 → 80 → 100 in 3 days; 120 → 60 and never back."""
    levels = [100, 90, 80, 100, 120, 60, 90]
    deepest, other = drawdowns(levels)
    assert deepest == Drawdown(depth=0.5, peak=4, trough=5, recovery=None, length=2)
    assert other == Drawdown(depth=1 - 80 / 100, peak=0, trough=2, recovery=3, length=3)
    assert measures.recovery_days(levels).reason == "the peak is not regained yet"
    assert value(measures.drawdown_days(levels)) == 2
    assert drawdown_line(levels) == pytest.approx((0, 0.1, 0.2, 0, 0, 0.5, 0.25))


def test_a_line_that_only_rises_has_no_drawdown() -> None:
    rising = [1, 2, 3]
    assert drawdowns(rising) == ()
    assert value(measures.max_drawdown(rising)) == 0
    assert measures.calmar(rising).reason == "there was no drawdown"
    assert measures.sortino(rising).reason == "no return was below the riskless one"


def test_ulcer_index_is_the_root_of_the_mean_squared_drawdown() -> None:
    assert value(measures.ulcer_index([100, 90, 80, 100])) == pytest.approx(math.sqrt((0.01 + 0.04) / 4))


@given(lines)
def test_the_deepest_drawdown_is_the_worst_pair_of_days(levels: list[float]) -> None:
    worst = max(1 - after / before for k, before in enumerate(levels) for after in levels[k:])
    assert value(measures.max_drawdown(levels)) == pytest.approx(worst, abs=1e-12)


# --- return for risk --------------------------------------------------------------------------------------------------


def test_sharpe_sortino_and_calmar_follow_their_definitions() -> None:
    """P4: Sharpe (1994), Sortino and van der Meer (1991), Young (1991), with a riskless rate of 4 % a year."""
    excess = changes(WALK) - (1.04 ** (1 / 365) - 1)
    assert value(measures.sharpe(WALK, risk_free=0.04)) == pytest.approx(
        excess.mean() / excess.std(ddof=1) * math.sqrt(365), rel=1e-10
    )
    downside = math.sqrt((np.minimum(excess, 0) ** 2).mean())
    assert value(measures.sortino(WALK, risk_free=0.04)) == pytest.approx(
        excess.mean() / downside * math.sqrt(365), rel=1e-10
    )
    growth = (WALK[-1] / WALK[0]) ** (365 / 499) - 1
    fall = (1 - WALK / np.maximum.accumulate(WALK)).max()
    assert value(measures.calmar(WALK)) == pytest.approx(growth / fall, rel=1e-10)


def test_sharpe_error_of_a_small_ratio_is_about_one_over_root_years() -> None:
    """Lo (2002): with a daily ratio near 0 the error is √(365 / n)."""
    assert value(measures.sharpe_error(WALK)) == pytest.approx(math.sqrt(365 / 499), rel=0.01)


def test_a_constant_return_has_no_sharpe_ratio_rather_than_a_huge_one() -> None:
    steady = 100 * 1.01 ** np.arange(50)
    assert measures.sharpe(steady).reason == "the returns do not vary"
    assert measures.skewness(steady).reason == "the returns do not vary"


# --- against a benchmark ----------------------------------------------------------------------------------------------


def test_active_measures_follow_their_definitions() -> None:
    """P3: tracking error, information ratio, beta and alpha as pandas and numpy compute them."""
    own, other = changes(WALK), changes(MARKET)
    active = own - other
    slope = np.cov(own, other, ddof=1)[0, 1] / other.var(ddof=1)
    found = measure(WALK, benchmark=MARKET)
    assert value(found["tracking_error"]) == pytest.approx(active.std(ddof=1) * math.sqrt(365), rel=1e-10)
    assert value(found["information_ratio"]) == pytest.approx(
        active.mean() / active.std(ddof=1) * math.sqrt(365), rel=1e-10
    )
    assert value(found["beta"]) == pytest.approx(slope, rel=1e-10)
    assert value(found["alpha"]) == pytest.approx((own.mean() - slope * other.mean()) * 365, rel=1e-10)
    assert value(found["correlation"]) == pytest.approx(np.corrcoef(own, other)[0, 1], rel=1e-10)
    assert value(found["up_capture"]) == pytest.approx(own[other > 0].mean() / other[other > 0].mean(), rel=1e-10)
    assert value(found["down_capture"]) == pytest.approx(own[other < 0].mean() / other[other < 0].mean(), rel=1e-10)
    assert value(found["win_rate"]) == pytest.approx((active > 0).mean())


def test_an_index_is_its_own_twin() -> None:
    found = measure(WALK, benchmark=WALK)
    assert value(found["tracking_error"]) == 0
    assert value(found["tracking_difference"]) == 0
    assert value(found["beta"]) == pytest.approx(1.0)
    assert value(found["correlation"]) == pytest.approx(1.0)
    assert found["information_ratio"].reason == "it never differs from the benchmark"


def test_a_benchmark_that_stands_still_has_no_beta() -> None:
    flat = np.full(500, 7.0)
    found = measure(WALK, benchmark=flat)
    assert found["beta"].reason == "the benchmark does not vary"
    assert found["alpha"].value is None
    assert found["drawdown_saved"].reason == "the benchmark had no drawdown"
    assert found["up_capture"].reason == "the benchmark never rose"


def test_drawdown_saved_is_measured_against_the_twin() -> None:
    """A12: a drawdown of 32.5 % where the twin had 50 % is one that is smaller by 35 %."""
    assert value(measures.drawdown_saved([100, 67.5], [100, 50])) == pytest.approx(0.35)


def test_benchmarks_of_other_days_are_refused() -> None:
    with pytest.raises(UnusableLevels, match="2 levels and 3"):
        measure([1, 2], benchmark=[1, 2, 3])


# --- all --------------------------------------------------------------------------------------------------------------


def test_every_definition_is_measured_in_its_order_and_has_a_source() -> None:
    """P4, T1."""
    assert list(measure(WALK, benchmark=MARKET)) == [row.name for row in DEFINITIONS]
    assert list(measure(WALK)) == [row.name for row in DEFINITIONS if not row.is_relative]
    assert all(row.formula and row.source and row.unit for row in DEFINITIONS)


@given(lines, st.floats(min_value=1e-3, max_value=1e3))
def test_no_measure_is_ever_infinite_or_nan(levels: list[float], scale: float) -> None:
    found = measure(levels, benchmark=[level * scale for level in levels[::-1]])
    for name, one in found.items():
        assert (one.value is None) == bool(one.reason), name
        assert one.value is None or math.isfinite(one.value), name


@given(lines)
def test_measures_do_not_depend_on_the_scale_of_the_levels(levels: list[float]) -> None:
    own, doubled = measure(levels), measure([2 * level for level in levels])
    assert own == doubled
