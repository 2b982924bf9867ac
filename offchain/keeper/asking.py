"""Reads that may be repeated: a node that is silent, overloaded or out of order is asked again, with growing pauses.

A send is never repeated here. What is a refusal and what is trouble of the node, `is_trouble` decides.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from web3.exceptions import BlockNotFound, TransactionNotFound, Web3Exception

from offchain.errors import ChainError, NotConnected

RETRY_PAUSE = 0.05  # {s} before a read is asked again; then twice as long each time
MOST_SECONDS = 20.0
TROUBLE = ("internal error", "rate limit", "too many", "timeout", "temporarily", "overloaded")

Result = TypeVar("Result")
Answer = TypeVar("Answer")


def patiently(ask: Callable[[], Result], *, seconds: float) -> Result:
    """The answer, asked for again while the node is in trouble, for at most `seconds`. Raises NotConnected then."""
    deadline, pause = time.monotonic() + min(seconds, MOST_SECONDS), RETRY_PAUSE
    while True:
        try:
            return ask()
        except (ChainError, Web3Exception) as error:
            if not is_trouble(error):
                raise
            if time.monotonic() + pause > deadline:
                raise error if isinstance(error, NotConnected) else NotConnected(str(error)) from error
        time.sleep(pause * (1 + random.random()))
        pause *= 2


def is_trouble(error: Exception) -> bool:
    """Whether an error tells of the node or the way to it, not of what was asked."""
    said = str(error).lower()
    return isinstance(error, (NotConnected, BlockNotFound, TransactionNotFound)) or any(
        words in said for words in TROUBLE
    )


def answered(result: Answer | None, method: str) -> Answer:
    """`result`, unless it is null where the question has an answer: then the node is out of order, not the value zero."""
    if result is None:
        raise NotConnected(f"the node answered {method} with null; it lags or is overloaded: try another one")
    return result
