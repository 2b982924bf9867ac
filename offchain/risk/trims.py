"""Single coins cut before the exposure as a whole: over-extended ones, wild ones, one bet under several names, the largest.

A cut only ever takes: what is cut goes to the stable side and never to another coin, so that every cap of the weights
still holds to the wei. Each function returns {id: D18} and {id: why} of what it cut.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median

import numpy as np

from offchain.market.history import History
from offchain.risk.basket import GRID, basket_returns, correlations, deviations_from_mean, grid, volatility
from offchain.spec.risk_rules import RiskRules
from offchain.units import WAD, format_percent

Cut = tuple[dict[str, int], dict[str, str]]

_GRID = 10**GRID


def times(weight: int, factor: float) -> int:
    """D18 `weight` times `factor` (0..1, read on the grid), rounded down; exact for whole ones."""
    return weight * round(factor * _GRID) // _GRID


def _uncut(coins: Mapping[str, int]) -> Cut:
    return dict(coins), {}


def trim_extended(coins: Mapping[str, int], rules: RiskRules, *, history: History) -> Cut:
    """W12: a coin z deviations above its own mean of trim_days gives up trim_part · (z / trim_above - 1), at most trim_part."""
    ids = sorted(coins)
    panel = history.tail(rules.trim_days).panel("price")[:, [history.column(name) for name in ids]]
    after, why = _uncut(coins)
    for name, value in zip(ids, deviations_from_mean(panel).tolist(), strict=True):
        if math.isnan(value) or value <= rules.trim_above:
            continue
        part = grid(rules.trim_part * min(value / rules.trim_above - 1.0, 1.0))
        after[name] = times(coins[name], grid(1.0 - part))
        why[name] = (
            f"{value:.2f} deviations above its mean of {rules.trim_days} days (limit {rules.trim_above:g}): "
            f"{format_percent(part)} of it is sold"
        )
    return after, why


def cut_volatile(coins: Mapping[str, int], rules: RiskRules, *, history: History) -> Cut:
    """M7: a coin more volatile than conservative_cut times the median coin is cut to that, as inverse volatility would."""
    known: dict[str, float] = {}
    for name in sorted(coins):
        daily = basket_returns(history.tail(rules.volatility_days + 1), {name: 1.0})
        value = volatility(daily, decay=rules.volatility_decay)
        if value:
            known[name] = value
    after, why = _uncut(coins)
    if not known:
        return after, why
    limit = rules.conservative_cut * median(known.values())
    for name, value in known.items():
        if value > limit:
            after[name] = times(coins[name], grid(limit / value))
            why[name] = f"volatility {format_percent(value)} a year, cut to the weight of {format_percent(grid(limit))}"
    return after, why


def bets(coins: Mapping[str, int], rules: RiskRules, *, history: History) -> tuple[tuple[str, ...], ...]:
    """Coins that are one bet: linked by correlations above max_correlation, through one another. Largest bet first.

    A pair without enough common days is not linked.
    """
    ids = sorted(coins)
    linked = correlations(history, ids, days=rules.correlation_days) > rules.max_correlation
    left, found = set(range(len(ids))), []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(other) for one in edge for other in np.flatnonzero(linked[one])} - group
        left -= group
        found.append(tuple(ids[number] for number in sorted(group)))
    return tuple(sorted(found, key=lambda group: (-sum(coins[name] for name in group), group)))


def cut_bets(coins: Mapping[str, int], rules: RiskRules, *, history: History) -> Cut:
    """Coins that are one bet weigh at most max_bet together; they are cut in proportion, rounded down."""
    limit = times(WAD, rules.max_bet)
    after, why = _uncut(coins)
    for group in bets(coins, rules, history=history):
        total = sum(coins[name] for name in group)
        if len(group) == 1 or total <= limit:
            continue
        for name in group:
            after[name] = coins[name] * limit // total
            others = ", ".join(other for other in group if other != name)
            why[name] = (
                f"moves with {others} (correlation above {rules.max_correlation:g}); "
                f"together {format_percent(total / WAD)}, limit {format_percent(rules.max_bet)}"
            )
    return after, why


def cut_largest(coins: Mapping[str, int], rules: RiskRules) -> Cut:
    """The largest are cut to one level, the highest at which 1 / Σ weight² (of the coins' weights in the index) is min_effective.

    Σ weight² is the index of Herfindahl (1950); its inverse is the number of equal coins that would be as concentrated.
    """
    # Σ w² · min_effective ≤ WAD², in integers
    scale = round(rules.min_effective * _GRID)

    def holds(level: int) -> bool:
        return sum(min(weight, level) ** 2 for weight in coins.values()) * scale <= WAD * WAD * _GRID

    low, high = 0, max(coins.values(), default=0)
    if holds(high):
        return dict(coins), {}
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    why = {
        name: f"the effective number of coins was below {rules.min_effective:g}: cut to {format_percent(low / WAD)}"
        for name, weight in sorted(coins.items())
        if weight > low
    }
    return {name: min(weight, low) for name, weight in coins.items()}, why
