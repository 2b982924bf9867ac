"""Providers without a network: a session that answers from functions, a clock that only sleeping moves, a door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

from offchain.sources.door import Door

RECORDED = Path(__file__).resolve().parent.parent / "data"
NOW = datetime(2025, 1, 10, 10, 0, 5, tzinfo=UTC)
Answer = tuple[int, bytes] | tuple[int, bytes, Mapping[str, str]]

HTML = b"<!DOCTYPE html><html><body>Checking your browser</body></html>"


def recorded(url: str) -> Answer:
    """The recorded answer to a URL of any provider."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "coinmetrics" in parts.netloc:
        name = "coinmetrics/page_2.json" if "next_page_token" in query else "coinmetrics/page_1.json"
    elif "llama" in parts.netloc:
        name = "defillama/uniswap_dex.json" if "/summary/" in parts.path else "defillama/uniswap.json"
    elif "stlouisfed" in parts.netloc:
        suffix = "_first" if query.get("output_type") == ["4"] else ""
        name = f"fred/{query['series_id'][0]}{suffix}.json"
    elif "coingecko" in parts.netloc:
        name = f"coingecko/{parts.path.split('/')[-3]}_chart.json"
    else:
        name = f"feeds/{parts.path.rsplit('/', 1)[-1]}"
    return 200, (RECORDED / name).read_bytes()


class RecordedSession(requests.Session):
    """Answers from a function and remembers what was asked and sent."""

    def __init__(self, respond: Callable[[str], Answer] = recorded) -> None:
        super().__init__()
        self.respond = respond
        self.asked: list[str] = []
        self.sent: list[dict[str, object]] = []

    def get(self, url: str, **settings: object) -> requests.Response:  # type: ignore[override]
        self.asked.append(url)
        self.sent.append(dict(settings))
        found = self.respond(url)
        answer = requests.Response()
        answer.status_code, answer._content = found[0], found[1]
        if len(found) == 3:
            answer.headers.update(found[2])
        return answer


class Time:
    """A clock that only sleeping moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.slept: list[float] = []

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def door(
    folder: Path, session: requests.Session | None = None, *, time: Time | None = None, **settings: object
) -> Door:
    """A door without a network."""
    at = time or Time()
    return Door(cache=folder, session=session or RecordedSession(), clock=at.clock, sleep=at.sleep, **settings)  # type: ignore[arg-type]


def in_turn(*answers: Answer) -> Callable[[str], Answer]:
    """One answer after the other, the last one for ever."""
    left = list(answers)
    return lambda url: left.pop(0) if len(left) > 1 else left[0]
