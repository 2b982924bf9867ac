"""An index file of one's own, with votes beside it, in a folder that is not the project's.

sweep      reads the files beside the index file; other files there are other variants
compare    the same; two files of one symbol; a file with itself is refused
sleeves    a path in [[sleeves]] begins at the index file; an index inside itself and a sleeve with a stop are refused;
           a sleeve's limits on change do not act, and the decision says so
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from offchain.backtest import run_decider
from offchain.backtest.engine import Rules
from offchain.backtest.fees import Terms
from offchain.backtest.results import BASE, LEVEL_DECIMALS
from offchain.backtest.sweep import MEASURES
from offchain.backtest.sweep import sweep as run_sweep
from offchain.cli.app import app
from offchain.cli.results import cost_model
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.research.study import study
from offchain.research.training_study import candidate_days
from offchain.spec import find_spec

MARKET = ("--market", "synthetic")
SPAN = ("--start", "2025-01-06", "--end", "2025-02-10")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


def document(*arguments: str) -> dict[str, object]:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert isinstance(data, dict)
    return data


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """LC10 without bitcoin, by a vote that passed in 2024."""
    file = tmp_path / "mine.toml"
    assert run("new", "MINE", "--like", "LC10", "--out", str(file)).exit_code == 0
    file.write_text(file.read_text().replace("[universe]\n", '[universe]\nvotes = "votes.json"\n'))
    vote(tmp_path, out="bitcoin")
    return file


def vote(folder: Path, *, out: str) -> None:
    ballot = {"proposal": "1", "time": "2024-05-06T00:00:00Z", "include": [], "exclude": [out], "result": "passed"}
    (folder / "votes.json").write_text(json.dumps({"format": "ballast-ballots/1", "ballots": [ballot]}))


def test_sweep_of_ones_own_file_reads_the_votes_beside_it(mine: Path, synthetic: Market) -> None:
    """M6: each variant is the backtest of the file with its votes."""
    found = document("sweep", str(mine), "--set", "universe.top=10", *SPAN, *MARKET)
    (row,) = found["variants"]  # type: ignore[misc]
    rules = Methodology.open(mine)
    run_ = run_decider(
        rules,
        synthetic,
        symbol="MINE",
        start="2025-01-06",
        end="2025-02-10",
        costs=cost_model(30.0, no_impact=False),
        rules=Rules.of(rules.spec),
        terms=Terms.of(rules.spec),
    )
    assert "bitcoin" not in run_.ids
    years = (run_.times[-1] - run_.times[0]).days / 365
    assert row["cagr"] == pytest.approx((run_.net[-1] / BASE) ** (1 / years) - 1, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--set", "top=5"), "top"),
        (("--set", "universe.topp=5"), 'Did you mean "universe.top"'),
        (("--set", "universe.top=5", "--by", "sharp"), 'Did you mean "sharpe"'),
        (("--set", "universe.top"), "write KEY=A,B"),
    ],
)
def test_sweep_that_cannot_be_done_says_why(arguments: tuple[str, ...], word: str) -> None:
    result = run("sweep", "LC10", *arguments, *SPAN, *MARKET)
    assert result.exit_code == 1
    assert word in result.stderr and "rank by" not in result.stderr
    assert result.stdout == ""


def test_measures_that_rank_a_sweep_are_those_it_has(mine: Path) -> None:
    (row,) = document("sweep", str(mine), "--set", "universe.top=5", *SPAN, *MARKET)["variants"]  # type: ignore[misc]
    assert tuple(row) == ("universe.top", *MEASURES, "problem", "deflated", "deflated_effective")


def test_journal_of_a_sweep_forgets_what_was_run_with_other_votes(mine: Path) -> None:
    journal = ("--journal", str(mine.with_name("sweep.jsonl")))
    arguments = ("sweep", str(mine), "--set", "universe.top=5", *SPAN, *journal, *MARKET)
    assert document(*arguments)["resumed"] == 0
    assert document(*arguments)["resumed"] == 1
    vote(mine.parent, out="ethereum")
    assert document(*arguments)["resumed"] == 0


def test_compare_of_ones_own_file_reads_the_votes_beside_it(mine: Path) -> None:
    data = document("compare", str(mine), "LC10", "--date", "2025-02-03", *SPAN, *MARKET)
    weights = data["target_weights"]
    assert isinstance(weights, dict)
    assert "bitcoin" not in weights["MINE"] and "bitcoin" in weights["LC10"]
    rows = data["rules"]
    assert isinstance(rows, list)
    (votes,) = [row for row in rows if row["key"] == "universe.votes"]
    assert votes["MINE"] == "votes.json" != votes["LC10"]
    measures = data["measures"]
    assert isinstance(measures, dict)
    assert measures["MINE"]["total_return"] != measures["LC10"]["total_return"]


def test_compare_of_two_files_with_one_symbol_keeps_both(mine: Path) -> None:
    """A copy with another cap is named by its file."""
    other = mine.with_name("other.toml")
    other.write_text(mine.read_text().replace("max_weight = 0.25", "max_weight = 0.4"))
    data = document("compare", str(mine), str(other), "--date", "2025-02-03", "--no-backtest", *MARKET)
    weights = data["target_weights"]
    assert isinstance(weights, dict)
    assert set(weights) == {str(mine), str(other)}
    assert weights[str(mine)] != weights[str(other)]
    same = run("compare", str(mine), str(mine), *MARKET)
    assert same.exit_code == 1
    assert "compared with itself" in same.stderr


def test_sleeve_of_ones_own_is_looked_for_beside_the_index_file(mine: Path, synthetic: Market) -> None:
    """M6: an index of indexes works from any folder."""
    whole = mine.with_name("whole.toml")
    core = (Path(__file__).resolve().parents[2] / "offchain" / "indexes" / "core.toml").read_text()
    assert 'index = "LC10"' in core
    whole.write_text(core.replace('index = "LC10"', 'index = "mine.toml"'))
    rules = Methodology.open(whole)
    assert rules.sleeves["mine.toml"].spec.symbol == "MINE"
    decided = document("decide", str(whole), "2025-02-03", *MARKET)
    assert decided["target_weights"]
    shown = run("report", str(whole), "--quick", "--out", str(mine.parent / "out"), *SPAN, *MARKET)
    assert shown.exit_code == 0, shown.stderr


def sleeved(folder: Path, name: str, inside: str, *more: str) -> Path:
    file = folder / f"{name}.toml"
    head = f'[index]\nname = "{name}"\nsymbol = "{name.upper()}"\n[universe]\ntop = 5\n'
    file.write_text(head + f'[[sleeves]]\nindex = "{inside}"\npart = 1.0\n' + "\n".join(more))
    return file


@pytest.mark.parametrize("command", ["check", "decide", "methodology"])
def test_an_index_inside_itself_is_one_clear_error(tmp_path: Path, command: str) -> None:
    """U16: through another file, from any command; nothing runs until the stack is full."""
    one = sleeved(tmp_path, "one", "two.toml")
    sleeved(tmp_path, "two", "one.toml")
    words = [command, str(one), *(["2025-02-03", *MARKET] if command == "decide" else [])]
    said = run(*words)
    assert said.exit_code == 1
    assert "is inside itself through it" in said.stderr + said.stdout


def test_a_sleeve_that_stops_by_its_own_level_is_refused(tmp_path: Path) -> None:
    """A11: a stop that could never act is no stop; in the index itself it does."""
    stop = "[risk]\nstable = { usd-coin = 1.0 }\nstop_loss = 0.2\n"
    inner = sleeved(tmp_path, "inner", "LC10", stop)
    assert run("check", str(inner)).exit_code == 0
    outer = sleeved(tmp_path, "outer", "inner.toml")
    said = run("decide", str(outer), "2025-02-03", *MARKET)
    assert said.exit_code == 1
    assert '"INNER" stops by its own level' in said.stderr and 'write the stop into [risk] of "OUTER"' in said.stderr


def test_a_decision_says_that_a_sleeve_s_limits_on_change_do_not_act(tmp_path: Path, synthetic: Market) -> None:
    """A8: ERC10 moves at most 30 % by itself; inside another index it cannot tell its own part of what is held."""
    rules = Methodology.open(sleeved(tmp_path, "outer", "ERC10"))
    findings = rules.decide(synthetic, "2025-02-03", {"bitcoin": 1.0}).findings
    assert "ERC10: its limits on change (turnover, steps) do not act inside OUTER" in findings
    plain = Methodology.open(sleeved(tmp_path, "plain", "LC10"))
    assert not any("limits on change" in said for said in plain.decide(synthetic, "2025-02-03").findings)


def test_index_whose_holders_vote_on_a_chain_uses_what_they_voted_everywhere(mine: Path, synthetic: Market) -> None:
    """S4: a study and a sweep take the ballots that were read from the governor."""
    file = mine.with_name("voted.toml")
    file.write_text(mine.read_text().replace('votes = "votes.json"', 'votes = "governor"'))
    refused = run("sweep", str(file), "--set", "universe.top=5", *SPAN, *MARKET)
    assert refused.exit_code == 1 and "name its node" in refused.stderr
    voted = Methodology.open(mine).records
    spec = find_spec(file)
    span = {"start": "2025-01-06", "end": "2025-01-20"}
    told = study(spec, synthetic, **span, records=voted, is_quick=True, folder=mine.parent)
    assert "bitcoin" not in told.run.ids and told.twin is None
    found = run_sweep(spec, synthetic, [{"universe.top": 10}], **span, records=voted)
    assert found.trials == 1
    assert found.outcomes[0].net == tuple(round(level, LEVEL_DECIMALS) for level in told.run.net.tolist())
    ids, _ = candidate_days(spec, synthetic, [date(2024, 5, 1), date(2024, 5, 20)], records=voted)
    assert "bitcoin" in ids
    later, _ = candidate_days(spec, synthetic, [date(2024, 5, 20)], records=voted)
    assert "bitcoin" not in later
