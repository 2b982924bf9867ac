"""Which market an index is decided on: the one that drives the local chain, a file, or CoinGecko.

The deployment, the keeper and the local market ask here, so that they all look at the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from web3 import Web3

from offchain import rebalance, risk, signals, universe, weights
from offchain.chain.artifacts import ROOT
from offchain.chain.deployments import MARKET_FILE, StaleDeployment, deployments_folder, shown
from offchain.errors import ChainError
from offchain.market import Market, load_market, synthetic_market
from offchain.spec.model import IndexSpec

MARKET_VARIABLE = "MARKET"
SYNTHETIC = "synthetic"
CACHE = ROOT / ".cache" / "coingecko"
MARGIN_DAYS = 30  # of history more than the rules look back
COINGECKO_DAYS = 365  # what its free plan gives


def local_manifest(w3: Web3) -> dict[str, Any]:
    """What `make chain` wrote about the market on this node. Raises ChainError when there is none, or it is of another."""
    path = deployments_folder(w3.eth.chain_id) / MARKET_FILE
    remedy = "start a local market with `make chain` in another terminal and add --network devnet"
    if not path.exists():
        raise ChainError(f"there is no market on this local chain (no {shown(path)}); {remedy}")
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    maker = Web3.to_checksum_address(manifest["contracts"]["market_maker"])
    if not w3.eth.get_code(maker):
        raise StaleDeployment(f"{shown(path)} describes a market that this node does not have; {remedy}")
    return manifest


def local_market(manifest: Mapping[str, Any]) -> Market:
    """The market that drives a local chain."""
    return read_market(str(manifest["market"]))


def read_market(source: str) -> Market:
    """The shipped synthetic market by its name, else the market in a file or folder."""
    return synthetic_market() if source == SYNTHETIC else load_market(Path(source))


def live_market(spec: IndexSpec, coins: Iterable[str]) -> tuple[Market, str]:
    """Market data of coins for a live chain, and where it is from: the file or folder in MARKET, else CoinGecko."""
    if file := os.environ.get(MARKET_VARIABLE):
        return load_market(file), file
    from offchain.market.coingecko import CoinGecko

    return CoinGecko(cache=CACHE).market(ids=list(coins), days=min(history_days(spec), COINGECKO_DAYS)), "CoinGecko"


def history_days(spec: IndexSpec) -> int:
    """How many days of market a decision of this index looks back on, with a margin."""
    back = universe.needs(spec.universe) | weights.needs(spec.weights) | risk.needs(spec.risk)
    back |= signals.needs(spec.signals) | rebalance.needs(spec.rebalance)
    if "emergency" in spec.rebalance.triggers:
        back |= universe.monitor_needs(spec.universe)
    whole = COINGECKO_DAYS if risk.uses_levels(spec.risk) else 0  # its own levels go back to its first day
    return max(whole, spec.universe.min_age_days, spec.universe.volume_days, back.days) + MARGIN_DAYS
