"""The notice of a rebalance: what changes, why, when, and how to check it. For holders, and for who tracks the index.

    rebalance_notice(decision, before, spec=spec, effective=…)

`before`: {id: part of 1} held when it was decided. The reference time is that of the data, the effective time the earliest
at which the contracts let the new weights be traded: roles.delay_hours later.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from offchain.canonical import utc_text
from offchain.methodology import Decision
from offchain.pages import LEFT, Table, table_markdown
from offchain.research.statements import ADVICE, RISK
from offchain.spec import IndexSpec
from offchain.units import WAD, format_percent, format_weight

SMALL = 5e-5  # changes of weight below it are not called a change


def rebalance_notice(
    decision: Decision, before: Mapping[str, float], *, spec: IndexSpec, effective: datetime | None = None
) -> str:
    """Markdown. The same decision gives the same text."""
    when = decision.t + timedelta(hours=spec.roles.delay_hours) if effective is None else effective
    after = {name: weight / WAD for name, weight in decision.target_weights.items()}
    turnover = sum(abs(after.get(name, 0.0) - before.get(name, 0.0)) for name in {*before, *after}) / 2.0
    parts = [
        f"# {spec.name} ({spec.symbol}): rebalance of {decision.t:%d %B %Y}",
        "\n".join(
            [
                f"- Reference time, of all data: {utc_text(decision.t)}",
                f"- Effective from: {utc_text(when)}, at the prices of then",
                f"- Turnover, one-way: {format_percent(turnover)}; nothing is traded while it is below "
                f"{format_percent(spec.rebalance.drift_band)}",
                *_came_and_went(decision, before),
            ]
        ),
        "## Weights",
        table_markdown(changes_table(decision, before)),
        *_said(decision),
        "## How to check it",
        f"Methodology `{decision.spec_hash}`  \nInputs `{decision.inputs_hash}`  \nDecision `{decision.decision_hash}`",
        f"`ballast verify` recomputes it; `ballast explain {spec.symbol} {decision.t:%Y-%m-%d} <coin>` tells one coin's story.",
        f"{RISK} {ADVICE}",
    ]
    return "\n\n".join(parts) + "\n"


def changes_table(decision: Decision, before: Mapping[str, float]) -> Table:
    """Every coin that is held before or after, by its new weight."""
    names = sorted({*before, *decision.target_weights}, key=lambda name: (-decision.target_weights.get(name, 0), name))
    rows = []
    for name in names:
        was, will = before.get(name, 0.0), decision.target_weights.get(name, 0)
        rows.append(
            (
                name,
                format_percent(was) if was else "",
                format_weight(will) if will else "",
                f"{(will / WAD - was) * 100:+.2f} pp",
                _action(was, will / WAD),
                decision.why(name),
            )
        )
    return ("coin", "before", "after", "change", f"{LEFT}action", f"{LEFT}why"), rows


def _action(was: float, will: float) -> str:
    if not was:
        return "enters"
    if not will:
        return "leaves"
    if abs(will - was) < SMALL:
        return "stays"
    return "bought" if will > was else "sold"


def _came_and_went(decision: Decision, before: Mapping[str, float]) -> list[str]:
    entered = [name for name in decision.members if not before.get(name) and decision.target_weights.get(name)]
    left = sorted(name for name, part in before.items() if part and not decision.target_weights.get(name))
    return [f"- In: {', '.join(entered) or 'nobody'}", f"- Out: {', '.join(left) or 'nobody'}"]


def _said(decision: Decision) -> list[str]:
    said = [f"- {step.stage}: {step.summary}" for step in decision.steps]
    said += [f"- note: {finding}" for finding in decision.findings]
    return ["## How the weights came about", "\n".join(said)] if said else []
