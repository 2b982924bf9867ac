"""A market as it was known: a daily panel that can only be looked at up to a time, and the facts at that time.

    market.until(t)      the same market with nothing after t in it: later rows, and coins first seen later, are gone
    market.snapshot(t)   what the methodology reads: one row of facts per coin, with a canonical JSON and a hash
    market.history(t)    what signals and risk look back on: daily arrays up to t

A row dated d describes 00:00 UTC of day d and is known `lag` later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.canonical import Json, canonical_json, keccak_hex, utc_text, utc_time
from offchain.errors import MarketDataError, MissingHistory, did_you_mean
from offchain.market.confirm import MAX_GAP_DAYS, STATE_NAMES, Believed, Change, Floats, believe
from offchain.market.events import Event, in_order
from offchain.market.fields import PANELS, SERIES
from offchain.market.history import History
from offchain.market.validation import Finding, validate

FORMAT = "ballast-market/1"
META_COLUMNS = ("symbol", "name", "tags", "decimals")
PEG_DAYS = 30
PEG_MIN_DAYS = 20
PEG_TOLERANCE = 0.02
PEG_SHARE = 0.9
FLAT_TOLERANCE = 0.01
LEADERS = 60

Time = datetime | str


@dataclass(frozen=True, kw_only=True)
class CoinFacts:
    """What was known about one coin. USD; None is unknown. `state` is one of confirm.STATE_NAMES.

    `price`, `market_cap`: believed values. `volume`: median per day over the snapshot's window. `age_days`: since the
    first price, None when it was there before the data began. `gap_days`: since the last observed price.
    `idle_days`: days in a row without volume. `tracks`: "usd", "flat", or the id of a larger coin whose price it copies.
    """

    id: str
    symbol: str
    name: str
    tags: tuple[str, ...]
    decimals: int | None
    price: float | None
    observed_price: float | None
    state: str
    market_cap: float | None
    market_cap_state: str
    volume: float
    age_days: int | None
    gap_days: int
    idle_days: int
    tracks: str | None


@dataclass(frozen=True, kw_only=True)
class MarketSnapshot:
    """Every coin known at `t`, sorted by id. `inputs_hash` is what goes on chain next to the weights."""

    t: datetime
    source: str
    volume_days: int
    coins: tuple[CoinFacts, ...]

    def __post_init__(self) -> None:
        if any(a.id >= b.id for a, b in zip(self.coins, self.coins[1:], strict=False)):
            raise MarketDataError("snapshot: coins must be sorted by id, each once; build it with market.snapshot(t)")

    def __len__(self) -> int:
        return len(self.coins)

    def __getitem__(self, coin_id: str) -> CoinFacts:
        try:
            return self._by_id[coin_id]
        except KeyError:
            raise MissingHistory(
                f'no coin "{coin_id}" among {len(self.coins)} known at {utc_text(self.t)}.{did_you_mean(coin_id, self._by_id)}'
            ) from None

    def __contains__(self, coin_id: object) -> bool:
        return coin_id in self._by_id

    @cached_property
    def _by_id(self) -> dict[str, CoinFacts]:
        return {coin.id: coin for coin in self.coins}

    def to_json(self) -> str:
        """Canonical JSON: columns once, then one row per coin; numbers as text."""
        return canonical_json(self._document())

    @cached_property
    def inputs_hash(self) -> str:
        """keccak256 of `to_json()`. The name of the source is not part of it: equal data has an equal hash."""
        return keccak_hex({**self._document(), "source": ""})

    @classmethod
    def from_json(cls, text: str) -> MarketSnapshot:
        """The inverse of `to_json`. Raises MarketDataError for anything else."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT or tuple(data["columns"]) != _FACTS:
                raise ValueError(f"format {data['format']!r}, expected {FORMAT!r} with columns {', '.join(_FACTS)}")
            coins = tuple(_read_facts(dict(zip(_FACTS, row, strict=True))) for row in data["coins"])
            return cls(t=utc_time(data["t"]), source=data["source"], volume_days=int(data["volume_days"]), coins=coins)
        except (KeyError, TypeError, ValueError) as error:
            raise MarketDataError(f"not a market snapshot: {error}; give the file the keeper published") from error

    def to_frame(self) -> pd.DataFrame:
        """The facts as a table indexed by id, for reading and for independent checks."""
        rows = [{name: getattr(coin, name) for name in _FACTS} for coin in self.coins]
        return pd.DataFrame(rows, columns=list(_FACTS)).set_index("id")

    def _document(self) -> dict[str, object]:
        rows = [[getattr(coin, name) for name in _FACTS] for coin in self.coins]
        return {
            "format": FORMAT,
            "t": self.t,
            "source": self.source,
            "volume_days": self.volume_days,
            "columns": _FACTS,
            "coins": rows,
        }


_FACTS = tuple(row.name for row in fields(CoinFacts))


def _read_facts(row: Mapping[str, Json]) -> CoinFacts:
    return CoinFacts(
        id=str(row["id"]),
        symbol=str(row["symbol"]),
        name=str(row["name"]),
        tags=tuple(str(tag) for tag in cast("list[Any]", row["tags"])),
        decimals=_count(row["decimals"]),
        price=_number(row["price"]),
        observed_price=_number(row["observed_price"]),
        state=str(row["state"]),
        market_cap=_number(row["market_cap"]),
        market_cap_state=str(row["market_cap_state"]),
        volume=float(str(row["volume"])),
        age_days=_count(row["age_days"]),
        gap_days=int(str(row["gap_days"])),
        idle_days=int(str(row["idle_days"])),
        tracks=None if row["tracks"] is None else str(row["tracks"]),
    )


def _count(value: Json) -> int | None:
    return None if value is None else int(str(value))


def _number(value: Json) -> float | None:
    return None if value is None else float(str(value))


def as_utc(t: Time) -> datetime:
    """A time with its zone; text is read as ISO 8601 in UTC."""
    if isinstance(t, str):
        try:
            parsed = datetime.fromisoformat(t)
        except ValueError as error:
            raise MarketDataError(f'time "{t}" cannot be read; write 2021-05-10 or 2021-05-10T12:00:00Z') from error
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(t, pd.Timestamp):
        t = t.to_pydatetime(warn=False)
    if not isinstance(t, datetime) or t.tzinfo is None:
        raise MarketDataError(f"time {t} has no zone; use datetime(..., tzinfo=timezone.utc)")
    return t.astimezone(UTC)


@dataclass(frozen=True, kw_only=True, eq=False)
class Market:
    """A daily panel. Each frame: rows UTC midnights without a hole, columns coin ids in order; USD; NaN is unknown.

    `meta`: indexed by id, columns symbol, name, tags (";"-separated), decimals. The frames cannot be written to.
    `panels`: {field: frame of the same shape} and `series`: {name: one number a day}, of `fields.py`; see `with_fields`.
    `events`: corporate actions that were written down; see `with_events`.
    """

    price: pd.DataFrame
    market_cap: pd.DataFrame
    volume: pd.DataFrame
    meta: pd.DataFrame
    source: str = "memory"
    lag: timedelta = timedelta(0)
    findings: tuple[Finding, ...] = ()
    panels: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    series: Mapping[str, pd.Series] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    _known: dict[str, Believed] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        *,
        meta: pd.DataFrame | None = None,
        source: str = "memory",
        lag: timedelta = timedelta(0),
    ) -> Market:
        """From long rows date, id, price, market_cap, volume; validated first (see validation.py)."""
        clean, findings = validate(frame, source=source)
        first, last = clean["date"].iloc[0], clean["date"].iloc[-1]
        dates = pd.date_range(first, last, freq="D", name="date")
        ids = sorted(set(clean["id"].cat.categories[np.unique(clean["id"].cat.codes)]))
        position = {name: index for index, name in enumerate(ids)}
        columns = np.array([position.get(name, -1) for name in clean["id"].cat.categories])[clean["id"].cat.codes]
        rows = ((clean["date"] - first) // pd.Timedelta(days=1)).to_numpy()
        panels = {}
        for name in ("price", "market_cap", "volume"):
            values = np.full((len(dates), len(ids)), np.nan)
            values[rows, columns] = clean[name].to_numpy()
            panels[name] = _sealed(values, dates, ids)
        return cls(
            price=panels["price"],
            market_cap=panels["market_cap"],
            volume=panels["volume"],
            meta=_complete_meta(meta, ids),
            source=source,
            lag=lag,
            findings=findings,
        )

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Coin ids in column order."""
        return tuple(self.price.columns.tolist())

    @property
    def dates(self) -> pd.DatetimeIndex:
        """UTC midnights, one per row."""
        return cast(pd.DatetimeIndex, self.price.index)

    @property
    def start(self) -> datetime:
        """The first day of the data."""
        return self.dates[0].to_pydatetime()

    @property
    def end(self) -> datetime:
        """The last day of the data."""
        return self.dates[-1].to_pydatetime()

    def until(self, t: Time) -> Market:
        """What was known at `t`, copied, so that nothing later can be reached from it."""
        time = as_utc(t)
        rows = int((self.dates <= pd.Timestamp(time - self.lag)).sum())
        if rows == 0:
            raise MissingHistory(
                f"{self.source}: nothing is known at {utc_text(time)}; the data begins {self.start:%Y-%m-%d}. "
                "Ask for a later time or give older data"
            )
        events = tuple(event for event in self.events if event.effective <= time)
        is_whole = rows == len(self.dates) and events == self.events and bool((self._first_seen < rows).all())
        if is_whole and not self._has_late_fields(time):
            return self
        columns = np.flatnonzero(self._first_seen < rows)
        ids = [self.ids[column] for column in columns]
        panels = {
            name: _sealed(getattr(self, name).to_numpy()[:rows, columns], self.dates[:rows].copy(), ids)
            for name in ("price", "market_cap", "volume")
        }
        known = {name: self._believed(name).head(rows, columns) for name in ("price", "market_cap")}
        past = Market(
            price=panels["price"],
            market_cap=panels["market_cap"],
            volume=panels["volume"],
            meta=self.meta.loc[ids].copy(),
            source=self.source,
            lag=self.lag,
            events=events,
            panels={
                name: _sealed(self._known_of(name, time)[:rows, columns], self.dates[:rows].copy(), ids)
                for name in self.panels
            },
            series={
                name: pd.Series(self._known_of(name, time)[:rows], index=self.dates[:rows]) for name in self.series
            },
        )
        past._known.update(known)
        return past

    def with_fields(
        self, panels: Mapping[str, pd.DataFrame] | None = None, series: Mapping[str, pd.Series] | None = None
    ) -> Market:
        """The same market with more fields of `fields.py`; dates and coins it does not know are left out.

        Raises MarketDataError for a name that is no field.
        """
        new_panels = {name: self._fitted(name, frame) for name, frame in (panels or {}).items()}
        new_series = {
            name: pd.Series(values.reindex(self.dates).to_numpy(dtype=np.float64), index=self.dates)
            for name, values in (series or {}).items()
        }
        for name in [*new_panels, *new_series]:
            known = PANELS if name in new_panels else SERIES
            if name not in known:
                raise MarketDataError(f'"{name}" is no field; known are {", ".join(known)}.{did_you_mean(name, known)}')
        return replace(self, panels={**self.panels, **new_panels}, series={**self.series, **new_series})

    def with_events(self, events: Sequence[Event]) -> Market:
        """The same market with these corporate actions: the jump of a redenomination is no jump, and a coin that was
        renamed or migrated goes on under its new id. Each counts from the time it happened and was known.

        Prices of a day stay in that day's units; `history` gives them all in the units of its last day.
        """
        return replace(self, events=in_order(events))

    def history(
        self, t: Time, *, days: int, fields: Sequence[str] = ("price",), ids: Collection[str] | None = None
    ) -> History:
        """What a decision at `t` may look back on: the newest `days` days, of all coins known then or of `ids`.

        "price" and "market_cap" are believed values (see confirm.py). Raises MissingHistory for a field nobody filled.
        """
        past = self.until(t)
        late = (as_utc(t).date() - (past.end + past.lag).date()).days
        if late > MAX_GAP_DAYS:
            raise MissingHistory(
                f"{self.source}: the data ends {past.end:%Y-%m-%d}, {late} days before {t}; fetch newer data"
            )
        chosen = past.ids if ids is None else tuple(sorted(set(ids) & set(past.ids)))
        position = {name: column for column, name in enumerate(past.ids)}
        columns = [position[name] for name in chosen]
        panels = {name: past._field(name)[-days:, columns].copy() for name in fields if name not in SERIES}
        series = {name: past._line(name)[-days:].copy() for name in fields if name in SERIES}
        dates = tuple(day.date() for day in past.dates[-days:])
        return History(t=as_utc(t), dates=dates, ids=chosen, panels=panels, series=series)

    def has(self, name: str) -> bool:
        """Whether a source filled this field or series."""
        return name in _OWN_FIELDS or name in self.panels or name in self.series

    def _field(self, name: str) -> Floats:
        if name in ("price", "market_cap"):
            values = self._believed(name).values
        elif name in ("observed_price", "volume"):
            values = cast(Floats, (self.price if name == "observed_price" else self.volume).to_numpy())
        elif name in self.panels:
            values = cast(Floats, self.panels[name].to_numpy())
        else:
            raise MissingHistory(_nobody_filled(name, [*_OWN_FIELDS, *self.panels], PANELS, self.source))
        return _in_last_units(name, values, self._believed("price").applied) if self.events else values

    def _line(self, name: str) -> Floats:
        if name not in self.series:
            raise MissingHistory(_nobody_filled(name, list(self.series), SERIES, self.source))
        return self.series[name].to_numpy()

    def _fitted(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        fitted = frame.reindex(index=self.dates, columns=list(self.ids)).to_numpy(dtype=np.float64)
        return _sealed(fitted, self.dates, self.ids)

    def _has_late_fields(self, time: datetime) -> bool:
        return any(_lag_of(name) > timedelta(0) for name in (*self.panels, *self.series)) and any(
            self._unknown_rows(name, time) for name in (*self.panels, *self.series)
        )

    def _unknown_rows(self, name: str, time: datetime) -> int:
        """How many of the newest rows of this field were not known yet."""
        return int((self.dates > pd.Timestamp(time - self.lag - _lag_of(name))).sum())

    def _known_of(self, name: str, time: datetime) -> Floats:
        frame = self.panels[name] if name in self.panels else self.series[name]
        values = np.array(frame.to_numpy(), dtype=np.float64)
        unknown = self._unknown_rows(name, time)
        if unknown:
            values[len(values) - unknown :] = np.nan
        return values

    def believed_prices(self) -> pd.DataFrame:
        """Date × id: each day's believable price (see confirm.py); row d depends on rows up to d only."""
        return pd.DataFrame(self._believed("price").values.copy(), index=self.dates, columns=list(self.ids))

    def snapshot(self, t: Time, *, volume_days: int = 30) -> MarketSnapshot:
        """Facts of every coin known at `t`, sorted by id. `volume_days`: window of the median volume."""
        time = as_utc(t)
        return self.until(time)._facts(time, volume_days)

    @cached_property
    def _first_seen(self) -> NDArray[np.intp]:
        """The first row with a price of each coin; the number of rows for one that never has any."""
        known = ~np.isnan(self.price.to_numpy())
        return np.asarray(np.where(known.any(axis=0), np.argmax(known, axis=0), len(known)))

    def _believed(self, name: str) -> Believed:
        if name not in self._known:
            self._known[name] = believe(getattr(self, name).to_numpy(), self._changes(name))
        return self._known[name]

    def _changes(self, name: str) -> list[Change]:
        """The events as rows and columns of the panel `name`, in the order in which they count."""
        column = {coin: index for index, coin in enumerate(self.ids)} if self.events else {}
        changes = []
        for event in self.events:
            after = event.new_id or event.id
            is_other = after != event.id
            if event.kind not in _CHANGES or event.id not in column or after not in column:
                continue
            if name == "market_cap" and not is_other:
                continue
            row = int(self.dates.searchsorted(pd.Timestamp(event.effective - self.lag)))
            changes.append(
                Change(
                    row=row,
                    date_row=int(self.dates.searchsorted(pd.Timestamp(event.date, tz="UTC"))),
                    column=column[after],
                    source=column[event.id],
                    factor=float(1 / event.ratio) if name == "price" else 1.0,
                )
            )
        return changes

    def _facts(self, time: datetime, volume_days: int) -> MarketSnapshot:
        late = (time.date() - (self.end + self.lag).date()).days
        if late > MAX_GAP_DAYS:
            raise MissingHistory(
                f"{self.source}: the data ends {self.end:%Y-%m-%d}, {late} days before {time:%Y-%m-%d}; "
                f"the limit is {MAX_GAP_DAYS}. Fetch newer data"
            )
        price, cap = self._believed("price"), self._believed("market_cap")
        first_seen = self._first_seen.copy()
        for change in price.applied:
            first_seen[change.column] = min(first_seen[change.column], first_seen[change.source])
        age = len(self.dates) - 1 - first_seen + late
        columns: dict[str, Sequence[object]] = {
            "id": self.ids,
            "symbol": self.meta["symbol"].tolist(),
            "name": self.meta["name"].tolist(),
            "tags": [tuple(tag for tag in tags.split(";") if tag) for tags in self.meta["tags"]],
            "decimals": [None if pd.isna(value) else int(value) for value in self.meta["decimals"]],
            "price": _optional(price.values[-1]),
            "observed_price": _optional(self.price.to_numpy()[-1]),
            "state": [STATE_NAMES[state] for state in price.states[-1]],
            "market_cap": _optional(cap.values[-1]),
            "market_cap_state": [STATE_NAMES[state] for state in cap.states[-1]],
            "volume": _middle(self._field("volume")[-volume_days:]).tolist(),
            "age_days": [None if first == 0 else int(days) for first, days in zip(first_seen, age, strict=True)],
            "gap_days": (price.gap_days[-1] + late).tolist(),
            "idle_days": _idle_days(self.volume.to_numpy(), self.price.to_numpy()).tolist(),
            "tracks": _tracks(self._field("price")[-PEG_DAYS:], cap.values[-1], self.ids),
        }
        rows = zip(*columns.values(), strict=True)
        coins = tuple(CoinFacts(**cast("dict[str, Any]", dict(zip(columns, row, strict=True)))) for row in rows)
        return MarketSnapshot(t=time, source=self.source, volume_days=volume_days, coins=coins)


_OWN_FIELDS = ("price", "observed_price", "market_cap", "volume")
_CHANGES = ("redenomination", "migration", "rename")
_PER_COIN = ("price", "observed_price", "open", "high", "low")
_IN_COINS = ("supply", "free_float")


def _in_last_units(name: str, values: Floats, applied: Sequence[Change]) -> Floats:
    """A panel with every day in the units of its last day, and a coin's days under its former id filled in.

    Believed prices change units on the row on which a change counted, all others on the row of its date.
    """
    panel = values.copy() if applied else values
    for change in applied:
        row = change.row if name in ("price", "market_cap") else change.date_row
        factor = change.factor if name in _PER_COIN else 1.0 / change.factor if name in _IN_COINS else 1.0
        if change.source == change.column:
            panel[:row, change.column] *= factor
        else:
            own, former = panel[:row, change.column], panel[:row, change.source] * factor
            panel[:row, change.column] = np.where(np.isnan(own), former, own)
    return panel


def _lag_of(name: str) -> timedelta:
    row = PANELS.get(name) or SERIES[name]
    return timedelta(days=row.lag_days)


def _nobody_filled(name: str, filled: Sequence[str], known: Mapping[str, object], source: str) -> str:
    near = did_you_mean(name, known)
    return (
        f'{source}: no source filled "{name}"; it has {", ".join(sorted(filled)) or "none"}. '
        f"Add a source that has it, or leave out what needs it.{near}"
    )


def _sealed(values: Floats, dates: pd.DatetimeIndex, ids: Sequence[str]) -> pd.DataFrame:
    owned = np.array(values, dtype=np.float64, order="C", copy=True)
    owned.flags.writeable = False
    return pd.DataFrame(owned, index=dates, columns=np.array(ids, dtype=object), copy=False)


def _complete_meta(meta: pd.DataFrame | None, ids: Sequence[str]) -> pd.DataFrame:
    given = pd.DataFrame(index=pd.Index([], dtype=object)) if meta is None else meta
    full = given.reindex(index=list(ids), columns=list(META_COLUMNS))
    full["symbol"] = [
        s if isinstance(s, str) and s else _symbol_of(i) for s, i in zip(full["symbol"], ids, strict=True)
    ]
    full["name"] = [
        n if isinstance(n, str) and n else i.replace("-", " ").title() for n, i in zip(full["name"], ids, strict=True)
    ]
    full["tags"] = [t if isinstance(t, str) else "" for t in full["tags"]]
    return full


def _symbol_of(coin_id: str) -> str:
    return coin_id.upper()


def _optional(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _middle(window: Floats) -> Floats:
    """Median of the known days of each coin; 0 where none is known. Plain arithmetic, the same bits everywhere."""
    ordered = np.sort(window, axis=0)
    known = (~np.isnan(ordered)).sum(axis=0)
    coins = np.arange(window.shape[1])
    low = ordered[np.maximum((known - 1) // 2, 0), coins]
    high = ordered[np.minimum(known // 2, len(window) - 1), coins]
    return np.where(known > 0, (low + high) / 2.0, 0.0)


def _idle_days(volume: Floats, price: Floats) -> NDArray[np.int64]:
    """Days in a row, up to the last one, on which nothing was traded."""
    recent = volume[-30:][::-1]
    traded = np.nan_to_num(recent) > 0
    return np.where(traded.any(axis=0), traded.argmax(axis=0), len(recent)).astype(np.int64)


def _tracks(window: Floats, caps: Floats, ids: Sequence[str]) -> list[str | None]:
    """What each coin's price did on 90 % of the last 30 days: "usd" when it stayed within 2 % of one dollar, "flat" when
    within 1 % of its own median, the id of a larger coin when within 2 % of that coin's price.
    """
    answer: list[str | None] = [None] * len(ids)
    if len(window) < PEG_MIN_DAYS:
        return answer
    for column in np.flatnonzero(_stays_near(window, _middle(window), tolerance=FLAT_TOLERANCE)):
        answer[int(column)] = "flat"
    for column in np.flatnonzero(_stays_near(window, 1.0)):
        answer[int(column)] = "usd"
    order = sorted(np.flatnonzero(~np.isnan(caps)).tolist(), key=lambda column: (-caps[column], ids[column]))
    for leader in [column for column in order if answer[column] is None][:LEADERS]:
        if answer[leader] is not None:
            continue
        last = window[-1]
        with np.errstate(invalid="ignore"):
            near = np.flatnonzero(np.abs(last / last[leader] - 1.0) <= 5 * PEG_TOLERANCE)
        copies = near[_stays_near(window[:, near], window[:, [leader]])]
        for column in copies.tolist():
            if column != leader and answer[column] is None:
                answer[column] = ids[leader]
    return answer


def _stays_near(window: Floats, anchor: Floats | float, *, tolerance: float = PEG_TOLERANCE) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = np.abs(window / anchor - 1.0) <= tolerance
    known = (~np.isnan(window)).sum(axis=0)
    return np.asarray((known >= PEG_MIN_DAYS) & (inside.sum(axis=0) >= PEG_SHARE * known))
