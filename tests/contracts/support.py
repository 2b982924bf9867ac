"""The world that the contract tests act in. Start reading here.

`World.deploy()` puts one core on the chain by the same code as the scripts (offchain.chain.deploy). `world.create([...])`
adds an index of any tokens and returns an `Index`: the contracts and the handful of verbs that tests repeat.

`why(token.mint, 1, 1, [], bob, sender=bob)` is the reason for which a call would be refused, as a tuple of its name and
its decoded values, or None when the call would succeed. It costs one eth_call and changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from brownie import (
    AuctionHouse,
    ChainlinkFeed,
    ExchangeGuard,
    HonestTaker,
    IndexFactory,
    IndexLens,
    IndexToken,
    IndexZap,
    InnerIndexTaker,
    MockFeed,
    OddDecimalsToken,
    PriceOracle,
    PriceRecorder,
    Rebalancer,
    UniswapV2Taker,
    UniswapV3Taker,
    WeightRegistry,
    accounts,
    history,
    web3,
)
from eth_abi import decode

from offchain.chain.artifacts import compiled
from offchain.chain.core import Core, access_manager
from offchain.chain.deploy import auction_house, create_index, deploy_core
from offchain.chain.terms import IndexTerms, Limits, Policy
from offchain.chain.transactions import at, send

WAD = 10**18
D27 = 10**27
MAX = 2**256 - 1
ZERO = "0x" + "0" * 40
DEAD = "0x000000000000000000000000000000000000dEaD"
HOUR, DAY, YEAR = 3600, 86_400, 365 * 86_400
FEE_NOTICE = 3 * DAY
LOCKED_SHARES = 10**9

DEPLOYER, GOVERNOR, GUARDIAN, STRATEGIST, FEE_RECIPIENT, ALICE, BOB, EVE = range(8)

LIMITS = Limits(
    loss_capacity=5 * 10**15,
    loss_window=DAY,
    turnover_capacity=WAD,
    turnover_window=DAY,
    valuation_max_age=HOUR,
)
POLICY = Policy(
    max_slippage=10_000,
    cooldown=0,
    min_interval=HOUR,
    max_duration=14 * DAY,
    max_trade=WAD,
    max_weight=WAD,
)

LINEAR, EXPONENTIAL = 0, 1
AUCTIONS = dict(
    max_premium=10_000, max_discount=10_000, min_duration=600, max_duration=1800, warm_up=60, strategist_window=HOUR,
    rebalance_fee=0, keeper_tip=0,
)  # fmt: skip

_numbers = itertools.count(1)


def price_d27(usd: int | float, decimals: int) -> int:
    """D27{nUSD/tok} of a token whose whole costs `usd` dollars (a multiple of a millionth)."""
    return round(usd * 10**6) * 10 ** (30 - decimals)


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


# --- refusals ---------------------------------------------------------------------------------------------------------


def why(method: Any, *arguments: Any, sender: Any, gas: int | None = None) -> tuple[Any, ...] | None:
    """(name, values…) of the error with which `method` refuses the arguments; None when it does not."""
    transaction = {"to": method._address, "from": str(sender), "data": method.encode_input(*arguments)}
    return why_call(transaction if gas is None else {**transaction, "gas": gas})


def why_call(transaction: dict[str, Any]) -> tuple[Any, ...] | None:
    """The same for a raw transaction."""
    try:
        web3.eth.call(transaction)
    except ValueError as error:  # brownie's middleware hands the node's answer on as it is
        answer = error.args[0]
        return reason(answer.get("data"), answer["message"])
    return None


def reason(data: Any, text: str = "") -> tuple[Any, ...]:
    """(name, values…) of revert data."""
    raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else bytes(data or b"")
    if len(raw) < 4:
        return ("", text)
    name, types = _errors().get(raw[:4], ("0x" + raw[:4].hex(), []))
    return (name, *(_plain(value) for value in decode(types, raw[4:])))


def _plain(value: Any) -> Any:
    """Addresses with their checksum, short texts in bytes32 as text."""
    if isinstance(value, str) and value.startswith("0x") and len(value) == 42:
        return web3.to_checksum_address(value)
    if isinstance(value, bytes) and len(value) == 32:
        return value.rstrip(b"\0").decode("ascii", "replace")
    return value


_ERRORS: dict[bytes, tuple[str, list[str]]] = {}


def _errors() -> dict[bytes, tuple[str, list[str]]]:
    if not _ERRORS:
        for text, types in (("Error(string)", ["string"]), ("Panic(uint256)", ["uint256"])):
            _ERRORS[bytes(web3.keccak(text=text))[:4]] = (text.split("(")[0], types)
        for item in [*compiled(), access_manager()]:
            for entry in item.abi:
                if entry.get("type") == "error":
                    types = [i["type"] for i in entry["inputs"]]  # type: ignore[index,union-attr]
                    _ERRORS[bytes(web3.keccak(text=f"{entry['name']}({','.join(types)})"))[:4]] = (entry["name"], types)
    return _ERRORS


# --- time -------------------------------------------------------------------------------------------------------------


def now() -> int:
    """{s} of the latest block, which is also the time that `why` and views see."""
    return int(web3.eth.get_block("latest")["timestamp"])


def wait(seconds: int) -> int:
    """Mines a block exactly `seconds` after the latest; returns its time."""
    at_next(now() + seconds)
    web3.provider.make_request("evm_mine", [])
    return now()


def at_next(timestamp: int) -> None:
    """Makes the next block have this time."""
    web3.provider.make_request("evm_setNextBlockTimestamp", [timestamp])


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside is undone at the end. Brownie must forget it too, or it waits for the lost nonces."""
    snapshot = web3.provider.make_request("evm_snapshot", [])["result"]
    yield
    assert web3.provider.make_request("evm_revert", [snapshot])["result"] is True
    history.clear()


# --- the world --------------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class World:
    """One core and its indexes."""

    core: Core
    authority: Any
    oracle: Any
    guard: Any
    rebalancer: Any
    auctions: Any
    factory: Any
    lens: Any
    v2_taker: Any
    v3_taker: Any
    registry: Any
    recorder: Any
    inner_taker: Any
    zap: Any
    taker: Any  # an HonestTaker
    indexes: dict[str, Index] = field(default_factory=dict)

    @classmethod
    def deploy(cls) -> World:
        web3.provider.make_request("anvil_setBlockTimestampInterval", [1])  # no test depends on the wall clock
        core = deploy_core(web3, accounts[DEPLOYER].address, governor=accounts[GOVERNOR].address)
        world = cls(
            core=core,
            authority=manager_at(core.authority),
            oracle=PriceOracle.at(core.oracle),
            guard=ExchangeGuard.at(core.guard),
            rebalancer=Rebalancer.at(core.rebalancer),
            auctions=AuctionHouse.at(auction_house(web3, core)),
            factory=IndexFactory.at(core.factory),
            lens=IndexLens.at(core.lens),
            v2_taker=UniswapV2Taker.at(core.v2_taker),
            v3_taker=UniswapV3Taker.at(core.v3_taker),
            registry=WeightRegistry.at(core.registry),
            recorder=PriceRecorder.at(core.recorder),
            inner_taker=InnerIndexTaker.at(core.inner_taker),
            zap=IndexZap.at(core.zap),
            taker=accounts[DEPLOYER].deploy(HonestTaker),
        )
        for name, decimals in MIXES.items():
            world.indexes[name] = world.create([world.token(d) for d in decimals])
        return world

    def token(self, decimals: int = 18, usd: int | float | None = None) -> Any:
        """A well-behaved token with a price."""
        token = accounts[DEPLOYER].deploy(OddDecimalsToken, f"T{decimals}", decimals)
        self.list(token, usd)
        return token

    def list(self, token: Any, usd: int | float | None = None) -> Any:
        """Gives a token a MockFeed; the price defaults to 2 dollars."""
        feed = accounts[DEPLOYER].deploy(MockFeed, token, price_d27(2 if usd is None else usd, token.decimals()))
        self.set_feed(token, feed)
        return feed

    def set_feed(self, token: Any, feed: Any) -> None:
        self.oracle.setFeed(token, feed, {"from": accounts[GOVERNOR]})

    def create(self, tokens: list[Any], *, usd: int = 100_000, shares: int = 1000 * WAD, **terms: Any) -> Index:
        """An index worth `usd` dollars, equal parts of each token, created by the deployer for alice."""
        amounts = terms.pop("amounts", None) or self.amounts(tokens, usd)
        for token, amount in zip(tokens, amounts, strict=True):
            token.mint(accounts[DEPLOYER], amount, {"from": accounts[DEPLOYER]})
        number = next(_numbers)
        defaults = dict(
            name=f"Index {number}", symbol=f"IX{number}", components=tuple(t.address for t in tokens),
            seed_amounts=tuple(amounts), seed_shares=shares, receiver=accounts[ALICE].address,
            governor=accounts[GOVERNOR].address, guardian=accounts[GUARDIAN].address,
            strategist=accounts[STRATEGIST].address, fee_recipient=accounts[FEE_RECIPIENT].address,
            policy=POLICY, limits=LIMITS, allowed=tuple(t.address for t in tokens), spec_hash=str(number),
        )  # fmt: skip
        done = create_index(web3, accounts[DEPLOYER].address, self.core, IndexTerms(**{**defaults, **terms}))
        return Index(
            world=self,
            token=IndexToken.at(done.address, persist=False),
            authority=manager_at(done.authority),
            tokens=tokens,
        )

    def amounts(self, tokens: list[Any], usd: int) -> list[int]:
        """{tok} of each token for equal parts of `usd` dollars."""
        return [usd * 10**9 * D27 // len(tokens) // self.oracle.price(t) for t in tokens]


MIXES = {"eighteens": (18, 18, 18), "mixed": (18, 6, 8), "odd": (0, 2, 24, 27)}


def manager_at(address: str) -> Any:
    """OpenZeppelin's AccessManager at an address, as a web3 contract; `manage` calls it."""
    return at(web3, access_manager(), address)


def manage(manager: Any, function: str, *arguments: Any, sender: Any) -> Any:
    """One transaction to an AccessManager."""
    plain = [str(a) if hasattr(a, "address") else a for a in arguments]
    return send(web3, str(sender), manager.functions[function](*plain))


def chainlink_feed(
    token: Any, aggregator: Any, max_age: int, *, min_answer: int = 1, max_answer: int = 2**127 - 1
) -> Any:
    return accounts[DEPLOYER].deploy(ChainlinkFeed, token, aggregator, max_age, min_answer, max_answer)


@dataclass(kw_only=True)
class Index:
    """One index and the verbs that tests repeat."""

    world: World
    token: Any
    authority: Any
    tokens: list[Any]

    @property
    def address(self) -> str:
        return str(self.token.address)

    @property
    def version(self) -> int:
        return int(self.token.version())

    @property
    def n(self) -> int:
        return len(self.token.components())

    def feed(self, i: int) -> Any:
        return MockFeed.at(self.world.oracle.feedOf(self.tokens[i]), persist=False)

    def price(self, i: int) -> int:
        return int(self.world.oracle.price(self.tokens[i]))

    # --- what people do ---

    def fund(self, who: Any, shares: int, *, spender: Any = None) -> list[int]:
        """Gives `who` twice what a mint of `shares` takes, and lets the index pull it."""
        amounts, _ = self.token.previewMint(shares)
        for token, amount in zip(self.tokens, amounts, strict=True):
            token.mint(who, 2 * amount + 10, {"from": who})
            token.approve(spender or self.token, MAX, {"from": who})
        return list(amounts)

    def mint(self, who: Any, shares: int, **changes: Any) -> Any:
        """Mints with funds made for it and no limit."""
        if changes.pop("fund", True):
            self.fund(who, shares)
        arguments = {"version": self.version, "max_in": [MAX] * self.n, "receiver": who, **changes}
        return self.token.mint(shares, arguments["version"], arguments["max_in"], arguments["receiver"], {"from": who})

    def redeem(self, who: Any, shares: int, **changes: Any) -> Any:
        arguments = {
            "version": self.version,
            "min_out": [0] * self.n,
            "owner": who,
            "receiver": who,
            "mask": 0,
            **changes,
        }
        return self.token.redeem(
            shares, arguments["version"], arguments["min_out"], arguments["owner"], arguments["receiver"],
            arguments["mask"], {"from": who},
        )  # fmt: skip

    def govern(self, method: Any, *arguments: Any) -> Any:
        """The governor calls a function of the index, rebalancer or guard. Without a delay he may do so directly."""
        return method(*arguments, {"from": accounts[GOVERNOR]})

    def raise_fee(self, setter: str, fee: int) -> Any:
        """Announces a higher fee, waits until it is due and sets it."""
        method = getattr(self.token, setter)
        self.govern(self.token.announceFee, method.signature, fee)
        at_next(now() + FEE_NOTICE)
        return self.govern(method, fee)

    # --- rebalancing ---

    def next_plan(self) -> int:
        return int(self.world.rebalancer.planOf(self.token)[0]) + 1

    def start(
        self, weights: list[int], *, additions: list[Any] | None = None, duration: int = 7 * DAY, **changes: Any
    ) -> Any:
        arguments = {"plan": self.next_plan(), "version": self.version, **changes}
        return self.world.rebalancer.startPlan(
            self.token, arguments["plan"], arguments["version"], additions or [], weights, duration,
            {"from": accounts[STRATEGIST]},
        )  # fmt: skip

    def order(self, sell: int, buy: int, amount: int | None = None, **changes: Any) -> tuple[Any, ...]:
        """The next swap of the live plan, by default of all the surplus that the deficit can take, with the honest taker."""
        plan = self.world.rebalancer.planOf(self.token)
        taker = changes.get("taker", self.world.taker)
        fields = {
            "index": self.token, "plan": plan[0], "step": plan[1], "sell_token": self.tokens[sell], "buy_token": self.tokens[buy],
            "amount": self.largest(sell, buy) if amount is None else amount, "min_buy": 0, "payee": taker,
            "taker": taker, "data": b"", **changes,
        }  # fmt: skip
        return tuple(fields.values())

    def largest(self, sell: int, buy: int) -> int:
        """{tok} that can be sold at mid without passing surplus or deficit."""
        surplus, _ = self.world.rebalancer.gapOf(self.token, self.tokens[sell])
        _, deficit = self.world.rebalancer.gapOf(self.token, self.tokens[buy])
        return min(surplus, deficit * self.price(buy) // self.price(sell))

    def mid(self, sell: int, buy: int, amount: int) -> int:
        """{tok} of `buy` that `amount` of `sell` is worth at the oracle, rounded up."""
        return ceil_div(amount * self.price(sell), self.price(buy))

    def swap(self, order: tuple[Any, ...], *, fund: bool = True) -> Any:
        """Sends a swap as strategist; its taker gets what it may have to pay."""
        if fund:
            buy, taker = order[4], order[8]
            buy.mint(
                taker,
                4 * self.mid(self.tokens.index(order[3]), self.tokens.index(buy), order[5]) + 10**6,
                {"from": accounts[DEPLOYER]},
            )
        return self.world.rebalancer.swap(order, {"from": accounts[STRATEGIST]})

    def end(self, who: Any = None) -> Any:
        plan = self.world.rebalancer.planOf(self.token)[0]
        return self.world.rebalancer.endPlan(self.token, plan, {"from": who or accounts[STRATEGIST]})

    def trade(self, weights: list[int], **changes: Any) -> None:
        """A whole plan at mid prices: every surplus into every deficit."""
        self.start(weights, **changes)
        for sell in range(len(self.tokens)):
            self.sell_down(sell)

    def sell_down(self, sell: int) -> None:
        """Sells all the surplus of a component: at mid, the last of it for whatever the last deficit still takes."""
        rebalancer = self.world.rebalancer
        buys = [i for i, token in enumerate(self.tokens) if rebalancer.gapOf(self.token, token)[1]]
        for buy in buys:
            surplus, _ = rebalancer.gapOf(self.token, self.tokens[sell])
            _, deficit = rebalancer.gapOf(self.token, self.tokens[buy])
            amount = surplus if buy == buys[-1] else self.largest(sell, buy)
            if amount and deficit:
                self.swap(self.order(sell, buy, amount, min_buy=min(self.mid(sell, buy, amount), deficit)))

    def remove(self, i: int) -> None:
        """Sells component `i` out to equal weights of the others and drops it."""
        weights = [0 if k == i else WAD // (self.n - 1) for k in range(self.n)]
        weights[i - 1] += WAD - sum(weights)
        self.trade(weights)
        self.end()
        self.tokens = [token for k, token in enumerate(self.tokens) if k != i]

    def add(self, token: Any, weight: int = WAD // 10) -> None:
        """Lets a token enter with a weight, taken from the first component, and buys it."""
        self.govern(self.world.rebalancer.setAllowed, self.token, [token], True)
        wait(HOUR)
        weights = [*self.equal(), weight]
        weights[0] -= weight
        self.tokens = [*self.tokens, token]
        self.trade(weights, additions=[token])

    def start_manual(
        self, units: list[int], ranges: list[tuple[int, int]], *, additions: list[Any] | None = None, duration: int = 7 * DAY,
        **changes: Any,
    ) -> Any:  # fmt: skip
        """The governor's plan: D27{tok/share} units and D27{nUSD/tok} ranges of the components and then the additions."""
        terms = {"plan": self.next_plan(), "version": self.version, **changes}
        manual = (*terms.values(), additions or [], units, ranges, duration)
        return self.govern(self.world.rebalancer.startManualPlan, self.token, manual)

    def units(self) -> list[int]:
        """D27{tok/share} that the index has now, rounded down."""
        return [amount * D27 // self.token.totalSupply() for amount in self.reserves()]

    # --- auctions ---

    def set_auctions(self, **changes: Any) -> Any:
        """The governor's rules of auctions."""
        policy = tuple({**AUCTIONS, **changes}.values())
        return self.govern(self.world.auctions.setAuctionPolicy, self.token, policy)

    def open(self, *, who: Any = None, **changes: Any) -> Any:
        """Opens the next auction of the live plan, by default as anyone may, sent by the strategist."""
        rules, auctions = self.world.auctions.auctionPolicyOf(self.token), self.world.auctions
        manual = self.world.rebalancer.planOf(self.token)[7]
        fields = {
            "plan": self.next_plan() - 1, "auction": auctions.auctionOf(self.token)[1] + 1,
            "start": 0 if manual else rules[0], "end": 0 if manual else -rules[1], "duration": rules[3],
            "curve": EXPONENTIAL, **changes,
        }  # fmt: skip
        return auctions.openAuction(self.token, *fields.values(), {"from": who or accounts[STRATEGIST]})

    def auction(self, sell: int, buy: int, **changes: Any) -> tuple[Any, ...]:
        """A fill of the live auction with no limits; payment is pulled from its sender."""
        auction = self.world.auctions.auctionOf(self.token)
        fields = {
            "index": self.token, "plan": auction[0], "auction": auction[1], "sell_token": self.tokens[sell],
            "buy_token": self.tokens[buy], "min_sell": 0, "max_sell": MAX, "max_buy": MAX, "payee": accounts[BOB],
            "taker": ZERO, "data": b"", **changes,
        }  # fmt: skip
        return tuple(fields.values())

    def legs(self, take: Any, pay: Any, **changes: Any) -> tuple[Any, ...]:
        """A fill of several legs: of (component, min, max) each."""
        auction = self.world.auctions.auctionOf(self.token)
        named = [[(self.tokens[i], least, most) for i, least, most in side] for side in (take, pay)]
        fields = {
            "index": self.token, "plan": auction[0], "auction": auction[1], "sells": named[0], "buys": named[1],
            "payee": accounts[BOB], "taker": ZERO, "data": b"", **changes,
        }  # fmt: skip
        return tuple(fields.values())

    def fill(self, order: tuple[Any, ...], who: Any = None) -> Any:
        """Sends a fill; its sender has what it may have to pay, and lets the auction house pull it."""
        who = who or accounts[BOB]
        for token in self.tokens:
            token.mint(who, 10**12 * 10 ** token.decimals(), {"from": who})
            token.approve(self.world.auctions, MAX, {"from": who})
        many = isinstance(order[4], list)
        method = self.world.auctions.fillMany if many else self.world.auctions.fill
        return method(order, {"from": who})

    # --- reading ---

    def reserves(self) -> list[int]:
        return [int(amount) for amount in self.token.reserves()]

    def balances(self, who: Any) -> list[int]:
        return [int(token.balanceOf(who)) for token in self.tokens]

    def nav(self) -> int:
        """{nUSD} by the test's own arithmetic: what is available at the prices of the feeds, exact fraction floored."""
        return sum(r * self.price(i) for i, r in enumerate(self.reserves())) // D27

    def nav_by_part(self) -> int:
        """{nUSD} with each part rounded down, as the contracts do."""
        return sum(r * self.price(i) // D27 for i, r in enumerate(self.reserves()))

    def equal(self) -> list[int]:
        """Equal weights, the remainder to the first."""
        n = self.n
        return [WAD - (n - 1) * (WAD // n)] + [WAD // n] * (n - 1)

    def tilted(self) -> list[int]:
        """Equal weights but for a tenth of the whole, which moves from the first component to the last."""
        weights = self.equal()
        weights[0] -= WAD // 10
        weights[-1] += WAD // 10
        return weights


def limits_with(**changes: Any) -> Limits:
    return replace(LIMITS, **changes)


def policy_with(**changes: Any) -> Policy:
    return replace(POLICY, **changes)
