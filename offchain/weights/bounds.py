"""From [weights] and what is known about each coin to bounds in integers, each with the name of the rule it comes from.

When they cannot all hold, the refusal says which of them collide, by how much, and the least change of each that would do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Any

from offchain.errors import InfeasibleWeights
from offchain.market.snapshot import CoinFacts
from offchain.spec.weight_rules import WeightRules
from offchain.units import WAD, format_percent, fraction_to_wad, from_wad, to_decimal
from offchain.universe.taxonomy import sector_of, themes_of
from offchain.weights.fitting import NO_GROUP, Limits

CURE_STEPS = 10**6  # a way out is named to the sixth decimal


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Limits and where they come from. `upper_rules`, `lower_rules`: for each coin the rule that gives its bound."""

    ids: tuple[str, ...]
    limits: Limits
    upper_rules: tuple[str, ...]
    lower_rules: tuple[str, ...]
    group_names: tuple[str, ...]

    def group_of(self, index: int) -> str:
        """The group this coin counts in, "" for none."""
        group = self.limits.groups[index] if self.limits.groups else NO_GROUP
        return "" if group == NO_GROUP else self.group_names[group]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What bounds are made from. `coins`: sorted by id; `largest`: index of the largest."""

    coins: Sequence[CoinFacts]
    volatilities: Mapping[str, float]
    largest: int


def bounds_of(
    coins: Sequence[CoinFacts], rules: WeightRules, *, largest: int = 0, volatilities: Mapping[str, float] | None = None
) -> Bounds:
    """The bounds of `coins`. `largest`: index of the coin that max_weight_largest is for; `volatilities`: {id: yearly}, needed
    only when rules.volatile_above is set. Raises InfeasibleWeights when no weights fit.
    """
    known = _Known(coins=coins, volatilities=volatilities or {}, largest=largest)
    bounds = _build(known, rules)
    if not bounds.limits.is_feasible():
        raise InfeasibleWeights(_collision(known, rules, bounds))
    return bounds


def _build(known: _Known, rules: WeightRules) -> Bounds:
    uppers = [_upper(index, known, rules) for index in range(len(known.coins))]
    floor = fraction_to_wad(rules.min_weight)
    names = tuple(sorted({name for name, _ in (*rules.group_caps, *rules.group_floors)}))
    caps, floors = dict(rules.group_caps), dict(rules.group_floors)
    return Bounds(
        ids=tuple(coin.id for coin in known.coins),
        limits=Limits(
            lower=(floor,) * len(known.coins),
            upper=tuple(bound for bound, _ in uppers),
            groups=tuple(_group(coin, names) for coin in known.coins) if names else (),
            group_lower=tuple(fraction_to_wad(floors.get(name, 0.0)) for name in names),
            group_upper=tuple(fraction_to_wad(caps.get(name, 1.0)) for name in names),
        ),
        upper_rules=tuple(rule for _, rule in uppers),
        lower_rules=("min_weight",) * len(known.coins),
        group_names=names,
    )


def _upper(index: int, known: _Known, rules: WeightRules) -> tuple[int, str]:
    """(bound, rule): the tightest; the first of equals."""
    coin = known.coins[index]
    is_largest = rules.max_weight_largest > 0 and index == known.largest
    name = "max_weight_largest" if is_largest else "max_weight"
    found = [(fraction_to_wad(getattr(rules, name)), name)]
    if rules.volatile_above > 0 and known.volatilities[coin.id] > rules.volatile_above:
        found.append((fraction_to_wad(rules.volatile_max_weight), "volatile_max_weight"))
    if rules.liquidity_days > 0 and rules.portfolio_usd > 0:
        found.append((_liquid(coin, rules), "liquidity_days"))
    return min(found, key=lambda row: row[0])


def _liquid(coin: CoinFacts, rules: WeightRules) -> int:
    """D18: days × share × median volume / portfolio, rounded down, at most 1."""
    with localcontext() as context:
        context.prec = 60
        sellable = to_decimal(rules.liquidity_days) * to_decimal(rules.liquidity_share) * to_decimal(coin.volume)
        part = (sellable / to_decimal(rules.portfolio_usd) * WAD).to_integral_value(rounding=ROUND_FLOOR)
    return min(WAD, int(part))


def _group(coin: CoinFacts, names: Sequence[str]) -> int:
    """The first of the coin's themes, by alphabet, that has a limit; else its sector if that has one."""
    labels = (*themes_of(coin), sector_of(coin))
    return next((names.index(label) for label in labels if label in names), NO_GROUP)


# --- what collides ----------------------------------------------------------------------------------------------------


def _collision(known: _Known, rules: WeightRules, bounds: Bounds) -> str:
    limits = bounds.limits
    problems, involved = _crossed(bounds), {"min_weight"}
    if problems:
        involved |= {
            rule for rule, low, high in zip(bounds.upper_rules, limits.lower, limits.upper, strict=True) if low > high
        }
    for group, name in enumerate(bounds.group_names):
        least, most = limits.group_range(group)
        if least > most and not problems:
            problems.append(_group_problem(bounds, group))
            involved |= {f"group_caps.{name}", f"group_floors.{name}"}
            involved |= {bounds.upper_rules[index] for index in limits.members[group]}
    if not problems:
        least, most = limits.range()
        involved |= {f"group_caps.{n}" for n in bounds.group_names} | {f"group_floors.{n}" for n in bounds.group_names}
        involved |= set(bounds.upper_rules)
        if most < WAD:
            problems.append(f"{len(known.coins)} coins reach only {_part(most)} of 1: {_breakdown(bounds, upper=True)}")
        else:
            problems.append(f"the floors need {_part(least)} of 1: {_breakdown(bounds, upper=False)}")
    cures = [cure for rule in sorted(involved) if (cure := _cure(known, rules, rule))]
    way_out = " or ".join(cures) if cures else "change several of them together"
    number = "fewer" if limits.range()[0] > WAD else "more"
    return f"weights: {'; '.join(problems)}. {way_out[0].upper()}{way_out[1:]}, or hold {number} coins"


def _crossed(bounds: Bounds) -> list[str]:
    rows = zip(bounds.ids, bounds.limits.lower, bounds.limits.upper, bounds.upper_rules, strict=True)
    return [
        f"{name}: min_weight {_part(low)} is above its {rule} limit of {_part(high)}"
        for name, low, high, rule in rows
        if low > high
    ]


def _group_problem(bounds: Bounds, group: int) -> str:
    limits, name = bounds.limits, bounds.group_names[group]
    names = limits.members[group]
    floor, cap = limits.group_lower[group], limits.group_upper[group]
    least, most = sum(limits.lower[index] for index in names), sum(limits.upper[index] for index in names)
    if least > cap:
        return (
            f"group_caps.{name} = {_part(cap)} is below the {_part(least)} that min_weight gives its {len(names)} coins"
        )
    if not names:
        return f"group_floors.{name} = {_part(floor)} but no member has that theme"
    rules = ", ".join(sorted({bounds.upper_rules[index] for index in names}))
    return f"group_floors.{name} = {_part(floor)} is above the {_part(most)} that its {len(names)} coins may reach ({rules})"


def _breakdown(bounds: Bounds, *, upper: bool) -> str:
    """'max_weight 0.6 (3 coins), group_caps.meme 0.1 (2 coins)': what each rule lets through, or asks for."""
    limits, sums, counts = bounds.limits, Counter[str](), Counter[str]()
    parts: list[tuple[str, int, int]] = []
    rules = bounds.upper_rules if upper else bounds.lower_rules
    own = limits.upper if upper else limits.lower
    for index in limits.loose:
        parts.append((rules[index], own[index], 1))
    for group, names in enumerate(limits.members):
        bound = limits.group_upper[group] if upper else limits.group_lower[group]
        total = sum(own[index] for index in names)
        if (bound < total) if upper else (bound > total):
            parts.append(
                (f"{'group_caps' if upper else 'group_floors'}.{bounds.group_names[group]}", bound, len(names))
            )
        else:
            parts += [(rules[index], own[index], 1) for index in names]
    for rule, amount, coins in parts:
        sums[rule] += amount
        counts[rule] += coins
    return ", ".join(f"{rule} {_part(sums[rule])} ({counts[rule]} coins)" for rule in sorted(sums))


def _cure(known: _Known, rules: WeightRules, rule: str) -> str:
    """The change of this one rule alone that makes the limits fit, nearest to what it is; "" when there is none."""
    key, _, group = rule.partition(".")
    table = dict(getattr(rules, key)) if group else {}
    if group and group not in table:
        return ""
    is_floor = key in ("min_weight", "group_floors")
    now = table[group] if group else getattr(rules, key)
    end = 0.0 if is_floor else 365.0 if key == "liquidity_days" else 1.0

    def fits(step: int) -> bool:
        value = _between(now, end, step)
        changed: dict[str, Any] = {key: tuple(sorted({**table, group: value}.items())) if group else value}
        return _build(known, replace(rules, **changed)).limits.is_feasible()

    if now == end or not fits(CURE_STEPS):
        return ""
    low, high = 0, CURE_STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    verb, edge = ("lower", "most") if is_floor else ("raise", "least")
    return f"{verb} {rule} to at {edge} {_between(now, end, high):g}"


def _between(now: float, end: float, step: int) -> float:
    """`step` millionths of the way, on six decimals and towards `end`."""
    exact = to_decimal(now) + (to_decimal(end) - to_decimal(now)) * step / CURE_STEPS
    rounded = exact.quantize(Decimal("0.000001"), rounding="ROUND_CEILING" if end > now else "ROUND_FLOOR")
    return float(rounded)


def _part(value: int) -> str:
    return f"{from_wad(value):.6g}"


def percent(value: int) -> str:
    """D18 → '25.34 %'."""
    return format_percent(from_wad(value))
