"""Fees, to the wei. Expected numbers come from `decimal` at 60 digits, not from the contracts.

Streaming fee
├── after a time t the supply is ⌊B·exp(f·t)⌋ with f = −ln(1 − annual fee)
├── a year dilutes a holder by the annual fee
├── who looks at it, collects it, mints or redeems, and how often, does not matter
├── zero does not move anything
├── a change counts from now on and never backwards
└── collection mints what is pending to the recipient, to the old one when he changes, and passes any cap

One-off fees
├── a mint fee is ⌈shares·fee⌉, kept back from the receiver and pending for the recipient
├── a redeem fee is ⌈shares·fee⌉, kept back from the payment and pending for the recipient
└── the smallest redemption pays only the fee

Deployment
├── an index with a performance fee and a table is born with both, and its governor alone has power over them
└── creating it again sends nothing

Caps
└── 5 %/year, 1 %, 1 %: one more is refused

Notice of a higher fee
├── when it was not announced, or less than three days ago, or for another fee or setter, it is refused
├── when it was announced in time it acts once, and a holder can leave before
└── a lower fee needs none
"""

import math
from decimal import Context, Decimal

import pytest
from brownie import FeeSplitter, PerformanceFee

from tests.contracts.support import (
    ALICE,
    DAY,
    FEE_NOTICE,
    HOUR,
    LOCKED_SHARES,
    MAX,
    WAD,
    YEAR,
    accounts,
    at_next,
    ceil_div,
    now,
    wait,
    web3,
    why,
)

EXACT = Context(prec=60)
FIVE_PERCENT = 5 * 10**16


def supply_after(base, annual_fee, seconds):
    """⌊base·exp(f·t)⌋: the rate is −⌊ln(1 − fee)⌋ in 18 decimals, the exponent and the factor are rounded down."""
    rate = -math.floor(EXACT.ln(1 - Decimal(annual_fee).scaleb(-18)) * WAD)
    exponent = rate * seconds // YEAR
    factor = int(EXACT.exp(Decimal(exponent).scaleb(-18)) * WAD)
    return base * factor // WAD


def charged(world, *, streaming_fee=0, mint_fee=0, redeem_fee=0, decimals=(18, 6), **terms):
    tokens = [world.token(d) for d in decimals]
    return world.create(tokens, streaming_fee=streaming_fee, mint_fee=mint_fee, redeem_fee=redeem_fee, **terms)


@pytest.mark.parametrize("fee", [10**12, 10**15, 2 * 10**16, FIVE_PERCENT])
@pytest.mark.parametrize("seconds", [1, HOUR, 30 * DAY, YEAR, 10 * YEAR])
def test_streaming_fee_makes_the_supply_grow_by_the_formula(world, fee, seconds):
    """E4: exact from a second to ten years."""
    index = charged(world, streaming_fee=fee, decimals=(18,))
    base, issued, since = index.token.supplyWord()
    wait(since + seconds - now())
    expected = supply_after(base, fee, seconds)
    assert index.token.totalSupply() == expected
    assert index.token.pendingFeeShares() == index.token.totalSupply() - issued


def test_streaming_fee_of_a_year_dilutes_by_the_annual_fee(world):
    index = charged(world, streaming_fee=FIVE_PERCENT)
    wait(index.token.supplyWord()[2] + YEAR - now())
    kept = Decimal(1000 * WAD) / index.token.totalSupply()
    assert abs(kept - Decimal("0.95")) < Decimal("1e-17")


def test_streaming_fee_does_not_depend_on_who_pokes(world, bob, eve):
    """E2, G3: forty pokes of every kind against none."""
    quiet = charged(world, streaming_fee=FIVE_PERCENT)
    spammed = charged(world, streaming_fee=FIVE_PERCENT)
    since = [i.token.supplyWord()[2] for i in (quiet, spammed)]
    start, pokes, moved = now(), 40, []
    for k in range(1, pokes):
        at_next(start + k * YEAR // pokes)
        if k % 4 == 0:
            moved.append((WAD, spammed.mint(bob, WAD).timestamp))
            moved.append((-WAD, spammed.redeem(bob, WAD).timestamp))
        else:
            spammed.token.collect({"from": eve})
    wait(start + YEAR - now())
    assert quiet.token.totalSupply() == supply_after(1000 * WAD, FIVE_PERCENT, now() - since[0])
    expected = supply_after(1000 * WAD, FIVE_PERCENT, now() - since[1])
    expected += sum(supply_after(shares, FIVE_PERCENT, now() - t) for shares, t in moved)
    # A mint or redeem writes the supply down to whole share units, and so the last digit of its growth: 2e-18 of it.
    assert 0 <= expected - spammed.token.totalSupply() <= len(moved) * (2 * expected // WAD + 1)


def test_streaming_fee_of_zero_moves_nothing(mixed, eve):
    supply = mixed.token.totalSupply()
    wait(10 * YEAR)
    tx = mixed.token.collect({"from": eve})
    assert mixed.token.totalSupply() == supply and tx.events["Collect"]["shares"] == 0


def test_streaming_fee_change_is_never_retroactive(world):
    """E1: the old period keeps the old rate, whichever way the rate moves."""
    index = charged(world, streaming_fee=10**16)
    base, _, since = index.token.supplyWord()
    at_next(since + 297 * DAY)
    index.govern(index.token.announceFee, index.token.setStreamingFee.signature, FIVE_PERCENT)
    at_next(since + 300 * DAY)
    index.govern(index.token.setStreamingFee, FIVE_PERCENT)
    middle = index.token.totalSupply()
    expected = supply_after(base, 10**16, 300 * DAY)
    assert middle == expected
    assert index.token.supplyWord()[0] == middle and index.token.streamingFee() == FIVE_PERCENT
    wait(65 * DAY)
    assert index.token.totalSupply() == supply_after(middle, FIVE_PERCENT, 65 * DAY)
    at_next(now() + DAY)
    index.govern(index.token.setStreamingFee, 0)
    frozen = index.token.totalSupply()
    wait(YEAR)
    assert index.token.totalSupply() == frozen


def test_collect_mints_what_is_pending_to_the_recipient(world, eve, fee_recipient):
    index = charged(world, streaming_fee=FIVE_PERCENT)
    at_next(index.token.supplyWord()[2] + YEAR)
    tx = index.token.collect({"from": eve})
    collected = index.token.balanceOf(fee_recipient)
    assert collected == index.token.totalSupply() - 1000 * WAD > 52 * WAD
    assert dict(tx.events["Collect"]) == {"recipient": fee_recipient, "shares": collected}
    assert index.token.pendingFeeShares() == 0 and index.token.balanceOf(eve) == 0


def test_collect_may_pass_the_supply_cap_but_a_mint_may_not(world, bob, eve, fee_recipient):
    """A8: the cap is checked after accrual."""
    index = charged(world, streaming_fee=FIVE_PERCENT, supply_cap=1001)
    index.fund(bob, WAD)
    wait(YEAR)
    supply = index.token.totalSupply()
    assert supply > 1001 * WAD
    reason = why(index.token.mint, 1, index.version, [MAX, MAX], bob, sender=bob)
    assert reason == ("SupplyCapExceeded", supply, 1, 1001 * WAD)
    index.token.collect({"from": eve})
    assert index.token.balanceOf(fee_recipient) > 52 * WAD


def test_two_mints_in_one_block_cannot_pass_the_cap_together(world, bob, eve):
    """A8: the second mint of the block sees the first."""
    index = charged(world, supply_cap=1001)
    for who in (bob, eve):
        index.fund(who, WAD)
    web3.provider.make_request("evm_setAutomine", [False])
    try:
        data = [index.token.mint.encode_input(WAD, index.version, [MAX, MAX], who) for who in (bob, eve)]
        hashes = [
            web3.eth.send_transaction(
                {"from": who.address, "to": index.address, "data": d, "gas": 10**6, "gasPrice": 0}
            )
            for who, d in zip((bob, eve), data, strict=True)
        ]
        web3.provider.make_request("evm_mine", [])
    finally:
        web3.provider.make_request("evm_setAutomine", [True])
    receipts = [web3.eth.get_transaction_receipt(h) for h in hashes]
    assert receipts[0]["blockNumber"] == receipts[1]["blockNumber"]
    assert sorted(r["status"] for r in receipts) == [0, 1]
    assert index.token.balanceOf(bob) + index.token.balanceOf(eve) == WAD
    assert index.token.totalSupply() == 1001 * WAD


def test_a_new_recipient_gets_only_what_is_earned_from_then_on(world, bob, fee_recipient):
    index = charged(world, streaming_fee=FIVE_PERCENT)
    at_next(index.token.supplyWord()[2] + YEAR)
    index.govern(index.token.setFeeRecipient, bob)
    earned = index.token.balanceOf(fee_recipient)
    assert earned > 52 * WAD and index.token.balanceOf(bob) == 0 and index.token.feeRecipient() == bob
    wait(DAY)
    index.token.collect({"from": bob})
    assert index.token.balanceOf(fee_recipient) == earned and 0 < index.token.balanceOf(bob) < WAD


def test_a_recipient_that_is_a_contract_stops_nobody(world, bob, alice):
    """E3: fee shares are minted, never sent with a call."""
    index = charged(world, streaming_fee=FIVE_PERCENT, fee_recipient=world.oracle.address)
    wait(YEAR)
    index.mint(bob, WAD)
    index.redeem(alice, WAD)
    index.token.collect({"from": bob})
    assert index.token.balanceOf(world.oracle) > 52 * WAD


def test_the_zero_address_cannot_be_the_recipient(world, governor):
    index = charged(world)
    assert why(index.token.setFeeRecipient, "0x" + "0" * 40, sender=governor) == ("ZeroAddress",)


@pytest.mark.parametrize("shares", [1, 99, 100, 101, WAD, 12_345_678_901_234_567_891])
@pytest.mark.parametrize("fee", [1, 3 * 10**15, 10**16])
def test_mint_fee_is_rounded_up_and_pending_for_the_recipient(world, bob, fee_recipient, shares, fee):
    index = charged(world, mint_fee=fee, decimals=(6,))
    supply, reserve = index.token.totalSupply(), index.reserves()[0]
    expected = ceil_div(shares * fee, WAD)
    assert index.token.previewMint(shares)[1] == expected

    tx = index.mint(bob, shares)

    assert index.token.balanceOf(bob) == shares - expected and tx.events["Mint"]["feeShares"] == expected
    assert index.token.pendingFeeShares() == expected
    assert index.token.totalSupply() == supply + shares
    assert index.reserves()[0] == reserve + ceil_div(shares * reserve, supply)  # on all of the shares
    index.token.collect({"from": bob})
    assert index.token.balanceOf(fee_recipient) == expected and index.token.totalSupply() == supply + shares


@pytest.mark.parametrize("shares", [1, 99, 100, 101, WAD, 12_345_678_901_234_567_891])
@pytest.mark.parametrize("fee", [1, 3 * 10**15, 10**16])
def test_redeem_fee_is_rounded_up_and_pending_for_the_recipient(world, alice, bob, fee_recipient, shares, fee):
    index = charged(world, redeem_fee=fee, decimals=(6,))
    supply, reserve = index.token.totalSupply(), index.reserves()[0]
    expected = ceil_div(shares * fee, WAD)
    assert index.token.previewRedeem(shares)[1] == expected

    tx = index.redeem(alice, shares, receiver=bob)

    assert index.balances(bob) == [(shares - expected) * reserve // supply]
    assert tx.events["Redeem"]["feeShares"] == expected == index.token.pendingFeeShares()
    assert index.token.totalSupply() == supply - (shares - expected)
    index.token.collect({"from": bob})
    assert index.token.balanceOf(fee_recipient) == expected


def test_an_index_is_born_with_its_performance_fee_and_its_table(world, deployer, governor, bob, eve):
    terms = dict(
        streaming_fee=FIVE_PERCENT, performance_fee=10**17, performance_interval=30 * DAY,
        fee_table=((bob.address, 6 * 10**17), (eve.address, 3 * 10**17)), fee_burn=10**17, admin_delay=DAY,
    )  # fmt: skip
    index = charged(world, **terms)
    module = PerformanceFee.at(world.core.performance_fee, persist=False)
    splitter = FeeSplitter.at(world.core.fee_splitter, persist=False)

    assert index.token.feeModule() == module and index.token.feeRecipient() == splitter
    account = module.accountOf(index.token)
    assert account[4:] == (10**17, 30 * DAY) and account[0] > 0
    assert splitter.tableOf(index.token) == ((bob, eve), (6 * 10**17, 3 * 10**17), 10**17)
    assert why(module.setInterval, index.token, 7 * DAY, sender=deployer)[0] == "NotAuthorized"
    assert why(splitter.finalise, index.token, sender=deployer)[0] == "NotAuthorized"

    wait(YEAR)
    splitter.distribute(index.token, {"from": deployer})
    assert index.token.balanceOf(bob) > 30 * WAD and index.token.balanceOf(eve) > 15 * WAD
    for i in range(2):
        index.feed(i).setPrice(2 * index.price(i), {"from": deployer})
    module.observe(index.token, {"from": eve})
    wait(HOUR)
    assert module.crystallise(index.token, {"from": eve}).return_value > 0


def test_creating_an_index_with_fees_again_sends_nothing(world, deployer, alice, bob):
    terms = dict(performance_fee=10**17, performance_interval=30 * DAY, fee_table=((bob.address, WAD),))
    first = charged(world, **terms)
    made = {
        "name": first.token.name(), "symbol": first.token.symbol(), "amounts": first.reserves(),
        "spec_hash": first.token.symbol().removeprefix("IX"),
    }  # fmt: skip
    nonce = deployer.nonce
    again = world.create(first.tokens, authority=first.authority.address, **made, **terms)
    assert again.address == first.address
    assert deployer.nonce == nonce + len(first.tokens)  # the tokens that the helper mints for a seed


@pytest.mark.parametrize(
    "setter, cap", [("setStreamingFee", FIVE_PERCENT), ("setMintFee", 10**16), ("setRedeemFee", 10**16)]
)
def test_fees_are_capped_in_code(world, governor, setter, cap):
    """G3: not even the governor may go beyond."""
    index = charged(world)
    method = getattr(index.token, setter)
    index.raise_fee(setter, cap)
    what = setter.removeprefix("set")
    assert why(method, cap + 1, sender=governor) == ("ValueOutOfBounds", what[0].lower() + what[1:], cap + 1, 0, cap)
    assert why(method, MAX, sender=governor)[0] == "ValueOutOfBounds"


def test_fees_at_the_smallest_supply_divide_by_nothing(world, alice, bob, fee_recipient):
    """E4, E5: with only the locked shares left, time, fees, minting and redeeming still work."""
    index = charged(world, streaming_fee=FIVE_PERCENT, mint_fee=10**16, redeem_fee=10**16)
    index.redeem(alice, index.token.balanceOf(accounts[ALICE]))
    wait(10 * YEAR)
    index.token.collect({"from": bob})
    assert index.token.balanceOf(fee_recipient) > 9 * WAD  # the redeem fee of 1 % and its own growth
    index.redeem(fee_recipient, index.token.balanceOf(fee_recipient))
    assert index.token.totalSupply() >= LOCKED_SHARES
    index.mint(bob, WAD)
    index.redeem(bob, index.token.balanceOf(bob))
    assert index.token.balanceOf(bob) == 0


@pytest.mark.parametrize("setter", ["setStreamingFee", "setMintFee", "setRedeemFee"])
def test_higher_fee_needs_notice(world, governor, setter):
    """G3: three days between the announcement and the act, in the code, whatever the authority's delays are."""
    index = charged(world)
    method, other = getattr(index.token, setter), index.token.setSupplyCap
    selector, fee = method.signature, 10**15
    refused = ("FeeNotDue", bytes.fromhex(selector[2:]), fee)
    assert why(method, fee, sender=governor) == (*refused, 0)
    index.govern(index.token.announceFee, other.signature, fee)
    index.govern(index.token.announceFee, selector, fee + 1)
    wait(FEE_NOTICE)
    assert why(method, fee, sender=governor) == (*refused, 0)
    due = index.govern(index.token.announceFee, selector, fee).timestamp + FEE_NOTICE
    assert index.token.noticeOf(selector, fee) == due
    wait(due - 1 - now())
    assert why(method, fee, sender=governor) == (*refused, due)
    wait(1)
    index.govern(method, fee)
    assert getattr(index.token, setter.removeprefix("set")[0].lower() + setter[4:])() == fee
    index.govern(method, 0)
    assert why(method, fee, sender=governor) == (*refused, 0)


def test_holder_leaves_before_a_higher_fee_acts(world, alice):
    """E6, G3: who reads the announcement pays nothing of the new fee."""
    index = charged(world)
    shares, reserves, supply = index.token.balanceOf(alice), index.reserves(), index.token.totalSupply()
    index.govern(index.token.announceFee, index.token.setRedeemFee.signature, 10**16)
    index.redeem(alice, shares)
    assert index.balances(alice) == [shares * reserve // supply for reserve in reserves]
