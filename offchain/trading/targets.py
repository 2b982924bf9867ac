"""How far a basket is from its weights: drift, and the gaps in tokens that a plan of the contract would have."""

from __future__ import annotations

from collections.abc import Sequence

from offchain.reference.constants import D27, WAD


def drift_of(values: Sequence[int], weights: Sequence[int]) -> int:
    """D18 one-way turnover that would close the gap: half of Σ|current − target|. `values` {nUSD}, `weights` D18."""
    nav = sum(values)
    if nav == 0:
        return 0
    return sum(abs(value * WAD - weight * nav) for value, weight in zip(values, weights, strict=True)) // (2 * nav)


def nav_of(per_share: int, supply: int) -> int:
    """{nUSD} of all shares at D27{nUSD/share}, rounded down, as the guard and the rebalancer measure it."""
    return per_share * supply // D27
