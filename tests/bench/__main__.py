"""`make bench`: measures gas and the index engine. Gas first: prints it beside the bare limit, the best peer and the goal, and writes gas.json,
the table of the README and, where a goal is missed, where the gas goes to docs/gas.md. Then the
engine, beside its peers: engine.json and docs/benchmarks.md.

Add `--hardfork cancun` to see that the figures do not hang on one fork; only the default run is written.
"""

from __future__ import annotations

import argparse
import sys

from offchain.errors import BallastError
from tests.bench import engine
from tests.bench.gas import SNAPSHOT, measure, read_snapshot, write_snapshot
from tests.bench.goals import SIZES, Row
from tests.bench.profiles import PAGE, write_profiles
from tests.bench.readme import write_readme

DEFAULT_HARDFORK = "osaka"
HEADER = f"{'operation':<24}{'n':>4}{'gas':>12}{'limit':>12}{'goal':>12}  {'best peer':<28}verdict"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--hardfork", default=DEFAULT_HARDFORK, choices=("osaka", "cancun"))
    parser.add_argument("--only", choices=("gas", "engine"), help="half of it")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="N")
    options = parser.parse_args(arguments)
    if options.only != "engine" and (code := _gas(options)) != 0:
        return code
    return 0 if options.only == "gas" or options.hardfork != DEFAULT_HARDFORK else engine.main([])


def _gas(options: argparse.Namespace) -> int:
    try:
        rows = _run(options.sizes, options.hardfork)
    except BallastError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    missed = [row for row in rows if row.goal is not None and row.gas > row.goal]
    print(f"\n{len(missed)} above the goal" if missed else "\nEvery goal reached")
    if options.hardfork == DEFAULT_HARDFORK and tuple(options.sizes) == SIZES:
        write_snapshot(rows)
        write_readme(read_snapshot())
        write_profiles()
        print(f"Written: docs/{PAGE.name}, tests/bench/{SNAPSHOT.name} and the table of README.md")
    return 0


def _run(sizes: list[int], hardfork: str) -> list[Row]:
    print(
        f"Gas on anvil, hard fork {hardfork}; 18-decimals OpenZeppelin tokens, warm slots, second or later call\n\n{HEADER}"
    )
    rows = []
    for row in measure(sizes, hardfork=hardfork):
        rows.append(row)
        print(_line(row), flush=True)
    return rows


def _line(row: Row) -> str:
    peer = f"{row.peer[0]} {row.peer[1]:,}" if row.peer else "–"
    verdict = "" if row.goal is None else ("goal reached" if row.gas <= row.goal else f"{row.gas - row.goal:,} above")
    return (
        f"{row.operation:<24}{row.size:>4}{row.gas:>12,}{_number(row.limit):>12}{_number(row.goal):>12}  "
        f"{peer:<28}{verdict}"
    )


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


if __name__ == "__main__":
    sys.exit(main())
