"""From an index file to an index on a chain: `plan_launch` reads and checks, `launch` sends.

    plan = plan_launch(w3, account, "offchain/indexes/lc10.toml")     nothing is sent, everything is known
    result = launch(w3, signer, plan)                                 core if missing, feeds, index, files

Every step that is confirmed is in `deployments/<chain id>` before the next one is sent; the same call again goes on
where the last one stopped. On a local market (`make chain`) tokens, feeds and the market come from its manifest, and the
faucet pays the seed; on a live network they are the file's [[components]], and CoinGecko or the file in MARKET.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from web3 import Web3
from web3.exceptions import ContractLogicError

from offchain.chain.accounts import is_local, resolve
from offchain.chain.client import chain_name, rpc_batch
from offchain.chain.core import CORE_CONTRACTS, Core, erc20
from offchain.chain.deploy import (
    Feed,
    IndexDeployment,
    create_index,
    deploy_core,
    hand_over,
    list_shortfalls,
    read_words,
    require_balances,
    set_feeds,
)
from offchain.chain.deployments import (
    CORE_FILE,
    Record,
    StaleDeployment,
    as_json,
    core_of,
    deployments_folder,
    exclusive,
    index_files,
    index_note,
    index_of,
    shown,
)
from offchain.chain.feeds import AnyFeed
from offchain.chain.governance import VoteTerms, deploy_governance, deploy_timelock
from offchain.chain.markets import live_market, local_manifest, local_market
from offchain.chain.sources import build_feed, read_price
from offchain.chain.terms import (
    MINUTE,
    AuctionPolicy,
    IndexTerms,
    Limits,
    ListedToken,
    Policy,
    limits_of,
    policy_of,
)
from offchain.chain.transactions import Signer, fees
from offchain.chain.verification import write_verification
from offchain.errors import ChainError, StalePrice
from offchain.market import Market
from offchain.methodology import Decision, Methodology
from offchain.reference.integers import Reverted
from offchain.spec.load import find_spec
from offchain.spec.model import IndexSpec
from offchain.units import BPS, D27, WAD

LOCAL_FEED_MAX_AGE = 26 * 3600  # {s} the local market reports once a day
PRICE_DECIMALS = 36  # of D27{nUSD/tok} for a whole token without decimals: 27 + 9

# {gas} measured; for the estimate that is shown before anything is sent.
CORE_GAS, FEED_GAS, INDEX_GAS, COMPONENT_GAS = 35_000_000, 340_000, 6_500_000, 300_000
AUCTION_GAS = 80_000  # their policy
GOVERNANCE_GAS = 9_500_000  # votes, governor and timelock


@dataclass(frozen=True, kw_only=True)
class LaunchPlan:
    """What will be deployed, and from what it was decided. `prices`: D27{nUSD/tok} by coin id; `gas` is an estimate."""

    spec: IndexSpec
    chain_id: int
    account: str
    tokens: tuple[ListedToken, ...]
    decision: Decision | None
    market: str
    prices: Mapping[str, int]
    terms: IndexTerms
    core_exists: bool
    existing: IndexDeployment | None
    gas: int
    gas_price: int

    @property
    def seed_value(self) -> int:
        """{nUSD} of the seed."""
        by_address = {token.address: self.prices.get(token.id, 0) for token in self.tokens}
        pairs = zip(self.terms.components, self.terms.seed_amounts, strict=True)
        return sum(amount * by_address.get(token, 0) // D27 for token, amount in pairs)


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What is on the chain now, and the files that say so."""

    core: Core
    index: IndexDeployment
    files: tuple[Path, ...]


# --- plan -------------------------------------------------------------------------------------------------------------


def plan_launch(w3: Web3, account: str, file: str) -> LaunchPlan:
    """Reads the index file, tokens, feeds and market, decides, and checks everything that can fail later.

    Raises SpecError, StalePrice, InsufficientBalance and others, each with the way out; nothing has been sent then.
    """
    spec = find_spec(file)
    require_possible(spec)
    chain_id = w3.eth.chain_id
    tokens = listed_tokens(w3, spec)
    forget_earlier_local_chain(w3)
    folder = deployments_folder(chain_id)
    core_record = Record.open(folder / CORE_FILE, w3)
    record = Record.open(folder / f"{spec.symbol}.json", w3)
    core_exists = all(name in core_record.steps for name in CORE_CONTRACTS)

    existing = _existing(record, spec)
    prices = feed_prices(w3, tokens)
    decision, market = None, ""
    if existing is not None or _is_creating(record):
        terms = _terms_from_json(record.notes["terms"])
        tokens = tuple(token for token in tokens if token.address in terms.allowed) or tokens
    else:
        data, market = _market(w3, spec, tokens)
        t = datetime.fromtimestamp(int(w3.eth.get_block("latest")["timestamp"]), UTC)
        tradable = [token.id for token in tokens]
        rules = Methodology.open(file)
        if rules.asks_governor:
            rules = rules.with_ballots(())  # nobody can have voted before there are shares
        decision = rules.decide(data, t, tradable=tradable)
        require_fresh(decision.target_weights, tokens, prices)
        terms = IndexTerms.from_spec(
            spec,
            tokens=tokens,
            prices={coin: answer.price for coin, answer in prices.items()},
            weights=decision.target_weights,
            receiver=account,
            governor=resolve(w3, spec.roles.governor),
            guardian=resolve(w3, spec.roles.guardian),
            strategist=resolve(w3, spec.roles.strategist),
            fee_recipient=_fee_account(w3, spec, spec.fees.recipient),
            fee_accounts={name: _fee_account(w3, spec, name) for name, _ in spec.fees.parts},
        )
        if not is_local(w3):
            require_balances(w3, account, _seed(terms), purpose=f"the seed of {spec.symbol}")
    gas = 0 if existing else (0 if core_exists else CORE_GAS) + FEED_GAS * len(tokens)
    gas += 0 if existing else INDEX_GAS + COMPONENT_GAS * len(terms.components)
    gas += AUCTION_GAS if existing is None and terms.auctions is not None else 0
    gas += GOVERNANCE_GAS if existing is None and spec.governance.kind == "votes" else 0
    return LaunchPlan(
        spec=spec,
        chain_id=chain_id,
        account=account,
        tokens=tokens,
        decision=decision,
        market=market,
        prices={coin: answer.price for coin, answer in prices.items()},
        terms=terms,
        core_exists=core_exists,
        existing=existing,
        gas=gas,
        gas_price=fees(w3).max_fee,
    )


@dataclass(frozen=True, kw_only=True)
class FeedAnswer:
    """`price` D27{nUSD/tok}, zero if the feed says nothing usable (`refusal`: why); `age` {s}; `max_age` {s} that is accepted."""

    price: int
    age: int
    max_age: int
    refusal: str = ""

    @property
    def is_fresh(self) -> bool:
        return self.price > 0 and 0 <= self.age <= self.max_age


def feed_prices(w3: Web3, tokens: Sequence[ListedToken]) -> dict[str, FeedAnswer]:
    """What the tokens' aggregators say now, by coin id, computed as ChainlinkFeed does. Checks the tokens' decimals."""
    now = int(w3.eth.get_block("latest")["timestamp"])
    decimals = read_words(w3, [(token.address, "0x313ce567") for token in tokens])
    for token, found in zip(tokens, decimals, strict=True):
        if found != token.decimals:
            raise ChainError(
                f"{token.symbol} at {token.address} has {found} decimals, {token.decimals} were said; "
                "correct [[components]], or the address"
            )
    answers = {token.id: _answer_of(w3, token.source) for token in tokens if token.source is not None}
    plain = [token for token in tokens if token.source is None]
    feed_decimals = read_words(w3, [(token.feed, "0x313ce567") for token in plain])
    calls: list[tuple[str, list[object]]] = [
        ("eth_call", [{"to": token.feed, "data": "0xfeaf968c"}, "latest"]) for token in plain
    ]
    for token, digits, raw in zip(plain, feed_decimals, _tolerant(w3, calls), strict=True):
        words = [int(raw[start : start + 64], 16) for start in range(2, len(raw), 64)]
        answer, updated_at = (words[1], words[3]) if len(words) == 5 and words[1] < 2**127 else (0, 0)
        price = answer * 10**PRICE_DECIMALS // 10 ** (token.decimals + digits)
        answers[token.id] = FeedAnswer(price=price, age=now - updated_at, max_age=token.max_age)
    return answers


def _answer_of(w3: Web3, source: AnyFeed) -> FeedAnswer:
    """What a feed of another kind would say, itself the judge of its age; nothing usable where it would refuse."""
    try:
        return FeedAnswer(price=read_price(w3, source), age=0, max_age=0)
    except (Reverted, ContractLogicError) as refusal:
        return FeedAnswer(price=0, age=0, max_age=0, refusal=f"{source.contract}: {refusal}")


def require_fresh(weights: Mapping[str, int], tokens: Sequence[ListedToken], answers: Mapping[str, FeedAnswer]) -> None:
    """Raises StalePrice naming every member whose feed is too old or silent."""
    symbols = {token.id: token.symbol for token in tokens}
    old = [coin for coin in weights if weights[coin] and not answers[coin].is_fresh]
    if old:
        raise StalePrice(
            "; ".join(
                f"the feed of {symbols[coin]} has no price{' (' + answers[coin].refusal + ')' if answers[coin].refusal else ''}"
                if answers[coin].price == 0
                else f"the feed of {symbols[coin]} is {answers[coin].age // MINUTE} minutes old, "
                f"{answers[coin].max_age // MINUTE} are accepted"
                for coin in old
            )
            + "; wait for the feed, or raise max_age_minutes"
        )


def require_possible(spec: IndexSpec) -> None:
    """Raises ChainError for what the file allows and the contracts refuse, before anything is deployed."""
    limits, policy = limits_of(spec), policy_of(spec)
    bounds = (
        ("guard.turnover_bps", limits.turnover_capacity, 4 * WAD, f"{4 * BPS} bps"),
        ("guard.loss_bps", limits.loss_capacity, WAD // 20, "500 bps"),
        ("guard.valuation_max_age_minutes", limits.valuation_max_age, 3_600, "60 minutes"),
        ("rebalance.plan_hours", policy.max_duration, 14 * 86_400, "336 hours"),
    )
    for name, value, most, text in bounds:
        if value > most:
            raise ChainError(
                f"{spec.symbol}: {name} is above {text}, the most the contracts accept; lower it in the file"
            )
    missing = [component.symbol for component in spec.components if not component.feed]
    if missing:
        raise ChainError(f'{spec.symbol}: no price feed for {", ".join(missing)}; give feed = "0x…" in [[components]]')


# --- launch -----------------------------------------------------------------------------------------------------------


def launch(w3: Web3, signer: Signer, plan: LaunchPlan) -> Launched:
    """Carries out a plan, or the rest of it. Every confirmed step is in the files."""
    folder = deployments_folder(plan.chain_id)
    with exclusive(plan.chain_id):
        core_record = Record.open(folder / CORE_FILE, w3)
        record = Record.open(folder / f"{plan.spec.symbol}.json", w3)
        if plan.existing is not None:
            core = core_of(core_record)
            index = plan.existing
        else:
            weth = str(local_manifest(w3)["contracts"]["weth"]) if is_local(w3) else None
            core = deploy_core(w3, signer, weth=weth, journal=core_record)
            needed = [
                token.source or Feed(token=token.address, aggregator=token.feed, max_age=token.max_age)
                for token in plan.tokens
            ]
            set_feeds(w3, signer, core, needed, journal=core_record)
            if is_local(w3) and not _is_creating(record):
                fund_locally(w3, plan.account, _seed(plan.terms))
            record.note(
                terms=as_json(dataclasses.asdict(plan.terms)),
                decision=None if plan.decision is None else json.loads(plan.decision.to_json()),
                market=plan.market,
            )
            if plan.spec.governance.kind == "votes":
                index = _create_governed(w3, signer, core, plan, record)
            else:
                index = create_index(w3, signer, core, plan.terms, journal=record)
            record.note(index=index_note(index))
        steps = [core_record.known(name) for name in core_record.steps] + [record.known(name) for name in record.steps]
        verify = write_verification(folder, [step for step in steps if step is not None])
    return Launched(core=core, index=index, files=(core_record.path, record.path, verify))


# --- tokens and market of a chain ---------------------------------------------------------------------------------------


def listed_tokens(w3: Web3, spec: IndexSpec) -> tuple[ListedToken, ...]:
    """Every token with a feed that an index of this file may hold on the node's chain."""
    if is_local(w3):
        manifest = local_manifest(w3)
        return tuple(
            ListedToken(
                id=coin,
                symbol=facts["symbol"],
                address=facts["address"],
                decimals=int(facts["decimals"]),
                feed=facts["feed"],
                max_age=LOCAL_FEED_MAX_AGE,
            )
            for coin, facts in sorted(manifest["tokens"].items())
        )
    if not spec.components:
        raise ChainError(
            f"{spec.symbol} lists no [[components]], and on {chain_name(w3.eth.chain_id)} tokens and feeds are not known "
            "otherwise; see offchain/indexes/sepolia-example.toml"
        )
    return tuple(
        ListedToken(
            id=component.id,
            symbol=component.symbol,
            address=Web3.to_checksum_address(component.address),
            decimals=component.decimals,
            feed=Web3.to_checksum_address(component.feed) if component.feed.startswith("0x") else "",
            max_age=component.max_age_minutes * MINUTE,
            source=None
            if component.feed.startswith("0x")
            else build_feed(w3, spec.feeds, component.feed, _oracle_of(w3)),
        )
        for component in spec.components
    )


def _oracle_of(w3: Web3) -> str:
    """The oracle of the core on this chain, empty before there is one."""
    step = Record.open(deployments_folder(w3.eth.chain_id) / CORE_FILE, w3).known("oracle")
    return step.address if step else ""


def fund_locally(w3: Web3, account: str, amounts: Mapping[str, int]) -> dict[str, int]:
    """The faucet of a local market: gives an account what it lacks of each token {tok}; returns what was given."""
    from offchain.devnet import Devnet
    from offchain.devnet.node import LocalNode

    manifest = local_manifest(w3)
    facts = {key: value for key, value in manifest.items() if key not in ("url", "market")}
    world = Devnet.attach(LocalNode(w3), local_market(manifest), facts)
    coins = {token.address: coin for coin, token in world.tokens.items()}
    held = read_words(w3, [(token, erc20(w3, token).encode_abi("balanceOf", [account])) for token in amounts])
    given = {token: need - have for (token, need), have in zip(amounts.items(), held, strict=True) if have < need}
    foreign = [(token, 0, need) for token, need in given.items() if token not in coins]
    if foreign:
        raise ChainError(f"the faucet does not have {list_shortfalls(w3, foreign)}")
    for token, amount in given.items():
        world.faucet(account, coins[token], amount)
    return given


def forget_earlier_local_chain(w3: Web3) -> None:
    """Removes the files of a local chain that was restarted: their contracts are gone for good."""
    if not is_local(w3):
        return
    chain_id = w3.eth.chain_id
    for path in [deployments_folder(chain_id) / CORE_FILE, *index_files(chain_id).values()]:
        try:
            Record.open(path, w3)
        except StaleDeployment:
            path.unlink(missing_ok=True)


# --- internals --------------------------------------------------------------------------------------------------------


def _create_governed(w3: Web3, signer: Signer, core: Core, plan: LaunchPlan, record: Record) -> IndexDeployment:
    """An index that its holders govern: the timelock first, then the index, the vote, and last the hand-over."""
    votes = VoteTerms.from_spec(plan.spec)
    timelock = deploy_timelock(w3, signer, votes, journal=record)
    governor = plan.terms.governor  # who [roles] names: where fees go to him, they go to the vote

    def known_as(account: str) -> str:
        return timelock if account == governor else account

    terms = dataclasses.replace(
        plan.terms,
        governor=timelock,
        fee_recipient=known_as(plan.terms.fee_recipient),
        fee_table=tuple((known_as(who), part) for who, part in plan.terms.fee_table),
        admin_delay=0,  # a vote waits in the timelock; the AccessManager need not wait again
    )
    index = create_index(w3, signer, core, terms, hand_over_admin=False, journal=record)
    governance = deploy_governance(
        w3,
        signer,
        index=index.address,
        symbol=index.symbol,
        timelock=timelock,
        guardian=terms.guardian,
        terms=votes,
        journal=record,
    )
    hand_over(w3, signer, index.authority, timelock)
    record.note(governance=dataclasses.asdict(governance))
    return index


def _market(w3: Web3, spec: IndexSpec, tokens: Sequence[ListedToken]) -> tuple[Market, str]:
    """The market to decide on, and what to call it."""
    if is_local(w3):
        manifest = local_manifest(w3)
        return local_market(manifest), str(manifest["market"])
    return live_market(spec, [token.id for token in tokens])


def _existing(record: Record, spec: IndexSpec) -> IndexDeployment | None:
    """The finished index of the record, if it is this one. Raises ChainError if it was made from another file."""
    if "index" not in record.notes:
        return None
    index = index_of(record)
    if index.spec_hash != spec.spec_hash:
        raise ChainError(
            f"{spec.symbol} is deployed on {chain_name(record.chain_id)} already, from another index file "
            f"(spec {index.spec_hash[:10]}…, this one {spec.spec_hash[:10]}…); choose another symbol, "
            f"or move {shown(record.path)} away"
        )
    return index


def _is_creating(record: Record) -> bool:
    """Whether the creating transaction was sent, or confirmed, and only the rest is missing."""
    return "terms" in record.notes and (record.pending("index") is not None or "index" in record.steps)


_WHOLE_TERMS = (
    "seed_shares", "streaming_fee", "mint_fee", "redeem_fee", "fee_burn", "performance_fee", "performance_interval",
    "supply_cap", "admin_delay",
)  # fmt: skip


def _terms_from_json(content: Mapping[str, Any]) -> IndexTerms:
    values = dict(content)
    for name in ("components", "allowed"):
        values[name] = tuple(values[name])
    values["seed_amounts"] = tuple(int(amount) for amount in values["seed_amounts"])
    values["fee_table"] = tuple((account, int(weight)) for account, weight in values["fee_table"])
    for name in _WHOLE_TERMS:
        values[name] = int(values[name])
    values["policy"] = Policy(**{name: int(value) for name, value in values["policy"].items()})
    values["limits"] = Limits(**{name: int(value) for name, value in values["limits"].items()})
    if values.get("auctions") is not None:  # a record of before auctions does not name them
        values["auctions"] = AuctionPolicy(**{name: int(value) for name, value in values["auctions"].items()})
    return IndexTerms(**values)


def _fee_account(w3: Web3, spec: IndexSpec, name: str) -> str:
    """An address, a role of the index, or an account of the wallet."""
    return (
        resolve(w3, getattr(spec.roles, name)) if name in ("governor", "guardian", "strategist") else resolve(w3, name)
    )


def _seed(terms: IndexTerms) -> dict[str, int]:
    return dict(zip(terms.components, terms.seed_amounts, strict=True))


def _tolerant(w3: Web3, calls: Sequence[tuple[str, list[object]]]) -> list[str]:
    """Return data of each call, '0x' for one that reverts: a feed that never answered reverts."""
    try:
        return [str(answer) for answer in rpc_batch(w3, list(calls))]
    except ChainError:
        results = []
        for call in calls:
            try:
                results.append(str(rpc_batch(w3, [call])[0]))
            except ChainError:
                results.append("0x")
        return results
