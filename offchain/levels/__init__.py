"""The index level as its administrator keeps it. Start at `ledger.py`; `restatement.py` guards what was published."""

from offchain.levels.ledger import (
    BASE,
    Composition,
    IndexLevel,
    LedgerLine,
    LevelSeries,
    compute,
    staking_income,
    units_of,
)
from offchain.levels.restatement import Change, Restatement, extended, restate
from offchain.levels.returns import (
    coin_benchmark,
    compared,
    equal_weight_benchmark,
    period_returns,
    since_inception,
    trailing_returns,
)

__all__ = [
    "BASE",
    "Change",
    "Composition",
    "IndexLevel",
    "LedgerLine",
    "LevelSeries",
    "Restatement",
    "coin_benchmark",
    "compared",
    "compute",
    "equal_weight_benchmark",
    "extended",
    "period_returns",
    "restate",
    "since_inception",
    "staking_income",
    "trailing_returns",
    "units_of",
]
