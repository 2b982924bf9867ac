"""Auctions by hand: shown, opened, closed and filled, from the command line and from Python.

commands
├── given a plan: show, open, warm-up, fill, close, each says what stands and what it costs
└── given what cannot be: one clear line, exit code 1, nothing sent
fill
├── pays what the price of the moment asks, to the last unit, and leaves no allowance
├── takes less than asked where the plan has less
└── refused: pays nothing, and leaves no allowance either
open
├── by the strategist on any terms of the policy, by anyone on the public ones once the window is over
└── the offset that is shown is the contract's, at every second
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from offchain.chain import auctions
from offchain.chain.accounts import resolve
from offchain.chain.auctions import AuctionTerms, fill, open_auction, plan_fill, read_auctions
from offchain.chain.auctions_text import auctions_text
from offchain.chain.core import erc20
from offchain.chain.reads import ComponentState
from offchain.chain.transactions import send
from offchain.errors import BallastError, ChainError, InsufficientBalance, TransactionReverted
from offchain.launch import fund_locally, launch, plan_launch

if TYPE_CHECKING:
    from conftest import Brownie

    from offchain.chain.auctions import Auctions
    from offchain.devnet import Devnet
    from offchain.launch import Launched

EQ5 = "offchain/indexes/eq5.toml"
AUCTIONS = """
[auctions]
max_minutes = 90
max_premium_bps = 250
max_discount_bps = 50
warm_up_seconds = 30
strategist_window_minutes = 60
"""
D27 = 10**27
HALF_DAY = 12 * 3600  # {s} of the plan


@pytest.fixture
def index(chain: Devnet, tmp_path: Path) -> Launched:
    """EQ5 with auctions, before any plan."""
    file = tmp_path / "eq5.toml"
    file.write_text(Path(EQ5).read_text().replace("max_weight = 0.2", "max_weight = 0.3") + AUCTIONS)
    deployer = resolve(chain.w3, "deployer")
    return launch(chain.w3, deployer, plan_launch(chain.w3, deployer, str(file)))


@pytest.fixture
def planned(chain: Devnet, index: Launched) -> Launched:
    """A plan from a fifth each to 25, 25, 15, 15 and 20 %: two tokens are bought, two sold, one stays."""
    weights = [25 * 10**16] * 2 + [15 * 10**16] * 2 + [20 * 10**16]
    rebalancer = index.core.contract(chain.w3, "rebalancer")
    start = rebalancer.functions.startPlan(index.index.address, 1, 1, [], weights, HALF_DAY)
    send(chain.w3, resolve(chain.w3, "keeper"), start)
    return index


def look(chain: Devnet, index: Launched, *, quotes: bool = True) -> Auctions:
    return read_auctions(chain.w3, index.core, index.index.address, quotes=quotes)


def opened(chain: Devnet, index: Launched, terms: AuctionTerms | None = None) -> Auctions:
    return open_auction(chain.w3, resolve(chain.w3, "keeper"), index.core, index.index.address, terms)


def at_the_end(chain: Devnet, index: Launched) -> Auctions:
    """The default auction, in its last second: 50 bps below the oracle."""
    chain.node.mine(timestamp=opened(chain, index).auction.ends_at)
    return look(chain, index)


def planned_fill(chain: Devnet, index: Launched, amount: int, **also: int) -> auctions.FillPlan:
    view = look(chain, index, quotes=False)
    sell, buy = view.surpluses[0].symbol, view.deficits[0].symbol
    return plan_fill(chain.w3, index.core, index.index.address, sell, buy, amount, **also)


def held(chain: Devnet, item: ComponentState, who: str) -> int:
    return int(erc20(chain.w3, item.token).functions.balanceOf(who).call())


def allowance(chain: Devnet, plan: auctions.FillPlan, who: str) -> int:
    return int(erc20(chain.w3, plan.buy.token).functions.allowance(who, plan.house).call())


# --- commands ---------------------------------------------------------------------------------------------------------


def test_an_auction_is_shown_opened_filled_and_closed_from_the_command_line(
    chain: Devnet, planned: Launched, brownie: Brownie
) -> None:
    view = look(chain, planned)
    sell, buy = view.surpluses[0], view.deficits[0]
    shown = brownie("auctions", "show", "EQ5")
    assert (shown.code, shown.errors) == (0, [])
    assert "from at most +250 bps to at least -50 bps, 5 to 90 minutes, warm-up 30 s" in shown.out
    assert "none of this plan yet" in shown.out and "the strategist now, anyone from" in shown.out
    # 5 % of 50,000 USD each way, twice
    assert shown.out.count("$2,500.00") + shown.out.count("$2,499.99") == 4

    done = brownie("auctions", "open", "EQ5", "150", "-30", "60", "linear")
    assert (done.code, done.errors) == (0, []) and "(warm-up)" in done.out
    assert "+150 bps now, -30 bps at its end, linear from +150 bps" in done.out
    early = brownie("auctions", "fill", "EQ5", sell.symbol, buy.symbol, "1", "bob")
    assert early.code == 1 and "is in its warm-up: it takes fills from" in early.errors[-1]

    auction = look(chain, planned).auction
    chain.node.mine(timestamp=auction.starts_at + 1800)
    shown = brownie("auctions", "show", "EQ5")
    assert "+60 bps now" in shown.out and f"{sell.symbol} for {buy.symbol}" in shown.out
    assert shown.out.count("+60.0 bps") == 4  # each pair: halfway from +150 to -30

    bob = resolve(chain.w3, "bob")
    before = held(chain, sell, bob)
    amount = sell.surplus // 2 / 10**sell.decimals
    done = brownie("auctions", "fill", "EQ5", sell.symbol, buy.symbol, f"{amount:.6f}", "bob", FAUCET="1")
    assert (done.code, done.errors) == (0, []), done
    assert "at +60 bps of the oracle's price" in done.out and "bps of the oracle's price; gas" in done.out
    assert held(chain, sell, bob) - before == int(f"{amount:.6f}".replace(".", "")) * 10 ** (sell.decimals - 6)
    assert allowance(chain, planned_fill(chain, planned, 1), bob) == 0

    again = brownie("auctions", "open", "EQ5")
    assert again.code == 1 and "auction 1 of EQ5 stands until" in again.errors[-1]
    closed = brownie("auctions", "close", "EQ5", "guardian")
    assert (closed.code, closed.errors) == (0, []) and "EQ5 auction 1 closed" in closed.out
    assert "1, closed" in brownie("auctions", "show", "EQ5").out


def test_mistakes_at_the_command_line_are_one_line(chain: Devnet, planned: Launched, brownie: Brownie) -> None:
    height = chain.w3.eth.block_number
    cases = {
        ("open", "EQ5", "150", "-30", "sixty", "linear"): "minutes 'sixty' is not a whole number",
        ("open", "EQ5", "150", "-30", "60", "linaer"): '"linaer" is no curve. Did you mean "linear"?',
        ("fill", "EQ5", "DOGGE", "WBTC", "1"): "DOGGE is not a component of EQ5",
    }
    for arguments, message in cases.items():
        ended = brownie("auctions", *arguments)
        assert ended.code == 1 and message in ended.errors[-1], ended
    assert brownie("auctions", "open", "EQ5", "150", "-30").code == 2
    assert chain.w3.eth.block_number == height


# --- fill -------------------------------------------------------------------------------------------------------------


def test_a_fill_pays_what_the_price_of_the_moment_asks_and_leaves_no_allowance(
    chain: Devnet, planned: Launched
) -> None:
    """50 bps below the oracle from the first second to the last: ceil(sell * price * 0.995 / price), reckoned here."""
    bob = resolve(chain.w3, "bob")
    view = opened(chain, planned, wide(start_ppm=-5_000, duration=3_600))
    sell, buy = view.surpluses[0], view.deficits[0]
    fund_locally(chain.w3, bob, {buy.token: 2 * buy.deficit})
    chain.node.mine(timestamp=view.auction.starts_at)
    plan = planned_fill(chain, planned, sell.surplus // 3)
    assert (plan.get, plan.asked) == (sell.surplus // 3, sell.surplus // 3)
    assert plan.max_pay == -(-plan.pay * 10_050 // 10_000) and plan.min_get == plan.get * 9_950 // 10_000
    had = held(chain, sell, bob), held(chain, buy, bob)
    done = fill(chain.w3, bob, planned.core, plan)
    assert done.paid == plan.pay == -(-(sell.surplus // 3) * sell.price * 995_000 // (buy.price * 1_000_000))
    assert (held(chain, sell, bob) - had[0], had[1] - held(chain, buy, bob)) == (done.got, done.paid)
    assert done.got == sell.surplus // 3 and round(done.paid_bps, 2) == -50
    assert allowance(chain, plan, bob) == 0


def test_a_fill_takes_no_more_than_the_plan_sells(chain: Devnet, planned: Launched) -> None:
    bob = resolve(chain.w3, "bob")
    view = at_the_end(chain, planned)
    sell, buy = view.surpluses[0], view.deficits[0]
    plan = planned_fill(chain, planned, 10 * sell.surplus)
    assert plan.asked == 10 * sell.surplus and plan.get == sell.surplus and plan.pay <= buy.deficit
    (quote,) = [item for item in view.quotes if (item.sell, item.buy) == (sell, buy)]
    assert (quote.sell_amount, quote.buy_amount) == (plan.get, plan.pay)
    with pytest.raises(InsufficientBalance, match=f"holds too little for a fill of EQ5: {buy.symbol} has 0, needs"):
        fill(chain.w3, bob, planned.core, plan)


def test_a_refused_fill_pays_nothing_and_leaves_no_allowance(chain: Devnet, planned: Launched) -> None:
    """The price of what is sold jumps by 3 % between quote and fill; half a per cent is the most that was to be lost."""
    bob = resolve(chain.w3, "bob")
    view = opened(chain, planned)
    sell, buy = view.surpluses[0], view.deficits[0]
    fund_locally(chain.w3, bob, {buy.token: 2 * buy.deficit})
    chain.node.mine(timestamp=view.auction.starts_at + 600)
    plan = planned_fill(chain, planned, sell.surplus // 2)
    coin = next(coin for coin, token in chain.tokens.items() if token.address == sell.token)
    chain.set_feed(coin, chain.price(coin) * 103 / 100)
    had = held(chain, buy, bob)
    with pytest.raises(TransactionReverted, match="FillTooExpensive"):
        fill(chain.w3, bob, planned.core, plan)
    assert held(chain, buy, bob) == had and allowance(chain, plan, bob) == 0
    with pytest.raises(TransactionReverted, match="FillTooExpensive"):
        fill(chain.w3, bob, planned.core, dataclasses.replace(plan, max_pay=plan.pay * 102 // 100))
    done = fill(chain.w3, bob, planned.core, dataclasses.replace(plan, max_pay=plan.pay * 104 // 100))
    assert done.got == plan.get and allowance(chain, plan, bob) == 0


# --- open -------------------------------------------------------------------------------------------------------------


def test_anyone_opens_on_the_public_terms_once_the_window_is_over(chain: Devnet, planned: Launched) -> None:
    eve, address = resolve(chain.w3, "eve"), planned.index.address
    own = AuctionTerms(start_ppm=10_000, end_ppm=0, duration=600, curve="linear")
    with pytest.raises(
        ChainError, match=r"eve|0x.* is no strategist of EQ5, and others may open an auction of plan 1 from"
    ):
        open_auction(chain.w3, eve, planned.core, address)
    chain.node.mine(timestamp=look(chain, planned).state.plan.started_at + 3600)
    with pytest.raises(ChainError, match="is no strategist of EQ5: others may .* only on the public terms"):
        open_auction(chain.w3, eve, planned.core, address, own)
    view = open_auction(chain.w3, eve, planned.core, address)
    assert (view.auction.start_ppm, view.auction.end_ppm, view.auction.curve) == (25_000, -5_000, 1)
    assert view.auction.ends_at - view.auction.starts_at == 5_400
    with pytest.raises(ChainError, match="is neither strategist nor guardian of EQ5"):
        auctions.close_auction(chain.w3, eve, planned.core, address)


@pytest.mark.parametrize("curve", ["linear", "exponential"])
def test_the_offset_that_is_shown_is_the_contracts_at_every_moment(
    chain: Devnet, planned: Launched, curve: str
) -> None:
    terms = AuctionTerms(start_ppm=20_000, end_ppm=-5_000, duration=3600, curve=curve)
    auction = opened(chain, planned, terms).auction
    seen = []
    for elapsed in (0, 1, 599, 1800, 3599, 3600):
        chain.node.mine(timestamp=auction.starts_at + elapsed)
        offset = planned_fill(chain, planned, 10**6).offset
        assert offset == look(chain, planned, quotes=False).auction.offset_at(auction.starts_at + elapsed)
        seen.append(offset)
    assert seen == sorted(seen, reverse=True) and (seen[0], seen[-1]) == (20_000, -5_000)
    assert seen[3] == (7_500 if curve == "linear" else 7_423)  # 1e6 * sqrt(1.02 * 0.995) = 1,007,422.45, rounded up


def policy_without_auctions(chain: Devnet, index: Launched) -> None:
    """The governor's actions wait a day, so his account is let through as the AccessManager itself would."""
    governor, house = resolve(chain.w3, "governor"), auctions.house_of(chain.w3, index.core)
    manager = index.index.authority_contract(chain.w3)
    data = house.encode_abi("setAuctionPolicy", [index.index.address, (0,) * 8])
    send(chain.w3, governor, manager.functions.schedule(house.address, data, 0))
    chain.node.advance(86_400)
    send(chain.w3, governor, manager.functions.execute(house.address, data))


def wide(**other: object) -> AuctionTerms:
    return dataclasses.replace(AuctionTerms(start_ppm=25_000, end_ppm=-5_000, duration=600, curve="linear"), **other)  # type: ignore[arg-type]


Do = Callable[["Devnet", "Launched"], object]
WRONG: dict[str, tuple[Do, str]] = {
    "start above the policy": (
        lambda chain, index: opened(chain, index, wide(start_ppm=25_100)),
        r"start \+251 bps of the oracle's price is outside -50 bps to \+250 bps",
    ),
    "end below the policy": (
        lambda chain, index: opened(chain, index, wide(end_ppm=-5_100)),
        r"end -51 bps of the oracle's price is outside -50 bps to \+250 bps",
    ),
    "start below the end": (
        lambda chain, index: opened(chain, index, wide(start_ppm=0, end_ppm=100)),
        r"start \+0 bps of the oracle's price is outside \+1 bps to \+250 bps",
    ),
    "too short": (
        lambda chain, index: opened(chain, index, wide(duration=299)),
        r"a duration of 4.98\d* minutes is outside 5 minutes to 90 minutes",
    ),
    "too long": (
        lambda chain, index: opened(chain, index, wide(duration=5_460)),
        "a duration of 91 minutes is outside 5 minutes to 90 minutes",
    ),
    "no auction to fill": (
        lambda chain, index: planned_fill(chain, index, 1),
        "plan 1 of EQ5 has had no auction; open one: the strategist may now, anyone from",
    ),
    "no auction to close": (
        lambda chain, index: auctions.close_auction(
            chain.w3, resolve(chain.w3, "keeper"), index.core, index.index.address
        ),
        "plan 1 of EQ5 has had no auction; open one",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_said_before_anything_is_sent(chain: Devnet, planned: Launched, case: str) -> None:
    act, message = WRONG[case]
    height = chain.w3.eth.block_number
    with pytest.raises(BallastError, match=message):
        act(chain, planned)
    assert chain.w3.eth.block_number == height


def test_a_pair_that_is_not_in_the_plan_is_named_with_what_is(chain: Devnet, planned: Launched) -> None:
    view = at_the_end(chain, planned)
    sell, buy = view.surpluses[0].symbol, view.deficits[0].symbol

    def ask(one: str, other: str) -> None:
        plan_fill(chain.w3, planned.core, planned.index.address, one, other, 1)

    sold = ", ".join(item.symbol for item in view.surpluses)
    with pytest.raises(ChainError, match=f"{buy} is not above its target in plan 1 of EQ5; it sells {sold}"):
        ask(buy, sell)
    bought = ", ".join(item.symbol for item in view.deficits)
    with pytest.raises(ChainError, match=f"{sell} is not below its target in plan 1 of EQ5; it buys {bought}"):
        ask(sell, sell)


def test_without_a_plan_or_auctions_there_is_nothing_to_open(chain: Devnet, index: Launched) -> None:
    with pytest.raises(ChainError, match=r"EQ5 has no live plan \(there was none yet\)"):
        opened(chain, index)
    assert "plan      none yet" in auctions_text(look(chain, index))
    policy_without_auctions(chain, index)
    with pytest.raises(ChainError, match=r"EQ5 has no auctions \(its policy allows 0 minutes\): give \[auctions\]"):
        opened(chain, index)
    assert "none: the policy allows 0 minutes" in auctions_text(look(chain, index))


def test_an_auction_ends_with_its_plan_and_so_does_what_is_shown(chain: Devnet, planned: Launched) -> None:
    expires = look(chain, planned).state.plan.expires_at
    chain.node.mine(timestamp=expires - 1800)
    view = opened(chain, planned)
    assert view.auction.ends_at > expires and view.ends_at == expires - 1
    text = auctions_text(view)
    assert "the strategist not before the next plan, others not in this plan" in text
    chain.node.mine(timestamp=expires)
    after = look(chain, planned)
    assert not after.is_open and "plan      1, over" in auctions_text(after)
    first, second = (item.symbol for item in after.state.components[:2])
    with pytest.raises(ChainError, match=r"EQ5 has no live plan \(plan 1 is over\)"):
        plan_fill(chain.w3, planned.core, planned.index.address, first, second, 1)
