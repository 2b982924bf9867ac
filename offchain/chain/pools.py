"""The pools of a chain as they are at one block, read through Multicall3 in few requests.

    pools = read_pools(w3, multicall3, places, block="latest")      address → Pool, those that exist

The functions below it are the parts of which the keeper makes the same reads together with its others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak
from web3 import Web3

from offchain.chain.client import rpc_batch
from offchain.errors import ChainError, NotConnected
from offchain.trading.pools import Pool, V2Pool, V3Pool, known_range, ticks_of_word, words_around

SPACING = {100: 1, 500: 10, 3000: 60, 10000: 200}  # {1e-6} → ticks, as Uniswap V3's factory has them


@dataclass(frozen=True, kw_only=True)
class PoolPlace:
    """A pool the keeper may use. `fee` {1e-6}."""

    kind: str
    address: str
    fee: int
    token0: str
    token1: str


def places_of(manifest: Mapping[str, object]) -> tuple[PoolPlace, ...]:
    """The pools that the market.json of a chain names."""
    pools = {}
    for facts in cast("Mapping[str, Mapping[str, object]]", manifest["tokens"]).values():
        for pool in cast("Sequence[Mapping[str, object]]", facts["pools"]):
            place = PoolPlace(
                kind=str(pool["kind"]),
                address=str(pool["address"]),
                fee=int(str(pool["fee"])),
                token0=str(pool["token0"]),
                token1=str(pool["token1"]),
            )
            pools[place.address] = place
    return tuple(pools[address] for address in sorted(pools))


def read_pools(w3: Web3, multicall: str, places: Sequence[PoolPlace]) -> tuple[int, dict[str, Pool]]:
    """The latest block's number, and the pools that exist at it by address."""
    number, answers = aggregate(w3, multicall, pool_calls(places), "latest")
    words, pools = open_pools(places, answers)
    _, bitmaps = aggregate(w3, multicall, bitmap_calls(words), hex(number))
    ticks = named_ticks(words, pools, bitmaps)
    return number, with_ticks(w3, multicall, pools, ticks, number) if ticks else pools


# --- parts ------------------------------------------------------------------------------------------------------------


def pool_calls(places: Sequence[PoolPlace]) -> list[tuple[str, bytes]]:
    """The calls whose answers `open_pools` understands."""
    calls = []
    for pool in places:
        if pool.kind == "v3":
            calls += [(pool.address, selector("slot0()")), (pool.address, selector("liquidity()"))]
        else:
            calls.append((pool.address, selector("getReserves()")))
    return calls


def bitmap_calls(words: Mapping[str, range]) -> list[tuple[str, bytes]]:
    """The calls whose answers `named_ticks` understands."""
    return [
        (address, selector("tickBitmap(int16)") + encode(["int16"], [word]))
        for address, span in words.items()
        for word in span
    ]


def open_pools(places: Sequence[PoolPlace], answers: Sequence[bytes]) -> tuple[dict[str, range], dict[str, Pool]]:
    """The bitmap words still to be read of each V3 pool, and all pools that exist, without ticks."""
    words: dict[str, range] = {}
    pools: dict[str, Pool] = {}
    rest = iter(answers)
    for place in places:
        if place.kind == "v2":
            if answer := next(rest):
                reserve0, reserve1 = word_of(answer), word_of(answer[32:])
                pools[place.address] = V2Pool(
                    address=place.address,
                    token0=place.token0,
                    token1=place.token1,
                    reserve0=reserve0,
                    reserve1=reserve1,
                )
            continue
        slot0, liquidity = next(rest), next(rest)
        if not slot0 or word_of(slot0) == 0 or place.fee not in SPACING:
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
            sqrt_price=word_of(slot0),
            tick=tick,
            liquidity=word_of(liquidity),
            first=first,
            last=last,
        )
    return words, pools


def named_ticks(
    words: Mapping[str, range], pools: Mapping[str, Pool], answers: Sequence[bytes]
) -> list[tuple[str, int]]:
    """The initialised ticks that the bitmaps name, by pool."""
    rest = iter(answers)
    found = []
    for address, span in words.items():
        for word in span:
            bitmap = word_of(next(rest))
            found += [(address, tick) for tick in ticks_of_word(word, bitmap, cast(V3Pool, pools[address]).spacing)]
    return found


def with_ticks(
    w3: Web3, multicall: str, pools: Mapping[str, Pool], ticks: Sequence[tuple[str, int]], number: int
) -> dict[str, Pool]:
    """The pools with the net liquidity of those ticks."""
    calls = [(address, selector("ticks(int24)") + encode(["int24"], [tick])) for address, tick in ticks]
    _, answers = aggregate(w3, multicall, calls, hex(number))
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


# --- calls ------------------------------------------------------------------------------------------------------------


def aggregate(w3: Web3, multicall: str, calls: Sequence[tuple[str, bytes]], block: str) -> tuple[int, list[bytes]]:
    """Block number and the answer of each call; empty where a call failed or nothing is there."""
    (answer,) = rpc_batch(w3, [("eth_call", [aggregate_request(multicall, calls), block])])
    return results_of(str(answer))


def call_many(w3: Web3, multicall: str, calls: Sequence[tuple[str, str]]) -> list[bytes]:
    """The answers of (address, signature without arguments) in one request; empty where a call failed."""
    if not calls:
        return []
    return aggregate(w3, multicall, [(address, selector(name)) for address, name in calls], "latest")[1]


def aggregate_request(multicall: str, calls: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    """The eth_call of many calls, of which some may fail."""
    data = selector("tryBlockAndAggregate(bool,(address,bytes)[])") + encode(
        ["bool", "(address,bytes)[]"], [False, list(calls)]
    )
    return {"to": multicall, "data": "0x" + data.hex()}


def results_of(answer: str) -> tuple[int, list[bytes]]:
    """Block number and the answers."""
    if not answer.startswith("0x"):
        raise NotConnected(
            f"the node answered eth_call with {answer[:20]!r}; it lags or is overloaded: try another one"
        )
    data = bytes.fromhex(answer[2:])
    if not data:
        raise ChainError("Multicall3 is not on this chain; pools are read through it")
    number, _, results = decode(["uint256", "bytes32", "(bool,bytes)[]"], data)
    return int(number), [answer if ok else b"" for ok, answer in results]


def call(signature: str, *addresses: str) -> bytes:
    """Calldata of a function of addresses."""
    return selector(signature) + encode(["address"] * len(addresses), list(addresses))


def selector(signature: str) -> bytes:
    """First four bytes of calldata."""
    return keccak(text=signature)[:4]


def word_of(data: bytes) -> int:
    """The first word as an integer."""
    return int.from_bytes(data[:32])
