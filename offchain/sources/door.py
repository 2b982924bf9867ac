"""The one way out to providers: a store of answers first, then patience.

    door = Door(cache=Path("reports/answers"))
    answer = door.answer(request, ask, name="FRED", rate=Rate(calls=120, seconds=60))

A stored answer is used while it is younger than `max_age`, for ever when the question is about a closed past, and
always when `offline`. Only reads are asked again: after a lost connection, "too many requests" (waiting as long as the
provider says) and errors of the provider's own. Every answer is stored before anyone reads it. No key is ever stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
import tenacity

from offchain.canonical import utc_text
from offchain.errors import SourceUnavailable
from offchain.market.coingecko import RETRY_STATUS, utc_now
from offchain.market.store import RawResponse, RawStore
from offchain.sources.source import Rate, Request

# bytes; the largest answers we ask for have a few
MAX_BODY = 64 * 1024 * 1024
ACCEPT = "application/json, application/xml;q=0.9, */*;q=0.8"


class Busy(Exception):
    """Worth asking again. `wait_s`: how long the provider asked us to wait, None when it did not say."""

    def __init__(self, reason: str, *, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Bucket:
    """A token bucket: `rate.calls` at once, refilled evenly over `rate.seconds`; `take` sleeps until one is there."""

    def __init__(self, rate: Rate, *, clock: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
        self.rate = rate
        self._clock = clock
        self._sleep = sleep
        self._tokens = float(rate.calls)
        self._filled_at: datetime | None = None

    def take(self) -> None:
        """One call."""
        self._refill()
        per_second = self.rate.calls / self.rate.seconds
        if self._tokens < 1.0:
            self._sleep((1.0 - self._tokens) / per_second)
            self._refill()
        # a clock that stood still while we slept must not give a second token for free
        self._tokens = max(self._tokens - 1.0, 0.0)

    def _refill(self) -> None:
        now = self._clock()
        if self._filled_at is not None:
            passed = max((now - self._filled_at).total_seconds(), 0.0)
            self._tokens = min(self._tokens + passed * self.rate.calls / self.rate.seconds, float(self.rate.calls))
        self._filled_at = now


class Door:
    """Where answers are kept and asked for. One door for all sources of a run, so that limits per host hold."""

    def __init__(
        self,
        *,
        cache: Path,
        session: requests.Session | None = None,
        max_age: timedelta = timedelta(hours=1),
        offline: bool = False,
        attempts: int = 5,
        backoff_s: float = 2.0,
        max_wait_s: float = 120.0,
        timeout_s: float = 30.0,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.store = RawStore(cache)
        self.max_age = max_age
        self.offline = offline
        self.attempts = attempts
        self.backoff_s = backoff_s
        self.max_wait_s = max_wait_s
        self.timeout_s = timeout_s
        self.clock = clock
        self._session = session
        self._sleep = sleep
        self._buckets: dict[str, Bucket] = {}

    def answer(
        self, request: Request, ask: Callable[[], bytes], *, name: str, rate: Rate, fresh: bool = False
    ) -> RawResponse:
        """The answer to `request`: a stored one while it is young, else what `ask` brings, stored first.

        `ask` raises Busy when it is worth asking again. Raises SourceUnavailable, with the way out.
        """
        cached = self.store.latest(request.url)
        if cached is not None and not fresh and self._is_young(cached, request):
            return cached
        if self.offline:
            raise SourceUnavailable(
                f"{name}: {request.url} is not in the cache {self.store.folder}; run once online"
                if cached is None
                else f"{name}: the stored answer to {request.url} cannot be used; run once online"
            )
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=self._wait_for,
            retry=tenacity.retry_if_exception_type(Busy),
            sleep=self._sleep,
            reraise=True,
        )
        bucket = self._bucket(request.url, rate)
        try:
            body, requested_at = retrying(self._ask_once, ask, bucket)
        except Busy as busy:
            raise SourceUnavailable(f"{name}: {request.url}: {busy}. {_cached_text(cached)}") from busy
        return self.store.save(request.url, body, requested_at=requested_at, status=requests.codes.ok)

    def get(
        self,
        request: Request,
        *,
        name: str,
        rate: Rate,
        headers: Mapping[str, str] | None = None,
        secret: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> RawResponse:
        """The answer to an HTTP GET. `headers` and `secret` (parameters) may hold a key: they are sent, never stored or
        shown, and never carried on to another address that the answer points to.
        """
        return self.answer(
            request, lambda: self._get(request.url, name, headers or {}, secret), name=name, rate=rate, fresh=fresh
        )

    def _is_young(self, cached: RawResponse, request: Request) -> bool:
        return self.offline or request.is_closed or self.clock() - cached.requested_at <= self.max_age

    def _bucket(self, url: str, rate: Rate) -> Bucket:
        host = urlsplit(url).netloc
        if host not in self._buckets:
            self._buckets[host] = Bucket(rate, clock=self.clock, sleep=self._sleep)
        return self._buckets[host]

    def _ask_once(self, ask: Callable[[], bytes], bucket: Bucket) -> tuple[bytes, datetime]:
        bucket.take()
        requested_at = self.clock()
        return ask(), requested_at

    def _wait_for(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next attempt: what the provider said, else twice as long each time."""
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.wait_s if isinstance(error, Busy) else None
        return asked if asked is not None else min(self.backoff_s * 2.0 ** (state.attempt_number - 1), self.max_wait_s)

    def _get(self, url: str, name: str, headers: Mapping[str, str], secret: Mapping[str, str] | None) -> bytes:
        if self._session is None:
            self._session = requests.Session()
        try:
            answer = self._session.get(
                url,
                headers={"accept": ACCEPT, **headers},
                params=secret,
                timeout=self.timeout_s,
                allow_redirects=not headers and not secret,
            )
        except requests.RequestException as error:
            # the text of the error may hold the key: only its kind is shown
            raise Busy(f"no answer ({type(error).__name__})") from None
        status = answer.status_code
        if status in RETRY_STATUS:
            wait_s = _retry_after(answer.headers.get("Retry-After"), self.clock())
            if wait_s is not None and wait_s > self.max_wait_s:
                until = utc_text((self.clock() + timedelta(seconds=wait_s)).replace(microsecond=0))
                raise SourceUnavailable(
                    f"{name}: {url} answered {status} and asks to wait {wait_s:.0f} s, longer than {self.max_wait_s:.0f} s; "
                    f"run again after {until}"
                )
            raise Busy(f"answered {status}, {_busy_text(status)}", wait_s=wait_s)
        if status != requests.codes.ok:
            raise SourceUnavailable(f"{name}: {url} answered {status}: {_advice(status)}")
        if len(answer.content) > MAX_BODY:
            raise SourceUnavailable(
                f"{name}: {url} answered {len(answer.content)} bytes, more than {MAX_BODY}; ask for fewer coins or days"
            )
        return answer.content


def _retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header: a number, or a date in HTTP's form; None when it is neither."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds(), 0.0)


def _busy_text(status: int) -> str:
    if status == requests.codes.too_many_requests:
        return "too many calls, even after waiting; ask for fewer coins, or set a key"
    return "its own trouble; try again later"


def _advice(status: int) -> str:
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        return "refused; check the key and what its plan allows"
    if status == requests.codes.not_found:
        return "no such thing there; check the ids and how they are named by this provider"
    if status == requests.codes.bad_request:
        return "it does not understand the question; check ids and dates"
    if 300 <= status < 400:
        return "it points to another address, and a key is not carried there; look at the page of its API"
    return "not an answer we know; look at the page of its API"


def _cached_text(cached: RawResponse | None) -> str:
    if cached is None:
        return "Nothing is cached; check the connection"
    return f"A copy of {utc_text(cached.requested_at)} is cached: use offline=True to work with it"
