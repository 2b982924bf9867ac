"""Questions about many indexes, answered once each and remembered: the API and the dashboard ask the same desk.

desk = Desk(market, indexes)
desk.decision("LC10", "2024-06-03")       documents: plain data for `answers.json_text`
desk.levels("LC10", start="2024-01-01")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TypeVar

from offchain.analytics.periods import trailing
from offchain.backtest import CostModel, Rules, Run, Terms, run_decider
from offchain.canonical import utc_text
from offchain.errors import BadRequest, BallastError, MarketDataError, MissingHistory, NotFound, did_you_mean
from offchain.market import Market
from offchain.market.snapshot import as_utc
from offchain.methodology import Decision, Methodology
from offchain.research.explanation import explain, explain_coin
from offchain.research.statements import statements
from offchain.service.alerts import Alert, watch
from offchain.spec.family import family

Answer = dict[str, object]
Kept = TypeVar("Kept")

LATEST = "latest"
HORIZONS = ("day", "week", "month", "inception")
DEFAULT_DAYS = 365  # of levels, when nobody says since when
KEPT = 256  # answers that are remembered


class Desk:
    """One market and the rules of many indexes. `refused`: {name: why its file cannot be used}. Ask from one thread at a time."""

    def __init__(
        self, market: Market, indexes: Mapping[str, Methodology], *, refused: Mapping[str, str] | None = None
    ) -> None:
        self.market = market
        self.indexes_by_symbol = dict(sorted(indexes.items()))
        self.refused = dict(refused or {})
        self._kept: dict[tuple[str, ...], object] = {}

    # --- what is computed ---------------------------------------------------------------------------------------------

    def time(self, date: str = "") -> datetime:
        """The time that was asked for; the last day of the data without one. Raises BadRequest."""
        if date in ("", LATEST):
            return self.market.end + self.market.lag
        try:
            return as_utc(date)
        except MarketDataError as error:
            raise BadRequest(str(error)) from error

    def rules(self, symbol: str) -> Methodology:
        """Raises NotFound with the closest."""
        known = {name.casefold(): name for name in self.indexes_by_symbol}
        if symbol.casefold() not in known:
            there_is = ", ".join(self.indexes_by_symbol) or "none"
            raise NotFound(f"no index {symbol}.{did_you_mean(symbol, known.values())} There is: {there_is}")
        return self.indexes_by_symbol[known[symbol.casefold()]]

    def decided(self, symbol: str, date: str = "") -> Decision:
        """The decision of an index that holds nothing yet."""
        rules, t = self.rules(symbol), self.time(date)
        return self._once(("decided", rules.spec.symbol, utc_text(t)), lambda: rules.decide(self.market, t))

    def run(self, symbol: str, start: str = "", end: str = "") -> Run:
        """The index over the past, after costs and fees; without a start the newest DEFAULT_DAYS days."""
        rules, last = self.rules(symbol), self.time(end)
        first = self.time(start) if start else max(self.market.start, last - timedelta(days=DEFAULT_DAYS))
        if first >= last:
            raise BadRequest(f"start {first:%Y-%m-%d} is not before end {last:%Y-%m-%d}; give an earlier start")

        def compute() -> Run:
            begin = first if start else first_decision(rules, self.market, first, last)
            return run_decider(
                rules, self.market, symbol=rules.spec.symbol, start=begin, end=last, rules=Rules.of(rules.spec),
                terms=Terms.of(rules.spec), costs=CostModel(),
            )  # fmt: skip

        return self._once(("run", rules.spec.symbol, utc_text(first), utc_text(last)), compute)

    def simulated(self, start: str = "", end: str = "") -> tuple[dict[str, dict[str, float]], dict[str, list[float]]]:
        """({symbol: {id: part}}, {symbol: its levels}): what each index would hold now. Those that cannot be run are left out: `watch`
        says why.
        """
        held: dict[str, dict[str, float]] = {}
        levels: dict[str, list[float]] = {}
        for symbol in self.indexes_by_symbol:
            try:
                run = self.run(symbol, start, end)
            except BallastError:
                continue  # the same rules refuse again, with their reason, where they are asked to decide
            held[symbol], levels[symbol] = run.holdings(self.time(end)), run.net.tolist()
        return held, levels

    # --- documents ----------------------------------------------------------------------------------------------------

    def indexes(self) -> Answer:
        """Every index that can be asked about, and those that cannot be read."""
        rows = []
        for symbol, rules in self.indexes_by_symbol.items():
            spec = rules.spec
            rows.append(
                {
                    "symbol": symbol,
                    "name": spec.name,
                    "family": family(spec),
                    "description": spec.index.description,
                    "calendar": spec.rebalance.calendar,
                    "benchmarks": spec.index.benchmarks,
                    "spec_hash": spec.spec_hash,
                }
            )
        market = {"source": self.market.source, "start": self.market.start, "end": self.market.end}
        return {"indexes": rows, "refused": self.refused, "market": market}

    def decision(self, symbol: str, date: str = "") -> Answer:
        """Composition, reasons and hashes."""
        return decision_document(self.decided(symbol, date))

    def explanation(self, symbol: str, date: str = "", coin: str = "") -> Answer:
        """Every step, or one coin's. Raises NotFound for a coin that the market does not have."""
        decision = self.decided(symbol, date)
        snapshot = self.rules(symbol).snapshot(self.market, decision.t)
        if not coin:
            return {"explanation": explain(decision, snapshot)}
        try:
            return {"explanation": explain_coin(decision, snapshot, coin)}
        except MissingHistory as error:
            raise NotFound(str(error)) from error

    def levels(self, symbol: str, start: str = "", end: str = "") -> Answer:
        """The level of each day, returns up to the last, and what the numbers are."""
        run = self.run(symbol, start, end)
        days = [time.date() for time in run.times]
        found = trailing(run.net.tolist(), days)
        return {
            "symbol": run.symbol,
            "status": run.status,
            "dates": days,
            "net": run.net.tolist(),
            "gross": run.gross.tolist(),
            "returns": {name: {"value": found[name].value, "reason": found[name].reason} for name in HORIZONS},
            "run_hash": run.run_hash,
            "statements": statements(is_simulated=run.status == "simulated"),
        }

    def signals(self, symbol: str, date: str = "") -> Answer:
        """Label, score and conviction of each candidate, and the phase of the market. Raises NotFound for rules without signals."""
        rules, t = self.rules(symbol), self.time(date)
        found = rules.assess(rules.inputs(self.market, t))
        if found is None:
            raise NotFound(f"{rules.spec.symbol} has no signals; ask an index of the family smart")
        return {
            "symbol": rules.spec.symbol,
            "t": found.t,
            "phase": found.phase,
            "signals": found.signals,
            "catalogue_hash": found.catalogue_hash,
            "model_hash": found.model_hash or None,
            "findings": found.findings,
        }

    def prices(self, ids: Sequence[str], date: str = "") -> Answer:
        """What was known of coins at a time, doubts included. Raises NotFound for one that the market does not have."""
        snapshot = self.market.snapshot(self.time(date))
        if not ids:
            raise BadRequest("ids: name at least one coin, such as ids=bitcoin,ethereum")
        found: dict[str, object] = {}
        for name in ids:
            try:
                coin = snapshot[name]
            except MissingHistory as error:
                raise NotFound(str(error)) from error
            found[name] = {
                "price": coin.price,
                "observed_price": coin.observed_price,
                "state": coin.state,
                "market_cap": coin.market_cap,
                "volume": coin.volume,
                "gap_days": coin.gap_days,
            }
        return {"t": snapshot.t, "source": snapshot.source, "unit": "USD", "prices": found}

    def alerts(self, date: str = "") -> tuple[Alert, ...]:
        """Of every index, of what its last review decided."""
        t = self.time(date)
        return self._once(
            ("alerts", utc_text(t)), lambda: watch(self.indexes_by_symbol, self.market, t, refused=self.refused)
        )

    def _once(self, key: tuple[str, ...], compute: Callable[[], Kept]) -> Kept:
        if key not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = compute()
        found: Kept = self._kept[key]  # type: ignore[assignment]
        return found


def decision_document(decision: Decision) -> Answer:
    """What a decision says, for machines; weights are text in units of 1e-18."""
    return {
        "symbol": decision.symbol,
        "t": decision.t,
        "target_weights": {name: str(weight) for name, weight in decision.target_weights.items()},
        "entered": decision.entered,
        "left": decision.left,
        "reasons": {name: decision.why(name) for name in (*decision.members, *decision.left)},
        "labels": decision.labels,
        "phase": decision.phase,
        "findings": decision.findings,
        "model_hash": decision.model_hash or None,
        "spec_hash": decision.spec_hash,
        "inputs_hash": decision.inputs_hash,
        "decision_hash": decision.decision_hash,
    }


def alert_documents(alerts: Sequence[Alert]) -> list[Answer]:
    """Plain data."""
    return [asdict(alert) for alert in alerts]


def first_decision(rules: Methodology, market: Market, start: datetime, end: datetime) -> datetime:
    """The first review from `start` on at which the index can decide. Raises what stood in the way on the last one before `end`."""
    day, problem = start, None
    while day < end:
        try:
            rules.decide(market, day)
            return day
        except BallastError as error:
            problem = error
        day = day + timedelta(days=1) if rules.spec.rebalance.is_basket else rules.spec.rebalance.next_review(day)
    raise problem or MissingHistory(f"{rules.spec.symbol}: no review between {start:%Y-%m-%d} and {end:%Y-%m-%d}")
