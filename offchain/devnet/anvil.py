"""The local node: one anvil process that we start, watch and always stop.

    with Anvil.start() as node:
        node.w3.eth.block_number

It listens on 127.0.0.1 only. When it dies, the next call raises NodeDied instead of a connection error; when its port
is taken, PortInUse says so.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from web3 import Web3

from offchain.chain.client import NodeProvider, rpc
from offchain.devnet.node import BLOCK_GAS, BLOCK_TIME, LocalNode
from offchain.errors import ChainError, NodeDied, NotConnected, PortInUse

CHAIN_ID = 31337
ACCOUNTS = 20
BALANCE = 1_000_000  # {ETH} of each account
START_SECONDS = 15.0
HOST = "127.0.0.1"


@dataclass(eq=False)
class Anvil(LocalNode):
    """A running anvil of ours: `url`, `pid`, a connected `w3`, and the verbs of LocalNode. Use `Anvil.start()`."""

    url: str
    port: int
    pid: int
    _process: subprocess.Popen[bytes] = field(repr=False)
    _folder: Path = field(repr=False)

    @classmethod
    def start(
        cls,
        port: int | None = None,
        *,
        chain_id: int = CHAIN_ID,
        timestamp: int | None = None,
        accounts: int = ACCOUNTS,
        hardfork: str = "osaka",
        extra: tuple[str, ...] = (),
    ) -> Anvil:
        """Starts anvil on `port`, or on a free one. `timestamp` {s} is the genesis block's; `extra` goes to the command line.

        Every state of the last 500 blocks stays in memory (about 2 MB a market day): long runs may pass
        `extra=("--prune-history", "64")`. Transactions above the EIP-7825 limit of 2^24 gas are refused, as on live chains. Raises PortInUse, or NodeDied
        with anvil's own words when it does not come up.
        """
        for last_try in (False, False, True):
            chosen = port if port is not None else _free_port()
            try:
                return cls._start(chosen, chain_id, timestamp, accounts, hardfork, extra)
            except PortInUse:
                if port is not None or last_try:
                    raise
        raise AssertionError("unreachable")

    @classmethod
    def _start(
        cls, port: int, chain_id: int, timestamp: int | None, accounts: int, hardfork: str, extra: tuple[str, ...]
    ) -> Anvil:
        if _is_taken(port):
            raise PortInUse(
                f"port {port} of {HOST} is in use by another program; stop it or choose another with --port"
            )
        folder = Path(tempfile.mkdtemp(prefix="ballast-anvil-"))
        command = [
            anvil_binary(), "--quiet", "--host", HOST, "--port", str(port), "--chain-id", str(chain_id),
            "--accounts", str(accounts), "--balance", str(BALANCE), "--hardfork", hardfork,
            "--gas-limit", str(BLOCK_GAS), "--enable-tx-gas-limit", "--no-request-size-limit", "--no-cors",
            "--cache-path", str(folder), *extra,
        ]  # fmt: skip
        if timestamp is not None:
            command += ["--timestamp", str(timestamp)]
        with (folder / "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                start_new_session=True, preexec_fn=_die_with_parent(),
            )  # fmt: skip
        node = cls._attach(process, port, folder)
        atexit.register(node.stop)
        try:
            node._wait_until_up()
            rpc(node.w3, "anvil_setBlockTimestampInterval", BLOCK_TIME)
        except BaseException:
            node.stop()
            raise
        return node

    @classmethod
    def _attach(cls, process: subprocess.Popen[bytes], port: int, folder: Path) -> Anvil:
        url = f"http://{HOST}:{port}"
        node = cls.__new__(cls)
        w3 = Web3(NodeProvider(url, timeout=120.0, on_failure=lambda reason: node._failure(reason)))
        node.__init__(url=url, port=port, pid=process.pid, w3=w3, _process=process, _folder=folder)  # type: ignore[misc]
        return node

    def _failure(self, reason: str) -> Exception:
        """What a lost connection means: the process is gone, or it is there and does not answer."""
        for _ in range(20):  # a killed process needs a moment to be reaped
            if self._process.poll() is not None:
                return NodeDied(f"the local node (anvil, pid {self.pid}, {self.url}) is gone: {self._last_words()}")
            time.sleep(0.01)
        return NotConnected(f"the local node (anvil, pid {self.pid}) does not answer at {self.url} ({reason})")

    def _last_words(self) -> str:
        code = self._process.poll()
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        stderr = self._folder / "stderr"
        said = stderr.read_text(errors="replace").strip() if stderr.exists() else ""
        return f"exit code {code}{': ' + said.splitlines()[-1] if said else ''}"

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex((HOST, self.port)) == 0:
                    _ = self.w3.eth.chain_id
                    return
            time.sleep(0.01)
        words = self._last_words()
        if "in use" in words:
            raise PortInUse(
                f"port {self.port} of {HOST} is in use by another program; stop it or choose another with --port"
            )
        raise NodeDied(f"anvil did not come up on {self.url}: {words}")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends the process, by its own handle and no other. Safe to call twice."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(timeout=3)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Anvil:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def anvil_binary() -> str:
    """anvil from this Python environment, else from PATH."""
    beside = (
        Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin") / ("anvil.exe" if os.name == "nt" else "anvil")
    )
    if beside.exists():
        return str(beside)
    if found := shutil.which("anvil"):
        return found
    raise ChainError("anvil is not installed in this Python environment or on PATH; run `make setup`")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def _die_with_parent() -> Callable[[], None] | None:
    """On Linux the kernel ends anvil even when we are killed outright. Bound to the starting thread, hence main only."""
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, signal.SIGTERM)
