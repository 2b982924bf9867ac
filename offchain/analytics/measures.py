"""What a line of levels is worth: return, risk, and return for risk. A number, or the reason why there is none.

    measure(levels, benchmark=bitcoin)          every measure of DEFINITIONS, in its order
    sharpe(levels).value                        one of them; None with `.reason` where it means nothing

`levels`: one positive number a day (or a period), oldest first; only the last days may be 0, when everything is lost.
A year has 365 days, because these markets never close. Sums are compensated (`math.fsum`), so that no order of
addition shows in a result. Volatility below FLAT counts as none: rounding would otherwise pass for risk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from offchain.errors import UnusableLevels

YEAR = 365.0  # {days}
FLAT = 1e-12
TAIL = 0.05  # VaR and expected shortfall speak of the worst 5 % of the days

Levels = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """`value`: None when there is none, and `reason` says why."""

    value: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One row of a risk table. `unit`: "of 1", "days", "1"; `formula` in plain signs; `source`: who defined it."""

    name: str
    title: str
    unit: str
    formula: str
    source: str
    is_relative: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawdown:
    """One fall below the running peak, by positions in the levels. `recovery`: None while the peak is not regained.

    `depth`: of 1, positive. `length`: periods from the peak to the recovery, or to the end while there is none.
    """

    depth: float
    peak: int
    trough: int
    recovery: int | None
    length: int


# --- returns ----------------------------------------------------------------------------------------------------------


def returns_of(levels: Levels) -> tuple[float, ...]:
    """Simple returns of each period, one fewer than levels; they end with the period in which everything is lost."""
    checked = _checked(levels)
    found = []
    for before, after in zip(checked, checked[1:], strict=False):
        if before == 0.0:
            break
        found.append(after / before - 1.0)
    return tuple(found)


def total_return(levels: Levels) -> Measure:
    """Last level over first, less 1."""
    checked = _checked(levels)
    if len(checked) < 2:
        return _none("one level has no return")
    return Measure(value=checked[-1] / checked[0] - 1.0)


def cagr(levels: Levels, *, periods: float = YEAR) -> Measure:
    """Compound annual growth rate: the yearly rate that leads from the first level to the last."""
    checked = _checked(levels)
    if len(checked) < 2:
        return _none("one level has no growth")
    ratio = checked[-1] / checked[0]
    if ratio == 0.0:
        return Measure(value=-1.0)
    rate = math.log(ratio) * periods / (len(checked) - 1)
    if rate > 700.0:
        return _none(f"{len(checked) - 1} periods are too few: the yearly rate has no meaning")
    return Measure(value=math.expm1(rate))


def hit_rate(levels: Levels) -> Measure:
    """Part of the periods with a return above 0."""
    moves = returns_of(levels)
    return _part_of(sum(move > 0.0 for move in moves), len(moves))


def best_day(levels: Levels) -> Measure:
    """The largest return of one period."""
    moves = returns_of(levels)
    return Measure(value=max(moves)) if moves else _none("one level has no return")


def worst_day(levels: Levels) -> Measure:
    """The smallest return of one period."""
    moves = returns_of(levels)
    return Measure(value=min(moves)) if moves else _none("one level has no return")


# --- risk -------------------------------------------------------------------------------------------------------------


def volatility(levels: Levels, *, periods: float = YEAR) -> Measure:
    """Deviation of the returns (n − 1 in the denominator) × √periods."""
    spread = _deviation(returns_of(levels))
    return _none("fewer than two returns") if spread is None else Measure(value=spread * math.sqrt(periods))


def max_drawdown(levels: Levels) -> Measure:
    """The deepest fall below the running peak, as a positive part of 1."""
    found = drawdowns(levels, most=1)
    return Measure(value=found[0].depth if found else 0.0)


def drawdown_days(levels: Levels) -> Measure:
    """Length of the deepest drawdown: from its peak until the peak is regained, or until the end."""
    found = drawdowns(levels, most=1)
    return Measure(value=float(found[0].length)) if found else _none("there was no drawdown")


def recovery_days(levels: Levels) -> Measure:
    """Of the deepest drawdown: from its lowest day until its peak is regained."""
    found = drawdowns(levels, most=1)
    if not found:
        return _none("there was no drawdown")
    worst = found[0]
    if worst.recovery is None:
        return _none("the peak is not regained yet")
    return Measure(value=float(worst.recovery - worst.trough))


def ulcer_index(levels: Levels) -> Measure:
    """Root of the mean squared drawdown of all days: depth and length in one number."""
    falls = drawdown_line(levels)
    return Measure(value=math.sqrt(math.fsum(fall * fall for fall in falls) / len(falls)))


def value_at_risk(levels: Levels, *, tail: float = TAIL) -> Measure:
    """The loss that the worst `tail` of the days reach or exceed: the ⌈tail · n⌉-th worst return, as a positive loss."""
    moves = sorted(returns_of(levels))
    if len(moves) * tail < 1.0:
        return _none(f"{len(moves)} returns hold less than one day of the worst {tail:.0%}")
    return Measure(value=-moves[_rank_of(tail, len(moves)) - 1] + 0.0)


def expected_shortfall(levels: Levels, *, tail: float = TAIL) -> Measure:
    """Mean loss over exactly the worst `tail` of the days; the day at the edge counts with the part that falls inside."""
    moves = sorted(returns_of(levels))
    days = len(moves) * tail
    if days < 1.0:
        return _none(f"{len(moves)} returns hold less than one day of the worst {tail:.0%}")
    rank = _rank_of(tail, len(moves))
    inside = math.fsum(moves[: rank - 1]) + moves[rank - 1] * (days - (rank - 1))
    return Measure(value=-inside / days + 0.0)


def skewness(levels: Levels) -> Measure:
    """Third central moment over the deviation cubed (g₁); below 0: the large moves are falls."""
    return _standardised_moment(returns_of(levels), 3)


def kurtosis(levels: Levels) -> Measure:
    """Fourth central moment over the variance squared, less 3 (g₂); above 0: fatter tails than the normal law."""
    moment = _standardised_moment(returns_of(levels), 4)
    return moment if moment.value is None else Measure(value=moment.value - 3.0)


# --- return for risk --------------------------------------------------------------------------------------------------


def sharpe(levels: Levels, *, risk_free: float = 0.0, periods: float = YEAR) -> Measure:
    """Mean return above the riskless one over its deviation, × √periods. `risk_free`: yearly rate of 1."""
    moves = _above(returns_of(levels), risk_free, periods)
    return _mean_over(moves, _deviation(moves), periods, "the returns do not vary")


def sharpe_error(levels: Levels, *, risk_free: float = 0.0, periods: float = YEAR) -> Measure:
    """Standard error of the yearly Sharpe ratio, if days were independent: how far luck alone may have moved it."""
    ratio = sharpe(levels, risk_free=risk_free, periods=periods)
    if ratio.value is None:
        return ratio
    daily = ratio.value / math.sqrt(periods)
    return Measure(value=math.sqrt((1.0 + daily * daily / 2.0) / len(returns_of(levels)) * periods))


def sortino(levels: Levels, *, risk_free: float = 0.0, periods: float = YEAR) -> Measure:
    """Like Sharpe, with only the returns below the riskless one counted as risk, over all periods."""
    moves = _above(returns_of(levels), risk_free, periods)
    if not moves:
        return _none("one level has no return")
    downside = math.sqrt(math.fsum(min(move, 0.0) ** 2 for move in moves) / len(moves))
    return _mean_over(moves, downside, periods, "no return was below the riskless one")


def calmar(levels: Levels, *, periods: float = YEAR) -> Measure:
    """CAGR over the deepest drawdown, of the whole line."""
    growth, fall = cagr(levels, periods=periods), max_drawdown(levels).value
    if growth.value is None:
        return growth
    return Measure(value=growth.value / fall) if fall else _none("there was no drawdown")


# --- against a benchmark ----------------------------------------------------------------------------------------------


def tracking_difference(levels: Levels, benchmark: Levels, *, periods: float = YEAR) -> Measure:
    """CAGR less that of the benchmark."""
    _same_length(levels, benchmark)
    own, other = cagr(levels, periods=periods), cagr(benchmark, periods=periods)
    if own.value is None or other.value is None:
        return own if own.value is None else other
    return Measure(value=own.value - other.value)


def tracking_error(levels: Levels, benchmark: Levels, *, periods: float = YEAR) -> Measure:
    """Deviation of the active returns (n − 1) × √periods."""
    spread = _deviation(_active(levels, benchmark))
    return _none("fewer than two returns") if spread is None else Measure(value=spread * math.sqrt(periods))


def information_ratio(levels: Levels, benchmark: Levels, *, periods: float = YEAR) -> Measure:
    """Mean active return over its deviation, × √periods."""
    active = _active(levels, benchmark)
    return _mean_over(active, _deviation(active), periods, "it never differs from the benchmark")


def beta(levels: Levels, benchmark: Levels, *, risk_free: float = 0.0, periods: float = YEAR) -> Measure:
    """Slope of the returns on those of the benchmark, both above the riskless rate (least squares)."""
    own, other = _pair(levels, benchmark, risk_free, periods)
    spread = _deviation(other)
    if spread is None:
        return _none("fewer than two returns")
    if spread <= FLAT:
        return _none("the benchmark does not vary")
    return Measure(value=_covariance(own, other) / (spread * spread))


def alpha(levels: Levels, benchmark: Levels, *, risk_free: float = 0.0, periods: float = YEAR) -> Measure:
    """What is left of the mean return after beta × that of the benchmark, a year."""
    slope = beta(levels, benchmark, risk_free=risk_free, periods=periods)
    if slope.value is None:
        return slope
    own, other = _pair(levels, benchmark, risk_free, periods)
    return Measure(value=(_mean(own) - slope.value * _mean(other)) * periods)


def correlation(levels: Levels, benchmark: Levels) -> Measure:
    """Pearson's correlation of the returns."""
    own, other = _pair(levels, benchmark, 0.0, YEAR)
    spreads = _deviation(own), _deviation(other)
    if spreads[0] is None or spreads[1] is None:
        return _none("fewer than two returns")
    if min(spreads[0], spreads[1]) <= FLAT:
        return _none("one of the two does not vary")
    return Measure(value=max(-1.0, min(1.0, _covariance(own, other) / (spreads[0] * spreads[1]))))


def up_capture(levels: Levels, benchmark: Levels) -> Measure:
    """Mean return over that of the benchmark, on the periods in which the benchmark rose."""
    return _capture(levels, benchmark, is_up=True)


def down_capture(levels: Levels, benchmark: Levels) -> Measure:
    """The same on the periods in which it fell; below 1: it fell less."""
    return _capture(levels, benchmark, is_up=False)


def win_rate(levels: Levels, benchmark: Levels) -> Measure:
    """Part of the periods in which it did better than the benchmark."""
    active = _active(levels, benchmark)
    return _part_of(sum(move > 0.0 for move in active), len(active))


def drawdown_saved(levels: Levels, benchmark: Levels) -> Measure:
    """Part of the benchmark's deepest drawdown that it was spared: 0.35 is a drawdown smaller by 35 %."""
    _same_length(levels, benchmark)
    own, other = max_drawdown(levels).value, max_drawdown(benchmark).value
    if own is None or not other:
        return _none("the benchmark had no drawdown")
    return Measure(value=1.0 - own / other)


# --- drawdowns --------------------------------------------------------------------------------------------------------


def drawdown_line(levels: Levels) -> tuple[float, ...]:
    """The fall below the running peak of each day, as a positive part of 1; 0 at a peak."""
    peak, line = 0.0, []
    for level in _checked(levels):
        peak = max(peak, level)
        line.append(1.0 - level / peak)
    return tuple(line)


def drawdowns(levels: Levels, *, most: int = 5) -> tuple[Drawdown, ...]:
    """The deepest falls below the running peak, deepest first, earlier first among equals. They do not overlap."""
    checked = _checked(levels)
    found: list[Drawdown] = []
    peak = trough = 0
    for day, level in enumerate(checked):
        if level >= checked[peak]:
            if trough > peak:
                found.append(_drawdown(checked, peak, trough, day))
            peak = trough = day
        elif level < checked[trough]:
            trough = day
    if trough > peak:
        found.append(_drawdown(checked, peak, trough, None))
    return tuple(sorted(found, key=lambda fall: (-fall.depth, fall.peak))[:most])


def _drawdown(levels: Levels, peak: int, trough: int, recovery: int | None) -> Drawdown:
    end = len(levels) - 1 if recovery is None else recovery
    return Drawdown(
        depth=1.0 - levels[trough] / levels[peak], peak=peak, trough=trough, recovery=recovery, length=end - peak
    )


# --- all of them ------------------------------------------------------------------------------------------------------

DEFINITIONS: tuple[Definition, ...] = (
    Definition(name="total_return", title="Return", unit="of 1", formula="Lₙ / L₀ − 1", source="simple return"),
    Definition(name="cagr", title="Return a year (CAGR)", unit="of 1", formula="(Lₙ / L₀)^(365 / n) − 1", source="compound growth"),
    Definition(name="volatility", title="Volatility a year", unit="of 1", formula="s(r) · √365, s with n − 1", source="Markowitz (1952)"),
    Definition(name="sharpe", title="Sharpe ratio", unit="1", formula="mean(r − f) / s(r − f) · √365", source="Sharpe (1994)"),
    Definition(name="sharpe_error", title="± of the Sharpe ratio", unit="1", formula="√((1 + q² / 2) / n · 365), q the daily ratio", source="Lo (2002)"),
    Definition(name="sortino", title="Sortino ratio", unit="1", formula="mean(r − f) / √(mean(min(r − f, 0)²)) · √365", source="Sortino and van der Meer (1991)"),
    Definition(name="calmar", title="Calmar ratio", unit="1", formula="CAGR / deepest drawdown", source="Young (1991)"),
    Definition(name="max_drawdown", title="Deepest drawdown", unit="of 1", formula="max over t of 1 − Lₜ / peak up to t", source="Magdon-Ismail and Atiya (2004)"),
    Definition(name="drawdown_days", title="… its length", unit="days", formula="from its peak until that is regained, or the end", source="Magdon-Ismail and Atiya (2004)"),
    Definition(name="recovery_days", title="… its recovery", unit="days", formula="from its lowest day until its peak is regained", source="Magdon-Ismail and Atiya (2004)"),
    Definition(name="ulcer_index", title="Ulcer index", unit="of 1", formula="√(mean(drawdown²))", source="Martin and McCann (1989)"),
    Definition(name="value_at_risk", title="Value at risk, 1 day, 95 %", unit="of 1", formula="−(⌈0.05 n⌉-th worst return)", source="Jorion (2007), historical"),
    Definition(name="expected_shortfall", title="Expected shortfall, 1 day, 95 %", unit="of 1", formula="mean loss of exactly the worst 5 % of the days", source="Acerbi and Tasche (2002)"),
    Definition(name="skewness", title="Skewness", unit="1", formula="m₃ / m₂^1.5", source="Joanes and Gill (1998), g₁"),
    Definition(name="kurtosis", title="Excess kurtosis", unit="1", formula="m₄ / m₂² − 3", source="Joanes and Gill (1998), g₂"),
    Definition(name="hit_rate", title="Days with a gain", unit="of 1", formula="count(r > 0) / n", source="count"),
    Definition(name="best_day", title="Best day", unit="of 1", formula="max(r)", source="order"),
    Definition(name="worst_day", title="Worst day", unit="of 1", formula="min(r)", source="order"),
    Definition(name="tracking_difference", title="Tracking difference a year", unit="of 1", formula="CAGR − CAGR of the benchmark", source="ESMA (2012)", is_relative=True),
    Definition(name="tracking_error", title="Tracking error a year", unit="of 1", formula="s(r − b) · √365", source="Grinold and Kahn (2000)", is_relative=True),
    Definition(name="information_ratio", title="Information ratio", unit="1", formula="mean(r − b) / s(r − b) · √365", source="Goodwin (1998)", is_relative=True),
    Definition(name="beta", title="Beta", unit="1", formula="cov(r − f, b − f) / var(b − f)", source="Sharpe (1964)", is_relative=True),
    Definition(name="alpha", title="Alpha a year", unit="of 1", formula="(mean(r − f) − beta · mean(b − f)) · 365", source="Jensen (1968)", is_relative=True),
    Definition(name="correlation", title="Correlation", unit="1", formula="cov(r, b) / (s(r) · s(b))", source="Pearson (1895)", is_relative=True),
    Definition(name="up_capture", title="Capture of gains", unit="1", formula="mean(r) / mean(b) where b > 0", source="Bacon (2008)", is_relative=True),
    Definition(name="down_capture", title="Capture of losses", unit="1", formula="mean(r) / mean(b) where b < 0", source="Bacon (2008)", is_relative=True),
    Definition(name="win_rate", title="Days better", unit="of 1", formula="count(r > b) / n", source="count", is_relative=True),
    Definition(name="drawdown_saved", title="Drawdown spared", unit="of 1", formula="1 − deepest drawdown / that of the benchmark", source="ratio", is_relative=True),
)  # fmt: skip

TITLES: Mapping[str, str] = {row.name: row.title for row in DEFINITIONS}

_OWN: dict[str, Callable[[Levels], Measure]] = {
    "total_return": total_return,
    "max_drawdown": max_drawdown,
    "drawdown_days": drawdown_days,
    "recovery_days": recovery_days,
    "ulcer_index": ulcer_index,
    "value_at_risk": value_at_risk,
    "expected_shortfall": expected_shortfall,
    "skewness": skewness,
    "kurtosis": kurtosis,
    "hit_rate": hit_rate,
    "best_day": best_day,
    "worst_day": worst_day,
}
_AGAINST: dict[str, Callable[[Levels, Levels], Measure]] = {
    "correlation": correlation,
    "up_capture": up_capture,
    "down_capture": down_capture,
    "win_rate": win_rate,
    "drawdown_saved": drawdown_saved,
}


def measure(
    levels: Levels, *, benchmark: Levels | None = None, risk_free: float = 0.0, periods: float = YEAR
) -> dict[str, Measure]:
    """{name: measure} of everything in DEFINITIONS, in its order; what is relative needs a `benchmark` of the same days."""
    found = {name: function(levels) for name, function in _OWN.items()}
    found["cagr"] = cagr(levels, periods=periods)
    found["volatility"] = volatility(levels, periods=periods)
    found["calmar"] = calmar(levels, periods=periods)
    found["sharpe"] = sharpe(levels, risk_free=risk_free, periods=periods)
    found["sharpe_error"] = sharpe_error(levels, risk_free=risk_free, periods=periods)
    found["sortino"] = sortino(levels, risk_free=risk_free, periods=periods)
    if benchmark is not None:
        found |= {name: compare(levels, benchmark) for name, compare in _AGAINST.items()}
        found["tracking_difference"] = tracking_difference(levels, benchmark, periods=periods)
        found["tracking_error"] = tracking_error(levels, benchmark, periods=periods)
        found["information_ratio"] = information_ratio(levels, benchmark, periods=periods)
        found["beta"] = beta(levels, benchmark, risk_free=risk_free, periods=periods)
        found["alpha"] = alpha(levels, benchmark, risk_free=risk_free, periods=periods)
    return {row.name: found[row.name] for row in DEFINITIONS if row.name in found}


# --- small arithmetic -------------------------------------------------------------------------------------------------


def _checked(levels: Levels) -> tuple[float, ...]:
    line = tuple(float(level) for level in levels)
    if not line:
        raise UnusableLevels("no levels at all; give at least one")
    for day, level in enumerate(line):
        if not math.isfinite(level) or level < 0.0:
            raise UnusableLevels(
                f"level {level} at position {day} is not a positive number; fill or cut the line first"
            )
    lost = line.index(0.0) if 0.0 in line else len(line)
    if lost == 0 or any(level for level in line[lost:]):
        raise UnusableLevels(f"level 0 at position {lost}, and more after it: what is lost does not come back")
    return line


def _none(reason: str) -> Measure:
    return Measure(value=None, reason=reason)


def _part_of(count: int, total: int) -> Measure:
    return Measure(value=count / total) if total else _none("one level has no return")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    middle = _mean(values)
    return math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1))


def _covariance(own: Sequence[float], other: Sequence[float]) -> float:
    middles = _mean(own), _mean(other)
    return math.fsum((a - middles[0]) * (b - middles[1]) for a, b in zip(own, other, strict=True)) / (len(own) - 1)


def _mean_over(values: Sequence[float], risk: float | None, periods: float, why_none: str) -> Measure:
    if risk is None:
        return _none("fewer than two returns")
    if risk <= FLAT:
        return _none(why_none)
    return Measure(value=_mean(values) / risk * math.sqrt(periods))


def _standardised_moment(values: Sequence[float], power: int) -> Measure:
    if len(values) < 3:
        return _none("fewer than three returns")
    middle = _mean(values)
    variance = math.fsum((value - middle) ** 2 for value in values) / len(values)
    if math.sqrt(variance) <= FLAT:
        return _none("the returns do not vary")
    moment = math.fsum((value - middle) ** power for value in values) / len(values)
    return Measure(value=moment / variance ** (power / 2.0))


def _above(moves: Sequence[float], risk_free: float, periods: float) -> tuple[float, ...]:
    riskless = math.expm1(math.log1p(risk_free) / periods)
    return tuple(move - riskless for move in moves)


def _same_length(levels: Levels, benchmark: Levels) -> None:
    if len(levels) != len(benchmark):
        raise UnusableLevels(
            f"{len(levels)} levels and {len(benchmark)} of the benchmark; cut both to the same days first"
        )


def _active(levels: Levels, benchmark: Levels) -> tuple[float, ...]:
    own, other = _pair(levels, benchmark, 0.0, YEAR)
    return tuple(a - b for a, b in zip(own, other, strict=True))


def _pair(
    levels: Levels, benchmark: Levels, risk_free: float, periods: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    _same_length(levels, benchmark)
    own, other = returns_of(levels), returns_of(benchmark)
    known = min(len(own), len(other))  # after a total loss there is no return to compare
    return _above(own[:known], risk_free, periods), _above(other[:known], risk_free, periods)


def _capture(levels: Levels, benchmark: Levels, *, is_up: bool) -> Measure:
    own, other = _pair(levels, benchmark, 0.0, YEAR)
    chosen = [(a, b) for a, b in zip(own, other, strict=True) if (b > 0.0 if is_up else b < 0.0)]
    if not chosen:
        return _none(f"the benchmark never {'rose' if is_up else 'fell'}")
    return Measure(value=_mean([a for a, _ in chosen]) / _mean([b for _, b in chosen]))


def _rank_of(tail: float, count: int) -> int:
    # a product such as 0.05 × 100 must not become 6 by its last bit
    return math.ceil(round(tail * count, 9))
