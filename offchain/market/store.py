"""Answers of data providers, kept as they came: body, URL, time, status and sha256, before anyone parses them.

Parsers run on stored bytes only, so that a test, a replay and a live run share one path. No header is stored: that is
where keys are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from offchain.canonical import utc_text, utc_time
from offchain.errors import MarketDataError


@dataclass(frozen=True, kw_only=True)
class RawResponse:
    """One stored answer."""

    url: str
    requested_at: datetime
    status: int
    sha256: str
    body: bytes


class RawStore:
    """A folder of answers, newest per URL; nothing is ever overwritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, url: str, body: bytes, *, requested_at: datetime, status: int) -> RawResponse:
        """Stores an answer, body first, so that a header never points at nothing."""
        digest = hashlib.sha256(body).hexdigest()
        place = self._place(url)
        place.mkdir(parents=True, exist_ok=True)
        stamp = requested_at.strftime("%Y%m%dT%H%M%S%f")
        _write_whole(place / f"{digest}.body", body)
        head = {"url": url, "requested_at": utc_text(requested_at), "status": status, "sha256": digest}
        _write_whole(place / f"{stamp}.json", json.dumps(head, indent=1, sort_keys=True).encode())
        return RawResponse(url=url, requested_at=requested_at, status=status, sha256=digest, body=body)

    def latest(self, url: str) -> RawResponse | None:
        """The newest stored answer to `url`, or None. Raises MarketDataError when its bytes were changed."""
        heads = sorted(self._place(url).glob("*.json"))
        return self._read(heads[-1]) if heads else None

    def answers(self, wanted: Callable[[str], bool]) -> Iterator[RawResponse]:
        """Every stored answer to the URLs that are `wanted`, in the order in which they were asked for."""
        heads = [(json.loads(file.read_text(encoding="utf-8")), file) for file in self.folder.glob("*/*.json")]
        found = [(head["requested_at"], head["url"], file) for head, file in heads if wanted(head["url"])]
        # fractions of a second are written only when there are some, so times are compared as times
        for _, _, file in sorted(found, key=lambda row: (utc_time(row[0]), row[1])):
            yield self._read(file)

    def _read(self, file: Path) -> RawResponse:
        head = json.loads(file.read_text(encoding="utf-8"))
        url = head["url"]
        file = file.parent / f"{head['sha256']}.body"
        body = file.read_bytes() if file.is_file() else b""
        if hashlib.sha256(body).hexdigest() != head["sha256"]:
            raise MarketDataError(
                f"{file}: its sha256 is not {head['sha256']}: the stored answer of {url} was changed or cut; "
                "delete it and fetch again"
            )
        return RawResponse(
            url=head["url"],
            requested_at=utc_time(head["requested_at"]),
            status=int(head["status"]),
            sha256=head["sha256"],
            body=body,
        )

    def _place(self, url: str) -> Path:
        return self.folder / hashlib.sha256(url.encode()).hexdigest()[:24]


def _write_whole(file: Path, content: bytes) -> None:
    # a killed process leaves a .part file, never half an answer under the real name
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(file)
