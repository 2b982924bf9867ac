"""Histories for the tests of features: every field there is, small numbers that any processor gives alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from offchain.features import FEATURES, compute_panel
from offchain.market.fields import PANELS, SERIES
from offchain.market.history import Floats, History

IDS = ("aave", "bitcoin", "cardano", "dogecoin", "ethereum", "solana", "uniswap")
TAGS = {
    "aave": ("defi", "lending"),
    "bitcoin": ("layer1",),
    "uniswap": ("defi", "dex"),
    "solana": ("layer1", "defi"),
    "ethereum": ("layer1",),
    "cardano": ("layer1",),
    "dogecoin": ("meme",),
}
DAYS = 60
NAMES = sorted(FEATURES)
LONGEST = max(feature.lookback for feature in FEATURES.values())


def walk(dice: np.random.Generator, days: int, start: Floats, step: float) -> Floats:
    """days × coins above 0, each day a little above or below the day before."""
    return start * np.cumprod(1.0 + step * dice.uniform(-1.0, 1.0, (days, len(start))), axis=0)


@lru_cache(maxsize=1)
def clean() -> History:
    """Every field and series there is, without a hole."""
    days, coins = LONGEST + DAYS, len(IDS)
    dice = np.random.Generator(np.random.PCG64(7))
    panels = {name: walk(dice, days, dice.uniform(1.0, 9.0, coins), 0.05) for name in PANELS}
    price = walk(dice, days, np.array([80.0, 4e4, 0.5, 0.1, 2e3, 100.0, 6.0]), 0.06)
    panels["price"] = panels["observed_price"] = price
    panels["open"] = price * dice.uniform(0.97, 1.03, price.shape)
    panels["high"] = np.maximum(price, panels["open"]) * dice.uniform(1.0, 1.05, price.shape)
    panels["low"] = np.minimum(price, panels["open"]) * dice.uniform(0.95, 1.0, price.shape)
    panels["supply"] = walk(dice, days, np.array([1.5e7, 1.9e7, 3e10, 1e11, 1.2e8, 4e8, 1e9]), 0.001)
    panels["market_cap"] = price * panels["supply"]
    panels["sentiment"] = dice.uniform(-1.0, 1.0, price.shape)
    panels["unlocks"] = dice.uniform(0.0, 0.1, price.shape)
    series = {name: walk(dice, days, np.array([5.0]), 0.03)[:, 0] for name in SERIES}
    return built(panels, series)


def built(panels: dict[str, Floats], series: dict[str, Floats], ids: tuple[str, ...] = IDS) -> History:
    days = len(next(iter(panels.values())))
    dates = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(days))
    t = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days)
    return History(t=t, dates=dates, ids=ids, panels=panels, series=series)


def cut(history: History, stop: int, *, start: int = 0) -> History:
    """Days start … stop − 1, copied."""
    return built(
        {name: values[start:stop].copy() for name, values in history.panels.items()},
        {name: values[start:stop].copy() for name, values in history.series.items()},
        history.ids,
    )


@lru_cache(maxsize=len(NAMES))
def whole(name: str) -> Floats:
    return compute_panel(clean(), name, tags=TAGS)


def same(left: Floats, right: Floats) -> bool:
    """The same bits, NaN equal to NaN."""
    return left.shape == right.shape and bool(np.all((left == right) | (np.isnan(left) & np.isnan(right))))
