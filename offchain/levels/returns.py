"""Returns of a level by day, week, month and since inception, beside those of benchmarks.

A level dated d is of 00:00 UTC of d, the close of the day before. A week ends with the level of Monday 00:00 UTC, a month with that of
the 1st; the last period may be unfinished, and the first counts from the first level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from offchain.errors import MarketDataError, did_you_mean
from offchain.levels.ledger import BASE, Composition, LevelSeries, compute, units_of
from offchain.units import WAD

HORIZONS = ("daily", "weekly", "monthly")


def period_returns(levels: pd.Series, horizon: str) -> pd.Series:
    """Return of each period by the time it ends (that of the last level for an unfinished one). `levels`: by UTC time, rising."""
    _check(levels)
    if horizon not in HORIZONS:
        raise MarketDataError(
            f'horizon = "{horizon}"; use one of {", ".join(HORIZONS)}.{did_you_mean(horizon, HORIZONS)}'
        )
    index = pd.DatetimeIndex(levels.index)
    if horizon == "daily":
        ends = np.ones(len(levels), dtype=np.bool_)
    elif horizon == "weekly":
        ends = np.asarray((index.day_of_week == 0) & (index == index.normalize()))
    else:
        ends = np.asarray((index.day == 1) & (index == index.normalize()))
    ends[[0, -1]] = True
    kept = levels[ends]
    return (kept / kept.shift() - 1.0).iloc[1:]


def since_inception(levels: pd.Series) -> float:
    """Return over the whole time."""
    _check(levels)
    return float(levels.iloc[-1] / levels.iloc[0] - 1.0)


def trailing_returns(levels: pd.Series, *, days: Sequence[int] = (1, 7, 30, 90, 365)) -> dict[str, float]:
    """{"1 d": …, "since inception": …}: from the last level at or before that many days ago; horizons longer than the series are out."""
    _check(levels)
    last = levels.index[-1]
    found: dict[str, float] = {}
    for count in days:
        past = levels[levels.index <= last - pd.Timedelta(days=count)]
        if not past.empty:
            found[f"{count} d"] = float(levels.iloc[-1] / past.iloc[-1] - 1.0)
    return found | {"since inception": since_inception(levels)}


def coin_benchmark(prices: pd.DataFrame, coin_id: str) -> pd.Series:
    """The level of holding one coin, BASE at its first price; a missing price is the last known one."""
    if coin_id not in prices.columns:
        known = [str(name) for name in prices.columns]
        raise MarketDataError(f"benchmark {coin_id} has no price in this table.{did_you_mean(coin_id, known)}")
    line = prices[coin_id].ffill().dropna()
    if line.empty:
        raise MarketDataError(f"benchmark {coin_id} never has a price; choose another one")
    return (line / line.iloc[0] * BASE).rename(coin_id)


def equal_weight_benchmark(prices: pd.DataFrame, reviews: Mapping[pd.Timestamp, Sequence[str]]) -> LevelSeries:
    """Equal parts of the coins of each review, set at that day's close. `reviews` {day: ids}, such as the members of an index."""
    compositions = []
    for day, ids in sorted(reviews.items()):
        row = prices.ffill().loc[day].dropna()
        at = dict(zip(map(str, row.index), row.to_numpy(dtype=np.float64).tolist(), strict=True))
        parts = {name: WAD for name in ids}
        compositions.append(Composition(date=day.date(), units=units_of(parts, at), reason="equal parts"))
    return compute(prices, compositions)


def compared(levels: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Time → one column each, over the times that all of them have, BASE on the first: for reading side by side, never for a ledger."""
    if not levels:
        raise MarketDataError("nothing to compare; give at least one series of levels")
    table = pd.concat({name: line for name, line in levels.items()}, axis=1, join="inner").dropna()
    if len(table) < 2:
        raise MarketDataError(f"{', '.join(levels)} have {len(table)} days in common; at least two are needed")
    return table / table.iloc[0] * BASE


def _check(levels: pd.Series) -> None:
    if len(levels) < 2 or not isinstance(levels.index, pd.DatetimeIndex) or not levels.index.is_monotonic_increasing:
        raise MarketDataError(f"{len(levels)} levels; at least two are needed, by rising UTC time")
    if not (levels > 0.0).all():
        raise MarketDataError(f"level {levels.min()}; every level must be above 0")
