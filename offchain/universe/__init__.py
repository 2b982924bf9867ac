"""Which coins the index holds, and the reason for every one in and out. Start at `selection.py`."""

from offchain.universe.classes import classify
from offchain.universe.eligibility import Screened, screen
from offchain.universe.selection import Universe, Verdict, select

__all__ = ["Screened", "Universe", "Verdict", "classify", "screen", "select"]
