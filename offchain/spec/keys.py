"""What one key of an index file may hold: a kind checks a value, says what is allowed, and describes itself to editors.

`read` returns the value as the spec keeps it, or raises `Refused` with the second half of a message:
"…; write a whole number from 1 to 50". The loader adds the file, the key and the value in front.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from eth_hash.auto import keccak

from offchain.errors import did_you_mean


class Refused(Exception):
    """A value is outside what its key allows; the text says what is allowed."""


class Kind(Protocol):
    """What a key may hold."""

    def read(self, value: object) -> object:
        """The value as the spec keeps it, or Refused."""

    def schema(self) -> dict[str, object]:
        """The same bound as JSON Schema."""


def key(kind: Kind, *, doc: str, unit: str = "", default: Any = dataclasses.MISSING, later: bool = False) -> Any:
    """A dataclass field that is also a row of the table of keys; without a default the file must give it.

    `later`: the key came after index files were first hashed; while it has its default it is not part of the hash.
    """
    return dataclasses.field(default=default, metadata={"kind": kind, "doc": doc, "unit": unit, "later": later})


@dataclass(frozen=True, kw_only=True)
class Text:
    """Text that matches a pattern; `rule` says the pattern in words."""

    pattern: str
    rule: str

    def read(self, value: object) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise Refused(f"write {self.rule}")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}


@dataclass(frozen=True, kw_only=True)
class Integer:
    """A whole number with both bounds included."""

    low: int
    high: int

    def read(self, value: object) -> int:
        allowed = f"write a whole number from {self.low} to {self.high}"
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused(allowed)
        if not self.low <= value <= self.high:
            raise Refused(allowed)
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}


@dataclass(frozen=True, kw_only=True)
class Number:
    """A number with both bounds included, or the lower one excluded; kept as a float."""

    low: float
    high: float
    above_low: bool = False
    hint: str = ""

    def read(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self._inside(float(value)):
            raise Refused(self._allowed())
        return float(value)

    def schema(self) -> dict[str, object]:
        lower = "exclusiveMinimum" if self.above_low else "minimum"
        return {"type": "number", lower: self.low, "maximum": self.high}

    def _inside(self, value: float) -> bool:
        # a NaN compares false with everything, so it is never inside
        return (self.low < value if self.above_low else self.low <= value) and value <= self.high

    def _allowed(self) -> str:
        lower = f"above {self.low:g} and up to" if self.above_low else f"from {self.low:g} to"
        return f"write a number {lower} {self.high:g}" + (f" ({self.hint})" if self.hint else "")


def fraction(*, low: float = 0.0, above_low: bool = False) -> Number:
    """A ratio of one; percent typed as 25 instead of 0.25 is the usual slip."""
    return Number(low=low, high=1.0, above_low=above_low, hint="25 % is 0.25")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One word out of a list."""

    options: tuple[str, ...]

    def read(self, value: object) -> str:
        if value not in self.options:
            near = did_you_mean(value, self.options) if isinstance(value, str) else ""
            raise Refused("write one of " + ", ".join(f'"{option}"' for option in self.options) + f".{near}")
        return str(value)

    def schema(self) -> dict[str, object]:
        return {"enum": list(self.options)}


@dataclass(frozen=True, kw_only=True)
class Flag:
    """true or false."""

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise Refused("write true or false")
        return value

    def schema(self) -> dict[str, object]:
        return {"type": "boolean"}


@dataclass(frozen=True, kw_only=True)
class ListOf:
    """A list without repeats; kept as a tuple in the file's order."""

    item: Kind
    max_items: int = 1000

    def read(self, value: object) -> tuple[object, ...]:
        if not isinstance(value, (list, tuple)):
            raise Refused('write a list, such as ["bitcoin", "ethereum"]')
        if len(value) > self.max_items:
            raise Refused(f"write at most {self.max_items} items, not {len(value)}")
        items = []
        for item in value:
            try:
                items.append(self.item.read(item))
            except Refused as refusal:
                raise Refused(f"item {item!r}: {refusal}") from None
        repeated = sorted({str(item) for item in items if items.count(item) > 1})
        if repeated:
            raise Refused(f"write each item once; repeated: {', '.join(repeated)}")
        return tuple(items)

    def schema(self) -> dict[str, object]:
        return {"type": "array", "items": self.item.schema(), "uniqueItems": True, "maxItems": self.max_items}


@dataclass(frozen=True, kw_only=True)
class Address:
    """0x and 40 hex digits; with mixed case the EIP-55 checksum must hold. `names` also allows account names."""

    names: bool = False
    empty: bool = False

    def read(self, value: object) -> str:
        if isinstance(value, str):
            if self.empty and value == "":
                return value
            if re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
                return _checked_address(value)
            if self.names and re.fullmatch(_ACCOUNT_NAME, value):
                return value
        raise Refused("write an address, 0x and 40 hex digits" + (", or an account name" if self.names else ""))

    def schema(self) -> dict[str, object]:
        patterns = ["0x[0-9a-fA-F]{40}"] + ([_ACCOUNT_NAME] if self.names else []) + ([""] if self.empty else [])
        return {"type": "string", "pattern": f"^(?:{'|'.join(patterns)})$"}


@dataclass(frozen=True, kw_only=True)
class FeedName:
    """The name of one of [[feeds]]; `address` also allows the address of a Chainlink proxy."""

    empty: bool = False
    address: bool = False

    def read(self, value: object) -> str:
        if isinstance(value, str):
            if self.empty and value == "":
                return value
            if re.fullmatch(_FEED_NAME, value):
                return value
            if self.address and re.fullmatch(r"0x[0-9a-fA-F]{40}", value):
                return _checked_address(value)
        also = ", or an address, 0x and 40 hex digits" if self.address else ""
        raise Refused("write a name of 1 to 40 lower-case letters, digits or -, starting with a letter" + also)

    def schema(self) -> dict[str, object]:
        patterns = [_FEED_NAME, *(["0x[0-9a-fA-F]{40}"] if self.address else []), *([""] if self.empty else [])]
        return {"type": "string", "pattern": f"^(?:{'|'.join(patterns)})$"}


_FEED_NAME = r"[a-z][a-z0-9-]{0,39}"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A table of accounts and whole basis points, such as { governor = 6_000 }; kept as pairs in the file's order."""

    max_items: int

    def read(self, value: object) -> tuple[tuple[str, int], ...]:
        if not isinstance(value, Mapping):
            raise Refused('write a table of accounts and bps, such as { governor = 6_000, "0x..." = 4_000 }')
        if len(value) > self.max_items:
            raise Refused(f"write at most {self.max_items} accounts, not {len(value)}")
        pairs = []
        for account, bps in value.items():
            try:
                pairs.append((_PART_ACCOUNT.read(account), _PART_BPS.read(bps)))
            except Refused as refusal:
                raise Refused(f"{account} = {bps!r}: {refusal}") from None
        if len(dict(pairs)) < len(pairs):
            raise Refused("write each account once; an address is repeated in another spelling")
        return tuple(pairs)

    def schema(self) -> dict[str, object]:
        return {
            "type": "object",
            "propertyNames": _PART_ACCOUNT.schema(),
            "additionalProperties": _PART_BPS.schema(),
            "maxProperties": self.max_items,
        }


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A table of names and numbers, such as { momentum_90d = 0.4 }; kept as pairs sorted by name, since order says nothing.

    `name` is what a name may be; `value` what each number may be; `example` is shown when it is no table.
    """

    name: Text
    value: Number
    example: str
    max_items: int = 100

    def read(self, value: object) -> tuple[tuple[str, float], ...]:
        if not isinstance(value, Mapping):
            raise Refused(f"write a table of names and numbers, such as {self.example}")
        if len(value) > self.max_items:
            raise Refused(f"write at most {self.max_items} names, not {len(value)}")
        pairs = []
        for name, number in value.items():
            try:
                pairs.append((self.name.read(name), self.value.read(number)))
            except Refused as refusal:
                raise Refused(f"{name} = {number!r}: {refusal}") from None
        return tuple(sorted(pairs))

    def schema(self) -> dict[str, object]:
        return {
            "type": "object",
            "propertyNames": self.name.schema(),
            "additionalProperties": self.value.schema(),
            "maxProperties": self.max_items,
        }


_PART_ACCOUNT, _PART_BPS = Address(names=True), Integer(low=1, high=10_000)

# 0x starts an address: a mistyped one must not pass as a name
_ACCOUNT_NAME = r"(?!0x)[A-Za-z][A-Za-z0-9_.-]{0,39}"


COIN_ID = Text(pattern=r"[a-z0-9][a-z0-9._-]{0,79}", rule='a CoinGecko id in lower case, such as "bitcoin"')
COIN_IDS = ListOf(item=COIN_ID)
USD = Number(low=0, high=1e15)


def checksum_address(address: str) -> str:
    """The EIP-55 form of 0x and 40 hex digits."""
    digits = address[2:].lower()
    digest = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(h, 16) >= 8 else d for d, h in zip(digits, digest, strict=False))


def _checked_address(address: str) -> str:
    digits = address[2:]
    is_one_case = digits in (digits.lower(), digits.upper())
    correct = checksum_address(address)
    if not is_one_case and address != correct:
        raise Refused("copy the address again: its checksum does not hold, so a digit is probably wrong")
    if int(digits, 16) == 0:
        raise Refused("the zero address cannot be used; write a real one")
    return correct
