"""Exchanges through CCXT: daily candles, each one checked before it counts.

CCXT is an optional library (`pip install ccxt`, in an environment of its own when brownie is there too: they pin other
versions of the same packages). What it answers is stored as JSON candles [milliseconds, open, high, low, close,
volume in coins] under the address ccxt://exchange/symbol, and read from there like any other answer.

A candle of day D ends at the next midnight and is known then; the running day's is left out. Volume in dollars is
volume × the mean of open, high, low and close. A symbol must be quoted in dollars, or in a coin that stands for them.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol, cast
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from offchain.errors import MarketDataError, SourceUnavailable, did_you_mean
from offchain.market.store import RawResponse
from offchain.market.validation import CANDLE_TOLERANCE, Finding
from offchain.sources.door import Busy, Door
from offchain.sources.source import DAY, Rate, Reading, Request, Rows, number, odd, read_json, unix

FIELDS = ("price", "open", "high", "low", "venue_volume")
SCHEME = "ccxt"
DOLLARS = ("USD", "USDC", "USDT", "DAI")
# more bad candles than this part of an answer is no accident
MAX_BAD = 0.1
RATE = Rate(calls=1, seconds=1.0)


class Client(Protocol):
    """The part of a CCXT exchange that is used."""

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[float]]:
        """Candles from `since` {ms} on."""


class ExchangeSource:
    """One exchange. `symbols`: {id: CCXT's symbol}, such as {"bitcoin": "BTC/USD"}. `client`: made from CCXT when left out."""

    fields = FIELDS

    def __init__(
        self,
        door: Door,
        *,
        exchange: str,
        symbols: Mapping[str, str],
        client: Client | None = None,
        limit: int = 500,
        rate: Rate = RATE,
    ) -> None:
        for coin, symbol in symbols.items():
            if symbol.rpartition("/")[2] not in DOLLARS:
                raise MarketDataError(
                    f"{exchange}: {coin} is {symbol}; a symbol must be quoted in {', '.join(DOLLARS)}, such as BTC/USD"
                )
        self.door = door
        self.exchange = exchange
        self.symbols = dict(symbols)
        self.limit = limit
        self.rate = rate
        self._client = client

    @property
    def name(self) -> str:
        return f"{SCHEME}:{self.exchange}"

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        return [
            self._request(self.symbols[coin], unix(start - DAY) * 1000, unix(end) * 1000)
            for coin in sorted(ids)
            if coin in self.symbols
        ]

    def _request(self, symbol: str, since: int, until: int) -> Request:
        query = urlencode(sorted({"timeframe": "1d", "since": since, "until": until, "limit": self.limit}.items()))
        is_closed = until / 1000 + 2 * DAY.total_seconds() < self.door.clock().timestamp()
        return Request(url=f"{SCHEME}://{self.exchange}/{quote(symbol, safe='')}?{query}", is_closed=is_closed)

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        return self.door.answer(request, lambda: self._ask(request), name=self.name, rate=self.rate, fresh=fresh)

    def _ask(self, request: Request) -> bytes:
        symbol, query = _read_url(request.url)
        if self._client is None:
            self._client = _client_of(self.exchange)
        try:
            candles = self._client.fetch_ohlcv(symbol, "1d", query["since"], query["limit"])
        except Exception as error:
            raise _translated(error, self.name, request.url) from error
        return json.dumps(candles).encode()

    def owns(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme == SCHEME and parts.netloc == self.exchange

    def parse(self, answer: RawResponse) -> Reading:
        symbol, query = _read_url(answer.url)
        candles = read_json(answer, self.name)
        if not isinstance(candles, list):
            raise odd(answer, self.name, "not a list")
        coins = [coin for coin, known in self.symbols.items() if known == symbol]
        rows = Rows(source=self.name, answer=answer)
        bad: list[str] = []
        last = -1
        for candle in candles:
            start, values = self._numbers(candle, answer)
            problem = _problem(start, last, values)
            last = max(last, start)
            if problem:
                bad.append(f"{symbol} at {start}: {problem}")
                continue
            at = datetime.fromtimestamp(start / 1000, tz=UTC) + DAY
            opened, high, low, close, volume = values
            middle = (opened + high + low + close) / 4.0
            for coin in coins:
                for name, value in zip(FIELDS, (close, opened, high, low, volume * middle), strict=True):
                    rows.add(at, coin, name, value)
        if len(bad) > MAX_BAD * len(candles):
            raise odd(answer, self.name, f"{len(bad)} of {len(candles)} candles cannot be, such as {bad[0]}")
        more = last + _MILLISECONDS
        wanted = bool(candles) and last >= query["since"] and more < query["until"]
        return Reading(
            rows=rows.frame(),
            more=self._request(symbol, more, query["until"]) if wanted else None,
            findings=_findings(symbol, bad),
        )

    def _numbers(self, candle: object, answer: RawResponse) -> tuple[int, list[float]]:
        if not isinstance(candle, list) or len(candle) != 6 or isinstance(candle[0], bool):
            raise odd(answer, self.name, f"a candle is {str(candle)[:60]}, expected six numbers")
        if not isinstance(candle[0], int):
            raise odd(answer, self.name, f"a candle's time is {candle[0]}, expected whole milliseconds")
        return candle[0], [number(value, answer, self.name, what="a price") for value in candle[1:]]


_MILLISECONDS = int(timedelta(days=1).total_seconds() * 1000)


def _problem(start: int, last: int, values: Sequence[float]) -> str:
    """What is wrong with one candle, or an empty text."""
    opened, high, low, close, volume = values
    if start <= last:
        return "its time is not after the one before"
    # 2001 on; a time in seconds lies far before it
    if start < 1_000_000_000_000 or start % _MILLISECONDS:
        return "its time is no midnight UTC in milliseconds"
    if any(value != value for value in values):
        return "a number is missing"
    if min(opened, high, low, close) <= 0 or volume < 0:
        return "a price is not above 0, or the volume below 0"
    slack = high * CANDLE_TOLERANCE
    if high + slack < max(opened, close, low) or low - slack > min(opened, close):
        return f"open {opened:g}, high {high:g}, low {low:g}, close {close:g} contradict each other"
    return ""


def _findings(symbol: str, bad: Sequence[str]) -> tuple[Finding, ...]:
    found = []
    if bad:
        found.append(Finding(code="odd-candle", count=len(bad), example=bad[0], action="left out"))
    quote_coin = symbol.rpartition("/")[2]
    if quote_coin != "USD":
        action = "one counts as one dollar"
        found.append(Finding(code="quoted-in-a-stablecoin", count=1, example=f"{symbol}: {quote_coin}", action=action))
    return tuple(found)


def _read_url(url: str) -> tuple[str, dict[str, int]]:
    """(symbol, {since, until, limit}) of an address that `_request` wrote."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    return unquote(parts.path[1:]), {name: int(query[name][0]) for name in ("since", "until", "limit")}


def _client_of(exchange: str) -> Client:
    try:
        ccxt = importlib.import_module("ccxt")
    except ImportError as error:
        raise SourceUnavailable(
            "CCXT is not installed; `pip install ccxt` (beside brownie: in an environment of its own), or leave the exchange out"
        ) from error
    known: Sequence[str] = ccxt.exchanges
    if exchange not in known:
        raise SourceUnavailable(f'CCXT knows no exchange "{exchange}".{did_you_mean(exchange, known)}')
    make = cast("Callable[[dict[str, object]], Client]", getattr(ccxt, exchange))
    return make({"enableRateLimit": False})


# classes of CCXT by name, because it may not be installed; what is worth asking again comes first
_BUSY = ("DDoSProtection", "RateLimitExceeded", "RequestTimeout", "ExchangeNotAvailable", "NetworkError")
_REFUSED = {
    "BadSymbol": "no such symbol there; look at the exchange's list of markets",
    "AuthenticationError": "refused; this exchange wants a key for candles",
    "BaseError": "refused; look at the exchange's own page",
}


def _translated(error: Exception, name: str, url: str) -> Exception:
    """A CCXT error as ours: Busy when it is worth asking again. Anything that is not CCXT's stays as it is."""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if any(kind in _BUSY for kind in kinds):
        return Busy(f"{type(error).__name__}: {str(error)[:120]}")
    for kind, advice in _REFUSED.items():
        if kind in kinds:
            return SourceUnavailable(f"{name}: {url}: {type(error).__name__}: {str(error)[:120]}; {advice}")
    return error
