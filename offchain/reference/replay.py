"""Everything an index stores, rebuilt from its events alone: promise G6, and the past for whoever needs it.

    state = replay(logs)             in the order of the chain
    apply(state, log)                one more

What the index holds is what its own events moved: gifts and rebases have no event, so they move nothing here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from offchain.reference import basket_math, budget_math
from offchain.reference.basket_math import SupplyWord
from offchain.reference.constants import MAX_MODULE_FEE, MODULE_FEE_WINDOW, WAD
from offchain.reference.model import FOREVER

ZERO = "0x" + "00" * 20


@dataclass(frozen=True)
class Log:
    """A decoded event: who emitted it, its name, its arguments by name, and the {s} of its block."""

    address: str
    name: str
    args: Mapping[str, object]
    timestamp: int


@dataclass
class Replayed:
    """One index after its events. Amounts {tok} by token, shares {share} by account, `fees` D18, times {s}."""

    word: SupplyWord = SupplyWord(base=0, issued=0, since=0)
    shares: Counter[str] = field(default_factory=Counter)
    claims: Counter[tuple[str, str]] = field(default_factory=Counter)
    owed: Counter[str] = field(default_factory=Counter)
    reserves: Counter[str] = field(default_factory=Counter)
    deferred: Counter[str] = field(default_factory=Counter)  # of the redemption that is being read
    components: tuple[str, ...] = ()
    version: int = 0
    fees: list[int] = field(default_factory=lambda: [0, 0, 0, 0])  # streaming fee, streaming rate, mint fee, redeem fee
    supply_cap: int = 0
    fee_recipient: str = ZERO
    mint_paused_until: int = 0
    exchange_paused_until: int = 0
    fee_module: str = ZERO
    module_used: tuple[int, int] = (0, 0)
    notices: dict[tuple[bytes, int], int] = field(default_factory=dict)

    def module_fee_left(self, now: int) -> int:
        """D18 of the supply that modules may still take within their window."""
        used, at = self.module_used
        return MAX_MODULE_FEE - budget_math.used_after(used, MAX_MODULE_FEE, MODULE_FEE_WINDOW, now - at)

    def supply(self, now: int) -> int:
        """{share} with the streaming fee up to `now`."""
        return basket_math.effective_supply(self.word, self.fees[1], now)


def replay(logs: Iterable[Log]) -> Replayed:
    """Rebuilds the state from the index's own logs, in order."""
    state = Replayed()
    for log in logs:
        apply(state, log)
    return state


def apply(state: Replayed, log: Log) -> None:
    """What one event changes. Events that change nothing here are passed over."""
    args, now = log.args, log.timestamp
    if log.name == "Transfer":
        if args["from"] != ZERO:
            state.shares[str(args["from"])] -= integer(args["value"])
        if args["to"] != ZERO:
            state.shares[str(args["to"])] += integer(args["value"])
    elif log.name == "Bootstrap":
        state.word = SupplyWord(base=0, issued=0, since=now)
        shares = integer(args["shares"])
        state.word = basket_math.enter(state.word, received=shares, supply=shares, now=now)
        _move(state, args["amounts"], 1)
    elif log.name == "Mint":
        shares, fee = integer(args["shares"]), integer(args["feeShares"])
        after = state.supply(now) + shares
        state.word = basket_math.enter(state.word, received=shares - fee, supply=after, now=now)
        _move(state, args["amountsIn"], 1)
    elif log.name == "Redeem":
        shares, fee = integer(args["shares"]), integer(args["feeShares"])
        after = state.supply(now) - (shares - fee)
        state.word = basket_math.leave(state.word, burned=shares, supply=after, now=now)
        _move(state, args["amountsOut"], -1)
        state.reserves.update(state.deferred)  # the deferred legs, named just before, did not leave
        state.deferred.clear()
    elif log.name == "Defer":
        state.claims[str(args["token"]), str(args["account"])] += integer(args["amount"])
        state.owed[str(args["token"])] += integer(args["amount"])
        state.deferred[str(args["token"])] += integer(args["amount"])
    elif log.name == "Claim":
        state.claims[str(args["token"]), str(args["account"])] -= integer(args["amount"])
        state.owed[str(args["token"])] -= integer(args["amount"])
        state.reserves[str(args["token"])] -= integer(args["amount"])
    elif log.name == "Burn":
        shares = integer(args["shares"])
        state.word = basket_math.leave(state.word, burned=shares, supply=state.supply(now) - shares, now=now)
    elif log.name == "MintFeeShares":
        shares, supply = integer(args["shares"]), state.supply(now)
        used = MAX_MODULE_FEE - state.module_fee_left(now) + budget_math.fraction_up(shares, supply)
        state.module_used = (used, now)
        state.word = basket_math.enter(state.word, received=shares, supply=supply + shares, now=now)
    elif log.name == "SetFeeModule":
        state.fee_module = str(args["module"])
    elif log.name == "Collect":
        state.word, _ = basket_math.collect(state.word, rate=state.fees[1], now=now)
    elif log.name == "Exchange":
        for token, amount in cast("tuple[tuple[str, int], ...]", args["sold"]):
            state.reserves[token] -= amount
        for token, amount in cast("tuple[tuple[str, int], ...]", args["bought"]):
            state.reserves[token] += amount
    elif log.name == "UpdateComponents":
        state.version, state.components = integer(args["version"]), cast("tuple[str, ...]", args["components"])
    elif log.name == "SetStreamingFee":
        state.fees[:2] = [integer(args["annualFee"]), integer(args["rate"])]
        state.word = SupplyWord(base=integer(args["base"]), issued=state.word.issued, since=now)
    elif log.name == "SetMintFee":
        state.fees[2] = integer(args["fee"])
    elif log.name == "SetRedeemFee":
        state.fees[3] = integer(args["fee"])
    elif log.name == "SetFeeRecipient":
        state.fee_recipient = str(args["recipient"])
    elif log.name == "SetSupplyCap":
        state.supply_cap = integer(args["wholeShares"]) * WAD
    elif log.name == "PauseMint":
        state.mint_paused_until = integer(args["until"])
    elif log.name == "PauseExchange":
        state.exchange_paused_until = integer(args["until"])
    elif log.name == "ArmPauses":
        state.mint_paused_until = state.exchange_paused_until = 0
    elif log.name == "Deprecate":
        state.mint_paused_until = state.exchange_paused_until = FOREVER


def integer(value: object) -> int:
    """An argument that is a number."""
    return cast("int", value)


def _move(state: Replayed, amounts: object, sign: int) -> None:
    for token, amount in zip(state.components, cast("tuple[int, ...]", amounts), strict=True):
        state.reserves[token] += sign * amount
