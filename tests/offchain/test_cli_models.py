"""From a market to an index that a trained model manages, by commands alone.

train
├── folds, skill with its band, the baseline, the pay-off, a market without memory, what each feature adds
├── a model that does not pay → written, said, 3
├── the past is all that is read: what comes after the cutoff changes no bit of the model
└── mistakes → 1 with the way out
models      hash against card, features against ours; one that was changed → 3
[signals] mode = "model"
├── after the cutoff it decides, and the decision is verified from its files
├── on the cutoff and before it refuses
└── another model, a changed one → refused
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from offchain.cli.app import app
from offchain.errors import ModelError
from offchain.features import compute_panels, standardise
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.research.training_study import audit_models, candidate_days, features_for, learn
from offchain.signals import Learner, Model, TrainingRules, load_model
from offchain.signals.training import on_grid
from offchain.spec import find_spec
from offchain.units import WAD

MARKET = ("--market", "synthetic")
CUTOFF, AFTER = "2025-06-30", "2025-07-07"
FEATURES = ("trend_slope_90d", "sma_slope_50", "sma_cross_20_50", "momentum_change_30d", "sma_distance_20")
QUICK = ("--features", ",".join(FEATURES), "--rounds", "6", "--first-test", "300", "--test-days", "60")
RULES = TrainingRules(learner=Learner(rounds=6), first_test_days=300, test_days=60)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


def document(*arguments: str, code: int = 0) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a quant would have it: mine.toml, and models/ with a trained one, named in [signals]."""
    folder = tmp_path_factory.mktemp("desk")
    file = folder / "mine.toml"
    assert run("new", "MINE", "--like", "SMART10", "--out", str(file)).exit_code == 0
    told = document("train", str(file), "--until", CUTOFF, "--name", "first", "--null", "1", *QUICK, *MARKET)
    (folder / "told.json").write_text(json.dumps(told))
    lines = told["signals"]
    assert isinstance(lines, list)
    name_model(file, lines)
    return folder


def name_model(file: Path, lines: list[str]) -> None:
    """[signals] of SMART10 with the lines that training printed in the place of the written rules."""
    text = file.read_text()
    kept = [line for line in text.splitlines() if not line.startswith(("mode =", "use ="))]
    at = kept.index("[signals]") + 1
    file.write_text("\n".join([*kept[:at], *lines, *kept[at:]]) + "\n")


# --- train ------------------------------------------------------------------------------------------------------------


def test_train_tells_skill_baseline_costs_null_and_importance(desk: Path) -> None:
    """M2, D13: every number that says whether to believe a model, and the model under its hash."""
    told = json.loads((desk / "told.json").read_text())
    assert told["features"] == [name for name in told["features"] if name in FEATURES]
    assert told["train_cutoff"] == CUTOFF
    found = told["evaluation"]
    assert found["auc_low"] > 0.5 and found["brier"] < found["baseline_brier"]
    assert found["net"] == pytest.approx(found["payoff"] - found["cost"], abs=2e-6)
    assert told["pays"] is True
    assert set(told["importance"]) == set(FEATURES)
    (null,) = told["nulls"]
    assert null["auc_low"] < 0.5 < null["auc_high"]
    folds = told["folds"]
    # 547 days to the cutoff, tests of 60 from day 300 on
    assert [row["number"] for row in folds] == [1, 2, 3, 4, 5]
    assert all(date.fromisoformat(row["learned_to"]) < date.fromisoformat(row["tested_from"]) for row in folds)
    assert sum(row["rows"] for row in folds) == found["rows"]
    # outcomes need 8 days, and the last fold has 7
    assert folds[-1]["rows"] == 0 and folds[-1]["auc"] is None
    assert load_model(desk / "models" / "first.json").model_hash == told["model_hash"]
    assert told["model_hash"] in (desk / "models" / "first.md").read_text()


def test_train_that_does_not_pay_writes_the_model_and_says_so_with_3(tmp_path: Path) -> None:
    """M2: at a fifth of what is traded, nothing pays."""
    result = run("train", "SMART10", "--until", CUTOFF, "--cost-bps", "2000", "--out", str(tmp_path), *QUICK, *MARKET)
    assert result.exit_code == 3
    assert "It does not pay" in result.stdout
    assert "require_payoff" in result.stderr
    assert "0.5 is a coin flip" in result.stdout and "by volatility alone" in result.stdout
    model = load_model(tmp_path / f"smart10-{CUTOFF}.json")
    assert not model.pays
    assert "do not let it trade" in (tmp_path / f"smart10-{CUTOFF}.md").read_text()


def test_train_knows_nothing_after_its_cutoff(desk: Path, synthetic: Market) -> None:
    """M6: with every price after the cutoff drawn anew, the model has the same hash; one day earlier it has another one."""
    told = json.loads((desk / "told.json").read_text())
    dice = np.random.Generator(np.random.PCG64(5))
    later = synthetic.dates > CUTOFF
    price, volume = synthetic.price.copy(), synthetic.volume.copy()
    price.loc[later] *= dice.uniform(0.3, 3.0, price.loc[later].shape)
    volume.loc[later] *= dice.uniform(0.0, 9.0, volume.loc[later].shape)
    poisoned = replace(synthetic, price=price, volume=volume)
    spec = find_spec("SMART10")
    again = learn(spec, poisoned, until=CUTOFF, features=FEATURES, rules=RULES)
    assert again.model.model_hash == told["model_hash"]
    assert (
        learn(spec, synthetic, until="2025-06-29", features=FEATURES, rules=RULES).model.model_hash
        != told["model_hash"]
    )


def test_candidates_of_a_day_are_those_of_the_last_look(synthetic: Market) -> None:
    """M2: a coin counts from the look on at which [universe] lets it in, whatever becomes of it."""
    spec = find_spec("SMART10")
    days = [day.date() for day in synthetic.dates[:60]]
    ids, mask = candidate_days(spec, synthetic, days)
    assert (mask[0:7] == mask[0]).all() and (mask[56:60] == mask[56]).all()
    assert "tether" not in ids and "bitcoin" in ids
    fewer, early = candidate_days(spec, synthetic, days[:30])
    assert (mask[:30, [ids.index(name) for name in fewer]] == early).all()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("SMART10", "--features", "momentum_900d"), "momentum_900d"),
        (("SMART10", "--features", "nvt_ratio,onchain"), "nvt_ratio"),
        (("SMART10", "--features", "onchain"), "fills no feature"),
        (("SMART10", "--until", "2024-06-30"), "the first test begins after 365"),
        (("SMART10", "--first-test", "140", "--calibration", "130"), "give a longer history or shorter windows"),
        (("SMART10", "--kind", "forest"), "use one of trees, lightgbm, network"),
        (("CORE",), "train for one of the indexes it is made of"),
    ],
)
def test_train_that_cannot_be_done_says_what_is_in_the_way(
    tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    result = run("train", *arguments, "--out", str(tmp_path), *MARKET)
    assert result.exit_code == 1
    assert word in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_features_are_those_the_market_can_fill_in_the_order_of_the_catalogue(synthetic: Market) -> None:
    found = features_for(synthetic, ["momentum", "sma_distance_50"], days=60)
    assert "sma_distance_50" in found and "momentum_30d" in found
    assert "momentum_90d" not in found
    assert features_for(synthetic, ["sma_distance_50", "momentum"], days=60) == found


# --- models -----------------------------------------------------------------------------------------------------------


def test_models_are_listed_and_a_changed_one_is_named(desk: Path, tmp_path: Path) -> None:
    """M5: a model is what its card says, or it is not to be used."""
    for file in (desk / "models").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert "ok" in run("models", str(tmp_path)).stdout
    (only,) = json.loads(run("models", str(tmp_path), "--json").stdout)
    assert only["ok"] and only["pays"] and only["train_cutoff"] == CUTOFF
    other = json.loads((tmp_path / "first.json").read_text())
    other["rows"] = int(other["rows"]) + 1
    (tmp_path / "first.json").write_text(json.dumps(other))
    (tmp_path / "second.json").write_text("{}")
    changed = run("models", str(tmp_path))
    assert changed.exit_code == 3
    assert "it is another model, or was changed" in changed.stdout and "not a model" in changed.stdout
    assert "not to be used: first, second" in changed.stderr
    (tmp_path / "first.md").unlink()
    assert "card first.md is missing" in audit_models(tmp_path)[0].problem


def test_models_of_an_empty_folder_says_how_to_train(tmp_path: Path) -> None:
    result = run("models", str(tmp_path))
    assert result.exit_code == 1
    assert "ballast train" in result.stderr


# --- an index managed by a model --------------------------------------------------------------------------------------


def test_index_managed_by_a_model_decides_after_the_cutoff_and_is_verified(desk: Path) -> None:
    """M2, M5, M6: train, name it in the file, decide, publish, recompute: by commands alone."""
    told = json.loads((desk / "told.json").read_text())
    mine, out = str(desk / "mine.toml"), desk / "decisions"
    decided = document("decide", mine, AFTER, "--out", str(out), *MARKET)
    assert decided["model_hash"] == told["model_hash"]
    weights = decided["target_weights"]
    assert isinstance(weights, dict) and sum(int(weight) for weight in weights.values()) == WAD
    labels = decided["labels"]
    assert isinstance(labels, dict)
    assert {"bullish", "bearish"} <= set(labels.values())
    # bearish coins are excluded by [signals]
    assert all(labels.get(coin) != "bearish" for coin in weights)
    file = str(out / f"MINE-{AFTER}.decision.json")
    assert document("verify", file, "--index", mine)["decision_hash"] == decided["decision_hash"]
    unnamed = run("verify", file)
    assert unnamed.exit_code == 1
    assert "--index" in unnamed.stderr
    assert f"model hash: {told['model_hash']}" in run("explain", mine, AFTER, *MARKET).stdout


def test_index_managed_by_a_model_listens_to_it(desk: Path, synthetic: Market) -> None:
    """M2: every label is what its probabilities say against the two thresholds of the file."""
    rules = Methodology.open(desk / "mine.toml")
    inputs = rules.inputs(synthetic, AFTER)
    assert inputs.history is not None and isinstance(rules.model, Model)
    newest = compute_panels(inputs.history, rules.model.features, rows=1)
    rows = np.stack([standardise(newest[name], axis=1)[0] for name in rules.model.features], axis=1)
    said = rules.model.probabilities(on_grid(rows, rules.model.clip))
    expected = {}
    for name, row, bearish, bullish in zip(inputs.history.ids, rows, said[:, 0], said[:, 2], strict=True):
        score = (int(bullish) - int(bearish)) / 1_000_000
        # SMART10: bullish above 0.15, bearish below -0.25, neutral when less than half of the inputs is known
        label = "bullish" if score > 0.15 else "bearish" if score < -0.25 else "neutral"
        expected[name] = label if np.isfinite(row).mean() >= 0.5 else "neutral"
    assert rules.decide_on(inputs).labels == expected
    assert len(set(expected.values())) == 3


@pytest.mark.parametrize("day", [CUTOFF, "2025-03-03"])
def test_index_managed_by_a_model_refuses_what_the_model_would_know_already(desk: Path, day: str) -> None:
    """M6: on its last day and before it, the model has seen the future of the decision."""
    result = run("decide", str(desk / "mine.toml"), day, *MARKET)
    assert result.exit_code == 1
    assert f"has seen data until {CUTOFF}" in result.stderr
    assert "would know the future" in result.stderr


def test_index_managed_by_a_model_takes_no_other_one(desk: Path, tmp_path: Path) -> None:
    """M5: the hash in [signals] is the model, not the name of its file."""
    (tmp_path / "models").mkdir()
    (tmp_path / "mine.toml").write_text((desk / "mine.toml").read_text())
    model = json.loads((desk / "models" / "first.json").read_text())
    model["metrics"]["auc"] = "0.99"
    (tmp_path / "models" / "first.json").write_text(json.dumps(model))
    result = run("decide", str(tmp_path / "mine.toml"), AFTER, *MARKET)
    assert result.exit_code == 1
    assert "it is another model, or was changed" in result.stderr
    with pytest.raises(ModelError, match="expected 0x"):
        Methodology.open(tmp_path / "mine.toml")
