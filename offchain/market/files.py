"""Market data from a file: Parquet or CSV with date, id, price, market_cap, volume; tags from themes.csv beside it, and
corporate actions from events.toml or events.csv.

load_market()                      the folder in $BALLAST_MARKET_DATA, or ../shared/market beside the project
load_market("coins.parquet")       one file; columns with the names of fields.py (open, high, supply, …) become panels
write_market(market, "x.parquet")  what `load_market` reads
load_onchain()                     Coin Metrics' daily network data in the same folder, or in one file
load_series("macro.csv")           {name: one number a day} for `market.with_fields(series=…)`
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from offchain.errors import MarketDataError, did_you_mean
from offchain.market.coinmetrics import ASSETS, METRICS, PARTS, SAME_COIN, SHIFT
from offchain.market.events import Event, load_events
from offchain.market.fields import PANELS, SERIES
from offchain.market.snapshot import Market
from offchain.market.validation import COLUMNS, Finding, read_dates, validate_fields

DATA_VARIABLE = "BALLAST_MARKET_DATA"
DEFAULT_FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "market"
THEMES = "themes.csv"
EVENTS = ("events.toml", "events.csv")
ONCHAIN_COLUMNS = ("date", "asset", "PriceUSD")
OWN_COLUMNS = (*COLUMNS, "observed_price")


def market_folder() -> Path:
    """Where real market data is looked for."""
    return Path(os.environ.get(DATA_VARIABLE, "") or DEFAULT_FOLDER)


def load_market(path: str | os.PathLike[str] | None = None, *, lag: timedelta = timedelta(0)) -> Market:
    """The market in a file, or in a folder that holds one daily file. Raises MarketDataError with the way out.

    A file with the columns of Coin Metrics is read as `load_onchain` reads it. `lag`: how long after 00:00 UTC of its date a row is known.
    """
    given = market_folder() if path is None else Path(path)
    file = _daily_file(given) if given.is_dir() else given
    if not file.is_file():
        raise MarketDataError(
            f"{file}: no such file; give a .parquet or .csv file, or set {DATA_VARIABLE} to its folder"
        )
    table = read_table(file)
    is_onchain = set(ONCHAIN_COLUMNS) <= set(table.columns) and "id" not in table.columns
    return _read_onchain_market(table, file, lag) if is_onchain else _read_market(table, file, lag)


def write_market(market: Market, path: str | os.PathLike[str]) -> list[Path]:
    """The inverse of `load_market`, to a .parquet or .csv file: one row for each coin and day with a price, with every field.

    Series go into a second file beside it, `<name>-series.csv`, which `load_series` reads. Returns what was written.
    """
    file = Path(path)
    if file.suffix.lower() not in (".parquet", ".csv"):
        raise MarketDataError(f'{file.name}: suffix "{file.suffix}" is not written; use .parquet or .csv')
    priced = ~np.isnan(market.price.to_numpy())
    day, column = np.nonzero(priced)
    frames = {"price": market.price, "market_cap": market.market_cap, "volume": market.volume, **market.panels}
    columns = {name: frame.to_numpy()[priced] for name, frame in frames.items()}
    table = pd.DataFrame({"date": market.dates[day], "id": np.array(market.ids, dtype=object)[column], **columns})
    written = [file]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(file, index=False) if file.suffix.lower() == ".parquet" else _to_csv(table, file)
        if market.series:
            written.append(file.with_name(f"{file.stem}-series.csv"))
            lines = pd.DataFrame({name: market.series[name].to_numpy() for name in sorted(market.series)})
            _to_csv(lines.assign(date=market.dates)[["date", *lines.columns]], written[-1])
    except OSError as error:
        raise MarketDataError(f"{file}: cannot be written ({error.strerror}); name another file") from error
    return written


def load_onchain(path: str | os.PathLike[str] | None = None, *, lag: timedelta = timedelta(0)) -> Market:
    """The market in a table of Coin Metrics: date, asset, PriceUSD and any metric of `coinmetrics.METRICS`.

    Ids are CoinGecko's where one is known, so that themes fit. A row is known `lag` after the midnight that ends its
    date. Volume on exchanges is not in these tables and stays unknown. Raises MarketDataError with the way out.
    """
    given = market_folder() if path is None else Path(path)
    file = _onchain_file(given) if given.is_dir() else given
    if not file.is_file():
        raise MarketDataError(
            f"{file}: no such file; give a .parquet or .csv file, or set {DATA_VARIABLE} to its folder"
        )
    return _read_onchain_market(read_table(file), file, lag)


def _read_market(table: pd.DataFrame, file: Path, lag: timedelta) -> Market:
    market = Market.from_frame(table, meta=read_themes(file.parent / THEMES), source=file.name, lag=lag)
    return with_columns(market, table, source=file.name).with_events(read_events(file.parent))


def _read_onchain_market(table: pd.DataFrame, file: Path, lag: timedelta) -> Market:
    rows, findings = read_onchain(table, source=file.name)
    market = _read_market(rows, file, lag)
    return replace(market, findings=(*findings, *market.findings))


def read_onchain(table: pd.DataFrame, *, source: str) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """(rows with the names of fields.py, findings) of a table with the names of Coin Metrics."""
    missing = [name for name in ONCHAIN_COLUMNS if name not in table.columns]
    if missing:
        near = did_you_mean(missing[0], [str(name) for name in table.columns])
        raise MarketDataError(
            f"{source}: column {', '.join(missing)} is missing; these are no Coin Metrics rows.{near}"
        )
    metrics = {name: field for name, field in METRICS.items() if name in table.columns}
    rows = table[["date", "asset", *metrics]].rename(columns=metrics)
    rows["date"] = read_dates(rows["date"], source, []) + SHIFT
    for name in ("market_cap", "volume"):
        if name not in rows.columns:
            rows[name] = np.nan
    assets = rows["asset"].astype("object")
    is_part = assets.isin(PARTS)
    findings = _left_out("part-of-a-coin", rows, is_part, assets, "left out: one of the chains a coin lives on")
    rows, assets = rows[~is_part], assets[~is_part]
    is_second = assets.isin(SAME_COIN)
    rows["id"] = assets.replace(SAME_COIN).replace(ASSETS)
    # of a coin under two names on one day, the main name's row stays if it has a price, the other's if only it has one
    keys = pd.MultiIndex.from_frame(rows[["date", "id"]])
    is_priced = rows["price"].notna()
    repeated = is_second & keys.isin(keys[~is_second & is_priced])
    findings += _left_out(
        "same-coin", rows, repeated & is_priced, assets, "left out: its main name has a price that day"
    )
    unpriced = ~is_priced & (is_second | keys.isin(keys[is_second & is_priced]))
    return rows[~repeated & ~unpriced].drop(columns="asset").reset_index(drop=True), findings


def with_columns(market: Market, table: pd.DataFrame, *, source: str) -> Market:
    """`market` with those columns of a long table that are fields of fields.py as panels; other columns are left alone."""
    names = [name for name in PANELS if name in table.columns and name not in OWN_COLUMNS]
    if not names:
        return market
    clean, findings = validate_fields(table, names, source=source)
    panels = spread(clean, names, dates=market.dates, ids=market.ids)
    return replace(market.with_fields(panels), findings=(*market.findings, *findings))


def spread(
    rows: pd.DataFrame, names: Sequence[str], *, dates: pd.DatetimeIndex, ids: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """{name: date × id} of long rows date, id, names…; one row per day and coin; others than these are left out."""
    day = ((rows["date"] - dates[0]) // pd.Timedelta(days=1)).to_numpy()
    column = pd.Index(list(ids)).get_indexer(pd.Index(rows["id"].astype("object")))
    inside = (day >= 0) & (day < len(dates)) & (column >= 0)
    panels = {}
    for name in names:
        values = np.full((len(dates), len(ids)), np.nan)
        values[day[inside], column[inside]] = rows[name].to_numpy(dtype=np.float64)[inside]
        panels[name] = pd.DataFrame(values, index=dates, columns=list(ids), copy=False)
    return panels


def load_series(path: str | os.PathLike[str]) -> dict[str, pd.Series]:
    """{name: numbers by UTC midnight} of a table with a date and any series of fields.py; other columns are refused."""
    file = Path(path)
    table = read_table(file)
    strange = [str(name) for name in table.columns if name not in SERIES and name != "date"]
    if strange or len(table.columns) < 2:
        near = did_you_mean(strange[0], SERIES) if strange else ""
        raise MarketDataError(
            f"{file.name}: {', '.join(strange) or 'date alone'} is no series; use date and {', '.join(SERIES)}.{near}"
        )
    names = [name for name in SERIES if name in table.columns]
    clean, _ = validate_fields(table.assign(id="market"), names, source=file.name)
    days = pd.DatetimeIndex(clean["date"])
    return {name: pd.Series(clean[name].to_numpy(), index=days, name=name) for name in names}


def read_table(file: Path) -> pd.DataFrame:
    """The rows of a Parquet or CSV file, unchecked."""
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {".parquet": _read_parquet, ".csv": _read_csv}
    if file.suffix.lower() not in readers:
        raise MarketDataError(f'{file.name}: suffix "{file.suffix}" is not read; use {" or ".join(readers)}')
    return readers[file.suffix.lower()](file)


def read_themes(file: Path) -> pd.DataFrame | None:
    """Symbols and tags by id from a themes.csv (id, symbol, themes), or None when there is no such file."""
    if not file.is_file():
        return None
    table = _read_csv(file)
    missing = [name for name in ("id", "symbol", "themes") if name not in table.columns]
    if missing:
        near = did_you_mean(missing[0], [str(name) for name in table.columns])
        raise MarketDataError(
            f"{file.name}: column {', '.join(missing)} is missing; needed are id, symbol, themes.{near}"
        )
    table = table.drop_duplicates("id", keep="first").set_index("id")
    return pd.DataFrame({"symbol": table["symbol"], "tags": table["themes"].fillna("")})


def read_events(folder: Path) -> tuple[Event, ...]:
    """The corporate actions in a folder's events.toml or events.csv, none when there is no such file."""
    files = [folder / name for name in EVENTS if (folder / name).is_file()]
    if len(files) > 1:
        raise MarketDataError(f"{folder.name}: {' and '.join(EVENTS)} are both there; keep one")
    return load_events(files[0]) if files else ()


def _daily_file(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".parquet", ".csv"))
    daily = [file for file in files if set(COLUMNS) <= set(_column_names(file))]
    if len(daily) == 1:
        return daily[0]
    what = "no file" if not daily else "more than one file (" + ", ".join(file.name for file in daily) + ")"
    raise MarketDataError(f"{folder.name}: {what} with columns {', '.join(COLUMNS)}; give the file itself")


def _onchain_file(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".parquet", ".csv"))
    tables = [file for file in files if set(ONCHAIN_COLUMNS) <= set(_column_names(file))]
    if len(tables) == 1:
        return tables[0]
    what = "no file" if not tables else "more than one file (" + ", ".join(file.name for file in tables) + ")"
    raise MarketDataError(f"{folder.name}: {what} with columns {', '.join(ONCHAIN_COLUMNS)}; give the file itself")


def _left_out(code: str, rows: pd.DataFrame, mask: pd.Series, assets: pd.Series, action: str) -> tuple[Finding, ...]:
    if not mask.any():
        return ()
    first = int(np.flatnonzero(mask.to_numpy())[0])
    example = f"{assets.iloc[first]} on {rows['date'].iloc[first]:%Y-%m-%d}"
    return (Finding(code=code, count=int(mask.sum()), example=example, action=action),)


def _column_names(file: Path) -> list[str]:
    if file.suffix.lower() == ".csv":
        return [str(name) for name in pd.read_csv(file, nrows=0).columns]
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError):
        return []


def _to_csv(table: pd.DataFrame, file: Path) -> None:
    # 17 digits: the same numbers when they are read again
    table.to_csv(file, index=False, float_format="%.17g", date_format="%Y-%m-%d", lineterminator="\n")


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise MarketDataError(f"{file.name}: not a Parquet file ({reason}); fetch it again or give a .csv") from error


def _read_csv(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise MarketDataError(
            f"{file.name}: not a CSV table ({reason}); save it as UTF-8 with a header line"
        ) from error
