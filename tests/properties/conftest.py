"""Properties run against deployed contracts on anvil, without brownie's plugin: `pytest -p no:pytest-brownie`.

BALLAST_FUZZ=long runs every machine with twenty times the runs and fresh random seeds.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.properties.solidity import compiled
from tests.properties.world import Worlds

_STATISTICS: list[str] = []


@pytest.fixture(scope="session")
def worlds() -> Iterator[Worlds]:
    worlds = Worlds(compiled())
    yield worlds
    worlds.stop()


@pytest.fixture
def statistics() -> list[str]:
    """Lines for the end of the run: what each machine did, so that a blind one can be seen."""
    return _STATISTICS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _STATISTICS:
        terminalreporter.section("state machines")
        for text in _STATISTICS:
            terminalreporter.write_line(text)
