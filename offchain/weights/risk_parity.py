"""Equal risk contributions: every coin adds the same risk, w_i·(Σw)_i, so the more volatile, the smaller its weight.

    equal_risk(covariance)                     Maillard, Roncalli and Teïletche (2010)
    equal_risk(covariance, lower=, upper=)     Richard and Roncalli (2019): names that stand at a bound leave the rule, all
                                               others still add exactly the same risk

Newton's method on the convex form of Spinu (2013) in numpy; with numba, many names are solved by coordinate descent first. Every
answer is verified before it is returned: risk contributions within 1e-12 of each other, bounds exact, sum 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import brentq

from offchain.errors import InfeasibleWeights, NotConverged
from offchain.weights.fitting import project
from offchain.weights.kernels import Descent, compiled, descend
from offchain.weights.precise import MOST_NAMES, ONE, dot, fixed, matrix_rows, refine, times

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
ACCURACY = 1e-12  # spread of risk contributions that is still called equal
DESCENT_FROM = 300  # names; below, Newton is quick enough that compiling would not pay
_MOST_STEPS = 60
_NO_COVARIANCE = "equal risk for {} coins: the covariance is not positive definite; use weights.shrinkage, or a longer weights.volatility_days"
_WIDEST = 60.0  # logarithm of a level: below, it is none


def equal_risk(
    covariance: Floats,
    *,
    budgets: Floats | None = None,
    lower: Floats | None = None,
    upper: Floats | None = None,
    is_compiled: bool | None = None,
) -> Floats:
    """Weights, Σ = 1, whose risk contributions are as `budgets` (default: equal). `covariance` must be positive definite.

    `lower`, `upper`: bounds with Σ lower ≤ 1 ≤ Σ upper, upper > 0. `is_compiled`: whether to use numba; by default for many names.
    Raises InfeasibleWeights when no weights within the bounds share risk equally, which only floors under hedges can bring about,
    and NotConverged when the accuracy cannot be reached: the matrix is not positive definite, or nearly not.
    """
    count = len(covariance)
    b = np.full(count, 1.0 / count) if budgets is None else budgets / budgets.sum()
    low = np.zeros(count) if lower is None else lower
    high = np.ones(count) if upper is None else upper
    descent = compiled() if (count >= DESCENT_FROM if is_compiled is None else is_compiled) else None
    weights, is_free = _unbounded(covariance, b, descent), np.ones(count, dtype=bool)
    if (weights < low).any() or (weights > high).any():
        weights, is_free = _bounded(covariance, b, low, high, weights, descent)
    if count <= MOST_NAMES and is_free.any():
        weights = _refined(covariance, b, weights, is_free)
        weights = np.clip(weights, low, high)
    _verify(covariance, b, low, high, weights, is_free)
    return weights


def risk_contributions(covariance: Floats, weights: Floats) -> Floats:
    """w_i·(Σw)_i / w'Σw: the part of the variance that each name adds; Σ = 1."""
    parts = weights * (covariance @ weights)
    return np.asarray(parts / parts.sum())


def _unbounded(covariance: Floats, b: Floats, descent: Descent | None) -> Floats:
    deviation = np.sqrt(np.diag(covariance))
    if descent is not None:
        x = np.sqrt(b) / deviation
        x /= np.sqrt(float(x @ (covariance @ x)))
        descent(covariance, b, np.zeros(len(b)), np.full(len(b), np.inf), x, 1.0, 1e-13, 200, 0.0)
        if _spread(covariance, b, x) <= ACCURACY / 2:
            return np.asarray(x / x.sum())
    y = _newton(covariance / np.outer(deviation, deviation), b) / deviation
    return np.asarray(y / y.sum())


def _newton(correlation: Floats, b: Floats) -> Floats:
    """The y > 0 with y·(Cy) = b: argmin ½y'Cy − Σ b ln y, by damped Newton steps."""
    y = np.sqrt(b)
    variance = float(y @ (correlation @ y))
    if not variance > 0.0:
        raise NotConverged(_NO_COVARIANCE.format(len(b)))
    y = y / np.sqrt(variance)
    for _ in range(_MOST_STEPS):
        gradient = correlation @ y - b / y
        miss = float(np.abs(gradient * y / b).max())
        if miss <= ACCURACY / 10:
            break
        hessian = correlation.copy()
        hessian[np.diag_indices_from(hessian)] += b / y**2
        try:
            factors = cho_factor(hessian.T, overwrite_a=True, check_finite=False)
        except np.linalg.LinAlgError as error:
            raise NotConverged(_NO_COVARIANCE.format(len(b))) from error
        step = -cho_solve(factors, gradient, check_finite=False)
        # self-concordance gives the damping far away (Spinu, 2013); near the answer the step is whole
        size = float(np.abs(step / y).max())
        y = y + step * (1.0 if size < 0.3 else 1.0 / (1.0 + size))
    return np.asarray(y)


def _bounded(
    covariance: Floats, b: Floats, low: Floats, high: Floats, start: Floats, descent: Descent | None
) -> tuple[Floats, Mask]:
    """(weights, which are free): Newton steps on the free names and the common level, moving names to and from their bounds."""
    if low.sum() >= 1.0 or high.sum() <= 1.0:
        bound = low if low.sum() >= 1.0 else high
        return bound.copy(), np.zeros(len(b), dtype=bool)
    weights = project(start, lower=low, upper=high)
    if descent is not None:
        level = float((weights * (covariance @ weights)).mean() / b.mean())
        descent(covariance, b, low, high, weights, level, 1e-13, 100, 1.0)
        settled = _settled(covariance, b, low, high, weights)
        if settled is not None:
            return settled
    found = _active(covariance, b, low, high, weights)
    if found is None:
        # the sets of names at their bounds went in a circle: the slow way that cannot
        weights = _by_level(covariance, b, low, high, weights, descent or descend, tolerance=1e-13)
        found = _active(covariance, b, low, high, weights)
    if found is None:
        raise NotConverged(f"equal risk within bounds for {len(b)} coins: no set of free names is consistent")
    return found


def _settled(covariance: Floats, b: Floats, low: Floats, high: Floats, weights: Floats) -> tuple[Floats, Mask] | None:
    """What descent ended on, if that is accurate already: then no matrix has to be factorised."""
    is_free = (weights > low) & (weights < high)
    if not is_free.any() or abs(float(weights.sum()) - 1.0) > ACCURACY / 10:
        return None
    parts = (weights * (covariance @ weights) / b)[is_free]
    return (weights, is_free) if float(np.abs(parts / parts.mean() - 1.0).max()) <= ACCURACY / 4 else None


def _active(covariance: Floats, b: Floats, low: Floats, high: Floats, start: Floats) -> tuple[Floats, Mask] | None:
    weights = start.copy()
    is_low, is_high = weights <= low, weights >= high
    seen: set[bytes] = set()
    for _ in range(_MOST_STEPS):
        is_free = ~(is_low | is_high)
        state = is_low.tobytes() + is_high.tobytes()
        if state in seen or not is_free.any():
            return None
        seen.add(state)
        weights = np.where(is_low, low, np.where(is_high, high, weights))
        solved = _solve_free(covariance, b, weights, is_free)
        if solved is None:
            return None
        weights, level = solved
        pull = weights * (covariance @ weights) - level * b
        below, above = is_free & (weights < low), is_free & (weights > high)
        freed = (is_low & (pull < -1e-13 * level * b)) | (is_high & (pull > 1e-13 * level * b))
        freed &= high > low
        if not (below.any() or above.any() or freed.any()):
            return weights, is_free
        is_low, is_high = (is_low & ~freed) | below, (is_high & ~freed) | above
    return None


def _solve_free(covariance: Floats, b: Floats, weights: Floats, is_free: Mask) -> tuple[Floats, float] | None:
    """(weights, level): w·(Σw) = level·b for the free names and Σw = 1, the others where they are; None when it diverges."""
    names = np.flatnonzero(is_free)
    rest = 1.0 - float(weights[~is_free].sum())
    if rest <= 0.0:
        return None
    inner, own = covariance[np.ix_(names, names)], b[names]
    outside = covariance[np.ix_(names, np.flatnonzero(~is_free))] @ weights[~is_free]
    x = weights[names] * (rest / weights[names].sum())
    # names that hedge others add negative risk far from the answer, where the level is positive
    parts = x * (inner @ x + outside) / own
    level = float(np.median(parts[parts > 0.0] if (parts > 0.0).any() else x * (inner @ x) / own))
    for _ in range(_MOST_STEPS):
        slope = inner @ x + outside
        gradient = slope - level * own / x
        miss = max(float(np.abs(gradient * x / (level * own)).max()), abs(float(x.sum()) - rest) / rest)
        if miss <= ACCURACY / 10:
            break
        hessian = inner.copy()
        hessian[np.diag_indices_from(hessian)] += level * own / x**2
        sides = np.column_stack((gradient, own / x))
        answers = cho_solve(cho_factor(hessian.T, overwrite_a=True, check_finite=False), sides, check_finite=False)
        # Σ(step) closes the sum: step = −H⁻¹gradient + change·H⁻¹(b/x)
        change = (rest - x.sum() + answers[:, 0].sum()) / answers[:, 1].sum()
        step = -answers[:, 0] + change * answers[:, 1]
        size = max(float(np.abs(step / x).max()), abs(change) / level)
        part = 1.0 if size < 0.5 else 0.5 / size
        x, level = x + part * step, level + part * change
    else:
        return None
    answer = weights.copy()
    answer[names] = x
    return answer, level


def _by_level(
    covariance: Floats, b: Floats, low: Floats, high: Floats, start: Floats, descent: Descent, *, tolerance: float
) -> Floats:
    """Weights on the box for the level at which they sum to 1; the sum grows with the level, so it is bracketed."""
    x = np.maximum(start, 1e-300)

    def surplus(logarithm: float) -> float:
        descent(covariance, b, low, high, x, float(np.exp(logarithm)), tolerance, 10_000, 0.0)
        return float(x.sum()) - 1.0

    middle = float(np.log((x * (covariance @ x)).sum()))
    lowest, highest = middle - 0.25, middle + 0.25
    while surplus(lowest) > 0.0:
        lowest -= 2.0 * (middle - lowest)
        if lowest < middle - _WIDEST:
            raise InfeasibleWeights(
                f"equal risk within bounds for {len(b)} coins: the floors make some coins hedges of the others, and no level of risk is "
                "equal among the rest; lower weights.min_weight, or use min_variance"
            )
    while surplus(highest) < 0.0:
        highest += 2.0 * (highest - middle)
    surplus(float(brentq(surplus, lowest, highest, xtol=tolerance / 4, rtol=1e-15, maxiter=200)))
    return x


def _refined(covariance: Floats, b: Floats, weights: Floats, is_free: Mask) -> Floats:
    """The same weights to the last bit on every machine (see precise.py)."""
    names = np.flatnonzero(is_free)
    slope = covariance @ weights
    level = float((weights * slope)[names].sum() / b[names].sum())
    size = len(names)
    jacobian = np.zeros((size + 1, size + 1))
    jacobian[:size, :size] = weights[names, None] * covariance[np.ix_(names, names)] + np.diag(slope[names])
    jacobian[:size, size] = -b[names]
    jacobian[size, :size] = 1.0
    rows = matrix_rows(covariance[names])
    own = [fixed(value) for value in b[names].tolist()]
    whole = [fixed(value) for value in weights.tolist()]
    free = names.tolist()

    def residual(point: Sequence[int]) -> list[int]:
        for index, value in zip(free, point, strict=False):
            whole[index] = value
        misses = [
            times(whole[i], dot(row, whole)) - times(point[size], part)
            for i, row, part in zip(free, rows, own, strict=True)
        ]
        return [*misses, sum(whole) - ONE]

    refined = weights.copy()
    refined[names] = refine(np.append(weights[names], level), residual, jacobian)[:size]
    return refined


def _spread(covariance: Floats, b: Floats, weights: Floats) -> float:
    """Largest relative distance between a name's risk contribution and what its budget asks for."""
    parts = weights * (covariance @ weights) / b
    return float(np.abs(parts / parts.mean() - 1.0).max())


def _verify(covariance: Floats, b: Floats, low: Floats, high: Floats, weights: Floats, is_free: Mask) -> None:
    parts = weights * (covariance @ weights) / b
    level = float(parts[is_free].mean()) if is_free.any() else 0.0
    spread = float(np.abs(parts[is_free] / level - 1.0).max()) if is_free.any() else 0.0
    is_low, is_high = ~is_free & (weights <= low), ~is_free & (weights >= high)
    wrong = bool(is_free.any()) and bool(
        (parts[is_high & ~is_low] > level * (1 + 1e-9)).any() or (parts[is_low & ~is_high] < level * (1 - 1e-9)).any()
    )
    off = abs(float(weights.sum()) - 1.0)
    if not (spread <= ACCURACY and off <= 1e-12 and not wrong and (weights >= low).all() and (weights <= high).all()):
        raise NotConverged(
            f"equal risk for {len(b)} coins: risk contributions differ by {spread:.1e} of their size (limit {ACCURACY:g}), the sum is "
            f"off by {off:.1e}; is the covariance positive definite? Use weights.shrinkage, or a longer weights.volatility_days"
        )
