"""[signals]: what is read from the market about each coin, and what it may change in the index."""

from __future__ import annotations

from dataclasses import dataclass

from offchain.spec.keys import Choice, key

MODES = ("off", "rules", "model")


@dataclass(frozen=True, kw_only=True)
class SignalRules:
    """[signals]: bullish, neutral or bearish for each coin, and what follows from it."""

    mode: str = key(
        Choice(options=MODES), default="off", doc="Who labels the coins: nobody, written rules, or a trained model."
    )
