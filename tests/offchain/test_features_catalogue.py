"""The catalogue of data points as a whole: what holds for every one of them.

declared      at least 80 · each says what it is · the first number comes after the declared warm-up
past only     a prefix gives the prefix · the last `lookback` days give the same bits · a poisoned future changes nothing
order         other coins in front or behind, and another order, change nothing
gaps          one unknown day is unknown for the declared window and for no day more
unknown       fields nobody filled, short histories and strange names are answered in words
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.errors import UnknownFeature
from offchain.features import FEATURES, GROUPS, catalogue_hash, catalogue_table, compute, compute_panel, needs
from offchain.features.windows import significant
from offchain.market.fields import PANELS, SERIES
from offchain.market.history import Floats, History, Needs

IDS = ("aave", "bitcoin", "cardano", "dogecoin", "ethereum", "solana", "uniswap")
TAGS = {
    "aave": ("defi", "lending"),
    "uniswap": ("defi", "dex"),
    "solana": ("layer1", "defi"),
    "ethereum": ("layer1",),
    "cardano": ("layer1",),
    "dogecoin": ("meme",),
}
DAYS = 60
NAMES = sorted(FEATURES)
LONGEST = max(feature.lookback for feature in FEATURES.values())


def walk(dice: np.random.Generator, days: int, start: Floats, step: float) -> Floats:
    """days × coins above 0, each day a little above or below the day before."""
    return start * np.cumprod(1.0 + step * dice.uniform(-1.0, 1.0, (days, len(start))), axis=0)


@lru_cache(maxsize=1)
def clean() -> History:
    """Every field and series there is, without a hole."""
    days, coins = LONGEST + DAYS, len(IDS)
    dice = np.random.Generator(np.random.PCG64(7))
    panels = {name: walk(dice, days, dice.uniform(1.0, 9.0, coins), 0.05) for name in PANELS}
    price = walk(dice, days, np.array([80.0, 4e4, 0.5, 0.1, 2e3, 100.0, 6.0]), 0.06)
    panels["price"] = panels["observed_price"] = price
    panels["open"] = price * dice.uniform(0.97, 1.03, price.shape)
    panels["high"] = np.maximum(price, panels["open"]) * dice.uniform(1.0, 1.05, price.shape)
    panels["low"] = np.minimum(price, panels["open"]) * dice.uniform(0.95, 1.0, price.shape)
    panels["supply"] = walk(dice, days, np.array([1.5e7, 1.9e7, 3e10, 1e11, 1.2e8, 4e8, 1e9]), 0.001)
    panels["market_cap"] = price * panels["supply"]
    panels["sentiment"] = dice.uniform(-1.0, 1.0, price.shape)
    panels["unlocks"] = dice.uniform(0.0, 0.1, price.shape)
    series = {name: walk(dice, days, np.array([5.0]), 0.03)[:, 0] for name in SERIES}
    return built(panels, series)


def built(panels: dict[str, Floats], series: dict[str, Floats], ids: tuple[str, ...] = IDS) -> History:
    days = len(next(iter(panels.values())))
    dates = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(days))
    t = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days)
    return History(t=t, dates=dates, ids=ids, panels=panels, series=series)


def cut(history: History, stop: int, *, start: int = 0) -> History:
    """Days start … stop − 1, copied."""
    return built(
        {name: values[start:stop].copy() for name, values in history.panels.items()},
        {name: values[start:stop].copy() for name, values in history.series.items()},
        history.ids,
    )


@lru_cache(maxsize=len(NAMES))
def whole(name: str) -> Floats:
    return compute_panel(clean(), name, tags=TAGS)


def same(left: Floats, right: Floats) -> bool:
    """The same bits, NaN equal to NaN."""
    return left.shape == right.shape and bool(np.all((left == right) | (np.isnan(left) & np.isnan(right))))


def test_the_catalogue_has_at_least_eighty_data_points_in_every_group() -> None:
    """D8: at least 80 data points per coin, counted; M9: of several kinds of data, not just prices."""
    assert len(FEATURES) >= 80
    assert {feature.group for feature in FEATURES.values()} <= set(GROUPS)
    for row in catalogue_table():
        assert all(row[name] for name in ("name", "group", "unit", "fields", "gap", "doc", "source")), row
        assert row["doc"].endswith("."), row


@pytest.mark.parametrize("name", NAMES)
def test_the_first_number_comes_after_the_declared_warm_up(name: str) -> None:
    """D8: look-back and warm-up are what is declared, on data without a hole."""
    first = np.flatnonzero(~np.isnan(whole(name)).all(axis=1))[0]
    assert first == FEATURES[name].warmup


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_is_what_is_declared(name: str) -> None:
    """The last `lookback` days are enough, and the first of them is needed by at least one of the fields."""
    feature, history = FEATURES[name], clean()
    last = compute(cut(history, len(history), start=len(history) - feature.lookback), [name], tags=TAGS)
    assert same(last.values[:, 0], whole(name)[-1])
    short = compute(cut(history, len(history), start=len(history) - feature.lookback + 1), [name], tags=TAGS)
    assert np.isnan(short.values).all()
    assert short.missing[name] == f"needs {feature.lookback} days, the history has {feature.lookback - 1}"


@settings(max_examples=25)
@given(st.integers(min_value=1, max_value=LONGEST + DAYS))
def test_a_prefix_gives_the_prefix_bit_for_bit(stop: int) -> None:
    """D13: nothing in the catalogue looks ahead: f(x[:k]) = f(x)[:k] for all of it at a random cut."""
    frame = compute(cut(clean(), stop), NAMES, tags=TAGS)
    for position, name in enumerate(frame.names):
        assert same(frame.values[:, position], whole(name)[stop - 1]), name


def test_an_unknown_name_suggests_a_known_one() -> None:
    with pytest.raises(UnknownFeature, match='"momentum_90" is none of the .* Did you mean "momentum_90d"'):
        compute(clean(), ["momentum_90"])


def test_a_field_that_nobody_filled_is_nan_with_a_reason() -> None:
    history = built({"price": clean().panel("price")}, {})
    frame = compute(history, ["momentum_30d", "parkinson_30d"])
    assert frame.missing == {"parkinson_30d": "no source filled high, low"}
    assert np.isnan(frame.column("parkinson_30d")).all()
    assert not np.isnan(frame.column("momentum_30d")).any()


def test_needs_is_what_all_of_them_need_together() -> None:
    assert needs([]) == Needs()
    assert needs(["momentum_30d", "parkinson_30d"]) == Needs(days=31, fields=("high", "low", "price"))


def test_the_hash_names_the_declarations_it_covers() -> None:
    assert catalogue_hash(["momentum_30d", "rsi_14"]) == catalogue_hash(["rsi_14", "momentum_30d"])
    assert catalogue_hash(["momentum_30d"]) != catalogue_hash(["momentum_90d"])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_significant_is_twelve_digits_as_text_has_them(value: float) -> None:
    assert significant(np.array([value]))[0] == float(f"{value:.12g}")


@given(st.integers(min_value=10**11, max_value=10**12 - 1), st.integers(min_value=-30, max_value=30))
def test_significant_rounds_the_middle_of_two_neighbours_as_text_does(digits: int, power: int) -> None:
    value = float(f"{digits}.5e{power}")
    assert significant(np.array([value, -value])).tolist() == [float(f"{value:.12g}"), float(f"{-value:.12g}")]
