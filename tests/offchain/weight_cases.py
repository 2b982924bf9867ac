"""Members and a history of any size that are the same on every machine: sums and products only, no logarithm, no BLAS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from offchain.market.history import History
from offchain.market.snapshot import CoinFacts

T = datetime(2024, 6, 1, tzinfo=UTC)
DAYS = 91


def coins(count: int) -> tuple[CoinFacts, ...]:
    """Coins with market caps that fall by rank."""
    return tuple(
        CoinFacts(
            id=f"coin-{number:04d}",
            symbol=f"C{number}",
            name=f"Coin {number}",
            tags=(),
            decimals=18,
            price=1.0 + number,
            observed_price=1.0 + number,
            state="ok",
            market_cap=1e12 / (number + 1),
            market_cap_state="ok",
            volume=1e9 / (number + 1),
            age_days=900,
            gap_days=0,
            idle_days=0,
            tracks=None,
        )
        for number in range(count)
    )


def history(count: int) -> History:
    """Prices of coins that share a market and three sectors, by a generator that is exact integers inside."""
    state, draws = 12345, []
    for _ in range(DAYS * (count + 4)):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        draws.append((state >> 40) / 2**24 - 0.5)
    noise = np.array(draws).reshape(DAYS, count + 4)
    sector = noise[:, 1 + np.arange(count) % 3]
    size = 0.02 + 0.1 * ((np.arange(count) * 7) % 11) / 11.0
    moves = 0.002 + 0.05 * noise[:, [0]] + 0.04 * sector + size * noise[:, 4:]
    dates = tuple((T - timedelta(days=DAYS - 1 - day)).date() for day in range(DAYS))
    ids = tuple(coin.id for coin in coins(count))
    return History(t=T, dates=dates, ids=ids, panels={"price": 100.0 * np.cumprod(1.0 + moves, axis=0)})
