"""The loops of `kernel.py` and `fast.py` in machine code. Imported only where numba is installed.

Sums run over four partial sums in a fixed order: fast, and the same bits on every machine. Nothing here reorders floats
(`fastmath` stays off).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from offchain.backtest.kernel import DRIFT_GRID
from offchain.backtest.solve import DEEPEST, MAX_STEPS, Floats


@njit(cache=True, nogil=True)
def excess(after, held, weights, sell, buy, depth, chosen, count, before):  # type: ignore[no-untyped-def]  # numba infers
    """(V' + cost − V, its slope) over the first `count` columns of `chosen`."""
    total, slope = after - before, 1.0
    for k in range(count):
        i = chosen[k]
        trade = weights[i] * after - held[i]
        if trade > 0.0:
            room = 1.0 - trade / depth[i]
            total += trade * ((1.0 + buy[i]) / room - 1.0)
            slope += weights[i] * ((1.0 + buy[i]) / (room * room) - 1.0)
        elif trade < 0.0:
            put_in = (sell[i] - 1.0) * trade
            more = 1.0 + put_in / depth[i]
            total += -trade - put_in / more
            slope -= weights[i] * (1.0 - (1.0 - sell[i]) / (more * more))
    return total, slope


@njit(cache=True, nogil=True)
def solve(held, weights, sell, buy, depth, chosen, count, before):  # type: ignore[no-untyped-def]
    """V' as `solve.value_after`, or −1 when the pools are too shallow."""
    limit = np.inf
    for k in range(count):
        i = chosen[k]
        if weights[i] > 0.0:
            limit = min(limit, (held[i] + DEEPEST * depth[i]) / weights[i])
    after = before
    if before > limit:
        after = limit
        if excess(after, held, weights, sell, buy, depth, chosen, count, before)[0] < 0.0:
            return -1.0
    for _ in range(MAX_STEPS):
        over, slope = excess(after, held, weights, sell, buy, depth, chosen, count, before)
        step = over / slope
        if after - step == after or step <= 0.0:
            break
        after -= step
    for k in range(count):
        i = chosen[k]
        if held[i] - weights[i] * after > depth[i]:
            return -1.0
    return after


@njit(cache=True, nogil=True)
def dot_all(row, units):  # type: ignore[no-untyped-def]
    n = len(units)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        a += row[i] * units[i]
        b += row[i + 1] * units[i + 1]
        c += row[i + 2] * units[i + 2]
        d += row[i + 3] * units[i + 3]
    for i in range(whole, n):
        a += row[i] * units[i]
    return (a + b) + (c + d)


@njit(cache=True, nogil=True)
def dot_some(row, units, owned, count):  # type: ignore[no-untyped-def]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = count - count % 4
    for k in range(0, whole, 4):
        a += row[owned[k]] * units[owned[k]]
        b += row[owned[k + 1]] * units[owned[k + 1]]
        c += row[owned[k + 2]] * units[owned[k + 2]]
        d += row[owned[k + 3]] * units[owned[k + 3]]
    for k in range(whole, count):
        a += row[owned[k]] * units[owned[k]]
    return (a + b) + (c + d)


@njit(cache=True, nogil=True)
def simulate_path(prices, rows, weights, sell, buy, depth, gas, value, band):  # type: ignore[no-untyped-def]
    """(net, charged, turnover, cost, traded, −1 or the review that failed)."""
    count, coins = prices.shape
    reviews = len(rows)
    net, charged = np.full(count, np.nan), np.ones(count)
    turnover, cost, traded = np.zeros(reviews), np.zeros(reviews), np.zeros(reviews, dtype=np.bool_)
    units, held = np.zeros(coins), np.zeros(coins)
    chosen, owned = np.empty(coins, dtype=np.int64), np.empty(coins, dtype=np.int64)
    owners, kept = 0, 1.0
    for review in range(reviews):
        row = rows[review]
        end = rows[review + 1] if review + 1 < reviews else count
        target = weights[review]
        before = value
        if review > 0:
            for i in range(coins):
                held[i] = units[i] * prices[row, i] if units[i] > 0.0 else 0.0
            before = held.sum()
        drift, active = 0.0, 0
        for i in range(coins):
            if held[i] > 0.0 or target[i] > 0.0:
                drift += abs(target[i] - held[i] / before)
                chosen[active] = i
                active += 1
        drift = drift / 2.0 if review > 0 else 1.0
        if review == 0 or np.round(drift * DRIFT_GRID) / DRIFT_GRID >= band:
            payable = before - gas * active
            after = solve(held, target, sell, buy, depth, chosen, active, payable) if payable > 0.0 else -1.0
            if after < 0.0:
                return net, charged, turnover, cost, traded, review
            owners = 0
            for i in range(coins):
                units[i] = 0.0
            for k in range(active):
                i = chosen[k]
                if target[i] > 0.0:
                    units[i] = target[i] * after / prices[row, i]
                    owned[owners] = i
                    owners += 1
            turnover[review], cost[review], traded[review] = drift, 1.0 - after / before, True
            kept *= after / before
        for day in range(row, end):
            net[day] = dot_all(prices[day], units) if owners == coins else dot_some(prices[day], units, owned, owners)
            charged[day] = kept
    return net, charged, turnover, cost, traded, -1


def warm_up() -> None:
    """Compiles everything once, so that a measurement does not count it."""
    prices: Floats = np.ones((3, 2))
    half = np.full((1, 2), 0.5)
    rate = np.zeros(2)
    simulate_path(prices, np.array([0]), half, rate, rate, np.full(2, np.inf), 0.0, 1.0, 0.0)
