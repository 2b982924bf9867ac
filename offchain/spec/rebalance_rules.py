"""[rebalance]: when the basket is moved, and inside which limits."""

from __future__ import annotations

import calendar as days
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from offchain.spec.keys import USD, Choice, Integer, fraction, key

CALENDARS = ("daily", "weekly", "monthly")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, kw_only=True)
class RebalanceRules:
    """[rebalance]: when the basket is moved, and inside which limits."""

    calendar: str = key(
        Choice(options=CALENDARS), default="weekly", doc="How often the index is reviewed; monthly is on the 1st."
    )
    weekday: str = key(Choice(options=WEEKDAYS), default="monday", doc="Day of the weekly review, at 00:00 UTC.")
    drift_band: float = key(
        fraction(), unit="of NAV", default=0.02, doc="Drift (one-way turnover) below which nothing is traded."
    )
    min_trade_usd: float = key(USD, unit="USD", default=50.0, doc="Smaller trades are dust and are left out.")
    max_slippage_bps: int = key(Integer(low=1, high=500), unit="bps", default=100, doc="Most a trade may lose.")
    max_trade_bps: int = key(Integer(low=1, high=10_000), unit="bps of NAV", default=1_000, doc="Largest single trade.")
    plan_hours: int = key(Integer(low=1, high=336), unit="hours", default=48, doc="A plan expires after this time.")
    cooldown_minutes: int = key(
        Integer(low=0, high=1_440), unit="minutes", default=5, doc="Pause between two trades of one token."
    )

    def is_review_day(self, day: date) -> bool:
        """Whether the calendar names this UTC day."""
        if self.calendar == "weekly":
            return day.weekday() == WEEKDAYS.index(self.weekday)
        return self.calendar == "daily" or day.day == 1

    def last_review(self, t: datetime) -> datetime:
        """The latest review at or before `t`: midnight UTC of a day the calendar names."""
        midnight = t.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while not self.is_review_day(midnight.date()):
            midnight -= timedelta(days=1)
        return midnight

    def next_review(self, t: datetime) -> datetime:
        """The first review after `t`."""
        midnight = self.last_review(t) + timedelta(days=1)
        while not self.is_review_day(midnight.date()):
            midnight += timedelta(days=1)
        return midnight

    @property
    def reviews_per_year(self) -> float:
        """Reviews in a year of 365 days, for cost estimates."""
        return {"daily": 365.0, "weekly": 365.0 / len(days.day_name), "monthly": 12.0}[self.calendar]
