"""How alike indexes are, and what somebody holds who holds several of them. Weights are D18 and stay exact.

overlap(a, b)                     D18 of one that is also in the other
look_through(indexes, values)     all coins behind all indexes, an index inside an index opened up
demand(changes, values, volumes)  what one rebalance day asks of each coin's market
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from offchain.analytics.measures import Levels, Measure, correlation
from offchain.errors import UnusableHoldings, UnusableLevels
from offchain.units import WAD

Weights = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Concentration:
    """`hhi`: Σ w², 1 for a single coin; `effective_names`: 1 / hhi; `largest`: id and weight of the heaviest."""

    hhi: float
    effective_names: float
    largest: tuple[str, float]


@dataclass(frozen=True, kw_only=True)
class LookThrough:
    """Everything behind several indexes. `weights`: {id: of 1} of the whole, heaviest first; `values`: {id: USD}.

    `through`: {id: {index: USD}}, where it is held.
    """

    weights: Mapping[str, float]
    values: Mapping[str, float]
    through: Mapping[str, Mapping[str, float]]
    concentration: Concentration


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What all indexes together trade in one coin on one day. USD; `of_volume`: of a day's volume, None when unknown."""

    id: str
    buy: float
    sell: float
    of_volume: float | None

    @property
    def net(self) -> float:
        """Bought less sold: what is left for the market when indexes trade with each other first."""
        return self.buy - self.sell


def overlap(a: Weights, b: Weights) -> int:
    """D18: Σ min(wᵃ, wᵇ), the part that both hold; 1e18 when they are the same (Cremers and Petajisto 2009: 1 − active share)."""
    return sum(min(weight, b.get(name, 0)) for name, weight in a.items())


def overlaps(indexes: Mapping[str, Weights]) -> dict[str, dict[str, int]]:
    """{index: {index: overlap D18}}."""
    return {a: {b: overlap(indexes[a], indexes[b]) for b in indexes} for a in indexes}


def concentration(weights: Mapping[str, float] | Weights) -> Concentration:
    """Herfindahl–Hirschman index (Hirschman 1945) of weights of any positive scale."""
    if not weights or any(value < 0 for value in weights.values()) or not sum(weights.values()):
        raise UnusableHoldings("concentration of nothing, or of short positions, has no meaning; give positive weights")
    total = sum(Fraction(value) for value in weights.values())
    hhi = sum((Fraction(value) / total) ** 2 for value in weights.values())
    heaviest = min(weights, key=lambda name: (-weights[name], name))
    share = float(Fraction(weights[heaviest]) / total)
    return Concentration(hhi=float(hhi), effective_names=float(1 / hhi), largest=(heaviest, share))


def look_through(indexes: Mapping[str, Weights], values: Mapping[str, float]) -> LookThrough:
    """What `values` ({index or coin: USD}) hold in the end. A member that is itself a key of `indexes` is opened up."""
    coins: dict[str, Fraction] = {}
    through: dict[str, dict[str, float]] = {}
    for name, usd in sorted(values.items()):
        if not math.isfinite(usd) or usd < 0:
            raise UnusableHoldings(f"{name} is worth {usd} USD; give a positive amount")
        for coin, part in _opened(name, indexes, ()).items():
            amount = Fraction(usd) * part
            coins[coin] = coins.get(coin, Fraction(0)) + amount
            through.setdefault(coin, {})[name] = float(amount)
    total = sum(coins.values(), Fraction(0))
    if not total:
        raise UnusableHoldings("nothing is held; give at least one index with a value above zero")
    order = sorted(coins, key=lambda coin: (-coins[coin], coin))
    weights = {coin: float(coins[coin] / total) for coin in order}
    return LookThrough(
        weights=weights,
        values={coin: float(coins[coin]) for coin in order},
        through={coin: through[coin] for coin in order},
        concentration=concentration({coin: float(coins[coin]) for coin in order}),
    )


def demand(
    changes: Mapping[str, Mapping[str, float]], values: Mapping[str, float], volumes: Mapping[str, float]
) -> tuple[Demand, ...]:
    """Largest part of a day's volume first. `changes`: {index: {id: change of weight of 1}}; `values`: {index: USD NAV}."""
    buys: dict[str, list[float]] = {}
    sells: dict[str, list[float]] = {}
    for index, moves in changes.items():
        for coin, move in moves.items():
            (buys if move > 0 else sells).setdefault(coin, []).append(abs(move) * values[index])
    rows = []
    for coin in sorted({*buys, *sells}):
        buy, sell = math.fsum(buys.get(coin, ())), math.fsum(sells.get(coin, ()))
        volume = volumes.get(coin)
        rows.append(Demand(id=coin, buy=buy, sell=sell, of_volume=max(buy, sell) / volume if volume else None))
    return tuple(sorted(rows, key=lambda row: (-(row.of_volume or math.inf), row.id)))


def correlations(lines: Mapping[str, Levels]) -> dict[str, dict[str, Measure]]:
    """{name: {name: correlation of daily returns}}; lines of equal length. NaN days are left out pair by pair."""
    lengths = {len(line) for line in lines.values()}
    if len(lengths) > 1:
        raise UnusableLevels(f"lines of {sorted(lengths)} days; cut them to the same days first")
    names = list(lines)
    found: dict[str, dict[str, Measure]] = {name: {} for name in names}
    for k, a in enumerate(names):
        for b in names[: k + 1]:
            found[a][b] = found[b][a] = _correlation(lines[a], lines[b])
    return {name: {other: found[name][other] for other in names} for name in names}


def mean_correlation(table: Mapping[str, Mapping[str, Measure]]) -> Measure:
    """Mean over all pairs that have one: how much the parts are one and the same bet."""
    names = list(table)
    pairs = [table[a][b].value for k, a in enumerate(names) for b in names[:k]]
    known = [value for value in pairs if value is not None]
    return Measure(value=math.fsum(known) / len(known)) if known else Measure(value=None, reason="no pair has one")


def _correlation(a: Sequence[float], b: Sequence[float]) -> Measure:
    known = [(x, y) for x, y in zip(a, b, strict=True) if not (math.isnan(x) or math.isnan(y))]
    if len(known) < 3:
        return Measure(value=None, reason="fewer than three days on which both have a price")
    return correlation([x for x, _ in known], [y for _, y in known])


def _opened(name: str, indexes: Mapping[str, Weights], above: tuple[str, ...]) -> dict[str, Fraction]:
    if name in above:
        raise UnusableHoldings(f"{' holds '.join([*above, name])}: an index cannot hold itself; open the circle")
    if name not in indexes:
        return {name: Fraction(1)}
    total = sum(indexes[name].values())
    if total != WAD:
        raise UnusableHoldings(f"the weights of {name} sum to {total}, not {WAD}; give those of a decision")
    coins: dict[str, Fraction] = {}
    for member, weight in indexes[name].items():
        for coin, part in _opened(member, indexes, (*above, name)).items():
            coins[coin] = coins.get(coin, Fraction(0)) + part * Fraction(weight, WAD)
    return coins
