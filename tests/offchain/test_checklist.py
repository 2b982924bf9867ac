"""The checklist of an index engine, item by item: each one that must or should be there has its ID in the docstring of a test.

M must, S should, C could. `grep -rn '\\bW3\\b' tests` leads from an item to its proof.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
OTHER_LISTS = ("contracts",)  # whose docstrings number attacks and guarantees of their own by the same letters
CHECKLIST = " ".join((
    "U1M U2M U3M U4S U5M U6M U7M U8M U9M U10M U11M U12M U13M U14C U15M U16M U17M U18S U19C",  # universe, themes, product types
    "S1M S2M S3M S4M S5M S6S S7M S8M S9M S10M",  # token selection
    "V1M V2M V3M V4M V5S V6M V7M V8S V9M V10S V11M V12S V13S",  # vetting, scam and liquidity filters
    "W1M W2M W3M W4M W5M W6M W7M W8M W9M W10S W11M W12M",  # weighting
    "D1M D2M D3M D4M D5M D6M D7S D8M D9S D10S D11M D12M D13M",  # indicators and data
    "M1M M2M M3M M4M M5M M6M M7M M8M M9M",  # signals and models
    "A1M A2M A3M A4M A5M A6M A7M A8M A9S A10M A11M A12M",  # allocation
    "R1M R2M R3M R4M R5M R6M R7M R8M R9S",  # rebalancing
    "F1M F2M F3M F4M F5M F6S F7S F8M",  # fees
    "P1M P2M P3M P4M P5M P6M P7S P8M P9M P10S P11M P12S P13S P14M",  # performance, risk, reporting
    "T1M T2M T3M T4M T5S T6M T7M T8S T9S T10S T11M",  # transparency, operations, records
))  # fmt: skip
ITEMS = {item[:-1]: item[-1] for item in CHECKLIST.split()}
ASKED = [item for item, priority in ITEMS.items() if priority in "MS"]


@pytest.fixture(scope="module")
def docstrings() -> str:
    """Of every test function and method, in one text."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        if path.relative_to(TESTS).parts[0] in OTHER_LISTS or path == Path(__file__).resolve():
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                found.append(ast.get_docstring(node) or "")
    return "\n".join(found)


def test_the_checklist_is_whole() -> None:
    assert len(CHECKLIST.split()) == len(ITEMS) == 130
    assert set(ITEMS.values()) == {"M", "S", "C"}
    assert all(re.fullmatch(r"[A-Z][0-9]+", item) for item in ITEMS)


@pytest.mark.parametrize("item", ASKED)
def test_item_has_a_test(item: str, docstrings: str) -> None:
    assert re.search(rf"\b{item}\b", docstrings), f"{item} ({ITEMS[item]}) is in the docstring of no test"
