"""Names instead of addresses: who "governor", "keeper" or "alice" is on a chain.

On a local node the names below are its unlocked accounts, in this order. Elsewhere a name is a keystore of brownie
(`brownie accounts new <name>`, in ~/.brownie/accounts or BALLAST_KEYSTORES); only `signer` opens it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import cast

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from offchain.chain.client import chain_name
from offchain.chain.transactions import Signer
from offchain.errors import ChainError, did_you_mean

LOCAL_NAMES = ("deployer", "governor", "guardian", "keeper", "alice", "bob", "carol", "eve")
LOCAL_CHAINS = (31337, 1337)
KEYSTORE_VARIABLE = "BALLAST_KEYSTORES"


def is_local(w3: Web3) -> bool:
    """Whether the node is a development node: its money is worthless and its accounts are unlocked."""
    return w3.eth.chain_id in LOCAL_CHAINS


def resolve(w3: Web3, name: str) -> str:
    """The address of a name, of an account number on a local node, or of an address itself."""
    if Web3.is_address(name):
        return Web3.to_checksum_address(name)
    if is_local(w3):
        return _local(w3, name)
    stores = keystores()
    if name in stores:
        return keystore_address(stores[name])
    raise ChainError(
        f'"{name}" is no address and no keystore on this machine.{did_you_mean(name, stores)} '
        f"Write an address, or make one: brownie accounts new {name}"
    )


def signer(w3: Web3, name: str, ask_password: Callable[[str], str]) -> Signer:
    """Who signs: an unlocked account of a local node, or a keystore opened with the password that `ask_password` gives."""
    if is_local(w3):
        return resolve(w3, name)
    stores = keystores()
    if name not in stores:
        raise ChainError(f'no keystore "{name}".{did_you_mean(name, stores)} Make one: brownie accounts new {name}')
    try:
        key = Account.decrypt(stores[name].read_text(encoding="utf-8"), ask_password(name))
    except (ValueError, OSError) as error:
        raise ChainError(f'keystore "{name}" was not opened ({error}); check the password') from error
    return cast(LocalAccount, Account.from_key(key))


def name_of(w3: Web3, address: str) -> str:
    """The name of an account on a local node, or the address."""
    if is_local(w3):
        for name, account in zip(LOCAL_NAMES, w3.eth.accounts, strict=False):
            if account == address:
                return name
    return address


def keystores() -> dict[str, Path]:
    """Keystore files by name."""
    folder = Path(os.environ.get(KEYSTORE_VARIABLE) or Path.home() / ".brownie" / "accounts")
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def keystore_address(path: Path) -> str:
    """The address written in a keystore file; the key stays encrypted."""
    try:
        return Web3.to_checksum_address(str(json.loads(path.read_text(encoding="utf-8"))["address"]).removeprefix("0x"))
    except (KeyError, ValueError, OSError) as error:
        raise ChainError(f"{path.name} is not a keystore that names its address ({error})") from error


def _local(w3: Web3, name: str) -> str:
    accounts = [str(account) for account in w3.eth.accounts]
    named = dict(zip(LOCAL_NAMES, accounts, strict=False))
    if name in named:
        return named[name]
    if name.isdigit() and int(name) < len(accounts):
        return accounts[int(name)]
    raise ChainError(
        f'"{name}" is no account of the {chain_name(w3.eth.chain_id)}.{did_you_mean(name, named)} '
        f"There is: {', '.join(named)}, a number from 0 to {len(accounts) - 1}, or an address"
    )
