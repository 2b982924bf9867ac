"""Several indexes at once: what they hold in common, how much of one coin that is, and what one rebalance day asks of it.

look_through({"LC10": 5e6, "DEFI": 1e6}, {"LC10": weights, "DEFI": weights})
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from offchain.errors import InfeasibleWeights
from offchain.market.history import History
from offchain.risk.basket import basket_returns
from offchain.risk.measures import correlation
from offchain.units import format_percent, format_usd

Weights = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One coin over all indexes. `usd`: value; `part`: of everything held; `by_index`: {symbol: USD}."""

    id: str
    usd: float
    part: float
    by_index: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What one rebalance day asks of one coin {USD}. `net` > 0 is bought; `crossed`: what the indexes could give each other;
    `of_volume`: |net| / daily volume, infinite without one.
    """

    id: str
    bought: float
    sold: float
    net: float
    crossed: float
    of_volume: float


def overlap(a: Weights, b: Weights) -> float:
    """Σ min(weight, weight) {1}: 1 is the same index, 0 nothing in common. Active share is 1 - overlap."""
    return math.fsum(min(a[name], b[name]) for name in sorted(a.keys() & b.keys()))


def overlaps(indexes: Mapping[str, Weights]) -> dict[tuple[str, str], float]:
    """{(symbol, symbol): overlap} of every pair, symbols sorted."""
    symbols = sorted(indexes)
    return {(a, b): overlap(indexes[a], indexes[b]) for i, a in enumerate(symbols) for b in symbols[i + 1 :]}


def index_correlations(history: History, indexes: Mapping[str, Weights], *, days: int) -> dict[tuple[str, str], float]:
    """{(symbol, symbol): correlation of the daily returns of today's weights} over the last `days`; NaN when too few."""
    tail = history.tail(days + 1)
    lines = {symbol: basket_returns(tail, weights) for symbol, weights in sorted(indexes.items())}
    symbols = sorted(lines)
    return {(a, b): correlation(lines[a], lines[b]) for i, a in enumerate(symbols) for b in symbols[i + 1 :]}


def look_through(values: Mapping[str, float], indexes: Mapping[str, Weights]) -> tuple[Holding, ...]:
    """Every coin over all indexes, largest first. `values`: {symbol: NAV in USD}.

    An index that holds another names it as a coin: {"LC10": 0.7}; it is looked through until only coins are left.
    Raises InfeasibleWeights for indexes that hold each other.
    """
    total = math.fsum(values.values())
    held: dict[str, dict[str, float]] = {}
    for symbol in sorted(values):
        for coin, weight in _unfolded(symbol, indexes, ()).items():
            row = held.setdefault(coin, {})
            row[symbol] = row.get(symbol, 0.0) + values[symbol] * weight
    rows = [
        Holding(
            id=coin,
            usd=math.fsum(by_index.values()),
            part=math.fsum(by_index.values()) / total if total else 0.0,
            by_index=by_index,
        )
        for coin, by_index in held.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.usd, row.id)))


def over_limits(
    holdings: tuple[Holding, ...],
    *,
    max_part: float = 1.0,
    volumes: Mapping[str, float] | None = None,
    max_volume_days: float = math.inf,
) -> tuple[str, ...]:
    """A sentence for each coin above `max_part` of everything held, or worth more than `max_volume_days` of its volume."""
    found = []
    for row in holdings:
        where = ", ".join(f"{symbol} {format_usd(usd)}" for symbol, usd in sorted(row.by_index.items()))
        if row.part > max_part:
            found.append(
                f"{row.id} is {format_percent(row.part)} of everything held, limit {format_percent(max_part)} ({where})"
            )
        if volumes is not None and row.usd > max_volume_days * volumes.get(row.id, 0.0):
            volume = volumes.get(row.id, 0.0)
            days = f"{row.usd / volume:.1f} days of its volume" if volume else "held without any volume"
            found.append(f"{row.id} is {days}, limit {max_volume_days:g} ({where})")
    return tuple(found)


def demand(
    values: Mapping[str, float],
    current: Mapping[str, Weights],
    target: Mapping[str, Weights],
    volumes: Mapping[str, float],
) -> tuple[Demand, ...]:
    """What all indexes together buy and sell when they rebalance on one day, the hardest on its market first."""
    bought: dict[str, float] = {}
    sold: dict[str, float] = {}
    for symbol in sorted(values):
        now, then = current.get(symbol, {}), target.get(symbol, {})
        for coin in sorted({*now, *then}):
            change = values[symbol] * (then.get(coin, 0.0) - now.get(coin, 0.0))
            side = bought if change > 0 else sold
            side[coin] = side.get(coin, 0.0) + abs(change)
    rows = []
    for coin in sorted({*bought, *sold}):
        buy, sell = bought.get(coin, 0.0), sold.get(coin, 0.0)
        net, volume = buy - sell, volumes.get(coin, 0.0)
        of_volume = abs(net) / volume if volume else (math.inf if net else 0.0)
        rows.append(Demand(id=coin, bought=buy, sold=sell, net=net, crossed=min(buy, sell), of_volume=of_volume))
    return tuple(sorted(rows, key=lambda row: (-row.of_volume, -abs(row.net), row.id)))


def _unfolded(symbol: str, indexes: Mapping[str, Weights], above: tuple[str, ...]) -> dict[str, float]:
    if symbol in above:
        raise InfeasibleWeights(f"{' → '.join([*above, symbol])}: indexes that hold each other; break the circle")
    if symbol not in indexes:
        raise InfeasibleWeights(f"no weights for index {symbol}; known are {', '.join(sorted(indexes)) or 'none'}")
    coins: dict[str, float] = {}
    for name, weight in sorted(indexes[symbol].items()):
        inside = _unfolded(name, indexes, (*above, symbol)) if name in indexes else {name: 1.0}
        for coin, part in inside.items():
            coins[coin] = coins.get(coin, 0.0) + weight * part
    return coins
