"""Chosen coins → integers that sum to exactly 1e18. Start at `weighing.py`, which calls all others in order.

weighing      scheme → tilt → limits → change, each a step with its reasons
schemes       what weights are proportional to, in integers · limits  one cap and one floor for all
estimates     volatility and covariance · risk_parity, optimal, hierarchy  what is made of them · precise  the same on every machine
bounds        what each coin may weigh, and why · fitting  all limits at once, exactly · turnover  what one review may move
"""

from offchain.weights.fitting import Limits, fit, project
from offchain.weights.limits import limit_weights
from offchain.weights.schemes import raw_weights, target_weights
from offchain.weights.weighing import needs, uses_held, uses_signals, weigh

__all__ = [
    "Limits",
    "fit",
    "limit_weights",
    "needs",
    "project",
    "raw_weights",
    "target_weights",
    "uses_held",
    "uses_signals",
    "weigh",
]
