"""Hierarchical risk parity (López de Prado, 2016): coins that move together share one branch, and branches share by risk.

Needs no inverse of the covariance, so it stays calm where that one is nearly singular.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

Floats = NDArray[np.float64]
_GRID = 10  # decimals of a distance: nearer than that is a tie, and ties go to the earlier name


def hierarchical(covariance: Floats) -> Floats:
    """Weights, Σ = 1: single-linkage tree of correlation distances, then from its top each half gets what the other risks."""
    count = len(covariance)
    if count == 1:
        return np.ones(1)
    weights = np.ones(count)
    pending = [ordered(covariance).tolist()]
    while pending:
        names = pending.pop()
        if len(names) == 1:
            continue
        left, right = names[: len(names) // 2], names[len(names) // 2 :]
        risk_left, risk_right = _variance(covariance, left), _variance(covariance, right)
        weights[left] *= risk_right / (risk_left + risk_right)
        weights[right] *= risk_left / (risk_left + risk_right)
        pending += [left, right]
    return np.asarray(weights / weights.sum())


def ordered(covariance: Floats) -> NDArray[np.int64]:
    """The names as the leaves of the tree, left to right. Distance √((1 − ρ)/2), then Euclidean between its columns."""
    deviation = np.sqrt(np.diag(covariance))
    correlation = np.clip(covariance / np.outer(deviation, deviation), -1.0, 1.0)
    distance = np.sqrt((1.0 - correlation) / 2.0)
    np.fill_diagonal(distance, 0.0)
    apart = (
        np.sqrt(((distance[:, :, None] - distance[:, None, :]) ** 2).sum(axis=0))
        if len(distance) <= 256
        else _far(distance)
    )
    return np.asarray(leaves_list(linkage(squareform(np.round(apart, _GRID), checks=False), method="single")))


def _far(distance: Floats) -> Floats:
    """The same column by column: less memory for many names."""
    return np.stack([np.sqrt(((distance - column[:, None]) ** 2).sum(axis=0)) for column in distance.T])


def _variance(covariance: Floats, names: list[int]) -> float:
    """Variance of these names weighted by inverse variance. Sums in a fixed order, without BLAS."""
    inner = covariance[np.ix_(names, names)]
    parts = 1.0 / np.diag(inner)
    parts = parts / parts.sum()
    return float((inner * parts[:, None] * parts[None, :]).sum())
