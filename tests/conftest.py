"""Fixtures that every folder may use. Nothing happens at import: brownie's plugin reads this file too.

world     a local market on anvil for one test: whatever the test does to the chain is undone after it
devnet    the same market, shared by the session, for tests that only read
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from offchain.devnet import Devnet

WORLD_START = "2024-06-03"
WORLD_COINS = 30


@pytest.fixture(scope="session")
def devnet() -> Iterator[Devnet]:
    """The synthetic market's largest coins at WORLD_START, on one anvil per session."""
    from offchain.devnet import Anvil, Devnet, choose_coins
    from offchain.market import synthetic_market

    market = synthetic_market()
    coins = choose_coins(market, [WORLD_START], top=WORLD_COINS)
    with Anvil.start(timestamp=Devnet.genesis(WORLD_START)) as node:
        yield Devnet.build(node, market, start=WORLD_START, coins=coins)


@pytest.fixture
def world(devnet: Devnet) -> Iterator[Devnet]:
    """The session's market, given back as it was found."""
    with devnet.rewound():
        yield devnet
