"""What is listed on the local market: a coin as a token, its feed, its pools, and the rules that choose them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from offchain.devnet.quotes import USDC_ID, Quote

FEED_DECIMALS, SMALL_FEED_DECIMALS = 8, 18
SMALL_PRICE = Fraction(1, 10_000)  # {USD/TOK} below it a feed of 8 decimals says too little
MAKER_ETHER = 10**9 * 10**18  # {wei} what the market maker can wrap
WETH_USDC_FEE = 500  # {1e-6}
LARGE_COIN_FEE = 3000  # {1e-6}


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One genuine Uniswap pool. `fee` in millionths (3000 = 0.3 %), for both kinds."""

    kind: str  # "v2" or "v3"
    address: str
    fee: int
    token0: str
    token1: str

    def as_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "address": self.address,
            "fee": self.fee,
            "token0": self.token0,
            "token1": self.token1,
        }


@dataclass(frozen=True, kw_only=True)
class Token:
    """One coin of the market as an ERC-20 with its feed and pools."""

    id: str
    address: str
    symbol: str
    decimals: int
    feed: str  # Chainlink's proxy, {USD/TOK}
    feed_decimals: int
    aggregator: str  # what the proxy reads now
    pools: tuple[Pool, ...]

    def as_dict(self) -> dict[str, object]:
        return {
            "address": self.address,
            "symbol": self.symbol,
            "decimals": self.decimals,
            "feed": self.feed,
            "feed_decimals": self.feed_decimals,
            "aggregator": self.aggregator,
            "pools": [pool.as_dict() for pool in self.pools],
        }


def dollar(seen_at: int) -> Quote:
    """USDC at exactly one dollar, for markets that do not list it."""
    return Quote(id=USDC_ID, price=Fraction(1), seen_at=seen_at, volume=float("nan"))
