"""Stage `read`: everything a run needs to know, of one block, in three requests however many tokens and pools there are.

    situation = read(w3, places, keeper=address)

The first request asks Multicall3 at the latest block and tells which block that was; the others are pinned to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3

from offchain.chain import reads
from offchain.chain.artifacts import artifact
from offchain.chain.client import rpc_batch
from offchain.chain.core import Core
from offchain.chain.reads import IndexState
from offchain.errors import ChainError, NotConnected, UnknownIndex
from offchain.trading.pools import Pool, V2Pool, V3Pool, known_range, ticks_of_word, words_around

if TYPE_CHECKING:
    from offchain.devnet import Devnet

SPACING = {100: 1, 500: 10, 3000: 60, 10000: 200}  # {1e-6} → ticks, as Uniswap V3's factory has them


@dataclass(frozen=True, kw_only=True)
class TokenPlace:
    """A coin of the market as a token of the chain."""

    id: str
    symbol: str
    address: str
    decimals: int


@dataclass(frozen=True, kw_only=True)
class PoolPlace:
    """A pool the keeper may use. `fee` {1e-6}."""

    kind: str
    address: str
    fee: int
    token0: str
    token1: str


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
        tokens, pools = [], {}
        for coin, facts in sorted(cast("Mapping[str, Mapping[str, object]]", manifest["tokens"]).items()):
            tokens.append(
                TokenPlace(
                    id=coin,
                    symbol=str(facts["symbol"]),
                    address=str(facts["address"]),
                    decimals=int(str(facts["decimals"])),
                )
            )
            for pool in cast("Sequence[Mapping[str, object]]", facts["pools"]):
                place = PoolPlace(
                    kind=str(pool["kind"]),
                    address=str(pool["address"]),
                    fee=int(str(pool["fee"])),
                    token0=str(pool["token0"]),
                    token1=str(pool["token1"]),
                )
                pools[place.address] = place
        weth = str(cast("Mapping[str, object]", manifest["contracts"])["weth"])
        return cls(core=core, index=index, tokens=tuple(tokens), pools=tuple(pools.values()), weth=weth)

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
    """One block. `coins` and `pools` by address; `nonce` and `balance` {wei} of the keeper; `base_fee` {wei/gas}."""

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
    number, answers = _aggregate(w3, places.core.multicall3, first, "latest")
    state = _state(answers[0], places)
    prices = [int(price) for price in decode(["uint256[]"], answers[1])[0]] if answers[1] else [0] * len(places.tokens)
    balance = _word(answers[2])
    per_token = answers[3 : 3 + 3 * len(places.tokens)]
    per_pool = answers[3 + 3 * len(places.tokens) :]

    words, partial = _open_pools(places.pools, per_pool)
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
    )


# --- request one ------------------------------------------------------------------------------------------------------


def _first_calls(places: Places, keeper: str) -> list[tuple[str, bytes]]:
    core, index = places.core, places.index
    tokens = [token.address for token in places.tokens]
    calls = [
        (core.lens, _call("stateOf(address)", index)),
        (core.lens, _selector("pricesOf(address,address[])") + encode(["address", "address[]"], [core.oracle, tokens])),
        (core.multicall3, _call("getEthBalance(address)", keeper)),
    ]
    for token in tokens:
        calls.append((core.oracle, _call("feedOf(address)", token)))
        calls.append((core.rebalancer, _call("isAllowed(address,address)", index, token)))
        calls.append((core.rebalancer, _call("targetOf(address,address)", index, token)))
    for pool in places.pools:
        if pool.kind == "v3":
            calls += [(pool.address, _selector("slot0()")), (pool.address, _selector("liquidity()"))]
        else:
            calls.append((pool.address, _selector("getReserves()")))
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


def _open_pools(places: Sequence[PoolPlace], answers: Sequence[bytes]) -> tuple[dict[str, range], dict[str, Pool]]:
    """The bitmap words still to be read of each V3 pool, and all pools that exist, without ticks."""
    words: dict[str, range] = {}
    pools: dict[str, Pool] = {}
    rest = iter(answers)
    for place in places:
        if place.kind == "v2":
            if answer := next(rest):
                reserve0, reserve1 = _word(answer), _word(answer[32:])
                pools[place.address] = V2Pool(
                    address=place.address,
                    token0=place.token0,
                    token1=place.token1,
                    reserve0=reserve0,
                    reserve1=reserve1,
                )
            continue
        slot0, liquidity = next(rest), next(rest)
        if not slot0 or _word(slot0) == 0 or place.fee not in SPACING:
            continue
        tick = int.from_bytes(slot0[32:64], signed=True)
        words[place.address] = words_around(tick, SPACING[place.fee])
        first, last = known_range(words[place.address], SPACING[place.fee])
        pools[place.address] = V3Pool(
            address=place.address,
            token0=place.token0,
            token1=place.token1,
            fee=place.fee,
            spacing=SPACING[place.fee],
            sqrt_price=_word(slot0),
            tick=tick,
            liquidity=_word(liquidity),
            first=first,
            last=last,
        )
    return words, pools


# --- requests two and three -------------------------------------------------------------------------------------------


def _second_request(
    w3: Web3, places: Places, keeper: str, number: int, words: Mapping[str, range], pools: dict[str, Pool]
) -> tuple[Mapping[str, object], int, int, dict[str, Pool]]:
    """Block header, chain id, nonce, and the pools with the ticks around their prices."""
    calls = [
        (address, _selector("tickBitmap(int16)") + encode(["int16"], [word]))
        for address, span in words.items()
        for word in span
    ]
    header, chain, count, bitmaps = rpc_batch(
        w3,
        [
            ("eth_getBlockByNumber", [hex(number), False]),
            ("eth_chainId", []),
            ("eth_getTransactionCount", [keeper, "latest"]),
            ("eth_call", [_aggregate_request(places.core.multicall3, calls), hex(number)]),
        ],
    )
    if header is None or chain is None or count is None:
        raise NotConnected(f"block {number} is gone: the chain was reorganised, or the node lags; run again")
    ticks = _named_ticks(words, pools, _results(str(bitmaps))[1])
    if ticks:
        pools = _with_ticks(w3, places.core.multicall3, pools, ticks, number)
    return cast("Mapping[str, object]", header), int(str(chain), 16), int(str(count), 16), pools


def _named_ticks(
    words: Mapping[str, range], pools: Mapping[str, Pool], answers: Sequence[bytes]
) -> list[tuple[str, int]]:
    rest = iter(answers)
    found = []
    for address, span in words.items():
        for word in span:
            bitmap = _word(next(rest))
            found += [(address, tick) for tick in ticks_of_word(word, bitmap, cast(V3Pool, pools[address]).spacing)]
    return found


def _with_ticks(
    w3: Web3, multicall: str, pools: Mapping[str, Pool], ticks: Sequence[tuple[str, int]], number: int
) -> dict[str, Pool]:
    calls = [(address, _selector("ticks(int24)") + encode(["int24"], [tick])) for address, tick in ticks]
    _, answers = _aggregate(w3, multicall, calls, hex(number))
    net: dict[str, dict[int, int]] = {}
    for (address, tick), answer in zip(ticks, answers, strict=True):
        net.setdefault(address, {})[tick] = int.from_bytes(answer[32:64], signed=True)
    return {
        address: _replace_net(cast(V3Pool, pool), net[address]) if address in net else pool
        for address, pool in pools.items()
    }


def _replace_net(pool: V3Pool, net: Mapping[int, int]) -> V3Pool:
    return V3Pool(
        address=pool.address,
        token0=pool.token0,
        token1=pool.token1,
        fee=pool.fee,
        spacing=pool.spacing,
        sqrt_price=pool.sqrt_price,
        tick=pool.tick,
        liquidity=pool.liquidity,
        first=pool.first,
        last=pool.last,
        net=net,
    )


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
            has_feed=_word(feed) != 0,
            is_allowed=_word(allowed) != 0,
            last_trade_at=_word(target[32:]) if target else 0,
            has_pool=token.address in traded,
        )
    return coins


# --- calls ------------------------------------------------------------------------------------------------------------


def _aggregate(w3: Web3, multicall: str, calls: Sequence[tuple[str, bytes]], block: str) -> tuple[int, list[bytes]]:
    """Block number and the answer of each call; empty where a call failed or nothing is there."""
    (answer,) = rpc_batch(w3, [("eth_call", [_aggregate_request(multicall, calls), block])])
    return _results(str(answer))


def call_many(w3: Web3, multicall: str, calls: Sequence[tuple[str, str]]) -> list[bytes]:
    """The answers of (address, signature without arguments) in one request; empty where a call failed."""
    if not calls:
        return []
    return _aggregate(w3, multicall, [(address, _selector(name)) for address, name in calls], "latest")[1]


def _aggregate_request(multicall: str, calls: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    data = _selector("tryBlockAndAggregate(bool,(address,bytes)[])") + encode(
        ["bool", "(address,bytes)[]"], [False, list(calls)]
    )
    return {"to": multicall, "data": "0x" + data.hex()}


def _results(answer: str) -> tuple[int, list[bytes]]:
    if not answer.startswith("0x"):
        raise NotConnected(
            f"the node answered eth_call with {answer[:20]!r}; it lags or is overloaded: try another one"
        )
    data = bytes.fromhex(answer[2:])
    if not data:
        raise ChainError("Multicall3 is not on this chain; the keeper reads through it")
    number, _, results = decode(["uint256", "bytes32", "(bool,bytes)[]"], data)
    return int(number), [answer if ok else b"" for ok, answer in results]


def _call(signature: str, *addresses: str) -> bytes:
    return _selector(signature) + encode(["address"] * len(addresses), list(addresses))


def _selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def _word(data: bytes) -> int:
    return int.from_bytes(data[:32])
