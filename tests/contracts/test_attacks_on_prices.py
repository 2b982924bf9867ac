"""Attacks on prices: every way in which a source can fail or be moved, on an index with genuine feeds.

Whatever a source says
├── a swap of the token it prices is refused with the reason
├── the tokens of an index that are not touched go on
└── minting and redeeming move exactly their part of every component (G1)

Moving a source
├── a Uniswap V3 pool, pushed and held for 1, 10 and 100 blocks: what the mean moves by, and what that costs
└── an index as a component, by a gift: the giver gets back his part and no more
"""

from math import log

import pytest
from brownie import AnchoredFeed, IndexNavFeed, MockAggregator, MockFeed, SequencerFeed

from tests.contracts.support import D27, DAY, HOUR, MAX, WAD, chainlink_feed, now, undone, wait, why
from tests.contracts.test_feeds_twap import as_if, opened, twap_feed, whole_range
from tests.contracts.test_prices import chainlink_at, change_aggregator, proxy_of

A, B = 0, 1
WINDOW, BLOCK = 1800, 12  # {s}
LOW = 10**6  # Chainlink's clamp: one cent at 8 decimals


class Source:
    """The genuine feeds of one token worth four dollars, and the ways in which they fail."""

    def __init__(self, world, deployer, token, quote):
        self.world, self.deployer, self.token = world, deployer, token
        self.aggregator = deployer.deploy(MockAggregator, 8, "A / USD", deployer)
        self.aggregator.setLimits(LOW, 10**12, {"from": deployer})
        self.report(4 * 10**8)
        self.proxy = chainlink_at(proxy_of(self.aggregator, deployer))
        self.chainlink = chainlink_feed(token, self.proxy.address, DAY, min_answer=LOW, max_answer=10**12)
        self.second = deployer.deploy(MockFeed, token, world.oracle.price(token))
        self.uptime = deployer.deploy(MockAggregator, 0, "L2 Sequencer Uptime", deployer)
        self.uptime.report(0, now() - 2 * DAY, {"from": deployer})
        self.quote = quote

    def report(self, answer):
        self.aggregator.report(answer, now(), {"from": self.deployer})

    def anchored(self):
        return self.deployer.deploy(AnchoredFeed, self.chainlink, self.second, 50_000)

    def sequenced(self):
        return self.deployer.deploy(SequencerFeed, self.chainlink, self.uptime, HOUR)

    def pool(self):
        self.pools = opened(self.world, self.token, self.quote, usd=100_000)
        liquidity = self.pools.v3.functions.liquidity().call()
        return twap_feed(self.world, self.pools, self.token, self.quote, liquidity=liquidity // 2)

    # --- failures

    def grow_old(self):
        wait(DAY + 1)

    def pin_at_clamp(self):
        self.report(LOW)

    def fall_and_leave_the_other(self):
        self.report(28 * 10**7)  # −30 %

    def rise_and_leave_the_other(self):
        self.report(52 * 10**7)  # +30 %

    def stop_sequencer(self):
        self.uptime.report(1, now(), {"from": self.deployer})

    def restart_sequencer(self):
        self.uptime.report(0, now() - 10, {"from": self.deployer})

    def leave_pool(self):
        lower, upper = whole_range(self.pools)
        liquidity = self.pools.v3.functions.liquidity().call()
        as_if(self.pools.maker.address, self.pools.v3.functions.burn(lower, upper, liquidity - 1))
        wait(WINDOW)

    def answer_with_18_decimals(self):
        new = self.deployer.deploy(MockAggregator, 18, "A / USD", self.deployer)
        new.report(4 * 10**18, now(), {"from": self.deployer})
        change_aggregator(self.proxy, new, self.deployer)

    def redenominate(self):
        self.token.setDecimals(6, {"from": self.deployer})

    def be_worth_nothing(self):
        self.second.setPrice(0, {"from": self.deployer})

    def be_worth_more_than_fits(self):
        self.second.setPrice(MAX, {"from": self.deployer})


FAILURES = {
    "D1 stale": ("chainlink", "grow_old", "PriceStale"),
    "D2 down": ("anchored", "fall_and_leave_the_other", "OracleDivergence"),
    "D2 up": ("anchored", "rise_and_leave_the_other", "OracleDivergence"),
    "D3 clamp": ("chainlink", "pin_at_clamp", "PriceClamped"),
    "D4 sequencer down": ("sequenced", "stop_sequencer", "SequencerDown"),
    "D4 sequencer just up": ("sequenced", "restart_sequencer", "SequencerJustUp"),
    "D6 thin pool": ("pool", "leave_pool", "PriceThin"),
    "D8 decimals of the answer": ("chainlink", "answer_with_18_decimals", "DecimalsChanged"),
    "B11 decimals of the token": ("chainlink", "redenominate", "DecimalsChanged"),
    "C17 zero": ("second", "be_worth_nothing", "PriceBad"),
    "C17 beyond the word": ("second", "be_worth_more_than_fits", "PriceBad"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_failing_source_stops_swaps_of_its_token_and_nobody_from_leaving(
    world, deployer, strategist, alice, bob, failure
):
    """D1, D2, D3, D4, D6, D8, B11, C17, G1: the swap reverts with the reason; to mint and to redeem is as ever, to the unit."""
    kind, fail, refusal = FAILURES[failure]
    tokens = [world.token(18, 4), world.token(6, 1), world.token(8, 2), world.token(18, 1)]
    source = Source(world, deployer, tokens[A], world.token(6, 1))
    feed = getattr(source, kind)
    index = world.create(tokens)
    world.set_feed(tokens[A], feed() if callable(feed) and not hasattr(feed, "address") else feed)
    index.start([WAD // 5, WAD * 3 // 10, WAD // 5, WAD * 3 // 10])
    orders = [
        index.order(sell, buy, amount, min_buy=index.mid(sell, buy, amount))
        for sell, buy, amount in ((A, B, 10**15), (2, 3, 10**6))
    ]
    with undone():
        index.swap(orders[0])  # before it fails, it works
    for token in tokens:
        token.mint(world.taker, 10**24, {"from": deployer})

    getattr(source, fail)()
    assert why(world.rebalancer.swap, orders[0], sender=strategist)[:1] == (refusal,)
    assert world.oracle.tryPrice(tokens[A]) == 0
    index.swap(orders[1], fund=False)

    shares = 7 * WAD + 3
    reserves, supply = index.reserves(), index.token.totalSupply()
    index.fund(bob, shares)
    before = index.balances(bob)
    index.mint(bob, shares, fund=False)
    paid = [x - y for x, y in zip(before, index.balances(bob), strict=True)]
    assert paid == [-(-shares * amount // supply) for amount in reserves]

    reserves, supply, before = index.reserves(), index.token.totalSupply(), index.balances(alice)
    index.redeem(alice, shares)
    got = [y - x for x, y in zip(before, index.balances(alice), strict=True)]
    assert got == [shares * amount // supply for amount in reserves] and all(got)


@pytest.mark.parametrize("percent", [1, 5, 20])
def test_moving_the_mean_of_a_pool_takes_time_or_money(world, percent):
    """D6: a genuine pool with a million dollars on either side, sold down and held for 1, 10, 100 blocks of 12 seconds.

    The mean of 30 minutes follows by the part of the window that the push is held. Left alone, the attacker pays the fee
    twice; met by anyone who trades back, he loses the square of the push, and again for each block he restores it.
    """
    token, quote = world.token(18, 4), world.token(6, 1)
    pools = opened(world, token, quote, usd=1_000_000)
    feed = twap_feed(world, pools, token, quote)
    calm, moves = feed.price(), []
    for blocks in (1, 10, 100):
        with undone():
            sold, bought = pools.push("v3", token, percent)
            assert feed.price() == calm
            wait(BLOCK * blocks)
            move = 1 - feed.price() / calm
            spent = sold * calm // D27  # {nUSD} at the price before
            met = spent - bought * world.oracle.price(quote) // D27
            back = pools.swap("v3", quote, bought)
            alone = (sold - back) * calm // D27
            held = BLOCK * blocks / WINDOW
            expected = 1 - (1 - percent / 100) ** held
            print(f"D6 push {percent} % for {blocks} blocks: mean moves {move * 1e4:.1f} bps, {spent / 1e9:,.0f} USD in, "
                  f"costs {alone / 1e9:,.0f} USD left alone, {met / 1e9:,.0f} USD met, {met * blocks / 1e9:,.0f} USD met in every block")  # fmt: skip
            assert abs(move - expected) <= 2e-4 + 0.03 * expected
            assert 0.0055 * spent <= alone <= 0.0065 * spent
            # selling x into a constant product of depth X at 4 dollars: x/X = (1 − p)^−½ − 1, loses p·x or so, less than half of it twice
            assert 0.4 * percent / 100 * spent <= met <= (percent / 100 + 0.004) * spent
            moves.append(move)
    assert moves[0] < moves[1] < moves[2] < -log(1 - percent / 100)


def test_gift_to_an_index_is_not_a_way_to_move_its_price(world, deployer, governor, alice, bob, eve):
    """D6, A1: core and satellite: eve owns a tenth of the satellite and gives it a gift before the core trades it. Its price
    rises by the gift, for good and for everyone; she gets back a tenth of it."""
    inner = world.create([world.token(18, 3), world.token(6, 1)])
    feed = deployer.deploy(IndexNavFeed, inner.token, world.core.oracle)
    world.oracle.setFeed(inner.token, feed, {"from": governor})
    inner.token.transfer(eve, 100 * WAD, {"from": alice})
    before, supply = feed.price(), inner.token.totalSupply()
    mine = 100 * WAD * before // D27  # {nUSD} that eve owns

    gift = 20_000 * 10**6  # of the second token: 20,000 dollars of a fund of 100,000
    inner.tokens[1].mint(eve, gift, {"from": eve})
    inner.tokens[1].transfer(inner.token, gift, {"from": eve})
    given = 20_000 * 10**9  # {nUSD}
    assert abs(feed.price() - before - given * D27 // supply) <= before // 10**9
    held = inner.balances(eve)
    inner.redeem(eve, 100 * WAD)
    got = sum((y - x) * inner.price(i) // D27 for i, (x, y) in enumerate(zip(held, inner.balances(eve), strict=True)))
    assert abs(got - mine - given // 10) <= given // 10**6
    # what the others hold is worth the raised price: they can redeem for it
    held, price = inner.balances(alice), feed.price()
    inner.redeem(alice, 10 * WAD)
    got = sum((y - x) * inner.price(i) // D27 for i, (x, y) in enumerate(zip(held, inner.balances(alice), strict=True)))
    assert abs(got - 10 * WAD * price // D27) <= price // 10**9
    assert inner.token.balanceOf(eve) == 0
