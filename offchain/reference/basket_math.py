"""Twin of the arithmetic in `contracts/IndexToken.sol` and `contracts/ShareToken.sol`: amounts and the supply word."""

from __future__ import annotations

from dataclasses import dataclass

from offchain.reference import fee_math
from offchain.reference.integers import (
    UINT112_MAX,
    UINT256_MAX,
    Reverted,
    full_mul_div,
    full_mul_div_up,
    uint,
    zero_floor_sub,
)


@dataclass(frozen=True, kw_only=True)
class SupplyWord:
    """ShareToken.SupplyWord: `base` {share} at `since` {s}, `issued` {share} that exist."""

    base: int
    issued: int
    since: int


def effective_supply(word: SupplyWord, rate: int, now: int) -> int:
    """ShareToken._effectiveSupply: {share} supply at `now`, rounded down."""
    return fee_math.effective_supply(word.base, word.issued, fee_math.growth(rate, uint(now - word.since)))


def enter(word: SupplyWord, *, received: int, supply: int, now: int) -> SupplyWord:
    """ShareToken._enter: `received` shares exist from now on, and the effective supply is `supply`."""
    return _written(base=supply, issued=word.issued + received, since=now)


def leave(word: SupplyWord, *, burned: int, supply: int, now: int) -> SupplyWord:
    """ShareToken._leave: `burned` shares cease to exist, and the effective supply is `supply` from now on, or its end."""
    return _written(base=min(supply, UINT112_MAX), issued=uint(word.issued - burned), since=now)


def _written(*, base: int, issued: int, since: int) -> SupplyWord:
    """ShareToken._writeSupply."""
    if base > UINT112_MAX or issued > UINT112_MAX:
        raise Reverted("SupplyOverflow", base)
    return SupplyWord(base=base, issued=issued, since=since)


def rebase(word: SupplyWord, *, rate: int, now: int) -> SupplyWord:
    """IndexToken._setStreamingFee: what was earned so far becomes the base, so that only the future grows anew."""
    return _written(base=effective_supply(word, rate, now), issued=word.issued, since=now)


def collect(word: SupplyWord, *, rate: int, now: int) -> tuple[SupplyWord, int]:
    """IndexToken._collect: all that was earned exists from now on; returns the word and the {share} fee shares."""
    supply = effective_supply(word, rate, now)
    return _written(base=word.base, issued=supply, since=word.since), supply - word.issued


def available(balance: int, owed: int) -> int:
    """IndexToken._available: {tok} that belong to the shares: balance less claims, never negative."""
    return zero_floor_sub(balance, owed)


def amount_in(shares: int, available_: int, supply: int) -> int:
    """IndexToken._pullBasket: {tok} that a mint of `shares` pays, rounded up."""
    return full_mul_div_up(shares, available_, supply)


def amount_out(shares: int, available_: int, supply: int) -> int:
    """IndexToken._payBasket: {tok} that a redemption of `shares` receives, rounded down."""
    return full_mul_div(shares, available_, supply)


def shares_for(amount: int, available_: int, supply: int) -> int:
    """BasketMath.sharesFor: the most {share} whose mint takes at most `amount` {tok}, rounded down."""
    if available_ == 0:
        raise Reverted("Panic", 0x12)
    if amount // available_ > UINT112_MAX:
        return UINT256_MAX
    return full_mul_div(amount, supply, available_)
