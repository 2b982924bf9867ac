"""Every shipped index on a chain: deployed, traded by the keeper, bound to weights that anyone can recompute.

On the real records of 2021, over the crash of that May, with every coin that the indexes want; without the records on the
shipped market, where those that it has the coins for are run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from offchain.chain import registry
from offchain.chain.accounts import resolve
from offchain.epochs import draft_epoch, first_epoch, rules_for, verify_epoch
from offchain.errors import BallastError
from offchain.keeper import Done, Keeper, RetryAt, Skip, Stop, devnet_account, open_keeper
from offchain.keeper.planning import weights_by_coin
from offchain.launch import launch, plan_launch
from offchain.market.files import DATA_VARIABLE, market_folder
from offchain.methodology import Methodology
from offchain.spec import find_spec
from offchain.spec.load import index_files
from offchain.units import WAD

if TYPE_CHECKING:
    from offchain.devnet import Devnet

SHIPPED = sorted(name for name in index_files() if not find_spec(name).components)
KEEPER = 3  # its account on the local chain


@dataclass(frozen=True)
class Days:
    """UTC midnights: the deployment, the review that is traded and registered, the one whose weights are proposed."""

    start: str
    review: str
    proposed: str


CRASH = Days(start="2021-05-10", review="2021-05-24", proposed="2021-06-07")
SHIPPED_MARKET = Days(start="2024-06-03", review="2024-08-19", proposed="2024-09-02")


@dataclass(frozen=True)
class Stage:
    """A local market with the coins of all indexes. `source`: what its manifest calls the market."""

    world: Devnet
    source: str
    days: Days


@pytest.fixture(scope="module")
def _stage() -> Iterator[Stage]:
    from offchain.devnet import Anvil, Devnet
    from offchain.market import load_market, synthetic_market

    folder = market_folder()
    real = folder.is_dir()
    market, days = (load_market(folder), CRASH) if real else (synthetic_market(), SHIPPED_MARKET)
    coins: set[str] = set()
    for name in SHIPPED:
        coins |= set(find_spec(name).risk.stable_ids) & set(market.ids)
        for day in (days.start, days.review, days.proposed):
            coins |= wanted(market, name, day)
    with Anvil.start(timestamp=Devnet.genesis(days.start)) as node:
        world = Devnet.build(node, market, start=days.start, coins=sorted(coins))
        yield Stage(world=world, source=str(folder) if real else "synthetic", days=days)


def wanted(market: object, name: str, day: str) -> set[str]:
    """Coins that the index would hold, none where the market has too few."""
    try:
        return set(Methodology.open(name).decide(market, day).target_weights)  # type: ignore[arg-type]
    except BallastError:
        return set()


@pytest.fixture
def stage(_stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    folder = tmp_path / "deployments"
    path = folder / str(_stage.world.w3.eth.chain_id) / "market.json"
    path.parent.mkdir(parents=True)
    url = str(_stage.world.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    path.write_text(json.dumps({"url": url, "market": _stage.source, **_stage.world.manifest()}), encoding="utf-8")
    monkeypatch.setenv("BALLAST_DEPLOYMENTS", str(folder))
    with _stage.world.rewound():
        yield _stage


def drift(keeper: Keeper, targets: dict[str, int]) -> int:
    """D18, one way, from what is held to `targets`."""
    held = weights_by_coin(keeper.read())
    return sum(abs(held.get(coin, 0) - targets.get(coin, 0)) for coin in {*held, *targets}) // 2


def wait_for(world: Devnet, time: int) -> None:
    """The first midnight at or after {s} `time`, with fresh prices, where the world is earlier."""
    if time > world.now:
        world.step(pd.Timestamp(-(-time // 86_400) * 86_400, unit="s"))


@pytest.mark.parametrize("name", SHIPPED)
def test_index_is_deployed_traded_registered_and_verified(stage: Stage, name: str) -> None:
    world, days = stage.world, stage.days
    w3, symbol = world.w3, find_spec(name).symbol
    if stage.source == "synthetic" and not wanted(world.market, name, days.start):
        pytest.skip(f"the shipped market has too few coins for {symbol}; with real records ({DATA_VARIABLE}) it is run")
    deployer, governor, strategist = (resolve(w3, who) for who in ("deployer", "governor", "keeper"))
    launched = launch(w3, deployer, plan_launch(w3, deployer, name))
    core, index = launched.core, launched.index

    world.step(days.review)
    with open_keeper(w3, symbol, devnet_account(KEEPER)) as keeper:
        decision, publication = keeper.publish()
        targets = dict(decision.target_weights)
        assert max(targets.values()) <= keeper.read().state.policy.max_weight
        before, outcome = drift(keeper, targets), keeper.execute()
        after = drift(keeper, targets)
        if isinstance(outcome, Done):
            assert after < before and (after < WAD // 100 or outcome.report.left), outcome
        elif isinstance(outcome, Skip):  # that market is quieter than the crash
            assert stage.source == "synthetic" and "below the band" in outcome.reason, outcome
        else:  # the coins of some themes trade in pools that bear little
            assert isinstance(outcome, RetryAt) and "the pools do not bear the rest" in outcome.reason, outcome
            assert after < before

        publication.write(Path(os.environ["BALLAST_DEPLOYMENTS"]) / "31337" / "publications")
        first = first_epoch(index.address, decision, publication)
        later = registry.schedule_registration(w3, governor, core, index.authority, first, rules_for(keeper.spec))
        wait_for(world, later)
        scheduled = registry.scheduled_registration(w3, core, index.address, index.authority, governor)
        assert scheduled is not None
        registry.execute_registration(w3, governor, core, index.authority, scheduled[0])
        assert verify_epoch(w3, core, index.address, 1, publication, keeper.spec).is_true

    world.step(days.proposed)
    with open_keeper(w3, symbol, devnet_account(KEEPER)) as keeper:
        decision, publication = keeper.publish()
        draft = draft_epoch(w3, core, index.address, decision, publication)
        registry.propose(w3, strategist, core, draft.epoch, draft.inputs)
        wait_for(world, int(core.contract(w3, "registry").functions.bookOf(index.address).call()[2]))
        registry.execute(w3, strategist, core, draft.epoch)
        verification = verify_epoch(w3, core, index.address, 2, publication, keeper.spec)
        assert verification.is_true, verification
        remembers = keeper.methodology.remembers
        assert remembers == any("what was held" in note for note in verification.notes)
        wait_for(world, registry.bind(w3, governor, core, index.authority, index.address, core.registry))
        registry.bind(w3, governor, core, index.authority, index.address, core.registry)
        executed = dict(zip(draft.epoch.tokens, draft.epoch.weights, strict=True))
        try:
            proposal = keeper.plan()
        except Stop as stop:
            assert stage.source == "synthetic" and "below the band" in stop.outcome.reason, stop.outcome
        else:
            assert proposal.start is not None
            planned = dict(zip(proposal.start.tokens, proposal.start.weights, strict=True))
            assert {token: weight for token, weight in planned.items() if weight} == executed
