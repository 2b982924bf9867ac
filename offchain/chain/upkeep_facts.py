"""What the upkeep of an index is judged by, at one block: `read_facts(w3, core, index)`, a handful of requests whatever it holds.

Units as on the chain: prices D27{nUSD/tok}, NAV and mark D27{nUSD/share}, units D27{tok/share}, ratios D18, times {s}.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, TypeVar, cast

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract.contract import Contract

from offchain.chain import registry
from offchain.chain.artifacts import artifact
from offchain.chain.client import read_logs
from offchain.chain.core import Core, erc20, index_contract
from offchain.chain.deploy import IndexDeployment
from offchain.chain.feeds import ask
from offchain.chain.pools import aggregate
from offchain.chain.reads import IndexState, read_state
from offchain.chain.registry import OnChainRule
from offchain.chain.transactions import at
from offchain.units import D27

Key = TypeVar("Key", bound=Hashable)
Question = tuple[Contract, str, list[object]]

DAY = 86_400
QUESTIONS_AT_ONCE = 150  # those of 25 tokens, at most some 20 M gas
FEED_PARTS = ("assetFeed()", "quoteFeed()", "primary()", "anchor()", "feed()")


@dataclass(frozen=True, kw_only=True)
class FeeAccount:
    """IPerformanceFee.Account."""

    mark: int
    crystallised_at: int
    observed_nav: int
    observed_at: int
    rate: int
    interval: int


@dataclass(frozen=True, kw_only=True)
class FeeRecord:
    """IPerformanceFee.Record."""

    unit: int
    streaming_rate: int
    updated_at: int


@dataclass(frozen=True, kw_only=True)
class Vault:
    """An Erc4626Feed that prices `token` or stands below its feed. D27{asset/share}, D18 and {s}; `rate` None: none is told."""

    feed: str
    token: str
    rate: int | None
    checkpoint: int
    moved_at: int
    max_jump: int


@dataclass(frozen=True, kw_only=True)
class Book:
    """IWeightRegistry.Book, and the methodology of the rules. `span` {day} of a RecordedVolatility that reads our recorder."""

    number: int
    ready_at: int
    lapses_at: int
    is_pending: bool
    rule: OnChainRule | None
    span: int
    other_recorder: str
    short: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """`tokens`: the components, then what else is allow-listed. `prices`, `recorded` today: 0 where there is none.

    `account` None: no performance fee. `nav`, `backing` None: one of its prices is missing. `table` None: the splitter
    has none of this index. `book` None: not in the registry. `tip`, `fee` {share} of an expired plan; `empty`: the
    components that its end would drop. `ether_price` 0: not known.
    """

    w3: Web3
    core: Core
    state: IndexState
    tokens: tuple[str, ...]
    symbols: Mapping[str, str]
    prices: Mapping[str, int]
    recorded: Mapping[str, int]
    account: FeeAccount | None
    nav: int | None
    backing: int | None
    records: Mapping[str, FeeRecord]
    streaming_rate: int
    module_fee_left: int
    table: tuple[tuple[str, ...], tuple[int, ...], int] | None
    in_splitter: int
    book: Book | None
    tip: int
    fee: int
    empty: tuple[str, ...]
    vaults: tuple[Vault, ...]
    ether_price: int
    gas_price: int

    @property
    def time(self) -> int:
        return self.state.timestamp

    @property
    def day(self) -> int:
        """Days since 1970, as the recorder counts."""
        return self.time // DAY

    def value(self, shares: int, *, minted: int = 0) -> int:
        """{nUSD} of {share}, once `minted` {share} more exist, rounded down."""
        # {nUSD} = {share} * D27{nUSD/share} * {share} / (D27 * {share})
        supply = self.state.supply
        return shares * self.state.nav_per_share * supply // (D27 * (supply + minted))

    def contract(self, name: str) -> Contract:
        return self.core.contract(self.w3, name)


def read_facts(w3: Web3, core: Core, index: IndexDeployment) -> Facts:
    """Everything at one block, except gas price and feeds, which are of now. Raises UnknownIndex or ChainError."""
    state = read_state(w3, core, index.address)
    oracle, recorder, module = (core.contract(w3, name) for name in ("oracle", "recorder", "performance_fee"))
    token, rebalancer = index_contract(w3, index.address), at(w3, artifact("Rebalancer"), state.rebalancer)
    address = index.address
    first = _asked(w3, core, state.block_number, {
        "module": (token, "feeModule", []), "left": (token, "moduleFeeLeft", []), "streaming": (token, "streamingRate", []),
        "account": (module, "accountOf", [address]), "nav": (module, "navOf", [address]),
        "table": (core.contract(w3, "fee_splitter"), "tableOf", [address]), "held": (token, "balanceOf", [core.fee_splitter]),
        "rules": (core.contract(w3, "registry"), "rulesOf", [address]), "book": (core.contract(w3, "registry"), "bookOf", [address]),
        "weth": (core.contract(w3, "zap"), "weth", []), "auctions": (rebalancer, "auctions", []),
    })  # fmt: skip
    tokens = tuple(dict.fromkeys((*state.tokens, *_allowed(w3, index, state))))
    rule, span, other = _rule(w3, core, state.block_number, first["rules"])
    day = state.timestamp // DAY
    questions: dict[tuple[str, str], Question] = {}
    for item in tokens:
        questions["price", item] = (oracle, "tryPrice", [item])
        questions["recorded", item] = (recorder, "priceOn", [item, day])
        questions["symbol", item] = (erc20(w3, item), "symbol", [])
        questions["feed", item] = (oracle, "feedOf", [item])
        if span:  # it may end its window today or yesterday
            questions["today", item] = (recorder, "volatilityOf", [item, day, span])
            questions["yesterday", item] = (recorder, "volatilityOf", [item, day - 1, span])
    for component in state.components:
        questions["record", component.token] = (module, "recordOf", [address, component.token])
        questions["target", component.token] = (rebalancer, "targetOf", [address, component.token])
    questions["price", "ether"] = (oracle, "tryPrice", [to_checksum_address(str(_first(first["weth"])))])
    house = at(w3, artifact("AuctionHouse"), to_checksum_address(str(_first(first["auctions"]))))
    questions["fees", ""] = (house, "feesDue", [address, astuple(state.plan)])
    second = _asked(w3, core, state.block_number, questions)

    account = FeeAccount(**dict(zip(FeeAccount.__annotations__, _first(first["account"]), strict=True)))
    is_charged = account.interval != 0 and to_checksum_address(str(_first(first["module"]))) == core.performance_fee
    tip, fee = (second["fees", ""] or (0, 0))[:2]
    return Facts(
        w3=w3,
        core=core,
        state=state,
        tokens=tokens,
        symbols={item: str(_first(second["symbol", item]) or item) for item in tokens}
        | {item.token: item.symbol for item in state.components if item.symbol},
        prices={item: int(_first(second["price", item]) or 0) for item in tokens},
        recorded={item: int(_first(second["recorded", item]) or 0) for item in tokens},
        account=account if is_charged else None,
        nav=first["nav"][0] if first["nav"] else None,
        backing=first["nav"][1] if first["nav"] else None,
        records={item: FeeRecord(**dict(zip(FeeRecord.__annotations__, _first(second["record", item]), strict=True))) for item in state.tokens},
        streaming_rate=int(_first(first["streaming"])),
        module_fee_left=int(_first(first["left"])),
        table=_table(_first(first["table"])),
        in_splitter=int(_first(first["held"])),
        book=_book(first, rule, span, other, tuple(item for item in tokens if span and not (second["today", item] or second["yesterday", item]))),
        tip=int(tip),
        fee=int(fee),
        empty=tuple(item.token for item in state.components if _is_to_drop(item.available, state, _first(second["target", item.token]))),
        vaults=_vaults(w3, core, state.block_number, {item: to_checksum_address(str(_first(second["feed", item]))) for item in tokens}),
        ether_price=int(_first(second["price", "ether"]) or 0),
        gas_price=int(w3.eth.gas_price),
    )  # fmt: skip


def _asked(w3: Web3, core: Core, block: int, questions: Mapping[Key, Question]) -> dict[Key, tuple[Any, ...] | None]:
    """What each (contract, function, arguments) returns at a block; None where it reverts or says something else.

    One request for QUESTIONS_AT_ONCE of them: what a node computes for one call is limited.
    """
    calls = [
        (contract.address, bytes.fromhex(contract.encode_abi(name, list(arguments))[2:]))
        for contract, name, arguments in questions.values()
    ]
    answers: list[bytes] = []
    for start in range(0, len(calls), QUESTIONS_AT_ONCE):
        answers += aggregate(w3, core.multicall3, calls[start : start + QUESTIONS_AT_ONCE], hex(block))[1]
    return {
        key: _decoded(contract, name, answer)
        for (key, (contract, name, _)), answer in zip(questions.items(), answers, strict=True)
    }


def _decoded(contract: Contract, name: str, answer: bytes) -> tuple[Any, ...] | None:
    if not answer:
        return None
    entry = next(item for item in contract.abi if item.get("name") == name)
    outputs = cast("Sequence[dict[str, Any]]", entry["outputs"])  # type: ignore[typeddict-item]
    try:
        return decode([collapse_if_tuple(cast("Any", output)) for output in outputs], answer)
    except (DecodingError, UnicodeDecodeError):  # a symbol of bytes32
        return None


def _first(answer: tuple[Any, ...] | None) -> Any:  # noqa: ANN401  whatever the view returns
    return answer[0] if answer else None


def _allowed(w3: Web3, index: IndexDeployment, state: IndexState) -> list[str]:
    """Tokens that may enter, as the events of the allow-list tell, in the order they came."""
    event = at(w3, artifact("Rebalancer"), state.rebalancer).events.SetAllowed()
    topics = [str(event.topic), "0x" + index.address[2:].lower().rjust(64, "0")]
    allowed: dict[str, bool] = {}
    for log in read_logs(w3, state.rebalancer, index.block, state.block_number, topics):
        said = event.process_log(log)["args"]
        allowed[str(said["token"])] = bool(said["allowed"])
    return [token for token, is_allowed in allowed.items() if is_allowed]


def _rule(w3: Web3, core: Core, block: int, answer: tuple[Any, ...] | None) -> tuple[OnChainRule | None, int, str]:
    """The methodology in the rules, {day} it looks back at our recorder, and the recorder it reads if it is another one."""
    rule = registry.read_rule(w3, to_checksum_address(str(_first(answer)[6])))
    innermost = rule
    while innermost is not None and innermost.inner is not None:
        innermost = innermost.inner
    if innermost is None or innermost.name != "RecordedVolatility":
        return rule, 0, ""
    reader = at(w3, artifact("RecordedVolatility"), innermost.address)
    said = _asked(w3, core, block, {name: (reader, name, []) for name in ("recorder", "span")})
    if said["recorder"] is None or said["span"] is None:  # it only calls itself so
        return rule, 0, ""
    recorder = to_checksum_address(str(_first(said["recorder"])))
    return (rule, int(_first(said["span"])), "") if recorder == core.recorder else (rule, 0, recorder)


def _book(
    first: Mapping[str, tuple[Any, ...] | None], rule: OnChainRule | None, span: int, other: str, short: tuple[str, ...]
) -> Book | None:
    if not _first(first["rules"])[1]:  # no weight is allowed where nothing was registered
        return None
    number, _, ready_at, lapses_at, proposal = _first(first["book"])
    return Book(
        number=number,
        ready_at=ready_at,
        lapses_at=lapses_at,
        is_pending=any(proposal),
        rule=rule,
        span=span,
        other_recorder=other,
        short=short,
    )


def _table(answer: tuple[Any, ...]) -> tuple[tuple[str, ...], tuple[int, ...], int] | None:
    recipients, weights, burn = answer
    return (tuple(recipients), tuple(weights), int(burn)) if recipients or burn else None


def _is_to_drop(available: int, state: IndexState, target: tuple[int, int, int]) -> bool:
    """Whether the end of the plan drops a component: sold out, and without a target in it."""
    plan_id, _, unit = target
    return available == 0 and plan_id == state.plan.id and unit == 0


def _vaults(w3: Web3, core: Core, block: int, feeds: Mapping[str, str]) -> tuple[Vault, ...]:
    """The vault feeds among the feeds of tokens and what those stand on, one request a level."""
    found: dict[str, str] = {}
    level = {feed: token for token, feed in feeds.items() if int(feed, 16)}
    seen: set[str] = set()
    while level:
        seen |= set(level)
        marks = ask(w3, [(feed, "checkpoint()") for feed in level])
        found |= {feed: token for (feed, token), mark in zip(level.items(), marks, strict=True) if mark is not None}
        words = ask(w3, [(feed, part) for feed in level for part in FEED_PARTS])
        owners = [token for token in level.values() for _ in FEED_PARTS]
        parts = {
            to_checksum_address(f"0x{word:040x}"): token
            for word, token in zip(words, owners, strict=True)
            if word is not None and 0 < word < 2**160
        }
        level = {feed: token for feed, token in parts.items() if feed not in seen}
    readers = {feed: at(w3, artifact("Erc4626Feed"), feed) for feed in found}
    names = ("checkpoint", "maxJump", "token")
    said = _asked(w3, core, block, {(feed, name): (readers[feed], name, []) for feed in found for name in names})
    ours = [feed for feed in found if all(said[feed, name] for name in names)]  # and not another kind of checkpoint
    vaults = {
        feed: at(w3, artifact("IERC4626"), to_checksum_address(str(_first(said[feed, "token"])))) for feed in ours
    }
    rates = _asked(w3, core, block, {feed: (vault, "convertToAssets", [D27]) for feed, vault in vaults.items()})
    return tuple(
        Vault(
            feed=feed,
            token=found[feed],
            rate=_first(rates[feed]),
            checkpoint=cast("tuple[int, int]", said[feed, "checkpoint"])[0],
            moved_at=cast("tuple[int, int]", said[feed, "checkpoint"])[1],
            max_jump=_first(said[feed, "maxJump"]),
        )
        for feed in ours
    )
