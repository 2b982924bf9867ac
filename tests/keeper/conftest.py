"""fund: an index on a local market, given back to the next test as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.keeper import asking, sending
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


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper that does not wait long before it asks or sends again."""
    monkeypatch.setattr(sending, "REBROADCAST_SECONDS", 0.02)
    monkeypatch.setattr(asking, "RETRY_PAUSE", 0.002)
    monkeypatch.setattr(sending, "LOST_SECONDS", 0.5)
