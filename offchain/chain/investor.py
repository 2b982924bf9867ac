"""What an investor does: look, mint, redeem, claim. The scripts, the demo and the tests all call these.

    preview = preview_mint(w3, core, index, to_shares("2.5"), account=alice)
    done = mint(w3, alice, core, index, to_shares("2.5"))

`index` is an address. Everything that can be known beforehand is checked before anything is sent: balances, allowances,
pauses, caps, and whether each leg of a redemption can be paid. Amounts {tok}, shares {share}, values {nUSD}.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from web3 import Web3
from web3.contract.contract import Contract
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.logs import DISCARD
from web3.types import TxReceipt

from offchain.canonical import utc_text
from offchain.chain.core import Core, erc20, index_contract
from offchain.chain.deploy import approve_exactly, read_words
from offchain.chain.reads import ComponentState, IndexState, read_state
from offchain.chain.transactions import Signer, address_of, explain, send
from offchain.errors import (
    ChainError,
    InsufficientAllowance,
    InsufficientBalance,
    TransactionReverted,
    UnitError,
    did_you_mean,
)
from offchain.units import BPS, D27, SHARE_DECIMALS, format_tokens

DEFAULT_SLIPPAGE_BPS = 10
MAX_SLIPPAGE_BPS = 1_000


class LegsBlocked(TransactionReverted):
    """Some legs of a redemption cannot be paid now. `defer` names the components whose legs would have to wait."""

    def __init__(self, message: str, defer: tuple[str, ...]) -> None:
        super().__init__(message)
        self.defer = defer


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One component of a mint or redemption. `limit`: the most that is given, the least that is taken.

    `balance` of the account; `allowance` to the index, zero where it does not matter; `deferred`: owed, not paid.
    """

    token: str
    symbol: str
    decimals: int
    amount: int
    limit: int
    value: int
    balance: int
    allowance: int = 0
    deferred: bool = False


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a mint or redemption of `shares` would move at `block`. `fee_shares` stay with, or go to, the index."""

    symbol: str
    shares: int
    fee_shares: int
    version: int
    block: int
    legs: tuple[Leg, ...]

    @property
    def value(self) -> int:
        """{nUSD} of all legs; what has no price counts as zero."""
        return sum(leg.value for leg in self.legs)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """What a mined mint or redemption moved, read from its own event. `gas_cost` {wei}; `approvals`: hashes sent before."""

    symbol: str
    shares: int
    fee_shares: int
    legs: tuple[Leg, ...]
    tx: str
    block: int
    gas_used: int
    gas_cost: int
    approvals: tuple[str, ...] = ()

    @property
    def value(self) -> int:
        """{nUSD} of all legs."""
        return sum(leg.value for leg in self.legs)


# --- mint -------------------------------------------------------------------------------------------------------------


def preview_mint(
    w3: Web3,
    core: Core,
    index: str,
    shares: int,
    *,
    account: str,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
) -> Preview:
    """What minting `shares` would take from `account`. Limits lie `max_slippage_bps` above, rounded up."""
    _check_amounts(shares, max_slippage_bps)
    state = read_state(w3, core, index)
    token = index_contract(w3, index)
    amounts, fee = token.functions.previewMint(shares).call(block_identifier=state.block_number)
    held = _balances(w3, state, account)
    calls = [(item.token, erc20(w3, item.token).encode_abi("allowance", [account, index])) for item in state.components]
    allowed = read_words(w3, calls)
    limits = [-(-amount * (BPS + max_slippage_bps) // BPS) for amount in amounts]
    return _preview(state, shares, fee, amounts, limits, held, allowed)


def require_mintable(state: IndexState, shares: int) -> None:
    """Raises TransactionReverted when the index would refuse any mint, or this many shares."""
    if state.deprecated:
        raise TransactionReverted(f"{state.symbol} is deprecated: it only redeems; choose another index")
    if state.timestamp < state.mint_paused_until:
        until = utc_text(datetime.fromtimestamp(state.mint_paused_until, UTC))
        raise TransactionReverted(f"minting {state.symbol} is paused until {until}; redeeming works, or wait")
    if state.supply + shares > state.supply_cap:
        room = max(0, state.supply_cap - state.supply)
        raise TransactionReverted(
            f"{format_tokens(shares, SHARE_DECIMALS)} shares would pass the supply cap of {state.symbol}: "
            f"room for {format_tokens(room, SHARE_DECIMALS)} of {format_tokens(state.supply_cap, SHARE_DECIMALS)}"
        )


def require_funds(preview: Preview, account: str, *, way_out: str = "Buy it, or mint less") -> None:
    """Raises InsufficientBalance naming every component of which the account holds too little."""
    short = [leg for leg in preview.legs if leg.balance < leg.amount]
    if short:
        raise InsufficientBalance(
            f"{account} holds too little to mint {format_tokens(preview.shares, SHARE_DECIMALS)} {preview.symbol}: "
            + "; ".join(_have_need(leg, leg.balance, leg.amount) for leg in short)
            + f". {way_out}"
        )


def require_allowances(preview: Preview, account: str, index: str) -> None:
    """Raises InsufficientAllowance naming every component that the index may not pull."""
    short = [leg for leg in preview.legs if leg.allowance < leg.amount]
    if short:
        raise InsufficientAllowance(
            f"{account} has not approved enough for {preview.symbol} at {index}: "
            + "; ".join(_have_need(leg, leg.allowance, leg.amount) for leg in short)
            + ". Approve it first, or let the mint do it"
        )


def mint(
    w3: Web3,
    signer: Signer,
    core: Core,
    index: str,
    shares: int,
    *,
    receiver: str | None = None,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
    approve: bool = True,
) -> Movement:
    """Mints `shares` before the fee to `receiver` (default: the signer).

    Approves each component up to its limit, and no more, where the allowance is too low; with `approve=False` that is
    InsufficientAllowance. Everything is checked before the first approval is sent.
    """
    account = address_of(signer)
    preview = preview_mint(w3, core, index, shares, account=account, max_slippage_bps=max_slippage_bps)
    require_mintable(read_state(w3, core, index, preview.block), shares)
    require_funds(preview, account)
    if not approve:
        require_allowances(preview, account, index)
    needed = {leg.token: leg.limit for leg in preview.legs if leg.allowance < leg.amount}
    approvals = approve_exactly(w3, signer, index, needed)
    token = index_contract(w3, index)
    limits = [leg.limit for leg in preview.legs]
    receipt = send(w3, signer, token.functions.mint(shares, preview.version, limits, receiver or account))
    event = token.events.Mint().process_receipt(receipt, errors=DISCARD)[0]["args"]
    return _movement(preview, receipt, event["feeShares"], event["amountsIn"], approvals=approvals)


# --- redeem -----------------------------------------------------------------------------------------------------------


def preview_redeem(
    w3: Web3,
    core: Core,
    index: str,
    shares: int,
    *,
    account: str,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
    defer: Iterable[str] = (),
) -> Preview:
    """What redeeming `shares` would pay. `defer`: symbols or addresses of components that become claims."""
    _check_amounts(shares, max_slippage_bps)
    state = read_state(w3, core, index)
    mask = defer_mask(state, defer)
    try:
        answer = index_contract(w3, index).functions.previewRedeem(shares).call(block_identifier=state.block_number)
    except (ContractLogicError, Web3RPCError):  # a component does not answer: the lens counts it as empty
        net = shares - _fee_up(shares, state.redeem_fee)
        answer = ([net * item.available // state.supply for item in state.components], shares - net)
    amounts, fee = answer
    limits = [amount * (BPS - max_slippage_bps) // BPS for amount in amounts]
    held = [0 for _ in state.components]
    return _preview(state, shares, fee, amounts, limits, held, held, mask=mask)


def redeem(
    w3: Web3,
    signer: Signer,
    core: Core,
    index: str,
    shares: int,
    *,
    receiver: str | None = None,
    max_slippage_bps: int = DEFAULT_SLIPPAGE_BPS,
    defer: Iterable[str] = (),
) -> Movement:
    """Redeems `shares` of the signer in kind, paid to `receiver` (default: the signer).

    Raises InsufficientBalance, or LegsBlocked with the names to defer when a component cannot be transferred now.
    """
    account = address_of(signer)
    token = index_contract(w3, index)
    preview = preview_redeem(
        w3, core, index, shares, account=account, max_slippage_bps=max_slippage_bps, defer=tuple(defer)
    )
    held = int(token.functions.balanceOf(account).call())
    if held < shares:
        raise InsufficientBalance(
            f"{account} holds {format_tokens(held, SHARE_DECIMALS, places=18)} {preview.symbol}, "
            f"needs {format_tokens(shares, SHARE_DECIMALS, places=18)} to redeem"
        )
    to = receiver or account
    mask = _mask_of(preview)
    limits = [leg.limit for leg in preview.legs]
    require_payable(w3, preview, index, account, to)
    receipt = send(w3, signer, token.functions.redeem(shares, preview.version, limits, account, to, mask))
    event = token.events.Redeem().process_receipt(receipt, errors=DISCARD)[0]["args"]
    return _movement(preview, receipt, event["feeShares"], event["amountsOut"])


def require_payable(w3: Web3, preview: Preview, index: str, owner: str, receiver: str) -> None:
    """Simulates the redemption. Raises LegsBlocked naming the legs that cannot be paid, TransactionReverted otherwise."""
    token = index_contract(w3, index)
    chosen = _mask_of(preview)
    reason = _why_not(w3, token, preview, owner, receiver, [chosen])[0]
    if reason is None:
        return
    count = len(preview.legs)
    everything = (1 << count) - 1
    # One leg at a time: all others deferred. The last one defers them all, and must then succeed.
    masks = [everything & ~(1 << i) for i in range(count)] + [everything]
    *single, all_deferred = _why_not(w3, token, preview, owner, receiver, masks)
    if all_deferred is not None:
        raise TransactionReverted(f"redeeming {preview.symbol} would fail: {reason}")
    blocked = [
        (leg, why)
        for i, (leg, why) in enumerate(zip(preview.legs, single, strict=True))
        if why is not None and not chosen >> i & 1
    ]
    if not blocked:
        raise TransactionReverted(f"redeeming {preview.symbol} would fail: {reason}")
    names = [*(leg.symbol for leg in preview.legs if leg.deferred), *(leg.symbol for leg, _ in blocked)]
    causes = "; ".join(f"{leg.symbol} cannot be paid now ({why})" for leg, why in blocked)
    raise LegsBlocked(
        f"{causes}. Redeem with these legs deferred: {','.join(names)}; they become claims, paid when the token moves again",
        tuple(names),
    )


def claim(
    w3: Web3, signer: Signer, core: Core, index: str, component: str, *, account: str | None = None
) -> tuple[int, str]:
    """Pays what deferred legs of a component owe to `account` (default: the signer); returns {tok} and the hash."""
    state = read_state(w3, core, index)
    owner = account or address_of(signer)
    token = component if Web3.is_address(component) else find_component(state, component).token
    contract = index_contract(w3, index)
    owed = int(contract.functions.claimOf(token, owner).call())
    if owed == 0:
        raise ChainError(f"{state.symbol} owes {owner} no {component}; nothing to claim")
    receipt = send(w3, signer, contract.functions.claim(token, owner, owner))
    return owed, receipt["transactionHash"].to_0x_hex()


def claims_of(w3: Web3, core: Core, index: str, account: str) -> dict[str, int]:
    """Component address → {tok} that deferred legs owe to an account; only what is not zero."""
    state = read_state(w3, core, index)
    contract = index_contract(w3, index)
    calls = [(index, contract.encode_abi("claimOf", [item.token, account])) for item in state.components]
    return {item.token: owed for item, owed in zip(state.components, read_words(w3, calls), strict=True) if owed}


def defer_mask(state: IndexState, names: Iterable[str]) -> int:
    """Bit `i` for each named component; raises ChainError for a name that is not in the basket."""
    mask = 0
    for name in names:
        mask |= 1 << state.components.index(find_component(state, name))
    return mask


def find_component(state: IndexState, name: str) -> ComponentState:
    """A component by symbol or address. Raises ChainError for an unknown or ambiguous name."""
    found = [item for item in state.components if name.casefold() in (item.symbol.casefold(), item.token.casefold())]
    if len(found) == 1:
        return found[0]
    symbols = [item.symbol for item in state.components]
    if found:
        raise ChainError(f"{state.symbol} has {len(found)} components called {name}; give the address of one")
    raise ChainError(
        f"{name} is not a component of {state.symbol}.{did_you_mean(name, symbols)} It holds: {', '.join(symbols)}"
    )


# --- internals --------------------------------------------------------------------------------------------------------


def _check_amounts(shares: int, slippage: int) -> None:
    if shares <= 0:
        raise UnitError(f"{shares} shares: give more than 0, at least 1e-18 of one")
    if not 0 <= slippage <= MAX_SLIPPAGE_BPS:
        raise UnitError(f"a slippage of {slippage} bps is outside 0..{MAX_SLIPPAGE_BPS}; 10 is usual")


def _fee_up(shares: int, fee: int) -> int:
    return -(-shares * fee // 10**18)


def _balances(w3: Web3, state: IndexState, account: str) -> list[int]:
    return read_words(
        w3, [(item.token, erc20(w3, item.token).encode_abi("balanceOf", [account])) for item in state.components]
    )


def _preview(
    state: IndexState,
    shares: int,
    fee: int,
    amounts: Sequence[int],
    limits: Sequence[int],
    held: Sequence[int],
    allowed: Sequence[int],
    *,
    mask: int = 0,
) -> Preview:
    legs = tuple(
        Leg(
            token=item.token,
            symbol=item.symbol or item.token,
            decimals=item.decimals if item.decimals <= 36 else 0,
            amount=amount,
            limit=limits[i],
            value=amount * item.price // D27,
            balance=held[i],
            allowance=allowed[i],
            deferred=bool(mask >> i & 1),
        )
        for i, (item, amount) in enumerate(zip(state.components, amounts, strict=True))
    )
    return Preview(
        symbol=state.symbol,
        shares=shares,
        fee_shares=fee,
        version=state.version,
        block=state.block_number,
        legs=legs,
    )


def _movement(
    preview: Preview, receipt: TxReceipt, fee: int, amounts: Sequence[int], *, approvals: Sequence[str] = ()
) -> Movement:
    legs = tuple(
        Leg(
            token=leg.token,
            symbol=leg.symbol,
            decimals=leg.decimals,
            amount=amount,
            limit=leg.limit,
            value=amount * leg.value // leg.amount if leg.amount else 0,
            balance=leg.balance,
            deferred=leg.deferred,
        )
        for leg, amount in zip(preview.legs, amounts, strict=True)
    )
    gas = int(receipt["gasUsed"])
    return Movement(
        symbol=preview.symbol,
        shares=preview.shares,
        fee_shares=int(fee),
        legs=legs,
        tx=receipt["transactionHash"].to_0x_hex(),
        block=int(receipt["blockNumber"]),
        gas_used=gas,
        gas_cost=gas * int(receipt["effectiveGasPrice"]),
        approvals=tuple(approvals),
    )


def _mask_of(preview: Preview) -> int:
    return sum(1 << i for i, leg in enumerate(preview.legs) if leg.deferred)


def _have_need(leg: Leg, have: int, need: int) -> str:
    places = leg.decimals
    return (
        f"{leg.symbol} has {format_tokens(have, places, places=places)}, "
        f"needs {format_tokens(need, places, places=places)}"
    )


def _why_not(
    w3: Web3, token: Contract, preview: Preview, owner: str, receiver: str, masks: Sequence[int]
) -> list[str | None]:
    """Why a redemption with each mask would revert now; None where it would not. One request each: nodes stop a batch
    at nothing, but the first refusal of `rpc_batch` would hide the others."""
    limits = [leg.limit for leg in preview.legs]
    reasons: list[str | None] = []
    for mask in masks:
        # What is deferred needs no limit here: a token that does not answer has no amount.
        least = [0 if mask >> i & 1 else limit for i, limit in enumerate(limits)]
        try:
            token.functions.redeem(preview.shares, preview.version, least, owner, receiver, mask).call({"from": owner})
            reasons.append(None)
        except (ContractLogicError, Web3RPCError) as error:
            reasons.append(explain(error))
    return reasons
