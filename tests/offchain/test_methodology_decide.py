"""The decision: pure, verifiable, and blind to the future.

decide       weights · members, entered, left · tradable · findings · refuses with numbers
hashes       the same for the same, other for other · JSON both ways · verify
look-ahead   nothing after t, no order of rows or columns, changes a bit
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import COINS, change, daily_frame

from offchain.errors import DecisionMismatch, EmptyUniverse, InfeasibleWeights
from offchain.market import Market, MarketSnapshot
from offchain.methodology import Decision, Methodology, verify
from offchain.spec import IndexSpec, parse_spec
from tests.fuzz import examples

T = "2024-02-15"
RULES = """
[index]
name = "Test"
symbol = "TST"
[universe]
top = 4
min_age_days = 0
buffer = 1
[weights]
max_weight = 0.4
min_weight = 0.05
"""


@pytest.fixture(scope="module")
def spec() -> IndexSpec:
    return parse_spec(RULES)


@pytest.fixture(scope="module")
def rules(spec: IndexSpec) -> Methodology:
    return Methodology(spec)


@pytest.fixture(scope="module")
def market() -> Market:
    return Market.from_frame(daily_frame())


def test_decide_sums_to_one_within_the_limits_and_is_sorted_by_id(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T)
    assert decision.members == ("bitcoin", "ethereum", "solana", "cardano")
    assert list(decision.target_weights) == sorted(decision.members)
    assert sum(decision.target_weights.values()) == 10**18
    assert decision.target_weights["bitcoin"] == 4 * 10**17


def test_decide_names_what_entered_and_left(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T, {"bitcoin": 1, "ethereum": 2.5, "uniswap": 3, "solana": 0})
    assert decision.incumbents == ("bitcoin", "ethereum", "uniswap")
    assert decision.entered == ("solana", "cardano")
    assert decision.left == ("uniswap",)
    assert decision.reasons["uniswap"] == "rank 6 is below the top 4 + buffer 1"


def test_decide_given_a_held_coin_the_market_does_not_know_lets_it_go(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T, ["bitcoin", "ghost"])
    assert decision.left == ("ghost",)
    assert decision.reasons["ghost"] == "not in the market data"
    assert Decision.from_json(decision.to_json()) == decision


def test_decide_given_the_chain_uses_only_what_is_there(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T, tradable={"bitcoin", "chainlink", "uniswap"})
    assert decision.members == ("bitcoin", "chainlink", "uniswap")


def test_decide_prints_as_a_table(rules: Methodology, market: Market) -> None:
    text = str(rules.decide(market, T, ["uniswap"]))
    assert "bitcoin   40.0000 %" in text
    assert "left: uniswap: rank 6" in text


def test_decide_reports_doubts_about_members(rules: Methodology) -> None:
    market = Market.from_frame(change(daily_frame(), "solana", 45, price=500.0, market_cap=500.0))
    decision = rules.decide(market, T)
    assert decision.members[2] == "solana"
    assert len(decision.findings) == 1
    assert decision.findings[0].startswith("solana: price jumped to")


def test_decide_where_nobody_passes_says_why_the_largest_did_not(rules: Methodology, market: Market) -> None:
    with pytest.raises(EmptyUniverse) as refusal:
        rules.decide(market, T, tradable=[])
    assert "none of 6 coins passes [universe]" in str(refusal.value)
    assert "bitcoin: no token or feed on this chain" in str(refusal.value)


def test_decide_where_too_few_pass_for_the_cap_names_the_numbers(rules: Methodology, market: Market) -> None:
    with pytest.raises(
        InfeasibleWeights,
        match=r"2 coins reach only 0.8 of 1: max_weight 0.8 \(2 coins\). Raise max_weight to at least 0.5",
    ):
        rules.decide(market, T, tradable=["bitcoin", "solana"])


def test_decide_given_one_text_for_holdings_is_refused(rules: Methodology, market: Market) -> None:
    with pytest.raises(TypeError, match="one text"):
        rules.decide(market, T, "bitcoin")


def test_decide_twice_is_the_same_bit_for_bit(rules: Methodology, market: Market) -> None:
    again = Methodology(parse_spec(RULES)).decide(Market.from_frame(daily_frame()), T)
    assert again.to_json() == rules.decide(market, T).to_json()


def test_decision_hash_is_the_known_one(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T)
    assert decision.decision_hash == GOLDEN_DECISION


def test_decision_hash_changes_with_each_input(rules: Methodology, market: Market, spec: IndexSpec) -> None:
    other_spec = dataclasses.replace(spec, fees=dataclasses.replace(spec.fees, streaming_bps=1))
    hashes = {
        rules.decide(market, T).decision_hash,
        rules.decide(market, "2024-02-14").decision_hash,
        rules.decide(market, T, ["bitcoin"]).decision_hash,
        rules.decide(market, T, tradable=list(COINS)).decision_hash,
        Methodology(other_spec).decide(market, T).decision_hash,
    }
    assert len(hashes) == 5


def test_decision_reads_back_equal_from_json(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T, ["uniswap"], tradable=list(COINS))
    again = Decision.from_json(decision.to_json())
    assert again == decision
    assert again.decision_hash == decision.decision_hash
    assert all(isinstance(weight, str) for weight in json.loads(decision.to_json())["target_weights"].values())


def test_decision_from_a_changed_file_is_refused(rules: Methodology, market: Market) -> None:
    text = rules.decide(market, T).to_json()
    with pytest.raises(DecisionMismatch, match="was changed after it was written"):
        Decision.from_json(text.replace('"symbol":"TST"', '"symbol":"XXX"'))
    for bad in ("{}", "nonsense", text.replace("ballast-decision/1", "other")):
        with pytest.raises(DecisionMismatch, match="not a decision"):
            Decision.from_json(bad)


def test_verify_passes_for_a_true_decision_from_market_or_snapshot(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T, ["uniswap"], tradable=list(COINS))
    rules.verify(decision, market)
    published = MarketSnapshot.from_json(rules.snapshot(market, T).to_json())
    verify(decision, published, spec=rules.spec)


def test_verify_of_a_false_decision_names_each_difference(rules: Methodology, market: Market) -> None:
    decision = rules.decide(market, T)
    weights = dict(decision.target_weights)
    weights["bitcoin"] -= 1
    weights["solana"] += 1
    with pytest.raises(DecisionMismatch) as refusal:
        rules.verify(dataclasses.replace(decision, target_weights=weights, spec_hash="0x00"), market)
    for part in ("spec_hash is 0x00", "weight of bitcoin is 399999999999999999, recomputed 400000000000000000"):
        assert part in str(refusal.value)


def test_verify_against_other_data_names_the_inputs_hash(rules: Methodology, market: Market) -> None:
    other = Market.from_frame(change(daily_frame(), "solana", 45, price=1.01))
    with pytest.raises(DecisionMismatch, match="inputs_hash is"):
        rules.verify(rules.decide(market, T), other.until("2024-02-20"))


def test_decide_on_a_snapshot_of_another_window_is_refused(rules: Methodology, market: Market) -> None:
    with pytest.raises(DecisionMismatch, match="medians of 7 days"):
        rules.decide_on(market.snapshot(T, volume_days=7))


def poisoned(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """`frame` with everything after T made wrong in one way."""
    after = frame["date"] > pd.Timestamp(T, tz="UTC")
    if kind == "gone":
        return frame[~after]
    future = frame.copy()
    columns = ["price", "market_cap", "volume"]
    if kind == "times":
        future.loc[after, columns] = future.loc[after, columns] * [3.0, 700.0, 0.001]
    if kind == "missing":
        future.loc[after & (frame["id"] != "bitcoin"), columns] = np.nan
    if kind == "shuffled":
        future.loc[after, "id"] = future.loc[after, "id"].map(
            dict(zip(COINS, [*list(COINS)[1:], "bitcoin"], strict=True))
        )
        future.loc[after, columns] = 1_000.0
        future = future[~(after & future["id"].isin(["bitcoin", "ethereum"]))]
    if kind == "newcomer":
        extra = future[after & (future["id"] == "bitcoin")].assign(id="aaa-new", market_cap=9e12)
        future = pd.concat([future, extra])
    return future


@pytest.mark.parametrize("kind", ["gone", "times", "missing", "shuffled", "newcomer"])
def test_decide_at_t_is_bit_identical_whatever_happens_after(rules: Methodology, market: Market, kind: str) -> None:
    other = Market.from_frame(poisoned(daily_frame(), kind))
    assert rules.decide(other, T, ["uniswap"]).to_json() == rules.decide(market, T, ["uniswap"]).to_json()


@settings(max_examples=examples(12))
@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_decide_does_not_depend_on_the_order_of_rows_or_columns(seed: int) -> None:
    frame = daily_frame(days=50)
    dice = np.random.default_rng(seed)
    shuffled = frame.iloc[dice.permutation(len(frame))][list(dice.permutation(frame.columns))]
    rules = Methodology(parse_spec(RULES))
    assert rules.decide(Market.from_frame(shuffled), T).to_json() == rules.decide(Market.from_frame(frame), T).to_json()


@settings(max_examples=examples(12))
@given(st.integers(min_value=0, max_value=2**32 - 1), st.integers(min_value=5, max_value=45))
def test_decide_on_noisy_dirty_data_never_sees_the_future(seed: int, day: int) -> None:
    dice = np.random.default_rng(seed)
    frame = daily_frame(days=50)
    for column in ("price", "market_cap", "volume"):
        hit = dice.random(len(frame)) < 0.1
        frame.loc[hit, column] = frame.loc[hit, column] * dice.choice([0.0, np.nan, 30.0, 0.02, 1_000.0], hit.sum())
    t = pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(days=day)
    rules = Methodology(parse_spec(RULES.replace("max_weight = 0.4\nmin_weight = 0.05\n", "")))
    known = frame[frame["date"] <= t]
    answers = []
    for rows in (frame, known):
        try:
            answers.append(rules.decide(_market(rows), t).to_json())
        except EmptyUniverse as refusal:
            answers.append(str(refusal))
    assert answers[0] == answers[1]


def _market(frame: pd.DataFrame) -> Market:
    # the unit check reads medians of the whole file; these prices are broken on purpose
    renamed = frame.assign(id=frame["id"].map(lambda name: f"x-{name}"))
    return Market.from_frame(renamed)


GOLDEN_DECISION = "0x945e263abc3b2be7874667f64001e4fc805ac5d47fd972f9e06f9e616af9e886"
