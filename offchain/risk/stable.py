"""The stable side is screened too: a coin that left its peg is replaced by the others.

The peg of a stable coin is one dollar; of a yield-bearing one the median of its own prices of the window, which grows
with it. A coin is trusted when it is within `peg_tolerance` today and was within BREAK times that on every known day of
the last `peg_days`: one that broke has to hold for that long again, while a price that was a little off for a day is
forgiven once it is back. When none is trusted, the one nearest its peg is held, if it is within `peg_limit` today;
otherwise none is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from offchain.errors import InfeasibleWeights, MissingHistory
from offchain.market.history import History
from offchain.risk.basket import grid
from offchain.spec.risk_rules import RiskRules
from offchain.units import WAD, format_percent, fraction_to_wad, to_wad
from offchain.weights.limits import limit_weights

MIN_PEG_KNOWN = 2 / 3  # of the window's days
BREAK = 2.0  # times peg_tolerance: daily prices of sound stable coins are up to 3 % off in real records


@dataclass(frozen=True, kw_only=True)
class Peg:
    """How far one stable coin is, and was, off its peg. `now`, `worst`: {of the peg}, None when unknown."""

    id: str
    part: float
    now: float | None
    worst: float | None
    is_trusted: bool
    reason: str


@dataclass(frozen=True, kw_only=True)
class StableSide:
    """What may be held: {id: part}, the parts in proportion; empty when nothing may. `pegs`: all that were judged."""

    parts: Mapping[str, float]
    pegs: tuple[Peg, ...]
    findings: tuple[str, ...] = ()

    def capacity(self, rules: RiskRules) -> int:
        """D18: most of the index it can hold."""
        return min(WAD, len(self.parts) * fraction_to_wad(rules.max_stable))

    def share_out(self, total: int, rules: RiskRules) -> dict[str, int]:
        """{id: D18} in proportion to the parts, Σ = `total`, none above max_stable; only those above zero."""
        if total == 0:
            return {}
        if total > self.capacity(rules):
            raise InfeasibleWeights(
                f"{format_percent(total / WAD)} cannot be held in {', '.join(self.parts) or 'no stable coin'}: "
                f"risk.max_stable = {rules.max_stable:g} each; raise it or name more of them"
            )
        ids = sorted(self.parts)
        raw = to_wad([self.parts[name] for name in ids])
        held = limit_weights(raw, cap=min(total, fraction_to_wad(rules.max_stable)), total=total)
        return {name: weight for name, weight in zip(ids, held, strict=True) if weight}


def stable_side(
    rules: RiskRules,
    *,
    history: History,
    prices: Mapping[str, float] | None = None,
    tradable: Collection[str] | None = None,
) -> StableSide:
    """Judges every coin of risk.stable at the end of `history`. `prices`: {id: USD} now, instead of its last row.

    Raises MissingHistory naming all that the market, or the chain, does not have.
    """
    _require_known(rules, history, tradable)
    pegs = tuple(_judge(name, part, rules, history, prices or {}) for name, part in sorted(rules.stable))
    trusted = {peg.id: peg.part for peg in pegs if peg.is_trusted}
    doubts = tuple(f"{peg.id}: {peg.reason}" for peg in pegs if not peg.is_trusted)
    if trusted or not pegs:
        return StableSide(parts=trusted, pegs=pegs, findings=doubts)
    near = sorted((peg.now, peg.id) for peg in pegs if peg.now is not None and peg.now <= rules.peg_limit)
    if not near:
        return StableSide(
            parts={},
            pegs=pegs,
            findings=(
                *doubts,
                f"no stable coin within {format_percent(rules.peg_limit)} of its peg: the stable side is empty",
            ),
        )
    nearest = near[0][1]
    return StableSide(
        parts={nearest: 1.0},
        pegs=pegs,
        findings=(*doubts, f"{nearest}: held all the same, it is nearest to its peg"),
    )


def _require_known(rules: RiskRules, history: History, tradable: Collection[str] | None) -> None:
    absent = [name for name in rules.stable_ids if name not in history.ids]
    if absent:
        raise MissingHistory(
            f"risk.stable names {', '.join(absent)}, not in the market at {history.t:%Y-%m-%d}; "
            "name a stable coin that the market data has, or add a source that has it"
        )
    if tradable is not None:
        unheld = [name for name in rules.stable_ids if name not in tradable]
        if unheld:
            raise MissingHistory(
                f"risk.stable names {', '.join(unheld)}, without a token or feed on this chain; "
                "list the token, or name a stable coin that is there"
            )


def _judge(name: str, part: float, rules: RiskRules, history: History, prices: Mapping[str, float]) -> Peg:
    window = history.panel("price")[-rules.peg_days :, history.column(name)].copy()
    if name in prices and len(window):
        window[-1] = prices[name]
    known = window[~np.isnan(window)]
    if not len(window) or np.isnan(window[-1]):
        return Peg(id=name, part=part, now=None, worst=None, is_trusted=False, reason="price unknown")
    is_growing = name in rules.yield_bearing
    anchor = median(known.tolist()) if is_growing else 1.0
    peg = f"its median of {len(window)} days" if is_growing else "one dollar"
    off = np.abs(known / anchor - 1.0)
    now, worst = grid(float(off[-1])), grid(float(off.max()))
    if len(known) < MIN_PEG_KNOWN * len(window):
        reason = f"price known on {len(known)} of {len(window)} days only"
    elif now > rules.peg_tolerance:
        reason = f"{format_percent(now)} off {peg}, limit {format_percent(rules.peg_tolerance)}"
    elif worst > grid(BREAK * rules.peg_tolerance):
        reason = f"was {format_percent(worst)} off {peg} within {len(window)} days"
    else:
        return Peg(id=name, part=part, now=now, worst=worst, is_trusted=True, reason="")
    return Peg(id=name, part=part, now=now, worst=worst, is_trusted=False, reason=reason)
