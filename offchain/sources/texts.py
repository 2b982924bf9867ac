"""Texts about coins: news and posts from any RSS, Atom or JSON feed, scored by whoever knows how to.

    source = TextSource(door, feeds=["https://…/rss"], terms={"bitcoin": ("Bitcoin", "BTC")}, score=score)

`score` takes texts and gives -1..1 for each. A text counts for the 24 hours in which it was published and is known at
the midnight after; a text that says it is from the future is left out. Feeds show only their newest items, so the
store is read as a whole: every answer ever fetched adds the items it had. The same text again, copied by another
feed, counts once a day, and one author with at most three texts a day and coin: a campaign has to be paid for.

`read_items` gives the texts themselves, for whoever wants to count in another way. `score`: for instance `scores` of
offchain.signals, which needs no network.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

from offchain.errors import MarketDataError
from offchain.market.store import RawResponse
from offchain.market.validation import Finding
from offchain.sources.door import Door
from offchain.sources.source import WHOLE_MARKET, Rate, Reading, Request, Rows, next_midnight, odd, read_json

NAME = "feed"
FIELDS = ("sentiment", "mentions", "market_sentiment")
RATE = Rate(calls=10, seconds=60.0)
MAX_TEXT = 5_000  # characters of one item that are read
AUTHOR_TEXTS = 3  # a day and coin

Score = Callable[[Sequence[str]], Sequence[float]]

# where feeds keep a list of items, an item's id, its time and its text; the first that is there counts
LISTS = ("items", "articles", "results", "data", "posts")
IDS = ("id", "guid", "url", "link")
TIMES = ("date_published", "published_at", "publishedAt", "published_on", "created_at", "created_utc", "time", "date")
TEXTS = ("title", "headline", "summary", "description", "content_text", "content_html", "body", "selftext", "text")


@dataclass(frozen=True, kw_only=True)
class TextItem:
    """One text. `at`: when it was published; `text`: plain, title first; `author`: empty when nobody signed."""

    id: str
    at: datetime
    text: str
    author: str = ""


class TextSource:
    """Feeds as one source. `terms`: {id: words that name the coin}; all-capital words are tickers and match exactly."""

    name = NAME
    fields = FIELDS

    def __init__(
        self,
        door: Door,
        *,
        feeds: Sequence[str],
        terms: Mapping[str, Sequence[str]],
        score: Score,
        rate: Rate = RATE,
    ) -> None:
        self.door = door
        self.feeds = tuple(feeds)
        self.rate = rate
        self._score = score
        self._patterns = {coin: pattern_of(words) for coin, words in sorted(terms.items())}

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        return [Request(url=url) for url in self.feeds]

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        return self.door.get(request, name=NAME, rate=self.rate, fresh=fresh)

    def owns(self, url: str) -> bool:
        return url in self.feeds

    def parse(self, answer: RawResponse) -> Reading:
        return self.gather([answer])

    def gather(self, answers: Sequence[RawResponse]) -> Reading:
        """What all stored answers say together; they are given oldest first."""
        items: dict[tuple[str, str], TextItem] = {}
        future = 0
        for answer in answers:
            for item in read_items(answer):
                future += item.at > answer.requested_at
                if item.at <= answer.requested_at:
                    # the first version of an item counts, later ones were edited; two feeds may number alike
                    items.setdefault((answer.url, item.id), item)
        unique, copies = _without_copies(items.values())
        rows = Rows(source=NAME, answer=answers[-1])
        for at, day in _by_day(unique).items():
            scores = self._scores([item.text for item in day])
            scored = list(zip(day, scores, strict=True))
            rows.add(at, WHOLE_MARKET, "market_sentiment", _mean(_limited(scored)))
            for coin, pattern in self._patterns.items():
                about = _limited([(item, score) for item, score in scored if pattern.search(item.text)])
                rows.add(at, coin, "mentions", float(len(about)))
                if about:
                    rows.add(at, coin, "sentiment", _mean(about))
        return Reading(rows=rows.frame(), findings=_findings(copies, future))

    def _scores(self, texts: Sequence[str]) -> list[float]:
        scores = [float(score) for score in self._score(texts)]
        if len(scores) != len(texts) or not all(-1.0 <= score <= 1.0 for score in scores):
            raise MarketDataError(
                f"scores of {len(texts)} texts are {scores[:5]}…; a scorer gives one of -1..1 for each"
            )
        return scores


def pattern_of(words: Sequence[str]) -> re.Pattern[str]:
    """What finds any of these words as whole words: tickers ("BTC", also "$BTC") exactly, names in any case."""
    if not words or not all(word.strip() for word in words):
        raise MarketDataError(f"terms {list(words)}: give at least one word that names the coin")
    parts = [re.escape(word) if word.isupper() else f"(?i:{re.escape(word)})" for word in words]
    return re.compile(rf"(?<![\w]){'(?:' + '|'.join(parts) + ')'}(?![\w])")


# --- reading feeds ----------------------------------------------------------------------------------------------------


def read_items(answer: RawResponse) -> list[TextItem]:
    """The items of a stored RSS, Atom or JSON feed. Raises SourceUnavailable for anything else, such as a web page."""
    start = answer.body.lstrip()[:1]
    found = _xml_items(answer) if start == b"<" else _json_items(answer)
    return [item for item in found if item.text]


def _json_items(answer: RawResponse) -> list[TextItem]:
    data = read_json(answer, NAME)
    if isinstance(data, dict):
        data = next((data[key] for key in LISTS if isinstance(data.get(key), list)), None)
    if not isinstance(data, list):
        raise odd(answer, NAME, f"no list of items under {', '.join(LISTS)}")
    return [_json_item(row, answer) for row in data]


def _json_item(row: object, answer: RawResponse) -> TextItem:
    if not isinstance(row, dict):
        raise odd(answer, NAME, f"an item is {str(row)[:60]}")
    item_id = next((str(row[key]) for key in IDS if row.get(key) not in (None, "")), "")
    at = next((row[key] for key in TIMES if row.get(key) not in (None, "")), None)
    texts = [str(row[key]) for key in TEXTS if isinstance(row.get(key), str)]
    if not item_id or at is None:
        raise odd(answer, NAME, f"an item without id or time: {str(row)[:60]}")
    return TextItem(id=item_id, at=_time(at, answer), text=plain_text(texts), author=_author(row))


def _author(row: Mapping[str, object]) -> str:
    """A name as text, in an object with a name, or the first of a list of these."""
    found = row.get("author") or row.get("authors") or row.get("user") or ""
    if isinstance(found, list):
        found = found[0] if found else ""
    if isinstance(found, dict):
        found = found.get("name") or found.get("username") or ""
    return str(found)


def _xml_items(answer: RawResponse) -> list[TextItem]:
    # a feed has no use for its own entities, and an attacker has; zero bytes would hide them in another encoding
    if any(sign in answer.body for sign in (b"<!DOCTYPE", b"<!doctype", b"<!ENTITY", b"\x00")):
        raise odd(answer, NAME, "a document with its own definitions, such as a web page")
    try:
        root = ElementTree.fromstring(answer.body)
    except ElementTree.ParseError as error:
        raise odd(answer, NAME, f"not XML: {error}") from error
    items = [node for node in root.iter() if _tag(node) in ("item", "entry")]
    if _tag(root) not in ("rss", "feed", "rdf"):
        raise odd(answer, NAME, f"<{_tag(root)}> is neither RSS nor Atom")
    return [_xml_item(node, answer) for node in items]


def _xml_item(node: ElementTree.Element, answer: RawResponse) -> TextItem:
    parts: dict[str, str] = {}
    for child in node:
        # an Atom author holds its name in an element of its own
        text = (child.text or "").strip() or child.get("href", "") or "".join(child.itertext()).strip()
        if text:
            parts.setdefault(_tag(child), text)
    item_id = parts.get("guid") or parts.get("id") or parts.get("link") or ""
    at = parts.get("pubdate") or parts.get("published") or parts.get("updated") or parts.get("date")
    if not item_id or at is None:
        raise odd(answer, NAME, f"an item without id or time: {sorted(parts)}")
    return TextItem(
        id=item_id,
        at=_time(at, answer),
        text=plain_text([parts[key] for key in ("title", "description", "summary", "content") if key in parts]),
        author=parts.get("creator") or parts.get("author") or "",
    )


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rsplit("}", 1)[-1].lower()


def plain_text(parts: Iterable[str]) -> str:
    """The parts as one plain text: without tags, with single spaces, at most MAX_TEXT characters."""
    joined = " ".join(re.sub(r"<[^<>]*>", " ", html.unescape(part)) for part in parts)
    return " ".join(joined.split())[:MAX_TEXT]


def _time(value: object, answer: RawResponse) -> datetime:
    """A time as ISO 8601, as in mails, or in Unix seconds; without a zone it is UTC."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, tz=UTC)
        text = str(value).strip()
        at = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise odd(answer, NAME, f"time = {str(value)[:40]!r}") from error


# --- days -------------------------------------------------------------------------------------------------------------


def _without_copies(items: Iterable[TextItem]) -> tuple[list[TextItem], list[TextItem]]:
    """(items, copies): the earliest of the items with the same words on one day counts."""
    kept: dict[tuple[datetime, str], TextItem] = {}
    copies = []
    for item in sorted(items, key=lambda row: (row.at, row.id)):
        key = (next_midnight(item.at), item.text.casefold())
        if key in kept:
            copies.append(item)
        else:
            kept[key] = item
    return list(kept.values()), copies


def _by_day(items: Sequence[TextItem]) -> dict[datetime, list[TextItem]]:
    days: dict[datetime, list[TextItem]] = {}
    for item in items:
        days.setdefault(next_midnight(item.at), []).append(item)
    return days


def _limited(scored: Sequence[tuple[TextItem, float]]) -> list[float]:
    """The scores of one day, of each author the first AUTHOR_TEXTS; texts that nobody signed are all counted."""
    kept: list[float] = []
    spoken: dict[str, int] = {}
    for item, score in scored:
        spoken[item.author] = spoken.get(item.author, 0) + 1
        if not item.author or spoken[item.author] <= AUTHOR_TEXTS:
            kept.append(score)
    return kept


def _mean(scores: Sequence[float]) -> float:
    # on a grid, so that the order of the texts cannot be seen in the last bits
    return round(sum(sorted(scores)) / len(scores), 12)


def _findings(copies: Sequence[TextItem], future: int) -> tuple[Finding, ...]:
    found = []
    if copies:
        found.append(Finding(code="copied-text", count=len(copies), example=copies[0].text[:60], action="counted once"))
    if future:
        action = "left out until its time has come"
        found.append(
            Finding(code="text-from-the-future", count=future, example="published after it was read", action=action)
        )
    return tuple(found)
