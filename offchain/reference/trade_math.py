"""Twin of `contracts/libraries/TradeMath.sol`: values, targets and price floors of a plan.

Prices are D27{nUSD/tok}, units D27{tok/share}, amounts {tok}, values {nUSD}.
"""

from __future__ import annotations

from offchain.reference.constants import D27, PPM, WAD
from offchain.reference.integers import full_mul_div, full_mul_div_up, uint, zero_floor_sub


def value_down(amount: int, price: int) -> int:
    """TradeMath.valueDown: {nUSD} of what came in, rounded down."""
    return full_mul_div(amount, price, D27)


def value_up(amount: int, price: int) -> int:
    """TradeMath.valueUp: {nUSD} of what went out, rounded up."""
    return full_mul_div_up(amount, price, D27)


def nav_per_share(nav: int, supply: int) -> int:
    """TradeMath.navPerShare: D27{nUSD/share} of {nUSD} over {share}, rounded down."""
    return full_mul_div(nav, D27, supply)


def unit_from_weight(weight: int, nav_per_share: int, price: int) -> int:
    """TradeMath.unitFromWeight: target units of a D18 weight, rounded down."""
    return full_mul_div(uint(weight * nav_per_share), D27 // WAD, price)


def unit_diluted(unit: int, growth: int) -> int:
    """TradeMath.unitDiluted: units after the supply has grown by D18 `growth`, rounded down."""
    return full_mul_div(unit, WAD, growth)


def unit_scaled(unit: int, scale: int) -> int:
    """TradeMath.unitScaled: units after the final round has scaled them by {ppm} `scale`, rounded down."""
    return full_mul_div(unit, scale, PPM)


def surplus(available: int, unit: int, supply: int) -> int:
    """TradeMath.surplus: what may be sold, rounded down."""
    return zero_floor_sub(available, full_mul_div_up(unit, supply, D27))


def deficit(available: int, unit: int, supply: int) -> int:
    """TradeMath.deficit: what may be bought, rounded down."""
    return zero_floor_sub(full_mul_div(unit, supply, D27), available)


def min_buy(sell_amount: int, sell_price: int, buy_price: int, factor_ppm: int) -> int:
    """TradeMath.minBuy: the least to receive, rounded up. `factor_ppm` 1e6 is the oracle's mid."""
    return full_mul_div_up(sell_amount, uint(sell_price * factor_ppm), uint(buy_price * PPM))


def max_sell(deficit_: int, sell_price: int, buy_price: int, factor_ppm: int) -> int:
    """TradeMath.maxSell: the most to sell without `min_buy` passing the deficit, rounded down."""
    return full_mul_div(deficit_, uint(buy_price * PPM), uint(sell_price * factor_ppm))


def value_paid(value_in: int, factor_ppm: int) -> int:
    """TradeMath.valuePaid: {nUSD} that may be sold for {nUSD} `value_in`, rounded down."""
    return full_mul_div(value_in, PPM, factor_ppm)


def tokens_of_value(value: int, price: int) -> int:
    """TradeMath.tokensOfValue: the most {tok} that a value buys, rounded down."""
    return full_mul_div(value, D27, price)


def turnover_after(turnover: int, value: int, nav: int) -> int:
    """TradeMath.turnoverAfter: D18 one-way turnover of a plan after selling {nUSD} `value`, rounded down, 64 bits."""
    return min(uint(turnover + full_mul_div(value, WAD, nav)), 2**64 - 1)


def fee_shares(supply: int, fraction: int) -> int:
    """TradeMath.feeShares: shares for a D18 fraction of the supply, rounded down."""
    return full_mul_div(supply, fraction, WAD)
