"""What every hostile agent has, and the searches they share."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tests.adversary.arena import Arena, Ground, Terms


class Agent(Protocol):
    """One named attacker. He enters an arena of his own and acts there day by day."""

    name: str
    controls: str  # what he holds, in words
    moving: bool  # whether the market moves while he acts
    stretch: float  # 1, or by how much the bound is wider for a reason that his notes give

    def enter(self, ground: Ground) -> Arena:
        """The index he attacks, with his powers in place."""

    def day(self, arena: Arena, day: int, rng: random.Random) -> None:
        """One day, from its midnight to at most two hours before the next."""

    def night(self, arena: Arena, day: int) -> None:
        """The world goes on to the next midnight."""

    def finish(self, arena: Arena, rng: random.Random) -> None:
        """The last moment."""


@dataclass(kw_only=True)
class Attacker:
    """The usual answers of an agent."""

    name: str
    controls: str
    terms: Terms
    key: bool = False
    guardian: bool = False
    moving: bool = False
    streaming_fee: int = 0
    stretch: float = 1.0

    def enter(self, ground: Ground) -> Arena:
        return ground.arena(
            terms=self.terms,
            key=self.key,
            guardian=self.guardian,
            moving=self.moving,
            streaming_fee=self.streaming_fee,
        )

    def night(self, arena: Arena, day: int) -> None:
        arena.next_day(day)

    def finish(self, arena: Arena, rng: random.Random) -> None:
        """Most have done what they could."""


def largest_accepted(accepts: Callable[[int], bool], low: int, high: int, *, steps: int = 20) -> int:
    """The largest number between `low` and `high` that is accepted, by bisection; 0 when not even `low` is."""
    if high < low or not accepts(low):
        return 0
    if accepts(high):
        return high
    for _ in range(steps):
        middle = (low + high) // 2
        if middle == low:
            break
        low, high = (middle, high) if accepts(middle) else (low, middle)
    return low


def shifted(weights: Sequence[float], sell: int, buy: int, part: float) -> list[int]:
    """D18 weights with `part` of the whole moved from one component to another, as far as it has that much."""
    wad = 10**18
    moved = [int(weight * wad) for weight in weights]
    step = min(int(part * wad), moved[sell])
    moved[sell] -= step
    moved[buy] += step
    moved[buy] += wad - sum(moved)
    return moved
