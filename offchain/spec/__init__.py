"""One TOML file → a frozen IndexSpec. Start at `model.py`: its classes are the table of keys, bounds and defaults."""

from offchain.spec.load import find_spec, index_files, load_spec, parse_spec
from offchain.spec.model import Component, IndexSpec
from offchain.spec.schema import json_schema, write_schema

__all__ = [
    "Component",
    "IndexSpec",
    "find_spec",
    "index_files",
    "json_schema",
    "load_spec",
    "parse_spec",
    "write_schema",
]
