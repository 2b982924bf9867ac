"""Takers swap along genuine Uniswap pools and keep nothing.

UniswapV2Taker, UniswapV3Taker
├── deliver what the pool gives, to the unit, and hold nothing afterwards
├── along two pools too, whose middle token the route names
├── refuse more than one token on a side with LegsInvalid
├── refuse a route that does not begin and end with a pool with RouteInvalid
├── a route that names wrong pools or tokens only reverts
├── the V3 callback is refused to everyone but the pool in use (NotPool), also to that pool a second time
└── a pool that runs dry
    └── what it did not take does not stay with the taker
"""

import pytest
from brownie import GreedyPool
from eth_abi import encode

from tests.contracts.pools import Pools
from tests.contracts.support import DEPLOYER, WAD, accounts, why

A, B = 0, 1


@pytest.fixture
def traded(world):
    """An index of two tokens with a plan that sells the first, and pools ten times its size."""
    index = world.create([world.token(18, 4), world.token(6, 1)])
    pools = Pools.open(world, *index.tokens, usd=1_000_000)
    index.start([WAD * 4 // 10, WAD * 6 // 10])
    return index, pools


def addresses(*items):
    return encode(["address[]"], [[str(i) for i in items]])


def empty_handed(world, tokens):
    return all(token.balanceOf(taker) == 0 for token in tokens for taker in (world.v2_taker, world.v3_taker))


def test_v2_taker_delivers_what_the_pair_gives(world, traded):
    index, pools = traded
    amount = index.reserves()[A] // 100
    reserve_in, reserve_out = (p.balanceOf(pools.v2.address) for p in index.tokens)
    due = amount * 997 * reserve_out // (reserve_in * 1000 + amount * 997)
    reserves = index.reserves()
    index.swap(index.order(A, B, amount, **pools.route("v2", world)), fund=False)
    assert index.reserves() == [reserves[0] - amount, reserves[1] + due]
    assert empty_handed(world, index.tokens)


def test_v3_taker_delivers_what_the_pool_gives(world, traded):
    index, pools = traded
    amount = index.reserves()[A] // 100
    reserves, pool = index.reserves(), [t.balanceOf(pools.v3.address) for t in index.tokens]
    index.swap(index.order(A, B, amount, **pools.route("v3", world)), fund=False)
    after = [t.balanceOf(pools.v3.address) for t in index.tokens]
    assert after[0] - pool[0] == amount == reserves[0] - index.reserves()[0]
    assert pool[1] - after[1] == index.reserves()[1] - reserves[1] > 0
    assert empty_handed(world, index.tokens)


@pytest.mark.parametrize("kind", ["v2", "v3"])
def test_takers_swap_along_two_pools(world, kind):
    middle = world.token(8, 2)
    index = world.create([world.token(18, 4), world.token(6, 1)])
    first = Pools.open(world, index.tokens[0], middle, usd=1_000_000)
    second = Pools.open(world, middle, index.tokens[1], usd=1_000_000)
    index.start([WAD * 4 // 10, WAD * 6 // 10])
    hops = [getattr(first, kind).address, middle, getattr(second, kind).address]
    taker = getattr(world, kind + "_taker")
    payee = hops[0] if kind == "v2" else taker
    amount, reserves = index.reserves()[0] // 1000, index.reserves()
    index.swap(index.order(0, 1, amount, payee=payee, taker=taker, data=addresses(*hops)), fund=False)
    got = index.reserves()[1] - reserves[1]
    assert index.mid(0, 1, amount) * 990 // 1000 <= got < index.mid(0, 1, amount) * 995 // 1000
    assert empty_handed(world, [*index.tokens, middle])


@pytest.mark.parametrize("kind", ["v2", "v3"])
def test_takers_refuse_wrong_legs_and_routes(world, traded, strategist, eve, kind):
    index, pools = traded
    taker, pool = getattr(world, kind + "_taker"), getattr(pools, kind).address
    leg = (index.tokens[0], 1)
    assert why(taker.onExchange, [leg, leg], [leg], addresses(pool), sender=eve) == ("LegsInvalid", 2, 1)
    assert why(taker.onExchange, [], [leg], addresses(pool), sender=eve) == ("LegsInvalid", 0, 1)
    payee = pool if kind == "v2" else taker
    amount = index.reserves()[0] // 100
    for route in ([], [pool, index.tokens[1]]):
        order = index.order(A, B, amount, payee=payee, taker=taker, data=addresses(*route))
        assert why(world.rebalancer.swap, order, sender=strategist) == ("RouteInvalid", index.tokens[0].address)


@pytest.mark.parametrize("kind", ["v2", "v3"])
def test_a_route_with_wrong_pools_or_tokens_only_reverts(world, traded, strategist, kind):
    """A9: the takers believe the tokens a route names; the index believes nobody, and loses nothing."""
    index, pools = traded
    taker, pool = getattr(world, kind + "_taker"), getattr(pools, kind).address
    other = Pools.open(world, world.token(), world.token(), usd=1_000_000)
    foreign = getattr(other, kind).address
    low, high = "0x" + "00" * 19 + "01", "0x" + "ff" * 20
    amount, reserves = index.reserves()[0] // 100, index.reserves()
    for route in (
        [foreign], [foreign, other.a, foreign], [pool, low, pool], [pool, high, pool], [pool, index.tokens[0], pool],
        [pool, index.tokens[1], pool], [pool, other.a, foreign], [index.tokens[1]], [taker], [index.token],
    ):  # fmt: skip
        payee = route[0] if kind == "v2" else taker
        order = index.order(A, B, amount, payee=payee, taker=taker, data=addresses(*route))
        assert why(world.rebalancer.swap, order, sender=strategist) is not None, route
    assert empty_handed(world, [*index.tokens, other.a, other.b]) and index.reserves() == reserves


def test_v3_callback_is_for_the_pool_in_use_once(world, traded, deployer, eve, strategist):
    """A10: a stranger is refused, and a pool that asks twice gets nothing at all."""
    index, pools = traded
    callback = world.v3_taker.uniswapV3SwapCallback
    token = encode(["address"], [index.tokens[0].address])
    assert why(callback, 1, 0, token, sender=eve) == ("NotPool", eve.address)
    assert why(callback, 1, 0, token, sender=pools.v3.address) == ("NotPool", pools.v3.address)
    pool = deployer.deploy(GreedyPool, *index.tokens)
    pool.want(index.tokens[0], 1, 2, {"from": eve})
    amount = index.reserves()[0] // 100
    order = index.order(A, B, amount, payee=world.v3_taker, taker=world.v3_taker, data=addresses(pool))
    assert why(world.rebalancer.swap, order, sender=strategist) == ("NotPool", pool.address)
    pool.want(index.tokens[0], amount, 1, {"from": eve})
    assert why(world.rebalancer.swap, order, sender=strategist)[0] == "ShortDelivery"


def test_a_dry_pool_is_refused_so_that_nothing_stays_with_the_taker(world, traded, deployer, eve, strategist):
    """A9: a pool that takes 99 % and pays a fair price for all would leave the rest in the taker, for a stranger."""
    index, _ = traded
    amount = index.reserves()[A] // 100
    pool = deployer.deploy(GreedyPool, *index.tokens)
    pool.want(index.tokens[0], amount * 99 // 100, 1, {"from": eve})  # takes 99 %
    paid = index.mid(A, B, amount) * 995 // 1000
    index.tokens[1].mint(index.token, 0, {"from": accounts[DEPLOYER]})
    index.tokens[1].mint(pool, paid, {"from": accounts[DEPLOYER]})
    pool.deliver(index.token, index.tokens[1], paid, {"from": eve})
    order = index.order(A, B, amount, payee=world.v3_taker, taker=world.v3_taker, data=addresses(pool))
    reserves = index.reserves()
    refused = why(world.rebalancer.swap, order, sender=strategist)
    assert refused == ("PoolDry", pool.address, amount * 99 // 100, amount)
    assert index.reserves() == reserves and empty_handed(world, index.tokens)
