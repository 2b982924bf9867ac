"""Prices: D27 nano-USD for one base unit, or the reason why there is none.

PriceOracle
├── price: the feed's, or PriceMissing, PriceBad for zero and above 2^160, or the feed's own reason
├── tryPrice
│   ├── zero wherever `price` would revert
│   ├── bounded in gas: a feed that burns what it gets, or answers without end, costs no more and blocks no other
│   └── given little gas, refuses to say that a good price is missing
└── setFeed: only the feed of that token; zero removes it

ChainlinkFeed
├── scales exactly for token decimals 0 to 27 and answers of 8 and 18 decimals
├── refuses zero, negative and absurd answers, and those too small for one base unit, with PriceBad
├── refuses old and future answers with PriceStale
├── refuses answers at or beyond its limits with PriceClamped
├── pins the decimals of token and aggregator: DecimalsChanged
├── behind a proxy
│   ├── while the phase is that of its making, asks nothing more
│   └── after a change of aggregator: other decimals have no price, a narrower clamp counts
└── refuses to be made of nothing, or with limits beyond the aggregator's
"""

import pytest
from brownie import ChainlinkFeed, HostileFeed, MockAggregator, MockFeed
from eth_abi import decode

from offchain.chain.artifacts import chainlink_proxy
from offchain.chain.transactions import at, deploy, send
from offchain.reference.constants import PRICE_GAS
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
    reason,
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


@pytest.mark.parametrize("mode", [1, 2, 3], ids=["burns all gas", "a huge answer", "a huge reason"])
def test_one_feed_gone_bad_does_not_block_the_valuation_of_the_others(mixed, world, deployer, governor, eve, mode):
    """D7: what the other components are worth is still said, within the gas of one transaction."""
    bad = deployer.deploy(HostileFeed, mixed.tokens[0])
    world.set_feed(mixed.tokens[0], bad)
    before = world.lens.navOf(mixed.token)
    bad.setMode(mode, {"from": eve})
    assert world.oracle.tryPrice(mixed.tokens[0]) == 0
    gas = 2 * PRICE_GAS
    request = {"from": eve.address, "to": world.lens.address, "gas": gas}
    answer = web3.eth.call({**request, "data": world.lens.navOf.encode_input(mixed.token)})
    nav, nav_per_share, unpriced = decode(["uint256"] * 3, answer)
    assert unpriced == 1
    assert nav == sum(mixed.reserves()[i] * mixed.price(i) // 10**27 for i in (1, 2)) < before[0]
    assert nav_per_share > 0


def test_a_price_cannot_be_starved_of_gas(mixed, world, deployer, eve):
    """D7: whoever calls with little gas gets the price or a refusal, never the claim that there is none."""
    aggregator = deployer.deploy(MockAggregator, 8, "TOK / USD", deployer)
    aggregator.report(2 * 10**8, now(), {"from": deployer})
    token = mixed.tokens[0]
    world.set_feed(token, chainlink_feed(token, proxy_of(aggregator, deployer), HOUR))
    price = world.oracle.price(token)
    call = {"from": eve.address, "to": world.oracle.address, "data": world.oracle.tryPrice.encode_input(token)}
    answers = set()
    for gas in range(21_000, 120_000, 1_000):
        try:
            answers.add(int.from_bytes(web3.eth.call({**call, "gas": gas})))
        except ValueError as error:
            assert reason(error.args[0].get("data"))[0] in ("GasTooLow", ""), error
            answers.add("refused")
    assert answers == {price, "refused"}


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
    for answer in (2, 123_456_789, 99_999 * 10**answer_decimals + 1):
        aggregator.report(answer, now(), {"from": deployer})
        expected = answer * 10**36 // 10 ** (decimals + answer_decimals)
        if expected:
            assert feed.price() == expected
        else:
            assert why(feed.price, sender=deployer) == ("PriceBad", token.address, answer)


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
    """B11: a token that shows other decimals has no price until it shows the old ones, or has another feed."""
    token, _, feed = source
    before = feed.price()
    token.setDecimals(6, {"from": eve})
    assert why(feed.price, sender=eve) == ("DecimalsChanged", token.address, 6, 18)
    token.setDecimals(18, {"from": eve})
    assert feed.price() == before == 200_012_345_678 * 10**10


def test_chainlink_feed_refuses_answers_at_its_limits(source, deployer, eve):
    """D3: at a limit the price is somewhere beyond it; one step inside it is a price."""
    token, aggregator, _ = source
    low, high = 10**7, 5 * 10**11
    feed = chainlink_feed(token, aggregator, HOUR, min_answer=low, max_answer=high)
    for answer in (low, low - 1, 1, high, high + 1, 2**127 - 1):
        aggregator.report(answer, now(), {"from": deployer})
        assert why(feed.price, sender=eve) == ("PriceClamped", token.address, answer, low, high)
    for answer in (low + 1, high - 1):
        aggregator.report(answer, now(), {"from": deployer})
        assert feed.price() == answer * 10**10


def test_chainlink_feed_takes_only_limits_inside_those_of_the_aggregator(source, deployer):
    """D3: limits beyond the clamp of the aggregator behind the proxy would never be reached."""
    token, aggregator, _ = source
    aggregator.setLimits(10**6, 10**12, {"from": deployer})
    for place in (aggregator.address, proxy_of(aggregator, deployer)):
        assert refused_deployment(ChainlinkFeed, (token, place, HOUR, 10**6 - 1, 10**12)) == (
            "ValueOutOfBounds", "minAnswer", 10**6 - 1, 10**6, 10**12 - 1,
        )  # fmt: skip
        assert refused_deployment(ChainlinkFeed, (token, place, HOUR, 10**6, 10**12 + 1)) == (
            "ValueOutOfBounds", "maxAnswer", 10**12 + 1, 1, 10**12,
        )  # fmt: skip
        feed = chainlink_feed(token, place, HOUR, min_answer=10**6, max_answer=10**12)
        assert (feed.minAnswer(), feed.maxAnswer()) == (10**6, 10**12)


def test_chainlink_feed_survives_a_change_of_aggregator(source, deployer, eve):
    """D3: Chainlink puts another aggregator behind the proxy: the price goes on, and a narrower clamp counts at once."""
    token, old, _ = source
    proxy = chainlink_at(proxy_of(old, deployer))
    feed = chainlink_feed(token, proxy.address, HOUR, min_answer=10**6)
    cheap = web3.eth.estimate_gas({"to": feed.address, "data": feed.price.encode_input()})
    new = deployer.deploy(MockAggregator, 8, "TOK / USD", deployer)
    new.report(2000 * 10**8, now(), {"from": deployer})
    change_aggregator(proxy, new, deployer)
    assert feed.price() == 2000 * 10**18
    new.setLimits(10**8, 3000 * 10**8, {"from": deployer})
    for answer in (10**8, 3000 * 10**8):
        new.report(answer, now(), {"from": deployer})
        assert why(feed.price, sender=eve) == ("PriceClamped", token.address, answer, 10**8, 3000 * 10**8)
    new.report(10**8 + 1, now(), {"from": deployer})
    assert feed.price() == (10**8 + 1) * 10**10
    new.setLimits(1, 2**191 - 1, {"from": deployer})
    new.report(10**6, now(), {"from": deployer})
    assert why(feed.price, sender=eve) == ("PriceClamped", token.address, 10**6, 10**6, 2**127 - 1)
    new.report(10**8, now(), {"from": deployer})
    dear = web3.eth.estimate_gas({"to": feed.address, "data": feed.price.encode_input()})
    assert 0 < dear - cheap < 25_000, f"{dear - cheap} gas for looking behind the proxy"


def test_chainlink_feed_refuses_an_aggregator_of_other_decimals(source, deployer, eve):
    """D8: the answer of 18 decimals is not read as one of 8."""
    token, old, _ = source
    proxy = chainlink_at(proxy_of(old, deployer))
    feed = chainlink_feed(token, proxy.address, HOUR)
    new = deployer.deploy(MockAggregator, 18, "TOK / USD", deployer)
    new.report(2000 * 10**18, now(), {"from": deployer})
    change_aggregator(proxy, new, deployer)
    assert why(feed.price, sender=eve) == ("DecimalsChanged", proxy.address, 18, 8)


def test_chainlink_feed_refuses_to_be_made_of_nothing(world, source, deployer):
    token, aggregator, _ = source
    top = 2**127 - 1
    for arguments, refusal in (
        ((ZERO, aggregator, HOUR, 1, top), ("ZeroAddress",)),
        ((token, ZERO, HOUR, 1, top), ("ZeroAddress",)),
        ((token, aggregator, 0, 1, top), ("ValueOutOfBounds", "maxAge", 0, 1, 30 * DAY)),
        ((token, aggregator, 30 * DAY + 1, 1, top), ("ValueOutOfBounds", "maxAge", 30 * DAY + 1, 1, 30 * DAY)),
        ((token, aggregator, HOUR, 5, 5), ("ValueOutOfBounds", "minAnswer", 5, 1, 4)),
        ((token, aggregator, HOUR, -1, 5), ("ValueOutOfBounds", "minAnswer", MAX, 1, 4)),
        ((token, aggregator, HOUR, 1, 0), ("ValueOutOfBounds", "maxAnswer", 0, 1, top)),
        ((token, aggregator, HOUR, 1, top + 1), ("ValueOutOfBounds", "maxAnswer", top + 1, 1, top)),
        ((world.token(65), aggregator, HOUR, 1, top), ("ValueOutOfBounds", "decimals", 73, 0, 72)),
        ((world.token(64), aggregator, HOUR, 1, top), None),
        ((token, aggregator, 30 * DAY, 1, top), None),
        ((token, aggregator, 1, 1, 2), None),
    ):
        assert refused_deployment(ChainlinkFeed, arguments) == refusal


def proxy_of(aggregator, deployer):
    """Address of a genuine proxy in front of an aggregator."""
    return deploy(web3, deployer.address, chainlink_proxy(), aggregator.address, ZERO).address


def chainlink_at(address):
    return at(web3, chainlink_proxy(), address)


def change_aggregator(proxy, new, deployer):
    send(web3, deployer.address, proxy.functions.proposeAggregator(new.address))
    send(web3, deployer.address, proxy.functions.confirmAggregator(new.address))


def refused_deployment(container, arguments):
    data = container.deploy.encode_input(*arguments)
    return why_call({"from": DEAD, "data": data if data.startswith("0x") else "0x" + data})


def test_chainlink_feed_reads_the_genuine_proxy(world, source, deployer):
    """The proxy puts its phase into round ids; the feed must not care."""
    token, aggregator, feed = source
    through = chainlink_feed(token, proxy_of(aggregator, deployer), HOUR)
    assert through.price() == feed.price() == 2000_12345678 * WAD // 10**8
