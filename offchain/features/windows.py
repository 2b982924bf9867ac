"""Arithmetic over a moving window, days × coins, that gives the same bits however much lies before the window.

Every function answers for each day that has its whole window and for no other: n days in, n − window + 1 rows out. So
what a feature reads is counted by the shape of its answer, and nothing outside the window can be read. Sums run from
the oldest day to the newest, one addition per day and coin; there is no pairwise sum, no prefix sum and no matrix
product in here, whose last bit depends on the shape. One unknown day (NaN) in a window makes its answer unknown.

x, y: float64, days × coins, or days × 1 for one line that all coins share.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from offchain.market.history import Floats

DIGITS = 12
# 10**0 … 10**22 are exact in float64; beyond them text is asked
_EXACT_POWERS = 22


def days_of(x: Floats, window: int) -> Iterator[Floats]:
    """The oldest day of every window, then the next, up to the newest: `window` arrays of as many rows as there are windows."""
    rows = len(x) - window + 1
    return (x[day : day + rows] for day in range(window))


def newest(x: Floats, rows: int) -> Floats:
    """The last `rows` rows."""
    return x[len(x) - rows :]


def before(x: Floats, days: int) -> Floats:
    """Each day's value `days` earlier, for the days that have one."""
    return x[: len(x) - days]


def change(x: Floats, days: int) -> Floats:
    """x / x `days` earlier − 1."""
    return x[days:] / before(x, days) - 1.0


def difference(x: Floats, days: int) -> Floats:
    """x − x `days` earlier."""
    return x[days:] - before(x, days)


def total(x: Floats, window: int) -> Floats:
    """Sum, oldest day first."""
    days = days_of(x, window)
    answer = next(days).copy()
    for day in days:
        answer += day
    return answer


def mean(x: Floats, window: int) -> Floats:
    """Arithmetic mean, of the distances to the oldest day: so the mean of equal values is that value, and nothing is spread."""
    return mean_of(list(days_of(x, window)))


def moment(x: Floats, window: int, power: int) -> Floats:
    """Mean of (x − mean of the window) to the `power`, 2 or more; by multiplication, which is exact everywhere alike."""
    centre = mean(x, window)
    answer = np.zeros_like(centre)
    for day in days_of(x, window):
        step = day - centre
        product = step * step
        for _ in range(power - 2):
            product = product * step
        answer += product
    return answer / window


def deviation(x: Floats, window: int) -> Floats:
    """Standard deviation of a sample (n − 1)."""
    return np.sqrt(moment(x, window, 2) * (window / (window - 1)))


def covariance(x: Floats, y: Floats, window: int) -> Floats:
    """Mean of (x − mean)(y − mean); x and y have as many days."""
    x_mean, y_mean = mean(x, window), mean(y, window)
    answer = np.zeros(np.broadcast_shapes(x_mean.shape, y_mean.shape))
    for x_day, y_day in zip(days_of(x, window), days_of(y, window), strict=True):
        answer += (x_day - x_mean) * (y_day - y_mean)
    return answer / window


def correlation(x: Floats, y: Floats, window: int) -> Floats:
    """Pearson's; unknown when one of them does not move."""
    scale = np.sqrt(moment(x, window, 2) * moment(y, window, 2))
    return np.clip(divide(covariance(x, y, window), scale), -1.0, 1.0)


def highest(x: Floats, window: int) -> Floats:
    """Maximum. Windows of twice the length are the maximum of two halves, which is exact."""
    return _fold(x, window, np.maximum)


def lowest(x: Floats, window: int) -> Floats:
    """Minimum."""
    return _fold(x, window, np.minimum)


def _fold(x: Floats, window: int, pick: Callable[[Floats, Floats], Floats]) -> Floats:
    answer, width = x, 1
    while 2 * width <= window:
        answer = pick(answer[width:], answer[:-width])
        width *= 2
    rest = window - width
    return pick(answer[rest:], answer[: len(answer) - rest]) if rest else answer.copy()


def days_since_high(x: Floats, window: int) -> Floats:
    """Days since the highest day of the window, the newest one when several are as high."""
    days = days_of(x, window)
    best = next(days).copy()
    age = np.full(best.shape, float(window - 1))
    for left, day in enumerate(days, start=1):
        is_high = day >= best
        age = np.where(is_high, float(window - 1 - left), age)
        best = np.maximum(best, day)
    return np.where(np.isnan(best), np.nan, age)


def slope(x: Floats, window: int) -> Floats:
    """Of the least-squares line through the window, per day."""
    centre = (window - 1) / 2.0
    days = days_of(x, window)
    oldest = next(days)
    answer = np.zeros_like(oldest)
    for day, values in enumerate(days, start=1):
        answer += (day - centre) * (values - oldest)
    return answer / (window * (window * window - 1) / 12.0)


def smoothed(x: Floats, *, alpha: float, seed: int, window: int) -> Floats:
    """value += alpha · (x − value), begun with the mean of the oldest `seed` days of the window.

    What the seed still weighs at the end is (1 − alpha) ** (window − seed).
    """
    days = list(days_of(x, window))
    value = mean_of(days[:seed])
    for day in days[seed:]:
        value = value + alpha * (day - value)
    return value


def mean_of(days: Sequence[Floats]) -> Floats:
    """Arithmetic mean of arrays, by the same steps as `mean`."""
    answer = np.zeros_like(days[0])
    for day in days[1:]:
        answer += day - days[0]
    return days[0] + answer / len(days)


def sorted_window(x: Floats, window: int, position: int) -> Floats:
    """The value at `position` of each window in ascending order, 0 the lowest; unknown with one unknown day."""
    rows = len(x) - window + 1
    answer = np.empty((rows, x.shape[1]))
    for row in range(rows):
        part = x[row : row + window]
        answer[row] = np.where(np.isnan(part).any(axis=0), np.nan, np.sort(part, axis=0)[position])
    return answer


def median(x: Floats, window: int) -> Floats:
    """Middle value; the mean of the two middle ones of an even window."""
    low = sorted_window(x, window, (window - 1) // 2)
    return low if window % 2 else (low + sorted_window(x, window, window // 2)) / 2.0


def divide(x: Floats, y: Floats) -> Floats:
    """x / y, unknown where y is 0."""
    return x / np.where(y == 0.0, np.nan, y)


def natural_log(x: Floats) -> Floats:
    """ln x within two units of the last digit; unknown where x is not above 0.

    Of +, −, × and ÷ only, because the last bit of a library's logarithm depends on the processor, and a difference of two
    logarithms can make it the third digit. x = 2^e · m with m between √½ and √2, ln m = 2 artanh((m − 1) / (m + 1)).
    """
    m, e = np.frexp(np.where(x > 0.0, x, np.nan))
    is_low = m < _ROOT_HALF
    m = np.where(is_low, 2.0 * m, m)
    e = e - is_low.astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    square = s * s
    series = np.full(s.shape, 1.0 / 23.0)
    for odd in range(21, 1, -2):
        series *= square
        series += 1.0 / odd
    return np.asarray(e * _LN2_HIGH + (2.0 * s + (2.0 * s * square * series + e * _LN2_LOW)))


def power_of_ten(x: Floats) -> Floats:
    """log10 x; unknown where x is not above 0."""
    return natural_log(x) / LN10


def tanh(x: Floats) -> Floats:
    """Hyperbolic tangent for |x| below 2, by Lambert's fraction (1768), of the same four operations."""
    square, answer = x * x, np.full_like(x, 27.0)
    for odd in range(25, 0, -2):
        answer = odd + square / answer
    return x / answer


def across(x: Floats) -> Floats:
    """Sum over the coins of each day, unknown ones left out; NaN on a day that knows none. days × 1.

    Rounded once at the end (Shewchuk 1997), so that the order of the coins cannot matter.
    """
    known = ~np.isnan(x)
    sums = [math.fsum(row) for row in np.where(known, x, 0.0).tolist()]
    return np.where(known.any(axis=1), np.array(sums, dtype=np.float64), np.nan)[:, None]


def median_across(x: Floats) -> Floats:
    """Median over the known coins of each day; NaN on a day that knows none. days × 1."""
    ordered = np.sort(x, axis=1)
    known = (~np.isnan(x)).sum(axis=1)
    days = np.arange(len(x))
    low = ordered[days, np.maximum((known - 1) // 2, 0)]
    high = ordered[days, np.minimum(known // 2, x.shape[1] - 1)]
    return np.where(known > 0, (low + high) / 2.0, np.nan)[:, None]


def mid_ranks(x: Floats) -> Floats:
    """Of each day: 1 for the lowest known coin … n for the highest; equal ones share the mean of their ranks; NaN stays NaN."""
    order = np.argsort(x, axis=1, kind="stable")
    ordered = np.take_along_axis(x, order, axis=1)
    place = np.broadcast_to(np.arange(x.shape[1]), x.shape)
    is_other = np.ones(x.shape, dtype=bool)
    is_other[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.maximum.accumulate(np.where(is_other, place, 0), axis=1)
    # the last of equal ones stands before the next other one
    is_last = np.ones(x.shape, dtype=bool)
    is_last[:, :-1] = is_other[:, 1:]
    last = np.minimum.accumulate(np.where(is_last, place, x.shape[1])[:, ::-1], axis=1)[:, ::-1]
    answer = np.empty(x.shape)
    np.put_along_axis(answer, order, (first + last) / 2.0 + 1.0, axis=1)
    return np.where(np.isnan(x), np.nan, answer)


def significant(values: Floats) -> Floats:
    """Each number as `float(f"{x:.12g}")` has it: 12 significant digits, the same on every machine. NaN stays, −0 is 0.

    Vectorised; the few that lie so close to the middle of two neighbours that float64 cannot tell, or that are very
    small or large, go through the text.
    """
    x = np.asarray(values, dtype=np.float64)
    # what is not a number is left as it is, whatever comes out for it below
    with np.errstate(invalid="ignore"):
        return _rounded(x)


def _rounded(x: Floats) -> Floats:
    size = np.abs(x)
    is_number = np.isfinite(x) & (size > 0.0)
    # the digit before the point is 10**exponent; the table decides, log10 only proposes
    exponent = np.zeros(x.shape, dtype=np.int64)
    np.floor(np.log10(size, where=is_number, out=np.zeros(x.shape)), out=exponent, casting="unsafe")
    shift = DIGITS - 1 - exponent
    is_easy = is_number & (np.abs(shift) <= _EXACT_POWERS)
    power = _POWERS[np.where(is_easy, np.abs(shift), 0)]
    scaled = np.where(shift >= 0, x * power, x / power)
    whole = np.rint(scaled)
    answer = np.where(shift >= 0, whole / power, whole * power)
    inside = (np.abs(whole) >= 10.0 ** (DIGITS - 1)) & (np.abs(whole) < 10.0**DIGITS)
    is_sure = is_easy & inside & (np.abs(np.abs(scaled - whole) - 0.5) > 1e-3)
    answer = np.where(is_sure, answer, x)
    for place in zip(*np.nonzero(is_number & ~is_sure), strict=True):
        answer[place] = float(f"{x[place]:.{DIGITS}g}")
    return answer + 0.0


# e · _LN2_HIGH is exact: its last 21 bits are 0
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_ROOT_HALF = 0.7071067811865476
LN2 = 0.6931471805599453
LN10 = 2.302585092994046
_POWERS = np.array([float(10**power) for power in range(_EXACT_POWERS + 1)])
