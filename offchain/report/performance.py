"""How the index did against its paper twin and against holding one coin, and where the difference went. Pure arithmetic.

The paper index buys the same weights at the same moments at the market's own price, pays nothing and earns no fee for
anybody. What separates the two is the streaming fee, what trading cost against the oracle's mid, and a rest: gaps that
plans leave, rounding, prices the oracle did not have.

Parts are logarithms of ratios, so that they add up exactly: ln(index / paper) = fee + trading + rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offchain.units import BPS, WAD

BASE = 100.0
YEAR = 365 * 86_400  # {s}


@dataclass(frozen=True, kw_only=True)
class Levels:
    """One number a day each, BASE on the first day. `paper_after_fee`: the paper index less the streaming fee."""

    index: tuple[float, ...]
    paper: tuple[float, ...]
    paper_after_fee: tuple[float, ...]
    benchmarks: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """ln(index / paper) up to each day, in bps, and its parts."""

    total: tuple[float, ...]
    fee: tuple[float, ...]
    trading: tuple[float, ...]
    rest: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Against the paper index. `difference`: index return − paper return; `relative`: index / paper − 1, with its parts in bps.

    `yearly`: the relative difference as a rate a year; `error`: deviation of daily active returns × √365.
    """

    years: float
    index_return: float
    paper_return: float
    difference: float
    relative: float
    yearly: float
    fee_bps: float
    trading_bps: float
    rest_bps: float
    error: float


def rebased(values: Sequence[float]) -> tuple[float, ...]:
    """BASE on the first day."""
    return tuple(BASE * value / values[0] for value in values)


def paper_levels(
    prices: Mapping[str, Sequence[float]], rebalances: Sequence[tuple[int, Mapping[str, float]]]
) -> tuple[float, ...]:
    """A frictionless index. `rebalances`: (day, weights that sum to 1), the first on day 0; `prices`: one per day and coin."""
    if not rebalances or rebalances[0][0] != 0:
        raise ValueError("a paper index needs weights on day 0")
    length = len(next(iter(prices.values())))
    due: dict[int, Mapping[str, float]] = dict(rebalances)
    units: dict[str, float] = {}
    levels = []
    for day in range(length):
        level = sum(unit * prices[coin][day] for coin, unit in units.items()) if units else BASE
        if day in due:
            units = {coin: level * weight / prices[coin][day] for coin, weight in due[day].items() if weight}
        levels.append(level)
    return tuple(levels)


def after_fee(levels: Sequence[float], times: Sequence[int], growth: int) -> tuple[float, ...]:
    """`levels` diluted at D18 `growth` a year, as the supply of the index grows."""
    # {1} = exp(-D18{1/year} * {s} / (1e18 * {s/year}))
    return tuple(
        level * math.exp(-growth / WAD * (time - times[0]) / YEAR) for level, time in zip(levels, times, strict=True)
    )


def parts(
    index: Sequence[float],
    paper: Sequence[float],
    times: Sequence[int],
    *,
    growth: int,
    losses: Sequence[tuple[int, float]],
) -> Parts:
    """Where the difference went. `losses`: (day, fraction of NAV that its trades cost); they show from the next day on."""
    total, fee, trading, rest = [], [], [], []
    for day, (level, twin, time) in enumerate(zip(index, paper, times, strict=True)):
        whole = math.log(level / twin) * BPS
        diluted = -growth / WAD * (time - times[0]) / YEAR * BPS
        traded = sum(math.log1p(-loss) for when, loss in losses if when < day) * BPS
        total.append(whole)
        fee.append(diluted)
        trading.append(traded)
        rest.append(whole - diluted - traded)
    return Parts(total=tuple(total), fee=tuple(fee), trading=tuple(trading), rest=tuple(rest))


def tracking(index: Sequence[float], paper: Sequence[float], times: Sequence[int], split: Parts) -> Tracking:
    """The whole period in one line."""
    years = (times[-1] - times[0]) / YEAR
    ratio = (index[-1] / index[0]) / (paper[-1] / paper[0])
    active = [math.log(index[k] / index[k - 1]) - math.log(paper[k] / paper[k - 1]) for k in range(1, len(index))]
    return Tracking(
        years=years,
        index_return=index[-1] / index[0] - 1,
        paper_return=paper[-1] / paper[0] - 1,
        difference=index[-1] / index[0] - paper[-1] / paper[0],
        relative=ratio - 1,
        yearly=ratio ** (1 / years) - 1,
        fee_bps=split.fee[-1],
        trading_bps=split.trading[-1],
        rest_bps=split.rest[-1],
        error=deviation(active) * math.sqrt(365),
    )


def deviation(values: Sequence[float]) -> float:
    """Standard deviation of a sample."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def largest_fall(levels: Sequence[float]) -> float:
    """Deepest fall from the running peak, as a positive fraction."""
    peak, worst = levels[0], 0.0
    for level in levels:
        peak = max(peak, level)
        worst = max(worst, 1 - level / peak)
    return worst
