"""CoinGecko: price, market cap and volume of a coin by day.

One request per coin and range, answered by `/coins/{id}/market_chart/range`. Ids are CoinGecko's own. The public plan
reaches back 365 days, so longer histories are collected by asking regularly: the store keeps every answer.
Symbols, names and tags: `offchain.market.coingecko.CoinGecko.listing`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import date
from urllib.parse import quote, unquote, urlencode, urlsplit

import pandas as pd

from offchain.errors import MarketDataError, did_you_mean
from offchain.market.coingecko import KEY_VARIABLE, PLANS, read_chart
from offchain.market.store import RawResponse
from offchain.sources.door import Door
from offchain.sources.source import DAY, Rate, Reading, Request, Rows, unix

NAME = "CoinGecko"
FIELDS = ("price", "market_cap", "volume")
PATH = "/market_chart/range"
RATE = Rate(calls=24, seconds=60.0)


class CoinGeckoSource:
    """The public or the paid API. The key comes from COINGECKO_API_KEY and goes into a header."""

    name = NAME
    fields = FIELDS

    def __init__(self, door: Door, *, plan: str = "demo", rate: Rate = RATE) -> None:
        if plan not in PLANS:
            raise MarketDataError(f'CoinGecko plan "{plan}": use {" or ".join(PLANS)}.{did_you_mean(plan, PLANS)}')
        self.door = door
        self.rate = rate
        self.base_url, self._key_header = PLANS[plan]

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        # a day more at the end: the last midnight must not fall out by rounding
        query = {"vs_currency": "usd", "from": unix(start), "to": unix(end + DAY), "interval": "daily"}
        text = urlencode(sorted(query.items()))
        return [
            Request(url=f"{self.base_url}/coins/{quote(coin, safe='')}{PATH}?{text}", is_closed=self._is_over(end))
            for coin in sorted(ids)
        ]

    def _is_over(self, end: date) -> bool:
        return end + 2 * DAY < self.door.clock().date()

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        key = os.environ.get(KEY_VARIABLE, "")
        headers = {self._key_header: key} if key else {}
        return self.door.get(request, name=NAME, rate=self.rate, headers=headers, fresh=fresh)

    def owns(self, url: str) -> bool:
        return any(url.startswith(base) for base, _ in PLANS.values()) and urlsplit(url).path.endswith(PATH)

    def parse(self, answer: RawResponse) -> Reading:
        coin = unquote(urlsplit(answer.url).path.removesuffix(PATH).rsplit("/", 1)[-1])
        rows = Rows(source=NAME, answer=answer)
        chart = read_chart(answer, coin)
        times = pd.DatetimeIndex(chart["date"]).to_pydatetime()
        for name in FIELDS:
            for at, value in zip(times, chart[name].tolist(), strict=True):
                # CoinGecko writes 0 for a price or a market cap that it does not know
                rows.add(at, coin, name, math.nan if value == 0 and name != "volume" else value)
        return Reading(rows=rows.frame())
