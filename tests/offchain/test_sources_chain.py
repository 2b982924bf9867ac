"""The chain as a source: a node that answers from a table, read through the real web3.

blocks     the last one at or before midnight, by bisection · a node that is behind · a chain that is younger
numbers    supply, depth and volume of V2 and V3 pools by hand, the dollar on either side
failures   silent contracts, strange events, no node, no old state, another shape
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
import requests
from source_answers import NOW, Time, door
from web3 import Web3
from web3.providers import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from offchain.errors import MarketDataError, SourceUnavailable
from offchain.sources.chain import SWAPS, ChainSource, DollarPool
from offchain.sources.source import unix

TOKEN = "0x" + "11" * 20
V2, V3 = "0x" + "22" * 20, "0x" + "33" * 20
DAY = date(2025, 1, 9)
SECONDS = 600  # between blocks
FIRST_TIME = unix(date(2025, 1, 1)) + 60
NEWEST = (unix(date(2025, 1, 10)) + 36_000 - FIRST_TIME) // SECONDS

ROOT = 2**96 * 3  # √price of token1 in token0: 9
ACTIVE = 5 * 10**12


def word(value: int) -> str:
    return f"{value % 2**256:064x}"


def selector(signature: str) -> str:
    return Web3.to_hex(Web3.keccak(text=signature)[:4])


CALLS = {
    (TOKEN, "totalSupply()"): word(12_345_678 * 10**18),
    (TOKEN, "decimals()"): word(18),
    (V2, "getReserves()"): word(400 * 10**18) + word(3_000_000 * 10**6) + word(7),
    (V3, "slot0()"): word(ROOT) + word(21_972) * 6,
    (V3, "liquidity()"): word(ACTIVE),
}
LOGS = {
    V2: [
        word(10**18) + word(0) + word(0) + word(7_500 * 10**6),
        word(0) + word(2_500 * 10**6) + word(10**17) + word(0),
    ],
    V3: [word(-1_000 * 10**6) + word(9) + word(ROOT) + word(ACTIVE) + word(1)],
}


class Node(BaseProvider):
    """A node whose blocks are SECONDS apart and whose contracts answer from tables."""

    def __init__(self, calls: dict[tuple[str, str], str] | None = None, newest: int = NEWEST) -> None:
        super().__init__()
        self.calls = CALLS if calls is None else calls
        self.newest = newest
        self.asked: list[tuple[str, object]] = []
        self.fails: Callable[[str], RPCResponse] | None = None

    def make_request(self, method: RPCEndpoint, params: object) -> RPCResponse:
        self.asked.append((method, params))
        answers: dict[str, Callable[[list[object]], object]] = {
            "eth_chainId": lambda _: "0x1",
            "eth_blockNumber": lambda _: hex(self.newest),
            "eth_getBlockByNumber": lambda given: self._block(int(str(given[0]), 16)),
            "eth_getLogs": lambda given: self._logs(given[0]),  # type: ignore[arg-type]
        }
        if method == "eth_call":
            return self.fails(method) if self.fails else self._call(params[0])  # type: ignore[index]
        return {"jsonrpc": "2.0", "id": 1, "result": answers[method](list(params))}  # type: ignore[call-overload]

    def _block(self, number: int) -> dict[str, str]:
        return {"number": hex(number), "timestamp": hex(FIRST_TIME + number * SECONDS), "hash": "0x" + "00" * 32}

    def _call(self, call: dict[str, str]) -> RPCResponse:
        for (address, signature), answer in self.calls.items():
            if (address, selector(signature)) == (call["to"].lower(), call["data"]):
                return {"jsonrpc": "2.0", "id": 1, "result": "0x" + answer}
        return {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "execution reverted", "data": "0x"}}

    def _logs(self, wanted: dict[str, list[str]]) -> list[dict[str, object]]:
        (address,) = (name.lower() for name in wanted["address"])
        assert wanted["topics"] in ([SWAPS["v2"]], [SWAPS["v3"]])
        # all in the first of the requests for logs
        first = hex((unix(DAY - timedelta(days=1)) - FIRST_TIME) // SECONDS + 1)
        return [{"address": address, "data": "0x" + log} for log in LOGS[address] if wanted["fromBlock"] == first]


def pool(kind: str = "v2", *, quote_is_0: bool = False, decimals: int = 6) -> DollarPool:
    return DollarPool(kind=kind, address=V2 if kind == "v2" else V3, quote_is_0=quote_is_0, quote_decimals=decimals)


def chain(folder: Path, node: Node, *pools: DollarPool, time: Time | None = None) -> ChainSource:
    places = {"uniswap": pools} if pools else None
    return ChainSource(door(folder, time=time), Web3(node), tokens={"uniswap": TOKEN}, pools=places)


def read(source: ChainSource, day: date = DAY) -> dict[str, float]:
    (request,) = source.requests(["uniswap"], day, day)
    rows = source.parse(source.fetch(request)).rows
    assert set(rows["id"]) <= {"uniswap"}
    assert {f"{at:%Y-%m-%d}" for at in rows["date"]} <= {day.isoformat()}
    return dict(zip(rows["field"], rows["value"], strict=True))


def test_the_block_read_is_the_last_one_at_or_before_midnight(tmp_path: Path) -> None:
    node = Node()
    source = chain(tmp_path, node, pool())
    read(source)
    (answer,) = source.door.store.answers(source.owns)
    said = json.loads(answer.body)
    assert said["block"] == (unix(DAY) - FIRST_TIME) // SECONDS
    assert said["timestamp"] <= unix(DAY) < said["timestamp"] + SECONDS
    assert said["first_block"] == (unix(DAY - timedelta(days=1)) - FIRST_TIME) // SECONDS + 1
    at = {params[1] for method, params in node.asked if method == "eth_call"}  # type: ignore[index]
    assert at == {hex(said["block"])}


def test_supply_depth_and_volume_are_those_computed_by_hand(tmp_path: Path) -> None:
    """D3, V1: how much is traded and where; what a trade meets."""
    found = read(chain(tmp_path, Node(), pool("v2"), pool("v3", quote_is_0=True)))
    assert found["supply"] == 12_345_678.0
    # (reserve + x) / reserve = √1.02 for the price to move by 2 %; V3's virtual reserve of token0 is L / √P
    step = 1.02**0.5 - 1
    assert found["depth"] == pytest.approx((3_000_000 + ACTIVE / 3 / 1e6) * step, rel=1e-12)
    assert found["venue_volume"] == 7_500 + 2_500 + 1_000


def test_the_dollar_may_be_on_either_side(tmp_path: Path) -> None:
    found = read(chain(tmp_path, Node(), pool("v2", quote_is_0=True, decimals=18), pool("v3")))
    step = 1.02**0.5 - 1
    assert found["depth"] == pytest.approx((400 + ACTIVE * 3 / 1e6) * step, rel=1e-12)
    assert found["venue_volume"] == pytest.approx(1 + 0.1 + 9e-6, rel=1e-12)


def test_a_day_is_asked_for_once(tmp_path: Path) -> None:
    node = Node()
    source = chain(tmp_path, node, pool())
    first = read(source)
    count = len(node.asked)
    assert read(source) == first
    assert len(node.asked) == count + 1  # the chain's id, for the address of the question


def test_a_contract_that_refuses_is_left_out_and_named(tmp_path: Path) -> None:
    calls = {key: value for key, value in CALLS.items() if key[0] != TOKEN}
    source = chain(tmp_path, Node(calls), pool())
    (request,) = source.requests(["uniswap"], DAY, DAY)
    reading = source.parse(source.fetch(request))
    assert set(reading.rows["field"]) == {"depth", "venue_volume"}
    assert [(row.code, row.example) for row in reading.findings] == [("silent-contract", TOKEN)]
    source = chain(tmp_path / "b", Node({key: value for key, value in CALLS.items() if key[0] == TOKEN}), pool())
    assert read(source) == {"supply": 12_345_678.0}


def test_coins_without_a_contract_are_not_asked_for(tmp_path: Path) -> None:
    node = Node()
    assert chain(tmp_path, node).requests(["bitcoin"], DAY, DAY) == []
    assert len(chain(tmp_path, node).requests(["bitcoin", "uniswap"], date(2025, 1, 6), DAY)) == 4


def test_a_day_that_has_not_begun_and_one_before_the_chain_are_refused(tmp_path: Path) -> None:
    source = chain(tmp_path, Node())
    with pytest.raises(SourceUnavailable, match="2025-01-11 has not begun; ask for a past day"):
        read(source, date(2025, 1, 11))
    with pytest.raises(SourceUnavailable, match="the chain began after 2025-01-01"):
        read(source, date(2025, 1, 1))


def test_a_node_that_is_behind_is_asked_again_and_given_up(tmp_path: Path) -> None:
    time = Time()
    behind = Node(newest=(unix(DAY) - FIRST_TIME) // SECONDS - 10)
    with pytest.raises(SourceUnavailable, match="newest block is more than an hour older"):
        read(chain(tmp_path, behind, time=time))
    assert len(time.slept) == 4
    near = Node(newest=(unix(DAY) - FIRST_TIME) // SECONDS - 2)
    assert read(chain(tmp_path / "b", near))["supply"] == 12_345_678.0


def test_a_node_that_is_gone_and_one_without_old_state_say_what_to_do(tmp_path: Path) -> None:
    def gone(method: str) -> RPCResponse:
        raise requests.ConnectionError("refused")

    def pruned(method: str) -> RPCResponse:
        return {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "missing trie node"}}

    node = Node()
    node.fails = gone
    with pytest.raises(SourceUnavailable, match="no answer from the node .ConnectionError."):
        read(chain(tmp_path, node))
    node.fails = pruned
    with pytest.raises(
        SourceUnavailable, match="cannot say what was on 2025-01-09 .*missing trie node.*use an archive node"
    ):
        read(chain(tmp_path, node))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ({"calls": None}, "no calls and swaps"),
        ({"swaps": [{"pool": V2}]}, "no facts of a block"),
        ({"calls": {"x": "0xzz"}}, "no facts of a block"),
        ({"swaps": [{"pool": V2, "data": "0x00"}]}, "has 1 bytes"),
    ],
)
def test_stored_facts_of_another_shape_are_refused(tmp_path: Path, edit: dict[str, object], says: str) -> None:
    source = chain(tmp_path, Node(), pool())
    read(source)
    (answer,) = source.door.store.answers(source.owns)
    body = json.dumps(json.loads(answer.body) | edit).encode()
    with pytest.raises(SourceUnavailable) as refusal:
        source.parse(source.door.store.save(answer.url, body, requested_at=NOW, status=200))
    assert says in str(refusal.value)


def test_a_pool_of_another_kind_is_refused() -> None:
    with pytest.raises(MarketDataError, match='kind "v4": use v2 or v3'):
        pool("v3").__class__(kind="v4", address=V3, quote_is_0=True, quote_decimals=6)
    with pytest.raises(MarketDataError, match="quote_decimals = 99 outside"):
        pool(decimals=99)
