"""How long it takes to open a market: load and validate the records of 2021 and the network data of 2016–2019, look at
them, take a snapshot; and how much memory that takes, in a process of its own.

`rows()` → one dict a measurement: what, size, seconds of processor time (`cpu`) and of the clock (`wall`), the best of
REPEATS, goal and peer; memory is in the note. The box is shared, so processor time is what is compared. The yardstick of the first row is what pandas alone
takes to read the same file and lay its three columns out by day and coin, which checks nothing.

python -m tests.bench.market
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from offchain.market import Market, coverage, examine, load_market, load_onchain
from offchain.market.files import DATA_VARIABLE, market_folder

RECORDS = "coingecko_daily_2021.parquet"
GOAL_SECONDS = 1.5
REPEATS = 5
LARGE = (20_000, 90)  # coins, days
# what a program that only opens the market takes, printed as JSON by itself
ALONE = """
import json, pathlib
def peak():
    # of this program alone: the figure of getrusage begins with that of the program that started it
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
import offchain.market
before = peak()
offchain.market.load_market(PATH)
print(json.dumps([before, peak()]))
"""


def rows() -> list[dict[str, object]]:
    """Every measurement; about half a minute. Without the folder of real data only the made-up one."""
    folder = market_folder()
    found = []
    if (folder / RECORDS).is_file():
        found += real_rows(folder)
    else:
        print(f"no {RECORDS} in {folder}: set {DATA_VARIABLE} to measure on real records", file=sys.stderr)
    frame = invented(*LARGE)
    size = f"{LARGE[0]:,} coins × {LARGE[1]} days, made up"
    found.append(measured("validate a table", size, lambda: Market.from_frame(frame)))
    return found


def real_rows(folder: Path) -> list[dict[str, object]]:
    file = folder / RECORDS
    market = load_market(file)
    size = f"{len(market.ids):,} coins × {len(market.dates)} days, {pq.read_metadata(file).num_rows:,} rows"
    plain = measured("pandas alone: read and lay out, unchecked", size, lambda: laid_out(file))
    peer = ("pandas, unchecked", float(str(plain["cpu"])))
    opened = measured("load and validate 2021", size, lambda: load_market(file))
    before, peak = memory(file)
    note = f"peak memory {peak:.0f} MB, of which {before:.0f} MB are libraries"
    reached = float(str(opened["cpu"])) <= GOAL_SECONDS
    found = [plain, opened | {"goal": GOAL_SECONDS, "peer": peer, "reached": reached, "note": note}]
    found.append(measured("examine", size, lambda: examine(market)))
    found.append(measured("coverage", size, lambda: coverage(market)))
    # a fresh market each time: a second snapshot has what is believed from the first
    found.append(measured("first snapshot", size, lambda: load_market(file).snapshot(market.end)))
    found.append(measured("next snapshot", size, lambda: market.snapshot(market.end)))
    onchain = load_onchain(folder)
    networks = f"{len(onchain.ids)} coins × {len(onchain.dates)} days × {len(onchain.panels) + 2} fields"
    found.append(measured("load and validate 2016–2019", networks, lambda: load_onchain(folder)))
    return found


def laid_out(file: Path) -> list[pd.DataFrame]:
    """The least that anyone would do: read, and pivot each column."""
    frame = pd.read_parquet(file)
    frame["id"] = frame["id"].astype("str")
    return [frame.pivot(index="date", columns="id", values=name) for name in ("price", "market_cap", "volume")]


def invented(coins: int, days: int) -> pd.DataFrame:
    """Random walks from raw bits of PCG64, the same everywhere."""
    raw = np.random.PCG64(7).random_raw(coins * days).reshape(days, coins)
    steps = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5
    price = np.exp(np.cumsum(steps * 0.1, axis=0)).ravel()
    names = pd.Categorical.from_codes(np.tile(np.arange(coins), days), [f"coin-{n:05d}" for n in range(coins)])
    dates = np.repeat(pd.date_range("2024-01-01", periods=days, tz="UTC"), coins)
    return pd.DataFrame({"date": dates, "id": names, "price": price, "market_cap": price * 1e6, "volume": 1e5})


def measured(what: str, size: str, work: Callable[[], object]) -> dict[str, object]:
    """The best of REPEATS, after one run that warms up."""
    work()
    cpu, wall = np.inf, np.inf
    for _ in range(REPEATS):
        cpu_before, wall_before = time.process_time(), time.perf_counter()
        work()
        cpu = min(cpu, time.process_time() - cpu_before)
        wall = min(wall, time.perf_counter() - wall_before)
    return {
        "group": "market",
        "operation": what,
        "size": size,
        "cpu": cpu,
        "wall": wall,
        "goal": None,
        "peer": None,
        "reached": None,
        "note": "",
    }


def memory(file: Path) -> tuple[float, float]:
    """(MB after importing, MB at most) of a process that loads the file and ends."""
    code = ALONE.replace("PATH", repr(str(file)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, peak = json.loads(done.stdout)
    return float(before), float(peak)


if __name__ == "__main__":
    for measurement in rows():
        goal = measurement["goal"]
        print(
            f"{measurement['operation']:<48}{measurement['size']:<46}cpu {measurement['cpu']:7.3f} s  wall "
            f"{measurement['wall']:7.3f} s  {'' if goal is None else f'goal {goal:g} s'}  {measurement['note']}"
        )
