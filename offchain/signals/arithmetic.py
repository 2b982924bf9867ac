"""Powers of e from plain additions and multiplications, so that a probability has the same bits on every processor.

numpy's exp takes another path on a processor with wider registers, and its last bit follows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats

MILLION = 1_000_000

# ln 2 in two parts: the first has so few bits that multiples of it up to 2^10 are exact
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
_TERMS = 14
_LARGEST = 700.0


def exp(x: Floats) -> Floats:
    """e to the power of x, within 2e-16 of it; x is cut to ±700."""
    cut = np.clip(x, -_LARGEST, _LARGEST)
    halvings = np.rint(cut / (_LN2_HIGH + _LN2_LOW))
    rest = (cut - halvings * _LN2_HIGH) - halvings * _LN2_LOW
    # Taylor's series on |rest| <= ln 2 / 2, from the last term up
    total = np.ones_like(rest)
    for term in range(_TERMS, 0, -1):
        total = 1.0 + total * rest / term
    return np.asarray(np.ldexp(total, halvings.astype(np.int32)))


def logistic(x: Floats) -> Floats:
    """1 / (1 + e^-x)."""
    return 1.0 / (1.0 + exp(-x))


def millionths(shares: Floats) -> NDArray[np.int64]:
    """rows × 3 numbers from 0 up → whole millionths that sum to exactly a million in each row; the middle one takes the rest."""
    total = shares[:, 0] + shares[:, 1] + shares[:, 2]
    bearish = np.rint(shares[:, 0] / total * MILLION).astype(np.int64)
    bullish = np.minimum(np.rint(shares[:, 2] / total * MILLION).astype(np.int64), MILLION - bearish)
    return np.stack([bearish, MILLION - bearish - bullish, bullish], axis=1)
