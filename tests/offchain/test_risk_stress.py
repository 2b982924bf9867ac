"""Scenarios on weights by hand, sleeves of an index of indexes, and profiles.

stress        shocks by coin, theme and rest · exit costs · hypothetical ones · reverse · replay of real days
table         adds up, plain numbers
sleeves       look-through to the wei · rotation · drift
profiles      consistent with the rules · no advice
"""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_frames import history_of, signals

from offchain.errors import InfeasibleWeights, MissingHistory, UnitError
from offchain.market import Market
from offchain.risk import blend
from offchain.risk.profiles import NOTICE, suggest, table
from offchain.risk.scenarios import (
    BY_NAME,
    HISTORICAL,
    all_at_once,
    liquidity_halves,
    market_falls,
    one_to_zero,
    stable_breaks,
)
from offchain.risk.sleeves import out_of_line, sleeve_scores
from offchain.risk.stress import Liquidity, coin_falls_for, market_move_for, replay, stress
from offchain.risk.tables import risk_table
from offchain.spec.risk_rules import contradictions
from offchain.spec.sleeve_rules import SleeveRules

WAD = 10**18
WEIGHTS = {"bitcoin": 0.5, "ethereum": 0.3, "usd-coin": 0.2}
THEMES = {"usd-coin": ("stablecoin",), "uniswap": ("defi", "dex")}


# --- stress ---------------------------------------------------------------------------------------------------------


def test_library_holds_the_events_with_dates_and_sources() -> None:
    """P11, V11, §6.7-18: the named events, each with dates and where its figures are from."""
    assert list(BY_NAME) == [
        "covid-2020", "may-2021", "luna-2022", "lenders-2022", "ftx-2022", "usdc-2023", "yen-2024", "tariffs-2025",
        "cascade-2025",
    ]  # fmt: skip
    for scenario in HISTORICAL:
        assert scenario.start is not None
        assert scenario.end is not None
        assert scenario.start < scenario.end
        assert scenario.sources
        assert "bitcoin" in scenario.coins
        assert all(-1 <= shock < 0.5 for shock in (*scenario.coins.values(), scenario.rest))
        assert 0 < scenario.depth <= 1
        assert set(scenario.estimates) <= {*scenario.coins, "rest", "depth"}


def test_stress_by_hand() -> None:
    """P11: FTX on half bitcoin, 30 % ether, 20 % USDC: 0.5 · 22.4 + 0.3 · 24.4 = 18.52 %."""
    (row,) = stress(WEIGHTS, [BY_NAME["ftx-2022"]], themes=THEMES)
    assert row.loss == pytest.approx(0.5 * 0.224 + 0.3 * 0.244)
    assert row.exit_cost == 0
    assert row.by_coin == pytest.approx({"bitcoin": 0.112, "ethereum": 0.0732, "usd-coin": 0.0})
    assert row.worst == "bitcoin"
    assert row.estimated == pytest.approx(0.2)


def test_shock_is_that_of_the_coin_then_of_its_theme_then_of_the_rest() -> None:
    scenario = BY_NAME["usdc-2023"]
    assert scenario.shock("usd-coin", ("stablecoin",)) == -0.12
    assert scenario.shock("gemini-dollar", ("stablecoin",)) == 0.0
    assert scenario.shock("gemini-dollar") == -0.10


def test_exit_cost_of_a_pool_is_value_over_value_plus_depth() -> None:
    """P11, §6.7-9: 500,000 left at half of 1.5 M: 0.5 / (0.5 + 0.75) = 40 % of it is lost."""
    market = Liquidity(portfolio_usd=1e6, depths={"bitcoin": 1.5e6})
    (row,) = stress({"bitcoin": 0.5, "ethereum": 0.5}, [liquidity_halves()], market=market)
    assert row.loss == 0
    assert row.exit_cost == pytest.approx(0.5 * 0.4)
    assert row.unknown == ("ethereum",)
    assert math.fsum(row.by_coin.values()) == pytest.approx(row.total)


def test_exit_cost_by_volume_is_the_square_root_law() -> None:
    """P11: a day's volatility of 4 %, a quarter of what volume is left: 4 % · √(1/4) = 2 %."""
    market = Liquidity(portfolio_usd=1e6, volumes={"bitcoin": 8e6}, volatilities={"bitcoin": 0.04 * math.sqrt(365)})
    assert market.haircut("bitcoin", 1e6, depth=0.5) == pytest.approx(0.02)
    assert market.haircut("bitcoin", 0.0, depth=0.5) == 0.0
    assert market.haircut("ethereum", 1.0, depth=0.5) is None
    assert Liquidity(portfolio_usd=1.0, volumes={"x": 0.0}, volatilities={"x": 1.0}).haircut("x", 1.0, depth=1.0) == 1.0


def test_market_falls_by_betas_and_no_coin_below_nothing() -> None:
    """P11: bitcoin -50 %; a beta of 2.5 would be -125 %."""
    scenario = market_falls(-0.5, {"bitcoin": 1.0, "ethereum": 1.2, "wild": 2.5, "young": math.nan}, default_beta=1.4)
    (row,) = stress({"bitcoin": 0.4, "ethereum": 0.3, "wild": 0.1, "young": 0.1, "other": 0.1}, [scenario])
    assert row.loss == pytest.approx(0.4 * 0.5 + 0.3 * 0.6 + 0.1 * 1.0 + 0.1 * 0.7 + 0.1 * 0.7)


def test_hypothetical_scenarios_by_hand() -> None:
    """P11, §6.7-16: the top coin to zero, the peg broken by 10 %, everything three deviations down at once."""
    rows = {
        row.scenario.name: row
        for row in stress(
            WEIGHTS,
            [
                one_to_zero("bitcoin"),
                stable_breaks(("usd-coin",)),
                all_at_once({"bitcoin": 0.6, "ethereum": 0.8, "usd-coin": 0.01}, deviations=3, days=1),
            ],
        )
    }
    assert rows["one-to-zero"].loss == pytest.approx(0.5)
    assert rows["stable-breaks"].loss == pytest.approx(0.02)
    assert rows["all-at-once"].loss == pytest.approx(3 / math.sqrt(365) * (0.5 * 0.6 + 0.3 * 0.8 + 0.2 * 0.01))


def test_stress_lists_the_worst_first() -> None:
    rows = stress({"solana": 1.0}, HISTORICAL)
    assert rows[0].scenario.name == "ftx-2022"
    assert [row.total for row in rows] == sorted((row.total for row in rows), reverse=True)


def test_reverse_stress_finds_the_fall_that_costs_so_much() -> None:
    """P11: reverse stress, against the forward one."""
    weights = {"bitcoin": 0.5, "ethereum": 0.2, "wild": 0.2, "usd-coin": 0.1}
    slopes = {"bitcoin": 1.0, "ethereum": 1.2, "wild": 3.0}
    # until wild is gone at -1/3 the slope is 0.5 + 0.24 + 0.6; it has cost 0.4467 by then; after it 0.74
    assert market_move_for(weights, slopes, loss=0.2) == pytest.approx(-0.2 / 1.34)
    later = market_move_for(weights, slopes, loss=0.6)
    assert later == pytest.approx(-(1 / 3 + (0.6 - 1.34 / 3) / 0.74))
    (row,) = stress(weights, [market_falls(later or 0.0, slopes | {"usd-coin": 0.0})])
    assert row.loss == pytest.approx(0.6)
    assert market_move_for(weights, slopes, loss=0.95) is None
    others = slopes | {"not-held": 9.0, "usd-coin": math.nan}
    assert market_move_for(weights, others, loss=0.2) == pytest.approx(-0.2 / 1.34)
    assert coin_falls_for(weights, loss=0.2) == {"bitcoin": -0.4, "ethereum": -1.0, "usd-coin": None, "wild": -1.0}


def test_replay_holds_what_was_bought_and_says_what_was_missing() -> None:
    """P11: two coins by hand; one ends on the way, one has no price on the first day."""
    nan = math.nan
    history = history_of(
        aave=[10.0, 10.0, 5.0, 5.0],
        bitcoin=[100.0, 110.0, 99.0, 120.0],
        luna=[1.0, 0.5, nan, nan],
        new=[nan, 1.0, 1.0, 1.0],
    )
    weights = {"aave": 0.25, "bitcoin": 0.5, "luna": 0.125, "new": 0.125}
    found = replay(weights, history, start=history.dates[0], end=history.dates[-1])
    a, b, c = 2 / 7, 4 / 7, 1 / 7
    expected = [1.0, a + 1.1 * b + 0.5 * c, 0.5 * a + 0.99 * b + 0.5 * c, 0.5 * a + 1.2 * b + 0.5 * c]
    assert list(found.levels.values()) == pytest.approx(expected)
    assert found.loss == pytest.approx(1 - expected[-1])
    assert found.drawdown == pytest.approx(1 - expected[2] / 1.0)
    assert found.worst_day == pytest.approx(1 - expected[2] / expected[1])
    assert (found.missing, found.ended) == (("new",), ("luna",))
    with pytest.raises(MissingHistory, match="is not inside the history"):
        replay(weights, history, start=date(2020, 1, 1), end=history.dates[-1])
    with pytest.raises(MissingHistory, match="no coin of the index has a price"):
        replay({"new": 1.0}, history, start=history.dates[0], end=history.dates[-1])


def test_replay_of_may_2021_agrees_with_the_library(real_market: Market) -> None:
    """P11: the real days beside the figures kept as data."""
    scenario = BY_NAME["may-2021"]
    assert scenario.start is not None
    assert scenario.end is not None
    coins = [name for name in scenario.coins if name in real_market.ids]
    assert len(coins) >= 18
    history = real_market.history(real_market.end, days=200, ids=coins)
    for name in coins:
        found = replay({name: 1.0}, history, start=scenario.start, end=scenario.end)
        assert -found.loss == pytest.approx(scenario.coins[name], abs=0.0006), name


# --- table ----------------------------------------------------------------------------------------------------------


def test_risk_table_adds_up_and_is_plain_json() -> None:
    """P11, issue 4 §1 Risk: one dict for a report; a young coin is left out of volatility and named."""
    random = np.random.default_rng(21)
    prices = {
        name: 100 * np.cumprod(1 + 0.03 * random.standard_normal(200)) for name in ("bitcoin", "ethereum", "young")
    }
    prices["young"][:150] = np.nan
    prices["usd_coin"] = 1 + 0.001 * random.standard_normal(200)
    weights = {"bitcoin": 0.5, "ethereum": 0.2, "usd-coin": 0.2, "young": 0.1}
    market = Liquidity(portfolio_usd=1e6, volumes={"bitcoin": 1e8, "ethereum": 1e8, "usd-coin": 1e8})
    table = risk_table(weights, history_of(**prices), liquidity=market, stable_ids=("usd-coin",))
    read = json.loads(json.dumps(table, allow_nan=False))
    assert read["notes"] == ["young (10.00% of the index): too few prices for volatility and tails, which leave it out"]
    coins = {row["id"]: row for row in read["coins"]}
    assert list(coins) == ["bitcoin", "ethereum", "usd-coin", "young"]
    parts = [row["volatility_part"] for row in coins.values() if row["volatility_part"] is not None]
    assert math.fsum(parts) == pytest.approx(1.0)
    held = np.array([0.5, 0.2, 0.2])
    panel = np.column_stack([prices["bitcoin"], prices["ethereum"], prices["usd_coin"]])
    change = panel[1:] / panel[:-1] - 1
    assert read["volatility"] == pytest.approx(math.sqrt(365 * held @ np.cov(change.T) @ held))
    assert coins["bitcoin"]["exit_days"] == pytest.approx(5e5 / 1e7)
    assert coins["young"]["exit_days"] is None
    assert [(row["confidence"], row["horizon"]) for row in read["tails"]] == [
        (0.95, 1),
        (0.95, 10),
        (0.99, 1),
        (0.99, 10),
    ]
    cases = {row["name"]: row for row in read["stress"]}
    assert set(BY_NAME) < set(cases)
    assert cases["one-to-zero"]["loss"] == pytest.approx(0.5)
    assert cases["stable-breaks"]["loss"] == pytest.approx(0.02)
    assert cases["ftx-2022"]["by_coin"]["usd-coin"] == pytest.approx(0.0, abs=1e-4)
    assert cases["ftx-2022"]["unknown_exit"] == ["young"]
    assert read["reverse"]["coin_moves"]["bitcoin"] == pytest.approx(-0.6)
    with pytest.raises(MissingHistory, match="none of young has returns on half of"):
        risk_table({"young": 1.0}, history_of(**prices))


def test_risk_table_shows_how_it_moves_with_stocks_where_they_are_known() -> None:
    """P10: an index that is the stock market, but for weekends."""
    random = np.random.default_rng(23)
    stocks = 4000 * np.cumprod(1 + 0.01 * random.standard_normal(300))
    plain = history_of(bitcoin=stocks / 100)
    assert risk_table({"bitcoin": 1.0}, plain)["equities"] is None
    stocks[np.arange(300) % 7 > 4] = np.nan
    both = dataclasses.replace(plain, series={"equities": stocks})
    found = risk_table({"bitcoin": 1.0}, both)["equities"]
    assert found == {
        "correlation": pytest.approx(1.0),
        "on_their_worst_days": pytest.approx(1.0),
        "days": int((~np.isnan(stocks)).sum()) - 1,
    }


def test_risk_table_of_coins_with_few_days_in_common_leaves_out_the_one_known_least() -> None:
    """Each of two is known on more than half of the days, but not on the same ones."""
    random = np.random.default_rng(22)
    prices = {name: 100 * np.cumprod(1 + 0.03 * random.standard_normal(101)) for name in ("bitcoin", "early", "late")}
    prices["early"][70:] = np.nan
    prices["late"][:45] = np.nan
    table = risk_table({"bitcoin": 0.4, "early": 0.3, "late": 0.3}, history_of(**prices))
    assert [row.split()[0] for row in table["notes"]] == ["late"]  # type: ignore[union-attr]


def test_risk_table_on_real_days_replays_may_2021(real_market: Market) -> None:
    """P11: the days that the data covers are replayed, beside the figures kept as data."""
    weights = {"bitcoin": 0.5, "ethereum": 0.3, "uniswap": 0.2}
    history = real_market.history("2021-09-30", days=250, ids=weights)
    table = risk_table(weights, history, themes={"uniswap": ("defi",)})
    (row,) = table["replays"]  # type: ignore[misc]
    assert row["name"] == "may-2021"  # type: ignore[index, call-overload]
    assert row["loss"] == pytest.approx(0.5 * 0.386 + 0.3 * 0.493 + 0.2 * 0.561, abs=0.001)  # type: ignore[index, call-overload]


# --- sleeves --------------------------------------------------------------------------------------------------------

CORE = SleeveRules(index="LC10", part=0.7, role="core")
DEFI = SleeveRules(index="DEFI", part=0.2, role="satellite")
AI = SleeveRules(index="AI", part=0.1, role="satellite")
PARTS = {
    "LC10": {"bitcoin": 6 * WAD // 10, "ethereum": 4 * WAD // 10},
    "DEFI": {"aave": WAD // 3, "ethereum": WAD - WAD // 3},
    "AI": {"render-token": WAD},
}


def test_blend_looks_through_to_the_coins() -> None:
    """A8: 70/20/10; ether is 0.7 · 40 % + 0.2 · two thirds."""
    found = blend(PARTS, (CORE, DEFI, AI))
    third = Fraction(PARTS["DEFI"]["aave"], 5)
    assert sum(found.weights.values()) == WAD
    assert found.weights["bitcoin"] == 42 * WAD // 100
    assert abs(found.weights["aave"] - third) < 1
    assert abs(found.weights["ethereum"] - (28 * WAD // 100 + Fraction(PARTS["DEFI"]["ethereum"], 5))) < 1
    assert found.steps[0].reasons["ethereum"] == "40.0000 % of LC10 × 70.0000 % + 66.6667 % of DEFI × 20.0000 %"
    assert list(found.weights) == sorted(found.weights)


@given(
    st.lists(st.lists(st.integers(min_value=1, max_value=10**18), min_size=1, max_size=12), min_size=2, max_size=2),
    st.integers(min_value=20, max_value=40),
)
def test_blend_sums_to_one_and_is_off_by_less_than_a_wei(raw: list[list[int]], satellite: int) -> None:
    """A8."""
    parts = {}
    for symbol, row in zip(("A", "B"), raw, strict=True):
        weights = {f"coin-{number:02d}": value * WAD // sum(row) for number, value in enumerate(row)}
        weights["coin-00"] += WAD - sum(weights.values())
        parts[symbol] = weights
    rules = (
        SleeveRules(index="A", part=(100 - satellite) / 100, role="core"),
        SleeveRules(index="B", part=satellite / 100, role="satellite"),
    )
    found = blend(parts, rules).weights
    assert sum(found.values()) == WAD
    for coin in {*parts["A"], *parts["B"]}:
        exact = Fraction((100 - satellite) * parts["A"].get(coin, 0) + satellite * parts["B"].get(coin, 0), 100)
        assert abs(found.get(coin, 0) - exact) < 1


def test_rotation_gives_the_satellites_part_to_the_best_by_score() -> None:
    """A9, U14: the core stays, one of two satellites is held."""
    best = blend(PARTS, (CORE, DEFI, AI), scores={"DEFI": 0.1, "AI": 0.4}, top=1)
    assert best.weights["render-token"] == 3 * WAD // 10
    assert "aave" not in best.weights
    assert best.weights["bitcoin"] == 42 * WAD // 100
    assert "satellite DEFI (score 0.1000) is rotated out" in best.steps[0].summary
    # equal scores: the lower id
    assert "aave" not in blend(PARTS, (CORE, DEFI, AI), scores={"DEFI": 0.1, "AI": 0.1}, top=1).weights


def test_rotation_to_two_of_three_divides_their_part_equally() -> None:
    """A9: 30 % in equal halves, whatever each had before; a member without weight does no harm."""
    sleeves = (
        CORE,
        SleeveRules(index="DEFI", part=0.15, role="satellite"),
        SleeveRules(index="AI", part=0.1, role="satellite"),
        SleeveRules(index="MEME", part=0.05, role="satellite"),
    )
    parts = PARTS | {"MEME": {"dogecoin": WAD, "shiba-inu": 0}}
    found = blend(parts, sleeves, scores={"DEFI": -0.5, "AI": 0.2, "MEME": 0.3}, top=2).weights
    assert (found["dogecoin"], found["render-token"]) == (15 * WAD // 100, 15 * WAD // 100)
    assert sum(found.values()) == WAD
    assert "aave" not in found


def test_rotation_by_signals_reads_the_mean_score_of_the_coins() -> None:
    """A9."""
    read = signals(aave="bullish", ethereum="neutral", scores={"aave": 0.9, "ethereum": 0.3})
    scores = sleeve_scores(PARTS, read)
    assert scores == pytest.approx({"AI": 0.0, "DEFI": 0.5, "LC10": 0.12})
    assert "render-token" not in blend(PARTS, (CORE, DEFI, AI), read, top=1).weights


@pytest.mark.parametrize(
    ("parts", "sleeves", "keys", "error", "says"),
    [
        ({}, (CORE,), {}, InfeasibleWeights, "no weights for sleeve LC10"),
        (PARTS, (), {}, InfeasibleWeights, "(none given)"),
        (PARTS, (CORE, DEFI), {}, InfeasibleWeights, "sum to 0.9, not 1"),
        ({"LC10": {"bitcoin": 1}}, (CORE,), {}, UnitError, "weights sum to 1"),
        (
            PARTS,
            (SleeveRules(index="LC10", part=0.5), SleeveRules(index="AI", part=0.5, role="satellite")),
            {},
            InfeasibleWeights,
            "the satellites are 50.0000 %, allowed are 20.0000 % to 40.0000 %",
        ),
        (PARTS, (CORE, DEFI, AI), {"top": 1}, InfeasibleWeights, "needs a score for each satellite"),
        (PARTS, (CORE, DEFI, AI), {"top": 1, "scores": {"AI": 1.0}}, InfeasibleWeights, "no score for satellite DEFI"),
    ],
)
def test_blend_refuses_what_is_no_index_of_indexes(
    parts: dict[str, dict[str, int]],
    sleeves: tuple[SleeveRules, ...],
    keys: dict[str, int],
    error: type[Exception],
    says: str,
) -> None:
    """A8."""
    with pytest.raises(error) as refusal:
        blend(parts, sleeves, **keys)  # type: ignore[arg-type]
    assert says in str(refusal.value)


def test_sleeves_out_of_line_are_those_beyond_their_band() -> None:
    """A8: kept in line by rebalancing."""
    drift = out_of_line({"LC10": 0.76, "DEFI": 0.16, "AI": 0.08}, (CORE, DEFI, AI))
    assert drift == {"LC10": 0.06}


# --- profiles -------------------------------------------------------------------------------------------------------


def test_profiles_are_consistent_with_the_rules_and_with_each_other() -> None:
    """U18, U19: every row makes a valid [risk]; more tolerance or a longer horizon never asks for less room."""
    rows = {(row.goal, row.tolerance, row.horizon): row for row in table()}
    assert len(rows) == 27
    for row in rows.values():
        rules = row.rules((("dai", 1.0), ("usd-coin", 1.0)))
        assert contradictions(rules, signals="off", components=()) == []
        assert 0.01 <= row.sleeve[0] < row.sleeve[1] <= 0.15
    for goal in ("preserve", "balanced", "growth"):
        for horizon in ("short", "medium", "long"):
            limits = [rows[goal, tolerance, horizon].drawdown_limit for tolerance in ("low", "medium", "high")]
            assert limits == sorted(limits)
    sleeves = [suggest(goal="growth", tolerance=word, horizon="long").sleeve for word in ("low", "medium", "high")]
    assert sleeves == [(0.01, 0.03), (0.05, 0.07), (0.10, 0.15)]


def test_profile_of_an_unknown_word_suggests_one_and_the_table_is_no_advice() -> None:
    """P14, U18."""
    with pytest.raises(UnitError, match='Did you mean "balanced"'):
        suggest(goal="balance", tolerance="low", horizon="long")
    assert "no investment advice" in NOTICE


def test_all_at_once_over_more_days_grows_with_the_root_of_time() -> None:
    one = all_at_once({"a": 0.5}, deviations=2, days=1).coins["a"]
    assert all_at_once({"a": 0.5}, deviations=2, days=9).coins["a"] == pytest.approx(3 * one)
    assert np.isclose(one, -2 * 0.5 / math.sqrt(365))
