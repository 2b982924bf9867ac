"""What proofs, findings and mutants rest on: the reader of Solidity, the mutator, the comparison with answers.

No solver and no chain: those are behind `prove`, `slither` and `mutate`.
"""

from __future__ import annotations

import ast
import inspect
from collections import Counter
from pathlib import Path

import pytest

from tests.assurance import mutate, slither
from tests.assurance.compiler import ROOT, Compiler, contract_sources
from tests.assurance.mutants import Mutant, mutants, sample
from tests.assurance.slither import ANSWERS, POWERS, Finding, compare

SAMPLE = """
pragma solidity 0.8.30;
library Odd {
    uint256 internal constant FOUR = 4;
    error No();
    event Said(uint256 what);
    function work(uint256 x, uint256 y) internal returns (uint256 z) {
        if (x == 0) revert No();
        require(y > 1 && y != 7, No()); // == in a comment
        z = (x + y - 1) / y;
        emit Said(z);
        for (uint256 i; i < 3; ++i) { z += i; }
        if (!(z >= FOUR)) { z = 9; }
    }
}
"""


@pytest.fixture(scope="module")
def compiler():
    with Compiler() as one:
        yield one


def of(compiler: Compiler, text: str) -> list[Mutant]:
    file = "contracts/libraries/Odd.sol"
    return mutants(compiler.compile({file: text}, {"*": {"": ["ast"]}}), {file: text})


def test_every_kind_of_mistake_is_planted_where_it_belongs(compiler: Compiler) -> None:
    found = {(one.kind, one.before, one.after) for one in of(compiler, SAMPLE)}
    assert found >= {
        ("guard removed", "if (x == 0) revert No();", "{}"),
        ("guard removed", "require(y > 1 && y != 7, No());", "{}"),
        ("comparison", "==", "!="),
        ("comparison", ">", ">="),
        ("comparison", "!=", "=="),
        ("arithmetic", "&&", "||"),
        ("rounding", "x + y - 1", "x"),
        ("arithmetic", "+=", "-="),
        ("event removed", "emit Said(z);", "{}"),
        ("negation removed", "!(z >= FOUR)", "(z >= FOUR)"),
        ("condition", "!(z >= FOUR)", "true"),
        ("write removed", "z = 9;", "{}"),
        ("constant", "4", "5"),
    }
    assert not any(before == "++i" for _, before, _ in found)


def test_every_mutant_of_the_sample_compiles_or_is_refused_and_differs_from_the_original(compiler: Compiler) -> None:
    for one in of(compiler, SAMPLE):
        planted = one.plant(SAMPLE)
        assert planted != SAMPLE and len(planted.encode()) == len(SAMPLE.encode()) - len(one.before) + len(one.after)


def test_mutants_of_all_contracts_have_names_of_their_own_and_fit_their_place(compiler: Compiler) -> None:
    sources = {file: text for file, text in contract_sources().items() if "/mocks/" not in file}
    everything = mutants(compiler.compile(contract_sources(), {"*": {"": ["ast"]}}), sources)
    assert len({one.id for one in everything}) == len(everything) > 1000
    for one in everything:
        one.plant(sources[one.file])  # asserts that the text is where the tree says
    files = Counter(one.file for one in everything)
    for name in ("IndexToken", "ShareToken", "ExchangeGuard", "Rebalancer", "PriceOracle"):
        assert files[f"contracts/{name}.sol"] > 10


def test_a_name_does_not_depend_on_the_line(compiler: Compiler) -> None:
    moved = SAMPLE.replace("library", "\n\n// moved\nlibrary")
    assert {one.id for one in of(compiler, SAMPLE)} == {one.id for one in of(compiler, moved)}


def test_the_sample_is_the_same_for_a_seed_and_grows_without_changing(compiler: Compiler) -> None:
    everything = of(compiler, SAMPLE)
    assert sample(everything, 5, "a") == sample(everything, 9, "a")[:5]
    assert sample(everything, 9, "a") != sample(everything, 9, "b")


def test_new_gone_and_unanswered_findings_and_other_powers_are_problems() -> None:
    one = Finding(id="0a0a0a0a", check="timestamp", impact="Low", words="f() uses timestamp")
    assert compare([one], {"0a0a0a0a": "An hour."}, ["f: anyone"], ["f: anyone"]) == []
    assert "new" in compare([one], {}, [], [])[0]
    assert "not answered" in compare([one], {"0a0a0a0a": slither.UNANSWERED}, [], [])[0]
    assert "gone" in compare([], {"0a0a0a0a": "An hour."}, [], [])[0]
    assert "nobody approved" in compare([], {}, ["f: anyone"], [])[0]
    assert "gone" in compare([], {}, [], ["f: anyone"])[0]


def test_every_finding_on_the_page_is_answered() -> None:
    answered = slither.answers()
    assert len(answered) > 50
    assert slither.UNANSWERED not in ANSWERS.read_text(encoding="utf-8")
    assert all(len(answer) > 15 for answer in answered.values())


def test_functions_that_anyone_may_call_are_those_that_should_be() -> None:
    """The approved list says `anyone` only where no role is meant."""
    lines = [line.split(": ") for line in POWERS.read_text(encoding="utf-8").splitlines()]
    named = {name.split("(")[0]: set(checks.split(", ")) for name, checks in lines}
    for setter, checks in named.items():
        if setter.partition(".")[2].startswith(("set", "pause", "arm", "deprecate", "abdicate", "start", "announce")):
            assert checks & {"onlyPower", "restricted", "requireRole", "onlyGovernance", "compares msg.sender"}, setter


def test_every_proof_has_a_canary_that_can_still_be_planted() -> None:
    """Read as text: the environment of these tests has no solver."""
    tree = ast.parse(Path(__file__).with_name("integer_proofs.py").read_text(encoding="utf-8"))
    constants: dict[str, tuple[str, str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple) and isinstance(node.targets[0], ast.Name):
            try:
                constants[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    proofs = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    assert len(proofs) >= 15
    for one in proofs:
        call = one.decorator_list[0]
        assert isinstance(call, ast.Call) and len(call.args) > 2, f"{one.name} has no canary"
        for argument in call.args[2:]:
            canary = constants[argument.id] if isinstance(argument, ast.Name) else ast.literal_eval(argument)
            source = (ROOT / "contracts" / "libraries" / f"{canary[0]}.sol").read_text(encoding="utf-8")
            assert source.count(canary[1]) == 1, f"{one.name}: {canary[1]!r} is not in {canary[0]}.sol once"


def test_the_driver_counts_what_was_killed_of_what_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = tmp_path / "mutation.md"
    page.write_text("| `aaaaaaaaaa` | x | equivalent |\n", encoding="utf-8")
    monkeypatch.setattr(mutate, "REASONS", page)
    results = {
        "aaaaaaaaaa": {"status": "survived", "mutant": "a"},
        "bbbbbbbbbb": {"status": "survived", "mutant": "b"},
        "cccccccccc": {"status": "killed", "mutant": "c"},
        "dddddddddd": {"status": "identical", "mutant": "d"},
    }
    text = mutate.report(results)
    assert "1 killed, 2 survived (1 of them explained" in text and "50.0 %" in text
    assert "`bbbbbbbbbb` b" in text and "`aaaaaaaaaa`" not in text.splitlines()[-1]


def test_tests_that_name_what_a_mutant_touches_come_first() -> None:
    tests = {"a::t1": "index.redeem(1)", "a::t2": 'assert why(token.pauseMint) == ("PauseNotArmed",)', "a::t3": "pass"}
    order = mutate.Order(tests, {"pauseMint": {"pauseMint"}})
    order.times = {}
    mutant = Mutant(
        file="contracts/IndexToken.sol", contract="IndexToken", function="pauseMint", kind="guard removed", start=0, line=1,
        before="require(!_mintPauseUsed, Errors.PauseNotArmed());", after="{}", occurrence=0,
    )  # fmt: skip
    assert order.tests_for(mutant)[0] == "a::t2"
    order.learn(mutant, "a::t3")
    order.learn(mutant, "a::t3")
    assert order.tests_for(mutant).index("a::t3") <= 1
    assert inspect.signature(order.tests_for).parameters.keys() == {"mutant"}
