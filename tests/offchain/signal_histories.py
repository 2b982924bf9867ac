"""Histories for the tests of signals: random walks without skill, and one where last month foretells next week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import History

START = date(2020, 1, 1)
Floats = NDArray[np.float64]


def history_of(price: Floats, *, more: Mapping[str, Floats] | None = None, late_days: int = 0) -> History:
    """One coin per column, `coin-000` on; market cap 1e6 … 1e9 coins × price; `t` is `late_days` after the last day."""
    days, coins = price.shape
    dates = tuple(START + timedelta(days=day) for day in range(days))
    supply = np.linspace(1e6, 1e9, coins)
    return History(
        t=datetime.combine(dates[-1] + timedelta(days=late_days), time(), UTC),
        dates=dates,
        ids=tuple(f"coin-{number:03d}" for number in range(coins)),
        panels={"price": price.copy(), "market_cap": price * supply, **{k: v.copy() for k, v in (more or {}).items()}},
    )


def random_walk(*, days: int = 400, coins: int = 20, seed: int = 3, skill: float = 0.0) -> Floats:
    """Prices. With `skill` each coin has moods of 60 days: so much of its daily deviation is added or taken away."""
    dice = np.random.Generator(np.random.PCG64(seed))
    market = dice.normal(0.0, 0.02, (days, 1))
    own = dice.normal(0.0, 0.03, (days, coins))
    mood = np.repeat(dice.choice([-1.0, 1.0], size=(days // 60 + 1, coins)), 60, axis=0)[:days]
    return np.asarray(100.0 * np.exp(np.cumsum(market + own + skill * 0.03 * mood, axis=0)))


def cut(history: History, days: int) -> History:
    """The first `days` of it, as it was known then."""
    end = history.dates[days - 1]
    return History(
        t=datetime.combine(end, time(), UTC),
        dates=history.dates[:days],
        ids=history.ids,
        panels={name: values[:days].copy() for name, values in history.panels.items()},
        series={name: values[:days].copy() for name, values in history.series.items()},
    )


def renamed(history: History, order: Floats | NDArray[np.int64]) -> tuple[History, dict[str, str]]:
    """The same coins under other names, so in another order: (history, {new name: old name})."""
    names = {history.ids[int(place)]: old for place, old in zip(order, history.ids, strict=True)}
    columns = [history.column(names[new]) for new in sorted(names)]
    panels = {name: values[:, columns].copy() for name, values in history.panels.items()}
    return History(t=history.t, dates=history.dates, ids=tuple(sorted(names)), panels=panels), names
