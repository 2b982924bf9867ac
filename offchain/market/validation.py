"""Is this table market data? Refuses what cannot be repaired, repairs the rest by a written rule, and says so.

Refused: no rows, missing columns, numbers or dates that are not, duplicate rows, negative or infinite values,
prices in other units than US dollars. Repaired, each with a Finding:

    zero or NaN price        the row is dropped: no price was known
    zero or NaN market cap   unknown (NaN), the row is kept
    NaN volume               unknown (NaN), the row is kept
    time within a day        moved to the next midnight UTC, because it was not known before

Nothing here looks ahead: jumps and holes are judged day by day in `confirm.py`, and only counted here. What can only
be seen by looking at a whole history, such as a coin that died, is reported by `quality.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from offchain.errors import MarketDataError, did_you_mean

COLUMNS = ("date", "id", "price", "market_cap", "volume")
VALUES = ("price", "market_cap", "volume")

# USD per coin over all the years these coins have traded; cents, wei or another currency fall outside
PRICE_BOUNDS = {
    "bitcoin": (0.05, 1e6),
    "ethereum": (0.3, 1e5),
    "tether": (0.5, 2.0),
    "usd-coin": (0.5, 2.0),
    "dai": (0.5, 2.0),
}
# coins in existence, implied by market cap / price
SUPPLY_BOUNDS = {"bitcoin": (1e6, 2.2e7), "ethereum": (5e7, 2e8)}
REPORTED_JUMP = 20.0

# fields that may be below zero
SIGNED = ("sentiment", "issuance", "mvrv", "rates", "market_sentiment")
CANDLE = ("open", "high", "low")
# the same price, once rounded by the exchange and once by the file
CANDLE_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong with the data, how often, one example, and what was done about it."""

    code: str
    count: int
    example: str
    action: str

    def __str__(self) -> str:
        return f"{self.code}: {self.count} × ({self.example}) → {self.action}"


def validate(frame: pd.DataFrame, *, source: str = "market data") -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """(clean, findings): clean has columns date (UTC midnight), id, price, market_cap, volume, sorted by date and id.

    Units: USD, USD, USD per 24 h; NaN is unknown; every price is above 0. Raises MarketDataError with the first
    thing that cannot be repaired. `frame` is not changed.
    """
    _require_columns(frame, source)
    findings: list[Finding] = []
    clean = pd.DataFrame(
        {
            "date": read_dates(frame["date"], source, findings),
            "id": _read_ids(frame["id"], source),
            **{name: _read_numbers(frame, name, source) for name in VALUES},
        }
    )
    clean = _one_row_per_day(clean, source)
    clean = _drop_unknown_prices(clean, source, findings)
    _forget_zero_caps(clean, findings)
    _report_unknown_volumes(clean, findings)
    _require_dollars(clean, source)
    _report_jumps(clean, findings)
    return clean, tuple(findings)


def validate_fields(
    frame: pd.DataFrame, names: Sequence[str], *, source: str = "market data"
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """(clean, findings): date (UTC midnight), id and the fields `names` of fields.py, sorted by date and id; NaN is unknown.

    Refused like prices: what is no date, no id or no number, infinite values, duplicate rows, and negative values of
    fields that have none. Repaired: a candle whose low, open, close and high contradict each other is forgotten.
    """
    _require_columns(frame, source, ("date", "id", *names))
    findings: list[Finding] = []
    clean = pd.DataFrame(
        {
            "date": read_dates(frame["date"], source, []),
            "id": _read_ids(frame["id"], source),
            **{name: _read_numbers(frame, name, source, signed=name in SIGNED) for name in names},
        }
    )
    close = _read_numbers(frame, "price", source).to_numpy() if "price" in frame.columns else None
    _forget_odd_candles(clean, close, findings)
    return _one_row_per_day(clean, source), tuple(findings)


def odd_candles(candles: Mapping[str, np.ndarray], close: np.ndarray | None) -> np.ndarray:
    """Where low ≤ open, close ≤ high does not hold, or one of them is 0; unknown parts contradict nothing."""
    low, high = candles["low"], candles["high"]
    inner = [candles["open"], *([] if close is None else [close])]
    odd = low > high * (1 + CANDLE_TOLERANCE)
    for price in inner:
        odd |= (price > high * (1 + CANDLE_TOLERANCE)) | (price < low * (1 - CANDLE_TOLERANCE))
    for price in (low, high, *inner):
        odd |= price == 0
    return np.asarray(odd)


def _forget_odd_candles(clean: pd.DataFrame, close: np.ndarray | None, findings: list[Finding]) -> None:
    if not set(CANDLE) <= set(clean.columns):
        return
    odd = odd_candles({name: clean[name].to_numpy() for name in CANDLE}, close)
    if odd.any():
        findings.append(_finding("odd-candle", clean, odd, "open, high and low unknown, price kept"))
        clean.loc[odd, list(CANDLE)] = np.nan


def _require_columns(frame: pd.DataFrame, source: str, needed: Sequence[str] = COLUMNS) -> None:
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        have = [str(name) for name in frame.columns]
        near = did_you_mean(missing[0], have)
        raise MarketDataError(
            f"{source}: column {', '.join(missing)} is missing; it has {', '.join(have) or 'none'}. "
            f"Needed: {', '.join(needed)}.{near}"
        )
    if frame.empty:
        raise MarketDataError(f"{source}: no rows; check the download, or the filter that made the file")


def read_dates(dates: pd.Series, source: str, findings: list[Finding]) -> pd.Series:
    """Dates as UTC midnights; times within a day move to the next one, and are recorded in `findings`."""
    if pd.api.types.is_numeric_dtype(dates):
        raise MarketDataError(
            f"{source}: date = {dates.iloc[0]} is a number; write ISO dates such as 2021-05-10 (UTC), not Unix time"
        )
    parsed = pd.to_datetime(dates, utc=True, errors="coerce", format=None if _is_time(dates) else "ISO8601")
    bad = parsed.isna()
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise MarketDataError(f"{source}: row {row}: date = {dates.iloc[row]!r} is not a date; write 2021-05-10")
    midnight = parsed.dt.ceil("D")
    moved = midnight != parsed
    if moved.any():
        row = int(np.flatnonzero(moved.to_numpy())[0])
        findings.append(
            Finding(
                code="not-midnight",
                count=int(moved.sum()),
                example=f"{parsed.iloc[row].isoformat()}",
                action="counted as the next midnight UTC, when it was known",
            )
        )
    return midnight


def _is_time(series: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(series)


def _read_ids(ids: pd.Series, source: str) -> pd.Series:
    text = ids.astype("category")
    bad = text.isna().to_numpy() | (text.astype("str") == "").to_numpy() if text.isna().any() else None
    names = list(text.cat.categories)
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong or (bad is not None and bad.any()):
        example = repr(wrong[0]) if wrong else "empty"
        raise MarketDataError(f"{source}: id = {example} is not a coin id; write CoinGecko ids such as bitcoin")
    return text


def _read_numbers(frame: pd.DataFrame, name: str, source: str, *, signed: bool = False) -> pd.Series:
    raw = frame[name]
    numbers = pd.to_numeric(raw, errors="coerce").astype("float64")
    unreadable = numbers.isna() & raw.notna()
    checks: tuple[tuple[pd.Series, str], ...] = (
        (unreadable, "is not a number; remove units, currency signs and thousands separators"),
        (
            numbers.abs() == np.inf if signed else numbers == np.inf,
            "is infinite; leave the field empty when a value is unknown",
        ),
        (numbers < (-np.inf if signed else 0), "is below 0; leave the field empty when a value is unknown"),
    )
    for bad, what in checks:
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            where = f"{frame['id'].iloc[row]} on {frame['date'].iloc[row]}"
            raise MarketDataError(f"{source}: row {row} ({where}): {name} = {_plain(raw.iloc[row])!r} {what}")
    return numbers


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _one_row_per_day(clean: pd.DataFrame, source: str) -> pd.DataFrame:
    clean = clean.sort_values(["date", "id"], kind="stable", ignore_index=True)
    repeated = clean.duplicated(["date", "id"]).to_numpy()
    if repeated.any():
        row = clean.iloc[int(np.flatnonzero(repeated)[0])]
        raise MarketDataError(
            f"{source}: {int(repeated.sum())} duplicate rows, the first {row['id']} on {row['date']:%Y-%m-%d}; "
            "keep one row per coin and day"
        )
    return clean


def _drop_unknown_prices(clean: pd.DataFrame, source: str, findings: list[Finding]) -> pd.DataFrame:
    unknown = (clean["price"].isna() | (clean["price"] == 0)).to_numpy()
    if unknown.all():
        raise MarketDataError(f"{source}: no row has a price above 0; check the price column")
    if not unknown.any():
        return clean
    findings.append(_finding("no-price", clean, unknown, "row dropped: no price was known"))
    return clean[~unknown].reset_index(drop=True)


def _forget_zero_caps(clean: pd.DataFrame, findings: list[Finding]) -> None:
    unknown = (clean["market_cap"].isna() | (clean["market_cap"] == 0)).to_numpy()
    if unknown.any():
        clean.loc[unknown, "market_cap"] = np.nan
        findings.append(_finding("no-market-cap", clean, unknown, "market cap unknown, row kept"))


def _report_unknown_volumes(clean: pd.DataFrame, findings: list[Finding]) -> None:
    unknown = clean["volume"].isna().to_numpy()
    if unknown.any():
        findings.append(_finding("no-volume", clean, unknown, "volume unknown, row kept"))
    zero = (clean["volume"] == 0).to_numpy()
    if zero.any():
        findings.append(_finding("zero-volume", clean, zero, "kept as zero: nothing was traded"))


def _require_dollars(clean: pd.DataFrame, source: str) -> None:
    for name, bounds in PRICE_BOUNDS.items():
        rows = clean[clean["id"] == name]
        if rows.empty:
            continue
        _require_between(float(rows["price"].median()), bounds, f"{source}: median price of {name}", "USD")
        supply = float((rows["market_cap"] / rows["price"]).median())
        if name in SUPPLY_BOUNDS and not np.isnan(supply):
            _require_between(supply, SUPPLY_BOUNDS[name], f"{source}: market_cap / price of {name}", "coins")


def _require_between(value: float, bounds: tuple[float, float], what: str, unit: str) -> None:
    low, high = bounds
    if not low <= value <= high:
        raise MarketDataError(
            f"{what} is {value:g} {unit}, outside {low:g} to {high:g}: the units are wrong (cents, wei, another currency, "
            "millions?); give price and market_cap in US dollars"
        )


def _report_jumps(clean: pd.DataFrame, findings: list[Finding]) -> None:
    by_coin = clean.sort_values(["id", "date"], kind="stable")
    ratio = (by_coin["price"] / by_coin["price"].shift()).where(by_coin["id"] == by_coin["id"].shift())
    jump = ((ratio > REPORTED_JUMP) | (ratio < 1 / REPORTED_JUMP)).to_numpy()
    if jump.any():
        action = "kept; not believed until three days agree (confirm.py)"
        findings.append(_finding("price-jump", by_coin, jump, action))


def _finding(code: str, frame: pd.DataFrame, mask: np.ndarray, action: str) -> Finding:
    row = frame.iloc[int(np.flatnonzero(mask)[0])]
    return Finding(code=code, count=int(mask.sum()), example=f"{row['id']} on {row['date']:%Y-%m-%d}", action=action)
