"""An index inside an index: its shares become its components and back, without a market.

InnerIndexTaker
├── given shares to sell it redeems them straight to the outer index, which needs every component as a leg (RouteInvalid)
├── given components to sell it mints as many shares as they suffice for, and what is left returns
├── a stale version, a frozen component, a wrong shape only revert
└── it keeps nothing, and a false index gets no approval that lasts
"""

import pytest
from brownie import GreedyIndex, MockFeed, PausableToken
from brownie import accounts as people
from eth_abi import encode

from tests.contracts.support import DEPLOYER, WAD, ceil_div, price_d27, why

SHARES, ONE, TWO = range(3)
FEE = WAD // 1000  # 0.1 %


class Shares(str):
    """The inner index as a token of the outer one: minting means getting some from alice, who made it."""

    def __new__(cls, token, alice):
        self = super().__new__(cls, token.address)
        self.token, self.alice, self.address = token, alice, token.address
        return self

    def __getattr__(self, name):
        return getattr(self.token, name)

    def mint(self, to, amount, options):
        self.token.transfer(to, amount, {"from": self.alice})


@pytest.fixture
def nested(world, alice):
    """(inner, outer): the outer index holds the inner one and both of its components; account 9 is its rebalancer."""
    frozen = people[DEPLOYER].deploy(PausableToken, "ICE", 6)
    world.list(frozen, 2)
    inner = world.create([world.token(18, 4), frozen], mint_fee=FEE, redeem_fee=FEE)
    feed = people[DEPLOYER].deploy(MockFeed, inner.token, price_d27(100, 18))
    world.set_feed(inner.token, feed)
    outer = world.create([Shares(inner.token, alice), *inner.tokens], usd=90_000)
    outer.govern(outer.token.setRebalancer, people[9])
    return inner, outer


def exchange(outer, inner, outs, ins, *, version=None, call=False):
    taker = outer.world.inner_taker
    data = encode(["address", "uint256"], [inner.address, inner.token.version() if version is None else version])
    arguments = (
        [(outer.tokens[i].address, amount) for i, amount in outs], [(outer.tokens[i].address, amount) for i, amount in ins],
        taker, taker, data,
    )  # fmt: skip
    if call:
        return why(outer.token.exchange, *arguments, sender=people[9])
    return outer.token.exchange(*arguments, {"from": people[9]})


def assert_empty(outer, inner):
    taker = outer.world.inner_taker
    for token in outer.tokens:
        assert token.balanceOf(taker) == 0 == token.allowance(taker, inner.token)


def test_shares_become_components_of_the_outer_index(nested):
    """A9: to the unit what a redemption pays less its fee; nothing stays with the taker."""
    inner, outer = nested
    reserves, held, supply = outer.reserves(), inner.reserves(), inner.token.totalSupply()
    net = 10 * WAD - ceil_div(10 * WAD * FEE, WAD)
    due = [net * r // supply for r in held]
    exchange(outer, inner, [(SHARES, 10 * WAD)], [(ONE, due[0]), (TWO, due[1])])
    assert outer.reserves() == [reserves[0] - 10 * WAD, reserves[1] + due[0], reserves[2] + due[1]]
    assert_empty(outer, inner)


def test_components_become_shares_of_the_outer_index(nested):
    """A9: the scarcer component decides; what is left of the other returns and counts as not sold."""
    inner, outer = nested
    reserves, held, supply = outer.reserves(), inner.reserves(), inner.token.totalSupply()
    one, two = (ceil_div(10 * WAD * r, supply) for r in held)
    gross = min((one + 10**15) * supply // held[0], two * supply // held[1])
    net = gross - ceil_div(gross * FEE, WAD)
    taken = [ceil_div(gross * r, supply) for r in held]
    exchange(outer, inner, [(ONE, one + 10**15), (TWO, two)], [(SHARES, net)])
    assert outer.reserves() == [reserves[0] + net, reserves[1] - taken[0], reserves[2] - taken[1]]
    assert gross >= 10 * WAD
    assert_empty(outer, inner)


def test_a_component_that_the_exchange_does_not_expect_is_refused(nested):
    """A9: it would lie in the outer index unlisted."""
    inner, outer = nested
    missing = exchange(outer, inner, [(SHARES, WAD)], [(ONE, 1)], call=True)
    assert missing == ("RouteInvalid", inner.tokens[1].address)


def test_wrong_shapes_stale_versions_and_frozen_components_only_revert(nested, bob):
    inner, outer = nested
    assert exchange(outer, inner, [(ONE, WAD)], [(TWO, 1)], call=True) == ("RouteInvalid", inner.tokens[1].address)
    assert exchange(outer, inner, [(ONE, WAD)], [(SHARES, 1), (TWO, 1)], call=True) == ("LegsInvalid", 1, 2)
    version = inner.token.version()
    stale = exchange(outer, inner, [(SHARES, WAD)], [(ONE, 1), (TWO, 1)], version=version + 1, call=True)
    assert stale == ("BasketChanged", version, version + 1)
    short = exchange(outer, inner, [(ONE, WAD)], [(SHARES, 1)], call=True)
    assert short == ("ZeroShares",)
    before = outer.reserves()
    inner.tokens[1].setPaused(True, {"from": bob})
    assert exchange(outer, inner, [(SHARES, WAD)], [(ONE, 1), (TWO, 1)], call=True) == ("TransfersPaused",)
    assert outer.reserves() == before and inner.token.claimOf(inner.tokens[1], outer.token) == 0


def test_a_false_index_gets_no_approval_that_lasts(world, nested, bob, eve, deployer):
    """A10: eve calls the taker with an index of her own; all she gets back is what she sent."""
    inner, outer = nested
    token, taker = inner.tokens[0], world.inner_taker
    false = deployer.deploy(GreedyIndex, token, WAD)
    token.mint(taker, 5 * WAD, {"from": eve})
    data = encode(["address", "uint256"], [false.address, 1])
    taker.onExchange([(token, 5 * WAD)], [(false, 0)], data, {"from": eve})
    assert token.balanceOf(eve) == 5 * WAD and token.allowance(taker, false) == 0 == token.balanceOf(taker)
