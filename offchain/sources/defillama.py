"""DefiLlama: the value locked in a protocol, and what is traded on it, by day. Open API, no key.

`/protocol/{slug}` gives points [Unix seconds, USD] at midnights; the last one is of the running day and left out. It
is not documented at which time of a day its point is taken, so a point of day D counts as known at the next midnight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from urllib.parse import quote, unquote, urlsplit

from offchain.market.store import RawResponse
from offchain.sources.door import Door
from offchain.sources.source import DAY, Rate, Reading, Request, Rows, list_of, moment, number, odd, read_object

NAME = "DefiLlama"
BASE = "https://api.llama.fi"
TVL = "/protocol/"
DEX = "/summary/dexs/"
FIELDS = ("tvl", "dex_volume")
RATE = Rate(calls=60, seconds=60.0)


class DefiLlamaSource:
    """`protocols`: {id: slug}, `exchanges`: {id: slug} of the coins whose protocol is itself a place to trade."""

    name = NAME
    fields = FIELDS

    def __init__(
        self,
        door: Door,
        *,
        protocols: Mapping[str, str],
        exchanges: Mapping[str, str] | None = None,
        rate: Rate = RATE,
    ) -> None:
        self.door = door
        self.protocols = dict(protocols)
        self.exchanges = dict(exchanges or {})
        self.rate = rate

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        # the whole history comes with every answer, so the range is no part of the question
        tvl = [f"{BASE}{TVL}{quote(self.protocols[coin], safe='')}" for coin in sorted(ids) if coin in self.protocols]
        dex = [
            f"{BASE}{DEX}{quote(self.exchanges[coin], safe='')}?dataType=dailyVolume"
            for coin in sorted(ids)
            if coin in self.exchanges
        ]
        return [Request(url=url) for url in (*tvl, *dex)]

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        return self.door.get(request, name=NAME, rate=self.rate, fresh=fresh)

    def owns(self, url: str) -> bool:
        return url.startswith((BASE + TVL, BASE + DEX))

    def parse(self, answer: RawResponse) -> Reading:
        data = read_object(answer, NAME)
        is_tvl = answer.url.startswith(BASE + TVL)
        slug = unquote(urlsplit(answer.url).path.rsplit("/", 1)[-1])
        coins = [coin for coin, name in (self.protocols if is_tvl else self.exchanges).items() if name == slug]
        points = _tvl_points(data, answer) if is_tvl else _volume_points(data, answer)
        rows = Rows(source=NAME, answer=answer)
        for at, value in sorted(points.items()):
            for coin in coins:
                rows.add(at + DAY, coin, FIELDS[0] if is_tvl else FIELDS[1], value)
        return Reading(rows=rows.frame())


def _tvl_points(data: Mapping[str, object], answer: RawResponse) -> dict[datetime, float]:
    points: dict[datetime, float] = {}
    for point in list_of(data, "tvl", answer, NAME):
        if not isinstance(point, dict) or "date" not in point or "totalLiquidityUSD" not in point:
            raise odd(answer, NAME, f"a point is {str(point)[:60]}, expected date and totalLiquidityUSD")
        _take(points, point["date"], point["totalLiquidityUSD"], answer)
    return points


def _volume_points(data: Mapping[str, object], answer: RawResponse) -> dict[datetime, float]:
    points: dict[datetime, float] = {}
    for point in list_of(data, "totalDataChart", answer, NAME):
        if not isinstance(point, list) or len(point) != 2:
            raise odd(answer, NAME, f"a point is {str(point)[:60]}, expected [seconds, value]")
        _take(points, point[0], point[1], answer)
    return points


def _take(points: dict[datetime, float], seconds: object, value: object, answer: RawResponse) -> None:
    at = moment(seconds, answer, NAME)
    if (at.hour, at.minute, at.second) != (0, 0, 0):
        return  # the running day, written at the time of the answer
    if at in points:
        raise odd(answer, NAME, f"{at:%Y-%m-%d} is said twice")
    points[at] = number(value, answer, NAME, what="value")
