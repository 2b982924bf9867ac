"""What was known at a time.

believe        jumps wait for three days that agree · holes of three days are bridged · newcomers wait
until          nothing later is in it, not even a name · copies · refuses times before the data
snapshot       facts · canonical JSON and hash · stale data refused
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_frames import change, daily_frame, without

from offchain.errors import MarketDataError, MissingHistory
from offchain.market import Market, MarketSnapshot
from offchain.market.confirm import STATE_NAMES, believe

NAN = float("nan")


def judged(*prices: float) -> tuple[list[float], list[str]]:
    """(believed values, states) of one coin's prices."""
    answer = believe(np.array([prices]).T)
    return answer.values[:, 0].tolist(), [STATE_NAMES[state] for state in answer.states[:, 0]]


def test_believe_of_a_jump_that_comes_back_keeps_the_last_believed_price() -> None:
    values, states = judged(10, 11, 11_000, 12, 13)
    assert values == [10, 11, 11, 12, 13]
    assert states == ["ok", "ok", "jump_up", "ok", "ok"]


def test_believe_of_a_jump_that_stays_accepts_it_on_the_third_day_that_agrees() -> None:
    values, states = judged(10, 1_000, 1_200, 900, 950)
    assert values == [10, 10, 10, 900, 950]
    assert states == ["ok", "jump_up", "jump_up", "ok", "ok"]


def test_believe_of_a_fall_that_goes_on_falling_is_not_confirmed() -> None:
    assert judged(10, 0.4, 0.04, 0.004, 0.0004)[1] == ["ok", *["jump_down"] * 4]


def test_believe_bridges_three_missing_days_and_not_a_fourth() -> None:
    values, states = judged(10, NAN, NAN, NAN, NAN, 11)
    assert values[:4] == [10, 10, 10, 10]
    assert np.isnan(values[4])
    assert states == ["ok", "bridged", "bridged", "bridged", "gone", "ok"]


def test_believe_of_a_newcomer_waits_for_three_days_that_agree() -> None:
    assert judged(NAN, 5, 5_000, 5, 5, 5)[1] == ["none", "new", "new", "new", "new", "ok"]


PRICES = st.lists(
    st.lists(st.one_of(st.just(NAN), st.floats(min_value=1e-6, max_value=1e6)), min_size=3, max_size=3),
    min_size=2,
    max_size=25,
)


@given(PRICES, st.integers(min_value=1, max_value=25))
def test_believe_of_a_prefix_is_the_prefix_of_believe(prices: list[list[float]], cut: int) -> None:
    panel = np.array(prices)
    whole, part = believe(panel), believe(panel[:cut])
    np.testing.assert_array_equal(whole.values[:cut], part.values)
    np.testing.assert_array_equal(whole.states[:cut], part.states)
    np.testing.assert_array_equal(whole.gap_days[:cut], part.gap_days)


def test_until_holds_nothing_later_not_even_the_name_of_a_coin() -> None:
    frame = daily_frame(days=40)
    late = daily_frame(days=40, coins={"latecomer": (1.0, 1e9)})
    market = Market.from_frame(pd.concat([frame, late[late["date"] >= "2024-01-20"]], ignore_index=True))
    past = market.until("2024-01-19")
    assert past.end == datetime(2024, 1, 19, tzinfo=UTC)
    assert "latecomer" not in past.ids
    assert "latecomer" not in past.meta.index
    for frame in (past.price, past.market_cap, past.volume):
        values = frame.to_numpy()
        # an owned array: no view through which later rows could be reached
        assert values.base is None or values.base.shape in (values.shape, values.shape[::-1])


def test_until_counts_the_publication_lag() -> None:
    frame = daily_frame(days=10)
    market = Market.from_frame(frame, lag=timedelta(minutes=35))
    assert market.until("2024-01-05T00:34:59Z").end.day == 4
    assert market.until("2024-01-05T00:35:00Z").end.day == 5


def test_until_before_the_data_says_when_it_begins() -> None:
    with pytest.raises(MissingHistory, match="the data begins 2024-01-01"):
        Market.from_frame(daily_frame(days=5)).until("2023-12-31")


def test_until_of_a_time_without_zone_or_sense_is_refused() -> None:
    market = Market.from_frame(daily_frame(days=5))
    with pytest.raises(MarketDataError, match="has no zone; use datetime"):
        market.until(datetime(2024, 1, 3))
    with pytest.raises(MarketDataError, match='time "soon" cannot be read'):
        market.until("soon")


def test_snapshot_long_after_the_last_row_is_refused_as_stale() -> None:
    market = Market.from_frame(daily_frame(days=5))
    assert market.snapshot("2024-01-08")["bitcoin"].gap_days == 3
    with pytest.raises(MissingHistory, match=r"the data ends 2024-01-05, 4 days before 2024-01-09; the limit is 3"):
        market.snapshot("2024-01-09")


def test_snapshot_states_the_facts_of_a_coin() -> None:
    frame = change(daily_frame(days=40), "solana", 39, price=1_000.0, market_cap=1_000.0)
    frame = without(frame, "cardano", 38, days=2)
    frame = change(frame, "uniswap", 31, days=9, volume=0.0)
    facts = Market.from_frame(frame).snapshot("2024-02-09")
    solana, cardano, uniswap = facts["solana"], facts["cardano"], facts["uniswap"]
    assert solana.state == solana.market_cap_state == "jump_up"
    assert solana.observed_price == pytest.approx(1_000 * (solana.price or 0), rel=0.1)
    assert (cardano.state, cardano.gap_days, cardano.observed_price) == ("bridged", 2, None)
    assert (uniswap.idle_days, uniswap.age_days) == (9, None)


def test_snapshot_volume_is_the_median_of_the_known_days() -> None:
    frame = daily_frame(days=9)
    frame.loc[frame["id"] == "bitcoin", "volume"] = [1, 2, 3, 4, 5, 6, 7, np.nan, 100.0]
    # last five days: 5 6 7 – 100
    assert Market.from_frame(frame).snapshot("2024-01-09", volume_days=5)["bitcoin"].volume == 6.5


def test_snapshot_reads_back_equal_and_its_hash_names_its_content() -> None:
    facts = Market.from_frame(daily_frame(days=40)).snapshot("2024-02-05")
    again = MarketSnapshot.from_json(facts.to_json())
    assert again == facts
    assert again.inputs_hash == facts.inputs_hash
    changed = Market.from_frame(change(daily_frame(days=40), "uniswap", 35, price=1.0000001)).snapshot("2024-02-05")
    assert changed.inputs_hash != facts.inputs_hash


def test_snapshot_of_an_unknown_coin_suggests_a_known_one() -> None:
    facts = Market.from_frame(daily_frame(days=5)).snapshot("2024-01-05")
    with pytest.raises(MissingHistory, match='Did you mean "ethereum"'):
        facts["etherium"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}'])
def test_snapshot_from_something_else_is_refused(text: str) -> None:
    with pytest.raises(MarketDataError, match="not a market snapshot"):
        MarketSnapshot.from_json(text)


def test_until_leaves_out_a_coin_that_never_has_a_price() -> None:
    """A future that is wiped out is no future: its coins are not even names, on the last day either."""
    market = Market.from_frame(daily_frame(days=10))
    price = market.price.copy()
    price["solana"] = NAN
    price.loc["2024-01-06":, "cardano"] = NAN  # type: ignore[misc]
    wiped = dataclasses.replace(market, price=price)
    for t in ("2024-01-05", "2024-01-10"):
        assert "solana" not in wiped.snapshot(t)
        assert "cardano" in wiped.snapshot(t)
        assert "solana" not in wiped.history(t, days=5).ids
