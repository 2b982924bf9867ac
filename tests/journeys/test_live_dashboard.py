"""Whoever looks after an index token: what it holds on its chain, on the dashboard and in the alerts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from offchain.chain.deployments import open_index
from offchain.chain.reads import read_state
from offchain.cli.app import app

if TYPE_CHECKING:
    from offchain.devnet import Devnet
    from offchain.launch import Launched

DATE = "2024-06-03"  # when the index was born
SYNTHETIC = ("--market", "synthetic")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


def test_dashboard_shows_what_the_token_holds_and_says_what_is_on_no_chain(
    chain: Devnet, launched: Launched, tmp_path: Path
) -> None:
    """T4, T2: composition, NAV and shares of one block, by the names of the market."""
    url, out = str(chain.w3.provider.endpoint_uri), tmp_path / "page.html"  # type: ignore[attr-defined]
    told = run(
        "dashboard",
        "EQ5",
        "LC10",
        "--rpc",
        url,
        "--date",
        DATE,
        "--start",
        "2024-04-08",
        "--out",
        str(out),
        *SYNTHETIC,
        "--json",
    )
    assert told.exit_code == 0, told.stderr
    data = json.loads(told.stdout)
    cards = {card["symbol"]: card for card in data["cards"]}
    core, index = open_index(chain.w3, "EQ5")
    state = read_state(chain.w3, core, index.address)
    live = cards["EQ5"]["live"]
    assert len(live["weights"]) == 5 and not any(name.startswith("0x") for name in live["weights"])
    assert sorted(live["weights"].values()) == pytest.approx(
        sorted(part / 10**18 for part in state.weights.values()), abs=1e-15
    )
    assert live["shares"] == state.supply / 10**18
    assert live["shares"] == pytest.approx(500, abs=1e-5)  # and the fee since the birth
    assert live["nav_usd"] == pytest.approx(50_000, abs=0.01)
    assert f"block {state.block_number:,}" in live["where"]
    assert cards["LC10"]["live"] is None
    assert any(note.startswith("LC10: not read from the chain: no index LC10") for note in data["notes"])
    page = out.read_text()
    assert 'class="live"' in page and "LC10: not read from the chain" in page


def test_alerts_are_about_what_the_token_holds(chain: Devnet, launched: Launched) -> None:
    """T3: as the token was born the index would decide the same; half a year later it would not."""
    url = str(chain.w3.provider.endpoint_uri)  # type: ignore[attr-defined]
    other = run("alerts", "LC10", "--rpc", url, "--date", DATE, *SYNTHETIC)
    assert "LC10: not read from the chain, so what it holds is simulated: no index LC10" in other.stderr
    born = json.loads(run("alerts", "EQ5", "--rpc", url, "--date", DATE, *SYNTHETIC, "--json").stdout)
    later = json.loads(run("alerts", "EQ5", "--rpc", url, "--date", "2024-12-05", *SYNTHETIC, "--json").stdout)
    assert set(born["live"]) == {"EQ5"}
    assert not {row["code"] for row in born["open"]} & {"drift", "enters", "leaves"}
    assert {row["code"] for row in later["open"]} >= {"drift", "enters", "leaves"}
