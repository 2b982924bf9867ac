"""The commands of run.py: what they are called, what they say when something is wrong, and that their gate can fail."""

import ast
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).resolve().parents[2]


def help_text():
    return subprocess.run([sys.executable, "run.py", "help"], cwd=ROOT, capture_output=True, text=True).stdout


def test_help_names_every_make_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert targets == {name for name, _ in run.make_targets()}
    assert all(f"make {name} " in help_text() for name in targets)


def test_every_make_target_is_a_command_without_make():
    makefile = (ROOT / "Makefile").read_text()
    for name, _ in run.make_targets():
        assert re.search(rf"\$\(PYTHON\) run\.py {name}( \$\(ARGS\))?\n", makefile), name
        assert name in run.COMMANDS


def test_phony_lists_every_target():
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == {name for name, _ in run.make_targets()}


def test_unknown_command_fails_and_lists_the_known(capsys):
    assert run.main(["tset"]) == 1
    message = capsys.readouterr().err
    assert "no command 'tset'" in message and "test-fast" in message


@pytest.mark.parametrize("version", [(3, 10, 12), (2, 7, 18)])
def test_old_python_is_named_with_a_way_out(monkeypatch, capsys, version):
    monkeypatch.setattr(run.sys, "version_info", version)
    assert run.main(["setup"]) == 1
    message = capsys.readouterr().err
    assert "3.11 to 3.13" in message and ".".join(map(str, version)) in message
    assert "apt install" in message and "make demo PYTHON=" in message


def test_run_py_can_be_read_by_old_pythons():
    ast.parse((ROOT / "run.py").read_text(), feature_version=(3, 6))


def test_port_in_use_is_named_with_a_way_out():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        problem = run.port_problem(port)
    assert f"Port {port}" in problem and "BALLAST_PORT=" in problem


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "-1"])
def test_port_that_is_no_port_is_refused(text):
    assert "a port is a number from 1 to 65535" in run.port_problem(text)


def test_missing_program_is_reported_not_traced(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(run, "ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run.run_module("offchain.nowhere")([]) == 1
    assert "offchain/nowhere.py is missing" in capsys.readouterr().err


# ------------------------------------------------------------------------- the gate: a test that must fail does fail


PYTEST = [sys.executable, "-m", "pytest", "-p", "no:pytest-brownie", "-q"]


def run_folders(tmp_path, monkeypatch, **tests):
    """The verdict of run_tests over one folder per keyword, each with one test of the given body."""
    monkeypatch.setattr(run, "ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, body in tests.items():
        folder = tmp_path / name
        folder.mkdir()
        if body is not None:
            (folder / f"test_{name}.py").write_text(f"def test_it():\n    {body}\n")
    return run.run_tests([(PYTEST, name) for name in tests])


def test_gate_passes_when_all_pass(tmp_path, monkeypatch):
    assert run_folders(tmp_path, monkeypatch, one="assert True", two="assert True")


def test_gate_fails_when_one_test_fails_and_still_runs_the_rest(tmp_path, monkeypatch, capfd):
    assert not run_folders(tmp_path, monkeypatch, one="assert False", two="assert True")
    assert re.search(r"one +FAILED \(1\)", output := capfd.readouterr().out)
    assert re.search(r"two +passed", output)


def test_gate_fails_on_a_folder_without_tests(tmp_path, monkeypatch, capfd):
    assert not run_folders(tmp_path, monkeypatch, one="assert True", empty=None)
    assert "contains no test" in capfd.readouterr().out


def test_gate_fails_when_there_is_no_folder_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert not run.run_tests([(PYTEST, "nowhere")])


def test_ci_fails_when_a_check_fails(tmp_path):
    (tmp_path / "make").write_text('#!/bin/sh\n[ "$1" != types ]\n')
    (tmp_path / "make").chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    done = subprocess.run([ROOT / ".ci" / "run"], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert done.returncode == 1 and "FAILED: types" in done.stdout
