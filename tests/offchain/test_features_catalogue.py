"""The catalogue of data points as a whole: what holds for every one of them.

declared      at least 80 · each says what it is · the first number comes after the declared warm-up
past only     a prefix gives the prefix · the last `lookback` days give the same bits · a poisoned future changes nothing
order         other coins in front or behind, and another order, change nothing
gaps          one unknown day is unknown for the declared window and for no day more
unknown       fields nobody filled, short histories and strange names are answered in words
"""

from __future__ import annotations

import ast
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from feature_histories import DAYS, IDS, LONGEST, NAMES, TAGS, built, clean, cut, same, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.canonical import keccak_hex
from offchain.errors import MissingHistory, UnknownFeature
from offchain.features import (
    FEATURES,
    GROUPS,
    catalogue,
    catalogue_hash,
    catalogue_table,
    compute,
    compute_panel,
    compute_panels,
    needs,
    standardise,
    why_unknown,
)
from offchain.features.catalogue import VERSION
from offchain.features.feature import CARRY_DAYS
from offchain.features.page import catalogue_page
from offchain.features.windows import natural_log, significant
from offchain.market import Market
from offchain.market.fields import PANELS, SERIES
from offchain.market.history import Floats, History, Needs
from tests.fuzz import examples


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


@settings(max_examples=examples(25))
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


@pytest.mark.parametrize("poison", ["unknown", "times", "shuffled"])
def test_a_poisoned_future_changes_nothing_before_it(poison: str) -> None:
    """D13, M6: everything after a day is unknown, about a thousand times larger or in another order: the rows up to it stay."""
    history, stop = clean(), LONGEST + 20
    dice = np.random.Generator(np.random.PCG64(5))

    def poisoned(values: Floats) -> Floats:
        answer = values.copy()
        if poison == "unknown":
            answer[stop:] = np.nan
        elif poison == "times":
            answer[stop:] *= dice.uniform(500.0, 1_500.0, answer[stop:].shape)
        else:
            dice.shuffle(answer[stop:])
        return answer

    other = built(
        {name: poisoned(values) for name, values in history.panels.items()},
        {name: poisoned(values) for name, values in history.series.items()},
    )
    panels = compute_panels(other, NAMES, tags=TAGS)
    for name in NAMES:
        assert same(panels[name][:stop], whole(name)[:stop]), name
    changed = [name for name in NAMES if not same(panels[name][stop:], whole(name)[stop:])]
    # all but those that only look at fields which this poison leaves as they are
    assert len(changed) > 0.9 * len(NAMES)


RENAMED = {
    "aave": "zeta",
    "cardano": "beta",
    "dogecoin": "alpha",
    "ethereum": "tau",
    "solana": "omega",
    "uniswap": "iota",
}


def test_another_order_of_the_coins_changes_nothing() -> None:
    """D13: with other names the coins stand in another order; each keeps the bits of all its values."""
    history = cut(clean(), LONGEST + DAYS)
    renamed = [RENAMED.get(coin, coin) for coin in IDS]
    order = sorted(range(len(IDS)), key=renamed.__getitem__)
    assert order != sorted(order)
    other = built(
        {name: values[:, order].copy() for name, values in reversed(history.panels.items())},
        {name: values.copy() for name, values in reversed(history.series.items())},
        tuple(renamed[column] for column in order),
    )
    tags = {RENAMED.get(coin, coin): TAGS[coin] for coin in reversed(TAGS)}
    for name in NAMES:
        assert same(compute_panel(other, name, tags=tags), whole(name)[:, order]), name


def test_a_coin_alone_has_the_same_bits_as_among_others() -> None:
    """D13: what reads only the coin itself does not depend on who else is in the history."""
    alone = clean().part(ids=["solana"])
    own = [name for name in NAMES if not FEATURES[name].market]
    assert len(own) > 120
    for name, panel in compute_panels(alone, own).items():
        assert same(panel[:, 0], whole(name)[:, IDS.index("solana")]), name


def test_a_coin_of_which_nothing_is_known_changes_nothing() -> None:
    history = clean()
    empty = np.full((len(history), 1), np.nan)
    other = built(
        {name: np.hstack([empty, values]) for name, values in history.panels.items()},
        dict(history.series),
        ("0-unknown", *IDS),
    )
    for name in NAMES:
        assert same(compute_panel(other, name, tags=TAGS)[:, 1:], whole(name)), name


OWN_FIELDS = [(name, field) for name in NAMES for field in sorted(FEATURES[name].fields)]


@pytest.mark.parametrize(("name", "field"), OWN_FIELDS)
def test_one_unknown_day_is_unknown_for_the_declared_window_and_no_day_more(name: str, field: str) -> None:
    """D12: a gap is NaN for exactly as many days as this field is read, then the value is back; other coins keep theirs."""
    feature = FEATURES[name]
    window = feature.fields[field]
    days, gap, coin = feature.lookback + window + 3, feature.lookback + 1, IDS.index("ethereum")
    history = cut(clean(), min(days, len(clean())))
    before = compute_panel(history, name, tags=TAGS)
    panels = {key: values.copy() for key, values in history.panels.items()}
    panels[field][gap, coin] = np.nan
    after = compute_panel(built(panels, dict(history.series)), name, tags=TAGS)
    unknown = np.flatnonzero(np.isnan(after[:, coin]) & ~np.isnan(before[:, coin]))
    assert unknown.tolist() == list(range(gap, min(gap + window, len(history))))
    others = [column for column in range(len(IDS)) if column != coin]
    assert same(np.isnan(after[:, others]), np.isnan(before[:, others]))
    if field not in feature.market:
        assert same(after[:, others], before[:, others])
        assert same(after[gap + window :, coin], before[gap + window :, coin])


COUNTED = [(name, field) for name in NAMES for field in FEATURES[name].counted]


@pytest.mark.parametrize(("name", "field"), COUNTED)
def test_a_counted_unknown_day_is_no_gap(name: str, field: str) -> None:
    history = clean()
    panels = {key: values.copy() for key, values in history.panels.items()}
    panels[field][-3, :] = np.nan
    assert not np.isnan(compute(built(panels, dict(history.series)), [name]).values).any()


@pytest.mark.parametrize("name", sorted(name for name in NAMES if set(FEATURES[name].market) & set(SERIES)))
def test_a_series_is_late_by_its_lag_and_carried_on_for_a_week(name: str) -> None:
    """D6: the newest day of a series counts only when it was known; a holiday of seven days is bridged, an eighth is not."""
    feature, history = FEATURES[name], clean()
    (series,) = set(feature.market) & set(SERIES)
    lag = SERIES[series].lag_days
    row = feature.lookback + 20

    def with_gap(first: int, days: int) -> Floats:
        lines = {key: values.copy() for key, values in history.series.items()}
        lines[series][first : first + days] = np.nan
        return compute_panel(built(dict(history.panels), lines), name)

    # what is not known yet on this day must not matter on it
    assert same(with_gap(row - lag + 1, lag)[row], whole(name)[row])
    last_known = row - lag - CARRY_DAYS
    assert not np.isnan(with_gap(last_known + 1, CARRY_DAYS)[row]).any()
    assert np.isnan(with_gap(last_known, CARRY_DAYS + 1)[row]).all()


def test_without_tags_or_bitcoin_the_reason_says_so() -> None:
    """D10: sector strength needs the tags; M9: bitcoin's share needs bitcoin."""
    history = clean().part(ids=["aave", "solana", "uniswap"])
    frame = compute(history, ["sector_strength_30d", "bitcoin_dominance", "beta_bitcoin_90d", "return_1d"])
    absent = 'needs "bitcoin", which is not among the 3 coins of the history'
    assert frame.missing == {
        "sector_strength_30d": "needs the tags of the coins",
        "bitcoin_dominance": absent,
        "beta_bitcoin_90d": absent,
    }


def test_no_coin_and_no_day_are_answered_too() -> None:
    history = clean()
    assert compute(history.part(ids=[]), NAMES).missing["return_1d"] == "the history has no coin"
    assert compute(history.tail(0), ["return_1d"]).missing["return_1d"] == "needs 2 days, the history has 0"
    assert compute(history, []).values.shape == (len(IDS), 0)


def test_one_coin_of_which_a_day_is_unknown_is_told_why() -> None:
    """S10, M8: an absent number is explained, for the coin and the day count."""
    panels = {key: values.copy() for key, values in clean().panels.items()}
    panels["price"][-5, IDS.index("solana")] = np.nan
    panels["price"][:, IDS.index("cardano")] = 3.0
    history = built(panels, {})
    assert why_unknown(history, "momentum_30d", "bitcoin") == ""
    assert why_unknown(history, "momentum_30d", "solana") == (
        "price is known for the newest 4 of 31 days without a gap"
    )
    assert why_unknown(history, "bollinger_b_20", "cardano").startswith(
        "it has no value with these numbers (Place of the"
    )
    assert why_unknown(history.tail(10), "momentum_30d", "solana") == "needs 31 days, the history has 10"
    frame = compute(history, ["momentum_30d", "return_1d"])
    assert set(frame.row("solana")) == {"return_1d"}
    with pytest.raises(MissingHistory, match='no coin "solna" among 7 in this frame. Did you mean "solana"'):
        frame.row("solna")
    with pytest.raises(UnknownFeature, match='"rsi_14" is not in this frame; it has momentum_30d, return_1d'):
        frame.column("rsi_14")


def test_a_published_history_gives_the_published_numbers() -> None:
    """M6: the JSON of a history of `needs` days recomputes the same bits."""
    asked = [name for name in NAMES if FEATURES[name].lookback <= 120]
    looked = needs(asked)
    days = clean().tail(looked.days)
    published = built(
        {name: days.panels[name].copy() for name in looked.fields if name in PANELS},
        {name: days.series[name].copy() for name in looked.fields if name in SERIES},
    )
    again = compute(History.from_json(published.to_json()), asked, tags=TAGS)
    assert same(again.values, compute(clean(), asked, tags=TAGS).values)
    assert again.catalogue_hash == catalogue_hash(asked)


def test_the_frame_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        compute(clean(), ["return_1d"]).values[0, 0] = 1.0


@given(
    st.lists(st.floats(min_value=-1e6, max_value=1e6) | st.just(float("nan")), min_size=1, max_size=12), st.randoms()
)
def test_scores_do_not_depend_on_the_order_and_keep_what_is_unknown(values: list[float], dice: random.Random) -> None:
    """D10: cross-sectional scores; a shuffled cross section has shuffled scores, bit for bit."""
    order = list(range(len(values)))
    dice.shuffle(order)
    x = np.array(values)
    for how, bound in (("robust_z", 3.0), ("rank", 1.0)):
        scores = standardise(x, how=how)
        assert same(standardise(x[order], how=how), scores[order])
        assert same(np.isnan(scores), np.isnan(x))
        assert np.nanmax(np.abs(scores), initial=0.0) <= bound
        assert same(standardise(np.stack([x, x]), how=how, axis=1)[1], scores)
    known = np.sort(x[~np.isnan(x)])
    assert np.all(np.diff(np.sort(standardise(x, how="rank")[~np.isnan(x)])) >= 0)
    assert len(known) == 0 or abs(np.nansum(standardise(x, how="rank"))) < 1e-9 * len(known) + 1e-9


def test_scores_of_a_few_numbers_by_hand() -> None:
    nan = float("nan")
    # median 3, distances 2 1 0 1 97, MAD 1
    expected = [-2 / 1.482602218505602, -1 / 1.482602218505602, 0.0, 1 / 1.482602218505602, 3.0, nan]
    np.testing.assert_allclose(standardise(np.array([1.0, 2.0, 3.0, 4.0, 100.0, nan])), expected, rtol=1e-11)
    # median 1, MAD 0, mean distance 1.8 / 6 = 0.3
    mostly = standardise(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 2.8]))
    np.testing.assert_allclose(mostly, [0, 0, 0, 0, 0, 3.0])
    np.testing.assert_array_equal(standardise(np.array([7.0, 7.0, nan])), [0.0, 0.0, nan])
    # mid-ranks 1, 2.5, 2.5, 4 of 4
    ranks = standardise(np.array([1.0, 5.0, 5.0, 9.0, nan]), how="rank")
    np.testing.assert_array_equal(ranks, [-0.75, 0.0, 0.0, 0.75, nan])
    with pytest.raises(ValueError, match='how="z" is neither of robust_z, rank'):
        standardise(np.zeros(3), how="z")


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_the_logarithm_of_four_operations_is_the_logarithm(value: float) -> None:
    assert natural_log(np.array([value]))[0] == pytest.approx(math.log(value), rel=5e-16, abs=1e-300)


def test_the_logarithm_of_nothing_is_unknown() -> None:
    assert np.isnan(natural_log(np.array([0.0, -1.0, float("nan")]))).all()


def dirty(seed: int, days: int = 150) -> History:
    """Holes, zeros, a thousandfold day, a coin that dies and one that comes late, in all fields."""
    history, dice = cut(clean(), days), np.random.Generator(np.random.PCG64(seed))
    panels = {}
    for name, values in history.panels.items():
        spoilt = values.copy()
        spoilt[dice.random(values.shape) < 0.01] = np.nan
        spoilt[dice.random(values.shape) < 0.01] = 0.0
        spoilt[dice.random(values.shape) < 0.002] *= 1_000.0
        spoilt[dice.integers(60, days) :, 0] = np.nan
        spoilt[: dice.integers(1, 60), 5] = np.nan
        panels[name] = spoilt
    series = {name: values.copy() for name, values in history.series.items()}
    for line in series.values():
        line[dice.random(days) < 0.2] = np.nan
    return built(panels, series)


@settings(max_examples=examples(8))
@given(st.integers(min_value=0, max_value=10**6), st.integers(min_value=1, max_value=150))
def test_a_prefix_of_dirty_data_gives_the_prefix_too(seed: int, stop: int) -> None:
    """D12, D13: holes, zeros and jumps included, for all rows of all features that 150 days are enough for."""
    history = dirty(seed)
    names = [name for name in NAMES if FEATURES[name].lookback <= 150]
    whole_panels, prefix = (
        compute_panels(history, names, tags=TAGS),
        compute_panels(cut(history, stop), names, tags=TAGS),
    )
    for name in names:
        assert same(prefix[name], whole_panels[name][:stop]), name
        assert not np.isinf(whole_panels[name]).any(), name


def test_a_decision_of_june_reads_what_a_history_of_july_says_about_june(real_market: Market) -> None:
    """D13, M6: 365 real coins: computed on the day, and looked up in a panel of three weeks later, the bits are the same."""
    fields = ("price", "market_cap", "volume")
    coins = {"bitcoin", *real_market.ids[::6]}
    then = real_market.history("2021-06-10", days=130, fields=fields, ids=coins)
    later = real_market.history("2021-07-01", days=151, fields=fields, ids=coins)
    assert len(later.ids) > len(then.ids)
    columns = [later.column(coin) for coin in then.ids]
    names = [name for name in NAMES if FEATURES[name].lookback <= 130 and set(FEATURES[name].reads) <= set(fields)]
    assert len(names) > 80
    frame = compute(then, names, tags={})
    row = later.dates.index(then.dates[-1])
    panels = compute_panels(later.tail(len(later)), names, tags={})
    for name in names:
        assert same(panels[name][row, columns], frame.column(name)), name


def numbers() -> dict[str, str]:
    """{feature: the first digits of keccak256 of all its values on clean data, NaN as one and the same}."""
    panels = {name: np.where(np.isnan(whole(name)), np.nan, whole(name)) for name in NAMES}
    return {name: keccak_hex(panel.astype("<f8").tobytes().hex())[2:14] for name, panel in panels.items()}


def published() -> dict[str, str]:
    """What they were when this version was published. A change in there changes decisions that others hold."""
    file = Path(__file__).with_name(f"features_v{VERSION}.json")
    return cast("dict[str, str]", json.loads(file.read_text(encoding="utf-8")))


def test_the_numbers_of_this_version_stay_what_they_are() -> None:
    """M5, M6: whoever changes a number raises VERSION, and with it catalogue_hash: a model trained on the old ones is refused."""
    now = numbers()
    assert {name for name, digits in published().items() if now.get(name) != digits} == set()
    assert set(now) == set(published()), "a new feature: add its line to the file"


def test_an_older_processor_gives_the_same_numbers() -> None:
    """M6: without any of the newer instructions that numpy and the C library would use, each of the features has the same twelve digits."""
    newer = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    program = "import test_features_catalogue as t; import json; print(json.dumps(t.numbers()))"
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "NPY_DISABLE_CPU_FEATURES": " ".join(newer),
            "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX2_Usable,-FMA_Usable",
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == published()


def test_features_read_a_history_and_nothing_else_of_the_market() -> None:
    """D13: no way to a market, and through it to a day that is not known yet."""
    folder = Path(catalogue.__file__).parent
    seen = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("offchain.market"):
                seen.add(node.module)
    assert seen == {"offchain.market.fields", "offchain.market.history"}


def test_the_page_of_the_catalogue_is_current() -> None:
    """T11, D8: docs/features.md is generated; after a change write `catalogue_page()` into it."""
    page = Path(__file__).resolve().parents[2] / "docs" / "features.md"
    assert page.read_text(encoding="utf-8") == catalogue_page()
    assert all(f"| `{name}` |" in catalogue_page() for name in FEATURES)
