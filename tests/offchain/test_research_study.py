"""An index beside its passive twin, its benchmarks, survivors and delays; a run as books.

books
├── decisions telescope to what the holder got; components and cost to what the basket made
├── the paper lines by independent pandas arithmetic
└── fills reconcile with the units of the run
study
├── passive twin: what changes and what stays; none for an index that is passive already
├── survivors only: the coin that dies is gone, others are untouched, the gap is measured
└── delays run over the same days
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from offchain.analytics.books import components_of, decisions_of, fills_of, lines_of
from offchain.analytics.taxes import METHODS, settle
from offchain.backtest import Run, backtest
from offchain.backtest.results import BASE
from offchain.market import Market
from offchain.research.study import DELAYS, Study, passive_twin, study, survivors
from offchain.spec import IndexSpec, find_spec
from offchain.spec.variants import changed
from tests.offchain.studies import SPAN, full_study


@pytest.fixture(scope="module")
def spec() -> IndexSpec:
    return find_spec("SQRT20")


@pytest.fixture(scope="module")
def run(told: Study) -> Run:
    return told.run


@pytest.fixture(scope="module")
def told() -> Study:
    return full_study()


# --- books ------------------------------------------------------------------------------------------------------------


def test_decisions_add_up_to_what_the_holder_got(run: Run, synthetic: Market) -> None:
    """P7, §6.7 15: benchmark, selection, weighting, timing, trading and fees."""
    bitcoin = synthetic.believed_prices()["bitcoin"].loc[run.index].to_numpy()
    found = decisions_of(run, bitcoin)
    assert math.fsum(found.parts.values()) == pytest.approx(run.net[-1] / BASE - 1, abs=1e-12)
    assert found.parts["benchmark"] == pytest.approx(bitcoin[-1] / bitcoin[0] - 1)
    assert found.parts["trading"] < 0 and found.parts["fees"] < 0


def test_exposure_is_what_the_stable_side_made_of_the_return(synthetic: Market) -> None:
    """A3, A12: a buffer in stablecoins is a decision of its own; selection and weighting speak of coins at risk."""
    half = changed(find_spec("EQ5"), {"risk.stable": {"usd-coin": 1.0}, "risk.buffer": 0.5})
    with_buffer = backtest(half, synthetic, start="2024-10-01", end="2025-03-31")
    without = backtest(find_spec("EQ5"), synthetic, start="2024-10-01", end="2025-03-31")
    told, plain = decisions_of(with_buffer).parts, decisions_of(without).parts
    assert "exposure" not in plain
    assert told["selection"] == pytest.approx(plain["selection"], abs=1e-9)
    assert told["weighting"] == pytest.approx(plain["weighting"], abs=1e-9)
    assert told["exposure"] < -0.1  # half of a rise was left out
    assert math.fsum(told.values()) == pytest.approx(with_buffer.net[-1] / BASE - 1, abs=1e-12)


def test_components_and_cost_add_up_to_what_the_basket_made(run: Run) -> None:
    """P7: each coin's money, by pandas; the rest is what trading cost."""
    found = components_of(run)
    start = float(run.parameters["value_usd"])
    gains = (pd.DataFrame(run.units).shift() * pd.DataFrame(run.prices).diff()).sum() / start
    assert found.parts == pytest.approx(dict(zip(run.ids, gains, strict=True)), abs=1e-12)
    assert math.fsum([*found.parts.values(), found.rest]) == pytest.approx(run.nav[-1] / start - 1, abs=1e-12)
    paid = {kind: usd for kind, usd in run.costs.items() if kind != "gas"}  # the keeper pays the gas
    assert found.rest == pytest.approx(-sum(paid.values()) / start, rel=1e-6)


def test_paper_lines_are_those_of_pandas(run: Run) -> None:
    prices = pd.DataFrame(run.prices, columns=list(run.ids), index=run.index).ffill()
    level, units = 1.0, pd.Series(dtype=float)
    weights = {review.time: review.weights for review in run.reviews if review.weights}
    rows = {run.index[max(run.index.searchsorted(time), 0)]: each for time, each in list(weights.items())[1:]}
    rows[run.index[0]] = next(iter(weights.values()))
    line = []
    for day, price in prices.iterrows():
        level = float((units * price[units.index]).sum()) if len(units) else level
        if day in rows:
            each = pd.Series({name: float(weight) for name, weight in rows[day].items() if name in prices and weight})
            units = level * (each / each.sum()) / price[each.index]
        line.append(level)
    assert lines_of(run)["weighting"][1:] == pytest.approx(np.array(line), rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_lots_of_a_run_are_what_it_holds(run: Run, method: str) -> None:
    """T6: lots from the trades of a run reconcile with its holdings."""
    fills = fills_of(run)
    ledger = settle(fills, method=method)
    held = dict(zip(run.ids, run.units[-1].tolist(), strict=True))
    for name, units in held.items():
        assert ledger.held(name) / 1e18 == pytest.approx(units, rel=1e-9, abs=1e-12)
    paid = sum(fill.value + fill.fee for fill in fills if fill.side == "buy")
    received = sum(fill.value - fill.fee for fill in fills if fill.side == "sell")
    assert ledger.cost + sum(d.cost for d in ledger.disposals) == paid
    assert sum(d.proceeds for d in ledger.disposals) == received
    assert all(fill.note.startswith("0x") for fill in fills)


# --- study ------------------------------------------------------------------------------------------------------------


def test_passive_twin_weighs_by_market_cap_and_keeps_the_rest(spec: IndexSpec, lc10: IndexSpec) -> None:
    """P3, §6.7 15."""
    twin = passive_twin(spec)
    assert twin is not None
    assert twin.weights.scheme == "market_cap"
    assert (twin.universe, twin.rebalance, twin.fees) == (spec.universe, spec.rebalance, spec.fees)
    assert passive_twin(lc10) is None


def test_passive_twin_of_equal_parts_is_not_capped_back_to_equal_parts() -> None:
    twin = passive_twin(find_spec("EQ5"))
    assert twin is not None
    assert twin.weights.max_weight == 1.0


def test_passive_twin_of_core_and_satellites_is_the_core_alone(lc10: IndexSpec) -> None:
    """A8: what the satellites added is measured against the core."""
    twin = passive_twin(find_spec("CORE"))
    assert twin is not None and twin.spec_hash == lc10.spec_hash


def test_study_compares_the_same_days(told: Study, run: Run, synthetic: Market) -> None:
    """P2, P3, P4, P5."""
    assert list(told.lines) == ["SQRT20", "SQRT20 passive", "bitcoin", "ethereum"]
    assert {len(line) for line in told.lines.values()} == {len(run)}
    assert told.run.run_hash == backtest(find_spec("SQRT20"), synthetic, **SPAN).run_hash
    assert told.table["SQRT20"]["total_return"].value == pytest.approx(run.net[-1] / BASE - 1)
    assert told.against["bitcoin"]["beta"].value is not None
    assert math.prod(1 + month.value for month in told.months) == pytest.approx(run.net[-1] / run.net[0])
    assert told.trailing["inception"].value == pytest.approx(run.net[-1] / run.net[0] - 1)


def test_survivors_leave_out_the_dead_and_nobody_else(synthetic: Market) -> None:
    """§6.7 5: terranova dies in December 2024."""
    alive = survivors(synthetic, "2025-03-31")
    assert set(synthetic.ids) - set(alive.ids) == {"terranova"}
    assert alive.price["bitcoin"].equals(synthetic.price["bitcoin"])
    assert survivors(synthetic, "2024-11-30").ids == synthetic.ids


def test_survivorship_gap_is_the_better_result_of_who_looked_back(
    told: Study, spec: IndexSpec, synthetic: Market
) -> None:
    """§6.7 5: printed on every report."""
    assert told.survivorship is not None
    again = backtest(spec, survivors(synthetic, told.run.times[-1]), **SPAN)
    assert told.survivorship.gap == pytest.approx((again.net[-1] - told.run.net[-1]) / BASE)
    assert told.survivorship.held == ("terranova",)
    assert told.survivorship.gap > 0


def test_delay_curve_is_over_the_same_days(told: Study) -> None:
    """§6.6: a cliff between 0 and 1 day would be look-ahead."""
    assert [delay.days for delay in told.delays] == list(DELAYS)
    values = {delay.days: delay.total_return for delay in told.delays}
    assert all(value is not None for value in values.values())
    own = told.run.net
    first = told.run.index.searchsorted(told.run.times[0] + pd.Timedelta(days=6))
    assert values[1] == pytest.approx(own[-1] / own[first] - 1)


def test_quick_study_leaves_out_what_takes_long(spec: IndexSpec, synthetic: Market) -> None:
    steps: list[int] = []
    found = study(spec, synthetic, start="2025-02-03", end="2025-03-31", is_quick=True, on_step=steps.append)
    assert found.survivorship is None and found.delays == ()
    assert steps == [1, 2, 3, 4]


def test_benchmark_that_the_market_does_not_have_is_a_note(spec: IndexSpec, synthetic: Market) -> None:
    other = replace(spec, index=replace(spec.index, benchmarks=("bitcoin", "no-such-coin")))
    found = study(other, synthetic, start="2025-02-03", end="2025-03-31", is_quick=True)
    assert "The benchmark no-such-coin is not in the market data." in found.notes
