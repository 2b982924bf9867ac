"""Upkeep of an index: what becomes due with time and anyone may do, read from the chain and sent one after the other.

    chores = due(w3, core, index, sender=account)      what there is, when, and what it would do in numbers
    outcomes = perform(w3, signer, chores)             sends what is due

recordMany              PriceRecorder: today's price of each token that the index holds or may hold
moveCheckpoint          Erc4626Feed: the rate that the price of a vault is judged by
execute                 WeightRegistry: weights whose delay is over
endPlan                 Rebalancer: a plan that has expired
crystallise, observe    PerformanceFee: the second and the first look at a gain
sync                    PerformanceFee: a record above what is held, which a gift could fill
distribute, collect     FeeSplitter or IndexToken: the fees that were earned

Nothing is remembered: what was done, the chain says, so a run that was killed is simply repeated. What trades is the
keeper's, and what is owed to one account is that account's to claim.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.logs import DISCARD
from web3.types import TxReceipt

from offchain.chain import chores as drafts
from offchain.chain.artifacts import artifact
from offchain.chain.chores import BLOCKED, DUE, DUST, OPTIONAL, Chore, nav_text
from offchain.chain.core import Core
from offchain.chain.deploy import IndexDeployment
from offchain.chain.tables import shares as shares_text
from offchain.chain.tables import usd
from offchain.chain.transactions import Signer, address_of, explain, payload, send
from offchain.chain.upkeep_facts import Facts, read_facts
from offchain.errors import ChainError
from offchain.reference.constants import LOCKED_SHARES_HOLDER
from offchain.trading.cost import gas_cost
from offchain.trading.plan import aligned

NAMES = (
    "recordMany", "moveCheckpoint", "execute", "endPlan", "crystallise", "observe", "sync", "distribute", "collect",
)  # fmt: skip
DONE_EXIT, ERROR_EXIT, NOTHING_EXIT = 0, 1, 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a chore: the transaction and what it did, or the reason why not."""

    name: str
    tx: str = ""
    did: str = ""
    error: str = ""

    def __str__(self) -> str:
        return f"{self.name} failed: {self.error}" if self.error else f"{self.name} done: {self.did} ({self.tx})"


def due(
    w3: Web3, core: Core, index: IndexDeployment, *, sender: str = "", named: Collection[str] = ()
) -> tuple[Chore, ...]:
    """All chores of an index, due or not, in the order in which they are to be done, as of the latest block.

    What would revert is `blocked`, with the reason. Chores in `named` are due also where the gas costs more than they move,
    and where nobody needs them. `sender` is who would call. Raises UnknownIndex or ChainError.
    """
    unknown = sorted(set(named) - set(NAMES))
    if unknown:
        raise ChainError(f"no chore {', '.join(unknown)}; there is: {', '.join(NAMES)}")
    facts = read_facts(w3, core, index)

    def judged(found: Iterable[Chore]) -> list[Chore]:
        return [_judged(facts, draft, sender or LOCKED_SHARES_HOLDER, named) for draft in found]

    found = [*judged(drafts.records(facts)), *judged(drafts.checkpoints(facts)), *judged(drafts.epoch(facts))]
    found += [*judged(drafts.plan(facts)), *judged(drafts.performance(facts))]
    if not any(chore.name == "crystallise" and chore.is_due for chore in found):  # which writes the records as well
        found += judged(drafts.sync(facts))
    minted = sum(chore.fee_shares for chore in found if chore.is_due)
    return (*found, *judged(drafts.fees(facts, minted)))


def perform(w3: Web3, signer: Signer, chores: Iterable[Chore]) -> Iterator[Outcome]:
    """Sends what is due, one after the other, as it is asked for the next outcome. One that fails stops no other.

    Raises ChainError when a transaction of the signer is still pending: it may be one of these.
    """
    sender = w3.to_checksum_address(address_of(signer))
    pending = w3.eth.get_transaction_count(sender, "pending") - w3.eth.get_transaction_count(sender, "latest")
    if pending > 0:
        raise ChainError(f"transactions of {sender} are still pending ({pending}); wait for them and run again")
    for chore in chores:
        if chore.is_due and chore.call is not None:
            yield _performed(w3, signer, chore.name, chore.call)


def exit_code(chores: Sequence[Chore], outcomes: Sequence[Outcome] = ()) -> int:
    """0: something is due, or was done; 3: nothing; 1: something could not be done that should have been."""
    if any(chore.state == BLOCKED for chore in chores) or any(outcome.error for outcome in outcomes):
        return ERROR_EXIT
    return DONE_EXIT if any(chore.is_due for chore in chores) else NOTHING_EXIT


def chores_text(chores: Sequence[Chore]) -> str:
    """A table: what, in which state, the gas, and why."""
    rows = [("chore", "state", "gas", "cost", "")]
    for chore in chores:
        cost = usd(chore.cost) if chore.cost else ""
        gas = f"{chore.gas:,}" if chore.gas else ""
        rows.append((chore.name, chore.state, gas, cost, "; ".join(filter(None, (chore.why, chore.does)))))
    return "\n".join(aligned(rows))


# --- judging and sending ----------------------------------------------------------------------------------------------


def _judged(facts: Facts, draft: Chore, sender: str, named: Collection[str]) -> Chore:
    """A draft with a call, as the node would execute it now: due, blocked, or not worth its gas."""
    if draft.call is None:
        return draft
    request = {"from": sender, **payload(draft.call)}
    try:
        facts.w3.eth.call(request)  # type: ignore[arg-type]
        gas = int(facts.w3.eth.estimate_gas(request))  # type: ignore[arg-type]
    except (ContractLogicError, Web3RPCError) as error:
        return replace(draft, state=BLOCKED, why=f"{explain(error)}; {draft.why}")
    cost = gas_cost(gas, gas_price=facts.gas_price, ether_price=facts.ether_price)
    state = draft.state if draft.state == OPTIONAL else DUE
    if draft.worth is not None and cost > draft.worth:
        state = DUST
    return replace(draft, state=DUE if draft.name in named else state, gas=gas, cost=cost)


def _performed(w3: Web3, signer: Signer, name: str, call: ContractFunction) -> Outcome:
    try:
        receipt = send(w3, signer, call)
    except (ChainError, Web3RPCError) as error:
        return Outcome(name=name, error=str(error))
    return Outcome(name=name, tx=receipt["transactionHash"].to_0x_hex(), did=_told(w3, name, call, receipt))


def _told(w3: Web3, name: str, call: ContractFunction, receipt: TxReceipt) -> str:
    """What a transaction did, as its events say."""
    index = w3.eth.contract(abi=artifact("IndexToken").abi)
    contract = index if name == "endPlan" else w3.eth.contract(abi=call.contract_abi)

    def said(event: str) -> list[Mapping[str, Any]]:
        logs = contract.events[event]().process_receipt(receipt, errors=DISCARD)
        return [cast("Mapping[str, Any]", log["args"]) for log in logs]

    def shares_of(event: str) -> str:
        return f"{shares_text(sum(log['shares'] for log in said(event)))} shares"

    if name == "recordMany":
        return f"{len(said('Record'))} prices recorded"
    if name == "endPlan":
        return f"{shares_of('MintFeeShares')} paid to caller and fee recipient"
    if name == "crystallise":
        mark = said("Crystallise")[0]["mark"]
        return f"{shares_of('Crystallise')} to the fee recipient, the mark is now {nav_text(mark)}"
    if name == "observe":
        return f"NAV {nav_text(said('Observe')[0]['nav'])} a share; crystallise from an hour to a day after"
    if name == "collect":
        return f"{shares_of('Collect')} to the fee recipient"
    if name == "distribute":
        paid, burned = said("Distribute")[0]["paid"], said("Distribute")[0]["burned"]
        return f"{shares_text(sum(paid))} shares to {len(paid)} accounts, {shares_text(burned)} burned"
    return _PLAIN[name]


_PLAIN = {
    "execute": "these are the weights of the index now",
    "moveCheckpoint": "the checkpoint is the rate of now",
    "sync": "no record is above what is held",
}
