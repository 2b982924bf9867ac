"""Commands over several indexes and for investors: overlap, profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import MarketPath, moment, open_index, open_market, open_rules
from offchain.cli.output import DIFFERS, Json, emit, say

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from offchain.analytics.exposure import LookThrough
    from offchain.analytics.measures import Measure
    from offchain.market import Market

NAV = 1e6  # USD of an index without an amount
CORRELATION_DAYS = 90


@app.command()
def overlap(
    indexes: Annotated[
        list[str], typer.Argument(metavar="INDEX[=USD]...", help="Two or more, each with what it is worth.")
    ],
    date: Annotated[str, typer.Option("--date", metavar="DATE", help="When they are decided.")] = "latest",
    max_weight: Annotated[float, typer.Option("--max-weight", help="Most one coin may be of everything, of 1.")] = 1.0,
    max_volume_days: Annotated[
        float,
        typer.Option(
            "--max-volume-days", help="Most days of a coin's median volume that all hold together; 0 asks not."
        ),
    ] = 0.0,
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Show how much indexes overlap, how they move together, and what is held through all of them; 3 when a limit is passed.

    Example: ballast overlap LC10=5000000 EQ5=1000000 SQRT20 --max-weight 0.4
    """
    from offchain.analytics.exposure import look_through, overlaps
    from offchain.analytics.limits import over_limits
    from offchain.errors import UnusableHoldings
    from offchain.units import from_wad

    amounts = dict(_amount(text) for text in indexes)
    specs = {name: open_index(name) for name in amounts}
    if len({spec.symbol for spec in specs.values()}) < len(indexes):
        raise UnusableHoldings("an index is named twice; add its amounts up")
    market = open_market(market_path)
    t = moment(market, date)
    weights: dict[str, Mapping[str, int]] = {}
    volumes: dict[str, float] = {}
    for name, spec in specs.items():
        rules = open_rules(name)
        weights[spec.symbol] = rules.decide(market, t).target_weights
        volumes.update({coin.id: coin.volume for coin in rules.snapshot(market, t).coins})
    held = look_through(weights, {spec.symbol: amounts[name] for name, spec in specs.items()})
    table = overlaps(weights)
    together = _correlations(market, t, weights)
    passed = over_limits(
        held,
        max_weight=max_weight,
        volumes=volumes if max_volume_days else None,
        max_volume_days=max_volume_days or float("inf"),
    )
    document = {
        "t": t,
        "overlap": {a: {b: from_wad(part) for b, part in row.items()} for a, row in table.items()},
        "correlation": {a: {b: one.value for b, one in row.items()} for a, row in together.items()},
        "look_through": held,
        "over_limits": passed,
    }
    emit(document, lambda: _overlap_text(table, together, held, passed), as_json=as_json)
    if passed:
        say("a limit is passed, see above")
        raise typer.Exit(DIFFERS)


@app.command()
def profiles(
    goal: Annotated[str, typer.Option("--goal", help="preserve, balanced or growth.")] = "",
    tolerance: Annotated[str, typer.Option("--tolerance", help="low, medium or high.")] = "",
    horizon: Annotated[str, typer.Option("--horizon", help="short, medium or long.")] = "",
    as_json: Json = False,
) -> None:
    """Show settings of [risk] that fit together for a goal, a tolerance and a horizon; no advice.

    Example: ballast profiles --goal balanced --tolerance medium
    """
    from offchain.errors import UnitError, did_you_mean
    from offchain.pages import LEFT, render
    from offchain.risk.profiles import GOALS, HORIZONS, NOTICE, TOLERANCES, table

    asked = (("goal", goal, GOALS), ("tolerance", tolerance, TOLERANCES), ("horizon", horizon, HORIZONS))
    for what, word, known in asked:
        if word and word not in known:
            raise UnitError(f'{what} "{word}": use one of {", ".join(known)}.{did_you_mean(word, known)}')
    rows = [row for row in table() if all(not word or getattr(row, what) == word for what, word, _ in asked)]

    def text() -> str:
        head = ("goal", f"{LEFT}tolerance", f"{LEFT}horizon", "part of all", "drawdown", "buffer", "shift", "volatility", "stop", f"{LEFT}mode")  # fmt: skip
        lines = [
            (
                row.goal, row.tolerance, row.horizon, f"{row.sleeve[0]:.0%} to {row.sleeve[1]:.0%}", f"{row.drawdown:.0%}",
                f"{row.buffer:.0%}", f"{row.max_shift:.0%}", f"{row.volatility_target:.0%}" if row.volatility_target else "",
                f"{row.stop_loss:.0%}" if row.stop_loss else "", row.mode,
            )
            for row in rows
        ]  # fmt: skip
        return f"{render((head, lines), indent='')}\n{NOTICE}"

    emit({"profiles": rows, "notice": NOTICE}, text, as_json=as_json)


def _amount(text: str) -> tuple[str, float]:
    from offchain.errors import UnusableHoldings

    name, sign, usd = text.partition("=")
    try:
        return name, float(usd) if sign else NAV
    except ValueError as error:
        raise UnusableHoldings(f'"{text}": {usd} is no amount; write {name}=1000000') from error


def _correlations(
    market: Market, t: datetime, weights: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, Measure]]:
    """Of what each index holds at `t`, through the CORRELATION_DAYS before it; a coin without a price then stands still."""
    import numpy as np

    from offchain.analytics.exposure import correlations
    from offchain.units import from_wad

    coins = sorted({coin for held in weights.values() for coin in held})
    history = market.history(t, days=CORRELATION_DAYS + 1, fields=("price",), ids=coins)
    prices = history.panel("price")
    moves = np.nan_to_num(prices[1:] / prices[:-1] - 1.0)
    lines = {}
    for name, held in weights.items():
        daily = sum(moves[:, history.column(coin)] * from_wad(weight) for coin, weight in sorted(held.items()))
        lines[name] = np.concatenate([[1.0], np.cumprod(1.0 + np.asarray(daily))]).tolist()
    return correlations(lines)


def _overlap_text(
    table: dict[str, dict[str, int]],
    together: dict[str, dict[str, Measure]],
    held: LookThrough,
    passed: tuple[str, ...],
) -> str:
    from offchain.pages import LEFT, render
    from offchain.research.tables import shown
    from offchain.units import format_usd, from_wad

    names = list(table)
    coins = [
        (coin, f"{part:.2%}", format_usd(held.values[coin]), ", ".join(held.through[coin])) for coin, part in held.weights.items()
    ]  # fmt: skip
    found = held.concentration
    return "\n".join(
        [
            "overlap: part of one that is also in the other",
            render((("", *names), [(a, *(f"{from_wad(table[a][b]):.1%}" for b in names)) for a in names])),
            f"correlation of what they hold, over {CORRELATION_DAYS} days",
            render((("", *names), [(a, *(shown(together[a][b], "1") for b in names)) for a in names])),
            f"all together: as concentrated as {found.effective_names:.1f} coins of equal weight (HHI {found.hhi:.3f})",
            render((("coin", "weight", "USD", f"{LEFT}held through"), coins)),
            *(f"over the limit: {sentence}" for sentence in passed),
        ]
    )
