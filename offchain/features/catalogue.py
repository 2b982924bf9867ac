"""Every data point there is, and their values from a history.

    frame = compute(history, ["momentum_90", "rsi_14"])      the newest value of each coin
    frame.column("momentum_90")                              coins, NaN unknown
    compute_panel(history, "momentum_90")                    days × coins, each row from what was known on that day
    needs(["momentum_90", "rsi_14"])                         how far back and at which fields they look

A value depends on the declared look-back and on nothing before it: the newest row of a panel, the value from the whole
history and the value from its last `lookback` days are the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, reduce

import numpy as np

from offchain.canonical import keccak_hex
from offchain.errors import MissingHistory, UnknownFeature, did_you_mean
from offchain.features import cross_section, fundamental, momentum, onchain, outside, price, trend, volatility, volume
from offchain.features.feature import BITCOIN, Days, Feature, Past, Tags
from offchain.features.windows import DIGITS, newest, significant
from offchain.market.history import Floats, History, Needs

# raised with every change of a number that any feature gives
VERSION = 1


def _listed(parts: Iterable[tuple[Feature, ...]]) -> dict[str, Feature]:
    rows = [feature for part in parts for feature in part]
    listed = {feature.name: feature for feature in rows}
    if len(listed) != len(rows):
        raise AssertionError(f"two features share a name among {[row.name for row in rows]}")
    return listed


FEATURES: Mapping[str, Feature] = _listed(
    (
        price.PRICE,
        trend.TREND,
        momentum.MOMENTUM,
        volatility.VOLATILITY,
        volatility.DRAWDOWN,
        volume.VOLUME,
        volume.LIQUIDITY,
        onchain.ONCHAIN,
        outside.SENTIMENT,
        outside.MACRO,
        fundamental.FUNDAMENTAL,
        cross_section.CROSS_SECTION,
    )
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureFrame:
    """The newest values. `values`: ids × names, 12 significant digits, NaN unknown; `missing`: {name: why no coin has it}."""

    t: datetime
    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: Floats
    missing: Mapping[str, str]
    catalogue_hash: str

    def __post_init__(self) -> None:
        self.values.flags.writeable = False

    def column(self, name: str) -> Floats:
        """One feature of every coin. Raises UnknownFeature for a name that was not asked for."""
        if name not in self._positions:
            raise UnknownFeature(
                f'"{name}" is not in this frame; it has {", ".join(self.names)}.{did_you_mean(name, self.names)}'
            )
        return self.values[:, self._positions[name]]

    def row(self, coin_id: str) -> dict[str, float]:
        """{name: value} of one coin, unknown ones left out. Raises MissingHistory for a coin that is not in the frame."""
        if coin_id not in self.ids:
            near = did_you_mean(coin_id, self.ids)
            raise MissingHistory(f'no coin "{coin_id}" among {len(self.ids)} in this frame.{near}')
        values = self.values[self.ids.index(coin_id)].tolist()
        return {name: value for name, value in zip(self.names, values, strict=True) if not math.isnan(value)}

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}


def compute(history: History, names: Collection[str], *, tags: Tags | None = None) -> FeatureFrame:
    """The newest value of each feature for each coin. `tags`: {id: tags}, for what reads sectors.

    What cannot be known is NaN with a reason in `missing`. Raises UnknownFeature for a name that is not in the catalogue.
    """
    asked = tuple(dict.fromkeys(names))
    chosen = [find(name) for name in asked]
    lookback = max((feature.lookback for feature in chosen), default=0)
    past = Past(_tail(history, lookback), tags=tags)
    values = np.full((len(history.ids), len(asked)), np.nan)
    missing = {}
    for position, feature in enumerate(chosen):
        reason = why_missing(history, feature.name, tags=tags)
        if not reason:
            values[:, position] = _rows(past, feature, 1)[0]
            if np.isnan(values[:, position]).all():
                reason = f"no coin has it: {feature.gap}"
        if reason:
            missing[feature.name] = reason
    return FeatureFrame(
        t=history.t,
        ids=history.ids,
        names=asked,
        values=values,
        missing=missing,
        catalogue_hash=catalogue_hash(asked),
    )


def compute_panel(history: History, name: str, *, tags: Tags | None = None) -> Floats:
    """days × coins: row d is what `compute` gives for the history that ends on day d, bit for bit."""
    return compute_panels(history, [name], tags=tags)[name]


def compute_panels(
    history: History, names: Collection[str], *, tags: Tags | None = None, rows: int | None = None
) -> dict[str, Floats]:
    """`compute_panel` of each name; what they share is worked out once. `rows`: the newest so many days only."""
    past = Past(history, tags=tags)
    days = len(history) if rows is None else min(rows, len(history))
    answer = {}
    for name in dict.fromkeys(names):
        feature = find(name)
        answer[name] = np.full((days, len(history.ids)), np.nan)
        known = min(days, len(history) - feature.warmup)
        if not why_missing(history, name, tags=tags):
            answer[name][days - known :] = _rows(past, feature, known)
    return answer


def find(name: str) -> Feature:
    """The feature of this name. Raises UnknownFeature."""
    if name not in FEATURES:
        raise UnknownFeature(
            f'"{name}" is none of the {len(FEATURES)} features; `ballast features` lists them.{did_you_mean(name, FEATURES)}'
        )
    return FEATURES[name]


def needs(names: Iterable[str]) -> Needs:
    """The days and fields that all of these look back on together."""
    return reduce(lambda both, name: both | find(name).needs, names, Needs())


def why_missing(history: History, name: str, *, tags: Tags | None = None) -> str:
    """Why no coin of this history can have this feature; "" when nothing stands in the way."""
    feature = find(name)
    absent = [field for field in feature.reads if not history.has(field)]
    if absent:
        return f"no source filled {', '.join(absent)}"
    if len(history) < feature.lookback:
        return f"needs {feature.lookback} days, the history has {len(history)}"
    if not history.ids:
        return "the history has no coin"
    if feature.reads_bitcoin and BITCOIN not in history.ids:
        return f'needs "{BITCOIN}", which is not among the {len(history.ids)} coins of the history'
    if feature.reads_tags and not tags:
        return "needs the tags of the coins"
    return ""


def why_unknown(history: History, name: str, coin_id: str, *, tags: Tags | None = None) -> str:
    """Why one coin has no newest value, in a sentence; "" when it has one."""
    reason = why_missing(history, name, tags=tags)
    if reason:
        return reason
    column, feature = history.column(coin_id), find(name)
    past = Past(_tail(history, feature.lookback), tags=tags)
    if not np.isnan(_rows(past, feature, 1)[0, column]):
        return ""
    for field, days in sorted(feature.fields.items()):
        known = int(past.known_days(field)[-1, column])
        if known < days:
            return f"{field} is known for the newest {known} of {days} days without a gap"
    return f"it has no value with these numbers ({feature.doc})"


def catalogue_hash(names: Iterable[str]) -> str:
    """keccak256 of how these features are declared and of VERSION: equal hash, equal numbers from equal histories."""
    rows = {name: _declared(find(name)) for name in names}
    return keccak_hex({"version": VERSION, "digits": DIGITS, "features": rows})


def catalogue_table() -> list[dict[str, str]]:
    """One row of text per feature, for pages: name, group, unit, fields, look-back, warm-up, gap, seed, doc, source."""
    return [{name: str(value) for name, value in _declared(feature).items()} for feature in FEATURES.values()]


def _declared(feature: Feature) -> dict[str, object]:
    return {
        "name": feature.name,
        "group": feature.group,
        "unit": feature.unit,
        "fields": ", ".join(f"{name} {days}" for name, days in feature.reads.items()),
        "lookback": feature.lookback,
        "warmup": feature.warmup,
        "gap": feature.gap,
        "seed": feature.seed,
        "doc": feature.doc,
        "source": feature.source,
    }


def _tail(history: History, days: int) -> History:
    """The newest days, as views: the arrays of a history cannot be written to."""
    start = max(len(history) - days, 0)
    return History(
        t=history.t,
        dates=history.dates[start:],
        ids=history.ids,
        panels={name: values[start:] for name, values in history.panels.items()},
        series={name: values[start:] for name, values in history.series.items()},
    )


def _rows(past: Past, feature: Feature, rows: int) -> Floats:
    """The newest `rows` rows × coins, rounded; NaN where a day of the coin's own window is unknown."""
    coins = len(past.history.ids)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        values = feature.work(Days(past, feature, rows))
    if values.shape not in ((rows, coins), (rows, 1)):
        raise AssertionError(f"{feature.name} gave {values.shape}, not {(rows, coins)}: its declared days are wrong")
    is_unknown = ~np.isfinite(values) & np.ones((1, coins), dtype=bool)
    for name, days in feature.fields.items():
        is_unknown |= newest(np.asarray(past.known_days(name)), rows) < days
    return np.where(is_unknown, np.nan, significant(values))
