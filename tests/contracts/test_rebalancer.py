"""Plans fix target units, swaps move towards them and never past them.

Rebalancer.startPlan
├── refuses every mistake the interface names, with its values
├── turns weights into the units the prices say, rounded down
├── given a component without a price it keeps it, untraded, and does not count it
├── given a component that does not answer it does not stop
├── lets allow-listed tokens enter, and drops what is empty and has no weight
└── sent twice it reverts the second time

Rebalancer.swap
├── refuses every mistake the interface names, with its values
├── never sells below target or buys above it, and no token outside the plan (G4)
├── never accepts less than the floor, whatever the caller passes
├── sent twice it reverts the second time
├── follows the cool-down and the largest trade of the policy
└── keeps its targets exact while the streaming fee dilutes, for 14 days

Rebalancer.scalePlan
├── makes what is left on either side tradable, and nothing passes the scaled target (G4)
└── refuses a second time, a stranger, and more than two percent

A component without a target that is sold out
├── leaves the list at once, and the plan goes on
└── leaves its claims to their owners

Rebalancer.endPlan
├── by the strategist any time, by anyone after expiry
├── drops what is empty and has no target, and nothing else
└── a dead plan locks nothing
"""

import pytest
from brownie import RebasingToken, RevertingBalanceToken
from eth_abi import encode

from tests.contracts.support import (
    D27,
    DAY,
    DEAD,
    HOUR,
    MAX,
    POLICY,
    WAD,
    ceil_div,
    limits_with,
    now,
    policy_with,
    wait,
    why,
)

HALVES = [WAD // 2, WAD // 2]


@pytest.fixture
def rebalancer(world):
    return world.rebalancer


@pytest.fixture
def pair(world):
    """An index of two tokens, 18 and 6 decimals."""
    return world.create([world.token(18, 4), world.token(6, 1)])


@pytest.fixture
def moving(pair):
    """The same with a plan that sells the first for the second."""
    pair.start([WAD // 4, WAD * 3 // 4], duration=14 * DAY)
    return pair


@pytest.fixture(params=[0, 1], ids=["first", "second"])
def fading(world, deployer, request):
    """An index of which one token can lose all its balances; that token, and weights with nothing for it."""
    fade = deployer.deploy(RebasingToken, "FADE", 18)
    world.list(fade)
    tokens, weights = [world.token(6), world.token(8)], [WAD // 4, WAD - WAD // 4]
    tokens.insert(request.param, fade)
    weights.insert(request.param, 0)
    return world.create(tokens), fade, weights


def refused_start(rebalancer, strategist, index, **changes):
    arguments = {
        "plan": index.next_plan(), "version": index.version, "additions": [], "weights": HALVES, "duration": DAY, **changes,
    }  # fmt: skip
    return why(rebalancer.startPlan, index.token, *arguments.values(), sender=strategist)


# --- startPlan --------------------------------------------------------------------------------------------------------


def test_start_plan_refuses_every_mistake_with_its_values(world, rebalancer, pair, strategist):
    newcomer = world.token()
    token = pair.tokens[0].address
    for changes, reason in (
        ({"plan": 2}, ("PlanMismatch", 2, 1)),
        ({"plan": 0}, ("PlanMismatch", 0, 1)),
        ({"version": 2}, ("BasketChanged", 1, 2)),
        ({"weights": [WAD]}, ("LengthMismatch", 1, 2)),
        ({"weights": [WAD // 2, WAD // 2 - 1]}, ("WeightsSumInvalid", WAD - 1)),
        ({"weights": [WAD // 2, WAD // 2 + 1]}, ("WeightsSumInvalid", WAD + 1)),
        ({"weights": [0, 0]}, ("WeightsSumInvalid", 0)),
        ({"weights": [MAX, 0]}, ("WeightTooHigh", token, MAX, WAD)),
        ({"duration": 0}, ("ValueOutOfBounds", "duration", 0, 1, 14 * DAY)),
        ({"duration": 14 * DAY + 1}, ("ValueOutOfBounds", "duration", 14 * DAY + 1, 1, 14 * DAY)),
        ({"additions": [newcomer], "weights": [WAD // 2, WAD // 4, WAD // 4]}, ("TokenNotAllowed", newcomer.address)),
    ):
        assert refused_start(rebalancer, strategist, pair, **changes) == reason, changes
    pair.govern(rebalancer.setAllowed, pair.token, [newcomer, DEAD], True)
    for changes, reason in (
        ({"additions": [newcomer], "weights": [*HALVES, 0]}, ("AdditionWithoutWeight", newcomer.address)),
        ({"additions": [DEAD], "weights": [WAD // 2, WAD // 4, WAD // 4]}, ("PriceMissing", DEAD)),
        (
            {"additions": [pair.tokens[1]], "weights": [WAD // 2, 0, WAD // 2]},
            ("ComponentInvalid", pair.tokens[1].address),
        ),
        (
            {"additions": [newcomer] * 2, "weights": [WAD // 2, 0, WAD // 4, WAD // 4]},
            ("ComponentInvalid", newcomer.address),
        ),
    ):
        assert refused_start(rebalancer, strategist, pair, **changes) == reason, changes
    assert rebalancer.planOf(pair.token)[0] == 0


def test_start_plan_refuses_weights_above_the_policys(world, rebalancer, strategist):
    index = world.create([world.token(), world.token()], policy=policy_with(max_weight=6 * 10**17))
    reason = refused_start(rebalancer, strategist, index, weights=[6 * 10**17 + 1, 4 * 10**17 - 1])
    assert reason == ("WeightTooHigh", index.tokens[0].address, 6 * 10**17 + 1, 6 * 10**17)
    assert refused_start(rebalancer, strategist, index, weights=[6 * 10**17, 4 * 10**17]) is None


def test_start_plan_of_an_unknown_index_reverts(rebalancer, strategist, pair):
    assert why(rebalancer.startPlan, DEAD, 1, 1, [], HALVES, DAY, sender=strategist) == ("NotRegistered", DEAD)


def test_start_plan_sent_twice_reverts_the_second_time(rebalancer, strategist, pair):
    """G8: the number of the plan makes a repetition harmless."""
    arguments = (pair.token, 1, 1, [], HALVES, DAY)
    rebalancer.startPlan(*arguments, {"from": strategist})
    assert why(rebalancer.startPlan, *arguments, sender=strategist) == ("PlanMismatch", 1, 2)


def test_start_plan_waits_for_the_interval(rebalancer, strategist, pair):
    started = pair.start(HALVES).timestamp
    assert refused_start(rebalancer, strategist, pair) == ("PlanTooEarly", started + HOUR)
    wait(started + HOUR - now())
    assert refused_start(rebalancer, strategist, pair) is None


def test_start_plan_turns_weights_into_the_units_the_prices_say(index, rebalancer, world):
    """G5: the keeper cannot mis-scale; the event names everything it was made of."""
    weights = index.tilted()
    prices = [index.price(i) for i in range(index.n)]
    supply = index.token.totalSupply()
    navps = sum(r * p // D27 for r, p in zip(index.reserves(), prices, strict=True)) * D27 // supply
    tx = index.start(weights, duration=3 * DAY)
    units = [w * navps * 10**9 // p for w, p in zip(weights, prices, strict=True)]
    event = tx.events["StartPlan"]
    assert (list(event["weights"]), list(event["prices"]), list(event["units"])) == (weights, prices, units)
    assert event["navPerShare"] == navps and event["expiresAt"] == tx.timestamp + 3 * DAY
    assert [rebalancer.targetOf(index.token, t) for t in index.tokens] == [(1, 0, u) for u in units]
    plan = rebalancer.planOf(index.token)
    assert plan == (1, 0, tx.timestamp, tx.timestamp + 3 * DAY, 0, 10**6, False, False, 0, navps, 0, 0)
    assert world.guard.valuationOf(index.token) == (navps, tx.timestamp)
    for i, token in enumerate(index.tokens):
        have, surplus = index.reserves()[i], max(0, index.reserves()[i] - ceil_div(units[i] * supply, D27))
        assert rebalancer.gapOf(index.token, token) == (surplus, max(0, units[i] * supply // D27 - have))


def test_start_plan_keeps_a_component_without_a_price_and_does_not_count_it(mixed, rebalancer, strategist):
    """D1, D7, C17: one dead feed does not block the others; the token stays where it is, untraded."""
    mixed.feed(1).setDead(True, {"from": strategist})
    reserves = mixed.reserves()
    assert refused_start(rebalancer, strategist, mixed, weights=mixed.equal())[0] == "FeedDead"
    mixed.start([WAD // 4, 0, WAD - WAD // 4])
    assert rebalancer.targetOf(mixed.token, mixed.tokens[1])[0] == 0
    assert rebalancer.gapOf(mixed.token, mixed.tokens[1]) == (0, 0)
    mixed.swap(mixed.order(0, 2, min_buy=mixed.mid(0, 2, mixed.largest(0, 2))))
    mixed.feed(1).setDead(False, {"from": strategist})
    for sell, buy, token in ((1, 2, 1), (0, 1, 1)):
        reason = why(rebalancer.swap, mixed.order(sell, buy, 1), sender=strategist)
        assert reason == ("TokenNotInPlan", mixed.tokens[token].address)
    mixed.end()
    assert mixed.n == 3 and mixed.reserves()[1] == reserves[1]
    value = [mixed.reserves()[i] * mixed.price(i) for i in (0, 2)]
    assert abs(value[0] * 3 - value[1]) <= sum(value) // 10**6


def test_start_plan_does_not_stop_at_a_component_that_does_not_answer(world, rebalancer, deployer, strategist):
    """G1, B13: neither start nor end of a plan depends on one bad token."""
    mute = deployer.deploy(RevertingBalanceToken, "MUTE", 18)
    world.list(mute)
    index = world.create([world.token(), world.token(6), mute])
    mute.setSilent(True, {"from": deployer})
    index.start([WAD // 4, WAD - WAD // 4, 0])
    index.swap(index.order(0, 1))
    index.end()
    assert index.n == 3  # not dropped: it did not say that it is empty
    mute.setSilent(False, {"from": deployer})
    assert index.reserves()[2] > 0


def test_tokens_enter_and_leave_by_plans(world, mixed, rebalancer):
    newcomer = world.token(8)
    old, version = mixed.tokens[0], mixed.version
    mixed.add(newcomer, WAD // 10)
    assert mixed.n == 4 and mixed.version == version + 1 and mixed.reserves()[3] > 0
    wait(HOUR)
    mixed.remove(0)
    assert old.address not in mixed.token.components() and old.balanceOf(mixed.token) == 0 and mixed.n == 3


def test_start_plan_drops_what_is_empty_and_has_no_weight(rebalancer, fading, deployer):
    """What was emptied by something else than a trade goes with the next plan that gives it no weight."""
    index, fade, weights = fading
    fade.rebase(0, {"from": deployer})
    index.start(weights)
    assert index.token.components() == tuple(token.address for token in index.tokens if token != fade)


# --- swap -------------------------------------------------------------------------------------------------------------


def test_swap_refuses_every_mistake_with_its_values(world, rebalancer, moving, strategist):
    sell, buy = (token.address for token in moving.tokens)
    stranger = world.token()
    surplus, _ = rebalancer.gapOf(moving.token, sell)
    buy_token = moving.tokens[1]
    buy_token.mint(world.taker, 10**20, {"from": strategist})
    good = moving.order(0, 1)
    for changes, reason in (
        ({"plan": 2}, ("PlanMismatch", 2, 1)),
        ({"step": 1}, ("StepMismatch", 1, 0)),
        ({"sell_token": stranger}, ("TokenNotInPlan", stranger.address)),
        ({"buy_token": stranger}, ("TokenNotInPlan", stranger.address)),
        ({"amount": surplus + 1}, ("SurplusExceeded", sell, surplus + 1, surplus)),
        ({"amount": 0}, ("SurplusExceeded", sell, 0, surplus)),
        ({"sell_token": moving.tokens[1], "buy_token": moving.tokens[0], "amount": 1}, ("SurplusExceeded", buy, 1, 0)),
        ({"amount": 10**18, "min_buy": 10**20}, ("ShortDelivery", buy, 0, 10**20)),
    ):
        order = moving.order(0, 1, **changes)
        if "min_buy" in changes:
            order = moving.order(0, 1, **changes, data=encode(["uint256[]"], [[0]]))
        assert why(rebalancer.swap, order, sender=strategist) == reason, changes
    for feed, name in ((0, "FeedDead"), (1, "FeedDead")):
        moving.feed(feed).setDead(True, {"from": strategist})
        assert why(rebalancer.swap, good, sender=strategist)[0] == name
        moving.feed(feed).setDead(False, {"from": strategist})
    assert why(rebalancer.swap, good, sender=strategist) is None


def test_swap_sent_twice_reverts_the_second_time(rebalancer, moving, strategist):
    """G8: the step makes a repetition harmless."""
    order = moving.order(0, 1, 10**18)
    moving.swap(order)
    reserves = moving.reserves()
    assert why(rebalancer.swap, order, sender=strategist) == ("StepMismatch", 0, 1)
    assert moving.reserves() == reserves


def test_swap_never_accepts_less_than_the_floor(rebalancer, moving, strategist):
    """G4: the floor is the oracle's price less the slippage, rounded up, whatever the caller asks."""
    amount = moving.largest(0, 1)
    floor = ceil_div(amount * moving.price(0) * 990_000, moving.price(1) * 10**6)
    assert rebalancer.floorOf(moving.token, *moving.tokens, amount) == floor
    for paid, reason in ((floor - 1, ("ShortDelivery", moving.tokens[1].address, floor - 1, floor)), (floor, None)):
        order = moving.order(0, 1, amount, min_buy=0, data=encode(["uint256[]"], [[paid]]))
        moving.tokens[1].mint(order[8], paid, {"from": strategist})
        assert why(rebalancer.swap, order, sender=strategist) == (reason if reason is None else reason)


def test_swap_never_buys_above_the_target(rebalancer, moving, strategist):
    """G4: not even as a gift; a taker who pays more than the deficit is refused."""
    _, deficit = rebalancer.gapOf(moving.token, moving.tokens[1])
    moving.tokens[1].mint(moving.world.taker, 10**30, {"from": strategist})
    gift = moving.order(0, 1, 10**18, data=encode(["uint256[]"], [[deficit + 1]]))
    reason = why(rebalancer.swap, gift, sender=strategist)
    assert reason == ("DeficitExceeded", moving.tokens[1].address, deficit + 1, deficit)
    moving.swap(moving.order(0, 1, 10**18, data=encode(["uint256[]"], [[deficit]])))
    assert rebalancer.gapOf(moving.token, moving.tokens[1]) == (0, 0)


def test_swap_reports_what_moved(rebalancer, moving, strategist):
    amount = moving.largest(0, 1)
    due = moving.mid(0, 1, amount)
    tx = moving.swap(moving.order(0, 1, amount, min_buy=due))
    event = tx.events["SwapTokens"]
    assert (event["planId"], event["step"], event["caller"]) == (1, 0, strategist)
    assert (event["sold"], event["bought"]) == (amount, due)
    assert (event["sellPrice"], event["buyPrice"]) == (moving.price(0), moving.price(1))
    assert event["floor"] == rebalancer.floorOf(moving.token, *moving.tokens, amount)
    assert rebalancer.planOf(moving.token)[1] == 1


def test_swap_follows_the_largest_trade(world, rebalancer, strategist):
    index = world.create([world.token(), world.token(6)], policy=policy_with(max_trade=10**16))
    index.start([WAD // 4, WAD * 3 // 4])
    navps = rebalancer.planOf(index.token)[9]
    most = navps * index.token.totalSupply() // D27 * 10**16 // WAD
    amount = most * D27 // index.price(0)
    reason = why(rebalancer.swap, index.order(0, 1, amount + D27 // index.price(0) + 1), sender=strategist)
    assert reason[0] == "TradeTooLarge" and reason[1] > reason[2] == most
    index.swap(index.order(0, 1, amount))


def test_swap_follows_the_cool_down_of_either_token(world, rebalancer, strategist):
    index = world.create([world.token(), world.token(6), world.token(8)], policy=policy_with(cooldown=HOUR))
    index.start([0, WAD // 2 + WAD // 10, WAD // 2 - WAD // 10])
    at = index.swap(index.order(0, 1, 10**18)).timestamp
    for buy in (1, 2):
        index.tokens[buy].mint(world.taker, 10**30, {"from": strategist})
        reason = why(rebalancer.swap, index.order(0, buy, 10**18), sender=strategist)
        assert reason == ("CooldownActive", index.tokens[0].address, at + HOUR)
    wait(at + HOUR - now())
    index.swap(index.order(0, 2, 10**18))
    assert rebalancer.targetOf(index.token, index.tokens[0])[1] == now()


def test_swap_after_the_plan_expired_reverts(rebalancer, pair, strategist):
    started = pair.start([WAD // 4, WAD * 3 // 4], duration=DAY).timestamp
    order = pair.order(0, 1, 10**18)
    wait(DAY)
    assert why(rebalancer.swap, order, sender=strategist) == ("PlanExpired", 1, started + DAY)
    assert rebalancer.gapOf(pair.token, pair.tokens[0]) == (0, 0)


def test_swap_of_an_older_plan_reverts(rebalancer, moving, strategist):
    """C8: a new plan makes the targets of the old one void."""
    order = moving.order(0, 1, 10**18)
    wait(HOUR)
    moving.start(HALVES)
    assert why(rebalancer.swap, order, sender=strategist) == ("PlanMismatch", 1, 2)


def test_targets_stay_exact_while_the_fee_dilutes(world, rebalancer, bob):
    """A plan of 14 days sells what it would have sold on the first, scaled by the supply that exists."""
    index = world.create(
        [world.token(18), world.token(6)], streaming_fee=5 * 10**16, limits=limits_with(valuation_max_age=HOUR)
    )
    index.start([WAD // 4, WAD * 3 // 4], duration=14 * DAY)
    first = [rebalancer.gapOf(index.token, token) for token in index.tokens]
    supply = index.token.totalSupply()
    wait(14 * DAY - 10)
    assert index.token.totalSupply() > supply * 1001 // 1000
    last = [rebalancer.gapOf(index.token, token) for token in index.tokens]
    for (surplus, deficit), (surplus_then, deficit_then), held in zip(last, first, index.reserves(), strict=True):
        # units are rounded to 1e-27, supply and growth to 1e-18: a part in 1e15 of what is held
        assert abs(surplus - surplus_then) <= held // 10**15 + 2 and abs(deficit - deficit_then) <= held // 10**15 + 2
    index.swap(index.order(0, 1))


def test_mint_and_redeem_scale_the_gaps_with_the_supply(rebalancer, moving, alice, bob):
    """C6: nobody's minting or redeeming changes what one share is still to trade."""
    before = rebalancer.gapOf(moving.token, moving.tokens[0])[0]
    moving.mint(bob, 1000 * WAD)
    doubled = rebalancer.gapOf(moving.token, moving.tokens[0])[0]
    assert abs(doubled - 2 * before) <= 4
    moving.redeem(alice, 500 * WAD)
    assert abs(rebalancer.gapOf(moving.token, moving.tokens[0])[0] * 2 - 3 * before) <= 8


# --- endPlan ----------------------------------------------------------------------------------------------------------


def test_end_plan_by_a_stranger_reverts_while_it_lives_and_works_after(rebalancer, pair, eve):
    pair.start([WAD // 4, WAD * 3 // 4], duration=DAY)
    assert why(rebalancer.endPlan, pair.token, 1, sender=eve) == ("NotAuthorized", eve.address, pair.address)
    wait(DAY)
    tx = rebalancer.endPlan(pair.token, 1, {"from": eve})
    assert dict(tx.events["EndPlan"]) == {"index": pair.token, "planId": 1, "steps": 0}
    assert rebalancer.planOf(pair.token)[3] == 0


def test_end_plan_twice_or_of_another_number_reverts(rebalancer, moving, strategist):
    assert why(rebalancer.endPlan, moving.token, 2, sender=strategist) == ("PlanMismatch", 2, 1)
    moving.end()
    assert why(rebalancer.endPlan, moving.token, 1, sender=strategist) == ("PlanMismatch", 1, 1)


def test_end_plan_drops_only_what_is_empty_without_a_target(rebalancer, fading, deployer):
    index, fade, weights = fading
    index.start(weights)
    fade.rebase(0, {"from": deployer})
    version = index.version
    index.end()
    assert index.token.components() == tuple(token.address for token in index.tokens if token != fade)
    assert index.version == version + 1


def test_end_plan_with_dust_left_keeps_the_component_and_the_next_plan_sells_it(rebalancer, mixed, eve):
    """A wei sent by a stranger can keep a component in the list, and nothing else."""
    mixed.start([0, WAD // 2, WAD // 2])
    mixed.swap(mixed.order(0, 1))
    order = mixed.order(0, 2, rebalancer.gapOf(mixed.token, mixed.tokens[0])[0])
    mixed.tokens[0].mint(mixed.token, 1, {"from": eve})
    mixed.swap(order)
    mixed.end()
    assert mixed.n == 3 and mixed.reserves()[0] == 1
    wait(HOUR)
    mixed.start([0, WAD // 4, WAD - WAD // 4])
    mixed.swap(mixed.order(0, 2, 1))
    assert mixed.n == 2


# --- sold out ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 2])
def test_a_component_that_is_sold_out_leaves_the_list_at_once(rebalancer, mixed, bob, place):
    one, other = (i for i in range(3) if i != place)
    mixed.start([0 if i == place else WAD // 2 for i in range(3)])
    mixed.swap(mixed.order(place, one))
    version, old = mixed.version, mixed.tokens[place]
    assert mixed.n == 3
    tx = mixed.swap(mixed.order(place, other, rebalancer.gapOf(mixed.token, old)[0]))
    left = [token for token in mixed.tokens if token != old]
    assert mixed.token.components() == tuple(token.address for token in left) and mixed.version == version + 1
    assert old.balanceOf(mixed.token) == 0 and len(tx.events["UpdateComponents"]) == 1
    mixed.tokens = left
    mixed.mint(bob, WAD)  # nobody needs the old token any more
    assert rebalancer.planOf(mixed.token)[3] > now()  # and the plan goes on


def test_a_component_with_claims_leaves_when_the_rest_is_sold(rebalancer, mixed, alice):
    """C18: what is owed stays and is paid after the token has left."""
    mixed.redeem(alice, 100 * WAD, mask=1)
    owed = mixed.token.claimOf(mixed.tokens[0], alice)
    mixed.start([0, WAD // 2, WAD // 2])
    mixed.swap(mixed.order(0, 1))
    mixed.swap(mixed.order(0, 2, rebalancer.gapOf(mixed.token, mixed.tokens[0])[0]))
    assert mixed.n == 2 and mixed.tokens[0].balanceOf(mixed.token) == owed > 0
    before = mixed.tokens[0].balanceOf(alice)
    mixed.token.claim(mixed.tokens[0], alice, alice, {"from": alice})
    assert mixed.tokens[0].balanceOf(alice) == before + owed


# --- scalePlan --------------------------------------------------------------------------------------------------------


def test_scale_plan_makes_a_left_surplus_tradable_without_passing_the_scaled_targets(rebalancer, moving, strategist):
    """G4: the bought token rose above its target, what is left of the other finds no deficit until targets are scaled."""
    moving.swap(moving.order(0, 1, moving.largest(0, 1) * 95 // 100))
    _, deficit = rebalancer.gapOf(moving.token, moving.tokens[1])
    moving.tokens[1].mint(moving.token, deficit, {"from": strategist})  # a yield that fills the deficit
    surplus, _ = rebalancer.gapOf(moving.token, moving.tokens[0])
    assert surplus > 0 and moving.largest(0, 1) == 0
    units = [rebalancer.targetOf(moving.token, token)[2] for token in moving.tokens]
    supply = moving.token.totalSupply()
    tx = rebalancer.scalePlan(moving.token, 1, 1_010_000, {"from": strategist})
    assert dict(tx.events["ScalePlan"]) == {"index": moving.token, "planId": 1, "scale": 1_010_000}
    gaps = [rebalancer.gapOf(moving.token, token) for token in moving.tokens]
    for i, (surplus, deficit) in enumerate(gaps):
        target = units[i] * 1_010_000 // 10**6 * supply
        assert surplus == max(0, moving.reserves()[i] - ceil_div(target, D27))
        assert deficit == max(0, target // D27 - moving.reserves()[i])
    assert gaps[0][0] > 0 and gaps[1][1] > 0
    moving.swap(moving.order(0, 1))
    for i, (surplus, deficit) in enumerate(gaps):
        after = rebalancer.gapOf(moving.token, moving.tokens[i])
        assert after[0] <= surplus and after[1] <= deficit


def test_scale_plan_down_frees_a_surplus_for_a_left_deficit(rebalancer, moving, strategist):
    """The other direction: the surplus was sold dear, and a deficit is left that nothing stands against."""
    full = rebalancer.gapOf(moving.token, moving.tokens[0])[0]
    least = moving.mid(0, 1, full) * 995 // 1000
    moving.swap(moving.order(0, 1, full, data=encode(["uint256[]"], [[least]])))
    surplus, (_, deficit) = rebalancer.gapOf(moving.token, moving.tokens[0])[0], rebalancer.gapOf(*_pair(moving, 1))
    assert surplus == 0 and deficit > 0
    rebalancer.scalePlan(moving.token, 1, 999_000, {"from": strategist})
    assert rebalancer.gapOf(*_pair(moving, 0))[0] > 0
    before = [rebalancer.gapOf(*_pair(moving, i)) for i in range(2)]
    moving.swap(moving.order(0, 1))
    after = [rebalancer.gapOf(*_pair(moving, i)) for i in range(2)]
    assert after[0][0] < before[0][0] and after[1][1] < before[1][1] and after[0][1] == after[1][0] == 0


def _pair(index, i):
    return index.token, index.tokens[i]


def test_scale_plan_refuses_a_second_time_a_stranger_and_too_much(rebalancer, moving, strategist, eve):
    scale = rebalancer.scalePlan
    assert why(scale, moving.token, 1, 1_010_000, sender=eve) == ("NotAuthorized", eve.address, moving.address)
    assert why(scale, moving.token, 2, 1_010_000, sender=strategist) == ("PlanMismatch", 2, 1)
    for much in (979_999, 1_020_001, 0, MAX):
        assert why(scale, moving.token, 1, much, sender=strategist) == (
            "ValueOutOfBounds", "scale", much, 980_000, 1_020_000,
        )  # fmt: skip
    scale(moving.token, 1, 980_000, {"from": strategist})
    assert why(scale, moving.token, 1, 1_020_000, sender=strategist) == ("PlanScaled", 1, 980_000)
    expires = rebalancer.planOf(moving.token)[3]
    wait(14 * DAY)
    assert why(scale, moving.token, 1, 10**6, sender=strategist) == ("PlanExpired", 1, expires)


def test_a_dead_plan_locks_nothing(rebalancer, pair, alice, bob, eve):
    """D7, G1: nobody ended it, its feeds are dead, and everything else goes on."""
    pair.start([WAD // 4, WAD * 3 // 4], duration=DAY)
    for i in range(2):
        pair.feed(i).setDead(True, {"from": eve})
    wait(30 * DAY)
    pair.mint(bob, WAD)
    pair.redeem(alice, WAD)
    for i in range(2):
        pair.feed(i).setDead(False, {"from": eve})
    pair.start(HALVES)
    assert rebalancer.planOf(pair.token)[0] == 2


def test_policy_and_allow_list_are_set_and_reported(rebalancer, pair, governor, world):
    policy = policy_with(max_slippage=50_000, cooldown=DAY)
    tx = pair.govern(rebalancer.setPolicy, pair.token, policy.as_tuple())
    assert rebalancer.policyOf(pair.token) == policy.as_tuple() == tuple(tx.events["SetPolicy"]["policy"])
    token = world.token()
    tx = pair.govern(rebalancer.setAllowed, pair.token, [token], True)
    assert rebalancer.isAllowed(pair.token, token) and tx.events["SetAllowed"]["allowed"] is True
    pair.govern(rebalancer.setAllowed, pair.token, [token], False)
    assert not rebalancer.isAllowed(pair.token, token)
    assert why(rebalancer.setPolicy, DEAD, POLICY.as_tuple(), sender=governor) == ("NotRegistered", DEAD)
    assert why(rebalancer.setAllowed, DEAD, [], True, sender=governor) == ("NotRegistered", DEAD)


def test_a_token_that_is_no_longer_allowed_can_still_be_sold_out(rebalancer, mixed, strategist):
    mixed.govern(rebalancer.setAllowed, mixed.token, [mixed.tokens[0]], False)
    reason = refused_start(rebalancer, strategist, mixed, weights=mixed.equal())
    assert reason == ("TokenNotAllowed", mixed.tokens[0].address)
    mixed.remove(0)
    assert mixed.n == 2
