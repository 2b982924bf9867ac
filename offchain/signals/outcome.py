"""What the signals say: a label and a conviction for each coin, and the phase the market is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

LABELS = ("bearish", "neutral", "bullish")
PHASES = ("bear", "accumulation", "correction", "bull")
GRID = 6  # decimals that scores and probabilities are rounded to, so that every machine says the same


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One coin. `score`: -1..1, cross-sectional; `conviction`: 0..1; probabilities sum to 1; all rounded to GRID decimals.

    The probabilities of a trained model are calibrated; those of written rules split the score: p_bullish is a positive
    score, p_bearish a negative one, p_neutral the rest. `parts`: {what was read: its share of the score} (rules: they sum
    to it; a model: what the score loses without it); `reason`: one sentence; `is_fallback`: data was missing, so neutral.
    """

    id: str
    label: str
    score: float
    conviction: float
    p_bearish: float
    p_neutral: float
    p_bullish: float
    parts: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    is_fallback: bool = False


@dataclass(frozen=True, kw_only=True)
class Phase:
    """The whole market. `name`: one of PHASES; `breadth`: part of the coins above their own 50-day mean, 0..1."""

    name: str
    breadth: float
    volatility: float
    drawdown: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class SignalSet:
    """Every candidate at `t`. `catalogue_hash`: the features it was read from; `model_hash`: "" for written rules."""

    t: datetime
    signals: Mapping[str, Signal]
    phase: Phase
    catalogue_hash: str
    model_hash: str = ""
    findings: tuple[str, ...] = ()
