"""An index that its holders govern: vote-wrapped shares, a governor that counts them, a timelock that acts.

    timelock = deploy_timelock(w3, signer, terms)               before the index: it will be its governor
    governance = deploy_governance(w3, signer, index, timelock, guardian, terms)

The signer names the proposer of the timelock and renounces in the same transaction; afterwards nobody administers it but
itself. Whoever holds the index's governor role then is the vote, and every action waits the timelock's delay.
"""

from __future__ import annotations

from dataclasses import dataclass

from web3 import Web3
from web3.contract.contract import Contract

from offchain.chain.artifacts import artifact
from offchain.chain.deploy import Journal, deploy_step
from offchain.chain.terms import HOUR
from offchain.chain.transactions import Signer, address_of, at, send
from offchain.errors import ChainError
from offchain.spec.model import IndexSpec
from offchain.units import fraction_to_wad

VOTES, GOVERNOR, TIMELOCK = "IndexVotes", "IndexGovernor", "IndexTimelock"


@dataclass(frozen=True, kw_only=True)
class VoteTerms:
    """How a vote goes. Times {s}; `proposal_threshold` D18 of the wrapped shares; `quorum_percent` of all shares."""

    voting_delay: int
    voting_period: int
    vote_extension: int
    proposal_threshold: int
    quorum_percent: int
    timelock_delay: int

    @classmethod
    def from_spec(cls, spec: IndexSpec) -> VoteTerms:
        """The terms of a spec's [governance]."""
        rules = spec.governance
        return cls(
            voting_delay=rules.voting_delay_hours * HOUR,
            voting_period=rules.voting_period_hours * HOUR,
            vote_extension=rules.late_vote_hours * HOUR,
            proposal_threshold=fraction_to_wad(rules.proposal_threshold),
            quorum_percent=rules.quorum_percent,
            timelock_delay=rules.timelock_hours * HOUR,
        )

    def settings(self, guardian: str) -> tuple[int | str, ...]:
        """IndexGovernor.Settings."""
        return (
            self.voting_delay,
            self.voting_period,
            self.vote_extension,
            self.proposal_threshold,
            self.quorum_percent,
            guardian,
        )


@dataclass(frozen=True, kw_only=True)
class Governance:
    """The three contracts that govern one index."""

    votes: str
    governor: str
    timelock: str

    def contract(self, w3: Web3, name: str) -> Contract:
        """The contract of that field name."""
        kind = {"votes": VOTES, "governor": GOVERNOR, "timelock": TIMELOCK}[name]
        return at(w3, artifact(kind), getattr(self, name))


def deploy_timelock(w3: Web3, signer: Signer, terms: VoteTerms, *, journal: Journal | None = None) -> str:
    """The timelock, administered by the signer until `deploy_governance` has named its proposer."""
    arguments = (terms.timelock_delay, address_of(signer))
    return deploy_step(w3, signer, "timelock", arguments, journal, contract=TIMELOCK).address


def deploy_governance(
    w3: Web3,
    signer: Signer,
    *,
    index: str,
    symbol: str,
    timelock: str,
    guardian: str,
    terms: VoteTerms,
    journal: Journal | None = None,
) -> Governance:
    """Votes and governor of an index that exists; wires the timelock and leaves nothing to the signer.

    Does again only what is missing. Raises ChainError when the timelock would not end up governed by the vote alone.
    """
    votes = deploy_step(w3, signer, "votes", (index,), journal, contract=VOTES).address
    arguments = (f"{symbol} Governor", votes, timelock, terms.settings(guardian))
    governor = deploy_step(w3, signer, "governor", arguments, journal, contract=GOVERNOR).address
    governance = Governance(votes=votes, governor=governor, timelock=timelock)

    contract, deployer = governance.contract(w3, "timelock"), address_of(signer)
    admin, proposer, canceller = (
        contract.functions[f"{role}_ROLE"]().call() for role in ("DEFAULT_ADMIN", "PROPOSER", "CANCELLER")
    )
    if contract.functions.hasRole(admin, deployer).call():
        for role in (proposer, canceller):
            if not contract.functions.hasRole(role, governor).call():
                send(w3, signer, contract.functions.grantRole(role, governor))
        send(w3, signer, contract.functions.renounceRole(admin, deployer))
    wired = all(contract.functions.hasRole(role, governor).call() for role in (proposer, canceller))
    if not wired or contract.functions.hasRole(admin, deployer).call():
        raise ChainError(
            f"the timelock {timelock} is not governed by {governor} alone: {deployer} cannot wire it any more; "
            "deploy the index again under another symbol"
        )
    return governance
