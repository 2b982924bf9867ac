"""Genuine Uniswap routers for tests that trade along routes: the street that a zap shops in.

`Street.open(world)` puts V2 and V3 with their routers on the chain; `pair` and `pool` open markets at the oracle's price.
`buy` and `sell` are calls of a route: exact out and exact in, paid and received by the executor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from brownie import MarketMaker, accounts, web3

from offchain.chain.artifacts import vendor
from offchain.chain.transactions import at, deploy, send
from tests.contracts.support import D27, DEPLOYER, WAD, ZERO, MockFeed, price_d27

FEE = 3000
FAR = 2**40  # {s} a deadline nobody lives to see
ETHER_USD = 2000

Call = tuple[str, int, str, str, int, bytes]


@dataclass(kw_only=True)
class Street:
    world: Any
    weth: Any
    v2_factory: Any
    v2: Any  # UniswapV2Router02
    v3: Any  # SwapRouter
    maker: Any
    kinds: dict[frozenset[str], str] = field(default_factory=dict)

    @classmethod
    def open(cls, world: Any) -> Street:
        who = accounts[DEPLOYER].address
        weth = at(web3, vendor("WETH9"), world.zap.weth())
        feed = accounts[DEPLOYER].deploy(MockFeed, weth.address, price_d27(ETHER_USD, 18))
        world.set_feed(weth.address, feed)
        v2_factory = deploy(web3, who, vendor("UniswapV2Factory"), who)
        v3_factory = deploy(web3, who, vendor("UniswapV3Factory"))
        return cls(
            world=world,
            weth=weth,
            v2_factory=v2_factory,
            v2=deploy(web3, who, vendor("UniswapV2Router02"), v2_factory.address, weth.address),
            v3=deploy(web3, who, vendor("SwapRouter"), v3_factory.address, weth.address),
            maker=accounts[DEPLOYER].deploy(MarketMaker, who, weth.address, v2_factory.address, v3_factory.address),
        )

    # --- markets ---

    def market(self, kind: str, a: Any, b: Any, *, usd: int) -> str:
        """A V2 pair ("v2") or a V3 pool ("v3") with `usd` dollars of each token; returns its address."""
        self.kinds[frozenset((str(a), str(b)))] = kind
        one, two = sorted((str(a), str(b)), key=lambda token: int(token, 16))
        amounts = [usd * 10**9 * D27 // self.world.oracle.price(token) for token in (one, two)]
        if kind == "v3":
            root, liquidity = isqrt((amounts[1] << 192) // amounts[0]), isqrt(amounts[0] * amounts[1])
            self.maker.open([(one, two, FEE, root, liquidity)], {"from": accounts[DEPLOYER]})
            return ""
        send(web3, accounts[DEPLOYER].address, self.v2_factory.functions.createPair(one, two))
        pair = self.v2_factory.functions.getPair(one, two).call()
        tokens = {str(a): a, str(b): b}
        for token, amount in zip((one, two), amounts, strict=True):
            self.give(tokens[token], pair, amount)
        send(web3, accounts[DEPLOYER].address, at(web3, vendor("UniswapV2Pair"), pair).functions.mint(ZERO[:-1] + "1"))
        return str(pair)

    def give(self, token: Any, to: Any, amount: int) -> None:
        """Makes `amount` {tok} of a test token, or wraps ether, for `to`."""
        if str(token) != self.weth.address:
            token.mint(to, amount, {"from": accounts[DEPLOYER]})
            return
        who = accounts[DEPLOYER].address
        web3.provider.make_request("anvil_setBalance", [who, hex(amount + 10**24)])
        send(web3, who, self.weth.functions.deposit(), value=amount)
        send(web3, who, self.weth.functions.transfer(str(to), amount))

    # --- calls of a route ---

    def sell(self, token: Any, other: Any, amount: int, *, allow: int | None = None) -> Call:
        """Sells exactly `amount` of `token`, for whatever it brings."""
        one, two, to = str(token), str(other), self.world.zap.executor()
        allowed = amount if allow is None else allow
        if self.kind(one, two) == "v2":
            data = self.v2.encode_abi("swapExactTokensForTokens", [amount, 0, [one, two], to, FAR])
            return self.call(self.v2, data, one, allowed)
        data = self.v3.encode_abi("exactInputSingle", [(one, two, FEE, to, FAR, amount, 0, 0)])
        return self.call(self.v3, data, one, allowed)

    def buy(self, token: Any, other: Any, amount: int, *, most: int) -> Call:
        """Buys exactly `amount` of `other` for at most `most` of `token`."""
        one, two, to = str(token), str(other), self.world.zap.executor()
        if self.kind(one, two) == "v2":
            data = self.v2.encode_abi("swapTokensForExactTokens", [amount, most, [one, two], to, FAR])
            return self.call(self.v2, data, one, most)
        data = self.v3.encode_abi("exactOutputSingle", [(one, two, FEE, to, FAR, amount, most, 0)])
        return self.call(self.v3, data, one, most)

    def kind(self, one: str, two: str) -> str:
        return self.kinds[frozenset((one, two))]

    @staticmethod
    def call(target: Any, data: str | bytes, token: Any = ZERO, amount: int = 0, value: int = 0) -> Call:
        """A call that may pull `amount` of `token`."""
        raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else data
        spender = target.address if hasattr(target, "address") else str(target)
        return (spender, value, str(token), spender, amount, raw)

    # --- prices ---

    def worth(self, token: Any, usd: int) -> int:
        """{tok} of `usd` dollars at the oracle."""
        return usd * 10**9 * D27 // int(self.world.oracle.price(str(token)))

    def value(self, token: Any, amount: int) -> float:
        """Dollars of `amount`."""
        return amount * int(self.world.oracle.price(str(token))) / D27 / 10**9


def whole(amount: float) -> int:
    return int(amount * WAD)
