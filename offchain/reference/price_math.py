"""Twin of the feeds in `contracts/feeds`, of `contracts/libraries/PriceMath.sol` and of the check in the oracle.

Each feed is a function of what it reads; prices are D27{nUSD/tok}.
"""

from __future__ import annotations

from collections.abc import Sequence

from offchain.reference.constants import D27, MAX_PRICE, PPM, WAD, YEAR
from offchain.reference.fee_math import exp_wad
from offchain.reference.integers import Reverted, full_mul_div, uint
from offchain.reference.trade_math import nav_per_share, value_down

PRICE_DECIMALS = 36  # nano-USD (9) for one base unit in D27
LARGEST_ANSWER = 2**127 - 1
LN_TICK = 99_995_000_333_308_335_333_166  # D27{1} ln(1.0001), rounded down
MAX_TICK = 887_272  # of a Uniswap V3 pool
INT24_MIN, INT24_MAX = -(2**23), 2**23 - 1


def usable(price: int) -> int:
    """The price, if it is one that Ballast can reckon with: in (0, 2^160)."""
    if not 0 < price <= MAX_PRICE:
        raise Reverted("PriceBad", price)
    return price


# --- Chainlink


def chainlink_scale(token_decimals: int, aggregator_decimals: int) -> tuple[int, int]:
    """ChainlinkFeed's constructor: (multiplier, divisor) from an answer to D27{nUSD/tok}; one of them is 1."""
    digits = token_decimals + aggregator_decimals
    if digits > 2 * PRICE_DECIMALS:
        raise Reverted("ValueOutOfBounds", "decimals", digits, 0, 2 * PRICE_DECIMALS)
    return 10 ** max(0, PRICE_DECIMALS - digits), 10 ** max(0, digits - PRICE_DECIMALS)


def chainlink_price(
    answer: int,
    *,
    updated_at: int,
    now: int,
    max_age: int,
    token_decimals: int,
    aggregator_decimals: int,
    min_answer: int = 0,
    max_answer: int = LARGEST_ANSWER,
) -> int:
    """ChainlinkFeed.price, rounded down; Reverted for a bad, stale or clamped answer. Times in {s}."""
    multiplier, divisor = chainlink_scale(token_decimals, aggregator_decimals)
    if not 0 < answer <= LARGEST_ANSWER:
        raise Reverted("PriceBad", answer)
    if not (updated_at <= now and now - updated_at <= max_age):
        raise Reverted("PriceStale", updated_at, max_age)
    if not min_answer < answer < max_answer:
        raise Reverted("PriceClamped", answer, min_answer, max_answer)
    price = uint(answer * multiplier) // divisor
    if price == 0:
        raise Reverted("PriceBad", answer)
    return price


# --- Uniswap V3


def mean_tick(delta: int, window: int) -> int:
    """Arithmetic mean of the tick, rounded towards minus infinity. {tick*s} over {s}."""
    mean = delta // window
    if not INT24_MIN <= mean <= INT24_MAX:
        raise Reverted("TickOverflow", mean)
    return mean


def at_tick(tick: int, quote_price: int) -> int:
    """`quote_price · 1.0001^tick`, by a power above one."""
    power = exp_wad(abs(tick) * LN_TICK // 10**9)
    return full_mul_div(quote_price, WAD, power) if tick < 0 else full_mul_div(quote_price, power, WAD)


def mean_liquidity(delta: int, window: int) -> int:
    """Harmonic mean of the liquidity in range, from the growth {s}·2^128/{liquidity} of its accumulator; rounded down."""
    return (window << 128) // delta if delta else 0


def twap_price(
    ticks: tuple[int, int],
    liquidities: tuple[int, int],
    *,
    window: int,
    is_token0: bool,
    min_liquidity: int,
    quote_price: int,
) -> int:
    """UniswapV3TwapFeed.price from the two observations (oldest first) of a pool."""
    tick_delta = _wrapped(ticks[1] - ticks[0], 56)
    liquidity = mean_liquidity((liquidities[1] - liquidities[0]) % 2**160, window)
    if liquidity < min_liquidity:
        raise Reverted("PriceThin", liquidity, min_liquidity)
    return usable(at_tick(mean_tick(tick_delta if is_token0 else -tick_delta, window), quote_price))


def _wrapped(value: int, bits: int) -> int:
    """Two's complement of `bits`."""
    return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


# --- ERC-4626


def of_share(asset_price: int, rate: int) -> int:
    """Price of a vault's share from its rate D27{asset/share}, rounded down."""
    return full_mul_div(asset_price, rate, D27)


def rate_bounds(rate: int, elapsed: int, max_jump: int, max_growth: int) -> tuple[int, int]:
    """Lowest and highest rate that is believed `elapsed` {s} after a checkpoint."""
    rise = uint(max_jump + uint(max_growth * elapsed) // YEAR)
    return uint(rate - full_mul_div(rate, max_jump, WAD)), uint(rate + full_mul_div(rate, rise, WAD))


def vault_price(asset_price: int, rate: int, *, checkpoint: int, elapsed: int, max_jump: int, max_growth: int) -> int:
    """Erc4626Feed.price."""
    low, high = rate_bounds(checkpoint, elapsed, max_jump, max_growth)
    if not low <= rate <= high:
        raise Reverted("RateOutOfBounds", rate, low, high)
    return usable(of_share(asset_price, rate))


# --- index NAV


def nav_price(reserves: Sequence[int], prices: Sequence[int | None], supply: int) -> int:
    """IndexNavFeed.price: every component that is held must have a price (None: it has none)."""
    nav = 0
    for reserve, price in zip(reserves, prices, strict=True):
        if reserve:
            if price is None:
                raise Reverted("PriceMissing")
            nav = uint(nav + value_down(reserve, price))
    return usable(nav_per_share(nav, supply))


# --- anchor


def diverges(price: int, anchor: int, max_ppm: int) -> bool:
    """Whether two usable prices are further apart than `max_ppm` of the anchor."""
    return uint(abs(price - anchor) * PPM) > uint(anchor * max_ppm)
