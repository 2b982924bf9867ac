"""One call tells everything of an index.

IndexLens
├── stateOf agrees with every contract it reads
├── navOf is the exact sum, and counts what has no price
├── pricesOf gives zero where there is none
├── while a call of the index is on the stack they revert
└── one bad component
    ├── that has no price, or does not answer, counts as nothing
    └── that tells no proper symbol does not hide the others
"""

import pytest
from brownie import Bytes32SymbolToken, ReentrantTaker, RevertingBalanceToken

from tests.contracts.support import D27, DEAD, WAD, YEAR, reason, wait


@pytest.fixture
def lens(world):
    return world.lens


def named(lens, function, value):
    """A struct answer as a dictionary, by the ABI's names."""
    outputs = next(i for i in lens.abi if i.get("name") == function)["outputs"][0]["components"]
    return dict(zip([o["name"] for o in outputs], value, strict=True)), outputs


def test_state_agrees_with_the_contracts(world, lens, index, alice):
    index.redeem(alice, WAD, mask=1)
    index.start(index.tilted())
    state, outputs = named(lens, "stateOf", lens.stateOf(index.token))
    token = index.token
    for key in (
        "name", "symbol", "version", "pendingFeeShares", "supplyCap", "streamingFee", "mintFee", "redeemFee",
        "feeRecipient", "authority", "rebalancer", "guard", "mintPausedUntil", "exchangePausedUntil", "deprecated",
    ):  # fmt: skip
        assert state[key] == getattr(token, key)(), key
    assert state["supply"] == token.totalSupply() and state["nav"] == index.nav_by_part()
    assert state["navPerShare"] == state["nav"] * D27 // token.totalSupply()
    assert state["policy"] == world.rebalancer.policyOf(token) and state["plan"] == world.rebalancer.planOf(token)
    assert state["limits"] == world.guard.limitsOf(token)
    assert (state["lossUsed"], state["turnoverUsed"]) == world.guard.usedOf(token)
    names = [c["name"] for o in outputs if o["name"] == "components" for c in o["components"]]
    for i, values in enumerate(state["components"]):
        part = dict(zip(names, values, strict=True))
        component = index.tokens[i]
        surplus, deficit = world.rebalancer.gapOf(token, component)
        assert part == {
            "token": component, "symbol": component.symbol(), "decimals": component.decimals(),
            "available": index.reserves()[i], "claimsOwed": token.claimsOwed(component), "price": index.price(i),
            "value": index.reserves()[i] * index.price(i) // D27, "unit": world.rebalancer.targetOf(token, component)[2],
            "planned": True, "surplus": surplus, "deficit": deficit,
        }  # fmt: skip


def test_state_shows_the_fee_that_is_pending(world, lens):
    index = world.create([world.token()], streaming_fee=5 * 10**16)
    wait(YEAR)
    state, _ = named(lens, "stateOf", lens.stateOf(index.token))
    assert state["supply"] - state["pendingFeeShares"] == 1000 * WAD < state["supply"]


def test_nav_is_the_exact_sum(lens, index):
    nav = index.nav_by_part()
    assert lens.navOf(index.token) == (nav, nav * D27 // index.token.totalSupply(), 0)


def test_nav_counts_what_has_no_price(lens, mixed, eve):
    mixed.feed(2).setDead(True, {"from": eve})
    nav = sum(mixed.reserves()[i] * mixed.price(i) // D27 for i in (0, 1))
    assert lens.navOf(mixed.token) == (nav, nav * D27 // mixed.token.totalSupply(), 1)


def test_prices_are_zero_where_there_are_none(world, lens, mixed):
    assert lens.pricesOf(world.oracle, [mixed.tokens[0], DEAD]) == (mixed.price(0), 0)


def test_views_revert_in_the_middle_of_a_call(world, lens, mixed, deployer, eve):
    """B8: nobody prices a share by balances that are half moved."""
    taker = deployer.deploy(ReentrantTaker)
    for call in (lens.stateOf, lens.navOf):
        taker.program(lens, call.encode_input(mixed.token), {"from": eve})
    mixed.start(mixed.tilted())
    mixed.swap(mixed.order(0, 2, taker=taker, payee=taker))
    (first, why_first), (second, why_second) = taker.outcomes()
    assert not first and reason(why_first) == ("IndexLocked", mixed.address)
    assert not second and reason(why_second) == ("ReentrancyGuardReentrantCall",)


def test_state_survives_a_component_that_does_not_answer(world, lens, deployer, eve):
    mute = deployer.deploy(RevertingBalanceToken, "MUTE", 18)
    world.list(mute)
    index = world.create([world.token(), mute])
    mute.setSilent(True, {"from": eve})
    state, _ = named(lens, "stateOf", lens.stateOf(index.token))
    assert state["components"][1][2] == 18 and state["components"][1][3] == 0 < state["components"][0][3]


def test_state_survives_a_symbol_of_one_word(world, lens, deployer):
    maker = deployer.deploy(Bytes32SymbolToken, b"MKR".ljust(32, b"\0"), 18)
    world.list(maker)
    index = world.create([world.token(), maker])
    state, _ = named(lens, "stateOf", lens.stateOf(index.token))
    assert state["components"][0][1] == "T18" and state["components"][1][3] > 0
