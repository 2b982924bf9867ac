"""[weights]: how the chosen coins share the index."""

from __future__ import annotations

from dataclasses import dataclass

from offchain.spec.keys import Choice, fraction, key

SCHEMES = ("market_cap", "sqrt_market_cap", "equal")


@dataclass(frozen=True, kw_only=True)
class WeightRules:
    """[weights]: how the chosen coins share the index."""

    scheme: str = key(Choice(options=SCHEMES), default="market_cap", doc="What the weights are proportional to.")
    max_weight: float = key(fraction(above_low=True), unit="of 1", default=1.0, doc="Most one coin may weigh.")
    min_weight: float = key(fraction(), unit="of 1", default=0.0, doc="Least a chosen coin weighs.")
