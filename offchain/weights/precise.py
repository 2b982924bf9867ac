"""The last steps of a solver in exact arithmetic, so that every machine ends on the same float.

A linear algebra library returns bits that depend on the processor and the number of threads. Newton's method forgives that: the
step may be rough as long as the residual is exact. So the residual is computed in fixed-point integers, the step in floats, and
what is rounded at the end is the solution itself to some thirty digits, not one machine's way to it (iterative refinement:
Wilkinson, 1963).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve

Floats = NDArray[np.float64]
BITS = 200  # after the binary point
ONE = 1 << BITS
MOST_NAMES = 64  # integers of 200 bits are slow; no index on chain holds more
_STEPS = 4


def refine(x: Floats, residual: Callable[[Sequence[int]], list[int]], jacobian: Floats) -> Floats:
    """The zero of `residual` next to `x`, which is near it already; each entry the float nearest to it.

    `residual` takes and gives fixed-point integers; `jacobian`: of the residual at `x`, square.
    """
    factors = lu_factor(jacobian)
    point = [fixed(value) for value in x.tolist()]
    for _ in range(_STEPS):
        misses = np.array([value / ONE for value in residual(point)])
        step = lu_solve(factors, misses)
        point = [value - fixed(change) for value, change in zip(point, step.tolist(), strict=True)]
    return np.array([value / ONE for value in point])


def fixed(value: float) -> int:
    """A float as a fixed-point integer, rounded down; exact down to 2⁻¹⁴⁷ of 1."""
    numerator, denominator = float(value).as_integer_ratio()
    return (numerator << BITS) // denominator


def times(a: int, b: int) -> int:
    """Product of two fixed-point integers."""
    return (a * b) >> BITS


def matrix_rows(matrix: Floats) -> list[list[int]]:
    """A matrix in fixed point, by rows."""
    return [[fixed(value) for value in row] for row in matrix.tolist()]


def dot(row: Sequence[int], point: Sequence[int]) -> int:
    """Scalar product in fixed point; rounded once."""
    return sum([a * b for a, b in zip(row, point, strict=True)]) >> BITS
