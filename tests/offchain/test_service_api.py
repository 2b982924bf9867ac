"""The read-only API: the same answers as the command line, over HTTP on this machine.

every page      what it answers · what it shares with the command line
mistakes        400 or 404 with one reason · nothing but GET · no file can be named
the server      threads · a fault of ours is a 500 and the next question is answered
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests
from typer.testing import CliRunner

from offchain.backtest import backtest
from offchain.cli.app import app
from offchain.errors import ServiceError
from offchain.market import Market
from offchain.service.api import answer, server
from offchain.service.desk import Desk
from offchain.service.many import open_all
from offchain.spec import find_spec
from offchain.units import WAD

DATE = "2024-12-02"
ROOT = Path(__file__).resolve().parents[2]
NAMES = ("LC10", "EQ5", "SMART10")


@pytest.fixture(scope="module")
def desk(synthetic: Market) -> Desk:
    indexes, refused = open_all([*NAMES, "no-such.toml"])
    return Desk(synthetic, indexes, refused=refused)


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    listening = server(desk, port=0)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_address[1]}"
    listening.shutdown()
    thread.join()
    listening.server_close()


def get(address: str, target: str, status: int = 200) -> dict[str, object]:
    found = requests.get(address + target, timeout=60)
    assert found.status_code == status, found.text
    assert found.headers["Content-Type"] == "application/json; charset=utf-8"
    data = found.json()
    assert isinstance(data, dict)
    return data


# --- every page -------------------------------------------------------------------------------------------------------


def test_indexes_lists_what_can_be_asked_and_what_cannot_be_read(address: str) -> None:
    """T5."""
    data = get(address, "/indexes")
    assert [row["symbol"] for row in data["indexes"]] == sorted(NAMES)  # type: ignore[attr-defined]
    assert {row["family"] for row in data["indexes"]} == {"passive", "smart"}  # type: ignore[attr-defined]
    assert "no such file" in data["refused"]["no-such.toml"]  # type: ignore[index]


def test_decision_is_the_one_of_the_command_line(address: str) -> None:
    """T5: composition, bit for bit."""
    said = CliRunner().invoke(app, ["decide", "LC10", DATE, "--market", "synthetic", "--json"], prog_name="ballast")
    data = get(address, f"/indexes/LC10/decision?date={DATE}")
    assert data == json.loads(said.stdout)
    assert sum(int(weight) for weight in data["target_weights"].values()) == WAD  # type: ignore[attr-defined]
    assert get(address, f"/indexes/lc10/decision?date={DATE}") == data
    assert get(address, "/indexes/LC10/decision")["t"] == "2025-12-31T00:00:00Z"


def test_explain_says_why_a_coin_is_in_or_out(address: str) -> None:
    """T5, M8."""
    whole = get(address, f"/indexes/LC10/explain?date={DATE}")["explanation"]
    assert whole["hashes"]["decision_hash"] == get(address, f"/indexes/LC10/decision?date={DATE}")["decision_hash"]  # type: ignore[index]
    coin = get(address, f"/indexes/LC10/explain?date={DATE}&coin=tether")["explanation"]
    assert (coin["weight"], coin["is_member"]) == (0, False)  # type: ignore[index]
    assert "stablecoin" in coin["reason"]  # type: ignore[index]


def test_levels_are_those_of_the_backtest_and_their_returns_follow(address: str, synthetic: Market) -> None:
    """T5, P2: daily, weekly, monthly and since inception, from the levels beside them."""
    data = get(address, f"/indexes/EQ5/levels?start=2024-10-07&end={DATE}")
    run = backtest(find_spec("EQ5"), synthetic, start="2024-10-07", end=DATE)
    net = data["net"]
    assert isinstance(net, list)
    assert np.array_equal(net, run.net)
    assert data["run_hash"] == run.run_hash
    returns = {name: one["value"] for name, one in data["returns"].items()}  # type: ignore[attr-defined]
    dates = data["dates"]
    assert isinstance(dates, list)
    before = {"day": "2024-12-01", "week": "2024-11-25", "month": "2024-11-02", "inception": dates[0]}
    for name, day in before.items():
        assert returns[name] == pytest.approx(net[-1] / net[dates.index(day)] - 1.0, abs=1e-15)
    assert data["status"] == "simulated"
    assert any("simulated" in line for line in data["statements"])  # type: ignore[attr-defined]


def test_signals_carry_labels_scores_and_the_phase(address: str) -> None:
    """T5, M1: the labels of the decision, each with probabilities that sum to 1."""
    data = get(address, f"/indexes/SMART10/signals?date={DATE}")
    labels = get(address, f"/indexes/SMART10/decision?date={DATE}")["labels"]
    signals = data["signals"]
    assert {name: one["label"] for name, one in signals.items()} == labels  # type: ignore[attr-defined]
    for one in signals.values():  # type: ignore[attr-defined]
        assert one["p_bearish"] + one["p_neutral"] + one["p_bullish"] == pytest.approx(1.0, abs=2e-6)
    assert data["phase"]["name"] in ("bear", "accumulation", "correction", "bull")  # type: ignore[index]


def test_prices_carry_what_is_believed_and_what_was_seen(address: str, synthetic: Market) -> None:
    """T5."""
    data = get(address, f"/prices?ids=bitcoin,ethereum&date={DATE}")
    facts = synthetic.snapshot(DATE)
    assert set(data["prices"]) == {"bitcoin", "ethereum"}  # type: ignore[call-overload]
    for name, one in data["prices"].items():  # type: ignore[attr-defined]
        assert one["price"] == facts[name].price
        assert one["state"] == facts[name].state


def test_alerts_are_those_of_the_command_line(address: str) -> None:
    """T3, T5."""
    rows = get(address, f"/alerts?date={DATE}")["alerts"]
    said = CliRunner().invoke(
        app, ["alerts", *NAMES, "no-such.toml", "--date", DATE, "--market", "synthetic", "--json"], prog_name="ballast"
    )
    assert rows == json.loads(said.stdout)["open"]
    assert {(row["index"], row["code"]) for row in rows} >= {("no-such.toml", "refused")}  # type: ignore[attr-defined]


# --- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status", "word"),
    [
        ("/", 404, "there is /indexes"),
        ("/nothing", 404, "no such page"),
        ("/indexes/LC10", 404, "no such page"),
        ("/indexes/LC10/orders", 404, "no such page"),
        ("/indexes/LC11/decision", 404, 'Did you mean "LC10"'),
        ("/indexes/..%2F..%2Fetc%2Fpasswd/decision", 404, "no index"),
        ("/indexes/offchain%2Findexes%2Fsqrt20.toml/decision", 404, "no index"),
        (f"/indexes/LC10/explain?date={DATE}&coin=bitcoins", 404, 'Did you mean "bitcoin"'),
        (f"/indexes/LC10/signals?date={DATE}", 404, "has no signals"),
        (f"/prices?ids=bitcoins&date={DATE}", 404, 'Did you mean "bitcoin"'),
        ("/prices", 400, "name at least one coin"),
        ("/indexes/LC10/decision?date=yesterday", 400, "cannot be read"),
        ("/indexes/LC10/decision?day=2024-12-02", 400, "no such parameter"),
        ("/indexes/LC10/decision?date=2024-12-02&date=2024-12-03", 400, "given twice"),
        ("/indexes/LC10/decision?date=2019-01-01", 400, "nothing is known"),
        ("/indexes/LC10/decision?date=2030-01-01", 400, "the limit is"),
        ("/indexes/LC10/levels?start=2024-12-02&end=2024-12-01", 400, "is not before end"),
    ],
)  # fmt: skip
def test_each_mistake_has_its_status_and_its_reason(desk: Desk, target: str, status: int, word: str) -> None:
    """T5."""
    found, document = answer(desk, target)
    assert found == status
    assert word in document["error"]["message"]  # type: ignore[index]


def test_nothing_but_reading_is_possible(address: str) -> None:
    """T5."""
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        found = requests.request(method, address + "/indexes", data="x" * 1000, timeout=10)
        assert found.status_code == 405
        assert found.headers["Allow"] == "GET"
        assert "only reads" in found.json()["error"]["message"]
    assert get(address, "/nothing", 404)["error"]["kind"] == "NotFound"  # type: ignore[index]


# --- the server -------------------------------------------------------------------------------------------------------


def test_questions_at_the_same_time_get_the_same_answers(address: str) -> None:
    """T5: a market remembers what it has computed; eight threads see one truth."""
    targets = [f"/indexes/{name}/decision?date=2025-0{month}-03" for month in (2, 3) for name in NAMES] * 3
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda target: json.dumps(get(address, target)), targets))
    assert found[:6] == found[6:12] == found[12:]
    assert len(set(found)) == 6


def test_a_fault_of_ours_is_a_500_and_the_next_question_is_answered(
    address: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T5: what went wrong is in the log, not in the answer."""

    def broken() -> dict[str, object]:
        raise ZeroDivisionError("a secret")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "indexes", broken)
        said = get(address, "/indexes", 500)
        assert said == {"error": {"kind": "InternalError", "message": "see the log"}}
    assert get(address, "/indexes")["indexes"]


def test_a_port_that_is_taken_is_refused(address: str, desk: Desk) -> None:
    """T5."""
    with pytest.raises(ServiceError, match="choose another port"):
        server(desk, port=int(address.rsplit(":", 1)[1]))


def test_the_command_serves_until_it_is_stopped() -> None:
    """T5: on this machine only; Ctrl-C ends it without a fault."""
    command = [sys.executable, "-m", "offchain.cli", "serve", "LC10", "--port", "0", "--market", "synthetic"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as served:
        assert served.stdout is not None
        try:
            where = served.stdout.readline().strip()
            assert where.startswith("http://127.0.0.1:")
            assert get(where, f"/indexes/LC10/decision?date={DATE}")["symbol"] == "LC10"
        finally:
            served.send_signal(signal.SIGINT)
        _, said = served.communicate(timeout=30)
    assert served.returncode == 0
    assert said.endswith("stopped\n")
