"""The weight registry from off chain: its epochs as the events tell them, and the three calls that make one.

read_epoch(w3, core, index, 7)          what was proposed and whether it was executed
rules_of(w3, core, index)               the bounds of every proposal
propose / execute / veto(w3, signer, core, …)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from web3 import Web3
from web3.types import TxReceipt

from offchain.chain.artifacts import artifact
from offchain.chain.core import Core, access_manager
from offchain.chain.transactions import Signer, address_of, at, send
from offchain.errors import ChainError

NOBODY = "0x" + "0" * 40
EXECUTED, PENDING, DROPPED = "executed", "pending", "vetoed or lapsed"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """IWeightRegistry.Rules: D18 and {s}. `methodology`: a contract that recomputes every proposal, or none."""

    min_weight: int
    max_weight: int
    max_change: int
    min_interval: int
    delay: int
    ttl: int
    methodology: str = NOBODY

    def as_tuple(self) -> tuple[object, ...]:
        return (
            self.min_weight,
            self.max_weight,
            self.max_change,
            self.min_interval,
            self.delay,
            self.ttl,
            self.methodology,
        )


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """IWeightRegistry.Epoch: `tokens` in ascending order, `weights` D18 in the same order, hashes as 0x…."""

    index: str
    number: int
    spec_hash: str
    inputs_hash: str
    tokens: tuple[str, ...]
    weights: tuple[int, ...]

    def as_tuple(self) -> tuple[object, ...]:
        return (self.index, self.number, self.spec_hash, self.inputs_hash, list(self.tokens), list(self.weights))

    @property
    def weight_of(self) -> dict[str, int]:
        """{token: D18}."""
        return dict(zip(self.tokens, self.weights, strict=True))


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """An epoch as the chain knows it. Epoch 1 is the governor's and was not proposed: `proposer` is empty then.

    `inputs`: what the methodology was given. `rules`: those that were in force. `status`: one of the three above.
    """

    epoch: Epoch
    status: str
    proposer: str
    inputs: bytes
    rules: Rules
    block: int


def rules_of(w3: Web3, core: Core, index: str) -> Rules:
    """The rules in force. Raises ChainError for an index that is not registered."""
    rules = _rules(core.contract(w3, "registry").functions.rulesOf(index).call())
    if rules.max_weight == 0:
        raise ChainError(f"{index} is not in the weight registry {core.registry}; its governor registers it first")
    return rules


def last_number(w3: Web3, core: Core, index: str) -> int:
    """Number of the last executed epoch, 0 if there was none."""
    return int(core.contract(w3, "registry").functions.bookOf(index).call()[0])


def weights_of(w3: Web3, core: Core, index: str, tokens: Sequence[str]) -> list[int]:
    """D18 weights of the executed epoch."""
    return [int(weight) for weight in core.contract(w3, "registry").functions.weightsOf(index, list(tokens)).call()]


def read_epoch(w3: Web3, core: Core, index: str, number: int) -> EpochRecord:
    """The epoch of that number: the executed one, else what was proposed last. Raises ChainError naming what there is."""
    registry = core.contract(w3, "registry")
    wanted = {"index": index, "number": number}
    executed = _logs(registry.events.Execute(), core, wanted)
    proposed = _logs(registry.events.Propose(), core, wanted)
    if not executed and not proposed:
        last = last_number(w3, core, index)
        there_is = f"the last executed is {last}" if last else "the index is not registered"
        raise ChainError(f"no epoch {number} of {index} in the weight registry {core.registry}: {there_is}")
    log = executed[-1] if executed else proposed[-1]
    epoch = _epoch(log["args"]["epoch"])
    sources = [entry for entry in proposed if _epoch(entry["args"]["epoch"]) == epoch]
    source = sources[-1] if sources else log
    status = EXECUTED if executed else PENDING if _is_pending(registry, epoch) else DROPPED
    return EpochRecord(
        epoch=epoch,
        status=status,
        proposer=str(source["args"].get("proposer", "")),
        inputs=bytes(source["args"].get("inputs", b"")),
        rules=_rules_at(registry, core, index, source),
        block=int(source["blockNumber"]),
    )


def register(w3: Web3, signer: Signer, core: Core, first: Epoch, rules: Rules) -> TxReceipt:
    """Registers an index with the weights it has, as its governor."""
    return send(w3, signer, core.contract(w3, "registry").functions.register(first.as_tuple(), rules.as_tuple()))


def scheduled_registration(w3: Web3, core: Core, index: str, authority: str, governor: str) -> tuple[bytes, int] | None:
    """(calldata, {s} when it can be executed) of a registration that the governor of an index has scheduled, if any."""
    manager, registry = at(w3, access_manager(), authority), core.contract(w3, "registry")
    for event in reversed(manager.events.OperationScheduled().get_logs(from_block=core.block)):
        said = event["args"]
        if (said["caller"], said["target"]) != (governor, core.registry):
            continue
        function, arguments = registry.decode_function_input(said["data"])
        ready_at = int(manager.functions.getSchedule(said["operationId"]).call())
        if function.fn_name == "register" and _epoch(arguments["first"]).index == index and ready_at:
            return bytes(said["data"]), ready_at
    return None


def schedule_registration(w3: Web3, signer: Signer, core: Core, authority: str, first: Epoch, rules: Rules) -> int:
    """Registers at once where the governor has no delay, and returns 0; otherwise schedules it, and returns {s} when it can
    be executed by `execute_registration`: holders have that time to leave.
    """
    manager, contract = at(w3, access_manager(), authority), core.contract(w3, "registry")
    call = contract.functions.register(first.as_tuple(), rules.as_tuple())
    data = contract.encode_abi("register", [first.as_tuple(), rules.as_tuple()])
    if not _has_to_wait(manager, signer, core.registry, data):
        send(w3, signer, call)
        return 0
    send(w3, signer, manager.functions.schedule(core.registry, data, 0))
    found = scheduled_registration(w3, core, first.index, authority, address_of(signer))
    if found is None:
        raise ChainError(
            f"the registration of {first.index} was scheduled, but {authority} does not know it; run again"
        )
    return found[1]


def execute_registration(w3: Web3, signer: Signer, core: Core, authority: str, data: bytes) -> TxReceipt:
    """Executes what the governor scheduled."""
    return send(w3, signer, at(w3, access_manager(), authority).functions.execute(core.registry, data))


def bind(w3: Web3, signer: Signer, core: Core, authority: str, index: str, source: str) -> int:
    """Binds the plans of an index to the weights that `source` executes, as its governor; NOBODY frees them.

    Returns 0 once it is done. Where the governor's actions wait, the first call schedules and returns {s} when a second
    one can execute it.
    """
    manager, rebalancer = at(w3, access_manager(), authority), core.contract(w3, "rebalancer")
    data = rebalancer.encode_abi("setWeightSource", [index, source])
    if not _has_to_wait(manager, signer, core.rebalancer, data):
        send(w3, signer, rebalancer.functions.setWeightSource(index, source))
        return 0
    operation = manager.functions.hashOperation(address_of(signer), core.rebalancer, data).call()
    ready_at = int(manager.functions.getSchedule(operation).call())
    if ready_at == 0:
        send(w3, signer, manager.functions.schedule(core.rebalancer, data, 0))
        return int(manager.functions.getSchedule(operation).call())
    if int(w3.eth.get_block("latest")["timestamp"]) < ready_at:
        return ready_at
    send(w3, signer, manager.functions.execute(core.rebalancer, data))
    return 0


def propose(w3: Web3, signer: Signer, core: Core, epoch: Epoch, inputs: bytes = b"") -> TxReceipt:
    """Proposes an epoch, as strategist."""
    return send(w3, signer, core.contract(w3, "registry").functions.propose(epoch.as_tuple(), inputs))


def execute(w3: Web3, signer: Signer, core: Core, epoch: Epoch) -> TxReceipt:
    """Executes what is pending and ready; anyone may."""
    return send(w3, signer, core.contract(w3, "registry").functions.execute(epoch.as_tuple()))


def veto(w3: Web3, signer: Signer, core: Core, index: str, number: int) -> TxReceipt:
    """Drops what is pending, as guardian."""
    return send(w3, signer, core.contract(w3, "registry").functions.veto(index, number))


# --- methodologies ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OnChainRule:
    """A methodology contract: the name it gives itself, and what its constructor fixed.

    `inner`: the rule inside a DampedStep, `step` D18 of it. What a contract calls itself proves nothing: weights are compared
    with the twin of that name.
    """

    address: str
    name: str
    inner: OnChainRule | None = None
    step: int = 0


def read_rule(w3: Web3, address: str) -> OnChainRule | None:
    """The methodology at an address; None for no methodology."""
    if int(address, 16) == 0:
        return None
    name = str(at(w3, artifact("IMethodology"), address).functions.rule().call())
    if name != "DampedStep":
        return OnChainRule(address=address, name=name)
    damped = at(w3, artifact("DampedStep"), address)
    inner = read_rule(w3, str(damped.functions.inner().call()))
    return OnChainRule(address=address, name=name, inner=inner, step=int(damped.functions.step().call()))


def recorded_volatilities(w3: Web3, address: str, tokens: Sequence[str], last_day: int) -> list[int]:
    """D18{1/√year} as a RecordedVolatility at `address` sees them; known for 128 days."""
    rule = at(w3, artifact("RecordedVolatility"), address)
    return [int(value) for value in rule.functions.volatilitiesOf(list(tokens), last_day).call()]


# --- internals --------------------------------------------------------------------------------------------------------


def _has_to_wait(manager: Any, signer: Signer, target: str, data: str) -> bool:
    """Whether this call of the governor has to be scheduled. Without a role it has not: the contract then says no itself."""
    allowed, delay = manager.functions.canCall(address_of(signer), target, data[:10]).call()
    return not allowed and int(delay) != 0


def _logs(event: Any, core: Core, wanted: Mapping[str, object]) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", event.get_logs(from_block=core.block, argument_filters=dict(wanted)))


def _epoch(values: Any) -> Epoch:
    index, number, spec_hash, inputs_hash, tokens, weights = values.values() if isinstance(values, Mapping) else values
    return Epoch(
        index=str(index),
        number=int(number),
        spec_hash="0x" + bytes(spec_hash).hex(),
        inputs_hash="0x" + bytes(inputs_hash).hex(),
        tokens=tuple(str(token) for token in tokens),
        weights=tuple(int(weight) for weight in weights),
    )


def _rules(values: Any) -> Rules:
    numbers = list(values.values() if isinstance(values, Mapping) else values)
    min_weight, max_weight, max_change, min_interval, delay, ttl = (int(number) for number in numbers[:6])
    return Rules(
        min_weight=min_weight,
        max_weight=max_weight,
        max_change=max_change,
        min_interval=min_interval,
        delay=delay,
        ttl=ttl,
        methodology=str(numbers[6]),
    )


def _rules_at(registry: Any, core: Core, index: str, log: Mapping[str, Any]) -> Rules:
    """The rules that were set last before a log."""
    place = (log["blockNumber"], log["logIndex"])
    earlier = [
        entry
        for entry in _logs(registry.events.SetRules(), core, {"index": index})
        if (entry["blockNumber"], entry["logIndex"]) < place
    ]
    return _rules(earlier[-1]["args"]["rules"])


def _is_pending(registry: Any, epoch: Epoch) -> bool:
    _, _, _, lapses_at, pending = registry.functions.bookOf(epoch.index).call()
    now = int(registry.w3.eth.get_block("latest")["timestamp"])
    return bytes(pending) == bytes(registry.functions.hashOf(epoch.as_tuple()).call()) and now < lapses_at
