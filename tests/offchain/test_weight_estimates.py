"""What history says about risk, against independent libraries; gaps, short histories and coins that never move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import ledoit_wolf

from offchain.errors import MissingHistory
from offchain.market.history import History
from offchain.reference.weight_math import volatility as contract_volatility
from offchain.spec.weight_rules import WeightRules
from offchain.units import price_to_d27
from offchain.weights.estimates import (
    Returns,
    covariance_of,
    day_weights,
    exact_product,
    mean_returns,
    returns_of,
    sharpe_ratios,
    volatilities,
)

DAYS = 120
IDS = ("a", "b", "c", "d", "e")


def prices(seed: int = 1, *, count: int = 5, days: int = DAYS) -> np.ndarray:
    rng = np.random.default_rng(seed)
    market = rng.normal(0.001, 0.03, (days, 1))
    moves = market + rng.normal(0, 1, (days, count)) * np.linspace(0.01, 0.06, count)
    return 100.0 * np.cumprod(1.0 + np.vstack([np.zeros((1, count)), moves]), axis=0)


def history_of(panel: np.ndarray, ids: tuple[str, ...] = IDS) -> History:
    end = datetime(2024, 6, 1, tzinfo=UTC)
    dates = tuple((end - timedelta(days=len(panel) - 1 - day)).date() for day in range(len(panel)))
    return History(t=end, dates=dates, ids=ids, panels={"price": panel.copy()})


def rules(**changed: object) -> WeightRules:
    return WeightRules(scheme="erc", volatility_days=DAYS, **changed)  # type: ignore[arg-type]


def test_covariance_without_shrinkage_is_that_of_pandas() -> None:
    panel = prices()
    expected = pd.DataFrame(panel).pct_change().iloc[1:].cov(ddof=0).to_numpy()
    risk = covariance_of(returns_of(history_of(panel), IDS, rules(shrinkage="none")), rules(shrinkage="none"))
    assert np.abs(risk.covariance / expected - 1.0).max() <= 1e-10
    assert risk.shrunk == 0.0


def test_covariance_drawn_to_the_identity_is_that_of_scikit_learn() -> None:
    """W3, W10: Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices"."""
    panel = prices(3)
    expected, intensity = ledoit_wolf(panel[1:] / panel[:-1] - 1.0)
    risk = covariance_of(returns_of(history_of(panel), IDS, rules(shrinkage="identity")), rules(shrinkage="identity"))
    assert abs(risk.shrunk - intensity) <= 1e-9
    assert np.abs(risk.covariance - expected).max() <= 1e-12


def test_covariance_drawn_to_one_correlation_is_the_formula_of_ledoit_and_wolf() -> None:
    """W3, W10: "Honey, I shrunk the sample covariance matrix" (2004), appendices A and B, term by term in plain loops."""
    panel = prices(4)
    x = panel[1:] / panel[:-1] - 1.0
    x = x - x.mean(axis=0)
    days, count = x.shape
    s = x.T @ x / days
    rbar = sum(s[i, j] / np.sqrt(s[i, i] * s[j, j]) for i in range(count) for j in range(count) if i != j)
    rbar /= count * (count - 1)
    f = np.array(
        [[s[i, i] if i == j else rbar * np.sqrt(s[i, i] * s[j, j]) for j in range(count)] for i in range(count)]
    )
    pi = sum(((x[:, i] * x[:, j] - s[i, j]) ** 2).mean() for i in range(count) for j in range(count))
    rho = sum(((x[:, i] ** 2 - s[i, i]) ** 2).mean() for i in range(count))
    for i in range(count):
        for j in range(count):
            if i != j:
                own = ((x[:, i] ** 2 - s[i, i]) * (x[:, i] * x[:, j] - s[i, j])).mean()
                other = ((x[:, j] ** 2 - s[j, j]) * (x[:, i] * x[:, j] - s[i, j])).mean()
                rho += rbar / 2 * (np.sqrt(s[j, j] / s[i, i]) * own + np.sqrt(s[i, i] / s[j, j]) * other)
    delta = max(0.0, min(1.0, (pi - rho) / ((f - s) ** 2).sum() / days))
    risk = covariance_of(returns_of(history_of(panel), IDS, rules()), rules())
    assert 0.0 < delta < 1.0
    assert abs(risk.shrunk - delta) <= 1e-9
    assert np.abs(risk.covariance - (delta * f + (1 - delta) * s)).max() <= 1e-12


def test_covariance_with_a_half_life_is_the_weighted_one_of_numpy() -> None:
    panel, half = prices(5), rules(shrinkage="none", half_life_days=20)
    ages = np.arange(DAYS)[::-1]
    expected = np.cov((panel[1:] / panel[:-1] - 1.0).T, aweights=0.5 ** (ages / 20), ddof=0)
    risk = covariance_of(returns_of(history_of(panel), IDS, half), half)
    assert np.abs(risk.covariance / expected - 1.0).max() <= 1e-9
    assert abs(day_weights(40, 10)[-1] / day_weights(40, 10)[-11] - 2.0) <= 1e-12


def test_covariance_with_gaps_uses_the_days_that_both_coins_have() -> None:
    panel = prices(6)
    panel[30:50, 2] = np.nan
    frame = pd.DataFrame(panel[1:] / panel[:-1] - 1.0)
    risk = covariance_of(returns_of(history_of(panel), IDS, rules(shrinkage="none")), rules(shrinkage="none"))
    for i, j in ((0, 1), (2, 2)):
        both = frame[[i, j]].dropna()
        assert risk.covariance[i, j] == pytest.approx(np.cov(both.iloc[:, 0], both.iloc[:, 1], ddof=0)[0, 1], rel=1e-9)


def test_a_coin_with_a_short_history_counts_as_the_most_volatile_and_is_found() -> None:
    panel = prices(7)
    panel[:-6, 1] = np.nan
    panel[:, 3] = 5.0
    risk = covariance_of(returns_of(history_of(panel), IDS, rules()), rules())
    assert risk.covariance[1, 1] == pytest.approx(risk.covariance[4, 4], rel=1e-12)
    assert [finding.split(":")[0] for finding in risk.findings] == ["b", "d"]
    assert np.linalg.eigvalsh(risk.covariance).min() > 0
    yearly, findings = volatilities(history_of(panel), IDS, rules())
    assert yearly["b"] == yearly["d"] == max(yearly.values())
    assert [finding.split(":")[0] for finding in findings] == ["b", "d"]


def test_two_coins_that_are_one_are_told_apart_as_little_as_needed_and_found() -> None:
    panel = prices(8)
    panel[:, 1] = panel[:, 0] * 3.0
    risk = covariance_of(returns_of(history_of(panel), IDS, rules(shrinkage="none")), rules(shrinkage="none"))
    assert "move as one" in risk.findings[0]
    assert np.linalg.eigvalsh(risk.covariance).min() > 0


def test_no_history_at_all_is_refused_with_the_way_out() -> None:
    panel = np.full((DAYS, 5), np.nan)
    panel[-3:] = 1.0
    with pytest.raises(MissingHistory, match="lower weights.min_history_days"):
        returns_of(history_of(panel), IDS, rules())


def test_volatility_is_that_of_the_contract() -> None:
    """W4: the same definition as InverseVolatility on chain, gaps included, to twelve digits."""
    panel = prices(9)
    panel[40:43, 0] = np.nan
    yearly, _ = volatilities(history_of(panel), IDS, rules())
    for name, column in zip(IDS, panel.T, strict=True):
        onchain, _ = contract_volatility([0 if np.isnan(p) else price_to_d27(float(p), 18) for p in column])
        assert yearly[name] == pytest.approx(onchain / 1e18, rel=1e-11)


def test_sharpe_ratio_is_the_yearly_one_of_pandas() -> None:
    """W5."""
    panel = prices(10)
    daily = pd.DataFrame(panel).pct_change().iloc[1:]
    expected = daily.mean() / daily.std() * np.sqrt(365)
    ratios = sharpe_ratios(returns_of(history_of(panel), IDS, rules()), least_days=20)
    assert list(ratios.values()) == pytest.approx(expected.tolist(), rel=1e-10)


def test_mean_returns_are_drawn_together_as_jorion_says() -> None:
    """W10: Jorion (1986): pull (n+2) / (n+2 + T·d'Σ⁻¹d) to the mean of the minimum-variance mix."""
    returns = returns_of(history_of(prices(11)), IDS, rules())
    risk = covariance_of(returns, rules())
    own = returns.values.mean(axis=0)
    inverse = np.linalg.inv(risk.covariance)
    common = (inverse.sum(axis=0) @ own) / inverse.sum()
    pull = 7 / (7 + DAYS * (own - common) @ inverse @ (own - common))
    means, found = mean_returns(returns, risk, shrunk=True)
    assert found == pytest.approx(pull, rel=1e-8)
    assert means == pytest.approx((1 - pull) * own + pull * common, rel=1e-7)
    assert mean_returns(returns, risk, shrunk=False)[0] == pytest.approx(own, rel=1e-12)


def test_estimates_read_only_their_window_and_no_column_twice() -> None:
    """What lies before the window changes nothing; neither does the order of the coins."""
    panel = prices(12, days=200)
    other = panel.copy()
    other[: 200 - DAYS] *= 7.0
    plain = covariance_of(returns_of(history_of(panel), IDS, rules()), rules()).covariance
    assert (covariance_of(returns_of(history_of(other), IDS, rules()), rules()).covariance == plain).all()
    order = ("c", "a", "e", "b", "d")
    shuffled = covariance_of(returns_of(history_of(panel), order, rules()), rules()).covariance
    places = [IDS.index(name) for name in order]
    assert np.abs(shuffled / plain[np.ix_(places, places)] - 1.0).max() <= 1e-11


def test_exact_product_has_the_same_bits_in_any_order_of_days() -> None:
    rng = np.random.default_rng(13)
    a, b = rng.normal(0, 0.03, (1500, 6)), rng.normal(0, 40.0, (1500, 4))
    order = rng.permutation(1500)
    product = exact_product(a, b)
    assert (exact_product(a[order], b[order]) == product).all()
    assert np.abs(product - a.T @ b).max() <= 1e-10 * np.abs(product).max()


def test_returns_know_how_many_each_coin_has() -> None:
    values = np.array([[0.1, np.nan], [0.2, 0.1]])
    assert Returns(ids=("a", "b"), values=values, weights=day_weights(2, 0)).known.tolist() == [2, 1]
