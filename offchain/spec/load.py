"""Reads an index file and reports every mistake in it at once: file, key, value, bound, and the way out.

load_spec("offchain/indexes/lc10.toml")     a path
find_spec("LC10")                           a shipped index by symbol, or a path
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from offchain.errors import SpecError, did_you_mean
from offchain.spec.auction_rules import contradictions as auction_contradictions
from offchain.spec.feeds import FeedRules
from offchain.spec.feeds import contradictions as feed_contradictions
from offchain.spec.keys import Kind, Refused
from offchain.spec.model import SECTIONS, Component, FeeRules, IndexSpec
from offchain.spec.rebalance_rules import contradictions as rebalance_contradictions
from offchain.spec.risk_rules import contradictions as risk_contradictions
from offchain.spec.signal_rules import contradictions as signal_contradictions
from offchain.spec.sleeve_rules import SleeveRules
from offchain.spec.sleeve_rules import contradictions as sleeve_contradictions
from offchain.spec.universe_rules import UniverseRules, universe_contradictions
from offchain.spec.weight_rules import WeightRules
from offchain.spec.weight_rules import contradictions as weight_contradictions
from offchain.units import to_decimal

INDEXES = Path(__file__).resolve().parent.parent / "indexes"

PathText: TypeAlias = "str | os.PathLike[str]"
Part = TypeVar("Part")


def load_spec(path: PathText) -> IndexSpec:
    """The index in the TOML file at `path`. Raises SpecError with every mistake in it."""
    return parse_spec(_read_text(Path(path)), source=str(path))


def find_spec(name: PathText) -> IndexSpec:
    """A shipped index by its symbol ("LC10"), or the file at a path."""
    path = Path(name)
    shipped = index_files()
    if path.suffix == ".toml" or path.is_file():
        return load_spec(path)
    if path.name == str(name) and path.name.casefold() in shipped:
        return load_spec(shipped[path.name.casefold()])
    near = did_you_mean(str(name), shipped)
    raise SpecError(str(name), [f"no such index; shipped are {', '.join(shipped)}, or give a .toml path.{near}"])


def folder_of(name: PathText) -> Path:
    """Where the paths in an index file begin: beside the file of that name, for a shipped index beside the shipped ones."""
    return Path(name).resolve().parent if Path(name).suffix == ".toml" else INDEXES


def open_sleeves(spec: IndexSpec, *, folder: Path = INDEXES) -> dict[str, tuple[IndexSpec, Path]]:
    """{name in [[sleeves]]: (that index, where its own paths begin)}; `folder`: where the paths of `spec` begin.

    Raises SpecError for a file that is not there, for an index that is inside itself, and for a sleeve that stops by its
    own level, which an index inside another does not have.
    """
    return _open_sleeves(spec, folder, ())


def _open_sleeves(spec: IndexSpec, folder: Path, above: tuple[Path, ...]) -> dict[str, tuple[IndexSpec, Path]]:
    found = {}
    for row in spec.sleeves:
        name = folder / row.index if row.index.endswith(".toml") else row.index
        place = Path(name).resolve() if isinstance(name, Path) else index_files().get(name.casefold(), Path(name))
        if place in above:
            raise SpecError(
                str(place), [f'sleeves: "{spec.symbol}" is inside itself through it: name another index there']
            )
        sleeve = find_spec(name)
        if sleeve.risk.reads_levels:
            raise SpecError(
                str(place),
                [
                    f'"{sleeve.symbol}" stops by its own level (risk.drawdown_limit, risk.stop_loss), which it does not have '
                    f'as a sleeve of "{spec.symbol}": write the stop into [risk] of "{spec.symbol}", or name another index'
                ],
            )
        _open_sleeves(sleeve, folder_of(name), (*above, place))
        found[row.index] = (sleeve, folder_of(name))
    return found


def index_files() -> dict[str, Path]:
    """Shipped index files by lower-case name."""
    return {path.stem.casefold(): path for path in sorted(INDEXES.glob("*.toml"))}


def parse_spec(text: str, *, source: str = "<text>") -> IndexSpec:
    """The index that `text` (TOML) describes; `source` is what messages call it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(source, [f"not TOML: {error}; check quotes, brackets and the = sign there"]) from error
    problems: list[str] = []
    _report_unknown(data, [*SECTIONS, "components", "feeds", "sleeves"], where="", problems=problems)
    parts = {
        name: _read_part(kind, data.get(name, {}), where=name, problems=problems) for name, kind in SECTIONS.items()
    }
    components = _read_tables(Component, data, "components", problems)
    feeds = _read_tables(FeedRules, data, "feeds", problems)
    sleeves = _read_tables(SleeveRules, data, "sleeves", problems)
    if problems:
        raise SpecError(source, problems)
    spec = IndexSpec(**cast("dict[str, Any]", parts), components=components, feeds=feeds, sleeves=sleeves)
    problems = _contradictions(spec)
    if problems:
        raise SpecError(source, problems)
    return spec


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        shipped = ", ".join(index_files())
        raise SpecError(str(path), [f"no such file; shipped indexes are {shipped} in offchain/indexes"]) from None
    except UnicodeDecodeError as error:
        raise SpecError(
            str(path), [f"not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"]
        ) from error
    except OSError as error:
        raise SpecError(str(path), [f"cannot be read: {error.strerror}; give a readable .toml file"]) from error


def _read_part(part: type[Part], table: object, *, where: str, problems: list[str]) -> Part | None:
    if not isinstance(table, Mapping):
        problems.append(f"{where} = {_shown(table)}: must be a table; write [{where}] on a line and its keys below")
        return None
    before = len(problems)
    rows = dataclasses.fields(part)  # type: ignore[arg-type]
    _report_unknown(table, [row.name for row in rows], where=where, problems=problems)
    values: dict[str, object] = {}
    for row in rows:
        if row.name in table:
            try:
                values[row.name] = cast(Kind, row.metadata["kind"]).read(table[row.name])
            except Refused as refusal:
                problems.append(f"{where}.{row.name} = {_shown(table[row.name])}: {refusal}")
        elif row.default is dataclasses.MISSING:
            problems.append(f"{where}.{row.name} is missing: {_first_lower(row.metadata['doc'])} Add it to [{where}]")
    return part(**values) if len(problems) == before else None


def _read_tables(part: type[Part], data: Mapping[str, object], name: str, problems: list[str]) -> tuple[Part, ...]:
    tables = data.get(name, [])
    if not isinstance(tables, list):
        problems.append(f"{name} = {_shown(tables)}: must be a list of tables; start each with [[{name}]]")
        return ()
    read = [
        _read_part(part, table, where=f"{name}[{number}]", problems=problems)
        for number, table in enumerate(tables, start=1)
    ]
    return tuple(row for row in read if row is not None)


def _report_unknown(table: Mapping[str, object], known: Sequence[str], *, where: str, problems: list[str]) -> None:
    for name in table:
        if name not in known:
            dotted = f"{where}.{name}" if where else name
            near = did_you_mean(name, known) or f" Known: {', '.join(known)}."
            problems.append(f"{dotted} = {_shown(table[name])}: unknown key, it would have no effect.{near}")


def _contradictions(spec: IndexSpec) -> list[str]:
    """Mistakes that only show when two keys are read together."""
    return [
        *_weight_contradictions(spec.universe, spec.weights),
        *weight_contradictions(spec.weights, has_signals=spec.signals.mode != "off"),
        *_universe_contradictions(spec.universe),
        *universe_contradictions(spec.universe),
        *rebalance_contradictions(spec.rebalance),
        *auction_contradictions(spec.auctions, spec.rebalance),
        *_component_contradictions(spec.components),
        *_fee_contradictions(spec.fees),
        *signal_contradictions(spec.signals),
        *feed_contradictions(spec.feeds, [(part.symbol, part.address, part.feed) for part in spec.components]),
        *risk_contradictions(spec.risk, signals=spec.signals.mode, components=[part.id for part in spec.components]),
        *sleeve_contradictions(spec.sleeves, symbol=spec.symbol),
    ]


def _weight_contradictions(universe: UniverseRules, weights: WeightRules) -> list[str]:
    found = []
    names = min(universe.top, len(universe.include_only)) if universe.include_only else universe.top
    cap, floor = to_decimal(weights.max_weight), to_decimal(weights.min_weight)
    if floor > cap:
        found.append(
            f"weights.min_weight = {floor} is above weights.max_weight = {cap}: lower the floor or raise the cap"
        )
    if (names - 1) * cap + max(cap, to_decimal(weights.max_weight_largest)) < 1:
        found.append(
            f"weights.max_weight = {cap} with {names} coins reaches only {names * cap} of 1: "
            f"raise it to at least {1 / names:.4f} or hold more coins (universe.top)"
        )
    if names * floor > 1:
        found.append(
            f"weights.min_weight = {floor} with {names} coins needs {names * floor} of 1: "
            f"lower it to at most {1 / names:.4f} or hold fewer coins (universe.top)"
        )
    return found


def _universe_contradictions(universe: UniverseRules) -> list[str]:
    found = []
    both = sorted(set(universe.exclude) & set(universe.include_only))
    if both:
        found.append(f"universe.exclude and universe.include_only both name {', '.join(both)}: keep each in one list")
    if universe.buffer >= universe.top:
        found.append(
            f"universe.buffer = {universe.buffer} must be below universe.top = {universe.top}: "
            "otherwise no rank is good enough to enter"
        )
    return found


def _component_contradictions(components: tuple[Component, ...]) -> list[str]:
    found = []
    for attribute in ("id", "address"):
        values = [str(getattr(component, attribute)) for component in components]
        for value in sorted({value for value in values if values.count(value) > 1}):
            found.append(f'components: {attribute} "{value}" appears {values.count(value)} times: list each token once')
    return found


def _fee_contradictions(fees: FeeRules) -> list[str]:
    found = []
    total = sum(bps for _, bps in fees.parts) + fees.burn_bps
    if total != 10_000:
        found.append(
            f"fees.recipients and fees.burn_bps = {fees.burn_bps} sum to {total} bps: "
            f"{'lower' if total > 10_000 else 'raise'} them to 10000 together"
        )
    if fees.recipients and fees.recipient != FeeRules.recipient:
        found.append(
            f'fees.recipient = "{fees.recipient}" has no effect beside fees.recipients: put it into that table or remove it'
        )
    return found


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value).replace("True", "true").replace("False", "false")
    return text if len(text) <= 80 else text[:77] + "..."


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]
