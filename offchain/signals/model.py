"""A trained model as data: what it reads, what it learned, until when, and how it did. One JSON, one hash.

model = Model.from_json(text)           without scikit-learn
model.model_hash                        keccak256 of `to_json()`: what a decision cites
model.probabilities(rows)               rows × 3 whole millionths: bearish, neutral, bullish
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offchain.canonical import canonical_json, keccak_hex, utc_text
from offchain.errors import ModelError
from offchain.market.history import Floats
from offchain.signals.calibration import Curve, probabilities, read_curve
from offchain.signals.engines import Engine, read_engine

FORMAT = "ballast-model/1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """`features`: in the order of the columns. `trained_from`, `train_cutoff`: first and last day whose data it has seen.

    `clip`: deviations at which inputs were cut. `metrics`: of the walk-forward test, see `evaluation.py`; empty: none was
    made. `importance`: {feature: directional AUC lost on held-back days when it is shuffled}. `trials`: how many kinds of
    model were tried before this one was chosen. `settings`: what it was trained with.
    """

    features: tuple[str, ...]
    catalogue_hash: str
    horizon_days: int
    delay_days: int
    trained_from: date
    train_cutoff: date
    rows: int
    clip: float
    engine: Engine
    curves: tuple[Curve, ...]
    settings: Mapping[str, float | int | str] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    trials: int = 1

    def probabilities(self, rows: Floats) -> NDArray[np.int64]:
        """rows × features (standardised, NaN unknown) → rows × 3 whole millionths."""
        if rows.ndim != 2 or rows.shape[1] != len(self.features):
            raise ModelError(f"the model reads {len(self.features)} features, not an array of {rows.shape}")
        return probabilities(self.engine.margins(rows), self.curves)

    def scores_without(self, rows: Floats) -> NDArray[np.int64]:
        """features × rows: millionths of p_bullish − p_bearish when that feature is not known."""
        said = [probabilities(margins, self.curves) for margins in self.engine.margins_without(rows)]
        return np.array([one[:, 2] - one[:, 0] for one in said])

    def require_usable_at(self, t: datetime) -> None:
        """Raises ModelError unless everything the model has seen was before the day of `t`."""
        if self.train_cutoff >= t.date():
            raise ModelError(
                f"the model has seen data until {self.train_cutoff}, so at {utc_text(t)} it would know the future; "
                f"ask it from {date.fromordinal(self.train_cutoff.toordinal() + 1)} on, or train one that ends earlier"
            )

    @property
    def pays(self) -> bool:
        """Whether its walk-forward test earned more than it cost; False when none was made."""
        return self.metrics.get("pays") == 1.0

    @cached_property
    def model_hash(self) -> str:
        """keccak256 of `to_json()`."""
        return keccak_hex(self._document())

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, numbers as text."""
        return canonical_json(self._document())

    @classmethod
    def from_json(cls, text: str, *, expected_hash: str = "") -> Model:
        """The inverse of `to_json`. Raises ModelError for anything else, or when its hash is not `expected_hash`."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
            features = tuple(str(name) for name in data["features"])
            model = cls(
                features=features,
                catalogue_hash=str(data["catalogue_hash"]),
                horizon_days=int(data["horizon_days"]),
                delay_days=int(data["delay_days"]),
                trained_from=date.fromisoformat(data["trained_from"]),
                train_cutoff=date.fromisoformat(data["train_cutoff"]),
                rows=int(data["rows"]),
                clip=float(data["clip"]),
                engine=read_engine(data["engine"], features=len(features)),
                curves=tuple(read_curve(curve) for curve in data["curves"]),
                settings=dict(data["settings"]),
                importance={name: float(value) for name, value in data["importance"].items()},
                metrics={name: float(value) for name, value in data["metrics"].items()},
                trials=int(data["trials"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"not a model: {error}; give the file that training wrote") from error
        if len(model.curves) != 3:
            raise ModelError(f"the model has {len(model.curves)} curves, not one for each of three labels")
        if expected_hash and model.model_hash != expected_hash:
            raise ModelError(
                f"the model hashes to {model.model_hash}, expected {expected_hash}: it is another model, or was changed"
            )
        return model

    def _document(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "features": self.features,
            "catalogue_hash": self.catalogue_hash,
            "horizon_days": self.horizon_days,
            "delay_days": self.delay_days,
            "trained_from": self.trained_from,
            "train_cutoff": self.train_cutoff,
            "rows": self.rows,
            "clip": self.clip,
            "engine": self.engine.as_plain(),
            "curves": [curve.as_plain() for curve in self.curves],
            "settings": self.settings,
            "importance": self.importance,
            "metrics": self.metrics,
            "trials": self.trials,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Versions:
    """The same kind of model, trained again and again: each time, the newest that may be asked speaks. Sorted by cutoff."""

    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        cutoffs = [model.train_cutoff for model in self.models]
        if not cutoffs or cutoffs != sorted(set(cutoffs)):
            listed = ", ".join(str(cutoff) for cutoff in cutoffs) or "none"
            raise ModelError(f"versions of a model must end on different days, oldest first; these end {listed}")

    def at(self, t: datetime) -> Model | None:
        """The newest that has seen nothing of the day of `t` or later; None before the first."""
        usable = [model for model in self.models if model.train_cutoff < t.date()]
        return usable[-1] if usable else None

    @property
    def features(self) -> tuple[str, ...]:
        """What any of them reads, sorted."""
        return tuple(sorted({name for model in self.models for name in model.features}))
