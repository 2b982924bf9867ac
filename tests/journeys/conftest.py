"""The stories of the README as commands: a local market, its manifest in a folder of the test's own, and brownie.

market      a small local market on anvil, one per session
chain       the same for one test, with an empty deployments folder; undone afterwards
launched    EQ5 deployed on it by `deployer`
brownie     runs `brownie run …` and returns exit code, stdout, stderr; `brownie.start` for several at a time
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from offchain.devnet import Devnet
    from offchain.launch import Launched

ROOT = Path(__file__).resolve().parents[2]
START = "2024-06-03"
COINS = 7
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="session")
def market() -> Iterator[Devnet]:
    from offchain.devnet import Anvil, Devnet, choose_coins
    from offchain.market import synthetic_market

    data = synthetic_market()
    with Anvil.start(timestamp=Devnet.genesis(START)) as node:
        yield Devnet.build(node, data, start=START, coins=choose_coins(data, [START], top=COINS))


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Devnet, Launched, Path]]:
    """Another such market with EQ5 on it, and the folder of its files; deployed once, because it takes a second."""
    from offchain.chain.accounts import resolve
    from offchain.devnet import Anvil, Devnet, choose_coins
    from offchain.launch import launch, plan_launch
    from offchain.market import synthetic_market

    data = synthetic_market()
    folder = tmp_path_factory.mktemp("deployed") / "deployments"
    with Anvil.start(timestamp=Devnet.genesis(START)) as node, pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALLAST_DEPLOYMENTS", str(folder))
        world = Devnet.build(node, data, start=START, coins=choose_coins(data, [START], top=COINS))
        write_market_manifest(world, folder)
        deployer = resolve(world.w3, "deployer")
        done = launch(world.w3, deployer, plan_launch(world.w3, deployer, "EQ5"))
        patch.undo()
        yield world, done, folder


@pytest.fixture
def chain(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    folder = tmp_path / "deployments"
    if "launched" in request.fixturenames:
        market, _, files = request.getfixturevalue("deployed")
        shutil.copytree(files, folder)
    else:
        market = request.getfixturevalue("market")
        write_market_manifest(market, folder)
    monkeypatch.setenv("BALLAST_DEPLOYMENTS", str(folder))
    monkeypatch.setenv("BALLAST_PORT", market.node.w3.provider.endpoint_uri.rsplit(":", 1)[1])
    for name in ("BALLAST_ACCOUNT", "BALLAST_YES", "BALLAST_FAUCET", "BALLAST_APPROVE", "MARKET"):
        monkeypatch.delenv(name, raising=False)
    with market.rewound():
        yield market


def write_market_manifest(world: Devnet, folder: Path) -> None:
    """What `make chain` writes."""
    path = folder / str(world.w3.eth.chain_id) / "market.json"
    path.parent.mkdir(parents=True)
    url = world.w3.provider.endpoint_uri
    path.write_text(json.dumps({"url": url, "market": "synthetic", **world.manifest()}), encoding="utf-8")


@pytest.fixture
def launched(chain: Devnet, deployed: tuple[Devnet, Launched, Path]) -> Launched:
    return deployed[1]


@dataclass(frozen=True)
class Ended:
    """How a command ended. `errors`: the lines it wrote to stderr."""

    code: int
    out: str
    errors: list[str]


class Brownie:
    """`brownie("deploy", "main", "x.toml", network="devnet", YES="1")`: BALLAST_YES=1 is set for the command."""

    def start(self, *arguments: str, network: str = "devnet", **environment: str) -> subprocess.Popen[str]:
        program = Path(sys.executable).with_name("brownie")
        extra = {
            name if name.isupper() and "_" in name else f"BALLAST_{name}": value for name, value in environment.items()
        }
        return subprocess.Popen(
            [str(program), "run", *arguments, "--network", network],
            cwd=ROOT,
            env={**os.environ, **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate(timeout=180)
        errors = [line for line in COLOUR.sub("", err).splitlines() if line.strip()]
        return Ended(code=process.returncode, out=COLOUR.sub("", out), errors=errors)

    def __call__(self, *arguments: str, network: str = "devnet", **environment: str) -> Ended:
        return self.end(self.start(*arguments, network=network, **environment))


@pytest.fixture
def brownie() -> Brownie:
    return Brownie()
