"""From members to weights, one step after the other, each with its numbers and a reason for every coin it moved.

    weigh(members, rules, history=…, signals=…, held=…)    Weighing: integers that sum to 1e18, steps, findings
    needs(rules)                                           how far back, and at which fields, it looks

    scheme    what the weights are proportional to, without limits (a blend: each of its schemes, then their mix)
    tilt      conviction raises some and lowers others
    limits    caps, floors, groups, liquidity; schemes that optimise are solved again within the bounds of each coin
    change    what one review may move

Exact schemes stay in integers from the first to the last step. Solved ones are rounded to 1e-12 and are integers from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from offchain.errors import InfeasibleWeights, MissingHistory
from offchain.market.history import History, Needs
from offchain.market.snapshot import CoinFacts
from offchain.signals.outcome import SignalSet
from offchain.spec.weight_rules import COVARIANCE_SCHEMES, EXACT_SCHEMES, VOLATILITY_SCHEMES, WeightRules
from offchain.steps import Step, Weighing
from offchain.units import WAD, format_percent, format_usd, fraction_to_wad, from_wad, to_wad, usd_to_nano
from offchain.weights.bounds import Bounds, bounds_of
from offchain.weights.estimates import Risk, covariance_of, mean_returns, returns_of, sharpe_ratios, volatilities
from offchain.weights.fitting import Limits, fit
from offchain.weights.hierarchy import hierarchical
from offchain.weights.limits import limit_weights
from offchain.weights.optimal import highest_sharpe, least_variance, most_diversified
from offchain.weights.risk_parity import equal_risk, risk_contributions
from offchain.weights.schemes import cap_of, fixed_weights, power_weights, price_of, raw_weights, volume_of
from offchain.weights.turnover import approach, change_bounds

Floats = NDArray[np.float64]
GRID = 10**12  # solved weights are rounded to this part of 1
CONVICTION_GRID = 10**6
FREE_FLOAT_DAYS = 30  # how old a free float may be


def needs(rules: WeightRules) -> Needs:
    """What `weigh` reads from history."""
    wanted = Needs()
    if "free_float" in rules.schemes:
        wanted |= Needs(days=FREE_FLOAT_DAYS, fields=("free_float",))
    if rules.volatile_above > 0 or {*rules.schemes} & {*VOLATILITY_SCHEMES, *COVARIANCE_SCHEMES}:
        wanted |= Needs(days=rules.volatility_days + 1, fields=("price",))
    return wanted


def uses_held(rules: WeightRules) -> bool:
    """Whether what is held now changes the weights."""
    return rules.max_turnover < 1.0 or rules.max_change < 1.0


def uses_signals(rules: WeightRules) -> bool:
    """Whether signals change the weights."""
    return rules.tilt > 0.0 or "conviction" in rules.schemes


def weigh(
    members: Sequence[CoinFacts],
    rules: WeightRules,
    *,
    history: History | None = None,
    signals: SignalSet | None = None,
    held: Mapping[str, float] | None = None,
) -> Weighing:
    """The weights of `members`, {id: D18} sorted by id, Σ = 1e18 exactly; no limit is broken by a wei.

    `history`: as `needs` says; `signals`: for a tilt or the scheme conviction, without them all coins count as neutral and it is
    found; `held`: {id: part} of the coins at risk now, any scale, of members and of coins that left. A weight may be zero only where
    the scheme gives nothing and min_weight is 0. Raises InfeasibleWeights, MissingHistory, MarketDataError or NotConverged.
    """
    coins = tuple(sorted(members, key=lambda coin: coin.id))
    if not coins:
        raise InfeasibleWeights("no coin to weigh; loosen the universe rules so that at least one passes")
    work = _Work(coins=coins, rules=rules, history=history, signals=signals)
    ids = work.ids
    steps: list[Step] = []
    schemed = _scheme(work, steps)
    raw = schemed.raw
    factors = _factors(work)
    if rules.tilt > 0:
        raw = _tilted(raw, factors)
        steps.append(_tilt_step(work, schemed.raw, raw, factors))
    bounds = bounds_of(
        coins, rules, largest=max(range(len(raw)), key=lambda i: (raw[i], -i)), volatilities=work.yearly()
    )
    free = raw
    if rules.scheme in COVARIANCE_SCHEMES and rules.scheme != "hrp":
        within = _solve(work, rules.scheme, bounds.limits)
        work.note(*within.findings)
        raw = _tilted(within.raw, factors) if rules.tilt > 0 else within.raw
    weights = _fitted(raw, bounds.limits)
    steps.append(_limits_step(free, weights, bounds))
    if uses_held(rules) and held and sum(held.values()) > 0:
        weights = _changed(work, weights, raw, bounds, held, steps)
    return Weighing(weights=dict(zip(ids, weights, strict=True)), steps=tuple(steps), findings=work.findings())


@dataclass(frozen=True, kw_only=True)
class _Schemed:
    """What a scheme says. `raw`: integers of any scale; `reasons`: one for each coin; `findings`: doubts."""

    raw: list[int]
    summary: str
    reasons: list[str]
    findings: tuple[str, ...] = ()


class _Work:
    """The inputs of one weighing, and what is estimated from them once."""

    def __init__(
        self, *, coins: tuple[CoinFacts, ...], rules: WeightRules, history: History | None, signals: SignalSet | None
    ) -> None:
        self.coins, self.rules, self.signals = coins, rules, signals
        self.ids = tuple(coin.id for coin in coins)
        self._history = history
        self._yearly: dict[str, float] | None = None
        self._risk: Risk | None = None
        self._findings: list[str] = []

    def history(self) -> History:
        if self._history is None:
            days, fields = needs(self.rules).days, ", ".join(needs(self.rules).fields)
            raise MissingHistory(
                f'weights.scheme = "{self.rules.scheme}" looks back {days} days at {fields}; give history=market.history(t, …)'
            )
        return self._history

    def yearly(self) -> dict[str, float]:
        """{id: yearly volatility}; empty when the rules do not ask for it."""
        if self._yearly is None:
            wanted = {*self.rules.schemes} & {"inverse_volatility", "conviction"} or self.rules.volatile_above > 0
            self._yearly, found = volatilities(self.history(), self.ids, self.rules) if wanted else ({}, ())
            self.note(*found)
        return self._yearly

    def risk(self) -> Risk:
        if self._risk is None:
            self._risk = covariance_of(returns_of(self.history(), self.ids, self.rules), self.rules)
            self.note(*self._risk.findings)
        return self._risk

    def note(self, *findings: str) -> None:
        self._findings += [finding for finding in findings if finding not in self._findings]

    def findings(self) -> tuple[str, ...]:
        return tuple(self._findings)


# --- schemes ----------------------------------------------------------------------------------------------------------


def _scheme(work: _Work, steps: list[Step]) -> _Schemed:
    """The scheme without limits, as integers; adds its steps."""
    rules = work.rules
    if rules.scheme != "blend":
        schemed = _one(work, rules.scheme)
        steps.append(_step("scheme", schemed.summary, work.ids, schemed.raw, schemed.reasons))
        work.note(*schemed.findings)
        return schemed
    mixed = [0] * len(work.ids)
    for name, part in rules.blend:
        schemed = _one(work, name)
        steps.append(
            _step("scheme", f"{part:.0%} of the blend: {schemed.summary}", work.ids, schemed.raw, schemed.reasons)
        )
        work.note(*schemed.findings)
        for index, share in enumerate(_shares(schemed.raw)):
            mixed[index] += share * fraction_to_wad(part)
    summary = "Blend of " + ", ".join(f"{part:.0%} {name}" for name, part in rules.blend) + "."
    reasons = [f"{format_percent(share / WAD)} of the blend" for share in _shares(mixed)]
    steps.append(_step("blend", summary, work.ids, mixed, reasons))
    return _Schemed(raw=mixed, summary=summary, reasons=reasons)


def _one(work: _Work, name: str) -> _Schemed:
    if name in EXACT_SCHEMES:
        return _exact(work, name)
    if name in COVARIANCE_SCHEMES:
        return _solve(work, name, None)
    return _from_volatility(work, name)


def _exact(work: _Work, name: str) -> _Schemed:
    coins, power = work.coins, work.rules.power
    if name == "equal":
        return _Schemed(
            raw=[1] * len(coins), summary="Every member weighs the same.", reasons=[f"one of {len(coins)}"] * len(coins)
        )
    if name == "price":
        reasons = [f"price {format_usd(coin.price or 0.0)}" for coin in coins]
        return _Schemed(
            raw=[price_of(c) for c in coins], summary="Proportional to the price of one coin.", reasons=reasons
        )
    if name == "volume":
        reasons = [f"median daily volume {format_usd(coin.volume)}" for coin in coins]
        return _Schemed(
            raw=[volume_of(c) for c in coins], summary="Proportional to the median daily volume.", reasons=reasons
        )
    if name == "free_float":
        return _free_float(work)
    reasons = [f"market cap {format_usd(coin.market_cap or 0.0)}" for coin in coins]
    if name == "fixed":
        parts = dict(work.rules.fixed)
        raw, findings = fixed_weights(coins, parts)
        reasons = [
            f"fixed part {parts[c.id]:g}" if c.id in parts else f"shares the rest, {why}"
            for c, why in zip(coins, reasons, strict=True)
        ]
        return _Schemed(raw=raw, summary="Fixed parts.", reasons=reasons, findings=findings)
    caps = [cap_of(coin) for coin in coins]
    if name == "power_market_cap":
        summary = f"Proportional to the market cap to the power {power:g}."
        return _Schemed(raw=power_weights(caps, power=power), summary=summary, reasons=reasons)
    root = "the root of " if name == "sqrt_market_cap" else ""
    return _Schemed(
        raw=raw_weights(caps, scheme=name), summary=f"Proportional to {root}the market cap.", reasons=reasons
    )


def _free_float(work: _Work) -> _Schemed:
    """Newest free float of the last month times the price now; the circulating market cap where none is known."""
    history = work.history()
    panel = history.panel("free_float")[-FREE_FLOAT_DAYS:]
    raw, reasons, findings = [], [], []
    for coin in work.coins:
        column = panel[:, history.column(coin.id)]
        known = column[column > 0]
        if len(known):
            # price_of has nine decimals more than a nano-dollar; coins are cut to a millionth
            raw.append(price_of(coin) * usd_to_nano(float(known[-1])) // 10**18)
            reasons.append(f"free float {format_usd(from_nano(raw[-1]))}")
        else:
            raw.append(cap_of(coin))
            reasons.append(f"circulating market cap {format_usd(coin.market_cap or 0.0)}, its free float is unknown")
            findings.append(
                f"{coin.id}: free float unknown for {FREE_FLOAT_DAYS} days; its circulating market cap stands in"
            )
    return _Schemed(
        raw=raw, summary="Proportional to free float times price.", reasons=reasons, findings=tuple(findings)
    )


def from_nano(amount: int) -> float:
    """{nUSD} → USD, for reading."""
    return amount / 10**9


def _from_volatility(work: _Work, name: str) -> _Schemed:
    if name == "sharpe":
        return _sharpe(work)
    yearly = work.yearly()
    # D18, as the contract InverseVolatility takes it
    inverse = [WAD * WAD // fraction_to_wad(f"{yearly[name]:.12g}") for name in work.ids]
    reasons = [f"volatility {yearly[name]:.1%} a year" for name in work.ids]
    if name == "inverse_volatility":
        return _Schemed(raw=inverse, summary="Inversely proportional to volatility.", reasons=reasons)
    factors = _factors(work)
    caps = [cap_of(coin) for coin in work.coins]
    powers = power_weights(caps, power=work.rules.power)
    raw = [max(1, p * v * f // WAD) for p, v, f in zip(powers, inverse, factors, strict=True)]
    reasons = [
        f"market cap {format_usd(coin.market_cap or 0.0)}, {why}, conviction × {factor / CONVICTION_GRID:.2f}"
        for coin, why, factor in zip(work.coins, reasons, factors, strict=True)
    ]
    summary = f"Market cap to the power {work.rules.power:g}, over volatility, times conviction."
    return _Schemed(raw=raw, summary=summary, reasons=reasons)


def _sharpe(work: _Work) -> _Schemed:
    """Proportional to the yearly Sharpe ratio, at least the floor."""
    rules = work.rules
    ratios = sharpe_ratios(returns_of(work.history(), work.ids, rules), least_days=rules.min_history_days)
    raw, reasons, findings = [], [], []
    for name in work.ids:
        ratio = ratios[name]
        raw.append(fraction_to_wad(f"{max(ratio or 0.0, rules.sharpe_floor):.12f}"))
        at_floor = f", counts as the floor {rules.sharpe_floor:g}" if (ratio or 0.0) < rules.sharpe_floor else ""
        reasons.append(f"Sharpe ratio {'unknown' if ratio is None else format(ratio, '.2f')}{at_floor}")
        if ratio is None:
            findings.append(
                f"{name}: too few daily returns for a Sharpe ratio; counts as the floor {rules.sharpe_floor:g}"
            )
    return _Schemed(raw=raw, summary="Proportional to the Sharpe ratio.", reasons=reasons, findings=tuple(findings))


def _solve(work: _Work, name: str, limits: Limits | None) -> _Schemed:
    """A scheme that optimises, within the bounds of each coin if given; on the 1e-12 grid, Σ = 1e12."""
    risk = work.risk()
    low = None if limits is None else np.array([from_wad(bound) for bound in limits.lower])
    high = None if limits is None else np.array([from_wad(bound) for bound in limits.upper])
    summary, note = "", ""
    if name == "erc":
        weights, note = _equal_risk(risk, low, high)
        summary = "Every coin adds the same risk"
    elif name == "hrp":
        weights, summary = hierarchical(risk.covariance), "Hierarchical risk parity"
    elif name == "max_diversification":
        weights, summary = most_diversified(risk.covariance, lower=low, upper=high), "Most diversified"
    elif name == "max_sharpe":
        weights, summary, note = _max_sharpe(work, risk, low, high)
    else:
        weights, summary = least_variance(risk.covariance, lower=low, upper=high), "Least variance"
    risks = risk_contributions(risk.covariance, weights)
    reasons = [
        f"volatility {volatility:.1%} a year, adds {part:.1%} of the risk"
        for volatility, part in zip(risk.volatility.tolist(), risks.tolist(), strict=True)
    ]
    yearly = float(np.sqrt((weights * (risk.covariance @ weights)).sum() * 365))
    text = f"{summary}: {yearly:.1%} a year over {work.rules.volatility_days} days; covariance shrunk by {risk.shrunk:.0%}."
    return _Schemed(raw=_on_grid(weights), summary=text, reasons=reasons, findings=(note,) if note else ())


def _equal_risk(risk: Risk, low: Floats | None, high: Floats | None) -> tuple[Floats, str]:
    try:
        return equal_risk(risk.covariance, lower=low, upper=high), ""
    except InfeasibleWeights:
        # the limits cut what comes back pro rata
        note = "erc: the floors turn some members into hedges, so no mix within them shares risk equally; equal risk without limits is cut"
        return equal_risk(risk.covariance), note


def _max_sharpe(work: _Work, risk: Risk, low: Floats | None, high: Floats | None) -> tuple[Floats, str, str]:
    returns = returns_of(work.history(), work.ids, work.rules)
    means, pull = mean_returns(returns, risk, shrunk=work.rules.mean == "shrunk")
    try:
        weights = highest_sharpe(risk.covariance, means, lower=low, upper=high)
    except InfeasibleWeights:
        note = (
            "max_sharpe: no mix of the members has a mean return above 0 over the window; the least variance stands in"
        )
        return least_variance(risk.covariance, lower=low, upper=high), "Least variance, as no mix gained", note
    return weights, f"Highest Sharpe ratio, means drawn together by {pull:.0%}", ""


def _on_grid(weights: Floats) -> list[int]:
    """Integers of 1e-12 that sum to 1e12: each rounded, the difference on the largest (lowest index on ties)."""
    rounded = [int(np.rint(weight * GRID)) for weight in weights.tolist()]
    largest = max(range(len(rounded)), key=lambda index: (rounded[index], -index))
    rounded[largest] += GRID - sum(rounded)
    return rounded


# --- conviction -------------------------------------------------------------------------------------------------------


def _factors(work: _Work) -> list[int]:
    """What each raw weight is multiplied by, in millionths: 1 + strength · conviction, signed by the score; at least 1e-6."""
    if not uses_signals(work.rules):
        return [CONVICTION_GRID] * len(work.ids)
    if work.signals is None:
        work.note("signals are missing: every coin counts as neutral, so conviction changes no weight")
        return [CONVICTION_GRID] * len(work.ids)
    strength = work.rules.tilt if work.rules.tilt > 0 else 1.0
    factors = []
    for name in work.ids:
        signal = work.signals.signals.get(name)
        if signal is None or signal.is_fallback:
            work.note(f"{name}: no fresh signal; counts as neutral")
            factors.append(CONVICTION_GRID)
            continue
        signed = signal.conviction if signal.score > 0 else -signal.conviction if signal.score < 0 else 0.0
        factors.append(max(1, round(CONVICTION_GRID * (1.0 + strength * signed))))
    return factors


def _tilted(raw: Sequence[int], factors: Sequence[int]) -> list[int]:
    return [value * factor for value, factor in zip(raw, factors, strict=True)]


def _tilt_step(work: _Work, before: Sequence[int], after: Sequence[int], factors: Sequence[int]) -> Step:
    reasons = []
    for name, factor in zip(work.ids, factors, strict=True):
        signal = None if work.signals is None else work.signals.signals.get(name)
        what = "neutral" if signal is None else f"{signal.label}, conviction {signal.conviction:.2f}"
        reasons.append("" if factor == CONVICTION_GRID else f"× {factor / CONVICTION_GRID:.2f}: {what}")
    moved = sum(abs(a - b) for a, b in zip(_shares(before), _shares(after), strict=True)) / 2 / WAD
    summary = f"Tilted by conviction with strength {work.rules.tilt:g}; {format_percent(moved)} of the index moved."
    return _step("tilt", summary, work.ids, after, reasons)


# --- limits -----------------------------------------------------------------------------------------------------------


def _fitted(raw: Sequence[int], limits: Limits) -> list[int]:
    """`fit`, where a name that the scheme gives nothing stays at its floor, unless the caps of the others need it."""
    if min(raw) > 0:
        same = not limits.members and len(set(limits.upper)) == 1 and len(set(limits.lower)) == 1
        return limit_weights(raw, cap=limits.upper[0], floor=limits.lower[0]) if same else fit(raw, limits)
    kept = [value if value > 0 else 1 for value in raw]
    pinned = tuple(
        low if value <= 0 else high for value, low, high in zip(raw, limits.lower, limits.upper, strict=True)
    )
    at_floor = replace(limits, upper=pinned)
    return fit(kept, at_floor if at_floor.is_feasible() else limits)


def _limits_step(free: Sequence[int], weights: Sequence[int], bounds: Bounds) -> Step:
    limits, before = bounds.limits, _shares(free)
    sums = [sum(weights[index] for index in names) for names in limits.members]
    reasons, held_down, held_up = [], 0, 0
    for index, (old, new) in enumerate(zip(before, weights, strict=True)):
        group = limits.groups[index] if limits.groups else -1
        move = f"{_percent(old)} → {_percent(new)}: "
        if abs(new - old) <= len(weights):
            reasons.append("")
        elif new == limits.upper[index]:
            held_down += 1
            reasons.append(f"{move}{bounds.upper_rules[index]} {_percent(limits.upper[index])}")
        elif new == limits.lower[index]:
            held_up += 1
            reasons.append(f"{move}{bounds.lower_rules[index]} {_percent(limits.lower[index])}")
        elif group >= 0 and sums[group] == limits.group_upper[group] and new < old:
            reasons.append(f"{move}{bounds.group_names[group]} coins together {_percent(limits.group_upper[group])}")
        elif group >= 0 and sums[group] == limits.group_lower[group] and new > old:
            reasons.append(f"{move}{bounds.group_names[group]} coins together {_percent(limits.group_lower[group])}")
        else:
            reasons.append(
                f"{move}{'its share of what the limits took from others' if new > old else 'gives to those at a floor'}"
            )
    full = [
        name for name, total, bound in zip(bounds.group_names, sums, limits.group_upper, strict=True) if total == bound
    ]
    least = [
        name
        for name, total, low in zip(bounds.group_names, sums, limits.group_lower, strict=True)
        if low and total == low
    ]
    parts = [f"{held_down} at their most", f"{held_up} at their least"]
    parts += [f"groups at their most: {', '.join(full)}"] if full else []
    parts += [f"groups at their least: {', '.join(least)}"] if least else []
    summary = "Limits: " + "; ".join(parts) + "." if any(reasons) else "No limit changes a weight."
    return _step("limits", summary, bounds.ids, weights, reasons)


# --- change -----------------------------------------------------------------------------------------------------------


def _changed(
    work: _Work, target: list[int], raw: Sequence[int], bounds: Bounds, held: Mapping[str, float], steps: list[Step]
) -> list[int]:
    """The target as far as max_change and max_turnover let one review go."""
    rules, limits = work.rules, bounds.limits
    names = sorted({*work.ids, *held})
    parts = dict(zip(names, to_wad([held.get(name, 0.0) for name in names]), strict=True))
    own = [parts[name] for name in work.ids]
    leaving = WAD - sum(own)
    weights, change, turnover = target, fraction_to_wad(rules.max_change), fraction_to_wad(rules.max_turnover)
    if rules.max_change < 1.0:
        limits, needed = change_bounds(limits, own, change)
        weights = _fitted(raw, limits)
        if needed > change:
            work.note(
                f"max_change {_percent(change)} cannot be kept: the limits and the coins that left need {_percent(needed)} of a coin"
            )
        _note_restored(work, own, weights, bounds, change)
    if rules.max_turnover < 1.0:
        weights, allowed = approach(weights, own, limits, leaving=leaving, max_turnover=turnover)
        if allowed > turnover:
            work.note(
                f"max_turnover {_percent(turnover)} cannot be kept: the limits and the coins that left ({_percent(leaving)}) need "
                f"{_percent(allowed)}"
            )
    moved = (sum(abs(a - b) for a, b in zip(weights, own, strict=True)) + leaving) / 2 / WAD
    short = [
        "" if new == goal else f"held {_percent(now)}, target {_percent(goal)}: goes to {_percent(new)} in this review"
        for now, goal, new in zip(own, target, weights, strict=True)
    ]
    summary = f"Turnover {format_percent(moved)} one way; {sum(1 for reason in short if reason)} coins stop short of their target."
    steps.append(_step("change", summary, work.ids, weights, short))
    return weights


def _note_restored(work: _Work, held: Sequence[int], weights: Sequence[int], bounds: Bounds, change: int) -> None:
    for index, (before, after) in enumerate(zip(held, weights, strict=True)):
        if before > bounds.limits.upper[index] and before - after > change:
            rule = bounds.upper_rules[index]
            work.note(
                f"{work.ids[index]}: cut from {_percent(before)} to its {rule} at once, more than max_change {_percent(change)}"
            )


# --- text -------------------------------------------------------------------------------------------------------------


def _step(stage: str, summary: str, ids: Sequence[str], raw: Sequence[int], reasons: Sequence[str]) -> Step:
    shares = [from_wad(share) for share in _shares(raw)]
    why = {name: reason for name, reason in zip(ids, reasons, strict=True) if reason}
    return Step(stage=stage, summary=summary, weights=dict(zip(ids, shares, strict=True)), reasons=why)


def _shares(raw: Sequence[int]) -> list[int]:
    """`raw` scaled to D18, Σ = 1e18; the wei that rounding leaves are with the largest."""
    total = sum(raw)
    if total == WAD:
        return list(raw)
    shares = [value * WAD // total for value in raw]
    shares[max(range(len(raw)), key=lambda index: (raw[index], -index))] += WAD - sum(shares)
    return shares


def _percent(value: int) -> str:
    return format_percent(from_wad(value))
