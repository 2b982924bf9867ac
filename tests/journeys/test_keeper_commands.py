"""The operator's journey goes on: the keeper from the command line.

keeper
├── given a review that is due: read, plan and simulate show it and send nothing; run does it; report tells it
├── given nothing to do: exit code 3 and the reason
└── given something wrong: one clear line, exit code 1, nothing sent
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offchain.chain.accounts import resolve
from offchain.launch import launch, plan_launch

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.devnet import Devnet

INDEX = """
[index]
name = "Keeper Five"
symbol = "KEEP5"
[universe]
top = 5
[weights]
scheme = "sqrt_market_cap"
max_weight = 0.3
[rebalance]
calendar = "monthly"
drift_band = 0.002
max_slippage_bps = 100
"""


@pytest.fixture
def due(chain: Devnet, tmp_path: Path) -> Path:
    """An index whose review is due; its file."""
    file = tmp_path / "keep5.toml"
    file.write_text(INDEX)
    deployer = resolve(chain.w3, "deployer")
    launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file)))
    chain.step("2024-07-01")
    return file


def test_keeper_stages_show_and_run_rebalances_once(due: Path, chain: Devnet, brownie: Brownie) -> None:
    file, height = str(due), chain.w3.eth.block_number
    seen = brownie("keeper", "read", file)
    assert (seen.code, seen.errors) == (0, [])
    assert "KEEP5 at block" in seen.out and "plan 0: not live" in seen.out and "WBTC" in seen.out

    simulated = brownie("keeper", "simulate", file)
    assert simulated.code == 0 and "by eth_simulateV1" in simulated.out and "swap 0" in simulated.out
    assert chain.w3.eth.block_number == height

    done = brownie("keeper", "run", file)
    assert done.code == 0, done
    assert "done: KEEP5 plan 1:" in done.out and "vs oracle bps" in done.out
    height = chain.w3.eth.block_number

    again = brownie("keeper", "run", file)
    assert again.code == 3 and "is done (plan 1)" in again.out
    assert chain.w3.eth.block_number == height

    told = brownie("keeper", "report", file)
    assert told.code == 0 and "KEEP5 plan 1:" in told.out and "target" in told.out


def test_keeper_of_an_unknown_index_is_one_line(chain: Devnet, brownie: Brownie) -> None:
    ended = brownie("keeper", "plan", "LC11")
    assert ended.code == 1 and len(ended.errors) <= 2 and "lc10" in "".join(ended.errors)
