"""What kind of thing a coin is: money that stands still, a copy of another coin, a receipt, a leveraged bet, a metal.

Three witnesses, in this order: its tags, how its price behaved over 30 days, and the shape of its id and symbol. Data
sources disagree about tags and often have none, so the other two must do on their own.
"""

from __future__ import annotations

import re
from functools import lru_cache

from offchain.market.snapshot import CoinFacts

TAGS = {
    "stablecoin": "stablecoin",
    "stablecoins": "stablecoin",
    "wrapped": "wrapped",
    "wrapped-tokens": "wrapped",
    "bridged-tokens": "wrapped",
    "receipt": "receipt",
    "liquid-staking-tokens": "receipt",
    "leveraged": "leveraged",
    "leveraged-token": "leveraged",
    "commodity": "commodity",
    "tokenized-gold": "commodity",
}

# own coins whose names look like something else
NOT_WHAT_THEY_SEEM = frozenset(
    {
        "compound-governance-token", "compound-coin", "aave", "aavegotchi", "bitcoin-gold", "adventure-gold", "goldcoin",
        "hi-dollar", "xdai-stake", "stake-dao", "rocket-pool", "oxbitcoin", "venus-reward-token", "defidollar-dao",
        "usdex", "pepegold", "palgold", "hollygold", "bull-coin", "cryptobulls-token", "oxbull-tech",
    }
)  # fmt: skip

_NAMED: dict[str, frozenset[str]] = {
    "stablecoin": frozenset(
        {
            "tether", "usd-coin", "dai", "sai", "neutrino", "frax", "reserve", "vai", "husd", "magic-internet-money",
            "fei-protocol", "float-protocol-float", "rai", "bitcny", "xsgd", "saud", "terra-krw", "qcash", "xidr", "gyen",
            "par-stablecoin", "paxos-standard", "usdk", "zusd", "gho", "ethena-usde", "first-digital-usd", "paypal-usd",
            "crvusd", "dola-usd", "bean", "empty-set-dollar", "dynamic-set-dollar", "bitusd", "arth",
        }
    ),
    "wrapped": frozenset(
        {
            "hbtc-token", "huobi-btc", "renbtc", "tbtc", "sbtc", "seth", "ptokens-btc", "boringdao-btc", "mstable-btc",
            "weth", "wbnb", "cbbtc", "lombard-staked-btc", "bitcoin-avalanche-bridged-btc-b", "imbtc",
        }
    ),
    "receipt": frozenset(
        {
            "cdai", "chai", "xsushi", "staked-ether", "cream-eth2", "interest-bearing-bitcoin", "msol", "rocket-pool-eth",
            "frax-ether", "benqi-liquid-staked-avax", "savings-dai", "ankreth", "stakewise-v3-oseth", "aeth",
        }
    ),
    "leveraged": frozenset(),
    "commodity": frozenset(
        {"pax-gold", "tether-gold", "digix-gold", "cache-gold", "perth-mint-gold-token", "xaurum", "wrapped-dgld", "kinesis-gold"}
    ),
}  # fmt: skip

_ID_SHAPES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("leveraged", re.compile(r"(^|-)\d+(\.\d+)?x-(long|short|flexible|leverage)|leverage-index|(^|-)[2345]x-"), "a multiple"),
    ("leveraged", re.compile(r"-(bull|bear|hedge|half)-token$|(^|-)(long|short)-.*-token$"), "a leveraged token"),
    ("receipt", re.compile(r"^compound-|^aave-(?!token)|^venus-|^iron-bank-|(^|-)(re)?staked-|(^|-)yvault|(^|-)lp(-|$)"), "a receipt"),
    ("receipt", re.compile(r"interest-bearing|(^|-)savings-"), "a receipt"),
    ("wrapped", re.compile(r"(^|-)(wrapped|bridged|mapped|pegged|mirrored|synthetic|ptokens|wormhole|multichain)(-|$)"), "a copy"),
    ("wrapped", re.compile(r"^(binance-peg|heco-peg|bep2|bep20|sol-wormhole)-|-(bep2|bep20|erc20|trc20|heco|bsc)$"), "a copy"),
    ("wrapped", re.compile(r"^[a-z0-9]+(-[a-z0-9]+)*-(btc|eth)$"), "a copy"),
    ("stablecoin", re.compile(r"(^|-)([a-z]{0,6}usd[a-z]?|[a-z]?eur[a-z]?|euro|krw|gbp|jpy|cny|dollars?)(-|$)"), "a currency"),
)  # fmt: skip

_MAJORS = (
    "BTC|ETH|BNB|ADA|XRP|LTC|LINK|DOT|EOS|TRX|UNI|SUSHI|XTZ|FIL|BCH|BSV|YFI|XLM|AAVE|1INCH|SXP|SOL|DOGE|MATIC|AVAX"
)
_LEVERAGED_SYMBOL = re.compile(rf"^({_MAJORS})?(BULL|BEAR|HALF|HEDGE)$|^({_MAJORS})(UP|DOWN|[2345][LS])$")


def classify(coin: CoinFacts) -> dict[str, str]:
    """{class: why}, empty for an ordinary coin. The classes are `spec.model.CLASSES`."""
    found: dict[str, str] = {}
    for tag in coin.tags:
        if tag in TAGS:
            found.setdefault(TAGS[tag], f'tagged "{tag}"')
    found = found | {kind: why for kind, why in _by_behaviour(coin).items() if kind not in found}
    if coin.id in NOT_WHAT_THEY_SEEM:
        return found
    return found | {kind: why for kind, why in _by_name(coin.id, coin.symbol).items() if kind not in found}


def _by_behaviour(coin: CoinFacts) -> dict[str, str]:
    if coin.tracks is None:
        return {}
    if coin.tracks == "usd":
        return {"stablecoin": "its price stayed within 2 % of 1 USD for 30 days"}
    if coin.tracks == "flat":
        return {"stablecoin": "its price hardly moved for 30 days"}
    return {"wrapped": f"its price was that of {coin.tracks} for 30 days"}


@lru_cache(maxsize=100_000)
def _by_name(coin_id: str, symbol: str) -> dict[str, str]:
    found = {kind: f"{coin_id} is known as one" for kind, ids in _NAMED.items() if coin_id in ids}
    for kind, shape, what in _ID_SHAPES:
        if shape.search(coin_id):
            found.setdefault(kind, f"its id reads as {what}")
    if _LEVERAGED_SYMBOL.match(symbol):
        found.setdefault("leveraged", f"its symbol {symbol} reads as a leveraged token")
    return found
