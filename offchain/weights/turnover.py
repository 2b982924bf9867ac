"""How far one review may go: from what is held towards the target, within limits on change and on turnover, in integers.

    change_bounds(…)   bounds within max_change of what is held; a cap or a floor that drift has broken is restored first
    approach(…)        the point on the way from the nearest weights within the limits to the target that max_turnover allows

Limits on what is held come before limits on trading: a coin that left the index is sold whole and a broken cap is restored,
even when that alone takes more than max_turnover or max_change; what was exceeded, and by how much, is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from offchain.units import WAD
from offchain.weights.fitting import Limits, least_turnover

_STEPS = 2**60  # the way to the target is cut this fine


def change_bounds(limits: Limits, held: Sequence[int], max_change: int) -> tuple[Limits, int]:
    """(limits within `max_change` of `held`, the change that was needed): more than `max_change` only if nothing else fits."""
    low, high = max_change, WAD
    bounded = _within(limits, held, low)
    if bounded.is_feasible():
        return bounded, low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _within(limits, held, middle).is_feasible() else (middle, high)
    return _within(limits, held, high), high


def approach(
    target: Sequence[int], held: Sequence[int], limits: Limits, *, leaving: int, max_turnover: int
) -> tuple[list[int], int]:
    """(weights, the one-way turnover that was allowed): as near to `target` as `max_turnover` lets, within `limits`.

    `held`, `target`: D18 for each member; `leaving`: D18 held in coins that are no members, which is sold in any case. All
    ways are cut by the same part (pro rata), so that every coin comes equally nearer. Σ = 1e18, bounds hold to the wei.
    """
    needed = -(-(leaving + least_turnover(held, limits)) // 2)
    allowed = max(max_turnover, needed)
    budget = 2 * allowed - leaving
    if _distance(target, held) <= budget:
        return list(target), allowed
    start = nearest(held, target, limits)
    step = _longest_step(start, target, held, budget - len(held))
    if step < 0:
        return start, allowed
    return _between(start, target, step, limits), allowed


def nearest(held: Sequence[int], toward: Sequence[int], limits: Limits) -> list[int]:
    """Weights within `limits` with the least Σ|w − held|; where several have it, the way towards `toward` is chosen."""
    weights = [min(max(w, low), high) for w, low, high in zip(held, limits.lower, limits.upper, strict=True)]
    parts = limits.parts()
    sums = [sum(weights[index] for index in names) for names, _, _ in parts]
    inside = [min(max(total, low), high) for total, (_, low, high) in zip(sums, parts, strict=True)]
    wanted = [sum(toward[index] for index in names) for names, _, _ in parts]
    missing = WAD - sum(inside)
    ends = [high if missing > 0 else low for _, low, high in parts]
    totals = _moved(inside, wanted, ends, missing)
    for (names, _, _), before, after in zip(parts, sums, totals, strict=True):
        own = [limits.upper[i] if after > before else limits.lower[i] for i in names]
        new = _moved([weights[i] for i in names], [toward[i] for i in names], own, after - before)
        for index, weight in zip(names, new, strict=True):
            weights[index] = weight
    return weights


def _within(limits: Limits, held: Sequence[int], change: int) -> Limits:
    rows = list(zip(held, limits.lower, limits.upper, strict=True))
    return replace(
        limits,
        lower=tuple(min(max(w - change, low), high) for w, low, high in rows),
        upper=tuple(min(max(w + change, low), high) for w, low, high in rows),
    )


def _distance(weights: Sequence[int], held: Sequence[int]) -> int:
    return sum(abs(a - b) for a, b in zip(weights, held, strict=True))


def _moved(start: Sequence[int], toward: Sequence[int], ends: Sequence[int], amount: int) -> list[int]:
    """`start` moved by `amount` in all: pro rata to what lies between each and `toward`, then to what lies beyond up to `ends`."""
    sign = 1 if amount > 0 else -1
    left, moved = abs(amount), list(start)
    for goals in (toward, ends):
        rooms = [max(0, sign * (goal - at)) for goal, at in zip(goals, moved, strict=True)]
        total = sum(rooms)
        take = min(left, total)
        if take == 0:
            continue
        steps = [room * take // total for room in rooms]
        spare = take - sum(steps)
        for index, room in enumerate(rooms):
            extra = min(spare, room - steps[index])
            steps[index] += extra
            spare -= extra
        moved = [at + sign * step for at, step in zip(moved, steps, strict=True)]
        left -= take
    return moved


def _longest_step(start: Sequence[int], target: Sequence[int], held: Sequence[int], budget: int) -> int:
    """Most of _STEPS towards `target` for which Σ|w − held| ≤ `budget`; -1 when even `start` is beyond. Convex, so bisected."""
    ways = [(a - h, b - a) for a, b, h in zip(start, target, held, strict=True)]

    def fits(step: int) -> bool:
        return sum(abs(offset * _STEPS + way * step) for offset, way in ways) <= budget * _STEPS

    if not fits(0):
        return -1
    low, high = 0, _STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _between(start: Sequence[int], target: Sequence[int], step: int, limits: Limits) -> list[int]:
    """start + (target − start)·step in integers: the sum of each group first, then its names, each by largest remainder."""
    exact = [a * _STEPS + (b - a) * step for a, b in zip(start, target, strict=True)]
    parts = [names for names, _, _ in limits.parts()]
    totals = _rounded([sum(exact[index] for index in names) for names in parts], WAD)
    weights = [0] * len(exact)
    for names, total in zip(parts, totals, strict=True):
        for index, weight in zip(names, _rounded([exact[index] for index in names], total), strict=True):
            weights[index] = weight
    return weights


def _rounded(exact: Sequence[int], total: int) -> list[int]:
    """exact / _STEPS as integers that sum to `total`, each rounded down or up; up for the largest remainders, lowest first."""
    floors = [value // _STEPS for value in exact]
    order = sorted(range(len(exact)), key=lambda index: (-(exact[index] % _STEPS), index))
    for index in order[: total - sum(floors)]:
        floors[index] += 1
    return floors
