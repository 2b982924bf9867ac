"""Many indexes looked after at once: decided together, watched, and told once.

many      one market, every shipped index, each as if it were alone · one that fails stops no other
alerts    red flags · stops and pegs · drift · stale data · a decision that differs · refused
          once for each change · sent to a webhook, or one clear error and nothing forgotten
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from market_frames import change, daily_frame, without
from typer.testing import CliRunner, Result

from offchain.cli.app import app
from offchain.errors import NotDelivered, ServiceError
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.service.alerts import Alert, alerts_of, compare, last_held, watch
from offchain.service.delivery import post, read_seen, write_seen
from offchain.service.many import decide_all, open_all
from offchain.spec import find_spec, index_files, parse_spec
from offchain.units import WAD

T = "2024-02-15"  # a Thursday; the review before it is Monday the 12th
DATE = "2024-12-05"
SYNTHETIC = ("--market", "synthetic")
RULES = """
[index]
name = "Test"
symbol = "TST"
[universe]
top = 4
min_age_days = 0
[weights]
scheme = "equal"
[rebalance]
calendar = "weekly"
drift_band = 0.02
"""


def rules(text: str = "") -> Methodology:
    return Methodology(parse_spec(RULES + text))


def codes(alerts: tuple[Alert, ...]) -> set[tuple[str, str]]:
    return {(alert.code, alert.coin) for alert in alerts}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


@pytest.fixture(scope="module")
def market() -> Market:
    return Market.from_frame(daily_frame())


# --- many -------------------------------------------------------------------------------------------------------------


def test_every_shipped_index_is_decided_on_one_market_as_if_it_were_alone(synthetic: Market) -> None:
    """T7: many indexes from one engine; the one that cannot decide here is named, with its reason."""
    indexes, unread = open_all(str(path) for path in index_files().values())
    assert not unread
    many = decide_all(indexes, synthetic, "2024-12-02")
    assert set(many.decisions) | set(many.refused) == {find_spec(path).symbol for path in index_files().values()}
    assert set(many.refused) == {"YIELD7"}
    assert "risk.stable names cdai, compound-usd-coin, not in the market" in many.refused["YIELD7"]
    for name in ("LC10", "CORE", "SMART10"):
        alone = Methodology.open(name).decide(synthetic, "2024-12-02")
        assert many.decisions[name].decision_hash == alone.decision_hash
    assert all(sum(one.target_weights.values()) == WAD for one in many.decisions.values())


def test_decide_all_shows_every_decision_and_leaves_with_1_for_a_bad_file(tmp_path: Path) -> None:
    """T7: a file that cannot be read stops no other."""
    bad = tmp_path / "bad.toml"
    bad.write_text("[index]\n")
    result = run("decide-all", "EQ5", str(bad), "LC10", "lc10", "--date", DATE, *SYNTHETIC, "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert set(data["decisions"]) == {"EQ5", "LC10"}
    assert "index.symbol" in data["refused"][str(bad)]
    assert "LC10 is named twice" in data["refused"]["lc10"]
    assert "refused:" in run("decide-all", "EQ5", str(bad), "--date", DATE, *SYNTHETIC).stdout
    assert run("decide-all", "EQ5", "--date", DATE, *SYNTHETIC).exit_code == 0


# --- alerts -----------------------------------------------------------------------------------------------------------


def test_nothing_is_wrong_while_what_is_held_is_what_would_be_decided(market: Market) -> None:
    """T3: silence is possible."""
    held = dict.fromkeys(("bitcoin", "ethereum", "solana", "cardano"), 5.0)
    assert alerts_of(rules(), market, T, held=held) == ()


def test_a_member_that_collapses_is_a_red_flag_whether_or_not_the_rules_act_on_it(market: Market) -> None:
    """T3, V9."""
    fallen = Market.from_frame(change(daily_frame(), "solana", 44, days=2, price=0.02, market_cap=0.02))
    found = alerts_of(rules(), fallen, T)
    assert ("collapse", "solana") in codes(found)
    assert "collapse" not in {code for code, _ in codes(alerts_of(rules(), market, T))}


def test_a_held_coin_without_prices_and_a_market_without_data_are_stale(market: Market) -> None:
    """T3: fresh data is part of it; after the limit, not before."""
    silent = Market.from_frame(without(daily_frame(), "solana", 43, days=17))
    assert ("stale", "solana") in codes(alerts_of(rules(), silent, T))
    # the data ends on 29 February
    assert ("stale", "") not in codes(alerts_of(rules(), market, "2024-03-02"))
    late = alerts_of(rules(), market, "2024-03-20")
    assert ("stale", "") in codes(late)
    assert any("ends 2024-02-29, 20 days before 2024-03-20 (limit 2)" in alert.message for alert in late)
    assert "refused" not in {alert.code for alert in late}


def test_drift_is_told_from_the_band_on(market: Market) -> None:
    """T3, R2: half the sum of the gaps: 0.27 and 0.23 instead of 0.25 are 0.02 apart from it, which is the band."""
    at_band = {"bitcoin": 0.27, "ethereum": 0.23, "solana": 0.25, "cardano": 0.25}
    inside = {"bitcoin": 0.269, "ethereum": 0.231, "solana": 0.25, "cardano": 0.25}
    assert codes(alerts_of(rules(), market, T, held=at_band)) == {("drift", "")}
    assert codes(alerts_of(rules(), market, T, held=inside)) == set()


def test_drift_of_one_coin_out_of_its_own_band_is_told(market: Market) -> None:
    """T3."""
    held = {"bitcoin": 0.262, "ethereum": 0.238, "solana": 0.25, "cardano": 0.25}
    assert codes(alerts_of(rules("coin_band = 0.01"), market, T, held=held)) == {
        ("drift", "bitcoin"),
        ("drift", "ethereum"),
    }


def test_a_decision_that_differs_from_what_is_held_names_the_coins(market: Market) -> None:
    """T3."""
    held = {"bitcoin": 1.0, "ethereum": 1.0, "solana": 1.0, "uniswap": 1.0}
    found = alerts_of(rules(), market, T, held=held)
    assert codes(found) == {("enters", "cardano"), ("leaves", "uniswap"), ("drift", "")}
    assert any("25.00 % would be sold: rank 6 is below the top 4" in alert.message for alert in found)


def test_a_stop_that_was_reached_is_told() -> None:
    """T3, A11: the index's own level fell by a third, allowed is a fifth."""
    coins = {
        "bitcoin": (4e4, 8e11),
        "ethereum": (2e3, 2e11),
        "solana": (1e2, 4e10),
        "cardano": (0.5, 2e10),
        "usd-coin": (1.0, 3e10),
    }
    frame = daily_frame(coins=coins)
    dollar = frame["id"] == "usd-coin"
    frame.loc[dollar, "price"] = 1.0
    stops = rules("[risk]\nstable = { usd-coin = 1.0 }\nstop_loss = 0.2\n")
    held = dict.fromkeys(("bitcoin", "ethereum", "solana", "cardano"), 0.25)
    levels = [*np.linspace(100, 120, 20).tolist(), *np.linspace(118, 80, 20).tolist()]
    found = alerts_of(stops, Market.from_frame(frame), T, held=held, levels=levels)
    assert "stop" in {alert.code for alert in found}
    calm = alerts_of(stops, Market.from_frame(frame), T, held=held, levels=levels[:20])
    assert "stop" not in {alert.code for alert in calm}


def test_alerts_since_a_date_read_stops_from_the_levels_of_the_backtest(tmp_path: Path) -> None:
    """T3, A11: a stop of 4 % below the peak is reached within the months before; without levels nobody could know."""
    file = tmp_path / "stopped.toml"
    options = ("--set", "risk.stable={ usd-coin = 1.0 }", "--set", "risk.stop_loss=0.04", "--set", "risk.stop_days=300")
    assert (
        run(
            "new", "STOPPED", "--like", "EQ5", *options, "--set", "rebalance.calendar=quarterly", "--out", str(file)
        ).exit_code
        == 0
    )
    command = ("alerts", str(file), "--date", "2024-11-20", *SYNTHETIC, "--json")
    since = json.loads(run(*command, "--start", "2024-10-07").stdout)["open"]
    assert "stop" in {row["code"] for row in since}
    assert "stop" not in {row["code"] for row in json.loads(run(*command).stdout)["open"]}


def test_rules_that_cannot_decide_are_an_alert_and_stop_no_other(market: Market) -> None:
    """T3, T7."""
    empty = Methodology(parse_spec(RULES.replace("TST", "EMPTY").replace("top = 4", "top = 4\nmin_volume_usd = 1e12")))
    found = watch(
        {"EMPTY": empty, "TST": rules()}, market, T, held={"TST": {"bitcoin": 1.0}}, refused={"x.toml": "no such file"}
    )
    assert ("EMPTY", "refused") in {(alert.index, alert.code) for alert in found}
    assert ("x.toml", "refused") in {(alert.index, alert.code) for alert in found}
    assert ("TST", "enters") in {(alert.index, alert.code) for alert in found}
    assert list(found) == sorted(found)


def test_what_is_held_without_being_told_is_the_last_review_moved_by_prices(market: Market) -> None:
    """T3: a quarter of each on Monday the 12th, times price then and now."""
    now, then = market.snapshot(T), market.snapshot("2024-02-12")
    values = {
        name: 0.25 * float(now[name].price or 0) / float(then[name].price or 1)
        for name in ("bitcoin", "cardano", "ethereum", "solana")
    }
    expected = {name: value / sum(values.values()) for name, value in values.items()}
    held = last_held(rules(), market, now.t)
    assert held == pytest.approx(expected, abs=1e-15)
    # a basket was bought before the data begins: nobody knows what it holds
    assert last_held(Methodology(parse_spec(RULES.replace("weekly", "never"))), market, now.t) == {}


def test_an_alert_is_told_once_and_once_more_when_it_is_over() -> None:
    """T3: numbers in the message change nothing; indexes nobody looked at stay as they were."""
    first = Alert(index="A", code="drift", coin="", message="2.1 %")
    again = Alert(index="A", code="drift", coin="", message="2.2 %")
    other = Alert(index="A", code="leaves", coin="dash", message="")
    one = compare([first], [], looked=["A"])
    assert (one.raised, one.cleared, one.seen) == ((first,), (), ("A/drift/",))
    two = compare([again, other], [*one.seen, "B/stale/"], looked=["A"])
    assert (two.raised, two.cleared) == ((other,), ())
    assert two.seen == ("A/drift/", "A/leaves/dash", "B/stale/")
    three = compare([other], two.seen, looked=["A"])
    assert (three.raised, three.cleared, three.seen) == ((), ("A/drift/",), ("A/leaves/dash", "B/stale/"))


# --- telling it -------------------------------------------------------------------------------------------------------


@contextmanager
def webhook(status: int = 204, *, wait: float = 0.0) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """(address, what arrived). It answers `status` after `wait` seconds."""
    arrived: list[dict[str, object]] = []
    leave = threading.Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            leave.wait(wait)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/secret-token", arrived
    finally:
        leave.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_alerts_are_sent_once_for_each_change(tmp_path: Path) -> None:
    """T3: exit code 3 with news, 0 without; the webhook hears the same document that is printed."""
    seen = tmp_path / "seen.json"
    held = tmp_path / "held.json"
    held.write_text('{"EQ5": {"bitcoin": 1.0}}')
    with webhook() as (url, arrived):
        command = (
            "alerts",
            "EQ5",
            "--date",
            DATE,
            "--held",
            str(held),
            "--seen",
            str(seen),
            "--post",
            url,
            *SYNTHETIC,
            "--json",
        )
        first = run(*command)
        assert first.exit_code == 3
        told = json.loads(first.stdout)
        assert arrived == [told]
        assert {(row["code"], row["coin"]) for row in told["raised"]} >= {("drift", ""), ("enters", "ethereum")}
        second = run(*command)
        assert second.exit_code == 0
        assert json.loads(second.stdout)["raised"] == []
        assert len(json.loads(second.stdout)["open"]) == len(told["open"])
        held.write_text(json.dumps({"EQ5": dict.fromkeys(_members("EQ5"), 1.0)}))
        third = run(*command)
        assert third.exit_code == 3
        assert "EQ5/drift/" in json.loads(third.stdout)["cleared"]
        assert len(arrived) == 2


def _members(name: str) -> list[str]:
    return list(json.loads(run("decide", name, DATE, *SYNTHETIC, "--json").stdout)["target_weights"])


def test_what_did_not_arrive_is_sent_again_and_the_error_keeps_the_secret(tmp_path: Path) -> None:
    """T3: one clear error, and nothing is marked as seen."""
    seen, held = tmp_path / "seen.json", tmp_path / "held.json"
    held.write_text('{"EQ5": {"bitcoin": 1.0}}')
    with webhook(500) as (url, arrived):
        result = run(
            "alerts", "EQ5", "--date", DATE, "--held", str(held), "--seen", str(seen), "--post", url, *SYNTHETIC
        )
    assert result.exit_code == 1
    assert "127.0.0.1: answered 500" in result.stderr
    assert "secret" not in result.stderr
    assert len(arrived) == 1
    assert not seen.exists()


def test_post_that_fails_says_how() -> None:
    """T3."""
    with webhook(302) as (url, _), pytest.raises(NotDelivered, match="answered 302"):
        post(url, {})
    with webhook(wait=5.0) as (url, _), pytest.raises(NotDelivered, match=r"no answer within 0\.2 s"):
        post(url, {}, timeout=0.2)
    with pytest.raises(NotDelivered, match="cannot be reached") as refusal:
        post("http://127.0.0.1:9/secret", {})
    assert "secret" not in str(refusal.value)
    for bad in ("ftp://x/y", "example.org", "http://"):
        with pytest.raises(NotDelivered, match="write http:// or https://"):
            post(bad, {})


def test_the_file_of_seen_alerts_is_read_back_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "seen.json"
    assert read_seen(path) == ()
    write_seen(path, ["B/x/", "A/y/"])
    assert read_seen(path) == ("A/y/", "B/x/")
    for text in ("", "[]", '{"format": "other", "open": []}', '{"format": "ballast-alerts-seen/1", "open": [1]}'):
        path.write_text(text)
        with pytest.raises(ServiceError, match="not a file of alerts"):
            read_seen(path)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"EQ5": 1}', '{"EQ5": {"bitcoin": "x"}}', '{"EQ5": {"bitcoin": -1}}', '{"EQ5": {}}']
)
def test_holdings_that_cannot_be_are_refused(tmp_path: Path, text: str) -> None:
    held = tmp_path / "held.json"
    held.write_text(text)
    result = run("alerts", "EQ5", "--date", DATE, "--held", str(held), *SYNTHETIC)
    assert result.exit_code == 1
    assert "held.json" in result.stderr
