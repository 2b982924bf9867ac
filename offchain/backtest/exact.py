"""Capped weights as exact integers for thousands of coins at a time: the water-fill of weights/limits.py on machine words.

Raw weights are whole cents of market cap, which a 64-bit word holds for any market; the free names' w = ⌊raw · rest / sum⌋ is estimated in
floats and then settled by its remainder in wrapping 64-bit arithmetic, which is exact because the remainder is small. The answer is
that of `limit_weights` on the same integers, to the wei.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offchain.backtest.solve import Floats
from offchain.errors import InfeasibleWeights, UnitError
from offchain.units import WAD, from_wad

Words = NDArray[np.int64]

CENTS = 100.0
LARGEST_SUM = 2**53  # cents: 90 trillion dollars; floats count exactly up to here


def whole_cents(caps: Floats) -> Words:
    """USD → whole cents, rounded to the nearest; none below one cent. Raises UnitError beyond LARGEST_SUM in all."""
    cents = np.maximum(np.rint(caps * CENTS), 1.0)
    if not np.isfinite(cents).all() or cents.sum() > LARGEST_SUM:
        raise UnitError(f"market caps sum to {caps.sum():.4g} USD; exact weights hold up to {LARGEST_SUM / CENTS:.4g}")
    return cents.astype(np.int64)


def capped_weights(raw: Words, *, cap: int = WAD) -> Words:
    """D18 weights proportional to `raw` (positive), none above `cap`, Σ = 1e18 exactly; order as given.

    What rounding leaves goes to the largest name below the cap, the lower position on ties, as in `limit_weights`.
    """
    count = len(raw)
    if count == 0 or count * cap < WAD or raw.min() <= 0:
        raise InfeasibleWeights(
            f"{count} coins with a cap of {from_wad(cap):g} cannot sum to 1; raise the cap, or hold more coins with a value"
        )
    order = np.argsort(-raw, kind="stable")
    falling = raw[order]
    tails = np.cumsum(falling[::-1])[::-1]
    full = _full(falling, tails, cap)
    weights = np.full(count, cap, dtype=np.int64)
    if full < count:
        weights[full:] = _floors(falling[full:], WAD - cap * full, int(tails[full]))
        _hand_out(weights, full, cap)
    answer = np.empty(count, dtype=np.int64)
    answer[order] = weights
    return answer


def _full(falling: Words, tails: Words, cap: int) -> int:
    """How many of the largest are cut to the cap: the first k whose next one fits, raw · rest ≤ cap · sum, in whole numbers."""
    full = 0
    while full < len(falling):
        rest, total = WAD - cap * full, int(tails[full])
        # all whose share is above the cap now stay above it: what is cut from others only adds to them
        threshold = cap * total // rest if rest > 0 else -1
        over = full + int(np.searchsorted(-falling[full:], -threshold, side="left"))
        if over == full:
            break
        full = over
    return full


def _floors(raw: Words, rest: int, total: int) -> Words:
    """⌊raw · rest / total⌋, exactly."""
    guess = np.floor(raw.astype(np.float64) * (rest / total)).astype(np.int64)
    with np.errstate(over="ignore"):
        # the true remainder is within a few thousand totals of zero, so it is what is left modulo 2^64
        left = raw * np.int64(rest) - guess * np.int64(total)
    return np.asarray(guess + left // np.int64(total))


def _hand_out(weights: Words, full: int, cap: int) -> None:
    left = WAD - int(weights.sum())
    for at in range(full, len(weights)):
        if left == 0:
            return
        step = min(left, cap - int(weights[at]))
        weights[at] += step
        left -= step
    if left:
        raise AssertionError(f"water-filling left {left} wei with a cap of {cap}")
