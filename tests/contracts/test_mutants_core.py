"""Tests that mutants asked for: each notices a small mistake in the core that no other test did.

index
├── when it was deprecated
│   └── it exchanges nothing any more, and says until when
├── when its fee module is set
│   └── the event names the module
└── when a module mints shares while a streaming fee is pending
    └── the supply word rises by the shares, from what the fee has accrued
rebalancer
├── given a policy whose largest trade is no whole number of nano-dollars
│   └── it is rounded down
├── given an index whose NAV at the start is no whole number of nano-dollars
│   └── the largest trade is a part of the NAV rounded down
guard
└── given an index whose NAV is no whole number of nano-dollars
    └── losses and turnover are measured against the NAV rounded down
"""

from __future__ import annotations

from offchain.reference.basket_math import SupplyWord, effective_supply
from tests.contracts.support import D27, HOUR, WAD, YEAR, ceil_div, now, policy_with, wait, why


def test_a_deprecated_index_exchanges_nothing(mixed, world, strategist):
    """Deprecation ends exchanges as well as mints, while a plan is live and for good."""
    mixed.start(mixed.tilted())
    order = mixed.order(0, 2)
    assert why(world.rebalancer.swap, order, sender=strategist)[0] != "ExchangePaused"
    mixed.govern(mixed.token.deprecate)
    forever = 2**32 - 1
    assert (mixed.token.mintPausedUntil(), mixed.token.exchangePausedUntil()) == (forever, forever)
    wait(HOUR)
    assert why(world.rebalancer.swap, order, sender=strategist) == ("ExchangePaused", forever)


def test_setting_a_fee_module_names_it_in_the_event(mixed, eve):
    tx = mixed.govern(mixed.token.setFeeModule, eve)
    assert tx.events["SetFeeModule"]["module"] == mixed.token.feeModule() == eve


def test_fee_shares_of_a_module_come_on_top_of_a_pending_streaming_fee(world, bob, eve):
    index = world.create([world.token(), world.token(6)], streaming_fee=5 * 10**16)
    index.govern(index.token.setFeeModule, eve)
    wait(YEAR)
    base, issued, since = index.token.supplyWord()
    index.token.mintFeeShares(WAD, bob, {"from": eve})
    word = SupplyWord(base=base, issued=issued, since=since)
    accrued = effective_supply(word, index.token.streamingRate(), now())
    assert accrued > issued + WAD, "nothing is pending, and a supply that is too low would not be seen"
    assert index.token.supplyWord() == (accrued + WAD, issued + WAD, now())


def test_largest_trade_is_rounded_down(world, strategist):
    share = 10**16 + 1  # D18{1} of a NAV of 10^14 nano-dollars: 10^12 and a ten-thousandth
    index = world.create([world.token(), world.token(6)], policy=policy_with(max_trade=share))
    index.start([WAD // 4, WAD * 3 // 4])
    nav = 10**14
    assert nav * share % WAD, "the limit would be exact, and the direction of its rounding not seen"
    most = nav * share // WAD
    amount = most * D27 // index.price(0)
    reason = why(world.rebalancer.swap, index.order(0, 1, amount + D27 // index.price(0) + 1), sender=strategist)
    assert reason == ("TradeTooLarge", reason[1], most) and reason[1] > most


def test_largest_trade_is_a_part_of_the_nav_rounded_down(world, strategist, deployer):
    """The whole NAV may be traded at once; what is to be sold has since become worth twice the NAV of the start."""
    index = world.create([world.token(), world.token(6), world.token(8)], shares=3 * WAD + 7)
    index.start(index.tilted())
    nav_per_share, supply = world.rebalancer.planOf(index.token)[9], index.token.totalSupply()
    assert nav_per_share * supply % D27, "the NAV would be exact, and the direction of its rounding not seen"
    price = 20 * index.price(0)
    index.feed(0).setPrice(price, {"from": deployer})
    amount, _ = world.rebalancer.gapOf(index.token, index.tokens[0])
    value, nav = ceil_div(amount * price, D27), nav_per_share * supply // D27
    assert value > nav
    assert why(world.rebalancer.swap, index.order(0, 2, amount), sender=strategist) == ("TradeTooLarge", value, nav)


def test_charges_are_measured_against_the_nav_rounded_down(world):
    index = world.create([world.token(), world.token(6), world.token(8)], shares=3 * WAD + 7)
    index.start(index.tilted())
    amount = index.largest(0, 2)
    due = index.mid(0, 2, amount)
    bought = due - due // 1000
    tx = index.swap(index.order(0, 2, amount, min_buy=bought))

    went, came = ceil_div(amount * index.price(0), D27), bought * index.price(2) // D27
    supply, nav_per_share = index.token.totalSupply(), world.guard.valuationOf(index.token)[0]
    nav = nav_per_share * supply // D27
    assert nav_per_share * supply % D27, "the NAV would be exact, and the direction of its rounding not seen"
    assert ceil_div((went - came) * WAD, nav) != ceil_div((went - came) * WAD, nav + 1)
    event = tx.events["Charge"]
    assert event["loss"] == ceil_div((went - came) * WAD, nav)
    assert event["turnover"] == ceil_div(went * WAD, nav)
