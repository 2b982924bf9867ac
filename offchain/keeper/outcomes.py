"""How a run of the keeper ends: done, nothing to do, try again later, or stopped by a safety limit.

    Done(report=...)            exit code 0
    Skip(reason=...)            exit code 3   nothing to do now
    RetryAt(time=..., reason=)  exit code 3   it could be done from that time {s} on
    Halt(reason=...)            exit code 4   a safety limit refused; a human should look

An error (exit code 1) is raised, not returned: it means the keeper could not even find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from offchain.canonical import utc_text

if TYPE_CHECKING:
    from offchain.keeper.report import Report


@dataclass(frozen=True, kw_only=True)
class Done:
    """The basket is where the plan wanted it."""

    report: Report

    name: ClassVar[str] = "done"
    exit_code: ClassVar[int] = 0

    @property
    def reason(self) -> str:
        return self.report.headline

    def __str__(self) -> str:
        return f"done: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Skip:
    """There is nothing to do, or nothing that should be done now."""

    reason: str

    name: ClassVar[str] = "skip"
    exit_code: ClassVar[int] = 3

    def __str__(self) -> str:
        return f"skip: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class RetryAt:
    """Something is to be done, from `time` {s} on."""

    time: int
    reason: str

    name: ClassVar[str] = "retry"
    exit_code: ClassVar[int] = 3

    def __str__(self) -> str:
        return f"retry at {time_text(self.time)}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Halt:
    """A safety limit says no. Running again will not help until someone has looked."""

    reason: str

    name: ClassVar[str] = "halt"
    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        return f"halt: {self.reason}"


Outcome = Done | Skip | RetryAt | Halt


class Stop(Exception):
    """Carries an outcome from the depth of a stage to the run that ends with it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome


def time_text(seconds: int) -> str:
    """Unix seconds as '2025-01-06T00:00:00Z'."""
    return utc_text(utc(seconds))


def utc(seconds: int) -> datetime:
    """Unix seconds as a time with its zone."""
    return datetime.fromtimestamp(seconds, tz=UTC)
