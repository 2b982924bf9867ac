"""The operator's journey goes on: what is due with time, from the command line.

upkeep
├── given fees that were earned: show says what a run would do and sends nothing; run does it; a second run has nothing to do
├── given a chore by name: only that one, also where nobody needs it
└── given something wrong: one clear line, exit code 1, nothing sent
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from offchain.chain.accounts import resolve
from offchain.launch import launch, plan_launch

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.devnet import Devnet

INDEX = """
[index]
name = "Upkeep Five"
symbol = "UPKEEP5"
[universe]
top = 5
[weights]
scheme = "sqrt_market_cap"
max_weight = 0.3
[fees]
streaming_bps = 200
recipients = { governor = 6000, guardian = 3000 }
burn_bps = 1000
performance_bps = 1000
performance_interval_days = 7
"""


def test_upkeep_is_shown_run_once_and_then_nothing_is_due(chain: Devnet, tmp_path: Path, brownie: Brownie) -> None:
    file = tmp_path / "upkeep5.toml"
    file.write_text(INDEX)
    deployer = resolve(chain.w3, "deployer")
    token = launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file))).index.contract(chain.w3).functions
    chain.step("2024-06-17")
    for coin, price in chain.prices().items():
        chain.set_feed(coin, price * 2)
    height = chain.w3.eth.block_number
    seen = brownie("upkeep", "show", "UPKEEP5")
    assert (seen.code, seen.errors) == (0, []), seen
    for words in ("recordMany", "optional", "observe", "due since 2024-06-", "distribute", "2 accounts"):
        assert words in seen.out, seen.out
    assert chain.w3.eth.block_number == height

    done = brownie("upkeep", "run", "UPKEEP5")
    assert (done.code, done.errors) == (0, []), done
    assert "observe done: NAV $" in done.out and "distribute done: " in done.out
    paid = token.balanceOf(resolve(chain.w3, "governor")).call(), token.balanceOf(resolve(chain.w3, "guardian")).call()
    assert paid[0] > 0 and abs(paid[0] - 2 * paid[1]) < 3
    height = chain.w3.eth.block_number

    again = brownie("upkeep", "run", "UPKEEP5", "alice")
    assert again.code == 3 and again.errors == [] and "crystallise" in again.out and "later" in again.out
    assert chain.w3.eth.block_number == height

    named = brownie("upkeep", "run", "UPKEEP5", "alice", "recordMany")
    assert (
        named.code == 0
        and f"recordMany done: {len(chain.tokens)} prices recorded" in named.out
        and "distribute" not in named.out
    )


def test_upkeep_of_an_unknown_index_or_chore_is_one_line(chain: Devnet, launched: object, brownie: Brownie) -> None:
    height = chain.w3.eth.block_number
    unknown = brownie("upkeep", "run", "EQ55")
    assert unknown.code == 1 and unknown.errors[-1].startswith("Error: no index EQ55") and "EQ5" in unknown.errors[-1]
    odd = brownie("upkeep", "run", "EQ5", "keeper", "dust")
    assert odd.code == 1 and odd.errors[-1].startswith("Error: no chore dust; there is: recordMany")
    empty = brownie("upkeep", "run")
    assert empty.code == 2 and empty.errors[-1].startswith("Usage: ")
    assert chain.w3.eth.block_number == height
