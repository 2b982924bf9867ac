"""What was published stays as it was, until a restatement says what changed, by how much, and why.

series = extended(published, computed)                    appends days; refuses to change an old one
restated = restate(published, corrected, reason="…", at=t)
print(restated)                                           the difference, day by day
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pandas as pd

from offchain.canonical import utc_text
from offchain.errors import LevelsChanged, MarketDataError
from offchain.levels.ledger import DECIMALS, LevelSeries

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Change:
    """One published level and what it should have been. `relative`: new / old − 1."""

    time: datetime
    old: float
    new: float

    @property
    def relative(self) -> float:
        return self.new / self.old - 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Restatement:
    """`series`: the corrected levels, days that differ marked "restated"; `replaced`: hash of what was published before."""

    series: LevelSeries
    changes: tuple[Change, ...]
    reason: str
    at: datetime
    replaced: str

    @property
    def largest(self) -> Change | None:
        """The largest relative change."""
        return max(self.changes, key=lambda change: abs(change.relative), default=None)

    def __str__(self) -> str:
        head = f"restated {utc_text(self.at)}: {self.reason}; replaces {self.replaced} by {self.series.levels_hash}"
        largest = self.largest
        if largest is None:
            return f"{head}\n  no published level changes"
        lines = [
            f"  {len(self.changes)} of {len(self.series)} levels change, from {self.changes[0].time:%Y-%m-%d} on; "
            f"the most on {largest.time:%Y-%m-%d}: {largest.relative * 100:+.6f} %"
        ]
        for change in self.changes[:SHOWN]:
            lines.append(
                f"  {change.time:%Y-%m-%d}  {change.old:.{DECIMALS}f} → {change.new:.{DECIMALS}f}  "
                f"{change.relative * 100:+.6f} %"
            )
        if len(self.changes) > SHOWN:
            lines.append(f"  and {len(self.changes) - SHOWN} more")
        return "\n".join([head, *lines])


def restate(published: LevelSeries, corrected: LevelSeries, *, reason: str, at: datetime) -> Restatement:
    """The corrected series with what it changes. Raises MarketDataError without a reason, or when published days are missing."""
    if not reason.strip():
        raise MarketDataError("a restatement needs a reason; say which input was wrong")
    rows = _rows_of(published, corrected)
    differs = np.zeros(len(corrected), dtype=np.bool_)
    differs[rows] = _differences(published, corrected, rows)
    changes = tuple(
        Change(
            time=published.dates[at_row].to_pydatetime(),
            old=round(float(published.price_return[at_row]), DECIMALS),
            new=round(float(corrected.price_return[row]), DECIMALS),
        )
        for at_row, row in enumerate(rows)
        if differs[row]
    )
    old = dict(zip(published.dates, published.statuses, strict=True))
    statuses = tuple(
        "restated" if changed else old.get(day, status)
        for day, status, changed in zip(corrected.dates, corrected.statuses, differs, strict=True)
    )
    return Restatement(
        series=replace(corrected, statuses=statuses),
        changes=changes,
        reason=reason,
        at=at,
        replaced=published.levels_hash,
    )


def extended(published: LevelSeries, computed: LevelSeries) -> LevelSeries:
    """`computed`, with the statuses that were published. Raises LevelsChanged when a published level would be another one."""
    rows = _rows_of(published, computed)
    differs = _differences(published, computed, rows)
    if differs.any():
        row = int(np.flatnonzero(differs)[0])
        raise LevelsChanged(
            f"{int(differs.sum())} published levels would change, the first of {published.dates[row]:%Y-%m-%d}: "
            f"{published.price_return[row]:.{DECIMALS}f} to {computed.price_return[rows[row]]:.{DECIMALS}f}; "
            "restate them with a reason, or find out which input changed"
        )
    old = dict(zip(published.dates, published.statuses, strict=True))
    statuses = tuple(old.get(day, status) for day, status in zip(computed.dates, computed.statuses, strict=True))
    return replace(computed, statuses=statuses)


def _rows_of(published: LevelSeries, other: LevelSeries) -> list[int]:
    missing = published.dates.difference(other.dates)
    if len(missing):
        raise MarketDataError(
            f"{len(missing)} published days are missing, the first {missing[0]:%Y-%m-%d}; compute all of them anew"
        )
    return [int(row) for row in other.dates.get_indexer(pd.DatetimeIndex(published.dates))]


def _differences(published: LevelSeries, other: LevelSeries, rows: list[int]) -> np.ndarray:
    """Per published day: whether a level differs in what is published of it."""
    return np.asarray(
        (published.price_return.round(DECIMALS) != other.price_return[rows].round(DECIMALS))
        | (published.total_return.round(DECIMALS) != other.total_return[rows].round(DECIMALS))
    )
