"""Fees: each to the wei of the contracts' twins, and by hand where a hand can follow.

twins        a year of mints, redemptions and collections beside `IndexModel`, share by share
by hand      streaming · mint · redeem · performance · rebalance fee and tip
schedule     a gain is charged once, when it is due, at the lower of two looks
in a run     the level falls by exactly what was minted
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, getcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_frames import daily_frame

from offchain.backtest import FREE, CostModel, Fixed, Flow, Rules, Terms, run_decider
from offchain.backtest import fees as fee_book
from offchain.errors import MarketDataError
from offchain.market import Market
from offchain.reference.constants import D27, WAD, YEAR
from offchain.reference.model import IndexModel, PlainToken
from offchain.spec import IndexSpec
from offchain.spec.rebalance_rules import RebalanceRules
from tests.fuzz import examples

getcontext().prec = 60
DAY = 86_400
NAV = 100 * 10**9 * 10**9  # D27{nUSD/share} of 100 USD a whole share
DAILY = RebalanceRules(calendar="daily")
HALVES = Fixed(weights={"bitcoin": WAD // 2, "solana": WAD // 2})


def twin(terms: Terms, shares: int) -> IndexModel:
    token = PlainToken(balances={"index": 10**30, "alice": 10**40})
    model = IndexModel(
        components=["btc"],
        tokens={"btc": token},
        fee_recipient="recipient",
        streaming_fee=terms.streaming,
        mint_fee=terms.mint,
        redeem_fee=terms.redeem,
    )
    model.bootstrap(shares, receiver="alice", now=0)
    return model


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.tuples(st.sampled_from(["mint", "redeem", "wait"]), st.integers(1, 10**21), st.integers(0, 40 * DAY)),
        max_size=12,
    ),
    st.integers(0, 500),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_book_is_the_contract_to_the_wei(
    steps: list[tuple[str, int, int]], streaming: int, mint: int, redeem: int
) -> None:
    """F1, F2: supply, received shares and the recipient's shares after every step."""
    terms = Terms(streaming=streaming * 10**14, mint=mint * 10**14, redeem=redeem * 10**14)
    shares = 10**22
    model, book, now = twin(terms, shares), fee_book.opened(shares=shares, nav=NAV, now=0), 0
    owned = shares - 10**9
    for kind, amount, wait in steps:
        now += wait
        if kind == "mint":
            model.mint("alice", amount, receiver="alice", now=now)
            book, received = fee_book.minted(book, terms, shares=amount, now=now)
            owned += received
        elif kind == "redeem":
            amount = min(amount, owned // 2)
            if not amount:
                continue
            model.redeem("alice", amount, receiver="alice", now=now)
            book, _ = fee_book.redeemed(book, terms, shares=amount, now=now)
            owned -= amount
        else:
            book = fee_book.accrued(book, terms, value=10**15, now=now)
        assert book.supply(terms, now) == model.total_supply(now)
        assert owned == model.shares["alice"]
    model.collect(now)
    book = fee_book.accrued(book, terms, value=10**15, now=now)
    assert sum(book.charged.values()) == model.shares.get("recipient", 0)


def test_streaming_fee_of_a_year_takes_exactly_its_rate() -> None:
    """F2: 0.95 % a year: after one year the holders own 99.05 % of the supply, however often it was collected."""
    terms = Terms(streaming=95 * 10**14)
    often = once = fee_book.opened(shares=10**24, nav=NAV, now=0)
    for day in range(1, 366):
        often = fee_book.accrued(often, terms, value=10**17, now=day * DAY)
    once = fee_book.accrued(once, terms, value=10**17, now=YEAR)
    assert often.charged == once.charged
    exact = Decimal(10**24) / Decimal("0.9905") - 10**24
    assert abs(often.charged["streaming"] - exact) < 10**9
    assert fee_book.year_of_streaming(terms) == pytest.approx(95 * 10**14, abs=2)


@pytest.mark.parametrize(
    ("shares", "fee_bps", "fee"), [(10**18, 10, 10**15), (1, 10, 1), (999, 30, 3), (10**18 + 1, 100, 10**16 + 1)]
)
def test_one_off_fees_by_hand(shares: int, fee_bps: int, fee: int) -> None:
    """F1: rounded up."""
    terms = Terms(mint=fee_bps * 10**14, redeem=fee_bps * 10**14)
    book = fee_book.opened(shares=10**24, nav=NAV, now=0)
    after, received = fee_book.minted(book, terms, shares=shares, now=0)
    assert (received, after.charged["mint"]) == (shares - fee, fee)
    assert after.supply(terms, 0) == 10**24 + shares
    after, paid = fee_book.redeemed(book, terms, shares=shares, now=0)
    assert (paid, after.charged["redeem"]) == (shares - fee, fee)
    assert after.supply(terms, 0) == 10**24 - shares + fee


def value_of(book: fee_book.Book, terms: Terms, usd: int, now: int) -> int:
    """{nUSD} of the basket at `usd` a whole share."""
    return usd * 10**9 * book.supply(terms, now) // WAD


def test_performance_fee_is_charged_when_due_at_the_lower_of_two_looks() -> None:
    """F3: 10 % of the gain from 100 to 120, seen at 130 and then at 120: 2 USD of 120 a share."""
    terms = Terms(performance=10**17, interval=30 * DAY)
    book = fee_book.opened(shares=10**21, nav=NAV, now=0)
    for day, usd in ((10, 150), (29, 140)):
        book = fee_book.accrued(book, terms, value=value_of(book, terms, usd, day * DAY), now=day * DAY)
    assert book.observed == (0, 0) and not any(book.charged.values())
    book = fee_book.accrued(book, terms, value=value_of(book, terms, 130, 30 * DAY), now=30 * DAY)
    assert book.observed == (130 * NAV // 100, 30 * DAY)
    value = value_of(book, terms, 120, 31 * DAY)
    book = fee_book.accrued(book, terms, value=value, now=31 * DAY)
    # 2 USD of 118 that stay with the holders, in new shares
    assert book.charged["performance"] == 10**21 * 2 // 118
    after = fee_book.nav_per_share(book, terms, value=value, now=31 * DAY)
    assert after == pytest.approx(118 * NAV // 100, rel=1e-18)
    assert 0 <= book.mark - after <= 2
    again = fee_book.accrued(book, terms, value=value, now=62 * DAY)
    assert again.charged == book.charged and again.observed == (0, 0)


def test_loss_is_made_good_before_anything_is_charged() -> None:
    """F3: only on profit above the high-water mark."""
    terms = Terms(performance=2 * 10**17, interval=7 * DAY)
    book = fee_book.opened(shares=10**21, nav=NAV, now=0)
    for day in range(1, 200):
        usd = 60 + day // 5
        book = fee_book.accrued(book, terms, value=value_of(book, terms, usd, day * DAY), now=day * DAY)
    assert not any(book.charged.values()) and book.mark == NAV


def test_performance_fee_stops_at_what_modules_may_mint() -> None:
    """F3: a hundredfold gain at 20 % would be a fifth of the supply; a tenth is minted in 30 days, the rest later."""
    terms = Terms(performance=2 * 10**17, interval=7 * DAY)
    book = fee_book.opened(shares=10**21, nav=NAV, now=0)
    value = value_of(book, terms, 10_000, 0)
    for day in range(7, 9):
        book = fee_book.accrued(book, terms, value=value, now=day * DAY)
    assert book.charged["performance"] == 10**20
    assert NAV < book.mark < fee_book.nav_per_share(book, terms, value=value, now=9 * DAY)
    assert fee_book.module_left(book, 8 * DAY) == 0


def test_rebalance_fee_and_tip_by_hand() -> None:
    """F4: 2,000 and 1,000 ppm of 30 % one-way turnover: 6 bps and 3 bps of the supply, rounded down."""
    terms = Terms(rebalance=2_000, tip=1_000)
    book = fee_book.opened(shares=10**21, nav=NAV, now=0)
    book = fee_book.settled(book, terms, turnover=3 * 10**17, loss=10**15, now=5)
    tip = 10**21 * 3 // 10_000
    assert book.charged["tip"] == tip
    assert book.charged["rebalance"] == 10**21 * 6 // 10_000
    assert book.supply(terms, 5) == 10**21 + tip + 10**21 * 6 // 10_000


def test_rebalance_fee_stays_inside_what_the_guard_lets_a_plan_lose() -> None:
    """F4: a budget of 50 bps of which 49.96 went to trading leaves 0.04 bps, the tip first."""
    terms = Terms(rebalance=2_000, tip=10, loss_capacity=50 * 10**14)
    book = fee_book.opened(shares=10**21, nav=NAV, now=0)
    book = fee_book.settled(book, terms, turnover=3 * 10**17, loss=4_996 * 10**12, now=5)
    assert book.charged["tip"] == 10**21 * 3 // 10**6
    assert book.charged["rebalance"] == 10**21 * 1 // 10**6


@pytest.mark.parametrize(
    ("name", "value"), [("streaming", WAD), ("mint", 2 * 10**16), ("tip", 5_000), ("interval", 60)]
)
def test_terms_beyond_the_contracts_are_refused(name: str, value: int) -> None:
    with pytest.raises(MarketDataError, match=f"fees: {name} = {value}"):
        Terms(**{name: value})


def test_terms_of_an_index_file(lc10: IndexSpec) -> None:
    """F6: every methodology has its own schedule."""
    terms = Terms.of(lc10)
    assert (terms.streaming, terms.mint, terms.redeem) == (95 * 10**14, 10**15, 10**15)
    assert (terms.performance, terms.rebalance, terms.tip) == (0, 0, 0)
    paid = replace(lc10, auctions=replace(lc10.auctions, rebalance_fee_bps=4, keeper_tip_bps=3))
    assert (Terms.of(paid).rebalance, Terms.of(paid).tip) == (400, 300)  # {ppm}


# --- in a run ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market() -> Market:
    return Market.from_frame(daily_frame(days=120))


def test_net_level_is_the_gross_one_less_every_fee(market: Market) -> None:
    """F2, F4, F5: NAV per share is the basket over the supply, and the supply grows by what was charged and nothing else."""
    terms = Terms(streaming=2 * 10**16, performance=10**17, interval=30 * DAY, rebalance=1_000, tip=500)
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY), terms=terms, costs=FREE)
    assert {"streaming", "performance", "rebalance", "tip"} <= set(run.fees)
    first = 10**21
    assert run.supply[-1] == first + sum(shares for shares, _ in run.fees.values())
    for row in (0, 50, len(run) - 1):
        value = int(Decimal(repr(float(run.nav[row]))) * 10**9)
        assert run.nav_per_share[row] == value * D27 // run.supply[row]
        ratio = Decimal(first) / Decimal(run.supply[row])
        assert run.net[row] / run.gross[row] == pytest.approx(float(ratio), rel=1e-12)


def test_investors_pay_their_own_fees_and_nobody_elses(market: Market) -> None:
    """F1, F5: 50,000 USD in at 1 %: 500 USD of shares to the recipient, the level of the others stays."""
    terms = Terms(mint=10**16, redeem=5 * 10**15)
    when = datetime(2024, 2, 1, tzinfo=UTC)
    flows = [
        Flow(time=when, kind="mint", usd=50_000.0),
        Flow(time=when + timedelta(days=20), kind="redeem", usd=20_000.0),
    ]
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY), terms=terms, costs=FREE, flows=flows)
    alone = run_decider(HALVES, market, rules=Rules(calendar=DAILY), costs=FREE)
    shares, usd = run.fees["mint"]
    assert usd == pytest.approx(500.0, rel=1e-6)
    assert run.fees["redeem"][1] == pytest.approx(100.0, rel=1e-6)
    for row, (one, other) in enumerate(zip(run.nav_per_share, alone.nav_per_share, strict=True)):
        assert one == pytest.approx(other, rel=1e-12), row
    assert shares == run.charges[0].shares


def test_costs_take_from_the_basket_and_fees_from_the_shares(market: Market) -> None:
    """F5, F8: both together are the whole distance between gross and net."""
    terms = Terms(streaming=2 * 10**16)
    run = run_decider(HALVES, market, rules=Rules(calendar=DAILY), terms=terms, costs=CostModel())
    kept = 1.0
    for review in run.reviews:
        kept *= 1.0 - review.cost
    diluted = 10**21 / run.supply[-1]
    assert run.net[-1] / run.gross[-1] == pytest.approx(kept * diluted, rel=1e-12)
