"""The EVM's arithmetic in Python integers: what Solidity 0.8 checks is checked, what it refuses raises `Reverted`.

`full_mul_div` and `full_mul_div_up` are the twins of the functions of that name in Solady 0.1.26 (MIT, Vectorized).
"""

from __future__ import annotations

from offchain.errors import BallastError

UINT256_MAX = 2**256 - 1
UINT112_MAX = 2**112 - 1


class Reverted(BallastError):
    """The contract would revert here. `reason` is the name of its error, `details` are the error's arguments."""

    def __init__(self, reason: str, *details: object) -> None:
        self.reason = reason
        self.details = details
        super().__init__(f"{reason}: {', '.join(map(str, details))}" if details else reason)


def uint(value: int, bits: int = 256) -> int:
    """`value` if an unsigned word of `bits` holds it; Reverted("Panic") as checked arithmetic does otherwise."""
    if not 0 <= value < 1 << bits:
        raise Reverted("Panic", 0x11)
    return value


def div(x: int, y: int) -> int:
    """`x / y` of unsigned words, rounded down; Reverted("Panic") for a zero divisor."""
    if y == 0:
        raise Reverted("Panic", 0x12)
    return x // y


def zero_floor_sub(x: int, y: int) -> int:
    """`max(0, x − y)`: Solady's `zeroFloorSub`."""
    return max(0, x - y)


def full_mul_div(x: int, y: int, d: int) -> int:
    """`⌊x·y/d⌋` with the product in 512 bits: Solady's `fullMulDiv`."""
    if d == 0 or (quotient := x * y // d) > UINT256_MAX:
        raise Reverted("FullMulDivFailed")
    return quotient


def full_mul_div_up(x: int, y: int, d: int) -> int:
    """`⌈x·y/d⌉` with the product in 512 bits: Solady's `fullMulDivUp`."""
    if d == 0 or (quotient := -(-x * y // d)) > UINT256_MAX:
        raise Reverted("FullMulDivFailed")
    return quotient


def truncated_div(x: int, y: int) -> int:
    """Signed division towards zero, as the EVM's SDIV does."""
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient
