"""What every provider of data looks like from here: questions, stored answers, and rows read from stored bytes only.

A source says what it would ask (`requests`), asks it through the door (`fetch`), and reads what came back (`parse`).
Reading needs nothing but the stored answer, whose URL says what was asked, so that a test, a replay and a live run
share one path. Rows are long: one number of one field of one coin on one day.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol, cast

import numpy as np
import pandas as pd

from offchain.canonical import utc_text
from offchain.errors import SourceUnavailable
from offchain.market.store import RawResponse
from offchain.market.validation import PRICE_BOUNDS, SIGNED, SUPPLY_BOUNDS, Finding

ROW_COLUMNS = ("date", "id", "field", "value")
# the id of rows that are about the market as a whole
WHOLE_MARKET = ""
DAY = timedelta(days=1)

# what a field can be at all, wherever it comes from; outside it the units are wrong
BOUNDS = {
    "tvl": (0.0, 1e13),
    "dex_volume": (0.0, 1e13),
    "venue_volume": (0.0, 1e13),
    "depth": (0.0, 1e13),
    "rates": (-10.0, 50.0),
    "equities": (10.0, 1e6),
    "dollar": (10.0, 1e3),
    "sentiment": (-1.0, 1.0),
    "market_sentiment": (-1.0, 1.0),
    "issuance": (-100.0, 1e5),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question. `url`: without any key. `is_closed`: about a past that is over, so a stored answer never gets old."""

    url: str
    is_closed: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """What one stored answer says. `rows`: date (UTC midnight), id, field, value. `more`: the next page, if there is one."""

    rows: pd.DataFrame
    more: Request | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a provider may be asked: `calls` in any `seconds`."""

    calls: int
    seconds: float


class Source(Protocol):
    """A provider of data. `fields`: what it can fill, names of fields.py."""

    @property
    def name(self) -> str: ...

    @property
    def fields(self) -> tuple[str, ...]: ...

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        """What to ask for the rows of these coins from `start` to `end`, both included."""

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        """The answer, from the store while it is young enough and not `fresh`, else from the provider."""

    def owns(self, url: str) -> bool:
        """Whether a stored answer to `url` is one of this source's."""

    def parse(self, answer: RawResponse) -> Reading:
        """What a stored answer says. Raises SourceUnavailable when it is something else than what was asked for."""


# --- reading answers --------------------------------------------------------------------------------------------------


def read_json(answer: RawResponse, source: str) -> object:
    """The JSON in an answer; NaN and infinities are no JSON."""
    try:
        return cast(object, json.loads(answer.body, parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as error:
        raise odd(answer, source, "not JSON") from error


def read_object(answer: RawResponse, source: str) -> dict[str, object]:
    """The JSON object in an answer."""
    data = read_json(answer, source)
    if not isinstance(data, dict):
        raise odd(answer, source, "not an object")
    return data


def list_of(data: Mapping[str, object], key: str, answer: RawResponse, source: str) -> list[object]:
    """The list under a key."""
    found = data.get(key)
    if not isinstance(found, list):
        raise odd(answer, source, f'no list "{key}"')
    return found


def odd(answer: RawResponse, source: str, what: str) -> SourceUnavailable:
    """The error about an answer that is something else; it names the stored bytes."""
    start = answer.body[:80].decode("utf-8", "replace")
    return SourceUnavailable(
        f"{source}: {answer.url} answered something else ({what}): {start!r}; the API may have changed, "
        f"the answer of {utc_text(answer.requested_at)} is stored with sha256 {answer.sha256[:12]}"
    )


def number(value: object, answer: RawResponse, source: str, *, what: str, unknown: Iterable[str] = ()) -> float:
    """A number or its text; None and the texts in `unknown` are NaN."""
    if value is None or (isinstance(value, str) and value in tuple(unknown)):
        return math.nan
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(value)
        read = float(value)
    except (ValueError, OverflowError) as error:
        raise odd(answer, source, f"{what} = {str(value)[:40]!r} is not a number") from error
    if not math.isfinite(read):
        raise odd(answer, source, f"{what} = {value!r} is not finite")
    return read


def moment(seconds: object, answer: RawResponse, source: str) -> datetime:
    """A Unix time in seconds, also as text; milliseconds and other things are refused."""
    value = number(seconds, answer, source, what="time")
    # 2001 to 2100: a time in milliseconds lies far after it
    if not 1e9 <= value <= 4.1e9:
        raise odd(answer, source, f"time = {seconds} is not in Unix seconds")
    return datetime.fromtimestamp(value, tz=UTC)


def midnight(day: date) -> datetime:
    """00:00 UTC of a day."""
    return datetime.combine(day, time(), UTC)


def unix(day: date) -> int:
    """00:00 UTC of a day in Unix seconds."""
    return int(midnight(day).timestamp())


def next_midnight(at: datetime) -> datetime:
    """The first 00:00 UTC at or after a time: when what happened until then is known here."""
    floor = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return floor if floor == at else floor + DAY


@dataclass(kw_only=True)
class Rows:
    """Long rows in the making, for one answer of one source."""

    source: str
    answer: RawResponse
    _dates: list[datetime] = field(default_factory=list)
    _ids: list[str] = field(default_factory=list)
    _fields: list[str] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)

    def add(self, at: datetime, coin: str, name: str, value: float) -> None:
        """One number; unknown ones and those of a day that is not over are left out."""
        if math.isnan(value) or at > self.answer.requested_at:
            return
        if math.isinf(value):
            raise odd(self.answer, self.source, f"{name} of {coin or 'the market'} is infinite")
        self._dates.append(at)
        self._ids.append(coin)
        self._fields.append(name)
        self._values.append(value)

    def frame(self) -> pd.DataFrame:
        """The rows as a table. Raises SourceUnavailable for values that cannot be, and for days said twice."""
        table = pd.DataFrame(
            {
                "date": pd.DatetimeIndex(self._dates, tz="UTC") if self._dates else pd.DatetimeIndex([], tz="UTC"),
                "id": pd.array(self._ids, dtype="object"),
                "field": pd.array(self._fields, dtype="object"),
                "value": np.array(self._values, dtype=np.float64),
            }
        )
        problem = problem_of(table)
        if problem:
            raise odd(self.answer, self.source, problem)
        return table


def problem_of(rows: pd.DataFrame) -> str:
    """What is wrong with long rows, or an empty text: below zero, outside what a field can be, said twice."""
    values, names = rows["value"].to_numpy(), rows["field"].to_numpy()
    negative = (values < 0) & ~np.isin(names, SIGNED)
    if negative.any():
        row = rows.iloc[int(np.flatnonzero(negative)[0])]
        return f"{row['field']} of {row['id'] or 'the market'} on {row['date']:%Y-%m-%d} is {row['value']:g}, below 0"
    for name, (low, high) in BOUNDS.items():
        outside = (names == name) & ((values < low) | (values > high))
        if outside.any():
            row = rows.iloc[int(np.flatnonzero(outside)[0])]
            return f"{name} is {row['value']:g} on {row['date']:%Y-%m-%d}, outside {low:g} to {high:g}: the units are wrong"
    for name, known in (("price", PRICE_BOUNDS), ("supply", SUPPLY_BOUNDS)):
        for coin, (low, high) in known.items():
            found = values[(names == name) & (rows["id"].to_numpy() == coin)]
            if len(found) and not low <= float(np.median(found)) <= high:
                return (
                    f"median {name} of {coin} is {np.median(found):g}, outside {low:g} to {high:g}: the units are wrong"
                )
    repeated = rows.duplicated(["date", "id", "field"])
    if repeated.any():
        row = rows[repeated.to_numpy()].iloc[0]
        return f"{row['field']} of {row['id'] or 'the market'} on {row['date']:%Y-%m-%d} is said twice"
    return ""


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")
