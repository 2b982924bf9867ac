"""Coin Metrics' community API v4: prices, supplies and what happens on chain, by day.

No key, ten calls in six seconds, CC BY-NC 4.0. A row of day D closes at its end and is known at the next midnight.
Metrics or assets that the community tier does not have are left out of the answer, not an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from offchain.market.coinmetrics import ASSETS, METRICS, SHIFT
from offchain.market.store import RawResponse
from offchain.sources.door import Door
from offchain.sources.source import DAY, Rate, Reading, Request, Rows, list_of, number, odd, read_object

NAME = "Coin Metrics"
BASE = "https://community-api.coinmetrics.io/v4"
PATH = f"{BASE}/timeseries/asset-metrics"
PAGE_SIZE = 10_000
ASSETS_PER_REQUEST = 50
RATE = Rate(calls=10, seconds=6.0)


class CoinMetricsSource:
    """`assets`: {id: Coin Metrics' name}; coins that are not in it are not asked for."""

    name = NAME

    def __init__(
        self,
        door: Door,
        *,
        metrics: Sequence[str] = tuple(METRICS),
        assets: Mapping[str, str] | None = None,
        rate: Rate = RATE,
    ) -> None:
        self.door = door
        self.metrics = tuple(metrics)
        self.assets = {coin: asset for asset, coin in ASSETS.items()} if assets is None else dict(assets)
        self.rate = rate

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(METRICS[name] for name in self.metrics)

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        assets = sorted(self.assets[coin] for coin in ids if coin in self.assets)
        chunks = [assets[first : first + ASSETS_PER_REQUEST] for first in range(0, len(assets), ASSETS_PER_REQUEST)]
        return [self._request(chunk, start, end) for chunk in chunks]

    def _request(self, assets: Sequence[str], start: date, end: date) -> Request:
        query = {
            "assets": ",".join(assets),
            "metrics": ",".join(self.metrics),
            "frequency": "1d",
            "start_time": (start - SHIFT).isoformat(),
            "end_time": (end - SHIFT).isoformat(),
            "page_size": PAGE_SIZE,
            "paging_from": "start",
            "ignore_forbidden_errors": "true",
            "ignore_unsupported_errors": "true",
        }
        return Request(
            url=f"{PATH}?{urlencode(sorted(query.items()))}", is_closed=end + 2 * DAY < self.door.clock().date()
        )

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        return self.door.get(request, name=NAME, rate=self.rate, fresh=fresh)

    def owns(self, url: str) -> bool:
        return url.startswith(PATH)

    def parse(self, answer: RawResponse) -> Reading:
        data = read_object(answer, NAME)
        rows = Rows(source=NAME, answer=answer)
        names = {asset: coin for coin, asset in self.assets.items()}
        for row in list_of(data, "data", answer, NAME):
            asset = row.get("asset") if isinstance(row, dict) else None
            if not isinstance(row, dict) or not isinstance(asset, str):
                raise odd(answer, NAME, f"a row is {str(row)[:60]}")
            at = _time(row.get("time"), answer) + SHIFT
            for metric, name in METRICS.items():
                if metric in row:
                    value = number(row[metric], answer, NAME, what=f"{metric} of {asset}")
                    rows.add(at, names.get(asset, asset), name, value)
        return Reading(rows=rows.frame(), more=self._next(data, answer))

    def _next(self, data: Mapping[str, object], answer: RawResponse) -> Request | None:
        url = data.get("next_page_url")
        if url is None:
            return None
        # an answer must not be able to send us anywhere else
        if not isinstance(url, str) or not url.startswith(PATH) or url == answer.url:
            raise odd(answer, NAME, f"next_page_url = {str(url)[:80]!r}")
        return Request(url=url)


def _time(text: object, answer: RawResponse) -> datetime:
    """'2024-01-01T00:00:00.000000000Z', nine digits of a second."""
    try:
        head, _, fraction = str(text).removesuffix("Z").partition(".")
        at = datetime.fromisoformat(head).replace(tzinfo=UTC)
    except ValueError as error:
        raise odd(answer, NAME, f"time = {str(text)[:40]!r}") from error
    if fraction.strip("0") or (at.hour, at.minute, at.second) != (0, 0, 0):
        raise odd(answer, NAME, f"time = {text} is no midnight, expected daily rows")
    return at
