"""Runs the proofs of StrangerProofs.sol with Halmos, on the bytecode; started by `prove` in the environment that has it.

Halmos wants a Foundry project: it calls `forge build` and reads its output folder. The compiler is ours, the folder is
written here, and the `forge` it finds does nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.assurance.compiler import ROOT, Compiler, contract_sources

FILE = "tests/assurance/StrangerProofs.sol"
PATIENCE = 1200  # {s} for one proof on a busy machine
# What each proof says, and the mistake with which it must fail: file, old, new.
PROOFS = {
    "check_nobody_sets_a_feed": (
        "no stranger sets a feed",
        ("contracts/PriceOracle.sol", "address feed) external restricted {", "address feed) external {"),
    ),
    "check_nobody_changes_limits_or_budget": (
        "no stranger changes limits or budget of an index",
        (
            "contracts/ExchangeGuard.sol",
            "Limits memory old = _registeredLimits(index);\n        RoleLib.requireRole(index);",
            "Limits memory old = _registeredLimits(index);",
        ),
    ),
    "check_nobody_changes_policy_or_plan": (
        "no stranger changes policy, allowed tokens or plan of an index",
        (
            "contracts/Rebalancer.sol",
            "_registeredPolicy(index);\n        RoleLib.requireRole(index);\n        _setAllowed",
            "_registeredPolicy(index);\n        _setAllowed",
        ),
    ),
    "check_nobody_changes_wiring_or_terms": (
        "no stranger changes wiring, terms, pauses, powers or authority of an index",
        (
            "contracts/IndexToken.sol",
            "function setGuard(address newGuard) external nonReentrant onlyPower {",
            "function setGuard(address newGuard) external nonReentrant {",
        ),
    ),
    "check_nobody_makes_shares": (
        "no stranger makes shares of an index that was not bootstrapped",
        ("contracts/IndexToken.sol", "require(msg.sender == factory, Errors.NotFactory(msg.sender));", ""),
    ),
}


def build(compiler: Compiler, folder: Path, canary: tuple[str, str, str] | None = None) -> None:
    """Foundry's output folder, and a `forge` beside it."""
    sources = contract_sources()
    if canary:
        file, old, new = canary
        if sources[file].count(old) != 1:
            sys.exit(f"{file} has {sources[file].count(old)} places like {old!r}, expected one: mend the canary")
        sources[file] = sources[file].replace(old, new)
    wanted = ["abi", "evm.bytecode", "evm.deployedBytecode", "evm.methodIdentifiers", "metadata", "storageLayout"]
    changed = {FILE: (ROOT / FILE).read_text(encoding="utf-8")}
    if canary:
        changed[canary[0]] = sources[canary[0]]
    answer = compiler.compile(changed, {"*": {"*": wanted, "": ["ast"]}})
    for file, contracts in answer["contracts"].items():
        for name, content in contracts.items():
            path = folder / "out" / Path(file).name / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            evm = content.pop("evm")
            content["metadata"] = json.loads(content["metadata"])
            content |= {key: evm[key] for key in ("bytecode", "deployedBytecode", "methodIdentifiers")}
            content |= {key: answer["sources"][file][key] for key in ("ast", "id")}
            path.write_text(json.dumps(content), encoding="utf-8")
    forge = folder / "bin" / "forge"
    forge.parent.mkdir(exist_ok=True)
    forge.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    forge.chmod(0o755)


def run(folder: Path, function: str) -> tuple[str, str, float]:
    """PASS, FAIL or what else Halmos said; how many paths it walked; seconds."""
    started = time.monotonic()
    path = os.pathsep.join((str(folder / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    command = [
        str(Path(sys.executable).with_name("halmos")), "--root", str(folder), "--contract", "StrangerProofs",
        "--function", f"{function}", "--solver", "yices", "--solver-timeout-assertion", "120s", "--solver-timeout-branching", "5s", "--loop", "3",
        "--default-array-lengths", "0,1", "--default-bytes-lengths", "0,65",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=PATIENCE
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    verdict = re.search(rf"\[(\w+)\] {function}\(.*?\(paths: (\d+)", text)
    seconds = time.monotonic() - started
    if verdict is None:
        return f"no verdict: {text[-300:]}", "0", seconds
    return verdict[1], verdict[2], seconds


def main(names: list[str]) -> int:
    failures = 0
    with Compiler() as compiler, tempfile.TemporaryDirectory() as temporary:
        genuine = Path(temporary) / "genuine"
        build(compiler, genuine)
        for number, (function, (claim, canary)) in enumerate(PROOFS.items()):
            if names and function not in names:
                continue
            outcome, paths, seconds = run(genuine, function)
            failures += outcome != "PASS"
            said = "proven" if outcome == "PASS" else f"NOT PROVEN: {outcome}"
            print(
                f"\n{function}: {claim}\n    for any caller, any function, any arguments; arrays up to one, bytes up to 65"
            )
            print(f"    {said}: {paths} paths, {seconds:.1f} s", flush=True)
            wrong = Path(temporary) / f"canary{number}"
            build(compiler, wrong, canary)
            outcome, _, seconds = run(wrong, function)
            failures += outcome != "FAIL"
            said = "breaks it" if outcome == "FAIL" else f"NOT NOTICED: {outcome}"
            place = canary[0].rpartition("/")[2]
            print(f"    canary, a guard of {place} removed: {said} ({seconds:.1f} s)", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
