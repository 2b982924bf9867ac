"""Why each coin has its weight, and why the others have none: a decision told step by step, with its numbers.

explain(decision, snapshot)              the whole index: screens → rank → signals → every step of the weights → integers
explain_coin(decision, snapshot, coin)   one coin, member or not
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offchain.canonical import utc_text
from offchain.market.snapshot import CoinFacts, MarketSnapshot
from offchain.methodology import Decision
from offchain.pages import LEFT, Table, render
from offchain.steps import Step
from offchain.units import format_usd, format_weight
from offchain.universe.selection import Verdict

NEXT_IN_RANK = 5  # coins below the last member that are told by name


@dataclass(frozen=True, kw_only=True)
class Screened:
    """One kind of reason and how many coins it kept out; `example`: the largest of them, with its numbers."""

    kind: str
    count: int
    example: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """`members`, `next_in_rank`: verdicts by rank; `weights`: {id: D18}; `labels`: {id: what the signals said}."""

    symbol: str
    t: str
    coins: int
    screened: tuple[Screened, ...]
    members: tuple[Verdict, ...]
    next_in_rank: tuple[Verdict, ...]
    labels: Mapping[str, str]
    phase: str
    steps: tuple[Step, ...]
    weights: Mapping[str, int]
    left: Mapping[str, str]
    findings: tuple[str, ...]
    hashes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CoinExplanation:
    """One coin. `facts`: None when the market does not know it; `path`: (stage, weight after it, what was said of it there)."""

    id: str
    symbol: str
    t: str
    is_member: bool
    weight: int
    reason: str
    facts: CoinFacts | None
    rank: int | None
    ahead: Verdict | None
    last_member: Verdict | None
    label: str
    path: tuple[tuple[str, float, str], ...]
    note: str


def explain(decision: Decision, snapshot: MarketSnapshot) -> Explanation:
    """The whole decision. `snapshot`: what it was made from."""
    verdicts = decision.universe.verdicts
    below = [verdict for verdict in verdicts if verdict.rank is not None and not verdict.is_member]
    return Explanation(
        symbol=decision.symbol,
        t=utc_text(decision.t),
        coins=len(snapshot),
        screened=_screened([verdict for verdict in verdicts if verdict.rank is None]),
        members=tuple(decision.universe.verdict(name) for name in decision.members),
        next_in_rank=tuple(below[:NEXT_IN_RANK]),
        labels=decision.labels,
        phase=decision.phase,
        steps=decision.steps,
        weights=decision.target_weights,
        left={name: decision.universe.verdict(name).reason for name in decision.left},
        findings=decision.findings,
        hashes={
            "spec_hash": decision.spec_hash,
            "inputs_hash": decision.inputs_hash,
            **({"model_hash": decision.model_hash} if decision.model_hash else {}),
            "decision_hash": decision.decision_hash,
        },
    )


def explain_coin(decision: Decision, snapshot: MarketSnapshot, coin: str) -> CoinExplanation:
    """One coin, by id or by symbol; of several with one symbol the member, else the largest."""
    name = find_coin(decision, snapshot, coin)
    verdict = decision.universe.verdict(name)
    is_held = name in decision.target_weights
    members = [decision.universe.verdict(member) for member in decision.universe.members]
    return CoinExplanation(
        id=name,
        symbol=verdict.symbol,
        t=utc_text(decision.t),
        is_member=is_held,
        weight=decision.target_weights.get(name, 0),
        reason=decision.why(name),
        facts=snapshot[name] if name in snapshot else None,
        rank=verdict.rank,
        ahead=next((other for other in members if verdict.rank and other.rank == verdict.rank - 1), None),
        last_member=members[-1] if members else None,
        label=decision.labels.get(name, ""),
        path=tuple((step.stage, step.weights.get(name, 0.0), step.reasons.get(name, "")) for step in decision.steps)
        if is_held
        else (),
        note=verdict.note,
    )


def find_coin(decision: Decision, snapshot: MarketSnapshot, coin: str) -> str:
    """The id that was meant. Raises MissingHistory, with the closest, when nothing has that id or symbol."""
    wanted = coin.casefold()
    if wanted in snapshot or wanted in decision.target_weights:
        return wanted
    called = [one for one in snapshot.coins if one.symbol.casefold() == wanted]
    if not called:
        return snapshot[wanted].id  # raises with the closest id
    return min(called, key=lambda one: (one.id not in decision.target_weights, -(one.market_cap or 0.0), one.id)).id


def kind_of(reason: str) -> str:
    """The rule behind a reason, without its numbers: "universe.min_volume_usd", "stablecoin", "same ticker"."""
    rule = re.search(r"\b(universe|signals|risk|weights)\.[a-z_]+", reason)
    if rule:
        return rule.group(0)
    head, colon, _ = reason.partition(": ")
    if colon and len(head.split()) <= 3:
        return head
    plain: list[str] = []
    for word in reason.split():
        if re.search(r"\d", word):
            break
        plain.append(word)
    return " ".join(plain[:4]).rstrip(";,") or "other"


# --- as text ----------------------------------------------------------------------------------------------------------


def explanation_text(told: Explanation) -> str:
    """For a terminal."""
    parts = [
        f"{told.symbol} at {told.t}: {len(told.members)} of {told.coins:,} coins",
        "1  screens: what kept coins out",
    ]
    parts.append(render(screens_table(told)))
    parts.append(f"2  rank: the {len(told.members)} members, and who came next")
    parts.append(render(rank_table(told)))
    if told.left:
        parts.append("left:\n" + "\n".join(f"  {name}: {why}" for name, why in told.left.items()))
    number = 3
    if told.phase:
        parts.append(f"{number}  signals: the market is in its {told.phase} phase; labels are in the table above")
        number += 1
    for step in told.steps:
        parts.append(f"{number}  {step.stage}: {step.summary}")
        parts += [f"     {name}: {why}" for name, why in step.reasons.items()]
        number += 1
    if told.steps:
        parts.append(render(steps_table(told)))
    parts.append(f"{number}  integers: weights in units of 1e-18, summing to {sum(told.weights.values()):,} exactly")
    parts.append(render(weights_table(told)))
    parts += [f"note: {finding}" for finding in told.findings]
    parts += [f"{name.replace('_', ' ')}: {value}" for name, value in told.hashes.items()]
    return "\n".join(parts)


def screens_table(told: Explanation) -> Table:
    """How many coins each rule kept out."""
    head = ("rule", "coins", f"{LEFT}the largest of them")
    return head, [(row.kind, f"{row.count:,}", row.example) for row in told.screened]


def rank_table(told: Explanation) -> Table:
    """Members and the next in rank."""
    head = ("rank", f"{LEFT}coin", f"{LEFT}id", "market cap", f"{LEFT}signal", f"{LEFT}why")
    rows = []
    for verdict in (*told.members, *told.next_in_rank):
        cap = "" if verdict.market_cap is None else format_usd(verdict.market_cap)
        rank = "" if verdict.rank is None else str(verdict.rank)
        rows.append((rank, verdict.symbol, verdict.id, cap, told.labels.get(verdict.id, ""), _because(told, verdict)))
    return head, rows


def steps_table(told: Explanation) -> Table:
    """One column for each stage: the waterfall of every weight."""
    head = ("coin", *(step.stage for step in told.steps), "target")
    names = _by_weight(told.weights, *(step.weights for step in told.steps))
    rows = []
    for name in names:
        cells = [f"{step.weights[name]:.4%}" if name in step.weights else "" for step in told.steps]
        rows.append((name, *cells, format_weight(told.weights.get(name, 0))))
    return head, rows


def weights_table(told: Explanation) -> Table:
    """The integers that go on chain."""
    rows = [(name, format_weight(told.weights[name]), f"{told.weights[name]:,}") for name in _by_weight(told.weights)]
    return ("coin", "weight", "units of 1e-18"), rows


def coin_text(told: CoinExplanation) -> str:
    """For a terminal."""
    verdict = f"in, {format_weight(told.weight)} ({told.weight:,} of 1e18)" if told.is_member else "not in"
    lines = [f"{told.symbol} ({told.id}) at {told.t}: {verdict}", f"  why: {told.reason}"]
    if told.facts is None:
        return "\n".join(lines)
    facts = told.facts
    known = [
        ("price", _money(facts.price)),
        ("market cap", _money(facts.market_cap)),
        ("median volume a day", _money(facts.volume)),
        ("first price", "before the data begins" if facts.age_days is None else f"{facts.age_days} days ago"),
        ("state of the price", facts.state),
        ("tags", ", ".join(facts.tags) or "none"),
        ("price tracks", facts.tracks or "nothing"),
    ]
    lines += [f"  {name}: {value}" for name, value in known]
    if told.rank is not None:
        lines.append(f"  rank among the eligible: {told.rank}")
    if told.rank is not None and not told.is_member and told.last_member is not None:
        lines.append(_gap(told))
    if told.label:
        lines.append(f"  signal: {told.label}")
    before = 0.0
    for number, (stage, weight, why) in enumerate(told.path):
        change = "" if number == 0 else f" ({weight - before:+.4%})"
        lines.append(f"  {stage}: {weight:.4%}{change}{': ' + why if why else ''}")
        before = weight
    if told.is_member:
        lines.append(f"  target: {format_weight(told.weight)} = {told.weight} units of 1e-18")
    return "\n".join([*lines, *([f"  note: {told.note}"] if told.note else [])])


def _gap(told: CoinExplanation) -> str:
    last, facts = told.last_member, told.facts
    assert last is not None and facts is not None
    if not last.market_cap or not facts.market_cap:
        return f"  the last member is {last.id} at rank {last.rank}"
    return (
        f"  the last member is {last.id} at rank {last.rank} with {format_usd(last.market_cap)}: "
        f"{last.market_cap / facts.market_cap - 1:+.1%} against this one"
    )


def _because(told: Explanation, verdict: Verdict) -> str:
    if verdict.is_member or verdict.id not in told.weights:
        return verdict.reason
    said = [step.reasons[verdict.id] for step in told.steps if verdict.id in step.reasons]
    return said[-1] if said else "held beside the ranked coins"


def _screened(rejected: Sequence[Verdict]) -> tuple[Screened, ...]:
    kinds: dict[str, list[Verdict]] = {}
    for verdict in rejected:
        kinds.setdefault(kind_of(verdict.reason), []).append(verdict)
    rows = []
    for kind, group in kinds.items():
        largest = min(group, key=lambda verdict: (-(verdict.market_cap or 0.0), verdict.id))
        rows.append(Screened(kind=kind, count=len(group), example=f"{largest.id}: {largest.reason}"))
    return tuple(sorted(rows, key=lambda row: (-row.count, row.kind)))


def _by_weight(weights: Mapping[str, int], *others: Mapping[str, float]) -> list[str]:
    names = {*weights, *(name for other in others for name in other)}
    return sorted(names, key=lambda name: (-weights.get(name, 0), name))


def _money(value: float | None) -> str:
    return "unknown" if value is None else format_usd(value)
