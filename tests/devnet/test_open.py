"""`python -m offchain.devnet`: what `make chain` leaves open, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offchain.chain.client import connect
from offchain.errors import NotConnected

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "offchain.devnet", *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "BALLAST_DEPLOYMENTS": str(folder / "deployments")},
    )  # fmt: skip


def finished(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = run(folder, *arguments)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_open_market_writes_a_manifest_steps_and_ends_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    port = a_free_port()
    process = run(tmp_path, "--port", str(port), "--coins", "5", "--date", "2024-06-03")
    manifest = tmp_path / "deployments" / "31337" / "market.json"
    assert process.stdout is not None
    line = ""
    while "Ctrl-C" not in line:
        line = process.stdout.readline()
        assert line, process.communicate()
    written = json.loads(manifest.read_text())
    assert written["url"] == f"http://127.0.0.1:{port}" and "bitcoin" in written["tokens"]

    code, out, err = finished(tmp_path, "step")
    assert (code, err) == (0, "") and "now at 2024-06-04" in out

    process.send_signal(ending)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0 and "stopped" in out and err == ""
    assert not manifest.exists()
    with pytest.raises(NotConnected):
        connect(written["url"])


def test_an_open_market_whose_node_is_killed_says_so(tmp_path: Path) -> None:
    process = run(tmp_path, "--port", str(a_free_port()), "--coins", "2")
    assert process.stdout is not None
    while "Ctrl-C" not in process.stdout.readline():
        pass
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.terminate()
        pytest.skip("no /proc to find the child process in")
    os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
    begun = time.monotonic()
    _, err = process.communicate(timeout=15)
    assert process.returncode == 1 and "SIGKILL" in err and len(err.splitlines()) == 1
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--market", "nowhere.parquet"), "nowhere.parquet: no such file"),
        (("--date", "2030-01-01"), "2030-01-01 is outside of the market"),
        (("step",), "no local market is open"),
    ],
)
def test_a_mistake_is_one_line_and_a_failing_exit(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = finished(tmp_path, "--port", str(a_free_port()), *arguments)
    assert code == 1 and out == "" and message in err and len(err.splitlines()) == 1


def test_a_taken_port_is_one_line_and_a_failing_exit(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, out, err = finished(tmp_path, "--port", str(other.getsockname()[1]), "--coins", "2")
    assert code == 1 and out == "" and "in use" in err and len(err.splitlines()) == 1
