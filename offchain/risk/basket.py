"""What the index's coins together did: daily returns of fixed weights, volatility, correlation. The same bits everywhere.

Sums run in the order of the days or of the ids, one addition after the other, never through BLAS: a decision depends on
them. What leaves this module towards a decision is rounded to GRID decimals by `grid`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats, History

GRID = 12  # decimals
DAYS_PER_YEAR = 365
MIN_DAYS = 20  # fewer known returns say nothing about volatility or correlation
MIN_KNOWN = 0.5  # of the weight: a day on which less of the basket has a return is unknown


def grid(value: float) -> float:
    """`value` rounded to GRID decimals."""
    return round(value, GRID)


def returns(prices: Floats) -> Floats:
    """Simple daily returns {1}: days × coins → days - 1 × coins; NaN where either price is unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        change = prices[1:] / prices[:-1] - 1.0
    return np.where(np.isfinite(change), change, np.nan)


def basket_returns(history: History, weights: Mapping[str, float]) -> Floats:
    """Daily return {1} of `weights` (any scale) held constant, one per day after the first of the history.

    A coin without a return that day is left out and the others stand for it, as long as they are MIN_KNOWN of the
    weight; below that the day is NaN. Coins that the history does not know raise MissingHistory.
    """
    ids = sorted(name for name, weight in weights.items() if weight > 0)
    total = math.fsum(weights[name] for name in ids)
    change = returns(history.panel("price")[:, [history.column(name) for name in ids]])
    gain, known = np.zeros(len(change)), np.zeros(len(change))
    for column, name in enumerate(ids):
        seen = ~np.isnan(change[:, column])
        part = weights[name] / total
        gain = gain + np.where(seen, part * change[:, column], 0.0)
        known = known + np.where(seen, part, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known >= MIN_KNOWN, gain / known, np.nan)


def volatilities(daily: Floats, *, decay: float) -> Floats:
    """Annualised volatility {1/√year} after each day, NaN until MIN_DAYS returns are known.

    σ² = 365 · Σ decay^k·r² / Σ decay^k over the returns k known days back, the mean taken as zero (RiskMetrics Technical
    Document, J.P. Morgan 1996, §5.2). An unknown day repeats the value before it.
    """
    answer = np.full(len(daily), np.nan)
    squares = scale = 0.0
    known = 0
    for day, change in enumerate(daily.tolist()):
        if not math.isnan(change):
            squares, scale, known = squares * decay + change * change, scale * decay + 1.0, known + 1
        if known >= MIN_DAYS:
            answer[day] = math.sqrt(DAYS_PER_YEAR * squares / scale)
    return answer


def volatility(daily: Floats, *, decay: float) -> float | None:
    """The last of `volatilities`, on the grid; None where fewer than MIN_DAYS returns are known."""
    last = float(volatilities(daily, decay=decay)[-1]) if len(daily) else math.nan
    return None if math.isnan(last) else grid(last)


def correlations(history: History, ids: Sequence[str], *, days: int) -> Floats:
    """Pearson correlation {1} of the last `days` daily returns, ids × ids in the given order, on the grid.

    Each pair over the days on which both are known; NaN where those are fewer than MIN_DAYS or one never moved.
    """
    change = returns(history.tail(days + 1).panel("price")[:, [history.column(name) for name in ids]])
    count, sums, squares, products = (np.zeros((len(ids), len(ids))) for _ in range(4))
    for row in change:
        seen = ~np.isnan(row)
        both = np.outer(seen, seen)
        value = np.where(seen, row, 0.0)
        count = count + both
        sums = sums + np.where(both, value[:, None], 0.0)
        squares = squares + np.where(both, (value * value)[:, None], 0.0)
        products = products + value[:, None] * value[None, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = squares - sums * sums / count
        answer = (products - sums * sums.T / count) / np.sqrt(variance * variance.T)
    answer = np.where((count >= MIN_DAYS) & np.isfinite(answer), np.clip(answer, -1.0, 1.0), np.nan)
    return np.round(answer, GRID)


def breadth(prices: Floats, *, days: int) -> float | None:
    """Part {1} of the coins above their own mean of the last `days` days, as the last row has it; None when none is known.

    A coin counts when its last price and at least half of the window are known.
    """
    window = prices[-days:]
    known = ~np.isnan(window)
    mean = _sum_down(np.where(known, window, 0.0)) / np.maximum(known.sum(axis=0), 1)
    counted = known[-1] & (2 * known.sum(axis=0) >= days)
    if not counted.any():
        return None
    with np.errstate(invalid="ignore"):
        above = counted & (window[-1] > mean)
    return grid(int(above.sum()) / int(counted.sum()))


def is_above_mean(daily: Floats, *, days: int) -> bool | None:
    """Whether the value that `daily` returns lead to is above its mean of the last `days` days; None when unknown.

    An unknown return counts as none.
    """
    value, path = 1.0, [1.0]
    for change in daily.tolist():
        value *= 1.0 if math.isnan(change) else 1.0 + change
        path.append(value)
    window = path[-days:]
    if len(window) < min(days, MIN_DAYS):
        return None
    return grid(window[-1]) > grid(math.fsum(window) / len(window))


def deviations_from_mean(prices: Floats) -> Floats:
    """(last price - mean) / standard deviation of each column of days × coins {standard deviations}, on the grid.

    NaN unless the last price and at least half of the days are known, and where the price never moved.
    """
    known = ~np.isnan(prices)
    count = known.sum(axis=0)
    mean = _sum_down(np.where(known, prices, 0.0)) / np.maximum(count, 1)
    square = _sum_down(np.where(known, (prices - mean) ** 2, 0.0)) / np.maximum(count, 1)
    enough = known[-1] & (2 * count >= len(prices)) & (count >= 2) & (square > (mean * 1e-12) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        answer = (prices[-1] - mean) / np.sqrt(square)
    return np.asarray(np.round(np.where(enough, answer, np.nan), GRID), dtype=np.float64)


def _sum_down(values: Floats) -> NDArray[np.float64]:
    """Sum over the days, oldest first."""
    total = np.zeros(values.shape[1])
    for row in values:
        total = total + row
    return total
