"""What one decision may look back on: daily arrays that end at or before its time, and nothing else.

    history = market.history(t, days=400, fields=("price", "volume"), ids=[...])
    history.panel("price")        float64, days × coins, NaN unknown; the last row is the newest known at t

Features, signals, weights and risk read this and no market, so that a published decision can be recomputed from the
JSON of what it read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offchain.canonical import canonical_json, keccak_hex, utc_text, utc_time
from offchain.errors import MarketDataError, MissingHistory, did_you_mean

FORMAT = "ballast-history/1"

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Needs:
    """How far back and at which fields a stage looks; `a | b` is what both need."""

    days: int = 0
    fields: tuple[str, ...] = ()

    def __or__(self, other: Needs) -> Needs:
        return Needs(days=max(self.days, other.days), fields=tuple(sorted({*self.fields, *other.fields})))

    def __bool__(self) -> bool:
        return bool(self.fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """Daily arrays up to `t`. `dates`: UTC days without a hole, oldest first; `ids`: sorted; `panels`: {field: days × coins};
    `series`: {name: days}. NaN is unknown. The arrays cannot be written to.
    """

    t: datetime
    dates: tuple[date, ...]
    ids: tuple[str, ...]
    panels: Mapping[str, Floats]
    series: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.dates), len(self.ids))
        for name, values in self.panels.items():
            if values.shape != shape:
                raise MarketDataError(f"history: {name} is {values.shape}, not days × coins {shape}")
            values.flags.writeable = False
        for name, values in self.series.items():
            if values.shape != shape[:1]:
                raise MarketDataError(f"history: {name} is {values.shape}, not days {shape[:1]}")
            values.flags.writeable = False
        if list(self.ids) != sorted(set(self.ids)):
            raise MarketDataError("history: ids must be sorted, each once; take it with market.history")

    def __len__(self) -> int:
        return len(self.dates)

    def panel(self, name: str) -> Floats:
        """days × coins. Raises MissingHistory when no source filled this field."""
        return _known(name, self.panels, "field")

    def line(self, name: str) -> Floats:
        """days, of the market as a whole. Raises MissingHistory when no source filled it."""
        return _known(name, self.series, "series")

    def has(self, name: str) -> bool:
        """Whether a source filled this field or series."""
        return name in self.panels or name in self.series

    def tail(self, days: int) -> History:
        """The newest `days` of it, all when it is shorter."""
        return self.part(days=days)

    def part(self, *, days: int | None = None, ids: Sequence[str] | None = None) -> History:
        """Fewer days, fewer coins, or both. Unknown ids raise MissingHistory."""
        start = 0 if days is None else max(len(self) - days, 0)
        chosen = self.ids if ids is None else tuple(sorted(ids))
        columns = [self.column(name) for name in chosen]
        return History(
            t=self.t,
            dates=self.dates[start:],
            ids=chosen,
            panels={name: values[start:, columns].copy() for name, values in self.panels.items()},
            series={name: values[start:].copy() for name, values in self.series.items()},
        )

    def column(self, coin_id: str) -> int:
        """Where this coin is in `ids`."""
        try:
            return self._columns[coin_id]
        except KeyError:
            near = did_you_mean(coin_id, self.ids)
            raise MissingHistory(f'no coin "{coin_id}" among {len(self.ids)} in this history.{near}') from None

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.ids)}

    @cached_property
    def inputs_hash(self) -> str:
        """keccak256 of `to_json()`."""
        return keccak_hex(self._document())

    def to_json(self) -> str:
        """Canonical JSON; numbers as text, unknown ones null, panels by column."""
        return canonical_json(self._document())

    @classmethod
    def from_json(cls, text: str) -> History:
        """The inverse of `to_json`. Raises MarketDataError for anything else."""
        try:
            data = json.loads(text)
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
            dates = tuple(date.fromisoformat(day) for day in data["dates"])
            shape = (len(data["ids"]), len(dates))
            return cls(
                t=utc_time(data["t"]),
                dates=dates,
                ids=tuple(data["ids"]),
                panels={
                    name: _read(columns).reshape(shape).T.copy() if columns else np.empty(shape[::-1])
                    for name, columns in data["panels"].items()
                },
                series={name: _read(values) for name, values in data["series"].items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise MarketDataError(f"not a history: {error}; give the file that was published") from error

    def _document(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "t": utc_text(self.t),
            "dates": self.dates,
            "ids": self.ids,
            "panels": {name: [_written(column) for column in values.T] for name, values in self.panels.items()},
            "series": {name: _written(values) for name, values in self.series.items()},
        }


def _known(name: str, filled: Mapping[str, Floats], what: str) -> Floats:
    if name not in filled:
        raise MissingHistory(
            f'no source filled the {what} "{name}"; known here: {", ".join(sorted(filled)) or "none"}. '
            f"Add a source that has it, or leave out what needs it.{did_you_mean(name, filled)}"
        )
    return filled[name]


def _written(values: Floats) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]


def _read(values: object) -> Floats:
    return np.array(values, dtype=object).astype(np.float64)
