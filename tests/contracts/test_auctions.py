"""Dutch auctions: anyone sells the surplus of an index for its deficit, at the price of the moment.

AuctionHouse.setAuctionPolicy
├── keeps every setting inside its hard bound, and is the governor's
└── given none there are no auctions

AuctionHouse.openAuction
├── by the strategist with anything inside the policy
├── by anyone with nothing to choose, once the strategist's window is over
├── one at a time, each number once
└── costs the same at any number of components

AuctionHouse.closeAuction
└── by strategist or guardian, once

AuctionHouse.fill
├── asks exactly what the formula says, on either curve, at every moment of it
├── takes the least of what is wanted, the surplus, and what the deficit pays for
├── refuses less than the least wanted and more than the most allowed
├── refuses another plan, another auction, before its start and after its end
├── pulls exactly what is due from the caller, or lets a taker pay
└── drops what is sold out

AuctionHouse.fillMany
├── gives for what is paid at most its value at the factor, each leg within its own surplus or deficit
└── refuses what `fill` refuses

AuctionHouse.quote
└── says what a fill would do

Fee and tip
├── paid at the end of a plan on what was turned over, at the rates of its start
├── never beyond the loss budget or the token's bound, and never in the way
└── nothing for a plan that traded nothing
"""

import pytest
from brownie import FeeModuleProbe, WeightSourceStub
from eth_abi import encode

from offchain.reference import auction_math
from tests.contracts.support import (
    AUCTIONS,
    D27,
    DAY,
    DEAD,
    EXPONENTIAL,
    HOUR,
    LINEAR,
    MAX,
    WAD,
    ZERO,
    at_next,
    ceil_div,
    limits_with,
    now,
    undone,
    wait,
    why,
)

PPM = 10**6


@pytest.fixture
def auctions(world):
    return world.auctions


@pytest.fixture
def selling(world):
    """An index that sells its first token for its second, with auctions from +1 % to −1 % in half an hour."""
    index = world.create([world.token(18, 4), world.token(6, 1)])
    index.set_auctions()
    index.start([WAD // 4, WAD * 3 // 4], duration=7 * DAY)
    return index


@pytest.fixture
def live(selling):
    """The same with an exponential auction that has just begun."""
    selling.open()
    wait(60)
    return selling


def due(index, sell, buy, amount, factor):
    """{tok} by the test's own arithmetic: ⌈sell·pS·(1e6 + b) / (pB·1e6)⌉."""
    return ceil_div(amount * index.price(sell) * factor, index.price(buy) * PPM)


def refused_open(index, who, **changes):
    rules, auctions = index.world.auctions.auctionPolicyOf(index.token), index.world.auctions
    fields = {
        "plan": index.next_plan() - 1, "auction": auctions.auctionOf(index.token)[1] + 1, "start": rules[0],
        "end": -rules[1], "duration": rules[3], "curve": EXPONENTIAL, **changes,
    }  # fmt: skip
    return why(auctions.openAuction, index.token, *fields.values(), sender=who)


# --- setAuctionPolicy -------------------------------------------------------------------------------------------------


def test_auction_policy_is_the_governors_and_inside_hard_bounds(auctions, selling, governor, strategist):
    policy = tuple(AUCTIONS.values())
    assert auctions.auctionPolicyOf(selling.token) == policy
    reason = why(auctions.setAuctionPolicy, selling.token, policy, sender=strategist)
    assert reason == ("NotAuthorized", strategist.address, selling.address)
    for name, value, low, high in (
        ("max_premium", 500_001, 0, 500_000),
        ("max_discount", 50_001, 0, 50_000),
        ("min_duration", 299, 300, 7 * DAY),
        ("max_duration", 599, 600, 7 * DAY),
        ("max_duration", 7 * DAY + 1, 600, 7 * DAY),
        ("warm_up", DAY + 1, 0, DAY),
        ("strategist_window", 14 * DAY + 1, 0, 14 * DAY),
        ("rebalance_fee", 2001, 0, 2000),
        ("keeper_tip", 1001, 0, 1000),
    ):
        changed = tuple({**AUCTIONS, name: value}.values())
        camel = name.split("_")[0] + "".join(part.title() for part in name.split("_")[1:])
        reason = why(auctions.setAuctionPolicy, selling.token, changed, sender=governor)
        assert reason == ("ValueOutOfBounds", camel, value, low, high), name
    tx = selling.set_auctions(warm_up=61)
    assert tuple(tx.events["SetAuctionPolicy"]["policy"]) == tuple({**AUCTIONS, "warm_up": 61}.values())


def test_without_a_policy_there_are_no_auctions(auctions, mixed, strategist):
    mixed.start(mixed.tilted())
    reason = why(auctions.openAuction, mixed.token, 1, 1, 0, 0, 600, LINEAR, sender=strategist)
    assert reason == ("AuctionsDisabled", mixed.address)


# --- openAuction ------------------------------------------------------------------------------------------------------


def test_open_auction_by_the_strategist_with_anything_inside_the_policy(auctions, selling, strategist):
    started = now()
    tx = selling.open(start=8_000, end=-2_000, duration=700, curve=LINEAR)
    expected = (1, 1, tx.timestamp + 60, tx.timestamp + 760, 8_000, -2_000, LINEAR)
    assert auctions.auctionOf(selling.token) == expected == tuple(tx.events["OpenAuction"]["auction"])
    assert tx.timestamp < started + HOUR  # inside his window
    with undone():
        auctions.closeAuction(selling.token, 1, {"from": strategist})
        for changes, reason in (
            ({"start": 10_001}, ("ValueOutOfBounds", "startPpm", 1_010_001, 990_000, 1_010_000)),
            ({"end": -10_001}, ("ValueOutOfBounds", "endPpm", 989_999, 990_000, 1_010_000)),
            ({"start": -5, "end": 5}, ("ValueOutOfBounds", "startPpm", 999_995, 1_000_005, 1_010_000)),
            ({"duration": 599}, ("ValueOutOfBounds", "duration", 599, 600, 1800)),
            ({"duration": 1801}, ("ValueOutOfBounds", "duration", 1801, 600, 1800)),
            ({"duration": MAX}, ("ValueOutOfBounds", "duration", 2**32 - 1, 600, 1800)),
            ({"plan": 2}, ("PlanMismatch", 2, 1)),
            ({"auction": 1}, ("AuctionMismatch", 1, 2)),
            ({"auction": 3}, ("AuctionMismatch", 3, 2)),
            ({"start": 3, "end": 3}, None),
        ):
            assert refused_open(selling, strategist, **changes) == reason, changes


def test_open_auction_by_anyone_after_the_window_with_nothing_to_choose(auctions, selling, eve):
    refusal = ("NotAuthorized", eve.address, selling.address)
    assert refused_open(selling, eve) == refusal
    wait(HOUR)
    for changes in ({"start": 9_999}, {"end": -9_999}, {"duration": 1799}, {"curve": LINEAR}):
        assert refused_open(selling, eve, **changes) == refusal, changes
    tx = selling.open(who=eve)
    assert tx.events["OpenAuction"]["caller"] == eve
    assert auctions.auctionOf(selling.token)[4:] == (10_000, -10_000, EXPONENTIAL)


def test_open_auction_one_at_a_time_and_each_number_once(auctions, selling, strategist):
    """G8: sent twice it reverts the second time, also when the first is over."""
    selling.open()
    ends = auctions.auctionOf(selling.token)[3]
    assert refused_open(selling, strategist) == ("AuctionLive", 1, ends)
    wait(ends - now())
    assert refused_open(selling, strategist) == ("AuctionLive", 1, ends), "it may be filled until the very end"
    wait(1)
    assert refused_open(selling, strategist, auction=1) == ("AuctionMismatch", 1, 2)
    selling.open()
    assert auctions.auctionOf(selling.token)[1] == 2


def test_open_auction_never_outlives_its_plan(auctions, selling, strategist, bob):
    """The price never falls faster for it: the auction is cut off, not compressed."""
    expires = selling.world.rebalancer.planOf(selling.token)[3]
    wait(expires - 600 - now())
    selling.open()
    order = selling.auction(0, 1, max_sell=10**18)
    wait(60)
    selling.fill(order)
    wait(expires - now())
    assert auctions.auctionOf(selling.token)[3] > now()
    assert why(auctions.fill, order, sender=bob) == ("PlanExpired", 1, expires)
    assert refused_open(selling, strategist, auction=2) == ("PlanExpired", 1, expires)


@pytest.mark.parametrize("n", [2, 20])
def test_open_auction_costs_the_same_at_any_number_of_components(world, n):
    index = world.create([world.token() for _ in range(n)], shares=1000 * WAD)
    index.set_auctions()
    weights = index.equal()
    index.start([weights[0] - WAD // 100, *weights[1:-1], weights[-1] + WAD // 100])
    index.open()
    wait(2000)
    gas = index.open().gas_used
    print(f"open auction, n = {n}: {gas} gas, {gas - 21_000} without the intrinsic")
    assert gas < 85_000


# --- closeAuction -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["strategist", "guardian"])
def test_close_auction_by_strategist_or_guardian_once(auctions, live, who, eve, bob, request):
    closer = request.getfixturevalue(who)
    assert why(auctions.closeAuction, live.token, 1, sender=eve) == ("NotAuthorized", eve.address, live.address)
    assert why(auctions.closeAuction, live.token, 2, sender=closer) == ("AuctionMismatch", 2, 1)
    starts = auctions.auctionOf(live.token)[2]
    tx = auctions.closeAuction(live.token, 1, {"from": closer})
    assert dict(tx.events["CloseAuction"]) == {
        "index": live.token, "planId": 1, "auctionId": 1, "caller": closer,
    }  # fmt: skip
    assert why(auctions.fill, live.auction(0, 1), sender=bob) == ("AuctionNotLive", 1, starts, 0)
    assert why(auctions.closeAuction, live.token, 1, sender=closer) == ("AuctionNotLive", 1, starts, 0)
    live.open()  # the next may begin at once


def test_the_guardian_may_close_and_not_open(live, guardian, auctions):
    auctions.closeAuction(live.token, 1, {"from": guardian})
    assert refused_open(live, guardian) == ("NotAuthorized", guardian.address, live.address)


# --- fill -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", [LINEAR, EXPONENTIAL])
@pytest.mark.parametrize("elapsed", [0, 1, 299, 600, 1199, 1200])
def test_fill_asks_exactly_what_the_formula_says(auctions, selling, bob, curve, elapsed):
    selling.open(start=10_000, end=-7_000, duration=1200, curve=curve)
    starts = auctions.auctionOf(selling.token)[2]
    if curve == LINEAR:
        factor = PPM - 7_000 + ceil_div(17_000 * (1200 - elapsed), 1200)
    else:
        factor = auction_math.decay(1_010_000, 993_000, elapsed, 1200)
        exact = 1_010_000 * (993_000 / 1_010_000) ** (elapsed / 1200)
        assert 0 <= factor - exact < 1 + 1e-6  # rounded up to a whole ppm
    paid = due(selling, 0, 1, 10**18, factor)
    before, nav = [selling.balances(who) for who in (bob, selling.token)], selling.nav()
    for token in selling.tokens:
        token.approve(auctions, MAX, {"from": bob})
    selling.tokens[1].mint(bob, paid, {"from": bob})
    at_next(starts + elapsed)
    tx = auctions.fill(selling.auction(0, 1, max_sell=10**18), {"from": bob})
    after = [selling.balances(who) for who in (bob, selling.token)]
    assert [a - b for a, b in zip(after[0], before[0], strict=True)] == [10**18, 0]
    assert [a - b for a, b in zip(after[1], before[1], strict=True)] == [-(10**18), paid]
    event = tx.events["FillAuction"]
    assert (event["sold"], event["bought"], event["factor"]) == (10**18, paid, factor)
    assert (event["sellPrice"], event["buyPrice"]) == (selling.price(0), selling.price(1))
    turnover = selling.world.rebalancer.planOf(selling.token)[4]
    assert event["turnover"] == turnover == 4 * 10**9 * WAD // nav


def test_fill_takes_the_least_of_wanted_surplus_and_what_the_deficit_pays_for(world, auctions, live, bob):
    rebalancer = world.rebalancer
    surplus, deficit = rebalancer.gapOf(live.token, live.tokens[0])[0], rebalancer.gapOf(live.token, live.tokens[1])[1]
    sold, bought, offset = auctions.quote(live.token, *live.tokens, MAX)
    limit = deficit * live.price(1) * PPM // (live.price(0) * (PPM + offset))
    assert sold == min(surplus, limit) and bought == due(live, 0, 1, sold, PPM + offset)
    assert auctions.quote(live.token, *live.tokens, 5)[0] == 5
    tx = live.fill(live.auction(0, 1))
    factor = tx.events["FillAuction"]["factor"]
    limit = deficit * live.price(1) * PPM // (live.price(0) * factor)
    assert tx.events["FillAuction"]["sold"] == min(surplus, limit)
    gaps = [rebalancer.gapOf(live.token, token) for token in live.tokens]
    assert gaps[0][1] == gaps[1][0] == 0  # G4: nothing changed side


def test_fill_refuses_every_mistake_with_its_values(world, auctions, live, bob):
    stranger = world.token()
    sell, buy = (token.address for token in live.tokens)
    live.tokens[1].approve(auctions, MAX, {"from": bob})
    live.tokens[1].mint(bob, 10**20, {"from": bob})
    sold, bought, _ = auctions.quote(live.token, sell, buy, MAX)
    for changes, reason in (
        ({"plan": 2}, ("PlanMismatch", 2, 1)),
        ({"auction": 0}, ("AuctionMismatch", 0, 1)),
        ({"auction": 2}, ("AuctionMismatch", 2, 1)),
        ({"sell_token": stranger}, ("TokenNotInPlan", stranger.address)),
        ({"buy_token": stranger}, ("TokenNotInPlan", stranger.address)),
        ({"min_sell": sold + 1}, ("FillTooSmall", sell, sold, sold + 1)),
        ({"max_sell": 0}, ("FillTooSmall", sell, 0, 0)),
        ({"max_buy": bought - 1}, ("FillTooExpensive", buy, bought, bought - 1)),
        ({"sell_token": buy, "buy_token": sell}, ("FillTooSmall", buy, 0, 0)),
        ({"buy_token": sell}, ("FillTooSmall", sell, 0, 0)),
        ({"min_sell": sold, "max_buy": bought}, None),
    ):
        assert why(auctions.fill, live.auction(0, 1, **changes), sender=bob) == reason, changes


def test_fill_before_the_start_and_after_the_end_reverts(auctions, selling, bob):
    selling.open()
    _, _, starts, ends, *_ = auctions.auctionOf(selling.token)
    order = selling.auction(0, 1, max_sell=10**18)
    selling.tokens[1].approve(auctions, MAX, {"from": bob})
    selling.tokens[1].mint(bob, 10**20, {"from": bob})
    for moment, reason in (
        (starts - 1, ("AuctionNotLive", 1, starts, ends)),
        (starts, None),
        (ends, None),
        (ends + 1, ("AuctionNotLive", 1, starts, ends)),
    ):
        wait(moment - now())
        assert why(auctions.fill, order, sender=bob) == reason


def test_fill_through_a_taker_who_pays_what_is_asked(world, auctions, live, bob):
    """Not a wei of anybody's allowance is touched."""
    live.tokens[1].approve(auctions, MAX, {"from": bob})
    live.tokens[1].mint(bob, 10**12, {"from": bob})
    live.tokens[1].mint(world.taker, 10**12, {"from": bob})
    before = live.tokens[1].balanceOf(bob)
    tx = auctions.fill(live.auction(0, 1, taker=world.taker, payee=world.taker), {"from": bob})
    assert live.tokens[1].balanceOf(bob) == before
    assert live.tokens[0].balanceOf(world.taker) == tx.events["FillAuction"]["sold"]


def test_fill_buys_no_more_than_the_deficit_even_as_a_gift(world, auctions, live, bob):
    """G4."""
    deficit = world.rebalancer.gapOf(live.token, live.tokens[1])[1]
    live.tokens[1].mint(world.taker, 10**30, {"from": bob})
    gift = dict(taker=world.taker, payee=world.taker, max_sell=10**18)
    reason = why(auctions.fill, live.auction(0, 1, data=encode(["uint256[]"], [[deficit + 1]]), **gift), sender=bob)
    assert reason == ("DeficitExceeded", live.tokens[1].address, deficit + 1, deficit)
    auctions.fill(live.auction(0, 1, data=encode(["uint256[]"], [[deficit]]), **gift), {"from": bob})


def test_fill_drops_what_is_sold_out(world, mixed, bob):
    mixed.set_auctions()
    mixed.start([0, WAD // 2, WAD // 2])
    mixed.open()
    wait(60 + 1200)  # below the mid, where the deficits have room for all of it
    mixed.fill(mixed.auction(0, 1))
    assert mixed.n == 3
    mixed.fill(mixed.auction(0, 2))
    assert mixed.token.components() == tuple(mixed.tokens[1:]) and mixed.tokens[0].balanceOf(mixed.token) == 0


def test_fill_settles_for_the_auction_house_alone(world, live, bob):
    settlement = (live.token, [(live.tokens[0], 1)], [(live.tokens[1], 0)], [MAX], 0, bob, world.taker, b"")
    assert why(world.rebalancer.settle, settlement, sender=bob) == ("NotAuctionHouse", bob.address)


# --- fillMany ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def wide(world):
    """An index that sells two tokens for two others."""
    index = world.create([world.token(18, 4), world.token(6, 1), world.token(8, 200), world.token(0, 3)])
    index.set_auctions(max_premium=0)
    index.start([WAD // 10, WAD // 10, WAD * 4 // 10, WAD * 4 // 10])
    index.open()
    wait(60)
    return index


def test_fill_many_gives_at_most_the_value_of_what_is_paid(world, auctions, wide, bob):
    rebalancer = world.rebalancer
    gaps = [rebalancer.gapOf(wide.token, token) for token in wide.tokens]
    # what is paid suffices for the first sell leg and a part of the second
    order = wide.legs([(0, 1, MAX), (1, 1, MAX)], [(2, 1, MAX), (3, 1, gaps[3][1] // 2)])
    before = wide.reserves()
    tx = wide.fill(order)
    after, event = wide.reserves(), tx.events["FillLegs"]
    moved = [a - b for a, b in zip(after, before, strict=True)]
    assert moved[0] == -gaps[0][0] and moved[2] == gaps[2][1] and moved[3] == gaps[3][1] // 2
    assert -gaps[1][0] < moved[1] < 0
    assert [tuple(leg) for leg in event["sold"]] == [
        (wide.tokens[0], -moved[0]), (wide.tokens[1], -moved[1]),
    ]  # fmt: skip
    value_in = sum(moved[i] * wide.price(i) // D27 for i in (2, 3))
    value_out = sum(ceil_div(-moved[i] * wide.price(i), D27) for i in (0, 1))
    assert value_out <= value_in * PPM // event["factor"]
    spare = value_in * PPM // event["factor"] - value_out
    assert spare < ceil_div(wide.price(1), D27) + 1  # less than a unit of the last leg was left on the table
    for i, (surplus, deficit) in enumerate(rebalancer.gapOf(wide.token, token) for token in wide.tokens):
        assert surplus <= gaps[i][0] and deficit <= gaps[i][1]


def test_fill_many_refuses_every_mistake_with_its_values(world, auctions, wide, bob):
    for token in wide.tokens:
        token.mint(bob, 10**30, {"from": bob})
        token.approve(auctions, MAX, {"from": bob})
    rebalancer = world.rebalancer
    first, last = wide.tokens[0].address, wide.tokens[3].address
    surplus, deficit = rebalancer.gapOf(wide.token, first)[0], rebalancer.gapOf(wide.token, last)[1]
    stranger = world.token()
    good = [(0, 1, 10**18)], [(3, 1, MAX)]
    for sells, buys, changes, reason in (
        (*good, {"plan": 2}, ("PlanMismatch", 2, 1)),
        (*good, {"auction": 2}, ("AuctionMismatch", 2, 1)),
        (*good, {"sells": [(stranger, 0, 1)]}, ("TokenNotInPlan", stranger.address)),
        ([(0, surplus + 1, MAX)], [(2, 1, MAX), (3, 1, MAX)], {}, ("FillTooSmall", first, surplus, surplus + 1)),
        (good[0], [(3, deficit + 1, MAX)], {}, ("FillTooSmall", last, deficit, deficit + 1)),
        ([(0, 10**18, 10**18)], [(3, deficit, MAX)], {}, None),
        ([(0, 0, 0)], good[1], {}, ("FillTooSmall", first, 0, 0)),
        (good[0], [], {}, ("FillTooSmall", first, 0, 1)),
        (good[0], [(3, 1, MAX), (3, 1, MAX)], {}, ("ExchangeTokenRepeated", last)),
        (*good, {}, None),
    ):
        assert why(auctions.fillMany, wide.legs(sells, buys, **changes), sender=bob) == reason, (sells, buys, changes)


# --- quote ------------------------------------------------------------------------------------------------------------


def test_quote_says_what_a_fill_would_do_and_meets_its_errors(auctions, selling, bob):
    assert why(auctions.quote, selling.token, *selling.tokens, MAX, sender=bob)[0] == "PlanMismatch"
    selling.open()
    _, _, starts, ends, *_ = auctions.auctionOf(selling.token)
    assert why(auctions.quote, selling.token, *selling.tokens, MAX, sender=bob) == (
        "AuctionNotLive", 1, starts, ends,
    )  # fmt: skip
    wait(starts + 333 - now())
    sold, bought, offset = auctions.quote(selling.token, *selling.tokens, 10**18)
    assert (sold, bought) == (10**18, due(selling, 0, 1, 10**18, PPM + offset)) and -10_000 < offset < 10_000
    assert auctions.quote(selling.token, *reversed(selling.tokens), MAX)[:2] == (0, 0)


# --- weights and the fee module ---------------------------------------------------------------------------------------


def test_plans_go_only_where_the_weight_source_says(world, mixed, deployer, governor, strategist):
    source = deployer.deploy(WeightSourceStub)
    weights = mixed.equal()
    source.set(mixed.token, mixed.tokens, weights, {"from": deployer})
    setter = world.rebalancer.setWeightSource
    assert why(setter, mixed.token, source, sender=strategist)[0] == "NotAuthorized"
    assert why(setter, DEAD, source, sender=governor) == ("NotRegistered", DEAD)
    tx = mixed.govern(setter, mixed.token, source)
    assert tx.events["SetWeightSource"]["source"] == source == world.rebalancer.weightSourceOf(mixed.token)
    tilted = mixed.tilted()
    reason = why(world.rebalancer.startPlan, mixed.token, 1, 1, [], tilted, DAY, sender=strategist)
    assert reason == ("WeightNotExecuted", mixed.tokens[0].address, tilted[0], weights[0])
    mixed.start(weights)
    mixed.govern(setter, mixed.token, ZERO)
    wait(HOUR)
    mixed.start(tilted)


def test_the_fee_module_is_told_of_every_exchange_of_plans_begun_with_it(world, selling, deployer):
    probe = deployer.deploy(FeeModuleProbe)
    selling.govern(selling.token.setFeeModule, probe)
    selling.swap(selling.order(0, 1, 10**18))
    assert probe.count() == 0  # the plan began without it
    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4])
    assert world.rebalancer.planOf(selling.token)[6] is True
    amount = 10**18
    tx = selling.swap(selling.order(0, 1, amount))
    assert probe.last() == (
        selling.token,
        selling.tokens[0],
        amount,
        selling.tokens[1],
        tx.events["SwapTokens"]["bought"],
    )
    selling.open()
    wait(60)
    event = selling.fill(selling.auction(0, 1, max_sell=amount)).events["FillAuction"]
    assert probe.count() == 2 and probe.last()[4] == event["bought"]
    selling.govern(selling.token.setFeeModule, ZERO)
    selling.fill(selling.auction(0, 1, max_sell=amount))
    assert probe.count() == 2


# --- fee and tip ------------------------------------------------------------------------------------------------------


def test_fee_and_tip_are_paid_on_turnover_at_the_rates_of_the_start(world, selling, eve, fee_recipient):
    selling.set_auctions(rebalance_fee=1000, keeper_tip=500)
    selling.swap(selling.order(0, 1, 10**21))
    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4], duration=DAY)
    selling.set_auctions(rebalance_fee=2000, keeper_tip=1000)  # for the next plan
    nav = selling.nav()
    selling.swap(selling.order(0, 1, 10**21, min_buy=4 * 10**9))
    selling.open()
    wait(60)
    selling.fill(selling.auction(0, 1, max_sell=10**21))
    turnover = world.rebalancer.planOf(selling.token)[4]
    assert abs(turnover - 2 * 4 * 10**12 * WAD // nav) <= 2
    wait(DAY)
    supply, before = selling.token.totalSupply(), selling.token.balanceOf(fee_recipient)
    tx = world.rebalancer.endPlan(selling.token, 2, {"from": eve})
    tip, fee = (supply * (turnover * rate // PPM) // WAD for rate in (500, 1000))
    assert selling.token.balanceOf(eve) == tip > 0
    assert selling.token.balanceOf(fee_recipient) - before == fee > 0
    assert [event["shares"] for event in tx.events["MintFeeShares"]] == [tip, fee]
    assert world.guard.usedOf(selling.token)[0] > 0  # a loss like any other


def test_a_plan_that_nobody_ended_is_settled_by_the_next(world, selling, strategist, fee_recipient):
    selling.set_auctions(rebalance_fee=1000)
    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4])
    selling.swap(selling.order(0, 1, 10**21))
    turnover, supply = world.rebalancer.planOf(selling.token)[4], selling.token.totalSupply()
    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4])
    assert selling.token.balanceOf(fee_recipient) == supply * (turnover * 1000 // PPM) // WAD
    selling.end()
    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4])  # and not once more
    assert selling.token.balanceOf(fee_recipient) == supply * (turnover * 1000 // PPM) // WAD


def test_a_plan_without_turnover_pays_no_tip(world, selling, strategist):
    """Nobody farms tips with empty plans."""
    selling.set_auctions(rebalance_fee=2000, keeper_tip=1000)
    for _ in range(3):
        wait(HOUR)
        selling.start([WAD // 4, WAD * 3 // 4])
        tx = selling.end()
        assert "MintFeeShares" not in tx.events
    assert selling.token.balanceOf(strategist) == 0


def test_fee_and_tip_never_exceed_the_loss_budget_and_never_stand_in_the_way(world, selling, strategist, fee_recipient):
    """G2: what the budget has no room for is forgone, the fee before the tip, and the plan ends all the same."""
    selling.set_auctions(rebalance_fee=2000, keeper_tip=1000)
    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4])
    selling.swap(selling.order(0, 1, 10**21))
    turnover = world.rebalancer.planOf(selling.token)[4]
    tip = turnover * 1000 // PPM
    used = world.guard.usedOf(selling.token)[0]
    limits = limits_with(loss_capacity=used + tip + tip // 2)  # room for the tip and a quarter of the fee
    selling.govern(world.guard.setLimits, selling.token, tuple(vars(limits).values()))
    selling.end()
    supply = 1000 * WAD
    assert selling.token.balanceOf(strategist) == supply * tip // WAD
    # the bucket has drained a little since
    paid = selling.token.balanceOf(fee_recipient) * WAD // supply
    assert tip // 2 - 1 <= paid <= tip // 2 + 5 * 10**15 * 10 // DAY
    used, _ = world.guard.usedOf(selling.token)
    assert used <= limits.loss_capacity

    wait(HOUR)
    selling.start([WAD // 4, WAD * 3 // 4])
    limits = limits_with(loss_capacity=0)
    selling.tokens[1].mint(world.taker, 10**12, {"from": strategist})
    least = selling.mid(0, 1, 10**19)
    selling.swap(selling.order(0, 1, 10**19, min_buy=least))
    selling.govern(world.guard.setLimits, selling.token, tuple(vars(limits).values()))
    tx = selling.end()
    assert "MintFeeShares" not in tx.events and world.rebalancer.planOf(selling.token)[3] == 0


def test_churning_for_tips_is_bounded_by_the_loss_budget(world, strategist, eve):
    """A strategist who trades back and forth at mid with his own taker for nothing but the tip: what the others lose in a
    day is the tip, and that is inside the budget."""
    index = world.create(
        [world.token(18, 4), world.token(6, 1)],
        limits=limits_with(turnover_capacity=4 * WAD),
    )
    index.set_auctions(keeper_tip=1000)
    start = now()
    for number in range(20):
        weights = [WAD // 10, WAD - WAD // 10] if number % 2 == 0 else [WAD - WAD // 10, WAD // 10]
        index.start(weights)
        sell = number % 2
        amount = index.largest(sell, 1 - sell)
        index.swap(index.order(sell, 1 - sell, amount, min_buy=index.mid(sell, 1 - sell, amount)))
        index.end(strategist)
        wait(5 * HOUR)  # until the turnover budget has drained
        share = index.token.balanceOf(strategist) * WAD // index.token.totalSupply()
        bound = 5 * 10**15 * (DAY + now() - start) // DAY
        assert share <= bound
    print(
        f"churned 20 times in {(now() - start) // HOUR} h: {share / 10**14:.1f} bps of the index, bound {bound / 10**14:.1f}"
    )
    assert share > 5 * 10**15  # he really tried
