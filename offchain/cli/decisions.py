"""Commands on one decision: universe, decide, explain, notice, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.cli.base import app
from offchain.cli.inputs import (
    Held,
    IndexName,
    MarketPath,
    Node,
    Time,
    holdings,
    moment,
    open_index,
    open_market,
    open_rules,
    read_file,
    write_file,
)
from offchain.cli.output import Json, emit, say

if TYPE_CHECKING:
    from offchain.market import MarketSnapshot
    from offchain.methodology import Decision
    from offchain.universe import Verdict


@app.command()
def universe(
    index: IndexName,
    date: Time,
    held: Held = "",
    show_all: Annotated[
        bool, typer.Option("--all", help="Every coin that was looked at, not the ranked ones only.")
    ] = False,
    market_path: MarketPath = "",
    node: Node = "",
    as_json: Json = False,
) -> None:
    """Show which coins may be in an index, their rank, and why the others may not.

    Example: ballast universe LC10 2021-05-03 --held bitcoin,ethereum
    """
    decision, snapshot = _decided(index, date, held=held, market_path=market_path, node=node)
    verdicts = [v for v in decision.universe.verdicts if show_all or as_json or v.rank is not None]
    document = {
        "symbol": decision.symbol,
        "t": decision.t,
        "coins": len(snapshot),
        "members": decision.universe.members,
        "verdicts": verdicts,
    }
    emit(document, lambda: _verdicts_text(verdicts, total=len(snapshot)), as_json=as_json)


@app.command()
def decide(
    index: IndexName,
    date: Time,
    held: Held = "",
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="Write the decision and its inputs there.")] = "",
    market_path: MarketPath = "",
    node: Node = "",
    as_json: Json = False,
) -> None:
    """Decide what an index holds from a date on.

    Example: ballast decide LC10 2021-05-03 --out decisions    then: ballast verify decisions/LC10-2021-05-03.decision.json
    """
    from offchain.service.desk import decision_document

    rules, now = open_rules(index, node), holdings(held)
    market = open_market(market_path)
    t = moment(market, date)
    inputs = rules.inputs(market, t, now)
    decision = rules.decide_on(inputs, now)
    if out:
        stem = f"{decision.symbol}-{decision.t:%Y-%m-%d}"
        write_file(Path(out) / f"{stem}.decision.json", decision.to_json() + "\n")
        write_file(Path(out) / f"{stem}.inputs.json", inputs.to_json() + "\n")
        own = f" --index {index}" if index.endswith(".toml") else ""
        say(f"check it with: ballast verify {Path(out) / stem}.decision.json{own}")
    emit(decision_document(decision), lambda: str(decision), as_json=as_json)


@app.command()
def explain(
    index: IndexName,
    date: Time,
    coin: Annotated[str, typer.Argument(metavar="[COIN]", help="One coin, by id or symbol, member or not.")] = "",
    held: Held = "",
    market_path: MarketPath = "",
    node: Node = "",
    as_json: Json = False,
) -> None:
    """Explain a decision step by step with its numbers: for each coin why, for the others why not.

    Examples: ballast explain LC10 2021-05-03    ballast explain LC10 2021-05-03 tether
    """
    from offchain.research.explanation import coin_text, explain_coin, explanation_text
    from offchain.research.explanation import explain as explain_all

    decision, snapshot = _decided(index, date, held=held, market_path=market_path, node=node)
    if coin:
        told = explain_coin(decision, snapshot, coin)
        emit(told, lambda: coin_text(told), as_json=as_json)
        return
    whole = explain_all(decision, snapshot)
    emit(whole, lambda: explanation_text(whole), as_json=as_json)


@app.command()
def notice(
    index: IndexName,
    date: Time,
    held: Held = "",
    market_path: MarketPath = "",
    node: Node = "",
    as_json: Json = False,
) -> None:
    """Write the notice of a rebalance: what changes, why, when, and how to check it.

    Example: ballast notice LC10 2021-05-03 --held bitcoin=0.6,ethereum=0.4 > notice.md
    """
    from offchain.research.notice import rebalance_notice

    decision, _ = _decided(index, date, held=held, market_path=market_path, node=node)
    amounts = holdings(held)
    total = sum(amounts.values())
    before = {name: amount / total for name, amount in amounts.items() if amount}
    text = rebalance_notice(decision, before, spec=open_index(index))
    emit(
        {"symbol": decision.symbol, "t": decision.t, "decision_hash": decision.decision_hash, "markdown": text},
        text,
        as_json=as_json,
    )


@app.command()
def verify(
    decision_file: Annotated[str, typer.Argument(metavar="DECISION", help="A file that `ballast decide --out` wrote.")],
    inputs_file: Annotated[
        str, typer.Option("--inputs", metavar="FILE", help="Its inputs. Default: the file beside it, else the market.")
    ] = "",
    index: Annotated[
        str, typer.Option("--index", metavar="INDEX", help="Its rules. Default: the shipped index of that symbol.")
    ] = "",
    market_path: MarketPath = "",
    node: Node = "",
    as_json: Json = False,
) -> None:
    """Compute a decision again from its inputs and rules; exit code 3 when a weight, a member or a hash differs.

    Example: ballast verify decisions/LC10-2021-05-03.decision.json
    """
    from offchain.methodology import Decision, Inputs, Methodology

    path = Path(decision_file)
    decision = Decision.from_json(read_file(decision_file))
    name = index or _shipped(decision.symbol)
    beside = path.with_name(path.name.replace(".decision.json", ".inputs.json"))
    given = inputs_file or (str(beside) if beside != path and beside.is_file() else "")
    if given:  # they hold what people said as well
        Methodology.open(name).verify(decision, Inputs.from_json(read_file(given)))
    else:
        open_rules(name, node).verify(decision, open_market(market_path))
    document = {
        "verified": True,
        "symbol": decision.symbol,
        "t": decision.t,
        "from": given or "market",
        "decision_hash": decision.decision_hash,
        "inputs_hash": decision.inputs_hash,
        "spec_hash": decision.spec_hash,
    }
    text = f"{decision.symbol} at {decision.t:%Y-%m-%d} follows from its inputs: {decision.decision_hash}"
    emit(document, text, as_json=as_json)


def _shipped(symbol: str) -> str:
    """The symbol, when an index ships under it. Raises BallastError with the way to a file of one's own."""
    from offchain.errors import BallastError
    from offchain.spec import index_files

    if symbol.casefold() not in index_files():
        raise BallastError(
            f"no index ships as {symbol}; name the file of its rules, such as --index {symbol.lower()}.toml"
        )
    return symbol


def _decided(index: str, date: str, *, held: str, market_path: str, node: str) -> tuple[Decision, MarketSnapshot]:
    """The decision, and the facts it was made from."""
    rules, now = open_rules(index, node), holdings(held)
    market = open_market(market_path)
    t = moment(market, date)
    snapshot = rules.snapshot(market, t)
    unknown = sorted(set(now) - {coin.id for coin in snapshot.coins})
    if unknown:
        say(f"note: held but not in the market data: {', '.join(unknown)}")
    return rules.decide(market, t, now), snapshot


def _verdicts_text(verdicts: list[Verdict], *, total: int) -> str:
    from offchain.pages import LEFT, render
    from offchain.units import format_usd

    head = ("rank", f"{LEFT}", f"{LEFT}coin", f"{LEFT}id", "market cap", f"{LEFT}why", f"{LEFT}doubt")
    rows = [
        (
            "" if verdict.rank is None else str(verdict.rank),
            "in" if verdict.is_member else "",
            verdict.symbol,
            verdict.id,
            "" if verdict.market_cap is None else format_usd(verdict.market_cap),
            verdict.reason,
            verdict.note,
        )
        for verdict in verdicts
    ]
    members = sum(verdict.is_member for verdict in verdicts)
    ranked = sum(verdict.rank is not None for verdict in verdicts)
    return render((head, rows), indent="") + f"\n{members} members, {ranked} eligible, {total:,} coins looked at"
