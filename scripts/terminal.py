"""What the brownie scripts share: the connection, who signs, one line for an error, one question before real money moves.

Environment: BALLAST_ACCOUNT (default signer on a live network), BALLAST_PASSWORD (its keystore; else a prompt),
BALLAST_YES=1 (do not ask).
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import brownie
from web3 import Web3

from offchain.chain import accounts
from offchain.chain.accounts import is_local
from offchain.chain.client import chain_name, connect
from offchain.chain.transactions import Signer
from offchain.errors import BallastError, ChainError, UnitError

USAGE_EXIT = 2


@contextmanager
def one_line_errors() -> Iterator[None]:
    """A refusal of Ballast becomes `Error: …` on stderr and its exit code, without a traceback."""
    try:
        yield
    except BallastError as error:
        sys.stdout.flush()
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def usage(text: str) -> SystemExit:
    """The way to call a script, for `raise usage(...)`."""
    print(f"Usage: {text}", file=sys.stderr)
    return SystemExit(USAGE_EXIT)


def node() -> Web3:
    """Brownie's active network as a Web3 of ours. Raises WrongNetwork when the node is on another chain than it says."""
    active = brownie.network.main.CONFIG.active_network
    url = brownie.web3.provider.endpoint_uri
    return connect(url, int(active["chainid"]) if active.get("chainid") else None)


def account_name(w3: Web3, given: str, local_default: str) -> str:
    """Who acts: as given, else BALLAST_ACCOUNT, else the usual one of a local chain."""
    name = given or os.environ.get("BALLAST_ACCOUNT", "") or (local_default if is_local(w3) else "")
    if not name:
        raise ChainError(
            f"name the account that signs on {chain_name(w3.eth.chain_id)}: as argument or BALLAST_ACCOUNT"
        )
    return name


def signer(w3: Web3, name: str) -> Signer:
    """An unlocked account of a local chain, or a keystore, opened with BALLAST_PASSWORD or a prompt."""
    return accounts.signer(w3, name, _password)


def confirm(w3: Web3, summary: str) -> None:
    """Asks once before anything is sent on a live network; raises ChainError unless the answer is yes."""
    if is_local(w3) or os.environ.get("BALLAST_YES") == "1":
        return
    if not sys.stdin.isatty():
        raise ChainError("not confirmed: there is no terminal to ask at; set BALLAST_YES=1 to send without asking")
    if input(f"{summary} Send? [y/N] ").strip().lower() not in ("y", "yes"):
        raise ChainError("not confirmed; nothing was sent")


def names(text: str) -> tuple[str, ...]:
    """'USDT,XRP' → its parts."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def whole_bps(text: str, default: int) -> int:
    """Basis points as typed."""
    if text and not text.isdigit():
        raise UnitError(f"max_slippage_bps {text!r} is not a whole number of basis points, such as 10")
    return int(text) if text else default


def _password(name: str) -> str:
    known = os.environ.get("BALLAST_PASSWORD")
    if known is None and not sys.stdin.isatty():
        raise ChainError(f'keystore "{name}" needs its password: set BALLAST_PASSWORD, or run in a terminal')
    return known if known is not None else getpass.getpass(f'Password of keystore "{name}": ')
