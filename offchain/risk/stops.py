"""Drawdown and stop, read from the index's own levels and nothing else, so that anyone can recompute them.

The walk goes from the first level to the last. In the market: the peak is the highest level of the last `peak_days`
since the walk began or the last stop ended; at `stop_loss` below it the index stops. Stopped: nothing counts until
`stop_days` have gone by; then the peak begins anew at the level of that day.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from offchain.errors import MarketDataError
from offchain.risk.basket import grid
from offchain.spec.risk_rules import RiskRules


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where the index stands. `drawdown`: {of the peak}, 0 while it is stopped; `stops`: how often it has stopped;
    `stopped_days`: days since the last stop began, None when it never did.
    """

    drawdown: float
    is_stopped: bool
    stops: int
    stopped_days: int | None


NOWHERE = Standing(drawdown=0.0, is_stopped=False, stops=0, stopped_days=None)


def standing(levels: Sequence[float], rules: RiskRules) -> Standing:
    """`levels`: one a day without a hole, the newest last, any scale above 0; none means that the index begins now."""
    for day, level in enumerate(levels):
        if not (math.isfinite(level) and level > 0):
            raise MarketDataError(f"level {level} of day {day} is not a number above 0; give one level for every day")
    if rules.stop_loss == 0:
        levels = levels[-rules.peak_days :]  # without a stop nothing older matters
    stopped_at, stops, is_stopped = -1, 0, False
    drawdown = 0.0
    peaks: deque[int] = deque()  # days whose levels only fall, so that the first is the peak of the window
    for day, level in enumerate(levels):
        if is_stopped and day - stopped_at >= rules.stop_days:
            is_stopped = False
            peaks.clear()
        if is_stopped:
            continue
        while peaks and levels[peaks[-1]] <= level:
            peaks.pop()
        peaks.append(day)
        if peaks[0] <= day - rules.peak_days:
            peaks.popleft()
        drawdown = 1.0 - level / levels[peaks[0]]
        if rules.stop_loss > 0 and _reaches(drawdown, rules.stop_loss):
            is_stopped, stopped_at, stops = True, day, stops + 1
    return Standing(
        drawdown=0.0 if is_stopped else grid(drawdown),
        is_stopped=is_stopped,
        stops=stops,
        stopped_days=len(levels) - 1 - stopped_at if stops else None,
    )


def _reaches(drawdown: float, limit: float) -> bool:
    # rounding to the grid costs more than the rest of the walk, so only near the limit
    return drawdown >= limit - 1e-9 and grid(drawdown) >= limit


def drawdown_exposure(drawdown: float, rules: RiskRules) -> float:
    """Exposure {1} that drawdown control allows: 1 up to drawdown_from, in a line down to min_exposure at drawdown_limit.

    The line is the time-invariant portfolio protection of Estep and Kritzman (1988): exposure in proportion to the
    cushion that is left above the floor.
    """
    if drawdown <= rules.drawdown_from:
        return 1.0
    used = min((drawdown - rules.drawdown_from) / (rules.drawdown_limit - rules.drawdown_from), 1.0)
    return grid(1.0 - used * (1.0 - rules.min_exposure))
