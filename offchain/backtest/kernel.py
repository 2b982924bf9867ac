"""A whole backtest of weights that are already known, as one pass over an array of prices: for sweeps and for checks.

    path = simulate(prices, rows, weights, legs=Legs.flat(n, rate=0.003))
    path.net, path.gross, path.turnover, path.cost

Rows of `prices` are any clock, daily or hourly. On row `rows[k]` the portfolio is brought to `weights[k]` at that row's prices;
between, it drifts. `engine="numpy"` is the reference; "numba" the same in machine code, to 1e-12; "auto" takes what is there.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.backtest.solve import Floats, Legs, value_after
from offchain.errors import BallastError, MarketDataError

ENGINES = ("auto", "numpy", "numba")
DRIFT_GRID = 1e12  # drift is compared with its band after rounding to twelve decimals

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """`net`, `gross`: value at every row, after and before trading costs; NaN before the first trade. Per review: `turnover`
    (one-way, of the value before it), `cost` (part of the value before it), `traded`.
    """

    net: Floats
    gross: Floats
    turnover: Floats
    cost: Floats
    traded: NDArray[np.bool_]


def has_numba() -> bool:
    """Whether the accelerator is installed."""
    return importlib.util.find_spec("numba") is not None


def simulate(
    prices: Floats,
    rows: Rows,
    weights: Floats,
    *,
    legs: Legs,
    value: float = 1.0,
    band: float = 0.0,
    engine: str = "auto",
) -> Path:
    """The path of `value` USD. `prices`: times × coins, USD; `rows`: where trades happen; `weights`: rows × coins, each sums to 1.

    `band`: drift (one-way) below which a review does not trade. Raises MarketDataError for prices or weights that cannot be
    traded at, BallastError when the engine is not installed.
    """
    times = np.asarray(rows, dtype=np.int64)
    _check(prices, times, weights)
    if engine not in ENGINES:
        raise BallastError(f'engine = "{engine}"; use one of {", ".join(ENGINES)}')
    if engine == "numba" and not has_numba():
        raise BallastError('engine = "numba": numba is not installed; run `uv sync --group fast`, or use "numpy"')
    if engine == "numpy" or not has_numba():
        return _reference(prices, times, weights, legs=legs, value=value, band=band)
    return _accelerated(prices, times, weights, legs=legs, value=value, band=band)


def _reference(prices: Floats, rows: Rows, weights: Floats, *, legs: Legs, value: float, band: float) -> Path:
    count, reviews = len(prices), len(rows)
    net, charged = np.full(count, np.nan), np.ones(count)
    turnover, cost, traded = np.zeros(reviews), np.zeros(reviews), np.zeros(reviews, dtype=np.bool_)
    units = np.zeros(prices.shape[1])
    kept = 1.0
    for review, row in enumerate(rows.tolist()):
        end = int(rows[review + 1]) if review + 1 < reviews else count
        held = units * prices[row]
        before = float(held.sum()) if review else value
        target = weights[review]
        drift = float(np.abs(target - held / before).sum()) / 2.0 if review else 1.0
        if review == 0 or round(drift * DRIFT_GRID) / DRIFT_GRID >= band:
            active = np.flatnonzero((held > 0.0) | (target > 0.0))
            after = value_after(held[active], target[active], legs.of(active), cash=0.0 if review else value)
            units = np.zeros_like(units)
            wanted = active[target[active] > 0.0]
            units[wanted] = target[wanted] * after / prices[row, wanted]
            turnover[review], cost[review], traded[review] = drift, 1.0 - after / before, True
            kept *= after / before
        owned = np.flatnonzero(units)
        block = prices[row:end] if len(owned) == len(units) else prices[row:end, owned]
        net[row:end] = block @ units[owned]
        charged[row:end] = kept
    return Path(net=net, gross=net / charged, turnover=turnover, cost=cost, traded=traded)


def _accelerated(prices: Floats, rows: Rows, weights: Floats, *, legs: Legs, value: float, band: float) -> Path:
    from offchain.backtest.machine import simulate_path

    net, charged, turnover, cost, traded, failed = simulate_path(
        np.ascontiguousarray(prices),
        rows,
        np.ascontiguousarray(weights),
        legs.sell,
        legs.buy,
        legs.depth,
        legs.gas,
        value,
        band,
    )
    if failed >= 0:
        # the reference says which limit was passed
        return _reference(prices, rows, weights, legs=legs, value=value, band=band)
    return Path(net=net, gross=net / charged, turnover=turnover, cost=cost, traded=traded)


def _check(prices: Floats, rows: Rows, weights: Floats) -> None:
    if prices.ndim != 2 or weights.shape != (len(rows), prices.shape[1]):
        raise MarketDataError(
            f"prices are {prices.shape}, weights {weights.shape}; needed are times × coins and {len(rows)} reviews × coins"
        )
    if len(rows) == 0 or rows[0] < 0 or rows[-1] >= len(prices) or (np.diff(rows) <= 0).any():
        raise MarketDataError(f"review rows must rise from 0 to at most {len(prices) - 1}; got {rows.tolist()[:5]}…")
    sums = weights.sum(axis=1)
    if (weights < 0.0).any() or np.abs(sums - 1.0).max() > 1e-9:
        worst = int(np.argmax(np.abs(sums - 1.0)))
        raise MarketDataError(f"weights of review {worst} sum to {sums[worst]:.9f}; each row must be ≥ 0 and sum to 1")
    bought = prices[rows]
    bad = (weights > 0.0) & ~((bought > 0.0) & np.isfinite(bought))
    if bad.any():
        review, column = (int(found[0]) for found in np.nonzero(bad))
        raise MarketDataError(
            f"review {review} buys column {column} at a price of {bought[review, column]}; "
            "a coin without a price cannot be bought"
        )


def capacity(
    prices: Floats, rows: Rows, weights: Floats, *, legs: Legs, max_cost: float, largest: float = 1e12
) -> float:
    """USD at which trading costs `max_cost` (part of the value, summed over the reviews after the first purchase); `largest` if less even there.

    Costs rise with size because pools are only so deep. Raises MarketDataError when even one dollar costs more.
    """

    def cost(value: float) -> float:
        try:
            return float(simulate(prices, rows, weights, legs=legs, value=value).cost[1:].sum())
        except MarketDataError:
            # the pools do not hold that much
            return float("inf")

    if cost(1.0) > max_cost:
        raise MarketDataError(
            f"one dollar already costs {cost(1.0):.4%} to trade, more than {max_cost:.4%}; trade less often, or allow more"
        )
    if cost(largest) <= max_cost:
        return largest
    low, high = 1.0, largest
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if cost(middle) <= max_cost else (low, middle)
    return low
