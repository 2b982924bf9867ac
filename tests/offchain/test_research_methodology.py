"""The published page of every index says what its file says, and is current.

page
├── every key that the hash covers, with its value and unit; in words: top, buffer, screens, scheme, caps, calendar, fees
├── another number in the file → another page
└── a bar or an odd name does not break a table
docs/methodologies
└── one page for each shipped index, no other, each as generated now
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from offchain.research.methodology_page import (
    FOLDER,
    RANK_WORDS,
    SCHEME_WORDS,
    methodology_page,
    shown,
    stale_pages,
    write_pages,
)
from offchain.research.statements import ADVICE, PAST
from offchain.spec import IndexSpec, find_spec, index_files, parse_spec
from offchain.spec.risk_rules import RiskRules
from offchain.spec.signal_rules import SignalRules
from offchain.spec.universe_rules import RANKS, UniverseRules
from offchain.spec.weight_rules import SCHEMES, WeightRules

BASE = """
[index]
name = "Test | Five"
symbol = "T5"
[universe]
top = 5
min_age_days = 10
buffer = 1
[weights]
scheme = "equal"
max_weight = 0.3
"""


@pytest.mark.parametrize("name", list(index_files()))
def test_page_of_every_shipped_index_names_hash_keys_and_benchmarks(name: str) -> None:
    """T1: methodology, benchmark and risk parameters of each index are published."""
    spec = find_spec(index_files()[name])
    text = methodology_page(spec)
    assert spec.spec_hash in text
    assert all(benchmark in text for benchmark in spec.index.benchmarks)
    hashed = json.loads(spec.to_json())["spec"]
    for section, keys in hashed.items():
        if section != "index" and isinstance(keys, dict):
            assert f"`[{section}]`" in text
            assert all(f"| `{key}` |" in text for key in keys), section


def test_pages_in_docs_are_what_the_files_say() -> None:
    """T1: run `./ballast methodology --write` after changing an index file."""
    assert [path.name for path in stale_pages()] == []
    assert {path.stem for path in FOLDER.glob("*.md")} == {"README", *index_files()}


def test_page_says_the_rules_in_words(lc10: IndexSpec) -> None:
    text = methodology_page(lc10)
    assert "holds the 10 coins that are largest by market capitalisation" in text
    assert "needs rank 8 or better" in text
    assert "up to rank 12" in text
    assert "first price at least 90 days ago" in text
    assert "none above 25 % and none below 0.5 %" in text
    assert "every Monday at 00:00 UTC" in text
    assert "95 bps (0.95 %) a year" in text
    assert PAST in text and ADVICE in text


def test_another_number_in_the_file_is_another_page() -> None:
    before = methodology_page(parse_spec(BASE))
    after = methodology_page(parse_spec(BASE.replace("0.3", "0.35")))
    assert "none above 30 %" in before
    assert "none above 35 %" in after
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    # the hash, the sentence and the row
    assert len(changed) == 3


def test_every_scheme_and_rank_has_words() -> None:
    assert set(SCHEME_WORDS) == set(SCHEMES)
    assert set(RANK_WORDS) == set(RANKS)


RICH = """
[index]
name = "Everything"
symbol = "ALL"
[universe]
top = 12
themes = ["defi", "ai"]
rank_by = "momentum"
rank_days = 60
stay_volume_usd = 500000
max_fall = 0.6
votes = "votes.json"
[weights]
scheme = "blend"
blend = { market_cap = 0.5, erc = 0.5 }
max_weight = 0.2
max_weight_largest = 0.3
group_caps = { meme = 0.1 }
[signals]
mode = "rules"
use = { momentum_90d = 0.4 }
exclude = ["bearish"]
[risk]
stable = { usd-coin = 1.0 }
shift = "phase"
max_shift = 0.3
[rebalance]
calendar = "quarterly"
triggers = ["drift"]
"""


@pytest.mark.parametrize(
    "words",
    [
        "the 12 coins of the themes defi or ai that are strongest by momentum over 60 days",
        "$1,000,000 ($500,000 once it is held) traded a day",
        "fell by more than 60 % within 7 days is out for 90 days",
        "as a blend of several schemes (erc 0.5, market_cap 0.5), the largest at most 30 %, all others 20 %",
        "by written rules over 1 feature. Coins that are bearish stay out.",
        "Part of it can be held in usd-coin instead of coins at risk",
        "on the 1st of March, June, September and December at 00:00 UTC",
        "It is also reviewed on drift.",
    ],
)
def test_every_kind_of_rule_is_put_into_words(words: str) -> None:
    """T1."""
    assert words in methodology_page(parse_spec(RICH))


@pytest.mark.parametrize(
    ("rules", "key", "value"),
    [
        (WeightRules, "group_caps", "meme 0.1"),
        (RiskRules, "shift", "phase"),
        (UniverseRules, "votes", "votes.json"),
        (SignalRules, "use", "momentum_90d 0.4"),
    ],
)
def test_every_key_without_words_of_its_own_gets_a_line(rules: type, key: str, value: str) -> None:
    """T1: no rule that is used is missing from the summary."""
    doc = next(row.metadata["doc"] for row in fields(rules) if row.name == key)
    assert f"- {doc.rstrip('.')}: {value}." in methodology_page(parse_spec(RICH))


def test_every_table_keeps_its_columns() -> None:
    """A name with a bar is no column."""
    for line in methodology_page(parse_spec(BASE)).splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") == 5


def test_written_pages_are_not_stale_until_somebody_edits_one(tmp_path: Path) -> None:
    write_pages(tmp_path)
    assert stale_pages(tmp_path) == []
    (tmp_path / "lc10.md").write_text("mine")
    (tmp_path / "gone.md").write_text("an index that was removed")
    assert [path.name for path in stale_pages(tmp_path)] == ["lc10.md", "gone.md"]
    write_pages(tmp_path)
    assert stale_pages(tmp_path) == []


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.25, "of 1", "25 %"),
        (0.005, "of 1", "0.5 %"),
        (95, "bps per year", "95 bps (0.95 %)"),
        (5e6, "USD per day", "$5,000,000"),
        (12.5, "USD", "$12.5"),
        (True, "", "yes"),
        ((), "", "none"),
        ((("usd-coin", 0.5), ("dai", 0.5)), "", "usd-coin 0.5, dai 0.5"),
        (("a", "b"), "", "a, b"),
        ("", "", "none"),
        (10**15, "shares", "1e+15"),
    ],
)
def test_values_are_shown_with_their_unit(value: object, unit: str, text: str) -> None:
    assert shown(value, unit) == text
