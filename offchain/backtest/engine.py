"""The same `decide` as live, walked through the past: decisions know nothing later than their time, trades come after them.

    run = backtest(find_spec("LC10"), market, start="2021-01-01", end="2021-09-30")
    run = run_decider(decider, market, start=…, end=…, rules=…, terms=…, costs=…)       anything that can decide

Each row of the clock, in this order: corporate actions of the time since the row before · what was decided at least `lag` ago is
traded at this row's prices · the basket is valued, fees accrue, investors come and go · a review due now decides.

Trading happens at the next price, never at the one the decision saw; there is no cash, so weights hold exactly after the
costs are paid (see solve.py). Between reviews the triggers of the rules are asked on every row. Whether trading is worth it, and how
far, says offchain/rebalance, as live; a review that does not trade, or that cannot decide, is recorded with its reason.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.backtest import fees
from offchain.backtest.costs import CostModel
from offchain.backtest.fees import Book, Terms
from offchain.backtest.marks import CLOCKS, Marks, daily_marks, intraday_marks
from offchain.backtest.results import BASE, Charge, Flow, Review, Run, Trade
from offchain.backtest.solve import Floats, Legs, leg_costs, value_after
from offchain.canonical import canonical_json, keccak_hex, utc_text
from offchain.errors import EmptyUniverse, InfeasibleWeights, MarketDataError, MissingHistory, PoolsTooShallow
from offchain.market.confirm import CONFIRM_DAYS
from offchain.market.events import Event, events_between, in_order, times
from offchain.market.snapshot import Market, Time, as_utc
from offchain.methodology import Methodology
from offchain.rebalance import Review as Dates
from offchain.rebalance import Trigger, due, reviews, towards, worth_it
from offchain.reference import trade_math
from offchain.spec.load import INDEXES
from offchain.spec.model import IndexSpec
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.trading.targets import drift_of
from offchain.units import (
    BPS,
    WAD,
    format_percent,
    format_weight,
    fraction_to_wad,
    from_wad,
    to_shares,
    to_wad,
    usd_to_nano,
)
from offchain.universe.monitor import RedFlag
from offchain.universe.records import Records

DAY = timedelta(days=1)
ETHER = "ethereum"
PARTS_OF_THE_WAY = (0.5, 0.25, 0.125, 0.0625)  # of a rebalance that the pools do not hold as a whole
UNDECIDED = (EmptyUniverse, InfeasibleWeights, MissingHistory)


class Decided(Protocol):
    """What a decision has to say. `target_weights` {id: D18}, sum to 1e18."""

    @property
    def target_weights(self) -> Mapping[str, int]: ...

    @property
    def decision_hash(self) -> str: ...


class Decider(Protocol):
    """Anything that decides from what was known at `t`. `holdings` {id: weight}.

    Two more are given to a `decide` that has an argument of that name: `levels`, the index's own net levels so far, and `labels`, those
    of the decision before.
    """

    def decide(self, market: Market, t: Time, holdings: Mapping[str, float], /) -> Decided: ...


@dataclass(frozen=True, kw_only=True)
class Target:
    """A decision without a methodology: weights, as they are."""

    target_weights: Mapping[str, int]

    @property
    def decision_hash(self) -> str:
        return keccak_hex({"format": "ballast-target/1", "target_weights": self.target_weights})


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Always decides the same weights: buy and hold when it is reviewed once, constant weights when it is reviewed often."""

    weights: Mapping[str, int]

    def decide(self, market: Market, t: Time, holdings: Mapping[str, float], /) -> Target:
        return Target(target_weights=dict(sorted(self.weights.items())))


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a backtest is run. `lag`: from a decision to its trade; 0 is look-ahead and needs `is_research`. `value_usd`: of the
    basket at the start, None for what the index file's seed says. `delisting`: what a coin without a price counts, "last" or "zero".
    `dust_usd`: smaller trades are left out. `band`: D18 drift below which nothing is traded. `has_entry_cost`: whether the first
    purchase costs anything.
    """

    calendar: RebalanceRules = field(default_factory=RebalanceRules)
    band: int = 0
    dust_usd: float = 0.0
    lag: timedelta = DAY
    clock: str = "daily"
    delisting: str = "last"
    value_usd: float = 100_000.0
    share_price_usd: float = 100.0
    has_entry_cost: bool = True
    is_research: bool = False

    def __post_init__(self) -> None:
        if self.clock not in CLOCKS:
            raise MarketDataError(f'clock = "{self.clock}"; use one of {", ".join(CLOCKS)}')
        if self.lag < timedelta(0) or (self.lag == timedelta(0) and not self.is_research):
            raise MarketDataError(
                f"lag = {self.lag}: a trade at the price that decided it is look-ahead; use a day, or set is_research to study it"
            )
        if not self.value_usd > 0.0 or not self.share_price_usd > 0.0 or self.dust_usd < 0.0:
            raise MarketDataError(
                f"value_usd = {self.value_usd}, share_price_usd = {self.share_price_usd}, dust_usd = {self.dust_usd}: "
                "the first two must be above 0, the last not below"
            )

    @classmethod
    def of(cls, spec: IndexSpec) -> Rules:
        """As an index file has them."""
        return cls(
            calendar=spec.rebalance,
            band=fraction_to_wad(spec.rebalance.drift_band),
            dust_usd=spec.rebalance.min_trade_usd,
            value_usd=spec.seed.shares * spec.seed.share_price_usd,
            share_price_usd=spec.seed.share_price_usd,
        )


def backtest(
    spec: IndexSpec,
    market: Market,
    *,
    start: Time | None = None,
    end: Time | None = None,
    costs: CostModel | None = None,
    rules: Rules | None = None,
    terms: Terms | None = None,
    flows: Sequence[Flow] = (),
    events: Sequence[Event] = (),
    intraday: pd.DataFrame | None = None,
    folder: Path = INDEXES,
    records: Records | None = None,
) -> Run:
    """One index file over the past, with its own calendar and fees. `folder`: where the paths in the file begin; `records`:
    instead of those in files.
    """
    return run_decider(
        Methodology(spec, folder=folder, records=records),
        market,
        symbol=spec.symbol,
        start=start,
        end=end,
        costs=CostModel() if costs is None else costs,
        rules=Rules.of(spec) if rules is None else rules,
        terms=Terms.of(spec) if terms is None else terms,
        flows=flows,
        events=events,
        intraday=intraday,
    )


def run_decider(
    decider: Decider,
    market: Market,
    *,
    symbol: str = "",
    start: Time | None = None,
    end: Time | None = None,
    rules: Rules | None = None,
    terms: Terms | None = None,
    costs: CostModel | None = None,
    flows: Sequence[Flow] = (),
    events: Sequence[Event] = (),
    intraday: pd.DataFrame | None = None,
) -> Run:
    """Any decider over the past. The first decision is made at `start`, then at every review of the calendar.

    `events`: corporate actions, the market's own when left out; `flows`: investors who come and go in kind; `intraday`: time × id prices for clock "intraday". Raises MarketDataError when there
    is nothing to run on, or when nothing could be decided at all, with the reason.
    """
    chosen = Rules() if rules is None else rules
    # prices without the jump of an event, where holdings are carried over it on that day
    market = market.with_events(events) if events else market
    events = market.events
    first = market.start + market.lag if start is None else as_utc(start)
    last = market.end + market.lag if end is None else as_utc(end)
    marks = _marks(market, chosen, first, last, events, intraday)
    desk = _Desk(
        decider=decider,
        market=market,
        marks=marks,
        rules=chosen,
        terms=Terms() if terms is None else terms,
        costs=CostModel() if costs is None else costs,
        events=in_order(events),
        flows=tuple(sorted(flows, key=lambda flow: flow.time)),
    )
    desk.walk(first)
    return desk.result(symbol)


def _marks(
    market: Market,
    rules: Rules,
    start: datetime,
    end: datetime,
    events: Sequence[Event],
    intraday: pd.DataFrame | None,
) -> Marks:
    if rules.clock == "daily":
        if intraday is not None:
            raise MarketDataError('intraday prices were given, but the clock is "daily"; set clock = "intraday"')
        return daily_marks(market, start=start, end=end, delisting=rules.delisting, events=events)
    if intraday is None:
        raise MarketDataError(
            f'{market.source} has one price a day; for clock = "intraday" give a table of finer prices as well'
        )
    return intraday_marks(market, intraday, start=start, end=end, delisting=rules.delisting)


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """A decision on its way to the market. `wanted` {id: D18}: how far to go; `row`: where it is traded; `waited`: rows it was put
    off because prices were in doubt.
    """

    decided: Decided
    wanted: Mapping[str, int]
    time: datetime
    row: int
    drift: int
    reason: str
    waited: int = 0


class _Desk:
    """The state of one run while it walks. `value`: USD of the basket now; `units` {id: coins}."""

    def __init__(
        self,
        *,
        decider: Decider,
        market: Market,
        marks: Marks,
        rules: Rules,
        terms: Terms,
        costs: CostModel,
        events: Sequence[Event],
        flows: Sequence[Flow],
    ) -> None:
        self.decider, self.market, self.marks = decider, market, marks
        self.rules, self.terms, self.costs = rules, terms, costs
        self.events, self.flows = events, list(flows)
        self.position = {name: column for column, name in enumerate(marks.ids)}
        self.units: dict[str, float] = {}
        self.value = 0.0
        self.book: Book | None = None
        self.pending: list[_Pending] = []
        self.gross: list[float] = []
        self.net: list[float] = []
        self.nav: list[float] = []
        self.nav_per_share: list[int] = []
        self.supply: list[int] = []
        self.held: list[dict[str, float]] = []
        self.trades: list[Trade] = []
        self.reviews: list[Review] = []
        self.charges: list[Charge] = []
        self.decisions: list[Decided] = []
        self.findings: dict[str, None] = {}
        # the band of a run goes before that of its calendar
        self.when = replace(rules.calendar, drift_band=from_wad(rules.band))
        self.decided: Decided | None = None
        self.asked_at: datetime | None = None
        self.traded: datetime | None = None
        self.reads = frozenset(inspect.signature(decider.decide).parameters)

    def walk(self, start: datetime) -> None:
        planned, previous = self._reviews(start), start - DAY
        for row, now in enumerate(self.marks.times):
            while planned and planned[0].reference < now:
                self._decide(planned.pop(0), max(row - 1, 0))
            self._act(row, previous, now)
            self._mark(row)
            self._trade(row, now)
            if self.rules.lag == timedelta(0):
                while planned and planned[0].reference == now:
                    self._decide(planned.pop(0), row)
                self._trade(row, now)
            if self.book is not None:
                self._account(now)
            while planned and planned[0].reference == now:
                self._decide(planned.pop(0), row)
            self._watch(row, now)
            previous = now
        if self.book is None:
            why = next(iter(self.findings), "there is no review between start and end")
            raise MarketDataError(f"nothing could be bought from {utc_text(start)} on: {why}")

    # --- decisions

    def _reviews(self, start: datetime) -> list[Dates]:
        """`start`, then every review of the calendar whose data is known by the last row, by that time."""
        first = Dates(reference=start, announcement=start, effective=start)
        later = reviews(self.rules.calendar, start + timedelta(microseconds=1), self.marks.times[-1])
        return [first, *(review for review in later if review.reference > start)]

    def _decide(self, review: Dates, row: int, *, trigger: str = "") -> None:
        """Asks the decider; queues the trade, or records why there is none. `row`: the newest one at the reference time."""
        t, weights = review.reference, self._weights(row)
        try:
            decided = self._ask(t, weights)
        except UNDECIDED as error:
            self._note(f"{t:%Y-%m-%d}: no decision: {error}")
            if self.book is not None:
                self.reviews.append(_no_trade(t, None, 0, f"no decision, holdings stay: {error}"))
            return
        self.decisions.append(decided)
        self.decided = decided
        drift = _drift(weights, decided.target_weights)
        due = self.marks.row_from(max(review.effective, t + self.rules.lag))
        if self.book is None:
            why, is_worth = "first purchase", True
        else:
            found = self._worth_it(t, row, weights, decided)
            why, is_worth = found.reason, found.trade
        if not is_worth:
            self.reviews.append(_no_trade(t, decided, drift, why))
        elif due is None:
            self.reviews.append(_no_trade(t, decided, drift, "decided too late to be traded before the end"))
        else:
            reason = f"{trigger}; {why}" if trigger else why
            wanted = self._how_far(weights, decided)
            self.pending.append(_Pending(decided=decided, wanted=wanted, time=t, row=due, drift=drift, reason=reason))

    def _worth_it(self, t: datetime, row: int, weights: Mapping[str, float], decided: Decided) -> Trigger:
        """Whether to trade, by what is known at the row: drift, membership, and benefit against what it would cost there."""
        target = {name: from_wad(weight) for name, weight in decided.target_weights.items() if weight}
        if not self.when.cost_multiple:
            return worth_it(weights, target, rules=self.when, cost=0.0)
        ids = sorted({*weights, *target})
        history = self.market.history(t, days=self.when.risk_days + 1, fields=("price",), ids=ids)
        return worth_it(
            weights, target, rules=self.when, cost=self._expected_cost(row, weights, target), history=history
        )

    def _expected_cost(self, row: int, weights: Mapping[str, float], target: Mapping[str, float]) -> float:
        """Part of the value that trading to `target` would cost at the row, gas included whoever pays it."""
        names = [name for name in sorted({*weights, *target}) if name in self.position]
        columns = np.array([self.position[name] for name in names], dtype=np.intp)
        legs = self._legs(names, columns, row, self.marks.times[row], is_free=False)
        held = np.array([weights.get(name, 0.0) for name in names]) * self.value
        wanted = np.array([target.get(name, 0.0) for name in names])
        if not wanted.sum() > 0.0:
            return 0.0
        after = value_after(held, wanted / wanted.sum(), legs)
        gas = 0.0 if legs.gas else self.costs.gas_usd(self._ether(row)) * len(names)
        return max(1.0 - (after - gas) / math.fsum(held.tolist()), 0.0)

    def _how_far(self, weights: Mapping[str, float], decided: Decided) -> Mapping[str, int]:
        """The decision's weights, or the edge of their bands where the rules stop there."""
        if self.when.trade_to == "target" or not weights:
            return decided.target_weights
        held = dict(zip(weights, to_wad([round(weight, 12) for weight in weights.values()]), strict=True))
        return towards(held, decided.target_weights, self.when)

    def _watch(self, row: int, now: datetime) -> None:
        """Between reviews: a red flag, drift beyond a band, or signals that changed, where the rules name them."""
        if not self.when.triggers or self.traded is None or self.decided is None or self.pending:
            return
        if self.decisions and self.asked_at == now:
            return
        weights = self._weights(row)
        target = {name: from_wad(weight) for name, weight in self.decided.target_weights.items() if weight}
        labels = None
        if "signal" in self.when.triggers:
            try:
                labels = _labels_of(self._ask(now, weights))
            except UNDECIDED as error:
                self._note(f"{now:%Y-%m-%d}: no signals: {error}")
        found = due(
            replace(self.when, calendar="never"),
            now,
            last=self.traded,
            current=weights,
            target=target,
            flags=self._red_flags(now, weights),
            labels=labels,
            labels_before=_labels_of(self.decided),
        )
        if found.trade:
            self._decide(Dates(reference=now, announcement=now, effective=now), row, trigger=found.reason)

    def _red_flags(self, now: datetime, weights: Mapping[str, float]) -> tuple[RedFlag, ...]:
        """What is wrong with what is held, by deciders that can tell."""
        if "emergency" not in self.when.triggers or not isinstance(self.decider, Methodology):
            return ()
        return self.decider.red_flags(self.market, now, weights, levels=tuple(self.net))

    def _ask(self, t: datetime, weights: Mapping[str, float]) -> Decided:
        self.asked_at = t
        more: dict[str, object] = {}
        if "levels" in self.reads:
            more["levels"] = tuple(self.net)
        if "labels" in self.reads and self.decided is not None:
            more["labels"] = _labels_of(self.decided)
        return cast("Callable[..., Decided]", self.decider.decide)(self.market, t, weights, **more)

    def _weights(self, row: int) -> dict[str, float]:
        """{id: weight} of what is held, at the row's prices; empty before the first purchase."""
        values = self._values(row)
        total = math.fsum(values.values())
        return {name: value / total for name, value in values.items()} if total > 0.0 else {}

    # --- trades

    def _trade(self, row: int, now: datetime) -> None:
        due = [one for one in self.pending if one.row <= row]
        self.pending = [one for one in self.pending if one.row > row]
        for one in due:
            doubtful = self._doubtful(one, row)
            if doubtful and one.waited < CONFIRM_DAYS and row + 1 < len(self.marks.times):
                self._note(
                    f"{now:%Y-%m-%d}: the price of {doubtful[0]} is in doubt; the rebalance waits for the next one"
                )
                self.pending.append(replace(one, row=row + 1, waited=one.waited + 1))
                continue
            if doubtful:
                self._note(
                    f"{now:%Y-%m-%d}: the price of {doubtful[0]} stays in doubt; traded at the last believed one"
                )
            self._execute(one, row, now)

    def _doubtful(self, one: _Pending, row: int) -> list[str]:
        names = sorted({*self.units, *(name for name, weight in one.wanted.items() if weight)})
        return [name for name in names if name in self.position and self.marks.doubt[row, self.position[name]]]

    def _execute(self, one: _Pending, row: int, now: datetime) -> None:
        is_first = self.book is None
        wanted = self._buyable(one.wanted, row, now)
        names = sorted({*self.units, *wanted})
        columns = np.array([self.position[name] for name in names], dtype=np.intp)
        prices = self.marks.prices[row, columns]
        units = np.array([self.units.get(name, 0.0) for name in names])
        held = np.where(units > 0.0, units * prices, 0.0)
        target = np.array([wanted.get(name, 0) for name in names], dtype=np.float64) / sum(wanted.values())
        cash = self.rules.value_usd if is_first else 0.0
        legs = self._legs(names, columns, row, now, is_free=is_first and not self.rules.has_entry_cost)
        moved = self._affordable(held, target, legs, cash=cash, now=now)
        with np.errstate(divide="ignore", invalid="ignore"):
            after = np.where(moved != 0.0, np.where(target > 0.0, (held + moved) / prices, 0.0), units)
        self.units = {name: unit for name, unit in zip(names, after.tolist(), strict=True) if unit > 0.0}
        before, self.value = math.fsum(held.tolist()) + cash, math.fsum(self._values(row).values())
        if is_first:
            self._open(now)
        gas = self._record(one, row, now, names, held=held, moved=moved, legs=legs, before=before)
        self._settle(one, now, held, moved, before=before, gas=gas)

    def _affordable(self, held: Floats, target: Floats, legs: Legs, *, cash: float, now: datetime) -> Floats:
        """USD bought of each coin; where the pools are too shallow for all of it, as far on the way as they hold, then the next review."""
        try:
            return _moves(held, target, legs, cash=cash, dust=self.rules.dust_usd)
        except PoolsTooShallow:
            if cash:
                raise
        for part in PARTS_OF_THE_WAY:
            on_the_way = (1.0 - part) * held / held.sum() + part * target
            try:
                moved = _moves(held, on_the_way, legs, cash=0.0, dust=self.rules.dust_usd)
            except PoolsTooShallow:
                continue
            self._note(
                f"{now:%Y-%m-%d}: the pools are too shallow for all of the rebalance; {part:.1%} of the way is traded"
            )
            return moved
        self._note(f"{now:%Y-%m-%d}: the pools are too shallow for any of the rebalance; nothing is traded")
        return np.zeros(len(held))

    def _buyable(self, weights: Mapping[str, int], row: int, now: datetime) -> dict[str, int]:
        """What is wanted and has a price."""
        wanted: dict[str, int] = {}
        for name in sorted(name for name, weight in weights.items() if weight):
            column = self.position.get(name)
            if column is None or self.marks.gone[row, column] or not self.marks.prices[row, column] > 0.0:
                self._note(f"{now:%Y-%m-%d}: {name} has no price to buy it at; its weight goes to the others")
                continue
            wanted[name] = weights[name]
        if not wanted:
            raise MarketDataError(
                f"{now:%Y-%m-%d}: none of {', '.join(weights)} has a price; give data that covers them"
            )
        return wanted

    def _legs(self, names: list[str], columns: NDArray[np.intp], row: int, now: datetime, *, is_free: bool) -> Legs:
        if is_free:
            return Legs.flat(len(names))
        return self.costs.legs(names, self.marks.volume(columns, now), ether_usd=self._ether(row))

    def _ether(self, row: int) -> float:
        price = float(self.marks.prices[row, self.position[ETHER]]) if ETHER in self.position else math.nan
        return price if price == price else 0.0

    def _record(
        self,
        one: _Pending,
        row: int,
        now: datetime,
        names: list[str],
        *,
        held: Floats,
        moved: Floats,
        legs: Legs,
        before: float,
    ) -> float:
        """Writes the trades down; returns the USD of gas, whoever pays it."""
        costs = leg_costs(moved, legs)
        charged = np.where(moved > 0.0, moved + costs, -moved) * legs.sell
        gas = 0.0 if self.first_is_free else self.costs.gas_usd(self._ether(row))
        reasons = _reasons_of(one.decided)
        traded = np.flatnonzero(moved).tolist()
        for at in traded:
            name, price = names[at], float(self.marks.prices[row, self.position[names[at]]])
            spread = self._spread_share(name)
            was, will = float(held[at]) / before, float(held[at] + moved[at]) / self.value
            self.trades.append(
                Trade(
                    time=now,
                    id=name,
                    side="buy" if moved[at] > 0.0 else "sell",
                    quantity=float(moved[at]) / price if price > 0.0 else 0.0,
                    price=price,
                    value=abs(float(moved[at])),
                    fee=float(charged[at]) * (1.0 - spread),
                    spread=float(charged[at]) * spread,
                    impact=float(costs[at] - charged[at]),
                    gas=gas,
                    weight_before=was,
                    weight_after=will,
                    decision=one.decided.decision_hash,
                    reason=_why(name, was, will, reasons, is_gone=bool(self.marks.gone[row, self.position[name]])),
                )
            )
        return gas * len(traded)

    @property
    def first_is_free(self) -> bool:
        return not self.gross and not self.rules.has_entry_cost

    def _spread_share(self, name: str) -> float:
        rate = self.costs.rate(name)
        return self.costs.spread_bps / BPS / rate if rate > 0.0 else 0.0

    def _settle(self, one: _Pending, now: datetime, held: Floats, moved: Floats, *, before: float, gas: float) -> None:
        """The line of the review, and the fees on its turnover."""
        is_first = not self.gross
        turnover = 1.0
        if not is_first:
            turnover = float(np.abs((held + moved) / self.value - held / before).sum()) / 2.0
            sold = float(-np.minimum(moved, 0.0).sum())
            book = fees.settled(
                cast(Book, self.book),
                self.terms,
                turnover=_part(sold, before),
                loss=_part(before - self.value, before),
                now=_seconds(now),
            )
            self._charge(book, now)
        self.traded = now
        self.reviews.append(
            Review(
                time=one.time,
                traded_at=now,
                decision=one.decided.decision_hash,
                weights=dict(one.wanted),
                drift=from_wad(one.drift),
                turnover=turnover,
                cost=1.0 - self.value / before,
                gas=gas,
                reason=one.reason,
            )
        )

    # --- the basket

    def _act(self, row: int, previous: datetime, now: datetime) -> None:
        """Corporate actions since the row before."""
        for event in events_between(self.events, previous, now):
            if event.kind == "delisting":
                if event.id in self.units:
                    self._note(f"{now:%Y-%m-%d}: {event}; what is held of it goes at the next rebalance")
                continue
            if event.id in self.units:
                self._carry(event, row, now)
            if event.kind in ("migration", "rename"):
                self.pending = [replace(one, wanted=_renamed(one.wanted, event)) for one in self.pending]

    def _carry(self, event: Event, row: int, now: datetime) -> None:
        after = event.new_id or event.id
        column = self.position.get(after)
        if column is None or not self.marks.prices[row, column] >= 0.0:
            raise MarketDataError(f"{now:%Y-%m-%d}: {event}, but {after} has no price that day; give data that has it")
        coins = self.units[event.id] if event.kind == "fork" else self.units.pop(event.id)
        self.units[after] = self.units.get(after, 0.0) + times(coins, event.ratio)
        self._note(f"{now:%Y-%m-%d}: {event}")

    def _values(self, row: int) -> dict[str, float]:
        """{id: USD} of what is held."""
        return {name: unit * float(self.marks.prices[row, self.position[name]]) for name, unit in self.units.items()}

    def _mark(self, row: int) -> None:
        """The gross level moves with prices and corporate actions; trades and investors do not move it."""
        if self.book is None:
            return
        before, self.value = self.value, math.fsum(self._values(row).values())
        if self.value <= 0.0:
            raise MarketDataError(
                f"{self.marks.times[row]:%Y-%m-%d}: everything held is worth nothing; the run ends here"
            )
        self.gross.append(self.gross[-1] * (self.value / before))
        for name in self.units:
            if self.marks.gone[row, self.position[name]]:
                self._note_gone(name, row)

    def _note_gone(self, name: str, row: int) -> None:
        what = "its last price" if self.rules.delisting == "last" else "nothing"
        if row == 0 or not self.marks.gone[row - 1, self.position[name]]:
            self._note(f"{self.marks.times[row]:%Y-%m-%d}: {name} has no price any more; it counts for {what}")

    def _open(self, now: datetime) -> None:
        """The first shares, each worth the seed's price before anything was bought."""
        shares = to_shares(self.rules.value_usd / self.rules.share_price_usd)
        nav = trade_math.nav_per_share(usd_to_nano(self.rules.value_usd), shares)
        self.book = fees.opened(shares=shares, nav=nav, now=_seconds(now))
        self.opening_nav = nav

    def _account(self, now: datetime) -> None:
        """Fees accrue, investors come and go, the row is written down."""
        if not self.gross:
            self.gross.append(BASE)
        book = fees.accrued(cast(Book, self.book), self.terms, value=usd_to_nano(self.value), now=_seconds(now))
        self._charge(book, now)
        while self.flows and self.flows[0].time <= now:
            self._flow(self.flows.pop(0), now)
        value, seconds = usd_to_nano(self.value), _seconds(now)
        nav = fees.nav_per_share(cast(Book, self.book), self.terms, value=value, now=seconds)
        self.nav.append(self.value)
        self.nav_per_share.append(nav)
        self.supply.append(cast(Book, self.book).supply(self.terms, seconds))
        self.net.append(BASE * (nav / self.opening_nav))
        self.held.append(dict(self.units))

    def _flow(self, flow: Flow, now: datetime) -> None:
        """In kind and pro rata: the basket grows or shrinks, its weights stay."""
        book, seconds = cast(Book, self.book), _seconds(now)
        supply = book.supply(self.terms, seconds)
        nav = fees.nav_per_share(book, self.terms, value=usd_to_nano(self.value), now=seconds)
        shares = fees.entry_shares(usd_to_nano(flow.usd), nav)
        if flow.kind == "mint":
            book, _ = fees.minted(book, self.terms, shares=shares, now=seconds)
            scale = (supply + shares) / supply
        else:
            if shares >= supply:
                raise MarketDataError(
                    f"{now:%Y-%m-%d}: {flow.usd:,.2f} USD are redeemed of {self.value:,.2f}; take out less"
                )
            book, paid = fees.redeemed(book, self.terms, shares=shares, now=seconds)
            scale = (supply - paid) / supply
        self.units = {name: unit * scale for name, unit in self.units.items()}
        self.value *= scale
        self._charge(book, now)

    def _charge(self, book: Book, now: datetime) -> None:
        """The book after a fee, and a line for every kind that took something."""
        before = cast(Book, self.book).charged
        supply = book.supply(self.terms, _seconds(now))
        for kind, shares in book.charged.items():
            if shares > before[kind]:
                minted = shares - before[kind]
                self.charges.append(Charge(time=now, kind=kind, shares=minted, usd=self.value * (minted / supply)))
        self.book = book

    def _note(self, text: str) -> None:
        self.findings[text] = None

    # --- the end

    def result(self, symbol: str) -> Run:
        ids = tuple(sorted({name for units in self.held for name in units}))
        first = len(self.marks.times) - len(self.held)
        columns = [self.position[name] for name in ids]
        units = np.array([[units.get(name, 0.0) for name in ids] for units in self.held])
        return Run(
            symbol=symbol,
            times=self.marks.times[first:],
            gross=np.array(self.gross),
            net=np.array(self.net),
            nav=np.array(self.nav),
            nav_per_share=tuple(self.nav_per_share),
            supply=tuple(self.supply),
            ids=ids,
            prices=self.marks.prices[first:, columns],
            units=units,
            trades=tuple(self.trades),
            reviews=tuple(self.reviews),
            charges=tuple(self.charges),
            decisions=tuple(self.decisions),
            findings=tuple(self.findings),
            parameters=self._parameters(),
        )

    def _parameters(self) -> dict[str, str]:
        rules = self.rules
        return {
            "market": self.market.source,
            "clock": rules.clock,
            "calendar": f"{rules.calendar.calendar}, {rules.calendar.weekday}"
            if rules.calendar.calendar == "weekly"
            else rules.calendar.calendar,
            "lag_hours": f"{rules.lag.total_seconds() / 3600:g}",
            "delisting": rules.delisting,
            "band": format_weight(rules.band),
            "dust_usd": f"{rules.dust_usd:g}",
            "value_usd": f"{rules.value_usd:g}",
            "share_price_usd": f"{rules.share_price_usd:g}",
            "has_entry_cost": str(rules.has_entry_cost).lower(),
            "terms": canonical_json(self.terms),
            "costs": canonical_json(self.costs),
        }


# --- helpers ----------------------------------------------------------------------------------------------------------


def _moves(held: Floats, target: Floats, legs: Legs, *, cash: float, dust: float) -> Floats:
    """USD bought of each coin (negative: sold). Trades below `dust` are left out, unless they sell a coin out; then the others hold
    their weights among themselves.
    """
    free = np.ones(len(held), dtype=np.bool_)
    while free.any() and target[free].sum() > 0.0:
        share = target[free] / target[free].sum()
        after = value_after(held[free], share, legs.of(np.flatnonzero(free)), cash=cash)
        moved = np.zeros(len(held))
        moved[free] = share * after - held[free]
        small = free & (np.abs(moved) < dust) & (target > 0.0)
        if not small.any():
            return moved
        free &= ~small
    return np.zeros(len(held))


def _drift(weights: Mapping[str, float], target: Mapping[str, int]) -> int:
    """D18 one-way turnover from what is held to what is wanted, as the keeper measures it."""
    names = sorted({*weights, *target})
    values = [usd_to_nano(round(weights.get(name, 0.0), 12)) for name in names]
    return drift_of(values, [target.get(name, 0) for name in names])


def _no_trade(t: datetime, decided: Decided | None, drift: int, reason: str) -> Review:
    return Review(
        time=t,
        traded_at=None,
        decision="" if decided is None else decided.decision_hash,
        weights={} if decided is None else dict(decided.target_weights),
        drift=from_wad(drift),
        turnover=0.0,
        cost=0.0,
        gas=0.0,
        reason=reason,
    )


def _reasons_of(decided: Decided) -> Mapping[str, str]:
    return cast("Mapping[str, str]", getattr(decided, "reasons", {}))


def _why(name: str, was: float, will: float, reasons: Mapping[str, str], *, is_gone: bool) -> str:
    because = f": {reasons[name]}" if name in reasons else ""
    if is_gone:
        return f"leaves without a market{because}"
    if was == 0.0:
        return f"enters{because}"
    if will == 0.0:
        return f"leaves{because}"
    return f"{format_percent(was)} is {'below' if will > was else 'above'} the target of {format_percent(will)}"


def _renamed(wanted: Mapping[str, int], event: Event) -> Mapping[str, int]:
    """The same weights of the coin that holders have now."""
    weights = dict(wanted)
    if event.id in weights:
        moved = weights.pop(event.id)
        weights[event.new_id] = weights.get(event.new_id, 0) + moved
    return dict(sorted(weights.items()))


def _labels_of(decided: Decided) -> Mapping[str, str] | None:
    """{id: bullish, neutral or bearish} of a decision that has signals."""
    return cast("Mapping[str, str] | None", getattr(decided, "labels", None) or None)


def _part(value: float, whole: float) -> int:
    """D18 part of a whole, never below zero, rounded down to whole nano-dollars first."""
    return usd_to_nano(max(value, 0.0)) * WAD // usd_to_nano(whole)


def _seconds(time: datetime) -> int:
    return int(time.timestamp())
