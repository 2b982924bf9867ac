"""Was the rule followed? Recomputes an epoch of the weight registry and compares every integer and hash.

    verification = verify_epoch(w3, core, index, 7, Publication.read(path), find_spec("LC10"))
    print(verification)            a line for each thing compared
    verification.is_true           or verification.differences, which name what differs

Needed: a node, the published file, the index file. Nothing is believed because the publisher says so: the hashes on the
chain bind the file and the publication, and the engine decides again from them. Where a methodology decides on chain, its
twin computes again from the inputs in the event, and those inputs are held against the publication too. Where holders vote
about members, the ballots of the publication are held against the governor's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from web3 import Web3

from offchain.chain.ballots import read_ballots
from offchain.chain.core import Core
from offchain.chain.registry import (
    EXECUTED,
    EpochRecord,
    OnChainRule,
    last_number,
    read_epoch,
    read_rule,
    recorded_volatilities,
    weights_of,
)
from offchain.chain.roles import read_roles
from offchain.chain.voting import governance_of
from offchain.epochs.drafting import (
    decided_weights,
    decode_inputs,
    inputs_of,
    recompute,
    request_of,
    tokens_of,
)
from offchain.epochs.publication import Publication
from offchain.errors import BallastError, ChainError
from offchain.methodology import Decision, Methodology
from offchain.spec.model import IndexSpec
from offchain.units import format_weight
from offchain.universe.records import GOVERNOR, Records
from offchain.universe.votes import ballots_to_json

MANAGED = "managed"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing compared: what the chain says, and what follows from the inputs."""

    what: str
    on_chain: str
    recomputed: str

    @property
    def is_equal(self) -> bool:
        return self.on_chain == self.recomputed

    def __str__(self) -> str:
        return f"{self.what}: {self.on_chain} on chain, {self.recomputed} recomputed"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was compared. `rule`: the methodology on chain, or "managed". `notes`: what could not be compared, and why."""

    symbol: str
    index: str
    number: int
    status: str
    rule: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_true(self) -> bool:
        """Whether everything is as it was recomputed."""
        return not self.differences

    @property
    def differences(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.is_equal)

    def __str__(self) -> str:
        head = f"{self.symbol} epoch {self.number} ({self.status}), {self.rule}, index {self.index}"
        width = max(len(check.what) for check in self.checks)
        rows = [
            f"  {'ok' if check.is_equal else 'DIFFERS':8}{check.what.ljust(width)}  {_shown(check)}"
            for check in self.checks
        ]
        last = (
            f"verified: {len(self.checks)} of {len(self.checks)} agree"
            if self.is_true
            else f"NOT verified: {len(self.differences)} of {len(self.checks)} differ: "
            + ", ".join(check.what for check in self.differences)
        )
        return "\n".join([head, *rows, *(f"  note: {note}" for note in self.notes), last])


def verify_epoch(
    w3: Web3,
    core: Core,
    index: str,
    number: int,
    publication: Publication,
    spec: IndexSpec,
    *,
    rules: Methodology | None = None,
) -> Verification:
    """Recomputes an epoch, executed or still pending. Raises ChainError when there is none, or nothing can be read.

    `rules`: those of `spec` where its model, sleeves or records lie in another folder than the shipped ones.
    """
    record = read_epoch(w3, core, index, number)
    # Epoch 1 is the governor's: no methodology computed it, so it is compared as decided.
    rule = read_rule(w3, record.rules.methodology) if record.proposer else None
    checks = [*_identity(w3, core, record, publication, spec)]
    if (votes := compare_ballots(w3, index, publication, spec)) is not None:
        checks.append(votes)
    notes = list(_taken_as_published(publication))
    try:
        decision = _decide(publication, rules or Methodology(spec))
    except BallastError as error:
        checks.append(Check(what="decision", on_chain=f"{len(record.epoch.tokens)} weights", recomputed=str(error)))
    else:
        checks += _weights(w3, core, record, rule, decision, publication, notes)
    return Verification(
        symbol=spec.symbol,
        index=index,
        number=number,
        status=record.status,
        rule=_name(rule),
        checks=tuple(checks),
        notes=tuple(notes),
    )


def compare_ballots(w3: Web3, index: str, publication: Publication, spec: IndexSpec) -> Check | None:
    """What holders had voted by the time of the decision: the one input that the chain itself can be asked for.

    None for rules that do not ask. Ballots that failed have no say and are not compared.
    """
    if spec.universe.votes != GOVERNOR:
        return None
    try:
        voted = read_ballots(w3, governance_of(read_roles(w3, index)))
    except ChainError as error:
        on_chain = str(error)
    else:
        on_chain = _passed(Records(ballots=voted).until(publication.inputs.t))
    return Check(what="ballots", on_chain=on_chain, recomputed=_passed(publication.inputs.records))


def _passed(records: Records) -> str:
    return ballots_to_json([ballot for ballot in records.ballots if ballot.result == "passed"])


def _taken_as_published(publication: Publication) -> Iterator[str]:
    """What the weights also follow from, and this does not look up again."""
    inputs = publication.inputs
    parts = {
        "the facts of the market": True,
        "its history": inputs.history is not None,
        "what was held": bool(inputs.held),
        "the index's own levels": bool(inputs.levels),
        "the labels of the decision before": bool(inputs.labels),
    }
    yield f"taken as published, under the hash on chain: {', '.join(name for name, there in parts.items() if there)}"


def _decide(publication: Publication, rules: Methodology) -> Decision:
    decision = rules.decide_on(publication.inputs, publication.incumbents, tradable=publication.tradable)
    missing = [name for name, weight in decision.target_weights.items() if weight and name not in publication.tokens]
    if missing:
        raise BallastError(f"the publication has no token for {', '.join(missing)}")
    return decision


def _identity(w3: Web3, core: Core, record: EpochRecord, publication: Publication, spec: IndexSpec) -> Iterator[Check]:
    """The hashes; that the tokens are those of the index file; that the registry holds what it announced."""
    epoch = record.epoch
    yield Check(what="spec hash", on_chain=epoch.spec_hash, recomputed=spec.spec_hash)
    yield Check(what="inputs hash", on_chain=epoch.inputs_hash, recomputed=publication.inputs_hash)
    listed = {component.id: component.address for component in spec.components}
    for name, token in publication.tokens.items():
        if listed:
            yield Check(
                what=f"token of {name}", on_chain=token.lower(), recomputed=listed.get(name, "not in the file").lower()
            )
    if record.status == EXECUTED and epoch.number == last_number(w3, core, epoch.index):
        stored = weights_of(w3, core, epoch.index, epoch.tokens)
        yield Check(what="weights in storage", on_chain=str(stored), recomputed=str(list(epoch.weights)))


def _weights(
    w3: Web3,
    core: Core,
    record: EpochRecord,
    rule: OnChainRule | None,
    decision: Decision,
    publication: Publication,
    notes: list[str],
) -> Iterator[Check]:
    epoch = record.epoch
    tokens = tokens_of(decision, publication)
    if rule is None:
        yield Check(what="inputs", on_chain="0x" + record.inputs.hex(), recomputed="0x")
        expected = dict(zip(tokens, decided_weights(decision, publication), strict=True))
    else:
        expected_inputs = inputs_of(rule, decision, publication)
        if expected_inputs is None:
            notes.append(f"the inputs of {rule.name} are not in the market snapshot; they are taken from the event")
        else:
            yield Check(what="inputs", on_chain="0x" + record.inputs.hex(), recomputed="0x" + expected_inputs.hex())
        try:
            expected = _by_twin(w3, core, record, rule)
        except (BallastError, DecodingError) as error:
            yield Check(what="methodology", on_chain=f"{len(epoch.weights)} weights", recomputed=str(error))
            return
    yield Check(what="tokens", on_chain=str(list(epoch.tokens)), recomputed=str(list(tokens)))
    names = {str(Web3.to_checksum_address(token)): name for name, token in publication.tokens.items()}
    on_chain = epoch.weight_of
    for token in sorted({*on_chain, *expected}, key=lambda token: int(token, 16)):
        yield Check(
            what=f"weight of {names.get(token, token)}",
            on_chain=str(on_chain.get(token, 0)),
            recomputed=str(expected.get(token, 0)),
        )


def _by_twin(w3: Web3, core: Core, record: EpochRecord, rule: OnChainRule) -> dict[str, int]:
    """{token: D18} that the methodology's twin computes from the inputs in the event."""
    epoch, inputs = record.epoch, record.inputs
    innermost = rule.inner or rule
    if innermost.name == "RecordedVolatility":
        (last_day,) = decode(["uint256"], inputs)
        found = recorded_volatilities(w3, innermost.address, epoch.tokens, last_day)
        inputs = encode(["uint256[]"], [found])
        innermost = OnChainRule(address=innermost.address, name="InverseVolatility")
        rule = (
            innermost
            if rule.inner is None
            else OnChainRule(address=rule.address, name=rule.name, inner=innermost, step=rule.step)
        )
    before = read_epoch(w3, core, epoch.index, epoch.number - 1).epoch.weight_of
    previous = [before.get(token, 0) for token in epoch.tokens]
    request = request_of(record.rules, epoch.tokens, previous)
    return dict(zip(epoch.tokens, recompute(rule, request, decode_inputs(rule, inputs)), strict=True))


def _name(rule: OnChainRule | None) -> str:
    if rule is None:
        return MANAGED
    return f"{rule.name} of {_name(rule.inner)}" if rule.inner else rule.name


def _shown(check: Check) -> str:
    if check.what.startswith("weight of "):
        on_chain, recomputed = int(check.on_chain), int(check.recomputed)
        text = f"{on_chain} ({format_weight(on_chain)})"
        return text if check.is_equal else f"{text}, recomputed {recomputed} ({format_weight(recomputed)})"
    if check.is_equal:
        return check.on_chain if len(check.on_chain) <= 80 else f"{check.on_chain[:77]}…"
    return f"{check.on_chain} on chain, recomputed {check.recomputed}"
