"""The local market: coins, feeds and pools on a local node, moved from day to day by a market file.

    market = load_market("market.parquet")
    coins = choose_coins(market, ["2021-01-04"], top=30)
    with Anvil.start(timestamp=Devnet.genesis("2021-01-04")) as node:
        world = Devnet.build(node, market, start="2021-01-04", coins=coins)
        world.step("2021-01-05")
        world.price("uniswap"), world.pool_price("uniswap")

What is genuine: WETH9, Uniswap V2 and V3, their routers, quoter and position manager, Chainlink's proxies, Multicall3,
Permit2. What stands in: the coins (TestToken), the aggregators behind the proxies, and one MarketMaker that provides the
liquidity and trades every pool to the market's price.

A step to time t does what happens between two dates in life: trades arrive SETTLE seconds before t, so that a half-hour
average price at t has settled, and feeds report at t. A coin without new data keeps its last price in its pools, and its
feed is not updated: it goes stale.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

from web3.contract.contract import Contract

from offchain.chain.artifacts import Artifact, artifact, chainlink_proxy, vendor
from offchain.chain.client import rpc_batch
from offchain.chain.transactions import Call, at, require_mined, send, submit_many
from offchain.devnet import liquidity as rule
from offchain.devnet.build import place
from offchain.devnet.genuine import MULTICALL3, PERMIT2, Contracts
from offchain.devnet.listing import Pool, Token, dollar
from offchain.devnet.node import LocalNode
from offchain.devnet.quotes import USDC_ID, WETH_ID, Quote, read_quotes, to_date, to_seconds
from offchain.errors import ChainError

if TYPE_CHECKING:
    from offchain.market import Market

log = logging.getLogger(__name__)

SETTLE = 3600  # {s}
BEFORE_START = 86_400  # {s} genesis lies this long before the first date

# Gas one item of a batch may use, and what fits into one transaction.
OPEN_GAS, TRADE_GAS, REPORT_GAS, TX_GAS = 7_500_000, 700_000, 150_000, 16_000_000

_ABI_OF: dict[str, Callable[[], Artifact]] = {
    "weth": lambda: vendor("WETH9"),
    "usdc": lambda: artifact("TestToken"),
    "v2_factory": lambda: vendor("UniswapV2Factory"),
    "v2_router": lambda: vendor("UniswapV2Router02"),
    "v3_factory": lambda: vendor("UniswapV3Factory"),
    "v3_router": lambda: vendor("SwapRouter"),
    "v3_router02": lambda: vendor("SwapRouter02"),
    "v3_quoter": lambda: vendor("QuoterV2"),
    "v3_positions": lambda: vendor("NonfungiblePositionManager"),
    "market_maker": lambda: artifact("MarketMaker"),
}


class Devnet:
    """A local market on a running node. Build, load or attach with the class methods; then `step`, read, and fund.

    `tokens` maps a coin's id to its Token; "ethereum" is the genuine WETH, "usd-coin" the world's USDC. Pools of a coin
    that has no price yet do not exist; they open with its first price, at the addresses `tokens` already tells.
    """

    def __init__(
        self,
        node: LocalNode,
        market: Market,
        *,
        contracts: Contracts,
        tokens: dict[str, Token],
        opened: Iterable[str],
        operator: str,
    ) -> None:
        self.node = node
        self.w3 = w3 = node.w3
        self.market = market
        self.contracts = contracts
        self.tokens = tokens
        self.operator = operator
        self._by_address = {token.address: token for token in tokens.values()}
        self._opened = set(opened)
        self._maker = at(w3, artifact("MarketMaker"), contracts.market_maker)

    # --- three ways to get one ----------------------------------------------------------------------------------------

    @staticmethod
    def genesis(start: object) -> int:
        """{s} The timestamp to start a node with that will hold a market of that first date."""
        return to_seconds(start) - BEFORE_START

    @classmethod
    def build(cls, node: LocalNode, market: Market, *, start: object, coins: Sequence[str]) -> Devnet:
        """Deploys everything on a fresh node and leaves it at `start` exactly, with prices and pools of that date."""
        placed = place(node, market, start=start, coins=coins)
        world = cls(node, market, contracts=placed.contracts, tokens=placed.tokens, opened=(), operator=placed.operator)
        world._run(world._openings(placed.quotes), timestamp=placed.first - SETTLE)
        world._run(world._reports(placed.quotes), timestamp=placed.first)
        log.info("built a market of %d coins at %s", len(placed.tokens), to_date(placed.first))
        return world

    @classmethod
    def attach(cls, node: LocalNode, market: Market, manifest: dict[str, object]) -> Devnet:
        """The market that a manifest describes, on a node that holds it already, whoever started that."""
        chain_id = node.w3.eth.chain_id
        if chain_id != manifest["chain_id"]:
            raise ChainError(f"the manifest is of chain {manifest['chain_id']}, the node is on chain {chain_id}")
        contracts = Contracts(**manifest["contracts"])  # type: ignore[arg-type]
        if not node.w3.eth.get_code(node.w3.to_checksum_address(contracts.market_maker)):
            raise ChainError(
                "the node does not hold the market of this manifest (was it restarted?); run `make chain` again"
            )
        tokens = {
            coin: Token(id=coin, **{**facts, "pools": tuple(Pool(**pool) for pool in facts["pools"])})
            for coin, facts in manifest["tokens"].items()  # type: ignore[attr-defined]
        }
        world = cls(node, market, contracts=contracts, tokens=tokens, opened=(), operator=str(manifest["operator"]))
        world._opened = world._existing_pools()
        return world

    def save(self, path: Path) -> None:
        """Writes the whole chain, whatever was deployed on it since, to a file that `load` reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"manifest": self.manifest(), "state": self.node.dump()}))
        partial.replace(path)

    @classmethod
    def load(cls, node: LocalNode, market: Market, path: Path) -> Devnet:
        """A saved world on a fresh node: same addresses, same state, same block number and time."""
        saved = json.loads(path.read_text())
        node.load(saved["state"])
        return cls.attach(node, market, saved["manifest"])

    def manifest(self) -> dict[str, object]:
        """Everything needed to find this market on its chain, as plain JSON."""
        return {
            "chain_id": self.w3.eth.chain_id,
            "date": to_date(self.now),
            "operator": self.operator,
            "contracts": self.contracts.as_dict(),
            "tokens": {coin: token.as_dict() for coin, token in sorted(self.tokens.items())},
        }

    # --- addresses people ask for -------------------------------------------------------------------------------------

    @property
    def weth(self) -> Token:
        return self.tokens[WETH_ID]

    @property
    def usdc(self) -> Token:
        return self.tokens[USDC_ID]

    @property
    def multicall3(self) -> str:
        return MULTICALL3

    @property
    def permit2(self) -> str:
        return PERMIT2

    @property
    def v2_router(self) -> str:
        return self.contracts.v2_router

    @property
    def v3_quoter(self) -> str:
        return self.contracts.v3_quoter

    def contract(self, name: str) -> Contract:
        """A ready contract of `contracts` by its field name: `world.contract("v2_router").functions…`."""
        return at(self.w3, _ABI_OF[name](), getattr(self.contracts, name))

    def proxy(self, coin: str) -> Contract:
        """The Chainlink proxy of a coin."""
        return at(self.w3, chainlink_proxy(), self.tokens[coin].feed)

    def pool_contract(self, pool: Pool) -> Contract:
        """The pool itself."""
        return at(self.w3, vendor("UniswapV3Pool" if pool.kind == "v3" else "UniswapV2Pair"), pool.address)

    def erc20(self, coin: str) -> Contract:
        """The token contract of a coin."""
        return at(self.w3, vendor("WETH9") if coin == WETH_ID else artifact("TestToken"), self.tokens[coin].address)

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """{s} Chain time: the latest block's timestamp."""
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def step(self, t: object) -> None:
        """Moves the world to time `t` (a date, a time, or unix seconds as pd.Timestamp): pools trade, feeds report, time passes.

        The latest block's timestamp is `t` exactly afterwards. Feeds answer with the time at which the market saw the
        price; coins that the market did not see since the last step are not updated.
        """
        now, then = self.now, to_seconds(t)
        if then <= now:
            raise ChainError(
                f"the local market is at {to_date(now)} already and cannot step back to {to_date(then)}; use a snapshot"
            )
        fresh = read_quotes(self.market, self.tokens, until=then, after=now)
        known = {**self._quotes(now), **fresh}
        if USDC_ID not in known:
            known[USDC_ID] = dollar(then)

        calls = [*self._openings(known), *self._trades(known)]
        settled = max(now + 1, then - SETTLE)
        if settled < then:
            self._run(calls, timestamp=settled)
            calls = []
        self._run([*calls, *self._reports(fresh)], timestamp=then)

    def _quotes(self, until: int) -> dict[str, Quote]:
        return read_quotes(self.market, self.tokens, until=until)

    def _run(self, calls: list[tuple[Call, int]], *, timestamp: int) -> None:
        with self.node.one_block(timestamp=timestamp):
            hashes = submit_many(self.w3, self.operator, calls)
        require_mined(self.w3, hashes)

    @contextmanager
    def rewound(self) -> Iterator[None]:
        """`with world.rewound():` whatever happens to the chain inside is undone at the end."""
        opened = set(self._opened)
        try:
            with self.node.rewound():
                yield
        finally:
            self._opened = opened

    # --- what a step sends --------------------------------------------------------------------------------------------

    def _openings(self, known: dict[str, Quote]) -> list[tuple[Call, int]]:
        """Pools whose coin has its first price, opened."""
        openings = []
        for token in self.tokens.values():
            for pool in token.pools:
                if pool.address not in self._opened and token.id in known:
                    fee = 0 if pool.kind == "v2" else pool.fee
                    openings.append((pool.token0, pool.token1, fee, *self._stand(token, pool, known)))
                    self._opened.add(pool.address)
        return self._in_batches("open", openings, OPEN_GAS)

    def _trades(self, known: dict[str, Quote]) -> list[tuple[Call, int]]:
        """Every open pool, traded to the market's price and with the liquidity its volume deserves."""
        targets = []
        for token in self.tokens.values():
            for pool in token.pools:
                if pool.address in self._opened and token.id in known:
                    targets.append((pool.address, pool.kind == "v3", *self._stand(token, pool, known)))
        return self._in_batches("trade", targets, TRADE_GAS)

    def _reports(self, fresh: dict[str, Quote]) -> list[tuple[Call, int]]:
        """New prices for the feeds. An answer that would round to zero is not given."""
        answers = []
        for coin, quote in fresh.items():
            token = self.tokens[coin]
            answer = int(round(quote.price * 10**token.feed_decimals))
            if answer > 0:
                answers.append((token.aggregator, answer, quote.seen_at))
        return self._in_batches("report", answers, REPORT_GAS)

    def _stand(self, token: Token, pool: Pool, known: dict[str, Quote]) -> tuple[int, int]:
        """(√price, liquidity) at which a pool of `token` should be."""
        token0, token1 = self._by_address[pool.token0], self._by_address[pool.token1]
        facts = (known[token0.id].price, known[token1.id].price, token0.decimals, token1.decimals)
        share = 1.0
        if len(token.pools) > 1:
            share = rule.V3_SHARE if pool.kind == "v3" else 1.0 - rule.V3_SHARE
        return rule.sqrt_price_x96(*facts), rule.liquidity(share * rule.tvl(known[token.id].volume), *facts)

    def _in_batches(self, verb: str, items: Sequence[tuple[object, ...]], gas: int) -> list[tuple[Call, int]]:
        function: Callable[[object], Call] = self._maker.functions[verb]
        size = TX_GAS // gas
        return [(function(items[i : i + size]), TX_GAS) for i in range(0, len(items), size)]

    # --- reading ------------------------------------------------------------------------------------------------------

    def price(self, coin: str) -> Decimal:
        """{USD/TOK} what the coin's feed answers, through the proxy."""
        return self.prices([coin])[coin]

    def prices(self, coins: Iterable[str] | None = None) -> dict[str, Decimal]:
        """{USD/TOK} by coin, from the feeds, in one request; coins whose feed never answered are left out."""
        wanted = [self.tokens[coin] for coin in (self.tokens if coins is None else coins)]
        answers = self._read([(token.feed, "0x50d25bcd") for token in wanted])  # latestAnswer()
        return {
            token.id: Decimal(_words(answer)[0]).scaleb(-token.feed_decimals)
            for token, answer in zip(wanted, answers, strict=True)
            if _words(answer)[0] != 0
        }

    def updated_at(self, coin: str) -> int:
        """{s} when the coin's feed was last updated; 0 when never."""
        return _words(self._read([(self.tokens[coin].feed, "0x8205bf6a")])[0])[0]  # latestTimestamp()

    def age(self, coin: str) -> int:
        """{s} how old the coin's feed is."""
        return self.now - self.updated_at(coin)

    def pool_price(self, coin: str, pool: Pool | None = None) -> Decimal:
        """{USD/TOK} the mid price of a pool of the coin (default: its first), the other token valued by the market."""
        token = self.tokens[coin]
        chosen = pool or (token.pools[0] if token.pools else None)
        if chosen is None or chosen.address not in self._opened:
            raise ChainError(f"{token.symbol} has no open pool")
        is_token0 = chosen.token0 == token.address
        other = self._by_address[chosen.token1 if is_token0 else chosen.token0]
        root, _ = self.pool_state(chosen)
        ratio = Fraction(root * root, 2**192)  # token1 per token0, base units
        raw = ratio if is_token0 else 1 / ratio
        quotes = self._quotes(self.now)
        usd = quotes[other.id].price if other.id in quotes else Fraction(1)
        exact = raw * Fraction(10) ** (token.decimals - other.decimals) * usd
        return Decimal(exact.numerator) / Decimal(exact.denominator)

    def pool_state(self, pool: Pool) -> tuple[int, int]:
        """(√price·2^96, liquidity √(amount0·amount1)) of an open pool, read from the chain."""
        if pool.kind == "v3":
            slot0, amount = self._read([(pool.address, "0x3850c7bd"), (pool.address, "0x1a686502")])
            return _words(slot0)[0], _words(amount)[0]
        reserve0, reserve1, _ = _words(self._read([(pool.address, "0x0902f1ac")])[0])
        return isqrt((reserve1 << 192) // reserve0), isqrt(reserve0 * reserve1)

    def pool_value(self, pool: Pool) -> Decimal:
        """{USD} what an open pool's full-range liquidity holds, both sides."""
        root, amount = self.pool_state(pool)
        token0 = self._by_address[pool.token0]
        quotes = self._quotes(self.now)
        usd = quotes[token0.id].price if token0.id in quotes else Fraction(1)
        return Decimal(int(2 * Fraction(amount * 2**96, root) / 10**token0.decimals * usd * 100)).scaleb(-2)

    def is_open(self, pool: Pool) -> bool:
        """Whether the pool exists already: it opens with its coin's first price."""
        return pool.address in self._opened

    def _existing_pools(self) -> set[str]:
        pools = [pool.address for token in self.tokens.values() for pool in token.pools]
        codes = rpc_batch(self.w3, [("eth_getCode", [address, "latest"]) for address in pools])
        return {address for address, code in zip(pools, codes, strict=True) if code != "0x"}

    def balance(self, account: str, coin: str) -> int:
        """{tok} that an account holds."""
        return int(self.erc20(coin).functions.balanceOf(account).call())

    def _read(self, calls: list[tuple[str, str]]) -> list[str]:
        return [
            str(answer)
            for answer in rpc_batch(self.w3, [("eth_call", [{"to": to, "data": data}, "latest"]) for to, data in calls])
        ]

    # --- giving and meddling ------------------------------------------------------------------------------------------

    def faucet(self, to: str, coin: str, amount: int) -> None:
        """Gives `amount` {tok} of a coin, WETH included."""
        send(self.w3, self.operator, self._maker.functions.give(self.tokens[coin].address, to, amount))

    def fund(self, account: str, *, ether: int = 1000, usdc: int = 0) -> None:
        """Gives an account whole ETH for gas and whole USDC to invest; the ETH balance is set, not added to."""
        self.node.set_balance(account, ether * 10**18)
        if usdc:
            self.faucet(account, USDC_ID, usdc * 10**self.usdc.decimals)

    def set_feed(self, coin: str, price: Decimal | float | int, *, updated_at: int | None = None) -> None:
        """Makes a coin's feed answer `price` {USD/TOK}, as of `updated_at` {s} (default: now). Pools stay where they are."""
        token = self.tokens[coin]
        answer = int(Decimal(str(price)).scaleb(token.feed_decimals).to_integral_value())
        stamp = self.now if updated_at is None else updated_at
        send(self.w3, self.operator, self._maker.functions.report([(token.aggregator, answer, stamp)]))

    def set_pools(self, coin: str, price: Decimal | float | int) -> None:
        """Trades a coin's open pools to `price` {USD/TOK}, as a manipulator would. Its feed stays where it is."""
        known = self._quotes(self.now)
        known.setdefault(USDC_ID, dollar(self.now))
        old = known[coin]
        known[coin] = Quote(id=coin, price=Fraction(Decimal(str(price))), seen_at=old.seen_at, volume=old.volume)
        token = self.tokens[coin]
        targets = []
        for pool in token.pools:
            if pool.address in self._opened:
                root, _ = self._stand(token, pool, known)
                targets.append((pool.address, pool.kind == "v3", root, self.pool_state(pool)[1]))
        send(self.w3, self.operator, self._maker.functions.trade(targets))


def _words(answer: str) -> list[int]:
    body = answer[2:]
    return [int(body[i : i + 64], 16) for i in range(0, len(body), 64)]
