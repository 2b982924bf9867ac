"""One full study of the synthetic market, made once for all tests that read one."""

from __future__ import annotations

from functools import lru_cache

from offchain.market import synthetic_market
from offchain.research.study import Study, study
from offchain.spec import find_spec

SPAN = {"start": "2024-10-02", "end": "2025-03-31"}


@lru_cache(maxsize=1)
def full_study() -> Study:
    """SQRT20 with its twin, survivors and delays, over a time in which a coin dies."""
    return study(find_spec("SQRT20"), synthetic_market(), **SPAN)
