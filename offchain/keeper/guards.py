"""What must hold before anything is signed. A check raises Stop with the outcome, or returns quietly.

Every check has the form "stop unless it is inside", so that a value that is no number stops too.
"""

from __future__ import annotations

from collections.abc import Collection

from web3 import Web3

from offchain.chain.client import chain_name, rpc_batch
from offchain.errors import KeeperError, WrongNetwork
from offchain.keeper.outcomes import Halt, RetryAt, Skip, Stop, time_text
from offchain.keeper.planning import Settings
from offchain.keeper.reading import Places, Situation
from offchain.market.snapshot import MarketSnapshot
from offchain.units import BPS, D27, NANO

STARTING_GAS = 3_000_000  # {gas} what a keeper must be able to pay before it begins


def require_chain(situation: Situation, chain_id: int) -> None:
    """The node is on the chain the index was deployed on."""
    if situation.chain_id != chain_id:
        raise WrongNetwork(
            f"the node is on {chain_name(situation.chain_id)}, the index on {chain_name(chain_id)}; nothing is signed: change the URL"
        )


def require_contracts(w3: Web3, places: Places) -> None:
    """Everything we are about to talk to has code."""
    core = places.core
    addresses = [places.index, core.lens, core.rebalancer, core.guard, core.oracle, core.v2_taker, core.v3_taker]
    codes = rpc_batch(w3, [("eth_getCode", [address, "latest"]) for address in addresses])
    for address, code in zip(addresses, codes, strict=True):
        if len(str(code)) <= 2:
            raise KeeperError(
                f"there is no contract at {address} on {chain_name(core.chain_id)}; deploy it, or check the network"
            )


def require_open(situation: Situation) -> None:
    """The index lives and its exchanges are not paused."""
    state = situation.state
    if state.deprecated:
        raise Stop(Skip(reason=f"{state.symbol} is deprecated: it can only be redeemed"))
    if situation.time < state.exchange_paused_until:
        raise Stop(
            RetryAt(
                time=state.exchange_paused_until,
                reason=f"exchanges are paused until {time_text(state.exchange_paused_until)}",
            )
        )


def require_gas(situation: Situation, settings: Settings) -> None:
    """The keeper can pay for what it starts, and the base fee is below the cap."""
    if not situation.base_fee <= settings.fee_cap:
        raise Stop(
            RetryAt(
                time=situation.time + 600,
                reason=f"the base fee of {situation.base_fee / 1e9:.3g} gwei is above the cap of {settings.fee_cap / 1e9:.3g} gwei",
            )
        )
    need = STARTING_GAS * (situation.base_fee + settings.priority_fee)
    if not situation.balance >= need:
        raise Stop(
            Halt(
                reason=f"the keeper {situation.keeper} holds {situation.balance / 1e18:.6g} ETH and needs {need / 1e18:.6g} for gas; fund it"
            )
        )


def require_prices_agree(
    situation: Situation, snapshot: MarketSnapshot, coins: Collection[str], settings: Settings
) -> None:
    """Oracle and market agree on every coin that will be traded: a wrong price would make the guard blind."""
    by_id = {coin.id: coin for coin in situation.coins.values()}
    apart = []
    for name in sorted(coins):
        coin = by_id[name]
        if coin.price == 0 or name not in snapshot or snapshot[name].price is None:
            continue
        oracle = coin.price * 10**coin.decimals / (D27 * NANO)
        market = float(snapshot[name].price or 0.0)
        deviation = abs(oracle / market - 1) * BPS if market > 0 else float("inf")
        if not deviation <= settings.max_deviation_bps:
            apart.append(f"{coin.symbol}: oracle {oracle:.6g} USD, market {market:.6g} USD")
    if apart:
        raise Stop(
            Halt(
                reason=f"oracle and market are more than {settings.max_deviation_bps} bps apart, nothing is sent: {'; '.join(apart)}"
            )
        )
