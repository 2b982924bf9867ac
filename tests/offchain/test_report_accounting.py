"""Accounting on a tiny made-up run: it passes, and every single lie about it is found, with the exact difference.

accounting
├── given a consistent run → every check passes
├── given a missing, changed or invented transfer → the token and the difference are named
├── given a wrong balance of anybody, shares included → named
├── given a contract that holds a token, ether or an allowance → named
├── given an unpaid claim → named
└── given a wrong price, fill or flow → value does not add up, by exactly that much
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from offchain.report.accounting import Accounting, audit, value_line
from offchain.report.record import Books, CoinName, Day, Flow, Plan, Run, Swap, Transfer

INDEX, ALICE, POOL, GUARD, NOBODY = "0xIndex", "0xAlice", "0xPool", "0xGuard", "0x" + "0" * 40
A, B = "0xTokenA", "0xTokenB"
SHARE = 10**18


def a_run() -> Run:
    """Alice seeds 100 a and 50 b, the index sells 10 a for 19 b, a rises, Alice takes half of everything out."""
    marks = {"a": 2 * 10**27, "b": 10**27}
    later = {"a": 3 * 10**27, "b": 10**27}
    seed = Flow(
        kind="seed", who="alice", time=0, block=1, shares=100 * SHARE, fee_shares=0, amounts={"a": 100, "b": 50}
    )
    redeem = Flow(
        kind="redeem", who="alice", time=86_400, block=9, shares=50 * SHARE, fee_shares=0, amounts={"a": 45, "b": 34}
    )
    swap = Swap(
        step=0,
        block=5,
        sell="a",
        buy="b",
        sold=10,
        bought=19,
        sell_price=2 * 10**27,
        buy_price=10**27,
        venue="v2",
        gas=1,
    )
    plan = Plan(
        id=1,
        time=60,
        block=4,
        nav=250,
        weights={"a": 7 * 10**17, "b": 3 * 10**17},
        swaps=(swap,),
        start_gas=1,
        end_gas=1,
    )
    transfers = (
        Transfer(token=A, sender=NOBODY, receiver=ALICE, amount=100, block=0),
        Transfer(token=B, sender=NOBODY, receiver=ALICE, amount=50, block=0),
        Transfer(token=B, sender=NOBODY, receiver=POOL, amount=1000, block=0),
        Transfer(token=A, sender=ALICE, receiver=INDEX, amount=100, block=1),
        Transfer(token=B, sender=ALICE, receiver=INDEX, amount=50, block=1),
        Transfer(token=INDEX, sender=NOBODY, receiver=ALICE, amount=100 * SHARE, block=1),
        Transfer(token=A, sender=INDEX, receiver=POOL, amount=10, block=5),
        Transfer(token=B, sender=POOL, receiver=INDEX, amount=19, block=5),
        Transfer(token=INDEX, sender=ALICE, receiver=NOBODY, amount=50 * SHARE, block=9),
        Transfer(token=A, sender=INDEX, receiver=ALICE, amount=45, block=9),
        Transfer(token=B, sender=INDEX, receiver=ALICE, amount=34, block=9),
    )  # fmt: skip
    balances = {
        (A, INDEX): 45, (A, ALICE): 45, (A, POOL): 10, (A, GUARD): 0,
        (B, INDEX): 35, (B, ALICE): 34, (B, POOL): 981, (B, GUARD): 0,
        (INDEX, INDEX): 0, (INDEX, ALICE): 50 * SHARE, (INDEX, POOL): 0, (INDEX, GUARD): 0,
    }  # fmt: skip
    books = Books(
        index=INDEX, transfers=transfers, balances=balances, total_supply=50 * SHARE + 7, pending_fee_shares=7,
        allowances={(A, ALICE, INDEX): 3, (A, ALICE, GUARD): 0}, owed={A: 0, B: 0}, ether={GUARD: 0, INDEX: 0},
        names={INDEX: "LC", ALICE: "alice", POOL: "pool", GUARD: "guard"}, contracts=(GUARD,),
    )  # fmt: skip
    days = (
        Day(time=0, block=2, supply=100 * SHARE, pending_fee_shares=0, nav_per_share=25 * 10**8, held={"a": 100, "b": 50}, marks=marks),
        Day(time=86_400, block=7, supply=100 * SHARE, pending_fee_shares=7, nav_per_share=34 * 10**8, held={"a": 90, "b": 69}, marks=later),
    )  # fmt: skip
    return Run(
        market="made up", symbol="LC", name="Large", spec_hash="0x", index=INDEX, max_slippage_bps=50, drift_band=0.0,
        streaming_bps=0, growth=0, benchmarks=(), days=days, prices={"a": (2.0, 3.0), "b": (1.0, 1.0)}, reviews=(),
        coins={"a": CoinName(id="a", symbol="AAA", token=A, decimals=0), "b": CoinName(id="b", symbol="BBB", token=B, decimals=0)},
        plans=(plan,), flows=(seed, redeem), gas={}, books=books,
    )  # fmt: skip


def with_books(**changes: object) -> Run:
    run = a_run()
    return replace(run, books=replace(run.books, **changes))  # type: ignore[arg-type]


def failures(account: Accounting) -> dict[str, str]:
    return {check.name: check.detail for check in account.checks if not check.passed}


def test_audit_of_a_consistent_run_passes() -> None:
    account = audit(a_run())
    assert failures(account) == {} and account.passed
    assert [(line.coin, line.difference) for line in account.tokens] == [("a", 0), ("b", 0)]


def test_value_is_what_a_pencil_gives() -> None:
    line = value_line(a_run())
    # seed 100·2 + 50; the trade gives 20 for 19; 90 a rise by 1; out 45·3 + 34; left 45·3 + 35
    assert (line.put_in, line.trading_cost, line.price_gain, line.taken_out, line.inside) == tuple(
        dollars * 10**27 for dollars in (250, 1, 90, 169, 170)
    )
    assert line.difference == 0


@pytest.mark.parametrize("position", range(11))
def test_audit_given_a_missing_transfer_names_it(position: int) -> None:
    transfers = a_run().books.transfers
    missing = transfers[position]
    account = audit(with_books(transfers=transfers[:position] + transfers[position + 1 :]))
    assert not account.passed
    assert any(str(missing.amount) in detail for detail in failures(account).values())


def test_audit_given_a_missing_delivery_tells_token_and_difference() -> None:
    transfers = a_run().books.transfers
    account = audit(with_books(transfers=tuple(t for t in transfers if not (t.receiver == INDEX and t.amount == 19))))
    assert failures(account)["tokens of the index"] == "BBB: held − explained by Transfer events = 19"


def test_audit_given_one_unit_more_than_explained_fails() -> None:
    balances = {**a_run().books.balances, (A, INDEX): 46}
    found = failures(audit(with_books(balances=balances)))
    assert "AAA: held − explained by the index's events = 1" in found["tokens of the index"]
    assert f"inside − explained = {3 * 10**27}" in found["value"]


def test_audit_given_a_token_that_no_event_of_the_index_names_fails() -> None:
    stray = Transfer(token="0xStray", sender=ALICE, receiver=INDEX, amount=5, block=6)
    account = audit(with_books(transfers=(*a_run().books.transfers, stray)))
    assert "0xStray" in failures(account)["tokens of the index"]


def test_audit_given_shares_from_nowhere_fails() -> None:
    found = failures(audit(with_books(total_supply=50 * SHARE + 8)))
    assert found == {"shares": "supply − held − pending = 1"}


@pytest.mark.parametrize(
    ("change", "check", "told"),
    [
        (lambda b: {"balances": {**b.balances, (A, GUARD): 1}}, "contracts keep nothing", "guard holds 1"),
        (lambda b: {"ether": {GUARD: 2, INDEX: 0}}, "contracts keep nothing", "guard holds 2 wei"),
        (lambda b: {"allowances": {(A, INDEX, POOL): 4}}, "allowances", "LC allows pool 4"),
        (lambda b: {"allowances": {(A, ALICE, GUARD): 5}}, "allowances", "alice allows guard 5"),
        (lambda b: {"owed": {A: 6, B: 0}}, "claims", "6 of 0xTokenA"),
    ],
)
def test_audit_given_something_left_behind_names_it(
    change: Callable[[Books], dict[str, object]], check: str, told: str
) -> None:
    assert told in failures(audit(with_books(**change(a_run().books))))[check]


def test_audit_given_a_fill_at_another_price_than_the_feeds_fails_by_that_much() -> None:
    run = a_run()
    (plan,) = run.plans
    swap = replace(plan.swaps[0], buy_price=10**27 + 1)
    found = failures(audit(replace(run, plans=(replace(plan, swaps=(swap,)),))))
    assert found == {"value": "inside − explained = -19 × 1e-27 nUSD"}
