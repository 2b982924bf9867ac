"""What the local market reads from a market file: the last price of each coin, when it was seen, and its usual volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from offchain.devnet.liquidity import VOLUME_DAYS
from offchain.errors import MarketDataError, did_you_mean

if TYPE_CHECKING:
    from offchain.market import Market

PRICE_FLOOR = Fraction(1, 10**12)  # {USD/TOK} a dead coin still has a price in its pool

# Coins that live on another chain appear as the ERC-20 that stands for them on Ethereum: symbol and decimals.
WRAPPED = {"bitcoin": ("WBTC", 8)}
WETH_ID = "ethereum"
USDC_ID = "usd-coin"

# What an index does not hold, besides the copies that a snapshot recognises by their price.
_EXCLUDED_TAGS = frozenset({"stablecoin", "wrapped", "liquid-staking", "leveraged", "fiat", "gold", "receipt"})
_EXCLUDED_WORDS = ("3x-long-", "3x-short-", "1x-short-")


@dataclass(frozen=True, kw_only=True)
class Quote:
    """The market's last word on one coin."""

    id: str
    price: Fraction  # {USD/TOK}, at least PRICE_FLOOR
    seen_at: int  # {s} time of the observation
    volume: float  # {USD/day} median of the last VOLUME_DAYS days; NaN when unknown


def to_seconds(t: object) -> int:
    """A date or time → unix seconds; without a zone it is UTC."""
    stamp = pd.Timestamp(t)  # type: ignore[arg-type]
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return int(stamp.timestamp())


def to_date(seconds: int) -> str:
    """Unix seconds → '2021-01-04' or '2021-01-04 12:30', UTC."""
    stamp = pd.Timestamp(seconds, unit="s")
    return str(stamp.date()) if stamp == stamp.normalize() else stamp.strftime("%Y-%m-%d %H:%M")


def read_quotes(market: Market, coins: Iterable[str], *, until: int, after: int | None = None) -> dict[str, Quote]:
    """Each coin's last price seen in (after, until], both in unix seconds; coins with none are left out.

    A price of zero or below is a dead coin and becomes PRICE_FLOOR; missing and infinite prices are no price.
    """
    wanted = list(coins)
    times = index_seconds(market.price)
    stop = int(np.searchsorted(times, until, side="right"))
    begin = 0 if after is None else int(np.searchsorted(times, after, side="right"))
    prices = market.price.iloc[begin:stop].reindex(columns=wanted).to_numpy(dtype=float)
    recent = int(np.searchsorted(times, until - VOLUME_DAYS * 86400, side="right"))
    volumes = market.volume.iloc[recent:stop].reindex(columns=wanted).median()

    quotes: dict[str, Quote] = {}
    for column, coin in enumerate(wanted):
        rows = np.flatnonzero(np.isfinite(prices[:, column]))
        if rows.size:
            row = int(rows[-1])
            price = Fraction(Decimal(repr(float(prices[row, column]))))
            quotes[coin] = Quote(
                id=coin,
                price=max(price, PRICE_FLOOR),
                seen_at=int(times[begin + row]),
                volume=float(volumes.iloc[column]),
            )
    return quotes


def index_seconds(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The rows' times in unix seconds; an index without a zone is UTC."""
    index = pd.DatetimeIndex(frame.index)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy().astype("datetime64[s]").astype(np.int64)


def token_facts(market: Market, coin: str) -> tuple[str, int]:
    """Symbol and decimals of the ERC-20 that stands for a coin; 18 decimals when the market does not know."""
    if coin in WRAPPED:
        return WRAPPED[coin]
    facts = market.meta.loc[coin]
    decimals = facts["decimals"]
    return str(facts["symbol"]).upper(), 18 if pd.isna(decimals) else int(decimals)


def choose_coins(market: Market, dates: Iterable[object], *, top: int = 30) -> list[str]:
    """The union of the `top` real coins by market cap at each date: whatever an index of that size could hold.

    Leaves out what an index does not hold: stablecoins, wrapped and staked copies, leveraged tokens. In order of id.
    """
    chosen: set[str] = set()
    for date in dates:
        coins = [
            coin
            for coin in market.snapshot(str(pd.Timestamp(date))).coins  # type: ignore[arg-type]
            if coin.price and coin.market_cap and coin.tracks is None
            and not _EXCLUDED_TAGS & set(coin.tags) and not coin.id.startswith(_EXCLUDED_WORDS)
        ]  # fmt: skip
        coins.sort(key=lambda coin: (-(coin.market_cap or 0.0), coin.id))
        chosen.update(coin.id for coin in coins[:top])
    return sorted(chosen)


def require_known(market: Market, coins: Iterable[str]) -> None:
    """Raises MarketDataError for the first coin the market has never heard of."""
    known = [str(column) for column in market.price.columns]
    for coin in coins:
        if coin not in market.price.columns:
            raise MarketDataError(f"the market has no coin {coin!r}.{did_you_mean(coin, known)}")
