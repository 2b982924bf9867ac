"""Tables as text and as HTML, and the look of a page: shared by every report.

A table is (headings, rows); the first column and headings that begin with `<` are aligned to the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
LEFT = "<"  # a heading that begins so is aligned to the left

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
img { max-width: 100%; height: auto; background: white; border-radius: 6px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { text-align: right; padding: .2rem .6rem; white-space: nowrap; border-bottom: 1px solid #8884; }
th { font-weight: 600; } th.left, td.left { text-align: left; }
.ok { color: #2a9d6f; } .fail { color: #c1121f; font-weight: 600; }
"""


def render(table: Table, *, indent: str = "  ") -> str:
    """Aligned columns: the first and those marked `<` to the left, all others to the right."""
    head, rows = table
    lefts = _lefts(head)
    lines = [tuple(name.removeprefix(LEFT) for name in head), *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return "\n".join(
        indent
        + "  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(line, widths, lefts, strict=True)
        ).rstrip()
        for line in lines
    )


def table_html(table: Table) -> str:
    """The same as HTML, scrolling sideways by itself when it is too wide for the screen."""
    head, rows = table
    classes = [' class="left"' if left else "" for left in _lefts(head)]
    top = "".join(f"<th{kind}>{escape(name.removeprefix(LEFT))}</th>" for name, kind in zip(head, classes, strict=True))
    lines = [
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True)) + "</tr>"
        for row in rows
    ]
    return f'<div class="wide"><table><tr>{top}</tr>\n' + "\n".join(lines) + "</table></div>"


def table_markdown(table: Table) -> str:
    """The same as Markdown; a bar inside a cell is escaped."""
    head, rows = table
    marks = ["---" if left else "---:" for left in _lefts(head)]
    lines = [[name.removeprefix(LEFT) for name in head], marks, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def page(title: str, body: Sequence[str], *, style: str = STYLE) -> str:
    """A whole document with everything inside; `body`: pieces of HTML."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><meta name="viewport" content="width=device-width">'
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head>{head}<style>{style}</style></head><body>',
            f"<h1>{escape(title)}</h1>",
            *body,
            "</body></html>\n",
        ]
    )


def _lefts(head: Sequence[str]) -> list[bool]:
    return [k == 0 or name.startswith(LEFT) for k, name in enumerate(head)]
