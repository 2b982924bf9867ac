"""Twin of `contracts/feeds/ChainlinkFeed.sol` and of the check in `contracts/PriceOracle.sol`."""

from __future__ import annotations

from offchain.reference.integers import Reverted, uint

PRICE_DECIMALS = 36  # nano-USD (9) for one base unit in D27


def chainlink_scale(token_decimals: int, aggregator_decimals: int) -> tuple[int, int]:
    """ChainlinkFeed's constructor: (multiplier, divisor) from an answer to D27{nUSD/tok}; one of them is 1."""
    digits = token_decimals + aggregator_decimals
    if digits > 2 * PRICE_DECIMALS:
        raise Reverted("ValueOutOfBounds", "decimals", digits, 0, 2 * PRICE_DECIMALS)
    return 10 ** max(0, PRICE_DECIMALS - digits), 10 ** max(0, digits - PRICE_DECIMALS)


def chainlink_price(
    answer: int, *, updated_at: int, now: int, max_age: int, token_decimals: int, aggregator_decimals: int
) -> int:
    """ChainlinkFeed.price: D27{nUSD/tok}, rounded down; Reverted for a bad or stale answer. Times in {s}."""
    multiplier, divisor = chainlink_scale(token_decimals, aggregator_decimals)
    if not 0 < answer < 1 << 127:
        raise Reverted("PriceBad", answer)
    if not (updated_at <= now and now - updated_at <= max_age):
        raise Reverted("PriceStale", updated_at, max_age)
    return uint(answer * multiplier) // divisor
