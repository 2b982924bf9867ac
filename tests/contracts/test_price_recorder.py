"""One oracle price per token and UTC day, by anyone, and what follows from them.

PriceRecorder.record, recordMany
├── record today's price once, in the first two hours of the day
├── refuse what is recorded already, what has no price, and what comes too late
├── recordMany passes over what it cannot record, and one bad feed stops nobody
└── nobody can change or erase a record; the ring forgets after 128 days

PriceRecorder.volatilityOf, averageOf
├── follow from the records alone, so they say the same later
├── count a move across a gap once, over all its days
├── refuse a window with too few records, or with none
└── given a choice of moments inside the window, an attacker moves them by what the price moves in two hours
"""

import math

import pytest

from tests.contracts.support import DAY, HOUR, at_next, now, price_d27, wait, why


@pytest.fixture
def recorder(world):
    return world.recorder


class History:
    """A token with a feed, and one recorded price after the other."""

    def __init__(self, world, who):
        self.world, self.who = world, who
        self.token = world.token(18, 100)
        self.feed = world.list(self.token, 100)
        self.prices = {}

    @property
    def today(self):
        return now() // DAY

    def midnight(self, after=0):
        """Goes to the next midnight UTC, and `after` seconds beyond."""
        wait((now() // DAY + 1) * DAY - now() + after)

    def set(self, usd):
        self.feed.setPrice(price_d27(usd, 18), {"from": self.who})

    def record(self, usd):
        """Today's price; the block of the record is still inside the window."""
        self.set(usd)
        self.world.recorder.record(self.token, {"from": self.who})
        self.prices[self.today] = price_d27(usd, 18)

    def days(self, usds):
        """One record at each coming midnight; None leaves a gap."""
        for usd in usds:
            self.midnight()
            if usd is not None:
                self.record(usd)


@pytest.fixture
def history(world, bob):
    return History(world, bob)


def volatility(prices):
    """The independent one: floats. `prices` {day: price}."""
    days = sorted(prices)
    total = sum(math.log(prices[b] / prices[a]) ** 2 for a, b in zip(days, days[1:], strict=False))
    return math.sqrt(total * 365 / (days[-1] - days[0]))


# --- record -----------------------------------------------------------------------------------------------------------


def test_record_keeps_todays_price_once(recorder, history, eve):
    history.midnight()
    history.set(123)
    done = recorder.record(history.token, {"from": eve})
    day, price = history.today, price_d27(123, 18)
    assert recorder.priceOn(history.token, day) == price
    assert dict(done.events["Record"]) == {
        "token": history.token.address, "day": day, "price": price, "recordedAt": now(),
    }  # fmt: skip
    history.set(999)
    assert why(recorder.record, history.token, sender=eve) == ("AlreadyRecorded", history.token.address, day)
    assert recorder.recordMany.call([history.token], {"from": eve}) == 0
    recorder.recordMany([history.token], {"from": eve})
    assert recorder.priceOn(history.token, day) == price
    assert recorder.priceOn(history.token, day - 1) == recorder.priceOn(history.token, day + 1) == 0


def test_record_only_in_the_first_two_hours_of_a_day(recorder, history, eve):
    history.midnight(2 * HOUR - 1)
    tomorrow = (history.today + 1) * DAY
    assert why(recorder.record, history.token, sender=eve) is None
    wait(1)
    for method, argument in ((recorder.record, history.token), (recorder.recordMany, [history.token])):
        assert why(method, argument, sender=eve) == ("RecordWindowClosed", tomorrow)
    at_next(tomorrow - 1)
    wait(tomorrow - 1 - now())
    assert why(recorder.record, history.token, sender=eve) == ("RecordWindowClosed", tomorrow)
    wait(1)
    assert why(recorder.record, history.token, sender=eve) is None


def test_record_says_why_there_is_no_price_and_record_many_goes_on(recorder, world, history, eve):
    history.midnight()
    other = world.token(6, 5)
    stranger = eve.address
    history.feed.setDead(True, {"from": eve})
    assert why(recorder.record, history.token, sender=eve) == ("FeedDead",)
    assert why(recorder.record, stranger, sender=eve) == ("PriceMissing", stranger)
    done = recorder.recordMany([history.token, stranger, other, other], {"from": eve})
    assert [entry["token"] for entry in done.events["Record"]] == [other.address]
    assert recorder.priceOn(other, history.today) == price_d27(5, 6)
    assert recorder.priceOn(history.token, history.today) == 0
    history.feed.setDead(False, {"from": eve})
    recorder.record(history.token, {"from": eve})
    assert recorder.priceOn(history.token, history.today) == price_d27(100, 18)


def test_the_ring_forgets_after_128_days_and_never_mixes_days_up(recorder, history):
    history.midnight()
    history.record(50)
    first = history.today
    wait(127 * DAY)
    assert recorder.priceOn(history.token, first) == price_d27(50, 18)
    wait(DAY)
    assert recorder.priceOn(history.token, first) == price_d27(50, 18)
    assert recorder.priceOn(history.token, first + 128) == 0
    history.record(60)
    assert recorder.priceOn(history.token, first) == 0
    assert recorder.priceOn(history.token, first + 128) == price_d27(60, 18)


# --- volatility and average -------------------------------------------------------------------------------------------


def test_volatility_and_average_follow_from_the_records(recorder, history):
    history.days([100, 104, 99, 101, 110, 95, 97, 97, 103])
    last = history.today
    found = recorder.volatilityOf(history.token, last, 8)
    assert int(found) == pytest.approx(volatility(history.prices) * 10**18, rel=1e-12)
    assert recorder.averageOf(history.token, last, 9) == sum(history.prices.values()) // 9
    recent = {day: price for day, price in history.prices.items() if day >= last - 4}
    assert int(recorder.volatilityOf(history.token, last, 4)) == pytest.approx(volatility(recent) * 10**18, rel=1e-12)
    assert recorder.averageOf(history.token, last, 4) == sum(p for d, p in recent.items() if d > last - 4) // 4
    history.days([500, 20])
    wait(30 * DAY)
    assert recorder.volatilityOf(history.token, last, 8) == found  # what came later does not matter


def test_a_gap_is_not_a_return_of_zero(recorder, history):
    """The move across missing days counts once, over all of them; days that stood still count as such."""
    history.days([100, 110, None, 121, 121, 110, 100, 110, 121])
    last = history.today
    found = recorder.volatilityOf(history.token, last, 8)
    assert int(found) == pytest.approx(volatility(history.prices) * 10**18, rel=1e-12)
    moves = [1.1, 1.1, 1, 110 / 121, 100 / 110, 1.1, 1.1]
    assert int(found) == pytest.approx(math.sqrt(sum(math.log(m) ** 2 for m in moves) * 365 / 8) * 10**18, rel=1e-12)
    assert recorder.averageOf(history.token, last, 9) == sum(history.prices.values()) // 8


def test_too_few_records_are_no_answer(recorder, history, world):
    """Three quarters of the days must be there: of eight returns six, of eight prices six."""
    history.days([100, 101, None, 103, None, 105, 106, 107, 108])
    last, token = history.today, history.token.address
    assert why(recorder.volatilityOf, token, last, 8, sender=history.who) is None
    assert why(recorder.averageOf, token, last, 8, sender=history.who) is None
    history.days([None])
    assert why(recorder.volatilityOf, token, last + 1, 8, sender=history.who) == ("RecordsMissing", token, 5, 6)
    assert why(recorder.averageOf, token, last + 1, 8, sender=history.who) == ("RecordsMissing", token, 5, 6)
    never = world.token()
    for method in (recorder.volatilityOf, recorder.averageOf):
        assert why(method, never, last, 8, sender=history.who) == ("RecordsMissing", never.address, 0, 6)
    most = 2**48 - 2
    for method, span, day, reason in (
        (recorder.volatilityOf, 1, last, ("ValueOutOfBounds", "span", 1, 2, 127)),
        (recorder.volatilityOf, 128, last, ("ValueOutOfBounds", "span", 128, 2, 127)),
        (recorder.averageOf, 0, last, ("ValueOutOfBounds", "span", 0, 1, 127)),
        (recorder.averageOf, 5, 4, ("ValueOutOfBounds", "lastDay", 4, 5, most)),
        (recorder.volatilityOf, 5, 2**256 - 1, ("ValueOutOfBounds", "lastDay", 2**256 - 1, 5, most)),
        (recorder.volatilityOf, 127, last, ("RecordsMissing", token, 6, 96)),
    ):
        assert why(method, token, day, span, sender=history.who) == reason


def test_an_attacker_who_picks_the_moment_gains_what_two_hours_move(recorder, world, history, eve):
    """D5-like: the price swings 1 % inside each window. Picking high and low in turn, the attacker adds his swing to each
    return and nothing else: √365 · 1 % of a year's volatility. Outside the window, where it swings 20 %, he picks nothing.
    """
    honest, cheated = 100, []
    for day in range(9):
        history.midnight(HOUR)
        high = day % 2 == 0
        cheated.append(honest * 1.005 if high else honest * 0.995)
        history.record(cheated[-1])
        wait(6 * HOUR)
        history.set(honest * (1.1 if high else 0.9))
        assert why(recorder.record, history.token, sender=eve)[0] == "RecordWindowClosed"
    found = recorder.volatilityOf(history.token, history.today, 8) / 10**18
    assert found == pytest.approx(math.log(1.005 / 0.995) * math.sqrt(365), rel=1e-9)
    assert found < 0.2


def test_a_quarter_of_records_is_cheap_to_keep_and_to_read(recorder, world, history):
    tokens = [history.token, *(world.token(18, 7 + n) for n in range(9))]
    history.midnight()
    recorder.recordMany(tokens, {"from": history.who})
    history.midnight()
    many = recorder.recordMany(tokens, {"from": history.who})
    print("gas per recorded price:", many.gas_used // 10)
    assert many.gas_used < 10 * 45_000
