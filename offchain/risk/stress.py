"""What a scenario would do to today's weights, with the cost of getting out when everybody wants to.

    stress(weights, HISTORICAL, themes=themes, market=Liquidity(portfolio_usd=1e6, volumes=volumes))
    replay(weights, history, start=date(2021, 5, 12), end=date(2021, 5, 24))      the real days, where the data has them
    market_move_for(weights, betas, loss=0.3)                                     reverse: what would cost 30 %

Losses are positive parts of the index before it: 0.2 is 20 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from offchain.errors import MissingHistory
from offchain.market.history import Floats, History
from offchain.risk.scenarios import Scenario


@dataclass(frozen=True, kw_only=True)
class Liquidity:
    """What there is to sell into. `depths`: {id: USD on one side of its pools}; `volumes`: {id: USD per day};
    `volatilities`: {id: 1/√year}, for coins of which only the volume is known.
    """

    portfolio_usd: float
    depths: Mapping[str, float] = field(default_factory=dict)
    volumes: Mapping[str, float] = field(default_factory=dict)
    volatilities: Mapping[str, float] = field(default_factory=dict)

    def haircut(self, coin_id: str, value: float, *, depth: float) -> float | None:
        """Part {1} of `value` USD lost by selling it at once, with `depth` {1} left of pools and volumes; None if unknown.

        In a pool of constant product Q / (Q + D), D what is left of the depth. Otherwise σ_day · √(Q / V), the square
        root law of impact (Torre 1997; Almgren et al. 2005), at most everything.
        """
        if value == 0:
            return 0.0
        if coin_id in self.depths:
            return value / (value + depth * self.depths[coin_id])
        if coin_id in self.volumes and coin_id in self.volatilities:
            volume = depth * self.volumes[coin_id]
            daily = self.volatilities[coin_id] / math.sqrt(365)
            return min(daily * math.sqrt(value / volume), 1.0) if volume > 0 else 1.0
        return None


@dataclass(frozen=True, kw_only=True)
class Stressed:
    """One scenario on one index. `loss`: by prices; `exit_cost`: of selling all that is left, on top; `total`: both.

    `by_coin`: {id: loss of the index through it, exit cost included}, Σ = total. `unknown`: coins whose exit cost is not
    counted; `estimated`: weight {1} of the coins whose shock no source states.
    """

    scenario: Scenario
    loss: float
    exit_cost: float
    total: float
    by_coin: Mapping[str, float]
    worst: str
    unknown: tuple[str, ...] = ()
    estimated: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """The weights of today held through real days. `levels`: {day: value}, 1 on the first; `missing`: coins without a price
    on it, for which the others stand; `ended`: coins whose prices end on the way, kept at the last one.
    """

    levels: Mapping[date, float]
    loss: float
    drawdown: float
    worst_day: float
    missing: tuple[str, ...]
    ended: tuple[str, ...]


def stress(
    weights: Mapping[str, float],
    scenarios: Iterable[Scenario],
    *,
    themes: Mapping[str, tuple[str, ...]] | None = None,
    market: Liquidity | None = None,
) -> tuple[Stressed, ...]:
    """Each scenario on `weights` {id: part of 1}, the worst first. `themes`: {id: its themes}, for shocks by theme."""
    rows = [_stressed(weights, scenario, themes or {}, market) for scenario in scenarios]
    return tuple(sorted(rows, key=lambda row: (-row.total, row.scenario.name)))


def replay(weights: Mapping[str, float], history: History, *, start: date, end: date) -> Replayed:
    """`weights` bought on `start` and held to `end` at the prices of `history`.

    Raises MissingHistory when the history does not cover the days, or knows none of the coins on the first.
    """
    if start not in history.dates or end not in history.dates or start >= end:
        raise MissingHistory(
            f"{start} to {end} is not inside the history, {history.dates[0]} to {history.dates[-1]}; give other days"
        )
    first, last = history.dates.index(start), history.dates.index(end)
    known = [name for name in sorted(weights) if name in history.ids]
    prices = history.panel("price")[first : last + 1, [history.column(name) for name in known]]
    priced = [number for number in range(len(known)) if not math.isnan(prices[0, number])]
    if not priced:
        raise MissingHistory(f"no coin of the index has a price on {start}: {', '.join(sorted(weights))}")
    held = [known[number] for number in priced]
    path = _carried(prices[:, priced])
    whole = math.fsum(weights[name] for name in held)
    values = (path / path[0]) @ np.array([weights[name] / whole for name in held])
    return Replayed(
        levels=dict(zip(history.dates[first : last + 1], values.tolist(), strict=True)),
        loss=1.0 - float(values[-1]),
        drawdown=float((1.0 - values / np.maximum.accumulate(values)).max()),
        worst_day=float((1.0 - values[1:] / values[:-1]).max()),
        missing=tuple(name for name in sorted(weights) if name not in held),
        ended=tuple(known[number] for number in priced if math.isnan(prices[-1, number])),
    )


def market_move_for(weights: Mapping[str, float], betas: Mapping[str, float], *, loss: float) -> float | None:
    """Reverse stress: the fall of bitcoin {1, negative} at which the index loses `loss`; None when no fall does that.

    Every coin falls by its beta, at most to nothing. The loss is a line between the falls at which a coin is worthless,
    so the answer is exact: the smallest such fall. A coin without a beta does not move.
    """
    slopes = {name: beta for name, beta in sorted(betas.items()) if beta == beta and weights.get(name, 0.0) > 0}
    corners = sorted({1.0, *(1.0 / beta for beta in slopes.values() if beta > 1.0)})

    def lost(fall: float) -> float:
        return math.fsum(weights[name] * min(beta * fall, 1.0) for name, beta in slopes.items())

    low = 0.0
    for high in corners:
        if lost(low) < loss <= lost(high):
            return -(low + (high - low) * (loss - lost(low)) / (lost(high) - lost(low)))
        low = high
    return None


def coin_falls_for(weights: Mapping[str, float], *, loss: float) -> dict[str, float | None]:
    """Reverse stress by coin: {id: its own fall {1, negative} that costs the index `loss`}; None when not even -100 % does."""
    return {
        name: -loss / weight if weight >= loss > 0 else None for name, weight in sorted(weights.items()) if weight > 0
    }


def _stressed(
    weights: Mapping[str, float],
    scenario: Scenario,
    themes: Mapping[str, tuple[str, ...]],
    market: Liquidity | None,
) -> Stressed:
    losses, costs, unknown, estimated = {}, {}, [], []
    for name, weight in sorted(weights.items()):
        shock = scenario.shock(name, themes.get(name, ()))
        losses[name] = -weight * shock
        left = weight * (1.0 + shock)
        cut = 0.0 if market is None else market.haircut(name, left * market.portfolio_usd, depth=scenario.depth)
        if cut is None:
            unknown.append(name)
        costs[name] = left * (cut or 0.0)
        if name in scenario.estimates or (name not in scenario.coins and "rest" in scenario.estimates):
            estimated.append(weight)
    by_coin = {name: losses[name] + costs[name] for name in losses}
    return Stressed(
        scenario=scenario,
        loss=math.fsum(losses.values()),
        exit_cost=math.fsum(costs.values()),
        total=math.fsum(by_coin.values()),
        by_coin=by_coin,
        worst=max(by_coin, key=lambda name: (by_coin[name], name)),
        unknown=tuple(unknown),
        estimated=math.fsum(estimated),
    )


def _carried(
    prices: Floats,
) -> Floats:
    """Each price, or the last known one before it."""
    path = prices.copy()
    for day in range(1, len(path)):
        path[day] = np.where(np.isnan(path[day]), path[day - 1], path[day])
    return path
