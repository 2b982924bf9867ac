"""From weights to what is really held: coins at risk scaled down together, the rest in the stable side.

    weighing = expose(weights, rules, history=history, signals=signals, held=held, levels=levels)

In this order: single coins are cut (trims.py), the exposure is decided (exposure.py), all coins are scaled to it in
proportion, and what is left over is divided among the stable coins that keep their peg (stable.py). No coin ever weighs
more than before, so every cap still holds. `held` and `levels` are all the memory there is: the same arguments give the
same integers.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from offchain.errors import InfeasibleWeights, MissingHistory, UnitError
from offchain.market.history import History, Needs
from offchain.risk.basket import GRID, grid
from offchain.risk.exposure import MODE_DAYS, exposure, is_conservative
from offchain.risk.stable import StableSide, stable_side
from offchain.risk.trims import cut_bets, cut_largest, cut_volatile, trim_extended
from offchain.signals.outcome import SignalSet
from offchain.spec.risk_rules import RiskRules
from offchain.steps import Step, Weighing
from offchain.units import WAD, format_percent, from_wad


def is_used(rules: RiskRules) -> bool:
    """Whether [risk] does anything to the weights."""
    return bool(rules.asks_for_stable)


def uses_held(rules: RiskRules) -> bool:
    """Whether the answer depends on what is held now."""
    return is_used(rules) and (rules.step < 1 or rules.step_up < 1 or rules.band > 0 or rules.reenter_above_mean)


def uses_levels(rules: RiskRules) -> bool:
    """Whether the answer depends on the index's own levels."""
    return rules.reads_levels


def names(rules: RiskRules) -> tuple[str, ...]:
    """Ids the history must know besides the coins of the index."""
    return rules.stable_ids if is_used(rules) else ()


def needs(rules: RiskRules) -> Needs:
    """How many days of prices the rules look back on."""
    if not is_used(rules):
        return Needs()
    days = [rules.peg_days]
    if rules.mode == "auto":
        days.append(MODE_DAYS + 1)
    if rules.volatility_target > 0 or (rules.mode != "aggressive" and rules.conservative_cut > 0):
        days.append(rules.volatility_days + 1)
    if rules.shift in ("breadth", "any") or (rules.stop_loss > 0 and rules.reenter_above_mean):
        days.append(rules.breadth_days + 1)
    if rules.trim_above > 0:
        days.append(rules.trim_days)
    if rules.max_bet < 1:
        days.append(rules.correlation_days + 1)
    return Needs(days=max(days), fields=("price",))


def expose(
    weights: Mapping[str, int],
    rules: RiskRules,
    *,
    history: History | None,
    signals: SignalSet | None = None,
    held: Mapping[str, float] | None = None,
    levels: Sequence[float] = (),
    prices: Mapping[str, float] | None = None,
    tradable: Collection[str] | None = None,
) -> Weighing:
    """`weights` {id: D18, Σ 1e18} with the rules of [risk] applied; every change is a Step with its numbers.

    `history`: prices of every coin of the index and of the stable side, up to the decision. `held`: {id: value or part}
    now, empty before the first decision. `levels`: the index's own, one a day, the newest last. `prices`: {id: USD} now.
    Raises MissingHistory for a coin that the history does not know, UnitError for weights that are none.
    """
    _require_weights(weights)
    if not is_used(rules):
        return Weighing(weights=dict(sorted(weights.items())))
    if not rules.stable:
        raise InfeasibleWeights(
            f"risk.{', risk.'.join(rules.asks_for_stable)} needs something to hold instead; name it in risk.stable"
        )
    if history is None:
        raise MissingHistory("risk needs the history of prices; take it with market.history and risk.needs(rules)")
    side = stable_side(rules, history=history, prices=prices, tradable=tradable)
    if not side.parts:
        return _without_stable_side(weights, side)
    return _exposed(weights, rules, side, history, signals, held or {}, levels)


def scaled(coins: Mapping[str, int], total: int) -> dict[str, int]:
    """`coins` in proportion so that Σ = `total` (at most what it was), by largest remainder, ties to the lower id.

    No weight grows. Zeros are left out.
    """
    whole = sum(coins.values())
    if not 0 <= total <= whole:
        raise UnitError(f"weights of sum {whole} cannot be scaled to {total}; give a total from 0 to their sum")
    ids = sorted(coins)
    parts = {name: divmod(coins[name] * total, whole) if whole else (0, 0) for name in ids}
    answer = {name: floor for name, (floor, _) in parts.items()}
    left = total - sum(answer.values())
    for name in sorted(ids, key=lambda name: (-parts[name][1], name))[:left]:
        answer[name] += 1
    return {name: weight for name, weight in answer.items() if weight}


def exposure_now(held: Mapping[str, float], rules: RiskRules) -> float | None:
    """The part {1} of `held` {id: value} that is in coins at risk, on the grid; None when nothing is held."""
    total = math.fsum(held[name] for name in sorted(held))
    if total <= 0:
        return None
    return grid(math.fsum(held[name] for name in sorted(held) if name not in rules.stable_ids) / total)


def _require_weights(weights: Mapping[str, int]) -> None:
    low = [name for name, weight in sorted(weights.items()) if weight < 0]
    if low or sum(weights.values()) != WAD:
        raise UnitError(
            f"weights sum to {sum(weights.values())}, not {WAD}" + (f", and {low[0]} is below 0" if low else "")
        )


def _without_stable_side(weights: Mapping[str, int], side: StableSide) -> Weighing:
    after = dict(sorted(weights.items()))
    step = Step(
        stage="exposure",
        summary="No stable coin can be trusted, so nothing is held in one: the weights stay as they were",
        weights=_floats(after),
    )
    return Weighing(weights=after, steps=(step,), findings=side.findings)


def _exposed(
    weights: Mapping[str, int],
    rules: RiskRules,
    side: StableSide,
    history: History,
    signals: SignalSet | None,
    held: Mapping[str, float],
    levels: Sequence[float],
) -> Weighing:
    whole = {name: weight for name, weight in sorted(weights.items()) if weight and name not in rules.stable_ids}
    if not whole:
        return Weighing(weights=side.share_out(WAD, rules), findings=side.findings)
    is_defensive = is_conservative(_floats(whole), rules, history=history)
    coins, steps = _cut(whole, rules, side, history, is_defensive=is_defensive)
    answer = exposure(
        _floats(coins or whole),
        rules,
        is_defensive=is_defensive,
        base=from_wad(sum(coins.values())),
        current=exposure_now(held, rules),
        history=history,
        signals=signals,
        levels=levels,
    )
    total = min(sum(coins.values()), round(answer.part * 10**GRID) * (WAD // 10**GRID))
    room = side.capacity(rules)
    findings = [*side.findings, *answer.findings]
    if WAD - total > room:
        findings.append(
            f"the stable side can hold {format_percent(from_wad(room))} of {format_percent(from_wad(WAD - total))}: "
            f"the rest stays in the coins (risk.max_stable = {rules.max_stable:g})"
        )
        total = WAD - room
        coins = _given_back(coins, whole, total)
    before, coins = coins, scaled(coins, total)
    stable = side.share_out(WAD - total, rules)
    reasons = {
        name: f"{format_percent(from_wad(before[name]))} → {format_percent(from_wad(coins.get(name, 0)))}"
        for name in before
        if before[name] != coins.get(name, 0)
    } | {name: f"stable side: {format_percent(from_wad(weight))}" for name, weight in stable.items()}
    final = dict(sorted({**coins, **stable}.items()))
    steps.append(
        Step(
            stage="exposure",
            summary=answer.summary,
            weights=_floats(final),
            reasons=reasons,
        )
    )
    return Weighing(weights=final, steps=tuple(steps), findings=tuple(findings))


def _cut(
    whole: Mapping[str, int], rules: RiskRules, side: StableSide, history: History, *, is_defensive: bool
) -> tuple[dict[str, int], list[Step]]:
    """The coins after every single cut, and a step for each that cut something."""
    coins, steps = dict(whole), []
    for stage, is_on, cut in (
        ("trim", rules.trim_above > 0, lambda now: trim_extended(now, rules, history=history)),
        (
            "volatility",
            is_defensive and rules.conservative_cut > 0,
            lambda now: cut_volatile(now, rules, history=history),
        ),
        ("bets", rules.max_bet < 1, lambda now: cut_bets(now, rules, history=history)),
        ("concentration", rules.min_effective > 0, lambda now: cut_largest(now, rules)),
    ):
        if not is_on:
            continue
        after, why = cut(coins)
        if why:
            moved = from_wad(sum(coins.values()) - sum(after.values()))
            summary = f"{_CUTS[stage]}: {format_percent(moved)} goes to the stable side"
            steps.append(Step(stage=stage, summary=summary, weights=_shown(after, side), reasons=why))
        coins = {name: weight for name, weight in after.items() if weight}
    return coins, steps


_CUTS = {
    "trim": "Over-extended coins are trimmed",
    "volatility": "Conservative mode cuts the most volatile coins",
    "bets": "Coins that move together are limited as one bet",
    "concentration": "The largest coins are cut",
}


def _given_back(coins: Mapping[str, int], whole: Mapping[str, int], total: int) -> dict[str, int]:
    """`coins`, and of what was cut from each as much, in proportion, as it takes to reach `total`."""
    if total > sum(whole.values()):
        raise InfeasibleWeights(
            f"the stable side can hold {format_percent(from_wad(WAD - total))} and the coins are only "
            f"{format_percent(from_wad(sum(whole.values())))} of the index; raise risk.max_stable or name more stable coins"
        )
    short = total - sum(coins.values())
    if short <= 0:
        return dict(coins)
    taken = {name: weight - coins.get(name, 0) for name, weight in whole.items()}
    back = scaled(taken, short)
    return {name: coins.get(name, 0) + back.get(name, 0) for name in whole if coins.get(name, 0) + back.get(name, 0)}


def _floats(coins: Mapping[str, int]) -> dict[str, float]:
    return {name: from_wad(weight) for name, weight in coins.items()}


def _shown(coins: Mapping[str, int], side: StableSide) -> dict[str, float]:
    """For a step: the coins, and what they leave divided among the stable coins."""
    rest, parts = from_wad(WAD - sum(coins.values())), math.fsum(side.parts.values())
    stable = {name: rest * part / parts for name, part in side.parts.items()}
    return dict(sorted({**_floats({name: weight for name, weight in coins.items() if weight}), **stable}.items()))
