"""Does something have to be done now, and would doing it be worth what it costs?

    due(rules, t, last=…, current=…, target=…)          has the calendar, a drift, a signal or a red flag come up?
    worth_it(current, target, rules=…, cost=…)          is it far enough from the target to pay for the trades?

Both answer with a Trigger that carries its numbers, whether it says yes or no: a decision not to trade is a decision.
Weights are {id: part of 1}.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from offchain.canonical import utc_text
from offchain.market.history import History, Needs
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.universe.monitor import RedFlag

CODES = (
    "first",
    "emergency",
    "calendar",
    "drift",
    "signal",
    "membership",
    "benefit",
    "cooldown",
    "band",
    "cost",
    "none",
)
YEAR = 365
LEAST_DAYS = 20  # fewer days than these say nothing about risk
DIGITS = 12
NOTHING = 1e-12  # a weight below this is not held

Weights = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Whether to trade, and why. `code`: one of CODES; `coins`: those it is about, by id; `numbers`: what was weighed."""

    trade: bool
    code: str
    reason: str
    coins: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.trade


def needs(rules: RebalanceRules) -> Needs:
    """What `worth_it` looks back at."""
    return Needs(days=rules.risk_days + 1, fields=("price",)) if rules.cost_multiple else Needs()


def drift(current: Weights, target: Weights) -> float:
    """One-way turnover that would close the gap: Σ |current − target| / 2, {1}."""
    gaps = [abs(current.get(name, 0.0) - target.get(name, 0.0)) for name in sorted({*current, *target})]
    return _kept(math.fsum(gaps) / 2.0)


def off_band(current: Weights, target: Weights, rules: RebalanceRules) -> dict[str, float]:
    """{id: current − target} of coins outside of their own band, by id. With a relative band whatever has no target is outside."""
    found = {}
    for name in sorted({*current, *target}):
        aim = target.get(name, 0.0)
        gap = _kept(current.get(name, 0.0) - aim)
        is_off = (
            (rules.coin_band > 0 and abs(gap) >= rules.coin_band)
            or (rules.coin_band_relative > 0 and abs(gap) >= _kept(rules.coin_band_relative * aim))
        )  # fmt: skip
        if is_off and abs(gap) > NOTHING:
            found[name] = gap
    return found


# --- now? -------------------------------------------------------------------------------------------------------------


def due(
    rules: RebalanceRules,
    t: datetime,
    *,
    last: datetime | None,
    current: Weights | None = None,
    target: Weights | None = None,
    flags: Sequence[RedFlag] = (),
    labels: Mapping[str, str] | None = None,
    labels_before: Mapping[str, str] | None = None,
) -> Trigger:
    """Whether a new decision is due at `t`. `last`: when the index last traded, None when it never did.

    `current`, `target`: weights now, and those last decided. `flags`: of members. `labels`, `labels_before`: {id: bullish,
    neutral or bearish} now and at the last decision. First what cannot wait: an index that was never bought, then a red
    flag; then the calendar; then, after the cool-down, drift and signals. Only triggers that the rules name are asked.
    """
    if last is None:
        return Trigger(trade=True, code="first", reason="the index was never bought")
    held = {name for name, weight in (current or {}).items() if weight > NOTHING}
    raised = [flag for flag in flags if flag.id in held or current is None]
    if raised and "emergency" in rules.triggers:
        return Trigger(
            trade=True,
            code="emergency",
            reason="red flag: " + "; ".join(str(flag) for flag in raised),
            coins=tuple(sorted({flag.id for flag in raised})),
        )
    review = rules.last_review(t)
    if not rules.is_basket and last < review:
        return Trigger(trade=True, code="calendar", reason=f"the {rules.calendar} review of {utc_text(review)} is due")
    found = _drifted(rules, current or {}, target or {}) or _changed(rules, target or {}, labels, labels_before)
    rests = last + timedelta(days=rules.cooldown_days)
    if found is not None and t < rests:
        return Trigger(
            trade=False,
            code="cooldown",
            reason=f"{found.reason}; but it traded at {utc_text(last)} and rests until {utc_text(rests)}",
            coins=found.coins,
            numbers=found.numbers,
        )
    return found or Trigger(
        trade=False, code="none", reason="no review, no drift beyond its band, no change of signals"
    )


def _drifted(rules: RebalanceRules, current: Weights, target: Weights) -> Trigger | None:
    if "drift" not in rules.triggers or not current or not target:
        return None
    total, coins = drift(current, target), off_band(current, target, rules)
    numbers = {"drift": total, "drift_band": rules.drift_band}
    if coins:
        return Trigger(
            trade=True, code="drift", reason=_off_text(coins, current, target), coins=tuple(coins), numbers=numbers
        )
    if rules.drift_band and total >= rules.drift_band:
        reason = f"drift {total:.2%} is at or above the band of {rules.drift_band:.2%}"
        return Trigger(trade=True, code="drift", reason=reason, numbers=numbers)
    return None


def _changed(
    rules: RebalanceRules, target: Weights, labels: Mapping[str, str] | None, before: Mapping[str, str] | None
) -> Trigger | None:
    if "signal" not in rules.triggers or labels is None or before is None:
        return None
    changed = sorted(name for name in {*labels, *before} if labels.get(name) != before.get(name))
    weight = _kept(math.fsum(target.get(name, 0.0) for name in changed))
    turned_bullish = [name for name in changed if labels.get(name) == "bullish" and not target.get(name)]
    if not changed or (weight < rules.signal_change and not turned_bullish) or not (weight or turned_bullish):
        return None
    shown = ", ".join(f"{name} {before.get(name, 'unknown')} → {labels.get(name, 'unknown')}" for name in changed[:5])
    more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
    return Trigger(
        trade=True,
        code="signal",
        reason=f"signals changed for {weight:.2%} of the index: {shown}{more}",
        coins=tuple(changed),
        numbers={"changed_weight": weight, "signal_change": rules.signal_change},
    )


# --- worth it? --------------------------------------------------------------------------------------------------------


def worth_it(
    current: Weights,
    target: Weights,
    *,
    rules: RebalanceRules,
    cost: float,
    history: History | None = None,
    horizon_days: float | None = None,
) -> Trigger:
    """Whether moving from `current` to `target` is worth `cost`, a part of NAV (fees, spread, impact and gas of the trades).

    A coin that has to enter or leave is traded whatever it costs: bands are for weights, not for membership. Otherwise the
    drift has to reach its band, and, with rules.cost_multiple, the benefit has to be above cost_multiple × cost:

        benefit = risk_aversion / 2 × TE² × horizon / 365        a part of NAV

    TE is the tracking error of what is held against the target, per √year: the root of the mean square of Σ (w − w*) r over
    the daily returns of `risk_days`. It is the certainty equivalent of not tracking (Markowitz, 1952; for active risk
    Grinold and Kahn, 2000). `horizon_days`: how long the drift would stay, by default until the next review. Without
    enough history the benefit is unknown and the band alone decides; the reason says so.
    """
    if cost < 0 or not math.isfinite(cost):
        raise ValueError(f"cost = {cost} is not a part of NAV; give 0.001 for ten basis points")
    entering = [name for name in sorted(target) if target[name] > NOTHING and current.get(name, 0.0) <= NOTHING]
    leaving = [name for name in sorted(current) if current[name] > NOTHING and target.get(name, 0.0) <= NOTHING]
    total, coins = drift(current, target), off_band(current, target, rules)
    numbers = {"drift": total, "drift_band": rules.drift_band, "cost": cost}
    if entering or leaving:
        parts = [f"{', '.join(names)} {verb}" for names, verb in ((entering, "enter"), (leaving, "leave")) if names]
        return Trigger(
            trade=True,
            code="membership",
            reason="; ".join(parts),
            coins=tuple(sorted(entering + leaving)),
            numbers=numbers,
        )
    if total < rules.drift_band and not coins:
        reason = f"drift {total:.2%} is below the band of {rules.drift_band:.2%}"
        return Trigger(trade=False, code="band", reason=reason, numbers=numbers)
    why = _off_text(coins, current, target) if coins else f"drift {total:.2%}"
    if not rules.cost_multiple:
        return Trigger(trade=True, code="drift", reason=why, coins=tuple(coins), numbers=numbers)
    error = None if history is None else tracking_error(current, target, history, days=rules.risk_days)
    if error is None:
        reason = f"{why}; its risk is unknown for want of history, so the band alone decides"
        return Trigger(trade=True, code="drift", reason=reason, coins=tuple(coins), numbers=numbers)
    horizon = horizon_days if horizon_days is not None else _days_between_reviews(rules)
    benefit = _kept(rules.risk_aversion / 2.0 * error * error * horizon / YEAR)
    needed = rules.cost_multiple * cost
    numbers |= {"tracking_error": error, "horizon_days": horizon, "benefit": benefit, "needed": needed}
    words = (
        f"{why}; tracking error {error:.2%} over {horizon:.0f} days is worth {benefit:.4%} of NAV, "
        f"trading costs {cost:.4%} × {rules.cost_multiple:g}"
    )
    is_worth = benefit > needed
    return Trigger(
        trade=is_worth, code="benefit" if is_worth else "cost", reason=words, coins=tuple(coins), numbers=numbers
    )


def tracking_error(current: Weights, target: Weights, history: History, *, days: int) -> float | None:
    """Root of the mean square of Σ (current − target) × daily return over the newest `days`, per √year of 365 days.

    Days on which a coin that matters has no price are left out; None with fewer than LEAST_DAYS left.
    """
    gaps = {name: current.get(name, 0.0) - target.get(name, 0.0) for name in sorted({*current, *target})}
    gaps = {name: gap for name, gap in gaps.items() if abs(gap) > NOTHING}
    if not gaps:
        return 0.0
    if any(name not in history.ids for name in gaps):
        return None
    price = history.panel("price")[-(days + 1) :]
    columns = {name: price[:, history.column(name)].tolist() for name in gaps}
    squares = []
    for day in range(1, len(price)):
        moved = math.fsum(gap * (columns[name][day] / columns[name][day - 1] - 1.0) for name, gap in gaps.items())
        if math.isfinite(moved):
            squares.append(moved * moved)
    if len(squares) < LEAST_DAYS:
        return None
    return _kept(math.sqrt(math.fsum(squares) / len(squares) * YEAR))


def _days_between_reviews(rules: RebalanceRules) -> float:
    return YEAR / rules.reviews_per_year if rules.reviews_per_year else float(YEAR)


def _off_text(coins: Mapping[str, float], current: Weights, target: Weights) -> str:
    worst = sorted(coins, key=lambda name: (-abs(coins[name]), name))
    shown = "; ".join(f"{name} {current.get(name, 0.0):.2%}, target {target.get(name, 0.0):.2%}" for name in worst[:3])
    return f"outside of its band: {shown}" + (f" and {len(worst) - 3} more" if len(worst) > 3 else "")


def _kept(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
