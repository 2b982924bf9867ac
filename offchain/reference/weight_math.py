"""Twin of `contracts/libraries/WeightMath.sol` and of the rules in `contracts/methodologies`.

`compute("CappedMarketCap", request, inputs)` answers what the contract of that name would, or raises `Reverted` where it
would revert. Written as the contract is, not as the engine's `offchain/weights/limits.py`: that the two agree is a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

from offchain.reference.constants import MAX_COMPONENTS, WAD
from offchain.reference.fee_math import ln_wad
from offchain.reference.integers import UINT256_MAX, Reverted, full_mul_div, uint

MAX_RAW = 2**128 - 1  # {1}


@dataclass(frozen=True, kw_only=True)
class Request:
    """IMethodology.Request. `tokens` strictly ascending; `previous`, `min_weight`, `max_weight` D18."""

    tokens: tuple[str, ...]
    previous: tuple[int, ...]
    min_weight: int
    max_weight: int


# --- WeightMath -------------------------------------------------------------------------------------------------------


def limit(raw: Sequence[int], minimum: int, maximum: int) -> list[int]:
    """WeightMath.limit: D18 weights proportional to `raw` with minimum ≤ w ≤ maximum and Σ = 1e18."""
    raw_sum = _checked_sum(raw, minimum, maximum)
    rest = WAD
    weights = [0] * len(raw)
    free = list(range(len(raw)))
    while True:
        over, under = maximum * raw_sum, minimum * raw_sum
        shares = {i: raw[i] * rest for i in free}
        excess = sum(share - over for share in shares.values() if share > over)
        shortage = sum(under - share for share in shares.values() if share < under)
        if excess == 0 and shortage == 0:
            break
        settled = {}
        for i, share in shares.items():
            if excess >= shortage and share > over:
                settled[i] = maximum
            elif shortage >= excess and share < under:
                settled[i] = minimum
        for i, weight in settled.items():
            weights[i] = weight
            rest -= weight
            raw_sum -= raw[i]
        free = [i for i in free if i not in settled]
    for i in free:
        weights[i] = raw[i] * rest // raw_sum
    left = rest - sum(weights[i] for i in free)
    while left:
        largest = max((i for i in free if weights[i] != maximum), key=lambda i: (raw[i], -i))
        step = min(left, maximum - weights[largest])
        weights[largest] += step
        left -= step
    return weights


def damped(previous: Sequence[int], target: Sequence[int], step: int) -> list[int]:
    """WeightMath.damped: D36 raw weights of a step D18 from `previous` towards `target`."""
    return [
        uint(uint(before * (WAD - step)) + uint(wanted * step)) for before, wanted in zip(previous, target, strict=True)
    ]


def sqrt_raw(cap: int) -> int:
    """WeightMath.sqrtRaw: ⌊√(cap·1e18)⌋."""
    return UINT256_MAX if cap > MAX_RAW else isqrt(cap * WAD)


def inverse_raw(volatility_: int) -> int:
    """WeightMath.inverseRaw: ⌊1e36/volatility⌋, zero where there is none."""
    return 0 if volatility_ == 0 else WAD * WAD // volatility_


def volatility(prices: Sequence[int]) -> tuple[int, int]:
    """WeightMath.volatility: (D18{1/√year}, returns found) of daily prices; 0 is a gap."""
    known = [(day, price) for day, price in enumerate(prices) if price]
    total = 0
    for (_, before), (_, after) in zip(known, known[1:], strict=False):
        total += ln_wad(full_mul_div(after, WAD, before)) ** 2
    found = max(0, len(known) - 1)
    return (isqrt(total * 365 // (known[-1][0] - known[0][0])) if found else 0), found


def average(prices: Sequence[int]) -> tuple[int, int]:
    """WeightMath.average: (D27{nUSD/tok}, prices found)."""
    known = [price for price in prices if price]
    return (sum(known) // len(known) if known else 0), len(known)


def _checked_sum(raw: Sequence[int], minimum: int, maximum: int) -> int:
    count = len(raw)
    if count > MAX_COMPONENTS:
        raise Reverted("TooManyComponents", count, MAX_COMPONENTS)
    if minimum > maximum or maximum > WAD or count * maximum < WAD or uint(count * minimum) > WAD:
        raise Reverted("WeightsInfeasible", count, minimum, maximum)
    for place, value in enumerate(raw):
        if not 0 < value <= MAX_RAW:
            raise Reverted("RawWeightInvalid", place, value)
    return sum(raw)


# --- the rules --------------------------------------------------------------------------------------------------------


def equal_weight(request: Request, inputs: Sequence[int]) -> list[int]:
    """EqualWeight.compute; it takes no inputs."""
    if inputs:
        raise Reverted("LengthMismatch", len(inputs), 0)
    return limit([1] * len(request.tokens), request.min_weight, request.max_weight)


def capped_market_cap(request: Request, inputs: Sequence[int]) -> list[int]:
    """CappedMarketCap.compute; `inputs` {nUSD}."""
    return _limited(request, inputs, lambda cap: cap)


def sqrt_market_cap(request: Request, inputs: Sequence[int]) -> list[int]:
    """SqrtMarketCap.compute; `inputs` {nUSD}."""
    return _limited(request, inputs, sqrt_raw)


def inverse_volatility(request: Request, inputs: Sequence[int]) -> list[int]:
    """InverseVolatility.compute; `inputs` D18."""
    return _limited(request, inputs, inverse_raw)


def managed(request: Request, inputs: Sequence[int]) -> list[int]:
    """Managed.compute; `inputs` are the weights."""
    _check_length(request, inputs)
    return list(inputs)


def damped_step(request: Request, target: Sequence[int], *, step: int) -> list[int]:
    """DampedStep.compute, given what its inner rule computed."""
    return limit(damped(request.previous, target, step), request.min_weight, request.max_weight)


Rule = Callable[[Request, Sequence[int]], "list[int]"]
RULES: Mapping[str, Rule] = {
    "EqualWeight": equal_weight,
    "CappedMarketCap": capped_market_cap,
    "SqrtMarketCap": sqrt_market_cap,
    "InverseVolatility": inverse_volatility,
    "Managed": managed,
}


def compute(rule: str, request: Request, inputs: Sequence[int]) -> list[int]:
    """IMethodology.compute of the rule of that name, which must be one of RULES."""
    return RULES[rule](request, inputs)


def _limited(request: Request, inputs: Sequence[int], raw_of: Callable[[int], int]) -> list[int]:
    _check_length(request, inputs)
    return limit([raw_of(value) for value in inputs], request.min_weight, request.max_weight)


def _check_length(request: Request, inputs: Sequence[int]) -> None:
    if len(inputs) != len(request.tokens):
        raise Reverted("LengthMismatch", len(inputs), len(request.tokens))
