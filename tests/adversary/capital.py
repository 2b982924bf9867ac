"""Whoever has all the capital he wants for one transaction: flash-whale, donor, jit-holder, fee-poker."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.adversary.agent import Attacker, largest_accepted, shifted
from tests.adversary.arena import DEFAULT, HOUR, LOOSE, WAD, Arena, Terms
from tests.adversary.keys import choose_shift
from tests.adversary.meter import DAY, harm
from tests.adversary.pools import honest_shift, honest_swaps
from tests.properties.chain import Call, Failure

Offer = tuple[float, list[Call]]


@dataclass(kw_only=True)
class FlashWhale(Attacker):
    """Mints many times the supply, so that the budget is a fraction of much more, loses with the key what the budget
    allows to himself, and redeems; all in one transaction. He searches how much to mint."""

    name: str = "flash-whale"
    controls: str = "strategist key, flash capital"
    terms: Terms = LOOSE
    key: bool = True

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for hour in (0, 21):
            arena.until(day, hour * HOUR)
            self.strike(arena, rng)

    def finish(self, arena: Arena, rng: random.Random) -> None:
        self.strike(arena, rng)

    def strike(self, arena: Arena, rng: random.Random) -> None:
        sell, buy, part = choose_shift(arena, rng)
        times = [10 ** rng.uniform(-1, 4) for _ in range(2)] + [1000.0]
        offers = [offer for k in times if (offer := self.offer(arena, sell, buy, part, k)) is not None]
        if offers:
            arena.strike(max(offers, key=lambda offer: offer[0])[1])
        else:
            arena.refusals["no swap is accepted"] += 1

    def offer(self, arena: Arena, sell: int, buy: int, part: float, times: float) -> Offer | None:
        number, shares = arena.plan()[0] + 1, int(arena.sight.supply * times)
        around = [arena.mint(shares), arena.start_plan(shifted(arena.weights(), sell, buy, part), plan=number)]
        back = arena.redeem(shares)

        def bundle(amount: int) -> list[Call]:
            return [*around, arena.swap(sell, buy, amount, plan=(number, 0)), back]

        most = int(arena.sight.reserves[sell] * (1 + times) * part / arena.weights()[sell])
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, most // 10**4, most, steps=20)
        change = arena.score(bundle(amount)) if amount else None
        return (float(change.profit), bundle(amount)) if change is not None else None


@dataclass(kw_only=True)
class Donor(Attacker):
    """Gives the index tokens, so that surpluses, deficits and the value behind the budget grow, and swaps at the floor
    before anybody looks again; also as a whale who would get most of his gift back. He searches token and size."""

    name: str = "donor"
    controls: str = "strategist key, donations"
    terms: Terms = LOOSE
    key: bool = True

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for hour in (0, 22):
            arena.until(day, hour * HOUR)
            offers = [offer for _ in range(4) if (offer := self.offer(arena, rng)) is not None]
            if offers:
                arena.strike(max(offers, key=lambda offer: offer[0])[1])
            else:
                arena.refusals["no swap is accepted"] += 1

    def offer(self, arena: Arena, rng: random.Random) -> Offer | None:
        """Profit and the others' loss together: a gift never pays, so he looks for the least bad."""
        sell, buy, part = choose_shift(arena, rng)
        number = arena.plan()[0] + 1
        plan = arena.start_plan(shifted(arena.weights(), sell, buy, part), plan=number)
        token, size = rng.choice([sell, buy]), 10 ** rng.uniform(-6, 0)
        gift = arena.donate(token, int(arena.sight.reserves[token] * size) + 1)
        shares = int(arena.sight.supply * rng.choice([0, 10, 1000]))
        before = [arena.mint(shares)] if shares else []
        after = [arena.redeem(shares)] if shares else []
        revalue = Call(arena.guard, "revalue", (arena.index.address,))
        gifts = rng.choice([[gift, plan], [plan, gift], [plan, gift, revalue]])

        def bundle(amount: int) -> list[Call]:
            return [*before, *gifts, arena.swap(sell, buy, amount, plan=(number, 0)), *after]

        most = int(arena.sight.reserves[sell] * (1 + shares / arena.sight.supply) * (part + 1) * 2)
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, most // 10**4, most, steps=16)
        change = arena.score(bundle(amount)) if amount else None
        return (float(change.profit), bundle(amount)) if change is not None else None


@dataclass(kw_only=True)
class JitHolder(Attacker):
    """Is a holder only when it pays: mints before the honest keeper's swap and redeems after it, or leaves before a swap
    that costs and comes back after it; and the same around the collection of the fee. He tries every size of each."""

    name: str = "jit-holder"
    controls: str = "order of transactions, flash capital"
    terms: Terms = DEFAULT
    streaming_fee: int = WAD // 20

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, 0)
        if arena.sight.shares == 0:
            arena.strike([arena.mint(arena.sight.supply // 2)])
        honest_shift(arena, rng)
        for _ in range(2):
            arena.wait(900)
            arena.arbitrage()
            if choices := honest_swaps(arena):
                route, amount = rng.choice(choices)
                self.attack(arena, arena.keeper, arena.swap(route.sell, route.buy, amount, route=route))
        arena.until(day, 12 * HOUR)
        self.attack(arena, arena.keeper, Call(arena.index, "collect"))

    def attack(self, arena: Arena, sender: str, order: Call) -> None:
        twin = arena.would(sender, [order])
        if isinstance(twin, Failure):
            return
        shares, supply = arena.sight.shares, arena.sight.supply
        tries: list[tuple[list[Call], list[Call]]] = []
        for times in (0.01, 1, 100, 10_000):
            extra = int(supply * times)
            tries.append(([arena.mint(extra)], [arena.redeem(extra)]))
        for part in (2, 1):
            if shares // part:
                tries.append(([arena.redeem(shares // part)], [arena.mint(shares // part)]))
        best: tuple[float, list[Call], list[Call]] | None = None
        for front, back in tries:
            gain = self.trial(arena, sender, order, front, back)
            if gain is not None and (best is None or gain > best[0]):
                best = (gain, front, back)
        if best is None:
            arena.refusals["the honest swap would fail"] += 1
            return
        if best[0] <= 0:
            arena.refusals["being a holder for a moment does not pay"] += 1
        arena.mark()
        arena.strike(best[1])
        arena.honest(sender, order)
        arena.strike(best[2])
        arena.excuse_since(twin)

    def trial(
        self, arena: Arena, sender: str, order: Call, front: Sequence[Call], back: Sequence[Call]
    ) -> float | None:
        """What he has more than the holder he would have been."""
        before = arena.sight
        with arena.undone():
            if isinstance(arena.chain.attempt(sender, order), Failure):
                return None
            idle = harm(before, arena.see()[0], arena.prices).profit
        with arena.undone():
            arena.send_bundle(front)
            if isinstance(arena.chain.attempt(sender, order), Failure):
                return None
            arena.send_bundle(back)
            return float(harm(before, arena.see()[0], arena.prices).profit - idle)


@dataclass(kw_only=True)
class FeePoker(Attacker):
    """Collects the streaming fee at every odd second, alone and between a mint and a redemption, so that roundings add up
    and the fee is taken twice. Anything beyond exp(rate·time) counts as taken."""

    name: str = "fee-poker"
    controls: str = "nothing but calls anyone may make"
    terms: Terms = DEFAULT
    streaming_fee: int = WAD // 20

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        collect = Call(arena.index, "collect")
        for moment in sorted(rng.sample(range(DAY - 2 * HOUR), 6)):
            arena.until(day, moment)
            shares = int(arena.sight.supply * 10 ** rng.uniform(-9, 3)) + 1
            offers = [
                [collect] * 3,
                [arena.mint(shares), collect, arena.redeem(shares)],
                [arena.mint(1), collect, arena.redeem(1), collect],
                [arena.mint(shares), collect, arena.redeem(shares // 2), arena.redeem(shares - shares // 2)],
            ]
            scored = [(arena.score(calls), calls) for calls in offers]
            able = [(float(change.loss + change.profit), calls) for change, calls in scored if change is not None]
            arena.strike(max(able, key=lambda offer: offer[0])[1])
