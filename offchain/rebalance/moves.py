"""From weights held to weights wanted: how far each coin goes, which trades are dust, and one reason for each.

towards(current, target, rules)           the target, or only the edge of the band around it
moves(current, wanted, nav_usd=…, …)      the trades, sells first, each with a code that a notice can print
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from offchain.spec.rebalance_rules import RebalanceRules
from offchain.units import NANO, WAD, fraction_to_wad, from_wad, to_decimal, usd_to_nano

CODES = ("leave", "enter", "bearish", "bullish", "concentration", "lock-in", "add", "dust")

D18 = Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Move:
    """One coin's change. `before`, `after`: D18; `usd`: value, below 0 for a sale; `code`: one of CODES.

    Dust is not traded: `after` is what the target asks for, and `code` says that it is left where it is.
    """

    id: str
    before: int
    after: int
    usd: float
    code: str
    reason: str

    @property
    def is_traded(self) -> bool:
        return self.code != "dust"


def towards(current: D18, target: D18, rules: RebalanceRules) -> dict[str, int]:
    """D18 weights to trade to, sorted by id, summing to exactly 1e18.

    trade_to = "target": the target itself. "band": with proportional costs the cheapest way back is to the edge of the
    band and no further (Davis and Norman, 1990). A coin outside of its band goes to its nearer edge; whoever enters or
    leaves goes all the way; what is then over or short goes to the coins farthest from their targets, which brings them
    closer to it, so that few trade. Without a band for single coins all gaps shrink alike until the drift is drift_band.
    """
    names = sorted({*current, *target})
    held, aim = [current.get(name, 0) for name in names], [target.get(name, 0) for name in names]
    for what, total in (("current", sum(held)), ("target", sum(aim))):
        if total != WAD:
            raise ValueError(f"{what} weights sum to {total}, not {WAD}; scale them with units.to_wad first")
    if rules.trade_to == "target":
        return {name: weight for name, weight in zip(names, aim, strict=True) if weight}
    if rules.coin_band or rules.coin_band_relative:
        wanted = _to_edges(held, aim, rules)
    else:
        wanted = _shrunk(held, aim, fraction_to_wad(rules.drift_band))
    return {name: weight for name, weight in zip(names, wanted, strict=True) if weight}


def _to_edges(held: list[int], aim: list[int], rules: RebalanceRules) -> list[int]:
    wanted = []
    for now, goal in zip(held, aim, strict=True):
        width = _half_width(goal, rules)
        wanted.append(goal if not now or not goal else min(max(now, goal - width), goal + width))
    return _settled(wanted, aim)


def _half_width(goal: int, rules: RebalanceRules) -> int:
    """How far from its target a coin may be: the narrower of the bands that are on."""
    widths = []
    if rules.coin_band:
        widths.append(fraction_to_wad(rules.coin_band))
    if rules.coin_band_relative:
        widths.append(int(to_decimal(rules.coin_band_relative) * goal))
    return min(widths)


def _shrunk(held: list[int], aim: list[int], band: int) -> list[int]:
    """Every gap times band / drift; members that enter or leave go all the way first."""
    start = [goal if not now or not goal else now for now, goal in zip(held, aim, strict=True)]
    apart = sum(abs(weight - goal) for weight, goal in zip(start, aim, strict=True))
    if apart <= 2 * band:
        wanted = start
    else:
        wanted = [goal + (weight - goal) * 2 * band // apart for weight, goal in zip(start, aim, strict=True)]
    return _settled(wanted, aim)


def _settled(wanted: list[int], aim: list[int]) -> list[int]:
    """`wanted` summing to 1e18: what is over or short goes to the largest gaps that it closes, lowest index on ties.

    Those gaps always hold it, because Σ aim = 1e18 = Σ wanted + rest.
    """
    rest = WAD - sum(wanted)
    sign = 1 if rest > 0 else -1
    gaps = [max(sign * (goal - weight), 0) for goal, weight in zip(aim, wanted, strict=True)]
    settled = list(wanted)
    for index in sorted(range(len(aim)), key=lambda i: (-gaps[i], i)):
        step = min(abs(rest), gaps[index])
        settled[index] += sign * step
        rest -= sign * step
    return settled


# --- trades -------------------------------------------------------------------------------------------------------------


def moves(
    current: D18,
    wanted: D18,
    *,
    nav_usd: float,
    rules: RebalanceRules,
    labels: Mapping[str, str] | None = None,
    reasons: Mapping[str, str] | None = None,
    capped: Collection[str] = (),
) -> tuple[Move, ...]:
    """What changes, sales first, larger first. `labels`: {id: bullish, neutral or bearish}; `reasons`: {id: why it is in or out};
    `capped`: ids whose weight a cap holds down.

    A move below rules.min_trade_usd is dust: with a hundred dollars one does not trade for fifty cents.
    """
    found = []
    nav, dust = usd_to_nano(nav_usd), usd_to_nano(rules.min_trade_usd)
    for name in sorted({*current, *wanted}):
        before, after = current.get(name, 0), wanted.get(name, 0)
        if before == after:
            continue
        value = (after - before) * nav // WAD
        code, reason = _why(name, before, after, labels or {}, reasons or {}, capped)
        if abs(value) < dust:
            code, reason = (
                "dust",
                f"{abs(value) / NANO:,.2f} USD is below min_trade_usd {rules.min_trade_usd:,.2f}; {reason}",
            )
        found.append(Move(id=name, before=before, after=after, usd=value / NANO, code=code, reason=reason))
    return tuple(sorted(found, key=lambda move: (move.usd > 0, -abs(move.usd), move.id)))


def _why(
    name: str,
    before: int,
    after: int,
    labels: Mapping[str, str],
    reasons: Mapping[str, str],
    capped: Collection[str],
) -> tuple[str, str]:
    label, change = labels.get(name), f"{from_wad(before):.2%} → {from_wad(after):.2%}"
    if after == 0:
        return "leave", f"sold, {change}: {reasons.get(name, 'not a member any more')}"
    if before == 0:
        return "enter", f"bought, {change}: {reasons.get(name, 'a member now')}"
    if after < before:
        if label == "bearish":
            return "bearish", f"cut, {change}: its signal is bearish"
        if name in capped:
            return "concentration", f"cut, {change}: its cap keeps one coin from outweighing the rest"
        return "lock-in", f"trimmed, {change}: it grew beyond its target, the gain is locked in"
    if label == "bullish":
        return "bullish", f"added to, {change}: its signal is bullish"
    return "add", f"added to, {change}: it fell behind its target"
