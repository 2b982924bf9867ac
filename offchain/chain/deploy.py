"""Putting contracts on a chain: the core once, a feed for each token, then any number of indexes.

    core = deploy_core(w3, signer)
    set_feed(w3, signer, core, token, aggregator, 3600)
    index = create_index(w3, signer, core, terms)

A signer is an unlocked address or an eth_account LocalAccount. Nothing is left half-done: an index is created in one
transaction, its roles are set before it exists, and with a `journal` every confirmed step is written down, so that the
same call again goes on where the last one stopped. Without a journal nothing is remembered (tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eth_utils.abi import function_abi_to_4byte_selector
from web3 import Web3
from web3.contract.contract import Contract
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import BlockIdentifier, TxReceipt

from offchain.chain.accounts import is_local
from offchain.chain.artifacts import Artifact, artifact, vendor
from offchain.chain.client import chain_name, rpc_batch
from offchain.chain.core import (
    ADMIN,
    AUCTION_POWERS,
    CLOSING_POWERS,
    CORE_CONTRACTS,
    GUARDIAN,
    GUARDIAN_POWERS,
    REGISTRY_GUARDIAN_POWERS,
    REGISTRY_STRATEGIST_POWERS,
    STRATEGIST,
    STRATEGIST_POWERS,
    WETH,
    Core,
    access_manager,
    contract_artifact,
    erc20,
    index_contract,
)
from offchain.chain.feeds import AnyFeed, Feed, by_level, limits_of, reads_the_same
from offchain.chain.terms import IndexTerms
from offchain.chain.transactions import Call, Signer, address_of, at, deploy, explain, send, submit, wait
from offchain.errors import ChainError, InsufficientBalance, StalePrice, TransactionReverted
from offchain.units import format_tokens

FEED_BATCH = 25  # feeds set in one transaction


@dataclass(frozen=True, kw_only=True)
class Step:
    """One confirmed deployment. `arguments`: ABI-encoded constructor arguments as 0x…, for verification."""

    contract: str
    address: str
    tx: str
    block: int
    arguments: str


class Journal(Protocol):
    """Where confirmed steps are written, and found again. `deployments.py` keeps one in a file."""

    def known(self, name: str) -> Step | None:
        """The step of that name, if it is done and its contract still there."""

    def pending(self, name: str) -> str | None:
        """Hash of a transaction that was sent for the step and not confirmed yet."""

    def sent(self, name: str, tx: str) -> None:
        """Remembers a transaction before it is waited for."""

    def failed(self, name: str) -> None:
        """Forgets a transaction that was mined and reverted: the step is to be sent again."""

    def record(self, name: str, step: Step) -> None:
        """Writes a confirmed step."""


@dataclass(frozen=True, kw_only=True)
class IndexDeployment:
    """One index on a chain. `creator` and `salt` fix its address; `arguments` are those of its constructor, encoded."""

    chain_id: int
    symbol: str
    name: str
    address: str
    authority: str
    rebalancer: str
    guard: str
    oracle: str
    factory: str
    lens: str
    governor: str
    guardian: str
    strategist: str
    creator: str
    components: tuple[str, ...]
    seed_amounts: tuple[int, ...]
    seed_shares: int
    spec_hash: str
    tx: str
    block: int
    arguments: str

    def contract(self, w3: Web3) -> Contract:
        """The index token."""
        return index_contract(w3, self.address)

    def authority_contract(self, w3: Web3) -> Contract:
        """Its AccessManager."""
        return at(w3, access_manager(), self.authority)


ABOVE_ORACLE = ("guard", "rebalancer", "recorder", "performance_fee")  # made for one oracle


# --- core -------------------------------------------------------------------------------------------------------------


def deploy_core(
    w3: Web3,
    signer: Signer,
    *,
    governor: str | None = None,
    weth: str | None = None,
    journal: Journal | None = None,
) -> Core:
    """Deploys the core, or what is missing of it. The signer governs the oracle, and `governor` too if given.

    `weth`: wrapped ether of the chain, by default the known one; a local chain without it gets one.
    `hand_over(w3, signer, core.authority, governor)` later takes the signer's power away.
    """
    authority = deploy_step(w3, signer, "authority", (address_of(signer),), journal)
    oracle = deploy_step(w3, signer, "oracle", (authority.address,), journal)
    steps = {"authority": authority, "oracle": oracle}
    arguments: dict[str, tuple[object, ...]] = dict.fromkeys(ABOVE_ORACLE, (oracle.address,))
    if journal is None or journal.known("zap") is None:
        arguments["zap"] = (weth or _wrapped_ether(w3, signer),)
    for name in CORE_CONTRACTS:
        if name not in steps:
            steps[name] = deploy_step(w3, signer, name, arguments.get(name, ()), journal)
    if governor is not None and governor != address_of(signer):
        manager = at(w3, access_manager(), authority.address)
        if not manager.functions.hasRole(ADMIN, governor).call()[0]:
            send(w3, signer, manager.functions.grantRole(ADMIN, governor, 0))
    return Core(
        chain_id=w3.eth.chain_id,
        block=max(step.block for step in steps.values()),
        **{name: step.address for name, step in steps.items()},
    )


def _wrapped_ether(w3: Web3, signer: Signer) -> str:
    """The chain's wrapped ether; a genuine new one on a local chain. Raises ChainError where none is known."""
    chain_id = w3.eth.chain_id
    if chain_id in WETH:
        return WETH[chain_id]
    if not is_local(w3):
        raise ChainError(f"the wrapped ether of {chain_name(chain_id)} is not known; give its address as weth")
    return str(deploy(w3, signer, vendor("WETH9")).address)


def hand_over(w3: Web3, signer: Signer, authority: str, governor: str, *, delay: int = 0) -> None:
    """Makes `governor` the only admin of an AccessManager, in one transaction; his actions wait `delay` {s}.

    Does nothing when the signer is the governor himself, or has left already.
    """
    manager = at(w3, access_manager(), authority)
    deployer = address_of(signer)
    if governor == deployer or not manager.functions.hasRole(ADMIN, deployer).call()[0]:
        return
    grant = manager.encode_abi("grantRole", [ADMIN, governor, delay])
    renounce = manager.encode_abi("renounceRole", [ADMIN, deployer])
    send(w3, signer, manager.functions.multicall([grant, renounce]))


# --- feeds ------------------------------------------------------------------------------------------------------------


def set_feed(
    w3: Web3, signer: Signer, core: Core, token: str, aggregator: str, max_age_s: int, *, journal: Journal | None = None
) -> str:
    """Deploys the feed of one token and sets it in the oracle; returns its address."""
    return set_feeds(w3, signer, core, [Feed(token=token, aggregator=aggregator, max_age=max_age_s)], journal=journal)[
        token
    ]


def set_feeds(
    w3: Web3, signer: Signer, core: Core, feeds: Iterable[AnyFeed], *, journal: Journal | None = None
) -> dict[str, str]:
    """The same for many tokens and feeds of any kind: token → feed. What is set already and reads the same is kept."""
    wanted = {feed.token: feed for feed in feeds}
    done = {token: address for token, address in _feeds_of(w3, core, wanted).items() if address}
    done = {token: address for token, address in done.items() if reads_the_same(w3, address, wanted[token])}
    made = _deploy_feeds(w3, signer, [feed for token, feed in wanted.items() if token not in done], journal)
    _register_feeds(w3, signer, core, made)
    return done | made


def _feeds_of(w3: Web3, core: Core, tokens: Iterable[str]) -> dict[str, str]:
    """Token → its feed in the oracle, empty if it has none."""
    oracle, known = core.contract(w3, "oracle"), list(tokens)
    words = read_words(w3, [(oracle.address, oracle.encode_abi("feedOf", [token])) for token in known])
    return {
        token: Web3.to_checksum_address(f"0x{word:040x}") if word else ""
        for token, word in zip(known, words, strict=True)
    }


def read_prices(w3: Web3, core: Core, tokens: Sequence[str], *, block: BlockIdentifier = "latest") -> list[int]:
    """D27{nUSD/tok} of each token. Raises StalePrice or ChainError naming every token that has no price, and why."""
    lens, oracle = core.contract(w3, "lens"), core.contract(w3, "oracle")
    prices = [int(price) for price in lens.functions.pricesOf(core.oracle, list(tokens)).call(block_identifier=block)]
    refused = []
    for token, price in zip(tokens, prices, strict=True):
        if price == 0:
            refused.append(_why_no_price(oracle, token, block))
    if refused:
        stale = all("PriceStale" in reason for reason in refused)
        kind = StalePrice if stale else ChainError
        what = "price is too old" if stale else "price is missing"
        raise kind(f"{len(refused)} {what}: {'; '.join(refused)}; wait for the feed, or set another one")
    return prices


# --- index ------------------------------------------------------------------------------------------------------------


def create_index(
    w3: Web3,
    signer: Signer,
    core: Core,
    terms: IndexTerms,
    *,
    hand_over_admin: bool = True,
    journal: Journal | None = None,
) -> IndexDeployment:
    """Creates the index and wires its roles. The signer pays the seed and keeps no power, unless he is the governor.

    Order: an AccessManager of the index's own, its roles for the address the index will have, exact approvals, one
    creating transaction, and last the hand-over to the governor. Raises InsufficientBalance before anything is sent.
    """
    creator = address_of(signer)
    authority = terms.authority or _own_authority(w3, signer, terms, journal)
    params = _index_params(core, terms, authority)
    factory = core.contract(w3, "factory")
    address = str(factory.functions.predict(creator, terms.salt, params).call())

    known = journal.known("index") if journal else None
    if known is None or known.address != address:
        if factory.functions.isIndex(address).call():
            known = _find_creation(w3, core, address, journal)
        else:
            _require_seed(w3, creator, terms)
            _wire_roles(w3, signer, core, terms, authority, address)
            approve_exactly(w3, signer, core.factory, dict(zip(terms.components, terms.seed_amounts, strict=True)))
            receipt = _send_step(w3, signer, "index", factory.functions.create(_create_params(params, terms)), journal)
            known = _step("IndexToken", address, receipt, "")
        known = Step(
            contract="IndexToken",
            address=address,
            tx=known.tx,
            block=known.block,
            arguments=_encode_arguments(artifact("IndexToken"), (params,)),
        )
        if journal:
            journal.record("index", known)
    _wire_fees(w3, signer, core, terms, address)
    _wire_auctions(w3, signer, core, terms, address)
    if hand_over_admin and not terms.authority:
        hand_over(w3, signer, authority, terms.governor, delay=terms.admin_delay)
    return IndexDeployment(
        chain_id=core.chain_id,
        symbol=terms.symbol,
        name=terms.name,
        address=address,
        authority=authority,
        rebalancer=core.rebalancer,
        guard=core.guard,
        oracle=core.oracle,
        factory=core.factory,
        lens=core.lens,
        governor=terms.governor,
        guardian=terms.guardian,
        strategist=terms.strategist,
        creator=creator,
        components=terms.components,
        seed_amounts=terms.seed_amounts,
        seed_shares=terms.seed_shares,
        spec_hash=terms.spec_hash,
        tx=known.tx,
        block=known.block,
        arguments=known.arguments,
    )


def approve_exactly(w3: Web3, signer: Signer, spender: str, amounts: Mapping[str, int]) -> list[str]:
    """Sets each allowance {tok} to exactly the amount; returns the hashes of what had to be sent.

    An allowance that is not zero is set to zero first: some tokens demand it.
    """
    owner = address_of(signer)
    current = read_words(w3, [(token, erc20(w3, token).encode_abi("allowance", [owner, spender])) for token in amounts])
    hashes = []
    for (token, amount), allowed in zip(amounts.items(), current, strict=True):
        if allowed == amount:
            continue
        contract = erc20(w3, token)
        if allowed != 0 and amount != 0:
            wait(w3, submit(w3, signer, contract.functions.approve(spender, 0)))
        hashes.append(submit(w3, signer, contract.functions.approve(spender, amount)))
    for tx in hashes:
        wait(w3, tx)
    return hashes


def read_words(w3: Web3, calls: Sequence[tuple[str, str]]) -> list[int]:
    """One unsigned integer of each (contract, calldata), in one request."""
    return [int.from_bytes(answer[:32]) for answer in _call_many(w3, calls)]


def _own_authority(w3: Web3, signer: Signer, terms: IndexTerms, journal: Journal | None) -> str:
    """The AccessManager of the index, deployed once."""
    if journal is None or journal.known("index_authority") is None:
        _require_seed(w3, address_of(signer), terms)
    arguments = (address_of(signer),)
    return deploy_step(w3, signer, "index_authority", arguments, journal, contract="AccessManager").address


# --- internals --------------------------------------------------------------------------------------------------------


def deploy_step(
    w3: Web3, signer: Signer, name: str, arguments: tuple[object, ...], journal: Journal | None, *, contract: str = ""
) -> Step:
    """One contract, deployed once: with a journal, the step of that name if it was confirmed before."""
    known = journal.known(name) if journal else None
    if known is not None:
        return known
    kind = contract or CORE_CONTRACTS[name]
    compiled = contract_artifact(kind)
    constructor = w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode).constructor(*arguments)
    receipt = _send_step(w3, signer, name, constructor, journal)
    step = _step(kind, str(receipt["contractAddress"]), receipt, _encode_arguments(compiled, arguments))
    if journal:
        journal.record(name, step)
    return step


def _send_step(w3: Web3, signer: Signer, name: str, call: Call, journal: Journal | None) -> TxReceipt:
    """Sends, remembering the hash before waiting, so that a restart waits for the same transaction."""
    if journal is None:
        return send(w3, signer, call)
    tx = journal.pending(name)
    if tx is None:
        tx = submit(w3, signer, call)
        journal.sent(name, tx)
    return _confirmed(w3, name, tx, journal)


def _confirmed(w3: Web3, name: str, tx: str, journal: Journal | None) -> TxReceipt:
    try:
        return wait(w3, tx)
    except TransactionReverted:
        if journal:
            journal.failed(name)
        raise


def _step(contract: str, address: str, receipt: TxReceipt, arguments: str) -> Step:
    tx, block = receipt["transactionHash"].to_0x_hex(), int(receipt["blockNumber"])
    return Step(contract=contract, address=address, tx=tx, block=block, arguments=arguments)


def _encode_arguments(compiled: Artifact, arguments: tuple[object, ...]) -> str:
    """Constructor arguments as explorers want them."""
    contract = Web3().eth.contract(abi=compiled.abi, bytecode="0x00")
    return "0x" + str(contract.constructor(*arguments).data_in_transaction)[4:]


def _deploy_feeds(w3: Web3, signer: Signer, feeds: Sequence[AnyFeed], journal: Journal | None) -> dict[str, str]:
    """Deploys feeds, each after those it stands on; those of one level are sent together and then waited for."""
    made: dict[AnyFeed, str] = {}
    for level in by_level(feeds):
        limits = limits_of(w3, level)
        waiting: list[tuple[AnyFeed, str, Artifact, tuple[object, ...], str]] = []
        for feed in level:
            compiled = artifact(feed.contract)
            arguments = feed.arguments([made[part] for part in feed.parts], limits.get(feed))
            name = ":".join(["feed", feed.contract, *map(str, arguments)])
            known = journal.known(name) if journal else None
            if known is not None:
                made[feed] = known.address
                continue
            tx = journal.pending(name) if journal else None
            if tx is None:
                factory = w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
                tx = submit(w3, signer, factory.constructor(*arguments))
                if journal:
                    journal.sent(name, tx)
            waiting.append((feed, name, compiled, arguments, tx))
        for feed, name, compiled, used, tx in waiting:
            receipt = _confirmed(w3, name, tx, journal)
            made[feed] = str(receipt["contractAddress"])
            if journal:
                step = _step(feed.contract, made[feed], receipt, _encode_arguments(compiled, used))
                journal.record(name, step)
    return {feed.token: made[feed] for feed in feeds}


def _register_feeds(w3: Web3, signer: Signer, core: Core, made: Mapping[str, str]) -> None:
    """Sets many feeds in few transactions: the AccessManager executes them one after the other for the governor."""
    oracle, authority = core.contract(w3, "oracle"), core.contract(w3, "authority")
    pairs = list(made.items())
    for start in range(0, len(pairs), FEED_BATCH):
        calls = [
            authority.encode_abi("execute", [core.oracle, oracle.encode_abi("setFeed", [token, feed])])
            for token, feed in pairs[start : start + FEED_BATCH]
        ]
        send(w3, signer, authority.functions.multicall(calls))


def _why_no_price(oracle: Contract, token: str, block: BlockIdentifier) -> str:
    try:
        oracle.functions.price(token).call(block_identifier=block)
    except (ContractLogicError, Web3RPCError) as error:
        return explain(error)
    return f"{token} has a price again"


def _require_seed(w3: Web3, creator: str, terms: IndexTerms) -> None:
    require_balances(w3, creator, dict(zip(terms.components, terms.seed_amounts, strict=True)), purpose="the seed")


def require_balances(w3: Web3, account: str, amounts: Mapping[str, int], *, purpose: str) -> None:
    """Raises InsufficientBalance naming every token {tok} of which the account holds too little."""
    held = read_words(w3, [(token, erc20(w3, token).encode_abi("balanceOf", [account])) for token in amounts])
    short = [(token, have, need) for (token, need), have in zip(amounts.items(), held, strict=True) if have < need]
    if short:
        raise InsufficientBalance(f"{account} holds too little for {purpose}: {list_shortfalls(w3, short)}")


def list_shortfalls(w3: Web3, short: Sequence[tuple[str, int, int]]) -> str:
    """'WBTC has 0, needs 1.25; LINK has 3, needs 40' from (token, have, need)."""
    lines = []
    for token, have, need in short:
        contract = erc20(w3, token)
        symbol, decimals = contract.functions.symbol().call(), contract.functions.decimals().call()
        lines.append(
            f"{symbol} has {format_tokens(have, decimals, places=decimals)}, "
            f"needs {format_tokens(need, decimals, places=decimals)}"
        )
    return "; ".join(lines)


def _index_params(core: Core, terms: IndexTerms, authority: str) -> tuple[object, ...]:
    """IIndexToken.IndexParams."""
    return (
        terms.name,
        terms.symbol,
        authority,
        core.rebalancer,
        core.guard,
        core.fee_splitter if terms.fee_table or terms.fee_burn else terms.fee_recipient,
        terms.streaming_fee,
        terms.mint_fee,
        terms.redeem_fee,
        terms.supply_cap,
        list(terms.components),
    )


def _create_params(params: tuple[object, ...], terms: IndexTerms) -> tuple[object, ...]:
    """IIndexFactory.CreateParams."""
    return (
        params,
        list(terms.seed_amounts),
        terms.seed_shares,
        terms.receiver,
        terms.policy.as_tuple(),
        terms.limits.as_tuple(),
        list(terms.allowed),
        terms.salt,
    )


def _wire_roles(w3: Web3, signer: Signer, core: Core, terms: IndexTerms, authority: str, index: str) -> None:
    """Guardian and strategist of an index that need not exist yet, in one transaction."""
    manager = at(w3, access_manager(), authority)
    auctions = auction_house(w3, core)
    calls = [
        manager.encode_abi("setTargetFunctionRole", [index, selectors("IndexToken", GUARDIAN_POWERS), GUARDIAN]),
        manager.encode_abi(
            "setTargetFunctionRole", [core.rebalancer, selectors("Rebalancer", STRATEGIST_POWERS), STRATEGIST]
        ),
        manager.encode_abi(
            "setTargetFunctionRole",
            [core.registry, selectors("WeightRegistry", REGISTRY_STRATEGIST_POWERS), STRATEGIST],
        ),
        manager.encode_abi(
            "setTargetFunctionRole", [core.registry, selectors("WeightRegistry", REGISTRY_GUARDIAN_POWERS), GUARDIAN]
        ),
        manager.encode_abi("setTargetFunctionRole", [auctions, selectors("AuctionHouse", AUCTION_POWERS), STRATEGIST]),
        manager.encode_abi("setTargetFunctionRole", [auctions, selectors("AuctionHouse", CLOSING_POWERS), GUARDIAN]),
        manager.encode_abi("labelRole", [GUARDIAN, "GUARDIAN"]),
        manager.encode_abi("labelRole", [STRATEGIST, "STRATEGIST"]),
        manager.encode_abi("grantRole", [GUARDIAN, terms.guardian, 0]),
        manager.encode_abi("grantRole", [STRATEGIST, terms.strategist, 0]),
    ]
    send(w3, signer, manager.functions.multicall(calls))


def _wire_fees(w3: Web3, signer: Signer, core: Core, terms: IndexTerms, index: str) -> None:
    """Table and performance fee of a new index, whatever of it is missing; the signer is still its governor."""
    splitter, module = core.contract(w3, "fee_splitter"), core.contract(w3, "performance_fee")
    recipients, weights = [who for who, _ in terms.fee_table], [weight for _, weight in terms.fee_table]
    table = (recipients, weights, terms.fee_burn)
    if (recipients or terms.fee_burn) and not any(splitter.functions.tableOf(index).call()):
        send(w3, signer, splitter.functions.setTable(index, table))
    if not terms.performance_fee:
        return
    if not module.functions.accountOf(index).call()[-1]:
        send(w3, signer, module.functions.register(index, terms.performance_fee, terms.performance_interval))
    token = index_contract(w3, index)
    if token.functions.feeModule().call() != core.performance_fee:
        send(w3, signer, token.functions.setFeeModule(core.performance_fee))


def _wire_auctions(w3: Web3, signer: Signer, core: Core, terms: IndexTerms, index: str) -> None:
    """Auction policy of a new index, unless it has it already; the signer is still its governor."""
    if terms.auctions is None:
        return
    house, wanted = at(w3, artifact("AuctionHouse"), auction_house(w3, core)), terms.auctions.as_tuple()
    if tuple(house.functions.auctionPolicyOf(index).call()) != wanted:
        send(w3, signer, house.functions.setAuctionPolicy(index, wanted))


def auction_house(w3: Web3, core: Core) -> str:
    """Address of the auction house that the rebalancer made."""
    return str(core.contract(w3, "rebalancer").functions.auctions().call())


def selectors(contract: str, names: Iterable[str]) -> list[bytes]:
    """4-byte selectors of functions of one of our contracts."""
    functions = {entry["name"]: entry for entry in artifact(contract).abi if entry["type"] == "function"}
    return [function_abi_to_4byte_selector(functions[name]) for name in names]  # type: ignore[arg-type]


def _find_creation(w3: Web3, core: Core, index: str, journal: Journal | None) -> Step:
    """The transaction that created an index of this factory: the one that was sent, or what the events say."""
    pending = journal.pending("index") if journal else None
    if pending is not None:
        return _step("IndexToken", index, wait(w3, pending), "")
    event = core.contract(w3, "factory").events.Create()
    logs = event.get_logs(from_block=core.block, argument_filters={"index": index})
    if not logs:
        raise ChainError(f"{index} was created by {core.factory}, but the node does not say when; use a full node")
    tx, block = logs[0]["transactionHash"].to_0x_hex(), int(logs[0]["blockNumber"])
    return Step(contract="IndexToken", address=index, tx=tx, block=block, arguments="")


def _call_many(w3: Web3, calls: Sequence[tuple[str, str]], *, block: str = "latest") -> list[bytes]:
    """Return data of many calls in one request."""
    requests: list[tuple[str, list[object]]] = [("eth_call", [{"to": to, "data": data}, block]) for to, data in calls]
    return [bytes.fromhex(str(answer)[2:]) for answer in rpc_batch(w3, requests)] if requests else []
