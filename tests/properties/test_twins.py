"""Every formula exists twice, in Solidity and in Python integers: here both answer the same vectors, to the bit.

Vectors are edges (0, 1, word limits, ln and exp boundaries) in every combination that fits, and seeded random numbers of
every length. Reverts count as answers: where Solidity refuses, the twin must raise, and nowhere else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import cast

import pytest

from offchain.reference import (
    auction_math,
    basket_math,
    budget_math,
    constants,
    fee_math,
    integers,
    price_math,
    trade_math,
)
from offchain.reference.basket_math import SupplyWord
from offchain.reference.integers import Reverted
from tests.fuzz import examples
from tests.properties.chain import CALL_GAS, At, Call, Chain, Failure
from tests.properties.solidity import compiled

VECTORS = examples(10_000)  # of each formula
CHUNK = 10_000

WORD_EDGES = (
    0, 1, 2, 3, 10**6, 10**18 - 1, 10**18, 10**18 + 1, 10**27 - 1, 10**27, 10**27 + 1, 2**64, 2**112 - 1, 2**112,
    2**127, 2**128 - 2, 2**128 - 1, 2**128, 2**128 + 1, 2**184 - 1, 2**216 - 1, 2**255 - 1, 2**255, 2**256 - 1,
)  # fmt: skip
FACTOR_EDGES = (10**18, 10**18 + 1, 1_052_631_578_947_368_421, 10**19, 2**80)
RATE_EDGES = (0, 1, 51293294387550533, 51293294387550534, 2**56 - 1)
FEE_EDGES = (0, 1, 10**17, constants.MAX_PERFORMANCE_FEE)
SECONDS_EDGES = (0, 1, 12, 86_400, constants.YEAR - 1, constants.YEAR, constants.YEAR + 1, 100 * constants.YEAR, 2**32)


@dataclass(frozen=True)
class Formula:
    """A function of the harness, its twin, how its arguments are drawn, and how many words it returns."""

    name: str
    twin: Callable[..., int | tuple[int, ...]]
    draws: tuple[Callable[[random.Random], int], ...]
    edges: tuple[tuple[int, ...], ...]
    results: int = 1
    signed: bool = False


def word(rng: random.Random) -> int:
    """Any 256-bit word, every length equally likely; one in eight beside an edge."""
    if rng.random() < 0.125:
        return max(0, min(2**256 - 1, rng.choice(WORD_EDGES) + rng.randint(-2, 2)))
    return rng.getrandbits(rng.randint(1, 256))


def up_to(bits: int) -> Callable[[random.Random], int]:
    return lambda rng: rng.getrandbits(rng.randint(1, bits))


def between(low: int, high: int) -> Callable[[random.Random], int]:
    return lambda rng: rng.randint(low, high)


def price(rng: random.Random) -> int:
    """A D27{nUSD/tok} price of a coin from $1e-12 to $1e9 with 0 to 27 decimals, or the extremes."""
    if rng.random() < 0.05:
        return rng.choice((1, 2, constants.MAX_PRICE))
    return max(
        1, min(constants.MAX_PRICE, 10 ** (rng.randint(-12, 9) + 36 - rng.randint(0, 27)) * rng.randint(1, 999) // 100)
    )


def factor(rng: random.Random) -> int:
    return 10**18 + rng.getrandbits(rng.randint(1, 62))


TICK_EDGES = (0, 1, -1, 2, -2, 6_931, -6_932, 200_000, -200_000, 887_272, -887_272, 2**23 - 1, -(2**23))


def tick(rng: random.Random) -> int:
    return rng.randint(-price_math.MAX_TICK, price_math.MAX_TICK)


def near(rng: random.Random) -> int:
    """Prices within a quarter of one of a few, so that two of them are sometimes close."""
    return max(1, 10 ** rng.choice((0, 9, 18, 18, 18, 47)) * rng.randint(900_000, 1_250_000) // 10**6)


def formula(
    name: str,
    twin: Callable[..., int | tuple[int, ...]],
    *draws: Callable[[random.Random], int],
    edges: dict[int, tuple[int, ...]] | None = None,
    results: int = 1,
    signed: bool = False,
) -> Formula:
    chosen = tuple((edges or {}).get(place, WORD_EDGES) for place in range(len(draws)))
    return Formula(name, twin, draws, chosen, results, signed)


def supply_after(base: int, issued: int, rate: int, elapsed: int) -> int:
    return basket_math.effective_supply(SupplyWord(base=base, issued=issued, since=0), rate, elapsed)


def enter(base: int, issued: int, received: int, supply: int) -> tuple[int, int]:
    word = SupplyWord(base=base, issued=issued, since=0)
    after = basket_math.enter(word, received=integers.uint(received), supply=supply, now=0)
    return after.base, after.issued


def leave(base: int, issued: int, burned: int, supply: int) -> tuple[int, int]:
    word = SupplyWord(base=base, issued=issued, since=0)
    after = basket_math.leave(word, burned=burned, supply=supply, now=0)
    return after.base, after.issued


# The index checks these bounds before it calls FeeMath and ShareToken, which do not check them again.
U112 = up_to(112)
U112_EDGES = (0, 1, 10**9, 10**18, 2**112 - 2, 2**112 - 1)
MIXED = (word, up_to(128))


def either(rng: random.Random) -> int:
    """A plausible amount half of the time, any word the other half: both the short and the 512-bit path."""
    return rng.choice(MIXED)(rng)


def auctioned(rng: random.Random) -> int:
    """What an auction moves: a factor {ppm} or a price D27{nUSD/tok} in a range."""
    return rng.choice((between(500_000, 1_500_000), up_to(128)))(rng)


AUCTION_EDGES = {
    0: (1, 10**6 - 50_000, 10**6, 10**6 + 500_000, 10**18, 2**128 - 1),
    1: (1, 10**6 - 50_000, 10**6, 10**6 + 500_000, 10**18, 2**128 - 1),
    2: (0, 1, 12, 299, 300, 301, 86_400, 7 * 86_400),
    3: (1, 12, 299, 300, 301, 86_400, 7 * 86_400),
}

FORMULAS = (
    formula(
        "expWad", fee_math.exp_wad,
        lambda rng: rng.choice((-1, 1, 1)) * rng.getrandbits(rng.randint(1, 68)),
        edges={0: (0, 1, -1, 10**18, -(10**18), -41446531673892822313, -41446531673892822312,
                   135305999368893231588, 135305999368893231589, 2**255 - 1, -(2**255))},
        signed=True,
    ),
    formula(
        "lnWad", fee_math.ln_wad, lambda rng: rng.getrandbits(rng.randint(1, 255)),
        edges={0: (*(2**k for k in range(255)), *(2**k - 1 for k in range(256)), -1, -(2**255))},
        signed=True,
    ),
    formula("fullMulDiv", integers.full_mul_div, word, word, word),
    formula("fullMulDivUp", integers.full_mul_div_up, word, word, word),
    formula("streamingRate", fee_math.streaming_rate, between(0, constants.MAX_STREAMING_FEE),
            edges={0: (0, 1, constants.MAX_STREAMING_FEE, 10**18 - 1, 10**18, 10**18 + 1)}),
    formula("growth", fee_math.growth, up_to(60), up_to(36), edges={0: RATE_EDGES, 1: SECONDS_EDGES}),
    formula("effectiveSupply", fee_math.effective_supply, U112, U112, factor, edges={0: U112_EDGES, 1: U112_EDGES, 2: FACTOR_EDGES}),
    formula("oneOffFee", fee_math.one_off_fee, either, between(0, constants.MAX_MINT_FEE)),
    formula("performanceFee", fee_math.performance_fee, U112, up_to(216), up_to(216), up_to(217),
            between(0, constants.MAX_PERFORMANCE_FEE), U112, edges={0: U112_EDGES, 4: FEE_EDGES, 5: U112_EDGES}, results=2),
    formula("markAfterRaise", fee_math.mark_after_raise, up_to(216), up_to(216),
            between(0, constants.MAX_PERFORMANCE_FEE), between(0, constants.MAX_PERFORMANCE_FEE),
            edges={2: FEE_EDGES, 3: FEE_EDGES}),
    formula("unitAfter", fee_math.unit_after, up_to(160), between(0, 51293294387550534), up_to(36),
            edges={1: RATE_EDGES[:-1], 2: SECONDS_EDGES}),
    formula("recordedFraction", fee_math.recorded_fraction, up_to(160), up_to(160)),
    formula("partOf", fee_math.part_of, U112, between(0, constants.WAD), edges={0: U112_EDGES, 1: (0, 1, constants.WAD - 1, constants.WAD)}),
    formula("amountUp", basket_math.amount_in, either, either, either),
    formula("amountDown", basket_math.amount_out, either, either, either),
    formula("sharesFor", basket_math.shares_for, either, either, either),
    formula("valueDown", trade_math.value_down, either, price),
    formula("valueUp", trade_math.value_up, either, price),
    formula("navPerShare", trade_math.nav_per_share, either, either),
    formula("unitFromWeight", trade_math.unit_from_weight, between(0, 10**18), up_to(216), price),
    formula("unitDiluted", trade_math.unit_diluted, up_to(184), factor),
    formula("surplus", trade_math.surplus, either, up_to(184), U112),
    formula("deficit", trade_math.deficit, either, up_to(184), U112),
    formula("minBuy", trade_math.min_buy, either, price, price, between(1, 2_000_000)),
    formula("maxSell", trade_math.max_sell, either, price, price, between(1, 2_000_000)),
    formula("unitScaled", trade_math.unit_scaled, up_to(184), between(980_000, 1_020_000)),
    formula("valuePaid", trade_math.value_paid, either, between(1, 2_000_000)),
    formula("tokensOfValue", trade_math.tokens_of_value, either, price),
    formula("turnoverAfter", trade_math.turnover_after, up_to(64), either, either),
    formula("feeShares", trade_math.fee_shares, U112, up_to(62), edges={0: U112_EDGES}),
    formula("linear", auction_math.linear, auctioned, auctioned, up_to(24), up_to(24), edges=AUCTION_EDGES),
    formula("decay", auction_math.decay, auctioned, auctioned, up_to(24), up_to(24), edges=AUCTION_EDGES),
    formula("rise", auction_math.rise, auctioned, auctioned, up_to(24), up_to(24), edges=AUCTION_EDGES),
    formula("middle", auction_math.middle, up_to(128), up_to(128)),
    formula("usedAfter", budget_math.used_after, up_to(64), up_to(64), between(0, constants.MAX_WINDOW), up_to(36)),
    formula("fractionUp", budget_math.fraction_up, either, either),
    formula("supplyAfter", supply_after, U112, U112, between(0, 51293294387550534), between(0, 1_700_000_000),
            edges={0: U112_EDGES, 1: U112_EDGES, 2: RATE_EDGES, 3: (0, 1, 86_400, constants.YEAR, 1_700_000_000)}),
    formula("enter", enter, U112, U112, U112, U112,
            edges={0: U112_EDGES, 1: U112_EDGES, 2: U112_EDGES, 3: U112_EDGES}, results=2),
    formula("leave", leave, U112, U112, U112, U112,
            edges={0: U112_EDGES, 1: U112_EDGES, 2: U112_EDGES, 3: U112_EDGES}, results=2),
    formula("meanTick", price_math.mean_tick, lambda rng: rng.choice((-1, 1)) * rng.getrandbits(rng.randint(1, 41)),
            between(1_800, 86_400), edges={0: (0, 1, -1, -1800, 1799, -1801, 2**55 - 1, -(2**55)), 1: (1_800, 7_200, 86_400)},
            signed=True),
    formula("atTick", price_math.at_tick, tick, price, edges={0: TICK_EDGES, 1: (0, 1, 10**9, 10**18, 2**160 - 1)}, signed=True),
    formula("meanLiquidity", price_math.mean_liquidity, up_to(160), between(0, 86_400),
            edges={0: (0, 1, 2**128, 2**160 - 1), 1: (0, 1, 1_800, 86_400)}),
    formula("ofShare", price_math.of_share, price, either),
    formula("rateBounds", price_math.rate_bounds, up_to(160), up_to(40), between(0, constants.MAX_RATE_JUMP),
            between(0, constants.MAX_RATE_GROWTH), edges={0: (0, 1, 10**27, 2**160 - 1), 1: SECONDS_EDGES}, results=2),
    formula("diverges", price_math.diverges, near, near, between(1, constants.MAX_DEVIATION),
            edges={0: (1, 10**18, 2**160 - 1), 1: (0, 1, 10**18, 2**160 - 1), 2: (1, 10**4, 200_000)}),
    formula("usable", price_math.usable, either),
)  # fmt: skip


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    chain = Chain(compiled())
    yield chain
    chain.stop()


@pytest.fixture(scope="module")
def harness(chain: Chain) -> At:
    return chain.deploy("MathHarness")


def vectors(chosen: Formula, count: int) -> list[tuple[int, ...]]:
    """Edges first (a seeded sample when there are more than half of `count`), then random rows."""
    rng = random.Random(f"ballast {chosen.name}")
    combinations = 1
    for edges in chosen.edges:
        combinations *= len(edges)
    if combinations <= count // 2:
        rows = list(product(*chosen.edges))
    else:
        rows = [tuple(rng.choice(edges) for edges in chosen.edges) for _ in range(count // 2)]
    while len(rows) < count:
        row = [draw(rng) for draw in chosen.draws]
        if rng.random() < 0.25:  # an edge among ordinary numbers
            place = rng.randrange(len(row))
            row[place] = rng.choice(chosen.edges[place])
        rows.append(tuple(row))
    return rows


@pytest.mark.parametrize("chosen", FORMULAS, ids=lambda chosen: chosen.name)
def test_twin_equals_solidity_to_the_bit(chain: Chain, harness: At, chosen: Formula) -> None:
    rows = iter(vectors(chosen, VECTORS))
    compared = refused = 0
    while chunk := list(islice(rows, CHUNK)):
        ok, out = batch(chain, harness, chosen, chunk)
        for number, row in enumerate(chunk):
            expected = answer(chosen, row)
            actual = None if not ok[number] else out[number * chosen.results : (number + 1) * chosen.results]
            assert actual == expected, f"{chosen.name}{row}: Solidity {actual}, Python {expected}"
            compared += 1
            refused += expected is None
    assert compared >= VECTORS
    assert refused < compared * 0.75, f"{refused} of {compared} vectors revert: the draw is blind"


def answer(chosen: Formula, row: tuple[int, ...]) -> tuple[int, ...] | None:
    """What the twin says, as words; None where it raises."""
    try:
        value = chosen.twin(*row)
    except Reverted:
        return None
    values = value if isinstance(value, tuple) else (value,)
    return tuple(value % 2**256 for value in values)


def batch(
    chain: Chain, harness: At, chosen: Formula, rows: list[tuple[int, ...]]
) -> tuple[list[bool], tuple[int, ...]]:
    """The rows through `MathHarness.batch`; encoded and decoded by hand because there are many."""
    width = len(chosen.draws)
    args = b"".join((value % 2**256).to_bytes(32, "big") for row in rows for value in row)
    head = harness.interface.functions["batch"].selector + harness.interface.functions[chosen.name].selector.ljust(
        32, b"\0"
    )
    numbers = (width, chosen.results, 128, len(rows) * width)
    data = head + b"".join(number.to_bytes(32, "big") for number in numbers) + args
    request = {"from": chain.accounts[0], "to": harness.address, "data": "0x" + data.hex(), "gas": hex(CALL_GAS)}
    raw = bytes.fromhex(str(chain.rpc("eth_call", request, "latest"))[2:])
    words = [int.from_bytes(raw[place : place + 32], "big") for place in range(0, len(raw), 32)]
    count = len(rows)
    assert words[2] == count and words[3 + count] == count * chosen.results
    return [flag == 1 for flag in words[3 : 3 + count]], tuple(words[4 + count :])


def test_every_function_of_the_math_libraries_is_compared(harness: At) -> None:
    """A formula added to the harness and not to FORMULAS would go unnoticed."""
    own = {"batch", "constants", "feeConstants", "auctionConstants", "chainlinkPrices", "basketRoundTrip"}
    erc20 = {
        "name", "symbol", "decimals", "totalSupply", "balanceOf", "allowance", "transfer", "transferFrom", "approve",
        "permit", "nonces", "DOMAIN_SEPARATOR", "eip712Domain",
    }  # fmt: skip
    assert set(harness.interface.functions) - own - erc20 == {chosen.name for chosen in FORMULAS}


def test_chainlink_prices_equal_their_twin_for_every_pair_of_decimals(chain: Chain, harness: At) -> None:
    rng = random.Random("ballast prices")
    token_decimals = (*range(28), 36, 72, 255)
    aggregator_decimals = (0, 6, 8, 18, 27, 36)
    each = VECTORS // (28 * len(aggregator_decimals)) + 1
    edges = [0, 1, -1, 10**8, 2**127 - 1, 2**127, 2**191 - 1, 2**255 - 1, -(2**255)]
    compared = clamped = 0
    for mine, theirs in product(token_decimals, aggregator_decimals):
        answers = edges + [rng.choice((1, 1, 1, -1)) * rng.getrandbits(rng.randint(1, 130)) for _ in range(each)]
        max_age = rng.choice((1, 3600, 86_400, 30 * 86_400))
        ages = [rng.choice((0, 1, max_age - 1, max_age, max_age + 1, -1, rng.randint(0, max_age))) for _ in answers]
        limits = rng.choice(((0, 2**127 - 1), (1, 2**96), (10**8 - 1, 10**8 + 1), (10**8, 2**127 - 1), (0, 10**8)))
        request = Call(harness, "chainlinkPrices", ((mine, theirs), max_age, limits, answers, ages))
        result = chain.call(request, gas=CALL_GAS)
        try:
            price_math.chainlink_scale(mine, theirs)
        except Reverted:
            assert isinstance(result, Failure) and result.reason == "ValueOutOfBounds"
            continue
        assert not isinstance(result, Failure), (mine, theirs, result)
        ok, prices = cast("tuple[tuple[bool, ...], tuple[int, ...]]", result)
        for answer_, age, good, actual in zip(answers, ages, ok, prices, strict=True):
            try:
                expected: int | None = price_math.chainlink_price(
                    answer_, updated_at=chain.now - age, now=chain.now, max_age=max_age,
                    token_decimals=mine, aggregator_decimals=theirs, min_answer=limits[0], max_answer=limits[1],
                )  # fmt: skip
            except Reverted as refusal:
                expected = None
                clamped += refusal.reason == "PriceClamped"
            assert (actual if good else None) == expected, (mine, theirs, max_age, answer_, age)
            compared += 1
    assert compared >= VECTORS
    assert clamped >= VECTORS // 100


def test_constants_equal_their_twin(chain: Chain, harness: At) -> None:
    assert chain.read(Call(harness, "constants")) == (
        constants.WAD, constants.D27, constants.PPM, constants.YEAR, constants.MAX_COMPONENTS, constants.LOCKED_SHARES,
        constants.BALANCE_GAS, constants.MAX_STREAMING_FEE, constants.MAX_MINT_FEE, constants.MAX_REDEEM_FEE,
        constants.MAX_PAUSE, constants.MAX_LOSS_CAPACITY, constants.MAX_TURNOVER_CAPACITY, constants.MIN_WINDOW,
        constants.MAX_WINDOW, constants.MAX_VALUATION_AGE, constants.MAX_SLIPPAGE, constants.MAX_PLAN_DURATION,
        constants.MAX_COOLDOWN, constants.MAX_PRICE, int(constants.LOCKED_SHARES_HOLDER, 16), integers.UINT112_MAX,
        constants.PRICE_GAS, constants.COMPONENT_PRICE_GAS, constants.MAX_ANSWER_AGE, constants.MAX_GRACE,
        constants.MIN_TWAP_WINDOW, constants.MAX_TWAP_WINDOW, constants.MAX_DEVIATION, constants.MAX_RATE_JUMP,
        constants.MAX_RATE_GROWTH, constants.CHECKPOINT_INTERVAL,
    )  # fmt: skip


def test_constants_of_fees_equal_their_twin(chain: Chain, harness: At) -> None:
    assert chain.read(Call(harness, "feeConstants")) == (
        constants.MAX_PERFORMANCE_FEE, constants.MIN_FEE_INTERVAL, constants.MAX_FEE_INTERVAL,
        constants.MIN_OBSERVATION_AGE, constants.MAX_OBSERVATION_AGE, constants.MAX_FEE_RECIPIENTS,
    )  # fmt: skip


def test_constants_of_auctions_equal_their_twin(chain: Chain, harness: At) -> None:
    assert chain.read(Call(harness, "auctionConstants")) == (
        constants.MAX_SCALE, constants.MAX_RANGE, constants.MAX_PREMIUM, constants.MIN_AUCTION_DURATION,
        constants.MAX_AUCTION_DURATION, constants.MAX_WARM_UP, constants.MAX_REBALANCE_FEE, constants.MAX_KEEPER_TIP,
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 3, 17, 64])
def test_basket_is_read_back_as_written(chain: Chain, harness: At, count: int) -> None:
    rng = random.Random(count)
    for version in (0, 1, 2**32 - 1):
        components = tuple(f"0x{rng.getrandbits(160):040x}" for _ in range(count))
        limits = (2**56 - 1, 2**56 - 1, 2**56 - 1, 2**48 - 1)
        small = (version, *(rng.randint(0, limit) for limit in limits), f"0x{rng.getrandbits(160):040x}")
        for terms in (small, (version, *limits, "0x" + "ff" * 20), (version, 0, 0, 0, 0, "0x" + "00" * 20)):
            for wanted, position in (("0x" + "ee" * 20, count), *((one, i) for i, one in enumerate(components[:2]))):
                result = chain.call(Call(harness, "basketRoundTrip", (terms, components, wanted)), gas=CALL_GAS)
                assert result == (terms, terms, count, position, components)
