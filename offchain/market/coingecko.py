"""Daily prices, market caps and volumes from CoinGecko, every answer stored before it is read.

    source = CoinGecko(cache=Path("reports/coingecko"))
    market = source.market(top=100, days=120)

The key comes from the environment variable COINGECKO_API_KEY; without one the public limits apply (days ≤ 365 and a
few calls a minute). Importing this module opens no connection.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from offchain.canonical import utc_text
from offchain.errors import MarketDataError, SourceUnavailable, did_you_mean
from offchain.market.snapshot import Market
from offchain.market.store import RawResponse, RawStore

KEY_VARIABLE = "COINGECKO_API_KEY"
PLANS = {
    "demo": ("https://api.coingecko.com/api/v3", "x-cg-demo-api-key"),
    "pro": ("https://pro-api.coingecko.com/api/v3", "x-cg-pro-api-key"),
}
CATEGORIES = {
    "stablecoins": "stablecoin",
    "wrapped-tokens": "wrapped",
    "liquid-staking-tokens": "receipt",
    "leveraged-token": "leveraged",
    "tokenized-gold": "commodity",
}
PER_PAGE = 250
MAX_DAYS = 3650
MIDNIGHT_SLACK = timedelta(minutes=10)
RETRY_STATUS = (429, 500, 502, 503, 504)


def utc_now() -> datetime:
    """The clock, at the outermost border."""
    return datetime.now(UTC)


def retrying_session(*, retries: int = 4, backoff_s: float = 2.0) -> requests.Session:
    """A session that waits and asks again when the provider is busy, honouring Retry-After."""
    policy = Retry(
        total=retries,
        backoff_factor=backoff_s,
        status_forcelist=RETRY_STATUS,
        allowed_methods=("GET",),
        respect_retry_after_header=True,
        raise_on_status=False,
    )
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=policy))
    return session


class CoinGecko:
    """CoinGecko's public API as a source of markets. `offline` answers from the cache only, however old."""

    def __init__(
        self,
        *,
        cache: Path,
        plan: str = "demo",
        api_key: str | None = None,
        session: requests.Session | None = None,
        max_age: timedelta = timedelta(hours=1),
        seconds_between_calls: float = 2.5,
        timeout_s: float = 30.0,
        offline: bool = False,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if plan not in PLANS:
            raise MarketDataError(f'CoinGecko plan "{plan}": use {" or ".join(PLANS)}.{did_you_mean(plan, PLANS)}')
        self.store = RawStore(cache)
        self.base_url, self._key_header = PLANS[plan]
        self._api_key = os.environ.get(KEY_VARIABLE, "") if api_key is None else api_key
        self._session = session
        self.max_age = max_age
        self.seconds_between_calls = seconds_between_calls
        self.timeout_s = timeout_s
        self.offline = offline
        self._clock = clock
        self._sleep = sleep
        self._last_call: datetime | None = None

    def __repr__(self) -> str:
        return f"CoinGecko({self.base_url}, key {'set' if self._api_key else 'not set'}, cache {self.store.folder})"

    def market(
        self, *, ids: Sequence[str] | None = None, top: int = 100, days: int = 120, with_tags: bool = True
    ) -> Market:
        """Daily history of the `top` largest coins, or of `ids`, over `days` days up to the last midnight UTC."""
        if not 1 <= days <= MAX_DAYS:
            raise MarketDataError(f"CoinGecko: days = {days} outside 1..{MAX_DAYS}; 120 covers every default rule")
        listed = self.listing(ids=ids, top=top)
        if listed.empty:
            raise SourceUnavailable(f"CoinGecko: no coin listed for ids {list(ids or [])}; check the ids")
        _require_all(ids, listed)
        tags = self.tags() if with_tags else {}
        listed["tags"] = [";".join(tags.get(coin, ())) for coin in listed.index]
        rows = pd.concat([self.history(coin, days=days) for coin in listed.index], ignore_index=True)
        return Market.from_frame(rows, meta=listed, source="coingecko")

    def listing(self, *, ids: Sequence[str] | None = None, top: int = 100, category: str = "") -> pd.DataFrame:
        """Columns symbol, name, indexed by id, largest market cap first."""
        wanted = len(ids) if ids is not None else top
        rows: list[dict[str, Any]] = []
        for page in range(1, -(-wanted // PER_PAGE) + 1):
            query: dict[str, object] = {"vs_currency": "usd", "order": "market_cap_desc"}
            query |= {"per_page": min(PER_PAGE, max(wanted, 1)), "page": page}
            if ids is not None:
                query["ids"] = ",".join(ids[(page - 1) * PER_PAGE : page * PER_PAGE])
                query["page"] = 1
            if category:
                query["category"] = category
            answer = self.get("/coins/markets", query)
            rows += [_listed(row, answer.url) for row in _read_list(answer)]
        table = pd.DataFrame(rows, columns=["id", "symbol", "name"]).drop_duplicates("id").set_index("id")
        return table.head(wanted)

    def tags(self) -> dict[str, tuple[str, ...]]:
        """{id: tags} of the coins CoinGecko files under the categories that indexes leave out."""
        found: dict[str, tuple[str, ...]] = {}
        for category, tag in CATEGORIES.items():
            for coin in self.listing(top=PER_PAGE, category=category).index:
                found[coin] = (*found.get(coin, ()), tag)
        return found

    def history(self, coin: str, *, days: int) -> pd.DataFrame:
        """Rows date, id, price, market_cap, volume of one coin: the points at midnight UTC; USD."""
        query = {"vs_currency": "usd", "days": days, "interval": "daily"}
        answer = self.get(f"/coins/{coin}/market_chart", query)
        return read_chart(answer, coin)

    def get(self, path: str, query: Mapping[str, object]) -> RawResponse:
        """The answer to one request: from the cache while it is fresh, otherwise fetched and stored."""
        url = f"{self.base_url}{path}?{urlencode(sorted(query.items()))}"
        cached = self.store.latest(url)
        if cached is not None and (self.offline or self._clock() - cached.requested_at <= self.max_age):
            return cached
        if self.offline:
            raise SourceUnavailable(f"CoinGecko: {url} is not in the cache {self.store.folder}; run once online")
        return self._fetch(url, cached)

    def _fetch(self, url: str, cached: RawResponse | None) -> RawResponse:
        self._wait()
        if self._session is None:
            self._session = retrying_session()
        headers = {"accept": "application/json"} | ({self._key_header: self._api_key} if self._api_key else {})
        requested_at = self._last_call = self._clock()
        try:
            answer = self._session.get(url, headers=headers, timeout=self.timeout_s)
        except requests.RequestException as error:
            raise SourceUnavailable(
                f"CoinGecko: no answer from {url} ({type(error).__name__}). {_cached_text(cached)}"
            ) from error
        if answer.status_code != requests.codes.ok:
            raise SourceUnavailable(f"CoinGecko: {url} answered {answer.status_code}: {self._advice(answer)}")
        return self.store.save(url, answer.content, requested_at=requested_at, status=answer.status_code)

    def _wait(self) -> None:
        if self._last_call is None:
            return
        passed = (self._clock() - self._last_call).total_seconds()
        if passed < self.seconds_between_calls:
            self._sleep(self.seconds_between_calls - passed)

    def _advice(self, answer: requests.Response) -> str:
        key = "the key is set" if self._api_key else f"no key is set, put one into {KEY_VARIABLE}"
        if answer.status_code == requests.codes.too_many_requests:
            return f"too many calls, even after waiting; {key}, or ask for fewer coins"
        if answer.status_code in (requests.codes.unauthorized, requests.codes.forbidden):
            return f"refused; {key}; a demo key does not work with the pro plan, nor beyond 365 days"
        if answer.status_code == requests.codes.not_found:
            return "no such coin; ids are CoinGecko's, such as bitcoin or matic-network, not tickers"
        return "its own trouble; try again later"


def read_chart(answer: RawResponse, coin: str) -> pd.DataFrame:
    """Rows date, id, price, market_cap, volume of a stored answer about one coin: the points at midnight UTC; USD."""
    data = _read_json(answer)
    if not isinstance(data, dict):
        raise _odd(answer, "not an object")
    series = {}
    for column, field in (("price", "prices"), ("market_cap", "market_caps"), ("volume", "total_volumes")):
        series[column] = _daily(data.get(field), field, answer)
    frame = pd.DataFrame(series)
    frame.index.name = "date"
    frame = frame.reset_index()
    frame.insert(1, "id", coin)
    return frame[frame["price"].notna()]


def _require_all(ids: Sequence[str] | None, listed: pd.DataFrame) -> None:
    missing = [coin for coin in ids or () if coin not in listed.index]
    if missing:
        near = did_you_mean(missing[0], [str(coin) for coin in listed.index])
        raise SourceUnavailable(f"CoinGecko: lists no coin {', '.join(missing)}; ids are not tickers.{near}")


def _listed(row: object, url: str) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise SourceUnavailable(f"CoinGecko: {url}: a row without an id: {str(row)[:120]}; the API may have changed")
    symbol = str(row.get("symbol") or row["id"]).upper()
    return {"id": row["id"], "symbol": symbol, "name": str(row.get("name") or row["id"])}


def _read_json(answer: RawResponse) -> object:
    try:
        return cast(object, json.loads(answer.body, parse_constant=_refuse_constant))
    except ValueError as error:
        raise _odd(answer, "not JSON") from error


def _refuse_constant(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


def _read_list(answer: RawResponse) -> list[Any]:
    data = _read_json(answer)
    if not isinstance(data, list):
        raise _odd(answer, "not a list")
    return data


def _daily(points: object, field: str, answer: RawResponse) -> pd.Series:
    """Series by UTC midnight. The last point is the running day, not a midnight, and is left out."""
    if not isinstance(points, list):
        raise _odd(answer, f'no list "{field}"')
    values: dict[datetime, float] = {}
    for point in points:
        if not _is_point(point):
            raise _odd(answer, f'"{field}" holds {str(point)[:60]}, expected [milliseconds, value]')
        at = datetime.fromtimestamp(point[0] / 1000, tz=UTC)
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        if at - midnight <= MIDNIGHT_SLACK:
            values.setdefault(midnight, float("nan") if point[1] is None else float(point[1]))
    return pd.Series(values, dtype="float64", index=pd.DatetimeIndex(list(values), tz="UTC"))


def _is_point(point: object) -> bool:
    if not isinstance(point, list) or len(point) != 2:
        return False
    return isinstance(point[0], int | float) and isinstance(point[1], int | float | None)


def _odd(answer: RawResponse, what: str) -> SourceUnavailable:
    start = answer.body[:80].decode("utf-8", "replace")
    return SourceUnavailable(
        f"CoinGecko: {answer.url} answered something else ({what}): {start!r}; the API may have changed, "
        f"the answer of {utc_text(answer.requested_at)} is stored with sha256 {answer.sha256[:12]}"
    )


def _cached_text(cached: RawResponse | None) -> str:
    if cached is None:
        return "Nothing is cached; check the connection"
    return f"A copy of {utc_text(cached.requested_at)} is cached: use offline=True to work with it"
