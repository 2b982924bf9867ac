"""Every limit at once.

fit               Σ = 1e18 · no bound, no group broken by a wei · free names exactly in proportion · says when nothing fits
project           the same in floats
turnover          the nearest weights within the limits · the longest step that max_turnover allows
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from offchain.errors import InfeasibleWeights
from offchain.weights import Limits, fit, limit_weights, project
from offchain.weights.fitting import NO_GROUP, _guess, _settle, least_turnover
from offchain.weights.turnover import approach, change_bounds, nearest
from tests.fuzz import examples

WAD = 10**18


@st.composite
def any_case(draw: st.DrawFn) -> tuple[list[int], Limits]:
    """(raw, limits) with up to four groups; about half of them fit, and bounds often bind."""
    count = draw(st.integers(min_value=1, max_value=20))
    groups = draw(st.integers(min_value=0, max_value=4))
    raw = draw(st.lists(st.integers(min_value=1, max_value=10**15), min_size=count, max_size=count))
    permille = st.integers(min_value=0, max_value=1000)
    upper = [draw(permille) * WAD // 250 // count for _ in range(count)]
    lower = [min(high, draw(permille) * WAD // 2500 // count) for high in upper]
    caps = [draw(permille) * WAD // 1000 for _ in range(groups)]
    floors = [min(cap, draw(permille) * WAD // 5000) for cap in caps]
    return raw, Limits(
        lower=tuple(lower),
        upper=tuple(min(WAD, high) for high in upper),
        groups=tuple(draw(st.integers(min_value=NO_GROUP, max_value=groups - 1)) for _ in range(count))
        if groups
        else (),
        group_lower=tuple(floors),
        group_upper=tuple(caps),
    )


def constraints(limits: Limits) -> tuple[np.ndarray, np.ndarray]:
    """A·w ≤ b of the groups, in whole weights."""
    rows, bounds = [np.zeros(len(limits.lower))], [0.0]
    for group, names in enumerate(limits.members):
        row = np.zeros(len(limits.lower))
        row[list(names)] = 1.0
        rows += [row, -row]
        bounds += [limits.group_upper[group] / WAD, -limits.group_lower[group] / WAD]
    return np.array(rows), np.array(bounds)


@settings(max_examples=examples(150))
@given(any_case())
def test_fit_refuses_exactly_what_a_linear_program_calls_infeasible(case: tuple[list[int], Limits]) -> None:
    """W8: whenever an independent solver finds no weights within caps, floors and groups, we say so, and the reverse."""
    raw, limits = case
    matrix, bounds = constraints(limits)
    # the program works to 1e-7: cases nearer than that to the edge of feasibility say nothing
    least, most = limits.range()
    if min(abs(least - WAD), abs(most - WAD)) < 10**12:
        return
    if any(0 < abs(a - b) < 10**12 for group in range(len(limits.members)) for a, b in [limits.group_range(group)]):
        return
    answer = linprog(
        np.zeros(len(raw)),
        A_ub=matrix,
        b_ub=bounds,
        A_eq=np.ones((1, len(raw))),
        b_eq=[1.0],
        bounds=[(low / WAD, high / WAD) for low, high in zip(limits.lower, limits.upper, strict=True)],
    )
    assert limits.is_feasible() == (answer.status == 0)
    if answer.status != 0:
        with pytest.raises(InfeasibleWeights):
            fit(raw, limits)


@settings(max_examples=examples(150))
@given(any_case())
def test_fit_breaks_no_limit_by_a_wei(case: tuple[list[int], Limits]) -> None:
    """W8, W11: caps, floors and groups in integers, Σ = 1e18."""
    raw, limits = case
    if limits.is_feasible():
        weights = fit(raw, limits)
        assert sum(weights) == WAD
        assert all(low <= w <= high for low, w, high in zip(limits.lower, weights, limits.upper, strict=True))
        for group, names in enumerate(limits.members):
            assert limits.group_lower[group] <= sum(weights[index] for index in names) <= limits.group_upper[group]


@settings(max_examples=examples(150))
@given(any_case())
def test_fit_is_the_nearest_to_raw_in_relative_entropy(case: tuple[list[int], Limits]) -> None:
    """W8: the conditions of optimality of the projection, as exact ratios w / raw: no transfer between two names that both the
    bounds and the groups allow goes from a higher ratio to a lower one."""
    raw, limits = case
    if not limits.is_feasible():
        return
    weights = fit(raw, limits)
    sums = [sum(weights[index] for index in names) for names in limits.members]
    few = len(raw)  # wei that rounding may have moved

    def group(index: int) -> int:
        return limits.groups[index] if limits.groups else NO_GROUP

    for giver in range(len(raw)):
        for taker in range(len(raw)):
            if weights[giver] - few <= limits.lower[giver] or weights[taker] + few >= limits.upper[taker]:
                continue
            if group(giver) != group(taker):
                if group(giver) != NO_GROUP and sums[group(giver)] - few <= limits.group_lower[group(giver)]:
                    continue
                if group(taker) != NO_GROUP and sums[group(taker)] + few >= limits.group_upper[group(taker)]:
                    continue
            assert Fraction(weights[giver] - few, raw[giver]) <= Fraction(weights[taker] + few, raw[taker])


@settings(max_examples=examples(100))
@given(any_case())
def test_project_is_fit_in_floats(case: tuple[list[int], Limits]) -> None:
    raw, limits = case
    if limits.is_feasible():
        floats = project(
            np.array(raw, dtype=np.float64),
            lower=np.array(limits.lower) / WAD,
            upper=np.array(limits.upper) / WAD,
            groups=np.array(limits.groups) if limits.members else None,
            group_lower=np.array(limits.group_lower) / WAD,
            group_upper=np.array(limits.group_upper) / WAD,
        )
        assert np.abs(floats - np.array(fit(raw, limits)) / WAD).max() <= 1e-12


@settings(max_examples=examples(60))
@given(any_case(), st.randoms())
def test_fit_gives_each_name_the_same_in_any_order_and_scale(case: tuple[list[int], Limits], random: object) -> None:
    raw, limits = case
    if not limits.is_feasible():
        return
    # distinct, so that the tie-break by position has nothing to decide
    raw = [value * 64 + index for index, value in enumerate(raw)]
    order = list(range(len(raw)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = Limits(
        lower=tuple(limits.lower[index] for index in order),
        upper=tuple(limits.upper[index] for index in order),
        groups=tuple(limits.groups[index] for index in order) if limits.groups else (),
        group_lower=limits.group_lower,
        group_upper=limits.group_upper,
    )
    weights = fit(raw, limits)
    assert fit([raw[index] * 977 for index in order], shuffled) == [weights[index] for index in order]


def big(seed: int, *, groups: int) -> tuple[list[int], Limits]:
    """A thousand names or fewer with bounds of their own, enough for floats to guess first."""
    rng = np.random.default_rng(seed)
    while True:
        count = int(rng.integers(70, 300))
        caps = [int(rng.uniform(0.6, 3.0) / (groups + 1) * WAD) for _ in range(groups)]
        limits = Limits(
            lower=tuple(int(rng.uniform(0, 0.3) / count * WAD) for _ in range(count)),
            upper=tuple(int(rng.uniform(1, 6) / count * WAD) for _ in range(count)),
            groups=tuple(int(rng.integers(-1, groups)) for _ in range(count)) if groups else (),
            group_lower=tuple(int(min(rng.uniform(0, 0.7) / (groups + 1) * WAD, cap)) for cap in caps),
            group_upper=tuple(caps),
        )
        if limits.is_feasible():
            return [int(value * 1e15) + 1 for value in np.exp(rng.normal(0, 2, count))], limits


@pytest.mark.parametrize("groups", [0, 5])
def test_what_floats_guess_and_integers_prove_is_what_integers_find_alone(groups: int) -> None:
    for seed in range(25):
        raw, limits = big(seed, groups=groups)
        answers = []
        for pools in (_guess(raw, limits, WAD), _settle(raw, limits, WAD)):
            assert pools is not None
            weights = [0] * len(raw)
            for pool in pools:
                pool.fill(weights, raw, limits)
            answers.append(weights)
        assert answers[0] == answers[1] == fit(raw, limits)


@settings(max_examples=examples(60))
@given(
    st.lists(st.integers(min_value=1, max_value=10**20), min_size=1, max_size=12), st.integers(1, 4), st.integers(0, 9)
)
def test_fit_with_the_same_bounds_for_all_is_limit_weights(raw: list[int], loose: int, tenths: int) -> None:
    cap, floor = min(WAD, loose * -(-WAD // len(raw))), WAD // len(raw) * tenths // 10
    limits = Limits(lower=(floor,) * len(raw), upper=(cap,) * len(raw))
    assert fit(raw, limits) == limit_weights(raw, cap=cap, floor=floor)


def test_fit_given_a_group_cap_hands_its_excess_to_the_others_pro_rata() -> None:
    # memes weigh 30 + 20 of 100 and may weigh 20: they keep 3:2 inside, the others share 80 as 40:10
    limits = Limits(
        lower=(0,) * 4, upper=(WAD,) * 4, groups=(0, 0, NO_GROUP, NO_GROUP), group_lower=(0,), group_upper=(WAD // 5,)
    )
    assert fit([30, 20, 40, 10], limits) == [12 * WAD // 100, 8 * WAD // 100, 64 * WAD // 100, 16 * WAD // 100]


def test_fit_given_a_group_floor_takes_it_from_the_others_pro_rata() -> None:
    limits = Limits(
        lower=(0,) * 3, upper=(WAD,) * 3, groups=(0, NO_GROUP, NO_GROUP), group_lower=(WAD // 2,), group_upper=(WAD,)
    )
    assert fit([20, 60, 20], limits) == [WAD // 2, 375 * WAD // 1000, 125 * WAD // 1000]


# --- turnover ---------------------------------------------------------------------------------------------------------


@st.composite
def held_case(draw: st.DrawFn) -> tuple[list[int], Limits, list[int], int]:
    """(target, limits, held by members, held by others)."""
    raw, limits = draw(any_case().filter(lambda case: case[1].is_feasible()))
    leaving = draw(st.sampled_from([0, 0, WAD // 20, WAD // 4]))
    before = draw(st.lists(st.integers(min_value=1, max_value=10**6), min_size=len(raw), max_size=len(raw)))
    return fit(raw, limits), limits, limit_weights(before, total=WAD - leaving), leaving


@settings(max_examples=examples(100))
@given(held_case())
def test_nearest_is_within_the_limits_and_no_linear_program_comes_nearer(
    case: tuple[list[int], Limits, list[int], int],
) -> None:
    target, limits, held, _ = case
    weights = nearest(held, target, limits)
    assert limits.violation(weights) == 0
    distance = sum(abs(a - b) for a, b in zip(weights, held, strict=True))
    assert distance == least_turnover(held, limits)
    count = len(held)
    matrix, bounds = constraints(limits)
    eye, now = np.eye(count), np.array(held) / WAD
    answer = linprog(
        np.r_[np.zeros(count), np.ones(count)],
        A_ub=np.vstack([np.c_[eye, -eye], np.c_[-eye, -eye], np.c_[matrix, np.zeros_like(matrix)]]),
        b_ub=np.concatenate([now, -now, bounds]),
        A_eq=np.r_[np.ones(count), np.zeros(count)][None],
        b_eq=[1.0],
        bounds=[(low / WAD, high / WAD) for low, high in zip(limits.lower, limits.upper, strict=True)]
        + [(0.0, None)] * count,
    )
    assert abs(answer.fun - distance / WAD) <= 1e-6


@settings(max_examples=examples(100))
@given(held_case(), st.integers(min_value=1, max_value=WAD))
def test_approach_uses_the_turnover_it_is_given_and_not_a_wei_more(
    case: tuple[list[int], Limits, list[int], int], most: int
) -> None:
    """W8: max_turnover counts one way, coins that left included; it yields only to what the limits force."""
    target, limits, held, leaving = case
    weights, allowed = approach(target, held, limits, leaving=leaving, max_turnover=most)
    moved = sum(abs(a - b) for a, b in zip(weights, held, strict=True)) + leaving
    forced = least_turnover(held, limits) + leaving
    assert limits.violation(weights) == 0
    assert moved <= 2 * allowed
    assert allowed == max(most, -(-forced // 2))
    if weights != target:
        # all of it is used, but for a few wei of rounding; unless what is forced is all there is
        assert moved >= min(2 * allowed, 2 * most) - 3 * len(held) or moved == forced


def test_approach_goes_the_same_part_of_the_way_for_every_coin() -> None:
    limits = Limits(lower=(0,) * 3, upper=(WAD,) * 3)
    held, target = [WAD // 2, WAD * 3 // 10, WAD // 5], [WAD // 10, WAD * 4 // 10, WAD // 2]
    # 40 points one way in all; 10 are allowed: a quarter of each way
    weights, allowed = approach(target, held, limits, leaving=0, max_turnover=WAD // 10)
    assert allowed == WAD // 10
    for weight, expected in zip(weights, (0.4, 0.325, 0.275), strict=True):
        assert abs(weight / WAD - expected) < 1e-15


def test_change_bounds_restores_a_broken_cap_before_it_keeps_to_the_change() -> None:
    limits = Limits(lower=(0,) * 3, upper=(WAD // 2,) * 3)
    held = [WAD * 7 // 10, WAD * 2 // 10, WAD // 10]
    bounded, needed = change_bounds(limits, held, WAD // 10)
    assert needed == WAD // 10
    assert (bounded.lower[0], bounded.upper[0]) == (WAD // 2, WAD // 2)
    assert (bounded.lower[1], bounded.upper[1]) == (WAD // 10, WAD * 3 // 10)


def test_change_bounds_that_cannot_hold_give_the_least_that_can() -> None:
    # a coin with 30 % left; two members may take 5 points each: not enough, 15 points each are
    limits = Limits(lower=(0, 0), upper=(WAD, WAD))
    bounded, needed = change_bounds(limits, [WAD * 4 // 10, WAD * 3 // 10], WAD // 20)
    assert needed == 15 * WAD // 100
    assert bounded.upper == (55 * WAD // 100, 45 * WAD // 100)
