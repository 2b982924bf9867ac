"""The loops of `kernel.py` and `fast.py` in machine code. Imported only where numba is installed.

Sums run over four partial sums in a fixed order: fast, and the same bits on every machine. Nothing here reorders floats
(`fastmath` stays off).
"""

# numba infers the types of its arguments
# mypy: disallow-untyped-defs=False

from __future__ import annotations

import numpy as np
from numba import njit

from offchain.backtest.kernel import DRIFT_GRID
from offchain.backtest.solve import DEEPEST, MAX_STEPS, Floats


@njit(cache=True, nogil=True)
def excess(after, held, weights, sell, buy, depth, chosen, count, before):
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
def solve(held, weights, sell, buy, depth, chosen, count, before):
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
def dot_all(row, units):
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
def dot_some(row, units, owned, count):
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
def simulate_path(prices, rows, weights, sell, buy, depth, gas, value, band):
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


# --- grids ------------------------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def capped(raw, count, cap, weights):
    """Shares of 1 in proportion to falling `raw`, none above `cap`: what is cut goes pro rata to the others. False if none exist."""
    if count == 0 or count * cap < 1.0 - 1e-12:
        return False
    rest = 0.0
    for k in range(count - 1, -1, -1):
        weights[k] = raw[k]
        rest += raw[k]
    full = 0
    while full < count:
        scale = (1.0 - cap * full) / rest
        if raw[full] * scale <= cap:
            break
        rest -= raw[full]
        full += 1
    if full < count:
        # the sum anew, from the smallest on: what was subtracted above has lost digits
        rest = 0.0
        for k in range(count - 1, full - 1, -1):
            rest += raw[k]
    for k in range(count):
        weights[k] = cap if k < full else raw[k] * ((1.0 - cap * full) / rest)
    return True


@njit(cache=True, nogil=True)
def kept_after(rate, held, target, chosen, count):
    """V'/V for one rate of what is put in, by sales and purchases; `held` and `target` are parts of 1."""
    after, buying = 1.0, rate / (1.0 - rate)
    for _ in range(MAX_STEPS):
        over, slope = after - 1.0, 1.0
        for k in range(count):
            i = chosen[k]
            trade = target[i] * after - held[i]
            if trade > 0.0:
                over += buying * trade
                slope += buying * target[i]
            else:
                over -= rate * trade
                slope -= rate * target[i]
        step = over / slope
        if after - step == after or step <= 0.0:
            break
        after -= step
    return after


@njit(cache=True, nogil=True)
def grid_paths(
    prices, caps, order, members, reviews, lag, top, power, cap, band, rates, rows, net, turnover, cost, trades
):
    """One selection and weighting with several cost rates. Writes rows `rows` of `net`, `turnover`, `cost` and `trades`."""
    days, coins = prices.shape
    levels = len(rates)
    line = np.empty(days)
    held, target = np.zeros(coins), np.zeros(coins)
    units = np.zeros(top)
    owned, chosen = np.zeros(top, dtype=np.int64), np.zeros(2 * top, dtype=np.int64)
    raw, weights = np.zeros(top), np.zeros(top)
    kept = np.ones(levels)
    owners, gross = 0, 1.0
    net[rows] = np.nan
    for at in range(len(reviews)):
        review = reviews[at]
        decided = members[review, 0]
        row = decided + lag
        if row >= days:
            break
        count = 0
        for k in range(min(top, members[review, 1])):
            i = order[review, k]
            if prices[row, i] > 0.0:
                size = caps[decided, i]
                raw[count] = size if power == 1.0 else (np.sqrt(size) if power == 0.5 else size**power)
                chosen[count] = i
                count += 1
        following = days
        if at + 1 < len(reviews) and members[reviews[at + 1], 0] + lag < days:
            following = members[reviews[at + 1], 0] + lag
        is_feasible = capped(raw, count, cap, weights)
        if owners == 0 and not is_feasible:
            continue
        # drift of what is held up to this row
        value = 0.0
        for k in range(owners):
            value += units[k] * prices[row, owned[k]]
        if owners > 0:
            gross = value
        if is_feasible:
            active = count
            for k in range(count):
                target[chosen[k]] = weights[k]
            for k in range(owners):
                i = owned[k]
                held[i] = units[k] * prices[row, i] / value
                if target[i] == 0.0:
                    chosen[active] = i
                    active += 1
            drift = 0.0
            for k in range(active):
                drift += abs(target[chosen[k]] - held[chosen[k]])
            drift /= 2.0
            if owners == 0 or np.round(drift * DRIFT_GRID) / DRIFT_GRID >= band:
                for c in range(levels):
                    after = kept_after(rates[c], held, target, chosen, active)
                    kept[c] *= after
                    cost[rows[c]] += 1.0 - after
                    if owners > 0:
                        turnover[rows[c]] += drift
                        trades[rows[c]] += 1
                for k in range(active):
                    held[chosen[k]] = 0.0
                for k in range(count):
                    i = chosen[k]
                    units[k] = weights[k] * gross / prices[row, i]
                    owned[k] = i
                owners = count
            for k in range(active):
                held[chosen[k]] = 0.0
                target[chosen[k]] = 0.0
        for day in range(row, following):
            total = 0.0
            for k in range(owners):
                total += units[k] * prices[day, owned[k]]
            line[day] = total
        for c in range(levels):
            path, left = net[rows[c]], kept[c]
            for day in range(row, following):
                path[day] = line[day] * left


@njit(cache=True, nogil=True)
def measure_path(net, found):
    """Writes (first row, mean, deviation, skewness, kurtosis of daily returns, deepest drawdown) of one path to `found`."""
    days = len(net)
    first = 0
    while first < days and np.isnan(net[first]):
        first += 1
    found[0] = first
    count = days - first
    if count < 3:
        for k in range(1, 6):
            found[k] = np.nan
        return
    # the first return is on 1, so that the cost of the first purchase counts
    returns = np.empty(count)
    returns[0] = net[first] - 1.0
    for day in range(1, count):
        returns[day] = net[first + day] / net[first + day - 1] - 1.0
    mean = returns.mean()
    second, third, fourth = 0.0, 0.0, 0.0
    for day in range(count):
        gap = returns[day] - mean
        square = gap * gap
        second += square
        third += square * gap
        fourth += square * square
    peak, worst = 1.0, 0.0
    for day in range(first, days):
        level = net[day]
        if level > peak:
            peak = level
        elif level < peak * (1.0 - worst):
            worst = 1.0 - level / peak
    second, third, fourth = second / count, third / count, fourth / count
    found[1] = mean
    found[2] = np.sqrt(second * count / (count - 1))
    found[3] = third / second**1.5 if second > 0.0 else 0.0
    found[4] = fourth / second**2 if second > 0.0 else 3.0
    found[5] = worst
