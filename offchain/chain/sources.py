"""From the feeds that an index file names to feeds that can be deployed, and what those would answer now.

`build_feed(w3, spec.feeds, "weth", oracle)` is the feed of that name; `read_price(w3, feed)` asks what it reads and
answers as the contract would, before there is a contract: Reverted with the contract's reason where it would refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from web3 import Web3

from offchain.chain.artifacts import artifact, vendor
from offchain.chain.core import index_contract
from offchain.chain.feeds import (
    AnchoredFeed,
    AnyFeed,
    Feed,
    NavFeed,
    SequencerFeed,
    TwapFeed,
    VaultFeed,
    ask,
    limits_of,
)
from offchain.chain.transactions import at
from offchain.errors import ChainError
from offchain.reference import price_math
from offchain.reference.constants import D27
from offchain.reference.integers import Reverted
from offchain.spec.feeds import FeedRules
from offchain.units import bps_to_wad, to_decimal

MINUTE = 60
PPM_PER_BPS = 100


def build_feed(w3: Web3, feeds: Sequence[FeedRules], name: str, oracle: str) -> AnyFeed:
    """The feed called `name`, with those it stands on. `oracle` prices what an index holds; empty if there is none yet."""
    rules = {feed.name: feed for feed in feeds}[name]
    token = Web3.to_checksum_address(rules.token) if rules.token else ""

    def part(other: str) -> AnyFeed:
        return build_feed(w3, feeds, other, oracle)

    if rules.kind == "chainlink":
        low, high = _answers(w3, rules)
        return Feed(
            token=token,
            aggregator=Web3.to_checksum_address(rules.aggregator),
            max_age=rules.max_age_minutes * MINUTE,
            min_answer=low,
            max_answer=high,
        )
    if rules.kind == "uniswap_v3_twap":
        return TwapFeed(
            token=token,
            pool=Web3.to_checksum_address(rules.pool),
            quote=part(rules.quote),
            window=rules.window_minutes * MINUTE,
            min_liquidity=int(rules.min_liquidity),
        )
    if rules.kind == "erc4626":
        jump, growth = bps_to_wad(rules.max_jump_bps), bps_to_wad(rules.max_growth_bps)
        return VaultFeed(token=token, asset=part(rules.asset), max_jump=jump, max_growth=growth)
    if rules.kind == "index_nav":
        if not oracle:
            raise ChainError(
                f'feed "{name}" needs the prices of what {token} holds: deploy that index with this core first'
            )
        return NavFeed(token=token, oracle=oracle)
    if rules.kind == "anchored":
        deviation = rules.max_deviation_bps * PPM_PER_BPS
        return AnchoredFeed(primary=part(rules.primary), anchor=part(rules.anchor), max_deviation=deviation)
    uptime = Web3.to_checksum_address(rules.uptime_feed)
    return SequencerFeed(feed=part(rules.feed), uptime_feed=uptime, grace=rules.grace_minutes * MINUTE)


def read_price(w3: Web3, feed: AnyFeed) -> int:
    """D27{nUSD/tok} that the feed would answer in the latest block. Reverted where it would refuse."""
    if isinstance(feed, Feed):
        return _chainlink_price(w3, feed)
    if isinstance(feed, TwapFeed):
        return _twap_price(w3, feed)
    if isinstance(feed, VaultFeed):
        vault = at(w3, artifact("IERC4626"), feed.token)
        rate = int(vault.functions.convertToAssets(D27).call())
        return price_math.usable(price_math.of_share(read_price(w3, feed.asset), rate))
    if isinstance(feed, NavFeed):
        return _nav_price(w3, feed)
    if isinstance(feed, AnchoredFeed):
        price, anchor = read_price(w3, feed.primary), read_price(w3, feed.anchor)
        if price_math.diverges(price, anchor, feed.max_deviation):
            raise Reverted("OracleDivergence", feed.token, price, anchor, feed.max_deviation)
        return price
    _, answer, since, _, _ = _round(w3, feed.uptime_feed)
    if answer != 0 or since == 0:
        raise Reverted("SequencerDown", since)
    if not since < _now(w3) - feed.grace:
        raise Reverted("SequencerJustUp", since, feed.grace)
    return read_price(w3, feed.feed)


def _answers(w3: Web3, rules: FeedRules) -> tuple[int | None, int | None]:
    """Limits in USD as answers of the aggregator; None where the file has none."""
    if not (rules.min_usd or rules.max_usd):
        return None, None
    (decimals,) = ask(w3, [(rules.aggregator, "decimals()")])
    if decimals is None:
        raise ChainError(f'feed "{rules.name}": {rules.aggregator} does not say its decimals; correct the address')
    low, high = (
        int((to_decimal(usd) * Decimal(10) ** decimals).to_integral_value()) if usd else None
        for usd in (rules.min_usd, rules.max_usd)
    )
    return low, high


def _chainlink_price(w3: Web3, feed: Feed) -> int:
    mine, theirs = ask(w3, [(feed.token, "decimals()"), (feed.aggregator, "decimals()")])
    if mine is None or theirs is None:
        raise ChainError(f"{feed.token} or {feed.aggregator} does not say its decimals; correct the addresses")
    low, high = (int(limit) for limit in feed.arguments((), limits_of(w3, [feed])[feed])[3:])
    _, answer, _, updated_at, _ = _round(w3, feed.aggregator)
    return price_math.chainlink_price(
        answer,
        updated_at=updated_at,
        now=_now(w3),
        max_age=feed.max_age,
        token_decimals=mine,
        aggregator_decimals=theirs,
        min_answer=low,
        max_answer=high,
    )


def _twap_price(w3: Web3, feed: TwapFeed) -> int:
    pool = at(w3, vendor("UniswapV3Pool"), feed.pool)
    ticks, liquidities = pool.functions.observe([feed.window, 0]).call()
    return price_math.twap_price(
        (int(ticks[0]), int(ticks[1])),
        (int(liquidities[0]), int(liquidities[1])),
        window=feed.window,
        is_token0=pool.functions.token0().call() == feed.token,
        min_liquidity=feed.min_liquidity,
        quote_price=read_price(w3, feed.quote),
    )


def _nav_price(w3: Web3, feed: NavFeed) -> int:
    index = index_contract(w3, feed.token)
    oracle = at(w3, artifact("PriceOracle"), feed.oracle)
    prices = [int(oracle.functions.tryPrice(token).call()) or None for token in index.functions.components().call()]
    reserves = [int(amount) for amount in index.functions.reserves().call()]
    return price_math.nav_price(reserves, prices, int(index.functions.totalSupply().call()))


def _round(w3: Web3, aggregator: str) -> tuple[int, int, int, int, int]:
    """latestRoundData."""
    answer = at(w3, artifact("IAggregator"), aggregator).functions.latestRoundData().call()
    return (int(answer[0]), int(answer[1]), int(answer[2]), int(answer[3]), int(answer[4]))


def _now(w3: Web3) -> int:
    return int(w3.eth.get_block("latest")["timestamp"])
