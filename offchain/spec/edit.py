"""Other values for keys in the text of an index file; its comments and its order stay.

with_keys(text, {"universe.top": "20", "universe.themes": '["ai"]'}, source="my.toml")
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping

from offchain.errors import SpecError


def with_keys(text: str, keys: Mapping[str, str], *, source: str) -> str:
    """`keys`: {section.key: its value as a file writes it}. A key that is there is replaced where it stands, another one comes at the
    end of its section. Whether the values are allowed, loading the file says. Raises SpecError for what cannot be written.
    """
    for dotted, value in keys.items():
        section, _, name = dotted.partition(".")
        text = _with_key(text, section, name, value, source=source)
    return text


def _with_key(text: str, section: str, name: str, value: str, *, source: str) -> str:
    line = f"{name} = {value}"
    try:
        wanted = tomllib.loads(line)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(source, [f"{section}.{line}: cannot be read ({error})"]) from error
    if set(wanted) != {name}:
        raise SpecError(source, [f"{section}.{name}: give one value for one key"])
    lines = text.splitlines()
    first = next((k for k, one in enumerate(lines) if _head(one) == section), None)
    if first is None:
        return text.rstrip("\n") + f"\n\n[{section}]\n{line}\n"
    last = next((k for k in range(first + 1, len(lines)) if _head(lines[k])), len(lines))
    for start in range(first + 1, last):
        if re.match(rf"\s*{re.escape(name)}\s*=", lines[start]):
            lines[start : _end(lines, start, last)] = [line]
            break
    else:
        while last > first + 1 and not lines[last - 1].strip():
            last -= 1
        lines.insert(last, line)
    changed = "\n".join(lines) + "\n"
    if tomllib.loads(changed).get(section, {}).get(name) != wanted[name]:
        raise SpecError(source, [f"{section}.{name} cannot be changed here; edit the file instead"])
    return changed


def _end(lines: list[str], start: int, last: int) -> int:
    """The line after a value, which may run over several."""
    for end in range(start + 1, last + 1):
        try:
            tomllib.loads("\n".join(lines[start:end]))
        except tomllib.TOMLDecodeError:
            continue
        return end
    return start + 1


def _head(line: str) -> str:
    """The section that a line begins, "" for any other line."""
    found = re.match(r"\s*\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]{1,2}", line)
    return found[1] if found else ""
