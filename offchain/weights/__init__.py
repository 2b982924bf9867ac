"""Chosen coins → integers that sum to exactly 1e18. Start at `schemes.py`; `limits.py` applies cap and floor."""

from offchain.weights.limits import limit_weights
from offchain.weights.schemes import raw_weights, target_weights

__all__ = ["limit_weights", "raw_weights", "target_weights"]
