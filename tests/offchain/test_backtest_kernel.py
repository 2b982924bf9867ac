"""Kernels: the value after costs is exact, numpy and machine code agree, and both agree with longhand arithmetic.

solve     hand-computed roots · weights after cost · convex in the value · too shallow pools
simulate  a few lines of Python · numba to 1e-12 · gross is net without costs · band · columns may be permuted
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.backtest.kernel import has_numba, simulate
from offchain.backtest.solve import Legs, leg_costs, value_after
from offchain.errors import BallastError, MarketDataError

needs_numba = pytest.mark.skipif(not has_numba(), reason="numba is not installed (`uv sync --group fast`)")


def market(seed: int, days: int, coins: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    return np.exp(np.cumsum(dice.normal(0.0, 0.04, (days, coins)), axis=0))


def shares(seed: int, reviews: int, coins: int) -> np.ndarray:
    dice = np.random.default_rng(seed)
    raw = dice.random((reviews, coins)) * (dice.random((reviews, coins)) > 0.4) + np.eye(coins)[[0] * reviews] * 1e-3
    return raw / raw.sum(axis=1, keepdims=True)


# --- solve ------------------------------------------------------------------------------------------------------------


def test_selling_one_half_for_the_other_costs_what_paper_says() -> None:
    """100 in A and nothing in B, to halves at 1 % a side: V − V' = 0.01·(100 − V'/2) + 0.01·V'/2 = 1."""
    legs = Legs.flat(2, rate=0.01)
    assert value_after(np.array([100.0, 0.0]), np.array([0.5, 0.5]), legs) == pytest.approx(99.0, rel=1e-15)
    only_buys = Legs(sell=np.zeros(2), buy=np.full(2, 0.01), depth=np.full(2, np.inf))
    # V' = 100 − 0.01·V'/2
    assert value_after(np.array([100.0, 0.0]), np.array([0.5, 0.5]), only_buys) == pytest.approx(100 / 1.005, rel=1e-15)


def test_leg_cost_is_that_of_the_constant_product() -> None:
    """F8: selling 100 into 1,000 at 30 bps pays 1000·99.7/1099.7; buying 90.66… costs those 100."""
    legs = Legs(sell=np.array([0.003]), buy=np.array([0.003 / 0.997]), depth=np.array([1_000.0]))
    received = 1_000.0 * 99.7 / 1_099.7
    assert leg_costs(np.array([-100.0]), legs)[0] == pytest.approx(100.0 - received, rel=1e-14)
    assert leg_costs(np.array([received]), legs)[0] == pytest.approx(100.0 - received, rel=1e-13)


def test_nothing_to_do_costs_nothing() -> None:
    held = np.array([30.0, 50.0, 20.0])
    assert value_after(held, held / 100.0, Legs.flat(3, rate=0.05, depth=40.0)) == pytest.approx(100.0, rel=1e-15)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 0.05), st.floats(1e5, 1e9)), min_size=2, max_size=12
    ),
    st.booleans(),
)
def test_value_after_is_the_root_for_any_portfolio(rows: list[tuple[float, float, float, float]], deep: bool) -> None:
    """F8: V' + Σ cost(w·V' − h) = V to the last bits, and V' never exceeds V."""
    held = np.array([row[0] for row in rows]) + 1.0
    raw = np.array([row[1] for row in rows]) + 1e-3
    weights = raw / raw.sum()
    rate = np.array([row[2] for row in rows])
    depth = np.array([row[3] + 10.0 * held.sum() for row in rows]) if not deep else np.full(len(rows), np.inf)
    legs = Legs(sell=rate, buy=rate / (1 - rate), depth=depth)
    after = value_after(held, weights, legs)
    cost = leg_costs(weights * after - held, legs)
    assert (cost >= -1e-9).all()
    assert after + cost.sum() == pytest.approx(held.sum(), rel=1e-13)
    assert after <= held.sum() * (1 + 1e-15)


def test_too_shallow_pools_are_named_with_what_fits() -> None:
    legs = Legs.flat(2, depth=10.0)
    with pytest.raises(MarketDataError, match="no pool holds enough for a rebalance of 1,000 USD; at most 10 USD fit"):
        value_after(np.array([1_000.0, 0.0]), np.array([0.5, 0.5]), legs)
    with pytest.raises(MarketDataError, match="the gas of one rebalance is more than the 3.00 USD"):
        value_after(np.array([3.0, 0.0]), np.array([0.5, 0.5]), Legs.flat(2, gas=2.0))


# --- simulate ---------------------------------------------------------------------------------------------------------


def longhand(prices: np.ndarray, rows: list[int], weights: np.ndarray, rate: float) -> list[float]:
    """Bisection for V', one coin after the other: slow and obvious."""
    units = [0.0] * prices.shape[1]
    values = []
    for day in range(len(prices)):
        value = sum(u * p for u, p in zip(units, prices[day], strict=True)) if day > rows[0] else 1.0
        if day in rows:
            target = weights[rows.index(day)]
            low, high = 0.0, value
            for _ in range(200):
                middle = (low + high) / 2
                paid = 0.0
                for u, p, w in zip(units, prices[day], target, strict=True):
                    paid += rate * abs(w * middle - u * p)
                low, high = (low, middle) if middle + paid > value else (middle, high)
            value = (low + high) / 2
            units = [w * value / p for w, p in zip(target, prices[day], strict=True)]
        if day >= rows[0]:
            values.append(value)
    return values


def test_reference_agrees_with_longhand_arithmetic() -> None:
    prices, weights, rows = market(1, 60, 5), shares(2, 4, 5), [0, 11, 30, 44]
    path = simulate(prices, np.array(rows), weights, legs=Legs.flat(5, rate=0.004), engine="numpy")
    np.testing.assert_allclose(path.net, longhand(prices, rows, weights, 0.004), rtol=1e-13)
    assert path.cost[0] == pytest.approx(1.0 - 1.0 / 1.004, rel=1e-12)


@needs_numba
@pytest.mark.parametrize("depth", [np.inf, 30.0])
@pytest.mark.parametrize("band", [0.0, 0.08])
@given(seed=st.integers(0, 10_000))
def test_numba_agrees_with_numpy_to_a_trillionth(depth: float, band: float, seed: int) -> None:
    prices, weights = market(seed, 80, 7), shares(seed + 1, 6, 7)
    rows = np.array([2, 9, 20, 33, 51, 70])
    legs = Legs.flat(7, rate=0.003, depth=depth, gas=1e-4)
    slow, fast = (simulate(prices, rows, weights, legs=legs, band=band, engine=engine) for engine in ("numpy", "numba"))
    for name in ("net", "gross", "turnover", "cost"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-12, atol=1e-15)
    assert slow.traded.tolist() == fast.traded.tolist()


def test_gross_is_the_net_of_a_market_without_costs() -> None:
    prices, weights, rows = market(3, 90, 6), shares(4, 5, 6), np.array([0, 10, 40, 41, 80])
    costly = simulate(prices, rows, weights, legs=Legs.flat(6, rate=0.01, depth=50.0))
    free = simulate(prices, rows, weights, legs=Legs.flat(6))
    np.testing.assert_allclose(costly.gross, free.net, rtol=1e-12)
    assert (costly.net < free.net).all() and (free.cost == 0.0).all()


def test_band_leaves_small_drifts_alone() -> None:
    """R2, R3: 12 % to 10 % in an equal-weight ten drifts 2 % one way; a band of 2.1 % waits, one of 1.9 % trades."""
    prices = np.ones((3, 10))
    # nine coins stay, one rises until it weighs 12 %
    prices[1:, 0] = 0.12 / 0.88 * 9
    weights = np.full((2, 10), 0.1)
    waits, trades = (
        simulate(prices, np.array([0, 1]), weights, legs=Legs.flat(10), band=band) for band in (0.021, 0.019)
    )
    assert waits.traded.tolist() == [True, False] and trades.traded.tolist() == [True, True]
    assert trades.turnover[1] == pytest.approx(0.02, rel=1e-12)


def test_columns_may_come_in_any_order() -> None:
    prices, weights, rows = market(5, 50, 8), shares(6, 3, 8), np.array([0, 15, 30])
    order = np.random.default_rng(0).permutation(8)
    legs = Legs.flat(8, rate=0.003)
    one = simulate(prices, rows, weights, legs=legs)
    two = simulate(prices[:, order].copy(), rows, weights[:, order].copy(), legs=legs)
    np.testing.assert_allclose(one.net, two.net, rtol=1e-13)


def test_nothing_after_a_row_changes_it() -> None:
    """D13: the kernel is prefix-invariant, bit for bit."""
    prices, weights, rows = market(7, 60, 4), shares(8, 4, 4), np.array([0, 10, 25, 50])
    whole = simulate(prices, rows, weights, legs=Legs.flat(4, rate=0.003))
    cut = simulate(prices[:40].copy(), rows[:3], weights[:3], legs=Legs.flat(4, rate=0.003))
    assert whole.net[:40].tobytes() == cut.net.tobytes()


@pytest.mark.parametrize(
    ("rows", "weights", "message"),
    [
        ([0, 0], [[1, 0], [1, 0]], "review rows must rise"),
        ([0, 9], [[1, 0], [1, 0]], "at most 3"),
        ([0], [[0.6, 0.6]], "sum to 1.200000000"),
        ([0], [[1.0]], "needed are times × coins"),
        ([1], [[0.5, 0.5]], "buys column 1 at a price of nan"),
    ],
)
def test_what_cannot_be_simulated_is_refused(rows: list[int], weights: list[list[float]], message: str) -> None:
    prices = np.ones((4, 2))
    prices[1, 1] = np.nan
    with pytest.raises(MarketDataError, match=message):
        simulate(prices, np.array(rows), np.array(weights, dtype=float), legs=Legs.flat(2))


def test_unknown_engine_is_refused() -> None:
    with pytest.raises(BallastError, match='engine = "rust"'):
        simulate(np.ones((2, 1)), np.array([0]), np.ones((1, 1)), legs=Legs.flat(1), engine="rust")
