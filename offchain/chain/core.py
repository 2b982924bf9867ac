"""The contracts that serve every index of one chain, by address: `core.contract(w3, "lens")` is one ready to call.

authority    OpenZeppelin AccessManager that governs the oracle (each index has an AccessManager of its own)
oracle       token → price, through feeds
guard        second key of every exchange: loss and turnover budgets
rebalancer   plans and swaps
factory      makes indexes
lens         reads
v2_taker, v3_taker   swap along Uniswap pools
registry     weights with delay, veto and the hashes of their inputs
recorder     one oracle price per token and day
performance_fee   high-water marks and the fee on gains above them
fee_splitter      shares fees out and burns a part for the holders
inner_taker   turns shares of an index inside an index into its components and back
zap          one token in, shares out, and back
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from web3 import Web3
from web3.contract.contract import Contract

from offchain.chain.artifacts import NODE_MODULES, Artifact, ArtifactMissing, artifact, parse
from offchain.chain.transactions import at

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"  # the same on every chain
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"  # likewise
WETH = {  # wrapped ether by chain id
    1: "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
    11155111: "0xfFf9976782d46CC05630D1f6eBAb18b2324d6B14",
}

# Roles of an index's AccessManager. ADMIN is the governor.
ADMIN, GUARDIAN, STRATEGIST = 0, 1, 2

GUARDIAN_POWERS = ("pauseMint", "pauseExchange")  # of the index
STRATEGIST_POWERS = ("startPlan", "swap", "scalePlan", "endPlan")  # of the rebalancer
REGISTRY_STRATEGIST_POWERS, REGISTRY_GUARDIAN_POWERS = ("propose",), ("veto",)  # of the weight registry
AUCTION_POWERS = ("openAuction",)  # of the auction house, strategist
CLOSING_POWERS = ("closeAuction",)  # of the auction house, guardian; the strategist may by the power to open

# Name in `Core` → contract, in the order in which they are deployed.
CORE_CONTRACTS = {
    "authority": "AccessManager",
    "oracle": "PriceOracle",
    "guard": "ExchangeGuard",
    "rebalancer": "Rebalancer",
    "factory": "IndexFactory",
    "lens": "IndexLens",
    "v2_taker": "UniswapV2Taker",
    "v3_taker": "UniswapV3Taker",
    "registry": "WeightRegistry",
    "recorder": "PriceRecorder",
    "performance_fee": "PerformanceFee",
    "fee_splitter": "FeeSplitter",
    "inner_taker": "InnerIndexTaker",
    "zap": "IndexZap",
}

_ACCESS_MANAGER = NODE_MODULES / "@openzeppelin/contracts/build/contracts/AccessManager.json"


@dataclass(frozen=True, kw_only=True)
class Core:
    """Addresses of one deployed core. `block`: where the last of them was deployed; events begin before it."""

    chain_id: int
    block: int
    authority: str
    oracle: str
    guard: str
    rebalancer: str
    factory: str
    lens: str
    v2_taker: str
    v3_taker: str
    registry: str
    recorder: str
    performance_fee: str
    fee_splitter: str
    inner_taker: str
    zap: str
    multicall3: str = MULTICALL3

    def contract(self, w3: Web3, name: str) -> Contract:
        """The contract of that field name."""
        return at(w3, contract_artifact(CORE_CONTRACTS[name]), getattr(self, name))

    def addresses(self) -> dict[str, str]:
        """Field name → address of what was deployed."""
        return {name: getattr(self, name) for name in CORE_CONTRACTS}


def contract_artifact(name: str) -> Artifact:
    """A contract of ours, or OpenZeppelin's AccessManager."""
    return access_manager() if name == "AccessManager" else artifact(name)


@cache
def access_manager() -> Artifact:
    """OpenZeppelin's AccessManager, as npm ships it compiled."""
    if not _ACCESS_MANAGER.exists():
        raise ArtifactMissing("no AccessManager in node_modules/@openzeppelin/contracts; run `make setup`")
    return parse("AccessManager", json.loads(_ACCESS_MANAGER.read_text(encoding="utf-8")))


def index_contract(w3: Web3, address: str) -> Contract:
    """The index token at `address`."""
    return at(w3, artifact("IndexToken"), address)


def erc20(w3: Web3, address: str) -> Contract:
    """Any ERC-20 with symbol and decimals."""
    return at(w3, artifact("IERC20Metadata"), address)
