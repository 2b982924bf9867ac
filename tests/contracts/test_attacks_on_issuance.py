"""Attacks on minting and redeeming: A1 to A11. Each asserts on balances.

The attacker is eve. Where a row of the list names the zap, the takers and the factory stand for it: they are what pulls
and holds tokens for others here.
"""

import pytest
from brownie import Churner, GreedyPool, ReentrantTaker, UnderpayingTaker
from eth_abi import encode

from tests.contracts.support import (
    DEAD,
    HOUR,
    LOCKED_SHARES,
    MAX,
    WAD,
    YEAR,
    accounts,
    at_next,
    ceil_div,
    limits_with,
    now,
    wait,
    web3,
    why,
)


def send_all(calls):
    """(sender, method, arguments) sent as fast as the node takes them; all must succeed."""
    hashes = []
    for who, method, arguments in calls:
        data = method.encode_input(*arguments)
        hashes.append(web3.eth.send_transaction(
            {"from": who.address, "to": method._address, "data": data, "gas": 2_000_000, "gasPrice": 0}
        ))  # fmt: skip
    for tx in hashes:
        assert web3.eth.get_transaction_receipt(tx)["status"] == 1


def tokens_of(index, who):
    return index.balances(who)


def test_first_depositor_gains_nothing_by_donating(world, alice, eve, bob):
    """A1: the smallest possible index, donations of 1e24, and a victim who mints: everybody but eve is unharmed."""
    for decimals in ((18, 18, 18), (18, 6, 8), (0, 2, 27)):
        tokens = [world.token(d) for d in decimals]
        # the smallest bootstrap: LOCKED_SHARES and one more, which eve gets
        index = world.create(tokens, amounts=[10**6, 10**6, 10**9], shares=LOCKED_SHARES + 1, receiver=eve.address)
        before, _ = index.token.previewMint(WAD)
        for token in tokens:
            token.mint(index.token, 10**24, {"from": eve})
        preview, _ = index.token.previewMint(WAD)
        index.mint(bob, WAD, max_in=list(preview))
        assert index.token.balanceOf(bob) == WAD  # exactly what he named, whatever was donated
        held = index.balances(bob)
        index.redeem(bob, WAD)
        after = index.balances(bob)
        for paid, back in zip(preview, (a - h for a, h in zip(after, held, strict=True)), strict=True):
            assert 0 <= paid - back <= ceil_div(paid, LOCKED_SHARES) + 1  # the victim's loss is rounding only
        index.redeem(eve, 1)
        assert all(balance <= 10**24 // LOCKED_SHARES + 1 for balance in index.balances(eve))
        assert index.token.balanceOf(DEAD) == LOCKED_SHARES
        assert list(before) != list(preview)


def test_a_donation_cannot_be_taken_back(index, bob, eve):
    """A2: donate before a victim mints, redeem after: the donor loses all of the gift but the part of her own shares,
    and the victim gets back what he paid."""
    index.mint(eve, 10 * WAD)
    alone = list(index.token.previewRedeem(10 * WAD)[0])  # what eve would get without the attack
    gift = [amount // 2 for amount in index.balances(eve)]
    for token, amount in zip(index.tokens, gift, strict=True):
        token.transfer(index.token, amount, {"from": eve})
    paid = index.fund(bob, 100 * WAD)
    index.mint(bob, 100 * WAD, fund=False)

    held = index.balances(eve)
    index.redeem(eve, 10 * WAD)

    got = [after - before for after, before in zip(index.balances(eve), held, strict=True)]
    for back, fair, given in zip(got, alone, gift, strict=True):
        assert 0 <= back - fair <= given * 10 // 1010 + 2  # 10 of 1010 shares were hers
    held = index.balances(bob)
    index.redeem(bob, 100 * WAD)
    back = [after - before for after, before in zip(index.balances(bob), held, strict=True)]
    assert all(0 <= p - b <= 1 for p, b in zip(paid, back, strict=True))


@pytest.mark.parametrize("streaming", [0, 5 * 10**16])
def test_looping_with_one_share_unit_drains_nothing(world, eve, streaming):
    """A3: mints and redemptions of the smallest sizes, one transaction each, never take more than they bring."""
    index = world.create([world.token(d) for d in (0, 2, 6, 18, 27)], streaming_fee=streaming)
    index.fund(eve, WAD)
    for token in index.tokens:
        token.mint(eve, 1000, {"from": eve})
    if streaming:
        wait(YEAR // 3)
    supply, reserves = index.token.totalSupply(), index.reserves()
    start, version = index.balances(eve), index.version
    rounds = []
    for k in range(60):
        n = (1, 2, 3, 10**9 - 1)[k % 4]
        rounds.append((eve, index.token.mint, (n, version, [MAX] * 5, eve)))
        rounds.append((eve, index.token.redeem, (n, version, [0] * 5, eve, eve, 0)))
    send_all(rounds)
    end = index.balances(eve)
    assert index.token.balanceOf(eve) == 0
    assert all(e <= s for e, s in zip(end, start, strict=True)) and sum(end) < sum(start)
    if not streaming:
        after = index.token.totalSupply()
        assert after == supply
    assert all(a >= r for a, r in zip(index.reserves(), reserves, strict=True))


@pytest.mark.parametrize(
    ("decimals", "loops", "batch"),
    [((0, 18), 10_000, 100), (tuple(range(28)), 200, 10), (tuple(i % 28 for i in range(40)), 100, 5)],
    ids=["ten thousand loops", "every decimals", "forty components"],
)
def test_the_rounding_drain_only_costs(world, eve, decimals, loops, batch):
    """A3: 10⁴ loops of mint(1) and redeem(1): the attacker's tokens strictly fall, what backs a share never does."""
    index = world.create([world.token(d) for d in decimals], streaming_fee=0)
    churner = eve.deploy(Churner)
    gifts = [loops * (amount + 10) for amount in index.token.previewMint(1)[0]]
    for token, gift in zip(index.tokens, gifts, strict=True):
        token.mint(churner, gift, {"from": eve})
    supply, reserves = index.token.totalSupply(), index.reserves()
    for _ in range(loops // batch):
        churner.churn(index.token, 1, batch, {"from": eve})
    held = [token.balanceOf(churner) for token in index.tokens]
    assert all(h <= g for h, g in zip(held, gifts, strict=True)) and sum(held) <= sum(gifts) - loops
    assert index.token.totalSupply() == supply and index.token.balanceOf(churner) == 0
    assert [r + g - h for r, g, h in zip(reserves, gifts, held, strict=True)] == index.reserves()


@pytest.mark.parametrize("decimals", [18, 24, 27])
def test_mint_and_redeem_at_once_never_profits_while_a_fee_is_pending(world, eve, decimals):
    """A3, G3: both in one block, after every possible growth: what comes out is never more than what went in."""
    index = world.create([world.token(decimals)], streaming_fee=5 * 10**16, limits=limits_with())
    token = index.tokens[0]
    hook = accounts[0].deploy(ReentrantTaker)  # a contract that mints and redeems in one transaction
    token.mint(hook, 10**60, {"from": eve})
    hook.execute(token, token.approve.encode_input(index.token, MAX), {"from": eve})
    version, worst = index.version, 0
    for k in range(12):
        wait(YEAR // 37 + k)
        shares = (WAD * 977, 10**21 + 3, 3, 10**15 + 7)[k % 4]
        hook.forget({"from": eve})
        hook.program(index.token, index.token.mint.encode_input(shares, version, [MAX], hook), {"from": eve})
        hook.program(index.token, index.token.redeem.encode_input(shares, version, [0], hook, hook, 0), {"from": eve})
        before = token.balanceOf(hook)
        hook.onExchange([], [], b"", {"from": eve})
        assert [ok for ok, _ in hook.outcomes()] == [True, True]
        worst = max(worst, token.balanceOf(hook) - before)
    assert worst <= 0


def test_wei_scale_reserves_do_not_break_anything(world, alice, bob, eve):
    """A4: every reserve at 1 to 10 base units, and the loops and a plan again."""
    index = world.create([world.token(d) for d in (18, 6, 0)], amounts=[10**10, 10**10, 10**10], shares=10**19)
    index.redeem(alice, index.token.balanceOf(alice))
    assert index.token.totalSupply() == LOCKED_SHARES
    assert all(1 <= r <= 10 for r in index.reserves())
    reserves = index.reserves()
    for n in (1, LOCKED_SHARES // 2, LOCKED_SHARES, 10 * LOCKED_SHARES + 1):
        start = index.fund(bob, n) and index.balances(bob)
        index.mint(bob, n, fund=False)
        index.redeem(bob, n)
        assert all(b <= s for b, s in zip(index.balances(bob), start, strict=True))
    assert all(a >= r for a, r in zip(index.reserves(), reserves, strict=True))
    assert index.token.totalSupply() == LOCKED_SHARES


@pytest.mark.parametrize("shares", [1, 10**9 - 1, 2**128])
def test_dust_and_giants_are_refused_or_exact(mixed, bob, shares):
    """A5: the smallest sizes are exact, the largest are refused with a reason and leave nothing behind."""
    supply, reserves = mixed.token.totalSupply(), mixed.reserves()
    if shares == 2**128:
        mixed.fund(bob, WAD)
        refused = why(mixed.token.mint, shares, mixed.version, [MAX] * 3, bob, sender=bob)
        assert refused == ("SupplyCapExceeded", supply, shares, (2**48 - 1) * WAD)
        assert (mixed.token.totalSupply(), mixed.reserves()) == (supply, reserves)
        return
    expected = [ceil_div(shares * r, supply) for r in reserves]
    mixed.mint(bob, shares)
    assert [a - r for a, r in zip(mixed.reserves(), reserves, strict=True)] == expected
    mixed.redeem(bob, shares)
    assert all(0 <= a - r <= e for a, r, e in zip(mixed.reserves(), reserves, expected, strict=True))


def test_arrays_made_for_another_list_are_refused(world, mixed, alice, bob):
    """A6: the list changes between quote and call (added, removed, other order) and the arrays are not paired with it."""
    quote, version = list(mixed.token.previewMint(WAD)[0]), mixed.version
    minimums = list(mixed.token.previewRedeem(WAD)[0])
    first = mixed.tokens[0]
    mixed.remove(0)
    mixed.govern(world.rebalancer.setAllowed, mixed.token, [first], True)
    wait(HOUR)
    mixed.start([WAD // 2, WAD // 4, WAD // 4], additions=[first])  # the same three tokens, in another order
    assert set(mixed.token.components()) == {t.address for t in [*mixed.tokens, first]} and mixed.n == 3
    expected = ("BasketChanged", version + 2, version)
    assert why(mixed.token.mint, WAD, version, quote, bob, sender=bob) == expected
    assert why(mixed.token.redeem, WAD, version, minimums, alice, alice, 0, sender=alice) == expected


def test_front_running_cannot_move_amounts_past_the_users_arrays(world, alice, bob, eve):
    """A7: donations, redemptions with fees and accrual move the amounts; the user's limits bind exactly."""
    index = world.create([world.token(), world.token(6)], redeem_fee=10**16, streaming_fee=5 * 10**16)
    limits, minimums = index.fund(bob, WAD), list(index.token.previewRedeem(WAD)[0])
    index.tokens[0].mint(index.token, 10**18, {"from": eve})
    reason_ = why(index.token.mint, WAD, index.version, limits, bob, sender=bob)
    assert reason_[0] == "AmountInTooHigh" and reason_[2] > reason_[3] == limits[0]
    wait(YEAR)  # the fee dilutes what a share redeems for
    reason_ = why(index.token.redeem, WAD, index.version, minimums, alice, alice, 0, sender=alice)
    assert reason_[0] == "AmountOutTooLow" and reason_[2] < reason_[3]
    before = index.balances(bob)
    assert index.token.balanceOf(bob) == 0 and before == [2 * a + 10 for a in limits]


def test_two_mints_and_a_collection_share_the_cap(world, bob, eve):
    """A8: fee shares may push the supply over the cap, mints may not; in one block the second one sees the first."""
    index = world.create([world.token()], supply_cap=1002, streaming_fee=10**16)
    index.fund(bob, 4 * WAD)
    room = 1002 * WAD - index.token.totalSupply()
    at_next(now() + 1)
    accounts_before = index.balances(bob)
    reason_ = why(index.token.mint, room + 1, index.version, [MAX], bob, sender=bob)
    assert reason_[0] == "SupplyCapExceeded" and index.balances(bob) == accounts_before
    wait(YEAR)
    index.token.collect({"from": eve})
    assert index.token.totalSupply() > 1002 * WAD
    assert why(index.token.mint, 1, index.version, [MAX], bob, sender=bob)[0] == "SupplyCapExceeded"


def test_nothing_stays_with_taker_or_factory_and_no_allowance_is_left(world, mixed, deployer, eve):
    """A9: after creation, minting, plans and swaps the helpers hold nothing, and the index approved nobody."""
    mixed.trade(mixed.tilted())
    helpers = [world.v2_taker, world.v3_taker, world.factory, world.rebalancer, world.guard, world.lens]
    for token in [*mixed.tokens, mixed.token]:
        for helper in helpers:
            assert token.balanceOf(helper) == 0
            assert (
                token.allowance(mixed.token, helper)
                == token.allowance(helper, eve)
                == token.allowance(helper, mixed.token)
                == 0
            )
        assert token.allowance(deployer, world.factory) == 0  # exact approvals are used up
    for index in world.indexes.values():
        for token in index.tokens:
            assert token.allowance(index.token, world.rebalancer) == 0


def test_a_swap_that_reverts_midway_leaves_nothing_behind(mixed, deployer, strategist):
    """A9: the index, the taker and the payee have exactly what they had."""
    taker = deployer.deploy(UnderpayingTaker)
    mixed.tokens[2].mint(taker, 10**12, {"from": deployer})
    mixed.start(mixed.tilted())
    before = [mixed.reserves(), mixed.balances(taker), mixed.world.guard.budgetOf(mixed.token)]
    assert (
        why(mixed.world.rebalancer.swap, mixed.order(0, 2, 10**18, taker=taker, payee=taker), sender=strategist)[0]
        == "ShortDelivery"
    )
    assert [mixed.reserves(), mixed.balances(taker), mixed.world.guard.budgetOf(mixed.token)] == before


@pytest.mark.parametrize("payee_is", ["bob", "index", "token", "rebalancer"])
def test_no_payee_taker_or_data_pulls_a_victims_tokens(mixed, world, bob, eve, strategist, deployer, payee_is):
    """A10: bob has approved everything that can be approved; a captured strategist aims swaps at him."""
    for token in mixed.tokens:
        token.mint(bob, 10**30, {"from": bob})
        for spender in (mixed.token, world.factory, world.rebalancer, world.v2_taker, world.v3_taker):
            token.approve(spender, MAX, {"from": bob})
    mixed.start(mixed.tilted())
    held, shares = mixed.balances(bob), mixed.token.balanceOf(bob)
    payee = {"bob": bob, "index": mixed.token, "token": mixed.tokens[0], "rebalancer": world.rebalancer}[payee_is]
    theft = mixed.tokens[2].transferFrom.encode_input(bob, mixed.token, 10**12)
    for taker in (bob, mixed.token, mixed.tokens[2], world.factory, world.rebalancer, world.v2_taker, world.v3_taker):
        for data in (b"", bytes.fromhex(theft[2:]), encode(["address[]"], [[mixed.tokens[2].address]])):
            order = mixed.order(0, 2, 10**18, payee=payee, taker=taker, data=data)
            tx = {
                "from": strategist.address,
                "to": str(world.rebalancer),
                "data": world.rebalancer.swap.encode_input(order),
            }
            web3.eth.get_transaction_receipt(web3.eth.send_transaction({**tx, "gas": 3_000_000, "gasPrice": 0}))
            assert all(after >= before for after, before in zip(mixed.balances(bob), held, strict=True))
    assert mixed.token.balanceOf(bob) == shares


def test_takers_called_directly_give_nothing(world, mixed, eve, bob, deployer):
    """A10: whoever calls a taker or its callback himself finds nothing to take."""
    token = mixed.tokens[0]
    token.mint(bob, WAD, {"from": bob})
    token.approve(world.v3_taker, MAX, {"from": bob})
    refused = why(world.v3_taker.uniswapV3SwapCallback, WAD, 0, encode(["address"], [token.address]), sender=eve)
    assert refused == ("NotPool", eve.address)
    pool = deployer.deploy(GreedyPool, token, mixed.tokens[1])
    pool.want(token, 1, 1, {"from": eve})
    legs = ([(token, 1)], [(mixed.tokens[1], 0)], encode(["address[]"], [[pool.address]]))
    assert why(world.v3_taker.onExchange, *legs, sender=eve)[0] == "ERC20InsufficientBalance"
    assert token.balanceOf(bob) == WAD and token.balanceOf(eve) == 0


def test_tokens_pushed_to_the_index_are_credited_to_nobody(mixed, alice, bob, eve):
    """A11: bob sends the basket himself; eve's mint still takes hers in full, and all holders share bob's mistake."""
    amounts = mixed.fund(bob, 10 * WAD)
    for token, amount in zip(mixed.tokens, amounts, strict=True):
        token.transfer(mixed.token, amount, {"from": bob})
    needed = mixed.fund(eve, 10 * WAD)
    held = mixed.balances(eve)
    assert all(now_ > then for now_, then in zip(needed, amounts, strict=True))
    mixed.mint(eve, 10 * WAD, fund=False)
    assert [h - b for h, b in zip(held, mixed.balances(eve), strict=True)] == needed
    assert mixed.token.balanceOf(bob) == 0
    share = mixed.token.previewRedeem(WAD)[0][0]
    assert share == mixed.reserves()[0] * WAD // mixed.token.totalSupply()
