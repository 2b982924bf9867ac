"""Twin of `contracts/libraries/AuctionMath.sol`: how a Dutch auction's price moves with time.

Values are factors {ppm} or prices D27{nUSD/tok}; every curve is exact at both ends, and rounded for the fund between them.
"""

from __future__ import annotations

from math import isqrt

from offchain.reference.constants import WAD
from offchain.reference.fee_math import exp_wad, ln_wad
from offchain.reference.integers import Reverted, full_mul_div, full_mul_div_up, truncated_div, uint


def linear(start: int, end: int, elapsed: int, duration: int) -> int:
    """AuctionMath.linear: the straight line from `start` down to `end`, rounded up. Times {s}."""
    return uint(end + full_mul_div_up(uint(start - end), uint(duration - elapsed), duration))


def decay(start: int, end: int, elapsed: int, duration: int) -> int:
    """AuctionMath.decay: the geometric decay from `start` down to `end`, rounded up. Times {s}."""
    if elapsed == 0:
        return start
    if elapsed >= duration:
        return end
    ratio = full_mul_div(start, WAD, end)
    span = ln_wad(ratio if ratio < 1 << 255 else ratio - (1 << 256))
    product = span * elapsed
    if not -(1 << 255) <= product < 1 << 255:
        raise Reverted("Panic", 0x11)
    left = exp_wad(-truncated_div(product, duration)) + 1
    return min(max(full_mul_div_up(start, left, WAD), end), start)


def rise(start: int, end: int, elapsed: int, duration: int) -> int:
    """AuctionMath.rise: the mirror of `decay`, from `start` up to `end`, rounded down. Times {s}."""
    return full_mul_div(start, end, decay(end, start, elapsed, duration))


def middle(low: int, high: int) -> int:
    """AuctionMath.middle: the geometric mean of a range D27{nUSD/tok}, rounded down."""
    return isqrt(uint(low * high))
