"""Several indexes together, profiles, and the notice of a rebalance.

overlap
├── by independent arithmetic; limits passed → 3; an index twice, an odd amount → refused
└── correlation of what is held, by pandas
notice
└── reference and effective time, in and out, every change with its reason; the same text each time
profiles
└── the rows that were asked for, with what they are not
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from offchain.cli.app import app
from offchain.market import Market
from offchain.methodology import Decision, Methodology
from offchain.research.notice import changes_table, rebalance_notice
from offchain.risk.profiles import NOTICE
from offchain.spec import IndexSpec, find_spec

MARKET = ("--market", "synthetic")
DATE = "2025-03-03"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


# --- overlap ----------------------------------------------------------------------------------------------------------


def test_overlap_look_through_and_correlation_by_pandas(synthetic: Market) -> None:
    """P8, P9, §6.7 13."""
    result = run("overlap", "LC10=3000000", "EQ5", "--date", DATE, *MARKET, "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    held = {
        name: pd.Series(Methodology(find_spec(name)).decide(synthetic, DATE).target_weights, dtype=float) / 1e18
        for name in ("LC10", "EQ5")
    }
    table = pd.DataFrame(held).fillna(0.0)
    assert data["overlap"]["LC10"]["EQ5"] == pytest.approx(table.min(axis=1).sum())
    together = (table["LC10"] * 3e6 + table["EQ5"] * 1e6) / 4e6
    assert data["look_through"]["weights"] == pytest.approx(together[together > 0].to_dict())
    assert data["look_through"]["concentration"]["hhi"] == pytest.approx((together**2).sum())
    prices = synthetic.believed_prices().loc[:DATE].iloc[-91:]
    daily = prices.pct_change().iloc[1:][table.index].fillna(0.0) @ table
    expected = np.corrcoef(daily["LC10"], daily["EQ5"])[0, 1]
    assert data["correlation"]["LC10"]["EQ5"] == pytest.approx(expected, rel=1e-9)


def test_overlap_over_a_limit_is_3_and_names_the_coin() -> None:
    """P9: an aggregate limit over everything held."""
    result = run("overlap", "LC10", "EQ5", "--date", DATE, "--max-weight", "0.2", *MARKET)
    assert result.exit_code == 3
    assert "over the limit: bitcoin" in result.stdout
    assert run("overlap", "LC10", "EQ5", "--date", DATE, "--max-weight", "0.5", *MARKET).exit_code == 0
    deep = run("overlap", "LC10=1e12", "--date", DATE, "--max-volume-days", "1", *MARKET)
    assert deep.exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("LC10", "lc10"), "named twice"), (("LC10=lots",), "is no amount"), (("LC10=-5",), "positive")],
)
def test_overlap_of_what_cannot_be_is_refused(arguments: tuple[str, ...], word: str) -> None:
    result = run("overlap", *arguments, "--date", DATE, *MARKET)
    assert result.exit_code == 1
    assert word in result.stderr


# --- notice -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def decision(lc10: IndexSpec, synthetic: Market) -> Decision:
    return Methodology(lc10).decide(synthetic, DATE, {"bitcoin": 0.9, "tether": 0.1})


def test_notice_names_times_changes_and_hashes(decision: Decision, lc10: IndexSpec) -> None:
    """T2, §6.7 6, 12: reference and effective time, and a reason for every action."""
    text = rebalance_notice(decision, {"bitcoin": 0.9, "tether": 0.1}, spec=lc10)
    assert "Reference time, of all data: 2025-03-03T00:00:00Z" in text
    assert "Effective from: 2025-03-04T00:00:00Z" in text  # roles.delay_hours = 24
    assert "- Out: tether" in text
    assert decision.decision_hash in text and decision.inputs_hash in text
    weights = {name: weight / 1e18 for name, weight in decision.target_weights.items()}
    turnover = (abs(weights["bitcoin"] - 0.9) + 0.1 + sum(w for n, w in weights.items() if n != "bitcoin")) / 2
    assert f"Turnover, one-way: {turnover * 100:.2f} %" in text
    assert rebalance_notice(decision, {"bitcoin": 0.9, "tether": 0.1}, spec=lc10) == text


def test_notice_given_another_effective_time_says_it(decision: Decision, lc10: IndexSpec) -> None:
    later = datetime(2025, 3, 10, tzinfo=UTC)
    assert "2025-03-10T00:00:00Z" in rebalance_notice(decision, {}, spec=lc10, effective=later)


def test_every_change_has_an_action_and_a_reason(decision: Decision) -> None:
    """R9, S10."""
    _, rows = changes_table(decision, {"bitcoin": 0.25, "tether": 0.1, "ethereum": 0.3})
    actions = {row[0]: row[4] for row in rows}
    assert actions["bitcoin"] == "stays"
    assert actions["ethereum"] == "sold"
    assert actions["tether"] == "leaves"
    assert actions["solana"] == "enters"
    assert all(row[5] for row in rows)


def test_notice_command_prints_the_text(decision: Decision) -> None:
    result = run("notice", "LC10", DATE, "--held", "bitcoin=0.9,tether=0.1", *MARKET)
    assert result.exit_code == 0
    assert decision.decision_hash in result.stdout


# --- profiles ---------------------------------------------------------------------------------------------------------


def test_profiles_are_rows_for_orientation() -> None:
    """U18, U19."""
    data = json.loads(run("profiles", "--goal", "balanced", "--tolerance", "low", "--json").stdout)
    assert [row["horizon"] for row in data["profiles"]] == ["short", "medium", "long"]
    assert data["notice"] == NOTICE
    text = run("profiles").stdout
    assert len([line for line in text.splitlines() if "%" in line and " to " in line]) == 27
    wrong = run("profiles", "--goal", "rich")
    assert wrong.exit_code == 1 and "use one of preserve" in wrong.stderr
