"""The integer twins by themselves: what they promise about rounding, monotony and budgets, against independent arithmetic.

That they equal Solidity to the bit is shown in tests/properties/test_twins.py; here no chain is needed.
"""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Context, Decimal
from fractions import Fraction

import pytest

from offchain.reference import basket_math, budget_math, fee_math, integers, price_math, trade_math
from offchain.reference.basket_math import SupplyWord
from offchain.reference.constants import D27, MAX_STREAMING_FEE, PPM, WAD, YEAR
from offchain.reference.integers import Reverted
from offchain.reference.model import (
    Budget,
    GuardModel,
    IndexModel,
    Limits,
    PlainToken,
    PlanModel,
    Policy,
    TokenLedger,
    loss_bound,
    yearly_dilution,
)

EXACT = Context(prec=60)  # of our own: a library may have locked the shared one
FIVE_PERCENT = fee_math.streaming_rate(MAX_STREAMING_FEE)
POLICY = Policy(max_slippage=30_000, cooldown=0, min_interval=0, max_duration=86_400, max_trade=WAD, max_weight=WAD)
LIMITS = Limits(
    loss_capacity=5 * 10**15, loss_window=86_400, turnover_capacity=WAD, turnover_window=86_400, valuation_max_age=0
)
PRICES = {"btc": 100_000 * 10 ** (9 + 27 - 8), "eth": 4_000 * 10 ** (9 + 27 - 18)}  # D27{nUSD/tok}


def index(**terms: int) -> IndexModel:
    """1000 shares of $100 each, half bitcoin, half ether; alice holds them."""
    tokens: dict[str, TokenLedger] = {"btc": PlainToken(), "eth": PlainToken()}
    model = IndexModel(components=["btc", "eth"], tokens=tokens, fee_recipient="collector", **terms)
    for account in ("index", "bob"):
        tokens["btc"].transfer("mint", account, 0)
        held = tokens["btc"], tokens["eth"]
        assert all(isinstance(token, PlainToken) for token in held)
        held[0].balances[account], held[1].balances[account] = 10**8 // 2, 125 * 10**17  # type: ignore[attr-defined]
    model.bootstrap(1000 * WAD, receiver="alice", now=0)
    return model


def plan(model: IndexModel) -> PlanModel:
    guard = GuardModel(index=model, limits=LIMITS, budget=Budget(updated_at=0))
    return PlanModel(index=model, guard=guard, policy=POLICY, allowed={"btc", "eth"})


def test_exponential_and_logarithm_are_right_to_one_part_in_1e17() -> None:
    rng = random.Random(1)
    for _ in range(300):
        x = rng.randint(-(10**18), 40 * 10**18)
        exact = EXACT.multiply(EXACT.exp(EXACT.divide(Decimal(x), Decimal(WAD))), Decimal(WAD))
        assert abs(fee_math.exp_wad(x) - exact) <= 1 + exact / 10**17
        y = rng.randint(1, 10**30)
        assert (
            abs(fee_math.ln_wad(y) - EXACT.multiply(EXACT.ln(EXACT.divide(Decimal(y), Decimal(WAD))), Decimal(WAD)))
            <= 2
        )


def test_streaming_rate_dilutes_by_exactly_the_annual_fee() -> None:
    for fee in (0, 1, WAD // 1000, WAD // 100, MAX_STREAMING_FEE):
        assert abs(yearly_dilution(fee_math.streaming_rate(fee)) - fee / WAD) < 1e-15


def test_growth_never_falls_with_time_or_rate() -> None:
    for rate in (0, 1, FIVE_PERCENT // 7, FIVE_PERCENT):
        factors = [fee_math.growth(rate, seconds) for seconds in range(0, 40 * YEAR, YEAR // 13)]
        assert factors == sorted(factors) and factors[0] == WAD


def test_fee_does_not_depend_on_how_often_somebody_pokes() -> None:
    """A poke every 12 s for a day, by minting nothing worth mentioning, costs the recipient less than 1e-9 of his fee."""
    poked = still = SupplyWord(base=1000 * WAD, issued=1000 * WAD, since=0)
    for now in range(12, 86_400 + 1, 12):
        supply = basket_math.effective_supply(poked, FIVE_PERCENT, now)
        poked = basket_math.enter(poked, received=0, supply=supply, now=now)
    earned = basket_math.effective_supply(still, FIVE_PERCENT, 86_400) - still.issued
    earned_poked = basket_math.effective_supply(poked, FIVE_PERCENT, 86_400) - poked.issued
    assert earned * (1 - 1e-9) < earned_poked <= earned


def test_amounts_round_against_the_caller() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        shares, available, supply = (rng.getrandbits(rng.randint(1, 110)) + 1 for _ in range(3))
        exact = Fraction(shares * available, supply)
        assert 0 <= basket_math.amount_in(shares, available, supply) - exact < 1
        assert 0 <= exact - basket_math.amount_out(shares, available, supply) < 1


def test_floor_and_size_fit_together() -> None:
    """Selling no more than `max_sell` never asks for more than the deficit."""
    rng = random.Random(3)
    for _ in range(2000):
        deficit = rng.getrandbits(rng.randint(1, 100)) + 1
        sell_price, buy_price = (10 ** rng.randint(9, 37) for _ in range(2))
        factor = rng.randint(PPM - 50_000, PPM + 50_000)
        sell = trade_math.max_sell(deficit, sell_price, buy_price, factor)
        assert trade_math.min_buy(sell, sell_price, buy_price, factor) <= deficit


def test_splitting_a_sale_is_never_cheaper() -> None:
    rng = random.Random(4)
    for _ in range(2000):
        first, second = rng.randint(1, 10**12), rng.randint(1, 10**12)
        prices = (rng.randint(1, 10**30), rng.randint(1, 10**30), rng.randint(1, 2 * PPM))
        whole = trade_math.min_buy(first + second, *prices)
        assert trade_math.min_buy(first, *prices) + trade_math.min_buy(second, *prices) >= whole


def test_bucket_admits_at_most_its_capacity_and_what_drains() -> None:
    """G2: over any period T a greedy user gets at most C·(1 + T/W)."""
    rng = random.Random(5)
    capacity, window = 5 * 10**15, 86_400
    used, uses = 0, []
    now = 0
    for _ in range(500):
        elapsed = rng.choice((0, 1, 12, 600, 20_000, 200_000))
        now += elapsed
        used = budget_math.used_after(used, capacity, window, elapsed)
        take = (capacity - used) * rng.randint(0, 4) // 4
        used += take
        uses.append((now, take))
    for first, (start, _) in enumerate(uses):
        total = 0
        for end, take in uses[first:]:
            total += take
            assert total <= capacity * (1 + Fraction(end - start, window))


def test_price_of_one_dollar_has_the_same_meaning_at_every_decimals() -> None:
    for token_decimals in range(28):
        for aggregator_decimals in (6, 8, 18):
            price = price_math.chainlink_price(
                10**aggregator_decimals, updated_at=0, now=0, max_age=1,
                token_decimals=token_decimals, aggregator_decimals=aggregator_decimals,
            )  # fmt: skip
            assert trade_math.value_down(10**token_decimals, price) == 10**9  # one whole token is 1e9 nano-USD


def test_word_limits_are_refused_like_checked_arithmetic() -> None:
    with pytest.raises(Reverted, match="Panic"):
        integers.uint(2**256)
    with pytest.raises(Reverted, match="Panic"):
        integers.div(1, 0)
    with pytest.raises(Reverted, match="FullMulDivFailed"):
        integers.full_mul_div(2**255, 2, 1)
    with pytest.raises(Reverted, match="ExpOverflow"):
        fee_math.exp_wad(135305999368893231589)
    with pytest.raises(Reverted, match="LnWadUndefined"):
        fee_math.ln_wad(0)


def test_model_mint_then_redeem_costs_at_most_a_unit_of_each_component() -> None:
    model = index(streaming_fee=WAD // 50)
    paid = model.mint("bob", 7 * WAD + 1, receiver="bob", now=86_400)
    got = model.redeem("bob", 7 * WAD + 1, receiver="bob", now=86_400)
    assert all(0 <= in_ - out <= 1 for in_, out in zip(paid, got, strict=True))


def test_model_refusal_changes_nothing() -> None:
    model = index()
    before = (model.supply, dict(model.shares), [token.save() for token in model.tokens.values()])
    with pytest.raises(Reverted, match="AmountInTooHigh"):
        model.mint("bob", WAD, receiver="bob", now=0, max_in=[10**30, 0])
    assert (model.supply, dict(model.shares), [token.save() for token in model.tokens.values()]) == before


def test_model_plan_moves_units_to_the_weights_and_a_bad_keeper_is_stopped_by_the_budget() -> None:
    plans = plan(index())
    units = plans.start_plan(plan_id=1, weights=[WAD // 4, 3 * WAD // 4], duration=86_400, prices=PRICES, now=0)
    # $25 of bitcoin and $75 of ether a share, at $100,000 and $4,000
    assert units == [25_000 * D27 // WAD, 18_750_000_000_000_000 * D27 // WAD]
    surplus, deficit = plans.gap("btc", 0)[0], plans.gap("eth", 0)[1]
    assert (surplus, deficit) == (25 * 10**6, 625 * 10**16)

    plans.index.tokens["eth"].transfer("bob", "taker", 10**19)
    lost = 0
    with pytest.raises(Reverted, match="LossBudgetExceeded"):
        for step in range(100):
            amount = 10**6
            floor = plans.floor("btc", "eth", amount, PRICES)
            plans.swap(
                plan_id=1, step=step, sell="btc", buy="eth", sell_amount=amount, min_buy=0, delivered=floor,
                payee="taker", taker="taker", prices=PRICES, now=0,
            )  # fmt: skip
            lost += amount * PRICES["btc"] - floor * PRICES["eth"]
    before = 10**8 // 2 * PRICES["btc"] + 125 * 10**17 * PRICES["eth"]
    assert 0.9 * loss_bound(LIMITS, 0) < lost / before <= loss_bound(LIMITS, 0)


def test_a_valuation_from_before_a_crash_admits_the_loss_of_before() -> None:
    """The price of remembering valuations: G2's fraction is of the NAV when it was valued, at most `valuation_max_age` ago.

    When everything halves within that time, the same budget is twice the fraction. Anyone may call `revalue`, and a
    `valuation_max_age` of zero values anew for each second.
    """
    for max_age, factor in ((3_600, 2), (0, 1)):
        plans = plan(index())
        plans.guard.limits = replace(LIMITS, valuation_max_age=max_age)
        plans.start_plan(plan_id=1, weights=[0, WAD], duration=86_400, prices=PRICES, now=0)
        crashed = {token: price // 2 for token, price in PRICES.items()}
        worth = sum(plans.index.available(token) * crashed[token] for token in crashed)
        plans.index.tokens["eth"].transfer("bob", "taker", 125 * 10**17)
        lost = step = 0
        with pytest.raises(Reverted, match="LossBudgetExceeded"):
            while True:
                amount = 5 * 10**5
                floor = plans.floor("btc", "eth", amount, crashed)
                plans.swap(
                    plan_id=1, step=step, sell="btc", buy="eth", sell_amount=amount, min_buy=0, delivered=floor,
                    payee="taker", taker="taker", prices=crashed, now=3_600,
                )  # fmt: skip
                lost, step = lost + amount * crashed["btc"] - floor * crashed["eth"], step + 1
        assert 0.95 * factor * loss_bound(LIMITS, 0) < lost / worth <= factor * loss_bound(LIMITS, 0)
