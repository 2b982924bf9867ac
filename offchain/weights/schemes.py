"""What a weight is proportional to. Exact integers from nano-dollar market caps: no float touches a committed weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt

from offchain.errors import InfeasibleWeights, did_you_mean
from offchain.spec.weight_rules import SCHEMES, WeightRules
from offchain.units import WAD, Number, fraction_to_wad, usd_to_nano
from offchain.weights.limits import limit_weights


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
    raise InfeasibleWeights(
        f'weights.scheme = "{scheme}": use one of {", ".join(SCHEMES)}.{did_you_mean(scheme, SCHEMES)}'
    )
