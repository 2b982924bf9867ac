"""[universe]: which coins may be in the index, and how a place in it is won and lost."""

from __future__ import annotations

from dataclasses import dataclass

from offchain.spec.keys import COIN_IDS, USD, Choice, Flag, Integer, ListOf, key

CLASSES = ("stablecoin", "wrapped", "receipt", "leveraged", "commodity")

_ANY_CLASS = ListOf(item=Choice(options=CLASSES))


@dataclass(frozen=True, kw_only=True)
class UniverseRules:
    """[universe]: which coins may be in the index, and how a place in it is won and lost."""

    top: int = key(Integer(low=1, high=50), unit="coins", doc="How many coins the index holds.")
    exclude_classes: tuple[str, ...] = key(_ANY_CLASS, default=CLASSES, doc="Kinds of coins that are never held.")
    exclude: tuple[str, ...] = key(COIN_IDS, default=(), doc="Coins that are never held, by id.")
    include_only: tuple[str, ...] = key(COIN_IDS, default=(), doc="When given, no other coin is considered.")
    min_age_days: int = key(Integer(low=0, high=3650), unit="days", default=30, doc="Days since the first price.")
    min_volume_usd: float = key(USD, unit="USD per day", default=1e6, doc="Least median daily volume.")
    volume_days: int = key(Integer(low=1, high=365), unit="days", default=30, doc="Window of the median volume.")
    min_market_cap_usd: float = key(USD, unit="USD", default=0.0, doc="Least market capitalisation.")
    buffer: int = key(
        Integer(low=0, high=25),
        unit="ranks",
        default=0,
        doc="A coin enters without a vacancy only above rank top - buffer; a held one stays up to rank top + buffer.",
    )
    require_tradable: bool = key(Flag(), default=True, doc="Leave out coins without a token and a feed on the chain.")
