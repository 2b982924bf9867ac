"""Fixtures of the chain-free tests. Real market data is read once, and tests that need it are skipped without it."""

from __future__ import annotations

import pytest

from offchain.market import Market, load_market, synthetic_market
from offchain.market.files import DATA_VARIABLE, market_folder
from offchain.methodology import Methodology
from offchain.spec import IndexSpec, find_spec
from tests.fuzz import load_profile

load_profile()


@pytest.fixture(scope="session")
def lc10() -> IndexSpec:
    return find_spec("LC10")


@pytest.fixture(scope="session")
def methodology(lc10: IndexSpec) -> Methodology:
    return Methodology(lc10)


@pytest.fixture(scope="session")
def synthetic() -> Market:
    return synthetic_market()


@pytest.fixture(scope="session")
def real_market() -> Market:
    folder = market_folder()
    if not folder.is_dir():
        pytest.skip(f"real market data is absent: no folder {folder.name}; set {DATA_VARIABLE} to run these tests")
    return load_market(folder)
