"""What went wrong with a member since the last review: red flags, each a reason to take it out at once.

    flags = monitor(snapshot, members, rules, history=…, dossiers=…, incidents=…)
    barred = {flag.id: flag.reason for flag in flags}                  what select and due are told

An index provider calls it an extraordinary deletion. A flag is a fact about a coin and a time, so monitoring twice says the
same twice, and a backtest raises the flag on the day the market did. Look at it daily, or as often as there is new data.

    dead         no price, or nothing traded, for days
    collapse     the price fell to a twentieth from one day to the next, or further than universe.max_fall allows
    inflation    the supply that market cap and price imply doubled within 30 days: somebody made coins
    dried-up     the median volume of a week is a tenth of universe.min_volume_usd
    delisted     half of the venues that listed it 30 days ago are gone
    vetting      its newest dossier does not pass any more
    incident     somebody wrote an incident down: an exploit, a fraud, a halt, a court
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from offchain.canonical import Json, canonical_json, utc_text, utc_time
from offchain.errors import MarketDataError, did_you_mean
from offchain.market.history import History, Needs
from offchain.market.snapshot import CoinFacts, MarketSnapshot
from offchain.spec.universe_rules import UniverseRules
from offchain.universe.eligibility import Evidence, Screen
from offchain.universe.measures import middle
from offchain.universe.vetting import Dossiers, dossier_at, objection

FORMAT = "ballast-incidents/1"
FLAGS = ("dead", "collapse", "inflation", "dried-up", "delisted", "vetting", "incident")
INCIDENTS = (
    "exploit",
    "rug-pull",
    "fraud",
    "ponzi",
    "impersonation",
    "plagiarism",
    "halt",
    "delisting",
    "legal",
    "depeg",
)
WINDOW = 30
WEEK = 7
INFLATION = 2.0
DRIED_UP = 0.1
DELISTED = 0.5


@dataclass(frozen=True, kw_only=True)
class RedFlag:
    """One thing that is wrong with one coin. `code`: one of FLAGS; `reason`: with its numbers."""

    id: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.id}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that happened to a coin, written down by a person. `time`: when it was known; `until`: when it is over.

    `kind`: one of INCIDENTS; `evidence`: where it can be read.
    """

    id: str
    time: datetime
    kind: str
    evidence: str
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.kind not in INCIDENTS:
            near = did_you_mean(self.kind, INCIDENTS)
            raise MarketDataError(f'incident of {self.id}: "{self.kind}" is none of {", ".join(INCIDENTS)}.{near}')

    def is_open(self, t: datetime) -> bool:
        """Whether it was known at `t` and not over."""
        return self.time <= t and (self.until is None or t < self.until)


def monitor_needs(rules: UniverseRules) -> Needs:
    """What `monitor` looks back at; give also "listings" when a source has it."""
    days = max(WINDOW + 1, rules.quarantine_days + 1 + rules.fall_days if rules.max_fall else 0)
    return Needs(days=days, fields=("market_cap", "price", "volume"))


def monitor(
    snapshot: MarketSnapshot,
    members: Collection[str],
    rules: UniverseRules,
    *,
    history: History | None = None,
    dossiers: Dossiers | None = None,
    incidents: Sequence[Incident] = (),
) -> tuple[RedFlag, ...]:
    """The red flags of `members` at the snapshot's time, by id, at most one of each code for a coin.

    `history`: of at least the members, by `monitor_needs`; without it what looks back is not asked.
    """
    view = Screen(snapshot=snapshot, rules=rules, evidence=Evidence(t=snapshot.t, history=history))
    flags: list[RedFlag] = []
    for name in sorted(set(members)):
        if name not in snapshot:
            flags.append(RedFlag(id=name, code="dead", reason="not in the market data any more"))
            continue
        coin = snapshot[name]
        found = {
            "dead": _dead(coin, view),
            "collapse": _collapsed(coin, view),
            "inflation": _inflated(name, history),
            "dried-up": _dried_up(name, rules, history),
            "delisted": _delisted(name, history),
            "vetting": objection(dossier_at(dossiers or {}, name, snapshot.t), rules, snapshot.t) if dossiers is not None else "",
            "incident": _incident(name, snapshot.t, incidents),
        }  # fmt: skip
        flags += [RedFlag(id=name, code=code, reason=reason) for code, reason in found.items() if reason]
    return tuple(flags)


def _dead(coin: CoinFacts, view: Screen) -> str:
    reason, kind = view.reason_now(coin)
    return reason if kind == "dead" else ""


def _collapsed(coin: CoinFacts, view: Screen) -> str:
    if coin.state == "jump_down" and coin.price and coin.observed_price is not None:
        return f"price fell to {coin.observed_price / coin.price:.2g} times the last believed one"
    return "" if view.evidence.history is None else view.fallen(coin)


def _inflated(name: str, history: History | None) -> str:
    """By the supply that market cap and price imply: at the newest day against the lowest of the 30 days before it."""
    if history is None or not (history.has("market_cap") and history.has("price")) or name not in history.ids:
        return ""
    column = history.column(name)
    cap, price = history.panel("market_cap")[-WINDOW - 1 :, column], history.panel("price")[-WINDOW - 1 :, column]
    supply = [c / p for c, p in zip(cap.tolist(), price.tolist(), strict=True) if c == c and p == p]
    if len(supply) < 2 or supply[-1] < INFLATION * min(supply[:-1]):
        return ""
    return f"supply grew {supply[-1] / min(supply[:-1]):.3g}-fold within {WINDOW} days (limit {INFLATION:g})"


def _dried_up(name: str, rules: UniverseRules, history: History | None) -> str:
    if history is None or not history.has("volume") or name not in history.ids:
        return ""
    volume = middle(history, "volume", days=WEEK)[name]
    limit = DRIED_UP * rules.min_volume_usd
    if volume is None or volume >= limit:
        return ""
    return (
        f"median volume of {WEEK} days ${volume:,.0f} (limit ${limit:,.0f}, {DRIED_UP:.0%} of universe.min_volume_usd)"
    )


def _delisted(name: str, history: History | None) -> str:
    if history is None or not history.has("listings") or name not in history.ids:
        return ""
    known = [v for v in history.panel("listings")[-WINDOW - 1 :, history.column(name)].tolist() if v == v]
    if len(known) < 2 or known[-1] > DELISTED * max(known):
        return ""
    return f"listed on {known[-1]:.0f} venues, {WINDOW} days ago on up to {max(known):.0f}"


def _incident(name: str, t: datetime, incidents: Sequence[Incident]) -> str:
    known = sorted(
        (one for one in incidents if one.id == name and one.is_open(t)), key=lambda one: (one.time, one.kind)
    )
    return f"{known[-1].kind} of {utc_text(known[-1].time)}: {known[-1].evidence}" if known else ""


# --- incidents as data ------------------------------------------------------------------------------------------------


def incidents_to_json(incidents: Sequence[Incident]) -> str:
    """Canonical JSON; `incidents_from_json` reads it back equal."""
    rows = sorted(incidents, key=lambda one: (one.time, one.id, one.kind))
    return canonical_json({"format": FORMAT, "incidents": rows})


def incidents_from_json(text: str, *, source: str = "incidents") -> tuple[Incident, ...]:
    """The inverse of `incidents_to_json`. Raises MarketDataError for anything else."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
        return tuple(_read(row) for row in cast("list[dict[str, Json]]", data["incidents"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MarketDataError(
            f"{source}: not a file of incidents: {error}; see offchain/universe/monitor.py"
        ) from error


def load_incidents(path: str | os.PathLike[str]) -> tuple[Incident, ...]:
    """The incidents in a JSON file."""
    try:
        return incidents_from_json(Path(path).read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise MarketDataError(f"{path}: cannot be read ({error.strerror}); correct universe.incidents") from error


def _read(row: Mapping[str, Json]) -> Incident:
    until = row.get("until")
    return Incident(
        id=str(row["id"]),
        time=utc_time(str(row["time"])),
        kind=str(row["kind"]),
        evidence=str(row["evidence"]),
        until=None if until is None else utc_time(str(until)),
    )
