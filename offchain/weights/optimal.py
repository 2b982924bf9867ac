"""Weights that are best by one number, long only and within bounds: least variance, highest Sharpe ratio, most diversified.

    least_variance(covariance)               argmin w'Σw                    Markowitz (1952)
    highest_sharpe(covariance, means)        argmax μ'w / √(w'Σw)           Sharpe (1966), cash at zero
    most_diversified(covariance)             argmax σ'w / √(w'Σw)           Choueifaty and Coignard (2008)

All are one quadratic program, min ½w'Σw − τμ'w with Σw = 1 on the box, solved by moving sets of names to and from their bounds.
The highest ratio is the τ at which τ = w'Σw / μ'w: between two changes of the sets the weights are linear in τ, so it is found
exactly. Every answer is verified by its conditions of optimality (Karush, Kuhn and Tucker) before it is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from offchain.errors import InfeasibleWeights, NotConverged
from offchain.weights.fitting import project
from offchain.weights.precise import MOST_NAMES, ONE, dot, fixed, matrix_rows, refine, times

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
ACCURACY = 1e-10  # of the slope: how far a condition of optimality may be off
_BLOCK_STEPS = 40
_NEAR = 1e-12


@dataclass(frozen=True, kw_only=True)
class _Solved:
    """`weights` and which names no bound holds; `slope`: how the free weights grow with τ."""

    weights: Floats
    is_free: Mask
    slope: Floats


def least_variance(covariance: Floats, *, lower: Floats | None = None, upper: Floats | None = None) -> Floats:
    """The weights with the least variance, Σ = 1, within bounds (default 0 and 1)."""
    low, high = _bounds(covariance, lower, upper)
    matrix = _scaled(covariance)
    none = np.zeros(len(matrix))
    solved = _program(matrix, none, 0.0, low, high)
    weights = _refined(matrix, none, solved, low, high, is_ratio=False)
    _verify(matrix, none, 0.0, weights, low, high)
    return weights


def most_diversified(covariance: Floats, *, lower: Floats | None = None, upper: Floats | None = None) -> Floats:
    """The weights with the highest ratio of mean volatility to volatility, Σ = 1, within bounds (default 0 and 1)."""
    return highest_sharpe(covariance, np.sqrt(np.diag(covariance)), lower=lower, upper=upper)


def highest_sharpe(
    covariance: Floats, means: Floats, *, lower: Floats | None = None, upper: Floats | None = None
) -> Floats:
    """The weights with the highest Sharpe ratio, Σ = 1, within bounds (default 0 and 1).

    Raises InfeasibleWeights when no mix within the bounds has a mean above zero: then the ratio says nothing.
    """
    low, high = _bounds(covariance, lower, upper)
    matrix = _scaled(covariance)
    mu = means / float(np.abs(means).max() or 1.0)
    if _best_mean(mu, low, high) <= 0.0:
        raise InfeasibleWeights(
            "highest Sharpe ratio: no mix of the members within the limits has a mean return above 0; use min_variance, "
            "or a longer weights.volatility_days"
        )
    solved, tau = _highest_ratio(matrix, mu, low, high)
    weights = _refined(matrix, mu, solved, low, high, is_ratio=True)
    _verify(matrix, mu, tau, weights, low, high)
    return weights


def _bounds(covariance: Floats, lower: Floats | None, upper: Floats | None) -> tuple[Floats, Floats]:
    count = len(covariance)
    return np.zeros(count) if lower is None else lower, np.ones(count) if upper is None else upper


def _scaled(covariance: Floats) -> Floats:
    """The covariance times the power of two that brings its mean variance near 1: no bit is lost."""
    exponent = int(np.frexp(np.diag(covariance).mean())[1])
    return np.asarray(np.ldexp(covariance, -exponent))


def _best_mean(mu: Floats, low: Floats, high: Floats) -> float:
    """The highest mean within the bounds: the room above the floors goes to the best first."""
    rest, best = 1.0 - float(low.sum()), float((mu * low).sum())
    for index in np.argsort(-mu, kind="stable").tolist():
        part = min(rest, float(high[index] - low[index]))
        best, rest = best + part * float(mu[index]), rest - part
    return best


# --- the quadratic program --------------------------------------------------------------------------------------------


def _program(
    matrix: Floats, mu: Floats, tau: float, low: Floats, high: Floats, start: _Solved | None = None
) -> _Solved:
    """argmin ½w'Σw − τμ'w, Σw = 1, on the box. First whole sets of names move at once, then, if that circles, one by one.

    `start`: the solution of a program like it, whose names at bounds are tried first.
    """
    is_free = np.ones(len(mu), dtype=bool) if start is None else start.is_free.copy()
    weights = low.copy() if start is None else start.weights
    seen: set[bytes] = set()
    for _ in range(_BLOCK_STEPS):
        if not is_free.any() or is_free.tobytes() + (weights >= high).tobytes() in seen:
            break
        seen.add(is_free.tobytes() + (weights >= high).tobytes())
        weights, level, slope = _equality(matrix, mu, tau, weights, is_free)
        below, above = is_free & (weights < low - _NEAR), is_free & (weights > high + _NEAR)
        freed = _wrong(matrix, mu, tau, weights, level, is_free, low, high)
        if not (below.any() or above.any() or freed.any()):
            return _Solved(weights=np.clip(weights, low, high), is_free=is_free, slope=slope)
        weights = np.where(below, low, np.where(above, high, weights))
        is_free = (is_free & ~below & ~above) | freed
    return _one_by_one(matrix, mu, tau, low, high)


def _equality(matrix: Floats, mu: Floats, tau: float, weights: Floats, is_free: Mask) -> tuple[Floats, float, Floats]:
    """(weights, level, slope in τ) of the program where only the free names move: Σw − τμ = level on them."""
    names, others = np.flatnonzero(is_free), np.flatnonzero(~is_free)
    outside = matrix[np.ix_(names, others)] @ weights[others]
    sides = np.column_stack((outside, mu[names], np.ones(len(names))))
    solved = cho_solve(cho_factor(matrix[np.ix_(names, names)], check_finite=False), sides, check_finite=False)
    total = float(solved[:, 2].sum())
    rest = 1.0 - float(weights[others].sum())
    slope_level = -float(solved[:, 1].sum()) / total
    start_level = (rest + float(solved[:, 0].sum())) / total
    answer, slope = weights.copy(), np.zeros(len(weights))
    slope[names] = solved[:, 1] + slope_level * solved[:, 2]
    level = start_level + tau * slope_level
    answer[names] = -solved[:, 0] + tau * solved[:, 1] + level * solved[:, 2]
    return answer, level, slope


def _wrong(
    matrix: Floats, mu: Floats, tau: float, weights: Floats, level: float, is_free: Mask, low: Floats, high: Floats
) -> Mask:
    """Names at a bound that would rather leave it: at the lower one with a slope below the level, at the upper one above."""
    slope = matrix @ weights - tau * mu - level
    is_high = ~is_free & (weights >= high) & (high > low)
    is_low = ~is_free & (weights <= low) & (high > low)
    return np.asarray((is_low & (slope < -_NEAR)) | (is_high & (slope > _NEAR)))


def _one_by_one(matrix: Floats, mu: Floats, tau: float, low: Floats, high: Floats) -> _Solved:
    """The primal active-set method: always within the bounds, each step lowers the objective, so no set returns."""
    weights = project(1.0 / np.diag(matrix), lower=low, upper=high)
    is_free = (weights > low) & (weights < high)
    none = np.zeros(len(mu))
    for _ in range(50 * len(mu) + 100):
        if is_free.any():
            target, level, slope = _equality(matrix, mu, tau, weights, is_free)
        else:
            gradient = matrix @ weights - tau * mu
            falls, rises = (weights > low), (weights < high)
            if not falls.any() or not rises.any() or gradient[falls].max() <= gradient[rises].min() + _NEAR:
                return _Solved(weights=weights, is_free=is_free, slope=none)
            pair = [
                int(np.argmax(np.where(falls, gradient, -np.inf))),
                int(np.argmin(np.where(rises, gradient, np.inf))),
            ]
            is_free[pair] = True
            continue
        step = target - weights
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(step < 0, (low - weights) / step, np.where(step > 0, (high - weights) / step, np.inf))
        reach = np.where(is_free & (np.abs(step) > 1e-16), np.maximum(reach, 0.0), np.inf)
        blocking = int(np.argmin(reach))
        if reach[blocking] < 1.0:
            weights = weights + float(reach[blocking]) * step
            weights[blocking] = low[blocking] if step[blocking] < 0 else high[blocking]
            is_free[blocking] = False
            continue
        weights = np.clip(target, low, high)
        freed = _wrong(matrix, mu, tau, weights, level, is_free, low, high)
        if not freed.any():
            return _Solved(weights=weights, is_free=is_free, slope=slope)
        gap = np.abs(matrix @ weights - tau * mu - level)
        is_free[int(np.argmax(np.where(freed, gap, -1.0)))] = True
    raise NotConverged(f"quadratic program of {len(mu)} coins: the sets of names at their bounds did not settle")


def _highest_ratio(matrix: Floats, mu: Floats, low: Floats, high: Floats) -> tuple[_Solved, float]:
    """(solution, τ) with w'Σw = τ·μ'w. The ratio grows with τ as long as w'Σw > τ·μ'w, so one sign tells the side."""
    least, most, tau = 0.0, np.inf, 0.0
    solved = _program(matrix, mu, 0.0, low, high)
    for _ in range(200):
        w, b = solved.weights, solved.slope
        gap = float(w @ (matrix @ w)) - tau * float(mu @ w)
        if gap > 0.0:
            least = max(least, tau)
        else:
            most = min(most, tau)
        a = w - tau * b
        bottom = float(mu @ a) - 2.0 * float(a @ (matrix @ b))
        root = float(a @ (matrix @ a)) / bottom if bottom != 0.0 else np.inf
        if abs(root - tau) <= 1e-13 * max(tau, 1e-300):
            return solved, tau
        is_inside = least < root < most
        middle = 2.0 * max(least, 1e-3) if np.isinf(most) else (least + most) / 2.0
        following = root if is_inside else middle
        if most - least <= 1e-15 * least:
            return solved, tau
        tau = following
        before = solved
        solved = _program(matrix, mu, tau, low, high, before)
        is_fixed = ~solved.is_free
        same = (before.is_free == solved.is_free).all() and (before.weights == solved.weights)[is_fixed].all()
        if is_inside and same:
            return solved, tau
    raise NotConverged(f"highest ratio of {len(mu)} coins: the trade-off did not settle between {least:g} and {most:g}")


# --- exact ending and proof -------------------------------------------------------------------------------------------


def _refined(matrix: Floats, mu: Floats, solved: _Solved, low: Floats, high: Floats, *, is_ratio: bool) -> Floats:
    """The same weights to the last bit on every machine (see precise.py); bounds exact."""
    names = np.flatnonzero(solved.is_free)
    weights = solved.weights
    if not len(names) or len(weights) > MOST_NAMES:
        return weights
    size, product = len(names), matrix @ weights
    mean = float(mu @ weights)
    tau = float(weights @ product) / mean if is_ratio else 0.0
    jacobian = np.zeros((size + 2, size + 2))
    jacobian[:size, :size] = matrix[np.ix_(names, names)]
    jacobian[:size, size] = -1.0
    jacobian[:size, size + 1] = -mu[names]
    jacobian[size, :size] = 1.0
    jacobian[size + 1, :size] = (2.0 * product - tau * mu)[names] if is_ratio else 0.0
    jacobian[size + 1, size + 1] = -mean if is_ratio else 1.0
    rows, exact_mu = matrix_rows(matrix), [fixed(value) for value in mu.tolist()]
    whole = [fixed(value) for value in weights.tolist()]
    free = names.tolist()

    def residual(point: Sequence[int]) -> list[int]:
        for index, value in zip(free, point, strict=False):
            whole[index] = value
        level, ratio = point[size], point[size + 1]
        products = [dot(row, whole) for row in (rows if is_ratio else [rows[i] for i in free])]
        own = [products[i] for i in free] if is_ratio else products
        misses = [value - times(ratio, exact_mu[i]) - level for i, value in zip(free, own, strict=True)]
        last = dot(whole, products) - times(ratio, dot(exact_mu, whole)) if is_ratio else ratio
        return [*misses, sum(whole) - ONE, last]

    level = float((product - tau * mu)[names].mean())
    refined = weights.copy()
    refined[names] = refine(np.concatenate((weights[names], [level, tau])), residual, jacobian)[:size]
    return np.clip(refined, low, high)


def _verify(matrix: Floats, mu: Floats, tau: float, weights: Floats, low: Floats, high: Floats) -> None:
    """Raises NotConverged unless no transfer from one name to another improves the weights."""
    gradient = matrix @ weights - tau * mu
    scale = float(np.abs(matrix @ weights).max()) + float(np.abs(tau * mu).max())
    can_fall, can_rise = weights > low, weights < high
    gain = float(gradient[can_fall].max() - gradient[can_rise].min()) if can_fall.any() and can_rise.any() else 0.0
    off = abs(float(weights.sum()) - 1.0)
    if not (gain <= ACCURACY * scale and off <= 1e-12 and (weights >= low).all() and (weights <= high).all()):
        raise NotConverged(
            f"optimal weights of {len(mu)} coins: a transfer would still gain {gain / scale:.1e} (limit {ACCURACY:g}), the sum is off "
            f"by {off:.1e}; is the covariance positive definite? Use weights.shrinkage, or a longer weights.volatility_days"
        )
