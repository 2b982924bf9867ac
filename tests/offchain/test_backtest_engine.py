"""The backtest: the same decide, at its own time; trades at the next price; every dollar accounted for.

levels      an independent few lines of pandas · buy and hold · constant weights
look-ahead  nothing after t, no order of rows or columns, changes a bit · a delay is a delay · no lag is refused
trades      weights after cost are the targets · parts of the cost add up · dust · every trade says why
reviews     a review without a trade is written down · one that cannot decide too
dead coins  last price or nothing, by choice · a price in doubt is not traded at · migration, fork, redenomination
investors   come and go in kind without moving the level
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from market_frames import change, daily_frame, without

from offchain.backtest import FREE, CostModel, Fixed, Flow, Rules, Run, Target, Terms, backtest, run_decider
from offchain.errors import MarketDataError
from offchain.market import Market
from offchain.market.events import Event
from offchain.spec import IndexSpec
from offchain.spec.rebalance_rules import RebalanceRules

WAD = 10**18
DAY = timedelta(days=1)
WEEKLY = RebalanceRules(calendar="weekly", weekday="monday")
DAILY = RebalanceRules(calendar="daily")
HALVES = Fixed(weights={"bitcoin": WAD // 2, "solana": WAD // 2})
NEVER = {
    "tether", "usd-coin", "dai", "binance-usd", "terrausd", "true-usd", "paxos-standard", "husd", "fei-usd", "liquity-usd",
    "wrapped-bitcoin", "huobi-btc", "renbtc", "compound-ether", "cdai", "compound-usd-coin", "compound-usdt", "staked-ether",
    "xsushi", "seth", "interest-bearing-bitcoin", "3x-long-ethereum-token", "pax-gold", "tether-gold",
}  # fmt: skip


@pytest.fixture(scope="module")
def market() -> Market:
    return Market.from_frame(daily_frame())


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- levels -----------------------------------------------------------------------------------------------------------


def test_market_cap_index_of_2021_is_that_of_a_few_lines_of_pandas(real_market: Market, lc10: IndexSpec) -> None:
    """P1, R7: before costs, to 1e-12."""
    plain = dataclasses.replace(
        lc10,
        universe=dataclasses.replace(lc10.universe, exclude=("tether",), buffer=0, min_age_days=0),
        weights=dataclasses.replace(lc10.weights, max_weight=1.0, min_weight=0.0),
    )
    rules = dataclasses.replace(Rules.of(plain), band=0, dust_usd=0.0)
    run = backtest(plain, real_market, start="2021-01-04", end="2021-09-30", costs=FREE, rules=rules, terms=Terms())

    prices = real_market.price.loc["2021-01-05":]
    caps = real_market.market_cap.drop(columns=[name for name in NEVER if name in real_market.market_cap])
    value, units, levels = 1_000.0, None, []
    for day in prices.index:
        value = value if units is None else float((units * prices.loc[day, units.index]).sum())
        if (day - DAY).day_of_week == 0:
            largest = caps.loc[day - DAY].nlargest(10)
            units = value * (largest / largest.sum()) / prices.loc[day, largest.index]
        levels.append(value)
    assert list(run.index) == list(prices.index)
    np.testing.assert_allclose(run.gross, levels, rtol=1e-12, atol=0)
    np.testing.assert_allclose(run.net, levels, rtol=1e-12, atol=0)


def test_buying_once_without_cost_is_holding_the_coins(market: Market) -> None:
    """F8: with zero cost the index is worth what its coins are."""
    once = RebalanceRules(calendar="monthly")
    run = run_decider(HALVES, market, start="2024-01-02", end="2024-01-31", rules=Rules(calendar=once), costs=FREE)
    prices = market.price.loc["2024-01-03":"2024-01-31", ["bitcoin", "solana"]]
    expected = 1_000.0 * (prices / prices.iloc[0]).mean(axis=1)
    np.testing.assert_allclose(run.net, expected, rtol=1e-13)
    assert [review.reason for review in run.reviews] == ["first purchase"]


def test_constant_weights_are_restored_at_every_review(market: Market) -> None:
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY), costs=FREE)
    np.testing.assert_allclose(run.weights, 0.5, rtol=1e-14)
    returns = market.price[["bitcoin", "solana"]].pct_change().mean(axis=1).iloc[2:]
    np.testing.assert_allclose(run.gross, 1_000.0 * np.cumprod([1.0, *(1.0 + returns)]), rtol=1e-12)


def test_decision_of_the_last_day_is_not_traded_and_says_so(market: Market) -> None:
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY), costs=FREE)
    assert run.reviews[-1].traded_at is None
    assert run.reviews[-1].reason == "decided too late to be traded before the end"


# --- look-ahead -------------------------------------------------------------------------------------------------------


def poisoned(market: Market, after: pd.Timestamp) -> Market:
    rows = int(market.dates.searchsorted(after, side="right"))
    frames = {}
    for name in ("price", "market_cap", "volume"):
        frame = getattr(market, name).copy()
        frame.iloc[rows:] = frame.iloc[rows:].to_numpy()[::-1] * (3.0 if name == "price" else 1_000.0)
        frames[name] = frame
    return dataclasses.replace(market, **frames)


@pytest.mark.parametrize("t", ["2024-05-20", "2024-12-05", "2025-03-03"])
def test_everything_up_to_t_is_blind_to_what_comes_after(synthetic: Market, lc10: IndexSpec, t: str) -> None:
    """D13, R7: prices, caps and volumes after t reversed and many times higher; the run up to t is the same, bit for bit."""
    day = pd.Timestamp(t, tz="UTC")
    before = backtest(lc10, synthetic, start="2024-04-01", end="2025-04-01")
    after = backtest(lc10, poisoned(synthetic, day), start="2024-04-01", end="2025-04-01")
    rows = int(before.index.searchsorted(day, side="right"))
    assert rows > 40
    assert before.net[:rows].tobytes() == after.net[:rows].tobytes()
    assert before.gross[:rows].tobytes() == after.gross[:rows].tobytes()
    assert before.nav_per_share[:rows] == after.nav_per_share[:rows]
    assert [x for x in before.trades if x.time <= day] == [x for x in after.trades if x.time <= day]
    assert [x for x in before.charges if x.time <= day] == [x for x in after.charges if x.time <= day]
    known = [x for x in before.reviews if x.time <= day and (x.traded_at is None or x.traded_at <= day)]
    assert known == [x for x in after.reviews if x.time <= day and (x.traded_at is None or x.traded_at <= day)]


def test_order_of_rows_and_columns_changes_nothing(lc10: IndexSpec) -> None:
    frame = daily_frame()
    shuffled = frame.sample(frac=1.0, random_state=7)
    rules = Rules(calendar=WEEKLY)
    runs = [run_decider(HALVES, Market.from_frame(data), rules=rules) for data in (frame, shuffled)]
    assert runs[0].run_hash == runs[1].run_hash
    wide = Market.from_frame(frame)
    turned = dataclasses.replace(
        wide, **{name: getattr(wide, name)[list(wide.ids)] for name in ("price", "market_cap", "volume")}
    )
    assert run_decider(HALVES, turned, rules=rules).to_json() == runs[0].to_json()


@pytest.mark.parametrize("days", [1, 2, 3, 7])
def test_delay_trades_that_many_days_after_the_decision(market: Market, days: int) -> None:
    run = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY, lag=days * DAY), costs=FREE)
    assert {(review.traded_at - review.time).days for review in run.reviews if review.traded_at} == {days}
    assert all(trade.price == market.price.loc[pd.Timestamp(trade.time), trade.id] for trade in run.trades)


def test_trading_at_the_price_that_decided_is_refused_unless_it_is_research(market: Market) -> None:
    with pytest.raises(MarketDataError, match="look-ahead"):
        Rules(lag=timedelta(0))
    run = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY, lag=timedelta(0), is_research=True), costs=FREE)
    assert all(review.traded_at == review.time for review in run.reviews)
    assert run.times[0] == market.start


# --- trades -----------------------------------------------------------------------------------------------------------


def test_weights_after_cost_are_the_targets_and_nothing_is_left_over(market: Market) -> None:
    """F8: V' = V − fee − impact, and every weight is its target afterwards."""
    costs = CostModel(fee_bps=30, spread_bps=7, depths={"bitcoin": 2e6, "solana": 4e5})
    run = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY, value_usd=250_000.0), costs=costs)
    for review in run.reviews:
        if review.traded_at is None:
            continue
        row = run.times.index(review.traded_at)
        np.testing.assert_allclose(run.weights[row], 0.5, rtol=1e-14)
        before = run.nav[row - 1] * run.gross[row] / run.gross[row - 1] if row else 250_000.0
        paid = sum(trade.cost for trade in run.trades if trade.time == review.traded_at)
        assert run.nav[row] == pytest.approx(before - paid, rel=1e-13)
        assert review.cost == pytest.approx(paid / before, rel=1e-9)


def test_parts_of_a_trades_cost_are_those_of_the_pool(market: Market) -> None:
    """F8: 30 bps and 10 bps of what is put in, and the constant product on 500,000 USD of depth."""
    costs = CostModel(fee_bps=30, spread_bps=10, depths={"bitcoin": 5e5, "solana": 5e5})
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY), costs=costs)
    assert {trade.side for trade in run.trades} == {"buy", "sell"}
    for trade in run.trades:
        put_in = trade.value if trade.side == "sell" else trade.value + trade.cost
        less_fee = put_in * (1 - 0.004)
        received = 5e5 * less_fee / (5e5 + less_fee)
        out = trade.value if trade.side == "buy" else trade.value - trade.cost
        assert out == pytest.approx(received, rel=1e-9)
        assert trade.fee == pytest.approx(0.003 * put_in, rel=1e-9)
        assert trade.spread == pytest.approx(0.001 * put_in, rel=1e-9)
        assert trade.fee + trade.spread + trade.impact == pytest.approx(put_in - received, rel=1e-6, abs=1e-9)
        assert trade.quantity * trade.price == pytest.approx(trade.value * (1 if trade.side == "buy" else -1))


def test_gas_is_shown_and_paid_by_whom_the_model_says(market: Market) -> None:
    """F8: the keeper pays it by default, as the contracts have it."""
    per_leg = 200_000 * 10e-9 * 3_000.0
    model = CostModel(leg_gas=200_000, gas_price_gwei=10, ether_usd=3_000.0, fee_bps=0, tvl_share=None)
    by_keeper = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY), costs=model)
    by_index = run_decider(
        HALVES, market, rules=Rules(calendar=WEEKLY), costs=dataclasses.replace(model, gas_paid_by="index")
    )
    assert by_keeper.reviews[0].gas == pytest.approx(2 * per_leg)
    np.testing.assert_allclose(by_keeper.net, by_keeper.gross, rtol=1e-12)
    assert by_index.nav[0] == pytest.approx(100_000.0 - 2 * per_leg, rel=1e-12)
    assert by_index.costs["gas"] == pytest.approx(len(by_index.trades) * per_leg)


def test_rebalance_that_the_pools_do_not_hold_goes_part_of_the_way() -> None:
    """F8, V1: never at an absurd price, never by stopping the run: a finding says how far it went."""
    frame = change(daily_frame(), "solana", 20, days=40, price=9.0, market_cap=9.0)
    shallow = CostModel(fee_bps=0.0, depths={"bitcoin": 120_000.0, "solana": 120_000.0})
    run = run_decider(HALVES, Market.from_frame(frame), rules=Rules(calendar=WEEKLY), costs=shallow)
    assert any("of the way is traded" in text for text in run.findings)
    first = next(review for review in run.reviews if review.time >= at("2024-01-22"))
    row = run.times.index(first.traded_at)
    assert 0.5 < run.weights[row, run.ids.index("solana")] < 0.9
    with pytest.raises(MarketDataError, match="no pool holds enough"):
        run_decider(HALVES, Market.from_frame(frame), rules=Rules(value_usd=1e6), costs=shallow)


def test_dust_is_left_alone_and_the_others_share_the_rest(market: Market) -> None:
    three = Fixed(weights={"bitcoin": WAD // 2, "ethereum": WAD // 4, "solana": WAD // 4})
    all_of_it = run_decider(three, market, rules=Rules(calendar=DAILY), costs=FREE)
    some = run_decider(three, market, rules=Rules(calendar=DAILY, dust_usd=700.0), costs=FREE)
    assert min(trade.value for trade in some.trades) >= 700.0
    assert 3 < len(some.trades) < len(all_of_it.trades)
    for review in some.reviews:
        bought = sum(trade.value for trade in some.trades if trade.time == review.traded_at and trade.side == "buy")
        sold = sum(trade.value for trade in some.trades if trade.time == review.traded_at and trade.side == "sell")
        if review.traded_at and review is not some.reviews[0]:
            assert bought == pytest.approx(sold, rel=1e-9)


def test_every_trade_says_why(synthetic: Market, lc10: IndexSpec) -> None:
    """R9: entered, left, above or below target, each with its decision."""
    run = backtest(lc10, synthetic, start="2024-04-01", end="2024-12-31")
    hashes = {decision.decision_hash for decision in run.decisions}  # type: ignore[attr-defined]
    assert {trade.decision for trade in run.trades} <= hashes
    words = {trade.reason.split()[0] for trade in run.trades}
    assert {"enters:", "leaves:"} <= words
    assert all(trade.weight_after == 0.0 for trade in run.trades if trade.reason.startswith("leaves"))


# --- reviews ----------------------------------------------------------------------------------------------------------


def test_review_below_the_band_does_not_trade_and_is_written_down(market: Market) -> None:
    """R4: the decision not to trade is a decision too."""
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY, band=10**16), costs=FREE)
    quiet = [review for review in run.reviews if review.traded_at is None]
    assert quiet and run.rebalances > 0
    for review in quiet[:-1]:
        assert review.drift < 0.01
        assert review.reason.endswith("is below the band of 1.00%")
        assert review.decision == HALVES.decide(market, review.time, {}).decision_hash


def test_coin_that_enters_or_leaves_is_traded_whatever_the_band(synthetic: Market, lc10: IndexSpec) -> None:
    """R4, R7: the same worth_it as live; bands are for weights, not for membership."""
    rules = dataclasses.replace(Rules.of(lc10), band=9 * 10**17)
    run = backtest(lc10, synthetic, start="2024-04-01", end="2025-06-30", rules=rules)
    traded = [review for review in run.reviews[1:] if review.traded_at]
    assert traded and all("enter" in review.reason or "leave" in review.reason for review in traded)
    quiet = [review for review in run.reviews if not review.traded_at]
    assert all("below the band of 90.00%" in review.reason for review in quiet[:-1])


def test_drift_between_reviews_trades_on_the_day_it_is_seen(market: Market) -> None:
    """R2: by time or threshold: monthly, and whenever drift reaches 1 %."""
    often = RebalanceRules(calendar="monthly", triggers=("drift",), drift_band=0.01)
    run = run_decider(HALVES, market, rules=Rules(calendar=often, band=10**16), costs=FREE)
    assert run.rebalances > 1
    for review in run.reviews[1:]:
        assert review.drift >= 0.01 or review.traded_at is None
        assert review.reason.startswith("drift") or review is run.reviews[-1]
    calm = dataclasses.replace(often, cooldown_days=10)
    rested = run_decider(HALVES, market, rules=Rules(calendar=calm, band=10**16), costs=FREE)
    traded = [review for review in rested.reviews if review.traded_at]
    for before, after in zip(traded, traded[1:], strict=False):
        assert after.time.day == 1 or (after.time - before.traded_at).days >= 10
    assert rested.rebalances < run.rebalances


def test_trading_has_to_be_worth_its_cost(market: Market) -> None:
    """A5, R4: with cost_multiple the benefit has to pay; at a price of 5 % a leg it never does here."""
    when = RebalanceRules(calendar="weekly", cost_multiple=1.0, risk_aversion=10.0, risk_days=20)
    cheap, dear = (
        run_decider(HALVES, market, start="2024-01-25", rules=Rules(calendar=when), costs=costs)
        for costs in (FREE, CostModel(fee_bps=500.0, gas_price_gwei=0.0))
    )
    assert cheap.rebalances > 0 == dear.rebalances
    assert any("trading costs" in review.reason for review in dear.reviews)


def test_trading_to_the_edge_of_the_band_moves_less(market: Market) -> None:
    """R4: trade_to = "band"."""
    edge = RebalanceRules(calendar="daily", trade_to="band", drift_band=0.01)
    to_edge = run_decider(HALVES, market, rules=Rules(calendar=edge, band=10**16), costs=FREE)
    moved = [review for review in to_edge.reviews[1:] if review.traded_at]
    first = to_edge.times.index(moved[0].traded_at)
    assert abs(to_edge.weights[first, 0] - 0.5) == pytest.approx(0.01, abs=1e-9)
    assert sorted(moved[0].weights.values()) == [49 * 10**16, 51 * 10**16]


def test_weights_may_be_decided_days_before_they_count(market: Market) -> None:
    """W11, R6: data of three days before the review, traded at the review and not before."""
    ahead = RebalanceRules(calendar="weekly", weekday="monday", reference_days=3)
    run = run_decider(HALVES, market, start="2024-01-02", rules=Rules(calendar=ahead), costs=FREE)
    for review in run.reviews[1:]:
        if review.traded_at:
            assert review.time.weekday() == 4 and review.traded_at.weekday() == 0
            assert review.traded_at - review.time == 3 * DAY


def test_decider_is_given_its_own_levels_and_labels_up_to_then(market: Market) -> None:
    """A11: stops read the index's own past, never a level that is still to come."""
    seen: list[tuple[datetime, int, object]] = []

    class Asks:
        def decide(
            self,
            market: Market,
            t: datetime,
            holdings: object,
            /,
            *,
            levels: tuple[float, ...] = (),
            labels: object = None,
        ) -> object:
            seen.append((t, len(levels), labels))
            target = HALVES.decide(market, t, {})
            return Labelled(target_weights=target.target_weights, labels={"bitcoin": f"{t:%d}"})

    run = run_decider(Asks(), market, start="2024-01-01", rules=Rules(calendar=WEEKLY), costs=FREE)  # type: ignore[arg-type]
    assert seen[0][1:] == (0, None)
    for (before, _, _), (t, count, labels) in zip(seen, seen[1:], strict=False):
        assert count == run.times.index(t) + 1
        assert labels == {"bitcoin": f"{before:%d}"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labelled(Target):
    """A target with labels, as a decision with signals has them."""

    labels: dict[str, str]


def test_review_that_cannot_decide_keeps_the_holdings_and_says_why(lc10: IndexSpec) -> None:
    frame = daily_frame(days=120)
    late = frame["date"] >= pd.Timestamp("2024-04-05", tz="UTC")
    frame.loc[late, "volume"] = 1.0
    rules = dataclasses.replace(lc10, universe=dataclasses.replace(lc10.universe, volume_days=3, buffer=0, top=4))
    run = backtest(rules, Market.from_frame(frame), start="2024-03-04")
    last = run.reviews[-1]
    assert last.traded_at is None and last.reason.startswith("no decision, holdings stay: LC10: none of 6 coins passes")
    assert last.reason.removeprefix("no decision, holdings stay: ") in run.findings[-1]


def test_nothing_to_buy_at_all_is_one_clear_error(lc10: IndexSpec) -> None:
    with pytest.raises(MarketDataError, match="nothing could be bought from 2024-01-01.*no decision"):
        backtest(lc10, Market.from_frame(daily_frame(volume=1.0)))


# --- dead coins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("choice", "last_weight"), [("last", 0.5), ("zero", 0.0)])
def test_coin_whose_price_ends_counts_for_its_last_price_or_for_nothing(choice: str, last_weight: float) -> None:
    """V11: the day after the market calls it gone, not before, and it is not forgotten."""
    frame = daily_frame(days=20, coins={"bitcoin": (100.0, 1e9), "solana": (100.0, 1e9)})
    frame["price"] = 100.0
    frame = without(frame, "solana", 10, days=10)
    once = RebalanceRules(calendar="monthly")
    market = Market.from_frame(frame)
    run = run_decider(HALVES, market, rules=Rules(calendar=once, delisting=choice), costs=FREE)
    # three days are bridged; from the fourth on the coin is gone
    assert run.gross[run.index.get_loc("2024-01-13")] == 1_000.0
    assert run.gross[-1] == pytest.approx(1_000.0 * (0.5 + 0.5 * (choice == "last")))
    assert run.weights[-1, run.ids.index("solana")] == pytest.approx(last_weight)
    assert [text for text in run.findings if "2024-01-14: solana has no price any more" in text]


def test_luna_like_collapse_is_sold_on_the_way_down_not_at_the_old_price(synthetic: Market) -> None:
    """V11, R7: terranova loses three quarters a day; its seller gets what the market pays a day later."""
    pair = {"bitcoin": WAD // 2, "terranova": WAD // 2}

    class Leaves:
        def decide(self, market: Market, t: object, holdings: object, /) -> object:

            past = market.until(t)  # type: ignore[arg-type]
            fell = past.price["terranova"].iloc[-1] < 0.5 * past.price["terranova"].iloc[-8:].max()
            return Target(target_weights={"bitcoin": WAD} if fell else pair)

    run = run_decider(
        Leaves(), synthetic, start="2024-11-25", end="2024-12-31", rules=Rules(calendar=DAILY), costs=FREE
    )  # type: ignore[arg-type]
    sale = next(trade for trade in run.trades if trade.id == "terranova" and trade.weight_after == 0.0)
    crash = pd.Timestamp("2024-12-06", tz="UTC")
    assert pd.Timestamp(sale.time) == crash + DAY
    # the pair is bought back on the day of the crash by the decision of the day before; on the next day all of it goes
    moves = synthetic.price.loc[crash - DAY : crash + DAY, list(pair)].pct_change().iloc[1:] + 1.0
    assert (moves["terranova"] < 0.35).all()
    before, after = (run.gross[run.index.get_loc(day)] for day in (crash - DAY, crash + DAY))
    assert after / before == pytest.approx(moves.mean(axis=1).prod(), rel=1e-12)
    assert after / before < 0.45


def test_price_in_doubt_is_not_traded_at(market: Market) -> None:
    """V12: the rebalance waits until the price is believed, at most three days."""
    frame = change(daily_frame(), "solana", 15, price=1_000.0)
    glitch = Market.from_frame(frame)
    run = run_decider(HALVES, glitch, rules=Rules(calendar=WEEKLY), costs=FREE)
    waited = next(review for review in run.reviews if review.time == at("2024-01-15"))
    assert waited.traded_at == at("2024-01-17")
    assert "2024-01-16: the price of solana is in doubt; the rebalance waits for the next one" in run.findings
    assert run.gross.max() < 1_200.0


def events_market() -> Market:
    coins = {"bitcoin": (100.0, 1e9), "lend": (1.0, 1e8), "aave": (100.0, 1e8), "spin": (10.0, 1e7)}
    frame = daily_frame(days=30, coins=coins)
    frame["price"] = [coins[name][0] for name in frame["id"]]
    return Market.from_frame(frame)


@pytest.mark.parametrize(
    ("kind", "new_id", "ratio", "expected", "level"),
    [
        ("migration", "aave", (1, 100), {"aave": 500.0, "bitcoin": 500.0}, 1_000.0),
        ("fork", "spin", (1, 10), {"lend": 50_000.0, "bitcoin": 500.0, "spin": 5_000.0}, 1_500.0),
    ],
)
def test_corporate_action_changes_what_is_held_not_what_was_paid(
    kind: str, new_id: str, ratio: tuple[int, int], expected: dict[str, float], level: float
) -> None:
    """Migration and fork: coins after are coins before times the ratio; a decision on its way follows the coin."""
    event = Event(
        kind=kind, id="lend", new_id=new_id, new_coins=ratio[0], old_coins=ratio[1], date=at("2024-01-15").date(),
        known=at("2024-01-10"),
    )  # fmt: skip
    pair = Fixed(weights={"bitcoin": WAD // 2, "lend": WAD // 2})
    rules = Rules(calendar=RebalanceRules(calendar="monthly"))
    run = run_decider(pair, events_market(), rules=rules, costs=FREE, events=[event])
    held = {name: units for name, units in zip(run.ids, run.units[-1].tolist(), strict=True) if units}
    assert held == pytest.approx(expected)
    assert run.gross[-1] == pytest.approx(level)
    assert run.gross[12] == pytest.approx(1_000.0) and run.times[12] == at("2024-01-14")


def test_decision_on_its_way_follows_a_coin_that_migrates() -> None:
    event = Event(
        kind="migration", id="lend", new_id="aave", new_coins=1, old_coins=100, date=at("2024-01-16").date(),
        known=at("2024-01-10"),
    )  # fmt: skip
    pair = Fixed(weights={"bitcoin": WAD // 2, "lend": WAD // 2})
    rules = Rules(calendar=RebalanceRules(calendar="monthly"))
    run = run_decider(pair, events_market(), start="2024-01-15", rules=rules, costs=FREE, events=[event])
    assert run.ids == ("aave", "bitcoin")


# --- investors --------------------------------------------------------------------------------------------------------


def test_investors_come_and_go_without_moving_the_level(market: Market) -> None:
    """F1: minting and redeeming are in kind and pro rata; the others' share is what it was."""
    flows = [
        Flow(time=at("2024-01-10"), kind="mint", usd=50_000.0),
        Flow(time=at("2024-01-20"), kind="redeem", usd=20_000.0),
    ]
    alone = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY), costs=FREE)
    crowd = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY), costs=FREE, flows=flows)
    np.testing.assert_allclose(crowd.net, alone.net, rtol=1e-12)
    assert crowd.nav[-1] > alone.nav[-1]
    assert max(crowd.supply) > max(alone.supply)


# --- files ------------------------------------------------------------------------------------------------------------


def test_run_writes_itself_down_and_its_hash_follows_its_content(market: Market, tmp_path: object) -> None:
    from pathlib import Path

    run = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY), symbol="HALF")
    files = run.write(Path(str(tmp_path)) / "out")
    assert [file.name for file in files][:3] == ["run.json", "levels.csv", "trades.csv"]
    document = json.loads(files[0].read_text())
    assert document["run_hash"] == run.run_hash and document["symbol"] == "HALF"
    back = pd.read_parquet(files[3])
    assert back["net"].tolist() == run.net.tolist()
    assert len(pd.read_csv(files[2])) == len(run.trades)
    other = run_decider(HALVES, market, rules=Rules(calendar=WEEKLY), symbol="HALF", costs=FREE)
    assert other.run_hash != run.run_hash


def test_intraday_clock_needs_intraday_prices_and_trades_at_the_next_of_them(market: Market) -> None:
    rules = Rules(calendar=WEEKLY, clock="intraday", lag=timedelta(hours=1))
    with pytest.raises(MarketDataError, match="one price a day"):
        run_decider(HALVES, market, rules=rules)
    hours = pd.date_range("2024-01-01", "2024-01-20", freq="h", tz="UTC")
    prices = pd.DataFrame(
        {
            "bitcoin": 40_000.0 + 10.0 * np.arange(len(hours)),
            "solana": 100.0 + np.sin(np.arange(len(hours)) / 9.0),
        },
        index=hours,
    )
    run: Run = run_decider(HALVES, market, rules=rules, intraday=prices, end="2024-01-20", costs=FREE)
    assert len(run) == len(hours) - 1
    assert {(review.traded_at - review.time) for review in run.reviews if review.traded_at} == {timedelta(hours=1)}
    day = prices.loc["2024-01-01T01:00":"2024-01-08T00:00"]
    np.testing.assert_allclose(run.gross[: len(day)], 1_000.0 * (day / day.iloc[0]).mean(axis=1), rtol=1e-12)
