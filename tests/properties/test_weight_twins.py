"""The rules of `contracts/methodologies` and their Python twins answer the same vectors, to the bit (invariant 9).

100,000 vectors of each rule, a million with BALLAST_FUZZ=long: edges (caps that just fit, floors, ties, raw values from
one wei to the limit), realistic markets, and lists of 1 to 64 tokens. Reverts count as answers. The twin itself is held
against the engine that decides live and in backtests: one rule, three implementations, the same integers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pytest

from offchain.errors import InfeasibleWeights
from offchain.reference import constants, weight_math
from offchain.reference.integers import Reverted
from offchain.reference.weight_math import MAX_RAW, Request
from offchain.weights.limits import limit_weights
from tests.fuzz import LONG
from tests.properties.chain import CALL_GAS, At, Call, Chain
from tests.properties.solidity import compiled

VECTORS = 1_000_000 if LONG else 100_000  # of each rule
CHUNK = 5_000  # rows in one eth_call
WAD = 10**18
SIZES = (1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6)  # most vectors are short, so that there can be many
STEP = 3 * 10**17  # of the DampedStep under test

Row = tuple[Request, tuple[int, ...]]


@dataclass(frozen=True)
class Rule:
    """A deployed rule: its twin's name, and the twin's name of the rule inside it."""

    name: str
    inner: str = ""


RULES = (
    Rule("EqualWeight"),
    Rule("CappedMarketCap"),
    Rule("SqrtMarketCap"),
    Rule("InverseVolatility"),
    Rule("Managed"),
    Rule("DampedStep", inner="SqrtMarketCap"),
)


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    chain = Chain(compiled())
    yield chain
    chain.stop()


@pytest.fixture(scope="module")
def harness(chain: Chain) -> At:
    return chain.deploy("WeightHarness")


# --- vectors ----------------------------------------------------------------------------------------------------------


def rows_of(rule: Rule, count: int) -> Iterator[Row]:
    rng = random.Random(f"ballast {rule.name}")
    for number in range(count):
        n = rng.choice(SIZES) if rng.random() < 0.99 else rng.randint(7, 64)
        yield draw(rng, rule, n if number else 64)


def draw(rng: random.Random, rule: Rule, n: int) -> Row:
    minimum, maximum = bounds(rng, n)
    request = Request(
        tokens=tuple(map(str, range(n))), previous=previous(rng, n), min_weight=minimum, max_weight=maximum
    )
    return request, () if rule.name == "EqualWeight" else values(rng, rule, n)


def bounds(rng: random.Random, n: int) -> tuple[int, int]:
    """Floor and cap D18: usually possible, often just so."""
    average = WAD // n
    cap = rng.choice(
        (
            WAD,
            WAD,
            average + 1,
            average,
            -(-WAD // n),
            rng.randint(average, WAD),
            rng.randint(average, min(WAD, 3 * average)),
        )
    )
    floor = rng.choice(
        (0, 1, 1, average, rng.randint(0, average), rng.randint(0, average), rng.randint(0, average // 10))
    )
    if rng.random() < 0.01:
        floor, cap = rng.choice(
            ((0, 0), (cap, floor), (0, WAD + 1), (0, 2**255), (average + 1, cap), (2**256 - 1, 2**256 - 1))
        )
    return floor, cap  # fmt: skip


def previous(rng: random.Random, n: int) -> tuple[int, ...]:
    """Weights D18 that sum to at most 1e18: some tokens have left, some are new."""
    cuts = sorted(rng.randint(0, WAD) for _ in range(n))
    found = [after - before for before, after in zip([0, *cuts], cuts, strict=False)]
    if rng.random() < 0.3:
        found[rng.randrange(n)] = 0
    if rng.random() < 0.002:
        found[0] = 2**256 - 1
    return tuple(found)


def values(rng: random.Random, rule: Rule, n: int) -> tuple[int, ...]:
    kind = rng.random()
    if rule.name == "InverseVolatility" and kind < 0.8:
        found = [rng.randint(10**15, 5 * 10**18) for _ in range(n)]
    elif kind < 0.5:  # a market: {nUSD} from a million to two trillion dollars
        found = [rng.randint(10, 99) * 10 ** rng.randint(14, 20) + rng.getrandbits(40) for _ in range(n)]
    elif kind < 0.7:  # ties
        found = [rng.choice((1, 2, 10**18)) for _ in range(n)]
    elif kind < 0.75:  # the limit
        found = [rng.choice((MAX_RAW, MAX_RAW - 1, 1)) for _ in range(n)]
    else:  # any length
        found = [rng.getrandbits(rng.randint(1, 120)) + 1 for _ in range(n)]
    if rng.random() < 0.01:
        found[rng.randrange(n)] = rng.choice((0, MAX_RAW + 1, 2**256 - 1, 10**36 + 1))
    return tuple(found)


# --- comparison -------------------------------------------------------------------------------------------------------


def twin(rule: Rule, row: Row) -> list[int] | None:
    request, inputs = row
    try:
        if rule.inner:
            target = weight_math.compute(rule.inner, request, inputs)
            return weight_math.damped_step(request, target, step=STEP)
        return weight_math.compute(rule.name, request, inputs)
    except Reverted:
        return None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_methodology_equals_its_twin_to_the_bit(chain: Chain, harness: At, rule: Rule) -> None:
    """Invariant 9, and what every answer has to be: exactly 1e18 in sum, no weight above the cap or below the floor."""
    if rule.inner:
        contract = chain.deploy(rule.name, chain.deploy(rule.inner).address, STEP)
    else:
        contract = chain.deploy(rule.name)
    compared = refused = 0
    rows = rows_of(rule, VECTORS)
    while chunk := list(islice(rows, CHUNK)):
        for row, actual in zip(chunk, ask(chain, harness, contract, rule, chunk), strict=True):
            expected = twin(rule, row)
            assert actual == expected, f"{rule.name}{row}: Solidity {actual}, Python {expected}"
            compared += 1
            refused += expected is None
            if expected is not None and rule.name != "Managed":
                assert sum(expected) == WAD
                assert row[0].min_weight <= min(expected) and max(expected) <= row[0].max_weight
    assert compared == VECTORS
    assert refused < compared * 0.2, f"{refused} of {compared} vectors revert: the draw is blind"


def ask(chain: Chain, harness: At, contract: At, rule: Rule, rows: Sequence[Row]) -> Iterator[list[int] | None]:
    """The rows through `WeightHarness.computeMany`; encoded and decoded by hand because there are many."""
    words: list[int] = []
    for request, inputs in rows:
        n = len(request.tokens)
        words += (n, request.min_weight, request.max_weight, *request.previous, *(inputs or (0,) * n))
    head = (int(contract.address, 16), int(rule.name != "EqualWeight"), 96, len(words))
    data = harness.interface.functions["computeMany"].selector + b"".join(
        w.to_bytes(32, "big") for w in (*head, *words)
    )
    request_ = {"from": chain.accounts[0], "to": harness.address, "data": "0x" + data.hex(), "gas": hex(CALL_GAS)}
    raw = bytes.fromhex(str(chain.rpc("eth_call", request_, "latest"))[2:])
    at = 64
    for request, _ in rows:
        n = len(request.tokens)
        row = [int.from_bytes(raw[place : place + 32], "big") for place in range(at, at + 32 * (n + 1), 32)]
        yield row[1:] if row[0] else None
        at += 32 * (n + 1)


def test_twin_equals_the_engine_that_decides() -> None:
    """The pegging loop of the contracts and the sorted search of `offchain/weights/limits.py` find the same integers."""
    rng = random.Random("ballast engine")
    compared = refused = 0
    for _ in range(VECTORS // 2):
        n = rng.choice(SIZES) if rng.random() < 0.97 else rng.randint(7, 64)
        minimum, maximum = bounds(rng, n)
        raw = values(rng, RULES[1], n)
        try:
            expected: list[int] | None = limit_weights(raw, cap=maximum, floor=minimum)
        except InfeasibleWeights:
            expected = None
        try:
            actual: list[int] | None = weight_math.limit(raw, minimum, maximum)
        except Reverted:
            actual = None
        if max(raw) > MAX_RAW or maximum > WAD:  # the engine's words have no end
            assert actual is None
            continue
        assert actual == expected, (raw, minimum, maximum)
        compared += 1
        refused += actual is None
    assert compared > VECTORS * 0.45 and refused < compared * 0.2


def test_volatility_and_average_equal_their_twins_to_the_bit(chain: Chain, harness: At) -> None:
    rng = random.Random("ballast records")
    compared = reverted = 0
    for count, rows in ((3, 40_000), (8, 40_000), (31, 18_000), (128, 2_000)):
        rows = rows * (10 if LONG else 1)
        while rows > 0:
            chunk = [history(rng, count) for _ in range(min(rows, 4_000))]
            rows -= len(chunk)
            words = [price for prices in chunk for price in prices]
            head = (count, 64, len(words))
            data = harness.interface.functions["recordsMany"].selector + b"".join(
                w.to_bytes(32, "big") for w in (*head, *words)
            )
            request = {
                "from": chain.accounts[0],
                "to": harness.address,
                "data": "0x" + data.hex(),
                "gas": hex(CALL_GAS),
            }
            raw = bytes.fromhex(str(chain.rpc("eth_call", request, "latest"))[2:])
            out = [int.from_bytes(raw[place : place + 32], "big") for place in range(64, len(raw), 32)]
            for number, prices in enumerate(chunk):
                try:
                    expected = weight_math.volatility(prices)
                except Reverted:
                    expected = (2**256 - 1, 0)
                    reverted += 1
                assert tuple(out[4 * number : 4 * number + 4]) == (*expected, *weight_math.average(prices)), prices
                compared += 1
    assert compared >= VECTORS and 0 < reverted < compared * 0.2


def history(rng: random.Random, count: int) -> list[int]:
    """Daily D27{nUSD/tok} prices: a walk with gaps, or any words."""
    if rng.random() < 0.1:
        return [rng.getrandbits(rng.randint(1, 160)) for _ in range(count)]
    price, prices = 10 ** rng.randint(12, 40), []
    for _ in range(count):
        price = max(1, price * rng.randint(800_000, 1_250_000) // 1_000_000)
        prices.append(0 if rng.random() < 0.15 else price)
    return prices


def test_constants_equal_their_twin(chain: Chain, harness: At) -> None:
    assert chain.read(Call(harness, "constants")) == (
        constants.MIN_WEIGHT_DELAY, constants.MAX_WEIGHT_DELAY, constants.MAX_WEIGHT_INTERVAL, constants.MAX_WEIGHT_CHANGE,
        constants.RECORD_WINDOW, constants.RECORD_SLOTS, MAX_RAW,
    )  # fmt: skip
