"""Whoever knows the price before the oracle does: oracle-lag, and crash-rider, who uses an old valuation."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.adversary.agent import Attacker, largest_accepted, shifted
from tests.adversary.arena import COINS, DEFAULT, HOUR, Arena, Ground, Terms
from tests.adversary.keys import StolenKey
from tests.properties.chain import Call

DEVIATION = 0.005  # a feed reports when the market is this far from its answer
HEARTBEAT = 24 * HOUR  # {s} or when its answer is this old
STEP = 0.0115  # standard deviation of the market in two hours: 4 % a day
JUMP = 0.05  # one step in fifty is a jump of that size


@dataclass(kw_only=True)
class OracleLag(Attacker):
    """Sees the market every two hours; the feeds report only what moved half a percent. Before they do, he has the index sell what
    became dearer and buy what became cheaper, to himself, at the oracle's price or at the floor, whichever pays more."""

    name: str = "oracle-lag"
    controls: str = "strategist key, knows prices first"
    terms: Terms = DEFAULT
    key: bool = True
    _market: dict[str, float] = field(default_factory=dict, repr=False)
    _feeds: dict[str, tuple[float, int]] = field(default_factory=dict, repr=False)

    def enter(self, ground: Ground) -> Arena:
        arena = super().enter(ground)
        self._market = {coin: price for coin, (price, _) in COINS.items()}
        self._feeds = {coin: (price, arena.now) for coin, price in self._market.items()}
        return arena

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for hour in range(0, 24, 2):
            arena.until(day, hour * HOUR)
            self.market_moves(arena, rng)
            self.strike(arena)
            self.feeds_follow(arena)

    def night(self, arena: Arena, day: int) -> None:
        arena.until(day + 1, 0)
        self.feeds_follow(arena)

    def market_moves(self, arena: Arena, rng: random.Random) -> None:
        for coin in self._market:
            if coin != "usd-coin":
                jump = rng.choice((-JUMP, JUMP)) if rng.random() < 0.02 else 0.0
                pull = 0.01 * (COINS[coin][0] / self._market[coin] - 1)
                self._market[coin] *= 1 + pull + jump + rng.gauss(0, STEP)
        arena.market_prices = tuple(
            int(price * self._market[token.id] / self._feeds[token.id][0])
            for price, token in zip(arena.prices, arena.tokens, strict=True)
        )

    def feeds_follow(self, arena: Arena) -> None:
        """What must be reported is."""
        fresh = {}
        for coin, (answer, at) in self._feeds.items():
            if abs(self._market[coin] / answer - 1) >= DEVIATION or arena.now - at >= HEARTBEAT - HOUR:
                fresh[coin] = self._market[coin]
        if fresh:
            arena.report(fresh)
            self._feeds |= {coin: (round(price, 8), arena.now) for coin, price in fresh.items()}
        arena.market_prices = tuple(
            int(price * self._market[token.id] / self._feeds[token.id][0])
            for price, token in zip(arena.prices, arena.tokens, strict=True)
        )

    def strike(self, arena: Arena) -> None:
        drift = [true / price for true, price in zip(arena.true_prices, arena.prices, strict=True)]
        order = sorted(range(arena.n), key=drift.__getitem__)
        offers = []
        for sell, buy in ((order[-1], order[0]), (order[-2], order[0])):
            if arena.weights()[sell] < 0.02:
                continue
            number = arena.plan()[0] + 1
            plan = arena.start_plan(shifted(arena.weights(), sell, buy, 0.1), plan=number)
            for at_mid in (True, False):
                offer = self.offer(arena, plan, number, sell, buy, at_mid)
                if offer is not None:
                    offers.append(offer)
        worth = [offer for offer in offers if offer[0] > 0]
        if worth:
            arena.strike(max(worth, key=lambda offer: offer[0])[1])
        else:
            arena.refusals["nothing pays" if offers else "no swap is accepted"] += 1

    @staticmethod
    def offer(
        arena: Arena, plan: Call, number: int, sell: int, buy: int, at_mid: bool
    ) -> tuple[float, list[Call]] | None:
        def bundle(amount: int) -> list[Call]:
            least = -(-amount * arena.prices[sell] // arena.prices[buy]) if at_mid else 0
            return [plan, arena.swap(sell, buy, amount, least=least, plan=(number, 0))]

        most = int(arena.sight.reserves[sell] * 0.1 / arena.weights()[sell])
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, most // 10**4, most, steps=10)
        change = arena.score(bundle(amount)) if amount else None
        return (float(change.profit), bundle(amount)) if change is not None else None


@dataclass(kw_only=True)
class CrashRider(StolenKey):
    """Has the index valued at the top and swaps at the floor after a crash, while the guard still remembers the top: its
    budget is a fraction of the value it remembers, for at most `valuationMaxAge`. Every day crashes, every night recovers.

    The bound is therefore wider by as much as the value fell while it was remembered. He notes how much that was."""

    name: str = "crash-rider"
    controls: str = "strategist key, a crash every day"
    crash: float = 0.2

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, 20 * HOUR)
        weights = arena.weights()
        sell = max(range(arena.n), key=weights.__getitem__)
        buy = min((i for i in range(arena.n) if i != sell), key=weights.__getitem__)
        arena.strike([arena.start_plan(shifted(weights, sell, buy, weights[sell] * 0.8))])  # values the index
        top = arena.nav()
        arena.until(day, 21 * HOUR)
        fall = 1 - self.crash * rng.uniform(0.5, 1.0)
        arena.report({coin: price * fall for coin, (price, _) in COINS.items() if coin != "usd-coin"})
        self.stretch = max(self.stretch, top / arena.nav())
        arena.notes["value remembered / value at the swap, at most"] = self.stretch
        plan = arena.plan()[:2]

        def bundle(amount: int) -> list[Call]:
            return [arena.swap(sell, buy, amount, plan=plan)]

        most = arena.gaps()[sell][0]
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, most // 10**6, most, steps=40)
        if amount:
            arena.strike(bundle(amount))
        else:
            arena.refusals["no swap is accepted"] += 1

    def finish(self, arena: Arena, rng: random.Random) -> None:
        """The night is over: nothing is left of the crash."""
