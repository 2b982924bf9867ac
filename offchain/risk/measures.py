"""What the index could lose, which coin it would come from, and how long it takes to get out.

    tail = tail_risk(daily, confidence=0.99, horizon=10)          Value-at-Risk and expected shortfall, three ways
    contributions(weights, covariance(history, ids, days=180))    what each coin adds to the volatility; the sum is all of it

Losses are positive: 0.2 is a loss of 20 %. Returns are simple and daily; a year has 365 days. These numbers are for
reports and limits; nothing here decides a weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from offchain.errors import MissingHistory
from offchain.market.history import Floats, History
from offchain.risk.basket import DAYS_PER_YEAR, MIN_DAYS, basket_returns, returns

DECAY = 0.94  # RiskMetrics Technical Document, J.P. Morgan 1996

_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Tail:
    """One estimate. `value_at_risk`: loss {1} that is not exceeded with the confidence; `shortfall`: mean loss beyond it."""

    method: str
    value_at_risk: float
    shortfall: float
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class TailRisk:
    """Three estimates of the same tail over `horizon` days, from `days` daily returns."""

    confidence: float
    horizon: int
    days: int
    historical: Tail
    cornish_fisher: Tail
    ewma: Tail


def tail_risk(daily: Floats, *, confidence: float = 0.95, horizon: int = 1, decay: float = DECAY) -> TailRisk:
    """From daily returns, NaN left out. Raises MissingHistory when fewer than MIN_DAYS horizons are known."""
    known = _known(daily)
    if len(known) - horizon + 1 < MIN_DAYS:
        raise MissingHistory(
            f"{len(known)} daily returns hold {max(len(known) - horizon + 1, 0)} horizons of {horizon} days; "
            f"at least {MIN_DAYS} are needed. Give a longer history or a shorter horizon"
        )
    return TailRisk(
        confidence=confidence,
        horizon=horizon,
        days=len(known),
        historical=historical_tail(known, confidence=confidence, horizon=horizon),
        cornish_fisher=cornish_fisher_tail(known, confidence=confidence, horizon=horizon),
        ewma=ewma_tail(known, confidence=confidence, horizon=horizon, decay=decay),
    )


def historical_tail(daily: Floats, *, confidence: float, horizon: int = 1) -> Tail:
    """The losses that really were, of every `horizon` days in a row, compounded.

    Value-at-Risk is the ⌈n·confidence⌉-th smallest of n losses; shortfall is the mean of the worst n·(1 - confidence),
    the last of them counted in part (Acerbi and Tasche 2002), so that it is coherent.
    """
    losses = -np.sort(_compounded(_known(daily), horizon))
    count = len(losses)
    place = _whole_up(count * confidence)
    return Tail(
        method="historical",
        value_at_risk=float(losses[count - place]),
        shortfall=float(_tail_parts(count, confidence) @ losses),
    )


def cornish_fisher_tail(daily: Floats, *, confidence: float, horizon: int = 1) -> Tail:
    """The normal tail corrected for skew S and excess kurtosis K (Cornish and Fisher 1938; Zangari 1996).

    Over h days the mean grows with h, σ with √h; S falls with √h and K with h (independent days). The shortfall is the
    integral of the same quantile below it, in closed form (Maillard 2012). The note says when the quantile is not
    monotone there, where the expansion means nothing.
    """
    known = _known(daily)
    mean, deviation = float(known.mean()), float(known.std())
    if deviation == 0:
        return Tail(method="cornish_fisher", value_at_risk=-mean * horizon, shortfall=-mean * horizon)
    normed = (known - mean) / deviation
    skew = float((normed**3).mean()) / math.sqrt(horizon)
    kurtosis = (float((normed**4).mean()) - 3.0) / horizon
    mean, deviation = mean * horizon, deviation * math.sqrt(horizon)
    z = _NORMAL.inv_cdf(1.0 - confidence)
    density = _NORMAL.pdf(z) / (1.0 - confidence)
    beyond = density * (1.0 + z * skew / 6 + (z * z - 1) * kurtosis / 24 - (2 * z * z - 1) * skew**2 / 36)
    note = "" if _is_monotone(skew, kurtosis, z) else "skew and kurtosis are too large for this expansion"
    return Tail(
        method="cornish_fisher",
        value_at_risk=-(mean + deviation * _expanded(z, skew, kurtosis)),
        shortfall=-mean + deviation * beyond,
        note=note,
    )


def ewma_tail(daily: Floats, *, confidence: float, horizon: int = 1, decay: float = DECAY) -> Tail:
    """A normal tail of mean zero whose variance weighs the newest days most (RiskMetrics 1996): √h · σ · z."""
    known = _known(daily)
    ages = decay ** np.arange(len(known) - 1, -1, -1)
    deviation = math.sqrt(horizon * float((ages * known**2).sum() / ages.sum()))
    z = _NORMAL.inv_cdf(1.0 - confidence)
    return Tail(
        method="ewma",
        value_at_risk=-deviation * z,
        shortfall=deviation * _NORMAL.pdf(z) / (1.0 - confidence),
    )


def shortfall_contributions(
    history: History, weights: Mapping[str, float], *, confidence: float = 0.95
) -> dict[str, float]:
    """{id: what it adds to the one-day historical shortfall}; the sum is the shortfall (Euler; Tasche 1999).

    The mean loss of each coin's holding over the days that make up the tail of all of them; a day counts when every
    coin has a return. Divided by the weight it is the marginal shortfall.
    """
    ids, change = _common_returns(history, weights)
    held = np.array([weights[name] for name in ids])
    losses = -(change * held)
    order = np.argsort(losses.sum(axis=1), kind="stable")[::-1]
    added = _tail_parts(len(order), confidence) @ losses[order]
    return dict(zip(ids, added.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """One coin's share of the volatility. `marginal`: ∂σ/∂w {1/√year}; `added`: weight · marginal; `part`: of the whole."""

    id: str
    weight: float
    volatility: float
    marginal: float
    added: float
    part: float


def contributions(weights: Mapping[str, float], matrix: Floats) -> tuple[Contribution, ...]:
    """What each coin adds to the volatility of the index; Σ added = σ, Σ part = 1 (Maillard, Roncalli, Teïletche 2010).

    `matrix`: covariance {1/year} of the ids of `weights` in sorted order.
    """
    ids = sorted(weights)
    held = np.array([weights[name] for name in ids])
    slope = matrix @ held
    whole = math.sqrt(float(held @ slope))
    return tuple(
        Contribution(
            id=name,
            weight=float(held[row]),
            volatility=math.sqrt(float(matrix[row, row])),
            marginal=float(slope[row]) / whole if whole else 0.0,
            added=float(held[row] * slope[row]) / whole if whole else 0.0,
            part=float(held[row] * slope[row]) / whole**2 if whole else 0.0,
        )
        for row, name in enumerate(ids)
    )


def covariance(history: History, ids: Sequence[str], *, days: int) -> Floats:
    """Sample covariance {1/year} of simple daily returns, ids sorted, over the last `days` days known to all of them."""
    _, change = _common_returns(history.tail(days + 1), dict.fromkeys(ids, 1.0))
    centred = change - change.mean(axis=0)
    return np.asarray(DAYS_PER_YEAR * (centred.T @ centred) / (len(change) - 1))


def diversification_ratio(weights: Mapping[str, float], matrix: Floats) -> float:
    """Weighted mean of the volatilities / volatility of the index, at least 1 (Choueifaty and Coignard 2008)."""
    held = np.array([weights[name] for name in sorted(weights)])
    whole = math.sqrt(float(held @ matrix @ held))
    return float(held @ np.sqrt(np.diag(matrix))) / whole if whole else 1.0


def beta(daily: Floats, benchmark: Floats) -> float:
    """Slope of `daily` returns on those of `benchmark` over the days known to both; NaN below MIN_DAYS of them."""
    both = ~np.isnan(daily) & ~np.isnan(benchmark)
    if both.sum() < MIN_DAYS:
        return math.nan
    x, y = benchmark[both], daily[both]
    spread = float(((x - x.mean()) ** 2).sum())
    return float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else math.nan


def betas(history: History, ids: Sequence[str], *, benchmark: str = "bitcoin", days: int = 180) -> dict[str, float]:
    """{id: beta to the benchmark's price} over the last `days` daily returns; NaN where too few are known."""
    tail = history.tail(days + 1)
    against = basket_returns(tail, {benchmark: 1.0})
    return {name: beta(basket_returns(tail, {name: 1.0}), against) for name in sorted(ids)}


@dataclass(frozen=True, kw_only=True)
class Exit:
    """How long it takes to sell. `days`: {id: days}, infinite without volume; `part_in_a_day`: {1} of the index."""

    days: Mapping[str, float]
    slowest: str
    whole: float
    part_in_a_day: float


def exit_days(
    weights: Mapping[str, float], volumes: Mapping[str, float], *, portfolio_usd: float, share: float = 0.1
) -> Exit:
    """When at most `share` of each coin's volume {USD per day} may be sold. A coin without a volume cannot be sold."""
    days = {}
    for name in sorted(weights):
        room, value = share * volumes.get(name, 0.0), weights[name] * portfolio_usd
        days[name] = value / room if room > 0 else (math.inf if value > 0 else 0.0)
    slowest = max(days, key=lambda name: (days[name], name))
    sold = math.fsum(weights[name] * min(1.0, 1.0 / days[name]) if days[name] > 0 else 0.0 for name in days)
    return Exit(days=days, slowest=slowest, whole=days[slowest], part_in_a_day=sold)


def shock_correlation(daily: Floats, other: Floats, *, tail: float = 0.1) -> tuple[float, float]:
    """(correlation on all days, on the worst `tail` of the other's days): does it rise when it matters? NaN if too few."""
    both = ~np.isnan(daily) & ~np.isnan(other)
    x, y = other[both], daily[both]
    worst = np.argsort(x, kind="stable")[: _whole_up(tail * len(x))]
    return correlation(x, y), correlation(x[worst], y[worst])


def between_known_days(daily: Floats, line: Floats) -> tuple[Floats, Floats]:
    """(own, other) returns from each known day of `line` to the next, so that weekends without a price lose nothing.

    `daily`: own returns, one fewer than `line` has days; an unknown one counts as none.
    """
    known = np.flatnonzero(~np.isnan(line))
    path = np.concatenate([[1.0], np.cumprod(1.0 + np.nan_to_num(daily))])[known]
    other = line[known]
    return path[1:] / path[:-1] - 1.0, other[1:] / other[:-1] - 1.0


def correlation(a: Floats, b: Floats) -> float:
    """Pearson correlation over the days known to both; NaN below MIN_DAYS of them or when one never moved."""
    both = ~np.isnan(a) & ~np.isnan(b)
    if both.sum() < MIN_DAYS:
        return math.nan
    x, y = a[both] - a[both].mean(), b[both] - b[both].mean()
    scale = math.sqrt(float((x**2).sum()) * float((y**2).sum()))
    return float((x * y).sum()) / scale if scale else math.nan


@dataclass(frozen=True, kw_only=True)
class Downside:
    """An index beside its passive twin over the same days. Drawdowns and returns {1}; `drawdown_cut`: part of the twin's
    worst drawdown that was avoided (negative: it was worse); captures: the index's mean return on the twin's rising or
    falling days over the twin's.
    """

    drawdown: float
    twin_drawdown: float
    drawdown_cut: float
    total_return: float
    twin_return: float
    up_capture: float
    down_capture: float


def downside(levels: Sequence[float], twin: Sequence[float]) -> Downside:
    """Measures "better protection than holding": both lines begin together and have one level a day."""
    if len(levels) != len(twin) or len(levels) < 2:
        raise MissingHistory(f"{len(levels)} levels beside {len(twin)} of the twin: give the same days, at least two")
    own, other = np.asarray(levels, dtype=np.float64), np.asarray(twin, dtype=np.float64)
    mine, theirs = own[1:] / own[:-1] - 1.0, other[1:] / other[:-1] - 1.0
    cut = max_drawdown(other)
    return Downside(
        drawdown=max_drawdown(own),
        twin_drawdown=cut,
        drawdown_cut=1.0 - max_drawdown(own) / cut if cut else 0.0,
        total_return=float(own[-1] / own[0]) - 1.0,
        twin_return=float(other[-1] / other[0]) - 1.0,
        up_capture=_capture(mine, theirs, theirs > 0),
        down_capture=_capture(mine, theirs, theirs < 0),
    )


def max_drawdown(levels: Floats) -> float:
    """Deepest fall {1} from a running peak."""
    return float((1.0 - levels / np.maximum.accumulate(levels)).max())


def _known(daily: Floats) -> Floats:
    return daily[~np.isnan(daily)]


def _compounded(daily: Floats, horizon: int) -> Floats:
    """Returns of every `horizon` days in a row."""
    if horizon == 1:
        return daily
    windows = np.lib.stride_tricks.sliding_window_view(1.0 + daily, horizon)
    return np.asarray(windows.prod(axis=1) - 1.0)


def _whole_up(value: float) -> int:
    """⌈value⌉, where 95.00000000000001 is meant as 95."""
    return max(math.ceil(value - 1e-9), 1)


def _tail_parts(count: int, confidence: float) -> Floats:
    """How much each of `count` losses, worst first, counts in the mean of the worst count·(1 - confidence); Σ = 1."""
    size = count * (1.0 - confidence)
    return np.clip(size - np.arange(count), 0.0, 1.0) / size


def _expanded(z: float, skew: float, kurtosis: float) -> float:
    return z + (z * z - 1) * skew / 6 + (z**3 - 3 * z) * kurtosis / 24 - (2 * z**3 - 5 * z) * skew**2 / 36


def _is_monotone(skew: float, kurtosis: float, z: float) -> bool:
    """Whether the expanded quantile rises from six deviations down up to `z`."""
    points = np.linspace(-6.0, z, 241)
    slopes = 1 + points * skew / 3 + (3 * points**2 - 3) * kurtosis / 24 - (6 * points**2 - 5) * skew**2 / 36
    return bool((slopes > 0).all())


def _common_returns(history: History, weights: Mapping[str, float]) -> tuple[list[str], Floats]:
    ids = sorted(weights)
    change = returns(history.panel("price")[:, [history.column(name) for name in ids]])
    change = change[~np.isnan(change).any(axis=1)]
    if len(change) < MIN_DAYS:
        raise MissingHistory(
            f"{len(change)} days on which all of {', '.join(ids)} have a return; at least {MIN_DAYS} are needed. "
            "Give a longer history or leave the youngest coin out"
        )
    return ids, change


def _capture(mine: Floats, theirs: Floats, days: NDArray[np.bool_]) -> float:
    whole = float(theirs[days].sum())
    return float(mine[days].sum()) / whole if whole else math.nan
