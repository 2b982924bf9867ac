"""The first eligible coins, with a buffer against churn, and a verdict for every coin that was looked at.

With top = 10 and buffer = 2: a coin of rank 1 to 8 is in; a held coin of rank 9 to 12 keeps its place while there is
room; remaining places go to the next in rank. So a place changes hands only when a newcomer is clearly larger or the
holder clearly smaller.

Around that, each only when the index file asks for it: coins that holders voted in come first; the ranks of a larger
segment are skipped (skip_top, with the same buffer); only as many ranks count as hold `coverage` of the eligible market
cap; and when fewer than `min_members` are left, the largest coins that lack only theme, sector or segment fill up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from offchain.canonical import utc_text
from offchain.errors import EmptyUniverse, MarketDataError
from offchain.market.history import History
from offchain.market.snapshot import CoinFacts, MarketSnapshot
from offchain.signals.outcome import SignalSet
from offchain.spec.universe_rules import UniverseRules
from offchain.units import to_decimal, usd_to_nano
from offchain.universe.eligibility import Evidence, Screen, Screened
from offchain.universe.measures import Measured
from offchain.universe.ranking import MEASURES, by_all_ranks, in_order, measure
from offchain.universe.taxonomy import asset_of
from offchain.universe.vetting import Dossiers
from offchain.universe.votes import Ballot, standing


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
    history: History | None = None,
    votes: Sequence[Ballot] = (),
    dossiers: Dossiers | None = None,
    signals: SignalSet | None = None,
    barred: Mapping[str, str] | None = None,
    reconstitute: bool = True,
) -> Universe:
    """The universe at the snapshot's time. Pure; ties never depend on order.

    `incumbents`: ids the index holds now. `tradable`: ids with a token and a feed on the chain; None when none is meant.
    `history`: what `needs(rules)` asks for. `votes`: ballots, those known by then count. `barred`: {id: why it may not be
    held}. `reconstitute`: False between two reconstitutions, when members may leave for cause but nobody enters; without
    a held coin that may stay it makes no difference. Raises EmptyUniverse below universe.min_members, MissingHistory
    when a rule looks back further than it is given.
    """
    _require_same_time(snapshot, history, signals)
    evidence = Evidence(
        t=snapshot.t,
        held=frozenset(incumbents),
        history=history,
        voted=standing(votes, snapshot.t),
        dossiers=dossiers or {},
        barred=barred or {},
    )
    screened = Screen(snapshot=snapshot, rules=rules, evidence=evidence, tradable=tradable).outcomes
    if not reconstitute and (kept := _kept(screened, evidence)):
        return kept
    measured = [_measured(name, screened, rules, evidence, signals) for name in (rules.rank_by, *rules.rank_also)]
    screened = tuple(_with_rank_known(one, rules, measured) for one in screened)
    ranked, twins = _rank([one for one in screened if one.is_eligible], rules, measured, evidence.held)
    places = _places([one.coin for one in ranked], rules)
    members = _members([one.coin.id for one in ranked], rules, evidence, places)
    extra = _top_up(screened, members, rules, evidence.held)
    if len(members) + len(extra) < rules.min_members:
        raise EmptyUniverse(
            f"{len(members) + len(extra)} coins pass [universe] at {snapshot.t:%Y-%m-%d}, universe.min_members is "
            f"{rules.min_members}; loosen a limit, add a theme, or lower min_members"
        )
    view = _View(rules=rules, members=members, evidence=evidence, places=places, values=measured[0])
    verdicts = [_ranked_verdict(one, rank, view) for rank, one in enumerate(ranked, start=1)]
    verdicts += [
        _extra_verdict(one, rank, rules, len(members)) for rank, one in enumerate(extra, start=len(ranked) + 1)
    ]
    settled = {verdict.id for verdict in verdicts}
    verdicts += [
        _rejected_verdict(one, twins.get(one.coin.id, one.reason)) for one in screened if one.coin.id not in settled
    ]
    in_rank = [one.coin.id for one in ranked if one.coin.id in members] + [one.coin.id for one in extra]
    return Universe(t=snapshot.t, members=tuple(in_rank), verdicts=tuple(verdicts))


def _require_same_time(snapshot: MarketSnapshot, history: History | None, signals: SignalSet | None) -> None:
    if signals is not None and signals.t > snapshot.t:
        raise MarketDataError(
            f"the signals are of {utc_text(signals.t)}, the snapshot of {utc_text(snapshot.t)}: a decision may not read what "
            "came after it; take both at one time"
        )
    if history is not None and history.t != snapshot.t:
        raise MarketDataError(
            f"the history ends at {utc_text(history.t)}, the snapshot is of {utc_text(snapshot.t)}: take both at one time"
        )


# --- rank -------------------------------------------------------------------------------------------------------------


def _measured(
    name: str, screened: Sequence[Screened], rules: UniverseRules, evidence: Evidence, signals: SignalSet | None
) -> Measured:
    eligible = [one.coin for one in screened if one.is_eligible]
    return measure(name, eligible, rules, evidence=evidence, signals=signals)


def _with_rank_known(one: Screened, rules: UniverseRules, measured: Sequence[Measured]) -> Screened:
    """The same, out when a measure it would be ranked by is unknown."""
    if not one.is_eligible:
        return one
    for name, values in zip((rules.rank_by, *rules.rank_also), measured, strict=True):
        if values[one.coin.id] is None:
            return replace(
                one, reason=f"{MEASURES[name].words} unknown (universe ranks by it)", note="", kind="unknown"
            )
    return one


def _rank(
    eligible: list[Screened], rules: UniverseRules, measured: Sequence[Measured], held: frozenset[str]
) -> tuple[list[Screened], dict[str, str]]:
    """(by rank, {id: reason} of those whose ticker or asset a better one has)."""
    known = [{name: value for name, value in values.items() if value is not None} for values in measured]
    coins = [one.coin for one in eligible]
    ordered = by_all_ranks(coins, known, held=held) if rules.rank_also else in_order(coins, known[0], held=held)
    screened = {one.coin.id: one for one in eligible}
    taken: dict[str, str] = {}
    twins: dict[str, str] = {}
    for coin in sorted(ordered, key=lambda coin: coin.id not in held):
        owner = taken.setdefault(coin.symbol.upper(), coin.id)
        if owner != coin.id:
            twins[coin.id] = f"same ticker {coin.symbol} as {owner}, which is held or larger"
    twins |= _copies([coin for coin in ordered if coin.id not in twins], held)
    return [screened[coin.id] for coin in ordered if coin.id not in twins], twins


def _copies(ordered: Sequence[CoinFacts], held: frozenset[str]) -> dict[str, str]:
    """Of several coins that stand for one asset only one has a place: the held, else the asset itself, else the first."""
    taken: dict[str, str] = {}
    copies: dict[str, str] = {}
    for coin in sorted(ordered, key=lambda coin: (coin.id not in held, asset_of(coin) != coin.id)):
        asset = asset_of(coin)
        owner = taken.setdefault(asset, coin.id)
        if owner != coin.id:
            copies[coin.id] = f"stands for the same asset ({asset}) as {owner}"
    return copies


# --- places -----------------------------------------------------------------------------------------------------------


def _places(ranked: Sequence[CoinFacts], rules: UniverseRules) -> int:
    """How many ranks after skip_top count: top, or as many as hold the coverage, and no fewer than min_members."""
    if not rules.coverage:
        return rules.top
    caps = [usd_to_nano(coin.market_cap or 0.0) for coin in ranked[rules.skip_top :]]
    wanted = to_decimal(rules.coverage) * sum(caps)
    covered = 0
    for count, cap in enumerate(caps, start=1):
        covered += cap
        if covered >= wanted:
            return min(max(count, rules.min_members), rules.top)
    return rules.top


def _members(ranked: list[str], rules: UniverseRules, evidence: Evidence, places: int) -> frozenset[str]:
    voted = [name for name in ranked if name in evidence.voted.include]
    chosen = _with_buffer(ranked, evidence.held, first=rules.skip_top, places=places, buffer=rules.buffer)
    by_preference = list(dict.fromkeys([*voted, *chosen]))
    return frozenset(by_preference[: max(places, min(len(voted), rules.top))])


def _with_buffer(ranked: Sequence[str], held: frozenset[str], *, first: int, places: int, buffer: int) -> list[str]:
    """Names for the places after rank `first`, by preference: who is clearly inside, who is held and nearly inside, the rest.

    The upper border of a segment has the same buffer as the lower one.
    """
    last = first + places
    upper = (first + buffer, first - buffer) if first else (0, 0)
    sure = ranked[upper[0] : max(last - buffer, 0)]
    kept = [name for name in ranked[max(upper[1], 0) : last + buffer] if name in held]
    return list(dict.fromkeys([*sure, *kept, *ranked[first:]]))[:places]


def _top_up(
    screened: Sequence[Screened], members: frozenset[str], rules: UniverseRules, held: frozenset[str]
) -> list[Screened]:
    """The largest coins of the parent universe that the index lacks up to min_members."""
    lacking = min(rules.min_members, rules.top) - len(members)
    if lacking <= 0:
        return []
    pool = {one.coin.id: one for one in screened if one.kind == "parent" and one.coin.market_cap is not None}
    chosen = [one.coin for one in screened if one.coin.id in members]
    coins = [one.coin for one in pool.values()]
    ordered = in_order(coins, {coin.id: coin.market_cap or 0.0 for coin in coins}, held=held)
    tickers, assets = {coin.symbol.upper() for coin in chosen}, {asset_of(coin) for coin in chosen}
    apart: list[str] = []
    for coin in sorted(ordered, key=lambda coin: coin.id not in held):
        if coin.symbol.upper() not in tickers and asset_of(coin) not in assets:
            apart.append(coin.id)
            tickers.add(coin.symbol.upper())
            assets.add(asset_of(coin))
    names = [coin.id for coin in ordered if coin.id in apart]
    taken = frozenset(_with_buffer(names, held, first=0, places=lacking, buffer=rules.buffer))
    return [pool[name] for name in names if name in taken]


def _kept(screened: Sequence[Screened], evidence: Evidence) -> Universe | None:
    """The held coins that nothing forces out, between two reconstitutions; None when there is none."""
    stays = [one for one in screened if one.coin.id in evidence.held and not _is_forced_out(one)]
    if not stays:
        return None
    ordered = in_order(
        [one.coin for one in stays], {one.coin.id: one.coin.market_cap or 0.0 for one in stays}, held=evidence.held
    )
    names = tuple(coin.id for coin in ordered)
    verdicts = [
        Verdict(
            id=coin.id,
            symbol=coin.symbol,
            is_member=True,
            rank=rank,
            market_cap=coin.market_cap,
            reason="held, and members change at the next reconstitution",
        )
        for rank, coin in enumerate(ordered, start=1)
    ]
    for one in screened:
        if one.coin.id not in names:
            later = "not held, and members change at the next reconstitution"
            verdicts.append(_rejected_verdict(one, one.reason or later))
    return Universe(t=evidence.t, members=names, verdicts=tuple(verdicts))


def _is_forced_out(one: Screened) -> bool:
    has_collapsed = one.coin.state == "jump_down" or one.coin.market_cap is None
    return one.kind in ("barred", "dead", "chain") or has_collapsed


# --- words ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _View:
    """What the reason of a ranked coin is made of. `values`: of rank_by."""

    rules: UniverseRules
    members: frozenset[str]
    evidence: Evidence
    places: int
    values: Measured


def _ranked_verdict(one: Screened, rank: int, view: _View) -> Verdict:
    coin = one.coin
    return Verdict(
        id=coin.id,
        symbol=coin.symbol,
        is_member=coin.id in view.members,
        rank=rank,
        market_cap=coin.market_cap,
        reason=_rank_reason(coin.id, rank, view) + _measure_text(coin.id, view),
        note=one.note,
    )


def _rank_reason(name: str, rank: int, view: _View) -> str:
    rules, is_member, is_held = view.rules, name in view.members, name in view.evidence.held
    if is_member and name in view.evidence.voted.include:
        return f"voted in by {view.evidence.voted.include[name]}; rank {rank}"
    last = rules.skip_top + view.places
    top = f"top {view.places}" if not rules.skip_top else f"ranks {rules.skip_top + 1} to {last}"
    if is_member and rank > last:
        return f"held, and rank {rank} is within the buffer ({top} + {rules.buffer})"
    if is_member and rank <= rules.skip_top:
        return f"held, and rank {rank} is within the buffer ({top} - {rules.buffer})"
    if is_member:
        return f"rank {rank} of the {top}"
    if rank <= rules.skip_top:
        return f"rank {rank} is above the segment (universe.skip_top {rules.skip_top})"
    if rank <= last and rules.skip_top:
        return f"rank {rank}, but a held coin within the buffer keeps the place"
    if rank <= last:
        enters = max(view.places - rules.buffer, 0)
        return f"rank {rank}, but a held coin within the buffer keeps the place (enters at {enters})"
    covered = f", which cover {rules.coverage:.0%} of the market" if view.places < rules.top else ""
    return f"rank {rank} is below the {top}{covered}" + (f" + buffer {rules.buffer}" if is_held else "")


def _measure_text(name: str, view: _View) -> str:
    """What it was ranked by, unless that is the market cap alone, which the verdict has in its own column."""
    rules, value = view.rules, view.values.get(name)
    if (rules.rank_by == "market_cap" and not rules.rank_also) or value is None:
        return ""
    measured = MEASURES[rules.rank_by]
    also = "".join(f" and {MEASURES[other].words}" for other in rules.rank_also)
    return f" by {measured.words} ({measured.shown.format(value)}){also}"


def _extra_verdict(one: Screened, rank: int, rules: UniverseRules, own: int) -> Verdict:
    coin = one.coin
    return Verdict(
        id=coin.id,
        symbol=coin.symbol,
        is_member=True,
        rank=rank,
        market_cap=coin.market_cap,
        reason=f"tops up {own} to universe.min_members {rules.min_members} by market cap; {one.reason}",
    )


def _rejected_verdict(one: Screened, reason: str) -> Verdict:
    coin = one.coin
    return Verdict(
        id=coin.id, symbol=coin.symbol, is_member=False, rank=None, market_cap=coin.market_cap, reason=reason
    )
