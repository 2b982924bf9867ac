"""Each provider's answers, recorded in its documented format, and everything else that it may answer.

Coin Metrics   pages · text numbers · null · the midnight after · never another host
CoinGecko      the same points as the market of that module
DefiLlama      running day left out · tvl and volume
FRED           "." unknown · key sent · values as first published
exchanges      each candle checked · running day · pages · library missing, busy, refusing
all            HTML, truncated, empty, other shapes, wrong units, missing coins, days said twice
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import requests
from source_answers import HTML, NOW, RECORDED, Answer, RecordedSession, Time, door, in_turn, recorded

from offchain.errors import MarketDataError, SourceUnavailable
from offchain.market.fields import PANELS, SERIES
from offchain.market.store import RawStore
from offchain.sources import (
    CoinGeckoSource,
    CoinMetricsSource,
    DefiLlamaSource,
    Door,
    ExchangeSource,
    FredSource,
    Request,
    Source,
)

START, END = date(2025, 1, 6), date(2025, 1, 10)
IDS = ("bitcoin", "ethereum", "uniswap")
Make = Callable[[Door], Source]


def coinmetrics(way: Door) -> CoinMetricsSource:
    return CoinMetricsSource(way)


def coingecko(way: Door) -> CoinGeckoSource:
    return CoinGeckoSource(way)


def defillama(way: Door) -> DefiLlamaSource:
    return DefiLlamaSource(way, protocols={"uniswap": "uniswap"}, exchanges={"uniswap": "uniswap"})


def fred(way: Door) -> FredSource:
    return FredSource(way)


def kraken(way: Door, client: object = None) -> ExchangeSource:
    return ExchangeSource(way, exchange="kraken", symbols={"bitcoin": "BTC/USD"}, client=client)  # type: ignore[arg-type]


HTTP: list[Make] = [coinmetrics, coingecko, defillama, fred]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRED_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("COINGECKO_API_KEY", "CG-secret")


def read(source: Source, *, ids: tuple[str, ...] = IDS) -> dict[tuple[str, str, str], float]:
    """{(day, id, field): value} of everything that the source answers, pages included."""
    found = {}
    for request in source.requests(ids, START, END):
        more: Request | None = request
        while more is not None:
            reading = source.parse(source.fetch(more))
            for row in reading.rows.itertuples(index=False):
                found[(f"{row.date:%m-%d}", str(row.id), str(row.field))] = float(str(row.value))
            more = reading.more
    return found


# --- Coin Metrics -----------------------------------------------------------------------------------------------------


def test_coinmetrics_rows_are_those_of_the_next_midnight_over_all_pages(tmp_path: Path) -> None:
    """D5, D11: text numbers, null left out, pages followed, names ours."""
    session = RecordedSession()
    found = read(coinmetrics(door(tmp_path, session)))
    assert len(session.asked) == 2
    assert found[("01-07", "bitcoin", "price")] == 102212.3412
    assert found[("01-09", "ethereum", "active_addresses")] == 487_222
    assert found[("01-08", "bitcoin", "hash_rate")] == 802345678.9
    assert ("01-07", "ethereum", "hash_rate") not in found
    assert len(found) == 6 * 2 + 5 * 3


def test_coinmetrics_asks_for_days_that_end_at_the_midnights_wanted(tmp_path: Path) -> None:
    source = coinmetrics(door(tmp_path))
    (request,) = source.requests((*IDS, "unheard-of"), START, END)
    assert "assets=btc%2Ceth&" in request.url
    assert "start_time=2025-01-05" in request.url
    assert "end_time=2025-01-09" in request.url
    assert not request.is_closed
    (old,) = source.requests(IDS, date(2024, 1, 1), date(2024, 2, 1))
    assert old.is_closed
    many = CoinMetricsSource(door(tmp_path), assets={f"coin-{n}": f"c{n}" for n in range(120)})
    assert len(many.requests([f"coin-{n}" for n in range(120)], START, END)) == 3


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"next_page_url": "https://evil.example/v4/timeseries/asset-metrics?x=1"}, "next_page_url"),
        ({"next_page_url": 7}, "next_page_url"),
        ({"data": [{"time": "2025-01-06T00:00:00Z"}]}, "a row is"),
        ({"data": [{"asset": "btc", "time": "2025-01-06T13:00:00Z"}]}, "no midnight, expected daily rows"),
        ({"data": [{"asset": "btc", "time": "today"}]}, "time = 'today'"),
        ({"data": [{"asset": "btc", "time": "2025-01-06T00:00:00Z", "PriceUSD": "much"}]}, "is not a number"),
        ({"data": [{"asset": "btc", "time": "2025-01-06T00:00:00Z", "PriceUSD": "1e999"}]}, "is not finite"),
        ({"data": [{"asset": "btc", "time": "2025-01-06T00:00:00Z", "PriceUSD": "10221234"}]}, "the units are wrong"),
        (
            {"data": [{"asset": "btc", "time": "2025-01-06T00:00:00Z", "SplyCur": "19.8"}]},
            "median supply of bitcoin is 19.8",
        ),
        ({"data": [{"asset": "eth", "time": "2025-01-06T00:00:00Z", "TxCnt": "-4"}]}, "below 0"),
        ({"data": [{"asset": "eth", "time": "2025-01-06T00:00:00Z", "TxCnt": "4"}] * 2}, "is said twice"),
    ],
)
def test_coinmetrics_of_another_shape_is_refused(tmp_path: Path, edit: dict[str, object], says: str) -> None:
    page = json.loads((RECORDED / "coinmetrics/page_1.json").read_bytes()) | edit
    with pytest.raises(SourceUnavailable) as refusal:
        read(coinmetrics(door(tmp_path, RecordedSession(in_turn((200, json.dumps(page).encode()))))))
    assert says in str(refusal.value)


def test_coinmetrics_error_body_says_no_data(tmp_path: Path) -> None:
    body = (RECORDED / "coinmetrics/bad_parameter.json").read_bytes()
    with pytest.raises(SourceUnavailable, match='answered something else .no list "data".*bad_parameter'):
        read(coinmetrics(door(tmp_path, RecordedSession(in_turn((200, body))))))
    with pytest.raises(SourceUnavailable, match="answered 400: it does not understand the question"):
        read(coinmetrics(door(tmp_path / "b", RecordedSession(in_turn((400, body))))))


# --- CoinGecko --------------------------------------------------------------------------------------------------------


def test_coingecko_rows_are_the_midnights_with_zeros_unknown(tmp_path: Path) -> None:
    session = RecordedSession()
    found = read(coingecko(door(tmp_path, session)), ids=("bitcoin", "ethereum"))
    assert found[("01-10", "bitcoin", "price")] == 92552.5
    assert ("01-09", "ethereum", "market_cap") not in found
    assert ("01-09", "ethereum", "price") in found
    assert max(day for day, _, _ in found) == "01-10"
    assert session.sent[0]["headers"]["x-cg-demo-api-key"] == "CG-secret"  # type: ignore[index]
    assert "from=1736121600" in session.asked[0]


def test_coingecko_plan_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match='plan "prro": use demo or pro. Did you mean "pro"'):
        CoinGeckoSource(door(tmp_path), plan="prro")
    assert (
        CoinGeckoSource(door(tmp_path), plan="pro")
        .requests(["a/b"], START, END)[0]
        .url.startswith("https://pro-api.coingecko.com/api/v3/coins/a%2Fb/market_chart/range?")
    )


# --- DefiLlama --------------------------------------------------------------------------------------------------------


def test_defillama_rows_are_value_locked_and_volume_without_the_running_day(tmp_path: Path) -> None:
    """D3: the protocol's own volume; D7: the value locked in it."""
    found = read(defillama(door(tmp_path)))
    assert found == {
        ("01-07", "uniswap", "tvl"): 5912345678.0,
        ("01-08", "uniswap", "tvl"): 5612345678.5,
        ("01-09", "uniswap", "tvl"): 5512345678.25,
        ("01-07", "uniswap", "dex_volume"): 3123456789.0,
        ("01-08", "uniswap", "dex_volume"): 4123456789.0,
        ("01-09", "uniswap", "dex_volume"): 3923456789.5,
    }
    assert defillama(door(tmp_path)).requests(("bitcoin",), START, END) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"tvl": 3}, 'no list "tvl"'),
        ({"tvl": [[1736121600, 3]]}, "a point is"),
        ({"tvl": [{"date": 1736121600000, "totalLiquidityUSD": 1}]}, "not in Unix seconds"),
        ({"tvl": [{"date": 1736121600, "totalLiquidityUSD": 1e16}]}, "the units are wrong"),
        ({"tvl": [{"date": 1736121600, "totalLiquidityUSD": 1}] * 2}, "2025-01-06 is said twice"),
        ({"tvl": [{"date": 1736121600, "totalLiquidityUSD": True}]}, "is not a number"),
    ],
)
def test_defillama_of_another_shape_is_refused(tmp_path: Path, body: object, says: str) -> None:
    with pytest.raises(SourceUnavailable) as refusal:
        read(defillama(door(tmp_path, RecordedSession(in_turn((200, json.dumps(body).encode()))))))
    assert says in str(refusal.value)


# --- FRED -------------------------------------------------------------------------------------------------------------


def test_fred_rows_are_of_the_whole_market_at_the_next_midnight(tmp_path: Path) -> None:
    """D6: rates, equities and the dollar; "." is unknown; the key is sent and is not in the store."""
    session = RecordedSession()
    found = read(fred(door(tmp_path, session)))
    assert found[("01-09", "", "rates")] == 4.33
    assert found[("01-09", "", "equities")] == 5918.25
    assert ("01-10", "", "equities") not in found
    assert found[("01-07", "", "dollar")] == 128.8123
    assert all(sent["params"] == {"api_key": "0123456789abcdef"} for sent in session.sent)
    assert all(b"0123456789abcdef" not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_fred_as_first_published_is_known_the_day_after_its_publication(tmp_path: Path) -> None:
    way = door(tmp_path, time=Time(NOW + timedelta(days=10)))
    source = FredSource(way, series={"dollar": "DTWEXBGS"}, first_release=True)
    assert "output_type=4" in source.requests((), START, END)[0].url
    # those of the 2nd and the 3rd were published together on the 6th: the newer one was known on the 7th
    assert read(source) == {("01-07", "", "dollar"): 129.4988, ("01-14", "", "dollar"): 128.8123}


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"date": "2025-01-06"}], "expected date and value"),
        ([{"date": "6 Jan", "value": "1"}], "date = '6 Jan'"),
        ([{"date": "2025-01-06", "value": "."}, {"date": "2025-01-06", "value": "4"}], "is not after 2025-01-06"),
        (
            [{"date": "2025-01-06", "value": "433"}],
            "rates is 433 on 2025-01-07, outside -10 to 50: the units are wrong",
        ),
        ([{"date": "2025-01-06", "value": "n/a"}], "is not a number"),
    ],
)
def test_fred_of_another_shape_is_refused(tmp_path: Path, rows: list[object], says: str) -> None:
    body = json.dumps({"observations": rows}).encode()
    source = FredSource(door(tmp_path, RecordedSession(in_turn((200, body)))), series={"rates": "DFF"})
    with pytest.raises(SourceUnavailable) as refusal:
        read(source)
    assert says in str(refusal.value)


def test_fred_without_a_key_says_where_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRED_API_KEY")
    with pytest.raises(SourceUnavailable, match="FRED: no key; get a free one from .* put it into FRED_API_KEY"):
        read(fred(door(tmp_path)))


# --- exchanges --------------------------------------------------------------------------------------------------------


class Exchange:
    """A CCXT exchange that answers recorded candles from `since` on, `limit` at a time."""

    def __init__(self, candles: list[list[float]] | None = None, error: Exception | None = None) -> None:
        kept = json.loads((RECORDED / "ccxt/kraken_btc_usd.json").read_bytes())
        self.candles = kept if candles is None else candles
        self.error = error
        self.asked: list[tuple[str, str, int, int]] = []

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        self.asked.append((symbol, timeframe, since, limit))
        if self.error is not None:
            raise self.error
        return [candle for candle in self.candles if candle[0] >= since][:limit]


DAY_MS = 86_400_000
SIXTH = 1_736_121_600_000


def test_exchange_candles_are_known_at_their_end_without_the_running_day(tmp_path: Path) -> None:
    """D3, D11: volume in dollars is coins × the mean of the four prices."""
    found = read(kraken(door(tmp_path), Exchange()))
    assert sorted({day for day, _, _ in found}) == ["01-07", "01-08", "01-09", "01-10"]
    assert found[("01-07", "bitcoin", "price")] == 102212.3
    assert found[("01-07", "bitcoin", "open")] == 98314.0
    assert found[("01-07", "bitcoin", "low")] == 97900.5
    mean = (98314.0 + 102800.0 + 97900.5 + 102212.3) / 4
    assert found[("01-07", "bitcoin", "venue_volume")] == pytest.approx(2411.25 * mean, rel=1e-15)


def test_exchange_pages_until_the_last_day_and_stores_each(tmp_path: Path) -> None:
    client = Exchange()
    source = ExchangeSource(door(tmp_path), exchange="kraken", symbols={"bitcoin": "BTC/USD"}, client=client, limit=2)
    assert len({day for day, _, _ in read(source)}) == 4
    assert [since for _, _, since, _ in client.asked] == [SIXTH - DAY_MS, SIXTH + 2 * DAY_MS]
    assert len(list(source.door.store.answers(source.owns))) == 2
    assert not kraken(door(tmp_path)).owns("ccxt://binance/BTC?x=1")


@pytest.mark.parametrize(
    ("candle", "why"),
    [
        ([SIXTH, 10.0, 9.0, 8.0, 9.5, 1.0], "contradict each other"),
        ([SIXTH, 10.0, 12.0, 11.0, 11.5, 1.0], "contradict each other"),
        ([SIXTH, 10.0, 12.0, 9.0, 13.0, 1.0], "contradict each other"),
        ([SIXTH, 0.0, 12.0, 0.0, 11.0, 1.0], "not above 0"),
        ([SIXTH, 10.0, 12.0, 9.0, 11.0, -1.0], "not above 0"),
        ([SIXTH, 10.0, None, 9.0, 11.0, 1.0], "a number is missing"),
        ([SIXTH + 3_600_000, 10.0, 12.0, 9.0, 11.0, 1.0], "no midnight UTC in milliseconds"),
        ([SIXTH // 1000, 10.0, 12.0, 9.0, 11.0, 1.0], "no midnight UTC in milliseconds"),
    ],
)
def test_exchange_candle_that_cannot_be_is_left_out_and_named(tmp_path: Path, candle: list[float], why: str) -> None:
    """D12: one bad candle in twenty is left out with a finding; when all are bad the answer is refused."""
    good = [[SIXTH + n * DAY_MS, 90_000.0, 90_000.0, 90_000.0, 90_000.0, 1.0] for n in range(-20, 0)]
    source = kraken(door(tmp_path / "a"))
    url = source.requests(IDS, date(2024, 12, 1), END)[0].url
    in_order = [*good, candle] if candle[0] >= SIXTH else [candle, *good]
    reading = source.parse(source.door.store.save(url, json.dumps(in_order).encode(), requested_at=NOW, status=200))
    assert [(row.code, row.count) for row in reading.findings] == [("odd-candle", 1)]
    assert why in reading.findings[0].example
    assert len(reading.rows) == 20 * 5
    source = kraken(door(tmp_path / "b"), Exchange())
    bad = source.door.store.save(
        source.requests(IDS, START, END)[0].url, json.dumps([candle]).encode(), requested_at=NOW, status=200
    )
    with pytest.raises(SourceUnavailable, match=f"1 of 1 candles cannot be, such as .*{why}"):
        source.parse(bad)


@pytest.mark.parametrize(
    "candles", [[[SIXTH, 1.0]], [[float(SIXTH), 1, 1, 1, 1, 1]], [[True, 1, 1, 1, 1, 1]], {"a": 1}, [7]]
)
def test_exchange_answers_of_another_shape_are_refused(tmp_path: Path, candles: object) -> None:
    source = kraken(door(tmp_path))
    url = source.requests(IDS, START, END)[0].url
    with pytest.raises(SourceUnavailable, match="answered something else"):
        source.parse(source.door.store.save(url, json.dumps(candles).encode(), requested_at=NOW, status=200))


def test_exchange_quoted_in_a_stablecoin_says_so_and_in_bitcoin_is_refused(tmp_path: Path) -> None:
    source = ExchangeSource(door(tmp_path), exchange="kraken", symbols={"bitcoin": "BTC/USDT"}, client=Exchange())
    reading = source.parse(source.fetch(source.requests(IDS, START, END)[0]))
    assert [row.code for row in reading.findings] == ["quoted-in-a-stablecoin"]
    with pytest.raises(MarketDataError, match="ethereum is ETH/BTC; a symbol must be quoted in USD"):
        ExchangeSource(door(tmp_path), exchange="kraken", symbols={"ethereum": "ETH/BTC"})


def test_exchange_without_the_library_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(SourceUnavailable, match="CCXT is not installed; `pip install ccxt`"):
        read(kraken(door(tmp_path)))


def test_exchange_that_the_library_does_not_know_is_refused_with_a_suggestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ccxt = ModuleType("ccxt")
    ccxt.exchanges = ["kraken", "coinbase"]  # type: ignore[attr-defined]
    ccxt.kraken = lambda settings: Exchange()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ccxt", ccxt)
    assert len(read(kraken(door(tmp_path)))) == 20
    with pytest.raises(SourceUnavailable, match='CCXT knows no exchange "krakken". Did you mean "kraken"'):
        read(ExchangeSource(door(tmp_path), exchange="krakken", symbols={"bitcoin": "BTC/USD"}))


class BaseError(Exception):
    """As CCXT's."""


class NetworkError(BaseError):
    """As CCXT's."""


class BadSymbol(BaseError):
    """As CCXT's."""


def test_exchange_that_is_busy_is_asked_again_and_one_that_refuses_is_not(tmp_path: Path) -> None:
    time, busy = Time(), Exchange(error=NetworkError("timed out"))
    with pytest.raises(SourceUnavailable, match="NetworkError: timed out. Nothing is cached"):
        read(kraken(door(tmp_path, time=time), busy))
    assert len(busy.asked) == 5
    wrong = Exchange(error=BadSymbol("BTC/USD"))
    with pytest.raises(SourceUnavailable, match="BadSymbol: BTC/USD; no such symbol there"):
        read(kraken(door(tmp_path), wrong))
    assert len(wrong.asked) == 1
    with pytest.raises(ZeroDivisionError):
        read(kraken(door(tmp_path), Exchange(error=ZeroDivisionError())))


# --- every provider ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", HTTP, ids=lambda make: make.__name__)
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (HTML, "not JSON"),
        (b"", "not JSON"),
        (b"[]", "not an object"),
        (b"{}", "no list"),
        (b'{"data": NaN}', "not JSON"),
    ],
)
def test_what_is_no_answer_is_refused_and_stays_stored(tmp_path: Path, make: Make, body: bytes, says: str) -> None:
    source = make(door(tmp_path, RecordedSession(in_turn((200, body)))))
    with pytest.raises(SourceUnavailable) as refusal:
        read(source)
    assert says in str(refusal.value)
    assert "is stored with sha256" in str(refusal.value)
    assert len(list(tmp_path.rglob("*.body"))) == 1


@pytest.mark.parametrize("make", HTTP, ids=lambda make: make.__name__)
def test_half_an_answer_is_refused(tmp_path: Path, make: Make) -> None:
    def cut(url: str) -> Answer:
        body = recorded(url)[1]
        return 200, body[: len(body) // 2]

    with pytest.raises(SourceUnavailable, match="not JSON"):
        read(make(door(tmp_path, RecordedSession(cut))), ids=("bitcoin", "uniswap"))


@pytest.mark.parametrize("make", HTTP, ids=lambda make: make.__name__)
@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_provider_is_given_up_after_waiting(tmp_path: Path, make: Make, status: int) -> None:
    time = Time()
    session = RecordedSession(in_turn((status, b"", {"Retry-After": "5"})))
    with pytest.raises(SourceUnavailable, match=f"answered {status}"):
        read(make(door(tmp_path, session, time=time)))
    assert len(session.asked) == 5
    assert time.slept == [5.0] * 4


@pytest.mark.parametrize("make", [*HTTP, kraken], ids=lambda make: make.__name__)
def test_parsing_reads_stored_bytes_alone(tmp_path: Path, make: Make) -> None:
    """A second source on the same store, without a network, says the same."""
    online = kraken(door(tmp_path), Exchange()) if make is kraken else make(door(tmp_path))
    first = read(online, ids=("bitcoin", "uniswap") if make is not coingecko else ("bitcoin",))
    silent = RecordedSession(lambda url: pytest.fail(f"asked for {url}"))
    late = Time(NOW + timedelta(days=900))
    offline = make(door(tmp_path, silent, time=late, offline=True))
    again = {}
    for answer in RawStore(tmp_path).answers(offline.owns):
        for row in offline.parse(answer).rows.itertuples(index=False):
            again[(f"{row.date:%m-%d}", str(row.id), str(row.field))] = float(str(row.value))
    assert again == first


@pytest.mark.parametrize("make", [*HTTP, kraken], ids=lambda make: make.__name__)
def test_a_source_names_fields_that_exist(tmp_path: Path, make: Make) -> None:
    source = make(door(tmp_path))
    assert source.name
    assert set(source.fields) <= {*PANELS, *SERIES}
    assert not source.owns("https://example.org/")


def test_the_connection_is_only_made_when_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(requests, "Session", lambda: pytest.fail("opened a session"))
    for make in HTTP:
        make(Door(cache=tmp_path)).requests(IDS, START, END)


def test_only_the_file_about_the_chain_knows_web3() -> None:
    """Importing the sources loads neither web3 nor any optional library."""
    code = "import sys, offchain.sources; print([name for name in ('web3', 'ccxt') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=RECORDED.parents[1]
    )
    assert done.stdout.strip() == "[]"
