"""The investor's journey: mint in kind, redeem in kind, claim what could not be paid at once.

mint
├── without the components: every missing one is named, and the way to get them
├── with them: exactly ⌈shares·R/S⌉ of each is taken, and no more than the limits stays approved
└── when paused, capped or not approved: told before anything is sent
redeem
├── pays ⌊shares·R/S⌋ of each component
└── when a token cannot move: it is named, the others are paid, the rest is claimed later
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

from offchain.chain.accounts import resolve
from offchain.chain.client import connect
from offchain.chain.core import erc20, index_contract
from offchain.chain.investor import LegsBlocked, claim, claims_of, mint, preview_mint, preview_redeem, redeem
from offchain.chain.reads import read_state
from offchain.chain.transactions import send
from offchain.errors import (
    ChainError,
    InsufficientAllowance,
    InsufficientBalance,
    NotConnected,
    TransactionReverted,
    UnitError,
    UnknownIndex,
)
from offchain.launch import fund_locally
from offchain.units import to_shares

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.devnet import Devnet
    from offchain.launch import Launched

SHARE = 10**18


def the(chain: Devnet, name: str) -> str:
    return resolve(chain.w3, name)


def fund(chain: Devnet, launched: Launched, account: str, shares: int) -> None:
    preview = preview_mint(chain.w3, launched.core, launched.index.address, shares, account=account)
    fund_locally(chain.w3, account, {leg.token: leg.limit for leg in preview.legs})


def holdings(chain: Devnet, tokens: tuple[str, ...], account: str) -> list[int]:
    return [int(erc20(chain.w3, token).functions.balanceOf(account).call()) for token in tokens]


# --- the command line -------------------------------------------------------------------------------------------------


def test_the_investors_journey_at_the_command_line(chain: Devnet, launched: Launched, brownie: Brownie) -> None:
    alice, tokens = the(chain, "alice"), launched.index.components
    token = index_contract(chain.w3, launched.index.address)

    poor = brownie("mint", "main", "EQ5", "2.5", "alice")
    assert poor.code == 1 and len(poor.errors) == 1
    assert "holds too little to mint 2.5 EQ5: " in poor.errors[0] and poor.errors[0].count("has 0, needs") == 5
    assert "brownie run mint faucet EQ5 2.5 alice" in poor.errors[0]

    minted = brownie("mint", "main", "EQ5", "2.5", "alice", FAUCET="1")
    assert (minted.code, minted.errors) == (0, [])
    assert "gives $250.00" in minted.out and "minted 2.5 EQ5 (fee 0)" in minted.out
    assert token.functions.balanceOf(alice).call() == 25 * 10**17

    before = holdings(chain, tokens, alice)
    redeemed = brownie("redeem", "main", "EQ5", "1", "alice")
    assert (redeemed.code, redeemed.errors) == (0, [])
    assert "redeemed 1 EQ5 (fee 0), $99.99" in redeemed.out or "redeemed 1 EQ5 (fee 0), $100.00" in redeemed.out
    assert token.functions.balanceOf(alice).call() == 15 * 10**17
    assert all(now > then for now, then in zip(holdings(chain, tokens, alice), before, strict=True))


def test_each_mistake_is_one_line_and_a_failing_exit(chain: Devnet, launched: Launched, brownie: Brownie) -> None:
    height = chain.w3.eth.block_number
    cases = [
        (("mint", "main", "EQ6", "1"), 'no index EQ6 on local devnet (chain 31337). Did you mean "EQ5"?'),
        (("redeem", "main", "EQ5", "1", "alice"), "holds 0 EQ5, needs 1 to redeem"),
    ]
    started = [(brownie.start(*call), message) for call, message in cases]
    for process, message in started:
        ended = brownie.end(process)
        assert ended.code == 1 and len(ended.errors) == 1 and message in ended.errors[0], ended
    assert chain.w3.eth.block_number == height


def test_a_misspelt_name_is_answered_with_the_nearest(chain: Devnet, launched: Launched) -> None:
    with pytest.raises(ChainError, match='"alise" is no account of the local devnet .* Did you mean "alice"?'):
        resolve(chain.w3, "alise")
    with pytest.raises(ChainError, match='WBTX is not a component of EQ5. Did you mean "WBTC"?'):
        redeem(chain.w3, the(chain, "deployer"), launched.core, launched.index.address, SHARE, defer=["WBTX"])
    with pytest.raises(UnitError, match="'many' is not a number"):
        to_shares("many")


# --- mint -------------------------------------------------------------------------------------------------------------


def test_mint_takes_each_share_of_the_reserves_rounded_up(chain: Devnet, launched: Launched) -> None:
    alice, index = the(chain, "alice"), launched.index
    fund(chain, launched, alice, 3 * SHARE)
    before = holdings(chain, index.components, alice)
    done = mint(chain.w3, alice, launched.core, index.address, 3 * SHARE)

    spent = [then - now for then, now in zip(before, holdings(chain, index.components, alice), strict=True)]
    state = read_state(chain.w3, launched.core, index.address, done.block - 1)
    assert spent == [leg.amount for leg in done.legs]
    # the supply grew by a few seconds of fee between the block before and the mint
    for leg, item in zip(done.legs, state.components, strict=True):
        exact = -(-3 * SHARE * item.available // state.supply)
        assert exact - exact // 10**6 - 1 <= leg.amount <= exact
    allowed = [erc20(chain.w3, leg.token).functions.allowance(alice, index.address).call() for leg in done.legs]
    assert all(left <= leg.limit - leg.amount for left, leg in zip(allowed, done.legs, strict=True))
    assert done.gas_used > 0 and done.gas_cost > 0 and len(done.approvals) == 5


def test_mint_without_approval_names_every_component_and_sends_nothing(chain: Devnet, launched: Launched) -> None:
    alice, index = the(chain, "alice"), launched.index
    fund(chain, launched, alice, SHARE)
    height = chain.w3.eth.block_number
    with pytest.raises(InsufficientAllowance) as refusal:
        mint(chain.w3, alice, launched.core, index.address, SHARE, approve=False)
    assert str(refusal.value).count("has 0, needs") == 5
    assert chain.w3.eth.block_number == height


def test_mint_when_paused_or_capped_is_refused_before_any_approval(chain: Devnet, launched: Launched) -> None:
    alice, index = the(chain, "alice"), launched.index
    fund(chain, launched, alice, SHARE)
    token = index.contract(chain.w3)
    send(chain.w3, the(chain, "guardian"), token.functions.pauseMint(3600))
    height = chain.w3.eth.block_number
    with pytest.raises(TransactionReverted, match="minting EQ5 is paused until 2024-06-03T0.*Z; redeeming works"):
        mint(chain.w3, alice, launched.core, index.address, SHARE)
    assert chain.w3.eth.block_number == height


@pytest.mark.parametrize(("shares", "slippage"), [(0, 10), (-1, 10), (SHARE, -1), (SHARE, 1001)])
def test_preview_mint_given_an_impossible_amount_or_slippage_is_refused(
    chain: Devnet, launched: Launched, shares: int, slippage: int
) -> None:
    with pytest.raises(UnitError):
        preview_mint(
            chain.w3,
            launched.core,
            launched.index.address,
            shares,
            account=the(chain, "alice"),
            max_slippage_bps=slippage,
        )


# --- redeem -----------------------------------------------------------------------------------------------------------


def test_redeem_pays_each_share_of_the_reserves_rounded_down(chain: Devnet, launched: Launched) -> None:
    deployer, index = the(chain, "deployer"), launched.index
    before = holdings(chain, index.components, deployer)
    done = redeem(chain.w3, deployer, launched.core, index.address, 7 * SHARE)
    got = [now - then for then, now in zip(before, holdings(chain, index.components, deployer), strict=True)]
    state = read_state(chain.w3, launched.core, index.address, done.block - 1)
    assert got == [leg.amount for leg in done.legs]
    for leg, item in zip(done.legs, state.components, strict=True):
        exact = 7 * SHARE * item.available // state.supply
        assert exact - exact // 10**6 - 1 <= leg.amount <= exact


def test_redeem_beyond_the_balance_is_refused(chain: Devnet, launched: Launched) -> None:
    with pytest.raises(InsufficientBalance, match="holds 0 EQ5, needs 1.5 to redeem"):
        redeem(chain.w3, the(chain, "eve"), launched.core, launched.index.address, 15 * 10**17)


def test_redeem_names_a_frozen_token_pays_the_others_and_claims_it_later(chain: Devnet, launched: Launched) -> None:
    w3, core, index, deployer = chain.w3, launched.core, launched.index, the(chain, "deployer")
    frozen = read_state(w3, core, index.address).components[2]
    original = bytes(w3.eth.get_code(frozen.token))
    freeze_transfers(chain, frozen.token)

    height = w3.eth.block_number
    with pytest.raises(
        LegsBlocked, match=f"{frozen.symbol} cannot be paid now .* deferred: {frozen.symbol};"
    ) as refusal:
        redeem(w3, deployer, core, index.address, SHARE)
    assert refusal.value.defer == (frozen.symbol,) and w3.eth.block_number == height

    before = holdings(chain, index.components, deployer)
    done = redeem(w3, deployer, core, index.address, SHARE, defer=refusal.value.defer)
    got = [now - then for then, now in zip(before, holdings(chain, index.components, deployer), strict=True)]
    assert [amount > 0 for amount in got] == [True, True, False, True, True]
    owed = claims_of(w3, core, index.address, deployer)
    assert owed == {frozen.token: done.legs[2].amount} and done.legs[2].deferred

    chain.node.set_code(frozen.token, original)
    paid, _ = claim(w3, deployer, core, index.address, frozen.symbol)
    assert paid == owed[frozen.token] == holdings(chain, index.components, deployer)[2] - before[2]
    with pytest.raises(ChainError, match="nothing to claim"):
        claim(w3, deployer, core, index.address, frozen.symbol)


def test_redeem_works_when_a_token_does_not_even_tell_balances(chain: Devnet, launched: Launched) -> None:
    w3, core, index, deployer = chain.w3, launched.core, launched.index, the(chain, "deployer")
    broken = read_state(w3, core, index.address).components[0]
    chain.node.set_code(broken.token, bytes.fromhex("5f5ffd"))
    with pytest.raises(LegsBlocked) as refusal:
        redeem(w3, deployer, core, index.address, SHARE)
    assert len(refusal.value.defer) == 1
    done = redeem(w3, deployer, core, index.address, SHARE, defer=[broken.token])
    assert [leg.amount > 0 for leg in done.legs] == [False, True, True, True, True]


def freeze_transfers(chain: Devnet, token: str) -> None:
    """Puts code in front of a token that reverts on transfer and passes everything else on."""
    behind = "0x" + "f1" * 20
    chain.node.set_code(behind, bytes(chain.w3.eth.get_code(token)))
    front = (
        "5f3560e01c63a9059cbb14603b57"  # transfer(address,uint256)? jump to the revert
        "365f5f37"  # calldatacopy(0, 0, size)
        f"5f5f365f73{behind[2:]}5af4"  # delegatecall(gas, behind, 0, size, 0, 0)
        "3d5f5f3e"  # returndatacopy
        "603757"  # success? jump to the return
        "3d5ffd"
        "5b3d5ff3"
        "5b5f5ffd"
    )
    chain.node.set_code(token, bytes.fromhex(front))


# --- reading ----------------------------------------------------------------------------------------------------------


def test_the_state_of_an_index_is_one_request(
    chain: Devnet, launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    original = requests.Session.request
    monkeypatch.setattr(requests.Session, "request", lambda *args, **more: asked.append(1) or original(*args, **more))
    state = read_state(chain.w3, launched.core, launched.index.address)
    assert asked == [1]
    assert state.tokens == launched.index.components and sum(state.weights.values()) <= 10**18
    assert state.component(state.components[1].symbol) == state.components[1]


def test_something_else_than_an_index_is_named(chain: Devnet, launched: Launched) -> None:
    with pytest.raises(UnknownIndex, match="cannot be read as an index"):
        read_state(chain.w3, launched.core, launched.core.oracle)


def test_a_killed_node_is_one_clear_error(chain: Devnet, launched: Launched) -> None:
    from offchain.devnet import Anvil

    with Anvil.start() as node:
        w3 = connect(node.url, 31337)
    with pytest.raises(NotConnected, match="no node answers at http://127.0.0.1:.*start a local one with `make chain`"):
        preview_redeem(w3, launched.core, launched.index.address, SHARE, account=the(chain, "alice"))
