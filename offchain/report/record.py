"""What was seen of an index over a period: the plain data that every number of a report is computed from.

Amounts {tok}, shares {share}, prices D27{nUSD/tok}, weights D18, times {s}. Coins are named by their id in the market.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from offchain.reference.trade_math import value_down, value_up
from offchain.units import D27


@dataclass(frozen=True, kw_only=True)
class CoinName:
    """A coin as a token of the chain."""

    id: str
    symbol: str
    token: str
    decimals: int


@dataclass(frozen=True, kw_only=True)
class Day:
    """The index at 00:00 UTC, before anything is done on that day.

    `held`: balance of the index by coin. `marks`: what each feed last answered, however old. `unpriced`: components
    for which the oracle has no usable price at that moment; they count for nothing in `nav_per_share`.
    """

    time: int
    block: int
    supply: int
    pending_fee_shares: int
    nav_per_share: int
    held: Mapping[str, int]
    marks: Mapping[str, int]
    unpriced: tuple[str, ...] = ()

    @property
    def nav(self) -> int:
        """{nUSD} of all shares, at the oracle's prices."""
        return self.nav_per_share * self.supply // D27

    @property
    def values(self) -> dict[str, int]:
        """{nUSD} of each component at the feeds' last answers."""
        return {coin: amount * self.marks[coin] // D27 for coin, amount in self.held.items()}


@dataclass(frozen=True, kw_only=True)
class Swap:
    """One fill of a plan, as its event says. `venue`: v2 or v3."""

    step: int
    block: int
    sell: str
    buy: str
    sold: int
    bought: int
    sell_price: int
    buy_price: int
    venue: str
    gas: int

    @property
    def value(self) -> int:
        """{nUSD} sold, rounded up."""
        return value_up(self.sold, self.sell_price)

    @property
    def loss(self) -> int:
        """{nUSD} against the oracle's mid; negative is a gain."""
        return self.value - value_down(self.bought, self.buy_price)

    @property
    def exact_loss(self) -> int:
        """D27{nUSD} the same without rounding."""
        return self.sold * self.sell_price - self.bought * self.buy_price


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One executed plan. `nav` {nUSD} at its start; `weights` of what it wanted, zeros included; `gas` of start and end."""

    id: int
    time: int
    block: int
    nav: int
    weights: Mapping[str, int]
    swaps: tuple[Swap, ...]
    start_gas: int
    end_gas: int

    @property
    def sold(self) -> int:
        """{nUSD}"""
        return sum(swap.value for swap in self.swaps)

    @property
    def loss(self) -> int:
        """{nUSD}"""
        return sum(swap.loss for swap in self.swaps)

    @property
    def gas(self) -> int:
        return self.start_gas + self.end_gas + sum(swap.gas for swap in self.swaps)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One run of the keeper."""

    time: int
    outcome: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Review:
    """A day on which the calendar asked for a decision, and what became of it. `plans` that were started for it.

    `drift`, `drift_after`: D18 one-way distance of the basket from the decided weights, None when nothing was decided.
    `kept_out`: coins that the rules wanted and the chain does not list. `refused`: coins that are among the largest by
    the market's own numbers of that day and were not chosen, with the reason.
    """

    time: int
    attempts: tuple[Attempt, ...]
    plans: tuple[int, ...]
    members: tuple[str, ...]
    entered: Mapping[str, str]
    left: Mapping[str, str]
    drift: int | None
    drift_after: int | None = None
    kept_out: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def outcome(self) -> str:
        return self.attempts[-1].outcome


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Money that came in or went out. `kind`: seed, mint or redeem; `amounts` by coin."""

    kind: str
    who: str
    time: int
    block: int
    shares: int
    fee_shares: int
    amounts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One ERC-20 Transfer event."""

    token: str
    sender: str
    receiver: str
    amount: int
    block: int


@dataclass(frozen=True, kw_only=True)
class Books:
    """What the accounting check needs, read from the chain at its last block.

    `names`: of accounts, by address. `balances`: {(token, account): {tok}} as the tokens say, shares included.
    `allowances`: {(token, owner, spender): {tok}} still open of everything that was ever approved by or to a contract.
    `owed`: {tok} of claims by token. `ether` {wei} of the contracts.
    """

    index: str
    transfers: tuple[Transfer, ...]
    balances: Mapping[tuple[str, str], int]
    total_supply: int
    pending_fee_shares: int
    allowances: Mapping[tuple[str, str, str], int]
    owed: Mapping[str, int]
    ether: Mapping[str, int]
    names: Mapping[str, str]
    contracts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A whole demonstration. `prices`: USD by coin, one per day of `days`, the market's own, the last one known.

    `growth` D18{1/year}: continuous rate at which the streaming fee dilutes. `gas`: {gas} of each operation, by name.
    """

    market: str
    symbol: str
    name: str
    spec_hash: str
    index: str
    max_slippage_bps: int
    drift_band: float
    streaming_bps: int
    growth: int
    coins: Mapping[str, CoinName]
    benchmarks: tuple[str, ...]
    days: tuple[Day, ...]
    prices: Mapping[str, tuple[float, ...]]
    reviews: tuple[Review, ...]
    plans: tuple[Plan, ...]
    flows: tuple[Flow, ...]
    gas: Mapping[str, tuple[int, ...]]
    books: Books
    notes: tuple[str, ...] = field(default_factory=tuple)

    @cached_property
    def plan_of(self) -> dict[int, Plan]:
        return {plan.id: plan for plan in self.plans}

    def position(self, block: int) -> int:
        """The day on which a block lies: its prices hold until the next one. The seed came in before the first look."""
        return max(0, bisect_right([day.block for day in self.days], block) - 1)

    def symbol_of(self, coin: str) -> str:
        return self.coins[coin].symbol if coin in self.coins else coin
