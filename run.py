"""Sets Ballast up and runs it: `python3 run.py <command>`, or `make <command>`.

Start reading here. This file needs nothing but Python; the set-up it calls is scripts/setup/provision.py. The list of
commands is in the Makefile (`python3 run.py help`); two more take arguments and have no make target:

    python3 run.py brownie <arguments>     brownie with this project's compiler, chain and networks
    python3 run.py python <arguments>      the Python of .venv
"""

import os
import re
import socket
import subprocess
import sys
import time

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 13)  # brownie's dependencies have no packages for 3.14 yet
ROOT = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.path.join(ROOT, ".venv", "bin", "python")
BROWNIE = os.path.join(ROOT, ".venv", "bin", "brownie")

# Chain-free tests load neither brownie nor a chain: its plugin would start both for every one of them.
CHAIN_FREE = [PYTHON, "-m", "pytest", "-p", "no:pytest-brownie"]
ON_BROWNIE = [BROWNIE, "test"]
ENGINE_ROOM = (
    "analytics backtest checklist cli features levels market_events market_quality rebalance research risk service signals "
    "sources sweep universe_r universe_v weight"
).split()
WITHOUT_ENGINE_ROOM = ["--ignore-glob=tests/offchain/test_{}*".format(name) for name in ENGINE_ROOM]
FAST_FOLDERS = [(CHAIN_FREE + WITHOUT_ENGINE_ROOM, "tests/offchain")]
ALL_FOLDERS = [
    (CHAIN_FREE, "tests/offchain"),
    (CHAIN_FREE, "tests/setup"),
    (CHAIN_FREE, "tests/engine"),
    (CHAIN_FREE, "tests/devnet"),
    (ON_BROWNIE, "tests/contracts"),
    (CHAIN_FREE, "tests/journeys"),
    (CHAIN_FREE, "tests/properties"),
    (CHAIN_FREE, "tests/keeper"),
    (CHAIN_FREE, "tests/bench"),
    (CHAIN_FREE, "tests/assurance"),
    (CHAIN_FREE, "tests/adversary"),
]
FUZZ_FOLDERS = [(CHAIN_FREE + ["-m", "hypothesis"], "tests/offchain"), (CHAIN_FREE, "tests/properties")]
PYTHON_CODE = ["offchain", "scripts", "tests", "run.py"]


def main(arguments):
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command not in COMMANDS:
        return fail("There is no command '{}'. Commands: {}.".format(command, ", ".join(sorted(COMMANDS))))
    os.chdir(ROOT)
    try:
        return COMMANDS[command](rest)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


def fail(message):
    print("\n" + message, file=sys.stderr)
    return 1


def provision():
    """The set-up module; None, with the reason printed, where this Python is too old to read it."""
    if sys.version_info < OLDEST_PYTHON:
        fail(wrong_python(sys.version_info[:3], sys.executable))
        return None
    sys.path.insert(0, ROOT)
    from scripts.setup import provision as module

    return module


def wrong_python(version, executable):
    return (
        "Ballast needs Python {}.{} to {}.{}; {} is {}.\n"
        "Get one with:  apt install python3.11 python3.11-venv   (Debian 12, Ubuntu 24.04: python3.12)\n"
        "               brew install python@3.13   or   uv python install 3.13\n"
        "and name it:   make demo PYTHON=python3.13"
    ).format(*OLDEST_PYTHON, *NEWEST_PYTHON, executable, ".".join(str(part) for part in version))


def ready(compile_contracts):
    """Sets up, and says whether that worked."""
    module = provision()
    if module is None:
        return False
    try:
        module.set_up(compile_contracts=compile_contracts)
        return True
    except module.SetupFailed as problem:
        fail(str(problem))
        return False


def run(command):
    """Runs one command in the project and returns its exit code."""
    return subprocess.call(command, cwd=ROOT)


def become(command):
    """Replaces this process, so that signals and the terminal belong to the command."""
    sys.stdout.flush()
    os.execve(command[0], command, os.environ)


# ------------------------------------------------------------------------------------------------------- commands


def show_help(_arguments):
    print(re.sub(r'^"""|\n\n.*', "", __doc__, flags=re.DOTALL) + "\n")
    for name, text in make_targets():
        print("  make {:<10} {}".format(name, text))
    return 0


def make_targets():
    """(name, description) of each make target, in order; the Makefile is the only list."""
    with open(os.path.join(ROOT, "Makefile"), encoding="utf-8") as makefile:
        return re.findall(r"^([\w-]+):\s*## (.*)$", makefile.read(), flags=re.MULTILINE)


def set_up(_arguments):
    return 0 if ready(compile_contracts=True) else 1


def run_module(module):
    """A command that runs `python -m module` on compiled contracts."""
    path = module.replace(".", "/")

    def command(arguments):
        if not (os.path.exists(path + ".py") or os.path.exists(path + "/__main__.py")):
            return fail("{}.py is missing in {}: get it back with git checkout.".format(path, ROOT))
        if not ready(compile_contracts=True):
            return 1
        become([PYTHON, "-m", module] + arguments)

    return command


def chain(arguments):
    text = os.environ.get("BALLAST_PORT", "8545")
    problem = port_problem(text)
    if problem:
        return fail(problem)
    return run_module("offchain.devnet")(arguments)


def port_problem(text):
    """Why no chain can listen on port `text`, and what to do; None when one can."""
    way_out = "Choose another one: BALLAST_PORT=8600 make chain"
    if not text.isdigit() or not 1 <= int(text) <= 65535:
        return "BALLAST_PORT is '{}', but a port is a number from 1 to 65535. {}".format(text, way_out)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(text)))
        except OSError as problem:
            return "Port {} of 127.0.0.1 cannot be used ({}). {}".format(text, problem.strerror, way_out)
    return None


def test(_arguments):
    return 0 if ready(compile_contracts=True) and run_tests(ALL_FOLDERS) else 1


def test_fast(_arguments):
    print("Left out, as they take minutes: the engine's tests ({}).".format(", ".join(ENGINE_ROOM)), flush=True)
    return 0 if ready(compile_contracts=False) and run_tests(FAST_FOLDERS) else 1


def fuzz(_arguments):
    """The random tests and the state machines for long, from fresh seeds, and every planted bug."""
    if not ready(compile_contracts=True):
        return 1
    os.environ["BALLAST_FUZZ"] = "long"
    return 0 if run_tests(FUZZ_FOLDERS) else 1


def run_tests(folders):
    """Runs every folder even if an earlier one fails; True when all passed.

    One process per folder: pytest then fails by itself (exit code 5) on a folder in which it finds no test.
    """
    results = []
    for command, folder in folders:
        if not os.path.isdir(folder):
            results.append((folder, "FAILED: no such folder", 0.0))
            continue
        print("\n=== {} ===".format(folder), flush=True)
        start = time.monotonic()
        code = run(command + [folder])
        seconds = time.monotonic() - start
        results.append(
            (folder, {0: "passed", 5: "FAILED: contains no test"}.get(code, "FAILED ({})".format(code)), seconds)
        )

    print("\n=== all folders ===")
    for folder, outcome, seconds in results:
        print("{:<18} {:<26} {:6.1f} s".format(folder, outcome, seconds))
    return bool(results) and all(outcome == "passed" for _, outcome, _ in results)


def lint(_arguments):
    if not ready(compile_contracts=False):
        return 1
    code = [path for path in PYTHON_CODE if os.path.exists(path)]
    checked = run([PYTHON, "-m", "ruff", "check"] + code)
    formatted = run([PYTHON, "-m", "ruff", "format", "--check"] + code)
    return checked or formatted


def types(_arguments):
    return run([PYTHON, "-m", "mypy", "offchain"]) if ready(compile_contracts=False) else 1


def brownie(arguments):
    if ready(compile_contracts=False):
        become([BROWNIE] + arguments)
    return 1


def python(arguments):
    if ready(compile_contracts=False):
        become([PYTHON] + arguments)
    return 1


def clean(_arguments):
    module = provision()
    if module is None:
        return 1
    module.clean()
    return 0


COMMANDS = {
    "help": show_help,
    "setup": set_up,
    "demo": run_module("offchain.demo"),
    "test": test,
    "test-fast": test_fast,
    "bench": run_module("tests.bench"),
    "replay": run_module("offchain.demo.replay"),
    "fuzz": fuzz,
    "adversary": run_module("tests.adversary"),
    "prove": run_module("tests.assurance.prove"),
    "slither": run_module("tests.assurance.slither"),
    "mutate": run_module("tests.assurance.mutate"),
    "lint": lint,
    "types": types,
    "chain": chain,
    "clean": clean,
    "brownie": brownie,
    "python": python,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
