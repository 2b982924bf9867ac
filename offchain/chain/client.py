"""How to reach a node: `w3 = connect("http://127.0.0.1:8545", expected_chain_id=31337)`.

Nothing here retries: whoever calls knows whether a call may be repeated. A request that gets no answer raises
NotConnected and names the URL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError
from web3.types import LogReceipt, RPCEndpoint, RPCResponse

from offchain.errors import ChainError, NotConnected, WrongNetwork

CHAIN_NAMES = {
    1: "Ethereum mainnet",
    11155111: "Sepolia",
    560048: "Hoodi",
    8453: "Base",
    84532: "Base Sepolia",
    42161: "Arbitrum One",
    421614: "Arbitrum Sepolia",
    10: "OP Mainnet",
    31337: "local devnet",
}

HOW_TO_START = "start a local one with `make chain`, or check the URL"


class NodeProvider(HTTPProvider):
    """One URL, one answer or one clear error: no silent retry, and a time limit on every request.

    `on_failure` turns a lost connection into the error to raise; the default is NotConnected.
    """

    def __init__(
        self, url: str, *, timeout: float = 30.0, on_failure: Callable[[str], Exception] | None = None
    ) -> None:
        super().__init__(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
        self._url = url
        self._on_failure = on_failure or (
            lambda reason: NotConnected(f"no node answers at {public_url(url)} ({reason}); {HOW_TO_START}")
        )

    def make_request(self, method: RPCEndpoint, params: object) -> RPCResponse:
        try:
            return super().make_request(method, params)
        except requests.exceptions.RequestException as error:
            raise self._on_failure(_reason(error)) from error
        except ValueError as error:  # the answer is not JSON
            raise NotConnected(
                f"{public_url(self._url)} answered {method} with something that is not JSON-RPC"
            ) from error

    def make_batch_request(self, batch: list[tuple[RPCEndpoint, object]]) -> list[RPCResponse] | RPCResponse:
        try:
            return super().make_batch_request(batch)
        except requests.exceptions.RequestException as error:
            raise self._on_failure(_reason(error)) from error


def connect(url: str, expected_chain_id: int | None = None, *, timeout: float = 30.0) -> Web3:
    """A Web3 on `url` that has answered once. `timeout` in seconds per request.

    Raises NotConnected when nothing answers, WrongNetwork when the node is on another chain than expected.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise NotConnected(f"{public_url(url)} is not an http:// or https:// URL of a node")
    w3 = Web3(NodeProvider(url, timeout=timeout))
    chain_id = w3.eth.chain_id
    if expected_chain_id is not None and chain_id != expected_chain_id:
        raise WrongNetwork(
            f"{public_url(url)} is on {chain_name(chain_id)}, but {chain_name(expected_chain_id)} was expected; "
            "change the URL or the expected chain"
        )
    return w3


def chain_name(chain_id: int) -> str:
    """'Sepolia (chain 11155111)', or 'chain 5' for one we have no name for."""
    name = CHAIN_NAMES.get(chain_id)
    return f"{name} (chain {chain_id})" if name else f"chain {chain_id}"


def public_url(url: str) -> str:
    """The URL without what may be a secret: user, password, API key in path or query."""
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else url.split("?")[0]
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = ""
    return f"{host}{port}{'/…' if parts.path.strip('/') or parts.query else ''}"


def rpc(w3: Web3, method: str, *params: object) -> object:
    """One raw JSON-RPC call: its result, or ChainError with the node's own message."""
    return _result(method, w3.provider.make_request(RPCEndpoint(method), list(params)))


def rpc_batch(w3: Web3, calls: list[tuple[str, list[object]]], *, size: int = 200) -> list[object]:
    """Many raw JSON-RPC calls in few requests of at most `size`; results in the order asked, or ChainError for the first refusal."""
    return [_result(method, answer) for (method, _), answer in zip(calls, _answers(w3, calls, size), strict=True)]


def rpc_batch_or_none(w3: Web3, calls: list[tuple[str, list[object]]], *, size: int = 200) -> list[object | None]:
    """The same, with None for each call that the node refuses, such as an eth_call that reverts."""
    return [None if answer.get("error") else answer["result"] for answer in _answers(w3, calls, size)]


def read_logs(w3: Web3, address: str, first: int, last: int, topics: Sequence[object] = ()) -> list[LogReceipt]:
    """Logs of a contract that begin with `topics`, a list where any of several will do; a node that refuses so many blocks at a time is asked for halves."""
    wanted = {"address": w3.to_checksum_address(address), "fromBlock": first, "toBlock": last, "topics": list(topics)}
    try:
        return list(w3.eth.get_logs(wanted))  # type: ignore[arg-type]
    except (Web3RPCError, ValueError) as error:
        if first >= last:
            raise ChainError(f"the node does not give the events of {address} at block {first}: {error}") from error
    middle = (first + last) // 2
    return read_logs(w3, address, first, middle, topics) + read_logs(w3, address, middle + 1, last, topics)


def _answers(w3: Web3, calls: list[tuple[str, list[object]]], size: int) -> list[RPCResponse]:
    """The node's answers in the order asked."""
    found: list[RPCResponse] = []
    for start in range(0, len(calls), size):
        chunk = calls[start : start + size]
        answers = cast(NodeProvider, w3.provider).make_batch_request([(RPCEndpoint(m), params) for m, params in chunk])
        if isinstance(answers, dict):
            raise ChainError(f"batch of {len(chunk)} calls: {answers.get('error', answers)}")
        if len(answers) != len(chunk):
            raise ChainError(f"batch of {len(chunk)} calls: the node answered {len(answers)}")
        found += sorted(answers, key=lambda answer: int(cast(int, answer["id"])))
    return found


def _result(method: str, answer: RPCResponse) -> object:
    error = answer.get("error")
    if error:
        raise ChainError(f"{method}: {error if isinstance(error, str) else error.get('message', error)}")
    return answer["result"]


def _reason(error: requests.exceptions.RequestException) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "connection refused or lost"
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    return type(error).__name__
