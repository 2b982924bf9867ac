"""A pytest plugin that keeps the contract tests loaded and runs them against one mutant after another.

`brownie test tests/contracts -p tests.assurance.mutant_server` collects the tests, starts the chain and then, instead of
running them, answers requests on the two pipes named in BALLAST_MUTANT_PIPES. For each it forks: the child swaps the
bytecode of the contracts that changed and runs tests until one fails. The parent undoes what the child did to the chain.
So a mutant costs the deployment of a world and the tests it takes, and no start of Python, brownie or pytest.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import signal
import time
from typing import Any

import pytest
from _pytest.runner import runtestprotocol


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    requests, answers = (int(number) for number in os.environ["BALLAST_MUTANT_PIPES"].split(","))
    inbox = os.fdopen(requests, encoding="utf-8")
    outbox = os.fdopen(answers, "w", encoding="utf-8")
    rpc("anvil_setBlockTimestampInterval", 1)
    snapshot = rpc("evm_snapshot")
    say(outbox, {item.nodeid: source_of(item) for item in session.items})
    for line in inbox:
        request = json.loads(line)
        result = in_child(session, request)
        if rpc("evm_revert", snapshot) is not True:
            break  # the chain is gone: the driver starts another server
        snapshot = rpc("evm_snapshot")
        say(outbox, result)
    return True


def say(outbox: Any, message: object) -> None:
    outbox.write(json.dumps(message) + "\n")
    outbox.flush()


def rpc(method: str, *params: object) -> Any:
    from brownie import web3

    return web3.provider.make_request(method, list(params)).get("result")  # type: ignore[union-attr,arg-type]


def source_of(item: pytest.Item) -> str:
    """What a test says, for the choice of those that come first."""
    function = getattr(item, "function", None)
    return inspect.getsource(function) if function else ""


def in_child(session: pytest.Session, request: dict[str, Any]) -> dict[str, Any]:
    """What the forked child found, or that it did not come back in time."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            result = run(session, request)
        except BaseException as problem:
            result = {"outcome": "broken", "test": "", "words": f"{type(problem).__name__}: {problem}"[:300]}
        with os.fdopen(writer, "w", encoding="utf-8") as out:
            json.dump(result, out)
        os._exit(0)  # nothing of what was registered for the end of the parent
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answer:
        ready, _, _ = select.select([answer], [], [], request["patience"])
        if not ready:
            os.kill(child, signal.SIGKILL)
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"outcome": "timeout", "test": "", "words": ""}


def run(session: pytest.Session, request: dict[str, Any]) -> dict[str, Any]:
    swap(request["bytecodes"])
    by_name = {item.nodeid: item for item in session.items}
    items = [by_name[name] for name in request["tests"] if name in by_name]
    used, times = time.process_time(), {}
    for number, item in enumerate(items):
        before = time.process_time()
        following = items[number + 1] if number + 1 < len(items) else None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in runtestprotocol(item, nextitem=following, log=False):
            if report.failed:
                words = str(getattr(report.longrepr, "reprcrash", None) or report.longrepr)[-300:]
                times[item.nodeid] = time.process_time() - before
                return {"outcome": "killed", "test": item.nodeid, "words": words, "ran": number + 1, "times": times}
        times[item.nodeid] = time.process_time() - before
        if time.process_time() - used > request["budget"]:
            return {"outcome": "budget", "test": "", "words": "", "ran": number + 1, "times": times}
    return {"outcome": "survived", "test": "", "words": "", "ran": len(items), "times": times}


def swap(bytecodes: dict[str, str]) -> None:
    """The mutant's creation code instead of ours, wherever the tests take it from."""
    from brownie import web3
    from brownie.project import get_loaded_projects

    from offchain.chain import artifacts

    web3.provider._request_session_manager.session_cache.clear()  # type: ignore[union-attr]  # own connection
    for container in get_loaded_projects()[0].dict().values():
        if container._name in bytecodes:
            container.bytecode = bytecodes[container._name]
            container._build["bytecode"] = bytecodes[container._name]
    load = artifacts._load

    def load_mutant(path: Any, modified: int) -> artifacts.Artifact:
        genuine = load(path, modified)
        if path.stem in bytecodes and path.parent.name == "contracts":
            return artifacts.Artifact(name=genuine.name, abi=genuine.abi, bytecode="0x" + bytecodes[path.stem])
        return genuine

    artifacts._load = load_mutant  # type: ignore[assignment]
