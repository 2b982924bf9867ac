"""Where the gas of each operation goes, for the operations that miss a goal: docs/gas.md, written by `make bench`."""

from __future__ import annotations

from collections.abc import Sequence

from web3 import Web3

from offchain.chain.artifacts import ROOT, compiled, vendor
from offchain.devnet.anvil import Anvil
from tests.bench.gas import START, operations
from tests.bench.goals import Row
from tests.bench.profile import Share, profile
from tests.bench.world import Bench, auctions, build

PAGE = ROOT / "docs" / "gas.md"
SIZE = 10
SHOWN = ("swap V2", "fill", "fill, no guard or oracle", "exchange V2, no guard", "open auction", "start plan")
NAMELESS = {"latestRoundData": "Chainlink proxy and aggregator", "price": "feed", "swap": "pool", "getReserves": "pool"}
LEAST = 400  # {gas}: smaller shares are summed up
HEAD = """# Where the gas goes

Written by `make bench` from the node's call traces, for an index of ten components. Each line is what one function of one
contract burns itself; reaching a contract for the first time in a transaction (2,600) is counted to whoever calls it, and so
is the first read of a slot (2,100) to whoever reads. The shares sum to the gas of the receipt.

Three things cost what the goals did not foresee, and each buys something:

- **Two genuine price reads a trade.** The rebalancer's floor and the guard's valuation stand on prices read now, through
  Chainlink's own proxy and aggregator, with the checks of age, clamp and phase for each token.
- **Roles from outside.** The index's own AccessManager answers who may call; no key of ours is in the contracts.
- **A guard that does not trust the rebalancer.** It values the exchange by itself and keeps its two budgets in its own slots,
  so that a mistake in the plan arithmetic cannot cost more than G2 says.

A fill pays for two more: auctions live in a contract of their own, because together with plans they would not fit into the size
limit of a contract, so a fill asks for the plan and settles through a second hop (`livePlanOf` and `settle` below). And
creating an index stores a whole contract, 200 gas for each byte of its code: there is no proxy or shared implementation behind
it that somebody could change (G7). What has not been done: reading the target and the noted price of a plan as one word, and
skipping the read of claims of tokens that have none (`claimsOwed` below).
"""


def write_profiles() -> None:
    """Measures on a chain of its own and writes the page."""
    parts = [HEAD]
    with Anvil.start(timestamp=START) as node:
        bench = build(node.w3, SIZE)
        names, functions = _names(bench), _functions()
        for operation, gas in operations(node, bench):
            if operation in SHOWN:
                shares = _named(profile(node.w3, _last_transaction(node.w3, gas), names, functions))
                parts.append(_table(Row(operation=operation, size=SIZE, gas=gas), shares))
    PAGE.write_text("\n".join(parts), encoding="utf-8")


def _last_transaction(w3: Web3, gas: int) -> str:
    block = w3.eth.get_block("latest", full_transactions=True)
    sent = block["transactions"][-1]["hash"]  # type: ignore[index]
    used = w3.eth.get_transaction_receipt(sent)["gasUsed"]
    if used != gas:
        raise AssertionError(f"the latest transaction used {used} gas, the measured one {gas}")
    return sent.to_0x_hex()


def _named(shares: Sequence[Share]) -> list[Share]:
    """Contracts that are not ours, of which there is one a component, under one name."""
    calls: dict[str, tuple[int, int]] = {}
    for share in shares:
        contract, _, function = share.where.partition(".")
        where = f"{NAMELESS.get(function, contract)}.{function}" if contract.startswith("0x") else share.where
        before = calls.get(where, (0, 0))
        calls[where] = (before[0] + share.calls, before[1] + share.gas)
    summed = [Share(where=where, calls=count, gas=gas) for where, (count, gas) in calls.items()]
    return sorted(summed, key=lambda share: -share.gas)


def _names(bench: Bench) -> dict[str, str]:
    names = {address.lower(): name for name, address in bench.core.addresses().items()}
    names |= {str(token.address).lower(): "component" for token in bench.tokens}
    names[auctions(bench).address.lower()] = "auctions"
    names[str(bench.index.address).lower()] = "index"
    names[bench.deployment.authority.lower()] = "authority"
    return names


def _functions() -> dict[str, str]:
    artifacts = [*compiled(), *(vendor(name) for name in ("UniswapV2Pair", "UniswapV3Pool"))]
    found = {}
    for artifact in artifacts:
        for row in artifact.abi:
            if row.get("type") == "function":
                kinds = ",".join(_kind(parameter) for parameter in row["inputs"])
                signature = f"{row['name']}({kinds})"
                found["0x" + Web3.keccak(text=signature).hex().removeprefix("0x")[:8]] = str(row["name"])
    return found


def _kind(parameter: dict[str, object]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    inside = ",".join(_kind(part) for part in parameter["components"])  # type: ignore[attr-defined]
    return f"({inside}){kind.removeprefix('tuple')}"


def _table(row: Row, shares: Sequence[Share]) -> str:
    aims = f", goal {row.goal:,}" if row.goal is not None else ""
    lines = [f"## {row.operation}: {row.gas:,}{aims}", "", "| function | calls | gas | part |", "|---|---:|---:|---:|"]
    shown = [share for share in shares if share.gas >= LEAST]
    rest = sum(share.gas for share in shares) - sum(share.gas for share in shown)
    for share in shown:
        lines.append(f"| {share.where} | {share.calls} | {share.gas:,} | {share.gas / row.gas:.1%} |")
    lines.append(f"| everything below {LEAST} | | {rest:,} | {rest / row.gas:.1%} |")
    return "\n".join(lines) + "\n"
