"""What a weight is proportional to. Exact integers from nano-dollar market caps: no float touches a committed weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal, localcontext
from math import isqrt

from offchain.errors import InfeasibleWeights, MarketDataError
from offchain.market.snapshot import CoinFacts
from offchain.spec.weight_rules import REST, WeightRules, scheme_hint
from offchain.units import WAD, Number, fraction_to_wad, to_decimal, usd_to_nano
from offchain.weights.limits import limit_weights

_POWER_DIGITS = 60
_POWER_SCALE = 24  # decimals that are kept of a power, so that small powers keep their digits too


def target_weights(market_caps: Mapping[str, Number], rules: WeightRules) -> dict[str, int]:
    """{id: D18 weight}, sorted by id, summing to exactly 1e18, none above the cap or below the floor.

    `market_caps`: {id: USD}; a float counts as its shortest decimal text, cut to whole nano-dollars.
    """
    ids = sorted(market_caps)
    raw = raw_weights([usd_to_nano(market_caps[name]) for name in ids], scheme=rules.scheme)
    limited = limit_weights(raw, cap=fraction_to_wad(rules.max_weight), floor=fraction_to_wad(rules.min_weight))
    return dict(zip(ids, limited, strict=True))


def raw_weights(market_caps: Sequence[int], *, scheme: str) -> list[int]:
    """Relative weights {1} of any scale from market caps {nUSD}, in the same order. sqrt rounds down."""
    if scheme == "equal":
        return [1] * len(market_caps)
    if scheme == "market_cap":
        return list(market_caps)
    if scheme == "sqrt_market_cap":
        # times 1e18 keeps nine more decimals of the root
        return [isqrt(cap * WAD) for cap in market_caps]
    raise InfeasibleWeights(f'weights.scheme = "{scheme}": {scheme_hint(scheme)}')


def power_weights(market_caps: Sequence[int], *, power: Number) -> list[int]:
    """market_cap^power in integers, rounded down. The power 0.5 is the exact root; others go through 60 decimal digits, which
    are the same on every machine.
    """
    exponent = to_decimal(power)
    if exponent == Decimal("0.5"):
        return raw_weights(market_caps, scheme="sqrt_market_cap")
    if exponent == exponent.to_integral_value():
        return [cap ** int(exponent) for cap in market_caps]
    with localcontext() as context:
        context.prec = _POWER_DIGITS
        return [
            int((Decimal(cap) ** exponent).scaleb(_POWER_SCALE).to_integral_value(rounding=ROUND_FLOOR))
            for cap in market_caps
        ]


def fixed_weights(coins: Sequence[CoinFacts], parts: Mapping[str, float]) -> tuple[list[int], tuple[str, ...]]:
    """(relative weights, findings): each coin's own part; "rest" is shared by market cap among the coins without one.

    The part of a coin that is no member goes to all others pro rata, and is found. Raises InfeasibleWeights for a member without a
    part where there is no rest.
    """
    rest = fraction_to_wad(parts.get(REST, 0.0))
    others = [coin for coin in coins if coin.id not in parts]
    if others and not rest:
        raise InfeasibleWeights(
            f"weights.fixed gives no part to {', '.join(coin.id for coin in others)}: name them there, add a rest, or leave them out "
            "of the universe"
        )
    total = sum(cap_of(coin) for coin in others)
    # on a common scale: a part counts `total` times as much as a nano-dollar of the rest counts the rest
    scale = total if others else 1
    raw = [fraction_to_wad(parts[c.id]) * scale if c.id in parts else rest * cap_of(c) for c in coins]
    members = {coin.id for coin in coins}
    absent = [name for name in sorted(parts) if name not in members and (name != REST or not others)]
    findings = tuple(
        f"weights.fixed: {name} is no member; its part of {parts[name]:g} goes to the others" for name in absent
    )
    return raw, findings


def cap_of(coin: CoinFacts) -> int:
    """Market cap {nUSD}. Raises MarketDataError when it is unknown."""
    return _nano(coin, coin.market_cap, "market cap")


def price_of(coin: CoinFacts) -> int:
    """Price {nUSD} with nine more decimals, for coins worth less than a nano-dollar."""
    _nano(coin, coin.price, "price")
    with localcontext() as context:
        context.prec = _POWER_DIGITS
        return int(to_decimal(coin.price or 0.0).scaleb(18).to_integral_value(rounding=ROUND_FLOOR))


def volume_of(coin: CoinFacts) -> int:
    """Median daily volume {nUSD}. Raises MarketDataError when there is none."""
    return _nano(coin, coin.volume, "volume")


def _nano(coin: CoinFacts, usd: float | None, what: str) -> int:
    if usd is None or not usd > 0:
        raise MarketDataError(
            f"{coin.id}: its {what} is {'unknown' if usd is None else usd}; a member needs one for this scheme: leave the coin out, or "
            "choose another scheme"
        )
    return max(usd_to_nano(usd), 1) if what == "price" else usd_to_nano(usd)
