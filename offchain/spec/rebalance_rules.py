"""[rebalance]: when the basket is moved, and inside which limits."""

from __future__ import annotations

import calendar as days
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from offchain.spec.keys import USD, Choice, Integer, ListOf, Number, fraction, key

CALENDARS = ("daily", "weekly", "monthly", "quarterly", "semiannual", "never")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
TRIGGERS = ("drift", "signal", "emergency")
MONTHS = {"monthly": 1, "quarterly": 3, "semiannual": 6}

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)  # the one review of a basket: before every index
_LAST = datetime(9999, 12, 31, tzinfo=UTC)  # its next one: never


@dataclass(frozen=True, kw_only=True)
class RebalanceRules:
    """[rebalance]: when the basket is moved, and inside which limits."""

    calendar: str = key(
        Choice(options=CALENDARS),
        default="weekly",
        doc="How often the index is reviewed; from monthly on the 1st of a month. never: a basket that is bought once.",
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

    # --- dates ------------------------------------------------------------------------------------------------------
    first_month: int = key(
        Integer(low=1, high=12),
        unit="month",
        default=3,
        doc="A month of the quarterly or semiannual review; 3: March, June, September, December.",
        later=True,
    )
    announcement_days: int = key(
        Integer(low=0, high=60), unit="days", default=0, doc="New weights are public so long before.", later=True
    )
    reference_days: int = key(
        Integer(low=0, high=60), unit="days", default=0, doc="Their data is of so long before the review.", later=True
    )

    # --- between reviews ----------------------------------------------------------------------------------------------
    triggers: tuple[str, ...] = key(
        ListOf(item=Choice(options=TRIGGERS)),
        default=(),
        doc="What else than the calendar leads to trading.",
        later=True,
    )
    coin_band: float = key(
        fraction(), unit="of NAV", default=0.0, doc="Drift of one coin that is too much; 0: any is allowed.", later=True
    )
    coin_band_relative: float = key(
        Number(low=0, high=10), unit="of its target", default=0.0, doc="The same as a part of its weight.", later=True
    )
    signal_change: float = key(
        fraction(), unit="of NAV", default=0.0, doc="Least weight of coins whose label changed that counts.", later=True
    )
    cooldown_days: int = key(
        Integer(low=0, high=365),
        unit="days",
        default=0,
        doc="Pause after trading; a red flag does not wait.",
        later=True,
    )

    # --- is it worth it -------------------------------------------------------------------------------------------------
    cost_multiple: float = key(
        Number(low=0, high=100),
        unit="× cost",
        default=0.0,
        doc="Benefit that trading has to promise; 0: any.",
        later=True,
    )
    risk_aversion: float = key(
        Number(low=0, high=1_000), unit="1", default=10.0, doc="Price of tracking variance, twice its cost.", later=True
    )
    risk_days: int = key(
        Integer(low=20, high=365), unit="days", default=90, doc="Window of the tracking risk.", later=True
    )
    trade_to: str = key(
        Choice(options=("target", "band")),
        default="target",
        doc='"band": a coin is moved only to the edge of its band, which costs less.',
        later=True,
    )

    @property
    def is_basket(self) -> bool:
        """Whether it is bought once and then left alone; an index is reviewed."""
        return self.calendar == "never"

    def is_review_day(self, day: date) -> bool:
        """Whether the calendar names this UTC day."""
        if self.calendar == "weekly":
            return day.weekday() == WEEKDAYS.index(self.weekday)
        if self.calendar in MONTHS:
            return is_period_start(self.calendar, day, first_month=self.first_month)
        return self.calendar == "daily"

    def last_review(self, t: datetime) -> datetime:
        """The latest review at or before `t`: midnight UTC of a day the calendar names."""
        if self.is_basket:
            return _FIRST
        midnight = t.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        while not self.is_review_day(midnight.date()):
            midnight -= timedelta(days=1)
        return midnight

    def next_review(self, t: datetime) -> datetime:
        """The first review after `t`."""
        if self.is_basket:
            return _LAST
        midnight = self.last_review(t) + timedelta(days=1)
        while not self.is_review_day(midnight.date()):
            midnight += timedelta(days=1)
        return midnight

    @property
    def reviews_per_year(self) -> float:
        """Reviews in a year of 365 days, for cost estimates."""
        if self.is_basket:
            return 0.0
        if self.calendar in MONTHS:
            return 12.0 / MONTHS[self.calendar]
        return {"daily": 365.0, "weekly": 365.0 / len(days.day_name)}[self.calendar]


def is_period_start(calendar: str, day: date, *, first_month: int) -> bool:
    """Whether a month, quarter or half-year begins on this day; `first_month` is one of the months they begin with."""
    return day.day == 1 and (day.month - first_month) % MONTHS[calendar] == 0


def contradictions(rules: RebalanceRules) -> list[str]:
    """Mistakes that show when two keys of [rebalance] are read together."""
    found = []
    if rules.announcement_days > rules.reference_days:
        found.append(
            f"rebalance.announcement_days = {rules.announcement_days} is above rebalance.reference_days = "
            f"{rules.reference_days}: what is not known yet cannot be announced"
        )
    shortest = {"daily": 1, "weekly": 7, "monthly": 28, "quarterly": 89, "semiannual": 181}.get(rules.calendar)
    if shortest is not None and rules.reference_days >= shortest:
        found.append(
            f"rebalance.reference_days = {rules.reference_days} reaches past the review before: "
            f"a {rules.calendar} calendar allows at most {shortest - 1}"
        )
    if rules.is_basket and rules.triggers:
        found.append(
            f'rebalance.calendar = "never" makes a basket, which {", ".join(rules.triggers)} cannot move: '
            "remove rebalance.triggers, or choose a calendar"
        )
    if rules.trade_to == "band" and not (rules.coin_band or rules.coin_band_relative or rules.drift_band):
        found.append('rebalance.trade_to = "band" needs coin_band, coin_band_relative or drift_band: give one')
    return found
