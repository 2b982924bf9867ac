"""Sources by their names, as a command line or a configuration gives them.

    sources = open_sources(["coingecko", "coinmetrics", "fred", "ccxt:kraken"], door, symbols={"bitcoin": "BTC/USD"})

The order is the precedence when they are collected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from offchain.errors import SourceUnavailable, did_you_mean
from offchain.sources.coingecko import CoinGeckoSource
from offchain.sources.coinmetrics import CoinMetricsSource
from offchain.sources.defillama import DefiLlamaSource
from offchain.sources.door import Door
from offchain.sources.exchange import SCHEME, ExchangeSource
from offchain.sources.fred import FredSource
from offchain.sources.source import Source

NAMES = ("coingecko", "coinmetrics", "defillama", "fred", f"{SCHEME}:EXCHANGE")


def open_sources(
    names: Sequence[str],
    door: Door,
    *,
    plan: str = "demo",
    symbols: Mapping[str, str] | None = None,
    protocols: Mapping[str, str] | None = None,
) -> list[Source]:
    """`plan`: of CoinGecko. `symbols`: {id: CCXT's symbol}, `protocols`: {id: DefiLlama's slug}; both name their coins themselves.

    Raises SourceUnavailable for a name that is no source, and for one that lacks what it needs.
    """
    makers: dict[str, Callable[[], Source]] = {
        "coingecko": lambda: CoinGeckoSource(door, plan=plan),
        "coinmetrics": lambda: CoinMetricsSource(door),
        "defillama": lambda: DefiLlamaSource(door, protocols=_given("defillama", protocols, "uniswap=uniswap")),
        "fred": lambda: FredSource(door),
    }
    found: list[Source] = []
    for name in names:
        scheme, _, exchange = name.partition(":")
        if scheme == SCHEME and exchange:
            found.append(ExchangeSource(door, exchange=exchange, symbols=_given(name, symbols, "bitcoin=BTC/USD")))
        elif name in makers:
            found.append(makers[name]())
        else:
            raise SourceUnavailable(f'no source "{name}"; use {", ".join(NAMES)}.{did_you_mean(name, makers)}')
    return found


def _given(source: str, names: Mapping[str, str] | None, example: str) -> Mapping[str, str]:
    if not names:
        raise SourceUnavailable(f"{source} calls coins by names of its own; give some, such as {example}")
    return names
