"""Whether a model knows anything: measures that noise cannot pass, and what following it would have earned after costs.

Three-class accuracy is no skill: on pure noise it is above a third, because volatility foretells "neutral". So:

    auc            of coins that ended in the upper or lower third, how often the higher score was the upper one (0.5: chance),
                   with the band of a bootstrap over blocks of days (Politis and Romano 1994 for blocks in time series)
    brier, log-loss  of all three probabilities, beside those of a baseline that knows the coin's volatility and no more
    pay-off        the best third by score, equally weighted, against all coins, after costs
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats
from offchain.signals.arithmetic import MILLION
from offchain.signals.outcome import GRID
from offchain.signals.targets import BEARISH, BULLISH, UNKNOWN, Classes

DRAWS = 200
BAND = 0.95


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Of one walk-forward test. `rows`: coin-days with a known outcome; `directional_rows`: those outside the middle third.

    `payoff`: mean excess return per holding period, before costs; `cost`: what turning the holdings over cost; `net`: the
    rest, with its band. `baseline_*`: of the volatility-only model. `calibration_error`: mean distance between a stated
    probability and how often it came true. All but the counts are rounded to GRID decimals.
    """

    rows: int
    directional_rows: int
    auc: float
    auc_low: float
    auc_high: float
    brier: float
    baseline_brier: float
    log_loss: float
    baseline_log_loss: float
    calibration_error: float
    periods: int
    payoff: float
    turnover: float
    cost: float
    net: float
    net_low: float
    net_high: float

    @property
    def pays(self) -> bool:
        """Better than a coin flip and more earned than spent, both beyond their bands: not by the luck of a few periods."""
        return self.auc_low > 0.5 and self.net_low > 0.0

    @property
    def metrics(self) -> dict[str, float]:
        """All of it as numbers, with `pays` as 1 or 0: what a model's card keeps."""
        return {row.name: float(getattr(self, row.name)) for row in fields(self)} | {"pays": float(self.pays)}

    def __str__(self) -> str:
        skill = "better than" if self.brier < self.baseline_brier else "no better than"
        verdict = "It pays" if self.pays else "It does not pay"
        return (
            f"{verdict}: directional AUC {self.auc:.3f} ({self.auc_low:.3f} to {self.auc_high:.3f}) on {self.directional_rows:,} "
            f"coin-days; Brier {self.brier:.4f}, {skill} volatility alone ({self.baseline_brier:.4f}); log-loss "
            f"{self.log_loss:.4f} against {self.baseline_log_loss:.4f}; per holding period {self.payoff:+.2%} before costs, "
            f"{self.cost:.2%} costs, {self.net:+.2%} left ({self.net_low:+.2%} to {self.net_high:+.2%}, {self.periods} periods)"
        )


def evaluate(
    millionths: NDArray[np.int64],
    baseline: Floats,
    classes: Classes,
    excess: Floats,
    *,
    horizon_days: int,
    cost: float = 0.003,
    seed: int = 7,
    calibrated: Floats | None = None,
) -> Evaluation:
    """Of days × coins × 3 probabilities (UNKNOWN where none) against what came true.

    `baseline`: days × coins × 3, the probabilities of `volatility_baseline`. `cost`: per unit of one-way turnover, 1 = 100 %.
    `calibrated`: days × coins × 3, what Brier score and log-loss are of, when `millionths` are scores and no probabilities.
    """
    score = millionths[:, :, 2] - millionths[:, :, 0]
    counted = (millionths[:, :, 0] != UNKNOWN) & (classes != UNKNOWN) & ~np.isnan(baseline[:, :, 0])
    directional = counted & ((classes == BEARISH) | (classes == BULLISH))
    stated = (millionths / MILLION if calibrated is None else calibrated)[counted]
    happened = classes[counted]
    auc = directional_auc(score[directional], classes[directional])
    low, high = _auc_band(score, classes, directional, block=2 * horizon_days, seed=seed)
    payoffs, turnovers = payoff_of_best_third(score, excess, counted, every=horizon_days)
    net = payoffs - turnovers * cost
    net_low, net_high = _mean_band(net, seed=seed)
    numbers = {
        "auc": auc,
        "auc_low": low,
        "auc_high": high,
        "brier": brier(stated, happened),
        "baseline_brier": brier(baseline[counted], happened),
        "log_loss": log_loss(stated, happened),
        "baseline_log_loss": log_loss(baseline[counted], happened),
        "calibration_error": calibration_error(stated, happened),
        "payoff": _mean(payoffs),
        "turnover": _mean(turnovers),
        "cost": _mean(turnovers) * cost,
        "net": _mean(net),
        "net_low": net_low,
        "net_high": net_high,
    }
    return Evaluation(
        rows=int(counted.sum()),
        directional_rows=int(directional.sum()),
        periods=len(net),
        **{name: round(value, GRID) for name, value in numbers.items()},
    )


def directional_auc(score: NDArray[np.int64], classes: Classes) -> float:
    """Part of pairs (a bullish, a bearish outcome) in which the bullish one had the higher score; ties count half.

    Mann and Whitney (1947), exact in whole numbers. 0.5 when there are no pairs.
    """
    is_bullish = classes == BULLISH
    values, where = np.unique(score, return_inverse=True)
    up = np.bincount(where[is_bullish], minlength=len(values)).astype(np.int64)
    down = np.bincount(where[~is_bullish], minlength=len(values)).astype(np.int64)
    pairs = int(up.sum()) * int(down.sum())
    below = np.cumsum(down) - down
    return int((up * (2 * below + down)).sum()) / (2 * pairs) if pairs else 0.5


def brier(stated: Floats, happened: Classes) -> float:
    """Mean squared distance between the three probabilities and what came true, 0..2 (Brier 1950)."""
    truth = (happened[:, None] == np.arange(3)).astype(np.float64)
    return math.fsum(((stated - truth) ** 2).reshape(-1).tolist()) / max(len(happened), 1)


def log_loss(stated: Floats, happened: Classes) -> float:
    """Mean of -ln(probability of what came true)."""
    chosen = stated[np.arange(len(happened)), happened.astype(np.int64)]
    return -math.fsum(np.log(np.maximum(chosen, 1e-6)).tolist()) / max(len(happened), 1)


def calibration_error(stated: Floats, happened: Classes, *, groups: int = 10) -> float:
    """Mean over rows and labels of |mean stated − part that came true| within groups of equal stated probability."""
    total = 0.0
    for label in range(3):
        order = np.argsort(stated[:, label], kind="stable")
        for part in np.array_split(order, groups):
            if len(part):
                total += abs(math.fsum(stated[part, label].tolist()) - int((happened[part] == label).sum()))
    return total / max(3 * len(happened), 1)


def volatility_baseline(
    tenths: NDArray[np.int8], classes: Classes, *, learn: range, into: range, answer: Floats
) -> None:
    """Writes into rows `into` of `answer` how often each label came true in that tenth of volatility on the days `learn`."""
    seen, known = classes[learn.start : learn.stop], tenths[learn.start : learn.stop]
    for tenth in range(10):
        counts = np.array([int(((known == tenth) & (seen == label)).sum()) for label in range(3)], dtype=np.float64)
        # one of each, so that nothing is impossible
        share = (counts + 1.0) / (counts.sum() + 3.0)
        block = answer[into.start : into.stop]
        block[tenths[into.start : into.stop] == tenth] = share


def payoff_of_best_third(
    score: NDArray[np.int64], excess: Floats, counted: NDArray[np.bool_], *, every: int
) -> tuple[Floats, Floats]:
    """(excess return of the best third over all coins, one-way turnover) of each holding period that does not overlap.

    Equal weights; among equal scores the earlier column, which is the earlier id. The first period buys everything.
    """
    payoffs, turnovers = [], []
    held: dict[int, float] = {}
    for day in np.flatnonzero(counted.any(axis=1))[::every]:
        known = np.flatnonzero(counted[day])
        if len(known) < 3:
            continue
        best = known[np.argsort(-score[day, known], kind="stable")[: len(known) // 3]]
        new = dict.fromkeys(best.tolist(), 1.0 / len(best))
        everyone = math.fsum(excess[day, known].tolist()) / len(known)
        payoffs.append(math.fsum(excess[day, best].tolist()) / len(best) - everyone)
        turnovers.append(_turnover(held, new) if held else 1.0)
        held = new
    return np.array(payoffs), np.array(turnovers)


def _turnover(held: Mapping[int, float], new: Mapping[int, float]) -> float:
    return math.fsum(abs(new.get(coin, 0.0) - held.get(coin, 0.0)) for coin in sorted({*held, *new})) / 2.0


def _auc_band(
    score: NDArray[np.int64], classes: Classes, directional: NDArray[np.bool_], *, block: int, seed: int
) -> tuple[float, float]:
    days = np.flatnonzero(directional.any(axis=1))
    if len(days) <= block:
        return 0.0, 1.0
    scores = [score[day, directional[day]] for day in days]
    outcomes = [classes[day, directional[day]] for day in days]
    found = []
    for chosen in _blocks(len(days), block, seed):
        found.append(
            directional_auc(
                np.concatenate([scores[place] for place in chosen]),
                np.concatenate([outcomes[place] for place in chosen]),
            )
        )
    return _band(found)


def _mean_band(values: Floats, *, seed: int) -> tuple[float, float]:
    if len(values) < 2:
        return -1.0, 1.0
    return _band([_mean(values[chosen]) for chosen in _blocks(len(values), 2, seed)])


def _blocks(days: int, block: int, seed: int) -> list[NDArray[np.int64]]:
    """DRAWS samples of `days` places in blocks that may wrap around (circular block bootstrap, Politis and Romano 1992)."""
    dice = np.random.Generator(np.random.PCG64(seed))
    starts = dice.integers(0, days, size=(DRAWS, -(-days // block)))
    places = (starts[:, :, None] + np.arange(block)) % days
    return list(places.reshape(DRAWS, -1)[:, :days])


def _band(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    cut = int(len(ordered) * (1.0 - BAND) / 2.0)
    return ordered[cut], ordered[-cut - 1]


def _mean(values: Floats) -> float:
    return math.fsum(values.tolist()) / len(values) if len(values) else 0.0
