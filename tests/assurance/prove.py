"""Proves the properties of the libraries and of the guards, and that each proof would fail if the code were wrong.

    python3 run.py prove            every proof with its canaries, some minutes
    python3 run.py prove <name> …   the named ones

Arithmetic: integer_proofs.py, for every input, with z3; how Solidity becomes terms is in terms.py. Guards: StrangerProofs.sol,
for any caller and any calldata, with Halmos on the bytecode. Needs nothing but PyPI: the tools are installed into
.toolchain/assurance on first use.
"""

from __future__ import annotations

import subprocess
import sys

from tests.assurance.compiler import ROOT
from tests.assurance.environment import ensure


def main(names: list[str]) -> int:
    python = str(ensure())
    guards = [name for name in names if name.startswith("check_")]
    sums = [name for name in names if name not in guards]
    code = 0
    if sums or not names:
        code |= subprocess.call([python, "-m", "tests.assurance.prover", *sums], cwd=ROOT)
    if guards or not names:
        code |= subprocess.call([python, "-m", "tests.assurance.stranger_proofs", *guards], cwd=ROOT)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
