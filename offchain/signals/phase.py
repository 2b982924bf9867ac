"""Which phase the market is in: bull, correction, bear or accumulation, read from the largest coins together.

    deep fall    rising and broad    calm         phase
    no           yes                              bull
    no           no                               correction
    yes          yes                              accumulation      the recovery has begun
    yes          no                  yes          accumulation      sellers are done, buyers are not there yet
    yes          no                  no           bear

The market is the return of the LARGEST coins weighted by yesterday's market cap. It is rising above its own mean of
TREND_DAYS, broad when half of the coins are above theirs, deep when it is `deep` below its high of HIGH_DAYS, and calm
when its volatility is below its own median while it stays near its mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats, History, Needs
from offchain.signals.outcome import GRID, Phase

LARGEST = 100
TREND_DAYS = 50
VOLATILITY_DAYS = 30
HIGH_DAYS = 180
# a coin that moves less than this a day is a currency, and says nothing about the mood of the market
STILL = 0.005
NEAR_MEAN = 0.05
# least days before anything is said
LEAST_DAYS = VOLATILITY_DAYS + 1
# one coin cannot move the whole market by more than this in a day; more is a fault in its data
WILDEST = 0.5

NEEDS = Needs(days=HIGH_DAYS + VOLATILITY_DAYS + 1, fields=("market_cap", "price"))


@dataclass(frozen=True, kw_only=True)
class _Reading:
    breadth: float
    volatility: float
    usual_volatility: float
    drawdown: float
    above_mean: float


def market_phase(history: History, *, deep: float = 0.3) -> Phase:
    """The phase at the end of `history`. `deep`: fall from the high of 180 days from which on it is no mere correction.

    Too little history gives a correction, the phase that asks for neither courage nor fear, with that as the reason.
    """
    price = history.panel("price")[-NEEDS.days :]
    caps = history.panel("market_cap")[-NEEDS.days :]
    returns, moving = _returns(price)
    if len(price) < LEAST_DAYS or not moving.any():
        return Phase(
            name="correction",
            breadth=0.0,
            volatility=0.0,
            drawdown=0.0,
            reason=f"{len(price)} days of {int(moving.sum())} moving coins say nothing about the market; {LEAST_DAYS} days needed",
        )
    level, daily = market_level(returns[:, moving], caps[:, moving])
    reading = _read(price[:, moving], caps[:, moving], level, daily)
    name = phase_name(reading, deep)
    return Phase(
        name=name,
        breadth=round(reading.breadth, GRID),
        volatility=round(reading.volatility, GRID),
        drawdown=round(reading.drawdown, GRID),
        reason=_reason(name, reading, deep),
    )


def market_level(returns: Floats, caps: Floats) -> tuple[Floats, Floats]:
    """(level that starts at 1, daily return) of the LARGEST coins, weighted by the market cap of the day before."""
    level, daily = np.ones(len(returns)), np.zeros(len(returns))
    for day in range(1, len(returns)):
        known = np.flatnonzero(~np.isnan(returns[day]) & (np.nan_to_num(caps[day - 1]) > 0.0))
        # by cap, then by column, which is by id
        chosen = np.sort(known[np.argsort(-caps[day - 1][known], kind="stable")[:LARGEST]])
        weights = caps[day - 1][chosen]
        if len(chosen):
            move = np.clip(returns[day][chosen], -WILDEST, WILDEST)
            daily[day] = math.fsum((weights * move).tolist()) / math.fsum(weights.tolist())
        level[day] = level[day - 1] * (1.0 + daily[day])
    return level, daily


def phase_name(reading: _Reading, deep: float) -> str:
    """The table at the top of this file."""
    is_up = reading.above_mean > 0.0 and reading.breadth >= 0.5
    is_calm = reading.volatility < reading.usual_volatility and abs(reading.above_mean) <= NEAR_MEAN
    if reading.drawdown < deep:
        return "bull" if is_up else "correction"
    return "accumulation" if is_up or is_calm else "bear"


def _returns(price: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(daily returns with an unknown first row, which coins move at all)."""
    returns = np.full(price.shape, np.nan)
    returns[1:] = price[1:] / price[:-1] - 1.0
    recent = np.abs(returns[-VOLATILITY_DAYS:])
    known = (~np.isnan(recent)).sum(axis=0)
    mean = np.nansum(recent, axis=0) / np.maximum(known, 1)
    return returns, (known >= VOLATILITY_DAYS // 2) & (mean > STILL)


def _read(price: Floats, caps: Floats, level: Floats, daily: Floats) -> _Reading:
    windows = np.lib.stride_tricks.sliding_window_view(daily[1:], VOLATILITY_DAYS)
    volatility = [math.sqrt(_variance(window.tolist()) * 365.0) for window in windows]
    trend = level[-TREND_DAYS:]
    return _Reading(
        breadth=_breadth(price[-TREND_DAYS:], caps[-1]),
        volatility=volatility[-1],
        usual_volatility=float(np.median(volatility)),
        drawdown=1.0 - float(level[-1] / level[-HIGH_DAYS:].max()),
        above_mean=float(level[-1]) / (math.fsum(trend.tolist()) / len(trend)) - 1.0,
    )


def _breadth(window: Floats, caps: Floats) -> float:
    """Part of the largest coins whose price is above its own mean; coins known on less than half of the days do not count."""
    known = ~np.isnan(window)
    counted = np.flatnonzero(known[-1] & (known.sum(axis=0) * 2 >= len(window)) & (np.nan_to_num(caps) > 0.0))
    chosen = counted[np.argsort(-caps[counted], kind="stable")[:LARGEST]]
    if not len(chosen):
        return 0.0
    mean = np.nansum(window[:, chosen], axis=0) / known[:, chosen].sum(axis=0)
    return int((window[-1, chosen] > mean).sum()) / len(chosen)


def _variance(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _reason(name: str, reading: _Reading, deep: float) -> str:
    side = "above" if reading.above_mean > 0.0 else "below"
    mood = "below" if reading.volatility < reading.usual_volatility else "above"
    return (
        f"{name}: the market is {abs(reading.above_mean):.1%} {side} its {TREND_DAYS}-day mean, {reading.breadth:.0%} of coins "
        f"are above theirs, it is {reading.drawdown:.1%} below its high (deep from {deep:.0%}), and its volatility of "
        f"{reading.volatility:.0%} a year is {mood} its median of {reading.usual_volatility:.0%}"
    )
