"""From a history to a tested model: walk forward first, then train the one that is used.

    tested = walk_forward(history, features, rules)      every prediction made by a model that could not know its outcome
    print(tested.evaluation)                             whether it pays
    model = train(history, features, rules, tested=tested)

Inputs of a day are the features compared among the coins of that day (offchain.features.standardise), so nothing is
fitted outside the fold. Row d of every array here is day d of the history.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import cast

import numpy as np
from numpy.typing import NDArray

from offchain.canonical import keccak_hex
from offchain.errors import ModelError
from offchain.features import catalogue_hash, compute_panels, standardise
from offchain.market.history import Floats, History
from offchain.signals.calibration import KINDS as CALIBRATIONS
from offchain.signals.calibration import Curve, fit_curves, probabilities
from offchain.signals.engines import Engine
from offchain.signals.evaluation import Evaluation, directional_auc, evaluate, volatility_baseline
from offchain.signals.folds import Fold, split, walk
from offchain.signals.learning import Learner, fit
from offchain.signals.model import Model, Versions
from offchain.signals.outcome import GRID
from offchain.signals.targets import (
    BEARISH,
    BULLISH,
    UNKNOWN,
    Classes,
    excess_returns,
    terciles,
    volatility_tenths,
)

Tags = Mapping[str, tuple[str, ...]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class TrainingRules:
    """What is foreseen, from which window, how it is tested. `window_days` rolls along, and is as long as there are days
    at first; 0: all days before. `first_test_days`: where the first test begins.

    `stride_days`: every how many days is learned from. Outcomes of `horizon_days` overlap, so neighbouring rows repeat each
    other (average uniqueness, Lopez de Prado 2018, chapter 4); every second day halves the work and costs little.
    `least_known`: part of the features that a coin must have on a day to count. `cost`: of one unit of turnover.
    """

    learner: Learner = Learner()
    horizon_days: int = 7
    delay_days: int = 1
    window_days: int = 730
    first_test_days: int = 365
    calibration_days: int = 120
    test_days: int = 30
    embargo_days: int = 2
    stride_days: int = 2
    calibration: str = "sigmoid"
    least_known: float = 0.5
    clip: float = 3.0
    cost: float = 0.003

    def __post_init__(self) -> None:
        if self.calibration not in CALIBRATIONS:
            raise ModelError(f'calibration "{self.calibration}" is not known; use one of {", ".join(CALIBRATIONS)}')
        for name, low, high in (
            ("horizon_days", 1, 90),
            ("delay_days", 0, 30),
            ("window_days", 0, 10_000),
            ("first_test_days", 30, 10_000),
            ("calibration_days", 14, 1_000),
            ("test_days", 1, 1_000),
            ("embargo_days", 1, 365),
            ("stride_days", 1, 30),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ModelError(f"{name} = {value} must be from {low} to {high}")

    @property
    def reach(self) -> int:
        """Days after d until the outcome of d is known."""
        return self.delay_days + self.horizon_days


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """`rows`: days × coins × features, standardised, NaN unknown; `usable`: where a coin counts on a day."""

    rows: Floats
    usable: Mask
    excess: Floats
    classes: Classes
    tenths: NDArray[np.int8]


@dataclass(frozen=True, kw_only=True, eq=False)
class WalkForward:
    """`millionths`: days × coins × 3, UNKNOWN where nothing was said; `folds` in order; `data_hash`: of everything learned from."""

    folds: tuple[Fold, ...]
    millionths: NDArray[np.int64]
    evaluation: Evaluation
    data_hash: str

    @property
    def result_hash(self) -> str:
        """keccak256 of every probability: equal on machines that agree."""
        return keccak_hex(_digest(self.millionths))


def prepare(
    history: History,
    features: Sequence[str],
    rules: TrainingRules,
    *,
    members: Mask | None = None,
    tags: Tags | None = None,
) -> Panel:
    """Inputs and outcomes of a history. `members`: days × coins, who was a candidate on that day; None: whoever has a price.

    A number that is the same for every coin of a day, such as the market's own, is 0 for all: the outcome is relative too.
    """
    if not features:
        raise ModelError("no feature to learn from; name some of the catalogue")
    price = history.panel("price")
    if members is not None and members.shape != price.shape:
        raise ModelError(f"members is {members.shape}, not days × coins {price.shape}")
    present = ~np.isnan(price) if members is None else members & ~np.isnan(price)
    rows = np.empty((*price.shape, len(features)))
    panels = compute_panels(history, features, tags=tags)
    for place, name in enumerate(features):
        values = np.where(present, panels[name], np.nan)
        rows[:, :, place] = on_grid(standardise(values, axis=1), rules.clip)
    enough = (~np.isnan(rows)).sum(axis=2) >= rules.least_known * len(features)
    excess = excess_returns(
        np.where(present | _later_present(present, rules.reach), price, np.nan),
        horizon_days=rules.horizon_days,
        delay_days=rules.delay_days,
    )
    usable = present & enough
    excess = np.where(usable, excess, np.nan)
    return Panel(rows=rows, usable=usable, excess=excess, classes=terciles(excess), tenths=volatility_tenths(price))


def on_grid(scores: Floats, clip: float) -> Floats:
    """Standardised values cut at ± clip and rounded to GRID decimals, so that a threshold meets the same number anywhere."""
    return np.asarray(np.round(np.clip(scores, -clip, clip), GRID))


def walk_forward(
    history: History,
    features: Sequence[str],
    rules: TrainingRules | None = None,
    *,
    members: Mask | None = None,
    tags: Tags | None = None,
    workers: int = 1,
    panel: Panel | None = None,
    on_fold: Callable[[int], None] = lambda done: None,
) -> WalkForward:
    """Trains, calibrates and tests again and again through the history; what it says of a day was learned before that day.

    `workers`: processes; the result is the same for any number. `panel`: of `prepare`, when it is at hand.
    `on_fold`: called with the count of folds that are done.
    """
    rules = rules or TrainingRules()
    panel = panel or prepare(history, features, rules, members=members, tags=tags)
    folds = walk(
        len(history),
        first_test=rules.first_test_days,
        test_days=rules.test_days,
        window=rules.window_days,
        calibration=rules.calibration_days,
        reach=rules.reach,
        embargo=rules.embargo_days,
        stride=rules.stride_days,
    )
    if not folds:
        raise ModelError(
            f"the history has {len(history)} days; the first test begins after {rules.first_test_days}. Give more"
        )
    said = np.full((*panel.usable.shape, 3), UNKNOWN, dtype=np.int64)
    baseline = np.full((*panel.usable.shape, 3), np.nan)
    for done, (fold, answers) in enumerate(zip(folds, _answers(panel, folds, rules, workers), strict=True), start=1):
        block = said[fold.test.start : fold.test.stop]
        block[panel.usable[fold.test.start : fold.test.stop]] = answers
        learn = range(fold.train.start, fold.calibration.stop)
        volatility_baseline(panel.tenths, panel.classes, learn=learn, into=fold.test, answer=baseline)
        on_fold(done)
    evaluation = evaluate(
        said,
        baseline,
        panel.classes,
        panel.excess,
        horizon_days=rules.horizon_days,
        cost=rules.cost,
        seed=rules.learner.seed,
    )
    return WalkForward(folds=folds, millionths=said, evaluation=evaluation, data_hash=data_hash(panel))


def train(
    history: History,
    features: Sequence[str],
    rules: TrainingRules | None = None,
    *,
    members: Mask | None = None,
    tags: Tags | None = None,
    tested: WalkForward | None = None,
    trials: int = 1,
    panel: Panel | None = None,
) -> Model:
    """The model that may be asked from the day after the history on. `tested`: its walk-forward test, for the card.

    `trials`: how many kinds were tried before this one; it is written on the card, where a deflated Sharpe ratio needs it.
    """
    rules = rules or TrainingRules()
    panel = panel or prepare(history, features, rules, members=members, tags=tags)
    days = len(history)
    fold = split(
        days,
        end=days + 1,
        number=1,
        window=rules.window_days,
        calibration=rules.calibration_days,
        reach=rules.reach,
        embargo=rules.embargo_days,
        stride=rules.stride_days,
    )
    engine, curves, count = fit_fold(panel, fold, rules)
    settings = {row.name: getattr(rules, row.name) for row in dataclasses.fields(rules) if row.name != "learner"}
    settings |= {f"learner.{row.name}": getattr(rules.learner, row.name) for row in dataclasses.fields(rules.learner)}
    settings["data_hash"] = data_hash(panel)
    return Model(
        features=tuple(features),
        catalogue_hash=catalogue_hash(tuple(features)),
        horizon_days=rules.horizon_days,
        delay_days=rules.delay_days,
        trained_from=history.dates[fold.train[0]],
        train_cutoff=history.dates[-1],
        rows=count,
        clip=rules.clip,
        engine=engine,
        curves=curves,
        settings={name: str(value) for name, value in settings.items()},
        importance=importance(panel, fold, engine, curves, features, seed=rules.learner.seed),
        metrics={} if tested is None else tested.evaluation.metrics,
        trials=trials,
    )


def train_versions(
    history: History,
    features: Sequence[str],
    rules: TrainingRules | None = None,
    *,
    every_days: int = 30,
    members: Mask | None = None,
    tags: Tags | None = None,
) -> Versions:
    """What would have been in use: from the first possible day on, a model trained and tested every `every_days` days on what
    was known then. A backtest over the same days asks each only after its end.
    """
    rules = rules or TrainingRules()
    found = []
    for days in range(rules.first_test_days + 2 * rules.test_days, len(history) + 1, every_days):
        past, then = head(history, days), None if members is None else members[:days]
        panel = prepare(past, features, rules, members=then, tags=tags)
        tested = walk_forward(past, features, rules, panel=panel)
        found.append(train(past, features, rules, tested=tested, panel=panel))
    if not found:
        raise ModelError(
            f"the history has {len(history)} days; the first version takes {rules.first_test_days + 2 * rules.test_days}"
        )
    return Versions(models=tuple(found))


def head(history: History, days: int) -> History:
    """The first `days` of a history, as it was known at 00:00 UTC of the last of them."""
    return History(
        t=datetime.combine(history.dates[days - 1], time(), UTC),
        dates=history.dates[:days],
        ids=history.ids,
        panels={name: values[:days].copy() for name, values in history.panels.items()},
        series={name: values[:days].copy() for name, values in history.series.items()},
    )


def fit_fold(panel: Panel, fold: Fold, rules: TrainingRules) -> tuple[Engine, tuple[Curve, ...], int]:
    """(engine of the training days, curves of the calibration days, rows learned from)."""
    rows, classes = _known(panel, fold.train)
    held_back, came_true = _known(panel, fold.calibration)
    if not len(rows) or not len(held_back):
        raise ModelError(
            f"fold {fold.number}: {len(rows)} rows to learn from, {len(held_back)} to calibrate on; "
            "give a longer history, or features that this history has"
        )
    engine = fit(rows, classes, rules.learner)
    return engine, fit_curves(engine.margins(held_back), came_true, kind=rules.calibration), len(rows)


def importance(
    panel: Panel, fold: Fold, engine: Engine, curves: tuple[Curve, ...], features: Sequence[str], *, seed: int
) -> dict[str, float]:
    """{feature: directional AUC lost on the calibration days when its values are shuffled} (Breiman 2001), sorted by name."""
    rows, classes = _known(panel, fold.calibration)
    chosen = (classes == BEARISH) | (classes == BULLISH)
    rows, classes = rows[chosen], classes[chosen]
    whole = _auc(rows, classes, engine, curves)
    dice = np.random.Generator(np.random.PCG64(seed))
    lost = {}
    for place, name in enumerate(features):
        shuffled = rows.copy()
        shuffled[:, place] = rows[dice.permutation(len(rows)), place]
        lost[name] = round(whole - _auc(shuffled, classes, engine, curves), GRID)
    return dict(sorted(lost.items()))


def data_hash(panel: Panel) -> str:
    """keccak256 of every input and outcome."""
    return keccak_hex(_digest(panel.rows) + _digest(panel.classes))


def _auc(rows: Floats, classes: Classes, engine: Engine, curves: tuple[Curve, ...]) -> float:
    said = probabilities(engine.margins(rows), curves)
    return directional_auc(said[:, 2] - said[:, 0], classes)


def _known(panel: Panel, days: range) -> tuple[Floats, Classes]:
    """(rows × features, classes) of the coins whose outcome of these days is known."""
    place = np.array(days, dtype=np.int64)
    is_known = panel.classes[place] != UNKNOWN
    return panel.rows[place][is_known], panel.classes[place][is_known]


def _answers(panel: Panel, folds: Sequence[Fold], rules: TrainingRules, workers: int) -> Iterable[NDArray[np.int64]]:
    """One after the other, in the order of the folds."""
    if workers == 1:
        return (_answer(panel, fold, rules) for fold in folds)
    from joblib import Parallel, delayed

    return cast(
        "Iterable[NDArray[np.int64]]",
        Parallel(n_jobs=workers, return_as="generator")(delayed(_answer)(panel, fold, rules) for fold in folds),
    )


def _answer(panel: Panel, fold: Fold, rules: TrainingRules) -> NDArray[np.int64]:
    """Whole millionths of the usable coins of the test days, in the order of days, then columns."""
    engine, curves, _ = fit_fold(panel, fold, rules)
    test = slice(fold.test.start, fold.test.stop)
    return probabilities(engine.margins(panel.rows[test][panel.usable[test]]), curves)


def _later_present(present: Mask, days: int) -> Mask:
    """Where a coin was a candidate within the `days` before: its price still counts as an outcome."""
    answer = present.copy()
    for back in range(1, days + 1):
        answer[back:] |= present[:-back]
    return answer


def _digest(values: Floats | Classes | NDArray[np.int64]) -> str:
    # NaN has many bit patterns, and zero has two
    plain = np.where(np.isnan(values), np.nan, values + 0.0)
    return hashlib.sha256(f"{plain.shape}".encode() + np.ascontiguousarray(plain).tobytes()).hexdigest()
