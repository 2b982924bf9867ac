"""The level of an index on each day of its life: what rules that stop by their own level look back on.

    levels = levels_of(logs, market, t, tokens)          one a day, the newest last, {USD/share}

What a share stood for on a day is rebuilt from the events of the index, fees included, and valued at the market's prices of
that day. So nothing has to be noted in time: a keeper whose ledger is lost, and anybody else, finds the same levels.
Gifts have no event, so that nobody can lift a level by sending tokens.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime

import numpy as np

from offchain.errors import KeeperError, MarketDataError
from offchain.market.snapshot import Market, Time, as_utc
from offchain.reference.replay import Log, Replayed, apply
from offchain.units import WAD

DIGITS = 12  # of a level, so that it is the same text on every machine


def levels_of(logs: Iterable[Log], market: Market, t: Time, tokens: Mapping[str, tuple[str, int]]) -> tuple[float, ...]:
    """{USD/share} at 00:00 UTC of each day of the market, from the first one with shares up to `t`, to DIGITS digits.

    `logs`: the index's own, in order. `tokens`: {address: (coin id, decimals)}. A day on which the market has no price of a
    component takes the last one before. Where the market begins later than the index, the levels begin with the market.
    Raises KeeperError for a component that no coin is known for, MarketDataError where none of its prices is known yet.
    """
    when = as_utc(t)
    waiting = deque(log for log in logs if log.timestamp <= when.timestamp())
    ids = _ids(waiting, tokens)
    if not ids:
        return ()
    first = datetime.fromtimestamp(waiting[0].timestamp, UTC)
    history = market.history(when, days=max((when - first).days + 1, 1), fields=("price",), ids=ids)
    prices = _filled(history.panel("price"))
    state, levels = Replayed(), []
    for row, day in enumerate(history.dates):
        now = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        while waiting and waiting[0].timestamp <= now:
            apply(state, waiting.popleft())
        if supply := state.supply(now):
            known = dict(zip(history.ids, prices[row].tolist(), strict=True))
            levels.append(float(f"{_value(state, known, tokens, day) / (supply / WAD):.{DIGITS}g}"))
    return tuple(levels)


def _ids(logs: Iterable[Log], tokens: Mapping[str, tuple[str, int]]) -> tuple[str, ...]:
    """Every coin that has ever been a component."""
    listed = {str(token) for log in logs if log.name == "UpdateComponents" for token in _list(log.args["components"])}
    strange = sorted(listed - set(tokens))
    if strange:
        raise KeeperError(
            f"the index has held {strange[0]}, which no coin of the market is known for, so its past levels cannot be "
            "computed; list the token among the components of the index file"
        )
    return tuple(sorted({tokens[token][0] for token in listed}))


def _value(state: Replayed, prices: Mapping[str, float], tokens: Mapping[str, tuple[str, int]], day: date) -> float:
    """{USD} of what the index held, claims of others left out."""
    parts = []
    for token in sorted(state.reserves):
        amount = state.reserves[token] - state.owed[token]
        if amount <= 0:
            continue
        coin, decimals = tokens[token]
        if math.isnan(prices.get(coin, math.nan)):
            raise MarketDataError(
                f"{coin} has no price on {day} or before, but the index held it, so the level of that day is not known; "
                "give a market that reaches back further"
            )
        parts.append(amount / 10**decimals * prices[coin])
    return math.fsum(parts)


def _filled(prices: np.ndarray) -> np.ndarray:
    """Days × coins, with the last known price where there is none."""
    filled = prices.copy()
    for row in range(1, len(filled)):
        unknown = np.isnan(filled[row])
        filled[row, unknown] = filled[row - 1, unknown]
    return filled


def _list(value: object) -> Sequence[object]:
    assert isinstance(value, list | tuple)
    return value
