"""The index engine's figures: every group in a process of its own, beside the peers where their environments can be built.

python -m tests.bench.engine                 all groups; writes engine.json and docs/benchmarks.md
python -m tests.bench.engine --group weights only these, without writing
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench import weights

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "engine.json"
PAGE = ROOT / "docs" / "benchmarks.md"
GROUPS = ("market", "features", "signals", "weights", "backtests")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
HEAD = """# How fast the engine is

Written by `make bench`. Seconds of processor time, one thread unless a row says otherwise: machines are shared, so compare the
columns of a row and not the rows of two machines. Peers ran in the same run, each in an environment of its own; a peer's figure
in brackets is of an earlier run on such a machine. `error` is what the row's module says it is.
"""

Row = Mapping[str, object]


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--group", choices=GROUPS, help="this one, printed as lines of JSON")
    options = made.parse_args(arguments)
    if options.group:
        for row in importlib.import_module(f"tests.bench.{options.group}").rows():
            print(json.dumps(row), flush=True)
        return 0
    rows = list(measure())
    RESULTS.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page(rows), encoding="utf-8")
    missed = [row for row in rows if row.get("reached") is False]
    print(f"\n{len(missed)} above the goal: " + "; ".join(f"{row['operation']} {row['size']}" for row in missed))
    print(f"Written: tests/bench/{RESULTS.name}, docs/{PAGE.name}")
    return 0


def measure() -> Iterator[Row]:
    """Every group after the other, each row printed as it comes."""
    peers = _peers()
    for group in GROUPS:
        print(f"\n{group}", flush=True)
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.engine", "--group", group],
            cwd=ROOT, env={**os.environ, **ONE_THREAD, **peers}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdout is not None
        for line in child.stdout:
            row = _normal(json.loads(line), group)
            print(_line(row), flush=True)
            yield row
        if child.wait() != 0:
            raise SystemExit(f"the group {group} ended with {child.returncode}; see its message above")


def _peers() -> dict[str, str]:
    """Their environments, built if a package index can be reached; without them the rows say so."""
    found = {}
    for variable, requirements in (("", "peers.txt"), ("BALLAST_PEERS_BACKTEST", "peers_backtest.txt")):
        try:
            python = weights.make_peers(requirements)
        except (OSError, subprocess.CalledProcessError) as problem:
            print(f"no peers of {requirements}: {problem}", file=sys.stderr)
            continue
        if variable:
            found[variable] = str(python)
    return found


def _normal(row: Row, group: str) -> Row:
    """Rows of one shape. Weights count in milliseconds and have a row for each peer."""
    if group != "weights":
        return row
    milliseconds, goal = row["ms"], row["goal_ms"]
    seconds = None if milliseconds is None else float(str(milliseconds)) / 1e3
    limit = None if goal is None else float(str(goal)) / 1e3
    return {
        "group": group, "operation": row["work"], "size": f"n = {row['n']}", "who": row["who"], "cpu": seconds, "wall": None,
        "goal": limit, "peer": None, "reached": None if limit is None or seconds is None else seconds <= limit,
        "error": row["error"], "note": row["note"],
    }  # fmt: skip


def page(rows: Sequence[Row]) -> str:
    """Markdown, a table for each group."""
    parts = [HEAD]
    for group in GROUPS:
        lines = [
            f"## {group.capitalize()}",
            "",
            "| work | size | who | seconds | error | goal | peer | note |",
            "|---|---|---|---:|---:|---:|---|---|",
        ]
        lines += [_cells(row) for row in rows if row["group"] == group]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _cells(row: Row) -> str:
    peer = row.get("peer")
    beside = f"({peer[0]} {_seconds(peer[1])})" if isinstance(peer, (list, tuple)) else ""
    error = row.get("error")
    wrong = f"{float(str(error)):.0e}" if error is not None else ""
    goal = _seconds(row.get("goal")) + {True: " ✓", False: " missed"}.get(row.get("reached"), "")  # type: ignore[call-overload]
    cells = [
        row["operation"],
        row["size"],
        row.get("who", "ours"),
        _seconds(row.get("cpu")),
        wrong,
        goal,
        beside,
        row.get("note", ""),
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _seconds(value: object) -> str:
    if value is None:
        return ""
    seconds = float(str(value))
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def _line(row: Row) -> str:
    return f"  {row['operation']!s:<52}{row['size']!s:<22}{row.get('who', 'ours')!s:<14}{_seconds(row.get('cpu')):>10}  {row.get('note', '')}"


if __name__ == "__main__":
    sys.exit(main())
