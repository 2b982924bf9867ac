"""Shares are an ERC-20 with EIP-2612 permits.

ShareToken
├── metadata
│   └── it tells name, symbol and 18 decimals
├── transfer
│   ├── given enough shares
│   │   ├── it moves exactly the shares and emits Transfer
│   │   ├── to oneself it changes nothing
│   │   └── zero shares move without complaint
│   ├── given too few shares it reverts with BalanceTooLow
│   └── to the zero address it reverts with ReceiverInvalid
├── transferFrom
│   ├── given an allowance it spends it
│   ├── given an unlimited allowance it keeps it
│   ├── given too little allowance it reverts with AllowanceTooLow
│   └── the owner has no allowance over himself unless he gives it
├── approve
│   └── it sets, replaces and revokes
├── permit
│   ├── signed by the owner it approves and uses up the nonce
│   ├── replayed it reverts
│   ├── expired it reverts with PermitExpired
│   ├── signed by another it reverts with PermitSignerInvalid
│   ├── for another index or chain it reverts
│   ├── with a malleable signature it reverts
│   └── for the zero address it reverts
└── totalSupply
    └── it is the sum of all balances and the pending fee
"""

import pytest
from brownie import web3
from eth_account import Account
from eth_account.messages import encode_typed_data

from tests.contracts.support import DEAD, MAX, WAD, YEAR, ZERO, at_next, now, wait, why

KEY = Account.from_key("0x" + "42" * 32)
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.fixture
def token(mixed):
    return mixed.token


def sign(token, *, spender, value=WAD, nonce=0, deadline=None, signer=KEY, chain_id=None, verifier=None):
    """(owner, spender, value, deadline, v, r, s) of a permit."""
    deadline = now() + 1000 if deadline is None else deadline
    message = {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
            ],
            "Permit": [
                {"name": "owner", "type": "address"}, {"name": "spender", "type": "address"},
                {"name": "value", "type": "uint256"}, {"name": "nonce", "type": "uint256"},
                {"name": "deadline", "type": "uint256"},
            ],
        },
        "primaryType": "Permit",
        "domain": {
            "name": token.name(), "version": "1", "chainId": chain_id or web3.eth.chain_id,
            "verifyingContract": verifier or token.address,
        },
        "message": {"owner": KEY.address, "spender": str(spender), "value": value, "nonce": nonce, "deadline": deadline},
    }  # fmt: skip
    signed = signer.sign_message(encode_typed_data(full_message=message))
    return KEY.address, spender, value, deadline, signed.v, signed.r, signed.s


def test_metadata_tells_name_symbol_and_decimals(token):
    assert token.name().startswith("Index ") and token.symbol().startswith("IX") and token.decimals() == 18


def test_transfer_moves_exactly_the_shares(token, alice, bob):
    before = token.balanceOf(alice)
    tx = token.transfer(bob, 7, {"from": alice})
    assert (token.balanceOf(alice), token.balanceOf(bob)) == (before - 7, 7)
    assert tx.events["Transfer"] == {"from": alice, "to": bob, "value": 7}


def test_transfer_to_oneself_changes_nothing(token, alice):
    before, supply = token.balanceOf(alice), token.totalSupply()
    token.transfer(alice, before, {"from": alice})
    assert token.balanceOf(alice) == before and token.totalSupply() == supply


def test_transfer_of_zero_moves_without_complaint(token, eve, bob):
    tx = token.transfer(bob, 0, {"from": eve})
    assert tx.events["Transfer"]["value"] == 0


def test_transfer_given_too_few_shares_reverts(token, bob, eve):
    assert why(token.transfer, bob, 1, sender=eve) == ("BalanceTooLow", eve.address, 0, 1)


def test_transfer_to_the_zero_address_reverts(token, alice):
    assert why(token.transfer, ZERO, 1, sender=alice) == ("ReceiverInvalid", ZERO)


def test_transfer_from_spends_the_allowance(token, alice, bob, eve):
    tx = token.approve(bob, 10, {"from": alice})
    assert tx.events["Approval"] == {"owner": alice, "spender": bob, "value": 10}
    token.transferFrom(alice, eve, 4, {"from": bob})
    assert (token.allowance(alice, bob), token.balanceOf(eve)) == (6, 4)


def test_transfer_from_given_an_unlimited_allowance_keeps_it(token, alice, bob, eve):
    token.approve(bob, MAX, {"from": alice})
    token.transferFrom(alice, eve, 4, {"from": bob})
    assert (token.allowance(alice, bob), token.balanceOf(eve)) == (MAX, 4)


def test_transfer_from_given_too_little_allowance_reverts(token, alice, bob, eve):
    token.approve(bob, 3, {"from": alice})
    assert why(token.transferFrom, alice, eve, 4, sender=bob) == ("AllowanceTooLow", alice.address, bob.address, 3, 4)


def test_transfer_from_oneself_needs_an_allowance_too(token, alice, bob):
    assert why(token.transferFrom, alice, bob, 1, sender=alice)[0] == "AllowanceTooLow"


def test_approve_sets_replaces_and_revokes(token, alice, bob):
    for amount in (5, MAX, 0):
        token.approve(bob, amount, {"from": alice})
        assert token.allowance(alice, bob) == amount


def test_permit_approves_and_uses_up_the_nonce(token, alice, bob, eve):
    permit = sign(token, spender=bob, value=9)
    token.permit(*permit, {"from": eve})  # anyone may bring it
    assert (token.allowance(KEY.address, bob), token.nonces(KEY.address)) == (9, 1)


def test_permit_replayed_reverts(token, bob):
    """E13 (permit): a signature works once."""
    permit = sign(token, spender=bob)
    token.permit(*permit, {"from": bob})
    token_reason = why(token.permit, *permit, sender=bob)
    assert token_reason[0] == "PermitSignerInvalid" and token_reason[2] == KEY.address


def test_permit_expired_reverts(token, bob):
    permit = sign(token, spender=bob, deadline=now() + 10)
    wait(11)
    assert why(token.permit, *permit, sender=bob) == ("PermitExpired", permit[3])


def test_permit_at_its_deadline_works(token, bob):
    permit = sign(token, spender=bob, deadline=now() + 10)
    at_next(permit[3])
    token.permit(*permit, {"from": bob})
    assert token.allowance(KEY.address, bob) == WAD


def test_permit_signed_by_another_reverts(token, bob):
    thief = Account.from_key("0x" + "43" * 32)
    permit = sign(token, spender=bob, signer=thief)
    assert why(token.permit, *permit, sender=bob) == ("PermitSignerInvalid", thief.address, KEY.address)


@pytest.mark.parametrize("change", [{"chain_id": 1}, {"verifier": DEAD}, {"nonce": 1}])
def test_permit_for_another_chain_or_index_or_nonce_reverts(token, bob, change):
    """E13 (permit): the domain holds chain and index."""
    assert why(token.permit, *sign(token, spender=bob, **change), sender=bob)[0] == "PermitSignerInvalid"


def test_permit_for_another_amount_or_spender_reverts(token, bob, eve):
    owner, _, value, deadline, v, r, s = sign(token, spender=bob)
    assert why(token.permit, owner, eve, value, deadline, v, r, s, sender=eve)[0] == "PermitSignerInvalid"
    assert why(token.permit, owner, bob, value + 1, deadline, v, r, s, sender=bob)[0] == "PermitSignerInvalid"


def test_permit_with_a_malleable_signature_reverts(token, bob):
    *rest, v, r, s = sign(token, spender=bob)
    flipped = SECP256K1_ORDER - s
    assert why(token.permit, *rest, 55 - v, r, flipped, sender=bob) == ("ECDSAInvalidSignatureS", _bytes32(flipped))


def test_permit_for_the_zero_address_reverts(token, eve):
    assert why(token.permit, ZERO, eve, MAX, now() + 9, 27, 1, 1, sender=eve) is not None
    assert token.allowance(ZERO, eve) == 0


def test_domain_separator_is_that_of_eip_712(token):
    text = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    words = [web3.keccak(text=text), web3.keccak(text=token.name()), web3.keccak(text="1")]
    packed = b"".join(words) + (31337).to_bytes(32) + bytes(12) + bytes.fromhex(token.address[2:])
    assert str(token.DOMAIN_SEPARATOR()) == "0x" + bytes(web3.keccak(packed)).hex()


def test_total_supply_is_all_balances_and_the_pending_fee(world, alice, bob, fee_recipient):
    index = world.create([world.token()], streaming_fee=5 * 10**16)
    index.token.transfer(bob, 3 * WAD, {"from": alice})
    wait(YEAR // 2)
    held = sum(index.token.balanceOf(who) for who in (alice, bob, fee_recipient, DEAD))
    assert index.token.totalSupply() == held + index.token.pendingFeeShares() and held == 1000 * WAD


def _bytes32(number):
    return number.to_bytes(32).rstrip(b"\0").decode("ascii", "replace")
