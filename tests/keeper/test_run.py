"""A keeper on a local market, week after week.

A run
    brings the basket to the methodology's weights, and fills what it planned to the last unit
    lets coins enter and leave with the market
    decides a review on the data of its reference date, at whichever hour of it, as a backtest does
    does nothing twice: a second run of the same review has nothing to do
    does nothing before the review, below the band, or when the review is over
    gives the same plan as its stages one by one; none of them sends anything
    needs three requests to read, however many tokens there are
    simulates exactly what then happens
    gives a swap the gas of a valuation that is renewed between its estimate and its block
    stops with a reason and exit code: stale feed, price off the market, paused, deprecated, no gas, base fee, other chain
    spends the budgets and says when the rest can go on
    follows a manual change by somebody else: mint, redeem, donation in between
    a copy of a sent transaction reverts
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from offchain.chain.client import rpc
from offchain.chain.transactions import replay, send
from offchain.errors import BallastError, ChainError, NodeDied, WrongNetwork
from offchain.keeper import Done, Halt, Keeper, Ledger, RetryAt, Settings, Skip, Stop
from offchain.keeper.outcomes import time_text, utc
from offchain.methodology import Methodology
from offchain.units import WAD
from tests.keeper.support import GOVERNOR, GUARDIAN, WEEKS, Fund, a_fund, a_spec, intercepted

BPS_OF_WEIGHT = WAD // 10_000


def weights_of(fund: Fund, keeper: Keeper) -> dict[str, int]:
    situation = keeper.read()
    return {
        situation.coins[item.token].id: item.value * WAD // situation.state.nav for item in situation.state.components
    }


def test_run_brings_the_basket_to_the_weights_and_fills_what_was_planned(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger) as keeper:
        wanted = keeper.decide().target_weights
        outcome = keeper.run()
        assert isinstance(outcome, Done) and outcome.exit_code == 0, outcome
        assert all(fill.bought >= fill.planned_buy for fill in outcome.report.fills)
        assert all(abs(fill.versus_plan_bps) < 0.01 for fill in outcome.report.fills)
        after = weights_of(due, keeper)
        assert after.keys() == wanted.keys()
        assert max(abs(after[coin] - weight) for coin, weight in wanted.items()) < 12 * BPS_OF_WEIGHT
        assert 25 < outcome.report.cost_bps < 75 and outcome.report.nav_cost_bps < 5
        assert outcome.report.drift_after < outcome.report.drift_before
        assert "vs oracle" in str(outcome.report) and json.loads(outcome.report.to_json())["figures"]["headline"]


def test_coins_enter_and_leave_over_the_weeks(fund: Fund, ledger: Path) -> None:
    entered, left = set(), set()
    with fund.keeper(ledger) as keeper:
        before = set(keeper.read().held)
        for week in WEEKS:
            fund.world.step(week)
            wanted = keeper.decide().target_weights
            outcome = keeper.run()
            assert isinstance(outcome, Done), outcome
            held = set(keeper.read().held)
            assert held == {coin for coin, weight in wanted.items() if weight}
            entered |= held - before
            left |= before - held
            before = held
        assert entered and left
        assert keeper.read().state.plan.id == len(WEEKS)
        assert len(keeper.ledger.runs()) == 1 + len(WEEKS)  # and the row that binds the ledger to its chain


@pytest.mark.parametrize("days_before", [0, 3])
def test_review_is_decided_on_the_data_of_its_reference_date(fund: Fund, ledger: Path, days_before: int) -> None:
    """R6: a keeper that comes a day late decides what one that was in time would have, and members may change all the same."""
    spec = a_spec(reference_days=days_before)
    spec = replace(spec, universe=replace(spec.universe, reconstitution="monthly"))
    fund.world.step(
        "2024-07-02"
    )  # Tuesday: the review of Monday is the first of the month, on which members may change
    with fund.keeper(ledger, spec=spec) as keeper:
        held, tradable = keeper.read().held, keeper.read().tradable
        reference = {0: "2024-07-01", 3: "2024-06-28"}[days_before]
        expected = Methodology(spec).decide(fund.world.market, reference, held, tradable=tradable)
        assert keeper.decide() == expected
        assert set(expected.target_weights) != set(held)
        assert expected.target_weights != keeper.decide(t="2024-07-02").target_weights
        assert isinstance(keeper.run(), Done)
        assert set(keeper.read().held) == set(expected.target_weights)
    fund.world.step("2024-07-04")
    with fund.keeper(ledger, spec=spec) as keeper:  # no review is open: what the rules want now
        assert keeper.decide().t == utc(fund.world.now)


def test_second_run_of_a_review_has_nothing_to_do(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), Done)
        block = due.world.w3.eth.block_number
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and outcome.exit_code == 3 and "is done (plan 1)" in outcome.reason
        assert time_text(outcome.time) == "2024-07-22T00:00:00Z"
        assert due.world.w3.eth.block_number == block


def test_run_below_the_band_trades_nothing(fund: Fund, ledger: Path) -> None:
    with fund.keeper(ledger, spec=a_spec(drift_band=0.5)) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Skip) and outcome.exit_code == 3 and "below the band of 50.0000 %" in outcome.reason
        assert keeper.read().state.plan.id == 0
        (entry,) = keeper.ledger.entries(kind="outcome")
        assert isinstance(entry.body, dict) and entry.body["name"] == "skip"


def test_review_that_is_over_waits_for_the_next(fund: Fund, ledger: Path) -> None:
    fund.world.step("2024-06-13")  # Thursday: the review of Monday was open for 48 hours
    with fund.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and time_text(outcome.time) == "2024-06-17T00:00:00Z"
        assert isinstance(keeper.execute(), Done | Skip)  # the operator may all the same


def test_stages_one_by_one_give_what_a_run_does_and_send_nothing(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger) as keeper:
        block = due.world.w3.eth.block_number
        situation = keeper.read()
        decision = keeper.decide(situation)
        proposal = keeper.plan(situation, decision)
        simulation = keeper.simulate(situation, proposal)
        assert keeper.plan().proposal_hash == proposal.proposal_hash == keeper.plan(situation).proposal_hash
        assert simulation.method == "eth_simulateV1" and not any(step.error for step in simulation.steps)
        assert all(step.bought == step.expected for step in simulation.steps)
        assert due.world.w3.eth.block_number == block and not keeper.ledger.entries()
        assert "plan 1: start" in str(proposal) and "simulated on block" in str(simulation)
        outcome = keeper.run()
        assert isinstance(outcome, Done)
        planned = [(trade.sell_symbol, trade.buy_symbol) for trade in proposal.trades.trades]
        filled = [(fill.sell, fill.buy) for fill in outcome.report.fills]
        assert filled[: len(planned)] == planned
        stored = [json.loads(str(run["plan"])) for run in keeper.ledger.runs() if run["plan"]]
        assert stored[0]["proposal_hash"] == proposal.proposal_hash


def test_read_takes_at_most_three_requests(due: Fund, ledger: Path) -> None:
    requests: list[object] = []

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        return lambda *asked: requests.append(asked) or real(*asked)

    with due.keeper(ledger) as keeper, intercepted(due.world.w3, single=counted, batch=counted):
        situation = keeper.read()
        assert len(situation.coins) > 15 and len(situation.pools) > 20
        assert 1 <= len(requests) <= 3


def test_valuation_that_is_renewed_after_the_estimate_is_paid_for(fund: Fund, ledger: Path) -> None:
    """A cool-down and the guard's valuation both last five minutes: the swap is estimated in the last second of one, and
    mined in the first of the next.
    """
    fund.world.step(WEEKS[0])
    with fund.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), Done)
        settled = [entry.body for entry in keeper.ledger.entries(kind="settled")]
        swaps = [body for body in settled if isinstance(body, dict) and "swap" in str(body["intent"])]
        assert [body["status"] for body in settled if isinstance(body, dict)] == ["mined"] * len(settled)
        gas = sorted(int(str(body["gas_used"])) for body in swaps)
        assert gas[-1] > 1.6 * gas[0], "no swap renewed the valuation; this test looks at nothing"


def test_stale_feed_skips_with_the_name(due: Fund, ledger: Path) -> None:
    due.world.set_feed("bitcoin", due.world.price("bitcoin"), updated_at=due.world.now - 3 * 86_400)
    with due.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Skip) and outcome.exit_code == 3
        assert "WBTC" in outcome.reason and "stale or missing feed" in outcome.reason
        assert keeper.read().state.plan.id == 0


def test_oracle_that_disagrees_with_the_market_halts(due: Fund, ledger: Path) -> None:
    due.world.set_feed("bitcoin", due.world.price("bitcoin") * 2)
    with due.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Halt) and outcome.exit_code == 4 and "WBTC: oracle" in outcome.reason


def test_manipulated_pool_is_left_alone(due: Fund, ledger: Path) -> None:
    """The pools of one coin are moved by a tenth, its feed is not: nobody trades it at that price."""
    with due.keeper(ledger) as keeper:
        trade = keeper.plan().trades.trades[0]
        coin = keeper.read().coins[trade.sell].id
        due.world.set_pools(coin, due.world.price(coin) * 9 / 10)
        outcome = keeper.run()
        assert (
            isinstance(outcome, RetryAt)
            and trade.sell_symbol in outcome.reason
            and "the contract allows" in outcome.reason
        )
        assert trade.sell_symbol not in {fill.sell for fill in keeper.report().fills}


def test_paused_exchange_is_retried_when_the_pause_ends(due: Fund, ledger: Path) -> None:
    guardian = due.world.node.accounts[GUARDIAN]
    send(due.world.w3, guardian, due.index.contract(due.world.w3).functions.pauseExchange(86_400))
    with due.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and outcome.time == keeper.read().state.exchange_paused_until


def test_deprecated_index_is_skipped(due: Fund, ledger: Path) -> None:
    send(due.world.w3, due.world.node.accounts[GOVERNOR], due.index.contract(due.world.w3).functions.deprecate())
    with due.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Skip) and "deprecated" in outcome.reason


def test_keeper_without_gas_halts_before_it_signs(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger) as keeper:
        due.world.node.set_balance(keeper.address, 10**14)
        outcome = keeper.run()
        assert isinstance(outcome, Halt) and "fund it" in outcome.reason
        assert not keeper.ledger.entries(kind="signed")


def test_base_fee_above_the_cap_waits(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger, settings=Settings(fee_cap=10**9)) as keeper:
        rpc(due.world.w3, "anvil_setNextBlockBaseFeePerGas", hex(50 * 10**9))
        due.world.node.mine()
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and "above the cap" in outcome.reason
        assert not keeper.ledger.entries(kind="signed")


def test_wrong_chain_is_an_error_and_nothing_is_signed(due: Fund, ledger: Path) -> None:
    places = replace(due.places, core=replace(due.core, chain_id=1))
    with Keeper(
        due.world.w3, places, due.spec, market=due.world.market, account=due.keeper(ledger).account, ledger=ledger
    ) as keeper:
        with pytest.raises(WrongNetwork, match="nothing is signed"):
            keeper.run()
        assert not keeper.ledger.entries(kind="signed")


def test_keeper_that_is_no_strategist_halts(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger, account=6) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Halt) and "NotAuthorized" in outcome.reason
        assert not keeper.ledger.entries(kind="signed")


def test_exhausted_turnover_budget_is_retried_and_then_finished(due: Fund, ledger: Path) -> None:
    limits = due.index
    guard = due.core.contract(due.world.w3, "guard")
    current = guard.functions.limitsOf(limits.address).call()
    governor = due.world.node.accounts[GOVERNOR]
    with due.keeper(ledger) as keeper:
        need = keeper.plan().trades.turnover
        tight = (current[0], current[1], need // 2, 86_400, current[4])
        send(due.world.w3, governor, guard.functions.setLimits(due.index.address, tight))
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and "turnover budget" in outcome.reason, outcome
        plan = keeper.read().state.plan
        assert plan.steps > 0 and plan.expires_at > outcome.time
        again = keeper.run()
        assert isinstance(again, RetryAt) and keeper.read().state.plan.steps == plan.steps
        # the feeds report while we wait, prices and pools as they are
        for _ in range(3):
            if isinstance(again, Done):
                break
            due.world.node.mine(timestamp=again.time)
            for coin in keeper.read().coins.values():
                if coin.has_feed and due.world.updated_at(coin.id):
                    due.world.set_feed(coin.id, due.world.price(coin.id))
            again = keeper.run()
        assert isinstance(again, Done), again
        assert again.report.plan_id == plan.id and len(again.report.fills) > plan.steps


def test_mint_redeem_and_donation_between_the_trades_are_followed(due: Fund, ledger: Path) -> None:
    holder = due.world.node.accounts[4]
    index = due.index.contract(due.world.w3)
    meddled = []

    def meddle(name: str) -> None:
        if name != "settled" or len(meddled) >= 4:
            return
        meddled.append(name)
        if len(meddled) == 2:
            amounts = [0] * len(index.functions.components().call())
            version = index.functions.version().call()
            shares = index.functions.balanceOf(holder).call() // 3
            send(due.world.w3, holder, index.functions.redeem(shares, version, amounts, holder, holder, 0))
        if len(meddled) == 3:
            due.world.faucet(due.index.address, "ethereum", 10**17)

    with due.keeper(ledger, checkpoint=meddle) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Done) and len(meddled) >= 3
        wanted = keeper.ledger.entries(kind="decision")[0].body
        assert isinstance(wanted, dict)
        after = weights_of(due, keeper)
        targets = {coin: int(weight) for coin, weight in wanted["target_weights"].items()}  # type: ignore[union-attr,arg-type]
        assert max(abs(after[coin] - weight) for coin, weight in targets.items()) < 40 * BPS_OF_WEIGHT


def test_copy_of_a_sent_transaction_reverts(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), Done)
        steps = keeper.read().state.plan.steps
        for entry in keeper.ledger.entries(kind="signed"):
            body = entry.body
            assert isinstance(body, dict)
            with pytest.raises(ChainError, match="PlanMismatch|PlanExpired|PlanTooEarly|StepMismatch"):
                call = {"to": due.core.rebalancer, "data": body["data"]}
                send(due.world.w3, keeper.account, call)  # type: ignore[arg-type]
        assert keeper.read().state.plan.steps == steps


def test_reason_of_a_revert_while_the_node_still_calls_it_pending(due: Fund) -> None:
    """A node may have the receipt of a transaction that it still lists without a block: the reason is told all the same."""
    w3 = due.world.w3
    data = due.core.contract(w3, "rebalancer").encode_abi("endPlan", [due.index.address, 7])
    sent = w3.eth.send_transaction(
        {"from": w3.eth.accounts[9], "to": due.core.rebalancer, "data": data, "gas": 1_000_000}  # type: ignore[typeddict-item]
    )
    assert w3.eth.wait_for_transaction_receipt(sent)["status"] == 0

    def lags(real: Callable[..., object]) -> Callable[..., object]:
        def ask(method: str, params: object) -> object:
            answer = real(method, params)
            if method == "eth_getTransactionByHash":
                answer["result"] = {**answer["result"], "blockNumber": None, "blockHash": None}  # type: ignore[index]
            return answer

        return ask

    with intercepted(w3, single=lags):
        assert w3.eth.get_transaction(sent)["blockNumber"] is None
        assert "PlanMismatch" in replay(w3, sent.to_0x_hex())


def test_events_are_logged_one_a_line_with_keys(due: Fund, ledger: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="offchain.keeper"), due.keeper(ledger) as keeper:
        keeper.run()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("offchain.keeper")]
    assert all(line.startswith("event=") and "\n" not in line for line in lines)
    events = [line.split()[0].removeprefix("event=") for line in lines]
    for event in ("run", "read", "decision", "plan", "simulation", "signed", "mined", "report", "outcome"):
        assert event in events


def test_ledger_of_another_chain_is_refused(due: Fund, ledger: Path) -> None:
    with Ledger.open(ledger) as book:
        book.append(
            run="", kind="ledger", at=0, body={"chain_id": "31337", "genesis": "0x00", "index": due.index.address}
        )
    with due.keeper(ledger) as keeper, pytest.raises(BallastError, match="belongs to another chain"):
        keeper.run()


def test_killed_node_is_one_clear_error(tmp_path: Path) -> None:
    with a_fund(seed_shares=10) as fund:
        fund.world.step(WEEKS[1])
        with fund.keeper(tmp_path / "keeper.db") as keeper:
            keeper.read()
            fund.world.node.stop()
            with pytest.raises(NodeDied, match="is gone"):
                keeper.run()


def test_stop_of_a_stage_carries_the_outcome(fund: Fund, ledger: Path) -> None:
    with fund.keeper(ledger) as keeper, pytest.raises(Stop) as stopped:
        keeper.plan()
    assert isinstance(stopped.value.outcome, Skip)


def test_coin_that_must_leave_is_traded_even_below_the_band(due: Fund, ledger: Path) -> None:
    """The band is for weights: membership changes whatever the drift."""
    with due.keeper(ledger, spec=a_spec(drift_band=0.5)) as keeper:
        before = set(keeper.read().held)
        decision = keeper.decide()
        wanted = {coin for coin, weight in decision.target_weights.items() if weight}
        assert before != wanted, "the fixture's review changes the members"
        assert isinstance(keeper.run(), Done)
        assert set(keeper.read().held) == wanted
