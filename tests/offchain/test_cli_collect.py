"""`ballast collect`: from recorded answers to a market file and what is doubtful about it; no network.

├── asks every source, stores, merges, reports; the file is the market again
├── --offline: the same market from the stored answers; without them one line and 1
└── mistakes → 1 with the way out
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from source_answers import RecordedSession
from typer.testing import CliRunner, Result

from offchain.cli.app import app
from offchain.market import Market, load_market
from offchain.market.files import load_series, write_market

ASKED = (
    "--sources",
    "coingecko,coinmetrics,fred",
    "--ids",
    "bitcoin,ethereum",
    "--start",
    "2025-01-07",
    "--end",
    "2025-01-09",
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["collect", *arguments], catch_exceptions=False, prog_name="ballast")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordedSession:
    """What the network would answer."""
    session = RecordedSession()
    monkeypatch.setattr("offchain.sources.door.requests.Session", lambda: session)
    monkeypatch.setenv("FRED_API_KEY", "0" * 32)
    return session


def test_collect_asks_stores_merges_and_reports(recorded: RecordedSession, tmp_path: Path) -> None:
    """D11: three sources, one market, and what they disagree about; the file gives the same market again."""
    out = tmp_path / "mine.parquet"
    result = run(*ASKED, "--store", str(tmp_path / "answers"), "--out", str(out), "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["coins"], told["days"], told["start"]) == (2, 3, "2025-01-07")
    assert told["source"] == "CoinGecko+Coin Metrics+FRED"
    assert {"rates", "equities"} <= set(told["series"])
    market = load_market(out)
    # the first price of the recorded answer of CoinGecko, which is first in the list
    assert market.price["bitcoin"].iloc[0] == 102235.6
    assert told["files"] == [str(out), str(tmp_path / "mine-series.csv")]
    assert set(load_series(told["files"][1])) == set(told["series"])
    hosts = [url.split("/")[2] for url in recorded.asked]
    assert hosts.count("api.coingecko.com") == 2 and "api.stlouisfed.org" in hosts
    stored = b"".join(path.read_bytes() for path in (tmp_path / "answers").rglob("*") if path.is_file())
    assert b"0" * 32 not in stored


def test_collect_offline_gives_the_same_market_and_asks_nobody(recorded: RecordedSession, tmp_path: Path) -> None:
    """D11, M6: the stored answers are all that is needed to have the market again."""
    store = ("--store", str(tmp_path / "answers"))
    first = run(*ASKED, *store, "--out", str(tmp_path / "a.csv"), "--json")
    asked = len(recorded.asked)
    again = run(*ASKED, *store, "--out", str(tmp_path / "b.csv"), "--offline", "--json")
    assert again.exit_code == 0, again.stderr
    assert len(recorded.asked) == asked
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert json.loads(first.stdout)["findings"] == json.loads(again.stdout)["findings"]


def test_collect_offline_without_stored_answers_says_so_in_one_line(tmp_path: Path) -> None:
    result = run(*ASKED, "--store", str(tmp_path / "empty"), "--offline")
    assert result.exit_code == 1
    error = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert "is not in the cache" in error[0] and "run once online" in error[0]
    assert result.stdout == ""


def test_collect_takes_the_coins_that_may_be_in_an_index(recorded: RecordedSession, tmp_path: Path) -> None:
    """Stablecoins may not be in LC10, so they are not asked for; coins that no answer knows are a finding."""
    seen = run(
        "--index", "LC10", "--market", "synthetic", "--sources", "coinmetrics", "--start", "2025-01-07", "--end", "2025-01-09",
        "--store", str(tmp_path), "--json",
    )  # fmt: skip
    assert seen.exit_code == 0, seen.stderr
    told = json.loads(seen.stdout)
    (absent,) = [row for row in told["findings"] if row["code"] == "no-such-coin"]
    assert f"{told['coins'] + absent['count']} coins from Coin Metrics" in seen.stderr
    (assets,) = parse_qs(urlsplit(recorded.asked[0]).query)["assets"]
    assert {"btc", "eth"} <= set(assets.split(","))
    assert not {"usdt", "usdc", "wbtc"} & set(assets.split(","))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--sources", "coingeko", "--ids", "bitcoin"), 'Did you mean "coingecko"'),
        (("--sources", "ccxt:kraken", "--ids", "bitcoin"), "such as bitcoin=BTC/USD"),
        (("--sources", "ccxt:kraken", "--symbol", "bitcoin", "--ids", "bitcoin"), "write ID=NAME"),
        (("--sources", "defillama", "--ids", "uniswap"), "such as uniswap=uniswap"),
        (
            (
                "--sources",
                "coingecko",
            ),
            "give at least one of each",
        ),
        (("--sources", "coingecko", "--ids", "bitcoin", "--plan", "gold"), "use demo or pro"),
    ],
)
def test_collect_that_makes_no_sense_is_refused(tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    result = run(*arguments, "--start", "2025-01-07", "--end", "2025-01-09", "--store", str(tmp_path), "--offline")
    assert result.exit_code == 1
    assert word in result.stderr


@pytest.mark.parametrize("name", ["m.parquet", "m.csv"])
def test_a_written_market_is_read_again_to_the_last_bit(tmp_path: Path, name: str, synthetic: Market) -> None:
    market = synthetic.until("2024-03-01")
    supply = market.market_cap / market.price
    market = market.with_fields({"supply": supply})
    write_market(market, tmp_path / name)
    again = load_market(tmp_path / name)
    assert again.ids == market.ids and list(again.dates) == list(market.dates)
    for field in ("price", "market_cap", "volume"):
        assert np.array_equal(getattr(again, field).to_numpy(), getattr(market, field).to_numpy(), equal_nan=True)
    assert np.array_equal(again.panels["supply"].to_numpy(), supply.to_numpy(), equal_nan=True)
