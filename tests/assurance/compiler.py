"""The project's compiler as a process that stays warm; nothing here but the standard library, so any Python can use it.

`Compiler` answers standard JSON with the settings of brownie-config.yaml, so its bytecode is brownie's.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = ROOT / "contracts"
REMAPPINGS = [f"{name}/=node_modules/{name}/" for name in ("@openzeppelin", "@uniswap", "@chainlink", "solady")]


class CompileError(Exception):
    """The compiler refused the sources; the message is its own."""


class Compiler:
    """`with Compiler() as compiler: compiler.compile(sources, {"*": {"*": ["abi"]}})`."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        server = Path(__file__).with_name("solc_server.js")
        self._process = subprocess.Popen(
            [str(ROOT / ".venv" / "bin" / "node"), str(server), str(ROOT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        )  # fmt: skip

    def __enter__(self) -> Compiler:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def compile(
        self, sources: Mapping[str, str], wanted: Mapping[str, Any], *, metadata: bool = True
    ) -> dict[str, Any]:
        """The compiler's answer; `sources` are texts by path below the project, imports are read from there.

        Without `metadata` the code does not end with the hash of its sources: equal programs are equal bytes.
        """
        request = {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in sources.items()},
            "settings": {
                "optimizer": {"enabled": True, "runs": 200},
                "evmVersion": "cancun",
                "remappings": REMAPPINGS,
                "outputSelection": wanted,
                **({} if metadata else {"metadata": {"appendCBOR": False, "bytecodeHash": "none"}}),
            },
        }
        assert self._process.stdin and self._process.stdout
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The compiler's process ended: is node_modules complete? `make setup` repairs it.")
        answer: dict[str, Any] = json.loads(line)
        errors = [error["formattedMessage"] for error in answer.get("errors", []) if error["severity"] == "error"]
        if errors:
            raise CompileError("\n".join(errors[:3]))
        return answer


def contract_sources() -> dict[str, str]:
    """Every file of contracts/, by path below the project."""
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(CONTRACTS.rglob("*.sol"))}
