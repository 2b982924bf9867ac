"""Texts → how they speak of a coin.

score          examples by sign and order · arithmetic by hand · bounds
coins_in       cashtags, names, symbols · what it must not find
daily_panels   the day a text belongs to · means · campaigns · holes · no look-ahead · into a market
transformer    by option, with one clear error
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_frames import daily_frame

from offchain.errors import MarketDataError
from offchain.market import Market
from offchain.signals.lexicon import DEGREES, NEGATIONS, PHRASES, SIGNS, WORDS
from offchain.signals.sentiment import Text, aliases_of, coins_in, daily_panels, score, transformer_scorer

ALIASES = aliases_of(
    [
        ("bitcoin", "btc", "Bitcoin"),
        ("ethereum", "eth", "Ethereum"),
        ("near", "near", "NEAR Protocol"),
        ("optimism", "op", "Optimism"),
        ("uniswap", "uni", "Uniswap"),
    ]
)
DATES = [date(2024, 1, 1) + timedelta(days=number) for number in range(10)]


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2024, 1, day, hour, minute, tzinfo=UTC)


# --- score ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Mainnet launch was a great success",
        "ETF approved, price surges 🚀",
        "Audit passed, no issues, partnership confirmed",
        "This is not a scam",
        "The team fixed the bug quickly and everything is back online",
        "Buy the dip, this gem is undervalued",
    ],
)
def test_score_of_good_news_is_positive(text: str) -> None:
    """D4: an offline, deterministic scorer of text."""
    assert score(text) > 0.2


@pytest.mark.parametrize(
    "text",
    [
        "Total rug pull, the founders vanished",
        "Bridge hacked and drained, $40M stolen",
        "Exchange halts withdrawals, bank run feared",
        "Not a good launch",
        "Great team but the protocol was exploited",
        "SEC sues, token delisted 📉",
        "stablecoin lost peg, death spiral",
    ],
)
def test_score_of_bad_news_is_negative(text: str) -> None:
    """D4, V10: frauds, hacks and failures are read as what they are."""
    assert score(text) < -0.2


@pytest.mark.parametrize("text", ["", "   ", "The meeting is on Tuesday", "https://crash.scam/rugpull", "@scammer"])
def test_score_of_a_text_that_says_nothing_is_zero(text: str) -> None:
    assert score(text) == 0.0


def test_score_is_the_squashed_sum_of_its_words() -> None:
    """By hand: bullish 2, very × 1.4, not × -0.5, CAPITALS × 1.2, ! + 10 %, s / √(s² + 15)."""

    def squash(total: float) -> float:
        return pytest.approx(total / math.sqrt(total**2 + 15.0), abs=1e-6)

    assert score("bullish") == squash(2.0)
    assert score("very bullish") == squash(2.0 * 1.4)
    assert score("slightly bullish") == squash(2.0 * 0.6)
    assert score("not bullish") == squash(2.0 * -0.5)
    assert score("not very bullish") == squash(2.0 * -0.5 * 1.4)
    assert score("I am BULLISH on it") == squash(2.0 * 1.2)
    assert score("bullish!") == squash(2.0 * 1.1)
    assert score("is it bullish?") == squash(2.0 * 0.5)
    assert score("good but hacked") == squash(1.0 * 0.6 + -3.0 * 1.3)
    assert score("no. bullish") == squash(2.0)


def test_score_reads_a_phrase_before_its_words() -> None:
    assert score("a bull trap") < 0.0 < score("a bear trap")
    assert score("all time high") > score("high risk")
    assert score("a crash course") > 0.0 > score("a crash")


def test_score_orders_degrees() -> None:
    assert score("massive hack") < score("hack") < score("minor hack") < 0.0


@given(st.text(alphabet=st.sampled_from([*"abc !?.,\n🚀", "hack ", "moon ", "not ", "BULL ", "very "]), max_size=200))
def test_score_of_anything_is_from_minus_one_to_one_on_the_grid(text: str) -> None:
    value = score(text)
    assert -1.0 <= value <= 1.0
    assert value == round(value, 6)
    assert score(text) == value


def test_lexicon_has_each_word_once_and_in_lower_case() -> None:
    assert len(WORDS) > 400
    assert len(PHRASES) > 80
    for word, weight in WORDS.items():
        assert word == word.lower()
        assert " " not in word
        assert -4.0 <= weight <= 4.0
        assert weight
    assert not set(WORDS) & (NEGATIONS | set(DEGREES))
    assert not set(WORDS) & set(SIGNS)
    assert all(len(phrase) > 1 for phrase in PHRASES)


# --- coins_in -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "coins"),
    [
        ("$BTC and $eth are up", ("bitcoin", "ethereum")),
        ("bitcoin is back", ("bitcoin",)),
        ("ETH flips BTC", ("bitcoin", "ethereum")),
        ("the end is near", ()),
        ("NEAR Protocol ships", ("near",)),
        ("NEAR ships", ("near",)),
        ("$OP is live", ("optimism",)),
        ("optimism is back", ()),
        ("Optimism is live", ("optimism",)),
        ("OP is live", ()),
        ("#Uniswap wins", ("uniswap",)),
        ("uni is a place to study", ()),
        ("BTC ETH TO THE MOON", ()),
        ("bitcoins are not Bitcoinlike", ()),
        ("$BTCUP", ()),
        ("see https://bitcoin.org", ()),
    ],
)
def test_coins_in_finds_who_is_meant_and_nobody_else(text: str, coins: tuple[str, ...]) -> None:
    """D4: a text is attributed by ticker, name or tag, and not by a word that only looks like one."""
    assert coins_in(text, ALIASES) == coins


def test_coins_in_gives_a_shared_ticker_to_nobody() -> None:
    twins = aliases_of([("terra-luna", "luna", "Terra"), ("luna-by-virtuals", "luna", "Luna by Virtuals")])
    assert coins_in("$LUNA collapses", twins) == ()
    assert coins_in("Terra collapses", twins) == ("terra-luna",)


# --- daily_panels ---------------------------------------------------------------------------------------------------


def test_daily_panels_put_a_text_on_the_first_midnight_at_which_it_was_known() -> None:
    """D4: what was written during the 2nd is in the row of the 3rd; what was known at 00:00 of the 3rd is too."""
    texts = [
        Text(time=at(2, 0, 1), text="bullish", ids=("bitcoin",)),
        Text(time=at(2, 23, 59), text="very bullish", ids=("bitcoin",)),
        Text(time=at(3, 0, 0), text="moon", ids=("bitcoin",)),
        Text(time=at(3, 0, 1), text="crash", ids=("bitcoin",)),
    ]
    panels = daily_panels(texts, dates=DATES, ids=["bitcoin", "ethereum"])
    expected = (score("bullish") + score("very bullish") + score("moon")) / 3
    assert panels.sentiment["bitcoin"].iloc[2] == pytest.approx(expected, abs=1e-6)
    assert panels.sentiment["bitcoin"].iloc[3] == score("crash")
    assert panels.mentions["bitcoin"].tolist()[2:4] == [3.0, 1.0]
    assert panels.mentions["ethereum"].tolist()[2:4] == [0.0, 0.0]
    assert panels.sentiment["ethereum"].isna().all()
    assert panels.mentions["bitcoin"].isna().tolist() == [True, True, False, False, *[True] * 6]
    assert panels.market_sentiment.iloc[3] == score("crash")


def test_daily_panels_of_a_time_zone_use_the_instant() -> None:
    east = datetime.fromisoformat("2024-01-03T05:00:00+09:00")
    panels = daily_panels([Text(time=east, text="bullish", ids=("bitcoin",))], dates=DATES, ids=["bitcoin"])
    assert panels.mentions["bitcoin"].iloc[2] == 1.0


def test_daily_panels_count_a_campaign_once() -> None:
    """V12: copies count once, one author three times a day and coin; others are not crowded out."""
    copies = [
        Text(time=at(2, hour), text="Bitcoin to the MOON!!", ids=("bitcoin",), author=f"bot{hour}")
        for hour in range(1, 20)
    ]
    shill = [Text(time=at(4, hour), text=f"moon {hour}", ids=("bitcoin",), author="shill") for hour in range(1, 20)]
    honest = [Text(time=at(4, 21), text="hacked", ids=("bitcoin",), author="alice")]
    panels = daily_panels([*copies, *shill, *honest], dates=DATES, ids=["bitcoin"])
    assert panels.mentions["bitcoin"].iloc[2] == 1.0
    assert panels.mentions["bitcoin"].iloc[4] == 4.0


def test_daily_panels_do_not_depend_on_the_order_of_texts_nor_on_later_ones() -> None:
    """D4: knowledge time, not order of arrival; a text of tomorrow changes no row of today."""
    texts = [
        Text(time=at(1 + n % 6, n), text=f"{'bullish' if n % 3 else 'crash'} {n}", ids=("bitcoin",), author=f"a{n % 2}")
        for n in range(20)
    ]
    whole = daily_panels(texts, dates=DATES, ids=["bitcoin"])
    mixed = daily_panels(texts[::-1], dates=DATES, ids=["bitcoin"])
    pd.testing.assert_frame_equal(whole.sentiment, mixed.sentiment, check_exact=True)
    early = daily_panels([text for text in texts if text.time <= at(4, 0)], dates=DATES, ids=["bitcoin"])
    pd.testing.assert_frame_equal(whole.sentiment.iloc[:4], early.sentiment.iloc[:4], check_exact=True)
    pd.testing.assert_frame_equal(whole.mentions.iloc[:4], early.mentions.iloc[:4], check_exact=True)


def test_daily_panels_become_fields_of_a_market() -> None:
    """D11: from texts to the history that features read."""
    texts = [Text(time=at(day, 9), text="Bitcoin adoption is growing") for day in range(2, 8)]
    market = Market.from_frame(daily_frame(days=10))
    dates = [stamp.date() for stamp in market.dates]
    panels = daily_panels(texts, dates=dates, ids=market.ids, aliases=ALIASES)
    history = market.with_fields(panels.fields, panels.series).history(
        "2024-01-08", days=3, fields=("sentiment", "mentions", "market_sentiment")
    )
    column = history.column("bitcoin")
    assert history.panel("sentiment")[:, column].tolist() == [score(texts[0].text)] * 3
    assert history.panel("mentions")[-1].tolist() == [1.0 if name == "bitcoin" else 0.0 for name in history.ids]
    assert not np.isnan(history.line("market_sentiment")).any()


def test_daily_panels_refuse_a_time_without_a_zone_and_a_scorer_out_of_bounds() -> None:
    with pytest.raises(MarketDataError, match="has no zone"):
        daily_panels([Text(time=datetime(2024, 1, 1), text="moon")], dates=DATES, ids=["bitcoin"])
    with pytest.raises(MarketDataError, match="a score is from -1 to 1"):
        daily_panels([Text(time=at(1), text="moon")], dates=DATES, ids=["bitcoin"], scorer=lambda text: 2.0)


# --- transformer ----------------------------------------------------------------------------------------------------


def test_transformer_scorer_without_the_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MarketDataError, match="uv pip install transformers torch"):
        transformer_scorer()


@pytest.mark.parametrize("labels", [("positive", "negative"), ("Bullish", "Bearish"), ("LABEL_2", "LABEL_0")])
def test_transformer_scorer_is_positive_minus_negative(
    monkeypatch: pytest.MonkeyPatch, labels: tuple[str, str]
) -> None:
    def pipeline(task: str, **_: object) -> object:
        assert task == "text-classification"
        return lambda text, **_: [
            [{"label": labels[0], "score": 0.7}, {"label": "neutral", "score": 0.1}, {"label": labels[1], "score": 0.2}]
        ]

    monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(pipeline=pipeline))
    assert transformer_scorer("any")("a text") == 0.5


def test_transformer_scorer_of_a_model_for_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = SimpleNamespace(pipeline=lambda task, **_: lambda text, **_: [[{"label": "joy", "score": 1.0}]])
    monkeypatch.setitem(sys.modules, "transformers", answers)
    with pytest.raises(MarketDataError, match="labels joy"):
        transformer_scorer("any")("a text")
