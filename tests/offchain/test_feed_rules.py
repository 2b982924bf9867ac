"""[[feeds]] of an index file: every kind can be named, and every mistake is found before anything is deployed."""

from __future__ import annotations

import json

import pytest

from offchain.errors import SpecError
from offchain.spec.feeds import KINDS, USED_BY, FeedRules, priced_token
from offchain.spec.keys import checksum_address
from offchain.spec.load import parse_spec
from offchain.spec.model import LATER_PARTS, IndexSpec
from tests.offchain.test_index_file import ADDRESS, COMPONENT, LEAST


def address(digit: str) -> str:
    return checksum_address("0x" + digit * 40)


TOKEN, USDC, PROXY, POOL, UPTIME = ADDRESS, address("b"), address("c"), address("d"), address("e")

FEEDS = {
    "main": f'kind = "chainlink"\ntoken = "{TOKEN}"\naggregator = "{PROXY}"\nmax_age_minutes = 90\nmin_usd = 0.05\nmax_usd = 1e6',
    "usdc": f'kind = "chainlink"\ntoken = "{USDC}"\naggregator = "{PROXY}"\nmax_age_minutes = 1500',
    "pool": f'kind = "uniswap_v3_twap"\ntoken = "{TOKEN}"\npool = "{POOL}"\nquote = "usdc"\nwindow_minutes = 30\nmin_liquidity = "1000000000000"',
    "both": 'kind = "anchored"\nprimary = "main"\nanchor = "pool"\nmax_deviation_bps = 300',
    "layer-2": f'kind = "sequencer"\nfeed = "both"\nuptime_feed = "{UPTIME}"\ngrace_minutes = 60',
    "vault": f'kind = "erc4626"\ntoken = "{POOL}"\nasset = "usdc"\nmax_jump_bps = 100\nmax_growth_bps = 2_000',
    "core": f'kind = "index_nav"\ntoken = "{UPTIME}"',
}  # fmt: skip


def file_with(feeds: dict[str, str], component: str = "layer-2") -> str:
    tables = "".join(f'[[feeds]]\nname = "{name}"\n{text}\n' for name, text in feeds.items())
    return LEAST + COMPONENT + f'feed = "{component}"\n' + tables


def mistakes(feeds: dict[str, str], component: str = "layer-2") -> tuple[str, ...]:
    with pytest.raises(SpecError) as refusal:
        parse_spec(file_with(feeds, component), source="my.toml")
    return refusal.value.problems


def test_every_kind_of_feed_can_be_named() -> None:
    spec = parse_spec(file_with(FEEDS))
    assert [feed.name for feed in spec.feeds] == list(FEEDS)
    assert {feed.kind for feed in spec.feeds} == set(KINDS) == set(USED_BY)
    assert priced_token(spec.feeds, "layer-2") == priced_token(spec.feeds, "both") == TOKEN
    assert spec.feeds[3].parts == ("main", "pool") and spec.feeds[0].min_usd == 0.05


def test_keys_of_every_kind_are_keys_of_a_feed() -> None:
    names = set(FeedRules.__dataclass_fields__) - {"name", "kind"}
    used = {name for needed, allowed in USED_BY.values() for name in (*needed, *allowed)}
    assert used == names


def test_file_without_feeds_keeps_its_hash_and_one_with_feeds_has_its_own() -> None:
    plain = parse_spec(LEAST + COMPONENT)
    assert "feeds" not in json.loads(plain.to_json())["spec"]
    assert set(json.loads(plain.to_json())["spec"]) == set(IndexSpec.__dataclass_fields__) - {"feeds", *LATER_PARTS}
    with_feeds = parse_spec(file_with(FEEDS))
    other = parse_spec(file_with({**FEEDS, "core": FEEDS["core"].replace(UPTIME, POOL)}))
    assert len({plain.spec_hash, with_feeds.spec_hash, other.spec_hash}) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_feed_without_a_key_its_kind_needs_is_refused(kind: str) -> None:
    name = next(name for name, text in FEEDS.items() if f'"{kind}"' in text)
    for needed in USED_BY[kind][0]:
        lines = [line for line in FEEDS[name].split("\n") if not line.startswith(f"{needed} ")]
        problems = mistakes({**FEEDS, name: "\n".join(lines)})
        assert f'feeds "{name}" of kind "{kind}" needs {needed}: add it' in problems


WRONG = [
    ("usdc", "pool", f'pool = "{POOL}"', 'of kind "chainlink" does not read pool: remove it'),
    ("pool", "window_minutes", "window_minutes = 29", "window_minutes = 29 is below 30: lengthen it"),
    ("pool", "quote", 'quote = "usdt"', 'stands on "usdt", which is not among [[feeds]]'),
    ("pool", "min_liquidity", "min_liquidity = 5", "feeds[3].min_liquidity = 5: write a whole number in quotes"),
    ("pool", "min_liquidity", 'min_liquidity = "-5"', "write a whole number in quotes"),
    ("main", "max_usd", "max_usd = 0.01", "max_usd = 0.01 must be above min_usd = 0.05"),
    ("main", "kind", 'kind = "chain_link"', 'Did you mean "chainlink"?'),
    ("both", "max_deviation_bps", "max_deviation_bps = 2_001", "write a whole number from 0 to 2000"),
    ("both", "anchor", 'anchor = "usdc"', "both must price the same token"),
    ("both", "primary", 'primary = "layer-2"', "feeds both, layer-2 stand on each other in a circle: break it"),
    ("layer-2", "feed", 'feed = "layer-2"', "feeds layer-2 stand on each other in a circle"),
    ("layer-2", "feed", 'feed = "usdc"', f'feed "layer-2" of WETH prices {USDC}, not {TOKEN}: name another feed'),
    ("vault", "max_jump_bps", "max_jump_bps = 501", "write a whole number from 0 to 500"),
    ("core", "token", 'token = "0x12"', "write an address"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "key", "line", "says"), WRONG)
def test_wrong_feed_is_refused_with_the_way_out(name: str, key: str, line: str, says: str) -> None:
    lines = [text for text in FEEDS[name].split("\n") if not text.startswith(f"{key} ")]
    problems = mistakes({**FEEDS, name: "\n".join([*lines, line])})
    assert any(says in problem for problem in problems), problems


def test_component_with_an_unknown_feed_is_refused_with_a_suggestion() -> None:
    (problem,) = mistakes(FEEDS, "layer-3")
    assert problem.startswith('components: feed "layer-3" of WETH is not among [[feeds]]') and '"layer-2"' in problem
    assert any("write a name of 1 to 40" in problem for problem in mistakes(FEEDS, "Layer 2"))


def test_feed_named_twice_is_refused() -> None:
    text = file_with(FEEDS) + f'[[feeds]]\nname = "usdc"\n{FEEDS["usdc"]}\n'
    with pytest.raises(SpecError, match='name "usdc" appears 2 times'):
        parse_spec(text)


def test_component_may_still_name_a_chainlink_proxy_by_its_address() -> None:
    lower = parse_spec(LEAST + COMPONENT + f'feed = "{PROXY.lower()}"\n')
    assert lower.components[0].feed == PROXY and lower.feeds == ()
