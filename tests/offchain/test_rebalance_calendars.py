"""Dates: the day the calendar names, the days before it, and the slower calendar of the members."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.errors import SpecError
from offchain.keeper.outcomes import Skip, Stop
from offchain.keeper.planning import require_review
from offchain.keeper.reading import Situation
from offchain.rebalance import is_reconstitution, review_of, reviews
from offchain.spec import find_spec, parse_spec
from offchain.spec.rebalance_rules import CALENDARS, RebalanceRules
from offchain.spec.universe_rules import UniverseRules

LEAST = '[index]\nname = "Test"\nsymbol = "TST"\n[universe]\ntop = 10\n[rebalance]\n'


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def effective(rules: RebalanceRules, start: str, end: str) -> list[str]:
    return [f"{one.effective:%Y-%m-%d}" for one in reviews(rules, day(start), day(end))]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (RebalanceRules(calendar="weekly", weekday="friday"), ["2024-03-01", "2024-03-08"]),
        (RebalanceRules(calendar="monthly"), ["2024-03-01"]),
        (RebalanceRules(calendar="quarterly"), ["2024-03-01"]),
        (RebalanceRules(calendar="quarterly", first_month=1), []),
        (RebalanceRules(calendar="never"), []),
    ],
)
def test_reviews_of_the_first_days_of_march_2024(rules: RebalanceRules, expected: list[str]) -> None:
    """R1: each calendar."""
    assert effective(rules, "2024-03-01", "2024-03-10") == expected


def test_quarters_and_half_years_are_those_of_the_index_providers() -> None:
    """R1: March, June, September, December by default, as CF Benchmarks and Nasdaq have them."""
    year = ("2023-01-01", "2023-12-31")
    quarters = ["2023-03-01", "2023-06-01", "2023-09-01", "2023-12-01"]
    assert effective(RebalanceRules(calendar="quarterly"), *year) == quarters
    assert effective(RebalanceRules(calendar="semiannual"), *year) == quarters[::2]
    assert effective(RebalanceRules(calendar="quarterly", first_month=10), *year) == [
        "2023-01-01", "2023-04-01", "2023-07-01", "2023-10-01",
    ]  # fmt: skip
    assert len(effective(RebalanceRules(calendar="daily"), *year)) == 365


@pytest.mark.parametrize("calendar", [name for name in CALENDARS if name != "never"])
@given(moment=st.datetimes(datetime(2018, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_the_last_review_and_the_next_one_hug_every_moment(calendar: str, moment: datetime) -> None:
    rules = RebalanceRules(calendar=calendar)
    last, following = rules.last_review(moment), rules.next_review(moment)
    assert last <= moment < following
    assert rules.is_review_day(last.date()) and rules.is_review_day(following.date())
    assert [one.effective for one in reviews(rules, last, following)] == [last, following]
    assert 365 / rules.reviews_per_year == pytest.approx((following - last).days, abs=3.5)


def test_the_dates_of_a_review_are_in_order() -> None:
    """T10: data of ten days before, public seven days before, effective on the day."""
    rules = RebalanceRules(calendar="quarterly", reference_days=10, announcement_days=7)
    review = review_of(rules, day("2024-06-01"))
    assert (review.reference, review.announcement) == (day("2024-05-22"), day("2024-05-25"))
    assert reviews(rules, day("2024-05-30"), day("2024-06-30")) == (review,)


def test_a_basket_is_bought_once_and_an_index_is_reviewed() -> None:
    """U15: the two have different names and different behaviour."""
    basket = parse_spec(LEAST + 'calendar = "never"\n').rebalance
    assert basket.is_basket and not RebalanceRules().is_basket
    assert basket.last_review(day("2024-06-03")) < day("1971-01-01")
    assert basket.next_review(day("2024-06-03")) > day("9999-01-01")
    assert basket.reviews_per_year == 0
    situation = cast(Situation, SimpleNamespace(time=int(day("2024-06-03").timestamp())))
    spec = dataclasses.replace(find_spec("LC10"), rebalance=basket)
    with pytest.raises(Stop) as stopped:
        require_review(situation, spec)
    assert stopped.value.outcome == Skip(
        reason='a basket is bought once and not reviewed (rebalance.calendar = "never")'
    )


@pytest.mark.parametrize(
    ("reconstitution", "expected"),
    [
        ("review", 9),
        ("monthly", 3),
        ("quarterly", 1),
        ("semiannual", 0),
    ],
)
def test_members_change_at_the_first_weekly_review_of_each_period(reconstitution: str, expected: int) -> None:
    """R6: between 2024-05-27 and 2024-07-22 there are nine Mondays; 3 June is the first on or after 1 June."""
    universe, rules = UniverseRules(top=5, reconstitution=reconstitution), RebalanceRules(calendar="weekly")
    mondays = [one.effective for one in reviews(rules, day("2024-05-27"), day("2024-07-22"))]
    changes = [monday for monday in mondays if is_reconstitution(universe, rules, monday)]
    assert len(mondays) == 9
    if reconstitution == "monthly":
        assert [f"{one:%m-%d}" for one in changes] == ["06-03", "07-01"]
    else:
        assert len(changes) == expected


def test_a_reconstitution_lasts_that_day_and_not_until_the_next_review() -> None:
    universe, rules = UniverseRules(top=5, reconstitution="monthly"), RebalanceRules(calendar="weekly")
    assert is_reconstitution(universe, rules, day("2024-06-03") + timedelta(hours=20))
    assert not is_reconstitution(universe, rules, day("2024-06-04"))
    assert not is_reconstitution(universe, dataclasses.replace(rules, calendar="never"), day("2024-06-03"))
    assert is_reconstitution(dataclasses.replace(universe, reconstitution="review"), rules, day("2024-06-05"))


def test_a_reconstitution_is_decided_on_the_data_of_its_reference_date() -> None:
    """T10: effective on 1 June, on data of 22 May; neither the effective day's data nor another day's changes members."""
    universe = UniverseRules(top=5, reconstitution="monthly")
    rules = RebalanceRules(calendar="monthly", reference_days=10, announcement_days=7)
    assert is_reconstitution(universe, rules, day("2024-05-22"))
    assert not is_reconstitution(universe, rules, day("2024-06-01"))
    assert review_of(rules, day("2024-06-01")).reference == day("2024-05-22")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("announcement_days = 3", "what is not known yet cannot be announced"),
        ("reference_days = 7", "a weekly calendar allows at most 6"),
        ('calendar = "never"\ntriggers = ["drift"]', 'calendar = "never" makes a basket, which drift cannot move'),
        ('calendar = "monthy"', 'Did you mean "monthly"?'),
        ('triggers = ["drifts"]', 'Did you mean "drift"?'),
        ('trade_to = "band"\ndrift_band = 0', 'rebalance.trade_to = "band" needs coin_band'),
    ],
)
def test_a_mistake_in_the_file_is_named(keys: str, message: str) -> None:
    with pytest.raises(SpecError) as refusal:
        parse_spec(LEAST + keys + "\n")
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("symbol", "digits"), [("LC10", "0x37e437ac"), ("EQ5", "0xebed164a"), ("SQRT20", "0x7abe55ee")]
)
def test_index_files_keep_their_hashes(symbol: str, digits: str) -> None:
    assert find_spec(symbol).spec_hash.startswith(digits)
