"""The command line: one document on stdout, messages on stderr, exit codes; help that starts at once.

every command
├── --help has an example; --json gives one JSON document and nothing else
└── refused → 1 and the reason; wrong usage → 2; different → 3
files       new, check, indexes, methodology
decisions   universe, decide, explain, verify
data        data, features
the file `ballast`: works from any folder, says what to do when nothing is set up
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from offchain.cli.app import app
from offchain.cli.output import json_text
from offchain.methodology import Decision
from offchain.units import WAD

ROOT = Path(__file__).resolve().parents[2]
DATE = "2024-12-02"
MARKET = ("--market", "synthetic")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


def document(*arguments: str, code: int = 0) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]


# --- every command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_an_example_and_json(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert "--json" in result.stdout


def test_help_names_the_exit_codes_and_completion() -> None:
    result = run("--help")
    assert "Exit codes: 0 done, 1 refused" in result.stdout
    assert "--install-completion" in result.stdout


def test_help_needs_no_heavy_library() -> None:
    """Help answers at once because the engine is imported by the commands that need it."""
    code = (
        "import sys; from offchain.cli.app import app\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'scipy', 'sklearn', 'numba', 'rich', 'web3'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wrong_command_line_is_2() -> None:
    assert run("decide", "LC10").exit_code == 2
    assert run("nothing").exit_code == 2
    assert "No such command" in run("nothing").stderr


def test_a_refusal_is_1_with_the_reason_on_stderr_and_as_a_document() -> None:
    result = run("decide", "LC11", DATE, *MARKET)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "no such index" in result.stderr and 'Did you mean "lc10"' in result.stderr
    said = document("decide", "LC11", DATE, *MARKET, code=1)
    assert isinstance(said, dict)
    assert said["error"]["kind"] == "SpecError"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("decide", "LC10", "2020-01-01", *MARKET), "nothing is known"),
        (("decide", "LC10", "yesterday", *MARKET), "cannot be read"),
        (("decide", "LC10", DATE, "--market", "no-such.csv"), "no such file"),
        (("decide", "LC10", DATE, "--held", "bitcoin=x", *MARKET), "cannot be read"),
        (("decide", "LC10", DATE, "--held", "bitcoin=-1", *MARKET), "not a positive number"),
        (("explain", "LC10", DATE, "bitcoins", *MARKET), 'Did you mean "bitcoin"'),
        (("data", "bitcoins", *MARKET), 'Did you mean "bitcoin"'),
        (("verify", "no-such.json", *MARKET), "cannot be read"),
        (("features", "--group", "astrology"), "no group"),
    ],
)
def test_each_mistake_is_refused_with_its_reason(arguments: tuple[str, ...], word: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert word in result.stderr


def test_json_has_no_infinity_and_no_integer_that_readers_round() -> None:
    text = json_text({"a": float("nan"), "b": float("inf"), "c": 2**53 - 1, "d": WAD, "e": 0.1, "f": (1, None, True)})
    assert json.loads(text) == {"a": None, "b": None, "c": 2**53 - 1, "d": str(WAD), "e": 0.1, "f": [1, None, True]}


# --- files ------------------------------------------------------------------------------------------------------------


def test_new_check_and_decide_take_an_idea_to_weights(tmp_path: Path) -> None:
    """U17: from a copy of a file to its weights, before anything is live."""
    path = tmp_path / "mine.toml"
    made = document("new", "MINE", "--like", "EQ5", "--name", 'My "five"', "--out", str(path))
    assert isinstance(made, dict)
    checked = document("check", str(path))
    assert isinstance(checked, list)
    assert checked[0]["name"] == 'My "five"'
    assert checked[0]["spec_hash"] == made["spec_hash"]
    decided = document("decide", str(path), DATE, *MARKET)
    assert isinstance(decided, dict)
    assert decided["symbol"] == "MINE"
    assert sum(int(weight) for weight in decided["target_weights"].values()) == WAD


def test_new_overwrites_nothing_and_refuses_a_bad_ticker(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    assert run("new", "MINE", "--out", str(path)).exit_code == 1
    assert path.read_text() == "mine"
    bad = run("new", "mine!", "--out", str(tmp_path / "other.toml"))
    assert bad.exit_code == 1
    assert "index.symbol" in bad.stderr


def test_check_tells_every_mistake_of_every_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[index]\nname = "x"\nsymbol = "x y"\n[universe]\ntop = 0\n')
    result = run("check", "LC10", str(bad))
    assert result.exit_code == 1
    assert "LC10: ok" in result.stdout
    assert "index.symbol" in result.stdout and "universe.top" in result.stdout
    rows = document("check", "LC10", str(bad), code=1)
    assert isinstance(rows, list)
    assert [row["ok"] for row in rows] == [True, False]


def test_indexes_lists_every_shipped_file() -> None:
    rows = document("indexes")
    assert isinstance(rows, list)
    assert {"LC10", "EQ5", "SQRT20"} <= {row["symbol"] for row in rows}
    assert "0x37e437ac" in run("indexes").stdout


def test_methodology_prints_a_page_and_checks_them_all() -> None:
    """T1."""
    assert run("methodology", "LC10").stdout.startswith("# Ballast Large Cap 10 (LC10)")
    result = run("methodology", "--check")
    assert result.exit_code == 0, result.stdout


# --- decisions --------------------------------------------------------------------------------------------------------


def test_decision_is_written_and_verified_from_its_files(tmp_path: Path) -> None:
    """M6, M8: anyone recomputes a decision from its inputs."""
    decided = document("decide", "LC10", DATE, "--out", str(tmp_path), *MARKET)
    assert isinstance(decided, dict)
    file = tmp_path / f"LC10-{DATE}.decision.json"
    verified = document("verify", str(file))
    assert isinstance(verified, dict)
    assert verified["decision_hash"] == decided["decision_hash"]
    assert verified["from"].endswith(".inputs.json")
    (tmp_path / f"LC10-{DATE}.inputs.json").unlink()
    again = document("verify", str(file), *MARKET)
    assert isinstance(again, dict)
    assert again["from"] == "market"


def test_verify_given_other_weights_is_3_and_names_them(tmp_path: Path) -> None:
    run("decide", "LC10", DATE, "--out", str(tmp_path), *MARKET)
    file = tmp_path / f"LC10-{DATE}.decision.json"
    data = json.loads(file.read_text())
    first, second = sorted(data["target_weights"])[:2]
    data["target_weights"][first] = str(int(data["target_weights"][first]) + 1)
    data["target_weights"][second] = str(int(data["target_weights"][second]) - 1)
    file.write_text(json.dumps(data))
    changed = run("verify", str(file))
    assert changed.exit_code == 3
    assert "changed after it was written" in changed.stderr
    data["decision_hash"] = _hash_of(data)
    file.write_text(json.dumps(data))
    wrong = run("verify", str(file))
    assert wrong.exit_code == 3
    assert f"weight of {first}" in wrong.stderr and f"weight of {second}" in wrong.stderr
    other = run("verify", str(file), "--index", "EQ5")
    assert other.exit_code == 3


def _hash_of(data: dict[str, object]) -> str:
    """What the hash of an edited decision would be, so that only the weights give it away."""
    text = json.dumps(data)
    try:
        Decision.from_json(text)
    except Exception as error:
        return str(error).split("hashes to ")[1].split(":")[0]
    raise AssertionError("the edited decision was accepted")


def test_universe_has_a_reason_for_every_coin() -> None:
    """S10: also why a coin is not included."""
    data = document("universe", "LC10", DATE, *MARKET)
    assert isinstance(data, dict)
    assert len(data["verdicts"]) == data["coins"]
    assert all(verdict["reason"] for verdict in data["verdicts"])
    text = run("universe", "LC10", DATE, *MARKET).stdout
    assert "10 members" in text
    assert "tether" not in text
    assert "tether" in run("universe", "LC10", DATE, "--all", *MARKET).stdout


def test_explain_tells_the_whole_waterfall() -> None:
    """M8, §6.7 12: screens, rank, integers, and who came next."""
    text = run("explain", "LC10", DATE, *MARKET).stdout
    for word in ("screens", "rank", "integers", "1,000,000,000,000,000,000 exactly", "spec hash", "stablecoin"):
        assert word in text
    told = document("explain", "LC10", DATE, *MARKET)
    assert isinstance(told, dict)
    assert sum(int(weight) for weight in told["weights"].values()) == WAD
    assert (
        sum(row["count"] for row in told["screened"]) + len(told["members"]) + len(told["next_in_rank"])
        <= told["coins"]
    )


@pytest.mark.parametrize(
    ("coin", "word"),
    [
        ("bitcoin", "rank 1 of the top 10"),
        ("BTC", "rank 1 of the top 10"),
        ("tether", "stablecoin"),
        ("quiet-treasure", "universe.min_volume_usd"),
        ("monero", "below the top 10"),
    ],
)
def test_explain_one_coin_says_why_or_why_not(coin: str, word: str) -> None:
    """M8, S10."""
    text = run("explain", "LC10", DATE, coin, *MARKET).stdout
    assert word in text
    assert "market cap" in text


def test_what_is_held_changes_who_stays() -> None:
    free = document("decide", "LC10", DATE, *MARKET)
    ranked = document("universe", "LC10", DATE, *MARKET)
    assert isinstance(free, dict) and isinstance(ranked, dict)
    eleventh = next(verdict["id"] for verdict in ranked["verdicts"] if verdict["rank"] == 11)
    held = document("decide", "LC10", DATE, "--held", eleventh, *MARKET)
    assert isinstance(held, dict)
    assert eleventh not in free["target_weights"]
    assert eleventh in held["target_weights"]
    assert eleventh not in held["entered"]


def test_held_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "held.json"
    file.write_text('{"tether": 1, "bitcoin": 0}')
    data = document("decide", "LC10", DATE, "--held", str(file), *MARKET)
    assert isinstance(data, dict)
    assert data["left"] == ["tether"]
    assert "stablecoin" in data["reasons"]["tether"]


def test_latest_is_the_last_day_of_the_data() -> None:
    data = document("decide", "LC10", "latest", *MARKET)
    assert isinstance(data, dict)
    assert data["t"] == "2025-12-31T00:00:00Z"


# --- data -------------------------------------------------------------------------------------------------------------


def test_the_market_that_is_used_is_named_on_stderr() -> None:
    result = run("data", *MARKET, "--json")
    assert "synthetic-20240101, invented data" in result.stderr
    assert json.loads(result.stdout)["source"] == "synthetic-20240101"


def test_data_counts_what_is_missing_and_what_was_repaired() -> None:
    data = document("data", *MARKET)
    assert isinstance(data, dict)
    assert data["coins_that_ended"] == 1  # terranova
    assert data["days_missing_inside"] == 2 + 9  # patchy-chain
    assert {row["code"] for row in data["findings"]} == {"no-market-cap", "zero-volume", "price-jump"}
    coin = document("data", "glitch-network", *MARKET)
    assert isinstance(coin, dict)
    assert coin["days_not_believed"] == ["2025-03-03: jump_up"]


def test_features_lists_the_catalogue() -> None:
    """D8: at least 80 data points for each coin."""
    data = document("features")
    assert isinstance(data, dict)
    assert data["count"] == len(data["features"]) >= 80
    assert all(row["unit"] and row["doc"] and row["source"] for row in data["features"])
    assert "momentum" in run("features", "--group", "momentum").stdout


# --- the file ballast -------------------------------------------------------------------------------------------------


def test_the_executable_works_from_another_folder(tmp_path: Path) -> None:
    if not (ROOT / ".venv").exists():
        pytest.skip("no .venv beside the project: the executable says so, see the next test")
    link = tmp_path / "ballast"
    link.symlink_to(ROOT / "ballast")
    done = subprocess.run([str(link), "check", "LC10"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("LC10: ok")


def test_the_executable_says_what_to_do_when_nothing_is_set_up(tmp_path: Path) -> None:
    copy = tmp_path / "ballast"
    copy.write_text((ROOT / "ballast").read_text())
    copy.chmod(0o755)
    done = subprocess.run([str(copy), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "make setup" in done.stderr
