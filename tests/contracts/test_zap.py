"""One token in, shares out; shares in, one token out; shares of one index for those of another.

IndexZap.mint
├── with a number of shares
│   ├── it mints exactly those, spends no more than was paid, and everything left returns
│   ├── given a route that sells only part of what it bought on the way, the rest of that returns too
│   ├── given a mint fee the receiver gets the shares less the fee, as the preview says
│   └── given a component that the route bought too little of it reverts with AmountInTooHigh
├── without a number
│   ├── it mints as many as the scarcest component allows, and no more were possible
│   └── given fewer than minShares it reverts with MintedTooFew
├── paid in ether, wrapped ether, any ERC-20, a component itself
│   ├── ether must come along, and only for ether (EtherMismatch)
│   └── a fee on transfer reverts with ShortDelivery
├── paid by allowance, EIP-2612 permit, Permit2
│   ├── a signature works once, for its owner, this zap and this chain
│   └── a permit that somebody used first still works
└── after its deadline, for another version, for an impossible receiver it reverts

IndexZap.redeem
├── pays the receiver what the route sold the components for, ether as ether
├── given less than minOut it reverts with AmountOutTooLow
├── given a receiver that takes no ether it reverts with EtherRefused
└── given a component that cannot move it reverts with RedeemInKind, and no claim comes to be

IndexZap.migrate
└── turns shares of one index into shares of another, tokens that both hold without a market

Attacks
├── a route that calls what it must not is refused: zap, executor, index, Permit2, powers over tokens
├── it may call what leaves nobody a power over a token, each of ten functions
├── a route that fails midway undoes everything, and says where
├── an approval of a call, or of a false index, does not outlive it
├── no route, payment or direct call reaches what others approved
├── tokens and ether left at the executor beforehand are a gift to the next caller and stop nobody
└── a token or a target that calls back is refused everywhere

Always
└── zap and executor hold nothing and have approved nobody afterwards
"""

import random

import pytest
from brownie import (
    FeeOnTransferToken,
    GreedyIndex,
    HookToken,
    PausableToken,
    PermitToken,
    ReentrantTaker,
    ZapExecutor,
    web3,
)  # fmt: skip
from brownie import accounts as people
from eth_account import Account
from eth_account.messages import encode_typed_data

from offchain.chain.core import PERMIT2
from offchain.devnet.genuine import permit2_code
from tests.contracts.street import FAR, Street
from tests.contracts.support import DEPLOYER, MAX, WAD, ZERO, ceil_div, now, reason, why, why_call

KEY = Account.from_key("0x" + "42" * 32)
ALLOWANCE, PERMIT, PERMIT2_MEANS = range(3)
ETHER = 10**18


@pytest.fixture(scope="module")
def built(world):
    """A street with USDC, and two indexes that share a component; for all tests of this file."""
    web3.provider.make_request("anvil_setCode", [PERMIT2, "0x" + permit2_code(web3.eth.chain_id).hex()])
    street = Street.open(world)
    usdc = people[DEPLOYER].deploy(PermitToken, "USDC", 6)
    world.list(usdc, 1)
    tokens = [world.token(18, 4), world.token(8, 30_000), world.token(6, 2)]
    extra = world.token(18, 10)
    for token, kind in zip([*tokens, extra], ("v2", "v3", "v2", "v3"), strict=True):
        street.market(kind, usdc, token, usd=20_000_000)
    street.market("v2", street.weth.address, usdc, usd=50_000_000)
    index = world.create(tokens)
    other = world.create([extra, tokens[1], usdc])
    for token in (usdc, *tokens, extra):
        for account in (people[4], people[5], people[7]):  # nobody in these tests begins with any
            assert token.balanceOf(account) == 0 or token in tokens
    return street, usdc, index, other, extra


@pytest.fixture
def street(built):
    return built[0]


@pytest.fixture
def usdc(built):
    return built[1]


@pytest.fixture
def index(built):
    return built[2]


@pytest.fixture
def other(built):
    return built[3]


@pytest.fixture
def zap(world):
    return world.zap


@pytest.fixture(autouse=True)
def nothing_stays(world, built, isolation):
    """Nobody finds anything in zap or executor after any test, and they have approved nobody."""
    yield
    street, usdc, index, other, extra = built
    tokens = [usdc, *index.tokens, extra, index.token, other.token]
    spenders = [street.v2.address, street.v3.address, index.address, other.address, people[7].address, PERMIT2]
    for holder in (world.zap.address, world.zap.executor()):
        assert [token.balanceOf(holder) for token in tokens] == [0] * len(tokens)
        assert street.weth.functions.balanceOf(holder).call() == 0 == web3.eth.get_balance(holder)
        assert all(token.allowance(holder, spender) == 0 for token in tokens for spender in spenders)
        assert all(i.token.claimOf(token, holder) == 0 for i in (index, other) for token in i.tokens)


# --- orders -----------------------------------------------------------------------------------------------------------


def payment(token, amount, *, means=ALLOWANCE, nonce=0, deadline=0, signature=b""):
    return (str(token), amount, means, nonce, deadline, signature)


def order(index, *, shares=0, least=0, receiver, version=None):
    return (index.address, index.version if version is None else version, shares, least, str(receiver))


def route(*calls, tokens=(), deadline=FAR):
    return (list(calls), [str(token) for token in tokens], deadline)


def purchases(street, paid, index, shares, *, margin=0):
    """Calls that buy exactly what `shares` take, each for at most a third more than it is worth."""
    needed, _ = index.token.previewMint(shares)
    calls = []
    for token, amount in zip(index.tokens, needed, strict=True):
        if token == paid:
            continue
        amount += margin
        most = int(street.worth(paid, 1_000_000) * street.value(token, amount) * 4 / 3 / 1_000_000) + 10
        calls.append(street.buy(paid, token, amount, most=most))
    return calls


def spread(street, paid, index, amount):
    """Calls that spend `amount` on the components in equal parts of value."""
    part = amount // len(index.tokens)
    return [street.sell(paid, token, part) for token in index.tokens if token != paid]


def sales(street, index, shares, paid):
    """Calls that sell what `shares` redeem to."""
    got, _ = index.token.previewRedeem(shares)
    return [
        street.sell(token, paid, amount, allow=MAX)
        for token, amount in zip(index.tokens, got, strict=True)
        if token != paid
    ]


def give(street, token, who, amount, spender):
    street.give(token, who, amount)
    if hasattr(token, "approve"):
        token.approve(spender, MAX, {"from": who})


def holdings(street, usdc, index, other, who):
    tokens = [usdc, *index.tokens, other.tokens[0], index.token, other.token]
    return [token.balanceOf(who) for token in tokens]


# --- mint: exact shares -----------------------------------------------------------------------------------------------


def test_mint_of_exact_shares_returns_everything_that_was_not_needed(street, usdc, index, zap, bob, alice):
    """A9: bob gets three shares to the unit; of 10,000 USDC he gets back all that the purchases did not take."""
    shares, paid = 3 * WAD, 10_000 * 10**6
    give(street, usdc, bob, paid, zap)
    calls = purchases(street, usdc, index, shares, margin=5)
    before, reserves, supply = index.balances(bob), index.reserves(), index.token.totalSupply()
    needed = [ceil_div(shares * r, supply) for r in reserves]
    tx = zap.mint(
        payment(usdc, paid), order(index, shares=shares, least=shares, receiver=bob), route(*calls), {"from": bob}
    )
    assert index.token.balanceOf(bob) == shares and tx.return_value == shares
    assert [after - then for after, then in zip(index.reserves(), reserves, strict=True)] == needed
    assert [after - then for after, then in zip(index.balances(bob), before, strict=True)] == [5, 5, 5]
    spent = paid - usdc.balanceOf(bob)
    assert 300 * 10**6 < spent < 303 * 10**6  # 100 dollars a share, and 0.3 % to each pool
    assert usdc.allowance(zap, index.token) == 0
    assert tx.events["ZapMint"] == {
        "caller": bob, "index": index.token, "receiver": bob, "token": usdc, "amount": paid, "shares": shares
    }  # fmt: skip


def test_what_a_route_bought_on_the_way_and_sold_in_part_returns(street, usdc, index, other, zap, bob):
    """A9: a token that is no component, is not paid with and is not named comes back because a call sells it."""
    way = other.tokens[0]
    assert way not in index.tokens
    give(street, usdc, bob, 10**9, zap)
    bought, held = street.worth(way, 100), way.balanceOf(bob)
    detour = [street.buy(usdc, way, bought, most=2 * 10**8), street.sell(way, usdc, bought // 4)]
    calls = [*detour, *purchases(street, usdc, index, WAD)]
    zap.mint(payment(usdc, 10**9), order(index, shares=WAD, receiver=bob), route(*calls), {"from": bob})
    assert way.balanceOf(bob) - held == bought - bought // 4
    assert index.token.balanceOf(bob) == WAD


def test_mint_for_a_receiver_pays_him_the_shares_and_the_payer_the_rest(street, usdc, index, zap, bob, eve):
    give(street, usdc, bob, 1000 * 10**6, zap)
    calls = purchases(street, usdc, index, WAD)
    zap.mint(payment(usdc, 1000 * 10**6), order(index, shares=WAD, receiver=eve), route(*calls), {"from": bob})
    assert (index.token.balanceOf(eve), index.token.balanceOf(bob)) == (WAD, 0)
    assert usdc.balanceOf(bob) > 898 * 10**6 and usdc.balanceOf(eve) == 0


def test_mint_given_a_mint_fee_pays_the_shares_less_the_fee(street, usdc, index, world, zap, bob):
    index = world.create(index.tokens, mint_fee=WAD // 100)
    fee = index.token.previewMint(WAD)[1]
    assert fee == WAD // 100
    give(street, usdc, bob, 1000 * 10**6, zap)
    pay, calls = payment(usdc, 1000 * 10**6), purchases(street, usdc, index, WAD, margin=5)
    too_much = order(index, shares=WAD, least=WAD, receiver=bob)
    assert why(zap.mint, pay, too_much, route(*calls), sender=bob) == ("MintedTooFew", WAD - fee, WAD)
    zap.mint(pay, order(index, shares=WAD, least=WAD - fee, receiver=bob), route(*calls), {"from": bob})
    assert index.token.balanceOf(bob) == WAD - fee


def test_mint_names_the_component_of_which_the_route_bought_too_little(street, usdc, index, zap, bob):
    give(street, usdc, bob, 1000 * 10**6, zap)
    calls = purchases(street, usdc, index, WAD)
    needed, _ = index.token.previewMint(WAD)
    short = [*calls[:2], street.buy(usdc, index.tokens[2], needed[2] - 1, most=40 * 10**6)]
    arguments = payment(usdc, 1000 * 10**6), order(index, shares=WAD, receiver=bob), route(*short)
    refused = why(zap.mint, *arguments, sender=bob)
    assert refused == ("AmountInTooHigh", index.tokens[2].address, needed[2], needed[2] - 1)


# --- mint: exact in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tilt", [(1, 1, 1), (2, 1, 1), (1, 9, 2)])
def test_mint_of_an_exact_payment_gives_as_many_shares_as_the_scarcest_component_allows(
    street, usdc, index, zap, bob, tilt
):
    """A9: what is left of the more plentiful components returns; one share unit more would not have been possible."""
    paid = 12_000 * 10**6
    give(street, usdc, bob, paid, zap)
    calls = [street.sell(usdc, t, paid * part // sum(tilt)) for t, part in zip(index.tokens, tilt, strict=True)]
    reserves, supply, held = index.reserves(), index.token.totalSupply(), index.balances(bob)
    pay, free = payment(usdc, paid), order(index, receiver=bob)
    shares = zap.mint.call(pay, free, route(*calls), {"from": bob})
    refused = why(zap.mint, pay, order(index, least=shares + 1, receiver=bob), route(*calls), sender=bob)
    assert refused == ("MintedTooFew", shares, shares + 1)
    zap.mint(pay, order(index, least=shares, receiver=bob), route(*calls), {"from": bob})
    assert index.token.balanceOf(bob) == shares
    taken = [after - then for after, then in zip(index.reserves(), reserves, strict=True)]
    left = [after - then for after, then in zip(index.balances(bob), held, strict=True)]
    bought = [t + rest for t, rest in zip(taken, left, strict=True)]
    assert shares == min(b * supply // r for b, r in zip(bought, reserves, strict=True))
    assert taken == [ceil_div(shares * r, supply) for r in reserves]
    assert usdc.balanceOf(bob) == paid - sum(paid * part // sum(tilt) for part in tilt)
    if tilt == (1, 1, 1):
        assert shares > 119 * WAD  # 12,000 dollars at 100 a share, 0.3 % to the pools and their slippage


def test_mint_paid_in_a_component_needs_no_market_for_it(street, usdc, other, zap, bob):
    """`other` holds USDC: that leg is taken from the payment, the rest of the payment returns."""
    give(street, usdc, bob, 1000 * 10**6, zap)
    calls = purchases(street, usdc, other, 3 * WAD)
    needed, _ = other.token.previewMint(3 * WAD)
    zap.mint(payment(usdc, 1000 * 10**6), order(other, shares=3 * WAD, receiver=bob), route(*calls), {"from": bob})
    assert other.token.balanceOf(bob) == 3 * WAD
    spent = 1000 * 10**6 - usdc.balanceOf(bob)
    assert needed[2] + 200 * 10**6 < spent < needed[2] + 203 * 10**6


def test_mint_paid_in_ether_returns_ether(street, usdc, index, zap, bob):
    shares, paid = 5 * WAD, ETHER
    calls = purchases(street, usdc, index, shares, margin=3)
    first = street.buy(street.weth.address, usdc, 510 * 10**6, most=paid)
    due, _ = street.v2.functions.getAmountsIn(510 * 10**6, [street.weth.address, usdc.address]).call()
    held = web3.eth.get_balance(bob.address)
    zap.mint(
        payment(ZERO, paid), order(index, shares=shares, least=shares, receiver=bob),
        route(first, *calls), {"from": bob, "value": paid, "gas_price": 0},
    )  # fmt: skip
    assert held - web3.eth.get_balance(bob.address) == due < ETHER * 27 // 100  # 510 dollars at 2,000 an ether
    assert index.token.balanceOf(bob) == shares and 0 < usdc.balanceOf(bob) < 10 * 10**6


def test_mint_paid_in_wrapped_ether_returns_wrapped_ether(street, usdc, index, zap, bob):
    street.give(street.weth.address, bob, ETHER)
    weth = street.weth.functions
    assert web3.eth.get_transaction_receipt(weth.approve(zap.address, ETHER).transact({"from": bob.address}))
    calls = [street.buy(street.weth.address, usdc, 510 * 10**6, most=ETHER), *purchases(street, usdc, index, 5 * WAD)]
    zap.mint(payment(street.weth.address, ETHER), order(index, shares=5 * WAD, receiver=bob),
             route(*calls), {"from": bob})  # fmt: skip
    assert index.token.balanceOf(bob) == 5 * WAD
    assert ETHER * 73 // 100 < weth.balanceOf(bob.address).call() < ETHER * 3 // 4


def test_change_that_a_contract_does_not_take_as_ether_comes_wrapped(street, usdc, index, zap, bob, deployer):
    """A9: a contract without `receive` pays in ether all the same, also after somebody left a wei at the executor."""
    contract = deployer.deploy(ReentrantTaker)
    web3.provider.make_request("anvil_setBalance", [contract.address, hex(ETHER)])
    bob.transfer(zap.executor(), 1)
    calls = [street.buy(street.weth.address, usdc, 120 * 10**6, most=ETHER), *purchases(street, usdc, index, WAD)]
    data = zap.mint.encode_input(
        payment(ZERO, ETHER), order(index, shares=WAD, receiver=contract), route(*calls, tokens=[usdc])
    )
    web3.provider.make_request("anvil_impersonateAccount", [contract.address])
    fields = {"from": contract.address, "to": zap.address, "value": hex(ETHER), "data": data, "gas": hex(5_000_000)}
    sent = web3.provider.make_request(
        "eth_sendTransaction", [{**fields, "maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"}]
    )
    assert web3.eth.get_transaction_receipt(sent["result"])["status"] == 1
    assert index.token.balanceOf(contract) == WAD
    assert ETHER * 93 // 100 < street.weth.functions.balanceOf(contract.address).call() < ETHER * 95 // 100


def test_ether_must_come_with_an_ether_payment_and_with_no_other(street, usdc, index, zap, bob):
    calls, to = route(), order(index, shares=WAD, receiver=bob)
    give(street, usdc, bob, 10**6, zap)

    def refusal(pay, value):
        data = zap.mint.encode_input(pay, to, calls)
        return why_call({"from": bob.address, "to": zap.address, "data": data, "value": value})

    assert refusal(payment(ZERO, 5), 4) == ("EtherMismatch", 4, 5)
    assert refusal(payment(ZERO, 5), 6) == ("EtherMismatch", 6, 5)
    assert refusal(payment(usdc, 5), 1) == ("EtherMismatch", 1, 0)


def test_a_fee_on_transfer_of_what_is_paid_is_refused(index, zap, bob, deployer):
    """B1: nothing is mis-accounted; the caller is told what arrived."""
    token = deployer.deploy(FeeOnTransferToken, "FEE", 18, 100)
    token.mint(bob, WAD, {"from": bob})
    token.approve(zap, MAX, {"from": bob})
    refused = why(zap.mint, payment(token, WAD), order(index, receiver=bob), route(), sender=bob)
    assert refused == ("ShortDelivery", token.address, WAD * 99 // 100, WAD)


def test_late_outdated_or_misdirected_orders_are_refused_before_anything_moves(street, usdc, index, zap, bob):
    """A6, A7: the deadline, the version and the receiver bind."""
    give(street, usdc, bob, 10**9, zap)
    pay, calls = payment(usdc, 10**9), purchases(street, usdc, index, WAD)
    past = now() - 1
    good = order(index, shares=WAD, receiver=bob)
    assert why(zap.mint, pay, good, route(*calls, deadline=past), sender=bob) == ("DeadlinePassed", past)
    old = order(index, shares=WAD, receiver=bob, version=index.version + 1)
    assert why(zap.mint, pay, old, route(*calls), sender=bob) == ("BasketChanged", index.version, index.version + 1)
    for receiver in (ZERO, zap.address, zap.executor()):
        refused = why(zap.mint, pay, order(index, shares=WAD, receiver=receiver), route(*calls), sender=bob)
        assert refused == ("ReceiverInvalid", receiver)
    assert usdc.balanceOf(bob) == 10**9


# --- signatures -------------------------------------------------------------------------------------------------------


@pytest.fixture
def signer(isolation):
    """An account whose key the test knows, with a little ether."""
    web3.provider.make_request("anvil_setBalance", [KEY.address, hex(10 * ETHER)])
    web3.provider.make_request("anvil_impersonateAccount", [KEY.address])
    return people.at(KEY.address, force=True)


def permit(token, *, spender, value, nonce=0, deadline=FAR, chain_id=None):
    """65 bytes: an EIP-2612 signature of KEY."""
    names = ("owner", "spender", "value", "nonce", "deadline")
    kinds = ("address", "address", "uint256", "uint256", "uint256")
    message = {
        "types": {"EIP712Domain": DOMAIN, "Permit": [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)]},
        "primaryType": "Permit",
        "domain": {"name": token.name(), "version": "1", "chainId": chain_id or web3.eth.chain_id,
                   "verifyingContract": token.address},
        "message": dict(zip(names, (KEY.address, str(spender), value, nonce, deadline), strict=True)),
    }  # fmt: skip
    return bytes(KEY.sign_message(encode_typed_data(full_message=message)).signature)


def permit2(token, *, spender, amount, nonce=0, deadline=FAR, chain_id=None):
    """65 bytes: a signature of KEY for Permit2's permitTransferFrom."""
    message = {
        "types": {
            "EIP712Domain": [field for field in DOMAIN if field["name"] != "version"],
            "PermitTransferFrom": [
                {"name": "permitted", "type": "TokenPermissions"}, {"name": "spender", "type": "address"},
                {"name": "nonce", "type": "uint256"}, {"name": "deadline", "type": "uint256"},
            ],
            "TokenPermissions": [{"name": "token", "type": "address"}, {"name": "amount", "type": "uint256"}],
        },
        "primaryType": "PermitTransferFrom",
        "domain": {"name": "Permit2", "chainId": chain_id or web3.eth.chain_id, "verifyingContract": PERMIT2},
        "message": {
            "permitted": {"token": str(token), "amount": amount}, "spender": str(spender), "nonce": nonce,
            "deadline": deadline,
        },
    }  # fmt: skip
    return bytes(KEY.sign_message(encode_typed_data(full_message=message)).signature)


DOMAIN = [
    {"name": "name", "type": "string"}, {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"},
]  # fmt: skip


def test_mint_by_permit_needs_no_transaction_before(street, usdc, index, zap, signer, eve):
    """E13: the signature is worth one mint, to its owner, on this chain, for this zap."""
    amount = 1000 * 10**6
    street.give(usdc, signer, amount)
    street.give(usdc, eve, amount)
    calls, to = purchases(street, usdc, index, WAD, margin=5), order(index, shares=WAD, receiver=signer)

    def paid(signature):
        return payment(usdc, amount, means=PERMIT, deadline=FAR, signature=signature)

    good = permit(usdc, spender=zap, value=amount)
    assert why(zap.mint, paid(good), to, route(*calls), sender=eve)[0] == "ERC2612InvalidSigner"
    for wrong in (permit(usdc, spender=eve, value=amount), permit(usdc, spender=zap, value=amount, chain_id=1)):
        assert why(zap.mint, paid(wrong), to, route(*calls), sender=signer)[0] == "ERC2612InvalidSigner"
    assert why(zap.mint, paid(good[:-1]), to, route(*calls), sender=signer) == ("SignatureInvalid", 64)

    zap.mint(paid(good), to, route(*calls), {"from": signer})
    assert index.token.balanceOf(signer) == WAD and usdc.allowance(signer, zap) == 0
    street.give(usdc, signer, amount)
    assert why(zap.mint, paid(good), to, route(*calls), sender=signer)[0] == "ERC2612InvalidSigner"


def test_a_permit_that_somebody_used_first_does_not_stop_its_owner(street, usdc, index, zap, signer, eve):
    """E13: eve sees the signature and spends it at the token; all she does is pay for the approval."""
    amount = 1000 * 10**6
    street.give(usdc, signer, amount)
    signature = permit(usdc, spender=zap, value=amount)
    r, s, v = signature[:32], signature[32:64], signature[64]
    usdc.permit(signer, zap, amount, FAR, v, r, s, {"from": eve})
    calls = purchases(street, usdc, index, WAD)
    pay = payment(usdc, amount, means=PERMIT, deadline=FAR, signature=signature)
    zap.mint(pay, order(index, shares=WAD, receiver=signer), route(*calls), {"from": signer})
    assert index.token.balanceOf(signer) == WAD


def test_mint_by_permit2_is_for_its_owner_once(street, usdc, index, zap, signer, eve):
    """E13: genuine Permit2; neither eve nor a second call can use the signature, nor another spender's or chain's."""
    amount = 1000 * 10**6
    street.give(usdc, signer, 2 * amount)
    usdc.approve(PERMIT2, MAX, {"from": signer})
    street.give(usdc, eve, amount)
    usdc.approve(PERMIT2, MAX, {"from": eve})
    calls, to = purchases(street, usdc, index, WAD, margin=5), order(index, shares=WAD, receiver=signer)

    def paid(signature):
        return payment(usdc, amount, means=PERMIT2_MEANS, nonce=7, deadline=FAR, signature=signature)

    good = permit2(usdc, spender=zap, amount=amount, nonce=7)
    invalid = ("0x815e1d64",)  # Permit2's InvalidSigner
    assert why(zap.mint, paid(good), to, route(*calls), sender=eve) == invalid
    for wrong in (
        permit2(usdc, spender=eve, amount=amount, nonce=7),
        permit2(usdc, spender=zap, amount=amount, nonce=7, chain_id=1),
        permit2(usdc, spender=zap, amount=amount + 1, nonce=7),
    ):
        assert why(zap.mint, paid(wrong), to, route(*calls), sender=signer) == invalid

    zap.mint(paid(good), to, route(*calls), {"from": signer})
    assert index.token.balanceOf(signer) == WAD and usdc.balanceOf(eve) == amount
    assert why(zap.mint, paid(good), to, route(*calls), sender=signer) == ("0x756688fe",)  # InvalidNonce
    late = payment(
        usdc, amount, means=PERMIT2_MEANS, nonce=8, deadline=now() - 1,
        signature=permit2(usdc, spender=zap, amount=amount, nonce=8, deadline=now() - 1),
    )  # fmt: skip
    assert why(zap.mint, late, to, route(*calls), sender=signer)[0] == "0xcd21db4f"  # SignatureExpired


def test_shares_are_redeemed_by_permit(street, usdc, index, zap, signer, alice):
    """E13: the share's own permit."""
    index.token.transfer(signer, 2 * WAD, {"from": alice})
    signature = permit(index.token, spender=zap, value=2 * WAD)
    pay = payment(index.token, 2 * WAD, means=PERMIT, deadline=FAR, signature=signature)
    calls = sales(street, index, 2 * WAD, usdc)
    zap.redeem(pay, (index.version, usdc, 190 * 10**6, signer), route(*calls), {"from": signer})
    assert usdc.balanceOf(signer) > 198 * 10**6 and index.token.balanceOf(signer) == 0
    refused = why(zap.redeem, pay, (index.version, usdc, 0, signer), route(*calls), sender=signer)
    assert refused[0] in ("PermitSignerInvalid", "AllowanceTooLow")


# --- redeem -----------------------------------------------------------------------------------------------------------


def test_redeem_pays_the_receiver_what_the_components_were_sold_for(street, usdc, index, zap, alice, bob):
    """A7, A9: bob gets USDC, alice what the route did not sell; minOut binds to the unit."""
    shares = 10 * WAD
    index.token.approve(zap, shares, {"from": alice})
    got, _ = index.token.previewRedeem(shares)
    calls = [street.sell(token, usdc, amount - 9, allow=MAX) for token, amount in zip(index.tokens, got, strict=True)]
    held, reserves = index.balances(alice), index.reserves()
    pay = payment(index.token, shares)
    out = zap.redeem.call(pay, (index.version, usdc, 0, bob), route(*calls), {"from": alice})
    refused = why(zap.redeem, pay, (index.version, usdc, out + 1, bob), route(*calls), sender=alice)
    assert refused == ("AmountOutTooLow", usdc.address, out, out + 1)
    tx = zap.redeem(pay, (index.version, usdc, out, bob), route(*calls), {"from": alice})
    assert usdc.balanceOf(bob) == out and 990 * 10**6 < out < 1000 * 10**6
    assert index.token.balanceOf(alice) == 1000 * WAD - 10**9 - shares
    assert [r - g for r, g in zip(reserves, got, strict=True)] == index.reserves()
    assert [after - then for after, then in zip(index.balances(alice), held, strict=True)] == [9, 9, 9]
    assert tx.events["ZapRedeem"]["amount"] == out


def test_redeem_to_ether_pays_ether(street, usdc, index, zap, alice, bob, deployer):
    shares = 10 * WAD
    index.token.approve(zap, shares, {"from": alice})
    calls = [*sales(street, index, shares, usdc), street.sell(usdc, street.weth.address, 990 * 10**6)]
    held, pay = web3.eth.get_balance(bob.address), payment(index.token, shares)
    contract = deployer.deploy(ReentrantTaker)
    to_contract = (index.version, ZERO, 0, contract.address)
    assert why(zap.redeem, pay, to_contract, route(*calls), sender=alice) == ("EtherRefused", contract.address)
    zap.redeem(pay, (index.version, ZERO, ETHER * 48 // 100, bob), route(*calls), {"from": alice})
    assert ETHER * 48 // 100 < web3.eth.get_balance(bob.address) - held < ETHER * 50 // 100
    assert 0 < usdc.balanceOf(alice) < 10 * 10**6


def test_redeem_with_a_frozen_component_says_so_and_makes_no_claim(street, usdc, world, zap, alice, bob, deployer):
    """B10: a claim of the executor would be everybody's; the caller is told to redeem in kind, and loses nothing."""
    frozen = deployer.deploy(PausableToken, "ICE", 18)
    world.list(frozen, 5)
    index = world.create([world.token(18, 4), frozen])
    index.token.approve(zap, MAX, {"from": alice})
    frozen.setPaused(True, {"from": bob})
    refused = why(zap.redeem, payment(index.token, WAD), (index.version, usdc, 0, alice), route(), sender=alice)
    assert refused[:2] == ("RedeemInKind", index.address) and reason(refused[2])[0] == "TransfersPaused"
    for holder in (zap.address, zap.executor(), alice):
        assert index.token.claimOf(frozen, holder) == 0
    index.redeem(alice, WAD, mask=0b10)
    assert index.token.claimOf(frozen, alice) > 0


def test_redeem_of_more_than_one_has_or_allows_is_refused_as_such(index, usdc, zap, bob, alice):
    arguments = (index.version, usdc, 0, bob), route()
    assert why(zap.redeem, payment(index.token, WAD), *arguments, sender=alice)[0] == "AllowanceTooLow"
    index.token.approve(zap, MAX, {"from": bob})
    assert why(zap.redeem, payment(index.token, WAD), *arguments, sender=bob)[0] == "BalanceTooLow"
    index.token.approve(zap, MAX, {"from": alice})
    old = (index.version - 1, usdc, 0, bob)
    refused = why(zap.redeem, payment(index.token, WAD), old, route(), sender=alice)
    assert refused == ("BasketChanged", index.version, index.version - 1)


# --- migrate ----------------------------------------------------------------------------------------------------------


def test_migrate_turns_shares_of_one_index_into_shares_of_another(street, usdc, index, other, zap, alice, bob):
    """A9: the component that both hold goes over as it is, the others through USDC, which the new index holds too."""
    shares = 10 * WAD
    index.token.approve(zap, shares, {"from": alice})
    got, _ = index.token.previewRedeem(shares)
    calls = [
        street.sell(index.tokens[0], usdc, got[0]), street.sell(index.tokens[2], usdc, got[2]),
        street.sell(usdc, other.tokens[0], 333 * 10**6),
    ]  # fmt: skip
    pay = payment(index.token, shares)
    to = order(other, least=9 * WAD, receiver=bob)
    reserves, supply = other.reserves(), other.token.totalSupply()
    tx = zap.migrate(pay, index.version, to, route(*calls), {"from": alice})
    minted = other.token.balanceOf(bob)
    assert minted == tx.return_value and 98 * WAD // 10 < minted < shares
    assert other.reserves() == [r + ceil_div(minted * r, supply) for r in reserves]
    assert index.token.balanceOf(alice) == 1000 * WAD - 10**9 - shares
    assert tx.events["ZapMigrate"]["sharesOut"] == minted
    wrong = order(other, least=9 * WAD, receiver=bob, version=9)
    assert why(zap.migrate, pay, index.version, wrong, route(), sender=alice)[0] == "BasketChanged"


# --- many routes ------------------------------------------------------------------------------------------------------


def test_random_routes_leave_nothing_behind_and_lose_nothing(street, usdc, index, other, zap, alice, bob):
    """A9: forty zaps of every kind, with purchases too large, sales too small and useless detours; value is conserved but
    for what pools keep, and each time the executor ends empty."""
    rng = random.Random("ballast zap")
    tokens = [usdc, *index.tokens, other.tokens[0]]
    executor = zap.executor()
    street.give(usdc, bob, 10**6 * 10**6)
    usdc.approve(zap, MAX, {"from": bob})
    for which in (index, other):
        which.token.approve(zap, MAX, {"from": bob})
    kinds = []
    for _ in range(40):
        held = [i for i in (index, other) if i.token.balanceOf(bob) > WAD]
        kind = rng.choice(["exact", "in", "in"] if not held else ["exact", "in", "out", "over"])
        into = rng.choice([index, other])
        if kind in ("out", "over"):
            source = rng.choice(held)
            into = other if source is index else index
            shares = rng.randint(10**12, source.token.balanceOf(bob))
            got, _ = source.token.previewRedeem(shares)
            calls = [
                street.sell(token, usdc, amount - rng.randint(0, amount // 50), allow=MAX)
                for token, amount in zip(source.tokens, got, strict=True)
                if token != usdc and amount > 10**4
            ]
        before = street_value(street, tokens, [index, other], bob)
        if kind == "exact":
            shares = rng.randint(10**14, 20 * WAD)
            calls = purchases(street, usdc, into, shares, margin=rng.randint(0, 10**6))
            spend = sum(call[4] for call in calls) + 10**10
            zap.mint(
                payment(usdc, spend),
                order(into, shares=shares, receiver=bob),
                detour(street, usdc, index, rng, calls),
                {"from": bob},
            )
        elif kind == "in":
            spend = rng.randint(10**7, 3 * 10**9)
            calls = spread(street, usdc, into, spend - 10**6)
            zap.mint(
                payment(usdc, spend), order(into, receiver=bob), detour(street, usdc, index, rng, calls), {"from": bob}
            )
        elif kind == "out":
            zap.redeem(payment(source.token, shares), (source.version, usdc, 0, bob), route(*calls), {"from": bob})
        else:
            worth = int(
                street.value(usdc, 10**6)
                * sum(street.value(t, g) for t, g in zip(source.tokens, got, strict=True))
                * 10**6
            )
            calls += spread(street, usdc, into, worth * 9 // 10)
            if worth < 10**7:
                continue
            zap.migrate(
                payment(source.token, shares),
                source.version,
                order(into, receiver=bob),
                route(*calls, tokens=[usdc]),
                {"from": bob},
            )
        kinds.append(kind)
        for holder in (zap.address, executor):
            assert all(token.balanceOf(holder) == 0 for token in (*tokens, index.token, other.token)), kind
            assert street.weth.functions.balanceOf(holder).call() == 0
        assert all(
            token.allowance(executor, spender) == 0
            for token in (*tokens, index.token, other.token)
            for spender in (street.v2.address, street.v3.address, index.address, other.address)
        )
        after = street_value(street, tokens, [index, other], bob)
        assert before * 0.985 < after < before * 1.01, (kind, before, after)
    assert {"exact", "in", "out", "over"} <= set(kinds) and len(kinds) > 30


def detour(street, usdc, index, rng, calls):
    """The calls in another order, with a purchase that nobody needs."""
    extra = street.sell(usdc, rng.choice(index.tokens), rng.randint(10**4, 10**6))
    calls = [*calls, extra]
    rng.shuffle(calls)
    return route(*calls, tokens=index.tokens)


def street_value(street, tokens, indexes, who):
    """Dollars that an account has in tokens and shares, at the oracle."""
    total = sum(street.value(token, token.balanceOf(who)) for token in tokens)
    for index in indexes:
        held, supply = index.token.balanceOf(who), index.token.totalSupply()
        total += sum(street.value(t, r) for t, r in zip(index.tokens, index.reserves(), strict=True)) * held / supply
    return total


# --- attacks ----------------------------------------------------------------------------------------------------------

ERC1820 = "0x1820a4B7618BdE71Dce8cdc73aAB6C95905faD24"


def selector(signature):
    return bytes(web3.keccak(text=signature))[:4]


def test_a_route_that_calls_what_it_must_not_is_refused(street, usdc, index, other, zap, bob, eve):
    """A9: targets that are part of the zap, and functions of tokens that would outlive the route."""
    give(street, usdc, bob, 10**9, zap)
    word = bytes(32)
    refused = [
        (str(target), selector("anything()"))
        for target in (zap, zap.executor(), index.token, PERMIT2, ERC1820, eve, "0x" + "12" * 20)
    ]
    powers = (
        "approve(address,uint256)", "increaseAllowance(address,uint256)", "transferFrom(address,address,uint256)",
        "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", "authorizeOperator(address)",
        "approveAndCall(address,uint256,bytes)", "setOperator(address,bool)", "allow(address,bool)",
        "claim(address,address,address)", "mint(address,uint256)",
    )  # fmt: skip
    refused += [(str(token), selector(power)) for power in powers for token in (usdc, street.weth.address, other.token)]
    redeem = selector("redeem(uint256,uint256,uint256[],address,address,uint256)")
    for target, head in refused:
        calls = route(street.call(target, head + 3 * word))
        got = why(zap.mint, payment(usdc, 10**9), order(index, receiver=bob), calls, sender=bob)
        assert got == ("TargetRefused", str(target), head.decode("latin")) or got[:2] == ("TargetRefused", str(target))
    for data in (redeem + 5 * word + b"\0" * 31 + b"\1", redeem + 5 * word, redeem[:3], b""):
        calls = route(street.call(other.token, data))
        got = why(zap.mint, payment(usdc, 10**9), order(index, receiver=bob), calls, sender=bob)
        assert got[:2] == ("TargetRefused", other.address)
    assert usdc.balanceOf(bob) == 10**9


HARMLESS = (
    "transfer(address,uint256)", "deposit()", "withdraw(uint256)", "swap(uint256,uint256,address,bytes)",
    "mint(uint256,uint256,uint256[],address)", "redeem(uint256,uint256,uint256[],address,address,uint256)",
    "deposit(uint256,address)", "mint(uint256,address)", "withdraw(uint256,address,address)",
    "redeem(uint256,address,address)",
)  # fmt: skip


def test_a_route_may_call_what_leaves_nobody_a_power_over_a_token(street, usdc, index, zap, bob):
    """None of them is refused: this token fails each, for it has no such function or sends nothing to nobody."""
    give(street, usdc, bob, 10**9, zap)
    for signature in HARMLESS:
        calls = route(street.call(usdc, selector(signature) + 6 * bytes(32)))
        got = why(zap.mint, payment(usdc, 10**9), order(index, receiver=bob), calls, sender=bob)
        assert got[:3] == ("RouteFailed", 0, usdc.address), signature


def test_a_route_may_mint_and_redeem_another_index(street, usdc, index, other, zap, alice, bob):
    """An inner index is a token like others: its mint and its redeem, without deferred legs, may be part of a route."""
    give(street, usdc, bob, 10**9, zap)
    needed, _ = other.token.previewMint(WAD)
    bought = purchases(street, usdc, other, WAD)
    inner = other.token.mint.encode_input(WAD, other.version, needed, zap.executor())
    approvals = [
        street.call(other.token, other.token.transfer.encode_input(bob, 0), token, amount)
        for token, amount in zip(other.tokens, needed, strict=True)
    ]
    got = why(
        zap.mint, payment(usdc, 10**9), order(index, receiver=bob),
        route(*bought, *approvals, street.call(other.token, inner)), sender=bob,
    )  # fmt: skip
    assert got[:3] == ("RouteFailed", 5, other.address)  # an approval ends with its own call
    assert reason(got[3])[0] == "ERC20InsufficientAllowance"
    out = other.token.redeem.encode_input(WAD, other.version, [0] * 3, zap.executor(), zap.executor(), 0)
    other.token.transfer(zap.executor(), WAD, {"from": alice})
    zap.mint(
        payment(usdc, 10**9), order(index, shares=WAD, receiver=bob),
        route(street.call(other.token, out), *purchases(street, usdc, index, WAD), tokens=other.tokens), {"from": bob},
    )  # fmt: skip
    assert index.token.balanceOf(bob) == WAD and other.tokens[0].balanceOf(bob) > 0


def test_a_route_that_fails_midway_undoes_everything_and_says_where(street, usdc, index, zap, bob):
    """A9: the third call fails; nothing of the first two remains."""
    give(street, usdc, bob, 10**9, zap)
    calls = purchases(street, usdc, index, WAD)
    calls[2] = street.buy(usdc, index.tokens[2], 10**6, most=1)
    reserves = index.reserves()
    got = why(zap.mint, payment(usdc, 10**9), order(index, shares=WAD, receiver=bob), route(*calls), sender=bob)
    assert got[:3] == ("RouteFailed", 2, street.v2.address)
    assert reason(got[3]) == ("Error", "UniswapV2Router: EXCESSIVE_INPUT_AMOUNT")
    assert usdc.balanceOf(bob) == 10**9 and index.reserves() == reserves


def test_an_approval_of_a_call_does_not_outlive_it(street, usdc, index, zap, bob, eve):
    """A9: eve lets the executor approve her for everything; when bob's money lies there, the approval is gone."""
    give(street, usdc, eve, 10**6, zap)
    target, value, token, _, _, data = street.call(street.v2, street.v2.encode_abi("factory", []), usdc, MAX)
    approving = (target, value, token, eve.address, MAX, data)
    nothing = order(index, shares=WAD, receiver=eve)
    assert why(zap.mint, payment(usdc, 10**6), nothing, route(approving), sender=eve)[0] == "AmountInTooHigh"
    calls = spread(street, usdc, index, 9 * 10**5)
    zap.mint(payment(usdc, 10**6), order(index, receiver=eve), route(approving, *calls), {"from": eve})
    assert usdc.allowance(zap.executor(), eve) == 0 and 10**5 - 10 < usdc.balanceOf(eve) < 10**5 + 10


def test_a_false_index_keeps_no_approval(street, usdc, zap, eve, bob, deployer):
    """A9: an index of eve's own has itself approved for a mint and takes nothing, to take from the next caller."""
    false = deployer.deploy(GreedyIndex, usdc, 10**6)
    give(street, usdc, eve, 10**6, zap)
    free = (false.address, 1, 0, 0, eve.address)
    zap.mint(payment(usdc, 10**6), free, route(), {"from": eve})
    assert usdc.allowance(zap.executor(), false) == 0 == usdc.allowance(zap, false)
    assert usdc.balanceOf(eve) == 10**6


def test_no_route_payment_or_direct_call_reaches_what_others_approved(
    street, usdc, index, zap, alice, bob, eve, deployer
):
    """A10: bob has approved the zap and Permit2 for all he has; eve tries every way to it."""
    give(street, usdc, bob, 10**9, zap)
    usdc.approve(PERMIT2, MAX, {"from": bob})
    index.token.transfer(bob, WAD, {"from": alice})
    index.token.approve(zap, MAX, {"from": bob})
    give(street, usdc, eve, 1, zap)
    puppet = deployer.deploy(ReentrantTaker)
    theft = usdc.transferFrom.encode_input(bob, eve, 10**9)
    through = puppet.execute.encode_input(usdc, theft)
    permit2_theft = (
        selector("transferFrom(address,address,uint160,address)")
        + bytes(12) + bytes.fromhex(bob.address[2:]) + bytes(12) + bytes.fromhex(eve.address[2:])
        + (10**9).to_bytes(32) + bytes(12) + bytes.fromhex(usdc.address[2:])
    )  # fmt: skip
    to = order(index, receiver=eve)
    for target, data, name in (
        (usdc, theft, "TargetRefused"), (puppet, through, "RouteFailed"), (PERMIT2, permit2_theft, "TargetRefused"),
    ):  # fmt: skip
        assert why(zap.mint, payment(usdc, 1), to, route(street.call(target, data)), sender=eve)[0] == name
    for pay in (payment(usdc, 10**9), payment(usdc, 10**9, means=PERMIT2_MEANS, signature=b"\1" * 65)):
        assert why(zap.mint, pay, to, route(), sender=eve) is not None
    assert (
        why(zap.redeem, payment(index.token, WAD), (index.version, usdc, 0, eve), route(), sender=eve)[0]
        == "AllowanceTooLow"
    )
    executor = ZapExecutor.at(zap.executor())
    for call in (
        (executor.run, [], [ZERO, ZERO]), (executor.mint, index.token, 1, 1, eve), (executor.redeem, index.token, 1, 1),
        (executor.pay, usdc, eve), (executor.sweep, [usdc], eve, False), (executor.wrap,),
    ):  # fmt: skip
        assert why(*call, sender=eve) == ("NotZap", eve.address)
    assert usdc.balanceOf(bob) == 10**9 and index.token.balanceOf(bob) == WAD and usdc.balanceOf(eve) == 1


def test_what_somebody_left_at_the_executor_is_a_gift_and_stops_nobody(street, usdc, index, zap, alice, bob, eve):
    """A9: tokens, shares, ether, and so much of a component that a careless product would overflow."""
    executor = zap.executor()
    for token in index.tokens[:2]:
        token.mint(executor, 2**200, {"from": eve})
    usdc.mint(executor, 123, {"from": eve})
    index.token.transfer(executor, 7, {"from": alice})
    eve.transfer(executor, 5)
    give(street, usdc, bob, 10**9, zap)
    calls = purchases(street, usdc, index, WAD)
    supply, reserves = index.token.totalSupply(), index.reserves()
    zap.mint(payment(usdc, 10**9), order(index, receiver=bob), route(*calls[2:]), {"from": bob})
    taken = index.reserves()[2] - reserves[2]
    assert index.token.balanceOf(bob) >= taken * supply // reserves[2] - 10 and usdc.balanceOf(bob) > 123
    assert all(token.balanceOf(bob) > 2**199 for token in index.tokens[:2])
    assert street.weth.functions.balanceOf(bob.address).call() == 5


def test_who_calls_back_from_a_token_or_a_route_is_refused_everywhere(street, usdc, world, zap, bob, eve, deployer):
    """B7: the hook of a component, and a target of the route, try zap, executor and index in the middle of bob's mint."""
    hook = deployer.deploy(HookToken, "HOOK", 18)
    world.list(hook, 2)
    index = world.create([world.token(18, 4), hook])
    street.market("v2", usdc, index.tokens[0], usd=10**6)
    street.market("v2", usdc, hook, usd=10**6)
    give(street, usdc, bob, 10**9, zap)
    puppet, executor = deployer.deploy(ReentrantTaker), ZapExecutor.at(zap.executor())
    pay, free = payment(usdc, 0), order(index, receiver=eve)
    attempts = [
        (zap, zap.mint.encode_input(pay, free, route())),
        (zap, zap.redeem.encode_input(payment(index.token, 0), (index.version, usdc, 0, eve), route())),
        (zap, zap.migrate.encode_input(payment(index.token, 0), index.version, free, route())),
        (executor, executor.sweep.encode_input([usdc, hook], eve, False)),
        (executor, executor.pay.encode_input(usdc, eve)),
    ]
    for caller in (hook, puppet):
        for target, data in attempts:
            caller.program(target, data, {"from": eve})
    calls = purchases(street, usdc, index, WAD)
    poke = street.call(puppet, puppet.onExchange.encode_input([], [], b""))
    arguments = payment(usdc, 10**9), order(index, shares=WAD, least=WAD, receiver=bob), route(calls[0], poke, calls[1])
    expected = zap.mint.call(*arguments, {"from": bob})
    hook.arm(True, True, {"from": eve})
    zap.mint(*arguments, {"from": bob})
    assert index.token.balanceOf(bob) == expected == WAD and usdc.balanceOf(bob) > 898 * 10**6
    for caller in (hook, puppet):
        outcomes = [(ok, reason(bytes(result))) for ok, result in caller.outcomes()]
        assert len(outcomes) >= 5 and not any(ok for ok, _ in outcomes)
        assert [r[0] for _, r in outcomes[:5]] == ["ReentrancyGuardReentrantCall"] * 3 + ["NotZap"] * 2
    assert usdc.balanceOf(eve) == 0 == hook.balanceOf(eve) == hook.balanceOf(executor)
