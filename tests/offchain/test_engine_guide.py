"""docs/engine.md is what its commands print: each is run in the order of the page, in an empty folder.

python tests/offchain/test_engine_guide.py        writes the page anew
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offchain.cli.app import app

PAGE = Path(__file__).resolve().parents[2] / "docs" / "engine.md"
BLOCK = re.compile(r"```(toml|console)\n(.*?)```", re.DOTALL)
SIGNALS = "into [signals] of the index file:\n"


def renewed(page: str) -> str:
    """The page with what its commands print in the current folder."""
    printed: list[str] = []

    def block(found: re.Match[str]) -> str:
        kind, text = found[1], found[2]
        if kind == "toml" and text.startswith("[index]"):
            Path("mine.toml").write_text(text)
            return found[0]
        if kind == "toml":
            lines = printed[-1].split(SIGNALS)[1].split("\n\n")[0]
            put_into_signals(Path("mine.toml"), lines)
            return f"```toml\n{lines}\n```"
        command = text.splitlines()[0]
        printed.append(output_of(command.removeprefix("$ ")))
        return f"```console\n{command}\n{printed[-1]}\n```"

    return BLOCK.sub(block, page)


def output_of(command: str) -> str:
    """What `ballast …` prints; of a refusal its message; `| head -N` keeps the first N lines."""
    words, _, pipe = command.partition(" | head -")
    program, *arguments = shlex.split(words)
    assert program == "ballast"
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, prog_name="ballast")
    if result.exit_code:
        text = result.stderr[result.stderr.index("error:") :]
    else:
        text = result.stdout
    lines = [line.rstrip() for line in text.rstrip("\n").splitlines()]
    return "\n".join(lines[: int(pipe)] if pipe else lines)


def put_into_signals(file: Path, lines: str) -> None:
    kept = [line for line in file.read_text().splitlines() if not line.startswith(("mode =", "use ="))]
    at = kept.index("[signals]") + 1
    file.write_text("\n".join([*kept[:at], *lines.splitlines(), *kept[at:]]) + "\n")


def test_guide_prints_what_its_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U17, M2: from a file to a decision, a backtest and an index that a model manages, as a newcomer would type it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BALLAST_MARKET", "synthetic")
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page).splitlines() == page.splitlines(), "write it anew: python tests/offchain/test_engine_guide.py"


def test_guide_has_an_output_below_every_command() -> None:
    blocks = [text for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if kind == "console"]
    assert len(blocks) >= 8
    assert all(text.startswith("$ ballast ") and len(text.splitlines()) > 1 for text in blocks)


def test_guide_links_to_pages_that_are_there() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / link).exists(), link


if __name__ == "__main__":
    before = PAGE.read_text(encoding="utf-8")
    os.environ["BALLAST_MARKET"] = "synthetic"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        after = renewed(before)
    PAGE.write_text(after, encoding="utf-8")
    sys.stderr.write("written: docs/engine.md\n" if after != before else "docs/engine.md is what its commands print\n")
