"""Fits an engine to rows with scikit-learn and takes it out of it: what is kept needs scikit-learn no more.

One thread, so that the sums of a histogram have one order: the same rows give the same bits with any number of threads.
scikit-learn, or lightgbm when asked for, is imported here and nowhere else, and only when something is trained.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from offchain.errors import ModelError
from offchain.market.history import Floats
from offchain.signals.engines import CLASSES, Engine, Network, Trees
from offchain.signals.targets import Classes

KINDS = ("trees", "lightgbm", "network")
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, kw_only=True)
class Learner:
    """How an engine is fitted. The defaults are shallow and few on purpose: daily returns are mostly noise.

    kind "trees": scikit-learn's HistGradientBoosting; "lightgbm": the same by LightGBM, with quantised gradients;
    "network": one hidden layer of `neurons`.
    """

    kind: str = "trees"
    rounds: int = 60
    leaves: int = 8
    bins: int = 32
    learning_rate: float = 0.1
    least_rows: int = 60
    shrinkage: float = 1.0
    neurons: int = 12
    epochs: int = 30
    seed: int = 7

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ModelError(f'kind "{self.kind}" of a model is not known; use one of {", ".join(KINDS)}')


def fit(rows: Floats, classes: Classes, learner: Learner) -> Engine:
    """The engine that learned `rows` (rows × features, NaN unknown) → `classes` (0, 1, 2).

    Raises ModelError when a class is missing. Bins are fitted on these rows and no others.
    """
    present = sorted(set(classes.tolist()))
    if present != list(range(CLASSES)):
        raise ModelError(f"{len(rows)} rows hold only the labels {present} of 0, 1, 2; learn from more coins or days")
    # a feature that these days do not know at all cannot be binned; as a constant it is never split on
    rows = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    if learner.kind == "network":
        return _fit_network(rows, classes, learner)
    if learner.kind == "lightgbm":
        return _fit_lightgbm(rows, classes, learner)
    return _fit_trees(rows, classes, learner)


def _fit_trees(rows: Floats, classes: Classes, learner: Learner) -> Engine:
    from sklearn.ensemble import HistGradientBoostingClassifier

    machine = HistGradientBoostingClassifier(
        max_iter=learner.rounds,
        max_leaf_nodes=learner.leaves,
        max_bins=learner.bins,
        learning_rate=learner.learning_rate,
        min_samples_leaf=learner.least_rows,
        l2_regularization=learner.shrinkage,
        early_stopping=False,
        random_state=learner.seed,
    )
    with one_thread():
        machine.fit(rows, classes)
        sample = rows[:: max(len(rows) // 256, 1)]
        theirs = machine.decision_function(sample)
    engine = trees_of(machine)
    _require_same(engine, sample, theirs, "scikit-learn")
    return engine


def trees_of(machine: Any) -> Trees:
    """What a fitted HistGradientBoostingClassifier of three classes has learned."""
    roots, columns, offset, depth = [], [], 0, 0
    for stage in machine._predictors:
        line = []
        for tree in stage:
            nodes = tree.nodes
            count = len(nodes)
            own = np.arange(count)
            is_leaf = nodes["is_leaf"].astype(bool)
            if nodes["is_categorical"].any():
                raise ModelError("the trees split by category, which the portable form does not have")
            columns.append(
                {
                    "feature": np.where(is_leaf, 0, nodes["feature_idx"]),
                    # "everything known goes left" is written as infinity there; no known number is above the largest
                    "threshold": np.where(is_leaf, 0.0, np.minimum(nodes["num_threshold"], _LARGEST)),
                    "unknown_left": np.where(is_leaf, False, nodes["missing_go_to_left"].astype(bool)),
                    "left": np.where(is_leaf, own, nodes["left"].astype(np.int64)) + offset,
                    "right": np.where(is_leaf, own, nodes["right"].astype(np.int64)) + offset,
                    "value": np.where(is_leaf, nodes["value"], 0.0),
                }
            )
            line.append(offset)
            offset += count
            depth = max(depth, int(nodes["depth"].max()))
        roots.append(line)
    return _trees(np.asarray(machine._baseline_prediction).reshape(-1), depth, roots, columns)


def _fit_lightgbm(rows: Floats, classes: Classes, learner: Learner) -> Engine:
    lightgbm = _lightgbm()
    parameters = {
        "objective": "multiclass",
        "num_class": CLASSES,
        "num_leaves": learner.leaves,
        "max_bin": learner.bins,
        "learning_rate": learner.learning_rate,
        "min_data_in_leaf": learner.least_rows,
        "lambda_l2": learner.shrinkage,
        "use_quantized_grad": True,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": learner.seed,
        "verbosity": -1,
    }
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label=classes), num_boost_round=learner.rounds)
    sample = rows[:: max(len(rows) // 256, 1)]
    engine = _trees_of_lightgbm(booster.dump_model())
    _require_same(engine, sample, booster.predict(sample, raw_score=True), "LightGBM")
    return engine


def _lightgbm() -> ModuleType:
    try:
        return importlib.import_module("lightgbm")
    except (ImportError, OSError) as error:
        raise ModelError(
            f'kind "lightgbm" needs LightGBM, which cannot be loaded ({error}): `uv pip install lightgbm` and, on Debian, '
            'the system library libgomp1; or use kind "trees"'
        ) from error


def _trees_of_lightgbm(dump: Mapping[str, Any]) -> Trees:
    trees = [tree["tree_structure"] for tree in dump["tree_info"]]
    columns: list[dict[str, Any]] = []
    roots, offset, depth = [], 0, 0
    for start in range(0, len(trees), CLASSES):
        line = []
        for tree in trees[start : start + CLASSES]:
            nodes: list[tuple[int, float, bool, int, int, float]] = []
            depth = max(depth, _flatten(tree, nodes, offset))
            names = ("feature", "threshold", "unknown_left", "left", "right", "value")
            columns.append(
                {name: np.array(column) for name, column in zip(names, zip(*nodes, strict=True), strict=True)}
            )
            line.append(offset)
            offset += len(nodes)
        roots.append(line)
    return _trees(np.zeros(CLASSES), depth, roots, columns)


def _flatten(node: Mapping[str, Any], nodes: list[tuple[int, float, bool, int, int, float]], offset: int) -> int:
    """Appends this node and all below it, root first; returns how deep they go."""
    place = len(nodes)
    own = place + offset
    nodes.append((0, 0.0, False, own, own, float(node.get("leaf_value", 0.0))))
    if "left_child" not in node:
        return 0
    below = [_flatten(node["left_child"], nodes, offset)]
    right = len(nodes) + offset
    below.append(_flatten(node["right_child"], nodes, offset))
    # an unknown value goes where LightGBM sends it; with missing type "None" it reads one as 0
    goes_left = node["default_left"] if node["missing_type"] == "NaN" else 0.0 <= node["threshold"]
    nodes[place] = (int(node["split_feature"]), float(node["threshold"]), bool(goes_left), own + 1, right, 0.0)
    return 1 + max(below)


def _trees(baseline: Floats, depth: int, roots: Sequence[Sequence[int]], columns: Sequence[Mapping[str, Any]]) -> Trees:
    joined = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
    return Trees(
        baseline=baseline.astype(np.float64),
        depth=depth,
        roots=np.array(roots, dtype=np.int64),
        feature=joined["feature"].astype(np.int64),
        threshold=joined["threshold"].astype(np.float64),
        unknown_left=joined["unknown_left"].astype(bool),
        left=joined["left"].astype(np.int64),
        right=joined["right"].astype(np.int64),
        value=joined["value"].astype(np.float64),
    )


def _fit_network(rows: Floats, classes: Classes, learner: Learner) -> Engine:
    from sklearn.neural_network import MLPClassifier

    machine = MLPClassifier(
        hidden_layer_sizes=(learner.neurons,),
        activation="relu",
        alpha=learner.shrinkage,
        learning_rate_init=0.01,
        batch_size=512,
        max_iter=learner.epochs,
        tol=0.0,
        n_iter_no_change=learner.epochs + 1,
        shuffle=True,
        random_state=learner.seed,
    )
    known = np.nan_to_num(rows, nan=0.0)
    with one_thread(), _expected_stop():
        machine.fit(known, classes)
        sample = known[:: max(len(known) // 256, 1)]
        theirs = _forward(machine, sample)
    # twelve digits: below that are the sums of the library that multiplied
    layers = [
        (_twelve(weights), _twelve(bias)) for weights, bias in zip(machine.coefs_, machine.intercepts_, strict=True)
    ]
    engine = Network(layers=tuple(layers))
    _require_same(engine, sample, theirs, "scikit-learn", tolerance=1e-9)
    return engine


def _forward(machine: Any, rows: Floats) -> Floats:
    values = rows
    for number, (weights, bias) in enumerate(zip(machine.coefs_, machine.intercepts_, strict=True)):
        values = (values if number == 0 else np.maximum(values, 0.0)) @ weights + bias
    return np.asarray(values)


def one_thread() -> AbstractContextManager[object]:
    """Within it, scikit-learn and BLAS use one thread."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    return threadpool_limits(limits=1)


def _expected_stop() -> AbstractContextManager[object]:
    """A network that stops after its epochs is meant to; the warning about it is not shown."""
    from sklearn.exceptions import ConvergenceWarning

    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)


def _require_same(engine: Engine, sample: Floats, theirs: Floats, who: str, *, tolerance: float = 1e-12) -> None:
    """The portable form must answer what the library answers, or a new version of it has changed its insides."""
    difference = float(np.abs(engine.margins(sample) - theirs).max())
    if not difference <= tolerance * max(1.0, float(np.abs(theirs).max())):
        raise ModelError(
            f"the trees taken out of {who} answer {difference:g} differently: its internals have changed; "
            "use the version in uv.lock"
        )


def _twelve(values: Floats) -> Floats:
    return np.array([float(f"{value:.12g}") for value in values.reshape(-1).tolist()]).reshape(values.shape)
