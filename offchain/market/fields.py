"""What may be known about a coin on a day, and about the market as a whole: names, units and when it is known.

A panel is a table of one field, date × id; a series is one number a day for the whole market. A source fills what it
has; whoever asks for a field that no source filled gets MissingHistory with the way out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Field:
    """One kind of number. `lag_days`: how long after 00:00 UTC of its date it is known, on top of the market's lag."""

    name: str
    unit: str
    doc: str
    lag_days: int = 0


_PANELS = (
    Field(name="price", unit="USD", doc="Price at 00:00 UTC of the date, after the guard against wild jumps."),
    Field(name="observed_price", unit="USD", doc="The same as it was reported."),
    Field(name="market_cap", unit="USD", doc="Price × circulating supply, after the same guard."),
    Field(name="volume", unit="USD per 24 h", doc="Traded on all venues that the source counts."),
    Field(name="open", unit="USD", doc="First price of the 24 hours before the date."),
    Field(name="high", unit="USD", doc="Highest price of the 24 hours before the date."),
    Field(name="low", unit="USD", doc="Lowest price of the 24 hours before the date."),
    Field(name="supply", unit="coins", doc="Circulating supply."),
    Field(name="free_float", unit="coins", doc="Supply that is not held back by founders, treasuries or lost keys."),
    Field(name="active_addresses", unit="addresses", doc="Distinct addresses active in the 24 hours before the date."),
    Field(name="transactions", unit="per 24 h", doc="Transactions on chain."),
    Field(name="transfers", unit="per 24 h", doc="Transfers on chain."),
    Field(name="transfer_value", unit="USD per 24 h", doc="Value moved on chain, adjusted for change and self-sends."),
    Field(name="fees_paid", unit="USD per 24 h", doc="Fees paid to the network."),
    Field(name="nvt", unit="1", doc="Market cap / value moved on chain."),
    Field(name="mvrv", unit="1", doc="Market cap / realised cap."),
    Field(name="realized_cap", unit="USD", doc="Each coin at the price at which it last moved."),
    Field(name="hash_rate", unit="hashes/s", doc="Work per second, in the source's own scale."),
    Field(name="issuance", unit="% per year", doc="New coins a year over supply."),
    Field(name="exchange_inflow", unit="USD per 24 h", doc="Value sent to exchanges."),
    Field(name="exchange_outflow", unit="USD per 24 h", doc="Value sent from exchanges."),
    Field(name="tvl", unit="USD", doc="Value locked in the protocol."),
    Field(name="venue_volume", unit="USD per 24 h", doc="Traded on the venues that we can trade on."),
    Field(name="dex_volume", unit="USD per 24 h", doc="Traded on the protocol itself, when it is a place to trade."),
    Field(name="depth", unit="USD", doc="What moves the price by 2 % on the venues that we can trade on."),
    Field(name="listings", unit="venues", doc="Venues that list the coin."),
    Field(name="commits", unit="per 24 h", doc="Changes to its public source code."),
    Field(name="sentiment", unit="-1..1", doc="Mean score of texts about it."),
    Field(name="mentions", unit="per 24 h", doc="Texts about it."),
    Field(name="unlocks", unit="of supply, next 30 days", doc="Supply that is due to be released."),
)
_SERIES = (
    Field(name="rates", unit="% per year", doc="Short-term interest rate of the dollar.", lag_days=1),
    Field(name="equities", unit="index points", doc="A broad stock index."),
    Field(name="dollar", unit="index points", doc="The dollar against other currencies."),
    Field(name="market_sentiment", unit="-1..1", doc="Mean score of texts about the whole market."),
)
PANELS = {row.name: row for row in _PANELS}
SERIES = {row.name: row for row in _SERIES}
