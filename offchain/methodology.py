"""From an index file and a market to a decision. The same object decides in a backtest and live.

    methodology = Methodology(load_spec("offchain/indexes/lc10.toml"))
    decision = methodology.decide(market, t, holdings)       reads market.until(t) and nothing else
    methodology.verify(decision, market)                     recomputes it, from a market or a published snapshot

A decision is pure: the same spec, snapshot, holdings and tradable coins give the same integers and the same hash on
every machine.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from offchain.canonical import Json, canonical_json, keccak_hex, utc_text, utc_time
from offchain.errors import DecisionMismatch, EmptyUniverse
from offchain.market.snapshot import Market, MarketSnapshot, Time
from offchain.spec.model import IndexSpec
from offchain.units import WAD, format_usd, format_weight
from offchain.universe.selection import Universe, Verdict, select
from offchain.weights.schemes import target_weights

FORMAT = "ballast-decision/1"

Holdings = Mapping[str, object] | Collection[str]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the index should hold from `t` on, and why.

    `target_weights`: {id: D18}, sorted by id, summing to exactly 1e18. `incumbents`: ids held at `t`. `tradable`: ids
    on the chain, None when none was meant. `findings`: doubts about the data of members and of coins just outside.
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
            }
        )

    @property
    def members(self) -> tuple[str, ...]:
        """Ids by rank."""
        return self.universe.members

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
            weight = format_weight(self.target_weights[name])
            rows.append((str(verdict.rank), verdict.symbol, name, weight, cap, verdict.reason))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        left = [f"left: {name}: {self.universe.verdict(name).reason}" for name in self.left]
        return "\n".join([*head, "", *table, *left, *(f"note: {finding}" for finding in self.findings)])


_VERDICT = tuple(row.name for row in fields(Verdict))


class Methodology:
    """The rules of one index."""

    def __init__(self, spec: IndexSpec) -> None:
        self.spec = spec

    def snapshot(self, market: Market, t: Time) -> MarketSnapshot:
        """What `decide` reads: publish its JSON next to the decision."""
        return market.snapshot(t, volume_days=self.spec.universe.volume_days)

    def decide(
        self, market: Market, t: Time, holdings: Holdings = (), *, tradable: Collection[str] | None = None
    ) -> Decision:
        """The decision at `t`. `holdings`: ids held now, or {id: amount or weight} where zero is not held.

        `tradable`: ids with a token and a feed on the chain; None does not ask. Raises EmptyUniverse,
        InfeasibleWeights or MissingHistory, each with the numbers.
        """
        return self.decide_on(self.snapshot(market, t), holdings, tradable=tradable)

    def decide_on(
        self, snapshot: MarketSnapshot, holdings: Holdings = (), *, tradable: Collection[str] | None = None
    ) -> Decision:
        """The same from a published snapshot, without the market."""
        if snapshot.volume_days != self.spec.universe.volume_days:
            raise DecisionMismatch(
                f"the snapshot's volumes are medians of {snapshot.volume_days} days, "
                f"universe.volume_days is {self.spec.universe.volume_days}; take it with methodology.snapshot"
            )
        incumbents = _held(holdings)
        on_chain = None if tradable is None else tuple(sorted(set(tradable)))
        universe = select(snapshot, self.spec.universe, incumbents=incumbents, tradable=on_chain)
        if not universe.members:
            raise EmptyUniverse(_nobody(self.spec, universe))
        caps = {name: cast(float, snapshot[name].market_cap) for name in universe.members}
        return Decision(
            symbol=self.spec.symbol,
            t=snapshot.t,
            target_weights=target_weights(caps, self.spec.weights),
            universe=universe,
            incumbents=incumbents,
            tradable=on_chain,
            spec_hash=self.spec.spec_hash,
            inputs_hash=snapshot.inputs_hash,
            findings=_findings(universe, self.spec.universe.top + self.spec.universe.buffer),
        )

    def verify(self, decision: Decision, source: Market | MarketSnapshot) -> None:
        """Recomputes `decision` and returns quietly, or raises DecisionMismatch naming each difference."""
        snapshot = source if isinstance(source, MarketSnapshot) else self.snapshot(source, decision.t)
        again = self.decide_on(snapshot, decision.incumbents, tradable=decision.tradable)
        differences = _differences(decision, again)
        if differences:
            raise DecisionMismatch(
                f"{decision.symbol} at {utc_text(decision.t)} does not follow from its inputs: "
                + "; ".join(differences)
            )


def verify(decision: Decision, source: Market | MarketSnapshot, *, spec: IndexSpec) -> None:
    """Recomputes `decision` by the rules of `spec`; raises DecisionMismatch naming each difference."""
    Methodology(spec).verify(decision, source)


def _held(holdings: Holdings) -> tuple[str, ...]:
    if isinstance(holdings, str):
        raise TypeError(f'holdings = "{holdings}" is one text; give a collection of ids or {{id: amount}}')
    if isinstance(holdings, Mapping):
        return tuple(sorted(name for name, amount in holdings.items() if amount))
    return tuple(sorted(set(holdings)))


def _findings(universe: Universe, depth: int) -> tuple[str, ...]:
    near = [verdict for verdict in universe.verdicts if verdict.rank is not None and verdict.rank <= depth]
    return tuple(f"{verdict.id}: {verdict.note}" for verdict in near if verdict.note)


def _nobody(spec: IndexSpec, universe: Universe) -> str:
    largest = sorted(universe.verdicts, key=lambda verdict: (-(verdict.market_cap or 0.0), verdict.id))[:3]
    why = "; ".join(f"{verdict.id}: {verdict.reason}" for verdict in largest) or "the market holds no coin at all"
    return f"{spec.symbol}: none of {len(universe.verdicts)} coins passes [universe]; the largest are out because {why}"


def _differences(given: Decision, again: Decision) -> list[str]:
    found = []
    for name in ("symbol", "t", "spec_hash", "inputs_hash"):
        if getattr(given, name) != getattr(again, name):
            found.append(f"{name} is {getattr(given, name)}, recomputed {getattr(again, name)}")
    for coin in sorted({*given.target_weights, *again.target_weights}):
        before, after = given.target_weights.get(coin, 0), again.target_weights.get(coin, 0)
        if before != after:
            found.append(f"weight of {coin} is {before}, recomputed {after}")
    return found


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
