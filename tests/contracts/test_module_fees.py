"""Fee shares of modules, and shares given up for the others.

mintFeeShares
├── when neither rebalancer nor fee module calls, it is refused
├── when the fee module calls, the receiver has the shares and the supply grows by them, past any cap
├── when modules mint more than a tenth of the supply, it is refused to the last unit, and a month drains the bucket
├── when the rebalancer calls, the loss budget is charged too, and one more than is left is refused
└── when the governor names another module, what was minted stays counted

burn
├── when the caller has the shares, they cease to exist, the basket stays and every other share is worth more
└── when he has too few, or burns none, it is refused
"""

import pytest

from tests.contracts.support import DAY, LIMITS, MAX, WAD, ZERO, accounts, wait, why

TENTH = WAD // 10


@pytest.fixture
def index(mixed, carol):
    mixed.govern(mixed.token.setFeeModule, carol)
    return mixed


@pytest.fixture
def carol():
    return accounts[9]


def test_fee_shares_are_for_modules_only(index, alice, eve, governor):
    """G7: not the governor, not a holder."""
    for who in (alice, eve, governor):
        assert why(index.token.mintFeeShares, 1, who, sender=who) == ("NotFeeModule", who.address)


def test_fee_shares_of_the_module_dilute_by_themselves_alone(index, carol, bob):
    index.govern(index.token.setSupplyCap, index.token.totalSupply() // WAD)
    supply, reserves = index.token.totalSupply(), index.reserves()
    tx = index.token.mintFeeShares(3 * WAD, bob, {"from": carol})
    assert index.token.balanceOf(bob) == 3 * WAD
    assert index.token.totalSupply() == supply + 3 * WAD and index.reserves() == reserves
    assert dict(tx.events["MintFeeShares"]) == {"module": carol, "receiver": bob, "shares": 3 * WAD}
    assert why(index.token.mintFeeShares, 0, bob, sender=carol) == ("ZeroShares",)
    assert why(index.token.mintFeeShares, 1, ZERO, sender=carol) == ("ReceiverInvalid", ZERO)


def test_fee_shares_never_pass_a_tenth_of_the_supply_in_a_month(index, carol, bob):
    """G3: the bound is in the token. A bucket of a tenth that drains within thirty days, to the last unit."""
    supply = index.token.totalSupply()
    assert index.token.moduleFeeLeft() == TENTH
    assert why(index.token.mintFeeShares, supply // 10 + 1, bob, sender=carol)[0] == "ModuleFeeExceeded"
    index.token.mintFeeShares(supply // 10, bob, {"from": carol})
    assert index.token.moduleFeeLeft() == 0
    assert why(index.token.mintFeeShares, 1, bob, sender=carol) == ("ModuleFeeExceeded", 1, 0)
    wait(3 * DAY)
    assert index.token.moduleFeeLeft() == TENTH // 10
    supply = index.token.totalSupply()
    most = supply * (TENTH // 10) // WAD
    assert why(index.token.mintFeeShares, most + supply // WAD + 1, bob, sender=carol)[0] == "ModuleFeeExceeded"
    index.token.mintFeeShares(most, bob, {"from": carol})
    wait(60 * DAY)
    assert index.token.moduleFeeLeft() == TENTH


def test_another_module_shares_the_same_bucket(index, carol, bob, eve):
    index.token.mintFeeShares(index.token.totalSupply() // 20, bob, {"from": carol})
    left = index.token.moduleFeeLeft()
    index.govern(index.token.setFeeModule, eve)
    assert index.token.feeModule() == eve
    assert why(index.token.mintFeeShares, 1, bob, sender=carol) == ("NotFeeModule", carol.address)
    assert TENTH // 2 <= left <= index.token.moduleFeeLeft() <= left + TENTH * 10 // (30 * DAY)


def test_fee_shares_of_the_rebalancer_are_charged_to_the_loss_budget(mixed, world, bob):
    """G2: the fee counts as a loss of the holders, rounded up."""
    mixed.govern(mixed.token.setRebalancer, bob)
    supply, capacity = mixed.token.totalSupply(), LIMITS.loss_capacity
    shares = supply * capacity // WAD
    reason = why(mixed.token.mintFeeShares, shares + supply // WAD + 1, bob, sender=bob)
    assert reason is not None and reason[0] == "LossBudgetExceeded" and reason[2] == capacity
    tx = mixed.token.mintFeeShares(shares, bob, {"from": bob})
    assert tx.events["Charge"]["loss"] == -(-shares * WAD // supply) and tx.events["Charge"]["turnover"] == 0
    assert world.guard.usedOf(mixed.token)[0] == capacity
    assert why(mixed.token.mintFeeShares, 1, bob, sender=bob)[0] == "LossBudgetExceeded"


def test_nobody_but_an_index_charges_a_fee(mixed, world, eve):
    assert why(world.guard.chargeFee, 1, WAD, sender=eve) == ("NotRegistered", eve.address)


def test_burnt_shares_are_a_gift_to_the_others(mixed, alice, bob):
    """G3: nothing leaves; what remains is shared by fewer."""
    mixed.mint(bob, 100 * WAD)
    supply, reserves = mixed.token.totalSupply(), mixed.reserves()
    worth, _ = mixed.token.previewRedeem(WAD)
    tx = mixed.token.burn(100 * WAD, {"from": bob})
    assert dict(tx.events["Burn"]) == {"account": bob, "shares": 100 * WAD}
    assert mixed.token.balanceOf(bob) == 0
    assert mixed.token.totalSupply() == supply - 100 * WAD and mixed.reserves() == reserves
    assert all(new > old for new, old in zip(mixed.token.previewRedeem(WAD)[0], worth, strict=True))


def test_burning_needs_the_shares(mixed, alice, eve):
    assert why(mixed.token.burn, 0, sender=alice) == ("ZeroShares",)
    assert why(mixed.token.burn, 1, sender=eve) == ("BalanceTooLow", eve.address, 0, 1)
    held = mixed.token.balanceOf(alice)
    assert why(mixed.token.burn, held + 1, sender=alice) == ("BalanceTooLow", alice.address, held, held + 1)
    assert why(mixed.token.burn, MAX, sender=alice) == ("BalanceTooLow", alice.address, held, MAX)


def test_burning_all_but_the_locked_shares_leaves_a_working_index(mixed, alice, bob):
    """E5: the last holder burns; the locked shares own everything, minting goes on at their price."""
    mixed.token.burn(mixed.token.balanceOf(alice), {"from": alice})
    supply, reserves = mixed.token.totalSupply(), mixed.reserves()
    assert supply == mixed.token.balanceOf("0x000000000000000000000000000000000000dEaD")
    mixed.mint(bob, 10**9)
    got, before = mixed.balances(bob), mixed.reserves()
    mixed.redeem(bob, 10**9)
    assert all(a >= b for a, b in zip(mixed.reserves(), reserves, strict=True))
    assert all(
        new - old <= now_ - new_
        for new, old, now_, new_ in zip(mixed.balances(bob), got, before, mixed.reserves(), strict=True)
    )
