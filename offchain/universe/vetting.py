"""Due diligence as data: a dossier per token says what was checked, how it came out, on what evidence, when and by whom.

`offchain.chain.dossiers` fills one from the chain; people add what only people can check (an audit, a team, a white paper).
Selection reads dossiers and nothing else, so that a decision can be repeated without a chain.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from offchain.canonical import Json, canonical_json, utc_time
from offchain.errors import MarketDataError, did_you_mean
from offchain.spec.universe_rules import POWERS, UniverseRules

FORMAT = "ballast-dossiers/1"
OUTCOMES = ("passed", "failed", "unknown")


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at. `outcome`: one of OUTCOMES; `evidence`: what was seen, or where it can be seen."""

    name: str
    outcome: str
    evidence: str

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES:
            near = did_you_mean(self.outcome, OUTCOMES)
            raise MarketDataError(
                f'check "{self.name}": outcome "{self.outcome}" is none of {", ".join(OUTCOMES)}.{near}'
            )


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """What is known about one token. `powers`: those of POWERS that somebody has over its holders, sorted.

    `holder_share`: part of the supply that its ten largest holders have, 0..1; `pool_usd`: depth of its pools; None is
    unknown. `time`: when it was checked; `block`: where, None when nothing was read from a chain.
    """

    id: str
    time: datetime
    reviewer: str
    checks: tuple[Check, ...] = ()
    powers: tuple[str, ...] = ()
    holder_share: float | None = None
    pool_usd: float | None = None
    token: str = ""
    chain_id: int | None = None
    block: int | None = None

    def __post_init__(self) -> None:
        for power in self.powers:
            if power not in POWERS:
                raise MarketDataError(
                    f'dossier of {self.id}: "{power}" is no power; known are {", ".join(POWERS)}.{did_you_mean(power, POWERS)}'
                )

    def check(self, name: str) -> Check | None:
        """The check of that name, None when it was not made."""
        return next((check for check in self.checks if check.name == name), None)

    @property
    def failed(self) -> tuple[Check, ...]:
        """Checks that failed, in their order."""
        return tuple(check for check in self.checks if check.outcome == "failed")


Dossiers = Mapping[str, tuple[Dossier, ...]]


def by_coin(dossiers: Iterable[Dossier]) -> Dossiers:
    """{id: its dossiers, oldest first}."""
    found: dict[str, list[Dossier]] = {}
    for dossier in sorted(dossiers, key=lambda one: (one.id, one.time)):
        found.setdefault(dossier.id, []).append(dossier)
    return {name: tuple(rows) for name, rows in found.items()}


def dossier_at(dossiers: Dossiers, coin_id: str, t: datetime) -> Dossier | None:
    """The latest dossier on a coin that was there at `t`."""
    return next((one for one in reversed(dossiers.get(coin_id, ())) if one.time <= t), None)


def objection(dossier: Dossier | None, rules: UniverseRules, t: datetime) -> str:
    """Why a coin with this dossier may not be held at `t`, "" when it may. What is unknown does not pass."""
    if not rules.is_vetted:
        return ""
    if dossier is None:
        return "nobody has vetted it (no dossier)"
    by = f"by the dossier of {dossier.time:%Y-%m-%d}, {dossier.reviewer}"
    age = (t - dossier.time).days
    if rules.max_dossier_days and age > rules.max_dossier_days:
        return f"its dossier is {age} days old (universe.max_dossier_days {rules.max_dossier_days})"
    if rules.require_checked and dossier.failed:
        check = dossier.failed[0]
        return f'check "{check.name}" failed: {check.evidence} ({by})'
    return _missing_check(dossier, rules, by) or _power(dossier, rules, by) or _concentration(dossier, rules, by)


def _missing_check(dossier: Dossier, rules: UniverseRules, by: str) -> str:
    for name in rules.require_checks:
        check = dossier.check(name)
        if check is None or check.outcome != "passed":
            state = "was not made" if check is None else f"{check.outcome}: {check.evidence}"
            return f'check "{name}" {state} (universe.require_checks; {by})'
    return ""


def _power(dossier: Dossier, rules: UniverseRules, by: str) -> str:
    refused = sorted(set(dossier.powers) & set(rules.refuse_powers))
    return f"somebody may {', '.join(refused)} (universe.refuse_powers; {by})" if refused else ""


def _concentration(dossier: Dossier, rules: UniverseRules, by: str) -> str:
    if rules.max_holder_share < 1:
        share = dossier.holder_share
        if share is None:
            return f"the share of its largest holders is unknown ({by})"
        if share > rules.max_holder_share:
            return f"its ten largest holders have {share:.1%} (universe.max_holder_share {rules.max_holder_share:.1%}; {by})"
    if rules.min_pool_usd:
        depth = dossier.pool_usd
        if depth is None or depth < rules.min_pool_usd:
            shown = "unknown" if depth is None else f"${depth:,.0f}"
            return f"depth of its pools {shown} (universe.min_pool_usd ${rules.min_pool_usd:,.0f}; {by})"
    return ""


# --- files ------------------------------------------------------------------------------------------------------------


def dossiers_to_json(dossiers: Iterable[Dossier]) -> str:
    """Canonical JSON; `dossiers_from_json` reads it back equal."""
    rows = sorted(dossiers, key=lambda one: (one.id, one.time))
    return canonical_json({"format": FORMAT, "dossiers": rows})


def dossiers_from_json(text: str, *, source: str = "dossiers") -> tuple[Dossier, ...]:
    """The inverse of `dossiers_to_json`. Raises MarketDataError for anything else."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
        return tuple(_read(row) for row in cast("list[dict[str, Json]]", data["dossiers"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MarketDataError(f"{source}: not a file of dossiers: {error}; see offchain/universe/vetting.py") from error


def load_dossiers(path: str | os.PathLike[str]) -> tuple[Dossier, ...]:
    """The dossiers in a JSON file."""
    try:
        return dossiers_from_json(Path(path).read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise MarketDataError(f"{path}: cannot be read ({error.strerror}); correct universe.dossiers") from error


def _read(row: Mapping[str, Json]) -> Dossier:
    return Dossier(
        id=str(row["id"]),
        time=utc_time(str(row["time"])),
        reviewer=str(row["reviewer"]),
        checks=tuple(
            Check(name=str(one["name"]), outcome=str(one["outcome"]), evidence=str(one["evidence"]))
            for one in cast("list[dict[str, Json]]", row.get("checks") or [])
        ),
        powers=tuple(sorted(str(power) for power in cast("list[Json]", row.get("powers") or []))),
        holder_share=_number(row.get("holder_share")),
        pool_usd=_number(row.get("pool_usd")),
        token=str(row.get("token", "")),
        chain_id=_count(row.get("chain_id")),
        block=_count(row.get("block")),
    )


def _number(value: Json) -> float | None:
    return None if value is None else float(str(value))


def _count(value: Json) -> int | None:
    return None if value is None else int(str(value))
