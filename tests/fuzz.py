"""How far random tests look: the same cases every time in `make test`, twenty times as many and fresh ones in `make fuzz`.

A run that anybody can repeat has to come out the same; looking for what nobody has seen yet is a job of its own.
"""

from __future__ import annotations

import os

from hypothesis import settings

LONG = os.environ.get("BALLAST_FUZZ") == "long"
EXAMPLES = 60


def examples(count: int = EXAMPLES) -> int:
    """How many cases to try where `make test` tries `count`."""
    return count * (20 if LONG else 1)


def load_profile() -> None:
    """What tests are given where they say nothing. No deadline: several programs share the processor."""
    settings.register_profile("ballast", deadline=None, max_examples=examples(), derandomize=not LONG, print_blob=True)
    settings.load_profile("ballast")
