"""Proves the properties of the libraries, and that each proof would fail if the library were wrong.

    python3 run.py prove            every proof with its canaries, about a minute
    python3 run.py prove <name> …   the named ones

The proofs are in integer_proofs.py, how Solidity becomes terms in terms.py. Needs nothing but PyPI: the solver is
installed into .toolchain/assurance on first use.
"""

from __future__ import annotations

import subprocess
import sys

from tests.assurance.compiler import ROOT
from tests.assurance.environment import ensure


def main(names: list[str]) -> int:
    return subprocess.call([str(ensure()), "-m", "tests.assurance.prover", *names], cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
