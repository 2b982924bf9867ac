"""What a rebalance did, planned against filled: read from the chain's events, so that it is right after a crash too.

Prices are compared with the oracle's mid at the fill. bps are of what was sold, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import cast

from web3 import Web3
from web3.contract.contract import Contract
from web3.types import EventData

from offchain.canonical import canonical_json
from offchain.chain.artifacts import artifact
from offchain.chain.auctions import house_of
from offchain.errors import KeeperError, NotConnected
from offchain.keeper.ledger import Ledger
from offchain.keeper.reading import Places, Situation
from offchain.reference.constants import PPM
from offchain.reference.trade_math import value_down, value_up
from offchain.trading.cost import gas_cost, in_bps
from offchain.trading.plan import aligned
from offchain.trading.targets import drift_of
from offchain.units import NANO, WAD, format_percent, format_tokens, format_usd

FORMAT = "ballast-report/1"


@dataclass(frozen=True, kw_only=True)
class Fill:
    """One swap that happened. {tok}; `value` {nUSD} sold, `loss` {nUSD} against the oracle's mid, negative is a gain.

    `planned_buy`: what the plan expected for what was sold, 0 when the ledger does not know. `gas_cost` {nUSD}.
    """

    step: int
    sell: str
    buy: str
    sold: int
    bought: int
    sell_decimals: int
    buy_decimals: int
    planned_buy: int
    value: int
    loss: int
    gas: int
    gas_cost: int
    block: int
    tx: str

    @property
    def cost_bps(self) -> float:
        return in_bps(self.loss, self.value)

    @property
    def versus_plan_bps(self) -> float:
        """Filled over planned; negative is worse than planned."""
        return in_bps(self.bought - self.planned_buy, self.planned_buy)


@dataclass(frozen=True, kw_only=True)
class AuctionFill:
    """What a taker filled of an auction of the plan; he paid the gas. `sold`, `bought`: (symbol, {tok}, decimals) of each leg.

    `value` {nUSD} sold, `loss` {nUSD} against the oracle's mid, negative is a gain: exact for a pair; of several legs, whose
    prices no event names, reckoned from the turnover that the fill added to the plan, and its price.
    """

    auction: int
    sold: tuple[tuple[str, int, int], ...]
    bought: tuple[tuple[str, int, int], ...]
    value: int
    loss: int
    block: int
    tx: str

    def __str__(self) -> str:
        sold, bought = (
            " + ".join(f"{format_tokens(amount, decimals)} {symbol}" for symbol, amount, decimals in legs)
            for legs in (self.sold, self.bought)
        )
        return (
            f"auction {self.auction}: {sold} for {bought}, {format_usd(_usd(self.value))}, "
            f"{-in_bps(self.loss, self.value):+.1f} bps vs oracle, {self.tx[:10]}"
        )


@dataclass(frozen=True, kw_only=True)
class Report:
    """A finished plan. `nav`, money {nUSD}; `targets`, `results` {symbol: D18}; `drift_after` D18 one-way.

    `nav` is the value at the start; `left` tells what stays and why; `gas` counts the swaps, `other_gas` the start.
    `auctioned`: what takers filled; turnover and cost are of swaps and auctions together.
    """

    symbol: str
    plan_id: int
    started_at: int
    finished_at: int
    block: int
    nav: int
    fills: tuple[Fill, ...]
    gas: int
    other_gas: int
    gas_cost: int
    drift_before: int
    drift_after: int
    targets: Mapping[str, int]
    results: Mapping[str, int]
    additions: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[str, ...] = field(default_factory=tuple)
    auctioned: tuple[AuctionFill, ...] = ()

    @property
    def sold(self) -> int:
        """{nUSD} sold."""
        return sum(fill.value for fill in self.fills) + sum(fill.value for fill in self.auctioned)

    @property
    def loss(self) -> int:
        """{nUSD} lost against the oracle's mid."""
        return sum(fill.loss for fill in self.fills) + sum(fill.loss for fill in self.auctioned)

    @property
    def turnover(self) -> float:
        """One-way, of NAV."""
        return self.sold / self.nav if self.nav else 0.0

    @property
    def cost_bps(self) -> float:
        """Of what was sold."""
        return in_bps(self.loss, self.sold)

    @property
    def nav_cost_bps(self) -> float:
        """Of NAV."""
        return in_bps(self.loss, self.nav)

    @property
    def headline(self) -> str:
        auctioned = (
            f" and {len(self.auctioned)} auction fill{'s' if len(self.auctioned) > 1 else ''}" if self.auctioned else ""
        )
        return (
            f"{self.symbol} plan {self.plan_id}: {len(self.fills)} trades{auctioned}, turnover {format_percent(round(self.turnover, 6))} of "
            f"{format_usd(_usd(self.nav))}, cost {self.cost_bps:g} bps of it ({self.nav_cost_bps:g} bps of NAV), "
            f"gas {format_usd(_usd(self.gas_cost))}, drift {_percent(self.drift_before)} -> {_percent(self.drift_after)}"
        )

    def to_json(self) -> str:
        """Canonical JSON with the derived figures."""
        figures = {
            "turnover": self.turnover,
            "cost_bps": self.cost_bps,
            "nav_cost_bps": self.nav_cost_bps,
            "loss": self.loss,
            "headline": self.headline,
        }
        return canonical_json({"format": FORMAT, "report": self, "figures": figures})

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("#", "sold", "", "bought", "", "USD", "vs oracle bps", "vs plan bps", "gas", "tx")
        ]
        for fill in self.fills:
            rows.append(
                (
                    str(fill.step),
                    format_tokens(fill.sold, fill.sell_decimals),
                    fill.sell,
                    format_tokens(fill.bought, fill.buy_decimals),
                    fill.buy,
                    format_usd(_usd(fill.value)),
                    f"{-fill.cost_bps:+.1f}",
                    f"{fill.versus_plan_bps:+.1f}" if fill.planned_buy else "?",
                    f"{fill.gas:,}",
                    fill.tx[:10],
                )
            )
        weights: list[tuple[str, ...]] = [("token", "target", "result", "off")]
        for name, result in self.results.items():
            target = self.targets.get(name, 0)
            weights.append((name, _percent(target), _percent(result), f"{(result - target) * 100 / WAD:+.2f} %"))
        notes = [*map(str, self.auctioned), *(f"left: {item}" for item in self.left)]
        return "\n".join([self.headline, *(aligned(rows) if self.fills else []), "", *aligned(weights), *notes])


def build_report(
    w3: Web3, places: Places, ledger: Ledger, *, plan_id: int, after: Situation, drift_before: int, left: Sequence[str]
) -> Report:
    """The report of a plan from its events and the situation after it."""
    start, swaps = _plan_events(w3, places, plan_id, after.block)
    gas_used = _gas_used(w3, [start, *swaps])
    planned = _planned(ledger, plan_id)
    symbols = {item.token: (item.symbol, item.decimals) for item in after.state.components}
    symbols |= {coin.address: (coin.symbol, coin.decimals) for coin in after.coins.values()}
    fills = tuple(_fill(event, planned, symbols, gas_used, after.ether_price) for event in swaps)
    tokens, weights = start["args"]["tokens"], start["args"]["weights"]
    targets = {_name(symbols, token): int(weight) for token, weight in zip(tokens, weights, strict=True)}
    values = {item.token: item.value for item in after.state.components}
    total = sum(values.values())
    supply_nav = start["args"]["navPerShare"] * after.state.supply // 10**27
    start_gas, start_price = gas_used[start["transactionHash"].to_0x_hex()]
    members = [item.token for item in after.state.components if item.price]
    auctioned = _auction_fills(w3, places, plan_id, after.block, swaps, symbols, supply_nav)
    return Report(
        symbol=after.state.symbol,
        plan_id=plan_id,
        started_at=_time_of(w3, start),
        finished_at=after.time,
        block=after.block,
        nav=supply_nav,
        fills=fills,
        gas=sum(fill.gas for fill in fills),
        other_gas=start_gas,
        gas_cost=sum(fill.gas_cost for fill in fills)
        + gas_cost(start_gas, gas_price=start_price, ether_price=after.ether_price),
        drift_before=drift_before,
        drift_after=drift_of(
            [values[token] for token in members], [targets.get(_name(symbols, token), 0) for token in members]
        ),
        targets=targets,
        results={_name(symbols, token): value * WAD // total if total else 0 for token, value in values.items()},
        left=tuple(left),
        auctioned=auctioned,
    )


def _auction_fills(
    w3: Web3,
    places: Places,
    plan_id: int,
    last: int,
    swaps: Sequence[EventData],
    symbols: Mapping[str, tuple[str, int]],
    nav: int,
) -> tuple[AuctionFill, ...]:
    """What takers filled of the auctions of a plan, in order. `nav` {nUSD} of the plan."""
    house = house_of(w3, places.core)
    fills = _events_of(w3, places, house, ("FillAuction", "FillLegs"), last, plan_id)
    if not fills:
        return ()
    found, turnover = [], 0
    for event in sorted((*fills, *swaps), key=lambda item: (item["blockNumber"], item["logIndex"])):
        facts, before, turnover = event["args"], turnover, int(event["args"]["turnover"])
        if event["event"] == "SwapTokens":
            continue
        if event["event"] == "FillAuction":
            legs = [[(facts["sell"], facts["sold"])], [(facts["buy"], facts["bought"])]]
            value = value_up(facts["sold"], facts["sellPrice"])
            loss = value - value_down(facts["bought"], facts["buyPrice"])
        else:
            legs = [[(leg["token"], leg["amount"]) for leg in facts[side]] for side in ("sold", "bought")]
            value = (turnover - before) * nav // WAD
            loss = value - value * int(facts["factor"]) // PPM
        sold, bought = (
            tuple((_name(symbols, token), int(amount), symbols.get(token, ("", 18))[1]) for token, amount in side)
            for side in legs
        )
        found.append(
            AuctionFill(
                auction=int(facts["auctionId"]),
                sold=sold,
                bought=bought,
                value=value,
                loss=loss,
                block=int(event["blockNumber"]),
                tx=event["transactionHash"].to_0x_hex(),
            )
        )
    return tuple(found)


def plan_events(w3: Web3, places: Places, *, last: int, plan_id: int | None = None) -> list[EventData]:
    """StartPlan, SwapTokens and EndPlan of the index up to block `last`, in order; of one plan if given."""
    return _events_of(w3, places, _rebalancer_at(w3, places), ("StartPlan", "SwapTokens", "EndPlan"), last, plan_id)


def _events_of(
    w3: Web3, places: Places, contract: Contract, kinds: Sequence[str], last: int, plan_id: int | None
) -> list[EventData]:
    """Events of the index, of one plan if given, in order; their first topics are index and plan."""
    events = {name: contract.events[name]() for name in kinds}
    names = {str(event.topic): name for name, event in events.items()}
    topics: list[object] = [list(names), "0x" + places.index[2:].lower().rjust(64, "0")]
    if plan_id is not None:
        topics.append("0x" + plan_id.to_bytes(32).hex())
    try:
        logs = w3.eth.get_logs(
            {"address": contract.address, "fromBlock": places.core.block, "toBlock": last, "topics": topics}  # type: ignore[typeddict-item]
        )
    except ValueError as error:  # what web3 makes of null
        raise NotConnected(f"the node gave no list of events up to block {last}; it lags or is overloaded") from error
    return [events[names[entry["topics"][0].to_0x_hex()]].process_log(entry) for entry in logs]


def _plan_events(w3: Web3, places: Places, plan_id: int, last: int) -> tuple[EventData, list[EventData]]:
    """StartPlan and the SwapTokens of a plan, by step."""
    events = plan_events(w3, places, last=last, plan_id=plan_id)
    start = next((event for event in events if event["event"] == "StartPlan"), None)
    if start is None:
        raise KeeperError(f"plan {plan_id} was never started; the report tells of plans that were")
    return start, sorted((e for e in events if e["event"] == "SwapTokens"), key=lambda event: event["args"]["step"])


def _gas_used(w3: Web3, events: Sequence[EventData]) -> dict[str, tuple[int, int]]:
    """Transaction → ({gas} used, {wei/gas} paid)."""
    found = {}
    for event in events:
        receipt = w3.eth.get_transaction_receipt(event["transactionHash"])
        found[event["transactionHash"].to_0x_hex()] = (int(receipt["gasUsed"]), int(receipt["effectiveGasPrice"]))
    return found


def _planned(ledger: Ledger, plan_id: int) -> dict[int, int]:
    """Step → {tok} that were expected, of what this ledger signed."""
    found = {}
    for entry in ledger.entries(kind="signed"):
        body = cast("Mapping[str, object]", entry.body)
        if body["kind"] == "swap" and int(str(body["plan_id"])) == plan_id:
            planned = cast("Mapping[str, object]", body["planned"])
            found[int(str(body["step"]))] = int(str(planned["expected_buy"]))
    return found


def _fill(
    event: EventData,
    planned: Mapping[int, int],
    symbols: Mapping[str, tuple[str, int]],
    gas_used: Mapping[str, tuple[int, int]],
    ether_price: int,
) -> Fill:
    facts = event["args"]
    tx = event["transactionHash"].to_0x_hex()
    gas, gas_price = gas_used[tx]
    value = value_up(facts["sold"], facts["sellPrice"])
    return Fill(
        step=int(facts["step"]),
        sell=_name(symbols, facts["sell"]),
        buy=_name(symbols, facts["buy"]),
        sold=int(facts["sold"]),
        bought=int(facts["bought"]),
        sell_decimals=symbols.get(facts["sell"], ("", 18))[1],
        buy_decimals=symbols.get(facts["buy"], ("", 18))[1],
        planned_buy=planned.get(int(facts["step"]), 0),
        value=value,
        loss=value - value_down(facts["bought"], facts["buyPrice"]),
        gas=gas,
        gas_cost=gas_cost(gas, gas_price=gas_price, ether_price=ether_price),
        block=int(event["blockNumber"]),
        tx=tx,
    )


def _name(symbols: Mapping[str, tuple[str, int]], token: str) -> str:
    return symbols.get(token, ("", 0))[0] or token


def _time_of(w3: Web3, event: EventData) -> int:
    return int(w3.eth.get_block(event["blockNumber"])["timestamp"])


def _rebalancer_at(w3: Web3, places: Places) -> Contract:
    return w3.eth.contract(address=w3.to_checksum_address(places.core.rebalancer), abi=_abi())


@cache
def _abi() -> list[dict[str, object]]:
    return artifact("Rebalancer").abi


def _percent(weight: int) -> str:
    return f"{weight * 100 / WAD:.2f} %"


def _usd(value: int) -> float:
    return round(value / NANO, 2)
