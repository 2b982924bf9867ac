"""fund: an index on a local market, given back to the next test as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.keeper.support import WEEKS, Fund, a_fund


@pytest.fixture(scope="session")
def _fund() -> Iterator[Fund]:
    with a_fund() as fund:
        yield fund


@pytest.fixture
def fund(_fund: Fund) -> Iterator[Fund]:
    """At START, right after it was created."""
    with _fund.world.rewound():
        yield _fund


@pytest.fixture
def due(fund: Fund) -> Fund:
    """Weeks later: a review is due and the prices have moved."""
    fund.world.step(WEEKS[2])
    return fund


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "keeper.db"
