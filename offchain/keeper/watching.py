"""Between reviews: has something come up that does not wait for the next one?

The triggers of `[rebalance].triggers` are asked at most once a UTC day, by the same `rebalance.due` as in a backtest. What they are
asked with comes from the chain and the market, so that a keeper whose ledger is lost asks the same:

    last traded      when the last plan started, whoever started it; an index that had no plan yet has nothing to rest from
    held             the components at the oracle's prices
    wanted           what the rules decide now, or what the registry executed where it binds the plans
    red flags        what the rules see in the market and in their records
    labels before    of the last decision in the ledger; without one no change of signals is seen, until the next decision

Drift is asked of the coins that are held and stay, and signals are weighed by what is held: who would enter or leave does
so at a review, or with a plan that something else has led to. The chain allows one plan a day by this way, because none is asked for on the day that one started. A
"no" holds for the rest of its day by the ledger; if that is lost, it is only asked once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from offchain.keeper.outcomes import RetryAt, Stop, time_text, utc
from offchain.keeper.planning import wanted_by, weights_by_coin
from offchain.keeper.reading import Situation
from offchain.methodology import Decision
from offchain.rebalance import Trigger, due
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.units import from_wad
from offchain.universe.monitor import RedFlag

DAY = 86_400
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def midnight(seconds: int) -> int:
    """{s} when the UTC day of a time began."""
    return seconds - seconds % DAY


def require_unasked(situation: Situation, waiting: RetryAt, *, refused_at: int | None) -> None:
    """Raises Stop when there is nothing to be asked today any more. `refused_at` {s}: when the ledger last noted a "no"."""
    today, plan = midnight(situation.time), situation.state.plan
    if plan.id and plan.started_at >= today:
        raise Stop(later(situation, waiting, f"plan {plan.id} started today, triggers are asked once a day"))
    if refused_at is not None and refused_at >= today:
        reason = f"the triggers were asked at {time_text(refused_at)}, and are once a day"
        raise Stop(later(situation, waiting, reason))


def ask(
    situation: Situation,
    rules: RebalanceRules,
    t: datetime,
    decision: Decision,
    *,
    flags: Sequence[RedFlag] = (),
    labels_before: Mapping[str, str] | None = None,
) -> Trigger:
    """What has come up at `t`, where `decision` is what the rules want now. The calendar is not asked."""
    held, wanted = held_parts(situation), wanted_parts(situation, decision)
    last = utc(situation.state.plan.started_at) if situation.state.plan.id else NEVER
    others = tuple(name for name in rules.triggers if name != "drift")
    found = due(
        replace(rules, calendar="never", triggers=others),
        t,
        last=last,
        current=held,
        target=held,
        flags=flags,
        labels=decision.labels or None,
        labels_before=labels_before,
    )
    if found.trade or len(others) == len(rules.triggers):
        return found
    stay = {name for name in held if name in wanted}
    drifted = due(
        replace(rules, calendar="never", triggers=("drift",)),
        t,
        last=last,
        current=_parts(held, stay),
        target=_parts(wanted, stay),
    )
    return found if drifted.code == "none" else drifted


def held_parts(situation: Situation) -> dict[str, float]:
    """{id: part of 1} of what is held and has a price."""
    return {name: from_wad(weight) for name, weight in weights_by_coin(situation).items() if weight}


def wanted_parts(situation: Situation, decision: Decision) -> dict[str, float]:
    """{id: part of 1} of what a plan would go to."""
    wanted = wanted_by(situation, decision)
    return {situation.coins[token].id: from_wad(weight) for token, weight in wanted.items() if weight}


def later(situation: Situation, waiting: RetryAt, reason: str) -> RetryAt:
    """At the next review, or tomorrow when the triggers are asked again, with both reasons."""
    tomorrow = midnight(situation.time) + DAY
    return RetryAt(time=min(waiting.time, tomorrow), reason=f"{waiting.reason}; {reason}")


def _parts(weights: Mapping[str, float], names: set[str]) -> dict[str, float]:
    total = sum(weights[name] for name in sorted(names))
    return {name: weights[name] / total for name in sorted(names)}
