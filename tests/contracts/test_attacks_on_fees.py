"""Attacks on fees, each asserted on who holds what at the end.

Retroactivity    a higher rate, announced or delayed, is for later gains, and holders can leave before it acts
Spam             a poke in every block of a year changes what is charged by rounding only
Extremes         the smallest and a huge supply, ten years without a touch, nobody left but the locked shares
Performance fee  donations, doubled charges, shares minted for the moment of the charge, prices bent for a block
"""

from fractions import Fraction

import pytest
from brownie import FeeSplitter

from offchain.reference import fee_math
from tests.contracts.fee_support import TENTH, charged, close
from tests.contracts.support import (
    D27,
    DAY,
    HOUR,
    LOCKED_SHARES,
    WAD,
    YEAR,
    at_next,
    manage,
    now,
    wait,
    why,
)

FIFTH = 2 * TENTH
FIVE_PERCENT = 5 * 10**16
NOTICE = 3 * DAY
BLOCK = 12
RATE = fee_math.streaming_rate(FIVE_PERCENT)


def value(fund, who):
    """{nUSD} that an account could redeem its shares for, and what it holds of the components."""
    shares = fund.nav_per_share() * fund.token.balanceOf(who)
    return shares + sum(Fraction(held * fund.index.price(i), D27) for i, held in enumerate(fund.index.balances(who)))


# --- retroactivity ----------------------------------------------------------------------------------------------------


def test_a_streaming_fee_raised_after_300_idle_days_is_not_for_those_days(world, alice, fee_recipient):
    """E1: what the holder has left is one fee for the old days and the other for the new ones."""
    fund = charged(world, streaming_fee=10**16, decimals=(18,))
    since = fund.token.supplyWord()[2]
    before = fund.index.reserves()[0]
    setter = fund.token.setStreamingFee
    fund.index.govern(fund.token.announceFee, bytes.fromhex(setter.signature[2:]), FIVE_PERCENT)
    at_next(since + 300 * DAY)
    fund.index.govern(setter, FIVE_PERCENT)
    at_next(since + 365 * DAY)
    fund.index.redeem(alice, fund.token.balanceOf(alice))
    kept = (0.99 ** (300 / 365)) * (0.95 ** (65 / 365))
    assert fund.index.balances(alice)[0] == pytest.approx(before * kept, rel=1e-9)


def test_holders_leave_before_a_higher_performance_fee_acts(world, governor, alice, eve):
    """E1, E6: notice in the code, then the delay of the governor; who redeems until then never pays the new rate."""
    fund = charged(world, rate=0)
    manage(fund.index.authority, "grantRole", 0, governor, 2 * DAY, sender=governor)  # from now on the governor waits
    wait(6 * DAY)
    announce = fund.fee.announceRate.encode_input(fund.token, FIFTH)
    setting = fund.fee.setRate.encode_input(fund.token, FIFTH)
    manage(fund.index.authority, "schedule", fund.fee, announce, 0, sender=governor)
    wait(2 * DAY + 1)
    manage(fund.index.authority, "execute", fund.fee, announce, sender=governor)
    manage(fund.index.authority, "schedule", fund.fee, setting, 0, sender=governor)
    refusal = why(fund.fee.setRate, fund.token, FIFTH, sender=governor)
    assert refusal == ("NotAuthorized", governor.address, fund.index.address)
    fund.set_prices(2)
    wait(NOTICE - HOUR)
    reserves, supply, held = fund.index.reserves(), fund.token.totalSupply(), fund.token.balanceOf(alice)

    fund.index.redeem(alice, held - 10 * WAD)

    assert fund.index.balances(alice) == [(held - 10 * WAD) * r // supply for r in reserves]  # all of the gain is hers
    wait(2 * HOUR)
    manage(fund.index.authority, "execute", fund.fee, setting, sender=governor)
    assert fund.fee.accountOf(fund.token)[4] == FIFTH
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"  # nor is the old gain charged to who stays


# --- spam -------------------------------------------------------------------------------------------------------------


def test_a_mint_in_every_block_of_a_year_changes_the_fee_by_rounding_only(world, bob):
    """E2: on chain a few blocks to the wei, then their exact twin for all 2,628,000 of the year."""
    fund = charged(world, streaming_fee=FIVE_PERCENT, decimals=(18,))
    fund.index.fund(bob, 100)
    supply, _, since = fund.token.supplyWord()
    factor = fee_math.growth(RATE, BLOCK)
    start, steps = supply, 0
    for _ in range(5):
        steps += 1
        at_next(since + steps * BLOCK)
        fund.index.mint(bob, 1, fund=False)
        supply = fee_math.effective_supply(supply, 0, factor) + 1
        assert fund.token.supplyWord()[0] == supply
    for _ in range(YEAR // BLOCK - steps):
        supply = supply * factor // WAD + 1
    untouched = fee_math.effective_supply(start, 0, fee_math.growth(RATE, YEAR))
    minted = YEAR // BLOCK  # and what they have earned, which is below that again
    assert -(supply * 6 // 10**12) <= supply - untouched - minted <= minted


def test_a_sync_in_every_block_of_a_year_changes_the_record_by_rounding_only():
    """E2: the record is never above what is exact, and below it by less than a part in 10^10."""
    unit = 123_456_789 * D27 // 1000
    spammed = unit
    factor = fee_math.growth(RATE, BLOCK)
    for _ in range(YEAR // BLOCK):
        spammed = spammed * WAD // (factor + factor // WAD + 2)
    assert fee_math.unit_after(unit, RATE, BLOCK) == unit * WAD // (factor + factor // WAD + 2)
    exact = unit * 95 // 100
    assert spammed <= fee_math.unit_after(unit, RATE, YEAR) <= exact
    assert exact - spammed <= exact // 10**10


def test_syncing_often_on_chain_is_the_same(world, eve):
    """E2: forty syncs of a year leave the same fee as none."""
    funds = [charged(world, streaming_fee=FIVE_PERCENT, decimals=(18, 6)) for _ in range(2)]
    start = now()
    for k in range(1, 41):
        at_next(start + k * YEAR // 41)
        funds[0].fee.sync(funds[0].token, {"from": eve})
    wait(start + YEAR - now())
    navs = [fund.fee.navOf(fund.token)[0] for fund in funds]
    for fund, nav in zip(funds, navs, strict=True):
        assert close(nav, fund.nav_per_share() * D27)
    assert abs(navs[0] - navs[1]) <= navs[0] // 10**7  # the two were made some seconds apart


# --- extremes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [LOCKED_SHARES + 1, 10**12, 10**30])
def test_fees_at_the_ends_of_the_supply_after_ten_years(world, shares, alice, bob, fee_recipient):
    """E4: no overflow, no charge above the exact one, and everyone can still leave."""
    fund = charged(world, shares=shares, streaming_fee=FIVE_PERCENT, decimals=(18, 6))
    start = fund.nav_per_share()
    wait(10 * YEAR)
    fund.set_prices(4)
    fund.observe()
    wait(HOUR)
    exact = fund.exact_shares(fund.nav_per_share() - start, TENTH)
    fund.fee.crystallise(fund.token, {"from": bob})
    charged_shares = fund.token.balanceOf(fee_recipient)
    assert close(charged_shares, exact, Fraction(1, 10**6))
    fund.token.collect({"from": bob})
    for who in (alice, fee_recipient):
        fund.index.redeem(who, fund.token.balanceOf(who))
    assert fund.token.balanceOf(alice) == fund.token.balanceOf(fee_recipient) == 0
    assert fund.token.totalSupply() >= LOCKED_SHARES


def test_with_only_the_locked_shares_left_nobody_gains_from_a_donation(world, alice, bob, eve, fee_recipient):
    """E5: after all have left the index mints, charges nothing for a gift, and a minter gets what he paid."""
    fund = charged(world, streaming_fee=FIVE_PERCENT, mint_fee=10**15, redeem_fee=10**15)
    fund.index.redeem(alice, fund.token.balanceOf(alice))
    fund.token.collect({"from": eve})
    fund.index.redeem(fee_recipient, fund.token.balanceOf(fee_recipient))
    fund.token.collect({"from": eve})
    fund.index.redeem(fee_recipient, fund.token.balanceOf(fee_recipient))
    assert LOCKED_SHARES <= fund.token.totalSupply() <= 2 * 10**15
    for i, token in enumerate(fund.tokens):
        fund.donate(i, 10 ** (token.decimals() + 3))
    wait(fund.due_at() - now())
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"

    fund.index.fund(bob, WAD)
    paid_from = value(fund, bob)
    fund.index.mint(bob, WAD, fund=False)
    fund.index.redeem(bob, fund.token.balanceOf(bob))
    assert value(fund, bob) <= paid_from
    assert value(fund, bob) >= paid_from - fund.nav_per_share() * WAD / 100


# --- performance fee --------------------------------------------------------------------------------------------------


def test_the_recipient_cannot_take_a_donation_out_through_the_fee(world, alice, bob, fee_recipient):
    """Donate, charge, redeem: the recipient loses what he gave away, whether a gain is charged meanwhile or not."""
    fund = charged(world, rate=FIFTH)
    fund.set_prices(3, 2)
    with_gift = charged(world, rate=FIFTH, tokens=fund.tokens)  # same tokens, marked at the new price
    with_gift.set_prices(3, 2)
    gifts = [r // 2 for r in with_gift.index.reserves()]
    for i, gift in enumerate(gifts):
        with_gift.tokens[i].mint(fee_recipient, gift, {"from": bob})
    before = value(with_gift, fee_recipient)
    for token, gift in zip(with_gift.tokens, gifts, strict=True):
        token.transfer(with_gift.token, gift, {"from": fee_recipient})
    due = with_gift.nav_per_share() * Fraction(2, 3) / 3 * 1000 * WAD * FIFTH / WAD  # of the gain without the gift
    with_gift.crystallise()
    with_gift.index.redeem(fee_recipient, with_gift.token.balanceOf(fee_recipient))
    got = value(with_gift, fee_recipient)
    assert close(got, due)  # the fee that was due anyway, and nothing of the gift
    assert got < before


def test_charging_twice_takes_once(world, eve, fee_recipient):
    """Any number of calls, by anyone, at the same prices: one fee."""
    fund = charged(world)
    start = fund.nav_per_share()
    fund.set_prices(3, 2)
    fund.take(start / 2)
    held = fund.token.balanceOf(fee_recipient)
    for _ in range(5):
        wait(8 * DAY)
        assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
        assert why(fund.fee.crystallise, fund.token, sender=eve)[0] == "ObservationMissing"
    assert fund.token.balanceOf(fee_recipient) == held


def test_shares_minted_for_the_moment_of_the_charge_change_nothing_for_others(world, alice, bob, fee_recipient):
    """A hundredfold supply around the charge: alice keeps what she would have kept, the minter pays, nobody gains."""
    quiet, flashed = charged(world), charged(world)
    kept = []
    for fund in (quiet, flashed):
        fund.set_prices(2)
        fund.observe()
        wait(HOUR)
        if fund is flashed:
            fund.index.fund(bob, 100_000 * WAD)
            paid_from = value(fund, bob)
            fund.index.mint(bob, 100_000 * WAD, fund=False)
        fund.fee.crystallise(fund.token, {"from": fee_recipient})
        if fund is flashed:
            fund.index.redeem(bob, fund.token.balanceOf(bob))
            fee = value(fund, fee_recipient)
            lost = paid_from - value(fund, bob)
        kept.append(fund.nav_per_share())
    assert abs(kept[0] - kept[1]) <= kept[0] / 10**9
    assert lost > 0 and fee <= lost + value(quiet, fee_recipient) * (1 + Fraction(1, 10**9))


def test_who_leaves_before_the_charge_leaves_the_others_part_as_it_was(world, alice, bob, fee_recipient):
    """Redeeming before the charge does not pay the fee of the own shares; those who stay pay theirs and no more."""
    stayed, left = charged(world), charged(world)
    kept = []
    for fund in (stayed, left):
        fund.set_prices(2)
        fund.observe()
        wait(HOUR)
        if fund is left:
            fund.index.redeem(alice, 900 * WAD, receiver=bob)
        fund.fee.crystallise(fund.token, {"from": bob})
        kept.append(fund.nav_per_share())
    assert abs(kept[0] - kept[1]) <= kept[0] / 10**9


@pytest.mark.parametrize("look", ["first", "second"])
def test_prices_bent_for_a_block_charge_nothing(world, look, deployer, eve, fee_recipient):
    """The other look, an hour away, sees the honest price; without a gain there the call is refused."""
    fund = charged(world)
    wait(fund.due_at() - now())
    if look == "first":
        fund.set_prices(1000)
        fund.observe()
        fund.set_prices(1, 1000)
        wait(HOUR)
        assert why(fund.fee.crystallise, fund.token, sender=eve)[0] == "GainMissing"
    else:
        fund.set_prices(101, 100)
        fund.observe()
        wait(HOUR)
        exact = fund.exact_shares(fund.nav_per_share() / 101, TENTH)
        fund.set_prices(1000)
        fund.fee.crystallise(fund.token, {"from": eve})
        assert fund.token.balanceOf(fee_recipient) <= exact


def test_a_splitter_collects_the_performance_fee_too(world, deployer, alice, bob, eve):
    """Fee shares of the module reach the table, and burning the holders' part is no gain."""
    splitter = deployer.deploy(FeeSplitter)
    fund = charged(world, fee_recipient=splitter.address)
    fund.index.govern(splitter.setTable, fund.token, ([bob.address], [WAD // 2], WAD // 2))
    fund.set_prices(2)
    fund.crystallise()
    shares = fund.token.balanceOf(splitter)
    splitter.distribute(fund.token, {"from": alice})
    assert fund.token.balanceOf(bob) == shares // 2 and fund.token.balanceOf(splitter) <= 1
    wait(8 * DAY)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
