"""What the contracts will make of weights, in their own integers: units, surplus, deficit, floors, budgets.

Twins of TradeMath, BudgetMath and FeeMath; tests hold them to the contracts. Prices D27{nUSD/tok}, units D27{tok/share}.
"""

from __future__ import annotations

from offchain.units import D27, WAD

PPM = 10**6


def div_up(numerator: int, denominator: int) -> int:
    """Quotient rounded up."""
    return -(-numerator // denominator)


def value_down(amount: int, price: int) -> int:
    """{nUSD} of an amount that came in, rounded down."""
    return amount * price // D27


def value_up(amount: int, price: int) -> int:
    """{nUSD} of an amount that went out, rounded up."""
    return div_up(amount * price, D27)


def nav_per_share(nav: int, supply: int) -> int:
    """D27{nUSD/share}, rounded down."""
    return nav * D27 // supply


def nav_of(per_share: int, supply: int) -> int:
    """{nUSD} of all shares, rounded down."""
    return per_share * supply // D27


def unit_of(weight: int, per_share: int, price: int) -> int:
    """D27{tok/share} of a weight, rounded down."""
    return weight * per_share * (D27 // WAD) // price


def surplus_of(available: int, unit: int, supply: int) -> int:
    """{tok} that may be sold, rounded down."""
    return max(0, available - div_up(unit * supply, D27))


def deficit_of(available: int, unit: int, supply: int) -> int:
    """{tok} that may be bought, rounded down."""
    return max(0, unit * supply // D27 - available)


def min_buy(sell_amount: int, sell_price: int, buy_price: int, factor_ppm: int) -> int:
    """{tok} that a sale must bring at the oracle's prices times `factor_ppm`, rounded up."""
    return div_up(sell_amount * sell_price * factor_ppm, buy_price * PPM)


def fraction_up(value: int, nav: int) -> int:
    """D18 of NAV, rounded up."""
    return div_up(value * WAD, nav)


def drift_of(values: list[int], weights: list[int]) -> int:
    """D18 one-way turnover that would close the gap: half of Σ|current − target|. `values` {nUSD}, `weights` D18."""
    nav = sum(values)
    if nav == 0:
        return 0
    return sum(abs(value * WAD - weight * nav) for value, weight in zip(values, weights, strict=True)) // (2 * nav)
