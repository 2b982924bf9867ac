"""The chain itself as a source: a token's supply, and the depth and volume of the pools that we can trade on.

    source = ChainSource(door, w3, tokens={"uniswap": "0x1f98…"}, pools={"uniswap": [DollarPool(…)]})

One question per day: the last block at or before its 00:00 UTC, read in single calls and stored as JSON under the
address chain://<chain id>/<day>. Days before the newest few need a node that keeps old state (an archive node).

    supply         totalSupply / 10^decimals; for tokens whose whole supply is on this chain and circulates
    depth          dollars that move the price up by 2 %, before fees, summed over pools. V2: from the reserves. V3: the
                   liquidity in range, taken as constant over those 2 %
    venue_volume   dollars that went through the pools' Swap events in the day before

Pools are quoted in a token that stands for a dollar. Nothing here sends anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlsplit

import requests
from eth_typing import BlockNumber, HexStr
from eth_utils.conversions import to_hex
from eth_utils.crypto import keccak
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception
from web3.types import TxParams

from offchain.errors import MarketDataError, NotConnected, SourceUnavailable
from offchain.market.store import RawResponse
from offchain.market.validation import Finding
from offchain.sources.door import Busy, Door
from offchain.sources.source import DAY, Rate, Reading, Request, Rows, midnight, odd, read_object, unix

NAME = "chain"
FIELDS = ("supply", "depth", "venue_volume")
RATE = Rate(calls=10, seconds=1.0)
SCHEME = "chain"
MOVE = 0.02  # depth: how far the price is moved
LOGS_PER_REQUEST = 2_000  # blocks
KINDS = ("v2", "v3")

SWAPS = {
    "v2": to_hex(keccak(text="Swap(address,uint256,uint256,uint256,uint256,address)")),
    "v3": to_hex(keccak(text="Swap(address,address,int256,int256,uint160,uint128,int24)")),
}


@dataclass(frozen=True, kw_only=True)
class DollarPool:
    """A Uniswap V2 or V3 pool of a coin against a dollar token. `quote_is_0`: whether the dollar token is token0."""

    kind: str
    address: str
    quote_is_0: bool
    quote_decimals: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise MarketDataError(f'pool {self.address}: kind "{self.kind}": use {" or ".join(KINDS)}')
        if not 0 <= self.quote_decimals <= 36:
            raise MarketDataError(f"pool {self.address}: quote_decimals = {self.quote_decimals} outside 0..36")


class ChainSource:
    """`tokens`: {id: address of the token}; `pools`: {id: its pools against dollars}."""

    name = NAME
    fields = FIELDS

    def __init__(
        self,
        door: Door,
        w3: Web3,
        *,
        tokens: Mapping[str, str],
        pools: Mapping[str, Sequence[DollarPool]] | None = None,
        rate: Rate = RATE,
    ) -> None:
        self.door = door
        self.rate = rate
        self.tokens = dict(tokens)
        self.pools = {coin: tuple(places) for coin, places in (pools or {}).items()}
        self._w3 = w3

    def requests(self, ids: Sequence[str], start: date, end: date) -> Sequence[Request]:
        if not set(ids) & {*self.tokens, *self.pools}:
            return []
        days = [start + number * DAY for number in range((end - start).days + 1)]
        chain_id = self._w3.eth.chain_id
        # what a block said never changes
        return [Request(url=f"{SCHEME}://{chain_id}/{day.isoformat()}", is_closed=True) for day in days]

    def fetch(self, request: Request, *, fresh: bool = False) -> RawResponse:
        return self.door.answer(request, lambda: self._ask(request.url), name=NAME, rate=self.rate, fresh=fresh)

    def owns(self, url: str) -> bool:
        return url.startswith(f"{SCHEME}://")

    # --- asking -------------------------------------------------------------------------------------------------------

    def _ask(self, url: str) -> bytes:
        day = date.fromisoformat(urlsplit(url).path.removeprefix("/"))
        if midnight(day) > self.door.clock():
            raise SourceUnavailable(f"{NAME}: {day} has not begun; ask for a past day")
        try:
            return json.dumps(self._facts(day), sort_keys=True).encode()
        except (requests.RequestException, NotConnected) as error:
            raise Busy(f"no answer from the node ({type(error).__name__})") from error
        except Web3Exception as error:
            raise SourceUnavailable(
                f"{NAME}: the node cannot say what was on {day} ({str(error)[:120]}); for old days use an archive node"
            ) from error

    def _facts(self, day: date) -> dict[str, object]:
        last = self._block_at(unix(day))
        first = self._block_at(unix(day - DAY)) + 1
        block = self._w3.eth.get_block(last)
        calls = {}
        for address in sorted(set(self.tokens.values())):
            for signature in ("totalSupply()", "decimals()"):
                calls[f"{address} {signature}"] = self._call(address, signature, last)
        for pool in self._all_pools():
            for signature in ("getReserves()",) if pool.kind == "v2" else ("slot0()", "liquidity()"):
                calls[f"{pool.address} {signature}"] = self._call(pool.address, signature, last)
        swaps = [swap for pool in self._all_pools() for swap in self._swaps(pool, first, last)]
        return {"block": last, "first_block": first, "timestamp": block["timestamp"], "calls": calls, "swaps": swaps}

    def _all_pools(self) -> list[DollarPool]:
        return sorted({pool for places in self.pools.values() for pool in places}, key=lambda pool: pool.address)

    def _block_at(self, timestamp: int) -> int:
        """The last block at or before a time, by bisection."""
        low, high = 0, int(self._w3.eth.block_number)
        if self._time_of(low) > timestamp:
            raise SourceUnavailable(
                f"{NAME}: the chain began after {datetime.fromtimestamp(timestamp, tz=UTC)}; ask later"
            )
        if self._time_of(high) < timestamp:
            # the newest block may be a little older than midnight; more, and the node is behind
            if timestamp - self._time_of(high) > 3_600:
                raise Busy("the node's newest block is more than an hour older than the time asked for")
            return high
        while low < high:
            middle = (low + high + 1) // 2
            if self._time_of(middle) <= timestamp:
                low = middle
            else:
                high = middle - 1
        return low

    def _time_of(self, number: int) -> int:
        return int(self._w3.eth.get_block(BlockNumber(number))["timestamp"])

    def _call(self, address: str, signature: str, block: int) -> str | None:
        """The answer as hex, None when the contract refuses."""
        call: TxParams = {
            "to": Web3.to_checksum_address(address),
            "data": HexStr(to_hex(keccak(text=signature)[:4])),
        }
        try:
            return to_hex(self._w3.eth.call(call, BlockNumber(block)))
        except ContractLogicError:
            return None

    def _swaps(self, pool: DollarPool, first: int, last: int) -> list[dict[str, str]]:
        found = []
        for start in range(first, last + 1, LOGS_PER_REQUEST):
            logs = self._w3.eth.get_logs(
                {
                    "address": Web3.to_checksum_address(pool.address),
                    "topics": [HexStr(SWAPS[pool.kind])],
                    "fromBlock": BlockNumber(start),
                    "toBlock": BlockNumber(min(start + LOGS_PER_REQUEST - 1, last)),
                }
            )
            found += [{"pool": pool.address, "data": to_hex(log["data"])} for log in logs]
        return found

    # --- reading ------------------------------------------------------------------------------------------------------

    def parse(self, answer: RawResponse) -> Reading:
        data = read_object(answer, NAME)
        calls, swaps = data.get("calls"), data.get("swaps")
        if not isinstance(calls, dict) or not isinstance(swaps, list):
            raise odd(answer, NAME, "no calls and swaps")
        try:
            at = midnight(date.fromisoformat(urlsplit(answer.url).path.removeprefix("/")))
            facts = {str(key): bytes.fromhex(str(value)[2:]) for key, value in calls.items() if value is not None}
            traded = [(str(swap["pool"]), bytes.fromhex(str(swap["data"])[2:])) for swap in swaps]
        except (ValueError, KeyError, TypeError) as error:
            raise odd(answer, NAME, f"no facts of a block: {error}") from error
        rows = Rows(source=NAME, answer=answer)
        silent: list[str] = []
        for coin, address in sorted(self.tokens.items()):
            rows.add(at, coin, "supply", _supply(address, facts, silent))
        for coin, pools in sorted(self.pools.items()):
            rows.add(at, coin, "depth", _known_total([_depth(pool, facts, silent) for pool in pools]))
            if all(f"{pool.address} {_first_call(pool)}" in facts for pool in pools):
                amounts = [
                    _amount(pool, log, answer) for pool in pools for place, log in traded if place == pool.address
                ]
                rows.add(at, coin, "venue_volume", math.fsum(amounts))
        return Reading(rows=rows.frame(), findings=_findings(silent))


def _first_call(pool: DollarPool) -> str:
    return "getReserves()" if pool.kind == "v2" else "slot0()"


def _word(data: bytes, index: int, *, signed: bool = False) -> int:
    return int.from_bytes(data[32 * index : 32 * index + 32], signed=signed)


def _supply(address: str, facts: Mapping[str, bytes], silent: list[str]) -> float:
    supply, decimals = facts.get(f"{address} totalSupply()", b""), facts.get(f"{address} decimals()", b"")
    if len(supply) != 32 or len(decimals) != 32 or _word(decimals, 0) > 255:
        silent.append(address)
        return math.nan
    return _whole(_word(supply, 0), _word(decimals, 0))


def _depth(pool: DollarPool, facts: Mapping[str, bytes], silent: list[str]) -> float:
    """Dollars that move the price by MOVE, before fees: reserve × (√1.02 − 1), with liquidity × √price as V3's reserve."""
    step = math.sqrt(1.0 + MOVE) - 1.0
    first = facts.get(f"{pool.address} {_first_call(pool)}", b"")
    liquidity = facts.get(f"{pool.address} liquidity()", b"")
    if len(first) < 64 or (pool.kind == "v3" and (len(liquidity) != 32 or _word(first, 0) == 0)):
        silent.append(pool.address)
        return math.nan
    if pool.kind == "v2":
        return _whole(_word(first, 0 if pool.quote_is_0 else 1), pool.quote_decimals) * step
    # virtual reserves of the range: L / √P of token0, L × √P of token1
    root, active = _word(first, 0), _word(liquidity, 0)
    virtual = (active << 96) // root if pool.quote_is_0 else (active * root) >> 96
    return _whole(virtual, pool.quote_decimals) * step


def _amount(pool: DollarPool, log: bytes, answer: RawResponse) -> float:
    """Dollars of one Swap event: what went in or out of the dollar side."""
    if len(log) != 32 * (4 if pool.kind == "v2" else 5):
        raise odd(answer, NAME, f"a Swap event of {pool.address} has {len(log)} bytes")
    side = 0 if pool.quote_is_0 else 1
    if pool.kind == "v2":
        # in and out of the same token in one swap is a loan given back: the larger one counts once
        return _whole(max(_word(log, side), _word(log, side + 2)), pool.quote_decimals)
    return _whole(abs(_word(log, side, signed=True)), pool.quote_decimals)


def _whole(quanta: int, decimals: int) -> float:
    """Whole tokens, rounded once."""
    return quanta / 10**decimals


def _known_total(amounts: Sequence[float]) -> float:
    """The sum of the known ones; NaN when there are none."""
    known = [amount for amount in amounts if not math.isnan(amount)]
    return math.fsum(known) if known else math.nan


def _findings(silent: Sequence[str]) -> tuple[Finding, ...]:
    if not silent:
        return ()
    action = "left out: no such contract, or it refuses the question"
    return (Finding(code="silent-contract", count=len(silent), example=silent[0], action=action),)
