"""Attacks by tokens and through them: B1 to B10, B13 and B14. Each asserts on balances.

The good component stands first, the bad one second; alice holds shares of both.
"""

import pytest
from brownie import (
    BlocklistToken,
    FeeOnTransferToken,
    GasBurnerToken,
    HookToken,
    MockLendingMarket,
    NoReturnToken,
    PausableToken,
    RebasingToken,
    ReentrantTaker,
    ReturnBombToken,
    ReturnsFalseToken,
    RevertingBalanceToken,
)

from tests.contracts.support import ALICE, DAY, MAX, WAD, accounts, ceil_div, reason, undone, wait, why

BAD = 1  # place of the bad component
MASK = 1 << BAD


@pytest.fixture
def with_bad(world, deployer):
    """Makes an index of a good token of 6 decimals and a bad one."""

    def make(container, *arguments, **terms):
        bad = deployer.deploy(container, "BAD", 18, *arguments)
        world.list(bad)
        return world.create([world.token(6), bad], **terms)

    return make


def plan_towards(index, sell, buy):
    """A plan that sells a quarter of everything from one component to the other."""
    weights = [WAD // 2, WAD // 2]
    weights[sell] -= WAD // 4
    weights[buy] += WAD // 4
    index.start(weights)


def exit_with(index, who, shares, mask=MASK):
    """Redeems with the bad leg deferred; returns (what the good legs paid, the claim)."""
    before = index.balances(who)
    index.redeem(who, shares, mask=mask)
    after = index.balances(who)
    paid = [a - b for a, b in zip(after, before, strict=True)]
    return paid, index.token.claimOf(index.tokens[BAD], who)


# --- B1, B2: fees on transfer -----------------------------------------------------------------------------------------


def test_fee_on_transfer_makes_minting_revert_and_redeeming_exact(with_bad, alice, bob, deployer):
    """B1, B2: the fee is switched on after listing; the index never credits what did not arrive."""
    index = with_bad(FeeOnTransferToken, 0)
    bad = index.tokens[BAD]
    index.mint(bob, WAD)
    bad.setFee(100, False, {"from": deployer})
    amounts = index.fund(bob, WAD)
    held, supply = index.balances(bob), index.token.totalSupply()
    arrives = amounts[BAD] - amounts[BAD] // 100
    reason_ = why(index.token.mint, WAD, index.version, [MAX] * 2, bob, sender=bob)
    assert reason_ == ("ShortDelivery", bad.address, arrives, amounts[BAD])
    assert index.balances(bob) == held and index.token.totalSupply() == supply

    reserves, before = index.reserves(), index.balances(alice)
    due = [10 * WAD * r // supply for r in reserves]
    index.redeem(alice, 10 * WAD)
    assert index.reserves() == [r - d for r, d in zip(reserves, due, strict=True)]  # accounting exact
    got = [a - b for a, b in zip(index.balances(alice), before, strict=True)]
    assert got == [due[0], due[1] - due[1] // 100]  # every leg paid; the token keeps its fee


def test_fee_on_transfer_as_delivery_reverts(with_bad, deployer, strategist):
    """B1: a taker that pays with a fee token delivers short, and nothing moves."""
    index = with_bad(FeeOnTransferToken, 0)
    plan_towards(index, 0, BAD)
    index.tokens[BAD].setFee(100, False, {"from": deployer})
    index.tokens[BAD].mint(index.world.taker, 10**30, {"from": deployer})
    reserves, order = index.reserves(), index.order(0, BAD)
    floor = index.world.rebalancer.floorOf(index.token, *index.tokens, order[5])
    reason_ = why(index.world.rebalancer.swap, order, sender=strategist)
    assert reason_ == ("ShortDelivery", index.tokens[BAD].address, floor - floor // 100, floor)
    assert index.reserves() == reserves


def test_fee_on_transfer_sold_costs_the_taker_not_the_index(with_bad, deployer):
    """B1: what left is measured and paid for in full."""
    index = with_bad(FeeOnTransferToken, 0)
    plan_towards(index, BAD, 0)
    index.tokens[BAD].setFee(100, False, {"from": deployer})
    reserves, amount = index.reserves(), index.largest(BAD, 0)
    index.swap(index.order(BAD, 0, amount, min_buy=index.mid(BAD, 0, amount)))
    assert index.reserves() == [reserves[0] + index.mid(BAD, 0, amount), reserves[1] - amount]


def test_fee_taken_on_top_is_refused(with_bad, deployer, strategist):
    """B1: a token that takes more than the amount from the sender never leaves in an exchange; redeeming still pays."""
    index = with_bad(FeeOnTransferToken, 0)
    plan_towards(index, BAD, 0)
    index.tokens[BAD].setFee(20, True, {"from": deployer})
    reserves, amount = index.reserves(), index.largest(BAD, 0) // 2
    good, paid = index.tokens[0], index.mid(BAD, 0, amount)
    good.mint(index.world.taker, paid, {"from": deployer})
    refused = why(index.world.rebalancer.swap, index.order(BAD, 0, amount, min_buy=paid), sender=strategist)
    assert refused == ("SoldTooMuch", index.tokens[BAD].address, amount + amount * 20 // 10_000, amount)
    assert index.reserves() == reserves


# --- B3, B4: rebases --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["redeem", "mint"])
def test_slash_is_shared_equally_whoever_comes_first(with_bad, deployer, alice, bob, eve, first):
    """B3: balances fall by 30 %; the first and the last to leave lose the same, a minter does not overpay."""
    index = with_bad(RebasingToken)
    bad = index.tokens[BAD]
    index.mint(bob, 1000 * WAD)
    before = index.reserves()[BAD]
    bad.rebase(7 * 10**17, {"from": deployer})
    assert abs(index.reserves()[BAD] - before * 7 // 10) <= 1
    per_share = index.reserves()[BAD] * WAD // index.token.totalSupply()
    if first == "mint":
        amounts = index.fund(eve, 10 * WAD)
        assert abs(amounts[BAD] - 10 * per_share) <= 10
        index.mint(eve, 10 * WAD, fund=False)
        out = list(index.token.previewRedeem(10 * WAD)[0])
        assert 0 <= amounts[BAD] - out[BAD] <= 2
    gains = []
    for who in (bob, alice):
        held = bad.balanceOf(who)
        index.redeem(who, 500 * WAD)
        gains.append(bad.balanceOf(who) - held)
    assert abs(gains[0] - gains[1]) <= 10 and abs(gains[0] - 500 * per_share) <= 1000


def test_slash_leaves_claims_senior(with_bad, deployer, alice, bob):
    """B3: who deferred his leg before the slash is paid in full, the holders bear it: documented in IIndexToken."""
    index = with_bad(RebasingToken)
    bad = index.tokens[BAD]
    index.redeem(alice, 500 * WAD, receiver=bob, mask=MASK)
    owed, balance = index.token.claimOf(bad, bob), bad.balanceOf(index.token)
    bad.rebase(7 * 10**17, {"from": deployer})
    assert abs(index.reserves()[BAD] - (balance * 7 // 10 - owed)) <= 2
    index.token.claim(bad, bob, bob, {"from": bob})
    assert abs(bad.balanceOf(bob) - owed) <= 2
    bad.rebase(10**17, {"from": deployer})
    index.redeem(alice, WAD)  # the rest still goes out


def test_slash_below_the_claims_leaves_nothing_available_and_no_lock_up(with_bad, deployer, alice, bob):
    """B3: available is never negative; the other component goes on."""
    index = with_bad(RebasingToken)
    index.redeem(alice, 800 * WAD, receiver=bob, mask=MASK)
    index.tokens[BAD].rebase(10**17, {"from": deployer})
    assert index.reserves()[BAD] == 0
    before = index.balances(alice)
    index.redeem(alice, 100 * WAD)
    after = index.balances(alice)
    assert after[0] > before[0] and after[BAD] == before[BAD]
    index.mint(bob, WAD)
    assert index.token.balanceOf(bob) == WAD


def test_reward_is_shared_and_a_mint_after_it_buys_nothing_for_free(with_bad, deployer, alice, eve):
    """B4: balances rise by 10 %: all holders at once. A mint just before takes its part (measured), one after pays it."""
    index = with_bad(RebasingToken)
    bad = index.tokens[BAD]
    index.mint(eve, 10 * WAD)
    held = index.balances(eve)
    before = index.reserves()[BAD]
    bad.rebase(11 * 10**17, {"from": deployer})
    grown = index.reserves()[BAD]
    assert abs(grown - before * 11 // 10) <= 1
    index.redeem(eve, 10 * WAD)
    share_of_reward = bad.balanceOf(eve) - held[BAD] * 11 // 10
    just_in_time = (grown - before) * 10 // 1010
    assert share_of_reward <= before * 10 // 1010 + just_in_time + 10  # without fees: pro rata, and not a unit more
    amounts = index.fund(eve, 10 * WAD)
    assert abs(amounts[BAD] - ceil_div(index.reserves()[BAD] * 10 * WAD, index.token.totalSupply())) <= 1
    index.mint(eve, 10 * WAD, fund=False)
    out = index.token.previewRedeem(10 * WAD)[0]
    assert all(o <= a for o, a in zip(out, amounts, strict=True))


# --- B5, B6: return values --------------------------------------------------------------------------------------------


def test_token_without_return_values_works_everywhere(with_bad, alice, bob, deployer):
    """B5: as USDT: seed, mint, redeem, claim, both sides of a swap."""
    index = with_bad(NoReturnToken)
    bad = index.tokens[BAD]
    index.mint(bob, WAD)
    assert index.token.balanceOf(bob) == WAD
    paid, claim = exit_with(index, alice, 10 * WAD)
    assert paid[0] > 0 == paid[BAD] and claim > 0
    index.token.claim(bad, alice, alice, {"from": bob})
    assert bad.balanceOf(alice) == claim
    index.redeem(alice, 10 * WAD)
    assert bad.balanceOf(alice) > claim
    for sell, buy in ((0, BAD), (BAD, 0)):
        plan_towards(index, sell, buy)
        reserves, amount = index.reserves(), index.largest(sell, buy) // 2
        index.swap(index.order(sell, buy, amount, min_buy=index.mid(sell, buy, amount)))
        assert index.reserves()[sell] == reserves[sell] - amount
        wait(DAY)


def test_token_that_returns_false_is_never_taken_for_success(with_bad, alice, bob, deployer, strategist):
    """B6: mint, redeem, claim and swap treat it as a failure; the deferred leg is kept and paid later."""
    index = with_bad(ReturnsFalseToken)
    bad = index.tokens[BAD]
    index.fund(bob, WAD)
    bad.setFailing(True, {"from": deployer})
    failure = ("SafeERC20FailedOperation", bad.address)
    assert why(index.token.mint, WAD, index.version, [MAX] * 2, bob, sender=bob) == failure
    assert why(index.token.redeem, WAD, index.version, [0, 0], alice, alice, 0, sender=alice) == failure
    paid, claim = exit_with(index, alice, WAD)
    assert paid[0] > 0 and claim > 0
    assert why(index.token.claim, bad, alice, alice, sender=alice) == failure
    assert index.token.claimOf(bad, alice) == claim
    plan_towards(index, BAD, 0)
    assert why(index.world.rebalancer.swap, index.order(BAD, 0), sender=strategist) == failure
    bad.setFailing(False, {"from": deployer})
    index.token.claim(bad, alice, alice, {"from": alice})
    assert bad.balanceOf(alice) == claim


# --- B7, B8: hooks ----------------------------------------------------------------------------------------------------


def reentries(index, other, token):
    """(name, target, calldata) of everything that a hook may try on the same index, then on another one."""
    index_token, rebalancer = index.token, index.world.rebalancer
    own = [
        ("mint", index_token, index_token.mint.encode_input(1, index.version, [MAX] * 2, token)),
        ("redeem", index_token, index_token.redeem.encode_input(1, index.version, [0] * 2, token, token, 0)),
        ("redeem deferred", index_token, index_token.redeem.encode_input(1, index.version, [0] * 2, token, token, 3)),
        ("claim", index_token, index_token.claim.encode_input(token, token, token)),
        ("collect", index_token, index_token.collect.encode_input()),
        ("exchange", index_token, index_token.exchange.encode_input([], [], token, token, b"")),
        ("updateComponents", index_token, index_token.updateComponents.encode_input(0, [])),
        ("bootstrap", index_token, index_token.bootstrap.encode_input(WAD, token)),
        ("setStreamingFee", index_token, index_token.setStreamingFee.encode_input(1)),
        ("pauseMint", index_token, index_token.pauseMint.encode_input(1)),
        ("reserves", index_token, index_token.reserves.encode_input()),
        ("previewMint", index_token, index_token.previewMint.encode_input(WAD)),
        ("previewRedeem", index_token, index_token.previewRedeem.encode_input(WAD)),
        ("stateOf", index.world.lens, index.world.lens.stateOf.encode_input(index_token)),
        ("navOf", index.world.lens, index.world.lens.navOf.encode_input(index_token)),
        ("gapOf", rebalancer, rebalancer.gapOf.encode_input(index_token, token)),
        ("revalue", index.world.guard, index.world.guard.revalue.encode_input(index_token)),
        ("endPlan", rebalancer, rebalancer.endPlan.encode_input(index_token, 1)),
        ("startPlan", rebalancer, rebalancer.startPlan.encode_input(index_token, 2, index.version, [], [WAD, 0], DAY)),
    ]
    elsewhere = [
        ("other mint", other.token, other.token.mint.encode_input(WAD, other.version, [MAX] * 2, token)),
        ("other preview", other.token, other.token.previewRedeem.encode_input(WAD)),
    ]
    return own, elsewhere


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("during", ["mint", "redeem", "claim", "exchange"])
def test_hooks_cannot_reenter_the_same_index(with_bad, world, deployer, alice, bob, during, moment):
    """B7, B8: every path into the same index fails during every call; another index works; the end is the same as without."""
    index = with_bad(HookToken)
    hook = index.tokens[BAD]
    other = world.create([world.token(), world.token(8)])
    for token in other.tokens:
        token.mint(hook, 10**30, {"from": deployer})
        hook.execute(token, token.approve.encode_input(other.token, MAX), {"from": deployer})
    index.mint(deployer, WAD, receiver=hook)  # the attacker owns shares and tokens, and approved them
    index.tokens[0].mint(hook, 10**20, {"from": deployer})
    hook.execute(index.tokens[0], index.tokens[0].approve.encode_input(index.token, MAX), {"from": deployer})
    index.redeem(alice, 50 * WAD, mask=MASK)
    index.token.transfer(bob, WAD, {"from": alice})
    plan_towards(index, BAD, 0)
    own, elsewhere = reentries(index, other, hook)

    def act():
        if during == "mint":
            index.mint(bob, 7 * WAD)
        elif during == "redeem":
            index.redeem(alice, 7 * WAD)
        elif during == "claim":
            index.token.claim(hook, alice, alice, {"from": bob})
        else:
            amount = index.largest(BAD, 0)
            index.swap(index.order(BAD, 0, amount, min_buy=index.mid(BAD, 0, amount)))

    if during == "mint":
        index.fund(bob, 7 * WAD)
    for _, target, data in own + elsewhere:
        hook.program(target, data, {"from": deployer})
    quiet = outcome_without_hooks(index, act)
    hook.arm(moment == "before", moment == "after", {"from": deployer})
    act()

    results = hook.outcomes()
    assert len(results) >= len(own) + len(elsewhere)
    for (name, _, _), (ok, data) in zip(own, results, strict=False):
        assert not ok, f"{name} went through during {during}"
        assert reason(data)[0] in (
            "ReentrancyGuardReentrantCall", "IndexLocked", "NotAuthorized", "NotRebalancer", "NotFactory",
        ), (name, reason(data))  # fmt: skip
    for (name, _, _), (ok, _) in zip(elsewhere, results[len(own) :], strict=False):
        assert ok, name
    assert other.token.balanceOf(hook) > 0
    assert snapshot_of(index) == quiet


def outcome_without_hooks(index, act):
    with undone():
        act()
        return snapshot_of(index)


def snapshot_of(index):
    people = [accounts[i] for i in range(8)] + [index.token, index.world.taker]
    return (
        index.reserves(), index.token.totalSupply(), [index.balances(who) for who in people],
        [index.token.balanceOf(who) for who in people], [index.token.claimsOwed(t) for t in index.tokens],
    )  # fmt: skip


def test_views_refuse_in_the_middle_of_a_call(with_bad, world, deployer, alice, eve):
    """B8: with a live plan and auction every view that tells reserves or what follows from them works before and after a
    redemption, and refuses within it by the lock alone: previewMint, previewRedeem, gapOf, quote, the lens."""
    index = with_bad(HookToken)
    hook, token, lens = index.tokens[BAD], index.token, world.lens
    index.set_auctions()
    plan_towards(index, BAD, 0)
    index.open()
    wait(60)
    busy, locked = ("ReentrancyGuardReentrantCall",), ("IndexLocked", index.address)
    views = [
        (token.reserves, (), busy),
        (token.previewMint, (WAD,), busy),
        (token.previewRedeem, (WAD,), busy),
        (world.rebalancer.gapOf, (token, hook), locked),
        (world.auctions.quote, (token, hook, index.tokens[0], MAX), locked),
        (lens.navOf, (token,), busy),
        (lens.stateOf, (token,), locked),
        (lens.simulate, (token, [], index.equal()), locked),
        (lens.getConstituents, (token,), locked),
        (lens.getReserve, (token, hook), locked),
    ]
    for method, arguments, _ in views:
        assert why(method, *arguments, sender=eve) is None, method._name
        hook.program(method._address, method.encode_input(*arguments), {"from": deployer})
    hook.arm(False, True, {"from": deployer})
    index.redeem(alice, WAD)
    for (method, _, refusal), (ok, data) in zip(views, hook.outcomes(), strict=True):
        assert (ok, reason(data)) == (False, refusal), method._name
    for method, arguments, _ in views:
        assert why(method, *arguments, sender=eve) is None, method._name


def test_powers_refuse_in_the_middle_of_a_call(world, deployer, alice):
    """B7: a component that is governor, guardian and fee module at once could use each power before a redemption, and
    can use none within it: armPauses, pauseMint, pauseExchange, setGuard, setFeeModule, mintFeeShares and the others."""
    hook = deployer.deploy(HookToken, "HOOK", 18)
    world.list(hook)
    index = world.create([world.token(6), hook], governor=hook.address, guardian=hook.address)
    token = index.token
    hook.execute(token, token.setFeeModule.encode_input(hook), {"from": deployer})
    token.transfer(hook, WAD, {"from": alice})
    calls = [
        (token.announceFee, (token.setMintFee.signature, WAD // 100)),
        (token.setStreamingFee, (0,)),
        (token.setMintFee, (0,)),
        (token.setRedeemFee, (0,)),
        (token.setFeeRecipient, (hook.address,)),
        (token.setSupplyCap, (10**9,)),
        (token.setRebalancer, (world.rebalancer.address,)),
        (token.setGuard, (world.guard.address,)),
        (token.setFeeModule, (hook.address,)),
        (token.armPauses, ()),
        (token.deprecate, ()),
        (token.abdicate, (token.setGuard.signature,)),
        (token.pauseMint, (DAY,)),
        (token.pauseExchange, (DAY,)),
        (token.mintFeeShares, (10**9, hook.address)),
        (token.burn, (1,)),
        (token.collect, ()),
    ]
    for method, arguments in calls:
        assert why(method, *arguments, sender=hook.address) is None, method._name
        hook.program(token, method.encode_input(*arguments), {"from": deployer})
    supply, version = token.totalSupply(), index.version
    hook.arm(False, True, {"from": deployer})
    index.redeem(alice, WAD)
    for (method, _), (ok, data) in zip(calls, hook.outcomes(), strict=True):
        assert (ok, reason(data)) == (False, ("ReentrancyGuardReentrantCall",)), method._name
    assert (token.totalSupply(), index.version) == (supply - WAD, version)
    assert (token.mintPausedUntil(), token.exchangePausedUntil(), token.deprecated()) == (0, 0, False)


def test_lending_market_cannot_read_a_price_in_the_middle(with_bad, world, deployer, alice):
    """B8: a market that prices shares by our views keeps its old price while tokens are half moved."""
    index = with_bad(HookToken)
    hook, market = index.tokens[BAD], deployer.deploy(MockLendingMarket, index.token, world.lens)
    market.priceByLens({"from": deployer})
    honest = market.lastPrice()
    for read in (market.priceByLens, market.priceByPreview, market.priceByReserves):
        hook.program(market, read.encode_input(), {"from": deployer})
    hook.program(index.token, index.token.locked.encode_input(), {"from": deployer})
    hook.arm(True, True, {"from": deployer})
    index.redeem(alice, 500 * WAD)
    results = hook.outcomes()
    reads = [results[i] for i in range(len(results)) if i % 4 != 3]
    assert len(results) == 8 and not any(ok for ok, _ in reads)
    assert all(int.from_bytes(bytes.fromhex(str(data)[2:])) == 1 for _, data in results[3::4])  # locked() tells
    assert market.lastPrice() == honest
    market.priceByLens({"from": deployer})
    assert abs(market.lastPrice() - honest) <= honest // 10**9


def test_taker_cannot_reenter_the_rebalancer(world, mixed, deployer, strategist, governor):
    """B7, C11: a captured strategist's taker tries a second swap, a plan and a mint inside a swap; another index works."""
    taker = deployer.deploy(ReentrantTaker)
    mixed.start(mixed.tilted())
    own = mixed.order(0, 2, 10**18, taker=taker, payee=taker)
    inner = (*own[:2], 1, *own[3:])
    other = world.create([world.token(), world.token()], strategist=taker.address)
    for target, data in (
        (world.rebalancer, world.rebalancer.swap.encode_input(inner)),
        (mixed.token, mixed.token.collect.encode_input()),
        (world.rebalancer, world.rebalancer.startPlan.encode_input(other.token, 1, 1, [], [WAD // 2, WAD // 2], DAY)),
    ):
        taker.program(target, data, {"from": deployer})
    reserves = mixed.reserves()
    mixed.swap(own)
    assert [ok for ok, _ in taker.outcomes()] == [False, False, True]
    assert mixed.world.rebalancer.planOf(mixed.token)[1] == 1
    assert mixed.reserves()[0] == reserves[0] - 10**18


# --- B9, B10: frozen tokens -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocked", ["index", "receiver"])
def test_blocklist_defers_the_leg_and_pays_it_later_once(with_bad, deployer, alice, bob, blocked):
    """B9: with mask 0 it reverts, with the bit set the rest is paid; a blocked receiver redirects his claim."""
    index = with_bad(BlocklistToken)
    bad = index.tokens[BAD]
    culprit = index.token if blocked == "index" else alice
    bad.setBlocked(culprit, True, {"from": deployer})
    refused = why(index.token.redeem, WAD, index.version, [0, 0], alice, alice, 0, sender=alice)
    assert refused == ("AccountBlocked", str(culprit))
    minimums = list(index.token.previewRedeem(WAD)[0])
    before = index.balances(alice)
    index.redeem(alice, WAD, min_out=minimums, mask=MASK)
    assert index.balances(alice)[0] == before[0] + minimums[0] and index.token.claimOf(bad, alice) == minimums[BAD]
    assert why(index.token.claim, bad, alice, alice, sender=bob) == ("AccountBlocked", str(culprit))
    if blocked == "receiver":
        index.token.claim(bad, alice, bob, {"from": alice})
        assert bad.balanceOf(bob) == minimums[BAD]
    else:
        bad.setBlocked(index.token, False, {"from": deployer})
        index.token.claim(bad, alice, alice, {"from": bob})
        assert bad.balanceOf(alice) == before[BAD] + minimums[BAD]
    assert why(index.token.claim, bad, alice, alice, sender=alice) == ("ClaimEmpty", bad.address, alice.address)
    assert index.token.claimsOwed(bad) == 0


def test_paused_component_stops_only_itself(world, deployer, alice, bob, eve, strategist):
    """B10, C18: mint reverts, swaps of it revert, other swaps work, the plan expires, claims stay, all resumes."""
    bad = deployer.deploy(PausableToken, "BAD", 18)
    world.list(bad)
    index = world.create([world.token(6), bad, world.token(8)])
    index.start([0, 0, WAD], duration=DAY)
    bad.setPaused(True, {"from": deployer})
    for token in index.tokens:
        token.approve(index.token, MAX, {"from": alice})
    assert why(index.token.mint, WAD, index.version, [MAX] * 3, alice, sender=alice) is not None
    assert why(world.rebalancer.swap, index.order(1, 2, 10**18), sender=strategist) == ("TransfersPaused",)
    index.swap(index.order(0, 2, index.reserves()[0] // 2))
    paid, claim = exit_with(index, alice, 10 * WAD)
    assert paid[2] > 0 and claim > 0 and paid[BAD] == 0
    assert why(index.token.redeem, WAD, index.version, [0] * 3, alice, alice, 0, sender=alice) == ("TransfersPaused",)
    wait(DAY)
    world.rebalancer.endPlan(index.token, 1, {"from": eve})
    bad.setPaused(False, {"from": deployer})
    index.token.claim(bad, alice, alice, {"from": eve})
    assert bad.balanceOf(alice) == claim
    index.start([0] * (index.n - 1) + [WAD])
    assert world.rebalancer.planOf(index.token)[0] == 2


# --- B13, B14: hostile tokens -----------------------------------------------------------------------------------------


def poison(index, kind):
    bad, who = index.tokens[BAD], {"from": accounts[0]}
    {
        "burns transfer": lambda: bad.setBurns(True, False, who),
        "burns balance": lambda: bad.setBurns(True, True, who),
        "bombs transfer": lambda: bad.setBombs(True, False, who),
        "bombs balance": lambda: bad.setBombs(True, True, who),
        "no balance": lambda: bad.setSilent(True, who),
    }[kind]()


@pytest.mark.parametrize(
    "container, kind",
    [
        (GasBurnerToken, "burns transfer"),
        (GasBurnerToken, "burns balance"),
        (ReturnBombToken, "bombs transfer"),
        (ReturnBombToken, "bombs balance"),
        (RevertingBalanceToken, "no balance"),
    ],
)
def test_hostile_component_never_holds_the_others(with_bad, alice, eve, container, kind):
    """G1, B13, B14: a gas burner, a return bomb or a liar, deferred, costs a bounded amount of gas and only its own leg."""
    index = with_bad(container)
    good, supply = index.tokens[0], index.token.totalSupply()
    due, before = WAD * index.reserves()[0] // supply, good.balanceOf(alice)
    poison(index, kind)
    tx = index.redeem(alice, WAD, mask=MASK)
    assert good.balanceOf(alice) == before + due
    assert tx.gas_used < 400_000
    claim = index.token.claimOf(index.tokens[BAD], alice)
    assert (claim == 0) == (
        kind in ("burns balance", "bombs balance", "no balance")
    )  # no answer, no amount: documented
    guarded = [due, 1]
    expected = why(index.token.redeem, WAD, index.version, guarded, alice, alice, MASK, sender=alice)
    assert (expected is None) == (claim > 0)  # nobody gives up a leg unknowingly: he had to accept zero


def test_return_bomb_costs_only_its_own_leg(with_bad, alice, bob):
    """B14: even not deferred it pays: one word of the megabyte is copied."""
    index = with_bad(ReturnBombToken)
    poison(index, "bombs balance")
    due = WAD * (index.token.previewRedeem(WAD)[0][BAD]) // WAD
    tx = index.redeem(alice, WAD, receiver=bob)
    assert tx.gas_used < 16_000_000
    poison_off(index)
    assert index.tokens[BAD].balanceOf(bob) == due > 0


def poison_off(index):
    index.tokens[BAD].setBombs(False, False, {"from": accounts[ALICE]})
