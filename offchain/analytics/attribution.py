"""What the result came from: coin by coin, and decision by decision. The parts always add up to the whole.

    by_component(units, prices, levels)     what each coin added, and what was lost on the way
    by_decision(lines)                      selection, weighting, timing, cost: one line of levels after the other
    brinson(…) and link(…)                  allocation, selection and interaction against a benchmark, over many periods

By component: money adds up by itself. What a coin added is Σ units · (change of its price), divided by the level at the
start; no logarithm and no residual is involved, and the rest is what trading and fees took.

By decision: a chain of indexes, each with one decision more than the one before, from the benchmark to what the holder
got. A decision's part is the difference of two total returns, so the parts telescope to the whole:

    benchmark → the chosen coins, in equal parts (selection) → in their target weights (weighting) → with the stable side
    (exposure) → as really held (timing) → after trading (cost) → after fees
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.analytics.measures import Levels, total_return
from offchain.errors import UnusableLevels

Floats = NDArray[np.float64]

DECISIONS = ("benchmark", "selection", "weighting", "exposure", "timing", "trading", "fees")


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """`parts`: {id: of the level at the start}, sorted by id; `rest`: what no coin explains (cost, fees); they sum to `total`."""

    parts: Mapping[str, float]
    rest: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Decided:
    """Part of the total return that each decision added, in the order of DECISIONS; those that were not asked about are absent."""

    parts: Mapping[str, float]
    total: float


@dataclass(frozen=True, kw_only=True)
class Effects:
    """{group: part of the active return}: by the weight of groups, by what was held inside them, by both together."""

    allocation: Mapping[str, float]
    selection: Mapping[str, float]
    interaction: Mapping[str, float]

    @property
    def total(self) -> float:
        """The active return that they explain."""
        return math.fsum([*self.allocation.values(), *self.selection.values(), *self.interaction.values()])


def by_component(ids: Sequence[str], *, units: Floats, prices: Floats, levels: Levels) -> Contributions:
    """What each coin added to the total return.

    `units`: periods × coins, held from one moment to the next, in units of the level; `prices`: moments × coins, one row
    more than `units`; `levels`: one a moment. An unknown price (NaN) of a coin that is not held does not matter.
    """
    if units.shape != (len(levels) - 1, len(ids)) or prices.shape != (len(levels), len(ids)):
        raise UnusableLevels(
            f"units {units.shape} and prices {prices.shape} do not fit {len(levels)} levels of {len(ids)} coins"
        )
    parts = {}
    for column, name in sorted(enumerate(ids), key=lambda pair: pair[1]):
        held = np.flatnonzero(units[:, column])
        gains = [units[k, column] * (prices[k + 1, column] - prices[k, column]) for k in held]
        if any(math.isnan(gain) for gain in gains):
            raise UnusableLevels(f"{name} was held over a moment without a price; value it at its last one, or at zero")
        if gains:
            parts[name] = math.fsum(gains) / levels[0]
    total = levels[-1] / levels[0] - 1.0
    return Contributions(parts=parts, rest=total - math.fsum(parts.values()), total=total)


def by_decision(lines: Mapping[str, Levels]) -> Decided:
    """What each decision added. `lines`: {decision of DECISIONS: levels after it}, any of them left out, all of equal length.

    The first one given is the base: its part is its own total return.
    """
    unknown = [name for name in lines if name not in DECISIONS]
    if unknown or not lines:
        raise UnusableLevels(f"lines {', '.join(unknown) or 'missing'}: name them by {', '.join(DECISIONS)}")
    lengths = {name: len(levels) for name, levels in lines.items()}
    if len(set(lengths.values())) > 1:
        raise UnusableLevels(f"lines of different lengths {lengths}; cut them to the same days first")
    parts, before = {}, 0.0
    for name in DECISIONS:
        if name not in lines:
            continue
        reached = total_return(lines[name]).value
        if reached is None:
            raise UnusableLevels(f"{name}: one level has no return to explain; give at least two days")
        parts[name] = reached - before
        before = reached
    return Decided(parts=parts, total=before)


def paper_levels(ids: Sequence[str], prices: Floats, rebalances: Sequence[tuple[int, Mapping[str, float]]]) -> Floats:
    """Levels, from 1, of an index that holds exactly these weights from these rows on and pays nothing for it.

    `prices`: rows × coins; a coin without a price keeps its last known one. `rebalances`: (row, weights that sum to 1),
    in order, the first on row 0.
    """
    if not rebalances or rebalances[0][0] != 0:
        raise UnusableLevels("a paper index needs weights on row 0; give the first decision there")
    known = _last_known(prices)
    column = {name: k for k, name in enumerate(ids)}
    levels = np.empty(len(prices))
    units: dict[int, float] = {}
    due = dict(rebalances)
    level = 1.0
    for row in range(len(prices)):
        if units:
            level = math.fsum(unit * known[row, k] for k, unit in units.items())
        if row in due:
            units = {column[name]: level * part / known[row, column[name]] for name, part in due[row].items() if part}
            unpriced = [ids[k] for k, unit in units.items() if not math.isfinite(unit)]
            if unpriced:
                raise UnusableLevels(f"{', '.join(sorted(unpriced))}: no price known when it was bought, in row {row}")
        levels[row] = level
    return levels


def equal_parts(members: Sequence[str]) -> dict[str, float]:
    """The same weight for everyone: what selection alone would have held."""
    return {name: 1.0 / len(members) for name in members}


# --- against a benchmark, by group ------------------------------------------------------------------------------------


def brinson(
    *,
    weights: Mapping[str, float],
    returns: Mapping[str, float],
    benchmark_weights: Mapping[str, float],
    benchmark_returns: Mapping[str, float],
) -> Effects:
    """One period, by group (Brinson, Hood and Beebower 1986; allocation by Brinson and Fachler 1985).

    allocation (w − v)(b − B) · selection v(r − b) · interaction (w − v)(r − b): w, r of the index, v, b of the benchmark,
    B its whole return. A group that one side does not hold returns there what it returns on the other side.
    """
    groups = sorted({*weights, *benchmark_weights})
    _need_returns(weights, returns)
    _need_returns(benchmark_weights, benchmark_returns)
    whole = math.fsum(part * benchmark_returns[name] for name, part in benchmark_weights.items() if part)
    allocation, selection, interaction = {}, {}, {}
    for name in groups:
        w, v = weights.get(name, 0.0), benchmark_weights.get(name, 0.0)
        r, b = returns.get(name), benchmark_returns.get(name)
        r, b = (b if r is None or not w else r), (r if b is None or not v else b)
        if r is None or b is None:
            r = b = 0.0  # nobody holds it
        allocation[name] = (w - v) * (b - whole)
        selection[name] = v * (r - b)
        interaction[name] = (w - v) * (r - b)
    return Effects(allocation=allocation, selection=selection, interaction=interaction)


def link(periods: Sequence[Effects], *, returns: Sequence[float], benchmark_returns: Sequence[float]) -> Effects:
    """Effects of single periods → of all of them together, summing to the total active return exactly (Carino 1999).

    Each period counts with k(t) / k, where k(R, B) = (ln(1 + R) − ln(1 + B)) / (R − B), or 1 / (1 + R) when they are equal.
    """
    if not len(periods) == len(returns) == len(benchmark_returns) or not periods:
        raise UnusableLevels(
            f"{len(periods)} periods, {len(returns)} and {len(benchmark_returns)} returns: give one each"
        )
    whole = math.prod(1.0 + r for r in returns) - 1.0, math.prod(1.0 + b for b in benchmark_returns) - 1.0
    factors = [_carino(r, b) / _carino(*whole) for r, b in zip(returns, benchmark_returns, strict=True)]

    def linked(kind: str) -> dict[str, float]:
        names = sorted({name for effects in periods for name in getattr(effects, kind)})
        return {
            name: math.fsum(f * getattr(e, kind).get(name, 0.0) for f, e in zip(factors, periods, strict=True))
            for name in names
        }

    return Effects(allocation=linked("allocation"), selection=linked("selection"), interaction=linked("interaction"))


def _need_returns(weights: Mapping[str, float], returns: Mapping[str, float]) -> None:
    missing = sorted(name for name, part in weights.items() if part and name not in returns)
    if missing:
        raise UnusableLevels(f"no return of {', '.join(missing)}, which is held; give one")


def _carino(own: float, other: float) -> float:
    if min(own, other) <= -1.0:
        raise UnusableLevels("a total loss cannot be linked over periods; explain the time before it")
    gap = own - other
    # the logarithm of a ratio near one, without losing the digits that matter
    return math.log1p(gap / (1.0 + other)) / gap if gap else 1.0 / (1.0 + own)


def _last_known(prices: Floats) -> Floats:
    rows = np.where(np.isnan(prices), 0, np.arange(len(prices))[:, None])
    return np.asarray(np.take_along_axis(prices, np.maximum.accumulate(rows, axis=0), axis=0))
