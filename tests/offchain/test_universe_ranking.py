"""What comes first: each measure by hand, several at once, and ties that no float decides.

measures    momentum · consistency of returns and of volume · free float · our venues · score
ranks       twice ranked · near ties · unknown is out · prefix, gaps and permutations
"""

from __future__ import annotations

import dataclasses
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from universe_support import RULES, T, chosen, coin, history, ranked, snapshot

from offchain.errors import MarketDataError, MissingHistory
from offchain.market.history import History
from offchain.signals.outcome import Phase, Signal, SignalSet
from offchain.universe import measures as m
from offchain.universe import select

NAN = float("nan")
WALK = st.lists(st.one_of(st.floats(0.01, 1e4), st.just(NAN)), min_size=2, max_size=40)


def prices(**rows: list[float]) -> History:
    return history({"price": rows})


def scores(**values: float) -> SignalSet:
    signals = {
        name: Signal(id=name, label="neutral", score=value, conviction=0.0, p_bearish=0.0, p_neutral=1.0, p_bullish=0.0)
        for name, value in values.items()
    }
    phase = Phase(name="bull", breadth=0.5, volatility=0.5, drawdown=0.0, reason="test")
    return SignalSet(t=T, signals=signals, phase=phase, catalogue_hash="0x")


# --- measures ---------------------------------------------------------------------------------------------------------


def test_momentum_is_the_return_over_the_window_and_unknown_without_both_ends() -> None:
    known = prices(a=[9.0, 2.0, 7.0, 3.0], b=[1.0, NAN, 1.0, 1.0], c=[1.0, 1.0, NAN, NAN])
    assert m.momentum(known, days=2) == {"a": 0.5, "b": None, "c": None}
    assert m.momentum(known, days=4) == {"a": None, "b": None, "c": None}


def test_return_consistency_is_mean_over_deviation_of_daily_returns() -> None:
    """S3: by the standard library, on returns 0.1, −0.1, 0.3."""
    path = [1.0, 1.1, 0.99, 0.99 * 1.3]
    returns = [0.1, -0.1, 0.3]
    expected = statistics.fmean(returns) / statistics.pstdev(returns)
    found = m.return_consistency(prices(a=path, flat=[2.0] * 4, gap=[1.0, NAN, 1.0, 1.1]), days=3)
    assert found["a"] == pytest.approx(expected, rel=1e-11)
    assert found["flat"] is None and found["gap"] is None


def test_volume_consistency_prefers_what_is_traded_every_day() -> None:
    """S3: steady 90, 100, 110 against a spike of 300 between two empty days."""
    known = history({"volume": {"steady": [90.0, 100.0, 110.0], "spike": [0.0, 300.0, 0.0]}})
    found = m.volume_consistency(known, days=3)
    assert found["steady"] == pytest.approx(100 / statistics.pstdev([90, 100, 110]), rel=1e-11)
    assert found["spike"] == pytest.approx(100 / statistics.pstdev([0, 300, 0]), rel=1e-11)
    rules = {"top": 1, "rank_by": "volume_consistency", "rank_days": 7}
    weekly = history({"volume": {"spike": [0.0, 300.0] * 4, "steady": [90.0, 110.0] * 4}})
    assert chosen([coin("spike", market_cap=9e9), coin("steady")], history=weekly, **rules).members == ("steady",)


@given(st.lists(WALK, min_size=1, max_size=4), st.integers(1, 10), st.data())
def test_no_measure_reads_beyond_its_window_or_the_other_coins(
    walks: list[list[float]], days: int, data: st.DataObject
) -> None:
    """D8: older days and further coins do not change a bit; a coin alone has the number it has among others."""
    size = min(map(len, walks))
    table = {f"c{number}": walk[-size:] for number, walk in enumerate(walks)}
    whole = history({"price": table, "volume": table})
    name = data.draw(st.sampled_from(sorted(table)))
    alone = history({"price": {name: table[name][-(days + 1) :]}, "volume": {name: table[name][-(days + 1) :]}})
    assert m.momentum(whole, days=days)[name] == m.momentum(alone, days=days)[name]
    assert m.return_consistency(whole, days=days)[name] == m.return_consistency(alone, days=days)[name]
    assert m.volume_consistency(whole, days=days)[name] == m.volume_consistency(alone, days=days)[name]
    assert m.middle(whole, "volume", days=days)[name] == m.middle(alone, "volume", days=days)[name]
    assert m.total(whole, "volume", days=days)[name] == m.total(alone, "volume", days=days)[name]
    known = [value for value in table[name][-days:] if not math.isnan(value)]
    if known:
        assert m.middle(whole, "volume", days=days)[name] == pytest.approx(float(np.median(known)), rel=1e-11)
        assert m.total(whole, "volume", days=days)[name] == pytest.approx(math.fsum(known), rel=1e-11)
        assert m.newest(whole, "volume", days=days)[name] == pytest.approx(known[-1], rel=1e-11)


@given(WALK, st.integers(1, 20), st.integers(1, 10))
def test_the_worst_fall_is_that_of_every_pair_of_days(walk: list[float], days: int, within: int) -> None:
    """V11: against a plain loop over pairs."""
    falls = [
        1 - walk[late] / walk[early]
        for late in range(max(len(walk) - days, 0), len(walk))
        for early in range(max(late - within, 0, len(walk) - days - within), late + 1)
        if not math.isnan(walk[late]) and not math.isnan(walk[early])
    ]
    found = m.worst_fall(prices(a=walk), days=days, within=within)["a"]
    assert found == (pytest.approx(max(falls), rel=1e-11, abs=1e-15) if falls else None)


# --- ranks ------------------------------------------------------------------------------------------------------------


def test_free_float_ranks_by_price_times_what_is_free() -> None:
    """S1, W1: a is larger, but most of it is locked; c's free float is not known."""
    coins = [coin("a", market_cap=9e9, price=10.0), coin("b", market_cap=1e9, price=2.0), coin("c", market_cap=8e9)]
    known = history({"free_float": {"a": [1e7, NAN], "b": [4e8, NAN], "c": [NAN, NAN]}})
    found = chosen(coins, top=1, rank_by="free_float", history=known)
    assert found.members == ("b",)
    assert found.verdict("b").reason == "rank 1 of the top 1 by free-float market cap ($800,000,000)"
    assert found.verdict("a").reason == "rank 2 is below the top 1 by free-float market cap ($100,000,000)"
    assert found.verdict("c").reason == "free-float market cap unknown (universe ranks by it)"


def test_a_score_ranks_and_is_never_of_the_future() -> None:
    """S5: the composite score of the signals."""
    coins = ranked("a", "b", "c")
    found = chosen(coins, top=1, rank_by="score", signals=scores(a=-0.5, c=0.25))
    assert found.members == ("c",)
    assert found.verdict("c").reason == "rank 1 of the top 1 by score (+0.250)"
    assert found.verdict("b").reason == "score unknown (universe ranks by it)"
    with pytest.raises(MissingHistory, match="set signals.mode, or rank by another measure"):
        chosen(coins, rank_by="score")
    later = dataclasses.replace(scores(a=0.1), t=T.replace(day=4))
    with pytest.raises(MarketDataError, match="may not read what came after it"):
        chosen(coins, rank_by="score", signals=later)


def test_two_ranks_are_added_up_and_equal_sums_go_by_the_first() -> None:
    """MarketVector's rule. Ranks by cap: a b c d; by volume: d b a c; sums: a 1+3, b 2+2, c 3+4, d 4+1."""
    volumes = {"a": 2e6, "b": 3e6, "c": 1e6, "d": 4e6}
    coins = [dataclasses.replace(one, volume=volumes[one.id]) for one in ranked("a", "b", "c", "d")]
    found = chosen(coins, top=4, rank_by="market_cap", rank_also=("volume",), min_volume_usd=0.0)
    assert found.members == ("a", "b", "d", "c")
    assert found.verdict("d").reason == "rank 3 of the top 4 by market cap ($997,000,000) and median volume"
    by_volume = chosen(coins, top=4, rank_by="volume", rank_also=("market_cap",), min_volume_usd=0.0)
    assert by_volume.members == ("b", "a", "d", "c")


def test_near_ties_go_to_the_held_then_the_traded_then_the_id_also_across_a_round_number() -> None:
    """1e-9 of the larger is a tie wherever the numbers lie, and those tied with either are tied too."""
    cap = 1.0 - 1e-10  # just below a round number
    coins = [
        coin("a", market_cap=1e9 * cap),
        coin("b", market_cap=1e9 * (cap + 6e-10), volume=6e6),
        coin("c", market_cap=1e9 * (cap + 12e-10)),
        coin("d", market_cap=1e9 * (cap + 5e-9)),
    ]
    assert chosen(coins, top=4).members == ("d", "b", "a", "c")
    assert chosen(coins, top=4, held=["c"]).members == ("d", "c", "b", "a")
    assert chosen(coins, top=1, held=["a"]).members == ("d",)


@given(st.permutations(range(9)), st.sets(st.integers(0, 8)), st.sampled_from(["momentum", "market_cap", "volume"]))
def test_the_order_of_coins_days_apart_and_ids_held_changes_nothing(
    order: list[int], held: set[int], rank_by: str
) -> None:
    """§6.5: permutation of rows and columns."""
    coins = [coin(f"c{number}", market_cap=1e9 + 1e6 * (number % 4), volume=2e6 + number % 3) for number in range(9)]
    walks = {one.id: [1.0 + 0.1 * ((number * day) % 5) for day in range(8)] for number, one in enumerate(coins)}
    names = [f"c{number}" for number in held]
    keys = {"top": 4, "buffer": 1, "rank_by": rank_by, "rank_days": 7}
    shuffled = {f"c{number}": walks[f"c{number}"] for number in order}
    one = chosen(coins, held=names, history=history({"price": walks}), **keys)
    other = chosen([coins[number] for number in order], held=names[::-1], history=history({"price": shuffled}), **keys)
    assert one == other


def test_a_coin_that_the_history_lacks_is_out_with_that_reason() -> None:
    rules = dataclasses.replace(RULES, rank_by="momentum", rank_days=7)
    known = prices(a=[1.0] * 7 + [2.0])
    found = select(snapshot(ranked("a", "b")), rules, history=known)
    assert found.members == ("a",)
    assert found.verdict("a").reason == "rank 1 of the top 3 by momentum (+100.0%)"
    assert found.verdict("b").reason == "momentum unknown (universe ranks by it)"
