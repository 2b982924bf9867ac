"""The keeper of one index: read → decide → plan → simulate → execute → report, each alone or all together.

Where the index file says so, a plan or what cannot be swapped of it is auctioned (`auctioning.py`): the run then ends with
RetryAt the end of the auction, and the next one goes on.

    keeper = Keeper.on_devnet(world, core, index.address, spec, account=devnet_account(2), ledger=path)
    outcome = keeper.run()
    print(outcome)                  done: LC10 plan 3: 9 trades, turnover 4.10 % of $100,000.00, cost 61 bps of it ...

Every stage takes what the former returned, or makes it itself. Only `execute` and `run` send. What has happened is read
from the chain each time: a run that was killed, at any instruction, is continued by the next one.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from offchain import risk
from offchain.canonical import keccak_hex
from offchain.chain.core import Core
from offchain.chain.events import index_logs
from offchain.chain.reads import valuation_gas
from offchain.epochs import Publication
from offchain.errors import EmptyUniverse, InfeasibleWeights, KeeperError, MarketDataError, NotConnected
from offchain.keeper import auctioning, calls, guards, watching
from offchain.keeper.asking import answered, patiently
from offchain.keeper.ledger import Ledger, LedgerError
from offchain.keeper.levels import levels_of
from offchain.keeper.outcomes import Done, Halt, Outcome, RetryAt, Skip, Stop, time_text, utc
from offchain.keeper.planning import (
    Proposal,
    Settings,
    live_positions,
    propose,
    require_review,
    wanted_by,
    weights_by_coin,
)
from offchain.keeper.reading import Places, Situation, read
from offchain.keeper.report import Report, build_report, plan_events
from offchain.keeper.sending import Intent, Sender, StepRefused, local_account
from offchain.keeper.simulating import Simulation, require_as_planned, simulate
from offchain.market.history import History
from offchain.market.snapshot import Market, Time, as_utc
from offchain.methodology import Decision, Holdings, Inputs, Methodology
from offchain.rebalance import needs, review_of
from offchain.spec.model import IndexSpec
from offchain.trading.plan import Trade
from offchain.trading.targets import drift_of
from offchain.units import fraction_to_wad
from offchain.universe.votes import Ballot

if TYPE_CHECKING:
    from offchain.devnet import Devnet

log = logging.getLogger(__name__)

DEVNET_MNEMONIC = "test test test test test test test test test test test junk"  # anvil's, known to everybody
RETRY_SECONDS = 600
Result = TypeVar("Result")
MAX_REFUSALS = 3  # in a row, before we wait for the world to settle
LEFT_OVER = 4  # a plan that thin pools hold up is worth coming back for above this part of the drift band


@dataclass(frozen=True, kw_only=True)
class _Run:
    """What names a run in the ledger."""

    id: str
    started: float
    time: int  # {s} of the block it began at


def devnet_account(number: int) -> LocalAccount:
    """Account `number` of a local chain, with its key. Never for real money: everybody knows the key."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(DEVNET_MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}")


class Keeper:
    """Runs one index. Construction stores; the verbs work. Use as a context manager, or `close()` it.

    `account`: who signs; an address is enough for everything but `execute` and `run`.
    `rules`: when those of `spec` have files beside another index file. `ballots`: reads what holders voted, for rules that ask.
    `market`: the market, or a function that fetches it for a time. `wait`: called with a time {s} when a cool-down has to
    pass; without it the run ends with RetryAt. `checkpoint`: called with a name between any two effects (tests).
    """

    def __init__(
        self,
        w3: Web3,
        places: Places,
        spec: IndexSpec,
        *,
        market: Market | Callable[[Time], Market],
        account: LocalAccount | str,
        ledger: Ledger | Path | str,
        settings: Settings | None = None,
        wait: Callable[[int], None] | None = None,
        checkpoint: Callable[[str], None] | None = None,
        rules: Methodology | None = None,
        ballots: Callable[[], Sequence[Ballot]] | None = None,
    ) -> None:
        self.w3 = w3
        self.places = places
        self.spec = spec
        self.methodology = rules or Methodology(spec)
        self.account = account
        self.address = account if isinstance(account, str) else str(account.address)
        self.ledger = ledger if isinstance(ledger, Ledger) else Ledger.open(ledger)
        self.settings = settings or Settings()
        self._market = market
        self._ballots = ballots
        self._wait = wait
        self._checkpoint = checkpoint or (lambda name: None)
        self._run = _Run(id="", started=0.0, time=0)

    @classmethod
    def on_devnet(
        cls,
        world: Devnet,
        core: Core,
        index: str,
        spec: IndexSpec,
        *,
        account: LocalAccount,
        ledger: Ledger | Path | str,
        settings: Settings | None = None,
        checkpoint: Callable[[str], None] | None = None,
    ) -> Keeper:
        """The keeper of an index on a local market; it lets chain time pass where a live one would wait."""
        return cls(
            world.w3,
            Places.of_world(core, index, world),
            spec,
            market=world.market,
            account=account,
            ledger=ledger,
            settings=settings,
            wait=lambda until: world.node.mine(timestamp=until),
            checkpoint=checkpoint,
        )

    def close(self) -> None:
        self.ledger.close()

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the stages ---------------------------------------------------------------------------------------------------

    def read(self) -> Situation:
        """Everything of one block."""
        situation = self._patiently(lambda: read(self.w3, self.places, keeper=self.address))
        guards.require_chain(situation, self.places.core.chain_id)
        return situation

    def decide(self, situation: Situation | None = None, t: Time | None = None) -> Decision:
        """The weights the methodology wants: of the review that is open, on the data of its reference date, else now; or at `t`."""
        return self._decided(situation or self.read(), t)[0]

    def publish(self, situation: Situation | None = None) -> tuple[Decision, Publication]:
        """The decision, and everything it was made from: what is proposed to the weight registry, and published beside."""
        situation = situation or self.read()
        decision, inputs = self._decided(situation, None)
        tokens = {coin.id: coin.address for coin in situation.coins.values()}
        return decision, Publication.of(decision, inputs, tokens)

    def plan(
        self, situation: Situation | None = None, decision: Decision | None = None, t: Time | None = None
    ) -> Proposal:
        """What would be sent. Raises Stop when nothing should be."""
        situation = situation or self.read()
        if not situation.state.is_plan_live:
            decision = decision or self.decide(situation, t)
            self._require_agreement(situation, decision, t)
        return propose(
            situation, self.spec, self.settings, decision, history=self._risk_history(situation, decision, t)
        )

    def simulate(self, situation: Situation | None = None, proposal: Proposal | None = None) -> Simulation:
        """What the node says it would do. Raises Stop when that differs from the plan by more than the bound."""
        situation = situation or self.read()
        wanted = proposal or self.plan(situation)
        simulation = self._patiently(lambda: simulate(self.w3, self.places, situation, wanted))
        require_as_planned(simulation, self.settings)
        return simulation

    def execute(self, t: Time | None = None) -> Outcome:
        """All stages regardless of the calendar."""
        return self.run(t, ignore_calendar=True)

    def report(self, plan_id: int | None = None) -> Report:
        """The report of a plan, by default the last one."""
        situation = self.read()
        wanted = plan_id or situation.state.plan.id
        if wanted == 0:
            raise KeeperError(f"{situation.state.symbol} has had no plan yet; there is nothing to report")
        return self._report(situation, wanted, left=())

    def rebuild(self) -> int:
        """Fills an empty ledger with what the chain knows of all plans; returns how many there were."""
        if self.ledger.entries():
            raise LedgerError(
                f"{self.ledger.path.name} is not empty; move it away first, so that nothing is overwritten"
            )
        situation = self.read()
        self._bind(situation)
        events = plan_events(self.w3, self.places, last=situation.block)
        for event in events:
            body = {
                "event": event["event"],
                "block": event["blockNumber"],
                "tx": event["transactionHash"].to_0x_hex(),
                "arguments": dict(event["args"]),
            }
            self.ledger.append(run="", kind="recovered", at=situation.time, body=body)
        return sum(event["event"] == "StartPlan" for event in events)

    def run(self, t: Time | None = None, *, ignore_calendar: bool = False) -> Outcome:
        """One rebalance from wherever the chain stands, or the reason why not."""
        with self.ledger.held() as mine:
            if not mine:
                return Skip(reason=f"another keeper is at work on {self.ledger.path.name}")
            try:
                outcome = self._run_once(t, ignore_calendar)
            except Stop as stop:
                outcome = stop.outcome
            except NotConnected as error:
                if not self._run.id:
                    raise  # nothing is known of this run: not even when to come back
                outcome = RetryAt(time=self._run.time + RETRY_SECONDS, reason=f"the node does not answer: {error}")
            self._record_outcome(outcome)
            return outcome

    # --- one run ------------------------------------------------------------------------------------------------------

    def _run_once(self, t: Time | None, ignore_calendar: bool) -> Outcome:
        situation = self.read()
        self._begin(situation)
        self._patiently(lambda: guards.require_contracts(self.w3, self.places))
        if self._sender().recover(run=self._run.id, at=situation.time):
            situation = self.read()
        self._record("read", situation, _summary(situation))
        guards.require_open(situation)
        guards.require_gas(situation, self.settings)
        announced: list[tuple[str, str]] = []
        if not situation.state.is_plan_live:
            situation, announced = self._start(situation, t, ignore_calendar)
        if self.spec.auctions.is_used:
            self._leave_to_auction(situation, may_open=self.spec.auctions.use == "first")
        return self._trade(situation.state.plan.id, announced)

    def _start(
        self, situation: Situation, t: Time | None, ignore_calendar: bool
    ) -> tuple[Situation, list[tuple[str, str]]]:
        """Decides, plans, simulates and starts a plan; returns the situation after it and the pairs to be traded."""
        decision = (None if ignore_calendar else self._require_due(situation, t)) or self._trusted(situation, t)
        self._record("decision", situation, json.loads(decision.to_json()))
        proposal = self.plan(situation, decision, t)
        self._record("plan", situation, {"proposal": proposal, "proposal_hash": proposal.proposal_hash})
        simulation = self.simulate(situation, proposal)
        self._record("simulation", situation, simulation)
        assert proposal.start is not None
        planned = {"drift_before": proposal.trades.drift_before, "proposal_hash": proposal.proposal_hash}
        intent = Intent(
            kind="start",
            plan_id=proposal.plan_id,
            step=0,
            data=calls.start_plan(self.places, proposal.start),
            planned=planned,
        )
        try:
            receipt = self._sender().send(intent, run=self._run.id, at=situation.time)
        except StepRefused as reason:
            raise Stop(
                RetryAt(time=situation.time + RETRY_SECONDS, reason=f"the plan could not be started: {reason}")
            ) from None
        situation = self._read_after(int(receipt["blockNumber"]))
        if situation.state.plan.id < proposal.plan_id or not situation.state.is_plan_live:
            raise Stop(
                RetryAt(
                    time=situation.time + RETRY_SECONDS, reason=f"plan {proposal.plan_id} did not start; see the ledger"
                )
            )
        return situation, [(trade.sell, trade.buy) for trade in proposal.trades.trades]

    def _require_due(self, situation: Situation, t: Time | None) -> Decision | None:
        """Raises Stop unless a review is due, or a trigger: then the decision that the trigger was asked with."""
        try:
            require_review(situation, self.spec)
        except Stop as stop:
            if not self.spec.rebalance.triggers or not isinstance(stop.outcome, RetryAt):
                raise
            waiting = stop.outcome
        else:
            return None
        watching.require_unasked(situation, waiting, refused_at=self._refused_at())
        when = utc(situation.time) if t is None else as_utc(t)
        decision = self._trusted(situation, when)
        market, held = self._market_at(when), watching.held_parts(situation)
        levels = self._levels(situation, market, when)
        found = watching.ask(
            situation,
            self.spec.rebalance,
            when,
            decision,
            flags=self._informed().red_flags(market, when, held, levels=levels),
            labels_before=self._labels_before(when),
        )
        self._record("watch", situation, found)
        if not found.trade:
            raise Stop(watching.later(situation, waiting, found.reason))
        log.info("event=trigger run=%s code=%s reason=%r", self._run.id, found.code, found.reason)
        return decision

    def _decided(self, situation: Situation, t: Time | None) -> tuple[Decision, Inputs]:
        when, held = self._as_of(situation) if t is None else as_utc(t), self._holdings(situation)
        rules, market = self._informed(), self._market_at(when)
        levels = self._levels(situation, market, when)
        inputs = rules.inputs(market, when, held, levels=levels, labels=self._labels_before(when))
        return rules.decide_on(inputs, held, tradable=situation.tradable), inputs

    def _informed(self) -> Methodology:
        """The rules, with what holders have voted by now where they ask; `until` its time is all a decision sees of it."""
        if not self.methodology.asks_governor or self._ballots is None:
            return self.methodology
        return self.methodology.with_ballots(self._patiently(self._ballots))

    def _trusted(self, situation: Situation, t: Time | None) -> Decision:
        try:
            return self.decide(situation, t)
        except (MarketDataError, EmptyUniverse, InfeasibleWeights) as error:
            raise Stop(Halt(reason=f"no decision can be trusted: {error}")) from error

    def _leave_to_auction(self, situation: Situation, *, may_open: bool) -> None:
        """Raises Stop while an auction of the live plan is to be waited for, `may_open` one first; else swaps go on."""
        standing = self._patiently(lambda: auctioning.look(self.w3, self.places, situation))
        if (retry := auctioning.waiting(situation, self.spec, standing)) is not None:
            raise Stop(retry)
        if not may_open:
            return
        if reason := auctioning.why_not(situation, self.spec, standing):
            log.info("event=no_auction plan=%d reason=%r", situation.state.plan.id, reason)
            return
        plan, number = situation.state.plan, standing.auction.id + 1
        terms = auctioning.terms_of(situation, standing)
        intent = Intent(
            kind="auction",
            plan_id=plan.id,
            step=number,
            data=calls.open_auction(self.places, plan.id, number, terms),
            to=standing.house,
        )
        try:
            receipt = self._sender().send(intent, run=self._run.id, at=situation.time)
            after = self._read_after(int(receipt["blockNumber"]))
        except StepRefused as reason:
            log.warning("event=refused auction=%d reason=%r", number, str(reason))
            after = self.read()
        if after.state.plan.id != plan.id or not after.state.is_plan_live:
            return  # which the swaps find out, and say
        standing = self._patiently(lambda: auctioning.look(self.w3, self.places, after))
        if (retry := auctioning.waiting(after, self.spec, standing)) is not None:
            raise Stop(retry)

    def _trade(self, plan_id: int, announced: list[tuple[str, str]]) -> Outcome:
        """Swaps until nothing is left to do, from fresh state each time; then ends the plan.

        `announced`: the pairs that were planned and simulated; they are traded first, in sizes that fit by then.
        """
        refusals = 0
        for _ in range(self.settings.max_rounds):
            situation = self.read()
            if situation.state.plan.id != plan_id or not situation.state.is_plan_live:
                return RetryAt(
                    time=situation.time + RETRY_SECONDS, reason=f"plan {plan_id} ended while it was being traded"
                )
            guards.require_open(situation)
            guards.require_gas(situation, self.settings)
            proposal = propose(situation, self.spec, self.settings, None, prefer=announced)
            trade = min(proposal.trades.trades, key=lambda item: item.start_at, default=None)
            if trade is None:
                return self._finish(situation, proposal)
            if trade.start_at > situation.time:
                self._pause(trade)
                continue
            try:
                self._swap(situation, trade)
                refusals = 0
                if (trade.sell, trade.buy) in announced:
                    announced.remove((trade.sell, trade.buy))
            except StepRefused as reason:
                refusals += 1
                log.warning("event=refused step=%d reason=%r", situation.state.plan.steps, str(reason))
                if refusals >= MAX_REFUSALS:
                    return RetryAt(
                        time=situation.time + RETRY_SECONDS, reason=f"the swap is refused again and again: {reason}"
                    )
        return RetryAt(
            time=situation.time + RETRY_SECONDS, reason=f"{self.settings.max_rounds} swaps in one run are enough"
        )

    def _swap(self, situation: Situation, trade: Trade) -> None:
        plan, tokens = situation.state.plan, [item.token for item in situation.state.components]
        intent = Intent(
            kind="swap",
            plan_id=plan.id,
            step=plan.steps,
            data=calls.swap(self.places, trade, plan_id=plan.id, step=plan.steps),
            planned={
                "sell": trade.sell_symbol,
                "buy": trade.buy_symbol,
                "sell_amount": trade.sell_amount,
                "expected_buy": trade.expected_buy,
                "min_buy": trade.min_buy,
            },
            spare_gas=self._patiently(lambda: valuation_gas(self.w3, self.places.core, tokens, sender=self.address)),
        )
        receipt = self._sender().send(intent, run=self._run.id, at=situation.time)
        if receipt["status"] != 1:
            raise StepRefused("it reverted on chain; see the ledger")
        self._read_after(int(receipt["blockNumber"]))

    def _pause(self, trade: Trade) -> None:
        reason = f"the cool-down of {trade.sell_symbol} or {trade.buy_symbol} lasts until {time_text(trade.start_at)}"
        if self._wait is None:
            raise Stop(RetryAt(time=trade.start_at, reason=reason))
        log.info("event=wait until=%d reason=%r", trade.start_at, reason)
        self._wait(trade.start_at)

    def _finish(self, situation: Situation, proposal: Proposal) -> Outcome:
        """Ends the plan, unless the budgets or the pools can do more of it later."""
        trades, plan = proposal.trades, situation.state.plan
        left = (*trades.reasons_left, *(f"{symbol}: {reason}" for symbol, reason in proposal.stuck.items()))
        if trades.retry_at is not None and trades.retry_at < plan.expires_at:
            return RetryAt(
                time=trades.retry_at, reason=f"the budgets bear the rest of plan {plan.id} later: {'; '.join(left)}"
            )
        later = situation.time + RETRY_SECONDS
        silent = [item.symbol for item in situation.state.components if item.planned and item.price == 0]
        if silent and later < plan.expires_at:
            return RetryAt(time=later, reason=f"plan {plan.id} waits for a price of {', '.join(silent)}")
        blocked = any(item.is_blocked and item.side == "surplus" for item in trades.left)
        if (
            blocked
            and self._drift(situation) > fraction_to_wad(self.spec.rebalance.drift_band) // LEFT_OVER
            and later < plan.expires_at
        ):
            if self.spec.auctions.is_used:
                self._leave_to_auction(situation, may_open=True)
            return RetryAt(
                time=later, reason=f"the pools do not bear the rest of plan {plan.id} now: {'; '.join(left)}"
            )
        intent = Intent(kind="end", plan_id=plan.id, step=plan.steps, data=calls.end_plan(self.places, plan.id))
        try:
            receipt = self._sender().send(intent, run=self._run.id, at=situation.time)
            after = self._read_after(int(receipt["blockNumber"]))
        except StepRefused as reason:
            after = self.read()
            if after.state.plan.id != plan.id or after.state.plan.expires_at:  # else another keeper has ended it
                return RetryAt(time=later, reason=f"plan {plan.id} could not be ended: {reason}")
        report = self._report(after, plan.id, left=left)
        self._record("report", after, report)
        return Done(report=report)

    # --- helpers ------------------------------------------------------------------------------------------------------

    def _report(self, situation: Situation, plan_id: int, *, left: tuple[str, ...]) -> Report:
        drift = 0
        for entry in self.ledger.entries(kind="signed"):
            body = entry.body
            if isinstance(body, dict) and body["kind"] == "start" and body["plan_id"] == str(plan_id):
                planned = body["planned"]
                drift = int(str(planned["drift_before"])) if isinstance(planned, dict) else 0
        return self._patiently(
            lambda: build_report(
                self.w3, self.places, self.ledger, plan_id=plan_id, after=situation, drift_before=drift, left=left
            )
        )

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        return patiently(ask, seconds=self.settings.patience)

    def _drift(self, situation: Situation) -> int:
        positions = live_positions(situation)
        return drift_of([position.value for position in positions], [position.weight for position in positions])

    def _require_agreement(self, situation: Situation, decision: Decision, t: Time | None) -> None:
        """Oracle and market agree on what is held with a price, and on what is wanted."""
        when = utc(situation.time) if t is None else as_utc(t)
        snapshot = self.methodology.snapshot(self._market_at(when), when)
        coins = {situation.coins[token].id for token in wanted_by(situation, decision)} | set(situation.held)
        guards.require_prices_agree(situation, snapshot, coins, self.settings)

    def _risk_history(self, situation: Situation, decision: Decision | None, t: Time | None) -> History | None:
        """What the benefit of trading is weighed by, None where the rules do not weigh it or a plan is live."""
        if decision is None or not self.spec.rebalance.cost_multiple:
            return None
        when, need = utc(situation.time) if t is None else as_utc(t), needs(self.spec.rebalance)
        ids = {*weights_by_coin(situation), *watching.wanted_parts(situation, decision)}
        return self._market_at(when).history(when, days=need.days, fields=need.fields, ids=ids)

    def _as_of(self, situation: Situation) -> datetime:
        """The reference date of the review that is open, so that it is decided on the same data whenever in it the keeper
        runs, as in a backtest; between reviews the block's time.
        """
        now, rules = utc(situation.time), self.spec.rebalance
        review = rules.last_review(now)
        if rules.is_basket or now - review >= timedelta(hours=rules.plan_hours):
            return now
        return review_of(rules, review).reference

    def _labels_before(self, when: datetime) -> dict[str, str] | None:
        """{id: label} of the newest decision in the ledger from before the day of `when`, None without one.

        That day's is left out, so that a run that is repeated decides the same.
        """
        if not self.methodology.has_signals and not self.methodology.sleeves:
            return None
        entry = self.ledger.last("decision", before=watching.midnight(int(when.timestamp())))
        labels = entry.body.get("labels") if entry is not None and isinstance(entry.body, dict) else None
        return {name: str(label) for name, label in labels.items()} if isinstance(labels, dict) else None

    def _refused_at(self) -> int | None:
        """{s} when the triggers last said no, as far as the ledger knows."""
        entry = self.ledger.last("watch", before=self._run.time + 1)
        said = entry.body if entry is not None else None
        return entry.at if entry is not None and isinstance(said, dict) and not said["trade"] else None

    def _holdings(self, situation: Situation) -> Holdings:
        """In parts where the rules ask for parts, else as ids."""
        return weights_by_coin(situation) if self.methodology.remembers else situation.held

    def _levels(self, situation: Situation, market: Market, when: datetime) -> tuple[float, ...]:
        """The index's own levels up to `when`, where its rules look back on them."""
        if not risk.uses_levels(self.spec.risk):
            return ()
        tokens = {place.address: (place.id, place.decimals) for place in self.places.tokens}
        logs = self._patiently(lambda: index_logs(self.w3, self.places.core, self.places.index, last=situation.block))
        return levels_of(logs, market, when, tokens)

    def _market_at(self, when: Time) -> Market:
        return self._market(when) if callable(self._market) else self._market

    def _read_after(self, block: int) -> Situation:
        """The situation at `block` or later: a node that lags is asked again."""
        deadline = time.monotonic() + self.settings.patience
        while (situation := self.read()).block < block:
            if time.monotonic() > deadline:
                raise Stop(
                    RetryAt(
                        time=situation.time + RETRY_SECONDS,
                        reason=f"the node lags: it is at block {situation.block}, not {block}",
                    )
                )
            time.sleep(0.2)
        return situation

    def _sender(self) -> Sender:
        return Sender(
            self.w3,
            local_account(self.account),
            self.ledger,
            to=self.places.core.rebalancer,
            chain_id=self.places.core.chain_id,
            settings=self.settings,
            checkpoint=self._checkpoint,
        )

    def _begin(self, situation: Situation) -> None:
        """Names the run, and makes sure that the ledger is of this chain and index."""
        self._bind(situation)
        number = self.ledger.run_count() + 1
        self._run = _Run(id=f"{number}-{situation.block}", started=time.monotonic(), time=situation.time)
        log.info(
            "event=run run=%s index=%s block=%d time=%s",
            self._run.id,
            situation.state.symbol,
            situation.block,
            time_text(situation.time),
        )

    def _bind(self, situation: Situation) -> None:
        genesis = self._patiently(lambda: answered(self.w3.eth.get_block(0), "eth_getBlockByNumber"))[
            "hash"
        ].to_0x_hex()
        mine = {"chain_id": str(situation.chain_id), "genesis": genesis, "index": self.places.index}
        found = self.ledger.entries(kind="ledger")
        if not found:
            self.ledger.append(run="", kind="ledger", at=situation.time, body=mine)
        elif found[0].body != mine:
            raise LedgerError(
                f"{self.ledger.path.name} belongs to another chain or index (was the local chain restarted?); "
                "move it away, or name another one"
            )

    def _record(self, kind: str, situation: Situation, body: object) -> None:
        self.ledger.append(run=self._run.id, kind=kind, at=situation.time, body=body)
        log.info("event=%s run=%s block=%d hash=%s", kind, self._run.id, situation.block, keccak_hex(body)[:18])
        self._checkpoint(kind)

    def _record_outcome(self, outcome: Outcome) -> None:
        seconds = time.monotonic() - self._run.started
        body = {"name": outcome.name, "reason": outcome.reason, "exit_code": outcome.exit_code}
        if isinstance(outcome, RetryAt):
            body["time"] = outcome.time
        self.ledger.append(run=self._run.id, kind="outcome", at=self._run.time, body=body)
        level = logging.ERROR if isinstance(outcome, Halt) else logging.INFO
        log.log(
            level,
            "event=outcome run=%s outcome=%s seconds=%.2f reason=%r",
            self._run.id,
            outcome.name,
            seconds,
            outcome.reason,
        )


def _summary(situation: Situation) -> dict[str, object]:
    """What the ledger keeps of a situation: the state of the index, and what it can be found again by."""
    return {
        "chain_id": situation.chain_id,
        "block": situation.block,
        "block_hash": situation.block_hash,
        "time": situation.time,
        "state": situation.state,
        "weights": weights_by_coin(situation),
        "pools_hash": keccak_hex(situation.pools),
    }
