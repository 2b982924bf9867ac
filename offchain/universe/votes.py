"""What holders voted about members, as data: every ballot with its proposal, its time, and what it says in or out.

A ballot counts from the time its result was known. Of several about one coin the latest counts, and of two at one time
the one with the larger proposal number. Ballots come from a file, or from the chain by `offchain.chain.ballots`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from offchain.canonical import Json, canonical_json, utc_text, utc_time
from offchain.errors import MarketDataError

FORMAT = "ballast-ballots/1"
RESULTS = ("passed", "failed")


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """One vote about members. `time`: when its result was known; `block`: where, None off chain; ids sorted."""

    proposal: int
    time: datetime
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    result: str = "passed"
    block: int | None = None

    def __post_init__(self) -> None:
        both = sorted(set(self.include) & set(self.exclude))
        if both:
            raise MarketDataError(
                f"proposal {self.proposal} votes {', '.join(both)} both in and out; correct the ballot"
            )
        if self.result not in RESULTS:
            raise MarketDataError(
                f'proposal {self.proposal}: result "{self.result}" is none of {", ".join(RESULTS)}; correct the ballot'
            )

    def __str__(self) -> str:
        where = "" if self.block is None else f", block {self.block}"
        return f"proposal {_short(self.proposal)} ({utc_text(self.time)}{where})"


@dataclass(frozen=True, kw_only=True)
class Voted:
    """What stands about each coin: {id: the ballot that says so}."""

    include: Mapping[str, Ballot]
    exclude: Mapping[str, Ballot]


NOTHING = Voted(include={}, exclude={})


def standing(ballots: Sequence[Ballot], t: datetime) -> Voted:
    """What stood at `t`: ballots that had passed by then, the latest for each coin."""
    include: dict[str, Ballot] = {}
    exclude: dict[str, Ballot] = {}
    for ballot in _oldest_first(ballots):
        if ballot.time > t or ballot.result != "passed":
            continue
        for name in ballot.include:
            include[name] = ballot
            exclude.pop(name, None)
        for name in ballot.exclude:
            exclude[name] = ballot
            include.pop(name, None)
    return Voted(include=include, exclude=exclude)


def ballots_to_json(ballots: Sequence[Ballot]) -> str:
    """Canonical JSON; `ballots_from_json` reads it back equal."""
    return canonical_json({"format": FORMAT, "ballots": _oldest_first(ballots)})


def ballots_from_json(text: str, *, source: str = "ballots") -> tuple[Ballot, ...]:
    """The inverse of `ballots_to_json`. Raises MarketDataError for anything else."""
    try:
        data = json.loads(text)
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
        return tuple(_read(row) for row in cast("list[dict[str, Json]]", data["ballots"]))
    except (KeyError, TypeError, ValueError) as error:
        raise MarketDataError(f"{source}: not a file of ballots: {error}; see offchain/universe/votes.py") from error


def load_ballots(path: str | os.PathLike[str]) -> tuple[Ballot, ...]:
    """The ballots in a JSON file."""
    try:
        return ballots_from_json(Path(path).read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise MarketDataError(f"{path}: cannot be read ({error.strerror}); correct universe.votes") from error


def _oldest_first(ballots: Sequence[Ballot]) -> list[Ballot]:
    return sorted(ballots, key=lambda ballot: (ballot.time, ballot.proposal))


def _read(row: Mapping[str, Json]) -> Ballot:
    block = row.get("block")
    return Ballot(
        proposal=int(str(row["proposal"])),
        time=utc_time(str(row["time"])),
        include=_names(row.get("include")),
        exclude=_names(row.get("exclude")),
        result=str(row.get("result", "passed")),
        block=None if block is None else int(str(block)),
    )


def _names(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list | None):
        raise ValueError(f"{value!r} is not a list of ids")
    return tuple(sorted(str(name) for name in value or ()))


def _short(number: int) -> str:
    """A governor's proposal numbers have 78 digits; ten tell them apart."""
    text = str(number)
    return text if len(text) <= 12 else f"{text[:5]}…{text[-5:]}"
