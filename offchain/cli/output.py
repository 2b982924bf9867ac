"""What every command gives: one JSON document or a text on stdout, messages on stderr, and an exit code.

0 done · 1 refused, with the reason · 2 the command line itself is wrong · 3 what was compared differs, or a test is not passed
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import typer

from offchain.service.answers import json_text

DONE, REFUSED, USAGE, DIFFERS = 0, 1, 2, 3

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout; weights are text in units of 1e-18.")
]


def emit(document: object, text: str | Callable[[], str], *, as_json: bool) -> None:
    """The answer of a command, in the form that was asked for."""
    if as_json:
        sys.stdout.write(json_text(document) + "\n")
        return
    sys.stdout.write((text if isinstance(text, str) else text()).rstrip("\n") + "\n")


def say(message: str) -> None:
    """A message beside the answer."""
    sys.stderr.write(message + "\n")


@contextmanager
def progress(label: str, *, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr while something takes long, when a person is there to see it; call what it gives with what is done."""
    with counter(label) as advance:
        yield lambda done: advance(done, total)


@contextmanager
def counter(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """The same when how much there is to do is only known on the way: call it with (done, in all)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
