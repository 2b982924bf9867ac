"""A trained model as a file, and as the voice of [signals].

file         there and back · one hash, in any process, with any threads · without scikit-learn · tampering
library      save, list, card, never overwritten · by file or by hash
assess       labels by a model · parts · when it may not be asked · when it is not believed
real         one model on the records of 2021
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from signal_histories import cut, history_of, random_walk, renamed
from threadpoolctl import threadpool_limits

from offchain.errors import DecisionMismatch, ModelError
from offchain.market import Market
from offchain.market.history import History
from offchain.methodology import Methodology
from offchain.signals import Model, Versions, assess, list_models, load_model, model_for, needs, save_model
from offchain.signals.learning import Learner
from offchain.signals.training import TrainingRules, prepare, train, train_versions, walk_forward
from offchain.spec import IndexSpec
from offchain.spec.signal_rules import SignalRules

ROOT = Path(__file__).resolve().parents[2]
FEATURES = ("momentum_30d", "momentum_14d", "rsi_14", "volatility_30d", "drawdown_30d")
QUICK = TrainingRules(
    learner=Learner(rounds=12, leaves=4, bins=16, least_rows=40),
    window_days=0,
    first_test_days=200,
    calibration_days=50,
    test_days=60,
    stride_days=2,
)
RULES = SignalRules(mode="model", model="m.json", bullish_above=0.05, bearish_below=-0.05)
DAYS = 400


@pytest.fixture(scope="module")
def whole() -> History:
    return history_of(random_walk(days=DAYS + 30, coins=24, skill=0.25))


@pytest.fixture(scope="module")
def past(whole: History) -> History:
    return cut(whole, DAYS)


@pytest.fixture(scope="module")
def later(whole: History) -> History:
    return cut(whole, DAYS + 5)


@pytest.fixture(scope="module")
def model(past: History) -> Model:
    return train(past, FEATURES, QUICK, tested=walk_forward(past, FEATURES, QUICK), trials=3)


# --- file -----------------------------------------------------------------------------------------------------------


def test_model_there_and_back_is_the_same_and_says_the_same(model: Model, past: History) -> None:
    """M5: one JSON, one hash; a model read from it gives the same bits."""
    again = Model.from_json(model.to_json(), expected_hash=model.model_hash)
    rows = prepare(past, FEATURES, QUICK).rows[-1]
    assert again.to_json() == model.to_json()
    assert again.model_hash == model.model_hash
    assert again.engine.margins(rows).tobytes() == model.engine.margins(rows).tobytes()
    assert again.probabilities(rows).tolist() == model.probabilities(rows).tolist()
    assert again.train_cutoff == past.dates[-1]
    assert again.pays


def test_model_hash_is_the_same_with_one_thread_and_two(model: Model, past: History) -> None:
    """M5, M6: training uses one thread whatever it is offered."""
    tested = walk_forward(past, FEATURES, QUICK)
    for threads in (1, 2):
        with threadpool_limits(threads):
            assert train(past, FEATURES, QUICK, tested=tested, trials=3).model_hash == model.model_hash


def test_model_hash_is_the_same_after_a_restart_and_with_workers(past: History, tmp_path: Path) -> None:
    """M5, M6: another process, two OpenMP and two BLAS threads, folds in two processes: the same probabilities and hash."""
    (tmp_path / "history.json").write_text(past.to_json())
    program = f"""
import sys; sys.path.insert(0, {str(ROOT / "tests/offchain")!r})
from pathlib import Path
from offchain.market.history import History
from test_signals_model import FEATURES, QUICK
from offchain.signals import train, walk_forward
past = History.from_json(Path({str(tmp_path / "history.json")!r}).read_text())
tested = walk_forward(past, FEATURES, QUICK, workers=2)
print(tested.result_hash, train(past, FEATURES, QUICK, tested=tested, trials=3).model_hash)
"""
    settings = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "77"}
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2_000:]
    tested = walk_forward(past, FEATURES, QUICK)
    assert answer.stdout.split() == [
        tested.result_hash,
        train(past, FEATURES, QUICK, tested=tested, trials=3).model_hash,
    ]


def test_model_is_asked_without_scikit_learn(model: Model, later: History, tmp_path: Path) -> None:
    """M5: a verifier needs the file and numpy; scikit-learn is not even imported."""
    path = save_model(model, tmp_path, "m")
    (tmp_path / "history.json").write_text(later.to_json())
    program = f"""
import sys
for name in ("sklearn", "lightgbm", "threadpoolctl", "joblib"):
    sys.modules[name] = None
from pathlib import Path
from offchain.market.history import History
from offchain.signals import assess, load_model
from offchain.spec import IndexSpec
from offchain.spec.signal_rules import SignalRules
from offchain.canonical import keccak_hex
later = History.from_json(Path({str(tmp_path / "history.json")!r}).read_text())
rules = SignalRules(mode="model", model="m.json", bullish_above=0.05, bearish_below=-0.05)
print(keccak_hex(assess(later, rules, model=load_model({str(path)!r}))))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert answer.returncode == 0, answer.stderr[-2_000:]
    from offchain.canonical import keccak_hex

    assert answer.stdout.strip() == keccak_hex(assess(later, RULES, model=model))


@pytest.mark.parametrize("change", ["threshold", "metrics", "train_cutoff"])
def test_model_that_was_changed_is_not_the_one_expected(model: Model, change: str) -> None:
    """M5: a tree, a measure or a date: any change is another hash."""
    data = json.loads(model.to_json())
    if change == "threshold":
        data["engine"]["value"][2] = "0.5"
    elif change == "metrics":
        data["metrics"]["pays"] = "0.0" if model.pays else "1.0"
    else:
        data["train_cutoff"] = "2020-01-01"
    with pytest.raises(ModelError, match="another model, or was changed"):
        Model.from_json(json.dumps(data), expected_hash=model.model_hash)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "ballast-model/9"}', '{"format": "ballast-model/1"}'])
def test_anything_else_is_no_model(text: str) -> None:
    with pytest.raises(ModelError, match="not a model"):
        Model.from_json(text)


# --- library --------------------------------------------------------------------------------------------------------


def test_library_lists_what_it_saved_and_finds_it_by_file_or_by_hash(model: Model, tmp_path: Path) -> None:
    """M5: a registry of models by hash."""
    path = save_model(model, tmp_path, "lc10-2021")
    assert [(entry.name, entry.model_hash, entry.pays) for entry in list_models(tmp_path)] == [
        ("lc10-2021", model.model_hash, True)
    ]
    by_file = SignalRules(mode="model", model="lc10-2021.json", model_hash=model.model_hash)
    by_hash = SignalRules(mode="model", model_hash=model.model_hash)
    for rules in (by_file, by_hash):
        found = model_for(rules, tmp_path)
        assert found is not None
        assert found.model_hash == model.model_hash
    assert model_for(SignalRules(), tmp_path) is None
    with pytest.raises(ModelError, match="has the hash 0x00"):
        model_for(replace(by_hash, model_hash="0x" + "00" * 32), tmp_path)
    with pytest.raises(ModelError, match='Did you mean "lc10-2021.json"'):
        load_model(tmp_path / "lc10-2020.json")
    path.write_text(model.to_json()[:-40])
    with pytest.raises(ModelError, match="lc10-2021.json: not a model"):
        list_models(tmp_path)


def test_library_never_overwrites_one_model_with_another(model: Model, tmp_path: Path) -> None:
    """M5: a decision may cite what is there."""
    save_model(model, tmp_path, "m")
    save_model(model, tmp_path, "m")
    with pytest.raises(ModelError, match="another model has this name"):
        save_model(replace(model, trials=4), tmp_path, "m")
    with pytest.raises(ModelError, match="is no name for a model"):
        save_model(model, tmp_path, "../m")


def test_card_says_what_the_model_is_and_whether_to_use_it(model: Model, tmp_path: Path) -> None:
    """M8, P14: window, features by importance, measures, trials, verdict, and that the past is no promise."""
    text = save_model(model, tmp_path, "m").with_suffix(".md").read_text()
    assert "It paid after costs" in text
    assert model.model_hash in text
    assert f"to {model.train_cutoff}" in text
    assert "chosen among 3 kinds" in text
    assert "Past performance" in text
    best = max(model.importance, key=lambda name: (model.importance[name], name))
    assert text.index(f"| {best} |") < min(text.index(f"| {name} |") for name in FEATURES if name != best)
    never = save_model(replace(model, metrics={}), tmp_path, "n").with_suffix(".md").read_text()
    assert "never tested: do not let it trade" in never


def test_importance_finds_the_feature_that_matters(past: History) -> None:
    """M8: with one feature that foretells and one made of dice, shuffling the first costs and the second does not."""
    features = ("momentum_30d", "skew_90d")
    found = train(past, features, QUICK).importance
    assert found["momentum_30d"] > 0.02
    assert found["momentum_30d"] > 3 * abs(found["skew_90d"])


# --- assess ---------------------------------------------------------------------------------------------------------


def test_assess_by_a_model_gives_calibrated_probabilities_and_what_each_feature_adds(
    model: Model, later: History
) -> None:
    """M1, M2, M8: the model's own probabilities, labels by thresholds, and the score that would be lost without each input."""
    signals = assess(later, RULES, model=model)
    rows = prepare(later, FEATURES, QUICK).rows[-1]
    said = model.probabilities(rows)
    assert signals.model_hash == model.model_hash
    assert len({signal.label for signal in signals.signals.values()}) > 1
    for place, coin in enumerate(later.ids):
        signal = signals.signals[coin]
        assert [signal.p_bearish, signal.p_neutral, signal.p_bullish] == [value / 1e6 for value in said[place].tolist()]
        assert signal.score == pytest.approx(signal.p_bullish - signal.p_bearish, abs=1e-12)
        assert signal.label == ("bullish" if signal.score > 0.05 else "bearish" if signal.score < -0.05 else "neutral")
        blind = rows[place : place + 1].copy()
        blind[0, 0] = np.nan
        without = model.probabilities(blind)[0]
        assert signal.parts[FEATURES[0]] == pytest.approx(signal.score - (without[2] - without[0]) / 1e6, abs=1e-12)


def test_assess_by_a_model_reads_the_past_only_and_no_order(model: Model, whole: History) -> None:
    """M6, S5: longer histories, other columns, and a poisoned future change no bit."""
    now = cut(whole, DAYS + 10)
    once = assess(now, RULES, model=model)
    assert assess(now.tail(needs(RULES, model=model).days), RULES, model=model) == once
    mixed, names = renamed(now, np.random.Generator(np.random.PCG64(2)).permutation(len(now.ids)))
    theirs = assess(mixed, RULES, model=model)
    for new, old in names.items():
        assert replace(theirs.signals[new], id=old) == once.signals[old]
    price = whole.panel("price").copy()
    price[DAYS + 10 :] *= 1_000.0
    assert assess(cut(history_of(price), DAYS + 10), RULES, model=model) == once


def test_versions_ask_the_newest_model_that_could_exist_and_nobody_before_the_first(
    whole: History, tmp_path: Path
) -> None:
    """M5: a model that is trained again and again; a backtest hears each only after its end, and its hash is cited."""
    rules = replace(QUICK, first_test_days=180, test_days=60)
    versions = train_versions(whole, FEATURES, rules, every_days=60)
    ends = [model.train_cutoff for model in versions.models]
    assert ends == [whole.dates[days - 1] for days in (300, 360, 420)]
    assert (
        versions.models[1].model_hash
        == train(cut(whole, 360), FEATURES, rules, tested=walk_forward(cut(whole, 360), FEATURES, rules)).model_hash
    )
    listen = replace(RULES, model="models/", require_payoff=False)
    for model in versions.models[::-1]:
        save_model(model, tmp_path / "models", f"ai-{model.train_cutoff}")
    found = model_for(listen, tmp_path)
    assert isinstance(found, Versions)
    for days, place in ((301, 0), (360, 0), (361, 1), (421, 2)):
        asked = assess(cut(whole, days), listen, model=found)
        assert asked.model_hash == versions.models[place].model_hash
    early = assess(cut(whole, 300), listen, model=found)
    assert early.model_hash == ""
    assert all(signal.is_fallback for signal in early.signals.values())
    assert f"no version of the model may be asked yet; the first ends {ends[0]}" in early.findings[0]
    with pytest.raises(ModelError, match="must end on different days, oldest first"):
        Versions(models=versions.models[::-1])


@pytest.mark.parametrize("days", [0, -1, -200])
def test_model_is_not_asked_about_days_it_has_seen(model: Model, whole: History, days: int) -> None:
    """M2: the cutoff of training is before the time of the decision, or the decision is refused."""
    with pytest.raises(ModelError, match="it would know the future"):
        assess(cut(whole, DAYS + days), RULES, model=model)
    assert assess(cut(whole, DAYS + 1), RULES, model=model).model_hash == model.model_hash


def test_model_of_other_features_or_another_hash_is_refused(model: Model, later: History) -> None:
    with pytest.raises(ModelError, match="computed in another way now; train it again"):
        assess(later, RULES, model=replace(model, catalogue_hash="0x" + "00" * 32))
    with pytest.raises(ModelError, match="give the one that was meant"):
        assess(later, replace(RULES, model_hash="0x" + "00" * 32), model=model)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"metrics": {}}, "the walk-forward test of the model was never made"),
        ({"metrics": {"pays": 0.0}}, "the walk-forward test of the model did not pay after costs"),
        ({"train_cutoff": (history_of(random_walk(days=2)).dates[0] - timedelta(days=1))}, "it retires after 365"),
    ],
)
def test_model_that_is_not_believed_leaves_every_coin_neutral(
    model: Model, later: History, change: dict[str, object], part: str
) -> None:
    """M5: a signal that does not pay, was never tested, or is too old is shown as such and moves nothing."""
    signals = assess(later, RULES, model=replace(model, **change))  # type: ignore[arg-type]
    assert all(signal.is_fallback and signal.label == "neutral" for signal in signals.signals.values())
    assert part in signals.findings[0]
    assert all(part in signal.reason for signal in signals.signals.values())


def test_model_that_does_not_pay_speaks_when_the_operator_wants_it(model: Model, later: History) -> None:
    poor = replace(model, metrics={"pays": 0.0})
    heard = assess(later, replace(RULES, require_payoff=False), model=poor)
    assert heard.signals == assess(later, RULES, model=model).signals


def test_assess_by_a_model_decays_with_age_and_falls_back_to_neutral(model: Model, later: History) -> None:
    """Signal failure: what a day of age takes from bullish and bearish goes to neutral; after three days nothing is left."""
    fresh = assess(later, RULES, model=model).signals
    for late in range(1, 6):
        aged = replace(later, t=later.t + timedelta(days=late))
        for coin, signal in assess(aged, replace(RULES, min_coverage=0.01), model=model).signals.items():
            believed = max(1.0 - late / 4, 0.0)
            assert signal.p_bullish == pytest.approx(fresh[coin].p_bullish * believed, abs=1.1e-6)
            assert signal.p_bearish == pytest.approx(fresh[coin].p_bearish * believed, abs=1.1e-6)
            assert signal.is_fallback == (late > 3)


def test_a_network_speaks_like_a_tree(past: History, later: History) -> None:
    """M2: the same file format, the same hash rules, another kind of model."""
    rules = replace(QUICK, learner=Learner(kind="network", neurons=5, epochs=8, shrinkage=0.01))
    network = train(past, FEATURES, rules)
    assert Model.from_json(network.to_json()).model_hash == network.model_hash
    with threadpool_limits(2):
        assert train(past, FEATURES, rules).model_hash == network.model_hash
    signals = assess(later, replace(RULES, require_payoff=False), model=network)
    assert len({signal.score for signal in signals.signals.values()}) > 12


def test_decision_by_a_model_cites_it_and_is_recomputed_with_it_and_no_other(
    lc10: IndexSpec, synthetic: Market, tmp_path: Path
) -> None:
    """M5, M6: the model is part of what was decided from: the index file names its hash, the decision too."""
    ids = [coin for coin in synthetic.ids if "usd" not in coin and coin not in ("tether", "dai")]
    end = synthetic.dates[540]
    history = synthetic.history(end, days=541, fields=("price", "market_cap"), ids=ids)
    found = train(history, FEATURES, QUICK)
    path = save_model(found, tmp_path, "lc10")
    rules = SignalRules(
        mode="model", model=path.name, model_hash=found.model_hash, require_payoff=False,
        bullish_above=0.02, bearish_below=-0.02, exclude=("bearish",),
    )  # fmt: skip
    methodology = Methodology(replace(lc10, signals=rules), folder=tmp_path)
    decision = methodology.decide(synthetic, end + timedelta(days=10))
    assert decision.model_hash == found.model_hash
    assert all(decision.labels[name] != "bearish" for name in decision.members)
    assert set(decision.members) != set(Methodology(lc10).decide(synthetic, end + timedelta(days=10)).members)
    methodology.verify(decision, synthetic)
    other = train(history, FEATURES, replace(QUICK, learner=Learner(rounds=3, leaves=4, bins=16, least_rows=40)))
    unnamed = replace(lc10, signals=replace(rules, model_hash=""))
    with pytest.raises(DecisionMismatch, match="does not follow from its inputs"):
        Methodology(unnamed, model=other).verify(
            Methodology(unnamed, model=found).decide(synthetic, decision.t), synthetic
        )
    with pytest.raises(ModelError, match="would know the future"):
        methodology.decide(synthetic, end)


# --- real -----------------------------------------------------------------------------------------------------------


def test_model_on_the_records_of_2021_is_trained_in_june_and_asked_in_august(real_market: Market) -> None:
    """M2, M5: a hundred of the largest coins with all their dirt; the verdict is whatever it is, and it is on the card."""
    largest = sorted(real_market.market_cap.loc["2021-01-05"].nlargest(100).index)
    rules = replace(QUICK, first_test_days=110, calibration_days=30, test_days=30)
    features = ("momentum_14d", "momentum_7d", "rsi_14", "volatility_30d", "drawdown_30d", "sma_distance_20")
    june = real_market.history("2021-06-30", days=400, fields=("price", "market_cap"), ids=largest)
    tested = walk_forward(june, features, rules)
    found = train(june, features, rules, tested=tested)
    assert found.rows > 2_000
    assert 0.3 < tested.evaluation.auc < 0.7
    assert found.pays == tested.evaluation.pays
    listen = replace(RULES, require_payoff=False)
    wanted = needs(listen, model=found)
    august = real_market.history("2021-08-02", days=wanted.days, fields=wanted.fields, ids=largest)
    signals = assess(august, listen, model=found)
    assert signals.t == datetime(2021, 8, 2, tzinfo=UTC)
    spoken = [signal for signal in signals.signals.values() if not signal.is_fallback]
    assert len(spoken) > 80
    assert all(signal.p_bearish + signal.p_bullish <= 1.0 for signal in spoken)
