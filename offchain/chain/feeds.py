"""Price feeds to be: what each kind reads, as the arguments of its constructor, and whether a feed on the chain is that.

    Feed(token=…, aggregator=…, max_age=3600)                            Chainlink, at the aggregator's own limits
    TwapFeed(token=…, pool=…, quote=usdc, window=1800, min_liquidity=…)  Uniswap V3, in terms of another feed
    AnchoredFeed(primary=…, anchor=…, max_deviation=20_000)              one feed while another agrees

Feeds stand on feeds (`parts`), never in a circle: a part must exist to be named. Bounds are the contracts'; what an
index file may say is in `offchain/spec`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from eth_utils.abi import function_signature_to_4byte_selector
from web3 import Web3

from offchain.chain.client import rpc_batch_or_none

LARGEST_ANSWER = 2**127 - 1  # of Chainlink, that is accepted
Limits: TypeAlias = tuple[int, int]  # lowest and highest answer


@dataclass(frozen=True, kw_only=True)
class Feed:
    """`aggregator` is the Chainlink proxy TOKEN/USD, `max_age` {s} its heartbeat and a margin.

    Answers at or beyond `min_answer` and `max_answer` (in the aggregator's decimals) are refused; None takes the limits
    that the aggregator itself has.
    """

    contract: ClassVar[str] = "ChainlinkFeed"
    getters: ClassVar[tuple[str, ...]] = ("token", "aggregator", "maxAge", "minAnswer", "maxAnswer")

    token: str
    aggregator: str
    max_age: int
    min_answer: int | None = None
    max_answer: int | None = None

    @property
    def parts(self) -> tuple[AnyFeed, ...]:
        return ()

    def arguments(self, parts: Sequence[str], limits: Limits | None) -> tuple[str | int, ...]:
        """Constructor arguments; `limits` are those of the aggregator."""
        low, high = limits or (0, LARGEST_ANSWER)
        return (
            self.token,
            self.aggregator,
            self.max_age,
            low if self.min_answer is None else self.min_answer,
            high if self.max_answer is None else self.max_answer,
        )


@dataclass(frozen=True, kw_only=True)
class TwapFeed:
    """Mean tick of a Uniswap V3 pool over `window` {s}, times the price of its other token; `min_liquidity` in range."""

    contract: ClassVar[str] = "UniswapV3TwapFeed"
    getters: ClassVar[tuple[str, ...]] = ("token", "pool", "quoteFeed", "window", "minLiquidity")

    token: str
    pool: str
    quote: AnyFeed
    window: int
    min_liquidity: int

    @property
    def parts(self) -> tuple[AnyFeed, ...]:
        return (self.quote,)

    def arguments(self, parts: Sequence[str], limits: Limits | None) -> tuple[str | int, ...]:
        return (self.token, self.pool, parts[0], self.window, self.min_liquidity)


@dataclass(frozen=True, kw_only=True)
class VaultFeed:
    """Share price of an ERC-4626 vault: `max_jump` D18{1} from its checkpoint, `max_growth` D18{1/year} on top."""

    contract: ClassVar[str] = "Erc4626Feed"
    getters: ClassVar[tuple[str, ...]] = ("token", "assetFeed", "maxJump", "maxGrowth")

    token: str
    asset: AnyFeed
    max_jump: int
    max_growth: int

    @property
    def parts(self) -> tuple[AnyFeed, ...]:
        return (self.asset,)

    def arguments(self, parts: Sequence[str], limits: Limits | None) -> tuple[str | int, ...]:
        return (self.token, parts[0], self.max_jump, self.max_growth)


@dataclass(frozen=True, kw_only=True)
class NavFeed:
    """NAV per share of another index, its components priced by `oracle`."""

    contract: ClassVar[str] = "IndexNavFeed"
    getters: ClassVar[tuple[str, ...]] = ("token", "oracle")

    token: str
    oracle: str

    @property
    def parts(self) -> tuple[AnyFeed, ...]:
        return ()

    def arguments(self, parts: Sequence[str], limits: Limits | None) -> tuple[str | int, ...]:
        return (self.token, self.oracle)


@dataclass(frozen=True, kw_only=True)
class AnchoredFeed:
    """`primary` while it is within `max_deviation` {ppm} of `anchor`."""

    contract: ClassVar[str] = "AnchoredFeed"
    getters: ClassVar[tuple[str, ...]] = ("primary", "anchor", "maxDeviation")

    primary: AnyFeed
    anchor: AnyFeed
    max_deviation: int

    @property
    def token(self) -> str:
        return self.primary.token

    @property
    def parts(self) -> tuple[AnyFeed, ...]:
        return (self.primary, self.anchor)

    def arguments(self, parts: Sequence[str], limits: Limits | None) -> tuple[str | int, ...]:
        return (parts[0], parts[1], self.max_deviation)


@dataclass(frozen=True, kw_only=True)
class SequencerFeed:
    """`feed` while the rollup's sequencer is up, and has been for `grace` {s}."""

    contract: ClassVar[str] = "SequencerFeed"
    getters: ClassVar[tuple[str, ...]] = ("feed", "uptimeFeed", "grace")

    feed: AnyFeed
    uptime_feed: str
    grace: int

    @property
    def token(self) -> str:
        return self.feed.token

    @property
    def parts(self) -> tuple[AnyFeed, ...]:
        return (self.feed,)

    def arguments(self, parts: Sequence[str], limits: Limits | None) -> tuple[str | int, ...]:
        return (parts[0], self.uptime_feed, self.grace)


AnyFeed: TypeAlias = Feed | TwapFeed | VaultFeed | NavFeed | AnchoredFeed | SequencerFeed


def by_level(feeds: Iterable[AnyFeed]) -> list[list[AnyFeed]]:
    """Every feed and part once; each level stands only on those before it."""
    height: dict[AnyFeed, int] = {}

    def measure(feed: AnyFeed) -> int:
        if feed not in height:
            height[feed] = 1 + max((measure(part) for part in feed.parts), default=-1)
        return height[feed]

    for feed in feeds:
        measure(feed)
    levels: list[list[AnyFeed]] = [[] for _ in range(1 + max(height.values(), default=-1))]
    for feed, level in height.items():
        levels[level].append(feed)
    return levels


def limits_of(w3: Web3, feeds: Iterable[AnyFeed]) -> Mapping[AnyFeed, Limits]:
    """Limits of the answers of each Chainlink feed among `feeds`, as far as its aggregator says them."""
    chainlink = [feed for feed in feeds if isinstance(feed, Feed)]
    behind = ask(w3, [(feed.aggregator, "aggregator()") for feed in chainlink])
    sources = [
        feed.aggregator if word is None else f"0x{word:040x}" for feed, word in zip(chainlink, behind, strict=True)
    ]
    lows = ask(w3, [(source, "minAnswer()") for source in sources])
    highs = ask(w3, [(source, "maxAnswer()") for source in sources])
    return {
        feed: (max(0, signed(low or 0)), LARGEST_ANSWER if high is None else min(LARGEST_ANSWER, signed(high)))
        for feed, low, high in zip(chainlink, lows, highs, strict=True)
    }


def reads_the_same(w3: Web3, address: str, feed: AnyFeed) -> bool:
    """Whether the contract at `address` is the feed that `feed` would deploy, down to the last part."""
    words = ask(w3, [(address, f"{getter}()") for getter in feed.getters])
    if None in words:
        return False
    found = [word for word in words if word is not None]
    addresses = [Web3.to_checksum_address(f"0x{word % 2**160:040x}") for word in found]
    first = next((place for place, name in enumerate(feed.getters) if name in _PART_GETTERS), 0)
    parts = addresses[first : first + len(feed.parts)]
    expected = feed.arguments(parts, limits_of(w3, [feed]).get(feed))
    same = all(
        word == (int(value, 16) if isinstance(value, str) else value)
        for word, value in zip(found, expected, strict=True)
    )
    return same and all(reads_the_same(w3, part, wanted) for part, wanted in zip(parts, feed.parts, strict=True))


_PART_GETTERS = ("quoteFeed", "assetFeed", "primary", "feed")


def ask(w3: Web3, questions: Sequence[tuple[str, str]]) -> list[int | None]:
    """First word of what each (contract, signature) answers, None where it does not, in one request."""
    calls: list[tuple[str, list[object]]] = [
        ("eth_call", [{"to": to, "data": "0x" + function_signature_to_4byte_selector(signature).hex()}, "latest"])
        for to, signature in questions
    ]
    answers = rpc_batch_or_none(w3, calls) if calls else []
    return [int(answer[2:66], 16) if isinstance(answer, str) and len(answer) >= 66 else None for answer in answers]


def signed(word: int) -> int:
    """A word as a signed number."""
    return word - 2**256 if word >= 2**255 else word
