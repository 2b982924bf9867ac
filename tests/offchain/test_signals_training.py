"""Trained models: what they may learn from, what they say, and whether it is worth anything.

targets       forward returns and thirds by hand · a coin that dies · ties
folds         no outcome before its time, whatever the numbers
arithmetic    e^x · millionths
calibration   recovers what is known · rising steps · sanity
evaluation    measures against brute force
engines       the portable form answers as scikit-learn does · damaged files
walk forward  blind to the future · finds planted skill · finds none in nothing
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_histories import cut, history_of, random_walk

from offchain.errors import ModelError
from offchain.market.history import History
from offchain.signals.arithmetic import exp, logistic, millionths
from offchain.signals.calibration import Sigmoid, Steps, fit_sigmoid, fit_steps, read_curve
from offchain.signals.engines import Network, Trees, read_engine
from offchain.signals.evaluation import (
    brier,
    calibration_error,
    directional_auc,
    evaluate,
    log_loss,
    payoff_of_best_third,
    volatility_baseline,
)
from offchain.signals.folds import Fold, walk
from offchain.signals.learning import Learner, fit
from offchain.signals.null import shuffled
from offchain.signals.targets import BEARISH, BULLISH, NEUTRAL, UNKNOWN, excess_returns, terciles, volatility_tenths
from offchain.signals.training import TrainingRules, prepare, train, walk_forward
from tests.fuzz import examples

FEATURES = ("momentum_30d", "momentum_14d", "rsi_14", "volatility_30d", "drawdown_30d")
QUICK = TrainingRules(
    learner=Learner(rounds=12, leaves=4, bins=16, least_rows=40),
    window_days=0,
    first_test_days=200,
    calibration_days=50,
    test_days=60,
    stride_days=2,
)


@pytest.fixture(scope="module")
def skilled() -> History:
    return history_of(random_walk(days=420, coins=24, skill=0.25))


def dice(seed: int = 5) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


# --- targets --------------------------------------------------------------------------------------------------------


def test_excess_return_is_from_the_next_close_over_the_horizon_less_the_median() -> None:
    """M3: by hand for seven coins; entry one day after the decision, the price of the decision is not read."""
    price = np.ones((6, 7))
    price[4] = [1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]
    price[0] = 777.0
    excess = excess_returns(price, horizon_days=3, delay_days=1)
    assert excess[0].tolist() == pytest.approx([-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3])
    assert np.isnan(excess[2:]).all()


def test_excess_return_of_a_coin_that_dies_ends_at_its_last_price() -> None:
    """M2: leaving it out would teach that coins do not die."""
    price = np.ones((8, 7))
    price[3, 0] = 0.1
    price[4:, 0] = np.nan
    excess = excess_returns(price, horizon_days=5, delay_days=1)
    assert excess[0].tolist() == pytest.approx([-0.9, 0, 0, 0, 0, 0, 0])
    assert np.isnan(excess_returns(price, horizon_days=2, delay_days=4)[0, 0])


def test_terciles_are_thirds_of_the_known_coins_and_ties_are_neutral() -> None:
    row = np.array([[0.3, -0.3, 0.0, 0.1, -0.1, 0.2, np.nan]])
    assert terciles(row)[0].tolist() == [BULLISH, BEARISH, NEUTRAL, NEUTRAL, BEARISH, BULLISH, UNKNOWN]
    tied = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0]])
    assert terciles(tied)[0].tolist() == [2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert set(terciles(np.zeros((1, 9)))[0].tolist()) == {NEUTRAL}
    assert set(terciles(np.arange(5.0)[None])[0].tolist()) == {UNKNOWN}


@given(st.integers(1, 14), st.integers(0, 3), st.integers(20, 59))
def test_outcome_of_a_day_depends_on_its_reach_and_nothing_after(horizon: int, delay: int, day: int) -> None:
    """M2: the purge is as long as what a label reads."""
    price = random_walk(days=80, coins=8)
    poisoned = price.copy()
    poisoned[day + delay + horizon + 1 :] *= dice().uniform(0.1, 9.0, poisoned[day + delay + horizon + 1 :].shape)
    one = excess_returns(price, horizon_days=horizon, delay_days=delay)
    other = excess_returns(poisoned, horizon_days=horizon, delay_days=delay)
    assert one[: day + 1].tobytes() == other[: day + 1].tobytes()


def test_volatility_tenths_rank_the_coins_and_look_back_only() -> None:
    price = random_walk(days=120, coins=20)
    tenths = volatility_tenths(price)
    moves = np.abs(price[1:] / price[:-1] - 1.0)
    calmest = int(np.argmin(moves[89:119].mean(axis=0)))
    assert tenths[119, calmest] == 0
    assert sorted(tenths[100].tolist()) == sorted([*range(10)] * 2)
    assert volatility_tenths(price[:90]).tobytes() == tenths[:90].tobytes()


# --- folds ----------------------------------------------------------------------------------------------------------


@given(
    days=st.integers(250, 900),
    first=st.integers(200, 240),
    test_days=st.integers(5, 90),
    window=st.sampled_from([0, 120, 180, 730]),
    calibration=st.integers(14, 40),
    reach=st.integers(1, 15),
    embargo=st.integers(1, 10),
    stride=st.integers(1, 7),
)
@settings(max_examples=examples(80))
def test_folds_know_no_outcome_before_its_time(
    days: int, first: int, test_days: int, window: int, calibration: int, reach: int, embargo: int, stride: int
) -> None:
    """M2: purge and embargo as sets of days: whatever an outcome used anywhere in training reads is before the test begins,
    and training never shares a day with calibration; tests follow each other without a gap."""
    folds = walk(
        days,
        first_test=first,
        test_days=test_days,
        window=window,
        calibration=calibration,
        reach=reach,
        embargo=embargo,
        stride=stride,
    )
    assert [day for fold in folds for day in fold.test] == list(range(first, days))
    for fold in folds:
        read = {day + ahead for day in [*fold.train, *fold.calibration] for ahead in range(reach + 1)}
        assert max(read) + embargo <= fold.test[0]
        assert fold.known_until == max(read)
        learned = {day + ahead for day in fold.train for ahead in range(reach + 1)}
        assert max(learned) + embargo <= fold.calibration[0]
        assert min(fold.train) >= 0
        if window:
            assert max(fold.calibration) - min(fold.train) < window
        assert {later - earlier for earlier, later in zip(fold.train, fold.train[1:], strict=False)} <= {stride}


@pytest.mark.parametrize(
    ("calibration", "test"), [(range(97, 120), range(140, 150)), (range(110, 132), range(140, 150))]
)
def test_fold_that_lets_an_outcome_through_is_refused(calibration: range, test: range) -> None:
    """M2: the metadata of a fold are checked, not believed."""
    with pytest.raises(ModelError, match="outcomes need 10"):
        Fold(number=1, train=range(0, 90), calibration=calibration, test=test, reach=8, embargo=2)


def test_walk_over_too_short_a_history_says_what_is_missing() -> None:
    with pytest.raises(ModelError, match="give a longer history or shorter windows"):
        walk(300, first_test=60, test_days=30, window=730, calibration=120, reach=8, embargo=2, stride=1)


# --- arithmetic -----------------------------------------------------------------------------------------------------


@given(st.floats(-600, 600))
def test_exp_is_that_of_the_mathematics_library_to_the_last_bits(x: float) -> None:
    assert float(exp(np.array([x]))[0]) == pytest.approx(math.exp(x), rel=5e-16)


def test_exp_of_anything_larger_stays_finite() -> None:
    assert np.isfinite(exp(np.array([1e9, -1e9]))).all()
    assert logistic(np.array([-1e9, 0.0, 1e9])).tolist() == pytest.approx([0.0, 0.5, 1.0])


@given(st.lists(st.tuples(*[st.floats(1e-3, 1.0)] * 3), min_size=1, max_size=20))
def test_millionths_sum_to_a_million_and_are_the_nearest(shares: list[tuple[float, float, float]]) -> None:
    """M1: three probabilities on the grid of 1e-6 that sum to 1."""
    for row, share in zip(millionths(np.array(shares)), shares, strict=True):
        assert row.sum() == 1_000_000
        assert row.min() >= 0
        assert row[0] / 1e6 == pytest.approx(share[0] / sum(share), abs=5.1e-7)
        assert row[2] / 1e6 == pytest.approx(share[2] / sum(share), abs=1.1e-6)


# --- calibration ----------------------------------------------------------------------------------------------------


def test_sigmoid_recovers_the_curve_the_data_came_from() -> None:
    margin = dice().normal(0.0, 2.0, 40_000)
    happened = dice(6).uniform(size=40_000) < 1.0 / (1.0 + np.exp(-(1.7 * margin - 0.4)))
    curve = fit_sigmoid(margin, happened)
    assert isinstance(curve, Sigmoid)
    assert (curve.slope, curve.shift) == (pytest.approx(1.7, abs=0.06), pytest.approx(-0.4, abs=0.06))


def test_sigmoid_of_a_model_that_is_wrong_way_round_says_the_base_rate() -> None:
    margin = dice().normal(size=2_000)
    happened = dice(6).uniform(size=2_000) < 1.0 / (1.0 + np.exp(margin + 1.0))
    curve = fit_sigmoid(margin, happened)
    assert isinstance(curve, Sigmoid)
    assert curve.slope == 0.0
    assert curve.apply(np.array([5.0]))[0] == pytest.approx(happened.mean(), abs=1e-3)


def test_steps_are_those_of_an_independent_isotonic_regression() -> None:
    from sklearn.isotonic import IsotonicRegression

    margin = np.round(dice().normal(size=600), 2)
    happened = dice(6).uniform(size=600) < 1.0 / (1.0 + np.exp(-margin))
    curve = fit_steps(margin, happened)
    assert isinstance(curve, Steps)
    assert list(curve.heights) == sorted(curve.heights)
    theirs = IsotonicRegression().fit(margin, happened).predict(margin)
    assert curve.apply(margin) == pytest.approx(np.clip(theirs, 0.001, 0.999), abs=1e-8)


@pytest.mark.parametrize("fitted", [fit_sigmoid, fit_steps])
def test_calibrated_probabilities_come_true_as_often_as_they_say(fitted: object) -> None:
    """M2: overconfident margins, calibrated on one half, hold on the other."""
    truth = dice().uniform(0.1, 0.6, 20_000)
    margin = 4.0 * np.log(truth / (1.0 - truth))
    happened = dice(6).uniform(size=20_000) < truth
    curve = fitted(margin[:10_000], happened[:10_000])  # type: ignore[operator]
    said = curve.apply(margin[10_000:])
    for part in np.array_split(np.argsort(said), 5):
        assert said[part].mean() == pytest.approx(happened[10_000:][part].mean(), abs=0.04)
    assert read_curve(json.loads(json.dumps(curve.as_plain()))) == curve


# --- evaluation -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from([BEARISH, BULLISH])), min_size=1, max_size=30))
def test_directional_auc_is_the_part_of_pairs_in_the_right_order(rows: list[tuple[int, int]]) -> None:
    up = [score for score, label in rows if label == BULLISH]
    down = [score for score, label in rows if label == BEARISH]
    points = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in up for b in down)
    expected = points / (len(up) * len(down)) if up and down else 0.5
    found = directional_auc(
        np.array([score for score, _ in rows]), np.array([label for _, label in rows], dtype=np.int8)
    )
    assert found == pytest.approx(expected, abs=1e-15)


def test_brier_log_loss_and_calibration_error_by_hand() -> None:
    stated = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    happened = np.array([0, 1], dtype=np.int8)
    assert brier(stated, happened) == pytest.approx(((0.25 + 0.09 + 0.04) + (0.01 + 0.81 + 0.64)) / 2)
    assert log_loss(stated, happened) == pytest.approx(-(math.log(0.5) + math.log(0.1)) / 2)
    assert calibration_error(np.full((90, 3), 1 / 3), np.repeat([0, 1, 2], 30).astype(np.int8), groups=1) < 1e-12
    assert calibration_error(np.tile([1.0, 0.0, 0.0], (90, 1)), np.repeat([0, 1, 2], 30).astype(np.int8), groups=1) == (
        pytest.approx((2 / 3 + 1 / 3 + 1 / 3) / 3)
    )


def test_volatility_baseline_says_what_volatility_said_before() -> None:
    classes = np.array([[0, 1], [0, 1], [0, 1], [2, 2]], dtype=np.int8)
    tenths = np.array([[9, 0]] * 4, dtype=np.int8)
    answer = np.full((4, 2, 3), np.nan)
    volatility_baseline(tenths, classes, learn=range(0, 3), into=range(3, 4), answer=answer)
    assert answer[3].tolist() == [[4 / 6, 1 / 6, 1 / 6], [1 / 6, 4 / 6, 1 / 6]]
    assert np.isnan(answer[:3]).all()


def test_payoff_is_the_best_third_less_everybody_and_counts_turnover() -> None:
    score = np.array([[5, 4, 3, 2, 1, 0], [9, 9, 9, 9, 9, 9], [0, 1, 2, 3, 4, 5]])
    excess = np.array([[0.6, 0.0, 0.0, 0.0, 0.0, 0.0], [9.0] * 6, [0.0, 0.0, 0.0, 0.0, 0.3, 0.3]])
    payoffs, turnovers = payoff_of_best_third(score, excess, np.ones((3, 6), dtype=bool), every=2)
    assert payoffs.tolist() == pytest.approx([0.3 - 0.1, 0.3 - 0.1])
    assert turnovers.tolist() == [1.0, 1.0]


# --- engines --------------------------------------------------------------------------------------------------------


def rows_and_classes(count: int = 900, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rows = np.round(dice().normal(size=(count, features)), 6)
    pull = rows[:, 0] + 0.5 * rows[:, 1] * rows[:, 2] + dice(8).normal(0.0, 0.7, count)
    rows[dice(9).uniform(size=rows.shape) < 0.08] = np.nan
    return rows, np.digitize(pull, [-0.5, 0.5]).astype(np.int8)


def test_trees_in_portable_form_answer_as_the_library_does() -> None:
    """M2: margins to 1e-12 and probabilities identical after rounding, with unknown values, on rows never seen."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    from offchain.signals.learning import trees_of

    rows, classes = rows_and_classes()
    machine = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=8, max_bins=32, early_stopping=False).fit(
        rows, classes
    )
    trees = read_engine(json.loads(json.dumps(trees_of(machine).as_plain())), features=6)
    unseen, _ = rows_and_classes(500)
    unseen = unseen[:, ::-1] * 1.7
    assert np.abs(trees.margins(unseen) - machine.decision_function(unseen)).max() <= 1e-12
    ours = exp(trees.margins(unseen))
    theirs = machine.predict_proba(unseen)
    assert millionths(ours).tolist() == millionths(theirs).tolist()


def test_trees_answer_row_by_row_what_they_answer_together() -> None:
    rows, classes = rows_and_classes()
    engine = fit(rows, classes, Learner(rounds=8))
    together = engine.margins(np.concatenate([rows, rows]))
    single = np.concatenate([engine.margins(row[None]) for row in rows[:60]])
    assert together[:60].tobytes() == single.tobytes()
    assert together[len(rows) : len(rows) + 60].tobytes() == single.tobytes()


@pytest.mark.parametrize("kind", ["trees", "network"])
def test_margins_without_a_column_are_those_of_rows_that_do_not_know_it(kind: str) -> None:
    """M8: what each input adds is found without asking every tree again, to the same bits."""
    rows, classes = rows_and_classes()
    engine = fit(rows, classes, Learner(kind=kind, rounds=8, epochs=3))
    without = engine.margins_without(rows)
    for place in range(rows.shape[1]):
        blind = rows.copy()
        blind[:, place] = np.nan
        assert without[place].tobytes() == engine.margins(blind).tobytes()
    assert without[0].tobytes() != engine.margins(rows).tobytes()


def test_network_in_portable_form_answers_as_the_library_does() -> None:
    """M2: a small neural network, its numbers kept at 12 digits, added up in a fixed order."""
    rows, classes = rows_and_classes()
    engine = fit(rows, classes, Learner(kind="network", neurons=6, epochs=12))
    assert isinstance(engine, Network)
    values = np.nan_to_num(rows, nan=0.0)
    (first, bias), (second, shift) = engine.layers
    expected = np.maximum(values @ first + bias, 0.0) @ second + shift
    assert np.abs(engine.margins(rows) - expected).max() < 1e-12
    again = read_engine(json.loads(json.dumps(engine.as_plain())), features=6)
    assert again.margins(rows).tobytes() == engine.margins(rows).tobytes()
    said = np.argmax(engine.margins(rows), axis=1)
    assert (said == classes).mean() > 0.5


def test_learner_of_an_unknown_kind_and_rows_without_a_label_are_refused() -> None:
    with pytest.raises(ModelError, match="use one of trees, lightgbm, network"):
        Learner(kind="forest")
    with pytest.raises(ModelError, match="hold only the labels"):
        fit(np.zeros((10, 2)), np.zeros(10, dtype=np.int8), Learner())


def test_lightgbm_that_cannot_be_loaded_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    rows, classes = rows_and_classes(100)
    with pytest.raises(ModelError, match="uv pip install lightgbm"):
        fit(rows, classes, Learner(kind="lightgbm"))


def test_trees_of_a_lightgbm_dump_go_where_the_dump_says() -> None:
    """The shape that LightGBM's dump_model documents: thresholds go left when x <= t, unknown values as default_left says."""
    from offchain.signals.learning import _trees_of_lightgbm

    def stump(leaf: float) -> dict[str, object]:
        inner = {
            "split_feature": 1, "threshold": -1.0, "default_left": False, "missing_type": "None",
            "left_child": {"leaf_value": leaf}, "right_child": {"leaf_value": leaf + 1},
        }  # fmt: skip
        return {
            "split_feature": 0, "threshold": 0.5, "default_left": False, "missing_type": "NaN",
            "left_child": inner, "right_child": {"leaf_value": leaf + 2},
        }  # fmt: skip

    trees = _trees_of_lightgbm(
        {"tree_info": [{"tree_structure": stump(leaf)} for leaf in (0.0, 10.0, 20.0, 5.0, 5.0, 5.0)]}
    )
    rows = np.array([[0.5, -1.0], [0.5, 0.0], [0.6, 0.0], [np.nan, 0.0], [0.0, np.nan]])
    assert trees.margins(rows)[:, 0].tolist() == [0 + 5, 1 + 6, 2 + 7, 2 + 7, 1 + 6]
    assert trees.margins(rows)[:, 2].tolist() == [20 + 5, 21 + 6, 22 + 7, 22 + 7, 21 + 6]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"feature": [9, 0, 0]}, "feature outside 0 to 1"),
        ({"left": [0, 1, 2]}, "do not end within"),
        ({"left": [7, 1, 2]}, "left outside 0 to 2"),
        ({"value": [0.0, "nan", 1.0]}, "no number"),
        ({"value": [0.0, 1.0]}, "columns of"),
        ({"kind": "forest"}, "known are trees and network"),
    ],
)
def test_damaged_trees_do_not_answer(change: dict[str, object], part: str) -> None:
    """M5: a file that was changed is refused before it can be asked."""
    sound = {
        "kind": "trees", "baseline": [0, 0, 0], "depth": 1, "roots": [[0, 0, 0]], "feature": [1, 0, 0], "threshold": [0.5, 0, 0],
        "unknown_left": [True, False, False], "left": [1, 1, 2], "right": [2, 1, 2], "value": [0.0, -1.0, 1.0],
    }  # fmt: skip
    trees = read_engine(sound, features=2)
    assert isinstance(trees, Trees)
    assert trees.margins(np.array([[0.0, 0.5], [0.0, 0.6], [0.0, np.nan]]))[:, 0].tolist() == [-1.0, 1.0, -1.0]
    with pytest.raises(ModelError, match=part):
        read_engine({**sound, **change}, features=2)


# --- walk forward ---------------------------------------------------------------------------------------------------


def test_walk_forward_is_blind_to_the_future(skilled: History) -> None:
    """M2, M6: with every price after a day changed, no probability up to that day changes a bit; nor does a model trained
    until then, though the one trained on all of it does."""
    day = 300
    price = skilled.panel("price").copy()
    price[day + 1 :] *= dice().uniform(0.2, 5.0, price[day + 1 :].shape)
    poisoned = history_of(price)
    ours, theirs = (walk_forward(history, FEATURES, QUICK) for history in (skilled, poisoned))
    assert (ours.millionths[: day + 1] != UNKNOWN).any()
    assert ours.millionths[: day + 1].tobytes() == theirs.millionths[: day + 1].tobytes()
    assert ours.result_hash != theirs.result_hash
    rules = replace(QUICK, first_test_days=200)
    early = [train(cut(history, day + 1), FEATURES, rules) for history in (skilled, poisoned)]
    assert early[0].model_hash == early[1].model_hash
    assert train(skilled, FEATURES, rules).model_hash != early[0].model_hash


def test_walk_forward_finds_skill_that_was_planted_and_says_that_it_pays(skilled: History) -> None:
    """M2, D13: coins with moods of sixty days; after costs, and better than volatility alone."""
    found = walk_forward(skilled, FEATURES, QUICK).evaluation
    assert found.auc_low > 0.52
    assert found.auc > 0.55
    assert found.brier < found.baseline_brier
    assert found.log_loss < found.baseline_log_loss
    assert found.net > 0.0
    assert found.calibration_error < 0.05
    assert found.pays
    assert str(found).startswith("It pays: directional AUC 0.")


def test_walk_forward_finds_nothing_in_nothing_and_says_so(skilled: History) -> None:
    """M2, D13: the same market with its days drawn anew: AUC 0.5 within its band, the pay-off is chance, the costs are not."""
    found = [walk_forward(shuffled(skilled, seed=seed), FEATURES, QUICK).evaluation for seed in range(4)]
    assert sum(one.auc for one in found) / 4 == pytest.approx(0.5, abs=0.02)
    assert sum(one.auc_low <= 0.5 <= one.auc_high for one in found) >= 3
    assert sum(one.net_low <= -one.cost <= one.net_high for one in found) >= 3
    for one in found:
        assert one.brier > one.baseline_brier - 0.005
        assert one.cost == pytest.approx(one.turnover * QUICK.cost, abs=1e-6)
        assert not one.pays
        assert str(one).startswith("It does not pay: ")


def test_shuffled_market_keeps_each_coins_volatility_and_loses_its_memory(skilled: History) -> None:
    empty = shuffled(skilled)
    before, after = (np.diff(np.log(history.panel("price")), axis=0) for history in (skilled, empty))
    assert after.std(axis=0) == pytest.approx(before.std(axis=0), rel=0.25)
    ratio = empty.panel("market_cap") / empty.panel("price")
    assert ratio == pytest.approx(skilled.panel("market_cap") / skilled.panel("price"))

    def memory(moves: np.ndarray) -> float:
        own = moves - moves.mean(axis=1, keepdims=True)
        past = np.array([own[day - 20 : day].sum(axis=0) for day in range(20, len(own) - 20)])
        coming = np.array([own[day : day + 20].sum(axis=0) for day in range(20, len(own) - 20)])
        return float(np.corrcoef(past.ravel(), coming.ravel())[0, 1])

    assert memory(before) > 0.15
    assert memory(after) < 0.08


def test_evaluation_counts_only_what_was_said_and_came_true() -> None:
    said = np.full((40, 6, 3), UNKNOWN, dtype=np.int64)
    said[10:30] = [[500_000, 300_000, 200_000]] * 3 + [[200_000, 300_000, 500_000]] * 3
    classes = np.tile(np.array([0, 0, 1, 1, 2, 2], dtype=np.int8), (40, 1))
    classes[25:] = UNKNOWN
    excess = np.tile([-0.1, -0.1, 0.0, 0.0, 0.1, 0.1], (40, 1))
    found = evaluate(said, np.full((40, 6, 3), 1 / 3), classes, excess, horizon_days=5)
    assert (found.rows, found.directional_rows, found.auc, found.periods) == (90, 60, 1.0, 3)


def test_prepare_counts_candidates_of_the_day_only(skilled: History) -> None:
    """M2: who was no candidate on a day is neither compared, nor learned from, nor judged."""
    members = np.ones(skilled.panel("price").shape, dtype=bool)
    members[:, 12:] = False
    panel = prepare(skilled, FEATURES, QUICK, members=members)
    half = prepare(skilled.part(ids=skilled.ids[:12]), FEATURES, QUICK)
    assert not panel.usable[:, 12:].any()
    assert panel.rows[:, :12].tobytes() == half.rows.tobytes()
    assert panel.classes[:, :12].tobytes() == half.classes.tobytes()
    assert (panel.classes[:, 12:] == UNKNOWN).all()


def test_training_rules_out_of_bounds_name_the_bound() -> None:
    with pytest.raises(ModelError, match="embargo_days = 0 must be from 1 to 365"):
        TrainingRules(embargo_days=0)
    with pytest.raises(ModelError, match='calibration "platt" is not known'):
        TrainingRules(calibration="platt")
    with pytest.raises(ModelError, match="no feature to learn from"):
        walk_forward(history_of(random_walk(days=50)), ())
