"""What commands are given: an index, a market, a time, what is held. One meaning for each, wherever it appears."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from offchain.cli.output import say

if TYPE_CHECKING:
    from offchain.market import Market
    from offchain.methodology import Methodology
    from offchain.spec import IndexSpec
    from offchain.universe.records import Records

SYNTHETIC = "synthetic"
LATEST = "latest"
NODE_VARIABLE = "BALLAST_NODE"

MarketPath: TypeAlias = Annotated[
    str,
    typer.Option(
        "--market",
        envvar="BALLAST_MARKET",
        metavar="PATH",
        help='A .parquet or .csv file of daily data, a folder that holds one, or "synthetic". Default: the folder of '
        "market data if there is one, else the synthetic market.",
    ),
]
Node: TypeAlias = Annotated[
    str,
    typer.Option(
        "--node",
        envvar=NODE_VARIABLE,
        metavar="URL",
        help='The node of the chain that an index with universe.votes = "governor" is deployed on.',
    ),
]
IndexName: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="INDEX", help="A shipped index by its symbol, such as LC10, or the path of a .toml file."),
]
Time: TypeAlias = Annotated[
    str, typer.Argument(metavar="DATE", help='Such as 2021-05-03 (00:00 UTC), or "latest": the last day of the data.')
]
Held: TypeAlias = Annotated[
    str,
    typer.Option(
        "--held",
        metavar="IDS",
        help="What is held now: ids with commas, id=amount pairs, or a .json file {id: amount}.",
    ),
]


def open_market(path: str) -> Market:
    """The market that was named; which one it is is said on stderr. Raises MarketDataError."""
    from offchain.market import load_market, synthetic_market
    from offchain.market.files import market_folder

    if path == SYNTHETIC or (not path and not market_folder().is_dir()):
        market = synthetic_market()
        why = "" if path else "; no folder of market data was found, name a file with --market"
        say(f"market: {market.source}, invented data from {market.start:%Y-%m-%d} to {market.end:%Y-%m-%d}{why}")
        return market
    market = load_market(path or None)
    say(f"market: {market.source}, {len(market.ids):,} coins, {market.start:%Y-%m-%d} to {market.end:%Y-%m-%d}")
    return market


def open_index(name: str) -> IndexSpec:
    """The index that was named. Raises SpecError."""
    from offchain.spec import find_spec

    return find_spec(name)


def open_rules(name: str, node: str = "") -> Methodology:
    """The rules of the index that was named; files that they name are looked for beside the index file.

    `node`: where its holders' votes are read, for rules that ask. Raises MarketDataError without one.
    """
    from offchain.errors import MarketDataError
    from offchain.methodology import Methodology

    rules = Methodology.open(name)
    node = node or os.environ.get(NODE_VARIABLE, "")
    if not rules.asks_governor:
        return rules
    if not node:
        raise MarketDataError(
            f'{rules.spec.symbol}: universe.votes = "governor" counts votes on a chain: name its node with --node URL '
            f"or {NODE_VARIABLE}, or name a file of ballots in universe.votes"
        )
    from offchain.chain.ballots import ballots_of
    from offchain.chain.client import connect, public_url
    from offchain.chain.deployments import open_index as deployed

    w3 = connect(node)
    ballots = ballots_of(w3, deployed(w3, rules.spec.symbol)[1])
    say(f"votes: {len(ballots)} ballots about members, from {public_url(node)}")
    return rules.with_ballots(ballots)


def records_of(name: str) -> Records:
    """Ballots, dossiers and incidents of an index, whether its model is there or not."""
    from offchain.universe.records import GOVERNOR, load_records

    rules = open_index(name).universe
    return open_rules(name).records if rules.votes == GOVERNOR else load_records(rules, folder=folder_of(name))


def folder_of(index: str | Path) -> Path:
    """Where the paths in an index file begin."""
    from offchain.spec import load

    return load.folder_of(index)


def moment(market: Market, text: str) -> datetime:
    """The time that was named. Raises MarketDataError when it cannot be read."""
    from offchain.market.snapshot import as_utc

    return market.end if text == LATEST else as_utc(text)


def holdings(text: str) -> dict[str, float]:
    """{id: amount}; ids without an amount count as one each. Raises MarketDataError for anything else."""
    from offchain.errors import MarketDataError

    if not text:
        return {}
    try:
        if text.endswith(".json"):
            table = json.loads(Path(text).read_text(encoding="utf-8"))
            pairs = [(str(name), float(amount)) for name, amount in table.items()]
        else:
            parts = [part.partition("=") for part in text.split(",") if part.strip()]
            pairs = [(name.strip(), float(amount) if sign else 1.0) for name, sign, amount in parts]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise MarketDataError(
            f'held = "{text}" cannot be read ({error}); write bitcoin,ethereum or bitcoin=0.6,ethereum=0.4, or a .json file'
        ) from error
    wrong = [name for name, amount in pairs if not 0 <= amount < float("inf")]
    if wrong:
        raise MarketDataError(f"held: the amount of {', '.join(wrong)} is not a positive number; correct it")
    return dict(pairs)


def read_file(path: str) -> str:
    """The text of a file that was named. Raises BallastError with the way out."""
    from offchain.errors import BallastError

    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BallastError(f"{path}: cannot be read ({error}); give a readable file") from error


def write_file(path: Path, text: str) -> Path:
    """Writes it, with the folders above it. Raises BallastError with the way out."""
    from offchain.errors import BallastError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BallastError(f"{path}: cannot be written ({error.strerror}); name another folder with --out") from error
    say(f"written: {path}")
    return path
