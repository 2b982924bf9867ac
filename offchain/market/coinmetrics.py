"""Coin Metrics' names and ours: metrics and assets, for its files and for its API.

A Coin Metrics row of day D covers D from 00:00 to 24:00 UTC, and its prices are the closing ones, so it is the row of
the next midnight here: nothing in it was known before.
"""

from __future__ import annotations

from datetime import timedelta

# how much later than the date that Coin Metrics writes a row is known
SHIFT = timedelta(days=1)

# metric → field of fields.py; the units are the same
METRICS = {
    "PriceUSD": "price",
    "CapMrktCurUSD": "market_cap",
    "SplyCur": "supply",
    "SplyFF": "free_float",
    "AdrActCnt": "active_addresses",
    "TxCnt": "transactions",
    "TxTfrCnt": "transfers",
    "TxTfrValAdjUSD": "transfer_value",
    "FeeTotUSD": "fees_paid",
    "NVTAdj": "nvt",
    "CapMVRVCur": "mvrv",
    "CapRealUSD": "realized_cap",
    "HashRate": "hash_rate",
    "IssContPctAnn": "issuance",
    "FlowInExUSD": "exchange_inflow",
    "FlowOutExUSD": "exchange_outflow",
}

# asset → id; an asset that is not here keeps its own name
ASSETS = {
    "ada": "cardano", "ant": "aragon", "bat": "basic-attention-token", "bch": "bitcoin-cash", "bnb": "binancecoin",
    "bsv": "bitcoin-cash-sv", "btc": "bitcoin", "btg": "bitcoin-gold", "busd": "binance-usd", "cro": "crypto-com-chain",
    "cvc": "civic", "dai": "dai", "dash": "dash", "dcr": "decred", "dgb": "digibyte", "doge": "dogecoin",
    "drgn": "dragonchain", "elf": "aelf", "eng": "enigma", "eos": "eos", "etc": "ethereum-classic", "eth": "ethereum",
    "ethos": "ethos", "ftt": "ftx-token", "fun": "funfair", "gas": "gas", "gno": "gnosis", "gnt": "golem", "grin": "grin",
    "gusd": "gemini-dollar", "ht": "huobi-token", "husd": "husd", "kcs": "kucoin-shares", "knc": "kyber-network",
    "leo_eth": "leo-token", "link": "chainlink", "loom": "loom-network", "lsk": "lisk", "ltc": "litecoin",
    "maid": "maidsafecoin", "mana": "decentraland", "mco": "monaco", "mkr": "maker", "neo": "neo", "omg": "omisego",
    "pax": "paxos-standard", "paxg": "pax-gold", "pay": "tenx", "pivx": "pivx", "poly": "polymath", "powr": "power-ledger",
    "ppt": "populous", "qash": "qash", "rep": "augur", "sai": "sai", "snt": "status", "trx": "tron", "tusd": "true-usd",
    "usdc": "usd-coin", "usdk": "usdk", "usdt": "tether", "vtc": "vertcoin", "waves": "waves", "wtc": "waltonchain",
    "xem": "nem", "xlm": "stellar", "xmr": "monero", "xrp": "ripple", "xtz": "tezos", "xvg": "verge", "zec": "zcash",
    "zrx": "0x",
}  # fmt: skip

# the same coin on the chain it lived on before or after; the second fills days on which the first has no price
SAME_COIN = {"bnb_mainnet": "bnb", "eos_eth": "eos", "trx_eth": "trx"}
# one of several chains that a coin lives on at once: neither its price nor its supply is the coin's
PARTS = ("usdt_eth", "usdt_trx", "leo_eos")
