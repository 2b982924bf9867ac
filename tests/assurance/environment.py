"""The tools that cannot live in .venv (brownie pins what they need otherwise), in .toolchain/assurance.

Made on first use from requirements.txt, every file of it by its hash; `uv pip compile --universal --generate-hashes
requirements.in -o requirements.txt` writes it anew.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from scripts.setup import provision

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FOLDER = provision.TOOLCHAIN / "assurance"
PYTHON = FOLDER / "bin" / "python"


def ensure() -> Path:
    """The Python that has halmos, z3 and slither."""
    stamp = FOLDER / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        return PYTHON
    with provision.locked("assurance"):
        shutil.rmtree(FOLDER, ignore_errors=True)
        with provision.announced("Halmos, z3 and Slither"):
            uv = provision.find_uv()
            base = os.path.realpath(provision.PYTHON)
            way_out = provision.NO_CONNECTION
            provision.run_logged(
                [uv, "venv", "--python", base, str(FOLDER)], missing="a Python for the tools", way_out=way_out
            )
            provision.run_logged(
                [uv, "pip", "install", "--python", str(PYTHON), "--require-hashes", "-r", str(REQUIREMENTS)],
                missing="the packages of tests/assurance/requirements.txt", way_out=way_out,
            )  # fmt: skip
        stamp.write_text(wanted)
    return PYTHON
