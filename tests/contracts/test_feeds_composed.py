"""Feeds that stand on other feeds: a vault's share, an index's share, a price with an anchor, a rollup's sequencer.

Erc4626Feed
├── price: the asset's times what a share converts to, for any decimals, as its twin says
├── given a rate further from the checkpoint than time explains, up or down: RateOutOfBounds
├── moveCheckpoint: anyone, to a believed rate, once a day; honest growth stays inside for ever
└── is not made of another asset's feed, without bounds or beyond them, nor of a rate of too few digits; at them it is

IndexNavFeed
├── price: reserves at oracle prices over the supply with its pending fee, as its twin says
├── minting and redeeming move it by less than a unit of each component
├── given a component that is held and has no price: its reason
├── given a call of the index on the stack: IndexLocked
└── given indexes that hold each other: no price, at a bounded cost, and no feed to be made

AnchoredFeed
├── price: the primary's, up to the very deviation, OracleDivergence beyond
└── is not made of two tokens, without a bound or beyond the largest; at it it is

SequencerFeed
├── price: the feed's while the sequencer is up and the grace has passed
├── SequencerDown while it is down or was never reported, SequencerJustUp during the grace
└── is made with a grace of a second to a day
"""

import pytest
from brownie import (
    AnchoredFeed,
    Erc4626Feed,
    HookToken,
    IndexNavFeed,
    MockAggregator,
    MockFeed,
    SequencerFeed,
    TestVault,
)

from offchain.reference import price_math
from offchain.reference.constants import COMPONENT_PRICE_GAS
from tests.contracts.support import (
    D27,
    DAY,
    HOUR,
    MAX,
    MIXES,
    WAD,
    ZERO,
    accounts,
    now,
    reason,
    undone,
    wait,
    web3,
    why,
)
from tests.contracts.test_prices import refused_deployment

JUMP, GROWTH = WAD // 100, WAD // 5  # 1 %, and 20 % a year


def mock_of(world, token):
    return MockFeed.at(world.oracle.feedOf(token), persist=False)


# --- ERC-4626


def vault_of(asset, *, offset=0, amount=None):
    """A vault in which alice has a million whole assets."""
    amount = 10 ** (6 + asset.decimals()) if amount is None else amount
    vault = accounts[0].deploy(TestVault, asset, offset)
    asset.mint(accounts[5], 10 * amount, {"from": accounts[0]})
    asset.approve(vault, MAX, {"from": accounts[5]})
    vault.deposit(amount, accounts[5], {"from": accounts[5]})
    return vault


def vault_feed(world, vault, asset, *, jump=JUMP, growth=GROWTH):
    return accounts[0].deploy(Erc4626Feed, vault, world.oracle.feedOf(asset), jump, growth)


def give(asset, vault, percent):
    """A gift of so much of what the vault holds."""
    asset.mint(vault, vault.totalAssets() * round(percent * 1000) // 100_000, {"from": accounts[7]})


@pytest.fixture
def saving(world):
    asset = world.token(6, 1)
    vault = vault_of(asset)
    return asset, vault, vault_feed(world, vault, asset)


@pytest.mark.parametrize("offset", [0, 6])
@pytest.mark.parametrize("decimals", [0, 6, 8, 18])
def test_vault_share_costs_what_it_converts_to(world, decimals, offset):
    """B12: a whole share of a vault that grew by a half costs three dollars of a two-dollar asset, for any decimals."""
    asset = world.token(decimals, 2)
    vault = vault_of(asset, offset=offset)
    give(asset, vault, 50)
    feed = vault_feed(world, vault, asset)
    value = feed.price() * 10 ** vault.decimals() // D27  # {nUSD} of a whole share
    assert abs(value - 3 * 10**9) <= 3 * 10**9 // 10**5
    rate = vault.convertToAssets(D27)
    at = feed.checkpoint()[1]
    wait(DAY)
    assert feed.price() == price_math.vault_price(
        world.oracle.price(asset), rate, checkpoint=rate, elapsed=now() - at, max_jump=JUMP, max_growth=GROWTH
    )


def test_vault_price_does_not_depend_on_its_decimals(saving):
    """B11: the rate is asked for base units; what the asset shows as decimals is the asset's feed's business."""
    asset, _, feed = saving
    before = feed.price()
    asset.setDecimals(2, {"from": accounts[7]})
    assert feed.price() == before


def test_vault_rate_is_believed_up_to_the_jump_and_no_further(world, saving):
    """D6: a gift of a percent is believed, one of more is not; so is a loss."""
    asset, vault, feed = saving
    base = feed.checkpoint()[0]
    snapshots = [(0.9, True), (1.2, False)]
    for percent, believed in snapshots:
        fresh = vault_feed(world, vault, asset)
        give(asset, vault, percent)
        assert (why(fresh.price, sender=accounts[7]) is None) == believed
    name, place, rate, low, high = why(feed.price, sender=accounts[7])
    elapsed = now() - feed.checkpoint()[1]
    assert (name, place, rate) == ("RateOutOfBounds", vault.address, vault.convertToAssets(D27))
    assert (low, high) == price_math.rate_bounds(base, elapsed, JUMP, GROWTH)
    assert low == base - base // 100 and base * 101 // 100 <= high < base * 10_101 // 10_000
    fresh = vault_feed(world, vault, asset)
    vault.lose(vault.totalAssets() * 9 // 1000, {"from": accounts[7]})
    assert fresh.price() > 0
    vault.lose(vault.totalAssets() * 3 // 1000, {"from": accounts[7]})
    assert why(fresh.price, sender=accounts[7])[0] == "RateOutOfBounds"
    assert why(fresh.moveCheckpoint, sender=accounts[7])[0] == "CheckpointTooEarly"
    wait(DAY)
    assert why(fresh.moveCheckpoint, sender=accounts[7])[0] == "RateOutOfBounds"


def test_anyone_moves_the_checkpoint_once_a_day_to_what_is_believed(world, saving):
    """A vault that yields a tenth a year in weekly lumps has a price on every day of it."""
    asset, vault, feed = saving
    assert why(feed.moveCheckpoint, sender=accounts[7]) == ("CheckpointTooEarly", feed.checkpoint()[1] + DAY)
    first = feed.price()
    for _ in range(8):
        wait(7 * DAY)
        give(asset, vault, 0.2)
        assert feed.price() > 0
        tx = feed.moveCheckpoint({"from": accounts[7]})
        rate = vault.convertToAssets(D27)
        assert dict(tx.events["MoveCheckpoint"]) == {"rate": rate} and tuple(feed.checkpoint()) == (rate, tx.timestamp)
    assert first * 1015 // 1000 < feed.price() < first * 1017 // 1000


def test_ratchet_of_a_vault_takes_a_day_and_a_gift_for_every_percent(world, saving):
    """D6: who drives a share price up pays the whole vault a percent a day; on one day he gets no further than a percent."""
    asset, vault, feed = saving
    start, held, days = feed.price(), vault.totalAssets(), 5
    for day in range(1, days + 1):
        wait(DAY)
        give(asset, vault, 0.99)
        feed.moveCheckpoint({"from": accounts[7]})
        assert abs(feed.price() - start * 10_099**day // 10_000**day) <= start // 10**5
    with undone():
        give(asset, vault, 1.1)
        assert why(feed.price, sender=accounts[7])[0] == "RateOutOfBounds"
    assert vault.totalAssets() - held >= held * days * 99 // 10_000


def test_vault_feed_is_not_made_of_what_does_not_belong_together(world, saving):
    asset, vault, _ = saving
    feed, other = world.oracle.feedOf(asset), world.token()
    for arguments, refusal in (
        ((ZERO, feed, JUMP, GROWTH), ("ZeroAddress",)),
        ((vault, ZERO, JUMP, GROWTH), ("ZeroAddress",)),
        ((vault, feed, 0, GROWTH), ("ValueOutOfBounds", "maxJump", 0, 1, WAD // 20)),
        ((vault, feed, WAD // 20 + 1, GROWTH), ("ValueOutOfBounds", "maxJump", WAD // 20 + 1, 1, WAD // 20)),
        ((vault, feed, JUMP, WAD + 1), ("ValueOutOfBounds", "maxGrowth", WAD + 1, 0, WAD)),
        ((vault, feed, WAD // 20, WAD), None),
        ((vault, feed, 1, 0), None),
        ((vault, world.oracle.feedOf(other), JUMP, GROWTH), ("FeedMismatch", asset.address, other.address)),
    ):
        assert refused_deployment(Erc4626Feed, arguments) == refusal
    coarse = world.token(0)
    fine = vault_of(coarse, offset=27, amount=1)
    rate = fine.convertToAssets(D27)
    assert refused_deployment(Erc4626Feed, (fine, world.oracle.feedOf(coarse), JUMP, GROWTH)) == (
        "ValueOutOfBounds", "rate", rate, 10**6, 2**160 - 1,
    )  # fmt: skip
    for offset, refusal in ((21, None), (22, ("ValueOutOfBounds", "rate", 10**5, 10**6, 2**160 - 1))):
        empty = accounts[0].deploy(TestVault, asset, offset)  # a share of it converts to 10**-offset of an asset
        assert empty.convertToAssets(D27) == 10 ** (27 - offset)
        assert refused_deployment(Erc4626Feed, (empty, feed, JUMP, GROWTH)) == refusal


# --- index NAV


def nav_feed(world, index):
    return accounts[0].deploy(IndexNavFeed, index.token, world.core.oracle)


@pytest.mark.parametrize("mix", MIXES)
def test_share_of_an_index_costs_its_part_of_what_the_index_holds(world, mix):
    """As its twin says; twice the reserves is twice the price, for every mix of decimals."""
    index = world.create([world.token(decimals) for decimals in MIXES[mix]], streaming_fee=WAD // 50)
    feed = nav_feed(world, index)
    for days in (0, 1, 100):
        wait(days * DAY)
        prices = [index.price(i) for i in range(index.n)]
        supply = index.token.totalSupply()
        assert feed.price() == price_math.nav_price(index.reserves(), prices, supply)
        assert abs(feed.price() * supply // D27 - index.nav()) <= index.n + 1
    assert supply > index.token.supplyWord()[1]  # the pending fee counts: shares are diluted before it is minted
    before = feed.price()
    for token, amount in zip(index.tokens, index.reserves(), strict=True):
        token.mint(index.token, amount, {"from": accounts[0]})
    assert abs(feed.price() - 2 * before) <= before // 10**6


def test_minting_and_redeeming_do_not_move_the_price_of_a_share(world, index):
    """D6: pro rata, rounded in favour of the shares that stay: up by less than a unit of each component, never down."""
    feed = nav_feed(world, index)
    assert index.token.mintFee() == index.token.redeemFee() == index.token.streamingRate() == 0
    for act in (
        lambda: index.mint(accounts[6], 777 * WAD + 1),
        lambda: index.redeem(accounts[6], 333 * WAD + 3),
        lambda: index.redeem(accounts[5], 998 * WAD),
        lambda: index.mint(accounts[6], 10**12 + 7),
    ):
        before = feed.price()
        act()
        supply = index.token.totalSupply()
        units = sum(index.price(i) for i in range(index.n))  # D27{nUSD} of one unit of each
        assert before - index.n * D27 // supply - 1 <= feed.price() <= before + (units + index.n * D27) // supply + 1


def test_index_without_a_price_of_what_it_holds_has_none(world, mixed):
    """C17: strict where a zero would be a wrong price; a component that is no longer held does not matter."""
    feed = nav_feed(world, mixed)
    gone = mock_of(world, mixed.tokens[1])
    gone.setDead(True, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7]) == ("FeedDead",)
    gone.setDead(False, {"from": accounts[0]})
    gone.setPrice(0, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7]) == ("PriceBad", mixed.tokens[1].address, 0)
    world.oracle.setFeed(mixed.tokens[1], ZERO, {"from": accounts[1]})
    assert why(feed.price, sender=accounts[7]) == ("PriceMissing", mixed.tokens[1].address)
    other = mixed.tokens[2]
    world.set_feed(mixed.tokens[1], gone)
    gone.setPrice(2 * 10**30, {"from": accounts[0]})
    mixed.trade([WAD // 2, WAD // 2, 0])
    left = other.balanceOf(mixed.token)
    world.oracle.setFeed(other, ZERO, {"from": accounts[1]})
    assert (why(feed.price, sender=accounts[7]) is None) == (left == 0)


def test_index_has_no_price_in_the_middle_of_its_own_call(world):
    """B8: a component's hook reads the price during mint, redeem and an exchange, and gets a refusal each time."""
    hook = accounts[0].deploy(HookToken, "HOOK", 18)
    world.list(hook)
    index = world.create([hook, world.token(6)])
    feed = nav_feed(world, index)
    world.oracle.setFeed(index.token, feed, {"from": accounts[1]})
    hook.program(world.oracle, world.oracle.price.encode_input(index.token), {"from": accounts[0]})
    hook.program(world.oracle, world.oracle.tryPrice.encode_input(index.token), {"from": accounts[0]})
    index.fund(accounts[6], WAD)
    hook.arm(True, True, {"from": accounts[0]})
    index.mint(accounts[6], WAD, fund=False)
    index.redeem(accounts[5], WAD)
    outcomes = hook.outcomes()
    assert len(outcomes) == 8
    for ok, data in outcomes[::2]:
        assert not ok and reason(str(data)) == ("IndexLocked", index.address)
    assert [int.from_bytes(bytes.fromhex(str(data)[2:])) for ok, data in outcomes[1::2] if ok] == [0] * 4
    hook.arm(False, False, {"from": accounts[0]})
    assert world.oracle.price(index.token) == feed.price() > 0


def test_indexes_that_hold_each_other_have_no_price(world):
    """A circle is refused by the exchange that would close it and by the feed that would; made all the same, by a governor
    who priced it otherwise meanwhile, it fails at a bounded cost and holders leave (G1)."""
    inner = world.create([world.token(), world.token(6)])
    world.oracle.setFeed(inner.token, nav_feed(world, inner), {"from": accounts[1]})
    inner.token.transfer(accounts[0], 100 * WAD, {"from": accounts[5]})
    outer = seeded(world, [world.token(), inner.token], 100 * WAD)
    feed = nav_feed(world, outer)
    world.oracle.setFeed(outer.token, feed, {"from": accounts[1]})
    # core and satellite: the outer index is worth its parts
    assert feed.price() == price_math.nav_price(
        outer.reserves(), [outer.price(0), world.oracle.price(inner.token)], outer.token.totalSupply()
    )

    order = order_for_shares(world, inner, outer)
    assert why(world.rebalancer.swap, order, sender=accounts[3]) == ("IndexLocked", inner.address)
    world.set_feed(outer.token, accounts[0].deploy(MockFeed, outer.token, feed.price()))
    inner.swap(order, fund=False)
    world.set_feed(outer.token, feed)

    call = {"from": accounts[7].address, "to": world.oracle.address, "gas": 16_000_000}
    circle = {("PriceMissing", inner.address), ("PriceMissing", outer.address)}  # wherever the gas runs out
    for one in (inner, outer):
        assert why(world.oracle.price, one.token, sender=accounts[7]) in circle
        assert world.oracle.tryPrice(one.token) == 0
        spent = web3.eth.estimate_gas({**call, "data": world.oracle.tryPrice.encode_input(one.token)})
        assert spent < COMPONENT_PRICE_GAS + 200_000
        assert refused_deployment(IndexNavFeed, (one.token, world.core.oracle)) in circle
    before = inner.balances(accounts[5])
    inner.redeem(accounts[5], WAD)
    assert all(x > y for x, y in zip(inner.balances(accounts[5]), before, strict=True))


class Premade:
    """A token that the deployer holds already and that cannot be minted for the seed of an index."""

    def __init__(self, token):
        self.address, self.approve = token.address, token.approve

    def mint(self, *_):
        pass


def seeded(world, tokens, amount):
    """An index of a new token and a share, `amount` of each."""
    index = world.create([tokens[0], Premade(tokens[1])], amounts=[amount] * 2)
    index.tokens = tokens
    return index


def order_for_shares(world, index, outer):
    """The swap by which the index would buy shares of `outer` from a taker that holds them all."""
    outer.token.transfer(world.taker, outer.token.balanceOf(accounts[5]), {"from": accounts[5]})
    index.govern(world.rebalancer.setAllowed, index.token, [outer.token], True)
    wait(HOUR)
    index.start([WAD // 2, WAD * 4 // 10, WAD // 10], additions=[outer.token])
    index.tokens = [*index.tokens, outer.token]
    amount = index.largest(1, 2)
    return index.order(1, 2, amount, min_buy=index.mid(1, 2, amount))


def test_index_nav_feed_is_not_made_of_nothing(world, mixed):
    assert refused_deployment(IndexNavFeed, (ZERO, world.core.oracle)) == ("ZeroAddress",)
    assert refused_deployment(IndexNavFeed, (mixed.token, ZERO)) == ("ZeroAddress",)


# --- anchor and sequencer


def test_anchored_price_is_the_primary_s_up_to_the_very_deviation(world):
    """D2: one source thirty percent off either way has no price; at the bound it has, one unit beyond it has not."""
    token = world.token(18, 2)
    primary, anchor = (accounts[0].deploy(MockFeed, token, 2 * 10**18) for _ in range(2))
    feed = accounts[0].deploy(AnchoredFeed, primary, anchor, 20_000)
    edge = 2 * 10**18 * 2 // 100
    for off in (-edge, 0, edge):
        primary.setPrice(2 * 10**18 + off, {"from": accounts[0]})
        assert feed.price() == 2 * 10**18 + off
    for price in (2 * 10**18 - edge - 1, 2 * 10**18 + edge + 1, 14 * 10**17, 26 * 10**17):
        primary.setPrice(price, {"from": accounts[0]})
        assert why(feed.price, sender=accounts[7]) == ("OracleDivergence", token.address, price, 2 * 10**18, 20_000)
    primary.setPrice(2 * 10**18, {"from": accounts[0]})
    for price in (14 * 10**17, 26 * 10**17):
        anchor.setPrice(price, {"from": accounts[0]})
        assert why(feed.price, sender=accounts[7]) == ("OracleDivergence", token.address, 2 * 10**18, price, 20_000)
    for silent in (primary, anchor):
        for value in (0, 2**160, MAX):
            silent.setPrice(value, {"from": accounts[0]})
            assert why(feed.price, sender=accounts[7])[:2] == ("PriceBad", token.address)
        silent.setPrice(2 * 10**18, {"from": accounts[0]})
        silent.setDead(True, {"from": accounts[0]})
        assert why(feed.price, sender=accounts[7]) == ("FeedDead",)
        silent.setDead(False, {"from": accounts[0]})
    anchor.setPrice(2 * 10**18, {"from": accounts[0]})
    assert feed.price() == 2 * 10**18


def test_anchored_feed_is_made_of_two_sources_of_one_token(world):
    one, other = world.token(), world.token()
    a, b = world.oracle.feedOf(one), world.oracle.feedOf(other)
    for arguments, refusal in (
        ((ZERO, a, 1), ("ZeroAddress",)),
        ((a, ZERO, 1), ("ZeroAddress",)),
        ((a, b, 1), ("FeedMismatch", one.address, other.address)),
        ((a, a, 0), ("ValueOutOfBounds", "maxDeviation", 0, 1, 200_000)),
        ((a, a, 200_001), ("ValueOutOfBounds", "maxDeviation", 200_001, 1, 200_000)),
        ((a, a, 1), None),
        ((a, a, 200_000), None),
    ):
        assert refused_deployment(AnchoredFeed, arguments) == refusal


def test_sequencer_feed_waits_for_the_sequencer_and_the_grace(world):
    """D4: never reported, down, just up, up: only the last has a price, to the second."""
    token = world.token(18, 2)
    uptime = accounts[0].deploy(MockAggregator, 0, "L2 Sequencer Uptime", accounts[0])
    feed = accounts[0].deploy(SequencerFeed, world.oracle.feedOf(token), uptime, HOUR)
    assert why(feed.price, sender=accounts[7]) == ("Error", "No data present")
    uptime.report(0, 0, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7]) == ("SequencerDown", 0)
    at = now()
    uptime.report(1, at, {"from": accounts[0]})
    wait(10 * HOUR)
    assert why(feed.price, sender=accounts[7]) == ("SequencerDown", at)
    at = now()
    uptime.report(0, at, {"from": accounts[0]})
    wait(at + HOUR - now())
    assert why(feed.price, sender=accounts[7]) == ("SequencerJustUp", at, HOUR)
    wait(1)
    assert feed.price() == world.oracle.price(token) == 2 * 10**18
    uptime.report(0, now() + DAY, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7])[0] == "SequencerJustUp"
    uptime.report(0, at, {"from": accounts[0]})
    mock_of(world, token).setDead(True, {"from": accounts[0]})
    assert why(feed.price, sender=accounts[7]) == ("FeedDead",)


def test_sequencer_feed_is_not_made_of_nothing(world):
    feed = world.oracle.feedOf(world.token())
    for arguments, refusal in (
        ((ZERO, feed, 1), ("ZeroAddress",)),
        ((feed, ZERO, 1), ("ZeroAddress",)),
        ((feed, feed, 0), ("ValueOutOfBounds", "grace", 0, 1, DAY)),
        ((feed, feed, DAY + 1), ("ValueOutOfBounds", "grace", DAY + 1, 1, DAY)),
        ((feed, feed, 1), None),
        ((feed, feed, DAY), None),
    ):
        assert refused_deployment(SequencerFeed, arguments) == refusal
