"""Ballots about members, read from an index's governor.

A proposal is about members when its text has lines of this form, one coin each, by its id in the market data:

    ballast:include uniswap
    ballast:exclude terra-luna

It counts once it was executed, from the time of that block: until then the guardian may still veto it. A proposal that
was defeated, cancelled or that expired is a ballot that failed; one that is still under way is none yet.
"""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime

from web3 import Web3

from offchain.chain.deploy import IndexDeployment
from offchain.chain.deployments import first_block
from offchain.chain.governance import Governance
from offchain.chain.roles import read_deployed
from offchain.chain.voting import Proposal, governance_of, read_proposals
from offchain.errors import ChainError
from offchain.universe.votes import Ballot

_log = logging.getLogger(__name__)

INCLUDE, EXCLUDE = "ballast:include", "ballast:exclude"
FAILED = ("cancelled", "defeated", "expired")

_LINE = re.compile(rf"^[ \t]*({INCLUDE}|{EXCLUDE})[ \t]+(\S+)[ \t]*$", flags=re.MULTILINE)
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def members_in(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(include, exclude) of a proposal's text, sorted; both empty when it is not about members.

    Raises ChainError for a line that cannot be an id, and for a coin that is voted in and out at once.
    """
    found: dict[str, set[str]] = {INCLUDE: set(), EXCLUDE: set()}
    for verb, name in _LINE.findall(text):
        if not _ID.fullmatch(name):
            raise ChainError(f'"{verb} {name}": write the coin\'s id in lower case, such as {verb} uniswap')
        found[verb].add(name)
    both = sorted(found[INCLUDE] & found[EXCLUDE])
    if both:
        raise ChainError(f"the proposal votes {', '.join(both)} both in and out")
    return tuple(sorted(found[INCLUDE])), tuple(sorted(found[EXCLUDE]))


def member_lines(*, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> str:
    """The lines that make a proposal's text one about members."""
    return "\n".join([*(f"{INCLUDE} {name}" for name in include), *(f"{EXCLUDE} {name}" for name in exclude)])


def read_ballots(w3: Web3, governance: Governance, *, from_block: int = 0) -> tuple[Ballot, ...]:
    """Every decided proposal about members since a block, oldest first. A text that contradicts itself is no ballot, and is logged."""
    executed = {
        int(event["args"]["proposalId"]): int(event["blockNumber"])
        for event in governance.contract(w3, "governor").events.ProposalExecuted().get_logs(from_block=from_block)
    }
    found = []
    for proposal in read_proposals(w3, governance, from_block=from_block):
        ballot = _ballot(w3, proposal, executed)
        if ballot is not None:
            found.append(ballot)
    return tuple(sorted(found, key=lambda ballot: (ballot.time, ballot.proposal)))


def ballots_of(w3: Web3, index: IndexDeployment) -> tuple[Ballot, ...]:
    """Those of the governor of a deployed index. Raises ChainError when its holders do not govern it."""
    roles = read_deployed(w3, index, from_block=first_block(w3.eth.chain_id))
    return read_ballots(w3, governance_of(roles), from_block=index.block)


def _ballot(w3: Web3, proposal: Proposal, executed: dict[int, int]) -> Ballot | None:
    if INCLUDE not in proposal.text and EXCLUDE not in proposal.text:
        return None
    try:
        include, exclude = members_in(proposal.text)
    except ChainError as error:  # anyone may propose nonsense; it must not keep the others from being read
        _log.warning("event=unreadable-ballot proposal=%s reason=%s", proposal.id, error)
        return None
    if not include and not exclude:
        return None
    if proposal.state == "executed":
        block = executed[proposal.id]
        time = int(w3.eth.get_block(block)["timestamp"])
        return Ballot(proposal=proposal.id, time=_utc(time), block=block, include=include, exclude=exclude)
    if proposal.state in FAILED:
        return Ballot(
            proposal=proposal.id, time=_utc(proposal.voting_ends), include=include, exclude=exclude, result="failed"
        )
    return None


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
