"""Which days a model may learn from, be calibrated on, and be tested on, so that no outcome is known before its time.

    |-- train --|  purge  |-- calibration --|  purge  |-- test --|

The outcome of day d is known `reach` days later (delay of the entry + horizon). So the last day learned from is
`reach + embargo` before the first one calibrated on, and that again before the first one tested: Lopez de Prado (2018),
"Advances in Financial Machine Learning", chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass

from offchain.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Row numbers. Ends are not included. Raises ModelError when an outcome would be known before its time."""

    number: int
    train: range
    calibration: range
    test: range
    reach: int
    embargo: int

    def __post_init__(self) -> None:
        gap = self.reach + self.embargo
        for earlier, later, names in (
            (self.train, self.calibration, "train and calibration"),
            (self.calibration, self.test, "calibration and test"),
        ):
            if not earlier or not later:
                raise ModelError(
                    f"fold {self.number}: {names} must both have days; give a longer history or shorter windows"
                )
            if earlier[-1] + gap > later[0]:
                raise ModelError(
                    f"fold {self.number}: {names} are {later[0] - earlier[-1]} days apart, outcomes need {gap}; "
                    "this would let the model see what it is tested on"
                )

    @property
    def known_until(self) -> int:
        """The newest row whose price any outcome used here depends on; the model may be asked from the next one on."""
        return max(self.train[-1], self.calibration[-1]) + self.reach


def split(
    start: int, *, end: int, number: int, window: int, calibration: int, reach: int, embargo: int, stride: int
) -> Fold:
    """The fold that tests rows `start` to `end`. `window`: days learned from and calibrated on, 0 for all before.

    `stride`: every how many days is learned from; outcomes of neighbouring days overlap, so few rows say most of it.
    """
    last = start - reach - embargo
    first = 0 if window == 0 else max(0, last + 1 - window)
    calibration_start = last + 1 - calibration
    train_last = calibration_start - reach - embargo
    return Fold(
        number=number,
        train=range(train_last, first - 1, -stride)[::-1],
        calibration=range(max(calibration_start, 0), last + 1),
        test=range(start, end),
        reach=reach,
        embargo=embargo,
    )


def walk(
    days: int, *, first_test: int, test_days: int, window: int, calibration: int, reach: int, embargo: int, stride: int
) -> tuple[Fold, ...]:
    """Folds whose tests follow each other without a gap from row `first_test` to the last of `days`."""
    return tuple(
        split(
            start,
            end=min(start + test_days, days),
            number=number,
            window=window,
            calibration=calibration,
            reach=reach,
            embargo=embargo,
            stride=stride,
        )
        for number, start in enumerate(range(first_test, days, test_days), start=1)
    )
