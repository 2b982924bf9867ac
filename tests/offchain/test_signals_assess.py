"""Labels of coins by written rules.

[signals]     reads the table · names every mistake
assess        a weighted mean, squashed · labels · ties · hysteresis · parts and reason
not known     a missing feature does not vote · too little is neutral · age · too few coins · nothing at all
look-ahead    the end of a longer history · the order of coins
phase         the four, each by the numbers of its table
real          rules on 2021, on-chain rules on 2016 to 2019
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from signal_histories import cut, history_of, random_walk, renamed

from offchain.errors import ModelError, SpecError, UnknownFeature
from offchain.features import compute, compute_panels, standardise
from offchain.market import Market, load_onchain
from offchain.market.files import DATA_VARIABLE, market_folder
from offchain.market.history import History
from offchain.signals import assess, label_of, lenses, market_phase, needs
from offchain.signals.phase import market_level
from offchain.spec import parse_spec
from offchain.spec.signal_rules import SignalRules

USE = (("momentum_30d", 0.5), ("rsi_14", -0.2), ("volatility_30d", -0.3))
RULES = SignalRules(mode="rules", use=USE)
LEAST = '[index]\nname = "Test"\nsymbol = "TST"\n[universe]\ntop = 10\n'


@pytest.fixture(scope="module")
def history() -> History:
    return history_of(random_walk())


# --- [signals] ------------------------------------------------------------------------------------------------------


def test_signals_section_keeps_features_by_name_whatever_their_order_in_the_file() -> None:
    """M6: the same rules are the same index, however they are typed."""
    one = parse_spec(LEAST + '[signals]\nmode = "rules"\nuse = { rsi_14 = -0.2, momentum_30d = 0.5 }\n')
    other = parse_spec(LEAST + '[signals]\nuse = { momentum_30d = 0.5, rsi_14 = -0.2 }\nmode = "rules"\n')
    assert one.signals.use == (("momentum_30d", 0.5), ("rsi_14", -0.2))
    assert one.spec_hash == other.spec_hash


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ('mode = "rules"', "every coin would be neutral"),
        ('mode = "model"', "without signals.model or signals.model_hash"),
        ("use = { rsi_14 = 0.2 }", 'no effect while signals.mode = "off"'),
        ('mode = "rules"\nuse = { rsi_14 = 2.0 }', "rsi_14 = 2.0: write a number from -1 to 1"),
        ('mode = "rules"\nuse = { RSI = 0.2 }', "a feature of the catalogue"),
        ('mode = "rules"\nuse = 3', "write a table of names and numbers"),
        ('mode = "rules"\nuse = { rsi_14 = 0.2 }\nexclude = ["bearish", "neutral", "bullish"]', "names every label"),
        ('mode = "rules"\nuse = { rsi_14 = 0.2 }\nhysteresis = 0.3', "above the nearer threshold 0.2"),
        ('mode = "model"\nmodel = "model.pickle"', "ends in .json"),
        ('mode = "model"\nmodel_hash = "0x12"', "64 hex digits"),
    ],
)
def test_signals_section_with_a_mistake_says_the_way_out(lines: str, part: str) -> None:
    with pytest.raises(SpecError) as refusal:
        parse_spec(LEAST + f"[signals]\n{lines}\n")
    assert part in str(refusal.value)


# --- assess ---------------------------------------------------------------------------------------------------------


def test_assess_score_is_the_squashed_weighted_mean_of_what_is_compared(history: History) -> None:
    """S5, M1, M9: the score by independent arithmetic, and its parts sum to it."""
    names = [name for name, _ in USE]
    compared = standardise(compute(history, names).values)
    signals = assess(history, RULES)
    for row, coin in enumerate(history.ids):
        mean = 0.5 * compared[row, 0] - 0.2 * compared[row, 1] - 0.3 * compared[row, 2]
        signal = signals.signals[coin]
        assert signal.score == pytest.approx(mean / math.sqrt(1 + mean**2), abs=2e-6)
        assert sum(signal.parts.values()) == pytest.approx(signal.score, abs=3e-6)
        assert signal.conviction == abs(signal.score)
        assert not signal.is_fallback


def test_assess_probabilities_sum_to_one_and_labels_follow_the_thresholds(history: History) -> None:
    """M1: each coin is bullish, neutral or bearish, and with a normal spread of scores some are each."""
    signals = assess(history, RULES).signals.values()
    assert {signal.label for signal in signals} == {"bullish", "neutral", "bearish"}
    for signal in signals:
        assert round(1e6 * (signal.p_bearish + signal.p_neutral + signal.p_bullish)) == 1_000_000
        expected = "bullish" if signal.score > 0.2 else "bearish" if signal.score < -0.2 else "neutral"
        assert signal.label == expected
        assert signal.score == round(signal.score, 6)


@pytest.mark.parametrize(
    ("score", "before", "label"),
    [
        (0.2, "neutral", "neutral"),
        (0.200001, "neutral", "bullish"),
        (-0.2, "neutral", "neutral"),
        (-0.200001, "neutral", "bearish"),
        (0.15, "bullish", "bullish"),
        (0.1, "bullish", "neutral"),
        (0.15, "bearish", "neutral"),
        (-0.15, "bearish", "bearish"),
        (-0.25, "bullish", "bearish"),
    ],
)
def test_label_of_a_tie_is_neutral_and_the_label_before_has_hysteresis(score: float, before: str, label: str) -> None:
    """M6, A4: a label does not flicker around its threshold, and never outlives the opposite one."""
    assert label_of(score, replace(RULES, hysteresis=0.1), before=before) == label


def test_assess_keeps_a_label_within_hysteresis_and_says_so(history: History) -> None:
    plain = assess(history, RULES).signals
    near = min((s for s in plain.values() if 0.0 < s.score < 0.2), key=lambda s: 0.2 - s.score)
    rules = replace(RULES, hysteresis=0.2)
    kept = assess(history, rules, previous={near.id: "bullish"}).signals[near.id]
    assert (near.label, kept.label) == ("neutral", "bullish")
    assert "so it stays bullish" in kept.reason


def test_assess_gives_every_coin_a_sentence_that_names_what_counts_most(history: History) -> None:
    """M8: why each coin has its label, with the numbers."""
    for signal in assess(history, RULES).signals.values():
        most = max(signal.parts, key=lambda name: (abs(signal.parts[name]), name))
        assert signal.reason.startswith(f"{signal.label}: score {signal.score:+.3f}")
        assert f"{most} {signal.parts[most]:+.3f}" in signal.reason


def test_assess_of_an_unknown_feature_names_the_nearest(history: History) -> None:
    with pytest.raises(UnknownFeature, match='Did you mean "momentum_30d"'):
        assess(history, replace(RULES, use=(("momentum_30", 1.0),)))


def test_assess_by_a_model_without_one_is_refused(history: History) -> None:
    with pytest.raises(ModelError, match="no model was given"):
        assess(history, SignalRules(mode="model", model="a.json"))


def test_signals_that_are_off_need_nothing_and_say_nothing(history: History) -> None:
    assert not needs(SignalRules())
    signals = assess(history, SignalRules())
    assert {signal.label for signal in signals.signals.values()} == {"neutral"}
    assert signals.findings == ()


def test_lenses_are_the_score_by_kind_of_data(history: History) -> None:
    """S5, M9: technical, on-chain and the rest, each with what it adds; they sum to the score."""
    growing = np.linspace(1.0, 2.0, 400)[:, None] ** np.linspace(0.1, 1.0, 20)
    more = {"active_addresses": 1000.0 * growing, "volume": 1e6 * growing[:, ::-1]}
    use = (("active_addresses_growth_30d", 0.4), ("momentum_30d", 0.4), ("rsi_14", -0.1), ("volume_change_7d", 0.1))
    signals = assess(history_of(random_walk(), more=more), replace(RULES, use=use)).signals
    seen = lenses(signals["coin-007"])
    assert list(seen) == ["on-chain", "technical", "liquidity"]
    assert sum(seen.values()) == pytest.approx(signals["coin-007"].score, abs=5e-6)
    assert seen["on-chain"] == signals["coin-007"].parts["active_addresses_growth_30d"]


def test_over_extended_coin_is_bearish_unless_its_chain_grew_with_it() -> None:
    """D9: six times the price in a week: without more users it is over-extended, with six times the users it is not."""
    price, users = (
        random_walk(coins=12),
        np.full((400, 12), 10_000.0) * (1.0 + 0.01 * np.sin(np.arange(400 * 12))).reshape(400, 12),
    )
    price[-7:, :2] *= 6.0
    users[-7:, 1] *= 6.0
    rules = replace(RULES, use=(("over_extension_addresses_7d", -1.0),))
    signals = assess(history_of(price, more={"active_addresses": users}), rules).signals
    assert signals["coin-000"].label == "bearish"
    assert signals["coin-000"].score < signals["coin-001"].score - 0.3
    assert signals["coin-000"].score == min(signal.score for signal in signals.values())


def test_sector_strength_lifts_the_coins_of_the_strong_sector_and_needs_tags() -> None:
    """D10, A9: coins of the sector that rose are bullish, those of the one that fell bearish; without tags nobody is either."""
    price = random_walk(coins=12)
    price[-20:, :6] *= np.linspace(1.0, 1.8, 20)[:, None]
    history = history_of(price)
    tags = {coin: ("defi",) if place < 6 else ("gaming",) for place, coin in enumerate(history.ids)}
    rules = replace(RULES, use=(("sector_strength_30d", 1.0),))
    signals = assess(history, rules, tags=tags).signals
    assert {signals[coin].label for coin in history.ids[:6]} == {"bullish"}
    assert {signals[coin].label for coin in history.ids[6:]} == {"bearish"}
    bare = assess(history, rules)
    assert bare.findings[0] == "signals: sector_strength_30d counts for no coin: needs the tags of the coins"
    assert all(signal.is_fallback for signal in bare.signals.values())


def test_trend_that_is_exhausted_counts_against_a_coin() -> None:
    """D10: a coin that rose for a fortnight, then stalled while its volume dried up, is the most exhausted of all."""
    price, volume = random_walk(coins=12), np.full((400, 12), 1e6)
    price[-28:, 0] = price[-29, 0] * np.concatenate([1.04 ** np.arange(1, 15), np.full(14, 1.04**14)])
    volume[-14:, 0] *= 0.2
    rules = replace(RULES, use=(("trend_exhaustion_14d", -1.0),))
    signals = assess(history_of(price, more={"volume": volume}), rules).signals
    assert signals["coin-000"].score == min(signal.score for signal in signals.values())
    assert signals["coin-000"].label == "bearish"


def test_feature_that_is_the_same_for_every_coin_is_named(history: History) -> None:
    """D6: the market's own numbers tell no coin from another; they are read by the phase."""
    use = (("market_momentum_30d", 0.5), ("momentum_30d", 0.5))
    signals = assess(history, replace(RULES, use=use))
    assert signals.findings == (
        "signals: market_momentum_30d is the same for every coin, so it tells none from another",
    )


# --- not known ------------------------------------------------------------------------------------------------------


def test_assess_with_a_feed_that_is_missing_lets_the_rest_vote_and_records_it(history: History) -> None:
    """M9: what no source filled has no vote, weakens the conviction, and is in the findings."""
    rules = replace(RULES, use=(*USE, ("atr_14", 0.25)))
    with_gap = assess(history, rules)
    without = assess(history, RULES)
    assert any("atr_14 counts for no coin: no source filled" in text for text in with_gap.findings)
    for coin, signal in with_gap.signals.items():
        assert 0 < abs(signal.score) < abs(without.signals[coin].score)
        assert signal.conviction == pytest.approx(abs(signal.score) * 1.0 / 1.25, abs=1e-6)
        assert "1 of 4 inputs unknown" in signal.reason


def test_assess_with_too_little_known_is_neutral_with_a_reason(history: History) -> None:
    """Signal failure: below min_coverage a coin is neutral with conviction 0, is marked, and names what is unknown."""
    rules = replace(RULES, use=(("atr_14", 0.8), ("momentum_30d", 0.2)))
    for signal in assess(history, rules).signals.values():
        assert (signal.label, signal.score, signal.conviction, signal.is_fallback) == ("neutral", 0.0, 0.0, True)
        assert signal.reason.startswith("neutral by default: 20% of what is read is known and fresh, 50% needed")
        assert "atr_14" in signal.reason


@pytest.mark.parametrize("late", [0, 1, 2, 3])
def test_assess_conviction_decays_with_the_age_of_the_history(late: int) -> None:
    """Signal failure: each day of age takes a quarter of the weight when three days are believed."""
    fresh = assess(history_of(random_walk()), replace(RULES, min_coverage=0.01))
    old = assess(history_of(random_walk(), late_days=late), replace(RULES, min_coverage=0.01))
    for coin, signal in old.signals.items():
        before = fresh.signals[coin].score
        mean = before / math.sqrt(1 - before**2) * (1 - late / 4)
        assert signal.score == pytest.approx(mean / math.sqrt(1 + mean**2), abs=5e-6)
        assert signal.conviction == pytest.approx(abs(signal.score) * (1 - late / 4), abs=1e-6)


def test_assess_of_a_history_that_is_too_old_is_neutral_for_every_coin() -> None:
    signals = assess(history_of(random_walk(), late_days=4), RULES)
    assert {signal.label for signal in signals.signals.values()} == {"neutral"}
    assert all(signal.is_fallback for signal in signals.signals.values())
    assert signals.findings[0].startswith("signals: every coin is neutral: the history ends 4 days before")


def test_assess_of_a_coin_whose_price_stopped_uses_its_newest_days_and_then_none(history: History) -> None:
    """One coin's feed dies: its own conviction decays day by day to a marked neutral; the others hardly notice."""
    convictions = []
    for days in range(6):
        price = random_walk()
        if days:
            price[-days:, 4] = np.nan
        signal = assess(history_of(price), replace(RULES, min_coverage=0.2)).signals["coin-004"]
        convictions.append(signal.conviction)
        assert signal.is_fallback == (days > 3)
    assert convictions[0] > 0.0
    assert convictions[4:] == [0.0, 0.0]
    assert convictions[3] < convictions[0]


def test_assess_with_fewer_coins_than_can_be_compared_is_neutral() -> None:
    signals = assess(history_of(random_walk(coins=4)), RULES)
    assert all(signal.is_fallback for signal in signals.signals.values())
    assert all("fewer than 5 coins" in signal.reason for signal in signals.signals.values())


# --- look-ahead -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [240, 311, 399])
def test_assess_is_the_same_from_the_end_of_any_longer_history(days: int) -> None:
    """S5, M6: only the declared days are read, so a keeper with ten years and one with enough say the same bits."""
    long = cut(history_of(random_walk()), days)
    short = long.tail(needs(RULES).days)
    assert assess(long, RULES) == assess(short, RULES)


@pytest.mark.parametrize("rows", [1, 4, 380, 1_000])
def test_newest_rows_of_panels_are_those_of_the_whole_panels(history: History, rows: int) -> None:
    """Labels read a few days and training all of them: both see the same bits."""
    names = ["momentum_30d", "rsi_14", "drawdown_90d", "market_momentum_30d", "relative_strength_30d"]
    whole, newest = compute_panels(history, names), compute_panels(history, names, rows=rows)
    for name in names:
        assert newest[name].tobytes() == whole[name][-rows:].tobytes()


def test_assess_does_not_depend_on_the_order_of_coins(history: History) -> None:
    order = np.random.Generator(np.random.PCG64(11)).permutation(len(history.ids))
    mixed, names = renamed(history, order)
    ours, theirs = assess(history, RULES), assess(mixed, RULES)
    for new, old in names.items():
        assert replace(theirs.signals[new], id=old) == ours.signals[old]
    assert theirs.phase == ours.phase


# --- phase ----------------------------------------------------------------------------------------------------------


def path_history(daily: list[float], coins: int = 12) -> History:
    """Every coin makes the same moves, give or take 1 % that cancels out over two days."""
    moves = np.array(daily)[:, None] + 0.01 * np.where((np.arange(len(daily))[:, None] + np.arange(coins)) % 2, 1, -1)
    return history_of(np.cumprod(1.0 + moves, axis=0))


@pytest.mark.parametrize(
    ("name", "daily"),
    [
        ("bull", [0.004] * 250),
        ("correction", [0.006] * 230 + [-0.008] * 20),
        ("bear", [0.002] * 150 + [-0.01] * 100),
        ("accumulation", [0.002] * 120 + [-0.02] * 30 + [0.0] * 100),
        ("accumulation", [0.002] * 150 + [-0.012] * 75 + [0.006] * 25),
    ],
)
def test_market_phase_is_what_the_path_was(name: str, daily: list[float]) -> None:
    """A6: bull, correction, bear, and both kinds of accumulation, each with a reason that has the numbers."""
    phase = market_phase(path_history(daily))
    assert phase.name == name
    assert phase.reason.startswith(f"{name}: the market is ")


def test_market_phase_reads_the_drawdown_and_breadth_of_the_path() -> None:
    price = np.ones((300, 10)) * (1.0 + 0.02 * (np.arange(300)[:, None] % 2))
    price[-1, :4] *= 2.0
    price[-1, 4:] *= 0.5
    phase = market_phase(history_of(price))
    assert phase.breadth == 0.4
    supply = np.linspace(1e6, 1e9, 10)
    moves = np.minimum(price[-1] / price[-2] - 1.0, 0.5)
    move = (moves * price[-2] * supply).sum() / (price[-2] * supply).sum()
    # the high was the day before the last, 2 % above the one the last day starts from
    assert phase.drawdown == pytest.approx(1.0 - (1.0 + move) / 1.02, abs=1e-6)


def test_market_level_is_weighted_by_the_caps_of_the_day_before() -> None:
    returns = np.array([[np.nan, np.nan, np.nan], [0.1, -0.2, np.nan], [np.nan, 0.3, 0.1]])
    caps = np.array([[3.0, 1.0, 9.0], [1.0, 1.0, 3.0], [1.0, 1.0, 1.0]])
    level, daily = market_level(returns, caps)
    assert daily.tolist() == pytest.approx([0.0, (0.3 - 0.2) / 4, (0.3 + 0.3) / 4])
    assert level[-1] == pytest.approx((1 + 0.1 / 4) * (1 + 0.6 / 4))


def test_market_phase_of_too_little_history_asks_for_neither_courage_nor_fear() -> None:
    phase = market_phase(history_of(random_walk(days=20)))
    assert phase.name == "correction"
    assert "20 days" in phase.reason


# --- real -----------------------------------------------------------------------------------------------------------


def test_rules_on_the_records_of_2021_label_three_hundred_coins_and_name_the_crash(real_market: Market) -> None:
    """M1, M9, A6: bull in February, bear after May, with labels of each kind and a reason for every coin."""
    largest = list(real_market.market_cap.loc["2021-02-01"].nlargest(300).index)
    wanted = needs(RULES)
    phases = {}
    for t in ("2021-02-15", "2021-06-07", "2021-08-23"):
        past = real_market.history(t, days=wanted.days, fields=wanted.fields, ids=largest)
        signals = assess(past, RULES)
        phases[t] = signals.phase.name
        labels = [signal.label for signal in signals.signals.values()]
        assert min(labels.count(label) for label in ("bullish", "neutral", "bearish")) > 20
        assert all(signal.reason for signal in signals.signals.values())
    assert phases == {"2021-02-15": "bull", "2021-06-07": "bear", "2021-08-23": "bull"}


ON_CHAIN = SignalRules(
    mode="rules",
    use=(("active_addresses_growth_30d", 0.3), ("exchange_net_flow_30d", -0.1), ("momentum_90d", 0.3), ("mvrv", -0.1), ("nvt_signal_90d", -0.2)),
)  # fmt: skip


@pytest.fixture(scope="module")
def chain_market() -> Market:
    folder = market_folder()
    if not folder.is_dir():
        pytest.skip(f"real market data is absent: no folder {folder.name}; set {DATA_VARIABLE} to run these tests")
    return load_onchain(folder)


def known_history(market: Market, t: str, rules: SignalRules = ON_CHAIN) -> History:
    wanted = needs(rules)
    return market.history(t, days=wanted.days, fields=[name for name in wanted.fields if market.has(name)])


def test_on_chain_rules_speak_from_2016_to_2019_and_know_the_winter(chain_market: Market) -> None:
    """D5, M9, A6: users, transfers and what holders paid, every half year; the feed this source lacks is a finding."""
    phases = {}
    for t in ("2016-12-01", "2017-06-01", "2017-12-15", "2018-06-30", "2018-12-10", "2019-05-20", "2019-12-01"):
        signals = assess(known_history(chain_market, t), ON_CHAIN)
        phases[t] = signals.phase.name
        spoken = [signal for signal in signals.signals.values() if not signal.is_fallback]
        assert len(spoken) >= 8, t
        assert len({signal.label for signal in spoken}) > 1, t
        assert any("on-chain" in lenses(signal) for signal in spoken)
        assert any(text.startswith("signals: exchange_net_flow_30d counts for no coin") for text in signals.findings)
    assert phases["2017-12-15"] == "bull"
    assert phases["2018-12-10"] == "bear"
    assert phases["2019-05-20"] == "bull"


@pytest.mark.parametrize("what", ["scaled", "reversed", "unknown"])
def test_signals_on_real_records_are_blind_to_what_comes_after(chain_market: Market, what: str) -> None:
    """M6: everything after the day made a thousand times larger, turned round, or forgotten: not a bit changes."""
    t = "2018-03-05"
    before = assess(known_history(chain_market, t), ON_CHAIN)
    rows = chain_market.dates.get_loc(pd.Timestamp(t, tz="UTC")) + 1

    def poisoned(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        # the last row stays: a coin that never had a price would not be in any market
        future = changed.iloc[rows:-1].to_numpy()
        changed.iloc[rows:-1] = {"scaled": future * 1_000.0, "reversed": future[::-1], "unknown": future * np.nan}[what]
        return changed

    market = replace(
        chain_market,
        price=poisoned(chain_market.price),
        market_cap=poisoned(chain_market.market_cap),
        volume=poisoned(chain_market.volume),
        panels={name: poisoned(frame) for name, frame in chain_market.panels.items()},
    )
    assert assess(known_history(market, t), ON_CHAIN) == before
