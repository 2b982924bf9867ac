"""What a holder does in the vote of an index: wrap, propose, vote, queue, execute; and the guardian's veto.

    governance = governance_of(read_roles(w3, index.address))
    wrap(w3, alice, governance, index.address, shares)                          votes of her own, delegated to herself
    proposal = propose(w3, alice, governance, calls, "Let UNI in")
    vote(w3, alice, governance, proposal.id, "for")                             queue, execute, veto likewise

`parse_calls("rebalancer.setAllowed(index, [\\"0x…\\"], true)", places)` reads calls as people write them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from web3 import Web3
from web3.exceptions import MismatchedABI
from web3.types import TxReceipt

from offchain.chain.core import contract_artifact
from offchain.chain.deploy import approve_exactly
from offchain.chain.governance import GOVERNOR, TIMELOCK, Governance
from offchain.chain.roles import Roles
from offchain.chain.transactions import Call, Signer, address_of, at, send
from offchain.errors import ChainError, did_you_mean

SUPPORT = {"against": 0, "for": 1, "abstain": 2}
STATES = ("pending", "active", "cancelled", "defeated", "succeeded", "queued", "expired", "executed")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One proposal as the chain tells it. Times {s}; votes {share}; `due`: earliest execution, zero before it is queued."""

    id: int
    text: str
    state: str
    targets: tuple[str, ...]
    values: tuple[int, ...]
    calldatas: tuple[bytes, ...]
    voting_starts: int
    voting_ends: int
    due: int
    against: int
    in_favour: int
    abstaining: int
    quorum: int

    @property
    def key(self) -> tuple[tuple[str, ...], tuple[int, ...], tuple[bytes, ...], bytes]:
        """What queue, execute and cancel are called with."""
        return self.targets, self.values, self.calldatas, bytes(Web3.keccak(text=self.text))


def governance_of(roles: Roles) -> Governance:
    """The vote behind an index. Raises ChainError when an account governs it."""
    if roles.vote is None:
        raise ChainError(
            f'{roles.symbol} is not governed by a vote; see who is: "brownie run roles main {roles.symbol}"'
        )
    return roles.vote.governance


def places_of(roles: Roles) -> dict[str, tuple[str, str]]:
    """Names that calls may begin with → (contract, address)."""
    governance = governance_of(roles)
    places = {
        {"IndexToken": "index", "ExchangeGuard": "guard", "PriceOracle": "oracle"}.get(
            kind, kind[0].lower() + kind[1:]
        ): (
            kind,
            address,
        )
        for kind, address in roles.contracts.items()
    }
    authority = next(address for address, what in roles.authorities.items() if what.startswith("the index"))
    return places | {
        "authority": ("AccessManager", authority),
        "governor": (GOVERNOR, governance.governor),
        "timelock": (TIMELOCK, governance.timelock),
    }


def parse_calls(text: str, places: Mapping[str, tuple[str, str]]) -> list[tuple[str, bytes]]:
    """'place.function(arguments); …' → (target, calldata). Arguments are JSON; a bare place stands for its address."""
    calls = []
    for part in (part.strip() for part in text.split(";")):
        found = re.fullmatch(r"(\w+)\.(\w+)\((.*)\)", part, flags=re.DOTALL)
        if not found:
            raise ChainError(
                f'"{part}" is no call; write place.function(arguments), such as index.setSupplyCap(1000000)'
            )
        place, function, arguments = found.groups()
        if place not in places:
            raise ChainError(
                f'"{place}" is no contract of this index.{did_you_mean(place, places)} {", ".join(places)}'
            )
        kind, target = places[place]
        for name, (_, address) in places.items():
            arguments = re.sub(rf'(?<![\w"]){name}(?![\w"])', f'"{address}"', arguments)
        contract = at(Web3(), contract_artifact(kind), target)
        names = [entry["name"] for entry in contract.abi if entry["type"] == "function"]
        if function not in names:
            raise ChainError(f"{kind} has no function {function}.{did_you_mean(function, names)}")
        try:
            data = contract.encode_abi(function, json.loads(f"[{arguments}]"))
        except (json.JSONDecodeError, TypeError, ValueError, MismatchedABI) as error:
            raise ChainError(
                f'"{part}": the arguments do not fit {function} of {kind} ({_first_line(error)})'
            ) from error
        calls.append((target, bytes.fromhex(data[2:])))
    return calls


# --- what a holder sends ----------------------------------------------------------------------------------------------


def wrap(w3: Web3, signer: Signer, governance: Governance, index: str, shares: int) -> TxReceipt:
    """Wraps {share} and, if the votes are nobody's yet, delegates them to their owner."""
    owner, votes = address_of(signer), governance.contract(w3, "votes")
    approve_exactly(w3, signer, governance.votes, {index: shares})
    receipt = send(w3, signer, votes.functions.depositFor(owner, shares))
    if int(votes.functions.delegates(owner).call(), 16) == 0:
        send(w3, signer, votes.functions.delegate(owner))
    return receipt


def unwrap(w3: Web3, signer: Signer, governance: Governance, shares: int) -> TxReceipt:
    """Gives {share} back, at any time."""
    return send(w3, signer, governance.contract(w3, "votes").functions.withdrawTo(address_of(signer), shares))


def propose(
    w3: Web3, signer: Signer, governance: Governance, calls: Sequence[tuple[str, bytes]], text: str
) -> Proposal:
    """Proposes calls of the timelock, to be made in one transaction."""
    governor = governance.contract(w3, "governor")
    arrays = [target for target, _ in calls], [0] * len(calls), [data for _, data in calls]
    receipt = send(w3, signer, governor.functions.propose(*arrays, text))
    return find_proposal(w3, governance, _id_of(w3, governance, receipt), from_block=int(receipt["blockNumber"]))


def vote(w3: Web3, signer: Signer, governance: Governance, proposal_id: int, support: str) -> TxReceipt:
    """Votes "for", "against" or "abstain"."""
    if support not in SUPPORT:
        raise ChainError(f'"{support}" is no vote.{did_you_mean(support, SUPPORT)} Write for, against or abstain')
    return send(w3, signer, governance.contract(w3, "governor").functions.castVote(proposal_id, SUPPORT[support]))


def queue(w3: Web3, signer: Signer, governance: Governance, proposal: Proposal) -> TxReceipt:
    """Starts the timelock of a proposal that succeeded. Anyone may."""
    return _act(w3, signer, governance, proposal, "queue")


def execute(w3: Web3, signer: Signer, governance: Governance, proposal: Proposal) -> TxReceipt:
    """Does what was decided, once it is due. Anyone may."""
    return _act(w3, signer, governance, proposal, "execute")


def veto(w3: Web3, signer: Signer, governance: Governance, proposal: Proposal) -> TxReceipt:
    """Cancels a proposal: the guardian before it is executed, its proposer before the vote."""
    return _act(w3, signer, governance, proposal, "cancel")


# --- reading ----------------------------------------------------------------------------------------------------------


def read_proposals(w3: Web3, governance: Governance, *, from_block: int = 0) -> list[Proposal]:
    """Every proposal since a block, oldest first."""
    governor = governance.contract(w3, "governor")
    found = []
    for event in governor.events.ProposalCreated().get_logs(from_block=from_block):
        arguments = event["args"]
        proposal_id = int(arguments["proposalId"])
        against, in_favour, abstaining = governor.functions.proposalVotes(proposal_id).call()
        found.append(
            Proposal(
                id=proposal_id,
                text=str(arguments["description"]),
                state=STATES[int(governor.functions.state(proposal_id).call())],
                targets=tuple(arguments["targets"]),
                values=tuple(arguments["values"]),
                calldatas=tuple(bytes(data) for data in arguments["calldatas"]),
                voting_starts=int(arguments["voteStart"]),
                voting_ends=int(governor.functions.proposalDeadline(proposal_id).call()),
                due=int(governor.functions.proposalEta(proposal_id).call()),
                against=int(against),
                in_favour=int(in_favour),
                abstaining=int(abstaining),
                quorum=int(governor.functions.quorumOf(proposal_id).call()),
            )
        )
    return found


def find_proposal(w3: Web3, governance: Governance, proposal_id: int, *, from_block: int = 0) -> Proposal:
    """One of them by its number."""
    for proposal in read_proposals(w3, governance, from_block=from_block):
        if proposal.id == proposal_id:
            return proposal
    raise ChainError(f"the governor {governance.governor} has no proposal {proposal_id}; list them with `govern show`")


def _id_of(w3: Web3, governance: Governance, receipt: TxReceipt) -> int:
    events = governance.contract(w3, "governor").events.ProposalCreated().get_logs(
        from_block=receipt["blockNumber"], to_block=receipt["blockNumber"]
    )  # fmt: skip
    return next(int(e["args"]["proposalId"]) for e in events if e["transactionHash"] == receipt["transactionHash"])


def _act(w3: Web3, signer: Signer, governance: Governance, proposal: Proposal, function: str) -> TxReceipt:
    call: Call = governance.contract(w3, "governor").functions[function](*proposal.key)
    return send(w3, signer, call)


def _first_line(error: Exception) -> str:
    """What an error says in one line; web3's on arguments are pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next(
        (line for line in reversed(lines) if "not compatible" in line), lines[0] if lines else "no reason given"
    )
