"""What of [risk] cannot wait for the next review: a stop that was reached, a stable coin that left its peg.

    flags = alarms(rules, history=history, held=held, levels=levels)      look daily, or as often as there is new data
    due(rebalance, t, flags=flags, …)                                     "emergency" among rebalance.triggers acts on them

They say that a decision is due, not that a coin has to go: never bar coins by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offchain.market.history import History
from offchain.risk.exposure import as_good_as
from offchain.risk.overlay import exposure_now, is_used
from offchain.risk.stable import stable_side
from offchain.risk.stops import standing
from offchain.spec.risk_rules import RiskRules
from offchain.units import format_percent
from offchain.universe.monitor import RedFlag


def alarms(
    rules: RiskRules,
    *,
    history: History,
    held: Mapping[str, float],
    levels: Sequence[float] = (),
    prices: Mapping[str, float] | None = None,
) -> tuple[RedFlag, ...]:
    """Flags with code "stop" or "depeg", empty while nothing is wrong or what was wrong has been acted on.

    The arguments are those of `expose`. A stop is named with the largest coin at risk; a stable coin that is off its peg
    only while a better one could be held instead.
    """
    if not is_used(rules) or not rules.stable:
        return ()
    return (*_stopped(rules, held, levels), *_depegged(rules, history, held, prices))


def _stopped(rules: RiskRules, held: Mapping[str, float], levels: Sequence[float]) -> tuple[RedFlag, ...]:
    now = exposure_now(held, rules)
    if rules.stop_loss == 0 or now is None or now <= rules.stop_exposure + as_good_as(rules):
        return ()
    where = standing(levels, rules)
    if not where.is_stopped:
        return ()
    at_risk = [name for name in sorted(held) if name not in rules.stable_ids]
    largest = max(at_risk, key=lambda name: held[name])
    reason = (
        f"the index stopped {where.stopped_days} days ago, {format_percent(rules.stop_loss)} below its peak, and "
        f"{format_percent(now)} is still at risk, allowed is {format_percent(rules.stop_exposure)}"
    )
    return (RedFlag(id=largest, code="stop", reason=reason),)


def _depegged(
    rules: RiskRules, history: History, held: Mapping[str, float], prices: Mapping[str, float] | None
) -> tuple[RedFlag, ...]:
    side = stable_side(rules, history=history, prices=prices)
    return tuple(
        RedFlag(id=peg.id, code="depeg", reason=f"{peg.reason}; {', '.join(sorted(side.parts))} could be held instead")
        for peg in side.pegs
        if held.get(peg.id, 0.0) > 0 and not peg.is_trusted and side.parts and peg.id not in side.parts
    )
