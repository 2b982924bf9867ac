"""Corporate actions as data.

files          TOML and CSV say the same · each mistake names the file, the event and the way out
time           an event counts when it happened and was known, not before
holdings       redenomination, migration, rename, fork; delistings stay · chains of events · exact ratios
market         no jump, no newcomer, one history in the units of its last day · only when the price agrees
               · nothing before it happened and was known
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import change, daily_frame, without

from offchain.backtest import FREE, Fixed, Rules, run_decider
from offchain.errors import MarketDataError
from offchain.market import Market, load_market
from offchain.market.events import KINDS, Event, carry, events_between, gone_at, in_order, load_events
from offchain.spec.rebalance_rules import RebalanceRules
from tests.fuzz import examples

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


def test_coins_that_are_over_are_named_with_the_reason_from_then_on() -> None:
    """V9: a coin that was delisted or has moved on may not be held, from the day it was known and happened."""
    events = [
        event("migration", "ethlend", "2020-10-03", new_id="aave", old_coins=100),
        event("delisting", "gone", "2021-06-01"),
        event("redenomination", "btt", "2020-01-01", new_coins=1000),
        event("fork", "eth", "2020-01-01", new_id="ethw"),
    ]
    assert gone_at(events, day("2020-10-02")) == {}
    assert gone_at(events, day("2020-10-03")) == {"ethlend": "migration of ethlend to aave on 2020-10-03, 1:100"}
    assert sorted(gone_at(events, day("2021-06-01"))) == ["ethlend", "gone"]


@pytest.mark.parametrize(("name", "text"), [("events.toml", TOML), ("events.csv", CSV)])
def test_events_beside_a_file_of_prices_are_those_of_its_market(tmp_path: Path, name: str, text: str) -> None:
    change(daily_frame(), "uniswap", SPLIT_DAY, days=60, price=0.001).to_csv(tmp_path / "coins.csv", index=False)
    assert load_market(tmp_path).events == ()
    written(tmp_path, text.replace("bittorrent", "uniswap").replace("2022-01-18", "2024-01-31"), name)
    market = load_market(tmp_path)
    assert len(market.events) == 3
    assert market.snapshot("2024-01-31")["uniswap"].state == "ok"
    written(tmp_path, TOML, "events.toml")
    written(tmp_path, CSV, "events.csv")
    with pytest.raises(MarketDataError, match="events.toml and events.csv are both there; keep one"):
        load_market(tmp_path)


def test_kinds_are_those_of_the_page() -> None:
    with pytest.raises(MarketDataError, match='none of redenomination.*Did you mean "rename"'):
        event("renamed", "a", "2021-01-01", new_id="b")
    assert len(KINDS) == 5


# --- in a market ------------------------------------------------------------------------------------------------------

SPLIT_DAY = 30  # 2024-01-31
SPLIT = event("redenomination", "uniswap", "2024-01-31", new_coins=1000)
RENAME = event("rename", "uniswap", "2024-01-31", new_id="unification")


def split_market() -> Market:
    """uniswap becomes a thousand times as many coins on the 31st; market cap and volume do not notice."""
    return Market.from_frame(change(daily_frame(), "uniswap", SPLIT_DAY, days=60, price=0.001))


def renamed_market(*, times: float = 1.0) -> Market:
    """uniswap's rows go on as those of unification from the 31st on, at `times` its price."""
    frame = change(daily_frame(), "uniswap", SPLIT_DAY, days=60, price=times)
    first = frame["date"].min() + pd.Timedelta(days=SPLIT_DAY)
    new_name = (frame["id"] == "uniswap") & (frame["date"] >= first)
    return Market.from_frame(frame.assign(id=frame["id"].where(~new_name, "unification")))


def test_a_redenomination_that_was_written_down_is_no_jump() -> None:
    """D12: without the event the price is doubted for days; with it, it is believed at once, in the new units."""
    plain, told = split_market(), split_market().with_events([SPLIT])
    assert plain.snapshot("2024-01-31")["uniswap"].state == "jump_down"
    facts = told.snapshot("2024-01-31")["uniswap"]
    assert facts.state == "ok"
    assert facts.price == told.price.loc["2024-01-31", "uniswap"]
    assert told.snapshot("2024-01-30") == plain.snapshot("2024-01-30")


def test_history_is_in_the_units_of_its_last_day() -> None:
    """D12: a return over the event is that of the market cap, before it and after it."""
    told = split_market().with_events([SPLIT])
    told = told.with_fields({"supply": told.market_cap / told.price, "open": told.price})
    fields = ("price", "observed_price", "open", "supply", "market_cap", "volume")
    after = told.history("2024-02-10", days=41, fields=fields, ids=["uniswap"])
    untouched = Market.from_frame(daily_frame())
    expected = untouched.history("2024-02-10", days=41, fields=("price", "market_cap"), ids=["uniswap"])
    for name in ("price", "observed_price", "open"):
        assert after.panel(name) == pytest.approx(expected.panel("price") * 0.001, rel=1e-12)
    assert after.panel("supply") == pytest.approx(expected.panel("market_cap") / after.panel("price"), rel=1e-12)
    assert (after.panel("market_cap") == expected.panel("market_cap")).all()
    assert (after.panel("volume") == 50e6).all()
    before = told.history("2024-01-30", days=30, fields=("price",), ids=["uniswap"])
    assert (before.panel("price") == expected.panel("price")[:30]).all()


def test_an_event_that_the_price_does_not_show_changes_nothing() -> None:
    """D12: a source that had already put its past into new units is not adjusted twice."""
    plain = Market.from_frame(daily_frame())
    told = plain.with_events([SPLIT])
    for t in ("2024-01-30", "2024-01-31", "2024-02-02", "2024-02-20"):
        assert told.snapshot(t) == plain.snapshot(t)
        ours, theirs = (market.history(t, days=30, fields=("price", "volume")) for market in (told, plain))
        assert ours.inputs_hash == theirs.inputs_hash


def test_a_small_ratio_that_the_price_does_not_show_changes_nothing() -> None:
    """Half or double is within what a price may do in a day: the nearer reading counts."""
    plain = Market.from_frame(daily_frame())
    told = plain.with_events([event("redenomination", "uniswap", "2024-01-31", new_coins=2)])
    assert told.snapshot("2024-01-31") == plain.snapshot("2024-01-31")
    unscaled = told.history("2024-02-10", days=41, ids=["uniswap"]).panel("price")
    assert (unscaled == plain.history("2024-02-10", days=41, ids=["uniswap"]).panel("price")).all()
    halved = Market.from_frame(change(daily_frame(), "uniswap", SPLIT_DAY, days=60, price=0.5)).with_events(told.events)
    line = halved.history("2024-02-10", days=41, fields=("price",), ids=["uniswap"]).panel("price")[:, 0]
    whole = plain.history("2024-02-10", days=41, ids=["uniswap"]).panel("price")[:, 0]
    assert line == pytest.approx(whole * 0.5, rel=1e-12)


def test_between_two_events_only_the_first_is_known() -> None:
    """D12: what is cut out of a market that goes on holds nothing of what comes later, not even its name."""
    second = event("redenomination", "solana", "2024-02-10", old_coins=100)
    frame = change(daily_frame(), "uniswap", SPLIT_DAY, days=60, price=0.001)
    whole = Market.from_frame(change(frame, "solana", 40, days=60, price=100.0)).with_events([second, SPLIT])
    short = Market.from_frame(frame[frame["date"] <= "2024-02-05"]).with_events([SPLIT])
    whole.snapshot("2024-02-20")
    past = whole.until("2024-02-05")
    assert past.events == (SPLIT,)
    assert whole.until("2024-02-20").events == (SPLIT, second)
    ours, theirs = (
        market.history("2024-02-05", days=36, fields=("price", "observed_price")) for market in (past, short)
    )
    assert ours.inputs_hash == theirs.inputs_hash
    assert whole.history("2024-02-05", days=36, fields=("price", "observed_price")).inputs_hash == theirs.inputs_hash


def test_a_source_that_is_a_day_late_with_it_is_waited_for_three_days_and_no_longer() -> None:
    for late, state in ((1, "ok"), (2, "ok"), (3, "jump_down")):
        frame = change(daily_frame(), "uniswap", SPLIT_DAY + late, days=60, price=0.001)
        told = Market.from_frame(frame).with_events([SPLIT])
        day_of = f"2024-02-0{late}"
        assert told.snapshot(day_of)["uniswap"].state == state
        if state == "ok":
            for name in ("price", "observed_price"):
                line = told.history(day_of, days=33, fields=(name,), ids=["uniswap"]).panel(name)[:, 0]
                assert np.abs(line[1:] / line[:-1] - 1).max() < 0.2


def test_a_hole_on_its_day_is_no_reason_to_forget_it() -> None:
    frame = without(change(daily_frame(), "uniswap", SPLIT_DAY, days=60, price=0.001), "uniswap", SPLIT_DAY, days=2)
    told = Market.from_frame(frame).with_events([SPLIT])
    assert told.snapshot("2024-01-31")["uniswap"].state == "bridged"
    assert told.snapshot("2024-02-02")["uniswap"].state == "ok"


def test_an_event_learnt_later_counts_from_then_on() -> None:
    """D12: knowledge time. Announced two days after it happened: doubted until then, believed from then on."""
    late = event("redenomination", "uniswap", "2024-01-31", new_coins=1000, known=datetime(2024, 2, 2, tzinfo=UTC))
    plain, told = split_market(), split_market().with_events([late])
    assert told.snapshot("2024-02-01") == plain.snapshot("2024-02-01")
    assert told.snapshot("2024-02-01")["uniswap"].state == "jump_down"
    assert told.snapshot("2024-02-02")["uniswap"].state == "ok"
    for name in ("price", "observed_price"):
        line = told.history("2024-02-05", days=36, fields=(name,), ids=["uniswap"]).panel(name)[:, 0]
        assert np.abs(line[1:] / line[:-1] - 1).max() < 0.2


def test_a_renamed_coin_goes_on_with_its_age_and_history() -> None:
    """D12: without the event it is a newcomer that waits three days; with it, it is the coin that it was."""
    plain, told = renamed_market(), renamed_market().with_events([RENAME])
    assert plain.snapshot("2024-01-31")["unification"].state == "new"
    facts = told.snapshot("2024-01-31")["unification"]
    assert (facts.state, facts.market_cap_state, facts.age_days, facts.volume) == ("ok", "ok", None, 50e6)
    fields = ("price", "observed_price", "market_cap", "volume")
    line = told.history("2024-02-10", days=41, fields=fields, ids=["unification"])
    whole = Market.from_frame(daily_frame()).history("2024-02-10", days=41, fields=fields, ids=["uniswap"])
    for name in fields:
        assert (line.panel(name) == whole.panel(name)).all()


def test_a_migrated_coin_goes_on_in_its_new_units() -> None:
    moved = event("migration", "uniswap", "2024-01-31", new_id="unification", old_coins=100)
    told = renamed_market(times=100.0).with_events([moved])
    assert told.snapshot("2024-01-31")["unification"].state == "ok"
    line = told.history("2024-02-10", days=41, fields=("price",), ids=["unification"]).panel("price")[:, 0]
    whole = Market.from_frame(daily_frame()).history("2024-02-10", days=41, ids=["uniswap"]).panel("price")[:, 0]
    assert line == pytest.approx(whole * 100, rel=1e-12)


def test_a_new_coin_at_another_price_is_no_continuation() -> None:
    told = renamed_market(times=100.0).with_events([RENAME])
    assert told.snapshot("2024-01-31")["unification"].state == "new"
    assert np.isnan(told.history("2024-02-10", days=41, ids=["unification"]).panel("price")[:30]).all()


def test_a_rename_and_a_redenomination_of_one_day_are_applied_in_order() -> None:
    again = event("redenomination", "unification", "2024-02-10", new_coins=1000)
    frame = renamed_market()
    price = frame.price.copy()
    price.loc["2024-02-10":, "unification"] /= 1000  # type: ignore[misc]
    long = price.stack().rename("price").reset_index().set_axis(["date", "id", "price"], axis=1)
    told = Market.from_frame(long.assign(market_cap=np.nan, volume=1.0)).with_events([again, RENAME])
    line = told.history("2024-02-20", days=51, fields=("price",), ids=["unification"]).panel("price")[:, 0]
    whole = Market.from_frame(daily_frame()).history("2024-02-20", days=51, ids=["uniswap"]).panel("price")[:, 0]
    assert line == pytest.approx(whole / 1000, rel=1e-12)


def test_events_of_coins_that_are_not_there_are_harmless() -> None:
    plain = Market.from_frame(daily_frame())
    told = plain.with_events(
        [event("rename", "x", "2024-01-31", new_id="y"), event("delisting", "uniswap", "2024-01-31")]
    )
    assert told.snapshot("2024-02-10").inputs_hash == plain.snapshot("2024-02-10").inputs_hash


@pytest.mark.parametrize("given", [True, False])
def test_a_backtest_over_a_redenomination_and_a_rename_is_the_one_without_them(given: bool) -> None:
    """D12: events given to the run, or those of the market; every level of the 60 days is that of the plain coins."""
    decider = Fixed(weights={"bitcoin": 5 * 10**17, "solana": 3 * 10**17, "uniswap": 2 * 10**17})
    rules = Rules(calendar=RebalanceRules(calendar="never"))
    plain = run_decider(decider, Market.from_frame(daily_frame()), rules=rules, costs=FREE)
    frame = change(daily_frame(), "uniswap", SPLIT_DAY - 10, days=60, price=0.001)
    first = frame["date"].min() + pd.Timedelta(days=SPLIT_DAY - 5)
    renamed = frame["id"].where(~((frame["id"] == "solana") & (frame["date"] >= first)), "moonlana")
    events = [
        event("redenomination", "uniswap", "2024-01-21", new_coins=1000),
        event("rename", "solana", "2024-01-26", new_id="moonlana"),
    ]
    market = Market.from_frame(frame.assign(id=renamed))
    run = run_decider(
        decider,
        market if given else market.with_events(events),
        rules=rules,
        costs=FREE,
        events=events if given else (),
    )
    assert run.times == plain.times
    assert run.gross.tolist() == pytest.approx(plain.gross.tolist(), rel=1e-9)


EVENTS = st.lists(
    st.builds(
        lambda kind, coin, other, at, known, new, old: Event(
            kind=kind,
            id=coin,
            date=date(2024, 1, at),
            known=datetime(2024, 1, known, 12, tzinfo=UTC),
            new_id=other if kind != "redenomination" else "",
            new_coins=new if kind != "rename" else 1,
            old_coins=old if kind != "rename" else 1,
        ),
        st.sampled_from(["redenomination", "migration", "rename"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["c", "d"]),
        st.integers(2, 24),
        st.integers(1, 24),
        st.sampled_from([1, 10, 1000]),
        st.sampled_from([3, 100]),
    ),
    max_size=4,
    unique_by=lambda one: (one.id, one.date),
)
DAYS = 24
PRICES = st.lists(
    st.lists(
        st.one_of(st.just(float("nan")), st.sampled_from([1.0, 1.1, 0.01, 100.0, 1000.0])), min_size=4, max_size=4
    ),
    min_size=DAYS,
    max_size=DAYS,
)


def wild(prices: Sequence[Sequence[float]], names: Sequence[str] = "abcd") -> Market:
    """A market of four coins with any prices, and one that is always there."""
    dates = pd.date_range("2024-01-01", periods=DAYS, tz="UTC")
    frames = [pd.DataFrame({"date": dates, "id": "z", "price": 5.0})]
    for column, name in enumerate("abcd"):
        frames.append(pd.DataFrame({"date": dates, "id": name, "price": [row[column] for row in prices]}))
    order = {name: number for number, name in enumerate([*names, "z"])}
    frames.sort(key=lambda frame: order[frame["id"].iloc[0]])
    rows = pd.concat(frames, ignore_index=True)
    return Market.from_frame(rows.assign(market_cap=rows["price"] * 7.0, volume=1.0))


def seen(market: Market, t: datetime) -> tuple[str, str]:
    fields = ("price", "observed_price", "market_cap", "volume")
    return market.snapshot(t).inputs_hash, market.history(t, days=DAYS, fields=fields).inputs_hash


@given(PRICES, EVENTS, st.integers(3, DAYS - 1), st.sampled_from([0.001, 3.0, 1e6]))
@settings(max_examples=examples(25))
def test_with_events_too_nothing_after_t_changes_anything_at_t(
    prices: list[list[float]], events: list[Event], row: int, factor: float
) -> None:
    """D12: later prices × anything, later events left out, seen through `until` or not: the same bits."""
    t = datetime(2024, 1, row + 1, tzinfo=UTC)
    market = wild(prices).with_events(events)
    later = wild([*prices[: row + 1], *[[value * factor for value in day] for day in prices[row + 1 :]]])
    known = [one for one in events if one.effective <= t]
    assert seen(market, t) == seen(later.with_events(known), t)
    assert seen(market, t) == seen(market.until(t), t)
    # computed for the past alone, not cut out of the whole
    past = market.until(t)
    fresh = Market(price=past.price, market_cap=past.market_cap, volume=past.volume, meta=past.meta, source="x")
    assert seen(fresh.with_events(past.events), t) == seen(market, t)


@given(PRICES, EVENTS, st.permutations("abcd"))
@settings(max_examples=examples(12))
def test_with_events_too_the_order_of_rows_changes_nothing(
    prices: list[list[float]], events: list[Event], names: list[str]
) -> None:
    t = datetime(2024, 1, DAYS, tzinfo=UTC)
    assert seen(wild(prices).with_events(events), t) == seen(wild(prices, names).with_events(events[::-1]), t)
