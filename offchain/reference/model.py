"""A whole index in Python integers: what the contracts do, call by call, to the last unit and with the same refusals.

`IndexModel` is the twin of `IndexToken`, `GuardModel` of `ExchangeGuard`, `PlanModel` of `Rebalancer`. Every verb takes
`now` {s}; a refusal raises `Reverted` with the contract's error name and changes nothing. Tokens are ledgers
(`TokenLedger`): `PlainToken` is a good citizen, tests bring bad ones.

    model = IndexModel(components=["btc", "eth"], tokens={"btc": PlainToken(), "eth": PlainToken()}, …)
    model.bootstrap(10**21, receiver="alice", now=0)
    amounts = model.mint("bob", 10**18, receiver="bob", now=3600)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from offchain.reference import auction_math, basket_math, budget_math, constants, fee_math, trade_math
from offchain.reference.basket_math import SupplyWord
from offchain.reference.constants import D27, PPM, WAD, YEAR
from offchain.reference.integers import Reverted, full_mul_div, uint, zero_floor_sub

UNLIMITED = 2**256 - 1
FOREVER = 2**32 - 1  # {s} mintPausedUntil of a deprecated index

Key = TypeVar("Key")


class TokenLedger(Protocol):
    """What the index needs of a token. Both verbs raise Reverted where the token would revert or return false."""

    def balance_of(self, account: str) -> int:
        """{tok}; Reverted("BalanceUnreadable") if the token does not answer."""

    def transfer(self, sender: str, receiver: str, amount: int) -> None:
        """Moves {tok}; Reverted("TransferFailed") if the token refuses."""

    def save(self) -> object:
        """Everything that `restore` needs."""

    def restore(self, saved: object) -> None:
        """Goes back to what `save` gave."""


@dataclass(kw_only=True)
class PlainToken:
    """An ERC-20 that does what it says."""

    balances: dict[str, int] = field(default_factory=dict)

    def balance_of(self, account: str) -> int:
        return self.balances.get(account, 0)

    def transfer(self, sender: str, receiver: str, amount: int) -> None:
        held = self.balances.get(sender, 0)
        if held < amount:
            raise Reverted("TransferFailed", held, amount)
        self.balances[sender] = held - amount
        self.balances[receiver] = self.balances.get(receiver, 0) + amount

    def save(self) -> object:
        return dict(self.balances)

    def restore(self, saved: object) -> None:
        assert isinstance(saved, dict)
        self.balances = saved


def add(ledger: MutableMapping[Key, int], key: Key, amount: int) -> None:
    ledger[key] = ledger.get(key, 0) + amount


# --- IndexToken -----------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class IndexModel:
    """IndexToken. Amounts are {tok} in component order; fees D18; `supply_cap` is in whole shares as in its setter."""

    tokens: dict[str, TokenLedger]
    components: list[str]
    fee_recipient: str
    address: str = "index"
    streaming_fee: int = 0
    mint_fee: int = 0
    redeem_fee: int = 0
    supply_cap: int = 0

    version: int = 1
    streaming_rate: int = 0
    supply: SupplyWord = SupplyWord(base=0, issued=0, since=0)
    shares: dict[str, int] = field(default_factory=dict)
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)
    claim_of: dict[tuple[str, str], int] = field(default_factory=dict)
    claims_owed: dict[str, int] = field(default_factory=dict)
    mint_paused_until: int = 0
    exchange_paused_until: int = 0
    mint_pause_used: bool = False
    exchange_pause_used: bool = False
    abdicated: set[str] = field(default_factory=set)
    rebalancer: str = "rebalancer"
    fee_module: str | None = None
    module_used: tuple[int, int] = (0, 0)  # D18{1} of supply as of {s}
    notices: dict[tuple[str, int], int] = field(default_factory=dict)  # {s} from when a setter accepts a higher fee

    def __post_init__(self) -> None:
        self.streaming_rate = fee_math.streaming_rate(
            _bound("streamingFee", self.streaming_fee, 0, constants.MAX_STREAMING_FEE)
        )
        _bound("mintFee", self.mint_fee, 0, constants.MAX_MINT_FEE)
        _bound("redeemFee", self.redeem_fee, 0, constants.MAX_REDEEM_FEE)
        self.supply_cap = _bound("supplyCap", self.supply_cap or 2**48 - 1, 1, 2**48 - 1)

    # --- views

    def total_supply(self, now: int) -> int:
        return self._effective(now)

    def pending_fee_shares(self, now: int) -> int:
        return self.total_supply(now) - self.supply.issued

    def balance(self, token: str) -> int:
        return self.tokens[token].balance_of(self.address)

    def available(self, token: str) -> int:
        """{tok} less claims; Reverted if the token does not answer."""
        return basket_math.available(self.balance(token), self.claims_owed.get(token, 0))

    def available_or_zero(self, token: str) -> int:
        """{tok} less claims; zero for a token that does not answer."""
        try:
            return self.available(token)
        except Reverted:
            return 0

    def reserves(self) -> list[int]:
        return [self.available(token) for token in self.components]

    @property
    def claims_mask(self) -> int:
        return sum(1 << i for i, token in enumerate(self.components) if self.claims_owed.get(token, 0))

    @property
    def deprecated(self) -> bool:
        return self.mint_paused_until == FOREVER

    def preview_mint(self, shares: int, now: int) -> tuple[list[int], int]:
        supply = self.total_supply(now)
        amounts = [basket_math.amount_in(shares, available, supply) for available in self.reserves()]
        return amounts, fee_math.one_off_fee(shares, self.mint_fee)

    def preview_redeem(self, shares: int, now: int) -> tuple[list[int], int]:
        fee = fee_math.one_off_fee(shares, self.redeem_fee)
        supply = self.total_supply(now)
        return [basket_math.amount_out(uint(shares - fee), available, supply) for available in self.reserves()], fee

    # --- investor

    def bootstrap(self, shares: int, *, receiver: str, now: int) -> list[int]:
        """The first shares, against whatever the index already holds of each component."""
        with self.atomic():
            if self.supply.issued:
                raise Reverted("AlreadyBootstrapped")
            if shares <= constants.LOCKED_SHARES:
                raise Reverted("ZeroShares")
            cap = self.supply_cap * WAD
            if shares > cap:
                raise Reverted("SupplyCapExceeded", 0, shares, cap)
            amounts = [self.balance(token) for token in self.components]
            if 0 in amounts:
                raise Reverted("ShortDelivery", self.components[amounts.index(0)], 0, 1)
            self.supply = SupplyWord(base=0, issued=0, since=now)
            locked = constants.LOCKED_SHARES
            self._enter(constants.LOCKED_SHARES_HOLDER.lower(), received=locked, supply=locked, now=now)
            self._enter(receiver, received=shares - locked, supply=shares, now=now)
            return amounts

    def mint(
        self,
        caller: str,
        shares: int,
        *,
        receiver: str,
        now: int,
        version: int | None = None,
        max_in: Sequence[int] | None = None,
    ) -> list[int]:
        """{tok} taken of each component, rounded up."""
        with self.atomic():
            if now < self.mint_paused_until:
                raise Reverted("MintPaused", self.mint_paused_until)
            limits = list(max_in) if max_in is not None else [UNLIMITED] * len(self.components)
            self._check_basket(shares, version, len(limits))
            supply = self._effective(now)
            cap = self.supply_cap * WAD
            if uint(supply + shares) > cap:
                raise Reverted("SupplyCapExceeded", supply, shares, cap)
            fee = fee_math.one_off_fee(shares, self.mint_fee)
            amounts = []
            for token, limit in zip(self.components, limits, strict=True):
                before = self.balance(token)
                amount = basket_math.amount_in(shares, self.available(token), supply)
                if amount > limit:
                    raise Reverted("AmountInTooHigh", token, amount, limit)
                amounts.append(amount)
                if amount:
                    self.tokens[token].transfer(caller, self.address, amount)
                    received = zero_floor_sub(self.balance(token), before)
                    if received < amount:
                        raise Reverted("ShortDelivery", token, received, amount)
            if not any(amounts):
                raise Reverted("NothingBacking")
            self._enter(receiver, received=shares - fee, supply=supply + shares, now=now)
            return amounts

    def redeem(
        self,
        caller: str,
        shares: int,
        *,
        receiver: str,
        now: int,
        owner: str | None = None,
        version: int | None = None,
        min_out: Sequence[int] | None = None,
        defer_mask: int = 0,
    ) -> list[int]:
        """{tok} paid or deferred of each component, rounded down."""
        with self.atomic():
            owner = caller if owner is None else owner
            limits = list(min_out) if min_out is not None else [0] * len(self.components)
            self._check_basket(shares, version, len(limits))
            if caller != owner:
                self._spend_allowance(owner, caller, shares)
            fee = fee_math.one_off_fee(shares, self.redeem_fee)
            supply = self._effective(now)
            self._take_shares(owner, shares)
            self.supply = basket_math.leave(self.supply, burned=shares, supply=supply - (shares - fee), now=now)
            amounts = []
            for i, (token, limit) in enumerate(zip(self.components, limits, strict=True)):
                defer = defer_mask >> i & 1
                available = self.available_or_zero(token) if defer else self.available(token)
                amount = basket_math.amount_out(shares - fee, available, supply)
                amounts.append(amount)
                if amount and defer:
                    add(self.claim_of, (token, receiver), amount)
                    add(self.claims_owed, token, amount)
                elif amount:
                    self.tokens[token].transfer(self.address, receiver, amount)
                if amount < limit:
                    raise Reverted("AmountOutTooLow", token, amount, limit)
            return amounts

    def claim(self, caller: str, token: str, *, account: str, receiver: str) -> int:
        with self.atomic():
            if account not in (caller, receiver):
                raise Reverted("ClaimNotYours", caller, account)
            amount = self.claim_of.get((token, account), 0)
            if not amount:
                raise Reverted("ClaimEmpty", token, account)
            self.claim_of[token, account] = 0
            self.claims_owed[token] -= amount
            self.tokens[token].transfer(self.address, receiver, amount)
            return amount

    def collect(self, now: int) -> int:
        with self.atomic():
            self.supply, fee_shares = basket_math.collect(self.supply, rate=self.streaming_rate, now=now)
            add(self.shares, self.fee_recipient, fee_shares)
            return fee_shares

    def burn(self, caller: str, shares: int, now: int) -> None:
        with self.atomic():
            if not shares:
                raise Reverted("ZeroShares")
            supply = self._effective(now)
            self._take_shares(caller, shares)
            self.supply = basket_math.leave(self.supply, burned=shares, supply=supply - shares, now=now)

    def transfer(self, sender: str, receiver: str, shares: int) -> None:
        with self.atomic():
            self._take_shares(sender, shares)
            add(self.shares, receiver, shares)

    def approve(self, owner: str, spender: str, shares: int) -> None:
        self.allowances[owner, spender] = shares

    # --- module

    def exchange(
        self,
        *,
        outs: Sequence[tuple[str, int]],
        ins: Sequence[tuple[str, int]],
        delivered: Sequence[int],
        payee: str,
        taker: str,
        now: int,
    ) -> tuple[list[int], list[int]]:
        """What left and what arrived, {tok}; `delivered` is what the taker sends for each of `ins`. No guard is asked."""
        with self.atomic():
            if now < self.exchange_paused_until:
                raise Reverted("ExchangePaused", self.exchange_paused_until)
            seen: set[str] = set()
            for token, _ in (*outs, *ins):
                if token not in self.components:
                    raise Reverted("ComponentUnknown", token)
                if token in seen:
                    raise Reverted("ExchangeTokenRepeated", token)
                seen.add(token)
            before_in = [self.balance(token) for token, _ in ins]
            before_out = []
            for token, amount in outs:
                before_out.append(self.balance(token))
                if self.available(token) < amount:
                    raise Reverted("AvailableTooLow", token, self.available(token), amount)
                self.tokens[token].transfer(self.address, payee, amount)
            for (token, _), amount in zip(ins, delivered, strict=True):
                if amount:
                    self.tokens[token].transfer(taker, self.address, amount)
            sold = [zero_floor_sub(old, self.balance(token)) for (token, _), old in zip(outs, before_out, strict=True)]
            for (token, amount), left in zip(outs, sold, strict=True):
                if left > amount:
                    raise Reverted("SoldTooMuch", token, left, amount)
            bought = []
            for (token, least), old in zip(ins, before_in, strict=True):
                arrived = zero_floor_sub(self.balance(token), old)
                if arrived < least:
                    raise Reverted("ShortDelivery", token, arrived, least)
                bought.append(arrived)
            return sold, bought

    def module_fee_left(self, now: int) -> int:
        """D18{1} of the supply that modules may still mint at `now`."""
        used, updated_at = self.module_used
        return constants.MAX_MODULE_FEE - budget_math.used_after(
            used, constants.MAX_MODULE_FEE, constants.MODULE_FEE_WINDOW, now - updated_at
        )

    def mint_fee_shares(self, caller: str, shares: int, *, receiver: str, now: int) -> None:
        """The guard, which the rebalancer's calls are charged to, is not asked."""
        with self.atomic():
            if caller not in (self.rebalancer, self.fee_module):
                raise Reverted("NotFeeModule", caller)
            if not shares:
                raise Reverted("ZeroShares")
            supply, left = self._effective(now), self.module_fee_left(now)
            fraction = budget_math.fraction_up(shares, supply)
            if fraction > left:
                raise Reverted("ModuleFeeExceeded", fraction, left)
            self._enter(receiver, received=shares, supply=supply + shares, now=now)
            self.module_used = (constants.MAX_MODULE_FEE - left + fraction, now)

    def update_components(self, remove_mask: int, additions: Sequence[str], *, now: int) -> None:
        with self.atomic():
            if now < self.exchange_paused_until:
                raise Reverted("ExchangePaused", self.exchange_paused_until)
            kept = []
            for i, token in enumerate(self.components):
                if remove_mask >> i & 1:
                    if available := self.available(token):
                        raise Reverted("ComponentNotEmpty", token, available)
                else:
                    kept.append(token)
            count = len(kept) + len(additions)
            if count > constants.MAX_COMPONENTS:
                raise Reverted("TooManyComponents", count, constants.MAX_COMPONENTS)
            for token in additions:
                if token not in self.tokens or token in kept:
                    raise Reverted("ComponentInvalid", token)
                kept.append(token)
            self.components = kept
            self.version += 1

    # --- governor and guardian

    def set_streaming_fee(self, annual_fee: int, now: int) -> None:
        rate = fee_math.streaming_rate(_bound("streamingFee", annual_fee, 0, constants.MAX_STREAMING_FEE))
        self._require_notice("setStreamingFee", annual_fee, self.streaming_fee, now)
        self.supply = basket_math.rebase(self.supply, rate=self.streaming_rate, now=now)
        self.streaming_fee, self.streaming_rate = annual_fee, rate

    def set_mint_fee(self, fee: int, now: int) -> None:
        _bound("mintFee", fee, 0, constants.MAX_MINT_FEE)
        self._require_notice("setMintFee", fee, self.mint_fee, now)
        self.mint_fee = fee

    def set_redeem_fee(self, fee: int, now: int) -> None:
        _bound("redeemFee", fee, 0, constants.MAX_REDEEM_FEE)
        self._require_notice("setRedeemFee", fee, self.redeem_fee, now)
        self.redeem_fee = fee

    def announce_fee(self, setter: str, fee: int, now: int) -> None:
        self.notices[setter, fee] = now + constants.FEE_NOTICE

    def set_fee_module(self, module: str | None) -> None:
        self.fee_module = module

    def set_fee_recipient(self, recipient: str, now: int) -> None:
        self.collect(now)
        self.fee_recipient = recipient

    def set_supply_cap(self, whole_shares: int) -> None:
        self.supply_cap = _bound("supplyCap", whole_shares or 2**48 - 1, 1, 2**48 - 1)

    def pause_mint(self, duration: int, now: int) -> None:
        if self.mint_pause_used:
            raise Reverted("PauseNotArmed")
        self.mint_paused_until = self._pause_end(duration, now)
        self.mint_pause_used = True

    def pause_exchange(self, duration: int, now: int) -> None:
        if self.exchange_pause_used:
            raise Reverted("PauseNotArmed")
        self.exchange_paused_until = self._pause_end(duration, now)
        self.exchange_pause_used = True

    def arm_pauses(self) -> None:
        if self.deprecated:
            raise Reverted("Deprecated")
        self.mint_pause_used = self.exchange_pause_used = False
        self.mint_paused_until = self.exchange_paused_until = 0

    def deprecate(self) -> None:
        self.mint_paused_until = self.exchange_paused_until = FOREVER

    # --- internals

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """What happens inside happens wholly or, with Reverted, not at all."""
        words = (self.supply, self.components, self.version, self.module_used)
        ledgers = (dict(self.shares), dict(self.allowances), dict(self.claim_of), dict(self.claims_owed))
        saved = {name: token.save() for name, token in self.tokens.items()}
        try:
            yield
        except Reverted:
            self.supply, self.components, self.version, self.module_used = words
            self.shares, self.allowances, self.claim_of, self.claims_owed = ledgers
            for name, token in self.tokens.items():
                token.restore(saved[name])
            raise

    def _require_notice(self, setter: str, fee: int, old: int, now: int) -> None:
        """A fee only rises when that was announced in time; each announcement serves once."""
        if fee <= old:
            return
        earliest = self.notices.get((setter, fee), 0)
        if not earliest or now < earliest:
            raise Reverted("FeeNotDue", setter, fee, earliest)
        del self.notices[setter, fee]

    def _effective(self, now: int) -> int:
        return basket_math.effective_supply(self.supply, self.streaming_rate, now)

    def _check_basket(self, shares: int, version: int | None, length: int) -> None:
        if not shares:
            raise Reverted("ZeroShares")
        if version is not None and version != self.version:
            raise Reverted("BasketChanged", self.version, version)
        if length != len(self.components):
            raise Reverted("LengthMismatch", length, len(self.components))

    def _enter(self, account: str, *, received: int, supply: int, now: int) -> None:
        self.supply = basket_math.enter(self.supply, received=received, supply=supply, now=now)
        add(self.shares, account, received)

    def _take_shares(self, account: str, shares: int) -> None:
        held = self.shares.get(account, 0)
        if held < shares:
            raise Reverted("BalanceTooLow", account, held, shares)
        self.shares[account] = held - shares

    def _spend_allowance(self, owner: str, spender: str, shares: int) -> None:
        allowed = self.allowances.get((owner, spender), 0)
        if allowed == UNLIMITED:
            return
        if allowed < shares:
            raise Reverted("AllowanceTooLow", owner, spender, allowed, shares)
        self.allowances[owner, spender] = allowed - shares

    def _pause_end(self, duration: int, now: int) -> int:
        if self.deprecated:
            raise Reverted("Deprecated")
        return now + _bound("pause", duration, 1, constants.MAX_PAUSE)


# --- ExchangeGuard --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Limits:
    """IExchangeGuard.Limits: capacities D18{1} of NAV, windows and age {s}."""

    loss_capacity: int
    loss_window: int
    turnover_capacity: int
    turnover_window: int
    valuation_max_age: int

    def __post_init__(self) -> None:
        _bound("lossCapacity", self.loss_capacity, 0, constants.MAX_LOSS_CAPACITY)
        _bound("lossWindow", self.loss_window, constants.MIN_WINDOW, constants.MAX_WINDOW)
        _bound("turnoverCapacity", self.turnover_capacity, 0, constants.MAX_TURNOVER_CAPACITY)
        _bound("turnoverWindow", self.turnover_window, constants.MIN_WINDOW, constants.MAX_WINDOW)
        _bound("valuationMaxAge", self.valuation_max_age, 0, constants.MAX_VALUATION_AGE)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """IExchangeGuard.Budget: what is used, D18{1}, as of `updated_at` {s}."""

    loss_used: int = 0
    turnover_used: int = 0
    updated_at: int


@dataclass(kw_only=True)
class GuardModel:
    """ExchangeGuard for one index. `prices` maps token to D27{nUSD/tok}, zero or missing where there is none."""

    index: IndexModel
    limits: Limits
    budget: Budget
    nav_per_share: int = 0  # D27{nUSD/share} of the last valuation
    valued_at: int = 0

    def revalue(self, prices: Mapping[str, int], now: int) -> int:
        """D27{nUSD/share} at these prices; a component without a price or a balance counts as zero."""
        supply = self.index.total_supply(now)
        worth = 0
        for token in self.index.components:
            if price := prices.get(token, 0):
                worth = uint(worth + trade_math.value_down(self.index.available_or_zero(token), price))
        nav_per_share = trade_math.nav_per_share(worth, supply)
        if not 0 < nav_per_share < 1 << 216:
            raise Reverted("ValuationZero")
        self.nav_per_share, self.valued_at = nav_per_share, now
        return nav_per_share

    def used(self, now: int) -> tuple[int, int]:
        """D18{1} of the loss and the turnover budget in use at `now`."""
        budget = self._drained(now)
        return budget.loss_used, budget.turnover_used

    def check(
        self,
        *,
        sold: Sequence[tuple[str, int]],
        bought: Sequence[tuple[str, int]],
        prices: Mapping[str, int],
        now: int,
    ) -> tuple[int, int]:
        """Charges an exchange that has happened in `index`; the D18{1} loss and turnover, or Reverted."""
        saved = (self.nav_per_share, self.valued_at)
        try:
            if not self.nav_per_share or now - self.valued_at > self.limits.valuation_max_age:
                self.revalue(prices, now)
            nav = full_mul_div(self.nav_per_share, self.index.total_supply(now), D27)
            if not nav:
                raise Reverted("ValuationZero")
            value_out = sum(trade_math.value_up(amount, price_of(prices, token)) for token, amount in sold)
            value_in = sum(trade_math.value_down(amount, price_of(prices, token)) for token, amount in bought)
            loss = budget_math.fraction_up(zero_floor_sub(value_out, value_in), nav)
            turnover = budget_math.fraction_up(value_out, nav)
            self._charge(loss, turnover, now)
        except Reverted:
            self.nav_per_share, self.valued_at = saved
            raise
        return loss, turnover

    def set_limits(self, limits: Limits, now: int) -> None:
        self.budget, self.limits = self._drained(now), limits

    def charge_fee(self, shares: int, supply: int, now: int) -> None:
        """Shares that the rebalancer mints are a loss of the others."""
        self._charge(budget_math.fraction_up(shares, supply), 0, now)

    def _charge(self, loss: int, turnover: int, now: int) -> None:
        budget = self._drained(now)
        loss_left = zero_floor_sub(self.limits.loss_capacity, budget.loss_used)
        turnover_left = zero_floor_sub(self.limits.turnover_capacity, budget.turnover_used)
        if loss > loss_left:
            raise Reverted("LossBudgetExceeded", loss, loss_left)
        if turnover > turnover_left:
            raise Reverted("TurnoverBudgetExceeded", turnover, turnover_left)
        self.budget = replace(budget, loss_used=budget.loss_used + loss, turnover_used=budget.turnover_used + turnover)

    def _drained(self, now: int) -> Budget:
        elapsed, limits = now - self.budget.updated_at, self.limits
        return Budget(
            loss_used=budget_math.used_after(self.budget.loss_used, limits.loss_capacity, limits.loss_window, elapsed),
            turnover_used=budget_math.used_after(
                self.budget.turnover_used, limits.turnover_capacity, limits.turnover_window, elapsed
            ),
            updated_at=now,
        )


# --- Rebalancer -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Policy:
    """IRebalancer.Policy: slippage {ppm}, times {s}, sizes D18{1}."""

    max_slippage: int
    cooldown: int
    min_interval: int
    max_duration: int
    max_trade: int
    max_weight: int

    def __post_init__(self) -> None:
        _bound("maxSlippage", self.max_slippage, 0, constants.MAX_SLIPPAGE)
        _bound("cooldown", self.cooldown, 0, constants.MAX_COOLDOWN)
        _bound("minInterval", self.min_interval, 0, constants.MAX_WINDOW)
        _bound("maxDuration", self.max_duration, 1, constants.MAX_PLAN_DURATION)
        _bound("maxTrade", self.max_trade, 1, WAD)
        _bound("maxWeight", self.max_weight, 1, WAD)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """IRebalancer.Plan. `turnover` D18 of NAV, `scale`, `rebalance_fee` and `keeper_tip` {ppm}."""

    id: int = 0
    steps: int = 0
    started_at: int = 0
    expires_at: int = 0
    turnover: int = 0
    scale: int = PPM
    noted: bool = False
    manual: bool = False
    streaming_rate: int = 0
    nav_per_share: int = 0
    rebalance_fee: int = 0
    keeper_tip: int = 0


@dataclass(frozen=True, kw_only=True)
class AuctionPolicy:
    """IAuctionHouse.AuctionPolicy: {ppm} and {s}."""

    max_premium: int
    max_discount: int
    min_duration: int
    max_duration: int
    warm_up: int = 0
    strategist_window: int = 0
    rebalance_fee: int = 0
    keeper_tip: int = 0


LINEAR, EXPONENTIAL = 0, 1


@dataclass(frozen=True, kw_only=True)
class Auction:
    """IAuctionHouse.Auction: offsets {ppm}, times {s}."""

    plan_id: int = 0
    id: int = 0
    starts_at: int = 0
    ends_at: int = 0
    start_ppm: int = 0
    end_ppm: int = 0
    curve: int = LINEAR

    def factor(self, now: int) -> int:
        """{ppm} of the price at `now`."""
        start, end = PPM + self.start_ppm, PPM + self.end_ppm
        curve = auction_math.linear if self.curve == LINEAR else auction_math.decay
        return curve(start, end, now - self.starts_at, self.ends_at - self.starts_at)


@dataclass(frozen=True, kw_only=True)
class Target:
    """IRebalancer.Target: `unit` D27{tok/share}."""

    plan_id: int = 0
    last_trade_at: int = 0
    unit: int = 0


@dataclass(kw_only=True)
class PlanModel:
    """Rebalancer for one index: plan, targets and swaps. `prices` as in GuardModel; `rates` {ppm} of turnover that the
    auction policy pays to the fee recipient and to whoever ends the plan."""

    index: IndexModel
    guard: GuardModel
    policy: Policy
    allowed: set[str]
    rates: tuple[int, int] = (0, 0)
    plan: Plan = Plan(scale=0)
    auction_policy: AuctionPolicy = AuctionPolicy(max_premium=0, max_discount=0, min_duration=0, max_duration=0)
    auction: Auction = Auction()
    targets: dict[str, Target] = field(default_factory=dict)

    def start_plan(
        self,
        *,
        plan_id: int,
        weights: Sequence[int],
        duration: int,
        prices: Mapping[str, int],
        now: int,
        caller: str = "",
        additions: Sequence[str] = (),
        version: int | None = None,
    ) -> list[int]:
        """D27{tok/share} target units of the components and then the additions."""
        with self.atomic():
            self._check_start(plan_id, version, duration, now)
            self._settle_fees(caller, now)
            tokens = [*self.index.components, *additions]
            if len(weights) != len(tokens):
                raise Reverted("LengthMismatch", len(weights), len(tokens))
            held = [self.index.available_or_zero(token) for token in self.index.components]
            worth = sum(
                trade_math.value_down(amount, prices.get(token, 0))
                for token, amount in zip(self.index.components, held, strict=True)
            )
            nav_per_share = trade_math.nav_per_share(worth, self.index.total_supply(now))
            if not nav_per_share:
                raise Reverted("ValuationZero")
            units = [
                self._unit(token, weight, nav_per_share, prices) for token, weight in zip(tokens, weights, strict=True)
            ]
            if sum(weights) != WAD:
                raise Reverted("WeightsSumInvalid", sum(weights))
            for token, unit in zip(tokens, units, strict=True):
                if prices.get(token, 0):
                    self.targets[token] = replace(self.targets.get(token, Target()), plan_id=plan_id, unit=unit)
            self.plan = Plan(
                id=plan_id, started_at=now, expires_at=now + duration, noted=self.index.fee_module is not None,
                streaming_rate=self.index.streaming_rate, nav_per_share=nav_per_share,
                rebalance_fee=self.rates[0], keeper_tip=self.rates[1],
            )  # fmt: skip
            self.guard.revalue(prices, now)
            remove_mask = 0
            for i, (token, weight) in enumerate(zip(tokens, weights, strict=True)):
                if weight:
                    continue
                if i >= len(held):
                    raise Reverted("AdditionWithoutWeight", token)
                if self._is_empty(token):
                    remove_mask |= 1 << i
            if remove_mask or additions:
                self.index.update_components(remove_mask, additions, now=now)
            return units

    def gap(self, token: str, now: int) -> tuple[int, int]:
        """{tok} above and below target; zeros without a target in the live plan."""
        if now >= self.plan.expires_at or self.targets.get(token, Target()).plan_id != self.plan.id:
            return 0, 0
        return self._gap(token, now)

    def floor(self, sell: str, buy: str, sell_amount: int, prices: Mapping[str, int]) -> int:
        """The least {tok} of `buy` for `sell_amount`."""
        sell_price, buy_price = price_of(prices, sell), price_of(prices, buy)
        return trade_math.min_buy(sell_amount, sell_price, buy_price, PPM - self.policy.max_slippage)

    def swap(
        self,
        *,
        plan_id: int,
        step: int,
        sell: str,
        buy: str,
        sell_amount: int,
        min_buy: int,
        delivered: int,
        payee: str,
        taker: str,
        prices: Mapping[str, int],
        now: int,
    ) -> tuple[int, int]:
        """{tok} sold and bought through a taker that sends `delivered`, charged to the guard's budgets."""
        with self.atomic():
            plan = self.plan
            if plan.id != plan_id:
                raise Reverted("PlanMismatch", plan_id, plan.id)
            if now >= plan.expires_at:
                raise Reverted("PlanExpired", plan_id, plan.expires_at)
            if step != plan.steps:
                raise Reverted("StepMismatch", step, plan.steps)
            sell_price = price_of(prices, sell)
            price_of(prices, buy)
            deficit, turnover = self._check_size(sell, buy, sell_amount, sell_price, now)
            floor = self.floor(sell, buy, sell_amount, prices)
            self.plan = replace(plan, steps=plan.steps + 1, turnover=turnover)
            if self.policy.cooldown:
                self._start_cooldown(sell, now)
                self._start_cooldown(buy, now)
            (sold,), (bought,) = self.index.exchange(
                outs=[(sell, sell_amount)], ins=[(buy, max(floor, min_buy))], delivered=[delivered],
                payee=payee, taker=taker, now=now,
            )  # fmt: skip
            self.guard.check(sold=[(sell, sold)], bought=[(buy, bought)], prices=prices, now=now)
            if bought > deficit:
                raise Reverted("DeficitExceeded", buy, bought, deficit)
            self._drop_sold_out(sell, now)
            return sold, bought

    # --- auctions of oracle plans (AuctionHouse)

    def set_auction_policy(self, policy: AuctionPolicy) -> None:
        self.auction_policy = policy
        self.rates = (policy.rebalance_fee, policy.keeper_tip)

    def open_auction(
        self,
        *,
        plan_id: int,
        auction_id: int,
        start_ppm: int,
        end_ppm: int,
        duration: int,
        curve: int,
        now: int,
        is_strategist: bool,
    ) -> None:
        policy, last = self.auction_policy, self.auction
        self._check_live(plan_id, now)
        if not policy.max_duration:
            raise Reverted("AuctionsDisabled")
        if auction_id != last.id + 1:
            raise Reverted("AuctionMismatch", auction_id, last.id + 1)
        if last.plan_id == plan_id and now <= last.ends_at:
            raise Reverted("AuctionLive", last.id, last.ends_at)
        default = (policy.max_premium, -policy.max_discount, policy.max_duration, EXPONENTIAL)
        is_public = now >= self.plan.started_at + policy.strategist_window
        if not is_strategist and not (is_public and (start_ppm, end_ppm, duration, curve) == default):
            raise Reverted("NotAuthorized")
        _bound("endPpm", PPM + end_ppm, PPM - policy.max_discount, PPM + policy.max_premium)
        _bound("startPpm", PPM + start_ppm, PPM + end_ppm, PPM + policy.max_premium)
        _bound("duration", duration, policy.min_duration, policy.max_duration)
        starts_at = now + policy.warm_up
        self.auction = Auction(
            plan_id=plan_id, id=auction_id, starts_at=starts_at, ends_at=starts_at + duration,
            start_ppm=start_ppm, end_ppm=end_ppm, curve=curve,
        )  # fmt: skip

    def close_auction(self, auction_id: int, now: int, *, may_close: bool) -> None:
        if not may_close:
            raise Reverted("NotAuthorized")
        if auction_id != self.auction.id:
            raise Reverted("AuctionMismatch", auction_id, self.auction.id)
        if now > self.auction.ends_at:
            raise Reverted("AuctionNotLive", auction_id)
        self.auction = replace(self.auction, ends_at=0)

    def fill_size(self, sell: str, buy: str, max_sell: int, prices: Mapping[str, int], now: int) -> tuple[int, int]:
        """{tok} that a fill of at most `max_sell` gets at `now`, rounded down, and pays, rounded up."""
        for token in (sell, buy):
            if self.targets.get(token, Target()).plan_id != self.plan.id:
                raise Reverted("TokenNotInPlan", token)
        factor = self.auction.factor(now)
        sell_price, buy_price = price_of(prices, sell), price_of(prices, buy)
        surplus, deficit = self._gap(sell, now)[0], self._gap(buy, now)[1]
        sold = min(trade_math.max_sell(deficit, sell_price, buy_price, factor), max_sell, surplus)
        return sold, trade_math.min_buy(sold, sell_price, buy_price, factor)

    def fill(
        self,
        *,
        plan_id: int,
        auction_id: int,
        sell: str,
        buy: str,
        min_sell: int,
        max_sell: int,
        max_buy: int,
        extra: int,
        payee: str,
        taker: str,
        prices: Mapping[str, int],
        now: int,
    ) -> tuple[int, int]:
        """{tok} sold and bought by a filler whose taker delivers `extra` more than it owes."""
        with self.atomic():
            self._check_live(plan_id, now)
            for token in (sell, buy):
                if self.targets.get(token, Target()).plan_id != plan_id:
                    raise Reverted("TokenNotInPlan", token)
            auction = self.auction
            if (auction.id, auction.plan_id) != (auction_id, plan_id):
                raise Reverted("AuctionMismatch", auction_id, auction.id)
            if not auction.starts_at <= now <= auction.ends_at:
                raise Reverted("AuctionNotLive", auction_id)
            deficit = self._gap(buy, now)[1]
            amount, due = self.fill_size(sell, buy, max_sell, prices, now)
            if not amount or amount < min_sell:
                raise Reverted("FillTooSmall", sell, amount, min_sell)
            if due > max_buy:
                raise Reverted("FillTooExpensive", buy, due, max_buy)
            nav = full_mul_div(self.plan.nav_per_share, self.index.total_supply(now), D27)
            value = trade_math.value_up(amount, price_of(prices, sell))
            self.plan = replace(self.plan, turnover=trade_math.turnover_after(self.plan.turnover, value, nav))
            (sold,), (bought,) = self.index.exchange(
                outs=[(sell, amount)], ins=[(buy, due)], delivered=[due + extra], payee=payee, taker=taker, now=now
            )
            self.guard.check(sold=[(sell, sold)], bought=[(buy, bought)], prices=prices, now=now)
            if bought > deficit:
                raise Reverted("DeficitExceeded", buy, bought, deficit)
            self._drop_sold_out(sell, now)
            return sold, bought

    def scale_plan(self, plan_id: int, scale: int, now: int) -> None:
        """Scales all targets of the live plan by {ppm}, once."""
        self._check_live(plan_id, now)
        if self.plan.scale != PPM:
            raise Reverted("PlanScaled", plan_id, self.plan.scale)
        self.plan = replace(
            self.plan, scale=_bound("scale", scale, PPM - constants.MAX_SCALE, PPM + constants.MAX_SCALE)
        )

    def end_plan(self, plan_id: int, now: int, *, is_strategist: bool, caller: str = "") -> None:
        with self.atomic():
            if self.plan.id != plan_id or not self.plan.expires_at:
                raise Reverted("PlanMismatch", plan_id, self.plan.id)
            if now < self.plan.expires_at and not is_strategist:
                raise Reverted("NotAuthorized")
            if now >= self.index.exchange_paused_until:
                remove_mask = 0
                for i, token in enumerate(self.index.components):
                    target = self.targets.get(token, Target())
                    if target.plan_id == plan_id and not target.unit and self._is_empty(token):
                        remove_mask |= 1 << i
                if remove_mask:
                    self.index.update_components(remove_mask, (), now=now)
            self._settle_fees(caller, now)
            self.plan = replace(self.plan, expires_at=0)

    def _settle_fees(self, caller: str, now: int) -> None:
        """Tip and fee of a plan that was not settled yet, as far as the bounds leave room."""
        plan = self.plan
        if not plan.expires_at:
            return
        left = zero_floor_sub(self.guard.limits.loss_capacity, self.guard.used(now)[0])
        left = min(left, self.index.module_fee_left(now))
        tip = min(plan.turnover * plan.keeper_tip // PPM, left)
        fee = min(plan.turnover * plan.rebalance_fee // PPM, left - tip)
        supply = self.index.total_supply(now)
        for fraction, receiver in ((tip, caller), (fee, self.index.fee_recipient)):
            if shares := trade_math.fee_shares(supply, fraction):
                before = self.index.total_supply(now)
                self.index.mint_fee_shares(self.index.rebalancer, shares, receiver=receiver, now=now)
                self.guard.charge_fee(shares, before, now)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """Plan, index and guard together."""
        saved = (self.plan, dict(self.targets), self.auction)
        guarded = (self.guard.budget, self.guard.nav_per_share, self.guard.valued_at)
        try:
            with self.index.atomic():
                yield
        except Reverted:
            self.plan, self.targets, self.auction = saved
            self.guard.budget, self.guard.nav_per_share, self.guard.valued_at = guarded
            raise

    def _check_live(self, plan_id: int, now: int) -> None:
        if self.plan.id != plan_id:
            raise Reverted("PlanMismatch", plan_id, self.plan.id)
        if now >= self.plan.expires_at:
            raise Reverted("PlanExpired", plan_id, self.plan.expires_at)

    def _drop_sold_out(self, token: str, now: int) -> None:
        if not self.targets[token].unit and self._is_empty(token):
            self.index.update_components(1 << self.index.components.index(token), (), now=now)

    def _check_start(self, plan_id: int, version: int | None, duration: int, now: int) -> None:
        if plan_id != self.plan.id + 1:
            raise Reverted("PlanMismatch", plan_id, self.plan.id + 1)
        earliest = self.plan.started_at + self.policy.min_interval
        if self.plan.id and now < earliest:
            raise Reverted("PlanTooEarly", earliest)
        if version is not None and version != self.index.version:
            raise Reverted("BasketChanged", self.index.version, version)
        _bound("duration", duration, 1, self.policy.max_duration)

    def _unit(self, token: str, weight: int, nav_per_share: int, prices: Mapping[str, int]) -> int:
        if not weight:
            return 0
        if token not in self.allowed:
            raise Reverted("TokenNotAllowed", token)
        if weight > self.policy.max_weight:
            raise Reverted("WeightTooHigh", token, weight, self.policy.max_weight)
        unit = trade_math.unit_from_weight(weight, nav_per_share, price_of(prices, token))
        if unit >= 1 << 184:
            raise Reverted("UnitOverflow", token, unit)
        return unit

    def _is_empty(self, token: str) -> bool:
        try:
            return not self.index.available(token)
        except Reverted:
            return False

    def _gap(self, token: str, now: int) -> tuple[int, int]:
        growth = fee_math.growth(self.plan.streaming_rate, now - self.plan.started_at)
        unit = trade_math.unit_scaled(self.targets.get(token, Target()).unit, self.plan.scale)
        unit = trade_math.unit_diluted(unit, growth)
        available, supply = self.index.available_or_zero(token), self.index.total_supply(now)
        return trade_math.surplus(available, unit, supply), trade_math.deficit(available, unit, supply)

    def _check_size(self, sell: str, buy: str, sell_amount: int, sell_price: int, now: int) -> tuple[int, int]:
        """{tok} that may be bought, and the D18 turnover of the plan after the swap."""
        for token in (sell, buy):
            if self.targets.get(token, Target()).plan_id != self.plan.id:
                raise Reverted("TokenNotInPlan", token)
        surplus, _ = self._gap(sell, now)
        _, deficit = self._gap(buy, now)
        if not 0 < sell_amount <= surplus:
            raise Reverted("SurplusExceeded", sell, sell_amount, surplus)
        nav = full_mul_div(self.plan.nav_per_share, self.index.total_supply(now), D27)
        max_value = full_mul_div(nav, self.policy.max_trade, WAD)
        value = trade_math.value_up(sell_amount, sell_price)
        if value > max_value:
            raise Reverted("TradeTooLarge", value, max_value)
        return deficit, trade_math.turnover_after(self.plan.turnover, value, nav)

    def _start_cooldown(self, token: str, now: int) -> None:
        target = self.targets.get(token, Target())
        if now < (until := target.last_trade_at + self.policy.cooldown):
            raise Reverted("CooldownActive", token, until)
        self.targets[token] = replace(target, last_trade_at=now)


# --- helpers --------------------------------------------------------------------------------------------------------


def price_of(prices: Mapping[str, int], token: str) -> int:
    """D27{nUSD/tok}, or Reverted as PriceOracle.price."""
    if price := prices.get(token, 0):
        return price
    raise Reverted("PriceMissing", token)


def loss_bound(limits: Limits, seconds: int) -> float:
    """G2: the most a share can lose to exchanges within `seconds`, `C·(1 + T/W)`, as a fraction of its value."""
    return limits.loss_capacity / WAD * (1 + seconds / limits.loss_window)


def yearly_dilution(rate: int) -> float:
    """The part of a share's backing that a streaming rate takes in a year, as a fraction."""
    return 1 - WAD / fee_math.growth(rate, YEAR)


def copy_of(model: PlanModel) -> PlanModel:
    """An independent copy of a plan with its guard and index, for what-if questions."""
    return deepcopy(model)


def _bound(what: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise Reverted("ValueOutOfBounds", what, value, low, high)
    return value
