"""The one loop that numpy cannot run quickly: cyclical coordinate descent, compiled by numba where it is installed.

Without numba the solvers take Newton steps in numpy instead, to the same weights within 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Descent = Callable[[Floats, Floats, Floats, Floats, Floats, float, float, int, float], int]


def descend(
    covariance: Floats,
    budgets: Floats,
    lower: Floats,
    upper: Floats,
    x: Floats,
    level: float,
    tolerance: float,
    most_sweeps: int,
    total: float,
) -> int:
    """Moves `x` in place to argmin ½x'Σx − level·Σ b ln x on the box, one coordinate after the other; returns the sweeps.

    Griveau-Billion, Richard and Roncalli (2013); with a box: Richard and Roncalli (2019). Each step solves
    σ²x² + cx − level·b = 0 for one name. Ends when no name moved by more than `tolerance` of itself. With `total` above 0 the level
    follows after each sweep, so that the sum goes there too; the exponent is the one that needs the fewest sweeps (measured).
    """
    count = len(x)
    product = np.zeros(count)
    for i in range(count):
        product += covariance[i] * x[i]
    for sweep in range(most_sweeps):
        largest = 0.0
        for i in range(count):
            variance = covariance[i, i]
            rest = product[i] - variance * x[i]
            root = math.sqrt(rest * rest + 4.0 * variance * level * budgets[i])
            # of the two forms the one without cancellation
            new = 2.0 * level * budgets[i] / (rest + root) if rest > 0.0 else (root - rest) / (2.0 * variance)
            new = min(max(new, lower[i]), upper[i])
            change = new - x[i]
            if change != 0.0:
                largest = max(largest, abs(change) / new)
                x[i] = new
                product += covariance[i] * change
        if total > 0.0:
            free = 0.0
            fixed = 0.0
            for i in range(count):
                if lower[i] < x[i] < upper[i]:
                    free += x[i]
                else:
                    fixed += x[i]
            if free > 0.0 and total > fixed:
                ratio = min(max((total - fixed) / free, 0.5), 2.0)
                largest = max(largest, abs(ratio - 1.0))
                level *= ratio**1.3
        if largest <= tolerance:
            return sweep + 1
    return most_sweeps


@cache
def compiled() -> Descent | None:
    """`descend` as machine code, None without numba. Compiling takes half a second, once per process."""
    try:
        from numba import njit
    except ImportError:
        return None
    kernel: Descent = njit(descend)
    return kernel
