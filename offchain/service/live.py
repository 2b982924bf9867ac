"""What index tokens hold on their chain now, as the dashboard shows it beside what the rules would have held.

live, missing = read_live(url, specs)      {symbol: Live}, {symbol: why there is none}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from web3 import Web3

from offchain.canonical import utc_text
from offchain.chain.client import connect
from offchain.chain.deployments import open_index
from offchain.chain.markets import local_manifest
from offchain.chain.reads import IndexState, read_state
from offchain.errors import BallastError, UnusableHoldings
from offchain.spec import IndexSpec
from offchain.units import NANO, WAD, from_wad


@dataclass(frozen=True, kw_only=True)
class Live:
    """One index token at a block. `weights` {id: part of 1}, sorted by id; `nav_usd`, `share_price_usd` USD; `shares` whole ones.

    `where`: which block, or which file, it was read from.
    """

    weights: Mapping[str, float]
    where: str
    nav_usd: float | None = None
    share_price_usd: float | None = None
    shares: float | None = None


def live_of(state: IndexState, ids: Mapping[str, str]) -> Live:
    """`ids`: {address in lower case: coin id}; a token that nobody named goes by its address. Weights are of what has a price."""
    weights = {ids.get(token.casefold(), token): from_wad(part) for token, part in state.weights.items() if part}
    time = utc_text(datetime.fromtimestamp(state.timestamp, tz=UTC))
    return Live(
        weights=dict(sorted(weights.items())),
        where=f"block {state.block_number:,} of {time}",
        nav_usd=state.nav / NANO,  # {USD} = {nUSD} / 1e9
        share_price_usd=state.share_price_usd,
        shares=state.supply / WAD,
    )


def read_live(url: str, specs: Mapping[str, IndexSpec]) -> tuple[dict[str, Live], dict[str, str]]:
    """Every index that is on the node's chain. Raises NotConnected when nothing answers."""
    w3 = connect(url)
    found: dict[str, Live] = {}
    missing: dict[str, str] = {}
    for symbol, spec in specs.items():
        try:
            core, index = open_index(w3, symbol)
            found[symbol] = live_of(read_state(w3, core, index.address), _ids(w3, spec))
        except BallastError as error:
            missing[symbol] = str(error)
    return found, missing


def live_from_file(path: Path) -> dict[str, Live]:
    """From {symbol: {"holdings": {id: value}, "nav_usd": …, "share_price_usd": …}} or {symbol: {id: value}}. Raises UnusableHoldings."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _read(row, path) for name, row in sorted(table.items())}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UnusableHoldings(
            f'{path}: cannot be read ({error}); write {{symbol: {{"holdings": {{id: value}}, "nav_usd": 1000}}}}'
        ) from error


def _read(row: Mapping[str, object], path: Path) -> Live:
    given = row.get("holdings", row)
    if not isinstance(given, Mapping):
        raise ValueError("holdings is no table")
    values = {str(name): float(value) for name, value in sorted(given.items())}
    total = sum(values.values())
    if not 0 < total < float("inf") or min(values.values()) < 0:
        raise ValueError("values must be positive")
    more = {
        name: float(str(row[name]))
        for name in ("nav_usd", "share_price_usd", "shares")
        if name in row and given is not row
    }
    return Live(weights={name: value / total for name, value in values.items() if value}, where=path.name, **more)


def _ids(w3: Web3, spec: IndexSpec) -> dict[str, str]:
    """{address in lower case: coin id}: the file's [[components]], else the market of a local chain."""
    if spec.components:
        return {part.address.casefold(): part.id for part in spec.components}
    tokens = local_manifest(w3)["tokens"]
    return {str(facts["address"]).casefold(): str(coin) for coin, facts in tokens.items()}
