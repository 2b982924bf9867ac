"""Ways from one token to another that one taker can execute: along V2 pairs, or along V3 pools, at most two of them.

    route, bought = best_route(pools, sell=a, buy=b, amount=10**18, gas_value=lambda gas: {tok of b} that gas is worth)

A V2 route is paid into its first pair, a V3 route into the taker, which pays the pools when they ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from eth_abi.abi import encode

from offchain.trading.pools import NoQuote, Pool, mid_out, other_token, quote

BASE_GAS = {"v2": 330_000, "v3": 330_000}  # {gas} of a swap of the rebalancer without its pools
HOP_GAS = {"v2": 75_000, "v3": 95_000}  # {gas} of each pool

Pools = Mapping[str, Pool]


@dataclass(frozen=True, kw_only=True)
class Route:
    """Pools by address, in order, all of one kind. `tokens` has one entry more: what flows between them."""

    kind: str
    pools: tuple[str, ...]
    tokens: tuple[str, ...]

    @property
    def gas(self) -> int:
        """{gas} expected of the swap."""
        return BASE_GAS[self.kind] + HOP_GAS[self.kind] * len(self.pools)

    @property
    def data(self) -> bytes:
        """What the taker is told: `abi.encode(address[] route)`, pools and the tokens between them in turn."""
        steps = [self.pools[0]]
        for token, pool in zip(self.tokens[1:-1], self.pools[1:], strict=True):
            steps += [token, pool]
        return encode(["address[]"], [steps])

    def payee(self, taker: str) -> str:
        """Who receives what is sold: the first pair, or the V3 taker."""
        return self.pools[0] if self.kind == "v2" else taker


def find_routes(pools: Pools, *, sell: str, buy: str) -> list[Route]:
    """Every route from `sell` to `buy`, in a fixed order."""
    found = []
    for first in _of_token(pools.values(), sell):
        middle = other_token(first, sell)
        if middle == buy:
            found.append(Route(kind=first.kind, pools=(first.address,), tokens=(sell, buy)))
            continue
        for second in _of_token(pools.values(), middle):
            if second.kind == first.kind and other_token(second, middle) == buy:
                found.append(Route(kind=first.kind, pools=(first.address, second.address), tokens=(sell, middle, buy)))
    return sorted(found, key=lambda route: (len(route.pools), route.kind, route.pools))


def quote_route(pools: Pools, route: Route, amount: int) -> tuple[dict[str, Pool], int]:
    """The pools as they are after selling `amount` {tok} along a route, and the {tok} bought. Raises NoQuote."""
    after: dict[str, Pool] = {}
    for address, token in zip(route.pools, route.tokens, strict=False):
        after[address], amount = quote(pools[address], sell=token, amount=amount)
    return after, amount


def mid_of_route(pools: Pools, route: Route, amount: int) -> int:
    """{tok} at the middle prices of the pools, without fees and impact."""
    for address, token in zip(route.pools, route.tokens, strict=False):
        amount = mid_out(pools[address], sell=token, amount=amount)
    return amount


def best_route(
    pools: Pools, *, sell: str, buy: str, amount: int, gas_value: Callable[[int], int] = lambda gas: 0
) -> tuple[Route, int]:
    """The route that pays most for `amount` after gas, and the {tok} it pays. Raises NoQuote when there is none."""
    best: tuple[int, Route, int] | None = None
    for route in find_routes(pools, sell=sell, buy=buy):
        try:
            _, bought = quote_route(pools, route, amount)
        except NoQuote:
            continue
        net = bought - gas_value(route.gas)
        if best is None or net > best[0]:
            best = (net, route, bought)
    if best is None:
        raise NoQuote(f"no pools lead from {sell} to {buy} for {amount} base units; list a pool that does")
    return best[1], best[2]


def _of_token(pools: Iterable[Pool], token: str) -> list[Pool]:
    return [pool for pool in pools if token in (pool.token0, pool.token1)]
