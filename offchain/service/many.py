"""Many indexes from one engine and one market: what one of them refuses does not stop the others.

indexes, refused = open_all(index_files())
many = decide_all(indexes, market, t)           many.decisions, many.refused
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from offchain.errors import BallastError
from offchain.market import Market
from offchain.market.snapshot import Time
from offchain.methodology import Decision, Holdings, Methodology


@dataclass(frozen=True, kw_only=True)
class Many:
    """`decisions`: {symbol: decision}; `refused`: {symbol: why there is none}. Both sorted by symbol."""

    decisions: Mapping[str, Decision]
    refused: Mapping[str, str] = field(default_factory=dict)


def open_all(names: Iterable[str]) -> tuple[dict[str, Methodology], dict[str, str]]:
    """({symbol: rules}, {name: why its file cannot be used}) of shipped indexes by symbol and of files by path."""
    indexes: dict[str, Methodology] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            rules = Methodology.open(name)
        except BallastError as error:
            refused[name] = str(error)
            continue
        if rules.asks_governor:
            refused[name] = 'universe.votes = "governor" counts votes on a chain; decide it alone, with --node URL'
            continue
        if rules.spec.symbol in indexes:
            refused[name] = f"{rules.spec.symbol} is named twice; give each index a symbol of its own"
            continue
        indexes[rules.spec.symbol] = rules
    return indexes, refused


def decide_all(
    indexes: Mapping[str, Methodology],
    market: Market,
    t: Time,
    *,
    holdings: Mapping[str, Holdings] | None = None,
) -> Many:
    """Each index by its own rules, as if it were alone. `holdings`: {symbol: what it holds}."""
    held = holdings or {}
    decisions: dict[str, Decision] = {}
    refused: dict[str, str] = {}
    for symbol, rules in sorted(indexes.items()):
        try:
            decisions[symbol] = rules.decide(market, t, held.get(symbol, ()))
        except BallastError as error:
            refused[symbol] = str(error)
    return Many(decisions=decisions, refused=refused)
