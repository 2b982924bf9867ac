"""FRED of the Federal Reserve Bank of St. Louis: the dollar's short rate, stocks, the dollar's own value, by day.

A free key from the environment variable FRED_API_KEY; it is sent, and never stored or shown. An observation of day D
is known at the next midnight at the earliest; with `first_release` it is the value as first published, known on the
day after its publication, which is what a backtest should read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import date
from urllib.parse import parse_qs, urlencode, urlsplit

from offchain.errors import SourceUnavailable
from offchain.market.store import RawResponse
from offchain.sources.door import Door
from offchain.sources.source import (
    DAY,
    WHOLE_MARKET,
    Rate,
    Reading,
    Request,
    Rows,
    list_of,
    midnight,
    number,
    odd,
    read_object,
)

NAME = "FRED"
BASE = "https://api.stlouisfed.org/fred/series/observations"
KEY_VARIABLE = "FRED_API_KEY"
# effective federal funds rate, S&P 500, broad dollar index; the first is by calendar day, the others by trading day
SERIES = {"rates": "DFF", "equities": "SP500", "dollar": "DTWEXBGS"}
FIRST_RELEASE = "4"
# how far back the dates of publication may go
ALL_TIME = ("1776-07-04", "9999-12-31")
RATE = Rate(calls=120, seconds=60.0)


class FredSource:
    """`series`: {name in fields.py: FRED's id}."""

    name = NAME

    def __init__(
        self,
        door: Door,
        *,
        series: Mapping[str, str] | None = None,
        first_release: bool = False,
        rate: Rate = RATE,
    ) -> None:
        self.door = door
        self.series = dict(SERIES if series is None else series)
        self.first_release = first_release
        self.rate = rate

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.series)

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        asked = []
        for series_id in sorted(self.series.values()):
            query = {
                "series_id": series_id,
                "file_type": "json",
                "observation_start": (start - 7 * DAY).isoformat(),
                "observation_end": end.isoformat(),
            }
            if self.first_release:
                query |= {"output_type": FIRST_RELEASE, "realtime_start": ALL_TIME[0], "realtime_end": ALL_TIME[1]}
            asked.append(Request(url=f"{BASE}?{urlencode(sorted(query.items()))}"))
        return asked

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        key = os.environ.get(KEY_VARIABLE, "")
        if not key and not self.door.offline:
            raise SourceUnavailable(
                f"{NAME}: no key; get a free one from fred.stlouisfed.org, put it into {KEY_VARIABLE}"
            )
        return self.door.get(request, name=NAME, rate=self.rate, secret={"api_key": key}, fresh=fresh)

    def owns(self, url: str) -> bool:
        return url.startswith(BASE)

    def parse(self, answer: RawResponse) -> Reading:
        query = parse_qs(urlsplit(answer.url).query)
        names = [name for name, series_id in self.series.items() if query.get("series_id") == [series_id]]
        is_first = query.get("output_type") == [FIRST_RELEASE]
        values: dict[date, float] = {}
        last = date.min
        for row in list_of(read_object(answer, NAME), "observations", answer, NAME):
            if not isinstance(row, dict) or "value" not in row:
                raise odd(answer, NAME, f"an observation is {str(row)[:60]}, expected date and value")
            day = _day(row.get("date"), answer)
            if day <= last:
                raise odd(answer, NAME, f"{day} is not after {last}")
            last = day
            # of several days published at once the newest counts: it is what was known then
            known = max(day, _day(row.get("realtime_start"), answer)) if is_first else day
            value = number(row["value"], answer, NAME, what=f"value of {day}", unknown=(".",))
            if not math.isnan(value):
                values[known] = value
        rows = Rows(source=NAME, answer=answer)
        for known, value in values.items():
            for name in names:
                rows.add(midnight(known + DAY), WHOLE_MARKET, name, value)
        return Reading(rows=rows.frame())


def _day(text: object, answer: RawResponse) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError as error:
        raise odd(answer, NAME, f"date = {str(text)[:40]!r}") from error
