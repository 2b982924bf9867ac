"""The one settlement primitive, driven by a rebalancer of the test's own: nobody else may.

IndexToken.exchange
├── called by anyone but the rebalancer it reverts with NotRebalancer
├── while paused it reverts with ExchangePaused
├── given a token that is no component it reverts with ComponentUnknown
├── given a token twice, on one side or on both, it reverts with ExchangeTokenRepeated
├── given more than is available after claims it reverts with AvailableTooLow
├── given a taker that delivers less it reverts with ShortDelivery, whatever it delivers instead
└── given enough it sends, measures and reports exactly, to any payee

IndexToken.updateComponents
├── called by anyone but the rebalancer it reverts
├── drops only what is empty
├── refuses tokens without code, itself, duplicates and more than 64
└── keeps the claims bits of what stays

IndexToken.bootstrap
├── called by anyone but the factory it reverts
└── called twice it reverts
"""

import pytest
from brownie import UnderpayingTaker
from brownie import accounts as people

from tests.contracts.support import DAY, DEAD, GOVERNOR, HOUR, WAD, ZERO, wait, why


@pytest.fixture
def conductor():
    """An account that the index takes for its rebalancer."""
    return people[9]


@pytest.fixture
def conducted(mixed, conductor):
    """The mixed index with `conductor` as rebalancer; its guard knows it."""
    mixed.govern(mixed.token.setRebalancer, conductor)
    for token in mixed.tokens:
        token.mint(mixed.world.taker, 10**30, {"from": people[0]})
    return mixed


def legs(index, *pairs):
    return [(index.tokens[i].address, amount) for i, amount in pairs]


def test_exchange_by_anyone_but_the_rebalancer_reverts(mixed, strategist, governor, eve, alice):
    taker = mixed.world.taker
    for who in (strategist, governor, eve, alice):
        reason = why(mixed.token.exchange, legs(mixed, (0, 1)), legs(mixed, (1, 0)), who, taker, b"", sender=who)
        assert reason == ("NotRebalancer", who.address)


def test_exchange_while_paused_reverts(conducted, conductor, guardian):
    until = conducted.token.pauseExchange(HOUR, {"from": guardian}).timestamp + HOUR
    taker = conducted.world.taker
    arguments = (legs(conducted, (0, WAD)), legs(conducted, (1, 10**7)), taker, taker, b"")
    assert why(conducted.token.exchange, *arguments, sender=conductor) == ("ExchangePaused", until)
    wait(HOUR)
    assert why(conducted.token.exchange, *arguments, sender=conductor) is None


def test_exchange_of_an_unknown_token_reverts(conducted, conductor, world):
    stranger, taker = world.token(), world.taker
    sold = why(conducted.token.exchange, [(stranger, 1)], legs(conducted, (1, 1)), taker, taker, b"", sender=conductor)
    bought = why(
        conducted.token.exchange, legs(conducted, (1, 1)), [(stranger, 1)], taker, taker, b"", sender=conductor
    )
    assert sold == bought == ("ComponentUnknown", stranger.address)
    own = why(conducted.token.exchange, [(conducted.token, 1)], [], taker, taker, b"", sender=conductor)
    assert own == ("ComponentUnknown", conducted.address)


@pytest.mark.parametrize(
    "outs, ins", [([(0, 1), (0, 1)], [(1, 1)]), ([(0, 1)], [(1, 1), (1, 1)]), ([(0, 1)], [(0, 1)])]
)
def test_exchange_of_a_repeated_token_reverts(conducted, conductor, outs, ins):
    taker = conducted.world.taker
    arguments = (legs(conducted, *outs), legs(conducted, *ins), taker, taker, b"")
    assert why(conducted.token.exchange, *arguments, sender=conductor)[0] == "ExchangeTokenRepeated"


def test_exchange_never_sends_what_is_owed_to_claims(conducted, conductor, alice, world):
    """B15: claims are senior to every trade."""
    conducted.redeem(alice, 400 * WAD, mask=1)
    token, taker = conducted.tokens[0], conducted.world.taker
    available = conducted.reserves()[0]
    arguments = (legs(conducted, (0, available + 1)), legs(conducted, (1, 0)), taker, taker, b"")
    assert why(conducted.token.exchange, *arguments, sender=conductor) == (
        "AvailableTooLow",
        token.address,
        available,
        available + 1,
    )
    price = conducted.mid(0, 1, available)
    world.guard.setLimits(conducted.token, (5 * 10**16, DAY, 4 * WAD, DAY, HOUR), {"from": people[GOVERNOR]})
    conducted.token.exchange(
        legs(conducted, (0, available)), legs(conducted, (1, price)), taker, taker, b"", {"from": conductor}
    )
    assert token.balanceOf(conducted.token) == conducted.token.claimsOwed(token)
    before = token.balanceOf(alice)
    conducted.token.claim(token, alice, alice, {"from": alice})
    assert token.balanceOf(conducted.token) == 0 and token.balanceOf(alice) > before


@pytest.mark.parametrize("instead", [None, 2])
def test_exchange_given_a_short_delivery_reverts_whole(conducted, conductor, deployer, instead):
    """C10: one base unit less, or another token instead, and nothing has moved."""
    taker = deployer.deploy(UnderpayingTaker)
    for token in conducted.tokens:
        token.mint(taker, 10**30, {"from": deployer})
    reserves, due = conducted.reserves(), conducted.mid(0, 1, WAD)
    data = b"" if instead is None else bytes(12) + bytes.fromhex(conducted.tokens[instead].address[2:])
    arguments = (legs(conducted, (0, WAD)), legs(conducted, (1, due)), taker, taker, data)
    received = due - 1 if instead is None else 0
    reason = why(conducted.token.exchange, *arguments, sender=conductor)
    assert reason == ("ShortDelivery", conducted.tokens[1].address, received, due)
    assert conducted.reserves() == reserves and conducted.tokens[0].balanceOf(taker) == 10**30


def test_exchange_sends_measures_and_reports_exactly(conducted, conductor, bob):
    taker, due = conducted.world.taker, conducted.mid(0, 1, WAD) + 5
    reserves, supply = conducted.reserves(), conducted.token.totalSupply()
    tx = conducted.token.exchange(
        legs(conducted, (0, WAD)), legs(conducted, (1, due)), bob, taker, b"", {"from": conductor}
    )
    assert conducted.reserves() == [reserves[0] - WAD, reserves[1] + due, reserves[2]]
    assert conducted.tokens[0].balanceOf(bob) == WAD and conducted.token.totalSupply() == supply
    event = tx.events["Exchange"]
    assert (event["taker"], event["payee"]) == (taker, bob)
    assert [tuple(leg) for leg in event["sold"]] == legs(conducted, (0, WAD))
    assert [tuple(leg) for leg in event["bought"]] == legs(conducted, (1, due))


def test_exchange_of_many_legs_settles_every_one(conducted, conductor):
    taker, reserves = conducted.world.taker, conducted.reserves()
    due = 2 * conducted.mid(0, 2, WAD)
    outs = legs(conducted, (0, WAD), (1, conducted.mid(0, 1, WAD)))
    conducted.token.exchange(outs, legs(conducted, (2, due)), taker, taker, b"", {"from": conductor})
    assert conducted.reserves() == [reserves[0] - WAD, reserves[1] - outs[1][1], reserves[2] + due]


def test_exchange_paid_to_the_index_itself_moves_nothing_out(conducted, conductor):
    reserves, taker = conducted.reserves(), conducted.world.taker
    conducted.token.exchange(
        legs(conducted, (0, WAD)), legs(conducted, (1, 1)), conducted.token, taker, b"", {"from": conductor}
    )
    assert conducted.reserves() == [reserves[0], reserves[1] + 1, reserves[2]]


def test_exchange_for_nothing_is_stopped_by_the_guard(conducted, conductor, bob):
    """G2: even a captured rebalancer loses no more than the budget at once."""
    taker, nav = conducted.world.taker, conducted.nav()
    conducted.world.guard.revalue(conducted.token, {"from": bob})
    amount = conducted.reserves()[0] // 10
    value = amount * conducted.price(0) // 10**27
    reason = why(conducted.token.exchange, legs(conducted, (0, amount)), [], bob, taker, b"", sender=conductor)
    assert reason[0] == "LossBudgetExceeded" and reason[2] == 5 * 10**15
    assert abs(reason[1] - value * WAD // nav) <= 10**10


# --- updateComponents -------------------------------------------------------------------------------------------------


def test_update_components_by_anyone_but_the_rebalancer_reverts(mixed, strategist, governor, eve):
    for who in (strategist, governor, eve):
        assert why(mixed.token.updateComponents, 0, [], sender=who) == ("NotRebalancer", who.address)


def test_update_components_drops_only_what_is_empty(conducted, conductor):
    for i, token in enumerate(conducted.tokens):
        reason = why(conducted.token.updateComponents, 1 << i, [], sender=conductor)
        assert reason == ("ComponentNotEmpty", token.address, conducted.reserves()[i])


def test_update_components_refuses_what_cannot_be_a_component(conducted, conductor, bob):
    update = conducted.token.updateComponents
    for bad in (bob.address, ZERO, DEAD, conducted.address, conducted.tokens[1].address):
        assert why(update, 0, [bad], sender=conductor) == ("ComponentInvalid", bad)


def test_update_components_takes_64_and_no_more(conducted, conductor, world):
    """C16: bit 63 is the last."""
    others = [world.token(18) for _ in range(62)]
    reason = why(conducted.token.updateComponents, 0, others, sender=conductor)
    assert reason == ("TooManyComponents", 65, 64)
    assert why(conducted.token.updateComponents, 0, [others[0], others[0]], sender=conductor)[0] == "ComponentInvalid"
    tx = conducted.token.updateComponents(0, others[:61], {"from": conductor})
    assert conducted.n == 64 and conducted.token.components()[63] == others[60]
    assert tx.events["UpdateComponents"]["version"] == conducted.version
    everyone = 2**64 - 1
    conducted.tokens += others[:61]
    others[60].mint(conducted.token, 1000 * WAD, {"from": conductor})
    alice = people[5]
    conducted.redeem(alice, WAD, mask=everyone)
    assert conducted.token.claimOf(others[60], alice) == WAD
    assert conducted.token.claimsMask() == (1 << 63) + 7  # empty legs make no claim
    conducted.token.claim(others[60], alice, alice, {"from": alice})
    assert conducted.token.claimsMask() == 7 and others[60].balanceOf(alice) == WAD


def test_update_components_keeps_the_claims_of_what_moves_down(conducted, conductor, alice, world):
    """C8: the bit follows the token when an earlier one leaves."""
    conducted.redeem(alice, WAD, mask=0b100)
    taker = world.taker
    world.guard.setLimits(conducted.token, (5 * 10**16, DAY, 4 * WAD, DAY, HOUR), {"from": people[GOVERNOR]})
    everything = conducted.reserves()[0]
    due = conducted.mid(0, 1, everything)
    conducted.token.exchange(
        legs(conducted, (0, everything)), legs(conducted, (1, due)), taker, taker, b"", {"from": conductor}
    )
    version = conducted.version
    conducted.token.updateComponents(1, [], {"from": conductor})
    assert conducted.token.components() == (conducted.tokens[1], conducted.tokens[2])
    assert conducted.version == version + 1 and conducted.token.claimsMask() == 0b10


def test_update_components_while_paused_reverts(conducted, conductor, guardian):
    until = conducted.token.pauseExchange(HOUR, {"from": guardian}).timestamp + HOUR
    assert why(conducted.token.updateComponents, 0, [], sender=conductor) == ("ExchangePaused", until)


# --- bootstrap --------------------------------------------------------------------------------------------------------


def test_bootstrap_by_anyone_but_the_factory_or_twice_reverts(mixed, eve, governor):
    for who in (eve, governor):
        assert why(mixed.token.bootstrap, WAD, who, sender=who) == ("NotFactory", who.address)
    factory = people.at(mixed.world.factory.address, force=True)
    assert why(mixed.token.bootstrap, WAD, eve, sender=factory) == ("AlreadyBootstrapped",)
