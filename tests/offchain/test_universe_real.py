"""Selection on the real records of 2021: themes that make sense, few changes, collapses that happened, no look ahead."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from offchain.market import Market, MarketSnapshot
from offchain.rebalance import is_reconstitution
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.spec.universe_rules import UniverseRules
from offchain.universe import Universe, candidates, monitor, monitor_needs, needs, select, themes_of

MONTHS = [f"2021-{month:02d}-01" for month in range(2, 10)]
THEMES = {"defi": 10, "ai": 4, "layer1": 15, "meme": 3, "exchange": 5, "gaming": 5}


@pytest.fixture(scope="module")
def market(real_market: Market) -> Market:
    return real_market


_SEEN: dict[tuple[int, str], MarketSnapshot] = {}


def facts(market: Market, t: str) -> MarketSnapshot:
    """The snapshot of a day, taken once: every theme looks at the same months."""
    if (id(market), t) not in _SEEN:
        _SEEN[id(market), t] = market.snapshot(t)
    return _SEEN[id(market), t]


@cache
def _rules(theme: str, *, buffer: int = 2) -> UniverseRules:
    top = THEMES[theme]
    return UniverseRules(
        top=top, themes=(theme,), min_age_days=30, buffer=min(buffer, top - 1), min_members=min(3, top)
    )


def walk(market: Market, rules: UniverseRules) -> list[Universe]:
    """Every month, each with the members of the one before."""
    found: list[Universe] = []
    for t in MONTHS:
        found.append(select(facts(market, t), rules, incumbents=found[-1].members if found else ()))
    return found


def changes(path: list[Universe]) -> int:
    return sum(len(set(after.members) - set(before.members)) for before, after in zip(path, path[1:], strict=False))


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_of_2021_has_its_coins_every_month_and_keeps_most_of_them(market: Market, theme: str) -> None:
    """U7, U9, U10, S2: as many coins as asked for, of the theme unless topped up, and a stable list."""
    path = walk(market, _rules(theme))
    for found in path:
        assert len(found) == THEMES[theme] or (theme == "meme" and len(found) >= 3), (found.t, found.members)
        for name in found.members:
            assert (
                theme in themes_of(facts(market, f"{found.t:%Y-%m-%d}")[name])
                or "tops up" in found.verdict(name).reason
            )
        assert all(verdict.reason for verdict in found.verdicts)
    assert changes(path) <= 1.2 * THEMES[theme] * len(path) / 4, [found.members for found in path]


def test_defi_of_2021_is_led_by_its_large_names(market: Market) -> None:
    path = walk(market, _rules("defi"))
    for found in path:
        assert {"uniswap", "aave", "chainlink", "maker"} <= set(found.members)
        assert not {"dai", "wrapped-bitcoin", "xsushi", "cdai", "liquity-usd"} & set(found.members)


def test_the_shipped_taxonomy_alone_finds_nearly_the_same_defi(market: Market) -> None:
    """U4: without a single tag in the data."""
    bare = dataclasses.replace(market, meta=market.meta.assign(tags=""))
    for t in ("2021-03-01", "2021-08-01"):
        with_tags = set(select(facts(market, t), _rules("defi")).members)
        without = set(select(facts(bare, t), _rules("defi")).members)
        assert len(with_tags & without) >= 9, (t, with_tags ^ without)


def test_a_buffer_and_two_thresholds_save_changes(market: Market) -> None:
    """S1, §6.7-7: the effect of hysteresis is measured, not assumed."""
    plain = UniverseRules(top=25, min_volume_usd=5e6)
    buffered = dataclasses.replace(plain, buffer=5, stay_volume_usd=3e6)
    without, with_buffer = changes(walk(market, plain)), changes(walk(market, buffered))
    assert 0 < with_buffer < without, (with_buffer, without)


def test_members_that_fell_in_rank_were_replaced(market: Market) -> None:
    """S7, S8: no static membership: of the ten largest of January 2021, some were kicked out by September."""
    path = walk(market, UniverseRules(top=10, min_age_days=0))
    gone = set(path[0].members) - set(path[-1].members)
    assert {"litecoin", "chainlink", "bitcoin-cash", "stellar"} & gone
    for name in gone:
        assert "is below the top 10" in path[-1].verdict(name).reason
    assert {"solana", "cardano"} <= set(path[-1].members)


def test_quarterly_reconstitution_changes_members_four_times_a_year_at_most(market: Market) -> None:
    """R6, U15: weekly reviews, members only at the first one on or after the 1st of March and June."""
    universe, rules = UniverseRules(top=15, reconstitution="quarterly"), RebalanceRules(calendar="weekly")
    held: tuple[str, ...] = ()
    entered = []
    for monday in market.dates[market.dates.day_of_week == 0][4:25]:
        t = monday.to_pydatetime()
        is_time = is_reconstitution(universe, rules, t)
        found = select(market.snapshot(t), universe, incumbents=held, reconstitute=is_time)
        if held and set(found.members) - set(held):
            entered.append(f"{t:%m-%d}")
            assert is_time
        held = found.members
    assert set(entered) <= {"03-01", "06-07"} and entered


def test_momentum_picks_what_rose_most_by_an_independent_computation(market: Market) -> None:
    """S3: a few lines of pandas on believed prices."""
    t = "2021-05-10"
    rules = UniverseRules(top=10, min_volume_usd=5e7, rank_by="momentum", rank_days=30)
    snapshot = market.snapshot(t)
    few = candidates(snapshot, rules)
    need = needs(rules)
    found = select(snapshot, rules, history=market.history(t, days=need.days, fields=need.fields, ids=few))
    prices = market.until(t).believed_prices()[list(few)]
    expected = (prices.iloc[-1] / prices.iloc[-31] - 1).dropna().nlargest(10)
    assert list(found.members) == list(expected.index)
    assert found.verdict(found.members[0]).reason == f"rank 1 of the top 10 by momentum ({expected.iloc[0]:+.1%})"


def test_the_exploit_of_march_2021_is_a_red_flag_the_next_morning(market: Market) -> None:
    """V9, V11: on 5 March 2021 an attacker minted PAID; the price lost 84 %."""
    rules = UniverseRules(top=3, max_fall=0.8)
    need = monitor_needs(rules)

    def flags(t: str) -> dict[str, str]:
        known = market.history(t, days=need.days, fields=need.fields, ids=["paid-network", "bitcoin"])
        found = monitor(market.snapshot(t), ["paid-network", "bitcoin"], rules, history=known)
        assert all(flag.id == "paid-network" for flag in found)
        return {flag.code: flag.reason for flag in found}

    assert set(flags("2021-03-05")) == {"inflation"}, "the supply had doubled the day before"
    found = flags("2021-03-06")
    assert found["collapse"].startswith("fell by 84.2% within 7 days (universe.max_fall 80%)")
    assert found["inflation"].startswith("supply grew ")
    assert "collapse" in flags("2021-05-01"), "the quarantine lasts 90 days"


POISON = "2021-05-17"


@pytest.fixture(scope="module")
def poisoned(market: Market) -> Market:
    """The same until POISON, nonsense afterwards, and its columns in another order."""
    order = np.random.default_rng(5).permutation(len(market.ids))
    rows = market.dates.get_loc(pd.Timestamp(POISON, tz="UTC")) + 1
    frames = {}
    for name in ("price", "market_cap", "volume"):
        frame = getattr(market, name).copy()
        frame.iloc[rows:] = frame.iloc[rows:].to_numpy()[::-1] * 1_000.0
        frames[name] = frame
    return Market.from_frame(_long(frames, [market.ids[place] for place in order]), meta=market.meta)


@pytest.mark.parametrize("rank_by", ["market_cap", "momentum", "return_consistency", "volume_consistency"])
def test_selection_is_blind_to_what_comes_after_and_to_the_order_of_columns(
    market: Market, poisoned: Market, rank_by: str
) -> None:
    """§6.6: everything after t reversed and a thousandfold, columns permuted: the same verdicts, word for word."""
    rules = UniverseRules(
        top=12,
        buffer=2,
        rank_by=rank_by,
        rank_days=60,
        min_history_days=60,
        max_fall=0.9,
        quarantine_days=60,
        min_volume_usd=1e7,
    )
    need = needs(rules)
    held = ("bitcoin", "chainlink", "dogecoin", "litecoin")
    one, two = (
        select(
            facts(source, POISON),
            rules,
            incumbents=held,
            history=source.history(POISON, days=need.days, fields=need.fields),
        )
        for source in (market, poisoned)
    )
    assert one == two
    assert len(one) == 12


def _long(frames: dict[str, pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Frames as rows date, id, price, market_cap, volume, coins in the given order."""
    parts = {name: frame[columns].to_numpy().T.ravel() for name, frame in frames.items()}
    dates = frames["price"].index
    table = pd.DataFrame(
        {"date": np.tile(dates, len(columns)), "id": np.repeat(np.array(columns, dtype=object), len(dates)), **parts}
    )
    return table[table["price"].notna()]
