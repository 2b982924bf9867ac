"""Weights from risk: published examples, closed forms, and the conditions of optimality of each.

equal_risk          Maillard, Roncalli and Teïletche (2010) · bounded: Richard and Roncalli (2019)
least_variance      two and three names · most_diversified · highest_sharpe against an independent optimiser
hierarchical        López de Prado (2016) by hand
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from offchain.errors import InfeasibleWeights, NotConverged
from offchain.weights.hierarchy import hierarchical, ordered
from offchain.weights.kernels import compiled
from offchain.weights.optimal import highest_sharpe, least_variance, most_diversified
from offchain.weights.risk_parity import equal_risk, risk_contributions
from tests.fuzz import examples

# Volatilities 10, 20, 30, 40 %; the first two correlate 0.8, the last two −0.5: the four assets of Maillard et al. (2010)
PUBLISHED = np.array([[1.0, 0.8, 0, 0], [0.8, 1.0, 0, 0], [0, 0, 1.0, -0.5], [0, 0, -0.5, 1.0]]) * np.outer(
    [0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]
)


def covariance(seed: int, count: int) -> np.ndarray:
    """Of daily returns that share a few factors, as coins do."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(0.6, 0.4, (count, min(count, 4)))
    own = np.diag(rng.uniform(0.005, 0.05, count) ** 2)
    return factors @ factors.T * 4e-4 + own


@st.composite
def bounded(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(min_value=2, max_value=15))
    low = draw(st.sampled_from([0.0, 0.3, 0.7])) / count
    high = min(1.0, draw(st.sampled_from([1.1, 1.5, 3.0, 50.0])) / count)
    return covariance(draw(st.integers(0, 10**6)), count), np.full(count, low), np.full(count, high)


# --- equal risk -------------------------------------------------------------------------------------------------------


def test_equal_risk_gives_the_published_weights_of_maillard_roncalli_teiletche() -> None:
    """W3: 38.4, 19.2, 24.3, 18.2 % with equal contributions, and the minimum-variance weights beside them: 74.5, 0, 15.2, 10.3 %."""
    # by hand: inside each pair w ∝ 1/σ; between the pairs (w₁σ₁)²·(1 + 0.8) = (w₃σ₃)²·(1 − 0.5)
    y = np.array([math.sqrt(0.5 / 1.8)] * 2 + [1.0] * 2) / np.array([0.1, 0.2, 0.3, 0.4])
    weights = equal_risk(PUBLISHED)
    assert np.abs(weights - y / y.sum()).max() <= 1e-15
    assert (weights * 100).round(1).tolist() == [38.4, 19.2, 24.3, 18.2]
    assert (least_variance(PUBLISHED) * 100).round(1).tolist() == [74.5, 0.0, 15.2, 10.3]


@given(st.floats(0.01, 2.0), st.floats(0.01, 2.0), st.floats(-0.95, 0.95))
def test_equal_risk_of_two_coins_is_inverse_volatility_whatever_the_correlation(a: float, b: float, rho: float) -> None:
    """W3, W4."""
    weights = equal_risk(np.array([[a * a, rho * a * b], [rho * a * b, b * b]]))
    assert np.abs(weights - np.array([b, a]) / (a + b)).max() <= 1e-14


@given(st.lists(st.floats(0.05, 2.0), min_size=2, max_size=20), st.floats(0.0, 0.95))
def test_equal_risk_with_one_correlation_for_all_is_inverse_volatility(sigma: list[float], rho: float) -> None:
    """W3: Maillard et al., section 3: w ∝ 1/σ when all correlations are equal."""
    deviations = np.array(sigma)
    matrix = np.outer(deviations, deviations) * (rho + (1 - rho) * np.eye(len(sigma)))
    inverse = 1.0 / deviations
    assert np.abs(equal_risk(matrix) - inverse / inverse.sum()).max() <= 1e-13


@given(bounded())
def test_equal_risk_within_bounds_is_equal_to_a_trillionth_among_the_names_no_bound_holds(
    case: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """W3, W8: the rule of Richard and Roncalli: bounds exact; capped names add less than the free ones, floored names more."""
    matrix, low, high = case
    weights = equal_risk(matrix, lower=low, upper=high)
    assert (weights >= low).all() and (weights <= high).all()
    assert abs(weights.sum() - 1.0) <= 1e-14
    added = risk_contributions(matrix, weights)
    is_free = (weights > low) & (weights < high)
    if is_free.any():
        level = added[is_free].mean()
        assert np.abs(added[is_free] / level - 1.0).max() <= 1e-12
        assert (added[weights >= high] <= level * (1 + 1e-9)).all()
        assert (added[(weights <= low) & (low > 0)] >= level * (1 - 1e-9)).all()


@given(st.integers(0, 10**6), st.floats(1e-6, 1e6))
def test_equal_risk_does_not_depend_on_the_unit_of_risk_or_the_order_of_names(seed: int, unit: float) -> None:
    matrix = covariance(seed, 8)
    order = np.random.default_rng(seed).permutation(8)
    weights = equal_risk(matrix)
    assert np.abs(equal_risk(matrix * unit) - weights).max() <= 1e-14
    assert np.abs(equal_risk(matrix[np.ix_(order, order)]) - weights[order]).max() <= 1e-15


def test_equal_risk_by_budgets_adds_risk_as_the_budgets_say() -> None:
    budgets = np.array([0.4, 0.3, 0.2, 0.1])
    added = risk_contributions(PUBLISHED, equal_risk(PUBLISHED, budgets=budgets))
    assert np.abs(added - budgets).max() <= 1e-14


@pytest.mark.parametrize("count", [12, 80, 320])
def test_equal_risk_is_the_same_with_and_without_machine_code(count: int) -> None:
    if compiled() is None:
        pytest.skip("numba is not installed: uv sync --group fast")
    matrix = covariance(7, count)
    low, high = np.full(count, 0.6 / count), np.full(count, 1.3 / count)
    for bounds in ({}, {"lower": low, "upper": high}):
        plain, quick = (equal_risk(matrix, is_compiled=flag, **bounds) for flag in (False, True))
        assert np.abs(plain - quick).max() <= 1e-12


def test_equal_risk_of_a_matrix_that_is_no_covariance_is_refused() -> None:
    with pytest.raises(NotConverged, match="not positive definite"):
        equal_risk(np.array([[1.0, -2.0], [-2.0, 1.0]]))


# --- best by one number -----------------------------------------------------------------------------------------------


@given(st.floats(0.05, 1.0), st.floats(0.05, 1.0), st.floats(-0.9, 0.9))
def test_least_variance_of_two_coins_is_the_closed_form(a: float, b: float, rho: float) -> None:
    """W10: w₁ = (σ₂² − ρσ₁σ₂) / (σ₁² + σ₂² − 2ρσ₁σ₂), kept between 0 and 1."""
    first = (b * b - rho * a * b) / (a * a + b * b - 2 * rho * a * b)
    weights = least_variance(np.array([[a * a, rho * a * b], [rho * a * b, b * b]]))
    assert abs(weights[0] - min(1.0, max(0.0, first))) <= 1e-12


def test_least_variance_of_uncorrelated_coins_is_inverse_variance_and_a_cap_is_shared_on() -> None:
    """W8, W10: variances 1, 2, 4 → 4:2:1 of 7; with a cap of 50 % the rest shares as 2:1."""
    matrix = np.diag([1.0, 2.0, 4.0])
    assert np.abs(least_variance(matrix) - np.array([4, 2, 1]) / 7).max() <= 1e-15
    assert np.abs(least_variance(matrix, upper=np.full(3, 0.5)) - np.array([1 / 2, 1 / 3, 1 / 6])).max() <= 1e-15


def test_most_diversified_is_the_closed_form_of_choueifaty_and_coignard() -> None:
    """W10: with one correlation for all it is inverse volatility; unbounded it is Σ⁻¹σ where that is positive."""
    sigma = np.array([0.1, 0.2, 0.4])
    equal = np.outer(sigma, sigma) * (0.3 + 0.7 * np.eye(3))
    assert np.abs(most_diversified(equal) - (1 / sigma) / (1 / sigma).sum()).max() <= 1e-14
    direct = np.linalg.solve(PUBLISHED, np.sqrt(np.diag(PUBLISHED)))
    assert np.abs(most_diversified(PUBLISHED) - direct / direct.sum()).max() <= 1e-13


def test_highest_sharpe_is_the_tangency_portfolio() -> None:
    """W10: Σ⁻¹μ where that is positive; a coin that only adds risk is left out."""
    means = np.array([0.04, 0.06, 0.09, 0.10])
    matrix = np.diag([0.01, 0.04, 0.09, 0.16])
    direct = np.linalg.solve(matrix, means)
    assert np.abs(highest_sharpe(matrix, means) - direct / direct.sum()).max() <= 1e-14
    assert highest_sharpe(matrix, np.array([0.04, 0.06, 0.09, -0.1]))[3] == 0.0


def test_highest_sharpe_where_nothing_gains_is_refused() -> None:
    with pytest.raises(InfeasibleWeights, match="no mix of the members within the limits has a mean return above 0"):
        highest_sharpe(np.eye(3), np.array([-0.1, -0.2, -0.1]))


@settings(max_examples=examples(25))
@given(bounded(), st.integers(0, 10**6))
def test_no_independent_optimiser_finds_better_weights(
    case: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    """W10: against SLSQP of scipy, for variance, Sharpe ratio and diversification within bounds."""
    matrix, low, high = case
    count, sigma = len(low), np.sqrt(np.diag(matrix))
    means = np.abs(np.random.default_rng(seed).normal(0.001, 0.002, count))
    found = [
        (lambda w: 1e4 * w @ matrix @ w, least_variance(matrix, lower=low, upper=high)),
        (lambda w: -(means @ w) / math.sqrt(w @ matrix @ w), highest_sharpe(matrix, means, lower=low, upper=high)),
        (lambda w: -(sigma @ w) / math.sqrt(w @ matrix @ w), most_diversified(matrix, lower=low, upper=high)),
    ]
    for goal, weights in found:
        assert (weights >= low).all() and (weights <= high).all() and abs(weights.sum() - 1.0) <= 1e-14
        other = minimize(
            goal,
            np.full(count, 1.0 / count),
            method="SLSQP",
            bounds=list(zip(low, high, strict=True)),
            constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1.0}],
            options={"maxiter": 500, "ftol": 1e-13},
        )
        assert goal(weights) <= other.fun + 1e-9


# --- hierarchy --------------------------------------------------------------------------------------------------------


def test_hierarchical_of_three_coins_by_hand() -> None:
    """W10: López de Prado (2016). The two that move together are one branch; the tree is cut in the middle, 1 and 2 names."""
    sigma = np.array([0.2, 0.2, 0.4])
    correlation = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])
    matrix = np.outer(sigma, sigma) * correlation
    leaves = ordered(matrix).tolist()
    assert sorted(leaves) == [0, 1, 2] and abs(leaves.index(0) - leaves.index(1)) == 1
    # leaves 2 | 0 1: the pair has variance 0.04·(1 + 0.9)/2 = 0.038, the other 0.16
    assert leaves[0] == 2
    alone = 0.038 / (0.038 + 0.16)
    assert np.abs(hierarchical(matrix) - np.array([(1 - alone) / 2, (1 - alone) / 2, alone])).max() <= 1e-15


def test_hierarchical_of_uncorrelated_coins_is_inverse_variance() -> None:
    variances = np.array([0.01, 0.04, 0.02, 0.08])
    inverse = 1 / variances
    # halves by inverse variance, and halves of halves: with two levels of two it is inverse variance in all
    assert np.abs(hierarchical(np.diag(variances)) - inverse / inverse.sum()).max() <= 1e-15


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_hierarchical_sums_to_one_and_leaves_nobody_out(seed: int, count: int) -> None:
    weights = hierarchical(covariance(seed, count))
    assert abs(weights.sum() - 1.0) <= 1e-14 and (weights > 0).all()
