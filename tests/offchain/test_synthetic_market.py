"""The shipped market: the same bits everywhere, and every trouble a real one has."""

from __future__ import annotations

from offchain.market import Market, synthetic_market
from offchain.methodology import Methodology
from offchain.spec import IndexSpec, find_spec

# computed once and pinned: another number means other bits, on this machine or in this version
LAST_DAY = "2025-12-31"
GOLDEN = "0x062fff72152f43d4e0aa347cbd4a433e5dad1244e96308c8889a714fa15e5ad7"


def test_synthetic_market_has_the_same_bits_as_everywhere(synthetic: Market) -> None:
    assert synthetic.snapshot(LAST_DAY).inputs_hash == GOLDEN


def test_synthetic_market_of_another_seed_is_another_market(synthetic: Market) -> None:
    assert synthetic_market(7).snapshot(LAST_DAY).inputs_hash != GOLDEN


def test_synthetic_market_is_two_years_of_about_forty_coins(synthetic: Market) -> None:
    assert synthetic.price.shape[0] == 731
    assert 40 <= synthetic.price.shape[1] <= 50
    assert synthetic.meta.loc["bitcoin", ["symbol", "decimals"]].tolist() == ["BTC", 8]
    assert synthetic.meta["decimals"].notna().all()


def test_synthetic_market_gives_lc10_entries_and_exits_in_most_quarters(synthetic: Market, lc10: IndexSpec) -> None:
    methodology, held = Methodology(lc10), ()
    quarters = set()
    for date in synthetic.dates[91::7]:
        decision = methodology.decide(synthetic, date, held)
        if held and decision.entered:
            quarters.add((date.year, date.quarter))
        held = decision.members
        assert len(held) == 10
    assert len(quarters) >= 5


def test_synthetic_market_keeps_its_troublemakers_out_with_a_reason(synthetic: Market) -> None:
    methodology = Methodology(find_spec("SQRT20"))
    reasons = methodology.decide(synthetic, LAST_DAY).reasons
    for coin, why in {
        "tether": "stablecoin",
        "wrapped-bitcoin": "wrapped",
        "staked-ether": "wrapped",
        "compound-ether": "wrapped",
        "3x-long-bitcoin-token": "leveraged",
        "terranova": "no price since",
        "orbital-exchange": "nothing traded for 30 days",
        "opaque-protocol": "market cap unknown",
        "fresh-finance": "first price 44 days ago",
        "quiet-treasure": "median volume",
    }.items():
        assert why in reasons[coin], (coin, reasons[coin])


def test_synthetic_glitch_of_a_thousandfold_price_on_a_review_day_does_not_enter(
    synthetic: Market, methodology: Methodology
) -> None:
    monday = "2025-03-03"
    observed = synthetic.snapshot(monday)["glitch-network"].observed_price or 0
    decision = methodology.decide(synthetic, monday)
    assert observed > 100
    assert "glitch-network" not in decision.members
    assert "jumped to 1,03" in decision.universe.verdict("glitch-network").note
