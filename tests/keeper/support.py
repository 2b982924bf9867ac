"""What the keeper's tests share: an index on a local market, and a keeper of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from web3 import Web3

from offchain.chain.core import Core
from offchain.chain.deploy import Feed, IndexDeployment, create_index, deploy_core, read_prices, set_feeds
from offchain.chain.terms import IndexTerms, ListedToken
from offchain.devnet import Anvil, Devnet, choose_coins
from offchain.errors import NotConnected
from offchain.keeper import Keeper, Places, Settings, devnet_account
from offchain.market import synthetic_market
from offchain.methodology import Methodology
from offchain.spec import IndexSpec, find_spec

START = "2024-06-03"  # a Monday, on which LC10 is reviewed
WEEKS = ("2024-06-10", "2024-06-17", "2024-07-15", "2024-09-02")
DEPLOYER, GOVERNOR, GUARDIAN, STRATEGIST, SECOND_STRATEGIST = 0, 1, 2, 3, 8
FEED_MAX_AGE = 26 * 3600  # {s}


@dataclass(frozen=True)
class Fund:
    """An index on a local market."""

    world: Devnet
    core: Core
    index: IndexDeployment
    spec: IndexSpec

    @property
    def places(self) -> Places:
        return Places.of_world(self.core, self.index.address, self.world)

    def keeper(
        self,
        ledger: Path,
        *,
        spec: IndexSpec | None = None,
        settings: Settings | None = None,
        account: int = STRATEGIST,
        checkpoint: Callable[[str], None] | None = None,
    ) -> Keeper:
        return Keeper.on_devnet(
            self.world,
            self.core,
            self.index.address,
            spec or self.spec,
            account=devnet_account(account),
            ledger=ledger,
            settings=settings,
            checkpoint=checkpoint,
        )


def a_spec(**rebalance: object) -> IndexSpec:
    """LC10 with a slippage that two pools of 0.3 % fit in, and a narrow band, so that every review trades."""
    spec = find_spec("LC10")
    rules = {"max_slippage_bps": 100, "drift_band": 0.002, **rebalance}
    return replace(spec, rebalance=replace(spec.rebalance, **rules))


@contextmanager
def a_fund(spec: IndexSpec | None = None, *, seed_shares: float | None = None) -> Iterator[Fund]:
    """A fresh node with the synthetic market at START and an index seeded at its weights."""
    market = synthetic_market()
    coins = choose_coins(market, [START, *WEEKS], top=16)
    with Anvil.start(timestamp=Devnet.genesis(START)) as node:
        world = Devnet.build(node, market, start=START, coins=coins)
        yield deploy_fund(world, spec or a_spec(), seed_shares=seed_shares)


def deploy_fund(world: Devnet, spec: IndexSpec, *, seed_shares: float | None = None) -> Fund:
    """Core, feeds and an index of `spec` on a world, with two strategists."""
    if seed_shares is not None:
        spec = replace(spec, seed=replace(spec.seed, shares=seed_shares))
    accounts = world.node.accounts
    deployer = accounts[DEPLOYER]
    core = deploy_core(world.w3, deployer, weth=world.contracts.weth)
    tokens = [
        ListedToken(id=t.id, symbol=t.symbol, address=t.address, decimals=t.decimals, feed=t.feed, max_age=FEED_MAX_AGE)
        for t in world.tokens.values()
    ]
    set_feeds(world.w3, deployer, core, [Feed(token=t.address, aggregator=t.feed, max_age=t.max_age) for t in tokens])
    decision = Methodology(spec).decide(world.market, START, tradable=[token.id for token in tokens])
    members = [token for token in tokens if token.id in decision.target_weights]
    prices = dict(zip([t.id for t in members], read_prices(world.w3, core, [t.address for t in members]), strict=True))
    terms = IndexTerms.from_spec(
        spec,
        tokens=tokens,
        prices=prices,
        weights=decision.target_weights,
        receiver=accounts[4],
        governor=accounts[GOVERNOR],
        guardian=accounts[GUARDIAN],
        strategist=accounts[STRATEGIST],
        admin_delay=0,
    )
    ids = {token.address: token.id for token in tokens}
    for address, amount in zip(terms.components, terms.seed_amounts, strict=True):
        world.faucet(deployer, ids[address], amount)
    index = create_index(world.w3, deployer, core, terms)
    from offchain.chain.core import STRATEGIST as STRATEGIST_ROLE
    from offchain.chain.transactions import send

    manager = index.authority_contract(world.w3)
    send(world.w3, accounts[GOVERNOR], manager.functions.grantRole(STRATEGIST_ROLE, accounts[SECOND_STRATEGIST], 0))
    return Fund(world=world, core=core, index=index, spec=spec)


@contextmanager
def intercepted(
    w3: Web3,
    *,
    single: Callable[[Callable[..., object]], Callable[..., object]] = lambda real: real,
    batch: Callable[[Callable[..., object]], Callable[..., object]] = lambda real: real,
) -> Iterator[None]:
    """Every request inside goes through `single(real)` or `batch(real)`; web3 remembers the functions, so it is told."""
    provider = w3.provider

    def use(make_request: object, make_batch_request: object) -> None:
        provider.make_request, provider.make_batch_request = make_request, make_batch_request  # type: ignore[method-assign,assignment]
        provider._request_func_cache = (None, None)  # type: ignore[assignment]
        provider._batch_request_func_cache = (None, None)  # type: ignore[assignment]

    real = provider.make_request, provider.make_batch_request
    use(single(real[0]), batch(real[1]))
    try:
        yield
    finally:
        use(*real)


class Weather:
    """A bad connection: each request fails with some probability, in one of the ways nodes and proxies fail."""

    def __init__(self, seed: int, *, often: float) -> None:
        self.chooser, self.often = random.Random(seed), often
        self.failures: dict[str, int] = {}

    def single(self, real: Callable[..., object]) -> Callable[..., object]:
        def ask(method: str, params: object) -> object:
            if method.startswith(("evm_", "anvil_")) or self.chooser.random() > self.often:
                return real(method, params)
            kind = self.chooser.choice(["dropped", "lost", "error", "limit", "null", "twice"])
            self.failures[method] = self.failures.get(method, 0) + 1
            if kind in ("lost", "twice"):
                real(method, params)
            if kind == "twice":
                return real(method, params)
            if kind in ("dropped", "lost"):
                raise NotConnected("no answer in time")
            if kind == "null":
                return {"jsonrpc": "2.0", "id": 1, "result": None}
            code, message = (-32603, "internal error") if kind == "error" else (-32005, "rate limit exceeded")
            return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": message}}

        return ask

    def batch(self, real: Callable[..., object]) -> Callable[..., object]:
        def ask(calls: list[tuple[str, object]]) -> object:
            if self.chooser.random() > self.often:
                return real(calls)
            self.failures["batch"] = self.failures.get("batch", 0) + 1
            if self.chooser.random() < 0.5:
                raise NotConnected("HTTP 503")
            return [{"jsonrpc": "2.0", "id": number, "result": None} for number, _ in enumerate(calls)]

        return ask
