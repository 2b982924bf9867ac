"""What happened to coins themselves: facts that change what a holder has, or what one coin of a name is worth.

    events = load_events("events.toml")
    due = events_between(events, t0, t1)              took effect after t0 and by t1, and were known by t1
    holdings = carry(holdings, due)                   {id: coins} before → {id: coins} after
    market = market.with_events(events)               prices without the jump, history in today's units
    barred = gone_at(events, t)                       {id: why} of the coins that are over

In a file, one table each (or one row of a CSV with the same columns):

    [[event]]
    kind = "migration"            # redenomination, migration, rename, fork, delisting
    id = "ethlend"
    new_id = "aave"               # migration, rename and fork: the coin that holders get
    date = 2020-10-03             # the first UTC day on which it holds
    ratio = "1:100"               # new coins : old coins; 1:1 when left out
    known = 2020-09-25            # when it was announced; the date itself when left out
    note = "LEND to AAVE, governance proposal AIP-1"

Nothing here is guessed: an event counts because someone wrote it down. What looks like one in the data is reported
by validation.py, and stays as it is.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from fractions import Fraction
from pathlib import Path

from offchain.errors import MarketDataError, did_you_mean

KINDS = ("redenomination", "migration", "rename", "fork", "delisting")
# after these nobody should hold the old id
ENDING = ("migration", "rename", "delisting")
WITH_NEW_ID = ("migration", "rename", "fork")
KEYS = ("kind", "id", "new_id", "date", "ratio", "price", "known", "note")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One corporate action. From 00:00 UTC of `date` on, `old_coins` of `id` are `new_coins`, of `new_id` or of itself.

    redenomination   the same id, another number of coins: 1:1000 when a thousand became one
    migration        holders of `id` have `new_id` instead, in the ratio
    rename           the same coin under another id; the ratio is 1:1
    fork             holders keep `id` and get `new_id` on top, in the ratio
    delisting        no more market for `id`. `price` USD is what a holder got per coin, None when that is open

    `known`: when it was announced. It takes effect at the later of `known` and `date`.
    """

    kind: str
    id: str
    date: date
    known: datetime
    new_id: str = ""
    new_coins: int = 1
    old_coins: int = 1
    price: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise MarketDataError(f"event {self.kind} of {self.id or 'nothing'} on {self.date}: {problem}")

    @property
    def ratio(self) -> Fraction:
        """New coins for one old coin, exactly."""
        return Fraction(self.new_coins, self.old_coins)

    @property
    def effective(self) -> datetime:
        """From when on it counts: never before it happened, never before it was known."""
        return max(datetime.combine(self.date, time(), UTC), self.known)

    def __str__(self) -> str:
        target = f" to {self.new_id}" if self.new_id else ""
        ratio = "" if self.ratio == 1 else f", {self.new_coins}:{self.old_coins}"
        return f"{self.kind} of {self.id}{target} on {self.date}{ratio}"


def events_between(events: Iterable[Event], t0: datetime, t1: datetime) -> tuple[Event, ...]:
    """The events that took effect after `t0` and not after `t1`, in the order in which they did."""
    if t0 > t1:
        raise MarketDataError(f"events between {t0} and {t1}: the first time is the later one; swap them")
    return in_order(event for event in events if t0 < event.effective <= t1)


def in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """By the time they take effect, then by id, new id and kind: the order in which they are applied."""
    return tuple(sorted(events, key=lambda event: (event.effective, event.id, event.new_id, event.kind)))


def carry(holdings: Mapping[str, float], events: Iterable[Event]) -> dict[str, float]:
    """{id: coins} after `events`, sorted by id; coins of a delisting stay, because their value is another question.

    Each number of coins is multiplied once and rounded once: coins × new / old, nearest float.
    """
    held = dict(holdings)
    for event in in_order(events):
        if event.kind == "delisting" or event.id not in held:
            continue
        coins = held[event.id] if event.kind == "fork" else held.pop(event.id)
        after = event.new_id or event.id
        held[after] = held.get(after, 0.0) + times(coins, event.ratio)
    return dict(sorted(held.items()))


def gone_at(events: Iterable[Event], t: datetime) -> dict[str, str]:
    """{id: why it may no longer be held} of the coins that are over at `t`: delisted, renamed, or migrated away."""
    return {event.id: str(event) for event in in_order(events) if event.kind in ENDING and event.effective <= t}


def times(value: float, ratio: Fraction) -> float:
    """value × ratio, computed exactly and rounded once to the nearest float."""
    return float(Fraction(value) * ratio)


# --- files ------------------------------------------------------------------------------------------------------------


def load_events(path: str | os.PathLike[str]) -> tuple[Event, ...]:
    """The events of a .toml or .csv file, in order. Raises MarketDataError with the first mistake and where it is."""
    file = Path(path)
    readers = {".toml": _toml_rows, ".csv": _csv_rows}
    if file.suffix.lower() not in readers:
        raise MarketDataError(f'{file.name}: suffix "{file.suffix}" is not read; use {" or ".join(readers)}')
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MarketDataError(f"{file.name}: cannot be read ({error}); give a UTF-8 text file") from error
    return parse_events(readers[file.suffix.lower()](text, file.name), source=file.name)


def parse_events(rows: Sequence[Mapping[str, object]], *, source: str) -> tuple[Event, ...]:
    """Events from plain rows with the keys of a file, checked one by one and against each other."""
    events = [_event(row, f"{source}: event {number}") for number, row in enumerate(rows, start=1)]
    seen: dict[tuple[str, str, date], int] = {}
    for number, event in enumerate(events, start=1):
        key = (event.kind if event.kind == "fork" else "", event.id, event.date)
        if key in seen:
            raise MarketDataError(
                f"{source}: event {number} ({event}) is about the same coin and day as event {seen[key]}; keep one"
            )
        seen[key] = number
    return in_order(events)


def _toml_rows(text: str, source: str) -> list[Mapping[str, object]]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MarketDataError(f"{source}: not TOML: {error}; check quotes, brackets and the = sign there") from error
    strange = [key for key in data if key != "event"]
    rows = data.get("event", [])
    if strange or not isinstance(rows, list):
        raise MarketDataError(f"{source}: {', '.join(strange) or 'event'} is not expected; write [[event]] tables only")
    return rows


def _csv_rows(text: str, source: str) -> list[Mapping[str, object]]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        rows = [dict(row) for row in reader]
    except csv.Error as error:
        raise MarketDataError(f"{source}: line {reader.line_num}: not a CSV table ({error})") from error
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise MarketDataError(f"{source}: event {number} has not as many fields as the header line; add commas")
    return [{key: value for key, value in row.items() if value != ""} for row in rows]


def _event(row: Mapping[str, object], where: str) -> Event:
    for key in row:
        if key not in KEYS:
            near = did_you_mean(str(key), KEYS)
            raise MarketDataError(f'{where}: "{key}" is no key; use {", ".join(KEYS)}.{near}')
    for key in ("kind", "id", "date"):
        if not row.get(key):
            raise MarketDataError(f"{where}: {key} is missing; needed are kind, id and date")
    kind = str(row["kind"])
    if kind not in KINDS:
        raise MarketDataError(f'{where}: kind = "{kind}": use {", ".join(KINDS)}.{did_you_mean(kind, KINDS)}')
    day = _day(row["date"], f"{where}: date")
    new_coins, old_coins = _ratio(row.get("ratio", "1:1"), where)
    return Event(
        kind=kind,
        id=str(row["id"]),
        new_id=str(row.get("new_id", "")),
        date=day.date(),
        known=_day(row["known"], f"{where}: known") if "known" in row else day,
        new_coins=new_coins,
        old_coins=old_coins,
        price=_price(row["price"], where) if "price" in row else None,
        note=str(row.get("note", "")),
    )


def _day(value: object, what: str) -> datetime:
    try:
        if isinstance(value, datetime):
            read = value
        elif isinstance(value, date):
            read = datetime.combine(value, time())
        else:
            read = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise MarketDataError(f"{what} = {value!r} is not a date; write 2021-05-10 (UTC)") from error
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)


def _ratio(value: object, where: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*([0-9]+)\s*:\s*([0-9]+)\s*", str(value), re.ASCII)
    if match is None:
        raise MarketDataError(
            f'{where}: ratio = {value!r}; write whole numbers "new:old", such as "1:100" when a hundred old coins '
            "became one new coin"
        )
    return int(match[1]), int(match[2])


def _price(value: object, where: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        raise MarketDataError(f"{where}: price = {value!r} is not a number of US dollars") from error


def _problem(event: Event) -> str:
    """What contradicts itself in one event, or an empty text."""
    if event.kind not in KINDS:
        return f'kind "{event.kind}" is none of {", ".join(KINDS)}.{did_you_mean(event.kind, KINDS)}'
    if not event.id.strip():
        return "id is empty; write the coin's id, such as bitcoin"
    if event.known.tzinfo is None:
        return f"known = {event.known} has no zone; use datetime(..., tzinfo=timezone.utc)"
    if (event.kind in WITH_NEW_ID) != bool(event.new_id):
        return "new_id is missing; name the coin that holders get" if not event.new_id else "new_id has no meaning here"
    if event.new_id == event.id:
        return "new_id is the id itself; a change of the number of coins is a redenomination"
    if event.new_coins < 1 or event.old_coins < 1:
        return f"ratio {event.new_coins}:{event.old_coins}; both numbers must be at least 1"
    if event.kind in ("rename", "delisting") and event.ratio != 1:
        return (
            f"ratio {event.new_coins}:{event.old_coins} has no meaning here; a {event.kind} changes no number of coins"
        )
    if event.kind == "redenomination" and event.ratio == 1:
        return "ratio 1:1 changes nothing; write new:old, such as 1:1000"
    if event.price is not None and event.kind != "delisting":
        return f"price has no meaning here; only a delisting has one, not a {event.kind}"
    if event.price is not None and not 0.0 <= event.price < float("inf"):
        return f"price = {event.price} USD; write 0 or more"
    return ""
