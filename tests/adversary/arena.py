"""The place where the agents act: a local market with genuine Uniswap pools and Chainlink proxies, and one index on it.

`Ground` is built once per process; `Ground.arena(…)` goes back to that state and creates an index for one agent, who
gets a wallet with flash capital: more of every token than the index and its pools hold. All of it counts as borrowed; his
profit is what he has more at the end.

The agent acts through `strike` (a bundle of calls, all or nothing, in one transaction) and tries things first with `dry`,
which is free: that is his search. Whatever is mined, by him or by the honest keeper, goes through the meter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import cast

import pandas as pd
from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address

from offchain.chain.artifacts import Artifact, artifact, vendor
from offchain.chain.core import STRATEGIST, access_manager
from offchain.chain.deploy import Feed, IndexDeployment, create_index, deploy_core, set_feeds
from offchain.chain.terms import IndexTerms, Limits, Policy
from offchain.devnet import Devnet
from offchain.devnet.liquidity import sqrt_price_x96
from offchain.devnet.listing import Pool
from offchain.market import Market
from offchain.reference.fee_math import growth
from tests.adversary.meter import DAY, Harm, Meter, Sight, harm
from tests.properties.chain import At, Call, Chain, Failure

START = "2023-11-16"  # the day after the genesis of the chain
HOUR = 3600
WAD = 10**18
MAX = 2**256 - 1
FEED_AGE = 26 * HOUR  # {s}
NAV = 1_000_000  # {USD} of the index
CAPITAL = 10_000_000_000  # {USD} of every token that an agent may borrow
PPM = 10**6

# {USD} price, {USD/day} volume: what the pools hold follows from it (offchain/devnet/liquidity.py).
COINS = {"bitcoin": (40_000.0, 60e6), "chainlink": (15.0, 40e6), "ethereum": (2_000.0, 80e6), "usd-coin": (1.0, 90e6)}

DEPLOYER, GOVERNOR, GUARD, KEEPER, TREASURY, ALICE, _, EVE = range(8)

OURS = (
    "IndexToken", "Rebalancer", "ExchangeGuard", "PriceOracle", "TestToken", "AdversaryWallet", "AdversaryEye",
    "AdversaryGuard", "MarketMaker", "UniswapV3TwapFeed", "AnchoredFeed", "AuctionHouse",
)  # fmt: skip
THEIRS = ("UniswapV2Pair", "UniswapV3Pool", "WETH9")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Policy and limits of an index."""

    policy: Policy
    limits: Limits


# The defaults of an index file.
DEFAULT = Terms(
    policy=Policy(
        max_slippage=10_000,
        cooldown=300,
        min_interval=HOUR,
        max_duration=48 * HOUR,
        max_trade=WAD // 10,
        max_weight=WAD,
    ),
    limits=Limits(
        loss_capacity=5 * 10**15, loss_window=DAY, turnover_capacity=WAD, turnover_window=DAY, valuation_max_age=300
    ),
)
# The loosest that the code lets a governor choose, but for the loss budget: it alone must hold.
LOOSE = Terms(
    policy=Policy(
        max_slippage=50_000, cooldown=0, min_interval=0, max_duration=14 * DAY, max_trade=WAD, max_weight=WAD
    ),
    limits=Limits(
        loss_capacity=5 * 10**15, loss_window=DAY, turnover_capacity=4 * WAD, turnover_window=HOUR, valuation_max_age=HOUR
    ),
)  # fmt: skip


def flat_market(days: int) -> Market:
    """Prices that stand still: whatever a share loses, somebody took."""
    return _market({coin: [price] * (days + 3) for coin, (price, _) in COINS.items()})


def moving_market(days: int, *, seed: int = 1) -> Market:
    """The same prices at START, then a walk of 4 % a day; the dollar stays."""
    walk = pd.Series(range(days + 3))
    paths = {}
    for number, (coin, (price, _)) in enumerate(COINS.items()):
        steps = walk.map(lambda day, n=number: _noise(seed, n, day))
        steps[0] = steps[1] = 0.0
        paths[coin] = [price] * len(walk) if coin == "usd-coin" else list(price * (1 + 0.04 * steps).cumprod())
    return _market(paths)


def _noise(seed: int, number: int, day: int) -> float:
    """A number between −1.7 and 1.7 of variance 1, the same on every machine."""
    mixed = (seed * 1_000_003 + number * 7919 + day * 104_729 + 12_345) * 2_654_435_761 % 2**32
    return (mixed / 2**32 - 0.5) * 12**0.5


def _market(prices: dict[str, list[float]]) -> Market:
    dates = pd.date_range(pd.Timestamp(START) - pd.Timedelta(days=1), periods=len(prices["bitcoin"]), freq="D")
    price = pd.DataFrame(prices, index=dates)
    volume = pd.DataFrame({coin: [COINS[coin][1]] * len(dates) for coin in prices}, index=dates)
    facts = {"symbol": ["btc", "link", "eth", "usdc"], "decimals": [8, 18, 18, 6], "tags": [""] * len(prices)}
    meta = pd.DataFrame(facts, index=pd.Index(list(prices)))
    return Market(price=price, market_cap=price * 1e7, volume=volume, meta=meta)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A pool in which component `sell` can be sold for component `buy`, and its contract."""

    pool: Pool
    sell: int
    buy: int
    contract: At

    @property
    def is_v3(self) -> bool:
        return self.pool.kind == "v3"

    def back(self) -> Route:
        return replace(self, sell=self.buy, buy=self.sell)


class Ground:
    """A market with a core on it, and a snapshot of that. One per process."""

    def __init__(self, days: int) -> None:
        self.days = days
        artifacts: dict[str, Artifact] = {name: artifact(name) for name in OURS}
        artifacts |= {name: vendor(name) for name in THEIRS}
        artifacts["AccessManager"] = access_manager()
        self.chain = Chain(artifacts)
        self.devnet = Devnet.build(self.chain.node, flat_market(days), start=START, coins=list(COINS))
        self.people = self.chain.node.accounts
        w3, deployer = self.chain.node.w3, self.people[DEPLOYER]
        self.core = deploy_core(w3, deployer, governor=self.people[GOVERNOR])
        tokens = self.devnet.tokens.values()
        feeds = [Feed(token=token.address, aggregator=token.feed, max_age=FEED_AGE) for token in tokens]
        self.feeds = set_feeds(w3, deployer, self.core, feeds)
        self.catch_up()
        self.eye = self.deploy("AdversaryEye")
        self._snapshot = self.chain.snapshot()

    def deploy(self, name: str, *arguments: object, sender: str | None = None) -> At:
        """A contract of the agents, at its checksummed address."""
        made = self.chain.deploy(name, *arguments, sender=sender)
        return At(to_checksum_address(made.address), made.interface)

    def catch_up(self) -> None:
        """The devnet has moved time and the base fee."""
        self.chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
        self.chain.now = self.devnet.now

    def arena(
        self, *, terms: Terms, key: bool = False, guardian: bool = False, moving: bool = False, streaming_fee: int = 0
    ) -> Arena:
        """A fresh index for one agent. `key`: his wallet is strategist too; `guardian`: he is the guardian."""
        self.chain.revert(self._snapshot)
        self._snapshot = self.chain.snapshot()
        self.devnet.market = moving_market(self.days) if moving else flat_market(self.days)
        return Arena(self, terms=terms, key=key, guardian=guardian, streaming_fee=streaming_fee)

    def stop(self) -> None:
        self.chain.stop()


class Arena:
    """One index, its honest people, one agent with a wallet, and the meter."""

    def __init__(self, ground: Ground, *, terms: Terms, key: bool, guardian: bool, streaming_fee: int) -> None:
        self.ground, self.terms = ground, terms
        self.chain, self.devnet, self.core, self.eye = ground.chain, ground.devnet, ground.core, ground.eye
        self.eve, self.keeper, self.governor = (ground.people[who] for who in (EVE, KEEPER, GOVERNOR))
        self.start = self.chain.now
        self.strikes = 0
        self.refusals: Counter[str] = Counter()
        self.keep = 0  # {tok} that a push bought belongs to the pool above this
        self.breaches: list[str] = []  # promises other than the bound that were seen broken
        self.notes: dict[str, object] = {}
        self.tokens = tuple(ground.devnet.tokens.values())
        self.addresses = tuple(token.address for token in self.tokens)
        self.n = len(self.tokens)

        self.wallet = ground.deploy("AdversaryWallet", self.eve, sender=self.eve)
        create = self._create(terms, streaming_fee, self.wallet.address if guardian else ground.people[GUARD])
        interfaces = self.chain.interfaces
        self.index = At(create.address, interfaces["IndexToken"])
        self.authority = At(create.authority, interfaces["AccessManager"])
        self.rebalancer = At(self.core.rebalancer, interfaces["Rebalancer"])
        self.guard = At(self.core.guard, interfaces["ExchangeGuard"])
        self.oracle = At(self.core.oracle, interfaces["PriceOracle"])
        house = str(self.chain.read(Call(self.rebalancer, "auctions")))
        self.house = At(to_checksum_address(house), interfaces["AuctionHouse"])
        self.coins = tuple(At(address, interfaces["TestToken"]) for address in self.addresses)
        self.streaming_rate = int(cast(int, self.chain.read(Call(self.index, "streamingRate"))))
        ground.catch_up()
        if key:
            self.govern(Call(self.authority, "grantRole", (STRATEGIST, self.wallet.address, 0)))
        for token, coin in zip(self.tokens, self.coins, strict=True):
            self.devnet.faucet(self.wallet.address, token.id, self.worth(token.id, CAPITAL))
            self.chain.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
            self.send_bundle([Call(coin, "approve", (self.index.address, MAX))])
        ground.catch_up()
        self.routes = tuple(self._find_routes())
        self.maker = At(self.devnet.contracts.market_maker, interfaces["MarketMaker"])
        pools = {pool.address: pool for token in self.tokens for pool in token.pools}
        self._depth = {pool: self.devnet.pool_state(pool)[1] for pool in pools.values()}
        self.market_prices: tuple[int, ...] | None = None  # while the oracle lags; else the oracle's
        sight, self.prices = self.see()
        self.meter = Meter(capacity=terms.limits.loss_capacity / WAD, window=terms.limits.loss_window)
        self.meter.begin(sight)
        self._marked = sight

    def _create(self, terms: Terms, streaming_fee: int, guardian: str) -> IndexDeployment:
        people, w3 = self.ground.people, self.chain.node.w3
        amounts = tuple(self.worth(token.id, NAV // self.n) for token in self.tokens)
        for token, amount in zip(self.tokens, amounts, strict=True):
            self.devnet.faucet(people[DEPLOYER], token.id, amount)
        return create_index(
            w3, people[DEPLOYER], self.core,
            IndexTerms(
                name="Prey", symbol="PREY", components=self.addresses, seed_amounts=amounts, seed_shares=10_000 * WAD,
                receiver=people[ALICE], governor=self.governor, guardian=guardian, strategist=self.keeper,
                fee_recipient=people[TREASURY], streaming_fee=streaming_fee, policy=terms.policy, limits=terms.limits,
                allowed=self.addresses, spec_hash="prey",
            ),
        )  # fmt: skip

    def worth(self, coin: str, usd: int) -> int:
        """{tok} of a coin for `usd` dollars at the first price."""
        return int(Fraction(usd) / Fraction(COINS[coin][0]) * 10 ** self.devnet.tokens[coin].decimals)

    def _find_routes(self) -> Iterator[Route]:
        place = {address: i for i, address in enumerate(self.addresses)}
        for token in self.tokens:
            for pool in token.pools:
                kind = "UniswapV3Pool" if pool.kind == "v3" else "UniswapV2Pair"
                contract = At(pool.address, self.chain.interfaces[kind])
                there = Route(pool=pool, sell=place[pool.token0], buy=place[pool.token1], contract=contract)
                yield there
                yield there.back()

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.chain.now

    def _eye_call(self) -> Call:
        return Call(self.eye, "look", (self.index.address, self.core.oracle, list(self.addresses), self.wallet.address))

    def _sight(self, raw: tuple[object, ...]) -> Sight:
        supply, reserves, _, held, shares = raw
        return Sight(
            time=self.now, supply=cast(int, supply), reserves=tuple(cast("tuple[int, ...]", reserves)),
            held=tuple(cast("tuple[int, ...]", held)), shares=cast(int, shares),
        )  # fmt: skip

    def see(self) -> tuple[Sight, tuple[int, ...]]:
        """The world and the oracle's prices, D27{nUSD/tok}, as they are."""
        raw = cast("tuple[object, ...]", self.chain.read(self._eye_call()))
        return self._sight(raw), tuple(cast("tuple[int, ...]", raw[2]))

    @property
    def true_prices(self) -> tuple[int, ...]:
        """D27{nUSD/tok} on the market."""
        return self.market_prices or self.prices

    @property
    def sight(self) -> Sight:
        """The last one; nothing happened since."""
        assert self.meter.last is not None
        return self.meter.last

    def nav(self) -> int:
        """{nUSD} at the oracle's prices."""
        return sum(r * p for r, p in zip(self.sight.reserves, self.prices, strict=True)) // 10**27

    def gaps(self) -> list[tuple[int, int]]:
        """(surplus, deficit) {tok} of every component in the live plan."""
        return [
            cast("tuple[int, int]", gap)
            for gap in self.chain.reads(
                [Call(self.rebalancer, "gapOf", (self.index.address, a)) for a in self.addresses]
            )
        ]

    def plan(self) -> tuple[int, int, int, int]:
        """(id, steps, started at, expires at) of the last plan."""
        raw = cast("tuple[int, ...]", self.chain.read(Call(self.rebalancer, "planOf", (self.index.address,))))
        return raw[0], raw[1], raw[2], raw[3]

    def next_auction(self) -> int:
        """The number that the next auction will have."""
        last = cast("tuple[int, ...]", self.chain.read(Call(self.house, "auctionOf", (self.index.address,))))
        return last[1] + 1

    def version(self) -> int:
        return cast(int, self.chain.read(Call(self.index, "version")))

    def loss_left(self) -> int:
        """D18 of the loss budget that is left."""
        used = cast("tuple[int, int]", self.chain.read(Call(self.guard, "usedOf", (self.index.address,))))
        return self.terms.limits.loss_capacity - used[0]

    def weights(self) -> list[float]:
        values = [r * p for r, p in zip(self.sight.reserves, self.prices, strict=True)]
        return [value / sum(values) for value in values]

    def largest(self, gaps: Sequence[tuple[int, int]], sell: int, buy: int) -> int:
        """{tok} of `sell` that surplus and deficit allow at the oracle's mid."""
        return min(gaps[sell][0], gaps[buy][1] * self.prices[buy] // self.prices[sell])

    # --- calls to put into bundles --------------------------------------------------------------------------------------

    def start_plan(self, weights: Sequence[int], *, duration: int | None = None, plan: int | None = None) -> Call:
        number = self.plan()[0] + 1 if plan is None else plan
        lasts = self.terms.policy.max_duration if duration is None else duration
        return Call(
            self.rebalancer, "startPlan", (self.index.address, number, self.version(), [], list(weights), lasts)
        )

    def swap(
        self, sell: int, buy: int, amount: int, *, least: int = 0, route: Route | None = None, data: bytes = b"",
        after: int = 0, plan: tuple[int, int] | None = None,
    ) -> Call:  # fmt: skip
        """A swap of the live plan through a pool, or with the agent's wallet as taker. `after`: swaps that go before it."""
        number, steps = plan or self.plan()[:2]
        payee = taker = self.wallet.address
        if route is not None:
            taker = self.core.v3_taker if route.is_v3 else self.core.v2_taker
            payee = taker if route.is_v3 else route.pool.address
            data = encode(["address[]"], [[route.pool.address]])
        order = (
            self.index.address, number, steps + after, self.addresses[sell], self.addresses[buy], amount, least, payee,
            taker, data,
        )  # fmt: skip
        return Call(self.rebalancer, "swap", (order,))

    def push(self, route: Route, amount: int) -> Call:
        """The agent sells to a pool."""
        verb = "sellV3" if route.is_v3 else "sellV2"
        return Call(self.wallet, verb, (route.pool.address, self.addresses[route.sell], amount))

    def unwind(self, route: Route) -> Call:
        """Whatever the push bought goes back to the pool."""
        keep = self.sight.held[route.buy]
        return Call(self.wallet, "sellRest", (route.is_v3, route.pool.address, self.addresses[route.buy], keep))

    def mint(self, shares: int) -> Call:
        return Call(self.index, "mint", (shares, self.version(), [MAX] * self.n, self.wallet.address))

    def redeem(self, shares: int, *, mask: int = 0) -> Call:
        me = self.wallet.address
        return Call(self.index, "redeem", (shares, self.version(), [0] * self.n, me, me, mask))

    def donate(self, i: int, amount: int) -> Call:
        return Call(self.coins[i], "transfer", (self.index.address, amount))

    @staticmethod
    def answer(before: Sequence[Call] = (), *, pay_ppm: int = PPM, give_back: bool = False) -> bytes:
        """Data for the wallet's callback."""
        calls = [(call.target.address, bytes.fromhex(call.data[2:])) for call in before]
        return encode(["((address,bytes)[],uint256,bool)"], [(calls, pay_ppm, give_back)])

    # --- what the agent does --------------------------------------------------------------------------------------------

    def _bundle(self, calls: Sequence[Call]) -> Call:
        raw = [(call.target.address, bytes.fromhex(call.data[2:])) for call in (*calls, self._eye_call())]
        return Call(self.wallet, "run", (raw,))

    def dry(self, calls: Sequence[Call]) -> Sight | Failure:
        """How the world would look after the bundle; nothing happens."""
        result = self.chain.call(self._bundle(calls), sender=self.eve)
        return result if isinstance(result, Failure) else self._last_sight(result)

    def _last_sight(self, result: tuple[object, ...]) -> Sight:
        raw = cast("tuple[bytes, ...]", result[0])[-1]
        types = self.chain.interfaces["AdversaryEye"].functions["look"].outputs
        return self._sight(cast("tuple[object, ...]", decode(types, raw)[0]))

    def score(self, calls: Sequence[Call]) -> Harm | None:
        """What the bundle would do to the holders and for the agent, at the market's prices; None when it is refused."""
        after = self.dry(calls)
        return None if isinstance(after, Failure) else harm(self.sight, after, self.true_prices)

    def strike(self, calls: Sequence[Call]) -> Harm | Failure:
        """The agent does it."""
        result = self.chain.attempt(self.eve, self._bundle(calls))
        if isinstance(result, Failure):
            self.refusals[result.reason] += 1
            return result
        self.strikes += 1
        return self._moved()

    def send_bundle(self, calls: Sequence[Call]) -> None:
        """Set-up and rehearsals of the agent: must work, and are not metered."""
        self.chain.send(self.eve, self._bundle(calls))

    # --- what the others do ---------------------------------------------------------------------------------------------

    def honest(self, sender: str, call: Call) -> Harm | Failure:
        """Somebody else's transaction, seen by the meter."""
        result = self.chain.attempt(sender, call)
        return result if isinstance(result, Failure) else self._moved()

    def would(self, sender: str, calls: Sequence[Call]) -> Sight | Failure:
        """How the world would look after somebody else's transactions; undone."""
        with self.undone():
            for call in calls:
                result = self.chain.attempt(sender, call)
                if isinstance(result, Failure):
                    return result
            return self.see()[0]

    def mark(self) -> None:
        """An attack on an honest operation begins: from here the twin is compared."""
        self._marked = self.sight

    def excuse_since(self, twin: Sight) -> None:
        """The holder's twin, who was not attacked, stands at `twin` after the same honest operation since the mark."""
        before = self._marked
        self.meter.excuse(harm(before, twin, self.prices).loss, harm(before, twin, self.true_prices).loss)

    @contextmanager
    def undone(self) -> Iterator[None]:
        snapshot = self.chain.snapshot()
        try:
            yield
        finally:
            self.chain.revert(snapshot)

    def govern(self, call: Call) -> None:
        self.chain.send(self.governor, call)

    def replace_guard(self, guard: At) -> None:
        self.govern(Call(self.index, "setGuard", (guard.address,)))
        self.guard = guard

    def _moved(self) -> Harm:
        sight, prices = self.see()
        change = self.meter.moved(sight, self.prices, self.true_prices)
        self.prices = prices
        return change

    # --- time -----------------------------------------------------------------------------------------------------------

    def wait(self, seconds: int) -> None:
        """Time passes; nobody acts."""
        since = self.now
        self.chain.advance(seconds)
        self._waited(since)

    def until(self, day: int, seconds: int) -> None:
        """Waits for a moment of a day, {s} after its midnight."""
        self.wait(max(self.start_of(day) + seconds - self.now, 0))

    def start_of(self, day: int) -> int:
        return self.start // DAY * DAY + day * DAY

    def next_day(self, day: int) -> None:
        """The market's next day: arbitrage puts the pools right, feeds report."""
        since = self.now
        self.devnet.step(pd.Timestamp(self.start_of(day + 1), unit="s"))
        self.ground.catch_up()
        self._waited(since)

    def arbitrage(self) -> None:
        """Honest traders put every pool back to the oracle's prices."""
        place = {token.address: (price, token) for price, token in zip(self.prices, self.tokens, strict=True)}
        targets = []
        for pool, depth in self._depth.items():
            (price0, _), (price1, _) = place[pool.token0], place[pool.token1]
            # prices are for base units already
            root = sqrt_price_x96(Fraction(price0), Fraction(price1), 0, 0)
            targets.append((pool.address, pool.kind == "v3", root, depth))
        self.chain.send(self.devnet.operator, Call(self.maker, "trade", (targets,)))

    def report(self, usd: dict[str, float]) -> None:
        """The feeds of these coins report a new price now."""
        answers = [
            (token.aggregator, round(usd[token.id] * 10**token.feed_decimals), self.now)
            for token in self.tokens
            if token.id in usd
        ]
        self.chain.send(self.devnet.operator, Call(self.maker, "report", (answers,)))
        self._waited(self.now)

    def _waited(self, since: int) -> None:
        sight, self.prices = self.see()
        self.meter.waited(sight, Fraction(growth(self.streaming_rate, self.now - since), WAD), self.prices)
