"""Walk forward: choose on the past, judge on what came after, never the other way round.

folds = walk_forward(dates, train=365, test=30, purge=7)
forward = chosen_forward(table_of_levels, folds)          the record of always taking what had been best
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from offchain.errors import MarketDataError


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Rows, ends excluded. `purge` rows between train and test are in neither: labels that reach into the test are not learned."""

    train: range
    test: range


@dataclass(frozen=True, kw_only=True, eq=False)
class Forward:
    """`returns`: daily, only of test days; `choices`: what each fold chose; `hindsight`: return of the one variant that did best
    over the same days, which nobody could know before.
    """

    returns: pd.Series
    choices: tuple[str, ...]
    hindsight: float

    @property
    def total(self) -> float:
        """Return over all test days."""
        return float(np.prod(1.0 + self.returns.to_numpy(dtype=np.float64)) - 1.0)


def walk_forward(
    times: Sequence[datetime] | pd.DatetimeIndex,
    *,
    train: int,
    test: int,
    purge: int = 0,
    embargo: int = 0,
    is_expanding: bool = False,
) -> tuple[Fold, ...]:
    """Folds over rows: `train` rows (all before when expanding), `purge` left out, `test` rows; then on by test + `embargo`.

    The last test may be shorter. Raises MarketDataError when not even one fold fits.
    """
    if train < 1 or test < 1 or purge < 0 or embargo < 0:
        raise MarketDataError(
            f"train = {train}, test = {test}, purge = {purge}, embargo = {embargo}; use whole days, none below 0"
        )
    count, folds, begin = len(times), [], train + purge
    while begin < count:
        end = begin - purge
        folds.append(
            Fold(train=range(0 if is_expanding else end - train, end), test=range(begin, min(begin + test, count)))
        )
        begin += test + embargo
    if not folds:
        raise MarketDataError(
            f"{count} days do not hold one fold of {train} + {purge} + 1; shorten train, or give more days"
        )
    return tuple(folds)


def chosen_forward(levels: pd.DataFrame, folds: Sequence[Fold]) -> Forward:
    """What came of holding, in each test, what had the best Sharpe ratio in the train rows before. `levels`: time × variant.

    Ties go to the first in alphabetical order. Switching is free here: costs of changing over are not in it.
    """
    table = levels[sorted(levels.columns)]
    returns = (table / table.shift() - 1.0).to_numpy(dtype=np.float64)
    pieces, choices = [], []
    for fold in folds:
        known = returns[max(fold.train.start, 1) : fold.train.stop]
        if len(known) < 2:
            raise MarketDataError(f"{len(known)} returns to choose by; a fold needs two at least")
        deviation = known.std(axis=0, ddof=1)
        ratio = np.where(deviation > 0.0, known.mean(axis=0) / np.where(deviation > 0.0, deviation, 1.0), 0.0)
        best = int(np.argmax(np.round(ratio, 12)))
        choices.append(str(table.columns[best]))
        pieces.append(pd.Series(returns[fold.test.start : fold.test.stop, best], index=table.index[list(fold.test)]))
    rows = [row for fold in folds for row in fold.test]
    hindsight = float(np.prod(1.0 + returns[rows], axis=0).max() - 1.0)
    return Forward(returns=pd.concat(pieces), choices=tuple(choices), hindsight=hindsight)
