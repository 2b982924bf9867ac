"""How much is luck: resampling, deflated Sharpe ratios against the published example, overfitting, walking forward.

bootstrap   blocks are blocks · mean and autocorrelation survive · same seed, same histories · bands hold the truth
Sharpe      the worked example of Bailey and López de Prado · the best of many without skill
PBO         noise is a coin toss · one that is better stays better
walk        no day is learned from before it is judged · choosing follows what was best
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.backtest.chance import (
    SharpeFacts,
    block_rows,
    deflated_sharpe,
    effective_trials,
    expected_best,
    least_record,
    overfitting,
    probabilistic_sharpe,
    resampled,
    sharpe_facts,
)
from offchain.backtest.walk import chosen_forward, walk_forward
from offchain.errors import MarketDataError


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.02, shape)


# --- bootstrap --------------------------------------------------------------------------------------------------------


def test_stationary_blocks_run_on_and_have_the_mean_length_asked_for() -> None:
    rows = block_rows(400, paths=300, block=20.0, seed=3, method="stationary")
    runs_on = (np.diff(rows, axis=1) % 400) == 1
    assert 1.0 / (1.0 - runs_on.mean()) == pytest.approx(20.0, rel=0.05)
    assert np.bincount(rows.ravel(), minlength=400).std() < 0.15 * rows.size / 400


def test_circular_blocks_all_have_the_same_length_and_wrap() -> None:
    rows = block_rows(50, paths=200, block=7, seed=3, method="circular")
    inside = [place for place in range(1, 50) if place % 7]
    assert (((rows[:, inside] - rows[:, [place - 1 for place in inside]]) % 50) == 1).all()
    assert ((rows[:, 1:] == 0) & (rows[:, :-1] == 49)).any()


def test_resampling_one_block_as_long_as_the_history_only_turns_it() -> None:
    returns = noise(1, 60)
    chances = resampled(returns, paths=40, seed=1, block=60, method="circular")
    np.testing.assert_allclose(chances.cagr, np.prod(1.0 + returns) ** (365 / 60) - 1.0, rtol=1e-9)


def test_resampling_is_the_same_for_the_same_seed_only() -> None:
    one, two, other = (resampled(noise(1, 200), paths=50, seed=seed) for seed in (5, 5, 6))
    assert one.cagr.tobytes() == two.cagr.tobytes() != other.cagr.tobytes()
    raw = int(np.random.PCG64(5).random_raw())
    rows = block_rows(200, paths=50, block=6.0, seed=5, method="stationary")
    assert rows[0, 0] == (raw >> 11) * 200 >> 53


def test_resampled_sharpe_is_spread_as_theory_says() -> None:
    """For independent returns the deviation of an estimated Sharpe ratio is about √(1/T), here per day."""
    returns = noise(2, 1_000)
    returns += 0.001 - returns.mean()
    chances = resampled(returns, paths=2_000, seed=1, block=1)
    daily = chances.sharpe / math.sqrt(365)
    assert daily.mean() == pytest.approx(sharpe_facts(returns).sharpe, abs=0.004)
    assert daily.std() == pytest.approx(math.sqrt(1 / 1_000), rel=0.06)
    assert 0.0 < chances.loss < 0.5
    assert chances.quantiles()["cagr"][0.05] < chances.quantiles()["cagr"][0.95]


def test_blocks_keep_what_days_do_to_each_other() -> None:
    """A trending series has deeper drawdowns in blocks than day by day."""
    trend = np.sin(np.arange(600) / 30.0) * 0.01
    in_blocks = resampled(trend, paths=400, seed=1, block=60)
    shuffled = resampled(trend, paths=400, seed=1, block=1)
    assert np.median(in_blocks.drawdown) > 1.5 * np.median(shuffled.drawdown)


@pytest.mark.parametrize(
    ("returns", "more", "message"),
    [
        (noise(1, 5), {}, "at least 10"),
        (np.array([0.1] * 20 + [np.nan]), {}, "finite"),
        (noise(1, 50), {"method": "jackknife"}, 'method = "jackknife"'),
        (noise(1, 50), {"block": 51}, "block = 51 days"),
    ],
)
def test_what_cannot_be_resampled_is_refused(returns: np.ndarray, more: dict[str, object], message: str) -> None:
    with pytest.raises(MarketDataError, match=message):
        resampled(returns, seed=1, **more)  # type: ignore[arg-type]


# --- Sharpe -----------------------------------------------------------------------------------------------------------


def test_deflated_sharpe_is_that_of_the_published_example() -> None:
    """Bailey and López de Prado (2014), section "A numerical example": an annual Sharpe ratio of 2.5 over five years of 250 days,
    skewness −3, kurtosis 10, best of 100 trials whose annual ratios have a variance of ½: SR0 = 0.1132 a day, DSR = 0.9004.
    """
    facts = SharpeFacts(sharpe=2.5 / math.sqrt(250), count=1_250, skewness=-3.0, kurtosis=10.0)
    variance = 0.5 / 250
    assert expected_best(variance, trials=100) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(facts, variance=variance, trials=100) == pytest.approx(0.9004, abs=5e-5)
    assert deflated_sharpe(facts, variance=variance, trials=46) == pytest.approx(0.9505, abs=5e-5)
    normal = SharpeFacts(sharpe=facts.sharpe, count=1_250)
    assert deflated_sharpe(normal, variance=variance, trials=88) == pytest.approx(0.9505, abs=5e-4)


def test_expected_best_is_what_the_best_of_noise_shows() -> None:
    """The best of 200 independent Sharpe ratios without skill, on average over 200 worlds."""
    draws = np.random.default_rng(4).normal(0.0, 0.05, (200, 200))
    assert draws.max(axis=1).mean() == pytest.approx(expected_best(0.05**2, trials=200), rel=0.03)
    assert expected_best(1.0, trials=1) == 0.0


def test_probabilistic_sharpe_of_normal_returns_is_that_of_a_t_test() -> None:
    facts = SharpeFacts(sharpe=0.05, count=1_001)
    z = 0.05 * math.sqrt(1_000) / math.sqrt(1 + 0.5 * 0.05**2)
    assert probabilistic_sharpe(facts) == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), rel=1e-12)
    needed = least_record(facts)
    again = SharpeFacts(sharpe=0.05, count=round(needed))
    assert probabilistic_sharpe(again) == pytest.approx(0.95, abs=1e-3)
    assert least_record(facts, benchmark=0.06) == math.inf


def test_moments_are_those_of_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(1).gamma(2.0, 0.01, 500) - 0.019
    facts = sharpe_facts(values)
    assert facts.skewness == pytest.approx(stats.skew(values), rel=1e-12)
    assert facts.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-12)


def test_effective_trials_count_copies_once() -> None:
    one = noise(1, 400, 1)
    assert effective_trials(np.repeat(one, 30, axis=1)) == pytest.approx(1.0)
    assert effective_trials(noise(2, 4_000, 30)) == pytest.approx(30.0, abs=1.0)
    half = 0.02 * (one / 0.02 + np.random.default_rng(3).normal(0, 1, (400, 30))) / math.sqrt(2)
    correlations = np.corrcoef(half.T)
    rho = (correlations.sum() - 30) / (30 * 29)
    assert effective_trials(half) == pytest.approx(rho + (1 - rho) * 30, rel=1e-9)


# --- overfitting ------------------------------------------------------------------------------------------------------


def test_best_of_noise_is_below_the_middle_every_second_time() -> None:
    found = [overfitting(noise(seed, 400, 40), splits=8).probability for seed in range(30)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_best_that_is_really_better_stays_so() -> None:
    table = noise(7, 600, 20)
    table[:, 3] += 0.006
    result = overfitting(table, splits=10)
    assert result.probability == 0.0
    assert len(result.logits) == math.comb(10, 5)


def test_overfitting_by_hand() -> None:
    """Two trials, two blocks: each is best in one half and worst in the other."""
    table = np.array([[0.02, 0.01], [0.03, 0.00], [0.01, 0.02], [0.00, 0.03]])
    assert overfitting(table, splits=2).probability == 1.0
    with pytest.raises(MarketDataError, match="splits = 3"):
        overfitting(table, splits=3)


# --- walking forward --------------------------------------------------------------------------------------------------


@given(
    st.integers(10, 300), st.integers(1, 60), st.integers(1, 40), st.integers(0, 10), st.integers(0, 10), st.booleans()
)
def test_folds_never_learn_from_what_they_are_judged_on(
    count: int, train: int, test: int, purge: int, embargo: int, expanding: bool
) -> None:
    times = pd.date_range("2024-01-01", periods=count, tz="UTC")
    more = {"train": train, "test": test, "purge": purge, "embargo": embargo, "is_expanding": expanding}
    if train + purge >= count:
        with pytest.raises(MarketDataError, match="do not hold one fold"):
            walk_forward(times, **more)  # type: ignore[arg-type]
        return
    folds = walk_forward(times, **more)  # type: ignore[arg-type]
    seen: set[int] = set()
    for fold in folds:
        assert fold.train.stop + purge == fold.test.start
        assert len(fold.train) == (fold.train.stop if expanding else train)
        assert not seen & set(fold.test)
        seen |= set(fold.test)
    assert folds[-1].test.stop <= count
    if embargo == 0:
        assert seen == set(range(train + purge, count))


def test_choosing_forward_holds_what_had_been_best() -> None:
    """A is better in the first half, B in the second: the choice follows a fold later."""
    rising, flat = np.full(60, 0.01), np.full(60, 0.001)
    wobble = np.tile([0.002, -0.002], 60)
    first, second = np.concatenate([rising, flat]) + wobble, np.concatenate([flat, rising]) + wobble
    index = pd.date_range("2024-01-01", periods=121, tz="UTC")
    table = pd.DataFrame(
        {name: np.cumprod([1.0, *(1.0 + line)]) for name, line in (("a", first), ("b", second))}, index=index
    )
    folds = walk_forward(index, train=20, test=20)
    forward = chosen_forward(table, folds)
    assert forward.choices == ("a", "a", "a", "b", "b", "b")
    assert len(forward.returns) == 101
    # rows 20 to 79 hold a, the rest b; row r has the return of line r − 1
    assert forward.total == pytest.approx(np.prod(1.0 + first[19:79]) * np.prod(1.0 + second[79:]) - 1.0, rel=1e-12)
    assert forward.hindsight == pytest.approx(np.prod(1.0 + second[19:]) - 1.0, rel=1e-12)
    poisoned = table.copy()
    poisoned.iloc[81:] *= 7.0
    assert chosen_forward(poisoned, folds).choices[:4] == forward.choices[:4]
