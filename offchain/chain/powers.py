"""Every restricted function of the contracts, in words: what it does, whose it usually is, and what bounds it whoever calls.

A test compares this list with the compiled contracts: a restricted function that is missing here fails it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eth_utils.abi import function_abi_to_4byte_selector

from offchain.chain.core import ADMIN, GUARDIAN, STRATEGIST, contract_artifact

NONE = "none: leave before"
SETTINGS = {  # of modules, which the index can give up by `abdicate` as it can its own powers
    ("Rebalancer", "setPolicy"),
    ("Rebalancer", "setAllowed"),
    ("Rebalancer", "setWeightSource"),
    ("Rebalancer", "startManualPlan"),
    ("ExchangeGuard", "setLimits"),
    ("AuctionHouse", "setAuctionPolicy"),
    ("WeightRegistry", "setRules"),
    ("PerformanceFee", "setRate"),
}
FEE_NOTICE = "a rise waits 3 days after its announcement"


@dataclass(frozen=True, kw_only=True)
class Power:
    """One restricted function. `role`: whose it is after a deployment of ours; `limit`: the hard bound in the code."""

    contract: str
    function: str
    role: int
    text: str
    limit: str

    @property
    def can_be_given_up(self) -> bool:
        """Whether `abdicate` of the index freezes it: its own powers, and the settings that modules keep for it."""
        return self.contract == "IndexToken" or (self.contract, self.function) in SETTINGS

    @property
    def selector(self) -> bytes:
        """The first four bytes of a call."""
        return _selectors(self.contract)[self.function]


def _powers(contract: str, rows: Iterable[tuple[str, int, str, str]]) -> tuple[Power, ...]:
    return tuple(
        Power(contract=contract, function=function, role=role, text=text, limit=limit)
        for function, role, text, limit in rows
    )


POWERS = (
    *_powers(
        "IndexToken",
        (
            ("setStreamingFee", ADMIN, "set the streaming fee", f"5 % a year; {FEE_NOTICE}"),
            ("setMintFee", ADMIN, "set the mint fee", f"1 %; {FEE_NOTICE}"),
            ("setRedeemFee", ADMIN, "set the redeem fee", f"1 %; {FEE_NOTICE}"),
            ("announceFee", ADMIN, "announce a higher fee", "the caps of the fees"),
            ("setFeeRecipient", ADMIN, "name who receives fees", "what was earned goes to the old one"),
            ("setFeeModule", ADMIN, "name the fee module", "10 % of the supply in 30 days"),
            ("setSupplyCap", ADMIN, "cap the supply", "stops minting only"),
            ("setRebalancer", ADMIN, "replace the rebalancer", "the guard's budgets"),
            ("setGuard", ADMIN, "replace the guard", NONE),
            ("armPauses", ADMIN, "end pauses, let the guardian pause again", "redeem and claim never pause"),
            ("deprecate", ADMIN, "end minting and trading for good", "redeem and claim go on"),
            ("abdicate", ADMIN, "give up a power of the index for good", "cannot be taken back"),
            ("pauseMint", GUARDIAN, "pause minting", "7 days, once until armed again"),
            ("pauseExchange", GUARDIAN, "pause trading", "7 days, once until armed again"),
        ),
    ),
    *_powers(
        "Rebalancer",
        (
            ("register", ADMIN, "register the index with a policy", "once"),
            ("setPolicy", ADMIN, "set slippage, sizes and times of plans", "slippage 5 %, plans of 14 days"),
            ("setAllowed", ADMIN, "say which tokens may be components", "64 components"),
            ("setWeightSource", ADMIN, "bind plans to the weights that a registry executed", "the guard's budgets"),
            (
                "startManualPlan",
                ADMIN,
                "start a plan in units and price ranges",
                "ranges of a factor 100, the guard's budgets",
            ),
            ("startPlan", STRATEGIST, "start a plan to new weights", "allowed tokens, policy"),
            ("swap", STRATEGIST, "swap towards the plan", "oracle floor, the guard's budgets"),
            ("scalePlan", STRATEGIST, "scale the targets of a plan once", "2 %"),
            ("endPlan", STRATEGIST, "end a plan before it expires", "moves nothing"),
        ),
    ),
    *_powers(
        "AuctionHouse",
        (
            (
                "setAuctionPolicy",
                ADMIN,
                "set the rules of auctions, fee and tip",
                "discount 5 %, fee 0.2 %, tip 0.1 % of turnover",
            ),
            ("openAuction", STRATEGIST, "open an auction of his choice", "the policy's range, the guard's budgets"),
            ("closeAuction", GUARDIAN, "close an auction", "the next may be opened at once"),
        ),
    ),
    *_powers(
        "ExchangeGuard",
        (
            ("register", ADMIN, "register the index with limits", "once"),
            ("setLimits", ADMIN, "set loss and turnover budgets", "loss 5 % of NAV a window of at least 1 hour"),
        ),
    ),
    *_powers(
        "WeightRegistry",
        (
            ("register", ADMIN, "register the index with rules and first weights", "once"),
            ("setRules", ADMIN, "set bounds, delay and methodology of weights", "the rebalancer's policy"),
            ("propose", STRATEGIST, "propose the weights of the next epoch", "the rules; they wait and can be vetoed"),
            ("veto", GUARDIAN, "drop proposed weights", "moves nothing"),
        ),
    ),
    *_powers(
        "PerformanceFee",
        (
            ("register", ADMIN, "register the index with a performance fee", "20 % of gains; once"),
            ("announceRate", ADMIN, "announce a higher performance fee", "20 % of gains"),
            ("setRate", ADMIN, "set the performance fee", f"20 % of gains; {FEE_NOTICE}"),
            ("setInterval", ADMIN, "set the time between performance fees", "7 to 365 days"),
            ("recount", ADMIN, "measure the index anew for the performance fee", "the high-water mark does not fall"),
        ),
    ),
    *_powers(
        "FeeSplitter",
        (
            ("setTable", ADMIN, "say who shares the fees", "fees only"),
            ("finalise", ADMIN, "freeze who shares the fees", "cannot be taken back"),
        ),
    ),
    *_powers("PriceOracle", (("setFeed", ADMIN, "set the price feed of a token", NONE),)),
    *_powers(
        "AccessManager",
        (
            ("grantRole", ADMIN, "give a role", NONE),
            ("revokeRole", ADMIN, "take a role away", "redeem and claim ask none"),
            ("labelRole", ADMIN, "label a role", "moves nothing"),
            ("setRoleAdmin", ADMIN, "let another role give a role", NONE),
            ("setRoleGuardian", ADMIN, "let a role cancel another's waiting calls", "moves nothing"),
            ("setGrantDelay", ADMIN, "make new members wait", "waits itself"),
            ("setTargetFunctionRole", ADMIN, "move a function to another role", "not what was given up"),
            ("setTargetClosed", ADMIN, "close a contract to all roles", "redeem and claim ask none"),
            ("setTargetAdminDelay", ADMIN, "make changes of a contract's roles wait", "shorter only after 5 days"),
            ("updateAuthority", ADMIN, "name another authority for a contract", "not what was given up"),
        ),
    ),
)


def powers_of(contract: str) -> tuple[Power, ...]:
    """The powers over one kind of contract."""
    return tuple(power for power in POWERS if power.contract == contract)


def _selectors(contract: str) -> dict[str, bytes]:
    """Function name → selector of a compiled contract."""
    return {
        str(entry["name"]): function_abi_to_4byte_selector(entry)  # type: ignore[arg-type]
        for entry in contract_artifact(contract).abi
        if entry["type"] == "function"
    }
