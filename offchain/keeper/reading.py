"""Stage `read`: everything a run needs to know, of one block, in three requests however many tokens and pools there are,
and a fourth where a registry binds the plans.

    situation = read(w3, places, keeper=address)

The first request asks Multicall3 at the latest block and tells which block that was; the others are pinned to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import ContractLogicError

from offchain.chain import reads
from offchain.chain.artifacts import artifact
from offchain.chain.client import rpc_batch
from offchain.chain.core import Core
from offchain.chain.pools import (
    PoolPlace,
    aggregate,
    aggregate_request,
    bitmap_calls,
    call,
    named_ticks,
    open_pools,
    places_of,
    pool_calls,
    results_of,
    with_ticks,
    word_of,
)
from offchain.chain.reads import IndexState
from offchain.chain.transactions import at
from offchain.errors import ChainError, NotConnected, UnknownIndex
from offchain.trading.pools import Pool

if TYPE_CHECKING:
    from offchain.devnet import Devnet


@dataclass(frozen=True, kw_only=True)
class TokenPlace:
    """A coin of the market as a token of the chain."""

    id: str
    symbol: str
    address: str
    decimals: int


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where an index, its core, and the market's tokens and pools are. `weth`: whose price gas is paid in."""

    core: Core
    index: str
    tokens: tuple[TokenPlace, ...]
    pools: tuple[PoolPlace, ...]
    weth: str

    @classmethod
    def of_manifest(cls, core: Core, index: str, manifest: Mapping[str, object]) -> Places:
        """From the market.json of a chain."""
        tokens = []
        for coin, facts in sorted(cast("Mapping[str, Mapping[str, object]]", manifest["tokens"]).items()):
            tokens.append(
                TokenPlace(
                    id=coin,
                    symbol=str(facts["symbol"]),
                    address=str(facts["address"]),
                    decimals=int(str(facts["decimals"])),
                )
            )
        weth = str(cast("Mapping[str, object]", manifest["contracts"])["weth"])
        return cls(core=core, index=index, tokens=tuple(tokens), pools=places_of(manifest), weth=weth)

    @classmethod
    def of_world(cls, core: Core, index: str, world: Devnet) -> Places:
        """From a local market."""
        return cls.of_manifest(core, index, world.manifest())


@dataclass(frozen=True, kw_only=True)
class Coin:
    """A token as the chain sees it at the block. `price` D27{nUSD/tok}, 0 if there is none; `last_trade_at` {s}."""

    id: str
    symbol: str
    address: str
    decimals: int
    price: int
    has_feed: bool
    is_allowed: bool
    last_trade_at: int
    has_pool: bool

    @property
    def is_tradable(self) -> bool:
        """Whether the index may hold it: it has a feed, a pool, and the governor's consent."""
        return self.has_feed and self.is_allowed and self.has_pool


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One block. `coins` and `pools` by address; `nonce` and `balance` {wei} of the keeper; `base_fee` {wei/gas}.

    `executed`: {token: D18}, the weights that the index's plans are bound to; None when no registry binds them.
    """

    chain_id: int
    block: int
    block_hash: str
    time: int
    base_fee: int
    state: IndexState
    coins: Mapping[str, Coin]
    pools: Mapping[str, Pool]
    keeper: str
    nonce: int
    balance: int
    ether_price: int
    executed: Mapping[str, int] | None = None

    @property
    def held(self) -> tuple[str, ...]:
        """Ids of what the index holds, in mask order; tokens the market does not know are left out."""
        return tuple(
            self.coins[item.token].id for item in self.state.components if item.available and item.token in self.coins
        )

    @property
    def tradable(self) -> tuple[str, ...]:
        """Ids of what the index may hold."""
        return tuple(sorted(coin.id for coin in self.coins.values() if coin.is_tradable))

    def address_of(self, coin_id: str) -> str:
        """The token of a coin."""
        for coin in self.coins.values():
            if coin.id == coin_id:
                return coin.address
        raise ChainError(f"{coin_id} has no token on chain {self.chain_id}; list it in market.json")


def read(w3: Web3, places: Places, *, keeper: str) -> Situation:
    """Stage `read`. Raises UnknownIndex or ChainError."""
    first = _first_calls(places, keeper)
    number, answers = aggregate(w3, places.core.multicall3, first, "latest")
    state = _state(answers[0], places)
    prices = [int(price) for price in decode(["uint256[]"], answers[1])[0]] if answers[1] else [0] * len(places.tokens)
    balance = word_of(answers[2])
    source = to_checksum_address(answers[3][12:32])
    per_token = answers[4 : 4 + 3 * len(places.tokens)]
    per_pool = answers[4 + 3 * len(places.tokens) :]

    words, partial = open_pools(places.pools, per_pool)
    block, chain_id, nonce, pools = _second_request(w3, places, keeper, number, words, partial)
    coins = _coins(places, prices, per_token, pools)
    return Situation(
        chain_id=chain_id,
        block=number,
        block_hash=str(block["hash"]),
        time=int(str(block["timestamp"]), 16),
        base_fee=int(str(block.get("baseFeePerGas") or "0x0"), 16),
        state=state,
        coins=coins,
        pools=pools,
        keeper=keeper,
        nonce=nonce,
        balance=balance,
        ether_price=coins[places.weth].price if places.weth in coins else 0,
        executed=_executed(w3, places, source, {*coins, *(item.token for item in state.components)}, number),
    )


# --- request one ------------------------------------------------------------------------------------------------------


def _first_calls(places: Places, keeper: str) -> list[tuple[str, bytes]]:
    core, index = places.core, places.index
    tokens = [token.address for token in places.tokens]
    calls = [
        (core.lens, call("stateOf(address)", index)),
        reads.prices_call(core, tokens),
        (core.multicall3, call("getEthBalance(address)", keeper)),
        (core.rebalancer, call("weightSourceOf(address)", index)),
    ]
    for token in tokens:
        calls.append((core.oracle, call("feedOf(address)", token)))
        calls.append((core.rebalancer, call("isAllowed(address,address)", index, token)))
        calls.append((core.rebalancer, call("targetOf(address,address)", index, token)))
    calls += pool_calls(places.pools)
    return calls


def _state(answer: bytes, places: Places) -> IndexState:
    if not answer:
        raise UnknownIndex(
            f"{places.index} cannot be read as an index of chain {places.core.chain_id}; check address and chain"
        )
    entry = next(item for item in artifact("IIndexLens").abi if item.get("name") == "stateOf")
    components = entry["outputs"][0]["components"]  # type: ignore[index]
    values = decode([_abi_type(components)], answer)[0]
    return reads._struct(IndexState, cast("tuple[object, ...]", _checksummed(values)), components)


def _abi_type(components: Iterable[Mapping[str, object]]) -> str:
    parts = []
    for item in components:
        kind = str(item["type"])
        if kind.startswith("tuple"):
            kind = _abi_type(cast("Iterable[Mapping[str, object]]", item["components"])) + kind[5:]
        parts.append(kind)
    return f"({','.join(parts)})"


def _checksummed(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_checksummed(item) for item in value)
    if isinstance(value, str) and len(value) == 42 and value.startswith("0x"):
        return to_checksum_address(value)
    return value


# --- requests two and three -------------------------------------------------------------------------------------------


def _second_request(
    w3: Web3, places: Places, keeper: str, number: int, words: Mapping[str, range], pools: dict[str, Pool]
) -> tuple[Mapping[str, object], int, int, dict[str, Pool]]:
    """Block header, chain id, nonce, and the pools with the ticks around their prices."""
    header, chain, count, bitmaps = rpc_batch(
        w3,
        [
            ("eth_getBlockByNumber", [hex(number), False]),
            ("eth_chainId", []),
            ("eth_getTransactionCount", [keeper, "latest"]),
            ("eth_call", [aggregate_request(places.core.multicall3, bitmap_calls(words)), hex(number)]),
        ],
    )
    if header is None or chain is None or count is None:
        raise NotConnected(f"block {number} is gone: the chain was reorganised, or the node lags; run again")
    ticks = named_ticks(words, pools, results_of(str(bitmaps))[1])
    if ticks:
        pools = with_ticks(w3, places.core.multicall3, pools, ticks, number)
    return cast("Mapping[str, object]", header), int(str(chain), 16), int(str(count), 16), pools


def _coins(
    places: Places, prices: Sequence[int], answers: Sequence[bytes], pools: Mapping[str, Pool]
) -> dict[str, Coin]:
    traded = {token for pool in pools.values() for token in (pool.token0, pool.token1)}
    coins = {}
    for position, (token, price) in enumerate(zip(places.tokens, prices, strict=True)):
        feed, allowed, target = answers[3 * position : 3 * position + 3]
        coins[token.address] = Coin(
            id=token.id,
            symbol=token.symbol,
            address=token.address,
            decimals=token.decimals,
            price=price,
            has_feed=word_of(feed) != 0,
            is_allowed=word_of(allowed) != 0,
            last_trade_at=word_of(target[32:]) if target else 0,
            has_pool=token.address in traded,
        )
    return coins


# --- weights that bind ------------------------------------------------------------------------------------------------


def _executed(w3: Web3, places: Places, source: str, tokens: Collection[str], block: int) -> dict[str, int] | None:
    """{token: D18} of the executed epoch; one request, and none where plans are free."""
    if not int(source, 16):
        return None
    asked = sorted(tokens)
    registry = at(w3, artifact("IWeightSource"), source)
    try:
        weights = registry.functions.weightsOf(places.index, asked).call(block_identifier=block)
    except ContractLogicError as error:
        raise ChainError(
            f"plans of {places.index} are bound to the weights of {source}, which has executed none for it ({error}); "
            "register the index there, or let its governor unbind it"
        ) from error
    return {token: int(weight) for token, weight in zip(asked, weights, strict=True) if weight}


# --- calls ------------------------------------------------------------------------------------------------------------
