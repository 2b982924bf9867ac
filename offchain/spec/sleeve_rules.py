"""An index of indexes: `[[sleeves]]`, each another index with its part of this one.

    [[sleeves]]
    index = "LC10"              # a shipped index by its symbol, or the path of a file
    part = 0.7
    role = "core"

    [[sleeves]]
    index = "DEFI"
    part = 0.3
    role = "satellite"

Core–satellite keeps 60 to 80 % in the core and 20 to 40 % in the satellites. Sleeves of one role only, all core, are a
plain blend of indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.spec.keys import Choice, Text, fraction, key
from offchain.units import to_decimal

ROLES = ("core", "satellite")
CORE_RANGE = (0.6, 0.8)
SATELLITE_RANGE = (0.2, 0.4)


@dataclass(frozen=True, kw_only=True)
class SleeveRules:
    """[[sleeves]]: one index inside this one."""

    index: str = key(
        Text(pattern=r"\S(.{0,254}\S)?", rule="the symbol of a shipped index, or the path of a .toml file"),
        doc="Symbol of a shipped index, or path of an index file.",
    )
    part: float = key(fraction(above_low=True), unit="of 1", doc="How much of this index it is; all parts sum to 1.")
    role: str = key(Choice(options=ROLES), default="core", doc="core: the steady part; satellite: the lively one.")
    band: float = key(
        fraction(), unit="of 1", default=0.05, doc="How far its part may drift before it is brought back into line."
    )


def contradictions(sleeves: Sequence[SleeveRules], *, symbol: str) -> list[str]:
    """Mistakes between the sleeves of the index `symbol`."""
    if not sleeves:
        return []
    found = []
    names = [sleeve.index.casefold() for sleeve in sleeves]
    found += [
        f'sleeves: index "{name}" appears {names.count(name)} times: add its parts up'
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if symbol.casefold() in names:
        found.append(f'sleeves: "{symbol}" is this index itself: name another one')
    total = sum(to_decimal(sleeve.part) for sleeve in sleeves)
    if total != 1:
        found.append(f"sleeves: the parts sum to {total}, not 1: correct one of them")
        return found
    satellites = sum(to_decimal(sleeve.part) for sleeve in sleeves if sleeve.role == "satellite")
    low, high = (to_decimal(bound) for bound in SATELLITE_RANGE)
    if satellites and not low <= satellites <= high:
        found.append(
            f"sleeves: the satellites are {satellites} of 1, allowed are {low} to {high} (core {1 - high} to {1 - low}): "
            f"{'lower' if satellites > high else 'raise'} them, or make one of them core"
        )
    return found
