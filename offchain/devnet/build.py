"""How a local market is put on a fresh node: every contract, token, feed and pool, in four blocks.

The addresses follow from the operator's nonce and from CREATE2, so everything is known before anything is sent, and the
same inputs give the same chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from offchain.chain.artifacts import Artifact, artifact, chainlink_proxy, vendor
from offchain.chain.transactions import Call, require_mined, submit_many
from offchain.devnet.genuine import ZERO, Contracts, place_canonical, v2_pair_address, v3_pool_address
from offchain.devnet.liquidity import LARGE_VOLUME
from offchain.devnet.listing import (
    FEED_DECIMALS,
    LARGE_COIN_FEE,
    MAKER_ETHER,
    SMALL_FEED_DECIMALS,
    SMALL_PRICE,
    WETH_USDC_FEE,
    Pool,
    Token,
    dollar,
)
from offchain.devnet.node import LocalNode
from offchain.devnet.quotes import USDC_ID, WETH_ID, Quote, read_quotes, require_known, to_date, to_seconds, token_facts
from offchain.errors import ChainError

if TYPE_CHECKING:
    from offchain.market import Market

V2_FEE = 3000  # {1e-6}
NAMES = {WETH_ID: "Wrapped Ether", USDC_ID: "USD Coin"}


class _Deployments:
    """A queue of deployments whose addresses are known at once."""

    def __init__(self, w3: Web3, operator: str) -> None:
        self._w3 = w3
        self._operator = operator
        self._nonce = w3.eth.get_transaction_count(w3.to_checksum_address(operator))
        self.calls: list[tuple[Call, int]] = []

    def add(self, contract: Artifact, *args: object) -> str:
        """Queues a deployment and returns where the contract will be."""
        call = self._w3.eth.contract(abi=contract.abi, bytecode=contract.bytecode).constructor(*args)
        # 200 gas a byte of code, 16 a byte of calldata, and room for the constructor
        gas = 400_000 + 230 * (len(contract.bytecode) // 2)
        address = to_checksum_address(
            keccak(rlp.encode([bytes.fromhex(self._operator[2:]), self._nonce + len(self.calls)]))[12:]
        )
        self.calls.append((call, gas))
        return address


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What is deployed before anything is traded: contracts, tokens by coin id, and the quotes of `first` {s}."""

    contracts: Contracts
    tokens: dict[str, Token]
    quotes: dict[str, Quote]
    first: int
    operator: str


def place(node: LocalNode, market: Market, *, start: object, coins: Sequence[str]) -> Placed:
    """Deploys contracts, tokens and feeds on a fresh node that is earlier than `start`; the pools open later."""
    w3, first = node.w3, to_seconds(start)
    if node.timestamp >= first:
        raise ChainError(
            f"the node is at {to_date(node.timestamp)} already; start it with timestamp=Devnet.genesis({to_date(first)!r})"
        )
    wanted = sorted({*coins, WETH_ID, USDC_ID})
    require_known(market, [coin for coin in wanted if coin != USDC_ID])
    quotes = read_quotes(market, wanted, until=first)
    if WETH_ID not in quotes:
        raise ChainError(
            f"the market has no price of {WETH_ID!r} at {to_date(first)}, and every pool needs WETH; choose a later date"
        )
    quotes.setdefault(USDC_ID, dollar(first))

    operator = node.accounts[-1]
    place_canonical(node, w3.eth.chain_id)
    queue = _Deployments(w3, operator)
    contracts = _deploy_genuine(queue, operator)
    node.set_balance(contracts.market_maker, MAKER_ETHER)
    tokens = _deploy_tokens(queue, market, wanted, contracts, quotes, first)
    with node.one_block():
        hashes = submit_many(w3, operator, queue.calls)
    require_mined(w3, hashes)

    return Placed(contracts=contracts, tokens=tokens, quotes=quotes, first=first, operator=operator)


def _deploy_genuine(queue: _Deployments, operator: str) -> Contracts:
    weth = queue.add(vendor("WETH9"))
    v2_factory = queue.add(vendor("UniswapV2Factory"), operator)
    v3_factory = queue.add(vendor("UniswapV3Factory"))
    v3_positions = queue.add(vendor("NonfungiblePositionManager"), v3_factory, weth, ZERO)
    maker = queue.add(artifact("MarketMaker"), operator, weth, v2_factory, v3_factory)
    return Contracts(
        weth=weth,
        usdc=queue.add(artifact("TestToken"), NAMES[USDC_ID], "USDC", 6, maker),
        v2_factory=v2_factory,
        v2_router=queue.add(vendor("UniswapV2Router02"), v2_factory, weth),
        v3_factory=v3_factory,
        v3_router=queue.add(vendor("SwapRouter"), v3_factory, weth),
        v3_router02=queue.add(vendor("SwapRouter02"), v2_factory, v3_factory, v3_positions, weth),
        v3_quoter=queue.add(vendor("QuoterV2"), v3_factory, weth),
        v3_positions=v3_positions,
        market_maker=maker,
    )


def _deploy_tokens(
    queue: _Deployments,
    market: Market,
    coins: Sequence[str],
    contracts: Contracts,
    quotes: dict[str, Quote],
    first: int,
) -> dict[str, Token]:
    later = read_quotes(market, [coin for coin in coins if coin not in quotes], until=2**40)
    tokens = {}
    for coin in coins:
        if coin == WETH_ID:
            address, symbol, decimals = contracts.weth, "WETH", 18
        elif coin == USDC_ID:
            address, symbol, decimals = contracts.usdc, "USDC", 6
        else:
            symbol, decimals = token_facts(market, coin)
            address = queue.add(
                artifact("TestToken"), coin.replace("-", " ").title(), symbol, decimals, contracts.market_maker
            )
        price = (quotes.get(coin) or later.get(coin) or dollar(first)).price
        feed_decimals = SMALL_FEED_DECIMALS if price < SMALL_PRICE else FEED_DECIMALS
        underlying = {"WETH": "ETH", "WBTC": "BTC"}.get(symbol, symbol)
        aggregator = queue.add(artifact("MockAggregator"), feed_decimals, f"{underlying} / USD", contracts.market_maker)
        tokens[coin] = Token(
            id=coin,
            address=address,
            symbol=symbol,
            decimals=decimals,
            feed=queue.add(chainlink_proxy(), aggregator, ZERO),
            feed_decimals=feed_decimals,
            aggregator=aggregator,
            pools=_pools(coin, address, contracts, quotes.get(coin)),
        )
    return tokens


def _pools(coin: str, address: str, contracts: Contracts, quote: Quote | None) -> tuple[Pool, ...]:
    """WETH trades against USDC on both; a large coin on V3 against USDC and on V2 against WETH; the others on V2 only."""
    if coin == USDC_ID:
        return ()
    if coin == WETH_ID:
        return (_v3(contracts, address, contracts.usdc, WETH_USDC_FEE), _v2(contracts, address, contracts.usdc))
    pair = _v2(contracts, address, contracts.weth)
    if quote is not None and quote.volume >= LARGE_VOLUME:
        return (_v3(contracts, address, contracts.usdc, LARGE_COIN_FEE), pair)
    return (pair,)


def _v2(contracts: Contracts, token_a: str, token_b: str) -> Pool:
    token0, token1 = sorted((token_a, token_b), key=str.lower)
    address = v2_pair_address(contracts.v2_factory, token0, token1)
    return Pool(kind="v2", address=address, fee=V2_FEE, token0=token0, token1=token1)


def _v3(contracts: Contracts, token_a: str, token_b: str, fee: int) -> Pool:
    token0, token1 = sorted((token_a, token_b), key=str.lower)
    address = v3_pool_address(contracts.v3_factory, token0, token1, fee)
    return Pool(kind="v3", address=address, fee=fee, token0=token0, token1=token1)
