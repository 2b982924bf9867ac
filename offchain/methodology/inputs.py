"""Everything that a decision is made from, besides the rules: publish its JSON next to the decision and anyone can decide again.

    inputs = methodology.inputs(market, t, holdings)       the only place where a market is read
    methodology.decide_on(inputs, holdings)

Rules that look at nothing but the day's facts are decided from a `MarketSnapshot` alone, and its hash is the hash of the
inputs. Rules that look back, at what is held, or at other indexes, take more; then the hash covers each part by its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import cast

from offchain.canonical import Json, canonical_json, keccak_hex
from offchain.errors import MarketDataError
from offchain.market.history import History
from offchain.market.snapshot import MarketSnapshot
from offchain.universe.records import Records

FORMAT = "ballast-inputs/1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """`history`: what signals, weights and risk look back on. `held`: {id: part of 1} now, for limits on change.

    `levels`: the index's own level on the days up to `t`, oldest first, for stops. `labels`: {id: label} of the decision
    before, which hysteresis protects. `records`: what people said. `gone`: {id: the event that ended it by `t`}. `sleeves`: the inputs of the indexes that this one is
    made of, by the name in [[sleeves]].
    """

    snapshot: MarketSnapshot
    history: History | None = None
    held: Mapping[str, float] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    records: Records = Records()
    gone: Mapping[str, str] = field(default_factory=dict)
    sleeves: Mapping[str, Inputs] = field(default_factory=dict)

    @property
    def t(self) -> datetime:
        """When the decision is made."""
        return self.snapshot.t

    @property
    def is_plain(self) -> bool:
        """Whether the snapshot is all there is."""
        parts = (
            self.history is not None,
            self.held,
            self.levels,
            self.labels,
            self.has_records,
            self.gone,
            self.sleeves,
        )
        return not any(parts)

    @property
    def has_records(self) -> bool:
        """Whether anybody said anything."""
        return self.records != Records()

    @cached_property
    def inputs_hash(self) -> str:
        """keccak256 of the parts by their own hashes; of plain inputs, the hash of the snapshot."""
        if self.is_plain:
            return self.snapshot.inputs_hash
        return keccak_hex(
            {
                **self._small_parts(),
                "snapshot": self.snapshot.inputs_hash,
                "history": None if self.history is None else self.history.inputs_hash,
                "records": self.records.inputs_hash if self.has_records else None,
                "sleeves": {name: inputs.inputs_hash for name, inputs in self.sleeves.items()},
            }
        )

    def to_json(self) -> str:
        """Canonical JSON with every part in full; `Inputs.from_json` reads it back with the same hash."""
        return canonical_json(self._document())

    @classmethod
    def from_json(cls, text: str) -> Inputs:
        """The inverse of `to_json`; also reads a bare market snapshot. Raises MarketDataError for anything else."""
        try:
            data = json.loads(text)
            if not isinstance(data, dict):
                raise ValueError("not an object")
        except ValueError as error:
            raise MarketDataError(f"not the inputs of a decision: {error}; give the file that was published") from error
        return _read(data)

    def _small_parts(self) -> dict[str, object]:
        parts: dict[str, object] = {"format": FORMAT, "t": self.t, "held": self.held, "levels": self.levels}
        return {**parts, "labels": self.labels, "gone": self.gone}

    def _document(self) -> dict[str, object]:
        snapshot = json.loads(self.snapshot.to_json())
        if self.is_plain:
            return dict(snapshot)
        return {
            **self._small_parts(),
            "snapshot": snapshot,
            "history": None if self.history is None else json.loads(self.history.to_json()),
            "records": json.loads(self.records.to_json()) if self.has_records else None,
            "sleeves": {name: inputs._document() for name, inputs in self.sleeves.items()},
        }


def _read(data: Mapping[str, Json]) -> Inputs:
    if data.get("format") != FORMAT:
        return Inputs(snapshot=MarketSnapshot.from_json(json.dumps(data)))
    try:
        held, levels, labels, gone = data["held"], data["levels"], data["labels"], data["gone"]
        records, sleeves = data["records"], data["sleeves"]
        if not isinstance(levels, list) or not all(isinstance(part, dict) for part in (held, labels, gone, sleeves)):
            raise ValueError("held, levels, labels, gone or sleeves has another shape")
        return Inputs(
            snapshot=MarketSnapshot.from_json(json.dumps(data["snapshot"])),
            history=None if data["history"] is None else History.from_json(json.dumps(data["history"])),
            held={name: float(str(part)) for name, part in cast("dict[str, Json]", held).items()},
            levels=tuple(float(str(level)) for level in levels),
            labels={name: str(label) for name, label in cast("dict[str, Json]", labels).items()},
            gone={name: str(why) for name, why in cast("dict[str, Json]", gone).items()},
            records=Records() if records is None else Records.from_json(json.dumps(records)),
            sleeves={name: _read(inputs) for name, inputs in cast("dict[str, dict[str, Json]]", sleeves).items()},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MarketDataError(f"not the inputs of a decision: {error}; give the file that was published") from error
