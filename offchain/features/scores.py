"""Numbers of different units made comparable: how far above or below the other coins of the same day.

Nothing is fitted and nothing is remembered: a score is a function of one day's values, so it cannot know the future.
"""

from __future__ import annotations

import math

import numpy as np

from offchain.features.windows import median_across, mid_ranks, significant
from offchain.market.history import Floats

HOWS = ("robust_z", "rank")
WINSOR = 3.0
# a normal distribution has deviation = 1.4826 × median |x − median| = 1.2533 × mean |x − median|
_MEDIAN_TO_DEVIATION = 1.482602218505602
_MEAN_TO_DEVIATION = 1.2533141373155001


def standardise(values: Floats, *, how: str = "robust_z", axis: int = 0) -> Floats:
    """Scores of the same shape, compared along `axis` (0 for ids × names, 1 for days × coins); NaN stays NaN.

    robust_z    (x − median) / (1.4826 · MAD), cut at ±3 (Hampel 1974). Where more than half of the coins are equal and MAD
                is 0, the mean distance takes its place (Iglewicz and Hoaglin 1993); where all are equal the score is 0
    rank        (2 · mid-rank − 1) / n − 1: −1 … 1 in equal steps; equal values share the mean of their ranks
    """
    if how not in HOWS:
        raise ValueError(f'how="{how}" is neither of {", ".join(HOWS)}')
    x = significant(np.asarray(values, dtype=np.float64))
    if x.size == 0:
        return x
    rows = np.moveaxis(x, axis, -1)
    # one row per cross section
    flat = rows.reshape(-1, rows.shape[-1])
    scores = significant((_robust_z if how == "robust_z" else _rank_scores)(flat))
    return np.ascontiguousarray(np.moveaxis(scores.reshape(rows.shape), -1, axis))


def _robust_z(x: Floats) -> Floats:
    distance = x - median_across(x)
    sizes = np.abs(distance)
    scale = _MEDIAN_TO_DEVIATION * median_across(sizes)
    for row in np.flatnonzero(scale[:, 0] == 0.0):
        known = sizes[row][~np.isnan(sizes[row])].tolist()
        # rounded once, so that the order of the coins cannot matter
        scale[row] = _MEAN_TO_DEVIATION * math.fsum(known) / len(known)
    # all equal: every distance is 0, and so is every score
    return np.clip(distance / np.where(scale == 0.0, 1.0, scale), -WINSOR, WINSOR)


def _rank_scores(x: Floats) -> Floats:
    count = (~np.isnan(x)).sum(axis=1, keepdims=True)
    return (2.0 * mid_ranks(x) - 1.0) / np.maximum(count, 1) - 1.0
