"""What everything is valued and traded at, row by row of a clock; row r depends on rows up to r only.

The daily clock has the market's believed prices (see `market/confirm.py`). A coin whose price stops is counted at its last
one, or at nothing, by choice, once the market says it is gone; if it comes back, so does its price. A row on which the
observed price is not believed is in doubt: nothing is traded at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.backtest.solve import Floats
from offchain.errors import MarketDataError
from offchain.market.events import Event
from offchain.market.snapshot import Market

DELISTINGS = ("last", "zero")
CLOCKS = ("daily", "intraday")
VOLUME_DAYS = 30

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Marks:
    """`times`: UTC, rising; `ids`: sorted. times × coins: `prices` USD (NaN before the first), `doubt`, `gone`. `volumes`: days ×
    coins, USD a day, with `days` their dates; row d is known at `days[d]`.
    """

    times: tuple[datetime, ...]
    ids: tuple[str, ...]
    prices: Floats
    doubt: Flags
    gone: Flags
    volumes: Floats
    days: pd.DatetimeIndex

    def row_from(self, t: datetime) -> int | None:
        """The first row at or after `t`; None when there is none."""
        row = int(np.searchsorted(np.array([time.timestamp() for time in self.times]), t.timestamp()))
        return row if row < len(self.times) else None

    def volume(self, columns: NDArray[np.intp], t: datetime) -> Floats:
        """USD a day: medians of the known days among the newest VOLUME_DAYS at `t`; NaN where none is."""
        end = int(self.days.searchsorted(pd.Timestamp(t), side="right"))
        window = np.sort(self.volumes[max(end - VOLUME_DAYS, 0) : end, columns], axis=0)
        known = (~np.isnan(window)).sum(axis=0)
        if len(window) == 0:
            return np.full(len(columns), np.nan)
        at = np.arange(len(columns))
        middle = (
            window[np.maximum((known - 1) // 2, 0), at] + window[np.minimum(known // 2, len(window) - 1), at]
        ) / 2.0
        return np.where(known > 0, middle, np.nan)


def daily_marks(
    market: Market, *, start: datetime, end: datetime, delisting: str = "last", events: Sequence[Event] = ()
) -> Marks:
    """The daily clock: one row for each day of the market from `start` to `end`, when that day's price was known."""
    _check(delisting, start, end)
    believed = market.believed_prices().to_numpy()
    observed = market.price.to_numpy()
    known_at = market.dates + market.lag
    with np.errstate(invalid="ignore"):
        doubt = ~np.isnan(observed) & ~(observed == believed)
    prices, gone = _carried(believed, delisting)
    _delist(prices, gone, market, known_at, events)
    rows = np.flatnonzero((known_at >= pd.Timestamp(start)) & (known_at <= pd.Timestamp(end)))
    if len(rows) < 2:
        raise MarketDataError(
            f"{market.source}: no two days between {start:%Y-%m-%d} and {end:%Y-%m-%d}; "
            f"the data has {market.start:%Y-%m-%d} to {market.end:%Y-%m-%d}"
        )
    return Marks(
        times=tuple(time.to_pydatetime() for time in known_at[rows]),
        ids=market.ids,
        prices=prices[rows],
        doubt=doubt[rows],
        gone=gone[rows],
        volumes=market.volume.to_numpy(),
        days=known_at,
    )


def intraday_marks(
    market: Market, frame: pd.DataFrame, *, start: datetime, end: datetime, delisting: str = "last"
) -> Marks:
    """Any finer clock: `frame` is time × id, USD, at rising UTC times; coins it does not have cannot be held."""
    _check(delisting, start, end)
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None or not index.is_monotonic_increasing:
        raise MarketDataError("intraday prices: the index must be UTC times, rising; set frame.index to such")
    if index.has_duplicates:
        raise MarketDataError(f"intraday prices: {index[index.duplicated()][0]} is there twice; keep one row a time")
    inside = frame.loc[(index >= pd.Timestamp(start)) & (index <= pd.Timestamp(end))]
    ids = tuple(sorted(str(name) for name in frame.columns))
    values = inside[list(ids)].to_numpy(dtype=np.float64)
    if len(inside) < 2 or not np.nan_to_num(values, nan=1.0).min() > 0.0:
        raise MarketDataError("intraday prices: at least two rows from start to end, all prices above 0, are needed")
    prices, gone = _carried(values, delisting)
    volumes = market.volume.reindex(columns=list(ids)).to_numpy(dtype=np.float64)
    return Marks(
        times=tuple(time.to_pydatetime().astimezone(UTC) for time in inside.index),
        ids=ids,
        prices=prices,
        doubt=np.zeros_like(gone),
        gone=gone,
        volumes=volumes,
        days=market.dates + market.lag,
    )


def _carried(values: Floats, delisting: str) -> tuple[Floats, Flags]:
    """(prices after the last known one, gone). Row r reads rows up to r only."""
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], -1), axis=0)
    carried = np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), np.nan)
    gone = ~known & (last >= 0)
    return (np.where(gone, 0.0, carried) if delisting == "zero" else carried), gone


def _delist(prices: Floats, gone: Flags, market: Market, times: pd.DatetimeIndex, events: Sequence[Event]) -> None:
    """A delisting with a price fixes it from the day on which it takes effect."""
    position = {name: column for column, name in enumerate(market.ids)}
    for event in events:
        if event.kind != "delisting" or event.id not in position:
            continue
        rows = np.asarray(times >= pd.Timestamp(event.effective))
        gone[rows, position[event.id]] = True
        if event.price is not None:
            prices[rows, position[event.id]] = event.price


def _check(delisting: str, start: datetime, end: datetime) -> None:
    if delisting not in DELISTINGS:
        raise MarketDataError(f'delisting = "{delisting}"; use one of {", ".join(DELISTINGS)}')
    if end - start < timedelta(0):
        raise MarketDataError(f"the backtest ends {end:%Y-%m-%d}, before it starts {start:%Y-%m-%d}; swap them")
