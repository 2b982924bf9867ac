"""Plants small mistakes in a copy of the contracts, one at a time, and asks whether any test notices.

    python3 run.py mutate                      the seeded sample of SAMPLE mutants; goes on where it stopped
    python3 run.py mutate --count 40           the first 40 of the sample
    python3 run.py mutate --only ExchangeGuard mutants of one file, all of them
    python3 run.py mutate --again              survivors once more, with every test and the state machines
    python3 run.py mutate --budget 60          seconds of processor time for the tests of one mutant
    python3 run.py mutate --report             what is known, without running anything

Verdicts go to tests/assurance/mutation.json as they come. For each mutant: compile what depends on it with a compiler that
stays warm; a mutant whose bytecode is the original's is equivalent. Library mutants first meet the vectors of the Python
twins. Then the contract tests run in forks of one loaded pytest (mutant_server.py), those first whose text names what the
mutant touches, until a budget is used up. With --again survivors meet all tests and the state machines of tests/properties. Survivors are listed, with
reasons, in docs/mutation.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.assurance.compiler import ROOT, CompileError, Compiler, contract_sources
from tests.assurance.mutants import Mutant, mutants, sample

RESULTS = ROOT / "tests" / "assurance" / "mutation.json"
REASONS = ROOT / "docs" / "mutation.md"
COPY = ROOT / "build" / "mutation"
TIMES = ROOT / "build" / "mutation-times.json"  # {s} of processor time by test
SEED, SAMPLE = "ballast", 320
BUDGET = 15.0  # {s} of processor time for the tests of one mutant
MACHINES = 40  # {s} for each state machine
PATIENCE = 900  # {s} for one mutant, however busy the machine is
VECTORS = 1500  # of each formula, for library mutants
KILLED = ("killed", "timeout")
# How tests say what a function is called by: helpers of tests/contracts/support.py.
HELPERS = {
    "mint": ["index.mint(", ".mint("], "redeem": [".redeem("], "startPlan": [".start(", ".trade("],
    "swap": [".swap(", ".trade(", "order("], "endPlan": [".end("], "exchange": [".swap(", ".trade(", "exchange("],
    "check": [".swap(", ".trade(", "check("], "create": ["world.create("], "onExchange": ["v2_taker", "v3_taker", "taker"],
}  # fmt: skip


# --- the copy ---------------------------------------------------------------------------------------------------------


def make_copy() -> None:
    """The project as it is now, in build/mutation: the run must not see later changes, nor change anything."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for name in ("contracts", "tests", "offchain", "scripts"):
        shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "build" / "contracts", COPY / "build" / "contracts")
    if (ROOT / "build" / "vendor").is_dir():
        shutil.copytree(ROOT / "build" / "vendor", COPY / "build" / "vendor")
    for name in ("brownie-config.yaml", "pyproject.toml", "run.py", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, COPY / name)
    for name in (".venv", "node_modules", ".toolchain"):
        (COPY / name).symlink_to((ROOT / name).resolve())


# --- the server of tests ----------------------------------------------------------------------------------------------


class Server:
    """The loaded contract tests; `ask` runs some of them against a mutant."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.tests: dict[str, str] = {}

    def start(self) -> None:
        to_server, from_driver = os.pipe()
        to_driver, from_server = os.pipe()
        environment = {
            **os.environ, "BALLAST_MUTANT_PIPES": f"{to_server},{from_server}", "PYTHONPATH": str(COPY),
            "PYTEST_ADDOPTS": "",
        }  # fmt: skip
        self.log = open(COPY / "server.log", "ab")  # noqa: SIM115  # closed with the process
        self.process = subprocess.Popen(
            [str(ROOT / ".venv" / "bin" / "brownie"), "test", "tests/contracts", "-p", "tests.assurance.mutant_server"],
            cwd=COPY, env=environment, pass_fds=(to_server, from_server), stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip
        os.close(to_server)
        os.close(from_server)
        self.inbox = os.fdopen(to_driver, encoding="utf-8")
        self.outbox = os.fdopen(from_driver, "w", encoding="utf-8")
        self.tests = self.hear()

    def hear(self) -> Any:
        line = self.inbox.readline()
        if not line:
            raise RuntimeError(f"The test server ended; see {COPY / 'server.log'}")
        return json.loads(line)

    def ask(self, bytecodes: Mapping[str, str], tests: list[str], budget: float) -> dict[str, Any]:
        if self.process is None or self.process.poll() is not None:
            self.start()
        request = {"bytecodes": dict(bytecodes), "tests": tests, "budget": budget, "patience": PATIENCE}
        self.outbox.write(json.dumps(request) + "\n")
        self.outbox.flush()
        try:
            return dict(self.hear())
        except RuntimeError:
            self.stop()
            return {"outcome": "broken", "test": "", "words": "the server ended"}

    def stop(self) -> None:
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # its own group: the server, its child and its anvil
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None


# --- the twins --------------------------------------------------------------------------------------------------------


class Twins:
    """The harnesses and the rules with a mutated library against the Python twins: the quickest judge there is."""

    def __init__(self, contracts: Mapping[str, Mapping[str, Any]]) -> None:
        from offchain.chain.artifacts import Artifact
        from tests.properties.chain import Chain
        from tests.properties.test_twins import FORMULAS, answer, vectors
        from tests.properties.test_weight_twins import RULES, rows_of, twin

        self.genuine = {name: "0x" + one["bytecode"] for name, one in contracts.items()}
        self.chain = Chain(
            {name: Artifact(name=name, abi=one["abi"], bytecode=self.genuine[name]) for name, one in contracts.items()}
        )
        self.start = self.chain.snapshot()
        self.rows = {one.name: vectors(one, VECTORS) for one in FORMULAS}
        self.expected = {one.name: [answer(one, row) for row in self.rows[one.name]] for one in FORMULAS}
        self.formulas = FORMULAS
        self.weights = [(rule, list(rows_of(rule, VECTORS))) for rule in RULES]
        self.weighed = {rule.name: [twin(rule, row) for row in rows] for rule, rows in self.weights}

    def notice(self, bytecodes: Mapping[str, str]) -> str:
        """The test of twins whose answers differ, or nothing; `bytecodes` of the contracts with the mutant in them."""
        for name, genuine in self.genuine.items():
            self.chain.interfaces[name].bytecode = "0x" + bytecodes[name] if name in bytecodes else genuine
        try:
            noticed = self.notice_formulas() if "MathHarness" in bytecodes else ""
            return noticed or (self.notice_weights() if set(bytecodes) - {"MathHarness"} else "")
        except Exception as problem:  # a check failed, or the mutant cannot even be deployed or called
            return f"test_twins ({type(problem).__name__})"
        finally:
            self.chain.revert(self.start)
            self.start = self.chain.snapshot()

    def notice_formulas(self) -> str:
        from tests.properties import test_twins

        harness = self.chain.deploy("MathHarness")
        for one in self.formulas:
            rows = self.rows[one.name]
            ok, out = test_twins.batch(self.chain, harness, one, rows)
            for number, expected in enumerate(self.expected[one.name]):
                actual = None if not ok[number] else out[number * one.results : (number + 1) * one.results]
                if actual != expected:
                    return f"test_twin_equals_solidity_to_the_bit[{one.name}]"
        test_twins.test_constants_equal_their_twin(self.chain, harness)
        test_twins.test_constants_of_fees_equal_their_twin(self.chain, harness)
        test_twins.test_constants_of_auctions_equal_their_twin(self.chain, harness)
        for count in (0, 1, 3):
            test_twins.test_basket_is_read_back_as_written(self.chain, harness, count)
        return ""

    def notice_weights(self) -> str:
        from tests.properties import test_weight_twins

        harness = self.chain.deploy("WeightHarness")
        test_weight_twins.test_constants_equal_their_twin(self.chain, harness)
        for rule, rows in self.weights:
            terms = [self.chain.deploy(rule.inner).address, test_weight_twins.STEP] if rule.inner else []
            contract = self.chain.deploy(rule.name, *terms)
            if list(test_weight_twins.ask(self.chain, harness, contract, rule, rows)) != self.weighed[rule.name]:
                return f"test_methodology_equals_its_twin_to_the_bit[{rule.name}]"
        return ""

    def stop(self) -> None:
        self.chain.stop()


# --- compiling --------------------------------------------------------------------------------------------------------


class Workshop:
    """Compiles mutants: only the contracts that depend on the changed file."""

    def __init__(self) -> None:
        self.compiler = Compiler()
        self.sources = contract_sources()
        self.answer = self.compiler.compile(self.sources, {"*": {"": ["ast"], "*": ["abi"]}})
        self.deployable = {file: [name for name in self.answer["contracts"].get(file, {})] for file in self.sources}
        self.imports = {file: self._imports(file) for file in self.sources}
        self.own = {f: t for f, t in self.sources.items() if "/mocks/" not in f and "/interfaces/" not in f}
        self.original = self.compile(self.sources, [f for f in self.own])

    def _imports(self, file: str) -> set[str]:
        found, todo = set(), [file]
        while todo:
            one = todo.pop()
            if one in found or one not in self.sources:
                continue
            found.add(one)
            for path in re.findall(r'^import [^;]*?"(\.[^"]+)";', self.sources[one], flags=re.MULTILINE | re.DOTALL):
                todo.append(os.path.normpath(os.path.join(os.path.dirname(one), path)))
        return found

    def dependents(self, file: str) -> list[str]:
        return [other for other in self.own if file in self.imports[other]]

    def compile(self, sources: Mapping[str, str], files: list[str]) -> dict[str, str]:
        """Creation code by contract, without the hash of the sources, so that equal code is equal."""
        wanted = {file: {"*": ["evm.bytecode.object"]} for file in files}
        needed: set[str] = set().union(*(self.imports[file] for file in files))
        answer = self.compiler.compile({file: sources[file] for file in needed}, wanted, metadata=False)
        return {
            name: content["evm"]["bytecode"]["object"]
            for file in files
            for name, content in answer["contracts"].get(file, {}).items()
            if content.get("evm", {}).get("bytecode", {}).get("object")
        }

    def build(self, mutant: Mutant) -> dict[str, str] | str:
        """The contracts that differ from the original; a reason where there is none."""
        changed = {**self.sources, mutant.file: mutant.plant(self.sources[mutant.file])}
        try:
            code = self.compile(changed, self.dependents(mutant.file))
        except CompileError:
            return "stillborn"
        different = {name: text for name, text in code.items() if text != self.original.get(name)}
        return different or "identical"

    def harnesses(self, mutant: Mutant | None) -> dict[str, dict[str, Any]]:
        """What the twins ask, as far as it uses the mutant's file: code and ABI by name."""
        from tests.properties.test_weight_twins import RULES

        files = {f"contracts/mocks/{name}.sol": name for name in ("MathHarness", "WeightHarness")}
        files |= {f"contracts/methodologies/{rule.name}.sol": rule.name for rule in RULES}
        sources = dict(self.sources)
        if mutant:
            files = {file: name for file, name in files.items() if mutant.file in self.imports[file]}
            sources[mutant.file] = mutant.plant(sources[mutant.file])
        try:
            code = self.compile(sources, list(files)) if files else {}
        except CompileError:
            return {}
        return {
            name: {"bytecode": code[name], "abi": self.answer["contracts"][file][name]["abi"]}
            for file, name in files.items()
        }

    def everything(self, mutant: Mutant) -> dict[str, Any]:
        """All that the state machines deploy, with the mutant in it."""
        from offchain.chain.artifacts import Artifact
        from tests.properties.solidity import NEEDED

        sources = {**self.sources, mutant.file: mutant.plant(self.sources[mutant.file])}
        files = sorted(set().union(*(self.imports[f"contracts/{name}"] for name in NEEDED)))
        code = self.compile(sources, files)
        abis = {name: content["abi"] for file in files for name, content in self.answer["contracts"][file].items()}
        return {name: Artifact(name=name, abi=abis[name], bytecode="0x" + text) for name, text in code.items()}

    def callers(self) -> dict[str, set[str]]:
        """Names of the functions from which each function, or constant of the library of constants, is reached, itself
        among them."""
        direct: dict[str, set[str]] = defaultdict(set)

        def visit(node: Any, inside: str) -> None:
            if isinstance(node, list):
                for part in node:
                    visit(part, inside)
            elif isinstance(node, dict):
                if node.get("nodeType") in ("FunctionDefinition", "ModifierDefinition"):
                    inside = node.get("name") or node.get("kind", "")
                if node.get("nodeType") == "FunctionCall":
                    callee = node["expression"]
                    direct[str(callee.get("memberName") or callee.get("name"))].add(inside)
                if node.get("nodeType") == "MemberAccess" and node["expression"].get("name") == "Constants":
                    direct[str(node["memberName"])].add(inside)
                if node.get("nodeType") == "ModifierInvocation":
                    direct[str(node["modifierName"].get("name"))].add(inside)
                for part in node.values():
                    if isinstance(part, dict | list):
                        visit(part, inside)

        for file in self.own:
            visit(self.answer["sources"][file]["ast"], "")
        reached: dict[str, set[str]] = {}
        for name in set(direct) | {caller for callers in direct.values() for caller in callers}:
            found, todo = {name}, [name]
            while todo:
                for caller in direct.get(todo.pop(), ()):
                    if caller and caller not in found:
                        found.add(caller)
                        todo.append(caller)
            reached[name] = found
        return reached


# --- which tests first ------------------------------------------------------------------------------------------------


class Order:
    """Puts the tests first that are most likely to notice: those that name what the mutant touches, then what has noticed
    mutants of the same function, and quick ones before slow ones."""

    def __init__(self, tests: Mapping[str, str], callers: Mapping[str, set[str]]) -> None:
        self.tests, self.callers = tests, callers
        self.times: dict[str, float] = json.loads(TIMES.read_text()) if TIMES.exists() else {}
        self.kills: dict[str, Counter[str]] = defaultdict(Counter)

    def clock(self, times: Mapping[str, float]) -> None:
        """Remembers how long tests took; the first of a run also deployed the world."""
        self.times.update({name: round(seconds, 2) for name, seconds in list(times.items())[1:]})
        TIMES.write_text(json.dumps(self.times))

    def learn(self, mutant: Mutant, test: str) -> None:
        self.kills[mutant.file][test] += 1
        self.kills[f"{mutant.file} {mutant.function}"][test] += 3

    def tests_for(self, mutant: Mutant) -> list[str]:
        errors = set(re.findall(r"Errors\.(\w+)", mutant.context + mutant.before))
        errors |= set(re.findall(r'"(\w+)"', mutant.before))  # what a bound is called
        events = set(re.findall(r"emit (\w+)", mutant.context + mutant.before))
        reached = self.callers.get(mutant.function, {mutant.function}) - {mutant.function}
        contract = mutant.contract.lower()
        parts = [part.lower() for part in re.findall(r"[A-Z][a-z]{3,}", mutant.contract)]

        def score(item: tuple[str, str]) -> float:
            name, text = item
            points = 0.1
            points += 8 * any(f'"{error}"' in text for error in errors)
            points += 6 * any(f'"{event}"' in text for event in events)
            points += 4 * bool(re.search(rf"\b{re.escape(mutant.function)}\b", text))
            points += 2 * any(word in text for word in HELPERS.get(mutant.function, ()))
            points += 2 * any(re.search(rf"\b{re.escape(one)}\b", text) for one in reached)
            points += 1 * any(word in text for one in reached for word in HELPERS.get(one, ()))
            points += 2 * (contract in name.lower().replace("_", ""))
            points += 2 * any(part in name.partition("::")[0] for part in parts)
            points += 1 * (mutant.contract in text)
            points += min(4, self.kills[mutant.file][name]) / 2
            points += min(9, self.kills[f"{mutant.file} {mutant.function}"][name])
            return -points / (1 + self.times.get(name, 0.5))

        return [name for name, _ in sorted(self.tests.items(), key=score)]


# --- the state machines -----------------------------------------------------------------------------------------------


class OutOfTime(BaseException):
    """Not an Exception, or Hypothesis would take it for a finding."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def machines_notice(contracts: Mapping[str, Any], seconds: int) -> str:
    """The check of a state machine that failed on these contracts, or nothing within the time."""
    import traceback

    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.properties.test_index_machine import IndexMachine
    from tests.properties.test_mid_call_machine import MidCallMachine
    from tests.properties.test_rebalance_machine import RebalanceMachine
    from tests.properties.world import Worlds

    profile = settings(
        max_examples=60, stateful_step_count=40, deadline=None, database=None, derandomize=True,
        report_multiple_bugs=False, phases=(Phase.generate,), suppress_health_check=HealthCheck.all(), print_blob=False,
    )  # fmt: skip
    for machine in (IndexMachine, RebalanceMachine, MidCallMachine):
        worlds = None
        try:
            with time_limit(seconds):
                worlds = Worlds(contracts)
                machine.worlds, machine.tally, machine.steps, machine.runs = worlds, Counter(), 0, 0
                run_state_machine_as_test(machine, settings=profile)
        except OutOfTime:
            continue
        except Exception as error:  # an assertion of a check, or what the mutant made of a step
            frames = [
                f.name for f in traceback.extract_tb(error.__traceback__) if "properties" in Path(f.filename).parts
            ]
            return f"{machine.__name__}.{frames[-1] if frames else type(error).__name__}"
        finally:
            if worlds is not None:
                worlds.stop()
    return ""


# --- the run ----------------------------------------------------------------------------------------------------------


def read_results() -> dict[str, dict[str, Any]]:
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def write_results(results: Mapping[str, Any]) -> None:
    partial = RESULTS.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(RESULTS)


def judge(
    mutant: Mutant,
    built: dict[str, str] | str,
    twins: Twins,
    workshop: Workshop,
    server: Server,
    order: Order,
    budget: float,
    *,
    machines: bool,
) -> dict[str, Any]:
    """The verdict on one mutant."""
    if isinstance(built, str):
        return {"status": built, "by": ""}
    harnesses = {name: one["bytecode"] for name, one in workshop.harnesses(mutant).items()}
    if harnesses and (noticed := twins.notice(harnesses)):
        return {"status": "killed", "by": noticed}
    said = server.ask(built, order.tests_for(mutant), budget)
    order.clock(said.get("times", {}))
    if said["outcome"] in ("killed", "timeout"):
        order.learn(mutant, said["test"])
        return {"status": said["outcome"], "by": said["test"], "words": said["words"][-160:], "ran": said.get("ran", 0)}
    if said["outcome"] == "broken":
        return {"status": "broken", "by": "", "words": said["words"]}
    if machines and set(built) & {"IndexToken", "ExchangeGuard", "Rebalancer", "IndexLens"}:
        try:
            noticed = machines_notice(workshop.everything(mutant), MACHINES)
        except CompileError:
            noticed = ""
        if noticed:
            return {"status": "killed", "by": noticed}
    return {"status": "survived", "by": "", "ran": said.get("ran", 0), "all": said["outcome"] == "survived"}


def control(results: dict[str, dict[str, Any]], server: Server) -> None:
    """Every test that noticed a mutant must pass without one; verdicts of tests that do not are void."""
    tests = sorted({one["by"] for one in results.values() if one["by"] in server.tests and not one.get("controlled")})
    while tests:
        said = server.ask({}, tests, 10**6)
        if said["outcome"] != "killed":
            break
        print(f"fails without any mutant: {said['test']}", flush=True)
        tests.remove(said["test"])
        for number, one in list(results.items()):
            if one["by"] == said["test"]:
                del results[number]
    for one in results.values():
        if one["by"] in tests:
            one["controlled"] = True


def report(results: Mapping[str, Mapping[str, Any]]) -> str:
    statuses = Counter(str(one["status"]) for one in results.values())
    dead = sum(statuses[status] for status in KILLED)
    judged = dead + statuses["survived"]
    explained = (
        set(re.findall(r"^\| `([0-9a-f]{10})` \|", REASONS.read_text(encoding="utf-8"), flags=re.MULTILINE))
        if REASONS.exists()
        else set()
    )
    alive = [
        f"  `{number}` {one['mutant']}"
        for number, one in results.items()
        if one["status"] == "survived" and number not in explained
    ]
    equivalent = sum(one["status"] == "survived" and number in explained for number, one in results.items())
    lines = [
        f"{len(results)} mutants: {dead} killed, {statuses['survived']} survived ({equivalent} of them explained in docs/mutation.md), "
        f"{statuses['identical']} the same code, {statuses['stillborn']} that do not compile, {statuses['broken']} without verdict",
        f"killed of those that are not explained: {100 * dead / max(1, judged - equivalent):.1f} %",
        *alive,
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="run.py mutate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=SAMPLE)
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("--only", default="", help="part of a file's name")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--budget", type=float, default=0.0, help="{s} of processor time for the tests of one mutant")
    parser.add_argument("--report", action="store_true")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    results = read_results()
    if chosen.report:
        print(report(results))
        return 0

    workshop = Workshop()
    everything = mutants(workshop.answer, workshop.own)
    if chosen.again:
        todo = [one for one in everything if results.get(one.id, {}).get("status") in ("survived", "broken")]
    elif chosen.only:
        todo = [one for one in everything if chosen.only in one.file]
    else:
        todo = sample(everything, chosen.count, chosen.seed)
    known = {one.id for one in everything}
    results = {number: one for number, one in results.items() if number in known}
    todo = [one for one in todo if chosen.again or one.id not in results]
    print(f"{len(everything)} possible mutants; {len(todo)} to run", flush=True)

    make_copy()
    server, twins = Server(), Twins(workshop.harnesses(None))
    server.start()
    order = Order(server.tests, workshop.callers())
    by_id = {one.id: one for one in everything}
    for number, one in results.items():
        if one["by"] in server.tests:
            order.learn(by_id[number], one["by"])
    ahead = ThreadPoolExecutor(1)
    building: dict[str, Future[Any]] = {}
    started = time.monotonic()
    try:
        for place, mutant in enumerate(todo):
            for near in todo[place : place + 3]:  # the next ones are compiled while the tests of this one run
                if near.id not in building:
                    building[near.id] = ahead.submit(workshop.build, near)
            built = building.pop(mutant.id).result()
            before = time.monotonic()
            budget = chosen.budget or (10**6 if chosen.again else BUDGET)
            verdict = judge(mutant, built, twins, workshop, server, order, budget, machines=chosen.again)
            results[mutant.id] = {
                "mutant": str(mutant), "file": mutant.file, **verdict, "seconds": round(time.monotonic() - before, 1)
            }  # fmt: skip
            write_results(results)
            print(
                f"{place + 1:>3}/{len(todo)} {time.monotonic() - started:>6.0f} s {verdict['status']:<9} {mutant}  "
                f"{verdict['by'].rpartition('::')[2]}",
                flush=True,
            )
            if place % 25 == 24:
                control(results, server)
                write_results(results)
        control(results, server)
        write_results(results)
    finally:
        server.stop()
        twins.stop()
        ahead.shutdown(cancel_futures=True)
        workshop.compiler.stop()
    print(report(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
