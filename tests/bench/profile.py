"""Where the gas of one transaction goes: by contract and function, from the node's call trace.

`self` is what a frame burns itself, with the price of reaching the contracts it calls (2,600 for a cold account).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from web3 import Web3

TRANSACTION, ZERO_BYTE, OTHER_BYTE = 21_000, 4, 16  # {gas}
INTRINSIC = "the transaction and its data"


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one function of one contract burns in a transaction, {gas}, over `calls` calls."""

    where: str
    calls: int
    gas: int


def profile(w3: Web3, tx: str, names: Mapping[str, str], functions: Mapping[str, str]) -> list[Share]:
    """The shares of transaction `tx`, the largest first; they sum to the gas of its receipt.

    `names` maps lower-case addresses to what they are called, `functions` four-byte selectors to function names.
    """
    answer = w3.provider.make_request("debug_traceTransaction", [tx, {"tracer": "callTracer"}])  # type: ignore[arg-type]
    root = answer["result"]
    totals: dict[str, list[int]] = {}
    for where, gas in _frames(root, names, functions):
        totals.setdefault(where, [0, 0])
        totals[where][0] += 1
        totals[where][1] += gas
    data = bytes.fromhex(root["input"][2:])
    intrinsic = TRANSACTION + sum(OTHER_BYTE if byte else ZERO_BYTE for byte in data)
    first = next(iter(totals))  # the node counts the transaction itself to its outermost call
    totals[first][1] -= intrinsic
    totals[INTRINSIC] = [1, intrinsic]
    shares = [Share(where=where, calls=calls, gas=gas) for where, (calls, gas) in totals.items()]
    return sorted(shares, key=lambda share: -share.gas)


def _frames(frame: dict, names: Mapping[str, str], functions: Mapping[str, str]) -> Iterator[tuple[str, int]]:  # type: ignore[type-arg]
    children = frame.get("calls", [])
    own = int(frame["gasUsed"], 16) - sum(int(child["gasUsed"], 16) for child in children)
    address, selector = frame.get("to", ""), frame.get("input", "0x")[:10]
    yield f"{names.get(address.lower(), address[:10])}.{functions.get(selector, selector)}", own
    for child in children:
        yield from _frames(child, names, functions)
