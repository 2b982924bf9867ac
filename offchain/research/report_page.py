"""A report for a person: one HTML file with everything in it; the same numbers as JSON, CSV and Parquet for machines.

write_study(told, folder)      report.html, report.json, measures.csv, factsheet.md and the files of the run
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path

from offchain.analytics.books import fills_of
from offchain.analytics.measures import Measure
from offchain.analytics.taxes import disposals_csv, lots_csv, settle, trades_csv
from offchain.canonical import canonical_json
from offchain.pages import STYLE, Table, page, table_html, table_markdown
from offchain.research import figures, tables
from offchain.research.statements import statements
from offchain.research.study import Study

FORMAT = "ballast-study/1"
DIGITS = 10  # significant ones of every float in the JSON

MORE_STYLE = """
figure { margin: 1rem 0; } figure svg { max-width: 100%; height: auto; display: block; }
figcaption, .quiet { color: #6b7785; font-size: 13px; }
@media (prefers-color-scheme: dark) { figure svg { filter: invert(1) hue-rotate(180deg); } figcaption, .quiet { color: #9aa5b1; } }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
.tiles li { border: 1px solid #8884; border-radius: 8px; padding: .5rem .8rem; min-width: 8.2rem; }
.tiles b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; } .tiles span { font-size: 12px; color: #6b7785; }
.please { border-left: 4px solid #c9762b; padding: .1rem 1rem; margin: 1rem 0; }
details { margin: .5rem 0; } summary { cursor: pointer; }
code { overflow-wrap: anywhere; } nav a { margin-right: .8rem; }
"""


def write_study(told: Study, folder: Path) -> list[Path]:
    """Every file, in `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    ledger = settle(fills_of(told.run))
    texts = {
        "report.html": report_html(told),
        "report.json": study_json(told) + "\n",
        "factsheet.md": factsheet(told),
        "measures.csv": measures_csv(told),
        "fills.csv": trades_csv(fills_of(told.run)),
        "disposals.csv": disposals_csv(ledger),
        "lots.csv": lots_csv(ledger),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*(folder / name for name in texts), *told.run.write(folder)]


def report_html(told: Study) -> str:
    """The page. The same study gives the same bytes."""
    sections: list[tuple[str, str, Sequence[str]]] = [
        (
            "summary",
            "In short",
            [
                _summary(told),
                _tiles(told),
                figures.figure(figures.level_figure(told), "Levels of the index, its twin and its benchmarks"),
            ],
        ),
        ("risk", "Return and risk", _risk(told)),
        ("holdings", "What is in it, and why", _holdings(told)),
        ("decisions", "What was decided", _decisions(told)),
        ("sources", "Where the return came from", _sources(told)),
        ("stress", "What it could lose", _stress(told)),
        ("costs", "Cost and fees", _costs(told)),
        ("doubts", "How far to trust it", _doubts(told)),
        ("check", "How to check it", [_check(told)]),
    ]
    menu = "<nav>" + "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in sections) + "</nav>"
    body = [
        f"<p>{escape(told.spec.index.description)}</p>",
        f'<p class="quiet">{escape(_setting(told))}</p>',
        _statements(told),
        menu,
    ]
    for key, name, parts in sections:
        body.append(f'<h2 id="{key}">{escape(name)}</h2>')
        body += [part for part in parts if part]
    return page(f"{told.spec.name} ({told.spec.symbol})", [*body, _statements(told)], style=STYLE + MORE_STYLE)


def study_json(told: Study) -> str:
    """Canonical JSON of every number on the page; floats to ten digits, unknown ones null with their reason beside them."""
    return canonical_json(
        {
            "format": FORMAT,
            "symbol": told.spec.symbol,
            "spec_hash": told.spec.spec_hash,
            "run_hash": told.run.run_hash,
            "market": told.market,
            "status": told.run.status,
            "start": told.dates[0],
            "end": told.dates[-1],
            "levels": {name: [_digits(value) for value in line.tolist()] for name, line in told.lines.items()},
            "measures": {line: _measures(found) for line, found in told.table.items()},
            "against": {line: _measures(found) for line, found in told.against.items()},
            "months": {period.label: _digits(period.value) for period in told.months},
            "trailing": _measures(told.trailing),
            "drawdowns": [asdict(fall) | {"depth": _digits(fall.depth)} for fall in told.drawdowns],
            "components": {name: _digits(part) for name, part in told.components.parts.items()}
            | {"": _digits(told.components.rest)},
            "decisions": {name: _digits(part) for name, part in told.decisions.parts.items()},
            "correlations": {a: _measures(row) for a, row in told.correlations.items()},
            "survivorship": None
            if told.survivorship is None
            else asdict(told.survivorship) | {"gap": _digits(told.survivorship.gap)},
            "delays": [
                {"days": d.days, "total_return": None if d.total_return is None else _digits(d.total_return), "reason": d.reason}
                for d in told.delays
            ],
            "luck": None if told.luck is None else _rounded(asdict(told.luck)),
            "risk": _rounded(told.risk),
            "notes": told.notes,
            "findings": told.run.findings,
            "statements": statements(is_simulated=told.run.status == "simulated"),
        }
    )  # fmt: skip


def measures_csv(told: Study) -> str:
    """line, against, measure, value, reason: one row each."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("line", "against", "measure", "value", "reason"))
    for line, found in told.table.items():
        writer.writerows(
            (line, "", name, "" if one.value is None else repr(_digits(one.value)), one.reason)
            for name, one in found.items()
        )
    for other, found in told.against.items():
        writer.writerows(
            (told.spec.symbol, other, name, "" if one.value is None else repr(_digits(one.value)), one.reason)
            for name, one in found.items()
        )
    return out.getvalue()


def factsheet(told: Study) -> str:
    """One page of Markdown: what it is, how it did, what is in it."""
    head, rows = tables.measures_table(told)
    wanted = ("Return", "Return a year (CAGR)", "Volatility a year", "Sharpe ratio", "Deepest drawdown")
    short: Table = (head, [row for row in rows if row[0] in wanted])
    parts = [
        f"# {told.spec.name} ({told.spec.symbol}): factsheet",
        told.spec.index.description,
        _setting(told),
        table_markdown(short),
        "## Returns",
        table_markdown(tables.trailing_table(told)),
        "## Holdings",
        table_markdown(tables.holdings_table(told)),
        tables.concentration_line(told),
        "## Fees and cost",
        table_markdown(tables.costs_table(told)),
        f"Methodology hash `{told.spec.spec_hash}`, run hash `{told.run.run_hash}`.",
        *statements(is_simulated=told.run.status == "simulated"),
    ]
    return "\n\n".join(parts) + "\n"


# --- sections ---------------------------------------------------------------------------------------------------------


def _setting(told: Study) -> str:
    return (
        f"{told.dates[0]} to {told.dates[-1]} on {told.market}, {told.run.status}; trades at the next price after each "
        "decision, after all cost and fees; a year has 365 days"
    )


def _summary(told: Study) -> str:
    own, name = told.table[told.spec.symbol], told.spec.symbol
    said = [
        f"{name} returned {tables.shown(own['total_return'], 'of 1')} after cost and fees, with a deepest drawdown of "
        f"{tables.shown(own['max_drawdown'], 'of 1')}."
    ]
    for other in told.against:
        theirs, saved = told.table[other], told.against[other]["drawdown_saved"]
        text = f"{other} returned {tables.shown(theirs['total_return'], 'of 1')} with {tables.shown(theirs['max_drawdown'], 'of 1')}"
        if saved.value is not None:
            text += f": its drawdown was {abs(saved.value):.0%} {'smaller' if saved.value >= 0 else 'larger'} than that"
        said.append(text + ".")
    parts = {key: part for key, part in told.decisions.parts.items() if key != "benchmark"}
    if parts:
        best = max(parts, key=lambda key: abs(parts[key]))
        said.append(f"Of its decisions {best} mattered most ({parts[best]:+.1%}).")
    return "<p>" + escape(" ".join(said)) + "</p>"


def _tiles(told: Study) -> str:
    own = told.table[told.spec.symbol]
    error = own["sharpe_error"].value
    tiles = [
        ("return", tables.shown(own["total_return"], "of 1")),
        ("return a year", tables.shown(own["cagr"], "of 1")),
        ("volatility a year", tables.shown(own["volatility"], "of 1")),
        ("Sharpe ratio" + (f" ± {error:.2f}" if error is not None else ""), tables.shown(own["sharpe"], "1")),
        ("deepest drawdown", tables.shown(own["max_drawdown"], "of 1")),
        ("rebalances", str(told.run.rebalances)),
        ("turnover, one-way", f"{told.run.turnover:.0%}"),
    ]
    if told.survivorship is not None:
        tiles.append(("survivorship gap", f"{told.survivorship.gap:+.1%}"))
    return (
        '<ul class="tiles">'
        + "".join(f"<li><b>{escape(v)}</b><span>{escape(k)}</span></li>" for k, v in tiles)
        + "</ul>"
    )


def _risk(told: Study) -> list[str]:
    absent = tables.reasons_of_absence(told)
    why = "<details><summary>Why a dash stands where it does</summary><ul>" + "".join(f"<li>{escape(r)}</li>" for r in absent) + "</ul></details>"  # fmt: skip
    return [
        table_html(tables.measures_table(told)),
        why if absent else "",
        _details("Formulas and sources", table_html(tables.definitions_table())),
        table_html(tables.relative_table(told)) if told.against else "",
        "<h3>Returns</h3>",
        table_html(tables.trailing_table(told)),
        table_html(tables.months_table(told)),
        figures.figure(figures.drawdown_figure(told), "Drawdowns of the index, its twin and its benchmarks"),
        table_html(tables.drawdowns_table(told)) if told.drawdowns else "",
    ]


def _holdings(told: Study) -> list[str]:
    return [
        f"<p>{escape(tables.concentration_line(told))}</p>",
        table_html(tables.holdings_table(told)),
        figures.figure(figures.weights_figure(told), "Weights of the coins over time"),
        _details("Correlation of their daily returns", table_html(tables.correlations_table(told))) if told.correlations else "",
    ]  # fmt: skip


def _decisions(told: Study) -> list[str]:
    changes = tables.changes_table(told)
    none = "<p>No coin came or went after the first purchase.</p>"
    return [
        table_html(changes) if changes[1] else none,
        _details(f"All {len(told.run.reviews)} reviews", table_html(tables.reviews_table(told))),
    ]


def _sources(told: Study) -> list[str]:
    explained = (
        "Selection: the chosen coins in equal parts. Weighting: in their target weights. Exposure: with the stable side, where there is one. Timing: what the wait for the next price, "
        "and the band against small trades, made of that. Trading: what trades cost. Fees: of the index."
    )
    return [
        figures.figure(figures.decisions_figure(told), "Return by decision"),
        f'<p class="quiet">{escape(explained)}</p>',
        figures.figure(figures.components_figure(told), "Return by coin"),
    ]


def _costs(told: Study) -> list[str]:
    return [
        table_html(tables.costs_table(told)),
        "<h3>What one investor pays</h3>",
        table_html(tables.bill_table(told)),
    ]


def _stress(told: Study) -> list[str]:
    if not told.risk:
        return ["<p>Not measured; see the notes below.</p>"]
    explained = (
        "What it holds at the end, through past crashes and some that could be. Coins without a price in a crash count with an "
        "estimate from their theme or beta. Cost of selling: everything at once, with the liquidity of such a day."
    )
    return [
        f'<p class="quiet">{escape(explained)}</p>',
        table_html(tables.stress_table(told)),
        _details("How much of the risk each coin brings", table_html(tables.risk_parts_table(told))),
    ]


def _luck(told: Study) -> list[str]:
    luck = told.luck
    if luck is None:
        return []
    explained = (
        f"The same days in {luck.paths:,} other orders (blocks of about {luck.block:.0f} days, seed {luck.seed}): {luck.loss:.0%} of "
        f"them end with a loss. Probability that the true Sharpe ratio is above zero: {luck.skill:.0%}, if this index was not "
        "picked among many that were tried."
    )
    return ["<h3>How much may be luck</h3>", f"<p>{escape(explained)}</p>", table_html(tables.luck_table(told))]


def _doubts(told: Study) -> list[str]:
    said = []
    if told.survivorship is not None:
        gap = told.survivorship
        names = (
            f", among them {', '.join(gap.held)}, which the index held"
            if gap.held
            else ", none of which the index held"
        )
        said.append(
            f"Survivorship gap {gap.gap:+.2%}: {gap.ended} coins of the data have no price any more at the end{names if gap.ended else ''}. "
            "Somebody who tested with the coins of today only would have seen a return that much higher; this report did not."
        )
    said += [*told.notes, *told.run.findings]
    notes = "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in said) + "</ul>" if said else ""
    curve = figures.delay_figure(told)
    caption = "A cliff between 0 and 1 day would mean that the rules live on prices nobody can trade at"
    return [notes, *_luck(told), figures.figure(curve, caption) if curve else ""]


def _check(told: Study) -> str:
    symbol = told.spec.symbol
    rows = [
        ("methodology hash", told.spec.spec_hash),
        ("run hash", told.run.run_hash),
        ("market data", told.market),
        *((name, value) for name, value in told.run.parameters.items()),
    ]
    lines = "".join(
        f"<tr><td class='left'>{escape(k)}</td><td class='left'><code>{escape(v)}</code></td></tr>" for k, v in rows
    )
    first = f"ballast explain {symbol} {told.run.reviews[-1].time:%Y-%m-%d}"
    again = f"ballast report {symbol} --start {told.run.reviews[0].time:%Y-%m-%d} --end {told.dates[-1]}"
    return (
        f'<div class="wide"><table>{lines}</table></div>'
        f"<p>Every decision can be asked why: <code>{escape(first)}</code>. This report again: <code>{escape(again)}</code>.</p>"
    )


def _statements(told: Study) -> str:
    said = statements(is_simulated=told.run.status == "simulated")
    return '<div class="please">' + "".join(f"<p>{escape(text)}</p>" for text in said) + "</div>"


def _details(name: str, body: str) -> str:
    return f"<details><summary>{escape(name)}</summary>{body}</details>"


def _measures(found: Mapping[str, Measure]) -> dict[str, object]:
    return {name: _digits(one.value) if one.value is not None else {"none": one.reason} for name, one in found.items()}


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return _digits(value)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value


def _digits(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
