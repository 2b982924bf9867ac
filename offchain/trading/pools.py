"""What a Uniswap pool pays for an amount, to the last base unit, from its state alone.

    after, bought = quote(pool, sell=token, amount=10**18)

V2 is the constant product after 0.3 %, as UniswapV2Taker computes it. V3 follows Uniswap's own steps, word by word and tick
by tick, with the same roundings. Only the ticks around the price are known; a swap that would leave them has no quote.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from offchain.errors import ChainError

V2_FEE = 3000  # {1e-6}
FEE_UNIT = 10**6  # {1e-6}
Q96 = 2**96
MIN_TICK, MAX_TICK = -887272, 887272
MIN_SQRT_PRICE_LIMIT = 4295128740
MAX_SQRT_PRICE_LIMIT = 1461446703485210103287273052203988822378723970341
WORD = 256  # ticks of the spacing in one word of the bitmap
KNOWN_TICKS = 3000  # {ticks} at least known on each side of the price: a factor of 1.35


class NoQuote(ChainError):
    """A pool cannot take that amount: it is empty, or the swap would leave the ticks that were read."""


@dataclass(frozen=True, kw_only=True)
class V2Pool:
    """A pair's reserves, {tok}."""

    address: str
    token0: str
    token1: str
    reserve0: int
    reserve1: int

    kind = "v2"
    fee = V2_FEE


@dataclass(frozen=True, kw_only=True)
class V3Pool:
    """A pool's price, the liquidity in range, and `net` liquidity of each initialised tick from `first` to `last`.

    `fee` {1e-6}; `sqrt_price` is √(token1 per token0)·2^96.
    """

    address: str
    token0: str
    token1: str
    fee: int
    spacing: int
    sqrt_price: int
    tick: int
    liquidity: int
    first: int
    last: int
    net: Mapping[int, int] = field(default_factory=dict)

    kind = "v3"


Pool = V2Pool | V3Pool


def quote(pool: Pool, *, sell: str, amount: int) -> tuple[Pool, int]:
    """The pool after selling `amount` {tok} of `sell` to it, and the {tok} it pays. Raises NoQuote."""
    if sell not in (pool.token0, pool.token1):
        raise NoQuote(f"pool {pool.address} does not trade {sell}; it trades {pool.token0} and {pool.token1}")
    if amount <= 0:
        raise NoQuote(f"pool {pool.address} cannot quote {amount} base units; ask for at least 1")
    return _quote_v2(pool, sell, amount) if isinstance(pool, V2Pool) else _quote_v3(pool, sell == pool.token0, amount)


def other_token(pool: Pool, token: str) -> str:
    """The token a pool trades against `token`."""
    return pool.token1 if token == pool.token0 else pool.token0


def mid_out(pool: Pool, *, sell: str, amount: int) -> int:
    """{tok} that `amount` would buy at the pool's middle price without fee or impact, rounded down."""
    if isinstance(pool, V2Pool):
        reserve_in, reserve_out = _reserves(pool, sell)
        return amount * reserve_out // reserve_in if reserve_in else 0
    square = pool.sqrt_price**2
    return amount * square >> 192 if sell == pool.token0 else (amount << 192) // square


# --- Uniswap V2 -------------------------------------------------------------------------------------------------------


def _reserves(pool: V2Pool, sell: str) -> tuple[int, int]:
    return (pool.reserve0, pool.reserve1) if sell == pool.token0 else (pool.reserve1, pool.reserve0)


def _quote_v2(pool: V2Pool, sell: str, amount: int) -> tuple[V2Pool, int]:
    reserve_in, reserve_out = _reserves(pool, sell)
    if reserve_in == 0 or reserve_out == 0:
        raise NoQuote(f"pair {pool.address} holds nothing; use another pool")
    less_fee = amount * 997
    bought = reserve_out * less_fee // (reserve_in * 1000 + less_fee)
    if bought == 0:
        raise NoQuote(f"pair {pool.address} pays nothing for {amount} base units; sell more")
    if reserve_in + amount >= 2**112:
        raise NoQuote(f"pair {pool.address} cannot hold {amount} more base units; sell less")
    if sell == pool.token0:
        return replace(pool, reserve0=reserve_in + amount, reserve1=reserve_out - bought), bought
    return replace(pool, reserve1=reserve_in + amount, reserve0=reserve_out - bought), bought


# --- Uniswap V3 -------------------------------------------------------------------------------------------------------


def _quote_v3(pool: V3Pool, zero_for_one: bool, amount: int) -> tuple[V3Pool, int]:
    limit = MIN_SQRT_PRICE_LIMIT if zero_for_one else MAX_SQRT_PRICE_LIMIT
    price, tick, liquidity = pool.sqrt_price, pool.tick, pool.liquidity
    left, bought = amount, 0
    while left > 0 and price != limit:
        start = price
        following, is_initialised = _next_tick(pool, tick, zero_for_one)
        following_price = sqrt_price_at(following)
        target = max(following_price, limit) if zero_for_one else min(following_price, limit)
        price, sold, paid, fee = _swap_step(price, target, liquidity, left, pool.fee)
        left -= sold + fee
        bought += paid
        if price == following_price:
            if is_initialised:
                liquidity += -pool.net[following] if zero_for_one else pool.net[following]
            tick = following - 1 if zero_for_one else following
        elif price != start:
            tick = tick_at(price)
    if left > 0 or bought == 0:
        raise NoQuote(f"pool {pool.address} pays nothing for {amount} base units, or has too little liquidity for them")
    return replace(pool, sqrt_price=price, tick=tick, liquidity=liquidity), bought


def _next_tick(pool: V3Pool, tick: int, zero_for_one: bool) -> tuple[int, bool]:
    """The next initialised tick in the same word of the bitmap, or the word's end: where Uniswap's loop stops."""
    compressed = tick // pool.spacing
    if zero_for_one:
        end = compressed - compressed % WORD
        found = [t for t in pool.net if end * pool.spacing <= t <= compressed * pool.spacing]
        following, is_initialised = (max(found), True) if found else (end * pool.spacing, False)
    else:
        compressed += 1
        end = compressed + WORD - 1 - compressed % WORD
        found = [t for t in pool.net if compressed * pool.spacing <= t <= end * pool.spacing]
        following, is_initialised = (min(found), True) if found else (end * pool.spacing, False)
    if not pool.first <= following <= pool.last:
        raise NoQuote(
            f"pool {pool.address}: the swap would move the price to tick {following}, "
            f"beyond {pool.first} to {pool.last} that were read; sell less"
        )
    return min(max(following, MIN_TICK), MAX_TICK), is_initialised


def _swap_step(price: int, target: int, liquidity: int, left: int, fee: int) -> tuple[int, int, int, int]:
    """(price after, {tok} in without fee, {tok} out, {tok} fee) of one step, as SwapMath.computeSwapStep."""
    zero_for_one = price >= target
    less_fee = left * (FEE_UNIT - fee) // FEE_UNIT
    sold = _amount0(target, price, liquidity, up=True) if zero_for_one else _amount1(price, target, liquidity, up=True)
    reached = target if less_fee >= sold else _price_after(price, liquidity, less_fee, zero_for_one)
    if zero_for_one:
        sold = sold if reached == target else _amount0(reached, price, liquidity, up=True)
        bought = _amount1(reached, price, liquidity, up=False)
    else:
        sold = sold if reached == target else _amount1(price, reached, liquidity, up=True)
        bought = _amount0(price, reached, liquidity, up=False)
    charged = left - sold if reached != target else _div_up(sold * fee, FEE_UNIT - fee)
    return reached, sold, bought, charged


def _price_after(price: int, liquidity: int, amount: int, zero_for_one: bool) -> int:
    if liquidity == 0:
        raise NoQuote("a pool without liquidity has no price; use another pool")
    if not zero_for_one:
        return price + (amount << 96) // liquidity
    if amount == 0:
        return price
    numerator = liquidity << 96
    if amount * price < 2**256 and numerator + amount * price < 2**256:
        return _div_up(numerator * price, numerator + amount * price)
    return _div_up(numerator, numerator // price + amount)


def _amount0(low: int, high: int, liquidity: int, *, up: bool) -> int:
    numerator = (liquidity << 96) * (high - low)
    return _div_up(_div_up(numerator, high), low) if up else numerator // high // low


def _amount1(low: int, high: int, liquidity: int, *, up: bool) -> int:
    return _div_up(liquidity * (high - low), Q96) if up else liquidity * (high - low) // Q96


def _div_up(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


# --- ticks ------------------------------------------------------------------------------------------------------------

_RATIOS = (
    0xFFF97272373D413259A46990580E213A, 0xFFF2E50F5F656932EF12357CF3C7FDCC, 0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644, 0xFF973B41FA98C081472E6896DFB254C0, 0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053, 0xFCBE86C7900A88AEDCFFC83B479AA3A4, 0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3, 0xE7159475A2C29B7443B29C7FA6E889D9, 0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5, 0x70D869A156D2A1B890BB3DF62BAF32F7, 0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9, 0x5D6AF8DEDB81196699C329225EE604, 0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)  # fmt: skip


@lru_cache(maxsize=4096)
def sqrt_price_at(tick: int) -> int:
    """√1.0001^tick·2^96, as TickMath.getSqrtRatioAtTick."""
    size = abs(tick)
    if size > MAX_TICK:
        raise NoQuote(f"tick {tick} is outside {MIN_TICK} to {MAX_TICK}")
    ratio = 0xFFFCB933BD6FAD37AA2D162D1A594001 if size & 1 else 1 << 128
    for bit, factor in enumerate(_RATIOS, start=1):
        if size >> bit & 1:
            ratio = ratio * factor >> 128
    if tick > 0:
        ratio = (2**256 - 1) // ratio
    return _div_up(ratio, 1 << 32)


def tick_at(sqrt_price: int) -> int:
    """The greatest tick whose price is at most `sqrt_price`."""
    guess = math.floor(2 * (math.log(sqrt_price) - 96 * math.log(2)) / math.log(1.0001))
    tick = min(max(guess, MIN_TICK), MAX_TICK)
    while tick < MAX_TICK and sqrt_price_at(tick + 1) <= sqrt_price:
        tick += 1
    while tick > MIN_TICK and sqrt_price_at(tick) > sqrt_price:
        tick -= 1
    return tick


def words_around(tick: int, spacing: int) -> range:
    """The bitmap words to read so that KNOWN_TICKS are known on each side of `tick`."""
    here = tick // spacing // WORD
    reach = 1 + KNOWN_TICKS // (WORD * spacing)
    lowest, highest = MIN_TICK // spacing // WORD, MAX_TICK // spacing // WORD
    return range(max(here - reach, lowest), min(here + reach, highest) + 1)


def known_range(words: range, spacing: int) -> tuple[int, int]:
    """First and last tick that a run of bitmap words tells about."""
    return max(words.start * WORD * spacing, MIN_TICK), min((words.stop * WORD - 1) * spacing, MAX_TICK)


def ticks_of_word(word: int, bitmap: int, spacing: int) -> list[int]:
    """The initialised ticks that a word of the bitmap names, ascending."""
    return [(word * WORD + bit) * spacing for bit in range(WORD) if bitmap >> bit & 1]
