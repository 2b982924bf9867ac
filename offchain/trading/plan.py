"""Which trades bring a basket to its targets, at which size, along which pools, and for how little at the least.

    plan = plan_trades(positions, pools, rules)        pure: the same inputs give the same plan and the same hash
    print(plan)

Every trade sells what is above target for what is below target, so none needs another's proceeds and the order is free.
Rounds pair the largest surplus with the largest deficit, each token once a round, so that cool-downs of a token overlap.
Sizes stay within surplus, deficit less `safety_bps`, largest trade and budgets; a size that would pay less than the
contract's floor is cut to one that does not, or left with the reason. Pools move along the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from offchain.canonical import canonical_json, keccak_hex
from offchain.errors import KeeperError
from offchain.reference.budget_math import fraction_up
from offchain.reference.constants import PPM
from offchain.reference.trade_math import max_sell, min_buy, value_down, value_up
from offchain.trading.cost import Cost, expected_cost, gas_cost, in_bps
from offchain.trading.pools import NoQuote, Pool
from offchain.trading.routes import Pools, Route, best_route, quote_route
from offchain.trading.targets import drift_of
from offchain.units import BPS, D27, NANO, WAD, format_tokens, format_usd, format_weight

FORMAT = "ballast-plan/1"
SEARCH_STEPS = 18  # halvings: a size within 1/250,000 of the largest that fits
TARGET_MARGIN = 10**9  # a billionth of the target stays unsold: roundings of the diluted unit
CLEAR_OUT_VALUE = NANO  # {nUSD} one dollar: less of a leaving coin is not worth a transaction
MAX_TRADES = 500


@dataclass(frozen=True, kw_only=True)
class Position:
    """One token of the basket. {tok}; `price` D27{nUSD/tok}, zero if there is none; `weight` D18 wanted."""

    token: str
    symbol: str
    decimals: int
    price: int
    available: int
    weight: int
    surplus: int
    deficit: int

    @property
    def value(self) -> int:
        """{nUSD}, rounded down."""
        return value_down(self.available, self.price)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A bucket of the guard: D18 of NAV that are `left` of `capacity`, which drains within `window` {s}."""

    left: int
    capacity: int
    window: int

    def free_at(self, need: int, now: int) -> int:
        """{s} when `need` will be left, or when the bucket is empty if it never will."""
        missing = min(need, self.capacity) - self.left
        return now + (-(-missing * self.window // self.capacity) if missing > 0 and self.capacity else 0)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What bounds the trades. Money {nUSD}, times {s}; `floor_ppm` is what the contract demands of the oracle's price.

    `budget_nav`: what the guard measures against. `tolerance_bps`: what a fill may lose against its quote.
    `max_gas_bps`: gas that a trade may cost, of its value. `ready_at`: when a token's cool-down ends.
    """

    now: int
    budget_nav: int
    max_trade: int
    min_trade: int
    floor_ppm: int
    loss: Budget
    turnover: Budget
    cooldown: int = 0
    ready_at: Mapping[str, int] = field(default_factory=dict)
    safety_bps: int = 20
    tolerance_bps: int = 20
    max_gas_bps: int = 500
    gas_price: int = 0
    ether_price: int = 0

    def floor(self, amount: int, sell: Position, buy: Position) -> int:
        """{tok} the contract demands for `amount`."""
        return min_buy(amount, sell.price, buy.price, self.floor_ppm)

    def most_for(self, bought: int, sell: Position, buy: Position) -> int:
        """{tok} the contract lets us sell for `bought`."""
        return max_sell(bought, sell.price, buy.price, self.floor_ppm)

    def gas_cost(self, gas: int) -> int:
        """{nUSD}"""
        return gas_cost(gas, gas_price=self.gas_price, ether_price=self.ether_price)


@dataclass(frozen=True, kw_only=True)
class Trade:
    """One swap. {tok}; `floor` is the contract's, `min_buy` what we demand; `start_at` {s} when cool-downs allow it.

    `loss`, `turnover`: D18 of NAV it is expected to take from the budgets.
    """

    sell: str
    buy: str
    sell_symbol: str
    buy_symbol: str
    sell_decimals: int
    buy_decimals: int
    sell_amount: int
    expected_buy: int
    min_buy: int
    floor: int
    route: Route
    cost: Cost
    loss: int
    turnover: int
    start_at: int


@dataclass(frozen=True, kw_only=True)
class Left:
    """What stays where it is: `side` is "surplus" or "deficit", `value` {nUSD}; `is_dust` when nobody would want to trade it.

    `is_blocked`: there is something to trade it for, but pools, floor or budget say no at this moment.
    """

    token: str
    symbol: str
    side: str
    amount: int
    value: int
    reason: str
    is_dust: bool = False
    is_blocked: bool = False


@dataclass(frozen=True, kw_only=True)
class TradePlan:
    """The trades in order, what is left and why. `weights`, `results`: D18 by token, wanted and expected after the trades.

    `retry_at` {s}: when the budgets bear what was postponed; None when nothing was.
    """

    nav: int
    trades: tuple[Trade, ...]
    left: tuple[Left, ...]
    weights: Mapping[str, int]
    results: Mapping[str, int]
    drift_before: int
    drift_after: int
    retry_at: int | None = None

    @property
    def turnover(self) -> int:
        """D18 of NAV sold."""
        return sum(trade.turnover for trade in self.trades)

    @property
    def loss(self) -> int:
        """D18 of NAV the trades are expected to cost, gas not included."""
        return sum(trade.loss for trade in self.trades)

    @property
    def cost_bps(self) -> float:
        """Expected cost of the basket in basis points of what is sold."""
        return in_bps(sum(trade.cost.trading for trade in self.trades), sum(trade.cost.sold for trade in self.trades))

    @cached_property
    def plan_hash(self) -> str:
        """keccak256 of everything in the plan."""
        return keccak_hex({"format": FORMAT, "plan": self})

    def to_json(self) -> str:
        """Canonical JSON."""
        return canonical_json({"format": FORMAT, "plan": self, "plan_hash": self.plan_hash})

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("#", "sell", "", "buy", "expected", "at least", "by", "USD", "cost bps")]
        rows += [(str(number), *_row(trade)) for number, trade in enumerate(self.trades)]
        head = (
            f"{len(self.trades)} trades, turnover {format_weight(self.turnover)}, expected cost {self.cost_bps:g} bps of it, "
            f"drift {format_weight(self.drift_before)} -> {format_weight(self.drift_after)}"
        )
        left = [f"left: {reason}" for reason in self.reasons_left]
        return "\n".join([head, *(aligned(rows) if self.trades else []), *left])

    @property
    def reasons_left(self) -> list[str]:
        """What is left and why, a line each; dust in one line."""
        lines = [
            f"{item.side} of {item.symbol}, {format_usd(_usd(item.value))}: {item.reason}"
            for item in self.left
            if not item.is_dust
        ]
        dust = [item for item in self.left if item.is_dust]
        total = format_usd(_usd(sum(item.value for item in dust)))
        return lines + ([f"{total} of dust in {', '.join(item.symbol for item in dust)}"] if dust else [])


def plan_trades(
    positions: Sequence[Position], pools: Pools, rules: Rules, *, prefer: Sequence[tuple[str, str]] = ()
) -> TradePlan:
    """The trades from `positions` to their targets. Nothing is asked of a chain; see the module's docstring.

    `prefer`: (sell, buy) pairs to be sized first, in that order: what is left of a plan that is being executed.
    """
    _check(positions)
    book = _Book(positions, pools, rules)
    for sell_token, buy_token in prefer:
        book.try_preferred(sell_token, buy_token)
    while len(book.trades) < MAX_TRADES and (pairs := book.match()):
        for sell, buy in pairs:
            book.try_pair(sell, buy)
    return book.finish()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with straight columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class _Book:
    """The basket and the pools while the plan is made."""

    def __init__(self, positions: Sequence[Position], pools: Pools, rules: Rules) -> None:
        self.start = {position.token: position for position in positions}
        self.now = dict(self.start)
        self.pools: dict[str, Pool] = dict(pools)
        self.rules = rules
        self.trades: list[Trade] = []
        self.blocked: dict[tuple[str, str], str] = {}
        self.loss_left = rules.loss.left
        self.turnover_left = rules.turnover.left
        self.retry_at: int | None = None
        self.ready = dict(rules.ready_at)

    # --- pairing ------------------------------------------------------------------------------------------------------

    def match(self) -> list[tuple[Position, Position]]:
        """Largest surplus with largest deficit, each token once; leaving coins first."""
        buys = sorted((p for p in self.now.values() if self._is_buy(p)), key=lambda p: (-self._need(p), p.token))
        sells = sorted(
            (p for p in self.now.values() if self._is_sell(p)), key=lambda p: (p.weight != 0, -self._excess(p), p.token)
        )
        pairs = []
        for sell in sells:
            partner = next((buy for buy in buys if (sell.token, buy.token) not in self.blocked), None)
            if partner is not None:
                pairs.append((sell, partner))
                buys.remove(partner)
        return pairs

    def _sellable(self, position: Position) -> int:
        """{tok}: a hair less than the surplus where a target remains, for the roundings of what happens in between."""
        if position.weight == 0:
            return position.surplus
        return max(0, position.surplus - (position.available - position.surplus) // TARGET_MARGIN - 2)

    def _excess(self, position: Position) -> int:
        return value_down(self._sellable(position), position.price)

    def _need(self, position: Position) -> int:
        return value_down(position.deficit, position.price)

    def _least(self, position: Position) -> int:
        return CLEAR_OUT_VALUE if position.weight == 0 else self.rules.min_trade

    def _is_sell(self, position: Position) -> bool:
        return position.surplus > 0 and self._excess(position) >= self._least(position)

    def _is_buy(self, position: Position) -> bool:
        return position.deficit > 0 and self._need(position) >= self.rules.min_trade

    # --- one pair -----------------------------------------------------------------------------------------------------

    def try_preferred(self, sell: str, buy: str) -> None:
        """The pair, if both sides still have something to trade."""
        if sell in self.now and buy in self.now and self._is_sell(self.now[sell]) and self._is_buy(self.now[buy]):
            self.try_pair(self.now[sell], self.now[buy])

    def try_pair(self, sell: Position, buy: Position) -> None:
        """Adds the largest trade between two positions, or remembers why there is none."""
        try:
            self._add(self._size(sell, buy))
        except NoQuote as reason:
            self.blocked[sell.token, buy.token] = str(reason)

    def _size(self, sell: Position, buy: Position) -> Trade:
        most = min(self._sellable(sell), self.rules.max_trade * D27 // sell.price)
        most = min(most, self._turnover_room(sell))
        wanted = buy.deficit * (BPS - self.rules.safety_bps) // BPS
        amount = self._largest(most, sell, buy, wanted)
        trade = self._trade(sell, buy, amount)
        if trade.worst_loss(self.rules.budget_nav) > self.loss_left:
            trade = self._within_loss(trade, sell, buy)
        self._require_worth(trade.trade, sell)
        return trade.trade

    def _turnover_room(self, sell: Position) -> int:
        room = self.turnover_left * self.rules.budget_nav // WAD * D27 // sell.price
        if value_down(min(room, self._sellable(sell)), sell.price) < min(self._least(sell), self._excess(sell)):
            self._postpone(
                self.rules.turnover, self.turnover_left, fraction_up(self._excess(sell), self.rules.budget_nav)
            )
            raise NoQuote(f"the turnover budget has {format_weight(self.turnover_left)} of NAV left")
        return room

    def _largest(self, most: int, sell: Position, buy: Position, wanted: int) -> int:
        """The largest amount up to `most` that pays the floor and buys at most `wanted`."""
        at_oracle = wanted * buy.price // sell.price
        most = min(most, at_oracle + at_oracle // 20 + 1)
        if self._fits(most, sell, buy, wanted):
            return most
        low, high = 0, most
        for _ in range(SEARCH_STEPS):
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(middle, sell, buy, wanted) else (low, middle)
        if low == 0:
            raise NoQuote(self._why_nothing_fits(most, sell, buy))
        return low

    def _fits(self, amount: int, sell: Position, buy: Position, wanted: int) -> bool:
        if amount <= 0:
            return False
        try:
            _, bought = self._route(amount, sell, buy)
        except NoQuote:
            return False
        return self.rules.floor(amount, sell, buy) <= bought <= wanted

    def _route(self, amount: int, sell: Position, buy: Position) -> tuple[Route, int]:
        def worth(gas: int) -> int:
            return self.rules.gas_cost(gas) * D27 // buy.price

        return best_route(self.pools, sell=sell.token, buy=buy.token, amount=amount, gas_value=worth)

    def _why_nothing_fits(self, most: int, sell: Position, buy: Position) -> str:
        least = max(1, min(most, self.rules.min_trade * D27 // sell.price))
        _, bought = self._route(least, sell, buy)  # raises NoQuote where there is no route at all
        lost = in_bps(value_up(least, sell.price) - value_down(bought, buy.price), value_up(least, sell.price))
        allowed = (PPM - self.rules.floor_ppm) / 100
        return (
            f"selling {sell.symbol} for {buy.symbol} costs at least {lost:g} bps in these pools, the contract allows "
            f"{allowed:g}; wait for the pools, or let the governor raise maxSlippage"
        )

    def _trade(self, sell: Position, buy: Position, amount: int) -> _Sized:
        route, bought = self._route(amount, sell, buy)
        floor = self.rules.floor(amount, sell, buy)
        least = max(floor, bought * (BPS - self.rules.tolerance_bps) // BPS)
        gas = self.rules.gas_cost(route.gas)
        cost = expected_cost(
            self.pools,
            route,
            sell_amount=amount,
            bought=bought,
            sell_price=sell.price,
            buy_price=buy.price,
            gas_cost=gas,
        )
        loss = max(0, cost.sold - value_down(bought, buy.price))
        trade = Trade(
            sell=sell.token,
            buy=buy.token,
            sell_symbol=sell.symbol,
            buy_symbol=buy.symbol,
            sell_decimals=sell.decimals,
            buy_decimals=buy.decimals,
            sell_amount=amount,
            expected_buy=bought,
            min_buy=least,
            floor=floor,
            route=route,
            cost=cost,
            loss=fraction_up(loss, self.rules.budget_nav),
            turnover=fraction_up(cost.sold, self.rules.budget_nav),
            start_at=max(self.rules.now, self.ready.get(sell.token, 0), self.ready.get(buy.token, 0)),
        )
        return _Sized(trade=trade, buy_price=buy.price)

    def _within_loss(self, sized: _Sized, sell: Position, buy: Position) -> _Sized:
        """The same trade, small enough for what is left of the loss budget.

        Where units of the bought token are coarse, what rounding loses does not shrink with the trade: the size is then
        cut again, to what the contract lets us sell for the units that come.
        """
        nav, need = self.rules.budget_nav, sized.worst_loss(self.rules.budget_nav)
        self._postpone(self.rules.loss, self.loss_left, need)
        smaller = sized
        for _ in range(SEARCH_STEPS):
            bearable = smaller.trade.sell_amount * self.loss_left // max(1, smaller.worst_loss(nav))
            amount = min(bearable, self.rules.most_for(smaller.trade.expected_buy, sell, buy))
            if value_down(amount, sell.price) < self._least(sell):
                break
            smaller = self._trade(sell, buy, amount)
            if smaller.pays_floor and smaller.worst_loss(nav) <= self.loss_left:
                return smaller
        raise NoQuote(
            f"the loss budget has {format_weight(self.loss_left)} of NAV left, the trade may cost {format_weight(need)}"
        )

    def _postpone(self, budget: Budget, left: int, need: int) -> None:
        at = replace(budget, left=left).free_at(need, self.rules.now)
        self.retry_at = at if self.retry_at is None else max(self.retry_at, at)

    def _require_worth(self, trade: Trade, sell: Position) -> None:
        least = min(self._least(sell), self._excess(sell))
        if trade.cost.sold < least:
            raise NoQuote(
                f"{format_usd(_usd(trade.cost.sold))} is below the smallest trade of {format_usd(_usd(least))}"
            )
        if trade.cost.gas * BPS > trade.cost.sold * self.rules.max_gas_bps:
            raise NoQuote(
                f"gas of {format_usd(_usd(trade.cost.gas))} is more than {self.rules.max_gas_bps} bps of a trade of "
                f"{format_usd(_usd(trade.cost.sold))}"
            )

    def _add(self, trade: Trade) -> None:
        after, _ = quote_route(self.pools, trade.route, trade.sell_amount)
        self.pools.update(after)
        sell, buy = self.now[trade.sell], self.now[trade.buy]
        self.now[trade.sell] = replace(
            sell, available=sell.available - trade.sell_amount, surplus=sell.surplus - trade.sell_amount
        )
        self.now[trade.buy] = replace(
            buy, available=buy.available + trade.expected_buy, deficit=buy.deficit - trade.expected_buy
        )
        self.loss_left -= trade.loss
        self.turnover_left -= trade.turnover
        self.ready[trade.sell] = self.ready[trade.buy] = trade.start_at + self.rules.cooldown
        self.trades.append(trade)

    # --- the result ---------------------------------------------------------------------------------------------------

    def finish(self) -> TradePlan:
        nav = sum(position.value for position in self.start.values())
        after = sum(position.value for position in self.now.values())
        weights = {token: position.weight for token, position in self.start.items()}
        wanted = list(weights.values())
        return TradePlan(
            nav=nav,
            trades=tuple(self.trades),
            left=tuple(self._left()),
            weights=weights,
            results={token: position.value * WAD // after if after else 0 for token, position in self.now.items()},
            drift_before=drift_of([position.value for position in self.start.values()], wanted),
            drift_after=drift_of([position.value for position in self.now.values()], wanted),
            retry_at=self.retry_at,
        )

    def _left(self) -> list[Left]:
        return [
            self._left_of(position, side, amount)
            for position in self.now.values()
            for side, amount in (("surplus", position.surplus), ("deficit", position.deficit))
            if value_down(amount, position.price) > 0
        ]

    def _left_of(self, position: Position, side: str, amount: int) -> Left:
        value = value_down(amount, position.price)
        least = self._least(position) if side == "surplus" else self.rules.min_trade
        mine = 0 if side == "surplus" else 1
        blocked = [reason for tokens, reason in sorted(self.blocked.items()) if tokens[mine] == position.token]
        is_dust = value < least
        if is_dust:
            reason = f"dust, below {format_usd(_usd(least))}"
        elif blocked:
            reason = blocked[-1]
        else:
            reason = "nothing else is below target" if side == "surplus" else "nothing else is above target"
        return Left(
            token=position.token,
            symbol=position.symbol,
            side=side,
            amount=amount,
            value=value,
            reason=reason,
            is_dust=is_dust,
            is_blocked=bool(blocked) and not is_dust,
        )


@dataclass(frozen=True, kw_only=True)
class _Sized:
    """A trade with what is needed to weigh its worst case."""

    trade: Trade
    buy_price: int

    @property
    def pays_floor(self) -> bool:
        """Whether the pools pay what the contract demands."""
        return self.trade.expected_buy >= self.trade.floor

    def worst_loss(self, nav: int) -> int:
        """D18 of NAV if no more than `min_buy` comes back."""
        return fraction_up(max(0, self.trade.cost.sold - value_down(self.trade.min_buy, self.buy_price)), nav)


def _check(positions: Sequence[Position]) -> None:
    for position in positions:
        if (position.surplus or position.deficit) and position.price == 0:
            raise KeeperError(
                f"{position.symbol} has no price but a gap to trade; give it no target until its feed is back"
            )
        if position.surplus > position.available:
            raise KeeperError(
                f"{position.symbol}: surplus {position.surplus} exceeds the {position.available} there are"
            )


def _row(trade: Trade) -> tuple[str, ...]:
    return (
        trade.sell_symbol,
        format_tokens(trade.sell_amount, trade.sell_decimals),
        trade.buy_symbol,
        format_tokens(trade.expected_buy, trade.buy_decimals),
        format_tokens(trade.min_buy, trade.buy_decimals),
        f"{trade.route.kind} x{len(trade.route.pools)}",
        format_usd(_usd(trade.cost.sold)),
        f"{trade.cost.bps:.1f}",
    )


def _usd(value: int) -> float:
    return round(value / NANO, 2)
