"""The report's arithmetic against independent lines of arithmetic, on small numbers.

paper index
├── buys its weights at each rebalance, at that day's price, and pays nothing
└── given no weights on day 0 → refused
tracking difference
├── its parts add up to ln(index / paper)
└── fee alone → all of it is fee; a trade that cost 1 % → all of it is trading
"""

from __future__ import annotations

import math

import pytest

from offchain.drawing import apart
from offchain.pages import render
from offchain.report.performance import (
    YEAR,
    after_fee,
    deviation,
    largest_fall,
    paper_levels,
    parts,
    rebased,
    tracking,
)
from offchain.report.picture import spells

DAY = 86_400
GROWTH = 9_545_000_000_000_000  # D18, about 0.95 % a year


def test_paper_index_without_rebalances_is_a_held_basket() -> None:
    levels = paper_levels({"a": [10, 20, 5], "b": [1, 1, 2]}, [(0, {"a": 0.5, "b": 0.5})])
    assert levels == pytest.approx([100, 50 * 2 + 50, 50 * 0.5 + 50 * 2])


def test_paper_index_rebalances_at_the_days_price_and_loses_nothing() -> None:
    prices = {"a": [1.0, 2.0, 2.0], "b": [1.0, 1.0, 3.0]}
    levels = paper_levels(prices, [(0, {"a": 0.5, "b": 0.5}), (1, {"b": 1.0})])
    # 50 of each are worth 150 on day 1; all of it buys 150 b, worth 450
    assert levels == pytest.approx([100, 150, 450])


def test_paper_index_takes_a_zero_weight_as_sold() -> None:
    levels = paper_levels({"a": [1.0, 0.5], "b": [1.0, 2.0]}, [(0, {"a": 0.0, "b": 1.0})])
    assert levels == pytest.approx([100, 200])


def test_paper_index_given_no_first_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="day 0"):
        paper_levels({"a": [1.0]}, [(1, {"a": 1.0})])


def test_after_fee_dilutes_like_the_supply_word() -> None:
    rate = -math.log(1 - 0.0095)
    levels = after_fee([100.0, 100.0], [0, YEAR], int(rate * 1e18))
    assert levels == pytest.approx([100.0, 99.05])


def test_parts_given_only_a_fee_are_all_fee() -> None:
    times = [0, DAY, 2 * DAY]
    paper = [100.0, 120.0, 90.0]
    split = parts(after_fee(paper, times, GROWTH), paper, times, growth=GROWTH, losses=[])
    assert split.total == pytest.approx(split.fee)
    assert split.rest == pytest.approx([0, 0, 0], abs=1e-9)


def test_parts_given_a_trade_that_cost_one_percent_show_it_from_the_next_day() -> None:
    times = [0, DAY, 2 * DAY]
    split = parts([100.0, 100.0, 99.0], [100.0] * 3, times, growth=0, losses=[(1, 0.01)])
    assert split.trading == pytest.approx([0, 0, math.log(0.99) * 10_000])
    assert split.rest == pytest.approx([0, 0, 0], abs=1e-9)


def test_parts_add_up_whatever_happens() -> None:
    times = [k * DAY for k in range(5)]
    index, paper = [100, 97, 130, 80, 81.5], [100, 98, 131, 82, 84]
    split = parts(index, paper, times, growth=GROWTH, losses=[(0, 0.002), (3, 0.001)])
    for day in range(5):
        whole = split.fee[day] + split.trading[day] + split.rest[day]
        assert whole == pytest.approx(split.total[day])
        assert split.total[day] == pytest.approx(10_000 * math.log(index[day] / paper[day]))


def test_tracking_over_half_a_year_is_annualised_by_compounding() -> None:
    times = [0, YEAR // 2]
    split = parts([100.0, 99.0], [100.0, 110.0], times, growth=0, losses=[])
    result = tracking([100.0, 99.0], [100.0, 110.0], times, split)
    assert result.difference == pytest.approx(-0.01 - 0.10)
    assert result.relative == pytest.approx(0.9 - 1)
    assert result.yearly == pytest.approx(0.9 * 0.9 - 1)


def test_small_helpers() -> None:
    assert rebased([4.0, 6.0]) == (100.0, 150.0)
    assert largest_fall([100, 120, 60, 200, 150]) == pytest.approx(0.5)
    assert deviation([1.0, 2.0, 3.0, 4.0]) == pytest.approx(math.sqrt(5 / 3))
    assert spells([0.1, 0.1, 0, 0, 0.2]) == [(0, 2), (4, 5)]


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    placed = apart([0.50, 0.51, 0.52, 0.9], 0.1)
    assert all(b - a > 0.0999 for a, b in zip(placed, placed[1:], strict=False))
    assert placed[3] == pytest.approx(0.9)
    assert sum(placed[:3]) / 3 == pytest.approx(0.51, abs=0.01)


def test_table_aligns_words_left_and_numbers_right() -> None:
    text = render((("coin", "<why", "gas"), [("a", "ab", "1"), ("bcd", "c", "123")]), indent="")
    assert text.splitlines() == ["coin  why  gas", "a     ab     1", "bcd   c    123"]
