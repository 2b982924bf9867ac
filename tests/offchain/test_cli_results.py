"""Commands on the past: backtest, report, compare, fees, taxes.

├── the numbers are those of the engine; files are written; what is odd is refused
└── without a start the first review on which the index can decide is taken
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from offchain.backtest import backtest
from offchain.backtest.results import BASE
from offchain.cli.app import app
from offchain.cli.results import _cents, cost_model, first_day, rule_differences
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.research.methodology_page import methodology_page
from offchain.research.report_page import report_html
from offchain.research.statements import PAST
from offchain.research.study import study
from offchain.spec import find_spec
from offchain.spec.variants import changed

MARKET = ("--market", "synthetic")
SPAN = ("--start", "2025-01-01", "--end", "2025-03-31")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


def document(*arguments: str) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert isinstance(data, dict)
    return data


def test_backtest_gives_the_result_of_the_engine(synthetic: Market, tmp_path: Path) -> None:
    """U17, F8: decided, traded at the next price, after cost and fees."""
    data = document("backtest", "SQRT20", *SPAN, *MARKET, "--out", str(tmp_path))
    own = backtest(find_spec("SQRT20"), synthetic, start="2025-01-01", end="2025-03-31")
    assert data["run_hash"] == own.run_hash
    assert float(data["measures"]["SQRT20"]["total_return"]) == pytest.approx(own.net[-1] / BASE - 1)  # type: ignore[index]
    assert (tmp_path / "levels.csv").is_file()


def test_backtest_in_words_says_what_past_results_are_worth() -> None:
    """P14."""
    text = run("backtest", "EQ5", *SPAN, *MARKET).stdout
    assert PAST in text
    assert "Sharpe ratio" in text and "where the return came from" in text


def test_report_writes_a_page_and_the_numbers(tmp_path: Path) -> None:
    data = document("report", "EQ5", *SPAN, *MARKET, "--quick", "--out", str(tmp_path))
    assert f"{tmp_path}/report.html" in data["files"]  # type: ignore[operator]
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "report.json").read_text())["run_hash"] == data["run_hash"]


def test_report_into_a_file_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("x")
    result = run("report", "EQ5", *SPAN, *MARKET, "--quick", "--out", str(blocked / "inside"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


def test_review_writes_the_pack_of_a_quarter(tmp_path: Path) -> None:
    """P13."""
    data = document("review", "EQ5", "2025-Q1", "--quick", "--out", str(tmp_path), *MARKET)
    assert data["quarter"] == "2025-Q1"
    assert (tmp_path / "EQ5-2025-Q1.md").read_text() == data["markdown"]
    assert run("review", "EQ5", "spring", *MARKET).exit_code == 1


def test_compare_shows_rules_overlap_and_results() -> None:
    """P9, U18: two methodologies side by side."""
    data = document("compare", "LC10", "SQRT20", "--date", "2025-01-01", *SPAN, *MARKET)
    rules = {row["key"]: row for row in data["rules"]}  # type: ignore[attr-defined]
    assert rules["universe.top"]["LC10"] == "10" and rules["universe.top"]["SQRT20"] == "20"
    weights = data["target_weights"]
    expected = sum(min(int(w), int(weights["SQRT20"].get(c, 0))) for c, w in weights["LC10"].items()) / 1e18  # type: ignore[index]
    assert data["overlap"] == pytest.approx(expected)
    assert set(data["measures"]) == {"LC10", "SQRT20"}  # type: ignore[call-overload]
    text = run("compare", "LC10", "SQRT20", "--no-backtest", "--date", "2025-01-01", *MARKET).stdout
    assert "overlap" in text and "Sharpe" not in text


def test_an_index_does_not_differ_from_itself() -> None:
    assert rule_differences(find_spec("LC10"), find_spec("LC10")) == []


def test_fees_are_told_for_investor_and_operator() -> None:
    """F5, F7."""
    data = document("fees", "LC10", *SPAN, *MARKET, "--usd", "1000", "--nav", "1000000")
    assert data["investor"]["put_in"] == 1000  # type: ignore[index]
    months = [row["month"] for row in data["operator"]]  # type: ignore[attr-defined]
    assert months == ["2025-01", "2025-02", "2025-03"]
    text = run("fees", "LC10", *SPAN, *MARKET).stdout
    assert "streaming fee" in text and "income" in text


def test_taxes_settle_the_trades_of_a_report(tmp_path: Path) -> None:
    """T6, §6.7 19."""
    run("report", "EQ5", *SPAN, *MARKET, "--quick", "--out", str(tmp_path))
    data = document(
        "taxes", str(tmp_path / "fills.csv"), "--method", "hifo", "--all-methods", "--out", str(tmp_path / "t")
    )
    gains = {name: float(gain) for name, gain in data["gain_usd_by_method"].items()}  # type: ignore[attr-defined]
    assert float(str(data["gain_usd"])) == gains["hifo"] <= min(gains.values()) + 0.01
    assert (tmp_path / "t" / "disposals.csv").read_text().startswith("coin,amount,acquired")
    wrong = run("taxes", str(tmp_path / "fills.csv"), "--method", "newest")
    assert wrong.exit_code == 1 and "use one of fifo" in wrong.stderr


def test_without_a_start_the_first_possible_review_is_taken(synthetic: Market) -> None:
    rules = Methodology(find_spec("LC10"))
    assert first_day(rules, synthetic, "2024-05-06") == "2024-05-06"
    found = first_day(rules, synthetic, "")
    assert found.startswith("2024-01-")
    basket = Methodology(changed(find_spec("EQ5"), {"rebalance.calendar": "never"}))
    assert first_day(basket, synthetic, "").startswith("2024-01-")


def test_a_basket_is_bought_once_and_reported(synthetic: Market) -> None:
    """U15: a basket never rebalances."""
    basket = changed(find_spec("EQ5"), {"rebalance.calendar": "never"})
    told = study(basket, synthetic, start="2025-01-01", end="2025-03-31", is_quick=True)
    assert len(told.run.reviews) == 1
    assert "never rebalanced" in methodology_page(basket)
    assert report_html(told).startswith("<!doctype html>")


def test_cost_options_reach_the_model() -> None:
    assert cost_model(12.5, no_impact=True).tvl_share is None
    assert cost_model(12.5, no_impact=False).fee_bps == 12.5


# --- sweep ------------------------------------------------------------------------------------------------------------


def test_sweep_ranks_variants_and_goes_on_from_its_journal(tmp_path: Path) -> None:
    """R5, U17: every combination, with what the best is worth after so many trials."""
    journal = tmp_path / "eq5.jsonl"
    given = ("sweep", "EQ5", *SPAN, *MARKET, "--set", "rebalance.calendar=weekly,monthly", "--set", "universe.top=4,5")
    limits = ("--set", "weights.max_weight=0.5", "--set", "weights.min_weight=0", "--journal", str(journal))
    first = document(*given, *limits, "--out", str(tmp_path / "table.csv"))
    assert first["trials"] == 4 and first["resumed"] == 0
    sharpes = [row["sharpe"] for row in first["variants"]]  # type: ignore[attr-defined]
    assert sharpes == sorted(sharpes, reverse=True)
    assert {(row["rebalance.calendar"], row["universe.top"]) for row in first["variants"]} == {  # type: ignore[attr-defined]
        ("weekly", 4), ("weekly", 5), ("monthly", 4), ("monthly", 5),
    }  # fmt: skip
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 5
    again = document(*given, *limits)
    assert again["resumed"] == 4
    assert again["variants"] == first["variants"]
    text = run(*given, *limits, "--by", "cagr").stdout
    assert "ranked by cagr" in text and "no fluke" in text


@pytest.mark.parametrize(
    ("setting", "word"),
    [("universe.top", "write KEY=A,B"), ("universe.tops=5", "universe.top"), ("universe.top=5,oops", "whole number")],
)
def test_sweep_says_what_is_wrong_with_a_setting(setting: str, word: str) -> None:
    result = run("sweep", "EQ5", *SPAN, *MARKET, "--set", setting)
    assert word in result.stderr + result.stdout
    assert result.exit_code == (0 if "oops" in setting else 1)


@pytest.mark.parametrize(
    ("dollars", "shown"), [("-127.421794038", "-$127.42"), ("49872.578", "$49,872.58"), ("-0.001", "$0.00")]
)
def test_dollars_are_read_in_cents(dollars: str, shown: str) -> None:
    assert _cents(dollars) == shown
