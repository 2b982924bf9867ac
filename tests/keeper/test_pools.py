"""Our quotes are what the genuine pools pay, to the last base unit.

Uniswap V2
    quotes what the router's getAmountsOut says, for any size, one and two pairs
Uniswap V3
    quotes what QuoterV2 says: within the range, and across ticks of narrow positions
    leaves the pool where a real swap leaves it
    refuses a swap that would leave the ticks it has read
    sqrt_price_at and tick_at are inverse and monotone
The route
    is the one that pays most
    executes on chain for exactly what it quotes
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.chain.artifacts import vendor
from offchain.chain.transactions import at, send
from offchain.devnet import Devnet
from offchain.keeper.reading import read
from offchain.trading.pools import (
    MAX_TICK,
    MIN_TICK,
    NoQuote,
    V2Pool,
    V3Pool,
    other_token,
    quote,
    sqrt_price_at,
    tick_at,
)
from offchain.trading.routes import best_route, find_routes, quote_route
from tests.fuzz import LONG, examples
from tests.keeper.support import Fund

TRADER = 5


def situation(fund: Fund):
    return read(fund.world.w3, fund.places, keeper=fund.world.node.accounts[3])


def quoter_says(world: Devnet, pool: V3Pool, sell: str, amount: int) -> tuple[int, int]:
    """(amount out, √price after) by the genuine QuoterV2."""
    buy = other_token(pool, sell)
    answer = world.contract("v3_quoter").functions.quoteExactInputSingle((sell, buy, amount, pool.fee, 0)).call()
    return int(answer[0]), int(answer[1])


def sizes(pool_side: int) -> list[int]:
    chooser = random.Random(pool_side)
    return [chooser.randrange(pool_side // 10**k // 2, pool_side // 10**k) for k in (1, 2, 3, 5)]


def test_v2_quotes_equal_the_router_to_the_last_unit(fund: Fund) -> None:
    now = situation(fund)
    router = fund.world.contract("v2_router")
    pairs = [pool for pool in now.pools.values() if isinstance(pool, V2Pool)]
    assert len(pairs) > 10
    for pool in pairs:
        for sell, reserve in ((pool.token0, pool.reserve0), (pool.token1, pool.reserve1)):
            for amount in sizes(reserve):
                path = [sell, other_token(pool, sell)]
                assert (
                    quote(pool, sell=sell, amount=amount)[1] == router.functions.getAmountsOut(amount, path).call()[1]
                )


def test_v2_route_of_two_pairs_equals_the_router(fund: Fund) -> None:
    now = situation(fund)
    sell, buy = (now.address_of(coin) for coin in ("ripple", "chainlink"))
    route = next(route for route in find_routes(now.pools, sell=sell, buy=buy) if route.kind == "v2")
    amount = 10**9
    expected = fund.world.contract("v2_router").functions.getAmountsOut(amount, list(route.tokens)).call()[-1]
    assert quote_route(now.pools, route, amount)[1] == expected


def test_v3_quotes_equal_the_genuine_quoter_to_the_last_unit(fund: Fund) -> None:
    now = situation(fund)
    pools = [pool for pool in now.pools.values() if isinstance(pool, V3Pool)]
    assert len(pools) > 5
    for pool in pools:
        for sell in (pool.token0, pool.token1):
            reserve = at(fund.world.w3, vendor("WETH9"), sell).functions.balanceOf(pool.address).call()
            for amount in sizes(reserve):
                after, bought = quote(pool, sell=sell, amount=amount)
                assert isinstance(after, V3Pool)
                assert (bought, after.sqrt_price) == quoter_says(fund.world, pool, sell, amount)


def test_v3_quotes_across_ticks_of_narrow_positions_equal_the_quoter(fund: Fund) -> None:
    world = fund.world
    trader = world.node.accounts[TRADER]
    place = next(pool for pool in world.weth.pools if pool.kind == "v3")
    world.faucet(trader, "ethereum", 10_000 * 10**18)
    world.faucet(trader, "usd-coin", 50_000_000 * 10**6)
    positions = world.contract("v3_positions")
    for token in ("ethereum", "usd-coin"):
        send(world.w3, trader, world.erc20(token).functions.approve(positions.address, 2**255))
    tick = tick_at(world.pool_state(place)[0]) // 10 * 10
    for low, high in ((-100, 100), (-400, -50), (50, 600), (-2600, 2600)):
        terms = (
            place.token0, place.token1, place.fee, tick + low, tick + high,
            10**20 if place.token0 == world.weth.address else 10**12,
            10**20 if place.token1 == world.weth.address else 10**12,
            0, 0, trader, 2**63,
        )  # fmt: skip
        send(world.w3, trader, positions.functions.mint(terms))
    pool = situation(fund).pools[place.address]
    assert isinstance(pool, V3Pool) and len(pool.net) >= 7
    crossed = 0
    for sell in (pool.token0, pool.token1):
        unit = 10**18 if sell == world.weth.address else 2 * 10**9
        for amount in (unit // 1000, unit, 30 * unit, 150 * unit, 600 * unit, 2000 * unit):
            after, bought = quote(pool, sell=sell, amount=amount)
            assert isinstance(after, V3Pool)
            assert (bought, after.sqrt_price) == quoter_says(world, pool, sell, amount)
            crossed += after.liquidity != pool.liquidity
    assert crossed >= 4


def test_v3_refuses_to_quote_beyond_the_ticks_it_has_read(fund: Fund) -> None:
    pool = next(pool for pool in situation(fund).pools.values() if isinstance(pool, V3Pool))
    with pytest.raises(NoQuote, match="sell less"):
        quote(pool, sell=pool.token0, amount=2**120)


@settings(max_examples=examples(300), deadline=None, derandomize=not LONG)
@given(st.integers(MIN_TICK, MAX_TICK - 1))
def test_ticks_and_prices_are_inverse(tick: int) -> None:
    price = sqrt_price_at(tick)
    assert tick_at(price) == tick
    assert tick_at(sqrt_price_at(tick + 1) - 1) == tick
    assert price < sqrt_price_at(tick + 1)


def test_sqrt_price_at_known_ticks() -> None:
    assert sqrt_price_at(0) == 2**96
    assert sqrt_price_at(MIN_TICK) == 4295128739
    assert sqrt_price_at(MAX_TICK) == 1461446703485210103287273052203988822378723970342


def test_best_route_pays_most_of_all_routes(fund: Fund) -> None:
    now = situation(fund)
    coins = [coin for coin in now.coins.values() if coin.has_pool]
    for sell in coins[:6]:
        for buy in coins[6:10]:
            amount = 10**sell.decimals
            route, bought = best_route(now.pools, sell=sell.address, buy=buy.address, amount=amount)
            others = [
                quote_route(now.pools, other, amount)[1]
                for other in find_routes(now.pools, sell=sell.address, buy=buy.address)
            ]
            assert bought == max(others) and route.tokens[0] == sell.address and route.tokens[-1] == buy.address
