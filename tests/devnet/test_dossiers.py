"""What is read about a token and about votes from a real node.

A dossier
    of a good token passes; no contract is the whole dossier
    names fee, pause, blocklist, mint and upgrade, by code and by a transfer that is only simulated
    compares symbol and decimals, also of tokens that answer one word
    knows owners, clones, proxies and beacons, holders and the depth of pools
    changes nothing on the chain
A ballot
    is an executed proposal with lines about members, from the time of its execution
    is nothing while it is under way, and failed when it was defeated
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_hash.auto import keccak

from offchain.chain.artifacts import artifact, vendor
from offchain.chain.ballots import member_lines, members_in, read_ballots
from offchain.chain.client import rpc
from offchain.chain.dossiers import BEACON_SLOT, IMPLEMENTATION_SLOTS, examine, selector, selectors_in
from offchain.chain.governance import VoteTerms, deploy_governance, deploy_timelock
from offchain.chain.transactions import deploy, send
from offchain.chain.voting import execute, find_proposal, propose, queue, vote, wrap
from offchain.devnet import Anvil
from offchain.errors import ChainError
from offchain.spec import parse_spec
from offchain.spec.universe_rules import POWERS, UniverseRules
from offchain.universe.vetting import Dossier, objection


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with Anvil.start(timestamp=1_700_000_000) as running:
        yield running


def put(node: Anvil, name: str, *arguments: object) -> str:
    """Deploys one of ours or a genuine one; returns its address."""
    source = vendor(name) if name == "WETH9" else artifact(name)
    return str(deploy(node.w3, node.accounts[0], source, *arguments).address)


def mint(node: Anvil, token: str, to: str, amount: int) -> None:
    contract = node.w3.eth.contract(address=node.w3.to_checksum_address(token), abi=artifact("OddDecimalsToken").abi)
    send(node.w3, node.accounts[0], contract.functions.mint(node.w3.to_checksum_address(to), amount))


def outcomes(dossier: Dossier) -> dict[str, str]:
    return {check.name: check.outcome for check in dossier.checks}


def test_a_plain_token_passes_and_nothing_on_the_chain_changes(node: Anvil) -> None:
    """V4, V13: code, symbol, decimals, no proxy, a transfer that arrives; with block, time and reviewer."""
    token = put(node, "WETH9")
    before = node.w3.eth.block_number
    dossier = examine(node.w3, "ethereum", token, symbol="weth", decimals=18, reviewer="alice")
    assert outcomes(dossier) == {
        "code": "passed", "symbol": "passed", "decimals": "passed", "proxy": "passed", "owner": "passed", "transfer": "passed",
        "holders": "unknown",
    }  # fmt: skip
    assert (dossier.powers, dossier.failed, dossier.block, dossier.reviewer) == ((), (), before, "alice")
    assert int(dossier.time.timestamp()) == node.w3.eth.get_block(before)["timestamp"]
    assert node.w3.eth.block_number == before
    assert objection(dossier, UniverseRules(top=1, require_checked=True, refuse_powers=POWERS), dossier.time) == ""


def test_an_address_without_code_is_the_whole_dossier(node: Anvil) -> None:
    dossier = examine(node.w3, "nothing", "0x" + "12" * 20)
    assert outcomes(dossier) == {"code": "failed"}


@pytest.mark.parametrize(
    ("name", "arguments", "powers"),
    [
        ("OddDecimalsToken", (), ("mint",)),
        ("PausableToken", (), ("mint", "pause")),
        ("BlocklistToken", (), ("blocklist", "mint")),
        ("FeeOnTransferToken", (100,), ("fee", "mint")),
        ("FeeOnTransferToken", (0,), ("fee", "mint")),
    ],
)
def test_powers_are_read_off_the_code(
    node: Anvil, name: str, arguments: tuple[object, ...], powers: tuple[str, ...]
) -> None:
    """V6, V10: what somebody may do to holders; a fee that is zero today is still a power."""
    dossier = examine(node.w3, "coin", put(node, name, "TOK", 18, *arguments), symbol="TOK", decimals=18)
    assert dossier.powers == powers
    assert objection(dossier, UniverseRules(top=1, refuse_powers=(powers[0],)), dossier.time).startswith(
        f"somebody may {powers[0]}"
    )


def test_a_fee_is_seen_by_a_simulated_transfer_of_a_stranger_and_of_a_holder(node: Anvil) -> None:
    """V10: half of 2,000 is sent, one percent is kept back, and the holder's balance is what it was."""
    token, holder = put(node, "FeeOnTransferToken", "FEE", 6, 100), node.accounts[3]
    strange = examine(node.w3, "coin", token).check("transfer")
    assert strange is not None and strange.outcome == "failed"
    assert strange.evidence.startswith("5000 asked for, 5000 taken, 4950 received (with a balance put into slot 0x")
    mint(node, token, holder, 2_000)
    held = examine(node.w3, "coin", token, holders=[holder]).check("transfer")
    assert held is not None
    assert held.evidence == f"1000 asked for, 1000 taken, 990 received (as the holder {holder})"
    contract = node.w3.eth.contract(address=node.w3.to_checksum_address(token), abi=artifact("OddDecimalsToken").abi)
    assert contract.functions.balanceOf(holder).call() == 2_000
    assert node.w3.eth.get_code(node.w3.to_checksum_address(holder)) == b""


def test_a_token_that_does_not_move_fails_without_being_called_a_fee(node: Anvil) -> None:
    paused = put(node, "PausableToken", "P", 18)
    contract = node.w3.eth.contract(address=node.w3.to_checksum_address(paused), abi=artifact("PausableToken").abi)
    send(node.w3, node.accounts[0], contract.functions.setPaused(True))
    dossier = examine(node.w3, "coin", paused)
    assert outcomes(dossier)["transfer"] == "failed" and "fee" not in dossier.powers
    token = put(node, "ReturnsFalseToken", "L", 18)
    contract = node.w3.eth.contract(address=node.w3.to_checksum_address(token), abi=artifact("ReturnsFalseToken").abi)
    send(node.w3, node.accounts[0], contract.functions.setFailing(True))
    liar = examine(node.w3, "coin", token)
    transfer = liar.check("transfer")
    assert transfer is not None and transfer.outcome == "failed" and "0 taken, 0 received" in transfer.evidence
    assert "fee" not in liar.powers


def test_balances_in_shares_are_found_and_rounding_is_no_fee(node: Anvil) -> None:
    token = put(node, "RebasingToken", "REB", 18)
    contract = node.w3.eth.contract(address=node.w3.to_checksum_address(token), abi=artifact("RebasingToken").abi)
    mint(node, token, node.accounts[4], 10**6 + 1)
    send(node.w3, node.accounts[0], contract.functions.rebase(11 * 10**17))
    dossier = examine(node.w3, "coin", token, holders=[node.accounts[4]])
    assert outcomes(dossier)["transfer"] == "passed"


def test_symbol_and_decimals_are_compared_also_with_a_token_that_answers_one_word(node: Anvil) -> None:
    """V13: a token that is not what its listing says."""
    maker = put(node, "Bytes32SymbolToken", b"MKR".ljust(32, b"\0"), 18)
    assert outcomes(examine(node.w3, "maker", maker, symbol="MKR", decimals=18))["symbol"] == "passed"
    wrong = examine(node.w3, "maker", maker, symbol="MKX", decimals=8)
    assert [check.evidence for check in wrong.failed] == ["MKR, expected MKX", "18, expected 8"]


def test_proxies_beacons_clones_and_owners_are_told_apart(node: Anvil) -> None:
    """V6: whoever may exchange the code may do everything; the code behind a proxy is read too."""
    behind = put(node, "BlocklistToken", "BL", 18)
    word = "0x" + behind[2:].lower().rjust(64, "0")
    owner = node.accounts[5]
    for slot in IMPLEMENTATION_SLOTS:
        token = put(node, "TestToken", "Test", "TT", 18, owner)
        rpc(node.w3, "anvil_setStorageAt", token, slot, word)
        dossier = examine(node.w3, "coin", token)
        assert outcomes(dossier)["proxy"] == "failed"
        assert dossier.powers == ("blocklist", "mint", "upgrade")
    assert dossier.check("owner") is not None
    assert dossier.check("owner").evidence == f"{owner.lower()}, a single account"  # type: ignore[union-attr]

    beacon = put(node, "TestToken", "Beacon", "B", 18, owner)
    answer = "73" + behind[2:].lower() + "60005260206000f3"  # answers every call with that address
    rpc(node.w3, "anvil_setCode", beacon, "0x" + answer)
    token = put(node, "TestToken", "Test", "TT", 18, owner)
    rpc(node.w3, "anvil_setStorageAt", token, BEACON_SLOT, "0x" + beacon[2:].lower().rjust(64, "0"))
    found = examine(node.w3, "coin", token)
    proxy = found.check("proxy")
    assert proxy is not None and proxy.evidence == f"beacon proxy, runs the code at {behind.lower()}"
    assert "blocklist" in found.powers and "upgrade" in found.powers

    clone = put(node, "WETH9")
    rpc(node.w3, "anvil_setCode", clone, f"0x363d3d373d3d3d363d73{behind[2:]}5af43d82803e903d91602b57fd5bf3")
    found = examine(node.w3, "coin", clone)
    assert outcomes(found)["proxy"] == "passed" and found.powers == ("blocklist", "mint")


def test_holders_and_the_depth_of_pools_are_those_of_the_block(node: Anvil) -> None:
    """V1, V6: ten of eleven holders count; a pool with 500 whole tokens at 2 USD is 1,000 USD deep."""
    token = put(node, "OddDecimalsToken", "TOK", 6)
    holders = ["0x" + f"{number:040x}" for number in range(0xA0, 0xAB)]
    for holder in holders:
        mint(node, token, holder, 30 * 10**6)
    block = node.w3.eth.block_number
    pool = node.accounts[6]
    mint(node, token, pool, 500 * 10**6)
    dossier = examine(node.w3, "coin", token, holders=holders, pools=[pool], price_usd=2.0)
    assert dossier.holder_share == pytest.approx(300 / 830, rel=1e-11)
    assert dossier.pool_usd == 1_000.0
    earlier = examine(node.w3, "coin", token, holders=holders, pools=[pool], price_usd=2.0, block=block)
    assert (earlier.holder_share, earlier.pool_usd) == (pytest.approx(300 / 330, rel=1e-11), 0.0)
    assert examine(node.w3, "coin", token, pools=[pool]).pool_usd is None


def test_selectors_are_read_from_code_and_not_from_data() -> None:
    mint_code = bytes.fromhex("63" + selector("mint(address,uint256)"))
    assert selectors_in(mint_code) == {"40c10f19"}
    assert selectors_in(b"\x65\x00" + mint_code) == set()  # inside of a six-byte constant
    assert selectors_in(b"\x62\xab\xcd\xef") == {"00abcdef"}
    metadata = b"\xa2" + mint_code + b"\x00" * 40
    assert selectors_in(b"\x00" + metadata + len(metadata).to_bytes(2, "big")) == set()
    assert keccak(b"transfer(address,uint256)")[:4].hex() == selector("transfer(address,uint256)") == "a9059cbb"


# --- ballots ------------------------------------------------------------------------------------------------------------

SPEC = '[index]\nname = "T"\nsymbol = "T"\n[universe]\ntop = 5\n[governance]\nkind = "votes"\nvoting_period_hours = 24\nlate_vote_hours = 0\n'


def test_member_lines_are_read_back_and_nonsense_is_refused() -> None:
    lines = member_lines(include=("uniswap", "aave"), exclude=("terra-luna",))
    assert members_in(f"More DeFi\n\n{lines}\nThank you") == (("aave", "uniswap"), ("terra-luna",))
    assert members_in("let us talk about ballast:include uniswap") == ((), ())
    with pytest.raises(ChainError, match="write the coin's id in lower case, such as ballast:include uniswap"):
        members_in("ballast:include UNI")
    with pytest.raises(ChainError, match="votes aave both in and out"):
        members_in("ballast:include aave\nballast:exclude aave")


def test_executed_proposals_about_members_are_ballots_and_others_are_not(node: Anvil) -> None:
    """S4, §6.7-20: proposal number, block and time of execution; defeated ones failed; running ones are none."""
    w3, deployer, alice = node.w3, node.accounts[0], node.accounts[1]
    shares, terms = put(node, "OddDecimalsToken", "IDX", 18), VoteTerms.from_spec(parse_spec(SPEC))
    mint(node, shares, alice, 10**24)
    timelock = deploy_timelock(w3, deployer, terms)
    governance = deploy_governance(
        w3, deployer, index=shares, symbol="IDX", timelock=timelock, guardian=node.accounts[2], terms=terms
    )
    wrap(w3, alice, governance, shares, 10**24)
    node.advance(1)
    calls = [(shares, bytes.fromhex(selector("decimals()")))]
    texts = [
        "In\n" + member_lines(include=("uniswap",), exclude=("terra-luna",)),
        "Out\n" + member_lines(exclude=("uniswap",)),
        "nonsense\nballast:include UNI",
        "about something else",
    ]
    proposals = [propose(w3, alice, governance, calls, text) for text in texts]
    assert read_ballots(w3, governance) == ()
    node.advance(terms.voting_delay + 1)
    for proposal, support in zip(proposals, ("for", "against", "for", "for"), strict=True):
        vote(w3, alice, governance, proposal.id, support)
    node.advance(terms.voting_period + 1)
    for proposal in (proposals[0], proposals[2], proposals[3]):
        queue(w3, alice, governance, proposal)
    assert [ballot.result for ballot in read_ballots(w3, governance)] == ["failed"]
    node.advance(terms.timelock_delay + 1)
    for proposal in (proposals[0], proposals[2], proposals[3]):
        execute(w3, alice, governance, find_proposal(w3, governance, proposal.id))

    failed, passed = read_ballots(w3, governance)
    assert (failed.result, failed.proposal, failed.exclude) == ("failed", proposals[1].id, ("uniswap",))
    assert (passed.result, passed.proposal) == ("passed", proposals[0].id)
    assert (passed.include, passed.exclude) == (("uniswap",), ("terra-luna",))
    assert passed.block is not None
    assert int(passed.time.timestamp()) == w3.eth.get_block(passed.block)["timestamp"] > failed.time.timestamp()
