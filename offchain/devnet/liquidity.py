"""How deep a pool is and where it stands, as pure arithmetic. Floats come in from the market, exact integers go out.

Rule: a coin's pools hold TVL_SHARE of its median daily volume of the last VOLUME_DAYS days, between MIN_TVL and MAX_TVL.
With full-range liquidity a trade of q moves the price by about 4·q/TVL, so that 1 % of impact costs 0.25 % of TVL. For a coin
that trades 100 M USD a day that is a 10 M pool: 25,000 USD move it by 1 %, which is what Uniswap offered to such coins.
Coins that trade LARGE_VOLUME or more a day also have a V3 pool against USDC, with V3_SHARE of the TVL in it.
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

VOLUME_DAYS = 30
TVL_SHARE = 0.10  # {1} of one day's volume
MIN_TVL = 50_000.0  # {USD}
MAX_TVL = 200_000_000.0  # {USD}
LARGE_VOLUME = 20_000_000.0  # {USD/day}
V3_SHARE = 0.6  # {1} of a large coin's TVL

MIN_SQRT_PRICE = 4295128739 * 2  # V3's bounds, with room
MAX_SQRT_PRICE = 1461446703485210103287273052203988822378723970342 // 2
MAX_RESERVE = 2**110  # {tok} a V2 reserve is a uint112


def tvl(daily_volume: float) -> float:
    """{USD} that all pools of a coin hold together. An unknown volume counts as none."""
    known = daily_volume if daily_volume == daily_volume else 0.0
    return min(max(TVL_SHARE * known, MIN_TVL), MAX_TVL)


def sqrt_price_x96(price0: Fraction, price1: Fraction, decimals0: int, decimals1: int) -> int:
    """√(token1 per token0, in base units)·2^96 of a pool whose tokens cost `price0` and `price1` {USD/TOK}; rounds down."""
    ratio = price0 / price1 * Fraction(10) ** (decimals1 - decimals0)
    root = isqrt((ratio.numerator << 192) // ratio.denominator)
    return min(max(root, MIN_SQRT_PRICE), MAX_SQRT_PRICE)


def liquidity(usd: float, price0: Fraction, price1: Fraction, decimals0: int, decimals1: int) -> int:
    """√(amount0·amount1) {tok} of a pool that holds `usd`, half in each token, and fits Uniswap V2's reserves."""
    half = Fraction(usd) / 2
    amount0 = half / price0 * 10**decimals0
    amount1 = half / price1 * 10**decimals1
    wanted = isqrt(int(amount0 * amount1))
    root = sqrt_price_x96(price0, price1, decimals0, decimals1)
    largest = min(MAX_RESERVE * root >> 96, (MAX_RESERVE << 96) // root)
    return max(1_000_000, min(wanted, largest))
