"""Texts about coins: three kinds of feed, read into sentiment and mentions by day.

reading    RSS, Atom, JSON · times in every form · tags and entities gone
days       known at the midnight after · the future left out · copies once · edits do not count · feeds add up
coins      tickers exactly, names in any case, whole words only
failures   web pages, other documents, truncated, empty, scorers that score wrongly
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from source_answers import HTML, NOW, RecordedSession, Time, door, in_turn

from offchain.errors import MarketDataError, SourceUnavailable
from offchain.market.store import RawResponse, RawStore
from offchain.signals import scores
from offchain.sources.source import Request
from offchain.sources.texts import TextSource, pattern_of, plain_text, read_items

FEEDS = ("https://news.example/news.rss", "https://blog.example/blog.atom", "https://posts.example/posts.json")
TERMS = {"bitcoin": ("Bitcoin", "BTC"), "ethereum": ("ethereum", "ETH"), "aave": ("Aave",)}
GOOD, BAD = ("gains", "rallies", "strong"), ("hacked", "falls", "losses")


def score(texts: Sequence[str]) -> list[float]:
    """A word counter: (good − bad) / (good + bad)."""
    answer = []
    for text in texts:
        good = sum(text.lower().count(word) for word in GOOD)
        bad = sum(text.lower().count(word) for word in BAD)
        answer.append((good - bad) / (good + bad) if good + bad else 0.0)
    return answer


def feeds(folder: Path, **more: object) -> TextSource:
    known: dict[str, object] = {"feeds": FEEDS, "terms": TERMS, "score": score} | more
    return TextSource(door(folder), **known)  # type: ignore[arg-type]


def gathered(source: TextSource) -> dict[tuple[str, str, str], float]:
    answers = [source.fetch(request) for request in source.requests((), NOW.date(), NOW.date())]
    rows = source.gather(answers).rows
    return {(f"{row.date:%m-%d}", str(row.id), str(row.field)): float(str(row.value)) for row in rows.itertuples()}


def stored(folder: Path, body: bytes, url: str = FEEDS[2], *, days: int = 0) -> RawResponse:
    return RawStore(folder).save(url, body, requested_at=NOW + timedelta(days=days), status=200)


def test_sentiment_and_mentions_by_day_over_all_feeds(tmp_path: Path) -> None:
    """D4, V8: by hand. 6 January: news-1 (BTC, +1), its copy p2, p1 (BTC, +1). 7th: p3 (none, at its first second
    of the day). The 7th in New York's evening of the 6th: news-2 (ETH, −1); the blog (ETH, +1).
    """
    found = gathered(feeds(tmp_path))
    assert found[("01-07", "bitcoin", "mentions")] == 2
    assert found[("01-07", "bitcoin", "sentiment")] == 1.0
    assert found[("01-07", "ethereum", "mentions")] == 0
    assert ("01-07", "ethereum", "sentiment") not in found
    # p3 scores 0 and was published at the very midnight, when it was known
    assert found[("01-07", "", "market_sentiment")] == pytest.approx(2 / 3, abs=1e-12)
    assert found[("01-08", "ethereum", "mentions")] == 2
    assert found[("01-08", "ethereum", "sentiment")] == 0.0
    assert found[("01-08", "aave", "mentions")] == 0
    assert max(day for day, _, _ in found) == "01-08"


def test_copies_count_once_and_texts_from_the_future_wait(tmp_path: Path) -> None:
    source = feeds(tmp_path)
    answers = [source.fetch(request) for request in source.requests((), NOW.date(), NOW.date())]
    assert {(row.code, row.count) for row in source.gather(answers).findings} == {
        ("copied-text", 1),
        ("text-from-the-future", 1),
    }


def test_a_feed_adds_up_over_time_and_its_edits_do_not_count(tmp_path: Path) -> None:
    """D4, D11: an item counts as it was first seen; items that scrolled out of the feed stay."""
    first = {"items": [{"id": 1, "text": "Bitcoin gains", "time": "2025-01-08T10:00:00Z"}]}
    later = {
        "items": [
            {"id": 1, "text": "Bitcoin falls", "time": "2025-01-08T10:00:00Z"},
            {"id": 2, "text": "Bitcoin is strong", "time": "2025-01-10T11:00:00Z"},
        ]
    }
    answers = [stored(tmp_path, json.dumps(body).encode(), days=day) for day, body in enumerate((first, later))]
    rows = feeds(tmp_path).gather(answers).rows
    about = rows[(rows["id"] == "bitcoin") & (rows["field"] == "sentiment")]
    assert about["value"].tolist() == [1.0, 1.0]
    assert [f"{day:%m-%d}" for day in about["date"]] == ["01-09", "01-11"]


def test_feeds_that_number_their_items_alike_do_not_hide_each_other(tmp_path: Path) -> None:
    body = '[{"id": 1, "text": "Bitcoin %s", "time": "2025-01-08T10:00:00Z"}]'
    answers = [
        stored(tmp_path, (body % word).encode(), url) for word, url in zip(("gains", "falls"), FEEDS, strict=False)
    ]
    rows = feeds(tmp_path).gather(answers).rows
    assert rows[rows["field"] == "mentions"].set_index("id")["value"]["bitcoin"] == 2


def test_one_author_counts_with_three_texts_a_day(tmp_path: Path) -> None:
    """D4, V8: a campaign of a hundred texts by one author weighs as much as three."""
    posts = [
        {"id": n, "text": f"Bitcoin gains {n}", "time": "2025-01-08T10:00:00Z", "author": {"name": "eve"}}
        for n in range(100)
    ]
    posts += [{"id": -n, "text": f"Bitcoin falls {n}", "time": "2025-01-08T11:00:00Z"} for n in range(1, 5)]
    rows = feeds(tmp_path).gather([stored(tmp_path, json.dumps(posts).encode())]).rows
    found = rows[rows["id"] == "bitcoin"].set_index("field")["value"]
    assert found["mentions"] == 3 + 4
    assert found["sentiment"] == pytest.approx((3 - 4) / 7, abs=1e-12)
    whole = rows[rows["field"] == "market_sentiment"]
    assert whole["value"].tolist() == pytest.approx([(3 - 4) / 7], abs=1e-12)


@pytest.mark.parametrize(
    ("body", "author"),
    [
        (b'[{"id": 1, "text": "x", "time": 1736157600, "authors": [{"name": "ann"}]}]', "ann"),
        (b'[{"id": 1, "text": "x", "time": 1736157600, "user": "bob"}]', "bob"),
        (
            b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id><title>x</title><updated>2025-01-06T00:00:00Z</updated>'
            b"<author><name>eve</name></author></entry></feed>",
            "eve",
        ),
        (
            b'<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><item><guid>1</guid><title>x</title><dc:creator>joe</dc:creator>'
            b"<pubDate>Mon, 06 Jan 2025 09:30:00 GMT</pubDate></item></rss>",
            "joe",
        ),
    ],
)
def test_authors_are_found_in_each_kind_of_feed(tmp_path: Path, body: bytes, author: str) -> None:
    assert read_items(stored(tmp_path, body))[0].author == author


def test_the_lexicon_that_ships_scores_the_recorded_feeds(tmp_path: Path) -> None:
    """D4: from recorded feeds to a market's sentiment without a network or a model's weights."""
    found = gathered(feeds(tmp_path, score=scores))
    assert found[("01-07", "bitcoin", "sentiment")] > 0.2
    assert found[("01-08", "", "market_sentiment")] < found[("01-07", "", "market_sentiment")]


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("2025-01-06T10:00:00+02:00", "2025-01-06T08:00:00+00:00"),
        ("2025-01-06 10:00:00", "2025-01-06T10:00:00+00:00"),
        ("Mon, 06 Jan 2025 10:00:00 -0100", "2025-01-06T11:00:00+00:00"),
        (1736157600, "2025-01-06T10:00:00+00:00"),
    ],
)
def test_times_are_read_in_every_form(tmp_path: Path, written: object, at: str) -> None:
    body = json.dumps([{"id": "a", "title": "x", "published_at": written}]).encode()
    assert read_items(stored(tmp_path, body))[0].at.isoformat() == at


def test_text_is_plain_and_bounded() -> None:
    assert plain_text(["<p>A &amp; <b>B</b></p>", "&lt;script&gt;x", "  c\n d "]) == "A & B x c d"
    assert len(plain_text(["a" * 9_000])) == 5_000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("BTC up", True),
        ("$BTC up", True),
        ("btc up", False),
        ("bitcoin's day", True),
        ("BITCOIN", True),
        ("bitcoins", False),
        ("WBTC", False),
    ],
)
def test_tickers_match_exactly_and_names_in_any_case_as_whole_words(text: str, found: bool) -> None:
    assert bool(pattern_of(("Bitcoin", "BTC")).search(text)) == found


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (HTML, "a document with its own definitions, such as a web page"),
        (b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "b">]><rss/>', "its own definitions"),
        ('<?xml version="1.0" encoding="utf-16-le"?><!DOCTYPE r><rss/>'.encode("utf-16-le"), "its own definitions"),
        (b"<html><body>hello</body></html>", "<html> is neither RSS nor Atom"),
        (b"<rss><channel><item>", "not XML"),
        (b"<rss><channel><item><title>x</title></item></channel></rss>", "an item without id or time"),
        (b"<rss><channel><item><guid>1</guid><pubDate>soon</pubDate></item></channel></rss>", "time = 'soon'"),
        (b"", "not JSON"),
        (b'{"items": [', "not JSON"),
        (b'{"error": "no"}', "no list of items"),
        (b"[7]", "an item is 7"),
        (b'[{"id": 1, "text": "x"}]', "an item without id or time"),
        (b'[{"id": 1, "text": "x", "time": 1e300}]', "time = '1e+300'"),
    ],
)
def test_what_is_no_feed_is_refused(tmp_path: Path, body: bytes, says: str) -> None:
    with pytest.raises(SourceUnavailable) as refusal:
        read_items(stored(tmp_path, body))
    assert says in str(refusal.value)


def test_an_empty_feed_says_nothing(tmp_path: Path) -> None:
    source = feeds(tmp_path)
    assert source.parse(stored(tmp_path, b"[]")).rows.empty
    assert read_items(stored(tmp_path, b'[{"id": 1, "text": " ", "time": 1736157600}]')) == []


@pytest.mark.parametrize(
    "wrong", [lambda texts: [], lambda texts: [7.0] * len(texts), lambda texts: [float("nan")] * len(texts)]
)
def test_a_scorer_that_scores_wrongly_is_refused(tmp_path: Path, wrong: object) -> None:
    with pytest.raises(MarketDataError, match="a scorer gives one of -1..1 for each"):
        gathered(feeds(tmp_path, score=wrong))


def test_terms_without_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match="give at least one word"):
        feeds(tmp_path, terms={"bitcoin": ()})


def test_a_busy_feed_is_given_up_after_waiting(tmp_path: Path) -> None:
    time = Time()
    way = door(tmp_path, RecordedSession(in_turn((503, b""))), time=time)
    source = TextSource(way, feeds=FEEDS, terms=TERMS, score=score)
    with pytest.raises(SourceUnavailable, match="answered 503, its own trouble"):
        source.fetch(Request(url=FEEDS[0]))
    assert len(time.slept) == 4
    assert source.owns(FEEDS[0]) and not source.owns("https://other.example/")
