"""Tail risk, contributions and liquidity against closed forms and plain arithmetic.

tail          historical by hand and by brute force · normal limits · Cornish–Fisher integrated · horizons
Euler         volatility and shortfall add up · the published example of equal risk
liquidity     days to get out
downside      beside the passive twin, by hand and measured on real data
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from offchain.errors import MissingHistory
from offchain.market import Market
from offchain.market.history import Floats, History
from offchain.risk import expose, names, needs
from offchain.risk.measures import (
    beta,
    betas,
    between_known_days,
    contributions,
    cornish_fisher_tail,
    covariance,
    diversification_ratio,
    downside,
    ewma_tail,
    exit_days,
    historical_tail,
    shock_correlation,
    shortfall_contributions,
    tail_risk,
)
from offchain.spec.risk_rules import RiskRules

WAD = 10**18
NORMAL = NormalDist()


def returns_like(seed: int = 5, days: int = 400) -> Floats:
    return 0.04 * np.random.default_rng(seed).standard_t(5, days)


def history_from(change: Floats, ids: tuple[str, ...]) -> History:
    prices = np.vstack([np.full(change.shape[1], 100.0), 100.0 * np.cumprod(1 + change, axis=0)])
    end = datetime(2024, 6, 1, tzinfo=UTC)
    dates = tuple(end.date() - timedelta(days=len(prices) - 1 - day) for day in range(len(prices)))
    return History(t=end, dates=dates, ids=ids, panels={"price": prices})


# --- tail -----------------------------------------------------------------------------------------------------------


def test_historical_tail_by_hand() -> None:
    """Issue 4 §1 Risk: losses 1, 2 … 40 %; at 95 % the 38th smallest, beyond it the mean of 39 and 40 %."""
    daily = -np.arange(1, 41) / 100
    tail = historical_tail(np.random.default_rng(1).permutation(daily), confidence=0.95)
    assert tail.value_at_risk == pytest.approx(0.38, abs=1e-15)
    assert tail.shortfall == pytest.approx(0.395, abs=1e-15)
    # 5 % of 30 are one and a half: the worst and half of the next
    part = historical_tail(daily[:30], confidence=0.95)
    assert part.shortfall == pytest.approx((0.30 + 0.5 * 0.29) / 1.5, abs=1e-12)


@given(st.integers(min_value=0, max_value=10**6), st.sampled_from([0.9, 0.95, 0.975, 0.99]))
def test_historical_shortfall_is_the_least_of_the_rockafellar_uryasev_function(seed: int, confidence: float) -> None:
    """The brute force: min over c of c + E[(loss - c)+] / (1 - confidence), reached at one of the losses (2000)."""
    daily = returns_like(seed, 60)
    losses = -daily
    best = min(c + np.maximum(losses - c, 0).mean() / (1 - confidence) for c in losses)
    tail = historical_tail(daily, confidence=confidence)
    assert tail.shortfall == pytest.approx(best, rel=1e-9)
    assert tail.shortfall >= tail.value_at_risk


def test_historical_tail_over_days_compounds_them() -> None:
    daily = np.array([-0.1, -0.2, 0.05] + [0.0] * 37)
    tail = historical_tail(daily, confidence=0.999, horizon=2)
    assert tail.value_at_risk == pytest.approx(1 - 0.9 * 0.8, abs=1e-15)


def test_historical_tail_leaves_unknown_days_out() -> None:
    daily = returns_like()
    gaps = np.insert(daily, [3, 50, 50], np.nan)
    assert historical_tail(gaps, confidence=0.95) == historical_tail(daily, confidence=0.95)


def test_shortfall_of_two_together_is_at_most_that_of_each() -> None:
    """Coherence: the sum of two positions never has the larger tail (Acerbi and Tasche 2002)."""
    for seed in range(30):
        a, b = returns_like(seed, 101), returns_like(seed + 1000, 101)
        both = historical_tail(a + b, confidence=0.93).shortfall
        assert (
            both
            <= historical_tail(a, confidence=0.93).shortfall + historical_tail(b, confidence=0.93).shortfall + 1e-12
        )


def normal_sample(count: int = 2001) -> Floats:
    """Quantiles of the normal distribution in the middle of equal parts."""
    return np.array([NORMAL.inv_cdf((number + 0.5) / count) for number in range(count)])


def test_cornish_fisher_of_a_normal_sample_is_the_normal_tail() -> None:
    """Without skew and excess kurtosis: VaR = σz, ES = σφ(z)/(1 - c)."""
    sample = normal_sample()
    skewless = 0.02 * sample
    tail = cornish_fisher_tail(skewless, confidence=0.99)
    kurtosis = float((sample**4).mean() / (sample**2).mean() ** 2 - 3)
    z, sigma = NORMAL.inv_cdf(0.01), float(skewless.std())
    assert tail.value_at_risk == pytest.approx(-sigma * (z + (z**3 - 3 * z) * kurtosis / 24), rel=1e-9)
    assert tail.value_at_risk == pytest.approx(2.3263 * 0.02, rel=0.01)
    assert tail.shortfall == pytest.approx(2.6652 * 0.02, rel=0.01)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("horizon", [1, 10])
def test_cornish_fisher_shortfall_is_the_integral_of_its_quantile(confidence: float, horizon: int) -> None:
    """The closed form against numerical integration of the Value-at-Risk below its confidence."""
    daily = returns_like(8, 800) * (1 + 0.2 * np.sign(returns_like(8, 800)))
    found = cornish_fisher_tail(daily, confidence=confidence, horizon=horizon)

    def value_at_risk(level: float) -> float:
        return cornish_fisher_tail(daily, confidence=1 - level, horizon=horizon).value_at_risk

    area, _ = integrate.quad(value_at_risk, 1e-14, 1 - confidence, epsabs=1e-12, limit=400)
    assert found.shortfall == pytest.approx(area / (1 - confidence), rel=1e-6)


def test_cornish_fisher_says_when_it_means_nothing() -> None:
    calm = np.array([0.001, -0.001] * 200)
    jump = np.append(calm, -0.5)
    assert "too large" in cornish_fisher_tail(jump, confidence=0.99).note
    assert cornish_fisher_tail(returns_like(), confidence=0.95).note == ""


def test_ewma_tail_is_normal_with_the_weighted_variance() -> None:
    daily = returns_like(2, 100)
    variance = sum(0.94 ** (99 - day) * value**2 for day, value in enumerate(daily))
    variance /= sum(0.94**age for age in range(100))
    tail = ewma_tail(daily, confidence=0.975, horizon=4)
    assert tail.value_at_risk == pytest.approx(1.959964 * 2 * math.sqrt(variance), rel=1e-6)
    assert tail.shortfall == pytest.approx(2.337803 * 2 * math.sqrt(variance), rel=1e-6)


def test_tail_risk_without_enough_days_names_the_numbers() -> None:
    with pytest.raises(MissingHistory, match="25 daily returns hold 16 horizons of 10 days; at least 20"):
        tail_risk(returns_like(1, 25), horizon=10)
    both = tail_risk(returns_like(1, 60), confidence=0.9)
    assert (both.days, both.historical.method, both.ewma.method) == (60, "historical", "ewma")


# --- Euler ----------------------------------------------------------------------------------------------------------


def test_contributions_of_equal_risk_weights_are_equal() -> None:
    """W3: Maillard, Roncalli and Teïletche (2010): with one correlation for all pairs the weights of equal risk are
    those of inverse volatility, and each of n coins adds 1/n."""
    volatility = np.array([0.1, 0.2, 0.3, 0.4])
    matrix = np.outer(volatility, volatility) * (0.5 + 0.5 * np.eye(4))
    inverse = 1 / volatility / (1 / volatility).sum()
    rows = contributions(dict(zip("abcd", inverse.tolist(), strict=True)), matrix)
    assert [row.part for row in rows] == pytest.approx([0.25] * 4, abs=1e-14)
    assert [row.volatility for row in rows] == pytest.approx(volatility)


def test_contributions_add_up_and_marginals_are_derivatives() -> None:
    """Euler: Σ w·∂σ/∂w = σ; the marginal against a difference quotient."""
    random = np.random.default_rng(4)
    change = random.standard_normal((200, 5)) * 0.03 + random.standard_normal((200, 1)) * 0.02
    matrix = 365 * np.cov(change.T)
    held = random.dirichlet(np.ones(5))
    ids = tuple("abcde")
    rows = contributions(dict(zip(ids, held.tolist(), strict=True)), matrix)
    sigma = math.sqrt(held @ matrix @ held)
    assert math.fsum(row.added for row in rows) == pytest.approx(sigma, rel=1e-14)
    assert math.fsum(row.part for row in rows) == pytest.approx(1.0, abs=1e-14)
    for number, row in enumerate(rows):
        moved = held.copy()
        moved[number] += 1e-6
        assert row.marginal == pytest.approx((math.sqrt(moved @ matrix @ moved) - sigma) / 1e-6, rel=1e-4)


def test_covariance_is_that_of_numpy_over_common_days() -> None:
    change = np.random.default_rng(6).standard_normal((120, 3)) * 0.03
    history = history_from(change, ("a", "b", "c"))
    assert covariance(history, ["c", "a", "b"], days=90) == pytest.approx(365 * np.cov(change[-90:].T), rel=1e-9)
    with pytest.raises(MissingHistory, match="10 days on which all of a, b, c"):
        covariance(history, ["a", "b", "c"], days=10)


def test_shortfall_contributions_sum_to_the_shortfall() -> None:
    """Euler for expected shortfall (Tasche 1999), with a day that counts in part."""
    change = np.random.default_rng(9).standard_t(4, (130, 3)) * 0.03
    history = history_from(change, ("a", "b", "c"))
    weights = {"c": 0.2, "a": 0.5, "b": 0.3}
    added = shortfall_contributions(history, weights, confidence=0.95)
    whole = historical_tail(change @ np.array([0.5, 0.3, 0.2]), confidence=0.95).shortfall
    assert math.fsum(added.values()) == pytest.approx(whole, rel=1e-9)
    assert list(added) == ["a", "b", "c"]


def test_diversification_ratio_of_uncorrelated_halves_is_the_root_of_two() -> None:
    """Choueifaty and Coignard (2008); 1 where everything moves as one."""
    assert diversification_ratio({"a": 0.5, "b": 0.5}, np.eye(2)) == pytest.approx(math.sqrt(2))
    assert diversification_ratio({"a": 0.5, "b": 0.5}, np.ones((2, 2))) == pytest.approx(1.0)


def test_beta_of_a_multiple_is_the_multiple() -> None:
    benchmark = returns_like(3, 200)
    assert beta(1.7 * benchmark + 0.001, benchmark) == pytest.approx(1.7)
    assert math.isnan(beta(benchmark[:10], benchmark[:10]))
    history = history_from(np.column_stack([0.5 * benchmark, benchmark]), ("aave", "bitcoin"))
    assert betas(history, ["aave", "bitcoin"], days=200) == pytest.approx({"aave": 0.5, "bitcoin": 1.0}, rel=1e-6)


def test_shock_correlation_can_rise_when_the_other_falls() -> None:
    """P10: independent of equities on quiet days, along with them on their worst ones."""
    random = np.random.default_rng(12)
    equities = random.standard_normal(1000) * 0.01
    own = random.standard_normal(1000) * 0.03
    worst = np.argsort(equities)[:100]
    own[worst] = 5 * equities[worst]
    calm, stressed = shock_correlation(own, equities)
    assert calm < 0.6
    assert stressed == pytest.approx(1.0)


def test_returns_between_known_days_carry_weekends() -> None:
    """P10: stocks have no price on the second and third day; the index's own days there are compounded."""
    own, other = between_known_days(np.array([0.1, 0.2, -0.5, np.nan]), np.array([100.0, np.nan, np.nan, 110.0, 99.0]))
    assert own == pytest.approx([1.1 * 1.2 * 0.5 - 1, 0.0])
    assert other == pytest.approx([0.1, -0.1])


# --- liquidity ------------------------------------------------------------------------------------------------------


def test_exit_days_by_hand() -> None:
    """P11, W9: one million, a tenth of the volume a day."""
    weights = {"bitcoin": 0.6, "small": 0.3, "dead": 0.1}
    found = exit_days(weights, {"bitcoin": 1e9, "small": 1e6}, portfolio_usd=1e6)
    assert found.days == {"bitcoin": pytest.approx(0.006), "dead": math.inf, "small": pytest.approx(3.0)}
    assert (found.slowest, found.whole) == ("dead", math.inf)
    assert found.part_in_a_day == pytest.approx(0.6 + 0.1)


# --- downside -------------------------------------------------------------------------------------------------------


def test_downside_by_hand() -> None:
    """A12: the twin halves, the index loses 35 % less of that."""
    found = downside([100.0, 110.0, 74.25, 80.0], [100.0, 120.0, 60.0, 75.0])
    assert (found.drawdown, found.twin_drawdown) == (pytest.approx(0.325), pytest.approx(0.5))
    assert found.drawdown_cut == pytest.approx(0.35)
    assert found.total_return == pytest.approx(-0.2)
    assert found.down_capture == pytest.approx(0.325 / 0.5)
    assert found.up_capture == pytest.approx((0.1 + 80 / 74.25 - 1) / (0.2 + 0.25))
    with pytest.raises(MissingHistory, match="2 levels beside 3 of the twin"):
        downside([1.0, 2.0], [1.0, 2.0, 3.0])


BASKET = (
    "bitcoin",
    "ethereum",
    "binancecoin",
    "ripple",
    "cardano",
    "polkadot",
    "uniswap",
    "litecoin",
    "chainlink",
    "stellar",
)
MANAGED = RiskRules(
    stable=(("dai", 1.0), ("usd-coin", 1.0)), buffer=0.02, shift="breadth", max_shift=0.3, volatility_target=0.8,
    drawdown_from=0.1, drawdown_limit=0.4, min_exposure=0.2, step=0.2, step_up=0.1, stop_loss=0.45, stop_days=14,
)  # fmt: skip


def run(market: Market, rules: RiskRules) -> list[float]:
    """Daily levels of ten equal coins, reviewed weekly at the day's prices, without costs."""
    ids = tuple(sorted({*BASKET, *names(rules)}))
    whole = market.history(market.end, days=300, ids=ids)
    prices = whole.panel("price")
    levels, weights = [100.0], {}
    for day in range(60, len(whole)):
        if day > 60:
            change = {name: prices[day, whole.column(name)] / prices[day - 1, whole.column(name)] for name in weights}
            total = math.fsum(weights[name] * change[name] for name in weights)
            levels.append(levels[-1] * total)
            weights = {name: weights[name] * change[name] / total for name in weights}
        if (day - 60) % 7 == 0:
            t = datetime.combine(whole.dates[day], datetime.min.time(), tzinfo=UTC)
            history = market.history(t, days=max(needs(rules).days, 1), ids=ids)
            target = expose(dict.fromkeys(BASKET, WAD // 10), rules, history=history, held=weights, levels=levels)
            weights = {name: weight / WAD for name, weight in target.weights.items()}
    return levels


def test_managed_index_beside_its_passive_twin_on_real_data(
    real_market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    """A12: the difference is measured, whatever it is; March to September 2021."""
    managed, passive = run(real_market, MANAGED), run(real_market, RiskRules())
    found = downside(managed, passive)
    with capsys.disabled():
        print(
            f"\n  managed: drawdown {found.drawdown:.1%}, return {found.total_return:+.1%}; passive twin: drawdown "
            f"{found.twin_drawdown:.1%}, return {found.twin_return:+.1%}; drawdown cut {found.drawdown_cut:+.1%}, "
            f"captures {found.up_capture:.0%} up, {found.down_capture:.0%} down"
        )
    assert len(managed) == len(passive)
    # the twin by pandas: equal weights every seventh day
    prices = real_market.believed_prices()[list(BASKET)].iloc[-len(passive) :]
    level, expected = 100.0, []
    for day in range(len(prices)):
        base = prices.iloc[day - (day % 7 or 7) if day else 0]
        if day and day % 7 == 1:
            level = expected[-1]
        expected.append(level * float((prices.iloc[day] / base).mean()))
    assert passive == pytest.approx(expected, rel=1e-12)
