"""Who may do what, until when, and what nobody may do any more.

Roles
├── a stranger who calls every state-changing function of every contract is refused or harms nobody (auth matrix)
├── the guardian and the strategist cannot do what is the governor's
├── the governor's delay is enforced where he has one
└── the role of one index is nothing on another
Pauses
├── minting and exchanging pause for at most seven days and end by themselves
├── the guardian cannot pause again until the governor armed it, also before the end
├── arming ends a pause at once
└── after deprecation there is nothing to pause, arm or undo
abdicate
├── the power is gone for the governor, now and through a new authority
├── other powers stay
├── abdicating itself can be given up
└── pausing can be given up
"""

import pytest
from brownie import ExchangeGuard, Rebalancer, accounts, web3

from offchain.chain.core import STRATEGIST as STRATEGIST_ROLE
from offchain.chain.deploy import selectors
from tests.contracts.support import (
    DAY,
    DEAD,
    FEE_NOTICE,
    HOUR,
    LIMITS,
    MAX,
    POLICY,
    WAD,
    ZERO,
    at_next,
    manage,
    now,
    wait,
    why,
    why_call,
)

WEEK = 7 * DAY
GOVERNOR_POWERS = [
    "setStreamingFee", "setMintFee", "setRedeemFee", "setFeeRecipient", "setSupplyCap", "setRebalancer", "setGuard",
    "setFeeModule", "announceFee", "armPauses", "deprecate", "abdicate",
]  # fmt: skip


# --- the auth matrix --------------------------------------------------------------------------------------------------


def guess(kind, components=None):
    """A harmless argument of an ABI type."""
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(guess(item["type"], item.get("components")) for item in components)
    plain = {"address": DEAD, "bytes": b"", "string": "", "bool": True, "bytes32": b"\x01" * 32, "bytes4": b"\x01" * 4}
    return plain.get(kind, 1)


# What a stranger may call because it is meant for anyone, or touches only what is his own.
FOR_ANYONE = {
    "IndexToken": {"transfer", "transferFrom", "approve", "permit", "mint", "redeem", "claim", "burn", "collect"},
    "IndexFactory": {"create"},
    "ExchangeGuard": {"revalue"},
    "UniswapV2Taker": {"onExchange"},
    "UniswapV3Taker": {"onExchange"},
    "Rebalancer": set(),
    "PriceOracle": set(),
    "IndexLens": set(),
    "WeightRegistry": {"execute"},
    "PriceRecorder": {"record", "recordMany"},
}


def test_a_stranger_who_calls_everything_is_refused_or_harmless(world, mixed, eve):
    """G7: every state-changing function in every ABI; the index is named wherever an address is asked for."""
    contracts = {
        "IndexToken": mixed.token, "Rebalancer": world.rebalancer, "ExchangeGuard": world.guard,
        "PriceOracle": world.oracle, "IndexFactory": world.factory, "UniswapV2Taker": world.v2_taker,
        "UniswapV3Taker": world.v3_taker, "IndexLens": world.lens,
        "WeightRegistry": world.registry, "PriceRecorder": world.recorder,
    }  # fmt: skip
    mixed.start(mixed.tilted())
    before = everything(world, mixed)
    asked, allowed = 0, {name: set() for name in contracts}
    for name, contract in contracts.items():
        for item in contract.abi:
            if item["type"] != "function" or item["stateMutability"] in ("view", "pure"):
                continue
            for address in (mixed.address, eve.address, mixed.tokens[0].address):
                arguments = [guess(i["type"], i.get("components")) for i in item["inputs"]]
                arguments = [address if value == DEAD else value for value in arguments]
                data = getattr(contract, item["name"]).encode_input(*arguments)
                transaction = {
                    "from": eve.address,
                    "to": contract.address,
                    "data": data,
                    "gas": 5_000_000,
                    "gasPrice": 0,
                }
                asked += 1
                if why_call(transaction) is None:
                    allowed[name].add(item["name"])
                web3.eth.get_transaction_receipt(web3.eth.send_transaction(transaction))
    assert asked > 100
    for name, functions in allowed.items():
        assert functions <= FOR_ANYONE[name], name
    after = everything(world, mixed)
    # revalue is for anyone and says the same; nothing else moved
    assert {**after, "valuation": None} == {**before, "valuation": None}
    assert after["valuation"][0] == before["valuation"][0]


def everything(world, index):
    """All that a stranger should not be able to move."""
    token, rebalancer, guard = index.token, world.rebalancer, world.guard
    names = [
        "components", "version", "streamingFee", "mintFee", "redeemFee", "supplyCap", "feeRecipient", "rebalancer",
        "guard", "authority", "mintPausedUntil", "exchangePausedUntil", "deprecated", "claimsMask", "totalSupply",
        "pendingFeeShares", "supplyWord",
    ]  # fmt: skip
    found = {name: getattr(token, name)() for name in names}
    found["balances"] = [[t.balanceOf(a) for t in [*index.tokens, token]] for a in [token, *people()]]
    found["allowances"] = [t.allowance(token, a) for t in index.tokens for a in people()]
    found["policy"], found["plan"] = rebalancer.policyOf(token), rebalancer.planOf(token)
    found["targets"] = [rebalancer.targetOf(token, t) for t in index.tokens]
    found["limits"], found["budget"] = guard.limitsOf(token), guard.budgetOf(token)
    found["feeds"] = [world.oracle.feedOf(t) for t in index.tokens]
    found["valuation"] = guard.valuationOf(token)
    return found


def people():
    return [accounts[i] for i in range(8)] + [DEAD]


@pytest.mark.parametrize("power", GOVERNOR_POWERS)
def test_governor_powers_are_refused_to_everyone_else(mixed, power, guardian, strategist, eve, alice):
    """E6: guardian and strategist cannot act as governor."""
    method = getattr(mixed.token, power)
    arguments = [guess(i["type"]) for i in method.abi["inputs"]]
    for who in (guardian, strategist, eve, alice):
        assert why(method, *arguments, sender=who) == ("AccessManagedUnauthorized", who.address)


@pytest.mark.parametrize("power", ["pauseMint", "pauseExchange"])
def test_pauses_are_the_guardians(mixed, power, governor, strategist, eve, guardian):
    method = getattr(mixed.token, power)
    for who in (strategist, eve, governor):
        assert why(method, HOUR, sender=who) == ("AccessManagedUnauthorized", who.address)
    assert why(method, HOUR, sender=guardian) is None


def test_policy_limits_and_allow_list_are_the_governors(world, mixed, guardian, strategist, eve):
    for who in (guardian, strategist, eve):
        for method, arguments in (
            (world.rebalancer.setPolicy, (mixed.token, POLICY.as_tuple())),
            (world.rebalancer.setAllowed, (mixed.token, [mixed.tokens[0]], False)),
            (world.guard.setLimits, (mixed.token, LIMITS.as_tuple())),
        ):
            assert why(method, *arguments, sender=who) == ("NotAuthorized", who.address, mixed.address)


def test_plans_and_swaps_are_the_strategists(world, mixed, guardian, governor, eve):
    mixed.start(mixed.tilted())
    wait(HOUR)
    for who in (guardian, eve, governor):
        expected = ("NotAuthorized", who.address, mixed.address)
        start = (mixed.token, 2, mixed.version, [], mixed.equal(), DAY)
        assert why(world.rebalancer.startPlan, *start, sender=who) == expected
        assert why(world.rebalancer.swap, mixed.order(0, 2), sender=who) == expected
        assert why(world.rebalancer.endPlan, mixed.token, 1, sender=who) == expected


def test_the_oracle_listens_to_its_own_governor_only(world, mixed, guardian, eve, strategist):
    for who in (guardian, strategist, eve):
        reason_ = why(world.oracle.setFeed, mixed.tokens[0], ZERO, sender=who)
        assert reason_ == ("AccessManagedUnauthorized", who.address)


def test_a_role_on_one_index_is_nothing_on_another(world, mixed, eve):
    """E6: the authority of the index in question decides."""
    own = world.create([world.token()], strategist=eve.address, governor=eve.address, guardian=eve.address)
    assert why(world.rebalancer.startPlan, own.token, 1, own.version, [], [WAD], DAY, sender=eve) is None
    for method, arguments in (
        (world.rebalancer.startPlan, (mixed.token, 1, mixed.version, [], mixed.equal(), DAY)),
        (world.rebalancer.setPolicy, (mixed.token, POLICY.as_tuple())),
        (world.guard.setLimits, (mixed.token, LIMITS.as_tuple())),
    ):
        assert why(method, *arguments, sender=eve) == ("NotAuthorized", eve.address, mixed.address)
    assert why(mixed.token.pauseMint, 1, sender=eve)[0] == "AccessManagedUnauthorized"


def test_the_governors_delay_is_enforced_while_holders_leave(world, governor, alice, bob):
    """E6, E12: a permissive guard comes only after the delay, and until then everyone can redeem."""
    index = world.create([world.token(), world.token(6)], admin_delay=2 * DAY)
    data = index.token.setGuard.encode_input(DEAD)
    assert why(index.token.setGuard, DEAD, sender=governor)[0] == "AccessManagerNotScheduled"
    manage(index.authority, "schedule", index.token, data, 0, sender=governor)
    wait(2 * DAY - 10)
    assert why(index.token.setGuard, DEAD, sender=governor)[0] == "AccessManagerNotReady"
    index.redeem(alice, index.token.balanceOf(alice), receiver=bob)
    assert all(balance > 0 for balance in index.balances(bob))
    wait(20)
    tx = index.govern(index.token.setGuard, DEAD)
    assert index.token.guard() == DEAD and tx.events["SetGuard"]["guard"] == DEAD


def test_the_governors_delay_holds_on_rebalancer_and_guard_too(world, governor, eve):
    """E6: what is delayed on the index is delayed on the modules; the AccessManager itself executes it there."""
    index = world.create([world.token()], admin_delay=DAY)
    loose = (5 * 10**16, HOUR, 4 * WAD, HOUR, HOUR)
    assert why(world.guard.setLimits, index.token, loose, sender=governor) == (
        "NotAuthorized",
        governor.address,
        index.address,
    )
    data = world.guard.setLimits.encode_input(index.token, loose)
    manage(index.authority, "schedule", world.guard, data, 0, sender=governor)
    wait(DAY + 1)
    manage(index.authority, "execute", world.guard, data, sender=governor)
    assert world.guard.limitsOf(index.token) == loose


# --- pauses -----------------------------------------------------------------------------------------------------------


def paused(index, what, guardian, duration):
    return getattr(index.token, "pause" + what)(duration, {"from": guardian})


@pytest.mark.parametrize("what", ["Mint", "Exchange"])
def test_pauses_end_by_themselves_after_at_most_a_week(mixed, what, guardian):
    """E9, G7: nobody has to end a pause."""
    method = getattr(mixed.token, "pause" + what)
    assert why(method, WEEK + 1, sender=guardian) == ("ValueOutOfBounds", "pause", WEEK + 1, 1, WEEK)
    assert why(method, 0, sender=guardian) == ("ValueOutOfBounds", "pause", 0, 1, WEEK)
    tx = paused(mixed, what, guardian, WEEK)
    until = getattr(mixed.token, {"Mint": "mintPausedUntil", "Exchange": "exchangePausedUntil"}[what])
    assert until() == tx.timestamp + WEEK == tx.events["Pause" + what]["until"]


def test_a_paused_mint_works_again_at_the_last_second(mixed, guardian, bob):
    until = paused(mixed, "Mint", guardian, WEEK).timestamp + WEEK
    mixed.fund(bob, WAD)
    wait(until - 1 - now())
    assert why(mixed.token.mint, WAD, mixed.version, [MAX] * 3, bob, sender=bob) == ("MintPaused", until)
    at_next(until)
    mixed.mint(bob, WAD, fund=False)
    assert mixed.token.balanceOf(bob) == WAD


def test_a_paused_exchange_works_again_at_the_end(mixed, guardian, strategist):
    mixed.start(mixed.tilted(), duration=14 * DAY)
    until = paused(mixed, "Exchange", guardian, DAY).timestamp + DAY
    order = mixed.order(0, 2)
    assert why(mixed.world.rebalancer.swap, order, sender=strategist) == ("ExchangePaused", until)
    wait(until - now())
    mixed.swap(order)


@pytest.mark.parametrize("what", ["Mint", "Exchange"])
def test_the_guardian_cannot_pause_again_until_armed(mixed, what, guardian, governor):
    """E9: no combination of guardian calls blocks beyond seven days."""
    method = getattr(mixed.token, "pause" + what)
    paused(mixed, what, guardian, HOUR)
    for _ in range(3):  # during, at the end, long after
        assert why(method, WEEK, sender=guardian) == ("PauseNotArmed",)
        wait(WEEK)
    mixed.govern(mixed.token.armPauses)
    assert why(method, WEEK, sender=guardian) is None


def test_arming_ends_both_pauses_at_once(mixed, guardian, bob):
    paused(mixed, "Mint", guardian, WEEK)
    paused(mixed, "Exchange", guardian, WEEK)
    mixed.govern(mixed.token.armPauses)
    assert (mixed.token.mintPausedUntil(), mixed.token.exchangePausedUntil()) == (0, 0)
    mixed.mint(bob, WAD)
    mixed.trade(mixed.tilted())


def test_deprecation_is_for_good(mixed, governor, guardian, alice, bob):
    mixed.start(mixed.tilted())
    tx = mixed.govern(mixed.token.deprecate)
    assert "Deprecate" in tx.events and mixed.token.deprecated()
    assert why(mixed.token.armPauses, sender=governor) == ("Deprecated",)
    for what in ("pauseMint", "pauseExchange"):
        assert why(getattr(mixed.token, what), HOUR, sender=guardian) == ("Deprecated",)
    mixed.fund(bob, WAD)
    wait(100 * 365 * DAY // 2)
    assert why(mixed.token.mint, WAD, mixed.version, [MAX] * 3, bob, sender=bob)[0] == "MintPaused"
    before = mixed.balances(alice)
    mixed.redeem(alice, mixed.token.balanceOf(alice))
    assert all(a > b for a, b in zip(mixed.balances(alice), before, strict=True))


# --- abdication -------------------------------------------------------------------------------------------------------


def selector(name):
    return selectors("IndexToken", [name])[0]


@pytest.mark.parametrize("power", [*GOVERNOR_POWERS, "pauseMint", "pauseExchange"])
def test_an_abdicated_power_is_gone_whatever_the_authority_says(world, mixed, power, governor, guardian, deployer):
    """E10, G7: gone for the old authority, and for a new one that gives the role to everyone."""
    tx = mixed.govern(mixed.token.abdicate, selector(power))
    assert "Abdicate" in tx.events and mixed.token.abdicated(selector(power))
    method = getattr(mixed.token, power)
    arguments = [guess(i["type"]) for i in method.abi["inputs"]]
    who = guardian if power.startswith("pause") else governor
    expected = ("Abdicated", selector(power))
    assert refused(method, arguments, who) == expected

    new = world.create([world.token()], governor=governor.address).authority  # another manager, same governor
    manage(mixed.authority, "updateAuthority", mixed.token, new.address, sender=governor)
    assert mixed.token.authority() == new.address
    manage(new, "setTargetFunctionRole", mixed.token, [selector(power)], 2**64 - 1, sender=governor)  # PUBLIC_ROLE
    for caller in (governor, guardian, deployer):
        assert refused(method, arguments, caller) == expected


def refused(method, arguments, who):
    name, *values = why(method, *arguments, sender=who)
    return (name, *values)


def test_other_powers_stay_when_one_is_abdicated(mixed, governor):
    mixed.govern(mixed.token.announceFee, selector("setRedeemFee"), 1)
    wait(FEE_NOTICE)
    mixed.govern(mixed.token.abdicate, selector("setMintFee"))
    for power in GOVERNOR_POWERS:
        if power not in ("setMintFee", "setStreamingFee"):
            method = getattr(mixed.token, power)
            assert why(method, *[guess(i["type"]) for i in method.abi["inputs"]], sender=governor) is None


def test_nobody_can_take_back_an_abdication(mixed, governor):
    mixed.govern(mixed.token.abdicate, selector("setGuard"))
    mixed.govern(mixed.token.abdicate, selector("abdicate"))
    assert why(mixed.token.abdicate, selector("setMintFee"), sender=governor) == ("Abdicated", selector("abdicate"))
    names = {item["name"] for item in mixed.token.abi if item["type"] == "function"}
    assert not {name for name in names if "reinstate" in name.lower() or "restore" in name.lower()}


def test_set_authority_needs_the_old_authority(mixed, governor, eve):
    for who in (governor, eve):
        assert why(mixed.token.setAuthority, DEAD, sender=who) == ("AccessManagedUnauthorized", who.address)


def test_set_authority_can_be_abdicated(world, mixed, governor):
    """G7: who may never be replaced cannot be replaced, not even by himself."""
    before = mixed.token.authority()
    mixed.govern(mixed.token.abdicate, mixed.token.setAuthority.signature)
    call = mixed.authority.encode_abi("updateAuthority", [mixed.address, world.authority.address])
    refused = why_call({"to": mixed.authority.address, "from": str(governor), "data": call})
    assert refused is not None and refused[0] == "Abdicated"
    assert mixed.token.authority() == before


def test_an_index_can_move_to_a_new_rebalancer_and_guard(world, mixed, governor, strategist, deployer, eve):
    """The governor registers it there, names them, and gives the strategist his role; the old ones have no say any more."""
    rebalancer, guard = deployer.deploy(Rebalancer, world.oracle), deployer.deploy(ExchangeGuard, world.oracle)
    tokens = [token.address for token in mixed.tokens]
    refused = why(rebalancer.register, mixed.token, POLICY.as_tuple(), tokens, sender=eve)
    assert refused == ("NotAuthorized", eve.address, mixed.address)

    rebalancer.register(mixed.token, POLICY.as_tuple(), tokens, {"from": governor})
    guard.register(mixed.token, LIMITS.as_tuple(), {"from": governor})
    mixed.govern(mixed.token.setRebalancer, rebalancer)
    mixed.govern(mixed.token.setGuard, guard)
    powers = [rebalancer.startPlan.signature, rebalancer.swap.signature, rebalancer.endPlan.signature]
    manage(mixed.authority, "setTargetFunctionRole", rebalancer, powers, STRATEGIST_ROLE, sender=governor)

    start = (mixed.token, 1, mixed.version, [], mixed.tilted(), DAY)
    rebalancer.startPlan(*start, {"from": strategist})
    assert rebalancer.planOf(mixed.token)[0] == 1 and guard.valuationOf(mixed.token)[0] > 0
    mixed.start(mixed.tilted())  # the old one can still plan, but no longer trade
    order = mixed.order(0, 1, 1)
    assert why(world.rebalancer.swap, order, sender=strategist)[0] in ("NotRebalancer", "SurplusExceeded")
