"""One TOML file → one frozen IndexSpec.

shipped files      load · have a hash that survives comments and order
a mistake          names file, key, value, bound and the way out · all mistakes come at once
schema             has every key and bound of the loader · the shipped one is current
calendar           last and next review
"""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from offchain.errors import SpecError
from offchain.spec import IndexSpec, find_spec, index_files, json_schema, load_spec, parse_spec
from offchain.spec.model import LATER_PARTS, SECTIONS
from offchain.spec.schema import SCHEMA_FILE

LEAST = '[index]\nname = "Test"\nsymbol = "TST"\n[universe]\ntop = 10\n'
ADDRESS = "0x694AA1769357215DE4FAC081bf1f309aDC325306"
COMPONENT = f'[[components]]\nid = "ethereum"\nsymbol = "WETH"\naddress = "{ADDRESS}"\ndecimals = 18\n'


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(SpecError) as refusal:
        parse_spec(text, source="my.toml")
    assert str(refusal.value).startswith("my.toml: ")
    return refusal.value.problems


@pytest.mark.parametrize("name", index_files())
def test_shipped_index_loads_and_is_found_by_its_file_name(name: str) -> None:
    spec = find_spec(name.upper())
    assert spec == load_spec(index_files()[name])
    assert len(spec.spec_hash) == 66


def test_lc10_is_the_index_of_the_manual(lc10: IndexSpec) -> None:
    assert (lc10.name, lc10.symbol) == ("Ballast Large Cap 10", "LC10")
    assert (lc10.universe.top, lc10.weights.scheme, lc10.weights.max_weight) == (10, "market_cap", 0.25)
    assert (lc10.rebalance.calendar, lc10.rebalance.weekday, lc10.fees.streaming_bps) == ("weekly", "monday", 95)


def test_spec_hash_ignores_comments_order_and_written_out_defaults() -> None:
    other = '# hello\n[universe]\nmin_age_days = 30\ntop = 10\n[index]\nsymbol = "TST"\nname = "Test"\n'
    assert parse_spec(LEAST).spec_hash == parse_spec(other).spec_hash
    assert parse_spec(LEAST + "[fees]\nmint_bps = 1\n").spec_hash != parse_spec(LEAST).spec_hash


def test_spec_hash_does_not_depend_on_how_a_number_is_spelled() -> None:
    spellings = [LEAST + f"[weights]\nmax_weight = {text}\n" for text in ("0.25", "0.250", "2.5e-1", "+0.25")]
    assert len({parse_spec(text).spec_hash for text in spellings}) == 1


def test_spec_json_is_sorted_and_holds_every_key() -> None:
    data = json.loads(parse_spec(LEAST).to_json())
    assert list(data["spec"]) == sorted(data["spec"])
    assert {name: set(part) for name, part in data["spec"].items() if name != "components"} == {
        name: {row.name for row in dataclasses.fields(part) if not row.metadata["later"]}
        for name, part in SECTIONS.items()
        if name not in LATER_PARTS
    }


def test_spec_hash_says_nothing_of_what_came_later_until_it_is_used() -> None:
    """An index file of before keeps the hash that was published; whoever uses a new key gets another."""
    least = json.loads(parse_spec(LEAST).to_json())["spec"]
    assert not {"recipients", "burn_bps", "performance_bps"} & set(least["fees"])
    used = parse_spec(LEAST + "[fees]\nperformance_bps = 1\n")
    assert used.spec_hash != parse_spec(LEAST).spec_hash
    assert json.loads(used.to_json())["spec"]["fees"]["performance_bps"] == "1"


def test_spec_is_frozen(lc10: IndexSpec) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        lc10.universe.top = 11  # type: ignore[misc]


BAD_VALUES = [
    ("universe", "top", "80", "write a whole number from 1 to 64"),
    ("universe", "top", "0", "write a whole number from 1 to 64"),
    ("universe", "top", "10.0", "write a whole number from 1 to 64"),
    ("universe", "top", '"10"', "write a whole number from 1 to 64"),
    ("universe", "top", "true", "write a whole number from 1 to 64"),
    ("universe", "min_age_days", "-1", "write a whole number from 0 to 3650"),
    ("universe", "min_volume_usd", "-5", "write a number from 0 to 1e+15"),
    ("universe", "min_volume_usd", "nan", "write a number from 0 to 1e+15"),
    ("universe", "min_market_cap_usd", "inf", "write a number from 0 to 1e+15"),
    ("universe", "require_tradable", "1", "write true or false"),
    ("universe", "exclude", '"bitcoin"', 'write a list, such as ["bitcoin", "ethereum"]'),
    ("universe", "exclude", '["Bitcoin"]', "item 'Bitcoin': write a CoinGecko id in lower case"),
    ("universe", "exclude", '["dai", "dai"]', "write each item once; repeated: dai"),
    ("universe", "exclude_classes", '["stablecoins"]', 'Did you mean "stablecoin"?'),
    ("weights", "scheme", '"marketcap"', 'Did you mean "market_cap"?'),
    ("weights", "max_weight", "25", "write a number above 0 and up to 1 (25 % is 0.25)"),
    ("weights", "max_weight", "0", "write a number above 0 and up to 1"),
    ("weights", "min_weight", "-0.1", "write a number from 0 to 1"),
    ("rebalance", "calendar", '"weekley"', 'Did you mean "weekly"?'),
    ("rebalance", "weekday", '"Monday"', 'Did you mean "monday"?'),
    ("rebalance", "drift_band", "2", "25 % is 0.25"),
    ("rebalance", "max_slippage_bps", "501", "write a whole number from 1 to 500"),
    ("rebalance", "max_trade_bps", "10001", "write a whole number from 1 to 10000"),
    ("rebalance", "plan_hours", "337", "write a whole number from 1 to 336"),
    ("fees", "streaming_bps", "501", "write a whole number from 0 to 500"),
    ("fees", "mint_bps", "101", "write a whole number from 0 to 100"),
    ("fees", "redeem_bps", "0.5", "write a whole number from 0 to 100"),
    ("fees", "recipient", '"0x1234"', "write an address, 0x and 40 hex digits, or an account name"),
    ("fees", "burn_bps", "10001", "write a whole number from 0 to 10000"),
    ("fees", "performance_bps", "2001", "write a whole number from 0 to 2000"),
    ("fees", "performance_interval_days", "6", "write a whole number from 7 to 365"),
    ("guard", "loss_bps", "501", "write a whole number from 1 to 500"),
    ("guard", "valuation_max_age_minutes", "61", "write a whole number from 0 to 60"),
    ("seed", "shares", "0", "write a number above 0 and up to 1e+12"),
    ("seed", "supply_cap_shares", "1.5", "write a whole number from 0 to"),
    ("roles", "governor", f'"{ADDRESS.replace("aDC", "ADC")}"', "its checksum does not hold"),
    ("roles", "guardian", f'"0x{"0" * 40}"', "the zero address cannot be used"),
    ("roles", "delay_hours", "721", "write a whole number from 0 to 720"),
]


@pytest.mark.parametrize(("section", "key", "value", "bound"), BAD_VALUES)
def test_load_given_a_value_out_of_bounds_names_key_value_and_bound(
    section: str, key: str, value: str, bound: str
) -> None:
    head = LEAST.replace("top = 10\n", "") if key == "top" else LEAST
    text = f"{head}{key} = {value}\n" if section == "universe" else f"{head}[{section}]\n{key} = {value}\n"
    (problem,) = mistakes(text)
    assert problem.startswith(
        f"{section}.{key} = {value[:60]}".replace('["', "['").replace('"]', "']").replace('", "', "', '")
    )
    assert bound in problem


@pytest.mark.parametrize(
    ("symbol", "allowed"), [("lc10", False), ("TWELVELETTER", False), ("", False), ("LC-10", False), ("LC10", True)]
)
def test_load_allows_symbols_of_one_to_eleven_capitals_and_digits(symbol: str, allowed: bool) -> None:
    text = LEAST.replace("TST", symbol)
    if allowed:
        assert parse_spec(text).symbol == symbol
    else:
        assert mistakes(text) == (f'index.symbol = "{symbol}": write 1 to 11 characters out of A-Z and 0-9',)


def test_load_given_an_unknown_key_suggests_the_known_one() -> None:
    assert mistakes(LEAST + "min_age_day = 3\n") == (
        'universe.min_age_day = 3: unknown key, it would have no effect. Did you mean "min_age_days"?',
    )
    assert mistakes(LEAST + "[fee]\nx = 1\n")[0].endswith('Did you mean "fees"?')
    assert "Known: calendar, weekday" in mistakes(LEAST + "[rebalance]\nzzz = 1\n")[0]


def test_load_given_missing_keys_says_what_each_one_is() -> None:
    assert mistakes('[index]\nname = "Test"\n') == (
        "index.symbol is missing: ticker of the share. Add it to [index]",
        "universe.top is missing: how many coins the index holds. Add it to [universe]",
    )


def test_load_given_several_mistakes_reports_all_of_them_at_once() -> None:
    text = '[index]\nname = "x"\nsymbl = "A"\n[universe]\ntop = 99\n[weights]\nscheme = "cap"\n'
    with pytest.raises(SpecError) as refusal:
        parse_spec(text, source="my.toml")
    assert str(refusal.value).splitlines()[0] == "my.toml: 4 mistakes in the index file"
    assert len(refusal.value.problems) == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[weights]\nmax_weight = 0.05\n",
            "max_weight = 0.05 with 10 coins reaches only 0.50 of 1: raise it to at least 0.1",
        ),
        ("[weights]\nmin_weight = 0.2\n", "min_weight = 0.2 with 10 coins needs 2.0 of 1: lower it to at most 0.1"),
        ("[weights]\nmin_weight = 0.1\nmax_weight = 0.05\n", "min_weight = 0.1 is above weights.max_weight = 0.05"),
        (
            'include_only = ["bitcoin", "dai"]\n[weights]\nmax_weight = 0.3\n',
            "max_weight = 0.3 with 2 coins reaches only",
        ),
        ('exclude = ["bitcoin"]\ninclude_only = ["bitcoin"]\n', "exclude and universe.include_only both name bitcoin"),
        ("buffer = 10\n", "universe.buffer = 10 must be below universe.top = 10"),
        (COMPONENT + COMPONENT, f'address "{ADDRESS}" appears 2 times'),
        (
            "[fees]\nrecipients = { governor = 6_000, keeper = 3_000 }\n",
            "fees.recipients and fees.burn_bps = 0 sum to 9000 bps: raise them to 10000 together",
        ),
        (
            "[fees]\nrecipients = { governor = 9_000 }\nburn_bps = 1_001\n",
            "fees.recipients and fees.burn_bps = 1001 sum to 10001 bps: lower them to 10000 together",
        ),
        (
            '[fees]\nrecipient = "keeper"\nrecipients = { governor = 10_000 }\n',
            'fees.recipient = "keeper" has no effect beside fees.recipients',
        ),
    ],
)
def test_load_given_keys_that_contradict_each_other_names_both(text: str, says: str) -> None:
    assert any(says in problem for problem in mistakes(LEAST + text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[index\n", "not TOML: "),
        (
            LEAST + '[fees]\nrecipients = ["governor"]\n',
            "write a table of accounts and bps, such as { governor = 6_000",
        ),
        (LEAST + "[fees]\nrecipients = { governor = 0 }\n", "governor = 0: write a whole number from 1 to 10000"),
        (LEAST + '[fees]\nrecipients = { "0x12" = 10_000 }\n', "0x12 = 10000: write an address"),
        (
            LEAST + f'[fees]\nrecipients = {{ "{ADDRESS}" = 5_000, "{ADDRESS.lower()}" = 5_000 }}\n',
            "write each account once; an address is repeated in another spelling",
        ),
        (
            LEAST + "[fees]\nrecipients = { " + ", ".join(f"a{i} = 1" for i in range(17)) + " }\n",
            "write at most 16 accounts, not 17",
        ),
        ("index = 3\n", "index = 3: must be a table; write [index]"),
        (LEAST + "[components]\nid = 1\n", "must be a list of tables; start each with [[components]]"),
        (LEAST + COMPONENT.replace("decimals = 18", "decimals = 28"), "components[1].decimals = 28"),
        (LEAST + COMPONENT.replace(ADDRESS, "0xzz"), 'components[1].address = "0xzz": write an address'),
    ],
)
def test_load_given_another_shape_says_which_shape_it_needs(text: str, says: str) -> None:
    assert any(says in problem for problem in mistakes(text))


def test_fees_go_to_one_recipient_unless_there_is_a_table_or_a_burned_part() -> None:
    plain = parse_spec(LEAST).fees
    assert not plain.is_split and plain.performance_bps == 0
    burning = parse_spec(LEAST + '[fees]\nrecipient = "keeper"\nburn_bps = 2_500\n').fees
    assert burning.is_split and burning.parts == (("keeper", 7_500),)
    shared = parse_spec(LEAST + f'[fees]\nrecipients = {{ governor = 6_000, "{ADDRESS}" = 4_000 }}\n').fees
    assert shared.is_split and shared.parts == (("governor", 6_000), (ADDRESS, 4_000))
    assert parse_spec(LEAST + "[fees]\nburn_bps = 10_000\n").fees.parts == ()


def test_load_of_a_missing_folder_or_binary_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    for path, says in (
        (tmp_path / "none.toml", "no such file; shipped indexes are .*eq5, .*lc10, "),
        (tmp_path / "binary.toml", "not UTF-8 text"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(SpecError, match=says):
            load_spec(path)


def test_find_spec_given_a_wrong_name_suggests_a_shipped_index() -> None:
    with pytest.raises(SpecError, match='Did you mean "lc10"'):
        find_spec("LC01")


def test_component_addresses_get_their_checksum() -> None:
    lower = COMPONENT.replace(ADDRESS, ADDRESS.lower())
    assert parse_spec(LEAST + lower).components[0].address == ADDRESS


def test_schema_of_the_package_is_current_and_has_every_bound() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == json.loads(json.dumps(json_schema()))
    top = json_schema()["properties"]["universe"]["properties"]["top"]  # type: ignore[index]
    assert (top["type"], top["minimum"], top["maximum"]) == ("integer", 1, 64)


@pytest.mark.parametrize(
    ("calendar", "last", "following"),
    [
        ("daily", "2025-01-08", "2025-01-09"),
        ("weekly", "2025-01-06", "2025-01-13"),
        ("monthly", "2025-01-01", "2025-02-01"),
    ],
)
def test_review_days_of_each_calendar(calendar: str, last: str, following: str) -> None:
    rules = parse_spec(LEAST + f'[rebalance]\ncalendar = "{calendar}"\n').rebalance
    noon = datetime(2025, 1, 8, 12, tzinfo=UTC)
    assert f"{rules.last_review(noon):%Y-%m-%d}" == last
    assert f"{rules.next_review(noon):%Y-%m-%d}" == following
    assert rules.last_review(rules.next_review(noon)) == rules.next_review(noon)
