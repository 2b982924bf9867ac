"""The risk register and the quarterly review: every kind of risk, the file's own limits, the study's own numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from offchain.errors import MarketDataError
from offchain.market import Market
from offchain.research.register import KINDS, quarter_days, register_table, review_pack, risk_register
from offchain.research.statements import ADVICE, PAST
from offchain.research.study import Study, study
from offchain.spec import IndexSpec, find_spec


@pytest.fixture(scope="module")
def told(synthetic: Market) -> Study:
    return study(find_spec("EQ5"), synthetic, start="2025-01-01", end="2025-03-31", is_quick=True)


def test_register_has_every_kind_of_risk_with_the_limits_of_the_file(lc10: IndexSpec) -> None:
    """P12: market, smart contract, methodology, platform, counterparty."""
    risks = risk_register(lc10)
    assert {risk.kind for risk in risks} == set(KINDS)
    limits = " ".join(risk.limit for risk in risks)
    for number in (
        "at most 25 % each, 10 coins",
        "50 bps (0.5 %) in 24 h",
        "wait 24 h",
        "$5,000,000",
        "100 bps (1 %) a trade",
    ):
        assert number in limits
    assert all(risk.limit and risk.owner for risk in risks)


def test_another_limit_in_the_file_is_another_line(lc10: IndexSpec) -> None:
    tighter = replace(lc10, guard=replace(lc10.guard, loss_bps=20))
    before, after = (dict(zip(range(9), risk_register(spec), strict=False)) for spec in (lc10, tighter))
    assert [key for key in before if before[key] != after[key]] == [2]
    assert "20 bps (0.2 %) in 24 h" in after[2].limit


def test_register_with_a_study_says_how_it_stands(told: Study) -> None:
    _, rows = register_table(risk_register(told.spec, told))
    stands = " ".join(row[3] for row in rows)
    assert f"{told.table['EQ5']['max_drawdown'].value:.1%}" in stands
    assert f"{told.run.rebalances} rebalances" in stands


def test_review_pack_is_complete(told: Study) -> None:
    """P8, P13: results, correlation, decisions, stress, register, and what to decide."""
    text = review_pack(told, quarter="2025-Q1")
    for heading in (
        "Results",
        "Holdings",
        "Correlation",
        "Decisions",
        "Cost and tracking",
        "Stress",
        "Risk register",
        "To decide",
    ):
        assert f"## {heading}\n" in text
    assert "Were the rules worth it?" in text
    assert PAST in text and ADVICE in text
    for review in told.run.reviews:
        assert f"{review.time:%Y-%m-%d}" in text


@pytest.mark.parametrize(
    ("quarter", "first", "last"),
    [
        ("2021-Q1", date(2021, 1, 1), date(2021, 3, 31)),
        ("2024-Q2", date(2024, 4, 1), date(2024, 6, 30)),
        ("2021-Q4", date(2021, 10, 1), date(2021, 12, 31)),
    ],
)
def test_quarters_are_three_months(quarter: str, first: date, last: date) -> None:
    assert quarter_days(quarter) == (first, last)


@pytest.mark.parametrize("quarter", ["2021", "2021-Q5", "21-Q1", "Q1-2021"])
def test_what_is_no_quarter_is_refused(quarter: str) -> None:
    with pytest.raises(MarketDataError, match="write 2021-Q2"):
        quarter_days(quarter)


def test_a_quarter_outside_the_study_is_refused(told: Study) -> None:
    with pytest.raises(MarketDataError, match="no day of 2024-Q1"):
        review_pack(told, quarter="2024-Q1")
