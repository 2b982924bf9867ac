"""The README is the manual, so what it says is run: its commands in order, its figures against the signed ones."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.gas import read_snapshot
from tests.bench.readme import END, START, gas_table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    return [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def open_market(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What `make chain` starts, on a free port; yields the environment of the other terminal."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        **os.environ,
        "BALLAST_PORT": port,
        "BALLAST_DEPLOYMENTS": str(tmp_path / "deployments"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "offchain.devnet"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and (line := process.stdout.readline()):
            said.append(line)
            if "Ctrl-C" in line:
                break
        assert said and "Ctrl-C" in said[-1], "".join(said)
        yield environment
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)


def test_commands_of_the_three_journeys_work_in_the_order_of_the_readme(open_market: dict[str, str]) -> None:
    wanted = commands()
    assert len(wanted) >= 8

    for command in wanted:
        words = shlex.split(command)
        words[0] = str(Path(sys.executable).with_name(Path(words[0]).name))
        done = subprocess.run(words, cwd=ROOT, env=open_market, capture_output=True, text=True, timeout=240)
        assert done.returncode in (0, 3), f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr, command


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):\s*##", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    listed = re.search(r"`make` alone lists the other commands: (.*?)\.\n", README, flags=re.DOTALL)
    assert listed is not None
    named |= set(re.findall(r"`([a-z-]+)`", listed.group(1)))

    assert named <= targets, named - targets


def test_every_folder_and_file_named_exists() -> None:
    paths = {
        path.rstrip("/")
        for path in re.findall(r"`((?:contracts|offchain|scripts|tests)/[\w./-]*)`", README)
        if "<" not in path
    }
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_gas_table_is_the_signed_one() -> None:
    between = README.split(START, 1)[1].split(END, 1)[0].strip()

    assert between == gas_table(read_snapshot()).strip(), "run `make bench`, which writes the table"


def test_it_says_plainly_that_nobody_has_audited_it() -> None:
    assert "Nobody has audited this code" in README


def engine_commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("./ballast ")]


@pytest.mark.parametrize("line", engine_commands())
def test_every_command_of_the_engine_runs(line: str, tmp_path: Path) -> None:
    """Without market data of one's own, as the README says; results go where it says, under a folder of the test."""
    words = [str(tmp_path / word) if word.startswith("build/") else word for word in shlex.split(line)]
    environment = {**os.environ, "BALLAST_MARKET_DATA": str(tmp_path / "none")}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), done.stderr


def test_there_are_commands_of_the_engine() -> None:
    assert len(engine_commands()) >= 6
