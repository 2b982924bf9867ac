"""A market that looks like the real one but in which nothing foretells anything: what is skill there is a mistake here.

    empty = shuffled(history)
    walk_forward(empty, features, rules).evaluation        AUC about 0.5, and the costs lost

Each coin's daily returns against the market are drawn again in blocks of days, each coin by its own dice (circular block
bootstrap, Politis and Romano 1992), and each day gets its sign by a coin flip; the market's returns are drawn in blocks
too. So a coin keeps its volatility, its wild days and their clustering, and nothing is left of where it was going: blocks
alone would carry a trend on for as long as they are.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from offchain.market.history import Floats, History


def shuffled(history: History, *, block_days: int = 20, seed: int = 7) -> History:
    """The same dates, coins and holes. Every field but price and market cap is drawn together with its coin's return."""
    price = history.panel("price")
    days, coins = price.shape
    moves = np.zeros(price.shape)
    moves[1:] = np.nan_to_num(np.log(price[1:] / price[:-1]), nan=0.0)
    market = np.array([math.fsum(moves[day].tolist()) / coins for day in range(days)])
    own = moves - market[:, None]
    dice = np.random.Generator(np.random.PCG64(seed))
    common = market[drawn_days(days, block_days, dice)]
    places = np.stack([drawn_days(days, block_days, dice) for _ in range(coins)], axis=1)
    signs = dice.integers(0, 2, size=price.shape) * 2 - 1
    drawn = np.take_along_axis(own, places, axis=0) * signs + common[:, None]
    first = np.array([next((value for value in column if value == value), np.nan) for column in price.T.tolist()])
    walked = np.where(np.isnan(price), np.nan, first * np.exp(np.cumsum(drawn, axis=0)))
    panels = {}
    for name, values in history.panels.items():
        if name == "price":
            panels[name] = walked
        elif name == "market_cap":
            panels[name] = values / price * walked
        else:
            panels[name] = np.take_along_axis(values, places, axis=0)
    return History(t=history.t, dates=history.dates, ids=history.ids, panels=panels, series=_copied(history))


def drawn_days(days: int, block: int, dice: np.random.Generator) -> NDArray[np.int64]:
    """`days` row numbers in blocks that follow each other as they did, wrapping around at the end."""
    starts = dice.integers(0, days, size=-(-days // block))
    return ((starts[:, None] + np.arange(block)) % days).reshape(-1)[:days]


def _copied(history: History) -> dict[str, Floats]:
    return {name: values.copy() for name, values in history.series.items()}
