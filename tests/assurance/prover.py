"""Runs the integer proofs and their canaries; started by `prove` in the environment that has z3."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import z3

from tests.assurance.compiler import ROOT, Compiler
from tests.assurance.integer_proofs import PROOFS, SOURCES, Canary, Proof
from tests.assurance.terms import Libraries, Path, explore

PATIENCE = 20_000  # {ms} for one step, with each way of asking
HURRY = 5_000  # {ms} for one search of a counterexample


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a proof: how many paths and steps, or the first step that does not hold and numbers that show it."""

    proven: bool
    paths: int
    steps: int
    seconds: float
    walked: int = 0  # paths for which there are numbers, so that what is assumed does not contradict itself
    step: str = ""
    numbers: str = ""


def read(compiler: Compiler, canary: Canary | None = None) -> Libraries:
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in SOURCES}
    if canary:
        if sources[canary.file].count(canary.old) != 1:
            found = sources[canary.file].count(canary.old)
            sys.exit(f"{canary.file} has {found} places like {canary.old!r}, expected one: mend the canary")
        sources[canary.file] = sources[canary.file].replace(canary.old, canary.new)
    answer = compiler.compile(sources, {name: {"": ["ast"]} for name in SOURCES})
    return Libraries(answer)


def follows(facts: list[z3.BoolRef], claim: z3.BoolRef, patience: int) -> bool:
    """Whether the solver proves the claim; the two ways of asking are good at different steps."""
    for solver in (z3.Solver(), z3.SolverFor("QF_NIA")):
        solver.set("timeout", patience)
        solver.add(*facts, z3.Not(claim))
        if solver.check() == z3.unsat:
            return True
    return False


def contradicted(facts: list[z3.BoolRef], claim: z3.BoolRef) -> str:
    """Numbers that fulfil the facts and not the claim; small ones are tried first. Empty when none were found."""
    names = sorted({str(part): part for fact in [*facts, claim] for part in variables(fact)}.items())
    for bits in (4, 8, 70, 100, 256):
        solver = z3.SolverFor("QF_NIA")
        solver.set("timeout", HURRY)
        solver.add(*facts, z3.Not(claim), *(part < 2**bits for _, part in names))
        if solver.check() == z3.sat:
            model = solver.model()
            return ", ".join(f"{name} = {model[part]}" for name, part in names if not is_quotient(name)) or "any"
    return ""


def is_quotient(name: str) -> bool:
    return name[0] == "q" and name[1:].isdigit()


def variables(term: z3.ExprRef) -> list[z3.ExprRef]:
    found, todo, seen = [], [term], set()
    while todo:
        part = todo.pop()
        if part.get_id() in seen:
            continue
        seen.add(part.get_id())
        if z3.is_const(part) and part.decl().kind() == z3.Z3_OP_UNINTERPRETED and z3.is_int(part):
            found.append(part)
        todo += part.children()
    return found


def attempt(one: Proof, libraries: Libraries, *, search: bool) -> Verdict:
    """`search`: for a planted mistake, look for numbers that break a step which does not follow at once."""
    started, paths, steps, walked = time.monotonic(), 0, 0, 0

    def run(path: Path) -> None:
        one.run(path, lambda name, *arguments: libraries.call(path, name, *arguments))

    for path in explore(run):
        paths += 1
        for step, claim, known in path.lemmas:
            steps += 1
            facts = path.facts[:known]
            if follows(facts, claim, HURRY // 5 if search else PATIENCE):
                continue
            numbers = contradicted(facts, claim) if search else ""
            if numbers or not search:
                return Verdict(
                    proven=False, paths=paths, steps=steps, seconds=time.monotonic() - started, step=step, numbers=numbers
                )  # fmt: skip
        if not search and not walked:
            walked += bool(contradicted(path.facts, z3.BoolVal(False)))
    step = "" if walked else "no path can be walked: what is assumed contradicts itself"
    proven = not search and steps > 0 and walked > 0
    return Verdict(
        proven=proven, paths=paths, steps=steps, seconds=time.monotonic() - started, walked=walked, step=step
    )  # fmt: skip


def main(names: list[str]) -> int:
    unknown = set(names) - {one.name for one in PROOFS}
    if unknown:
        print(f"There is no proof {', '.join(sorted(unknown))}. Proofs: {', '.join(one.name for one in PROOFS)}.")
        return 2
    failures = 0
    with Compiler() as compiler:
        genuine = read(compiler)
        for one in PROOFS:
            if names and one.name not in names:
                continue
            verdict = attempt(one, genuine, search=False)
            failures += not verdict.proven
            outcome = "proven" if verdict.proven else f"NOT PROVEN: {verdict.step}"
            print(
                f"\n{one.name}: {one.claim}\n    for {one.domain}\n    {outcome}: {verdict.steps} steps on {verdict.paths} "
                f"paths, {verdict.seconds:.1f} s",
                flush=True,
            )
            for canary in one.canaries:
                wrong = attempt(one, read(compiler, canary), search=True)
                noticed = bool(wrong.numbers)
                failures += not noticed
                said = f"breaks “{wrong.step}”: {wrong.numbers}" if noticed else "NOT NOTICED"
                print(f"    canary `{canary.new}` {said} ({wrong.seconds:.1f} s)", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
