"""When to trade, whether it is worth it, and how far. Start at `triggers.py`; dates are in `calendars.py`, trades in `moves.py`."""

from offchain.rebalance.calendars import Review, is_reconstitution, review_of, reviews
from offchain.rebalance.moves import Move, moves, towards
from offchain.rebalance.triggers import Trigger, drift, due, needs, off_band, tracking_error, worth_it

__all__ = [
    "Move", "Review", "Trigger", "drift", "due", "is_reconstitution", "moves", "needs", "off_band", "review_of", "reviews",
    "towards", "tracking_error", "worth_it",
]  # fmt: skip
