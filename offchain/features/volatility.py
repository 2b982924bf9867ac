"""How much a price moves, how unevenly, and how far it has fallen."""

from __future__ import annotations

import numpy as np

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.trend import true_range
from offchain.features.windows import (
    LN2,
    change,
    days_of,
    days_since_high,
    deviation,
    difference,
    divide,
    highest,
    lowest,
    mean,
    moment,
    newest,
    smoothed,
    sorted_window,
)
from offchain.market.history import Floats

ATR = 14
ATR_DAYS = 8 * ATR + 1


def _volatility(window: int) -> Feature:
    return Feature(
        name=f"volatility_{window}d",
        group="volatility",
        unit="1/√year",
        fields={"price": window + 1},
        doc=f"Standard deviation (n − 1) of {window} daily log returns, × √365.",
        source="definition",
        work=lambda days: deviation(days.returns, window) * np.sqrt(YEAR),
    )


def _downside(window: int) -> Feature:
    def work(days: Days) -> Floats:
        falls = np.minimum(days.returns, 0.0)
        return np.sqrt(mean(falls * falls, window) * YEAR)

    return Feature(
        name=f"downside_volatility_{window}d",
        group="volatility",
        unit="1/√year",
        fields={"price": window + 1},
        doc=f"Root of the mean square of {window} daily log returns, rises counted as 0, × √365.",
        source="Sortino and van der Meer (1991)",
        work=work,
    )


def _parkinson(days: Days) -> Floats:
    spread = days.log("high") - days.log("low")
    return np.sqrt(mean(spread * spread, 30) * (YEAR / (4.0 * LN2)))


def _garman_klass(days: Days) -> Floats:
    spread = days.log("high") - days.log("low")
    body = days.log("price") - days.log("open")
    variance = mean(0.5 * spread * spread - (2.0 * LN2 - 1.0) * body * body, 30)
    return np.sqrt(np.maximum(variance, 0.0) * YEAR)


def _atr(ranges: Floats, price: Floats) -> Floats:
    average = smoothed(ranges, alpha=1.0 / ATR, seed=ATR, window=ATR_DAYS - 1)
    return divide(average, newest(price, len(average)))


def _bollinger(days: Days) -> tuple[Floats, Floats, Floats]:
    """(price, mean, deviation over n) of 20 days."""
    price = days["price"]
    return newest(price, days.rows), mean(price, 20), np.sqrt(moment(price, 20, 2))


def _percent_b(days: Days) -> Floats:
    price, centre, spread = _bollinger(days)
    return divide(price - (centre - 2.0 * spread), 4.0 * spread)


def _band_width(days: Days) -> Floats:
    _, centre, spread = _bollinger(days)
    return divide(4.0 * spread, centre)


def _skew(days: Days) -> Floats:
    spread = np.sqrt(moment(days.returns, 90, 2))
    return divide(moment(days.returns, 90, 3), spread * spread * spread)


def _kurtosis(days: Days) -> Floats:
    square = moment(days.returns, 90, 2)
    return divide(moment(days.returns, 90, 4), square * square) - 3.0


def _volatility_ratio(days: Days) -> Floats:
    return divide(newest(deviation(days.returns, 7), days.rows), deviation(days.returns, 90)) - 1.0


def _volatility_of_volatility(days: Days) -> Floats:
    weekly = deviation(days.returns, 7)
    return divide(deviation(weekly, 84), mean(weekly, 84))


VOLATILITY = (
    *(_volatility(window) for window in (7, 30, 90)),
    *(_downside(window) for window in (30, 90)),
    Feature(
        name="parkinson_30d",
        group="volatility",
        unit="1/√year",
        fields={"high": 30, "low": 30},
        doc="Volatility from 30 daily ranges: √(mean(ln(high/low)²) / (4 ln 2) · 365).",
        source="Parkinson (1980)",
        work=_parkinson,
    ),
    Feature(
        name="garman_klass_30d",
        group="volatility",
        unit="1/√year",
        fields=dict.fromkeys(("open", "high", "low", "price"), 30),
        doc="Volatility from 30 days: √(mean(½ ln(high/low)² − (2 ln 2 − 1) ln(price/open)²) · 365), never below 0.",
        source="Garman and Klass (1980)",
        work=_garman_klass,
    ),
    Feature(
        name="atr_14",
        group="volatility",
        unit="of the price",
        fields=dict.fromkeys(("high", "low", "price"), ATR_DAYS),
        doc="Average true range, smoothed by 1/14, over the price.",
        source="Wilder (1978)",
        seed=f"mean of the oldest 14 ranges of {ATR_DAYS} days; 0.07 % of it is left",
        work=lambda days: _atr(true_range(days["high"], days["low"], days["price"]), days["price"]),
    ),
    Feature(
        name="atr_close_14",
        group="volatility",
        unit="of the price",
        fields={"price": ATR_DAYS},
        doc="The same from prices only: daily distances in place of true ranges, so it is smaller.",
        source="Wilder (1978), from prices only",
        seed=f"mean of the oldest 14 distances of {ATR_DAYS} days; 0.07 % of it is left",
        work=lambda days: _atr(np.abs(difference(days["price"], 1)), days["price"]),
    ),
    Feature(
        name="bollinger_b_20",
        group="volatility",
        unit="1",
        fields={"price": 20},
        doc="Place of the price between the bands mean ± 2 deviations (over n) of 20 days: 0 low, 1 high; unknown when flat.",
        source="Bollinger (2001), %b",
        work=_percent_b,
    ),
    Feature(
        name="bollinger_width_20",
        group="volatility",
        unit="1",
        fields={"price": 20},
        doc="Distance of those bands over their mean.",
        source="Bollinger (2001), BandWidth",
        work=_band_width,
    ),
    Feature(
        name="skew_90d",
        group="volatility",
        unit="1",
        fields={"price": 91},
        doc="Third standardised moment of 90 daily log returns (over n); unknown when flat.",
        source="Pearson (1895)",
        work=_skew,
    ),
    Feature(
        name="kurtosis_90d",
        group="volatility",
        unit="1",
        fields={"price": 91},
        doc="Fourth standardised moment of 90 daily log returns (over n) − 3; unknown when flat.",
        source="Pearson (1905)",
        work=_kurtosis,
    ),
    Feature(
        name="volatility_ratio_7d_90d",
        group="volatility",
        unit="1",
        fields={"price": 91},
        doc="Deviation of 7 daily log returns over that of 90, − 1: above 0 when it has become restless.",
        source="own",
        work=_volatility_ratio,
    ),
    Feature(
        name="volatility_of_volatility_90d",
        group="volatility",
        unit="1",
        fields={"price": 91},
        doc="Deviation over mean of the 84 weekly deviations that end in the last 84 days.",
        source="Baltussen, van Bekkum and van der Grient (2018)",
        work=_volatility_of_volatility,
    ),
    Feature(
        name="value_at_risk_90d",
        group="volatility",
        unit="1",
        fields={"price": 91},
        doc="Fifth worst of the last 90 daily returns, as a loss above 0: one day in twenty was worse or as bad.",
        source="Jorion (1996), historical simulation",
        work=lambda days: -sorted_window(change(days["price"], 1), 90, 4),
    ),
)


def _drawdown(window: int) -> Feature:
    return Feature(
        name=f"drawdown_{window}d",
        group="drawdown",
        unit="-1..0",
        fields={"price": window},
        doc=f"price / the highest price of {window} days − 1.",
        source="definition; as a predictor George and Hwang (2004)",
        work=lambda days: divide(newest(days["price"], days.rows), highest(days["price"], window)) - 1.0,
    )


def _max_drawdown(window: int) -> Feature:
    def work(days: Days) -> Floats:
        seen = days_of(days["price"], window)
        peak = next(seen)
        worst = np.where(np.isnan(peak), np.nan, 0.0)
        for day in seen:
            peak = np.maximum(peak, day)
            worst = np.minimum(worst, day / peak - 1.0)
        return worst

    return Feature(
        name=f"max_drawdown_{window}d",
        group="drawdown",
        unit="-1..0",
        fields={"price": window},
        doc=f"Deepest fall from a peak inside the last {window} days.",
        source="Magdon-Ismail and Atiya (2004)",
        work=work,
    )


def _longest_drawdown(days: Days) -> Floats:
    seen = days_of(days["price"], 90)
    peak = next(seen)
    age = np.where(np.isnan(peak), np.nan, 0.0)
    longest = age
    for day in seen:
        age = np.where(np.isnan(day), np.nan, np.where(day >= peak, 0.0, age + 1.0))
        peak = np.maximum(peak, day)
        longest = np.maximum(longest, age)
    return longest


def _days_since_high(window: int) -> Feature:
    return Feature(
        name=f"days_since_high_{window}d",
        group="drawdown",
        unit="days",
        fields={"price": window},
        doc=f"Days since the highest price of the last {window}.",
        source="George and Hwang (2004)",
        work=lambda days: days_since_high(days["price"], window),
    )


def _ulcer(days: Days) -> Floats:
    price = days["price"]
    peak = highest(price, 30)
    fall = divide(newest(price, len(peak)), peak) - 1.0
    return np.sqrt(mean(fall * fall, 30))


DRAWDOWN = (
    *(_drawdown(window) for window in (30, 90, 180, 365)),
    *(_max_drawdown(window) for window in (90, 365)),
    *(_days_since_high(window) for window in (90, 365)),
    Feature(
        name="longest_drawdown_90d",
        group="drawdown",
        unit="days",
        fields={"price": 90},
        doc="Most days in a row below an earlier price inside the last 90 days.",
        source="definition",
        work=_longest_drawdown,
    ),
    Feature(
        name="rise_from_low_90d",
        group="drawdown",
        unit="1",
        fields={"price": 90},
        doc="price / the lowest price of 90 days − 1.",
        source="definition",
        work=lambda days: divide(newest(days["price"], days.rows), lowest(days["price"], 90)) - 1.0,
    ),
    Feature(
        name="ulcer_index_30d",
        group="drawdown",
        unit="1",
        fields={"price": 59},
        doc="Root of the mean square of the last 30 falls from the highest price of 30 days.",
        source="Martin and McCann (1989)",
        work=_ulcer,
    ),
)
