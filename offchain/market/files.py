"""Market data from a file: Parquet or CSV with date, id, price, market_cap, volume; tags from themes.csv beside it.

load_market()                      the folder in $BALLAST_MARKET_DATA, or ../shared/market beside the project
load_market("coins.parquet")       one file
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from offchain.errors import MarketDataError, did_you_mean
from offchain.market.snapshot import Market
from offchain.market.validation import COLUMNS

DATA_VARIABLE = "BALLAST_MARKET_DATA"
DEFAULT_FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "market"
THEMES = "themes.csv"


def market_folder() -> Path:
    """Where real market data is looked for."""
    return Path(os.environ.get(DATA_VARIABLE, "") or DEFAULT_FOLDER)


def load_market(path: str | os.PathLike[str] | None = None) -> Market:
    """The market in a file, or in a folder that holds one daily file. Raises MarketDataError with the way out."""
    given = market_folder() if path is None else Path(path)
    file = _daily_file(given) if given.is_dir() else given
    if not file.is_file():
        raise MarketDataError(
            f"{file}: no such file; give a .parquet or .csv file, or set {DATA_VARIABLE} to its folder"
        )
    return Market.from_frame(read_table(file), meta=read_themes(file.parent / THEMES), source=file.name)


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


def _daily_file(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".parquet", ".csv"))
    daily = [file for file in files if set(COLUMNS) <= set(_column_names(file))]
    if len(daily) == 1:
        return daily[0]
    what = "no file" if not daily else "more than one file (" + ", ".join(file.name for file in daily) + ")"
    raise MarketDataError(f"{folder.name}: {what} with columns {', '.join(COLUMNS)}; give the file itself")


def _column_names(file: Path) -> list[str]:
    if file.suffix.lower() == ".csv":
        return [str(name) for name in pd.read_csv(file, nrows=0).columns]
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError):
        return []


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
