"""A market that ships as code: two years of daily data for about forty coins, the same bits on every machine.

Names, symbols and decimals are familiar ones; the histories are invented. On purpose it holds what a real market
does to an index: coins that overtake each other around rank ten, two that die, one whose price is a thousand times
too high for one day, one without a market cap, holes, stablecoins, wrapped and staked copies, a leveraged token, one
coin too young and one too illiquid.

Only +, −, ×, ÷ on IEEE doubles and PCG64's raw integers are used: no exp, no log, no BLAS, whose last bit depends on
the processor. Values are rounded to 12 significant digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from offchain.market.confirm import Floats
from offchain.market.snapshot import Market

START = "2024-01-01"
DAYS = 731
SEED = 20240101

# the date on which glitch-network trades at a thousand times its price: a Monday, when LC10 is reviewed
GLITCH_DAY = 427
CRASH_DAY = 340
DELISTED_DAY = 330
YOUNG_DAYS = 45
FASHION = 0.008
# how much of the distance to its fair share of the market a coin with seasons makes good in a day
PULL = 0.015


@dataclass(frozen=True, kw_only=True)
class Coin:
    """One invented history. price USD, supply in coins, growth of supply per year, turnover = volume / cap per day.

    `season` days of fashion follow `season` days out of it: neighbours in rank overtake each other again and again.
    """

    id: str
    symbol: str
    name: str
    decimals: int
    price: float
    supply: float
    beta: float = 1.0
    wobble: float = 0.03
    growth: float = 0.02
    turnover: float = 0.06
    season: int = 0
    tags: str = ""


@dataclass(frozen=True, kw_only=True)
class Peg:
    """A coin whose price is a constant times another's (or one dollar), give or take `noise`."""

    id: str
    symbol: str
    name: str
    decimals: int
    anchor: str
    ratio: float
    supply: float
    noise: float
    turnover: float
    tags: str


COINS = (
    Coin(id="bitcoin", symbol="BTC", name="Bitcoin", decimals=8, price=42_300, supply=19.6e6, beta=0.9, wobble=0.008, turnover=0.03),
    Coin(id="ethereum", symbol="ETH", name="Ethereum", decimals=18, price=2_290, supply=120.2e6, beta=1.05, wobble=0.012, growth=0.003),
    Coin(id="binancecoin", symbol="BNB", name="BNB", decimals=18, price=312, supply=149e6, beta=0.85, wobble=0.018, growth=-0.03),
    Coin(id="solana", symbol="SOL", name="Solana", decimals=9, price=104, supply=432e6, beta=1.35, wobble=0.028, growth=0.05),
    Coin(id="ripple", symbol="XRP", name="XRP", decimals=6, price=0.62, supply=54.2e9, beta=0.9, wobble=0.026),
    Coin(id="cardano", symbol="ADA", name="Cardano", decimals=6, price=0.61, supply=35.3e9, beta=1.1, wobble=0.024),
    Coin(id="avalanche-2", symbol="AVAX", name="Avalanche", decimals=18, price=39.5, supply=3.65e+08, season=58, beta=1.3, wobble=0.03, growth=0.06),
    Coin(id="dogecoin", symbol="DOGE", name="Dogecoin", decimals=8, price=0.091, supply=142.5e9, beta=1.25, wobble=0.032, growth=0.035, tags="meme"),
    Coin(id="tron", symbol="TRX", name="TRON", decimals=6, price=0.128, supply=1.25e+11, season=47, beta=0.75, wobble=0.022, growth=-0.02),
    Coin(id="polkadot", symbol="DOT", name="Polkadot", decimals=10, price=8.3, supply=1.5e+09, season=39, beta=1.15, wobble=0.026, growth=0.08),
    Coin(id="chainlink", symbol="LINK", name="Chainlink", decimals=18, price=16.2, supply=7.6e+08, season=66, beta=1.1, wobble=0.029, growth=0.07, tags="oracle;defi"),
    Coin(id="matic-network", symbol="MATIC", name="Polygon", decimals=18, price=0.97, supply=1.25e+10, season=52, beta=1.2, wobble=0.028),
    Coin(id="near", symbol="NEAR", name="NEAR Protocol", decimals=24, price=5.1, supply=2.1e+09, season=44, beta=1.35, wobble=0.034, growth=0.05),
    Coin(id="litecoin", symbol="LTC", name="Litecoin", decimals=8, price=73, supply=1.4e+08, season=61, beta=0.9, wobble=0.02),
    Coin(id="bitcoin-cash", symbol="BCH", name="Bitcoin Cash", decimals=8, price=262, supply=4e+07, season=35, beta=1.0, wobble=0.027),
    Coin(id="uniswap", symbol="UNI", name="Uniswap", decimals=18, price=7.4, supply=1.25e+09, season=49, beta=1.15, wobble=0.03, tags="defi;dex"),
    Coin(id="cosmos", symbol="ATOM", name="Cosmos Hub", decimals=6, price=10.6, supply=8.5e+08, season=41, beta=1.1, wobble=0.027, growth=0.09),
    Coin(id="stellar", symbol="XLM", name="Stellar", decimals=7, price=0.129, supply=28.2e9, beta=0.95, wobble=0.028),
    Coin(id="internet-computer", symbol="ICP", name="Internet Computer", decimals=8, price=11.4, supply=8e+08, season=71, beta=1.25, wobble=0.034, growth=0.04),
    Coin(id="filecoin", symbol="FIL", name="Filecoin", decimals=18, price=6.6, supply=480e6, beta=1.2, wobble=0.028, growth=0.15),
    Coin(id="aptos", symbol="APT", name="Aptos", decimals=8, price=9.8, supply=310e6, beta=1.3, wobble=0.033, growth=0.3),
    Coin(id="arbitrum", symbol="ARB", name="Arbitrum", decimals=18, price=1.7, supply=1.27e9, beta=1.3, wobble=0.03, growth=0.5, tags="layer2"),
    Coin(id="optimism", symbol="OP", name="Optimism", decimals=18, price=3.7, supply=910e6, beta=1.3, wobble=0.031, growth=0.25, tags="layer2"),
    Coin(id="aave", symbol="AAVE", name="Aave", decimals=18, price=109, supply=14.7e6, beta=1.15, wobble=0.031, tags="defi;lending"),
    Coin(id="maker", symbol="MKR", name="Maker", decimals=18, price=1_720, supply=0.92e6, beta=0.95, wobble=0.03, growth=-0.03, tags="defi;lending"),
    Coin(id="the-graph", symbol="GRT", name="The Graph", decimals=18, price=0.19, supply=9.4e9, beta=1.25, wobble=0.034, tags="data"),
    Coin(id="injective-protocol", symbol="INJ", name="Injective", decimals=18, price=38, supply=83e6, beta=1.35, wobble=0.038, growth=0.1, tags="defi"),
    Coin(id="render-token", symbol="RNDR", name="Render", decimals=18, price=4.5, supply=374e6, beta=1.35, wobble=0.038, tags="ai;compute"),
    Coin(id="monero", symbol="XMR", name="Monero", decimals=12, price=166, supply=18.4e6, beta=0.7, wobble=0.02, growth=0.01, tags="privacy"),
    Coin(id="terranova", symbol="TNV", name="Terranova", decimals=6, price=14.2, supply=790e6, beta=1.2, wobble=0.026, growth=0.05),
    Coin(id="orbital-exchange", symbol="ORBX", name="Orbital Exchange", decimals=18, price=21, supply=330e6, beta=0.9, wobble=0.02, tags="exchange"),
    Coin(id="glitch-network", symbol="GLT", name="Glitch Network", decimals=18, price=0.8, supply=1.1e9, beta=1.1, wobble=0.03),
    Coin(id="opaque-protocol", symbol="OPQ", name="Opaque Protocol", decimals=18, price=6.0, supply=2.0e9, wobble=0.03),
    Coin(id="fresh-finance", symbol="FRSH", name="Fresh Finance", decimals=18, price=25.0, supply=900e6, wobble=0.04, tags="defi"),
    Coin(id="quiet-treasure", symbol="QTR", name="Quiet Treasure", decimals=18, price=52.0, supply=400e6, wobble=0.02, turnover=0.000004),
    Coin(id="patchy-chain", symbol="PTCH", name="Patchy Chain", decimals=18, price=2.2, supply=1.9e9, wobble=0.03),
)  # fmt: skip

PEGS = (
    Peg(id="tether", symbol="USDT", name="Tether", decimals=6, anchor="", ratio=1.0, supply=96e9, noise=0.002, turnover=0.5, tags="stablecoin"),
    Peg(id="usd-coin", symbol="USDC", name="USD Coin", decimals=6, anchor="", ratio=1.0, supply=27e9, noise=0.002, turnover=0.25, tags="stablecoin"),
    Peg(id="dai", symbol="DAI", name="Dai", decimals=18, anchor="", ratio=1.0, supply=5.3e9, noise=0.003, turnover=0.05, tags="stablecoin;defi"),
    Peg(id="wrapped-bitcoin", symbol="WBTC", name="Wrapped Bitcoin", decimals=8, anchor="bitcoin", ratio=1.0, supply=155e3, noise=0.002, turnover=0.03, tags="wrapped"),
    Peg(id="staked-ether", symbol="STETH", name="Lido Staked Ether", decimals=18, anchor="ethereum", ratio=0.999, supply=9.3e6, noise=0.002, turnover=0.004, tags="wrapped;liquid-staking"),
    Peg(id="compound-ether", symbol="CETH", name="cETH", decimals=8, anchor="ethereum", ratio=0.0201, supply=60e6, noise=0.001, turnover=0.002, tags="wrapped;receipt"),
)  # fmt: skip

# (days, drift per day, volatility per day) of the whole market
REGIMES = (
    (95, 0.0045, 0.020),
    (80, -0.0015, 0.022),
    (70, -0.0035, 0.028),
    (60, 0.0005, 0.014),
    (110, 0.0050, 0.024),
    (75, -0.0030, 0.026),
    (90, 0.0030, 0.020),
    (151, -0.0008, 0.018),
)


@lru_cache(maxsize=4)
def synthetic_market(seed: int = SEED) -> Market:
    """The shipped market: 2024-01-01 to 2025-12-31. The same `seed` gives the same bits everywhere."""
    dice = _dice(seed)
    factor = _market_returns(dice)
    prices, caps, volumes = {}, {}, {}
    for coin in COINS:
        prices[coin.id], caps[coin.id], volumes[coin.id] = _history(coin, factor, dice)
    leveraged = Coin(id="3x-long-bitcoin-token", symbol="BULL", name="3X Long Bitcoin Token", decimals=18, price=900, supply=2e4,
                     beta=2.7, wobble=0.01, tags="leveraged")  # fmt: skip
    prices[leveraged.id], caps[leveraged.id], volumes[leveraged.id] = _history(leveraged, factor, dice)
    for peg in PEGS:
        anchor = prices[peg.anchor] if peg.anchor else np.ones(DAYS)
        prices[peg.id] = anchor * (peg.ratio * (1.0 + peg.noise * _noise(dice, DAYS)))
        caps[peg.id] = prices[peg.id] * peg.supply
        volumes[peg.id] = caps[peg.id] * peg.turnover
    _hurt(prices, caps, volumes)
    frame = _long_frame(prices, caps, volumes)
    return Market.from_frame(frame, meta=_meta((*COINS, leveraged, *PEGS)), source=f"synthetic-{seed}")


def _dice(seed: int) -> Iterator[Floats]:
    """Endless blocks of DAYS uniform numbers in [0, 1) with 53 bits, from PCG64's raw output."""
    generator = np.random.PCG64(seed)
    while True:
        yield (generator.random_raw(DAYS) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _noise(dice: Iterator[Floats], days: int) -> Floats:
    """About normal with mean 0 and deviation 1: the sum of twelve uniform numbers, minus six."""
    total = np.full(days, -6.0)
    for _ in range(12):
        total = total + next(dice)[:days]
    return total


def _market_returns(dice: Iterator[Floats]) -> Floats:
    drift = np.array([d for days, d, _ in REGIMES for _ in range(days)])
    deviation = np.array([v for days, _, v in REGIMES for _ in range(days)])
    return drift + deviation * _noise(dice, DAYS)


def _history(coin: Coin, factor: Floats, dice: Iterator[Floats]) -> tuple[Floats, Floats, Floats]:
    """(price USD, market cap USD, volume USD per day), one value per day each."""
    moves = np.maximum(coin.beta * factor + coin.wobble * _noise(dice, DAYS) + _fashion(coin.season), -0.4)
    price = np.empty(DAYS)
    level = fair = coin.price
    pull = PULL if coin.season else 0.0
    for day, (move, common) in enumerate(zip(moves.tolist(), factor.tolist(), strict=True)):
        price[day] = level
        level = level * (1.0 + move + pull * (fair / level - 1.0))
        fair = fair * (1.0 + common)
    years = np.arange(DAYS) / 365.0
    cap = price * (coin.supply * (1.0 + coin.growth * years))
    volume = cap * (coin.turnover * (0.5 + next(dice) + 8.0 * np.abs(moves)))
    return price, cap, volume


def _fashion(season: int) -> Floats:
    if season == 0:
        return np.zeros(DAYS)
    half_seasons = (np.arange(DAYS) + season // 2) // season
    return np.where(half_seasons % 2 == 0, FASHION, -FASHION)


def _hurt(prices: dict[str, Floats], caps: dict[str, Floats], volumes: dict[str, Floats]) -> None:
    """What goes wrong in markets, at fixed places."""
    prices["glitch-network"][GLITCH_DAY] *= 1_000.0
    caps["glitch-network"][GLITCH_DAY] *= 1_000.0
    # terranova loses three quarters a day for a week, then the listing ends
    for day in range(CRASH_DAY, DAYS):
        fall = 0.25 ** min(day - CRASH_DAY + 1, 7)
        prices["terranova"][day] *= fall
        caps["terranova"][day] *= fall
    prices["terranova"][CRASH_DAY + 20 :] = np.nan
    # orbital-exchange closes: a last price is repeated for ever, nothing is traded
    prices["orbital-exchange"][DELISTED_DAY:] = prices["orbital-exchange"][DELISTED_DAY]
    caps["orbital-exchange"][DELISTED_DAY:] = caps["orbital-exchange"][DELISTED_DAY]
    volumes["orbital-exchange"][DELISTED_DAY:] = 0.0
    caps["opaque-protocol"][:] = 0.0
    prices["fresh-finance"][: DAYS - YOUNG_DAYS] = np.nan
    prices["patchy-chain"][200:202] = np.nan
    prices["patchy-chain"][400:409] = np.nan
    caps["patchy-chain"][300:302] = 0.0


def _long_frame(prices: dict[str, Floats], caps: dict[str, Floats], volumes: dict[str, Floats]) -> pd.DataFrame:
    dates = pd.date_range(START, periods=DAYS, freq="D", tz="UTC")
    ids = sorted(prices)
    frame = pd.DataFrame(
        {
            "date": np.repeat(dates, len(ids)),
            "id": ids * DAYS,
            "price": _in_rows(prices, ids),
            "market_cap": _in_rows(caps, ids),
            "volume": _in_rows(volumes, ids),
        }
    )
    return frame[frame["price"].notna()]


def _in_rows(panel: dict[str, Floats], ids: list[str]) -> list[float]:
    columns = [panel[name].tolist() for name in ids]
    return [float(f"{value:.12g}") for day in zip(*columns, strict=True) for value in day]


def _meta(coins: tuple[Coin | Peg, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"id": c.id, "symbol": c.symbol, "name": c.name, "tags": c.tags, "decimals": c.decimals} for c in coins]
    ).set_index("id")
