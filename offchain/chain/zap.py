"""Zaps: shares for one token, one token for shares, shares of one index for those of another, along the pools of a chain.

    market = ZapMarket.of_manifest(manifest)
    plan = plan_mint(w3, core, market, index, pay=usdc, shares=to_shares("2.5"))     exactly these, the rest returns
    plan = plan_spend(w3, core, market, index, pay=usdc, amount=1000 * 10**6)        all of this, as many as it gives
    plan = plan_redeem(w3, core, market, index, get=usdc, shares=to_shares("2.5"))
    plan = plan_migrate(w3, core, market, index, other, shares=to_shares("2.5"))
    done = execute(w3, alice, core, plan)

`ETHER` stands for native ether wherever a token is named. A plan is made from the pools at one block, tells what it
expects and binds what it accepts; nothing is sent before `execute`, which approves exactly what is paid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from web3 import Web3
from web3.logs import DISCARD

from offchain.chain.artifacts import vendor
from offchain.chain.core import Core, index_contract
from offchain.chain.deploy import approve_exactly
from offchain.chain.investor import require_mintable
from offchain.chain.pools import PoolPlace, places_of, read_pools
from offchain.chain.reads import IndexState, read_state
from offchain.chain.transactions import Signer, address_of, at, send
from offchain.errors import ChainError, InsufficientBalance, UnitError, did_you_mean
from offchain.reference.basket_math import shares_for
from offchain.trading.pools import NoQuote, Pool
from offchain.trading.routes import Route, best_route, find_routes, mid_of_route, quote_route
from offchain.units import BPS, WAD, format_tokens

ETHER = "0x0000000000000000000000000000000000000000"
ETHER_DECIMALS = 18
DEFAULT_SLIPPAGE_BPS = 50
MAX_SLIPPAGE_BPS = 1_000
LIFETIME = 1200  # {s} a plan may be mined
ROUNDS = 6  # of fitting a number of shares to an amount: each leaves a tenth of the error of the last, or less
DRIFT = 1_000_000  # one part in this many: what the streaming fee moves a basket while a transaction waits

Call = tuple[str, int, str, str, int, bytes]  # IZapExecutor.Call


@dataclass(frozen=True, kw_only=True)
class ZapMarket:
    """Where a zap can shop: pools and the routers that reach them."""

    weth: str
    v2_router: str
    v3_router: str
    pools: tuple[PoolPlace, ...]

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> ZapMarket:
        """From the market.json of a chain."""
        contracts = manifest["contracts"]
        return cls(
            weth=contracts["weth"],
            v2_router=contracts["v2_router"],
            v3_router=contracts["v3_router"],
            pools=places_of(manifest),
        )


@dataclass(frozen=True, kw_only=True)
class ZapPlan:
    """One call of the zap. {tok} and {share}.

    `kind`: mint, redeem or migrate. `paid` of `token` leave the account. `expected` is what should come: shares, or of
    `get`; `least` is what must. `shares`: exactly so many, zero for as many as possible. `change` {tok} should return.
    """

    kind: str
    block: int
    deadline: int
    token: str
    paid: int
    index: str
    version: int
    into: str = ETHER
    into_version: int = 0
    shares: int = 0
    get: str = ETHER
    expected: int
    least: int
    change: int = 0
    calls: tuple[Call, ...]


@dataclass(frozen=True, kw_only=True)
class Zapped:
    """What a mined zap did, from its own event. `got` {share} or {tok}; `gas_cost` {wei}."""

    got: int
    tx: str
    block: int
    gas_used: int
    gas_cost: int
    approvals: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ZapToken:
    """What a zap can be paid in, or pay."""

    address: str
    symbol: str
    decimals: int


def find_token(manifest: Mapping[str, Any], name: str) -> ZapToken:
    """A token of a market by symbol or address; ETH is native ether. Raises ChainError with the nearest name."""
    if name.upper() == "ETH":
        return ZapToken(address=ETHER, symbol="ETH", decimals=ETHER_DECIMALS)
    listed = {facts["symbol"]: facts for facts in manifest["tokens"].values()}
    for symbol, facts in listed.items():
        if name.casefold() in (symbol.casefold(), facts["address"].casefold()):
            return ZapToken(address=facts["address"], symbol=symbol, decimals=int(facts["decimals"]))
    known = ["ETH", *sorted(listed)]
    raise ChainError(f"{name} is no token of this market.{did_you_mean(name, known)} There is: {', '.join(known)}")


def summary(plan: ZapPlan, *, paid: ZapToken, got: ZapToken) -> str:
    """A plan in one line: what is paid at most, what comes back, what is expected and what must come."""
    give = f"{format_tokens(plan.paid, paid.decimals)} {paid.symbol}"
    back = f", about {format_tokens(plan.change, paid.decimals)} of it return" if plan.change else ""
    expected, least = (format_tokens(amount, got.decimals) for amount in (plan.expected, plan.least))
    return (
        f"Zap at block {plan.block}: pays {give}{back}; {len(plan.calls)} swaps; "
        f"gives {expected} {got.symbol}, at least {least}"
    )


# --- plans ------------------------------------------------------------------------------------------------------------


def plan_mint(
    w3: Web3,
    core: Core,
    market: ZapMarket,
    index: str,
    *,
    pay: str,
    shares: int,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
) -> ZapPlan:
    """Buys exactly what `shares` take, each component for at most `max_slippage_bps` more than the pools say now."""
    shop = _Shop.open(w3, core, market, max_slippage_bps)
    state = read_state(w3, core, index, shop.block)
    require_mintable(state, shares)
    needs, fee = shop.needs(state, shares)
    token = shop.wrapped(pay)
    paid, spent, calls = 0, 0, []
    for component, need in needs.items():
        if component == token:
            paid, spent = paid + need, spent + need
            continue
        route, cost = shop.cost_of(token, component, need)
        most = cost * (BPS + max_slippage_bps) // BPS + 1
        calls.append(shop.buy(route, need, most))
        paid, spent = paid + most, spent + cost
    return ZapPlan(
        kind="mint",
        block=shop.block,
        deadline=shop.deadline,
        token=pay,
        paid=paid,
        index=index,
        version=state.version,
        shares=shares,
        expected=shares - fee,
        least=shares - fee,
        change=paid - spent,
        calls=tuple(calls),
    )


def plan_spend(
    w3: Web3,
    core: Core,
    market: ZapMarket,
    index: str,
    *,
    pay: str,
    amount: int,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
) -> ZapPlan:
    """Spends `amount` on the components in the proportions that give most shares."""
    if amount <= 0:
        raise UnitError(f"{amount} base units cannot be spent; give more than 0")
    shop = _Shop.open(w3, core, market, max_slippage_bps)
    state = read_state(w3, core, index, shop.block)
    calls, shares, fee = shop.spend(state, shop.wrapped(pay), amount, {})
    require_mintable(state, shares)
    return ZapPlan(
        kind="mint",
        block=shop.block,
        deadline=shop.deadline,
        token=pay,
        paid=amount,
        index=index,
        version=state.version,
        expected=shares - fee,
        least=(shares - fee) * (BPS - max_slippage_bps) // BPS,
        calls=tuple(calls),
    )


def plan_redeem(
    w3: Web3,
    core: Core,
    market: ZapMarket,
    index: str,
    *,
    get: str,
    shares: int,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
) -> ZapPlan:
    """Redeems `shares` and sells what they pay."""
    shop = _Shop.open(w3, core, market, max_slippage_bps)
    state = read_state(w3, core, index, shop.block)
    token = shop.wrapped(get)
    calls, proceeds = shop.sell_all(shop.proceeds(state, shares), token)
    return ZapPlan(
        kind="redeem",
        block=shop.block,
        deadline=shop.deadline,
        token=index,
        paid=shares,
        index=index,
        version=state.version,
        get=get,
        expected=proceeds,
        least=proceeds * (BPS - max_slippage_bps) // BPS,
        calls=tuple(calls),
    )


def plan_migrate(
    w3: Web3,
    core: Core,
    market: ZapMarket,
    index: str,
    into: str,
    *,
    shares: int,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
) -> ZapPlan:
    """Redeems `shares` of one index, sells for wrapped ether what the other does not hold, and buys what it lacks.

    What both hold goes over as it is, as far as it is needed. Purchases spend what the sales bring at the least.
    """
    shop = _Shop.open(w3, core, market, max_slippage_bps)
    old, new = (read_state(w3, core, address, shop.block) for address in (index, into))
    have = shop.proceeds(old, shares)
    kept = shop.keep(have, new)
    sales, proceeds = shop.sell_all({token: have[token] - kept.get(token, 0) for token in have}, shop.market.weth)
    sure = proceeds * (BPS - max_slippage_bps) // BPS
    purchases, minted, fee = shop.spend(new, shop.market.weth, sure, kept)
    require_mintable(new, minted)
    return ZapPlan(
        kind="migrate",
        block=shop.block,
        deadline=shop.deadline,
        token=index,
        paid=shares,
        index=index,
        version=old.version,
        into=into,
        into_version=new.version,
        expected=minted - fee,
        least=(minted - fee) * (BPS - max_slippage_bps) // BPS,
        calls=(*sales, *purchases),
    )


# --- execution --------------------------------------------------------------------------------------------------------


def execute(w3: Web3, signer: Signer, core: Core, plan: ZapPlan, *, receiver: str | None = None) -> Zapped:
    """Approves exactly what is paid and sends the plan; shares or token go to `receiver` (default: the signer).

    Raises InsufficientBalance before anything is sent, TransactionReverted with the reason otherwise.
    """
    account, zap = address_of(signer), core.contract(w3, "zap")
    to = receiver or account
    _require_paid(w3, plan, account)
    approvals = approve_exactly(w3, signer, core.zap, {plan.token: plan.paid}) if plan.token != ETHER else []
    payment = (plan.token, plan.paid, 0, 0, 0, b"")
    route: tuple[list[Call], list[str], int] = (list(plan.calls), [], plan.deadline)
    if plan.kind == "redeem":
        call = zap.functions.redeem(payment, (plan.version, plan.get, plan.least, to), route)
        event, field = zap.events.ZapRedeem(), "amount"
    elif plan.kind == "migrate":
        order = (plan.into, plan.into_version, plan.shares, plan.least, to)
        call = zap.functions.migrate(payment, plan.version, order, route)
        event, field = zap.events.ZapMigrate(), "sharesOut"
    else:
        order = (plan.index, plan.version, plan.shares, plan.least, to)
        call = zap.functions.mint(payment, order, route)
        event, field = zap.events.ZapMint(), "shares"
    receipt = send(w3, signer, call, value=plan.paid if plan.token == ETHER else 0)
    gas = int(receipt["gasUsed"])
    return Zapped(
        got=int(event.process_receipt(receipt, errors=DISCARD)[0]["args"][field]),
        tx=receipt["transactionHash"].to_0x_hex(),
        block=int(receipt["blockNumber"]),
        gas_used=gas,
        gas_cost=gas * int(receipt["effectiveGasPrice"]),
        approvals=tuple(approvals),
    )


def _require_paid(w3: Web3, plan: ZapPlan, account: str) -> None:
    if plan.token == ETHER:
        held = int(w3.eth.get_balance(Web3.to_checksum_address(account)))
    else:
        held = int(index_contract(w3, plan.token).functions.balanceOf(account).call())
    if held < plan.paid:
        what = "wei" if plan.token == ETHER else f"base units of {plan.token}"
        raise InsufficientBalance(
            f"{account} holds {held} {what}, the zap takes up to {plan.paid}; get more, or zap less"
        )


# --- shopping ---------------------------------------------------------------------------------------------------------


class _Shop:
    """The pools while a plan is made: each purchase finds them as the last one left them."""

    def __init__(self, market: ZapMarket, pools: Mapping[str, Pool], executor: str, block: int, now: int) -> None:
        self.market = market
        self.pools = dict(pools)
        self.executor = executor
        self.block = block
        self.deadline = now + LIFETIME
        self._w3 = Web3()

    @classmethod
    def open(cls, w3: Web3, core: Core, market: ZapMarket, slippage: int) -> _Shop:
        if not 0 <= slippage <= MAX_SLIPPAGE_BPS:
            raise UnitError(f"a slippage of {slippage} bps is outside 0..{MAX_SLIPPAGE_BPS}; 50 is usual")
        number, pools = read_pools(w3, core.multicall3, market.pools)
        executor = str(core.contract(w3, "zap").functions.executor().call())
        return cls(market, pools, executor, number, int(w3.eth.get_block(number)["timestamp"]))

    def wrapped(self, token: str) -> str:
        """What the executor has of a token: ether is wrapped there."""
        return self.market.weth if token == ETHER else token

    # --- baskets ---

    def needs(self, state: IndexState, shares: int) -> tuple[dict[str, int], int]:
        """Component → {tok} that a mint of `shares` takes, with a hair more, and the {share} fee."""
        if shares <= 0:
            raise UnitError(f"{shares} shares: give more than 0, at least 1e-18 of one")
        needs = {}
        for item in state.components:
            exact = -(-shares * item.available // state.supply)
            if exact:
                needs[item.token] = exact + exact // DRIFT + 1
        return needs, -(-shares * state.mint_fee // WAD)

    def proceeds(self, state: IndexState, shares: int) -> dict[str, int]:
        """Component → {tok} that a redemption of `shares` pays at the least."""
        if shares <= 0:
            raise UnitError(f"{shares} shares: give more than 0, at least 1e-18 of one")
        net = shares - -(-shares * state.redeem_fee // WAD)
        exact = {item.token: net * item.available // state.supply for item in state.components}
        return {token: amount - amount // DRIFT - 1 for token, amount in exact.items() if amount > 1}

    def keep(self, have: Mapping[str, int], state: IndexState) -> dict[str, int]:
        """Component → {tok} of `have` that an index of the same value needs."""
        value = sum(self._worth(token, amount) for token, amount in have.items())
        per_share = sum(self._worth(item.token, item.available) for item in state.components)
        shares = value * state.supply // per_share
        needs, _ = self.needs(state, shares)
        return {token: min(amount, needs[token]) for token, amount in have.items() if token in needs}

    # --- sizes ---

    def spend(self, state: IndexState, token: str, amount: int, kept: Mapping[str, int]) -> tuple[list[Call], int, int]:
        """Calls that spend `amount` of `token` on what shares take besides `kept`; those {share} and their fee."""
        before = dict(self.pools)
        shares = self._first_guess(state, token, amount, kept)
        for _ in range(ROUNDS):
            self.pools = dict(before)
            costs = self._costs(state, token, shares, kept)
            total = sum(cost for _, cost in costs.values())
            shares = shares * (amount + self._kept_worth(kept, token)) // max(1, total + self._kept_worth(kept, token))
        self.pools = dict(before)
        costs = self._costs(state, token, shares, kept)
        total = max(1, sum(cost for _, cost in costs.values()))
        calls: list[Call] = []
        bought = dict(kept)
        self.pools = dict(before)
        for component, (route, cost) in costs.items():
            part = amount * cost // total
            if route is None:
                bought[component] = bought.get(component, 0) + part
            elif part:
                self.pools, got = self._after(route, part)
                bought[component] = bought.get(component, 0) + got
                calls.append(self.sell(route, part))
        minted = min(
            shares_for(bought.get(item.token, 0), item.available, state.supply)
            for item in state.components
            if item.available
        )
        if minted == 0:
            raise UnitError(f"{amount} base units of {token} buy no share of {state.symbol}; spend more")
        return calls, minted, -(-minted * state.mint_fee // WAD)

    def sell_all(self, have: Mapping[str, int], token: str) -> tuple[list[Call], int]:
        """Calls that sell everything for `token`, and what they bring."""
        calls: list[Call] = []
        total = 0
        for component, amount in have.items():
            if component == token:
                total += amount
            elif amount > 0:
                try:
                    route, got = best_route(self.pools, sell=component, buy=token, amount=amount)
                except NoQuote:
                    if self._worth(component, amount):
                        raise
                    continue  # dust that no pool pays for returns to the caller
                self.pools, _ = self._after(route, amount)
                calls.append(self.sell(route, amount))
                total += got
        return calls, total

    def cost_of(self, token: str, component: str, need: int) -> tuple[Route, int]:
        """The route that gives `need` for the least, and how much it takes; the pools move."""
        found: list[tuple[int, Route]] = []
        for route in find_routes(self.pools, sell=token, buy=component):
            back = Route(kind=route.kind, pools=route.pools[::-1], tokens=route.tokens[::-1])
            try:
                found.append((self._amount_in(route, need, guess=mid_of_route(self.pools, back, need)), route))
            except NoQuote:
                continue
        if not found:
            raise NoQuote(f"no pools sell {need} base units of {component} for {token}; zap less, or in another token")
        cost, chosen = min(found, key=lambda item: item[0])
        self.pools, _ = self._after(chosen, cost)
        return chosen, cost

    def _amount_in(self, route: Route, need: int, *, guess: int) -> int:
        """The least {tok} for which a route pays `need`, to a billionth; searched upwards from the middle price."""
        low, high = 0, max(1, guess)
        while self._quoted(route, high) < need:
            low, high = high, high + high // 50 + 1
        while high - low > max(1, high // 10**9):
            middle = (low + high) // 2
            low, high = (low, middle) if self._quoted(route, middle) >= need else (middle, high)
        return high

    def _quoted(self, route: Route, amount: int) -> int:
        return self._after(route, amount)[1]

    def _after(self, route: Route, amount: int) -> tuple[dict[str, Pool], int]:
        after, got = quote_route(self.pools, route, amount)
        return {**self.pools, **after}, got

    def _costs(
        self, state: IndexState, token: str, shares: int, kept: Mapping[str, int]
    ) -> dict[str, tuple[Route | None, int]]:
        """Component → route and {tok} of `token` for what `shares` take besides `kept`."""
        needs, _ = self.needs(state, max(1, shares))
        costs: dict[str, tuple[Route | None, int]] = {}
        for component, need in needs.items():
            missing = need - kept.get(component, 0)
            if missing > 0:
                costs[component] = (None, missing) if component == token else self.cost_of(token, component, missing)
        return costs

    def _first_guess(self, state: IndexState, token: str, amount: int, kept: Mapping[str, int]) -> int:
        per_share = sum(self._worth(item.token, item.available) for item in state.components)
        value = self._worth(token, amount) + sum(self._worth(item, held) for item, held in kept.items())
        return max(1, value * state.supply // max(1, per_share))

    def _kept_worth(self, kept: Mapping[str, int], token: str) -> int:
        """{tok} of `token` that what is kept is worth at the pools' middle."""
        rate = self._worth(token, WAD)
        return sum(self._worth(item, held) for item, held in kept.items()) * WAD // rate if rate else 0

    def _worth(self, token: str, amount: int) -> int:
        """{wei} at the pools' middle prices, without fees."""
        if token == self.market.weth or amount == 0:
            return amount
        try:
            route, _ = best_route(self.pools, sell=token, buy=self.market.weth, amount=amount)
        except NoQuote:
            return 0
        return mid_of_route(self.pools, route, amount)

    # --- calls ---

    def buy(self, route: Route, amount: int, most: int) -> Call:
        """Exactly `amount` for at most `most`."""
        if route.kind == "v2":
            arguments: list[object] = [amount, most, list(route.tokens), self.executor, self.deadline]
            return self._call(
                self.market.v2_router, "UniswapV2Router02", "swapTokensForExactTokens", arguments, route, most
            )
        path = self._path(route, backwards=True)
        arguments = [(path, self.executor, self.deadline, amount, most)]
        return self._call(self.market.v3_router, "SwapRouter", "exactOutput", arguments, route, most)

    def sell(self, route: Route, amount: int) -> Call:
        """Exactly `amount` for whatever it brings: the zap bounds the sum."""
        if route.kind == "v2":
            arguments: list[object] = [amount, 0, list(route.tokens), self.executor, self.deadline]
            return self._call(
                self.market.v2_router, "UniswapV2Router02", "swapExactTokensForTokens", arguments, route, amount
            )
        arguments = [(self._path(route), self.executor, self.deadline, amount, 0)]
        return self._call(self.market.v3_router, "SwapRouter", "exactInput", arguments, route, amount)

    def _path(self, route: Route, *, backwards: bool = False) -> bytes:
        """Tokens and fees in turn, as the V3 router reads them; an exact purchase is written from its end."""
        steps: list[bytes] = [bytes.fromhex(route.tokens[0][2:])]
        for pool, token in zip(route.pools, route.tokens[1:], strict=True):
            steps += [self.pools[pool].fee.to_bytes(3), bytes.fromhex(token[2:])]
        return b"".join(reversed(steps) if backwards else steps)

    def _call(
        self, router: str, kind: str, function: str, arguments: Sequence[object], route: Route, amount: int
    ) -> Call:
        contract = at(self._w3, vendor(kind), router)
        data = bytes.fromhex(contract.encode_abi(function, list(arguments))[2:])
        return (router, 0, route.tokens[0], router, amount, data)
