"""From an index file's [[feeds]] to feeds on the chain: deployed after what they stand on, kept when they are there already.

set_feeds
├── given every kind at once: each price is what `read_price` said before there was a contract
├── given the same again: sends nothing
├── given another bound: deploys that feed anew
└── read_price refuses for the reason for which the contract will
"""

import pytest
from brownie import MockAggregator, TestVault

from offchain.chain.deploy import set_feeds
from offchain.chain.feeds import AnchoredFeed, by_level, reads_the_same
from offchain.chain.sources import build_feed, read_price
from offchain.errors import ChainError
from offchain.reference.integers import Reverted
from offchain.spec.feeds import FeedRules
from tests.contracts.support import DAY, HOUR, MAX, now, wait, web3
from tests.contracts.test_feeds_twap import opened
from tests.contracts.test_prices import proxy_of


@pytest.fixture
def market(world, deployer):
    """Rules of every kind, over genuine proxies, a genuine pool, a vault and an index; and the aggregators."""
    token, usdc = world.token(18, 4), world.token(6, 1)
    pools = opened(world, token, usdc)
    aggregators = {}
    for name, answer in (("main", 4 * 10**8), ("usdc", 10**8), ("uptime", 0)):
        aggregators[name] = deployer.deploy(MockAggregator, 0 if name == "uptime" else 8, name, deployer)
        aggregators[name].report(answer, now() - (2 * DAY if name == "uptime" else 0), {"from": deployer})
    proxies = {name: proxy_of(source, deployer) for name, source in aggregators.items()}
    vault = deployer.deploy(TestVault, usdc, 6)
    usdc.mint(deployer, 10**12, {"from": deployer})
    usdc.approve(vault, MAX, {"from": deployer})
    vault.deposit(10**12, deployer, {"from": deployer})
    index = world.create([world.token(), world.token(8)])
    liquidity = pools.v3.functions.liquidity().call()
    rules = (
        FeedRules(
            name="main", kind="chainlink", token=token.address, aggregator=proxies["main"], max_age_minutes=60,
            min_usd=0.05, max_usd=1e6,
        ),
        FeedRules(name="usdc", kind="chainlink", token=usdc.address, aggregator=proxies["usdc"], max_age_minutes=60),
        FeedRules(
            name="pool", kind="uniswap_v3_twap", token=token.address, pool=pools.v3.address, quote="usdc",
            window_minutes=30, min_liquidity=str(liquidity // 2),
        ),
        FeedRules(name="both", kind="anchored", primary="main", anchor="pool", max_deviation_bps=100),
        FeedRules(name="layer-2", kind="sequencer", feed="both", uptime_feed=proxies["uptime"], grace_minutes=60),
        FeedRules(name="vault", kind="erc4626", token=vault.address, asset="usdc", max_jump_bps=100, max_growth_bps=2000),
        FeedRules(name="core", kind="index_nav", token=index.address),
    )  # fmt: skip
    return rules, aggregators


def built(world, rules, *names):
    return [build_feed(web3, rules, name, world.core.oracle) for name in names]


def test_feeds_of_a_file_are_deployed_and_kept(world, deployer, market):
    rules, _ = market
    feeds = built(world, rules, "layer-2", "vault", "core", "usdc")
    assert [len(level) for level in by_level(feeds)] == [3, 2, 1, 1]  # main, usdc, core; pool, vault; both; layer-2
    said = {feed.token: read_price(web3, feed) for feed in feeds}
    made = set_feeds(web3, deployer.address, world.core, feeds)
    assert {token: world.oracle.feedOf(token) for token in made} == made and len(made) == 4
    for feed in feeds:
        assert world.oracle.price(feed.token) == read_price(web3, feed)
        assert abs(world.oracle.price(feed.token) - said[feed.token]) <= said[feed.token] // 10**4
        assert reads_the_same(web3, made[feed.token], feed)

    sent = web3.eth.get_transaction_count(deployer.address)
    assert (
        set_feeds(web3, deployer.address, world.core, built(world, rules, "layer-2", "vault", "core", "usdc")) == made
    )
    assert web3.eth.get_transaction_count(deployer.address) == sent

    layer, vault = feeds[:2]
    assert not reads_the_same(web3, made[layer.token], layer.feed)
    assert not reads_the_same(web3, made[vault.token], feeds[3])
    both = layer.feed
    other = AnchoredFeed(primary=both.primary, anchor=both.anchor, max_deviation=both.max_deviation + 1)
    again = set_feeds(web3, deployer.address, world.core, [other])
    assert again[layer.token] != made[layer.token] and world.oracle.feedOf(layer.token) == again[layer.token]


def test_price_before_there_is_a_contract_is_refused_for_its_reason(world, deployer, market):
    rules, aggregators = market
    (layer,) = built(world, rules, "layer-2")
    assert read_price(web3, layer) == 4 * 10**18
    aggregators["main"].report(41 * 10**7, now(), {"from": deployer})
    assert refused(layer) == "OracleDivergence"
    aggregators["main"].report(5 * 10**6, now(), {"from": deployer})
    assert refused(layer) == "PriceClamped"
    aggregators["main"].report(4 * 10**8, now(), {"from": deployer})
    aggregators["uptime"].report(0, now() - 60, {"from": deployer})
    assert refused(layer) == "SequencerJustUp"
    aggregators["uptime"].report(1, now(), {"from": deployer})
    assert refused(layer) == "SequencerDown"
    wait(2 * HOUR)
    assert refused(layer.feed) == "PriceStale"
    with pytest.raises(ChainError, match="deploy that index with this core first"):
        build_feed(web3, rules, "core", "")


def refused(feed):
    with pytest.raises(Reverted) as refusal:
        read_price(web3, feed)
    return refusal.value.reason
