"""A keeper that auctions: before it swaps, or what it cannot swap.

use = "first"
├── opens the plan's auction on the widest terms, and comes back when it is over
├── given a hired filler: what he pays is better than the floor of swaps; the rest is swapped; the report tells both
├── given nobody who fills: everything is swapped after the end
├── given all filled before the end: the plan ends at once
└── given an auction that was closed, one that would outlive its plan, or none allowed any more: it swaps
use = "rest"
├── auctions what no pool takes within the floor, be it the whole plan
└── opens one auction a plan
use = "never"
└── swaps whatever stands
others
├── a later auction of somebody else holds up nothing; the first is as good as the keeper's own
└── another keeper: one auction, one of each swap
killed, stuck
└── at every checkpoint, and in bad weather: the next run goes on, nothing is sent twice, and never to the wrong contract
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account.typed_transactions import TypedTransaction
from hexbytes import HexBytes

from offchain.chain import auctions
from offchain.chain.auctions import AuctionTerms, FillPlan, read_auctions
from offchain.chain.client import rpc
from offchain.chain.transactions import send
from offchain.errors import ChainError
from offchain.keeper import Done, Keeper, RetryAt, Settings, sending
from offchain.spec import IndexSpec, find_spec
from offchain.spec.auction_rules import AuctionRules
from offchain.units import BPS
from tests.keeper.support import (
    GOVERNOR,
    GUARDIAN,
    SECOND_STRATEGIST,
    STRATEGIST,
    WEEKS,
    Fund,
    Weather,
    a_fund,
    intercepted,
)

FILLER, STRANGER = 9, 7
POINTS = ("signing", "signed", "sent", "mined", "settled")
RULES = AuctionRules(
    max_minutes=60,
    max_premium_bps=200,
    max_discount_bps=40,
    warm_up_seconds=30,
    strategist_window_minutes=20,
    use="first",
)


def a_spec(*, use: str, max_slippage_bps: int = 100) -> IndexSpec:
    """Five coins and no cool-down: a rebalance of a few trades."""
    spec = find_spec("EQ5")
    rules = replace(
        spec.rebalance, calendar="weekly", max_slippage_bps=max_slippage_bps, drift_band=0.001, cooldown_minutes=0
    )
    return replace(spec, rebalance=rules, auctions=replace(RULES, use=use))


@pytest.fixture(scope="module")
def _first() -> Iterator[Fund]:
    with a_fund(a_spec(use="first")) as fund:
        fund.world.step(WEEKS[2])
        yield fund


@pytest.fixture
def first(_first: Fund) -> Iterator[Fund]:
    with _first.world.rewound():
        yield _first


@pytest.fixture(scope="module")
def _rest() -> Iterator[Fund]:
    """A floor of 5 bps, below which every pool's fee is: nothing can be swapped."""
    with a_fund(a_spec(use="rest", max_slippage_bps=5)) as fund:
        fund.world.step(WEEKS[2])
        yield fund


@pytest.fixture
def rest(_rest: Fund) -> Iterator[Fund]:
    with _rest.world.rewound():
        yield _rest


class Killed(BaseException):
    """Stands for SIGKILL."""


def killing(point: str, occurrence: int) -> Callable[[str], None]:
    left = [occurrence]

    def checkpoint(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] == 0:
                raise Killed(name)

    return checkpoint


def view_of(fund: Fund) -> auctions.Auctions:
    return read_auctions(fund.world.w3, fund.core, fund.index.address)


def opened(fund: Fund) -> list[tuple[int, int]]:
    """(plan, auction) of every auction that was ever opened."""
    events = auctions.house_of(fund.world.w3, fund.core).events.OpenAuction()
    return [(event["args"]["planId"], event["args"]["auctionId"]) for event in events.get_logs(from_block=0)]


def swaps(fund: Fund) -> list[tuple[int, int]]:
    events = fund.core.contract(fund.world.w3, "rebalancer").events.SwapTokens()
    return [(event["args"]["planId"], event["args"]["step"]) for event in events.get_logs(from_block=0)]


def fill_pair(fund: Fund, *, sell: int = 0, buy: int = 0) -> FillPlan:
    """The filler takes all he can of one pair at the price of the moment."""
    world, view = fund.world, view_of(fund)
    one = sorted(view.surpluses, key=lambda item: -item.surplus * item.price)[sell]
    other = sorted(view.deficits, key=lambda item: -item.deficit * item.price)[buy]
    plan = auctions.plan_fill(world.w3, fund.core, fund.index.address, one.symbol, other.symbol, one.surplus)
    filler = world.node.accounts[FILLER]
    coin = next(coin for coin, token in world.tokens.items() if token.address == plan.buy.token)
    world.faucet(filler, coin, plan.max_pay)
    auctions.fill(world.w3, filler, fund.core, plan)
    return plan


def fill_everything(fund: Fund) -> None:
    """Until less than a dollar is left on one side."""
    for _ in range(20):
        view = view_of(fund)
        surplus = max((item.surplus * item.price for item in view.surpluses), default=0)
        deficit = max((item.deficit * item.price for item in view.deficits), default=0)
        if min(surplus, deficit) < 10**9 * 10**27:
            return
        fill_pair(fund)
    raise AssertionError("the filler never gets to the end")


def finished(fund: Fund, keeper: Keeper, *, outcome: object = None) -> Done:
    """Runs, and waits as it is told to, until it is done."""
    for _ in range(6):
        outcome = outcome or keeper.run()
        if isinstance(outcome, Done):
            return outcome
        assert isinstance(outcome, RetryAt), outcome
        fund.world.node.mine(timestamp=outcome.time)
        outcome = None
    raise AssertionError("never done")


def check_once(fund: Fund, keeper: Keeper, outcome: Done) -> None:
    """One auction, each swap once, one transaction a nonce, the ledger equals the chain."""
    steps = swaps(fund)
    assert steps == [(1, step) for step in range(len(steps))] and steps
    assert opened(fund) == [(1, 1)]
    nonce = fund.world.w3.eth.get_transaction_count(keeper.address)
    settled = [entry.body for entry in keeper.ledger.entries(kind="settled")]
    mined = {body["hash"] for body in settled if isinstance(body, dict)}
    assert len(mined) == nonce == len(steps) + 3  # start, auction, end
    assert all(body["status"] == "mined" for body in settled if isinstance(body, dict))
    assert outcome.report.drift_after < outcome.report.drift_before
    keeper.ledger.verify()


# --- first ------------------------------------------------------------------------------------------------------------


def test_the_plan_is_auctioned_first_and_the_next_run_swaps_what_is_left(first: Fund, ledger: Path) -> None:
    """The filler pays what the auction asks in its middle, which is above the oracle; swaps lose to pools."""
    with first.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and "plan 1 is auctioned until" in outcome.reason, outcome
        auction = view_of(first).auction
        assert outcome.time == auction.ends_at + 1 and auction.ends_at - auction.starts_at == 3600
        assert (auction.start_ppm, auction.end_ppm, auction.curve) == (20_000, -4_000, 1)
        assert swaps(first) == [] and opened(first) == [(1, 1)]

        height = first.world.w3.eth.block_number
        assert keeper.run() == outcome  # nothing is swapped beside it
        assert first.world.w3.eth.block_number == height

        first.world.node.mine(timestamp=auction.starts_at + 1800)
        plan = fill_pair(first)
        # 1e6 * sqrt(1.02 * 0.996) = 1,007,928.6: half-way along the exponential, and the seconds that mining took
        assert 7_400 < plan.offset <= 7_929
        first.world.node.mine(timestamp=outcome.time)
        done = keeper.run()
        assert isinstance(done, Done), done
        check_once(first, keeper, done)
        (filled,) = done.report.auctioned
        assert filled.sold[0][:2] == (plan.sell.symbol, plan.get) and filled.auction == 1
        assert -90 < filled.loss * BPS / filled.value < -60  # a gain, where the floor of swaps is a loss of 100 bps
        swapped = sum(fill.value for fill in done.report.fills)
        assert done.report.sold == swapped + filled.value and swapped > 0
        assert done.report.cost_bps < sum(fill.loss for fill in done.report.fills) * BPS / swapped
        assert " and 1 auction fill, " in done.report.headline and "auction 1: " in str(done.report)


def test_nobody_fills_and_everything_is_swapped_after_the_end(first: Fund, ledger: Path) -> None:
    with first.keeper(ledger) as keeper:
        done = finished(first, keeper)
        check_once(first, keeper, done)
        assert done.report.auctioned == () and len(done.report.fills) == len(swaps(first))
        assert "auction" not in done.report.headline


def test_all_filled_before_the_end_ends_the_plan_at_once(first: Fund, ledger: Path) -> None:
    with first.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt)
        first.world.node.mine(timestamp=view_of(first).auction.starts_at + 1800)
        fill_everything(first)
        done = keeper.run()
        assert isinstance(done, Done), done
        assert view_of(first).state.timestamp < outcome.time and swaps(first) == []
        assert len(done.report.auctioned) >= 2 and done.report.loss < 0
        # what is left above target is what the filler overpaid: 0.8 % of what was sold, and no deficit is left to buy for it
        assert done.report.drift_after < done.report.turnover * 10**18 / 50


def test_several_legs_in_one_fill_are_told_with_their_value(first: Fund, ledger: Path) -> None:
    with first.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt)
        first.world.node.mine(timestamp=view_of(first).auction.starts_at + 1800)
        view, world, filler = view_of(first), first.world, first.world.node.accounts[FILLER]
        house = auctions.house_of(world.w3, first.core)
        surpluses = sorted(view.surpluses, key=lambda item: -item.surplus * item.price)[:1]
        deficits = sorted(view.deficits, key=lambda item: -item.deficit * item.price)[:2]
        for item in deficits:
            coin = next(coin for coin, token in world.tokens.items() if token.address == item.token)
            world.faucet(filler, coin, item.deficit)
            send(world.w3, filler, world.erc20(coin).functions.approve(house.address, item.deficit))
        order = (
            first.index.address, 1, 1,
            [(item.token, 1, item.surplus) for item in surpluses],
            [(item.token, 1, item.deficit // 4) for item in deficits],
            filler, auctions.NOBODY, b"",
        )  # fmt: skip
        send(world.w3, filler, house.functions.fillMany(order))
        done = finished(first, keeper)
        (filled,) = done.report.auctioned
        paid = sum(item.deficit // 4 * item.price for item in deficits) // 10**27
        # the filler paid `paid` for what the factor of the middle, 1.0079, divides it by
        assert abs(filled.value - paid * 10_000 // 10_079) < paid // 500
        assert -90 < filled.loss * BPS / filled.value < -60 and len(filled.bought) == 2
        assert " + " in str(filled)


def test_an_auction_that_the_guardian_closed_stays_closed(first: Fund, ledger: Path) -> None:
    with first.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), RetryAt)
        guardian = first.world.node.accounts[GUARDIAN]
        auctions.close_auction(first.world.w3, guardian, first.core, first.index.address)
        done = keeper.run()
        assert isinstance(done, Done), done
        check_once(first, keeper, done)


def test_an_auction_that_would_outlive_its_plan_is_not_opened(first: Fund, ledger: Path) -> None:
    keeper = first.keeper(ledger, checkpoint=killing("settled", 1))  # the plan is started, the auction not yet opened
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    first.world.node.mine(timestamp=view_of(first).state.plan.expires_at - 3600)
    for coin in first.world.tokens:
        if first.world.updated_at(coin):
            first.world.set_feed(coin, first.world.price(coin))
    with first.keeper(ledger) as again:
        assert isinstance(again.run(), Done)
        assert opened(first) == [] and swaps(first)


def test_auctions_that_the_governor_turned_off_are_not_waited_for(first: Fund, ledger: Path) -> None:
    house = auctions.house_of(first.world.w3, first.core)
    governor = first.world.node.accounts[GOVERNOR]
    send(first.world.w3, governor, house.functions.setAuctionPolicy(first.index.address, (0,) * 8))
    with first.keeper(ledger) as keeper:
        assert isinstance(keeper.run(), Done)
        assert opened(first) == [] and swaps(first)


# --- rest -------------------------------------------------------------------------------------------------------------


def test_what_no_pool_takes_within_the_floor_is_auctioned(rest: Fund, ledger: Path) -> None:
    with rest.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and "plan 1 is auctioned until" in outcome.reason, outcome
        assert swaps(rest) == [] and opened(rest) == [(1, 1)]
        rest.world.node.mine(timestamp=view_of(rest).auction.starts_at + 2400)
        fill_everything(rest)
        done = keeper.run()
        assert isinstance(done, Done), done
        assert len(done.report.auctioned) >= 2 and done.report.drift_after * 20 < done.report.drift_before


def test_one_auction_a_plan_then_it_waits_for_the_pools_as_ever(rest: Fund, ledger: Path) -> None:
    with rest.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt)
        rest.world.node.mine(timestamp=outcome.time)
        again = keeper.run()
        assert isinstance(again, RetryAt) and "the pools do not bear the rest of plan 1 now" in again.reason
        assert opened(rest) == [(1, 1)]


def test_without_auctions_such_a_plan_is_not_even_started(rest: Fund, ledger: Path) -> None:
    with rest.keeper(ledger, spec=a_spec(use="never", max_slippage_bps=5)) as keeper:
        outcome = keeper.run()
        assert outcome.name == "skip" and "no trade is possible" in outcome.reason
        assert view_of(rest).state.plan.id == 0


def test_what_pools_take_is_swapped_without_any_auction(first: Fund, ledger: Path) -> None:
    with first.keeper(ledger, spec=a_spec(use="rest")) as keeper:
        assert isinstance(keeper.run(), Done)
        assert opened(first) == [] and swaps(first)


# --- never, and others ------------------------------------------------------------------------------------------------


def start_only(fund: Fund, ledger: Path) -> None:
    """A plan that was started and nothing else."""
    keeper = fund.keeper(ledger, checkpoint=killing("settled", 1))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()


def test_a_keeper_that_is_told_never_to_auction_swaps_whatever_stands(first: Fund, ledger: Path) -> None:
    start_only(first, ledger)
    keeper_address = first.world.node.accounts[STRATEGIST]
    auctions.open_auction(first.world.w3, keeper_address, first.core, first.index.address)
    with first.keeper(ledger, spec=a_spec(use="never")) as keeper:
        assert isinstance(keeper.run(), Done)
        assert swaps(first)


def test_the_first_auction_of_a_stranger_is_as_good_as_the_keepers_own(first: Fund, ledger: Path) -> None:
    start_only(first, ledger)
    world = first.world
    world.node.mine(timestamp=view_of(first).state.plan.started_at + 20 * 60)
    auctions.open_auction(world.w3, world.node.accounts[STRANGER], first.core, first.index.address)
    with first.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt) and outcome.time == view_of(first).auction.ends_at + 1
        assert isinstance(finished(first, keeper), Done) and opened(first) == [(1, 1)]


def test_a_later_auction_of_a_stranger_holds_up_nothing(first: Fund, ledger: Path) -> None:
    world = first.world
    with first.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt)
        world.node.mine(timestamp=outcome.time)
        auctions.open_auction(world.w3, world.node.accounts[STRANGER], first.core, first.index.address)
        assert view_of(first).is_open
        assert isinstance(keeper.run(), Done)
        assert opened(first) == [(1, 1), (1, 2)] and swaps(first)


def test_a_second_keeper_waits_for_the_same_auction(first: Fund, ledger: Path, tmp_path: Path) -> None:
    with first.keeper(ledger) as one, first.keeper(tmp_path / "two.db", account=SECOND_STRATEGIST) as two:
        outcome = one.run()
        assert isinstance(outcome, RetryAt) and two.run() == outcome
        assert first.world.w3.eth.get_transaction_count(two.address) == 0
        first.world.node.mine(timestamp=outcome.time)
        assert isinstance(two.run(), Done)
        assert isinstance(one.run(), RetryAt) and opened(first) == [(1, 1)]
        assert len(set(swaps(first))) == len(swaps(first))


def test_two_keepers_that_open_at_once_open_one(first: Fund, ledger: Path, tmp_path: Path) -> None:
    """The other one is faster between the first one's estimate and its transaction, which then reverts."""
    start_only(first, ledger)
    outcomes: list[object] = []

    def overtaken(name: str) -> None:
        if name == "signed" and not outcomes:
            with first.keeper(tmp_path / "two.db", account=SECOND_STRATEGIST) as two:
                outcomes.append(two.run())

    with first.keeper(ledger, checkpoint=overtaken) as one:
        outcome = one.run()
        assert [outcome] == outcomes and isinstance(outcome, RetryAt)
        assert opened(first) == [(1, 1)]
        said = [entry.body for entry in one.ledger.entries(kind="settled")]
        assert isinstance(said[-1], dict) and said[-1]["status"] == "reverted"
        assert "AuctionMismatch" in str(said[-1]["reason"]) or "AuctionLive" in str(said[-1]["reason"])


# --- killed, stuck ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("occurrence", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_killed_around_start_and_auction_it_continues(first: Fund, ledger: Path, point: str, occurrence: int) -> None:
    """Occurrence 1 is the start of the plan, 2 the auction."""
    keeper = first.keeper(ledger, checkpoint=killing(point, occurrence))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    with first.keeper(ledger) as again:
        outcome = again.run()
        assert isinstance(outcome, RetryAt) and "plan 1 is auctioned until" in outcome.reason, outcome
        check_once(first, again, finished(first, again, outcome=outcome))


@pytest.mark.parametrize("occurrence", [1, 2])
@pytest.mark.parametrize("point", POINTS)
def test_killed_after_the_auction_it_continues(first: Fund, ledger: Path, point: str, occurrence: int) -> None:
    """Both are swaps."""
    with first.keeper(ledger) as keeper:
        outcome = keeper.run()
        assert isinstance(outcome, RetryAt)
    first.world.node.mine(timestamp=outcome.time)
    keeper = first.keeper(ledger, checkpoint=killing(point, occurrence))
    with pytest.raises(Killed):
        keeper.run()
    keeper.close()
    with first.keeper(ledger) as again:
        check_once(first, again, finished(first, again))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("seed", (5, 11))
def test_bad_weather_delays_the_auction_and_repeats_nothing(first: Fund, ledger: Path, seed: int) -> None:
    """A quarter of all requests is dropped, doubled, refused or answered with null, sends included."""
    weather = Weather(seed, often=0.25)
    for _ in range(40):
        with first.keeper(ledger) as keeper, intercepted(first.world.w3, single=weather.single, batch=weather.batch):
            try:
                outcome: object = keeper.run()
            except ChainError as error:
                outcome = error
        if isinstance(outcome, Done):
            break
        if isinstance(outcome, RetryAt) and "is auctioned until" in outcome.reason:
            first.world.node.mine(timestamp=outcome.time)
    assert sum(weather.failures.values()) >= 10
    with first.keeper(ledger) as keeper:
        if not isinstance(outcome, Done):
            assert "is done" in str(outcome), outcome
            outcome = Done(report=keeper.report())
        check_once(first, keeper, outcome)


def test_a_copy_of_the_opening_reverts(first: Fund, ledger: Path) -> None:
    with first.keeper(ledger) as keeper:
        finished(first, keeper)
        (body,) = [e.body for e in keeper.ledger.entries(kind="signed") if isinstance(e.body, dict) and e.body["kind"] == "auction"]  # fmt: skip
        assert isinstance(body, dict)
        with pytest.raises(ChainError, match="PlanExpired"):
            send(first.world.w3, keeper.account, {"to": body["to"], "data": body["data"]})


def test_a_stuck_opening_is_replaced_towards_the_auction_house(
    first: Fund, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_only(first, ledger)
    monkeypatch.setattr(sending, "BUMP_SECONDS", 0.05)
    w3 = first.world.w3
    house = auctions.house_of(w3, first.core).address
    rpc(w3, "evm_setAutomine", False)
    try:
        with first.keeper(ledger, settings=Settings(patience=1.2, fee_cap=4 * 10**9)) as keeper:
            outcome = keeper.run()
            assert isinstance(outcome, RetryAt) and "auction of plan 1 number 1" in outcome.reason
            signed = [e.body for e in keeper.ledger.entries(kind="signed") if isinstance(e.body, dict)]
    finally:
        rpc(w3, "evm_setAutomine", True)
    openings = [body for body in signed if body["kind"] == "auction"]
    assert len(openings) >= 2 and {body["nonce"] for body in openings} == {openings[0]["nonce"]}
    for body in signed:
        to = TypedTransaction.from_bytes(HexBytes(str(body["raw"]))).as_dict()["to"]
        expected = house if body["kind"] == "auction" else first.core.rebalancer
        assert HexBytes(to) == HexBytes(expected)  # type: ignore[arg-type]
    first.world.node.mine()
    with first.keeper(ledger) as again:
        check_once(first, again, finished(first, again))


def test_terms_of_the_keeper_are_the_public_ones(first: Fund) -> None:
    """So that nobody can open anything better or worse in his place."""
    policy = view_of(first).policy
    assert AuctionTerms.public(policy) == AuctionTerms(
        start_ppm=20_000, end_ppm=-4_000, duration=3600, curve="exponential"
    )
