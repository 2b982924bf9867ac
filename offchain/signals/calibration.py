"""From margins to probabilities that mean what they say, fitted on days the model has not learned from.

    sigmoid     1 / (1 + e^-(slope · margin + shift)) for each class (Platt 1999, with his targets), then divided by their sum
    isotonic    the rising steps nearest to what happened (pool adjacent violators: Ayer et al. 1955), then the same

The margin of a class is taken against the mean of the three, so that what all have in common says nothing. Parameters are
kept at nine digits, so that the last bits of the fit do not reach a hash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from offchain.errors import ModelError
from offchain.market.history import Floats
from offchain.signals.arithmetic import logistic, millionths

KINDS = ("sigmoid", "isotonic")
# no class is ever impossible
LEAST = 0.001
_STEPS = 100


class Curve(Protocol):
    """One class: margin → how often it came true."""

    def apply(self, margins: Floats) -> Floats:
        """Numbers from LEAST to 1 - LEAST, same shape."""

    def as_plain(self) -> dict[str, object]:
        """The portable form."""


@dataclass(frozen=True, kw_only=True)
class Sigmoid:
    """logistic(slope · margin + shift)."""

    slope: float
    shift: float

    def apply(self, margins: Floats) -> Floats:
        return np.clip(logistic(self.slope * margins + self.shift), LEAST, 1.0 - LEAST)

    def as_plain(self) -> dict[str, object]:
        return {"kind": "sigmoid", "slope": self.slope, "shift": self.shift}


@dataclass(frozen=True, kw_only=True)
class Steps:
    """`heights[i]` from margin `starts[i]` on, below the first one `heights[0]`."""

    starts: tuple[float, ...]
    heights: tuple[float, ...]

    def apply(self, margins: Floats) -> Floats:
        place = np.searchsorted(np.array(self.starts), margins, side="right") - 1
        return np.clip(np.array(self.heights)[np.maximum(place, 0)], LEAST, 1.0 - LEAST)

    def as_plain(self) -> dict[str, object]:
        return {"kind": "isotonic", "starts": self.starts, "heights": self.heights}


def against_mean(margins: Floats) -> Floats:
    """rows × 3: each margin minus the mean of its row."""
    mean = (margins[:, 0] + margins[:, 1] + margins[:, 2]) / 3.0
    return margins - mean[:, None]


def fit_curves(margins: Floats, classes: NDArray[np.int8], *, kind: str) -> tuple[Curve, ...]:
    """One curve for each of the three classes, from margins of days that were held back and what came true."""
    relative = against_mean(margins)
    fit = fit_steps if kind == "isotonic" else fit_sigmoid
    return tuple(fit(relative[:, number], classes == number) for number in range(3))


def probabilities(margins: Floats, curves: tuple[Curve, ...]) -> NDArray[np.int64]:
    """rows × 3 whole millionths that sum to a million: bearish, neutral, bullish."""
    relative = against_mean(margins)
    return millionths(np.stack([curve.apply(relative[:, number]) for number, curve in enumerate(curves)], axis=1))


def fit_sigmoid(margin: Floats, happened: NDArray[np.bool_]) -> Curve:
    """Newton's method with halved steps on the log-loss; never a falling curve."""
    yes, no = int(happened.sum()), int((~happened).sum())
    target = np.where(happened, (yes + 1.0) / (yes + 2.0), 1.0 / (no + 2.0))
    slope, shift = 0.0, math.log((yes + 1.0) / (no + 1.0))
    loss = _loss(slope * margin + shift, target)
    for _ in range(_STEPS):
        p = logistic(slope * margin + shift)
        w, error = p * (1.0 - p), p - target
        gradient = (math.fsum(error * margin), math.fsum(error))
        a, b, c = math.fsum(w * margin * margin) + 1e-9, math.fsum(w * margin), math.fsum(w) + 1e-9
        scale = a * c - b * b
        step = ((c * gradient[0] - b * gradient[1]) / scale, (a * gradient[1] - b * gradient[0]) / scale)
        part = 1.0
        while part > 1e-6:
            tried = _loss((slope - part * step[0]) * margin + shift - part * step[1], target)
            if tried <= loss:
                break
            part /= 2.0
        slope, shift = slope - part * step[0], shift - part * step[1]
        if abs(loss - tried) < 1e-12 * len(margin):
            break
        loss = tried
    if slope < 0.0:
        # the model was wrong way round on these days: it says no more than how often the class came true
        slope, shift = 0.0, math.log((yes + 1.0) / (no + 1.0))
    return Sigmoid(slope=_nine_digits(slope), shift=_nine_digits(shift))


def fit_steps(margin: Floats, happened: NDArray[np.bool_]) -> Curve:
    """Pools neighbours until the steps rise; equal margins are one."""
    starts, where = np.unique(margin, return_inverse=True)
    weights = np.bincount(where).astype(np.int64)
    hits = np.bincount(where, weights=happened).astype(np.int64)
    pools: list[tuple[int, int, int]] = []
    for place, (hit, weight) in enumerate(zip(hits.tolist(), weights.tolist(), strict=True)):
        pool = (place, hit, weight)
        # whole numbers: hits1 / weight1 >= hits2 / weight2 without a division
        while pools and pools[-1][1] * pool[2] >= pool[1] * pools[-1][2]:
            first, before, count = pools.pop()
            pool = (first, before + pool[1], count + pool[2])
        pools.append(pool)
    return Steps(
        starts=tuple(_nine_digits(float(starts[place])) for place, _, _ in pools),
        heights=tuple(_nine_digits(hit / weight) for _, hit, weight in pools),
    )


def read_curve(data: Mapping[str, Any]) -> Curve:
    """The inverse of `as_plain`, numbers as text or not."""
    if data["kind"] == "sigmoid":
        return Sigmoid(slope=float(data["slope"]), shift=float(data["shift"]))
    if data["kind"] == "isotonic":
        curve = Steps(starts=tuple(map(float, data["starts"])), heights=tuple(map(float, data["heights"])))
        if not curve.starts or len(curve.starts) != len(curve.heights):
            raise ModelError(
                f"the model's steps are {len(curve.starts)} starts and {len(curve.heights)} heights; "
                "give the file that was saved"
            )
        return curve
    raise ModelError(f"a calibration of kind {data['kind']!r} is not known here; known are {', '.join(KINDS)}")


def _loss(x: Floats, target: Floats) -> float:
    p = np.clip(logistic(x), 1e-12, 1.0 - 1e-12)
    return -math.fsum(target * np.log(p) + (1.0 - target) * np.log(1.0 - p))


def _nine_digits(value: float) -> float:
    return float(f"{value:.9g}")
