"""Which way a price goes, and how straight."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from offchain.features.feature import YEAR, Days, Feature
from offchain.features.windows import (
    before,
    change,
    days_of,
    days_since_high,
    difference,
    divide,
    highest,
    lowest,
    mean,
    mean_of,
    moment,
    newest,
    slope,
    smoothed,
    total,
)
from offchain.market.history import Floats

SPANS = (7, 20, 50, 100, 200)
# an exponential mean is begun this many spans ago: its first value weighs e^-6 = 0.2 % at the end
EMA_SPANS = 4
FAST, SLOW, SIGNAL = 12, 26, 9
MACD_DAYS = EMA_SPANS * SLOW + SIGNAL
ADX = 14
ADX_DAYS = 10 * ADX


def settled_days(alpha: float, seed: int) -> int:
    """Days after which less than 1e-12 of a recursion's seed is left in it: less than the digits that are kept."""
    return seed + math.ceil(math.log(1e-12) / math.log(1.0 - alpha))


def _sma_distance(span: int) -> Feature:
    return Feature(
        name=f"sma_distance_{span}",
        group="trend",
        unit="1",
        fields={"price": span},
        doc=f"price / its mean over {span} days − 1.",
        source="Brock, Lakonishok and LeBaron (1992)",
        work=lambda days: divide(newest(days["price"], days.rows), mean(days["price"], span)) - 1.0,
    )


def _ema_distance(span: int, *, window: int, name: str, rest: str) -> Feature:
    alpha = 2.0 / (span + 1.0)

    def work(days: Days) -> Floats:
        average = smoothed(days["price"], alpha=alpha, seed=span, window=window)
        return divide(newest(days["price"], days.rows), average) - 1.0

    return Feature(
        name=name,
        group="trend",
        unit="1",
        fields={"price": window},
        doc=f"price / its exponential mean of span {span} (each day 2/{span + 1} of the way) − 1.",
        source="Brown (1956); the seed is TA-Lib's",
        seed=f"mean of the oldest {span} of {window} days; {rest}",
        work=work,
    )


def _macd(pick: Callable[[Floats, Floats], Floats]) -> Callable[[Days], Floats]:
    """The fast and the slow mean are begun on the same day, the signal with the mean of the first nine differences."""

    def work(days: Days) -> Floats:
        price = days["price"]
        seen = list(days_of(price, MACD_DAYS))
        fast = mean_of(seen[SLOW - FAST : SLOW])
        slow = mean_of(seen[:SLOW])
        lines = [fast - slow]
        signal = lines[0]
        for day in seen[SLOW:]:
            fast = fast + 2.0 / (FAST + 1.0) * (day - fast)
            slow = slow + 2.0 / (SLOW + 1.0) * (day - slow)
            lines.append(fast - slow)
            if len(lines) == SIGNAL:
                signal = mean_of(lines)
            elif len(lines) > SIGNAL:
                signal = signal + 2.0 / (SIGNAL + 1.0) * (lines[-1] - signal)
        return divide(pick(lines[-1], signal), seen[-1])

    return work


def _macd_feature(name: str, doc: str, pick: Callable[[Floats, Floats], Floats]) -> Feature:
    return Feature(
        name=name,
        group="trend",
        unit="of the price",
        fields={"price": MACD_DAYS},
        doc=doc,
        source="Appel (1979)",
        seed=f"means begin {MACD_DAYS} days ago with means of {FAST} and {SLOW} days; 0.1 % of the slow seed is left",
        work=_macd(pick),
    )


def _directional(pick: Callable[[Floats, Floats, Floats], Floats]) -> Callable[[Days], Floats]:
    """Wilder's up and down movement over true range, each smoothed by 1/14, and the smoothed size of their difference."""

    def work(days: Days) -> Floats:
        high, low, price = days["high"], days["low"], days["price"]
        up, down = difference(high, 1), -difference(low, 1)
        plus = _unless_unknown(np.where((up > down) & (up > 0.0), up, 0.0), up, down)
        minus = _unless_unknown(np.where((down > up) & (down > 0.0), down, 0.0), up, down)
        ranges = true_range(high, low, price)
        moves = zip(*(days_of(x, ADX_DAYS - 1) for x in (plus, minus, ranges)), strict=True)
        ups, downs, sizes = (x.copy() for x in next(moves))
        strengths: list[Floats] = []
        adx = sizes
        for count, (plus_day, minus_day, range_day) in enumerate(moves, start=2):
            if count < ADX:
                ups, downs, sizes = ups + plus_day, downs + minus_day, sizes + range_day
                continue
            ups = ups - ups / ADX + plus_day
            downs = downs - downs / ADX + minus_day
            sizes = sizes - sizes / ADX + range_day
            both = ups + downs
            strength = np.where(both == 0.0, 0.0, 100.0 * np.abs(ups - downs) / both)
            strengths.append(strength)
            if len(strengths) == ADX:
                adx = mean_of(strengths)
            elif len(strengths) > ADX:
                adx = (adx * (ADX - 1) + strength) / ADX
        return pick(adx, 100.0 * divide(ups, sizes), 100.0 * divide(downs, sizes))

    return work


def true_range(high: Floats, low: Floats, price: Floats) -> Floats:
    """Largest of high − low and their distances from the price of the day before; one day fewer (Wilder 1978)."""
    last = before(price, 1)
    return np.maximum(np.maximum(high[1:] - low[1:], np.abs(high[1:] - last)), np.abs(low[1:] - last))


def _unless_unknown(x: Floats, *read: Floats) -> Floats:
    """x where all that it was compared from is known: a comparison with NaN is false and would hide it."""
    for values in read:
        x = np.where(np.isnan(values), np.nan, x)
    return x


def _channel(high: Floats, low: Floats, price: Floats, span: int) -> Floats:
    top, bottom = highest(high, span), lowest(low, span)
    return divide(newest(price, len(top)) - bottom, top - bottom)


def _donchian(name: str, span: int, *, has_range: bool) -> Feature:
    fields = {"high": span, "low": span, "price": 1} if has_range else {"price": span}
    what = "highs and lows" if has_range else "prices"
    return Feature(
        name=name,
        group="trend",
        unit="0..1",
        fields=fields,
        doc=f"Place of the price between the lowest and the highest of {span} days of {what}; unknown when they are equal.",
        source="Donchian (1960)",
        work=lambda days: (
            _channel(days["high"], days["low"], days["price"], span)
            if has_range
            else _channel(days["price"], days["price"], days["price"], span)
        ),
    )


def _aroon(name: str, *, has_range: bool) -> Feature:
    def work(days: Days) -> Floats:
        high, low = (days["high"], days["low"]) if has_range else (days["price"], days["price"])
        return (days_since_high(-low, 26) - days_since_high(high, 26)) * (100.0 / 25.0)

    return Feature(
        name=name,
        group="trend",
        unit="-100..100",
        fields={"high": 26, "low": 26} if has_range else {"price": 26},
        doc=f"Days since the lowest minus days since the highest {'day' if has_range else 'price'} of 25, in percent of 25.",
        source="Chande (1995)",
        work=work,
    )


def _efficiency(days: Days) -> Floats:
    steps = np.abs(difference(days["price"], 1))
    return divide(np.abs(difference(days["price"], 30)), total(steps, 30))


def _fit(days: Days) -> Floats:
    log, count = days.log("price"), 90
    # squares of the days' numbers around their mean, per day: (n² − 1) / 12
    spread = (count * count - 1) / 12.0
    explained = slope(log, count)
    return np.minimum(divide(explained * explained * spread, moment(log, count, 2)), 1.0)


TREND = (
    *(_sma_distance(span) for span in SPANS),
    *(
        _ema_distance(span, window=EMA_SPANS * span, name=f"ema_distance_{span}", rest="0.2 % of it is left")
        for span in SPANS
    ),
    _ema_distance(
        20,
        window=settled_days(2.0 / 21.0, 20),
        name="ema_distance_20_settled",
        rest="less than 1e-12 of it is left: within 1e-9 of the recursion that never began",
    ),
    Feature(
        name="sma_cross_20_50",
        group="trend",
        unit="1",
        fields={"price": 50},
        doc="Mean price of 20 days / mean price of 50 days − 1.",
        source="Brock, Lakonishok and LeBaron (1992)",
        work=lambda days: divide(newest(mean(days["price"], 20), days.rows), mean(days["price"], 50)) - 1.0,
    ),
    Feature(
        name="sma_cross_50_200",
        group="trend",
        unit="1",
        fields={"price": 200},
        doc="Mean price of 50 days / mean price of 200 days − 1: above 0 after a golden cross.",
        source="Brock, Lakonishok and LeBaron (1992)",
        work=lambda days: divide(newest(mean(days["price"], 50), days.rows), mean(days["price"], 200)) - 1.0,
    ),
    Feature(
        name="sma_slope_50",
        group="trend",
        unit="1",
        fields={"price": 70},
        doc="Mean price of 50 days / the same 20 days before − 1.",
        source="own",
        work=lambda days: change(mean(days["price"], 50), 20),
    ),
    _macd_feature(
        "macd_line", "Exponential mean of span 12 minus that of span 26, over the price.", lambda line, _: line
    ),
    _macd_feature(
        "macd_signal", "Exponential mean of span 9 of the MACD line, over the price.", lambda _, signal: signal
    ),
    _macd_feature("macd_histogram", "MACD line minus its signal, over the price.", lambda line, signal: line - signal),
    Feature(
        name="adx_14",
        group="trend",
        unit="0..100",
        fields={"high": ADX_DAYS, "low": ADX_DAYS, "price": ADX_DAYS},
        doc="Average directional index: how strong a trend is, up or down.",
        source="Wilder (1978)",
        seed=f"sums of the oldest 13 of {ADX_DAYS} days, then the mean of 14 strengths",
        work=_directional(lambda adx, *_: adx),
    ),
    Feature(
        name="di_difference_14",
        group="trend",
        unit="-100..100",
        fields={"high": ADX_DAYS, "low": ADX_DAYS, "price": ADX_DAYS},
        doc="Directional indicator up minus down: which way the trend goes.",
        source="Wilder (1978)",
        seed=f"sums of the oldest 13 of {ADX_DAYS} days",
        work=_directional(lambda _, up, down: up - down),
    ),
    _aroon("aroon_25", has_range=True),
    _aroon("aroon_close_25", has_range=False),
    _donchian("donchian_position_20", 20, has_range=True),
    _donchian("donchian_close_20", 20, has_range=False),
    _donchian("donchian_close_55", 55, has_range=False),
    Feature(
        name="trend_slope_90d",
        group="trend",
        unit="1/year",
        fields={"price": 90},
        doc="Slope of the least-squares line through the log prices of 90 days, per year.",
        source="Clenow (2015)",
        work=lambda days: slope(days.log("price"), 90) * YEAR,
    ),
    Feature(
        name="trend_fit_90d",
        group="trend",
        unit="0..1",
        fields={"price": 90},
        doc="R² of that line: 1 when the log price is straight; unknown when it does not move.",
        source="Clenow (2015)",
        work=_fit,
    ),
    Feature(
        name="trend_efficiency_30d",
        group="trend",
        unit="0..1",
        fields={"price": 31},
        doc="Way from the first to the last of 30 days over the sum of the daily ways; unknown when it does not move.",
        source="Kaufman (1995), the efficiency ratio",
        work=_efficiency,
    ),
)
