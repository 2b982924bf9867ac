"""One page about all indexes, of numbers that can be recomputed; and what is live beside what is simulated.

cards    composition and returns are those of the decision and the backtest
page     self-contained · light and dark · names from files cannot break out · the same bytes again
live     from the state of a chain · from a file · what is not there is said
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from offchain.backtest import backtest
from offchain.chain.reads import ComponentState, IndexState, LimitsState, PlanState, PolicyState
from offchain.cli.app import app
from offchain.errors import UnusableHoldings
from offchain.market import Market
from offchain.methodology import Methodology
from offchain.service.alerts import Alert
from offchain.service.dashboard import Card, dashboard_html, look
from offchain.service.desk import Desk
from offchain.service.live import Live, live_from_file, live_of
from offchain.service.many import open_all
from offchain.spec import find_spec
from offchain.units import from_wad

DATE, START = "2024-12-05", "2024-10-07"
NAMES = ("EQ5", "LC10", "SMART10", "YIELD7")
SYNTHETIC = ("--market", "synthetic")
ZERO = "0x" + "00" * 20


@pytest.fixture(scope="module")
def desk(synthetic: Market) -> Desk:
    return Desk(synthetic, open_all(NAMES)[0])


@pytest.fixture(scope="module")
def seen(desk: Desk) -> tuple[tuple[Card, ...], tuple[Alert, ...]]:
    return look(desk, date=DATE, start=START)


@pytest.fixture(scope="module")
def text(desk: Desk, seen: tuple[tuple[Card, ...], tuple[Alert, ...]]) -> str:
    return dashboard_html(*seen, t=desk.time(DATE), market="synthetic", notes=["a note"])


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


# --- cards ------------------------------------------------------------------------------------------------------------


def test_a_card_holds_the_backtest_and_the_decision_of_now(
    desk: Desk, seen: tuple[tuple[Card, ...], tuple[Alert, ...]], synthetic: Market
) -> None:
    """T4, P2: composition, weights, level and returns of a day, a week, a month and since the start."""
    card = {card.symbol: card for card in seen[0]}["EQ5"]
    told = backtest(find_spec("EQ5"), synthetic, start=START, end=DATE)
    assert card.levels == tuple(told.net.tolist())
    levels = dict(zip((time.strftime("%Y-%m-%d") for time in told.times), told.net.tolist(), strict=True))
    first = next(iter(levels.values()))
    for name, before in (
        ("day", levels["2024-12-04"]),
        ("week", levels["2024-11-28"]),
        ("month", levels["2024-11-05"]),
        ("inception", first),
    ):
        assert card.returns[name].value == pytest.approx(levels[DATE] / before - 1.0, abs=1e-15)
    held = told.holdings(desk.time(DATE))
    decision = Methodology.open("EQ5").decide(synthetic, DATE, held)
    assert {row.id: row.target for row in card.holdings if row.target} == {
        name: from_wad(weight) for name, weight in decision.target_weights.items()
    }
    assert {row.id: row.held for row in card.holdings if row.held} == held
    assert all(row.why for row in card.holdings)


def test_an_index_that_is_refused_has_a_card_that_says_so_and_the_others_stand(
    seen: tuple[tuple[Card, ...], tuple[Alert, ...]], text: str
) -> None:
    """T4, T7."""
    cards = {card.symbol: card for card in seen[0]}
    assert set(cards) == set(NAMES)
    assert "not in the market" in cards["YIELD7"].refused
    assert not any(cards[name].refused for name in ("EQ5", "LC10", "SMART10"))
    assert cards["SMART10"].phase in ("bear", "accumulation", "correction", "bull")
    assert ("YIELD7", "refused") in {(alert.index, alert.code) for alert in seen[1]}


# --- page -------------------------------------------------------------------------------------------------------------


class Outline(HTMLParser):
    """Which tags a page has, and whether each is closed."""

    VOID = ("meta", "br", "polyline", "img", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_has_everything_in_it_and_loads_nothing(text: str) -> None:
    """T4: level, returns, weights, phase, alerts, overlap, statements; readable by day and by night."""
    outline = Outline(text)
    assert not outline.open
    assert outline.count["svg"] == 3
    assert outline.count["table"] == 3 + 3
    assert not re.search(r"<script|<link|<img|src=|href=\"[^#]|url\(|@import", text)
    assert "color-scheme: light dark" in text and "prefers-color-scheme: dark" in text
    for words in (
        "1 day",
        "1 week",
        "1 month",
        "since the start",
        "phase of the market",
        "Overlap",
        "Alerts",
        "a note",
        "simulated",
    ):
        assert words in text
    assert "Past performance" in text and "not investment" in text
    assert 'class="live"' not in text


def test_the_same_look_gives_the_same_bytes(desk: Desk, text: str, synthetic: Market) -> None:
    fresh = Desk(synthetic, open_all(NAMES)[0])
    assert (
        dashboard_html(*look(fresh, date=DATE, start=START), t=fresh.time(DATE), market="synthetic", notes=["a note"])
        == text
    )


def test_words_from_files_cannot_break_out_of_the_page() -> None:
    """T4: an index file is somebody else's text."""
    bad = "<script>alert(1)</script>"
    card = Card(symbol="X", name=bad, family="passive", spec_hash="0x", refused=bad)
    alert = Alert(index=bad, code="refused", coin=bad, message=bad)
    text = dashboard_html([card], [alert], t=datetime(2024, 12, 5, tzinfo=UTC), market=bad, notes=[bad])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 6


# --- live -------------------------------------------------------------------------------------------------------------


def state() -> IndexState:
    """Two components of 300 and 100 USD, 4 shares; a third has no price."""

    def component(token: str, value: int) -> ComponentState:
        return ComponentState(
            token=token, symbol="T", decimals=18, available=1, claims_owed=0, price=1, value=value, unit=1, planned=False, surplus=0, deficit=0
        )  # fmt: skip

    return IndexState(
        index=ZERO, name="n", symbol="EQ5", block_number=1234, timestamp=1_733_356_800, version=1, supply=4 * 10**18,
        pending_fee_shares=0, supply_cap=0, streaming_fee=0, mint_fee=0, redeem_fee=0, fee_recipient=ZERO, authority=ZERO, rebalancer=ZERO,
        guard=ZERO, mint_paused_until=0, exchange_paused_until=0, deprecated=False, nav=400 * 10**9,
        nav_per_share=100 * 10**9 * 10**27 // 10**18,
        policy=PolicyState(max_slippage=0, cooldown=0, min_interval=0, max_duration=0, max_trade=0, max_weight=0),
        plan=PlanState(id=0, steps=0, started_at=0, expires_at=0, turnover=0, scale=0, noted=False, manual=False, streaming_rate=0,
                       nav_per_share=0, rebalance_fee=0, keeper_tip=0),
        limits=LimitsState(loss_capacity=0, loss_window=0, turnover_capacity=0, turnover_window=0, valuation_max_age=0),
        loss_used=0, turnover_used=0,
        components=(component("0xAA", 300 * 10**9), component("0xBB", 100 * 10**9), component("0xCC", 0)),
    )  # fmt: skip


def test_what_the_chain_holds_is_shown_as_it_is() -> None:
    """T4, T2: 300 of 400 USD are three quarters; 4 shares are worth 100 USD each."""
    live = live_of(state(), {"0xaa": "bitcoin"})
    assert live.weights == {"0xBB": 0.25, "bitcoin": 0.75}
    assert (live.nav_usd, live.share_price_usd, live.shares) == (400.0, 100.0, 4.0)
    assert live.where == "block 1,234 of 2024-12-05T00:00:00Z"


def test_live_holdings_have_a_column_of_their_own_and_alerts_are_about_them(desk: Desk) -> None:
    """T4, P6: live and simulated are told apart."""
    live = {"EQ5": Live(weights={"bitcoin": 0.75, "tether": 0.25}, where="block 7", nav_usd=1234.5)}
    cards, alerts = look(desk, date=DATE, start=START, live=live)
    own = {(alert.code, alert.coin) for alert in alerts if alert.index == "EQ5"}
    assert ("leaves", "tether") in own and ("drift", "") in own
    text = dashboard_html(cards, alerts, t=desk.time(DATE), market="m")
    assert (
        '<span class="live">live</span> block 7, NAV $1.23 K' in text
        or '<span class="live">live</span> block 7, NAV $1,234.5' in text
    )
    assert "75.00 %" in text and "held, simulated" in text and ">live</th>" in text


def test_the_command_writes_the_page_and_tells_its_numbers(tmp_path: Path) -> None:
    """T4."""
    out, live = tmp_path / "deep" / "page.html", tmp_path / "live.json"
    live.write_text('{"EQ5": {"holdings": {"bitcoin": 3, "ethereum": 1}, "nav_usd": 400}}')
    result = run(
        "dashboard",
        "EQ5",
        "--date",
        DATE,
        "--start",
        START,
        "--out",
        str(out),
        "--live",
        str(live),
        *SYNTHETIC,
        "--json",
    )
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    (card,) = data["cards"]
    assert {row["id"]: row["live"] for row in card["holdings"]}["bitcoin"] == 0.75
    assert card["live"]["where"] == "live.json"
    assert f"{card['level']:,.2f}" in out.read_text()
    refused = run("dashboard", "LC10", "--out", str(out), "--live", str(live), *SYNTHETIC)
    assert refused.exit_code == 1 and "EQ5 is not among LC10" in refused.stderr
    unreachable = run("dashboard", "EQ5", "--out", str(out), "--rpc", "http://127.0.0.1:9", *SYNTHETIC)
    assert unreachable.exit_code == 1 and "127.0.0.1:9" in unreachable.stderr


@pytest.mark.parametrize("text", ["{", "[]", '{"EQ5": 1}', '{"EQ5": {}}', '{"EQ5": {"a": -1, "b": 3}}', '{"EQ5": {"holdings": 3}}', '{"EQ5": {"a": "x"}}'])  # fmt: skip
def test_live_holdings_that_cannot_be_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "live.json"
    path.write_text(text)
    with pytest.raises(UnusableHoldings, match=r"live\.json: cannot be read"):
        live_from_file(path)
