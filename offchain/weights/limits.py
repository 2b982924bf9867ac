"""Caps and floors without a wei of error: exact integer water-filling.

The rule of the index providers: what is cut above the cap goes pro rata to the names below it, again and again until
nothing is above. With floors as well the answer is w_i = min(cap, max(floor, θ·raw_i)) with the one θ for which the
weights sum to 1 (the relative-entropy projection). Here θ = rest / raw_sum is a ratio of integers and is never divided
out, so every comparison is exact. Free names are rounded down; the few wei left go to the largest free name that has
room (lowest index on ties). The same steps fit on chain.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

from offchain.errors import InfeasibleWeights
from offchain.units import WAD, from_wad


def limit_weights(raw: Sequence[int], *, cap: int = WAD, floor: int = 0, total: int = WAD) -> list[int]:
    """Weights proportional to `raw` (positive integers, any scale), floor ≤ w ≤ cap, Σ = `total` exactly.

    Same length and order as `raw`. Raises InfeasibleWeights when no such weights exist.
    """
    _check_feasible(raw, cap=cap, floor=floor, total=total)
    order = sorted(range(len(raw)), key=raw.__getitem__)
    ascending = [raw[index] for index in order]
    low, high, rest, raw_sum = _free_range(ascending, cap=cap, floor=floor, total=total)
    weights = [0] * len(raw)
    for position, index in enumerate(order):
        if position < low:
            weights[index] = floor
        elif position >= high:
            weights[index] = cap
        else:
            weights[index] = raw[index] * rest // raw_sum
    _hand_out_remainder(weights, raw, sorted(order[low:high], key=lambda i: (-raw[i], i)), cap=cap, total=total)
    return weights


def _free_range(ascending: Sequence[int], *, cap: int, floor: int, total: int) -> tuple[int, int, int, int]:
    """(low, high, rest, raw_sum): positions low..high are free and share `rest` in proportion to raw / raw_sum.

    Bitran–Hax: whichever side misses by more, excess over the cap or shortage below the floor, is settled for good.
    """
    sums = [0, *accumulate(ascending)]
    low, high = 0, len(ascending)
    while True:
        rest = total - cap * (len(ascending) - high) - floor * low
        raw_sum = sums[high] - sums[low]
        if low == high:
            return low, high, rest, raw_sum
        # raw·rest > cap·raw_sum, and raw·rest < floor·raw_sum, as thresholds on raw
        first_over = bisect_right(ascending, cap * raw_sum // rest, low, high)
        first_free = bisect_left(ascending, -(-floor * raw_sum // rest), low, high)
        if first_over == high and first_free == low:
            return low, high, rest, raw_sum
        excess = rest * (sums[high] - sums[first_over]) - cap * raw_sum * (high - first_over)
        shortage = floor * raw_sum * (first_free - low) - rest * (sums[first_free] - sums[low])
        if excess >= shortage:
            high = first_over
        if shortage >= excess:
            low = first_free


def _hand_out_remainder(
    weights: list[int], raw: Sequence[int], largest_first: Sequence[int], *, cap: int, total: int
) -> None:
    remainder = total - sum(weights)
    for index in largest_first:
        step = min(remainder, cap - weights[index])
        weights[index] += step
        remainder -= step
    if remainder != 0:
        raise AssertionError(f"water-filling left {remainder} wei; raw={list(raw)[:20]}, cap={cap}, total={total}")


def _check_feasible(raw: Sequence[int], *, cap: int, floor: int, total: int) -> None:
    count = len(raw)
    if count == 0:
        raise InfeasibleWeights("no coin to weigh; loosen the universe rules so that at least one passes")
    for index, value in enumerate(raw):
        if value <= 0:
            raise InfeasibleWeights(f"raw weight {value} at position {index} is not above 0; drop that coin first")
    if floor < 0 or floor > cap:
        raise InfeasibleWeights(
            f"floor {from_wad(floor):g} must lie between 0 and the cap {from_wad(cap):g}; lower the floor or raise the cap"
        )
    if count * cap < total:
        raise InfeasibleWeights(
            f"{count} coins × cap {from_wad(cap):g} = {from_wad(count * cap):g} < {from_wad(total):g}; "
            f"raise max_weight to at least {from_wad(-(-total // count)):.6g} or hold more coins"
        )
    if count * floor > total:
        raise InfeasibleWeights(
            f"{count} coins × floor {from_wad(floor):g} = {from_wad(count * floor):g} > {from_wad(total):g}; "
            f"lower min_weight to at most {from_wad(total // count):.6g} or hold fewer coins"
        )
