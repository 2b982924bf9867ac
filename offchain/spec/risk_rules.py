"""[risk]: how much of the index is at risk at all, and what holds the rest."""

from __future__ import annotations

from dataclasses import dataclass

from offchain.spec.keys import COIN_IDS, fraction, key


@dataclass(frozen=True, kw_only=True)
class RiskRules:
    """[risk]: exposure, stops and the stable side of the index."""

    stable: tuple[str, ...] = key(COIN_IDS, default=(), doc="What is held instead of coins at risk; in equal parts.")
    buffer: float = key(fraction(), unit="of 1", default=0.0, doc="Part always held in the stable side.")
