"""What a coin is about: one sector and any number of themes; and which asset it stands for.

A data source's own tags come first; `taxonomy.csv` beside this file knows the best-known coins and is asked when a
source has no tag. Spellings of different sources meet in ALIASES, so an index file says "defi" and means all of them.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from offchain.market.snapshot import CoinFacts

FILE = Path(__file__).with_name("taxonomy.csv")

ALIASES = {
    "layer-1": "layer1",
    "l1": "layer1",
    "layer-2": "layer2",
    "l2": "layer2",
    "smart-contract-platform": "smart-contract",
    "decentralized-finance-defi": "defi",
    "decentralized-finance": "defi",
    "decentralized-exchange": "dex",
    "decentralized-exchange-dex": "dex",
    "lending-borrowing": "lending",
    "decentralized-derivatives": "derivatives",
    "artificial-intelligence": "ai",
    "ai-big-data": "ai",
    "meme-token": "meme",
    "memes": "meme",
    "memecoin": "meme",
    "memecoins": "meme",
    "real-world-assets": "rwa",
    "real-world-assets-rwa": "rwa",
    "non-fungible-tokens-nft": "nft",
    "nfts": "nft",
    "play-to-earn": "gaming",
    "games": "gaming",
    "exchange-based-tokens": "exchange",
    "privacy-coins": "privacy",
    "stablecoins": "stablecoin",
    "liquid-staking-governance-tokens": "liquid-staking",
    "oracles": "oracle",
}

# the first theme of a coin that is in this table gives its sector, when the file does not know the coin
_SECTOR_OF_THEME = {
    "stablecoin": "stablecoin", "wrapped": "copy", "receipt": "copy", "commodity": "commodity", "meme": "meme", "rwa": "real-world",
    "defi": "defi", "dex": "defi", "lending": "defi", "derivatives": "defi", "yield": "defi", "insurance": "defi", "ai": "data",
    "oracle": "data", "data": "data", "layer2": "scaling", "smart-contract": "platform", "gaming": "culture", "metaverse": "culture",
    "nft": "culture", "media": "culture", "sports": "culture", "storage": "computing", "compute": "computing", "iot": "computing",
    "infrastructure": "computing", "exchange": "exchange", "payments": "currency", "privacy": "currency", "store-of-value": "currency",
    "interoperability": "platform", "layer1": "platform",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One row of the file. `asset`: the id of what it stands for, its own id when it stands for itself."""

    id: str
    sector: str
    themes: tuple[str, ...]
    asset: str


@cache
def taxonomy() -> Mapping[str, Entry]:
    """{id: entry} of the shipped file."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {
            row["id"]: Entry(
                id=row["id"],
                sector=row["sector"],
                themes=tuple(theme for theme in row["themes"].split(";") if theme),
                asset=row["asset"] or row["id"],
            )
            for row in csv.DictReader(lines)
        }


def themes_of(coin: CoinFacts) -> tuple[str, ...]:
    """Its themes, sorted, in our spelling: the source's tags, else the file's, else none."""
    return _themes(coin.id, coin.tags)


def sector_of(coin: CoinFacts) -> str:
    """Its one sector (spec.universe_rules.SECTORS): the file's, else by its themes, else "" when nobody knows."""
    known = taxonomy().get(coin.id)
    if known is not None:
        return known.sector
    themes = themes_of(coin)
    return next((sector for theme, sector in _SECTOR_OF_THEME.items() if theme in themes), "")


def asset_of(coin: CoinFacts) -> str:
    """The id of the asset it stands for: what its price copies, else what the file says, else its own id.

    Coins that track a currency are assets of their own: two stablecoins are two debtors.
    """
    if coin.tracks is not None and coin.tracks not in ("usd", "flat"):
        return coin.tracks
    known = taxonomy().get(coin.id)
    return coin.id if known is None else known.asset


@lru_cache(maxsize=100_000)
def _themes(coin_id: str, tags: tuple[str, ...]) -> tuple[str, ...]:
    known = taxonomy().get(coin_id)
    given = tags or (known.themes if known else ())
    return tuple(sorted({ALIASES.get(tag, tag) for tag in given}))
