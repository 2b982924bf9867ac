"""Imports only go down, siblings do not meet, and nothing in offchain knows brownie.

The floors are those of the README; a new part of the package has to be given one here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "offchain"
FLOORS = (
    ("errors",),
    ("canonical", "units", "reference", "steps", "pages", "drawing"),
    ("spec", "market", "report"),
    ("sources", "features", "levels", "trading"),
    ("signals",),
    ("universe",),
    ("weights", "rebalance"),
    ("risk",),
    ("methodology", "chain"),
    ("devnet", "epochs", "backtest"),
    ("analytics",),
    ("launch", "keeper", "research"),
    ("service",),
    ("launch_tables", "demo", "cli"),
)
FLOOR = {part: number for number, parts in enumerate(FLOORS) for part in parts}


def part_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE)
    return inside.parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def test_every_part_has_a_floor() -> None:
    assert {part_of(path) for path in FILES} == set(FLOOR)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_and_never_to_brownie(path: Path) -> None:
    own = part_of(path)
    for name in imports_of(path):
        assert name.split(".")[0] != "brownie", f"{path.name} imports brownie"
        if not name.startswith("offchain."):
            continue
        other = name.split(".")[1]
        assert other == own or FLOOR[other] < FLOOR[own], f"{own} (floor {FLOOR[own]}) imports {name}"
