"""What a trade costs on the pools there are: fee, spread, price impact from their depth, and gas.

    CostModel()                          30 bps a leg, pools of a tenth of a day's volume, as the local market lists them
    CostModel.from_pools(pools, coins)   fee and depth of each coin as pools have them now
    FREE                                 no cost at all

A rebalance sells some coins and buys others through a common token, so every coin that moves is one leg: the fee of its pool,
half the spread, and the impact of the constant product with `depth` on one side. A concentrated pool is as deep as its
virtual reserves while the price stays in its range; what that is wrong by is stated in `error_bps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from offchain.backtest.solve import Floats, Legs, leg_costs
from offchain.errors import MarketDataError
from offchain.trading.pools import FEE_UNIT, NoQuote, Pool, V2Pool, quote
from offchain.trading.routes import BASE_GAS, HOP_GAS
from offchain.units import BPS

PAYERS = ("keeper", "index")
LEG_GAS = (BASE_GAS["v2"] + 2 * HOP_GAS["v2"]) / 2.0  # {gas} a swap is two legs through two pools
GWEI = 1e-9  # {ETH}
PROBES = (0.001, 0.005, 0.01, 0.02, 0.05)  # parts of a pool's side that `from_pools` holds itself against


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """Costs of one leg. `fee_bps`, `spread_bps` (half of it): of the value traded. A coin's pools hold `tvl_share` of its median
    daily volume, between `min_tvl` and `max_tvl` USD, half on each side; `tvl_share` None is no impact. `concentration`: how many
    times deeper than full-range liquidity; `stress`: what is left of the depth. `depths` {id: USD on one side} and `fees_bps` {id}
    go before the rules. `gas_paid_by`: "keeper", as the contracts have it, or "index", which takes it out of the value.
    `error_bps`: how far the model may be off, of the value traded.
    """

    fee_bps: float = 30.0
    spread_bps: float = 0.0
    tvl_share: float | None = 0.10
    min_tvl: float = 50_000.0
    max_tvl: float = 200_000_000.0
    concentration: float = 1.0
    stress: float = 1.0
    depths: Mapping[str, float] = field(default_factory=dict)
    fees_bps: Mapping[str, float] = field(default_factory=dict)
    leg_gas: float = LEG_GAS
    gas_price_gwei: float = 5.0
    ether_usd: float | None = None
    gas_paid_by: str = "keeper"
    error_bps: float = 0.0

    def __post_init__(self) -> None:
        for name in ("fee_bps", "spread_bps", *(() if self.tvl_share is None else ("tvl_share",)), "leg_gas"):
            if not 0.0 <= getattr(self, name) < BPS * 100:
                raise MarketDataError(f"cost model: {name} = {getattr(self, name)}; write 0 or more")
        for name in ("concentration", "stress"):
            if not getattr(self, name) > 0.0:
                raise MarketDataError(f"cost model: {name} = {getattr(self, name)}; write a number above 0")
        if self.fee_bps + self.spread_bps >= BPS:
            raise MarketDataError(f"cost model: {self.fee_bps + self.spread_bps} bps a leg leave nothing; write less")
        if self.gas_paid_by not in PAYERS:
            raise MarketDataError(f'cost model: gas_paid_by = "{self.gas_paid_by}"; use one of {", ".join(PAYERS)}')

    def legs(self, ids: Sequence[str], volumes: Floats, *, ether_usd: float = 0.0) -> Legs:
        """What one leg of each coin costs. `volumes`: USD a day, NaN unknown; `ether_usd`: that day's, if the model has none."""
        rate = np.array([self.rate(name) for name in ids], dtype=np.float64)
        return Legs(
            sell=rate,
            buy=rate / (1.0 - rate),
            depth=np.array([self.depth(name, volume) for name, volume in zip(ids, volumes.tolist(), strict=True)]),
            gas=self.gas_usd(ether_usd) if self.gas_paid_by == "index" else 0.0,
        )

    def rate(self, coin_id: str) -> float:
        """Fee and half spread of a leg, as a part of what is put in."""
        return (self.fees_bps.get(coin_id, self.fee_bps) + self.spread_bps) / BPS

    def depth(self, coin_id: str, volume: float) -> float:
        """USD on one side of a coin's pools; an unknown volume counts as none."""
        if coin_id in self.depths:
            return self.depths[coin_id] * self.stress
        if self.tvl_share is None:
            return float("inf")
        known = volume if volume == volume else 0.0
        tvl = min(max(self.tvl_share * known, self.min_tvl), self.max_tvl)
        return tvl / 2.0 * self.concentration * self.stress

    def gas_usd(self, ether_usd: float = 0.0) -> float:
        """USD of gas for one leg."""
        price = ether_usd if self.ether_usd is None else self.ether_usd
        return self.leg_gas * self.gas_price_gwei * GWEI * price

    @classmethod
    def from_pools(
        cls,
        pools: Mapping[str, Pool],
        coins: Mapping[str, Coin],
        *,
        gas_price_gwei: float = 5.0,
        error_bps: float = 0.0,
    ) -> CostModel:
        """Fee and depth of each coin at its deepest pool, as it stands. `error_bps` is measured: the model against the pools' own
        arithmetic on sizes up to 5 % of a side, as far as they quote them, plus what the caller adds.

        Raises MarketDataError for a coin without a pool.
        """
        depths, fees, worst = {}, {}, 0.0
        for name, coin in sorted(coins.items()):
            found = [pool for pool in pools.values() if coin.token in (pool.token0, pool.token1)]
            if not found:
                raise MarketDataError(
                    f"cost model: no pool trades {name} ({coin.token}); add one, or leave the coin out"
                )
            best = max(found, key=lambda pool: (side_of(pool, coin), pool.address))
            depths[name], fees[name] = side_of(best, coin), best.fee / FEE_UNIT * BPS
            worst = max(worst, _error(best, coin, depths[name], fees[name]))
        return cls(depths=depths, fees_bps=fees, gas_price_gwei=gas_price_gwei, error_bps=worst + error_bps)


@dataclass(frozen=True, kw_only=True)
class Coin:
    """A coin as a token of the chain. `price`: USD per whole token."""

    token: str
    decimals: int
    price: float


FREE = CostModel(fee_bps=0.0, tvl_share=None, leg_gas=0.0)


def side_of(pool: Pool, coin: Coin) -> float:
    """USD that a pool holds on the coin's side; of a concentrated pool, what a full-range one as deep would hold."""
    if isinstance(pool, V2Pool):
        reserve = float(pool.reserve0 if coin.token == pool.token0 else pool.reserve1)
    elif coin.token == pool.token0:
        # {tok} virtual reserves x = L / √P and y = L·√P
        reserve = pool.liquidity * 2.0**96 / pool.sqrt_price
    else:
        reserve = pool.liquidity * pool.sqrt_price / 2.0**96
    return reserve * coin.price / 10.0**coin.decimals


def _error(pool: Pool, coin: Coin, depth: float, fee_bps: float) -> float:
    """The largest gap between the model and the pool, bps of the value sold."""
    legs = Legs(
        sell=np.array([fee_bps / BPS]), buy=np.array([fee_bps / (BPS - fee_bps)]), depth=np.array([depth]), gas=0.0
    )
    worst = 0.0
    for part in PROBES:
        amount = int(part * depth / coin.price * 10.0**coin.decimals)
        try:
            _, bought = quote(pool, sell=coin.token, amount=amount)
        except NoQuote:
            # beyond what is known of the pool: nothing to compare with, and the planner would not trade there either
            break
        mid = _mid(pool, coin, amount)
        sold = part * depth
        expected = float(leg_costs(np.array([-sold]), legs)[0]) / sold
        worst = max(worst, abs((1.0 - bought / mid) - expected) * BPS)
    return worst


def _mid(pool: Pool, coin: Coin, amount: int) -> float:
    if isinstance(pool, V2Pool):
        ours, theirs = (pool.reserve0, pool.reserve1) if coin.token == pool.token0 else (pool.reserve1, pool.reserve0)
        return amount * theirs / ours
    square = (pool.sqrt_price / 2.0**96) ** 2
    return amount * square if coin.token == pool.token0 else amount / square
