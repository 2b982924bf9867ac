"""`make demo` in small: top 5, four weeks, from the index file to the report, and everything that can go wrong.

demo
├── lived once
│   ├── every token is accounted for, and a report is written as JSON, PNG and HTML
│   ├── coins entered and left as the methodology says; the numbers follow from the chain's events
│   └── lived twice → the same report.json
├── a transfer is missing from what was collected → the check fails, exit code 1
├── bad market, spec, folder, port, start → one line, exit code 1, before anything is started
├── anvil is missing, or is killed → one line, exit code 1
└── real records of 2021 → sane coins (skipped where the records are absent)
"""

from __future__ import annotations

import base64
import json
import math
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from offchain.demo import __main__ as command
from offchain.demo import story
from offchain.devnet import Anvil, Devnet
from offchain.market import Market, load_market, synthetic_market
from offchain.market.files import DATA_VARIABLE, market_folder
from offchain.methodology import Methodology
from offchain.report import Report, build_report, write_report
from offchain.report.record import Run
from offchain.spec import load_spec

START, WEEKS = "2024-06-10", 4  # a coin enters and one leaves on 17 June and again on 1 July
WHEN_THEY_CHANGE = ("2024-06-17", "2024-07-01")

SPEC = """
[index]
name = "Demo Five"
symbol = "DEMO5"
benchmarks = ["bitcoin", "ethereum"]
[universe]
top = 5
min_volume_usd = 5_000_000
[weights]
scheme = "market_cap"
max_weight = 0.3
[rebalance]
drift_band = 0.002
max_slippage_bps = 100
[fees]
streaming_bps = 95
mint_bps = 10
redeem_bps = 10
[seed]
shares = 1_000
share_price_usd = 100
supply_cap_shares = 1_000_000
"""


@dataclass(frozen=True)
class Lived:
    """A demo that was lived, and what it said while it was."""

    run: Run
    report: Report
    sentences: tuple[str, ...]
    weeks: tuple[story.Week, ...]


@pytest.fixture(scope="module")
def spec_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spec") / "demo5.toml"
    path.write_text(SPEC)
    return path


def live(market: Market, spec_file: Path, folder: Path, *, start: str, weeks: int) -> Lived:
    plan = story.itinerary(
        market, load_spec(spec_file), name="test", folder=folder, start=pd.Timestamp(start), weeks=weeks, most=52
    )
    sentences: list[str] = []
    told: list[story.Week] = []
    with Anvil.start(timestamp=Devnet.genesis(plan.start), extra=story.PRUNED) as node:
        run = story.live(node, market, plan, tell=sentences.append, on_week=told.append)
    return Lived(run=run, report=build_report(run), sentences=tuple(sentences), weeks=tuple(told))


@pytest.fixture(scope="module")
def lived(spec_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return live(synthetic_market(), spec_file, tmp_path_factory.mktemp("demo"), start=START, weeks=WEEKS)


# --- lived once -------------------------------------------------------------------------------------------------------


def test_demo_accounts_for_every_token(lived: Lived) -> None:
    assert {check.name: check.detail for check in lived.report.accounting.checks if not check.passed} == {}
    assert all(line.difference == 0 for line in lived.report.accounting.tokens)
    assert {line.coin for line in lived.report.accounting.tokens} >= {"bitcoin", "ethereum", "solana", "dogecoin"}


def test_demo_lets_coins_enter_and_leave_as_the_methodology_says(lived: Lived, spec_file: Path) -> None:
    methodology, market = Methodology(load_spec(spec_file)), synthetic_market()
    held: tuple[str, ...] = methodology.decide(market, START).members
    changed = []
    for week in lived.report.weeks:
        decision = methodology.decide(market, week.date, held)
        assert tuple(week.entered) == decision.entered and tuple(sorted(week.left)) == decision.left
        assert week.outcome == "done" and week.swaps > 0
        changed += [week.date] if decision.entered else []
        held = decision.members
    assert tuple(changed) == WHEN_THEY_CHANGE
    assert sum(weights[-1] > 0.0001 for weights in lived.report.weights.values()) == 5


def test_demo_says_which_of_the_largest_it_refused_and_why(lived: Lived, spec_file: Path) -> None:
    caps = synthetic_market().market_cap
    for week in lived.report.weeks:
        naive = caps.loc[week.date].nlargest(5).index
        held = Methodology(load_spec(spec_file)).decide(synthetic_market(), week.date).members
        assert set(week.refused) >= {"tether"} and set(week.refused) <= set(naive)
        assert set(naive) - set(week.refused) <= set(held)


def test_demo_turnover_and_cost_are_those_of_the_fills(lived: Lived) -> None:
    for week, plan in zip(lived.report.weeks, lived.run.plans, strict=True):
        sold = sum(swap.sold * swap.sell_price for swap in plan.swaps) / 1e27
        lost = sold - sum(swap.bought * swap.buy_price for swap in plan.swaps) / 1e27
        assert week.turnover == pytest.approx(sold / plan.nav, rel=1e-6)
        assert week.cost_bps == pytest.approx(1e4 * lost / plan.nav, rel=1e-3)
        assert week.turnover == pytest.approx(week.drift, rel=0.02)  # the plan was carried out
        assert 0 < (week.traded_bps or 0) < 100  # max_slippage_bps
        assert week.drift_after is not None and week.drift_after < 0.001


def test_demo_tracks_its_paper_twin_but_for_fee_and_trading(lived: Lived) -> None:
    track, years = lived.report.tracking, (WEEKS * 7 + 1) / 365
    assert track.fee_bps == pytest.approx(1e4 * math.log(1 - 0.0095) * years, rel=1e-3)
    assert track.trading_bps == pytest.approx(-lived.report.trading.cost_bps, rel=0.01)
    assert abs(track.rest_bps) < 2
    assert 1e4 * math.log(1 + track.relative) == pytest.approx(track.fee_bps + track.trading_bps + track.rest_bps)


def test_demo_investors_get_what_the_index_made_less_their_fees(lived: Lived) -> None:
    people = {person.who: person for person in lived.report.investors}
    grown = lived.report.levels.index[-1] / 100
    alice = people["alice"]
    shares = (5_000 * 0.999 - 10) * 0.999  # mint fee, ten to bob, redeem fee
    assert alice.put_in == pytest.approx(500_000, rel=1e-6)
    assert alice.taken_out == pytest.approx(100 * grown * shares, rel=1e-4) and alice.shares_left == 0
    assert people["bob"].shares_left > 0 and people["governor"].inside > 0


def test_demo_tells_what_happens(lived: Lived) -> None:
    for beginning in (
        "market: ",
        "index: Demo Five",
        "alice mints",
        "bob mints",
        "alice redeems all her",
        "bob redeems half",
    ):
        assert any(sentence.startswith(beginning) for sentence in lived.sentences), beginning
    assert len(lived.weeks) == WEEKS
    assert {line.operation for line in lived.report.gas} >= {
        "create", "mint", "redeem", "start plan", "swap v2", "swap v3", "end plan", "collect", "transfer",
    }  # fmt: skip


def test_report_is_written_as_numbers_picture_and_page(lived: Lived, tmp_path: Path) -> None:
    numbers, picture, page = write_report(lived.report, tmp_path / "made")
    data = json.loads(numbers.read_text())
    assert data["accounting"]["passed"] is True
    assert len(data["days"]) == WEEKS * 7 + 2 == len(data["levels"]["index"])
    assert data["levels"]["index"][0] == 100
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and picture.stat().st_size > 50_000
    text = page.read_text()
    assert base64.b64encode(picture.read_bytes()).decode() in text
    assert "Who came and went" in text and "http" not in text.replace("https://", "http").split("base64")[0]


def test_demo_lived_twice_gives_the_same_report(lived: Lived, spec_file: Path, tmp_path: Path) -> None:
    again = live(synthetic_market(), spec_file, tmp_path, start=START, weeks=WEEKS)
    assert again.report.to_json() == lived.report.to_json()


# --- what the check is worth ------------------------------------------------------------------------------------------


def test_demo_given_a_lost_transfer_of_the_index_fails_by_that_amount(lived: Lived) -> None:
    books = lived.run.books
    lost = next(t for t in books.transfers if t.sender == books.index and t.token != books.index)
    run = replace(lived.run, books=replace(books, transfers=tuple(t for t in books.transfers if t is not lost)))
    report = build_report(run)
    assert not report.passed
    (failed,) = [check for check in report.accounting.checks if check.name == "tokens of the index"]
    assert not failed.passed and f"= {-lost.amount}" in failed.detail


def test_demo_that_does_not_add_up_exits_with_one(
    lived: Lived, spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    books = replace(lived.run.books, total_supply=lived.run.books.total_supply + 1)
    monkeypatch.setattr(command, "live", lambda *_, **__: replace(lived.run, books=books))
    assert command.main(arguments(spec_file, tmp_path)) == 1
    said = capsys.readouterr()
    assert "FAIL  shares: supply − held − pending = 1" in said.out
    assert said.err == "error: not every token is accounted for; see the lines marked FAIL\n"


# --- the command ------------------------------------------------------------------------------------------------------


def arguments(spec_file: Path, folder: Path, *more: str) -> list[str]:
    return [
        "--market",
        "synthetic",
        "--spec",
        str(spec_file),
        "--out",
        str(folder),
        "--start",
        START,
        "--weeks",
        "1",
        *more,
    ]


def test_command_shows_progress_tables_and_files(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments(spec_file, tmp_path)) == 0
    said = capsys.readouterr()
    assert said.err == "" and "\r" not in said.out
    assert "2024-06-17  done" in said.out and "=> every token is accounted for" in said.out
    for kind in ("json", "png", "html"):
        assert f"written: {tmp_path / f'report.{kind}'}" in said.out
        assert (tmp_path / f"report.{kind}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--market", "nowhere.parquet"), "no such file"),
        (("--spec", "LC11"), 'Did you mean "lc10"'),
        (("--start", "2031-01-06"), "goes from 2024-01-01 to 2025-12-31"),
        (("--weeks", "200"), "choose --weeks up to"),
    ],
)
def test_command_given_nonsense_says_so_in_one_line(
    more: tuple[str, ...], told: str, spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments(spec_file, tmp_path, *more)) == 1
    said = capsys.readouterr()
    assert told in said.err and said.err.startswith("error: ") and "Traceback" not in said.err


def test_command_given_a_file_as_folder_says_so(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").touch()
    assert command.main(arguments(spec_file, tmp_path / "taken")) == 1
    assert "choose another --out" in capsys.readouterr().err


def test_command_given_a_port_in_use_says_so(
    spec_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert command.main(arguments(spec_file, tmp_path, "--port", str(port))) == 1
    assert f"port {port} of 127.0.0.1 is in use" in capsys.readouterr().err


def test_command_without_anvil_says_how_to_get_it(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert command.main(arguments(spec_file, tmp_path)) == 1
    assert "anvil is not installed" in capsys.readouterr().err


def test_command_whose_anvil_is_killed_says_so_and_leaves_nothing_running(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes: list[Anvil] = []

    def killing(look: Callable[[story.Stage], object]) -> Callable[[story.Stage], object]:
        def killed(stage: story.Stage) -> object:
            nodes.append(stage.world.node)  # type: ignore[arg-type]
            os.kill(nodes[0].pid, signal.SIGKILL)
            return look(stage)

        return killed

    monkeypatch.setattr(story, "look", killing(story.look))
    assert command.main(arguments(spec_file, tmp_path)) == 1
    said = capsys.readouterr()
    assert "is gone: killed by SIGKILL" in said.err and "Traceback" not in said.err
    assert not nodes[0].is_running


def test_help_names_every_argument(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for name in ("--market", "--spec", "--start", "--weeks", "--out", "--port"):
        assert name in text


# --- real records -----------------------------------------------------------------------------------------------------

NEVER = {
    "tether",
    "usd-coin",
    "dai",
    "binance-usd",
    "wrapped-bitcoin",
    "compound-ether",
    "cdai",
    "staked-ether",
    "huobi-btc",
}


def test_demo_on_real_records_holds_sane_coins_and_adds_up(spec_file: Path, tmp_path: Path) -> None:
    folder = market_folder()
    if not folder.is_dir():
        pytest.skip(f"real market data is absent: no folder {folder.name}; set {DATA_VARIABLE} to run this test")
    lived = live(load_market(folder), spec_file, tmp_path, start="2021-02-01", weeks=3)
    assert lived.report.passed
    assert {week.outcome for week in lived.report.weeks} == {"done"}
    assert not NEVER & set(lived.report.weights) and {"bitcoin", "ethereum"} <= set(lived.report.weights)
    assert all(not week.kept_out for week in lived.report.weeks)
    reasons = {coin: why for week in lived.report.weeks for coin, why in week.refused.items()}
    assert reasons["tether"].startswith("stablecoin")
    assert lived.report.levels.benchmarks["bitcoin"][-1] == pytest.approx(100 * 54_411 / 33_065, rel=1e-3)
