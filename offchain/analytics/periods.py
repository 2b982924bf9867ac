"""Returns of days, weeks, months, quarters, years and since the start. The pieces of a table multiply to the whole.

trailing(levels, dates)                 the last day, week, month, … up to the last date
calendar(levels, dates, by="month")     one row a month; the first and the last may be incomplete
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from offchain.analytics.measures import Levels, Measure
from offchain.errors import UnusableLevels

KINDS = ("day", "week", "month", "quarter", "year")


@dataclass(frozen=True, kw_only=True)
class Period:
    """One row. `start`, `end`: the dates of the levels it leads from and to; `value`: return of 1."""

    label: str
    start: date
    end: date
    value: float


def trailing(levels: Levels, dates: Sequence[date]) -> dict[str, Measure]:
    """{day, week, month, quarter, year, inception: return up to the last date}; None while the line is shorter."""
    _check(levels, dates)
    last = dates[-1]
    starts = {
        "day": last - timedelta(days=1),
        "week": last - timedelta(days=7),
        "month": _months_before(last, 1),
        "quarter": _months_before(last, 3),
        "year": _months_before(last, 12),
        "inception": dates[0],
    }
    return {name: _since(levels, dates, start) for name, start in starts.items()}


def calendar(levels: Levels, dates: Sequence[date], *, by: str = "month") -> tuple[Period, ...]:
    """One return for each calendar period that the dates touch. `by`: one of KINDS; weeks are ISO weeks, from Monday.

    A period leads from the last level before it to its own last level, so that all of them multiply to the whole.
    """
    _check(levels, dates)
    if by not in KINDS:
        raise UnusableLevels(f'by = "{by}": use one of {", ".join(KINDS)}')
    rows: list[Period] = []
    start = 0
    for position in range(1, len(dates)):
        is_last = position == len(dates) - 1
        if is_last or _label(dates[position], by) != _label(dates[position + 1], by):
            value = levels[position] / levels[start] - 1.0 if levels[start] else 0.0
            label = _label(dates[position], by)
            rows.append(Period(label=label, start=dates[start], end=dates[position], value=value))
            start = position
    return tuple(rows)


def _since(levels: Levels, dates: Sequence[date], start: date) -> Measure:
    if start < dates[0]:
        return Measure(value=None, reason=f"the line starts on {dates[0]}, after {start}")
    position = max(k for k, day in enumerate(dates) if day <= start)
    if position == len(dates) - 1:
        return Measure(value=None, reason="one level has no return")
    if levels[position] == 0.0:
        return Measure(value=None, reason="everything was lost before")
    return Measure(value=levels[-1] / levels[position] - 1.0)


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last one."""
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - timedelta(days=1)).day))


def _label(day: date, by: str) -> str:
    if by == "day":
        return day.isoformat()
    if by == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    if by == "month":
        return f"{day:%Y-%m}"
    return f"{day.year}-Q{(day.month + 2) // 3}" if by == "quarter" else str(day.year)


def _check(levels: Levels, dates: Sequence[date]) -> None:
    if len(levels) != len(dates) or not dates:
        raise UnusableLevels(f"{len(levels)} levels and {len(dates)} dates; give one date for each level")
    for before, after in zip(dates, dates[1:], strict=False):
        if after <= before:
            raise UnusableLevels(f"date {after} does not come after {before}; sort the line first")
