"""The deployed world of a state machine: one index of modal tokens with everything around it, and its integer twin.

`Worlds` owns one anvil; `Worlds.open(shape)` deploys a world once, and every run starts from its snapshot. All roles are
with `governor`; a role test is somebody else's. Addresses are lower case everywhere, so that they are also keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import cast

from offchain.chain.artifacts import NODE_MODULES, Artifact
from offchain.reference.constants import WAD
from offchain.reference.integers import Reverted
from offchain.reference.model import Budget, GuardModel, IndexModel, Limits, PlanModel, Policy
from tests.properties.chain import At, Call, Chain

PAUSED, RETURNS_FALSE, TAKES_FEE, MUTE, BURNS_GAS_MOVING, BURNS_GAS_READING, BOMBS, SHORT_ANSWER = (
    1 << bit for bit in range(8)
)
CALLS_OUT, LONG_ANSWER, NO_ANSWER = 256, 512, 1024
CANNOT_MOVE = PAUSED | RETURNS_FALSE | BURNS_GAS_MOVING | BOMBS
CANNOT_READ = MUTE | BURNS_GAS_READING | SHORT_ANSWER
# What the model calls one thing has several names on the chain.
REASONS = {
    "TransferFailed": ("TokenRefused", "SafeERC20FailedOperation", "Unknown"),
    "PriceMissing": ("PriceMissing", "FeedDead"),
}

SEED_SHARES = 1_000 * WAD
LIMITS = Limits(
    loss_capacity=5 * 10**15, loss_window=86_400, turnover_capacity=2 * WAD, turnover_window=86_400, valuation_max_age=0
)
POLICY = Policy(
    max_slippage=30_000, cooldown=0, min_interval=3_600, max_duration=14 * 86_400, max_trade=WAD // 2, max_weight=WAD
)


@dataclass(kw_only=True)
class ModalTokenModel:
    """Twin of ModalToken: a ledger with the same vices."""

    balances: dict[str, int] = field(default_factory=dict)
    modes: int = 0
    blocked: set[str] = field(default_factory=set)

    def balance_of(self, account: str) -> int:
        if self.modes & CANNOT_READ:
            raise Reverted("BalanceUnreadable")
        return self.balances.get(account, 0)

    def can_move(self, sender: str, receiver: str) -> bool:
        return not (self.modes & CANNOT_MOVE or sender in self.blocked or receiver in self.blocked)

    def transfer(self, sender: str, receiver: str, amount: int) -> None:
        held = self.balances.get(sender, 0)
        if not self.can_move(sender, receiver) or held < amount:
            raise Reverted("TransferFailed", sender, receiver, amount)
        self.balances[sender] = held - amount
        fee = -(-amount // 100) if self.modes & TAKES_FEE else 0
        self.balances[receiver] = self.balances.get(receiver, 0) + amount - fee

    def save(self) -> object:
        return dict(self.balances)

    def restore(self, saved: object) -> None:
        self.balances = cast("dict[str, int]", saved)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a world looks like: decimals of its components, spare tokens that may enter later, limits and policy."""

    name: str
    decimals: tuple[int, ...]
    spares: tuple[int, ...] = ()
    streaming_fee: int = WAD // 50
    mint_fee: int = 0
    redeem_fee: int = 0
    limits: Limits = LIMITS
    policy: Policy = POLICY


@dataclass(kw_only=True)
class World:
    """Contracts, people and the model of a fresh index. Copy the model before changing it (`fresh_model`)."""

    chain: Chain
    shape: Shape
    authority: At
    oracle: At
    guard: At
    rebalancer: At
    auctions: At
    factory: At
    lens: At
    index: At
    taker: At
    probe: At
    reader: At
    tokens: dict[str, At]
    feeds: dict[str, At]
    prices: dict[str, int]
    people: dict[str, str]
    first_block: int
    model: PlanModel

    @property
    def governor(self) -> str:
        return self.people["governor"]

    def fresh_model(self) -> PlanModel:
        return deepcopy(self.model)


def openzeppelin(name: str) -> Artifact:
    content = json.loads((NODE_MODULES / f"@openzeppelin/contracts/build/contracts/{name}.json").read_text())
    return Artifact(name=name, abi=content["abi"], bytecode=content["bytecode"])


INVESTORS = ("alice", "bob", "eve", "mallory")
RICHES = 10**60  # {tok}
HOLDING = 250 * WAD  # {share} of the first three investors at the start
PEOPLE = ("governor", "alice", "bob", "eve", "mallory", "collector", "treasury")


class Worlds:
    """One anvil and the worlds of one machine on it, side by side, all as they were deployed."""

    def __init__(self, contracts: Mapping[str, Artifact]) -> None:
        self.chain = Chain({**contracts, "AccessManager": openzeppelin("AccessManager")})
        self._empty = self.chain.snapshot()
        self._ready = self._empty
        self._shapes: tuple[Shape, ...] = ()
        self._worlds: list[World] = []

    def stop(self) -> None:
        self.chain.stop()

    def open(self, shapes: tuple[Shape, ...]) -> list[World]:
        """The worlds of these shapes; everything that happened since they were deployed is undone."""
        if shapes == self._shapes:
            self.chain.revert(self._ready)
        else:
            self.chain.revert(self._empty)
            self._empty = self.chain.snapshot()
            self._worlds, self._shapes = [build(self.chain, shape) for shape in shapes], shapes
        self._ready = self.chain.snapshot()
        return self._worlds


def build(chain: Chain, shape: Shape) -> World:
    people = dict(zip(PEOPLE, chain.accounts, strict=False))
    governor = people["governor"]
    authority = chain.deploy("AccessManager", governor)
    oracle = chain.deploy("PriceOracle", authority.address)
    guard = chain.deploy("ExchangeGuard", oracle.address)
    rebalancer = chain.deploy("Rebalancer", oracle.address)
    (house,) = cast("tuple[str]", chain.reads([Call(rebalancer, "auctions")])[0:1])
    factory = chain.deploy("IndexFactory")
    lens, taker = chain.deploy("IndexLens"), chain.deploy("ObedientTaker")
    probe, reader = chain.deploy("MidCallProbe"), chain.deploy("StateReader")

    tokens: dict[str, At] = {}
    feeds: dict[str, At] = {}
    prices: dict[str, int] = {}
    for i, decimals in enumerate(shape.decimals + shape.spares):
        token = chain.deploy("ModalToken", f"T{i}", decimals)
        tokens[token.address] = token
        # $1 to $1000 a token, D27{nUSD/tok}
        prices[token.address] = 10 ** (36 - decimals + i % 4)
        feeds[token.address] = chain.deploy("MockFeed", token.address, prices[token.address])
        chain.send(governor, Call(oracle, "setFeed", (token.address, feeds[token.address].address)))
        chain.send(governor, Call(token, "setHook", (probe.address,)))
    components = list(tokens)[: len(shape.decimals)]
    # Each component is worth the same: 10^7 dollars over the index
    seeds = [10**52 // len(components) // prices[token] for token in components]
    for token, seed in zip(components, seeds, strict=True):
        chain.send(governor, Call(tokens[token], "setBalance", (governor, seed)))

    for token in tokens:  # investors are rich in everything
        for name in INVESTORS:
            chain.send(governor, Call(tokens[token], "setBalance", (people[name], RICHES)))

    terms = (
        "Property", "PROP", authority.address, rebalancer.address, guard.address, people["collector"],
        shape.streaming_fee, shape.mint_fee, shape.redeem_fee, 0, tuple(components),
    )  # fmt: skip
    policy, limits = shape.policy, shape.limits
    params = (
        terms, tuple(seeds), SEED_SHARES, people["treasury"], policy_words(policy), limits_words(limits), tuple(tokens), b"\0" * 32,
    )  # fmt: skip
    first_block = chain.block + 1
    create = Call(factory, "create", (params,))
    (index_address,) = cast("tuple[str]", chain.attempt(governor, create))
    index = At(index_address, chain.interfaces["IndexToken"])

    ledgers = {token: ModalTokenModel() for token in tokens}
    for ledger in ledgers.values():
        ledger.balances = {people[name]: RICHES for name in INVESTORS}
    for token, seed in zip(components, seeds, strict=True):
        ledgers[token].balances[index_address] = seed
    model = IndexModel(
        address=index_address, tokens=dict(ledgers), components=list(components), fee_recipient=people["collector"],
        streaming_fee=shape.streaming_fee, mint_fee=shape.mint_fee, redeem_fee=shape.redeem_fee,
    )  # fmt: skip
    model.bootstrap(SEED_SHARES, receiver=people["treasury"], now=chain.now)
    for name in INVESTORS[:3]:  # who has something to redeem from the start
        account, limits_in = people[name], (2**256 - 1,) * len(components)
        chain.send(account, Call(index, "mint", (HOLDING, 1, limits_in, account)))
        model.mint(account, HOLDING, receiver=account, now=chain.now)
    guarded = GuardModel(index=model, limits=limits, budget=Budget(updated_at=chain.now))
    plans = PlanModel(index=model, guard=guarded, policy=policy, allowed=set(tokens))
    return World(
        chain=chain, shape=shape, authority=authority, oracle=oracle, guard=guard, rebalancer=rebalancer,
        auctions=At(house, chain.interfaces["AuctionHouse"]), factory=factory,
        lens=lens, index=index, taker=taker, probe=probe, reader=reader, tokens=tokens, feeds=feeds, prices=prices,
        people=people, first_block=first_block, model=plans,
    )  # fmt: skip


def policy_words(policy: Policy) -> tuple[int, ...]:
    return (
        policy.max_slippage, policy.cooldown, policy.min_interval, policy.max_duration, policy.max_trade, policy.max_weight,
    )  # fmt: skip


def limits_words(limits: Limits) -> tuple[int, ...]:
    return (
        limits.loss_capacity, limits.loss_window, limits.turnover_capacity, limits.turnover_window, limits.valuation_max_age,
    )  # fmt: skip
