"""The border between research floats and the integers that go on the wire. Nothing else multiplies by a power of ten.

    WAD  10**18   D18: weights, ratios, fees per year; also one whole share
    D27  10**27   units {tok/share} and prices {nUSD/tok} on chain
    BPS  10**4    basis points exist only in human input; names end in _bps

A float crosses through its shortest decimal text, so 0.25 in a file is exactly 0.25, never 0.2500000000000000055.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from fractions import Fraction

from offchain.errors import UnitError

WAD = 10**18
D27 = 10**27
BPS = 10**4
SHARE_DECIMALS = 18
NANO = 10**9
MAX_DECIMALS = 36
UINT256_MAX = 2**256 - 1

Number = int | float | Decimal | str


def to_decimal(number: Number) -> Decimal:
    """`number` as an exact finite decimal; a float by its shortest text."""
    if isinstance(number, bool):
        raise UnitError(f"{number} is a truth value, not an amount; pass a number")
    try:
        value = Decimal(repr(float(number))) if isinstance(number, float) else Decimal(number)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise UnitError(f"{number!r} is not a number; pass digits with an optional point, such as 12.5") from error
    if not value.is_finite():
        raise UnitError(f"{number!r} is not a finite amount; check the price or the division it came from")
    return value


def to_wad(weights: Sequence[Number]) -> list[int]:
    """Weights (any positive scale) → D18 integers that sum to exactly 1e18, by largest remainder, ties to lowest index.

    Shape: same length and order as the input. Raises UnitError for an empty, negative or all-zero input.
    """
    exact = [Fraction(to_decimal(weight)) for weight in weights]
    total = sum(exact, Fraction(0))
    if not exact or total <= 0:
        raise UnitError(f"{len(exact)} weights with sum {float(total)} cannot be scaled to 1; give a positive one")
    for index, weight in enumerate(exact):
        if weight < 0:
            raise UnitError(f"weight {float(weight)} at position {index} is below 0; short positions do not exist here")
    scaled = [weight * WAD / total for weight in exact]
    floors = [value.numerator // value.denominator for value in scaled]
    by_remainder = sorted(range(len(exact)), key=lambda index: (floors[index] - scaled[index], index))
    for index in by_remainder[: WAD - sum(floors)]:
        floors[index] += 1
    return floors


def fraction_to_wad(fraction: Number) -> int:
    """A ratio such as 0.25 → D18, exact; refuses more than 18 decimals rather than round a limit."""
    scaled = to_decimal(fraction) * WAD
    if scaled != scaled.to_integral_value():
        raise UnitError(f"{fraction} has more than 18 decimals; write a shorter ratio")
    return int(scaled)


def from_wad(value: int) -> float:
    """D18 → float, for reading only."""
    return value / WAD


def to_tokens(amount: Number, decimals: int) -> int:
    """Whole tokens → base units {tok}, rounded down: never more than what was asked for."""
    return _scale(amount, decimals, ROUND_FLOOR)


def to_tokens_up(amount: Number, decimals: int) -> int:
    """Whole tokens → base units {tok}, rounded up: for an amount that must at least be paid."""
    return _scale(amount, decimals, ROUND_CEILING)


def from_tokens(amount: int, decimals: int) -> Decimal:
    """Base units {tok} → whole tokens, exact."""
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise UnitError(f"{amount!r} is not an integer number of base units; convert with to_tokens first")
    _check_decimals(decimals)
    with localcontext() as context:
        context.prec = 120
        return Decimal(amount).scaleb(-decimals)


def to_shares(shares: Number) -> int:
    """Whole shares → {share} quanta (18 decimals), rounded down."""
    return to_tokens(shares, SHARE_DECIMALS)


def usd_to_nano(usd: Number) -> int:
    """US dollars → whole nano-dollars {nUSD}, rounded down: the integer that exact weights are computed from."""
    return _scale(usd, 9, ROUND_FLOOR)


def price_to_d27(usd_per_token: Number, decimals: int) -> int:
    """USD per whole token → D27{nUSD/tok}, the price oracle's unit, rounded down."""
    _check_decimals(decimals)
    return _scale(usd_per_token, 9 + 27 - decimals, ROUND_FLOOR)


def bps_to_wad(bps: int) -> int:
    """Basis points → D18: 95 bps → 0.0095e18."""
    return bps * (WAD // BPS)


def format_tokens(amount: int, decimals: int, *, places: int = 6) -> str:
    """Base units for a table: '1,234.5', cut (not rounded) after `places` so that it never shows more than there is."""
    step = Decimal(1).scaleb(-places)
    whole = from_tokens(amount, decimals)
    with localcontext() as context:
        context.prec = 120
        shown = whole.quantize(step, rounding=ROUND_FLOOR)
    if shown == 0 and amount > 0:
        return f"<{format(step, 'f')}"
    text = f"{shown:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_usd(usd: Number) -> str:
    """'$1,234.50', '$1.23 M', '$0.000123': three to six digits that matter."""
    value = to_decimal(usd)
    sign, size = ("-" if value < 0 else ""), abs(value)
    for limit, unit in ((Decimal(10**12), "T"), (Decimal(10**9), "B"), (Decimal(10**6), "M")):
        if size >= limit:
            return f"{sign}${size / limit:,.2f} {unit}"
    if size == 0 or size >= 1:
        return f"{sign}${size:,.2f}"
    return f"{sign}${float(size):.3g}" if size >= Decimal("0.0001") else f"{sign}${float(size):.2e}"


def format_percent(fraction: Number, *, places: int = 2) -> str:
    """0.2534 → '25.34 %'."""
    return f"{float(to_decimal(fraction)) * 100:.{places}f} %"


def format_weight(weight: int) -> str:
    """D18 weight → '25.3400 %'."""
    return f"{weight * 100 / WAD:.4f} %"


def _scale(amount: Number, decimals: int, rounding: str) -> int:
    _check_decimals(decimals)
    value = to_decimal(amount)
    if value < 0:
        raise UnitError(f"amount {amount} is below 0; amounts on chain are unsigned")
    with localcontext() as context:
        context.prec = 120
        scaled = int(value.scaleb(decimals).to_integral_value(rounding=rounding))
    if scaled > UINT256_MAX:
        raise UnitError(f"amount {amount} with {decimals} decimals exceeds 2**256 - 1, the largest number on chain")
    return scaled


def _check_decimals(decimals: int) -> None:
    if not 0 <= decimals <= MAX_DECIMALS:
        raise UnitError(f"decimals {decimals} outside 0..{MAX_DECIMALS}; read them from the token's decimals()")
