"""The holders' journey: an index born under their vote, a decision from proposal to effect, and who leaves before it.

govern
├── deploy with [governance] kind = "votes": the timelock is governor, the deployer nothing; both tables agree
├── a holder wraps, proposes a member and a cap, votes, queues, executes
│   ├── the guardian cannot stop a redemption meanwhile, and who leaves before the change takes his whole share
│   └── the guardian may veto
├── a coin that holders vote in is a member from the execution on: keeper, publication and commands read the ballot
└── mistakes are one clear line
roles
├── tells people, delays and limits from the chain alone, by symbol and by address
├── shows what was changed by hand: a second strategist, an opened function, a closed contract, an abdication, a call that waits
└── says who is no index
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from offchain.chain import voting
from offchain.chain.accounts import name_of, resolve
from offchain.chain.ballots import member_lines
from offchain.chain.core import STRATEGIST, erc20
from offchain.chain.deployments import first_block
from offchain.chain.governance import Governance
from offchain.chain.powers import POWERS
from offchain.chain.roles import Roles, read_deployed, read_roles
from offchain.chain.roles_text import roles_text
from offchain.chain.transactions import send
from offchain.cli.app import app
from offchain.epochs import Publication
from offchain.epochs.verifying import compare_ballots
from offchain.errors import ChainError, DecisionMismatch, TransactionReverted, UnknownIndex
from offchain.keeper import Done, devnet_account, open_keeper
from offchain.launch import launch, plan_launch
from offchain.methodology import Methodology
from offchain.universe.records import Records

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.devnet import Devnet
    from offchain.launch import Launched

EQ5 = "offchain/indexes/eq5.toml"
HOUR, DAY = 3600, 86_400
SHARE = 10**18
VOTES = '\n[governance]\nkind = "votes"\n'


def the(chain: Devnet, name: str) -> str:
    return resolve(chain.w3, name)


def wait(chain: Devnet, seconds: int) -> None:
    now = int(chain.w3.eth.get_block("latest")["timestamp"])
    chain.w3.provider.make_request("evm_setNextBlockTimestamp", [now + seconds])  # type: ignore[arg-type]
    chain.w3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vote5.toml"
    path.write_text(Path(EQ5).read_text().replace('"EQ5"', '"VOTE5"') + VOTES)
    return path


@pytest.fixture
def governed(chain: Devnet, file: Path) -> Launched:
    deployer = the(chain, "deployer")
    return launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file)))


def roles_of(chain: Devnet, launched: Launched) -> Roles:
    return read_deployed(chain.w3, launched.index, from_block=first_block(chain.w3.eth.chain_id))


def plain(roles: Roles) -> Roles:
    """The same without the block it was read at."""
    return dataclasses.replace(roles, block=0, time=0)


# --- deploy -----------------------------------------------------------------------------------------------------------


def test_deploy_by_vote_prints_the_table_that_the_chain_gives(chain: Devnet, file: Path, brownie: Brownie) -> None:
    done = brownie("deploy", "main", str(file))
    assert (done.code, done.errors) == (0, [])
    assert "the holders: 24 h notice, 120 h vote, 48 h timelock, quorum 4 % of all shares" in done.out
    printed = done.out[done.out.index("VOTE5 0x") :]
    asked = brownie("roles", "main", "VOTE5")
    assert (asked.code, asked.errors) == (0, [])
    # the same table, whoever asks; only brownie's own lines around it differ
    table = [line for line in asked.out.splitlines() if line.strip()]
    start = next(number for number, line in enumerate(table) if line.startswith("VOTE5 0x"))
    assert [line for line in printed.splitlines() if line.strip()][: len(table) - start] == table[start:]
    assert "6 d vote + 2 d" in printed and "at once" in printed
    assert the(chain, "deployer") not in printed.partition("authority of the index")[0].replace("deployer", "")


def test_a_governed_index_has_a_timelock_as_governor_and_the_deployer_has_nothing(
    chain: Devnet, governed: Launched
) -> None:
    roles = roles_of(chain, governed)
    assert roles.vote is not None
    vote = roles.vote
    (governor,) = roles.members[0]
    assert governor.account == vote.governance.timelock == governed.index.governor
    assert (governor.vote, governor.delay) == (144 * HOUR, 48 * HOUR)
    assert (vote.voting_delay, vote.voting_period, vote.timelock_delay) == (24 * HOUR, 120 * HOUR, 48 * HOUR)
    assert (vote.quorum_percent, vote.threshold, vote.guardian) == (4, 10**16, the(chain, "guardian"))
    assert the(chain, "deployer") not in {m.account for members in roles.members.values() for m in members}
    assert governed.index.contract(chain.w3).functions.feeRecipient().call() == vote.governance.timelock
    # by address, without any file: the same, but for who was expected
    by_address = read_roles(chain.w3, governed.index.address)
    assert plain(by_address) == plain(roles)
    listed = {(item.power.contract, item.power.function) for item in roles.held}
    assert {"IndexToken", "Rebalancer", "ExchangeGuard", "PriceOracle", "AuctionHouse"} <= set(roles.contracts)
    for kind in (*roles.contracts, "AccessManager"):
        assert {(power.contract, power.function) for power in POWERS if power.contract == kind} <= listed
    assert not [danger for danger in roles.dangers if "does not use" in danger]


def test_an_interrupted_deployment_by_vote_goes_on_and_nothing_is_made_twice(
    chain: Devnet, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import offchain.launch as module

    deployer = the(chain, "deployer")

    def killed(*_: object, **__: object) -> Governance:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "deploy_governance", killed)
        launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file)))
    done = launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file)))
    roles = roles_of(chain, done)
    assert [member.account for member in roles.members[0]] == [done.index.governor]
    factory = done.core.contract(chain.w3, "factory")
    assert len(factory.events.Create().get_logs(from_block=0)) == 1


# --- a decision -------------------------------------------------------------------------------------------------------


def test_holders_decide_from_the_command_line_and_who_disagrees_leaves_first(
    chain: Devnet, governed: Launched, brownie: Brownie
) -> None:
    w3, index = chain.w3, governed.index
    token, deployer, bob = index.contract(w3), the(chain, "deployer"), the(chain, "bob")
    rebalancer = governed.core.contract(w3, "rebalancer")
    send(w3, deployer, token.functions.transfer(bob, 20 * SHARE))
    stranger = the(chain, "carol")  # any address may be allowed; what has no price gets no weight

    def run(*arguments: str) -> str:
        ended = brownie("govern", *arguments)
        assert (ended.code, ended.errors) == (0, []), ended
        return ended.out

    run("wrap", "VOTE5", "100", "deployer")
    wait(chain, 1)
    calls = f'rebalancer.setAllowed(index, ["{stranger}"], true); index.setSupplyCap(1000000)'
    out = run("propose", "VOTE5", calls, "A member and a cap", "deployer")
    number = out[out.index("proposal") :].split()[1]
    wait(chain, DAY + 1)
    assert "100 for" in run("vote", "VOTE5", number, "for", "deployer")
    wait(chain, 5 * DAY)
    assert "queued" in run("queue", "VOTE5", number)

    early = brownie("govern", "execute", "VOTE5", number)
    assert early.code == 1 and "TimelockUnexpectedOperationState" in early.errors[0]
    waiting = roles_of(chain, governed).waiting
    assert len(waiting) == 1 and "setSupplyCap(wholeShares=1000000)" in waiting[0].text

    # what a guardian can do keeps nobody in: bob takes his whole share before the change
    for call in (token.functions.pauseMint(7 * DAY), token.functions.pauseExchange(7 * DAY)):
        send(w3, the(chain, "guardian"), call)
    version, n = token.functions.version().call(), len(index.components)
    amounts = token.functions.previewRedeem(20 * SHARE).call()[0]
    send(w3, bob, token.functions.redeem(20 * SHARE, version, [0] * n, bob, bob, 0))
    held = [erc20(w3, component).functions.balanceOf(bob).call() for component in index.components]
    assert all(amount - amount // 10**6 - 1 <= got <= amount for got, amount in zip(held, amounts, strict=True))
    assert token.functions.balanceOf(bob).call() == 0
    assert not rebalancer.functions.isAllowed(index.address, stranger).call()

    wait(chain, 2 * DAY)
    assert "executed" in run("execute", "VOTE5", number, "carol")
    assert rebalancer.functions.isAllowed(index.address, stranger).call()
    assert token.functions.supplyCap().call() == 10**6 * SHARE
    run("unwrap", "VOTE5", "100", "deployer")
    assert token.functions.balanceOf(deployer).call() == index.seed_shares - 10**9 - 20 * SHARE


def test_the_guardian_vetoes_a_decision_and_mistakes_are_told(chain: Devnet, governed: Launched) -> None:
    w3, deployer, guardian = chain.w3, the(chain, "deployer"), the(chain, "guardian")
    roles = roles_of(chain, governed)
    governance, places = voting.governance_of(roles), voting.places_of(roles)
    voting.wrap(w3, deployer, governance, governed.index.address, 100 * SHARE)
    wait(chain, 1)
    calls = voting.parse_calls(f'index.setGuard("{the(chain, "eve")}")', places)
    proposal = voting.propose(w3, deployer, governance, calls, "A guard that refuses nothing")
    assert proposal.state == "pending" and proposal.targets == (governed.index.address,)
    with pytest.raises(TransactionReverted, match="GovernorUnableToCancel"):
        voting.veto(w3, the(chain, "eve"), governance, proposal)
    voting.veto(w3, guardian, governance, proposal)
    assert voting.find_proposal(w3, governance, proposal.id).state == "cancelled"
    with pytest.raises(TransactionReverted, match="GovernorUnexpectedProposalState"):
        voting.queue(w3, deployer, governance, proposal)

    removal = voting.parse_calls(f'governor.setProposalGuardian("{deployer}")', places)
    kept = voting.propose(w3, deployer, governance, removal, "Another guardian")
    with pytest.raises(TransactionReverted, match="VetoOwnRemoval"):
        voting.veto(w3, guardian, governance, kept)

    for text, told in (
        ("index.setSupplyCap", "is no call; write place.function"),
        ("indx.setSupplyCap(1)", 'no contract of this index. Did you mean "index"'),
        ("index.setSuplyCap(1)", 'no function setSuplyCap. Did you mean "setSupplyCap"'),
        ('index.setSupplyCap("much")', "the arguments do not fit setSupplyCap"),
        ("index.setSupplyCap(1", "is no call"),
    ):
        with pytest.raises(ChainError, match=told):
            voting.parse_calls(text, places)
    with pytest.raises(ChainError, match='"fore" is no vote. Did you mean "for"'):
        voting.vote(w3, deployer, governance, kept.id, "fore")
    with pytest.raises(ChainError, match="has no proposal 1;"):
        voting.find_proposal(w3, governance, 1)


def test_a_coin_voted_in_is_a_member_for_keeper_publication_and_commands(
    chain: Devnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S4: before the execution nothing changes; after it the decision cites the proposal, and who verifies needs no node."""
    path, w3, deployer = tmp_path / "voted.toml", chain.w3, the(chain, "deployer")
    file = Path(EQ5).read_text().replace('"EQ5"', '"VOTED5"').replace("[universe]", '[universe]\nvotes = "governor"')
    path.write_text(file + VOTES)
    launched = launch(w3, deployer, plan_launch(w3, deployer, str(path)))
    governance = voting.governance_of(roles_of(chain, launched))

    with open_keeper(w3, str(path), devnet_account(3)) as keeper:
        before = keeper.decide()
        coin = next(name for name in sorted(keeper.read().tradable) if name not in before.target_weights)
        assert keeper.publish()[1].inputs.records.ballots == ()

        voting.wrap(w3, deployer, governance, launched.index.address, 100 * SHARE)
        wait(chain, 1)
        calls = voting.parse_calls("index.setSupplyCap(1000000)", voting.places_of(roles_of(chain, launched)))
        text = "One more coin\n" + member_lines(include=(coin,))
        proposal = voting.propose(w3, deployer, governance, calls, text)
        wait(chain, DAY + 1)
        voting.vote(w3, deployer, governance, proposal.id, "for")
        wait(chain, 5 * DAY)
        voting.queue(w3, deployer, governance, proposal)
        chain.step("2024-06-14")
        assert coin not in keeper.decide().target_weights, "passed and queued: the guardian may still veto it"
        voting.execute(w3, deployer, governance, voting.find_proposal(w3, governance, proposal.id))

        chain.step("2024-06-17")
        decision, publication = keeper.publish()
        assert decision.target_weights[coin] > 0 and decision == keeper.decide()
        (ballot,) = publication.inputs.records.ballots
        assert ballot.proposal == proposal.id and str(ballot) in decision.why(coin)
        again = Publication.from_json(publication.to_json())
        assert again.inputs_hash == publication.inputs_hash
        assert again.inputs.inputs_hash == decision.inputs_hash
        rules = Methodology.open(path)
        rules.verify(decision, again.inputs)
        silent = dataclasses.replace(again.inputs, records=Records())
        with pytest.raises(DecisionMismatch, match="inputs_hash is "):
            rules.verify(decision, silent)
        honest = compare_ballots(w3, launched.index.address, again, rules.spec)
        assert honest is not None and honest.is_equal and str(proposal.id) in honest.on_chain
        invented = dataclasses.replace(ballot, include=("dogecoin",))
        for ballots in ((), (invented,), (ballot, dataclasses.replace(invented, proposal=1))):
            forged = dataclasses.replace(again.inputs, records=Records(ballots=ballots))
            found = compare_ballots(w3, launched.index.address, dataclasses.replace(again, inputs=forged), rules.spec)
            assert found is not None and not found.is_equal
        outcome = keeper.execute()
        assert isinstance(outcome, Done) and coin in keeper.read().held, outcome

    monkeypatch.delenv("BALLAST_NODE", raising=False)
    url = str(w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    ask = ["decide", str(path), "2024-06-17", "--market", "synthetic", "--json", "--out", str(tmp_path)]
    refused = CliRunner().invoke(app, ask)
    assert refused.exit_code == 1 and "name its node with --node URL" in refused.stderr
    told = CliRunner().invoke(app, [*ask, "--node", url])
    assert told.exit_code == 0, told.stderr
    assert coin in json.loads(told.stdout)["target_weights"] and "1 ballots about members" in told.stderr
    earlier = CliRunner().invoke(app, ["decide", str(path), "2024-06-12", *ask[3:6], "--node", url])
    assert earlier.exit_code == 0 and coin not in json.loads(earlier.stdout)["target_weights"]
    files = [str(tmp_path / "VOTED5-2024-06-17.decision.json"), "--index", str(path)]
    assert CliRunner().invoke(app, ["verify", *files]).exit_code == 0


# --- roles ------------------------------------------------------------------------------------------------------------


def test_roles_of_an_index_with_accounts_are_those_of_its_file(chain: Devnet, launched: Launched) -> None:
    roles = roles_of(chain, launched)
    assert roles.vote is None and roles.waiting == () and not roles.is_deprecated
    people = {role: [(m.account, m.delay) for m in members] for role, members in roles.members.items()}
    assert people == {
        0: [(the(chain, "governor"), DAY)],
        1: [(the(chain, "guardian"), 0)],
        2: [(the(chain, "keeper"), 0)],
    }
    assert all(item.role == item.power.role for item in roles.held)
    assert [(s.name, s.until, s.is_armed) for s in roles.switches] == [("minting", 0, True), ("trading", 0, True)]
    with pytest.raises(ChainError, match="not governed by a vote"):
        voting.governance_of(roles)
    text = roles_text(roles, lambda address: name_of(chain.w3, address))
    assert "pause minting" in text and "keeper" in text


def test_roles_show_what_was_changed_by_hand(chain: Devnet, launched: Launched) -> None:
    w3, index, eve, governor = chain.w3, launched.index, the(chain, "eve"), the(chain, "governor")
    manager, token = index.authority_contract(w3), index.contract(w3)
    rebalancer = launched.core.contract(w3, "rebalancer")
    before = roles_of(chain, launched)

    def selector(name: str) -> bytes:
        return next(power.selector for power in POWERS if power.function == name)

    changes = [
        manager.encode_abi("grantRole", [STRATEGIST, eve, 0]),
        manager.encode_abi("setTargetFunctionRole", [index.address, [selector("armPauses")], 2**64 - 1]),
        manager.encode_abi("setTargetClosed", [launched.core.guard, True]),
    ]
    for data in changes:
        send(w3, governor, manager.functions.schedule(manager.address, data, 0))
    abdication = token.encode_abi("abdicate", [selector("setGuard")])
    send(w3, governor, manager.functions.schedule(index.address, abdication, 0))
    waiting = roles_of(chain, launched)
    assert [item.caller for item in waiting.waiting] == [governor] * 4
    assert f"grantRole(roleId=2, account={eve}, executionDelay=0) on {manager.address}" in waiting.waiting[0].text
    assert plain(dataclasses.replace(waiting, waiting=())) == plain(before)

    wait(chain, DAY + 1)
    for data in changes:
        send(w3, governor, {"to": manager.address, "data": data})
    send(w3, governor, {"to": index.address, "data": abdication})
    send(w3, the(chain, "guardian"), token.functions.pauseMint(HOUR))
    after = roles_of(chain, launched)
    assert [m.account for m in after.of("swap", "Rebalancer").members] == [the(chain, "keeper"), eve]
    assert after.of("setGuard").is_abdicated and not after.of("setRebalancer").is_abdicated
    assert after.of("setLimits", "ExchangeGuard").is_closed and not after.of("setPolicy", "Rebalancer").is_closed
    paused = next(switch for switch in after.switches if switch.name == "minting")
    assert paused.until > after.time and not paused.is_armed and after.waiting == ()
    told = "\n".join(after.dangers)
    assert f"2 accounts are strategist: {the(chain, 'keeper')}, {eve}" in told
    assert f"{eve} is strategist, but the deployment names {the(chain, 'keeper')}" in told
    assert "anyone may end pauses, let the guardian pause again (IndexToken.armPauses)" in told
    assert f"{launched.core.guard} is closed: no role can call it" in told
    assert not set(after.dangers) <= set(before.dangers)
    assert rebalancer.functions.planOf(index.address).call()[0] == 0


def test_dangers_of_keys_without_delay_and_in_one_hand(chain: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "one.toml"
    text = Path(EQ5).read_text().replace('"EQ5"', '"ONE5"')
    file.write_text(text + '\n[roles]\nguardian = "keeper"\ndelay_hours = 0\n')
    deployer = the(chain, "deployer")
    done = launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file)))
    told = "\n".join(roles_of(chain, done).dangers)
    assert f"the governor {the(chain, 'governor')} is one key without a delay" in told
    assert f"{the(chain, 'keeper')} is guardian and strategist at once" in told
    assert f"{deployer} sets price feeds at once" in told and "the oracle's governor is another" in told


def test_roles_of_something_else_are_refused_in_one_line(chain: Devnet, launched: Launched, brownie: Brownie) -> None:
    with pytest.raises(UnknownIndex, match="cannot be read as an index"):
        read_roles(chain.w3, launched.core.lens)
    ended = brownie("roles", "main", the(chain, "eve"))
    assert ended.code == 1 and len(ended.errors) == 1 and "cannot be read as an index" in ended.errors[0]
