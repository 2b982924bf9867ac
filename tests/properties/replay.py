"""What guard and rebalancer store for one index, rebuilt from events: the other half of invariant 10."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import cast

from offchain.reference import budget_math
from offchain.reference.model import Budget, Plan, Target
from offchain.reference.replay import ZERO, Log, integer


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
