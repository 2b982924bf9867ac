"""The one way out: what is stored, how long one waits, how often one asks, what is never written down.

cache      fresh ones reused · closed pasts for ever · offline · asked anew
patience   429 with Retry-After in seconds and as a date · 5xx · lost connections · only so often, only so long
limits     a token bucket per host
secrets    sent, never stored, never shown
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from source_answers import NOW, Answer, RecordedSession, Time, door, in_turn

from offchain.errors import SourceUnavailable
from offchain.sources.door import Bucket, Door
from offchain.sources.source import Rate, Request

URL = "https://api.example/data?a=1"
GOOD: Answer = (200, b"[1]")
FAST = Rate(calls=1_000, seconds=1.0)


def get(way: Door, *, url: str = URL, is_closed: bool = False, fresh: bool = False, rate: Rate = FAST) -> bytes:
    return way.get(Request(url=url, is_closed=is_closed), name="Example", rate=rate, fresh=fresh).body


def test_a_young_answer_is_not_asked_for_again_and_an_old_one_is(tmp_path: Path) -> None:
    session, time = RecordedSession(in_turn((200, b"[1]"), (200, b"[2]"), (200, b"[3]"))), Time()
    way = door(tmp_path, session, time=time)
    assert [get(way), get(way)] == [b"[1]", b"[1]"]
    time.now += timedelta(hours=1, seconds=1)
    assert get(way) == b"[2]"
    assert get(way, fresh=True) == b"[3]"
    assert len(session.asked) == 3


def test_an_answer_about_a_closed_past_never_gets_old(tmp_path: Path) -> None:
    session, time = RecordedSession(in_turn((200, b"[1]"), (200, b"[2]"))), Time()
    way = door(tmp_path, session, time=time)
    get(way, is_closed=True)
    time.now += timedelta(days=900)
    assert get(way, is_closed=True) == b"[1]"
    assert get(way) == b"[2]"


def test_every_answer_stays_in_the_store(tmp_path: Path) -> None:
    time = Time()
    way = door(tmp_path, RecordedSession(in_turn((200, b"[1]"), (200, b"[2]"))), time=time)
    get(way)
    time.now += timedelta(days=1)
    get(way)
    bodies = [(answer.body, answer.requested_at) for answer in way.store.answers(lambda url: url == URL)]
    assert bodies == [(b"[1]", NOW), (b"[2]", NOW + timedelta(days=1))]
    assert list(way.store.answers(lambda url: url != URL)) == []


def test_offline_asks_nobody(tmp_path: Path) -> None:
    get(door(tmp_path, RecordedSession(in_turn(GOOD))))
    silent = RecordedSession(lambda url: pytest.fail(f"asked for {url}"))
    later = door(tmp_path, silent, time=Time(NOW + timedelta(days=900)), offline=True)
    assert get(later) == b"[1]"
    with pytest.raises(SourceUnavailable, match="is not in the cache .* run once online"):
        get(later, url=URL + "0")
    with pytest.raises(SourceUnavailable, match="cannot be used; run once online"):
        get(later, fresh=True)


@pytest.mark.parametrize("header", ["17", "Fri, 10 Jan 2025 10:00:22 GMT"])
def test_too_many_calls_waits_as_long_as_the_provider_says(tmp_path: Path, header: str) -> None:
    """D11: Retry-After in seconds, or as a date of HTTP."""
    time = Time()
    session = RecordedSession(in_turn((429, b"slow down", {"Retry-After": header}), GOOD))
    assert get(door(tmp_path, session, time=time)) == b"[1]"
    assert time.slept == [17.0]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_provider_is_asked_again_each_time_later(tmp_path: Path, status: int) -> None:
    time = Time()
    session = RecordedSession(in_turn((status, b""), (status, b"", {"Retry-After": "soon"}), (status, b""), GOOD))
    assert get(door(tmp_path, session, time=time)) == b"[1]"
    assert time.slept == [2.0, 4.0, 8.0]


def test_a_provider_that_stays_busy_is_given_up_with_the_way_out(tmp_path: Path) -> None:
    time = Time()
    session = RecordedSession(in_turn((429, b"")))
    way = door(tmp_path, session, time=time, attempts=3)
    with pytest.raises(SourceUnavailable, match="answered 429, too many calls, even after waiting.*Nothing is cached"):
        get(way)
    assert len(session.asked) == 3
    assert time.slept == [2.0, 4.0]
    assert not list(tmp_path.rglob("*.body"))


def test_a_wait_of_an_hour_is_not_waited_but_named(tmp_path: Path) -> None:
    time = Time()
    session = RecordedSession(in_turn((429, b"", {"Retry-After": "3600"}), GOOD))
    with pytest.raises(
        SourceUnavailable, match="asks to wait 3600 s, longer than 120 s; run again after 2025-01-10T11:00"
    ):
        get(door(tmp_path, session, time=time))
    assert time.slept == []


def test_a_lost_connection_is_tried_again_and_then_offers_the_cached_copy(tmp_path: Path) -> None:
    def down(url: str) -> Answer:
        raise requests.ConnectionError(f"no route to {url}?api_key=SECRET")

    time = Time()
    get(door(tmp_path, RecordedSession(in_turn(GOOD)), time=time))
    time.now += timedelta(days=1)
    with pytest.raises(SourceUnavailable) as refusal:
        get(door(tmp_path, RecordedSession(down), time=time))
    assert "no answer (ConnectionError). A copy of 2025-01-10T10:00:05Z is cached: use offline=True" in str(
        refusal.value
    )
    assert len(time.slept) == 4


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (400, "does not understand the question"),
        (401, "refused"),
        (403, "refused"),
        (404, "check the ids"),
        (302, "points to another address, and a key is not carried there"),
        (418, "not an answer we know"),
    ],
)
def test_a_refusal_is_not_asked_again(tmp_path: Path, status: int, says: str) -> None:
    session = RecordedSession(in_turn((status, b"{}")))
    with pytest.raises(SourceUnavailable, match=f"answered {status}: .*{says}"):
        get(door(tmp_path, session))
    assert len(session.asked) == 1
    assert not list(tmp_path.rglob("*.body"))


def test_an_answer_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offchain.sources.door.MAX_BODY", 10)
    with pytest.raises(SourceUnavailable, match="answered 11 bytes, more than 10"):
        get(door(tmp_path, RecordedSession(in_turn((200, b"x" * 11)))))


def test_a_secret_is_sent_and_never_stored_or_shown(tmp_path: Path) -> None:
    session = RecordedSession(in_turn(GOOD, (500, b"")))
    way = door(tmp_path, session, attempts=2)
    secret = {"api_key": "SECRET"}
    way.get(Request(url=URL), name="Example", rate=FAST, secret=secret)
    assert session.sent[0]["params"] == secret
    with pytest.raises(SourceUnavailable) as refusal:
        way.get(Request(url=URL), name="Example", rate=FAST, secret=secret, fresh=True)
    assert "SECRET" not in str(refusal.value)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 2
    assert all(b"SECRET" not in file.read_bytes() for file in files)


def test_a_key_is_not_carried_on_to_another_address(tmp_path: Path) -> None:
    session = RecordedSession(in_turn(GOOD))
    way = door(tmp_path, session)
    get(way)
    way.get(Request(url=URL + "2"), name="Example", rate=FAST, secret={"api_key": "SECRET"})
    way.get(Request(url=URL + "3"), name="Example", rate=FAST, headers={"x-key": "SECRET"})
    assert [sent["allow_redirects"] for sent in session.sent] == [True, False, False]


def test_calls_to_one_host_share_a_limit_and_hosts_do_not(tmp_path: Path) -> None:
    time = Time()
    way = door(tmp_path, RecordedSession(in_turn(GOOD)), time=time)
    rate = Rate(calls=2, seconds=6.0)
    for number in range(4):
        get(way, url=f"https://one.example/{number}", rate=rate)
    get(way, url="https://two.example/", rate=rate)
    assert time.slept == pytest.approx([3.0, 3.0])


@given(
    st.integers(1, 10),
    st.floats(0.5, 60.0),
    st.lists(st.floats(0.0, 30.0), min_size=1, max_size=40),
)
def test_a_bucket_never_lets_more_calls_through_than_the_rate(calls: int, seconds: float, pauses: list[float]) -> None:
    """In any window of `seconds`, at most the burst and what was refilled meanwhile: twice the calls."""
    time = Time()
    bucket = Bucket(Rate(calls=calls, seconds=seconds), clock=time.clock, sleep=time.sleep)
    taken = []
    for pause in pauses:
        time.now += timedelta(seconds=pause)
        bucket.take()
        taken.append((time.now - NOW).total_seconds())
    for first in taken:
        assert sum(first <= at < first + seconds - 1e-3 for at in taken) <= 2 * calls
    whole = (taken[-1] - taken[0]) * calls / seconds + calls
    assert len(taken) <= whole + 1e-3 * calls
