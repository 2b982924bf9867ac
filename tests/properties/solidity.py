"""Compiles our contracts from source, the real ones or a mutated copy, without brownie.

`compiled()` gives every contract as an `Artifact`. The result is kept in the system's temporary folder under a name made
of the sources, so the second call costs a file read. `patches` replace text in source files first: that is how
`sensitivity.py` plants bugs.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from offchain.chain.artifacts import ROOT, Artifact, node_binary

CONTRACTS = ROOT / "contracts"
NEEDED = (  # what the properties deploy; the compiler follows their imports
    "IndexFactory.sol",
    "IndexLens.sol",
    "Rebalancer.sol",
    "ExchangeGuard.sol",
    "PriceOracle.sol",
    "feeds/ChainlinkFeed.sol",
    "mocks/MathHarness.sol",
    "mocks/ModalToken.sol",
    "mocks/PropertyActors.sol",
    "mocks/MockFeed.sol",
    "mocks/WeightHarness.sol",
    "methodologies/CappedMarketCap.sol",
    "methodologies/DampedStep.sol",
    "methodologies/EqualWeight.sol",
    "methodologies/InverseVolatility.sol",
    "methodologies/Managed.sol",
    "methodologies/SqrtMarketCap.sol",
    "WeightRegistry.sol",
)
REMAPPINGS = ["@openzeppelin/=node_modules/@openzeppelin/", "solady/=node_modules/solady/"]


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Replaces `old`, which must occur exactly once, by `new` in `contracts/<file>`."""

    file: str
    old: str
    new: str


def compiled(patches: Sequence[Patch] = ()) -> Mapping[str, Artifact]:
    """Contracts by name, compiled as brownie-config.yaml says (0.8.30, cancun, 200 runs)."""
    sources = {
        f"contracts/{path.relative_to(CONTRACTS)}": path.read_text() for path in sorted(CONTRACTS.rglob("*.sol"))
    }
    for patch in patches:
        key = f"contracts/{patch.file}"
        if sources[key].count(patch.old) != 1:
            raise ValueError(f"{key} has {sources[key].count(patch.old)} places like {patch.old!r}, expected one")
        sources[key] = sources[key].replace(patch.old, patch.new)
    sources = _reachable(sources)
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": {
            "optimizer": {"enabled": True, "runs": 200},
            "evmVersion": "cancun",
            "remappings": REMAPPINGS,
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }
    text = json.dumps(request, sort_keys=True)
    cache = Path(tempfile.gettempdir()) / f"ballast-solc-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
    if not cache.exists():
        partial = cache.with_suffix(".partial")
        partial.write_text(json.dumps(_solc(text)))
        partial.replace(cache)
    contracts = json.loads(cache.read_text())
    return {name: Artifact(name=name, abi=abi, bytecode=f"0x{code}") for name, (abi, code) in contracts.items()}


def _reachable(sources: dict[str, str]) -> dict[str, str]:
    """Only what NEEDED imports, so that files half written elsewhere do not matter and the cache stays valid."""
    todo, reached = [f"contracts/{name}" for name in NEEDED], {}
    while todo:
        name = todo.pop()
        if name in reached or name not in sources:
            continue
        reached[name] = sources[name]
        for line in sources[name].splitlines():
            if line.startswith("import") and 'from "./' in line or line.startswith("import") and 'from "../' in line:
                relative = line.split('from "')[1].split('"')[0]
                parts = [*name.split("/")[:-1]]
                for part in relative.split("/"):
                    if part == "..":
                        parts.pop()
                    elif part != ".":
                        parts.append(part)
                todo.append("/".join(parts))
    return reached


def _solc(request: str) -> dict[str, tuple[object, str]]:
    script = ROOT / "scripts" / "setup" / "solc.js"
    done = subprocess.run(
        [node_binary(), str(script), "solc", "--standard-json"],
        cwd=ROOT, input=request, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if not done.stdout:
        raise RuntimeError(f"solc gave no answer: {done.stderr[-500:]}")
    output = json.loads(done.stdout)
    errors = [error["formattedMessage"] for error in output.get("errors", []) if error["severity"] == "error"]
    if errors:
        raise RuntimeError("\n".join(errors[:5]))
    return {
        contract: (content["abi"], content["evm"]["bytecode"]["object"])
        for file in output["contracts"].values()
        for contract, content in file.items()
    }
