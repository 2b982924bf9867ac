"""The keeper, stage by stage. Only `run` and `execute` send; a live network asks once before (BALLAST_YES=1 does not).

    brownie run keeper read LC10 --network devnet        the index, its weights and its budgets
    brownie run keeper decide LC10 --network devnet      the weights the methodology wants now
    brownie run keeper plan LC10 --network devnet        what would be sent
    brownie run keeper simulate LC10 --network devnet    what the node says it would do
    brownie run keeper run LC10 --network devnet         all of it, when the calendar says so
    brownie run keeper execute LC10 --network devnet     all of it, now
    brownie run keeper report LC10 --network devnet      the last plan: planned, filled, cost
    brownie run keeper rebuild LC10 --network devnet     an empty ledger from the chain

A second argument names the account that signs (default: keeper). Exit codes: 0 done, 3 nothing to do or later, 4 stopped
by a safety limit, 1 error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from eth_account.signers.local import LocalAccount
from web3 import Web3

from offchain.chain.accounts import is_local, resolve
from offchain.keeper import Keeper, Stop, devnet_account, open_keeper
from offchain.keeper.text import situation_text
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage

SENDING = ("run", "execute")


def read(symbol: str = "", account: str = "") -> None:
    with _keeper("read", symbol, account) as keeper:
        print(situation_text(keeper.read()))


def decide(symbol: str = "", account: str = "") -> None:
    with _keeper("decide", symbol, account) as keeper:
        print(keeper.decide())


def plan(symbol: str = "", account: str = "") -> None:
    with _keeper("plan", symbol, account) as keeper:
        print(keeper.plan())


def simulate(symbol: str = "", account: str = "") -> None:
    with _keeper("simulate", symbol, account) as keeper:
        print(keeper.simulate())


def run(symbol: str = "", account: str = "") -> None:
    _send("run", symbol, account, ignore_calendar=False)


def execute(symbol: str = "", account: str = "") -> None:
    _send("execute", symbol, account, ignore_calendar=True)


def report(symbol: str = "", account: str = "") -> None:
    with _keeper("report", symbol, account) as keeper:
        print(keeper.report())


def rebuild(symbol: str = "", account: str = "") -> None:
    with _keeper("rebuild", symbol, account) as keeper:
        print(f"{keeper.rebuild()} plans written to {keeper.ledger.path.name}")


def _send(verb: str, symbol: str, account: str, *, ignore_calendar: bool) -> None:
    with _keeper(verb, symbol, account) as keeper:
        if not is_local(keeper.w3):
            print(keeper.plan())
            confirm(keeper.w3, f"Rebalance {symbol} on chain {keeper.places.core.chain_id} with {keeper.address}.")
        outcome = keeper.run(ignore_calendar=ignore_calendar)
        print(outcome)
        if outcome.name == "done":
            print(f"\n{outcome.report}")  # type: ignore[union-attr]
        if outcome.exit_code:
            raise SystemExit(outcome.exit_code)


@contextmanager
def _keeper(verb: str, symbol: str, account: str) -> Iterator[Keeper]:
    if not symbol:
        raise usage(f"brownie run keeper {verb} <SYMBOL> [account] --network <network>")
    if verb in SENDING:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("offchain.keeper").setLevel(logging.INFO)
    with one_line_errors():
        w3 = node()
        name = account_name(w3, account, "keeper")
        who = _key(w3, name) if verb in SENDING else resolve(w3, name)
        with open_keeper(w3, symbol, who) as keeper:
            try:
                yield keeper
            except Stop as stop:  # a stage by itself has nothing to do: say so, with the code of a run
                print(stop.outcome)
                raise SystemExit(stop.outcome.exit_code) from None


def _key(w3: Web3, name: str) -> LocalAccount:
    """The key of an account: of a local chain by its place, else from the keystore."""
    if is_local(w3):
        return devnet_account(w3.eth.accounts.index(Web3.to_checksum_address(resolve(w3, name))))
    opened = signer(w3, name)
    assert isinstance(opened, LocalAccount)
    return opened
