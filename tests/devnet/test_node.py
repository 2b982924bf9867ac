"""The anvil process and the border to a chain.

A node of ours
    says so when its port is taken, when it dies, when a snapshot is gone
    leaves nothing behind: not when stopped, not when its parent is killed
    listens on 127.0.0.1 only and refuses transactions no live chain would take
A connection
    names the URL when nothing answers, both chains when the network is wrong, and no secret ever
A transaction
    that a contract refuses tells the decoded reason
    of a local account is signed here
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from offchain.chain.artifacts import ArtifactMissing, artifact, parse, vendor
from offchain.chain.client import connect, public_url
from offchain.chain.transactions import decode_error, deploy, send
from offchain.devnet import Anvil, Devnet
from offchain.errors import ChainError, NodeDied, NotConnected, PortInUse, TransactionReverted, WrongNetwork

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def node() -> Iterator[Anvil]:
    with Anvil.start() as running:
        yield running


# --- node -------------------------------------------------------------------------------------------------------------


def test_start_given_a_taken_port_says_so() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"port {port} .*in use"):
            Anvil.start(port)


def test_a_killed_node_is_named_by_the_next_call(node: Anvil) -> None:
    os.kill(node.pid, signal.SIGKILL)
    with pytest.raises(NodeDied, match=rf"pid {node.pid}, {node.url}.*SIGKILL"):
        _ = node.w3.eth.block_number


def test_a_node_killed_in_the_middle_of_a_step_is_named(devnet: Devnet, tmp_path: Path) -> None:
    devnet.save(tmp_path / "market.json")
    with Anvil.start() as node:
        world = Devnet.load(node, devnet.market, tmp_path / "market.json")
        with pytest.raises(NodeDied), node.one_block():
            os.kill(node.pid, signal.SIGKILL)
            world.faucet(node.accounts[0], "usd-coin", 1)


def test_stop_ends_the_process_and_removes_its_folder(node: Anvil) -> None:
    folder = node._folder
    node.stop()
    node.stop()
    assert not node.is_running and not folder.exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel ends orphans on Linux only")
def test_a_node_does_not_outlive_a_killed_parent() -> None:
    code = "from offchain.devnet import Anvil; print(Anvil.start().pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 5
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_blocks_come_at_the_chains_own_pace(node: Anvil) -> None:
    begun = node.timestamp
    node.mine()
    node.advance(3600)
    node.mine()
    assert node.timestamp == begun + 12 + 3600 + 12


def test_revert_to_a_used_snapshot_is_refused(node: Anvil) -> None:
    snapshot = node.snapshot()
    node.revert(snapshot)
    with pytest.raises(ChainError, match="can be used once"):
        node.revert(snapshot)


def test_rewound_undoes_what_happened_inside(node: Anvil) -> None:
    with node.rewound():
        node.mine()
        node.set_balance(node.accounts[0], 1)
    assert node.w3.eth.block_number == 0
    node.mine()
    assert (
        node.w3.eth.get_block("latest")["baseFeePerGas"] == 875_000_000
    )  # an empty block lowers one gwei by an eighth
    assert node.w3.eth.get_balance(node.accounts[0]) == 10**24


def test_one_block_that_fails_mines_nothing(node: Anvil) -> None:
    alice, bob = node.accounts[:2]
    with pytest.raises(RuntimeError), node.one_block():
        node.w3.eth.send_transaction({"from": alice, "to": bob, "value": 1})
        raise RuntimeError
    send(node.w3, alice, {"to": bob}, value=2)
    assert node.w3.eth.get_balance(bob) == 10**24 + 2


def test_a_transaction_above_the_gas_limit_of_live_chains_is_refused(node: Anvil) -> None:
    with pytest.raises(ChainError, match="gas"):
        send(node.w3, node.accounts[0], {"to": node.accounts[1]}, gas=2**24 + 1)


# --- connection -------------------------------------------------------------------------------------------------------


def test_connect_given_nobody_listening_names_the_url_and_the_way_out() -> None:
    with pytest.raises(NotConnected, match=r"http://127.0.0.1:9 .*make chain"):
        connect("http://127.0.0.1:9")


def test_connect_given_another_chain_names_both(node: Anvil) -> None:
    with pytest.raises(WrongNetwork, match=r"local devnet \(chain 31337\).*Sepolia \(chain 11155111\)"):
        connect(node.url, 11155111)
    assert connect(node.url, 31337).eth.block_number == 0


def test_connect_given_a_server_that_is_no_node_says_so() -> None:
    code = (
        "import http.server\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self): self.send_response(200); self.end_headers(); self.wfile.write(b'<html>')\n"
        "s = http.server.HTTPServer(('127.0.0.1', 0), H); print(s.server_port, flush=True); s.serve_forever()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            with pytest.raises(NotConnected, match="not JSON-RPC"):
                connect(f"http://127.0.0.1:{server.stdout.readline().strip()}")
        finally:
            server.kill()


def test_urls_are_shown_without_their_secrets() -> None:
    assert public_url("https://user:secret@rpc.example.org:8443/v2/APIKEY?x=KEY") == "https://rpc.example.org:8443/…"
    with pytest.raises(NotConnected) as refusal:
        connect("https://127.0.0.1:9/v3/APIKEY")
    assert "APIKEY" not in str(refusal.value)


# --- transactions and artifacts ---------------------------------------------------------------------------------------


def test_send_given_a_custom_error_tells_its_name_and_arguments(node: Anvil) -> None:
    alice, bob = node.accounts[:2]
    token = deploy(node.w3, alice, artifact("TestToken"), "A", "A", 18, alice)
    with pytest.raises(TransactionReverted, match=rf"OwnableUnauthorizedAccount\(account={bob.lower()}\)"):
        send(node.w3, bob, token.functions.mint(bob, 1))
    with pytest.raises(
        TransactionReverted, match=rf"reverted in block .*OwnableUnauthorizedAccount\(account={bob.lower()}\)"
    ):
        send(node.w3, bob, token.functions.mint(bob, 1), gas=100_000)


def test_send_given_a_local_account_signs_here(node: Anvil) -> None:
    alice = Account.create()
    node.set_balance(alice.address, 10**18)
    token = deploy(node.w3, alice, artifact("TestToken"), "A", "A", 18, alice.address)
    receipt = send(node.w3, alice, token.functions.mint(alice.address, 5))
    assert token.functions.balanceOf(alice.address).call() == 5
    assert node.w3.eth.get_transaction(receipt["transactionHash"])["type"] == 2


def test_send_given_a_base_fee_above_the_cap_refuses(node: Anvil) -> None:
    with pytest.raises(ChainError, match="above the cap"):
        send(node.w3, node.accounts[0], {"to": node.accounts[1]}, fee_cap=1)


def test_decode_error_knows_texts_panics_and_the_unknown() -> None:
    text = "0x08c379a0" + "20".rjust(64, "0") + "2".rjust(64, "0") + "6f6b".ljust(64, "0")
    assert decode_error(text) == "ok"
    assert decode_error("0x4e487b71" + "11".rjust(64, "0")) == "Panic(0x11): arithmetic overflow or underflow"
    assert decode_error("0xdeadbeef") == "unknown error 0xdeadbeef"


def test_artifacts_of_all_shapes_are_read_and_unlinked_ones_refused() -> None:
    for shape in (
        {"bytecode": "60"},
        {"bytecode": "0x60"},
        {"bytecode": {"object": "0x60"}},
        {"evm": {"bytecode": {"object": "60"}}},
    ):
        assert parse("X", {"abi": [], **shape}).bytecode == "0x60"
    with pytest.raises(ArtifactMissing, match="not linked"):
        parse("X", {"abi": [], "bytecode": "0x60__$library$__60"})


def test_missing_artifacts_suggest_a_name_and_the_way_out() -> None:
    with pytest.raises(ArtifactMissing, match='"TestToken".*make setup'):
        artifact("TestTokn")
    with pytest.raises(ArtifactMissing, match='"UniswapV2Pair"'):
        vendor("UniswapV2Pairs")
