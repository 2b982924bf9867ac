"""One call tells everything of an index.

IndexLens
├── stateOf agrees with every contract it reads
├── navOf is the exact sum, and counts what has no price
├── pricesOf gives zero where there is none
├── while a call of the index is on the stack they revert
├── legs are what the live plan still has to sell and to buy, and nothing without one
├── simulate gives to the last unit what startPlan then fixes
│   ├── an addition is bought from nothing
│   └── what startPlan refuses for its weights or prices is refused with the same reason
├── the views of ERC-7621
│   ├── target weights in basis points: of the holdings before the first plan, of the plan's units after, sum 10000
│   ├── reserves, membership and value are those of the index
│   └── previewContribute is the inverse of a mint, to the last share unit; previewWithdraw is what a redemption pays
└── one bad component
    ├── that has no price, or does not answer, counts as nothing
    └── that tells no proper symbol does not hide the others
"""

import pytest
from brownie import Bytes32SymbolToken, ReentrantTaker, RevertingBalanceToken

from tests.contracts.support import D27, DEAD, HOUR, STRATEGIST, WAD, YEAR, accounts, reason, wait, why


@pytest.fixture
def lens(world):
    return world.lens


def named(lens, function, value):
    """A struct answer as a dictionary, by the ABI's names."""
    outputs = next(i for i in lens.abi if i.get("name") == function)["outputs"][0]["components"]
    return dict(zip([o["name"] for o in outputs], value, strict=True)), outputs


def test_state_agrees_with_the_contracts(world, lens, index, alice):
    index.redeem(alice, WAD, mask=1)
    index.start(index.tilted())
    state, outputs = named(lens, "stateOf", lens.stateOf(index.token))
    token = index.token
    for key in (
        "name", "symbol", "version", "pendingFeeShares", "supplyCap", "streamingFee", "mintFee", "redeemFee",
        "feeRecipient", "authority", "rebalancer", "guard", "mintPausedUntil", "exchangePausedUntil", "deprecated",
    ):  # fmt: skip
        assert state[key] == getattr(token, key)(), key
    assert state["supply"] == token.totalSupply() and state["nav"] == index.nav_by_part()
    assert state["navPerShare"] == state["nav"] * D27 // token.totalSupply()
    assert state["policy"] == world.rebalancer.policyOf(token) and state["plan"] == world.rebalancer.planOf(token)
    assert state["limits"] == world.guard.limitsOf(token)
    assert (state["lossUsed"], state["turnoverUsed"]) == world.guard.usedOf(token)
    names = [c["name"] for o in outputs if o["name"] == "components" for c in o["components"]]
    for i, values in enumerate(state["components"]):
        part = dict(zip(names, values, strict=True))
        component = index.tokens[i]
        surplus, deficit = world.rebalancer.gapOf(token, component)
        assert part == {
            "token": component, "symbol": component.symbol(), "decimals": component.decimals(),
            "available": index.reserves()[i], "claimsOwed": token.claimsOwed(component), "price": index.price(i),
            "value": index.reserves()[i] * index.price(i) // D27, "unit": world.rebalancer.targetOf(token, component)[2],
            "planned": True, "surplus": surplus, "deficit": deficit,
        }  # fmt: skip


def test_state_shows_the_fee_that_is_pending(world, lens):
    index = world.create([world.token()], streaming_fee=5 * 10**16)
    wait(YEAR)
    state, _ = named(lens, "stateOf", lens.stateOf(index.token))
    assert state["supply"] - state["pendingFeeShares"] == 1000 * WAD < state["supply"]


def test_nav_is_the_exact_sum(lens, index):
    nav = index.nav_by_part()
    assert lens.navOf(index.token) == (nav, nav * D27 // index.token.totalSupply(), 0)


def test_nav_counts_what_has_no_price(lens, mixed, eve):
    mixed.feed(2).setDead(True, {"from": eve})
    nav = sum(mixed.reserves()[i] * mixed.price(i) // D27 for i in (0, 1))
    assert lens.navOf(mixed.token) == (nav, nav * D27 // mixed.token.totalSupply(), 1)


def test_prices_are_zero_where_there_are_none(world, lens, mixed):
    assert lens.pricesOf(world.oracle, [mixed.tokens[0], DEAD]) == (mixed.price(0), 0)


def test_views_revert_in_the_middle_of_a_call(world, lens, mixed, deployer, eve):
    """B8: nobody prices a share by balances that are half moved."""
    taker = deployer.deploy(ReentrantTaker)
    for call in (lens.stateOf, lens.navOf):
        taker.program(lens, call.encode_input(mixed.token), {"from": eve})
    mixed.start(mixed.tilted())
    mixed.swap(mixed.order(0, 2, taker=taker, payee=taker))
    (first, why_first), (second, why_second) = taker.outcomes()
    assert not first and reason(why_first) == ("IndexLocked", mixed.address)
    assert not second and reason(why_second) == ("ReentrancyGuardReentrantCall",)


def test_state_survives_a_component_that_does_not_answer(world, lens, deployer, eve):
    mute = deployer.deploy(RevertingBalanceToken, "MUTE", 18)
    world.list(mute)
    index = world.create([world.token(), mute])
    mute.setSilent(True, {"from": eve})
    state, _ = named(lens, "stateOf", lens.stateOf(index.token))
    assert state["components"][1][2] == 18 and state["components"][1][3] == 0 < state["components"][0][3]


def test_state_survives_a_symbol_of_one_word(world, lens, deployer):
    maker = deployer.deploy(Bytes32SymbolToken, b"MKR".ljust(32, b"\0"), 18)
    world.list(maker)
    index = world.create([world.token(), maker])
    state, _ = named(lens, "stateOf", lens.stateOf(index.token))
    assert state["components"][0][1] == "T18" and state["components"][1][3] > 0


def test_legs_are_what_the_plan_has_left(lens, index):
    assert lens.legs(index.token) == ((), ())
    index.start(index.tilted())
    sells, buys = lens.legs(index.token)
    gap = {token: index.world.rebalancer.gapOf(index.token, token) for token in index.tokens}
    assert sells == tuple((token, surplus) for token, (surplus, _) in gap.items() if surplus)
    assert buys == tuple((token, deficit) for token, (_, deficit) in gap.items() if deficit)
    assert sells[0][0] == index.tokens[0] and buys[-1][0] == index.tokens[-1]
    index.sell_down(0)
    wait(1)
    assert sum(leg[1] * index.price(0) for leg in lens.legs(index.token)[0]) <= index.nav() * D27 // 10**9
    index.end()
    assert lens.legs(index.token) == ((), ())


def test_simulation_is_what_a_plan_then_fixes(world, lens, index):
    token = world.token()
    index.govern(world.rebalancer.setAllowed, index.token, [token], True)
    weights = [*index.equal(), WAD // 10]
    weights[0] -= WAD // 10
    told, _ = named(lens, "simulate", lens.simulate(index.token, [token], weights))
    event = index.start(weights, additions=[token]).events["StartPlan"]
    assert list(told["tokens"]) == [*index.tokens, token] == list(event["tokens"])
    assert list(told["units"]) == list(event["units"]) and list(told["prices"]) == list(event["prices"])
    assert told["navPerShare"] == event["navPerShare"]
    for i, component in enumerate(told["tokens"]):
        assert (told["surpluses"][i], told["deficits"][i]) == world.rebalancer.gapOf(index.token, component)
    index.tokens = [*index.tokens, token]
    sold = sum(s * p // D27 for s, p in zip(told["surpluses"], told["prices"], strict=True))
    assert told["turnover"] == sold * WAD // index.nav_by_part()
    assert abs(told["turnover"] - WAD // 10) < WAD // 10**6


def test_simulation_refuses_what_a_plan_would(world, lens, index):
    stranger, strategist = world.token(), accounts[STRATEGIST]
    world.set_feed(stranger, "0x" + "0" * 40)
    index.govern(world.rebalancer.setAllowed, index.token, [stranger], True)
    short = index.equal()[:-1]
    low = [index.equal()[0] - 1, *index.equal()[1:]]
    entering = [*index.equal(), 10**17]
    entering[0] -= 10**17
    for additions, weights in (([], short), ([], low), ([stranger], entering)):
        arguments = (index.token, index.next_plan(), index.version, additions, weights, HOUR)
        refused = why(world.rebalancer.startPlan, *arguments, sender=strategist)
        assert refused is not None and refused == why(lens.simulate, index.token, additions, weights, sender=strategist)


def test_weights_of_erc7621_are_basis_points_of_the_target(lens, index):
    tokens, weights = lens.getConstituents(index.token)
    assert list(tokens) == index.tokens and sum(weights) == 10_000
    held = [r * index.price(i) for i, r in enumerate(index.reserves())]
    assert all(0 <= w - 10_000 * value // sum(held) <= 1 for w, value in zip(weights, held, strict=True))
    index.start(index.tilted())
    _, weights = lens.getConstituents(index.token)
    assert sum(weights) == 10_000
    assert all(abs(w - target // 10**14) <= 1 for w, target in zip(weights, index.tilted(), strict=True))
    assert [lens.getWeight(index.token, token) for token in index.tokens] == list(weights)
    assert why(lens.getWeight, index.token, DEAD, sender=accounts[0]) == ("ComponentUnknown", DEAD)


def test_views_of_erc7621_tell_what_the_index_holds(lens, index, alice):
    index.redeem(alice, WAD, mask=1)
    assert lens.totalConstituents(index.token) == index.n
    assert [lens.getReserve(index.token, token) for token in index.tokens] == index.reserves()
    assert lens.getReserve(index.token, DEAD) == 0
    assert all(lens.isConstituent(index.token, token) for token in index.tokens)
    assert not lens.isConstituent(index.token, DEAD)
    assert lens.totalBasketValue(index.token) == index.nav_by_part()
    assert lens.previewWithdraw(index.token, WAD) == index.token.previewRedeem(WAD)[0]


@pytest.mark.parametrize("fee", [0, 10**16])
def test_contribution_previews_the_most_that_can_be_minted(world, lens, bob, fee):
    index = world.create([world.token(d) for d in (18, 6, 8)], mint_fee=fee)
    amounts = [amount + 10 ** (3 * i) for i, amount in enumerate(index.token.previewMint(7 * WAD + 123)[0])]
    received = lens.previewContribute(index.token, amounts)
    supply = index.token.totalSupply()
    most = min(a * supply // r for a, r in zip(amounts, index.reserves(), strict=True))
    assert received == most - -(-most * fee // WAD)
    index.fund(bob, most)
    index.mint(bob, most, max_in=amounts, fund=False)
    assert index.token.balanceOf(bob) == received
    assert any(
        more > given for more, given in zip(index.token.previewMint(most + supply // 10**6)[0], amounts, strict=True)
    )
    assert why(lens.previewContribute, index.token, amounts[1:], sender=bob) == ("LengthMismatch", 2, 3)
