"""The gas table of the README, made from the signed figures."""

from __future__ import annotations

from offchain.chain.artifacts import ROOT
from tests.bench.goals import SIZES, Row

README = ROOT / "README.md"
START = "<!-- gas: written by make bench -->"
END = "<!-- /gas -->"
SHOWN = (
    "mint",
    "redeem",
    "transfer",
    "collect",
    "exchange V2, no guard",
    "swap V2",
    "swap V3",
    "fill, no guard or oracle",
    "fill",
    "open auction",
    "start plan",
    "end plan",
    "whole rebalance",
    "create",
)


def gas_table(snapshot: dict[str, dict[str, int]]) -> str:
    """Markdown: a row an operation, a column a size; below each other ours, the limit and the best peer."""
    lines = [
        "| operation | " + " | ".join(f"n = {size}" for size in SIZES) + " |",
        "|---|" + "---:|" * len(SIZES),
    ]
    for operation in SHOWN:
        rows = [Row(operation=operation, size=size, gas=snapshot[operation][str(size)]) for size in SIZES]
        lines.append(f"| **{operation}** | " + " | ".join(f"**{row.gas:,}**" for row in rows) + " |")
        for title, cells in (("limit", [_limit(row) for row in rows]), ("best peer", [_peer(row) for row in rows])):
            if any(cells):
                lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write_readme(snapshot: dict[str, dict[str, int]]) -> None:
    """Puts the table between its marks."""
    text = README.read_text(encoding="utf-8")
    head, rest = text.split(START, 1)
    tail = rest.split(END, 1)[1]
    README.write_text(f"{head}{START}\n{gas_table(snapshot)}{END}{tail}", encoding="utf-8")


def _limit(row: Row) -> str:
    return f"{row.limit:,}" if row.limit else ""


def _peer(row: Row) -> str:
    return f"{row.peer[0]} {row.peer[1]:,}" if row.peer else ""
