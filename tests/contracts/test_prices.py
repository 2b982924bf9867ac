"""Prices: D27 nano-USD for one base unit, or the reason why there is none.

PriceOracle
├── price: the feed's, or PriceMissing, PriceBad for zero and above 2^160, or the feed's own reason
├── tryPrice: zero wherever `price` would revert
└── setFeed: only the feed of that token; zero removes it

ChainlinkFeed
├── scales exactly for token decimals 0 to 27 and answers of 8 and 18 decimals
├── refuses zero, negative and absurd answers with PriceBad
├── refuses old and future answers with PriceStale
├── pins the decimals of its token
└── refuses to be made of nothing
"""

import pytest
from brownie import ChainlinkFeed, MockAggregator, MockFeed

from offchain.chain.artifacts import chainlink_proxy
from offchain.chain.transactions import deploy
from tests.contracts.support import (
    DAY,
    DEAD,
    HOUR,
    MAX,
    WAD,
    ZERO,
    chainlink_feed,
    now,
    price_d27,
    wait,
    web3,
    why,
    why_call,
)


@pytest.fixture
def oracle(world):
    return world.oracle


@pytest.fixture
def source(world, deployer):
    """(token, aggregator, feed) of an 18-decimals token at 2000.12345678 dollars, answered now."""
    token = world.token(18)
    aggregator = deployer.deploy(MockAggregator, 8, "TOK / USD", deployer)
    aggregator.report(200_012_345_678, now(), {"from": deployer})
    return token, aggregator, chainlink_feed(token, aggregator, HOUR)


def test_oracle_price_is_that_of_the_feed(world, oracle, eve):
    token = world.token(6, 3)
    assert oracle.price(token) == oracle.tryPrice(token) == price_d27(3, 6) == 3 * 10**30


def test_oracle_without_a_feed_has_no_price(oracle):
    assert why(oracle.price, DEAD, sender=DEAD) == ("PriceMissing", DEAD)
    assert oracle.tryPrice(DEAD) == 0


@pytest.mark.parametrize("bad", [0, 2**160, MAX])
def test_oracle_refuses_zero_and_absurd_prices(world, oracle, eve, bad):
    token = world.token()
    MockFeed.at(oracle.feedOf(token), persist=False).setPrice(bad, {"from": eve})
    shown = bad if bad < 2**255 else bad - 2**256
    assert why(oracle.price, token, sender=eve) == ("PriceBad", token.address, shown)
    assert oracle.tryPrice(token) == 0


def test_oracle_takes_the_largest_price(world, oracle, eve):
    token = world.token()
    MockFeed.at(oracle.feedOf(token), persist=False).setPrice(2**160 - 1, {"from": eve})
    assert oracle.price(token) == 2**160 - 1


def test_oracle_hands_on_the_reason_of_the_feed(world, oracle, eve):
    """D7: a dead feed says so; tryPrice says zero."""
    token = world.token()
    MockFeed.at(oracle.feedOf(token), persist=False).setDead(True, {"from": eve})
    assert why(oracle.price, token, sender=eve) == ("FeedDead",)
    assert oracle.tryPrice(token) == 0


def test_set_feed_takes_only_the_feed_of_that_token(world, oracle, governor):
    one, other = world.token(), world.token()
    feed = oracle.feedOf(other)
    assert why(oracle.setFeed, one, feed, sender=governor) == ("FeedMismatch", one.address, other.address)
    assert why(oracle.setFeed, ZERO, feed, sender=governor) == ("ZeroAddress",)
    assert why(oracle.setFeed, one, DEAD, sender=governor) is not None


def test_set_feed_to_zero_removes_it(world, oracle, governor):
    token = world.token()
    tx = oracle.setFeed(token, ZERO, {"from": governor})
    assert dict(tx.events["SetFeed"]) == {"token": token, "feed": ZERO}
    assert why(oracle.price, token, sender=governor) == ("PriceMissing", token.address)


@pytest.mark.parametrize("answer_decimals", [8, 18])
@pytest.mark.parametrize("decimals", range(28))
def test_chainlink_feed_scales_exactly(world, deployer, decimals, answer_decimals):
    """B12: {nUSD} of one base unit in D27 is usd·10^(36 − decimals), to the last digit that fits."""
    token = world.token(decimals)
    aggregator = deployer.deploy(MockAggregator, answer_decimals, "TOK / USD", deployer)
    feed = chainlink_feed(token, aggregator, HOUR)
    for answer in (1, 123_456_789, 99_999 * 10**answer_decimals + 1):
        aggregator.report(answer, now(), {"from": deployer})
        assert feed.price() == answer * 10**36 // 10 ** (decimals + answer_decimals)


@pytest.mark.parametrize("answer", [0, -1, -(2**191), 2**127, 2**191 - 1])
def test_chainlink_feed_refuses_bad_answers(source, deployer, eve, answer):
    token, aggregator, feed = source
    aggregator.report(answer, now(), {"from": deployer})
    assert why(feed.price, sender=eve) == ("PriceBad", token.address, answer)


def test_chainlink_feed_refuses_old_and_future_answers(source, deployer, eve):
    """D1: good to the last second of its age, and not one longer."""
    token, aggregator, feed = source
    at = now()
    aggregator.report(10**8, at, {"from": deployer})
    wait(at + HOUR - now())
    assert feed.price() == 10**8 * 10**10
    wait(1)
    assert why(feed.price, sender=eve) == ("PriceStale", token.address, at, HOUR)
    future = now() + 100
    aggregator.report(10**8, future, {"from": deployer})
    assert why(feed.price, sender=eve) == ("PriceStale", token.address, future, HOUR)
    wait(future - now())
    assert feed.price() == 10**18


def test_chainlink_feed_that_never_answered_has_no_price(world, deployer, eve):
    aggregator = deployer.deploy(MockAggregator, 8, "TOK / USD", deployer)
    feed = chainlink_feed(world.token(), aggregator, HOUR)
    assert why(feed.price, sender=eve) == ("Error", "No data present")


def test_chainlink_feed_pins_the_decimals_of_its_token(source, eve):
    """B11, D8: an upgrade of the token does not move its price."""
    token, _, feed = source
    before = feed.price()
    token.setDecimals(6, {"from": eve})
    assert feed.price() == before == 200_012_345_678 * 10**10


def test_chainlink_feed_refuses_to_be_made_of_nothing(world, source, deployer):
    token, aggregator, _ = source
    for arguments, reason in (
        ((ZERO, aggregator, HOUR), ("ZeroAddress",)),
        ((token, ZERO, HOUR), ("ZeroAddress",)),
        ((token, aggregator, 0), ("ValueOutOfBounds", "maxAge", 0, 1, 30 * DAY)),
        ((token, aggregator, 30 * DAY + 1), ("ValueOutOfBounds", "maxAge", 30 * DAY + 1, 1, 30 * DAY)),
        ((world.token(70), aggregator, HOUR), ("ValueOutOfBounds", "decimals", 78, 0, 72)),
    ):
        assert refused_deployment(ChainlinkFeed, arguments) == reason


def refused_deployment(container, arguments):
    data = container.deploy.encode_input(*arguments)
    return why_call({"from": DEAD, "data": data if data.startswith("0x") else "0x" + data})


def test_chainlink_feed_reads_the_genuine_proxy(world, source, deployer):
    """The proxy puts its phase into round ids; the feed must not care."""
    token, aggregator, feed = source
    proxy = deploy(web3, deployer.address, chainlink_proxy(), aggregator.address, ZERO)
    through = chainlink_feed(token, proxy.address, HOUR)
    assert through.price() == feed.price() == 2000_12345678 * WAD // 10**8
