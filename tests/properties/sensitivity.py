"""Would the machines notice? Plants one bug at a time in a copy of the contracts and demands that a machine fails.

    python -m tests.properties.sensitivity            every bug, a table at the end
    python -m tests.properties.sensitivity mint-down  only the named ones

Takes about ten seconds a bug, most of it for the compiler. Also part of the tests under BALLAST_FUZZ=long.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from offchain.reference import basket_math, budget_math
from offchain.reference.integers import full_mul_div, full_mul_div_up, zero_floor_sub
from offchain.reference.model import GuardModel
from tests.properties.machine import Machine
from tests.properties.solidity import Patch, compiled
from tests.properties.test_index_machine import IndexMachine
from tests.properties.test_mid_call_machine import MidCallMachine
from tests.properties.test_rebalance_machine import RebalanceMachine
from tests.properties.world import Worlds

EXAMPLES, STEPS = 200, 50
TOKEN, GUARD, REBALANCER = "IndexToken.sol", "ExchangeGuard.sol", "Rebalancer.sol"
BASKET, BUDGET, FEES, TRADES = (
    f"libraries/{name}.sol" for name in ("BasketMath", "BudgetMath", "FeeMath", "TradeMath")
)


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A mistake somebody could make: what it is, the invariant it breaks, and the machine that has to notice."""

    name: str
    invariant: int
    machine: type[Machine]
    patches: tuple[Patch, ...]
    twin: tuple[tuple[object, str, object], ...] = ()  # the same mistake in Python: (where, name, what instead)


def make(name: str, invariant: int, machine: type[Machine], file: str, old: str, new: str, *more: Patch) -> Bug:
    return Bug(name=name, invariant=invariant, machine=machine, patches=(Patch(file=file, old=old, new=new), *more))


BUGS: tuple[Bug, ...] = (
    # 1 claims
    make("claim-twice", 1, IndexMachine, TOKEN, "        claimOf[token][account] = 0;\n", ""),
    make("claims-not-owed", 1, IndexMachine, TOKEN, "        claimsOwed[token] += amount;\n", ""),
    make("claims-bit-stays", 1, IndexMachine, TOKEN, "        if (owed == 0) _clearClaimsBit(token);\n", ""),
    make("claims-bit-not-moved", 1, IndexMachine, TOKEN, "(uint256(word.claimsMask) >> i & 1) << count", "(uint256(word.claimsMask) >> i & 1) << i"),
    make("sells-what-is-claimed", 1, IndexMachine, TOKEN, "sold[i].zeroFloorSub(claimsOwed[outs[i].token])", "sold[i]"),
    # 2 backing
    make("mint-down", 2, IndexMachine, BASKET, "(shares * available + supply - 1) / supply", "shares * available / supply", Patch(file=BASKET, old="FixedPointMathLib.fullMulDivUp(", new="FixedPointMathLib.fullMulDiv(")),
    make("redeem-up", 2, IndexMachine, BASKET, "                return shares * available / supply;", "                return (shares * available + supply - 1) / supply;", Patch(file=BASKET, old="FixedPointMathLib.fullMulDiv(shares, ", new="FixedPointMathLib.fullMulDivUp(shares, ")),
    make("pays-out-claims", 2, IndexMachine, TOKEN, "if ((deferMask | claims) >> i & 1 == 0) {", "if (deferMask >> i & 1 == 0) {"),
    make("no-delivery-check", 2, IndexMachine, TOKEN, "if (received < amount) revert Errors.ShortDelivery(token, received, amount);", ""),
    make("fee-is-retroactive", 2, IndexMachine, TOKEN, "        _writeSupply(supply, issued, block.timestamp);\n", ""),
    make("supply-grows-too-much", 2, IndexMachine, TOKEN, "_enter(receiver, shares - feeShares, supply + shares);", "_enter(receiver, shares - feeShares, supply + shares + shares / 1000);"),
    # 3 round trips
    make("redeem-fee-forgotten", 3, IndexMachine, FEES, "        return (shares * fee + Constants.WAD - 1) / Constants.WAD;", "        return (shares * fee + Constants.WAD - 1) / Constants.WAD / 2;"),
    make("burns-too-little", 3, IndexMachine, TOKEN, "_leave(owner, shares, shares - feeShares, supply);", "_leave(owner, shares - shares / 1000, shares - feeShares, supply);"),
    # 4 donations
    make("donation-moves-valuation", 4, RebalanceMachine, GUARD, "return (valuation.navPerShare, valuation.valuedAt);", "return (valuation.navPerShare + IIndexToken(index).reserves()[0], valuation.valuedAt);"),
    # 5 exit
    make("redeem-paused", 5, IndexMachine, TOKEN, "if (receiver == address(0)) revert Errors.ReceiverInvalid(receiver);\n        uint256 feeShares;", "if (receiver == address(0)) revert Errors.ReceiverInvalid(receiver);\n        require(block.timestamp >= _basket.mintPausedUntil);\n        uint256 feeShares;"),
    make("deferred-leg-is-called", 5, IndexMachine, TOKEN, "BasketMath.amountDown(shares, _availableOrZero(token), supply)", "BasketMath.amountDown(shares, TokenLib.balance(token).zeroFloorSub(claimsOwed[token]), supply)"),
    # 6 fills
    make("oversell", 6, RebalanceMachine, REBALANCER, "order.sellAmount == 0 || order.sellAmount > surplus", "order.sellAmount == 0"),
    make("overbuy", 6, RebalanceMachine, REBALANCER, "            if (bought[i] > settlement.deficits[i]) {", "            if (false) {"),
    make("plan-ignores-dilution", 6, RebalanceMachine, TRADES, "return unit.fullMulDiv(Constants.WAD, growth);", "growth; return unit;"),
    # 7 budgets
    make("loss-not-charged", 7, RebalanceMachine, GUARD, "        budget.lossUsed += uint64(loss);\n", ""),
    make("turnover-not-charged", 7, RebalanceMachine, GUARD, "        budget.turnoverUsed += uint64(turnover);\n", ""),
    make("drains-twice-as-fast", 7, RebalanceMachine, BUDGET, "used.zeroFloorSub(capacity * elapsed / window)", "used.zeroFloorSub(2 * capacity * elapsed / window)"),
    make("gains-are-credited", 7, RebalanceMachine, GUARD, "budget.lossUsed += uint64(loss);", "budget.lossUsed = uint64(valueIn_ > 0 ? 0 : budget.lossUsed + loss);", Patch(file=GUARD, old="    function _charge(address index, Limits memory limits, uint256 loss, uint256 turnover) private {", new="    function _charge(address index, Limits memory limits, uint256 loss, uint256 turnover) private {\n        uint256 valueIn_ = loss == 0 ? 1 : 0;")),
    make("new-limits-forgive", 7, RebalanceMachine, GUARD, "        _budgets[index] = _drained(index, old);\n", "        _drained(index, old);\n        _budgets[index] = Budget(0, 0, uint40(block.timestamp));\n"),
    make("floor-down", 7, RebalanceMachine, TRADES, "sellAmount.fullMulDivUp(sellPrice * factorPpm", "sellAmount.fullMulDiv(sellPrice * factorPpm"),
    make("floor-is-the-callers", 7, RebalanceMachine, REBALANCER, "settlement.ins[0].amount = order.minBuy.max(floor);", "settlement.ins[0].amount = order.minBuy;"),
    make("weights-need-not-sum", 8, RebalanceMachine, REBALANCER, "        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));\n", ""),
    # 10 replay
    make("collect-is-silent", 10, IndexMachine, TOKEN, "        emit Collect(recipient, feeShares);\n", ""),
    make("defer-is-silent", 10, IndexMachine, TOKEN, "        emit Defer(token, account, amount);\n", ""),
    make("end-is-silent", 10, RebalanceMachine, REBALANCER, "        emit EndPlan(index, planId, plan.steps);\n", ""),
    # 11 mid-call
    make("preview-answers", 11, MidCallMachine, TOKEN, "        nonReentrantView\n        returns (uint256[] memory amountsOut, uint256 feeShares)", "        returns (uint256[] memory amountsOut, uint256 feeShares)"),
    make("gap-answers", 11, MidCallMachine, REBALANCER, "external view returns (uint256 surplus, uint256 deficit) {\n        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));", "external view returns (uint256 surplus, uint256 deficit) {"),
    make("revalue-works", 11, MidCallMachine, GUARD, "        _registeredLimits(index);\n        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));\n", "        _registeredLimits(index);\n"),
    make("collect-reenters", 11, MidCallMachine, TOKEN, "function collect() external nonReentrant returns", "function collect() external returns"),
    make("lens-answers", 11, MidCallMachine, "IndexLens.sol", "        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));\n        state.index = index;", "        state.index = index;"),
    # 12 pauses
    make("pause-for-two-weeks", 12, IndexMachine, TOKEN, '_checkBound("pause", duration, 1, Constants.MAX_PAUSE)', '_checkBound("pause", duration, 1, 2 * Constants.MAX_PAUSE)'),
    make("pause-again", 12, IndexMachine, TOKEN, "        require(!_mintPauseUsed, Errors.PauseNotArmed());\n", ""),
)  # fmt: skip


ORIGINAL_CHARGE = GuardModel._charge


def charge_turnover_only(self: GuardModel, loss: int, turnover: int, now: int) -> None:
    """GuardModel._charge with the mistake of `loss-not-charged`."""
    before = self._drained(now).loss_used
    ORIGINAL_CHARGE(self, loss, turnover, now)
    self.budget = replace(self.budget, loss_used=before)


def planted(name: str) -> Bug:
    return next(one for one in BUGS if one.name == name)


# The same mistake on both sides: the twins agree, and only an invariant that knows neither can object.
BUGS += tuple(
    replace(planted(name), name=f"{name}-in-both", twin=twin)
    for name, twin in (
        ("mint-down", ((basket_math, "amount_in", full_mul_div),)),
        ("redeem-up", ((basket_math, "amount_out", full_mul_div_up),)),
        ("loss-not-charged", ((GuardModel, "_charge", charge_turnover_only),)),
        (
            "drains-twice-as-fast",
            (
                (
                    budget_math,
                    "used_after",
                    lambda used, capacity, window, t: zero_floor_sub(used, 2 * capacity * t // window),
                ),
            ),
        ),
    )
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Who noticed a bug (the check that failed, and its words), after how many steps; empty when nobody did."""

    noticed_by: str
    words: str
    steps: int
    seconds: float


def hunt(bug: Bug) -> Verdict:
    """Runs the bug's machine on the broken contracts until it fails or has done everything."""
    worlds = Worlds(compiled(bug.patches))
    machine = bug.machine
    machine.worlds, machine.tally, machine.steps, machine.runs = worlds, Counter(), 0, 0
    profile = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, derandomize=True,
        report_multiple_bugs=False,
        phases=(Phase.generate,), suppress_health_check=HealthCheck.all(), print_blob=False,
    )  # fmt: skip
    started = time.monotonic()
    noticed_by = words = ""
    try:
        with ExitStack() as mistakes:
            for where, name, instead in bug.twin:
                mistakes.enter_context(patch.object(where, name, instead))
            run_state_machine_as_test(machine, settings=profile)
    except Exception as error:  # an assertion of a check, or what the broken contracts made of a step
        here = [
            frame for frame in traceback.extract_tb(error.__traceback__) if "properties" in Path(frame.filename).parts
        ]
        noticed_by, words = here[-1].name if here else type(error).__name__, " ".join(str(error).split())[:100]
    finally:
        worlds.stop()
    return Verdict(noticed_by=noticed_by, words=words, steps=machine.steps, seconds=time.monotonic() - started)


def main(names: list[str]) -> int:
    survivors = 0
    for one in BUGS:
        if names and one.name not in names:
            continue
        try:
            verdict = hunt(one)
        except ValueError as error:  # the contract has changed: the place to plant it is gone
            print(f"{one.name:<26} cannot be planted: {error}", flush=True)
            survivors += 1
            continue
        survivors += not verdict.noticed_by
        print(
            f"{one.invariant:>2} {one.name:<26} {one.machine.__name__:<18} "
            f"{verdict.noticed_by or 'NOT NOTICED':<30} {verdict.steps:>5} steps {verdict.seconds:>5.1f} s  {verdict.words}",
            flush=True,
        )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
