"""[signals]: what is read from the market about each coin, and what it may change in the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from offchain.spec.keys import Choice, Flag, Integer, ListOf, Number, Numbers, Text, fraction, key

MODES = ("off", "rules", "model")
SIGNAL_LABELS = ("bearish", "neutral", "bullish")

_FEATURE = Text(pattern=r"[a-z][a-z0-9_]{0,59}", rule='a feature of the catalogue, such as "momentum_90d"')
_USE = Numbers(name=_FEATURE, value=Number(low=-1, high=1), example="{ momentum_90d = 0.4, rsi_14 = -0.1 }")
_FILE = Text(
    pattern=r"(?:[A-Za-z0-9_./-]{1,200}(?:\.json|/))?",
    rule='a path that ends in .json, such as "models/ai.json", or a folder of versions that ends in /',
)
_HASH = Text(pattern=r"(?:0x[0-9a-f]{64})?", rule="0x and 64 hex digits in lower case, as the model's card shows it")


@dataclass(frozen=True, kw_only=True)
class SignalRules:
    """[signals]: bullish, neutral or bearish for each coin, and what follows from it."""

    mode: str = key(
        Choice(options=MODES), default="off", doc="Who labels the coins: nobody, written rules, or a trained model."
    )
    use: tuple[tuple[str, float], ...] = key(
        _USE,
        unit="weight of each feature; a negative one reads the feature upside down",
        default=(),
        doc="Features of the catalogue that the written rules read, and how much each counts.",
        later=True,
    )
    bullish_above: float = key(
        fraction(), unit="score", default=0.2, doc="A coin whose score is above this is bullish.", later=True
    )
    bearish_below: float = key(
        Number(low=-1, high=0),
        unit="score",
        default=-0.2,
        doc="A coin whose score is below this is bearish.",
        later=True,
    )
    hysteresis: float = key(
        Number(low=0, high=0.5),
        unit="score",
        default=0.0,
        doc="How far back past its threshold a score has to go before a coin loses its label.",
        later=True,
    )
    exclude: tuple[str, ...] = key(
        ListOf(item=Choice(options=SIGNAL_LABELS)),
        default=(),
        doc="Labels that keep a coin out of the index: bearish, or bearish and neutral.",
        later=True,
    )
    clip: float = key(
        Number(low=0.5, high=3),
        unit="deviations",
        default=3.0,
        doc="A feature further from the middle of all coins counts as this far.",
        later=True,
    )
    max_age_days: int = key(
        Integer(low=0, high=30),
        unit="days",
        default=3,
        doc="Older inputs do not count; newer ones count less with each day.",
        later=True,
    )
    min_coverage: float = key(
        fraction(above_low=True),
        unit="of 1",
        default=0.5,
        doc="Part of the inputs that must be known and fresh; with less a coin is neutral.",
        later=True,
    )
    min_coins: int = key(
        Integer(low=2, high=1000),
        unit="coins",
        default=5,
        doc="A feature known of fewer coins on a day is not compared, so it does not count.",
        later=True,
    )
    model: str = key(
        _FILE,
        default="",
        doc="File of the trained model, beside the index file; a folder: its newest that may be asked.",
        later=True,
    )
    model_hash: str = key(
        _HASH, default="", doc="The only model that may be used, by its hash; empty: the one in the file.", later=True
    )
    retire_days: int = key(
        Integer(low=1, high=3650),
        unit="days",
        default=365,
        doc="A model trained longer ago than this is not asked any more: all coins are neutral.",
        later=True,
    )
    require_payoff: bool = key(
        Flag(),
        default=True,
        doc="Ask a model only when its walk-forward test paid after costs; else all coins are neutral.",
        later=True,
    )
    phase_drawdown: float = key(
        fraction(above_low=True),
        unit="of 1",
        default=0.3,
        doc="Fall of the market from its high of 180 days from which on it is bear or accumulation.",
        later=True,
    )


def contradictions(rules: SignalRules, *, readers: Iterable[str] = ()) -> list[str]:
    """Mistakes in [signals] that only show when two keys are read together.

    `readers`: keys of other sections that need signals, such as "weights.tilt"; they have no effect when mode is "off".
    """
    found = []
    if rules.mode == "rules" and not any(weight for _, weight in rules.use):
        found.append(
            'signals.mode = "rules" with no feature in signals.use: every coin would be neutral; '
            'add use = { momentum_90d = 0.4 }, or set mode = "off"'
        )
    if rules.mode == "model" and not (rules.model or rules.model_hash):
        found.append(
            'signals.mode = "model" without signals.model or signals.model_hash: name the file, the hash, or both'
        )
    if rules.mode == "off":
        named = [name for name in ("use", "exclude", "model", "model_hash") if getattr(rules, name)]
        found += [
            f'signals.{name} has no effect while signals.mode = "off": set the mode, or remove it' for name in named
        ]
        found += [f'{name} reads signals, but signals.mode = "off": set it to "rules" or "model"' for name in readers]
    if set(rules.exclude) >= set(SIGNAL_LABELS):
        found.append("signals.exclude names every label: no coin could be in the index; keep at least one out of it")
    nearer = min(rules.bullish_above, -rules.bearish_below)
    if rules.hysteresis > nearer:
        found.append(
            f"signals.hysteresis = {rules.hysteresis} is above the nearer threshold {nearer}: a coin could stay bullish "
            "with a score below zero, or bearish with one above; lower it"
        )
    return found
