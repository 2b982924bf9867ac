"""Attribution against textbook tables; whatever happens, the parts add up to the whole.

by component
├── money gained, by coin, over the level at the start; cost is the rest
└── held without a price → refused
by decision
└── benchmark → selection → weighting → timing → trading → fees telescope to the total return
against a benchmark
├── Brinson, Hood and Beebower on the three-country table of Bacon (2008)
└── linked over periods (Carino 1999) they sum to the active return exactly
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.analytics.attribution import (
    DECISIONS,
    Effects,
    brinson,
    by_component,
    by_decision,
    equal_parts,
    link,
    paper_levels,
)
from offchain.errors import UnusableLevels

moves = st.floats(min_value=-0.5, max_value=1.0, allow_nan=False)


def test_component_parts_are_the_money_each_coin_made() -> None:
    """P7: 2 a at 10 → 15 → 12, 5 b at 16 → 16 → 20, and one dollar lost to cost."""
    prices = np.array([[10.0, 16.0], [15.0, 16.0], [12.0, 20.0]])
    units = np.array([[2.0, 5.0], [2.0, 5.0]])
    found = by_component(["b-coin", "a-coin"], units=units[:, ::-1], prices=prices[:, ::-1], levels=[100, 110, 123])
    assert found.parts == pytest.approx({"a-coin": 0.04, "b-coin": 0.20})
    assert list(found.parts) == ["a-coin", "b-coin"]
    assert found.rest == pytest.approx(-0.01)
    assert found.total == pytest.approx(0.23)


@given(st.lists(st.tuples(moves, moves, st.floats(min_value=0, max_value=1)), min_size=1, max_size=20))
def test_component_parts_and_rest_sum_to_the_total(days: list[tuple[float, float, float]]) -> None:
    prices, units, levels = [[1.0, 1.0]], [], [1.0]
    for first, second, part in days:
        prices.append([prices[-1][0] * (1 + first), prices[-1][1] * (1 + second)])
        held = [levels[-1] * part / prices[-2][0], levels[-1] * (1 - part) / prices[-2][1]]
        units.append(held)
        levels.append(held[0] * prices[-1][0] + held[1] * prices[-1][1])
    found = by_component(["a", "b"], units=np.array(units), prices=np.array(prices), levels=levels)
    assert math.fsum([*found.parts.values(), found.rest]) == pytest.approx(found.total, abs=1e-12)
    assert found.rest == pytest.approx(0, abs=1e-9 * max(levels))


def test_component_without_a_price_while_held_is_refused_and_otherwise_does_not_matter() -> None:
    prices = np.array([[1.0, np.nan], [2.0, np.nan]])
    alone = by_component(["a", "gone"], units=np.array([[1.0, 0.0]]), prices=prices, levels=[1, 2])
    assert alone.parts == {"a": 1.0}
    with pytest.raises(UnusableLevels, match="gone was held"):
        by_component(["a", "gone"], units=np.array([[0.5, 0.5]]), prices=prices, levels=[1, 2])


def test_decisions_telescope_to_the_total_return() -> None:
    """P7, §6.7 15: selection, weighting, timing and cost, one line of levels after the other."""
    ends = {
        "benchmark": 1.10,
        "selection": 1.25,
        "weighting": 1.20,
        "exposure": 1.21,
        "timing": 1.22,
        "trading": 1.215,
        "fees": 1.20,
    }
    found = by_decision({name: [1.0, end] for name, end in ends.items()})
    expected = {
        "benchmark": 0.10,
        "selection": 0.15,
        "weighting": -0.05,
        "exposure": 0.01,
        "timing": 0.01,
        "trading": -0.005,
        "fees": -0.015,
    }
    assert found.parts == pytest.approx(expected)
    assert list(found.parts) == list(DECISIONS)
    assert math.fsum(found.parts.values()) == pytest.approx(found.total, abs=1e-15)
    assert found.total == pytest.approx(0.20)


@given(st.lists(moves, min_size=1, max_size=7))
def test_decisions_left_out_are_part_of_the_next_one(ends: list[float]) -> None:
    lines = {name: [1.0, 1.0 + end] for name, end in zip(DECISIONS, ends, strict=False)}
    whole = by_decision(lines)
    last = list(lines)[-1]
    assert math.fsum(whole.parts.values()) == pytest.approx(ends[-1], abs=1e-12)
    assert by_decision({last: lines[last]}).parts[last] == pytest.approx(ends[-1], abs=1e-12)


def test_a_decision_nobody_makes_is_refused() -> None:
    with pytest.raises(UnusableLevels, match="luck"):
        by_decision({"luck": [1.0, 2.0]})
    with pytest.raises(UnusableLevels, match="different lengths"):
        by_decision({"benchmark": [1.0, 2.0], "fees": [1.0]})


def test_paper_index_buys_at_the_prices_of_its_rows_and_keeps_last_known_prices() -> None:
    prices = np.array([[1.0, 10.0], [2.0, 10.0], [2.0, np.nan], [4.0, np.nan]])
    levels = paper_levels(["a", "b"], prices, [(0, equal_parts(["a", "b"])), (2, {"a": 1.0})])
    # 0.5 a and 0.05 b: 1.5 on row 1 and 2, when 1.5 / 2 = 0.75 a are bought
    assert levels == pytest.approx([1.0, 1.5, 1.5, 3.0])


def test_paper_index_refuses_what_it_cannot_buy() -> None:
    with pytest.raises(UnusableLevels, match="row 0"):
        paper_levels(["a"], np.ones((2, 1)), [(1, {"a": 1.0})])
    with pytest.raises(UnusableLevels, match="b: no price known"):
        paper_levels(["a", "b"], np.array([[1.0, np.nan]]), [(0, {"a": 0.5, "b": 0.5})])


# --- against a benchmark ----------------------------------------------------------------------------------------------


def test_brinson_gives_the_published_table() -> None:
    """Bacon (2008), chapter 5: equities of the UK, Japan and the US; 8.3 % against 6.4 %."""
    found = brinson(
        weights={"uk": 0.4, "japan": 0.3, "us": 0.3},
        returns={"uk": 0.20, "japan": -0.05, "us": 0.06},
        benchmark_weights={"uk": 0.4, "japan": 0.2, "us": 0.4},
        benchmark_returns={"uk": 0.10, "japan": -0.04, "us": 0.08},
    )
    assert found.allocation == pytest.approx({"uk": 0.0, "japan": -0.0104, "us": -0.0016})
    assert found.selection == pytest.approx({"uk": 0.04, "japan": -0.002, "us": -0.008})
    assert found.interaction == pytest.approx({"uk": 0.0, "japan": -0.001, "us": 0.002})
    assert found.total == pytest.approx(0.083 - 0.064)


def test_brinson_group_that_one_side_does_not_hold_is_allocation() -> None:
    found = brinson(
        weights={"meme": 1.0},
        returns={"meme": 0.5},
        benchmark_weights={"layer1": 1.0},
        benchmark_returns={"layer1": 0.1},
    )
    assert found.allocation == pytest.approx({"layer1": 0.0, "meme": 0.4})
    assert found.total == pytest.approx(0.4)
    with pytest.raises(UnusableLevels, match="no return of meme"):
        brinson(weights={"meme": 1.0}, returns={}, benchmark_weights={}, benchmark_returns={})


@given(st.lists(st.tuples(moves, moves, moves, moves, st.floats(min_value=0, max_value=1)), min_size=1, max_size=12))
def test_linked_effects_sum_to_the_active_return_of_all_periods(
    periods: list[tuple[float, float, float, float, float]],
) -> None:
    """Carino (1999): nothing is left over, also when both sides return the same."""
    effects, own, other = [], [], []
    for r1, r2, b1, b2, part in periods:
        weights, benchmark = {"x": part, "y": 1 - part}, {"x": 0.5, "y": 0.5}
        effects.append(
            brinson(
                weights=weights,
                returns={"x": r1, "y": r2},
                benchmark_weights=benchmark,
                benchmark_returns={"x": b1, "y": b2},
            )
        )
        own.append(part * r1 + (1 - part) * r2)
        other.append(0.5 * b1 + 0.5 * b2)
    linked = link(effects, returns=own, benchmark_returns=other)
    active = math.prod(1 + r for r in own) - math.prod(1 + b for b in other)
    scale = max(1.0, math.prod(1 + r for r in own), math.prod(1 + b for b in other))
    assert linked.total == pytest.approx(active, abs=1e-9 * scale)


def test_linking_one_period_changes_nothing() -> None:
    one = Effects(allocation={"x": 0.02}, selection={"x": 0.03}, interaction={"x": -0.01})
    linked = link([one], returns=[0.14], benchmark_returns=[0.10])
    assert linked.total == pytest.approx(0.04)
    assert linked.allocation == pytest.approx(one.allocation)


def test_a_total_loss_cannot_be_linked() -> None:
    one = Effects(allocation={}, selection={"x": -1.1}, interaction={})
    with pytest.raises(UnusableLevels, match="total loss"):
        link([one], returns=[-1.0], benchmark_returns=[0.1])
