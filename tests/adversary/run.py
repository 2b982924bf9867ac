"""One agent, from his first day to his last, and what it came to; or all of them, on several chains side by side."""

from __future__ import annotations

import multiprocessing
import random
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.adversary.agent import Agent
from tests.adversary.arena import WAD, Arena, Ground
from tests.adversary.cast import cast
from tests.adversary.meter import BPS, DAY
from tests.adversary.report import Result
from tests.properties.chain import Call, Failure


def play(ground: Ground, agent: Agent, days: int, seed: int, progress: Callable[[str], None] = print) -> Result:
    """Lets an agent act for some days. The same seed gives the same run."""
    rng = random.Random(zlib.crc32(agent.name.encode()) ^ seed)
    arena = agent.enter(ground)
    daily = []
    for day in range(days):
        agent.day(arena, day, rng)
        require_exit(arena, day)
        agent.night(arena, day)
        daily.append(arena.meter.oracle.gross[-1] * BPS)
        if (day + 1) % 10 == 0 and day + 1 < days:
            progress(f"  … {agent.name}: day {day + 1}, {daily[-1]:.1f} bps")
    agent.finish(arena, rng)
    daily[-1] = arena.meter.oracle.gross[-1] * BPS
    return result_of(agent, arena, days, daily)


def require_exit(arena: Arena, day: int) -> None:
    """G1: whatever goes on, a holder could leave now."""
    alice = arena.ground.people[5]
    leave = Call(arena.index, "redeem", (WAD, arena.version(), [0] * arena.n, alice, alice, 0))
    refused = arena.chain.call(leave, sender=alice)
    if isinstance(refused, Failure):
        arena.breaches.append(f"day {day}: a holder could not redeem: {refused.reason}")


def result_of(agent: Agent, arena: Arena, days: int, daily: list[float]) -> Result:
    meter = arena.meter
    oracle, market, capacity, window = meter.oracle, meter.market, meter.capacity, meter.window
    return Result(
        agent=agent.name,
        controls=agent.controls,
        days=days,
        acts=arena.strikes,
        refusals=dict(sorted(arena.refusals.items())),
        gross=oracle.gross[-1] * BPS,
        lost=oracle.net[-1] * BPS,
        within_a_day=oracle.worst_within(DAY) * BPS,
        profit=oracle.profit[-1] * BPS,
        lost_at_market=market.net[-1] * BPS,
        profit_at_market=market.profit[-1] * BPS,
        bound=capacity * (1 + (arena.now - arena.start) / window) * BPS,
        used=oracle.used(capacity, window),
        stretch=agent.stretch,
        breaches=arena.breaches,
        notes=arena.notes,
        days_of=daily,
    )


# --- many ---------------------------------------------------------------------------------------------------------------

_ground: Ground | None = None  # of this worker


def play_all(names: list[str], days: int, seed: int, workers: int) -> Iterator[Result]:
    """Every agent, as they come to their end. Each worker has a chain of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(days,)) as pool:
        for future in as_completed([pool.submit(_play, name, days, seed) for name in names]):
            yield future.result()


def _begin(days: int) -> None:
    global _ground
    _ground = Ground(days)


def _play(name: str, days: int, seed: int) -> Result:
    assert _ground is not None
    return play(_ground, cast()[name], days, seed, progress=lambda line: print(line, flush=True))
