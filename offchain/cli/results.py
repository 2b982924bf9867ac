"""Commands on the past: backtest, report, review, compare, fees, taxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from offchain.cli.base import app
from offchain.cli.inputs import (
    IndexName,
    MarketPath,
    folder_of,
    moment,
    open_market,
    open_rules,
    read_file,
    write_file,
)
from offchain.cli.output import Json, emit, progress, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offchain.analytics.measures import Measure
    from offchain.backtest import CostModel
    from offchain.market import Market
    from offchain.methodology import Methodology
    from offchain.pages import Table
    from offchain.research.study import Study
    from offchain.spec import IndexSpec

Start: TypeAlias = Annotated[
    str,
    typer.Option("--start", metavar="DATE", help="First decision. Default: the first on which the index can decide."),
]
End: TypeAlias = Annotated[str, typer.Option("--end", metavar="DATE", help="Default: the last day of the data.")]
CostBps: TypeAlias = Annotated[
    float,
    typer.Option(
        "--cost-bps", metavar="BPS", help="Fee of a leg in bps of what is traded; 0 with --no-impact is free."
    ),
]
NoImpact: TypeAlias = Annotated[bool, typer.Option("--no-impact", help="Trades do not move prices.")]
Out: TypeAlias = Annotated[str, typer.Option("--out", metavar="FOLDER", help="Write the files there.")]

START_TRIES = 400  # days after the data begins in which a first decision is looked for


@app.command()
def backtest(
    index: IndexName,
    start: Start = "",
    end: End = "",
    cost_bps: CostBps = 30.0,
    no_impact: NoImpact = False,
    out: Out = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Walk an index through the past: the same decisions as live, traded at the next price, after cost and fees.

    Example: ballast backtest LC10 --start 2021-01-04 --end 2021-09-30 --out results
    """
    told = _studied(index, start, end, cost_bps, no_impact, market_path, is_quick=True)
    if out:
        for path in told.run.write(Path(out)):
            say(f"written: {path}")
    emit(_document(told), lambda: _study_text(told), as_json=as_json)


@app.command()
def report(
    index: IndexName,
    start: Start = "",
    end: End = "",
    cost_bps: CostBps = 30.0,
    no_impact: NoImpact = False,
    is_quick: Annotated[bool, typer.Option("--quick", help="Without survivorship gap and delay curve.")] = False,
    out: Out = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Write a report to read: one HTML page with everything in it, a factsheet, and the numbers as JSON, CSV and Parquet.

    Example: ballast report LC10 --start 2021-01-04 --end 2021-09-30 --out build/lc10
    """
    from offchain.errors import BallastError
    from offchain.research.report_page import write_study

    told = _studied(index, start, end, cost_bps, no_impact, market_path, is_quick=is_quick)
    folder = Path(out or Path("build") / "reports" / told.spec.symbol.lower())
    try:
        paths = write_study(told, folder)
    except OSError as error:
        raise BallastError(f"{folder}: cannot be written ({error.strerror}); name another folder with --out") from error
    emit(
        {**_document(told), "files": paths},
        lambda: "\n".join([_study_text(told), "", *(f"written: {path}" for path in paths)]),
        as_json=as_json,
    )


@app.command()
def review(
    index: IndexName,
    quarter: Annotated[str, typer.Argument(metavar="QUARTER", help="Such as 2021-Q2.")],
    is_quick: Annotated[bool, typer.Option("--quick", help="Without survivorship gap and delay curve.")] = False,
    out: Out = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Write the review of a quarter: results, decisions, correlation, stress, the risk register, and what to decide.

    Example: ballast review LC10 2021-Q2 > review.md
    """
    from offchain.research.register import quarter_days, review_pack, risk_register

    first, last = quarter_days(quarter)
    told = _studied(index, first.isoformat(), last.isoformat(), 30.0, False, market_path, is_quick=is_quick)
    text = review_pack(told, quarter=quarter)
    if out:
        write_file(Path(out) / f"{told.spec.symbol}-{quarter}.md", text)
    register = risk_register(told.spec, told)
    emit({**_document(told), "quarter": quarter, "register": register, "markdown": text}, text, as_json=as_json)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="An index.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    date: Annotated[str, typer.Option("--date", metavar="DATE", help="When their holdings are compared.")] = "latest",
    start: Start = "",
    end: End = "",
    no_backtest: Annotated[bool, typer.Option("--no-backtest", help="Rules and holdings only.")] = False,
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Put two indexes side by side: rules that differ, holdings and their overlap, return and risk over the same days.

    Example: ballast compare LC10 SQRT20 --date 2021-05-03 --start 2021-01-04 --end 2021-09-30
    """
    from offchain.analytics.exposure import concentration, overlap
    from offchain.analytics.measures import measure
    from offchain.units import from_wad

    opened = _two(first, second)
    (x, a), (y, b) = opened.items()
    market = open_market(market_path)
    t = moment(market, date)
    weights = {name: rules.decide(market, t).target_weights for name, rules in opened.items()}
    differing = rule_differences(a.spec, b.spec)
    document: dict[str, object] = {
        "t": t,
        "rules": [{"key": key, x: one, y: other} for key, one, other in differing],
        "target_weights": {name: {coin: str(part) for coin, part in held.items()} for name, held in weights.items()},
        "overlap": from_wad(overlap(weights[x], weights[y])),
        "effective_names": {name: concentration(held).effective_names for name, held in weights.items()},
    }
    measures: dict[str, object] = {}
    tables: list[tuple[str, Table]] = []
    if not no_backtest:
        lines = _same_days(opened, market, start, end)
        names = list(lines)
        found = {name: measure(line, benchmark=lines[names[1 - k]]) for k, (name, line) in enumerate(lines.items())}
        measures = {name: {key: one.value for key, one in row.items()} for name, row in found.items()}
        document["measures"] = measures
        tables.append(("return and risk, after cost and fees", _measure_rows(found)))

    def text() -> str:
        from offchain.pages import LEFT, render

        coins = sorted({*weights[x], *weights[y]}, key=lambda coin: (-weights[x].get(coin, 0), coin))
        held = [
            (coin, *(f"{held[coin] / 1e18:.2%}" if coin in held else "" for held in weights.values())) for coin in coins
        ]
        parts = [
            f"{x} and {y}, rules that differ:" if differing else f"{x} and {y} have the same rules",
            *([render((("rule", f"{LEFT}{x}", f"{LEFT}{y}"), differing))] if differing else []),
            f"target weights at {t:%Y-%m-%d}, overlap {document['overlap']:.1%}:",
            render((("coin", x, y), held)),
        ]
        parts += [f"{name}:\n{render(table)}" for name, table in tables]
        return "\n".join(parts)

    emit(document, text, as_json=as_json)


@app.command()
def fees(
    index: IndexName,
    start: Start = "",
    end: End = "",
    usd: Annotated[float, typer.Option("--usd", help="What one investor puts in.")] = 10_000.0,
    nav: Annotated[
        float, typer.Option("--nav", help="What all holders own at the start, for the operator's income.")
    ] = 1e6,
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Say what the fees of an index take from an investor and bring its operator, on real prices.

    Example: ballast fees LC10 --start 2021-01-04 --end 2021-09-30 --usd 10000 --nav 5000000
    """
    from offchain.analytics.fees import revenue
    from offchain.pages import render
    from offchain.research.tables import bill_of, bill_table

    told = _studied(index, start, end, 30.0, False, market_path, is_quick=True)
    income = revenue(told.run.nav.tolist(), told.dates, told.spec.fees, usd=nav)
    document = {"symbol": told.spec.symbol, "investor": bill_of(told, usd=usd), "operator": income}

    def text() -> str:
        head = ("month", "NAV at its end", "streaming", "mint", "redeem", "performance", "income")
        rows = [
            (row.month, *(f"${value:,.2f}" for value in (row.nav, row.streaming, row.mint, row.redeem, row.performance, row.total)))
            for row in income
        ]  # fmt: skip
        return render(bill_table(told, usd=usd), indent="") + "\n\n" + render((head, rows), indent="")

    emit(document, text, as_json=as_json)


@app.command()
def taxes(
    trades: Annotated[
        str, typer.Argument(metavar="TRADES", help="A .csv with time, side, coin, amount, value_usd, fee_usd, note.")
    ],
    method: Annotated[str, typer.Option("--method", help="fifo, lifo, hifo or average.")] = "fifo",
    all_methods: Annotated[
        bool, typer.Option("--all-methods", help="Also what each other method would have given.")
    ] = False,
    out: Out = "",
    as_json: Json = False,
) -> None:
    """Settle trades into lots and disposals, exactly; `ballast report` writes such a file as fills.csv.

    Example: ballast taxes build/lc10/fills.csv --method hifo --out taxes
    """
    from offchain.analytics.taxes import compare_methods, disposals_csv, dollars, lots_csv, read_trades_csv, settle
    from offchain.pages import render
    from offchain.research.statements import TAXES

    fills = read_trades_csv(read_file(trades))
    ledger = settle(fills, method=method)
    if out:
        write_file(Path(out) / "disposals.csv", disposals_csv(ledger))
        write_file(Path(out) / "lots.csv", lots_csv(ledger))
    others = {name: dollars(one.gain) for name, one in compare_methods(fills).items()} if all_methods else {}
    document = {
        "method": method,
        "trades": len(fills),
        "disposals": len(ledger.disposals),
        "gain_usd": dollars(ledger.gain),
        "gain_usd_by_year": {year: dollars(gain) for year, gain in ledger.gains_by_year().items()},
        "cost_of_what_is_held_usd": dollars(ledger.cost),
        "lots": len(ledger.lots),
        "gain_usd_by_method": others,
        "note": TAXES,
    }

    def text() -> str:
        rows = [(str(year), _cents(dollars(gain))) for year, gain in ledger.gains_by_year().items()]
        rows += [("all years", _cents(dollars(ledger.gain))), ("cost of what is held", _cents(dollars(ledger.cost)))]
        rows += [(f"all years by {name}", _cents(gain)) for name, gain in others.items()]
        head = f"{len(fills)} trades, {len(ledger.disposals)} disposals, {len(ledger.lots)} lots held, {method}"
        return "\n".join([head, render((("gain realised", "USD"), rows)), TAXES])

    emit(document, text, as_json=as_json)


def _cents(dollars: str) -> str:
    """'-127.421794' → '-$127.42', half to even; the document and the files have every digit."""
    from decimal import Decimal

    value = round(Decimal(dollars), 2)
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def _two(first: str, second: str) -> dict[str, Methodology]:
    """By symbol; by what was typed when both have the same one, as a copy of a file with other rules has."""
    from offchain.errors import BallastError

    a, b = open_rules(first), open_rules(second)
    if a.spec.symbol != b.spec.symbol:
        return {a.spec.symbol: a, b.spec.symbol: b}
    if first == second:
        raise BallastError(f"{first} is compared with itself; name another index, or a file with other rules")
    return {first: a, second: b}


# --- shared -----------------------------------------------------------------------------------------------------------


def rule_differences(a: IndexSpec, b: IndexSpec) -> list[tuple[str, str, str]]:
    """(key, in a, in b) of every rule that differs; names, descriptions and roles left out."""
    from dataclasses import fields

    from offchain.research.methodology_page import shown

    found = []
    for section in (row.name for row in fields(a)):
        one, other = getattr(a, section), getattr(b, section)
        if section in ("index", "roles", "seed", "components", "feeds") or one == other:
            continue
        if isinstance(one, tuple):
            found.append((section, _sleeves_text(one), _sleeves_text(other)))
            continue
        for row in fields(one):
            x, y = getattr(one, row.name), getattr(other, row.name)
            if x != y:
                found.append((f"{section}.{row.name}", shown(x, row.metadata["unit"]), shown(y, row.metadata["unit"])))
    return found


def cost_model(cost_bps: float, *, no_impact: bool) -> CostModel:
    """As the options say."""
    from dataclasses import replace

    from offchain.backtest import CostModel

    return replace(CostModel(fee_bps=cost_bps), tvl_share=None) if no_impact else CostModel(fee_bps=cost_bps)


def first_day(rules: Methodology, market: Market, start: str) -> str:
    """`start`, or the first review on which the index can decide at all. Raises what stood in the way on the last try."""
    from datetime import UTC, datetime, time, timedelta

    from offchain.errors import BallastError
    from offchain.signals import Model

    if start:
        return start
    spec, begin = rules.spec, market.start + market.lag
    if isinstance(rules.model, Model):
        # before that day the model would know the future
        begin = max(begin, datetime.combine(rules.model.train_cutoff + timedelta(days=1), time(), UTC))
    day, problem = begin, None
    while day <= min(market.end, begin + timedelta(days=START_TRIES)):
        try:
            rules.decide(market, day)
            return day.isoformat()
        except BallastError as error:
            problem = error
        day = day + timedelta(days=1) if spec.rebalance.is_basket else spec.rebalance.next_review(day)
    raise problem or BallastError(f"{market.source}: no review of {spec.symbol} falls into the data; name --start")


def _studied(
    index: str, start: str, end: str, cost_bps: float, no_impact: bool, market_path: str, *, is_quick: bool
) -> Study:
    from offchain.research.study import STEPS, study

    rules = open_rules(index)
    spec = rules.spec
    market = open_market(market_path)
    begin = first_day(rules, market, start)
    say(f"{spec.symbol} from {begin[:10]}: {', '.join(STEPS[:2] if is_quick else STEPS)}")
    with progress(f"{spec.symbol}", total=len(STEPS)) as done:
        return study(
            spec,
            market,
            start=begin,
            end=end or None,
            costs=cost_model(cost_bps, no_impact=no_impact),
            folder=folder_of(index),
            records=rules.records if rules.asks_governor else None,
            is_quick=is_quick,
            on_step=done,
        )


def _same_days(opened: Mapping[str, Methodology], market: Market, start: str, end: str) -> dict[str, list[float]]:
    """{name: net levels} over the days that all have."""
    from offchain.backtest import CostModel, Rules, Terms, run_decider

    begin = max(first_day(rules, market, start) for rules in opened.values())
    runs = {
        name: run_decider(
            rules,
            market,
            symbol=rules.spec.symbol,
            start=begin,
            end=end or None,
            costs=CostModel(),
            rules=Rules.of(rules.spec),
            terms=Terms.of(rules.spec),
        )
        for name, rules in opened.items()
    }
    first = max(run.times[0] for run in runs.values())
    return {name: run.net[int(run.index.searchsorted(first)) :].tolist() for name, run in runs.items()}


def _measure_rows(found: dict[str, dict[str, Measure]]) -> Table:
    from offchain.analytics.measures import DEFINITIONS
    from offchain.research.tables import shown

    rows = [(row.title, *(shown(measures[row.name], row.unit) for measures in found.values())) for row in DEFINITIONS]
    return ("", *found), rows


def _sleeves_text(sleeves: object) -> str:
    assert isinstance(sleeves, tuple)
    return ", ".join(f"{row.index} {row.part:.0%} {row.role}" for row in sleeves) or "none"


def _document(told: Study) -> dict[str, object]:
    import json

    from offchain.research.report_page import study_json

    whole = json.loads(study_json(told))
    whole.pop("levels")  # in the files; too long to read here
    return dict(whole)


def _study_text(told: Study) -> str:
    from offchain.pages import render
    from offchain.research import tables
    from offchain.research.statements import statements

    parts = [
        f"{told.spec.name} ({told.spec.symbol}), {told.dates[0]} to {told.dates[-1]} on {told.market}",
        render(tables.measures_table(told)),
        *([render(tables.relative_table(told))] if told.against else []),
        "where the return came from: "
        + ", ".join(f"{name} {part:+.1%}" for name, part in told.decisions.parts.items())
        + f" = {told.decisions.total:+.1%}",
        render(tables.costs_table(told)),
        render(tables.holdings_table(told)),
    ]
    if told.survivorship is not None:
        parts.append(f"survivorship gap: {told.survivorship.gap:+.2%} ({told.survivorship.ended} coins ended)")
    parts += [f"note: {note}" for note in (*told.notes, *told.run.findings)]
    return "\n\n".join([*parts, " ".join(statements(is_simulated=told.run.status == "simulated"))])
