"""Redeeming and claims: the way out is always open.

IndexToken.redeem
├── refuses
│   ├── zero shares, another version, another length
│   ├── more shares than the owner has with BalanceTooLow
│   ├── another's shares without allowance with AllowanceTooLow
│   ├── less than the caller's minimum with AmountOutTooLow
│   └── the zero address as receiver with ReceiverInvalid
├── given no deferred leg
│   ├── it pays ⌊shares·available/supply⌋ of each component, and previews the same
│   ├── it pays the receiver, and burns the owner's shares
│   ├── it spends the allowance of a caller who is not the owner
│   └── the minimums bind exactly
├── given deferred legs
│   ├── they become claims of the receiver and are not transferred
│   ├── minimums hold for them too
│   ├── bits beyond the list mean nothing
│   ├── claims of several redemptions add up
│   ├── a later redemption without them pays its part of what is left beside the claims
│   └── deferring every leg works
└── while minting and exchanging are paused, or the index is deprecated, it works

IndexToken.claim
├── pushed by anyone to the account it pays once
├── redirected by the account itself it pays the new receiver
├── redirected by a stranger it reverts with ClaimNotYours
├── paid twice, or never owed, it reverts with ClaimEmpty
├── to the zero address it reverts
└── it survives the removal of its token
"""

import pytest

from tests.contracts.support import DEAD, HOUR, MAX, WAD, ZERO, wait, why


def test_redeem_of_zero_shares_another_version_or_length_reverts(mixed, alice):
    version, redeem = mixed.version, mixed.token.redeem
    assert why(redeem, 0, version, [0] * 3, alice, alice, 0, sender=alice) == ("ZeroShares",)
    assert why(redeem, 1, version + 1, [0] * 3, alice, alice, 0, sender=alice) == (
        "BasketChanged",
        version,
        version + 1,
    )
    assert why(redeem, 1, version, [0] * 2, alice, alice, 0, sender=alice) == ("LengthMismatch", 2, 3)


def test_redeem_of_more_shares_than_the_owner_has_reverts(mixed, eve):
    """A5: nothing of the too large redemption happens."""
    reserves, supply = mixed.reserves(), mixed.token.totalSupply()
    for shares in (1, supply, supply + 1, 2**128, MAX):
        reason = why(mixed.token.redeem, shares, mixed.version, [0] * 3, eve, eve, 0, sender=eve)
        assert reason == ("BalanceTooLow", eve.address, 0, shares)
    assert (mixed.reserves(), mixed.token.totalSupply()) == (reserves, supply)


def test_redeem_of_anothers_shares_without_allowance_reverts(mixed, alice, eve):
    reason = why(mixed.token.redeem, WAD, mixed.version, [0] * 3, alice, eve, 0, sender=eve)
    assert reason == ("AllowanceTooLow", alice.address, eve.address, 0, WAD)


def test_redeem_of_the_locked_shares_reverts(mixed, eve):
    assert why(mixed.token.redeem, 1, mixed.version, [0] * 3, DEAD, eve, 0, sender=eve)[0] == "AllowanceTooLow"


def test_redeem_to_the_zero_address_reverts(mixed, alice):
    reason = why(mixed.token.redeem, WAD, mixed.version, [0] * 3, alice, ZERO, 0, sender=alice)
    assert reason == ("ReceiverInvalid", ZERO)


@pytest.mark.parametrize("shares", [1, 10**9 - 1, WAD, 123_456_789_012_345_678_901])
def test_redeem_pays_the_rounded_down_part_of_each_component(index, alice, bob, shares):
    supply, reserves, held = index.token.totalSupply(), index.reserves(), index.token.balanceOf(alice)
    expected = [shares * r // supply for r in reserves]
    preview, fee = index.token.previewRedeem(shares)

    tx = index.redeem(alice, shares, receiver=bob)

    assert (list(preview), fee) == (expected, 0)
    assert index.balances(bob) == expected
    assert index.reserves() == [r - a for r, a in zip(reserves, expected, strict=True)]
    assert index.token.balanceOf(alice) == held - shares and index.token.totalSupply() == supply - shares
    event = tx.events["Redeem"]
    assert (event["caller"], event["owner"], event["receiver"]) == (alice, alice, bob)
    assert (event["shares"], event["feeShares"], list(event["amountsOut"])) == (shares, 0, expected)


def test_redeem_minimums_bind_exactly(index, alice):
    shares = 7 * WAD + 3
    amounts = list(index.token.previewRedeem(shares)[0])
    for i, token in enumerate(index.tokens):
        minimums = list(amounts)
        minimums[i] += 1
        reason = why(index.token.redeem, shares, index.version, minimums, alice, alice, 0, sender=alice)
        assert reason == ("AmountOutTooLow", token.address, amounts[i], amounts[i] + 1)
        deferred = why(index.token.redeem, shares, index.version, minimums, alice, alice, 1 << i, sender=alice)
        assert deferred == reason
    before = index.balances(alice)
    index.redeem(alice, shares, min_out=amounts)
    assert index.balances(alice) == [b + a for b, a in zip(before, amounts, strict=True)]


def test_redeem_by_a_spender_uses_up_his_allowance(mixed, alice, bob):
    mixed.token.approve(bob, 3 * WAD, {"from": alice})
    amounts = list(mixed.token.previewRedeem(WAD)[0])
    mixed.redeem(bob, WAD, owner=alice, receiver=bob)
    assert mixed.token.allowance(alice, bob) == 2 * WAD
    assert mixed.balances(bob) == amounts


def test_redeem_with_a_deferred_leg_opens_a_claim_and_transfers_nothing(index, alice, bob):
    shares, reserves = 10 * WAD, index.reserves()
    expected = [shares * r // index.token.totalSupply() for r in reserves]
    for i, token in enumerate(index.tokens):
        held, paid = token.balanceOf(index.token), token.balanceOf(bob)
        owed = index.token.claimOf(token, bob)
        expected = [shares * r // index.token.totalSupply() for r in index.reserves()]
        tx = index.redeem(alice, shares, receiver=bob, mask=1 << i)
        assert token.balanceOf(index.token) == held and token.balanceOf(bob) == paid
        assert index.token.claimOf(token, bob) - owed == expected[i]
        assert dict(tx.events["Defer"]) == {"token": token, "account": bob, "amount": expected[i]}
        assert index.token.claimsMask() >> i & 1 == 1


def test_redeem_with_every_leg_deferred_works_and_claims_add_up(index, alice):
    before, everything = index.balances(alice), (1 << index.n) - 1
    first = list(index.token.previewRedeem(WAD)[0])
    index.redeem(alice, WAD, mask=everything)
    second = list(index.token.previewRedeem(2 * WAD)[0])
    index.redeem(alice, 2 * WAD, mask=everything)
    claims = [index.token.claimOf(token, alice) for token in index.tokens]
    assert claims == [a + b for a, b in zip(first, second, strict=True)]
    assert claims == [index.token.claimsOwed(token) for token in index.tokens]
    assert index.balances(alice) == before


def test_redeem_beside_an_open_claim_pays_its_part_of_what_is_left(index, alice):
    """C18: the claim stays whole, and everyone else is paid as if the claimed tokens were not there."""
    index.redeem(alice, 100 * WAD, mask=1)
    token, owed = index.tokens[0], index.token.claimOf(index.tokens[0], alice)
    held, supply, before = index.balances(index.token), index.token.totalSupply(), index.balances(alice)
    index.redeem(alice, 7 * WAD)
    due = [7 * WAD * (amount - owed if i == 0 else amount) // supply for i, amount in enumerate(held)]
    assert owed > 0 and due[0] > 0
    assert [after - then for after, then in zip(index.balances(alice), before, strict=True)] == due
    assert index.token.claimOf(token, alice) == index.token.claimsOwed(token) == owed


def test_redeem_ignores_bits_beyond_the_list(mixed, alice, bob):
    amounts = list(mixed.token.previewRedeem(WAD)[0])
    mixed.redeem(alice, WAD, receiver=bob, mask=MAX - 7)
    assert mixed.balances(bob) == amounts and mixed.token.claimsMask() == 0


def test_redeem_while_everything_is_paused_or_deprecated_works(mixed, alice, bob, guardian, governor):
    """G1: no pause stands in the way."""
    mixed.token.pauseMint(7 * 86_400, {"from": guardian})
    mixed.token.pauseExchange(7 * 86_400, {"from": guardian})
    mixed.redeem(alice, WAD, receiver=bob)
    mixed.govern(mixed.token.deprecate)
    amounts = list(mixed.token.previewRedeem(WAD)[0])
    before = mixed.balances(bob)
    mixed.redeem(alice, WAD, receiver=bob, mask=1)
    mixed.token.claim(mixed.tokens[0], bob, bob, {"from": bob})
    assert mixed.balances(bob) == [b + a for b, a in zip(before, amounts, strict=True)]


def test_claim_pushed_by_anyone_pays_the_account_once(index, alice, bob, eve):
    index.redeem(alice, WAD, receiver=bob, mask=1)
    token = index.tokens[0]
    amount = index.token.claimOf(token, bob)
    tx = index.token.claim(token, bob, bob, {"from": eve})
    assert token.balanceOf(bob) == amount and token.balanceOf(eve) == 0
    assert dict(tx.events["Claim"]) == {"token": token, "account": bob, "receiver": bob, "amount": amount}
    assert (index.token.claimOf(token, bob), index.token.claimsOwed(token), index.token.claimsMask()) == (0, 0, 0)
    assert why(index.token.claim, token, bob, bob, sender=eve) == ("ClaimEmpty", token.address, bob.address)


def test_claim_redirected_by_the_account_pays_the_new_receiver(mixed, alice, bob):
    mixed.redeem(alice, WAD, mask=2)
    amount = mixed.token.claimOf(mixed.tokens[1], alice)
    mixed.token.claim(mixed.tokens[1], alice, bob, {"from": alice})
    assert mixed.tokens[1].balanceOf(bob) == amount


def test_claim_redirected_by_a_stranger_reverts(mixed, alice, eve):
    mixed.redeem(alice, WAD, mask=2)
    token = mixed.tokens[1]
    assert why(mixed.token.claim, token, alice, eve, sender=eve) == ("ClaimNotYours", eve.address, alice.address)
    assert mixed.token.claimOf(token, alice) > 0


def test_claim_that_was_never_owed_reverts(mixed, eve):
    token = mixed.tokens[0]
    assert why(mixed.token.claim, token, eve, eve, sender=eve) == ("ClaimEmpty", token.address, eve.address)


def test_claim_to_the_zero_address_reverts(mixed, alice):
    mixed.redeem(alice, WAD, mask=1)
    assert why(mixed.token.claim, mixed.tokens[0], alice, ZERO, sender=alice) == ("ReceiverInvalid", ZERO)


def test_claims_of_two_accounts_are_kept_apart(mixed, alice, bob):
    token = mixed.tokens[0]
    mixed.redeem(alice, WAD, mask=1)
    mixed.redeem(alice, 2 * WAD, receiver=bob, mask=1)
    owed, of_bob = mixed.token.claimsOwed(token), mixed.token.claimOf(token, bob)
    mixed.token.claim(token, bob, bob, {"from": bob})
    assert mixed.token.claimsOwed(token) == owed - of_bob == mixed.token.claimOf(token, alice)
    assert mixed.token.claimsMask() == 1


def test_claim_survives_the_removal_and_return_of_its_token(mixed, alice, bob):
    """B15: available counts claims again when the token comes back, and the claim is paid once."""
    token = mixed.tokens[0]
    mixed.redeem(alice, 100 * WAD, receiver=bob, mask=1)
    owed = mixed.token.claimOf(token, bob)
    mixed.remove(0)
    assert token.address not in mixed.token.components() and mixed.token.claimsMask() == 0
    assert token.balanceOf(mixed.token) == owed

    mixed.govern(mixed.world.rebalancer.setAllowed, mixed.token, [token], True)
    wait(HOUR)
    mixed.start([WAD // 2, WAD // 4, WAD // 4], additions=[token])
    place = list(mixed.token.components()).index(token.address)
    assert mixed.token.claimsMask() == 1 << place
    assert mixed.reserves()[place] == 0
    mixed.token.claim(token, bob, bob, {"from": bob})
    assert token.balanceOf(bob) == owed and token.balanceOf(mixed.token) == 0
