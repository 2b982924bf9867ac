"""The table of keys as JSON Schema, so that an editor completes and checks an index file while it is typed.

python -c "from offchain.spec import write_schema; write_schema()"      writes index.schema.json again
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import cast

from offchain.spec.feeds import FeedRules
from offchain.spec.keys import Kind
from offchain.spec.model import SECTIONS, Component
from offchain.spec.sleeve_rules import SleeveRules

SCHEMA_FILE = Path(__file__).resolve().parent / "index.schema.json"


def json_schema() -> dict[str, object]:
    """JSON Schema (2020-12) of an index file, from the same table the loader reads."""
    properties: dict[str, object] = {name: _table(part) for name, part in SECTIONS.items()}
    properties["components"] = {"type": "array", "items": _table(Component), "maxItems": 64}
    properties["feeds"] = {"type": "array", "items": _table(FeedRules), "maxItems": 256}
    properties["sleeves"] = {"type": "array", "items": _table(SleeveRules), "maxItems": 16}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Ballast index file",
        "type": "object",
        "properties": properties,
        "required": [name for name, part in SECTIONS.items() if _required(part)],
        "additionalProperties": False,
    }


def write_schema(path: Path = SCHEMA_FILE) -> Path:
    """Writes the schema and returns where."""
    path.write_text(json.dumps(json_schema(), indent=2) + "\n", encoding="utf-8")
    return path


def _table(part: type) -> dict[str, object]:
    return {
        "type": "object",
        "description": (part.__doc__ or "").strip(),
        "properties": {row.name: _row(row) for row in dataclasses.fields(part)},
        "required": _required(part),
        "additionalProperties": False,
    }


def _row(row: dataclasses.Field[object]) -> dict[str, object]:
    unit = f" Unit: {row.metadata['unit']}." if row.metadata["unit"] else ""
    schema = cast(Kind, row.metadata["kind"]).schema() | {"description": row.metadata["doc"] + unit}
    if row.default is dataclasses.MISSING:
        return schema
    if isinstance(row.default, tuple):
        return schema | {"default": dict(row.default) if schema["type"] == "object" else list(row.default)}
    return schema | {"default": row.default}


def _required(part: type) -> list[str]:
    return [row.name for row in dataclasses.fields(part) if row.default is dataclasses.MISSING]
