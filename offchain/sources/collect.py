"""From many sources to one market: ask, store, read what is stored, merge by a written rule, say what is doubtful.

    market = collect([coingecko, coinmetrics, exchange, fred], ids, start=…, end=…, store=door.store)
    market = replay(sources, store, ids, start=…, end=…)      the same from stored answers alone, without a network

How values are merged, day by day, so that nothing later has a say:

    vintage      of one source, the value it gave first counts; that it was revised later is a finding
    price        median of the sources when three or more have one, else that of the first source in the list
    candle       open, high and low come from the same source, the first that has all of them
    other        the first source in the list that has a value that day
    market cap   price × supply where no source has one
    series       the last value holds for five days, over weekends and holidays
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.errors import MarketDataError, SourceUnavailable
from offchain.market.fields import PANELS, SERIES
from offchain.market.files import spread
from offchain.market.quality import examine
from offchain.market.snapshot import Market
from offchain.market.store import RawResponse, RawStore
from offchain.market.validation import CANDLE, Finding, odd_candles
from offchain.sources.source import ROW_COLUMNS, WHOLE_MARKET, Reading, Request, Source, midnight

Floats = NDArray[np.float64]

MAX_PAGES = 1_000
HOLD_DAYS = 5
# sources may differ by this much before it is a finding
PRICE_TOLERANCE = 0.02
SUPPLY_TOLERANCE = 0.10
REVISION_TOLERANCE = 1e-9
ENOUGH_FOR_MEDIAN = 3


@runtime_checkable
class Gathering(Protocol):
    """A source whose answers say something only together, such as a feed that shows its newest items."""

    def gather(self, answers: Sequence[RawResponse]) -> Reading:
        """What all answers say, given oldest first."""


def collect(
    sources: Sequence[Source],
    ids: Sequence[str],
    *,
    start: date,
    end: date,
    store: RawStore,
    meta: pd.DataFrame | None = None,
    lag: timedelta = timedelta(0),
) -> Market:
    """Asks every source for these coins from `start` to `end`, both included, and makes a market of all that is stored.

    `lag`: how long after 00:00 UTC of its date a row is known; `meta`: symbols, names, tags by id. `store` is the one
    of the sources' door. Raises SourceUnavailable when a source fails: half of the sources would be another market.
    """
    _require_sense(sources, ids, start, end)
    for source in sources:
        for request in source.requests(ids, start, end):
            _ask(source, request)
    return replay(sources, store, ids, start=start, end=end, meta=meta, lag=lag)


def replay(
    sources: Sequence[Source],
    store: RawStore,
    ids: Sequence[str],
    *,
    start: date,
    end: date,
    meta: pd.DataFrame | None = None,
    lag: timedelta = timedelta(0),
) -> Market:
    """The market that the stored answers of these sources make, first published values first; asks nobody."""
    _require_sense(sources, ids, start, end)
    findings: list[Finding] = []
    read = [_stored_rows(source, store, findings) for source in sources]
    days = pd.date_range(midnight(start), midnight(end), freq="D", name="date")
    tables = [_tables(rows, days, sorted(ids)) for rows in read]
    panels = _merge_panels(tables, [source.name for source in sources], days, sorted(ids), findings)
    # a value from before the first day still holds on it
    longer = pd.date_range(midnight(start - timedelta(days=HOLD_DAYS)), midnight(end), freq="D")
    series = _merge_series([_lines(rows, longer) for rows in read], longer, findings)
    market = Market.from_frame(_long(panels, days, sorted(ids)), meta=meta, source=_names(sources), lag=lag)
    extra = {
        name: pd.DataFrame(values, index=days, columns=sorted(ids))
        for name, values in panels.items()
        if name not in ("price", "market_cap", "volume")
    }
    market = market.with_fields(extra, {name: pd.Series(values, index=longer) for name, values in series.items()})
    return replace(market, findings=(*findings, *market.findings, *_absent(market, ids), *examine(market)))


# --- asking -----------------------------------------------------------------------------------------------------------


def _require_sense(sources: Sequence[Source], ids: Sequence[str], start: date, end: date) -> None:
    if not sources or not ids:
        raise MarketDataError(f"{len(sources)} sources and {len(ids)} coins: give at least one of each")
    if start > end:
        raise MarketDataError(f"from {start} to {end}: the first day is after the last; swap them")
    if len(set(ids)) != len(ids) or WHOLE_MARKET in ids:
        raise MarketDataError("ids: give each coin once, none of them empty")
    names = [source.name for source in sources]
    if len(set(names)) != len(names):
        raise MarketDataError(f"sources {', '.join(names)}: give each once; the order is the precedence")


def _ask(source: Source, request: Request) -> None:
    """Fetches a question and its further pages into the store, and makes sure that they can be read."""
    for _ in range(MAX_PAGES):
        reading = _readable(source, request)
        if reading.more is None:
            return
        request = reading.more
    raise SourceUnavailable(f"{source.name}: more than {MAX_PAGES} pages, the last {request.url}; ask for fewer days")


def _readable(source: Source, request: Request) -> Reading:
    """What the answer says. A page of excuses, or of nothing, may have been stored in a bad hour: one more try decides."""
    answer = source.fetch(request)
    try:
        reading = source.parse(answer)
    except SourceUnavailable:
        return source.parse(source.fetch(request, fresh=True))
    if reading.rows.empty and request.is_closed:
        # it would stay empty for ever, because answers about a closed past do not get old
        return source.parse(source.fetch(request, fresh=True))
    return reading


# --- reading the store ------------------------------------------------------------------------------------------------


def _stored_rows(source: Source, store: RawStore, findings: list[Finding]) -> pd.DataFrame:
    """Everything stored of one source, each number as it was first published."""
    readings: list[Reading] = []
    unreadable: list[RawResponse] = []
    if isinstance(source, Gathering):
        answers = list(store.answers(source.owns))
        readings = [source.gather(answers)] if answers else []
    else:
        for answer in store.answers(source.owns):
            try:
                readings.append(source.parse(answer))
            except SourceUnavailable:
                unreadable.append(answer)
    for reading in readings:
        findings += [row for row in reading.findings if row not in findings]
    if unreadable:
        example = f"{source.name}: sha256 {unreadable[0].sha256[:12]}"
        action = "left out: not what was asked for; a later answer stands in"
        findings.append(Finding(code="unreadable-answer", count=len(unreadable), example=example, action=action))
    if not readings:
        return pd.DataFrame(columns=list(ROW_COLUMNS))
    rows = pd.concat([reading.rows for reading in readings], ignore_index=True)
    first = rows.drop_duplicates(["date", "id", "field"], keep="first")
    if len(first) < len(rows):
        _report_revisions(source.name, first, rows, findings)
    return first


def _report_revisions(name: str, first: pd.DataFrame, rows: pd.DataFrame, findings: list[Finding]) -> None:
    last = rows.drop_duplicates(["date", "id", "field"], keep="last")
    both = first.merge(last, on=["date", "id", "field"], suffixes=("", "_later"))
    revised = both[(both["value_later"] - both["value"]).abs() > REVISION_TOLERANCE * both["value"].abs()]
    if len(revised):
        row = revised.iloc[0]
        example = f"{name}: {row['field']} of {row['id'] or 'the market'} on {row['date']:%Y-%m-%d}"
        example += f" was {row['value']:g}, later {row['value_later']:g}"
        action = "the value first published counts"
        findings.append(Finding(code="revised", count=len(revised), example=example, action=action))


def _tables(rows: pd.DataFrame, days: pd.DatetimeIndex, ids: Sequence[str]) -> dict[str, Floats]:
    """{field: days × coins} of one source."""
    tables = {}
    for name, part in rows[rows["id"] != WHOLE_MARKET].groupby("field", sort=True):
        if name in PANELS:
            wide = part.rename(columns={"value": str(name)})
            tables[str(name)] = spread(wide, [str(name)], dates=days, ids=ids)[str(name)].to_numpy()
    return tables


def _lines(rows: pd.DataFrame, days: pd.DatetimeIndex) -> dict[str, Floats]:
    """{series: days} of one source."""
    whole = rows[rows["id"] == WHOLE_MARKET]
    return {
        str(name): part.set_index("date")["value"].reindex(days).to_numpy(dtype=np.float64)
        for name, part in whole.groupby("field", sort=True)
        if name in SERIES
    }


# --- merging ----------------------------------------------------------------------------------------------------------


def _merge_panels(
    tables: Sequence[dict[str, Floats]],
    names: Sequence[str],
    days: pd.DatetimeIndex,
    ids: Sequence[str],
    findings: list[Finding],
) -> dict[str, Floats]:
    nothing = np.full((len(days), len(ids)), np.nan)
    fields = sorted({name for table in tables for name in table} - {"price", *CANDLE})
    merged = {name: _first([table[name] for table in tables if name in table]) for name in fields}
    for name in ("market_cap", "supply", "free_float"):
        said = [table[name] for table in tables if name in table]
        apart = _apart(said, SUPPLY_TOLERANCE)
        _report(f"{name.replace('_', '-')}-disagreement", apart, days, ids, "the first source counts", findings)
    quoting = [(name, table["price"]) for name, table in zip(names, tables, strict=True) if "price" in table]
    merged["price"] = _merge_prices(quoting, nothing, days, ids, findings)
    merged |= _merge_candles(tables, merged["price"], days, ids, findings)
    merged.setdefault("volume", nothing)
    cap = merged.get("market_cap", nothing)
    if "supply" in merged:
        derived = np.where(np.isnan(cap), merged["price"] * merged["supply"], cap)
        is_new = np.isnan(cap) & ~np.isnan(derived)
        _report("derived-market-cap", is_new, days, ids, "price × supply: no source has a market cap", findings)
        cap = derived
    merged["market_cap"] = cap
    return merged


def _first(tables: Sequence[Floats]) -> Floats:
    """Each number from the first table that has it."""
    merged = tables[0]
    for table in tables[1:]:
        merged = np.where(np.isnan(merged), table, merged)
    return merged


def _merge_prices(
    quoting: Sequence[tuple[str, Floats]],
    nothing: Floats,
    days: pd.DatetimeIndex,
    ids: Sequence[str],
    findings: list[Finding],
) -> Floats:
    """The median of three or more sources, else the first one's price; where they disagree is a finding."""
    if not quoting:
        return nothing
    # a price of zero is no price, and must not vote
    prices = np.stack([np.where(table > 0, table, np.nan) for _, table in quoting])
    first = _first(list(prices))
    ordered = np.sort(prices, axis=0)
    known = (~np.isnan(ordered)).sum(axis=0)
    middle = (
        _at(ordered, np.maximum((known - 1) // 2, 0)) + _at(ordered, np.minimum(known // 2, len(prices) - 1))
    ) / 2.0
    merged = np.where(known >= ENOUGH_FOR_MEDIAN, middle, first)
    apart = _apart(list(prices), PRICE_TOLERANCE)
    with np.errstate(invalid="ignore"):
        outvoted = np.abs(first / merged - 1.0) > PRICE_TOLERANCE
    who = ", ".join(name for name, _ in quoting)
    two = f"{quoting[0][0]} counts, or the median where three or more have a price ({who})"
    _report("price-disagreement", apart, days, ids, two, findings)
    _report("price-outvoted", outvoted, days, ids, "the median counts, the first source is far from it", findings)
    return np.asarray(merged)


def _apart(tables: Sequence[Floats], tolerance: float) -> NDArray[np.bool_]:
    """Where the largest and the smallest of the known numbers differ by more than `tolerance`."""
    if len(tables) < 2:
        return np.zeros(tables[0].shape if tables else (0, 0), dtype=bool)
    stack = np.stack(tables)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.fmax.reduce(stack, axis=0) / np.fmin.reduce(stack, axis=0) - 1.0 > tolerance)


def _at(ordered: Floats, index: NDArray[np.intp]) -> Floats:
    return np.asarray(np.take_along_axis(ordered, index[None].astype(np.intp), axis=0)[0])


def _merge_candles(
    tables: Sequence[dict[str, Floats]],
    price: Floats,
    days: pd.DatetimeIndex,
    ids: Sequence[str],
    findings: list[Finding],
) -> dict[str, Floats]:
    whole = [table for table in tables if set(CANDLE) <= set(table)]
    if not whole:
        return {}
    merged = {name: np.full(price.shape, np.nan) for name in CANDLE}
    for table in whole:
        free = np.isnan(merged["open"]) & ~np.isnan(table["open"] + table["high"] + table["low"])
        merged = {name: np.where(free, table[name], merged[name]) for name in CANDLE}
    odd = odd_candles(merged, price)
    _report("odd-candle", odd, days, ids, "open, high and low unknown: the price is outside of them", findings)
    return {name: np.where(odd, np.nan, values) for name, values in merged.items()}


def _merge_series(
    lines: Sequence[dict[str, Floats]], days: pd.DatetimeIndex, findings: list[Finding]
) -> dict[str, Floats]:
    """Each series from the first source that has it that day; a value holds for HOLD_DAYS."""
    merged: dict[str, Floats] = {}
    for name in sorted({name for line in lines for name in line}):
        values = pd.Series(_first([line[name] for line in lines if name in line]), index=days)
        held = values.ffill(limit=HOLD_DAYS)
        is_held = (values.isna() & held.notna()).to_numpy()
        if is_held.any():
            example = f"{name} on {days[int(np.flatnonzero(is_held)[0])]:%Y-%m-%d}"
            action = f"the last value holds for at most {HOLD_DAYS} days"
            findings.append(Finding(code="held", count=int(is_held.sum()), example=example, action=action))
        merged[name] = np.asarray(held.to_numpy(dtype=np.float64))
    return merged


def _long(panels: dict[str, Floats], days: pd.DatetimeIndex, ids: Sequence[str]) -> pd.DataFrame:
    """Long rows of the days on which a coin has a price."""
    day, column = np.nonzero(~np.isnan(panels["price"]))
    if not len(day):
        raise SourceUnavailable(
            f"no source knows a price of {', '.join(ids[:5])} from {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}; "
            "check the ids and how the sources name them"
        )
    known = {name: panels[name][day, column] for name in ("price", "market_cap", "volume")}
    return pd.DataFrame({"date": days[day], "id": np.array(ids, dtype=object)[column], **known})


def _absent(market: Market, ids: Sequence[str]) -> tuple[Finding, ...]:
    absent = sorted(set(ids) - set(market.ids))
    if not absent:
        return ()
    return (
        Finding(code="no-such-coin", count=len(absent), example=absent[0], action="left out: no source has its price"),
    )


def _report(
    code: str, mask: NDArray[np.bool_], days: pd.DatetimeIndex, ids: Sequence[str], action: str, findings: list[Finding]
) -> None:
    if mask.any():
        day, column = (int(index[0]) for index in np.nonzero(mask))
        example = f"{ids[column]} on {days[day]:%Y-%m-%d}"
        findings.append(Finding(code=code, count=int(mask.sum()), example=example, action=action))


def _names(sources: Sequence[Source]) -> str:
    return "+".join(source.name for source in sources)
