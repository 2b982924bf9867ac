"""What an index file can ask of a coin besides its size.

themes       tags in any spelling · the shipped file · one sector each · altcoins
segments     skip_top · size bands · coverage · top-up from the parent
hysteresis   two thresholds · buffer at both borders · nothing but a better newcomer displaces
limits       each says its number · what is unknown does not pass
copies       several tokens of one asset take one place
calendar     between reconstitutions nobody enters, and only the dead and the barred leave
"""

from __future__ import annotations

import csv
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from universe_support import RULES, T, chosen, coin, history, ranked, snapshot

from offchain.chain.markets import history_days
from offchain.errors import EmptyUniverse, MarketDataError, MissingHistory, SpecError
from offchain.market.history import Needs
from offchain.spec import parse_spec
from offchain.spec.universe_rules import SECTORS, UniverseRules
from offchain.universe import asset_of, candidates, needs, sector_of, select, themes_of
from offchain.universe.taxonomy import FILE, taxonomy

NAN = float("nan")


# --- themes -----------------------------------------------------------------------------------------------------------


def test_the_shipped_taxonomy_gives_each_coin_one_known_sector_and_an_asset_that_is_its_own() -> None:
    """U1, S2: one class per asset, any number of themes; what a copy stands for stands for itself."""
    with FILE.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len({row["id"] for row in rows}) == len(rows) >= 150
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    for row in rows:
        assert row["sector"] in SECTORS and row["themes"], row
        if row["asset"]:
            assert taxonomy()[row["asset"]].asset == row["asset"], row


@pytest.mark.parametrize(
    ("theme", "ids"),
    [
        ("ai", ["fetch-ai", "singularitynet", "bittensor"]),
        ("rwa", ["ondo-finance", "centrifuge", "realio-network"]),
        ("defi", ["aave", "uniswap", "lido-dao", "gmx", "thorchain", "dydx", "curve-dao-token", "havven"]),
        ("meme", ["dogecoin", "shiba-inu", "pepe", "dogwifcoin"]),
        ("gaming", ["axie-infinity", "the-sandbox"]),
        ("smart-contract", ["ethereum", "solana"]),
        ("layer2", ["optimism", "arbitrum", "matic-network"]),
        ("nft", ["flow", "enjincoin"]),
    ],
)
def test_a_theme_holds_its_coins_when_the_data_has_no_tags(theme: str, ids: list[str]) -> None:
    """U7, U8, U9, U10: the themes that people ask for, by the shipped file alone."""
    others = ranked("bitcoin", "litecoin", "monero")
    found = chosen([*others, *(coin(name, market_cap=1e8) for name in ids)], top=20, themes=(theme,))
    assert set(found.members) == set(ids)
    assert f"not of universe.themes ({theme})" in found.verdict("bitcoin").reason


def test_tags_of_the_data_come_before_the_file_and_in_any_spelling() -> None:
    odd = coin("dogecoin", tags=("decentralized-finance-defi", "binance-smart-chain-ecosystem"))
    assert themes_of(odd) == ("binance-smart-chain-ecosystem", "defi")
    assert themes_of(coin("dogecoin")) == ("layer1", "meme")
    assert chosen([odd], themes=("defi",)).members == ("dogecoin",)
    assert chosen([odd], themes=("meme",)).members == ()


def test_a_sector_is_one_and_falls_back_to_the_themes() -> None:
    assert sector_of(coin("uniswap")) == "defi"
    assert sector_of(coin("never-heard-of", tags=("play-to-earn",))) == "culture"
    assert sector_of(coin("never-heard-of")) == ""
    found = chosen([coin("uniswap"), coin("bitcoin")], sectors=("defi",))
    assert found.members == ("uniswap",)
    assert found.verdict("bitcoin").reason == "of sector currency, not of universe.sectors (defi)"


def test_an_altcoin_index_is_everything_but_bitcoin_and_an_excluded_theme_stays_out() -> None:
    """U3, U6: classes and themes are flags of each index, not hard-coded."""
    coins = [coin("bitcoin", market_cap=9e11), coin("ethereum", market_cap=3e11), coin("dogecoin", market_cap=2e10)]
    assert chosen(coins, exclude=("bitcoin",)).members == ("ethereum", "dogecoin")
    found = chosen(coins, exclude_themes=("meme",))
    assert found.members == ("bitcoin", "ethereum")
    assert found.verdict("dogecoin").reason == "of theme meme (universe.exclude_themes)"


# --- segments ---------------------------------------------------------------------------------------------------------


def test_skip_top_leaves_the_first_ranks_to_a_larger_segment() -> None:
    """U11, S1: mid-caps are ranks 3 to 5 here."""
    found = chosen(ranked(*"abcdefg"), skip_top=2)
    assert found.members == ("c", "d", "e")
    assert found.verdict("b").reason == "rank 2 is above the segment (universe.skip_top 2)"
    assert found.verdict("c").reason == "rank 3 of the ranks 3 to 5"
    assert found.verdict("f").reason == "rank 6 is below the ranks 3 to 5"


def test_the_upper_border_of_a_segment_has_the_same_buffer() -> None:
    coins = ranked(*"abcdefgh")
    grew = chosen(coins, top=4, skip_top=2, buffer=1, held=["b", "d", "e", "f"])
    assert grew.members == ("b", "d", "e", "f")
    assert "within the buffer" in grew.verdict("b").reason
    assert chosen(coins, top=4, skip_top=2, buffer=1, held=["a", "d", "e", "f"]).members == ("c", "d", "e", "f")


def test_a_size_band_has_two_ends() -> None:
    coins = [coin("large", market_cap=5e9), coin("mid", market_cap=5e8), coin("small", market_cap=5e7)]
    found = chosen(coins, min_market_cap_usd=1e8, max_market_cap_usd=1e9)
    assert found.members == ("mid",)
    assert found.verdict("large").reason == "market cap $5,000,000,000 (universe.max_market_cap_usd $1,000,000,000)"


def test_coverage_takes_as_many_ranks_as_hold_that_part_of_the_market() -> None:
    """U5: 60 + 25 + 10 + 5; 85 % is reached by two, anything above by three."""
    caps = {"a": 60e9, "b": 25e9, "c": 10e9, "d": 5e9}
    coins = [coin(name, market_cap=cap) for name, cap in caps.items()]
    assert chosen(coins, top=10, coverage=0.85).members == ("a", "b")
    found = chosen(coins, top=10, coverage=0.8501)
    assert found.members == ("a", "b", "c")
    assert found.verdict("d").reason == "rank 4 is below the top 3, which cover 85% of the market"
    assert chosen(coins, top=2, coverage=0.99).members == ("a", "b")
    assert chosen(coins, top=10, coverage=0.5, min_members=2).members == ("a", "b")


def test_too_few_of_a_theme_are_topped_up_by_the_largest_of_the_parent() -> None:
    """S6: a representative number of names; the verdict says that the coin is only a filler, and why it is not of the index."""
    coins = [*ranked("litecoin", "monero", "dash"), coin("fetch-ai", market_cap=5e7)]
    found = chosen(coins, themes=("ai",), min_members=3)
    assert found.members == ("fetch-ai", "litecoin", "monero")
    reason = found.verdict("litecoin").reason
    assert reason.startswith("tops up 1 to universe.min_members 3 by market cap; of themes layer1, payments")
    assert not found.verdict("dash").is_member
    with pytest.raises(EmptyUniverse, match="2 coins pass .*universe.min_members is 3"):
        chosen([coin("fetch-ai"), coin("monero")], themes=("ai",), min_members=3)


def test_a_top_up_has_the_buffer_too_and_never_takes_a_coin_that_fails_a_limit() -> None:
    coins = [
        *ranked("litecoin", "monero", "dash"),
        coin("ripple", market_cap=2e9, volume=1.0),
        coin("fetch-ai", market_cap=5e7),
    ]
    rules = {"themes": ("ai",), "min_members": 2, "buffer": 1}
    assert chosen(coins, **rules).members == ("fetch-ai", "litecoin")
    assert chosen(coins, held=["fetch-ai", "monero"], **rules).members == ("fetch-ai", "monero")
    assert chosen(coins, held=["fetch-ai", "dash"], **rules).members == ("fetch-ai", "litecoin")


# --- hysteresis -------------------------------------------------------------------------------------------------------


def test_a_held_coin_is_easier_to_keep_than_a_new_one_is_to_take() -> None:
    """V1: two thresholds, as S&P's $10 M to enter and $8 M to stay."""
    rules = {"min_market_cap_usd": 10e6, "stay_market_cap_usd": 8e6, "min_volume_usd": 1e5, "stay_volume_usd": 8e4}
    small = [coin("a", market_cap=9e6), coin("b", volume=9e4)]
    assert chosen(small, **rules).members == ()
    assert set(chosen(small, held=["a", "b"], **rules).members) == {"a", "b"}
    found = chosen([coin("a", market_cap=7.9e6)], held=["a"], **rules)
    assert found.verdict("a").reason == "market cap $7,900,000 (universe.stay_market_cap_usd $8,000,000)"


@given(
    st.lists(st.integers(1, 60), min_size=8, max_size=8),
    st.sets(st.integers(0, 7), max_size=4),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_only_a_clearly_better_newcomer_displaces_a_held_coin_inside_the_thresholds(
    caps: list[int], held: set[int], top: int, buffer: int
) -> None:
    """S7, S8, R6: a held coin above the stay threshold and inside the buffer leaves only for ranks that enter without a
    vacancy; and the buffer never makes more coins enter than there would be without it.
    """
    buffer = min(buffer, top - 1)
    coins = [coin(f"c{number}", market_cap=cap * 1e6) for number, cap in enumerate(caps)]
    names = {f"c{number}" for number in held}
    rules = {"top": top, "min_market_cap_usd": 30e6, "stay_market_cap_usd": 20e6}
    plain, buffered = chosen(coins, held=names, **rules), chosen(coins, held=names, buffer=buffer, **rules)
    assert len(set(buffered.members) - names) <= len(set(plain.members) - names)
    for name in names - set(buffered.members):
        verdict = buffered.verdict(name)
        if verdict.rank is None:
            assert verdict.market_cap is not None and verdict.market_cap < 20e6
            continue
        if verdict.rank <= top + buffer:
            sure = [one.id for one in buffered.verdicts if one.rank and one.rank <= top - buffer]
            inside = [one.id for one in buffered.verdicts if one.rank and one.rank < verdict.rank and one.id in names]
            assert len(set(sure) | set(inside)) >= top
    for verdict in buffered.verdicts:
        assert verdict.reason


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "rules", "reason"),
    [
        ({"price": 0.009}, {"min_price_usd": 0.01}, "price $0.009 (universe.min_price_usd $0.01)"),
        (
            {"volume": 2e6, "market_cap": 1e10},
            {"min_turnover": 0.0003},
            "turns over 0.0200% of its market cap a day (universe.min_turnover 0.0300%)",
        ),
    ],
)
def test_a_limit_of_the_snapshot_says_its_number(
    facts: dict[str, object], rules: dict[str, object], reason: str
) -> None:
    """S10, V1: a floor of the price and of the turnover."""
    assert chosen([coin(**facts)], **rules).verdict("coin").reason == reason


@pytest.mark.parametrize(
    ("field", "values", "rule", "limit", "passes", "reason"),
    [
        ("venue_volume", [5.0, 2.0, 3.0], "min_venue_volume_usd", 3.0, True, ""),
        ("venue_volume", [5e5, 2e5, NAN], "min_venue_volume_usd", 4e5, False, "median volume on our venues $350,000 a day"),
        ("listings", [9.0, 4.0, NAN], "min_listings", 4, True, ""),
        ("listings", [9.0, 3.0, NAN], "min_listings", 4, False, "listed on 3 venues (universe.min_listings 4 venues)"),
        ("unlocks", [0.2, 0.04, NAN], "max_unlock", 0.05, True, ""),
        ("unlocks", [0.01, 0.06, NAN], "max_unlock", 0.05, False, "due to be released in 30 days 6.0% of supply"),
        ("commits", [4.0, NAN, 6.0], "min_commits", 10, True, ""),
        ("commits", [4.0, NAN, 5.0], "min_commits", 10, False, "changes to its source 9 in 90 days"),
        ("price", [NAN, 1.0, 1.0], "min_history_days", 2, True, ""),
        ("price", [1.0, NAN, 1.0], "min_history_days", 2, False, "price known for the last 1 days"),
        ("listings", [NAN, NAN, NAN], "min_listings", 4, False, "listed on unknown (universe.min_listings 4 venues)"),
    ],
)  # fmt: skip
def test_a_limit_that_looks_back_says_its_number_and_lets_nothing_unknown_pass(
    field: str, values: list[float], rule: str, limit: float, passes: bool, reason: str
) -> None:
    """V2, V3, V6, V7, S10: our venues, listings, unlocks, developers, history."""
    found = chosen([coin()], history=history({field: {"coin": values}}), **{rule: limit})
    assert (found.members == ("coin",)) is passes
    if not passes:
        assert found.verdict("coin").reason.startswith(reason)


def test_free_float_is_a_part_of_the_supply() -> None:
    """V6: 30 of 100 coins are free; 40 % are asked for."""
    known = history({"free_float": {"coin": [30.0]}, "supply": {"coin": [100.0]}})
    assert chosen([coin()], history=known, min_free_float=0.3).members == ("coin",)
    found = chosen([coin()], history=known, min_free_float=0.4)
    assert found.verdict("coin").reason == "free float 30.0% of supply (universe.min_free_float 40.0% of supply)"


def test_a_limit_that_looks_back_asks_for_the_history_it_needs() -> None:
    rules = dataclasses.replace(RULES, min_listings=2, min_history_days=120, rank_by="momentum", rank_days=60)
    assert needs(rules) == Needs(days=120, fields=("listings", "price"))
    assert not needs(RULES)
    with pytest.raises(MissingHistory, match="universe.min_history_days looks back; give select a history"):
        select(snapshot([coin()]), rules)
    with pytest.raises(MissingHistory, match='no source filled the field "listings"'):
        select(snapshot([coin()]), rules, history=history({"price": {"coin": [1.0] * 120}}))


def test_a_history_of_another_time_is_refused() -> None:
    later = history({"listings": {"coin": [9.0]}}, t=T.replace(day=4))
    with pytest.raises(MarketDataError, match="history ends at 2024-06-04.*snapshot is of 2024-06-03"):
        chosen([coin()], history=later, min_listings=2)


def test_only_candidates_need_a_history_and_the_answer_is_the_same() -> None:
    coins = [*ranked("a", "b", "c", "d"), coin("poor", volume=0.0), coin("tether")]
    full = history(
        {"listings": {one.id: [float(3 + number)] for number, one in enumerate(sorted(coins, key=lambda c: c.id))}}
    )
    rules = dataclasses.replace(RULES, min_listings=4)
    few = candidates(snapshot(coins), rules, held=["tether"])
    assert few == ("a", "b", "c", "d", "tether")
    whole = select(snapshot(coins), rules, history=full)
    assert select(snapshot(coins), rules, history=full.part(ids=few)) == whole
    assert whole.members == ("b", "c", "d")


# --- copies -----------------------------------------------------------------------------------------------------------


def test_several_tokens_of_one_asset_take_one_place_even_when_copies_are_allowed() -> None:
    """U1: bridged, wrapped, staked and renamed copies collapse onto one, preferably the held, else the asset itself."""
    coins = [
        coin("bitcoin", market_cap=9e11),
        coin("wrapped-bitcoin", market_cap=1e10),
        coin("strange", market_cap=2e10, tracks="bitcoin"),
        coin("staked-ether", market_cap=3e10),
        coin("ethereum", market_cap=2e10),
    ]
    allowed = {"top": 9, "exclude_classes": ()}
    found = chosen(coins, **allowed)
    assert found.members == ("bitcoin", "ethereum")
    assert found.verdict("strange").reason == "stands for the same asset (bitcoin) as bitcoin"
    assert found.verdict("staked-ether").reason == "stands for the same asset (ethereum) as ethereum"
    assert chosen(coins, held=["wrapped-bitcoin"], **allowed).members == ("ethereum", "wrapped-bitcoin")
    assert asset_of(coin("two-dollars", tracks="usd")) == "two-dollars"


# --- between reconstitutions ------------------------------------------------------------------------------------------


def test_between_reconstitutions_members_stay_whatever_their_rank_and_nobody_enters() -> None:
    """R6, U15: membership changes on its own calendar; weights may change in between."""
    coins = [*ranked(*"abcdef"), coin("tiny", market_cap=5.0, volume=0.0)]
    found = chosen(coins, held=["e", "tiny", "f"], reconstitute=False)
    assert found.members == ("e", "f", "tiny")
    assert found.verdict("a").reason == "not held, and members change at the next reconstitution"
    assert chosen(coins, held=["e", "f"], reconstitute=True).members == ("a", "b", "c")
    assert chosen(coins, reconstitute=False).members == ("a", "b", "c")


def test_between_reconstitutions_the_dead_the_barred_and_the_collapsed_leave() -> None:
    """V9: an extraordinary deletion does not wait for a calendar."""
    coins = [
        *ranked("a", "b"),
        coin("gone", gap_days=5, state="gone"),
        coin("fell", state="jump_down", observed_price=0.001),
    ]
    found = chosen(coins, held=["a", "b", "gone", "fell"], barred={"b": "exploit of its bridge"}, reconstitute=False)
    assert found.members == ("a",)
    assert found.verdict("b").reason == "exploit of its bridge"
    assert "no price since" in found.verdict("gone").reason
    assert "price fell to" in found.verdict("fell").reason


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("stay_volume_usd = 2_000_000", "universe.stay_volume_usd = 2e+06 is above universe.min_volume_usd = 1e+06"),
        ("min_members = 11", "universe.min_members = 11 is above universe.top = 10"),
        ('themes = ["defi"]\nexclude_themes = ["defi"]', "both name defi"),
        ('rank_also = ["market_cap"]', 'universe.rank_also repeats rank_by = "market_cap"'),
        ("min_market_cap_usd = 10\nmax_market_cap_usd = 10", "no coin is in between"),
        ('rank_by = "marketcap"', 'Did you mean "market_cap"?'),
        ('refuse_powers = ["minting"]', 'Did you mean "mint"?'),
    ],
)
def test_a_mistake_in_the_file_is_named(keys: str, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        parse_spec(f'[index]\nname = "T"\nsymbol = "T"\n[universe]\ntop = 10\n{keys}\n')
    assert message in str(refusal.value)


def test_the_market_that_is_fetched_for_a_live_index_reaches_as_far_back_as_its_rules() -> None:
    """R7: live as in a backtest; 30 days of margin beside what is asked for."""
    text = '[index]\nname = "T"\nsymbol = "T"\n[universe]\ntop = 10\n'
    assert history_days(parse_spec(text)) == 30 + 30
    assert history_days(parse_spec(text + 'rank_by = "momentum"\nrank_days = 120\n')) == 121 + 30
    assert history_days(parse_spec(text + "max_fall = 0.9\n")) == 90 + 1 + 7 + 30
    assert history_days(parse_spec(text + "[rebalance]\ncost_multiple = 1\nrisk_days = 200\n")) == 201 + 30


def test_defaults_of_later_keys_ask_for_nothing() -> None:
    later = [row for row in dataclasses.fields(UniverseRules) if row.metadata["later"]]
    assert len(later) >= 30
    assert all(row.default is not dataclasses.MISSING for row in later)
