"""What every command gives: one JSON document or a text on stdout, messages on stderr, and an exit code.

0 done · 1 refused, with the reason · 2 the command line itself is wrong · 3 what was compared differs, or a test is not passed
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Annotated, TypeAlias

import typer

DONE, REFUSED, USAGE, DIFFERS = 0, 1, 2, 3

SAFE_INTEGER = 2**53  # larger ones are text in JSON, because many readers would round them

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


def json_text(document: object) -> str:
    """Indented JSON; times in UTC, floats as numbers, NaN and infinity as null, large integers as text."""
    return json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)


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


def _plain(value: object) -> object:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < SAFE_INTEGER else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, Decimal, PurePath)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {row.name: _plain(getattr(value, row.name)) for row in dataclasses.fields(value)}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    raise TypeError(f"{type(value).__name__} has no JSON form here")
