"""Rules and single features judged like models.

evaluate_rules   says what assess says, day by day · finds skill, finds none · blind to the future
feature_table    rank correlation by an independent library · luck · real records
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from signal_histories import cut, history_of, random_walk

from offchain.errors import ModelError
from offchain.features import compute_panel
from offchain.market import Market
from offchain.market.history import History
from offchain.signals import assess, evaluate_rules, feature_table, shuffled
from offchain.signals.targets import UNKNOWN, excess_returns
from offchain.signals.trials import bar_of_luck, rule_scores
from offchain.spec.signal_rules import SignalRules

RULES = SignalRules(mode="rules", use=(("momentum_14d", 0.5), ("momentum_30d", 0.5), ("volatility_30d", -0.1)))


@pytest.fixture(scope="module")
def skilled() -> History:
    return history_of(random_walk(days=420, coins=24, skill=0.25))


def test_rule_scores_are_what_assess_says_on_each_day(skilled: History) -> None:
    """D13: what is tried on the past is what decides in the future."""
    said = rule_scores(skilled, RULES)
    for days in (45, 130, 300, 420):
        signals = assess(cut(skilled, days), RULES).signals
        for column, coin in enumerate(skilled.ids):
            row = said[days - 1, column].tolist()
            assert row == [
                round(1e6 * p) for p in (signals[coin].p_bearish, signals[coin].p_neutral, signals[coin].p_bullish)
            ]
    assert (said[:10, :, 0] == UNKNOWN).all()


def test_evaluate_rules_finds_planted_skill_and_none_where_there_is_none(skilled: History) -> None:
    """D13: momentum pays where coins have moods of sixty days; upside down it loses; on redrawn days it is chance."""
    found = evaluate_rules(skilled, RULES)
    assert found.pays
    assert found.auc_low > 0.55
    assert found.brier < found.baseline_brier
    assert found.log_loss < found.baseline_log_loss
    against = evaluate_rules(skilled, replace(RULES, use=tuple((name, -weight) for name, weight in RULES.use)))
    assert not against.pays
    assert against.auc == pytest.approx(1.0 - found.auc, abs=1e-6)
    empty = [evaluate_rules(shuffled(skilled, seed=seed), RULES) for seed in range(4)]
    assert sum(one.auc for one in empty) / 4 == pytest.approx(0.5, abs=0.025)
    assert not any(one.pays for one in empty)
    # what a worthless score is calibrated to is the base rate: no better than volatility, and not absurd
    assert all(abs(one.log_loss - one.baseline_log_loss) < 0.02 for one in empty)


def test_rule_scores_are_blind_to_the_future(skilled: History) -> None:
    price = skilled.panel("price").copy()
    price[200:] *= np.random.Generator(np.random.PCG64(1)).uniform(0.2, 5.0, price[200:].shape)
    assert rule_scores(history_of(price), RULES)[:200].tobytes() == rule_scores(skilled, RULES)[:200].tobytes()


def test_feature_table_has_the_rank_correlation_of_an_independent_library(skilled: History) -> None:
    """D13: the information coefficient of every eighth day, entry a day later, seven days held."""
    (found,) = feature_table(skilled, ["momentum_30d"], horizon_days=8)
    values = compute_panel(skilled, "momentum_30d")
    excess = excess_returns(skilled.panel("price"), horizon_days=8)
    days = [day for day in range(30, 420) if not np.isnan(excess[day]).all()][::8]
    expected = [spearmanr(np.clip(values[day], *_edges(values[day])), excess[day]).statistic for day in days]
    assert found.periods == len(days)
    assert found.ic == pytest.approx(np.mean(expected), abs=2e-6)
    assert found.t == pytest.approx(np.mean(expected) / np.std(expected, ddof=1) * np.sqrt(len(days)), abs=1e-4)
    assert found.coverage == pytest.approx(390 / 420, abs=1e-6)


def _edges(row: np.ndarray) -> tuple[float, float]:
    """Three robust deviations around the median: beyond them coins are equal."""
    middle = np.median(row)
    reach = 3 * 1.482602218505602 * np.median(np.abs(row - middle))
    return middle - reach, middle + reach


def test_feature_table_says_what_is_beyond_luck(skilled: History) -> None:
    """D13: with more tries the bar is higher; planted momentum clears it, the skew of the past does not."""
    table = {one.name: one for one in feature_table(skilled, ["momentum_14d", "momentum_30d", "skew_90d"])}
    assert table["momentum_14d"].is_beyond_luck
    assert not table["skew_90d"].is_beyond_luck
    assert "no more than luck" in str(table["skew_90d"])
    many = feature_table(skilled, ["momentum_14d"], trials=1_000)[0]
    assert many.luck > table["momentum_14d"].luck


def test_bar_of_luck_is_passed_by_the_best_of_many_once_in_twenty() -> None:
    dice = np.random.Generator(np.random.PCG64(4))
    assert bar_of_luck(1) == pytest.approx(1.96, abs=0.001)
    for trials in (10, 100):
        largest = np.abs(dice.normal(size=(20_000, trials))).max(axis=1)
        assert (largest > bar_of_luck(trials)).mean() == pytest.approx(0.05, abs=0.006)


def test_trying_nothing_is_refused(skilled: History) -> None:
    with pytest.raises(ModelError, match="nothing to try"):
        rule_scores(skilled, SignalRules())


def test_features_on_the_records_of_2021_are_judged_with_their_luck(real_market: Market) -> None:
    """D13: nine months are thirty-odd weeks: whatever is found has to beat the best of as many coin flips."""
    largest = sorted(real_market.market_cap.loc["2021-01-05"].nlargest(100).index)
    history = real_market.history("2021-09-30", days=400, fields=("price", "market_cap", "volume"), ids=largest)
    names = ["momentum_30d", "momentum_7d", "volatility_30d", "rsi_14", "drawdown_30d", "turnover_30d"]
    table = feature_table(history, names)
    assert sorted(one.name for one in table) == sorted(names)
    assert [abs(one.t) for one in table] == sorted((abs(one.t) for one in table), reverse=True)
    for one in table:
        assert 20 <= one.periods <= 39
        assert -0.5 < one.ic < 0.5
        assert one.is_beyond_luck == (abs(one.t) > 2.63)  # six tries
