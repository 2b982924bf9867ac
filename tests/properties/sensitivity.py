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
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

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


def bug(name: str, invariant: int, machine: type[Machine], file: str, old: str, new: str, *more: Patch) -> Bug:
    return Bug(name=name, invariant=invariant, machine=machine, patches=(Patch(file=file, old=old, new=new), *more))


BUGS = (
    # 1 claims
    bug("claim-twice", 1, IndexMachine, TOKEN, "        claimOf[token][account] = 0;\n", ""),
    bug("claims-not-owed", 1, IndexMachine, TOKEN, "        claimsOwed[token] += amount;\n", ""),
    bug("claims-bit-stays", 1, IndexMachine, TOKEN, "        if (owed == 0) _clearClaimsBit(token);\n", ""),
    bug("claims-bit-not-moved", 1, IndexMachine, TOKEN, "(uint256(word.claimsMask) >> i & 1) << count", "(uint256(word.claimsMask) >> i & 1) << i"),
    bug("sells-what-is-claimed", 1, IndexMachine, TOKEN, "sold[i].zeroFloorSub(claimsOwed[outs[i].token])", "sold[i]"),
    # 2 backing
    bug("mint-down", 2, IndexMachine, BASKET, "(shares * available + supply - 1) / supply", "shares * available / supply"),
    bug("redeem-up", 2, IndexMachine, BASKET, "                return shares * available / supply;", "                return (shares * available + supply - 1) / supply;"),
    bug("pays-out-claims", 2, IndexMachine, TOKEN, "if ((deferMask | claims) >> i & 1 == 0) {", "if (deferMask >> i & 1 == 0) {"),
    bug("no-delivery-check", 2, IndexMachine, TOKEN, "if (received < amount) revert Errors.ShortDelivery(token, received, amount);", ""),
    bug("fee-is-retroactive", 2, IndexMachine, TOKEN, "        _writeSupply(supply, issued, block.timestamp);\n", ""),
    bug("supply-grows-too-much", 2, IndexMachine, TOKEN, "_enter(receiver, shares - feeShares, supply + shares);", "_enter(receiver, shares - feeShares, supply + shares + shares / 1000);"),
    # 3 round trips
    bug("redeem-fee-forgotten", 3, IndexMachine, FEES, "        return (shares * fee + Constants.WAD - 1) / Constants.WAD;", "        return (shares * fee + Constants.WAD - 1) / Constants.WAD / 2;"),
    bug("burns-too-little", 3, IndexMachine, TOKEN, "_leave(owner, shares, supply - (shares - feeShares));", "_leave(owner, shares - shares / 1000, supply - (shares - feeShares));"),
    # 4 donations
    bug("donation-moves-valuation", 4, RebalanceMachine, GUARD, "return (valuation.navPerShare, valuation.valuedAt);", "return (valuation.navPerShare + IIndexToken(index).reserves()[0], valuation.valuedAt);"),
    # 5 exit
    bug("redeem-paused", 5, IndexMachine, TOKEN, "if (receiver == address(0)) revert Errors.ReceiverInvalid(receiver);\n        uint256 feeShares;", "if (receiver == address(0)) revert Errors.ReceiverInvalid(receiver);\n        require(block.timestamp >= _basket.mintPausedUntil);\n        uint256 feeShares;"),
    bug("deferred-leg-is-called", 5, IndexMachine, TOKEN, "BasketMath.amountDown(shares, _availableOrZero(token), supply)", "BasketMath.amountDown(shares, TokenLib.balance(token).zeroFloorSub(claimsOwed[token]), supply)"),
    # 6 fills
    bug("oversell", 6, RebalanceMachine, REBALANCER, "order.sellAmount == 0 || order.sellAmount > surplus", "order.sellAmount == 0"),
    bug("overbuy", 6, RebalanceMachine, REBALANCER, "        if (bought > deficit) revert Errors.DeficitExceeded(order.buy, bought, deficit);\n", ""),
    bug("plan-ignores-dilution", 6, RebalanceMachine, TRADES, "return unit.fullMulDiv(Constants.WAD, growth);", "growth; return unit;"),
    # 7 budgets
    bug("loss-not-charged", 7, RebalanceMachine, GUARD, "        budget.lossUsed += uint64(loss);\n", ""),
    bug("turnover-not-charged", 7, RebalanceMachine, GUARD, "        budget.turnoverUsed += uint64(turnover);\n", ""),
    bug("drains-twice-as-fast", 7, RebalanceMachine, BUDGET, "used.zeroFloorSub(capacity * elapsed / window)", "used.zeroFloorSub(2 * capacity * elapsed / window)"),
    bug("gains-are-credited", 7, RebalanceMachine, GUARD, "budget.lossUsed += uint64(loss);", "budget.lossUsed = uint64(valueIn_ > 0 ? 0 : budget.lossUsed + loss);", Patch(file=GUARD, old="    function _charge(address index, Limits memory limits, uint256 loss, uint256 turnover) private {", new="    function _charge(address index, Limits memory limits, uint256 loss, uint256 turnover) private {\n        uint256 valueIn_ = loss == 0 ? 1 : 0;")),
    bug("new-limits-forgive", 7, RebalanceMachine, GUARD, "        _budgets[index] = _drained(index, old);\n", "        _drained(index, old);\n        _budgets[index] = Budget(0, 0, uint40(block.timestamp));\n"),
    bug("floor-down", 7, RebalanceMachine, TRADES, "sellAmount.fullMulDivUp(sellPrice * factorPpm", "sellAmount.fullMulDiv(sellPrice * factorPpm"),
    bug("floor-is-the-callers", 7, RebalanceMachine, REBALANCER, "_exchange(order, order.minBuy.max(floor))", "_exchange(order, order.minBuy)"),
    bug("weights-need-not-sum", 8, RebalanceMachine, REBALANCER, "        require(sum == Constants.WAD, Errors.WeightsSumInvalid(sum));\n", ""),
    # 10 replay
    bug("collect-is-silent", 10, IndexMachine, TOKEN, "        emit Collect(recipient, feeShares);\n", ""),
    bug("defer-is-silent", 10, IndexMachine, TOKEN, "        emit Defer(token, account, amount);\n", ""),
    bug("end-is-silent", 10, RebalanceMachine, REBALANCER, "        emit EndPlan(index, planId, plan.steps);\n", ""),
    # 11 mid-call
    bug("preview-answers", 11, MidCallMachine, TOKEN, "        nonReentrantView\n        returns (uint256[] memory amountsOut, uint256 feeShares)", "        returns (uint256[] memory amountsOut, uint256 feeShares)"),
    bug("gap-answers", 11, MidCallMachine, REBALANCER, "external view returns (uint256 surplus, uint256 deficit) {\n        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));", "external view returns (uint256 surplus, uint256 deficit) {"),
    bug("revalue-works", 11, MidCallMachine, GUARD, "        _registeredLimits(index);\n        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));\n", "        _registeredLimits(index);\n"),
    bug("collect-reenters", 11, MidCallMachine, TOKEN, "function collect() external nonReentrant returns", "function collect() external returns"),
    bug("lens-answers", 11, MidCallMachine, "IndexLens.sol", "        require(!IIndexToken(index).locked(), Errors.IndexLocked(index));\n        state.index = index;", "        state.index = index;"),
    # 12 pauses
    bug("pause-for-two-weeks", 12, IndexMachine, TOKEN, '_checkBound("pause", duration, 1, Constants.MAX_PAUSE)', '_checkBound("pause", duration, 1, 2 * Constants.MAX_PAUSE)'),
    bug("pause-again", 12, IndexMachine, TOKEN, "        require(!_mintPauseUsed, Errors.PauseNotArmed());\n", ""),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Who noticed a bug (the check that failed, and its words), after how many steps; empty when nobody did."""

    noticed_by: str
    words: str
    steps: int
    seconds: float


def hunt(planted: Bug) -> Verdict:
    """Runs the bug's machine on the broken contracts until it fails or has done everything."""
    worlds = Worlds(compiled(planted.patches))
    machine = planted.machine
    machine.worlds, machine.tally, machine.steps, machine.runs = worlds, Counter(), 0, 0
    profile = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None, derandomize=True,
        report_multiple_bugs=False,
        phases=(Phase.generate,), suppress_health_check=HealthCheck.all(), print_blob=False,
    )  # fmt: skip
    started = time.monotonic()
    noticed_by = words = ""
    try:
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
    for planted in BUGS:
        if names and planted.name not in names:
            continue
        try:
            verdict = hunt(planted)
        except ValueError as error:  # the contract has changed: the place to plant it is gone
            print(f"{planted.name:<26} cannot be planted: {error}", flush=True)
            survivors += 1
            continue
        survivors += not verdict.noticed_by
        print(
            f"{planted.invariant:>2} {planted.name:<26} {planted.machine.__name__:<18} "
            f"{verdict.noticed_by or 'NOT NOTICED':<30} {verdict.steps:>5} steps {verdict.seconds:>5.1f} s  {verdict.words}",
            flush=True,
        )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
