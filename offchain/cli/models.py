"""Commands on trained models: train, models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import IndexName, MarketPath, folder_of, moment, open_index, open_market, records_of
from offchain.cli.output import DIFFERS, Json, counter, emit, say

if TYPE_CHECKING:
    from offchain.pages import Table
    from offchain.research.training_study import Audit, Learned
    from offchain.signals import TrainingRules

DEFAULT_GROUPS = "price,trend,momentum,volatility,drawdown,volume,liquidity"
SHOWN_FEATURES = 15


@app.command()
def train(
    index: IndexName,
    until: Annotated[
        str,
        typer.Option("--until", metavar="DATE", help="The last day it learns from; it may be asked from the next on."),
    ] = "latest",
    features: Annotated[
        str, typer.Option("--features", metavar="NAMES", help="Features and groups of the catalogue, with commas.")
    ] = DEFAULT_GROUPS,
    kind: Annotated[str, typer.Option("--kind", help="trees (gradient boosting), lightgbm, or network.")] = "trees",
    rounds: Annotated[int, typer.Option("--rounds", help="Trees for each label.")] = 60,
    horizon: Annotated[int, typer.Option("--horizon", metavar="DAYS", help="How far ahead it foresees.")] = 7,
    first_test: Annotated[
        int, typer.Option("--first-test", metavar="DAYS", help="Days of data before the first test.")
    ] = 365,
    calibration: Annotated[
        int, typer.Option("--calibration", metavar="DAYS", help="Days before each test held back to calibrate on.")
    ] = 120,
    test_days: Annotated[int, typer.Option("--test-days", metavar="DAYS", help="Days of a fold's test.")] = 30,
    cost_bps: Annotated[
        float, typer.Option("--cost-bps", metavar="BPS", help="Cost of turning all of it over.")
    ] = 30.0,
    null: Annotated[
        int, typer.Option("--null", metavar="N", help="Also N times on the market with its days drawn anew.")
    ] = 0,
    trials: Annotated[
        int, typer.Option("--trials", help="How many kinds of model you have tried, this one included; for the card.")
    ] = 1,
    jobs: Annotated[int, typer.Option("--jobs", help="Processes; the result is the same for any number.")] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Of everything that is drawn.")] = 7,
    name: Annotated[str, typer.Option("--name", help="Of the file. Default: the index and the last day.")] = "",
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Default: models beside your index file, else models here.")
    ] = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Train a model for the coins of an index, test it walk-forward, and write it with its card; 3 when it does not pay.

    Example: ballast train SMART10 --until 2025-06-30 --null 2 --out models    then: ballast models models
    """
    from offchain.research.training_study import learn
    from offchain.signals import Learner, TrainingRules, save_model

    spec = open_index(index)
    market = open_market(market_path)
    t = moment(market, until)
    rules = TrainingRules(
        learner=Learner(kind=kind, rounds=rounds, seed=seed),
        horizon_days=horizon,
        first_test_days=first_test,
        test_days=test_days,
        calibration_days=calibration,
        cost=cost_bps / 10_000,
    )
    wanted = [word.strip() for word in features.split(",") if word.strip()]
    say(f"{spec.symbol}: training on what was known until {t:%Y-%m-%d}")
    with counter("folds") as advance:
        found = learn(
            spec, market, until=t, features=wanted, rules=rules, nulls=null, trials=trials, workers=jobs,
            records=records_of(index), on_step=advance,
        )  # fmt: skip
    base = folder_of(index) if index.endswith(".toml") else Path.cwd()
    path = save_model(
        found.model, Path(out) if out else base / "models", name or f"{spec.symbol.lower()}-{found.model.train_cutoff}"
    )
    say(f"written: {path} and its card {path.with_suffix('.md').name}")
    lines = signals_lines(os.path.relpath(path.resolve(), base.resolve()), found.model.model_hash)
    emit(_document(found, path, lines), lambda: _text(found, rules, lines), as_json=as_json)
    if not found.model.pays:
        say(
            "the model does not pay: an index that names it keeps every coin neutral, unless signals.require_payoff = false"
        )
        raise typer.Exit(DIFFERS)


@app.command()
def models(
    folder: Annotated[str, typer.Argument(metavar="[FOLDER]", help="Where models and their cards are.")] = "models",
    as_json: Json = False,
) -> None:
    """List the trained models of a folder and check each: its hash against its card, its features against ours; 3 when one fails.

    Example: ballast models models
    """
    from offchain.errors import ModelError
    from offchain.research.training_study import audit_models

    found = audit_models(folder)
    if not found:
        raise ModelError(f"{folder} holds no model; train one with `ballast train INDEX --out {folder}`")
    emit([_row_document(one) for one in found], lambda: _models_text(found), as_json=as_json)
    bad = [one.name for one in found if one.problem]
    if bad:
        say(f"not to be used: {', '.join(bad)}")
        raise typer.Exit(DIFFERS)


def signals_lines(path: str, model_hash: str) -> list[str]:
    """What goes into [signals] of the index file."""
    return ['mode = "model"', f'model = "{Path(path).as_posix()}"', f'model_hash = "{model_hash}"']


def _document(found: Learned, path: Path, lines: list[str]) -> dict[str, object]:
    model = found.model
    return {
        "model_hash": model.model_hash,
        "file": path,
        "card": path.with_suffix(".md"),
        "trained_from": model.trained_from,
        "train_cutoff": model.train_cutoff,
        "rows": model.rows,
        "coins": len(found.coins),
        "features": model.features,
        "evaluation": found.tested.evaluation,
        "pays": model.pays,
        "folds": found.folds,
        "nulls": found.nulls,
        "importance": model.importance,
        "signals": lines,
    }


def _text(found: Learned, rules: TrainingRules, lines: list[str]) -> str:
    from offchain.pages import LEFT, render

    model, tested = found.model, found.tested.evaluation
    ranked = sorted(model.importance.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN_FEATURES]
    measures = [
        ("directional AUC", f"{tested.auc:.3f}", f"{tested.auc_low:.3f} to {tested.auc_high:.3f}", "0.5 is a coin flip"),
        ("Brier score", f"{tested.brier:.4f}", "", f"{tested.baseline_brier:.4f} by volatility alone; lower is better"),
        ("log-loss", f"{tested.log_loss:.4f}", "", f"{tested.baseline_log_loss:.4f} by volatility alone; lower is better"),
        ("calibration error", f"{tested.calibration_error:.3f}", "", "stated probability less how often it came true"),
        (
            "pay-off, before costs",
            f"{tested.payoff:+.2%}",
            "",
            f"best third less all, per {rules.horizon_days} days, {tested.periods} times",
        ),
        ("costs", f"{-tested.cost:+.2%}", "", f"{tested.turnover:.0%} turned over each time"),
        ("pay-off, after costs", f"{tested.net:+.2%}", f"{tested.net_low:+.2%} to {tested.net_high:+.2%}", "below 0 is a loss"),
    ]  # fmt: skip
    parts = [
        f"{len(found.coins)} coins, {len(model.features)} features, {model.trained_from} to {model.train_cutoff}",
        render(_folds_table(found), indent=""),
        render((("walk-forward test", "value", "95 % band", f"{LEFT}beside"), measures), indent=""),
        *([render(_nulls_table(found), indent="")] if found.nulls else []),
        render(
            (
                (f"most of it by (of {len(model.features)})", "AUC lost without"),
                [(name, f"{lost:+.4f}") for name, lost in ranked],
            ),
            indent="",
        ),
        str(tested),
        "into [signals] of the index file:\n" + "\n".join(lines),
        "Past performance says little about the future; this is no advice.",
    ]
    return "\n\n".join(parts)


def _folds_table(found: Learned) -> Table:
    from offchain.pages import LEFT

    head = ("fold", f"{LEFT}learned from", f"{LEFT}to", f"{LEFT}tested from", f"{LEFT}to", "coin-days", "AUC")
    rows = [
        (
            str(row.number), str(row.learned_from), str(row.learned_to), str(row.tested_from), str(row.tested_to),
            f"{row.rows:,}", "not known yet" if row.auc is None else f"{row.auc:.3f}",
        )
        for row in found.folds
    ]  # fmt: skip
    return head, rows


def _nulls_table(found: Learned) -> Table:
    from offchain.pages import LEFT

    head = ("market without memory", "AUC", "95 % band", "after costs", f"{LEFT}pays")
    rows = [
        (str(number), f"{one.auc:.3f}", f"{one.auc_low:.3f} to {one.auc_high:.3f}", f"{one.net:+.2%}", "yes" if one.pays else "no")
        for number, one in enumerate(found.nulls, start=1)
    ]  # fmt: skip
    return head, rows


def _row_document(one: Audit) -> dict[str, object]:
    return {
        "name": one.name,
        "ok": not one.problem,
        "problem": one.problem,
        "model_hash": one.model_hash,
        "train_cutoff": one.train_cutoff,
        "features": one.features,
        "pays": one.pays,
        "auc": one.auc,
    }


def _models_text(found: tuple[Audit, ...]) -> str:
    from offchain.pages import LEFT, render

    head = ("model", f"{LEFT}last day", "features", "AUC", f"{LEFT}pays", f"{LEFT}checked", f"{LEFT}hash")
    rows = [
        (
            one.name, str(one.train_cutoff or ""), str(one.features or ""), "" if one.auc is None else f"{one.auc:.3f}",
            "yes" if one.pays else "no", one.problem or "ok", one.model_hash,
        )
        for one in found
    ]  # fmt: skip
    return render((head, rows), indent="")
