"""The trade plan, on pools that exist only on paper.

plan_trades
    sells what is above target for what is below, and never more than either
    leaves a safety margin below the deficit, so that a better price does not overshoot
    demands the contract's floor, or its own quote less the tolerance, whichever is higher
    sells a leaving coin to the last unit
    splits what is larger than the largest trade
    cuts a trade to the size the floor allows, or leaves it with the reason
    leaves dust, and says so
    chooses the cheaper of two venues
    keeps cool-downs: a token's second trade starts later
    stays within the budgets, and says when the rest can go on
    stays within them too where a unit of the bought token is worth dollars
    does not trade for less than its gas
    is the same for the same inputs in any order
    follows preferred pairs first
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.errors import KeeperError
from offchain.trading.plan import Budget, Position, Rules, TradePlan, plan_trades
from offchain.trading.pools import Pool, V2Pool
from offchain.trading.routes import quote_route
from offchain.units import D27, NANO, WAD
from tests.fuzz import examples

HUB = "0x" + "ee" * 20
HUB_PRICE = 2000
SYMBOLS = "ABCDEFGH"
PRICES = {"A": 1.0, "B": 0.05, "C": 30_000.0, "D": 12.5, "E": 300.0, "F": 0.0007, "G": 7.0, "H": 95.0}
DECIMALS = {"A": 18, "B": 6, "C": 8, "D": 18, "E": 18, "F": 18, "G": 0, "H": 24}
USD = NANO
NOW = 1_700_000_000


def address(symbol: str) -> str:
    return "0x" + f"{ord(symbol):02x}" * 20


def price(symbol: str) -> int:
    """D27{nUSD/tok}"""
    return int(PRICES[symbol] * 10**9) * 10**27 // 10 ** DECIMALS[symbol]


def tokens_for(symbol: str, usd: float) -> int:
    return int(usd * USD) * D27 // price(symbol)


def position(symbol: str, *, has: float, target: float) -> Position:
    """Holdings and target in USD."""
    available, wanted = tokens_for(symbol, has), tokens_for(symbol, target)
    return Position(
        token=address(symbol),
        symbol=symbol,
        decimals=DECIMALS[symbol],
        price=price(symbol),
        available=available,
        weight=0 if target == 0 else max(1, int(target * WAD / 1_000_000)),
        surplus=max(0, available - wanted),
        deficit=max(0, wanted - available),
    )


def pool(symbol: str, *, usd: float = 20_000_000, name: str = "01") -> Pool:
    """A pair with the hub, `usd` on both sides together, at the oracle's price."""
    return V2Pool(
        address="0x" + name + address(symbol)[4:],
        token0=address(symbol),
        token1=HUB,
        reserve0=tokens_for(symbol, usd / 2),
        reserve1=int(usd / 2 / HUB_PRICE * 10**18),
    )


def pools(symbols: str = SYMBOLS, *, usd: float = 20_000_000) -> dict[str, Pool]:
    return {pair.address: pair for pair in (pool(symbol, usd=usd) for symbol in symbols)}


def rules(**changes: object) -> Rules:
    full = Budget(left=WAD, capacity=WAD, window=86_400)
    defaults: dict[str, object] = {
        "now": NOW,
        "budget_nav": 1_000_000 * USD,
        "max_trade": 100_000 * USD,
        "min_trade": 50 * USD,
        "floor_ppm": 990_000,
        "loss": full,
        "turnover": full,
    }
    return Rules(**{**defaults, **changes})  # type: ignore[arg-type]


def check_bounds(plan: TradePlan, positions: Sequence[Position], bounds: Rules) -> None:
    """What the contract demands of every plan."""
    by_token = {item.token: item for item in positions}
    sold: dict[str, int] = {}
    bought: dict[str, int] = {}
    for trade in plan.trades:
        sold[trade.sell] = sold.get(trade.sell, 0) + trade.sell_amount
        bought[trade.buy] = bought.get(trade.buy, 0) + trade.expected_buy
        sell, buy = by_token[trade.sell], by_token[trade.buy]
        value = -(-trade.sell_amount * sell.price // D27)
        assert value <= bounds.max_trade
        floor = -(-trade.sell_amount * sell.price * bounds.floor_ppm // (buy.price * 10**6))
        assert trade.floor == floor and trade.expected_buy >= trade.min_buy >= floor
        assert trade.start_at >= bounds.now
    for token, amount in sold.items():
        assert amount <= by_token[token].surplus
    for token, amount in bought.items():
        assert amount <= by_token[token].deficit
    assert sold.keys().isdisjoint(bought.keys())
    assert plan.loss <= bounds.loss.left and plan.turnover <= bounds.turnover.left
    assert sum(plan.results.values()) <= WAD
    if plan.trades:
        assert plan.drift_after <= plan.drift_before


def test_plan_sells_surplus_for_deficit() -> None:
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    plan = plan_trades(positions, pools(), rules())
    (trade,) = plan.trades
    assert (trade.sell_symbol, trade.buy_symbol) == ("A", "C")
    assert 19_900 * USD < trade.cost.sold <= 20_000 * USD
    check_bounds(plan, positions, rules())
    assert "A" in str(plan) and json.loads(plan.to_json())["plan_hash"] == plan.plan_hash


def test_expected_cost_is_fee_and_impact_of_both_pools() -> None:
    """20,000 USD through two pools of 10 M a side: 2 × 30 bps of fee and 2 × 20,000 / 10 M of impact."""
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    (trade,) = plan_trades(positions, pools(), rules()).trades
    assert trade.cost.bps == pytest.approx(60 + 2 * 20, abs=1.0)
    assert trade.cost.fee / trade.cost.sold * 1e4 == pytest.approx(60, abs=0.2)
    assert trade.cost.impact / trade.cost.sold * 1e4 == pytest.approx(40, abs=1)
    assert trade.cost.trading == trade.cost.fee + trade.cost.impact + trade.cost.off_mid


def test_deficit_keeps_the_safety_margin() -> None:
    positions = [position("A", has=60_000, target=20_000), position("D", has=0, target=10_000)]
    (trade,) = plan_trades(positions, pools(usd=2e9), rules(safety_bps=20)).trades
    deficit = positions[1].deficit
    assert deficit * 9_975 // 10_000 < trade.expected_buy <= deficit * 9_980 // 10_000


def test_min_buy_is_the_quote_less_tolerance_above_the_floor() -> None:
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    (trade,) = plan_trades(positions, pools(usd=2e9), rules(tolerance_bps=5)).trades
    assert trade.min_buy == trade.expected_buy * 9_995 // 10_000 > trade.floor
    (trade,) = plan_trades(positions, pools(usd=2e9), rules(tolerance_bps=500)).trades
    assert trade.min_buy == trade.floor


def test_leaving_coin_is_sold_to_the_last_unit_over_several_trades() -> None:
    positions = [
        position("G", has=33_333, target=0),
        position("A", has=0, target=20_000),
        position("D", has=0, target=20_000),
    ]
    plan = plan_trades(positions, pools(usd=2e9), rules(max_trade=9_000 * USD))
    assert sum(trade.sell_amount for trade in plan.trades) == positions[0].available
    assert max(trade.cost.sold for trade in plan.trades) <= 9_000 * USD
    check_bounds(plan, positions, rules(max_trade=9_000 * USD))


def test_trade_is_cut_to_what_the_floor_allows_and_the_rest_is_left_with_the_reason() -> None:
    positions = [position("A", has=60_000, target=20_000), position("C", has=0, target=40_000)]
    plan = plan_trades(positions, pools(usd=2_000_000), rules())
    (trade,) = plan.trades
    assert trade.cost.sold < 21_000 * USD and trade.expected_buy >= trade.floor
    (left,) = (item for item in plan.left if item.side == "surplus")
    assert left.is_blocked and "the contract allows 100" in left.reason
    assert "left: surplus of A" in str(plan)


def test_trade_that_costs_more_than_the_floor_allows_is_left() -> None:
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    plan = plan_trades(positions, pools(), rules(floor_ppm=995_000))
    assert plan.trades == () and "costs at least 6" in plan.left[0].reason


def test_no_route_is_a_reason_not_an_error() -> None:
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    plan = plan_trades(positions, pools("A"), rules())
    assert plan.trades == () and "no pools lead from" in plan.left[0].reason


def test_dust_is_left() -> None:
    positions = [position("A", has=40_040, target=40_000), position("C", has=59_960, target=60_000)]
    plan = plan_trades(positions, pools(), rules())
    assert plan.trades == () and all(item.is_dust for item in plan.left)
    assert "of dust in A, C" in str(plan)


def test_cheaper_venue_is_chosen_and_the_second_trade_takes_the_other() -> None:
    positions = [position("A", has=90_000, target=50_000), position("C", has=0, target=40_000)]
    venues = pools("C", usd=2e9)
    for name in ("01", "02"):
        pair = pool("A", usd=6_000_000, name=name)
        venues[pair.address] = pair
    plan = plan_trades(positions, venues, rules(max_trade=20_000 * USD))
    first, second = (trade.route.pools[0] for trade in plan.trades[:2])
    assert {first, second} == {address for address in venues if venues[address].token0 == positions[0].token}


def test_second_trade_of_a_token_waits_for_the_cooldown() -> None:
    positions = [
        position("A", has=60_000, target=0),
        position("C", has=0, target=30_000),
        position("D", has=0, target=28_000),
    ]
    ready = {address("D"): NOW + 1_000}
    plan = plan_trades(positions, pools(usd=2e9), rules(cooldown=300, ready_at=ready))
    assert [(trade.buy_symbol, trade.start_at) for trade in plan.trades[:2]] == [("C", NOW), ("D", NOW + 1_000)]
    assert all(trade.start_at >= NOW + 1_300 for trade in plan.trades[2:])


def test_budget_postpones_what_it_cannot_bear() -> None:
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    tight = Budget(left=WAD // 100, capacity=WAD // 50, window=86_400)  # 1 % of NAV left of 2 % a day
    bounds = rules(turnover=tight)
    plan = plan_trades(positions, pools(), bounds)
    check_bounds(plan, positions, bounds)
    assert 9_900 * USD < sum(trade.cost.sold for trade in plan.trades) <= 10_000 * USD
    assert plan.retry_at is not None and NOW < plan.retry_at <= NOW + 86_400


def test_exhausted_loss_budget_trades_nothing_and_names_the_time() -> None:
    positions = [position("A", has=60_000, target=40_000), position("C", has=40_000, target=60_000)]
    empty = Budget(left=0, capacity=WAD * 5 // 1000, window=86_400)
    plan = plan_trades(positions, pools(), rules(loss=empty))
    assert plan.trades == () and plan.retry_at is not None and plan.retry_at > NOW
    assert any("loss budget" in item.reason for item in plan.left)


def test_trade_that_costs_more_gas_than_it_is_worth_is_left() -> None:
    positions = [position("A", has=40_100, target=40_000), position("C", has=59_900, target=60_000)]
    ether_price = HUB_PRICE * 10**9 * D27 // 10**18
    plan = plan_trades(positions, pools(), rules(gas_price=50 * 10**9, ether_price=ether_price))
    assert plan.trades == () and any("gas of" in item.reason for item in plan.left)


def test_preferred_pairs_come_first() -> None:
    positions = [
        position("A", has=60_000, target=40_000),
        position("B", has=30_000, target=20_000),
        position("C", has=0, target=18_000),
        position("D", has=0, target=12_000),
    ]
    usual = [(t.sell, t.buy) for t in plan_trades(positions, pools(), rules()).trades]
    wish = (address("B"), address("C"))
    assert usual[0] != wish
    preferred = plan_trades(positions, pools(), rules(), prefer=[wish, (address("H"), address("C"))])
    assert (preferred.trades[0].sell, preferred.trades[0].buy) == wish


def test_gap_without_a_price_is_refused() -> None:
    broken = replace(position("A", has=10, target=0), price=0)
    with pytest.raises(KeeperError, match="A has no price but a gap"):
        plan_trades([broken], pools(), rules())


def test_surplus_above_what_there_is_is_refused() -> None:
    broken = replace(position("A", has=10, target=0), available=1)
    with pytest.raises(KeeperError, match="exceeds"):
        plan_trades([broken], pools(), rules())


@pytest.mark.parametrize(("max_trade", "depth"), [(25_324, 8_092_294.0), (1_000, 618_149_513.7), (1_000, 8_092_294.0)])
def test_loss_budget_holds_where_units_are_coarse(max_trade: int, depth: float) -> None:
    """G is sold in whole units of 7 USD: what is lost to rounding does not shrink with the trade."""
    holdings = {
        "A": (146.78, 0),
        "D": (101_761.0, 0),
        "F": (208.72, 74.68),
        "G": (18_935.0, 75_077.2),
        "H": (209_378.5, 0),
    }
    positions = [position(symbol, has=has, target=target) for symbol, (has, target) in holdings.items()]
    for left in range(0, WAD // 50_000, WAD // 2_000_000):
        bounds = rules(
            max_trade=max_trade * USD,
            min_trade=1 * USD,
            floor_ppm=971_596,
            loss=Budget(left=left, capacity=WAD // 200, window=86_400),
        )
        check_bounds(plan_trades(positions, pools(usd=depth), bounds), positions, bounds)


# --- properties -------------------------------------------------------------------------------------------------------

holdings = st.floats(0, 300_000, allow_nan=False)
baskets = st.lists(st.tuples(holdings, st.one_of(st.just(0.0), holdings)), min_size=2, max_size=8).map(
    lambda rows: [position(SYMBOLS[i], has=has, target=target) for i, (has, target) in enumerate(rows)]
)
bounds_strategy = st.builds(
    lambda most, least, floor, loss, turnover, cooldown: rules(
        max_trade=most * USD,
        min_trade=least * USD,
        floor_ppm=floor,
        loss=Budget(left=loss, capacity=WAD // 200, window=86_400),
        turnover=Budget(left=turnover, capacity=WAD, window=86_400),
        cooldown=cooldown,
    ),
    st.integers(1_000, 300_000),
    st.integers(1, 500),
    st.integers(950_000, 1_000_000),
    st.integers(0, WAD // 200),
    st.integers(0, WAD),
    st.sampled_from([0, 300]),
)
depths = st.floats(50_000, 1e9)


@settings(max_examples=examples(60))
@given(baskets, bounds_strategy, depths)
def test_no_plan_oversells_overshoots_or_passes_a_bound(positions: list[Position], bounds: Rules, depth: float) -> None:
    check_bounds(plan_trades(positions, pools(usd=depth), bounds), positions, bounds)


@settings(max_examples=examples(25))
@given(baskets, bounds_strategy, st.randoms(use_true_random=False))
def test_plan_does_not_depend_on_the_order_of_its_inputs(
    positions: list[Position], bounds: Rules, chooser: random.Random
) -> None:
    plan = plan_trades(positions, pools(), bounds)
    shuffled, venues = list(positions), list(pools().items())
    chooser.shuffle(shuffled)
    chooser.shuffle(venues)
    again = plan_trades(shuffled, dict(venues), bounds)
    assert again.trades == plan.trades and again.plan_hash == plan_trades(shuffled, pools(), bounds).plan_hash
    assert set(again.left) == set(plan.left) and again.results == plan.results


@settings(max_examples=examples(25))
@given(baskets, depths)
def test_trades_replayed_on_the_pools_pay_what_was_expected(positions: list[Position], depth: float) -> None:
    venues = pools(usd=depth)
    for trade in plan_trades(positions, venues, rules()).trades:
        after, bought = quote_route(venues, trade.route, trade.sell_amount)
        assert bought == trade.expected_buy
        venues |= after


@settings(max_examples=examples(25))
@given(baskets)
def test_planning_again_after_the_trades_finds_little_left(positions: list[Position]) -> None:
    """In deep pools one plan does almost all: what a second one would still turn over is below a tenth."""
    plan = plan_trades(positions, pools(usd=1e12), rules(max_trade=10**9 * USD))
    after = []
    for item in positions:
        sold = sum(t.sell_amount for t in plan.trades if t.sell == item.token)
        bought = sum(t.expected_buy for t in plan.trades if t.buy == item.token)
        after.append(
            replace(
                item,
                available=item.available - sold + bought,
                surplus=item.surplus - sold,
                deficit=item.deficit - bought,
            )
        )
    again = plan_trades(after, pools(usd=1e12), rules(max_trade=10**9 * USD))
    assert again.turnover * 10 <= plan.turnover
