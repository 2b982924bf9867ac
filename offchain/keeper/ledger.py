"""What the keeper did and why, in one SQLite file that is only ever appended to.

    with Ledger.open(path) as ledger:
        ledger.append(run=..., kind="decision", at=block_time, body=decision)

Every entry holds the hash of the one before it, so a changed or missing entry is noticed when the file is opened. An
entry is on the disk before `append` returns (synchronous = FULL); if it cannot be written, nothing is signed. The chain
stays the only truth about trades: the ledger says what was signed, so that the same bytes can be sent again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from offchain.canonical import Json, canonical_json
from offchain.errors import KeeperError

GENESIS = "0" * 64

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY,
    run    TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    body   TEXT    NOT NULL,
    hash   TEXT    NOT NULL
) STRICT;
CREATE VIEW IF NOT EXISTS runs AS
SELECT run,
       min(at) AS started_at,
       max(CASE kind WHEN 'read' THEN body END) AS read,
       max(CASE kind WHEN 'decision' THEN body END) AS decision,
       max(CASE kind WHEN 'plan' THEN body END) AS plan,
       max(CASE kind WHEN 'simulation' THEN body END) AS simulation,
       (SELECT json_group_array(json(body)) FROM entries AS e WHERE e.run = entries.run AND e.kind = 'settled') AS receipts,
       max(CASE kind WHEN 'outcome' THEN body END) AS outcome
FROM entries GROUP BY run ORDER BY min(number);
"""


class LedgerError(KeeperError):
    """The ledger cannot be read, written or trusted."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that happened. `at` {s} is block time; `body` is data with numbers as text."""

    number: int
    run: str
    kind: str
    at: int
    body: Json
    hash: str


class Ledger:
    """An open ledger. Use `Ledger.open(path)`, as a context manager or with `close()`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    @classmethod
    def open(cls, path: Path | str) -> Ledger:
        """Opens or creates the ledger and checks every entry. Raises LedgerError when it cannot be used or was changed."""
        file = Path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(file, timeout=10.0, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(_SCHEMA)
            ledger = cls(db, file)
            ledger.verify()
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(
                f"{file.name}: the ledger cannot be opened ({error}); check the folder, or rebuild it from the chain"
            ) from error
        return ledger

    def append(self, *, run: str, kind: str, at: int, body: object) -> Entry:
        """Writes one entry and waits until the disk has it."""
        text = canonical_json(body)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                last = self._db.execute("SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1").fetchone()
                number, before = (last[0] + 1, last[1]) if last else (1, GENESIS)
                digest = _digest(before, number, run, kind, at, text)
                self._db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", (number, run, kind, at, text, digest))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise LedgerError(
                f"{self.path.name}: the ledger cannot be written ({error}); nothing is signed without it: "
                "free the disk or mend the permissions, then run again"
            ) from error
        return Entry(number=number, run=run, kind=kind, at=at, body=json.loads(text), hash=digest)

    def entries(self, *, kind: str | None = None, run: str | None = None) -> list[Entry]:
        """Entries in order, of one kind or run if given."""
        rows = self._rows(
            "SELECT number, run, kind, at, body, hash FROM entries "
            "WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR run = ?2) ORDER BY number",
            (kind, run),
        )
        return [
            Entry(number=row[0], run=row[1], kind=row[2], at=row[3], body=json.loads(row[4]), hash=row[5])
            for row in rows
        ]

    def last(self, kind: str, *, before: int) -> Entry | None:
        """The newest entry of a kind from before a time {s}, None when there is none."""
        rows = self._rows(
            "SELECT number, run, kind, at, body, hash FROM entries WHERE kind = ? AND at < ? ORDER BY number DESC LIMIT 1",
            (kind, before),
        )
        for number, run, name, at, body, digest in rows:
            return Entry(number=number, run=run, kind=name, at=at, body=json.loads(body), hash=digest)
        return None

    def run_count(self) -> int:
        """How many runs there are, without reading what they hold."""
        return int(self._db.execute("SELECT COUNT(DISTINCT run) FROM entries").fetchone()[0])

    def runs(self) -> list[dict[str, object]]:
        """One row a run: its read, decision, plan, simulation, receipts and outcome as JSON text, None where it never got."""
        cursor = self._db.execute("SELECT * FROM runs")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def verify(self) -> int:
        """Checks the chain of hashes and returns the number of entries. Raises LedgerError at the first that does not fit."""
        before, expected = GENESIS, 1
        for number, run, kind, at, text, digest in self._rows(
            "SELECT number, run, kind, at, body, hash FROM entries ORDER BY number", ()
        ):
            if number != expected or digest != _digest(before, number, run, kind, at, text):
                raise LedgerError(
                    f"{self.path.name}: entry {expected} was changed or is missing; nothing is signed on it: "
                    "move the file away and run `keeper rebuild`"
                )
            before, expected = digest, number + 1
        return expected - 1

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise LedgerError(
                f"{self.path.name}: the ledger cannot be read ({error}); rebuild it from the chain"
            ) from error

    @contextmanager
    def held(self) -> Iterator[bool]:
        """`with ledger.held() as mine:` at most one process at a time gets True; the system lets go when it dies."""
        lock = sqlite3.connect(self.path.with_suffix(".lock"), timeout=0.0, isolation_level=None)
        try:
            try:
                lock.execute("BEGIN EXCLUSIVE")
                mine = True
            except sqlite3.OperationalError:
                mine = False
            yield mine
        finally:
            lock.close()

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _digest(before: str, number: int, run: str, kind: str, at: int, text: str) -> str:
    return hashlib.sha256("\n".join((before, str(number), run, kind, str(at), text)).encode()).hexdigest()
