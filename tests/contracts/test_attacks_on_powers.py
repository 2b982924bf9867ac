"""Attacks with keys: a captured strategist, guardian or governor does what it can, and holders count what is left.

Every function
├── is a power of the list, a module's, or for anyone, by name; a new one fails the test until it is placed
└── that is a power or a module's refuses a stranger, for that reason
Captured keys (E6)
├── strategist: at most the loss budget
├── guardian: a week of pauses; nobody is kept in (E9, invariant 12)
└── governor: nothing before his delay; who leaves in between leaves whole; a malicious component costs its own weight (B13)
Given up (E10, E12)
└── the settings that modules keep for the index too
Budgets (E11), clocks (E14), size (E15)
"""

import json
import random

import pytest
from brownie import HonestTaker, ModalToken, OpenGuard, accounts

from offchain.chain.artifacts import BUILD, artifact
from offchain.chain.powers import POWERS
from tests.contracts.support import (
    DAY,
    DEAD,
    HOUR,
    LIMITS,
    MAX,
    POLICY,
    STRATEGIST,
    WAD,
    YEAR,
    at_next,
    ceil_div,
    limits_with,
    manage,
    now,
    policy_with,
    undone,
    wait,
    why,
    why_call,
)

WEEK = 7 * DAY

# --- every function has its place ---------------------------------------------------------------------------------------

# What one contract calls of another and nobody else may.
FOR_MODULES = {
    "IndexToken": {"exchange", "updateComponents", "bootstrap", "mintFeeShares", "setAuthority"},
    "ExchangeGuard": {"check", "chargeFee"},
    "PriceOracle": {"setAuthority"},
    "Rebalancer": {"settle"},
    "AuctionHouse": {"onExchange"},
    "PerformanceFee": {"noteExchange"},
    "ZapExecutor": {"mint", "pay", "redeem", "run", "sweep", "wrap"},
    "UniswapV3Taker": {"uniswapV3SwapCallback"},
}
# What is meant for everyone, or moves only what is the caller's own.
FOR_ANYONE = {
    "IndexToken": {"transfer", "transferFrom", "approve", "permit", "mint", "redeem", "claim", "collect", "burn"},
    "IndexFactory": {"create"},
    "ExchangeGuard": {"revalue"},
    "AuctionHouse": {"fill", "fillMany"},
    "Erc4626Feed": {"moveCheckpoint"},
    "FeeSplitter": {"distribute"},
    "PerformanceFee": {"observe", "crystallise", "sync", "forget"},  # forget: what is no component any more
    "PriceRecorder": {"record", "recordMany"},
    "WeightRegistry": {"execute"},
    "AggregatorTaker": {"onExchange"},
    "IndexZap": {"mint", "redeem", "migrate"},
    "InnerIndexTaker": {"onExchange"},
    "UniswapV2Taker": {"onExchange"},
    "UniswapV3Taker": {"onExchange"},
}
UNAUTHORIZED = {
    "AccessManagedUnauthorized", "AccessManagerUnauthorizedAccount", "NotAuthorized", "NotRebalancer", "NotFactory",
    "NotFeeModule", "NotAuctionHouse", "NotPool", "PullUnexpected",
}  # fmt: skip
# These say AlreadyRegistered, or that there is no plan, first; their own tests ask with a fresh module and a live plan.
BEFORE_THE_ROLE = {"register", "openAuction"}
OURS = ("contracts/", "contracts/feeds/", "contracts/takers/")  # folders of what is deployed beside governance


def core_contracts():
    """Names of the contracts of our own that the core consists of, from the compiler's output."""
    found = []
    for path in sorted((BUILD / "contracts").glob("*.json")):
        source = json.loads(path.read_text())["sourcePath"]
        if source.rpartition("/")[0] + "/" in OURS and artifact(path.stem).bytecode:
            found.append(path.stem)
    return found


def changing(name):
    """State-changing functions of a contract, by its ABI."""
    return {
        str(item["name"]): item
        for item in artifact(name).abi
        if item["type"] == "function" and item["stateMutability"] not in ("view", "pure")
    }


def test_every_function_is_a_power_a_modules_or_for_anyone():
    """G7: a function that nobody placed is a power that nobody saw."""
    assert {"IndexToken", "Rebalancer", "ExchangeGuard", "PriceOracle"} <= set(core_contracts())
    for name in core_contracts():
        powers = {power.function for power in POWERS if power.contract == name}
        groups = [powers, FOR_MODULES.get(name, set()), FOR_ANYONE.get(name, set())]
        placed = set().union(*groups)
        assert set(changing(name)) == placed, f"{name}: place {sorted(set(changing(name)) ^ placed)}"
        assert len(placed) == sum(len(group) for group in groups), f"{name}: placed twice"
    assert {power.contract for power in POWERS} - {"AccessManager"} <= set(core_contracts())


def argument(item, index, selector=b"\x01" * 4):
    """An argument that gets past every check but the caller's: the index wherever an address is asked for."""
    kind = item["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(argument(part, index) for part in item["components"])
    return {"address": index, "bytes": b"", "string": "", "bool": True, "bytes32": b"\1" * 32, "bytes4": selector}.get(
        kind, 1
    )


def test_every_restricted_function_refuses_a_stranger_for_that_reason(world, mixed, eve):
    """E6, G7: power by power and module call by module call, also for whoever holds shares."""
    mixed.start(mixed.tilted())
    mixed.mint(eve, WAD)
    places = {
        "IndexToken": mixed.token, "Rebalancer": world.rebalancer, "ExchangeGuard": world.guard,
        "PriceOracle": world.oracle, "UniswapV3Taker": world.v3_taker,
        "AuctionHouse": world.auctions,
    }  # fmt: skip
    asked = 0
    restricted = [(p.contract, p.function) for p in POWERS if p.contract != "AccessManager"]
    restricted += [(name, function) for name, functions in FOR_MODULES.items() for function in functions]
    for name, function in restricted:
        if function in BEFORE_THE_ROLE or name not in places:
            continue
        item, method = changing(name)[function], getattr(places[name], function)
        arguments = [argument(part, mixed.address) for part in item["inputs"]]
        reason = why(method, *arguments, sender=eve)
        is_refused = reason is not None and (reason[0] in UNAUTHORIZED or reason == ("NotRegistered", eve.address))
        assert is_refused, f"{name}.{function}: {reason}"
        asked += 1
    manager = mixed.authority
    for power in (p for p in POWERS if p.contract == "AccessManager"):
        entry = next(e for e in manager.abi if e.get("name") == power.function and e["type"] == "function")
        data = manager.encode_abi(power.function, [argument(part, mixed.address) for part in entry["inputs"]])
        reason = why_call({"from": eve.address, "to": manager.address, "data": data})
        assert reason == ("AccessManagerUnauthorizedAccount", eve.address, 0), power.function
        asked += 1
    assert asked >= 45


# --- captured keys ------------------------------------------------------------------------------------------------------


def values(index, amounts):
    """{nUSD} of amounts of the components at the oracle's prices."""
    return sum(amount * index.price(i) for i, amount in enumerate(amounts)) // 10**27


def redeem_all(index, who):
    """Everything a holder has; returns what it paid and what it had to pay."""
    before, shares = index.balances(who), index.token.balanceOf(who)
    due = [shares * reserve // index.token.totalSupply() for reserve in index.reserves()]
    index.redeem(who, shares)
    return [a - b for a, b in zip(index.balances(who), before, strict=True)], due


def test_a_captured_strategist_takes_at_most_the_budget_in_a_day(world, alice, eve):
    """E6, G2: plans to wherever he likes, a taker of his own, every swap at the floor: a holder is worth at least
    (1 − C) of before, less than 2 C a day later, and the strategist cannot reach anything else."""
    capacity = LIMITS.loss_capacity
    index = world.create(
        [world.token(18, 4), world.token(6, 1), world.token(8, 200)],
        policy=policy_with(max_slippage=50_000, min_interval=0),
        limits=limits_with(turnover_capacity=4 * WAD, turnover_window=HOUR),
    )
    worth = values(index, index.reserves()) * WAD // index.token.totalSupply()
    thief, swaps = accounts[STRATEGIST], 0
    for day in (1, 2):
        start = now()
        while now() < start + DAY - 9 * HOUR:
            for target in range(3):
                index.start([WAD if k == target else 0 for k in range(3)])
                for sell in {0, 1, 2} - {target}:
                    swaps += bleed(index, sell, target, thief)
            wait(9 * HOUR)
        left = values(index, index.reserves()) * WAD // index.token.totalSupply()
        lost = (worth - left) * WAD // worth
        assert lost <= capacity * (1 + day) + 10**9, f"day {day}: {lost / 1e14:.2f} bps"
    assert swaps > 5 and lost > capacity  # he did try
    for method, arguments in (
        (world.rebalancer.setPolicy, (index.token, POLICY.as_tuple())),
        (world.guard.setLimits, (index.token, LIMITS.as_tuple())),
        (world.rebalancer.setAllowed, (index.token, [eve], True)),
        (index.token.exchange, ([], [], thief, thief, b"")),
        (index.token.mintFeeShares, (WAD, thief)),
    ):
        assert why(method, *arguments, sender=thief) is not None
    paid, due = redeem_all(index, alice)
    assert paid == due


def bleed(index, sell, buy, thief):
    """One swap at the floor, of the largest size that the budget still takes; says whether there was one."""
    amount = index.largest(sell, buy)
    for _ in range(5):  # down to a thousandth of the gap
        if amount < 10**3:
            return False
        order = index.order(sell, buy, amount)
        index.tokens[buy].mint(order[8], 2 * index.mid(sell, buy, amount) + 10**6, {"from": thief})
        floor = index.world.rebalancer.floorOf(index.token, index.tokens[sell], index.tokens[buy], amount)
        order = index.order(sell, buy, amount, min_buy=floor)
        if why(index.world.rebalancer.swap, order, sender=thief) is None:
            index.world.rebalancer.swap(order, {"from": thief})
            return True
        amount //= 4
    return False


def test_a_captured_guardian_keeps_nobody_in_and_stops_nothing_for_longer_than_a_week(mixed, alice, bob, guardian):
    """E6, E9: redemptions stay exact while he pauses all he can; after a week everything works without the governor."""
    mixed.token.transfer(bob, 100 * WAD, {"from": alice})
    mixed.fund(alice, WAD)
    first = now()
    mixed.token.pauseMint(WEEK, {"from": guardian})
    mixed.token.pauseExchange(WEEK, {"from": guardian})
    paid, due = redeem_all(mixed, bob)
    assert paid == due and all(paid)
    for who, call in (
        (guardian, (mixed.token.setGuard, DEAD)),
        (guardian, (mixed.token.armPauses,)),
        (guardian, (mixed.world.rebalancer.setAllowed, mixed.token, [DEAD], True)),
        (guardian, (mixed.token.deprecate,)),
    ):
        assert why(*call, sender=who) is not None
    wait(first + WEEK + 3 - now())
    mixed.mint(alice, WAD, fund=False)
    mixed.trade(mixed.tilted())


@pytest.mark.parametrize("seed", range(3))
def test_no_sequence_of_guardian_calls_blocks_longer_than_a_week(mixed, guardian, bob, strategist, seed):
    """E9: invariant 12 on random calls of the guardian over two months: once his first pause of a kind is a week old,
    that kind is open, for as long as the governor does not arm him again; and it never closes again."""
    rng, first = random.Random(seed), {}
    mixed.fund(bob, WAD)
    mint = (mixed.token.mint, WAD, mixed.version, [MAX] * 3, bob)
    start, tried, used = now(), 0, 0
    while now() < start + 60 * DAY:
        kind = rng.choice(["Mint", "Exchange"])
        method, length = getattr(mixed.token, "pause" + kind), rng.choice([1, HOUR, 3 * DAY, WEEK, WEEK + 1, 0])
        tried += 1
        if why(method, length, sender=guardian) is None:
            method(length, {"from": guardian})
            first.setdefault(kind, now())
            used += 1
        wait(rng.choice([1, HOUR, 2 * DAY, 6 * DAY]))
        for name, since in first.items():
            until = {"Mint": mixed.token.mintPausedUntil, "Exchange": mixed.token.exchangePausedUntil}[name]()
            assert until <= since + WEEK
        refusal = why(*mint, sender=bob)
        assert (refusal is None) == (now() >= mixed.token.mintPausedUntil())
    assert tried > 10 and used == len(first) == 2
    assert why(*mint, sender=bob) is None
    mixed.start(mixed.tilted())
    assert why(mixed.world.rebalancer.swap, with_funds(mixed, mixed.order(0, 2)), sender=strategist) is None


def with_funds(index, order):
    """The order, after its taker got what it will pay."""
    order[4].mint(order[8], 4 * index.mid(0, 2, order[5]) + 10**6, {"from": accounts[STRATEGIST]})
    return order


@pytest.fixture
def delayed(world, alice, bob):
    """Alice has 900 shares and bob 100 of an index whose governor waits two days."""
    index = world.create([world.token(18, 4), world.token(6, 1), world.token(8, 200)], admin_delay=2 * DAY)
    index.token.transfer(bob, 100 * WAD, {"from": alice})
    return index


def test_a_captured_governor_gets_nothing_from_who_leaves_within_his_delay(world, delayed, alice, bob, eve, governor):
    """E6, E12: his worst, scheduled at once: no guard, himself as rebalancer. Alice sees it and takes all that is hers;
    bob stays, and loses what the powers say he can lose. Redeeming stays possible to the end."""
    index, token, manager = delayed, delayed.token, delayed.authority
    open_guard = eve.deploy(OpenGuard)
    worst = [
        (token.setGuard, open_guard),
        (token.setRebalancer, eve),
        (token.setSupplyCap, 1),
        (token.setFeeRecipient, eve),
    ]
    for method, value in worst:
        assert why(method, value, sender=governor)[0] == "AccessManagerNotScheduled"
        manage(manager, "schedule", token, method.encode_input(value), 0, sender=governor)
    wait(2 * DAY - 60)
    for method, value in worst:
        assert why(method, value, sender=governor)[0] == "AccessManagerNotReady"
    paid, due = redeem_all(index, alice)
    assert paid == due and token.balanceOf(alice) == 0

    wait(60)
    for method, value in worst:
        method(value, {"from": governor})
    taker = eve.deploy(HonestTaker)
    legs = [(t.address, r) for t, r in zip(index.tokens[:2], index.reserves()[:2], strict=True)]
    token.exchange(legs, [(index.tokens[2].address, 0)], eve, taker, b"", {"from": eve})
    assert index.reserves()[:2] == [0, 0]  # what a governor can do to those who stay: the reason for the delay
    paid, due = redeem_all(index, bob)
    assert paid == due and paid[2] > 0


def test_a_malicious_component_of_a_captured_governor_costs_its_own_weight(world, delayed, alice, bob, eve, governor):
    """B13, E6: with token, feed and strategist in his hand he sells the index his own token for a tenth of the basket, and
    then poisons it. All other components are paid in full, with the bit deferred; who left before has everything."""
    index, token, manager = delayed, delayed.token, delayed.authority
    bad = eve.deploy(ModalToken, "BAD", 18)
    world.list(bad, 1)
    allow = world.rebalancer.setAllowed.encode_input(token, [bad], True)
    manage(manager, "schedule", world.rebalancer, allow, 0, sender=governor)
    paid, due = redeem_all(index, alice)
    assert paid == due
    wait(2 * DAY + 1)
    manage(manager, "execute", world.rebalancer, allow, sender=governor)

    worth = values(index, index.reserves())
    index.tokens = [*index.tokens, bad]
    weights = [WAD // 3 - WAD // 30] * 3
    index.start([*weights, WAD - sum(weights)], additions=[bad])
    for sell in range(3):
        bought = bad.balanceOf(token)
        amount = index.largest(sell, 3)
        order = index.order(sell, 3, amount)
        bad.setBalance(world.taker, 10**30)
        world.rebalancer.swap(order, {"from": accounts[STRATEGIST]})
        assert bad.balanceOf(token) > bought
    good = values(index, index.reserves()[:3])
    assert worth - good <= worth // 10 + worth // 1000  # the tenth that was swapped, and rounding

    for modes in (1, 2, 8, 16, 32, 64, 128):
        bad.setModes(modes)
        before, reserves, supply = balances_of_three(index, bob), good_reserves(index), token.totalSupply()
        index.redeem(bob, 10 * WAD, mask=0b1000)
        got = [a - b for a, b in zip(balances_of_three(index, bob), before, strict=True)]
        assert got == [10 * WAD * reserve // supply for reserve in reserves]


def balances_of_three(index, who):
    return [int(t.balanceOf(who)) for t in index.tokens[:3]]


def good_reserves(index):
    """Balances of the first three components: `reserves()` reverts while one does not answer."""
    return [int(t.balanceOf(index.token)) for t in index.tokens[:3]]


# --- given up -----------------------------------------------------------------------------------------------------------


def test_settings_of_modules_can_be_given_up_for_good(world, mixed, governor, eve):
    """E10, E12: the budgets, the policy and the member list, frozen through any reconfiguration of the authority."""
    rebalancer, guard = world.rebalancer, world.guard
    settings = {
        "setPolicy": (rebalancer.setPolicy, (mixed.token, POLICY.as_tuple())),
        "setAllowed": (rebalancer.setAllowed, (mixed.token, [eve], True)),
        "setLimits": (guard.setLimits, (mixed.token, LIMITS.as_tuple())),
    }
    for method, arguments in settings.values():
        assert why(method, *arguments, sender=governor) is None
        mixed.govern(mixed.token.abdicate, method.signature)
    other = world.create([world.token()], governor=governor.address)
    manage(mixed.authority, "updateAuthority", mixed.token, other.authority.address, sender=governor)
    for method, arguments in settings.values():
        target = str(method._address)
        manage(other.authority, "setTargetFunctionRole", target, [method.signature], 2**64 - 1, sender=governor)
        expected = ("Abdicated", bytes.fromhex(method.signature[2:]))
        for who in (governor, eve):
            assert why(method, *arguments, sender=who) == expected
        data = method.encode_input(*arguments)
        call = other.authority.encode_abi("execute", [target, data])
        assert why_call({"from": eve.address, "to": other.authority.address, "data": call}) == expected
    # another index with the same modules is not touched
    assert why(rebalancer.setPolicy, other.token, POLICY.as_tuple(), sender=governor) is None


# --- budgets, clocks, size ----------------------------------------------------------------------------------------------


def test_no_order_of_limits_refills_the_budget_at_once(world, strategist, governor):
    """E11: capacity down and up, windows long and short, within one second: what is left never exceeds what the highest
    capacity leaves after what was used."""
    index = world.create(
        [world.token(18, 4), world.token(6, 1)],
        policy=policy_with(max_slippage=50_000),
        limits=limits_with(turnover_capacity=4 * WAD),
    )
    index.start([WAD, 0])
    while bleed(index, 1, 0, strategist):
        pass
    used, _ = world.guard.usedOf(index.token)
    assert used > LIMITS.loss_capacity * 9 // 10
    rng = random.Random(11)
    for _ in range(12):
        settings = limits_with(
            loss_capacity=rng.choice([0, 1, LIMITS.loss_capacity // 2, LIMITS.loss_capacity]),
            loss_window=rng.choice([HOUR, DAY, 30 * DAY]),
            turnover_capacity=4 * WAD,
        )
        at_next(now())  # no second passes
        world.guard.setLimits(index.token, settings.as_tuple(), {"from": governor})
    world.guard.setLimits(index.token, limits_with(turnover_capacity=4 * WAD).as_tuple(), {"from": governor})
    passed = 2 * LIMITS.loss_capacity // HOUR  # at most two seconds at the fastest pace
    assert used - passed <= world.guard.usedOf(index.token)[0] <= used


def test_twelve_seconds_of_a_proposers_clock_move_nothing_that_matters(mixed, alice, bob, guardian, strategist):
    """E14: at the edges of pause, plan and price age a block earlier or later decides in or out, and nothing else; what
    grows with time grows by its share of twelve seconds."""
    until = mixed.token.pauseMint(HOUR, {"from": guardian}).timestamp + HOUR
    mixed.fund(bob, WAD)
    mint = (mixed.token.mint, WAD, mixed.version, [MAX] * 3, bob)
    for shift, open_ in ((-12, False), (-1, False), (0, True), (12, True)):
        with undone():
            wait(until + shift - now())
            assert (why(*mint, sender=bob) is None) == open_
    tx = mixed.start(mixed.tilted(), duration=DAY)
    order = with_funds(mixed, mixed.order(0, 2))
    for shift, live in ((-12, True), (-1, True), (0, False), (12, False)):
        with undone():
            wait(tx.timestamp + DAY + shift - now())
            assert (why(mixed.world.rebalancer.swap, order, sender=strategist) is None) == live


def test_twelve_seconds_of_fee_and_budget_are_their_share_of_twelve_seconds(world, alice, strategist):
    """E14: streaming fee of 5 % a year: at most 12/YEAR · −ln(0.95) of the supply; budget: 12/W of the capacity."""
    index = world.create(
        [world.token(18, 4), world.token(6, 1)], streaming_fee=5 * 10**16, policy=policy_with(max_slippage=50_000)
    )
    index.start([WAD, 0])
    assert bleed(index, 1, 0, strategist)
    supply, used = index.token.totalSupply(), world.guard.usedOf(index.token)[0]
    wait(12)
    grown = index.token.totalSupply() - supply
    assert 0 < grown <= ceil_div(supply * 12 * 51_294, 10**6 * YEAR)  # −ln(0.95) = 0.0512933
    drained = used - world.guard.usedOf(index.token)[0]
    assert 0 < drained <= ceil_div(LIMITS.loss_capacity * 12, DAY)


def test_64_components_fit_every_operation_into_a_transaction(world, alice, eve, deployer, strategist):
    """E15: mint, redeem, redeem with all deferred, plan, swap, valuation, membership: below 2^24 gas each."""
    index = world.create([world.token(18, 1) for _ in range(64)])
    gas = {}
    gas["mint"] = index.mint(alice, WAD).gas_used
    gas["redeem"] = index.redeem(alice, WAD).gas_used
    gas["redeem deferred"] = index.redeem(alice, WAD, mask=2**64 - 1).gas_used
    gas["redeem with claims"] = index.redeem(alice, WAD).gas_used
    gas["mint with claims"] = index.mint(alice, WAD).gas_used
    weights = index.equal()
    weights[0], weights[1] = weights[0] + weights[1], 0
    gas["start"] = index.start(weights).gas_used
    gas["swap"] = index.swap(index.order(1, 0)).gas_used
    gas["revalue"] = world.guard.revalue(index.token, {"from": eve}).gas_used
    gas["end"] = index.end().gas_used
    print({name: f"{used:,}" for name, used in gas.items()})
    assert max(gas.values()) < 2**24, gas
