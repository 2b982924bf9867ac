"""What is due with time and open to anyone, day by day on a local market: read, judged, sent, and said.

recordMany
├── once a day and no more; the closed window says when it opens; a rule on chain that lacks records says so, and has them later
├── many tokens take several transactions; reading takes a dozen requests
├── where nobody reads the records they are optional, unless the operator names them
└── a silent feed leaves the others recorded, and is reported with the reason
execute
└── an epoch whose delay is over becomes the weights of the index
observe, crystallise
├── from the due time on, an hour apart: the shares are those of the Python twin, to the wei
├── an observation that expired is made anew; without a gain there is nothing to do
└── a silent feed blocks them, with the reason, and stops nothing else
sync
└── what was lost lowers the records, once, and so does a crystallisation
distribute, collect
├── the parts are the table's, the burned part leaves the supply, dust is left until it is worth the gas or named
└── without a splitter the fees are collected for their recipient
endPlan
└── an expired plan is ended, and its tip goes to whoever did it
moveCheckpoint
└── a vault that has used half of its jump gets a new checkpoint, at most once a day
a run
├── twice a day, eighty minutes apart, a timer keeps everything done: each day recorded once, the fee charged when due
├── killed between two chores, the next run goes on
├── one that fails is reported, the others are done; a pending transaction of the same account stops it
└── a chore that there is not is one clear error
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from eth_abi.abi import encode
from web3 import Web3

from offchain.chain import chores, registry, upkeep
from offchain.chain.artifacts import artifact
from offchain.chain.chores import BLOCKED, DUE, DUST, LATER, OPTIONAL, Chore
from offchain.chain.client import rpc
from offchain.chain.core import index_contract
from offchain.chain.deploy import set_feeds
from offchain.chain.feeds import Feed, VaultFeed
from offchain.chain.registry import Epoch, Rules
from offchain.chain.transactions import deploy, send
from offchain.chain.upkeep import Outcome, chores_text, due, exit_code, perform
from offchain.devnet import Anvil, Devnet, choose_coins
from offchain.errors import ChainError
from offchain.market import synthetic_market
from offchain.reference import fee_math
from offchain.spec import find_spec
from tests.keeper.support import DEPLOYER, FEED_MAX_AGE, GOVERNOR, START, STRATEGIST, Fund, deploy_fund, intercepted

DAY, HOUR, WAD, D27 = 86_400, 3600, 10**18, 10**27
FIRST, SECOND = (Web3.to_checksum_address("0x" + pair * 20) for pair in ("a1", "b2"))  # 60 % and 30 % of the fees
OPERATOR = 7  # an account without any role
SPAN = 4  # {day} of the rule that reads the records


@pytest.fixture(scope="module")
def _kept() -> Iterator[Fund]:
    """EQ5 with a performance fee every week and fees that are split."""
    spec = find_spec("EQ5")
    fees = replace(
        spec.fees,
        streaming_bps=200,
        recipients=((FIRST, 6_000), (SECOND, 3_000)),
        burn_bps=1_000,
        performance_bps=1_000,
        performance_interval_days=7,
    )
    rules = replace(spec.rebalance, calendar="weekly", max_slippage_bps=100, drift_band=0.001, cooldown_minutes=0)
    market = synthetic_market()
    with Anvil.start(timestamp=Devnet.genesis(START)) as node:
        world = Devnet.build(node, market, start=START, coins=choose_coins(market, [START], top=7))
        yield deploy_fund(world, replace(spec, fees=fees, rebalance=rules))


@pytest.fixture
def kept(_kept: Fund) -> Iterator[Fund]:
    with _kept.world.rewound():
        yield _kept


def operator(fund: Fund) -> str:
    return fund.world.node.accounts[OPERATOR]


def read(fund: Fund, *named: str) -> dict[str, Chore]:
    """The chores by name; of several of one name the last."""
    found = due(fund.world.w3, fund.core, fund.index, sender=operator(fund), named=named)
    return {chore.name: chore for chore in found}


def do(fund: Fund, *names: str) -> list[Outcome]:
    """Performs these chores and no others."""
    found = due(fund.world.w3, fund.core, fund.index, sender=operator(fund))
    return list(perform(fund.world.w3, operator(fund), [chore for chore in found if chore.name in names]))


def all_prices(fund: Fund, factor: str) -> None:
    """Every feed says `factor` times what it said."""
    for coin, price in fund.world.prices().items():
        fund.world.set_feed(coin, price * Decimal(factor))


def token(fund: Fund):  # type: ignore[no-untyped-def]
    return index_contract(fund.world.w3, fund.index.address).functions


def account_of(fund: Fund) -> list[int]:
    """Mark, crystallised at, observed NAV, observed at, rate, interval."""
    module = fund.core.contract(fund.world.w3, "performance_fee")
    return list(module.functions.accountOf(fund.index.address).call())


def midnight(fund: Fund, day: int) -> None:
    """The `day`-th of June 2024, at 00:00:00Z, with feeds of that minute."""
    fund.world.step(f"2024-06-{day:02d}")


def register_rule(fund: Fund) -> str:
    """The governor's epoch 1 with a rule that reads the records of SPAN days; the address of the rule."""
    w3, people = fund.world.w3, fund.world.node.accounts
    rule = deploy(w3, people[GOVERNOR], artifact("RecordedVolatility"), fund.core.recorder, SPAN)
    tokens = tuple(sorted(fund.index.components, key=lambda item: int(item, 16)))
    even = WAD // len(tokens)
    first = Epoch(
        index=fund.index.address,
        number=1,
        spec_hash="0x" + "11" * 32,
        inputs_hash="0x" + "22" * 32,
        tokens=tokens,
        weights=(even,) * (len(tokens) - 1) + (WAD - even * (len(tokens) - 1),),
    )
    rules = Rules(min_weight=1, max_weight=WAD, max_change=2 * WAD, min_interval=HOUR, delay=HOUR, ttl=DAY, methodology=rule.address)  # fmt: skip
    registry.register(w3, people[GOVERNOR], fund.core, first, rules)
    return str(rule.address)


# --- recordMany -------------------------------------------------------------------------------------------------------


def test_prices_are_recorded_once_a_day_inside_the_window(kept: Fund) -> None:
    register_rule(kept)
    w3, recorder = kept.world.w3, kept.core.contract(kept.world.w3, "recorder").functions
    oracle = kept.core.contract(w3, "oracle").functions
    allowed = [item.address for item in kept.world.tokens.values()]
    for day in (4, 5, 6):
        midnight(kept, day)
        today = kept.world.now // DAY
        chore = read(kept)["recordMany"]
        assert chore.state == DUE and f"0 of {len(allowed)} tokens have a price of today" in chore.why
        assert f"the window closes 2024-06-{day:02d}T02:00:00Z" in chore.why and "WBTC" in chore.does
        assert "RecordsMissing" in chore.does  # three of four days are needed, and the first record is no return
        (done,) = do(kept, "recordMany")
        assert not done.error and done.did == f"{len(allowed)} prices recorded"
        for address in allowed:
            assert recorder.priceOn(address, today).call() == oracle.price(address).call() > 0
        again = read(kept)["recordMany"]
        assert again.state == LATER and again.at == (today + 1) * DAY and again.call is None
        assert f"the next one from 2024-06-{day + 1:02d}T00:00:00Z" in again.why
        assert exit_code([again]) == 3 and do(kept, "recordMany") == []
    midnight(kept, 7)
    do(kept, "recordMany")
    assert "RecordsMissing" not in read(kept)["recordMany"].does
    assert recorder.volatilityOf(allowed[0], kept.world.now // DAY, SPAN).call() > 0

    kept.world.node.mine(timestamp=(kept.world.now // DAY + 1) * DAY + 2 * HOUR)
    closed = read(kept)["recordMany"]
    assert closed.state == LATER and closed.call is None and closed.at == (kept.world.now // DAY + 1) * DAY
    assert "the window is closed until 2024-06-09T00:00:00Z" in closed.why


def test_records_that_nobody_reads_are_left_to_the_operator(kept: Fund) -> None:
    midnight(kept, 4)
    chore = read(kept)["recordMany"]
    assert chore.state == OPTIONAL and "no methodology of this index reads them" in chore.does
    assert do(kept, "recordMany") == [] and exit_code([chore]) == 3
    named = read(kept, "recordMany")["recordMany"]
    assert named.state == DUE
    (done,) = perform(kept.world.w3, operator(kept), [named])
    assert done.did == f"{len(kept.world.tokens)} prices recorded"


def test_many_tokens_are_recorded_in_several_transactions(kept: Fund, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "RECORDS_AT_ONCE", 3)
    register_rule(kept)
    midnight(kept, 4)
    count = len(kept.world.tokens)
    outcomes = do(kept, "recordMany")
    assert count > 6 and [outcome.did for outcome in outcomes] == [
        "3 prices recorded", "3 prices recorded", f"{count - 6} prices recorded"
    ]  # fmt: skip
    assert read(kept)["recordMany"].why.startswith(f"{count} of {count} tokens have a price of today")


def test_reading_costs_a_dozen_requests_and_sends_nothing(kept: Fund) -> None:
    register_rule(kept)
    gain(kept)
    asked: list[str] = []

    def single(real: Callable[..., object]) -> Callable[..., object]:
        return lambda method, params: (asked.append(str(method)), real(method, params))[1]

    def batch(real: Callable[..., object]) -> Callable[..., object]:
        return lambda calls: (asked.append("batch"), real(calls))[1]

    height = kept.world.w3.eth.block_number
    with intercepted(kept.world.w3, single=single, batch=batch):
        found = due(kept.world.w3, kept.core, kept.index)
    judged = sum(chore.gas > 0 for chore in found)  # each one is called and its gas estimated
    assert judged == 3 and len([method for method in asked if method != "eth_chainId"]) <= 10 + 2 * judged
    assert "eth_sendTransaction" not in asked and kept.world.w3.eth.block_number == height


def test_a_silent_feed_leaves_the_other_prices_recorded_and_is_reported(kept: Fund) -> None:
    register_rule(kept)
    midnight(kept, 4)
    kept.world.set_feed("bitcoin", 60_000, updated_at=kept.world.now - FEED_MAX_AGE - 1)
    found = due(kept.world.w3, kept.core, kept.index)
    many, silent = [chore for chore in found if chore.name == "recordMany"]
    assert many.state == DUE and "WBTC" not in many.does.split(";")[0]
    assert silent.state == BLOCKED and silent.why.startswith("PriceStale(") and "WBTC has no price" in silent.why
    (done,) = do(kept, "recordMany")
    assert done.did == f"{len(kept.world.tokens) - 1} prices recorded"
    left = [chore for chore in due(kept.world.w3, kept.core, kept.index) if chore.name == "recordMany"]
    assert [chore.state for chore in left] == [BLOCKED] and exit_code(left) == 1
    assert "PriceStale" in chores_text(left)


# --- execute ----------------------------------------------------------------------------------------------------------


def test_an_epoch_is_executed_once_its_delay_is_over(kept: Fund) -> None:
    """G5: the weights are what the rule on chain makes of four days that the upkeep recorded."""
    rule = register_rule(kept)
    assert read(kept)["execute"].why == "no weights are proposed"
    for day in (4, 5, 6, 7, 8):
        midnight(kept, day)
        do(kept, "recordMany")
    w3, tokens = kept.world.w3, tuple(sorted(kept.index.components, key=lambda item: int(item, 16)))
    inputs = encode(["uint256"], [kept.world.now // DAY])
    request = (list(tokens), [WAD // len(tokens)] * len(tokens), 1, WAD)
    weights = w3.eth.contract(address=rule, abi=artifact("RecordedVolatility").abi).functions.compute(request, inputs).call()  # fmt: skip
    second = Epoch(index=kept.index.address, number=2, spec_hash="0x" + "11" * 32, inputs_hash="0x" + "33" * 32, tokens=tokens, weights=tuple(weights))  # fmt: skip
    registry.propose(w3, kept.world.node.accounts[STRATEGIST], kept.core, second, inputs)
    ready_at = kept.core.contract(w3, "registry").functions.bookOf(kept.index.address).call()[2]
    waiting = read(kept)["execute"]
    assert (waiting.state, waiting.at) == (LATER, ready_at) and "epoch 2 is ready" in waiting.why

    kept.world.node.mine(timestamp=ready_at)
    ready = read(kept)["execute"]
    assert ready.state == DUE and ready.worth is None and f"weights of {len(tokens)} tokens" in ready.does
    with kept.world.rewound():
        kept.world.node.advance(DAY)
        assert read(kept)["execute"].state == LATER and "epoch 2 lapsed" in read(kept)["execute"].why
    (done,) = do(kept, "execute")
    assert not done.error and registry.weights_of(w3, kept.core, kept.index.address, tokens) == list(weights)
    assert read(kept)["execute"].why == "no weights are proposed"


# --- observe, crystallise ---------------------------------------------------------------------------------------------


def gain(fund: Fund, factor: str = "1.3") -> None:
    """The fee is due, and every price is up."""
    midnight(fund, 11)
    all_prices(fund, factor)


def test_a_gain_is_observed_and_then_crystallised_to_the_shares_of_the_twin(kept: Fund) -> None:
    w3, module = kept.world.w3, kept.core.contract(kept.world.w3, "performance_fee").functions
    midnight(kept, 5)
    all_prices(kept, "1.5")
    early = read(kept)["observe"]
    assert (early.state, early.at) == (LATER, account_of(kept)[1] + 7 * DAY)
    assert "mark $100.00" in early.why and "the fee would be" in early.does

    gain(kept)
    assert "crystallise" not in read(kept) and read(kept)["observe"].state == DUE
    (done,) = do(kept, "observe")
    mark, _, observed_nav, observed_at, rate, _ = account_of(kept)
    assert not done.error and observed_at == kept.world.now and observed_nav > mark
    young = read(kept)["crystallise"]
    assert (young.state, young.at) == (LATER, observed_at + HOUR) and "observe" not in read(kept)

    all_prices(kept, "1.1")  # the lower of the two looks counts
    then = observed_at + 2 * HOUR
    kept.world.node.mine(timestamp=then - 5)
    chore = read(kept)["crystallise"]
    assert chore.state == DUE and chore.worth is not None and chore.worth > chore.cost > 0
    split = read(kept)["distribute"]  # what it will find once the fee is minted
    assert split.worth is not None and split.worth > chore.worth
    with kept.world.rewound():  # the block that will hold the charge, without it
        kept.world.node.mine(timestamp=then)
        nav, backing = module.navOf(kept.index.address).call()
        supply, left = token(kept).totalSupply().call(), token(kept).moduleFeeLeft().call()
        most = supply * left // WAD
    assert nav > observed_nav
    shares, new_mark = fee_math.performance_fee(supply, min(nav, observed_nav), mark, backing, rate, most)
    rpc(w3, "evm_setNextBlockTimestamp", then)
    before = token(kept).balanceOf(kept.core.fee_splitter).call()
    (done,) = do(kept, "crystallise")
    assert not done.error and shares > 0
    assert token(kept).balanceOf(kept.core.fee_splitter).call() - before == shares
    assert account_of(kept)[:4] == [new_mark, then, 0, 0]
    assert abs(chore.fee_shares - shares) * 10**6 < shares  # what was said seconds before

    later = read(kept)["observe"]
    assert (later.state, later.at) == (LATER, then + 7 * DAY)
    assert later.does.startswith("the fee would be ")  # on the tenth that came after the first look


def test_an_observation_that_expired_is_made_anew(kept: Fund) -> None:
    gain(kept)
    do(kept, "observe")
    first = account_of(kept)[3]
    kept.world.node.mine(timestamp=first + DAY)  # the last second in which it counts
    assert "crystallise" in read(kept)
    kept.world.node.mine(timestamp=first + DAY + 1)
    midnight(kept, 13)
    all_prices(kept, "1.2")
    chore = read(kept)["observe"]
    assert chore.state == DUE and "crystallise" not in read(kept) and "has expired" in chore.why
    (done,) = do(kept, "observe")
    assert not done.error and account_of(kept)[3] == kept.world.now > first
    kept.world.node.advance(HOUR)
    (done,) = do(kept, "crystallise")
    assert not done.error and account_of(kept)[1] == kept.world.now


def test_without_a_gain_there_is_nothing_to_observe_and_a_gain_that_went_is_not_charged(kept: Fund) -> None:
    gain(kept, "0.5")
    chore = read(kept)["observe"]
    assert chore.state == LATER and chore.call is None and chore.why.startswith("no gain: NAV $")
    all_prices(kept, "4")
    do(kept, "observe")
    kept.world.node.advance(HOUR)
    all_prices(kept, "0.1")
    gone = read(kept)["crystallise"]
    assert gone.state == LATER and gone.call is None and gone.why.startswith("no gain")


def test_a_silent_feed_blocks_the_fee_and_nothing_else(kept: Fund) -> None:
    gain(kept)
    kept.world.set_feed("bitcoin", 60_000, updated_at=kept.world.now - FEED_MAX_AGE - 1)
    found = read(kept)
    assert found["observe"].state == BLOCKED and found["observe"].why.startswith("PriceStale(")
    assert found["distribute"].state == DUE and exit_code(list(found.values())) == 1
    outcomes = do(kept, "observe", "distribute")
    assert [(outcome.name, outcome.error) for outcome in outcomes] == [("distribute", "")]


# --- sync -------------------------------------------------------------------------------------------------------------


def test_records_above_what_is_held_are_lowered_once(kept: Fund) -> None:
    assert read(kept)["sync"].why == "no record is above what is held"
    w3, coin = kept.world.w3, kept.world.tokens["bitcoin"]
    held = kept.world.balance(kept.index.address, "bitcoin")
    with kept.world.node.impersonate(kept.index.address) as index:  # a loss, such as a token that was rebased down
        send(w3, index, kept.world.erc20("bitcoin").functions.transfer(FIRST, held // 2))
    chore = read(kept)["sync"]
    lost = float(kept.world.price("bitcoin")) * (held // 2) / 10**coin.decimals
    assert chore.state == DUE and coin.symbol in chore.why
    assert chore.worth == pytest.approx(lost * 10**9 * 0.1, rel=1e-3)  # a tenth of it is the fee that a gift could cost
    (done,) = do(kept, "sync")
    assert not done.error
    record = kept.core.contract(w3, "performance_fee").functions.recordOf(kept.index.address, coin.address).call()[0]
    supply = token(kept).totalSupply().call()
    assert record == kept.world.balance(kept.index.address, "bitcoin") * D27 // supply
    assert read(kept)["sync"].why == "no record is above what is held"


# --- distribute, collect ----------------------------------------------------------------------------------------------


def test_distribute_pays_the_parts_of_the_table_and_burns_the_rest(kept: Fund) -> None:
    midnight(kept, 20)
    chore = read(kept)["distribute"]
    assert chore.state == DUE and "2 accounts" in chore.does and "burned" in chore.does
    then = kept.world.now + 12
    with kept.world.rewound():
        kept.world.node.mine(timestamp=then)
        pending, supply = token(kept).pendingFeeShares().call(), token(kept).totalSupply().call()
    rpc(kept.world.w3, "evm_setNextBlockTimestamp", then)
    (done,) = do(kept, "distribute")
    assert not done.error and "to 2 accounts" in done.did
    assert token(kept).balanceOf(FIRST).call() == pending * 6 // 10
    assert token(kept).balanceOf(SECOND).call() == pending * 3 // 10
    burned = pending // 10
    assert token(kept).totalSupply().call() == supply - burned
    dust = pending - pending * 6 // 10 - pending * 3 // 10 - burned
    assert token(kept).balanceOf(kept.core.fee_splitter).call() == dust < 3

    kept.world.node.advance(60)
    little = read(kept)["distribute"]
    assert little.state == DUST and little.worth is not None and little.worth < little.cost
    assert do(kept, "distribute") == [] and exit_code([little]) == 3
    assert read(kept, "distribute")["distribute"].state == DUE


def test_fees_without_a_splitter_are_collected_for_their_recipient(kept: Fund) -> None:
    w3, people = kept.world.w3, kept.world.node.accounts
    midnight(kept, 12)
    send(w3, people[GOVERNOR], token(kept).setFeeRecipient(FIRST))  # collects for the splitter first
    assert read(kept)["distribute"].state == DUE  # what the splitter still holds
    do(kept, "distribute")
    midnight(kept, 20)
    had = token(kept).balanceOf(FIRST).call()
    chore = read(kept)["collect"]
    assert chore.state == DUE and FIRST.lower() in chore.does.lower()
    (done,) = do(kept, "collect")
    assert not done.error and token(kept).balanceOf(FIRST).call() > had and token(kept).pendingFeeShares().call() == 0


# --- endPlan ----------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_an_expired_plan_is_ended_and_its_tip_goes_to_who_did_it(kept: Fund, tmp_path: Path) -> None:
    w3, people = kept.world.w3, kept.world.node.accounts
    assert read(kept)["endPlan"].why == "no plan waits for its end"
    rebalancer = kept.core.contract(w3, "rebalancer").functions
    house = w3.eth.contract(address=rebalancer.auctions().call(), abi=artifact("AuctionHouse").abi).functions
    send(w3, people[GOVERNOR], house.setAuctionPolicy(kept.index.address, (0, 0, 0, 0, 0, 0, 0, 1000)))
    kept.world.step("2024-07-15")
    passed: list[str] = []

    def killed_after_two_swaps(point: str) -> None:
        passed.append(point)
        if passed.count("settled") == 3:
            raise Killed

    with pytest.raises(Killed), kept.keeper(tmp_path / "keeper.db", checkpoint=killed_after_two_swaps) as keeper:
        keeper.run()
    plan = rebalancer.planOf(kept.index.address).call()
    plan_id, expires_at, turnover = plan[0], plan[3], plan[4]
    running = read(kept)["endPlan"]
    assert (running.state, running.at) == (LATER, expires_at) and f"plan {plan_id} runs until" in running.why

    kept.world.node.mine(timestamp=expires_at)
    assert read(kept)["endPlan"].does.startswith("pays ")
    (done,) = perform(w3, operator(kept), [read(kept, "endPlan")["endPlan"]])
    assert not done.error and rebalancer.planOf(kept.index.address).call()[3] == 0
    supply, tip = token(kept).totalSupply().call(), token(kept).balanceOf(operator(kept)).call()
    assert turnover > 0 and tip == pytest.approx(supply * turnover / WAD / 1000, rel=2e-3)
    assert read(kept)["endPlan"].why == "no plan waits for its end"


# --- moveCheckpoint ---------------------------------------------------------------------------------------------------


def test_the_checkpoint_of_a_vault_is_moved_once_half_of_its_jump_is_used(kept: Fund) -> None:
    w3, people, coin = kept.world.w3, kept.world.node.accounts, kept.world.tokens["bitcoin"]
    deployer = people[DEPLOYER]
    vault = deploy(w3, deployer, artifact("TestVault"), coin.address, 0)
    kept.world.faucet(deployer, "bitcoin", 1_000_000)
    send(w3, deployer, kept.world.erc20("bitcoin").functions.approve(vault.address, 1_000_000))
    send(w3, deployer, vault.functions.deposit(1_000_000, deployer))
    below = Feed(token=coin.address, aggregator=coin.feed, max_age=FEED_MAX_AGE)
    priced = VaultFeed(token=str(vault.address), asset=below, max_jump=WAD // 20, max_growth=0)
    feed = set_feeds(w3, deployer, kept.core, [priced])[str(vault.address)]
    send(w3, people[GOVERNOR], kept.core.contract(w3, "rebalancer").functions.setAllowed(kept.index.address, [vault.address], True))  # fmt: skip
    quiet = read(kept)["moveCheckpoint"]
    assert quiet.state == LATER and "believed to 5.00 %" in quiet.why

    kept.world.faucet(str(vault.address), "bitcoin", 30_000)
    fresh = read(kept)["moveCheckpoint"]
    assert fresh.state == LATER and fresh.at > kept.world.now and "2.99 %" in fresh.why or "3.00 %" in fresh.why
    kept.world.node.mine(timestamp=fresh.at)
    (done,) = do(kept, "moveCheckpoint")
    reader = w3.eth.contract(address=w3.to_checksum_address(feed), abi=artifact("Erc4626Feed").abi).functions
    assert not done.error and reader.checkpoint().call() == [
        vault.functions.convertToAssets(D27).call(),
        kept.world.now,
    ]
    assert read(kept)["moveCheckpoint"].state == LATER

    kept.world.faucet(str(vault.address), "bitcoin", 100_000)  # more than is believed: the price is gone
    kept.world.node.advance(DAY)
    lost = read(kept)["moveCheckpoint"]
    assert lost.state == BLOCKED and lost.why.startswith("RateOutOfBounds(")


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_timer_twice_a_day_keeps_everything_done(kept: Fund) -> None:
    """As docs/upkeep.md says: at 00:10 and 01:30, both inside the window and more than an hour apart."""
    register_rule(kept)
    done: list[tuple[int, str]] = []
    for day in range(4, 13):
        midnight(kept, day)
        all_prices(kept, "1.4")
        for minutes in (10, 90):
            kept.world.node.mine(timestamp=kept.world.now // DAY * DAY + minutes * 60)
            found = due(kept.world.w3, kept.core, kept.index, sender=operator(kept))
            outcomes = list(perform(kept.world.w3, operator(kept), found))
            assert all(not outcome.error for outcome in outcomes) and exit_code(found, outcomes) in (0, 3)
            done += [(day, outcome.name) for outcome in outcomes if outcome.name != "distribute"]
    assert [day for day, name in done if name == "recordMany"] == list(range(4, 13))
    assert [item for item in done if item[1] != "recordMany"] == [(10, "observe"), (10, "crystallise")]
    assert token(kept).balanceOf(FIRST).call() > 0 and account_of(kept)[0] > 100 * 10**9 * D27 // WAD


def test_killed_between_two_chores_the_next_run_goes_on(kept: Fund, monkeypatch: pytest.MonkeyPatch) -> None:
    register_rule(kept)
    gain(kept)
    wanted = ["recordMany", "observe", "distribute"]
    found = due(kept.world.w3, kept.core, kept.index, sender=operator(kept))
    assert [chore.name for chore in found if chore.is_due] == wanted
    run = perform(kept.world.w3, operator(kept), found)
    assert next(run).name == "recordMany"

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(upkeep, "send", dies)
        next(run)
    left = due(kept.world.w3, kept.core, kept.index, sender=operator(kept))
    assert [chore.name for chore in left if chore.is_due] == wanted[1:]
    assert [(o.name, o.error) for o in perform(kept.world.w3, operator(kept), left)] == [
        (name, "") for name in wanted[1:]
    ]
    assert exit_code(due(kept.world.w3, kept.core, kept.index)) == 3


def test_a_chore_that_fails_is_reported_and_the_others_are_done(kept: Fund) -> None:
    """Somebody else was faster, between reading and sending."""
    gain(kept)
    found = due(kept.world.w3, kept.core, kept.index, sender=operator(kept))
    module = kept.core.contract(kept.world.w3, "performance_fee").functions
    send(kept.world.w3, kept.world.node.accounts[9], module.observe(kept.index.address))
    outcomes = list(perform(kept.world.w3, operator(kept), found))
    assert [outcome.name for outcome in outcomes] == ["observe", "distribute"]
    assert outcomes[0].error.startswith("ObservationLive(") and "failed" in str(outcomes[0])
    assert outcomes[1].error == "" and token(kept).balanceOf(FIRST).call() > 0
    assert exit_code(found, outcomes) == 1 and exit_code(found, outcomes[1:]) == 0


def test_a_pending_transaction_of_the_account_stops_the_run_before_anything_is_sent(kept: Fund) -> None:
    midnight(kept, 20)
    found = due(kept.world.w3, kept.core, kept.index, sender=operator(kept))
    rpc(kept.world.w3, "evm_setAutomine", False)
    try:
        call = {"from": operator(kept), "to": FIRST, "value": 1}
        kept.world.w3.eth.send_transaction(call)  # type: ignore[arg-type]
        with pytest.raises(ChainError, match=r"transactions of .* are still pending \(1\)"):
            next(perform(kept.world.w3, operator(kept), found))
    finally:
        rpc(kept.world.w3, "anvil_dropAllTransactions")
        rpc(kept.world.w3, "evm_setAutomine", True)


def test_a_chore_that_there_is_not_is_one_clear_error(kept: Fund) -> None:
    with pytest.raises(ChainError, match="no chore dust; there is: recordMany"):
        due(kept.world.w3, kept.core, kept.index, named=("dust",))
