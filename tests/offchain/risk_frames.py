"""Small histories and signals for the tests of risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from offchain.market.history import History
from offchain.signals.outcome import Phase, Signal, SignalSet

T = datetime(2024, 6, 1, tzinfo=UTC)


def history_of(t: datetime = T, **columns: Sequence[float]) -> History:
    """Daily prices by id ("usd_coin" is usd-coin), the last row at `t`."""
    ids = sorted(name.replace("_", "-") for name in columns)
    days = len(next(iter(columns.values())))
    panel = np.column_stack([np.array(columns[name.replace("-", "_")], dtype=np.float64) for name in ids])
    dates = tuple(t.date() - timedelta(days=days - 1 - day) for day in range(days))
    return History(t=t, dates=dates, ids=tuple(ids), panels={"price": panel})


def signals(
    phase: str = "bull", breadth: float = 0.9, scores: Mapping[str, float] | None = None, **labels: str
) -> SignalSet:
    made = {
        name: Signal(
            id=name,
            label=label,
            score=(scores or {}).get(name, 0.0),
            conviction=0.0,
            p_bearish=0.0,
            p_neutral=1.0,
            p_bullish=0.0,
        )
        for name, label in labels.items()
    }
    found = Phase(name=phase, breadth=breadth, volatility=0.5, drawdown=0.1, reason="as the test says")
    return SignalSet(t=T, signals=made, phase=found, catalogue_hash="0x00")
