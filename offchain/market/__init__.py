"""Market data as it was known at a time. Start at `snapshot.py`: `market.until(t)` is the only door to the past."""

from offchain.market.events import Event, events_between
from offchain.market.files import load_market, load_onchain
from offchain.market.quality import coverage, examine
from offchain.market.snapshot import CoinFacts, Market, MarketSnapshot
from offchain.market.synthetic import synthetic_market
from offchain.market.validation import Finding, validate

__all__ = [
    "CoinFacts",
    "Event",
    "Finding",
    "Market",
    "MarketSnapshot",
    "coverage",
    "events_between",
    "examine",
    "load_market",
    "load_onchain",
    "synthetic_market",
    "validate",
]
