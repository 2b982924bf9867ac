"""What a local node can do beyond a live one: snapshots, blocks at a time of our choice, accounts without a key.

`LocalNode(w3)` works on any anvil, also one that another process started; `anvil.py` starts our own. Chain time is the
chain's own: a block is BLOCK_TIME after its parent unless said otherwise, whatever the wall clock says, so that two runs
make the same blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from web3 import Web3
from web3.types import BlockData

from offchain.chain.client import rpc, rpc_batch
from offchain.errors import ChainError

BLOCK_TIME = 12  # {s}
BLOCK_GAS = 60_000_000  # {gas} as on mainnet


@dataclass(eq=False)
class LocalNode:
    """A development node behind a connected `w3`."""

    w3: Web3 = field(repr=False)

    @property
    def accounts(self) -> list[str]:
        """Addresses of the unlocked accounts, in the order of anvil's mnemonic."""
        return [str(account) for account in self.w3.eth.accounts]

    @property
    def timestamp(self) -> int:
        """{s} of the latest block."""
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def snapshot(self) -> str:
        """Remembers the whole chain; give the result to `revert` once."""
        return str(rpc(self.w3, "evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """Goes back to a snapshot, which is used up by that."""
        if rpc(self.w3, "evm_revert", snapshot) is not True:
            raise ChainError(
                f"snapshot {snapshot} does not exist any more: each can be used once; take a new one after a revert"
            )
        # anvil keeps the base fee of the future it has just forgotten; two runs would differ by it
        rpc(self.w3, "anvil_setNextBlockBaseFeePerGas", hex(next_base_fee(self.w3.eth.get_block("latest"))))

    @contextmanager
    def rewound(self) -> Iterator[None]:
        """`with node.rewound():` whatever happens inside is undone at the end."""
        snapshot = self.snapshot()
        try:
            yield
        finally:
            self.revert(snapshot)

    def mine(self, *, timestamp: int | None = None) -> None:
        """Mines one block, at `timestamp` {s} if given."""
        if timestamp is not None:
            rpc(self.w3, "evm_setNextBlockTimestamp", timestamp)
        rpc(self.w3, "evm_mine")

    def advance(self, seconds: int) -> None:
        """Mines one block that is `seconds` later than the latest."""
        self.mine(timestamp=self.timestamp + seconds)

    @contextmanager
    def one_block(self, *, timestamp: int | None = None) -> Iterator[None]:
        """Everything sent inside goes into one block, mined at the end; an oversized block is allowed for that moment.

        When something inside fails, nothing of it is mined.
        """
        rpc_batch(self.w3, [("evm_setAutomine", [False]), ("evm_setBlockGasLimit", [hex(10**10)])])
        try:
            yield
            self.mine(timestamp=timestamp)
        except BaseException:
            rpc(self.w3, "anvil_dropAllTransactions")
            raise
        finally:
            rpc_batch(self.w3, [("evm_setBlockGasLimit", [hex(BLOCK_GAS)]), ("evm_setAutomine", [True])])

    def set_balance(self, account: str, wei: int) -> None:
        rpc(self.w3, "anvil_setBalance", account, hex(wei))

    def set_code(self, address: str, code: bytes) -> None:
        rpc(self.w3, "anvil_setCode", address, "0x" + code.hex())

    @contextmanager
    def impersonate(self, account: str) -> Iterator[str]:
        """`with node.impersonate(address) as signer:` that account, contract or not, may send, with ether for gas."""
        rpc(self.w3, "anvil_impersonateAccount", account)
        if self.w3.eth.get_balance(account) < 10**20:  # type: ignore[arg-type]
            self.set_balance(account, 10**20)
        try:
            yield account
        finally:
            rpc(self.w3, "anvil_stopImpersonatingAccount", account)

    def dump(self) -> str:
        """The whole state as anvil writes it (compressed, hexadecimal)."""
        return str(rpc(self.w3, "anvil_dumpState"))

    def load(self, state: str) -> None:
        """Takes over a dumped state, block number and time included."""
        if rpc(self.w3, "anvil_loadState", state) is not True:
            raise ChainError("anvil refused the saved state; save it again with this version")
        rpc(self.w3, "evm_setTime", self.timestamp * 1000)


def next_base_fee(block: BlockData) -> int:
    """{wei/gas} EIP-1559's base fee of the block after `block`."""
    base, used, target = block["baseFeePerGas"], block["gasUsed"], block["gasLimit"] // 2
    if used > target:
        return base + max(base * (used - target) // target // 8, 1)
    return base - base * (target - used) // target // 8
