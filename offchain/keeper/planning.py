"""Stages `decide` and `plan`: from a situation to weights, and from weights to what would be sent.

A plan on the chain that is still live is continued; otherwise a new one is proposed, with the units that the contract
will derive, computed in its own integers. Nothing here asks a chain or sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from offchain.canonical import keccak_hex
from offchain.keeper.outcomes import Halt, RetryAt, Skip, Stop, time_text, utc
from offchain.keeper.reading import Coin, Situation
from offchain.market.history import History
from offchain.methodology import Decision
from offchain.rebalance import towards, worth_it
from offchain.reference.constants import PPM
from offchain.reference.trade_math import deficit, surplus, unit_from_weight
from offchain.spec.model import IndexSpec
from offchain.trading.plan import Budget, Position, Rules, TradePlan, plan_trades
from offchain.trading.targets import drift_of, nav_of
from offchain.units import WAD, format_weight, fraction_to_wad, from_wad, to_wad, usd_to_nano

HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the operator of a keeper chooses; the contracts bound the rest. Money in wei, times in seconds.

    `max_deviation_bps`: how far oracle and market prices may lie apart. `max_simulation_gap_bps`: how far a simulated
    fill may lie below the planned one. `fee_cap` {wei/gas}; `confirmations` blocks on top before a transaction counts.
    """

    safety_bps: int = 20
    tolerance_bps: int = 20
    max_gas_bps: int = 500
    max_deviation_bps: int = 500
    max_simulation_gap_bps: int = 50
    priority_fee: int = 10**9
    fee_cap: int = 200 * 10**9
    confirmations: int = 0
    patience: float = 60.0
    max_rounds: int = 400


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """The transaction that fixes the targets. `weights` D18 of `tokens`: components in order, then additions."""

    plan_id: int
    version: int
    additions: tuple[str, ...]
    tokens: tuple[str, ...]
    weights: tuple[int, ...]
    units: tuple[int, ...]
    duration: int


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What would be sent: `start` if a plan is to be started, then the trades, then the end of plan `plan_id`.

    `stuck`: components that cannot be traded, with the reason.
    """

    plan_id: int
    first_step: int
    start: StartPlan | None
    trades: TradePlan
    stuck: Mapping[str, str] = field(default_factory=dict)

    @property
    def proposal_hash(self) -> str:
        return keccak_hex(self)

    def __str__(self) -> str:
        head = f"plan {self.plan_id}: {'start with ' + str(len(self.start.tokens)) + ' tokens' if self.start else f'continue at step {self.first_step}'}"
        stuck = [f"stuck: {symbol}: {reason}" for symbol, reason in self.stuck.items()]
        return "\n".join([head, str(self.trades), *stuck])


# --- calendar ---------------------------------------------------------------------------------------------------------


def require_review(situation: Situation, spec: IndexSpec) -> None:
    """Raises Stop unless a review is due at the block's time and no plan was started for it yet."""
    now, rules = utc(situation.time), spec.rebalance
    if rules.is_basket:
        raise Stop(Skip(reason='a basket is bought once and not reviewed (rebalance.calendar = "never")'))
    review = int(rules.last_review(now).timestamp())
    following = int(rules.next_review(now).timestamp())
    plan = situation.state.plan
    if plan.id and plan.started_at >= review:
        raise Stop(RetryAt(time=following, reason=f"the review of {time_text(review)} is done (plan {plan.id})"))
    if situation.time - review >= rules.plan_hours * HOUR:
        raise Stop(
            RetryAt(
                time=following,
                reason=f"the review of {time_text(review)} was open for {rules.plan_hours} hours and is over",
            )
        )


# --- plan -------------------------------------------------------------------------------------------------------------


def propose(
    situation: Situation,
    spec: IndexSpec,
    settings: Settings,
    decision: Decision | None,
    *,
    prefer: Sequence[tuple[str, str]] = (),
    history: History | None = None,
) -> Proposal:
    """Stage `plan`. `decision` is needed unless a plan is live. Raises Stop when there is nothing to start.

    `prefer`: (sell, buy) pairs of the live plan that were announced and not traded yet. `history`: prices by
    `rebalance.needs`, which rules with a cost_multiple weigh the benefit by.
    """
    state = situation.state
    if state.is_plan_live:
        positions = live_positions(situation)
        nav = nav_of(state.plan.nav_per_share, state.supply)
        rules = rules_of(situation, spec, settings, plan_nav=nav)
        trades = plan_trades(positions, situation.pools, rules, prefer=prefer)
        return Proposal(
            plan_id=state.plan.id, first_step=state.plan.steps, start=None, trades=trades, stuck=_stuck(situation, {})
        )
    assert decision is not None
    start = start_of(situation, spec, wanted_by(situation, decision))
    positions = positions_of(situation, start)
    rules = rules_of(situation, spec, settings, plan_nav=nav_of(state.nav_per_share, state.supply))
    require_worth(positions, situation, spec, rules, history)
    if spec.rebalance.trade_to == "band" and situation.executed is None:  # what the registry executed binds to the wei
        start = start_of(situation, spec, band_of(positions, situation, spec))
        positions = positions_of(situation, start)
    trades = plan_trades(positions, situation.pools, rules)
    blocked = any(item.is_blocked and item.side == "surplus" for item in trades.left)
    if not trades.trades and not (blocked and spec.auctions.is_used and trades.retry_at is None):
        reasons = "; ".join(trades.reasons_left) or "nothing to trade"
        if trades.retry_at is not None:
            raise Stop(RetryAt(time=trades.retry_at, reason=f"the budgets bear no trade now: {reasons}"))
        raise Stop(Skip(reason=f"no trade is possible: {reasons}"))
    return Proposal(
        plan_id=start.plan_id, first_step=0, start=start, trades=trades, stuck=_stuck(situation, decision.reasons)
    )


def start_of(situation: Situation, spec: IndexSpec, wanted: Mapping[str, int]) -> StartPlan:
    """The transaction that makes `wanted` {token: D18} the target, with the units the contract will derive."""
    state = situation.state
    unpriced = [situation.coins[token].symbol for token in sorted(wanted) if situation.coins[token].price == 0]
    if unpriced:
        raise Stop(
            Skip(reason=f"no usable price of {', '.join(unpriced)} on chain (stale or missing feed); nothing is sent")
        )
    present = [item.token for item in state.components]
    additions = tuple(sorted(wanted.keys() - set(present), key=lambda token: (-wanted[token], token)))
    tokens = (*present, *additions)
    prices = {item.token: item.price for item in state.components} | {
        token: situation.coins[token].price for token in additions
    }
    weights = tuple(wanted.get(token, 0) for token in tokens)
    return StartPlan(
        plan_id=state.plan.id + 1,
        version=state.version,
        additions=additions,
        tokens=tokens,
        weights=weights,
        units=tuple(
            unit_from_weight(weight, state.nav_per_share, prices[token]) if weight else 0
            for token, weight in zip(tokens, weights, strict=True)
        ),
        duration=min(spec.rebalance.plan_hours * HOUR, state.policy.max_duration),
    )


def wanted_by(situation: Situation, decision: Decision) -> dict[str, int]:
    """{token: D18} to go to: what the registry executed where it binds the plans, else what was decided."""
    if situation.executed is None:
        return {situation.address_of(coin): weight for coin, weight in decision.target_weights.items() if weight}
    unknown = sorted(set(situation.executed) - set(situation.coins))
    known = sum(situation.executed.values())
    if unknown or known != WAD:
        named = (
            f"weigh {', '.join(unknown)}" if unknown else f"sum to {format_weight(known)} over the tokens of the market"
        )
        raise Stop(
            Halt(reason=f"the executed weights {named}, which the market does not list; add the token to market.json")
        )
    return dict(situation.executed)


def positions_of(situation: Situation, start: StartPlan) -> list[Position]:
    """Where each token will stand against the targets once the plan is started. Tokens without a price are not in it."""
    state = situation.state
    components = {item.token: item for item in state.components}
    positions = []
    for token, weight, unit in zip(start.tokens, start.weights, start.units, strict=True):
        component = components.get(token)
        coin = situation.coins.get(token)
        price = component.price if component else coin.price if coin else 0
        if price == 0:
            continue
        # What was donated before a token enters is there once it has entered, but only then is it read.
        available = component.available if component else 0
        symbol, decimals = (coin.symbol, coin.decimals) if coin else _names(component)
        positions.append(
            Position(
                token=token,
                symbol=symbol,
                decimals=decimals,
                price=price,
                available=available,
                weight=weight,
                surplus=surplus(available, unit, state.supply),
                deficit=deficit(available, unit, state.supply),
            )
        )
    return positions


def live_positions(situation: Situation) -> list[Position]:
    """Where each token of the live plan stands now. `weight` is what its target is worth, of all targets."""
    members = [item for item in situation.state.components if item.planned and item.price]
    targets = [item.available - item.surplus + item.deficit for item in members]
    values = [target * item.price for target, item in zip(targets, members, strict=True)]
    total = sum(values)
    positions = []
    for item, value in zip(members, values, strict=True):
        coin = situation.coins.get(item.token)
        symbol, decimals = (coin.symbol, coin.decimals) if coin else (item.symbol, item.decimals)
        weight = value * WAD // total if total else 0
        positions.append(
            Position(
                token=item.token,
                symbol=symbol,
                decimals=decimals,
                price=item.price,
                available=item.available,
                weight=max(weight, 1) if item.unit else 0,
                surplus=item.surplus,
                deficit=item.deficit,
            )
        )
    return positions


def rules_of(situation: Situation, spec: IndexSpec, settings: Settings, *, plan_nav: int) -> Rules:
    """What bounds the trades of a plan whose NAV at the start is `plan_nav` {nUSD}."""
    state, limits, policy = situation.state, situation.state.limits, situation.state.policy
    ready = {coin.address: coin.last_trade_at + policy.cooldown for coin in situation.coins.values()}
    return Rules(
        now=situation.time,
        budget_nav=min(state.nav, plan_nav),
        max_trade=plan_nav * policy.max_trade // WAD,
        min_trade=usd_to_nano(spec.rebalance.min_trade_usd),
        floor_ppm=PPM - policy.max_slippage,
        loss=Budget(
            left=max(0, limits.loss_capacity - state.loss_used),
            capacity=limits.loss_capacity,
            window=limits.loss_window,
        ),
        turnover=Budget(
            left=max(0, limits.turnover_capacity - state.turnover_used),
            capacity=limits.turnover_capacity,
            window=limits.turnover_window,
        ),
        cooldown=policy.cooldown,
        ready_at={token: at for token, at in ready.items() if at > situation.time} if policy.cooldown else {},
        safety_bps=settings.safety_bps,
        tolerance_bps=settings.tolerance_bps,
        max_gas_bps=settings.max_gas_bps,
        gas_price=situation.base_fee + settings.priority_fee,
        ether_price=situation.ether_price,
    )


def weights_by_coin(situation: Situation) -> dict[str, int]:
    """{id: D18} of what has a price."""
    state = situation.state
    return {
        situation.coins[item.token].id: item.value * WAD // state.nav
        for item in state.components
        if state.nav and item.token in situation.coins
    }


def _names(component: object) -> tuple[str, int]:
    return str(getattr(component, "symbol", "")) or "?", int(getattr(component, "decimals", 18))


# --- is it worth it, and how far ----------------------------------------------------------------------------------------


def require_worth(
    positions: Sequence[Position], situation: Situation, spec: IndexSpec, rules: Rules, history: History | None = None
) -> None:
    """Raises Stop when the basket is close enough to the weights that trading would only cost, as `rebalance.worth_it` says.

    A coin that has to enter or leave is traded however little it weighs: the band is for weights, not for membership. What is
    left of a coin that has left, below min_trade_usd, is no member any more; it counts as drift.
    """
    values = [position.value for position in positions]
    names, nav = _names_of(positions, situation), sum(values)
    target = {name: from_wad(position.weight) for name, position in zip(names, positions, strict=True)}
    current = {
        name: position.value / nav
        for name, position in zip(names, positions, strict=True)
        if nav and (position.weight or position.value >= rules.min_trade)
    }
    drift, band = drift_of(values, [position.weight for position in positions]), spec.rebalance.drift_band
    cost = expected_cost_of(positions, situation, rules, drift) if spec.rebalance.cost_multiple else 0.0
    found = worth_it(current, target, rules=spec.rebalance, cost=cost, history=history)
    if found.trade or (found.code == "band" and drift >= fraction_to_wad(band)):
        return
    reason = found.reason
    if found.code == "band":
        reason = f"drift {format_weight(drift)} is below the band of {format_weight(fraction_to_wad(band))}"
    following = int(spec.rebalance.next_review(utc(situation.time)).timestamp())
    raise Stop(Skip(reason=f"{reason}; next review {time_text(following)}"))


def expected_cost_of(positions: Sequence[Position], situation: Situation, rules: Rules, drift: int) -> float:
    """Part of NAV that trading all of `drift` would cost, gas included, at what the trades that the pools bear now would cost."""
    costs = [trade.cost for trade in plan_trades(positions, situation.pools, rules).trades]
    sold = sum(cost.sold for cost in costs)
    return max(sum(cost.total for cost in costs), 0) / sold * from_wad(drift) if sold else 0.0


def band_of(positions: Sequence[Position], situation: Situation, spec: IndexSpec) -> dict[str, int]:
    """{token: D18} at the edge of the bands around the weights: how far a plan with trade_to = "band" goes."""
    names = _names_of(positions, situation)
    tokens = {name: position.token for name, position in zip(names, positions, strict=True)}
    held = dict(zip(names, to_wad([position.value for position in positions]), strict=True))
    target = {name: position.weight for name, position in zip(names, positions, strict=True)}
    return {tokens[name]: weight for name, weight in towards(held, target, spec.rebalance).items()}


def _names_of(positions: Sequence[Position], situation: Situation) -> list[str]:
    """Ids in the market data; the address of a token that the market does not list."""
    known = situation.coins
    return [known[position.token].id if position.token in known else position.token for position in positions]


def _stuck(situation: Situation, reasons: Mapping[str, str]) -> dict[str, str]:
    """Components without a price: they stay in the basket, count for nothing and cannot be traded."""
    found = {}
    for item in situation.state.components:
        if item.price == 0 and item.available:
            coin: Coin | None = situation.coins.get(item.token)
            why = reasons.get(coin.id, "") if coin else ""
            found[item.symbol or item.token] = "no price on chain" + (f"; {why}" if why else "")
    return found
