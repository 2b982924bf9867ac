"""Costs: calibrated from pools, against the pools' own arithmetic; capacity; delays; coins that died.

rule       the depth of the local market's pools
pools      V2 to a hundredth of a basis point · V3 within the stated error
capacity   costs rise with size, down to one value
honesty    a delay curve without a cliff · what only the survivors would have brought
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_frames import daily_frame, without

from offchain.backtest import FREE, CostModel
from offchain.backtest.costs import Coin
from offchain.backtest.honesty import delay_curve, only, survivorship_gap
from offchain.backtest.kernel import capacity, simulate
from offchain.backtest.solve import Legs, leg_costs
from offchain.devnet import liquidity
from offchain.errors import MarketDataError
from offchain.market import Market
from offchain.spec import IndexSpec
from offchain.spec.variants import changed
from offchain.trading.pools import V2Pool, V3Pool, quote, tick_at

TOKEN, WETH = "0x" + "1" * 40, "0x" + "2" * 40


@given(st.floats(0, 1e12))
def test_depth_is_half_of_what_the_local_market_puts_into_its_pools(volume: float) -> None:
    """F8: calibrated from the devnet: a tenth of a day's volume, between its bounds, half on each side."""
    assert CostModel().depth("any", volume) == liquidity.tvl(volume) / 2


def test_unknown_volume_is_the_shallowest_pool() -> None:
    assert CostModel().depth("any", math.nan) == liquidity.MIN_TVL / 2
    assert CostModel(stress=0.5, concentration=3.0).depth("any", math.nan) == liquidity.MIN_TVL * 0.75
    assert CostModel(tvl_share=None).depth("any", 5.0) == math.inf


def v2(usd: float, price: float, decimals: int) -> V2Pool:
    """A pool of the local market: `usd` half in the coin, half in WETH at 2,000 USD."""
    amount = liquidity.liquidity(usd, Fraction(price), Fraction(2_000), decimals, 18)
    root = math.sqrt(price / 2_000 * 10.0 ** (18 - decimals))
    return V2Pool(address="0xa", token0=TOKEN, token1=WETH, reserve0=int(amount / root), reserve1=int(amount * root))


@pytest.mark.parametrize(("price", "decimals"), [(0.0003, 18), (1.0, 6), (40_000.0, 8)])
def test_model_from_a_pair_is_the_pair_to_a_hundredth_of_a_basis_point(price: float, decimals: int) -> None:
    """F8: depth 1 M a side, 30 bps; the model against UniswapV2's integers at sizes up to 5 % of the pool."""
    pool = v2(2e6, price, decimals)
    model = CostModel.from_pools({"0xa": pool}, {"coin": Coin(token=TOKEN, decimals=decimals, price=price)})
    assert model.depth("coin", 0.0) == pytest.approx(1e6, rel=1e-6)
    assert model.fees_bps["coin"] == 30.0
    assert model.error_bps < 0.01
    sold = 30_000.0
    amount = int(sold / price * 10**decimals)
    _, bought = quote(pool, sell=TOKEN, amount=amount)
    received = bought / 1e18 * pool.reserve0 / pool.reserve1 * 1e18 / 10**decimals * price
    cost = leg_costs(np.array([-sold]), model.legs(["coin"], np.array([0.0])))[0]
    assert cost == pytest.approx(sold - received, rel=1e-5)


def test_model_of_a_concentrated_pool_states_its_error() -> None:
    """F8: liquidity that thins out beyond ±5 % is deeper than the model inside and shallower outside: `error_bps` says how much."""
    root = 1 << 96
    spacing = 60
    deep, thin = 10**24, 3 * 10**23
    inner = 480  # ticks: about 5 %
    net = {-6000: thin, -inner: deep - thin, inner: thin - deep, 6000: -thin}
    pool = V3Pool(
        address="0xb", token0=TOKEN, token1=WETH, fee=3000, spacing=spacing, sqrt_price=root, tick=tick_at(root),
        liquidity=deep, first=-60_000, last=60_000, net=net,
    )  # fmt: skip
    model = CostModel.from_pools({"0xb": pool}, {"coin": Coin(token=TOKEN, decimals=18, price=1.0)}, error_bps=2.0)
    assert model.depth("coin", 0.0) == pytest.approx(1e6, rel=1e-9)
    assert model.error_bps > 20.0
    for part in (0.001, 0.01, 0.05):
        sold = part * 1e6
        _, bought = quote(pool, sell=TOKEN, amount=int(sold * 1e18))
        cost = leg_costs(np.array([-sold]), model.legs(["coin"], np.array([0.0])))[0]
        assert abs(cost - (sold - bought / 1e18)) / sold * 1e4 <= model.error_bps


def test_coin_without_a_pool_is_named() -> None:
    with pytest.raises(MarketDataError, match="no pool trades ghost"):
        CostModel.from_pools({}, {"ghost": Coin(token=TOKEN, decimals=18, price=1.0)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fee_bps": -1.0}, "fee_bps = -1.0"),
        ({"fee_bps": 9_000.0, "spread_bps": 1_000.0}, "leave nothing"),
        ({"stress": 0.0}, "stress = 0.0"),
        ({"gas_paid_by": "nobody"}, 'gas_paid_by = "nobody"'),
    ],
)
def test_cost_model_that_makes_no_sense_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(MarketDataError, match=message):
        CostModel(**values)  # type: ignore[arg-type]


# --- capacity ---------------------------------------------------------------------------------------------------------


def test_capacity_is_the_value_at_which_costs_reach_the_limit() -> None:
    dice = np.random.default_rng(2)
    prices = np.exp(np.cumsum(dice.normal(0, 0.03, (200, 4)), axis=0))
    rows, weights = np.arange(0, 200, 20), np.full((10, 4), 0.25)
    legs = Legs.flat(4, rate=0.001, depth=1e6)
    fits = capacity(prices, rows, weights, legs=legs, max_cost=0.01)
    at, above = (simulate(prices, rows, weights, legs=legs, value=fits * k).cost[1:].sum() for k in (1.0, 1.01))
    assert at <= 0.01 < above
    deeper = capacity(prices, rows, weights, legs=Legs.flat(4, rate=0.001, depth=2e6), max_cost=0.01)
    assert deeper == pytest.approx(2 * fits, rel=3e-3)
    with pytest.raises(MarketDataError, match="one dollar already costs"):
        capacity(prices, rows, weights, legs=legs, max_cost=1e-6)
    assert capacity(prices, rows, weights, legs=Legs.flat(4), max_cost=0.01) == 1e12


# --- honesty ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(lc10: IndexSpec) -> IndexSpec:
    return changed(
        lc10, {"universe.top": 3, "universe.buffer": 0, "universe.min_age_days": 0, "weights.max_weight": 0.5}
    )


def test_delay_curve_compares_the_same_days(tiny: IndexSpec) -> None:
    """D13: lag 0, 1, 2, 3, 7 side by side; on data without memory no delay is a cliff."""
    curve = delay_curve(tiny, Market.from_frame(daily_frame(days=90)), costs=FREE)
    assert curve.index.tolist() == [0, 1, 2, 3, 7]
    assert curve["cagr_gross"].std() < 0.1


def test_survivors_alone_look_better_than_all_there_were(tiny: IndexSpec) -> None:
    """V11: a coin that falls and vanishes costs the real index; the one of survivors never held it."""
    frame = daily_frame(days=90)
    falls = frame["id"] == "ethereum"
    day = (frame["date"] - frame["date"].min()).dt.days
    frame.loc[falls, "price"] *= 0.97 ** np.maximum(day[falls] - 20, 0)
    frame.loc[falls, "market_cap"] *= 0.97 ** np.maximum(day[falls] - 20, 0)
    market = Market.from_frame(without(frame, "ethereum", 60, days=40))
    found = survivorship_gap(tiny, market, costs=FREE)
    assert found.held_and_died == ("ethereum",) and found.dead == 1
    assert found.gap > 0.1
    assert "ethereum" not in only(market, ["bitcoin", "solana"]).ids
    with pytest.raises(MarketDataError, match="no coin is left"):
        only(market, ["nobody"])
