"""Which value was believable on each day, judged by that day and the days before it, never by what came after.

A price that is twenty times the last believed one, or a twentieth, is not believed until three days in a row agree
within 50 %. Until then the last believed value stands, marked as a jump. If the price comes back, the jump was a
glitch and left no trace. A hole of at most three days is bridged with the last value; a longer one is not.
A coin that appears for the first time after the data began must also show three days that agree.

A corporate action that was written down (events.py) is no jump: from the day on which it counts, the believed value is
carried into the new units, or over to the new coin. It needs the price's consent: only when the observed price is
within a factor of three of the carried one, and nearer to it than to the old one, on one of the first three days.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
States = NDArray[np.int8]

MAX_JUMP = 20.0
AGREEMENT = 0.5
CONFIRM_DAYS = 3
MAX_GAP_DAYS = 3
MAX_BREAK = 3.0

NONE, OK, BRIDGED, NEW, JUMP_UP, JUMP_DOWN, GONE = range(7)
STATE_NAMES = ("none", "ok", "bridged", "new", "jump_up", "jump_down", "gone")


@dataclass(frozen=True, kw_only=True)
class Change:
    """New units of a coin, or a coin that goes on as another. Row and column numbers of the arrays it is about.

    `row`: from which row on it counts; `date_row`: the row of its date; `column`: the coin after it, `source`: the coin
    before it, the same for new units; `factor`: new value / old value.
    """

    row: int
    date_row: int
    column: int
    source: int
    factor: float


@dataclass(frozen=True, kw_only=True)
class Believed:
    """Day × coin: the believed value (NaN when there is none), its state, and days since the last observation.

    Values are in the units of their own day. `applied`: the changes that the price agreed to, with the row of that day.
    """

    values: Floats
    states: States
    gap_days: NDArray[np.int32]
    applied: tuple[Change, ...] = ()

    def head(self, rows: int, columns: NDArray[np.intp]) -> Believed:
        """The first `rows` days of some coins, copied."""
        return Believed(
            values=self.values[:rows, columns],
            states=self.states[:rows, columns],
            gap_days=self.gap_days[:rows, columns],
            applied=self._applied_in(rows, columns),
        )

    def _applied_in(self, rows: int, columns: NDArray[np.intp]) -> tuple[Change, ...]:
        place = {int(column): index for index, column in enumerate(columns)} if self.applied else {}
        return tuple(
            replace(change, column=place[change.column], source=place[change.source])
            for change in self.applied
            if change.row < rows and change.column in place and change.source in place
        )


def believe(observed: Floats, changes: Sequence[Change] = ()) -> Believed:
    """Walks forward through day × coin observations (NaN is missing). Row d of the answer reads rows 0..d only."""
    days, coins = observed.shape
    values = np.full((days, coins), np.nan)
    states = np.zeros((days, coins), dtype=np.int8)
    gaps = np.zeros((days, coins), dtype=np.int32)
    # what was there on the first day is older than the data, so it is not new
    level = observed[0].copy() if days else np.empty(coins)
    candidate = np.full(coins, np.nan)
    agreeing = np.zeros(coins, dtype=np.int32)
    gap = np.zeros(coins, dtype=np.int32)
    waiting: list[tuple[Change, int]] = []
    applied: list[Change] = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for day in range(days):
            today = observed[day]
            seen = ~np.isnan(today)
            waiting += [(change, CONFIRM_DAYS) for change in changes if change.row == day]
            if waiting:
                done, waiting = _carry(level, today, waiting)
                candidate[[change.column for change in done]] = np.nan
                applied += [_at_row(change, day) for change in done]
            known = ~np.isnan(level)
            gap = np.where(seen, 0, gap + 1).astype(np.int32)
            ratio = today / level
            plausible = seen & (ratio <= MAX_JUMP) & (ratio >= 1.0 / MAX_JUMP)
            doubtful = seen & ~plausible
            agrees = doubtful & (np.abs(today / candidate - 1.0) <= AGREEMENT)
            agreeing = np.where(agrees, agreeing + 1, np.where(doubtful, 1, np.where(seen, 0, agreeing)))
            candidate = np.where(doubtful, today, np.where(plausible, np.nan, candidate))
            confirmed = doubtful & (agreeing >= CONFIRM_DAYS)
            accepted = plausible | confirmed
            level = np.where(accepted, today, level)
            candidate = np.where(confirmed, np.nan, candidate)
            usable = accepted | (known & (gap <= MAX_GAP_DAYS))
            values[day] = np.where(usable, level, np.nan)
            states[day] = _states(accepted, seen, known, gap, ratio)
            gaps[day] = gap
    return Believed(values=values, states=states, gap_days=gaps, applied=tuple(applied))


def _carry(
    level: Floats, today: Floats, waiting: Sequence[tuple[Change, int]]
) -> tuple[list[Change], list[tuple[Change, int]]]:
    """Carries `level` over the changes that today's observation agrees to: (those, the ones that still wait)."""
    done, left = [], []
    for change, tries in waiting:
        if math.isnan(today[change.column]):
            left.append((change, tries))
        elif _agrees(level, today, change):
            level[change.column] = level[change.source] * change.factor
            done.append(change)
        elif tries > 1:
            left.append((change, tries - 1))
    return done, left


def _at_row(change: Change, day: int) -> Change:
    """The change as it was applied: when the price was late with it, so were all other fields."""
    return replace(change, row=day, date_row=change.date_row + day - change.row)


def _agrees(level: Floats, today: Floats, change: Change) -> bool:
    """Whether today's value goes on from the carried one rather than from what was believed of this coin before."""
    before, carried, seen = (
        float(level[change.column]),
        float(level[change.source]) * change.factor,
        float(today[change.column]),
    )
    if math.isnan(carried) or not 1.0 / MAX_BREAK <= seen / carried <= MAX_BREAK:
        return False
    if change.source != change.column:
        # a coin that already has a believed value of its own needs no other coin's
        return math.isnan(before)
    return abs(math.log(seen / carried)) < abs(math.log(seen / before))


def _states(
    accepted: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    known: NDArray[np.bool_],
    gap: NDArray[np.int32],
    ratio: Floats,
) -> States:
    doubtful = seen & ~accepted
    state = np.full(seen.shape, NONE, dtype=np.int8)
    state[doubtful & ~known] = NEW
    state[doubtful & known & (ratio > 1.0)] = JUMP_UP
    state[doubtful & known & (ratio < 1.0)] = JUMP_DOWN
    state[~seen & known & (gap <= MAX_GAP_DAYS)] = BRIDGED
    state[~seen & known & (gap > MAX_GAP_DAYS)] = GONE
    state[accepted] = OK
    return state
