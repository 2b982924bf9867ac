"""Is this table market data?

refused       not a table · missing columns · wrong types · duplicates · negative, infinite · wrong units · empty
repaired      zero and missing prices, caps, volumes · times within a day · other zones · unsorted rows
reported      jumps, which only confirm.py may judge
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market_frames import change, daily_frame, without

from offchain.errors import MarketDataError
from offchain.market import Market, load_market, validate
from offchain.market.files import read_themes


def codes(frame: pd.DataFrame) -> dict[str, int]:
    return {finding.code: finding.count for finding in validate(frame)[1]}


def test_validate_of_a_clean_table_finds_nothing_and_changes_nothing() -> None:
    frame = daily_frame(days=10)
    before = frame.copy()
    clean, findings = validate(frame)
    assert findings == ()
    assert len(clean) == len(frame)
    pd.testing.assert_frame_equal(frame, before)


def set_first(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def edit(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[frame.index[0], column] = value
        return frame

    return edit


REFUSED: list[tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    (lambda f: f.drop(columns="price"), "column price is missing"),
    (lambda f: f.rename(columns={"market_cap": "marketcap"}), 'Did you mean "marketcap"'),
    (lambda f: f.iloc[:0], "no rows"),
    (lambda f: pd.DataFrame(), "is missing; it has none"),
    (lambda f: pd.concat([f, f.iloc[[3]]]), "1 duplicate rows, the first bitcoin on 2024-01-04"),
    (set_first("price", -1.0), "price = -1.0 is below 0"),
    (set_first("price", float("inf")), "price = inf is infinite"),
    (set_first("volume", -5.0), "volume = -5.0 is below 0"),
    (set_first("market_cap", "12 B$"), "market_cap = '12 B$' is not a number"),
    (set_first("date", "yesterday"), "row 0: date = 'yesterday' is not a date; write 2021-05-10"),
    (set_first("date", None), "is not a date"),
    (set_first("id", None), "not a coin id"),
    (set_first("id", " "), "not a coin id"),
    (lambda f: f.assign(date=1_700_000_000), "date = 1700000000 is a number; write ISO dates"),
    (lambda f: f.assign(price=0.0), "no row has a price above 0"),
    (lambda f: f.assign(price=f["price"] * 100, market_cap=f["market_cap"] * 100), "median price of bitcoin"),
    (lambda f: f.assign(price=f["price"] * 1e18), "outside 0.05 to 1e+06"),
    (lambda f: f.assign(market_cap=f["market_cap"] / 1e6), "market_cap / price of bitcoin is 20 coins"),
    (lambda f: pd.concat([f, f[f["id"] == "solana"].assign(id="tether")]), "median price of tether"),
]


@pytest.mark.parametrize(("edit", "says"), REFUSED)
def test_validate_of_what_cannot_be_repaired_is_refused_with_the_reason(
    edit: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    with pytest.raises(MarketDataError) as refusal:
        validate(edit(daily_frame(days=10)), source="my.csv")
    assert str(refusal.value).startswith("my.csv")
    assert says in str(refusal.value)


def test_validate_drops_rows_without_a_price() -> None:
    frame = daily_frame(days=10)
    frame.loc[frame.index[:2], "price"] = [0.0, np.nan]
    clean, _ = validate(frame)
    assert len(clean) == len(frame) - 2
    assert codes(frame) == {"no-price": 2}


def test_validate_takes_zero_caps_and_missing_volumes_as_unknown() -> None:
    frame = daily_frame(days=10)
    frame.loc[frame.index[0], "market_cap"] = 0.0
    frame.loc[frame.index[1], "volume"] = np.nan
    frame.loc[frame.index[2], "volume"] = 0.0
    clean, _ = validate(frame)
    assert codes(frame) == {"no-market-cap": 1, "no-volume": 1, "zero-volume": 1}
    assert clean["market_cap"].isna().sum() == 1


def test_validate_moves_a_time_within_a_day_to_the_midnight_when_it_was_known() -> None:
    frame = daily_frame(days=10).assign(date=lambda f: f["date"] + pd.Timedelta(hours=15))
    clean, findings = validate(frame)
    assert clean["date"].min() == pd.Timestamp("2024-01-02", tz="UTC")
    assert findings[0].code == "not-midnight"


def test_validate_reads_other_zones_text_dates_and_any_order() -> None:
    frame = daily_frame(days=10)
    expected = validate(frame)[0]
    for other in (
        frame.assign(date=frame["date"].dt.tz_convert("Asia/Tokyo")),
        frame.assign(date=frame["date"].dt.tz_localize(None)),
        frame.assign(date=frame["date"].dt.strftime("%Y-%m-%d")),
        frame.sample(frac=1.0, random_state=1),
        frame[["volume", "id", "price", "date", "market_cap"]].assign(extra=1),
    ):
        pd.testing.assert_frame_equal(validate(other)[0], expected, check_dtype=False)


def test_validate_reports_jumps_but_keeps_them_for_the_rule_that_cannot_look_ahead() -> None:
    frame = change(daily_frame(days=10), "solana", 5, price=1_000.0)
    clean, findings = validate(frame)
    assert len(clean) == len(frame)
    assert {finding.code: finding.count for finding in findings} == {"price-jump": 2}
    assert "solana on 2024-01-06" in str(findings[0])


def test_market_from_frame_with_holes_has_every_day() -> None:
    market = Market.from_frame(without(daily_frame(days=10), "solana", 4, days=2))
    assert market.price.shape == (10, 6)
    assert market.price["solana"].isna().sum() == 2


def test_market_frames_cannot_be_written_to() -> None:
    market = Market.from_frame(daily_frame(days=10))
    with pytest.raises(ValueError, match="read-only"):
        market.price.to_numpy()[0, 0] = 1.0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_load_market_reads_a_file_and_the_themes_beside_it(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"coins{suffix}"
    frame = daily_frame(days=5)
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
    (tmp_path / "themes.csv").write_text("id,symbol,themes,notes\nbitcoin,BTC,layer1;money,\n")
    market = load_market(tmp_path)
    assert market.price.shape == (5, 6)
    assert market.meta.loc["bitcoin", "symbol"] == "BTC"
    assert market.snapshot("2024-01-05")["bitcoin"].tags == ("layer1", "money")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", b"not parquet", "a.parquet: not a Parquet file"),
        ("a.parquet", b"", "a.parquet: not a Parquet file"),
        ("a.csv", b"", "a.csv: not a CSV table"),
        ("a.csv", b"\xff\xfe\x00\x01", "a.csv: not a CSV table"),
        ("a.csv", b"id,price\nbitcoin,1\n", "column date, market_cap, volume is missing; it has id, price"),
        ("a.xlsx", b"PK", 'suffix ".xlsx" is not read; use .parquet or .csv'),
    ],
)
def test_load_market_of_something_else_says_what_it_is_not(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MarketDataError) as refusal:
        load_market(tmp_path / name)
    assert says in str(refusal.value)


def test_load_market_of_nothing_or_of_an_unclear_folder_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="no such file; give a .parquet or .csv file, or set BALLAST_MARKET_DATA"):
        load_market(tmp_path / "none.csv")
    with pytest.raises(MarketDataError, match="no file with columns date, id"):
        load_market(tmp_path)
    for name in ("a.csv", "b.csv"):
        daily_frame(days=2).to_csv(tmp_path / name, index=False)
    with pytest.raises(MarketDataError, match=r"more than one file \(a.csv, b.csv\)"):
        load_market(tmp_path)


def test_read_themes_with_a_missing_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "themes.csv").write_text("id,ticker,themes\nbitcoin,BTC,\n")
    with pytest.raises(MarketDataError, match="column symbol is missing"):
        read_themes(tmp_path / "themes.csv")
