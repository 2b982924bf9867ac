"""What kind of strategy an index is, and an index of one's own from keys that are changed.

families        read from the rules · every shipped index · the page and the list name it
customisation   ballast new --like --set --profile: sector, horizon, tolerance · refused with the reason
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from offchain.cli.app import app
from offchain.errors import SpecError
from offchain.research.methodology_page import methodology_page
from offchain.spec import find_spec, index_files, load_spec
from offchain.spec.edit import with_keys
from offchain.spec.family import FAMILIES, family
from offchain.spec.variants import changed

SMART = {"smart10"}
HYBRID = {"hybrid10"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False, prog_name="ballast")


# --- families ---------------------------------------------------------------------------------------------------------


def test_every_family_is_shipped_and_named() -> None:
    """U13: passive rule-based, smart, and hybrid: a passive structure with an active exposure."""
    families = {name: family(find_spec(path)) for name, path in index_files().items()}
    assert {name for name, one in families.items() if one == "smart"} == SMART
    assert {name for name, one in families.items() if one == "hybrid"} == HYBRID
    assert {one for name, one in families.items() if name not in SMART | HYBRID} == {"passive"}


@pytest.mark.parametrize("name", index_files())
def test_page_and_list_name_the_family(name: str) -> None:
    """U13, T1."""
    spec = find_spec(index_files()[name])
    assert f"Family: {family(spec)}: {FAMILIES[family(spec)]}" in methodology_page(spec)
    listed = json.loads(run("indexes", "--json").stdout)
    assert {row["symbol"]: row["family"] for row in listed}[spec.symbol] == family(spec)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "passive"),
        ({"rebalance.triggers": ["drift", "emergency"]}, "passive"),
        ({"risk.stable": {"usd-coin": 1.0}, "risk.buffer": 0.3}, "passive"),
        ({"risk.stable": {"usd-coin": 1.0}, "risk.stop_loss": 0.3}, "hybrid"),
        ({"risk.stable": {"usd-coin": 1.0}, "risk.volatility_target": 0.4}, "hybrid"),
        ({"signals.mode": "rules", "signals.use": {"momentum_30d": 1.0}}, "passive"),
        ({"signals.mode": "rules", "signals.use": {"momentum_30d": 1.0}, "weights.tilt": 0.2}, "smart"),
        ({"signals.mode": "rules", "signals.use": {"momentum_30d": 1.0}, "signals.exclude": ["bearish"]}, "smart"),
    ],
)
def test_family_follows_from_the_rules_alone(keys: dict[str, object], expected: str) -> None:
    """U13: signals that are only shown change nothing, so the index stays passive."""
    assert family(changed(find_spec("LC10"), keys)) == expected


# --- customisation ----------------------------------------------------------------------------------------------------


def test_new_with_other_keys_is_the_other_index_and_nothing_else_changes(tmp_path: Path) -> None:
    """T8: sector, number of coins and calendar."""
    file = tmp_path / "mine.toml"
    settings = ("universe.themes=['defi']", "universe.top=6", "rebalance.calendar=monthly", "weights.max_weight=0.3")
    made = run(
        "new", "MINE", "--like", "LC10", *(part for one in settings for part in ("--set", one)), "--out", str(file)
    )
    assert made.exit_code == 0, made.stderr
    spec, like = load_spec(file), find_spec("LC10")
    assert (spec.universe.themes, spec.universe.top) == (("defi",), 6)
    assert (spec.rebalance.calendar, spec.weights.max_weight) == ("monthly", 0.3)
    again = changed(
        spec, {"universe.themes": [], "universe.top": 10, "rebalance.calendar": "weekly", "weights.max_weight": 0.25}
    )
    for section in ("universe", "weights", "rebalance", "risk", "signals", "fees", "guard", "roles"):
        assert getattr(again, section) == getattr(like, section)
    assert "universe.themes" in spec.index.description


def test_new_with_a_profile_holds_what_the_profile_says(tmp_path: Path) -> None:
    """T8, U18: horizon and tolerance; a short horizon and a low tolerance set a stop at 20 % and keep 30 % aside."""
    file = tmp_path / "calm.toml"
    made = run("new", "CALM", "--profile", "balanced,low,short", "--out", str(file))
    assert made.exit_code == 0, made.stderr
    assert "no investment advice" in made.stderr
    rules = load_spec(file).risk
    assert rules.stable == (("usd-coin", 1.0),)
    assert (rules.buffer, rules.drawdown_limit, rules.stop_loss, rules.volatility_target) == (0.3, 0.15, 0.2, 0.3)
    assert (rules.mode, rules.shift, rules.max_shift) == ("conservative", "breadth", 0.5)
    assert family(load_spec(file)) == "hybrid"


def test_new_with_a_profile_keeps_a_stable_side_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "calm.toml"
    assert run("new", "CALM", "--like", "SMART10", "--profile", "growth,medium,long", "--out", str(file)).exit_code == 0
    assert load_spec(file).risk.stable == find_spec("SMART10").risk.stable
    assert load_spec(file).risk.volatility_target == 0.5


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--set", "universe.tops=5"), 'Did you mean "top"'),
        (("--set", "universe.top=5000000"), "universe.top"),
        (("--set", "top=5"), "write section.key=value"),
        (("--set", "universe.top"), "write section.key=value"),
        (("--set", "universe.top=5\n[y]\nz = 1"), "universe.top"),
        (("--profile", "greedy,low,short"), "use one of preserve"),
        (("--profile", "balanced"), "write goal,tolerance,horizon"),
    ],
)
def test_new_refuses_what_no_file_could_hold_and_writes_nothing(
    tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    file = tmp_path / "mine.toml"
    made = run("new", "MINE", *options, "--out", str(file))
    assert made.exit_code == 1
    assert word in made.stderr
    assert not file.exists()


def test_a_value_over_several_lines_is_replaced_as_a_whole_and_comments_stay() -> None:
    text = '# mine\n[universe]\nthemes = [\n  "ai",\n  "defi",\n]\ntop = 5  # five\n\n[fees]\nmint_bps = 1\n'
    changed_text = with_keys(
        text, {"universe.themes": '["meme"]', "universe.buffer": "1", "risk.buffer": "0.1"}, source="x"
    )
    assert changed_text == (
        '# mine\n[universe]\nthemes = ["meme"]\ntop = 5  # five\nbuffer = 1\n\n[fees]\nmint_bps = 1\n\n[risk]\nbuffer = 0.1\n'
    )
    for value, word in (("==", "cannot be read"), ("5\n[y]\nz = 1", "give one value")):
        with pytest.raises(SpecError, match=word):
            with_keys(text, {"universe.top": value}, source="x")
