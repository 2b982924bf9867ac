"""Genuine Uniswap V2 and V3 pools for the tests, from npm's bytecode, opened by the devnet's market maker.

`Pools.open(world, a, b)` gives one V2 pair and one V3 pool (0.3 %) of two tokens at the oracle's price, with their
liquidity in dollars. `push` moves a pool as a manipulator does: with his own tokens, which `unwind` sells back.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

from brownie import MarketMaker, accounts, web3
from eth_abi import encode

from offchain.chain.artifacts import vendor
from offchain.chain.transactions import at, deploy, send
from tests.contracts.support import DEPLOYER, EVE, MAX, WAD

FEE = 3000


@dataclass(kw_only=True)
class Pools:
    a: Any
    b: Any
    v2: Any
    v3: Any
    router: Any
    maker: Any

    @classmethod
    def open(cls, world: Any, a: Any, b: Any, *, usd: int) -> Pools:
        """Both pools with `usd` dollars of each token."""
        who = accounts[DEPLOYER].address
        weth = deploy(web3, who, vendor("WETH9"))
        v2_factory = deploy(web3, who, vendor("UniswapV2Factory"), who)
        v3_factory = deploy(web3, who, vendor("UniswapV3Factory"))
        router = deploy(web3, who, vendor("SwapRouter"), v3_factory.address, weth.address)
        maker = accounts[DEPLOYER].deploy(MarketMaker, who, weth.address, v2_factory.address, v3_factory.address)
        a, b = sorted((a, b), key=lambda token: int(token.address, 16))
        amount0, amount1 = (usd * 10**9 * 10**27 // world.oracle.price(token) for token in (a, b))
        root, liquidity = isqrt((amount1 << 192) // amount0), isqrt(amount0 * amount1)
        maker.open([(a, b, fee, root, liquidity) for fee in (0, FEE)], {"from": accounts[DEPLOYER]})
        v2 = at(web3, vendor("UniswapV2Pair"), v2_factory.functions.getPair(a.address, b.address).call())
        v3 = at(web3, vendor("UniswapV3Pool"), v3_factory.functions.getPool(a.address, b.address, FEE).call())
        return cls(a=a, b=b, v2=v2, v3=v3, router=router, maker=maker)

    def route(self, kind: str, world: Any) -> dict[str, Any]:
        """Payee, taker and data of a swap of the index through one pool."""
        if kind == "v2":
            return {
                "payee": self.v2.address,
                "taker": world.v2_taker,
                "data": encode(["address[]"], [[self.v2.address]]),
            }
        return {"payee": world.v3_taker, "taker": world.v3_taker, "data": encode(["address[]"], [[self.v3.address]])}

    def swap(self, kind: str, sell: Any, amount: int) -> int:
        """Eve sells `amount` to a pool; returns what she gets."""
        buy = self.b if sell == self.a else self.a
        eve = accounts[EVE]
        before = buy.balanceOf(eve)
        if kind == "v2":
            reserves = self.v2.functions.getReserves().call()
            reserve_in, reserve_out = (reserves[0], reserves[1]) if sell == self.a else (reserves[1], reserves[0])
            out = amount * 997 * reserve_out // (reserve_in * 1000 + amount * 997)
            sell.transfer(self.v2.address, amount, {"from": eve})
            amounts = (0, out) if sell == self.a else (out, 0)
            send(web3, eve.address, self.v2.functions.swap(*amounts, eve.address, b""))
        else:
            sell.approve(self.router.address, MAX, {"from": eve})
            order = (sell.address, buy.address, FEE, eve.address, 2**40, amount, 0, 0)
            send(web3, eve.address, self.router.functions.exactInputSingle(order))
        return buy.balanceOf(eve) - before

    def reserves(self, kind: str) -> tuple[int, int]:
        """{tok} of a and b."""
        pool = self.v2.address if kind == "v2" else self.v3.address
        return self.a.balanceOf(pool), self.b.balanceOf(pool)

    def push(self, kind: str, sell: Any, percent: float) -> tuple[int, int]:
        """Eve sells so much that the price of `sell` falls by about `percent`; returns (sold, bought)."""
        held = self.reserves(kind)[0 if sell == self.a else 1]
        # constant product: price ∝ 1/x², so x must grow by (1 − p)^(−1/2)
        amount = int(held * ((1 - percent / 100) ** -0.5 - 1) / 0.997)
        sell.mint(accounts[EVE], amount, {"from": accounts[EVE]})
        return amount, self.swap(kind, sell, amount)


def bps(part: int, whole: int) -> float:
    return round(part * 10_000 * WAD // whole / WAD, 3)
