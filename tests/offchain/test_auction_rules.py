"""[auctions] of an index file.

the part           changes no hash while it is not there · has the bounds of the contracts, and not one unit more
contradictions     each is one clear error that names keys, values and the way out
terms              become the contract's ppm and seconds, survive being written down, and are nothing where the file says nothing
page               says in words what is auctioned and what it costs
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from offchain.canonical import canonical_json
from offchain.chain.terms import AuctionPolicy, IndexTerms, ListedToken, auction_policy_of
from offchain.errors import SpecError
from offchain.launch import _terms_from_json
from offchain.reference import constants
from offchain.research.methodology_page import methodology_page
from offchain.spec import find_spec, parse_spec
from offchain.spec.auction_rules import AuctionRules
from offchain.spec.keys import Integer

LEAST = '[index]\nname = "Test"\nsymbol = "TST"\n[universe]\ntop = 10\n'
GIVEN = """
[auctions]
max_minutes = 90
min_minutes = 10
max_premium_bps = 250
max_discount_bps = 40
warm_up_seconds = 120
strategist_window_minutes = 30
rebalance_fee_bps = 3
keeper_tip_bps = 2
"""
ALICE = "0x" + "aA" * 20


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(SpecError) as refusal:
        parse_spec(LEAST + text, source="my.toml")
    return refusal.value.problems


def test_file_without_auctions_keeps_its_hash_and_one_with_them_has_its_own() -> None:
    plain = parse_spec(LEAST)
    assert "auctions" not in json.loads(plain.to_json())["spec"]
    assert parse_spec(LEAST + "[auctions]\nmax_minutes = 0\n").spec_hash == plain.spec_hash
    given = parse_spec(LEAST + GIVEN)
    assert given.spec_hash != plain.spec_hash
    assert json.loads(given.to_json())["spec"]["auctions"]["max_minutes"] == "90"


@pytest.mark.parametrize(
    ("name", "low", "high", "scale"),
    [
        ("max_minutes", 0, constants.MAX_AUCTION_DURATION, 60),
        ("min_minutes", constants.MIN_AUCTION_DURATION, constants.MAX_AUCTION_DURATION, 60),
        ("max_premium_bps", 0, constants.MAX_PREMIUM, 100),
        ("max_discount_bps", 0, constants.MAX_SLIPPAGE, 100),
        ("warm_up_seconds", 0, constants.MAX_WARM_UP, 1),
        ("strategist_window_minutes", 0, constants.MAX_PLAN_DURATION, 60),
        ("rebalance_fee_bps", 0, constants.MAX_REBALANCE_FEE, 100),
        ("keeper_tip_bps", 0, constants.MAX_KEEPER_TIP, 100),
    ],
)
def test_every_bound_is_the_contracts_own(name: str, low: int, high: int, scale: int) -> None:
    kind = next(row.metadata["kind"] for row in dataclasses.fields(AuctionRules) if row.name == name)
    assert isinstance(kind, Integer)
    assert (kind.low * scale, kind.high * scale) == (low, high)
    allowed = f"write a whole number from {kind.low} to {kind.high}"
    assert mistakes(f"[auctions]\n{name} = {kind.high + 1}\n") == (f"auctions.{name} = {kind.high + 1}: {allowed}",)


def test_use_is_one_of_three_words() -> None:
    (problem,) = mistakes('[auctions]\nmax_minutes = 60\nuse = "frist"\n')
    assert problem.startswith('auctions.use = "frist": write one of') and 'Did you mean "first"?' in problem


@pytest.mark.parametrize("use", ["rest", "first"])
def test_a_keeper_that_is_to_auction_without_auctions_is_one_clear_error(use: str) -> None:
    (problem,) = mistakes(f'[auctions]\nuse = "{use}"\nmax_premium_bps = 10\n')
    assert problem == (
        f'auctions.max_minutes = 0 means no auctions, so max_premium_bps = 10, use = "{use}" would have no effect: '
        "set max_minutes to at least 5, or remove them"
    )


def test_the_shortest_auction_is_not_above_the_longest() -> None:
    (problem,) = mistakes("[auctions]\nmax_minutes = 20\nmin_minutes = 21\n")
    assert problem.startswith("auctions.min_minutes = 21 is above auctions.max_minutes = 20: ")
    (problem,) = mistakes("[auctions]\nmax_minutes = 4\n")
    assert problem.startswith("auctions.min_minutes = 5 is above auctions.max_minutes = 4: ")


def test_an_auction_of_the_keeper_leaves_time_for_swaps() -> None:
    """Two hours are 7,200 s: an auction of 119 minutes with a minute of warm-up takes them all, one of 118 does not."""
    text = "[rebalance]\nplan_hours = 2\n[auctions]\nmax_minutes = {}\nwarm_up_seconds = 60\n"
    (problem,) = mistakes(text.format(119) + 'use = "first"\n')
    assert "leaves nothing of rebalance.plan_hours = 2 for swaps" in problem
    assert parse_spec(LEAST + text.format(118) + 'use = "first"\n').auctions.is_used
    assert not parse_spec(
        LEAST + text.format(119)
    ).auctions.is_used  # whoever opens it, the keeper does not wait for it


def test_policy_is_in_the_contracts_units() -> None:
    assert auction_policy_of(parse_spec(LEAST + GIVEN)) == AuctionPolicy(
        max_premium=25_000,
        max_discount=4_000,
        min_duration=600,
        max_duration=5_400,
        warm_up=120,
        strategist_window=1_800,
        rebalance_fee=300,
        keeper_tip=200,
    )
    assert auction_policy_of(parse_spec(LEAST)) is None


def test_a_fee_on_turnover_needs_no_auctions() -> None:
    policy = auction_policy_of(parse_spec(LEAST + "[auctions]\nrebalance_fee_bps = 4\n"))
    assert policy is not None and (policy.max_duration, policy.rebalance_fee, policy.keeper_tip) == (0, 400, 0)


@pytest.mark.parametrize("part", ["", GIVEN])
def test_terms_are_read_back_as_written_and_so_are_those_of_before_auctions(part: str) -> None:
    token = ListedToken(id="bitcoin", symbol="WBTC", address="0x" + "11" * 20, decimals=8, feed="", max_age=3600)
    terms = IndexTerms.from_spec(
        parse_spec(LEAST + part), tokens=[token], prices={"bitcoin": 10**36}, weights={"bitcoin": 10**18},
        receiver=ALICE, governor=ALICE, guardian=ALICE, strategist=ALICE,
    )  # fmt: skip
    written = json.loads(canonical_json(terms))
    assert _terms_from_json(written) == terms
    if not part:
        del written["auctions"]
        assert _terms_from_json(written) == terms


def test_page_says_what_is_auctioned_and_what_it_costs() -> None:
    page = methodology_page(parse_spec(LEAST + GIVEN + 'use = "rest"\n'))
    assert (
        "the price falls from at most 250 bps (2.5 %) above the oracle's to at most 40 bps (0.4 %) below it, within at "
        "most 90 minutes. The keeper auctions what it cannot swap."
    ) in page
    assert "Holders pay 5 bps (0.05 %) of what a rebalance turns over." in page  # 3 to the recipient, 2 to who ends it
    assert "## How it auctions what it sells" in page and "| `warm_up_seconds` | 120 |" in page
    assert "auction" not in methodology_page(find_spec("LC10"))
