"""[risk]: how much of the index is at risk at all, and what holds the rest.

    [risk]
    stable = { usd-coin = 0.5, dai = 0.5 }    # the stable side: what is held instead of coins at risk
    buffer = 0.05                             # always there
    shift = "phase"                           # in a bear market up to max_shift more
    max_shift = 0.3
    step = 0.1                                # never more than a tenth from one review to the next
    stop_loss = 0.25

Every rule names the most that may be at risk; the strictest one counts. A rule at its default does nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from offchain.spec.keys import COIN_ID, COIN_IDS, Choice, Flag, Integer, Kind, Number, Refused, fraction, key

SHIFTS = ("off", "phase", "breadth", "signals", "any")
MODES = ("aggressive", "conservative", "auto")
PHASE_SHIFT = (("accumulation", 0.5), ("bear", 1.0), ("bull", 0.0), ("correction", 0.5))

_MONTH_DAY = r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_PERIOD = rf"{_MONTH_DAY}/{_MONTH_DAY}|[0-9]{{4}}-{_MONTH_DAY}/[0-9]{{4}}-{_MONTH_DAY}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of names and numbers, kept as pairs sorted by name. With `equal` a list of names stands for equal parts."""

    names: Kind
    numbers: Kind
    example: str
    max_items: int = 50
    equal: bool = False

    def read(self, value: object) -> tuple[tuple[str, float], ...]:
        if self.equal and isinstance(value, (list, tuple)):
            names = list(value)
            if len({str(name) for name in names}) < len(names):
                raise Refused("write each name once")
            value = {str(name): 1.0 for name in names}
        if not isinstance(value, Mapping):
            raise Refused(f"write a table, such as {self.example}")
        if len(value) > self.max_items:
            raise Refused(f"write at most {self.max_items} names, not {len(value)}")
        pairs = []
        for name, number in value.items():
            try:
                pairs.append((str(self.names.read(name)), float(str(self.numbers.read(number)))))
            except Refused as refusal:
                raise Refused(f"{name} = {number!r}: {refusal}") from None
        return tuple(sorted(pairs))

    def schema(self) -> dict[str, object]:
        table: dict[str, object] = {
            "propertyNames": self.names.schema(),
            "additionalProperties": self.numbers.schema(),
            "maxProperties": self.max_items,
        }
        if not self.equal:
            return {"type": "object", **table}
        return {"type": ["array", "object"], "items": self.names.schema(), "maxItems": self.max_items, **table}


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days of every year, "09-01/09-30", or days of one year, "2026-03-14/2026-03-20"; both ends are part of it."""

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(_PERIOD, value):
            raise Refused('write a period, such as "09-01/09-30" (every year) or "2026-03-14/2026-03-20"')
        for end in value.split("/"):
            try:
                date.fromisoformat(end if len(end) == 10 else f"2024-{end}")
            except ValueError:
                raise Refused(f"{end} is no day of the calendar; correct it") from None
        if len(value) == 21 and value[:10] > value[11:]:
            raise Refused("write the earlier day first")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^(?:{_PERIOD})$"}


def is_within(day: date, period: str) -> bool:
    """Whether `day` is in a Period; one that ends before it begins, such as "12-20/01-05", runs over the new year."""
    first, last = period.split("/")
    text = day.isoformat() if len(first) == 10 else f"{day:%m-%d}"
    return first <= text <= last if first <= last else text >= first or text <= last


_SHIFT = fraction()
_DAYS = Integer(low=2, high=3650)


@dataclass(frozen=True, kw_only=True)
class RiskRules:
    """[risk]: exposure, stops and the stable side of the index. Exposure is the part of the index in coins at risk."""

    stable: tuple[tuple[str, float], ...] = key(
        Table(
            names=COIN_ID,
            numbers=Number(low=0, high=1e6, above_low=True),
            example="{ usd-coin = 0.5, dai = 0.5 }",
            max_items=16,
            equal=True,
        ),
        unit="in proportion",
        default=(),
        doc="The stable side: what is held instead of coins at risk, and how it is divided; a list is equal parts.",
    )
    yield_bearing: tuple[str, ...] = key(
        COIN_IDS,
        default=(),
        doc="Those of the stable side that grow: their peg is the median of their own prices, not one dollar.",
    )
    max_stable: float = key(
        fraction(above_low=True), unit="of 1", default=1.0, doc="Most one coin of the stable side may weigh."
    )
    peg_tolerance: float = key(
        Number(low=0.001, high=0.2),
        unit="of the peg",
        default=0.02,
        doc="A stable coin further off its peg is replaced by the others.",
    )
    peg_limit: float = key(
        Number(low=0.001, high=0.5),
        unit="of the peg",
        default=0.1,
        doc="When all are off their peg the nearest is held; one further off than this never.",
    )
    peg_days: int = key(
        Integer(low=1, high=365),
        unit="days",
        default=30,
        doc="How long a stable coin that was twice the tolerance off its peg must have kept it again.",
    )
    buffer: float = key(fraction(), unit="of 1", default=0.0, doc="Part always held in the stable side.")
    schedule: tuple[tuple[str, float], ...] = key(
        Table(names=Period(), numbers=fraction(), example='{ "09-01/09-30" = 0.2 }'),
        unit="of 1",
        default=(),
        doc="Part held in the stable side between two days, of every year or of one.",
    )
    step: float = key(
        fraction(above_low=True),
        unit="of 1",
        default=1.0,
        doc="Most the exposure falls from one review to the next; buffer and stop act at once.",
    )
    step_up: float = key(
        fraction(above_low=True), unit="of 1", default=1.0, doc="Most the exposure rises from one review to the next."
    )
    band: float = key(fraction(), unit="of 1", default=0.0, doc="Smaller changes of the exposure are not made.")
    min_exposure: float = key(
        fraction(),
        unit="of 1",
        default=0.0,
        doc="The rules leave at least this exposure; buffer and stop may go below.",
    )
    mode: str = key(
        Choice(options=MODES),
        default="aggressive",
        doc="conservative holds conservative_part in the stable side; auto changes to it and back by volatility.",
    )
    conservative_part: float = key(
        fraction(), unit="of 1", default=0.3, doc="Part held in the stable side in conservative mode."
    )
    conservative_cut: float = key(
        Number(low=0, high=10),
        unit="median volatilities",
        default=0.0,
        doc="In conservative mode a coin more volatile than this is cut in proportion; 0 cuts none.",
    )
    conservative_above: float = key(
        Number(low=0, high=10, above_low=True),
        unit="per √year",
        default=1.0,
        doc="auto: volatility of the index's coins at which it becomes conservative.",
    )
    aggressive_below: float = key(
        Number(low=0, high=10, above_low=True),
        unit="per √year",
        default=0.7,
        doc="auto: volatility at which it becomes aggressive again.",
    )
    volatility_target: float = key(
        Number(low=0, high=5), unit="per √year", default=0.0, doc="Highest volatility of the whole index; 0 is none."
    )
    volatility_days: int = key(
        Integer(low=20, high=1000), unit="days", default=90, doc="Daily returns that volatility is measured on."
    )
    volatility_decay: float = key(
        Number(low=0.5, high=1.0),
        unit="per day",
        default=0.94,
        doc="Weight of a return against that of the day after it; 1 weighs all alike.",
    )
    shift: str = key(
        Choice(options=SHIFTS),
        default="off",
        doc="What moves part of the index to the stable side: the market's phase, its breadth, bearish signals, or any.",
    )
    max_shift: float = key(_SHIFT, unit="of 1", default=0.3, doc="Most that the shift moves to the stable side.")
    phase_shift: tuple[tuple[str, float], ...] = key(
        Table(
            names=Choice(options=tuple(name for name, _ in PHASE_SHIFT)), numbers=fraction(), example="{ bear = 1.0 }"
        ),
        unit="of max_shift",
        default=PHASE_SHIFT,
        doc="How much of the shift each phase asks for; one left out asks for nothing.",
    )
    shift_from: float = key(
        _SHIFT,
        unit="of 1",
        default=0.4,
        doc="The shift begins where this part of the market is below its mean, or of the index bearish.",
    )
    shift_full: float = key(_SHIFT, unit="of 1", default=0.7, doc="The shift is whole where this part is.")
    breadth_days: int = key(_DAYS, unit="days", default=50, doc="Days of the mean that breadth compares prices with.")
    drawdown_from: float = key(
        fraction(), unit="of the peak", default=0.0, doc="Drawdown of the index at which its exposure begins to fall."
    )
    drawdown_limit: float = key(
        fraction(),
        unit="of the peak",
        default=0.0,
        doc="Drawdown at which the exposure has fallen to min_exposure; 0 is no such rule.",
    )
    peak_days: int = key(_DAYS, unit="days", default=365, doc="The peak is the highest level of these days.")
    stop_loss: float = key(
        fraction(), unit="of the peak", default=0.0, doc="Drawdown of the index at which it stops; 0 is no stop."
    )
    stop_exposure: float = key(fraction(), unit="of 1", default=0.0, doc="Exposure while it is stopped.")
    stop_days: int = key(Integer(low=1, high=365), unit="days", default=14, doc="A stop lasts at least this long.")
    reenter_above_mean: bool = key(
        Flag(),
        default=False,
        doc="After a stop also wait until the index's coins are above their mean of breadth_days.",
    )
    trim_above: float = key(
        Number(low=0, high=20),
        unit="standard deviations",
        default=0.0,
        doc="A coin this far above its own mean of trim_days is trimmed; 0 trims none.",
    )
    trim_days: int = key(Integer(low=10, high=365), unit="days", default=50, doc="Days of that mean.")
    trim_part: float = key(
        fraction(), unit="of its weight", default=0.5, doc="Most that is trimmed: whole at twice trim_above."
    )
    min_effective: float = key(
        Number(low=0, high=50),
        unit="coins",
        default=0.0,
        doc="Least effective number of coins, 1 / Σ weight²; the largest are cut until it holds. 0 is none.",
    )
    max_correlation: float = key(
        fraction(above_low=True),
        unit="1",
        default=1.0,
        doc="Coins whose daily returns correlate more than this count as one bet; 1 counts none.",
    )
    max_bet: float = key(
        fraction(above_low=True), unit="of 1", default=1.0, doc="Most that coins that count as one bet weigh together."
    )
    correlation_days: int = key(
        Integer(low=20, high=1000), unit="days", default=90, doc="Daily returns that correlation is measured on."
    )
    rotation_top: int = key(
        Integer(low=0, high=16),
        unit="sleeves",
        default=0,
        doc="Satellites that share the satellites' part, the best by score; 0 keeps every one at its part.",
    )

    @property
    def stable_ids(self) -> tuple[str, ...]:
        """Ids of the stable side, sorted."""
        return tuple(sorted(name for name, _ in self.stable))

    @property
    def reads_levels(self) -> bool:
        """Whether the answer depends on the index's own levels."""
        return self.stop_loss > 0 or self.drawdown_limit > 0

    @property
    def most_aside(self) -> float:
        """Most of the index {1} that these rules can move to the stable side."""
        if not self.stable:
            return 0.0
        is_cautious = self.mode != "aggressive"
        cuts = (
            self.trim_above > 0,
            self.min_effective > 0,
            self.max_bet < 1,
            is_cautious and self.conservative_cut > 0,
        )
        if any(cuts):  # single coins are cut by what they are like, however many they are
            return 1.0
        soft = [
            self.max_shift if self.shift != "off" else 0.0,
            self.conservative_part if is_cautious else 0.0,
            1.0 if self.volatility_target > 0 or self.drawdown_limit > 0 else 0.0,
            *(part for _, part in self.schedule),
        ]
        stopped = 1.0 - self.stop_exposure if self.stop_loss > 0 else 0.0
        return max(self.buffer, stopped, min(max(soft), 1.0 - self.min_exposure))

    @property
    def asks_for_stable(self) -> tuple[str, ...]:
        """Keys of the rules that can move something to the stable side."""
        on = {
            "buffer": self.buffer > 0,
            "schedule": bool(self.schedule),
            "mode": self.mode != "aggressive",
            "volatility_target": self.volatility_target > 0,
            "shift": self.shift != "off" and self.max_shift > 0,
            "drawdown_limit": self.drawdown_limit > 0,
            "stop_loss": self.stop_loss > 0,
            "trim_above": self.trim_above > 0,
            "min_effective": self.min_effective > 0,
            "max_bet": self.max_bet < 1,
        }
        return tuple(name for name, is_on in on.items() if is_on)


def contradictions(risk: RiskRules, *, signals: str, components: Sequence[str]) -> list[str]:
    """Mistakes between keys of [risk], the mode of [signals] and the ids of [[components]]."""
    return [*_stable_problems(risk, components), *_rule_problems(risk, signals)]


def _stable_problems(risk: RiskRules, components: Sequence[str]) -> list[str]:
    found = []
    if risk.asks_for_stable and not risk.stable:
        found.append(
            f"risk.{', risk.'.join(risk.asks_for_stable)} needs something to hold instead: "
            "name it in risk.stable, such as stable = { usd-coin = 1.0 }"
        )
    stray = sorted(set(risk.yield_bearing) - set(risk.stable_ids))
    if stray:
        found.append(
            f"risk.yield_bearing names {', '.join(stray)}, which risk.stable does not: add it there or remove it"
        )
    if risk.stable and len(risk.stable) * risk.max_stable < risk.buffer:
        found.append(
            f"risk.max_stable = {risk.max_stable:g} with {len(risk.stable)} stable coins cannot hold "
            f"risk.buffer = {risk.buffer:g}: raise it or name more of them"
        )
    if risk.peg_limit < risk.peg_tolerance:
        found.append(
            f"risk.peg_limit = {risk.peg_limit:g} is below risk.peg_tolerance = {risk.peg_tolerance:g}: raise the limit"
        )
    absent = sorted(set(risk.stable_ids) - set(components)) if components else []
    if absent:
        found.append(
            f"risk.stable names {', '.join(absent)}, not among [[components]]: add the token or remove the name"
        )
    return found


def _rule_problems(risk: RiskRules, signals: str) -> list[str]:
    found = []
    if risk.shift in ("phase", "signals", "any") and signals == "off":
        found.append(
            f'risk.shift = "{risk.shift}" reads the signals, but signals.mode = "off": write signals.mode = "rules", '
            'or shift = "breadth"'
        )
    pairs = (
        ("shift_from", "shift_full", risk.shift != "off"),
        ("aggressive_below", "conservative_above", risk.mode == "auto"),
        ("drawdown_from", "drawdown_limit", risk.drawdown_limit > 0),
    )
    for low, high, is_on in pairs:
        if is_on and getattr(risk, low) >= getattr(risk, high):
            found.append(
                f"risk.{low} = {getattr(risk, low):g} must be below risk.{high} = {getattr(risk, high):g}: correct one"
            )
    if (risk.max_correlation < 1) != (risk.max_bet < 1):
        found.append("risk.max_correlation and risk.max_bet only work together: set both below 1, or neither")
    return found
