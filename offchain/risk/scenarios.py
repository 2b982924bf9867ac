"""What has happened to crypto markets, and what could: falls by coin, by theme and for the rest, as data with sources.

Figures are what the sources reported, from the price before to the low or to the end of the window that each says;
"measured" ones were computed from CoinGecko's daily prices at 00:00 UTC. `estimates` names what no source stated: the
rest of the market and the depth of the pools, mostly, judged from the text of the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One event. `coins`: {id: return}; `themes`: {theme: return}, the first that a coin has counts; `rest`: of all others.

    `depth`: what is left of volumes and pools {1}. `estimates`: which of these no source states.
    """

    name: str
    title: str
    start: date | None
    end: date | None
    coins: Mapping[str, float]
    rest: float
    themes: Mapping[str, float] = field(default_factory=dict)
    depth: float = 1.0
    sources: tuple[str, ...] = ()
    estimates: tuple[str, ...] = ()

    def shock(self, coin_id: str, themes: tuple[str, ...] = ()) -> float:
        """The return {1} of one coin, -1 is a total loss."""
        if coin_id in self.coins:
            return self.coins[coin_id]
        return next((shock for theme, shock in self.themes.items() if theme in themes), self.rest)


_STABLE = {"stablecoin": 0.0}

HISTORICAL = (
    Scenario(
        name="covid-2020",
        title="Black Thursday, 12 to 13 March 2020: from the day before to the low",
        start=date(2020, 3, 12),
        end=date(2020, 3, 13),
        coins={"bitcoin": -0.45, "ethereum": -0.55},
        themes=_STABLE,
        rest=-0.50,
        depth=0.3,
        sources=("https://www.pastorq.com/8162.html", "https://www.365shuku.com/8230.html"),
        estimates=("rest", "depth"),
    ),
    Scenario(
        name="may-2021",
        title="China's ban and the end of a boom, 12 to 24 May 2021",
        start=date(2021, 5, 12),
        end=date(2021, 5, 24),
        coins={
            "bitcoin": -0.386, "ethereum": -0.493, "binancecoin": -0.612, "ripple": -0.458, "cardano": -0.248,
            "dogecoin": -0.377, "polkadot": -0.533, "uniswap": -0.561, "chainlink": -0.588, "litecoin": -0.619,
            "solana": -0.446, "aave": -0.354, "matic-network": 0.022, "maker": -0.487, "terra-luna": -0.744,
            "shiba-inu": -0.734, "tether": 0.001, "usd-coin": -0.002, "dai": 0.002,
        },
        themes=_STABLE,
        rest=-0.54,
        depth=0.5,
        sources=("measured: CoinGecko daily prices, https://github.com/hathix/historical-crypto-data",),
        estimates=("depth",),
    ),
    Scenario(
        name="luna-2022",
        title="TerraUSD and LUNA, 5 to 12 May 2022",
        start=date(2022, 5, 5),
        end=date(2022, 5, 12),
        coins={
            "bitcoin": -0.365, "ethereum": -0.41, "avalanche-2": -0.45, "solana": -0.32, "maker": 0.27,
            "terra-luna": -1.0, "terrausd": -0.81,
        },
        themes=_STABLE,
        rest=-0.40,
        depth=0.5,
        sources=(
            "https://cryptomonitor.in/index.php/2022/08/30/the-luna-ust-disaster-explains-when-terra-broke-crypto/",
            "https://watcher.guru/news/33534-2-luna-foundation-guard-avalanche-avax-dump",
            "https://forklog.com/en/week-in-review-ust-stablecoin-crashes-crypto-market-as-elon-musk-freezes-twitter-deal/amp",
            "https://bitscreener.com/crypto-news/weekly-crypto-news-may-15-2022",
        ),
        estimates=("rest", "depth"),
    ),
    Scenario(
        name="lenders-2022",
        title="Celsius and Three Arrows Capital, 13 to 19 June 2022",
        start=date(2022, 6, 13),
        end=date(2022, 6, 19),
        coins={"bitcoin": -0.30, "ethereum": -0.28, "ripple": -0.10, "staked-ether": -0.32},
        themes=_STABLE,
        rest=-0.28,
        depth=0.5,
        sources=("https://cryptomassiah.com/wma-bitcoin-goes-below-20k-celsius-halts-withdrawals-fud-reigns-over-the-market/7329/",),
        estimates=("staked-ether", "rest", "depth"),
    ),
    Scenario(
        name="ftx-2022",
        title="FTX, 7 to 14 November 2022",
        start=date(2022, 11, 7),
        end=date(2022, 11, 14),
        coins={
            "bitcoin": -0.224, "ethereum": -0.244, "solana": -0.616, "dogecoin": -0.31, "avalanche-2": -0.23,
            "algorand": -0.18, "ftx-token": -0.91,
        },
        themes=_STABLE,
        rest=-0.22,
        depth=0.5,
        sources=(
            "https://thefinancialtrends.com/2022/11/15/ftx-contagion-begins-to-spread",
            "https://cryptoproductivity.org/this-week-in-coins-ftx-breaks-bitcoin-falls-to-two-year-low-2",
            "https://nftstudio24.com/bitdao-dumps-3-million-ftt-tokens-sol-ecosystem-in-crisis/",
        ),
        estimates=("rest", "depth"),
    ),
    Scenario(
        name="usdc-2023",
        title="Silicon Valley Bank and the peg of USDC, 10 to 11 March 2023: to the low",
        start=date(2023, 3, 10),
        end=date(2023, 3, 11),
        coins={"usd-coin": -0.12, "dai": -0.12, "frax": -0.12, "tether": 0.0, "bitcoin": -0.08, "ethereum": -0.08},
        themes=_STABLE,
        rest=-0.10,
        depth=0.5,
        sources=(
            "https://www.theblock.co/post/218993/usdc-and-dai-remain-at-about-0-90-following-circles-disclosure-of-funds-at-svb",
            "https://www.charliedefi.com/news/usdc-depeg-whats-happening",
        ),
        estimates=("frax", "bitcoin", "ethereum", "rest", "depth"),
    ),
    Scenario(
        name="yen-2024",
        title="The yen carry trade, 5 August 2024: within the day",
        start=date(2024, 8, 4),
        end=date(2024, 8, 5),
        coins={
            "bitcoin": -0.15, "ethereum": -0.214, "binancecoin": -0.174, "dogecoin": -0.162, "polkadot": -0.215,
            "solana": -0.12,
        },
        themes=_STABLE,
        rest=-0.18,
        depth=0.5,
        sources=(
            "https://cointrolly.com/bitcoin-falls-under-53k-wiping-out-600m-in-leveraged-longs",
            "https://www.open-lib.com/1061.html",
        ),
        estimates=("rest", "depth"),
    ),
    Scenario(
        name="tariffs-2025",
        title="Tariffs, 6 to 7 April 2025: 24 hours",
        start=date(2025, 4, 6),
        end=date(2025, 4, 7),
        coins={
            "bitcoin": -0.10, "ethereum": -0.187, "binancecoin": -0.107, "ripple": -0.217, "cardano": -0.186,
            "solana": -0.183, "dogecoin": -0.198, "polkadot": -0.153, "matic-network": -0.158, "litecoin": -0.218,
        },
        themes=_STABLE,
        rest=-0.18,
        depth=0.6,
        sources=("https://worldofchains.com/?p=175",),
        estimates=("rest", "depth"),
    ),
    Scenario(
        name="cascade-2025",
        title="The largest liquidations on record, 10 to 11 October 2025: to the low",
        start=date(2025, 10, 10),
        end=date(2025, 10, 11),
        coins={"bitcoin": -0.12, "ethereum": -0.20, "solana": -0.246, "ripple": -0.44, "ethena-usde": -0.35},
        themes=_STABLE,
        rest=-0.47,
        depth=0.2,
        sources=(
            "https://yellow.com/research/trump-100-china-tariff-how-one-announcement-liquidated-dollar19-billion-in-crypto",
            "https://globalstocknews.org/?p=695590",
            "https://www.ainvest.com/news/bitcoin-news-today-leverage-fuelled-19b-crypto-crash-altcoins-undergo-structural-reset-2510",
            "https://cryptonewz.pages.dev/crypto-news-coindesk.com/research/market-spotlight-the-19-billion-liquidation-that-shook-crypto",
        ),
        estimates=("depth",),
    ),
)  # fmt: skip

BY_NAME = {scenario.name: scenario for scenario in HISTORICAL}


def market_falls(market: float, betas: Mapping[str, float], *, default_beta: float = 1.3) -> Scenario:
    """Every coin falls by its beta times `market` {1}, at most to nothing; bitcoin by `market` itself.

    A coin without a beta (none given, or NaN) has `default_beta`.
    """
    coins = {
        name: max(market * (beta if beta == beta else default_beta), -1.0)  # a NaN differs from itself
        for name, beta in sorted(betas.items())
    }
    return Scenario(
        name="market-falls",
        title=f"Bitcoin {market:+.0%}, every coin by its beta",
        start=None,
        end=None,
        coins=coins | {"bitcoin": market},
        themes=_STABLE,
        rest=max(market * default_beta, -1.0),
        depth=0.5,
        estimates=("everything: hypothetical",),
    )


def one_to_zero(coin_id: str) -> Scenario:
    """One coin becomes worthless and nothing else happens."""
    return _hypothetical("one-to-zero", f"{coin_id} becomes worthless", {coin_id: -1.0})


def stable_breaks(stable_ids: tuple[str, ...], *, loss: float = 0.1) -> Scenario:
    """All stable coins of the index lose their peg by `loss` {1}."""
    return _hypothetical("stable-breaks", f"the stable side loses {loss:.0%}", dict.fromkeys(stable_ids, -loss))


def liquidity_halves(*, depth: float = 0.5) -> Scenario:
    """Prices stand, pools and volumes are `depth` of what they were: what selling everything then costs."""
    return _hypothetical("liquidity-halves", f"pools and volumes at {depth:.0%}", {}, depth=depth)


def all_at_once(volatilities: Mapping[str, float], *, deviations: float = 3.0, days: int = 1) -> Scenario:
    """Correlation 1: every coin falls by `deviations` of its own volatility {1/√year} over `days`, on the same day."""
    scale = deviations * (days / 365) ** 0.5
    coins = {name: max(-scale * value, -1.0) for name, value in sorted(volatilities.items())}
    title = f"every coin {deviations:g} standard deviations down at once, {days} day{'s' if days > 1 else ''}"
    return _hypothetical("all-at-once", title, coins)


def _hypothetical(name: str, title: str, coins: Mapping[str, float], *, depth: float = 1.0) -> Scenario:
    return Scenario(
        name=name,
        title=title,
        start=None,
        end=None,
        coins=coins,
        rest=0.0,
        depth=depth,
        estimates=("everything: hypothetical",),
    )
