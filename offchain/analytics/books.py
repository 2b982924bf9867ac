"""A run as books: its trades as fills for tax lots, what each coin added, and what each decision added."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from offchain.analytics.attribution import (
    Contributions,
    Decided,
    Floats,
    by_component,
    by_decision,
    equal_parts,
    paper_levels,
)
from offchain.analytics.taxes import Fill, bought, sold
from offchain.backtest import Review, Run
from offchain.backtest.results import BASE
from offchain.methodology import Decision
from offchain.units import WAD


def fills_of(run: Run) -> tuple[Fill, ...]:
    """Every trade of the run, sales of a moment before its purchases; what is sold whole is sold to the last unit."""
    held: dict[str, int] = {}
    fills = []
    for trade in sorted(run.trades, key=lambda trade: (trade.time, trade.side == "buy", trade.id)):
        note = f"{trade.decision}: {trade.reason}"
        make = bought if trade.side == "buy" else sold
        fill = make(
            trade.time,
            trade.id,
            amount=_text(abs(trade.quantity)),
            usd=_text(trade.value),
            fee_usd=_text(trade.cost),
            note=note,
        )
        if trade.side == "sell":
            # quantities of a run are floats: the last sale may miss what is held by their last digit
            left = held.get(trade.id, 0)
            amount = left if trade.weight_after == 0.0 else min(fill.amount, left)
            fill = Fill(
                time=fill.time, coin=fill.coin, side="sell", amount=amount, value=fill.value, fee=fill.fee, note=note
            )
        held[trade.id] = held.get(trade.id, 0) + (fill.amount if trade.side == "buy" else -fill.amount)
        if fill.amount:
            fills.append(fill)
    return tuple(fills)


def components_of(run: Run) -> Contributions:
    """What each coin added to the result before fees; the rest is what trading cost. Assumes that nobody came or went."""
    start = float(run.parameters["value_usd"])
    return by_component(
        run.ids,
        units=np.vstack([np.zeros(len(run.ids)), run.units[:-1]]),
        prices=np.vstack([run.prices[0], run.prices]),
        levels=[start, *run.nav.tolist()],
    )


def lines_of(run: Run, benchmark: Floats | None = None) -> dict[str, Floats]:
    """The chain of indexes that `by_decision` explains, from 1 before the first purchase. Assumes that nobody came or went.

    `benchmark`: its levels at the run's times. Selection, weighting and exposure trade at the price of their decision, at every
    review and for nothing; timing is what the wait for the next price and the band against small trades made of that.
    Exposure is there when a stable side was ever held: the two before it hold coins at risk only.
    """
    targets = targets_of(run)
    ranked = _at_risk(run)
    # all stable: there is nothing at risk to speak of, so that review counts as it is
    risky = [
        (row, {name: part for name, part in weights.items() if name in ranked.get(row, weights)} or weights)
        for row, weights in targets
    ]
    equal = [(row, equal_parts(sorted(weights))) for row, weights in risky]
    has_stable = any(len(all_) > len(some) for (_, all_), (_, some) in zip(targets, risky, strict=True))
    start = float(run.parameters["value_usd"])
    lines = {
        "selection": paper_levels(run.ids, run.prices, tradable_targets(run, equal)),
        "weighting": paper_levels(run.ids, run.prices, tradable_targets(run, risky)),
        **({"exposure": paper_levels(run.ids, run.prices, tradable_targets(run, targets))} if has_stable else {}),
        "timing": run.gross / BASE,
        "trading": run.nav / start,
        "fees": run.net / BASE,
    }
    if benchmark is not None:
        lines = {"benchmark": benchmark / benchmark[0], **lines}
    return {name: np.concatenate([[1.0], line]) for name, line in lines.items()}


def decisions_of(run: Run, benchmark: Floats | None = None) -> Decided:
    """What selection, weighting, timing, trading and fees added, on top of the benchmark."""
    return by_decision({name: line.tolist() for name, line in lines_of(run, benchmark).items()})


def targets_of(run: Run) -> list[tuple[int, dict[str, float]]]:
    """(row, weights) of every review that decided; the first on row 0, where the run begins."""
    return [(row, {name: part / WAD for name, part in review.weights.items() if part}) for row, review in _decided(run)]


def _at_risk(run: Run) -> dict[int, frozenset[str]]:
    """{row: members by rank}, without what is held beside them; rows without a methodology's decision are absent."""
    members = {one.decision_hash: frozenset(one.universe.members) for one in run.decisions if isinstance(one, Decision)}
    return {row: members[review.decision] for row, review in _decided(run) if members.get(review.decision)}


def _decided(run: Run) -> list[tuple[int, Review]]:
    found: dict[int, Review] = {}
    for review in run.reviews:
        row = int(run.index.searchsorted(review.time)) if found else 0
        if any(review.weights.values()) and row < len(run):
            found[row] = review
    return sorted(found.items())


def tradable_targets(run: Run, targets: list[tuple[int, dict[str, float]]]) -> list[tuple[int, Mapping[str, float]]]:
    """Without coins that could not be bought at any time of the run, or have no price yet; the others share their part."""
    columns = {name: k for k, name in enumerate(run.ids)}
    kept: list[tuple[int, Mapping[str, float]]] = []
    for row, weights in targets:
        known = {
            name: part for name, part in weights.items() if name in columns and run.prices[row, columns[name]] > 0.0
        }
        total = sum(known.values())
        if total > 0.0:
            kept.append((row, {name: part / total for name, part in known.items()}))
    return kept


def _text(value: float) -> str:
    """A float as plain digits, as short as reads back equal."""
    return np.format_float_positional(value, trim="-")
