"""Invariant 10: everything an index stores, rebuilt from its events alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

from offchain.reference import basket_math, budget_math
from offchain.reference.basket_math import SupplyWord
from offchain.reference.constants import MAX_MODULE_FEE, MODULE_FEE_WINDOW, WAD
from offchain.reference.model import FOREVER, Budget, Plan, Target
from tests.properties.chain import Log

ZERO = "0x" + "00" * 20


@dataclass
class Replayed:
    """State of one index after its events. `reserves` knows what the index's own events moved, not gifts and rebases."""

    word: SupplyWord = SupplyWord(base=0, issued=0, since=0)
    shares: Counter[str] = field(default_factory=Counter)
    claims: Counter[tuple[str, str]] = field(default_factory=Counter)
    owed: Counter[str] = field(default_factory=Counter)
    reserves: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)  # of the redemption that is being read
    components: tuple[str, ...] = ()
    version: int = 0
    fees: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # streaming fee, streaming rate, mint fee, redeem fee
    supply_cap: int = 0
    fee_recipient: str = ZERO
    mint_paused_until: int = 0
    exchange_paused_until: int = 0
    fee_module: str = ZERO
    module_used: tuple[int, int] = (0, 0)
    notices: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def module_fee_left(self, now: int) -> int:
        used, at = self.module_used
        return MAX_MODULE_FEE - budget_math.used_after(used, MAX_MODULE_FEE, MODULE_FEE_WINDOW, now - at)

    def supply(self, now: int) -> int:
        return basket_math.effective_supply(self.word, self.fees[1], now)


def replay(logs: Iterable[Log]) -> Replayed:
    """Rebuilds the state from the index's own logs, in order."""
    state = Replayed()
    for log in logs:
        apply(state, log)
    return state


def apply(state: Replayed, log: Log) -> None:
    args, now = log.args, log.timestamp
    if log.name == "Transfer":
        if args["from"] != ZERO:
            state.shares[str(args["from"])] -= integer(args["value"])
        if args["to"] != ZERO:
            state.shares[str(args["to"])] += integer(args["value"])
    elif log.name == "Bootstrap":
        state.word = SupplyWord(base=0, issued=0, since=now)
        shares = integer(args["shares"])
        state.word = basket_math.enter(state.word, received=shares, supply=shares, now=now)
        move(state, args["amounts"], 1)
    elif log.name == "Mint":
        shares, fee = integer(args["shares"]), integer(args["feeShares"])
        after = state.supply(now) + shares
        state.word = basket_math.enter(state.word, received=shares - fee, supply=after, now=now)
        move(state, args["amountsIn"], 1)
    elif log.name == "Redeem":
        shares, fee = integer(args["shares"]), integer(args["feeShares"])
        after = state.supply(now) - (shares - fee)
        state.word = basket_math.leave(state.word, burned=shares, supply=after, now=now)
        move(state, args["amountsOut"], -1)
        state.reserves.update(state.deferred)  # the deferred legs, named just before, did not leave
        state.deferred.clear()
    elif log.name == "Defer":
        state.claims[str(args["token"]), str(args["account"])] += integer(args["amount"])
        state.owed[str(args["token"])] += integer(args["amount"])
        state.deferred[str(args["token"])] += integer(args["amount"])
    elif log.name == "Claim":
        state.claims[str(args["token"]), str(args["account"])] -= integer(args["amount"])
        state.owed[str(args["token"])] -= integer(args["amount"])
        state.reserves[str(args["token"])] -= integer(args["amount"])
    elif log.name == "Burn":
        shares = integer(args["shares"])
        state.word = basket_math.leave(state.word, burned=shares, supply=state.supply(now) - shares, now=now)
    elif log.name == "MintFeeShares":
        shares, supply = integer(args["shares"]), state.supply(now)
        used = MAX_MODULE_FEE - state.module_fee_left(now) + budget_math.fraction_up(shares, supply)
        state.module_used = (used, now)
        state.word = basket_math.enter(state.word, received=shares, supply=supply + shares, now=now)
    elif log.name == "SetFeeModule":
        state.fee_module = str(args["module"])
    elif log.name == "Collect":
        state.word, _ = basket_math.collect(state.word, rate=state.fees[1], now=now)
    elif log.name == "Exchange":
        for token, amount in cast("tuple[tuple[str, int], ...]", args["sold"]):
            state.reserves[token] -= amount
        for token, amount in cast("tuple[tuple[str, int], ...]", args["bought"]):
            state.reserves[token] += amount
    elif log.name == "UpdateComponents":
        state.version, state.components = integer(args["version"]), cast("tuple[str, ...]", args["components"])
    elif log.name == "SetStreamingFee":
        state.fees[:2] = [integer(args["annualFee"]), integer(args["rate"])]
        state.word = SupplyWord(base=integer(args["base"]), issued=state.word.issued, since=now)
    elif log.name == "SetMintFee":
        state.fees[2] = integer(args["fee"])
    elif log.name == "SetRedeemFee":
        state.fees[3] = integer(args["fee"])
    elif log.name == "SetFeeRecipient":
        state.fee_recipient = str(args["recipient"])
    elif log.name == "SetSupplyCap":
        state.supply_cap = integer(args["wholeShares"]) * WAD
    elif log.name == "PauseMint":
        state.mint_paused_until = integer(args["until"])
    elif log.name == "PauseExchange":
        state.exchange_paused_until = integer(args["until"])
    elif log.name == "ArmPauses":
        state.mint_paused_until = state.exchange_paused_until = 0
    elif log.name == "Deprecate":
        state.mint_paused_until = state.exchange_paused_until = FOREVER


@dataclass
class ReplayedModules:
    """What guard and rebalancer store for one index, after its events."""

    plan: Plan = Plan(scale=0)
    targets: dict[str, Target] = field(default_factory=dict)
    budget: Budget = Budget(updated_at=0)
    valuation: tuple[int, int] = (0, 0)
    limits: tuple[int, ...] = ()
    policy: tuple[int, ...] = ()
    streaming_rate: int = 0
    has_fee_module: bool = False
    rates: tuple[int, int] = (0, 0)  # {ppm} of turnover: rebalance fee, keeper tip
    auction: tuple[int, ...] = (0,) * 7
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)


def replay_modules(logs: Iterable[Log], index: str) -> ReplayedModules:
    """Rebuilds plan, targets, budgets and valuation of `index` from the logs of index, guard and rebalancer, in order."""
    state = ReplayedModules()
    for log in logs:
        if log.address == index:
            if log.name == "SetStreamingFee":
                state.streaming_rate = integer(log.args["rate"])
            elif log.name == "SetFeeModule":
                state.has_fee_module = log.args["module"] != ZERO
        elif log.args.get("index") == index:
            apply_to_modules(state, log)
    return state


def apply_to_modules(state: ReplayedModules, log: Log) -> None:
    args, now = log.args, log.timestamp
    if log.name == "SetPolicy":
        state.policy = cast("tuple[int, ...]", args["policy"])
    elif log.name == "SetLimits":
        if state.limits:  # what drained so far drained at the old pace
            loss_capacity, loss_window, turnover_capacity, turnover_window, _ = state.limits
            elapsed = now - state.budget.updated_at
            state.budget = Budget(
                loss_used=budget_math.used_after(state.budget.loss_used, loss_capacity, loss_window, elapsed),
                turnover_used=budget_math.used_after(
                    state.budget.turnover_used, turnover_capacity, turnover_window, elapsed
                ),
                updated_at=now,
            )
        else:
            state.budget = Budget(updated_at=now)
        state.limits = cast("tuple[int, ...]", args["limits"])
    elif log.name == "Value":
        state.valuation = (integer(args["navPerShare"]), now)
    elif log.name == "Charge":
        state.budget = Budget(
            loss_used=integer(args["lossUsed"]), turnover_used=integer(args["turnoverUsed"]), updated_at=now
        )
    elif log.name == "StartPlan":
        state.plan = Plan(
            id=integer(args["planId"]), started_at=now, expires_at=integer(args["expiresAt"]),
            streaming_rate=state.streaming_rate, nav_per_share=integer(args["navPerShare"]), noted=state.has_fee_module,
            rebalance_fee=state.rates[0], keeper_tip=state.rates[1],
        )  # fmt: skip
        columns = (
            cast("tuple[str, ...]", args["tokens"]),
            *(cast("tuple[int, ...]", args[name]) for name in ("units", "prices")),
        )
        for token, unit, price in zip(*columns, strict=True):
            if price:
                old = state.targets.get(token, Target())
                state.targets[token] = replace(old, plan_id=state.plan.id, unit=cast("int", unit))
    elif log.name == "StartManualPlan":
        state.plan = Plan(
            id=integer(args["planId"]), started_at=now, expires_at=integer(args["expiresAt"]), manual=True,
            streaming_rate=state.streaming_rate, nav_per_share=integer(args["navPerShare"]), noted=state.has_fee_module,
            rebalance_fee=state.rates[0], keeper_tip=state.rates[1],
        )  # fmt: skip
        rows = zip(*(cast("tuple[object, ...]", args[name]) for name in ("tokens", "units", "ranges")), strict=True)
        for token, unit, limits in cast("Iterable[tuple[str, int, tuple[int, int]]]", rows):
            if limits[1]:
                old = state.targets.get(token, Target())
                state.targets[token] = replace(old, plan_id=state.plan.id, unit=unit)
                state.ranges[token] = limits
    elif log.name == "SetAuctionPolicy":
        rules = cast("tuple[int, ...]", args["policy"])
        state.rates = (rules[6], rules[7])
    elif log.name == "OpenAuction":
        state.auction = cast("tuple[int, ...]", args["auction"])
    elif log.name == "CloseAuction":
        state.auction = (*state.auction[:3], 0, *state.auction[4:])
    elif log.name == "EndPlan":
        state.plan = replace(state.plan, expires_at=0)
    elif log.name == "ScalePlan":
        state.plan = replace(state.plan, scale=integer(args["scale"]))
    elif log.name in ("FillAuction", "FillLegs"):
        state.plan = replace(state.plan, turnover=integer(args["turnover"]))
    elif log.name == "SwapTokens":
        state.plan = replace(state.plan, steps=integer(args["step"]) + 1, turnover=integer(args["turnover"]))
        if state.policy[1]:  # a cool-down
            for token in (str(args["sell"]), str(args["buy"])):
                state.targets[token] = replace(state.targets[token], last_trade_at=now)


def integer(value: object) -> int:
    return cast("int", value)


def move(state: Replayed, amounts: object, sign: int) -> None:
    for token, amount in zip(state.components, cast("tuple[int, ...]", amounts), strict=True):
        state.reserves[token] += sign * amount
