"""One data point about a coin: what it is, what it reads, how it treats what is unknown; and what it may read it from.

A feature declares for each field how many days it reads, the newest included. Its function gets those days and no more,
and answers one row per day that has them all. So the declared look-back is what it is, not what somebody believed.

    fields    of the coin itself. One unknown day makes the feature unknown until that day has left the window
    market    of all coins, or a series. Unknown coins are left out of a day; a series is carried on for CARRY_DAYS
    counted   of the coin itself, where an unknown day is part of the answer and not a gap
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offchain.features.windows import across, before, difference, natural_log, newest
from offchain.market.fields import PANELS, SERIES
from offchain.market.history import Floats, History, Needs

GROUPS = (
    "price",
    "trend",
    "momentum",
    "volatility",
    "drawdown",
    "volume",
    "liquidity",
    "onchain",
    "sentiment",
    "macro",
    "fundamental",
    "cross-section",
)
# a stock index has no price on holidays, a rate none at weekends
CARRY_DAYS = 7
BITCOIN = "bitcoin"
YEAR = 365.0

Tags = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Feature:
    """`fields`, `market`, `counted`: {field: days read, the newest included}. `work`: gets Days, gives rows × coins (or × 1).

    `seed`: how a recursion begins inside its window, "" without one. `source`: who defined it; "own" when we did.
    """

    name: str
    group: str
    unit: str
    doc: str
    source: str
    work: Callable[[Days], Floats]
    fields: Mapping[str, int] = field(default_factory=dict)
    market: Mapping[str, int] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    seed: str = ""
    reads_bitcoin: bool = False
    reads_tags: bool = False

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f'{self.name}: "{self.group}" is no group; groups are {", ".join(GROUPS)}')
        for name in self.reads:
            if name not in PANELS and name not in SERIES:
                raise ValueError(f'{self.name}: "{name}" is no field of offchain.market.fields')

    @cached_property
    def reads(self) -> Mapping[str, int]:
        """{field: days, the newest included} over all three kinds."""
        names = sorted({*self.fields, *self.market, *self.counted})
        return {name: max(part.get(name, 0) for part in (self.fields, self.market, self.counted)) for name in names}

    @cached_property
    def lookback(self) -> int:
        """Days of history the newest value depends on, with the days a field is late or carried on."""
        return max(days + delay(name) for name, days in self.reads.items())

    @property
    def warmup(self) -> int:
        """Days at the beginning of a history that have no value yet."""
        return self.lookback - 1

    @property
    def needs(self) -> Needs:
        """What a history must hold."""
        return Needs(days=self.lookback, fields=tuple(self.reads))

    @property
    def gap(self) -> str:
        """What an unknown day does, in words."""
        rules = []
        if self.fields:
            windows = ", ".join(f"{name} {days}" for name, days in sorted(self.fields.items()))
            rules.append(f"unknown while one of the newest days is ({windows})")
        if any(name in PANELS for name in self.market):
            rules.append("unknown coins are left out of the market of that day")
        if any(name in SERIES for name in self.market):
            rules.append(f"a series is carried on for {CARRY_DAYS} days")
        if self.counted:
            rules.append(f"unknown days of {', '.join(self.counted)} are part of the answer")
        return "; ".join(rules)


def delay(name: str) -> int:
    """Days before the newest one that may be the last known of a field: how late it is, and how long it is carried on."""
    return SERIES[name].lag_days + CARRY_DAYS if name in SERIES else PANELS[name].lag_days


class Past:
    """A history with what several features need worked out once, each for as many of the newest days as were asked for."""

    def __init__(self, history: History, *, tags: Tags | None = None) -> None:
        self.history = history
        self.tags = tags
        self._fields: dict[str, Floats] = {}
        self._kept: dict[str, Floats] = {}
        self._runs: dict[str, NDArray[np.int64]] = {}

    def field(self, name: str) -> Floats:
        """All days × coins as they were known on each day, days × 1 for a series."""
        if name not in self._fields:
            self._fields[name] = _as_known(self.history, name)
        return self._fields[name]

    def log(self, name: str, days: int) -> Floats:
        """Natural logarithm of the newest days; unknown where the field is not above 0."""
        return self._newest(f"log {name}", days, lambda count: natural_log(newest(self.field(name), count)))

    def known_days(self, name: str) -> NDArray[np.int64]:
        """Days in a row, up to each day, on which this field was known."""
        if name not in self._runs:
            values = self.field(name)
            rows = np.arange(1, len(values) + 1)[:, None]
            self._runs[name] = rows - np.maximum.accumulate(np.where(np.isnan(values), rows, 0), axis=0)
        return self._runs[name]

    def market_return(self, days: int) -> Floats:
        """days × 1: return of all coins since the day before, weighted by the market caps of the day before."""
        return self._newest("market return", days, self._market_return)

    def market_cap(self, days: int) -> Floats:
        """days × 1: market caps of all coins that have one, USD."""
        return self._newest("market cap", days, lambda count: across(newest(self.field("market_cap"), count)))

    def _market_return(self, days: int) -> Floats:
        # the oldest day of a history has no day before it
        count = min(days + 1, len(self.history))
        price, cap = newest(self.field("price"), count), before(newest(self.field("market_cap"), count), 1)
        moved = price[1:] / before(price, 1) - 1.0
        weights = np.where(np.isnan(moved), np.nan, cap)
        return across(weights * moved) / across(weights)

    def _newest(self, name: str, days: int, work: Callable[[int], Floats]) -> Floats:
        """The newest days of what `work` gives for a number of days; worked out again, for twice as many, when too few."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < days:
            count = days if kept is None else max(days, 2 * len(kept))
            kept = self._kept[name] = work(min(count, len(self.history)))
        return newest(kept, days)


class Days:
    """What one feature may see: of each field it declared, the days it declared, for each of `rows` newest days."""

    def __init__(self, past: Past, feature: Feature, rows: int) -> None:
        self.rows = rows
        self._past = past
        self._feature = feature

    def __getitem__(self, name: str) -> Floats:
        """rows + declared days − 1, × coins (× 1 for a series)."""
        return newest(self._past.field(name), self.days(name))

    def log(self, name: str) -> Floats:
        """The same as logarithms."""
        return self._past.log(name, self.days(name))

    def days(self, name: str) -> int:
        """How many days of this field are in sight."""
        return self.rows + self._feature.reads[name] - 1

    @property
    def returns(self) -> Floats:
        """Daily log returns of the price, one fewer than its days."""
        return difference(self.log("price"), 1)

    @property
    def market_return(self) -> Floats:
        """Daily returns of the market, one fewer than the declared days of price; × 1."""
        return self._past.market_return(min(self.days("price"), self.days("market_cap")) - 1)

    @property
    def total_cap(self) -> Floats:
        """Market cap of all coins on the declared days; × 1."""
        return self._past.market_cap(self.days("market_cap"))

    def bitcoin(self, x: Floats) -> Floats:
        """The column of bitcoin in days × coins; unknown where the history has no bitcoin."""
        ids = self._past.history.ids
        if BITCOIN not in ids:
            return np.full((len(x), 1), np.nan)
        column = ids.index(BITCOIN)
        return x[:, column : column + 1]

    @property
    def sectors(self) -> Mapping[str, tuple[int, ...]]:
        """{tag: columns of the coins that carry it}, sorted by tag."""
        tags = self._past.tags or {}
        members: dict[str, list[int]] = {}
        for column, coin in enumerate(self._past.history.ids):
            for tag in sorted(set(tags.get(coin, ()))):
                members.setdefault(tag, []).append(column)
        return {tag: tuple(members[tag]) for tag in sorted(members)}


def _as_known(history: History, name: str) -> Floats:
    """The field as it was known at the end of each day: late by its lag; a series carried on for CARRY_DAYS."""
    if name in SERIES:
        values = _carried(_later(history.line(name)[:, None], SERIES[name].lag_days))
    else:
        values = _later(history.panel(name), PANELS[name].lag_days)
    return values


def _later(values: Floats, lag: int) -> Floats:
    if lag == 0:
        return values
    answer = np.full(values.shape, np.nan)
    answer[lag:] = values[:-lag]
    return answer


def _carried(values: Floats) -> Floats:
    answer = values.copy()
    for days in range(1, CARRY_DAYS + 1):
        is_open = np.isnan(answer[days:])
        answer[days:][is_open] = values[:-days][is_open]
    return answer
