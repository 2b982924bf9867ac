"""On the real records of 2021: sane members every week, and an independent computation of the weights."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from offchain.market import Market
from offchain.methodology import Decision, Methodology
from offchain.spec import IndexSpec
from offchain.universe import select

NEVER = {
    "tether", "usd-coin", "dai", "binance-usd", "terrausd", "true-usd", "paxos-standard", "husd", "fei-usd", "liquity-usd",
    "wrapped-bitcoin", "huobi-btc", "renbtc", "compound-ether", "cdai", "compound-usd-coin", "compound-usdt", "staked-ether",
    "xsushi", "seth", "interest-bearing-bitcoin", "3x-long-ethereum-token", "pax-gold", "tether-gold",
}  # fmt: skip
LARGE = {
    "bitcoin", "ethereum", "cardano", "binancecoin", "ripple", "dogecoin", "polkadot", "solana", "uniswap", "bitcoin-cash",
    "litecoin", "chainlink", "stellar", "bitcoin-cash-sv", "theta-token", "filecoin", "terra-luna", "avalanche-2",
}  # fmt: skip


@pytest.fixture(scope="module")
def mondays(real_market: Market, methodology: Methodology) -> list[Decision]:
    """LC10 decided every third Monday of the file, each with the holdings of the one before."""
    decisions: list[Decision] = []
    for date in real_market.dates[real_market.dates.day_of_week == 0][::3]:
        decisions.append(methodology.decide(real_market, date, decisions[-1].members if decisions else ()))
    return decisions


def test_lc10_of_2021_holds_ten_large_coins_every_week(mondays: list[Decision]) -> None:
    for decision in mondays:
        assert len(decision.members) == 10
        assert decision.members[:2] == ("bitcoin", "ethereum")
        assert set(decision.members) <= LARGE, decision.t
        assert sum(decision.target_weights.values()) == 10**18
        assert max(decision.target_weights.values()) <= 25 * 10**16
        assert min(decision.target_weights.values()) >= 5 * 10**15


def test_lc10_of_2021_changes_a_few_names_and_not_every_week(mondays: list[Decision]) -> None:
    changes = [decision.entered for decision in mondays[1:]]
    assert 3 <= sum(len(entered) for entered in changes) <= 12


@pytest.mark.parametrize("with_themes", [True, False])
def test_top_fifty_of_2021_holds_no_copies_and_no_dollars(
    real_market: Market, lc10: IndexSpec, with_themes: bool
) -> None:
    rules = dataclasses.replace(lc10.universe, top=50, buffer=0, min_age_days=0, min_volume_usd=1e5)
    market = real_market
    if not with_themes:
        bare = market.meta.assign(tags="", symbol=[name.upper() for name in market.ids])
        market = dataclasses.replace(market, meta=bare)
    for date in ("2021-01-02", "2021-03-15", "2021-05-24", "2021-07-19", "2021-09-27"):
        members = set(select(market.snapshot(date), rules).members)
        assert len(members) == 50
        assert not members & NEVER, date


def test_weights_before_capping_are_those_of_a_few_lines_of_pandas(real_market: Market, lc10: IndexSpec) -> None:
    plain = dataclasses.replace(
        lc10,
        universe=dataclasses.replace(lc10.universe, exclude=("tether",)),
        weights=dataclasses.replace(lc10.weights, max_weight=1.0, min_weight=0.0),
    )
    decision = Methodology(plain).decide(real_market, "2021-06-14")
    caps = real_market.market_cap.loc["2021-06-14"]
    largest = caps.drop(list(NEVER & set(caps.index))).nlargest(10)
    expected = largest / largest.sum()
    assert set(expected.index) == set(decision.members)
    for name, weight in decision.target_weights.items():
        assert weight / 1e18 == pytest.approx(expected[name], rel=1e-12)


def test_decision_on_real_data_is_blind_to_what_comes_after(real_market: Market, methodology: Methodology) -> None:
    t = pd.Timestamp("2021-05-17", tz="UTC")
    decision = methodology.decide(real_market, t, ("bitcoin", "chainlink"))
    rows = real_market.dates.get_loc(t) + 1
    future = {}
    for name in ("price", "market_cap", "volume"):
        frame = getattr(real_market, name).copy()
        frame.iloc[rows:] = frame.iloc[rows:].to_numpy()[::-1] * 1_000.0
        future[name] = frame
    poisoned = dataclasses.replace(real_market, **future)
    assert methodology.decide(poisoned, t, ("bitcoin", "chainlink")).to_json() == decision.to_json()


def test_decision_on_real_data_gives_a_reason_for_every_coin(mondays: list[Decision]) -> None:
    last = mondays[-1]
    assert len(last.reasons) > 2_000
    assert all(last.reasons.values())
    assert last.reasons["tether"] == 'stablecoin: tagged "stablecoin"'
    assert Decision.from_json(last.to_json()) == last
