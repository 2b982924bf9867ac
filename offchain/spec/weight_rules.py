"""[weights]: how the chosen coins share the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from offchain.errors import did_you_mean
from offchain.spec.keys import Choice, Integer, Number, Numbers, Text, fraction, key
from offchain.units import to_decimal

# what the weights can be proportional to, in integers; the rest is estimated from history
EXACT_SCHEMES = ("market_cap", "sqrt_market_cap", "equal", "free_float", "power_market_cap", "price", "volume", "fixed")
VOLATILITY_SCHEMES = ("inverse_volatility", "sharpe", "conviction")
COVARIANCE_SCHEMES = ("erc", "min_variance", "max_sharpe", "max_diversification", "hrp")
SCHEMES = (*EXACT_SCHEMES, *VOLATILITY_SCHEMES, *COVARIANCE_SCHEMES, "blend")
SHRINKAGES = ("constant_correlation", "identity", "none")
MEANS = ("shrunk", "sample")
REST = "rest"  # in [weights] fixed: what the coins without an own part share

_NAME = Text(pattern=r"[a-z0-9][a-z0-9._-]{0,79}", rule='a name in lower case, such as "meme"')
_SCHEME = Text(pattern="|".join(SCHEMES[:-1]), rule="the name of a scheme, such as market_cap")
_PART = fraction(above_low=True)


@dataclass(frozen=True, kw_only=True)
class WeightRules:
    """[weights]: how the chosen coins share the index."""

    scheme: str = key(Choice(options=SCHEMES), default="market_cap", doc="What the weights are proportional to.")
    max_weight: float = key(fraction(above_low=True), unit="of 1", default=1.0, doc="Most one coin may weigh.")
    min_weight: float = key(fraction(), unit="of 1", default=0.0, doc="Least a chosen coin weighs.")
    power: float = key(
        Number(low=0, high=2),
        unit="exponent",
        default=0.5,
        doc="power_market_cap and conviction: the market cap counts to this power.",
        later=True,
    )
    fixed: tuple[tuple[str, float], ...] = key(
        Numbers(name=_NAME, value=_PART, example="{ bitcoin = 0.5, ethereum = 0.3, rest = 0.2 }"),
        unit="of 1",
        default=(),
        doc="fixed: the part of each coin by id; the others share rest by market cap.",
        later=True,
    )
    blend: tuple[tuple[str, float], ...] = key(
        Numbers(name=_SCHEME, value=_PART, example="{ market_cap = 0.5, erc = 0.5 }"),
        unit="of 1",
        default=(),
        doc="blend: the part of each scheme.",
        later=True,
    )
    volatility_days: int = key(
        Integer(low=10, high=1500),
        unit="days",
        default=90,
        doc="Window of the daily returns behind volatility, covariance and Sharpe.",
        later=True,
    )
    min_history_days: int = key(
        Integer(low=5, high=1500),
        unit="days",
        default=20,
        doc="A coin with fewer daily returns counts as the most volatile member with average correlation.",
        later=True,
    )
    half_life_days: int = key(
        Integer(low=0, high=1500),
        unit="days",
        default=0,
        doc="A return this old counts half; 0: all count the same.",
        later=True,
    )
    shrinkage: str = key(
        Choice(options=SHRINKAGES),
        default="constant_correlation",
        doc="What the covariance is drawn towards, as far as Ledoit and Wolf find best.",
        later=True,
    )
    mean: str = key(
        Choice(options=MEANS),
        default="shrunk",
        doc="max_sharpe: mean returns as they were, or drawn to a common value (Jorion).",
        later=True,
    )
    sharpe_floor: float = key(
        Number(low=0, high=10, above_low=True),
        unit="Sharpe ratio, yearly",
        default=0.1,
        doc="sharpe: a lower ratio counts as this one, so that every member keeps a part.",
        later=True,
    )
    tilt: float = key(
        fraction(),
        unit="of 1",
        default=0.0,
        doc="How far conviction moves weights: at 1 a sure bullish coin doubles and a sure bearish one nearly vanishes.",
        later=True,
    )
    max_weight_largest: float = key(
        fraction(),
        unit="of 1",
        default=0.0,
        doc="Most the largest coin may weigh, where it differs from max_weight; 0: max_weight.",
        later=True,
    )
    group_caps: tuple[tuple[str, float], ...] = key(
        Numbers(name=_NAME, value=fraction(), example="{ meme = 0.2, defi = 0.4 }"),
        unit="of 1",
        default=(),
        doc="Most all coins of a theme or sector may weigh together; a coin counts once, under its first theme with a limit.",
        later=True,
    )
    group_floors: tuple[tuple[str, float], ...] = key(
        Numbers(name=_NAME, value=fraction(), example="{ layer-1 = 0.3 }"),
        unit="of 1",
        default=(),
        doc="Least all coins of a theme or sector weigh together.",
        later=True,
    )
    liquidity_days: float = key(
        Number(low=0, high=365),
        unit="days",
        default=0.0,
        doc="A position may be sold within so many days; 0: no such limit. Needs portfolio_usd.",
        later=True,
    )
    liquidity_share: float = key(
        fraction(above_low=True),
        unit="of 1",
        default=0.1,
        doc="Part of a coin's median daily volume that one may trade.",
        later=True,
    )
    portfolio_usd: float = key(
        Number(low=0, high=1e12), unit="USD", default=0.0, doc="Size the liquidity limits are meant for.", later=True
    )
    volatile_above: float = key(
        Number(low=0, high=100),
        unit="yearly volatility",
        default=0.0,
        doc="Above this a coin counts as volatile; 0: none does.",
        later=True,
    )
    volatile_max_weight: float = key(
        fraction(above_low=True), unit="of 1", default=1.0, doc="Most a volatile coin may weigh.", later=True
    )
    max_turnover: float = key(
        fraction(above_low=True),
        unit="of 1, one way",
        default=1.0,
        doc="Most that one review may turn over; 1: no limit.",
        later=True,
    )
    max_change: float = key(
        fraction(above_low=True),
        unit="of 1",
        default=1.0,
        doc="Most that a member's weight may change in one review; 1: no limit.",
        later=True,
    )

    @property
    def highest(self) -> float:
        """Most that any coin may weigh."""
        return max(self.max_weight, self.max_weight_largest)

    @property
    def schemes(self) -> tuple[str, ...]:
        """The scheme, or those that are blended."""
        return tuple(name for name, _ in self.blend) if self.scheme == "blend" else (self.scheme,)


def contradictions(weights: WeightRules, *, has_signals: bool) -> Iterator[str]:
    """Mistakes in [weights] that only show when two keys are read together."""
    for name in ("fixed", "blend"):
        parts = getattr(weights, name)
        if bool(parts) != (weights.scheme == name or (name == "fixed" and name in weights.schemes)):
            what = "needs that table of parts" if not parts else f'has no effect with scheme = "{weights.scheme}"'
            yield f"weights.{name} {what}: {'write' if not parts else 'remove'} {name} = {{ … }}"
        total = sum(to_decimal(part) for _, part in parts)
        if parts and total != 1:
            yield f"weights.{name} sums to {total}, not 1: change its parts by {1 - total} together"
    if weights.tilt and not has_signals:
        yield f'weights.tilt = {weights.tilt} needs signals: set signals.mode = "rules" or "model", or tilt = 0'
    if "conviction" in weights.schemes and not has_signals:
        yield 'weights: the scheme conviction needs signals: set signals.mode = "rules" or "model"'
    largest = weights.max_weight_largest
    if 0 < largest < weights.max_weight:
        yield (
            f"weights.max_weight_largest = {largest} is below weights.max_weight = {weights.max_weight}: "
            "then the largest coin would not be the largest; raise the first or lower the second"
        )
    if bool(weights.liquidity_days) != bool(weights.portfolio_usd):
        yield (
            f"weights.liquidity_days = {weights.liquidity_days:g} and weights.portfolio_usd = {weights.portfolio_usd:g}: "
            "a liquidity limit needs both; set both, or both to 0"
        )
    if weights.min_history_days > weights.volatility_days:
        yield (
            f"weights.min_history_days = {weights.min_history_days} is above weights.volatility_days = "
            f"{weights.volatility_days}: no coin could have that many; lower it"
        )
    yield from _group_contradictions(weights)


def _group_contradictions(weights: WeightRules) -> Iterator[str]:
    caps = dict(weights.group_caps)
    for name, floor in weights.group_floors:
        if floor > caps.get(name, 1.0):
            yield (
                f"weights.group_floors.{name} = {floor} is above weights.group_caps.{name} = {caps[name]}: "
                "lower the floor or raise the cap"
            )
    total = sum(to_decimal(floor) for _, floor in weights.group_floors)
    if total > 1:
        yield f"weights.group_floors sum to {total}, above 1: lower them"


def scheme_hint(scheme: str) -> str:
    """'use one of …' for a scheme that is none."""
    return f"use one of {', '.join(SCHEMES)}.{did_you_mean(scheme, SCHEMES)}"
