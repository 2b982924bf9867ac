"""What a trained model is made of, as numbers that any language can read: boosted trees, or a small network.

Both give three margins a row (bearish, neutral, bullish) by additions, multiplications and comparisons in a fixed order:
no library, no matrix product, the same bits on every machine. `as_plain` and `read_engine` are the portable form:

    trees     {"kind": "trees", "baseline": [3], "depth": d, "roots": [[3 node numbers] per round],
               "feature", "threshold", "unknown_left", "left", "right", "value": one entry per node}
              x <= threshold goes left, an unknown x where "unknown_left" says; a leaf is its own left and right;
              the margin of a class is its baseline plus the values of its leaves, round after round
    network   {"kind": "network", "layers": [{"weights": inputs × outputs, "bias": [outputs]}]}
              an unknown input is 0, the middle of all coins; max(0, ·) between layers
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from offchain.errors import ModelError
from offchain.market.history import Floats

CLASSES = 3
ROWS_AT_ONCE = 1_024


class Engine(Protocol):
    """Margins from features."""

    def margins(self, rows: Floats) -> Floats:
        """rows × features, NaN unknown → rows × CLASSES."""

    def margins_without(self, rows: Floats) -> Floats:
        """features × rows × CLASSES: for each column the same bits as `margins` of rows in which it is unknown."""

    def as_plain(self) -> dict[str, object]:
        """The portable form."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trees:
    """Gradient-boosted trees; arrays of one entry per node, see the top of this file."""

    baseline: Floats
    depth: int
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    unknown_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats

    def margins(self, rows: Floats) -> Floats:
        """rows × CLASSES."""
        parts = [self._margins(rows[start : start + ROWS_AT_ONCE]) for start in range(0, len(rows), ROWS_AT_ONCE)]
        return np.concatenate(parts) if parts else np.empty((0, CLASSES))

    def margins_without(self, rows: Floats) -> Floats:
        """features × rows × CLASSES. For each column only the trees that read it are walked again."""
        roots = self.roots.reshape(-1)
        leaves = self._walk(rows, roots)
        answer = np.tile(self._sum(leaves), (rows.shape[1], 1, 1))
        for place, readers in self._readers.items():
            blind, changed = rows.copy(), leaves.copy()
            blind[:, place] = np.nan
            changed[:, readers] = self._walk(blind, roots[readers])
            answer[place] = self._sum(changed)
        return answer

    def _margins(self, rows: Floats) -> Floats:
        return self._sum(self._walk(rows, self.roots.reshape(-1)))

    def _walk(self, rows: Floats, roots: NDArray[np.int64]) -> Floats:
        """rows × trees: the value of the leaf that each row comes to."""
        at = np.broadcast_to(roots, (len(rows), len(roots)))
        line = np.arange(len(rows))[:, None]
        for _ in range(self.depth):
            x = rows[line, self.feature[at]]
            goes_left = np.where(np.isnan(x), self.unknown_left[at], x <= self.threshold[at])
            at = np.where(goes_left, self.left[at], self.right[at])
        return self.value[at]

    def _sum(self, leaves: Floats) -> Floats:
        """rows × CLASSES, round after round: a sum of numpy's own would add in an order of its own."""
        rounds = leaves.reshape(len(leaves), *self.roots.shape)
        total = np.tile(self.baseline, (len(leaves), 1))
        for number in range(rounds.shape[1]):
            total = total + rounds[:, number]
        return total

    @cached_property
    def _readers(self) -> dict[int, NDArray[np.int64]]:
        """{column: numbers of the trees that split on it}."""
        found: dict[int, set[int]] = {}
        for number, root in enumerate(self.roots.reshape(-1).tolist()):
            open_nodes = [root]
            while open_nodes:
                node = open_nodes.pop()
                below = (int(self.left[node]), int(self.right[node]))
                if below != (node, node):
                    found.setdefault(int(self.feature[node]), set()).add(number)
                    open_nodes += below
        return {column: np.array(sorted(trees), dtype=np.int64) for column, trees in found.items()}

    def as_plain(self) -> dict[str, object]:
        return {
            "kind": "trees",
            "baseline": self.baseline.tolist(),
            "depth": self.depth,
            "roots": self.roots.tolist(),
            "feature": self.feature.tolist(),
            "threshold": self.threshold.tolist(),
            "unknown_left": self.unknown_left.tolist(),
            "left": self.left.tolist(),
            "right": self.right.tolist(),
            "value": self.value.tolist(),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers of (weights inputs × outputs, bias outputs)."""

    layers: tuple[tuple[Floats, Floats], ...]

    def margins(self, rows: Floats) -> Floats:
        """rows × CLASSES."""
        values = np.nan_to_num(rows, nan=0.0)
        for number, (weights, bias) in enumerate(self.layers):
            if number:
                values = np.maximum(values, 0.0)
            total = np.tile(bias, (len(rows), 1))
            # one input after the other: a matrix product adds in an order of its own
            for place in range(len(weights)):
                total = total + values[:, place : place + 1] * weights[place]
            values = total
        return values

    def margins_without(self, rows: Floats) -> Floats:
        """features × rows × CLASSES."""
        answer = np.empty((rows.shape[1], len(rows), CLASSES))
        for place in range(rows.shape[1]):
            blind = rows.copy()
            blind[:, place] = np.nan
            answer[place] = self.margins(blind)
        return answer

    def as_plain(self) -> dict[str, object]:
        layers = [{"weights": weights.tolist(), "bias": bias.tolist()} for weights, bias in self.layers]
        return {"kind": "network", "layers": layers}


def read_engine(data: Mapping[str, Any], *, features: int) -> Engine:
    """The inverse of `as_plain`, numbers as text or not. Raises ModelError when it could not be asked."""
    if data["kind"] == "network":
        engine = Network(layers=tuple((_floats(layer["weights"]), _floats(layer["bias"])) for layer in data["layers"]))
        _require_fits(engine, features)
        return engine
    if data["kind"] != "trees":
        raise ModelError(f"a model of kind {data['kind']!r} is not known here; known are trees and network")
    trees = Trees(
        baseline=_floats(data["baseline"]),
        depth=int(data["depth"]),
        roots=_integers(data["roots"]).reshape(-1, CLASSES),
        feature=_integers(data["feature"]),
        threshold=_floats(data["threshold"]),
        unknown_left=np.array(data["unknown_left"], dtype=bool),
        left=_integers(data["left"]),
        right=_integers(data["right"]),
        value=_floats(data["value"]),
    )
    _require_sound(trees, features)
    return trees


def _require_sound(trees: Trees, features: int) -> None:
    """Every step stays inside, and every tree ends within `depth`: a damaged file must not answer."""
    nodes = len(trees.value)
    lengths = {
        len(trees.feature),
        len(trees.threshold),
        len(trees.unknown_left),
        len(trees.left),
        len(trees.right),
        nodes,
    }
    if len(lengths) != 1 or trees.baseline.shape != (CLASSES,):
        raise ModelError(f"the model's trees have columns of {sorted(lengths)} nodes; give the file that was saved")
    for name, column, limit in (
        ("feature", trees.feature, features),
        ("left", trees.left, nodes),
        ("right", trees.right, nodes),
        ("roots", trees.roots, nodes),
    ):
        if column.size and not 0 <= int(column.min()) <= int(column.max()) < limit:
            raise ModelError(f"the model's trees have a {name} outside 0 to {limit - 1}; give the file that was saved")
    at = {int(root) for root in trees.roots.reshape(-1)}
    for _ in range(trees.depth):
        at = {int(trees.left[node]) for node in at} | {int(trees.right[node]) for node in at}
    if any(int(trees.left[node]) != node or int(trees.right[node]) != node for node in at):
        raise ModelError(f"the model's trees do not end within {trees.depth} steps; give the file that was saved")
    if not (np.isfinite(trees.value).all() and np.isfinite(trees.baseline).all()):
        raise ModelError("the model's trees hold a value that is no number; give the file that was saved")


def _require_fits(network: Network, features: int) -> None:
    width = features
    for weights, bias in network.layers:
        if weights.ndim != 2 or weights.shape[0] != width or bias.shape != weights.shape[1:]:
            raise ModelError(
                f"a layer of the model is {weights.shape}, not {width} inputs; give the file that was saved"
            )
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ModelError("a layer of the model holds a value that is no number; give the file that was saved")
        width = weights.shape[1]
    if width != CLASSES:
        raise ModelError(f"the model ends in {width} numbers, not {CLASSES}; give the file that was saved")


def _floats(values: Sequence[object]) -> Floats:
    return np.array(values, dtype=object).astype(np.float64)


def _integers(values: Sequence[object]) -> NDArray[np.int64]:
    return np.array(values, dtype=object).astype(np.int64)
