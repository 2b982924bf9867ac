"""`ballast`: every command of the index engine.

    ballast --help                              the list
    ballast decide LC10 2021-05-03              what the index would hold, and why
    ballast explain LC10 2021-05-03 cardano     one coin, step by step
    ballast --install-completion                completion for your shell

Each file below adds its commands to the group; they import the engine only when they run, so that help is fast.
"""

from __future__ import annotations

from offchain.cli import files, decisions, results, sweeps, portfolio, models, market_data, collecting, service  # isort: skip # noqa: F401
from offchain.cli.base import app

__all__ = ["app", "main"]


def main() -> None:
    """The entry point."""
    app(prog_name="ballast")
