"""Now or not, and worth it or not; every answer with its numbers.

due         first · red flag · calendar · cool-down · drift · signal · nothing
worth_it    membership · band · benefit against cost · unknown risk
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from universe_support import history

from offchain.rebalance import Trigger, drift, due, needs, off_band, tracking_error, worth_it
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.universe import RedFlag

MONDAY = datetime(2024, 6, 3, tzinfo=UTC)
EQUAL = {f"c{number}": 0.1 for number in range(10)}
ALL = ("drift", "signal", "emergency")


def rules(**keys: object) -> RebalanceRules:
    return RebalanceRules(**{"calendar": "quarterly", "triggers": ALL, "drift_band": 0.05, **keys})  # type: ignore[arg-type]


def at(t: datetime = MONDAY, *, last_days: float = 30, **more: object) -> Trigger:
    """Asked on a Monday between two quarterly reviews."""
    keys = {name: more.pop(name) for name in tuple(more) if name in RebalanceRules.__dataclass_fields__}
    keys.setdefault("first_month", 1)
    return due(rules(**keys), t, last=t - timedelta(days=last_days), **more)  # type: ignore[arg-type]


# --- now? -------------------------------------------------------------------------------------------------------------


def test_drift_from_twenty_percent_to_sixty_is_a_trigger_with_its_number() -> None:
    """R2, R3: a coin meant to weigh 20 % weighs 60 %; the other four have 10 % each instead of 20 %."""
    target = dict.fromkeys("abcde", 0.2)
    current = {"a": 0.6, **dict.fromkeys("bcde", 0.1)}
    assert drift(current, target) == 0.4
    found = at(current=current, target=target, coin_band=0.05)
    assert found and found.code == "drift"
    assert found.reason.startswith("outside of its band: a 60.00%, target 20.00%; b 10.00%, target 20.00%")
    assert found.coins == tuple("abcde")


def test_twelve_percent_in_an_equal_weight_ten_is_beyond_a_tight_band_and_inside_a_wide_one() -> None:
    """R3: 12 % → 10 %; absolute gap 2 points, relative gap a fifth."""
    current = {**dict.fromkeys(EQUAL, 0.88 / 9), "c0": 0.12}
    assert off_band(current, EQUAL, rules(coin_band=0.02)) == {"c0": 0.02}
    assert off_band(current, EQUAL, rules(coin_band=0.021)) == {}
    assert set(off_band(current, EQUAL, rules(coin_band_relative=0.2))) == {"c0"}
    assert at(current=current, target=EQUAL, coin_band=0.02).code == "drift"
    assert at(current=current, target=EQUAL).code == "none"  # a drift of 2 % against a band of 5 %
    assert drift(current, EQUAL) == pytest.approx(0.02, abs=1e-15)


def test_an_index_that_was_never_bought_is_due() -> None:
    assert due(rules(), MONDAY, last=None).code == "first"


def test_a_review_is_due_once() -> None:
    """R1, R8: the calendar by itself, without any trigger named."""
    plain = RebalanceRules(calendar="weekly")
    assert due(plain, MONDAY, last=MONDAY - timedelta(days=7)).code == "calendar"
    assert due(plain, MONDAY + timedelta(hours=3), last=MONDAY + timedelta(hours=1)).code == "none"
    assert due(plain, MONDAY, last=MONDAY).code == "none"  # traded at the very moment of the review
    assert not due(RebalanceRules(calendar="never"), MONDAY, last=MONDAY - timedelta(days=900))


def test_a_trigger_that_the_file_does_not_name_is_not_asked() -> None:
    flags = (RedFlag(id="c0", code="dead", reason="no price"),)
    current = {**dict.fromkeys(EQUAL, 0.05), "c0": 0.55}
    asked = at(
        triggers=(),
        current=current,
        target=EQUAL,
        flags=flags,
        labels={"c0": "bearish"},
        labels_before={"c0": "bullish"},
    )
    assert asked.code == "none"


def test_after_trading_drift_rests_but_a_red_flag_and_the_calendar_do_not() -> None:
    """R2, V9: the cool-down says what it held back."""
    current = {**dict.fromkeys(EQUAL, 0.05), "c0": 0.55}
    rests = at(last_days=2, cooldown_days=7, current=current, target=EQUAL)
    assert not rests and rests.code == "cooldown"
    assert rests.reason.endswith("but it traded at 2024-06-01T00:00:00Z and rests until 2024-06-08T00:00:00Z")
    assert at(last_days=7, cooldown_days=7, current=current, target=EQUAL).code == "drift"
    flags = (
        RedFlag(id="c1", code="incident", reason="exploit of its bridge"),
        RedFlag(id="other", code="dead", reason="gone"),
    )
    flagged = at(last_days=0.5, cooldown_days=7, current=current, target=EQUAL, flags=flags)
    assert (flagged.code, flagged.coins) == ("emergency", ("c1",))
    assert flagged.reason == "red flag: c1: exploit of its bridge"
    review = datetime(2024, 7, 1, tzinfo=UTC)
    assert at(review, last_days=1, cooldown_days=7, current=current, target=EQUAL).code == "calendar"


def test_a_signal_that_turns_is_a_trigger_when_enough_of_the_index_changed() -> None:
    """S9, M4: LDO turns bearish, GMX bullish."""
    before = {"lido-dao": "bullish", "gmx": "neutral", "aave": "neutral"}
    now = {"lido-dao": "bearish", "gmx": "bullish", "aave": "neutral"}
    target = {"lido-dao": 0.3, "aave": 0.7}
    found = at(labels=now, labels_before=before, current=target, target=target, signal_change=0.25)
    assert (found.code, found.coins) == ("signal", ("gmx", "lido-dao"))
    assert found.reason == "signals changed for 30.00% of the index: gmx neutral → bullish, lido-dao bullish → bearish"
    small = {"lido-dao": "neutral", "gmx": "neutral", "aave": "neutral"}
    assert at(labels=small, labels_before=before, current=target, target=target, signal_change=0.31).code == "none"
    assert at(labels=before, labels_before=before, current=target, target=target).code == "none"


def test_a_drift_of_exactly_the_band_is_enough_now_and_at_a_review() -> None:
    """R2: at the band is beyond it, as the keeper has it; a hair less is not."""
    target = {"a": 0.5, "b": 0.5}
    at_band, below = {"a": 0.55, "b": 0.45}, {"a": 0.5499, "b": 0.4501}
    assert at(current=at_band, target=target).code == "drift"
    assert at(current=below, target=target).code == "none"
    assert worth_it(at_band, target, rules=rules(), cost=0.0).code == "drift"
    assert worth_it(below, target, rules=rules(), cost=0.0).code == "band"


# --- worth it? ----------------------------------------------------------------------------------------------------------


def prices(days: int = 91) -> dict[str, list[float]]:
    """a alternates +10 % and back, b stands still: returns +0.1 and −0.0909…"""
    return {"a": [1.0 + 0.1 * (number % 2) for number in range(days)], "b": [1.0] * days}


def test_tracking_error_is_that_of_the_gap() -> None:
    """R4: by hand: returns of a are 0.1 and −1/11 in turn, 45 of each in 90 days; half of NAV is in the wrong coin."""
    known = history({"price": prices()})
    by_hand = math.sqrt((0.5**2 * (0.1**2 + (1 / 11) ** 2) / 2) * 365)
    assert tracking_error({"a": 1.0}, {"a": 0.5, "b": 0.5}, known, days=90) == pytest.approx(by_hand, rel=1e-11)
    assert tracking_error({"a": 0.5, "b": 0.5}, {"a": 0.5, "b": 0.5}, known, days=90) == 0
    assert tracking_error({"a": 1.0}, {"c": 1.0}, known, days=90) is None


def test_tracking_error_agrees_with_an_independent_covariance() -> None:
    generator = np.random.default_rng(7)
    walks = np.exp(np.cumsum(generator.normal(0, 0.04, (200, 5)), axis=0))
    ids = list("abcde")
    known = history({"price": {name: walks[:, column].tolist() for column, name in enumerate(ids)}})
    current, target = dict(zip(ids, [0.3, 0.2, 0.2, 0.2, 0.1], strict=True)), dict.fromkeys(ids, 0.2)
    returns = (walks[1:] / walks[:-1] - 1.0)[-60:]
    gap = np.array([current[name] - target[name] for name in ids])
    expected = np.sqrt(gap @ (returns.T @ returns / 60) @ gap * 365)
    assert tracking_error(current, target, known, days=60) == pytest.approx(expected, rel=1e-10)


def test_a_drift_inside_its_band_is_not_traded_and_says_so() -> None:
    """R4, A5: the no-trade decision carries its numbers."""
    found = worth_it({"a": 0.51, "b": 0.49}, {"a": 0.5, "b": 0.5}, rules=rules(), cost=0.001)
    assert (found.trade, found.code) == (False, "band")
    assert found.reason == "drift 1.00% is below the band of 5.00%"
    assert found.numbers == {"drift": 0.01, "drift_band": 0.05, "cost": 0.001}


def test_trading_has_to_promise_more_than_a_multiple_of_its_cost() -> None:
    """R4, A5: benefit = 10 / 2 × TE² × 30 / 365, by hand; the same drift is traded when it is cheap and not when it is dear."""
    known = history({"price": prices()})
    current, target = {"a": 0.6, "b": 0.4}, {"a": 0.5, "b": 0.5}
    error = math.sqrt((0.1**2 * (0.1**2 + (1 / 11) ** 2) / 2) * 365)
    benefit = 10 / 2 * error**2 * 30 / 365
    keys = rules(cost_multiple=2.0, calendar="monthly")
    cheap = worth_it(current, target, rules=keys, cost=benefit / 2 * 0.99, history=known, horizon_days=30)
    dear = worth_it(current, target, rules=keys, cost=benefit / 2 * 1.01, history=known, horizon_days=30)
    assert (cheap.trade, cheap.code) == (True, "benefit")
    assert (dear.trade, dear.code) == (False, "cost")
    assert dear.numbers["benefit"] == pytest.approx(benefit, rel=1e-10)
    assert dear.numbers["needed"] == pytest.approx(benefit * 1.01, rel=1e-10)
    assert "trading costs" in dear.reason and "× 2" in dear.reason
    exact = worth_it(current, target, rules=keys, cost=dear.numbers["benefit"] / 2, history=known, horizon_days=30)
    assert (exact.trade, exact.numbers["benefit"]) == (False, exact.numbers["needed"])
    by_default = worth_it(current, target, rules=keys, cost=0.0, history=known)
    assert by_default.numbers["horizon_days"] == pytest.approx(365 / 12)


def test_a_coin_that_enters_or_leaves_is_traded_whatever_it_costs() -> None:
    """R6: bands are for weights, not for membership."""
    found = worth_it({"a": 0.99, "b": 0.01}, {"a": 0.99, "c": 0.01}, rules=rules(cost_multiple=5.0), cost=0.5)
    assert (found.trade, found.code, found.reason) == (True, "membership", "c enter; b leave")


def test_without_history_the_band_alone_decides_and_the_reason_says_so() -> None:
    current, target = {"a": 0.6, "b": 0.4}, {"a": 0.5, "b": 0.5}
    short = history({"price": prices(days=15)})
    for known in (None, short):
        found = worth_it(current, target, rules=rules(cost_multiple=2.0), cost=0.9, history=known)
        assert found.trade and "its risk is unknown for want of history" in found.reason
    assert needs(rules(cost_multiple=2.0, risk_days=60)).days == 61
    assert not needs(rules())


def test_a_cost_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="give 0.001 for ten basis points"):
        worth_it({"a": 1.0}, {"a": 1.0}, rules=rules(), cost=-0.1)
