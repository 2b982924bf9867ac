"""A label for every coin: what is read, how it is added up, and what happens when it is not known.

    signals = assess(history, rules)                     written rules
    signals = assess(history, rules, model=model)        a trained model
    needs(rules, model=model)                            the days and fields a history must have

Each feature is compared among the coins of one day, so a score says "more than the others", in deviations from their
middle. Written rules: score = mean / √(1 + mean²) of the weighted mean of those; a trained model: score = p_bullish − p_bearish.

What is not known does not vote. Each input counts less with each day of its age and not at all after `max_age_days`; a coin
of which less than `min_coverage` is known and fresh is neutral with conviction 0, and says why. So a feed that dies takes
the signals back to neutral, not to whatever it said last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from offchain.canonical import utc_text
from offchain.errors import ModelError
from offchain.features import catalogue_hash, compute_panels, standardise
from offchain.features import needs as features_need
from offchain.features.catalogue import find, why_missing
from offchain.market.history import Floats, History, Needs
from offchain.signals.arithmetic import MILLION
from offchain.signals.model import Model, Versions
from offchain.signals.outcome import GRID, Signal, SignalSet
from offchain.signals.phase import NEEDS as PHASE_NEEDS
from offchain.signals.phase import market_phase
from offchain.signals.training import on_grid
from offchain.spec.signal_rules import SignalRules

Tags = Mapping[str, tuple[str, ...]]

# group of the catalogue → what an analyst calls it
LENSES: Mapping[str, str] = {
    **dict.fromkeys(("price", "trend", "momentum", "volatility", "drawdown", "cross-section"), "technical"),
    **dict.fromkeys(("volume", "liquidity"), "liquidity"),
    "onchain": "on-chain",
    "sentiment": "sentiment",
    "fundamental": "fundamental",
    "macro": "market",
}
# how many parts a reason names
NAMED = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class _Inputs:
    """coins × features: newest known score, and how much it counts (1 of today, 0 too old or unknown).

    `missing`: {feature: why no coin has it}; `level`: features that are the same for every coin.
    """

    names: tuple[str, ...]
    scores: Floats
    freshness: Floats
    missing: Mapping[str, str]
    level: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Opinion:
    """One coin before labels. Whole millionths; `quality` 0..1: known and fresh part of what is read."""

    bearish: int
    bullish: int
    quality: float
    parts: Mapping[str, float]
    unknown: tuple[str, ...]


def needs(rules: SignalRules, *, model: Model | Versions | None = None) -> Needs:
    """What a history must hold so that nothing is unknown for lack of it. Raises UnknownFeature.

    A field that no source has is no reason to stop: leave it out of the history, and what reads it does not vote.
    """
    if rules.mode == "off":
        return Needs()
    read = features_need(_names(rules, model))
    return Needs(days=read.days + rules.max_age_days, fields=read.fields) | PHASE_NEEDS


def assess(
    history: History,
    rules: SignalRules,
    *,
    model: Model | Versions | None = None,
    tags: Tags | None = None,
    previous: Mapping[str, str] | None = None,
) -> SignalSet:
    """The label of every coin of `history` at its time. `previous`: {id: label before}, which `hysteresis` protects.

    `model`: one, or versions of which the newest is asked that has seen nothing of this day; before the first, all are neutral.

    Raises UnknownFeature for a feature that is not in the catalogue, ModelError for a model that may not be asked.
    """
    chosen = model.at(history.t) if isinstance(model, Versions) else model
    names = _names(rules, model if chosen is None else chosen)
    past = history.tail(max(needs(rules, model=model).days, PHASE_NEEDS.days))
    phase = market_phase(past, deep=rules.phase_drawdown)
    findings: tuple[str, ...] = ()
    silence = _silence(rules, model, history) or _unheard(rules, chosen, history)
    inputs = _read(past, names, rules, tags) if not silence else None
    if inputs is None:
        signals = {name: _neutral(name, silence) for name in history.ids}
        findings = (f"signals: every coin is neutral: {silence}",) if rules.mode != "off" else ()
    else:
        opinions = _by_rules(inputs, rules) if chosen is None or rules.mode == "rules" else _by_model(inputs, chosen)
        before = previous or {}
        signals = {
            name: _signal(name, opinion, rules, inputs, before=before.get(name, "neutral"))
            for name, opinion in zip(past.ids, opinions, strict=True)
        }
        findings = _findings(inputs, signals)
    return SignalSet(
        t=history.t,
        signals=signals,
        phase=phase,
        catalogue_hash=catalogue_hash(names),
        model_hash="" if chosen is None or rules.mode != "model" else chosen.model_hash,
        findings=findings,
    )


def label_of(score: float, rules: SignalRules, *, before: str = "neutral") -> str:
    """Strictly above or below its threshold; a score level with it is neutral. `before` keeps its label within `hysteresis`."""
    if score > rules.bullish_above:
        return "bullish"
    if score < rules.bearish_below:
        return "bearish"
    if before == "bullish" and score > rules.bullish_above - rules.hysteresis:
        return "bullish"
    if before == "bearish" and score < rules.bearish_below + rules.hysteresis:
        return "bearish"
    return "neutral"


def lenses(signal: Signal) -> dict[str, float]:
    """{technical, liquidity, on-chain, sentiment, fundamental, market: what it adds to the score}, those that were read.

    The composite score seen through one lens after the other; code activity is read as fundamental.
    """
    answer: dict[str, float] = {}
    for name, part in sorted(signal.parts.items()):
        lens = LENSES[find(name).group]
        answer[lens] = round(answer.get(lens, 0.0) + part, GRID)
    return answer


def _names(rules: SignalRules, model: Model | Versions | None) -> tuple[str, ...]:
    if rules.mode == "off":
        return ()
    if rules.mode == "rules":
        names = tuple(name for name, weight in rules.use if weight)
    elif model is None:
        raise ModelError(
            'signals.mode = "model", but no model was given: load it with `offchain.signals.model_for(rules, folder)`, '
            "or train one"
        )
    else:
        names = model.features
    for name in names:
        find(name)
    return names


def _silence(rules: SignalRules, model: Model | Versions | None, history: History) -> str:
    """Why nobody may speak at this time; "" when somebody may."""
    if rules.mode == "off":
        return "signals are off"
    late = (history.t.date() - history.dates[-1]).days if len(history) else rules.max_age_days + 1
    if late > rules.max_age_days:
        newest = f"ends {late} days before {utc_text(history.t)}" if len(history) else "is empty"
        return f"the history {newest}; older than {rules.max_age_days} days is not read"
    if rules.mode == "model" and isinstance(model, Versions) and model.at(history.t) is None:
        first = model.models[0].train_cutoff
        return f"no version of the model may be asked yet; the first ends {first}"
    return ""


def _unheard(rules: SignalRules, model: Model | None, history: History) -> str:
    """Why this model is not believed; "" when it is. Raises ModelError for one that is wrong here."""
    if rules.mode != "model" or model is None:
        return ""
    if rules.model_hash and model.model_hash != rules.model_hash:
        raise ModelError(
            f"signals.model_hash is {rules.model_hash}, the model given is {model.model_hash}: give the one that was meant"
        )
    if model.catalogue_hash != catalogue_hash(model.features):
        raise ModelError(
            f"the model was trained on features of {model.catalogue_hash}, here they are {catalogue_hash(model.features)}: "
            "one of them is computed in another way now; train it again"
        )
    model.require_usable_at(history.t)
    age = (history.t.date() - model.train_cutoff).days
    if age > rules.retire_days:
        return f"the model ends {age} days ago, at {model.train_cutoff}; it retires after {rules.retire_days}"
    if rules.require_payoff and not model.pays:
        why = "did not pay after costs" if model.metrics else "was never made"
        return f"the walk-forward test of the model {why}"
    return ""


def _read(past: History, names: Sequence[str], rules: SignalRules, tags: Tags | None) -> _Inputs:
    late = (past.t.date() - past.dates[-1]).days
    rows = min(rules.max_age_days - late + 1, len(past))
    scores = np.full((len(past.ids), len(names)), np.nan)
    freshness = np.zeros(scores.shape)
    newest = compute_panels(past, names, tags=tags, rows=rows)
    missing = {}
    level = []
    for place, name in enumerate(names):
        compared = standardise(newest[name], axis=1)
        compared[(~np.isnan(compared)).sum(axis=1) < rules.min_coins] = np.nan
        # from the oldest to the newest, so that the newest known one stays
        for row in range(rows):
            known = ~np.isnan(compared[row])
            scores[known, place] = compared[row, known]
            freshness[known, place] = 1.0 - (late + rows - 1 - row) / (rules.max_age_days + 1)
        if (scores[freshness[:, place] > 0.0, place] == 0.0).all() and freshness[:, place].any():
            level.append(name)
        if not freshness[:, place].any():
            missing[name] = why_missing(past, name, tags=tags) or (
                f"fewer than {rules.min_coins} coins have it, or none within {rules.max_age_days} days"
            )
    return _Inputs(
        names=tuple(names), scores=on_grid(scores, rules.clip), freshness=freshness, missing=missing, level=tuple(level)
    )


def _by_rules(inputs: _Inputs, rules: SignalRules) -> list[_Opinion]:
    weights = [dict(rules.use)[name] for name in inputs.names]
    whole = math.fsum(abs(weight) for weight in weights)
    answer = []
    for scores, freshness in zip(inputs.scores.tolist(), inputs.freshness.tolist(), strict=True):
        votes = [
            weight * score * fresh / whole if fresh else 0.0
            for weight, score, fresh in zip(weights, scores, freshness, strict=True)
        ]
        mean = math.fsum(votes)
        # √ is correctly rounded everywhere, tanh is not
        squash = 1.0 / math.sqrt(1.0 + mean * mean)
        score = round(mean * squash * MILLION)
        quality = math.fsum(abs(weight) * fresh for weight, fresh in zip(weights, freshness, strict=True)) / whole
        answer.append(
            _Opinion(
                bearish=max(-score, 0),
                bullish=max(score, 0),
                quality=quality,
                parts={name: round(vote * squash, GRID) for name, vote in zip(inputs.names, votes, strict=True)},
                unknown=_unknown(inputs.names, freshness),
            )
        )
    return answer


def _by_model(inputs: _Inputs, model: Model) -> list[_Opinion]:
    rows = np.where(inputs.freshness > 0.0, on_grid(inputs.scores, model.clip), np.nan)
    said = model.probabilities(rows)
    without = model.scores_without(rows)
    score = said[:, 2] - said[:, 0]
    answer = []
    for number, freshness in enumerate(inputs.freshness.tolist()):
        known = [fresh for fresh in freshness if fresh]
        # yesterday's inputs are believed less: what they lose goes to neutral
        belief = round(MILLION * math.fsum(known) / len(known)) if known else 0
        parts = {
            name: int(score[number] - lost[number]) / MILLION for name, lost in zip(inputs.names, without, strict=True)
        }
        answer.append(
            _Opinion(
                bearish=int(said[number, 0]) * belief // MILLION,
                bullish=int(said[number, 2]) * belief // MILLION,
                quality=math.fsum(freshness) / len(freshness),
                parts=parts,
                unknown=_unknown(inputs.names, freshness),
            )
        )
    return answer


def _unknown(names: Sequence[str], freshness: Sequence[float]) -> tuple[str, ...]:
    return tuple(name for name, fresh in zip(names, freshness, strict=True) if not fresh)


def _signal(coin: str, opinion: _Opinion, rules: SignalRules, inputs: _Inputs, *, before: str) -> Signal:
    if opinion.quality < rules.min_coverage:
        return _neutral(coin, _why_too_little(opinion, rules, inputs))
    score = (opinion.bullish - opinion.bearish) / MILLION
    label = label_of(score, rules, before=before)
    return Signal(
        id=coin,
        label=label,
        score=score,
        conviction=round(abs(score) * opinion.quality, GRID),
        p_bearish=opinion.bearish / MILLION,
        p_neutral=(MILLION - opinion.bearish - opinion.bullish) / MILLION,
        p_bullish=opinion.bullish / MILLION,
        parts=opinion.parts,
        reason=_reason(label, score, opinion, rules, before=before),
    )


def _neutral(coin: str, why: str) -> Signal:
    return Signal(
        id=coin,
        label="neutral",
        score=0.0,
        conviction=0.0,
        p_bearish=0.0,
        p_neutral=1.0,
        p_bullish=0.0,
        reason=f"neutral by default: {why}",
        is_fallback=True,
    )


def _why_too_little(opinion: _Opinion, rules: SignalRules, inputs: _Inputs) -> str:
    named = [f"{name} ({inputs.missing[name]})" if name in inputs.missing else name for name in opinion.unknown[:NAMED]]
    more = f" and {len(opinion.unknown) - NAMED} more" if len(opinion.unknown) > NAMED else ""
    what = f"; unknown: {', '.join(named)}{more}" if named else ""
    return f"{opinion.quality:.0%} of what is read is known and fresh, {rules.min_coverage:.0%} needed{what}"


def _reason(label: str, score: float, opinion: _Opinion, rules: SignalRules, *, before: str) -> str:
    if label == "neutral":
        why = f"between {rules.bearish_below:g} and {rules.bullish_above:g}"
    elif rules.bearish_below <= score <= rules.bullish_above:
        why = f"within {rules.hysteresis:g} of its threshold, so it stays {before}"
    else:
        why = f"above {rules.bullish_above:g}" if label == "bullish" else f"below {rules.bearish_below:g}"
    largest = sorted(opinion.parts.items(), key=lambda part: (-abs(part[1]), part[0]))[:NAMED]
    most = ", ".join(f"{name} {value:+.3f}" for name, value in largest if value) or "nothing stands out"
    gaps = f"; {len(opinion.unknown)} of {len(opinion.parts)} inputs unknown" if opinion.unknown else ""
    return f"{label}: score {score:+.3f} is {why}; most of it {most}{gaps}"


def _findings(inputs: _Inputs, signals: Mapping[str, Signal]) -> tuple[str, ...]:
    found = [f"signals: {name} counts for no coin: {why}" for name, why in inputs.missing.items()]
    found += [f"signals: {name} is the same for every coin, so it tells none from another" for name in inputs.level]
    fallen = sum(signal.is_fallback for signal in signals.values())
    if fallen:
        found.append(f"signals: {fallen} of {len(signals)} coins are neutral because too little is known of them")
    return tuple(found)
