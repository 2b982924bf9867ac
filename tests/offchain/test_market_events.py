"""Corporate actions as data.

files          TOML and CSV say the same · each mistake names the file, the event and the way out
time           an event counts when it happened and was known, not before
holdings       redenomination, migration, rename, fork; delistings stay · chains of events · exact ratios
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.errors import MarketDataError
from offchain.market.events import KINDS, Event, carry, events_between, in_order, load_events

TOML = """
[[event]]
kind = "migration"
id = "ethlend"
new_id = "aave"
date = 2020-10-03
ratio = "1:100"
known = 2020-09-25
note = "LEND to AAVE"

[[event]]
kind = "redenomination"
id = "bittorrent"
date = 2022-01-18
ratio = "1000:1"

[[event]]
kind = "delisting"
id = "gone"
date = 2021-06-01
price = 0
"""
CSV = """kind,id,new_id,date,ratio,price,known,note
migration,ethlend,aave,2020-10-03,1:100,,2020-09-25,LEND to AAVE
redenomination,bittorrent,,2022-01-18,1000:1,,,
delisting,gone,,2021-06-01,,0,,
"""


def event(kind: str, coin: str, day: str, **more: object) -> Event:
    at = date.fromisoformat(day)
    known: dict[str, object] = {"known": datetime(at.year, at.month, at.day, tzinfo=UTC)}
    return Event(kind=kind, id=coin, date=at, **(known | more))  # type: ignore[arg-type]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def written(folder: Path, text: str, name: str = "events.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_toml_and_a_csv_file_say_the_same_in_order_of_time(tmp_path: Path) -> None:
    events = load_events(written(tmp_path, TOML))
    assert events == load_events(written(tmp_path, CSV, "events.csv"))
    assert [(one.id, one.ratio) for one in events] == [
        ("ethlend", Fraction(1, 100)),
        ("gone", Fraction(1)),
        ("bittorrent", Fraction(1000)),
    ]
    assert events[0].known == day("2020-09-25")
    assert events[1].price == 0.0
    assert str(events[0]) == "migration of ethlend to aave on 2020-10-03, 1:100"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[event]", "not TOML"),
        ("[[events]]\nid = 'a'", "events is not expected; write [[event]] tables only"),
        ("event = 3", "event is not expected"),
        ("[[event]]\nkind = 'fork'\ndate = 2021-01-01", "event 1: id is missing"),
        ("[[event]]\nkind = 'migratoin'\nid = 'a'\ndate = 2021-01-01", 'Did you mean "migration"'),
        ("[[event]]\nkind = 'fork'\nid = 'a'\nnewid = 'b'\ndate = 2021-01-01", 'Did you mean "new_id"'),
        ("[[event]]\nkind = 'fork'\nid = 'a'\ndate = 2021-01-01", "new_id is missing"),
        ("[[event]]\nkind = 'fork'\nid = 'a'\nnew_id = 'a'\ndate = 2021-01-01", "new_id is the id itself"),
        ("[[event]]\nkind = 'delisting'\nid = 'a'\nnew_id = 'b'\ndate = 2021-01-01", "new_id has no meaning here"),
        ("[[event]]\nkind = 'delisting'\nid = 'a'\ndate = 'May'", "date = 'May' is not a date"),
        ("[[event]]\nkind = 'delisting'\nid = 'a'\ndate = 2021-01-01\nprice = -1", "write 0 or more"),
        ("[[event]]\nkind = 'delisting'\nid = 'a'\ndate = 2021-01-01\nprice = 'nan'", "write 0 or more"),
        ("[[event]]\nkind = 'delisting'\nid = 'a'\ndate = 2021-01-01\nprice = 'all'", "not a number of US dollars"),
        ("[[event]]\nkind = 'redenomination'\nid = 'a'\ndate = 2021-01-01", "ratio 1:1 changes nothing"),
        ("[[event]]\nkind = 'redenomination'\nid = 'a'\ndate = 2021-01-01\nratio = 1000", 'whole numbers "new:old"'),
        ("[[event]]\nkind = 'redenomination'\nid = 'a'\ndate = 2021-01-01\nratio = '0:5'", "must be at least 1"),
        ("[[event]]\nkind = 'rename'\nid = 'a'\nnew_id = 'b'\ndate = 2021-01-01\nratio = '2:1'", "has no meaning here"),
        (
            "[[event]]\nkind = 'redenomination'\nid = 'a'\ndate = 2021-01-01\nratio = '2:1'\nprice = 3",
            "only a delisting has one",
        ),
        (
            "[[event]]\nkind = 'delisting'\nid = 'a'\ndate = 2021-01-01\n"
            "[[event]]\nkind = 'rename'\nid = 'a'\nnew_id = 'b'\ndate = 2021-01-01",
            "the same coin and day as event",
        ),
    ],
)
def test_a_mistake_in_a_file_is_named_with_the_way_out(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MarketDataError) as refusal:
        load_events(written(tmp_path, text))
    assert says in str(refusal.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r'suffix ".json" is not read; use .toml or .csv'):
        load_events(tmp_path / "events.json")
    with pytest.raises(MarketDataError, match="cannot be read"):
        load_events(tmp_path / "none.toml")
    with pytest.raises(MarketDataError, match="event 1 has not as many fields"):
        load_events(written(tmp_path, "kind,id,date\nfork,a\n", "events.csv"))


def test_an_event_counts_when_it_happened_and_was_known(tmp_path: Path) -> None:
    announced = event("redenomination", "a", "2021-03-01", known=day("2021-02-01"), new_coins=1, old_coins=1000)
    learnt_late = event("delisting", "b", "2021-03-01", known=datetime(2021, 3, 3, 9, tzinfo=UTC))
    events = (learnt_late, announced)
    assert announced.effective == day("2021-03-01")
    assert events_between(events, day("2021-01-01"), day("2021-02-28")) == ()
    assert events_between(events, day("2021-02-28"), day("2021-03-01")) == (announced,)
    assert events_between(events, day("2021-03-01"), day("2021-03-03")) == ()
    assert events_between(events, day("2021-03-01"), day("2021-03-04")) == (learnt_late,)
    with pytest.raises(MarketDataError, match="swap them"):
        events_between(events, day("2021-03-04"), day("2021-03-01"))


def test_holdings_of_each_kind() -> None:
    """D12: what a holder has after each kind of corporate action; all by hand."""
    held = {"a": 3000.0, "b": 2.0}
    assert carry(held, [event("redenomination", "a", "2021-01-01", old_coins=1000)]) == {"a": 3.0, "b": 2.0}
    assert carry(held, [event("redenomination", "b", "2021-01-01", new_coins=1000)]) == {"a": 3000.0, "b": 2000.0}
    assert carry(held, [event("migration", "a", "2021-01-01", new_id="c", old_coins=100)]) == {"b": 2.0, "c": 30.0}
    assert carry(held, [event("migration", "a", "2021-01-01", new_id="b", old_coins=100)]) == {"b": 32.0}
    assert carry(held, [event("rename", "a", "2021-01-01", new_id="z")]) == {"b": 2.0, "z": 3000.0}
    assert carry(held, [event("fork", "b", "2021-01-01", new_id="c")]) == {"a": 3000.0, "b": 2.0, "c": 2.0}
    assert carry(held, [event("delisting", "a", "2021-01-01")]) == held
    assert carry(held, [event("rename", "nobody", "2021-01-01", new_id="z")]) == held


def test_a_chain_of_events_follows_the_coin_in_order_of_time() -> None:
    chain = [
        event("redenomination", "c", "2021-03-01", new_coins=10),
        event("rename", "a", "2021-01-01", new_id="b"),
        event("migration", "b", "2021-02-01", new_id="c", old_coins=100),
    ]
    assert carry({"a": 500.0}, chain) == {"c": 50.0}


def test_a_ratio_is_exact_where_a_float_is_not() -> None:
    third = event("migration", "a", "2021-01-01", new_id="b", new_coins=1, old_coins=3)
    assert carry({"a": 3e15}, [third]) == {"b": 1e15}
    assert third.ratio * 3 == 1


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=2, max_size=4, unique=True),
    st.lists(st.integers(1, 10_000), min_size=3, max_size=3),
)
def test_the_order_in_the_file_changes_nothing(names: Sequence[str], ratios: Sequence[int]) -> None:
    events = [
        event("migration", old, f"2021-0{number}-01", new_id=new, new_coins=ratio)
        for number, (old, new, ratio) in enumerate(zip(names, names[1:], ratios, strict=False), start=1)
    ]
    assert in_order(reversed(events)) == tuple(events)
    assert carry({"a": 1.0, "b": 2.0}, events) == carry({"b": 2.0, "a": 1.0}, events[::-1])


def test_kinds_are_those_of_the_page() -> None:
    with pytest.raises(MarketDataError, match='none of redenomination.*Did you mean "rename"'):
        event("renamed", "a", "2021-01-01", new_id="b")
    assert len(KINDS) == 5
