"""The taker of an aggregator approves for one call and keeps nothing.

AggregatorTaker
├── delivers what the aggregator paid, to the unit
├── returns what the route did not sell; that counts as not sold
├── works with tokens as USDT, whose allowance must be zero before it changes
├── hands on the reason of an aggregator that refuses
├── refuses more than one token on a side with LegsInvalid
├── called directly gives what lies there to the caller, which is nothing
├── called back in the middle of an exchange it refuses
└── is not made for a token, for Permit2 or for nothing
"""

import pytest
from brownie import AggregatorTaker, HookToken, NoReturnToken
from brownie import accounts as people

from offchain.chain.core import PERMIT2
from tests.contracts.street import FAR, FEE, Street
from tests.contracts.support import DEPLOYER, WAD, ZERO, reason, why

A, B = 0, 1
WEIGHTS = [WAD * 4 // 10, WAD * 6 // 10]


@pytest.fixture(scope="module")
def street(world):
    return Street.open(world)


def opened(world, street, first, second, kind):
    """An index of two tokens with a plan that sells the first, a market of them, and a taker of the router of that kind."""
    index = world.create([first, second])
    street.market(kind, first, second, usd=20_000_000)
    index.start(WEIGHTS)
    router = street.v2 if kind == "v2" else street.v3
    return index, people[DEPLOYER].deploy(AggregatorTaker, router.address, router.address)


@pytest.fixture
def traded(world, street):
    return opened(world, street, world.token(18, 4), world.token(6, 1), "v3")


def sale(street, taker, index, amount, *, kind="v3", least=0):
    """Calldata as an aggregator's API answers: sell `amount`, pay the taker."""
    sell, buy = (token.address for token in index.tokens)
    if kind == "v3":
        data = street.v3.encode_abi("exactInputSingle", [(sell, buy, FEE, taker.address, FAR, amount, least, 0)])
    else:
        data = street.v2.encode_abi("swapExactTokensForTokens", [amount, least, [sell, buy], taker.address, FAR])
    return bytes.fromhex(data.removeprefix("0x"))


def ordered(index, taker, amount, data):
    return index.order(A, B, amount, payee=taker, taker=taker, data=data)


def assert_empty(taker, index):
    for token in index.tokens:
        assert token.balanceOf(taker) == 0 == token.allowance(taker, taker.spender())


def test_delivers_what_the_aggregator_paid(street, traded):
    index, taker = traded
    amount, reserves = index.reserves()[A] // 100, index.reserves()
    quoted = index.mid(A, B, amount)
    index.swap(ordered(index, taker, amount, sale(street, taker, index, amount)), fund=False)
    sold, bought = reserves[A] - index.reserves()[A], index.reserves()[B] - reserves[B]
    assert sold == amount and quoted * 996 // 1000 < bought < quoted * 998 // 1000
    assert_empty(taker, index)


def test_returns_what_the_route_did_not_sell(street, traded):
    """A9: a thousandth stays unsold; the index has it back, and no approval for it is left."""
    index, taker = traded
    amount, reserves = index.reserves()[A] // 100, index.reserves()
    sold = amount * 999 // 1000
    index.swap(ordered(index, taker, amount, sale(street, taker, index, sold)), fund=False)
    assert reserves[A] - index.reserves()[A] == sold
    assert_empty(taker, index)


@pytest.mark.parametrize("usdt", [A, B])
def test_works_with_tokens_that_answer_nothing(world, street, deployer, usdt):
    """B5: sold or bought, twice, with a part of the first approval unused, which USDT would not let be overwritten."""
    tether = deployer.deploy(NoReturnToken, "USDT", 6)
    world.list(tether, 1)
    tokens = [world.token(18, 4), tether] if usdt == B else [tether, world.token(18, 4)]
    index, taker = opened(world, street, *tokens, "v2")
    for part in (999, 1000):
        amount, reserves = index.reserves()[A] // 100, index.reserves()
        data = sale(street, taker, index, amount * part // 1000, kind="v2")
        index.swap(ordered(index, taker, amount, data), fund=False)
        assert reserves[A] - index.reserves()[A] == amount * part // 1000 and index.reserves()[B] > reserves[B]
        assert_empty(taker, index)


def test_hands_on_the_reason_of_an_aggregator_that_refuses(world, street, traded, strategist):
    index, taker = traded
    amount = index.reserves()[A] // 100
    order = ordered(index, taker, amount, sale(street, taker, index, amount, least=2**100))
    assert why(world.rebalancer.swap, order, sender=strategist) == ("Error", "Too little received")
    more = ordered(index, taker, amount, sale(street, taker, index, amount + 1))
    assert why(world.rebalancer.swap, more, sender=strategist) == ("Error", "STF")


def test_refuses_more_than_one_token_on_a_side(traded, eve):
    index, taker = traded
    leg = (index.tokens[A], 1)
    assert why(taker.onExchange, [leg, leg], [leg], b"", sender=eve) == ("LegsInvalid", 2, 1)
    assert why(taker.onExchange, [leg], [], b"", sender=eve) == ("LegsInvalid", 1, 0)


def test_called_directly_gives_only_what_lies_there(street, traded, bob, eve):
    """A10: bob approved the taker by mistake; eve's route cannot pull from him, and finds nothing in the taker."""
    index, taker = traded
    token = index.tokens[A]
    token.mint(bob, WAD, {"from": bob})
    token.approve(taker, 2**256 - 1, {"from": bob})
    legs = [(token, WAD)], [(index.tokens[B], 0)]
    assert why(taker.onExchange, *legs, sale(street, taker, index, WAD), sender=eve) == ("Error", "STF")
    assert token.balanceOf(bob) == WAD and token.balanceOf(eve) == 0
    token.mint(taker, 5, {"from": bob})
    taker.onExchange(*legs, sale(street, taker, index, 4), {"from": eve})
    assert token.balanceOf(eve) == 1 and token.balanceOf(bob) == WAD
    assert_empty(taker, index)


def test_called_back_in_the_middle_of_an_exchange_it_refuses(world, street, deployer, eve):
    """B7: the hook of the sold token would sweep what is not sold yet."""
    hook = deployer.deploy(HookToken, "HOOK", 18)
    world.list(hook, 4)
    index, taker = opened(world, street, hook, world.token(6, 1), "v2")
    amount = index.reserves()[A] // 100
    data = sale(street, taker, index, amount * 999 // 1000, kind="v2")
    hook.program(taker, taker.onExchange.encode_input([(hook, 0)], [(hook, 0)], data), {"from": eve})
    hook.arm(True, False, {"from": eve})
    index.swap(ordered(index, taker, amount, data), fund=False)
    hook.arm(False, False, {"from": eve})
    outcomes = [(ok, reason(bytes(result))[0]) for ok, result in hook.outcomes()]
    assert (False, "ReentrancyGuardReentrantCall") in outcomes and hook.balanceOf(eve) == hook.balanceOf(hook) == 0
    assert_empty(taker, index)


def test_is_not_made_for_a_token_for_permit2_or_for_nothing(world, street, deployer, eve):
    """A9: a taker whose target is a token would let anybody approve himself in its name."""
    from tests.contracts.support import why_call

    token = world.token()
    router = street.v2.address
    for target, spender, refusal in (
        (token.address, router, ("TargetInvalid", token.address)), (eve.address, router, ("TargetInvalid", eve.address)),
        (PERMIT2, router, ("TargetInvalid", PERMIT2)), (router, ZERO, ("ZeroAddress",)),
    ):  # fmt: skip
        data = AggregatorTaker.bytecode + AggregatorTaker.deploy.encode_input(target, spender).removeprefix(
            "0x"
        ).removeprefix(AggregatorTaker.bytecode)
        assert why_call({"from": eve.address, "data": "0x" + data.removeprefix("0x")}) == refusal
