"""Whoever holds the strategist's key and is his own counterparty: stolen-key, weight-churner, and the canary."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.adversary.agent import Attacker, largest_accepted, shifted
from tests.adversary.arena import DEFAULT, HOUR, LOOSE, Arena, Ground, Route, Terms
from tests.properties.chain import Call


@dataclass(kw_only=True)
class StolenKey(Attacker):
    """Starts a plan, sells to himself at the floor exactly as much as the budget lets through, and comes back."""

    name: str = "stolen-key"
    controls: str = "strategist key, own taker"
    terms: Terms = LOOSE
    key: bool = True
    rounds: int = 4
    tries: int = 2

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for visit in range(self.rounds):
            arena.until(day, visit * 22 * HOUR // self.rounds)
            self.rob(arena, rng)

    def finish(self, arena: Arena, rng: random.Random) -> None:
        self.rob(arena, rng)

    def rob(self, arena: Arena, rng: random.Random) -> None:
        """Some pairs and shifts at random, each with the largest swap that is accepted; the best of them is done."""
        found = (self.largest_swap(arena, *choose_shift(arena, rng), steps=12) for _ in range(self.tries))
        offers = [offer for offer in found if offer is not None]
        if not offers:
            arena.refusals["no swap is accepted"] += 1
            return
        arena.strike(max(offers, key=lambda offer: offer[0])[1])
        # What the first could not take is taken in the same second.
        rest = self.largest_swap(arena, *choose_shift(arena, rng), steps=40)
        if rest is not None:
            arena.strike(rest[1])

    def largest_swap(
        self, arena: Arena, sell: int, buy: int, part: float, *, steps: int
    ) -> tuple[float, list[Call]] | None:
        """(profit, bundle) of a new plan and the largest swap in it."""
        number = arena.plan()[0] + 1
        plan = arena.start_plan(shifted(arena.weights(), sell, buy, part), plan=number)

        def bundle(amount: int) -> list[Call]:
            return [plan, arena.swap(sell, buy, amount, plan=(number, 0))]

        def accepts(amount: int) -> bool:
            return arena.score(bundle(amount)) is not None

        most = int(arena.sight.reserves[sell] * part / arena.weights()[sell])
        amount = largest_accepted(accepts, max(most // 10**6, 1), most, steps=steps)
        harm = arena.score(bundle(amount)) if amount else None
        return (float(harm.profit), bundle(amount)) if harm is not None else None


def choose_shift(arena: Arena, rng: random.Random) -> tuple[int, int, float]:
    """(sell, buy, part of the whole) of a plan that sells something there is."""
    weights = arena.weights()
    rich = [i for i, weight in enumerate(weights) if weight > 0.15]
    sell = rng.choice(rich)
    buy = rng.choice([i for i in range(arena.n) if i != sell])
    return sell, buy, rng.uniform(0.3, 0.9) * weights[sell]


@dataclass(kw_only=True)
class Canary(StolenKey):
    """The same thief where the guard agrees to everything. He must break the bound: then the meter is not blind."""

    name: str = "canary"
    controls: str = "as stolen-key, but no guard"
    rounds: int = 2

    def enter(self, ground: Ground) -> Arena:
        arena = super().enter(ground)
        arena.replace_guard(arena.chain.deploy("AdversaryGuard"))
        return arena


@dataclass(kw_only=True)
class WeightChurner(Attacker):
    """Turns the basket over between extremes as often as an index file allows, through honest pools; behind every swap he
    sells the pool back and keeps what the index paid for moving it."""

    name: str = "weight-churner"
    controls: str = "strategist key"
    terms: Terms = DEFAULT
    key: bool = True
    _turn: int = field(default=0, repr=False)

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for hour in range(0, 22, 3):
            arena.until(day, hour * HOUR)
            self.churn(arena, rng)

    def churn(self, arena: Arena, rng: random.Random) -> None:
        self._turn += 1
        heavy = max(range(arena.n), key=lambda i: arena.weights()[i])
        routes = [route for route in arena.routes if route.sell == heavy]
        rng.shuffle(routes)
        best: tuple[float, list[Call]] | None = None
        for route in routes[:3]:
            number = arena.plan()[0] + 1
            plan = arena.start_plan(shifted(arena.weights(), route.sell, route.buy, 0.2), plan=number)
            offer = self.swap_and_sell_back(arena, plan, number, route)
            if offer is not None and (best is None or offer[0] > best[0]):
                best = offer
        if best is None:
            arena.refusals["no swap is accepted"] += 1
        else:
            arena.strike(best[1])

    def swap_and_sell_back(
        self, arena: Arena, plan: Call, number: int, route: Route
    ) -> tuple[float, list[Call]] | None:
        def bundle(amount: int) -> list[Call]:
            return [plan, arena.swap(route.sell, route.buy, amount, route=route, plan=(number, 0))]

        most = int(arena.sight.reserves[route.sell] * 0.2 / arena.weights()[route.sell])
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, most // 1000, most, steps=9)
        if not amount:
            return None
        best: tuple[float, list[Call]] | None = None
        worth = amount * arena.prices[route.sell] // arena.prices[route.buy]
        for part in (0.2, 0.5, 0.8, 1.0):
            calls = [*bundle(amount), arena.push(route.back(), int(worth * part))]
            harm = arena.score(calls)
            if harm is not None and (best is None or float(harm.loss + harm.profit) > best[0]):
                best = (float(harm.loss + harm.profit), calls)
        return best
