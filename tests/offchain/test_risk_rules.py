"""[risk] and [[sleeves]] of an index file.

[risk]        tables and lists read · defaults do nothing · contradictions named · hashes of older files stand
[[sleeves]]   parts sum to one · core 60–80 %, satellites 20–40 %
"""

from __future__ import annotations

from datetime import date

import pytest

from offchain.errors import SpecError
from offchain.spec import IndexSpec, find_spec, parse_spec
from offchain.spec.risk_rules import RiskRules, is_within

HEAD = '[index]\nname = "Test"\nsymbol = "TST"\n[universe]\ntop = 10\n'


def read(text: str, *, head: str = HEAD) -> IndexSpec:
    return parse_spec(head + text)


def test_stable_side_is_a_table_of_parts_or_a_list_of_equal_ones() -> None:
    """A3, U12: the stable side holds several coins."""
    assert read("[risk]\nstable = { usd-coin = 3, dai = 1 }").risk.stable == (("dai", 1.0), ("usd-coin", 3.0))
    assert read('[risk]\nstable = ["tether", "dai"]').risk.stable == (("dai", 1.0), ("tether", 1.0))
    assert read('[risk]\nstable = ["tether", "dai"]').risk.stable_ids == ("dai", "tether")


def test_risk_at_its_defaults_asks_for_nothing_and_keeps_the_hash() -> None:
    assert RiskRules().asks_for_stable == ()
    assert read("[risk]\nmax_shift = 0.3\n").spec_hash == read("").spec_hash
    assert read('[risk]\nstable = ["dai"]\nbuffer = 0.1\n').spec_hash != read("").spec_hash
    assert find_spec("LC10").spec_hash.startswith("0x37e437ac")
    assert find_spec("EQ5").spec_hash.startswith("0xebed164a")
    assert find_spec("SQRT20").spec_hash.startswith("0x7abe55ee")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("buffer = 0.1", "risk.buffer needs something to hold instead"),
        ("stable = { dai = 0 }", "dai = 0: write a number above 0"),
        ("stable = 5", "write a table, such as { usd-coin = 0.5, dai = 0.5 }"),
        ('stable = ["dai", "dai"]', "write each name once"),
        ('stable = ["dai"]\nyield_bearing = ["cdai"]', "risk.yield_bearing names cdai"),
        ('stable = ["dai"]\nmax_stable = 0.1\nbuffer = 0.2', "cannot hold risk.buffer = 0.2"),
        ('stable = ["dai"]\npeg_limit = 0.01', "risk.peg_limit = 0.01 is below risk.peg_tolerance = 0.02"),
        ('stable = ["dai"]\nshift = "phase"', 'reads the signals, but signals.mode = "off"'),
        ('stable = ["dai"]\nshift = "breadth"\nshift_from = 0.8', "risk.shift_from = 0.8 must be below"),
        ('stable = ["dai"]\nmode = "auto"\naggressive_below = 1.0', "risk.aggressive_below = 1 must be below"),
        ('stable = ["dai"]\ndrawdown_from = 0.3\ndrawdown_limit = 0.2', "risk.drawdown_from = 0.3 must be below"),
        ('stable = ["dai"]\nmax_bet = 0.3', "only work together"),
        ('schedule = { "2026-02-30/2026-03-02" = 0.2 }', "2026-02-30 is no day of the calendar"),
        ('schedule = { "2026-03-02/2026-03-01" = 0.2 }', "write the earlier day first"),
        ("phase_shift = { bare = 1.0 }", 'Did you mean "bear"'),
    ],
)
def test_contradictions_in_risk_are_named_with_the_way_out(text: str, says: str) -> None:
    with pytest.raises(SpecError) as refusal:
        read("[risk]\n" + text)
    assert says in str(refusal.value)


def test_stable_coin_must_be_among_the_components_of_a_real_network() -> None:
    token = "0x" + "11" * 20
    parts = f'[[components]]\nid = "bitcoin"\nsymbol = "WBTC"\naddress = "{token}"\ndecimals = 8\n'
    with pytest.raises(SpecError, match=r"risk.stable names dai, not among \[\[components\]\]"):
        read('[risk]\nstable = ["dai"]\n' + parts)


def test_period_may_run_over_the_new_year() -> None:
    """A11: a scheduled defensive allocation."""
    assert is_within(date(2026, 12, 25), "12-20/01-05")
    assert is_within(date(2027, 1, 5), "12-20/01-05")
    assert not is_within(date(2027, 1, 6), "12-20/01-05")
    assert is_within(date(2026, 3, 14), "2026-03-14/2026-03-20")
    assert not is_within(date(2027, 3, 14), "2026-03-14/2026-03-20")


def sleeves(*rows: tuple[str, float, str]) -> str:
    return "".join(f'[[sleeves]]\nindex = "{name}"\npart = {part}\nrole = "{role}"\n' for name, part, role in rows)


def test_sleeves_of_core_and_satellites_are_read() -> None:
    """A8: 70/30."""
    spec = read(sleeves(("LC10", 0.7, "core"), ("DEFI", 0.2, "satellite"), ("AI", 0.1, "satellite")))
    assert [(sleeve.index, sleeve.part, sleeve.role) for sleeve in spec.sleeves] == [
        ("LC10", 0.7, "core"),
        ("DEFI", 0.2, "satellite"),
        ("AI", 0.1, "satellite"),
    ]
    assert spec.spec_hash != read("").spec_hash


@pytest.mark.parametrize("satellites", [0.2, 0.3, 0.4])
def test_sleeves_of_80_20_to_60_40_are_allowed(satellites: float) -> None:
    """A8: the three splits of core and satellites."""
    assert len(read(sleeves(("A", round(1 - satellites, 1), "core"), ("B", satellites, "satellite"))).sleeves) == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ((("A", 0.5, "core"), ("B", 0.5, "satellite")), "satellites are 0.5 of 1, allowed are 0.2 to 0.4"),
        ((("A", 0.9, "core"), ("B", 0.1, "satellite")), "raise them"),
        ((("A", 0.7, "core"), ("B", 0.2, "satellite")), "the parts sum to 0.9, not 1"),
        ((("A", 0.7, "core"), ("a", 0.3, "satellite")), 'index "a" appears 2 times'),
        ((("tst", 0.7, "core"), ("B", 0.3, "satellite")), '"TST" is this index itself'),
        ((("A", 1.0, "corn"),), 'Did you mean "core"'),
    ],
)
def test_contradictions_in_sleeves_are_named(rows: tuple[tuple[str, float, str], ...], says: str) -> None:
    with pytest.raises(SpecError) as refusal:
        read(sleeves(*rows))
    assert says in str(refusal.value)
