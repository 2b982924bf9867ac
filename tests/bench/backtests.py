"""How long backtests and sweeps take, beside vectorbt and bt in the same run, on the same prices and the same weights.

`rows()` → one dict a measurement: what, size, seconds of processor time (`cpu`) and of the clock (`wall`), goal and peer. Peers run in
an environment of their own (peers_backtest.txt), named by $BALLAST_PEERS_BACKTEST; without it, or where it cannot run, the row says so
and shows the peer's figure of an earlier run on such a box. Processor time is what is compared: the box is shared.

python -m tests.bench.backtests
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np

from offchain.backtest.exact import capped_weights, whole_cents
from offchain.backtest.grid import Grid, Panel, ranked, sweep_grid
from offchain.backtest.kernel import Path as Walk
from offchain.backtest.kernel import simulate
from offchain.backtest.solve import Legs

PEERS_VARIABLE = "BALLAST_PEERS_BACKTEST"  # the python of the peers' environment
SCRIPT = Path(__file__).with_name("peer_backtests.py")
DAYS, REVIEWS, RATE, CAP = 1_826, 60, 0.003, 10**17
VALUE = 1e6  # {USD} vectorbt rounds orders away that are small in absolute numbers
SIZES = (50, 500, 2_000)
EARLIER = {50: 0.040, 500: 0.386, 2_000: 3.8}  # seconds, vectorbt 1.2, on such a box
EARLIER_SWEEP = {50: 40.0}
ENGINE_GOAL, WHOLE_GOAL, MEMORY_GOAL = 0.010, 0.030, 300.0
SWEEP_GOALS = {50: 0.15, 2_000: 0.5}

Answer = TypeVar("Answer")


def rows() -> list[dict[str, object]]:
    """Every measurement; about a minute without peers, two with them."""
    found = []
    for coins in SIZES:
        prices, caps, rows_, weights = inputs(coins)
        legs = Legs.flat(coins, rate=RATE)
        path, cpu, wall = fastest(lambda p=prices, r=rows_, w=weights, g=legs: simulate(p, r, w, legs=g, value=VALUE))
        peer, note = peers(prices, rows_, path, legs, weights)
        goal = ENGINE_GOAL if coins == SIZES[-1] else None
        size = f"{coins} coins × 5 years, {REVIEWS} rebalances"
        found.append(
            row(
                "backtest with costs, engine",
                size,
                cpu,
                wall,
                goal=goal,
                peer=peer or ("vectorbt, earlier run", EARLIER[coins]),
                note=note,
            )
        )
        slow, cpu, wall = fastest(
            lambda p=prices, r=rows_, w=weights, g=legs: simulate(p, r, w, legs=g, value=VALUE, engine="numpy")
        )
        note = f"largest relative difference to machine code {np.nanmax(np.abs(slow.net / path.net - 1.0)):.1e}"
        found.append(row("the same in numpy alone", size, cpu, wall, note=note))
        _, cpu, wall = fastest(lambda p=prices, c=caps, r=rows_, g=legs: whole(p, c, r, g))
        goal = WHOLE_GOAL if coins == SIZES[-1] else None
        found.append(row("with selection, capping and exact integers", size, cpu, wall, goal=goal))
    megabytes = alone()
    found.append(
        {**row("peak memory of that process", f"{SIZES[-1]} coins", 0.0, 0.0), "cpu": None, "wall": None, "megabytes": megabytes,
         "reached": megabytes <= MEMORY_GOAL, "note": f"{megabytes:.0f} MB, goal {MEMORY_GOAL:.0f} MB"}
    )  # fmt: skip
    return [*found, *sweeps()]


def sweeps() -> list[dict[str, object]]:
    """A thousand variants: 4 calendars × 5 sizes × 10 caps × 5 costs, selection, cap and NAV each."""
    grid = Grid(
        tops=(10, 20, 30, 40, 50), caps=tuple(np.linspace(0.1, 1.0, 10).tolist()), calendars=("7", "14", "30", "91"),
        costs_bps=(0.0, 10.0, 30.0, 50.0, 100.0),
    )  # fmt: skip
    found = []
    for coins, goal in SWEEP_GOALS.items():
        panel = panel_of_walk(coins)
        sweep_grid(panel, grid.rules()[:1])
        for threads in (1, 2):
            result, cpu, wall = fastest(lambda p=panel, t=threads: sweep_grid(p, grid, threads=t))
            earlier = ("vectorbt, earlier run", EARLIER_SWEEP[coins]) if coins in EARLIER_SWEEP else None
            size = f"{len(result.rules)} variants, {coins} coins × 5 years, {threads} thread{'s' * (threads > 1)}"
            found.append(row("sweep", size, cpu, wall, goal=goal, peer=earlier))
    return found


def inputs(coins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(prices, market caps, review rows, capped weights of the day before each)."""
    dice = np.random.default_rng(7)
    prices = dice.standard_normal((DAYS, coins))
    prices *= 0.03
    np.cumsum(prices, axis=0, out=prices)
    np.exp(prices, out=prices)
    caps = prices * np.exp(dice.normal(15.0, 2.0, coins))
    rows_ = np.linspace(1, DAYS - 2, REVIEWS).astype(np.int64)
    return prices, caps, rows_, np.array([weights_at(caps[row - 1]) for row in rows_])


def weights_at(caps: np.ndarray) -> np.ndarray:
    """Exact integers of all coins, largest first selected, as parts of 1."""
    best = ranked(caps, np.ones(len(caps), dtype=np.bool_), len(caps))
    target = np.zeros(len(caps))
    target[best] = capped_weights(whole_cents(caps[best]), cap=CAP) / 1e18
    return target


def whole(prices: np.ndarray, caps: np.ndarray, rows_: np.ndarray, legs: Legs) -> Walk:
    """Selection, capping to exact integers, and the walk."""
    return simulate(prices, rows_, np.array([weights_at(caps[row - 1]) for row in rows_]), legs=legs, value=VALUE)


def panel_of_walk(coins: int) -> Panel:
    prices, caps, _, _ = inputs(coins)
    first = datetime(2020, 1, 1, tzinfo=UTC)
    return Panel(
        times=tuple(first + timedelta(days=day) for day in range(DAYS)),
        ids=tuple(f"coin-{number:04d}" for number in range(coins)),
        prices=prices,
        caps=caps,
        eligible=np.ones_like(prices, dtype=np.bool_),
        reviews={str(step): np.arange(0, DAYS, step, dtype=np.int64) for step in (7, 14, 30, 91)},
    )


def peers(
    prices: np.ndarray, rows_: np.ndarray, path: Walk, legs: Legs, weights: np.ndarray
) -> tuple[tuple[str, float] | None, str]:
    """((name, seconds of processor time) of vectorbt on the same units, what it differs by), or why there is none."""
    python = os.environ.get(PEERS_VARIABLE, "")
    if not python:
        return None, f"peers not run: set {PEERS_VARIABLE} to the python of their environment (peers_backtest.txt)"
    units = np.zeros_like(weights)
    for at, row_ in enumerate(rows_):
        units[at] = weights[at] * path.net[row_] / prices[row_]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inputs.npz"
        np.savez(file, prices=prices, rows=rows_, units=units, weights=weights, rate=RATE, value=VALUE)
        done = subprocess.run(
            [python, str(SCRIPT), str(file)], capture_output=True, text=True, timeout=600, check=False
        )
        if done.returncode:
            return (
                None,
                f"peers not run: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no reason given'}",
            )
        answer = json.loads(done.stdout.splitlines()[-1])
        theirs = np.load(Path(folder) / "vectorbt.npy")
    known = ~np.isnan(path.net)
    gap = np.abs(theirs[known] / path.net[known] - 1.0).max()
    other = f"; bt {answer['bt']:.2f} s" if answer.get("bt") else ""
    return ("vectorbt", float(answer["vectorbt"])), f"{gap:.1e} from vectorbt on identical units{other}"


def alone() -> float:
    """Peak resident megabytes of a process that does the largest backtest and nothing else."""
    code = "import tests.bench.backtests as bench; bench.largest()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def largest() -> None:
    prices, caps, rows_, _ = inputs(SIZES[-1])
    whole(prices, caps, rows_, Legs.flat(SIZES[-1], rate=RATE))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0)


def fastest(work: Callable[[], Answer], *, tries: int = 5) -> tuple[Answer, float, float]:
    """(answer, least seconds of processor time, least seconds of the clock); the first try, which may compile, does not count."""
    answer, cpus, walls = work(), [], []
    for _ in range(tries):
        cpu, wall = time.process_time(), time.perf_counter()
        answer = work()
        cpus.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
    return answer, min(cpus), min(walls)


def row(
    what: str,
    size: str,
    cpu: float,
    wall: float,
    *,
    goal: float | None = None,
    peer: tuple[str, float] | None = None,
    note: str = "",
) -> dict[str, object]:
    return {
        "group": "backtests",
        "operation": what,
        "size": size,
        "cpu": cpu,
        "wall": wall,
        "goal": goal,
        "peer": peer,
        "reached": None if goal is None else cpu <= goal,
        "note": note,
    }


if __name__ == "__main__":
    for measurement in rows():
        print(measurement)
