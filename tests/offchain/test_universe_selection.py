"""Which coins are in, and the reason for each one in and out.

classify     by tag, by price, by name · names that only look like something
screen       every rule says its number
select       top by cap · buffer both ways · ties · twins · doubts are noted
"""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import COINS, change, daily_frame, without

from offchain.market import CoinFacts, Market, MarketSnapshot
from offchain.spec.universe_rules import UniverseRules
from offchain.universe import Universe, classify, select
from tests.fuzz import examples

LAST = "2024-02-29"
RULES = UniverseRules(top=3, min_age_days=0, min_volume_usd=1e6)


def coin(coin_id: str = "coin", **known: object) -> CoinFacts:
    facts = CoinFacts(
        id=coin_id, symbol=coin_id.upper(), name=coin_id, tags=(), decimals=None, price=1.5, observed_price=1.5, state="ok",
        market_cap=1e9, market_cap_state="ok", volume=5e6, age_days=None, gap_days=0, idle_days=0, tracks=None,
    )  # fmt: skip
    return dataclasses.replace(facts, **known)  # type: ignore[arg-type]


def universe(*coins: CoinFacts, rules: UniverseRules = RULES, held: tuple[str, ...] = ()) -> Universe:
    facts = MarketSnapshot(
        t=Market.from_frame(daily_frame(days=2)).end,
        source="test",
        volume_days=30,
        coins=tuple(sorted(coins, key=lambda one: one.id)),
    )
    return select(facts, rules, incumbents=held)


def ranked(*ids: str) -> list[CoinFacts]:
    """Coins with falling market caps."""
    return [coin(name, market_cap=1e9 - 1e6 * place) for place, name in enumerate(ids)]


@pytest.mark.parametrize(
    ("coin_id", "kind"),
    [
        ("tether", "stablecoin"), ("usd-coin", "stablecoin"), ("binance-usd", "stablecoin"), ("terrausd", "stablecoin"),
        ("celo-euro", "stablecoin"), ("origin-dollar", "stablecoin"), ("wrapped-bitcoin", "wrapped"), ("huobi-btc", "wrapped"),
        ("renbtc", "wrapped"), ("mirrored-tesla", "wrapped"), ("thorchain-erc20", "wrapped"), ("binance-peg-cardano", "wrapped"),
        ("cdai", "receipt"), ("compound-usd-coin", "receipt"), ("staked-ether", "receipt"), ("lido-staked-sol", "receipt"),
        ("aave-usdc", "receipt"), ("3x-long-ethereum-token", "leveraged"), ("eth-2x-flexible-leverage-index", "leveraged"),
        ("pax-gold", "commodity"),
    ],
)  # fmt: skip
def test_classify_by_name_alone_knows_the_usual_ones(coin_id: str, kind: str) -> None:
    assert kind in classify(coin(coin_id))


@pytest.mark.parametrize(
    "coin_id",
    ["bitcoin", "ethereum", "bitcoin-cash", "bitcoin-gold", "ethereum-classic", "compound-governance-token", "aave", "venus",
     "stellar", "stacks", "lido-dao", "rocket-pool", "synthetix-network-token", "adventure-gold", "xdai-stake", "jupiter-exchange",
     "curve-dao-token", "polkabridge", "pancakeswap-token", "neo", "eos", "maker", "avalanche-2", "near", "leo-token"],
)  # fmt: skip
def test_classify_by_name_leaves_ordinary_coins_alone(coin_id: str) -> None:
    assert classify(coin(coin_id)) == {}


@pytest.mark.parametrize("symbol", ["BTCUP", "ETHDOWN", "BULL", "ETHBEAR", "LINK3L", "XRP5S"])
def test_classify_by_symbol_knows_leveraged_tokens(symbol: str) -> None:
    assert "leveraged" in classify(coin(symbol=symbol))


@pytest.mark.parametrize("symbol", ["JUP", "SUP", "SYRUP", "UP", "BULLA", "AAVE", "SOLS"])
def test_classify_by_symbol_leaves_words_that_end_alike_alone(symbol: str) -> None:
    assert classify(coin(symbol=symbol)) == {}


def test_classify_by_price_needs_no_name() -> None:
    pegged = {"strange-one": (1.0, 3e9), "strange-two": (40_000.0, 4e9), "strange-three": (0.0213, 2e9)}
    frame = daily_frame(days=60)
    bitcoin = frame.loc[frame["id"] == "bitcoin", "price"].to_numpy()
    other = daily_frame(days=60, coins=pegged)
    other.loc[other["id"] == "strange-one", "price"] = 1.001
    other.loc[other["id"] == "strange-two", "price"] = bitcoin * 1.002
    other.loc[other["id"] == "strange-three", "price"] = 0.0213
    facts = Market.from_frame(pd.concat([frame, other])).snapshot(LAST)
    assert classify(facts["strange-one"]) == {"stablecoin": "its price stayed within 2 % of 1 USD for 30 days"}
    assert classify(facts["strange-two"]) == {"wrapped": "its price was that of bitcoin for 30 days"}
    assert classify(facts["strange-three"]) == {"stablecoin": "its price hardly moved for 30 days"}
    assert all(not classify(facts[name]) for name in COINS)


@pytest.mark.parametrize(
    ("facts", "rules", "reason"),
    [
        ({}, {"exclude": ("coin",)}, "excluded by name (universe.exclude)"),
        ({}, {"include_only": ("bitcoin",)}, "not in universe.include_only"),
        ({"tags": ("stablecoin",)}, {}, 'stablecoin: tagged "stablecoin"'),
        ({"state": "new"}, {}, "price known for fewer than 3 days that agree"),
        ({"gap_days": 9, "state": "gone", "price": None}, {}, "no price since 2023-12-24 (9 days, limit 3)"),
        ({"state": "jump_down", "observed_price": 0.015}, {}, "price fell to 0.01 times the last believed one"),
        ({"idle_days": 8}, {}, "nothing traded for 8 days (limit 6)"),
        ({"market_cap": None, "market_cap_state": "none"}, {}, "market cap unknown"),
        ({"market_cap": None, "market_cap_state": "new"}, {}, "market cap known for fewer than 3 days that agree"),
        ({"age_days": 89}, {"min_age_days": 90}, "first price 89 days ago (universe.min_age_days 90)"),
        (
            {"market_cap": 5e7},
            {"min_market_cap_usd": 1e8},
            "market cap $50,000,000 (universe.min_market_cap_usd $100,000,000)",
        ),
        ({"volume": 999_999.0}, {}, "median volume $999,999 a day (universe.min_volume_usd $1,000,000)"),
    ],
)
def test_screen_given_a_rule_that_fails_says_the_number(
    facts: dict[str, object], rules: dict[str, object], reason: str
) -> None:
    chosen = universe(coin(**facts), rules=dataclasses.replace(RULES, **rules))  # type: ignore[arg-type]
    assert chosen.members == ()
    assert chosen.verdict("coin").reason.startswith(reason)


def test_screen_at_the_very_limit_of_each_rule_lets_a_coin_in() -> None:
    rules = dataclasses.replace(RULES, min_age_days=90, min_market_cap_usd=1e8)
    assert universe(coin(age_days=90, market_cap=1e8, volume=1e6, idle_days=6, gap_days=3), rules=rules).members == (
        "coin",
    )
    assert universe(coin(idle_days=7), rules=rules).members == ()


def test_screen_given_a_class_that_is_allowed_lets_it_in() -> None:
    allowed = dataclasses.replace(RULES, exclude_classes=())
    assert universe(coin("tether"), rules=allowed).members == ("tether",)


def test_screen_given_the_coins_of_a_chain_leaves_out_the_others() -> None:
    """U2: the whitelist of what the index can hold and trade."""
    facts = Market.from_frame(daily_frame()).snapshot(LAST)
    chosen = select(facts, RULES, tradable=["bitcoin", "solana"])
    assert chosen.members == ("bitcoin", "solana")
    assert chosen.verdict("ethereum").reason == "no token or feed on this chain"
    anywhere = dataclasses.replace(RULES, require_tradable=False)
    assert len(select(facts, anywhere, tradable=["bitcoin"])) == 3


def test_select_takes_the_largest_and_ranks_the_rest() -> None:
    chosen = universe(*ranked("a", "b", "c", "d"))
    assert chosen.members == ("a", "b", "c")
    assert chosen.verdict("a").reason == "rank 1 of the top 3"
    assert chosen.verdict("d").reason == "rank 4 is below the top 3"
    assert chosen.verdict("zzz").reason == "not in the market data"


def test_select_given_a_buffer_keeps_a_held_coin_just_below_the_top() -> None:
    rules = dataclasses.replace(RULES, buffer=1)
    chosen = universe(*ranked("a", "b", "c", "d"), rules=rules, held=("a", "b", "d"))
    assert chosen.members == ("a", "b", "d")
    assert chosen.verdict("d").reason == "held, and rank 4 is within the buffer (top 3 + 1)"
    assert chosen.verdict("c").reason == "rank 3, but a held coin within the buffer keeps the place (enters at 2)"


def test_select_given_a_buffer_lets_a_clearly_larger_newcomer_in() -> None:
    rules = dataclasses.replace(RULES, buffer=1)
    assert universe(*ranked("a", "new", "c", "d"), rules=rules, held=("a", "c", "d")).members == ("a", "new", "c")


def test_select_given_a_buffer_drops_a_held_coin_beyond_it() -> None:
    rules = dataclasses.replace(RULES, buffer=1)
    chosen = universe(*ranked("a", "b", "c", "d", "e"), rules=rules, held=("a", "b", "e"))
    assert chosen.members == ("a", "b", "c")
    assert chosen.verdict("e").reason == "rank 5 is below the top 3 + buffer 1"


def test_select_of_equal_caps_prefers_the_held_then_the_traded_then_the_id() -> None:
    rules = dataclasses.replace(RULES, top=1)
    same = [coin("b"), coin("a"), coin("c", volume=6e6), coin("d", market_cap=1e9 * (1 + 1e-12))]
    assert universe(*same, rules=rules, held=("b",)).members == ("b",)
    assert universe(*same, rules=rules).members == ("c",)
    assert universe(coin("b"), coin("a"), rules=rules).members == ("a",)


def test_select_of_two_coins_with_one_ticker_keeps_the_held_or_the_larger() -> None:
    old, new = coin("old-ecash", symbol="XEC", market_cap=2e9), coin("ecash", symbol="XEC", market_cap=1.9e9)
    assert universe(old, new).members == ("old-ecash",)
    chosen = universe(old, new, held=("ecash",))
    assert chosen.members == ("ecash",)
    assert chosen.verdict("old-ecash").reason == "same ticker XEC as ecash, which is held or larger"


@settings(max_examples=examples(25))
@given(st.permutations(range(8)), st.sets(st.integers(min_value=0, max_value=7)))
def test_select_does_not_depend_on_the_order_of_anything(order: list[int], held: set[int]) -> None:
    coins = ranked(*"abcdefgh")
    names = tuple(coins[number].id for number in held)
    rules = dataclasses.replace(RULES, buffer=1)
    shuffled = [coins[number] for number in order]
    assert universe(*shuffled, rules=rules, held=names[::-1]) == universe(*coins, rules=rules, held=names)


def test_select_given_a_jump_ranks_by_the_last_believed_cap_and_notes_the_doubt() -> None:
    """V12: one wild price does not buy a place."""
    frame = change(daily_frame(), "uniswap", 59, price=1_000.0, market_cap=1_000.0)
    chosen = select(Market.from_frame(frame).snapshot(LAST), RULES)
    assert chosen.members == ("bitcoin", "ethereum", "solana")
    assert "ranked as before until 3 days agree" in chosen.verdict("uniswap").note


def test_select_given_a_jump_that_lasts_believes_it_on_the_third_day() -> None:
    frame = change(daily_frame(), "uniswap", 57, days=3, price=50.0, market_cap=50.0)
    market = Market.from_frame(frame)
    assert "uniswap" not in select(market.snapshot("2024-02-28"), RULES).members
    assert "uniswap" in select(market.snapshot(LAST), RULES).members


def test_select_given_a_bridged_hole_keeps_the_coin_with_a_note_and_then_drops_it() -> None:
    market = Market.from_frame(without(daily_frame(), "solana", 56, days=4))
    first = select(market.snapshot("2024-02-26"), RULES).verdict("solana")
    assert (first.is_member, first.note) == (True, "no price today; that of 1 days ago is used")
    assert (
        select(market.snapshot(LAST), RULES).verdict("solana").reason == "no price since 2024-02-25 (4 days, limit 3)"
    )
