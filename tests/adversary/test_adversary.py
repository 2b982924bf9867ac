"""The adversary simulator: its meter against arithmetic by hand, its agents for a day each, and its verdicts.

The meter
    counts what a share lost at the same prices, and no move of the market
    counts no fee up to exp(rate·time), and every share beyond it
    never sets gains against gross losses, and does in the net
    excuses what the holder's twin lost as well
    finds the worst 24 hours and the worst period of any length
A thief who empties a bucket of C per W the moment it refills
    uses exactly the whole bound, and a thousandth more passes it
The search
    finds the largest amount that is accepted
Each agent, for a day
    does something, stays within the bound, and leaves the exit open
    does the same again with the same seed
    (thieves) takes most of what the bound allows: the search is not a weak one
The verdict
    is against an agent who passes the bound, does nothing, or sees an exit closed, and against a canary who does not pass it
    is the exit code
What is committed
    has every agent for thirty days, and none who failed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from tests.adversary import __main__ as command
from tests.adversary.agent import largest_accepted
from tests.adversary.arena import Ground
from tests.adversary.cast import CANARY, cast
from tests.adversary.meter import DAY, Account, Harm, Meter, Sight
from tests.adversary.report import JSON, Result
from tests.adversary.run import play

PRICES = (2 * 10**27, 5 * 10**27)
THIEVES = ("stolen-key", "pool-bender", "flash-whale", "donor", "hostile-taker")


def sight(time: int = 0, **changes: object) -> Sight:
    """Two components worth 1000 and 1000, a hundred shares of which the agent has ten, and 7 tokens of his own."""
    fields = {"supply": 100, "reserves": (500, 200), "held": (7, 0), "shares": 10, **changes}
    return Sight(time=time, **fields)  # type: ignore[arg-type]


def a_meter() -> Meter:
    meter = Meter(capacity=0.005, window=DAY)
    meter.begin(sight())
    return meter


def test_loss_is_what_a_share_is_worth_less_at_the_same_prices() -> None:
    meter = a_meter()
    # 50 tokens of 2 go to the agent, 10 of 5 come: the index loses 50 of 2000
    change = meter.moved(sight(1, reserves=(450, 210), held=(57, -10)), PRICES, PRICES)
    assert change.loss == Fraction(50, 2000)
    # the agent wins 50 and his ten shares lose a tenth of it; the others had 1800
    assert change.profit == Fraction(50 - 5, 1800)
    assert meter.oracle.gross[-1] == pytest.approx(0.025)


def test_market_moves_between_operations_are_nobodys_harm() -> None:
    meter = a_meter()
    meter.waited(sight(3600), Fraction(1), (1 * 10**27, 5 * 10**27))
    assert meter.oracle.times == [0] and meter.oracle.gross == [0.0]


def test_losses_at_the_markets_prices_are_kept_apart() -> None:
    meter = a_meter()
    # at the oracle's prices an even trade; the market knows that the first token is worth 3
    meter.moved(sight(1, reserves=(450, 220)), PRICES, (3 * 10**27, 5 * 10**27))
    assert meter.oracle.gross[-1] == 0 and meter.market.gross[-1] == pytest.approx(50 / 2500)


def test_fee_up_to_its_growth_is_no_harm_and_a_share_more_is() -> None:
    meter = a_meter()
    meter.waited(sight(DAY, supply=110), Fraction(11, 10), PRICES)
    assert meter.oracle.gross[-1] == 0
    meter.waited(sight(2 * DAY, supply=122), Fraction(11, 10), PRICES)
    assert meter.oracle.gross[-1] == pytest.approx(1 - 121 / 122)


def test_gains_are_never_set_against_gross_losses() -> None:
    meter = a_meter()
    meter.moved(sight(1, reserves=(450, 210)), PRICES, PRICES)
    meter.moved(sight(2, reserves=(500, 200)), PRICES, PRICES)
    assert meter.oracle.gross[-1] == pytest.approx(0.025)
    assert meter.oracle.net[-1] == pytest.approx(0.025 + (1 - 2000 / 1950))


def test_what_the_twin_lost_as_well_is_excused_from_the_net_alone() -> None:
    meter = a_meter()
    meter.moved(sight(1, reserves=(450, 210)), PRICES, PRICES)
    meter.excuse(Fraction(1, 100), Fraction(1, 100))
    assert meter.oracle.net[-1] == pytest.approx(0.015) and meter.oracle.gross[-1] == pytest.approx(0.025)


def account(*losses: tuple[int, float]) -> Account:
    made = Account()
    made.open(0)
    for time, loss in losses:
        made.add(time, Harm(loss=Fraction(loss), profit=Fraction(0)))
    return made


def test_worst_day_is_found_wherever_it_begins() -> None:
    losses = account((0, 0.001), (50_000, 0.004), (86_400, 0.002), (86_401, 0.003), (200_000, 0.005))
    assert losses.worst_within(DAY) == pytest.approx(0.009)  # from 50,000 on; with both ends 0.001 + 0.004 + 0.002
    assert losses.worst_within(0) == pytest.approx(0.005)


def test_thief_who_waits_for_every_refill_uses_exactly_the_whole_bound() -> None:
    steps = [(0, 0.005), *((hour * 3600, 0.005 / 24) for hour in range(1, 73))]
    assert account(*steps).used(0.005, DAY) == pytest.approx(1.0, abs=1e-12)
    assert account(*steps, (72 * 3600, 0.005 / 1000)).used(0.005, DAY) > 1.0002


def test_breach_in_the_middle_of_a_quiet_month_is_seen() -> None:
    # 60 bps in a second on day 15: far below 1550 for the whole month
    assert account((15 * DAY, 0.003), (15 * DAY + 1, 0.003), (30 * DAY, 0.0)).used(0.005, DAY) > 1.19


@pytest.mark.parametrize("edge", [0, 1, 2, 999, 1000])
def test_search_finds_the_largest_accepted_amount(edge: int) -> None:
    assert largest_accepted(lambda amount: amount <= edge, 1, 1000, steps=20) == edge


# --- agents -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    ground = Ground(1)
    yield ground
    ground.stop()


@pytest.mark.parametrize("name", list(cast()))
def test_agent_acts_for_a_day_within_the_bound_and_leaves_the_exit_open(ground: Ground, name: str) -> None:
    """G1, G2, C1: and the canary, who has no guard before him, does pass the bound."""
    result = play(ground, cast()[name], days=1, seed=1)
    assert result.verdict == "" and result.acts > 0
    if name in THIEVES:
        assert result.used > 0.9 and result.profit > 0.15 * result.bound


def test_same_seed_gives_the_same_run(ground: Ground) -> None:
    first, again = (play(ground, cast()[CANARY], days=1, seed=7) for _ in range(2))
    assert first == again
    assert play(ground, cast()[CANARY], days=1, seed=8) != first


# --- verdicts -----------------------------------------------------------------------------------------------------------

FINE = Result(
    agent="somebody", controls="a key", days=30, acts=3, refusals={}, gross=100.0, lost=100.0, within_a_day=50.0,
    profit=100.0, lost_at_market=100.0, profit_at_market=100.0, bound=1550.0, used=0.5, stretch=1.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"used": 1.000001}, "passed the bound"),
        ({"acts": 0}, "did nothing"),
        ({"breaches": ["day 3: a holder could not redeem"]}, "could not redeem"),
        ({"agent": CANARY, "used": 0.99}, "the meter is blind"),
    ],
)
def test_verdict_is_against(change: dict[str, object], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = replace(FINE, **change)  # type: ignore[arg-type]
    assert FINE.verdict == "" and said in result.verdict
    name = "stolen-key" if result.agent != CANARY else CANARY
    shown = replace(result, agent=name)
    monkeypatch.setattr(command, "play_all", lambda *_: iter([shown]))
    assert command.main([name, "--days", "1"]) == 1
    monkeypatch.setattr(
        command, "play_all", lambda *_: iter([replace(FINE, agent=name, used=1.5 if name == CANARY else 0.5)])
    )
    assert command.main([name, "--days", "1"]) == 0


def test_committed_figures_have_every_agent_for_thirty_days() -> None:
    rows = [Result(**row) for row in json.loads(JSON.read_text())["agents"]]
    assert [row.agent for row in rows] == list(cast())
    assert all(row.days == 30 and row.verdict == "" for row in rows)
    strongest = max(row.used for row in rows if row.agent == "stolen-key")
    assert strongest > 0.999, "an agent who knows the bound gets all of it; less means that the search has become weak"
    assert all(row.bound * (1 + 1e-9) >= row.gross / row.stretch for row in rows if not row.is_canary)
    assert max(row.within_a_day for row in rows if not row.is_canary and row.stretch == 1) <= 2 * 50 * (1 + 1e-9)
