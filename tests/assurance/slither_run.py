"""Runs Slither on our contracts and writes what it found as JSON; started by `slither` in the environment that has it."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import re
import sys
from typing import Any

from crytic_compile import CryticCompile
from crytic_compile.platform.solc_standard_json import SolcStandardJson
from slither import Slither
from slither.detectors import all_detectors

from tests.assurance.compiler import REMAPPINGS, ROOT, contract_sources

COMPILER = ROOT / ".toolchain" / "solcx" / "solc-v0.8.30"
GUARDS = ("requireRole", "_checkCanCall", "canCall")


def is_ours(name: str) -> bool:
    return name.startswith("contracts/") and not name.startswith(("contracts/mocks/", "contracts/interfaces/"))


def load() -> Slither:
    standard = SolcStandardJson()
    for name in contract_sources():
        if is_ours(name):
            standard.add_source_file(name)
    for remapping in REMAPPINGS:
        standard.add_remapping(remapping)
    settings = standard.to_dict()["settings"]
    settings["optimizer"], settings["evmVersion"] = {"enabled": True, "runs": 200}, "cancun"
    return Slither(CryticCompile(standard, solc=str(COMPILER), solc_working_dir=str(ROOT), solc_disable_warnings=True))


def findings(slither: Slither) -> list[dict[str, str]]:
    """What the detectors say about our own code, each once."""
    for _, detector in inspect.getmembers(all_detectors, inspect.isclass):
        slither.register_detector(detector)
    found = {}
    for result in (one for results in slither.run_detectors() for one in results):
        elements = [element["source_mapping"].get("filename_relative", "") for element in result["elements"]]
        if not elements or not is_ours(elements[0]):
            continue
        # Without file and line, so that an answer stays as long as the code does.
        words = re.sub(r" \([^()]*#[\d-]+(?:\s*\))?\)?", "", result["description"].split("\n")[0]).strip(" :\t")
        number = hashlib.sha256(f"{result['check']} {words}".encode()).hexdigest()[:8]
        found[number] = {"id": number, "check": result["check"], "impact": result["impact"], "words": words}
    return sorted(found.values(), key=lambda one: (one["check"], one["words"]))


def powers(slither: Slither) -> list[str]:
    """Who may call what changes state: each open function with its modifiers and the checks it makes of its caller."""
    lines = []
    for contract in slither.contracts_derived:
        if not is_ours(contract.source_mapping.filename.relative) or contract.is_interface or contract.is_library:
            continue
        for function in contract.functions_entry_points:
            if function.view or function.pure or function.is_constructor:
                continue
            checks = {modifier.name for modifier in function.modifiers}
            calls = [*function.all_internal_calls(), *function.all_library_calls()]
            checks |= {name for name in map(name_of, calls) if name in GUARDS}
            if any(
                re.search(r"msg\.sender|_msgSender|caller != authority", str(node.expression))
                for node in function.all_nodes()
                if is_check(node)
            ):
                checks.add("compares msg.sender")
            lines.append(f"{contract.name}.{function.full_name}: {', '.join(sorted(checks)) or 'anyone'}")
    return sorted(set(lines))


def name_of(call: Any) -> str:
    function = getattr(call, "function", call[1] if isinstance(call, tuple) else call)
    return str(getattr(function, "name", function))


def is_check(node: Any) -> bool:
    return node.contains_require_or_assert() or node.contains_if(include_loop=False)


def main() -> int:
    logging.getLogger("CryticCompile").setLevel(logging.CRITICAL)  # the compiler's warnings are brownie's to show
    slither = load()
    json.dump({"findings": findings(slither), "powers": powers(slither)}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
