"""Whether written rules, or single features, would have been worth following: the same measures as for a model.

    print(evaluate_rules(history, rules))                what [signals] would have said on every day, after costs
    for one in feature_table(history, names): print(one)

A table of many features always has a best one. `luck` is the |t| that the best of as many features without any skill passes
once in twenty (Sidak 1967); below it a feature has shown nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from offchain.errors import ModelError
from offchain.features import compute_panel, standardise
from offchain.features.windows import mid_ranks
from offchain.market.history import Floats, History
from offchain.signals.arithmetic import MILLION
from offchain.signals.calibration import fit_curves, probabilities
from offchain.signals.evaluation import Evaluation, evaluate, payoff_of_best_third, volatility_baseline
from offchain.signals.outcome import GRID
from offchain.signals.targets import LEAST_COINS, UNKNOWN, Classes, excess_returns, terciles, volatility_tenths
from offchain.signals.training import Mask, Tags, on_grid
from offchain.spec.signal_rules import SignalRules

# the baseline learns anew this often
_BASELINE_DAYS = 30
_LEAST_ROWS = 300


@dataclass(frozen=True, kw_only=True)
class FeatureTrial:
    """`ic`: mean rank correlation of the feature with what followed (information coefficient), `t`: its t over periods that
    do not overlap, `luck`: the |t| to beat; `coverage`: part of coin-days on which it was known; `net`: per period, after costs.
    """

    name: str
    periods: int
    coverage: float
    ic: float
    t: float
    luck: float
    payoff: float
    turnover: float
    net: float

    @property
    def is_beyond_luck(self) -> bool:
        """Whether the best of as many features without skill would be as good only once in twenty times."""
        return abs(self.t) > self.luck

    def __str__(self) -> str:
        verdict = "beyond luck" if self.is_beyond_luck else "no more than luck"
        return (
            f"{self.name}: IC {self.ic:+.3f}, t {self.t:+.2f} ({verdict}, {self.luck:.2f}), best third {self.payoff:+.2%} a period, "
            f"{self.net:+.2%} after costs, known on {self.coverage:.0%} of coin-days, {self.periods} periods"
        )


def evaluate_rules(
    history: History,
    rules: SignalRules,
    *,
    horizon_days: int = 7,
    delay_days: int = 1,
    cost: float = 0.003,
    members: Mask | None = None,
    tags: Tags | None = None,
) -> Evaluation:
    """Every day's scores by the rules against what followed. `cost`: of one unit of one-way turnover.

    A rule's own three numbers split its score and are no probabilities. So its Brier score and log-loss are of what the score
    said about the thirds on the days before (a sigmoid, learned anew every 30 days).
    """
    price = history.panel("price")
    said = rule_scores(history, rules, members=members, tags=tags)
    excess = excess_returns(price, horizon_days=horizon_days, delay_days=delay_days)
    excess = np.where(said[:, :, 0] != UNKNOWN, excess, np.nan)
    classes, tenths = terciles(excess), volatility_tenths(price)
    baseline, stated = np.full(said.shape, np.nan), np.full(said.shape, np.nan)
    reach = horizon_days + delay_days
    for start in range(0, len(price), _BASELINE_DAYS):
        into = range(start, min(start + _BASELINE_DAYS, len(price)))
        past = range(0, max(start - reach, 0))
        volatility_baseline(tenths, classes, learn=past, into=into, answer=baseline)
        _calibrate(said, classes, learn=past, into=into, answer=stated)
    # while there is too little to learn from, the score says what the baseline says
    stated = np.where(np.isnan(stated), baseline, stated)
    return evaluate(said, baseline, classes, excess, horizon_days=horizon_days, cost=cost, calibrated=stated)


def rule_scores(
    history: History, rules: SignalRules, *, members: Mask | None = None, tags: Tags | None = None
) -> NDArray[np.int64]:
    """days × coins × 3 whole millionths: what `assess` says on each day when nothing is late; UNKNOWN where too little is known."""
    weights = [(name, weight) for name, weight in rules.use if weight]
    if not weights:
        raise ModelError("signals.use names no feature; there is nothing to try")
    price = history.panel("price")
    present = np.ones(price.shape, dtype=bool) if members is None else members
    whole = math.fsum(abs(weight) for _, weight in weights)
    total, known = np.zeros(price.shape), np.zeros(price.shape)
    for name, weight in weights:
        scores = _compared(history, name, present, rules.min_coins, rules.clip, tags)
        total += np.nan_to_num(weight * scores / whole, nan=0.0)
        known += np.where(np.isnan(scores), 0.0, abs(weight) / whole)
    score = np.rint(total / np.sqrt(1.0 + total * total) * MILLION).astype(np.int64)
    said = np.stack([np.maximum(-score, 0), MILLION - np.abs(score), np.maximum(score, 0)], axis=2)
    said[(known < rules.min_coverage - 1e-12) | ~present] = UNKNOWN
    return said


def feature_table(
    history: History,
    names: Sequence[str],
    *,
    horizon_days: int = 7,
    delay_days: int = 1,
    cost: float = 0.003,
    members: Mask | None = None,
    tags: Tags | None = None,
    trials: int = 0,
) -> tuple[FeatureTrial, ...]:
    """Each feature alone, largest |t| first. `trials`: how many were tried in all, when more than `names`."""
    price = history.panel("price")
    present = ~np.isnan(price) if members is None else members & ~np.isnan(price)
    excess = np.where(present, excess_returns(price, horizon_days=horizon_days, delay_days=delay_days), np.nan)
    luck = round(bar_of_luck(max(trials, len(names), 1)), GRID)
    found = []
    for name in names:
        scores = _compared(history, name, present, LEAST_COINS, 3.0, tags)
        found.append(_trial(name, scores, excess, present, horizon_days, cost, luck))
    return tuple(sorted(found, key=lambda one: (-abs(one.t), one.name)))


def bar_of_luck(trials: int) -> float:
    """|t| that the largest of `trials` independent standard normal numbers passes with probability 1 in 20."""
    return NormalDist().inv_cdf((1.0 + 0.95 ** (1.0 / trials)) / 2.0)


def _calibrate(said: NDArray[np.int64], classes: Classes, *, learn: range, into: range, answer: Floats) -> None:
    """Writes into rows `into` of `answer` what a score meant on the days `learn`; leaves them when those are too few."""
    known = (said[learn.start : learn.stop, :, 0] != UNKNOWN) & (classes[learn.start : learn.stop] != UNKNOWN)
    happened = classes[learn.start : learn.stop][known]
    if len(happened) < _LEAST_ROWS:
        return
    curves = fit_curves(_margins(said[learn.start : learn.stop][known]), happened, kind="sigmoid")
    block = said[into.start : into.stop]
    speaks = block[:, :, 0] != UNKNOWN
    answer[into.start : into.stop][speaks] = probabilities(_margins(block[speaks]), curves) / MILLION


def _margins(millionths: NDArray[np.int64]) -> Floats:
    """rows × 3: the score for bullish, against it for bearish, nothing for neutral."""
    score = (millionths[:, 2] - millionths[:, 0]) / MILLION
    return np.stack([-score, np.zeros(len(score)), score], axis=1)


def _compared(history: History, name: str, present: Mask, least: int, clip: float, tags: Tags | None) -> Floats:
    scores = standardise(np.where(present, compute_panel(history, name, tags=tags), np.nan), axis=1)
    scores[(~np.isnan(scores)).sum(axis=1) < least] = np.nan
    return on_grid(scores, clip)


def _trial(
    name: str, scores: Floats, excess: Floats, present: Mask, every: int, cost: float, luck: float
) -> FeatureTrial:
    counted = ~np.isnan(scores) & ~np.isnan(excess)
    days = np.flatnonzero(counted.sum(axis=1) >= LEAST_COINS)[::every]
    correlations = [_rank_correlation(scores[day, counted[day]], excess[day, counted[day]]) for day in days]
    known = [value for value in correlations if value == value]
    whole = np.rint(np.where(counted, scores, 0.0) * MILLION).astype(np.int64)
    payoffs, turnovers = payoff_of_best_third(whole, excess, counted, every=every)
    mean_payoff, mean_turnover = _mean(payoffs.tolist()), _mean(turnovers.tolist())
    return FeatureTrial(
        name=name,
        periods=len(known),
        coverage=round(int((~np.isnan(scores)).sum()) / max(int(present.sum()), 1), GRID),
        ic=round(_mean(known), GRID),
        t=round(_t(known), GRID),
        luck=luck,
        payoff=round(mean_payoff, GRID),
        turnover=round(mean_turnover, GRID),
        net=round(mean_payoff - mean_turnover * cost, GRID),
    )


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Spearman (1904): Pearson's correlation of mid-ranks; NaN when either is the same everywhere."""
    x, y = mid_ranks(one[None])[0].tolist(), mid_ranks(other[None])[0].tolist()
    mean = (len(x) + 1) / 2.0
    xx = math.fsum((a - mean) ** 2 for a in x)
    yy = math.fsum((b - mean) ** 2 for b in y)
    xy = math.fsum((a - mean) * (b - mean) for a, b in zip(x, y, strict=True))
    return xy / math.sqrt(xx * yy) if xx > 0.0 and yy > 0.0 else math.nan


def _t(values: Sequence[float]) -> float:
    if len(values) < 2:
        return 0.0
    mean = _mean(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return mean / math.sqrt(variance / len(values)) if variance > 0.0 else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
