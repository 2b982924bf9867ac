"""What a trade is expected to cost against the oracle: pool fees, price impact, gas, and what the pools are off the oracle.

Everything is in {nUSD} of the oracle's prices; `bps` are of what is sold. The parts add up to the total exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

from offchain.reference.trade_math import value_down, value_up
from offchain.trading.pools import FEE_UNIT
from offchain.trading.routes import Pools, Route, mid_of_route
from offchain.units import BPS


@dataclass(frozen=True, kw_only=True)
class Cost:
    """{nUSD}. `off_mid`: how far the pools' middle price lies from the oracle; negative when it is in our favour."""

    sold: int
    fee: int
    impact: int
    off_mid: int
    gas: int

    @property
    def trading(self) -> int:
        """What the basket loses: everything but the gas, which the keeper pays."""
        return self.fee + self.impact + self.off_mid

    @property
    def total(self) -> int:
        return self.trading + self.gas

    @property
    def bps(self) -> float:
        """The basket's part in basis points of what is sold."""
        return in_bps(self.trading, self.sold)


def in_bps(part: int, whole: int) -> float:
    """`part` of `whole` in basis points, to a thousandth."""
    return round(part * BPS / whole, 3) if whole else 0.0


def expected_cost(
    pools: Pools, route: Route, *, sell_amount: int, bought: int, sell_price: int, buy_price: int, gas_cost: int
) -> Cost:
    """The cost of selling `sell_amount` along `route` for `bought`, before which the pools stood as `pools`."""
    sold = value_up(sell_amount, sell_price)
    mid = value_down(mid_of_route(pools, route, sell_amount), buy_price)
    kept = FEE_UNIT ** len(route.pools)
    paid = 1
    for address in route.pools:
        paid *= FEE_UNIT - pools[address].fee
    fee = mid * (kept - paid) // kept
    received = value_down(bought, buy_price)
    return Cost(sold=sold, fee=fee, impact=mid - fee - received, off_mid=sold - mid, gas=gas_cost)


def gas_cost(gas: int, *, gas_price: int, ether_price: int) -> int:
    """{nUSD} of gas. `gas_price` {wei/gas}; `ether_price` D27{nUSD/wei}, the oracle's price of WETH, zero if unknown."""
    return value_up(gas * gas_price, ether_price)
