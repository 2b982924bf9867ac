"""How long features take: the newest values of 2,000 coins, panels of 50 coins over five years beside TA-Lib, and scores.

`rows()` → one dict a measurement: what, size, seconds of processor time (`cpu`) and of the clock (`wall`), goal and peer.
The box is shared, so processor time is what is compared; it is one thread throughout.

python -m tests.bench.features
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import numpy as np
import talib

from offchain.features import FEATURES, compute, compute_panels, standardise
from offchain.market.history import Floats, History

COUNT = 40
FIELDS = ("high", "low", "market_cap", "price", "volume")
# TA-Lib takes one coin at a time and remembers all days before; ours gives each day its own window
PEERS: dict[str, Callable[[Floats], Floats]] = {
    "rsi_14": lambda price: talib.RSI(price, 14),
    "macd_histogram": lambda price: talib.MACD(price)[2],
    "ema_distance_20": lambda price: talib.EMA(price, 20),
    "sma_distance_200": lambda price: talib.SMA(price, 200),
    "volatility_90d": lambda price: talib.STDDEV(price, 90),
    "donchian_close_55": lambda price: talib.MAX(price, 55),
}

Answer = TypeVar("Answer")


def rows() -> list[dict[str, object]]:
    """Every measurement; about a quarter of a minute."""
    many, long = walk(400, 2_000), walk(1_826, 50)
    names = features_of(many)
    size = "2,000 coins, 400 days"
    found = []
    for count in (COUNT, len(names)):
        _, cpu, wall = measured(lambda count=count: compute(many, names[:: len(names) // count][:count]))
        found.append(row(f"newest values of {count} features", size, cpu, wall))
    panels, cpu, wall = measured(lambda: compute_panels(long, names))
    found.append(row(f"panels of {len(names)} features", "50 coins, 5 years", cpu, wall))
    price = long.panel("price")
    for name, peer in PEERS.items():
        _, cpu, wall = measured(lambda name=name: compute_panels(long, [name]))
        _, other, _ = measured(lambda peer=peer: [peer(column) for column in np.ascontiguousarray(price.T)])
        found.append(row(f"panel of {name}", "50 coins, 5 years", cpu, wall, peer=("TA-Lib", other)))
    table = panels["momentum_90d"]
    for how in ("robust_z", "rank"):
        _, cpu, wall = measured(lambda how=how: standardise(table, how=how, axis=1))
        found.append(row(f"standardise by {how}", "50 coins, 5 years", cpu, wall))
    return found


def walk(days: int, coins: int) -> History:
    """Random prices; market caps, volumes and ranges that fit them."""
    dice = np.random.Generator(np.random.PCG64(3))
    price = np.cumprod(1.0 + 0.04 * dice.standard_normal((days, coins)), axis=0)
    cap = price * dice.uniform(1e6, 1e9, coins)
    panels = {
        "high": price * dice.uniform(1.0, 1.05, price.shape),
        "low": price * dice.uniform(0.95, 1.0, price.shape),
        "market_cap": cap,
        "price": price,
        "volume": cap * dice.uniform(0.01, 0.2, price.shape),
    }
    ids = tuple(sorted(["bitcoin", *(f"coin-{number:05d}" for number in range(coins - 1))]))
    dates = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(days))
    return History(t=datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days), dates=dates, ids=ids, panels=panels)


def features_of(history: History) -> list[str]:
    """Those that this history has the fields and the days for."""
    return [
        name
        for name, feature in FEATURES.items()
        if set(feature.reads) <= set(FIELDS) and feature.lookback <= len(history) and not feature.reads_tags
    ]


def row(what: str, size: str, cpu: float, wall: float, *, peer: tuple[str, float] | None = None) -> dict[str, object]:
    """One measurement."""
    return {
        "group": "features",
        "operation": what,
        "size": size,
        "cpu": cpu,
        "wall": wall,
        "goal": None,
        "peer": peer,
        "reached": None,
        "note": "",
    }


def measured(work: Callable[[], Answer]) -> tuple[Answer, float, float]:
    """(answer, processor seconds, seconds of the clock), the best of three."""
    answer, best = work(), (float("inf"), float("inf"))
    for _ in range(3):
        cpu, wall = time.process_time(), time.perf_counter()
        answer = work()
        best = min(best, (time.process_time() - cpu, time.perf_counter() - wall))
    return answer, *best


def main() -> None:
    """Print the table."""
    for found in rows():
        print(f"{found['operation']:42} {found['size']:24} {found['cpu']:9.4f} s   {found['peer'] or ''}")


if __name__ == "__main__":
    main()
