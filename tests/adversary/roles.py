"""Whoever captured the guardian: guardian-captured. He cannot take money; he can only stop things, and not for long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.adversary.agent import Attacker, shifted
from tests.adversary.arena import DEFAULT, HOUR, MAX, WAD, Arena, Terms
from tests.adversary.meter import DAY
from tests.properties.chain import Call, Failure

LONGEST = 7 * DAY  # {s}
ARMED_EVERY = 10  # {days} a governor who does not know better makes the pauses ready again


@dataclass(kw_only=True)
class GuardianCaptured(Attacker):
    """Pauses minting and exchanging for as long as he may, as often as he may. Redeeming must work all the time, and
    neither of the others may be closed for more than seven days for each time the governor armed the pauses."""

    name: str = "guardian-captured"
    controls: str = "guardian key"
    terms: Terms = DEFAULT
    guardian: bool = True
    _armings: int = field(default=1, repr=False)
    _pauses: dict[str, int] = field(default_factory=dict, repr=False)

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        arena.until(day, rng.randrange(HOUR))
        if day and day % ARMED_EVERY == 0:
            arena.honest(arena.governor, Call(arena.index, "armPauses"))
            self._armings += 1
        for verb in ("pauseMint", "pauseExchange"):
            for duration in (MAX, LONGEST + 1, LONGEST, DAY):
                if not isinstance(arena.strike([Call(arena.index, verb, (duration,))]), Failure):
                    self.count(arena, day, verb)
        self.look_around(arena, day)

    def count(self, arena: Arena, day: int, verb: str) -> None:
        """No pause is longer than the longest, and none comes without an arming of its own: then nothing is ever closed for
        longer than seven days for each."""
        self._pauses[verb] = self._pauses.get(verb, 0) + 1
        view = {"pauseMint": "mintPausedUntil", "pauseExchange": "exchangePausedUntil"}[verb]
        until = int(str(arena.chain.read(Call(arena.index, view))))
        if until > arena.now + LONGEST:
            arena.breaches.append(f"day {day}: {verb} until {until - arena.now} s from now")
        if self._pauses[verb] > self._armings:
            arena.breaches.append(f"day {day}: {verb} worked {self._pauses[verb]} times with {self._armings} armings")

    def look_around(self, arena: Arena, day: int) -> None:
        """What an honest holder, minter and keeper can do at this moment."""
        chain, alice = arena.chain, arena.ground.people[5]
        leave = Call(arena.index, "redeem", (WAD, arena.version(), [0] * arena.n, alice, alice, 0))
        plan = arena.start_plan(shifted(arena.weights(), 0, 1, 0.05))
        closed = {
            "redeem": isinstance(chain.call(leave, sender=alice), Failure),
            "mint": isinstance(arena.dry([arena.mint(WAD)]), Failure),
            "exchange": self.exchange_is_closed(arena, plan),
        }
        table = arena.notes.setdefault("days closed", dict.fromkeys(closed, 0))
        assert isinstance(table, dict)
        for what, is_closed in closed.items():
            table[what] += is_closed
        if closed["redeem"]:
            arena.breaches.append(f"day {day}: redeem was closed")

    @staticmethod
    def exchange_is_closed(arena: Arena, plan: Call) -> bool:
        """Whether the honest keeper's swap fails, with a plan of his own, in a world that is then undone."""
        with arena.undone():
            if isinstance(arena.chain.attempt(arena.keeper, plan), Failure):
                return True
            gaps = arena.gaps()
            for route in arena.routes:
                most = arena.largest(gaps, route.sell, route.buy)
                if most:
                    swap = arena.swap(route.sell, route.buy, most // 50, route=route)
                    if not isinstance(arena.chain.call(swap, sender=arena.keeper), Failure):
                        return False
            return True
