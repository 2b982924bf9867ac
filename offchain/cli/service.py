"""Commands that look after many indexes: decide-all, alerts, dashboard, serve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from offchain.cli.base import app
from offchain.cli.inputs import MarketPath, moment, open_market, read_file, write_file
from offchain.cli.output import DIFFERS, REFUSED, Json, emit, say

if TYPE_CHECKING:
    from datetime import datetime

    from offchain.market import Market
    from offchain.methodology import Methodology

NOW = "now"

Indexes: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(metavar="[INDEX]...", help="Shipped indexes or files; without any, all shipped ones."),
]
Date: TypeAlias = Annotated[
    str, typer.Option("--date", metavar="DATE", help='Such as 2021-05-03, "latest" (of the data), or "now".')
]
HeldFile: TypeAlias = Annotated[
    str,
    typer.Option(
        "--held",
        metavar="FILE",
        help="A .json file {symbol: {id: value or weight}}. Without it, what the last review decided, moved by the prices.",
    ),
]


@app.command("decide-all")
def decide_every(
    indexes: Indexes = None, date: Date = "latest", market_path: MarketPath = "", as_json: Json = False
) -> None:
    """Decide many indexes at once on one market; one that is refused does not stop the others, and leaves with 1.

    Example: ballast decide-all --date 2024-12-02    then: ballast decide-all LC10 EQ5 my.toml --json
    """
    from offchain.pages import LEFT, render
    from offchain.service.desk import decision_document
    from offchain.service.many import decide_all
    from offchain.units import format_weight

    rules, refused = _opened(indexes)
    market = open_market(market_path)
    many = decide_all(rules, market, _time(market, date))
    failed = {**refused, **many.refused}
    document = {"decisions": {name: decision_document(one) for name, one in many.decisions.items()}, "refused": failed}

    def text() -> str:
        rows = [
            (name, str(len(one.target_weights)), max(one.target_weights, key=lambda c: (one.target_weights[c], c)),
             format_weight(max(one.target_weights.values())), one.decision_hash[:10])
            for name, one in many.decisions.items()
        ]  # fmt: skip
        table = render((("index", "coins", f"{LEFT}largest", "weight", f"{LEFT}decision"), rows), indent="")
        return "\n".join([table, *(f"refused: {name}: {why}" for name, why in failed.items())])

    emit(document, text, as_json=as_json)
    if failed:
        raise typer.Exit(REFUSED)


@app.command()
def alerts(
    indexes: Indexes = None,
    date: Date = "latest",
    held: HeldFile = "",
    rpc: Annotated[
        str,
        typer.Option(
            "--rpc", metavar="URL", help="Node of a chain: of an index that is on it, what its token holds counts."
        ),
    ] = "",
    max_age_days: Annotated[int, typer.Option("--max-age-days", min=0, help="Data older than that is an alert.")] = 2,
    start: Annotated[
        str,
        typer.Option(
            "--start",
            metavar="DATE",
            help="Take what a backtest since then holds; its levels are what stops are read from.",
        ),
    ] = "",
    seen: Annotated[
        str,
        typer.Option(
            "--seen", metavar="FILE", help="Remembers what is open: each alert is told once, and once when it is over."
        ),
    ] = "",
    post_url: Annotated[
        str,
        typer.Option(
            "--post", metavar="URL", envvar="BALLAST_ALERTS_URL", help="Send the JSON there when there is something."
        ),
    ] = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Say what somebody should look at: red flags, stops, drift, stale data, decisions that differ from what is held; then exit with 3.

    Example, every hour from cron: ballast alerts --date now --seen alerts.json --post https://example.org/hook
    """
    from offchain.service.alerts import compare, watch
    from offchain.service.delivery import post, read_seen, write_seen
    from offchain.service.desk import Desk
    from offchain.service.live import read_live

    rules, refused = _opened(indexes)
    before = read_seen(Path(seen)) if seen else ()
    market = open_market(market_path)
    t = _time(market, date)
    own, levels = (
        Desk(market, rules).simulated(start, min(t, market.end + market.lag).isoformat()) if start else ({}, {})
    )
    there, missing = read_live(rpc, {name: one.spec for name, one in rules.items()}) if rpc else ({}, {})
    for name, why in missing.items():
        say(f"note: {name}: not read from the chain, so what it holds is simulated: {why}")
    given = {**own, **{name: dict(one.weights) for name, one in there.items()}, **_held(held)}
    found = watch(rules, market, t, held=given, levels=levels, refused=refused, max_age_days=max_age_days)
    change = compare(found, before, looked=[*rules, *refused])
    document = {
        "format": "ballast-alerts/1",
        "t": t,
        "market": market.source,
        "indexes": sorted(rules),
        "live": {name: one.where for name, one in there.items()},
        "not_live": missing,
        "open": found,
        "raised": change.raised,
        "cleared": change.cleared,
    }
    has_news = bool(change.raised or change.cleared)
    if post_url and has_news:
        say(f"sent: {post(post_url, document)}")
    if seen:
        write_seen(Path(seen), change.seen)  # after sending, so that what did not arrive is sent again

    def text() -> str:
        lines = [str(alert) for alert in change.raised] + [f"over: {key}" for key in change.cleared]
        return "\n".join([*lines, f"{len(change.raised)} new, {len(found)} open, {len(rules)} indexes at {t:%Y-%m-%d}"])

    emit(document, text, as_json=as_json)
    if has_news:
        raise typer.Exit(DIFFERS)


@app.command()
def dashboard(
    indexes: Indexes = None,
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The page.")] = "build/dashboard.html",
    date: Annotated[
        str, typer.Option("--date", metavar="DATE", help="Such as 2024-12-02, or latest: the last day of the data.")
    ] = "latest",
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="First day of the levels. Default: a year before.")
    ] = "",
    rpc: Annotated[
        str,
        typer.Option("--rpc", metavar="URL", help="Node of a chain: what its index tokens hold now is shown beside."),
    ] = "",
    live: Annotated[
        str,
        typer.Option(
            "--live", metavar="FILE", help="The same from a .json file {symbol: {holdings: {id: value}, nav_usd: 1}}."
        ),
    ] = "",
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Write one page about many indexes: composition, level, returns, phase, alerts, overlap.

    Example: ballast dashboard LC10 EQ5 SMART10 --start 2024-01-08 --date 2024-12-02 --out build/dashboard.html
    """
    from offchain.errors import UnusableHoldings
    from offchain.service.dashboard import card_document, dashboard_html, look
    from offchain.service.desk import Desk
    from offchain.service.live import live_from_file, read_live

    rules, refused = _opened(indexes)
    there, missing = read_live(rpc, {name: one.spec for name, one in rules.items()}) if rpc else ({}, {})
    given = live_from_file(Path(live)) if live else {}
    strange = sorted(set(given) - set(rules))
    if strange:
        raise UnusableHoldings(f"{live}: {', '.join(strange)} is not among {', '.join(rules)}; name that index too")
    desk = Desk(open_market(market_path), rules, refused=refused)
    cards, found = look(desk, date=date, start=start, live={**there, **given})
    notes = [f"{name}: not read from the chain: {why}" for name, why in missing.items()]
    text = dashboard_html(cards, found, t=desk.time(date), market=desk.market.source, notes=notes)
    path = write_file(Path(out), text)
    document = {
        "file": path,
        "t": desk.time(date),
        "market": desk.market.source,
        "cards": [card_document(card) for card in cards],
        "alerts": found,
        "notes": notes,
    }
    emit(document, lambda: f"{len(cards)} indexes, {len(found)} alerts: {path}", as_json=as_json)


@app.command()
def serve(
    indexes: Indexes = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = 8642,
    market_path: MarketPath = "",
    as_json: Json = False,
) -> None:
    """Answer questions about indexes as JSON over HTTP, on this machine only, until it is stopped with Ctrl-C.

    Example: ballast serve --port 8642    then: curl 'http://127.0.0.1:8642/indexes/LC10/decision?date=latest'
    """
    import sys

    from offchain.service.api import server
    from offchain.service.desk import Desk

    rules, refused = _opened(indexes)
    with server(Desk(open_market(market_path), rules, refused=refused), port=port) as listening:
        address = f"http://{listening.server_address[0]!s}:{listening.server_address[1]}"
        emit({"address": address, "indexes": sorted(rules), "refused": refused}, address, as_json=as_json)
        sys.stdout.flush()
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            say("stopped")


# --- shared -----------------------------------------------------------------------------------------------------------


def _opened(indexes: list[str] | None) -> tuple[dict[str, Methodology], dict[str, str]]:
    from offchain.service.many import open_all
    from offchain.spec import index_files

    return open_all(indexes or [str(path) for path in index_files().values()])


def _time(market: Market, date: str) -> datetime:
    """The only clock of these commands."""
    from datetime import UTC, datetime

    return datetime.now(UTC) if date == NOW else moment(market, date)


def _held(path: str) -> dict[str, dict[str, float]]:
    import json
    import math

    from offchain.errors import UnusableHoldings

    if not path:
        return {}
    try:
        table = json.loads(read_file(path))
        found = {str(name): {str(coin): float(part) for coin, part in row.items()} for name, row in table.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise UnusableHoldings(f"{path}: cannot be read ({error}); write {{symbol: {{id: value}}}}") from error
    for name, row in found.items():
        wrong = [coin for coin, part in row.items() if not 0 <= part < math.inf]
        if wrong or not sum(row.values()):
            raise UnusableHoldings(f"{path}: {name} holds {', '.join(wrong) or 'nothing'}; give values above 0")
    return found
