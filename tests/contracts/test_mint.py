"""Minting: whoever brings the basket receives the shares.

IndexToken.mint
├── refuses
│   ├── zero shares with ZeroShares
│   ├── another version of the list with BasketChanged
│   ├── a limit array of another length with LengthMismatch
│   ├── to need more than the caller's limit with AmountInTooHigh
│   ├── the zero address as receiver with ReceiverInvalid
│   ├── to pass the supply cap with SupplyCapExceeded
│   ├── while paused with MintPaused
│   └── amounts that overflow, whole
└── given the basket
    ├── it takes ⌈shares·available/supply⌉ of each component, and previews the same
    ├── it gives exactly the shares to the receiver, whoever paid
    ├── it announces what it took
    ├── the limits bind exactly: one base unit less is refused
    ├── nothing but the stated amounts moves
    ├── it counts claims as not available
    └── backing per share does not fall
"""

import pytest

from tests.contracts.support import LOCKED_SHARES, MAX, WAD, ZERO, ceil_div, wait, why


def test_mint_of_zero_shares_reverts(mixed, alice):
    assert why(mixed.token.mint, 0, mixed.version, [MAX] * 3, alice, sender=alice) == ("ZeroShares",)


def test_mint_for_another_version_reverts(mixed, alice):
    version = mixed.version
    assert why(mixed.token.mint, 1, version + 1, [MAX] * 3, alice, sender=alice) == (
        "BasketChanged",
        version,
        version + 1,
    )


def test_mint_given_a_limit_array_of_another_length_reverts(mixed, alice):
    assert why(mixed.token.mint, 1, mixed.version, [MAX] * 2, alice, sender=alice) == ("LengthMismatch", 2, 3)
    assert why(mixed.token.mint, 1, mixed.version, [MAX] * 4, alice, sender=alice) == ("LengthMismatch", 4, 3)


def test_mint_to_the_zero_address_reverts(mixed, bob):
    mixed.fund(bob, WAD)
    before = mixed.balances(bob)
    assert why(mixed.token.mint, WAD, mixed.version, [MAX] * 3, ZERO, sender=bob) == ("ReceiverInvalid", ZERO)
    assert mixed.balances(bob) == before


@pytest.mark.parametrize("shares", [2**255, MAX])
def test_mint_of_amounts_that_overflow_reverts_whole(mixed, bob, shares):
    """A5: no partial state for absurd sizes."""
    mixed.fund(bob, WAD)
    reserves, supply = mixed.reserves(), mixed.token.totalSupply()
    assert why(mixed.token.mint, shares, mixed.version, [MAX] * 3, bob, sender=bob) is not None
    assert (mixed.reserves(), mixed.token.totalSupply()) == (reserves, supply)


@pytest.mark.parametrize("shares", [1, 10**9 - 1, WAD, 123_456_789_012_345_678_901])
def test_mint_takes_the_rounded_up_part_of_each_component(index, bob, shares):
    supply, reserves = index.token.totalSupply(), index.reserves()
    expected = [ceil_div(shares * r, supply) for r in reserves]
    preview, fee = index.token.previewMint(shares)
    held = [b + 2 * a + 10 for b, a in zip(index.balances(bob), expected, strict=True)]  # after `fund`

    tx = index.mint(bob, shares)

    assert (list(preview), fee) == (expected, 0)
    assert index.reserves() == [r + a for r, a in zip(reserves, expected, strict=True)]
    assert index.balances(bob) == [h - a for h, a in zip(held, expected, strict=True)]
    assert index.token.balanceOf(bob) == shares
    assert index.token.totalSupply() == supply + shares
    event = tx.events["Mint"]
    assert (event["caller"], event["receiver"], event["shares"], event["feeShares"]) == (bob, bob, shares, 0)
    assert list(event["amountsIn"]) == expected


def test_mint_gives_the_shares_to_the_receiver(mixed, bob, eve):
    mixed.mint(bob, WAD, receiver=eve)
    assert (mixed.token.balanceOf(eve), mixed.token.balanceOf(bob)) == (WAD, 0)


def test_mint_limits_bind_exactly(index, bob):
    shares = 3 * WAD + 1
    needed = index.fund(bob, shares)
    for i, token in enumerate(index.tokens):
        limits = list(needed)
        limits[i] -= 1
        expected = ("AmountInTooHigh", token.address, needed[i], needed[i] - 1)
        assert why(index.token.mint, shares, index.version, limits, bob, sender=bob) == expected
    index.mint(bob, shares, max_in=needed, fund=False)
    assert index.token.balanceOf(bob) == shares


def test_mint_without_the_tokens_or_an_allowance_reverts(mixed, bob):
    needed = mixed.fund(bob, WAD)
    mixed.tokens[2].approve(mixed.token, needed[2] - 1, {"from": bob})
    before = mixed.balances(bob)
    reason = why(mixed.token.mint, WAD, mixed.version, [MAX] * 3, bob, sender=bob)
    assert reason == ("ERC20InsufficientAllowance", mixed.address, needed[2] - 1, needed[2])
    assert mixed.balances(bob) == before and mixed.token.balanceOf(bob) == 0


def test_mint_above_the_supply_cap_reverts_and_up_to_it_works(world, bob):
    index = world.create([world.token()], supply_cap=1005)
    index.fund(bob, 6 * WAD)
    expected = ("SupplyCapExceeded", 1000 * WAD, 5 * WAD + 1, 1005 * WAD)
    assert why(index.token.mint, 5 * WAD + 1, index.version, [MAX], bob, sender=bob) == expected
    index.mint(bob, 5 * WAD)
    assert index.token.totalSupply() == 1005 * WAD == index.token.supplyCap()
    assert why(index.token.mint, 1, index.version, [MAX], bob, sender=bob)[0] == "SupplyCapExceeded"


def test_mint_while_paused_reverts(mixed, bob, guardian):
    mixed.fund(bob, WAD)
    tx = mixed.token.pauseMint(3600, {"from": guardian})
    until = tx.timestamp + 3600
    assert why(mixed.token.mint, WAD, mixed.version, [MAX] * 3, bob, sender=bob) == ("MintPaused", until)
    wait(3601)
    mixed.mint(bob, WAD)
    assert mixed.token.balanceOf(bob) == WAD


def test_mint_counts_claims_as_not_available(index, alice, bob):
    index.redeem(alice, 100 * WAD, mask=1)
    owed = index.token.claimsOwed(index.tokens[0])
    available = index.tokens[0].balanceOf(index.token) - owed
    assert owed > 0 and index.reserves()[0] == available
    supply = index.token.totalSupply()
    index.mint(bob, WAD)
    assert index.reserves()[0] == available + ceil_div(WAD * available, supply)
    assert index.token.claimsOwed(index.tokens[0]) == owed


def test_mint_does_not_lower_the_backing_of_a_share(index, bob):
    """G3: rounding up is for the holders."""
    for shares in (1, 7, 10**6 + 1, WAD // 3):
        reserves, supply = index.reserves(), index.token.totalSupply()
        index.mint(bob, shares)
        after, supply_after = index.reserves(), index.token.totalSupply()
        assert all(a * supply >= r * supply_after for r, a in zip(reserves, after, strict=True))


def test_the_locked_shares_keep_the_supply_above_zero(index, alice):
    index.redeem(alice, index.token.balanceOf(alice))
    assert index.token.totalSupply() == LOCKED_SHARES
