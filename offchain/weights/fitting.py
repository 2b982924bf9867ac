"""Every limit at once, without a wei of error: bounds for each coin, caps and floors for groups of coins.

    fit(raw, limits)         integers: Σ = 1e18, proportional to `raw` wherever no limit holds
    project(x, …)            the same rule in floats, for research and sweeps
    least_turnover(…)        how little has to be traded to be within the limits at all

The rule of the index providers again: w_i = min(u_i, max(l_i, θ·φ_g·raw_i)) with one θ for all, and φ_g other than 1 only
for a group that stands at its cap (φ_g < 1) or at its floor (φ_g > 1). It is the relative-entropy projection of `raw` on
the limits (Csiszár, 1975). Groups do not overlap, so it has a closed form, found by settling for good whichever side misses
by more, excess or shortage (Bitran and Hax, 1981), first among groups and inside among names. Every comparison is between
integers. With many names a float solution proposes who stands at which limit; integers then prove it, or start anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from offchain.errors import InfeasibleWeights
from offchain.units import WAD, from_wad

Floats = NDArray[np.float64]
GUESS_FROM = 64  # names; below, the integers are quicker alone
NO_GROUP = -1


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds in D18. `lower`, `upper`: one for each name; `groups`: the group of each name or NO_GROUP; then its bounds."""

    lower: tuple[int, ...]
    upper: tuple[int, ...]
    groups: tuple[int, ...] = ()
    group_lower: tuple[int, ...] = ()
    group_upper: tuple[int, ...] = ()
    members: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: list[list[int]] = [[] for _ in self.group_upper]
        for index, group in enumerate(self.groups):
            if group != NO_GROUP:
                found[group].append(index)
        object.__setattr__(self, "members", tuple(tuple(names) for names in found))

    @property
    def loose(self) -> tuple[int, ...]:
        """Names without a group."""
        if not self.groups:
            return tuple(range(len(self.lower)))
        return tuple(index for index, group in enumerate(self.groups) if group == NO_GROUP)

    def group_range(self, group: int) -> tuple[int, int]:
        """Least and most that this group can weigh, by its own bounds and those of its names."""
        names = self.members[group]
        least = max(self.group_lower[group], sum(self.lower[index] for index in names))
        return least, min(self.group_upper[group], sum(self.upper[index] for index in names))

    def parts(self) -> list[tuple[tuple[int, ...], int, int]]:
        """(names, least, most) of every group, and of every name without one."""
        rows: list[tuple[tuple[int, ...], int, int]] = [((i,), self.lower[i], self.upper[i]) for i in self.loose]
        return rows + [(names, *self.group_range(group)) for group, names in enumerate(self.members)]

    def range(self) -> tuple[int, int]:
        """Least and most that all names together can weigh."""
        rows = self.parts()
        return sum(low for _, low, _ in rows), sum(high for _, _, high in rows)

    def is_feasible(self, *, total: int = WAD) -> bool:
        """Whether any weights fit. Exact, because groups do not overlap."""
        if any(low > high for low, high in zip(self.lower, self.upper, strict=True)):
            return False
        ranges = [self.group_range(group) for group in range(len(self.members))]
        least, most = self.range()
        return all(low <= high for low, high in ranges) and least <= total <= most

    def violation(self, weights: Sequence[int], *, total: int = WAD) -> int:
        """Wei by which `weights` break the worst limit; 0 when all hold."""
        misses = [abs(sum(weights) - total)]
        misses += [max(low - w, w - high) for low, w, high in zip(self.lower, weights, self.upper, strict=True)]
        for group, names in enumerate(self.members):
            weight = sum(weights[index] for index in names)
            misses.append(max(self.group_lower[group] - weight, weight - self.group_upper[group]))
        return max(0, *misses)


def fit(raw: Sequence[int], limits: Limits, *, total: int = WAD) -> list[int]:
    """Weights proportional to `raw` (positive integers of any scale) within `limits`, Σ = `total` exactly.

    Same order as `raw`. The few wei that rounding down leaves go to the largest name that no limit holds and that has room
    (lowest index on ties). Raises InfeasibleWeights when nothing fits.
    """
    if min(raw, default=0) <= 0:
        raise InfeasibleWeights(f"raw weight {min(raw, default=0)} is not above 0; drop that coin first")
    if not limits.is_feasible(total=total):
        least, most = limits.range()
        raise InfeasibleWeights(
            f"the limits allow {from_wad(least):g} to {from_wad(most):g} in all, not {from_wad(total):g}; loosen one of them"
        )
    pools = _guess(raw, limits, total) if len(raw) >= GUESS_FROM else None
    weights = [0] * len(raw)
    for pool in pools or _settle(raw, limits, total):
        pool.fill(weights, raw, limits)
    return weights


def project(
    x: Floats,
    *,
    lower: Floats,
    upper: Floats,
    groups: NDArray[np.int64] | None = None,
    group_lower: Floats | None = None,
    group_upper: Floats | None = None,
    total: float = 1.0,
) -> Floats:
    """The rule of `fit` in floats: parts of 1 proportional to `x` (> 0) within the limits. Bounds hold exactly, Σ to 1e-15.

    `groups`: the group of each name, NO_GROUP for none. Feasibility is the caller's care. No BLAS: the same bits everywhere.
    """
    if groups is None or group_upper is None:
        return _clipped(x, lower, upper, total)
    least = np.zeros(len(group_upper)) if group_lower is None else group_lower
    weights = np.empty_like(x)
    is_open, rest = np.ones(len(x), dtype=bool), total
    grouped = groups >= 0
    labels = np.where(grouped, groups, 0)
    while True:
        weights[is_open] = _clipped(x[is_open], lower[is_open], upper[is_open], rest)
        counted = is_open & grouped
        sums = np.bincount(labels[counted], weights=weights[counted], minlength=len(group_upper))
        is_in = np.bincount(labels[counted], minlength=len(group_upper)) > 0
        excess = np.where(is_in, np.maximum(sums - group_upper, 0.0), 0.0)
        shortage = np.where(is_in, np.maximum(least - sums, 0.0), 0.0)
        if max(excess.sum(), shortage.sum()) <= 1e-15 * total:
            return weights
        is_over = excess.sum() >= shortage.sum()
        bound = group_upper if is_over else least
        for group in np.flatnonzero(excess if is_over else shortage):
            names = groups == group
            weights[names] = _clipped(x[names], lower[names], upper[names], float(bound[group]))
            is_open[names] = False
            rest -= float(bound[group])
        if not is_open.any():
            return weights


def least_turnover(held: Sequence[int], limits: Limits, *, total: int = WAD) -> int:
    """Twice the one-way turnover, {wei}, of the shortest way from `held` into `limits`: Σ|w − held| over these names.

    Each name first has to be within its own bounds, then each group, then the sum: every such wei costs one, and none twice.
    """
    moved, sums = 0, []
    for names, low, high in limits.parts():
        clipped = [min(max(held[index], limits.lower[index]), limits.upper[index]) for index in names]
        inside = min(max(sum(clipped), low), high)
        moved += sum(abs(w - held[index]) for w, index in zip(clipped, names, strict=True)) + abs(inside - sum(clipped))
        sums.append(inside)
    return moved + abs(total - sum(sums))


# --- exact ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Pool:
    """Names that share one θ = rest / raw_sum: `low` and `high` stand at their bounds, `free` share `rest`. Σ = `total`."""

    low: list[int]
    free: list[int]
    high: list[int]
    rest: int
    raw_sum: int
    total: int
    open_groups: tuple[int, ...] = ()

    def fill(self, weights: list[int], raw: Sequence[int], limits: Limits) -> None:
        """Writes the integer weights of this pool."""
        for index in self.low:
            weights[index] = limits.lower[index]
        for index in self.high:
            weights[index] = limits.upper[index]
        for index in self.free:
            weights[index] = raw[index] * self.rest // self.raw_sum
        remainder = self.total - sum(weights[i] for names in (self.low, self.free, self.high) for i in names)
        if remainder:
            self._hand_out(remainder, weights, raw, limits)

    def _hand_out(self, remainder: int, weights: list[int], raw: Sequence[int], limits: Limits) -> None:
        largest_first = sorted(self.free, key=lambda index: (-raw[index], index))
        sums = {group: sum(weights[index] for index in limits.members[group]) for group in self.open_groups}
        # rounding down may have left a group a few wei below its floor: those come first
        for needs_floor in (True, False):
            for index in largest_first:
                group = limits.groups[index] if sums and limits.groups[index] in sums else NO_GROUP
                room = min(remainder, limits.upper[index] - weights[index])
                if group != NO_GROUP:
                    bound = limits.group_lower[group] if needs_floor else limits.group_upper[group]
                    room = min(room, max(bound - sums[group], 0))
                    sums[group] += room
                elif needs_floor:
                    continue
                weights[index] += room
                remainder -= room
        if remainder:
            raise AssertionError(f"the limits left {remainder} wei unplaced among {len(self.free)} free names")


def _settle(raw: Sequence[int], limits: Limits, total: int) -> list[_Pool]:
    """The pools of the solution: one that is open, and one for each group at its cap or floor."""
    open_groups, rest = list(range(len(limits.members))), total
    settled: list[_Pool] = []
    while True:
        names = list(limits.loose) + [index for group in open_groups for index in limits.members[group]]
        pool = _balance(raw, limits, names, rest, tuple(open_groups))
        # sums times `scale`, so that they are integers
        scale = pool.raw_sum or 1
        sums = _group_sums(pool, raw, limits, open_groups, scale)
        excess = {g: sums[g] - limits.group_upper[g] * scale for g in open_groups}
        over = [g for g in open_groups if excess[g] > 0]
        under = [g for g in open_groups if sums[g] < limits.group_lower[g] * scale]
        if not over and not under:
            return [pool, *settled]
        total_excess = sum(excess[g] for g in over)
        total_shortage = sum(limits.group_lower[g] * scale - sums[g] for g in under)
        leaving = [(g, limits.group_upper[g]) for g in over] if total_excess >= total_shortage else []
        leaving += [(g, limits.group_lower[g]) for g in under] if total_shortage >= total_excess else []
        for group, bound in leaving:
            settled.append(_balance(raw, limits, list(limits.members[group]), bound))
            open_groups.remove(group)
            rest -= bound


def _balance(
    raw: Sequence[int], limits: Limits, names: list[int], total: int, open_groups: tuple[int, ...] = ()
) -> _Pool:
    """One θ for all of `names`, each within its own bounds, Σ = total."""
    low: list[int] = []
    high: list[int] = []
    free, rest = names, total
    lower, upper = limits.lower, limits.upper
    while True:
        raw_sum = sum([raw[i] for i in free])
        shares = [raw[i] * rest for i in free]
        over = [s > upper[i] * raw_sum for i, s in zip(free, shares, strict=True)]
        under = [s < lower[i] * raw_sum for i, s in zip(free, shares, strict=True)]
        if not any(over) and not any(under):
            break
        excess = sum(s - upper[i] * raw_sum for i, s in compress(zip(free, shares, strict=True), over))
        shortage = sum(lower[i] * raw_sum - s for i, s in compress(zip(free, shares, strict=True), under))
        leaves = [False] * len(free)
        if excess >= shortage:
            high += compress(free, over)
            rest -= sum(upper[i] for i in compress(free, over))
            leaves = over
        if shortage >= excess:
            low += compress(free, under)
            rest -= sum(lower[i] for i in compress(free, under))
            leaves = [a or b for a, b in zip(leaves, under, strict=True)]
        free = [i for i, gone in zip(free, leaves, strict=True) if not gone]
    return _Pool(low=low, free=free, high=high, rest=rest, raw_sum=raw_sum, total=total, open_groups=open_groups)


def _group_sums(pool: _Pool, raw: Sequence[int], limits: Limits, groups: Sequence[int], scale: int) -> dict[int, int]:
    sums = dict.fromkeys(groups, 0)
    if sums:
        for names, weight in ((pool.low, limits.lower), (pool.high, limits.upper)):
            for index in names:
                if limits.groups[index] in sums:
                    sums[limits.groups[index]] += weight[index] * scale
        for index in pool.free:
            if limits.groups[index] in sums:
                sums[limits.groups[index]] += raw[index] * pool.rest
    return sums


# --- a guess in floats, proved in integers -----------------------------------------------------------------------------


def _guess(raw: Sequence[int], limits: Limits, total: int) -> list[_Pool] | None:
    """The pools that floats propose, or None when integers do not confirm every one of them."""
    largest = max(raw)
    x = np.array([value / largest for value in raw])
    if not x.all():
        return None
    lower, upper = np.array(limits.lower) / WAD, np.array(limits.upper) / WAD
    group_lower, group_upper = np.array(limits.group_lower) / WAD, np.array(limits.group_upper) / WAD
    groups = np.array(limits.groups) if limits.members else None
    w = project(
        x.astype(np.float64),
        lower=lower.astype(np.float64),
        upper=upper.astype(np.float64),
        groups=groups,
        group_lower=group_lower.astype(np.float64),
        group_upper=group_upper.astype(np.float64),
        total=total / WAD,
    )
    at_low, at_high = (w <= lower).tolist(), (w >= upper).tolist()
    state = [-1 if low else 1 if high else 0 for low, high in zip(at_low, at_high, strict=True)]
    open_names, pools = list(limits.loose), []
    open_groups, rest = [], total
    for group, names in enumerate(limits.members):
        weight = float(w[list(names)].sum())
        bound = next(
            (b for b in (limits.group_upper[group], limits.group_lower[group]) if abs(weight - b / WAD) <= 1e-13), None
        )
        if bound is None:
            open_names += names
            open_groups.append(group)
        else:
            pools.append((group, _sorted_pool(raw, limits, names, state, bound, ())))
            rest -= bound
    pool = _sorted_pool(raw, limits, open_names, state, rest, tuple(open_groups))
    if not _is_proved(pool, raw, limits) or not all(_is_proved(part, raw, limits) for _, part in pools):
        return None
    sums = _group_sums(pool, raw, limits, open_groups, pool.raw_sum)
    for group in open_groups:
        if not limits.group_lower[group] * pool.raw_sum <= sums[group] <= limits.group_upper[group] * pool.raw_sum:
            return None
    for group, part in pools:
        is_capped = part.total == limits.group_upper[group]
        scaled = part.rest * pool.raw_sum - pool.rest * part.raw_sum  # sign of θ_g − θ
        if not (scaled <= 0 if is_capped else scaled >= 0):
            return None
    return [pool, *(part for _, part in pools)]


def _sorted_pool(
    raw: Sequence[int],
    limits: Limits,
    names: Sequence[int],
    state: Sequence[int],
    total: int,
    open_groups: tuple[int, ...],
) -> _Pool:
    low = [i for i in names if state[i] < 0]
    high = [i for i in names if state[i] > 0]
    free = [i for i in names if state[i] == 0]
    rest = total - sum([limits.lower[i] for i in low]) - sum([limits.upper[i] for i in high])
    raw_sum = sum([raw[i] for i in free])
    return _Pool(low=low, free=free, high=high, rest=rest, raw_sum=raw_sum, total=total, open_groups=open_groups)


def _is_proved(pool: _Pool, raw: Sequence[int], limits: Limits) -> bool:
    """Whether θ = rest / raw_sum puts every name exactly where the pool has it. Names that only touch a bound count as free."""
    rest, raw_sum = pool.rest, pool.raw_sum
    lower, upper = limits.lower, limits.upper
    return (
        raw_sum > 0
        and rest > 0
        and all([lower[i] * raw_sum <= raw[i] * rest <= upper[i] * raw_sum for i in pool.free])
        and all([raw[i] * rest > upper[i] * raw_sum for i in pool.high])
        and all([raw[i] * rest < lower[i] * raw_sum for i in pool.low])
    )


def _clipped(x: Floats, lower: Floats, upper: Floats, total: float) -> Floats:
    """clip(θ·x, lower, upper) with the θ for which it sums to `total`: a sum of ramps, piecewise linear in θ."""
    with np.errstate(divide="ignore", over="ignore"):
        starts, ends = lower / x, upper / x
    points = np.concatenate((starts, ends))
    order = np.argsort(points, kind="stable")
    points = points[order]
    slopes = np.cumsum(np.concatenate((x, -x))[order])
    sums = lower.sum() + np.concatenate(([0.0], np.cumsum(slopes[:-1] * np.diff(points))))
    place = int(np.searchsorted(sums, total))
    if place == 0:
        return lower.copy()
    if place == len(sums):
        return upper.copy()
    middle = (points[place - 1] + points[place]) / 2.0
    is_free = (starts < middle) & (ends > middle)
    fixed = np.where(ends <= middle, upper, lower)
    rest = total - fixed[~is_free].sum()
    theta = rest / x[is_free].sum() if is_free.any() else middle
    return np.clip(theta * x, lower, upper)
