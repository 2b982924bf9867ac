"""Twin of `contracts/libraries/BudgetMath.sol`: a bucket that fills with use and drains with time."""

from __future__ import annotations

from offchain.reference.constants import WAD
from offchain.reference.integers import div, full_mul_div_up, uint, zero_floor_sub


def used_after(used: int, capacity: int, window: int, elapsed: int) -> int:
    """BudgetMath.usedAfter: D18{1} still used after {s} `elapsed`; the drain rounds down."""
    return zero_floor_sub(used, div(uint(capacity * elapsed), window))


def fraction_up(value: int, nav: int) -> int:
    """BudgetMath.fractionUp: {nUSD} value as D18{1} of {nUSD} nav, rounded up."""
    return full_mul_div_up(value, WAD, nav)
