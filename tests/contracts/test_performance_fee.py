"""The performance fee. Expected numbers are exact fractions; the contract may be below them by rounding, never above.

register
├── records what is held, takes the NAV per share as the mark, and the first fee is due an interval later
├── given somebody else than the factory or the governor, a second time, a bad rate or interval: it refuses
└── given a component without a price: it reverts with the reason

observe and crystallise
├── before the time: refused, with the time
├── without a gain: refused, and the schedule does not move
├── given an observation that is missing, too fresh or too old: refused
├── given a live observation: another one waits until it has expired
├── charges the rate of the gain of every share, in shares for the recipient, whoever calls
├── the mark is then the NAV per share after the dilution: a second time charges nothing
├── charges the lower of the two looks
├── after a fall, charges only what is above the mark
├── the streaming fee comes first: gains are net of it
├── given more than the index allows modules: charges what is left, the rest later, nothing twice
├── given that the index allows nothing: refused, nothing lost
├── given a price that is missing: reverts with the reason, nothing lost
└── given a rate of zero: nothing to charge

the record
├── airdrops, upward rebases and shares burned by others raise nobody's fee
├── losses count in full, and a donation after `sync` cannot fill them
├── the streaming fee dilutes it: a donation cannot hide in the difference, even after a change of that fee
├── an exchange moves it from what was sold to what was bought
├── what a donation is sold for stays outside, in one leg or by value in many, to the unit
├── given a leg of nothing of what is sold out: the exchange counts as without it
├── what arrives for nothing is a gift
├── a token that enters starts at nothing, one that is sold out ends at nothing
├── only the rebalancer notes, and noting an index that is not registered does nothing
├── an exchange that was not noted lowers the fee; recount ends that without charging for it
└── forget lets the governor drop a component without a price, and anyone what is no component

governor
├── a higher rate was announced in time, serves once, and is for later gains only
├── a lower rate counts at once
└── others may do nothing
"""

from fractions import Fraction

import pytest
from brownie import PerformanceFee, RebasingToken, ReentrantTaker, RevertingBalanceToken

from tests.contracts.fee_support import TENTH, WEEK, charged, close
from tests.contracts.support import D27, DAY, HOUR, MAX, WAD, YEAR, accounts, ceil_div, now, reason, wait, why

FIFTH = 2 * TENTH
NOTICE = 3 * DAY


@pytest.fixture
def fund(world):
    """An index of three tokens that pays a tenth of its gains once a week."""
    return charged(world)


# --- register ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [(18, 6, 8), (0, 2, 24, 27)])
def test_register_records_what_is_held_and_marks_the_nav(world, decimals):
    fund = charged(world, decimals=decimals)
    supply = fund.token.totalSupply()
    assert [fund.record(i) for i in range(len(decimals))] == [r * D27 // supply for r in fund.index.reserves()]
    assert 0 <= fund.mark - fund.nav_per_share() * D27 <= fund.mark * Fraction(1, 10**9) + 8
    assert fund.due_at() == fund.fee.accountOf(fund.token)[1] + WEEK
    assert fund.fee.navOf(fund.token)[0] <= fund.mark
    assert why(fund.fee.register, fund.token, 0, WEEK, sender=fund.index.authority.address) == (
        "AlreadyRegistered",
        fund.index.address,
    )


def test_register_is_for_the_factory_and_the_governor(world, mixed, governor, strategist, eve):
    fee = accounts[0].deploy(PerformanceFee, world.oracle)
    for who in (eve, strategist):
        assert why(fee.register, mixed.token, TENTH, WEEK, sender=who) == ("NotAuthorized", who.address, mixed.address)
    for who in (governor, world.factory.address):
        assert why(fee.register, mixed.token, TENTH, WEEK, sender=who) is None


@pytest.mark.parametrize(
    "rate, interval, what",
    [
        (FIFTH + 1, WEEK, ("performanceFee", FIFTH + 1, 0, FIFTH)),
        (FIFTH, WEEK - 1, ("interval", WEEK - 1, WEEK, YEAR)),
        (FIFTH, YEAR + 1, ("interval", YEAR + 1, WEEK, YEAR)),
        (MAX, WEEK, ("performanceFee", MAX, 0, FIFTH)),
    ],
)
def test_rate_and_interval_are_bounded_in_code(world, mixed, governor, rate, interval, what):
    """G3: not even the governor may go beyond."""
    fee = accounts[0].deploy(PerformanceFee, world.oracle)
    assert why(fee.register, mixed.token, rate, interval, sender=governor) == ("ValueOutOfBounds", *what)
    assert why(fee.register, mixed.token, FIFTH, WEEK, sender=governor) is None
    assert why(fee.register, mixed.token, FIFTH, YEAR, sender=governor) is None


def test_register_needs_every_price(world, mixed, governor, deployer):
    fee = accounts[0].deploy(PerformanceFee, world.oracle)
    mixed.feed(1).setDead(True, {"from": deployer})
    assert why(fee.register, mixed.token, TENTH, WEEK, sender=governor) == ("FeedDead",)


def test_an_index_that_is_not_registered_has_nothing_to_charge(world, mixed, governor):
    fee = accounts[0].deploy(PerformanceFee, world.oracle)
    calls = [(fee.observe,), (fee.crystallise,), (fee.sync,), (fee.recount,), (fee.forget, mixed.tokens[0]),
             (fee.setRate, 0), (fee.setInterval, WEEK), (fee.announceRate, 0), (fee.navOf,)]  # fmt: skip
    for method, *arguments in calls:
        assert why(method, mixed.token, *arguments, sender=governor) == ("NotRegistered", mixed.address)


# --- observe and crystallise ------------------------------------------------------------------------------------------


def test_the_fee_is_charged_on_a_schedule(fund, eve):
    fund.set_prices(2)
    wait(fund.due_at() - now() - 1)
    assert why(fund.fee.observe, fund.token, sender=eve) == ("CrystalliseTooEarly", fund.due_at())
    wait(1)
    assert why(fund.fee.observe, fund.token, sender=eve) is None


def test_without_a_gain_nothing_is_charged_and_the_schedule_stays(fund, eve):
    wait(fund.due_at() - now())
    due, nav, mark = fund.due_at(), fund.fee.navOf(fund.token)[0], fund.mark
    assert why(fund.fee.observe, fund.token, sender=eve) == ("GainMissing", nav, mark)
    fund.set_prices(2)
    fund.observe()
    fund.set_prices(1, 2)
    wait(HOUR)
    assert why(fund.fee.crystallise, fund.token, sender=eve)[0] == "GainMissing"
    assert fund.due_at() == due


def test_a_gain_counts_when_it_was_seen_twice(fund, eve):
    fund.set_prices(2)
    wait(fund.due_at() - now())
    assert why(fund.fee.crystallise, fund.token, sender=eve) == ("ObservationMissing", 0, 0)
    seen = fund.observe().timestamp
    missing = ("ObservationMissing", seen + HOUR, seen + DAY)
    wait(seen + HOUR - 1 - now())
    assert why(fund.fee.crystallise, fund.token, sender=eve) == missing
    wait(1)
    assert why(fund.fee.crystallise, fund.token, sender=eve) is None
    wait(seen + DAY - now())
    assert why(fund.fee.crystallise, fund.token, sender=eve) is None
    assert why(fund.fee.observe, fund.token, sender=eve) == ("ObservationLive", seen + DAY)
    wait(1)
    assert why(fund.fee.crystallise, fund.token, sender=eve) == missing
    assert why(fund.fee.observe, fund.token, sender=eve) is None


@pytest.mark.parametrize("decimals", [(18, 6, 8), (0, 2, 24, 27)])
@pytest.mark.parametrize("rate", [10**10, TENTH, FIFTH])
def test_crystallise_charges_the_rate_of_the_gain_in_shares(world, decimals, rate, eve, fee_recipient):
    fund = charged(world, decimals=decimals, rate=rate)
    before = fund.nav_per_share()
    fund.set_prices(3, 2)
    after = fund.nav_per_share()
    exact = fund.exact_shares(after - before, rate)
    fund.observe()
    wait(HOUR)
    assert close(fund.fee.previewCrystallise(fund.token)[0], exact)

    tx = fund.fee.crystallise(fund.token, {"from": eve})

    shares = fund.token.balanceOf(fee_recipient)
    assert close(shares, exact) and shares == tx.return_value == tx.events["Crystallise"]["shares"]
    assert fund.token.balanceOf(eve) == 0
    worth = shares * fund.nav_per_share()
    assert close(worth, (after - before) * rate / WAD * 1000 * WAD)
    assert fund.token.totalSupply() == 1000 * WAD + shares


def test_a_second_charge_finds_the_mark_at_the_nav_after_the_dilution(fund, eve):
    fund.set_prices(2)
    fund.crystallise()
    diluted = fund.nav_per_share() * D27
    assert 0 <= fund.mark - diluted <= diluted / 10**9
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "CrystalliseTooEarly"
    assert why(fund.fee.crystallise, fund.token, sender=eve) == ("ObservationMissing", 0, 0)
    wait(WEEK)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"


@pytest.mark.parametrize("first, second", [((3, 1), (1, 2)), ((3, 2), (2, 1))])
def test_the_lower_of_the_two_looks_is_charged(fund, first, second, fee_recipient):
    """A price bent up for one of the two looks charges no more than the other says; the rest stays for later."""
    start = fund.nav_per_share()
    fund.set_prices(*first)
    fund.observe()
    fund.set_prices(*second)
    wait(HOUR)
    exact = fund.exact_shares(start / 2, TENTH)  # 1.5 of the start in both cases
    fund.fee.crystallise(fund.token, {"from": accounts[0]})
    assert close(fund.token.balanceOf(fee_recipient), exact)
    if second == (2, 1):  # 3 times the start is left: the gain above 1.5 is charged a week later
        left = fund.nav_per_share() * Fraction(1, 2)
        fund.take(left)


def test_after_a_fall_only_what_is_above_the_mark_is_charged(fund, eve):
    start = fund.nav_per_share()
    fund.set_prices(1, 2)
    wait(fund.due_at() - now())
    fund.set_prices(2)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
    fund.set_prices(5, 4)
    fund.take(start / 4)


def test_gains_are_net_of_the_streaming_fee(world):
    fund = charged(world, streaming_fee=5 * 10**16)
    start = fund.nav_per_share()
    wait(YEAR)
    fund.set_prices(104, 100)  # less than the 5 % that the year cost
    assert why(fund.fee.observe, fund.token, sender=accounts[0])[0] == "GainMissing"
    fund.set_prices(2)
    fund.observe()
    wait(HOUR)
    exact = fund.exact_shares(fund.nav_per_share() - start, TENTH)
    preview = fund.fee.previewCrystallise(fund.token)[0]
    assert close(preview, exact, Fraction(1, 10**7))  # the mark is some seconds older than `start`


def test_what_passes_the_bound_of_the_index_is_charged_later_and_once(world, fee_recipient, eve):
    """Thirteen percent of the supply are due and ten allowed: together the two charges take what one would have."""
    fund = charged(world, rate=FIFTH)
    start = fund.nav_per_share()
    fund.set_prices(3)
    exact = fund.exact_shares(fund.nav_per_share() - start, FIFTH)
    supply = fund.token.totalSupply()
    assert exact > supply / 10
    first = fund.crystallise()
    assert supply // 10 - 1 <= first <= supply // 10
    assert fund.mark < fund.nav_per_share() * D27  # the rest is still above it
    wait(30 * DAY)
    assert fund.crystallise() > 0
    wait(30 * DAY)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
    owned = Fraction(fund.token.balanceOf(fee_recipient), fund.token.totalSupply())
    assert close(owned * 10**18, exact / (supply + exact) * 10**18)


def test_when_the_index_allows_nothing_the_fee_waits(fund, eve):
    """Another module has used up what the index allows."""
    start = fund.nav_per_share()
    fund.set_prices(2)
    fund.observe()
    wait(HOUR)
    mark = fund.mark
    fund.index.govern(fund.token.setFeeModule, eve)
    fund.token.mintFeeShares(100 * WAD, eve, {"from": eve})
    assert fund.token.moduleFeeLeft() == 0
    assert why(fund.fee.crystallise, fund.token, sender=eve) == ("FeeTooSmall", 0)
    fund.index.govern(fund.token.setFeeModule, fund.fee)
    wait(30 * DAY)
    assert fund.mark == mark
    fund.take(fund.nav_per_share() - start)  # less what the other module took


def test_a_fee_below_one_share_is_refused_and_not_lost(world, eve):
    fund = charged(world, rate=1)
    fund.fee.setRate(fund.token, 0, {"from": accounts[1]})
    fund.set_prices(2)
    fund.observe()
    wait(HOUR)
    mark = fund.mark
    assert why(fund.fee.crystallise, fund.token, sender=eve) == ("FeeTooSmall", fund.token.moduleFeeLeft())
    assert fund.mark == mark


def test_a_missing_price_stops_the_charge_and_nothing_is_lost(fund, deployer, eve):
    fund.set_prices(2)
    fund.index.feed(1).setDead(True, {"from": deployer})
    wait(fund.due_at() - now())
    assert why(fund.fee.observe, fund.token, sender=eve) == ("FeedDead",)
    fund.index.feed(1).setDead(False, {"from": deployer})
    seen = fund.observe().timestamp
    fund.index.feed(0).setDead(True, {"from": deployer})
    wait(HOUR)
    assert why(fund.fee.crystallise, fund.token, sender=eve) == ("FeedDead",)
    fund.index.feed(0).setDead(False, {"from": deployer})
    wait(seen + DAY - 1 - now())
    exact = fund.exact_shares(fund.nav_per_share() / 2, TENTH)
    tx = fund.fee.crystallise(fund.token, {"from": eve})
    assert close(tx.return_value, exact)


def test_only_the_module_that_the_index_names_can_charge(fund, eve):
    fund.set_prices(2)
    fund.observe()
    wait(HOUR)
    fund.index.govern(fund.token.setFeeModule, eve)
    assert why(fund.fee.crystallise, fund.token, sender=eve) == ("NotFeeModule", fund.fee.address)


def test_the_events_say_what_was_charged(fund, fee_recipient):
    """G6: mark and records can be rebuilt from the events."""
    fund.set_prices(2)
    looked = fund.observe()
    nav = fund.fee.navOf(fund.token)[0]
    assert dict(looked.events["Observe"]) == {"index": fund.index.address, "nav": nav}
    wait(HOUR)
    supply = fund.token.totalSupply()
    tx = fund.fee.crystallise(fund.token, {"from": fee_recipient})
    event = tx.events["Crystallise"]
    assert (event["recipient"], event["nav"], event["supply"]) == (fee_recipient, nav, supply)
    assert event["mark"] == fund.mark and event["shares"] == fund.token.balanceOf(fee_recipient)
    records = tx.events["SetRecords"]
    assert list(records["units"]) == [fund.record(i) for i in range(3)]
    assert list(records["tokens"]) == [str(t) for t in fund.tokens]


# --- the record -------------------------------------------------------------------------------------------------------


def test_an_airdrop_raises_nobodys_fee(fund, eve):
    for i, reserve in enumerate(fund.index.reserves()):
        fund.donate(i, reserve)  # doubles the NAV
    wait(fund.due_at() - now())
    assert fund.nav_per_share() * D27 > fund.mark * Fraction(19, 10)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"


def test_an_upward_rebase_raises_nobodys_fee_and_a_downward_one_counts(world, deployer, eve):
    token = deployer.deploy(RebasingToken, "REB", 18)
    world.list(token)
    fund = charged(world, tokens=[token, world.token()])
    start = fund.nav_per_share()
    rebase(token, 2)
    wait(fund.due_at() - now())
    assert fund.nav_per_share() > start * Fraction(14, 10)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
    rebase(token, Fraction(1, 4))  # half of what there was
    fund.set_prices(4, 3)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
    fund.set_prices(2)
    fund.take(start)


def rebase(token, factor):
    """Multiplies every balance."""
    token.rebase(int(WAD * Fraction(factor)), {"from": accounts[0]})


def test_shares_burned_by_a_holder_raise_nobodys_fee(fund, alice, eve):
    fund.token.burn(500 * WAD, {"from": alice})
    wait(fund.due_at() - now())
    assert fund.nav_per_share() * D27 > fund.mark * Fraction(19, 10)
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"


def test_a_donation_is_no_gain_but_the_price_of_the_rest_is(fund):
    """After a donation that doubles the first component only the gain of the recorded half is charged."""
    fund.donate(0, fund.index.reserves()[0])
    third = fund.nav_per_share() / 4  # of four equal parts, one is the gift
    fund.set_prices(2)
    fund.take(3 * third)


def test_a_loss_counts_and_a_later_donation_cannot_fill_it(world, deployer, eve):
    token = deployer.deploy(RebasingToken, "REB", 18)
    world.list(token)
    fund = charged(world, tokens=[token])
    start = fund.nav_per_share()
    rebase(token, Fraction(1, 2))
    fund.fee.sync(fund.token, {"from": eve})
    rebase(token, 2)  # the gift
    assert fund.nav_per_share() == start
    fund.set_prices(19, 10)
    wait(fund.due_at() - now())
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"


@pytest.mark.parametrize("changes", [(), (10**16,), (0,)])
def test_a_donation_cannot_hide_in_what_the_streaming_fee_dilutes(world, changes, eve):
    """A year at 5 % makes room for a gift of 5 %: the record has fallen with the units, by the higher rate at least."""
    fund = charged(world, streaming_fee=5 * 10**16, decimals=(18, 6))
    wait(YEAR // 2)
    for fee in changes:
        fund.index.govern(fund.token.setStreamingFee, fee)
    wait(YEAR // 2)
    fund.fee.sync(fund.token, {"from": eve})
    supply = fund.token.totalSupply()
    for i, reserve in enumerate(fund.index.reserves()):
        assert 0 <= reserve * D27 // supply - fund.record(i)
        if not changes:  # exact to a few parts of 1e-18
            assert reserve * D27 // supply - fund.record(i) <= 3 + reserve * D27 // supply * 10 // WAD
        fund.donate(i, reserve // 20)
    before = fund.fee.navOf(fund.token)[0]
    for i, reserve in enumerate(fund.index.reserves()):
        fund.donate(i, reserve)
    assert fund.fee.navOf(fund.token)[0] <= before


def test_an_exchange_moves_the_record_to_what_was_bought(fund):
    """A third of the first component goes into the second, whose price then doubles: all of that gain is charged."""
    fund.pretend()
    start = fund.nav_per_share()
    amount = fund.index.reserves()[0] // 3
    fund.exchange({0: amount}, {1: fund.at_mid(0, 1, amount)})
    assert fund.record(0) <= fund.unit(0) <= fund.record(0) * (1 + Fraction(1, 10**12)) + 1
    assert fund.record(1) <= fund.unit(1) <= fund.record(1) * (1 + Fraction(1, 10**12)) + 2
    fund.set_price(1, 2)
    fund.take(start * Fraction(4, 9))  # a third, and a third of a third, doubled


def test_the_rebalancer_tells_what_a_plan_moved(fund):
    """G3: after a whole plan of the real rebalancer all that is held is recorded, and nothing became a gain."""
    start = fund.nav_per_share()
    fund.index.trade(fund.index.tilted())
    for i in range(3):
        assert close(fund.record(i), fund.unit(i))
    assert fund.record(0) < fund.record(2) * fund.index.price(2) // fund.index.price(0)
    wait(fund.due_at() - now())
    fund.set_prices(2)
    fund.take(fund.nav_per_share() - start)


def test_a_loss_in_an_exchange_lowers_the_record(fund, eve):
    fund.pretend()
    amount = fund.index.reserves()[0] // 2
    fund.exchange({0: amount}, {1: fund.at_mid(0, 1, amount) // 2})
    nav, _ = fund.fee.navOf(fund.token)
    assert close(nav, fund.mark * Fraction(11, 12))


def test_what_a_donation_is_sold_for_stays_outside(fund):
    """Half of the first component is a gift, all of it is sold: half of what it brought counts."""
    fund.pretend()
    start = fund.nav_per_share()
    fund.donate(0, fund.index.reserves()[0])
    amount = fund.index.reserves()[0]
    fund.exchange({0: amount}, {1: fund.at_mid(0, 1, amount)})
    assert fund.record(0) == 0
    nav, backing = fund.fee.navOf(fund.token)
    assert close(nav, start * D27)
    assert close(fund.nav_per_share() * D27, backing) and backing > nav * Fraction(132, 100)
    fund.set_prices(2)
    fund.take(start)


def test_a_donation_sold_among_others_counts_by_value(fund):
    """Two legs are sold: a gift-laden one of small value takes only its own part out of the record."""
    fund.pretend()
    start = fund.nav_per_share() * D27
    fund.donate(0, 9 * fund.index.reserves()[0])  # a tenth of it is recorded
    sell0, sell1 = fund.index.reserves()[0] // 100, fund.index.reserves()[1] // 2
    fund.exchange({0: sell0, 1: sell1}, {2: fund.at_mid(0, 2, sell0) + fund.at_mid(1, 2, sell1)})
    assert close(fund.fee.navOf(fund.token)[0], start)


def test_what_gifts_are_sold_for_together_counts_to_the_unit(world):
    """Gifts in all of four components, two of them sold for the other two: every record by integers, rounded down."""
    fund = charged(world, decimals=(18, 6, 8, 18))
    fund.pretend()
    for i, reserve in enumerate(fund.index.reserves()):
        fund.donate(i, reserve // (3 + i) + 1)
    supply, held = fund.token.totalSupply(), fund.index.reserves()
    outs = {0: held[0] // 7, 1: held[1] // 3}
    ins = {3: fund.at_mid(0, 3, outs[0]), 2: fund.at_mid(1, 2, outs[1])}

    def unit(amount):
        return amount * D27 // supply

    recorded = [min(fund.record(i), unit(held[i])) for i in range(4)]
    assert all(recorded[i] < unit(held[i]) for i in range(4)), "what is held counts for nothing where it is recorded"
    values = {i: ceil_div(amount * fund.index.price(i), D27) for i, amount in outs.items()}
    counted = sum(value * (recorded[i] * WAD // (unit(held[i]) + 1)) // WAD for i, value in values.items())
    part = counted * WAD // sum(values.values())
    expected = [recorded[i] * (held[i] - outs[i]) // held[i] for i in (0, 1)]
    expected += [recorded[i] + unit(ins[i] * part // WAD) for i in (2, 3)]
    assert unit(ins[3] * (part + 1) // WAD) != unit(ins[3] * part // WAD), "the rounding of the part would not be seen"
    fund.exchange(outs, ins)
    assert [fund.record(i) for i in range(4)] == expected


def test_a_leg_of_nothing_of_what_is_sold_out_stops_no_exchange(fund):
    """The first component is sold out; an exchange that names it with nothing is noted as if it did not."""
    fund.pretend()
    fund.exchange({0: fund.index.reserves()[0]}, {1: fund.at_mid(0, 1, fund.index.reserves()[0])})
    amount, before = fund.index.reserves()[1] // 4, fund.record(2)
    bought = fund.at_mid(1, 2, amount)
    fund.exchange({0: 0, 1: amount}, {2: bought})
    assert fund.index.reserves()[0] == fund.record(0) == 0
    assert close(fund.record(2) - before, Fraction(bought * D27, fund.token.totalSupply()))


def test_without_a_price_the_least_recorded_leg_counts_for_all(fund, deployer):
    fund.pretend()
    fund.donate(0, fund.index.reserves()[0])
    sell0, sell1 = fund.index.reserves()[0] // 100, fund.index.reserves()[1] // 2
    bought = fund.at_mid(0, 2, sell0) + fund.at_mid(1, 2, sell1)
    before = fund.record(2)
    fund.index.feed(1).setDead(True, {"from": deployer})
    fund.exchange({0: sell0, 1: sell1}, {2: bought})
    assert close(fund.record(2) - before, Fraction(bought * D27, 2 * fund.token.totalSupply()))


def test_what_arrives_for_nothing_is_a_gift(fund):
    fund.pretend()
    before = [fund.record(i) for i in range(3)]
    fund.exchange({}, {1: 10**9})
    fund.exchange({0: 0}, {1: 10**9})
    assert [fund.record(i) for i in range(3)] == before


def test_a_token_enters_with_nothing_and_leaves_with_nothing(world, fund, deployer):
    """What was sent ahead of a new component is a gift; a component that was sold out starts again at nothing."""
    fund.pretend()
    new = world.token(18)
    fund.index.tokens = [*fund.tokens, new]
    fund.donate(3, 10**18)
    fund.rebalancer.updateComponents(fund.token, 0, [new], {"from": deployer})
    fund.fee.sync(fund.token, {"from": deployer})
    assert fund.record(3) == 0 and fund.index.reserves()[3] == 10**18
    bought = fund.at_mid(0, 3, fund.index.reserves()[0])
    fund.exchange({0: fund.index.reserves()[0]}, {3: bought})
    assert fund.record(0) == 0
    assert close(fund.record(3), Fraction(bought * D27, fund.token.totalSupply()))
    fund.rebalancer.updateComponents(fund.token, 1, [], {"from": deployer})
    fund.rebalancer.updateComponents(fund.token, 0, [fund.tokens[0]], {"from": deployer})
    fund.donate(0, 10**20)
    fund.fee.sync(fund.token, {"from": deployer})
    assert fund.record(0) == 0


def test_only_the_rebalancer_notes(world, fund, governor, eve):
    for who in (eve, governor):
        assert why(fund.fee.noteExchange, fund.token, [], [], sender=who) == ("NotRebalancer", who.address)
    assert why(fund.fee.noteExchange, fund.token, [], [], sender=world.rebalancer.address) is None


def test_noting_an_index_that_is_not_registered_does_nothing(world, mixed):
    """An index that names the module too early can still exchange."""
    fee = accounts[0].deploy(PerformanceFee, world.oracle)
    legs = [(mixed.tokens[0], 10**18)]
    assert why(fee.noteExchange, mixed.token, legs, legs, sender=world.rebalancer.address) is None
    assert fee.accountOf(mixed.token)[5] == 0


def test_an_exchange_that_was_not_noted_only_lowers_the_fee_until_recount(fund):
    fund.pretend()
    start = fund.nav_per_share()
    amount = fund.index.reserves()[0] // 2
    fund.exchange({0: amount}, {1: fund.at_mid(0, 1, amount)}, noted=False)
    nav, _ = fund.fee.navOf(fund.token)
    assert close(nav, start * D27 * Fraction(5, 6))
    fund.govern("recount")
    missed = fund.nav_per_share() - Fraction(nav, D27)
    assert close(fund.fee.navOf(fund.token)[0], fund.nav_per_share() * D27)
    fund.set_prices(3, 2)
    fund.take(fund.nav_per_share() - start - missed)  # the value that was taken in is above no mark


def test_recount_charges_nothing_for_a_donation(fund, eve):
    for i, reserve in enumerate(fund.index.reserves()):
        fund.donate(i, reserve)
    start = fund.nav_per_share()
    fund.govern("recount")
    wait(fund.due_at() - now())
    assert why(fund.fee.observe, fund.token, sender=eve)[0] == "GainMissing"
    fund.set_prices(3, 2)  # what it gains from then on counts
    fund.take(start / 2)


def test_a_component_without_a_price_can_be_forgotten(fund, deployer, governor, eve):
    start = fund.nav_per_share()
    fund.set_prices(4)
    fund.index.feed(2).setDead(True, {"from": deployer})
    wait(fund.due_at() - now())
    assert why(fund.fee.observe, fund.token, sender=eve) == ("FeedDead",)
    assert why(fund.fee.forget, fund.token, fund.tokens[2], sender=eve)[0] == "NotAuthorized"
    fund.govern("forget", fund.tokens[2])
    assert fund.record(2) == 0
    nav, _ = fund.fee.navOf(fund.token)
    assert close(nav, start * D27 * Fraction(8, 3))
    fund.observe()


def test_anyone_may_forget_what_is_no_component(world, fund, eve):
    stranger = world.token()
    tx = fund.fee.forget(fund.token, stranger, {"from": eve})
    assert list(tx.events["SetRecords"]["units"]) == [0]


def test_a_token_that_does_not_answer_does_not_lose_its_record(world, deployer, eve):
    """Less gas, or a broken token, must not pass for an empty balance."""
    token = deployer.deploy(RevertingBalanceToken, "MUTE", 18)
    world.list(token)
    fund = charged(world, tokens=[token, world.token()])
    record = fund.record(0)
    token.setSilent(True, {"from": deployer})
    for method in (fund.fee.sync, fund.fee.navOf):
        assert why(method, fund.token, sender=eve) == ("BalanceUnreadable", token.address)
    token.setSilent(False, {"from": deployer})
    fund.fee.sync(fund.token, {"from": eve})
    assert fund.record(0) == record


# --- governor ---------------------------------------------------------------------------------------------------------


def raise_rate(fund, rate):
    fund.govern("announceRate", rate)
    wait(NOTICE)
    return fund.govern("setRate", rate)


def test_a_higher_rate_needs_its_notice_once(fund, governor):
    selector = bytes.fromhex(fund.fee.setRate.signature[2:])
    assert why(fund.fee.setRate, fund.token, FIFTH, sender=governor) == ("FeeNotDue", selector, FIFTH, 0)
    earliest = fund.govern("announceRate", FIFTH).timestamp + NOTICE
    assert fund.fee.noticeOf(fund.token, FIFTH) == earliest
    wait(earliest - 1 - now())
    assert why(fund.fee.setRate, fund.token, FIFTH, sender=governor) == ("FeeNotDue", selector, FIFTH, earliest)
    assert why(fund.fee.setRate, fund.token, FIFTH - 1, sender=governor)[0] == "FeeNotDue"
    wait(1)
    fund.govern("setRate", FIFTH)
    fund.govern("setRate", TENTH)
    assert why(fund.fee.setRate, fund.token, FIFTH, sender=governor)[0] == "FeeNotDue"


def test_a_higher_rate_is_for_later_gains_only(fund):
    """E1: the gain until the change costs what it did, the gain after it the new rate."""
    start = fund.nav_per_share()
    fund.set_prices(2)
    raise_rate(fund, FIFTH)
    assert close(fund.fee.previewCrystallise(fund.token)[0], fund.exact_shares(start, TENTH))
    fund.set_prices(5, 4)
    fund.take(start + 2 * start / 2)  # at a tenth: the second gain, of half the start, costs twice as much


def test_a_higher_rate_below_the_mark_moves_nothing(fund):
    fund.set_prices(1, 2)
    mark = fund.mark
    raise_rate(fund, FIFTH)
    assert fund.mark == mark and fund.fee.accountOf(fund.token)[4] == FIFTH


def test_a_lower_rate_counts_at_once(fund):
    start, mark = fund.nav_per_share(), fund.mark
    fund.set_prices(2)
    fund.govern("setRate", TENTH // 2)
    assert fund.mark == mark
    fund.take(start, TENTH // 2)


def test_the_interval_counts_from_the_last_charge(fund):
    at = fund.fee.accountOf(fund.token)[1]
    fund.govern("setInterval", 30 * DAY)
    assert fund.due_at() == at + 30 * DAY


def test_the_governor_alone_sets(fund, guardian, strategist, eve):
    calls = [("setRate", 0), ("setInterval", WEEK), ("announceRate", FIFTH), ("recount",)]
    for name, *arguments in calls:
        for who in (guardian, strategist, eve):
            refusal = ("NotAuthorized", who.address, fund.index.address)
            assert why(getattr(fund.fee, name), fund.token, *arguments, sender=who) == refusal


def test_nothing_is_measured_in_the_middle_of_an_exchange(world, deployer, eve):
    """Read-only reentrancy: while an exchange runs, the reserves are not what a share holds."""
    fund = charged(world)
    fund.pretend()
    taker = deployer.deploy(ReentrantTaker)
    calls = [fund.fee.sync, fund.fee.navOf, fund.fee.observe, fund.fee.crystallise]
    for method in calls:
        taker.program(fund.fee, method.encode_input(fund.token), {"from": eve})
    wait(fund.due_at() - now())
    fund.tokens[1].mint(taker, 10**12, {"from": deployer})
    fund.rebalancer.exchange(
        fund.token, [(fund.tokens[0], 10**18)], [(fund.tokens[1], 10**6)], taker, {"from": deployer}
    )
    answers = [reason(result) for ok, result in taker.outcomes() if not ok]
    locked = ("IndexLocked", fund.index.address)
    assert answers == [locked, locked, locked, ("ObservationMissing", 0, 0)]
