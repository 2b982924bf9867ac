"""What is deployed where: `deployments/<chain id>/core.json` and `<SYMBOL>.json`, written after every confirmed step.

    open_core(w3)            the core on the node's chain
    open_index(w3, "LC10")   an index by symbol
    Record.open(path, w3)    the file itself, to go on where a deployment stopped

A file holds steps (contract, address, transaction, block, constructor arguments, hashes of ABI and code) and, while one
is not confirmed, the hash of its transaction. It is replaced as a whole, so it is never half-written. Big integers are
text. `deployments/<chain id>/verify` holds what explorers need (verification.py). Git ignores the files of the local chain;
those of a live network are worth committing. BALLAST_DEPLOYMENTS names another folder.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from web3 import Web3

from offchain.chain.artifacts import ROOT
from offchain.chain.client import chain_name, rpc_batch
from offchain.chain.core import CORE_CONTRACTS, Core, contract_artifact
from offchain.chain.deploy import IndexDeployment, Step
from offchain.errors import ChainError, UnknownIndex, WrongNetwork, did_you_mean

FORMAT = "ballast-deployment/1"
FOLDER_VARIABLE = "BALLAST_DEPLOYMENTS"
LOCAL_CHAIN = 31337
CORE_FILE = "core.json"
MARKET_FILE = "market.json"
RESERVED = {"core", "market"}  # files in the same folder that are no index


class StaleDeployment(ChainError):
    """A deployment file speaks of contracts that the node does not have."""


def deployments_folder(chain_id: int) -> Path:
    """Where the files of a chain are."""
    return Path(os.environ.get(FOLDER_VARIABLE) or ROOT / "deployments") / str(chain_id)


@dataclass
class Record:
    """One deployment file. As a `Journal` for deploy.py it writes every step at once."""

    path: Path
    chain_id: int
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent_hashes: dict[str, str] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, w3: Web3) -> Record:
        """The file, or an empty one. Raises StaleDeployment when the node lacks a contract, WrongNetwork for a wrong chain.

        Transactions that the node has never heard of are forgotten: they were sent to a chain that is gone, or dropped.
        """
        chain_id = w3.eth.chain_id
        if not path.exists():
            return cls(path=path, chain_id=chain_id)
        record = cls.read(path)
        if record.chain_id != chain_id:
            raise WrongNetwork(
                f"{shown(path)} is of {chain_name(record.chain_id)}, the node is on {chain_name(chain_id)}; "
                "choose the other network with --network, or move the file away"
            )
        record.require_code(w3)
        record.forget_unknown(w3)
        return record

    @classmethod
    def read(cls, path: Path) -> Record:
        """The file, not compared with any node."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r}, expected {FORMAT!r}")
            return cls(
                path=path,
                chain_id=int(content["chain_id"]),
                steps=dict(content["steps"]),
                sent_hashes=dict(content["sent"]),
                notes=dict(content["notes"]),
            )
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ChainError(
                f"{shown(path)} is not a deployment file ({error}); get it back from a copy, or move it away"
            ) from error

    # --- Journal ------------------------------------------------------------------------------------------------------

    def known(self, name: str) -> Step | None:
        if name not in self.steps:
            return None
        return Step(**{item.name: self.steps[name][item.name] for item in dataclasses.fields(Step)})

    def pending(self, name: str) -> str | None:
        return self.sent_hashes.get(name)

    def sent(self, name: str, tx: str) -> None:
        self.sent_hashes[name] = tx
        self.write()

    def failed(self, name: str) -> None:
        self.sent_hashes.pop(name, None)
        self.write()

    def record(self, name: str, step: Step) -> None:
        compiled = contract_artifact(step.contract)
        self.steps[name] = {
            **dataclasses.asdict(step),
            "abi_hash": "0x" + keccak(text=json.dumps(compiled.abi, sort_keys=True)).hex(),
            "creation_code_sha256": compiled.digest,
        }
        self.sent_hashes.pop(name, None)
        self.write()

    # --- file ---------------------------------------------------------------------------------------------------------

    def note(self, **notes: object) -> None:
        """Keeps further facts, such as terms, beside the steps."""
        self.notes |= notes
        self.write()

    def write(self) -> None:
        """Replaces the file as a whole."""
        content = {
            "format": FORMAT,
            "chain_id": self.chain_id,
            "chain": chain_name(self.chain_id),
            "steps": self.steps,
            "sent": self.sent_hashes,
            "notes": self.notes,
        }
        write_json(self.path, content)

    def require_code(self, w3: Web3) -> None:
        """Raises StaleDeployment unless every recorded contract has code."""
        addresses = [step["address"] for step in self.steps.values()]
        calls: list[tuple[str, list[object]]] = [("eth_getCode", [address, "latest"]) for address in addresses]
        for address, code in zip(addresses, rpc_batch(w3, calls) if calls else [], strict=True):
            if len(str(code)) <= 2:
                raise StaleDeployment(
                    f"{shown(self.path)} names {address}, but there is no contract at it on {chain_name(self.chain_id)}"
                    f"{' (was the local chain restarted?)' if self.chain_id == LOCAL_CHAIN else ''}; "
                    f"{'deploy again' if self.chain_id == LOCAL_CHAIN else 'check the network, or move the file away'}"
                )

    def forget_unknown(self, w3: Web3) -> None:
        """Drops hashes of transactions that the node does not know."""
        hashes = dict(self.sent_hashes)
        calls: list[tuple[str, list[object]]] = [("eth_getTransactionByHash", [tx]) for tx in hashes.values()]
        for name, answer in zip(hashes, rpc_batch(w3, calls) if calls else [], strict=True):
            if answer is None:
                del self.sent_hashes[name]


def open_core(w3: Web3) -> Core:
    """The core that is recorded for the node's chain. Raises ChainError, naming file and remedy, when there is none."""
    chain_id = w3.eth.chain_id
    path = deployments_folder(chain_id) / CORE_FILE
    if not path.exists():
        raise ChainError(f"nothing is deployed on {chain_name(chain_id)}: no {shown(path)}; {how_to_deploy()}")
    record = Record.open(path, w3)
    missing = [name for name in CORE_CONTRACTS if name not in record.steps]
    if missing:
        raise ChainError(f"{shown(path)}: {', '.join(missing)} not deployed yet; go on with {how_to_deploy()}")
    return core_of(record)


def core_of(record: Record) -> Core:
    """The core of a complete record."""
    steps = {name: record.steps[name] for name in CORE_CONTRACTS}
    return Core(
        chain_id=record.chain_id,
        block=max(int(step["block"]) for step in steps.values()),
        **{name: step["address"] for name, step in steps.items()},
    )


def first_block(chain_id: int) -> int:
    """The block of the first step of the core: no event of ours is older. Zero when nothing is recorded."""
    path = deployments_folder(chain_id) / CORE_FILE
    steps = Record.read(path).steps.values() if path.exists() else ()
    return min((int(step["block"]) for step in steps), default=0)


def open_index(w3: Web3, symbol: str) -> tuple[Core, IndexDeployment]:
    """An index of the node's chain by its symbol, with the core. Raises UnknownIndex with what there is."""
    chain_id = w3.eth.chain_id
    files = index_files(chain_id)
    if symbol not in files:
        elsewhere = [chain_name(other) for other in other_chains(symbol, chain_id)]
        if elsewhere:
            raise WrongNetwork(
                f"{symbol} is deployed on {', '.join(elsewhere)}, but the node is on {chain_name(chain_id)}; "
                "choose the network with --network"
            )
        there_is = ", ".join(files) or f"none yet; {how_to_deploy()}"
        raise UnknownIndex(
            f"no index {symbol} on {chain_name(chain_id)}.{did_you_mean(symbol, files)} There is: {there_is}"
        )
    core = open_core(w3)
    record = Record.open(files[symbol], w3)
    if "index" not in record.notes:
        raise UnknownIndex(f"{symbol} is not deployed to the end: see {shown(record.path)}; repeat {how_to_deploy()}")
    return core, index_of(record)


def index_of(record: Record) -> IndexDeployment:
    """The finished index of a record."""
    content = record.notes["index"]
    values = {item.name: content[item.name] for item in dataclasses.fields(IndexDeployment)}
    values |= {"components": tuple(values["components"]), "seed_shares": int(values["seed_shares"])}
    values["seed_amounts"] = tuple(int(amount) for amount in values["seed_amounts"])
    return IndexDeployment(**values)


def index_note(index: IndexDeployment) -> dict[str, object]:
    """An index as JSON that keeps big integers exact."""
    return as_json(dataclasses.asdict(index))  # type: ignore[return-value]


def index_files(chain_id: int) -> dict[str, Path]:
    """Files of the indexes of a chain by symbol."""
    folder = deployments_folder(chain_id)
    return {path.stem: path for path in sorted(folder.glob("*.json")) if path.stem not in RESERVED}


def other_chains(symbol: str, chain_id: int) -> list[int]:
    """Chains besides `chain_id` that have an index of that symbol."""
    root = deployments_folder(chain_id).parent
    folders = [int(path.name) for path in root.iterdir() if path.name.isdigit()] if root.is_dir() else []
    return sorted(other for other in folders if other != chain_id and symbol in index_files(other))


@contextmanager
def exclusive(chain_id: int) -> Iterator[None]:
    """Only one deployment at a time writes the files of a chain. Raises ChainError when another one does."""
    folder = deployments_folder(chain_id)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            import fcntl
        except ImportError:  # Windows: no lock, one operator
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ChainError(
                f"another deployment to {chain_name(chain_id)} is running; wait until it has ended"
            ) from None
        yield


def write_json(path: Path, content: object) -> None:
    """Replaces a JSON file as a whole: readers see the old or the new one, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def as_json(value: object) -> object:
    """Plain data with integers above 2^53 as text."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def shown(path: Path) -> str:
    """A path as messages show it: relative to the project where it lies in it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def how_to_deploy() -> str:
    return "brownie run deploy main offchain/indexes/lc10.toml --network <network>"
