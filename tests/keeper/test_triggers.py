"""Between two reviews: what the triggers of the rules lead to, on a local market.

Triggers
    none named: nothing is asked
    drift starts a plan, once: not again the same day, by no keeper and with no ledger; a "no" holds for the day
    killed at any point after the answer, it continues and starts one plan
    drift rests for cooldown_days, a red flag does not
    a red flag sells the coin, and is no reason any more once it is sold
    signals: labels that differ from those of the last decision; without a last decision there is no change
    who would enter or leave is no drift
Is it worth it, and how far
    a benefit below its cost is not traded, and the reason has the numbers of `worth_it`
    trade_to = "band" plans for the edge that `towards` names
    an index bound to executed weights goes to them, whatever the band says
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from offchain.canonical import utc_time
from offchain.keeper import Done, Keeper, RetryAt, Skip, Stop, watching
from offchain.keeper.outcomes import time_text, utc
from offchain.keeper.planning import StartPlan, weights_by_coin
from offchain.methodology import Decision, Methodology
from offchain.rebalance import drift, towards, worth_it
from offchain.reference.trade_math import unit_from_weight
from offchain.spec import IndexSpec
from offchain.units import WAD, from_wad, to_wad
from offchain.universe.monitor import Incident
from offchain.universe.records import Records
from tests.keeper.support import SECOND_STRATEGIST, WEEKS, Fund, a_spec
from tests.keeper.test_faults import KillAt, Killed

THURSDAY, FRIDAY = "2024-07-18", "2024-07-19"  # the review of Monday was open for 48 hours


def watched(**rebalance: object) -> IndexSpec:
    return a_spec(**{"triggers": ("drift",), **rebalance})


@pytest.fixture
def thursday(fund: Fund) -> Fund:
    fund.world.step(THURSDAY)
    return fund


def plans(fund: Fund) -> int:
    return len(fund.core.contract(fund.world.w3, "rebalancer").events.StartPlan().get_logs(from_block=0))


def answers(keeper: Keeper) -> list[object]:
    return [entry.body["code"] for entry in keeper.ledger.entries(kind="watch") if isinstance(entry.body, dict)]


def with_incident(keeper: Keeper, coin: str, day: str) -> Keeper:
    """The keeper of the same rules, beside which somebody wrote an incident down."""
    incident = Incident(id=coin, time=utc_time(f"{day}T00:00:00Z"), kind="exploit", evidence="https://example.org/1")
    keeper.methodology = Methodology(keeper.spec, records=Records(incidents=(incident,)))
    return keeper


# --- triggers ---------------------------------------------------------------------------------------------------------


def test_rules_without_triggers_are_not_asked(thursday: Fund, ledger: Path) -> None:
    with thursday.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and "is over" in outcome.reason
        assert time_text(outcome.time) == "2024-07-22T00:00:00Z" and not answers(keeper)


def test_drift_between_reviews_starts_one_plan_a_day(thursday: Fund, ledger: Path, tmp_path: Path) -> None:
    """R2, R8: the plan is not repeated on its day, neither by this keeper nor by another one that knows nothing of it."""
    with thursday.keeper(ledger, spec=watched()) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, Done), outcome
        assert answers(keeper) == ["drift"] and plans(thursday) == 1
        block = thursday.world.w3.eth.block_number
        again = keeper.run()
        assert isinstance(again, RetryAt) and "plan 1 started today" in again.reason
        assert time_text(again.time) == f"{FRIDAY}T00:00:00Z"
    with thursday.keeper(tmp_path / "other.db", spec=watched(), account=SECOND_STRATEGIST) as other:
        assert isinstance(other.run(), RetryAt) and not answers(other)
    assert thursday.world.w3.eth.block_number == block and plans(thursday) == 1


def test_a_no_is_asked_once_a_day(thursday: Fund, ledger: Path) -> None:
    with thursday.keeper(ledger, spec=watched(drift_band=0.9)) as keeper:
        first, second = keeper.run(), keeper.run()
        assert isinstance(first, RetryAt) and "no drift beyond its band" in first.reason
        assert isinstance(second, RetryAt) and "are once a day" in second.reason
        assert first.time == second.time and time_text(first.time) == f"{FRIDAY}T00:00:00Z"
        assert answers(keeper) == ["none"]
        thursday.world.step(FRIDAY)
        assert "no drift beyond its band" in keeper.run().reason
        assert answers(keeper) == ["none", "none"] and plans(thursday) == 0


@pytest.mark.parametrize("point", ["watch", "decision", "plan", "simulation", "signed", "sent", "mined", "settled"])
def test_killed_after_the_answer_it_starts_one_plan(thursday: Fund, ledger: Path, point: str) -> None:
    keeper = thursday.keeper(ledger, spec=watched(), checkpoint=KillAt(point))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    with thursday.keeper(ledger, spec=watched()) as again:
        assert isinstance(again.run(), Done)
        assert isinstance(again.run(), RetryAt) and plans(thursday) == 1
        again.ledger.verify()


def test_drift_rests_after_a_plan_and_a_red_flag_does_not(due: Fund, ledger: Path) -> None:
    """R2: `cooldown_days` counts from the start of the last plan, as the chain has it."""
    spec = watched(triggers=("drift", "emergency"), cooldown_days=5, drift_band=0.0001)
    with due.keeper(ledger, spec=spec) as keeper:
        assert isinstance(keeper.run(), Done)
        started = keeper.read().state.plan.started_at
        due.world.step(THURSDAY)
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and answers(keeper) == ["cooldown"], outcome
        assert f"rests until {time_text(started + 5 * 86_400)}" in outcome.reason
        due.world.step(FRIDAY)
        coin = max(weights_by_coin(keeper.read()).items(), key=lambda row: row[1])[0]
        sold = with_incident(keeper, coin, FRIDAY).run()
        assert isinstance(sold, Done) and answers(keeper) == ["cooldown", "emergency"], sold
        assert coin not in keeper.read().held and plans(due) == 2
        due.world.step("2024-07-20")
        calm = keeper.run()
        assert isinstance(calm, RetryAt) and answers(keeper)[2:] == ["cooldown"], calm


def asked(
    fund: Fund, ledger: Path, decision: Decision, before: dict[str, str] | None, **rebalance: object
) -> watching.Trigger:
    with fund.keeper(ledger) as keeper:
        situation = keeper.read()
        spec = watched(**rebalance)
        return watching.ask(situation, spec.rebalance, utc(situation.time), decision, labels_before=before)


def test_changed_signals_are_a_reason_and_an_empty_ledger_has_none(thursday: Fund, ledger: Path) -> None:
    with thursday.keeper(ledger) as keeper:
        decision, held = keeper.decide(), watching.held_parts(keeper.read())
    largest = max(held, key=lambda name: held[name])
    decision = replace(decision, labels={largest: "bearish"})
    rules = {"triggers": ("signal",), "signal_change": 0.1}
    found = asked(thursday, ledger, decision, {largest: "neutral"}, **rules)
    assert found.code == "signal" and found.coins == (largest,)
    assert found.numbers["changed_weight"] == pytest.approx(held[largest], rel=1e-9)
    assert asked(thursday, ledger, decision, {largest: "bearish"}, **rules).code == "none"
    assert asked(thursday, ledger, decision, None, **rules).code == "none"
    least = min(held, key=lambda name: held[name])
    small = replace(decision, labels={least: "bearish"})
    assert asked(thursday, ledger, small, {least: "neutral"}, **rules).code == "none"


def test_labels_before_are_those_of_an_earlier_day(thursday: Fund, ledger: Path) -> None:
    """A decision of today is left out: a run that was killed after it decides again from the same labels."""
    with thursday.keeper(ledger) as keeper:
        keeper.methodology.__dict__["sleeves"] = {"any": keeper.methodology}  # rules that read labels
        situation = keeper.read()
        now = utc(situation.time)
        assert keeper._labels_before(now) is None
        for at, label in ((situation.time - 86_400, "bullish"), (situation.time, "bearish")):
            keeper.ledger.append(run="1", kind="decision", at=at, body={"labels": {"bitcoin": label}})
        assert keeper._labels_before(now) == {"bitcoin": "bullish"}


def test_who_would_enter_or_leave_is_no_drift(thursday: Fund, ledger: Path) -> None:
    """What is wanted is what is held, but one coin is replaced by another: nothing drifted."""
    with thursday.keeper(ledger) as keeper:
        situation, decision = keeper.read(), keeper.decide()
        held = weights_by_coin(situation)
        ids = sorted(held)
        parts = dict(zip(ids, to_wad([held[name] for name in ids]), strict=True))
        parts[next(name for name in situation.tradable if name not in held)] = parts.pop(ids[0])
    same = replace(decision, target_weights=parts)
    assert asked(thursday, ledger, same, None, drift_band=0.001).code == "none"
    moved = dict(parts)
    moved[ids[1]], moved[ids[2]] = moved[ids[1]] + WAD // 100, moved[ids[2]] - WAD // 100
    found = asked(thursday, ledger, replace(decision, target_weights=moved), None, drift_band=0.001)
    assert found.code == "drift" and found.numbers["drift"] == pytest.approx(0.01, rel=0.2)


# --- worth it, how far ------------------------------------------------------------------------------------------------


def of_members(keeper: Keeper) -> Decision:
    """A decision for what is held: a twentieth goes from the largest to the smallest."""
    situation, decision = keeper.read(), keeper.decide()
    held = weights_by_coin(situation)
    ids = sorted(held, key=lambda name: (held[name], name))
    parts = dict(zip(ids, to_wad([held[name] for name in ids]), strict=True))
    parts[ids[0]] += WAD // 20
    parts[ids[-1]] -= WAD // 20
    return replace(decision, target_weights=dict(sorted(parts.items())))


def parts_of(keeper: Keeper) -> dict[str, float]:
    situation = keeper.read()
    values = {situation.coins[item.token].id: item.value for item in situation.state.components}
    return {name: value / sum(values.values()) for name, value in values.items()}


def test_a_benefit_below_its_cost_is_not_traded(due: Fund, ledger: Path) -> None:
    """R4, R7: the same `worth_it` as in a backtest, with the tracking error of the same days, and what the pools would cost."""
    with due.keeper(ledger, spec=a_spec(cost_multiple=100.0, risk_aversion=1.0)) as keeper:
        decision = of_members(keeper)
        with pytest.raises(Stop) as stop:
            keeper.plan(decision=decision)
        outcome = stop.value.outcome
        assert isinstance(outcome, Skip) and "trading costs" in outcome.reason, outcome
        rules, when = keeper.spec.rebalance, utc(keeper.read().time)
        target = {name: from_wad(weight) for name, weight in decision.target_weights.items()}
        history = due.world.market.history(when, days=rules.risk_days + 1, fields=("price",), ids=sorted(target))
        free = replace(rules, cost_multiple=1e-9)
        number = worth_it(parts_of(keeper), target, rules=free, cost=0.0, history=history).numbers
        assert f"tracking error {number['tracking_error']:.2%}" in outcome.reason
        assert f"is worth {number['benefit']:.4%} of NAV" in outcome.reason
        cost = float(outcome.reason.split("trading costs ")[1].split("%")[0]) / 100
        assert 0.05 * 0.003 < cost < 0.05 * 0.01  # two pools of 0.3 % and impact, on a twentieth of the basket
    with due.keeper(ledger, spec=a_spec(cost_multiple=0.001, risk_aversion=1000.0)) as keeper:
        assert keeper.plan(decision=decision).trades.trades


def wanted_of(start: StartPlan, keeper: Keeper) -> dict[str, int]:
    coins = keeper.read().coins
    return {coins[token].id: w for token, w in zip(start.tokens, start.weights, strict=True) if w}


@pytest.mark.parametrize("bands", [{"coin_band": 0.02}, {"coin_band_relative": 0.3}, {"drift_band": 0.02}])
def test_a_plan_to_the_band_stops_at_its_edge(due: Fund, ledger: Path, bands: dict[str, float]) -> None:
    """R4, R7: the weights that the contract is given are those of `towards`, and trading leaves the basket there."""
    spec = a_spec(trade_to="band", **bands)
    with due.keeper(ledger, spec=spec) as keeper:
        decision, held = of_members(keeper), weights_by_coin(keeper.read())
        proposal = keeper.plan(decision=decision)
        start, state = proposal.start, keeper.read().state
        assert start is not None
        ids = sorted(held)
        current = dict(zip(ids, to_wad([held[name] for name in ids]), strict=True))
        expected = towards(current, decision.target_weights, spec.rebalance)
        wanted = wanted_of(start, keeper)
        assert sum(wanted.values()) == WAD and wanted.keys() == expected.keys()
        assert max(abs(wanted[name] - weight) for name, weight in expected.items()) < 10**9
        target = {name: from_wad(weight) for name, weight in decision.target_weights.items()}
        left = drift({name: from_wad(weight) for name, weight in wanted.items()}, target)
        assert 0.01 < left < drift(parts_of(keeper), target)
        prices = {item.token: item.price for item in state.components}
        assert start.units == tuple(
            unit_from_weight(weight, state.nav_per_share, prices[token]) if weight else 0
            for token, weight in zip(start.tokens, start.weights, strict=True)
        )
        assert proposal.trades.turnover < WAD // 20
    with due.keeper(ledger, spec=a_spec(**bands)) as keeper:
        whole = keeper.plan(decision=decision)
        assert whole.start is not None and wanted_of(whole.start, keeper) == decision.target_weights
        assert whole.trades.turnover > proposal.trades.turnover


def test_executed_weights_bind_whatever_the_band_says(due: Fund, ledger: Path) -> None:
    with due.keeper(ledger, spec=a_spec(trade_to="band", coin_band=0.02)) as keeper:
        decision, situation = of_members(keeper), keeper.read()
        executed = {situation.address_of(name): weight for name, weight in decision.target_weights.items()}
        bound = replace(situation, executed=executed)
        start = keeper.plan(bound, decision).start
        assert start is not None and dict(zip(start.tokens, start.weights, strict=True)) == executed


def test_the_last_day_a_trigger_is_asked_by_is_the_next_review(fund: Fund, ledger: Path) -> None:
    """On a Sunday the next question is the review of Monday."""
    fund.world.step("2024-06-16")
    with fund.keeper(ledger, spec=watched(drift_band=0.9)) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and time_text(outcome.time) == f"{WEEKS[1]}T00:00:00Z"
