"""Whoever holds a pool away from its price for many blocks, because an oracle averages it: twap-bender."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.adversary.agent import Attacker, largest_accepted, shifted
from tests.adversary.arena import DEFAULT, HOUR, Arena, Ground, Route, Terms
from tests.adversary.meter import Harm, harm
from tests.adversary.pools import pool_holds
from tests.properties.chain import Call, Failure

BLOCK = 12  # {s}
WINDOW = 1800  # {s} of the average
DEVIATION = 20_000  # {ppm} that the two sources of the anchored feed may differ
PRICED = "chainlink"  # the coin whose price is the average


@dataclass(kw_only=True)
class TwapBender(Attacker):
    """Pushes the V3 pool whose half-hour average prices a component, keeps everybody else out of it for many blocks, swaps
    with the index at the bent price, and sells the push back. He searches how far, how long and which way."""

    name: str = "twap-bender"
    controls: str = "strategist key, one pool for many blocks"
    terms: Terms = DEFAULT
    key: bool = True
    anchored: bool = False  # the average only has to agree with Chainlink
    _best: tuple[bool, float, int] | None = field(default=None, repr=False)

    def enter(self, ground: Ground) -> Arena:
        arena = super().enter(ground)
        arena.market_prices = arena.prices
        coin = next(token for token in arena.tokens if token.id == PRICED)
        pool = next(pool for pool in coin.pools if pool.kind == "v3")
        dollar = ground.feeds[arena.devnet.usdc.address]
        depth = arena.devnet.pool_state(pool)[1]
        feed = ground.deploy("UniswapV3TwapFeed", coin.address, pool.address, dollar, WINDOW, depth // 2).address
        if self.anchored:
            feed = ground.deploy("AnchoredFeed", ground.feeds[coin.address], feed, DEVIATION).address
        arena.govern(Call(arena.oracle, "setFeed", (coin.address, feed)))
        return arena

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, HOUR)
        tries = [(rng.random() < 0.5, 10 ** rng.uniform(-2, -0.3), rng.choice((1, 5, 25, 75, 150))) for _ in range(3)]
        if self._best is not None:
            up, part, blocks = self._best
            tries += [
                (up, part * rng.uniform(0.7, 1.4), blocks),
                (up, part, max(int(blocks * rng.uniform(0.6, 1.7)), 1)),
            ]
        scored = [(self.trial(arena, *one), one) for one in tries]
        able = [(gain, one) for gain, one in scored if gain is not None]
        if not able:  # he holds the pool all the same, and finds that nobody trades at its price
            able = [(0.0, tries[0])]
        _, best = max(able)
        self._best = best
        self.push(arena, *best)
        self.take(arena, best[0])

    def routes(self, arena: Arena, up: bool) -> Route:
        """The push that makes the coin dearer, or cheaper."""
        coin = next(i for i, token in enumerate(arena.tokens) if token.id == PRICED)
        return next(route for route in arena.routes if route.is_v3 and (route.buy if up else route.sell) == coin)

    def push(self, arena: Arena, up: bool, part: float, blocks: int) -> None:
        route = self.routes(arena, up)
        arena.keep = arena.sight.held[route.buy]
        arena.strike([arena.push(route, int(part * pool_holds(arena, route)))])
        arena.wait(blocks * BLOCK)

    def take(self, arena: Arena, up: bool) -> Harm | Failure | None:
        """A plan and the largest swap at the bent price, and the push sold back; only the latter when none is accepted."""
        route = self.routes(arena, up)
        sell_back = Call(arena.wallet, "sellRest", (True, route.pool.address, arena.addresses[route.buy], arena.keep))
        calls = self.swap(arena, route)
        if calls is None:
            arena.refusals["no swap is accepted at the bent price"] += 1
        return arena.strike([*(calls or []), sell_back])

    def swap(self, arena: Arena, route: Route) -> list[Call] | None:
        """Dear: the index buys the coin from him. Cheap: it sells the coin to him. Against what it has most of else."""
        number, weights = arena.plan()[0] + 1, arena.weights()
        if 0 in arena.prices:
            return None
        sell, buy = route.sell, route.buy
        plan = arena.start_plan(shifted(weights, sell, buy, 0.1), plan=number)

        def bundle(amount: int) -> list[Call]:
            return [plan, arena.swap(sell, buy, amount, plan=(number, 0))]

        most = int(arena.sight.reserves[sell] * 0.1 / weights[sell])
        amount = largest_accepted(
            lambda a: not isinstance(arena.dry(bundle(a)), Failure), most // 10**4, most, steps=10
        )
        return bundle(amount) if amount else None

    def trial(self, arena: Arena, up: bool, part: float, blocks: int) -> float | None:
        """His gain at the market's prices, of the others' shares; undone."""
        before, prices, last = arena.sight, arena.prices, arena.meter.last
        route = self.routes(arena, up)
        pushed = int(part * pool_holds(arena, route))
        keep = before.held[route.buy]
        with arena.undone():
            arena.send_bundle([arena.push(route, pushed)])
            arena.chain.advance(blocks * BLOCK)
            arena.meter.last, arena.prices = arena.see()
            calls = self.swap(arena, route)
            gain = None
            if calls is not None:
                back = Call(arena.wallet, "sellRest", (True, route.pool.address, arena.addresses[route.buy], keep))
                after = arena.dry([*calls, back])
                if not isinstance(after, Failure):
                    gain = float(harm(before, after, arena.true_prices).profit)
        arena.meter.last, arena.prices = last, prices
        return gain
