"""`brownie run weights …` and `verify`: an epoch from the index file to storage, and the check that anyone can run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offchain.chain.registry import read_epoch
from tests.journeys.conftest import ROOT, Brownie

if TYPE_CHECKING:
    from offchain.devnet import Devnet
    from offchain.launch import Launched


def test_weights_are_registered_proposed_executed_and_verified(
    chain: Devnet, launched: Launched, brownie: Brownie, tmp_path: Path
) -> None:
    """G5 as commands; a tampered file, and an epoch that is not there, end with exit code 1 and the reason."""
    done = brownie("weights", "register", "EQ5")  # the governor's actions wait a day
    assert (done.code, done.errors) == (0, []) and "EQ5 registration scheduled" in done.out
    early = brownie("weights", "register", "EQ5")
    assert early.code == 1 and "execute it after" in early.errors[-1]
    chain.node.advance(86_400)
    done = brownie("weights", "register", "EQ5")
    assert (done.code, done.errors) == (0, []) and "EQ5 epoch 1 executed" in done.out
    chain.step("2024-06-10")
    done = brownie("weights", "propose", "EQ5")
    assert (done.code, done.errors) == (0, []) and "EQ5 epoch 2 proposed" in done.out
    shown = brownie("weights", "show", "EQ5").out
    assert "EQ5: epoch 1, managed" in shown and "epoch 2 is pending" in shown
    registry = launched.core.contract(chain.w3, "registry")
    chain.node.mine(timestamp=registry.functions.bookOf(launched.index.address).call()[2])
    done = brownie("weights", "execute", "EQ5", "2")
    assert (done.code, done.errors) == (0, []) and "EQ5 epoch 2 executed" in done.out

    later = brownie("weights", "bind", "EQ5")  # waits like everything the governor does
    assert (later.code, later.errors) == (0, []), later.out
    assert "EQ5 bind scheduled; again after" in later.out
    chain.node.advance(86_400)
    done = brownie("weights", "bind", "EQ5")
    assert "EQ5 plans go only to weights the registry executed" in done.out
    rebalancer = launched.core.contract(chain.w3, "rebalancer").functions
    assert rebalancer.weightSourceOf(launched.index.address).call() == launched.core.registry

    checked = brownie("verify", "main", "EQ5", "2")
    assert (checked.code, checked.errors) == (0, []) and "verified: " in checked.out
    folder = Path(os.environ["BALLAST_DEPLOYMENTS"]) / "31337" / "publications"
    named = read_epoch(chain.w3, launched.core, launched.index.address, 2).epoch.inputs_hash
    published = folder / f"{named}.json"
    content = json.loads(published.read_text())
    content["incumbents"] = []
    content["tradable"] = content["tradable"][:5]
    tampered = tmp_path / "tampered.json"
    tampered.write_text(json.dumps(content))
    program = [sys.executable, "scripts/verify.py", "--index", "EQ5", "--epoch"]
    bad = subprocess.run(
        [*program, "2", "--snapshot", str(tampered)], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert bad.returncode == 1 and "NOT verified" in bad.stdout and "inputs hash" in bad.stdout.splitlines()[-1]
    good = subprocess.run(
        [*program, "2", "--snapshot", str(published)], cwd=ROOT, capture_output=True, text=True, timeout=180
    )
    assert good.returncode == 0, good.stdout + good.stderr
    missing = brownie("verify", "main", "EQ5", "3")
    assert missing.code == 1 and "the last executed is 2" in missing.errors[-1]
