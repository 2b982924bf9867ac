"""An index that its holders govern: IndexVotes, IndexGovernor, IndexTimelock.

Votes
├── wrap one for one, unwrap one for one: paused, deprecated, or in the middle of a vote
├── count once they are delegated, from the second after
├── within one block count for nothing (flash mint)
└── have a permit of their own: not the index's, not another chain's
Proposing and voting
├── needs a share of what is wrapped, and at least something
├── changes fees, members, policy and roles after delay, vote and timelock
├── given fewer votes than the quorum: fails
│   ├── the quorum is of all shares, wrapped or not
│   ├── a supply pushed up beside the proposal or a vote is forgotten at the next vote
│   └── holders who leave lower it
├── given a late quorum: the others get time to answer
├── given more against than for: fails
└── cannot pass what the contracts bound
The timelock
├── acts after its delay, for anyone, once; before it holders leave
├── is nobody's: no admin, no proposer and no canceller but the governor
└── keeps a delay from one to thirty days, by vote only
The guardian
├── cancels a proposal in any state before it is executed
└── cannot cancel the one that replaces him
Settings
└── stay inside hard bounds, at birth and by vote
"""

from types import SimpleNamespace

import pytest
from brownie import IndexGovernor, IndexTimelock, IndexVotes, accounts, web3
from eth_account import Account
from eth_account.messages import encode_typed_data

from offchain.chain.core import ADMIN
from offchain.chain.deploy import hand_over
from offchain.chain.governance import VoteTerms, deploy_governance, deploy_timelock
from tests.contracts.support import (
    DAY,
    DEAD,
    DEPLOYER,
    GUARDIAN,
    HOUR,
    MAX,
    POLICY,
    WAD,
    ZERO,
    at_next,
    ceil_div,
    now,
    policy_with,
    wait,
    why,
    why_call,
)

TERMS = VoteTerms(
    voting_delay=DAY,
    voting_period=3 * DAY,
    vote_extension=DAY,
    proposal_threshold=WAD // 100,
    quorum_percent=4,
    timelock_delay=2 * DAY,
)
PENDING, ACTIVE, CANCELED, DEFEATED, SUCCEEDED, QUEUED, EXPIRED, EXECUTED = range(8)
AGAINST, FOR, ABSTAIN = range(3)
KEY = Account.from_key("0x" + "42" * 32)


@pytest.fixture
def community(world):
    """An index of 1000 shares, all of them alice's, that its holders govern; wired by the code of the scripts."""
    signer = accounts[DEPLOYER].address
    timelock = deploy_timelock(web3, signer, TERMS)
    index = world.create([world.token(18, 4), world.token(6, 1), world.token(8, 200)], governor=timelock)
    made = deploy_governance(
        web3, signer, index=index.address, symbol="IX", timelock=timelock,
        guardian=accounts[GUARDIAN].address, terms=TERMS,
    )  # fmt: skip
    return SimpleNamespace(
        index=index,
        token=index.token,
        world=world,
        votes=IndexVotes.at(made.votes, persist=False),
        governor=IndexGovernor.at(made.governor, persist=False),
        timelock=IndexTimelock.at(made.timelock, persist=False),
    )


def wrap(community, who, shares, *, delegate=True):
    community.token.approve(community.votes, MAX, {"from": who})
    community.votes.depositFor(who, shares, {"from": who})
    if delegate:
        community.votes.delegate(who, {"from": who})


def actions(*calls):
    """(target, method, arguments…) as the governor's arrays."""
    return [c[0].address for c in calls], [0] * len(calls), [c[1].encode_input(*c[2:]) for c in calls]


def call_of(contract, method, *arguments):
    return (contract, method, *arguments)


class Proposal:
    """One proposal and its way."""

    def __init__(self, community, *calls, text="a change", by):
        self.governor = community.governor
        self.arrays, self.text = actions(*calls), text
        self.hash = bytes(web3.keccak(text=text))
        tx = community.governor.propose(*self.arrays, text, {"from": by})
        self.id = tx.return_value or int(community.governor.getProposalId(*self.arrays, self.hash))

    @property
    def state(self):
        return int(self.governor.state(self.id))

    def vote(self, who, support=FOR):
        if self.state == PENDING:
            wait(self.governor.proposalSnapshot(self.id) + 1 - now())
        self.governor.castVote(self.id, support, {"from": who})

    def close(self):
        wait(self.governor.proposalDeadline(self.id) + 1 - now())
        return self.state

    def queue(self, who):
        self.governor.queue(*self.arrays, self.hash, {"from": who})

    def execute(self, who):
        return self.governor.execute(*self.arrays, self.hash, {"from": who})

    def pass_by(self, voter):
        """Votes, queues, waits and executes."""
        self.vote(voter)
        assert self.close() == SUCCEEDED
        self.queue(voter)
        wait(self.governor.proposalEta(self.id) - now())
        return self.execute(voter)


def set_cap(community, whole_shares=10**6):
    return call_of(community.token, community.token.setSupplyCap, whole_shares)


# --- votes ------------------------------------------------------------------------------------------------------------


def test_shares_wrap_and_unwrap_one_for_one(community, alice, bob):
    wrap(community, alice, 400 * WAD)
    votes, token = community.votes, community.token
    assert votes.balanceOf(alice) == votes.totalSupply() == token.balanceOf(votes) == 400 * WAD
    votes.withdrawTo(bob, 150 * WAD, {"from": alice})
    assert token.balanceOf(bob) == 150 * WAD
    assert votes.balanceOf(alice) == votes.totalSupply() == token.balanceOf(votes) == 250 * WAD
    assert (votes.name(), votes.symbol(), votes.decimals()) == (f"Voting {token.name()}", f"v{token.symbol()}", 18)


def test_unwrapping_is_possible_whatever_happens_to_the_index(community, alice, guardian):
    """G1: paused, deprecated and in the middle of a vote, shares come back and are redeemed."""
    wrap(community, alice, 900 * WAD)
    proposal = Proposal(community, call_of(community.token, community.token.deprecate), by=alice)
    proposal.vote(alice)
    community.token.pauseMint(7 * DAY, {"from": guardian})
    community.token.pauseExchange(7 * DAY, {"from": guardian})
    community.votes.withdrawTo(alice, 300 * WAD, {"from": alice})
    proposal.close()
    proposal.queue(alice)
    wait(2 * DAY)
    proposal.execute(alice)
    assert community.token.deprecated()
    community.votes.withdrawTo(alice, 600 * WAD, {"from": alice})
    before = community.index.balances(alice)
    community.index.redeem(alice, 900 * WAD)
    assert all(a > b for a, b in zip(community.index.balances(alice), before, strict=True))


def test_votes_count_once_delegated_and_only_afterwards(community, alice, bob):
    wrap(community, alice, 100 * WAD, delegate=False)
    assert community.votes.getVotes(alice) == 0
    tx = community.votes.delegate(bob, {"from": alice})
    wait(1)
    votes = community.votes
    assert votes.getVotes(bob) == votes.getPastVotes(bob, tx.timestamp) == 100 * WAD
    assert votes.getPastVotes(bob, tx.timestamp - 1) == 0
    assert votes.clock() == now() and votes.CLOCK_MODE() == "mode=timestamp"


def test_shares_minted_wrapped_and_redeemed_within_one_block_count_for_nothing(community, alice, bob):
    """E6: a flash mint has no vote, neither for the threshold nor at the snapshot."""
    wrap(community, alice, 10 * WAD)
    community.index.fund(bob, 9000 * WAD)
    community.votes.delegate(bob, {"from": bob})
    community.token.approve(community.votes, MAX, {"from": bob})
    proposal = Proposal(community, set_cap(community), by=alice)
    snapshot = community.governor.proposalSnapshot(proposal.id)
    steps = [
        (community.token, community.token.mint.encode_input(9000 * WAD, 1, [MAX] * 3, bob)),
        (community.votes, community.votes.depositFor.encode_input(bob, 9000 * WAD)),
        (community.votes, community.votes.withdrawTo.encode_input(bob, 9000 * WAD)),
        (community.token, community.token.redeem.encode_input(9000 * WAD, 1, [0] * 3, bob, bob, 0)),
    ]
    hashes = one_block(snapshot, bob, steps)
    receipts = [web3.eth.get_transaction_receipt(tx) for tx in hashes]
    assert [r["status"] for r in receipts] == [1] * 4 and len({r["blockNumber"] for r in receipts}) == 1
    assert web3.eth.get_block(receipts[0]["blockNumber"])["timestamp"] == snapshot
    wait(1)
    assert community.votes.getPastVotes(bob, snapshot) == 0
    assert community.votes.getPastVotes(alice, snapshot) == 10 * WAD


def one_block(timestamp, who, steps):
    """Sends all in one block of that time."""
    make = web3.provider.make_request
    make("evm_setAutomine", [False])
    try:
        nonce = web3.eth.get_transaction_count(who.address)
        hashes = [
            web3.eth.send_transaction(
                {"from": who.address, "to": str(to), "data": data, "gas": 2_000_000, "gasPrice": 0, "nonce": nonce + i}
            )
            for i, (to, data) in enumerate(steps)
        ]
        at_next(timestamp)
        make("evm_mine", [])
    finally:
        make("evm_setAutomine", [True])
    return hashes


def permit_of(token, spender, *, chain_id=31337, verifier=None, nonce=0):
    """A permit of KEY for an ERC-2612 token, as its own domain says or with one part changed."""
    names = ("owner", "spender", "value", "nonce", "deadline")
    message = dict(zip(names, (KEY.address, str(spender), WAD, nonce, 2**40), strict=True))
    kinds = ("address", "address", "uint256", "uint256", "uint256")
    signed = KEY.sign_message(
        encode_typed_data(
            domain_data={
                "name": token.name(),
                "version": "1",
                "chainId": chain_id,
                "verifyingContract": verifier or token.address,
            },
            message_types={"Permit": [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)]},
            message_data=message,
        )
    )
    return KEY.address, str(spender), WAD, 2**40, signed.v, signed.r.to_bytes(32), signed.s.to_bytes(32)


def test_a_permit_is_for_one_token_on_one_chain_once(community, bob):
    """E13 (permit): the votes' permit is not the index's, not a second index's, not another chain's, and not used twice."""
    votes = community.votes
    for change in ({"chain_id": 1}, {"verifier": community.token.address}, {"verifier": DEAD}, {"nonce": 1}):
        assert why(votes.permit, *permit_of(votes, bob, **change), sender=bob)[0] == "ERC2612InvalidSigner"
    assert why(votes.permit, *permit_of(community.token, bob), sender=bob)[0] == "ERC2612InvalidSigner"
    assert why(community.token.permit, *permit_of(votes, bob), sender=bob)[0] == "PermitSignerInvalid"
    permit = permit_of(votes, bob)
    votes.permit(*permit, {"from": bob})
    assert votes.allowance(KEY.address, bob) == WAD
    assert why(votes.permit, *permit, sender=bob)[0] == "ERC2612InvalidSigner"


def test_after_a_fork_of_the_chain_old_permits_are_void_and_new_ones_work(community, bob):
    """E13 (permit): the domain is made again when the chain's number changes under the contract."""
    here = {token: permit_of(token, bob) for token in (community.token, community.votes)}
    web3.provider.make_request("anvil_setChainId", [31338])
    try:
        for token, permit in here.items():
            assert why(token.permit, *permit, sender=bob)[0] in ("PermitSignerInvalid", "ERC2612InvalidSigner")
            assert why(token.permit, *permit_of(token, bob, chain_id=31338), sender=bob) is None
    finally:
        web3.provider.make_request("anvil_setChainId", [31337])
    for token, permit in here.items():
        assert why(token.permit, *permit, sender=bob) is None


# --- proposing and voting ---------------------------------------------------------------------------------------------


def test_proposing_needs_a_share_of_what_is_wrapped(community, alice, bob):
    governor, token = community.governor, community.token
    arrays = actions(set_cap(community))
    assert why(governor.propose, *arrays, "x", sender=alice) == (
        "GovernorInsufficientProposerVotes",
        alice.address,
        0,
        1,
    )
    token.transfer(bob, 4 * WAD, {"from": alice})
    wrap(community, alice, 500 * WAD)
    wrap(community, bob, 4 * WAD)
    wait(1)
    needed = ceil_div(504 * WAD, 100)
    refused = why(governor.propose, *arrays, "x", sender=bob)
    assert refused == ("GovernorInsufficientProposerVotes", bob.address, 4 * WAD, needed)
    assert why(governor.propose, *arrays, "x", sender=alice) is None
    assert governor.proposalThresholdFraction() == WAD // 100


def test_a_vote_changes_cap_members_and_policy_and_nobody_else_can(community, world, alice, eve, governor, deployer):
    """G7: the holders' way to every power of the governor, and the only one."""
    token, rebalancer = community.token, world.rebalancer
    added, policy = world.token(18, 9), policy_with(max_weight=WAD // 2).as_tuple()
    wrap(community, alice, 600 * WAD)
    proposal = Proposal(
        community,
        set_cap(community),
        call_of(rebalancer, rebalancer.setAllowed, token, [added], True),
        call_of(rebalancer, rebalancer.setPolicy, token, policy),
        by=alice,
    )
    started = now()
    proposal.pass_by(alice)
    assert token.supplyCap() == 10**6 * WAD
    assert rebalancer.isAllowed(token, added) and rebalancer.policyOf(token) == policy
    assert now() >= started + 1 * DAY + 3 * DAY + 2 * DAY and proposal.state == EXECUTED

    for who in (alice, eve, governor, deployer, accounts.at(str(community.governor), force=True)):
        assert why(token.setStreamingFee, 0, sender=who)[0] == "AccessManagedUnauthorized"
        assert why(rebalancer.setPolicy, token, POLICY.as_tuple(), sender=who)[0] == "NotAuthorized"


def test_a_vote_raises_a_fee_only_after_it_has_announced_it(community, alice):
    """E6, E1: the notice holds for the holders' vote too: two votes, and three days between what they do."""
    token, fee = community.token, 100 * 10**14
    wrap(community, alice, 600 * WAD)
    selector = token.setStreamingFee.signature
    announce = Proposal(community, call_of(token, token.announceFee, selector, fee), text="announce", by=alice)
    raise_it = Proposal(community, call_of(token, token.setStreamingFee, fee), text="raise", by=alice)
    for proposal in (announce, raise_it):
        proposal.vote(alice)
    for proposal in (announce, raise_it):
        proposal.close()
        proposal.queue(alice)
    wait(2 * DAY)
    execute = (community.governor.execute, *raise_it.arrays, raise_it.hash)
    assert why(*execute, sender=alice) == ("FeeNotDue", bytes.fromhex(selector[2:]), fee, 0)
    announced = announce.execute(alice).timestamp
    due = announced + 3 * DAY
    assert why(*execute, sender=alice) == ("FeeNotDue", bytes.fromhex(selector[2:]), fee, due)
    wait(due - now())
    raise_it.execute(alice)
    assert token.streamingFee() == fee


def test_a_vote_can_name_another_strategist_and_give_up_a_power(community, alice, eve, strategist):
    """E10: what holders gave up by vote no vote brings back."""
    token, manager = community.token, community.index.authority
    wrap(community, alice, 600 * WAD)
    arrays = [
        [manager.address, manager.address, token.address],
        [0, 0, 0],
        [
            manager.encode_abi("grantRole", [2, eve.address, 0]),
            manager.encode_abi("revokeRole", [2, strategist.address]),
            token.abdicate.encode_input(token.setGuard.signature),
        ],
    ]
    community.governor.propose(*arrays, "roles", {"from": alice})
    proposal = Proposal.__new__(Proposal)
    proposal.governor, proposal.arrays, proposal.hash = community.governor, arrays, bytes(web3.keccak(text="roles"))
    proposal.id = int(community.governor.getProposalId(*arrays, proposal.hash))
    proposal.pass_by(alice)
    assert manager.functions.hasRole(2, eve.address).call()[0]
    assert not manager.functions.hasRole(2, strategist.address).call()[0]

    again = Proposal(community, call_of(token, token.setGuard, DEAD), by=alice)
    again.vote(alice)
    again.close()
    again.queue(alice)
    wait(2 * DAY)
    selector = token.setGuard.signature
    assert why(community.governor.execute, *again.arrays, again.hash, sender=alice) == (
        "Abdicated",
        bytes.fromhex(selector[2:]),
    )


def test_the_few_who_have_wrapped_cannot_decide_for_all(community, alice, bob):
    """E6: 3 % of the shares, and all that is wrapped, are below a quorum of 4 % of all shares."""
    before = community.token.supplyCap()
    community.token.transfer(bob, 30 * WAD, {"from": alice})
    wrap(community, bob, 30 * WAD)
    proposal = Proposal(community, set_cap(community), by=bob)
    proposal.vote(bob)
    assert community.votes.totalSupply() == 30 * WAD
    assert community.governor.quorumOf(proposal.id) == ceil_div(1000 * WAD * 4, 100)
    assert proposal.close() == DEFEATED
    assert why(community.governor.queue, *proposal.arrays, proposal.hash, sender=bob)[0] == (
        "GovernorUnexpectedProposalState"
    )
    assert community.token.supplyCap() == before


def test_a_quorum_of_exactly_the_share_passes_and_one_less_fails(community, alice, bob):
    token = community.token
    token.transfer(bob, 40 * WAD, {"from": alice})
    wrap(community, bob, 40 * WAD)
    exact = Proposal(community, set_cap(community), text="exact", by=bob)
    exact.vote(bob)
    assert exact.close() == SUCCEEDED

    community.votes.withdrawTo(bob, 1, {"from": bob})
    less = Proposal(community, set_cap(community), text="one less", by=bob)
    less.vote(bob)
    assert less.close() == DEFEATED


def test_a_supply_pushed_up_beside_a_proposal_is_forgotten_at_the_first_vote(community, alice, eve):
    """E6: who mints a hundred times the index for a moment cannot make a proposal impossible."""
    wrap(community, alice, 50 * WAD)
    wait(1)
    community.index.mint(eve, 99_000 * WAD)
    proposal = Proposal(community, set_cap(community), by=alice)
    assert community.governor.quorumOf(proposal.id) == 4000 * WAD
    community.index.redeem(eve, 99_000 * WAD)
    assert community.governor.quorumOf(proposal.id) == 4000 * WAD
    proposal.vote(alice)
    # what eve's round trip left is dust
    assert community.governor.quorumOf(proposal.id) == 40 * WAD == community.governor.leastSupply(proposal.id) // 25
    assert proposal.close() == SUCCEEDED


def test_a_supply_pushed_up_after_the_proposal_changes_nothing(community, alice, eve):
    wrap(community, alice, 50 * WAD)
    proposal = Proposal(community, set_cap(community), by=alice)
    community.index.mint(eve, 99_000 * WAD)
    proposal.vote(alice)
    assert community.governor.quorumOf(proposal.id) == 40 * WAD and proposal.close() == SUCCEEDED


def test_the_quorum_follows_holders_who_leave(community, alice, bob):
    community.token.transfer(bob, 20 * WAD, {"from": alice})
    wrap(community, bob, 20 * WAD)
    proposal = Proposal(community, set_cap(community), by=bob)
    wait(DAY)
    community.index.redeem(alice, 600 * WAD)
    proposal.vote(bob)
    assert community.governor.quorumOf(proposal.id) == ceil_div(community.token.totalSupply() * 4, 100) < 20 * WAD
    assert proposal.close() == SUCCEEDED


def test_nobody_wins_by_minting_after_the_snapshot(community, alice, eve):
    """E6: shares that came after the snapshot have no vote."""
    wrap(community, alice, 100 * WAD)
    proposal = Proposal(community, set_cap(community), by=alice)
    wait(DAY + 1)
    community.index.mint(eve, 99_000 * WAD)
    wrap(community, eve, 99_000 * WAD)
    proposal.vote(eve, AGAINST)
    proposal.vote(alice)
    assert community.governor.proposalVotes(proposal.id) == (0, 100 * WAD, 0)
    assert proposal.close() == SUCCEEDED


def test_a_late_quorum_leaves_the_others_time(community, alice, bob):
    """A vote in the last second extends the period: the answer can still come."""
    community.token.transfer(bob, 300 * WAD, {"from": alice})
    wrap(community, alice, 600 * WAD)
    wrap(community, bob, 300 * WAD)
    proposal = Proposal(community, set_cap(community), by=bob)
    deadline = community.governor.proposalDeadline(proposal.id)
    at_next(deadline - 1)
    proposal.governor.castVote(proposal.id, FOR, {"from": bob})
    assert community.governor.proposalDeadline(proposal.id) == deadline - 1 + DAY
    wait(DAY - HOUR)
    proposal.vote(alice, AGAINST)
    assert proposal.close() == DEFEATED


def test_more_against_than_for_fails_and_abstaining_only_makes_the_quorum(community, alice, bob, eve):
    token = community.token
    token.transfer(bob, 30 * WAD, {"from": alice})
    token.transfer(eve, 39 * WAD, {"from": alice})
    wrap(community, bob, 30 * WAD)
    wrap(community, eve, 39 * WAD)
    lost = Proposal(community, set_cap(community), text="lost", by=bob)
    carried = Proposal(community, set_cap(community), text="carried", by=bob)
    lost.vote(bob)
    lost.vote(eve, AGAINST)
    carried.vote(bob)
    carried.vote(eve, ABSTAIN)
    assert (lost.close(), carried.close()) == (DEFEATED, SUCCEEDED)


def test_a_vote_cannot_pass_a_hard_limit(community, alice):
    """G3: the caps bind the holders' vote too, and the proposal has no effect."""
    wrap(community, alice, 600 * WAD)
    proposal = Proposal(community, call_of(community.token, community.token.setStreamingFee, 501 * 10**14), by=alice)
    proposal.vote(alice)
    proposal.close()
    proposal.queue(alice)
    wait(2 * DAY)
    refused = why(community.governor.execute, *proposal.arrays, proposal.hash, sender=alice)
    assert refused[0] == "ValueOutOfBounds" and refused[2:] == (501 * 10**14, 0, 500 * 10**14)


# --- the timelock -----------------------------------------------------------------------------------------------------


def test_the_change_comes_only_after_the_delay_and_holders_leave_before(community, alice, bob):
    """E6, E12: from the end of the vote holders have the whole delay, and take all that is theirs."""
    token = community.token
    token.transfer(bob, 100 * WAD, {"from": alice})
    wrap(community, alice, 600 * WAD)
    proposal = Proposal(community, call_of(token, token.setGuard, DEAD), by=alice)
    proposal.vote(alice)
    proposal.close()
    proposal.queue(alice)
    eta = community.governor.proposalEta(proposal.id)
    assert eta == now() + 2 * DAY
    wait(2 * DAY - 2)
    assert why(community.governor.execute, *proposal.arrays, proposal.hash, sender=alice)[0] == (
        "TimelockUnexpectedOperationState"
    )
    reserves, supply = community.index.reserves(), token.totalSupply()
    community.index.redeem(bob, 100 * WAD)
    assert community.index.balances(bob) == [100 * WAD * r // supply for r in reserves]
    wait(eta - now())
    proposal.execute(bob)  # anyone
    assert token.guard() == DEAD
    assert why(community.governor.execute, *proposal.arrays, proposal.hash, sender=alice)[0] == (
        "GovernorUnexpectedProposalState"
    )


def test_the_timelock_is_nobodys(community, alice, deployer, guardian, governor, eve):
    """G7: nobody schedules, cancels, administers or shortens it but the vote."""
    timelock, call = community.timelock, (community.token.address, 0, b"", bytes(32), bytes(32))
    people = (deployer, alice, guardian, governor, eve)
    for who in people:
        for role in (timelock.DEFAULT_ADMIN_ROLE(), timelock.PROPOSER_ROLE(), timelock.CANCELLER_ROLE()):
            assert not timelock.hasRole(role, who)
        assert why(timelock.schedule, *call, 30 * DAY, sender=who)[0] == "AccessControlUnauthorizedAccount"
        assert why(timelock.cancel, bytes(32), sender=who)[0] == "AccessControlUnauthorizedAccount"
        assert why(timelock.updateDelay, DAY, sender=who)[0] == "TimelockUnauthorizedCaller"
        assert why(timelock.grantRole, bytes(32), who, sender=who)[0] == "AccessControlUnauthorizedAccount"
    assert timelock.hasRole(timelock.DEFAULT_ADMIN_ROLE(), timelock)
    assert timelock.hasRole(timelock.PROPOSER_ROLE(), community.governor)
    assert timelock.hasRole(timelock.EXECUTOR_ROLE(), ZERO)


@pytest.mark.parametrize("delay", [DAY - 1, 30 * DAY + 1])
def test_the_delay_stays_within_its_bounds(community, deployer, alice, delay):
    """E6: no vote takes the holders' time away, and none freezes the index."""
    with_bounds = ("ValueOutOfBounds", "delay", delay, DAY, 30 * DAY)
    as_itself = accounts.at(str(community.timelock), force=True)
    assert why(community.timelock.updateDelay, delay, sender=as_itself) == with_bounds
    assert why(community.timelock.updateDelay, 30 * DAY, sender=as_itself) is None
    born = IndexTimelock.deploy.encode_input(delay, deployer)
    assert why_call({"from": deployer.address, "data": born}) == with_bounds

    wrap(community, alice, 600 * WAD)
    proposal = Proposal(community, call_of(community.timelock, community.timelock.updateDelay, DAY), by=alice)
    proposal.pass_by(alice)
    assert community.timelock.getMinDelay() == DAY


# --- the guardian -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["pending", "active", "succeeded", "queued", "ready"])
def test_the_guardian_vetoes_in_any_state_before_execution(community, alice, guardian, eve, when):
    wrap(community, alice, 600 * WAD)
    proposal = Proposal(community, call_of(community.token, community.token.setGuard, DEAD), by=alice)
    if when != "pending":
        proposal.vote(alice)
    if when in ("succeeded", "queued", "ready"):
        proposal.close()
    if when in ("queued", "ready"):
        proposal.queue(alice)
    if when == "ready":
        wait(2 * DAY)
    cancel = (community.governor.cancel, *proposal.arrays, proposal.hash)
    assert why(*cancel, sender=eve)[0] == "GovernorUnableToCancel"
    community.governor.cancel(*proposal.arrays, proposal.hash, {"from": guardian})
    assert proposal.state == CANCELED
    wait(30 * DAY)
    for method in (community.governor.queue, community.governor.execute):
        assert why(method, *proposal.arrays, proposal.hash, sender=alice)[0] == "GovernorUnexpectedProposalState"
    assert community.token.guard() != DEAD


def test_a_captured_guardian_cannot_keep_himself(community, alice, bob, guardian):
    """E6: he may cancel everything but the proposal that replaces him, and his pauses end in a week."""
    wrap(community, alice, 600 * WAD)
    governor = community.governor
    removal = Proposal(community, call_of(governor, governor.setProposalGuardian, bob), text="removal", by=alice)
    mixed = Proposal(
        community,
        call_of(governor, governor.setProposalGuardian, bob),
        call_of(community.token, community.token.setGuard, DEAD),
        text="removal and more",
        by=alice,
    )
    assert why(governor.cancel, *removal.arrays, removal.hash, sender=guardian) == ("VetoOwnRemoval", guardian.address)
    assert why(governor.cancel, *mixed.arrays, mixed.hash, sender=guardian) is None
    removal.pass_by(alice)
    assert governor.proposalGuardian() == bob
    assert why(governor.cancel, *mixed.arrays, mixed.hash, sender=guardian)[0] == "GovernorUnableToCancel"


def test_votes_bought_for_the_snapshot_meet_the_veto_and_the_exit(community, alice, eve, guardian):
    """E6: whoever holds most of the components for two blocks can win a vote. He waits like all others, the holders leave
    whole in that time, or the guardian cancels."""
    index, token = community.index, community.token
    index.mint(eve, 9000 * WAD)
    wrap(community, eve, 9000 * WAD)
    wait(1)
    hostile = Proposal(community, call_of(token, token.setRebalancer, eve), by=eve)
    wait(community.governor.proposalSnapshot(hostile.id) + 1 - now())
    community.votes.withdrawTo(eve, 9000 * WAD, {"from": eve})
    index.redeem(eve, 9000 * WAD)
    hostile.vote(eve)
    assert hostile.close() == SUCCEEDED
    hostile.queue(eve)
    reserves, supply, held = index.reserves(), token.totalSupply(), token.balanceOf(alice)
    index.redeem(alice, held)
    assert index.balances(alice) == [held * r // supply for r in reserves]
    community.governor.cancel(*hostile.arrays, hostile.hash, {"from": guardian})
    wait(2 * DAY)
    assert why(community.governor.execute, *hostile.arrays, hostile.hash, sender=eve)[0] == (
        "GovernorUnexpectedProposalState"
    )
    assert token.rebalancer() == community.world.rebalancer


# --- settings ---------------------------------------------------------------------------------------------------------

BOUNDS = {
    "setVotingDelay": ("votingDelay", HOUR, 14 * DAY),
    "setVotingPeriod": ("votingPeriod", DAY, 30 * DAY),
    "setProposalThreshold": ("proposalThreshold", 0, 5 * 10**16),
    "updateQuorumNumerator": ("quorumPercent", 1, 30),
}


@pytest.mark.parametrize("method", list(BOUNDS))
def test_vote_settings_stay_inside_their_bounds(community, method):
    """E6: a vote cannot make the next one instant, endless, or impossible."""
    name, low, high = BOUNDS[method]
    setter, timelock = getattr(community.governor, method), accounts.at(str(community.timelock), force=True)
    relay, target = community.governor.relay, community.governor
    for value in {max(low - 1, 0), high + 1} - {low}:
        # it takes orders only inside a proposal, but asks the same of its first settings
        terms = [HOUR, DAY, 0, 0, 1, ZERO]
        terms[list(BOUNDS).index(method) + (method in ("setProposalThreshold", "updateQuorumNumerator"))] = value
        construct = IndexGovernor.deploy.encode_input("x", community.votes, community.timelock, tuple(terms))
        assert why_call({"from": str(timelock), "data": construct})[:2] == ("ValueOutOfBounds", name)
    assert why(setter, low, sender=accounts[DEPLOYER])[0] == "GovernorOnlyExecutor"
    assert why(relay, target, 0, setter.encode_input(low), sender=accounts[DEPLOYER])[0] == "GovernorOnlyExecutor"


@pytest.mark.parametrize(
    ("method", "value", "reader"),
    [
        ("setVotingDelay", 14 * DAY, "votingDelay"),
        ("setVotingPeriod", 30 * DAY, "votingPeriod"),
        ("setProposalThreshold", 3 * 10**16, "proposalThresholdFraction"),
        ("updateQuorumNumerator", 30, "quorumNumerator"),
    ],
)
def test_a_vote_changes_its_own_settings(community, alice, method, value, reader):
    governor = community.governor
    wrap(community, alice, 600 * WAD)
    assert getattr(governor, reader)() != value
    Proposal(community, call_of(governor, getattr(governor, method), value), by=alice).pass_by(alice)
    assert getattr(governor, reader)() == value


def test_a_vote_cannot_make_the_next_vote_instant(community, alice):
    governor = community.governor
    wrap(community, alice, 600 * WAD)
    proposal = Proposal(community, call_of(governor, governor.setVotingPeriod, DAY - 1), by=alice)
    proposal.vote(alice)
    proposal.close()
    proposal.queue(alice)
    wait(2 * DAY)
    refused = why(governor.execute, *proposal.arrays, proposal.hash, sender=alice)
    assert refused == ("ValueOutOfBounds", "votingPeriod", DAY - 1, DAY, 30 * DAY)


def test_a_vote_can_hand_the_index_to_another_governor(community, alice, bob):
    """The authority itself is in the holders' hands: they may end the vote's rule, after the delay."""
    manager = community.index.authority
    wrap(community, alice, 600 * WAD)
    arrays = [[manager.address], [0], [manager.encode_abi("grantRole", [ADMIN, bob.address, DAY])]]
    tx = community.governor.propose(*arrays, "hand over", {"from": alice})
    proposal_id = tx.events["ProposalCreated"]["proposalId"]
    wait(DAY + 1)
    community.governor.castVote(proposal_id, FOR, {"from": alice})
    wait(3 * DAY)
    community.governor.queue(*arrays, web3.keccak(text="hand over"), {"from": alice})
    wait(2 * DAY)
    community.governor.execute(*arrays, web3.keccak(text="hand over"), {"from": alice})
    assert manager.functions.hasRole(ADMIN, bob.address).call() == [True, DAY]


def test_handing_over_leaves_the_deployer_nothing(community, deployer, world):
    manager = community.index.authority
    assert not manager.functions.hasRole(ADMIN, deployer.address).call()[0]
    assert manager.functions.hasRole(ADMIN, str(community.timelock)).call() == [True, 0]
    hand_over(web3, deployer.address, manager.address, str(community.timelock))  # again: nothing to do
    refused = why(community.token.setGuard, DEAD, sender=deployer)
    assert refused == ("AccessManagedUnauthorized", deployer.address)
    grant = manager.encode_abi("grantRole", [ADMIN, deployer.address, 0])
    refused = why_call({"from": deployer.address, "to": manager.address, "data": grant})
    assert refused == ("AccessManagerUnauthorizedAccount", deployer.address, ADMIN)
