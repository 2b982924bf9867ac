"""Writes the report: report.json, report.png, and report.html, one file with the picture and the tables in it."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from offchain.report import tables
from offchain.report.build import Report
from offchain.report.picture import draw

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


def write_report(report: Report, folder: Path) -> list[Path]:
    """The three files, in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, picture, page = (folder / f"report.{kind}" for kind in ("json", "png", "html"))
    numbers.write_text(report.to_json(), encoding="utf-8")
    draw(report, picture)
    page.write_text(page_text(report, picture.read_bytes()), encoding="utf-8")
    return [numbers, picture, page]


def page_text(report: Report, picture: bytes) -> str:
    """The page, with everything inside."""
    sections = (
        ("Performance", tables.performance(report)),
        ("Tracking difference: where it went", tables.difference(report)),
        ("Rebalances", tables.rebalances(report)),
        ("Who came and went, and why", tables.changes(report)),
        ("Among the largest of the market, and refused", tables.refused(report)),
        ("Trading, all rebalances", tables.trading(report)),
        ("Gas", tables.gas(report)),
        ("Investors, USD at the oracle's prices", tables.investors(report)),
        ("Every token of the index, in whole tokens", tables.tokens(report)),
    )
    body = [f"<h2>{escape(name)}</h2>\n{table_html(table)}" for name, table in sections if table[1]]
    image = base64.b64encode(picture).decode()
    notes = tables.notes(report)
    remarks = "<h2>Notes</h2>\n<ul>" + "".join(f"<li>{escape(note)}</li>" for note in notes) + "</ul>" if notes else ""
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{escape(report.title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
            f"<h1>{escape(report.title)}</h1>",
            f'<img alt="weights, level, rebalances and tracking difference over time" src="data:image/png;base64,{image}">',
            *body,
            f"<h2>Accounting, exact to the base unit</h2>\n{checks_html(report)}",
            remarks,
            "</body></html>\n",
        ]
    )


def table_html(table: tables.Table) -> str:
    head, rows = table
    classes = [' class="left"' if k == 0 or name.startswith(tables.LEFT) else "" for k, name in enumerate(head)]
    top = "".join(
        f"<th{kind}>{escape(name.removeprefix(tables.LEFT))}</th>" for name, kind in zip(head, classes, strict=True)
    )
    lines = [
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True)) + "</tr>"
        for row in rows
    ]
    return f'<div class="wide"><table><tr>{top}</tr>\n' + "\n".join(lines) + "</table></div>"


def checks_html(report: Report) -> str:
    lines = [
        f'<tr><td class="left {"ok" if check.passed else "fail"}">{"OK" if check.passed else "FAIL"}</td>'
        f'<td class="left">{escape(check.name)}</td><td class="left">{escape(check.detail)}</td></tr>'
        for check in report.accounting.checks
    ]
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"
