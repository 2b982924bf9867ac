"""What is done with alerts: remembered in a file, and sent to an address. The only part of the service that acts."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from offchain.errors import NotDelivered, ServiceError
from offchain.service.answers import json_text

FORMAT = "ballast-alerts-seen/1"
TIMEOUT = 10.0  # seconds


def read_seen(path: Path) -> tuple[str, ...]:
    """Keys of the alerts that were open at the last look; none when there is no file yet. Raises ServiceError."""
    if not path.exists():
        return ()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT or not all(isinstance(key, str) for key in data["open"]):
            raise ValueError(f"format {data['format']!r}, expected {FORMAT!r}")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ServiceError(f"{path}: not a file of alerts that were seen ({error}); remove it to begin anew") from error
    return tuple(data["open"])


def write_seen(path: Path, keys: Sequence[str]) -> None:
    """Replaces the file as a whole, so that a crash leaves the old one. Raises ServiceError."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json_text({"format": FORMAT, "open": sorted(keys)}) + "\n", encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise ServiceError(f"{path}: cannot be written ({error.strerror}); name another file") from error


def post(url: str, document: object, *, timeout: float = TIMEOUT) -> int:
    """Sends the JSON to a webhook; returns the status. Raises NotDelivered, which never shows more of the address than its host."""
    import requests

    where = urlsplit(url)
    if where.scheme not in ("http", "https") or not where.hostname:
        raise NotDelivered(
            f'"{where.scheme or url.split("/")[0]}" begins no address to send to; write http:// or https://'
        )
    body = json_text(document).encode()
    try:
        answer = requests.post(
            url, data=body, headers={"Content-Type": "application/json"}, timeout=timeout, allow_redirects=False
        )
    except requests.exceptions.Timeout as error:
        raise NotDelivered(
            f"{where.hostname}: no answer within {timeout:g} s; the alerts are not sent, repeat"
        ) from error
    except requests.exceptions.RequestException as error:
        kind = type(error).__name__
        raise NotDelivered(f"{where.hostname}: cannot be reached ({kind}); the alerts are not sent, repeat") from None
    if not 200 <= answer.status_code < 300:
        raise NotDelivered(
            f"{where.hostname}: answered {answer.status_code}; the alerts are not sent, check the address"
        )
    return answer.status_code
