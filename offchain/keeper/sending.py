"""One transaction at a time, written down before it is sent, and its outcome taken from the chain.

    sender = Sender(w3, account, ledger, to=rebalancer, settings=settings)
    sender.recover(run=..., at=...)          what an earlier run signed: the same bytes again, then what became of them
    receipt = sender.send(intent, run=..., at=...)

Why nothing happens twice: there is one nonce, the chain's own, so of everything signed for it at most one lands; and a
plan is named by its number, a swap by its step and an auction by its number, so that a copy under a later nonce reverts. The signed bytes are on
the disk before they leave. A send is never repeated with other bytes, except to raise its fees under the same nonce.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from offchain.chain.client import rpc
from offchain.chain.transactions import GAS_MARGIN, MAX_TX_GAS, explain, replay
from offchain.errors import ChainError, KeeperError, NotConnected
from offchain.keeper.asking import answered, is_trouble, patiently
from offchain.keeper.ledger import Ledger
from offchain.keeper.outcomes import RetryAt, Stop
from offchain.keeper.planning import Settings

log = logging.getLogger(__name__)

BUMP = (9, 8)  # ×1.125: nodes want at least +10 % on both fees
BUMP_SECONDS = 30.0
REBROADCAST_SECONDS = 1.0  # then twice as long each time
LOST_SECONDS = 5.0  # a node may tell the new nonce before the receipt that explains it
RETRY_SECONDS = 300
RECOVER_SECONDS = 86_400  # older bytes are not sent again: they were decided on another day, or on a chain that is gone

Answer = TypeVar("Answer")


class StepRefused(Exception):
    """The transaction would revert, or its nonce went to another one: the world moved on. Carries the reason."""


@dataclass(frozen=True, kw_only=True)
class Intent:
    """What a transaction is for. `kind`: start, auction, swap or end; `planned`: what the report compares the fill with.

    `step`: of a swap, or the number of an auction. `spare_gas`: {gas} it may take besides what is estimated before, by the
    time it is mined. `to`: where it goes, empty for the rebalancer.
    """

    kind: str
    plan_id: int
    step: int
    data: str
    planned: Mapping[str, object] = field(default_factory=dict)
    spare_gas: int = 0
    to: str = ""

    @property
    def name(self) -> str:
        return _name(self)


@dataclass(frozen=True, kw_only=True)
class Signed:
    """One signed transaction, as the ledger keeps it. Fees {wei/gas}."""

    sender: str
    nonce: int
    hash: str
    raw: str
    max_fee: int
    priority_fee: int
    gas: int
    kind: str
    plan_id: int
    step: int
    data: str
    planned: Mapping[str, object]
    to: str = ""

    @classmethod
    def of_entry(cls, body: Mapping[str, object]) -> Signed:
        numbers = {
            name: int(str(body[name])) for name in ("nonce", "max_fee", "priority_fee", "gas", "plan_id", "step")
        }
        texts = {name: str(body[name]) for name in ("sender", "hash", "raw", "kind", "data")}
        to = str(body.get("to", ""))  # what was signed before there were auctions went to the rebalancer
        return cls(**numbers, **texts, to=to, planned=cast("Mapping[str, object]", body["planned"]))  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        return _name(self)


def _name(step: Intent | Signed) -> str:
    number = {"swap": f" step {step.step}", "auction": f" number {step.step}"}.get(step.kind, "")
    return f"{step.kind} of plan {step.plan_id}{number}"


class Sender:
    """The only thing in the keeper that signs."""

    def __init__(
        self,
        w3: Web3,
        account: LocalAccount,
        ledger: Ledger,
        *,
        to: str,
        chain_id: int,
        settings: Settings,
        checkpoint: Callable[[str], None],
    ) -> None:
        self.w3 = w3
        self.account = account
        self.ledger = ledger
        self.to = to
        self.chain_id = chain_id
        self.settings = settings
        self.checkpoint = checkpoint

    # --- what an earlier run left -------------------------------------------------------------------------------------

    def recover(self, *, run: str, at: int) -> int:
        """Settles everything signed before; returns how many transactions. What can still land is sent again as it is."""
        journal = self._journal(at)
        if not journal:
            return 0
        settled = {str(cast("Mapping[str, object]", e.body)["hash"]) for e in self.ledger.entries(kind="settled")}
        nonce = self._nonce()
        count = 0
        for signed in journal:
            versions = [other for other in journal if other.nonce == signed.nonce]
            if signed is not versions[-1] or (signed.nonce < nonce and any(v.hash in settled for v in versions)):
                continue
            log.info("event=recover tx=%s nonce=%d intent=%r", signed.hash, signed.nonce, signed.name)
            if signed.nonce >= nonce and self._broadcast(signed) == "refused":
                continue  # it never entered a pool; the nonce is free for the next one
            with suppress(StepRefused):  # the nonce went to another transaction: that is an outcome too
                self._await(signed, versions, run=run, at=at)
            count += 1
        return count

    # --- one transaction ----------------------------------------------------------------------------------------------

    def send(self, intent: Intent, *, run: str, at: int) -> TxReceipt:
        """Signs, writes down, sends and waits. Raises StepRefused when the world moved on, Stop when it stays pending."""
        gas = self._estimate(intent)
        nonce = self._nonce()
        if self._nonce("pending") > nonce:
            raise Stop(
                RetryAt(
                    time=at + RETRY_SECONDS,
                    reason="another transaction of the keeper's key is pending, signed elsewhere",
                )
            )
        max_fee, priority_fee = self._fees()
        signed = self._sign(intent, nonce=nonce, gas=gas, max_fee=max_fee, priority_fee=priority_fee, run=run, at=at)
        if self._broadcast(signed) == "refused":
            raise Stop(
                RetryAt(time=at + RETRY_SECONDS, reason=f"the node does not take the {intent.name}; see the log")
            )
        self.checkpoint("sent")
        return self._await(signed, [signed], run=run, at=at)

    def _estimate(self, intent: Intent) -> int:
        call = {"from": self.account.address, "to": intent.to or self.to, "data": intent.data}

        def ask() -> int:
            try:
                return answered(self.w3.eth.estimate_gas(call), "eth_estimateGas")  # type: ignore[arg-type]
            except Web3RPCError as error:
                if is_trouble(error):
                    raise
                raise StepRefused(explain(error)) from error
            except ContractLogicError as error:
                raise StepRefused(explain(error)) from error

        estimate = self._patiently(ask)
        return min(int(estimate * GAS_MARGIN) + intent.spare_gas, max(MAX_TX_GAS, estimate))

    def _sign(
        self, intent: Intent | Signed, *, nonce: int, gas: int, max_fee: int, priority_fee: int, run: str, at: int
    ) -> Signed:
        transaction = {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": nonce,
            "to": intent.to or self.to,
            "value": 0,
            "data": intent.data,
            "gas": gas,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": priority_fee,
        }
        raw = self.account.sign_transaction(transaction)  # type: ignore[arg-type]
        signed = Signed(
            sender=self.account.address,
            nonce=nonce,
            hash=raw.hash.to_0x_hex(),
            raw=raw.raw_transaction.to_0x_hex(),
            max_fee=max_fee,
            priority_fee=priority_fee,
            gas=gas,
            kind=intent.kind,
            plan_id=intent.plan_id,
            step=intent.step,
            data=intent.data,
            planned=intent.planned,
            to=intent.to,
        )
        self.checkpoint("signing")
        self.ledger.append(run=run, kind="signed", at=at, body=signed)
        self.checkpoint("signed")
        log.info("event=signed intent=%r nonce=%d tx=%s max_fee=%d", signed.name, nonce, signed.hash, max_fee)
        return signed

    def _broadcast(self, signed: Signed) -> str:
        """Sends the bytes. "sent" when they may be in a pool, "refused" when the node says they cannot be."""
        try:
            rpc(self.w3, "eth_sendRawTransaction", signed.raw)
            return "sent"
        except NotConnected as error:  # the answer is lost, the transaction perhaps not
            log.warning("event=answer_lost tx=%s reason=%r", signed.hash, str(error))
            return "sent"
        except ChainError as error:
            said = str(error).lower()
            known = any(
                words in said for words in ("already known", "already imported", "nonce too low", "underpriced")
            )
            if known or is_trouble(error):
                return "sent"
            log.warning("event=refused tx=%s reason=%r", signed.hash, str(error))
            return "refused"

    def _await(self, signed: Signed, versions: list[Signed], *, run: str, at: int) -> TxReceipt:
        """The receipt of whichever version of a nonce landed; the ledger has it before this returns."""
        versions = list(versions)
        started = last_sent = last_bump = used_since = time.monotonic()
        pause, patience = 0.002, REBROADCAST_SECONDS
        while True:
            nonce, receipt = self._nonce(), self._receipt(versions)
            if receipt is not None and self._is_deep(receipt):
                self.checkpoint("mined")
                return self._settle(signed, receipt, run=run, at=at)
            if receipt is not None or nonce <= signed.nonce:
                used_since = time.monotonic()
            elif time.monotonic() - used_since > LOST_SECONDS:
                body = {"hash": signed.hash, "nonce": signed.nonce, "status": "lost", "intent": signed.name}
                self.ledger.append(run=run, kind="settled", at=at, body=body)
                raise StepRefused(f"another transaction used nonce {signed.nonce}: {signed.name} was not executed")
            now = time.monotonic()
            if now - started > self.settings.patience:
                raise Stop(
                    RetryAt(
                        time=at + RETRY_SECONDS,
                        reason=f"{signed.name} ({signed.hash}) is still pending; the next run goes on with the same bytes",
                    )
                )
            if now - last_bump > BUMP_SECONDS:
                last_bump = last_sent = now
                bumped = self._bump(versions[-1], run=run, at=at)
                versions += [bumped] if bumped else []
                self._broadcast(versions[-1])
            elif now - last_sent > patience:
                last_sent, patience = now, 2 * patience
                self._broadcast(versions[-1])
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _receipt(self, versions: list[Signed]) -> TxReceipt | None:
        for version in reversed(versions):
            if (receipt := self._patiently(partial(self._receipt_of, version))) is not None:
                return receipt
        return None

    def _receipt_of(self, signed: Signed) -> TxReceipt | None:
        with suppress(TransactionNotFound):
            return self.w3.eth.get_transaction_receipt(signed.hash)  # type: ignore[arg-type]
        return None

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        return patiently(ask, seconds=self.settings.patience)

    def _is_deep(self, receipt: TxReceipt) -> bool:
        depth = self.settings.confirmations
        return depth == 0 or int(str(self._ask("eth_blockNumber")), 16) >= receipt["blockNumber"] + depth

    def _settle(self, signed: Signed, receipt: TxReceipt, *, run: str, at: int) -> TxReceipt:
        status = "mined" if receipt["status"] == 1 else "reverted"
        tx = receipt["transactionHash"].to_0x_hex()
        body = {
            "hash": tx,
            "nonce": signed.nonce,
            "status": status,
            "block": receipt["blockNumber"],
            "block_hash": receipt["blockHash"].to_0x_hex(),
            "gas_used": receipt["gasUsed"],
            "gas_price": receipt["effectiveGasPrice"],
            "intent": signed.name,
        }
        if status == "reverted":
            body["reason"] = self._patiently(lambda: replay(self.w3, tx))
        self.ledger.append(run=run, kind="settled", at=at, body=body)
        self.checkpoint("settled")
        log.info(
            "event=%s intent=%r tx=%s block=%d gas=%d reason=%r",
            status, signed.name, tx, receipt["blockNumber"], receipt["gasUsed"], body.get("reason", ""),
        )  # fmt: skip
        return receipt

    def _bump(self, signed: Signed, *, run: str, at: int) -> Signed | None:
        """The same transaction with higher fees under the same nonce, or None at the cap."""
        max_fee, priority_fee = (-(-fee * BUMP[0] // BUMP[1]) for fee in (signed.max_fee, signed.priority_fee))
        if max_fee > self.settings.fee_cap:
            log.warning("event=fee_cap tx=%s max_fee=%d cap=%d", signed.hash, signed.max_fee, self.settings.fee_cap)
            return None
        log.info("event=bump nonce=%d from=%d to=%d", signed.nonce, signed.max_fee, max_fee)
        return self._sign(
            signed, nonce=signed.nonce, gas=signed.gas, max_fee=max_fee, priority_fee=priority_fee, run=run, at=at
        )

    def _fees(self) -> tuple[int, int]:
        block = cast("Mapping[str, object]", self._ask("eth_getBlockByNumber", "latest", False))
        base_fee = int(str(block.get("baseFeePerGas") or "0x0"), 16)
        priority_fee = min(self.settings.priority_fee, self.settings.fee_cap)
        return min(2 * base_fee + priority_fee, self.settings.fee_cap), priority_fee

    def _nonce(self, block: str = "latest") -> int:
        return int(str(self._ask("eth_getTransactionCount", self.account.address, block)), 16)

    def _ask(self, method: str, *params: object) -> object:
        return self._patiently(lambda: answered(rpc(self.w3, method, *params), method))

    def _journal(self, at: int) -> list[Signed]:
        """What was signed within the last day before `at` {s}, give or take what a reorganisation turns back."""
        entries = self.ledger.entries(kind="signed")
        recent = [entry for entry in entries if abs(at - entry.at) < RECOVER_SECONDS]
        signed = [Signed.of_entry(cast("Mapping[str, object]", entry.body)) for entry in recent]
        return sorted((item for item in signed if item.sender == self.account.address), key=lambda item: item.nonce)


def local_account(account: object) -> LocalAccount:
    """The account if we hold its key; KeeperError otherwise: the keeper must know the bytes it sends."""
    if isinstance(account, LocalAccount):
        return account
    raise KeeperError(
        f"the keeper signs itself and needs a key, not {account!r}; pass an eth_account LocalAccount "
        "(on the local chain: devnet_account(n))"
    )
