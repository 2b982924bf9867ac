"""Every small mistake that could be made in our contracts: one place, one change, found in the compiler's syntax tree.

`mutants(answer, sources)` lists them. A mutant is named by its file, function and kind, and by what it changes; line numbers
are not part of the name, so that a verdict stays valid while other code moves.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
ARITHMETIC = {
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "<<": ">>",
    ">>": "<<",
    "&": "|",
    "|": "&",
    "&&": "||",
    "||": "&&",
}
ASSIGNMENTS = {"+=": "-=", "-=": "+=", "|=": "=", "&=": "="}
ROUNDINGS = {
    "fullMulDiv": "fullMulDivUp", "fullMulDivUp": "fullMulDiv", "mulDiv": "mulDivUp", "mulDivUp": "mulDiv",
    "valueUp": "valueDown", "valueDown": "valueUp", "amountUp": "amountDown", "amountDown": "amountUp",
    "divUp": "rawDiv", "max": "min", "min": "max", "surplus": "deficit", "deficit": "surplus",
}  # fmt: skip
CHECKS = ("requireRole", "_checkBound", "_checkCanCall", "_registeredLimits", "_registeredPolicy")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: `before` at `start` (in bytes) of `file` becomes `after`."""

    file: str
    contract: str
    function: str
    kind: str
    start: int
    line: int
    before: str
    after: str
    occurrence: int  # among equal changes of the same function
    context: str = field(default="", compare=False)  # the statement around it

    @property
    def id(self) -> str:
        words = "|".join((self.file, self.function, self.kind, self.before, self.after, str(self.occurrence)))
        return hashlib.sha256(words.encode()).hexdigest()[:10]

    def plant(self, text: str) -> str:
        raw, old = text.encode(), self.before.encode()
        assert raw[self.start : self.start + len(old)] == old, f"{self.file} changed under {self}"
        return (raw[: self.start] + self.after.encode() + raw[self.start + len(old) :]).decode()

    def __str__(self) -> str:
        def short(text: str) -> str:
            return " ".join(text.split())[:90]

        return f"{self.file}:{self.line} {self.function} [{self.kind}] {short(self.before)} → {short(self.after) or 'nothing'}"


def mutants(answer: Mapping[str, Any], sources: Mapping[str, str]) -> list[Mutant]:
    """All mutants of the given files, in order. `answer` holds the syntax tree of each."""
    found: list[Mutant] = []
    for file, text in sources.items():
        seen: dict[tuple[str, ...], int] = {}
        for one in _Finder(file, text, answer["sources"][file]["ast"]).find():
            key = (one.function, one.kind, one.before, one.after)
            number = seen[key] = seen.get(key, -1) + 1
            found.append(Mutant(**{**one.__dict__, "occurrence": number}))
    return found


def sample(everything: list[Mutant], count: int, seed: str) -> list[Mutant]:
    """The `count` mutants that the seed picks; the same ones whatever else is added, and files in proportion."""

    def draw(one: Mutant) -> str:
        return hashlib.sha256(f"{seed} {one.id}".encode()).hexdigest()

    return sorted(everything, key=draw)[:count]


class _Finder:
    def __init__(self, file: str, text: str, ast: dict[str, Any]) -> None:
        self.file, self.raw, self.ast = file, text.encode(), ast
        self.contract = self.function = ""
        self.state: set[int] = set()
        self.statement = (0, 0)

    def find(self) -> Iterator[Mutant]:
        for contract in self.ast["nodes"]:
            if contract["nodeType"] != "ContractDefinition" or contract["contractKind"] == "interface":
                continue
            self.contract = contract["name"]
            for node in contract["nodes"]:
                self.function = node.get("name") or node.get("kind", "")
                if node["nodeType"] == "VariableDeclaration" and node.get("constant") and node.get("value"):
                    yield from self.walk(node["value"])
                elif node["nodeType"] in ("FunctionDefinition", "ModifierDefinition") and node.get("body"):
                    for modifier in node.get("modifiers", []):
                        if modifier.get("kind") == "modifierInvocation":
                            yield self.make("guard removed", modifier["src"], "")
                    yield from self.walk(node["body"])

    def text(self, src: str) -> str:
        start, length, _ = map(int, src.split(":"))
        return self.raw[start : start + length].decode()

    def make(self, kind: str, src: str, after: str) -> Mutant:
        start, length, _ = map(int, src.split(":"))
        return self.at(kind, start, start + length, after)

    def at(self, kind: str, start: int, end: int, after: str) -> Mutant:
        low, high = min(self.statement[0] or start, start), max(self.statement[1], end)
        return Mutant(
            file=self.file, contract=self.contract, function=self.function, kind=kind, start=start,
            line=self.raw[:start].count(b"\n") + 1, before=self.raw[start:end].decode(), after=after, occurrence=0,
            context=self.raw[low:high].decode(),
        )  # fmt: skip

    def walk(self, node: Any) -> Iterator[Mutant]:
        if isinstance(node, list):
            for part in node:
                yield from self.walk(part)
            return
        if not isinstance(node, dict) or node.get("nodeType") in ("InlineAssembly", "RevertStatement", "EmitStatement"):
            if isinstance(node, dict) and node["nodeType"] == "EmitStatement":
                yield self.removed("event removed", node)
            return
        kind = node.get("nodeType", "")
        outer = self.statement
        if kind.endswith("Statement"):
            start, length, _ = map(int, node["src"].split(":"))
            self.statement = (start, start + min(length, 400))
        method = getattr(self, "_" + kind, None)
        if method is not None:
            yield from method(node)
        for name, part in node.items():
            # What a revert would say is not worth a mutant, nor are names of types.
            if name in ("typeName", "typeDescriptions", "modifiers", "documentation") or not isinstance(
                part, dict | list
            ):
                continue
            if name == "loopExpression":  # without ++i a loop only burns gas
                continue
            if kind == "FunctionCall" and name == "arguments" and self.called(node) == "require":
                part = part[:1]
            yield from self.walk(part)
        self.statement = outer

    def removed(self, kind: str, node: dict[str, Any]) -> Mutant:
        """A whole statement with its semicolon, replaced by an empty block."""
        start, length, _ = map(int, node["src"].split(":"))
        end = start + length
        rest = self.raw[end:]
        if not self.raw[start:end].rstrip().endswith((b";", b"}")):
            end += rest.index(b";") + 1
        return self.at(kind, start, end, "{}")

    @staticmethod
    def called(node: dict[str, Any]) -> str:
        callee = node["expression"]
        return str(callee.get("memberName") or callee.get("name") or "")

    def between(self, left: dict[str, Any], right: dict[str, Any], sign: str) -> tuple[int, int]:
        """Where the operator stands between its two sides."""
        start, length, _ = map(int, left["src"].split(":"))
        stop = int(right["src"].split(":")[0])
        gap = re.sub(rb"//[^\n]*", lambda m: b" " * len(m[0]), self.raw[start + length : stop])
        place = gap.index(sign.encode())
        return start + length + place, start + length + place + len(sign)

    # --- kinds ---

    def _BinaryOperation(self, node: dict[str, Any]) -> Iterator[Mutant]:
        sign, left, right = node["operator"], node["leftExpression"], node["rightExpression"]
        for table, kind in ((COMPARISONS, "comparison"), (ARITHMETIC, "arithmetic")):
            if sign in table:
                yield self.at(kind, *self.between(left, right, sign), table[sign])
        is_one = right["nodeType"] == "Literal" and right.get("value") == "1"
        if sign == "-" and is_one and left.get("operator") == "+":  # x + y - 1: the rounding up of a division
            yield self.make("rounding", node["src"], self.text(left["leftExpression"]["src"]))

    def _UnaryOperation(self, node: dict[str, Any]) -> Iterator[Mutant]:
        if node["operator"] == "!":
            yield self.make("negation removed", node["src"], self.text(node["subExpression"]["src"]))

    def _Assignment(self, node: dict[str, Any]) -> Iterator[Mutant]:
        sign = node["operator"]
        if sign in ASSIGNMENTS:
            yield self.at(
                "arithmetic", *self.between(node["leftHandSide"], node["rightHandSide"], sign), ASSIGNMENTS[sign]
            )

    def _IfStatement(self, node: dict[str, Any]) -> Iterator[Mutant]:
        body = node["trueBody"]
        statements = body.get("statements", []) if body["nodeType"] == "Block" else [body]
        if [one["nodeType"] for one in statements] == ["RevertStatement"] and not node.get("falseBody"):
            yield self.removed("guard removed", node)
        else:
            yield self.make("condition", node["condition"]["src"], "true")
            yield self.make("condition", node["condition"]["src"], "false")

    def _Conditional(self, node: dict[str, Any]) -> Iterator[Mutant]:
        yield self.make("condition", node["condition"]["src"], "true")
        yield self.make("condition", node["condition"]["src"], "false")

    def _ExpressionStatement(self, node: dict[str, Any]) -> Iterator[Mutant]:
        inner = node["expression"]
        if inner["nodeType"] == "FunctionCall":
            name = self.called(inner)
            is_guard = name == "require" or name in CHECKS
            yield self.removed("guard removed" if is_guard else "call removed", node)
        elif inner["nodeType"] in ("Assignment", "UnaryOperation"):
            yield self.removed("write removed", node)

    def _FunctionCall(self, node: dict[str, Any]) -> Iterator[Mutant]:
        name = self.called(node)
        callee = node["expression"]
        if name in ROUNDINGS and callee["nodeType"] == "MemberAccess":
            start, length, _ = map(int, callee["src"].split(":"))
            yield self.at("rounding", start + length - len(name.encode()), start + length, ROUNDINGS[name])

    def _Literal(self, node: dict[str, Any]) -> Iterator[Mutant]:
        in_library = self.file.startswith("contracts/libraries/")
        if in_library and node.get("kind") == "number" and re.fullmatch(r"\d+", node["value"]):
            yield self.make(
                "constant",
                node["src"],
                str(int(node["value"]) + 1) + (" " + node["subdenomination"] if node.get("subdenomination") else ""),
            )
