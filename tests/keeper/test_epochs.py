"""From a decision to an executed epoch and back: published, proposed, executed, verified, on a local market.

a managed index
├── verifies from the published file: every hash, token and weight
├── given a tampered snapshot, another spec, or another epoch's file it says what differs
├── given a proposer who bent the weights it names the coins
└── a pending proposal can be verified before anyone executes it

an index whose plans are bound to the registry
├── a plan goes to the executed weights, whatever the market says by then, to the wei
├── bound to a registry that executed nothing it refuses, and names the way out
└── when the governor's actions wait, the first call schedules and the second binds; freed, it goes to its own decision again

an index whose rule is on chain
├── the inputs follow from the publication, and the twin computes the weights
├── the rule's weights are the engine's, but for the order of ties
└── a proposer who feeds other inputs is found out, although the contract agrees with him
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_abi.abi import encode

from offchain.chain import registry
from offchain.chain.artifacts import artifact
from offchain.chain.registry import Epoch, Rules
from offchain.chain.transactions import send
from offchain.epochs import Publication, draft_epoch, first_epoch, rules_for, verify_epoch
from offchain.errors import ChainError, DecisionMismatch, MarketDataError, TransactionReverted
from offchain.keeper import Keeper
from offchain.keeper.outcomes import Done, Halt, Stop
from offchain.keeper.planning import wanted_by
from offchain.reference import weight_math
from offchain.spec import find_spec
from offchain.units import WAD
from tests.keeper.support import GOVERNOR, GUARDIAN, STRATEGIST, WEEKS, Fund

DAY = 86_400


@pytest.fixture
def keeper(fund: Fund, ledger: Path) -> Iterator[Keeper]:
    with fund.keeper(ledger) as keeper:
        yield keeper


class Desk:
    """The people of a fund at the registry."""

    def __init__(self, fund: Fund, keeper: Keeper, folder: Path) -> None:
        self.fund, self.keeper, self.folder = fund, keeper, folder
        self.w3, self.core, self.index = fund.world.w3, fund.core, fund.index.address
        self.people = fund.world.node.accounts

    def publish(self) -> tuple[object, Publication, Path]:
        decision, publication = self.keeper.publish()
        return decision, publication, publication.write(self.folder)

    def register(self, methodology: str = "", **changes: int) -> Path:
        decision, publication = self.keeper.publish()
        rules = replace(rules_for(self.fund.spec, methodology=methodology), **changes)
        registry.register(
            self.w3, self.people[GOVERNOR], self.core, first_epoch(self.index, decision, publication), rules
        )
        return publication.write(self.folder)

    def propose(self, epoch: Epoch | None = None, inputs: bytes | None = None) -> tuple[Epoch, Path]:
        decision, publication = self.keeper.publish()
        draft = draft_epoch(self.w3, self.core, self.index, decision, publication)
        epoch = epoch or draft.epoch
        registry.propose(self.w3, self.people[STRATEGIST], self.core, epoch, draft.inputs if inputs is None else inputs)
        return epoch, publication.write(self.folder)

    def execute(self, epoch: Epoch) -> None:
        book = self.core.contract(self.w3, "registry").functions.bookOf(self.index).call()
        self.fund.world.node.mine(timestamp=book[2])
        registry.execute(self.w3, self.people[9], self.core, epoch)

    def verify(self, number: int, path: Path, **changes: object):  # type: ignore[no-untyped-def]
        arguments = {"publication": Publication.read(path), "spec": self.fund.spec, **changes}
        return verify_epoch(self.w3, self.core, self.index, number, **arguments)

    def deploy(self, name: str, *arguments: object) -> str:
        compiled = artifact(name)
        constructor = self.w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode).constructor(*arguments)
        return str(send(self.w3, self.people[0], constructor)["contractAddress"])


@pytest.fixture
def desk(fund: Fund, keeper: Keeper, tmp_path: Path) -> Desk:
    return Desk(fund, keeper, tmp_path / "publications")


def named(verification) -> list[str]:  # type: ignore[no-untyped-def]
    return [check.what for check in verification.differences]


# --- managed ----------------------------------------------------------------------------------------------------------


def test_an_executed_epoch_verifies_from_the_published_file(desk: Desk, keeper: Keeper) -> None:
    """G5: spec hash, inputs hash, tokens and each weight are recomputed and equal, for both epochs."""
    first = desk.register()
    desk.fund.world.step(WEEKS[1])
    epoch, path = desk.propose()
    desk.execute(epoch)
    assert path.name == f"{epoch.inputs_hash}.json"
    for number, file in ((1, first), (2, path)):
        verification = desk.verify(number, file)
        assert verification.is_true and verification.status == registry.EXECUTED, str(verification)
        whats = [check.what for check in verification.checks]
        assert {"spec hash", "inputs hash", "tokens"} <= set(whats)
        assert sum(what.startswith("weight of ") for what in whats) == len(verification_tokens(desk, number))
    assert "verified: " in str(desk.verify(2, path))
    decision = keeper.methodology.decide_on(
        Publication.read(path).snapshot, Publication.read(path).incumbents, tradable=Publication.read(path).tradable
    )
    on_chain = dict(zip(epoch.tokens, registry.weights_of(desk.w3, desk.core, desk.index, epoch.tokens), strict=True))
    tokens = {token.id: token.address for token in desk.fund.world.tokens.values()}
    assert on_chain == {tokens[coin]: weight for coin, weight in decision.target_weights.items() if weight}
    assert sum(on_chain.values()) == WAD


def verification_tokens(desk: Desk, number: int) -> tuple[str, ...]:
    return registry.read_epoch(desk.w3, desk.core, desk.index, number).epoch.tokens


def test_a_tampered_publication_is_found(desk: Desk, tmp_path: Path) -> None:
    """E7: one market cap changed by a dollar, a coin held that was not, a token that stands for another coin."""
    path = desk.register()
    data = json.loads(path.read_text())
    columns = data["snapshot"]["columns"]
    cap, name = columns.index("market_cap"), columns.index("id")
    members = list(data["tokens"])

    def with_more(factor: float) -> dict[str, object]:
        changed = json.loads(path.read_text())
        row = next(row for row in changed["snapshot"]["coins"] if row[name] == members[-1])
        row[cap] = repr(float(row[cap]) * factor)
        return changed

    swapped = json.loads(path.read_text())
    swapped["tokens"][members[0]], swapped["tokens"][members[1]] = (
        swapped["tokens"][members[1]], swapped["tokens"][members[0]],
    )  # fmt: skip
    held = {**data, "incumbents": [*data["incumbents"], "not-a-coin"]}
    for changed, differs in (
        (with_more(1.000001), {"inputs hash", f"weight of {members[-1]}"}),
        (swapped, {"inputs hash", f"weight of {members[0]}", f"weight of {members[1]}"}),
        (held, {"inputs hash"}),
    ):
        file = tmp_path / "tampered.json"
        file.write_text(json.dumps(changed))
        verification = desk.verify(1, file)
        assert differs <= set(named(verification)), str(verification)
        assert "NOT verified" in str(verification) and not verification.is_true
    file.write_text("{}")
    with pytest.raises(MarketDataError, match="not a publication"):
        desk.verify(1, file)
    with pytest.raises(MarketDataError, match="cannot be read"):
        desk.verify(1, tmp_path / "missing.json")


def test_another_spec_or_another_epoch_is_found(desk: Desk) -> None:
    first = desk.register()
    desk.fund.world.step(WEEKS[1])
    epoch, second = desk.propose()
    desk.execute(epoch)
    assert set(named(desk.verify(1, second))) >= {"inputs hash"}
    assert set(named(desk.verify(2, first))) >= {"inputs hash"}
    assert "spec hash" in named(desk.verify(2, second, spec=find_spec("SQRT20")))
    capped = replace(desk.fund.spec, weights=replace(desk.fund.spec.weights, max_weight=0.2))
    found = desk.verify(2, second, spec=capped)
    assert "spec hash" in named(found) and any(what.startswith("weight of ") for what in named(found))
    with pytest.raises(ChainError, match="the last executed is 2"):
        desk.verify(3, second)


def test_weights_that_the_proposer_bent_are_found_before_they_are_executed(desk: Desk) -> None:
    """E6, E7: within all bounds the strategist moves 1 % from one coin to another; the guardian sees it and vetoes."""
    desk.register()
    desk.fund.world.step(WEEKS[1])
    decision, publication = desk.keeper.publish()
    honest = draft_epoch(desk.w3, desk.core, desk.index, decision, publication).epoch
    weights = list(honest.weights)
    low, high = weights.index(min(weights)), weights.index(max(weights))
    weights[low] += WAD // 100
    weights[high] -= WAD // 100
    bent = replace(honest, weights=tuple(weights))
    _, path = desk.propose(bent)
    verification = desk.verify(2, path)
    assert verification.status == registry.PENDING
    coins = {address: coin for coin, address in publication.tokens.items()}
    assert sorted(named(verification)) == sorted(f"weight of {coins[bent.tokens[i]]}" for i in (low, high))
    registry.veto(desk.w3, desk.people[GUARDIAN], desk.core, desk.index, 2)
    assert desk.verify(2, path).status == registry.DROPPED
    epoch, path = desk.propose()
    assert desk.verify(2, path).is_true and desk.verify(2, path).status == registry.PENDING
    desk.execute(epoch)
    assert desk.verify(2, path).is_true


def test_a_decision_and_a_publication_of_something_else_do_not_go_together(desk: Desk) -> None:
    decision, publication = desk.keeper.publish()
    other = replace(publication, incumbents=(*publication.incumbents, "zzz"))
    with pytest.raises(DecisionMismatch, match="is not of the decision"):
        first_epoch(desk.index, decision, other)
    with pytest.raises(MarketDataError, match="no token for"):
        Publication.of(decision, publication.snapshot, {})
    again = Publication.from_json(publication.to_json())
    assert again.to_json() == publication.to_json() and again.inputs.inputs_hash == publication.inputs.inputs_hash
    assert replace(again, inputs=publication.inputs) == publication
    with pytest.raises(ChainError, match="not in the weight registry"):
        draft_epoch(desk.w3, desk.core, desk.index, decision, publication)


# --- bound ------------------------------------------------------------------------------------------------------------


def bind(desk: Desk, source: str) -> int:
    authority = desk.fund.index.authority
    return registry.bind(desk.w3, desk.people[GOVERNOR], desk.core, authority, desk.index, source)


def test_a_bound_keeper_goes_to_the_executed_weights(desk: Desk, keeper: Keeper) -> None:
    """G5, C3: a strategist's vote of last week is what plans go to; the decision of today is not."""
    desk.register(max_weight=WAD)
    desk.fund.world.step(WEEKS[0])
    decision, publication = keeper.publish()
    draft = draft_epoch(desk.w3, desk.core, desk.index, decision, publication)
    richest = max(range(len(draft.epoch.weights)), key=draft.epoch.weights.__getitem__)
    poorest = min(range(len(draft.epoch.weights)), key=draft.epoch.weights.__getitem__)
    weights = list(draft.epoch.weights)
    weights[richest] -= WAD // 20
    weights[poorest] += WAD // 20
    epoch, _ = desk.propose(replace(draft.epoch, weights=tuple(weights)))
    desk.execute(epoch)
    assert bind(desk, desk.core.registry) == 0
    desk.fund.world.step(WEEKS[1])
    start = keeper.plan().start
    assert start is not None
    assert {
        token: weight for token, weight in zip(start.tokens, start.weights, strict=True) if weight
    } == epoch.weight_of
    assert isinstance(keeper.run(), Done)
    units = desk.core.contract(desk.w3, "rebalancer").functions
    assert units.planOf(desk.index).call()[0] == 1

    assert bind(desk, registry.NOBODY) == 0
    wanted = keeper.decide().target_weights
    desk.fund.world.step(WEEKS[2])
    free = keeper.plan(decision=keeper.decide()).start
    assert free is not None and sorted(filter(None, free.weights)) != sorted(epoch.weights)
    assert sum(free.weights) == sum(wanted.values()) == WAD


def test_a_bound_keeper_without_an_executed_epoch_says_so(desk: Desk, keeper: Keeper) -> None:
    """E8: bound to a registry that knows nothing of the index, no plan starts; the message names registry and way out."""
    assert bind(desk, desk.core.registry) == 0
    with pytest.raises(ChainError, match=f"bound to the weights of {desk.core.registry}.*unbind it"):
        keeper.read()


def test_executed_weights_of_a_token_nobody_lists_halt_the_keeper(desk: Desk, keeper: Keeper) -> None:
    desk.register()
    bind(desk, desk.core.registry)
    situation = keeper.read()
    assert situation.executed is not None
    token = next(iter(situation.executed))
    coins = {address: coin for address, coin in situation.coins.items() if address != token}
    with pytest.raises(Stop) as stop:
        wanted_by(replace(situation, coins=coins), keeper.decide(situation))
    assert isinstance(stop.value.outcome, Halt) and token in stop.value.outcome.reason


# --- on chain ---------------------------------------------------------------------------------------------------------


def test_a_rule_on_chain_verifies_from_its_inputs_and_from_the_publication(desk: Desk) -> None:
    """LC10 is capped market cap: the contract computes from the caps in the event, which are those of the snapshot."""
    desk.register(desk.deploy("CappedMarketCap"))
    desk.fund.world.step(WEEKS[1])
    epoch, path = desk.propose()
    desk.execute(epoch)
    verification = desk.verify(2, path)
    assert verification.is_true and verification.rule == "CappedMarketCap", str(verification)
    assert "inputs" in [check.what for check in verification.checks]
    decision, publication = desk.keeper.publish()
    assert dict(zip(epoch.tokens, epoch.weights, strict=True)) == {
        publication.tokens[coin]: weight for coin, weight in decision.target_weights.items() if weight
    }  # no two caps are equal, so there are no ties


def test_inputs_that_do_not_follow_from_the_publication_are_found(desk: Desk) -> None:
    """E7: with caps of his own the strategist satisfies the contract, and not whoever reads the snapshot."""
    desk.register(desk.deploy("CappedMarketCap"), max_change=2 * WAD)
    desk.fund.world.step(WEEKS[1])
    decision, publication = desk.keeper.publish()
    honest = draft_epoch(desk.w3, desk.core, desk.index, decision, publication)
    caps = [10**18 * (1 + i) for i in range(len(honest.epoch.tokens))]
    invented = draft_epoch(desk.w3, desk.core, desk.index, decision, publication, inputs=encode(["uint256[]"], [caps]))
    with pytest.raises(TransactionReverted, match="WeightsMismatch"):
        desk.propose(invented.epoch, honest.inputs)
    _, path = desk.propose(invented.epoch, invented.inputs)
    assert named(desk.verify(2, path)) == ["inputs"]


def test_a_damped_rule_verifies_from_the_epoch_before(desk: Desk) -> None:
    managed = desk.deploy("Managed")
    desk.register(desk.deploy("DampedStep", managed, WAD // 3))
    desk.fund.world.step(WEEKS[1])
    epoch, path = desk.propose()
    desk.execute(epoch)
    verification = desk.verify(2, path)
    assert verification.is_true and verification.rule == "DampedStep of Managed", str(verification)
    assert verification.notes == ("taken as published, under the hash on chain: the facts of the market",)


@pytest.mark.parametrize(
    ("symbol", "rule"), [("LC10", "CappedMarketCap"), ("SQRT20", "SqrtMarketCap"), ("EQ5", "EqualWeight")]
)
def test_the_rules_on_chain_are_the_engines_for_the_shipped_index_files(desk: Desk, symbol: str, rule: str) -> None:
    """The same integers for the same order of names. Equal weights differ in who gets the remainder: the first by id here,
    the first by address there, so they are compared in one order.
    """
    from offchain.methodology import Methodology
    from offchain.units import fraction_to_wad, usd_to_nano

    spec = find_spec(symbol)
    methodology = Methodology(spec)
    for date in WEEKS:
        snapshot = methodology.snapshot(desk.fund.world.market, date)
        decision = methodology.decide_on(snapshot)
        ids = [name for name, weight in decision.target_weights.items() if weight]
        request = weight_math.Request(
            tokens=tuple(ids),
            previous=(0,) * len(ids),
            min_weight=fraction_to_wad(spec.weights.min_weight),
            max_weight=fraction_to_wad(spec.weights.max_weight),
        )
        caps = [] if rule == "EqualWeight" else [usd_to_nano(snapshot[name].market_cap or 0.0) for name in ids]
        assert weight_math.compute(rule, request, caps) == [decision.target_weights[name] for name in ids]


def test_the_rules_for_an_index_file_fit_it(desk: Desk) -> None:
    spec = find_spec("LC10")
    rules = rules_for(spec)
    assert rules == Rules(
        min_weight=WAD * 5 // 1000,
        max_weight=WAD // 4,
        max_change=WAD,
        min_interval=6 * DAY,
        delay=DAY // 2,
        ttl=3 * DAY,
    )
    assert (spec.weights.min_weight, spec.weights.max_weight) == (0.005, 0.25)
    unbound = replace(spec, weights=replace(spec.weights, min_weight=0.0))
    assert rules_for(unbound).min_weight == 1  # a token with no weight at all is not in an epoch
