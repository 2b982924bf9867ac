"""Stage `simulate`: the node executes every transaction of a proposal in order, on the pinned state, and keeps nothing.

Uses `eth_simulateV1` (geth and its relatives, anvil), with block times that respect the cool-downs. A node without it is
asked for the first transaction by `eth_call`, and the rest stays as the exact pool arithmetic has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from web3 import Web3
from web3.exceptions import ContractLogicError, Web3RPCError

from offchain.canonical import keccak_hex
from offchain.chain.transactions import MAX_TX_GAS, decode_error, explain
from offchain.errors import ChainError, NotConnected
from offchain.keeper import calls
from offchain.keeper.asking import answered, is_trouble
from offchain.keeper.outcomes import Halt, Stop
from offchain.keeper.planning import Proposal, Settings
from offchain.keeper.reading import Places, Situation
from offchain.trading.plan import aligned
from offchain.units import BPS, format_tokens

BLOCK_TIME = 12  # {s}
METHOD_NOT_FOUND = -32601


@dataclass(frozen=True, kw_only=True)
class Step:
    """One simulated transaction. `bought`, `expected` {tok}, zero for start and end; `error` empty when it succeeded."""

    name: str
    gas: int
    bought: int = 0
    expected: int = 0
    decimals: int = 0
    error: str = ""

    @property
    def gap_bps(self) -> int:
        """How far the fill lies below the plan, rounded up; negative when it is better."""
        return -((self.bought - self.expected) * BPS // self.expected) if self.expected else 0


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What the node says a proposal would do. `method`: how it was asked."""

    proposal_hash: str
    block: int
    method: str
    steps: tuple[Step, ...]

    @property
    def gas(self) -> int:
        return sum(step.gas for step in self.steps)

    @property
    def simulation_hash(self) -> str:
        return keccak_hex(self)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("transaction", "gas", "bought", "planned", "")]
        for step in self.steps:
            amounts = [
                format_tokens(value, step.decimals) if step.expected else "" for value in (step.bought, step.expected)
            ]
            rows.append((step.name, f"{step.gas:,}" if step.gas else "", *amounts, step.error))
        return "\n".join([f"simulated on block {self.block} by {self.method}", *aligned(rows)])


def simulate(w3: Web3, places: Places, situation: Situation, proposal: Proposal) -> Simulation:
    """Stage `simulate`. Whether the result is good enough, `require_as_planned` says."""
    names, payloads, times = _transactions(places, situation, proposal)
    answer = w3.provider.make_request(
        "eth_simulateV1",  # type: ignore[arg-type]
        [_request(places, situation, payloads, times), hex(situation.block)],
    )
    error = answer.get("error")
    if error and (error.get("code") == METHOD_NOT_FOUND or "not supported" in str(error.get("message", "")).lower()):
        return _first_by_call(w3, places, situation, proposal, names, payloads)
    if error and is_trouble(ChainError(str(error.get("message", "")))):
        raise NotConnected(f"eth_simulateV1: {error.get('message')}")
    if error:
        steps = [Step(name=names[0], gas=0, error=str(error.get("message", error)))]
    else:
        steps = _steps(
            proposal, names, cast("Sequence[Mapping[str, object]]", answered(answer["result"], "eth_simulateV1"))
        )
    return Simulation(
        proposal_hash=proposal.proposal_hash, block=situation.block, method="eth_simulateV1", steps=tuple(steps)
    )


def require_as_planned(simulation: Simulation, settings: Settings) -> None:
    """Raises Stop with Halt unless every transaction succeeds and fills about what the plan says."""
    for step in simulation.steps:
        if step.error:
            raise Stop(Halt(reason=f"the simulated {step.name} reverts: {step.error}; nothing is sent"))
        if not step.gap_bps <= settings.max_simulation_gap_bps:
            raise Stop(
                Halt(
                    reason=f"the simulated {step.name} brings {step.gap_bps} bps less than planned, "
                    f"the limit is {settings.max_simulation_gap_bps}; nothing is sent"
                )
            )


def _transactions(places: Places, situation: Situation, proposal: Proposal) -> tuple[list[str], list[str], list[int]]:
    """Name, calldata and block time of each transaction."""
    now = situation.time
    names, payloads, times = [], [], []
    if proposal.start is not None:
        now += BLOCK_TIME
        names.append("start")
        payloads.append(calls.start_plan(places, proposal.start))
        times.append(now)
    cooldown = situation.state.policy.cooldown
    ready: dict[str, int] = {}
    for offset, trade in enumerate(proposal.trades.trades):
        now = max(now + BLOCK_TIME, trade.start_at, ready.get(trade.sell, 0), ready.get(trade.buy, 0))
        ready[trade.sell] = ready[trade.buy] = now + cooldown
        step = proposal.first_step + offset
        names.append(f"swap {step} {trade.sell_symbol}->{trade.buy_symbol}")
        payloads.append(calls.swap(places, trade, plan_id=proposal.plan_id, step=step))
        times.append(now)
    names.append("end")
    payloads.append(calls.end_plan(places, proposal.plan_id))
    times.append(now + BLOCK_TIME)
    return names, payloads, times


def _request(places: Places, situation: Situation, payloads: Sequence[str], times: Sequence[int]) -> dict[str, object]:
    def call(data: str) -> dict[str, str]:
        return {"from": situation.keeper, "to": places.core.rebalancer, "data": data, "gas": hex(MAX_TX_GAS)}

    return {
        "blockStateCalls": [
            {"blockOverrides": {"time": hex(time)}, "calls": [call(data)]}
            for data, time in zip(payloads, times, strict=True)
        ],
        "validation": False,
    }


def _steps(proposal: Proposal, names: Sequence[str], blocks: Sequence[Mapping[str, object]]) -> list[Step]:
    trades = iter(proposal.trades.trades)
    steps = []
    for name, block in zip(names, blocks, strict=False):
        result = cast("Sequence[Mapping[str, object]]", block["calls"])[0]
        succeeded = int(str(result["status"]), 16) == 1
        data = str(result.get("returnData") or "0x")
        trade = next(trades) if name.startswith("swap") else None
        steps.append(
            Step(
                name=name,
                gas=int(str(result["gasUsed"]), 16),
                bought=int(data, 16) if trade and succeeded else 0,
                expected=trade.expected_buy if trade else 0,
                decimals=trade.buy_decimals if trade else 0,
                error="" if succeeded else _reason(result, data),
            )
        )
        if not succeeded:
            break
    return steps


def _reason(result: Mapping[str, object], data: str) -> str:
    error = result.get("error")
    if isinstance(error, Mapping) and str(error.get("data") or "").startswith("0x"):
        data = str(error["data"])
    if len(data) >= 10:
        return decode_error(data)
    return str(error.get("message")) if isinstance(error, Mapping) else "no reason given"


def _first_by_call(
    w3: Web3, places: Places, situation: Situation, proposal: Proposal, names: Sequence[str], payloads: Sequence[str]
) -> Simulation:
    trade = proposal.trades.trades[0] if proposal.start is None and proposal.trades.trades else None
    expected, decimals = (trade.expected_buy, trade.buy_decimals) if trade else (0, 0)
    try:
        data = w3.eth.call(
            {"from": situation.keeper, "to": places.core.rebalancer, "data": payloads[0]},  # type: ignore[typeddict-item]
            block_identifier=situation.block,
        )
        bought = int.from_bytes(data[:32]) if trade else 0
        step = Step(name=names[0], gas=0, bought=bought, expected=expected, decimals=decimals)
    except (ContractLogicError, Web3RPCError) as error:
        step = Step(name=names[0], gas=0, error=explain(error))
    return Simulation(
        proposal_hash=proposal.proposal_hash,
        block=situation.block,
        method="eth_call, first transaction only",
        steps=(step,),
    )
