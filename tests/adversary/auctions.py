"""Whoever fills auctions when they are cheapest, opens them at the worst terms, or lives on fee and tip of turnover:
auction-sniper, without and with the key, and tip-farmer."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.adversary.agent import Attacker, largest_accepted, shifted
from tests.adversary.arena import DEFAULT, HOUR, LOOSE, MAX, Arena, Ground, Terms
from tests.adversary.keys import StolenKey, choose_shift
from tests.adversary.pools import honest_shift
from tests.properties.chain import Call

LINEAR, EXPONENTIAL = 0, 1
# maxPremium, maxDiscount {ppm}, minDuration, maxDuration, warmUp, strategistWindow {s}, rebalanceFee, keeperTip {ppm}
USUAL = (20_000, 10_000, 300, HOUR, 0, 0, 0, 0)
LOOSEST = (500_000, 50_000, 300, 7 * 24 * HOUR, 0, 0, 0, 0)
MOST_FEES = (0, 0, 300, HOUR, 0, 0, 2_000, 1_000)


def set_policy(arena: Arena, policy: tuple[int, ...]) -> None:
    arena.govern(Call(arena.house, "setAuctionPolicy", (arena.index.address, policy)))


def open_auction(arena: Arena, plan: int, start: int, end: int, duration: int, curve: int) -> Call:
    auction = arena.next_auction()
    return Call(arena.house, "openAuction", (arena.index.address, plan, auction, start, end, duration, curve))


def fill(arena: Arena, plan: int, auction: int, sell: int, buy: int, amount: int) -> Call:
    """Takes up to `amount`, and pays from the wallet in its callback."""
    me = arena.wallet.address
    order = (
        arena.index.address, plan, auction, arena.addresses[sell], arena.addresses[buy], 0, amount, MAX, me, me, b"",
    )  # fmt: skip
    return Call(arena.house, "fill", (order,))


@dataclass(kw_only=True)
class AuctionSniper(Attacker):
    """Opens the public auction of the honest keeper's plan, lets it decay to its last second, puts a fill of one unit before
    everybody, and takes all there is at the lowest price."""

    name: str = "auction-sniper"
    controls: str = "nothing but auctions anyone may fill"
    terms: Terms = DEFAULT

    def enter(self, ground: Ground) -> Arena:
        arena = super().enter(ground)
        set_policy(arena, USUAL)
        return arena

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, HOUR)
        honest_shift(arena, rng)
        plan, auction = arena.plan()[0], arena.next_auction()
        premium, discount, _, longest = USUAL[:4]
        arena.strike([open_auction(arena, plan, premium, -discount, longest, EXPONENTIAL)])
        arena.wait(longest)
        gaps = arena.gaps()
        for sell in range(arena.n):
            for buy in range(arena.n):
                if gaps[sell][0] and gaps[buy][1]:
                    arena.strike([fill(arena, plan, auction, sell, buy, 1)])
                    arena.strike([fill(arena, plan, auction, sell, buy, MAX)])


@dataclass(kw_only=True)
class AuctionThief(StolenKey):
    """Opens auctions with the stolen key at the largest discount from the first second, and fills them himself."""

    name: str = "auction-sniper, key"
    controls: str = "strategist key, own taker, auctions"

    def enter(self, ground: Ground) -> Arena:
        arena = super().enter(ground)
        set_policy(arena, LOOSEST)
        return arena

    def largest_swap(
        self, arena: Arena, sell: int, buy: int, part: float, *, steps: int
    ) -> tuple[float, list[Call]] | None:
        number, auction = arena.plan()[0] + 1, arena.next_auction()
        plan = arena.start_plan(shifted(arena.weights(), sell, buy, part), plan=number)
        opening = open_auction(arena, number, -LOOSEST[1], -LOOSEST[1], LOOSEST[2], LINEAR)

        def bundle(amount: int) -> list[Call]:
            return [plan, opening, fill(arena, number, auction, sell, buy, amount)]

        most = int(arena.sight.reserves[sell] * part / arena.weights()[sell])
        least = max(most // 10**6, 1)
        amount = largest_accepted(lambda a: arena.score(bundle(a)) is not None, least, most, steps=steps)
        change = arena.score(bundle(amount)) if amount else None
        return (float(change.profit), bundle(amount)) if change is not None else None


@dataclass(kw_only=True)
class TipFarmer(Attacker):
    """Turns the basket over with himself at the oracle's price, which costs no budget, and ends the plan for the tip; fee and
    tip are the highest that the code allows. He redeems what he was given."""

    name: str = "tip-farmer"
    controls: str = "strategist key, fee and tip of turnover"
    terms: Terms = LOOSE
    key: bool = True

    def enter(self, ground: Ground) -> Arena:
        arena = super().enter(ground)
        set_policy(arena, MOST_FEES)
        return arena

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        for hour in (0, 7, 14, 21):
            arena.until(day, hour * HOUR)
            for _ in range(2):
                self.farm(arena, rng)

    def farm(self, arena: Arena, rng: random.Random) -> None:
        sell, buy, part = choose_shift(arena, rng)
        number = arena.plan()[0] + 1
        amount = int(arena.sight.reserves[sell] * part / arena.weights()[sell] * 0.999)
        least = -(-amount * arena.prices[sell] // arena.prices[buy])
        arena.strike([
            arena.start_plan(shifted(arena.weights(), sell, buy, part), plan=number),
            arena.swap(sell, buy, amount, least=least, plan=(number, 0)),
            Call(arena.rebalancer, "endPlan", (arena.index.address, number)),
        ])  # fmt: skip
        if arena.sight.shares:
            arena.strike([arena.redeem(arena.sight.shares)])
