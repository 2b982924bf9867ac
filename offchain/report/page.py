"""Writes the report: report.json, report.png, and report.html, one file with the picture and the tables in it."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from offchain.pages import page, table_html
from offchain.report import tables
from offchain.report.build import Report
from offchain.report.picture import draw


def write_report(report: Report, folder: Path) -> list[Path]:
    """The three files, in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers, picture, html = (folder / f"report.{kind}" for kind in ("json", "png", "html"))
    numbers.write_text(report.to_json(), encoding="utf-8")
    draw(report, picture)
    html.write_text(page_text(report, picture.read_bytes()), encoding="utf-8")
    return [numbers, picture, html]


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
    return page(
        report.title,
        [
            f'<img alt="weights, level, rebalances and tracking difference over time" src="data:image/png;base64,{image}">',
            *body,
            f"<h2>Accounting, exact to the base unit</h2>\n{checks_html(report)}",
            remarks,
        ],
    )


def checks_html(report: Report) -> str:
    lines = [
        f'<tr><td class="left {"ok" if check.passed else "fail"}">{"OK" if check.passed else "FAIL"}</td>'
        f'<td class="left">{escape(check.name)}</td><td class="left">{escape(check.detail)}</td></tr>'
        for check in report.accounting.checks
    ]
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"
