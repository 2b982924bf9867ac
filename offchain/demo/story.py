"""The life of an index on a local market: deployed, minted, rebalanced week after week, redeemed, accounted for.

    with Anvil.start(timestamp=Devnet.genesis(plan.start), extra=PRUNED) as node:
        run = live(node, market, plan, tell=print)

Nothing here is made for the demonstration: the index is created, the keeper runs, and investors mint and redeem through
the functions that the scripts call.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from offchain.chain.core import Core
from offchain.chain.deploy import Feed, IndexDeployment, create_index, deploy_core, set_feeds
from offchain.chain.investor import Movement, mint, preview_mint, redeem
from offchain.chain.reads import read_state
from offchain.chain.terms import IndexTerms, ListedToken
from offchain.chain.transactions import send
from offchain.demo.collect import Actors, coin_names, gas_of, read_books, read_flows, read_plans
from offchain.devnet import Anvil, Devnet, choose_coins
from offchain.errors import EmptyUniverse, InfeasibleWeights, MarketDataError, MissingHistory
from offchain.keeper import Done, Keeper, RetryAt, devnet_account
from offchain.launch import LOCAL_FEED_MAX_AGE, feed_prices, require_fresh, require_possible
from offchain.market import Market
from offchain.methodology import Decision, Methodology
from offchain.report.record import Attempt, Day, Plan, Review, Run
from offchain.spec import IndexSpec
from offchain.trading.targets import drift_of
from offchain.units import NANO, WAD, to_shares

PRUNED = ("--prune-history", "64")  # a year of states would fill the memory; events and receipts stay
DAY = 86_400  # {s}
KEEPER_ACCOUNT = 3
COINS_MORE = 6  # listed beyond the ranks that an index may hold
LAST_RETRY = DAY - 2 * 3600  # {s} into a day; later, the keeper comes back the next morning
MAX_RETRIES = 6
ALICE_SHARES, BOB_SHARES, GIFT_SHARES = 5_000, 2_500, 10
BOB_WEEK = 3
LEDGER = "demo-ledger.db"
COLLECT_WEEKS = 4

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Itinerary:
    """What to do: `start` is a day of the calendar's reviews, `weeks` how far from there. `folder`: for the keeper's ledger."""

    spec: IndexSpec
    market_name: str
    start: pd.Timestamp
    weeks: int
    folder: Path

    @property
    def days(self) -> pd.DatetimeIndex:
        """Until the day after the last review, so that what that one cost is seen."""
        return pd.date_range(self.start, periods=7 * self.weeks + 2, freq="D")

    @property
    def mondays(self) -> list[pd.Timestamp]:
        """Days on which the calendar asks for a review."""
        return [day for day in self.days if self.spec.rebalance.is_review_day(day.date())]


@dataclass(frozen=True, kw_only=True)
class Week:
    """What the terminal says about a review day. Money {nUSD}; `plan` is the last one that was started for it."""

    day: Day
    level: float
    review: Review
    plan: Plan | None


@dataclass
class Stage:
    """What is on the chain, and what has been seen so far."""

    world: Devnet
    core: Core
    index: IndexDeployment
    keeper: Keeper
    actors: Actors
    plan: Itinerary
    days: list[Day] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    gas: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    prices: dict[str, int] = field(default_factory=dict)


def live(node: Anvil, market: Market, plan: Itinerary, *, tell: Tell, on_week: Callable[[Week], None]) -> Run:
    """The whole story; returns everything that was seen. `tell` gets sentences, `on_week` every review day."""
    stage = set_up(node, market, plan, tell=tell)
    with stage.keeper:
        walk(stage, tell=tell, on_week=on_week)
        part(stage, tell=tell)
        return record(stage)


# --- set-up -----------------------------------------------------------------------------------------------------------


def set_up(node: Anvil, market: Market, plan: Itinerary, *, tell: Tell) -> Stage:
    """Market, core, feeds, index, and Alice's mint."""
    spec = plan.spec
    require_possible(spec)
    coins = listing(market, plan)
    world = Devnet.build(node, market, start=plan.start, coins=coins)
    tell(f"market: {len(world.tokens)} coins with feeds and Uniswap pools on anvil, {plan.market_name}")

    actors = Actors.of(node.accounts)
    core, index = deploy(world, spec, actors)
    keeper = Keeper.on_devnet(
        world,
        core,
        index.address,
        spec,
        account=devnet_account(KEEPER_ACCOUNT),
        ledger=fresh_ledger(plan.folder),
    )
    stage = Stage(world=world, core=core, index=index, keeper=keeper, actors=actors, plan=plan)
    look(stage)
    tell(
        f"index: {spec.name} ({spec.symbol}), {len(index.components)} components, seed ${spec.seed.shares * spec.seed.share_price_usd:,.0f}"
    )
    done = invest(stage, "alice", ALICE_SHARES)
    tell(f"alice mints {ALICE_SHARES:,} shares in kind for ${done.value / NANO:,.0f} ({done.gas_used:,} gas)")
    return stage


def listing(market: Market, plan: Itinerary) -> list[str]:
    """Coins that get a token, a feed and pools: all that the index could want at any review, the benchmarks, and the
    largest by the file's own numbers, whatever they are, so that the rules keep them out and not their absence."""
    rules = plan.spec.universe
    coins = set(choose_coins(market, plan.mondays, top=rules.top + rules.buffer + COINS_MORE))
    if Methodology(plan.spec).needs or plan.spec.sleeves or rules.themes:
        coins |= wanted(market, plan)
    for date in plan.mondays:
        coins.update(largest(market, date.tz_localize("UTC").to_pydatetime(), rules.top))
    return sorted(coins | {coin for coin in plan.spec.index.benchmarks if coin in market.ids})


def wanted(market: Market, plan: Itinerary) -> set[str]:
    """What the rules would hold at the reviews if every coin were on the chain, and the stable side."""
    rules = Methodology(plan.spec)
    coins = set(plan.spec.risk.stable_ids) & set(market.ids)
    for date in plan.mondays:
        try:
            coins.update(rules.decide(market, date.tz_localize("UTC").to_pydatetime(), sorted(coins)).target_weights)
        except (EmptyUniverse, InfeasibleWeights, MissingHistory):
            continue  # too early in the data: the keeper will say so on that day
    return coins


def largest(market: Market, t: datetime, count: int) -> list[str]:
    """Ids of the largest market caps in the last row known at `t`, as the file has them."""
    return [str(coin) for coin in market.until(t).market_cap.iloc[-1].nlargest(count).index]


def deploy(world: Devnet, spec: IndexSpec, actors: Actors) -> tuple[Core, IndexDeployment]:
    """Core, a feed for every coin, and the index with the basket that its methodology decides now."""
    w3, signer = world.w3, actors.deployer
    core = deploy_core(w3, signer, weth=world.contracts.weth)
    tokens = [
        ListedToken(
            id=token.id,
            symbol=token.symbol,
            address=token.address,
            decimals=token.decimals,
            feed=token.feed,
            max_age=LOCAL_FEED_MAX_AGE,
        )
        for token in world.tokens.values()
    ]
    set_feeds(w3, signer, core, [Feed(token=t.address, aggregator=t.feed, max_age=t.max_age) for t in tokens])
    answers = feed_prices(w3, tokens)
    when = pd.Timestamp(world.now, unit="s", tz="UTC")
    decision = Methodology(spec).decide(world.market, when, tradable=[token.id for token in tokens])
    require_fresh(decision.target_weights, tokens, answers)
    terms = IndexTerms.from_spec(
        spec,
        tokens=tokens,
        prices={coin: answer.price for coin, answer in answers.items()},
        weights=decision.target_weights,
        receiver=actors.deployer,
        governor=actors.governor,
        guardian=actors.guardian,
        strategist=actors.keeper,
    )
    coins = {token.address: token.id for token in tokens}
    for token, amount in zip(terms.components, terms.seed_amounts, strict=True):
        world.faucet(signer, coins[token], amount)
    return core, create_index(w3, signer, core, terms)


def fresh_ledger(folder: Path) -> Path:
    """Where this run's ledger goes; an earlier run's belongs to a chain that is gone."""
    path = folder / LEDGER
    for name in (path, path.with_suffix(".lock"), *(path.with_name(f"{LEDGER}-{part}") for part in ("wal", "shm"))):
        name.unlink(missing_ok=True)
    return path


# --- day by day -------------------------------------------------------------------------------------------------------


def walk(stage: Stage, *, tell: Tell, on_week: Callable[[Week], None]) -> None:
    """Every day the market moves and is looked at; on review days, and while one is unfinished, the keeper runs."""
    spec, pending, weeks = stage.plan.spec, False, 0
    for date in stage.plan.days[1:]:
        stage.world.step(date)
        day = look(stage)
        is_review = spec.rebalance.is_review_day(date.date())
        if is_review or pending:
            pending = review(stage, is_new=is_review)
            on_week(week_of(stage, day))
        if not is_review:
            continue
        weeks += 1
        if weeks == BOB_WEEK:
            done = invest(stage, "bob", BOB_SHARES)
            tell(f"bob mints {BOB_SHARES:,} shares in kind for ${done.value / NANO:,.0f} ({done.gas_used:,} gas)")
        if weeks % COLLECT_WEEKS == 0:
            send(stage.world.w3, stage.actors.keeper, stage.index.contract(stage.world.w3).functions.collect())


def look(stage: Stage) -> Day:
    """Writes down the index as it is now."""
    day = see(stage)
    stage.days.append(day)
    return day


def see(stage: Stage) -> Day:
    """The index as it is now."""
    world = stage.world
    state = read_state(world.w3, stage.core, stage.index.address)
    coins = {token.address: coin for coin, token in world.tokens.items()}
    # D27{nUSD/tok} = {USD/TOK} * 1e9{nUSD/USD} * 1e27 / 10^decimals{tok/TOK}
    marks = {coin: int(price.scaleb(36 - world.tokens[coin].decimals)) for coin, price in world.prices().items()}
    return Day(
        time=state.timestamp,
        block=state.block_number,
        supply=state.supply,
        pending_fee_shares=state.pending_fee_shares,
        nav_per_share=state.nav_per_share,
        held={coins[item.token]: item.available + item.claims_owed for item in state.components},
        marks=marks,
        unpriced=tuple(coins[item.token] for item in state.components if item.price == 0 and item.available),
    )


def review(stage: Stage, *, is_new: bool) -> bool:
    """Runs the keeper as an operator would: at once, again when it says so, and tomorrow. True when not finished."""
    first = last_plan(stage)
    held = [coin for coin, amount in stage.days[-1].held.items() if amount]
    attempts: list[Attempt] = []
    for _ in range(MAX_RETRIES):
        started = stage.world.now
        plan_before = last_plan(stage)
        outcome = stage.keeper.run()
        attempts.append(Attempt(time=started, outcome=outcome.name, reason=outcome.reason))
        was_old_plan = isinstance(outcome, Done) and outcome.report.plan_id <= plan_before == first
        if was_old_plan and is_new:
            continue  # yesterday's plan is finished now; this review's decision comes next
        if not isinstance(outcome, RetryAt) or not retry_today(stage, outcome):
            break
    now = note(stage, attempts, range(first + 1, last_plan(stage) + 1), held, is_new=is_new)
    stage.reviews[-1 if not is_new else len(stage.reviews) :] = [now]
    return now.outcome in ("retry", "halt")


def retry_today(stage: Stage, outcome: RetryAt) -> bool:
    """Lets chain time pass until the keeper wants to try again, if that is today."""
    into_day = outcome.time - stage.days[-1].time
    if into_day > LAST_RETRY:
        return False
    if outcome.time > stage.world.now:
        stage.world.node.mine(timestamp=outcome.time)
    return True


def last_plan(stage: Stage) -> int:
    return read_state(stage.world.w3, stage.core, stage.index.address).plan.id


def note(stage: Stage, attempts: list[Attempt], plans: Iterable[int], held: list[str], *, is_new: bool) -> Review:
    """What the keeper's ledger knows about the review, added to what was known yesterday."""
    decision = last_decision(stage, since=attempts[0].time)
    if decision is None:
        fresh = Review(
            time=stage.days[-1].time, attempts=tuple(attempts), plans=tuple(plans), members=(), entered={}, left={}, drift=None
        )  # fmt: skip
    else:
        why = {coin: decision.universe.verdict(coin).reason for coin in {*decision.members, *held}}
        fresh = Review(
            time=stage.days[-1].time,
            attempts=tuple(attempts),
            plans=tuple(plans),
            members=decision.members,
            entered={coin: why[coin] for coin in decision.members if coin not in held},
            left={coin: why[coin] for coin in held if coin not in decision.members},
            drift=drift_of_basket(stage.days[-1], decision.target_weights),
            drift_after=drift_of_basket(see(stage), decision.target_weights),
            kept_out=kept_out(stage, decision),
            doubts=decision.findings,
            refused=refused(stage, decision),
        )
    if is_new:
        return fresh
    before = stage.reviews[-1]
    names = fresh if fresh.members else before
    return replace(
        before,
        attempts=(*before.attempts, *fresh.attempts),
        plans=(*before.plans, *fresh.plans),
        members=names.members,
        entered={**before.entered, **fresh.entered},
        left={**before.left, **fresh.left},
        refused={**before.refused, **fresh.refused},
        drift=before.drift if before.drift is not None else fresh.drift,
        drift_after=fresh.drift_after if fresh.members else remaining_drift(stage, before),
    )


def remaining_drift(stage: Stage, before: Review) -> int | None:
    """Drift from the targets of the plan that was started for the review and went on today."""
    plans = {plan.id: plan for plan in read_plans(stage.world, stage.core, stage.index)}
    return drift_of_basket(see(stage), plans[before.plans[-1]].weights) if before.plans else None


def last_decision(stage: Stage, *, since: int) -> Decision | None:
    """The decision of the latest run that made one, if that was at `since` {s} or later."""
    runs = [entry.run for entry in stage.keeper.ledger.entries(kind="outcome") if entry.at >= since]
    found = [entry for run in runs for entry in stage.keeper.ledger.entries(kind="decision", run=run)]
    return Decision.from_json(json.dumps(found[-1].body)) if found else None


def kept_out(stage: Stage, decision: Decision) -> tuple[str, ...]:
    """Members that the same decision would have if every coin of the market were on this chain."""
    free = stage.keeper.methodology.decide(stage.world.market, decision.t, decision.incumbents)
    return tuple(coin for coin in free.members if coin not in stage.world.tokens)


def refused(stage: Stage, decision: Decision) -> dict[str, str]:
    """The largest coins by the file's own market caps of the day that are not members, and why not."""
    names = largest(stage.world.market, decision.t, stage.plan.spec.universe.top)
    verdicts = [decision.universe.verdict(coin) for coin in names if coin not in decision.members]
    return {verdict.id: "; ".join(filter(None, (verdict.reason, verdict.note))) for verdict in verdicts}


def drift_of_basket(day: Day, weights: Mapping[str, int]) -> int:
    """D18 half of Σ|current − target| at the feeds' prices."""
    coins = sorted({*day.values, *weights})
    return drift_of([day.values.get(coin, 0) for coin in coins], [weights.get(coin, 0) for coin in coins])


def week_of(stage: Stage, day: Day) -> Week:
    plans = stage.reviews[-1].plans
    made = [plan for plan in read_plans(stage.world, stage.core, stage.index) if plan.id in plans] if plans else []
    level = 100 * day.nav_per_share / stage.days[0].nav_per_share
    return Week(day=day, level=level, review=stage.reviews[-1], plan=made[-1] if made else None)


# --- investors --------------------------------------------------------------------------------------------------------


def invest(stage: Stage, who: str, shares: int) -> Movement:
    """An investor gets the basket from the faucet and mints with it."""
    world, account, amount = stage.world, getattr(stage.actors, who), to_shares(shares)
    coins = {token.address: coin for coin, token in world.tokens.items()}
    for leg in preview_mint(world.w3, stage.core, stage.index.address, amount, account=account).legs:
        if leg.balance < leg.limit:
            world.faucet(account, coins[leg.token], leg.limit - leg.balance)
    done = mint(world.w3, account, stage.core, stage.index.address, amount)
    approvals = [world.w3.eth.get_transaction_receipt(tx)["gasUsed"] for tx in done.approvals]  # type: ignore[arg-type]
    stage.gas["approve (one component)"] += approvals
    return done


def part(stage: Stage, *, tell: Tell) -> None:
    """Alice gives Bob a few shares and redeems all the others; Bob redeems half; the fees are collected."""
    w3, token = stage.world.w3, stage.index.contract(stage.world.w3)
    alice, bob = stage.actors.alice, stage.actors.bob
    gift = send(w3, alice, token.functions.transfer(bob, to_shares(GIFT_SHARES)))
    stage.gas["transfer"].append(int(gift["gasUsed"]))
    for who, account, part_of in (("alice", alice, 1), ("bob", bob, 2)):
        held = int(token.functions.balanceOf(account).call())
        if held == 0:
            continue
        done = redeem(w3, account, stage.core, stage.index.address, held // part_of)
        what = "all her" if part_of == 1 else "half of his"
        tell(
            f"{who} redeems {what} shares in kind: {held // part_of / WAD:,.2f} for ${done.value / NANO:,.0f} ({done.gas_used:,} gas)"
        )
    send(w3, stage.actors.keeper, token.functions.collect())


# --- what was seen ----------------------------------------------------------------------------------------------------


def record(stage: Stage) -> Run:
    """Everything, with what the chain says about it."""
    world, spec = stage.world, stage.plan.spec
    plans = read_plans(world, stage.core, stage.index)
    flows, gas = read_flows(world, stage.index, stage.actors.names())
    coins = sorted(
        {coin for day in stage.days for coin in day.held}
        | {coin for flow in flows for coin in flow.amounts}
        | {coin for plan in plans for coin in plan.weights}
    )
    benchmarks = tuple(coin for coin in spec.index.benchmarks if coin in world.market.ids)
    return Run(
        market=stage.plan.market_name,
        symbol=spec.symbol,
        name=spec.name,
        spec_hash=spec.spec_hash,
        index=stage.index.address,
        max_slippage_bps=spec.rebalance.max_slippage_bps,
        drift_band=spec.rebalance.drift_band,
        streaming_bps=spec.fees.streaming_bps,
        growth=int(stage.index.contract(world.w3).functions.streamingRate().call()),
        coins=coin_names(world),
        benchmarks=benchmarks,
        days=tuple(stage.days),
        prices=market_prices(world.market, {*coins, *benchmarks}, stage.plan.days),
        reviews=tuple(stage.reviews),
        plans=plans,
        flows=flows,
        gas=gas_of(plans, gas, stage.gas),
        books=read_books(world, stage.core, stage.index, stage.actors, coins),
    )


def market_prices(market: Market, coins: Iterable[str], days: pd.DatetimeIndex) -> dict[str, tuple[float, ...]]:
    """{coin: USD a day} as the market file has it; where it has nothing, the last price it had."""
    wanted = sorted(coins)
    known = market.price[wanted].ffill().reindex(days.tz_localize(market.dates.tz), method="ffill")
    return {coin: tuple(float(value) for value in known[coin]) for coin in wanted}


def itinerary(
    market: Market,
    spec: IndexSpec,
    *,
    name: str,
    folder: Path,
    start: pd.Timestamp | None,
    weeks: int | None,
    most: int,
) -> Itinerary:
    """From the first review day on or after `start` (default: the market's first day), for `weeks`, or as long as the data goes."""
    first = pd.Timestamp(market.start).tz_localize(None)
    last = pd.Timestamp(market.end).tz_localize(None)
    begin = start or first
    if not first <= begin <= last:
        raise MarketDataError(
            f"the market {name} goes from {first.date()} to {last.date()}, and --start is {begin.date()}; choose a day inside"
        )
    while begin <= last and not spec.rebalance.is_review_day(begin.date()):
        begin += pd.Timedelta(days=1)
    available = ((last - begin).days - 1) // 7
    if available < 1:
        raise MarketDataError(
            f"the market {name} goes from {first.date()} to {last.date()}; from {begin.date()} there is no whole week: choose an earlier --start"
        )
    if weeks is not None and weeks > available:
        raise MarketDataError(
            f"the market {name} ends {last.date()}, {available} weeks after {begin.date()}; choose --weeks up to {available} or an earlier --start"
        )
    return Itinerary(
        spec=spec,
        market_name=name,
        start=begin,
        weeks=weeks if weeks is not None else min(available, most),
        folder=folder,
    )
