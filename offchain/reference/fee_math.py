"""Twin of `contracts/libraries/FeeMath.sol`: streaming, one-off and performance fees.

`exp_wad` and `ln_wad` repeat Solady 0.1.26 `FixedPointMathLib.expWad`/`lnWad` operation by operation. Their polynomials
are by Remco Bloemen (MIT, https://2π.com/22/exp-ln), Solady is by Vectorized (MIT).
"""

from __future__ import annotations

from offchain.reference.constants import WAD, YEAR
from offchain.reference.integers import Reverted, full_mul_div, full_mul_div_up, truncated_div, uint


def streaming_rate(annual_fee: int) -> int:
    """FeeMath.streamingRate: D18{1/year} `f = −ln(1 − annual_fee)` of a D18{1/year} fee."""
    argument = uint(WAD - annual_fee)
    return uint(-ln_wad(argument))


def growth(rate: int, elapsed: int) -> int:
    """FeeMath.growth: D18{1} `exp(rate·elapsed)`; the exponent rounds down. `rate` D18{1/year}, `elapsed` {s}."""
    exponent = uint(rate * elapsed) // YEAR
    if exponent == 0:
        return WAD
    if exponent >= 1 << 255:  # the cast to int256 wraps to a negative exponent
        exponent -= 1 << 256
    return exp_wad(exponent) % (1 << 256)


def effective_supply(base: int, issued: int, factor: int) -> int:
    """FeeMath.effectiveSupply: {share} `max(⌊base·factor⌋, issued)`, rounded down."""
    return max(uint(base * factor) // WAD, issued)


def one_off_fee(shares: int, fee: int) -> int:
    """FeeMath.oneOffFee: {share} fee on a mint or redeem, rounded up. `fee` D18{1}."""
    if fee == 0:
        return 0
    return uint(uint(shares * fee) + WAD - 1) // WAD


def performance_fee(supply: int, nav: int, mark: int, backing: int, rate: int, max_shares: int) -> tuple[int, int]:
    """FeeMath.performanceFee: ({share} of the fee, rounded down; D27{nUSD/share} mark afterwards, rounded up).

    `nav`, `mark` and `backing` D27{nUSD/share}, `rate` D18{1} of the gain.
    """
    if nav <= mark:
        return 0, mark
    fee = full_mul_div(nav - mark, rate, WAD)
    shares = full_mul_div(supply, fee, uint(backing - fee))
    reached = nav
    if shares > max_shares:
        shares = max_shares
        charged = full_mul_div_up(backing, shares, uint(supply + shares))
        reached = min(nav, uint(mark + full_mul_div_up(charged, WAD, rate)))
    if shares == 0:
        return 0, mark
    return shares, uint(reached - full_mul_div(nav, shares, uint(supply + shares)))


def mark_after_raise(nav: int, mark: int, old_rate: int, new_rate: int) -> int:
    """FeeMath.markAfterRaise: the mark under which the gain so far costs at the new rate what it did at the old one."""
    if nav <= mark:
        return mark
    return uint(nav - full_mul_div(nav - mark, old_rate, new_rate))


def unit_after(unit: int, rate: int, elapsed: int) -> int:
    """FeeMath.unitAfter: D27{tok/share} after the streaming fee has diluted every share, rounded down."""
    if 0 in (unit, rate, elapsed):
        return unit
    factor = growth(rate, elapsed)
    return full_mul_div(unit, WAD, uint(factor + factor // WAD + 2))


def recorded_fraction(unit: int, actual: int) -> int:
    """FeeMath.recordedFraction: D18{1} of what a share holds that is recorded, rounded down."""
    if unit >= actual:
        return WAD if actual else 0
    return full_mul_div(unit, WAD, uint(actual + 1))


def part_of(shares: int, weight: int) -> int:
    """FeeMath.partOf: {share} for a D18 weight, rounded down."""
    return full_mul_div(shares, weight, WAD)


def exp_wad(x: int) -> int:
    """Solady `expWad`: e^x for D18 `x`, as D18."""
    if x <= -41446531673892822313:
        return 0
    if x >= 135305999368893231589:
        raise Reverted("ExpOverflow")
    x = truncated_div(x << 78, 5**18)

    ln2 = 54916777467707473351141471128
    k = (truncated_div(x << 96, ln2) + 2**95) >> 96
    x -= k * ln2

    y = x + 1346386616545796478920950773328
    y = ((y * x) >> 96) + 57155421227552351082224309758442
    p = y + x - 94201549194550492254356042504812
    p = ((p * y) >> 96) + 28719021644029726153956944680412240
    p = p * x + (4385272521454847904659076985693276 << 96)

    q = x - 2855989394907223263936484059900
    q = ((q * x) >> 96) + 50020603652535783019961831881945
    q = ((q * x) >> 96) - 533845033583426703283633433725380
    q = ((q * x) >> 96) + 3604857256930695427073651918091429
    q = ((q * x) >> 96) - 14423608567350463180887372962807573
    q = ((q * x) >> 96) + 26449188498355588339934803723976023

    r = truncated_div(p, q)
    return (r * 3822833074963236453042738258902158003155416615667) >> (195 - k)


def ln_wad(x: int) -> int:
    """Solady `lnWad`: natural logarithm of D18 `x`, as D18."""
    if x <= 0:
        raise Reverted("LnWadUndefined")
    r = 256 - x.bit_length()
    x = (x << r) >> 159

    p = ((((((x + 3273285459638523848632254066296) * x) >> 96) + 24828157081833163892658089445524) * x) >> 96) + (
        43456485725739037958740375743393
    )
    p = ((p * x) >> 96) - 11111509109440967052023855526967
    p = ((p * x) >> 96) - 45023709667254063763336534515857
    p = ((p * x) >> 96) - 14706773417378608786704636184526
    p = p * x - (795164235651350426258249787498 << 96)

    q = 5573035233440673466300451813936 + x
    q = ((x * q) >> 96) + 71694874799317883764090561454958
    q = ((x * q) >> 96) + 283447036172924575727196451306956
    q = ((x * q) >> 96) + 401686690394027663651624208769553
    q = ((x * q) >> 96) + 204048457590392012362485061816622
    q = ((x * q) >> 96) + 31853899698501571402653359427138
    q = ((x * q) >> 96) + 909429971244387300277376558375

    p = truncated_div(p, q)
    p *= 1677202110996718588342820967067443963516166
    p += 16597577552685614221487285958193947469193820559219878177908093499208371 * (159 - r)
    p += 600920179829731861736702779321621459595472258049074101567377883020018308
    return p >> 174
