"""Dutch auctions of an index: what stands, who may open one, and what filling costs now.

    view = read_auctions(w3, core, index)                                    one block; sends nothing
    open_auction(w3, signer, core, index, terms)                             strategist; on the public terms anyone
    close_auction(w3, signer, core, index)                                   strategist or guardian
    plan = plan_fill(w3, core, index, "WBTC", "WETH", amount, account=...)   sends nothing
    filled = fill(w3, signer, core, plan)                                    anyone

Whatever would be refused is said before anything is sent, with the value, the limit and the way out. Offsets are {ppm} of
the oracle's price, above it positive; a manual plan has ranges instead of an oracle, and its offsets are zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract.contract import Contract
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.types import TxReceipt

from offchain.canonical import utc_text
from offchain.chain.artifacts import artifact
from offchain.chain.core import Core, access_manager, index_contract
from offchain.chain.deploy import approve_exactly, require_balances, selectors
from offchain.chain.investor import find_component
from offchain.chain.pools import aggregate, call_many
from offchain.chain.reads import ComponentState, IndexState, read_state, valuation_gas
from offchain.chain.terms import MINUTE, PPM_PER_BPS, AuctionPolicy
from offchain.chain.transactions import Signer, address_of, at, explain, send
from offchain.errors import ChainError, TransactionReverted, UnitError, did_you_mean
from offchain.reference.auction_math import decay, linear
from offchain.reference.constants import PPM
from offchain.reference.trade_math import value_down, value_up
from offchain.units import BPS, format_tokens

CURVES = ("linear", "exponential")  # IAuctionHouse.Curve
NOBODY = "0x0000000000000000000000000000000000000000"  # as taker: the auction house pulls from the caller
DEFAULT_TOLERANCE_BPS = 50
MAX_TOLERANCE_BPS = 500


@dataclass(frozen=True, kw_only=True)
class Auction:
    """IAuctionHouse.Auction: the last of an index. Times {s}; `ends_at` 0 when closed, `id` 0 when there was none."""

    plan_id: int
    id: int
    starts_at: int
    ends_at: int
    start_ppm: int
    end_ppm: int
    curve: int

    def offset_at(self, time: int) -> int:
        """{ppm} at a time {s}, in the contract's integers; before and after, what it starts and ends with."""
        elapsed = min(max(time - self.starts_at, 0), self.ends_at - self.starts_at)
        fall = linear if CURVES[self.curve] == "linear" else decay
        return fall(PPM + self.start_ppm, PPM + self.end_ppm, elapsed, self.ends_at - self.starts_at) - PPM


@dataclass(frozen=True, kw_only=True)
class AuctionTerms:
    """What an auction is opened with: offsets {ppm}, `duration` {s}, `curve` of CURVES."""

    start_ppm: int
    end_ppm: int
    duration: int
    curve: str

    @classmethod
    def public(cls, policy: AuctionPolicy, *, manual: bool = False) -> AuctionTerms:
        """What anyone may open, and nothing else: the whole range of the policy, its longest duration, exponential."""
        start, end = (0, 0) if manual else (policy.max_premium, -policy.max_discount)
        return cls(start_ppm=start, end_ppm=end, duration=policy.max_duration, curve="exponential")


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a fill of one pair would get and pay {tok} now; `refusal` says why it cannot."""

    sell: ComponentState
    buy: ComponentState
    sell_amount: int = 0
    buy_amount: int = 0
    refusal: str = ""


@dataclass(frozen=True, kw_only=True)
class Auctions:
    """Everything of one block. `auction` is the last one of the index, live or not."""

    house: str
    state: IndexState
    policy: AuctionPolicy
    auction: Auction
    quotes: tuple[Quote, ...] = ()

    @property
    def are_on(self) -> bool:
        """Whether the governor has given a policy with auctions."""
        return self.policy.max_duration > 0

    @property
    def is_of_plan(self) -> bool:
        """Whether the last auction is one of the live plan."""
        return self.state.is_plan_live and self.auction.id > 0 and self.auction.plan_id == self.state.plan.id

    @property
    def is_open(self) -> bool:
        """Whether an auction stands, in its warm-up or live: none can be opened beside it."""
        return self.is_of_plan and self.state.timestamp <= self.auction.ends_at

    @property
    def is_live(self) -> bool:
        """Whether it takes fills."""
        return self.is_open and self.state.timestamp >= self.auction.starts_at

    @property
    def ends_at(self) -> int:
        """{s} its last second of fills: it also ends with its plan."""
        return min(self.auction.ends_at, self.state.plan.expires_at - 1)

    @property
    def public_from(self) -> int:
        """{s} from when anyone may open the next one, if the live plan lasts so long."""
        opens = self.state.plan.started_at + self.policy.strategist_window
        return max(opens, self.auction.ends_at + 1) if self.is_open else opens

    @property
    def surpluses(self) -> tuple[ComponentState, ...]:
        """What may be sold, in the order of the components."""
        return tuple(item for item in self.state.components if item.surplus)

    @property
    def deficits(self) -> tuple[ComponentState, ...]:
        """What may be bought."""
        return tuple(item for item in self.state.components if item.deficit)


@dataclass(frozen=True, kw_only=True)
class FillPlan:
    """A fill as it will be sent. `tokens`: the components. {tok}: `get` for `pay` at this moment, `min_get` and `max_pay` bound what may change until
    it is mined. `offset` {ppm}; `asked` is what was asked for, more than `get` where the plan has less to give."""

    house: str
    index: str
    symbol: str
    tokens: tuple[str, ...]
    plan_id: int
    auction_id: int
    sell: ComponentState
    buy: ComponentState
    asked: int
    get: int
    pay: int
    min_get: int
    max_pay: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What a fill did. {tok}, values {nUSD} at the prices the auction used, rounded against the filler."""

    sell: ComponentState
    buy: ComponentState
    got: int
    paid: int
    got_value: int
    paid_value: int
    gas_used: int
    tx: str

    @property
    def paid_bps(self) -> float:
        """How far above the oracle's price it was, as a part of what was got; negative is below."""
        return (self.paid_value - self.got_value) * BPS / self.got_value if self.got_value else 0.0


# --- read -------------------------------------------------------------------------------------------------------------


def house_of(w3: Web3, core: Core) -> Contract:
    """The auction house of a core. Through Multicall3, so that a node that answers with nothing is told from a contract that does."""
    (answer,) = call_many(w3, core.multicall3, [(core.rebalancer, "auctions()")])
    if not answer:
        raise ChainError(
            f"there is no rebalancer with auctions at {core.rebalancer}; check the network, or deploy the core"
        )
    return at(w3, artifact("AuctionHouse"), to_checksum_address(answer[12:32]))


def policy_and_auction(
    w3: Web3, core: Core, house: Contract, index: str, *, block: int
) -> tuple[AuctionPolicy, Auction]:
    """Policy and last auction of an index at a block, in one request."""
    names = ("auctionPolicyOf", "auctionOf")
    calls = [(house.address, bytes.fromhex(house.encode_abi(name, [index])[2:])) for name in names]
    _, (policy, auction) = aggregate(w3, core.multicall3, calls, hex(block))
    if not policy or not auction:
        raise ChainError(f"there is no auction house at {house.address}; check the network, or deploy the core")
    return _policy_of(decode(["uint256"] * 8, policy)), _auction_of(
        decode(["uint256"] * 4 + ["int256"] * 2 + ["uint256"], auction)
    )


def read_auctions(w3: Web3, core: Core, index: str, *, quotes: bool = True) -> Auctions:
    """Plan, policy, auction and, while it takes fills, what filling each pair costs; all of one block."""
    house, state = house_of(w3, core), read_state(w3, core, index)
    policy, auction = policy_and_auction(w3, core, house, index, block=state.block_number)
    view = Auctions(house=house.address, state=state, policy=policy, auction=auction)
    if not (quotes and view.is_live):
        return view
    return Auctions(
        house=house.address, state=state, policy=policy, auction=auction, quotes=_quotes(w3, core, house, view)
    )


def _quotes(w3: Web3, core: Core, house: Contract, view: Auctions) -> tuple[Quote, ...]:
    """Every surplus for every deficit, in one request; for a pair that is refused one more, which tells why."""
    pairs = list(product(view.surpluses, view.deficits))
    calls = [
        (house.address, bytes.fromhex(house.encode_abi("quote", [view.state.index, s.token, b.token, s.surplus])[2:]))
        for s, b in pairs
    ]
    if not calls:
        return ()
    _, answers = aggregate(w3, core.multicall3, calls, hex(view.state.block_number))
    found = []
    for (sell, buy), answer in zip(pairs, answers, strict=True):
        if answer:
            get, pay, _ = decode(["uint256", "uint256", "int256"], answer)
            found.append(Quote(sell=sell, buy=buy, sell_amount=get, buy_amount=pay))
        else:
            found.append(Quote(sell=sell, buy=buy, refusal=_why_no_quote(house, view, sell, buy)))
    return tuple(found)


def _why_no_quote(house: Contract, view: Auctions, sell: ComponentState, buy: ComponentState) -> str:
    asked = house.functions.quote(view.state.index, sell.token, buy.token, sell.surplus)
    try:
        asked.call(block_identifier=view.state.block_number)
    except (ContractLogicError, Web3RPCError) as error:
        return explain(error)
    return "it could not be asked together with the others; ask again"


# --- open and close ---------------------------------------------------------------------------------------------------


def open_auction(w3: Web3, signer: Signer, core: Core, index: str, terms: AuctionTerms | None = None) -> Auctions:
    """Opens an auction of the live plan, by default on the public terms, and returns what then stands.

    Raises ChainError before anything is sent when it would be refused, TransactionReverted when someone was faster.
    """
    view = read_auctions(w3, core, index, quotes=False)
    terms = terms or AuctionTerms.public(view.policy, manual=view.state.plan.manual)
    require_openable(view, terms)
    require_opener(w3, view, address_of(signer), terms)
    arguments = opening(index, view.state.plan.id, view.auction.id + 1, terms)
    send(w3, signer, house_of(w3, core).functions.openAuction(*arguments))
    return read_auctions(w3, core, index, quotes=False)


def opening(index: str, plan_id: int, auction_id: int, terms: AuctionTerms) -> tuple[str | int, ...]:
    """Arguments of `openAuction`: the plan and the number of the auction are named, so that a copy is refused."""
    curve = CURVES.index(terms.curve)
    return (index, plan_id, auction_id, terms.start_ppm, terms.end_ppm, terms.duration, curve)


def require_openable(view: Auctions, terms: AuctionTerms) -> None:
    """Raises ChainError unless the contract would open an auction on these terms at the block."""
    _require_plan(view)
    if view.is_open:
        raise ChainError(
            f"auction {view.auction.id} of {view.state.symbol} stands until {_time(view.ends_at)}, and there is one at a "
            "time: wait, or close it first"
        )
    policy, manual = view.policy, view.state.plan.manual
    most, least = (0, 0) if manual else (policy.max_premium, -policy.max_discount)
    if manual and (terms.start_ppm, terms.end_ppm) != (0, 0):
        raise ChainError(
            f"plan {view.state.plan.id} of {view.state.symbol} is manual: its auctions follow the governor's price ranges; "
            "open it with start and end 0"
        )
    for name, value, low, high in (
        ("start", terms.start_ppm, terms.end_ppm, most),
        ("end", terms.end_ppm, least, most),
    ):
        if not low <= value <= high:
            raise ChainError(
                f"{name} {_bps(value)} of the oracle's price is outside {_bps(low)} to {_bps(high)}, which "
                f"{'the end of the auction and ' if name == 'start' else ''}the policy of {view.state.symbol} allow"
                f"{'' if name == 'start' else 's'}; choose one inside"
            )
    if not policy.min_duration <= terms.duration <= policy.max_duration:
        raise ChainError(
            f"a duration of {_minutes(terms.duration)} is outside {_minutes(policy.min_duration)} to "
            f"{_minutes(policy.max_duration)}, which the policy of {view.state.symbol} allows; choose one inside"
        )
    if terms.curve not in CURVES:
        raise ChainError(f'"{terms.curve}" is no curve.{did_you_mean(terms.curve, CURVES)} Write linear or exponential')


def require_opener(w3: Web3, view: Auctions, account: str, terms: AuctionTerms) -> None:
    """Raises ChainError unless this account may open an auction on these terms at the block."""
    is_public = terms == AuctionTerms.public(view.policy, manual=view.state.plan.manual)
    if _may(w3, view, account, "openAuction") or (is_public and view.state.timestamp >= view.public_from):
        return
    if is_public:
        raise ChainError(
            f"{account} is no strategist of {view.state.symbol}, and others may open an auction of plan "
            f"{view.state.plan.id} from {_time(view.public_from)}; wait, or sign as strategist"
        )
    raise ChainError(
        f"{account} is no strategist of {view.state.symbol}: others may open an auction from {_time(view.public_from)}, and "
        "only on the public terms; leave them out, or sign as strategist"
    )


def close_auction(w3: Web3, signer: Signer, core: Core, index: str) -> Auctions:
    """Closes the auction that stands, as strategist or guardian, and returns what then stands."""
    view = read_auctions(w3, core, index, quotes=False)
    _require_auction(view)
    account = address_of(signer)
    if not (_may(w3, view, account, "openAuction") or _may(w3, view, account, "closeAuction")):
        raise ChainError(
            f"{account} is neither strategist nor guardian of {view.state.symbol}, and only they close an auction; sign as one"
        )
    send(w3, signer, house_of(w3, core).functions.closeAuction(index, view.auction.id))
    return read_auctions(w3, core, index, quotes=False)


# --- fill -------------------------------------------------------------------------------------------------------------


def plan_fill(
    w3: Web3,
    core: Core,
    index: str,
    sell: str,
    buy: str,
    amount: int,
    *,
    tolerance_bps: int = DEFAULT_TOLERANCE_BPS,
) -> FillPlan:
    """What taking at most `amount` {tok} of the surplus `sell` for the deficit `buy` gets and pays now. Sends nothing.

    `tolerance_bps`: how much less it may get, or more pay, once it is mined. Raises ChainError for what cannot be filled.
    """
    view = read_auctions(w3, core, index, quotes=False)
    _require_auction(view)
    symbol, auction = view.state.symbol, view.auction
    if not view.is_live:
        raise ChainError(
            f"auction {auction.id} of {symbol} is in its warm-up: it takes fills from {_time(auction.starts_at)}, in "
            f"{auction.starts_at - view.state.timestamp} s; wait"
        )
    if view.state.timestamp < view.state.exchange_paused_until:
        raise ChainError(
            f"trading of {symbol} is paused until {_time(view.state.exchange_paused_until)}, fills too; wait, or redeem"
        )
    if not 0 <= tolerance_bps <= MAX_TOLERANCE_BPS:
        raise UnitError(
            f"a tolerance of {tolerance_bps} bps is outside 0..{MAX_TOLERANCE_BPS}; {DEFAULT_TOLERANCE_BPS} is usual"
        )
    if amount <= 0:
        raise UnitError(f"{amount} of {sell}: give more than 0")
    get, pay = (_side(view, name, is_sold=is_sold) for name, is_sold in ((sell, True), (buy, False)))
    try:
        sell_amount, buy_amount, offset = (
            house_of(w3, core)
            .functions.quote(index, get.token, pay.token, amount)
            .call(block_identifier=view.state.block_number)
        )
    except (ContractLogicError, Web3RPCError) as error:
        raise TransactionReverted(f"auction {auction.id} of {symbol} gives no price now: {explain(error)}") from error
    if sell_amount == 0:
        raise ChainError(
            f"{symbol} lacks too little {pay.symbol} ({format_tokens(pay.deficit, pay.decimals)}) to sell any {get.symbol} "
            "for it; name another pair"
        )
    return FillPlan(
        house=view.house,
        index=index,
        symbol=symbol,
        tokens=tuple(item.token for item in view.state.components),
        plan_id=auction.plan_id,
        auction_id=auction.id,
        sell=get,
        buy=pay,
        asked=amount,
        get=sell_amount,
        pay=buy_amount,
        min_get=max(sell_amount * (BPS - tolerance_bps) // BPS, 1),
        max_pay=-(-buy_amount * (BPS + tolerance_bps) // BPS),
        offset=offset,
    )


def fill(w3: Web3, signer: Signer, core: Core, plan: FillPlan) -> Filled:
    """Pays from the signer's own tokens and receives what is sold.

    Approves the auction house exactly the most it may pull, and sets that allowance to zero afterwards, whatever happened.
    Raises InsufficientBalance before anything is sent, TransactionReverted with the reason.
    """
    account, house = address_of(signer), house_of(w3, core)
    require_balances(w3, account, {plan.buy.token: plan.max_pay}, purpose=f"a fill of {plan.symbol}")
    order = (
        plan.index,
        plan.plan_id,
        plan.auction_id,
        plan.sell.token,
        plan.buy.token,
        plan.min_get,
        plan.asked,
        plan.max_pay,
        account,
        NOBODY,
        b"",
    )
    try:
        approve_exactly(w3, signer, plan.house, {plan.buy.token: plan.max_pay})
        receipt = send(
            w3, signer, house.functions.fill(order), spare_gas=valuation_gas(w3, core, plan.tokens, sender=account)
        )
    finally:
        approve_exactly(w3, signer, plan.house, {plan.buy.token: 0})
    return _filled(house, plan, receipt)


def _filled(house: Contract, plan: FillPlan, receipt: TxReceipt) -> Filled:
    mine = [
        event["args"]
        for entry in receipt["logs"]
        if entry["address"] == house.address and entry["topics"][0].to_0x_hex() == str(house.events.FillAuction().topic)
        for event in [house.events.FillAuction().process_log(entry)]
    ]
    if len(mine) != 1:
        raise ChainError(f"transaction {receipt['transactionHash'].to_0x_hex()} tells of {len(mine)} fills, not 1")
    (facts,) = mine
    return Filled(
        sell=plan.sell,
        buy=plan.buy,
        got=int(facts["sold"]),
        paid=int(facts["bought"]),
        got_value=value_down(facts["sold"], facts["sellPrice"]),
        paid_value=value_up(facts["bought"], facts["buyPrice"]),
        gas_used=int(receipt["gasUsed"]),
        tx=receipt["transactionHash"].to_0x_hex(),
    )


# --- internals --------------------------------------------------------------------------------------------------------


def _require_plan(view: Auctions) -> None:
    symbol, plan = view.state.symbol, view.state.plan
    if not view.are_on:
        raise ChainError(
            f"{symbol} has no auctions (its policy allows 0 minutes): give [auctions] max_minutes in the index file before "
            "it is deployed, or have the governor call setAuctionPolicy"
        )
    if not view.state.is_plan_live:
        was = f"plan {plan.id} is over" if plan.id else "there was none yet"
        raise ChainError(f"{symbol} has no live plan ({was}), and auctions are of one: let the keeper start it")


def _require_auction(view: Auctions) -> None:
    """An auction of the live plan stands, in its warm-up or live."""
    _require_plan(view)
    if view.is_open:
        return
    last, symbol = view.auction, view.state.symbol
    if not view.is_of_plan:
        what = f"plan {view.state.plan.id} of {symbol} has had no auction"
    elif last.ends_at == 0:
        what = f"auction {last.id} of {symbol} was closed"
    else:
        what = f"auction {last.id} of {symbol} ended at {_time(last.ends_at)}"
    raise ChainError(f"{what}; open one: the strategist may now, anyone from {_time(view.public_from)}")


def _side(view: Auctions, name: str, *, is_sold: bool) -> ComponentState:
    """The component to sell or to buy. Raises ChainError unless the plan has some of it to move that way."""
    item = find_component(view.state, name)
    plan = f"plan {view.state.plan.id} of {view.state.symbol}"
    choices = view.surpluses if is_sold else view.deficits
    verb = "sells" if is_sold else "buys"
    others = ", ".join(other.symbol for other in choices) or "nothing"
    if not item.planned:
        raise ChainError(f"{item.symbol} has no target in {plan}, so it is not traded; it {verb} {others}")
    if item not in choices:
        raise ChainError(
            f"{item.symbol} is not {'above' if is_sold else 'below'} its target in {plan}; it {verb} {others}"
        )
    return item


def _may(w3: Web3, view: Auctions, account: str, function: str) -> bool:
    """Whether the authority of the index lets the account call this of the auction house now."""
    manager = at(w3, access_manager(), str(index_contract(w3, view.state.index).functions.authority().call()))
    (selector,) = selectors("AuctionHouse", [function])
    return bool(manager.functions.canCall(account, view.house, selector).call()[0])


def _policy_of(values: tuple[int, ...]) -> AuctionPolicy:
    """In the order of IAuctionHouse.AuctionPolicy."""
    names = (
        "max_premium",
        "max_discount",
        "min_duration",
        "max_duration",
        "warm_up",
        "strategist_window",
        "rebalance_fee",
        "keeper_tip",
    )
    return AuctionPolicy(**{name: int(value) for name, value in zip(names, values, strict=True)})


def _auction_of(values: tuple[int, ...]) -> Auction:
    """In the order of IAuctionHouse.Auction."""
    names = ("plan_id", "id", "starts_at", "ends_at", "start_ppm", "end_ppm", "curve")
    return Auction(**{name: int(value) for name, value in zip(names, values, strict=True)})


def _time(seconds: int) -> str:
    return utc_text(datetime.fromtimestamp(seconds, UTC))


def _bps(ppm: int) -> str:
    return f"{ppm / PPM_PER_BPS:+.10g} bps"


def _minutes(seconds: int) -> str:
    return f"{seconds / MINUTE:.10g} minutes"
