"""The level of an index as its administrator keeps it: units, a divisor, and a line in the ledger for every change of either.

    series = compute(prices, [Composition(date=…, units={"bitcoin": 19.6e6, …}, reason="review"), …])
    series.price_return, series.total_return          daily, BASE on the first day
    series.ledger                                     every composition with its divisor

Level = Σ units · price / divisor (Laspeyres, chained; as in S&P Dow Jones, *Index Mathematics Methodology*). When the units change
after the close of a day, the divisor becomes the one that leaves that day's level where it was; nothing is ever re-based.
Total return adds what the coins pay, on the day on which they pay it: TR_d = TR_{d−1} · (V_d + income_d) / V_{d−1}.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.canonical import keccak_hex
from offchain.errors import MarketDataError
from offchain.market.events import Event, events_between, in_order, times

BASE = 1_000.0
DECIMALS = 8  # levels are published and hashed with this many
STATUSES = ("simulated", "live", "restated")
DELISTINGS = ("last", "zero")

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What the index is made of after the close of `date`. `units` {id: coins}, of any scale."""

    date: date
    units: Mapping[str, float]
    reason: str = "review"

    def __post_init__(self) -> None:
        if not self.units or any(not unit > 0.0 or unit == float("inf") for unit in self.units.values()):
            raise MarketDataError(
                f"composition of {self.date}: every unit must be above 0, and there must be one at least"
            )


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """From the close of `date` on. `divisor`: USD per point; `level`: what it was when it changed, before and after."""

    date: date
    units: Mapping[str, float]
    divisor: float
    level: float
    reason: str

    @cached_property
    def holdings_hash(self) -> str:
        """keccak256 of the units, to twelve digits."""
        return keccak_hex({name: f"{unit:.12g}" for name, unit in self.units.items()})


@dataclass(frozen=True, kw_only=True)
class IndexLevel:
    """One published number. `level`: price return; `status`: one of STATUSES."""

    time: datetime
    level: float
    total_return: float
    divisor: float
    holdings_hash: str
    status: str


@dataclass(frozen=True, kw_only=True, eq=False)
class LevelSeries:
    """Daily. `dates`: UTC midnights; `price_return`, `total_return`: BASE on the first; `divisors`: after each day's close."""

    dates: pd.DatetimeIndex
    price_return: Floats
    total_return: Floats
    divisors: Floats
    statuses: tuple[str, ...]
    ledger: tuple[LedgerLine, ...]
    findings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.dates)

    def __iter__(self) -> Iterator[IndexLevel]:
        return (self.at(day) for day in self.dates)

    def at(self, day: date | datetime | str) -> IndexLevel:
        """The level of one day. Raises MarketDataError for a day that has none."""
        when = pd.Timestamp(day)
        when = when.tz_localize(UTC) if when.tzinfo is None else when
        if when not in self.dates:
            raise MarketDataError(
                f"no level on {when:%Y-%m-%d}; there are {self.dates[0]:%Y-%m-%d} to {self.dates[-1]:%Y-%m-%d}"
            )
        row = int(self.dates.searchsorted(when))
        line = [line for line in self.ledger if pd.Timestamp(line.date, tz=UTC) <= when][-1]
        return IndexLevel(
            time=when.to_pydatetime(),
            level=round(float(self.price_return[row]), DECIMALS),
            total_return=round(float(self.total_return[row]), DECIMALS),
            divisor=float(self.divisors[row]),
            holdings_hash=line.holdings_hash,
            status=self.statuses[row],
        )

    def to_frame(self) -> pd.DataFrame:
        """date → price_return, total_return (DECIMALS decimals), divisor, status."""
        return pd.DataFrame(
            {
                "price_return": self.price_return.round(DECIMALS),
                "total_return": self.total_return.round(DECIMALS),
                "divisor": self.divisors,
                "status": list(self.statuses),
            },
            index=self.dates.rename("date"),
        )

    @cached_property
    def levels_hash(self) -> str:
        """keccak256 of dates, published levels and statuses."""
        rows = zip(self.dates, self.price_return, self.total_return, self.statuses, strict=True)
        return keccak_hex(
            [[f"{day:%Y-%m-%d}", _text(price), _text(total), status] for day, price, total, status in rows]
        )

    def with_status(self, status: str, *, since: date | None = None) -> LevelSeries:
        """The same with another status from `since` on, for what was computed live from then."""
        if status not in STATUSES:
            raise MarketDataError(f'status = "{status}"; use one of {", ".join(STATUSES)}')
        first = self.dates[0] if since is None else pd.Timestamp(since, tz=UTC)
        statuses = tuple(status if day >= first else old for day, old in zip(self.dates, self.statuses, strict=True))
        return replace(self, statuses=statuses)


def units_of(
    weights: Mapping[str, float | int], prices: Mapping[str, float], *, value: float = 1e6
) -> dict[str, float]:
    """{id: coins} that are worth `value` USD in these proportions (of any scale, D18 included) at `prices` USD."""
    total = sum(weights.values())
    if not total > 0:
        raise MarketDataError("weights sum to 0; give at least one above")
    missing = sorted(name for name, weight in weights.items() if weight and not prices.get(name, 0.0) > 0.0)
    if missing:
        raise MarketDataError(f"no price for {', '.join(missing)}; units need the price of every component")
    return {name: value * (weight / total) / prices[name] for name, weight in sorted(weights.items()) if weight}


def staking_income(prices: pd.DataFrame, yearly: Mapping[str, float]) -> pd.DataFrame:
    """date × id: USD that a coin pays a day at a yearly yield (part of 1, a year of 365 days) on its price of the day before."""
    rates = pd.Series({name: rate / 365.0 for name, rate in yearly.items()}, dtype=np.float64)
    return prices[list(rates.index)].shift() * rates


def compute(
    prices: pd.DataFrame,
    compositions: Sequence[Composition],
    *,
    events: Sequence[Event] = (),
    income: pd.DataFrame | None = None,
    delisting: str = "last",
    base: float = BASE,
    status: str = "simulated",
) -> LevelSeries:
    """Levels from the first composition's date to the last price. `prices`: date × id, USD; `income`: date × id, USD a coin that day.

    A missing price is the last known one, with a finding. `delisting`: at which price a coin leaves whose event names none.
    Raises MarketDataError for a coin that never had a price, or that an event turns into one without a price.
    """
    if delisting not in DELISTINGS:
        raise MarketDataError(f'delisting = "{delisting}"; use one of {", ".join(DELISTINGS)}')
    if status not in STATUSES:
        raise MarketDataError(f'status = "{status}"; use one of {", ".join(STATUSES)}')
    table = _daily(prices)
    ordered = sorted(compositions, key=lambda one: one.date)
    if not ordered:
        raise MarketDataError("no composition; give at least the first one")
    book = _Book(table, ordered, in_order(events), _paid(income, table), delisting=delisting, base=base)
    return book.series(status)


class _Book:
    """The ledger while it is written, day by day."""

    def __init__(
        self,
        prices: pd.DataFrame,
        compositions: Sequence[Composition],
        events: Sequence[Event],
        income: Floats,
        *,
        delisting: str,
        base: float,
    ) -> None:
        self.names = [str(name) for name in prices.columns]
        self.column = {name: column for column, name in enumerate(self.names)}
        self.dates = pd.DatetimeIndex(prices.index)
        self.observed = prices.to_numpy(dtype=np.float64)
        self.carried = prices.ffill().to_numpy(dtype=np.float64)
        self.income = income
        self.changes: dict[pd.Timestamp, list[Composition]] = {}
        for one in compositions:
            self.changes.setdefault(pd.Timestamp(one.date, tz=UTC), []).append(one)
        self.events = list(events)
        self.delisting = delisting
        self.base = base
        self.units: dict[str, float] = {}
        self.divisor = np.nan
        self.lines: list[LedgerLine] = []
        self.findings: dict[str, None] = {}

    def series(self, status: str) -> LevelSeries:
        first = min(self.changes)
        if first not in self.dates:
            raise MarketDataError(
                f"the first composition is of {first:%Y-%m-%d}; prices are of {self.dates[0]:%Y-%m-%d} to {self.dates[-1]:%Y-%m-%d}"
            )
        start = int(self.dates.searchsorted(first))
        levels, totals, divisors = [], [], []
        level = total = self.base
        previous = 0.0
        for row in range(start, len(self.dates)):
            if self.units:
                paid = sum(unit * self.income[row, self.column[name]] for name, unit in self.units.items())
                self._act(row, level)
                value = self._value(row)
                total *= (value + paid) / previous
                level = value / self.divisor
                self._leave(row, level)
            for change in self.changes.get(self.dates[row], []):
                self._change(row, dict(sorted(change.units.items())), level, change.reason)
            previous = self._value(row)
            levels.append(level)
            totals.append(total)
            divisors.append(self.divisor)
        return LevelSeries(
            dates=self.dates[start:],
            price_return=np.array(levels),
            total_return=np.array(totals),
            divisors=np.array(divisors),
            statuses=(status,) * len(levels),
            ledger=tuple(self.lines),
            findings=tuple(self.findings),
        )

    def _change(self, row: int, units: dict[str, float], level: float, reason: str) -> None:
        """Other units after the close; the divisor is the one that keeps the level."""
        self.units = units
        self.divisor = self._value(row) / level
        self._write(row, level, reason)

    def _act(self, row: int, level: float) -> None:
        """Redenomination, migration, rename and fork change units before the day's prices are read; the divisor stays."""
        for event in self._due(row):
            if event.kind == "delisting" or event.id not in self.units:
                continue
            after = event.new_id or event.id
            if after not in self.column:
                raise MarketDataError(f"{event}: {after} has no price in this table; add it")
            coins = self.units[event.id] if event.kind == "fork" else self.units.pop(event.id)
            self.units[after] = self.units.get(after, 0.0) + times(coins, event.ratio)
            self.units = dict(sorted(self.units.items()))
            self._write(row, level, str(event))

    def _leave(self, row: int, level: float) -> None:
        """A delisted coin leaves after the close at its terminal price; the others take its place in proportion."""
        for event in self._due(row):
            if event.kind != "delisting" or event.id not in self.units:
                continue
            if len(self.units) == 1:
                raise MarketDataError(f"{event}: it is all that the index holds; give the composition that follows it")
            units = {name: unit for name, unit in self.units.items() if name != event.id}
            self._change(row, units, level, str(event))

    def _due(self, row: int) -> tuple[Event, ...]:
        """Events that took effect since the day before."""
        return events_between(self.events, self.dates[row - 1].to_pydatetime(), self.dates[row].to_pydatetime())

    def _value(self, row: int) -> float:
        """USD of all units at the day's prices."""
        value = 0.0
        for name, unit in self.units.items():
            value += unit * self._price(name, row)
        if not value > 0.0:
            raise MarketDataError(f"{self.dates[row]:%Y-%m-%d}: the index is worth {value}; a level must be above 0")
        return value

    def _price(self, name: str, row: int) -> float:
        column = self.column.get(name)
        price = np.nan if column is None else float(self.carried[row, column])
        terminal = self._terminal(name, row)
        if terminal is not None:
            return terminal
        if price != price:
            raise MarketDataError(
                f"{name} has no price on or before {self.dates[row]:%Y-%m-%d}; add one, or leave it out"
            )
        if column is not None and self.observed[row, column] != self.observed[row, column]:
            self.findings[f"{name}: no price on {self.dates[row]:%Y-%m-%d}; its last one counts"] = None
        return price

    def _terminal(self, name: str, row: int) -> float | None:
        """What a delisted coin is worth from its event on: the event's price, or by choice."""
        now = self.dates[row].to_pydatetime()
        for event in self.events:
            if event.kind == "delisting" and event.id == name and event.effective <= now:
                if event.price is not None:
                    return event.price
                return 0.0 if self.delisting == "zero" else None
        return None

    def _write(self, row: int, level: float, reason: str) -> None:
        self.lines.append(
            LedgerLine(
                date=self.dates[row].date(), units=dict(self.units), divisor=self.divisor, level=level, reason=reason
            )
        )


def _daily(prices: pd.DataFrame) -> pd.DataFrame:
    index = prices.index
    if not isinstance(index, pd.DatetimeIndex) or index.tz is None or not index.is_unique:
        raise MarketDataError("prices: the index must be UTC days, each once; take market.believed_prices()")
    return prices.sort_index()


def _paid(income: pd.DataFrame | None, prices: pd.DataFrame) -> Floats:
    if income is None:
        return np.zeros(prices.shape)
    unknown = sorted(str(name) for name in income.columns if name not in prices.columns)
    if unknown:
        raise MarketDataError(f"income of {', '.join(unknown)}, which have no price; leave them out or add prices")
    return income.reindex(index=prices.index, columns=prices.columns).fillna(0.0).to_numpy(dtype=np.float64)


def _text(level: float) -> str:
    return f"{level:.{DECIMALS}f}"
