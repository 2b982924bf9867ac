"""Plans of the governor's own units and price ranges, which need no oracle.

Rebalancer.startManualPlan
├── is the governor's, and refuses every mistake with its values
└── given no oracle at all
    ├── its auctions go from high_sell / low_buy to low_sell / high_buy, exact at both ends
    ├── its swaps have the floor low_sell / high_buy
    └── the guard values tokens in the middle of their range, and its budgets bind
Given an oracle for one side
└── the guard values that side by the oracle
Once the plan is over
└── nothing of the range is left
"""

from math import isqrt

import pytest

from tests.contracts.support import (
    D27,
    DAY,
    HOUR,
    MAX,
    WAD,
    ZERO,
    accounts,
    at_next,
    ceil_div,
    limits_with,
    price_d27,
    wait,
    why,
)

A, B = (3_600_000, 4_400_000), (900_000, 1_100_000)  # ranges in millionths of a dollar


@pytest.fixture
def blind(world):
    """An index of two tokens, 18 and 6 decimals, whose feeds are gone, and a policy for auctions."""
    index = world.create([world.token(18, 4), world.token(6, 1)], limits=limits_with(loss_capacity=5 * 10**16))
    index.set_auctions()
    for token in index.tokens:
        world.set_feed(token, ZERO)
    return index


def ranges_of(*limits):
    """D27{nUSD/tok} of the 18 decimals and the 6 decimals token."""
    return [(low * 10 ** (30 - d), high * 10 ** (30 - d)) for (low, high), d in zip(limits, (18, 6), strict=True)]


def halved(index):
    """Units that sell half of the first token for what it is worth of the second."""
    first, second = index.units()
    return [first // 2, second + second // 2]


def test_start_manual_plan_refuses_every_mistake_with_its_values(world, blind, governor, strategist):
    rebalancer, (a, b) = world.rebalancer, (token.address for token in blind.tokens)
    units, ranges, newcomer = blind.units(), ranges_of(A, B), world.token()
    good = {"plan": 1, "version": 1, "additions": [], "units": units, "ranges": ranges, "duration": DAY}

    def refused(sender=governor, **changes):
        return why(rebalancer.startManualPlan, blind.token, tuple({**good, **changes}.values()), sender=sender)

    assert refused() is None
    assert refused(strategist) == ("NotAuthorized", strategist.address, blind.address)
    low, high = ranges[1]
    for changes, reason in (
        ({"plan": 2}, ("PlanMismatch", 2, 1)),
        ({"version": 2}, ("BasketChanged", 1, 2)),
        ({"duration": 0}, ("ValueOutOfBounds", "duration", 0, 1, 14 * DAY)),
        ({"units": units[:1]}, ("LengthMismatch", 1, 2)),
        ({"ranges": ranges[:1]}, ("LengthMismatch", 1, 2)),
        ({"ranges": [ranges[0], (high, low)]}, ("RangeInvalid", b, high, low)),
        ({"ranges": [ranges[0], (0, high)]}, ("RangeInvalid", b, 0, high)),
        ({"ranges": [ranges[0], (low, 100 * low + 1)]}, ("RangeInvalid", b, low, 100 * low + 1)),
        ({"ranges": [(0, 0), ranges[1]]}, ("RangeInvalid", a, 0, 0)),  # a target without a range
        ({"units": [2**184, units[1]]}, ("UnitOverflow", a, 2**184)),
    ):
        assert refused(**changes) == reason, changes
    three = {"additions": [newcomer], "ranges": [*ranges, (1, 2)]}
    assert refused(**three, units=[*units, 1]) == ("TokenNotAllowed", newcomer.address)
    assert refused(**three, units=[*units, 0]) == ("AdditionWithoutWeight", newcomer.address)


def test_start_manual_plan_stores_and_tells_everything(world, blind):
    units, ranges = halved(blind), ranges_of(A, B)
    tx = blind.start_manual(units, ranges, duration=DAY)
    event = tx.events["StartManualPlan"]
    middles = [isqrt(low * high) for low, high in ranges]
    nav = sum(r * p // D27 for r, p in zip(blind.reserves(), middles, strict=True)) * D27 // blind.token.totalSupply()
    assert (list(event["tokens"]), list(event["units"])) == (blind.tokens, units)
    assert [tuple(r) for r in event["ranges"]] == ranges
    assert event["navPerShare"] == nav == world.guard.valuationOf(blind.token)[0]
    plan = world.rebalancer.planOf(blind.token)
    assert plan == (1, 0, tx.timestamp, tx.timestamp + DAY, 0, 10**6, False, True, 0, nav, 0, 0)
    assert [world.rebalancer.rangeOf(blind.token, token) for token in blind.tokens] == ranges
    assert [world.rebalancer.targetOf(blind.token, token)[2] for token in blind.tokens] == units


def test_an_auction_without_an_oracle_runs_from_the_best_to_the_worst_of_the_ranges(world, blind, bob):
    """C17, D7: a token that nobody prices can be sold all the same, between limits that the governor chose."""
    (low_sell, high_sell), (low_buy, high_buy) = ranges_of(A, B)
    blind.start_manual(halved(blind), ranges_of(A, B))
    reason = why(world.auctions.openAuction, blind.token, 1, 1, 1, 0, 1800, 1, sender=accounts[2])
    assert reason[0] in ("ValueOutOfBounds", "NotAuthorized")
    blind.open(duration=1800)
    starts, ends = world.auctions.auctionOf(blind.token)[2:4]
    blind.tokens[1].approve(world.auctions, MAX, {"from": bob})
    blind.tokens[1].mint(bob, 10**15, {"from": bob})
    order, paid = blind.auction(0, 1, max_sell=10**18), []
    for moment in (starts, starts + 450, starts + 900, starts + 1350, ends):
        at_next(moment)
        paid.append(world.auctions.fill(order, {"from": bob}).events["FillAuction"]["bought"])
    assert paid[0] == ceil_div(10**18 * high_sell, low_buy) and paid[-1] == ceil_div(10**18 * low_sell, high_buy)
    middle = 10**18 * (low_sell * high_sell) ** 0.5 / (low_buy * high_buy) ** 0.5
    assert 0 <= paid[2] - middle < 2
    for before, after in zip(paid, paid[1:], strict=False):
        assert abs(after / before - (paid[-1] / paid[0]) ** 0.25) < 1e-6  # equal times, equal fractions


def test_a_keeper_swap_without_an_oracle_has_the_worst_of_the_ranges_for_a_floor(world, blind, strategist):
    (low_sell, _), (_, high_buy) = ranges_of(A, B)
    blind.start_manual(halved(blind), ranges_of(A, B))
    floor = ceil_div(10**18 * low_sell, high_buy)
    blind.tokens[1].mint(world.taker, 10**15, {"from": strategist})
    order = (blind.token, 1, 0, *blind.tokens, 10**18, 0, world.taker, world.taker, b"")
    tx = world.rebalancer.swap(order, {"from": strategist})
    assert tx.events["SwapTokens"]["bought"] == tx.events["SwapTokens"]["floor"] == floor
    assert (tx.events["SwapTokens"]["sellPrice"], tx.events["SwapTokens"]["buyPrice"]) == (low_sell, high_buy)


def test_the_guard_measures_by_the_middle_of_the_ranges_and_its_budget_binds(world, blind, strategist):
    """G2: without an oracle too, a share loses to rebalancing at most the budget, by the governor's own middle."""
    blind.start_manual(halved(blind), ranges_of(A, B))
    blind.tokens[1].mint(world.taker, 10**15, {"from": strategist})
    surplus = world.rebalancer.gapOf(blind.token, blind.tokens[0])[0]
    middles = [isqrt(low * high) for low, high in ranges_of(A, B)]
    paid = ceil_div(surplus // 4 * ranges_of(A, B)[0][0], ranges_of(A, B)[1][1])
    nav = sum(r * p // D27 for r, p in zip(blind.reserves(), middles, strict=True))
    loss = ceil_div(surplus // 4 * middles[0], D27) - paid * middles[1] // D27

    def order(step, amount):
        return (blind.token, 1, step, *blind.tokens, amount, 0, world.taker, world.taker, b"")

    world.rebalancer.swap(order(0, surplus // 4), {"from": strategist})
    used = world.guard.usedOf(blind.token)[0]
    assert abs(used - loss * WAD // nav) <= 10**9 and used > 10**16
    limits = limits_with(loss_capacity=used + 10**15)
    blind.govern(world.guard.setLimits, blind.token, tuple(vars(limits).values()))
    assert why(world.rebalancer.swap, order(1, surplus // 4), sender=strategist)[0] == "LossBudgetExceeded"


def test_the_guard_takes_the_oracle_where_it_has_a_price(world, blind, strategist):
    """The range is for what has no price: a live price of a dollar counts, not the range's middle of two."""
    world.list(blind.tokens[1], 1)
    blind.start_manual(halved(blind), ranges_of(A, (1_500_000, 3_000_000)))
    expected = blind.reserves()[0] * isqrt(ranges_of(A, B)[0][0] * ranges_of(A, B)[0][1]) // D27
    expected += blind.reserves()[1] * price_d27(1, 6) // D27
    assert world.guard.valuationOf(blind.token)[0] == expected * D27 // blind.token.totalSupply()


def test_nothing_of_a_range_outlives_its_plan(world, blind, strategist, eve):
    blind.start_manual(halved(blind), ranges_of(A, B), duration=HOUR)
    blind.open()
    assert world.guard.revalue.call(blind.token, {"from": eve}) > 0
    wait(HOUR)
    assert [world.rebalancer.rangeOf(blind.token, token) for token in blind.tokens] == [(0, 0)] * 2
    assert why(world.guard.revalue, blind.token, sender=eve) == ("ValuationZero", blind.address)
    assert why(world.auctions.quote, blind.token, *blind.tokens, MAX, sender=eve)[0] == "PlanExpired"
    blind.end(eve)
    for token, usd in zip(blind.tokens, (4, 1), strict=True):
        world.list(token, usd)
    blind.start([WAD // 2, WAD // 2])
    assert [world.rebalancer.rangeOf(blind.token, token) for token in blind.tokens] == [(0, 0)] * 2


def test_a_component_without_a_range_is_left_alone(world, mixed, strategist):
    units, dead = mixed.units(), mixed.tokens[2]
    prices = [mixed.price(i) for i in range(2)]
    mixed.start_manual([units[0] // 2, units[1] * 2, 0], [(p * 9 // 10, p * 11 // 10) for p in prices] + [(0, 0)])
    assert world.rebalancer.targetOf(mixed.token, dead)[0] == 0
    assert (
        world.rebalancer.gapOf(mixed.token, dead) == (0, 0) and world.rebalancer.gapOf(mixed.token, mixed.tokens[0])[0]
    )
    order = mixed.order(0, 2, 10**18)
    assert why(world.rebalancer.swap, order, sender=strategist) == ("TokenNotInPlan", dead.address)


def test_a_new_token_without_an_oracle_enters_by_a_manual_plan(world, blind, deployer, bob):
    newcomer = world.token(18, 5)
    world.set_feed(newcomer, ZERO)
    blind.govern(world.rebalancer.setAllowed, blind.token, [newcomer], True)
    first, second = blind.units()
    third = first // 10
    low, high = (usd * 10**12 for usd in (4_500_000, 5_500_000))
    blind.start_manual([first * 8 // 10, second, third], [*ranges_of(A, B), (low, high)], additions=[newcomer])
    blind.tokens.append(newcomer)
    assert blind.n == 3
    blind.open()
    wait(900)
    tx = blind.fill(blind.auction(0, 2))
    assert blind.reserves()[2] == tx.events["FillAuction"]["bought"] > 0
