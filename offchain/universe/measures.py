"""Numbers about coins that selection reads from a History: what it ranks by, and what it holds against limits.

Each is {id: value} at the history's end; None is unknown. Sums run day by day in order and results are kept to twelve
digits, so that another machine, another order of coins or more coins beside them cannot change a bit.

    momentum            price now / price `days` ago − 1; unknown when either is
    return_consistency  mean / standard deviation of the daily returns of `days` days (Sharpe, 1966, without a rate)
    volume_consistency  mean / standard deviation of the daily volumes of `days` days (one over Pearson's, 1896, coefficient
                        of variation)
    newest              the last known value of the newest `days` days
    middle              the median of the known values of the newest `days` days
    total               the sum of the known values of the newest `days` days
    worst_fall          the largest 1 − price / highest price of the `within` days before it, over the newest `days` days
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats, History

Measured = Mapping[str, float | None]

DIGITS = 12


def momentum(history: History, *, days: int) -> Measured:
    """Return over `days` days, {1}."""
    price = history.panel("price")
    if len(price) <= days:
        return dict.fromkeys(history.ids)
    return _named(history, price[-1] / price[-1 - days] - 1.0)


def return_consistency(history: History, *, days: int) -> Measured:
    """Mean over standard deviation of `days` daily returns, {1}; unknown unless every price is known, and for a flat one."""
    price = history.panel("price")
    if len(price) <= days:
        return dict.fromkeys(history.ids)
    window = price[-1 - days :]
    return _named(history, _mean_over_deviation(window[1:] / window[:-1] - 1.0))


def volume_consistency(history: History, *, days: int) -> Measured:
    """Mean over standard deviation of `days` daily volumes, {1}; unknown unless every volume is known."""
    volume = history.panel("volume")
    if len(volume) < days:
        return dict.fromkeys(history.ids)
    return _named(history, _mean_over_deviation(volume[-days:]))


def newest(history: History, field: str, *, days: int) -> Measured:
    """The last known value of the newest `days` days, in the field's own unit."""
    values = np.full(len(history.ids), np.nan)
    for row in history.panel(field)[-days:]:
        values = np.where(np.isnan(row), values, row)
    return _named(history, values)


def middle(history: History, field: str, *, days: int) -> Measured:
    """The median of the known values of the newest `days` days, in the field's own unit."""
    window = np.sort(history.panel(field)[-days:], axis=0)  # NaN go last
    known = (~np.isnan(window)).sum(axis=0)
    coins = np.arange(window.shape[1])
    if len(window) == 0:
        return dict.fromkeys(history.ids)
    low, high = window[np.maximum((known - 1) // 2, 0), coins], window[np.minimum(known // 2, len(window) - 1), coins]
    return _named(history, np.where(known > 0, (low + high) / 2.0, np.nan))


def total(history: History, field: str, *, days: int) -> Measured:
    """The sum of the known values of the newest `days` days; unknown when none is known."""
    window = history.panel(field)[-days:]
    any_known = (~np.isnan(window)).any(axis=0)
    return _named(history, np.where(any_known, _sum(np.nan_to_num(window)), np.nan))


def known_days(history: History, field: str) -> Mapping[str, int]:
    """How many of the newest days in a row are known."""
    unknown = np.isnan(history.panel(field))[::-1]
    if len(unknown) == 0:
        return dict.fromkeys(history.ids, 0)
    days = np.where(unknown.any(axis=0), unknown.argmax(axis=0), len(unknown))
    return dict(zip(history.ids, (int(count) for count in days), strict=True))


def worst_fall(history: History, *, days: int, within: int) -> Measured:
    """The deepest fall, {1}, from the highest price of the `within` days before, over the newest `days` days.

    An unknown price is no fall and no peak; unknown when no price is known.
    """
    price = history.panel("price")[-(days + within) :]
    worst = np.full(len(history.ids), np.nan)
    for row in range(max(len(price) - days, 0), len(price)):
        window = price[max(row - within, 0) : row + 1]
        peak = np.fmax.reduce(window, axis=0)
        worst = np.fmax(worst, 1.0 - price[row] / peak)
    return _named(history, worst)


def _mean_over_deviation(rows: Floats) -> Floats:
    count = len(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sum(rows) / count
        variance = _sum((rows - mean) ** 2) / count
        ratio = mean / np.sqrt(variance)
    return np.where(variance > 0, ratio, np.nan)


def _sum(rows: Floats) -> Floats:
    """Over days, one after the other: numpy's own sum pairs rows up in a way that depends on the table's shape."""
    answer: NDArray[np.float64] = np.zeros(rows.shape[1])
    for row in rows:
        answer = answer + row
    return answer


def _named(history: History, values: Floats) -> Measured:
    return {
        name: float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
        for name, value in zip(history.ids, values.tolist(), strict=True)
    }
