"""One way to write a value down, so that the same value has the same keccak256 hash on every machine.

Rules: keys sorted; no spaces; integers and floats as strings (a float by its shortest decimal that reads back equal,
so nothing is lost in a JavaScript or jq reader); times as ISO 8601 in UTC; dataclasses as objects; tuples as lists.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TypeAlias, cast

from eth_hash.auto import keccak

Json: TypeAlias = "bool | str | list[Json] | dict[str, Json] | None"


def plain(value: object) -> Json:
    """`value` as JSON data whose numbers are strings; `canonical_json` sorts the keys."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return cast(Json, value)
    if kind is float:
        return _float_text(cast(float, value))
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return _float_text(float(value))
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form: use numbers, text, times, lists, mappings")


def canonical_json(value: object) -> str:
    """The canonical text of `value`."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def keccak_hex(value: object) -> str:
    """keccak256 of the canonical text, as 0x and 64 hex digits: the form the contracts store."""
    return "0x" + keccak(canonical_json(value).encode()).hex()


def utc_text(time: datetime) -> str:
    """'2025-01-06T00:00:00Z'; a time without a zone is refused because it means another instant elsewhere."""
    if time.tzinfo is None:
        raise TypeError(f"time {time.isoformat()} has no zone; use datetime(..., tzinfo=timezone.utc)")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def utc_time(text: str) -> datetime:
    """The inverse of `utc_text`."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _float_text(value: float) -> str:
    if not math.isfinite(value):
        raise TypeError(f"{value} has no canonical form; use None for an unknown number")
    # + 0.0 makes -0.0 and 0.0 the same text
    return repr(value + 0.0)
