"""Market data as it was known at a time. Start at `snapshot.py`: `market.until(t)` is the only door to the past."""

from offchain.market.files import load_market
from offchain.market.snapshot import CoinFacts, Market, MarketSnapshot
from offchain.market.synthetic import synthetic_market
from offchain.market.validation import Finding, validate

__all__ = ["CoinFacts", "Finding", "Market", "MarketSnapshot", "load_market", "synthetic_market", "validate"]
