"""When an index is looked at, told about, and moved; and when its members may change.

Each review has three dates, as index providers have them:

    reference       midnight UTC of the data that the new weights are made of
    announcement    the new weights are public from here on
    effective       the day the calendar names: trading begins

Reconstitution (members) has its own, slower calendar: it happens at the first review on or after each of its dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from offchain.spec.rebalance_rules import RebalanceRules, is_period_start
from offchain.spec.universe_rules import UniverseRules


@dataclass(frozen=True, kw_only=True)
class Review:
    """The dates of one review, midnights UTC: reference ≤ announcement ≤ effective."""

    reference: datetime
    announcement: datetime
    effective: datetime


def review_of(rules: RebalanceRules, effective: datetime) -> Review:
    """The dates of the review that is effective then."""
    return Review(
        reference=effective - timedelta(days=rules.reference_days),
        announcement=effective - timedelta(days=rules.announcement_days),
        effective=effective,
    )


def reviews(rules: RebalanceRules, start: datetime, end: datetime) -> tuple[Review, ...]:
    """Every review that is effective from `start` to `end`, both included. A basket has none."""
    found = []
    effective = rules.next_review(start - timedelta(microseconds=1))
    while effective <= end and not rules.is_basket:
        found.append(review_of(rules, effective))
        effective = rules.next_review(effective)
    return tuple(found)


def is_reconstitution(universe: UniverseRules, rules: RebalanceRules, t: datetime) -> bool:
    """Whether members may change in a decision on the data of `t`: always with reconstitution = "review"; else only for the
    first review on or after the 1st of each month, quarter or half-year, whose reference date is the day of `t`.
    """
    if universe.reconstitution == "review":
        return True
    if rules.is_basket:
        return False
    effective = (t + timedelta(days=rules.reference_days)).astimezone(UTC)
    review = rules.last_review(effective)
    if review.date() != effective.date():
        return False
    begins = review
    while not is_period_start(universe.reconstitution, begins.date(), first_month=rules.first_month):
        begins -= timedelta(days=1)
    return rules.last_review(review - timedelta(days=1)) < begins
