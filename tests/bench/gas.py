"""Gas of every operation at every size, on genuine pools and feeds. `measure()` → rows; gas.json is the last signed run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from offchain.chain.artifacts import artifact
from offchain.chain.transactions import deploy
from offchain.devnet.anvil import Anvil
from tests.bench.goals import SIZES, Row
from tests.bench.world import (
    DAY,
    HOUR,
    PRICE,
    UNLIMITED,
    WAD,
    Bench,
    auctions,
    build,
    open_v2_pool,
    open_v3_pool,
    route,
)

SNAPSHOT = Path(__file__).with_name("gas.json")
AUCTION_POLICY = (20_000, 20_000, 600, HOUR, 0, DAY, 0, 0)
LINEAR, EXPONENTIAL = 0, 1
NOBODY = "0x" + "00" * 20
START = 1_767_225_600  # {s} 2026-01-01, so that every run has the same clock


def measure(sizes: Iterable[int] = SIZES, *, hardfork: str = "osaka") -> Iterator[Row]:
    """Measures one index size after the other, each on a chain of its own."""
    for size in sizes:
        with Anvil.start(timestamp=START, hardfork=hardfork) as node:
            bench = build(node.w3, size)
            for operation, gas in operations(node, bench):
                yield Row(operation=operation, size=size, gas=gas)


def read_snapshot() -> dict[str, dict[str, int]]:
    """operation → size → {gas}."""
    return json.loads(SNAPSHOT.read_text())


def write_snapshot(rows: Iterable[Row]) -> None:
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        table.setdefault(row.operation, {})[str(row.size)] = row.gas
    SNAPSHOT.write_text(json.dumps(table, indent=2, sort_keys=True) + "\n")


def operations(node: Anvil, bench: Bench) -> Iterator[tuple[str, int]]:
    """(operation, {gas}) one after the other on one chain; when a row of one call comes, that call is the latest transaction."""
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
    yield from _auction(bench)
    yield "end plan", bench.gas(_rebalancer(bench).endPlan(bench.index.address, 2), bench.trader)
    node.advance(60)
    yield "whole rebalance", _whole_rebalance(bench)

    yield "fill, no guard or oracle", _bare_fill(bench)
    _take_rebalancer(bench)
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


def _auction(bench: Bench) -> Iterator[tuple[str, int]]:
    """Opens an auction and fills a little of it, the filler's tokens being pulled; the second time is the one that counts."""
    house, index = auctions(bench), bench.index.address
    bench.send(house.functions.setAuctionPolicy(index, AUCTION_POLICY), bench.trader)
    for auction in (1, 2):
        opening = bench.gas(house.functions.openAuction(index, 2, auction, 10_000, 0, HOUR, LINEAR), bench.trader)
        if auction == 1:
            bench.send(house.functions.closeAuction(index, 1), bench.trader)
    yield "open auction", opening
    bench.gas(_fill(bench, 2, 2), bench.alice)
    yield "fill", bench.gas(_fill(bench, 2, 2), bench.alice)


def _fill(bench: Bench, plan: int, auction: int) -> object:
    sell, buy = bench.tokens[0].address, bench.tokens[1].address
    order = (
        bench.index.address, plan, auction, sell, buy, 0, 10**16 + 12_345, UNLIMITED, bench.alice, NOBODY, b"",
    )  # fmt: skip
    return auctions(bench).functions.fill(order)


def _whole_rebalance(bench: Bench) -> int:
    """From the start of a plan to its end: every second component sold for its neighbour, all pairs in one fill."""
    n, plan, (house, index) = len(bench.tokens), 3, (auctions(bench), bench.index.address)
    weights = [WAD // n + (WAD // n // 50) * (-1 if i % 2 == 0 else 1) for i in range(n - n % 2)] + [WAD // n] * (n % 2)
    weights[0] += WAD - sum(weights)
    total = bench.gas(_rebalancer(bench).startPlan(index, plan, 1, [], weights, 7 * DAY), bench.trader)  # type: ignore[attr-defined]
    total += bench.gas(house.functions.openAuction(index, plan, 3, 10_000, 0, HOUR, LINEAR), bench.trader)
    pairs = n // 2
    sells = [(bench.tokens[2 * i].address, 0, UNLIMITED) for i in range(pairs)]
    buys = [(bench.tokens[2 * i + 1].address, 0, UNLIMITED) for i in range(pairs)]
    order = (index, plan, 3, sells, buys, bench.alice, NOBODY, b"")
    total += bench.gas(house.functions.fillMany(order), bench.alice)
    return total + bench.gas(_rebalancer(bench).endPlan(index, plan), bench.trader)  # type: ignore[attr-defined]


def _bare_fill(bench: Bench) -> int:
    """A fill of a manual plan, which asks no oracle, past a guard that agrees to everything."""
    n, index = len(bench.tokens), bench.index.address
    price = PRICE * 10**18  # D27{nUSD/tok} of a token of 18 decimals
    held = [
        token.functions.balanceOf(index).call() * 10**27 // bench.index.functions.totalSupply().call()
        for token in bench.tokens
    ]
    units = [held[0] * 9 // 10, held[1] * 11 // 10, *held[2:]]
    plan = (4, 1, [], units, [(price * 99 // 100, price)] * n, 7 * DAY)
    bench.send(_rebalancer(bench).startManualPlan(index, plan), bench.trader)  # type: ignore[attr-defined]
    bench.send(auctions(bench).functions.openAuction(index, 4, 4, 0, 0, HOUR, EXPONENTIAL), bench.trader)
    _unguard(bench)
    bench.gas(_fill(bench, 4, 4), bench.alice)
    return bench.gas(_fill(bench, 4, 4), bench.alice)


def _unguard(bench: Bench) -> None:
    """Takes the guard away."""
    guard = deploy(bench.w3, bench.trader, artifact("OpenGuard"))
    bench.send(bench.index.functions.setGuard(guard.address), bench.trader)


def _take_rebalancer(bench: Bench) -> None:
    """Makes the trader the rebalancer: the bare settlement primitive."""
    bench.send(bench.index.functions.setRebalancer(bench.trader), bench.trader)


def _exchange(bench: Bench, payee: str, taker: str, pool: str) -> int:
    sell, buy = bench.tokens[0].address, bench.tokens[1].address
    call = bench.index.functions.exchange([(sell, 10**16 + 12_345)], [(buy, 1)], payee, taker, route(pool))
    return bench.gas(call, bench.trader)
