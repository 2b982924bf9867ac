"""The installed tools: compiler, chain and brownie's start-up, as they are on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.setup import compiler

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"


def in_project(*command, **environment):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def wasm():
    """The fallback compiler, written into a folder of the same depth as the real one."""
    return compiler.write_wasm("solc", compiler.VERSION, ROOT / ".toolchain" / "wasm")


def test_installed_and_fallback_compiler_are_the_same_version_and_make_the_same_bytecode(wasm):
    installed = compiler.FOLDER / f"solc-v{compiler.VERSION}"
    assert compiler.is_right_version(installed)
    assert compiler.is_right_version(wasm)
    assert compiler.bytecode(installed) == compiler.bytecode(wasm)


def test_compiler_of_the_chainlink_proxy_is_there():
    program = compiler.FOLDER / f"solc-v{compiler.CHAINLINK_VERSION}"
    assert f"Version: {compiler.CHAINLINK_VERSION}+commit." in in_project(program, "--version")


def test_fallback_compiler_names_an_import_it_does_not_find(wasm):
    request = {
        "language": "Solidity",
        "sources": {"A.sol": {"content": 'pragma solidity 0.8.30; import "./absent.sol";'}},
        "settings": {"outputSelection": {}},
    }
    done = subprocess.run(
        [wasm, "--standard-json"], input=json.dumps(request), capture_output=True, text=True, cwd=ROOT
    )
    [error] = [one for one in json.loads(done.stdout)["errors"] if one["severity"] == "error"]
    assert "absent.sol not found below" in error["message"]


def test_fallback_compiler_refuses_flags_it_does_not_know(wasm):
    done = subprocess.run([wasm, "--gas"], capture_output=True, text=True)
    assert done.returncode == 1 and "--standard-json" in done.stderr


def test_anvil_runs_without_node():
    assert "Version: 1.7.1" in in_project(BIN / "anvil", "--version", PATH="/nowhere")


def test_npm_of_the_environment_works():
    assert in_project(BIN / "npm", "--version").split(".")[0].isdigit()


PROBE = """
import json, solcx, brownie._config as config
print(json.dumps({
    "data": str(config.DATA_FOLDER),
    "solc": str(solcx.get_solcx_install_folder()),
    "anvil": config.CONFIG.networks["anvil"],
    "devnet": config.CONFIG.networks["devnet"],
    "sepolia": config.CONFIG.networks["sepolia"],
    "fork": config.CONFIG.networks["anvil-fork"],
}))
"""


def brownie_sees(home, **environment):
    unset = dict.fromkeys(["SOLCX_BINARY_PATH", "BALLAST_PORT", "SEPOLIA_RPC_URL", "BALLAST_FORK_URL"], "")
    clean = {**os.environ, **unset, "HOME": str(home), "PATH": "/usr/bin:/bin", "BALLAST_FORK_BLOCK": "", **environment}
    done = subprocess.run([BIN / "python", "-c", PROBE], cwd="/", capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home folder with the network list of an old brownie."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".brownie").mkdir()
    (folder / ".brownie" / "network-config.yaml").write_text("development: ganache-cli of 2020")
    return folder


@pytest.fixture(scope="module")
def default(home):
    """What brownie sees there without any setting."""
    return brownie_sees(home)


def test_brownie_keeps_its_data_in_the_project_and_leaves_the_home_folder_alone(home, default):
    assert default["data"] == str(ROOT / ".toolchain" / ".brownie")
    assert default["solc"] == str(ROOT / ".toolchain" / "solcx")
    assert (home / ".brownie" / "network-config.yaml").read_text() == "development: ganache-cli of 2020"
    assert [path.name for path in (home / ".brownie").iterdir()] == ["network-config.yaml"]


def test_keystores_lie_in_the_home_folder_for_their_owner_only(home):
    save = "from brownie import accounts; print(accounts.add().save('deployer', password='secret'))"
    path = in_project(BIN / "python", "-c", save, HOME=str(home)).splitlines()[-1]
    assert Path(path) == home / ".brownie" / "accounts" / "deployer.json"
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert "deployer" in in_project(BIN / "brownie", "accounts", "list", HOME=str(home))


def test_anvil_network_has_no_base_fee_and_a_port_of_its_own(default):
    settings = default["anvil"]["cmd_settings"]
    assert settings["base_fee"] == 0 and settings["chain_id"] == 31337 and settings["steps_tracing"] is True
    assert 20000 <= settings["port"] < 30000


def test_networks_read_the_environment(home, default):
    assert default["devnet"]["host"] == "http://127.0.0.1:8545" and "cmd" not in default["devnet"]
    assert default["sepolia"]["host"].startswith("https://")
    assert default["fork"]["cmd_settings"]["fork_block"] is None
    chosen = brownie_sees(home, BALLAST_PORT="8600", SEPOLIA_RPC_URL="http://mine", BALLAST_FORK_URL="http://other")
    assert chosen["devnet"]["host"] == "http://127.0.0.1:8600"
    assert chosen["sepolia"]["host"] == "http://mine"
    assert chosen["fork"]["cmd_settings"]["fork"] == "http://other"


def test_pytest_itself_starts_brownie_with_the_project_data(tmp_path):
    """pytest loads plugins by its own finder, which must not step around the start-up hook."""
    (tmp_path / "test_it.py").write_text(
        "def test_it():\n    import brownie._config as c\n    assert c.DATA_FOLDER.parent.name == '.toolchain'\n"
    )
    subprocess.run([sys.executable, "-m", "pytest", "-q", tmp_path], cwd=tmp_path, check=True, capture_output=True)
