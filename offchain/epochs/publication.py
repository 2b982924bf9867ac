"""Everything a decision was made from besides the index file, in one file that is named by its hash.

    publication = Publication.of(decision, inputs, tokens)
    path = publication.write(folder)            <folder>/0x….json
    Publication.read(path)

The hash is what goes on the chain as `inputsHash`. It covers the inputs (by their own hash: the market snapshot, and what the
rules looked back on), what the index held, what could be traded, and which token stands for which coin: change any of it and
the hash is another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from offchain.canonical import canonical_json, keccak_hex
from offchain.errors import MarketDataError
from offchain.market.snapshot import MarketSnapshot
from offchain.methodology import Decision, Inputs

FORMAT = "ballast-publication/1"


@dataclass(frozen=True, kw_only=True)
class Publication:
    """`incumbents`: ids held; `tradable`: ids that could be held, None if that was not asked; `tokens`: {id: address}."""

    inputs: Inputs
    incumbents: tuple[str, ...]
    tradable: tuple[str, ...] | None
    tokens: Mapping[str, str]

    @classmethod
    def of(cls, decision: Decision, inputs: Inputs | MarketSnapshot, tokens: Mapping[str, str]) -> Publication:
        """What `decision` was made from. `tokens`: at least those with a weight; others are left out."""
        given = Inputs(snapshot=inputs) if isinstance(inputs, MarketSnapshot) else inputs
        if decision.inputs_hash != given.inputs_hash:
            raise MarketDataError(
                f"the decision was made from inputs {decision.inputs_hash}, these hash to {given.inputs_hash}; "
                "publish the inputs the decision was made from"
            )
        missing = sorted(name for name, weight in decision.target_weights.items() if weight and name not in tokens)
        if missing:
            raise MarketDataError(f"no token for {', '.join(missing)}; say which token stands for each coin")
        return cls(
            inputs=given,
            incumbents=decision.incumbents,
            tradable=decision.tradable,
            tokens={name: tokens[name] for name, weight in sorted(decision.target_weights.items()) if weight},
        )

    @property
    def snapshot(self) -> MarketSnapshot:
        """The facts of the day."""
        return self.inputs.snapshot

    @cached_property
    def inputs_hash(self) -> str:
        """keccak256 of the canonical document with the hash of the inputs in place of the inputs."""
        return keccak_hex({**self._document(), "snapshot": self.inputs.inputs_hash})

    def to_json(self) -> str:
        """Canonical JSON with the inputs in full."""
        return canonical_json({**self._document(), "snapshot": json.loads(self.inputs.to_json())})

    @classmethod
    def from_json(cls, text: str) -> Publication:
        """The inverse of `to_json`. Raises MarketDataError for anything else."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
            return cls(
                inputs=Inputs.from_json(json.dumps(data["snapshot"])),
                incumbents=tuple(map(str, data["incumbents"])),
                tradable=None if data["tradable"] is None else tuple(map(str, data["tradable"])),
                tokens={str(name): str(address) for name, address in sorted(data["tokens"].items())},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MarketDataError(f"not a publication: {error}; give the file that was published") from error

    def write(self, folder: Path) -> Path:
        """Writes the file under its own hash and returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.inputs_hash}.json"
        path.write_text(self.to_json() + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> Publication:
        """The publication in a file."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise MarketDataError(f"{path} cannot be read ({error.strerror}); give the published file") from error
        return cls.from_json(text)

    def _document(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "t": self.inputs.t,
            "incumbents": self.incumbents,
            "tradable": self.tradable,
            "tokens": self.tokens,
        }
