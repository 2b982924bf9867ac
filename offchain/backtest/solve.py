"""What an index is worth after it has paid for its own trades, exactly.

Weights are meant of what is left. With V before the trades and V' after them,

    V' = V − Σ cost of buying max(w·V' − h, 0) − Σ cost of selling max(h − w·V', 0)

so that h' = w·V' holds for every coin afterwards and nothing is left in cash. One leg at a pool costs its fee and its
impact; with y put in, r the fee and D what the pool holds on one side, all in USD,

    selling y      y − D·(1 − r)·y / (D + (1 − r)·y)         the constant product (Uniswap V2)
    buying x       x·(1 + s) / (1 − x/D) − x                 its inverse, s = r / (1 − r)

Both are convex, so V' − V + Σ cost is convex and rising in V', and Newton's method from the right comes down to its only root
without ever passing it; with D infinite the function is piecewise linear and a handful of steps are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.errors import MarketDataError, PoolsTooShallow

Floats = NDArray[np.float64]

MAX_STEPS = 100
DEEPEST = 0.5  # part of a pool's side that a purchase may take out: its impact is 100 % there, as that of selling a whole side is 50 %


@dataclass(frozen=True, kw_only=True, eq=False)
class Legs:
    """What one leg costs, per coin. `sell` and `buy`: parts of the value traded; `depth`: USD on one side of its pools, inf for
    no impact; `gas`: USD for each coin that is held or wanted.
    """

    sell: Floats
    buy: Floats
    depth: Floats
    gas: float = 0.0

    @classmethod
    def flat(cls, coins: int, *, rate: float = 0.0, depth: float = np.inf, gas: float = 0.0) -> Legs:
        """The same for all. `rate`: part of the value, paid on sales and on purchases alike."""
        same = np.full(coins, rate, dtype=np.float64)
        return cls(sell=same, buy=same, depth=np.full(coins, depth, dtype=np.float64), gas=gas)

    def of(self, columns: NDArray[np.intp]) -> Legs:
        """Some coins only."""
        return Legs(sell=self.sell[columns], buy=self.buy[columns], depth=self.depth[columns], gas=self.gas)


def leg_costs(trades: Floats, legs: Legs) -> Floats:
    """USD that each trade costs. `trades`: USD bought, negative when sold."""
    bought, sold = np.maximum(trades, 0.0), np.maximum(-trades, 0.0)
    put_in = (1.0 - legs.sell) * sold
    with np.errstate(divide="ignore"):
        selling = sold - put_in / (1.0 + put_in / legs.depth)
        buying = bought * ((1.0 + legs.buy) / (1.0 - bought / legs.depth) - 1.0)
    return selling + buying


def value_after(held: Floats, weights: Floats, legs: Legs, *, cash: float = 0.0) -> float:
    """V' in USD: the value after trading `held` (USD by coin) and `cash` to `weights` (sum to 1). Gas is paid first.

    Raises MarketDataError when the pools do not hold what would have to be bought.
    """
    value = float(held.sum()) + cash
    before = value - legs.gas * int(((held > 0.0) | (weights > 0.0)).sum())
    if before <= 0.0:
        raise MarketDataError(f"the gas of one rebalance is more than the {value:.2f} USD in it; raise the value")
    after = _start(held, weights, legs, before)
    for _ in range(MAX_STEPS):
        excess, slope = _excess(after, held, weights, legs, before)
        step = excess / slope
        if after - step == after or step <= 0.0:
            break
        after -= step
    sold = np.maximum(held - weights * after, 0.0)
    if (sold > legs.depth).any():
        raise _shallow(before, float(np.min(legs.depth[sold > legs.depth])))
    return after


def _start(held: Floats, weights: Floats, legs: Legs, before: float) -> float:
    """A value not below the root at which no purchase takes more than DEEPEST of a pool."""
    wanted = weights > 0.0
    limit = float(np.min((held[wanted] + DEEPEST * legs.depth[wanted]) / weights[wanted], initial=np.inf))
    if before <= limit:
        return before
    if _excess(limit, held, weights, legs, before)[0] < 0.0:
        raise _shallow(before, limit)
    return limit


def _shallow(value: float, limit: float) -> PoolsTooShallow:
    return PoolsTooShallow(
        f"no pool holds enough for a rebalance of {value:,.0f} USD; at most {limit:,.0f} USD fit. "
        "Lower the value, cap the weights by liquidity, or hold deeper coins"
    )


def _excess(after: float, held: Floats, weights: Floats, legs: Legs, before: float) -> tuple[float, float]:
    """V' + cost − V and its slope."""
    trades = weights * after - held
    bought, put_in = np.maximum(trades, 0.0), (1.0 - legs.sell) * np.maximum(-trades, 0.0)
    buy_slope = (1.0 + legs.buy) / (1.0 - bought / legs.depth) ** 2 - 1.0
    sell_slope = 1.0 - (1.0 - legs.sell) / (1.0 + put_in / legs.depth) ** 2
    slope = 1.0 + float(np.sum(weights * np.where(trades > 0.0, buy_slope, -sell_slope)))
    return after - before + float(np.sum(leg_costs(trades, legs))), slope
