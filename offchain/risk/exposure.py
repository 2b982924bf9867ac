"""How much may be at risk: every rule of [risk] names the most, the strictest one counts, and the way there is gradual.

A rule whose data is missing names nothing and leaves a finding: it never acts on a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offchain.errors import MissingHistory
from offchain.market.history import History
from offchain.risk.basket import (
    GRID,
    MIN_DAYS,
    basket_returns,
    breadth,
    grid,
    is_above_mean,
    volatilities,
    volatility,
)
from offchain.risk.stops import NOWHERE, Standing, drawdown_exposure, standing
from offchain.signals.outcome import SignalSet
from offchain.spec.risk_rules import RiskRules, is_within
from offchain.units import format_percent

MODE_DAYS = 365  # of returns that auto mode walks through to know which mode it is in


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The most {1} that one rule allows to be at risk. `is_hard`: acts at once, whatever step and min_exposure say."""

    rule: str
    part: float
    reason: str
    is_hard: bool = False


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How much is to be at risk: `part` {1} on the grid. `target` is where the rules want it; `ceilings`: each of them."""

    part: float
    target: float
    ceilings: tuple[Ceiling, ...]
    summary: str
    findings: tuple[str, ...] = ()


def exposure(
    coins: Mapping[str, float],
    rules: RiskRules,
    *,
    is_defensive: bool,
    base: float,
    current: float | None,
    history: History,
    signals: SignalSet | None = None,
    levels: Sequence[float] = (),
) -> Exposure:
    """The exposure of an index of `coins` {id: part}. `is_defensive`: it is in conservative mode; `base`: what is at risk
    before any rule; `current`: what is at risk now, None when nothing is held yet.
    """
    ceilings, findings = _ceilings(coins, rules, is_defensive, current, history, signals, levels)
    soft = min([base, *(row.part for row in ceilings if not row.is_hard)])
    hard = min([1.0, *(row.part for row in ceilings if row.is_hard)])
    target = grid(min(base, max(soft, rules.min_exposure), hard))
    part = grid(min(_walk(target, current, rules), base, hard))
    return Exposure(
        part=part,
        target=target,
        ceilings=ceilings,
        summary=_summary(part, target, current, base, ceilings, rules),
        findings=findings,
    )


def is_conservative(coins: Mapping[str, float], rules: RiskRules, *, history: History) -> bool:
    """Which mode it is: auto turns conservative at conservative_above and back at aggressive_below, not in between."""
    if rules.mode != "auto":
        return rules.mode == "conservative"
    daily = basket_returns(history.tail(MODE_DAYS + 1), coins)
    answer = False
    for value in np.round(volatilities(daily, decay=rules.volatility_decay), GRID).tolist():
        if value >= rules.conservative_above:
            answer = True
        elif value <= rules.aggressive_below:
            answer = False
    return answer


def _ceilings(
    coins: Mapping[str, float],
    rules: RiskRules,
    is_defensive: bool,
    current: float | None,
    history: History,
    signals: SignalSet | None,
    levels: Sequence[float],
) -> tuple[tuple[Ceiling, ...], tuple[str, ...]]:
    where = standing(levels, rules) if rules.stop_loss > 0 or rules.drawdown_limit > 0 else NOWHERE
    found = [
        *_buffer(rules),
        *_schedule(rules, history),
        *_mode(is_defensive, rules),
        *_target(coins, rules, history),
        *_shift(coins, rules, history, signals),
        *_drawdown(where, rules),
        *_stop(where, rules, current, coins, history),
    ]
    return tuple(row for row in found if isinstance(row, Ceiling)), tuple(row for row in found if isinstance(row, str))


def _buffer(rules: RiskRules) -> list[Ceiling]:
    if rules.buffer == 0:
        return []
    text = f"the buffer keeps {format_percent(rules.buffer)}"
    return [Ceiling(rule="buffer", part=grid(1.0 - rules.buffer), reason=text, is_hard=True)]


def _schedule(rules: RiskRules, history: History) -> list[Ceiling]:
    day = history.t.date()
    return [
        Ceiling(
            rule="schedule",
            part=grid(1.0 - part),
            reason=f"{format_percent(part)} are set aside from {period.replace('/', ' to ')}",
        )
        for period, part in rules.schedule
        if is_within(day, period)
    ]


def _mode(is_defensive: bool, rules: RiskRules) -> list[Ceiling]:
    if not is_defensive:
        return []
    text = f"{rules.mode} mode is conservative: {format_percent(rules.conservative_part)} aside"
    return [Ceiling(rule="mode", part=grid(1.0 - rules.conservative_part), reason=text)]


def _target(coins: Mapping[str, float], rules: RiskRules, history: History) -> list[Ceiling | str]:
    if rules.volatility_target == 0:
        return []
    daily = basket_returns(history.tail(rules.volatility_days + 1), coins)
    now = volatility(daily, decay=rules.volatility_decay)
    if now is None:
        return [f"volatility unknown: fewer than {MIN_DAYS} daily returns, so risk.volatility_target does nothing"]
    if now <= rules.volatility_target:
        return []
    text = f"volatility {format_percent(now)} a year against a target of {format_percent(rules.volatility_target)}"
    return [Ceiling(rule="volatility", part=grid(rules.volatility_target / now), reason=text)]


def _shift(
    coins: Mapping[str, float], rules: RiskRules, history: History, signals: SignalSet | None
) -> list[Ceiling | str]:
    if rules.shift == "off" or rules.max_shift == 0:
        return []
    if signals is None and rules.shift != "breadth":
        raise MissingHistory(
            f'risk.shift = "{rules.shift}" reads the signals and there are none; write signals.mode = "rules"'
        )
    found: list[Ceiling | str] = []
    if rules.shift in ("phase", "any") and signals is not None:
        part = dict(rules.phase_shift).get(signals.phase.name, 0.0)
        found += _shifted(part, f"the market's phase is {signals.phase.name} ({signals.phase.reason})", "phase", rules)
    if rules.shift in ("breadth", "any"):
        found += _breadth_shift(rules, history, signals)
    if rules.shift in ("signals", "any") and signals is not None:
        found += _signal_shift(coins, rules, signals)
    return found


def _breadth_shift(rules: RiskRules, history: History, signals: SignalSet | None) -> Sequence[Ceiling | str]:
    if signals is not None:
        above: float | None = grid(signals.phase.breadth)
    else:
        columns = [history.column(name) for name in history.ids if name not in rules.stable_ids]
        above = breadth(history.panel("price")[:, columns], days=rules.breadth_days)
    if above is None:
        return ["breadth unknown: no coin has enough prices, so risk.shift does nothing"]
    text = f"{format_percent(above)} of the market is above its mean"
    return _shifted(_ramp(1.0 - above, rules), text, "breadth", rules)


def _signal_shift(coins: Mapping[str, float], rules: RiskRules, signals: SignalSet) -> list[Ceiling | str]:
    known = {name: signals.signals[name] for name in coins if name in signals.signals}
    bearish = math.fsum(coins[name] for name in known if known[name].label == "bearish") / math.fsum(coins.values())
    unread = sorted(name for name in coins if name not in known or known[name].is_fallback)
    found: list[Ceiling | str] = []
    if unread:
        found.append(f"no signal for {', '.join(unread)}: counted as neutral")
    text = f"{format_percent(grid(bearish))} of the index is bearish"
    return [*found, *_shifted(_ramp(bearish, rules), text, "signals", rules)]


def _ramp(trouble: float, rules: RiskRules) -> float:
    """0 up to shift_from, 1 from shift_full on, a line between."""
    return grid(min(max((trouble - rules.shift_from) / (rules.shift_full - rules.shift_from), 0.0), 1.0))


def _shifted(part: float, why: str, rule: str, rules: RiskRules) -> list[Ceiling]:
    moved = grid(part * rules.max_shift)
    if moved == 0:
        return []
    return [Ceiling(rule=rule, part=grid(1.0 - moved), reason=f"{why}: {format_percent(moved)} aside")]


def _drawdown(where: Standing, rules: RiskRules) -> list[Ceiling]:
    if rules.drawdown_limit == 0 or where.drawdown <= rules.drawdown_from:
        return []
    text = f"{format_percent(where.drawdown)} below the peak, limit {format_percent(rules.drawdown_limit)}"
    return [Ceiling(rule="drawdown", part=drawdown_exposure(where.drawdown, rules), reason=text)]


def _stop(
    where: Standing, rules: RiskRules, current: float | None, coins: Mapping[str, float], history: History
) -> list[Ceiling]:
    if where.is_stopped:
        text = f"stopped {where.stopped_days} days ago at {format_percent(rules.stop_loss)} below the peak"
        return [Ceiling(rule="stop", part=rules.stop_exposure, reason=text, is_hard=True)]
    # prices and dust move the exposure a little while it is stopped
    is_still_out = where.stops > 0 and current is not None and current <= rules.stop_exposure + as_good_as(rules)
    if not (rules.reenter_above_mean and is_still_out):
        return []
    daily = basket_returns(history.tail(rules.breadth_days + 1), coins)
    if is_above_mean(daily, days=rules.breadth_days):
        return []
    text = f"the stop is over, but the coins are not above their mean of {rules.breadth_days} days"
    return [Ceiling(rule="stop", part=rules.stop_exposure, reason=text, is_hard=True)]


def as_good_as(rules: RiskRules) -> float:
    """How far above stop_exposure counts as there."""
    return min(rules.step_up, 0.05) / 2


def _walk(target: float, current: float | None, rules: RiskRules) -> float:
    """From `current` towards `target`, no further than a step, and not at all inside the band."""
    if current is None:
        return target
    if abs(target - current) < rules.band:
        return current
    return min(max(target, current - rules.step), current + rules.step_up)


def _summary(
    part: float, target: float, current: float | None, base: float, ceilings: Sequence[Ceiling], rules: RiskRules
) -> str:
    binding = [row.reason for row in ceilings if row.part <= target]
    if target == rules.min_exposure > min([1.0, *(row.part for row in ceilings)]):
        binding.append(f"risk.min_exposure keeps {format_percent(rules.min_exposure)}")
    if not binding and base < 1:
        binding.append(f"{format_percent(base)} is left of the coins, the rest is stable already")
    why = "; ".join(binding) or "no rule asks for less"
    text = f"{format_percent(part)} at risk: {why}"
    if part == target or current is None:
        return text
    if part == grid(current):
        return f"{text}. Target {format_percent(target)}, but the change is inside the band of {format_percent(rules.band)}"
    step = rules.step if target < current else rules.step_up
    return f"{text}. Target {format_percent(target)}, coming from {format_percent(current)} in steps of {format_percent(step)}"
