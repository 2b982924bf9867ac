"""The largest eligible coins, with a buffer against churn, and a verdict for every coin that was looked at.

With top = 10 and buffer = 2: a coin of rank 1 to 8 is in; a held coin of rank 9 to 12 keeps its place while there is
room; remaining places go to the next in rank. So a place changes hands only when a newcomer is clearly larger or the
holder clearly smaller.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from offchain.market.snapshot import MarketSnapshot
from offchain.spec.universe_rules import UniverseRules
from offchain.universe.eligibility import Screened, screen


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One coin: in or out, its rank among the eligible (None when it is not), why, and any doubt about its data."""

    id: str
    symbol: str
    is_member: bool
    rank: int | None
    market_cap: float | None
    reason: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Universe:
    """Members by rank; verdicts of all coins, ranked ones first, then by id."""

    t: datetime
    members: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    def __len__(self) -> int:
        return len(self.members)

    def verdict(self, coin_id: str) -> Verdict:
        """The verdict on one coin; a coin the market does not know is out for that reason."""
        for verdict in self.verdicts:
            if verdict.id == coin_id:
                return verdict
        return Verdict(
            id=coin_id,
            symbol=coin_id.upper(),
            is_member=False,
            rank=None,
            market_cap=None,
            reason="not in the market data",
        )


def select(
    snapshot: MarketSnapshot,
    rules: UniverseRules,
    *,
    incumbents: Collection[str] = (),
    tradable: Collection[str] | None = None,
) -> Universe:
    """The universe at the snapshot's time. `incumbents`: ids the index holds now. Pure; ties never depend on order."""
    held = frozenset(incumbents)
    screened = screen(snapshot, rules, tradable=tradable)
    ranked, twins = _rank([one for one in screened if one.is_eligible], held)
    members = _members([one.coin.id for one in ranked], rules, held)
    verdicts = [
        _ranked_verdict(one, rank, rules=rules, members=members, held=held) for rank, one in enumerate(ranked, start=1)
    ]
    verdicts += [_rejected_verdict(one, twins.get(one.coin.id, one.reason)) for one in screened if _is_out(one, twins)]
    in_order = tuple(one.coin.id for one in ranked if one.coin.id in members)
    return Universe(t=snapshot.t, members=in_order, verdicts=tuple(verdicts))


def _rank(eligible: list[Screened], held: frozenset[str]) -> tuple[list[Screened], dict[str, str]]:
    """(by rank, {id: reason} of those whose ticker a better one has)."""
    ordered = sorted(eligible, key=lambda one: _rank_key(one, held))
    taken: dict[str, str] = {}
    twins: dict[str, str] = {}
    for one in sorted(ordered, key=lambda one: one.coin.id not in held):
        owner = taken.setdefault(one.coin.symbol.upper(), one.coin.id)
        if owner != one.coin.id:
            twins[one.coin.id] = f"same ticker {one.coin.symbol} as {owner}, which is held or larger"
    return [one for one in ordered if one.coin.id not in twins], twins


def _rank_key(one: Screened, held: frozenset[str]) -> tuple[float, bool, float, str]:
    # nine digits: caps that differ by less are a tie, which the holder wins, then the larger volume, then the id
    cap = float(f"{one.coin.market_cap or 0.0:.9g}")
    return (-cap, one.coin.id not in held, -one.coin.volume, one.coin.id)


def _members(ranked: list[str], rules: UniverseRules, held: frozenset[str]) -> frozenset[str]:
    sure = ranked[: max(rules.top - rules.buffer, 0)]
    kept = [name for name in ranked[: rules.top + rules.buffer] if name in held]
    by_preference = list(dict.fromkeys([*sure, *kept, *ranked]))
    return frozenset(by_preference[: rules.top])


def _is_out(one: Screened, twins: dict[str, str]) -> bool:
    return not one.is_eligible or one.coin.id in twins


def _ranked_verdict(
    one: Screened, rank: int, *, rules: UniverseRules, members: frozenset[str], held: frozenset[str]
) -> Verdict:
    coin = one.coin
    return Verdict(
        id=coin.id,
        symbol=coin.symbol,
        is_member=coin.id in members,
        rank=rank,
        market_cap=coin.market_cap,
        reason=_rank_reason(rank, rules, is_member=coin.id in members, is_held=coin.id in held),
        note=one.note,
    )


def _rank_reason(rank: int, rules: UniverseRules, *, is_member: bool, is_held: bool) -> str:
    if is_member and rank > rules.top:
        return f"held, and rank {rank} is within the buffer (top {rules.top} + {rules.buffer})"
    if is_member:
        return f"rank {rank} of the top {rules.top}"
    if rank <= rules.top:
        return f"rank {rank}, but a held coin within the buffer keeps the place (enters at {rules.top - rules.buffer})"
    return f"rank {rank} is below the top {rules.top}" + (f" + buffer {rules.buffer}" if is_held else "")


def _rejected_verdict(one: Screened, reason: str) -> Verdict:
    coin = one.coin
    return Verdict(
        id=coin.id, symbol=coin.symbol, is_member=False, rank=None, market_cap=coin.market_cap, reason=reason
    )
