"""Whoever is the counterparty of an exchange and does not keep to it: hostile-taker."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.adversary.agent import shifted
from tests.adversary.arena import HOUR, PPM, Arena
from tests.adversary.keys import StolenKey, choose_shift
from tests.properties.chain import Call, Failure


@dataclass(kw_only=True)
class HostileTaker(StolenKey):
    """Pays too little, pays with what he was sold, with a gift made before, with a claim; re-enters every function of index,
    rebalancer and guard in the middle. What is refused is counted; then he takes what the floor leaves him."""

    name: str = "hostile-taker"
    controls: str = "strategist key, the taker's callback"
    rounds: int = 2

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, HOUR)
        for trick, calls in self.tricks(arena, rng):
            self.attempt(arena, trick, calls)
        super().day(arena, day, rng)

    def attempt(self, arena: Arena, trick: str, calls: list[Call]) -> None:
        inside = self.inner(arena)
        result = arena.strike(calls)
        table = arena.notes.setdefault("tricks", {})
        assert isinstance(table, dict)
        if isinstance(result, Failure):
            outcome = f"refused: {result.reason}"
        else:
            worked, refused = (after - before for after, before in zip(self.inner(arena), inside, strict=True))
            inner = "its call worked" if worked else f"its call refused: {refusal_of(arena)}" if refused else ""
            outcome = f"paid in full; {inner}" if inner else "paid in full"
        seen = table.setdefault(trick, {})
        seen[outcome] = seen.get(outcome, 0) + 1

    @staticmethod
    def inner(arena: Arena) -> tuple[int, int]:
        """Calls made in callbacks that worked, and that did not."""
        worked, refused = arena.chain.reads([Call(arena.wallet, "worked"), Call(arena.wallet, "refused")])
        return int(str(worked)), int(str(refused))

    def tricks(self, arena: Arena, rng: random.Random) -> Iterator[tuple[str, list[Call]]]:
        """Each made when it is asked for, because the one before it may have gone through."""
        answer, index, me = arena.answer, arena.index, arena.wallet.address

        def take(data: bytes = b"", *, before: Sequence[Call] = (), gift: bool = False) -> list[Call]:
            """A plan, what goes before, and a swap at mid answered with `data`."""
            number = arena.plan()[0] + 1
            plan = arena.start_plan(shifted(arena.weights(), sell, buy, part), plan=number)
            amount = int(arena.sight.reserves[sell] * 0.01)
            mid = amount * arena.prices[sell] // arena.prices[buy]
            gifts = [arena.donate(buy, mid)] if gift else []
            return [plan, *before, *gifts, arena.swap(sell, buy, amount, least=mid, data=data, plan=(number, 0))]

        sell, buy, part = choose_shift(arena, rng)
        shares = arena.sight.supply // 100
        in_and_out = [arena.mint(shares), arena.redeem(shares, mask=1 << buy)]
        to_index = Call(index, "claim", (arena.addresses[buy], me, index.address))
        to_me = Call(index, "claim", (arena.addresses[buy], me, me))

        yield "pays a millionth less", take(answer(pay_ppm=PPM - 1))
        yield "pays nothing", take(answer(pay_ppm=0))
        yield "pays with what it was sold", take(answer(pay_ppm=0, give_back=True))
        yield "pays with a gift made before", take(answer(pay_ppm=0), gift=True)
        yield "pays by minting", take(answer([arena.mint(shares)], pay_ppm=0))
        yield "pays with a claim", take(answer([to_index], pay_ppm=0), before=in_and_out)
        yield "pays, and claims in the middle", [*take(answer([to_me]), before=in_and_out), to_me]
        yield "pays, and mints in the middle", take(answer([arena.mint(shares)]))
        yield "pays, and redeems in the middle", [
            *take(answer([arena.redeem(shares)]), before=[arena.mint(shares)]), arena.redeem(shares),
        ]  # fmt: skip
        for what, call in self.inside(arena, sell, buy, part):
            yield f"pays, and {what} in the middle", take(answer([call]))

    @staticmethod
    def inside(arena: Arena, sell: int, buy: int, part: float) -> Iterator[tuple[str, Call]]:
        """What the callback tries that would be worth something; each fits the plan that `take` will start."""
        index, me, alice = arena.index, arena.wallet.address, arena.ground.people[5]
        yield "swaps", arena.swap(sell, buy, 10**6, plan=(arena.plan()[0] + 1, 1))
        turned = shifted(arena.weights(), buy, sell, part)
        yield "starts a plan", arena.start_plan(turned, plan=arena.plan()[0] + 2)
        yield "revalues", Call(arena.guard, "revalue", (index.address,))
        yield "collects", Call(index, "collect")
        yield "pulls a component", Call(arena.coins[sell], "transferFrom", (index.address, me, 1))
        yield "pulls a holder's shares", Call(index, "transferFrom", (alice, me, 1))


def refusal_of(arena: Arena) -> str:
    """Why the last call of a callback was refused."""
    raw = arena.chain.read(Call(arena.wallet, "lastRefusal"))
    assert isinstance(raw, bytes)
    return arena.chain.errors.get(raw[:4], ("0x" + raw[:4].hex(), ()))[0]
