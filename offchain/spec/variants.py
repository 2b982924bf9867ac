"""The same index with other keys: what a sweep tries. Every value is checked as the file's would be.

changed(spec, {"universe.top": 20, "weights.max_weight": 0.3})
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import cast

from offchain.errors import SpecError, did_you_mean
from offchain.spec.keys import Kind, Refused
from offchain.spec.load import _contradictions
from offchain.spec.model import SECTIONS, IndexSpec


def changed(spec: IndexSpec, changes: Mapping[str, object]) -> IndexSpec:
    """`spec` with keys "section.key" set to other values. Raises SpecError with every mistake, contradictions included."""
    problems: list[str] = []
    values: dict[str, dict[str, object]] = {}
    for dotted, value in changes.items():
        section, _, name = dotted.partition(".")
        kind = _kind(section, name)
        if kind is None:
            known = [f"{part}.{row.name}" for part, rules in SECTIONS.items() for row in dataclasses.fields(rules)]
            problems.append(f"{dotted}: no such key.{did_you_mean(dotted, known)}")
            continue
        try:
            values.setdefault(section, {})[name] = kind.read(_as_file(value))
        except Refused as refusal:
            problems.append(f"{dotted} = {value!r}: {refusal}")
    if problems:
        raise SpecError(f"a variant of {spec.symbol}", problems)
    parts = {name: dataclasses.replace(getattr(spec, name), **new) for name, new in values.items()}
    variant = dataclasses.replace(spec, **parts)
    problems = _contradictions(variant)
    if problems:
        raise SpecError(f"a variant of {spec.symbol}", problems)
    return variant


def _kind(section: str, name: str) -> Kind | None:
    for row in dataclasses.fields(SECTIONS[section]) if section in SECTIONS else ():
        if row.name == name:
            return cast(Kind, row.metadata["kind"])
    return None


def _as_file(value: object) -> object:
    """A tuple is a list in a file."""
    return list(value) if isinstance(value, tuple) else value
