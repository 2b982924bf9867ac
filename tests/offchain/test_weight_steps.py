"""From members to integers: every scheme, the tilt, the limits and the change of one review, with their reasons.

given an older index file      the same integers as before
given exact schemes            exact shares
given limits that collide      which, by how much, and the least change that would do
given what is held             no more turnover than allowed
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest

from offchain.canonical import keccak_hex
from offchain.errors import InfeasibleWeights, MarketDataError, MissingHistory, SpecError
from offchain.market.history import History, Needs
from offchain.market.snapshot import CoinFacts
from offchain.signals.outcome import Phase, Signal, SignalSet
from offchain.spec import find_spec, parse_spec
from offchain.spec.weight_rules import SCHEMES, WeightRules
from offchain.weights import limit_weights, needs, target_weights, uses_held, weigh

WAD = 10**18
T = datetime(2024, 6, 1, tzinfo=UTC)
# id: (price, market cap, median daily volume, tags)
MARKET = {
    "bitcoin": (60_000.0, 1_200e9, 30e9, ("layer1",)),
    "ethereum": (3_000.0, 360e9, 15e9, ("layer1", "smart-contract")),
    "dogecoin": (0.15, 21e9, 1e9, ("meme",)),
    "uniswap": (8.0, 6e9, 200e6, ("defi", "layer1")),
    "aave": (100.0, 1.5e9, 90e6, ("defi",)),
    "pepe": (0.00001, 4e9, 600e6, ("meme",)),
}


def coin(name: str, **changed: object) -> CoinFacts:
    price, cap, volume, tags = MARKET[name]
    facts = CoinFacts(
        id=name,
        symbol=name[:4].upper(),
        name=name.title(),
        tags=tags,
        decimals=18,
        price=price,
        observed_price=price,
        state="ok",
        market_cap=cap,
        market_cap_state="ok",
        volume=volume,
        age_days=900,
        gap_days=0,
        idle_days=0,
        tracks=None,
    )
    return replace(facts, **changed)  # type: ignore[arg-type]


MEMBERS = tuple(coin(name) for name in MARKET)


def history(*, days: int = 120, fields: tuple[str, ...] = ("price",), seed: int = 5) -> History:
    rng = np.random.default_rng(seed)
    ids = tuple(sorted(MARKET))
    moves = rng.normal(0.001, 0.03, (days, 1)) + rng.normal(0, 1, (days, 6)) * [0.03, 0.01, 0.05, 0.02, 0.08, 0.04]
    price = 50.0 * np.cumprod(1.0 + moves, axis=0)
    panels = {"price": price, "free_float": np.full((days, 6), 1e6) * np.arange(1, 7)}
    dates = tuple((T - timedelta(days=days - 1 - day)).date() for day in range(days))
    return History(t=T, dates=dates, ids=ids, panels={name: panels[name] for name in fields})


def signals(**scores: float) -> SignalSet:
    """{id: score}; the conviction is the size of the score."""
    known = {
        name: Signal(
            id=name,
            label="bullish" if score > 0 else "bearish" if score < 0 else "neutral",
            score=score,
            conviction=abs(score),
            p_bearish=0.0,
            p_neutral=1.0,
            p_bullish=0.0,
        )
        for name, score in scores.items()
    }
    phase = Phase(name="bull", breadth=0.5, volatility=0.5, drawdown=0.0, reason="")
    return SignalSet(t=T, signals=known, phase=phase, catalogue_hash="")


def rules_for(scheme: str, **changed: object) -> WeightRules:
    extra: dict[str, object] = {"fixed": (("bitcoin", 0.5), ("rest", 0.5))} if scheme == "fixed" else {}
    extra |= {"blend": (("erc", 0.5), ("market_cap", 0.5))} if scheme == "blend" else {}
    return WeightRules(scheme=scheme, volatility_days=100, **(extra | changed))  # type: ignore[arg-type]


# --- older files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", ["LC10", "EQ5", "SQRT20"])
def test_weigh_by_the_rules_of_an_older_file_gives_the_integers_it_always_gave(symbol: str) -> None:
    """W1, W2: the same as the two-step way, and against its own arithmetic."""
    rules = replace(find_spec(symbol).weights, max_weight=max(find_spec(symbol).weights.max_weight, 0.25))
    caps = {member.id: member.market_cap or 0.0 for member in MEMBERS[:5]}
    assert weigh(MEMBERS[:5], rules).weights == target_weights(caps, rules)


def test_the_hash_of_the_weights_of_ten_coins_is_what_it_was() -> None:
    """Golden: taken before weigh existed, from target_weights with the rules of LC10."""
    caps = {f"coin-{number}": 1e9 * 1.9**number for number in range(10)}
    rules = find_spec("LC10").weights
    members = [coin("bitcoin", id=name, market_cap=cap) for name, cap in caps.items()]
    assert keccak_hex(dict(weigh(members, rules).weights)) == GOLDEN
    assert keccak_hex(target_weights(caps, rules)) == GOLDEN


GOLDEN = "0x2b87b7790d3483c415e4f7df2ccb7fc63144eb8cd0051ea4bfaf167a2655cbcf"


def test_index_files_that_were_published_keep_their_hash() -> None:
    for symbol, start in (("LC10", "0x37e437ac"), ("EQ5", "0xebed164a"), ("SQRT20", "0x7abe55ee")):
        assert find_spec(symbol).spec_hash.startswith(start)


# --- schemes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_sums_to_one_in_any_order_of_members_and_explains_every_coin(scheme: str) -> None:
    """W1–W6, W10, W11: Σ = 1e18 within the caps; permutation of members changes nothing; each coin has its reason."""
    rules = rules_for(scheme, max_weight=0.3, min_weight=0.02)
    given = history(fields=("price", "free_float"))
    some = signals(bitcoin=0.5, pepe=-0.9)
    weighing = weigh(MEMBERS, rules, history=given, signals=some)
    assert sum(weighing.weights.values()) == WAD
    assert list(weighing.weights) == sorted(MARKET)
    assert min(weighing.weights.values()) >= WAD // 50 and max(weighing.weights.values()) <= 3 * WAD // 10
    assert weigh(MEMBERS[::-1], rules, history=given, signals=some) == weighing
    assert set(weighing.steps[0].reasons) == set(MARKET)
    assert weighing.steps[-1].weights == {name: weight / WAD for name, weight in weighing.weights.items()}
    for step in weighing.steps:
        assert abs(sum(step.weights.values()) - 1.0) <= 1e-12


def test_exact_schemes_are_exact_shares() -> None:
    """W1, W2: market cap, volume and price to the wei; equal parts; the root of the market cap."""
    for scheme, value in (("market_cap", 1), ("volume", 2), ("price", 0)):
        total = sum(Fraction(str(row[value])) for row in MARKET.values())
        for name, weight in weigh(MEMBERS, rules_for(scheme)).weights.items():
            assert abs(weight - WAD * Fraction(str(MARKET[name][value])) / total) < 6
    assert set(weigh(MEMBERS, rules_for("equal")).weights.values()) <= {WAD // 6, WAD // 6 + 4}
    half = weigh(MEMBERS, rules_for("power_market_cap", power=0.5)).weights
    assert half == weigh(MEMBERS, rules_for("sqrt_market_cap")).weights
    ratio = weigh(MEMBERS, rules_for("power_market_cap", power=0.25)).weights
    assert ratio["bitcoin"] / ratio["aave"] == pytest.approx((1200 / 1.5) ** 0.25, rel=1e-14)


def test_fixed_parts_of_fifty_thirty_twenty_are_exactly_that() -> None:
    """W11: the worked example: 50, 30 and 20 % as integers."""
    rules = WeightRules(scheme="fixed", fixed=(("aave", 0.2), ("bitcoin", 0.5), ("ethereum", 0.3)))
    weights = weigh([coin(name) for name in ("bitcoin", "ethereum", "aave")], rules).weights
    assert weights == {"aave": WAD // 5, "bitcoin": WAD // 2, "ethereum": WAD * 3 // 10}


def test_fixed_parts_with_a_rest_share_it_by_market_cap_and_say_who_is_absent() -> None:
    """W11: as in 40/25/rest."""
    rules = WeightRules(scheme="fixed", fixed=(("bitcoin", 0.4), ("ethereum", 0.25), ("rest", 0.35)))
    weights = weigh([coin(name) for name in ("bitcoin", "ethereum", "dogecoin", "uniswap")], rules).weights
    # the wei that rounding leaves is with the largest
    assert (weights["bitcoin"], weights["ethereum"]) == (4 * WAD // 10 + 1, WAD // 4)
    assert weights["dogecoin"] == pytest.approx(0.35 * 21 / 27 * WAD, rel=1e-15)
    absent = weigh([coin("bitcoin"), coin("dogecoin")], rules)
    assert absent.findings == ("weights.fixed: ethereum is no member; its part of 0.25 goes to the others",)
    assert absent.weights["bitcoin"] == pytest.approx(0.4 / 0.75 * WAD, rel=1e-15)
    with pytest.raises(InfeasibleWeights, match="no part to aave"):
        weigh([coin("bitcoin"), coin("aave")], WeightRules(scheme="fixed", fixed=(("bitcoin", 1.0),)))


def test_free_float_is_the_newest_of_the_month_times_the_price() -> None:
    given = history(fields=("free_float",))
    weights = weigh(MEMBERS, rules_for("free_float"), history=given).weights
    worth = {name: MARKET[name][0] * (place + 1) for place, name in enumerate(sorted(MARKET))}
    for name, weight in weights.items():
        assert weight / WAD == pytest.approx(worth[name] / sum(worth.values()), rel=1e-12)
    panel = given.panel("free_float").copy()
    panel[:, 0] = np.nan
    gone = replace(given, panels={"free_float": panel})
    assert "aave: free float unknown for 30 days" in weigh(MEMBERS, rules_for("free_float"), history=gone).findings[0]


def test_inverse_volatility_and_sharpe_follow_their_numbers() -> None:
    """W4, W5."""
    given = history()
    moves = given.panel("price")[-101:]
    logs = np.log(moves[1:] / moves[:-1])
    inverse = 1.0 / np.sqrt((logs**2).mean(axis=0))
    weights = weigh(MEMBERS, rules_for("inverse_volatility"), history=given).weights
    assert np.array(list(weights.values())) / WAD == pytest.approx(inverse / inverse.sum(), rel=1e-10)
    daily = moves[1:] / moves[:-1] - 1.0
    ratios = np.maximum(daily.mean(axis=0) / daily.std(axis=0, ddof=1) * np.sqrt(365), 0.1)
    weights = weigh(MEMBERS, rules_for("sharpe"), history=given).weights
    assert np.array(list(weights.values())) / WAD == pytest.approx(ratios / ratios.sum(), rel=1e-9)


def test_conviction_weighs_size_volatility_and_score_together() -> None:
    """W6, W7: two coins that differ in one of the three differ as that one says."""
    given, rules = history(), rules_for("conviction", power=0.5)
    plain = weigh(MEMBERS, rules, history=given, signals=signals(**dict.fromkeys(MARKET, 0.0))).weights
    sized = [coin(name, market_cap=MARKET[name][1] * 4) if name == "aave" else coin(name) for name in MARKET]
    bigger = weigh(sized, rules, history=given, signals=signals(**dict.fromkeys(MARKET, 0.0))).weights
    assert bigger["aave"] / bigger["pepe"] == pytest.approx(2 * plain["aave"] / plain["pepe"], rel=1e-12)
    surer = weigh(MEMBERS, rules, history=given, signals=signals(**dict.fromkeys(MARKET, 0.0) | {"aave": 0.5})).weights
    assert surer["aave"] / surer["pepe"] == pytest.approx(1.5 * plain["aave"] / plain["pepe"], rel=1e-12)
    volatility = weigh(MEMBERS, rules_for("inverse_volatility"), history=given).weights
    expected = volatility["aave"] / volatility["pepe"] * (1.5 / 4) ** 0.5
    assert plain["aave"] / plain["pepe"] == pytest.approx(expected, rel=1e-12)


def test_a_blend_is_the_sum_of_its_parts() -> None:
    rules = rules_for("blend", blend=(("equal", 0.25), ("market_cap", 0.75)))
    equal, cap = (weigh(MEMBERS, rules_for(scheme)).weights for scheme in ("equal", "market_cap"))
    weighing = weigh(MEMBERS, rules)
    for name, weight in weighing.weights.items():
        assert abs(weight - (equal[name] + 3 * cap[name]) / 4) <= 600
    assert [step.stage for step in weighing.steps] == ["scheme", "scheme", "blend", "limits"]


# --- tilt -------------------------------------------------------------------------------------------------------------


def test_a_tilt_moves_weights_by_conviction_and_strength() -> None:
    """A2, W6: × (1 + tilt · conviction), then to one again; a coin without a fresh signal stays neutral and is found."""
    some = signals(bitcoin=0.4, ethereum=-0.5, dogecoin=0.0, aave=0.1, pepe=-1.0)
    weighing = weigh(MEMBERS, rules_for("equal", tilt=0.5), signals=some)
    factors = {"bitcoin": 1.2, "ethereum": 0.75, "dogecoin": 1.0, "uniswap": 1.0, "aave": 1.05, "pepe": 0.5}
    for name, weight in weighing.weights.items():
        assert weight / WAD == pytest.approx(factors[name] / sum(factors.values()), rel=1e-15)
    assert weighing.findings == ("uniswap: no fresh signal; counts as neutral",)
    assert weighing.steps[1].reasons["pepe"] == "× 0.50: bearish, conviction 1.00"
    assert "dogecoin" not in weighing.steps[1].reasons


def test_a_tilt_without_any_signals_is_the_passive_twin_and_says_so() -> None:
    """A2: when signals fail, conviction changes nothing."""
    weighing = weigh(MEMBERS, rules_for("market_cap", tilt=0.5))
    assert weighing.weights == weigh(MEMBERS, rules_for("market_cap")).weights
    assert weighing.findings == ("signals are missing: every coin counts as neutral, so conviction changes no weight",)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_cap_of_a_quarter_hands_its_excess_on_pro_rata() -> None:
    """W8: the 25 % cap of DPI: what is cut goes to the others in proportion, again and again."""
    weighing = weigh(MEMBERS, rules_for("market_cap", max_weight=0.25))
    weights = weighing.weights
    # bitcoin, ethereum, dogecoin and then uniswap stand at the cap: aave is the only one left... by hand, 21:6:4:1.5
    rest = {"dogecoin": 21.0, "uniswap": 6.0, "pepe": 4.0, "aave": 1.5}
    free = {name: 0.5 * cap / sum(rest.values()) for name, cap in rest.items()}
    assert free["dogecoin"] > 0.25
    left = {name: 0.25 * cap / 11.5 for name, cap in rest.items() if name != "dogecoin"}
    assert weights["bitcoin"] == weights["ethereum"] == weights["dogecoin"] == WAD // 4
    for name, expected in left.items():
        assert weights[name] / WAD == pytest.approx(expected, rel=1e-15)
    assert weighing.steps[-1].reasons["bitcoin"] == "75.35 % → 25.00 %: max_weight 25.00 %"
    assert weighing.steps[-1].reasons["aave"].endswith("its share of what the limits took from others")


def test_the_largest_may_weigh_thirty_and_all_others_twenty() -> None:
    """W8: the rule of CoinDesk 20: 30 % for the largest coin, 20 % for each other."""
    weights = weigh(MEMBERS, rules_for("market_cap", max_weight=0.2, max_weight_largest=0.3)).weights
    assert weights["bitcoin"] == 3 * WAD // 10
    assert weights["ethereum"] == weights["dogecoin"] == WAD // 5
    # 30 % are left for 6, 4 and 1.5
    assert weights["uniswap"] / WAD == pytest.approx(0.3 * 6 / 11.5, rel=1e-15)


def test_groups_count_a_coin_under_its_first_limited_theme() -> None:
    """W8: uniswap is defi before it is layer1."""
    rules = rules_for("equal", group_caps=(("defi", 0.1), ("meme", 0.2)), group_floors=(("layer1", 0.6),))
    weighing = weigh(MEMBERS, rules)
    weights = weighing.weights
    assert weights["uniswap"] == weights["aave"] == WAD // 20
    assert weights["dogecoin"] == weights["pepe"] == WAD // 10
    assert weights["bitcoin"] == weights["ethereum"] == 35 * WAD // 100
    assert weighing.steps[-1].reasons["pepe"] == "16.67 % → 10.00 %: meme coins together 20.00 %"


def test_a_position_is_no_larger_than_what_can_be_sold_in_time() -> None:
    """W9: 5 days × 10 % of aave's 90 M a day is 45 M, of a portfolio of 900 M: 5 %."""
    rules = rules_for("equal", liquidity_days=5.0, liquidity_share=0.1, portfolio_usd=900e6)
    weighing = weigh(MEMBERS, rules)
    assert weighing.weights["aave"] == WAD // 20
    assert weighing.weights["uniswap"] == WAD // 9
    assert "liquidity_days 5.00 %" in weighing.steps[-1].reasons["aave"]


def test_a_volatile_coin_has_a_cap_of_its_own() -> None:
    """W9: dogecoin moves 5 % and pepe 4 to 8 % a day: above 100 % a year they may weigh 5 %."""
    given = history()
    rules = rules_for("equal", volatile_above=1.2, volatile_max_weight=0.05)
    logs = np.log(given.panel("price")[-101:][1:] / given.panel("price")[-101:][:-1])
    yearly = np.sqrt((logs**2).mean(axis=0) * 365)
    weights = weigh(MEMBERS, rules, history=given).weights
    volatile = [name for name, value in zip(sorted(MARKET), yearly, strict=True) if value > 1.2]
    assert 1 <= len(volatile) <= 3
    assert [name for name, weight in weights.items() if weight == WAD // 20] == volatile


@pytest.mark.parametrize(
    ("scheme", "least", "most"),
    [("erc", 14, 18), ("min_variance", 5, 40), ("max_sharpe", 5, 40), ("max_diversification", 5, 28)],
)
def test_schemes_that_optimise_are_solved_again_within_the_bounds(scheme: str, least: int, most: int) -> None:
    """W3, W8, W10: the answer within the caps, not the cut answer without them; caps hold to the wei."""
    low, high = WAD * least // 100, WAD * most // 100
    weighing = weigh(MEMBERS, rules_for(scheme, max_weight=most / 100, min_weight=least / 100), history=history())
    weights = list(weighing.weights.values())
    assert min(weights) == low and max(weights) <= high
    free = weigh(MEMBERS, rules_for(scheme), history=history()).weights
    assert weights != limit_weights([weight + 1 for weight in free.values()], cap=high, floor=low)
    # on the grid of 1e-12
    assert all(weight % 10**6 == 0 for weight in weights)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"max_weight": 0.1},
            "6 coins reach only 0.6 of 1: max_weight 0.6 (6 coins). Raise max_weight to at least 0.166667",
        ),
        (
            {"group_caps": (("layer1", 0.3), ("meme", 0.1)), "max_weight": 0.2},
            "6 coins reach only 0.6 of 1: group_caps.layer1 0.3 (3 coins), group_caps.meme 0.1 (2 coins), max_weight 0.2 (1 coins). "
            "Raise max_weight to at least 0.6, or hold more coins",
        ),
        (
            {"group_floors": (("defi", 0.5),), "max_weight": 0.2},
            "group_floors.defi = 0.5 is above the 0.4 that its 2 coins may reach (max_weight). "
            "Lower group_floors.defi to at most 0.4 or raise max_weight to at least 0.25",
        ),
        (
            {"min_weight": 0.2},
            "the floors need 1.2 of 1: min_weight 1.2 (6 coins). Lower min_weight to at most 0.166666, or hold fewer",
        ),
        ({"group_floors": (("ai", 0.1),)}, "group_floors.ai = 0.1 but no member has that theme"),
        (
            {"min_weight": 0.1, "liquidity_days": 1.0, "portfolio_usd": 1e9, "liquidity_share": 0.5},
            "aave: min_weight 0.1 is above its liquidity_days limit of 0.045",
        ),
        (
            {"group_caps": (("meme", 0.1),), "min_weight": 0.1},
            "group_caps.meme = 0.1 is below the 0.2 that min_weight gives",
        ),
    ],
)
def test_limits_that_collide_are_named_with_their_numbers_and_the_way_out(
    changed: dict[str, object], says: str
) -> None:
    """W8, W9: what collides, by how much, and the least change of each rule alone that would do."""
    with pytest.raises(InfeasibleWeights) as refusal:
        weigh(MEMBERS, rules_for("equal", **changed))
    assert says in str(refusal.value)


# --- change -----------------------------------------------------------------------------------------------------------


def test_max_turnover_stops_every_coin_the_same_part_of_the_way() -> None:
    """W8, A4: gradual, no binary trades."""
    held = dict.fromkeys(MARKET, 1.0)
    rules = rules_for("market_cap", max_turnover=0.1)
    assert uses_held(rules) and not uses_held(rules_for("market_cap"))
    weighing = weigh(MEMBERS, rules, held=held)
    target = weigh(MEMBERS, rules_for("market_cap")).weights
    moved = sum(abs(weight - WAD / 6) for weight in weighing.weights.values()) / 2
    assert moved <= WAD // 10 and moved == pytest.approx(WAD / 10, rel=1e-15)
    parts = [(weighing.weights[name] / WAD - 1 / 6) / (target[name] / WAD - 1 / 6) for name in MARKET]
    assert parts == pytest.approx([parts[0]] * 6, rel=1e-9)
    assert weighing.steps[-1].stage == "change"
    assert weigh(MEMBERS, rules, held={}).weights == target


def test_a_coin_that_left_is_sold_whole_even_above_max_turnover_and_it_is_found() -> None:
    """W8: limits on what is held come before limits on trading, and what is exceeded is said."""
    held = {"bitcoin": 0.4, "ethereum": 0.3, "terra-luna": 0.3}
    rules = WeightRules(scheme="equal", max_turnover=0.1)
    weighing = weigh([coin("bitcoin"), coin("ethereum")], rules, held=held)
    assert sum(weighing.weights.values()) == WAD
    assert weighing.findings == (
        "max_turnover 10.00 % cannot be kept: the limits and the coins that left (30.00 %) need 30.00 %",
    )


def test_max_change_bounds_each_coin_and_a_broken_cap_is_restored_first() -> None:
    """W8, W12: no member moves more than 5 points, but for the one that grew beyond its cap: its gain is taken."""
    held = {"bitcoin": 0.5, "ethereum": 0.1, "dogecoin": 0.1, "uniswap": 0.1, "aave": 0.1, "pepe": 0.1}
    rules = rules_for("equal", max_weight=0.35, max_change=0.05)
    weighing = weigh(MEMBERS, rules, held=held)
    assert weighing.weights["bitcoin"] == 35 * WAD // 100
    assert all(abs(weighing.weights[name] - WAD // 10) <= WAD // 20 for name in MARKET if name != "bitcoin")
    assert weighing.findings == ("bitcoin: cut from 50.00 % to its max_weight at once, more than max_change 5.00 %",)


def test_a_weight_that_the_scheme_leaves_at_zero_stays_there_unless_caps_need_it() -> None:
    """W10: minimum variance leaves coins out; with caps that need everybody they come in."""
    given = history()
    alone = weigh(MEMBERS, rules_for("min_variance", shrinkage="none"), history=given).weights
    assert 0 in alone.values()
    full = weigh(MEMBERS, rules_for("min_variance", shrinkage="none", max_weight=0.17), history=given).weights
    assert min(full.values()) >= 15 * WAD // 100


# --- what it reads ----------------------------------------------------------------------------------------------------


def test_needs_names_what_each_scheme_looks_back_on() -> None:
    assert needs(rules_for("market_cap")) == Needs()
    assert needs(rules_for("erc")) == Needs(days=101, fields=("price",))
    assert needs(rules_for("free_float")) == Needs(days=30, fields=("free_float",))
    assert needs(rules_for("blend")) == Needs(days=101, fields=("price",))
    assert needs(rules_for("equal", volatile_above=1.0)) == Needs(days=101, fields=("price",))


@pytest.mark.parametrize("scheme", ["erc", "inverse_volatility", "sharpe", "hrp", "max_sharpe", "blend"])
def test_weights_do_not_read_beyond_their_window_or_other_coins(scheme: str) -> None:
    """W3–W5, W10: days before the window and coins that are no members may hold anything."""
    given, rules = history(), rules_for(scheme)
    panel = given.panel("price").copy()
    panel[: 120 - 101] = np.nan
    other = History(
        t=T,
        dates=given.dates,
        ids=(*given.ids, "zzz"),
        panels={"price": np.column_stack([panel, np.full(120, 1e9)])},
    )
    assert weigh(MEMBERS, rules, history=other) == weigh(MEMBERS, rules, history=given)


def test_what_is_missing_is_refused_with_the_way_out() -> None:
    with pytest.raises(MissingHistory, match="looks back 101 days at price"):
        weigh(MEMBERS, rules_for("erc"))
    with pytest.raises(MarketDataError, match="aave: its market cap is unknown"):
        weigh([coin("bitcoin"), coin("aave", market_cap=None)], rules_for("market_cap"))
    with pytest.raises(InfeasibleWeights, match="no coin to weigh"):
        weigh([], rules_for("equal"))


def test_a_market_without_any_gain_has_no_sharpe_ratio_and_the_least_variance_stands_in() -> None:
    """W10: found, not refused: the index must be able to go on in a bear market."""
    panel = history().panel("price")[::-1] * np.linspace(1.0, 0.01, 120)[:, None]
    falling = replace(history(), panels={"price": panel.copy()})
    weighing = weigh(MEMBERS, rules_for("max_sharpe"), history=falling)
    assert "the least variance stands in" in weighing.findings[0]
    assert weighing.weights == weigh(MEMBERS, rules_for("min_variance"), history=falling).weights


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('scheme = "fixed"', "weights.fixed needs that table of parts"),
        ("fixed = { bitcoin = 1.0 }", 'weights.fixed has no effect with scheme = "market_cap"'),
        ('scheme = "blend"\nblend = { erc = 0.5, equal = 0.4 }', "weights.blend sums to 0.9, not 1"),
        ('scheme = "blend"\nblend = { ercc = 1.0 }', "ercc"),
        ("tilt = 0.5", "weights.tilt = 0.5 needs signals"),
        ('scheme = "conviction"', "the scheme conviction needs signals"),
        ("max_weight = 0.3\nmax_weight_largest = 0.2", "weights.max_weight_largest = 0.2 is below"),
        ("liquidity_days = 2.0", "a liquidity limit needs both"),
        ("volatility_days = 15\nmin_history_days = 20", "no coin could have that many"),
        ("group_caps = { meme = 0.1 }\ngroup_floors = { meme = 0.2 }", "weights.group_floors.meme = 0.2 is above"),
        ("group_floors = { meme = 0.6, defi = 0.6 }", "weights.group_floors sum to 1.2, above 1"),
    ],
)
def test_an_index_file_whose_weights_contradict_each_other_says_so(lines: str, says: str) -> None:
    with pytest.raises(SpecError) as refusal:
        parse_spec(f'[index]\nname = "x"\nsymbol = "X"\n[universe]\ntop = 10\n[weights]\n{lines}\n')
    assert says in str(refusal.value)


def test_limit_weights_and_weigh_are_one_rule() -> None:
    raw = [int(row[1] * 10**9) for _, row in sorted(MARKET.items())]
    expected = limit_weights(raw, cap=4 * WAD // 10, floor=WAD // 100)
    assert list(weigh(MEMBERS, rules_for("market_cap", max_weight=0.4, min_weight=0.01)).weights.values()) == expected
