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

from offchain.canonical import Json, canonical_json, keccak_hex
from offchain.errors import MarketDataError
from offchain.market.history import History
from offchain.market.snapshot import MarketSnapshot

FORMAT = "ballast-inputs/1"


@dataclass(frozen=True, kw_only=True, eq=False)
class Inputs:
    """`history`: what signals, weights and risk look back on. `held`: {id: part of 1} now, for limits on change.

    `levels`: the index's own level on the days up to `t`, oldest first, for stops. `sleeves`: the inputs of the indexes
    that this one is made of, by symbol.
    """

    snapshot: MarketSnapshot
    history: History | None = None
    held: Mapping[str, float] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    sleeves: Mapping[str, Inputs] = field(default_factory=dict)

    @property
    def t(self) -> datetime:
        """When the decision is made."""
        return self.snapshot.t

    @property
    def is_plain(self) -> bool:
        """Whether the snapshot is all there is."""
        return self.history is None and not self.held and not self.levels and not self.sleeves

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
                "sleeves": {symbol: inputs.inputs_hash for symbol, inputs in self.sleeves.items()},
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
        return {"format": FORMAT, "t": self.t, "held": dict(sorted(self.held.items())), "levels": self.levels}

    def _document(self) -> dict[str, object]:
        snapshot = json.loads(self.snapshot.to_json())
        if self.is_plain:
            return dict(snapshot)
        return {
            **self._small_parts(),
            "snapshot": snapshot,
            "history": None if self.history is None else json.loads(self.history.to_json()),
            "sleeves": {symbol: inputs._document() for symbol, inputs in self.sleeves.items()},
        }


def _read(data: Mapping[str, Json]) -> Inputs:
    if data.get("format") != FORMAT:
        return Inputs(snapshot=MarketSnapshot.from_json(json.dumps(data)))
    try:
        held, levels, sleeves = data["held"], data["levels"], data["sleeves"]
        if not isinstance(held, dict) or not isinstance(levels, list) or not isinstance(sleeves, dict):
            raise ValueError("held, levels or sleeves has another shape")
        return Inputs(
            snapshot=MarketSnapshot.from_json(json.dumps(data["snapshot"])),
            history=None if data["history"] is None else History.from_json(json.dumps(data["history"])),
            held={name: float(str(part)) for name, part in held.items()},
            levels=tuple(float(str(level)) for level in levels),
            sleeves={symbol: _read(inputs) for symbol, inputs in sleeves.items() if isinstance(inputs, dict)},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MarketDataError(f"not the inputs of a decision: {error}; give the file that was published") from error
