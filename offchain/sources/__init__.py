"""Where data comes from: one adapter per provider, answers stored before they are read. Start at `collect.py`."""

from offchain.sources.coingecko import CoinGeckoSource
from offchain.sources.coinmetrics import CoinMetricsSource
from offchain.sources.collect import collect, replay
from offchain.sources.defillama import DefiLlamaSource
from offchain.sources.door import Door
from offchain.sources.exchange import ExchangeSource
from offchain.sources.fred import FredSource
from offchain.sources.source import Rate, Reading, Request, Source
from offchain.sources.texts import TextSource

__all__ = [
    "CoinGeckoSource",
    "CoinMetricsSource",
    "DefiLlamaSource",
    "Door",
    "ExchangeSource",
    "FredSource",
    "Rate",
    "Reading",
    "Request",
    "Source",
    "TextSource",
    "collect",
    "replay",
]
