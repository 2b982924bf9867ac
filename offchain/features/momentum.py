"""How far a price has come, how steadily, and whether it has come too far."""

from __future__ import annotations

import numpy as np

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.trend import settled_days
from offchain.features.windows import (
    before,
    change,
    days_of,
    deviation,
    difference,
    divide,
    highest,
    lowest,
    mean,
    newest,
    total,
)
from offchain.market.history import Floats

RSI = 14
RSI_DAYS = 8 * RSI + 1
RSI_SETTLED_DAYS = 1 + settled_days(1.0 / RSI, RSI)


def _momentum(window: int, *, skip: int = 0) -> Feature:
    until = f" until {skip} days ago" if skip else ""
    return Feature(
        name=f"momentum_{window}d" + (f"_skip_{skip}d" if skip else ""),
        group="momentum",
        unit="1",
        fields={"price": window + 1},
        doc=f"Return of {window} days{until}" + ("; the last week tends to turn back." if skip else "."),
        source="Jegadeesh and Titman (1993); for crypto Liu, Tsyvinski and Wu (2022)",
        work=lambda days: change(before(days["price"], skip), window - skip),
    )


def _sharpe_momentum(window: int) -> Feature:
    return Feature(
        name=f"sharpe_momentum_{window}d",
        group="momentum",
        unit="1/√year",
        fields={"price": window + 1},
        doc=f"Mean over deviation of {window} daily log returns, × √365; unknown when the price does not move.",
        source="Rachev, Jašić, Stoyanov and Fabozzi (2007)",
        work=lambda days: divide(mean(days.returns, window), deviation(days.returns, window)) * np.sqrt(YEAR),
    )


def _strength(gains: Floats, losses: Floats) -> Floats:
    """100 · gains / (gains + losses); 50 when there was neither."""
    both = gains + losses
    return np.where(both == 0.0, 50.0, 100.0 * divide(gains, both))


def _rsi(name: str, window: int, rest: str) -> Feature:
    def work(days: Days) -> Floats:
        moves = days_of(difference(days["price"], 1), window - 1)
        gains = losses = np.zeros((days.rows, days["price"].shape[1]))
        for count, move in enumerate(moves, start=1):
            if count <= RSI:
                gains, losses = gains + np.maximum(move, 0.0), losses + np.maximum(-move, 0.0)
                if count == RSI:
                    gains, losses = gains / RSI, losses / RSI
            else:
                gains = (gains * (RSI - 1) + np.maximum(move, 0.0)) / RSI
                losses = (losses * (RSI - 1) + np.maximum(-move, 0.0)) / RSI
        return _strength(gains, losses)

    return Feature(
        name=name,
        group="momentum",
        unit="0..100",
        fields={"price": window},
        doc="Relative strength index: gains over gains and losses, each smoothed by 1/14; 50 when the price does not move.",
        source="Wilder (1978)",
        seed=f"mean of the oldest 14 changes of {window} days; {rest}",
        work=work,
    )


def _rsi_simple(days: Days) -> Floats:
    moves = difference(days["price"], 1)
    return _strength(total(np.maximum(moves, 0.0), RSI), total(np.maximum(-moves, 0.0), RSI))


def _stochastic(high: Floats, low: Floats, price: Floats) -> Floats:
    top, bottom = highest(high, 14), lowest(low, 14)
    return 100.0 * divide(newest(price, len(top)) - bottom, top - bottom)


def _commodity_channel(typical: Floats) -> Floats:
    centre = mean(typical, 20)
    spread = np.zeros_like(centre)
    for day in days_of(typical, 20):
        spread += np.abs(day - centre)
    return divide(newest(typical, len(centre)) - centre, 0.015 * (spread / 20))


def _typical(days: Days) -> Floats:
    return (days["high"] + days["low"] + days["price"]) / 3.0


def _up_days(days: Days) -> Floats:
    moves = difference(days["price"], 1)
    return mean(np.where(np.isnan(moves), np.nan, moves > 0.0), 90)


def _up_weeks(days: Days) -> Floats:
    log = days.log("price")
    weeks = [
        newest(before(log, 7 * week), days.rows) - newest(before(log, 7 * week + 7), days.rows) for week in range(12)
    ]
    answer = np.zeros((days.rows, log.shape[1]))
    for week in weeks:
        answer = answer + np.where(np.isnan(week), np.nan, week > 0.0)
    return answer / 12.0


_RANGES = ("high", "low", "price")

MOMENTUM = (
    *(_momentum(window) for window in (7, 14, 30, 90, 180, 365)),
    *(_momentum(window, skip=7) for window in (30, 90, 180, 365)),
    Feature(
        name="momentum_change_30d",
        group="momentum",
        unit="1",
        fields={"price": 61},
        doc="Log return of the last 30 days minus that of the 30 days before.",
        source="Gettleman and Marks (2006), acceleration",
        work=lambda days: difference(difference(days.log("price"), 30), 30),
    ),
    *(_sharpe_momentum(window) for window in (30, 90)),
    _rsi("rsi_14", RSI_DAYS, "0.07 % of it is left"),
    _rsi(
        "rsi_14_settled",
        RSI_SETTLED_DAYS,
        "less than 1e-12 of it is left: within 1e-9 of the recursion that never began",
    ),
    Feature(
        name="rsi_14_simple",
        group="momentum",
        unit="0..100",
        fields={"price": RSI + 1},
        doc="The same with plain sums of 14 changes: needs 15 days; 50 when the price does not move.",
        source="Cutler's variant of Wilder (1978)",
        work=_rsi_simple,
    ),
    Feature(
        name="stochastic_k_14",
        group="momentum",
        unit="0..100",
        fields={"high": 14, "low": 14, "price": 1},
        doc="Place of the price between the lowest low and the highest high of 14 days; unknown when they are equal.",
        source="Lane (1984), fast %K",
        work=lambda days: _stochastic(days["high"], days["low"], days["price"]),
    ),
    Feature(
        name="stochastic_d_14",
        group="momentum",
        unit="0..100",
        fields={"high": 16, "low": 16, "price": 3},
        doc="Mean of three days of stochastic_k_14.",
        source="Lane (1984), fast %D",
        work=lambda days: mean(_stochastic(days["high"], days["low"], days["price"]), 3),
    ),
    Feature(
        name="stochastic_close_14",
        group="momentum",
        unit="0..100",
        fields={"price": 14},
        doc="Place of the price between the lowest and the highest price of 14 days; unknown when they are equal.",
        source="Lane (1984), from prices only",
        work=lambda days: _stochastic(days["price"], days["price"], days["price"]),
    ),
    Feature(
        name="cci_20",
        group="momentum",
        unit="1",
        fields=dict.fromkeys(_RANGES, 20),
        doc="Typical price (high + low + price) / 3 minus its mean of 20 days, over 0.015 × its mean distance from that.",
        source="Lambert (1980), commodity channel index",
        work=lambda days: _commodity_channel(_typical(days)),
    ),
    Feature(
        name="cci_close_20",
        group="momentum",
        unit="1",
        fields={"price": 20},
        doc="The same with the price in place of the typical price.",
        source="Lambert (1980), from prices only",
        work=lambda days: _commodity_channel(days["price"]),
    ),
    Feature(
        name="up_days_90d",
        group="momentum",
        unit="0..1",
        fields={"price": 91},
        doc="Part of the last 90 days on which the price rose.",
        source="Gray and Vogel (2016), after Da, Gurun and Warachka (2014)",
        work=_up_days,
    ),
    Feature(
        name="up_weeks_12w",
        group="momentum",
        unit="0..1",
        fields={"price": 85},
        doc="Return consistency: part of the last 12 weeks in which the price rose.",
        source="Grinblatt and Moskowitz (2004), return consistency",
        work=_up_weeks,
    ),
)
