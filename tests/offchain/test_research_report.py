"""The report is one file that reads well and says the same as its numbers.

page
├── valid: every tag is closed, every identifier stands once, every picture is well-formed SVG
├── self-contained: it loads nothing from anywhere; no script
├── light and dark; words for every picture; statements first and last
├── its numbers are those of the study; what is hostile in a name stays text
└── the same study gives the same bytes
machines: JSON, CSV, Parquet; factsheet
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from offchain.analytics.taxes import read_trades_csv
from offchain.market import Market
from offchain.research import tables
from offchain.research.report_page import factsheet, measures_csv, report_html, study_json, write_study
from offchain.research.statements import ADVICE, PAST, SIMULATED
from offchain.research.study import Study, study
from offchain.spec import find_spec
from tests.offchain.studies import full_study

VOID = {"meta", "img", "br", "hr", "link", "input"}


@pytest.fixture(scope="module")
def told() -> Study:
    return full_study()


@pytest.fixture(scope="module")
def html(told: Study) -> str:
    return report_html(told)


class Reader(HTMLParser):
    """Collects what a browser would see, and fails on a tag that is closed in the wrong place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href", "data", "srcset"):
                self.loads.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1] if self.open else ''}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader


def pictures(html: str) -> Iterator[str]:
    yield from re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)


# --- page -------------------------------------------------------------------------------------------------------------


def test_page_is_valid(html: str) -> None:
    reader = read(html)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html and '<meta charset="utf-8">' in html


def test_every_link_inside_leads_somewhere(html: str) -> None:
    reader = read(html)
    used = set(re.findall(r"url\(#([^)]+)\)", html)) | {link[1:] for link in reader.loads}
    assert used <= set(reader.ids)


def test_page_loads_nothing_and_runs_nothing(html: str) -> None:
    reader = read(html)
    assert all(link.startswith("#") for link in reader.loads)
    assert "script" not in reader.tags and "link" not in reader.tags and "iframe" not in reader.tags
    assert "@import" not in html
    assert not re.findall(r"https?://(?!www\.w3\.org/)", html)  # the names of the SVG language


def test_every_picture_is_well_formed_and_has_words(html: str) -> None:
    found = list(pictures(html))
    assert len(found) == 6  # level, drawdown, weights, decisions, components, delay
    for picture in found:
        assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert html.count('<figure role="img" aria-label="') == len(found) == html.count("<figcaption>")


def test_page_is_for_light_and_dark(html: str) -> None:
    assert "color-scheme: light dark" in html
    assert "prefers-color-scheme: dark" in html


def test_statements_stand_first_and_last(html: str) -> None:
    """P6, P14: simulated, past performance, not advice."""
    for text in (SIMULATED, PAST, ADVICE):
        assert html.count(text) == 2
    assert html.index(PAST) < html.index("In short")


def test_numbers_on_the_page_are_those_of_the_study(html: str, told: Study) -> None:
    """P2–P5, P7–P9, T2."""
    text = " ".join(read(html).text)
    own = told.table["SQRT20"]
    for name in ("total_return", "cagr", "volatility", "max_drawdown"):
        assert f"{own[name].value:.1%}" in text, name
    assert told.spec.spec_hash in text and told.run.run_hash in text
    for part in told.decisions.parts.values():
        assert f"{part:+.1%}" in html
    for review in told.run.reviews:
        assert f"{review.time:%Y-%m-%d}" in text
    assert told.survivorship is not None and f"{told.survivorship.gap:+.2%}" in text
    for finding in told.run.findings:
        assert finding in text


def test_every_coin_that_is_held_has_its_reason(told: Study) -> None:
    """M8, T2."""
    head, rows = tables.holdings_table(told)
    assert len(rows) == int((told.run.weights[-1] > tables.DUST).sum())
    why = [name.removeprefix("<") for name in head].index("why")
    assert all(row[why] for row in rows)


def test_who_came_and_went_is_told_with_the_reason(told: Study) -> None:
    """S7, R9: terranova dies and leaves."""
    _, rows = tables.changes_table(told)
    gone = [row for row in rows if row[2] == "terranova"]
    assert [row[1] for row in gone] == ["out"]
    assert all(row[3] for row in rows)


def test_what_is_hostile_in_a_name_stays_text(told: Study) -> None:
    bad = '<script>alert("1")</script> & co'
    other = replace(told, spec=replace(told.spec, index=replace(told.spec.index, description=bad, name="<b>x</b>")))
    page = report_html(other)
    assert "<script>" not in page and "<b>x</b>" not in page
    assert bad in " ".join(read(page).text)


def test_same_study_gives_the_same_bytes(html: str, told: Study) -> None:
    assert report_html(told) == html


def test_page_of_an_index_without_twin_benchmarks_and_curve(synthetic: Market) -> None:
    spec = find_spec("LC10")
    alone = replace(spec, index=replace(spec.index, benchmarks=()))
    page = report_html(study(alone, synthetic, start="2025-02-03", end="2025-03-31", is_quick=True))
    assert read(page).open == []
    assert "its own passive twin" in page
    assert len(list(pictures(page))) == 5


def test_page_says_how_much_may_be_luck_and_what_it_could_lose(html: str, told: Study) -> None:
    """P11, §6.7 18: the crashes of the past on what it holds now."""
    text = " ".join(read(html).text)
    assert told.luck is not None and f"{told.luck.loss:.0%} of them end with a loss" in text
    _, rows = tables.stress_table(told)
    assert len(rows) >= 12 and all(row[0] in text for row in rows)
    parts = [float(row[3].removesuffix("%")) for row in tables.risk_parts_table(told)[1]]
    assert sum(parts) == pytest.approx(100, abs=1.5)


# --- machines ---------------------------------------------------------------------------------------------------------


def test_json_holds_every_number_and_the_reason_for_none(told: Study) -> None:
    data = json.loads(study_json(told))
    assert data["run_hash"] == told.run.run_hash
    assert float(data["measures"]["SQRT20"]["sharpe"]) == pytest.approx(told.table["SQRT20"]["sharpe"].value, rel=1e-9)
    parts = [float(part) for part in data["decisions"].values()]
    assert sum(parts) == pytest.approx(told.table["SQRT20"]["total_return"].value, abs=1e-9)
    absent = [one for one in data["measures"]["SQRT20"].values() if isinstance(one, dict)]
    assert all(one["none"] for one in absent)
    assert data["statements"][0] == SIMULATED


def test_measures_are_a_table_for_machines(told: Study) -> None:
    rows = list(csv.DictReader(io.StringIO(measures_csv(told))))
    assert {row["line"] for row in rows if not row["against"]} == set(told.lines)
    assert all(bool(row["value"]) != bool(row["reason"]) for row in rows)


def test_files_are_written_and_read_back(told: Study, tmp_path: Path) -> None:
    """T6: also the trades, lots and disposals."""
    paths = write_study(told, tmp_path)
    assert all(path.is_file() for path in paths)
    assert {"report.html", "report.json", "factsheet.md", "fills.csv", "lots.csv", "levels.parquet"} <= {
        p.name for p in paths
    }
    assert len(read_trades_csv((tmp_path / "fills.csv").read_text())) > 0
    assert pd.read_parquet(tmp_path / "levels.parquet")["net"].iloc[-1] == told.run.net[-1]


def test_factsheet_fits_on_a_page(told: Study) -> None:
    text = factsheet(told)
    assert text.startswith("# Ballast Broad 20 (SQRT20): factsheet")
    assert len(text.splitlines()) < 80
    assert told.spec.spec_hash in text and PAST in text and ADVICE in text
