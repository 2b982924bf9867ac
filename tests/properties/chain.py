"""A quick way to drive contracts on anvil: raw calls, one block per transaction, and time that moves only when asked.

Every transaction is mined at the timestamp of the latest block, so an `eth_call` before it sees exactly what the
transaction will see. `Chain.advance` is the only clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection
from typing import cast

from eth_abi.abi import decode, encode
from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector

from offchain.chain.artifacts import Artifact
from offchain.devnet import Anvil
from offchain.reference.replay import Log

GENESIS = 1_700_000_000  # {s}
GAS = 16_000_000  # {gas} of every transaction, below the limit of EIP-7825
CALL_GAS = 30_000_000_000  # {gas} of a call that only measures


class NodeRefused(AssertionError):
    """anvil answered a request with an error that no contract caused."""


@dataclass(frozen=True)
class Failure:
    """How a call failed: the name of the contract's error and its arguments."""

    reason: str
    details: tuple[object, ...] = ()


def type_of(parameter: Mapping[str, object]) -> str:
    """ABI type of a parameter, with structs as tuples."""
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(type_of(part) for part in cast("list[dict[str, object]]", parameter["components"]))
    return f"({inner}){kind[len('tuple') :]}"


def plain(value: object) -> object:
    """Decoded values with lists instead of tuples left as they are, addresses in lower case."""
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    return value


@dataclass(frozen=True)
class Function:
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Interface:
    """The functions, errors and events of one ABI."""

    def __init__(self, artifact: Artifact) -> None:
        self.name = artifact.name
        self.bytecode = artifact.bytecode
        self.functions: dict[str, Function] = {}
        self.errors: dict[bytes, tuple[str, tuple[str, ...]]] = {}
        self.events: dict[str, tuple[str, list[dict[str, object]]]] = {}
        self.constructor: tuple[str, ...] = ()
        for entry in artifact.abi:
            inputs = cast("list[dict[str, object]]", entry.get("inputs", []))
            types = tuple(type_of(parameter) for parameter in inputs)
            name = str(entry.get("name", ""))
            if entry["type"] == "constructor":
                self.constructor = types
            elif entry["type"] == "function":
                outputs = cast("list[dict[str, object]]", entry["outputs"])
                selector = function_abi_to_4byte_selector(entry)  # type: ignore[arg-type]
                self.functions[name] = Function(selector, types, tuple(type_of(output) for output in outputs))
            elif entry["type"] == "error":
                self.errors[function_abi_to_4byte_selector({**entry, "type": "function"})] = (name, types)  # type: ignore[arg-type,typeddict-item]
            elif entry["type"] == "event":
                self.events["0x" + event_abi_to_log_topic(entry).hex()] = (name, inputs)  # type: ignore[arg-type]

    def encode(self, function: str, args: Sequence[object]) -> bytes:
        known = self.functions[function]
        return known.selector + encode(known.inputs, args)

    def decode(self, function: str, data: bytes) -> tuple[object, ...]:
        return cast("tuple[object, ...]", decode(self.functions[function].outputs, data))


@dataclass(frozen=True)
class At:
    """A contract at an address."""

    address: str
    interface: Interface = field(repr=False)


@dataclass(frozen=True)
class Call:
    """One call to make: `Call(index, "mint", (…,))`."""

    target: At
    function: str
    args: tuple[object, ...] = ()

    @cached_property
    def data(self) -> str:
        return "0x" + self.target.interface.encode(self.function, self.args).hex()


class Chain:
    """An anvil with deployed contracts."""

    def __init__(self, contracts: Mapping[str, Artifact]) -> None:
        self.node = Anvil.start(timestamp=GENESIS, extra=("--order", "fifo"))
        self.interfaces = {name: Interface(artifact) for name, artifact in contracts.items()}
        self.errors = {key: value for one in self.interfaces.values() for key, value in one.errors.items()}
        self.errors[bytes.fromhex("08c379a0")] = ("Error", ("string",))
        self.errors[bytes.fromhex("4e487b71")] = ("Panic", ("uint256",))
        self._connection = HTTPConnection("127.0.0.1", self.node.port, timeout=300)
        self._id = 0
        self.transactions = 0
        self.accounts = [account.lower() for account in self.node.accounts]
        self.rpc("anvil_setBlockTimestampInterval", 0)
        self.rpc("anvil_setNextBlockBaseFeePerGas", "0x0")
        self.now = int(cast("dict[str, str]", self.rpc("eth_getBlockByNumber", "latest", False))["timestamp"], 16)

    def stop(self) -> None:
        self._connection.close()
        self.node.stop()

    # --- JSON-RPC ---------------------------------------------------------------------------------------------------

    def rpc(self, method: str, *params: object) -> object:
        answer = self._post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        answer = cast("dict[str, object]", answer)
        if "error" in answer:
            raise NodeRefused(f"{method}: {answer['error']}")
        return answer["result"]

    def _post(self, body: object) -> object:
        self._connection.request("POST", "/", json.dumps(body), {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    # --- time and snapshots -----------------------------------------------------------------------------------------

    def advance(self, seconds: int) -> None:
        """Moves the chain's clock; transactions and calls after it happen at that second."""
        if seconds:
            self.now += seconds
            self.rpc("evm_setNextBlockTimestamp", self.now)
            self.rpc("evm_mine")

    def snapshot(self) -> tuple[str, int]:
        return str(self.rpc("evm_snapshot")), self.now

    def revert(self, snapshot: tuple[str, int]) -> None:
        if self.rpc("evm_revert", snapshot[0]) is not True:
            raise NodeRefused(f"no snapshot {snapshot[0]}")
        self.now = snapshot[1]

    @property
    def block(self) -> int:
        return int(str(self.rpc("eth_blockNumber")), 16)

    # --- calls and transactions -------------------------------------------------------------------------------------

    def deploy(self, name: str, *args: object, sender: str | None = None) -> At:
        interface = self.interfaces[name]
        code = interface.bytecode + encode(interface.constructor, args).hex()
        receipt = self._send({"from": sender or self.accounts[0], "data": code})
        if receipt["status"] != "0x1":
            reason = self._attempt({"from": sender or self.accounts[0], "data": code})
            raise NodeRefused(f"{name} could not be deployed: {reason}")
        return At(str(receipt["contractAddress"]), interface)

    def send(self, sender: str, call: Call) -> None:
        """Sends and requires success."""
        receipt = self._send({"from": sender, "to": call.target.address, "data": call.data})
        if receipt["status"] != "0x1":
            raise NodeRefused(f"{call.function} reverted: {self.call(call, sender=sender)}")

    def attempt(self, sender: str, call: Call) -> tuple[object, ...] | Failure:
        """Calls, then sends if the call succeeds; what the function returned, or how it failed."""
        result = self.call(call, sender=sender)
        if not isinstance(result, Failure):
            self.send(sender, call)
        return result

    def call(self, call: Call, *, sender: str | None = None, gas: int = GAS) -> tuple[object, ...] | Failure:
        return self.calls([call], sender=sender, gas=gas)[0]

    def calls(
        self, calls: Sequence[Call], *, sender: str | None = None, gas: int = GAS
    ) -> list[tuple[object, ...] | Failure]:
        """Many calls in one request, each at the latest block; results in order."""
        requests = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "eth_call",
                "params": [
                    {"from": sender or self.accounts[0], "to": one.target.address, "data": one.data, "gas": hex(gas)},
                    "latest",
                ],
            }
            for number, one in enumerate(calls)
        ]
        answers = cast("list[dict[str, object]]", self._post(requests))
        by_number = {cast("int", answer["id"]): answer for answer in answers}
        results: list[tuple[object, ...] | Failure] = []
        for number, one in enumerate(calls):
            answer = by_number[number]
            if "error" in answer:
                results.append(self._failure(cast("dict[str, object]", answer["error"])))
            else:
                data = bytes.fromhex(str(answer["result"])[2:])
                results.append(cast("tuple[object, ...]", plain(one.target.interface.decode(one.function, data))))
        return results

    def read(self, call: Call) -> object:
        """The only value a view returns; the view must not revert."""
        return self.reads([call])[0]

    def reads(self, calls: Sequence[Call]) -> list[object]:
        values = []
        for one, result in zip(calls, self.calls(calls), strict=True):
            if isinstance(result, Failure):
                raise NodeRefused(f"{one.target.interface.name}.{one.function}{one.args} failed: {result}")
            values.append(result[0] if len(result) == 1 else result)
        return values

    def _attempt(self, transaction: dict[str, object]) -> object:
        answer = cast("dict[str, object]", self._post(
            {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [transaction, "latest"]}))  # fmt: skip
        return self._failure(cast("dict[str, object]", answer["error"])) if "error" in answer else "ran in a call"

    def _send(self, transaction: dict[str, object]) -> dict[str, object]:
        self.transactions += 1
        self.rpc("evm_setNextBlockTimestamp", self.now)
        full = {"gas": hex(GAS), "gasPrice": "0x0", **transaction}
        try:
            return cast("dict[str, object]", self.rpc("eth_sendTransactionSync", full))
        except NodeRefused as error:
            if "confirmation timeout" not in str(error):
                raise
            return self._late_receipt(str(transaction["from"]))

    def _late_receipt(self, sender: str) -> dict[str, object]:
        """The receipt of the one transaction in flight, when a busy machine made anvil give up waiting for it."""
        for attempt in range(600):
            counts = [self.rpc("eth_getTransactionCount", sender, tag) for tag in ("pending", "latest")]
            if counts[0] == counts[1]:
                break
            if attempt == 50:  # the signal to mine was lost
                self.rpc("evm_mine")
            time.sleep(0.1)
        for number in range(self.block, 0, -1):
            block = cast("dict[str, list[str]]", self.rpc("eth_getBlockByNumber", hex(number), False))
            if block["transactions"]:
                return cast("dict[str, object]", self.rpc("eth_getTransactionReceipt", block["transactions"][-1]))
        raise NodeRefused(f"the transaction of {sender} was lost")

    def _failure(self, error: dict[str, object]) -> Failure:
        data = error.get("data")
        raw = bytes.fromhex(str(data)[2:]) if isinstance(data, str) and data.startswith("0x") else b""
        if raw[:4] in self.errors:
            name, types = self.errors[raw[:4]]
            return Failure(name, cast("tuple[object, ...]", plain(decode(types, raw[4:]))))
        return Failure("Unknown", (str(error.get("message")), raw[:68].hex()))

    # --- events -----------------------------------------------------------------------------------------------------

    def logs(self, sources: Sequence[At], *, from_block: int) -> list[Log]:
        """Decoded events of some contracts, in order; events that their ABI does not know are left out."""
        interfaces = {source.address.lower(): source.interface for source in sources}
        entries = cast("list[dict[str, object]]", self.rpc(
            "eth_getLogs", {"address": list(interfaces), "fromBlock": hex(from_block), "toBlock": "latest"}))  # fmt: skip
        found = []
        for entry in entries:
            topics = cast("list[str]", entry["topics"])
            known = interfaces[str(entry["address"]).lower()].events.get(topics[0]) if topics else None
            if known is None:
                continue
            name, inputs = known
            indexed = [parameter for parameter in inputs if parameter["indexed"]]
            loose = [parameter for parameter in inputs if not parameter["indexed"]]
            values: dict[str, object] = {}
            for parameter, topic in zip(indexed, topics[1:], strict=True):
                values[str(parameter["name"])] = decode([type_of(parameter)], bytes.fromhex(topic[2:]))[0]
            decoded = decode([type_of(parameter) for parameter in loose], bytes.fromhex(str(entry["data"])[2:]))
            values |= {str(parameter["name"]): plain(value) for parameter, value in zip(loose, decoded, strict=True)}
            timestamp = int(str(entry["blockTimestamp"]), 16)
            found.append(Log(str(entry["address"]).lower(), name, values, timestamp))
        return found
