"""A keeper that is killed, cut off, copied or reorganised: nothing happens twice, nothing is lost.

Killed at any boundary, and started again
    it finishes the same rebalance with the same trades, and the ledger tells what the chain tells
    also by SIGKILL, from another process
Cut off
    an answer that is lost after the node accepted; a node that says "already known"; one that swallows the transaction
    a transaction that is never mined is replaced at × 1.125 up to the cap, under the same nonce, and lands once
    a transaction still pending at the end of a run is continued by the next with the same bytes
    a transaction that the node refuses is not waited for
    a quarter of all requests fails, each in another way: it takes longer, and nothing else
Reorganised
    what a reorganisation removed is sent again as it was
Two keepers
    with one ledger: the second has nothing to do; with one key or two keys: every step happens once
Ledger
    nothing is signed when it cannot be written
    a changed, removed or cut entry is noticed when it is opened
    it is rebuilt from the chain on command
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from offchain.chain.artifacts import ROOT
from offchain.chain.client import rpc
from offchain.errors import ChainError, NotConnected
from offchain.keeper import Done, Keeper, Ledger, RetryAt, Settings, Skip, sending
from offchain.keeper.ledger import LedgerError
from offchain.spec import find_spec
from tests.keeper.support import SECOND_STRATEGIST, STRATEGIST, WEEKS, Fund, Weather, a_fund, intercepted

POINTS = ("signing", "signed", "sent", "mined", "settled")


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the keeper may catch it."""


class KillAt:
    """Kills at the `occurrence`-th time that a checkpoint is passed."""

    def __init__(self, point: str, occurrence: int = 1) -> None:
        self.point, self.left = point, occurrence

    def __call__(self, name: str) -> None:
        if name == self.point:
            self.left -= 1
            if self.left == 0:
                raise Killed(name)


@pytest.fixture(scope="module")
def _small() -> Iterator[Fund]:
    """Five coins and no cool-down, a week after the start: a rebalance of a few trades."""
    spec = find_spec("EQ5")
    rules = replace(spec.rebalance, calendar="weekly", max_slippage_bps=100, drift_band=0.001, cooldown_minutes=0)
    with a_fund(replace(spec, rebalance=rules)) as fund:
        fund.world.step(WEEKS[2])
        yield fund


@pytest.fixture
def small(_small: Fund) -> Iterator[Fund]:
    with _small.world.rewound():
        yield _small


def swaps_on_chain(fund: Fund) -> list[tuple[int, int]]:
    """(plan, step) of every swap that ever happened."""
    events = fund.core.contract(fund.world.w3, "rebalancer").events.SwapTokens()
    return [(e["args"]["planId"], e["args"]["step"]) for e in events.get_logs(from_block=0)]


def check_once(fund: Fund, keeper: Keeper, outcome: object) -> None:
    """What holds after every fault: done, each step once, one transaction a nonce, ledger equals chain."""
    assert isinstance(outcome, Done), outcome
    swaps = swaps_on_chain(fund)
    assert swaps == [(1, step) for step in range(len(swaps))] and swaps
    nonce = fund.world.w3.eth.get_transaction_count(keeper.address)
    settled = [entry.body for entry in keeper.ledger.entries(kind="settled")]
    mined = {body["hash"] for body in settled if isinstance(body, dict) and body["status"] in ("mined", "reverted")}
    assert len(mined) == nonce == len(swaps) + 2
    for tx in mined:
        assert fund.world.w3.eth.get_transaction_receipt(str(tx))["status"] == 1  # type: ignore[arg-type]
    assert outcome.report.drift_after * 8 < outcome.report.drift_before or outcome.report.drift_after < 2 * 10**15
    assert all(fill.planned_buy for fill in outcome.report.fills)
    keeper.ledger.verify()


@pytest.mark.parametrize("occurrence", [1, 2, 4])
@pytest.mark.parametrize("point", POINTS)
def test_killed_around_a_transaction_it_continues(small: Fund, ledger: Path, point: str, occurrence: int) -> None:
    """Occurrence 1 is the start of the plan, 2 and 4 are swaps."""
    keeper = small.keeper(ledger, checkpoint=KillAt(point, occurrence))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    with small.keeper(ledger) as again:
        check_once(small, again, again.run())


@pytest.mark.parametrize("point", ["read", "decision", "plan", "simulation", "report"])
def test_killed_between_stages_it_continues(small: Fund, ledger: Path, point: str) -> None:
    keeper = small.keeper(ledger, checkpoint=KillAt(point))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    with small.keeper(ledger) as again:
        outcome = again.run()
        if point == "report":  # everything was done: only the telling was lost
            assert isinstance(outcome, RetryAt) and "is done" in outcome.reason
            outcome = Done(report=again.report())
        check_once(small, again, outcome)


def test_killed_twice_it_continues(small: Fund, ledger: Path) -> None:
    for kill in (KillAt("signed", 2), KillAt("sent", 2), KillAt("mined", 1)):
        keeper = small.keeper(ledger, checkpoint=kill)
        with pytest.raises(Killed):
            keeper.run()
        keeper.close()
    with small.keeper(ledger) as again:
        check_once(small, again, again.run())


_CHILD = """
import json, os, signal, sys
from offchain.chain.client import connect
from offchain.chain.core import Core
from offchain.devnet.node import LocalNode
from offchain.keeper import Keeper, Places, devnet_account
from offchain.market import synthetic_market
from offchain.spec import parse_spec
facts = json.load(open(sys.argv[1]))
left = [facts["occurrence"]]
def die(name):
    if name == facts["point"]:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
w3 = connect(facts["url"])
core = Core(**facts["core"])
keeper = Keeper(
    w3, Places.of_manifest(core, facts["index"], facts["manifest"]), parse_spec(facts["spec"]), market=synthetic_market(),
    account=devnet_account(facts["account"]), ledger=facts["ledger"],
    wait=lambda until: LocalNode(w3).mine(timestamp=until), checkpoint=die,
)
print(keeper.run())
"""


def in_child(fund: Fund, folder: Path, *, point: str, occurrence: int, ledger: Path, account: int = STRATEGIST) -> int:
    """A keeper in a process of its own; its exit code."""
    text = (ROOT / "offchain/indexes/eq5.toml").read_text()
    rules = fund.spec.rebalance
    for key in ("max_slippage_bps", "drift_band", "cooldown_minutes"):
        text = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} "))
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("calendar ", "weekday ")))
    text = text.replace(
        "[rebalance]",
        f'[rebalance]\ncalendar = "weekly"\nmax_slippage_bps = {rules.max_slippage_bps}\n'
        f"drift_band = {rules.drift_band}\ncooldown_minutes = 0",
    )
    facts = {
        "url": fund.world.node.url,  # type: ignore[attr-defined]
        "core": asdict(fund.core),
        "index": fund.index.address,
        "manifest": fund.world.manifest(),
        "spec": text,
        "ledger": str(ledger),
        "account": account,
        "point": point,
        "occurrence": occurrence,
    }
    file = folder / f"facts-{account}.json"
    file.write_text(json.dumps(facts))
    done = subprocess.run([sys.executable, "-c", _CHILD, str(file)], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


def test_sigkill_of_a_real_process_it_continues(small: Fund, ledger: Path, tmp_path: Path) -> None:
    for point, occurrence in (("signed", 1), ("sent", 2), ("mined", 2)):
        code = in_child(small, tmp_path, point=point, occurrence=occurrence, ledger=ledger)
        assert code == -signal.SIGKILL
    with small.keeper(ledger) as again:
        check_once(small, again, again.run())


# --- cut off ----------------------------------------------------------------------------------------------------------


@contextmanager
def sends(fund: Fund, how: Callable[[Callable[[], object], int], object]) -> Iterator[list[int]]:
    """Every eth_sendRawTransaction goes through `how(really_send, number)`; yields the numbers, to see that it did."""
    numbers: list[int] = []

    def single(real: Callable[..., object]) -> Callable[..., object]:
        def ask(method: str, params: object) -> object:
            if method != "eth_sendRawTransaction":
                return real(method, params)
            numbers.append(len(numbers) + 1)
            return how(lambda: real(method, params), numbers[-1])

        return ask

    with intercepted(fund.world.w3, single=single):
        yield numbers


@pytest.mark.usefixtures("hasty")
def test_lost_answer_of_an_accepted_transaction(small: Fund, ledger: Path) -> None:
    def lose(send: Callable[[], object], number: int) -> object:
        send()
        raise NotConnected("the answer is lost")

    with small.keeper(ledger) as keeper, sends(small, lose) as numbers:
        check_once(small, keeper, keeper.run())
        assert len(numbers) >= 3


@pytest.mark.usefixtures("hasty")
def test_duplicated_transaction(small: Fund, ledger: Path) -> None:
    def twice(send: Callable[[], object], number: int) -> object:
        send()
        return send()

    with small.keeper(ledger) as keeper, sends(small, twice) as numbers:
        check_once(small, keeper, keeper.run())
        assert len(numbers) >= 3


@pytest.mark.usefixtures("hasty")
def test_swallowed_transaction_is_sent_again_as_it_was(small: Fund, ledger: Path) -> None:
    def swallow(send: Callable[[], object], number: int) -> object:
        return {"jsonrpc": "2.0", "id": 1, "result": "0x" + "00" * 32} if number in (1, 3) else send()

    with small.keeper(ledger) as keeper, sends(small, swallow) as numbers:
        check_once(small, keeper, keeper.run())
        signed = [entry.body for entry in keeper.ledger.entries(kind="signed")]
        assert len({body["nonce"] for body in signed if isinstance(body, dict)}) == len(signed) == len(numbers) - 2


@pytest.mark.usefixtures("hasty")
def test_transaction_that_the_node_refuses_is_not_waited_for(small: Fund, ledger: Path) -> None:
    def refuse(send: Callable[[], object], number: int) -> object:
        return (
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "intrinsic gas too low"}}
            if number == 2
            else send()
        )

    with small.keeper(ledger) as keeper, sends(small, refuse):
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and "does not take the swap" in outcome.reason
        check_once(small, keeper, keeper.run())


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("seed", (3, 16, 20, 31))
def test_bad_weather_delays_and_repeats_nothing(small: Fund, ledger: Path, seed: int) -> None:
    """A quarter of all requests is dropped, doubled, refused or answered with null, sends included."""
    weather = Weather(seed, often=0.25)
    for _ in range(30):
        with small.keeper(ledger) as keeper, intercepted(small.world.w3, single=weather.single, batch=weather.batch):
            try:
                outcome: object = keeper.run()
            except ChainError as error:
                outcome = error
        if isinstance(outcome, Done):
            break
    assert len(weather.failures) >= 4 and sum(weather.failures.values()) >= 10
    with small.keeper(ledger) as keeper:
        if not isinstance(outcome, Done):
            assert "is done" in str(outcome), outcome
            outcome = Done(report=keeper.report())
        check_once(small, keeper, outcome)


def test_stuck_transaction_is_replaced_under_its_nonce_up_to_the_cap(
    small: Fund, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BUMP_SECONDS", 0.05)
    w3 = small.world.w3
    rpc(w3, "evm_setAutomine", False)
    try:
        with small.keeper(ledger, settings=Settings(patience=1.2, fee_cap=4 * 10**9)) as keeper:
            outcome = keeper.run()
            assert isinstance(outcome, RetryAt) and "still pending" in outcome.reason
            signed = [entry.body for entry in keeper.ledger.entries(kind="signed")]
            fees = [int(str(body["max_fee"])) for body in signed if isinstance(body, dict)]
            tips = [int(str(body["priority_fee"])) for body in signed if isinstance(body, dict)]
            assert len(fees) >= 3 and max(fees) <= 4 * 10**9
            for column in (fees, tips):
                assert all(after * 8 >= before * 9 for before, after in zip(column, column[1:], strict=False))
            assert len({body["nonce"] for body in signed if isinstance(body, dict)}) == 1
    finally:
        rpc(w3, "evm_setAutomine", True)
    small.world.node.mine()
    with small.keeper(ledger) as again:
        outcome = again.run()
        check_once(small, again, outcome)


def test_dropped_transaction_of_an_earlier_run_is_sent_with_the_same_bytes(small: Fund, ledger: Path) -> None:
    w3 = small.world.w3
    rpc(w3, "evm_setAutomine", False)
    try:
        with small.keeper(ledger, settings=Settings(patience=0.2)) as keeper:
            assert isinstance(keeper.run(), RetryAt)
            (first,) = (entry.body for entry in keeper.ledger.entries(kind="signed"))
        rpc(w3, "anvil_dropAllTransactions")
    finally:
        rpc(w3, "evm_setAutomine", True)
    with small.keeper(ledger) as again:
        check_once(small, again, again.run())
        assert isinstance(first, dict)
        assert w3.eth.get_transaction_receipt(str(first["hash"]))["status"] == 1  # type: ignore[arg-type]


def test_reorganisation_of_two_blocks_is_repaired(small: Fund, ledger: Path) -> None:
    keeper = small.keeper(ledger, checkpoint=KillAt("settled", 4))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    before = swaps_on_chain(small)
    rpc(small.world.w3, "anvil_reorg", 2, [])
    assert len(swaps_on_chain(small)) < len(before)
    with small.keeper(ledger) as again:
        check_once(small, again, again.run())


# --- two keepers ------------------------------------------------------------------------------------------------------


def test_second_keeper_on_the_same_ledger_has_nothing_to_do(small: Fund, ledger: Path) -> None:
    outcomes: list[object] = []

    def start_another(name: str) -> None:
        if name == "sent" and not outcomes:
            with small.keeper(ledger) as other:
                outcomes.append(other.run())

    with small.keeper(ledger, checkpoint=start_another) as keeper:
        check_once(small, keeper, keeper.run())
    assert isinstance(outcomes[0], Skip) and "another keeper is at work" in outcomes[0].reason


@pytest.mark.parametrize("account", [STRATEGIST, SECOND_STRATEGIST])
def test_two_keepers_with_two_ledgers_do_every_step_once(
    small: Fund, ledger: Path, tmp_path: Path, account: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one runs in the middle of the first, with the same key or with another."""
    monkeypatch.setattr(sending, "LOST_SECONDS", 0.3)
    outcomes: list[object] = []

    def start_another(name: str) -> None:
        if name == "signing" and not outcomes:
            outcomes.append(None)
            with small.keeper(tmp_path / "other.db", account=account) as other:
                outcomes[0] = other.run()

    with small.keeper(ledger, checkpoint=start_another) as keeper:
        outcome = keeper.run()
    assert isinstance(outcomes[0], Done)
    assert isinstance(outcome, RetryAt), outcome
    swaps = swaps_on_chain(small)
    assert swaps == [(1, step) for step in range(len(swaps))]


def test_two_keepers_at_the_same_time_do_every_step_once(small: Fund, ledger: Path, tmp_path: Path) -> None:
    codes: dict[str, object] = {}

    def run(name: str, account: int) -> None:
        codes[name] = in_child(
            small, tmp_path, point="never", occurrence=1, ledger=tmp_path / f"{name}.db", account=account
        )

    threads = [threading.Thread(target=run, args=pair) for pair in (("one", STRATEGIST), ("two", SECOND_STRATEGIST))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {"one": 0, "two": 0}
    swaps = swaps_on_chain(small)
    assert swaps and swaps == [(1, step) for step in range(len(swaps))]
    with small.keeper(ledger) as third:
        outcome = third.run()  # whatever the two left over
        assert isinstance(outcome, Done | RetryAt)


# --- ledger -----------------------------------------------------------------------------------------------------------


def test_nothing_is_signed_when_the_ledger_cannot_be_written(small: Fund, ledger: Path) -> None:
    with small.keeper(ledger) as keeper:
        pages = keeper.ledger._db.execute("PRAGMA page_count").fetchone()[0]
        keeper.ledger._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(LedgerError, match="nothing is signed without it"):
            keeper.run()
    assert small.world.w3.eth.get_transaction_count(keeper.address) == 0


def filled(path: Path) -> None:
    with Ledger.open(path) as book:
        for number in range(20):
            book.append(run="1", kind="read", at=number, body={"value": number * 10**30})
        assert book.verify() == 20


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET body = replace(body, '6', '7') WHERE number = 7",
        "UPDATE entries SET kind = 'plan' WHERE number = 1",
        "UPDATE entries SET at = at + 1 WHERE number = 20",
        "DELETE FROM entries WHERE number = 5",
        "DELETE FROM entries WHERE number = 1",
        "UPDATE entries SET number = 100 WHERE number = 20",
    ],
)
def test_changed_ledger_is_noticed_when_opened(ledger: Path, damage: str) -> None:
    filled(ledger)
    with sqlite3.connect(ledger) as db:
        db.execute(damage)
    db.close()
    with pytest.raises(LedgerError, match="was changed or is missing"):
        Ledger.open(ledger)


def test_flipped_bits_are_noticed_or_harmless(ledger: Path) -> None:
    filled(ledger)
    with sqlite3.connect(ledger) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    clean = ledger.read_bytes()
    with Ledger.open(ledger) as book:
        expected = book.entries()
    noticed = 0
    for position in range(100, len(clean), len(clean) // 60):
        broken = bytearray(clean)
        broken[position] ^= 1 << position % 8
        for beside in ledger.parent.glob(ledger.name + "*"):
            beside.unlink()
        ledger.write_bytes(bytes(broken))
        try:
            with Ledger.open(ledger) as book:
                assert book.entries() == expected
        except LedgerError:
            noticed += 1
    assert noticed > 5


def test_file_that_is_no_ledger_is_refused(ledger: Path) -> None:
    ledger.write_bytes(b"not a database" * 100)
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger.open(ledger)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o500)
    with pytest.raises(LedgerError, match="cannot be opened"):
        Ledger.open(folder / "keeper.db")


def test_ledger_is_rebuilt_from_the_chain(small: Fund, ledger: Path, tmp_path: Path) -> None:
    with small.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), Done)
        report = keeper.report()
    with small.keeper(tmp_path / "new.db") as rebuilt:
        assert rebuilt.rebuild() == 1
        again = rebuilt.report()
        assert [(f.sold, f.bought, f.tx) for f in again.fills] == [(f.sold, f.bought, f.tx) for f in report.fills]
        rows = [entry.body for entry in rebuilt.ledger.entries(kind="recovered")]
        assert [row["event"] for row in rows if isinstance(row, dict)] == [
            "StartPlan",
            *["SwapTokens"] * len(report.fills),
            "EndPlan",
        ]
        assert isinstance(rebuilt.run(), RetryAt)
