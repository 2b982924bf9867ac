"""What a model learns to foresee: which third of all coins a coin will be in, after entry on a later day than the decision.

Row d holds what comes after d. Nothing here may be read by a decision; `folds.py` keeps it out of training until it
is past.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats

Classes = NDArray[np.int8]

BEARISH, NEUTRAL, BULLISH = range(3)
UNKNOWN = -1
# with fewer coins a third is no group
LEAST_COINS = 6


def excess_returns(price: Floats, *, horizon_days: int, delay_days: int = 1) -> Floats:
    """days × coins: return from the close `delay_days` after d over `horizon_days`, minus the median of all coins on d.

    A coin that dies on the way ends at its last price: leaving it out would teach that coins do not die. 12 digits.
    """
    days = len(price)
    reach = delay_days + horizon_days
    excess = np.full(price.shape, np.nan)
    for day in range(days - reach):
        window = price[day + delay_days : day + reach + 1]
        known = ~np.isnan(window)
        newest = horizon_days - known[::-1].argmax(axis=0)
        last = window[newest, np.arange(window.shape[1])]
        held = np.where(known[0] & known.any(axis=0), last / window[0] - 1.0, np.nan)
        if (~np.isnan(held)).sum() >= LEAST_COINS:
            excess[day] = _twelve_digits(held - np.nanmedian(held))
    return excess


def terciles(excess: Floats) -> Classes:
    """days × coins: BEARISH for the lowest third of the day, BULLISH for the highest, NEUTRAL between, UNKNOWN where NaN.

    A coin level with the border of its third is neutral, so that no order of coins decides.
    """
    classes = np.full(excess.shape, UNKNOWN, dtype=np.int8)
    for day, row in enumerate(excess):
        known = np.flatnonzero(~np.isnan(row))
        if len(known) < LEAST_COINS:
            continue
        ordered = np.sort(row[known])
        third = len(known) // 3
        classes[day, known] = NEUTRAL
        classes[day, known[row[known] < ordered[third]]] = BEARISH
        classes[day, known[row[known] > ordered[-third - 1]]] = BULLISH
    return classes


def volatility_tenths(price: Floats, *, days: int = 30) -> NDArray[np.int8]:
    """days × coins: in which tenth of that day's coins the trailing volatility is, 0 calmest to 9; -1 unknown.

    All that the volatility-only baseline of `evaluation.py` reads. Looks back only.
    """
    moves = np.full(price.shape, np.nan)
    moves[1:] = np.abs(price[1:] / price[:-1] - 1.0)
    tenths = np.full(price.shape, -1, dtype=np.int8)
    for day in range(days, len(price)):
        window = moves[day - days + 1 : day + 1]
        mean = window.sum(axis=0) / days
        known = np.flatnonzero(~np.isnan(mean))
        place = np.empty(len(known), dtype=np.int64)
        place[np.argsort(mean[known], kind="stable")] = np.arange(len(known))
        tenths[day, known] = place * 10 // max(len(known), 1)
    return tenths


def _twelve_digits(values: Floats) -> Floats:
    return np.array([float(f"{value:.12g}") for value in values.tolist()])
