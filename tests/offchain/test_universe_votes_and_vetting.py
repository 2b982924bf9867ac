"""What people decided and found out, as data: ballots, dossiers, red flags.

votes       in and out with proposal and time · the latest counts · nothing from the future · safety comes first
dossiers    checks, powers, holders, pools, age · what is unknown does not pass · the dossier of the time counts
red flags   dead, collapsed, inflated, dried up, delisted, failed vetting, incident
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from universe_support import RULES, T, chosen, coin, history, ranked, snapshot

from offchain.errors import MarketDataError
from offchain.spec.universe_rules import UniverseRules
from offchain.universe import (
    Ballot,
    Check,
    Dossier,
    Incident,
    Records,
    by_coin,
    load_ballots,
    load_dossiers,
    load_incidents,
    load_records,
    monitor,
    select,
)
from offchain.universe.monitor import FLAGS, incidents_to_json
from offchain.universe.vetting import dossiers_to_json
from offchain.universe.votes import ballots_to_json

DAY = timedelta(days=1)


# --- votes ------------------------------------------------------------------------------------------------------------


def test_a_coin_that_was_voted_in_has_a_place_before_the_ranks_and_cites_the_vote() -> None:
    """S4, §6.7-20: proposal, time and block are in the reason; thresholds are waived, not the ranking of the others."""
    small = coin("small", market_cap=10.0, volume=0.0, idle_days=0)
    ballot = Ballot(proposal=7, time=T - DAY, block=1234, include=("small",))
    found = chosen([*ranked("a", "b", "c"), small], ballots=[ballot])
    assert found.members == ("a", "b", "small")
    assert found.verdict("small").reason == "voted in by proposal 7 (2024-06-02T00:00:00Z, block 1234); rank 4"
    assert not found.verdict("c").is_member


def test_a_coin_that_was_voted_out_is_out_until_it_is_voted_in_again() -> None:
    out = Ballot(proposal=1, time=T - 9 * DAY, exclude=("a",))
    back = Ballot(proposal=2, time=T - 2 * DAY, include=("a",))
    coins = ranked("a", "b", "c", "d")
    found = chosen(coins, ballots=[out], held=["a"])
    assert found.members == ("b", "c", "d")
    assert found.verdict("a").reason == "voted out by proposal 1 (2024-05-25T00:00:00Z)"
    assert "a" in chosen(coins, ballots=[back, out]).members
    same_time = Ballot(proposal=3, time=out.time, include=("a",))
    assert "a" in chosen(coins, ballots=[same_time, out]).members


def test_a_vote_that_failed_or_is_not_known_yet_changes_nothing() -> None:
    """§6.6: a ballot counts from the time its result was known."""
    coins = ranked("a", "b", "c", "d")
    plain = chosen(coins)
    future = Ballot(proposal=1, time=T + timedelta(seconds=1), exclude=("a",))
    failed = Ballot(proposal=2, time=T - DAY, exclude=("a",), result="failed")
    assert chosen(coins, ballots=[future, failed]) == plain
    assert chosen(coins, ballots=[Ballot(proposal=1, time=T, exclude=("a",))]) != plain


def test_holders_cannot_vote_a_dead_or_forbidden_coin_in() -> None:
    ballot = Ballot(proposal=7, time=T - DAY, include=("gone", "tether", "fell", "a"))
    coins = [
        coin("gone", gap_days=9, state="gone"), coin("tether"), coin("fell", state="jump_down", observed_price=0.01), *ranked("a"),
    ]  # fmt: skip
    found = chosen(coins, ballots=[ballot])
    assert found.members == ("a",)
    assert found.verdict("tether").reason.startswith("stablecoin")


def test_ballots_survive_a_file_and_a_wrong_file_is_named(tmp_path: Path) -> None:
    ballots = (
        Ballot(proposal=10**76 + 5, time=T, include=("a", "b"), exclude=("c",), block=5),
        Ballot(proposal=2, time=T + DAY, result="failed"),
    )
    file = tmp_path / "ballots.json"
    file.write_text(ballots_to_json(ballots))
    assert load_ballots(file) == ballots
    assert str(ballots[0]) == "proposal 10000…00005 (2024-06-03T00:00:00Z, block 5)"
    file.write_text("{}")
    with pytest.raises(MarketDataError, match="not a file of ballots"):
        load_ballots(file)
    with pytest.raises(MarketDataError, match="cannot be read .*correct universe.votes"):
        load_ballots(tmp_path / "none.json")
    with pytest.raises(MarketDataError, match="votes c both in and out"):
        Ballot(proposal=1, time=T, include=("c",), exclude=("c",))


# --- dossiers ---------------------------------------------------------------------------------------------------------


def dossier(**more: object) -> Dossier:
    facts: dict[str, object] = {
        "id": "coin", "time": T - 10 * DAY, "reviewer": "alice", "checks": (Check(name="code", outcome="passed", evidence="0x60…"),),
        "holder_share": 0.3, "pool_usd": 5e6,
    }  # fmt: skip
    return Dossier(**{**facts, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "rules", "reason"),
    [
        ({}, {"require_checked": True}, ""),
        ({"checks": (Check(name="audit", outcome="failed", evidence="report p. 4"),)}, {"require_checked": True},
         'check "audit" failed: report p. 4 (by the dossier of 2024-05-24, alice)'),
        ({}, {"require_checks": ("code",)}, ""),
        ({}, {"require_checks": ("audit",)}, 'check "audit" was not made (universe.require_checks'),
        ({"checks": (Check(name="audit", outcome="unknown", evidence="no report"),)}, {"require_checks": ("audit",)},
         'check "audit" unknown: no report'),
        ({"powers": ("mint", "pause")}, {"refuse_powers": ("blocklist", "fee")}, ""),
        ({"powers": ("mint", "pause")}, {"refuse_powers": ("mint", "pause", "fee")},
         "somebody may mint, pause (universe.refuse_powers; by the dossier of 2024-05-24, alice)"),
        ({}, {"max_holder_share": 0.3}, ""),
        ({}, {"max_holder_share": 0.29}, "its ten largest holders have 30.0% (universe.max_holder_share 29.0%"),
        ({"holder_share": None}, {"max_holder_share": 0.9}, "the share of its largest holders is unknown"),
        ({}, {"min_pool_usd": 5e6}, ""),
        ({}, {"min_pool_usd": 6e6}, "depth of its pools $5,000,000 (universe.min_pool_usd $6,000,000"),
        ({"pool_usd": None}, {"min_pool_usd": 1.0}, "depth of its pools unknown"),
        ({}, {"max_dossier_days": 10}, ""),
        ({}, {"max_dossier_days": 9}, "its dossier is 10 days old (universe.max_dossier_days 9)"),
    ],
)  # fmt: skip
def test_a_dossier_is_held_against_the_rules(known: dict[str, object], rules: dict[str, object], reason: str) -> None:
    """V4, V5, V6, V10, V13: checks, powers, concentration, pools and age, each with evidence, time and reviewer."""
    found = chosen([coin()], files=by_coin([dossier(**known)]), **rules)
    assert (found.members == ("coin",)) is (reason == "")
    assert found.verdict("coin").reason.startswith(reason or "rank 1")


def test_a_coin_that_nobody_looked_at_is_out_as_soon_as_anything_is_asked() -> None:
    for rules in (
        {"require_checked": True},
        {"refuse_powers": ("mint",)},
        {"max_holder_share": 0.9},
        {"min_pool_usd": 1.0},
    ):
        assert chosen([coin()], **rules).verdict("coin").reason == "nobody has vetted it (no dossier)"
    assert chosen([coin()]).members == ("coin",)


def test_the_dossier_of_the_time_counts_and_not_a_later_one() -> None:
    """§6.6: what was found out later does not change what was decided before."""
    before, after = dossier(), dossier(time=T + DAY, powers=("mint",))
    rules = {"refuse_powers": ("mint",)}
    assert chosen([coin()], files=by_coin([after, before]), **rules).members == ("coin",)
    assert (
        chosen([coin()], files=by_coin([after]), **rules).verdict("coin").reason == "nobody has vetted it (no dossier)"
    )
    assert chosen([coin()], files=by_coin([dossier(time=T), after]), **rules).members == ("coin",)
    newer = dossier(time=T - DAY, powers=("mint",))
    assert chosen([coin()], files=by_coin([newer, before]), **rules).members == ()


def test_dossiers_survive_a_file_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    rows = (dossier(token="0xabc", chain_id=1, block=9, powers=("fee", "mint")), dossier(id="other", holder_share=None))
    file = tmp_path / "dossiers.json"
    file.write_text(dossiers_to_json(rows))
    assert load_dossiers(file) == rows
    file.write_text('{"format": "ballast-dossiers/2"}')
    with pytest.raises(MarketDataError, match="format 'ballast-dossiers/2', expected"):
        load_dossiers(file)
    with pytest.raises(MarketDataError, match='"minting" is no power.* Did you mean "mint"'):
        dossier(powers=("minting",))
    with pytest.raises(MarketDataError, match='outcome "pass" is none of passed, failed, unknown'):
        Check(name="audit", outcome="pass", evidence="")


# --- all of them ------------------------------------------------------------------------------------------------------


def test_records_are_read_beside_the_index_file_and_only_what_was_known_counts(tmp_path: Path) -> None:
    """§6.2, V9, V13: votes, dossiers and incidents are inputs like prices: dated, hashed, and never of the future."""
    ballots = (Ballot(proposal=1, time=T - DAY, exclude=("a",)), Ballot(proposal=2, time=T + DAY, include=("a",)))
    incidents = [Incident(id="b", time=T - DAY, kind="exploit", evidence="its bridge", until=T + 2 * DAY)]
    (tmp_path / "votes.json").write_text(ballots_to_json(ballots))
    (tmp_path / "dossiers.json").write_text(dossiers_to_json([dossier(id="c"), dossier(id="c", time=T + DAY)]))
    (tmp_path / "incidents.json").write_text(incidents_to_json(incidents))
    rules = UniverseRules(
        top=3,
        min_age_days=0,
        votes="votes.json",
        dossiers="dossiers.json",
        incidents="incidents.json",
        require_checked=True,
    )
    records = load_records(rules, folder=tmp_path)
    assert (len(records.ballots), len(records.dossiers), len(records.incidents)) == (2, 2, 1)
    assert Records.from_json(records.to_json()) == records
    known = records.until(T)
    assert (len(known.ballots), len(known.dossiers)) == (1, 1) and known.inputs_hash != records.inputs_hash
    found = select(snapshot(ranked("a", "b", "c", "d")), rules, **records.arguments(T))
    assert found == select(snapshot(ranked("a", "b", "c", "d")), rules, **known.arguments(T))
    assert found.members == ("c",)
    assert found.verdict("a").reason.startswith("voted out by proposal 1")
    assert found.verdict("b").reason == "exploit: its bridge"
    assert records.arguments(T + 2 * DAY)["barred"] == {}


def test_votes_of_a_governor_have_to_be_read_from_its_chain() -> None:
    rules = UniverseRules(top=3, votes="governor")
    with pytest.raises(MarketDataError, match="give ballots, as offchain.chain.ballots.read_ballots reads them"):
        load_records(rules)
    ballot = Ballot(proposal=1, time=T, include=("a",))
    assert load_records(rules, ballots=[ballot]).ballots == (ballot,)
    assert load_records(UniverseRules(top=3)) == Records()
    with pytest.raises(MarketDataError, match="not records"):
        Records.from_json("{}")


# --- red flags --------------------------------------------------------------------------------------------------------

# daily prices of the weeks in which they collapsed, rounded
LUNA = [85.0, 82.0, 78.0, 77.0, 69.0, 64.0, 61.0, 30.0, 17.0, 6.7, 1.1]
FTT = [25.5, 25.2, 25.9, 24.2, 22.1, 22.3, 22.1, 5.5, 2.7, 3.6, 2.7]


def codes(*coins: object, rules: UniverseRules = RULES, **more: object) -> list[str]:
    known = [one for one in coins if not isinstance(one, str)]
    flags = monitor(snapshot(known), ["coin"], rules, **more)  # type: ignore[arg-type]
    assert all(flag.code in FLAGS and flag.reason for flag in flags)
    return [flag.code for flag in flags]


@pytest.mark.parametrize(("path", "day"), [(LUNA, 9), (FTT, 8)])
def test_a_collapse_like_those_of_luna_and_ftt_takes_the_coin_out_between_reviews(path: list[float], day: int) -> None:
    """V9, V11: flagged on the day the fall passes 85 % within a week, and not a day before; out for the quarantine."""
    rules = UniverseRules(top=3, min_age_days=0, max_fall=0.85, fall_days=7, quarantine_days=30)
    flagged = []
    for last in range(1, len(path)):
        known = history({"price": {"coin": path[: last + 1], "other": [1.0] * (last + 1)}})
        flags = monitor(snapshot([coin(), coin("other")]), ["coin", "other"], rules, history=known)
        flagged.append([flag.code for flag in flags])
        barred = {flag.id: flag.reason for flag in flags}
        kept = chosen([coin(), coin("other")], held=["coin", "other"], barred=barred, reconstitute=False)
        assert kept.members == (("other",) if flags else ("coin", "other"))
    first = next(index for index, found in enumerate(flagged, start=1) if found)
    assert first == day
    assert all(found == ["collapse"] for found in flagged[first - 1 :])
    fall = 1 - path[day] / max(path[max(day - 7, 0) : day + 1])
    after = history({"price": {"coin": [*path[: day + 1], *[path[day]] * 29]}})
    assert f"fell by {fall:.1%} within 7 days" in monitor(snapshot([coin()]), ["coin"], rules, history=after)[0].reason
    healed = history({"price": {"coin": [*path[: day + 1], *[path[-1]] * 45]}})
    assert monitor(snapshot([coin()]), ["coin"], rules, history=healed) == ()


def test_a_fall_is_held_against_its_limit_to_the_day_and_to_the_number() -> None:
    """V9: exactly the limit is allowed; on the last day of the quarantine the coin is still out, the day after it is not."""
    rules = {"max_fall": 0.5, "fall_days": 1, "quarantine_days": 5}
    assert chosen([coin()], history=history({"price": {"coin": [2.0, 1.0]}}), **rules).members == ("coin",)
    found = chosen([coin()], history=history({"price": {"coin": [2.0, 0.99]}}), **rules)
    assert found.verdict("coin").reason == ("fell by 50.5% within 1 days (universe.max_fall 50%); stays out for 5 days")
    last_day, day_after = ([2.0, *[0.99] * days] for days in (6, 7))
    assert chosen([coin()], history=history({"price": {"coin": last_day}}), **rules).members == ()
    assert chosen([coin()], history=history({"price": {"coin": day_after}}), **rules).members == ("coin",)


def test_each_red_flag_has_its_own_sign() -> None:
    """V3, V7, V9, V10: dead, collapsed from one day to the next, inflated, dried up, delisted, vetted anew, incident."""
    day = {"coin": [1.0] * 31}
    calm = history({"price": day, "market_cap": {"coin": [1e9] * 31}, "volume": {"coin": [5e6] * 31}})
    assert codes(coin(), history=calm) == []
    assert codes() == ["dead"]
    assert codes(coin(idle_days=8)) == ["dead"]
    assert codes(coin(state="jump_down", observed_price=0.01)) == ["collapse"]
    minted = history({"price": day, "market_cap": {"coin": [1e9] * 30 + [2e9]}, "volume": {"coin": [5e6] * 31}})
    assert codes(coin(), history=minted) == ["inflation"]
    dried = history({"price": day, "market_cap": {"coin": [1e9] * 31}, "volume": {"coin": [5e6] * 24 + [9e4] * 7}})
    assert codes(coin(), history=dried) == ["dried-up"]
    delisted = history({"listings": {"coin": [20.0] * 30 + [10.0]}})
    assert codes(coin(), history=delisted) == ["delisted"]
    assert codes(coin(), history=history({"listings": {"coin": [20.0] * 30 + [11.0]}})) == []
    strict = UniverseRules(top=3, refuse_powers=("mint",))
    assert codes(coin(), rules=strict, dossiers=by_coin([dossier(powers=("mint",))])) == ["vetting"]
    exploit = Incident(id="coin", time=T - DAY, kind="exploit", evidence="post-mortem of the bridge")
    assert codes(coin(), incidents=[exploit]) == ["incident"]


def test_an_incident_counts_from_when_it_was_known_until_it_is_over(tmp_path: Path) -> None:
    rows = [
        Incident(id="coin", time=T - 9 * DAY, kind="halt", evidence="chain stood still", until=T),
        Incident(id="coin", time=T + DAY, kind="rug-pull", evidence="the team is gone"),
    ]
    assert codes(coin(), incidents=rows) == []
    assert [one.is_open(T - DAY) for one in rows] == [True, False]
    file = tmp_path / "incidents.json"
    file.write_text(incidents_to_json(rows))
    assert list(load_incidents(file)) == rows
    with pytest.raises(MarketDataError, match='"hack" is none of exploit'):
        Incident(id="coin", time=T, kind="hack", evidence="")
    file.write_text("[]")
    with pytest.raises(MarketDataError, match="not a file of incidents"):
        load_incidents(file)
