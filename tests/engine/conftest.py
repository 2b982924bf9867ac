"""The index engine on real records; without them its tests are skipped and say so."""

from __future__ import annotations

import pytest

from offchain.market import Market, load_market
from offchain.market.files import DATA_VARIABLE, market_folder


@pytest.fixture(scope="session")
def market() -> Market:
    folder = market_folder()
    if not folder.is_dir():
        pytest.skip(f"real market data is absent: no folder {folder.name}; set {DATA_VARIABLE} to run these tests")
    return load_market(folder)
