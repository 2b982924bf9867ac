"""The fee splitter: one fee recipient for many.

distribute
├── collects what is pending and shares out all that is here, by weight, whoever calls
├── rounds down, and what is left stays for the next time
├── burns the holders' part: a share of everyone else holds more
├── pays contracts that would revert if they were called
├── gives nobody more for calling it often
├── keeps the indexes apart
└── without a table: refused

setTable
├── is for the factory once, and for the governor
├── shares out by the old table before the new one counts
├── refuses weights that do not sum to one, that are zero, that do not fit their recipients, and too many of them
├── refuses the zero address, the index, the splitter, and anyone twice
└── once final: refused for good
"""

from fractions import Fraction

import pytest
from brownie import FeeSplitter

from tests.contracts.support import DAY, MAX, WAD, YEAR, ZERO, accounts, wait, why

HALF = WAD // 2
FIVE_PERCENT = 5 * 10**16


@pytest.fixture
def splitter(deployer):
    return deployer.deploy(FeeSplitter)


@pytest.fixture
def index(world, splitter):
    """Five percent a year to the splitter."""
    return world.create([world.token(18), world.token(6)], streaming_fee=FIVE_PERCENT, fee_recipient=splitter.address)


def set_table(splitter, index, weights, burn=0):
    """`weights` by account."""
    table = ([str(who) for who in weights], list(weights.values()), burn)
    return index.govern(splitter.setTable, index.token, table)


# --- distribute -------------------------------------------------------------------------------------------------------


def test_distribute_shares_out_by_weight(index, splitter, bob, alice, eve):
    set_table(splitter, index, {bob: 6 * 10**17, eve: 3 * 10**17}, burn=10**17)
    held = index.token.balanceOf(alice)
    wait(YEAR)
    tx = splitter.distribute(index.token, {"from": alice})
    collected = tx.events["Collect"]["shares"]
    assert collected > 50 * WAD
    assert index.token.balanceOf(bob) == collected * 6 // 10
    assert index.token.balanceOf(eve) == collected * 3 // 10
    burned = collected // 10
    assert index.token.totalSupply() == 1000 * WAD + collected - burned
    assert index.token.balanceOf(alice) == held
    left = collected - collected * 6 // 10 - collected * 3 // 10 - burned
    assert index.token.balanceOf(splitter) == left <= 2
    event = tx.events["Distribute"]
    assert (event["shares"], list(event["paid"]), event["burned"]) == (
        collected, [collected * 6 // 10, collected * 3 // 10], burned,
    )  # fmt: skip


def test_what_is_left_stays_for_the_next_time(index, splitter, alice, bob, eve):
    set_table(splitter, index, {bob: WAD // 3, eve: WAD // 3, accounts[8]: WAD - 2 * (WAD // 3)})
    index.govern(index.token.setStreamingFee, 0)
    splitter.distribute(index.token, {"from": eve})
    start = [index.token.balanceOf(who) for who in (bob, eve, accounts[8], splitter)]
    index.token.transfer(splitter, 5 - start[3], {"from": alice})
    splitter.distribute(index.token, {"from": eve})
    paid = [index.token.balanceOf(who) - was for who, was in zip((bob, eve, accounts[8]), start, strict=False)]
    assert paid == [1, 1, 1] and index.token.balanceOf(splitter) == 2
    index.token.transfer(splitter, 1, {"from": alice})  # three again
    splitter.distribute(index.token, {"from": eve})
    assert index.token.balanceOf(accounts[8]) - start[2] == 2


def test_the_burned_part_is_the_holders(index, splitter, alice):
    """Everything is burned: a share holds after a year what it held before, less nothing but the rounding."""
    set_table(splitter, index, {}, burn=WAD)
    before = [Fraction(r, index.token.totalSupply()) for r in index.reserves()]
    wait(YEAR)
    tx = splitter.distribute(index.token, {"from": alice})
    assert tx.events["Distribute"]["burned"] > 50 * WAD and index.token.balanceOf(splitter) == 0
    after = [Fraction(r, index.token.totalSupply()) for r in index.reserves()]
    for a, b in zip(after, before, strict=True):
        assert b <= a <= b * (1 + Fraction(1, 10**6))


def test_contracts_that_would_revert_are_paid(world, index, splitter, alice, bob):
    """E3: shares are sent without a call, so no recipient can stop the others."""
    weights = {index.tokens[0].address: HALF // 2, world.oracle.address: HALF // 2, bob.address: HALF}
    set_table(splitter, index, weights)
    wait(YEAR)
    tx = splitter.distribute(index.token, {"from": alice})
    collected = tx.events["Collect"]["shares"]
    for who, weight in weights.items():
        assert index.token.balanceOf(who) == collected * weight // WAD


def test_calling_often_gives_nobody_more(world, splitter, alice, bob, eve):
    """E2: fifty calls against one: a unit of rounding each, and no more."""
    indexes = [
        world.create([world.token(18)], streaming_fee=FIVE_PERCENT, fee_recipient=splitter.address) for _ in range(2)
    ]
    for index in indexes:
        set_table(splitter, index, {bob: 7 * 10**17, eve: 2 * 10**17}, burn=10**17)
    for index in indexes:
        index.govern(index.token.setStreamingFee, 0)
        splitter.distribute(index.token, {"from": alice})
    before = [[i.token.balanceOf(who) for who in (bob, eve)] for i in indexes]
    often, once = indexes
    for k in range(50):
        often.token.transfer(splitter, 10**15 + 7 * k, {"from": alice})
        splitter.distribute(often.token, {"from": eve})
    once.token.transfer(splitter, sum(10**15 + 7 * k for k in range(50)), {"from": alice})
    splitter.distribute(once.token, {"from": eve})
    for place, who in enumerate((bob, eve)):
        difference = (once.token.balanceOf(who) - before[1][place]) - (often.token.balanceOf(who) - before[0][place])
        assert abs(difference) <= 51  # a unit of rounding each time, one way or the other


def test_indexes_are_kept_apart(world, index, splitter, alice, bob, eve):
    other = world.create([world.token(18)], streaming_fee=FIVE_PERCENT, fee_recipient=splitter.address)
    set_table(splitter, index, {bob: WAD})
    set_table(splitter, other, {eve: WAD})
    wait(YEAR)
    splitter.distribute(index.token, {"from": alice})
    assert index.token.balanceOf(bob) > 50 * WAD and index.token.balanceOf(eve) == 0
    assert other.token.balanceOf(bob) == other.token.balanceOf(eve) == 0
    splitter.distribute(other.token, {"from": alice})
    assert other.token.balanceOf(eve) > 50 * WAD and other.token.balanceOf(bob) == 0


def test_without_a_table_nothing_is_distributed_and_nothing_lost(index, splitter, alice, bob, governor):
    assert why(splitter.distribute, index.token, sender=alice) == ("NotRegistered", index.address)
    assert why(splitter.finalise, index.token, sender=governor) == ("NotRegistered", index.address)
    wait(YEAR)
    index.token.collect({"from": alice})
    waiting = index.token.balanceOf(splitter)
    set_table(splitter, index, {bob: WAD})
    splitter.distribute(index.token, {"from": alice})
    assert index.token.balanceOf(bob) >= waiting > 50 * WAD


# --- setTable ---------------------------------------------------------------------------------------------------------


def test_the_factory_sets_the_first_table_and_the_governor_any(world, index, splitter, bob, governor, strategist, eve):
    table = ([bob.address], [WAD], 0)
    for who in (eve, strategist, bob):
        assert why(splitter.setTable, index.token, table, sender=who) == ("NotAuthorized", who.address, index.address)
    factory = world.factory.address
    assert why(splitter.setTable, index.token, table, sender=factory) is None
    tx = set_table(splitter, index, {bob: WAD})
    assert splitter.tableOf(index.token) == table
    assert dict(tx.events["SetTable"]) == {
        "index": index.address, "recipients": (bob.address,), "weights": (WAD,), "burnWeight": 0,
    }  # fmt: skip
    assert why(splitter.setTable, index.token, table, sender=factory) == ("NotAuthorized", factory, index.address)
    assert why(splitter.setTable, index.token, table, sender=governor) is None


def test_a_new_table_counts_only_for_what_is_earned_from_then_on(index, splitter, bob, eve):
    set_table(splitter, index, {bob: WAD})
    wait(YEAR)
    set_table(splitter, index, {eve: WAD})
    assert index.token.balanceOf(bob) > 50 * WAD and index.token.balanceOf(eve) == 0
    was = index.token.balanceOf(bob)
    wait(DAY)
    splitter.distribute(index.token, {"from": bob})
    assert index.token.balanceOf(bob) == was and 0 < index.token.balanceOf(eve) < WAD


@pytest.mark.parametrize(
    "weights, burn, expected",
    [
        ([WAD - 1], 0, ("WeightsSumInvalid", WAD - 1)),
        ([WAD], 1, ("WeightsSumInvalid", WAD + 1)),
        ([], 0, ("WeightsSumInvalid", 0)),
        ([], WAD - 1, ("WeightsSumInvalid", WAD - 1)),
        ([WAD, 0], 0, ("ValueOutOfBounds", "weight", 0, 1, WAD)),
        ([MAX, WAD + 1], 0, ("ValueOutOfBounds", "weight", MAX, 1, WAD)),
        ([WAD], MAX, ("ValueOutOfBounds", "burnWeight", MAX, 0, WAD)),
        ([WAD // 17] * 17, WAD - 17 * (WAD // 17), ("ValueOutOfBounds", "recipients", 17, 0, 16)),
    ],
)
def test_tables_that_do_not_add_up_are_refused(index, splitter, governor, weights, burn, expected):
    people = [f"0x{i + 1:040x}" for i in range(len(weights))]
    assert why(splitter.setTable, index.token, (people, weights, burn), sender=governor) == expected


def test_recipients_and_weights_belong_together(index, splitter, governor, bob):
    refusal = why(splitter.setTable, index.token, ([bob.address], [HALF, HALF], 0), sender=governor)
    assert refusal == ("LengthMismatch", 2, 1)


def test_recipients_that_cannot_be_paid_are_refused(index, splitter, governor, bob):
    """E3: the zero address would stop everyone, the index and the splitter would keep the shares."""
    assert why(splitter.setTable, index.token, ([ZERO], [WAD], 0), sender=governor) == ("ZeroAddress",)
    for who in (index.address, splitter.address):
        assert why(splitter.setTable, index.token, ([who], [WAD], 0), sender=governor) == ("RecipientInvalid", who)
    twice = ([bob.address, bob.address], [HALF, HALF], 0)
    assert why(splitter.setTable, index.token, twice, sender=governor) == ("RecipientInvalid", bob.address)


def test_sixteen_recipients_are_paid(index, splitter, alice):
    people = {f"0x{i + 1:040x}": WAD // 16 for i in range(16)}
    set_table(splitter, index, people)
    wait(YEAR)
    tx = splitter.distribute(index.token, {"from": alice})
    collected = tx.events["Collect"]["shares"]
    assert [index.token.balanceOf(who) for who in people] == [collected * (WAD // 16) // WAD] * 16
    assert tx.gas_used < 1_000_000


def test_a_final_table_stays(index, splitter, governor, eve, bob):
    set_table(splitter, index, {bob: WAD})
    assert why(splitter.finalise, index.token, sender=eve) == ("NotAuthorized", eve.address, index.address)
    tx = index.govern(splitter.finalise, index.token)
    assert tx.events["Finalise"]["index"] == index.address and splitter.isFinal(index.token)
    refusal = why(splitter.setTable, index.token, ([eve.address], [WAD], 0), sender=governor)
    assert refusal == ("TableFinal", index.address)
    wait(YEAR)
    splitter.distribute(index.token, {"from": eve})
    assert index.token.balanceOf(bob) > 50 * WAD
