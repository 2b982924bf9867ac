"""The events of an index in the order of the chain, with the time of each: `index_logs(w3, core, index, last=block)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from web3 import Web3
from web3.types import EventData

from offchain.chain.artifacts import artifact
from offchain.chain.client import read_logs, rpc_batch
from offchain.chain.core import Core
from offchain.errors import ChainError, NotConnected
from offchain.reference.replay import Log

OF_SHARES = ("Transfer", "Approval", "EIP712DomainChanged")  # who holds shares says nothing about the basket


def index_logs(w3: Web3, core: Core, index: str, *, last: int) -> list[Log]:
    """What happened to the basket and the supply up to block `last`; transfers of shares are left out.

    `core` names the block before which no index of its factory can have been.
    """
    contract = w3.eth.contract(address=w3.to_checksum_address(index), abi=artifact("IndexToken").abi)
    kinds = [str(item["name"]) for item in contract.abi if item["type"] == "event"]
    events = {name: contract.events[name]() for name in kinds if name not in OF_SHARES}
    names = {str(event.topic): name for name, event in events.items()}
    try:
        found = read_logs(w3, contract.address, core.block, last, [list(names)])
    except ChainError as error:  # not even of one block: that is the node's trouble, and passes
        raise NotConnected(f"{error}; it lags or is overloaded") from error
    read = [cast("EventData", events[names[entry["topics"][0].to_0x_hex()]].process_log(entry)) for entry in found]
    times = _times(w3, {int(event["blockNumber"]) for event in read})
    return [
        Log(
            index,
            str(event["event"]),
            {name: _plain(value) for name, value in event["args"].items()},
            times[int(event["blockNumber"])],
        )
        for event in read
    ]


def _plain(value: object) -> object:
    """Structs and lists as tuples."""
    if isinstance(value, Mapping):
        return tuple(_plain(item) for item in value.values())
    return tuple(_plain(item) for item in value) if isinstance(value, list | tuple) else value


def _times(w3: Web3, blocks: set[int]) -> dict[int, int]:
    """{block: {s}}"""
    numbers = sorted(blocks)
    answers = rpc_batch(w3, [("eth_getBlockByNumber", [hex(number), False]) for number in numbers])
    if None in answers:
        raise NotConnected(
            f"the node does not know block {numbers[answers.index(None)]} any more; it lags or is pruned"
        )
    return {
        number: int(str(cast("dict[str, object]", answer)["timestamp"]), 16)
        for number, answer in zip(numbers, answers, strict=True)
    }
