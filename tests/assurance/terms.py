"""Reads pure Solidity functions out of the compiler's syntax tree and gives their results as terms over the integers.

The terms are exact: `+ - *` are those of the integers. Checked arithmetic that would leave its word reverts, so on a path
that goes on it did not; unchecked arithmetic that could leave it becomes an obligation to be proven. A division brings
its quotient and the two inequalities that define it. Branches are not merged: `explore` runs the property once for every
combination of them, so that each proof is about one straight path.

Taken as given, because they are somebody else's code and compared bit by bit with their twins elsewhere
(tests/properties/test_twins.py): Solady's `fullMulDiv` and `fullMulDivUp` are the exact quotient rounded down and up, or
revert; `zeroFloorSub`, `max`, `min`, `clamp` and `sqrt` are what their names say; `expWad` never falls, is at least 1 from 0
on and at most 1 below; `lnWad` is not negative from 1 on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import z3

WORD = 2**256
UNITS = {
    "wei": 1,
    "gwei": 10**9,
    "ether": 10**18,
    "seconds": 1,
    "minutes": 60,
    "hours": 3600,
    "days": 86_400,
    "weeks": 604_800,
}
CONSTANT = {
    "<<": operator.lshift,
    "**": operator.pow,
    "-": operator.sub,
    "+": operator.add,
    "*": operator.mul,
    "/": operator.floordiv,
}


class NotUnderstood(Exception):
    """Solidity that this reader does not know: it must be taught before anything is claimed."""


class Infeasible(Exception):
    """The path always reverts."""


@dataclass
class Path:
    """One run of a property: what is known on it, what must be shown, and the branches it takes."""

    decisions: list[bool]
    facts: list[z3.BoolRef] = field(default_factory=list)
    lemmas: list[tuple[str, z3.BoolRef, int]] = field(default_factory=list)  # name, claim, facts known before
    exponents: list[Any] = field(default_factory=list)  # of every exponential so far: it never falls
    quotients: dict[tuple[str, str, str], z3.ArithRef] = field(default_factory=dict)
    taken: int = 0
    fresh: int = 0

    def name(self, kind: str) -> str:
        self.fresh += 1
        return f"{kind}{self.fresh}"

    def know(self, *facts: Any) -> None:
        self.facts += [z3.BoolVal(fact) if isinstance(fact, bool) else fact for fact in facts]

    def show(self, name: str, claim: Any) -> None:
        """Must follow from what is known; known from then on."""
        claim = z3.BoolVal(claim) if isinstance(claim, bool) else claim
        self.lemmas.append((name, claim, len(self.facts)))
        self.facts.append(claim)

    def choose(self, condition: Any) -> bool:
        condition = z3.simplify(z3.BoolVal(condition) if isinstance(condition, bool) else condition)
        if z3.is_true(condition) or z3.is_false(condition):
            return z3.is_true(condition)
        if self.taken == len(self.decisions):
            self.decisions.append(True)
        yes = self.decisions[self.taken]
        self.taken += 1
        self.know(condition if yes else z3.Not(condition))
        return yes

    def integer(self, name: str, low: int = 0, high: int = WORD - 1) -> z3.ArithRef:
        value = z3.Int(name)
        self.know(value >= low, value <= high)
        return value

    def floor(self, above: Any, below: Any) -> z3.ArithRef:
        """⌊above/below⌋ of a dividend that is not negative; `below` must be positive."""
        return self.quotient("down", above, below, lambda q: z3.And(q * below <= above, above < q * below + below))

    def ceiling(self, above: Any, below: Any) -> z3.ArithRef:
        return self.quotient("up", above, below, lambda q: z3.And(q * below >= above, above > q * below - below))

    def quotient(self, direction: str, above: Any, below: Any, defines: Callable[[Any], z3.BoolRef]) -> z3.ArithRef:
        """The same division is the same number."""
        key = (direction, str(above), str(below))
        if key not in self.quotients:
            self.quotients[key] = z3.Int(self.name("q"))
            self.know(below > 0, self.quotients[key] >= 0, defines(self.quotients[key]))
        return self.quotients[key]


def explore(run: Callable[[Path], None]) -> Iterator[Path]:
    """`run` on every path: branches are tried yes first, then no, the last one first."""
    decisions: list[bool] = []
    while True:
        path = Path(decisions)
        try:
            run(path)
        except Infeasible:
            pass
        else:
            yield path
        decisions = path.decisions[: path.taken]
        while decisions and not decisions[-1]:
            decisions.pop()
        if not decisions:
            return
        decisions[-1] = False


class Libraries:
    """The functions and constants of some source files."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.functions: dict[str, dict[str, Any]] = {}
        self.by_id: dict[int, dict[str, Any]] = {}
        for source in answer["sources"].values():
            for contract in source.get("ast", {}).get("nodes", []):  # none of what is only imported
                if contract["nodeType"] != "ContractDefinition":
                    continue
                for node in contract["nodes"]:
                    self.by_id[node["id"]] = {**node, "library": contract["name"]}
                    if node["nodeType"] == "FunctionDefinition":
                        self.functions[f"{contract['name']}.{node['name']}"] = self.by_id[node["id"]]

    def call(self, path: Path, name: str, *arguments: Any) -> Any:
        """The result of a function such as "BasketMath.amountUp"; the path continues only where it does not revert."""
        if name not in self.functions:
            raise NotUnderstood(f"There is no function {name}: was it renamed? Then rename it in the properties too.")
        return _Run(self, path).function(self.functions[name], arguments)


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        self.value = value


class _Run:
    """One call of one function."""

    def __init__(self, libraries: Libraries, path: Path) -> None:
        self.libraries, self.path = libraries, path
        self.values: dict[int, Any] = {}
        self.unchecked = False

    def function(self, node: dict[str, Any], arguments: tuple[Any, ...] | list[Any]) -> Any:
        parameters = node["parameters"]["parameters"]
        if len(parameters) != len(arguments):
            raise NotUnderstood(f"{node['name']} takes {len(parameters)} arguments, not {len(arguments)}")
        for parameter, argument in zip(parameters, arguments, strict=True):
            self.values[parameter["id"]] = argument
        results = node["returnParameters"]["parameters"]
        for result in results:
            self.values[result["id"]] = 0
        try:
            self.block(node["body"])
        except _Return as done:
            return done.value
        values = [self.values[result["id"]] for result in results]
        return values[0] if len(values) == 1 else tuple(values)

    def block(self, node: dict[str, Any]) -> None:
        for statement in node["statements"]:
            self.statement(statement)

    def statement(self, node: dict[str, Any]) -> None:
        kind = node["nodeType"]
        if kind == "Block":
            self.block(node)
        elif kind == "UncheckedBlock":
            before, self.unchecked = self.unchecked, True
            self.block(node)
            self.unchecked = before
        elif kind == "Return":
            raise _Return(self.expression(node["expression"]))
        elif kind == "IfStatement":
            if self.path.choose(self.expression(node["condition"])):
                self.statement(node["trueBody"])
            elif node.get("falseBody"):
                self.statement(node["falseBody"])
        elif kind == "VariableDeclarationStatement":
            value = self.expression(node["initialValue"]) if node.get("initialValue") else 0
            values = value if len(node["declarations"]) > 1 else (value,)
            for declared, one in zip(node["declarations"], values, strict=True):
                if declared:
                    self.values[declared["id"]] = one
        elif kind == "ExpressionStatement":
            self.expression(node["expression"])
        elif kind == "RevertStatement":
            raise Infeasible
        else:
            raise NotUnderstood(f"statement {kind}")

    def expression(self, node: dict[str, Any]) -> Any:
        method = getattr(self, "_" + node["nodeType"], None)
        if method is None:
            raise NotUnderstood(f"expression {node['nodeType']}")
        return method(node)

    def _Literal(self, node: dict[str, Any]) -> Any:
        if node["kind"] != "number":
            raise NotUnderstood(f"literal {node['kind']}")
        text = node["value"].replace("_", "")
        value = int(text, 16) if text.startswith("0x") else Fraction(text)
        value *= UNITS[node.get("subdenomination") or "wei"]
        if value != int(value):
            raise NotUnderstood(f"literal {node['value']}, which is not whole")
        return int(value)

    def _Identifier(self, node: dict[str, Any]) -> Any:
        if node["referencedDeclaration"] in self.values:
            return self.values[node["referencedDeclaration"]]
        return self.constant(node)

    def constant(self, node: dict[str, Any]) -> Any:
        declared = self.libraries.by_id.get(node["referencedDeclaration"])
        if declared is None or not declared.get("constant"):
            raise NotUnderstood(f"name {node.get('name') or node.get('memberName')}")
        return self.expression(declared["value"])

    def _MemberAccess(self, node: dict[str, Any]) -> Any:
        inner = node["expression"]
        if node["memberName"] in ("max", "min") and inner["nodeType"] == "FunctionCall":  # type(uint160).max
            name = inner["arguments"][0]["typeName"]["name"]
            bits = int(name.removeprefix("uint"))
            return 2**bits - 1 if node["memberName"] == "max" else 0
        return self.constant(node)

    def _TupleExpression(self, node: dict[str, Any]) -> Any:
        values = tuple(self.expression(part) for part in node["components"])
        return values[0] if len(values) == 1 else values

    def _Conditional(self, node: dict[str, Any]) -> Any:
        yes = self.path.choose(self.expression(node["condition"]))
        return self.expression(node["trueExpression" if yes else "falseExpression"])

    def _UnaryOperation(self, node: dict[str, Any]) -> Any:
        if node["operator"] == "!":
            return z3.Not(self.expression(node["subExpression"]))
        if node["operator"] == "-":
            return -self.expression(node["subExpression"])
        raise NotUnderstood(f"operator {node['operator']}")

    def _Assignment(self, node: dict[str, Any]) -> Any:
        place = node["leftHandSide"]
        if place["nodeType"] != "Identifier":
            raise NotUnderstood("assignment to something that is not a variable")
        value = self.expression(node["rightHandSide"])
        if node["operator"] != "=":
            value = self.arithmetic(node["operator"][:-1], self.expression(place), value)
        self.values[place["referencedDeclaration"]] = value
        return value

    def _BinaryOperation(self, node: dict[str, Any]) -> Any:
        sign = node["operator"]
        if sign in ("<", "<=") and _is_or(node["leftExpression"]):
            # Words or-ed together are below a power of two when each of them is.
            limit = self.expression(node["rightExpression"])
            if sign != "<" or not isinstance(limit, int) or limit & (limit - 1):
                raise NotUnderstood("a | b compared with something that is not a power of two")
            return z3.And(*(part < limit for part in self.or_parts(node["leftExpression"])))
        left, right = self.expression(node["leftExpression"]), self.expression(node["rightExpression"])
        if sign in ("<", "<=", ">", ">=", "==", "!=", "&&", "||"):
            return {
                "<": lambda: left < right, "<=": lambda: left <= right, ">": lambda: left > right,
                ">=": lambda: left >= right, "==": lambda: left == right, "!=": lambda: left != right,
                "&&": lambda: z3.And(left, right), "||": lambda: z3.Or(left, right),
            }[sign]()  # fmt: skip
        if isinstance(left, int) and isinstance(right, int) and sign in CONSTANT:
            return CONSTANT[sign](left, right)
        return self.arithmetic(sign, left, right)

    def or_parts(self, node: dict[str, Any]) -> list[Any]:
        if node["nodeType"] == "TupleExpression":
            return self.or_parts(node["components"][0])
        if _is_or(node):
            return self.or_parts(node["leftExpression"]) + self.or_parts(node["rightExpression"])
        return [self.expression(node)]

    def arithmetic(self, sign: str, left: Any, right: Any) -> Any:
        if sign == "/":
            return self.path.floor(left, right)
        if sign == "+":
            value = left + right
        elif sign == "-":
            value = left - right
        elif sign == "*":
            value = left * right
        else:
            raise NotUnderstood(f"operator {sign}")
        fits = z3.And(value >= 0, value < WORD)
        if self.unchecked:
            self.path.show("unchecked arithmetic stays in its word", fits)
        else:
            self.path.know(fits)
        return value

    def _FunctionCall(self, node: dict[str, Any]) -> Any:
        callee = node["expression"]
        arguments = [self.expression(argument) for argument in node["arguments"]]
        if node["kind"] == "typeConversion":
            return arguments[0]  # only between words here; what does not fit was checked before
        if callee["nodeType"] == "Identifier":
            name, receiver = callee["name"], None
        else:
            name, receiver = callee["memberName"], callee["expression"]
        declared = self.libraries.by_id.get(callee["referencedDeclaration"])
        is_name = receiver is not None and receiver["typeDescriptions"]["typeString"].startswith("type(library")
        if receiver is not None and not is_name:
            arguments.insert(0, self.expression(receiver))
        given = getattr(self, "_given_" + name, None)
        if declared is None or declared["library"] == "FixedPointMathLib":
            if given is None:
                raise NotUnderstood(f"function {name}")
            return given(*arguments)
        return _Run(self.libraries, self.path).function(declared, arguments)

    def _given_fullMulDiv(self, x: Any, y: Any, d: Any) -> Any:
        value = self.path.floor(x * y, d)
        self.path.know(value < WORD)
        return value

    def _given_fullMulDivUp(self, x: Any, y: Any, d: Any) -> Any:
        value = self.path.ceiling(x * y, d)
        self.path.know(value < WORD)
        return value

    def _given_zeroFloorSub(self, x: Any, y: Any) -> Any:
        return x - y if self.path.choose(x > y) else 0

    def _given_max(self, x: Any, y: Any) -> Any:
        return x if self.path.choose(x >= y) else y

    def _given_min(self, x: Any, y: Any) -> Any:
        return x if self.path.choose(x <= y) else y

    def _given_clamp(self, x: Any, low: Any, high: Any) -> Any:
        return self._given_min(self._given_max(x, low), high)

    def _given_sqrt(self, x: Any) -> Any:
        root = z3.Int(self.path.name("q"))
        self.path.know(root >= 0, root * root <= x, x < (root + 1) * (root + 1))
        return root

    def _given_lnWad(self, x: Any) -> Any:
        value = LN(x)
        self.path.know(x > 0, z3.Implies(x >= 10**18, value >= 0))
        return value

    def _given_expWad(self, x: Any) -> Any:
        value = EXP(x)
        self.path.know(value >= 0, z3.Implies(x >= 0, value >= 10**18), z3.Implies(x <= 0, value <= 10**18))
        for other in self.path.exponents:
            self.path.know(z3.Implies(other <= x, EXP(other) <= value), z3.Implies(x <= other, value <= EXP(other)))
        self.path.exponents.append(x)
        return value


EXP = z3.Function("expWad", z3.IntSort(), z3.IntSort())
LN = z3.Function("lnWad", z3.IntSort(), z3.IntSort())


def _is_or(node: dict[str, Any]) -> bool:
    if node["nodeType"] == "TupleExpression":
        return len(node["components"]) == 1 and _is_or(node["components"][0])
    return node["nodeType"] == "BinaryOperation" and node["operator"] == "|"
