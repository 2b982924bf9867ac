"""The level: a divisor that never jumps, events that move units and not the level, and a past that nobody changes silently.

level         Σ units · price / divisor · chained over reviews · agrees with the backtest
events        redenomination, migration, rename, fork, delisting at a price, the last one or zero
total return  what coins pay is on top
restatement   says what changed · marks it · refuses the rest
returns       daily, weekly, monthly, since inception · benchmarks
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.backtest import FREE, Rules, backtest
from offchain.errors import LevelsChanged, MarketDataError
from offchain.levels import (
    BASE,
    Composition,
    LevelSeries,
    coin_benchmark,
    compared,
    compute,
    equal_weight_benchmark,
    extended,
    period_returns,
    restate,
    since_inception,
    staking_income,
    trailing_returns,
    units_of,
)
from offchain.market import Market
from offchain.market.events import Event
from offchain.spec import IndexSpec

FIRST = date(2024, 1, 1)


def table(days: int = 40, **coins: float) -> pd.DataFrame:
    """Prices that wander a little, each coin in its own way."""
    index = pd.date_range(FIRST, periods=days, freq="D", tz="UTC", name="date")
    names = coins or {"aa": 10.0, "bb": 200.0, "cc": 0.5}
    columns = {
        name: start * (1.0 + 0.07 * np.sin(np.arange(days) * (0.3 + 0.11 * number)) + 0.002 * np.arange(days))
        for number, (name, start) in enumerate(names.items())
    }
    return pd.DataFrame(columns, index=index)


def day(number: int) -> date:
    return (pd.Timestamp(FIRST) + pd.Timedelta(days=number)).date()


def event(kind: str, number: int, *, new_id: str = "", ratio: tuple[int, int] = (1, 1), **more: float) -> Event:
    return Event(
        kind=kind,
        id="aa",
        new_id=new_id,
        date=day(number),
        known=datetime(2024, 1, 1, tzinfo=UTC),
        new_coins=ratio[0],
        old_coins=ratio[1],
        **more,  # type: ignore[arg-type]
    )


START = Composition(date=FIRST, units={"aa": 100.0, "bb": 3.0})


# --- level ------------------------------------------------------------------------------------------------------------


def test_level_is_the_value_of_the_units_over_a_constant_divisor() -> None:
    """P1: without a change of composition the level is proportional to the value of the units."""
    prices = table()
    series = compute(prices, [START])
    value = 100.0 * prices["aa"] + 3.0 * prices["bb"]
    np.testing.assert_allclose(series.price_return, BASE * value / value.iloc[0], rtol=1e-14)
    assert set(series.divisors.tolist()) == {value.iloc[0] / BASE}


def test_level_of_a_review_is_chained_by_hand() -> None:
    """P1: two compositions, by hand."""
    prices = table()
    series = compute(prices, [START, Composition(date=day(20), units={"bb": 1.0, "cc": 900.0})])
    one = 100.0 * prices["aa"] + 3.0 * prices["bb"]
    two = prices["bb"] + 900.0 * prices["cc"]
    expected = [
        BASE * one.iloc[row] / one.iloc[0]
        if row <= 20
        else BASE * one.iloc[20] / one.iloc[0] * two.iloc[row] / two.iloc[20]
        for row in range(40)
    ]
    np.testing.assert_allclose(series.price_return, expected, rtol=1e-14)
    assert [line.date for line in series.ledger] == [FIRST, day(20)]
    assert series.ledger[1].divisor == pytest.approx(two.iloc[20] / expected[20], rel=1e-14)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 38), st.dictionaries(st.sampled_from(["aa", "bb", "cc"]), st.floats(1e-6, 1e9), min_size=1)
        ),
        max_size=8,
        unique_by=lambda change: change[0],
    )
)
def test_divisor_keeps_the_level_through_every_change(changes: list[tuple[int, dict[str, float]]]) -> None:
    """P1: on the day of a change old and new units give the same level; the day's return is that of the old units."""
    prices = table()
    series = compute(prices, [START, *(Composition(date=day(number), units=units) for number, units in changes)])
    held: dict[str, float] = dict(START.units)
    divisor = series.ledger[0].divisor
    planned = dict(changes)
    for row in range(len(prices)):
        at = prices.iloc[row]
        assert series.price_return[row] == pytest.approx(sum(u * at[n] for n, u in held.items()) / divisor, rel=1e-12)
        if row in planned:
            held, divisor = planned[row], float(series.divisors[row])
            after = sum(u * at[n] for n, u in held.items()) / divisor
            assert after == pytest.approx(series.price_return[row], rel=1e-12)


def test_ledger_and_backtest_have_the_same_level(synthetic: Market, lc10: IndexSpec) -> None:
    """P1: the level of the administrator is the gross level of the backtest, to 1e-12."""
    rules = dataclasses.replace(Rules.of(lc10), dust_usd=0.0)
    run = backtest(lc10, synthetic, start="2024-04-01", end="2025-10-01", costs=FREE, rules=rules)
    prices = synthetic.believed_prices()
    compositions = [
        Composition(
            date=review.traded_at.date(),
            units=units_of(review.weights, prices.loc[pd.Timestamp(review.traded_at)].dropna().to_dict()),
        )
        for review in run.reviews
        if review.traded_at is not None
    ]
    series = compute(prices.loc[: run.index[-1]], compositions)
    np.testing.assert_allclose(series.price_return, run.gross, rtol=1e-12)


def test_missing_price_is_the_last_one_and_a_finding() -> None:
    prices = table()
    prices.loc[prices.index[5:7], "aa"] = np.nan
    series = compute(prices, [START])
    filled = compute(prices.ffill(), [START])
    assert series.price_return.tolist() == filled.price_return.tolist()
    assert series.findings == (
        "aa: no price on 2024-01-06; its last one counts",
        "aa: no price on 2024-01-07; its last one counts",
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: compute(table(), [Composition(date=FIRST, units={"dd": 1.0})]), "dd has no price on or before"),
        (lambda: compute(table(), [Composition(date=date(2023, 1, 1), units={"aa": 1.0})]), "first composition is of"),
        (lambda: compute(table(), []), "no composition"),
        (lambda: Composition(date=FIRST, units={"aa": 0.0}), "every unit must be above 0"),
        (lambda: compute(table(), [START], delisting="half"), 'delisting = "half"'),
        (lambda: compute(table(), [START], events=[event("migration", 5, new_id="zz")]), "zz has no price"),
        (lambda: compute(table(), [START]).at("2030-01-01"), "no level on 2030-01-01"),
    ],
)
def test_mistakes_get_one_clear_error(change: object, message: str) -> None:
    with pytest.raises(MarketDataError, match=message):
        change()  # type: ignore[operator]


# --- events -----------------------------------------------------------------------------------------------------------


def test_redenomination_moves_neither_level_nor_divisor() -> None:
    """A thousand old coins become one that costs a thousand times as much."""
    prices = table()
    plain = compute(prices, [START])
    prices.loc[prices.index[15:], "aa"] *= 1_000.0
    series = compute(prices, [START], events=[event("redenomination", 15, ratio=(1, 1_000))])
    np.testing.assert_allclose(series.price_return, plain.price_return, rtol=1e-13)
    assert len(set(series.divisors.tolist())) == 1
    assert series.ledger[-1].units["aa"] == 0.1
    assert series.ledger[-1].reason == "redenomination of aa on 2024-01-16, 1:1000"


@pytest.mark.parametrize(("kind", "ratio"), [("migration", (1, 100)), ("rename", (1, 1))])
def test_migration_and_rename_carry_the_value_to_the_new_coin(kind: str, ratio: tuple[int, int]) -> None:
    prices = table()
    plain = compute(prices, [START])
    prices["new"] = prices["aa"] * (ratio[1] / ratio[0])
    prices.loc[prices.index[15:], "aa"] = np.nan
    series = compute(prices, [START], events=[event(kind, 15, new_id="new", ratio=ratio)])
    np.testing.assert_allclose(series.price_return, plain.price_return, rtol=1e-13)
    assert set(series.ledger[-1].units) == {"bb", "new"}


def test_fork_adds_what_holders_get_and_keeps_the_divisor() -> None:
    prices = table()
    prices["new"] = np.nan
    prices.loc[prices.index[15:], "new"] = 7.0
    series = compute(prices, [START], events=[event("fork", 15, new_id="new", ratio=(1, 10))])
    value = 100.0 * prices["aa"] + 3.0 * prices["bb"]
    expected = BASE * (value + np.where(np.arange(40) >= 15, 10.0 * 7.0, 0.0)) / value.iloc[0]
    np.testing.assert_allclose(series.price_return, expected, rtol=1e-13)


@pytest.mark.parametrize(("choice", "price", "kept"), [("last", None, 1.0), ("zero", None, 0.0), ("last", 2.5, 0.25)])
def test_delisted_coin_leaves_at_its_terminal_price_and_the_others_go_on(
    choice: str, price: float | None, kept: float
) -> None:
    """V11: the loss is in the level on that day; the day after, the level moves with the others alone."""
    prices = table(aa=10.0, bb=200.0)
    prices["aa"] = 10.0
    prices.loc[prices.index[15:], "aa"] = np.nan
    more = {} if price is None else {"price": price}
    series = compute(prices, [START], events=[event("delisting", 15, **more)], delisting=choice)
    first = 100.0 * 10.0 + 3.0 * prices["bb"].iloc[0]
    on_the_day = BASE * (100.0 * 10.0 * kept + 3.0 * prices["bb"].iloc[15]) / first
    assert series.price_return[15] == pytest.approx(on_the_day, rel=1e-13)
    later = prices["bb"].iloc[16:] / prices["bb"].iloc[15]
    np.testing.assert_allclose(series.price_return[16:], on_the_day * later, rtol=1e-13)
    assert set(series.ledger[-1].units) == {"bb"}


# --- total return -----------------------------------------------------------------------------------------------------


def test_total_return_is_the_price_return_and_what_coins_pay() -> None:
    """P1: at constant prices 3.65 % a year on half of the index are 0.01 % a day of that half, reinvested."""
    index = pd.date_range(FIRST, periods=366, freq="D", tz="UTC")
    prices = pd.DataFrame({"aa": 10.0, "bb": 10.0}, index=index)
    series = compute(
        prices, [Composition(date=FIRST, units={"aa": 1.0, "bb": 1.0})], income=staking_income(prices, {"aa": 0.0365})
    )
    assert set(series.price_return.tolist()) == {BASE}
    assert series.total_return[-1] == pytest.approx(BASE * 1.00005**365, rel=1e-12)


def test_income_of_an_unknown_coin_is_refused() -> None:
    with pytest.raises(MarketDataError, match="income of zz, which have no price"):
        compute(table(), [START], income=pd.DataFrame({"zz": [1.0]}, index=[pd.Timestamp(FIRST, tz="UTC")]))


# --- restatement ------------------------------------------------------------------------------------------------------


def published_and_corrected() -> tuple[LevelSeries, LevelSeries]:
    """A free float that was wrong for a while, as happened to CF Benchmarks' FET in October 2024."""
    prices = table()
    wrong = Composition(date=day(10), units={"aa": 100.0, "cc": 4_000.0}, reason="review with a wrong free float")
    right = dataclasses.replace(wrong, units={"aa": 100.0, "cc": 2_500.0})
    return compute(prices.iloc[:30], [START, wrong], status="live"), compute(prices, [START, right])


def test_restatement_says_what_changed_and_marks_only_that() -> None:
    """T10: statuses, differences and both hashes; days before the mistake stay live."""
    published, corrected = published_and_corrected()
    result = restate(published, corrected, reason="free float of cc", at=datetime(2024, 2, 1, tzinfo=UTC))
    assert result.series.statuses == ("live",) * 11 + ("restated",) * 19 + ("simulated",) * 10
    assert [change.time.date() for change in result.changes] == [day(number) for number in range(11, 30)]
    row = 17
    assert result.changes[row - 11].old == round(float(published.price_return[row]), 8)
    assert result.changes[row - 11].new == round(float(corrected.price_return[row]), 8)
    text = str(result)
    assert "free float of cc" in text and published.levels_hash in text and "19 of 40 levels change" in text
    assert published.statuses == ("live",) * 30


def test_history_is_not_changed_without_a_restatement() -> None:
    """T10: appending is quiet, changing is not."""
    published, corrected = published_and_corrected()
    with pytest.raises(LevelsChanged, match="19 published levels would change, the first of 2024-01-12"):
        extended(published, corrected)
    wrong = compute(table(), [START, Composition(date=day(10), units={"aa": 100.0, "cc": 4_000.0})])
    longer = extended(published, wrong)
    assert longer.statuses == ("live",) * 30 + ("simulated",) * 10
    assert longer.price_return[:30].tolist() == published.price_return.tolist()


def test_restatement_needs_a_reason_and_all_published_days() -> None:
    published, corrected = published_and_corrected()
    now = datetime(2024, 2, 1, tzinfo=UTC)
    with pytest.raises(MarketDataError, match="needs a reason"):
        restate(published, corrected, reason=" ", at=now)
    with pytest.raises(MarketDataError, match="10 published days are missing"):
        restate(corrected, published, reason="x", at=now)
    assert str(restate(published, published, reason="nothing", at=now)).endswith("no published level changes")


def test_every_level_says_where_it_comes_from() -> None:
    """P6: time, divisor, hash of what is held, and whether it was simulated or live."""
    series = compute(table(), [START]).with_status("live", since=day(20))
    assert [series.at(day(number)).status for number in (19, 20)] == ["simulated", "live"]
    assert len({level.holdings_hash for level in series}) == 1
    assert series.levels_hash != compute(table(), [START]).levels_hash
    assert series.to_frame()["status"].tolist() == list(series.statuses)


# --- returns ----------------------------------------------------------------------------------------------------------


def test_returns_by_period_multiply_to_the_return_since_inception() -> None:
    """P2: daily, weekly, monthly and since inception."""
    prices = table(days=100)
    levels = pd.Series(compute(prices, [START]).price_return, index=prices.index)
    whole = levels.iloc[-1] / levels.iloc[0]
    for horizon, count in (("daily", 99), ("weekly", 15), ("monthly", 4)):
        returns = period_returns(levels, horizon)
        assert len(returns) == count
        assert (1.0 + returns).prod() == pytest.approx(whole, rel=1e-12)
    assert since_inception(levels) == pytest.approx(whole - 1.0)
    assert period_returns(levels, "monthly").index[0] == pd.Timestamp("2024-02-01", tz="UTC")
    assert period_returns(levels, "weekly").iloc[0] == pytest.approx(levels.iloc[7] / levels.iloc[0] - 1.0)
    assert trailing_returns(levels)["30 d"] == pytest.approx(levels.iloc[-1] / levels.iloc[-31] - 1.0)
    assert "365 d" not in trailing_returns(levels)
    with pytest.raises(MarketDataError, match='Did you mean "monthly"'):
        period_returns(levels, "month")


def test_benchmarks_stand_beside_the_index() -> None:
    """P3: a coin, equal weight, another index, on the days that all have."""
    prices = table(days=60)
    index = compute(prices.iloc[5:], [Composition(date=day(5), units=dict(START.units))])
    equal = equal_weight_benchmark(prices, {prices.index[0]: ["aa", "bb"], prices.index[30]: ["bb", "cc"]})
    side = compared(
        {
            "index": pd.Series(index.price_return, index=index.dates),
            "aa": coin_benchmark(prices, "aa"),
            "equal": pd.Series(equal.price_return, index=equal.dates),
        }
    )
    assert len(side) == 55 and (side.iloc[0] == BASE).all()
    grown = prices / prices.shift()
    half = BASE * (prices[["aa", "bb"]].iloc[:31] / prices[["aa", "bb"]].iloc[0]).mean(axis=1)
    np.testing.assert_allclose(equal.price_return[:31], half, rtol=1e-13)
    assert equal.price_return[31] / equal.price_return[30] == pytest.approx(grown[["bb", "cc"]].iloc[31].mean())
    with pytest.raises(MarketDataError, match="benchmark ab has no price"):
        coin_benchmark(prices, "ab")
