"""The benchmark's chain: plain tokens, one index of n of them, genuine Uniswap pools for the first two, real feeds.

Conditions: 18 decimals; the second or a later call; every slot involved is non-zero before and after; allowances without
limit; odd amounts. The tokens are compiled by themselves, with settings that reproduce the limits of goals.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import solcx
from eth_abi.abi import encode
from web3 import Web3
from web3.contract.contract import Contract
from web3.types import TxReceipt

from offchain.chain.artifacts import BUILD, ROOT, Artifact, artifact, chainlink_proxy, parse, vendor
from offchain.chain.core import Core
from offchain.chain.deploy import Feed, IndexDeployment, create_index, deploy_core, set_feeds
from offchain.chain.terms import IndexTerms, Limits, Policy
from offchain.chain.transactions import at, deploy, wait

SOLC_VERSION = "0.8.30"
TOKEN_SETTINGS = {"optimizer": {"enabled": True, "runs": 1_000_000}, "viaIR": True, "evmVersion": "cancun"}
UNLIMITED = 2**256 - 1
WAD = 10**18
PRICE = 3  # {USD} of every token
FEE_V3 = 3000  # {ppm}
HOUR, DAY = 3_600, 86_400  # {s}


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A chain with one index of `size` components. `trader` is strategist and governor, `alice` the investor."""

    w3: Web3
    core: Core
    index: Contract
    deployment: IndexDeployment
    tokens: tuple[Contract, ...]
    created: int  # {gas}
    trader: str
    alice: str
    bob: str

    def gas(self, call: object, sender: str) -> int:
        return int(self.send(call, sender)["gasUsed"])

    def send(self, call: object, sender: str) -> TxReceipt:
        """Sends with all the gas there is, so that the estimate cannot differ from the run."""
        sent = call.transact({"from": sender, "gas": 16_000_000})  # type: ignore[attr-defined]
        return wait(self.w3, sent.to_0x_hex())


def build(w3: Web3, size: int) -> Bench:
    """Deploys everything for an index of `size` components and makes its first mint."""
    trader, alice, bob, recipient = w3.eth.accounts[:4]
    core = deploy_core(w3, trader)
    tokens = tuple(
        sorted((deploy(w3, trader, _token_artifact()) for _ in range(size)), key=lambda token: token.address.lower())
    )
    for token in tokens:
        for holder in (trader, alice):
            _do(w3, token.functions.mint(holder, 10**27 + 7), trader)
    set_feeds(
        w3,
        trader,
        core,
        [Feed(token=token.address, aggregator=_feed(w3, trader), max_age=30 * DAY) for token in tokens],
    )
    terms = _terms(tokens, trader, recipient)
    deployment = create_index(w3, trader, core, terms)
    index = deployment.contract(w3)
    house = core.contract(w3, "rebalancer").functions.auctions().call()
    for token in tokens:
        for spender in (index.address, house):
            _do(w3, token.functions.approve(spender, UNLIMITED), alice)
    bench = Bench(
        w3=w3,
        core=core,
        index=index,
        deployment=deployment,
        tokens=tokens,
        created=int(w3.eth.get_transaction_receipt(deployment.tx)["gasUsed"]),  # type: ignore[arg-type]
        trader=trader,
        alice=alice,
        bob=bob,
    )
    return bench


def auctions(bench: Bench) -> Contract:
    """The auction house of the rebalancer."""
    address = bench.core.contract(bench.w3, "rebalancer").functions.auctions().call()
    return at(bench.w3, artifact("AuctionHouse"), address)


def open_v2_pool(bench: Bench) -> str:
    """A genuine Uniswap V2 pair of the first two tokens."""
    w3, (one, two) = bench.w3, bench.tokens[:2]
    factory = deploy(w3, bench.trader, vendor("UniswapV2Factory"), bench.trader)
    bench.send(factory.functions.createPair(one.address, two.address), bench.trader)
    pair = at(w3, vendor("UniswapV2Pair"), factory.functions.getPair(one.address, two.address).call())
    for token in (one, two):
        bench.send(token.functions.transfer(pair.address, 10**25), bench.trader)
    bench.send(pair.functions.mint(bench.trader), bench.trader)
    return str(pair.address)


def open_v3_pool(bench: Bench) -> str:
    """A genuine Uniswap V3 pool of the first two tokens, one position over the full range."""
    w3, (one, two) = bench.w3, bench.tokens[:2]
    factory = deploy(w3, bench.trader, vendor("UniswapV3Factory"))
    weth = deploy(w3, bench.trader, vendor("WETH9"))
    manager = deploy(
        w3, bench.trader, vendor("NonfungiblePositionManager"), factory.address, weth.address, weth.address
    )
    bench.send(
        manager.functions.createAndInitializePoolIfNecessary(one.address, two.address, FEE_V3, 1 << 96), bench.trader
    )
    for token in (one, two):
        bench.send(token.functions.approve(manager.address, UNLIMITED), bench.trader)
    position = (one.address, two.address, FEE_V3, -887_220, 887_220, 10**25, 10**25, 0, 0, bench.trader, 2**63)
    bench.send(manager.functions.mint(position), bench.trader)
    return str(factory.functions.getPool(one.address, two.address, FEE_V3).call())


def route(pool: str) -> bytes:
    """Data for the takers: one pool."""
    return encode(["address[]"], [[pool]])


def _terms(tokens: tuple[Contract, ...], trader: str, recipient: str) -> IndexTerms:
    addresses = tuple(token.address for token in tokens)
    return IndexTerms(
        name="Bench",
        symbol="BENCH",
        components=addresses,
        seed_amounts=tuple(10**21 + 123_457 * i for i in range(len(tokens))),
        seed_shares=1000 * WAD + 12_345,
        receiver=trader,
        governor=trader,
        guardian=trader,
        strategist=trader,
        fee_recipient=recipient,
        streaming_fee=95 * 10**14,
        mint_fee=10 * 10**14,
        redeem_fee=10 * 10**14,
        policy=Policy(
            max_slippage=20_000, cooldown=0, min_interval=0, max_duration=14 * DAY, max_trade=WAD, max_weight=WAD
        ),
        limits=Limits(
            loss_capacity=50 * 10**14,
            loss_window=DAY,
            turnover_capacity=WAD,
            turnover_window=DAY,
            valuation_max_age=HOUR,
        ),
        allowed=addresses,
        spec_hash="0x00",
    )


def _feed(w3: Web3, owner: str) -> str:
    """A Chainlink proxy, the genuine one, over an aggregator that says PRICE."""
    aggregator = deploy(w3, owner, artifact("MockAggregator"), 8, "BENCH / USD", owner)
    now = w3.eth.get_block("latest")["timestamp"]
    _do(w3, aggregator.functions.report(PRICE * 10**8, now), owner)
    return str(deploy(w3, owner, chainlink_proxy(), aggregator.address, "0x" + "00" * 20).address)


def _do(w3: Web3, call: object, sender: str) -> None:
    wait(w3, call.transact({"from": sender}).to_0x_hex())  # type: ignore[attr-defined]


def _token_artifact() -> Artifact:
    """BenchToken, compiled once with its own settings and kept in build/bench."""
    source = Path(__file__).with_name("BenchToken.sol").read_text()
    key = hashlib.sha256((source + json.dumps(TOKEN_SETTINGS, sort_keys=True)).encode()).hexdigest()[:16]
    path = BUILD / "bench" / f"BenchToken-{key}.json"
    if not path.exists():
        output = solcx.compile_standard(
            {
                "language": "Solidity",
                "sources": {"BenchToken.sol": {"content": source}, **_openzeppelin()},
                "settings": {**TOKEN_SETTINGS, "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}}},
            },
            solc_version=SOLC_VERSION,
            allow_paths=str(ROOT),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(output["contracts"]["BenchToken.sol"]["BenchToken"]))
    return parse("BenchToken", json.loads(path.read_text()))


def _openzeppelin() -> dict[str, dict[str, str]]:
    """The sources BenchToken imports, by the name they are imported with."""
    names = (
        "token/ERC20/ERC20.sol",
        "token/ERC20/IERC20.sol",
        "token/ERC20/extensions/IERC20Metadata.sol",
        "utils/Context.sol",
        "interfaces/draft-IERC6093.sol",
    )
    folder = ROOT / "node_modules" / "@openzeppelin" / "contracts"
    return {f"@openzeppelin/contracts/{name}": {"content": (folder / name).read_text()} for name in names}
