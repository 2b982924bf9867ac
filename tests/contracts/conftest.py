"""Fixtures: one deployed world for the whole run, the people in it, and a clean state for every test."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from brownie import accounts, web3
from brownie._config import CONFIG
from brownie.network.state import _remove_contract
from brownie.project import get_loaded_projects
from web3.exceptions import TransactionNotFound

from tests.contracts import support
from tests.contracts.support import World

# Step traces of every transaction make this suite five times slower, and only coverage needs them.
if not CONFIG.argv.get("coverage"):
    CONFIG.networks["anvil"]["cmd_settings"].pop("steps_tracing", None)


@pytest.fixture(scope="session")
def world():
    _wait_for_receipts()
    return World.deploy()


def _wait_for_receipts():
    """Brownie asks for a receipt once, then sleeps a second, or takes the transaction for dropped: anvil mines in
    milliseconds, so asking again at once is faster and never wrong."""
    ask = web3.eth.get_transaction_receipt

    def ask_patiently(tx_hash):
        for _ in range(400):
            try:
                return ask(tx_hash)
            except TransactionNotFound:
                time.sleep(0.005)
        return ask(tx_hash)

    web3.eth.get_transaction_receipt = ask_patiently


@pytest.fixture(autouse=True)
def isolation(world):
    """Whatever a test does is undone. Brownie's own isolation deploys the world again for every module, and its revert
    asks the node for the code of every contract it knows."""
    known = {container: len(container._contracts) for container in get_loaded_projects()[0].dict().values()}
    with support.undone():
        yield
    for container, count in known.items():
        for contract in container._contracts[count:]:
            _remove_contract(contract)
        del container._contracts[count:]


@pytest.fixture(params=list(support.MIXES))
def index(request, world):
    """An index with good tokens, once for every mix of decimals."""
    return copy_of(world.indexes[request.param])


@pytest.fixture
def mixed(world):
    """The index with tokens of 18, 6 and 8 decimals."""
    return copy_of(world.indexes["mixed"])


def copy_of(index):
    """Tests may change the list of tokens that goes with an index."""
    return replace(index, tokens=list(index.tokens))


@pytest.fixture(scope="session")
def deployer():
    return accounts[support.DEPLOYER]


@pytest.fixture(scope="session")
def governor():
    return accounts[support.GOVERNOR]


@pytest.fixture(scope="session")
def guardian():
    return accounts[support.GUARDIAN]


@pytest.fixture(scope="session")
def strategist():
    return accounts[support.STRATEGIST]


@pytest.fixture(scope="session")
def fee_recipient():
    return accounts[support.FEE_RECIPIENT]


@pytest.fixture(scope="session")
def alice():
    return accounts[support.ALICE]


@pytest.fixture(scope="session")
def bob():
    return accounts[support.BOB]


@pytest.fixture(scope="session")
def eve():
    return accounts[support.EVE]
