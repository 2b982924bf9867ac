"""Sweeps: the fast grid is the whole backtest for plain rules; the general one can be killed, spread and repeated.

grid       numba, numpy and the engine agree · ties · infeasible caps · deflated by the number of trials
variants   keys of the file, of costs and of rules · mistakes are named before anything runs
running    any number of workers, the same result · killed and resumed · a cluster by its address
frequency  more often is not better after costs
"""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import subprocess
import sys
import time
import types
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from market_frames import daily_frame

from offchain.backtest import CostModel, Rules, Terms, backtest
from offchain.backtest.chance import SharpeFacts, deflated_sharpe
from offchain.backtest.grid import Grid, Panel, Rule, panel_of, ranked, sweep_grid, weights_of
from offchain.backtest.kernel import has_numba
from offchain.backtest.sweep import best_frequency, grid, market_hash, sweep
from offchain.errors import BallastError, MarketDataError, SpecError
from offchain.market import Market
from offchain.spec import IndexSpec
from offchain.spec.variants import changed

FLAT = CostModel(fee_bps=25.0, tvl_share=None)


@pytest.fixture(scope="module")
def panel(synthetic: Market, lc10: IndexSpec) -> Panel:
    return panel_of(synthetic, lc10.universe, start="2024-04-01", end="2025-01-31", calendars=("weekly", "monthly"))


@pytest.fixture(scope="module")
def small() -> Market:
    return Market.from_frame(daily_frame(days=90))


@pytest.fixture(scope="module")
def tiny(lc10: IndexSpec) -> IndexSpec:
    return changed(
        lc10, {"universe.top": 4, "universe.buffer": 0, "universe.min_age_days": 0, "weights.max_weight": 0.5}
    )


# --- grid -------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not has_numba(), reason="numba is not installed (`uv sync --group fast`)")
def test_grid_in_machine_code_is_the_reference_kernel_variant_by_variant(panel: Panel) -> None:
    rules = Grid(
        tops=(3, 10), powers=(1.0, 0.5, 0.0), caps=(0.34, 1.0), calendars=("weekly", "monthly"), bands=(0.0, 0.03),
        lags=(1, 3), costs_bps=(0.0, 50.0),
    ).rules()[::11]  # fmt: skip
    slow = sweep_grid(panel, rules, engine="numpy")
    for threads in (1, 2):
        fast = sweep_grid(panel, rules, threads=threads, engine="numba")
        np.testing.assert_allclose(fast.net, slow.net, rtol=1e-12)
        np.testing.assert_allclose(fast.measures.to_numpy(), slow.measures.to_numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("scheme", "power"), [("market_cap", 1.0), ("sqrt_market_cap", 0.5), ("equal", 0.0)])
def test_grid_is_the_whole_backtest_for_plain_rules(
    synthetic: Market, lc10: IndexSpec, panel: Panel, scheme: str, power: float
) -> None:
    """R7: the fast path holds what decide holds, to 1e-12."""
    spec = changed(
        lc10, {"universe.buffer": 0, "weights.scheme": scheme, "weights.max_weight": 0.22, "weights.min_weight": 0.0}
    )
    rules = dataclasses.replace(Rules.of(spec), band=0, dust_usd=0.0)
    run = backtest(spec, synthetic, start="2024-04-01", end="2025-01-31", costs=FLAT, rules=rules, terms=Terms())
    rule = Rule(top=10, power=power, cap=0.22, calendar="weekly", cost_bps=25.0)
    net = sweep_grid(panel, [rule]).net[0]
    exact = sweep_grid(panel, [dataclasses.replace(rule, cost_bps=0.0)]).net[0]
    np.testing.assert_allclose(1_000.0 * exact[1:], run.gross, rtol=1e-11)
    np.testing.assert_allclose(1_000.0 * net[1:], run.net, rtol=1e-11)


def test_ranking_breaks_ties_by_column_and_reads_nine_digits() -> None:
    caps = np.array([5.0, 7.0, np.nan, 7.0 + 1e-12, 7.0, 9.0])
    everyone = np.ones(6, dtype=bool)
    assert ranked(caps, everyone, 3).tolist() == [5, 1, 3]
    assert ranked(caps, everyone & (np.arange(6) != 1), 3).tolist() == [5, 3, 4]
    assert ranked(caps, everyone, 9).tolist() == [5, 1, 3, 4, 0]


def test_weights_of_the_grid_are_those_of_the_integers() -> None:
    """W8: the same water-fill as in weights.limits, to 1e-15."""
    from offchain.weights.limits import limit_weights

    dice = np.random.default_rng(5)
    for _ in range(50):
        caps = np.sort(np.round(np.exp(dice.normal(20, 2, 12))))[::-1]
        cap = float(dice.uniform(1 / 12, 1.0))
        exact = limit_weights([int(size) for size in caps], cap=int(cap * 1e18) + 1)
        found = weights_of(caps, Rule(top=12, cap=cap))
        assert found is not None
        np.testing.assert_allclose(found, np.array(exact) / 1e18, rtol=1e-12, atol=1e-15)
    assert weights_of(np.ones(3), Rule(top=3, cap=0.3)) is None


def test_cap_that_cannot_hold_keeps_what_is_held(panel: Panel) -> None:
    result = sweep_grid(panel, [Rule(top=3, cap=0.3), Rule(top=4, cap=0.3)])
    assert np.isnan(result.net[0]).all()
    assert not np.isnan(result.net[1][1:]).any()
    table = result.table()
    assert table["cap"].tolist() == [0.3, 0.3] and table["top"].tolist() == [4, 3]


def test_table_of_a_grid_deflates_by_all_its_trials(panel: Panel) -> None:
    """U17: what the best is worth after so many trials."""
    result = sweep_grid(panel, Grid(tops=(3, 5, 8, 10), powers=(0.0, 1.0), caps=(0.4, 1.0)))
    table = result.table()
    assert table["sharpe"].is_monotonic_decreasing
    daily = result.measures["sharpe"].to_numpy() / math.sqrt(365)
    best = table.iloc[0]
    facts = SharpeFacts(
        sharpe=best["sharpe"] / math.sqrt(365),
        count=int(best["days"]),
        skewness=best["skewness"],
        kurtosis=best["kurtosis"],
    )
    assert best["deflated"] == pytest.approx(deflated_sharpe(facts, variance=float(np.var(daily, ddof=1)), trials=16))
    assert best["deflated_effective"] >= best["deflated"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [([], "an empty grid"), ([Rule(top=3, calendar="daily")], 'no reviews for "daily"'), ([Rule(top=0)], "at least 1")],
)
def test_grid_that_makes_no_sense_is_refused(panel: Panel, rules: list[Rule], message: str) -> None:
    with pytest.raises(MarketDataError, match=message):
        sweep_grid(panel, rules)


# --- variants ---------------------------------------------------------------------------------------------------------


def test_variant_is_the_file_with_other_values(lc10: IndexSpec) -> None:
    variant = changed(lc10, {"universe.top": 5, "universe.exclude": ("dogecoin",), "weights.max_weight": 0.3})
    assert (variant.universe.top, variant.universe.exclude, variant.weights.max_weight) == (5, ("dogecoin",), 0.3)
    assert variant.spec_hash != lc10.spec_hash
    assert (
        changed(lc10, {}).spec_hash
        == changed(variant, {"universe.top": 10, "universe.exclude": [], "weights.max_weight": 0.25}).spec_hash
    )


def test_mistakes_in_a_variant_are_named_all_at_once(lc10: IndexSpec) -> None:
    with pytest.raises(SpecError) as caught:
        changed(lc10, {"universe.topp": 5, "weights.max_weight": 25})
    assert 'Did you mean "universe.top"?' in str(caught.value) and "weights.max_weight = 25" in str(caught.value)
    with pytest.raises(SpecError, match="max_weight"):
        changed(lc10, {"universe.top": 3, "universe.buffer": 0, "weights.max_weight": 0.2})


# --- running ----------------------------------------------------------------------------------------------------------

AXES = {
    "universe.top": [3, 4],
    "weights.max_weight": [0.4, 0.6],
    "costs.fee_bps": [0.0, 30.0],
    "rules.lag_days": [1, 3],
}


def test_sweep_runs_every_variant_as_a_backtest_would(tiny: IndexSpec, small: Market) -> None:
    result = sweep(tiny, small, grid({"universe.top": [4], "costs.fee_bps": [10.0], "rules.lag_days": [2]}))
    rules = dataclasses.replace(Rules.of(tiny), lag=timedelta(days=2))
    run = backtest(tiny, small, costs=CostModel(fee_bps=10.0), rules=rules)
    assert result.outcomes[0].net == tuple(np.round(run.net, 8).tolist())
    years = (len(run) - 1) / 365
    assert result.outcomes[0].measures["cagr"] == pytest.approx((run.net[-1] / 1_000) ** (1 / years) - 1)


@pytest.mark.parametrize(("jobs", "backend"), [(2, "threading"), (2, "loky")])
def test_sweep_is_the_same_for_any_number_of_workers(tiny: IndexSpec, small: Market, jobs: int, backend: str) -> None:
    """Reproducible: order of finishing does not matter."""
    variants = grid(AXES)[::6]
    alone = sweep(tiny, small, variants)
    many = sweep(tiny, small, variants, jobs=jobs, backend=backend)
    assert [o.net for o in many.outcomes] == [o.net for o in alone.outcomes]
    assert many.table().to_csv() == alone.table().to_csv()


def test_variant_that_cannot_run_keeps_its_place_and_says_why(tiny: IndexSpec, small: Market) -> None:
    variants = [{"weights.max_weight": 0.5}, {"weights.max_weight": 0.1}, {"universe.min_volume_usd": 1e12}]
    result = sweep(tiny, small, variants)
    assert [bool(outcome.problem) for outcome in result.outcomes] == [False, True, True]
    assert "max_weight" in result.outcomes[1].problem and "nothing could be bought" in result.outcomes[2].problem
    assert result.trials == 1
    assert result.table()["problem"].tolist()[0] == ""


def test_unknown_keys_are_refused_before_anything_runs(tiny: IndexSpec, small: Market) -> None:
    with pytest.raises(MarketDataError, match='costs.fee: no such key.*Did you mean "fee_bps"'):
        sweep(tiny, small, [{"costs.fee": 1.0}])
    with pytest.raises(MarketDataError, match='Did you mean "threading"'):
        sweep(tiny, small, [{}], backend="thread")


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/offchain")
from market_frames import daily_frame
from offchain.backtest.sweep import grid, sweep
from offchain.market import Market
from offchain.spec import find_spec
from offchain.spec.variants import changed

spec = changed(find_spec("LC10"), {"universe.top": 4, "universe.buffer": 0, "universe.min_age_days": 0, "weights.max_weight": 0.5})
variants = grid({"weights.max_weight": [0.3 + 0.01 * step for step in range(60)], "costs.fee_bps": [5.0, 30.0]})
sweep(spec, Market.from_frame(daily_frame(days=90)), variants, journal=Path(sys.argv[1]))
"""


def test_killed_sweep_goes_on_where_it_was(tiny: IndexSpec, small: Market, tmp_path: Path) -> None:
    """Resumable: killed in the middle by the system, its last line cut in half; nothing finished is run again, nothing is lost."""
    journal = tmp_path / "sweep.jsonl"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(journal)])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not journal.exists() or journal.read_bytes().count(b"\n") < 3):
        assert process.poll() is None, "the sweep ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = journal.read_bytes().count(b"\n")
    assert 3 <= finished < 120
    with journal.open("ab") as file:
        file.write(b'{"format": "ballast-sweep/1", "key": "0x12')
    variants = grid({"weights.max_weight": [0.3 + 0.01 * step for step in range(60)], "costs.fee_bps": [5.0, 30.0]})
    some = variants[: finished + 2]
    resumed = sweep(tiny, small, some, journal=journal)
    assert resumed.resumed == finished
    fresh = sweep(tiny, small, some)
    assert [o.net for o in resumed.outcomes] == [o.net for o in fresh.outcomes]
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(lines) == finished + 2 == len({line["key"] for line in lines})


def test_journal_of_something_else_does_not_count(tiny: IndexSpec, small: Market, tmp_path: Path) -> None:
    """Another market, another period or other costs are other variants; a strange file is refused."""
    journal = tmp_path / "sweep.jsonl"
    assert sweep(tiny, small, [{}], journal=journal).resumed == 0
    assert sweep(tiny, small, [{}], journal=journal).resumed == 1
    assert sweep(tiny, small, [{}], journal=journal, start="2024-02-01").resumed == 0
    assert sweep(tiny, small, [{}], journal=journal, costs=FLAT).resumed == 0
    other = Market.from_frame(daily_frame(days=90, volume=60e6))
    assert market_hash(other) != market_hash(small)
    assert sweep(tiny, other, [{}], journal=journal).resumed == 0
    journal.write_text("hello\n")
    with pytest.raises(MarketDataError, match="line 1 is no finished variant"):
        sweep(tiny, small, [{}], journal=journal)


def test_cluster_is_asked_by_its_address_and_named_when_absent(
    tiny: IndexSpec, small: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask by one address: here a stand-in that runs each task where it is and hands results back last first."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BallastError, match="needs Dask, which is not installed"):
        sweep(tiny, small, [{}], cluster="tcp://10.0.0.1:8786")
    asked: list[str] = []

    class Future:
        def __init__(self, value: object) -> None:
            self.value = value

        def result(self) -> object:
            return self.value

    class Client:
        def __init__(self, address: str, timeout: str) -> None:
            if "dead" in address:
                raise OSError("Timed out")
            asked.append(address)

        def scatter(self, data: object, *, broadcast: bool) -> object:
            return data

        def submit(self, function: object, /, *args: object, pure: bool) -> Future:
            return Future(function(*args))  # type: ignore[operator]

        def close(self) -> None:
            asked.append("closed")

    stand_in = types.ModuleType("distributed")
    stand_in.Client = Client  # type: ignore[attr-defined]
    stand_in.as_completed = lambda futures: reversed(futures)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "distributed", stand_in)
    variants = grid(AXES)[::5]
    spread = sweep(tiny, small, variants, cluster="tcp://10.0.0.1:8786")
    assert asked == ["tcp://10.0.0.1:8786", "closed"]
    assert [o.net for o in spread.outcomes] == [o.net for o in sweep(tiny, small, variants).outcomes]
    with pytest.raises(BallastError, match="no Dask scheduler answers at tcp://dead"):
        sweep(tiny, small, [{}], cluster="tcp://dead:1")


# --- frequency --------------------------------------------------------------------------------------------------------


def test_rebalancing_more_often_costs_more(synthetic: Market, lc10: IndexSpec) -> None:
    """R5: turnover and cost of every calendar and band, so that the operator sees what frequency costs."""
    table = best_frequency(
        lc10, synthetic, calendars=("weekly", "monthly"), bands=(0.0, 0.05), start="2024-04-01", end="2024-12-31",
        costs=CostModel(fee_bps=60.0),
    )  # fmt: skip
    cost = table.set_index(["rebalance.calendar", "rebalance.drift_band"])["cost"]
    assert cost["weekly", 0.0] > cost["monthly", 0.0] > 0.0
    assert cost["weekly", 0.0] > cost["weekly", 0.05]
    assert table["cagr"].is_monotonic_decreasing
    assert (table["gap"] > 0.0).all()
