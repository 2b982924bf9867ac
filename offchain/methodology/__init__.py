"""From the rules of an index and what was known at a time to its weights. Start at `rules.py`."""

from offchain.methodology.decision import Decision
from offchain.methodology.inputs import Inputs
from offchain.methodology.rules import Holdings, Methodology, verify

__all__ = ["Decision", "Holdings", "Inputs", "Methodology", "verify"]
