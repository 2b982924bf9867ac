"""Which value was believable on each day, judged by that day and the days before it, never by what came after.

A price that is twenty times the last believed one, or a twentieth, is not believed until three days in a row agree
within 50 %. Until then the last believed value stands, marked as a jump. If the price comes back, the jump was a
glitch and left no trace. A hole of at most three days is bridged with the last value; a longer one is not.
A coin that appears for the first time after the data began must also show three days that agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
States = NDArray[np.int8]

MAX_JUMP = 20.0
AGREEMENT = 0.5
CONFIRM_DAYS = 3
MAX_GAP_DAYS = 3

NONE, OK, BRIDGED, NEW, JUMP_UP, JUMP_DOWN, GONE = range(7)
STATE_NAMES = ("none", "ok", "bridged", "new", "jump_up", "jump_down", "gone")


@dataclass(frozen=True, kw_only=True)
class Believed:
    """Day × coin: the believed value (NaN when there is none), its state, and days since the last observation."""

    values: Floats
    states: States
    gap_days: NDArray[np.int32]

    def head(self, rows: int, columns: NDArray[np.intp]) -> Believed:
        """The first `rows` days of some coins, copied."""
        return Believed(
            values=self.values[:rows, columns],
            states=self.states[:rows, columns],
            gap_days=self.gap_days[:rows, columns],
        )


def believe(observed: Floats) -> Believed:
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
    with np.errstate(invalid="ignore", divide="ignore"):
        for day in range(days):
            today = observed[day]
            seen = ~np.isnan(today)
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
    return Believed(values=values, states=states, gap_days=gaps)


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
