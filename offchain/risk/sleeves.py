"""An index of indexes: the weights of each sleeve times its part, looked through to the coins. Exact integers.

    weighing = blend({"LC10": weights, "DEFI": weights}, sleeves, scores={"DEFI": 0.2, "AI": 0.4}, top=1)

With `top` the satellites rotate: their part goes to the best by score, in equal parts, and the core stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from offchain.errors import InfeasibleWeights, UnitError
from offchain.signals.outcome import SignalSet
from offchain.spec.sleeve_rules import SATELLITE_RANGE, SleeveRules
from offchain.steps import Step, Weighing
from offchain.units import WAD, format_percent, format_weight, fraction_to_wad, from_wad, to_wad


def blend(
    parts: Mapping[str, Mapping[str, int]],
    sleeves: Sequence[SleeveRules],
    signals: SignalSet | None = None,
    *,
    scores: Mapping[str, float] | None = None,
    top: int = 0,
) -> Weighing:
    """One index out of several. `parts`: {sleeve.index: {id: D18, Σ 1e18}}; `top`: satellites that are held, 0 for all.

    `scores`: {sleeve.index: score} for the rotation; without it `signals` give each satellite the mean score of its coins.
    Raises InfeasibleWeights for a sleeve without weights and for parts outside the allowed ranges.
    """
    _require_sleeves(parts, sleeves)
    split, why = _split(parts, sleeves, signals, scores, top)
    exact: dict[str, int] = {}
    for name, part in split.items():
        for coin, weight in parts[name].items():
            exact[coin] = exact.get(coin, 0) + part * weight
    weights = _floor_and_remainder(exact)
    step = Step(
        stage="sleeves",
        summary="; ".join(why),
        weights={name: from_wad(weight) for name, weight in weights.items()},
        reasons={coin: _reason(coin, parts, split) for coin in weights},
    )
    return Weighing(weights=weights, steps=(step,))


def sleeve_scores(parts: Mapping[str, Mapping[str, int]], signals: SignalSet) -> dict[str, float]:
    """{index: mean score of its coins, by weight}, rounded to 12 decimals; a coin without a signal counts as 0."""
    answer = {}
    for name, weights in sorted(parts.items()):
        scores = [
            from_wad(weight) * signals.signals[coin].score
            for coin, weight in sorted(weights.items())
            if coin in signals.signals
        ]
        answer[name] = round(sum(scores), 12)
    return answer


def out_of_line(current: Mapping[str, float], sleeves: Sequence[SleeveRules]) -> dict[str, float]:
    """{index: drift} of the sleeves whose part of the index, `current` {index: part}, left its band. Empty: all in line."""
    drift = {sleeve.index: round(current.get(sleeve.index, 0.0) - sleeve.part, 12) for sleeve in sleeves}
    return {sleeve.index: drift[sleeve.index] for sleeve in sleeves if abs(drift[sleeve.index]) > sleeve.band}


def _require_sleeves(parts: Mapping[str, Mapping[str, int]], sleeves: Sequence[SleeveRules]) -> None:
    absent = [sleeve.index for sleeve in sleeves if sleeve.index not in parts]
    if not sleeves or absent:
        raise InfeasibleWeights(
            f"no weights for sleeve {', '.join(absent) or '(none given)'}; decide each sleeve first"
        )
    for sleeve in sleeves:
        total = sum(parts[sleeve.index].values())
        if total != WAD or min(parts[sleeve.index].values()) < 0:
            raise UnitError(f"sleeve {sleeve.index}: weights sum to {total}, not {WAD}, or one is below 0")
    whole = sum(fraction_to_wad(sleeve.part) for sleeve in sleeves)
    if whole != WAD:
        raise InfeasibleWeights(f"the parts of the sleeves sum to {from_wad(whole):g}, not 1; correct one of them")
    satellites = sum(fraction_to_wad(sleeve.part) for sleeve in sleeves if sleeve.role == "satellite")
    low, high = (fraction_to_wad(bound) for bound in SATELLITE_RANGE)
    if satellites and not low <= satellites <= high:
        raise InfeasibleWeights(
            f"the satellites are {format_weight(satellites)}, allowed are {format_weight(low)} to {format_weight(high)}"
        )


def _split(
    parts: Mapping[str, Mapping[str, int]],
    sleeves: Sequence[SleeveRules],
    signals: SignalSet | None,
    scores: Mapping[str, float] | None,
    top: int,
) -> tuple[dict[str, int], list[str]]:
    """({index: D18 part}, a sentence for each)."""
    split = {sleeve.index: fraction_to_wad(sleeve.part) for sleeve in sleeves}
    satellites = sorted(sleeve.index for sleeve in sleeves if sleeve.role == "satellite")
    why = [f"{sleeve.index} is {sleeve.role} with {format_percent(sleeve.part)}" for sleeve in sleeves]
    if top == 0 or top >= len(satellites):
        return split, why
    if scores is None:
        if signals is None:
            raise InfeasibleWeights(
                'risk.rotation_top needs a score for each satellite; write signals.mode = "rules" or give scores'
            )
        scores = sleeve_scores({name: parts[name] for name in satellites}, signals)
    unknown = [name for name in satellites if name not in scores]
    if unknown:
        raise InfeasibleWeights(f"no score for satellite {', '.join(unknown)}; give one for each")
    ranked = sorted(satellites, key=lambda name: (-scores[name], name))
    joint = sum(split[name] for name in satellites)
    chosen = sorted(ranked[:top])
    each = [joint * share // WAD for share in to_wad([1] * top)]
    each[0] += joint - sum(each)
    split = {name: part for name, part in split.items() if name not in satellites} | dict(
        zip(chosen, each, strict=True)
    )
    why = [text for text, sleeve in zip(why, sleeves, strict=True) if sleeve.role == "core"]
    why += [
        f"satellite {name} (score {scores[name]:.4f}) "
        + (f"is held with {format_weight(split[name])}" if name in split else "is rotated out")
        for name in ranked
    ]
    return split, why


def _floor_and_remainder(exact: Mapping[str, int]) -> dict[str, int]:
    """{id: D36, Σ 1e36} → {id: D18, Σ 1e18} by largest remainder, ties to the lower id; sorted, without zeros."""
    parts = {name: divmod(value, WAD) for name, value in sorted(exact.items())}
    weights = {name: whole for name, (whole, _) in parts.items()}
    left = WAD - sum(weights.values())
    for name in sorted(parts, key=lambda name: (-parts[name][1], name))[:left]:
        weights[name] += 1
    return {name: weight for name, weight in weights.items() if weight}


def _reason(coin: str, parts: Mapping[str, Mapping[str, int]], split: Mapping[str, int]) -> str:
    inside = [
        f"{format_weight(parts[name][coin])} of {name} × {format_weight(part)}"
        for name, part in split.items()
        if parts[name].get(coin)
    ]
    return " + ".join(inside)
