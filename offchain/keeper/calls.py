"""The calls a keeper can make, as data: start a plan, auction it, swap, end the plan."""

from __future__ import annotations

from functools import cache

from web3 import Web3
from web3.contract.contract import Contract

from offchain.chain.artifacts import artifact
from offchain.chain.auctions import AuctionTerms, opening
from offchain.keeper.planning import StartPlan
from offchain.keeper.reading import Places
from offchain.trading.plan import Trade


def start_plan(places: Places, start: StartPlan) -> str:
    """Calldata of `Rebalancer.startPlan`."""
    return _rebalancer().encode_abi(
        "startPlan",
        [places.index, start.plan_id, start.version, list(start.additions), list(start.weights), start.duration],
    )


def swap(places: Places, trade: Trade, *, plan_id: int, step: int) -> str:
    """Calldata of `Rebalancer.swap`."""
    taker = places.core.v2_taker if trade.route.kind == "v2" else places.core.v3_taker
    order = (
        places.index,
        plan_id,
        step,
        trade.sell,
        trade.buy,
        trade.sell_amount,
        trade.min_buy,
        trade.route.payee(taker),
        taker,
        trade.route.data,
    )
    return _rebalancer().encode_abi("swap", [order])


def open_auction(places: Places, plan_id: int, auction_id: int, terms: AuctionTerms) -> str:
    """Calldata of `AuctionHouse.openAuction`; the house has an address of its own."""
    return _auction_house().encode_abi("openAuction", list(opening(places.index, plan_id, auction_id, terms)))


def end_plan(places: Places, plan_id: int) -> str:
    """Calldata of `Rebalancer.endPlan`."""
    return _rebalancer().encode_abi("endPlan", [places.index, plan_id])


@cache
def _rebalancer() -> type[Contract]:
    return Web3().eth.contract(abi=artifact("Rebalancer").abi)


@cache
def _auction_house() -> type[Contract]:
    return Web3().eth.contract(abi=artifact("AuctionHouse").abi)
