"""CoinGecko without the network: recorded answers in the API's shape, served by a session that knows no sockets.

market      midnights only · zero caps and missing prices unknown · tags from categories
cache       bytes stored before parsing · fresh ones reused · offline · changed bytes refused
failures    busy, refused, unknown, down, not JSON, another shape: each says what to do
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from offchain.errors import MarketDataError, SourceUnavailable
from offchain.market.coingecko import KEY_VARIABLE, CoinGecko, retrying_session

RECORDED = Path(__file__).resolve().parent.parent / "data" / "coingecko"
NOW = datetime(2025, 1, 10, 10, 0, 5, tzinfo=UTC)
Answer = tuple[int, bytes]


def recorded(url: str) -> Answer:
    """The recorded answer to a URL."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if parts.path.endswith("/coins/markets"):
        category = query.get("category", ["none"])[0]
        name = {"none": "markets.json", "stablecoins": "markets_stablecoins.json"}.get(category, "markets_empty.json")
    else:
        name = f"{parts.path.split('/')[-2]}_chart.json"
    return 200, (RECORDED / name).read_bytes()


class RecordedSession(requests.Session):
    """Answers from a function and remembers what was asked."""

    def __init__(self, respond: Callable[[str], Answer] = recorded) -> None:
        super().__init__()
        self.respond = respond
        self.asked: list[str] = []
        self.sent_headers: dict[str, str] = {}

    def get(self, url: str, **settings: object) -> requests.Response:  # type: ignore[override]
        self.asked.append(url)
        self.sent_headers = dict(settings["headers"])  # type: ignore[call-overload]
        answer = requests.Response()
        answer.status_code, answer._content = self.respond(url)
        return answer


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def source(folder: Path, session: RecordedSession | None = None, **settings: object) -> CoinGecko:
    time = Time()
    known: dict[str, object] = {"api_key": "", "clock": time.clock, "sleep": time.sleep} | settings
    return CoinGecko(cache=folder, session=session or RecordedSession(), **known)  # type: ignore[arg-type]


def test_market_holds_the_midnights_and_not_the_running_day(tmp_path: Path) -> None:
    market = source(tmp_path).market(top=3, days=4)
    assert [f"{date:%m-%d}" for date in market.dates] == ["01-07", "01-08", "01-09", "01-10"]
    assert market.price.loc["2025-01-10", "bitcoin"].item() == 92552.5
    assert market.market_cap["ethereum"].isna().tolist() == [False, False, True, False]
    assert market.price["tether"].isna().tolist() == [False, False, True, False]
    assert market.meta["symbol"].tolist() == ["BTC", "ETH", "USDT"]
    assert market.meta.loc["tether", "tags"] == "stablecoin"


def test_every_answer_is_stored_as_it_came_before_it_is_read(tmp_path: Path) -> None:
    gecko = source(tmp_path)
    with pytest.raises(SourceUnavailable, match="not JSON"):
        source(tmp_path, RecordedSession(lambda url: (200, b"<html>busy</html>"))).history("bitcoin", days=4)
    answer = gecko.get("/coins/bitcoin/market_chart", {"vs_currency": "usd", "days": 4, "interval": "daily"})
    assert answer.body == b"<html>busy</html>"
    assert answer.sha256 == hashlib.sha256(answer.body).hexdigest()
    assert answer.requested_at == NOW


def test_a_fresh_answer_is_not_fetched_again_and_an_old_one_is(tmp_path: Path) -> None:
    session, time = RecordedSession(), Time()
    gecko = source(tmp_path, session, clock=time.clock, sleep=time.sleep)
    gecko.history("bitcoin", days=4)
    gecko.history("bitcoin", days=4)
    assert len(session.asked) == 1
    time.now += timedelta(hours=1, seconds=1)
    gecko.history("bitcoin", days=4)
    assert len(session.asked) == 2


def test_offline_works_from_the_cache_alone_however_old(tmp_path: Path) -> None:
    before = source(tmp_path).market(top=3, days=4)
    silent = RecordedSession(lambda url: pytest.fail(f"asked for {url}"))
    later = source(tmp_path, silent, offline=True, clock=lambda: NOW + timedelta(days=900))
    assert later.market(top=3, days=4).snapshot("2025-01-10").inputs_hash == before.snapshot("2025-01-10").inputs_hash
    with pytest.raises(SourceUnavailable, match="is not in the cache .* run once online"):
        later.history("solana", days=4)


def test_a_changed_cache_is_refused(tmp_path: Path) -> None:
    source(tmp_path).history("bitcoin", days=4)
    (body,) = tmp_path.rglob("*.body")
    body.write_bytes(body.read_bytes().replace(b"92552.5", b"192552.5"))
    with pytest.raises(MarketDataError, match="was changed or cut; delete it and fetch again"):
        source(tmp_path).history("bitcoin", days=4)


def test_calls_are_spaced_by_the_rate_limit(tmp_path: Path) -> None:
    time = Time()
    source(tmp_path, clock=time.clock, sleep=time.sleep, seconds_between_calls=2.5).market(
        top=3, days=4, with_tags=False
    )
    assert time.slept == [2.5, 2.5, 2.5]


def test_the_key_goes_into_a_header_and_never_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "CG-secret")
    session = RecordedSession()
    gecko = source(tmp_path, session, api_key=None)
    gecko.history("bitcoin", days=4)
    assert session.sent_headers["x-cg-demo-api-key"] == "CG-secret"
    assert "CG-secret" not in repr(gecko)
    assert all(b"CG-secret" not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (429, f"answered 429: too many calls, even after waiting; no key is set, put one into {KEY_VARIABLE}"),
        (401, "answered 401: refused; no key is set"),
        (404, "answered 404: no such coin; ids are CoinGecko's"),
        (503, "answered 503: its own trouble; try again later"),
    ],
)
def test_an_answer_that_is_a_refusal_says_what_to_do_and_is_not_stored(tmp_path: Path, status: int, says: str) -> None:
    body = (RECORDED / "rate_limited.json").read_bytes()
    with pytest.raises(SourceUnavailable) as refusal:
        source(tmp_path, RecordedSession(lambda url: (status, body))).history("bitcoin", days=4)
    assert says in str(refusal.value)
    assert not list(tmp_path.rglob("*.body"))


def test_no_connection_says_so_and_offers_the_cached_copy(tmp_path: Path) -> None:
    def down(url: str) -> Answer:
        raise requests.ConnectionError("no route")

    with pytest.raises(SourceUnavailable, match="no answer from .* Nothing is cached; check the connection"):
        source(tmp_path, RecordedSession(down)).history("bitcoin", days=4)
    source(tmp_path).history("bitcoin", days=4)
    late = source(tmp_path, RecordedSession(down), clock=lambda: NOW + timedelta(days=2))
    with pytest.raises(SourceUnavailable, match="A copy of 2025-01-10T10:00:05Z is cached: use offline=True"):
        late.history("bitcoin", days=4)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"[]", "not an object"),
        (b'{"prices": 3}', 'no list "prices"'),
        (b'{"prices": [[1]]}', "expected [milliseconds, value]"),
        (b'{"prices": [[1736208000000, "a lot"]]}', "expected [milliseconds, value]"),
        (b"", "not JSON"),
    ],
)
def test_an_answer_of_another_shape_is_refused_with_its_start_and_hash(tmp_path: Path, body: bytes, says: str) -> None:
    with pytest.raises(SourceUnavailable) as refusal:
        source(tmp_path, RecordedSession(lambda url: (200, body))).history("bitcoin", days=4)
    assert says in str(refusal.value)
    assert hashlib.sha256(body).hexdigest()[:12] in str(refusal.value)


def test_ids_that_are_not_listed_are_named_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match='lists no coin etherium; ids are not tickers. Did you mean "ethereum"'):
        source(tmp_path).market(ids=["bitcoin", "etherium"], days=4)


def test_settings_out_of_bounds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match='plan "prro": use demo or pro. Did you mean "pro"'):
        source(tmp_path, plan="prro")
    with pytest.raises(MarketDataError, match=r"days = 0 outside 1\.\.3650"):
        source(tmp_path).market(days=0)


def test_retrying_session_waits_when_the_provider_is_busy() -> None:
    policy = retrying_session(retries=3).get_adapter("https://api.coingecko.com").max_retries  # type: ignore[attr-defined]
    assert policy.total == 3
    assert 429 in policy.status_forcelist
    assert policy.respect_retry_after_header
