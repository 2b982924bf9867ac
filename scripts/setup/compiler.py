"""Installs solc 0.8.30 for py-solc-x and brownie, and proves that it compiles. Run by set-up with .venv's Python.

The native compiler is taken where its download is reachable, else the wasm build of the npm package `solc`, of the same
commit, which makes the same bytecode at a third of the speed. BALLAST_SOLC=wasm or BALLAST_SOLC=native insists on one.
Version 0.6.6 is only for the genuine Chainlink proxy of the tests, always wasm.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import requests
import solcx

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".toolchain" / "solcx"
VERSION, COMMIT = "0.8.30", "73712a01"
CHAINLINK_VERSION = "0.6.6"
DOWNLOADS = "https://binaries.soliditylang.org"

SAMPLE = """
// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
contract Sample is ERC20("Sample", "S") {
    function pay(address to) external { _transfer(msg.sender, to, 1); }
}
"""

# Keeps the version line so that --version, which py-solc-x asks for at every turn, need not load 8 MB of wasm.
WASM_PROGRAM = """#!/bin/sh
# Written by set-up: the wasm compiler of the npm package `{package}`.
[ "$1" = --version ] && {{ echo "solc, the solidity compiler commandline interface"; echo "{line}"; exit 0; }}
exec "${{0%/*}}/../../.venv/bin/node" "${{0%/*}}/../../scripts/setup/solc.js" {package} "$@"
"""


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ["SOLCX_BINARY_PATH"] = str(FOLDER)
    wanted = os.environ.get("BALLAST_SOLC", "auto")
    if wanted not in ("auto", "native", "wasm"):
        sys.exit(f"BALLAST_SOLC is '{wanted}'; it can be auto, native or wasm.")

    write_wasm("solc-0.6", CHAINLINK_VERSION, FOLDER)
    problem = "BALLAST_SOLC=wasm" if wanted == "wasm" else install_native()
    if problem and wanted == "native":
        sys.exit(f"No native solc {VERSION}: {problem}. Without BALLAST_SOLC=native the wasm build is used.")
    if problem:
        write_wasm("solc", VERSION, FOLDER)
        print(f"solc {VERSION}: wasm build from npm ({problem})")
    else:
        print(f"solc {VERSION}: native build from {DOWNLOADS}")
    check()


def install_native() -> str | None:
    """Installs the native compiler; returns why it could not."""
    program = FOLDER / f"solc-v{VERSION}"
    is_script = program.exists() and program.read_bytes()[:2] == b"#!"
    if not is_script and is_right_version(program):
        return None
    program.unlink(missing_ok=True)
    try:
        requests.head(f"{DOWNLOADS}/bin/list.json", timeout=5)
        solcx.install_solc(VERSION, show_progress=False)
        if not is_right_version(program):
            raise RuntimeError("the downloaded program is another version")
        reference = write_wasm("solc", VERSION, FOLDER.parent / "wasm")
        if bytecode(program) != bytecode(reference):
            raise RuntimeError("it makes other bytecode than the npm package of the same version")
        return None
    except requests.RequestException:
        reason = f"{DOWNLOADS} is not reachable"
    except Exception as problem:  # py-solc-x raises many kinds; any of them means "use the other compiler"
        reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
    with contextlib.suppress(OSError):
        program.unlink(missing_ok=True)
    return reason


def is_right_version(program: Path) -> bool:
    try:
        text = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    return f"{VERSION}+commit.{COMMIT}" in text


def write_wasm(package: str, version: str, folder: Path) -> Path:
    """Writes the program that runs the npm package under the name py-solc-x looks for."""
    node, script = ROOT / ".venv" / "bin" / "node", ROOT / "scripts" / "setup" / "solc.js"
    answer = subprocess.run([node, script, package, "--version"], capture_output=True, text=True, check=True).stdout
    line = answer.splitlines()[1]
    if f" {version}+commit." not in line:
        sys.exit(f"The npm package {package} is '{line}', not {version}. Remove node_modules and run set-up again.")
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"solc-v{version}"
    program.unlink(missing_ok=True)
    program.write_text(WASM_PROGRAM.format(package=package, line=line), encoding="utf-8")
    program.chmod(0o755)
    return program


def bytecode(program: Path | None = None) -> str:
    """The bytecode of SAMPLE with the given compiler, or with the one that py-solc-x finds."""
    os.chdir(ROOT)
    output = solcx.compile_standard(
        {
            "language": "Solidity",
            "sources": {"contracts/Sample.sol": {"content": SAMPLE}},
            "settings": {
                "evmVersion": "cancun",
                "optimizer": {"enabled": True, "runs": 200},
                "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
                "outputSelection": {"*": {"Sample": ["evm.bytecode.object"]}},
            },
        },
        allow_paths=str(ROOT),
        **({"solc_binary": program} if program else {"solc_version": VERSION}),
    )
    return output["contracts"]["contracts/Sample.sol"]["Sample"]["evm"]["bytecode"]["object"]


def check() -> None:
    size = len(bytecode()) // 2
    print(f"compiled a sample token: {size} bytes")
    if size < 1000:
        sys.exit(f"solc {VERSION} made only {size} bytes of a sample token: the compiler does not work here.")


if __name__ == "__main__":
    main()
