"""From the level an index should have to what a token of it is worth: where the difference went, and how much it wobbles.

    decompose({"level": …, "timing": …, "drift": …, "slippage": …, "fees": …, "oracle": …})

A chain of lines, each with one imperfection more than the one before: the level with target weights at the price of each
decision; the same at the price at which it could be traded; as really held, with bands and dust; after what trades lost;
after fees, per token; and as the chain's own oracle values it. A part is ln(line / line before), so that parts add up to
ln(NAV per token / level) exactly, on every day.

`shares`: what each part adds to the variance of the whole, cov(part, whole) / var(whole) of daily changes; they sum to 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from offchain.analytics.attribution import Floats, paper_levels
from offchain.analytics.books import targets_of, tradable_targets
from offchain.analytics.measures import FLAT, YEAR, Levels, Measure
from offchain.backtest import Run
from offchain.backtest.results import BASE
from offchain.errors import UnusableLevels

PARTS = ("timing", "drift", "slippage", "fees", "oracle")
FIRST = "level"


@dataclass(frozen=True, kw_only=True)
class TrackingParts:
    """`parts`: {part: ln, over all days}; `yearly`: the same a year; `total`: ln(last line / level). `error`: yearly deviation of the
    daily changes of `total`; `shares`: {part: of its variance}, empty when it does not vary.
    """

    parts: Mapping[str, float]
    yearly: Mapping[str, float]
    total: float
    error: Measure
    shares: Mapping[str, float]


def decompose(lines: Mapping[str, Levels], *, periods: float = YEAR) -> TrackingParts:
    """Where the difference between the first line and the last went. `lines`: "level", then any of PARTS, of equal length."""
    names = _checked(lines)
    changes = {name: _changes(lines[name], lines[before]) for before, name in zip([FIRST, *names], names, strict=False)}
    days = len(lines[FIRST])
    parts = {
        name: math.log(lines[name][-1] / lines[before][-1])
        for before, name in zip([FIRST, *names], names, strict=False)
    }
    whole = [math.fsum(row) for row in zip(*changes.values(), strict=True)]
    middle = math.fsum(whole) / len(whole)
    variance = math.fsum((value - middle) ** 2 for value in whole)
    is_flat = len(whole) < 2 or math.sqrt(variance / max(len(whole) - 1, 1)) <= FLAT
    return TrackingParts(
        parts=parts,
        yearly={name: part / (days - 1) * periods for name, part in parts.items()},
        total=math.fsum(parts.values()),
        error=Measure(value=None, reason="fewer than two days")
        if len(whole) < 2
        else Measure(value=math.sqrt(variance / (len(whole) - 1) * periods)),
        shares={}
        if is_flat
        else {name: _covariation(change, whole, middle) / variance for name, change in changes.items()},
    )


def tracking_of(run: Run, *, oracle: Levels | None = None) -> TrackingParts:
    """Of a run. `oracle`: NAV per token as the chain values it at the run's times, when there is a chain. Assumes no flows."""
    lines: dict[str, Sequence[float]] = {
        "level": _paper(run, is_traded=False),
        "timing": _paper(run, is_traded=True),
        "drift": (run.gross / BASE).tolist(),
        "slippage": (run.nav / float(run.parameters["value_usd"])).tolist(),
        "fees": (run.net / BASE).tolist(),
    }
    if oracle is not None:
        lines["oracle"] = [value / oracle[0] * lines["fees"][0] for value in oracle]
    return decompose(lines)


def _paper(run: Run, *, is_traded: bool) -> list[float]:
    """The targets at the prices of their decision, or `lag_hours` later."""
    lag = float(run.parameters["lag_hours"]) / 24.0
    targets = targets_of(run)
    if is_traded:
        moved = {min(row + (0 if row == 0 else math.ceil(lag)), len(run) - 1): weights for row, weights in targets}
        targets = sorted(moved.items())
    return [float(level) for level in _levels(run, targets)]


def _levels(run: Run, targets: list[tuple[int, dict[str, float]]]) -> Floats:
    return paper_levels(run.ids, run.prices, tradable_targets(run, targets))


def _checked(lines: Mapping[str, Levels]) -> list[str]:
    unknown = [name for name in lines if name not in (FIRST, *PARTS)]
    if unknown or FIRST not in lines or len(lines) < 2:
        raise UnusableLevels(f"lines {', '.join(lines) or 'none'}: give {FIRST} and at least one of {', '.join(PARTS)}")
    lengths = {name: len(line) for name, line in lines.items()}
    if len(set(lengths.values())) > 1 or min(lengths.values()) < 2:
        raise UnusableLevels(f"lines of lengths {lengths}; give each the same days, at least two")
    for name, line in lines.items():
        wrong = [value for value in line if not (math.isfinite(value) and value > 0.0)]
        if wrong:
            raise UnusableLevels(
                f"{name} holds {wrong[0]}, which has no logarithm; end the lines before everything is lost"
            )
    return [name for name in PARTS if name in lines]


def _changes(line: Levels, before: Levels) -> list[float]:
    ratios = [math.log(own / other) for own, other in zip(line, before, strict=True)]
    return [after - now for now, after in zip(ratios, ratios[1:], strict=False)]


def _covariation(part: Sequence[float], whole: Sequence[float], middle: float) -> float:
    own = math.fsum(part) / len(part)
    return math.fsum((a - own) * (b - middle) for a, b in zip(part, whole, strict=True))
