"""What people wrote down that a decision may read: ballots, dossiers and incidents, each with the time it was known.

    records = load_records(rules, folder=index_file.parent)
    select(snapshot, rules, **records.until(t).arguments(t), …)

They are inputs like prices: `until(t)` is the only door to them, and `to_json` goes beside the published snapshot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TypedDict

from offchain.canonical import canonical_json, keccak_hex
from offchain.errors import MarketDataError
from offchain.spec.universe_rules import UniverseRules
from offchain.universe.monitor import Incident, incidents_from_json, incidents_to_json, load_incidents
from offchain.universe.vetting import Dossier, Dossiers, by_coin, dossiers_from_json, dossiers_to_json, load_dossiers
from offchain.universe.votes import Ballot, ballots_from_json, ballots_to_json, load_ballots

FORMAT = "ballast-records/1"
GOVERNOR = "governor"


class Arguments(TypedDict):
    """What `select` is given of the records."""

    votes: Sequence[Ballot]
    dossiers: Dossiers
    barred: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Records:
    """Ballots and incidents, oldest first; dossiers by id, then oldest first."""

    ballots: tuple[Ballot, ...] = ()
    dossiers: tuple[Dossier, ...] = ()
    incidents: tuple[Incident, ...] = ()

    def until(self, t: datetime) -> Records:
        """What was known at `t`."""
        return Records(
            ballots=tuple(one for one in self.ballots if one.time <= t),
            dossiers=tuple(one for one in self.dossiers if one.time <= t),
            incidents=tuple(one for one in self.incidents if one.time <= t),
        )

    def arguments(self, t: datetime) -> Arguments:
        """As keyword arguments of `select`; an incident that is not over bars its coin."""
        known = self.until(t)
        barred = {one.id: f"{one.kind}: {one.evidence}" for one in known.incidents if one.is_open(t)}
        return Arguments(votes=known.ballots, dossiers=by_coin(known.dossiers), barred=barred)

    def to_json(self) -> str:
        """Canonical JSON; `Records.from_json` reads it back equal."""
        return canonical_json(self._document())

    @cached_property
    def inputs_hash(self) -> str:
        """keccak256 of `to_json()`."""
        return keccak_hex(self._document())

    @classmethod
    def from_json(cls, text: str) -> Records:
        """The inverse of `to_json`. Raises MarketDataError for anything else."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
            ballots, dossiers, incidents = (json.dumps(data[name]) for name in ("ballots", "dossiers", "incidents"))
        except (KeyError, TypeError, ValueError) as error:
            raise MarketDataError(f"not records: {error}; give the file that was published") from error
        return cls(
            ballots=ballots_from_json(ballots),
            dossiers=dossiers_from_json(dossiers),
            incidents=incidents_from_json(incidents),
        )

    def _document(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "ballots": json.loads(ballots_to_json(self.ballots)),
            "dossiers": json.loads(dossiers_to_json(self.dossiers)),
            "incidents": json.loads(incidents_to_json(self.incidents)),
        }


def load_records(
    rules: UniverseRules, *, folder: str | os.PathLike[str] = ".", ballots: Sequence[Ballot] | None = None
) -> Records:
    """The files that an index file names, relative to its own folder.

    `ballots`: those read from the chain; needed when universe.votes is "governor". Raises MarketDataError.
    """
    if rules.votes == GOVERNOR and ballots is None:
        raise MarketDataError(
            'universe.votes = "governor" counts votes on a chain: give ballots, as offchain.chain.ballots.read_ballots '
            "reads them, or name a file of them"
        )
    place = Path(folder)
    voted = tuple(ballots or ()) if rules.votes in ("", GOVERNOR) else load_ballots(place / rules.votes)
    return Records(
        ballots=tuple(sorted(voted, key=lambda one: (one.time, one.proposal))),
        dossiers=_sorted(load_dossiers(place / rules.dossiers)) if rules.dossiers else (),
        incidents=load_incidents(place / rules.incidents) if rules.incidents else (),
    )


def _sorted(dossiers: Sequence[Dossier]) -> tuple[Dossier, ...]:
    return tuple(sorted(dossiers, key=lambda one: (one.id, one.time)))
