"""What a block explorer needs to show the source of a deployed contract: `deployments/<chain id>/verify`.

    <Contract>.json     solc's standard JSON input: sources and settings, byte for byte those that were compiled
    contracts.json      address → source name, compiler version, constructor arguments

Etherscan: "Verify & Publish" → "Solidity (Standard-Json-Input)", the compiler version, <Contract>.json, and the arguments
without 0x. Sourcify: upload <Contract>.json with chain and address; arguments are not needed. By command line:
`forge verify-contract --show-standard-json-input` gives the same input.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from offchain.chain.artifacts import BUILD, ROOT, ArtifactMissing
from offchain.chain.deploy import Step
from offchain.chain.deployments import write_json

VERIFY = "verify"
_REMAPPING = re.compile(r'^\s+- "([^"=]+=[^"]+)"\s*$', re.MULTILINE)


def write_verification(folder: Path, steps: Iterable[Step]) -> Path:
    """Writes the input of every contract in `steps` below `folder`, and the list; returns the list's path."""
    listed: dict[str, dict[str, str]] = {}
    path = folder / VERIFY / "contracts.json"
    if path.exists():
        listed = json.loads(path.read_text(encoding="utf-8"))
    written: set[str] = set()
    for step in steps:
        build = _build(step.contract)
        if build is None:
            listed[step.address] = {"contract": f"@openzeppelin/contracts {step.contract}", "arguments": step.arguments}
            continue
        if step.contract not in written:
            write_json(folder / VERIFY / f"{step.contract}.json", standard_json(step.contract))
            written.add(step.contract)
        compiler = build["compiler"]
        listed[step.address] = {
            "contract": f"{build['sourcePath']}:{step.contract}",
            "compiler": f"v{compiler['version']}",  # type: ignore[index]
            "input": f"{step.contract}.json",
            "arguments": step.arguments,
        }
    write_json(path, dict(sorted(listed.items())))
    return path


def standard_json(contract: str) -> dict[str, object]:
    """solc's standard JSON input that compiles to the same bytecode as brownie's build of `contract`."""
    build = _build(contract)
    if build is None:
        raise ArtifactMissing(f"{contract} was not compiled here; its authors publish the source")
    compiler = build["compiler"]
    paths = sorted(build["allSourcePaths"].values())  # type: ignore[attr-defined]
    return {
        "language": "Solidity",
        "sources": {path: {"content": (ROOT / path).read_text(encoding="utf-8")} for path in paths},
        "settings": {
            "optimizer": compiler["optimizer"],  # type: ignore[index]
            "evmVersion": compiler["evm_version"],  # type: ignore[index]
            "remappings": remappings(),
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode", "evm.deployedBytecode"]}},
        },
    }


def remappings() -> list[str]:
    """The compiler's remappings, as brownie-config.yaml has them."""
    return _REMAPPING.findall((ROOT / "brownie-config.yaml").read_text(encoding="utf-8"))


def _build(contract: str) -> dict[str, object] | None:
    path = BUILD / "contracts" / f"{contract}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
