"""Small markets for tests: a few named coins with constant supply and gently moving prices."""

from __future__ import annotations

import pandas as pd

START = "2024-01-01"
# id: (price USD, market cap USD); the ranking is the order
COINS = {
    "bitcoin": (40_000.0, 800e9),
    "ethereum": (2_000.0, 240e9),
    "solana": (100.0, 40e9),
    "cardano": (0.5, 18e9),
    "chainlink": (15.0, 8e9),
    "uniswap": (6.0, 4e9),
}


def daily_frame(
    days: int = 60, coins: dict[str, tuple[float, float]] | None = None, volume: float = 50e6
) -> pd.DataFrame:
    """Long rows date, id, price, market_cap, volume; every coin moves by its own small saw tooth."""
    rows = []
    dates = pd.date_range(START, periods=days, freq="D", tz="UTC")
    for number, (name, (price, cap)) in enumerate((coins or COINS).items(), start=1):
        for day, date in enumerate(dates):
            wave = 1.0 + 0.1 * ((day * (number + 2)) % 11) / 11
            rows.append((date, name, price * wave, cap * wave, volume))
    return pd.DataFrame(rows, columns=["date", "id", "price", "market_cap", "volume"])


def change(frame: pd.DataFrame, coin: str, day: int, *, days: int = 1, **times: float) -> pd.DataFrame:
    """`frame` with some columns of one coin multiplied on `days` days from `day` on."""
    first = frame["date"].min() + pd.Timedelta(days=day)
    here = (frame["id"] == coin) & (frame["date"] >= first) & (frame["date"] < first + pd.Timedelta(days=days))
    changed = frame.copy()
    for column, factor in times.items():
        changed.loc[here, column] = changed.loc[here, column] * factor
    return changed


def without(frame: pd.DataFrame, coin: str, day: int, *, days: int = 1) -> pd.DataFrame:
    """`frame` without the rows of one coin on `days` days from `day` on."""
    first = frame["date"].min() + pd.Timedelta(days=day)
    here = (frame["id"] == coin) & (frame["date"] >= first) & (frame["date"] < first + pd.Timedelta(days=days))
    return frame[~here].reset_index(drop=True)
