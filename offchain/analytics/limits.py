"""Limits over everything that several indexes hold together: how much of one coin, and how many days of its market.

over_limits(look_through(indexes, values), max_weight=0.4, volumes=volumes, max_volume_days=2)
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from offchain.analytics.exposure import LookThrough
from offchain.errors import UnusableHoldings
from offchain.units import format_percent, format_usd


def over_limits(
    held: LookThrough,
    *,
    max_weight: float = 1.0,
    volumes: Mapping[str, float] | None = None,
    max_volume_days: float = math.inf,
) -> tuple[str, ...]:
    """A sentence for each coin above `max_weight` {of everything held}, or worth more than `max_volume_days` of its volume
    {USD per day}; the largest first. A coin that `volumes` does not name counts as one without a market.
    """
    if not 0 < max_weight <= 1 or max_volume_days <= 0:
        raise UnusableHoldings(
            f"limits {max_weight:g} of 1 and {max_volume_days:g} days: give a weight above 0 up to 1, and days above 0"
        )
    found = []
    for coin, weight in held.weights.items():
        where = ", ".join(f"{name} {format_usd(usd)}" for name, usd in sorted(held.through[coin].items()))
        if weight > max_weight:
            found.append(
                f"{coin} is {format_percent(weight)} of all holdings, limit {format_percent(max_weight)} ({where})"
            )
        if volumes is None:
            continue
        volume = volumes.get(coin, 0.0)
        if held.values[coin] > max_volume_days * volume:
            days = f"worth {held.values[coin] / volume:.1f} days of its volume" if volume else "held without any volume"
            found.append(f"{coin} is {days}, limit {max_volume_days:g} ({where})")
    return tuple(found)
