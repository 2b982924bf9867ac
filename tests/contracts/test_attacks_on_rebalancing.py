"""Attacks by and on the keeper: C1 to C3, D1 and D7, on genuine Uniswap pools, with the loss in basis points.

Run with `-s` to see the figures. Prices stand still, so that whatever a share loses, the attacker took.
"""

import random

import pytest
from brownie import MockAggregator

from tests.contracts.pools import Pools, bps
from tests.contracts.support import (
    D27,
    DAY,
    EVE,
    HOUR,
    MAX,
    STRATEGIST,
    WAD,
    accounts,
    ceil_div,
    chainlink_feed,
    limits_with,
    now,
    policy_with,
    undone,
    wait,
    web3,
    why,
)

CAPACITY, WINDOW = 5 * 10**15, DAY  # 0.5 % in 24 hours
A, B = 0, 1


def share_value(index):
    """D18 nano-USD of one share at the oracle's prices, after all fees: the test's own arithmetic."""
    return (
        sum(r * index.price(i) for i, r in enumerate(index.reserves()))
        // (D27 // WAD)
        * WAD
        // index.token.totalSupply()
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_malicious_strategist_costs_a_share_at_most_the_budget(world, seed):
    """C1, G2: 30 days of valid calls that lose as much as they can: swaps with an own taker at the floor, plans back and
    forth, pushed pools, huge mints before and redemptions after. At no moment has a share lost more than C·(1 + T/W)."""
    rng = random.Random(seed)
    loose = policy_with(max_slippage=50_000, min_interval=0)
    limits = limits_with(loss_capacity=CAPACITY, loss_window=WINDOW, turnover_capacity=4 * WAD, turnover_window=HOUR)
    index = world.create([world.token(18, 4), world.token(6, 1), world.token(8, 200)], policy=loose, limits=limits)
    pools = Pools.open(world, *index.tokens[:2], usd=300_000)
    eve, thief = accounts[EVE], accounts[STRATEGIST].address
    for token in index.tokens:
        token.mint(world.taker, 10**40, {"from": eve})
        token.mint(eve, 10**40, {"from": eve})
        token.approve(index.token, MAX, {"from": eve})
    first, start, done, refused, deepest = share_value(index), now(), 0, 0, 0.0

    def try_swap(order):
        nonlocal done, refused
        data = world.rebalancer.swap.encode_input(order)
        sent = web3.eth.send_transaction(
            {"from": thief, "to": str(world.rebalancer), "data": data, "gas": 10**6, "gasPrice": 0}
        )
        if web3.eth.get_transaction_receipt(sent)["status"]:
            done += 1
        else:
            refused += 1

    while now() < start + 30 * DAY:
        wait(rng.choice([1, HOUR, 4 * HOUR, 12 * HOUR]))
        action = rng.choice(["mint", "plan", "floor", "floor", "floor", "pool", "redeem"])
        if action == "mint":
            index.mint(eve, rng.choice([1, WAD, 10_000 * WAD]), fund=False)
        elif action == "redeem" and index.token.balanceOf(eve):
            index.redeem(eve, rng.randint(1, index.token.balanceOf(eve)), mask=rng.choice([0, 1, 7]))
        elif action == "plan" or world.rebalancer.planOf(index.token)[3] <= now():
            cut = sorted(rng.randint(0, 100) for _ in range(2))
            shares = [cut[0], cut[1] - cut[0], 100 - cut[1]]
            if all(shares):
                index.start([s * WAD // 100 for s in shares], duration=14 * DAY)
        else:
            pairs = [(s, b) for s in range(3) for b in range(3) if s != b and index.largest(s, b) > 10**6]
            if not pairs:
                continue
            sell, buy = rng.choice(pairs)
            if action == "pool" and {sell, buy} == {A, B}:
                sold, bought = pools.push("v2", index.tokens[sell], rng.choice([2, 4, 8]))
                try_swap(index.order(sell, buy, index.largest(sell, buy) // 2, **pools.route("v2", world)))
                pools.swap("v2", index.tokens[buy], bought)  # unwind
                continue
            # own taker, exactly the floor: as large as what is left of the budget allows
            left = CAPACITY - world.guard.usedOf(index.token)[0]
            worth = index.nav() * max(left, 1) // WAD * 19  # the floor loses a twentieth, and not a unit too much
            amount = min(index.largest(sell, buy), worth * D27 // index.price(sell))
            try_swap(index.order(sell, buy, max(amount, 1)))
        lost, bound = first - share_value(index), CAPACITY * (WINDOW + now() - start) // WINDOW
        deepest = max(deepest, lost / first)
        assert lost * WAD <= (bound + 10**12) * first, (action, bps(lost, first), bound)
    lost = bps(first - share_value(index), first)
    most = CAPACITY * (WINDOW + now() - start) // WINDOW / 10**14
    print(f"C1 seed {seed}: {done} swaps, {refused} refused, lost {lost} bps in 30 days, bound {most} bps")
    assert done > 20 and lost > most / 2  # he really tried


@pytest.fixture
def pooled(world):
    """An index of 100,000 dollars that must sell a tenth, and pools with a million dollars a side."""
    index = world.create([world.token(18, 4), world.token(6, 1)])
    pools = Pools.open(world, *index.tokens, usd=1_000_000)
    index.start([WAD * 45 // 100, WAD * 55 // 100])
    return index, pools


@pytest.mark.parametrize("kind", ["v2", "v3"])
@pytest.mark.parametrize("percent", [0.1, 0.3, 1, 5, 20, 50])
def test_pushed_pool_costs_at_most_the_slippage_or_is_refused(world, pooled, strategist, kind, percent):
    """C2, G4: push the pool, let the keeper swap at his worst (min_buy 0), unwind. Within the slippage, or BelowFloor."""
    index, pools = pooled
    amount, value, nav = index.largest(A, B) // 2, share_value(index), index.nav()
    _, bought = pools.push(kind, index.tokens[A], percent)
    order = index.order(A, B, amount, min_buy=0, **pools.route(kind, world))
    refused = why(world.rebalancer.swap, order, sender=strategist)
    if percent >= 1:
        floor = world.rebalancer.floorOf(index.token, *index.tokens, amount)
        assert refused[0] == "ShortDelivery" and refused[2] < refused[3] == floor
        assert share_value(index) == value
    else:
        assert refused is None
        index.swap(order, fund=False)
    lost = value - share_value(index)
    traded = amount * index.price(A) // D27
    of_trade = bps(lost * index.token.totalSupply() // WAD, traded * WAD)
    print(
        f"C2 {kind} pushed {percent} %: {'refused' if refused else 'swapped'}, {of_trade} bps of the trade, {bps(lost, value)} bps of NAV"
    )
    assert of_trade <= 100.001 and lost * WAD <= CAPACITY * value
    pools.swap(kind, index.tokens[B], bought)
    assert nav - index.nav() <= traded // 100 + 2


@pytest.mark.parametrize("kind", ["v2", "v3"])
@pytest.mark.parametrize("tolerance_bps", [60, 100])
def test_sandwich_takes_at_most_the_tolerance(world, pooled, kind, tolerance_bps):
    """C3: a bot searches the size that hurts most; the swap loses what its own minimum allows and never more."""
    index, pools = pooled
    amount = index.largest(A, B) // 2
    mid, value = index.mid(A, B, amount), share_value(index)
    least = ceil_div(mid * (10_000 - tolerance_bps), 10_000)
    order = index.order(A, B, amount, min_buy=least, **pools.route(kind, world))
    low, high, worst, best_profit = 0.0, 5.0, 0, 0
    for _ in range(9):
        percent = (low + high) / 2
        with undone():
            spent, bought = pools.push(kind, index.tokens[A], percent)
            passes = why(world.rebalancer.swap, order, sender=accounts[STRATEGIST]) is None
            if passes:
                index.swap(order, fund=False)
                back = pools.swap(kind, index.tokens[B], bought)
                worst = max(worst, value - share_value(index))
                best_profit = max(best_profit, (back - spent) * index.price(A) // D27)
        low, high = (percent, high) if passes else (low, percent)
    traded = amount * index.price(A) // D27
    of_trade = bps(worst * index.token.totalSupply() // WAD, traded * WAD)
    print(f"C3 {kind} tolerance {tolerance_bps}: worst {of_trade} bps of the trade, {bps(worst, value)} bps of NAV, "
          f"bot gains {bps(best_profit, traded)} bps of the trade")  # fmt: skip
    assert 0.9 * tolerance_bps <= of_trade <= tolerance_bps + 0.001
    assert worst * WAD <= CAPACITY * value


def test_stale_feed_stops_swaps_and_nothing_else(world, deployer, strategist, alice, bob):
    """D1: with genuine answers of a feed that nobody renews: swaps revert, minting and redeeming do not."""
    tokens = [world.token(18, 4), world.token(6, 1)]
    aggregator = deployer.deploy(MockAggregator, 8, "A / USD", deployer)
    aggregator.report(4 * 10**8, now(), {"from": deployer})
    reported = now() - 1
    index = world.create(tokens)
    world.set_feed(tokens[0], chainlink_feed(tokens[0], aggregator, HOUR))
    index.start([WAD // 4, WAD * 3 // 4])
    tokens[1].mint(world.taker, 10**12, {"from": deployer})
    order = index.order(A, B, 10**18)
    wait(2 * HOUR)
    assert why(world.rebalancer.swap, order, sender=strategist) == ("PriceStale", tokens[0].address, reported, HOUR)
    index.mint(bob, WAD)
    before = index.balances(alice)
    index.redeem(alice, WAD)
    assert all(a > b for a, b in zip(index.balances(alice), before, strict=True))
    aggregator.report(4 * 10**8, now(), {"from": deployer})
    index.swap(order)


def test_feed_removed_in_the_middle_of_a_plan_locks_nothing(world, mixed, governor, strategist, alice, eve):
    """D7: no swaps of that token, others go on, the plan expires, holders leave."""
    mixed.start(mixed.tilted(), duration=DAY)
    gone = mixed.tokens[0]
    order = mixed.order(0, 2, 10**18)
    world.oracle.setFeed(gone, "0x" + "0" * 40, {"from": governor})
    assert why(world.rebalancer.swap, order, sender=strategist) == ("PriceMissing", gone.address)
    before = mixed.balances(alice)
    mixed.redeem(alice, WAD)
    assert all(a > b for a, b in zip(mixed.balances(alice), before, strict=True))
    wait(DAY)
    world.rebalancer.endPlan(mixed.token, 1, {"from": eve})
    mixed.start([0, WAD // 2, WAD // 2])
    assert world.rebalancer.planOf(mixed.token)[0] == 2 and mixed.n == 3
