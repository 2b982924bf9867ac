"""How a weight came about: one step after the other, each with its numbers and its reason.

A stage of a decision takes weights and gives weights; what it did is a `Step`. `ballast explain` prints the list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one stage made of the weights. `weights`: {id: part of 1}, after it, sorted by id, sums to 1.

    `stage`: a short stable word such as "scheme", "tilt", "limits", "exposure". `summary`: one sentence with numbers.
    `reasons`: {id: why this coin's weight changed here}; coins that did not change are left out.
    """

    stage: str
    summary: str
    weights: Mapping[str, float]
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """Weights and how they came about. `weights`: {id: D18}, sorted by id, sums to exactly 1e18; `findings`: doubts to show."""

    weights: Mapping[str, int]
    steps: tuple[Step, ...] = ()
    findings: tuple[str, ...] = ()
