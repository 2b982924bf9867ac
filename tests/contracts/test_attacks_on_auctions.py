"""Attacks on and through auctions: C4 to C20, D5, D7, E14 and E15, each judged by balances. Run with `-s` for the figures."""

import pytest
from brownie import PausableToken, ReentrantTaker, ThievingIndex, UnderpayingTaker
from eth_abi import encode

from offchain.reference import auction_math
from tests.contracts.support import (
    AUCTIONS,
    D27,
    DAY,
    EXPONENTIAL,
    GOVERNOR,
    HOUR,
    LINEAR,
    MAX,
    WAD,
    ZERO,
    accounts,
    ceil_div,
    limits_with,
    now,
    policy_with,
    wait,
    why,
)

PPM = 10**6
CAPACITY = 5 * 10**15  # 0.5 % of NAV in 24 hours
A, B = 0, 1


@pytest.fixture
def auctions(world):
    return world.auctions


@pytest.fixture
def live(world):
    """An index of 100,000 dollars that sells a quarter of itself in an auction that has just begun."""
    index = world.create([world.token(18, 4), world.token(6, 1)], policy=policy_with(cooldown=HOUR))
    index.set_auctions()
    index.start([WAD // 4, WAD * 3 // 4])
    index.open()
    wait(60)
    return index


def share_value(index):
    """{nUSD} of one whole share at the oracle's prices: the test's own arithmetic."""
    return index.nav() * WAD // index.token.totalSupply()


def ready(index, who):
    """`who` can pay for anything, and lets the auction house pull it."""
    for token in index.tokens:
        token.mint(who, 10**12 * 10 ** token.decimals(), {"from": who})
        token.approve(index.world.auctions, MAX, {"from": who})


def total(index, who):
    """{nUSD} of everything `who` has of the index's tokens."""
    return sum(amount * index.price(i) // D27 for i, amount in enumerate(index.balances(who)))


def test_sniping_the_end_of_auctions_is_bounded_by_the_end_price_and_the_budget(world, auctions, eve):
    """C4, G2: eve takes everything in the last second of auction after auction. Never below the end price, and the loss
    budget binds."""
    index = world.create([world.token(18, 4), world.token(6, 1)])
    index.set_auctions(max_discount=50_000)
    index.start([WAD // 10, WAD * 9 // 10])
    ready(index, eve)
    first, start, before = share_value(index), now(), total(index, eve)
    for _ in range(6):
        index.open()
        ends = auctions.auctionOf(index.token)[3]
        wait(ends - 1 - now())
        largest = index.nav() * CAPACITY // WAD * 19 * D27 // index.price(A)
        order = index.auction(A, B, max_sell=largest // 5, payee=eve)
        if why(auctions.fill, order, sender=eve) is None:
            event = auctions.fill(order, {"from": eve}).events["FillAuction"]
            assert event["bought"] >= ceil_div(event["sold"] * index.price(A) * 950_000, index.price(B) * PPM)
        wait(2)
    lost, bound = first - share_value(index), CAPACITY * (DAY + now() - start) // DAY
    print(f"C4: sniped {lost * 10**4 / first:.2f} bps of NAV, bound {bound / 10**14:.2f}")
    assert 0 < lost * WAD <= bound * first + WAD * WAD
    assert total(index, eve) - before <= (first - share_value(index)) * index.token.totalSupply() // WAD + 10


def test_wei_fills_before_a_large_one_do_not_stop_it(world, auctions, live, bob, eve):
    """C5: eve fills one wei before each large fill; a range lets them pass, and the keeper's cool-down is untouched."""
    ready(live, eve)
    ready(live, bob)
    wanted, _, _ = auctions.quote(live.token, *live.tokens, MAX)
    order = live.auction(A, B, min_sell=wanted - 10**6, max_sell=wanted)
    for _ in range(3):
        auctions.fill(live.auction(A, B, max_sell=1, payee=eve), {"from": eve})
    value = live.nav()
    tx = auctions.fill(order, {"from": bob})
    assert wanted - 10**6 <= tx.events["FillAuction"]["sold"] <= wanted
    assert live.nav() >= value
    assert [world.rebalancer.targetOf(live.token, token)[1] for token in live.tokens] == [0, 0]
    assert world.rebalancer.planOf(live.token)[1] == 0  # the keeper's next step is what it was


def test_minting_and_redeeming_a_wei_does_not_stop_a_fill(world, auctions, live, bob, eve):
    """C6: the surplus changes by a wei; a range does not care."""
    ready(live, bob)
    live.fund(eve, WAD)
    wanted, _, _ = auctions.quote(live.token, *live.tokens, MAX)
    order = live.auction(A, B, min_sell=wanted - 10**6, max_sell=wanted)
    live.mint(eve, 10**6, fund=False)
    live.redeem(eve, 10**6)
    assert auctions.fill(order, {"from": bob}).events["FillAuction"]["sold"] >= wanted - 10**6


def test_a_donation_forces_nothing_at_a_decayed_price(world, auctions, live, bob, eve):
    """C7: the donated deficit token takes room away, moves no price, and the donor never gets it back."""
    wait(1200)
    before, value = auctions.quote(live.token, *live.tokens, MAX), share_value(live)
    gift = world.rebalancer.gapOf(live.token, live.tokens[B])[1] // 2
    live.tokens[B].mint(eve, gift, {"from": eve})
    live.tokens[B].transfer(live.token, gift, {"from": eve})
    after = auctions.quote(live.token, *live.tokens, MAX)
    assert abs(after[2] - before[2]) <= 40 and after[0] < before[0]  # two blocks later, and less room
    tx = live.fill(live.auction(A, B, payee=eve), eve)
    lost = tx.events["FillAuction"]["sold"] * live.price(A) - tx.events["FillAuction"]["bought"] * live.price(B)
    assert lost // D27 < gift * live.price(B) // D27  # eve is worse off
    assert share_value(live) > value  # the holders keep the gift
    # the other side: a gift of the surplus is sold at the live price of its moment, within the target
    live.tokens[A].mint(live.token, 10**18, {"from": eve})
    assert world.rebalancer.gapOf(live.token, live.tokens[A])[1] == 0


def test_a_token_that_left_and_came_back_needs_a_new_plan_and_a_new_auction(world, auctions, mixed, bob):
    """C8: the decayed price of the old auction is dead with its plan."""
    mixed.set_auctions()
    mixed.start([0, WAD // 2, WAD // 2])
    mixed.open()
    wait(60 + 1300)
    old = mixed.auction(A, B, max_sell=10**18)
    mixed.fill(mixed.auction(A, 1))
    mixed.fill(mixed.auction(A, 2))
    assert mixed.n == 2
    back = mixed.tokens.pop(A)
    wait(HOUR)
    mixed.start([WAD // 4, WAD // 4, WAD // 2], additions=[back])
    mixed.tokens.append(back)
    mixed.tokens[0].mint(mixed.token, 10**6, {"from": bob})
    ready(mixed, bob)
    assert why(auctions.fill, old, sender=bob) == ("PlanMismatch", 1, 2)
    revived = (old[0], 2, *old[2:])
    assert why(auctions.fill, revived, sender=bob) == ("AuctionMismatch", 1, 0)
    assert back.balanceOf(mixed.token) == 0


def test_a_new_policy_leaves_the_live_auction_alone(world, auctions, live, bob):
    """C9: offset, end and curve are those of the opening; the next auction has the new ones."""
    ready(live, bob)
    before = auctions.auctionOf(live.token)
    live.set_auctions(max_premium=0, max_discount=50_000, min_duration=300, max_duration=300, warm_up=0)
    assert auctions.auctionOf(live.token) == before
    elapsed = now() + 1 - before[2]
    factor = auctions.fill(live.auction(A, B, max_sell=10**18), {"from": bob}).events["FillAuction"]["factor"]
    assert factor == auction_math.decay(1_010_000, 990_000, elapsed, 1800)


def test_a_taker_who_underpays_or_pays_otherwise_moves_nothing(world, auctions, live, deployer, bob, eve):
    """C10: a unit less, another component, a token of no list: the whole call reverts."""
    taker, stranger = deployer.deploy(UnderpayingTaker), world.token(6, 1)
    for token in (*live.tokens, stranger):
        token.mint(taker, 10**30, {"from": eve})
    due = auctions.quote(live.token, *live.tokens, 10**18)[1]
    before = live.reserves()
    for data, received in (
        (b"", due - 1),
        (encode(["address"], [stranger.address]), 0),
        (encode(["address"], [live.tokens[A].address]), 0),
    ):
        order = live.auction(A, B, max_sell=10**18, taker=taker, payee=taker, data=data)
        reason = why(auctions.fill, order, sender=eve)
        assert reason[0] in ("ShortDelivery", "SoldTooMuch") and reason[1] == live.tokens[B].address
        assert reason[2:] == (received, due)
    assert live.reserves() == before


def test_a_taker_may_fill_another_index_and_not_the_same_again(world, auctions, live, deployer, eve):
    """C11: fill(A) calls back, fill(B) works, fill(A) in the middle does not."""
    other = world.create(live.tokens)
    other.set_auctions()
    other.start([WAD // 4, WAD * 3 // 4])
    other.open()
    wait(60)
    taker = deployer.deploy(ReentrantTaker)
    for token in live.tokens:
        token.mint(taker, 10**30, {"from": eve})
        taker.execute(token, token.approve.encode_input(auctions, MAX), {"from": eve})
    inner = [index.auction(A, B, max_sell=10**18, payee=taker) for index in (other, live)]
    for order in inner:
        taker.program(auctions, auctions.fill.encode_input(order), {"from": eve})
    before = [other.reserves(), live.reserves()]
    tx = auctions.fill(live.auction(A, B, max_sell=10**18, taker=taker, payee=taker), {"from": eve})
    assert [ok for ok, _ in taker.outcomes()] == [True, False]
    assert len(tx.events["FillAuction"]) == 2
    assert other.reserves()[A] == before[0][A] - 10**18 and live.reserves()[A] == before[1][A] - 10**18


@pytest.mark.parametrize("trick", [1, 2, 3, 4])
def test_nobodys_allowance_pays_for_anything_but_his_own_fill(world, auctions, live, deployer, bob, eve, trick):
    """C10, C11: bob lets the auction house pull. Eve calls for it directly, names it as taker, and fills auctions of an
    index of her own making that asks for more, in another's name, twice, or when the fill is over."""
    ready(live, bob)
    ready(live, eve)
    buy = live.tokens[B]
    before = buy.balanceOf(bob)
    legs, name = [(buy, 10**6)], encode(["address"], [bob.address])
    assert why(auctions.onExchange, [], legs, name, sender=eve) == ("PullUnexpected", eve.address)
    order = live.order(A, B, 10**18, taker=auctions, payee=eve, data=name)
    reason = why(world.rebalancer.swap, order, sender=accounts[3])
    assert reason == ("PullUnexpected", live.address)
    order = live.auction(A, B, max_sell=10**18, taker=auctions, payee=eve, data=name)
    assert why(auctions.fill, order, sender=eve) == ("PullUnexpected", live.address)

    thief = deployer.deploy(ThievingIndex, world.rebalancer, *live.tokens)
    live.tokens[A].mint(thief, 10**24, {"from": eve})
    thief.start({"from": eve})
    auctions.setAuctionPolicy(thief, tuple(AUCTIONS.values()), {"from": eve})
    auctions.openAuction(thief, 1, 1, 0, 0, 600, LINEAR, {"from": eve})
    wait(60)
    thief.arm(trick, bob, {"from": eve})
    fields = (thief, 1, 1, *live.tokens, 0, 10**18, MAX, eve, ZERO, b"")
    if trick == 4:
        data = auctions.fill.encode_input(fields)
        assert why(thief.askLater, auctions, data, sender=eve) == ("PullUnexpected", thief.address)
    else:
        assert why(auctions.fill, fields, sender=eve) == ("PullUnexpected", thief.address)
    assert buy.balanceOf(bob) == before


def test_a_solver_cannot_push_the_worst_token_into_the_basket(world, auctions, bob, eve):
    """C12: more of one leg than its deficit is cut, delivered in excess it is refused, and at a mispriced corner the value
    rule is by live prices."""
    index = world.create([world.token(18, 4), world.token(6, 1), world.token(8, 200)])
    index.set_auctions(max_premium=0)
    index.start([WAD // 10, WAD * 45 // 100, WAD * 45 // 100])
    index.open()
    wait(60)
    ready(index, eve)
    deficits = [world.rebalancer.gapOf(index.token, token)[1] for token in index.tokens]
    value = share_value(index)
    tx = auctions.fillMany(index.legs([(0, 0, MAX)], [(1, 0, MAX)]), {"from": eve})
    assert tx.events["FillLegs"]["bought"][0][1] == deficits[1]  # cut at its own deficit
    index.tokens[2].mint(world.taker, 10**30, {"from": eve})
    order = index.legs(
        [(0, 1, 10**18)], [(2, 1, MAX)], taker=world.taker, payee=eve, data=encode(["uint256[]"], [[deficits[2] + 1]])
    )
    reason = why(auctions.fillMany, order, sender=eve)
    assert reason == ("DeficitExceeded", index.tokens[2].address, deficits[2] + 1, deficits[2])
    assert share_value(index) * 10**5 >= value * (10**5 - 1)


def test_prices_that_move_between_fills_do_not_make_it_overshoot(world, auctions, live, bob):
    """C13, G4: units are the target. Ten percent up and down between fills, and nothing ever changes side."""
    ready(live, bob)
    supply = live.token.totalSupply()
    targets = [world.rebalancer.targetOf(live.token, token)[2] * supply // D27 for token in live.tokens]
    base = live.price(A)
    for percent in (110, 100, 90, 100):
        live.feed(A).setPrice(base * percent // 100, {"from": bob})
        auctions.fill(live.auction(A, B, max_sell=10**21), {"from": bob})
        have = live.reserves()
        assert have[A] >= targets[A] and have[B] <= targets[B]
    left = [abs(have - want) * 10_000 // want for have, want in zip(live.reserves(), targets, strict=True)]
    auctions.fill(live.auction(A, B), {"from": bob})
    after = [abs(have - want) * 10_000 // want for have, want in zip(live.reserves(), targets, strict=True)]
    print(f"C13: {left} bps from target before the last fill, {after} after")
    assert min(after) == 0


def test_minting_around_a_fill_gains_less_than_the_fees(world, auctions, bob, eve):
    """C14: eve holds nine tenths for the moment of a fill at the highest premium, and pays more in fees than she gains."""
    index = world.create([world.token(18, 4), world.token(6, 1)], mint_fee=10**15, redeem_fee=10**15)
    index.set_auctions()
    index.start([WAD * 45 // 100, WAD * 55 // 100])
    index.open()
    wait(60)
    index.fund(eve, 9000 * WAD)
    before = total(index, eve)
    index.mint(eve, 9000 * WAD, fund=False)
    share = share_value(index)
    index.fill(index.auction(A, B), bob)
    gain = share_value(index) - share
    index.redeem(eve, index.token.balanceOf(eve))
    spent = (before - total(index, eve)) * 10**4 / (9000 * share)
    print(f"C14: the fill gave a share {gain * 10**4 / share:.2f} bps; in and out around it cost eve {spent:.2f} bps")
    assert 0 < gain and total(index, eve) < before


def test_a_huge_mint_before_a_lossy_fill_costs_the_others_exactly_the_budget_used(world, auctions, live, alice, eve):
    """C15: the budget is a fraction of NAV, so whoever is there loses that fraction and no more."""
    wait(1739)
    ready(live, eve)
    live.fund(eve, 99_000 * WAD)
    live.mint(eve, 99_000 * WAD, fund=False)
    value, used = share_value(live), world.guard.usedOf(live.token)[0]
    auctions.fill(live.auction(A, B, payee=eve, max_sell=10**24), {"from": eve})
    charged = world.guard.usedOf(live.token)[0] - used
    lost = (value - share_value(live)) * WAD // value
    print(f"C15: a share lost {lost / 10**14:.3f} bps, the budget was charged {charged / 10**14:.3f}")
    assert charged > 10**14 and abs(lost - charged) <= 10**12
    assert lost <= CAPACITY


def test_sixty_four_components_start_fill_and_drop_the_last_within_a_block(world, auctions, bob):
    """C16, E15: a plan of 64 tokens, the mask at bit 63, and what each costs of 16.7 million gas."""
    index = world.create([world.token() for _ in range(64)], limits=limits_with(turnover_capacity=4 * WAD))
    index.set_auctions(max_premium=0)
    assert why(world.rebalancer.startPlan, index.token, 1, 1, [], [0] * 64, DAY, sender=accounts[3]) == (
        "WeightsSumInvalid", 0,
    )  # fmt: skip
    weights = [WAD // 64 for _ in range(64)]
    weights[0], weights[63] = weights[0] + weights[63], 0
    start = index.start(weights).gas_used
    index.open()
    wait(60 + 600)
    tx = index.fill(index.auction(63, 0))
    print(f"C16, E15: start of 64 tokens {start} gas, fill that drops the last {tx.gas_used} gas, of 16,777,216")
    assert start < 16_777_216 and tx.gas_used < 16_777_216
    assert index.n == 63 and index.tokens[63].address not in index.token.components()


def test_a_price_of_zero_stops_fills_and_not_the_exit(world, auctions, live, alice, bob):
    """C17: zero is no price."""
    ready(live, bob)
    live.feed(A).setPrice(0, {"from": bob})
    assert why(auctions.fill, live.auction(A, B), sender=bob) == ("PriceBad", live.tokens[A].address, 0)
    before = live.balances(alice)
    live.redeem(alice, WAD)
    assert all(a > b for a, b in zip(live.balances(alice), before, strict=True))


def test_a_token_frozen_in_its_exit_lets_the_others_trade_and_goes_later(world, auctions, deployer, bob, eve, alice):
    """C18: the plan expires, the next one sells it; what was claimed before is paid."""
    frozen = deployer.deploy(PausableToken, "FRZ", 18)
    world.list(frozen)
    index = world.create([frozen, world.token(6, 1), world.token(8, 200)])
    index.set_auctions()
    index.start([0, WAD * 6 // 10, WAD * 4 // 10], duration=2 * HOUR)
    index.open()
    wait(60)
    ready(index, bob)
    frozen.setPaused(True, {"from": deployer})
    assert why(auctions.fill, index.auction(0, 1), sender=bob) is not None
    index.redeem(alice, WAD, mask=1)
    claim = index.token.claimOf(frozen, alice)
    wait(2 * HOUR)
    index.end(eve)
    frozen.setPaused(False, {"from": deployer})
    index.start([0, WAD * 6 // 10, WAD * 4 // 10])
    index.open()
    wait(60 + 1300)
    auctions.fill(index.auction(0, 1), {"from": bob})
    auctions.fill(index.auction(0, 2), {"from": bob})
    assert index.n == 2 and frozen.balanceOf(index.token) == claim > 0
    index.token.claim(frozen, alice, alice, {"from": alice})
    assert frozen.balanceOf(index.token) == 0


@pytest.mark.parametrize(
    "span", [(1_010_000, 990_000, 300), (1_000_001, 1_000_000, 7 * DAY), (1_500_000, 950_000, 1800)]
)
def test_prices_never_rise_with_time_and_are_exact_at_both_ends(span):
    """C19: on every second of either curve, also where a whole ppm lasts for days; the contract equals this twin."""
    start, end, duration = span
    for curve in (auction_math.linear, auction_math.decay):
        step = max(1, duration // 20_000)
        values = [curve(start, end, t, duration) for t in [*range(0, duration, step), duration]]
        assert values[0] == start and values[-1] == end
        assert all(late <= early for early, late in zip(values, values[1:], strict=False))
    low, high = 9 * 10**17, 11 * 10**17
    rising = [auction_math.rise(low, high, t, duration) for t in [*range(0, duration, step), duration]]
    assert rising[0] == low and rising[-1] == high
    assert all(late >= early for early, late in zip(rising, rising[1:], strict=False))


def test_crossing_two_indexes_with_a_biased_mid_stays_inside_both_budgets(world, auctions, live, deployer, eve):
    """C20: what one sells the other buys. The oracle is two percent wrong; each is measured by its own guard word, and
    together they lose nothing to each other beyond price and budget."""
    other = world.create(live.tokens)
    other.set_auctions()
    other.start([WAD * 3 // 4, WAD // 4])
    other.open()
    wait(60)
    live.feed(A).setPrice(live.price(A) * 98 // 100, {"from": eve})
    taker = deployer.deploy(ReentrantTaker)
    for token in live.tokens:
        taker.execute(token, token.approve.encode_input(auctions, MAX), {"from": eve})
        token.mint(taker, 10**12 * 10 ** token.decimals() // 10**9, {"from": eve})
    before, held = [live.nav(), other.nav()], total(live, taker)
    inner = other.auction(B, A, max_sell=10**9, payee=taker)
    taker.program(auctions, auctions.fill.encode_input(inner), {"from": eve})
    auctions.fill(live.auction(A, B, max_sell=250 * 10**18, taker=taker, payee=taker), {"from": eve})
    assert [ok for ok, _ in taker.outcomes()] == [True]
    # above mid on both sides: neither lost by the oracle, eve paid both premiums
    assert live.nav() >= before[0] and other.nav() >= before[1] and total(live, taker) <= held
    for index in (live, other):
        loss, turnover = world.guard.usedOf(index.token)
        assert loss == 0 and turnover > 0


@pytest.mark.parametrize("premium", [5_000, 0])
def test_drift_below_the_heartbeat_costs_at_most_the_threshold_and_a_premium_covers_it(world, auctions, eve, premium):
    """D5: the true price is 0.4 % above a feed that moves at 0.5 %; eve takes the surplus at the stale mid."""
    index = world.create([world.token(18, 4), world.token(6, 1)])
    index.set_auctions(max_premium=premium, max_discount=0)
    index.start([WAD // 4, WAD * 3 // 4])
    index.open()
    wait(60)
    ready(index, eve)
    event = auctions.fill(index.auction(A, B, payee=eve), {"from": eve}).events["FillAuction"]
    true = index.price(A) * 1004 // 1000
    traded = event["sold"] * true // D27
    gain = traded - event["bought"] * index.price(B) // D27
    print(f"D5: eve gains {gain * 10**4 / traded:.2f} bps of the trade at a premium of {premium // 100} bps")
    assert gain <= traded * 4 // 1000 + 1
    assert (gain <= 0) == (premium >= 5_000)


def test_an_oracle_that_is_removed_stops_fills_and_locks_nothing(world, auctions, live, alice, bob, eve):
    """D7: no fills, no lock-up, expiry works."""
    ready(live, bob)
    world.oracle.setFeed(live.tokens[A], ZERO, {"from": accounts[GOVERNOR]})
    assert why(auctions.fill, live.auction(A, B), sender=bob) == ("PriceMissing", live.tokens[A].address)
    before = live.balances(alice)
    live.redeem(alice, WAD)
    assert all(a > b for a, b in zip(live.balances(alice), before, strict=True))
    auctions.closeAuction(live.token, 1, {"from": accounts[3]})
    wait(7 * DAY)
    live.end(eve)
    assert world.rebalancer.planOf(live.token)[3] == 0


@pytest.mark.parametrize("curve", [LINEAR, EXPONENTIAL])
def test_a_proposer_moves_the_price_by_twelve_seconds_at_most(curve):
    """E14: the price change of 12 s, for the defaults and for the steepest auction that the hard bounds allow."""
    for name, start, end, duration in (
        ("defaults", PPM + AUCTIONS["max_premium"], PPM - AUCTIONS["max_discount"], AUCTIONS["max_duration"]),
        ("steepest", 1_500_000, 950_000, 300),
    ):
        shape = auction_math.linear if curve == LINEAR else auction_math.decay
        values = [shape(start, end, t, duration) for t in range(duration + 1)]
        most = max(early - late for early, late in zip(values, values[12:], strict=False))
        if curve == LINEAR:
            stated = ceil_div((start - end) * 12, duration) + 1
        else:
            stated = round(start * (1 - (end / start) ** (12 / duration))) + 2
        print(f"E14 {name}, {'linear' if curve == LINEAR else 'exponential'}: {most} ppm in 12 s")
        assert most <= stated
