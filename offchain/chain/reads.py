"""The whole state of an index at one block, in one request: `read_state(w3, core, index)`.

The dataclasses mirror IIndexLens, field by field, in exact integers. Units as there: {tok}, {share}, {nUSD} = 1e-9 USD,
prices D27{nUSD/tok}, units D27{tok/share}, ratios D18, times {s}.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar, cast

from eth_abi.abi import encode
from eth_typing import ABIComponent
from eth_utils.abi import collapse_if_tuple
from web3 import Web3
from web3.contract.contract import Contract
from web3.types import BlockIdentifier, RPCEndpoint

from offchain.chain.client import rpc
from offchain.chain.core import Core
from offchain.chain.pools import selector
from offchain.chain.transactions import GAS_MARGIN, decode_error
from offchain.errors import ChainError, NotConnected, UnknownIndex
from offchain.units import D27, NANO, WAD

Struct = TypeVar("Struct")

HOLDING_GAS = 20_000  # {gas} to ask a token for the balance of the index, and what is owed of it


@dataclass(frozen=True, kw_only=True)
class PolicyState:
    """IRebalancer.Policy. `max_slippage` ppm; `max_trade`, `max_weight` D18."""

    max_slippage: int
    cooldown: int
    min_interval: int
    max_duration: int
    max_trade: int
    max_weight: int


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """IRebalancer.Plan. `expires_at` 0: ended. `turnover` D18 of NAV so far, `scale` {ppm} of the targets, `streaming_rate`
    D18 a year, `nav_per_share` D27{nUSD/share} at the start, `rebalance_fee` and `keeper_tip` {ppm} of turnover."""

    id: int
    steps: int
    started_at: int
    expires_at: int
    turnover: int
    scale: int
    noted: bool
    manual: bool
    streaming_rate: int
    nav_per_share: int
    rebalance_fee: int
    keeper_tip: int


@dataclass(frozen=True, kw_only=True)
class LimitsState:
    """IExchangeGuard.Limits. Capacities D18 of NAV."""

    loss_capacity: int
    loss_window: int
    turnover_capacity: int
    turnover_window: int
    valuation_max_age: int


@dataclass(frozen=True, kw_only=True)
class ComponentState:
    """One component. `price` 0: there is none. `decimals` 255, `symbol` "": the token does not tell."""

    token: str
    symbol: str
    decimals: int
    available: int
    claims_owed: int
    price: int
    value: int
    unit: int
    planned: bool
    surplus: int
    deficit: int


@dataclass(frozen=True, kw_only=True)
class IndexState:
    """IIndexLens.IndexState at `block_number`. `components` in mask order."""

    index: str
    name: str
    symbol: str
    block_number: int
    timestamp: int
    version: int
    supply: int
    pending_fee_shares: int
    supply_cap: int
    streaming_fee: int
    mint_fee: int
    redeem_fee: int
    fee_recipient: str
    authority: str
    rebalancer: str
    guard: str
    mint_paused_until: int
    exchange_paused_until: int
    deprecated: bool
    nav: int
    nav_per_share: int
    policy: PolicyState
    plan: PlanState
    limits: LimitsState
    loss_used: int
    turnover_used: int
    components: tuple[ComponentState, ...]

    @property
    def tokens(self) -> tuple[str, ...]:
        """Component addresses in mask order."""
        return tuple(component.token for component in self.components)

    @property
    def is_plan_live(self) -> bool:
        """Whether a plan may be traded at the time of the block."""
        return self.timestamp < self.plan.expires_at

    @property
    def weights(self) -> dict[str, int]:
        """Token → D18 share of what has a price, rounded down; empty when nothing has one."""
        return {component.token: component.value * WAD // self.nav for component in self.components} if self.nav else {}

    @property
    def share_price_usd(self) -> float:
        """USD of one whole share, for reading only."""
        # {USD/SHARE} = D27{nUSD/share} * 1e18{share/SHARE} / (1e27 * 1e9)
        return self.nav_per_share * WAD / (D27 * NANO)

    def component(self, token: str) -> ComponentState:
        """The component at an address, or with a symbol."""
        for component in self.components:
            if token in (component.token, component.symbol):
                return component
        raise ChainError(f"{token} is not in {self.symbol}: {', '.join(item.symbol for item in self.components)}")


def read_state(w3: Web3, core: Core, index: str, block: BlockIdentifier = "latest") -> IndexState:
    """Everything about an index at one block, in one request. Pin later reads to `state.block_number`."""
    (answer,) = _ask(w3, core.contract(w3, "lens"), "stateOf", [index], block)
    components = cast("list[Mapping[str, object]]", _function(core.contract(w3, "lens"), "stateOf")["components"])
    return _struct(IndexState, cast("Sequence[object]", answer), components)


def _ask(
    w3: Web3, lens: Contract, name: str, arguments: Sequence[object], block: BlockIdentifier
) -> tuple[object, ...]:
    """One eth_call and nothing else: web3's own `call` asks for the chain id twice besides."""
    at_block = hex(block) if isinstance(block, int) else block
    request = {"to": lens.address, "data": lens.encode_abi(name, list(arguments))}
    response = w3.provider.make_request(RPCEndpoint("eth_call"), [request, at_block])
    error = cast("Mapping[str, object] | None", response.get("error"))
    if error:
        data = error.get("data")
        reason = decode_error(data) if isinstance(data, str) and len(data) >= 10 else error.get("message")
        raise UnknownIndex(f"{arguments[0]} cannot be read as an index ({reason}); check address and chain")
    answer = bytes.fromhex(str(response["result"])[2:])
    if not answer:
        raise UnknownIndex(f"there is no lens at {lens.address}; deploy the core")
    return w3.codec.decode([collapse_if_tuple(cast("ABIComponent", _function(lens, name)))], answer)


def _function(lens: Contract, name: str) -> Mapping[str, object]:
    """What a function of the lens returns, as its ABI says."""
    function = next(entry for entry in lens.abi if entry.get("name") == name)
    return cast("Sequence[Mapping[str, object]]", function["outputs"])[0]  # type: ignore[typeddict-item]


_NESTED: dict[str, type] = {
    "policy": PolicyState,
    "plan": PlanState,
    "limits": LimitsState,
    "components": ComponentState,
}


def _struct(kind: type[Struct], values: Sequence[object], components: Sequence[Mapping[str, object]]) -> Struct:
    """A Solidity struct as its dataclass: fields are matched by name, so that neither side can drift silently."""
    found: dict[str, object] = {}
    for entry, value in zip(components, values, strict=True):
        name = _snake(str(entry["name"]))
        inner = cast("Sequence[Mapping[str, object]]", entry.get("components", ()))
        if entry["type"] == "tuple":
            value = _struct(_NESTED[name], cast("Sequence[object]", value), inner)
        elif entry["type"] == "tuple[]":
            rows = cast("Sequence[Sequence[object]]", value)
            value = tuple(_struct(_NESTED[name], row, inner) for row in rows)
        found[name] = Web3.to_checksum_address(str(value)) if entry["type"] == "address" else value
    expected = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    if set(found) != expected:
        odd = ", ".join(sorted(expected ^ set(found)))
        raise ChainError(f"the compiled lens and {kind.__name__} disagree about {odd}; run `make setup`")
    return kind(**found)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda match: "_" + match[1].lower(), name)


def prices_call(core: Core, tokens: Sequence[str]) -> tuple[str, bytes]:
    """Address and calldata of the question for all their prices, D27{nUSD/tok}, 0 where there is none."""
    return core.lens, selector("pricesOf(address,address[])") + encode(["address", "address[]"], [core.oracle, tokens])


def valuation_gas(w3: Web3, core: Core, tokens: Sequence[str], *, sender: str) -> int:
    """{gas} of valuing a basket of `tokens` anew, which the guard does in the exchange that finds its last valuation too old.

    An exchange that is estimated just before that moment and mined after it takes so much more than its estimate.
    """
    to, data = prices_call(core, tokens)
    prices = rpc(w3, "eth_estimateGas", {"from": sender, "to": to, "data": "0x" + data.hex()})
    if prices is None:
        raise NotConnected("the node answered eth_estimateGas with null; it lags or is overloaded: try another one")
    return int(int(str(prices), 16) * GAS_MARGIN) + HOLDING_GAS * len(tokens)
