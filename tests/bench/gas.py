"""Gas of every operation at every size, on genuine pools and feeds. `measure()` → rows; gas.json is the last signed run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from offchain.chain.artifacts import artifact
from offchain.chain.transactions import deploy
from offchain.devnet.anvil import Anvil
from tests.bench.goals import SIZES, Row
from tests.bench.world import DAY, WAD, Bench, build, open_v2_pool, open_v3_pool, route

SNAPSHOT = Path(__file__).with_name("gas.json")
START = 1_767_225_600  # {s} 2026-01-01, so that every run has the same clock


def measure(sizes: Iterable[int] = SIZES, *, hardfork: str = "osaka") -> Iterator[Row]:
    """Measures one index size after the other, each on a chain of its own."""
    for size in sizes:
        with Anvil.start(timestamp=START, hardfork=hardfork) as node:
            bench = build(node.w3, size)
            for operation, gas in _operations(node, bench):
                yield Row(operation=operation, size=size, gas=gas)


def read_snapshot() -> dict[str, dict[str, int]]:
    """operation → size → {gas}."""
    return json.loads(SNAPSHOT.read_text())


def write_snapshot(rows: Iterable[Row]) -> None:
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        table.setdefault(row.operation, {})[str(row.size)] = row.gas
    SNAPSHOT.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")


def _operations(node: Anvil, bench: Bench) -> Iterator[tuple[str, int]]:
    index, alice, bob = bench.index.functions, bench.alice, bench.bob
    yield "create", bench.created

    _mint(bench, 1_234_567_890_123_456_789)
    yield "mint", _mint(bench, 987_654_321_098_765_432)
    yield "redeem", _redeem(bench, 55_555_555_555_555_555)

    bench.send(index.transfer(bob, 12_345_678_901_234_567), alice)
    yield "transfer", bench.gas(index.transfer(bob, 12_345_678_901_234_567), alice)

    bench.send(index.collect(), bob)
    node.advance(DAY)
    yield "collect", bench.gas(index.collect(), bob)

    v2_pool, v3_pool = open_v2_pool(bench), open_v3_pool(bench)
    v2_taker, v3_taker = bench.core.v2_taker, bench.core.v3_taker
    _start_plan(bench, 1, tilt=200)
    node.advance(60)
    yield "start plan", _start_plan(bench, 2, tilt=100)

    _swap(bench, 0, v2_pool, v2_taker, v2_pool)
    yield "swap V2", _swap(bench, 1, v2_pool, v2_taker, v2_pool)
    _swap(bench, 2, v3_taker, v3_taker, v3_pool)
    yield "swap V3", _swap(bench, 3, v3_taker, v3_taker, v3_pool)
    yield "end plan", bench.gas(_rebalancer(bench).endPlan(bench.index.address, 2), bench.trader)

    _unguard(bench)
    for name, payee, taker, pool in (("V2", v2_pool, v2_taker, v2_pool), ("V3", v3_taker, v3_taker, v3_pool)):
        _exchange(bench, payee, taker, pool)
        yield f"exchange {name}, no guard", _exchange(bench, payee, taker, pool)


def _mint(bench: Bench, shares: int) -> int:
    amounts, _ = bench.index.functions.previewMint(shares).call()
    limits = [amount * 101 // 100 for amount in amounts]
    return bench.gas(bench.index.functions.mint(shares, 1, limits, bench.alice), bench.alice)


def _redeem(bench: Bench, shares: int) -> int:
    amounts, _ = bench.index.functions.previewRedeem(shares).call()
    limits = [amount * 99 // 100 for amount in amounts]
    return bench.gas(bench.index.functions.redeem(shares, 1, limits, bench.alice, bench.alice, 0), bench.alice)


def _rebalancer(bench: Bench) -> object:
    return bench.core.contract(bench.w3, "rebalancer").functions


def _start_plan(bench: Bench, plan: int, *, tilt: int) -> int:
    """Equal weights, with `tilt` basis points moved from the first token to the second."""
    n = len(bench.tokens)
    weights = [WAD // n] * n
    weights[0] += WAD - sum(weights) - tilt * 10**14
    weights[1] += tilt * 10**14
    call = _rebalancer(bench).startPlan(bench.index.address, plan, 1, [], weights, 7 * DAY)  # type: ignore[attr-defined]
    return bench.gas(call, bench.trader)


def _swap(bench: Bench, step: int, payee: str, taker: str, pool: str) -> int:
    """Sells a little of the first token for the second, through the rebalancer, the guard and the oracle."""
    sell, buy = bench.tokens[0].address, bench.tokens[1].address
    order = (bench.index.address, 2, step, sell, buy, 10**16 + 12_345, 1, payee, taker, route(pool))
    return bench.gas(_rebalancer(bench).swap(order), bench.trader)  # type: ignore[attr-defined]


def _unguard(bench: Bench) -> None:
    """Makes the trader the rebalancer and takes the guard away: the bare settlement primitive."""
    guard = deploy(bench.w3, bench.trader, artifact("OpenGuard"))
    bench.send(bench.index.functions.setGuard(guard.address), bench.trader)
    bench.send(bench.index.functions.setRebalancer(bench.trader), bench.trader)


def _exchange(bench: Bench, payee: str, taker: str, pool: str) -> int:
    sell, buy = bench.tokens[0].address, bench.tokens[1].address
    call = bench.index.functions.exchange([(sell, 10**16 + 12_345)], [(buy, 1)], payee, taker, route(pool))
    return bench.gas(call, bench.trader)
