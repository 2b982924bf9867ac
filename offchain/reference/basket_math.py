"""Twin of the arithmetic in `contracts/IndexToken.sol` and `contracts/ShareToken.sol`: amounts and the supply word."""

from __future__ import annotations

from dataclasses import dataclass, replace

from offchain.reference import fee_math
from offchain.reference.constants import WAD
from offchain.reference.integers import (
    UINT112_MAX,
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


def effective_supply(word: SupplyWord, rate: int, now: int) -> tuple[int, int]:
    """ShareToken._effectiveSupply: {share} supply at `now`, rounded down, and the D18{1} growth since the base was set."""
    factor = fee_math.growth(rate, uint(now - word.since))
    return fee_math.effective_supply(word.base, word.issued, factor), factor


def enter(word: SupplyWord, *, received: int, entered: int, growth: int) -> SupplyWord:
    """ShareToken._enter: `received` shares exist from now on, `entered` join the effective supply (base rounds down)."""
    base = word.base + fee_math.base_down(entered, growth)
    issued = word.issued + received
    if base > UINT112_MAX or issued > UINT112_MAX:
        raise Reverted("SupplyOverflow", entered)
    return replace(word, base=base, issued=issued)


def leave(word: SupplyWord, *, burned: int, left: int, growth: int) -> SupplyWord:
    """ShareToken._leave: `burned` shares cease, `left` leave the effective supply (base rounds up, and stops at zero)."""
    base = zero_floor_sub(word.base, fee_math.base_up(left, growth))
    return replace(word, base=base, issued=uint(word.issued - burned))


def rebase(word: SupplyWord, *, rate: int, now: int) -> SupplyWord:
    """IndexToken._setStreamingFee: what was earned so far becomes the base, so that only the future grows anew."""
    supply, _ = effective_supply(word, rate, now)
    if supply > UINT112_MAX:
        raise Reverted("SupplyOverflow", supply)
    return replace(word, base=supply, since=now)


def collect(word: SupplyWord, *, rate: int, now: int) -> tuple[SupplyWord, int]:
    """IndexToken._collect: all that was earned exists from now on; returns the word and the {share} fee shares."""
    supply, _ = effective_supply(word, rate, now)
    fee_shares = supply - word.issued
    return (enter(word, received=fee_shares, entered=0, growth=WAD) if fee_shares else word), fee_shares


def available(balance: int, owed: int) -> int:
    """IndexToken._available: {tok} that belong to the shares: balance less claims, never negative."""
    return zero_floor_sub(balance, owed)


def amount_in(shares: int, available_: int, supply: int) -> int:
    """IndexToken._pullBasket: {tok} that a mint of `shares` pays, rounded up."""
    return full_mul_div_up(shares, available_, supply)


def amount_out(shares: int, available_: int, supply: int) -> int:
    """IndexToken._payBasket: {tok} that a redemption of `shares` receives, rounded down."""
    return full_mul_div(shares, available_, supply)
