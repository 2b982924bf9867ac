"""Price feeds of an index file that are more than one Chainlink address: `[[feeds]]`, each with a name and a kind.

    [[feeds]]
    name = "weth-twap"
    kind = "uniswap_v3_twap"
    token = "0x…"
    pool = "0x…"
    quote = "usdc"              # another feed, by its name
    window_minutes = 30
    min_liquidity = "1000000000000000000"

A component names its feed: `feed = "weth-twap"`. USED_BY says which keys a kind needs and which it may have; a key that
a kind does not read is refused, because it would have no effect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from offchain.errors import did_you_mean
from offchain.spec.keys import Address, Choice, FeedName, Integer, Number, Text, key

KINDS = ("chainlink", "uniswap_v3_twap", "erc4626", "index_nav", "anchored", "sequencer")

_REF = FeedName(empty=True)
_ADDRESS = Address(empty=True)
_MINUTES = Integer(low=0, high=43_200)


@dataclass(frozen=True, kw_only=True)
class FeedRules:
    """[[feeds]]: one source of a price; components and other feeds name it. Keys a kind does not read stay away."""

    name: str = key(FeedName(), doc="What components and other feeds call it.")
    kind: str = key(Choice(options=KINDS), doc="What it reads.")
    token: str = key(_ADDRESS, default="", doc="The ERC-20 it prices: for erc4626 the vault, for index_nav the index.")
    aggregator: str = key(_ADDRESS, default="", doc="chainlink: the proxy TOKEN/USD.")
    max_age_minutes: int = key(_MINUTES, unit="minutes", default=0, doc="chainlink: oldest answer accepted.")
    min_usd: float = key(Number(low=0, high=1e15), unit="USD", default=0.0, doc="chainlink: refuse at or below it.")
    max_usd: float = key(Number(low=0, high=1e15), unit="USD", default=0.0, doc="chainlink: refuse at or above it.")
    pool: str = key(_ADDRESS, default="", doc="uniswap_v3_twap: the pool of the token.")
    quote: str = key(_REF, default="", doc="uniswap_v3_twap: feed of the pool's other token.")
    window_minutes: int = key(
        Integer(low=0, high=1_440), unit="minutes", default=0, doc="uniswap_v3_twap: of the mean."
    )
    min_liquidity: str = key(
        Text(pattern=r"([1-9][0-9]{0,38})?", rule='a whole number in quotes, such as "1000000000000000000"'),
        default="",
        doc="uniswap_v3_twap: least harmonic mean of the pool's liquidity in range.",
    )
    asset: str = key(_REF, default="", doc="erc4626: feed of the vault's asset.")
    max_jump_bps: int = key(Integer(low=0, high=500), unit="bps", default=0, doc="erc4626: from the last checkpoint.")
    max_growth_bps: int = key(
        Integer(low=0, high=10_000), unit="bps per year", default=0, doc="erc4626: on top, in proportion to time."
    )
    primary: str = key(_REF, default="", doc="anchored: feed whose price is used.")
    anchor: str = key(_REF, default="", doc="anchored: feed that must agree.")
    max_deviation_bps: int = key(Integer(low=0, high=2_000), unit="bps", default=0, doc="anchored: between the two.")
    feed: str = key(_REF, default="", doc="sequencer: feed whose price is used.")
    uptime_feed: str = key(_ADDRESS, default="", doc="sequencer: Chainlink's uptime feed of this rollup.")
    grace_minutes: int = key(
        Integer(low=0, high=1_440), unit="minutes", default=0, doc="sequencer: wait after it came back."
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the feeds it stands on."""
        return tuple(name for name in (self.quote, self.asset, self.primary, self.anchor, self.feed) if name)


USED_BY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # kind: (needed, also allowed)
    "chainlink": (("token", "aggregator", "max_age_minutes"), ("min_usd", "max_usd")),
    "uniswap_v3_twap": (("token", "pool", "quote", "window_minutes", "min_liquidity"), ()),
    "erc4626": (("token", "asset", "max_jump_bps"), ("max_growth_bps",)),
    "index_nav": (("token",), ()),
    "anchored": (("primary", "anchor", "max_deviation_bps"), ()),
    "sequencer": (("feed", "uptime_feed", "grace_minutes"), ()),
}
MIN_WINDOW_MINUTES = 30  # the contract's bound


def priced_token(feeds: Sequence[FeedRules], name: str) -> str:
    """The token that a feed prices, through those it stands on. Assumes there is no circle."""
    rules = {feed.name: feed for feed in feeds}[name]
    return rules.token or priced_token(feeds, rules.primary or rules.feed)


def contradictions(feeds: Sequence[FeedRules], components: Sequence[tuple[str, str, str]]) -> list[str]:
    """Mistakes between keys, feeds, and components (symbol, address, feed)."""
    names = [feed.name for feed in feeds]
    found = [
        f'feeds: name "{name}" appears {names.count(name)} times: give each feed its own' for name in _repeated(names)
    ]
    for feed in feeds:
        found += _key_problems(feed) + _reference_problems(feed, names)
    used = [(symbol, address, feed) for symbol, address, feed in components if feed and not feed.startswith("0x")]
    for symbol, _, name in used:
        if name not in names:
            found.append(
                f'components: feed "{name}" of {symbol} is not among [[feeds]]: add it or correct the name.'
                f"{did_you_mean(name, names)}"
            )
    if not found:
        found += _circles(feeds)
    if not found:
        found += [
            f'components: feed "{name}" of {symbol} prices {priced_token(feeds, name)}, not {address}: name another feed'
            for symbol, address, name in used
            if priced_token(feeds, name) != address
        ]
        found += _token_problems(feeds)
    return found


def _key_problems(feed: FeedRules) -> list[str]:
    needed, allowed = USED_BY[feed.kind]
    given = {
        row.name for row in dataclasses.fields(feed) if row.name not in ("name", "kind") and getattr(feed, row.name)
    }
    where = f'feeds "{feed.name}" of kind "{feed.kind}"'
    found = [f"{where} needs {name}: add it" for name in needed if name not in given]
    found += [
        f"{where} does not read {name}: remove it, it would have no effect"
        for name in sorted(given - {*needed, *allowed})
    ]
    if feed.window_minutes and feed.window_minutes < MIN_WINDOW_MINUTES:
        found.append(f"{where}: window_minutes = {feed.window_minutes} is below {MIN_WINDOW_MINUTES}: lengthen it")
    if feed.max_usd and feed.max_usd <= feed.min_usd:
        found.append(
            f"{where}: max_usd = {feed.max_usd:g} must be above min_usd = {feed.min_usd:g}: correct one of them"
        )
    return found


def _reference_problems(feed: FeedRules, names: Sequence[str]) -> list[str]:
    return [
        f'feeds "{feed.name}" stands on "{part}", which is not among [[feeds]]: add it or correct the name.'
        f"{did_you_mean(part, names)}"
        for part in feed.parts
        if part not in names
    ]


def _circles(feeds: Sequence[FeedRules]) -> list[str]:
    left = {feed.name: set(feed.parts) for feed in feeds}
    while ready := [name for name, parts in left.items() if not parts & left.keys()]:
        for name in ready:
            del left[name]
    return [f"feeds {', '.join(left)} stand on each other in a circle: break it"] if left else []


def _token_problems(feeds: Sequence[FeedRules]) -> list[str]:
    return [
        f'feeds "{feed.name}": "{feed.primary}" prices {priced_token(feeds, feed.primary)} and "{feed.anchor}" '
        f"{priced_token(feeds, feed.anchor)}: both must price the same token"
        for feed in feeds
        if feed.kind == "anchored" and priced_token(feeds, feed.primary) != priced_token(feeds, feed.anchor)
    ]


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
