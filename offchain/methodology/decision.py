"""What the index should hold from a time on, why, and the hashes that bind it to its rules and inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from offchain.canonical import Json, canonical_json, keccak_hex, utc_text, utc_time
from offchain.errors import DecisionMismatch
from offchain.steps import Step
from offchain.units import WAD, format_usd, format_weight
from offchain.universe.selection import Universe, Verdict

FORMAT = "ballast-decision/1"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the index should hold from `t` on, and why.

    `target_weights`: {id: D18}, sorted by id, summing to exactly 1e18. `incumbents`: ids held at `t`. `tradable`: ids
    on the chain, None when none was meant. `findings`: doubts about the data of members and of coins just outside.
    `steps`: how the weights came about; `labels`, `phase`: what the signals said of each candidate and of the market, empty
    without signals; `model_hash`: the trained model that was asked, "" for written rules.
    """

    symbol: str
    t: datetime
    target_weights: Mapping[str, int]
    universe: Universe
    incumbents: tuple[str, ...]
    tradable: tuple[str, ...] | None
    spec_hash: str
    inputs_hash: str
    findings: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    phase: str = ""
    model_hash: str = ""

    @cached_property
    def decision_hash(self) -> str:
        """keccak256 of everything that was decided and everything it was decided from; wording is not part of it."""
        return keccak_hex(
            {
                "format": FORMAT,
                "symbol": self.symbol,
                "t": self.t,
                "spec_hash": self.spec_hash,
                "inputs_hash": self.inputs_hash,
                "incumbents": self.incumbents,
                "tradable": self.tradable,
                "target_weights": self.target_weights,
                **({"model_hash": self.model_hash} if self.model_hash else {}),
            }
        )

    @property
    def members(self) -> tuple[str, ...]:
        """Ids by rank, then what is held beside them, such as the stable side, by id."""
        beside = sorted(set(self.target_weights) - set(self.universe.members))
        return (*self.universe.members, *beside)

    @property
    def entered(self) -> tuple[str, ...]:
        """Members that were not held, by rank."""
        return tuple(name for name in self.members if name not in self.incumbents)

    @property
    def left(self) -> tuple[str, ...]:
        """Held coins that are not members any more, by id."""
        return tuple(name for name in self.incumbents if name not in self.members)

    @property
    def reasons(self) -> dict[str, str]:
        """{id: why it is in or out} of members and of everything that was held, then of the rest."""
        known = {verdict.id: verdict.reason for verdict in self.universe.verdicts}
        return known | {name: self.universe.verdict(name).reason for name in self.left}

    def why(self, coin_id: str) -> str:
        """One line on one coin: its place in the universe, or the stage that put it in."""
        if coin_id in self.universe.members or coin_id not in self.target_weights:
            return self.universe.verdict(coin_id).reason
        said = [step.reasons[coin_id] for step in self.steps if coin_id in step.reasons]
        return said[-1] if said else self.universe.verdict(coin_id).reason

    def to_json(self) -> str:
        """Canonical JSON with every verdict; `Decision.from_json` reads it back equal."""
        rows = [[getattr(verdict, name) for name in _VERDICT] for verdict in self.universe.verdicts]
        return canonical_json(
            {
                "format": FORMAT,
                "symbol": self.symbol,
                "t": self.t,
                "target_weights": self.target_weights,
                "members": self.universe.members,
                **self._explanation(),
                "columns": _VERDICT,
                "verdicts": rows,
                "incumbents": self.incumbents,
                "tradable": self.tradable,
                "spec_hash": self.spec_hash,
                "inputs_hash": self.inputs_hash,
                "decision_hash": self.decision_hash,
                "findings": self.findings,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """The inverse of `to_json`. Raises DecisionMismatch when it is none, or its hash does not hold."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
            decision = _read_decision(data)
        except (KeyError, TypeError, ValueError) as error:
            raise DecisionMismatch(f"not a decision: {error}; give the file that decide wrote") from error
        if decision.decision_hash != data["decision_hash"]:
            raise DecisionMismatch(
                f"decision_hash says {data['decision_hash']} but the content hashes to {decision.decision_hash}: "
                "the file was changed after it was written"
            )
        return decision

    def _explanation(self) -> dict[str, object]:
        """What only some rules have; rules without it keep the form they always had."""
        parts = {"steps": self.steps, "labels": self.labels, "phase": self.phase, "model_hash": self.model_hash}
        return {name: part for name, part in parts.items() if part}

    def __str__(self) -> str:
        head = [
            f"{self.symbol} at {utc_text(self.t)}",
            f"  spec {self.spec_hash}",
            f"  inputs {self.inputs_hash}",
            f"  decision {self.decision_hash}",
        ]
        rows = [("rank", "symbol", "id", "weight", "market cap", "why")]
        for name in self.members:
            verdict = self.universe.verdict(name)
            cap = "" if verdict.market_cap is None else format_usd(verdict.market_cap)
            weight = format_weight(self.target_weights.get(name, 0))
            rank = "" if verdict.rank is None else str(verdict.rank)
            rows.append((rank, verdict.symbol, name, weight, cap, self.why(name)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        left = [f"left: {name}: {self.universe.verdict(name).reason}" for name in self.left]
        return "\n".join([*head, "", *table, *left, *(f"note: {finding}" for finding in self.findings)])


_VERDICT = tuple(row.name for row in fields(Verdict))


def _read_decision(data: Mapping[str, Json]) -> Decision:
    verdicts = tuple(
        _read_verdict(dict(zip(_VERDICT, row, strict=True))) for row in cast("list[Any]", data["verdicts"])
    )
    time = utc_time(str(data["t"]))
    weights = {name: int(weight) for name, weight in sorted(cast("dict[str, str]", data["target_weights"]).items())}
    if sum(weights.values()) != WAD:
        raise ValueError(f"target weights sum to {sum(weights.values())}, not {WAD}")
    return Decision(
        symbol=str(data["symbol"]),
        t=time,
        target_weights=weights,
        universe=Universe(t=time, members=tuple(cast("list[Any]", data["members"])), verdicts=verdicts),
        incumbents=tuple(cast("list[Any]", data["incumbents"])),
        tradable=None if data["tradable"] is None else tuple(cast("list[Any]", data["tradable"])),
        spec_hash=str(data["spec_hash"]),
        inputs_hash=str(data["inputs_hash"]),
        findings=tuple(cast("list[Any]", data["findings"])),
        steps=tuple(_read_step(step) for step in cast("list[Any]", data.get("steps", []))),
        labels=dict(sorted(cast("dict[str, str]", data.get("labels", {})).items())),
        phase=str(data.get("phase", "")),
        model_hash=str(data.get("model_hash", "")),
    )


def _read_step(row: Mapping[str, Any]) -> Step:
    return Step(
        stage=str(row["stage"]),
        summary=str(row["summary"]),
        weights={str(name): float(part) for name, part in sorted(row["weights"].items())},
        reasons={str(name): str(reason) for name, reason in sorted(row["reasons"].items())},
    )


def _read_verdict(row: Mapping[str, Json]) -> Verdict:
    return Verdict(
        id=str(row["id"]),
        symbol=str(row["symbol"]),
        is_member=bool(row["is_member"]),
        rank=None if row["rank"] is None else int(str(row["rank"])),
        market_cap=None if row["market_cap"] is None else float(str(row["market_cap"])),
        reason=str(row["reason"]),
        note=str(row["note"]),
    )
