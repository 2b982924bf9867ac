"""Command on many variants: sweep."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import IndexName, MarketPath, folder_of, open_market, open_rules, write_file
from offchain.cli.output import Json, counter, emit, say
from offchain.cli.results import CostBps, End, NoImpact, Start, cost_model, first_day

if TYPE_CHECKING:
    from offchain.backtest.sweep import Sweep
    from offchain.pages import Table

SHOWN = ("cagr", "volatility", "sharpe", "drawdown", "turnover", "deflated", "deflated_effective")


@app.command()
def sweep(
    index: IndexName,
    settings: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="KEY=A,B,…", help="Values to try, such as universe.top=5,10,20; give it several times."
        ),
    ],
    start: Start = "",
    end: End = "",
    cost_bps: CostBps = 30.0,
    no_impact: NoImpact = False,
    by: Annotated[str, typer.Option("--by", help="Measure that ranks them.")] = "sharpe",
    jobs: Annotated[int, typer.Option("--jobs", help="Processes.")] = 1,
    cluster: Annotated[
        str, typer.Option("--cluster", metavar="ADDRESS", help="A Dask scheduler, such as tcp://host:8786.")
    ] = "",
    journal: Annotated[
        str, typer.Option("--journal", metavar="FILE", help="Finished variants; a killed sweep goes on there.")
    ] = "",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The whole table as .csv.")] = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Try many variants of an index with the whole decision, and say what the best is worth after so many trials.

    Example: ballast sweep LC10 --set universe.top=5,10,20 --set rebalance.calendar=weekly,monthly --jobs 2 --journal lc10.jsonl
    """

    from offchain.backtest.sweep import MEASURES, grid
    from offchain.backtest.sweep import sweep as run_sweep
    from offchain.errors import BallastError, did_you_mean

    axes = dict(_axis(text) for text in settings)
    if by not in MEASURES:
        raise BallastError(f'--by "{by}" is no measure; use one of {", ".join(MEASURES)}.{did_you_mean(by, MEASURES)}')
    opened = open_rules(index)
    spec = opened.spec
    market = open_market(market_path)
    variants = grid(axes)
    begin = first_day(opened, market, start)
    say(f"{spec.symbol}: {len(variants)} variants from {begin[:10]}")
    with counter("variants") as advance:
        found = run_sweep(
            spec,
            market,
            variants,
            start=begin,
            end=end or None,
            costs=cost_model(cost_bps, no_impact=no_impact),
            jobs=jobs,
            cluster=cluster,
            journal=Path(journal) if journal else None,
            on_done=advance,
            folder=folder_of(index),
            records=opened.records if opened.asks_governor else None,
        )
    if not found.trials:
        raise BallastError(f"none of {len(variants)} variants has a result; the first: {found.outcomes[0].problem}")
    table = found.table(by=by)
    if out:
        write_file(Path(out), str(table.to_csv(index=False, lineterminator="\n")))
    worth, reason = _overfitting(found)
    document = {
        "symbol": spec.symbol,
        "trials": found.trials,
        "resumed": found.resumed,
        "ranked_by": by,
        "variants": table.to_dict(orient="records"),
        "probability_of_overfitting": worth,
        "reason": reason,
    }
    emit(document, lambda: _text(found, by, list(axes), worth, reason), as_json=as_json)


def _axis(text: str) -> tuple[str, list[object]]:
    """'universe.top=5,10' → ("universe.top", [5, 10]); what is no TOML value is text."""
    from offchain.errors import BallastError

    key, sign, values = text.partition("=")
    if not sign or not values:
        raise BallastError(f'--set "{text}" names no values; write KEY=A,B, such as universe.top=5,10,20')
    return key.strip(), [_value(item.strip()) for item in values.split(",")]


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _overfitting(found: Sweep) -> tuple[float | None, str]:
    """Probability that the best of these variants is below the middle of them on other days; None with the reason."""
    from offchain.errors import BallastError

    if found.trials < 2:
        return None, "fewer than two variants have a result"
    try:
        return found.overfitting().probability, ""
    except BallastError as error:
        return None, str(error)


def _text(found: Sweep, by: str, axes: list[str], worth: float | None, reason: str) -> str:
    from offchain.pages import render

    chance = f"{worth:.0%}" if worth is not None else f"unknown ({reason})"
    return "\n".join(
        [
            render(_rows(found, by, axes), indent=""),
            f"{found.trials} variants with a result, {found.resumed} of them from the journal, ranked by {by}",
            f"probability that the best is below the middle on other days: {chance}",
            "deflated: probability that the Sharpe ratio is no fluke after that many trials, and after as many as were different",
        ]
    )


def _rows(found: Sweep, by: str, axes: list[str]) -> Table:
    table = found.table(by=by)
    shown = [name for name in dict.fromkeys((*SHOWN, by)) if name in table.columns]
    rows = []
    for record in table.to_dict(orient="records"):
        cells = [f"{record[name]:.4g}" if record[name] == record[name] else "–" for name in shown]
        rows.append((*(str(record[axis]) for axis in axes), *cells, " ".join(str(record["problem"] or "").split())))
    return (*axes, *shown, "<problem"), rows
