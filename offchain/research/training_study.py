"""From an index and a market to a trained model, with everything that says whether to believe it.

    found = learn(find_spec("SMART10"), market, until="2025-06-30")
    print(found.tested.evaluation)          whether it pays
    found.folds, found.nulls                one row a fold; the same on markets in which nothing foretells anything
    save_model(found.model, "models", "smart10-2025-06-30")
    audit_models("models")                  every model of a folder: its hash against its card, its features against ours

Who counts on a day is who could have been a member of the index then, looked at every LOOK_DAYS days: a coin that became
large later is neither learned from nor judged before.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offchain import universe
from offchain.errors import BallastError, MissingHistory, ModelError
from offchain.features import FEATURES, GROUPS, catalogue_hash
from offchain.features import needs as features_need
from offchain.features.catalogue import find
from offchain.market import Market
from offchain.market.snapshot import Time
from offchain.signals import Evaluation, Model, TrainingRules, WalkForward, load_model, shuffled, train, walk_forward
from offchain.signals.evaluation import directional_auc
from offchain.signals.folds import Fold
from offchain.signals.targets import BEARISH, BULLISH, UNKNOWN
from offchain.signals.training import Panel, prepare
from offchain.spec import IndexSpec
from offchain.spec.load import INDEXES
from offchain.universe.records import Records, load_records

LOOK_DAYS = 7
# what any market of prices and volumes can fill
READ = ("price", "trend", "momentum", "volatility", "drawdown", "volume", "liquidity")
OWN_FIELDS = ("price", "market_cap")


@dataclass(frozen=True, kw_only=True)
class FoldResult:
    """One fold: first and last day learned from and tested on; `rows`: coin-days tested whose outcome is known;
    `auc`: directional, None when no outcome of its days is known yet.
    """

    number: int
    learned_from: date
    learned_to: date
    tested_from: date
    tested_to: date
    rows: int
    auc: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """`nulls`: of the same walk on shuffled markets, which should find nothing. `coins`: candidates on any day."""

    model: Model
    tested: WalkForward
    folds: tuple[FoldResult, ...]
    nulls: tuple[Evaluation, ...]
    coins: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One file of a folder of models. `problem`: why it may not be asked, "" when it may; the rest is then known."""

    name: str
    problem: str
    model_hash: str = ""
    train_cutoff: date | None = None
    features: int = 0
    pays: bool = False
    auc: float | None = None


def learn(
    spec: IndexSpec,
    market: Market,
    *,
    until: Time,
    features: Sequence[str] = READ,
    rules: TrainingRules | None = None,
    nulls: int = 0,
    trials: int = 1,
    workers: int = 1,
    folder: Path = INDEXES,
    records: Records | None = None,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Learned:
    """Walks forward through the candidates of `spec` and trains on what was known at `until`, whose day is the last it sees.

    `features`: names or groups of the catalogue. `nulls`: shuffled markets to try as well. `folder`: where the paths in the index
    file begin; `records`: instead of those in files. `on_step`: (folds done, folds in all). Raises ModelError when there is too little to learn from.
    """
    rules = rules or TrainingRules()
    if spec.sleeves:
        parts = ", ".join(row.index for row in spec.sleeves)
        raise ModelError(
            f"{spec.symbol} has no candidates of its own; train for one of the indexes it is made of: {parts}"
        )
    names = features_for(market, features, days=rules.first_test_days)
    fields = tuple(dict.fromkeys((*OWN_FIELDS, *features_need(names).fields)))
    past = market.until(until)
    ids, mask = candidate_days(
        spec, market, [day.to_pydatetime().date() for day in past.dates], folder=folder, records=records
    )
    history = market.history(until, days=len(past.dates), fields=fields, ids=ids)
    mask = mask[:, [ids.index(name) for name in history.ids]]
    # tags of today on days of the past: what a coin is does not change
    tags = {coin.id: universe.themes_of(coin) for coin in market.snapshot(until).coins if coin.id in set(ids)}
    panel = prepare(history, names, rules, members=mask, tags=tags)
    total = -(-max(len(history) - rules.first_test_days, 0) // rules.test_days) * (1 + nulls)
    tested = walk_forward(
        history, names, rules, panel=panel, workers=workers, on_fold=lambda done: on_step(done, total)
    )
    empty = []
    for seed in range(1, nulls + 1):
        before = len(tested.folds) * seed
        again = walk_forward(
            shuffled(history, seed=seed), names, rules, members=mask, tags=tags, workers=workers,
            on_fold=lambda done, before=before: on_step(before + done, total),  # type: ignore[misc]
        )  # fmt: skip
        empty.append(again.evaluation)
    model = train(history, names, rules, panel=panel, tested=tested, trials=trials)
    return Learned(
        model=model,
        tested=tested,
        folds=tuple(_fold_result(fold, tested, panel, history.dates) for fold in tested.folds),
        nulls=tuple(empty),
        coins=history.ids,
    )


def features_for(market: Market, wanted: Sequence[str], *, days: int) -> tuple[str, ...]:
    """Names of the catalogue, in its order, for names and groups. Of a group, those that this market can fill within `days`.

    Raises UnknownFeature for what is neither, MissingHistory for a feature by name that no source of this market fills.
    """
    named = [name for name in wanted if name not in GROUPS]
    for name in named:
        absent = [field for field in find(name).needs.fields if not market.has(field)]
        if absent:
            raise MissingHistory(f"{name} reads {', '.join(absent)}, which {market.source} does not have; leave it out")
    fitting = [
        name
        for name, feature in FEATURES.items()
        if feature.group in wanted
        and feature.lookback <= days
        and all(market.has(field) for field in feature.needs.fields)
    ]
    chosen = {*named, *fitting}
    if not chosen:
        raise ModelError(f"{market.source} fills no feature of {', '.join(wanted)}; name other groups or features")
    return tuple(name for name in FEATURES if name in chosen)


def candidate_days(
    spec: IndexSpec, market: Market, days: Sequence[date], *, folder: Path = INDEXES, records: Records | None = None
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """(ids, days × ids): who could have been a member on each day, as known on the last look before it."""
    said = load_records(spec.universe, folder=folder) if records is None else records
    looks: list[frozenset[str]] = []
    for day in days[::LOOK_DAYS]:
        t = datetime.combine(day, time(), UTC) + market.lag
        snapshot = market.snapshot(t, volume_days=spec.universe.volume_days)
        looks.append(frozenset(universe.candidates(snapshot, spec.universe, **said.arguments(t))))
    ids = tuple(sorted(frozenset().union(*looks)))
    if not ids:
        raise ModelError(f"{spec.symbol}: no coin of {market.source} passes [universe] on any day; loosen it")
    mask = np.array([[name in looks[row // LOOK_DAYS] for name in ids] for row in range(len(days))])
    return ids, mask


def audit_models(folder: str | os.PathLike[str]) -> tuple[Audit, ...]:
    """Every model of a folder by name, read whole: its hash as its card has it, its features as computed here."""
    return tuple(_audit(file) for file in sorted(Path(folder).glob("*.json")))


def _audit(file: Path) -> Audit:
    try:
        model = load_model(file)
        ours = catalogue_hash(model.features)
    except BallastError as error:
        return Audit(name=file.stem, problem=str(error))
    return Audit(
        name=file.stem,
        problem=_problem(model, file.with_suffix(".md"), ours),
        model_hash=model.model_hash,
        train_cutoff=model.train_cutoff,
        features=len(model.features),
        pays=model.pays,
        auc=model.metrics.get("auc"),
    )


def _problem(model: Model, card: Path, ours: str) -> str:
    if model.catalogue_hash != ours:
        return "its features are computed in another way now; train it again"
    if not card.is_file():
        return f"its card {card.name} is missing, so nothing says which hash it was published with"
    said = re.search(r"model hash `(0x[0-9a-f]{64})`", card.read_text(encoding="utf-8"))
    if said is None or said[1] != model.model_hash:
        return f"its card says {said[1] if said else 'no hash'}: it is another model, or was changed"
    return ""


def _fold_result(fold: Fold, tested: WalkForward, panel: Panel, dates: Sequence[date]) -> FoldResult:
    days = slice(fold.test.start, fold.test.stop)
    said, classes = tested.millionths[days], panel.classes[days]
    counted = (said[:, :, 0] != UNKNOWN) & (classes != UNKNOWN)
    directional = counted & ((classes == BEARISH) | (classes == BULLISH))
    score = said[:, :, 2] - said[:, :, 0]
    return FoldResult(
        number=fold.number,
        learned_from=dates[fold.train[0]],
        learned_to=dates[fold.calibration[-1]],
        tested_from=dates[fold.test[0]],
        tested_to=dates[fold.test[-1]],
        rows=int(counted.sum()),
        auc=round(directional_auc(score[directional], classes[directional]), 6) if directional.any() else None,
    )
