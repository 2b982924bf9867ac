"""How much of a result is luck: resampled histories, and what a Sharpe ratio is worth after many trials.

    chances = resampled(returns, paths=2_000, seed=7)          CAGR, drawdown and Sharpe of histories that could have been
    deflated_sharpe(best, trials=…)                            probability that the best of many trials is no fluke
    overfitting(table_of_returns)                              how often the best in one half is below the middle in the other

Returns are daily parts of 1; a year has 365 days; Sharpe ratios are against zero and, where not said otherwise, per day.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from offchain.backtest.solve import Floats
from offchain.errors import MarketDataError

YEAR = 365.0  # {days}
EULER = 0.5772156649015329
METHODS = ("stationary", "circular")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MAX_SPLITS = 16
NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True, eq=False)
class Chances:
    """One number for each resampled history. `drawdown` is a positive part of 1; `sharpe` per √year."""

    method: str
    block: float
    seed: int
    cagr: Floats
    drawdown: Floats
    sharpe: Floats

    def quantiles(self) -> dict[str, dict[float, float]]:
        """{measure: {q: value}} at QUANTILES."""
        return {
            name: dict(zip(QUANTILES, np.quantile(getattr(self, name), QUANTILES).tolist(), strict=True))
            for name in ("cagr", "drawdown", "sharpe")
        }

    @property
    def loss(self) -> float:
        """Part of the histories that end below their start."""
        return float((self.cagr < 0.0).mean())


def resampled(
    returns: Floats, *, paths: int = 1_000, seed: int, block: float | None = None, method: str = "stationary"
) -> Chances:
    """Measures of `paths` histories made of blocks of this one, each as long as it.

    "stationary": blocks of random length, geometric with mean `block` days (Politis and Romano, 1994, *The Stationary
    Bootstrap*); "circular": all of `block` days (Politis and Romano, 1992). Both wrap around the end. `block` None: the cube root of
    the length. The same seed gives the same histories on every machine.
    """
    values = _checked(returns, least=10)
    days = len(values)
    length = max(2.0, float(round(days ** (1.0 / 3.0)))) if block is None else float(block)
    if method not in METHODS:
        raise MarketDataError(f'method = "{method}"; use one of {", ".join(METHODS)}')
    if not 1.0 <= length <= days or paths < 1:
        raise MarketDataError(
            f"block = {length:g} days, paths = {paths}; needed are 1 to {days} days and at least one path"
        )
    rows = block_rows(days, paths=paths, block=length, seed=seed, method=method)
    return _measured(values[rows], method, length, seed)


def block_rows(days: int, *, paths: int, block: float, seed: int, method: str) -> NDArray[np.int64]:
    """paths × days: which day of the history stands at each place."""
    generator = np.random.PCG64(seed)
    start = (_uniform(generator, paths * days) * days).astype(np.int64).reshape(paths, days)
    if method == "stationary":
        begins = _uniform(generator, paths * days).reshape(paths, days) < 1.0 / block
    else:
        begins = np.broadcast_to(np.arange(days) % round(block) == 0, (paths, days)).copy()
    begins[:, 0] = True
    places = np.arange(days)
    begun = np.maximum.accumulate(np.where(begins, places, 0), axis=1)
    return np.asarray((np.take_along_axis(start, begun, axis=1) + places - begun) % days)


def _measured(histories: Floats, method: str, block: float, seed: int) -> Chances:
    levels = np.cumprod(1.0 + histories, axis=1)
    peaks = np.maximum(np.maximum.accumulate(levels, axis=1), 1.0)
    days = histories.shape[1]
    deviation = histories.std(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        sharpe = np.where(deviation > 0.0, histories.mean(axis=1) / deviation * math.sqrt(YEAR), 0.0)
    return Chances(
        method=method,
        block=block,
        seed=seed,
        cagr=levels[:, -1] ** (YEAR / days) - 1.0,
        drawdown=(1.0 - levels / peaks).max(axis=1),
        sharpe=sharpe,
    )


# --- Sharpe ratios ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SharpeFacts:
    """A Sharpe ratio per observation and what its error depends on. `kurtosis` of a normal distribution is 3."""

    sharpe: float
    count: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @property
    def error(self) -> float:
        """Standard error of the ratio (Lo, 2002; Mertens, 2002)."""
        variance = 1.0 - self.skewness * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe**2
        return math.sqrt(max(variance, 0.0) / (self.count - 1))


def sharpe_facts(returns: Floats) -> SharpeFacts:
    """Of a series of returns; moments of the sample."""
    values = _checked(returns, least=3)
    deviation = float(values.std(ddof=1))
    if deviation == 0.0:
        raise MarketDataError("all returns are the same; a Sharpe ratio needs some that differ")
    centred = values - values.mean()
    spread = float(np.mean(centred**2))
    return SharpeFacts(
        sharpe=float(values.mean()) / deviation,
        count=len(values),
        skewness=float(np.mean(centred**3)) / spread**1.5,
        kurtosis=float(np.mean(centred**4)) / spread**2,
    )


def probabilistic_sharpe(facts: SharpeFacts, *, benchmark: float = 0.0) -> float:
    """Probability that the true ratio is above `benchmark` (Bailey and López de Prado, 2012, *The Sharpe Ratio Efficient Frontier*)."""
    return NORMAL.cdf((facts.sharpe - benchmark) / facts.error)


def expected_best(variance: float, *, trials: float) -> float:
    """The Sharpe ratio that the best of `trials` without any skill is expected to show. `variance`: of the ratios across trials.

    Bailey and López de Prado (2014), *The Deflated Sharpe Ratio*, equation 1.
    """
    if trials < 1 or variance < 0.0:
        raise MarketDataError(f"trials = {trials}, variance = {variance}; needed are at least 1 and 0")
    if trials <= 1:
        return 0.0
    first, second = NORMAL.inv_cdf(1.0 - 1.0 / trials), NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - EULER) * first + EULER * second)


def deflated_sharpe(facts: SharpeFacts, *, variance: float, trials: float) -> float:
    """Probability that the best of `trials` is above what chance would have made the best (Bailey and López de Prado, 2014)."""
    return probabilistic_sharpe(facts, benchmark=expected_best(variance, trials=trials))


def effective_trials(returns: Floats) -> float:
    """How many independent trials days × trials are worth: ρ + (1 − ρ)·M with the mean correlation ρ, none counted below zero.

    Bailey and López de Prado (2014), appendix 3.
    """
    trials = returns.shape[1]
    if trials < 2:
        return float(trials)
    moving = returns[:, returns.std(axis=0) > 0.0]
    if moving.shape[1] < 2:
        return 1.0
    scaled = (moving - moving.mean(axis=0)) / moving.std(axis=0)
    # mean of all pairs without the n² matrix: Σ(Σ z)² = n·T + Σ of the pairs
    count = moving.shape[1]
    mean = (float(np.mean(scaled.sum(axis=1) ** 2)) - count) / (count * (count - 1))
    rho = min(max(mean, 0.0), 1.0)
    return rho + (1.0 - rho) * trials


def least_record(facts: SharpeFacts, *, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """Observations needed before the ratio is above `benchmark` with this confidence; infinite when it is not above at all."""
    if facts.sharpe <= benchmark:
        return math.inf
    per_one = facts.error**2 * (facts.count - 1)
    return 1.0 + per_one * (NORMAL.inv_cdf(confidence) / (facts.sharpe - benchmark)) ** 2


# --- overfitting ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Overfitting:
    """`probability`: part of the splits in which the best in sample is below the median out of sample. `logits`: one a split;
    `slope`: how the best's ratio out of sample goes with that in sample, below 0 when better turns into worse.
    """

    probability: float
    logits: Floats
    slope: float
    splits: int


def overfitting(returns: Floats, *, splits: int = 10) -> Overfitting:
    """Combinatorially symmetric cross-validation of days × trials (Bailey, Borwein, López de Prado and Zhu, 2017, *The Probability of
    Backtest Overfitting*): every half of `splits` blocks chooses, the other half judges.
    """
    days, trials = returns.shape
    if splits % 2 or not 2 <= splits <= MAX_SPLITS or days < 2 * splits or trials < 2:
        raise MarketDataError(
            f"splits = {splits} of {days} days and {trials} trials; use an even number up to {MAX_SPLITS}, at least two days a "
            "block, and two trials"
        )
    blocks = np.array_split(np.arange(days), splits)
    sums = np.array([returns[rows].sum(axis=0) for rows in blocks])
    squares = np.array([(returns[rows] ** 2).sum(axis=0) for rows in blocks])
    counts = np.array([len(rows) for rows in blocks])
    logits, inside, outside = [], [], []
    for half in combinations(range(splits), splits // 2):
        rest = [block for block in range(splits) if block not in half]
        chosen = _ratios(sums, squares, counts, list(half))
        judged = _ratios(sums, squares, counts, rest)
        best = int(np.argmax(chosen))
        below = float((judged < judged[best]).sum()) + ((judged == judged[best]).sum() + 1.0) / 2.0
        rank = below / (trials + 1.0)
        logits.append(math.log(rank / (1.0 - rank)))
        inside.append(float(chosen[best]))
        outside.append(float(judged[best]))
    across = np.var(inside)
    slope = float(np.cov(inside, outside, ddof=0)[0, 1] / across) if across > 0.0 else 0.0
    found = np.array(logits)
    return Overfitting(probability=float((found <= 0.0).mean()), logits=found, slope=slope, splits=splits)


def _ratios(sums: Floats, squares: Floats, counts: NDArray[np.int64], blocks: list[int]) -> Floats:
    count = counts[blocks].sum()
    mean = sums[blocks].sum(axis=0) / count
    variance = np.maximum(squares[blocks].sum(axis=0) / count - mean**2, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0.0, mean / np.sqrt(variance), 0.0)


def _uniform(generator: np.random.PCG64, count: int) -> Floats:
    """Numbers in [0, 1) with 53 bits, from raw output: the same in every version of numpy."""
    return np.asarray((generator.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _checked(returns: Floats, *, least: int) -> Floats:
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1 or len(values) < least:
        raise MarketDataError(f"returns of shape {values.shape}; needed is one series of at least {least}")
    if not np.isfinite(values).all() or (values <= -1.0).any():
        raise MarketDataError("returns must be finite and above −1; drop the days without one")
    return values
