"""From a red flag to a sale: an index that is reviewed every quarter holds a coin that collapses in between.

With the trigger it is sold on the next day and does not come back; without it is held to the next review; a basket holds on.
The same for a stable coin that leaves its peg.
"""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
from market_frames import daily_frame

from offchain.backtest import FREE, Run, Terms, backtest
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.spec import IndexSpec, parse_spec
from offchain.universe import Incident, Records, monitor, monitor_needs

FILE = """
[index]
name = "Test"
symbol = "TST"
[universe]
top = 3
min_age_days = 0
max_fall = 0.85
[rebalance]
calendar = "quarterly"
first_month = 2
"""
WATCHED = FILE + 'triggers = ["emergency"]\ncooldown_days = 30\n'
FALL = [0.95, 0.9, 0.45, 0.25, 0.1, 0.05, 0.01]  # of the price before, day by day, as LUNA's in May 2022
START, CRASH = "2024-01-08", "2024-02-20"


@pytest.fixture(scope="module")
def market() -> Market:
    """Six coins for ninety days; solana, the third, falls by 99 % within a week from CRASH on."""
    frame = daily_frame(days=90)
    day = (frame["date"] - pd.Timestamp(CRASH, tz="UTC")).dt.days
    factor = day.map(lambda days: 1.0 if days < 0 else FALL[min(days, len(FALL) - 1)])
    for column in ("price", "market_cap"):
        frame.loc[frame["id"] == "solana", column] *= factor[frame["id"] == "solana"]
    return Market.from_frame(frame)


def run(text: str, market: Market) -> Run:
    spec = parse_spec(text)
    return backtest(spec, market, start=START, end="2024-03-29", costs=FREE, terms=Terms())


def weight_on(found: Run, day: str) -> float:
    row = int(found.index.get_loc(pd.Timestamp(day, tz="UTC")))  # type: ignore[arg-type]
    return float(found.weights[row][found.ids.index("solana")])


def test_a_collapse_is_sold_on_the_next_day_and_does_not_come_back(market: Market) -> None:
    """V9, V11, R2: fallen by 90 % on 24 February, seen that day, traded the next; the cool-down of 30 days does not hold it."""
    found = run(WATCHED, market)
    assert weight_on(found, "2024-02-23") > 0
    assert weight_on(found, "2024-02-26") == 0
    assert weight_on(found, "2024-03-28") == 0
    reasons = [review.reason for review in found.reviews if review.traded_at is not None]
    assert any("red flag: solana: fell by 9" in reason for reason in reasons), reasons
    assert sum("red flag" in reason for reason in reasons) == 1


def test_without_the_trigger_it_is_held_to_the_next_review_and_the_loss_is_larger(market: Market) -> None:
    watched, blind = run(WATCHED, market), run(FILE, market)
    assert weight_on(blind, "2024-03-28") > 0
    assert watched.net[-1] > blind.net[-1]


def test_a_basket_is_bought_once_and_keeps_even_a_fallen_coin(market: Market) -> None:
    """U15: never reviewed, never traded again."""
    found = run(FILE.replace('"quarterly"', '"never"'), market)
    assert [review.reason for review in found.reviews if review.traded_at is not None] == ["first purchase"]
    assert weight_on(found, "2024-03-28") > 0


def test_the_decision_says_why_and_an_incident_that_was_written_down_counts_the_same(market: Market) -> None:
    """V9, M8: the verdict on the coin cites the flag; before it was known there is none."""
    spec: IndexSpec = parse_spec(WATCHED)
    fallen = Methodology(spec).decide(market, "2024-02-25", ("bitcoin", "ethereum", "solana"))
    assert "solana" not in fallen.target_weights
    assert "fell by" in fallen.universe.verdict("solana").reason
    exploit = Incident(
        id="ethereum", time=pd.Timestamp("2024-02-01", tz="UTC").to_pydatetime(), kind="exploit", evidence="its bridge"
    )
    told = Methodology(spec, records=Records(incidents=(exploit,)))
    assert "ethereum" in told.decide(market, "2024-01-31").target_weights
    after = told.decide(market, "2024-02-01", ("ethereum",))
    assert "ethereum" not in after.target_weights
    assert after.universe.verdict("ethereum").reason == "exploit: its bridge"
    assert [str(flag) for flag in told.red_flags(market, "2024-02-01", ["ethereum"])] == [
        "ethereum: exploit of 2024-02-01T00:00:00Z: its bridge"
    ]
    for day in ("2024-02-22", "2024-02-24", "2024-03-10"):
        rules = Methodology(spec)
        need = monitor_needs(spec.universe)
        whole = monitor(
            rules.snapshot(market, day), ["solana", "uniswap"], spec.universe,
            history=market.history(day, days=need.days, fields=need.fields),
        )  # fmt: skip
        assert rules.red_flags(market, day, ["uniswap", "solana"]) == whole, "alone or among all coins"
    calm = Methodology(dataclasses.replace(spec, rebalance=dataclasses.replace(spec.rebalance, triggers=())))
    assert calm.red_flags(market, "2024-02-25", ["solana"]) == ()


def test_a_stable_coin_that_left_its_peg_is_replaced_on_the_next_day() -> None:
    """R2: what [risk] cannot leave until the next review is a red flag too, and none any more once it is acted on."""
    frame = daily_frame(days=90)
    stables = []
    for name in ("tether", "usd-coin"):
        rows = frame[frame["id"] == "bitcoin"].assign(id=name, symbol=name[:4], price=1.0, market_cap=1e6, volume=1e6)
        stables.append(rows)
    stables[1].loc[stables[1]["date"] >= pd.Timestamp(CRASH, tz="UTC"), "price"] = 0.9
    market = Market.from_frame(pd.concat([frame, *stables], ignore_index=True))
    risk = "[risk]\nbuffer = 0.3\nmax_stable = 0.5\n[risk.stable]\nusd-coin = 1.0\n"
    found = run(WATCHED + risk + "tether = 1.0\n", market)
    row = int(found.index.get_loc(pd.Timestamp("2024-02-22", tz="UTC")))  # type: ignore[arg-type]
    side = {name: float(found.weights[row][found.ids.index(name)]) for name in ("tether", "usd-coin")}
    assert side["usd-coin"] == 0 and side["tether"] == pytest.approx(0.3, rel=0.05)
    flagged = [review.reason for review in found.reviews if "red flag" in review.reason]
    assert len(flagged) == 1 and "usd-coin" in flagged[0] and "off one dollar" in flagged[0]
    alone = Methodology(parse_spec(WATCHED + risk))
    assert alone.red_flags(market, "2024-03-01", {"bitcoin": 0.7, "usd-coin": 0.3}) == (), "nothing else could be held"
