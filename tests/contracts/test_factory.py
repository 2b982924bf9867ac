"""One transaction makes an index, or nothing of it.

IndexFactory
├── create
│   ├── the address is the predicted one, and the code is the published one
│   ├── it seeds, bootstraps, locks shares, registers policy, limits and allow-list, and keeps nothing
│   ├── it refuses lists of different lengths and empty ones
│   ├── it refuses a seed that arrives short, or of nothing
│   ├── it refuses fees, policies and limits beyond the hard bounds
│   ├── it refuses the same salt and terms again with AddressTaken
│   ├── anyone may, and 64 components fit a transaction
│   └── nothing that a stranger does before can take the address, the registration or the seed
└── predict
    └── another creator, salt or term gives another address
"""

from dataclasses import replace

import pytest
from brownie import FeeOnTransferToken, IndexToken, web3

from offchain.chain.deploy import _create_params, _index_params
from offchain.chain.terms import IndexTerms
from tests.contracts.support import (
    DAY,
    DEAD,
    HOUR,
    LIMITS,
    LOCKED_SHARES,
    POLICY,
    WAD,
    ZERO,
    limits_with,
    policy_with,
    why,
)


@pytest.fixture
def tokens(world, deployer):
    """Two tokens, of which the deployer has enough and the factory may pull it."""
    made = [world.token(), world.token(6)]
    for token in made:
        token.mint(deployer, 10**30, {"from": deployer})
        token.approve(world.factory, 10**30, {"from": deployer})
    return made


@pytest.fixture
def terms(tokens, alice, governor, guardian, strategist, fee_recipient, mixed):
    return IndexTerms(
        name="Made by hand", symbol="HAND", components=tuple(t.address for t in tokens), seed_amounts=(WAD, 10**6),
        seed_shares=WAD, receiver=alice.address, governor=governor.address, guardian=guardian.address,
        strategist=strategist.address, fee_recipient=fee_recipient.address, policy=POLICY, limits=LIMITS,
        allowed=tuple(t.address for t in tokens), authority=mixed.token.authority(), spec_hash="hand",
    )  # fmt: skip


def params(world, terms):
    return _create_params(_index_params(world.core, terms, terms.authority), terms)


def predict(world, creator, terms):
    return world.factory.predict(creator, terms.salt, _index_params(world.core, terms, terms.authority))


def test_create_gives_the_predicted_address_and_keeps_nothing(world, tokens, terms, deployer, alice):
    expected = predict(world, deployer, terms)
    before = [token.balanceOf(deployer) for token in tokens]

    tx = world.factory.create(params(world, terms), {"from": deployer})

    index = IndexToken.at(expected, persist=False)
    assert tx.events["Create"]["index"] == expected and tx.events["Create"]["creator"] == deployer
    assert world.factory.isIndex(expected) and index.factory() == world.factory
    assert [token.balanceOf(index) for token in tokens] == [WAD, 10**6]
    assert [token.balanceOf(deployer) for token in tokens] == [before[0] - WAD, before[1] - 10**6]
    assert [token.balanceOf(world.factory) for token in tokens] == [0, 0] and index.balanceOf(world.factory) == 0
    assert index.balanceOf(DEAD) == LOCKED_SHARES and index.balanceOf(alice) == WAD - LOCKED_SHARES
    assert index.totalSupply() == WAD and index.version() == 1
    assert world.rebalancer.policyOf(index) == POLICY.as_tuple() and world.guard.limitsOf(index) == LIMITS.as_tuple()
    assert all(world.rebalancer.isAllowed(index, token) for token in tokens)
    assert not world.rebalancer.isAllowed(index, DEAD)


def test_the_code_of_every_index_is_the_published_one(world):
    """G7: whoever knows the source knows the code."""
    creation = web3.keccak(hexstr=IndexToken.bytecode)
    assert str(world.factory.creationCodeHash()) == "0x" + bytes(creation).hex()


def test_predict_differs_by_creator_salt_and_terms(world, terms, deployer, eve):
    addresses = {
        predict(world, deployer, terms), predict(world, eve, terms),
        predict(world, deployer, replace(terms, spec_hash="other")),
        predict(world, deployer, replace(terms, streaming_fee=1)),
        predict(world, deployer, replace(terms, fee_recipient=eve.address)),
    }  # fmt: skip
    assert len(addresses) == 5


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"components": ()}, ("LengthMismatch", 2, 0)),
        ({"seed_amounts": (1,)}, ("LengthMismatch", 1, 2)),
        ({"seed_shares": LOCKED_SHARES}, ("ZeroShares",)),
        ({"receiver": ZERO}, ("ReceiverInvalid", ZERO)),
        ({"fee_recipient": ZERO}, ("ZeroAddress",)),
        ({"authority": ZERO}, ("ZeroAddress",)),
        ({"streaming_fee": 5 * 10**16 + 1}, ("ValueOutOfBounds", "streamingFee", 5 * 10**16 + 1, 0, 5 * 10**16)),
        ({"mint_fee": 10**16 + 1}, ("ValueOutOfBounds", "mintFee", 10**16 + 1, 0, 10**16)),
        ({"redeem_fee": 10**16 + 1}, ("ValueOutOfBounds", "redeemFee", 10**16 + 1, 0, 10**16)),
        ({"supply_cap": 2**48}, ("ValueOutOfBounds", "supplyCap", 2**48, 1, 2**48 - 1)),
        ({"policy": policy_with(max_slippage=50_001)}, ("ValueOutOfBounds", "maxSlippage", 50_001, 0, 50_000)),
        ({"policy": policy_with(max_duration=0)}, ("ValueOutOfBounds", "maxDuration", 0, 1, 14 * DAY)),
        ({"policy": policy_with(max_trade=0)}, ("ValueOutOfBounds", "maxTrade", 0, 1, WAD)),
        ({"policy": policy_with(max_weight=WAD + 1)}, ("ValueOutOfBounds", "maxWeight", WAD + 1, 1, WAD)),
        ({"policy": policy_with(cooldown=DAY + 1)}, ("ValueOutOfBounds", "cooldown", DAY + 1, 0, DAY)),
        ({"policy": policy_with(min_interval=31 * DAY)}, ("ValueOutOfBounds", "minInterval", 31 * DAY, 0, 30 * DAY)),
        (
            {"limits": limits_with(loss_capacity=5 * 10**16 + 1)},
            ("ValueOutOfBounds", "lossCapacity", 5 * 10**16 + 1, 0, 5 * 10**16),
        ),
        ({"limits": limits_with(loss_window=3599)}, ("ValueOutOfBounds", "lossWindow", 3599, 3600, 30 * DAY)),
        (
            {"limits": limits_with(turnover_capacity=4 * WAD + 1)},
            ("ValueOutOfBounds", "turnoverCapacity", 4 * WAD + 1, 0, 4 * WAD),
        ),
        ({"limits": limits_with(turnover_window=0)}, ("ValueOutOfBounds", "turnoverWindow", 0, 3600, 30 * DAY)),
        (
            {"limits": limits_with(valuation_max_age=HOUR + 1)},
            ("ValueOutOfBounds", "valuationMaxAge", HOUR + 1, 0, HOUR),
        ),
    ],
)
def test_create_refuses_terms_beyond_the_bounds(world, terms, deployer, change, reason):
    assert why(world.factory.create, params(world, replace(terms, **change)), sender=deployer) == reason


def test_create_takes_terms_at_the_very_bounds(world, terms, deployer):
    """Each bound of fees, policy and limits is itself allowed, the least of all as well as the greatest of all."""
    least = {
        "streaming_fee": 0, "mint_fee": 0, "redeem_fee": 0, "supply_cap": 1,
        "policy": policy_with(max_slippage=0, cooldown=0, min_interval=0, max_duration=1, max_trade=1, max_weight=1),
        "limits": limits_with(
            loss_capacity=0, loss_window=HOUR, turnover_capacity=0, turnover_window=HOUR, valuation_max_age=0
        ),
    }  # fmt: skip
    greatest = {
        "streaming_fee": 5 * 10**16, "mint_fee": 10**16, "redeem_fee": 10**16, "supply_cap": 2**48 - 1,
        "policy": policy_with(
            max_slippage=50_000, cooldown=DAY, min_interval=30 * DAY, max_duration=14 * DAY, max_trade=WAD, max_weight=WAD
        ),
        "limits": limits_with(
            loss_capacity=5 * 10**16, loss_window=30 * DAY, turnover_capacity=4 * WAD, turnover_window=30 * DAY,
            valuation_max_age=HOUR,
        ),
    }  # fmt: skip
    for change in (least, greatest):
        assert why(world.factory.create, params(world, replace(terms, **change)), sender=deployer) is None


def test_create_refuses_bad_components(world, terms, tokens, deployer):
    twice = replace(terms, components=(tokens[0].address, tokens[0].address))
    assert why(world.factory.create, params(world, twice), sender=deployer) == ("ComponentInvalid", tokens[0].address)
    nobody = replace(terms, components=(tokens[0].address, DEAD))
    assert why(world.factory.create, params(world, nobody), sender=deployer) == ("ComponentInvalid", DEAD)


def test_create_refuses_a_seed_that_arrives_short(world, terms, tokens, deployer):
    """B1: a token that keeps a fee cannot be a first component."""
    greedy = deployer.deploy(FeeOnTransferToken, "FEE", 18, 100)
    greedy.mint(deployer, 10**30, {"from": deployer})
    greedy.approve(world.factory, 10**30, {"from": deployer})
    short = replace(terms, components=(tokens[0].address, greedy.address), seed_amounts=(WAD, WAD))
    refusal = ("ShortDelivery", greedy.address, WAD * 99 // 100, WAD)
    assert why(world.factory.create, params(world, short), sender=deployer) == refusal
    greedy.mint(predict(world, deployer, short), WAD, {"from": deployer})
    assert why(world.factory.create, params(world, short), sender=deployer) == refusal, "a gift is no seed"


def test_create_refuses_a_seed_of_nothing(world, terms, tokens, deployer):
    empty = replace(terms, seed_amounts=(WAD, 0))
    assert why(world.factory.create, params(world, empty), sender=deployer) == (
        "ShortDelivery",
        tokens[1].address,
        0,
        1,
    )


def test_create_pulls_only_from_its_caller(world, terms, tokens, eve):
    """A10: the deployer's allowance to the factory is of no use to eve."""
    reason = why(world.factory.create, params(world, terms), sender=eve)
    assert reason[0] in ("ERC20InsufficientAllowance", "ERC20InsufficientBalance")


def test_create_twice_with_the_same_salt_reverts(world, terms, deployer, eve, tokens):
    world.factory.create(params(world, terms), {"from": deployer})
    assert why(world.factory.create, params(world, terms), sender=deployer)[0] == "AddressTaken"


def test_nobody_can_squat_on_anothers_address(world, terms, tokens, deployer, eve):
    """The creator is part of the salt: eve with the same arguments lands elsewhere, and the victim is not blocked."""
    expected = predict(world, deployer, terms)
    for token in tokens:
        token.mint(eve, 10**24, {"from": eve})
        token.approve(world.factory, 10**24, {"from": eve})
    tx = world.factory.create(params(world, terms), {"from": eve})
    assert tx.events["Create"]["index"] == predict(world, eve, terms) != expected
    tx = world.factory.create(params(world, terms), {"from": deployer})
    assert tx.events["Create"]["index"] == expected


def test_nobody_can_register_before_the_factory(world, terms, deployer, eve):
    """The module asks the index who its factory is; what does not exist, or is another's, cannot be registered."""
    future = predict(world, deployer, terms)
    for module, arguments in ((world.rebalancer, (POLICY.as_tuple(), [])), (world.guard, (LIMITS.as_tuple(),))):
        assert why(module.register, future, *arguments, sender=eve) is not None
    index = world.factory.create(params(world, terms), {"from": deployer}).events["Create"]["index"]
    for module, arguments in ((world.rebalancer, (POLICY.as_tuple(), [])), (world.guard, (LIMITS.as_tuple(),))):
        assert why(module.register, index, *arguments, sender=eve) == ("AlreadyRegistered", index)
        factory = str(world.factory)
        assert why(module.register, index, *arguments, sender=factory) == ("AlreadyRegistered", index)


def test_tokens_sent_to_the_address_before_only_help_the_holders(world, terms, tokens, deployer, eve, alice):
    """A2: a donation to the future address becomes backing."""
    future = predict(world, deployer, terms)
    tokens[0].mint(future, 5 * WAD, {"from": eve})
    world.factory.create(params(world, terms), {"from": deployer})
    index = IndexToken.at(future, persist=False)
    assert index.reserves() == (6 * WAD, 10**6) and index.totalSupply() == WAD and index.balanceOf(eve) == 0


def test_64_components_fit_a_transaction_of_a_live_chain(world, terms, deployer):
    """E15: below the 2^24 gas that any chain accepts in one transaction."""
    many = [world.token() for _ in range(64)]
    for token in many:
        token.mint(deployer, WAD, {"from": deployer})
        token.approve(world.factory, WAD, {"from": deployer})
    addresses = tuple(token.address for token in many)
    wide = replace(terms, components=addresses, seed_amounts=(WAD,) * 64, allowed=addresses)
    tx = world.factory.create(params(world, wide), {"from": deployer})
    assert tx.gas_used < 2**24
    assert len(IndexToken.at(tx.events["Create"]["index"], persist=False).components()) == 64
