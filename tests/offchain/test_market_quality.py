"""What a whole history shows, and what a table brings besides prices.

examine        gaps, deaths, stale prices, other units, redenominations, changed supplies: one planted, one found
coverage       which fields are filled for how many coins and days
columns        candles and other fields of a file become panels, with the same checks as prices
on chain       Coin Metrics' rows: names, ids, the midnight they are known, coins on several chains
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market_frames import change, daily_frame, without

from offchain.errors import MarketDataError
from offchain.market import Market, load_market
from offchain.market.files import load_onchain, load_series, market_folder, read_onchain
from offchain.market.quality import coverage, examine


def found(frame: pd.DataFrame) -> dict[str, tuple[int, str]]:
    return {row.code: (row.count, row.example) for row in examine(Market.from_frame(frame))}


def test_examine_of_a_clean_market_finds_nothing() -> None:
    assert found(daily_frame(days=80)) == {}


def test_examine_finds_the_holes_that_are_not_bridged() -> None:
    """D12: a hole of three days is bridged and no finding, a hole of four is one."""
    assert found(without(daily_frame(), "solana", 20, days=3)) == {}
    assert found(without(daily_frame(), "solana", 20, days=4)) == {"gap": (1, "solana on 2024-01-25")}


def test_examine_finds_coins_that_died_and_coins_that_are_no_longer_traded() -> None:
    """D12, V3: dead by price, or by volume."""
    frame = daily_frame(days=80)
    assert found(without(frame, "cardano", 51, days=29)) == {}
    assert found(without(frame, "cardano", 50, days=30)) == {"dead-coin": (1, "cardano on 2024-02-19")}
    assert found(change(frame, "cardano", 50, days=30, volume=0.0)) == {"dead-coin": (1, "cardano on 2024-02-19")}


def test_examine_finds_a_price_that_stands_still_but_no_dollar() -> None:
    frame = daily_frame(days=40, coins={"bitcoin": (40_000.0, 800e9), "still": (3.0, 1e9), "dollar": (1.0, 1e9)})
    frame.loc[frame["id"] == "dollar", "price"] = 1.0
    here = (frame["id"] == "still") & (frame["date"] >= "2024-01-11")
    frame.loc[here & (frame["date"] < "2024-01-17"), "price"] = 3.3
    assert "stale-price" not in found(frame)
    frame.loc[here & (frame["date"] < "2024-01-18"), "price"] = 3.3
    assert found(frame)["stale-price"] == (1, "still on 2024-01-11")


def test_examine_tells_other_units_from_a_redenomination_and_from_a_changed_supply() -> None:
    """D12: price and cap × 100 is another unit; price × 1000 with the same cap a redenomination; cap alone a supply."""
    frame = daily_frame()
    cents = change(frame, "uniswap", 30, days=30, price=100.0, market_cap=100.0)
    assert found(cents) == {"unit-jump": (1, "uniswap on 2024-01-31")}
    split = change(frame, "uniswap", 30, days=30, price=0.001)
    (finding,) = examine(Market.from_frame(split))
    assert finding.code == "redenomination?"
    assert finding.example.startswith("uniswap on 2024-01-31: price × 0.001")
    assert finding.action.endswith('kind = "redenomination", ratio = "1000:1"')
    merged = change(frame, "uniswap", 30, days=30, price=100.0)
    assert examine(Market.from_frame(merged))[0].action.endswith('ratio = "1:100"')
    supply = change(frame, "uniswap", 30, days=30, market_cap=2.0)
    assert found(supply) == {"supply-jump": (1, "uniswap on 2024-01-31")}


def test_examine_does_not_take_a_glitch_for_a_redenomination_and_changes_nothing() -> None:
    market = Market.from_frame(change(daily_frame(), "uniswap", 30, days=2, price=1_000.0))
    before = market.price.copy()
    assert [row.code for row in examine(market)] == []
    pd.testing.assert_frame_equal(market.price, before)


def test_examine_of_the_records_of_2021_names_the_dirt_that_is_known_to_be_in_them(real_market: Market) -> None:
    """D12, U4: on 2,192 real coins."""
    counts = {row.code: row.count for row in examine(real_market)}
    assert counts["no-cap-at-all"] == int(real_market.market_cap.isna().all().sum())
    assert counts["unit-jump"] >= 10
    assert counts["gap"] >= 100
    codes = [row for row in examine(real_market) if row.code == "redenomination?"]
    assert len(codes) < 10


def test_coverage_counts_coins_and_days_of_every_field(tmp_path: Path) -> None:
    """D11: which fields are there, for how many coins, since when."""
    frame = daily_frame(days=10)
    frame["supply"] = np.where(frame["id"] == "bitcoin", 19e6, np.nan)
    frame.loc[frame["date"] < "2024-01-06", "supply"] = np.nan
    frame.to_csv(tmp_path / "coins.csv", index=False)
    rates = pd.Series(5.0, index=pd.date_range("2024-01-03", periods=3, tz="UTC"))
    table = coverage(load_market(tmp_path / "coins.csv").with_fields(series={"rates": rates}))
    assert table.loc["price", ["coins", "days", "filled"]].tolist() == [6, 10, 1.0]
    assert table.loc["supply", ["coins", "days"]].tolist() == [1, 5]
    assert table.loc["supply", "filled"] == pytest.approx(5 / 60)
    assert str(table.loc["supply", "first"]) == "2024-01-06"
    assert table.loc["rates", ["unit", "coins", "days"]].tolist() == ["% per year", 1, 3]


# --- columns of a file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_load_market_reads_candles_and_other_fields_into_panels(tmp_path: Path, suffix: str) -> None:
    """D1: open, high and low beside the price; other columns are left alone."""
    file = tmp_path / f"coins{suffix}"
    frame = daily_frame(days=5).sample(frac=1.0, random_state=3)
    frame = frame.assign(
        open=frame["price"], high=frame["price"] * 1.1, low=frame["price"] * 0.9, issuance=-0.5, colour="red"
    )
    frame.to_csv(file, index=False) if suffix == ".csv" else frame.to_parquet(file)
    market = load_market(file)
    assert sorted(market.panels) == ["high", "issuance", "low", "open"]
    high = market.history("2024-01-05", days=5, fields=("high", "price"))
    assert high.panel("high") == pytest.approx(high.panel("price") * 1.1, rel=1e-12)
    assert market.findings == ()


def test_a_candle_that_contradicts_itself_is_forgotten_and_recorded(tmp_path: Path) -> None:
    """D12: low above high, close outside, zero."""
    frame = daily_frame(days=5)
    frame = frame.assign(open=frame["price"], high=frame["price"] * 1.1, low=frame["price"] * 0.9)
    first = frame.index[frame["id"] == "solana"]
    frame.loc[first[0], "low"] = frame.loc[first[0], "high"] * 2
    frame.loc[first[1], "high"] = frame.loc[first[1], "price"] * 0.95
    frame.loc[first[2], "open"] = 0.0
    frame.loc[first[3], "open"] = np.nan
    frame.to_csv(tmp_path / "coins.csv", index=False)
    market = load_market(tmp_path / "coins.csv")
    (finding,) = market.findings
    assert (finding.code, finding.count) == ("odd-candle", 3)
    assert market.panels["low"]["solana"].isna().tolist() == [True, True, True, False, False]
    assert market.price["solana"].notna().all()


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("high", "12 $", "high = '12 $' is not a number"),
        ("supply", -1.0, "supply = -1.0 is below 0"),
        ("sentiment", float("-inf"), "sentiment = -inf is infinite"),
    ],
)
def test_a_field_that_is_no_number_is_refused_like_a_price(
    tmp_path: Path, column: str, value: object, says: str
) -> None:
    frame = daily_frame(days=3).assign(**{column: 1.0}).astype({column: object})
    frame.loc[frame.index[4], column] = value
    frame.to_csv(tmp_path / "coins.csv", index=False)
    with pytest.raises(MarketDataError) as refusal:
        load_market(tmp_path / "coins.csv")
    assert says in str(refusal.value)


def test_load_series_reads_lines_of_the_whole_market(tmp_path: Path) -> None:
    """D6: macro series by day, other columns refused with a suggestion."""
    (tmp_path / "macro.csv").write_text("date,rates,equities\n2024-01-02,5.3,4700\n2024-01-01,-0.5,\n")
    lines = load_series(tmp_path / "macro.csv")
    assert lines["rates"].tolist() == [-0.5, 5.3]
    assert lines["equities"].isna().tolist() == [True, False]
    market = Market.from_frame(daily_frame(days=3)).with_fields(series=lines)
    assert market.history("2024-01-03", days=3, fields=("equities",)).line("equities")[1] == 4700
    (tmp_path / "macro.csv").write_text("date,rate\n2024-01-02,5.3\n")
    with pytest.raises(MarketDataError, match='rate is no series.*Did you mean "rates"'):
        load_series(tmp_path / "macro.csv")


# --- on chain ---------------------------------------------------------------------------------------------------------


def onchain_rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            ("2019-05-01", "btc", 5300.0, 94e9, 17.6e6, 700_000.0),
            ("2019-05-02", "btc", 5400.0, 95e9, 17.6e6, 710_000.0),
            ("2019-05-01", "bnb", None, None, 1e8, 10.0),
            ("2019-05-01", "bnb_mainnet", 23.0, 3.2e9, 1.4e8, 5_000.0),
            ("2019-05-02", "bnb", 22.0, 3.1e9, 1.4e8, 9.0),
            ("2019-05-02", "bnb_mainnet", 23.5, 3.3e9, 1.4e8, 5_100.0),
            ("2019-05-02", "usdt_eth", 1.0, 1e9, 1e9, 50_000.0),
            ("2019-05-02", "newcoin", 2.0, 1e6, 5e5, 3.0),
        ],
        columns=["date", "asset", "PriceUSD", "CapMrktCurUSD", "SplyCur", "AdrActCnt"],
    )


def test_onchain_rows_are_known_at_the_next_midnight_under_our_names(tmp_path: Path) -> None:
    """D5: Coin Metrics' day D closes at 24:00 UTC, so nothing of it is known before D + 1."""
    onchain_rows().to_csv(tmp_path / "network.csv", index=False)
    market = load_onchain(tmp_path)
    assert market.ids == ("binancecoin", "bitcoin", "newcoin")
    assert market.start.isoformat() == "2019-05-02T00:00:00+00:00"
    assert market.price.loc["2019-05-02", "bitcoin"] == 5300.0
    assert market.panels["active_addresses"].loc["2019-05-03", "bitcoin"] == 710_000.0
    assert market.volume.isna().all(axis=None)
    same = load_market(tmp_path / "network.csv")  # whose columns tell whose rows they are
    pd.testing.assert_frame_equal(same.price, market.price)
    assert same.findings == market.findings


def test_a_file_that_is_published_late_is_known_late(tmp_path: Path) -> None:
    onchain_rows().to_csv(tmp_path / "network.csv", index=False)
    late = load_onchain(tmp_path, lag=timedelta(hours=8))
    assert late.until("2019-05-03T07:59").end.day == 2
    assert late.until("2019-05-03T08:00").end.day == 3
    daily_frame(days=3).to_csv(tmp_path / "coins.csv", index=False)
    assert load_market(tmp_path / "coins.csv", lag=timedelta(hours=8)).until("2024-01-03").end.day == 2


def test_a_coin_on_several_chains_is_one_coin_with_one_row_a_day() -> None:
    rows, findings = read_onchain(onchain_rows(), source="network.csv")
    coin = rows[rows["id"] == "binancecoin"]
    # no price under the main name on the first day, so the other name stands in; on the second day the main name wins
    assert coin["price"].tolist() == [23.0, 22.0]
    assert coin["active_addresses"].tolist() == [5_000.0, 9.0]
    assert {(row.code, row.count) for row in findings} == {("part-of-a-coin", 1), ("same-coin", 1)}
    shuffled, _ = read_onchain(onchain_rows().sample(frac=1.0, random_state=5), source="network.csv")
    in_order = ["date", "id"]
    pd.testing.assert_frame_equal(
        shuffled.sort_values(in_order, ignore_index=True), rows.sort_values(in_order, ignore_index=True)
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("date,asset,Price\n2019-05-01,btc,1\n", "column PriceUSD is missing; these are no Coin Metrics rows"),
        ("date,asset,PriceUSD\nMay,btc,5000\n", "date = 'May' is not a date"),
        ("date,asset,PriceUSD\n2019-05-01,btc,530000000\n", "the units are wrong"),
        ("date,asset,PriceUSD\n2019-05-01,btc,5300\n2019-05-01,btc,5301\n", "duplicate rows"),
    ],
)
def test_other_tables_are_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "network.csv").write_text(text)
    with pytest.raises(MarketDataError) as refusal:
        load_onchain(tmp_path / "network.csv")
    assert says in str(refusal.value)


def test_the_folder_must_hold_one_network_table(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="no file with columns date, asset, PriceUSD"):
        load_onchain(tmp_path)
    with pytest.raises(MarketDataError, match="no such file"):
        load_onchain(tmp_path / "none.csv")


def test_the_real_network_data_of_2016_to_2019_is_a_market(real_market: Market) -> None:
    """D5: 69 coins over four years; prices are closing ones: bitcoin's highest close was that of 2017-12-16."""
    market = load_onchain(market_folder())
    assert market.price.shape == (1461, 69)
    assert str(market.price["bitcoin"].idxmax().date()) == "2017-12-17"
    table = coverage(market)
    assert {"active_addresses", "nvt", "mvrv", "realized_cap", "free_float", "hash_rate", "issuance"} <= set(
        table.index
    )
    assert table.loc["active_addresses", "filled"] > 0.9
    both = sorted(set(market.ids) & set(real_market.ids))
    assert len(both) > 60
    snapshot = market.snapshot("2018-01-01")
    assert snapshot["bitcoin"].market_cap == pytest.approx(
        market.panels["supply"].loc["2018-01-01", "bitcoin"] * market.price.loc["2018-01-01", "bitcoin"], rel=1e-6
    )
