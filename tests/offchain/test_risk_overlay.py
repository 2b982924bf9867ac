"""The exposure overlay: what it makes of weights, and that it makes no more of them.

expose        Σ = 1e18 · proportions · never raises a coin · does nothing by default · refuses with numbers
ceilings      buffer · schedule · volatility · phase, breadth, signals · drawdown · stop and re-entry · modes
cuts          over-extended · volatile · one bet · effective number
stable side   peg · fallback · yield-bearing · room
the way       steps · band · order of rows, the future and repetition change nothing
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_frames import T, history_of, signals

from offchain.errors import InfeasibleWeights, MarketDataError, MissingHistory, UnitError
from offchain.market.history import Floats, History
from offchain.rebalance.triggers import due
from offchain.risk import alarms, expose, is_used, names, needs, standing, uses_held, uses_levels
from offchain.risk.basket import basket_returns, correlations, volatility
from offchain.risk.overlay import scaled
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.spec.risk_rules import RiskRules

WAD = 10**18
WEIGHTS = {"bitcoin": WAD // 2, "ethereum": 3 * WAD // 10, "solana": WAD // 5}
STABLE = (("dai", 1.0), ("usd-coin", 1.0))


def waves(days: int, size: float) -> list[float]:
    """Alternates between 100 and 100 · (1 + size)."""
    return [100.0 * (1.0 + size * (day % 2)) for day in range(days)]


def market(days: int = 60, size: float = 0.01, **more: Sequence[float]) -> History:
    flat = [1.0] * days
    given = {"bitcoin": waves(days, size), "ethereum": waves(days, size), "solana": waves(days, size)}
    return history_of(**(given | {"dai": flat, "usd_coin": flat} | more))  # type: ignore[arg-type]


def rules(**keys: object) -> RiskRules:
    return RiskRules(**({"stable": STABLE} | keys))  # type: ignore[arg-type]


def at_risk(weights: dict[str, int]) -> int:
    return sum(weight for name, weight in weights.items() if name not in ("dai", "usd-coin", "cdai"))


def exposed(
    rules: RiskRules, history: History | None = None, weights: dict[str, int] | None = None, **more: object
) -> dict[str, int]:
    answer = expose(weights or WEIGHTS, rules, history=history or market(), **more)  # type: ignore[arg-type]
    return dict(answer.weights)


# --- expose ---------------------------------------------------------------------------------------------------------


def test_expose_at_the_defaults_changes_nothing_and_needs_nothing() -> None:
    answer = expose(WEIGHTS, RiskRules(), history=None)
    assert (answer.weights, answer.steps, answer.findings) == (WEIGHTS, (), ())
    assert not is_used(RiskRules())
    assert not needs(RiskRules())
    assert names(RiskRules(stable=STABLE)) == ()


@given(
    raw=st.lists(st.integers(min_value=1, max_value=10**18), min_size=1, max_size=30),
    part=st.fractions(min_value=0, max_value=1),
)
def test_scaled_sums_exactly_never_grows_a_weight_and_is_off_by_less_than_a_wei(raw: list[int], part: Fraction) -> None:
    coins = {f"coin-{number:02d}": weight for number, weight in enumerate(raw)}
    total = math.floor(sum(raw) * part)
    after = scaled(coins, total)
    assert sum(after.values()) == total
    for name, weight in coins.items():
        assert after.get(name, 0) <= weight
        assert abs(after.get(name, 0) - Fraction(weight * total, sum(raw))) < 1


def test_scaled_gives_the_last_wei_to_the_largest_remainder_then_to_the_lower_id() -> None:
    assert scaled({"b": 1, "a": 1, "c": 1}, 2) == {"a": 1, "b": 1}
    assert scaled({"a": 10, "b": 15}, 5) == {"a": 2, "b": 3}
    with pytest.raises(UnitError, match="sum 2 cannot be scaled to 3"):
        scaled({"a": 2}, 3)


@given(
    raw=st.lists(st.integers(min_value=1, max_value=10**18), min_size=3, max_size=3),
    buffer=st.integers(min_value=1, max_value=1000),
)
def test_expose_sums_to_one_keeps_proportions_and_never_raises_a_coin(raw: list[int], buffer: int) -> None:
    """A10: the buffer is exact, and caps of the weights still hold to the wei."""
    first, second = raw[0] * WAD // sum(raw), raw[1] * WAD // sum(raw)
    weights = {"bitcoin": first, "ethereum": second, "solana": WAD - first - second}
    after = exposed(rules(buffer=buffer / 1000), weights=weights)
    assert sum(after.values()) == WAD
    assert at_risk(after) == WAD - buffer * WAD // 1000
    for name, weight in weights.items():
        assert after.get(name, 0) <= weight
        assert abs(after.get(name, 0) - Fraction(weight * (1000 - buffer), 1000)) < 1


def test_expose_divides_the_stable_side_in_proportion() -> None:
    """A10, U12: three quarters of the buffer in one stable coin, a quarter in the other."""
    after = exposed(rules(buffer=0.2, stable=(("dai", 1.0), ("usd-coin", 3.0))))
    assert after == {
        "bitcoin": 4 * WAD // 10,
        "dai": WAD // 20,
        "ethereum": 24 * WAD // 100,
        "solana": 16 * WAD // 100,
        "usd-coin": 3 * WAD // 20,
    }


def test_expose_given_a_stable_coin_among_the_weights_counts_it_to_the_stable_side() -> None:
    weights = {"bitcoin": 6 * WAD // 10, "dai": 4 * WAD // 10}
    assert at_risk(exposed(rules(buffer=0.1), weights=weights)) == 6 * WAD // 10
    assert at_risk(exposed(rules(buffer=0.7), weights=weights)) == 3 * WAD // 10


def test_buffer_of_everything_holds_no_coin() -> None:
    """A10."""
    assert exposed(rules(buffer=1.0)) == {"dai": WAD // 2, "usd-coin": WAD // 2}


def test_expose_leaves_out_coins_without_weight() -> None:
    after = exposed(rules(buffer=0.5), weights=WEIGHTS | {"zcash": 0})
    assert "zcash" not in after
    assert sum(after.values()) == WAD


def test_expose_given_only_stable_coins_holds_the_stable_side() -> None:
    assert exposed(rules(buffer=0.1), weights={"dai": WAD}) == {"dai": WAD // 2, "usd-coin": WAD // 2}


@pytest.mark.parametrize(
    ("weights", "keys", "error", "says"),
    [
        ({"bitcoin": WAD - 1}, {}, UnitError, "weights sum to 999999999999999999"),
        ({"bitcoin": WAD + 1, "solana": -1}, {}, UnitError, "solana is below 0"),
        (WEIGHTS, {"stable": ()}, InfeasibleWeights, "risk.buffer needs something to hold instead"),
        (
            WEIGHTS,
            {"stable": (("frax", 1.0),)},
            MissingHistory,
            "risk.stable names frax, not in the market at 2024-06-01",
        ),
        ({"dogecoin": WAD}, {"volatility_target": 0.1}, MissingHistory, 'no coin "dogecoin"'),
    ],
)
def test_expose_refuses_what_it_cannot_do(
    weights: dict[str, int], keys: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as refusal:
        expose(weights, rules(**({"buffer": 0.1} | keys)), history=market())
    assert says in str(refusal.value)


def test_expose_without_history_or_token_is_refused() -> None:
    with pytest.raises(MissingHistory, match="risk needs the history"):
        expose(WEIGHTS, rules(buffer=0.1), history=None)
    with pytest.raises(MissingHistory, match="names usd-coin, without a token or feed on this chain"):
        expose(WEIGHTS, rules(buffer=0.1), history=market(), tradable=["dai", "bitcoin"])


# --- ceilings -------------------------------------------------------------------------------------------------------


def test_schedule_sets_its_part_aside_between_its_days() -> None:
    """A11: a scheduled defensive allocation."""
    assert at_risk(exposed(rules(schedule=(("05-25/06-05", 0.25),)))) == 75 * WAD // 100
    assert at_risk(exposed(rules(schedule=(("06-02/06-05", 0.25),)))) == WAD


def test_volatility_target_scales_exposure_by_target_over_volatility() -> None:
    """U14, A7: dynamic volatility. Returns of +1 % and -1/1.01 % by turns; the closed sum of EWMA by hand."""
    up, down = 0.01, 1 / 1.01 - 1
    newest_first = [up if lag % 2 == 0 else down for lag in range(59)]
    variance = sum(0.94**lag * value**2 for lag, value in enumerate(newest_first)) / sum(0.94**lag for lag in range(59))
    expected = math.sqrt(365 * variance)
    after = exposed(rules(volatility_target=0.1))
    assert at_risk(after) / WAD == pytest.approx(0.1 / expected, abs=1e-12)
    assert at_risk(exposed(rules(volatility_target=0.2))) == WAD  # 19.0 % is calm enough


def test_volatility_of_weights_is_that_of_their_covariance() -> None:
    """The volatility of the basket's returns is √(w'Σw) with the covariance of simple returns."""
    random = np.random.default_rng(1)
    prices = 100 * np.cumprod(1 + 0.03 * random.standard_normal((60, 3)), axis=0)
    history = history_of(bitcoin=prices[:, 0], ethereum=prices[:, 1], solana=prices[:, 2])
    w = np.array([0.5, 0.3, 0.2])
    change = prices[1:] / prices[:-1] - 1
    expected = math.sqrt(365 * float(w @ (change.T @ change / 59) @ w))
    daily = basket_returns(history, {"bitcoin": 0.5, "ethereum": 0.3, "solana": 0.2})
    assert volatility(daily, decay=1.0) == pytest.approx(expected, rel=1e-11)


def test_volatility_target_is_met_by_what_is_really_held() -> None:
    """U14: after a cut the coins have other proportions; the volatility of the whole index is the target all the same."""
    prices = random_prices()
    keys = rules(volatility_target=0.3, min_effective=4.0, volatility_decay=1.0, volatility_days=90)
    after = exposed(keys, history_of(**prices))
    panel = np.column_stack([prices[name] for name in ("bitcoin", "ethereum", "solana")])
    change = (panel[1:] / panel[:-1] - 1)[-90:]
    held = np.array([after[name] / WAD for name in ("bitcoin", "ethereum", "solana")])
    assert not np.isnan(change).any()
    assert math.sqrt(365 * float(held @ (change.T @ change / 90) @ held)) == pytest.approx(0.3, rel=1e-9)
    assert after["bitcoin"] / after["solana"] < 2.4  # it was 2.5 before the cut


def test_volatility_target_without_enough_days_does_nothing_and_says_so() -> None:
    answer = expose(WEIGHTS, rules(volatility_target=0.1), history=market(days=15, size=0.2))
    assert at_risk(dict(answer.weights)) == WAD
    assert answer.findings == (
        "volatility unknown: fewer than 20 daily returns, so risk.volatility_target does nothing",
    )


@pytest.mark.parametrize(("phase", "stable"), [("bear", 30), ("correction", 15), ("accumulation", 15), ("bull", 0)])
def test_shift_by_phase_moves_30_percent_to_stable_in_a_bear_market(phase: str, stable: int) -> None:
    """A3: the example, 30 % to USDC. A6: the phases in between move half of it."""
    after = exposed(rules(stable=(("usd-coin", 1.0),), shift="phase", max_shift=0.3), signals=signals(phase))
    assert after.get("usd-coin", 0) == stable * WAD // 100
    assert after["bitcoin"] == (100 - stable) * WAD // 200


def test_phase_that_the_table_leaves_out_moves_nothing() -> None:
    """A3."""
    only_bear = rules(shift="phase", max_shift=0.4, phase_shift=(("bear", 0.5),))
    assert at_risk(exposed(only_bear, signals=signals("bear"))) == 8 * WAD // 10
    assert at_risk(exposed(only_bear, signals=signals("correction"))) == WAD


def test_shift_by_breadth_is_a_line_between_its_two_thresholds() -> None:
    """A3: 45 % of the market below its mean is half of the way from 30 to 60 %."""
    half = rules(shift="breadth", max_shift=0.3, shift_from=0.3, shift_full=0.6)
    assert at_risk(exposed(half, signals=signals(breadth=0.55))) == 85 * WAD // 100
    assert at_risk(exposed(half, signals=signals(breadth=0.75))) == WAD
    assert at_risk(exposed(half, signals=signals(breadth=0.1))) == 7 * WAD // 10


def test_shift_by_breadth_without_signals_counts_the_coins_of_the_history() -> None:
    falling, rising = [100.0 - day for day in range(60)], [100.0 + day for day in range(60)]
    history = market(bitcoin=rising, ethereum=falling, solana=falling)
    half = rules(shift="breadth", max_shift=0.3, shift_from=0.0, shift_full=1.0)
    assert at_risk(exposed(half, history)) == pytest.approx(0.8 * WAD, abs=1e6)


def test_shift_by_signals_reads_the_bearish_part_of_the_index() -> None:
    """A3: ethereum and solana, half of the index, are bearish."""
    keys = rules(shift="signals", max_shift=0.4, shift_from=0.25, shift_full=0.75)
    read = signals(bitcoin="bullish", ethereum="bearish", solana="bearish")
    assert at_risk(exposed(keys, signals=read)) == 8 * WAD // 10
    answer = expose(WEIGHTS, keys, history=market(), signals=signals(ethereum="bearish", solana="bearish"))
    assert answer.findings == ("no signal for bitcoin: counted as neutral",)


def test_shift_reads_only_what_it_names_and_any_takes_the_strictest() -> None:
    """A3, M9: phase, breadth and signals apart, and together."""
    calm = {name: "neutral" for name in WEIGHTS}
    bearish = {name: "bearish" for name in WEIGHTS}

    def moved(shift: str, phase: str, breadth: float, labels: dict[str, str]) -> int:
        keys = rules(shift=shift, max_shift=0.4, shift_from=0.25, shift_full=0.75)
        return 100 - at_risk(exposed(keys, signals=signals(phase, breadth, **labels))) * 100 // WAD

    assert [moved("phase", "bull", 0.1, bearish), moved("phase", "bear", 0.9, calm)] == [0, 40]
    assert [moved("breadth", "bear", 0.9, bearish), moved("breadth", "bull", 0.5, calm)] == [0, 20]
    assert [moved("signals", "bear", 0.1, calm), moved("signals", "bull", 0.9, bearish)] == [0, 40]
    assert moved("any", "bull", 0.9, calm) == 0
    assert moved("any", "bull", 0.5, calm) == 20
    assert moved("any", "correction", 0.5, bearish) == 40
    assert moved("any", "bear", 0.9, calm) == 40


def test_shift_that_reads_signals_without_any_is_refused() -> None:
    with pytest.raises(MissingHistory, match='risk.shift = "any" reads the signals'):
        exposed(rules(shift="any"))


def test_strictest_rule_counts_and_its_reason_is_given() -> None:
    """M8: the step says which rule binds."""
    answer = expose(
        WEIGHTS, rules(buffer=0.05, shift="phase", max_shift=0.3), history=market(), signals=signals("bear")
    )
    assert at_risk(dict(answer.weights)) == 7 * WAD // 10
    assert answer.steps[-1].summary == ("70.00 % at risk: the market's phase is bear (as the test says): 30.00 % aside")
    assert answer.steps[-1].reasons["bitcoin"] == "50.00 % → 35.00 %"
    assert math.fsum(answer.steps[-1].weights.values()) == pytest.approx(1.0, abs=1e-15)


def test_drawdown_control_is_a_line_from_its_start_to_its_limit() -> None:
    """A11: at 10 % drawdown nothing yet, at 20 % half of the way, at 30 % only the least exposure."""
    control = rules(drawdown_from=0.1, drawdown_limit=0.3, min_exposure=0.2)
    for drawdown, expected in ((0.0, 100), (0.1, 100), (0.2, 60), (0.3, 20), (0.5, 20)):
        levels = (100.0, 200.0, 200.0 * (1 - drawdown))
        assert at_risk(exposed(control, levels=levels)) == expected * WAD // 100


def test_peak_is_forgotten_after_its_days() -> None:
    """A11: re-entry of drawdown control."""
    control = rules(drawdown_from=0.1, drawdown_limit=0.3, peak_days=5)
    fallen = (100.0, 70.0, 70.0, 70.0, 70.0)
    assert at_risk(exposed(control, levels=fallen)) == 0
    assert at_risk(exposed(control, levels=(*fallen, 70.0))) == WAD


def test_stop_golden_path() -> None:
    """A11: stopped at -25 %, out for three days, in again with a new peak, stopped again from there."""
    stop = rules(stop_loss=0.25, stop_days=3)
    path = (
        (100.0, False), (120.0, False), (91.0, False), (90.0, True), (80.0, True), (80.0, True),
        (80.0, False), (79.0, False), (61.0, False), (59.0, True), (59.0, True), (59.0, True), (59.0, False),
    )  # fmt: skip
    levels = [level for level, _ in path]
    for day, (_, is_stopped) in enumerate(path):
        assert standing(levels[: day + 1], stop).is_stopped is is_stopped, day
        assert at_risk(exposed(stop, levels=levels[: day + 1])) == (0 if is_stopped else WAD)
    assert standing(levels, stop).stops == 2


def naive(levels: list[float], stop: RiskRules) -> tuple[float, bool, int]:
    """The rules of a stop read from the text, day after day over the whole past: (drawdown, stopped, stops)."""
    begin, ends, stops, drawdown = 0, -1, 0, 0.0
    for day, level in enumerate(levels):
        if day < ends:
            continue
        if day == ends:
            begin = day
        drawdown = round(1 - level / max(levels[max(begin, day - stop.peak_days + 1) : day + 1]), 12)
        if stop.stop_loss and drawdown >= stop.stop_loss:
            stops, ends = stops + 1, day + stop.stop_days
    is_stopped = ends > len(levels) - 1
    return (0.0 if is_stopped else drawdown), is_stopped, stops


@given(
    changes=st.lists(st.integers(min_value=-20, max_value=20), min_size=1, max_size=80),
    stop_loss=st.sampled_from([0.0, 0.1, 0.3]),
    stop_days=st.integers(min_value=1, max_value=10),
    peak_days=st.integers(min_value=2, max_value=30),
)
def test_standing_agrees_with_a_naive_walk(
    changes: list[int], stop_loss: float, stop_days: int, peak_days: int
) -> None:
    """A11."""
    stop = rules(stop_loss=stop_loss, stop_days=stop_days, peak_days=peak_days)
    levels = [100.0]
    for change in changes:
        levels.append(levels[-1] * (1 + change / 100))
    found = standing(levels, stop)
    assert (found.drawdown, found.is_stopped, found.stops) == naive(levels, stop)


def test_stop_acts_at_once_while_the_way_back_is_gradual() -> None:
    """A4, A11: a stop does not wait for steps."""
    stop = rules(stop_loss=0.2, stop_days=2, step=0.1, step_up=0.25, stop_exposure=0.1)
    assert at_risk(exposed(stop, levels=(100.0, 79.0), held={"bitcoin": 1.0})) == WAD // 10
    back = exposed(stop, levels=(100.0, 79.0, 79.0, 79.0), held={"bitcoin": 0.1, "dai": 0.9})
    assert at_risk(back) == 35 * WAD // 100


def test_stop_that_waits_for_the_mean_stays_out_until_the_coins_are_above_it() -> None:
    """A11: re-entry by time and by the market."""
    stop = rules(stop_loss=0.2, stop_days=1, reenter_above_mean=True, breadth_days=20)
    falling, rising = [100.0 - day for day in range(60)], [100.0 + day for day in range(60)]
    over = (100.0, 70.0, 70.0)
    down = market(bitcoin=falling, ethereum=falling, solana=falling)
    up = market(bitcoin=rising, ethereum=rising, solana=rising)
    assert uses_held(stop)
    assert at_risk(exposed(stop, down, levels=over, held={"dai": 1.0})) == 0
    assert at_risk(exposed(stop, up, levels=over, held={"dai": 1.0})) == WAD
    # who is in already is not thrown out by it
    assert at_risk(exposed(stop, down, levels=over, held={"dai": 0.5, "bitcoin": 0.5})) == WAD


def test_alarm_of_a_stop_lasts_until_it_was_acted_on() -> None:
    """A11, V9: between reviews; `due` takes it for an emergency."""
    stop = rules(stop_loss=0.2, stop_exposure=0.1)
    levels = (100.0, 79.0)
    (flag,) = alarms(stop, history=market(), held={"bitcoin": 0.5, "ethereum": 0.3, "dai": 0.2}, levels=levels)
    assert (flag.id, flag.code) == ("bitcoin", "stop")
    assert "stopped 0 days ago, 20.00 % below its peak, and 80.00 % is still at risk, allowed is 10.00 %" in flag.reason
    assert alarms(stop, history=market(), held={"bitcoin": 0.12, "dai": 0.88}, levels=levels) == ()
    assert alarms(stop, history=market(), held={"bitcoin": 0.8, "dai": 0.2}, levels=(100.0, 81.0)) == ()
    assert alarms(RiskRules(), history=market(), held={"bitcoin": 1.0}, levels=levels) == ()
    trigger = due(
        RebalanceRules(triggers=("emergency",)), T, last=T, current={"bitcoin": 0.8, "dai": 0.2}, flags=(flag,)
    )
    assert trigger.code == "emergency"


def test_alarm_of_a_broken_peg_names_what_could_be_held_instead() -> None:
    """§6.7-16, V9."""
    broken = market(dai=[1.0] * 59 + [0.93])
    keys = rules(buffer=0.2)
    (flag,) = alarms(keys, history=broken, held={"bitcoin": 0.8, "dai": 0.1, "usd-coin": 0.1})
    assert (flag.id, flag.code) == ("dai", "depeg")
    assert flag.reason == "7.00 % off one dollar, limit 2.00 %; usd-coin could be held instead"
    assert alarms(keys, history=broken, held={"bitcoin": 0.8, "usd-coin": 0.2}) == ()
    # both broken, and dai is the nearer one: nothing better to go to
    both = market(dai=[1.0] * 59 + [0.93], usd_coin=[1.0] * 59 + [0.92])
    assert alarms(keys, history=both, held={"bitcoin": 0.8, "dai": 0.2}) == ()


def test_levels_with_a_hole_are_refused() -> None:
    with pytest.raises(MarketDataError, match="level nan of day 1"):
        exposed(rules(stop_loss=0.2), levels=(100.0, math.nan))


def test_conservative_mode_sets_its_part_aside_and_auto_has_hysteresis() -> None:
    """A7, M7: calm, wild, calmer but not calm, calm again."""
    assert at_risk(exposed(rules(mode="conservative", conservative_part=0.4))) == 6 * WAD // 10
    auto = rules(mode="auto", conservative_above=1.0, aggressive_below=0.3, volatility_decay=0.8)
    calm, wild, between = [0.005] * 60, [0.08] * 40, [0.03] * 40
    for sizes, is_aside in (
        (calm, False),
        (calm + wild, True),
        (calm + wild + between, True),
        (calm + between, False),
        (calm + wild + between + calm, False),
    ):
        path, value = [100.0], 100.0
        for day, size in enumerate(sizes):
            value *= 1 + size if day % 2 else 1 / (1 + size)
            path.append(value)
        flat = [1.0] * len(path)
        history = market(bitcoin=path, ethereum=path, solana=path, dai=flat, usd_coin=flat)
        assert at_risk(exposed(auto, history)) == (7 * WAD // 10 if is_aside else WAD)


# --- cuts -----------------------------------------------------------------------------------------------------------


def test_over_extended_coin_is_trimmed_and_no_other_coin_gets_it() -> None:
    """W12, D9: a coin 4.9 deviations above its mean, at a limit of 4, gives up half times 0.225."""
    spike = [100.0, 101.0] * 24 + [100.0, 200.0]
    values = np.array(spike)
    z = (values[-1] - values.mean()) / values.std()
    flat = [1.0] * 50
    quiet = [100.0] * 50
    history = history_of(bitcoin=quiet, ethereum=quiet, solana=spike, dai=flat, usd_coin=flat)
    trim = rules(trim_above=4.0, trim_days=50, trim_part=0.5)
    after = expose(WEIGHTS, trim, history=history)
    cut = 0.5 * (z / 4 - 1)
    assert 6.9 < z < 7.1
    assert after.weights["solana"] / WAD == pytest.approx(0.2 * (1 - cut), abs=1e-12)
    assert after.weights["bitcoin"] == WAD // 2
    assert after.weights["dai"] + after.weights["usd-coin"] == WAD // 5 - after.weights["solana"]
    assert after.steps[0].stage == "trim"
    assert list(after.steps[0].reasons) == ["solana"]


def test_conservative_cut_gives_a_wild_coin_the_weight_of_inverse_volatility() -> None:
    """M7, W9: twice as volatile as the median coin is held at half."""
    history = market(solana=[100.0 * math.exp(2 * math.log(1.01) * (day % 2)) for day in range(60)])
    cut = rules(mode="conservative", conservative_part=0.0, conservative_cut=1.0)
    after = exposed(cut, history)
    assert after["solana"] / WAD == pytest.approx(0.1, rel=0.011)
    assert after["bitcoin"] == WAD // 2


def test_coins_that_move_together_are_one_bet() -> None:
    """P8: bitcoin and ethereum move alike, solana does not; 80 % together are cut to 50 %, in proportion."""
    random = np.random.default_rng(7)
    one, two = (100 * np.cumprod(1 + 0.02 * random.standard_normal(100)) for _ in range(2))
    flat = [1.0] * 100
    history = history_of(bitcoin=one, ethereum=3 * one, solana=two, dai=flat, usd_coin=flat)
    answer = expose(WEIGHTS, rules(max_correlation=0.9, max_bet=0.5), history=history)
    after = answer.weights
    assert answer.steps[0].summary == (
        "Coins that move together are limited as one bet: 30.00 % goes to the stable side"
    )
    assert answer.steps[0].reasons["bitcoin"] == (
        "moves with ethereum (correlation above 0.9); together 80.00 %, limit 50.00 %"
    )
    assert after["bitcoin"] == 5 * WAD // 16
    assert after["ethereum"] == 3 * WAD // 16
    assert after["solana"] == WAD // 5


def test_correlations_agree_with_numpy_and_leave_gaps_out_pair_by_pair() -> None:
    """P8."""
    random = np.random.default_rng(3)
    prices = 100 * np.cumprod(1 + 0.02 * random.standard_normal((80, 3)), axis=0)
    prices[10:14, 1] = np.nan
    history = history_of(a=prices[:, 0], b=prices[:, 1], c=prices[:, 2])
    change = prices[1:] / prices[:-1] - 1
    known = ~np.isnan(change[:, 1])
    found = correlations(history, ["a", "b", "c"], days=79)
    assert found[0, 2] == pytest.approx(np.corrcoef(change[:, 0], change[:, 2])[0, 1], abs=1e-11)
    assert found[0, 1] == pytest.approx(np.corrcoef(change[known, 0], change[known, 1])[0, 1], abs=1e-11)
    assert np.isnan(correlations(history, ["a", "b", "c"], days=15)[0, 1])


def test_effective_number_cuts_the_largest_to_one_level() -> None:
    """P9: 50/30/20 has 2.63 effective coins; for 4 of them x² + 0.09 + 0.04 = 0.25, so bitcoin is cut to √0.12."""
    after = exposed(rules(min_effective=4.0))
    assert after["bitcoin"] == math.isqrt(12 * WAD * WAD // 100)
    assert (after["ethereum"], after["solana"]) == (WEIGHTS["ethereum"], WEIGHTS["solana"])
    assert sum(after[name] ** 2 for name in WEIGHTS) * 4 <= WAD**2
    assert exposed(rules(min_effective=2.6))["bitcoin"] == WAD // 2


# --- stable side ----------------------------------------------------------------------------------------------------


def test_stable_coin_off_its_peg_is_replaced_by_the_others() -> None:
    """V11, §6.7-16: the path of UST in May 2022, day by day, beside a coin that holds."""
    ust = [1.0] * 55 + [0.998, 0.985, 0.79, 0.44, 0.10]
    keys = rules(stable=(("terrausd", 1.0), ("usd-coin", 1.0)), buffer=0.2)
    held = []
    for day in range(55, 61):
        flat = [1.0] * day
        history = history_of(bitcoin=flat, ethereum=flat, solana=flat, terrausd=ust[:day], usd_coin=flat)
        held.append(exposed(keys, history).get("terrausd", 0))
    assert held == [WAD // 10, WAD // 10, WAD // 10, 0, 0, 0]


def test_stable_coin_that_came_back_is_held_again_after_its_days() -> None:
    """§6.7-16: USDC in March 2023 fell to 0.90 and was back after three days."""
    usdc = [1.0] * 40 + [0.90, 0.96, 0.99] + [1.0] * 40
    keys = rules(stable=(("dai", 1.0), ("usd-coin", 1.0)), buffer=0.2, peg_days=30)
    days = [day for day in range(35, 84) if exposed(keys, market(days=day, usd_coin=usdc[:day])).get("usd-coin")]
    # off by more than 2 % on days 41 and 42; the 10 % of day 41 leave the window of 30 days on day 71
    assert days == [*range(35, 41), *range(71, 84)]


def test_stable_price_a_little_off_for_a_day_is_forgiven_when_it_is_back() -> None:
    """D12: real records of sound stable coins are up to 3 % off now and then; only while it lasts does it count."""
    path = [1.0] * 50 + [1.03] + [1.0] * 9
    keys = rules(buffer=0.2)
    assert "dai" not in exposed(keys, market(days=51, dai=path[:51]))
    assert exposed(keys, market(days=52, dai=path[:52]))["dai"] == WAD // 10


def test_when_all_are_off_their_peg_the_nearest_is_held_and_beyond_the_limit_none() -> None:
    """§6.7-16: with a finding each time."""
    keys = rules(buffer=0.2)
    broken = [1.0] * 59
    answer = expose(WEIGHTS, keys, history=market(dai=[*broken, 0.95], usd_coin=[*broken, 0.93]))
    assert answer.weights["dai"] == WAD // 5
    assert answer.findings == (
        "dai: 5.00 % off one dollar, limit 2.00 %",
        "usd-coin: 7.00 % off one dollar, limit 2.00 %",
        "dai: held all the same, it is nearest to its peg",
    )
    answer = expose(WEIGHTS, keys, history=market(dai=[*broken, 0.5], usd_coin=[*broken, 0.8]))
    assert answer.weights == WEIGHTS
    assert answer.findings[-1] == "no stable coin within 10.00 % of its peg: the stable side is empty"
    assert "No stable coin can be trusted" in answer.steps[0].summary


def test_stable_price_of_now_counts_before_that_of_the_history() -> None:
    after = exposed(rules(buffer=0.2), prices={"dai": 0.97})
    assert (after.get("dai"), after["usd-coin"]) == (None, WAD // 5)


def test_stable_coin_without_enough_prices_is_not_trusted() -> None:
    gaps = [math.nan] * 25 + [1.0] * 35
    assert exposed(rules(buffer=0.2), market(dai=gaps))["dai"] == WAD // 10
    late = [math.nan] * 45 + [1.0] * 15
    assert "dai" not in exposed(rules(buffer=0.2), market(dai=late))
    gone = [1.0] * 59 + [math.nan]
    assert "dai" not in exposed(rules(buffer=0.2), market(dai=gone))


def test_limits_of_a_peg_are_still_inside_it() -> None:
    """§6.7-16: 2 % off is allowed, a little more is not; twenty known days of thirty are enough, nineteen are not."""
    keys = rules(buffer=0.2, peg_days=30)

    def is_held(path: list[float]) -> bool:
        return "dai" in exposed(keys, market(dai=path))

    assert is_held([1.0] * 59 + [0.98])
    assert not is_held([1.0] * 59 + [0.9799])
    assert is_held([1.0] * 30 + [math.nan] * 10 + [1.0] * 20)
    assert not is_held([1.0] * 30 + [math.nan] * 11 + [1.0] * 19)
    assert is_held([1.0] * 58 + [0.96, 1.0])
    assert not is_held([1.0] * 58 + [0.9599, 1.0])
    lost = {"dai": [1.0] * 59 + [0.9], "usd_coin": [1.0] * 59 + [0.85]}
    assert exposed(keys, market(**lost))["dai"] == WAD // 5
    assert exposed(keys, market(**lost | {"dai": [1.0] * 59 + [0.8999]})) == WEIGHTS


def test_yield_bearing_coin_may_grow_but_not_fall() -> None:
    """U12: a receipt that grows by 8 % a year stands far above one dollar and is held; one that lost 3 % is not."""
    grows = [1.2 * (1 + 0.08 / 365) ** day for day in range(60)]
    keys = rules(stable=(("cdai", 1.0), ("usd-coin", 1.0)), buffer=0.4)
    mixed = dataclasses.replace(keys, yield_bearing=("cdai",))
    assert exposed(mixed, market(cdai=grows))["cdai"] == WAD // 5
    assert "cdai" not in exposed(keys, market(cdai=grows))
    assert "cdai" not in exposed(mixed, market(cdai=[*grows[:-1], 0.97 * grows[-2]]))
    # a print too high by 3 % for one day does not make every other day look like a fall
    glitch = [*grows[:40], 1.03 * grows[40], *grows[41:]]
    assert exposed(mixed, market(cdai=glitch))["cdai"] == WAD // 5


def test_stable_side_without_room_leaves_the_rest_in_the_coins() -> None:
    """§6.7-16: no issuer above 10 %; one of two is off its peg, so only 10 % of 20 % can be held."""
    broken = [1.0] * 59 + [0.9]
    answer = expose(WEIGHTS, rules(buffer=0.2, max_stable=0.1), history=market(dai=broken))
    assert answer.weights["usd-coin"] == WAD // 10
    assert answer.weights["bitcoin"] == 45 * WAD // 100
    assert answer.findings[-1].startswith("the stable side can hold 10.00 % of 20.00 %")
    just = expose(WEIGHTS, rules(buffer=0.1, max_stable=0.1), history=market(dai=broken))
    assert just.weights["usd-coin"] == WAD // 10
    assert just.findings == ("dai: 10.00 % off one dollar, limit 2.00 %",)
    # cuts are given back in proportion, as far as there is no room for them
    deep = expose(WEIGHTS, rules(min_effective=16.0, max_stable=0.1), history=market(dai=broken))
    # 16 coins would need bitcoin, ethereum and solana at 14.4 % each; 90 % have to stay, so most is given back
    assert deep.weights["usd-coin"] == WAD // 10
    taken = {name: weight - math.isqrt(WAD * WAD // 48) for name, weight in WEIGHTS.items()}
    back = Fraction(9 * WAD // 10 - 3 * math.isqrt(WAD * WAD // 48), sum(taken.values()))
    for name, weight in WEIGHTS.items():
        assert abs(deep.weights[name] - (weight - taken[name] * (1 - back))) < 3


# --- the way --------------------------------------------------------------------------------------------------------


def test_stable_side_that_cannot_hold_what_is_not_at_risk_is_refused() -> None:
    weights = {"bitcoin": 6 * WAD // 10, "dai": 4 * WAD // 10}
    with pytest.raises(InfeasibleWeights, match=r"can hold 20.00 % and the coins are only 60.00 % of the index"):
        exposed(rules(buffer=0.1, max_stable=0.1), weights=weights)
    with pytest.raises(InfeasibleWeights, match=r"100.00 % cannot be held in dai, usd-coin"):
        exposed(rules(buffer=0.1, max_stable=0.1), weights={"dai": WAD})


def test_index_of_which_everything_is_cut_is_held_in_the_stable_side() -> None:
    """W12: the only coin is over-extended and trimmed whole."""
    spike = [100.0, 101.0] * 29 + [100.0, 400.0]
    after = exposed(rules(trim_above=2.0, trim_part=1.0), market(bitcoin=spike), weights={"bitcoin": WAD})
    assert after == {"dai": WAD // 2, "usd-coin": WAD // 2}


def test_exposure_goes_down_and_up_in_steps() -> None:
    """A4: 30 % to stable in steps of 10 %, back in steps of 5 %."""
    keys = rules(shift="phase", max_shift=0.3, step=0.1, step_up=0.05)
    seen, held = [], {"bitcoin": 1.0}
    for phase in ("bear",) * 4 + ("bull",) * 7:
        after = exposed(keys, signals=signals(phase), held=held)
        seen.append(at_risk(after) * 100 // WAD)
        held = {name: weight / WAD for name, weight in after.items()}
    assert seen == [90, 80, 70, 70, 75, 80, 85, 90, 95, 100, 100]


@given(
    breadths=st.lists(st.integers(min_value=0, max_value=100), min_size=2, max_size=12),
    step=st.integers(min_value=1, max_value=100),
    step_up=st.integers(min_value=1, max_value=100),
)
def test_exposure_never_moves_further_than_a_step_and_never_past_its_target(
    breadths: list[int], step: int, step_up: int
) -> None:
    """A4: whatever the market does."""
    keys = rules(shift="breadth", max_shift=1.0, shift_from=0.2, shift_full=0.8, step=step / 100, step_up=step_up / 100)
    history, held, before = market(days=31), {"bitcoin": 1.0}, WAD
    for percent in breadths:
        after = exposed(keys, history, signals=signals(breadth=percent / 100), held=held)
        now = at_risk(after)
        # a line from 20 % to 80 % of the market below its mean, in whole percent
        target = WAD - min(max((100 - percent) - 20, 0), 60) * WAD // 60
        low, high = before - step * WAD // 100, before + step_up * WAD // 100
        assert abs(now - min(max(target, low), high)) < 10**7
        before, held = now, {name: weight / WAD for name, weight in after.items()}


def test_least_exposure_is_kept_and_named() -> None:
    """A11: soft rules stop at min_exposure; the buffer does not ask."""
    keys = rules(shift="phase", max_shift=0.8, min_exposure=0.5)
    answer = expose(WEIGHTS, keys, history=market(), signals=signals("bear"))
    assert at_risk(dict(answer.weights)) == WAD // 2
    assert answer.steps[-1].summary.endswith("80.00 % aside; risk.min_exposure keeps 50.00 %")
    assert at_risk(exposed(dataclasses.replace(keys, buffer=0.6), signals=signals("bear"))) == 4 * WAD // 10


def test_first_decision_goes_straight_to_the_target() -> None:
    """A4: nothing is held yet, so there is nothing to be gradual from."""
    assert at_risk(exposed(rules(shift="phase", max_shift=0.3, step=0.1), signals=signals("bear"))) == 7 * WAD // 10


def test_summary_tells_the_way_only_while_there_is_one() -> None:
    """M8, A4."""
    keys = rules(shift="phase", max_shift=0.3, step=0.1)
    there = expose(WEIGHTS, keys, history=market(), signals=signals("bear"), held={"bitcoin": 0.75, "dai": 0.25})
    assert there.steps[-1].summary.endswith("30.00 % aside")
    way = expose(WEIGHTS, keys, history=market(), signals=signals("bear"), held={"bitcoin": 0.95, "dai": 0.05})
    assert way.steps[-1].summary.endswith("Target 70.00 %, coming from 95.00 % in steps of 10.00 %")
    assert way.steps[-1].summary.startswith("85.00 % at risk: ")


def test_small_changes_inside_the_band_are_not_made() -> None:
    """A4, A5: hysteresis of the exposure, and the step says so."""
    keys = rules(shift="phase", max_shift=0.3, band=0.05)
    answer = expose(WEIGHTS, keys, history=market(), signals=signals("bear"), held={"bitcoin": 0.74, "dai": 0.26})
    assert at_risk(dict(answer.weights)) == 74 * WAD // 100
    assert "inside the band of 5.00 %" in answer.steps[-1].summary
    assert at_risk(exposed(keys, signals=signals("bear"), held={"bitcoin": 0.76, "dai": 0.24})) == 70 * WAD // 100


def test_change_as_large_as_the_band_is_made() -> None:
    """A4: the band leaves out smaller changes only."""
    keys = rules(shift="phase", max_shift=0.25, band=0.25)
    assert at_risk(exposed(keys, signals=signals("bear"), held={"bitcoin": 1.0})) == 75 * WAD // 100


def test_buffer_is_kept_even_inside_the_band() -> None:
    """A10."""
    after = exposed(rules(buffer=0.1, band=0.2), held={"bitcoin": 0.95, "dai": 0.05})
    assert at_risk(after) == 9 * WAD // 10


FULL = rules(
    buffer=0.02, mode="auto", conservative_above=0.6, aggressive_below=0.4, conservative_cut=1.2,
    volatility_target=0.5, shift="breadth", trim_above=1.0, min_effective=2.7, max_correlation=0.8, max_bet=0.6,
    drawdown_from=0.02, drawdown_limit=0.5, stop_loss=0.4, step=0.2, step_up=0.1, band=0.01,
)  # fmt: skip


def random_prices(days: int = 120) -> dict[str, Floats]:
    random = np.random.default_rng(11)
    found = {
        name: 50 * np.cumprod(1 + 0.03 * random.standard_normal(days)) for name in ("bitcoin", "ethereum", "solana")
    }
    found["usd_coin"] = 1 + 0.001 * random.standard_normal(days)
    found["dai"] = 1 + 0.001 * random.standard_normal(days)
    found["bitcoin"][20:23] = np.nan
    return found


def test_expose_with_every_rule_reads_nothing_older_than_it_says_it_needs() -> None:
    """Look-ahead rules: the answer is a function of the last `needs` days."""
    prices = random_prices(500)
    whole = history_of(**prices)
    kept = whole.tail(needs(FULL).days)
    poisoned = {
        name: np.concatenate([values[: -needs(FULL).days] * 7, values[-needs(FULL).days :]])
        for name, values in prices.items()
    }
    more = {"held": {"bitcoin": 0.5, "dai": 0.5}, "levels": (100.0, 95.0)}
    answers = [expose(WEIGHTS, FULL, history=each, **more) for each in (whole, kept, history_of(**poisoned))]  # type: ignore[arg-type]
    assert answers[0] == answers[1] == answers[2]
    assert sum(answers[0].weights.values()) == WAD
    assert {step.stage for step in answers[0].steps} >= {"concentration", "exposure"}


def test_expose_does_not_depend_on_order_or_on_what_else_is_in_the_history() -> None:
    """Look-ahead rules: order of rows and columns."""
    prices = random_prices()
    plain = expose(
        WEIGHTS, FULL, history=history_of(**prices), signals=signals(breadth=0.4), held={"bitcoin": 0.6, "dai": 0.4}
    )
    backwards = dict(reversed(WEIGHTS.items()))
    crowd = history_of(**prices, aave=random_prices()["bitcoin"] * 2, zcash=random_prices()["solana"])
    again = expose(backwards, FULL, history=crowd, signals=signals(breadth=0.4), held={"dai": 0.4, "bitcoin": 0.6})
    assert again == plain
    assert list(again.weights) == sorted(again.weights)


def test_expose_never_raises_a_coin_whatever_the_rules() -> None:
    """A10, W8: caps of the weights survive."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        prices = {
            name: 50 * np.cumprod(1 + 0.05 * random.standard_normal(120)) for name in ("bitcoin", "ethereum", "solana")
        }
        flat = np.ones(120)
        held = {"bitcoin": float(random.random()), "dai": float(random.random())}
        after = exposed(FULL, history_of(**prices, dai=flat, usd_coin=flat), held=held)
        assert sum(after.values()) == WAD
        assert all(after.get(name, 0) <= weight for name, weight in WEIGHTS.items())
        assert after["dai"] + after["usd-coin"] >= WAD // 50


def test_needs_names_the_longest_look_back() -> None:
    assert needs(rules(buffer=0.1)).days == 30
    assert needs(rules(mode="auto")).days == 366
    assert needs(rules(trim_above=1.0, trim_days=100)).days == 100
    assert needs(rules(stop_loss=0.2, breadth_days=100)).days == 30
    assert needs(rules(stop_loss=0.2, breadth_days=100, reenter_above_mean=True)).days == 101
    assert needs(rules(shift="breadth", breadth_days=100)).days == 101
    assert needs(rules(max_correlation=0.5, max_bet=0.5, correlation_days=100)).days == 101
    assert needs(rules(buffer=0.1)).fields == ("price",)
    assert names(rules(buffer=0.1)) == ("dai", "usd-coin")


def test_rules_say_what_they_remember() -> None:
    assert not uses_held(rules(buffer=0.1))
    assert uses_held(rules(buffer=0.1, step=0.5))
    assert not uses_held(RiskRules(step=0.5))
    assert uses_levels(rules(stop_loss=0.2))
    assert uses_levels(rules(drawdown_limit=0.2))
    assert not uses_levels(rules(buffer=0.1, step=0.5))
