"""Numbers of different units made comparable: how far above or below the other coins of the same day.

Nothing is fitted and nothing is remembered: a score is a function of one day's values, so it cannot know the future.
"""

from __future__ import annotations

import numpy as np

from offchain.features.windows import mid_ranks, significant
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
    work = robust_z if how == "robust_z" else rank_scores
    x = significant(np.asarray(values, dtype=np.float64))
    return np.apply_along_axis(work, axis, x) if x.size else x


def robust_z(values: Floats) -> Floats:
    """One cross section, 1-D; see `standardise`."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return np.full(values.shape, np.nan)
    distance = values - _median(known)
    sizes = np.abs(distance[~np.isnan(values)])
    scale = _MEDIAN_TO_DEVIATION * _median(sizes)
    if scale == 0.0:
        # sorted, so that the order of the coins cannot matter
        scale = _MEAN_TO_DEVIATION * sum(np.sort(sizes).tolist()) / sizes.size
    if scale == 0.0:
        return np.where(np.isnan(values), np.nan, 0.0)
    return significant(np.clip(distance / scale, -WINSOR, WINSOR))


def rank_scores(values: Floats) -> Floats:
    """One cross section, 1-D; see `standardise`."""
    count = int((~np.isnan(values)).sum())
    return significant((2.0 * mid_ranks(values) - 1.0) / max(count, 1) - 1.0)


def _median(known: Floats) -> float:
    ordered = np.sort(known)
    return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2.0)
