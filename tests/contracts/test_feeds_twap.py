"""Price of a token from a genuine Uniswap V3 pool, the pool's own contract from npm.

UniswapV3TwapFeed
├── price
│   ├── given a calm pool: the pool's price times the quote's, for either side and any decimals, to one tick
│   ├── follows a move only in proportion to the time it was held
│   ├── is its twin's, from the pool's two observations
│   ├── given too little liquidity over the window: PriceThin
│   ├── given too short a memory of the pool: HistoryTooShort
│   └── given a quote without a price: the quote's reason
└── is not made of another token's pool, another quote's feed, or a window outside of the bounds; at them it is
"""

from decimal import Decimal, localcontext

import pytest
from brownie import MockFeed, UniswapV3TwapFeed

from offchain.chain.transactions import send
from offchain.reference import price_math
from tests.contracts.pools import Pools
from tests.contracts.support import DAY, DEAD, ZERO, accounts, price_d27, wait, web3, why
from tests.contracts.test_prices import refused_deployment

WINDOW = 1800
ENOUGH = 10**6  # {liquidity} below that of every pool here


@pytest.fixture
def market(world):
    """(pools, token, quote): 3 dollars with 18 decimals against 1 dollar with 6, a window old, remembering 200 blocks."""
    token, quote = world.token(18, 3), world.token(6, 1)
    return opened(world, token, quote), token, quote


def opened(world, token, quote, usd=1_000_000):
    pools = Pools.open(world, token, quote, usd=usd)
    remember(pools, 200)
    wait(WINDOW)
    return pools


def remember(pools, observations):
    send(web3, accounts[0].address, pools.v3.functions.increaseObservationCardinalityNext(observations))


def twap_feed(world, pools, token, quote, *, window=WINDOW, liquidity=ENOUGH):
    quote_feed = world.oracle.feedOf(quote)
    return accounts[0].deploy(UniswapV3TwapFeed, token, pools.v3.address, quote_feed, window, liquidity)


def spot(pools, token):
    """{tok/tok} price of a base unit of `token` in the other one, from the pool's square root, in many digits."""
    with localcontext() as context:
        context.prec = 60
        ratio = (Decimal(pools.v3.functions.slot0().call()[0]) / 2**96) ** 2
        return ratio if token == pools.a else 1 / ratio


@pytest.mark.parametrize("decimals", [0, 6, 8, 18, 24])
@pytest.mark.parametrize("usd", [0.002, 3, 60_000])
def test_price_of_a_calm_pool_is_that_of_the_pool(world, decimals, usd):
    """B12: either side of the pool, for any decimals: within a tick of the pool's own price, and for token0 below it."""
    token, quote = world.token(decimals, usd), world.token(6, 1)
    pools = opened(world, token, quote, usd=5_000_000)
    for priced, other in ((token, quote), (quote, token)):
        price = twap_feed(world, pools, priced, other).price()
        exact = spot(pools, priced) * world.oracle.price(other)
        above = 1 if priced == pools.a else Decimal("1.0001")
        assert exact * Decimal("0.9999") - 1 <= price <= exact * above + 1
        assert abs(price - world.oracle.price(priced)) <= world.oracle.price(priced) // 100 + 1


def test_price_equals_its_twin(world, market):
    """The twin sees two observations of the pool and the price of the quote, and says the same to the last unit."""
    pools, token, quote = market
    compared = 0
    feeds = [(twap_feed(world, pools, a, b), a, b) for a, b in ((token, quote), (quote, token))]
    for percent in (0, 1, -2, 5, 11):
        if percent:
            pools.push("v3", token if percent > 0 else quote, abs(percent))
        wait(300)
        ticks, liquidities = pools.v3.functions.observe([WINDOW, 0]).call()
        for feed, priced, other in feeds:
            expected = price_math.twap_price(
                tuple(ticks), tuple(liquidities), window=WINDOW, is_token0=priced == pools.a,
                min_liquidity=ENOUGH, quote_price=world.oracle.price(other),
            )  # fmt: skip
            assert feed.price() == expected
            compared += 1
    assert compared == 10


def test_tick_to_price_is_a_power_of_10001_parts_in_10000():
    """By arithmetic of sixty digits: the error stays below 2e-18 of the price and one unit, over all ticks of a pool."""
    with localcontext() as context:
        context.prec = 60
        checked = 0
        for tick in (*range(-887_272, 887_273, 4_999), -1, 0, 1, -887_272, 887_272):
            quote_price = 10**30 if tick < 600_000 else 10**15
            exact = quote_price * (Decimal("1.0001") ** tick)
            assert abs(price_math.at_tick(tick, quote_price) - exact) <= exact * Decimal("2e-18") + 1, tick
            checked += 1
    assert checked > 350


def test_a_move_counts_for_the_time_it_is_held(world, market):
    """D6: nothing in its own block, a third after a third of the window, all of it after the whole."""
    pools, token, quote = market
    feed = twap_feed(world, pools, token, quote)
    before, tick = feed.price(), pools.v3.functions.slot0().call()[1]
    pools.push("v3", token, 20)
    assert feed.price() == before
    moved = pools.v3.functions.slot0().call()[1] - tick
    wait(WINDOW // 3)
    mean = price_math.mean_tick((moved if token == pools.a else -moved) * (WINDOW // 3), WINDOW)
    assert abs(feed.price() - price_math.at_tick(mean, before)) <= before // 5_000
    wait(WINDOW)
    assert abs(feed.price() - int(before * 0.8)) <= before // 500


def test_thin_pool_has_no_price(world, market):
    """D6: the floor is on the worst of the window: liquidity that comes back is believed only when the window has passed."""
    pools, token, quote = market
    liquidity = pools.v3.functions.liquidity().call()
    feed = twap_feed(world, pools, token, quote, liquidity=liquidity * 9 // 10)
    wait(3 * WINDOW)  # an old pool: only what it counted within the window is its mean
    assert feed.price() > 0
    maker, lower, upper = pools.maker.address, *whole_range(pools)
    leave = pools.v3.functions.burn(lower, upper, liquidity * 99 // 100)
    as_if(maker, leave)
    wait(WINDOW // 2)
    name, thin, mean, floor = why(feed.price, sender=accounts[7])
    assert (name, thin, floor) == ("PriceThin", token.address, liquidity * 9 // 10)
    # half of the window at the whole, half at a hundredth: 1 / (½ + ½·100) of it
    assert abs(mean - liquidity * 2 // 101) <= liquidity // 1000
    as_if(maker, pools.v3.functions.burn(lower, upper, 0))
    wait(WINDOW)
    assert why(feed.price, sender=accounts[7])[0] == "PriceThin"


def whole_range(pools):
    spacing = pools.v3.functions.tickSpacing().call()
    top = 887_272 // spacing * spacing
    return -top, top


def as_if(sender, call):
    """Sends as an address whose key nobody has."""
    web3.provider.make_request("anvil_impersonateAccount", [sender])
    web3.provider.make_request("anvil_setBalance", [sender, hex(10**20)])
    send(web3, sender, call)
    web3.provider.make_request("anvil_stopImpersonatingAccount", [sender])


def test_pool_without_enough_memory_has_no_price(world):
    """A pool younger than the window, or one that trades in more blocks than it remembers."""
    token, quote = world.token(18, 3), world.token(6, 1)
    pools = Pools.open(world, token, quote, usd=1_000_000)
    feed = twap_feed(world, pools, token, quote)
    refusal = ("HistoryTooShort", pools.v3.address, WINDOW)
    assert why(feed.price, sender=accounts[7]) == refusal
    wait(WINDOW)
    assert feed.price() > 0
    remembered = pools.v3.functions.slot0().call()[4]
    for number in range(remembered + 1):
        pools.push("v3", token if number % 2 else quote, 0.1)
    assert why(feed.price, sender=accounts[7]) == refusal
    remember(pools, 200)
    for number in range(remembered):
        pools.push("v3", token if number % 2 else quote, 0.1)
    wait(WINDOW)
    assert feed.price() > 0


def test_quote_without_a_price_is_the_reason(world, market):
    """D7: the feed stands on that of the quote."""
    pools, token, quote = market
    feed = twap_feed(world, pools, token, quote)
    MockFeed.at(world.oracle.feedOf(quote), persist=False).setDead(True, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7]) == ("FeedDead",)
    MockFeed.at(world.oracle.feedOf(quote), persist=False).setDead(False, {"from": accounts[0]})
    MockFeed.at(world.oracle.feedOf(quote), persist=False).setPrice(0, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7]) == ("PriceBad", token.address, 0)


def test_feed_is_not_made_of_what_does_not_belong_together(world, market):
    pools, token, quote = market
    pool, quote_feed, stranger = pools.v3.address, world.oracle.feedOf(quote), world.token()
    for arguments, reason in (
        ((ZERO, pool, quote_feed, WINDOW, 1), ("ZeroAddress",)),
        ((token, ZERO, quote_feed, WINDOW, 1), ("ZeroAddress",)),
        ((token, pool, ZERO, WINDOW, 1), ("ZeroAddress",)),
        ((token, pool, quote_feed, WINDOW - 1, 1), ("ValueOutOfBounds", "window", WINDOW - 1, WINDOW, DAY)),
        ((token, pool, quote_feed, DAY + 1, 1), ("ValueOutOfBounds", "window", DAY + 1, WINDOW, DAY)),
        ((token, pool, quote_feed, WINDOW, 0), ("ValueOutOfBounds", "minLiquidity", 0, 1, 2**128 - 1)),
        ((token, pool, quote_feed, WINDOW, 1), None),
        ((token, pool, quote_feed, DAY, 2**128 - 1), None),
        ((stranger, pool, quote_feed, WINDOW, 1), ("FeedMismatch", stranger.address, pools.a.address)),
        ((token, pool, world.oracle.feedOf(token), WINDOW, 1), ("FeedMismatch", quote.address, token.address)),
    ):
        assert refused_deployment(UniswapV3TwapFeed, arguments) == reason
    assert refused_deployment(UniswapV3TwapFeed, (token, DEAD, quote_feed, WINDOW, 1)) is not None
    assert price_d27(1, 6) == world.oracle.price(quote)
