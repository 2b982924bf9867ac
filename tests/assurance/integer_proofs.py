"""Proofs about the pure libraries, for every input: no widths cut down, no samples. Run by `prove`, with z3.

Each proof names what it shows and where; each `show` is one step, discharged by the solver from what is known before it.
Behind each stands at least one canary: the same proof about a library with a planted mistake must fail, with numbers that
show the mistake. A proof that cannot fail is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import z3

from tests.assurance.terms import Path

WAD, D27, PPM = 10**18, 10**27, 10**6
U112 = 2**112 - 1
YEAR = 365 * 86_400
MAX_FEE = WAD // 100
MAX_PRICE = 2**160 - 1
FOLDER = "contracts/libraries/"


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A mistake in one library: `old`, which must occur exactly once, becomes `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Proof:
    name: str
    claim: str
    domain: str
    run: Callable[[Path, Callable[..., Any]], None]
    canaries: tuple[Canary, ...] = field(repr=False)


PROOFS: list[Proof] = []


def proof(
    claim: str, domain: str, *canaries: tuple[str, str, str]
) -> Callable[[Callable[[Path, Callable[..., Any]], None]], Callable[[Path, Callable[..., Any]], None]]:
    def register(run: Callable[[Path, Callable[..., Any]], None]) -> Callable[[Path, Callable[..., Any]], None]:
        wrong = tuple(Canary(file=f"{FOLDER}{file}.sol", old=old, new=new) for file, old, new in canaries)
        PROOFS.append(Proof(name=run.__name__, claim=claim, domain=domain, run=run, canaries=wrong))
        return run

    return register


# --- BasketMath -------------------------------------------------------------------------------------------------------

SHORT_UP = ("BasketMath", "(shares * available + supply - 1) / supply", "(shares * available) / supply")
LONG_UP = ("BasketMath", "FixedPointMathLib.fullMulDivUp(", "FixedPointMathLib.fullMulDiv(")
SHORT_DOWN = ("BasketMath", "return shares * available / supply;", "return (shares * available + supply - 1) / supply;")
LONG_DOWN = ("BasketMath", "FixedPointMathLib.fullMulDiv(shares, ", "FixedPointMathLib.fullMulDivUp(shares, ")
OVERFLOW = ("BasketMath", "(shares | available) < 1 << 128", "(shares | available) < 1 << 129")


def basket(path: Path) -> tuple[Any, Any, Any]:
    return path.integer("shares"), path.integer("available"), path.integer("supply", 1)


@proof(
    "what a mint takes is the exact share rounded up, what a redemption pays the same rounded down",
    "every word; supply not zero", SHORT_UP, LONG_UP, SHORT_DOWN, LONG_DOWN, OVERFLOW,
)  # fmt: skip
def rounding_of_baskets(path: Path, call: Callable[..., Any]) -> None:
    shares, available, supply = basket(path)
    up = call("BasketMath.amountUp", shares, available, supply)
    path.show("up is not below the exact share", up * supply >= shares * available)
    path.show("up is less than one above it", up * supply - supply < shares * available)
    down = call("BasketMath.amountDown", shares, available, supply)
    path.show("down is not above the exact share", down * supply <= shares * available)
    path.show("down is less than one below it", down * supply + supply > shares * available)
    path.show("up is never below down", up >= down)
    path.show("they differ by at most one", up - down <= 1)


@proof(
    "a mint leaves every share with at least what it had, and so does a redemption",
    "every word; redeemed at most the supply", SHORT_UP, LONG_UP, SHORT_DOWN, LONG_DOWN,
)  # fmt: skip
def nobody_is_diluted(path: Path, call: Callable[..., Any]) -> None:
    shares, available, supply = basket(path)
    up = call("BasketMath.amountUp", shares, available, supply)
    path.show("mint: backing per share", (available + up) * supply >= available * (supply + shares))
    path.know(shares <= supply)
    down = call("BasketMath.amountDown", shares, available, supply)
    path.show("redeem: never more than is there", down <= available)
    path.show("redeem: backing per share", (available - down) * supply >= available * (supply - shares))


@proof(
    "minting and redeeming at once, with any fees, never returns more than was paid",
    "every word; both fees up to their limit", SHORT_UP, LONG_UP,
    ("BasketMath", "return shares * available / supply;", "return shares * available / supply + 1;"),
)  # fmt: skip
def round_trip_never_profits(path: Path, call: Callable[..., Any]) -> None:
    shares, available, supply = basket(path)
    paid = call("BasketMath.amountUp", shares, available, supply)
    mint_fee = call("FeeMath.oneOffFee", shares, path.integer("mintFee", 0, MAX_FEE))
    held = shares - mint_fee
    path.know(held >= 0)
    redeem_fee = call("FeeMath.oneOffFee", held, path.integer("redeemFee", 0, MAX_FEE))
    burned = held - redeem_fee
    path.show("what is paid out is for no more shares than were minted", burned <= shares)
    path.know(burned >= 0, available + paid < 2**256, supply + shares < 2**256)
    got = call("BasketMath.amountDown", burned, available + paid, supply + shares)
    path.show("the payment covers the exact share", paid * supply >= shares * available)
    path.show("so it covers it after the mint", shares * (available + paid) <= paid * (supply + shares))
    path.show("fewer shares are worth less", burned * (available + paid) <= shares * (available + paid))
    path.show("the payout is at most the exact share", got * (supply + shares) <= burned * (available + paid))
    path.show("as a product", got * (supply + shares) <= paid * (supply + shares))
    path.show("no profit", got <= paid)


@proof(
    "two mints in a row never cost less than one of both",
    "every word", SHORT_UP, LONG_UP,
)  # fmt: skip
def splitting_a_mint_is_never_cheaper(path: Path, call: Callable[..., Any]) -> None:
    first, available, supply = basket(path)
    second = path.integer("second")
    path.know(first + second < 2**256)
    one = call("BasketMath.amountUp", first, available, supply)
    path.know(available + one < 2**256, supply + first < 2**256)
    two = call("BasketMath.amountUp", second, available + one, supply + first)
    both = call("BasketMath.amountUp", first + second, available, supply)
    path.show("the first is paid in full", one * supply >= first * available)
    path.show("nobody was diluted by it", (available + one) * supply >= available * (supply + first))
    path.show("as a product", second * ((available + one) * supply) >= second * (available * (supply + first)))
    path.show("the second is paid in full", two * (supply + first) >= second * (available + one))
    path.show("in units of the first", two * (supply + first) * supply >= second * (available + one) * supply)
    path.show("hence at the old rate", two * (supply + first) * supply >= second * available * (supply + first))
    path.show("without the common factor", two * supply >= second * available)
    path.show("together", (one + two) * supply >= (first + second) * available)
    path.show("one is the least that pays for both", both * supply - supply < (first + second) * available)
    path.show("as a product of the difference", (both - one - two) * supply < supply)
    path.show("not cheaper", one + two >= both)


@proof(
    "two redemptions in a row never pay more than one of both",
    "every word; redeemed at most the supply", SHORT_DOWN, LONG_DOWN,
)  # fmt: skip
def splitting_a_redemption_never_pays_more(path: Path, call: Callable[..., Any]) -> None:
    first, available, supply = basket(path)
    second = path.integer("second")
    path.know(first + second <= supply, first < supply)
    both = call("BasketMath.amountDown", first + second, available, supply)
    one = call("BasketMath.amountDown", first, available, supply)
    path.show("the first pays at most its share", one * supply <= first * available)
    path.show("and at most all", one <= available)
    two = call("BasketMath.amountDown", second, available - one, supply - first)
    # What the first lost by rounding is shared by all who stay, the second among them: it gets back at most all of it.
    lost, rest = first * available - one * supply, supply - first
    path.show("the second pays at most its share", two * rest <= second * (available - one))
    path.show("as a product", two * rest * supply <= second * ((available - one) * supply))
    path.show("what is left", (available - one) * supply == available * rest + lost)
    path.show("in these terms", two * rest * supply <= second * available * rest + second * lost)
    path.show("the second's part of the loss", second * lost <= rest * lost)
    path.show("in one", rest * (two * supply) <= rest * (second * available + lost))
    path.show("without the common factor", two * supply <= second * available + lost)
    path.show("together", (one + two) * supply <= (first + second) * available)
    path.show("one is short of less than one", both * supply + supply > (first + second) * available)
    path.show("as a product of the difference", (one + two - both) * supply < supply)
    path.show("not more", one + two <= both)


# --- FeeMath ----------------------------------------------------------------------------------------------------------

FEE_UP = ("FeeMath", "(shares * fee + Constants.WAD - 1) / Constants.WAD", "(shares * fee) / Constants.WAD")


@proof(
    "a mint or redeem fee is rounded up, never above the shares, and not lower in two parts",
    "every word; fee up to its limit", FEE_UP,
)  # fmt: skip
def one_off_fee(path: Path, call: Callable[..., Any]) -> None:
    shares, more, fee = path.integer("shares"), path.integer("more"), path.integer("fee", 0, MAX_FEE)
    taken = call("FeeMath.oneOffFee", shares, fee)
    path.show("not below the exact fee", taken * WAD >= shares * fee)
    path.show("less than one above it", taken * WAD - WAD < shares * fee)
    path.show("not above the shares", taken <= shares)
    path.know(shares + more < 2**256)
    rest = call("FeeMath.oneOffFee", more, fee)
    whole = call("FeeMath.oneOffFee", shares + more, fee)
    path.show("the rest is not below its exact fee", rest * WAD >= more * fee)
    path.show("the whole is less than one above", whole * WAD - WAD < (shares + more) * fee)
    path.show("splitting does not save", taken + rest >= whole)


@proof(
    "the effective supply is never below what was issued, grows with the factor, and is what has accrued rounded down",
    "base and issued of 112 bits, growth of 80 bits",
    ("FeeMath", "if (supply < issued) supply = issued;", ""),
    ("FeeMath", "supply = base * factor / Constants.WAD;", "supply = (base * factor + Constants.WAD - 1) / Constants.WAD;"),
    ("FeeMath", "supply = base * factor / Constants.WAD;", "supply = base * (factor * factor * factor) / Constants.WAD;"),
)  # fmt: skip
def effective_supply(path: Path, call: Callable[..., Any]) -> None:
    base, issued = path.integer("base", 0, U112), path.integer("issued", 0, U112)
    factor = path.integer("factor", WAD, 2**80 - 1)
    later = path.integer("later", WAD, 2**80 - 1)
    path.know(factor <= later)
    supply = call("FeeMath.effectiveSupply", base, issued, factor)
    path.show("not below what exists", supply >= issued)
    path.show("not above what accrued", z3.Or(supply == issued, supply * WAD <= base * factor))
    grown = call("FeeMath.effectiveSupply", base, issued, later)
    path.show("more growth is worth more", base * factor <= base * later)
    path.show("never falls", grown >= supply)
    path.show("not below the base", z3.Or(supply >= base, base < issued))


@proof(
    "growth is at least one, and never falls with time or rate",
    "rate below 2^56, times below 2^32 s",
    ("FeeMath", "rate * elapsed / Constants.YEAR", "rate - rate * elapsed / Constants.YEAR"),
    ("FeeMath", "if (exponent == 0) return Constants.WAD;", "if (exponent == 0) return 0;"),
)  # fmt: skip
def growth_never_falls(path: Path, call: Callable[..., Any]) -> None:
    rate, elapsed = path.integer("rate", 0, 2**56 - 1), path.integer("elapsed", 0, 2**32 - 1)
    higher, later = path.integer("higher", 0, 2**56 - 1), path.integer("later", 0, 2**32 - 1)
    path.know(rate <= higher, elapsed <= later)
    before = call("FeeMath.growth", rate, elapsed)
    path.show("at least one", before >= WAD)
    after = call("FeeMath.growth", higher, later)
    path.show("the product does not fall", rate * elapsed <= higher * later)
    path.show("never falls", after >= before)


# --- TradeMath --------------------------------------------------------------------------------------------------------

SELL_DOWN = ("TradeMath", "deficit_.fullMulDiv(buyPrice", "deficit_.fullMulDivUp(buyPrice")
BUY_UP = ("TradeMath", "sellAmount.fullMulDivUp(sellPrice", "sellAmount.fullMulDiv(sellPrice")
SURPLUS = ("TradeMath", "unit.fullMulDivUp(supply, Constants.D27)", "unit.fullMulDiv(supply, Constants.D27)")
DEFICIT = (
    "TradeMath",
    "unit.fullMulDiv(supply, Constants.D27).zeroFloorSub(available)",
    "unit.fullMulDivUp(supply, Constants.D27).zeroFloorSub(available)",
)


@proof(
    "values of what went out round up, of what came in down; in parts no loss is counted smaller",
    "every word", ("TradeMath", "amount.fullMulDivUp(price", "amount.fullMulDiv(price"),
    ("TradeMath", "amount.fullMulDiv(price", "amount.fullMulDivUp(price"),
)  # fmt: skip
def values(path: Path, call: Callable[..., Any]) -> None:
    amount, more, price = path.integer("amount"), path.integer("more"), path.integer("price", 0, MAX_PRICE)
    path.know(amount + more < 2**256)
    out, came = call("TradeMath.valueUp", amount, price), call("TradeMath.valueDown", amount, price)
    path.show("out is not below", out * D27 >= amount * price)
    path.show("in is not above", came * D27 <= amount * price)
    path.show("at most one apart", z3.And(out - came >= 0, out - came <= 1))
    path.show(
        "out in parts", out + call("TradeMath.valueUp", more, price) >= call("TradeMath.valueUp", amount + more, price)
    )
    path.show(
        "in in parts",
        came + call("TradeMath.valueDown", more, price) <= call("TradeMath.valueDown", amount + more, price),
    )


@proof(
    "a token is never above and below its target at once; selling the one or buying the other never passes the target",
    "every word", SURPLUS, DEFICIT,
)  # fmt: skip
def surplus_and_deficit(path: Path, call: Callable[..., Any]) -> None:
    available, unit, supply = path.integer("available"), path.integer("unit"), path.integer("supply")
    surplus = call("TradeMath.surplus", available, unit, supply)
    deficit = call("TradeMath.deficit", available, unit, supply)
    path.show("never both", z3.Not(z3.And(surplus > 0, deficit > 0)))
    path.show("what is left after selling", z3.Or(surplus == 0, (available - surplus) * D27 >= unit * supply))
    path.show("what is there after buying", z3.Or(deficit == 0, (available + deficit) * D27 <= unit * supply))
    path.show("at most what there is", surplus <= available)


def fill(path: Path) -> tuple[Any, Any, Any]:
    """Prices and factor as the rebalancer passes them."""
    return (
        path.integer("sellPrice", 1, MAX_PRICE), path.integer("buyPrice", 1, MAX_PRICE), path.integer("factor", 1, 2 * PPM)
    )  # fmt: skip


@proof(
    "the most that may be sold against a deficit never has to buy more than it, and one more would",
    "every word; prices up to their limit, factor up to 200 %", SELL_DOWN,
    ("TradeMath", "buyPrice * Constants.PPM, sellPrice * factorPpm", "buyPrice * Constants.PPM, sellPrice"),
    ("TradeMath", "return deficit_.fullMulDiv(buyPrice * Constants.PPM, sellPrice * factorPpm);",
     "return deficit_.fullMulDiv(buyPrice * Constants.PPM, sellPrice * factorPpm) + 1;"),
)  # fmt: skip
def most_that_can_be_sold(path: Path, call: Callable[..., Any]) -> None:
    deficit = path.integer("deficit")
    sell_price, buy_price, factor = fill(path)
    sell, buy = path.integer("sellSide"), path.integer("buySide")
    path.know(sell == sell_price * factor, buy == buy_price * PPM)
    path.show("prices are not zero", z3.And(sell >= 1, buy >= 1))
    most = call("TradeMath.maxSell", deficit, sell_price, buy_price, factor)
    path.show("worth at most the deficit", most * sell <= deficit * buy)
    path.show("one more is worth more", (most + 1) * sell > deficit * buy)
    bought = call("TradeMath.minBuy", most, sell_price, buy_price, factor)
    path.show("the least to buy is less than one above", bought * buy - buy < most * sell)
    path.show("as a product", (bought - deficit) * buy < buy)
    path.show("within the deficit", bought <= deficit)
    path.know(most + 1 < 2**256)
    above = call("TradeMath.minBuy", most + 1, sell_price, buy_price, factor)
    path.show("one more needs at least its worth", above * buy >= (most + 1) * sell)
    path.show("as a product of the difference", above * buy > deficit * buy)
    path.show("one more passes the deficit", above > deficit)


@proof(
    "a fill in two parts must buy at least as much as in one",
    "every word; prices up to their limit, factor up to 200 %", BUY_UP,
)  # fmt: skip
def splitting_a_fill_is_never_cheaper(path: Path, call: Callable[..., Any]) -> None:
    amount, more = path.integer("amount"), path.integer("more")
    path.know(amount + more < 2**256)
    sell_price, buy_price, factor = fill(path)
    sell, buy = path.integer("sellSide"), path.integer("buySide")
    path.know(sell == sell_price * factor, buy == buy_price * PPM)
    path.show("prices are not zero", z3.And(sell >= 1, buy >= 1))
    one = call("TradeMath.minBuy", amount, sell_price, buy_price, factor)
    two = call("TradeMath.minBuy", more, sell_price, buy_price, factor)
    both = call("TradeMath.minBuy", amount + more, sell_price, buy_price, factor)
    path.show("one pays for its part", one * buy >= amount * sell)
    path.show("two pays for its part", two * buy >= more * sell)
    path.show("both is less than one above", both * buy - buy < (amount + more) * sell)
    path.show("as a product of the difference", (both - one - two) * buy < buy)
    path.show("not cheaper", one + two >= both)


@proof(
    "the target of a plan is worth at most what the index is worth: three weights that sum to one, any prices",
    "NAV per share of 216 bits, prices up to their limit",
    ("TradeMath", "(weight * navPerShare_).fullMulDiv(", "(weight * navPerShare_).fullMulDivUp("),
)  # fmt: skip
def a_plan_targets_no_more_than_there_is(path: Path, call: Callable[..., Any]) -> None:
    nav = path.integer("navPerShare", 0, 2**216 - 1)
    total: Any = 0
    worth: Any = 0
    for i in range(3):
        weight, price = path.integer(f"weight{i}", 0, WAD), path.integer(f"price{i}", 1, MAX_PRICE)
        unit = call("TradeMath.unitFromWeight", weight, nav, price)
        path.show(f"target {i} is worth at most its weight", unit * price <= weight * nav * 10**9)
        total, worth = total + weight, worth + unit * price
    path.know(total == WAD)
    path.show("together", worth <= total * nav * 10**9)
    path.show("at most the NAV", worth <= nav * D27)


@proof(
    "what the streaming fee dilutes never grows, and NAV per share times supply is at most the NAV",
    "every word",
    ("TradeMath", "unit.fullMulDiv(Constants.WAD, growth)", "unit.fullMulDiv(growth, Constants.WAD)"),
    ("TradeMath", "nav.fullMulDiv(Constants.D27, supply)", "nav.fullMulDivUp(Constants.D27, supply)"),
)  # fmt: skip
def dilution_and_nav(path: Path, call: Callable[..., Any]) -> None:
    unit, growth = path.integer("unit"), path.integer("growth", WAD, 2**80 - 1)
    diluted = call("TradeMath.unitDiluted", unit, growth)
    path.show("at most the exact unit", diluted * growth <= unit * WAD)
    path.show("never more than before", diluted <= unit)
    nav, supply = path.integer("nav"), path.integer("supply", 1)
    path.show("rounded down", call("TradeMath.navPerShare", nav, supply) * supply <= nav * D27)


# --- BudgetMath -------------------------------------------------------------------------------------------------------

DRAIN = (
    "BudgetMath",
    "used.zeroFloorSub(capacity * elapsed / window)",
    "used.zeroFloorSub(2 * capacity * elapsed / window)",
)
DRAIN_MORE = (
    "BudgetMath",
    "used.zeroFloorSub(capacity * elapsed / window)",
    "used.zeroFloorSub(capacity * elapsed / window + 1)",
)


def bucket(path: Path, call: Callable[..., Any], charges: int) -> None:
    capacity, window = path.integer("capacity", 0, 4 * WAD), path.integer("window", 3600, 30 * 86_400)
    used = path.integer("used0", 0)
    path.know(used <= capacity)
    charged: Any = 0
    elapsed: Any = 0
    start = used
    for i in range(charges):
        time = path.integer(f"elapsed{i}", 0, 2**36)
        left = call("BudgetMath.usedAfter", used, capacity, window, time)
        path.show(f"{i}: the drain never frees too much", left * window >= used * window - capacity * time)
        path.show(f"{i}: and is never below zero or above what was used", z3.And(left >= 0, left <= used))
        charge = path.integer(f"charge{i}", 0)
        path.know(left + charge <= capacity)  # or the guard reverts
        used = left + charge
        charged, elapsed = charged + charge, elapsed + time
        path.show(
            f"{i}: what was admitted so far",
            charged * window <= (used - start) * window + capacity * elapsed,
        )
    path.show("at most capacity·(1 + T/window)", charged * window <= capacity * (window + elapsed))


@proof(
    "two charges of a budget, whenever they come, sum up to at most capacity·(1 + T/window)",
    "budgets up to 400 %, windows of an hour to 30 days, times below 2^36 s", DRAIN, DRAIN_MORE,
)  # fmt: skip
def bucket_of_two_charges(path: Path, call: Callable[..., Any]) -> None:
    bucket(path, call, 2)


@proof(
    "and so do three, and thereby any number: each step keeps charged ≤ used − used₀ + capacity·T/window",
    "budgets up to 400 %, windows of an hour to 30 days, times below 2^36 s", DRAIN, DRAIN_MORE,
)  # fmt: skip
def bucket_of_three_charges(path: Path, call: Callable[..., Any]) -> None:
    bucket(path, call, 3)


@proof(
    "a charge is rounded up, and an exchange in parts is charged no less",
    "every word", ("BudgetMath", "value.fullMulDivUp(", "value.fullMulDiv("),
)  # fmt: skip
def charges_round_up(path: Path, call: Callable[..., Any]) -> None:
    value, more, nav = path.integer("value"), path.integer("more"), path.integer("nav", 1)
    path.know(value + more < 2**256)
    one, two = call("BudgetMath.fractionUp", value, nav), call("BudgetMath.fractionUp", more, nav)
    both = call("BudgetMath.fractionUp", value + more, nav)
    path.show("not below the exact fraction", one * nav >= value * WAD)
    path.show("the rest neither", two * nav >= more * WAD)
    path.show("both is less than one above", both * nav - nav < (value + more) * WAD)
    path.show("as a product of the difference", (both - one - two) * nav < nav)
    path.show("splitting does not save", one + two >= both)


# --- AuctionMath ------------------------------------------------------------------------------------------------------


def curve(path: Path, low: int) -> tuple[Any, Any, Any, Any, Any]:
    """A curve from above down to below, and two moments of it."""
    start, end = path.integer("start", 1, 2**128), path.integer("end", low, 2**128)
    duration = path.integer("duration", 1, 2**32)
    early, late = path.integer("early", 0, 2**32), path.integer("late", 0, 2**32)
    path.know(end <= start, early <= late, late <= duration)
    return start, end, duration, early, late


@proof(
    "the straight line of an auction starts and ends exactly where it should, never leaves its ends and never rises",
    "values up to 2^128, times up to 2^32 s",
    ("AuctionMath", "to + (from - to).fullMulDivUp(duration - elapsed, duration)", "to + (from - to).fullMulDivUp(elapsed, duration)"),
    ("AuctionMath", "to + (from - to).fullMulDivUp(duration - elapsed, duration)", "to + (from - to).fullMulDiv(duration - elapsed, duration)"),
)  # fmt: skip
def auction_line(path: Path, call: Callable[..., Any]) -> None:
    start, end, duration, early, late = curve(path, 0)
    path.show("starts", call("AuctionMath.linear", start, end, 0, duration) == start)
    path.show("ends", call("AuctionMath.linear", start, end, duration, duration) == end)
    before = call("AuctionMath.linear", start, end, early, duration)
    path.show("not below the end", before >= end)
    path.show("rounded up", (before - end) * duration >= (start - end) * (duration - early))
    path.show("at most the whole way", (start - end) * (duration - early) <= (start - end) * duration)
    path.show("not above the start", before <= start)
    after = call("AuctionMath.linear", start, end, late, duration)
    path.show("less is left later", (start - end) * (duration - late) <= (start - end) * (duration - early))
    path.show("never rises", after <= before)


@proof(
    "the decay of an auction is exact at both ends and never leaves them; its mirror neither",
    "values up to 2^128, times up to 2^32 s",
    ("AuctionMath", ".clamp(to, from)", ""),
    ("AuctionMath", "if (elapsed == 0) return from;", "if (elapsed == 0) return to;"),
    ("AuctionMath", "if (elapsed >= duration) return to;", "if (elapsed >= duration) return from;"),
    ("AuctionMath", "from.fullMulDiv(to, decay(to, from, elapsed, duration))", "from.fullMulDivUp(to, decay(to, from, elapsed, duration)) + 1"),
)  # fmt: skip
def auction_decay(path: Path, call: Callable[..., Any]) -> None:
    start, end, duration, early, _ = curve(path, 1)
    path.show("starts", call("AuctionMath.decay", start, end, 0, duration) == start)
    path.show("ends", call("AuctionMath.decay", start, end, duration, duration) == end)
    value = call("AuctionMath.decay", start, end, early, duration)
    path.show("between the ends", z3.And(value >= end, value <= start))
    mirrored = call("AuctionMath.rise", end, start, early, duration)
    path.show("the mirror is between the ends", z3.And(mirrored >= end, mirrored <= start))


@proof(
    "the middle of a price range lies in it",
    "prices below 2^128",
    ("AuctionMath", "(low * high).sqrt()", "(low * high).sqrt() + 1"),
)  # fmt: skip
def middle_of_a_range(path: Path, call: Callable[..., Any]) -> None:
    low, high = path.integer("low", 0, 2**128 - 1), path.integer("high", 0, 2**128 - 1)
    path.know(low <= high)
    middle = call("AuctionMath.middle", low, high)
    path.show("squares", z3.And(low * low <= low * high, low * high <= high * high))
    path.show("not above", middle <= high)
    path.show("not below", middle >= low)


# --- the performance fee ----------------------------------------------------------------------------------------------


@proof(
    "a performance fee is worth at most its rate of the gain, and the mark never falls nor passes the NAV",
    "supply of 112 bits, values of 160 bits, any rate below 1, bound by the limit or not",
    ("FeeMath", "(nav - mark).fullMulDiv(rate, Constants.WAD)", "nav.fullMulDiv(rate, Constants.WAD)"),
    ("FeeMath", "supply.fullMulDiv(fee, backing - fee)", "supply.fullMulDivUp(fee, backing - fee)"),
    ("FeeMath", "reached - nav.fullMulDiv(shares, supply + shares)", "reached - nav.fullMulDiv(shares, supply)"),
)  # fmt: skip
def performance_fee(path: Path, call: Callable[..., Any]) -> None:
    supply = path.integer("supply", 1, U112)
    nav, mark, backing = (path.integer(name, 0, 2**160 - 1) for name in ("nav", "mark", "backing"))
    rate, most = path.integer("rate", 1, WAD - 1), path.integer("maxShares", 0, U112)
    path.know(nav <= backing, nav > mark)
    shares, after = call("FeeMath.performanceFee", supply, nav, mark, backing, rate, most)
    path.show("never more than may be minted", shares <= most)
    gain = nav - mark
    fee = path.floor(gain * rate, WAD)
    path.show("the fee is less than the gain", fee < gain)
    path.show("the new shares own at most the fee", shares * (backing - fee) <= supply * fee)
    path.show("in other words", shares * backing <= fee * (supply + shares))
    path.show("their part of the NAV is at most the fee", shares * nav <= shares * backing)
    path.show("as a product", shares * nav <= fee * (supply + shares))
    path.show("the mark does not fall", after >= mark)
    path.show("nor pass the NAV", after <= nav)


SOURCES = sorted({canary.file for one in PROOFS for canary in one.canaries} | {f"{FOLDER}Constants.sol"})
