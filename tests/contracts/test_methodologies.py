"""Rules that anyone can recompute: the examples a reader would do by hand; the twins do the other hundred thousand.

EqualWeight, CappedMarketCap, SqrtMarketCap, InverseVolatility
├── weigh in proportion, the remainder to the largest, the first on ties
├── cut what is above the cap and give it to the others in proportion, again and again
├── lift what is below the floor
└── refuse inputs of the wrong length or size, and bounds that cannot be kept

DampedStep
├── goes part of the way from the last executed weights
└── a token that leaves does so at once

RecordedVolatility
├── weighs by what the recorder knows, in a window that ends today or yesterday
└── equals InverseVolatility with the same volatilities

Managed
└── is what it is told
"""

import pytest
from brownie import (
    CappedMarketCap,
    DampedStep,
    EqualWeight,
    InverseVolatility,
    Managed,
    RecordedVolatility,
    SqrtMarketCap,
)
from eth_abi import encode

from offchain.reference import weight_math
from tests.contracts.support import DAY, WAD, ZERO, now, price_d27, wait, why, why_call

CAPS = [3 * 10**21, 10**21, 10**21, 10**20]  # {nUSD}


def words(values):
    return encode(["uint256[]"], [list(values)])


def request_of(n, *, previous=None, low=0, high=WAD):
    return ([f"0x{i + 1:040x}" for i in range(n)], previous or [0] * n, low, high)


@pytest.fixture
def made(deployer):
    return {contract._name: deployer.deploy(contract) for contract in (EqualWeight, CappedMarketCap, SqrtMarketCap, InverseVolatility, Managed)}  # fmt: skip


def test_equal_weight_gives_the_remainder_to_the_first(made):
    rule = made["EqualWeight"]
    assert rule.rule() == "EqualWeight"
    assert list(rule.compute(request_of(3), b"")) == [WAD // 3 + 1, WAD // 3, WAD // 3]
    assert list(rule.compute(request_of(1), b"")) == [WAD]
    assert why(rule.compute, request_of(2), b"\x00", sender=ZERO) == ("LengthMismatch", 1, 0)


def test_capped_market_cap_fills_up_to_the_cap(made):
    rule = made["CappedMarketCap"]
    total = sum(CAPS)
    floors = [cap * WAD // total for cap in CAPS]
    floors[0] += WAD - sum(floors)
    assert list(rule.compute(request_of(4), words(CAPS))) == floors
    # Capped at 40 %: the other 60 % is shared 10 : 10 : 1.
    expected = [WAD * 4 // 10, *(cap * (WAD * 6 // 10) // (21 * 10**20) for cap in CAPS[1:])]
    expected[1] += WAD - sum(expected)
    assert list(rule.compute(request_of(4, high=WAD * 4 // 10), words(CAPS))) == expected
    # Capped at 30 %: the first is cut, then the second and third, and the last takes what is left.
    capped = [WAD * 3 // 10] * 3 + [WAD // 10]
    assert list(rule.compute(request_of(4, high=WAD * 3 // 10), words(CAPS))) == capped
    # A floor of 10 %: the last is lifted, the other 90 % is shared 3 : 1 : 1.
    lifted = [WAD * 54 // 100, WAD * 18 // 100, WAD * 18 // 100, WAD // 10]
    assert list(rule.compute(request_of(4, low=WAD // 10), words(CAPS))) == lifted


def test_sqrt_market_cap_and_inverse_volatility_weigh_in_proportion(made):
    assert list(made["SqrtMarketCap"].compute(request_of(3), words([4 * 10**18, 9 * 10**18, 25 * 10**18]))) == [
        WAD * 2 // 10, WAD * 3 // 10, WAD * 5 // 10,
    ]  # fmt: skip
    vols = [WAD // 2, WAD, WAD * 2]  # 50 %, 100 %, 200 %: as 4 : 2 : 1
    expected = [WAD * 4 // 7, WAD * 2 // 7, WAD // 7]
    expected[0] += WAD - sum(expected)
    assert list(made["InverseVolatility"].compute(request_of(3), words(vols))) == expected


@pytest.mark.parametrize("name", ["CappedMarketCap", "SqrtMarketCap", "InverseVolatility"])
def test_inputs_of_the_wrong_length_or_size_are_refused(made, name):
    rule = made[name]
    most = 2**128 - 1
    assert why(rule.compute, request_of(3), words([1, 2]), sender=ZERO) == ("LengthMismatch", 2, 3)
    assert why(rule.compute, request_of(2), words([WAD, 0]), sender=ZERO) == ("RawWeightInvalid", 1, 0)
    assert why(rule.compute, request_of(2), words([2**256 - 1, 1]), sender=ZERO)[0] == "RawWeightInvalid"
    assert why(rule.compute, request_of(2), words([10**36, 10**36]), sender=ZERO) is None
    if name == "CappedMarketCap":
        assert why(rule.compute, request_of(2), words([most, 1]), sender=ZERO) is None
        assert why(rule.compute, request_of(2), words([1, most + 1]), sender=ZERO) == ("RawWeightInvalid", 1, most + 1)
    for n, low, high in (
        (2, 0, WAD // 2 - 1),
        (3, WAD // 3 + 1, WAD),
        (2, WAD, WAD // 2),
        (2, 0, WAD + 1),
        (0, 0, WAD),
    ):
        refused = why(rule.compute, request_of(n, low=low, high=high), words([WAD] * n), sender=ZERO)
        assert refused == ("WeightsInfeasible", n, low, high)
    assert why(rule.compute, request_of(65), words([WAD] * 65), sender=ZERO) == ("TooManyComponents", 65, 64)


def test_managed_is_what_it_is_told(made):
    assert list(made["Managed"].compute(request_of(2), words([7, 11]))) == [7, 11]
    assert why(made["Managed"].compute, request_of(2), words([7]), sender=ZERO) == ("LengthMismatch", 1, 2)


def test_damped_step_goes_part_of_the_way(made, deployer):
    rule = deployer.deploy(DampedStep, made["Managed"], WAD // 10)
    before, target = [WAD // 2, WAD // 2, 0], [0, WAD // 2, WAD // 2]
    found = list(rule.compute(request_of(3, previous=before), words(target)))
    assert found == [WAD * 45 // 100, WAD // 2, WAD * 5 // 100]
    whole = deployer.deploy(DampedStep, made["Managed"], WAD)
    odd = [WAD // 3, WAD // 3 + 1, WAD // 3]
    assert list(whole.compute(request_of(3, previous=before), words(odd))) == odd
    for inner, step, reason in (
        (ZERO, WAD, ("ZeroAddress",)),
        (made["Managed"], 0, ("ValueOutOfBounds", "step", 0, 1, WAD)),
        (made["Managed"], WAD + 1, ("ValueOutOfBounds", "step", WAD + 1, 1, WAD)),
    ):
        assert refused_constructor(deployer, DampedStep, inner, step) == reason


def test_damped_step_lets_a_token_leave_at_once(made, deployer):
    """Half of the weight was in a token that is not asked for any more: the rest shares it in proportion."""
    rule = deployer.deploy(DampedStep, made["Managed"], WAD // 2)
    found = list(rule.compute(request_of(2, previous=[WAD // 4, WAD // 4]), words([WAD * 3 // 4, WAD // 4])))
    assert found == [WAD * 2 // 3 + 1, WAD // 3]  # 1/8 + 3/8 to 1/8 + 1/8, of 3/4


def test_recorded_volatility_is_decided_by_the_recorder(world, made, deployer, bob):
    tokens = sorted((world.token(18, 100) for _ in range(3)), key=lambda token: int(token.address, 16))
    feeds = [world.list(token, 100) for token in tokens]
    rule = deployer.deploy(RecordedVolatility, world.recorder, 4)
    swings = [0.02, 0.05, 0.10]
    for day in range(5):
        wait((now() // DAY + 1) * DAY - now())
        for feed, size in zip(feeds, swings, strict=True):
            feed.setPrice(price_d27(100 * (1 + size * (day % 2)), 18), {"from": bob})
        world.recorder.recordMany(tokens, {"from": bob})
    last = now() // DAY
    addresses = [token.address for token in tokens]
    request = (addresses, [0, 0, 0], 0, WAD)
    volatilities = list(rule.volatilitiesOf(addresses, last))
    assert volatilities == [world.recorder.volatilityOf(token, last, 4) for token in tokens]
    assert volatilities[0] < volatilities[1] < volatilities[2]
    found = list(rule.compute(request, encode(["uint256"], [last])))
    assert found == list(made["InverseVolatility"].compute(request, words(volatilities)))
    assert found == weight_math.inverse_volatility(
        weight_math.Request(tokens=tuple(addresses), previous=(0, 0, 0), min_weight=0, max_weight=WAD), volatilities
    )
    assert why(rule.compute, request, encode(["uint256"], [last - 1]), sender=bob) is None  # three returns of four days
    early = why(rule.compute, request, encode(["uint256"], [last + 1]), sender=bob)
    assert early == ("ValueOutOfBounds", "lastDay", last + 1, last - 1, last)
    wait(2 * DAY)
    stale = why(rule.compute, request, encode(["uint256"], [last]), sender=bob)
    assert stale == ("ValueOutOfBounds", "lastDay", last, last + 1, last + 2)
    assert list(rule.volatilitiesOf(addresses, last)) == volatilities


def refused_constructor(deployer, contract, *arguments):
    data = contract.deploy.encode_input(*arguments)
    return why_call({"from": deployer.address, "data": data})
