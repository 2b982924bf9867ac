"""The second key of every exchange: it values, charges two budgets, and may only refuse.

ExchangeGuard
├── revalue
│   ├── the NAV per share is the sum of the parts over the supply, rounded down
│   ├── a component without a price, or that does not answer, counts as nothing
│   ├── claims do not count
│   ├── while a call of the index is on the stack it reverts with IndexLocked
│   └── of an index that is not registered, or worth nothing, it reverts
├── budgets
│   ├── an exchange is charged its loss and its turnover, both rounded up
│   ├── a gain is never credited
│   ├── the last unit of the budget can be used and the next is refused
│   ├── they drain linearly, exactly, and no further than to zero
│   └── a valuation older than allowed is renewed first
└── setLimits
    ├── what drained so far drained at the old pace (E11)
    ├── lowering and raising again refills nothing
    └── beyond the hard bounds it reverts
"""

import pytest
from brownie import ReentrantTaker, RevertingBalanceToken
from eth_abi import encode

from tests.contracts.support import (
    D27,
    DAY,
    DEAD,
    GOVERNOR,
    HOUR,
    LIMITS,
    STRATEGIST,
    WAD,
    accounts,
    at_next,
    ceil_div,
    limits_with,
    now,
    reason,
    wait,
    why,
)


@pytest.fixture
def guard(world):
    return world.guard


def lossy_swap(index, loss, *, sell=0, buy=-1, amount=None):
    """(order, nano-USD lost by exact arithmetic) of a swap that costs about `loss` D18 of NAV."""
    buy = buy % len(index.tokens)
    amount = index.largest(sell, buy) if amount is None else amount
    worth = ceil_div(amount * index.price(sell), D27)
    paid = ceil_div((worth - index.nav() * loss // WAD) * D27, index.price(buy))
    return index.order(sell, buy, amount, data=encode(["uint256[]"], [[paid]])), worth - paid * index.price(buy) // D27


@pytest.fixture
def slippery(world):
    """An index whose policy lets a swap lose up to 5 %, so that the guard alone stands in the way."""
    index = world.create([world.token(), world.token(6), world.token(8)])
    policy = (50_000, 0, HOUR, 14 * DAY, WAD, WAD)
    world.rebalancer.setPolicy(index.token, policy, {"from": accounts[GOVERNOR]})
    index.start([WAD // 3 - WAD // 4, WAD // 3, WAD - 2 * (WAD // 3) + WAD // 4], duration=14 * DAY)
    return index


def test_revalue_is_the_exact_sum_over_the_supply(index, guard, eve):
    expected = sum(r * index.price(i) // D27 for i, r in enumerate(index.reserves())) * D27 // index.token.totalSupply()
    tx = guard.revalue(index.token, {"from": eve})
    assert guard.valuationOf(index.token) == (expected, tx.timestamp)
    assert dict(tx.events["Value"]) == {
        "index": index.token,
        "navPerShare": expected,
        "supply": index.token.totalSupply(),
    }


def test_revalue_counts_what_has_no_price_as_nothing(mixed, guard, eve):
    mixed.feed(1).setDead(True, {"from": eve})
    guard.revalue(mixed.token, {"from": eve})
    expected = sum(mixed.reserves()[i] * mixed.price(i) // D27 for i in (0, 2)) * D27 // mixed.token.totalSupply()
    assert guard.valuationOf(mixed.token)[0] == expected


def test_revalue_counts_what_does_not_answer_as_nothing(world, guard, deployer, eve):
    mute = deployer.deploy(RevertingBalanceToken, "MUTE", 18)
    world.list(mute)
    index = world.create([world.token(), mute])
    half = index.reserves()[0] * index.price(0) // D27 * D27 // index.token.totalSupply()
    mute.setSilent(True, {"from": eve})
    guard.revalue(index.token, {"from": eve})
    assert guard.valuationOf(index.token)[0] == half


def test_revalue_does_not_count_claims(mixed, guard, alice, eve):
    guard.revalue(mixed.token, {"from": eve})
    before = guard.valuationOf(mixed.token)[0]
    mixed.redeem(alice, 500 * WAD, mask=0b111)
    guard.revalue(mixed.token, {"from": eve})
    after = guard.valuationOf(mixed.token)[0]
    assert abs(after - before) <= 3 * D27 // mixed.token.totalSupply() + before // 10**12  # a unit each of rounding


def test_revalue_while_the_index_is_locked_reverts(mixed, guard, deployer, eve):
    """B8: the balances of the middle of an exchange are never valued."""
    taker = deployer.deploy(ReentrantTaker)
    taker.program(guard, guard.revalue.encode_input(mixed.token), {"from": eve})
    mixed.start(mixed.tilted())
    before = guard.valuationOf(mixed.token)
    mixed.swap(mixed.order(0, 2, taker=taker, payee=taker))
    ok, data = taker.outcomes()[0]
    assert not ok and reason(data) == ("IndexLocked", mixed.address)
    assert guard.valuationOf(mixed.token) == before


def test_revalue_of_what_is_not_registered_or_worth_nothing_reverts(mixed, guard, eve):
    assert why(guard.revalue, DEAD, sender=eve) == ("NotRegistered", DEAD)
    for i in range(3):
        mixed.feed(i).setDead(True, {"from": eve})
    assert why(guard.revalue, mixed.token, sender=eve) == ("ValuationZero", mixed.address)


def test_check_by_anyone_but_a_registered_index_reverts(guard, eve):
    assert why(guard.check, [], [], WAD, sender=eve) == ("NotRegistered", eve.address)


def test_budgets_are_charged_loss_and_turnover_rounded_up(slippery, guard):
    order, lost = lossy_swap(slippery, 2 * 10**15)
    navps = guard.valuationOf(slippery.token)[0]
    nav = navps * slippery.token.totalSupply() // D27
    worth = ceil_div(order[5] * slippery.price(0), D27)
    tx = slippery.swap(order)
    loss, turnover = ceil_div(lost * WAD, nav), ceil_div(worth * WAD, nav)
    assert abs(loss - 2 * 10**15) < 10**12
    event = tx.events["Charge"]
    assert (event["loss"], event["turnover"]) == (loss, turnover)
    assert guard.usedOf(slippery.token) == (loss, turnover) == tuple(guard.budgetOf(slippery.token)[:2])


def test_budgets_never_credit_a_gain(slippery, guard):
    """G2: winning today does not allow to lose more tomorrow."""
    order, _ = lossy_swap(slippery, 10**15, amount=slippery.reserves()[0] // 10)
    slippery.swap(order)
    used = guard.budgetOf(slippery.token)[0]
    amount = slippery.reserves()[0] // 10
    slippery.swap(slippery.order(0, 2, amount, data=encode(["uint256[]"], [[slippery.mid(0, 2, amount) * 3 // 2]])))
    drained = used - guard.budgetOf(slippery.token)[0]
    assert 0 <= drained <= 5 * 10**15 * 10 // DAY  # only the seconds that passed


def test_budget_of_losses_can_be_used_to_the_last_unit_only(slippery, guard):
    """G2: a swap that costs one unit too much is refused; the cheaper one passes."""
    capacity = 5 * 10**15
    navps = guard.valuationOf(slippery.token)[0]
    nav = navps * slippery.token.totalSupply() // D27
    amount = slippery.largest(0, 2) // 2
    worth = ceil_div(amount * slippery.price(0), D27)
    step = slippery.price(2) // D27 + 1  # {nUSD} of one base unit of what is bought, rounded up
    most = nav * capacity // WAD
    paid = ceil_div((worth - most) * D27, slippery.price(2))
    fits = slippery.order(0, 2, amount, data=encode(["uint256[]"], [[paid]]))
    breaks = slippery.order(0, 2, amount, data=encode(["uint256[]"], [[paid - 1]]))
    for order in (fits, breaks):
        slippery.tokens[2].mint(order[8], 10**30, {"from": accounts[0]})
    refused = why(slippery.world.rebalancer.swap, breaks, sender=accounts[STRATEGIST])
    assert refused[0] == "LossBudgetExceeded" and refused[2] == capacity < refused[1] <= capacity + ceil_div(
        step * WAD, nav
    )
    slippery.swap(fits)
    assert capacity - ceil_div(step * WAD, nav) <= guard.budgetOf(slippery.token)[0] <= capacity


def test_budget_of_turnover_binds(world, guard, strategist):
    index = world.create([world.token(), world.token(6)], limits=limits_with(turnover_capacity=WAD // 10))
    index.start([WAD // 4, WAD * 3 // 4])
    tenth = index.reserves()[0] // 5  # of half of the index
    for token in index.tokens:
        token.mint(world.taker, 10**30, {"from": strategist})
    refused = why(world.rebalancer.swap, index.order(0, 1, tenth + tenth // 100), sender=strategist)
    assert refused[0] == "TurnoverBudgetExceeded" and refused[2] == WAD // 10
    index.swap(index.order(0, 1, tenth - 10**6))
    assert why(world.rebalancer.swap, index.order(0, 1, tenth // 100), sender=strategist)[0] == "TurnoverBudgetExceeded"


@pytest.mark.parametrize("elapsed", [1, 17, HOUR, DAY // 2, DAY - 1, DAY, 30 * DAY])
def test_budgets_drain_exactly(slippery, guard, elapsed):
    order, _ = lossy_swap(slippery, 4 * 10**15)
    at = slippery.swap(order).timestamp
    loss, turnover, updated = guard.budgetOf(slippery.token)
    assert updated == at
    wait(at + elapsed - now())
    expected = (max(0, loss - 5 * 10**15 * elapsed // DAY), max(0, turnover - WAD * elapsed // DAY))
    assert guard.usedOf(slippery.token) == expected


def test_an_old_valuation_is_renewed_before_it_is_used(slippery, guard):
    first, valued_at = guard.valuationOf(slippery.token)
    for i in range(3):
        slippery.feed(i).setPrice(slippery.price(i) // 2, {"from": accounts[0]})
    half = slippery.largest(0, 2) * 49 // 100
    slippery.swap(slippery.order(0, 2, half, min_buy=slippery.mid(0, 2, half)))
    assert guard.valuationOf(slippery.token) == (first, valued_at)  # young enough to be used as it is
    wait(valued_at + HOUR + 1 - now())
    slippery.swap(slippery.order(0, 2, half, min_buy=slippery.mid(0, 2, half)))
    navps, at = guard.valuationOf(slippery.token)
    assert at == now() and first * 49 // 100 < navps < first * 51 // 100


def test_set_limits_drains_at_the_old_pace_first(slippery, guard, governor):
    """E11: changing the pace in the middle of a window rewrites nothing that has passed."""
    order, _ = lossy_swap(slippery, 4 * 10**15)
    at = slippery.swap(order).timestamp
    loss = guard.budgetOf(slippery.token)[0]
    at_next(at + 6 * HOUR)
    slow = limits_with(loss_window=30 * DAY)
    guard.setLimits(slippery.token, slow.as_tuple(), {"from": governor})
    expected = loss - 5 * 10**15 * 6 * HOUR // DAY
    assert guard.budgetOf(slippery.token)[0] == expected and guard.budgetOf(slippery.token)[2] == at + 6 * HOUR
    wait(DAY)
    assert guard.usedOf(slippery.token)[0] == expected - 5 * 10**15 * DAY // (30 * DAY)


def test_set_limits_lower_and_higher_again_refills_nothing(slippery, guard, governor, strategist):
    """E11: what is used stays used."""
    order, _ = lossy_swap(slippery, 4 * 10**15, amount=slippery.largest(0, 2) // 2)
    slippery.swap(order)
    loss, updated = guard.budgetOf(slippery.token)[0], guard.budgetOf(slippery.token)[2]
    for capacity in (10**15, 0, 5 * 10**15):
        guard.setLimits(slippery.token, limits_with(loss_capacity=capacity).as_tuple(), {"from": governor})
    drained = loss - guard.usedOf(slippery.token)[0]
    assert 0 <= drained <= 5 * 10**15 * (now() - updated) // DAY
    again, _ = lossy_swap(slippery, 2 * 10**15, amount=slippery.largest(0, 2) // 2)
    slippery.tokens[2].mint(again[8], 10**30, {"from": strategist})
    assert why(slippery.world.rebalancer.swap, again, sender=strategist)[0] == "LossBudgetExceeded"


@pytest.mark.parametrize(
    "change, what, low, high",
    [
        ({"loss_capacity": 5 * 10**16 + 1}, "lossCapacity", 0, 5 * 10**16),
        ({"loss_window": HOUR - 1}, "lossWindow", HOUR, 30 * DAY),
        ({"loss_window": 30 * DAY + 1}, "lossWindow", HOUR, 30 * DAY),
        ({"turnover_capacity": 4 * WAD + 1}, "turnoverCapacity", 0, 4 * WAD),
        ({"turnover_window": HOUR - 1}, "turnoverWindow", HOUR, 30 * DAY),
        ({"valuation_max_age": HOUR + 1}, "valuationMaxAge", 0, HOUR),
    ],
)
def test_set_limits_beyond_the_hard_bounds_reverts(mixed, guard, governor, change, what, low, high):
    value = next(iter(change.values()))
    reason = why(guard.setLimits, mixed.token, limits_with(**change).as_tuple(), sender=governor)
    assert reason == ("ValueOutOfBounds", what, value, low, high)


def test_set_limits_of_an_unknown_index_reverts(guard, governor):
    assert why(guard.setLimits, DEAD, LIMITS.as_tuple(), sender=governor) == ("NotRegistered", DEAD)
