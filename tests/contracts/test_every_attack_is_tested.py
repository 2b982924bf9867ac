"""Every attack and promise that belongs to this folder is named by some test that would notice it.

The IDs are those of the list of attacks (A1 …) and of the design (G1 …); docstrings carry them.
"""

import ast
from pathlib import Path

REQUIRED = {
    *(f"A{i}" for i in range(1, 12)), *(f"B{i}" for i in range(1, 16)), *(f"C{i}" for i in range(1, 21)),
    *(f"D{i}" for i in range(1, 9)), *(f"E{i}" for i in range(1, 16)), "G1", "G2", "G3", "G4", "G5", "G6", "G7",
}  # fmt: skip


def named_ids():
    """ID → names of the tests whose docstring begins with it (before the colon, separated by commas)."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                head = (ast.get_docstring(node) or "").partition(":")[0]
                for name in head.replace("(permit)", "").split(","):
                    found.setdefault(name.strip(), []).append(node.name)
    return found


def test_every_attack_and_promise_has_a_test():
    missing = REQUIRED - set(named_ids())
    assert not missing, f"no test says that it covers {sorted(missing)}"
