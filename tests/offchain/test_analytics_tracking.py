"""From the level to the token: parts add up, each imperfection alone shows as itself, shares of the variance sum to one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.analytics.tracking import PARTS, decompose, tracking_of
from offchain.backtest import FREE, Rules, Run, Terms, backtest
from offchain.backtest.results import BASE
from offchain.errors import UnusableLevels
from offchain.market import Market
from offchain.spec import find_spec

line = st.lists(st.floats(min_value=0.1, max_value=10), min_size=12, max_size=12)


@given(st.lists(line, min_size=6, max_size=6))
def test_parts_add_up_and_shares_sum_to_one(lines: list[list[float]]) -> None:
    """§6.7 17: NAV per token against the level of the index, by timing, drift, slippage, fees and oracle."""
    found = decompose(dict(zip(("level", *PARTS), lines, strict=True)))
    assert list(found.parts) == list(PARTS)
    assert found.total == pytest.approx(math.log(lines[-1][-1] / lines[0][-1]), abs=1e-12)
    if found.shares:
        assert math.fsum(found.shares.values()) == pytest.approx(1.0, abs=1e-6)


def test_a_fee_alone_is_all_fee_and_hardly_any_error() -> None:
    level = 100 * np.cumprod(1 + np.random.Generator(np.random.PCG64(1)).normal(0, 0.03, 366))
    fee = level * np.exp(-0.0095 * np.arange(366) / 365)
    found = decompose({"level": level.tolist(), "fees": fee.tolist()})
    assert found.yearly["fees"] == pytest.approx(-0.0095)
    assert found.error.value == pytest.approx(0, abs=1e-9)
    assert found.shares == {}


def test_error_is_the_deviation_of_daily_differences() -> None:
    dice = np.random.Generator(np.random.PCG64(2))
    level = np.cumprod(1 + dice.normal(0, 0.03, 200))
    late, paid = level * np.exp(dice.normal(0, 0.002, 200)), level * np.exp(dice.normal(0, 0.001, 200))
    found = decompose({"level": level.tolist(), "timing": late.tolist(), "slippage": paid.tolist()})
    changes = np.diff(np.log(paid / level))
    assert found.error.value == pytest.approx(changes.std(ddof=1) * math.sqrt(365))
    timing = np.cov(np.diff(np.log(late / level)), changes, ddof=1)[0, 1] / changes.var(ddof=1)
    assert found.shares["timing"] == pytest.approx(timing)


@pytest.fixture(scope="module")
def run(synthetic: Market) -> Run:
    return backtest(find_spec("LC10"), synthetic, start="2024-10-07", end="2025-03-31")


def test_run_tracks_its_level_by_parts(run: Run) -> None:
    found = tracking_of(run)
    assert list(found.parts) == ["timing", "drift", "slippage", "fees"]
    assert found.parts["slippage"] == pytest.approx(
        math.log(run.nav[-1] / float(run.parameters["value_usd"]) / (run.gross[-1] / BASE))
    )
    assert found.parts["slippage"] < 0 and found.parts["fees"] < 0
    years = (run.times[-1] - run.times[0]).days / 365
    assert found.parts["fees"] == pytest.approx(math.log(1 - 0.0095) * years, rel=0.01)


def test_run_without_cost_band_and_fee_only_differs_by_timing(synthetic: Market) -> None:

    spec = find_spec("LC10")
    rules = replace(Rules.of(spec), band=0, dust_usd=0.0)
    free = backtest(spec, synthetic, start="2024-10-07", end="2025-02-28", costs=FREE, rules=rules, terms=Terms())
    found = tracking_of(free)
    assert found.parts["slippage"] == pytest.approx(0, abs=1e-9)
    assert found.parts["fees"] == pytest.approx(0, abs=1e-9)
    assert found.parts["drift"] == pytest.approx(0, abs=1e-9)


def test_oracle_is_the_last_part(run: Run) -> None:
    net = run.net.tolist()
    wrong = [*net[:-1], net[-1] * 1.01]
    assert tracking_of(run, oracle=wrong).parts["oracle"] == pytest.approx(math.log(1.01))


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ({"fees": [1.0, 2.0]}, "give level"),
        ({"level": [1.0, 1.0], "luck": [1.0, 1.0]}, "give level"),
        ({"level": [1.0, 1.0], "fees": [1.0]}, "same days"),
        ({"level": [1.0, 1.0], "fees": [1.0, 0.0]}, "no logarithm"),
    ],
)
def test_lines_that_do_not_fit_are_refused(lines: dict[str, list[float]], word: str) -> None:
    with pytest.raises(UnusableLevels, match=word):
        decompose(lines)
