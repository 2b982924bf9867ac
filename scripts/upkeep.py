"""Upkeep of an index: prices of the day, performance fee, fee shares, an expired plan. Anyone may; see docs/upkeep.md.

    brownie run upkeep show LC10 --network devnet                        what is due, what will be, and what it would do
    brownie run upkeep run LC10 --network devnet                         sends what is due; a live network asks once before
    brownie run upkeep run LC10 keeper recordMany --network devnet       only these, also where the gas is worth more

A second argument names the account that signs and pays the gas (default: keeper), a third chores separated by commas.
Exit codes: 0 done, 3 nothing is due, 1 error, also when one of several chores failed or is blocked.
"""

from __future__ import annotations

from web3 import Web3

from offchain.chain.accounts import resolve
from offchain.chain.chores import Chore
from offchain.chain.client import chain_name
from offchain.chain.core import Core
from offchain.chain.deploy import IndexDeployment
from offchain.chain.deployments import open_index
from offchain.chain.upkeep import chores_text, due, exit_code, perform
from scripts.terminal import account_name, confirm, names, node, one_line_errors, signer, usage


def show(symbol: str = "", account: str = "", chores: str = "") -> None:
    if not symbol:
        raise usage("brownie run upkeep show <SYMBOL> [account] [chores] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        _leave(exit_code(_read(w3, core, index, resolve(w3, account) if account else "", chores)))


def run(symbol: str = "", account: str = "", chores: str = "") -> None:
    if not symbol:
        raise usage("brownie run upkeep run <SYMBOL> [account] [chores] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "keeper")
        found = _read(w3, core, index, resolve(w3, name), chores)
        outcomes = []
        if count := sum(chore.is_due for chore in found):
            confirm(w3, f"Send {count} transactions for {symbol} on {chain_name(w3.eth.chain_id)} with {name}.")
            for outcome in perform(w3, signer(w3, name), found):
                print(outcome, flush=True)
                outcomes.append(outcome)
        _leave(exit_code(found, outcomes))


def _read(w3: Web3, core: Core, index: IndexDeployment, sender: str, chores: str) -> tuple[Chore, ...]:
    """What there is to do, printed; with `chores` these and no others."""
    wanted = names(chores)
    found = due(w3, core, index, sender=sender, named=wanted)
    found = tuple(chore for chore in found if not wanted or chore.name in wanted)
    print(chores_text(found), flush=True)
    return found


def _leave(code: int) -> None:
    if code:
        raise SystemExit(code)
