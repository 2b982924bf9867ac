"""Whoever moves genuine pools around the index's swaps: pool-bender, with the key, and sandwich, without it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.adversary.agent import Attacker, largest_accepted, shifted
from tests.adversary.arena import DEFAULT, HOUR, LOOSE, Arena, Route, Terms
from tests.adversary.meter import harm
from tests.properties.chain import Call, Failure


@dataclass(kw_only=True)
class PoolBender(Attacker):
    """Pushes a V2 or V3 pool, lets the index swap through it at any price the floor allows, and sells the push back; all in
    one transaction. He tries routes, pushes and sizes, keeps what was best, and tries others beside it."""

    name: str = "pool-bender"
    controls: str = "strategist key, V2 and V3 pools"
    terms: Terms = LOOSE
    key: bool = True
    _best: tuple[Route, float] | None = field(default=None, repr=False)

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for hour in (0, 21):
            arena.until(day, hour * HOUR)
            self.bend(arena, rng)
            self.bend(arena, rng)  # what the first left of the budget

    def finish(self, arena: Arena, rng: random.Random) -> None:
        self.bend(arena, rng)

    def bend(self, arena: Arena, rng: random.Random) -> None:
        usable = [route for route in arena.routes if arena.weights()[route.sell] > 0.1]
        tries = [(route, rng.uniform(0.002, 0.03)) for route in rng.sample(usable, min(3, len(usable)))]
        if self._best is not None and self._best[0] in usable:
            route, part = self._best
            tries += [(route, part * scale) for scale in (0.8, 1.0, 1.25)]
        offers = []
        for route, part in tries:
            offer = self.bent_swap(arena, route, part)
            if offer is not None:
                offers.append((offer[0], route, part, offer[1]))
        if not offers:
            arena.refusals["no bent swap is accepted"] += 1
            return
        _, route, part, calls = max(offers, key=lambda offer: offer[0])
        self._best = (route, part)
        arena.strike(calls)

    def bent_swap(self, arena: Arena, route: Route, part: float) -> tuple[float, list[Call]] | None:
        """(profit, bundle) of the largest swap accepted after a push by `part` of what the pool holds of the sold token."""
        number = arena.plan()[0] + 1
        plan = arena.start_plan(shifted(arena.weights(), route.sell, route.buy, 0.3), plan=number)
        pushed = int(part * pool_holds(arena, route))

        def bundle(amount: int) -> list[Call]:
            swap = arena.swap(route.sell, route.buy, amount, route=route, plan=(number, 0))
            return [plan, arena.push(route, pushed), swap, arena.unwind(route)]

        most = min(
            int(arena.sight.reserves[route.sell] * 0.3 / arena.weights()[route.sell]), arena.sight.reserves[route.sell]
        )
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, most // 10**4, most, steps=10)
        change = arena.score(bundle(amount)) if amount else None
        return (float(change.profit), bundle(amount)) if change is not None else None


def pool_holds(arena: Arena, route: Route) -> int:
    """{tok} that a pool holds of what is sold to it."""
    return int(str(arena.chain.read(Call(arena.coins[route.sell], "balanceOf", (route.pool.address,)))))


def honest_shift(arena: Arena, rng: random.Random) -> None:
    """The honest keeper's plan of the day: a twentieth of the whole from a heavy component to a light one."""
    weights = arena.weights()
    routes = rng.sample(arena.routes, len(arena.routes))
    route = max(routes, key=lambda route: round(weights[route.sell] - weights[route.buy], 3))
    part = rng.uniform(0.03, 0.08)
    started = arena.honest(arena.keeper, arena.start_plan(shifted(weights, route.sell, route.buy, part)))
    assert not isinstance(started, Failure), started


def honest_swaps(arena: Arena) -> list[tuple[Route, int]]:
    """What the keeper can swap now: each sized so that it loses at most 70 bps on an untouched pool, minimum none but the
    contract's own floor, as a keeper does who trusts it."""
    gaps = arena.gaps()
    found = []
    for route in arena.routes:
        most = arena.largest(gaps, route.sell, route.buy)
        if most * arena.prices[route.sell] // 10**27 < 500 * 10**9:  # 500 dollars
            continue
        plan = arena.plan()[:2]

        def accepts(amount: int, route: Route = route, plan: tuple[int, int] = plan) -> bool:
            least = amount * arena.prices[route.sell] * 9930 // (arena.prices[route.buy] * 10_000)
            call = arena.swap(route.sell, route.buy, amount, least=least, route=route, plan=plan)
            return not isinstance(arena.chain.call(call, sender=arena.keeper), Failure)

        amount = largest_accepted(accepts, most // 50, most, steps=7)
        if amount:
            found.append((route, amount))
    return found


@dataclass(kw_only=True)
class Sandwich(Attacker):
    """Sees the honest keeper's swap before it is mined, pushes the pool in front of it and sells back behind it. He
    searches the push by bisection: the largest after which the swap still goes through, or a smaller one that pays better."""

    name: str = "sandwich"
    controls: str = "order of transactions, V2 and V3 pools"
    terms: Terms = DEFAULT
    swaps: int = 4

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, 0)
        honest_shift(arena, rng)
        for _ in range(self.swaps):
            arena.wait(900)
            arena.arbitrage()
            choices = honest_swaps(arena)
            if not choices:
                return
            self.attack(arena, *rng.choice(choices))

    def attack(self, arena: Arena, route: Route, amount: int) -> None:
        order = arena.swap(route.sell, route.buy, amount, route=route)
        twin = arena.would(arena.keeper, [order])
        assert not isinstance(twin, Failure), twin
        low, high, best, held = 0.0, 0.02, (0.0, 0), pool_holds(arena, route)
        for _ in range(7):
            middle = (low + high) / 2
            pushed = int(held * middle)
            gain = self.trial(arena, route, order, pushed)
            if gain is None:
                high = middle
                continue
            low = middle
            best = max(best, (gain, pushed))
        if best[1] == 0:
            arena.refusals["no sandwich pays"] += 1
            best = (0.0, int(held * low))  # then out of spite, where it still hurts
        self.sandwich(arena, route, order, best[1])
        arena.excuse_since(twin)

    def bread(self, arena: Arena, route: Route, pushed: int) -> tuple[Sequence[Call], Sequence[Call]]:
        return [arena.push(route, pushed)], [arena.unwind(route)]

    def trial(self, arena: Arena, route: Route, order: Call, pushed: int) -> float | None:
        """His gain, of the others' shares; None when the swap would fail."""
        before = arena.sight
        front, back = self.bread(arena, route, pushed)
        with arena.undone():
            arena.send_bundle(front)
            if isinstance(arena.chain.attempt(arena.keeper, order), Failure):
                return None
            arena.send_bundle(back)
            return float(harm(before, arena.see()[0], arena.prices).profit)

    def sandwich(self, arena: Arena, route: Route, order: Call, pushed: int) -> None:
        front, back = self.bread(arena, route, pushed)
        arena.mark()
        if pushed:
            arena.strike(front)
        arena.honest(arena.keeper, order)
        if pushed:
            arena.strike(back)
