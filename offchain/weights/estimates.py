"""What history says about risk: daily returns, volatility, Sharpe ratio, mean and shrunk covariance.

Sums run in a fixed order and without BLAS. The products behind a covariance are taken of integers that fit in a float
exactly, so they have no rounding at all: the matrix has the same bits on every processor and with any number of threads.
Returns are simple, price / price before − 1, of two days that both have a price; a gap gives no return.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offchain.errors import MissingHistory
from offchain.market.history import History
from offchain.spec.weight_rules import WeightRules

Floats = NDArray[np.float64]
YEAR = 365  # days: crypto trades on all of them
_LIMB = 2.0**21  # returns are cut in two limbs of this many steps: products of limbs stay below 2^53 for 1,500 days


@dataclass(frozen=True, kw_only=True)
class Returns:
    """`values`: days × coins, simple daily returns, NaN unknown; `weights`: of each day, sums to 1; columns as `ids`."""

    ids: tuple[str, ...]
    values: Floats
    weights: Floats

    @property
    def known(self) -> NDArray[np.int64]:
        """How many returns each coin has."""
        return np.asarray((~np.isnan(self.values)).sum(axis=0))


@dataclass(frozen=True, kw_only=True)
class Risk:
    """`covariance`: of daily returns, positive definite; `shrunk`: how far it was drawn to its target, 0..1."""

    ids: tuple[str, ...]
    covariance: Floats
    shrunk: float
    findings: tuple[str, ...] = ()

    @property
    def volatility(self) -> Floats:
        """Yearly."""
        return np.sqrt(np.diag(self.covariance) * YEAR)


def prices_of(history: History, ids: Sequence[str], *, days: int) -> Floats:
    """The newest `days` + 1 prices, days × coins in the order of `ids`; not positive is NaN."""
    columns = [history.column(name) for name in ids]
    window = history.panel("price")[-(days + 1) :, columns]
    return np.where(window > 0, window, np.nan)


def returns_of(history: History, ids: Sequence[str], rules: WeightRules) -> Returns:
    """Daily returns of the window that `rules` set. Raises MissingHistory when no coin has enough of them."""
    prices = prices_of(history, ids, days=rules.volatility_days)
    values = prices[1:] / prices[:-1] - 1.0
    found = Returns(ids=tuple(ids), values=values, weights=day_weights(len(values), rules.half_life_days))
    most = int(found.known.max(initial=0))
    if most < rules.min_history_days:
        raise MissingHistory(
            f"no member has {rules.min_history_days} daily returns in the last {rules.volatility_days} days, the most is "
            f"{most}; lower weights.min_history_days, or choose a scheme that reads no history"
        )
    return found


def day_weights(days: int, half_life: int) -> Floats:
    """Weights of `days` days, oldest first, Σ = 1; the newest counts most, one `half_life` days older counts half."""
    if half_life == 0:
        return np.full(days, 1.0 / days) if days else np.empty(0)
    daily = 0.5 ** (1.0 / half_life)
    powers = np.empty(days)
    value = 1.0
    for day in range(days - 1, -1, -1):
        powers[day] = value
        value *= daily
    return powers / powers.sum()


def volatilities(history: History, ids: Sequence[str], rules: WeightRules) -> tuple[dict[str, float], tuple[str, ...]]:
    """({id: yearly volatility, 12 digits}, findings): √(Σ ln²(p/p before) · 365 / days spanned), mean taken as zero.

    The definition of the contract InverseVolatility: over a gap the return counts once and its days count all. A coin with too
    few returns, or that never moved, gets the largest volatility of the others.
    """
    prices = prices_of(history, ids, days=rules.volatility_days)
    ages = day_weights(max(len(prices) - 1, 0), rules.half_life_days)
    found: dict[str, float] = {}
    for name, column in zip(ids, prices.T, strict=True):
        days = np.flatnonzero(~np.isnan(column))
        if len(days) <= rules.min_history_days:
            continue
        logs = np.log(column[days[1:]] / column[days[:-1]])
        weight = ages[days[1:] - 1]
        squares = float((weight * logs * logs).sum() / (weight * np.diff(days)).sum())
        if squares > 0.0:
            found[name] = digits(np.sqrt(squares * YEAR))
    if not found:
        raise MissingHistory(
            f"no member has {rules.min_history_days} daily returns in the last {rules.volatility_days} days; lower "
            "weights.min_history_days, or choose a scheme that reads no history"
        )
    most = max(found.values())
    findings = tuple(
        f"{name}: fewer than {rules.min_history_days} daily returns, or a price that never moved; counts as volatile as the "
        f"most volatile member, {most:.1%} a year"
        for name in ids
        if name not in found
    )
    return {name: found.get(name, most) for name in ids}, findings


def sharpe_ratios(returns: Returns, *, least_days: int) -> dict[str, float | None]:
    """{id: yearly Sharpe ratio, 12 digits; None when too little is known}: mean / deviation · √365, over cash at zero."""
    answer: dict[str, float | None] = {}
    for name, column in zip(returns.ids, returns.values.T, strict=True):
        is_known = ~np.isnan(column)
        p = returns.weights[is_known]
        answer[name] = None
        if is_known.sum() < max(least_days, 2):
            continue
        p = p / p.sum()
        mean = float((p * column[is_known]).sum())
        variance = float((p * (column[is_known] - mean) ** 2).sum() / (1.0 - (p * p).sum()))
        if variance > 0.0:
            answer[name] = digits(mean / np.sqrt(variance) * np.sqrt(float(YEAR)))
    return answer


def mean_returns(returns: Returns, risk: Risk, *, shrunk: bool) -> tuple[Floats, float]:
    """(daily means, how far they were drawn to a common one): the Bayes–Stein estimator of Jorion (1986).

    The common value is the mean of the minimum-variance portfolio; the pull is (n+2) / (n+2 + T·d'Σ⁻¹d).
    """
    is_known = ~np.isnan(returns.values)
    p = np.where(is_known, returns.weights[:, None], 0.0)
    total = p.sum(axis=0)
    means = np.where(
        total > 0, (p * np.where(is_known, returns.values, 0.0)).sum(axis=0) / np.where(total > 0, total, 1), 0.0
    )
    if not shrunk or len(means) < 3:
        return means, 0.0
    ones = np.linalg.solve(risk.covariance, np.ones(len(means)))
    common = float((ones * means).sum() / ones.sum())
    apart = means - common
    size = 1.0 / float((returns.weights**2).sum())
    distance = size * float((apart * np.linalg.solve(risk.covariance, apart)).sum())
    pull = (len(means) + 2) / (len(means) + 2 + distance)
    # the pull has passed through a solver: on a grid it is the same number everywhere
    pull, common = digits(pull), digits(common)
    return means + pull * (common - means), pull


def covariance_of(returns: Returns, rules: WeightRules) -> Risk:
    """The covariance of daily returns by `rules`: pairwise over the days both are known, then shrunk, then repaired.

    A coin with fewer than rules.min_history_days returns, or that never moved, gets the largest variance of the others and the
    mean correlation; a matrix that is not positive definite after all is drawn to its diagonal as far as needed. Both are found.
    """
    is_short = returns.known < rules.min_history_days
    values = np.where(is_short, np.nan, returns.values)
    deviations, is_known = _deviations(values, returns.weights)
    sample = _sample(deviations, is_known, returns.weights)
    is_short |= ~(np.diag(sample) > 0)
    sound = np.flatnonzero(~is_short)
    if not len(sound):
        raise MissingHistory(
            "no member has a price that moved often enough to measure its risk; widen weights.volatility_days or choose a "
            "scheme that reads no history"
        )
    inner = sample[np.ix_(sound, sound)]
    intensity = 0.0
    if rules.shrinkage != "none" and len(sound) > 1:
        inner, intensity = shrink(inner, deviations[:, sound], returns.weights, target=rules.shrinkage)
    risk = Risk(ids=returns.ids, covariance=inner, shrunk=intensity)
    return _sound(_filled(risk, sound, rules))


def shrink(sample: Floats, deviations: Floats, weights: Floats, *, target: str) -> tuple[Floats, float]:
    """(shrunk covariance, intensity 0..1). `sample`: divided by the number of days (not one less); `deviations`: days × coins.

    target "identity": the mean variance on the diagonal (Ledoit and Wolf, 2004, "A well-conditioned estimator…");
    "constant_correlation": the mean correlation between all (Ledoit and Wolf, 2004, "Honey, I shrunk…"). With a half-life the
    averages over days are weighted and the number of days is 1 / Σ weight². Unknown days count as no deviation here.
    """
    count = len(sample)
    size = 1.0 / float((weights**2).sum())
    squares = deviations**2
    # π: how much each entry of the sample varies
    pi = exact_product(squares * weights[:, None], squares) - sample**2
    if target == "identity":
        mean = np.diag(sample).mean()
        aim = np.eye(count) * mean
        rho = 0.0
    else:
        deviation = np.sqrt(np.diag(sample))
        correlation = sample / np.outer(deviation, deviation)
        mean = (correlation.sum() - count) / (count * (count - 1)) if count > 1 else 0.0
        aim = mean * np.outer(deviation, deviation)
        np.fill_diagonal(aim, np.diag(sample))
        cubes = exact_product(deviations**3 * weights[:, None], deviations)
        theta = cubes - np.diag(sample)[:, None] * sample
        np.fill_diagonal(theta, 0.0)
        rho = float(np.diag(pi).sum() + mean * (theta * np.outer(1.0 / deviation, deviation)).sum())
    gamma = float(((sample - aim) ** 2).sum())
    if gamma == 0.0:
        return sample, 0.0
    intensity = digits(min(1.0, max(0.0, (float(pi.sum()) - rho) / gamma / size)))
    return intensity * aim + (1.0 - intensity) * sample, intensity


def exact_product(a: Floats, b: Floats) -> Floats:
    """aᵀ·b by columns with the same bits on every machine, each entry good to 2⁻⁴⁰ of its columns' largest products.

    Each column is scaled by a power of two and cut into two limbs of 21 bits; the four products of limbs are sums of integers
    below 2^53, which no order of summation can change.
    """
    if not a.size or not b.size:
        return np.zeros((a.shape[1], b.shape[1]))
    (high_a, low_a, scale_a), (high_b, low_b, scale_b) = _limbs(a), _limbs(b)
    top = high_a.T @ high_b
    middle = high_a.T @ low_b + low_a.T @ high_b
    bottom = low_a.T @ low_b
    whole = (top + middle / _LIMB) + bottom / _LIMB**2
    return np.asarray(np.ldexp(whole, scale_a[:, None] + scale_b[None, :]))


def digits(value: float, *, places: int = 12) -> float:
    """`value` on a grid of significant decimal digits, so that the last bits of a machine do not travel."""
    return float(f"{value:.{places}g}")


def _limbs(values: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(high, low, exponent) of each column: values ≈ (high + low / _LIMB) · 2^exponent, all integers up to _LIMB."""
    largest = np.abs(values).max(axis=0)
    exponent = np.frexp(np.where(largest > 0, largest, 1.0))[1].astype(np.int64) - 21
    scaled = np.ldexp(values, -exponent[None, :])
    high = np.rint(scaled)
    low = np.rint((scaled - high) * _LIMB)
    return high, low, exponent


def _deviations(values: Floats, weights: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """(value − the coin's own weighted mean, zero where unknown; what is known)."""
    is_known = ~np.isnan(values)
    p = np.where(is_known, weights[:, None], 0.0)
    total = p.sum(axis=0)
    filled = np.where(is_known, values, 0.0)
    mean = (p * filled).sum(axis=0) / np.where(total > 0, total, 1.0)
    return np.where(is_known, filled - mean, 0.0), is_known


def _sample(deviations: Floats, is_known: NDArray[np.bool_], weights: Floats) -> Floats:
    """Weighted mean product over the days on which both are known; 0 for coins that have none in common."""
    products = exact_product(deviations * weights[:, None], deviations)
    products = (products + products.T) / 2.0
    if is_known.all():
        return products
    known = is_known.astype(np.float64)
    common = exact_product(known * weights[:, None], known)
    return np.where(common > 0, products / np.where(common > 0, common, 1.0), 0.0)


def _filled(risk: Risk, sound: NDArray[np.intp], rules: WeightRules) -> Risk:
    """The matrix of all coins: those without history get the largest variance and the mean correlation of the others."""
    count = len(risk.ids)
    if len(sound) == count:
        return risk
    deviation = np.sqrt(np.diag(risk.covariance))
    correlation = risk.covariance / np.outer(deviation, deviation)
    pairs = len(sound) * (len(sound) - 1)
    mean = float((correlation.sum() - len(sound)) / pairs) if pairs else 0.5
    everyone = np.full(count, float(deviation.max()))
    everyone[sound] = deviation
    full = np.full((count, count), min(max(mean, 0.0), 0.99))
    np.fill_diagonal(full, 1.0)
    full[np.ix_(sound, sound)] = correlation
    covariance = full * np.outer(everyone, everyone)
    covariance[np.ix_(sound, sound)] = risk.covariance
    missing = [name for index, name in enumerate(risk.ids) if index not in set(sound.tolist())]
    findings = tuple(
        f"{name}: fewer than {rules.min_history_days} daily returns, or a price that never moved; counts as volatile as the most "
        f"volatile member, with the mean correlation {mean:.2f}"
        for name in missing
    )
    return replace(risk, covariance=covariance, findings=findings)


def _sound(risk: Risk) -> Risk:
    """Drawn to its diagonal, by the least of 1e-6, 1e-5, … 1, until it is safely positive definite; says so when it was."""
    for power in (None, 6, 5, 4, 3, 2, 1, 0):
        pull = 0.0 if power is None else 10.0**-power
        matrix = risk.covariance * (1.0 - pull) + np.diag(np.diag(risk.covariance)) * pull
        if _is_sound(matrix):
            break
    if pull == 0.0:
        return risk
    finding = (
        f"covariance of {len(risk.ids)} coins: some move as one, or have few days in common; correlations were lowered by "
        f"{pull:g} of their size so that the risk of every mix is above zero"
    )
    return replace(risk, covariance=matrix, findings=(*risk.findings, finding))


def _is_sound(matrix: Floats) -> bool:
    """Whether every eigenvalue of its correlations is above 1e-9."""
    deviation = np.sqrt(np.diag(matrix))
    try:
        np.linalg.cholesky(matrix / np.outer(deviation, deviation) - 1e-9 * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True
