"""From many sources to one market.

merging     median of three prices, else the first · candles from one source · first that knows · cap from supply
vintages    the value first published counts · unreadable answers left out · asked once more before giving up
report      what disagrees, is held, is derived, is absent: each a finding
time        what comes after t changes nothing at t · the order of rows and ids changes nothing
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_answers import NOW, RecordedSession, Time, door, in_turn

from offchain.errors import MarketDataError, SourceUnavailable
from offchain.market import Market
from offchain.market.store import RawResponse, RawStore
from offchain.sources import (
    CoinGeckoSource,
    CoinMetricsSource,
    DefiLlamaSource,
    FredSource,
    Reading,
    Request,
    collect,
    replay,
)
from offchain.sources.source import Rows, midnight
from tests.fuzz import examples

FIRST = date(2025, 1, 1)
LAST = date(2025, 1, 8)
Said = Mapping[tuple[str, str], Sequence[float]]  # {(coin, field): values from FIRST on, NaN unknown}


class Teller:
    """A provider that says what it is told: its answers are JSON in the store like any other's."""

    def __init__(self, name: str, store: RawStore, said: Said | None = None) -> None:
        self.name = name
        self.fields = ("price",)
        self.store = store
        self.said: Said = said or {}
        self.asked = 0

    def say(self, said: Said, *, at: datetime = NOW) -> Teller:
        rows = [[coin, field, [None if math.isnan(v) else v for v in values]] for (coin, field), values in said.items()]
        self.store.save(f"said://{self.name}/", json.dumps(rows).encode(), requested_at=at, status=200)
        return self

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        return [Request(url=f"said://{self.name}/")]

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        self.asked += 1
        answer = self.store.latest(request.url)
        assert answer is not None
        return answer

    def owns(self, url: str) -> bool:
        return url == f"said://{self.name}/"

    def parse(self, answer: RawResponse) -> Reading:
        if answer.body.startswith(b"<"):
            raise SourceUnavailable("a web page")
        rows = Rows(source=self.name, answer=answer)
        for coin, field, values in json.loads(answer.body):
            for number, value in enumerate(values):
                rows.add(midnight(FIRST + timedelta(days=number)), coin, field, math.nan if value is None else value)
        return Reading(rows=rows.frame())


def market_of(folder: Path, *said: Said, ids: Sequence[str] = ("aave", "maker"), last: date = LAST) -> Market:
    store = RawStore(folder)
    sources = [Teller(f"s{number}", store).say(words) for number, words in enumerate(said)]
    return collect(sources, ids, start=FIRST, end=last, store=store)


def codes(market: Market) -> dict[str, int]:
    return {
        row.code: row.count
        for row in market.findings
        if row.code not in ("no-market-cap", "no-volume", "no-cap-at-all")
    }


NAN = math.nan


def test_two_sources_the_first_counts_and_the_second_fills_its_holes(tmp_path: Path) -> None:
    """D11: precedence day by day; a disagreement of more than 2 % is a finding."""
    market = market_of(
        tmp_path, {("aave", "price"): [100, NAN, 102]}, {("aave", "price"): [101, 101.5, 110]}, last=date(2025, 1, 3)
    )
    assert market.price["aave"].tolist() == [100, 101.5, 102]
    assert codes(market) == {"price-disagreement": 1, "no-such-coin": 1}
    (finding,) = [row for row in market.findings if row.code == "price-disagreement"]
    assert finding.example == "aave on 2025-01-03"


def test_three_sources_the_median_counts_against_a_price_out_of_line(tmp_path: Path) -> None:
    """V12: one venue cannot move the price that is used, even when it is the first in the list."""
    market = market_of(
        tmp_path,
        {("aave", "price"): [100, 5_000, 102]},
        {("aave", "price"): [101, 101, NAN]},
        {("aave", "price"): [99, 103, 104]},
        {("aave", "price"): [NAN, 102, NAN]},
        last=date(2025, 1, 3),
    )
    # three: the middle one; four: the mean of the middle two; two: the first
    assert market.price["aave"].tolist() == [100, 102.5, 102]
    assert codes(market)["price-outvoted"] == 1


@given(st.lists(st.floats(1.0, 1e6), min_size=3, max_size=7), st.floats(1e-9, 1e12), st.integers(0, 6))
@settings(max_examples=examples(12))
def test_one_source_alone_never_moves_the_price_beyond_what_others_say(
    tmp_path_factory: pytest.TempPathFactory, prices: list[float], lie: float, liar: int
) -> None:
    """V12: with three or more sources the price stays within what the honest ones say, whatever one of them says."""
    told = list(prices)
    told[liar % len(told)] = lie
    honest = [price for number, price in enumerate(prices) if number != liar % len(prices)]
    folder = tmp_path_factory.mktemp("lie")
    market = market_of(folder, *[{("aave", "price"): [price]} for price in told], last=FIRST)
    assert min(honest) <= market.price["aave"].iloc[0] <= max(honest)


def test_a_price_of_zero_does_not_vote(tmp_path: Path) -> None:
    market = market_of(
        tmp_path, {("aave", "price"): [0.0]}, {("aave", "price"): [0.0]}, {("aave", "price"): [7.0]}, last=FIRST
    )
    assert market.price["aave"].tolist() == [7.0]


def test_a_candle_comes_whole_from_one_source_and_not_against_the_price(tmp_path: Path) -> None:
    a = {
        ("aave", "price"): [10, 10, 10],
        ("aave", "open"): [9, NAN, 9],
        ("aave", "high"): [11, 11, 11],
        ("aave", "low"): [8, 8, 8],
    }
    b = {
        ("aave", "price"): [10, 10, 10],
        ("aave", "open"): [9.5, 9.5, 9.5],
        ("aave", "high"): [12, 12, 12],
        ("aave", "low"): [7, 7, 7],
    }
    market = market_of(tmp_path / "a", a, b, last=date(2025, 1, 3))
    assert market.panels["high"]["aave"].tolist() == [11, 12, 11]
    assert market.panels["open"]["aave"].tolist() == [9, 9.5, 9]
    far = {("aave", "price"): [50, 10, 10]}
    market = market_of(tmp_path / "b", far, a, b, last=date(2025, 1, 3))
    # the median of 50, 10 and 10 is 10: the candle still fits
    assert market.panels["high"]["aave"].tolist() == [11, 12, 11]
    market = market_of(tmp_path / "c", far, a, last=date(2025, 1, 3))
    assert math.isnan(market.panels["high"]["aave"].iloc[0])
    assert codes(market)["odd-candle"] == 1


def test_a_market_cap_nobody_has_is_price_times_supply(tmp_path: Path) -> None:
    market = market_of(
        tmp_path,
        {("aave", "price"): [10, 11], ("aave", "market_cap"): [1_000, NAN], ("maker", "price"): [1, 2]},
        {("aave", "supply"): [99, 99]},
        last=date(2025, 1, 2),
    )
    assert market.market_cap["aave"].tolist() == [1_000, 11 * 99]
    assert market.market_cap["maker"].isna().all()
    assert codes(market) == {"derived-market-cap": 1}


def test_a_supply_that_sources_disagree_about_is_named(tmp_path: Path) -> None:
    """D12: a wrong free float once forced an index to rebalance out of turn; here it is a finding on the first day."""
    market = market_of(
        tmp_path,
        {("aave", "price"): [10, 10], ("aave", "market_cap"): [1_000, 1_000], ("aave", "free_float"): [50, 50]},
        {("aave", "free_float"): [51, 80], ("aave", "market_cap"): [1_050, 1_150]},
        last=date(2025, 1, 2),
    )
    assert market.panels["free_float"]["aave"].tolist() == [50, 50]
    found = {row.code: row.example for row in market.findings if row.code.endswith("disagreement")}
    assert found == {
        "free-float-disagreement": "aave on 2025-01-02",
        "market-cap-disagreement": "aave on 2025-01-02",
    }


def test_a_series_holds_over_a_weekend_and_not_for_ever(tmp_path: Path) -> None:
    """D6: the last value holds for five days, also from before the first."""
    market = market_of(
        tmp_path, {("aave", "price"): [1.0] * 10, ("", "rates"): [4.5, NAN, 4.6, *[NAN] * 7]}, last=date(2025, 1, 10)
    )
    assert market.series["rates"].tolist()[:8] == [4.5, 4.5, *[4.6] * 6]
    assert market.series["rates"].isna().tolist()[8:] == [True, True]
    assert codes(market)["held"] == 6


def test_the_value_first_published_counts_and_its_revision_is_a_finding(tmp_path: Path) -> None:
    """D11: a backtest reads what was known, not what was corrected later."""
    store = RawStore(tmp_path)
    source = Teller("s", store)
    source.say({("aave", "price"): [10, 11]}, at=NOW)
    source.say({("aave", "price"): [10, 12, 13]}, at=NOW + timedelta(days=1))
    market = collect([source], ["aave"], start=FIRST, end=date(2025, 1, 3), store=store)
    assert market.price["aave"].tolist() == [10, 11, 13]
    (finding,) = [row for row in market.findings if row.code == "revised"]
    assert finding.count == 1
    assert finding.example == "s: price of aave on 2025-01-02 was 11, later 12"


def test_garbage_in_the_store_is_left_out_and_named(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    source = Teller("s", store)
    store.save("said://s/", b"<html>", requested_at=NOW - timedelta(days=1), status=200)
    source.say({("aave", "price"): [10]})
    market = collect([source], ["aave"], start=FIRST, end=FIRST, store=store)
    assert codes(market) == {"unreadable-answer": 1}
    assert source.asked == 1


def test_an_answer_that_cannot_be_read_is_asked_for_once_more(tmp_path: Path) -> None:
    good = (200, (Path(__file__).parent.parent / "data/coingecko/bitcoin_chart.json").read_bytes())
    session = RecordedSession(in_turn((200, b"<html>"), good))
    way = door(tmp_path, session)
    market = collect(
        [CoinGeckoSource(way)], ["bitcoin"], start=date(2025, 1, 7), end=date(2025, 1, 10), store=way.store
    )
    assert market.price["bitcoin"].notna().all()
    assert len(session.asked) == 2
    broken = door(tmp_path / "b", RecordedSession(in_turn((200, b"<html>"))))
    with pytest.raises(SourceUnavailable, match="not JSON"):
        collect([CoinGeckoSource(broken)], ["bitcoin"], start=FIRST, end=LAST, store=broken.store)


def test_an_empty_answer_about_a_closed_past_is_not_believed_for_ever(tmp_path: Path) -> None:
    good = (200, (Path(__file__).parent.parent / "data/coingecko/bitcoin_chart.json").read_bytes())
    empty = (200, b'{"prices": [], "market_caps": [], "total_volumes": []}')
    session = RecordedSession(in_turn(empty, empty, good))
    time = Time(NOW + timedelta(days=60))
    way = door(tmp_path, session, time=time)
    asked = {"start": date(2025, 1, 7), "end": date(2025, 1, 10), "store": way.store}
    with pytest.raises(SourceUnavailable, match="no source knows a price of bitcoin"):
        collect([CoinGeckoSource(way)], ["bitcoin"], **asked)  # type: ignore[arg-type]
    assert len(session.asked) == 2
    time.now += timedelta(days=1)
    assert len(collect([CoinGeckoSource(way)], ["bitcoin"], **asked).dates) == 4  # type: ignore[arg-type]
    collect([CoinGeckoSource(way)], ["bitcoin"], **asked)  # type: ignore[arg-type]
    assert len(session.asked) == 3


def test_real_providers_together_make_one_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D5, D6, D11: prices, on-chain data, value locked and rates, from four providers' recorded answers; then offline."""
    monkeypatch.setenv("FRED_API_KEY", "key")
    ids, start, end = ("bitcoin", "ethereum"), date(2025, 1, 7), date(2025, 1, 10)
    way = door(tmp_path)
    sources = [
        CoinGeckoSource(way),
        CoinMetricsSource(way),
        DefiLlamaSource(way, protocols={"ethereum": "uniswap"}),
        FredSource(way),
    ]
    market = collect(sources, ids, start=start, end=end, store=way.store)
    assert market.source == "CoinGecko+Coin Metrics+DefiLlama+FRED"
    assert market.price.loc["2025-01-10", "bitcoin"] == 92552.5
    assert market.panels["active_addresses"].loc["2025-01-07", "bitcoin"] == 812_034
    assert market.panels["tvl"].loc["2025-01-09", "ethereum"] == 5512345678.25
    assert market.series["equities"].loc["2025-01-10"] == 5918.25
    history = market.history("2025-01-10", days=4, fields=("price", "supply", "rates"))
    assert history.line("rates")[-1] != history.line("rates")[-1]  # published a day later still
    assert history.line("rates")[-2] == 4.33
    again = replay(sources, way.store, ids, start=start, end=end)
    assert again.snapshot("2025-01-10").inputs_hash == market.snapshot("2025-01-10").inputs_hash
    assert again.findings == market.findings


@pytest.mark.parametrize(
    ("ids", "start", "end", "says"),
    [
        ((), FIRST, LAST, "1 sources and 0 coins"),
        (("a", "a"), FIRST, LAST, "give each coin once"),
        (("",), FIRST, LAST, "none of them empty"),
        (("a",), LAST, FIRST, "the first day is after the last; swap them"),
        (("a",), FIRST, LAST, "no source knows a price of a from 2025-01-01 to 2025-01-08; check the ids"),
    ],
)
def test_questions_without_sense_are_refused(
    tmp_path: Path, ids: Sequence[str], start: date, end: date, says: str
) -> None:
    store = RawStore(tmp_path)
    source = Teller("s", store).say({("b", "price"): [1]})
    with pytest.raises(MarketDataError) as refusal:
        collect([source], ids, start=start, end=end, store=store)
    assert says in str(refusal.value)
    with pytest.raises(MarketDataError, match="sources s, s: give each once"):
        collect([source, source], ["b"], start=FIRST, end=LAST, store=store)


# --- time -------------------------------------------------------------------------------------------------------------

VALUE = st.one_of(st.just(NAN), st.floats(1e-3, 1e6))
COINS = ("aave", "maker", "uniswap")
FIELDS = ("price", "market_cap", "volume", "supply", "open", "high", "low", "tvl")
SAID = st.dictionaries(
    st.tuples(st.sampled_from(COINS), st.sampled_from(FIELDS)), st.lists(VALUE, min_size=8, max_size=8), min_size=4
)
LINE = st.lists(VALUE.map(lambda value: value % 40), min_size=8, max_size=8)


def seen(market: Market, t: datetime) -> tuple[str, str, list[bytes]]:
    past = market.until(t)
    fields = ["price", "market_cap", "volume", "observed_price", *sorted(past.panels), *sorted(past.series)]
    panels = [frame.to_numpy().tobytes() for frame in (past.price, past.market_cap, past.volume)]
    panels += [past.panels[name].to_numpy().tobytes() for name in sorted(past.panels)]
    return market.snapshot(t).inputs_hash, market.history(t, days=8, fields=fields).inputs_hash, panels


def changed_after(said: Said, row: int, factor: float) -> Said:
    return {key: [v if n <= row else v * factor for n, v in enumerate(values)] for key, values in said.items()}


@given(st.lists(SAID, min_size=1, max_size=4), LINE, st.integers(2, 6), st.floats(0.01, 100.0))
@settings(max_examples=examples(15))
def test_what_comes_after_t_changes_nothing_at_t(
    tmp_path_factory: pytest.TempPathFactory, said: list[Said], line: list[float], row: int, factor: float
) -> None:
    """D11, D12: every later value of every source × anything; until, snapshot and history at t stay bit for bit."""
    base = {("aave", "price"): [5.0] * 8, ("", "rates"): line}
    told = [base, *said]
    later = [base | {("aave", "price"): [5.0 if n <= row else 5.0 * factor for n in range(8)]}]
    later[0][("", "rates")] = [v if n <= row else v * 0.5 for n, v in enumerate(line)]
    later += [changed_after(words, row, factor) for words in said]
    t = midnight(FIRST + timedelta(days=row))
    one = market_of(tmp_path_factory.mktemp("one"), *told, ids=COINS)
    other = market_of(tmp_path_factory.mktemp("other"), *later, ids=COINS)
    assert seen(one, t) == seen(other, t)


@given(SAID, st.permutations(COINS), st.randoms(use_true_random=False))
@settings(max_examples=examples(12))
def test_the_order_of_rows_and_ids_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, said: Said, ids: list[str], dice: random.Random
) -> None:
    told = {**said, ("aave", "price"): [5.0] * 8}
    shuffled = list(told.items())
    dice.shuffle(shuffled)
    one = market_of(tmp_path_factory.mktemp("one"), told, ids=COINS)
    other = market_of(tmp_path_factory.mktemp("other"), dict(shuffled), ids=ids)
    pd.testing.assert_frame_equal(one.price, other.price)
    assert seen(one, NOW) == seen(other, NOW)
    assert one.findings == other.findings


def test_a_market_that_is_known_late_is_known_late(tmp_path: Path) -> None:
    store = RawStore(tmp_path)
    source = Teller("s", store).say({("aave", "price"): [10, 11, 12]})
    market = collect([source], ["aave"], start=FIRST, end=date(2025, 1, 3), store=store, lag=timedelta(hours=6))
    assert market.until(datetime(2025, 1, 3, 5, 59, tzinfo=UTC)).price["aave"].tolist() == [10, 11]
    assert market.until(datetime(2025, 1, 3, 6, tzinfo=UTC)).price["aave"].tolist() == [10, 11, 12]


def test_what_an_answer_says_about_the_future_is_left_out(tmp_path: Path) -> None:
    """D11: a row that was not over when the answer came is not in the market."""
    store = RawStore(tmp_path)
    source = Teller("s", store)
    source.say({("aave", "price"): [10, 11, 12]}, at=datetime(2025, 1, 2, 12, tzinfo=UTC))
    market = collect([source], ["aave"], start=FIRST, end=date(2025, 1, 3), store=store)
    assert market.price["aave"].tolist() == [10, 11]
