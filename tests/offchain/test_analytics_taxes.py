"""Tax lots against a hand-made table; lots always reconcile with what was bought and sold, to the last unit.

methods
├── fifo, lifo, hifo, average on one small story, by hand
├── a fee raises cost and lowers proceeds
└── holding time, gains by year
always
├── bought = sold + held, paid = cost sold + cost held, received = proceeds
└── selling everything leaves the same gain by every method
refused
└── sold more than held, out of order, unknown method or side, a file without its columns
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.analytics.taxes import (
    METHODS,
    Fill,
    bought,
    compare_methods,
    disposals_csv,
    lots_csv,
    read_trades_csv,
    settle,
    sold,
    trades_csv,
    unrealised,
)
from offchain.errors import UnusableTrades

T = datetime(2021, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return T + timedelta(days=number)


STORY = [
    bought(day(0), "ethereum", amount=1, usd=1_000),
    bought(day(100), "ethereum", amount=1, usd=3_000),
    bought(day(200), "ethereum", amount=1, usd=2_000),
    sold(day(400), "ethereum", amount="1.5", usd=6_000),
]


@pytest.mark.parametrize(
    ("method", "cost", "left"),
    [
        ("fifo", 1_000 + 1_500, 3_500),
        ("lifo", 2_000 + 1_500, 2_500),
        ("hifo", 3_000 + 1_000, 2_000),
        ("average", 3_000, 3_000),
    ],
)
def test_methods_choose_their_lots(method: str, cost: int, left: int) -> None:
    """T6, §6.7 19: the same sale for 6,000 costs 2,500, 3,500, 4,000 or 3,000 dollars."""
    ledger = settle(STORY, method=method)
    assert ledger.gain == (6_000 - cost) * 10**9
    assert ledger.cost == left * 10**9
    assert ledger.held("ethereum") == 15 * 10**17
    assert ledger.gains_by_year() == {2022: (6_000 - cost) * 10**9}


def test_holding_time_decides_the_term() -> None:
    first, second = settle(STORY, method="fifo").disposals
    assert (first.held_days, first.is_long_term) == (400, True)
    assert (second.held_days, second.is_long_term) == (300, False)
    assert settle(STORY, method="average").disposals[0].is_long_term is None


def test_fees_raise_cost_and_lower_proceeds() -> None:
    fills = [
        bought(day(0), "solana", amount=10, usd=1_000, fee_usd="3.25"),
        sold(day(1), "solana", amount=10, usd=1_200, fee_usd="4.75"),
    ]
    assert settle(fills).gain == (1_200 * 10**9 - 4_750_000_000) - (1_000 * 10**9 + 3_250_000_000)


def test_a_third_of_a_cent_is_not_lost() -> None:
    fills = [bought(day(0), "dogecoin", amount=3, usd="0.000000001")]
    fills += [sold(day(k), "dogecoin", amount=1, usd=1) for k in (1, 2, 3)]
    assert [disposal.cost for disposal in settle(fills).disposals] == [0, 0, 1]


def test_unrealised_gain_needs_a_price() -> None:
    ledger = settle(STORY)
    assert unrealised(ledger, {"ethereum": 4_000}) == {"ethereum": (6_000 - 3_500) * 10**9}
    with pytest.raises(UnusableTrades, match="no price of ethereum"):
        unrealised(ledger, {})


# --- always -----------------------------------------------------------------------------------------------------------

amounts = st.integers(min_value=1, max_value=10**24)
money = st.integers(min_value=0, max_value=10**18)


@st.composite
def histories(draw: st.DrawFn) -> list[Fill]:
    held = {"a": 0, "b": 0}
    fills = []
    for number in range(draw(st.integers(min_value=1, max_value=25))):
        coin = draw(st.sampled_from("ab"))
        side = draw(st.sampled_from(("buy", "sell"))) if held[coin] else "buy"
        amount = draw(amounts) if side == "buy" else draw(st.integers(min_value=1, max_value=held[coin]))
        held[coin] += amount if side == "buy" else -amount
        time = day(draw(st.integers(min_value=number, max_value=number)))
        fills.append(Fill(time=time, coin=coin, side=side, amount=amount, value=draw(money), fee=draw(money)))
    return fills


@given(histories(), st.sampled_from(METHODS))
def test_lots_reconcile_with_the_trades_to_the_last_unit(fills: list[Fill], method: str) -> None:
    """T6."""
    ledger = settle(fills, method=method)
    for coin in "ab":
        buys = [fill for fill in fills if fill.coin == coin and fill.side == "buy"]
        sales = [fill for fill in fills if fill.coin == coin and fill.side == "sell"]
        gone = [disposal for disposal in ledger.disposals if disposal.coin == coin]
        lots = [lot for lot in ledger.lots if lot.coin == coin]
        assert sum(fill.amount for fill in buys) == sum(d.amount for d in gone) + ledger.held(coin)
        assert sum(d.amount for d in gone) == sum(fill.amount for fill in sales)
        assert sum(fill.value + fill.fee for fill in buys) == sum(d.cost for d in gone) + sum(lot.cost for lot in lots)
        assert sum(d.proceeds for d in gone) == sum(fill.value - fill.fee for fill in sales)
        assert all(lot.amount > 0 and lot.cost >= 0 for lot in lots)


@given(histories())
def test_selling_everything_gains_the_same_by_every_method(fills: list[Fill]) -> None:
    ledger = settle(fills)
    end = [
        Fill(time=day(99), coin=coin, side="sell", amount=ledger.held(coin), value=10**12)
        for coin in "ab"
        if ledger.held(coin)
    ]
    gains = {name: one.gain for name, one in compare_methods([*fills, *end]).items()}
    assert len(set(gains.values())) == 1


@given(histories())
def test_hifo_never_gains_more_than_others_on_one_sale(fills: list[Fill]) -> None:
    ledger = settle([fill for fill in fills if fill.side == "buy"])
    held = ledger.held("a")
    if held < 2:
        return
    sale = Fill(time=day(99), coin="a", side="sell", amount=held // 2, value=10**15)
    buys = [fill for fill in fills if fill.side == "buy"]
    gains = {name: one.gain for name, one in compare_methods([*buys, sale]).items()}
    # each lot it takes from is rounded once
    assert all(gains["hifo"] <= gain + len(buys) for gain in gains.values())


# --- files ------------------------------------------------------------------------------------------------------------


def test_trades_survive_their_file() -> None:
    fills = (
        *STORY[:3],
        sold(day(400), "ethereum", amount=Decimal("0.000000000000000001"), usd="0.5", note="0xabc, why"),
    )
    assert read_trades_csv(trades_csv(fills)) == fills


def test_files_say_everything_in_plain_digits() -> None:
    ledger = settle(STORY)
    assert disposals_csv(ledger).splitlines()[1] == (
        "ethereum,1,2021-01-01T00:00:00Z,2022-02-05T00:00:00Z,4000.00,1000.00,3000.00,400,long,fifo,"
    )
    assert lots_csv(ledger).splitlines()[1:] == [
        "ethereum,0.5,2021-04-11T00:00:00Z,1500.00",
        "ethereum,1,2021-07-20T00:00:00Z,2000.00",
    ]


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fills", "word"),
    [
        ([sold(day(0), "x", amount=1, usd=1)], "only 0 are held"),
        ([bought(day(1), "x", amount=1, usd=1), bought(day(0), "x", amount=1, usd=1)], "sort them by time"),
        ([bought(day(1), "x", amount=0, usd=1)], "must be above zero"),
        ([Fill(time=day(0), coin="x", side="short", amount=1, value=1)], "neither buy nor sell"),
    ],
)
def test_trades_that_do_not_fit_are_refused(fills: list[Fill], word: str) -> None:
    with pytest.raises(UnusableTrades, match=word):
        settle(fills)


def test_a_method_nobody_knows_is_refused_with_the_closest() -> None:
    with pytest.raises(UnusableTrades, match='Did you mean "fifo"'):
        settle(STORY, method="fifi")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("time,coin\n", "side, amount"),
        ("time,side,coin,amount,value_usd\n2021-01-01,buy,x,1,1\n", "line 2: the time has no zone"),
        ("time,side,coin,amount,value_usd\n2021-01-01T00:00:00Z,hold,x,1,1\n", "neither buy nor sell"),
        ("time,side,coin,amount,value_usd\n2021-01-01T00:00:00Z,buy,x,-1,1\n", "line 2: amount -1 is below 0"),
    ],
)
def test_files_that_cannot_be_read_name_the_line(text: str, word: str) -> None:
    with pytest.raises(UnusableTrades, match=word):
        read_trades_csv(text)
