"""One transaction, sent once: `send(w3, signer, contract.functions.mint(...))` → its receipt, or the decoded reason.

A signer is the address of an account the node has unlocked, or an eth_account LocalAccount. A send is never retried
here: a lost answer does not mean a lost transaction. The keeper's own sender, which survives crashes, builds on `fees`,
`sign` and `explain`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, cast

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak
from web3.contract.contract import Contract, ContractConstructor, ContractFunction
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError

from offchain.chain.artifacts import BUILD, Artifact, compiled
from offchain.chain.client import rpc_batch
from offchain.errors import ChainError, TransactionReverted

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.types import TxParams, TxReceipt

Signer = str | LocalAccount
Call = ContractFunction | ContractConstructor | dict[str, object]

GAS_MARGIN = 1.2  # the estimate of a state that may move before inclusion
MAX_TX_GAS = 2**24  # {gas} EIP-7825: no live chain takes a larger transaction
MAX_FEE = 500 * 10**9  # {wei/gas} above this we would rather not send
PRIORITY_FEE = 10**9  # {wei/gas}

_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "bad enum value",
    0x31: "pop on an empty array",
    0x32: "array index out of bounds",
    0x41: "out of memory",
}


@dataclass(frozen=True, kw_only=True)
class Fees:
    """EIP-1559 fees, {wei/gas}."""

    max_fee: int
    priority_fee: int


def fees(w3: Web3, *, priority_fee: int = PRIORITY_FEE, cap: int = MAX_FEE) -> Fees:
    """Fees that stay valid while the base fee doubles, never above `cap`. Raises ChainError when the base fee is above it."""
    base_fee = int(w3.eth.get_block("latest").get("baseFeePerGas", 0))
    if base_fee > cap:
        raise ChainError(
            f"the base fee is {base_fee / 1e9:.3g} gwei, above the cap of {cap / 1e9:.3g} gwei; wait or raise the cap"
        )
    max_fee = min(2 * base_fee + priority_fee, cap)
    return Fees(max_fee=max_fee, priority_fee=min(priority_fee, max_fee))


def send(
    w3: Web3,
    signer: Signer,
    call: Call,
    *,
    value: int = 0,
    gas: int | None = None,
    spare_gas: int = 0,
    fee_cap: int = MAX_FEE,
    timeout: float = 120.0,
) -> TxReceipt:
    """Sends one transaction and waits until it is mined. `value` in wei, `timeout` in seconds; `spare_gas` is what it may
    take besides the estimate by the time it is mined.

    Raises TransactionReverted with the decoded reason, before sending when the node can already tell.
    """
    tx_hash = submit(w3, signer, call, value=value, gas=gas, spare_gas=spare_gas, fee_cap=fee_cap)
    return wait(w3, tx_hash, timeout=timeout)


def submit(
    w3: Web3,
    signer: Signer,
    call: Call,
    *,
    value: int = 0,
    gas: int | None = None,
    spare_gas: int = 0,
    fee_cap: int = MAX_FEE,
) -> str:
    """Sends one transaction and returns its hash without waiting. Raises as `send`."""
    transaction = build(w3, signer, call, value=value, gas=gas, spare_gas=spare_gas, fee_cap=fee_cap)
    try:
        if isinstance(signer, str):
            return w3.eth.send_transaction(transaction).to_0x_hex()
        return w3.eth.send_raw_transaction(signer.sign_transaction(cast(dict, transaction)).raw_transaction).to_0x_hex()
    except (ContractLogicError, Web3RPCError) as error:
        raise _refusal(error) from error


def build(
    w3: Web3,
    signer: Signer,
    call: Call,
    *,
    value: int = 0,
    gas: int | None = None,
    spare_gas: int = 0,
    fee_cap: int = MAX_FEE,
) -> TxParams:
    """The complete transaction, ready to sign: nonce, EIP-1559 fees, gas with margin, chain id."""
    sender = address_of(signer)
    chosen = fees(w3, cap=fee_cap)
    transaction: dict[str, object] = {
        "from": sender,
        "chainId": w3.eth.chain_id,
        "nonce": w3.eth.get_transaction_count(sender, "pending"),
        "value": value,
        "maxFeePerGas": chosen.max_fee,
        "maxPriorityFeePerGas": chosen.priority_fee,
        **payload(call),
    }
    transaction["gas"] = gas if gas is not None else _gas(w3, transaction, spare_gas)
    return transaction  # type: ignore[return-value]


def payload(call: Call) -> dict[str, object]:
    """`to` and `data` of a call, encoded without asking the node anything."""
    if isinstance(call, ContractFunction):
        return {"to": call.address, "data": call._encode_transaction_data()}
    if isinstance(call, ContractConstructor):
        return {"data": call.data_in_transaction}
    return call


def address_of(signer: Signer) -> ChecksumAddress:
    """The address that will be `msg.sender`."""
    return signer if isinstance(signer, str) else signer.address  # type: ignore[return-value]


def wait(w3: Web3, tx_hash: str, *, timeout: float = 120.0) -> TxReceipt:
    """The receipt, once mined. Raises TransactionReverted with the reason, ChainError when `timeout` seconds are over."""
    deadline, pause = time.monotonic() + timeout, 0.005
    while True:
        try:
            receipt = w3.eth.get_transaction_receipt(tx_hash)  # type: ignore[arg-type]
            break
        except TransactionNotFound:
            if time.monotonic() > deadline:
                raise ChainError(
                    f"transaction {tx_hash} was not mined within {timeout:g} s; it may still be: look it up before sending again"
                ) from None
            time.sleep(pause)
            pause = min(2 * pause, 2.0)
    if receipt["status"] != 1:
        raise TransactionReverted(
            f"transaction {tx_hash} reverted in block {receipt['blockNumber']}: {replay(w3, tx_hash)}"
        )
    return receipt


def deploy(
    w3: Web3, signer: Signer, artifact: Artifact, *args: object, value: int = 0, gas: int | None = None
) -> Contract:
    """Deploys a contract and returns it at its address."""
    if not artifact.bytecode:
        raise ChainError(f"{artifact.name} is an interface or abstract: there is nothing to deploy")
    factory = w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
    receipt = send(w3, signer, factory.constructor(*args), value=value, gas=gas)
    return at(w3, artifact, str(receipt["contractAddress"]))


def at(w3: Web3, artifact: Artifact, address: str) -> Contract:
    """The contract at `address`."""
    return w3.eth.contract(address=w3.to_checksum_address(address), abi=artifact.abi)


def submit_many(w3: Web3, sender: str, calls: Iterable[tuple[Call, int]]) -> list[str]:
    """Sends many (call, gas) from one unlocked account in few requests, in order, without waiting; returns the hashes.

    For local nodes: nothing is estimated, so each call says how much gas it may use.
    """
    chosen = fees(w3, priority_fee=0)
    nonce = w3.eth.get_transaction_count(sender, "pending")  # type: ignore[arg-type]
    batch: list[tuple[str, list[object]]] = []
    for offset, (call, gas) in enumerate(calls):
        fields = {
            "from": sender,
            "nonce": hex(nonce + offset),
            "gas": hex(gas),
            "maxFeePerGas": hex(chosen.max_fee),
            "maxPriorityFeePerGas": "0x0",
            **payload(call),
        }
        batch.append(("eth_sendTransaction", [fields]))
    return [str(tx_hash) for tx_hash in rpc_batch(w3, batch)]


def require_mined(w3: Web3, hashes: Sequence[str]) -> None:
    """Raises unless every transaction is mined and succeeded, naming the first that did not and why."""
    receipts = rpc_batch(w3, [("eth_getTransactionReceipt", [tx_hash]) for tx_hash in hashes])
    for tx_hash, receipt in zip(hashes, receipts, strict=True):
        if receipt is None:
            raise ChainError(f"transaction {tx_hash} was not mined")
        if int(receipt["status"], 16) != 1:  # type: ignore[index]
            raise TransactionReverted(f"transaction {tx_hash} reverted: {replay(w3, tx_hash)}")


# --- reasons ----------------------------------------------------------------------------------------------------------


def replay(w3: Web3, tx_hash: str) -> str:
    """Why a mined transaction reverted: the same call again on the block before it."""
    transaction = w3.eth.get_transaction(tx_hash)  # type: ignore[arg-type]
    # the receipt says where: a node may still list a transaction as pending when its receipt is there
    block = w3.eth.get_transaction_receipt(tx_hash)["blockNumber"]  # type: ignore[arg-type]
    fields = {
        "from": transaction["from"],
        "data": transaction["input"],
        "value": transaction["value"],
        "gas": transaction["gas"],
    }
    if transaction.get("to"):
        fields["to"] = transaction["to"]
    try:
        w3.eth.call(fields, block_identifier=block - 1)  # type: ignore[arg-type]
    except (ContractLogicError, Web3RPCError) as error:
        return explain(error)
    return "no reason given (it may have run out of gas, or depended on what came before it in the block)"


def explain(error: ContractLogicError | Web3RPCError) -> str:
    """A revert in words: `MintingPaused()`, `AmountInTooHigh(component=0x…, amountIn=11, maxAmountIn=10)`, or the text."""
    data = getattr(error, "data", None)
    if isinstance(data, str) and data.startswith("0x") and len(data) >= 10:
        return decode_error(data)
    message = getattr(error, "message", None) or str(error)
    return str(message).removeprefix("execution reverted: ").strip() or "no reason given"


def decode_error(data: str) -> str:
    """Revert data in words, with the errors of all our compiled contracts; unknown selectors stay hexadecimal."""
    body = bytes.fromhex(data.removeprefix("0x"))
    selector, arguments = body[:4], body[4:]
    if selector == keccak(text="Panic(uint256)")[:4]:
        code = int.from_bytes(arguments[:32])
        return f"Panic({code:#04x}): {_PANICS.get(code, 'see the Solidity documentation')}"
    known = _errors(_build_stamp()).get(selector)
    if known is None:
        return f"unknown error {data if len(data) <= 138 else data[:138] + '…'}"
    name, names, types = known
    try:
        values = decode(types, arguments)
    except (DecodingError, OverflowError):
        return f"{name}(arguments not decodable)"
    if name == "Error":
        return str(values[0])
    shown = (f"{label}={_show(value)}" if label else _show(value) for label, value in zip(names, values, strict=True))
    return f"{name}({', '.join(shown)})"


def _show(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _refusal(error: ContractLogicError | Web3RPCError) -> ChainError:
    if isinstance(error, ContractLogicError) or "revert" in str(error):
        return TransactionReverted(explain(error))
    return ChainError(f"the node refused the transaction: {error.message}")


def _gas(w3: Web3, transaction: dict[str, object], spare: int) -> int:
    try:
        estimate = w3.eth.estimate_gas(transaction)  # type: ignore[arg-type]
    except (ContractLogicError, Web3RPCError) as error:
        raise _refusal(error) from error
    return min(int(estimate * GAS_MARGIN) + spare, max(MAX_TX_GAS, estimate))


@cache
def _errors(stamp: int) -> dict[bytes, tuple[str, list[str], list[str]]]:
    """Selector → (name, argument names, argument types)."""
    table: dict[bytes, tuple[str, list[str], list[str]]] = {
        keccak(text="Error(string)")[:4]: ("Error", [""], ["string"])
    }
    for artifact in compiled() if stamp else []:
        for entry in artifact.abi:
            if entry.get("type") == "error":
                inputs = cast(list, entry["inputs"])
                types = [collapse_if_tuple(item) for item in inputs]
                names = [str(item["name"]) for item in inputs]
                table[keccak(text=f"{entry['name']}({','.join(types)})")[:4]] = (str(entry["name"]), names, types)
    return table


def _build_stamp() -> int:
    """Changes when something was compiled, so that new errors are known at once."""
    folder = BUILD / "contracts"
    return folder.stat().st_mtime_ns if folder.is_dir() else 0
