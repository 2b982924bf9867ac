"""What the chain says happened: plans, fills, money in and out, gas and every token's whereabouts, from events alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract.contract import Contract

from offchain.chain.client import rpc_batch
from offchain.chain.core import Core, index_contract
from offchain.chain.deploy import IndexDeployment, read_words
from offchain.chain.reads import read_state
from offchain.devnet import Devnet
from offchain.report.record import Books, CoinName, Flow, Plan, Swap, Transfer
from offchain.units import D27

TRANSFER = "0x" + keccak(text="Transfer(address,address,uint256)").hex()
APPROVAL = "0x" + keccak(text="Approval(address,address,uint256)").hex()
LOG_BLOCKS = 400  # blocks asked for at once
LOCKED_HOLDER = "0x000000000000000000000000000000000000dEaD"


@dataclass(frozen=True, kw_only=True)
class Actors:
    """Who takes part, by address."""

    deployer: str
    governor: str
    guardian: str
    keeper: str
    alice: str
    bob: str

    @classmethod
    def of(cls, accounts: Sequence[str]) -> Actors:
        """The accounts that have these names on every local chain (offchain.chain.accounts)."""
        deployer, governor, guardian, keeper, alice, bob = accounts[:6]
        return cls(deployer=deployer, governor=governor, guardian=guardian, keeper=keeper, alice=alice, bob=bob)

    def names(self) -> dict[str, str]:
        return {address: name for name, address in vars(self).items()}


def coin_names(world: Devnet) -> dict[str, CoinName]:
    """Coins of the world as tokens of the chain."""
    return {
        coin: CoinName(id=coin, symbol=token.symbol, token=token.address, decimals=token.decimals)
        for coin, token in world.tokens.items()
    }


# --- plans ------------------------------------------------------------------------------------------------------------


def read_plans(world: Devnet, core: Core, index: IndexDeployment) -> tuple[Plan, ...]:
    """Every plan of the index with its fills, from the rebalancer's events."""
    w3 = world.w3
    rebalancer = core.contract(w3, "rebalancer")
    logs = _logs(w3, address=[core.rebalancer], topics=[None, "0x" + index.address[2:].lower().rjust(64, "0")])
    events = _decoded(rebalancer, ("StartPlan", "SwapTokens", "EndPlan"), logs)
    receipts = _receipts(w3, [event["transactionHash"] for event in events])
    times = _times(w3, [int(event["blockNumber"]) for event in events if event["event"] == "StartPlan"])
    venues, navs = _venues(w3, index, core), _navs(w3, index, core)
    coins = {token.address: coin for coin, token in world.tokens.items()}

    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        found[int(event["args"]["planId"])].append(event)
    return tuple(_plan(plan_id, found[plan_id], receipts, times, venues, navs, coins) for plan_id in sorted(found))


def _plan(
    plan_id: int,
    events: Sequence[Mapping[str, Any]],
    receipts: Mapping[str, int],
    times: Mapping[int, int],
    venues: Mapping[str, str],
    navs: Mapping[str, int],
    coins: Mapping[str, str],
) -> Plan:
    start = next(event for event in events if event["event"] == "StartPlan")
    facts = start["args"]
    block = int(start["blockNumber"])
    return Plan(
        id=plan_id,
        time=times[block],
        block=block,
        nav=navs[start["transactionHash"]],
        weights={coins[token]: int(weight) for token, weight in zip(facts["tokens"], facts["weights"], strict=True)},
        swaps=tuple(
            _swap(event, receipts, venues, coins)
            for event in sorted(events, key=lambda event: (event["blockNumber"], event["logIndex"]))
            if event["event"] == "SwapTokens"
        ),
        start_gas=receipts[start["transactionHash"]],
        end_gas=sum(receipts[event["transactionHash"]] for event in events if event["event"] == "EndPlan"),
    )


def _swap(
    event: Mapping[str, Any], receipts: Mapping[str, int], venues: Mapping[str, str], coins: Mapping[str, str]
) -> Swap:
    facts = event["args"]
    return Swap(
        step=int(facts["step"]),
        block=int(event["blockNumber"]),
        sell=coins[facts["sell"]],
        buy=coins[facts["buy"]],
        sold=int(facts["sold"]),
        bought=int(facts["bought"]),
        sell_price=int(facts["sellPrice"]),
        buy_price=int(facts["buyPrice"]),
        venue=venues[event["transactionHash"]],
        gas=receipts[event["transactionHash"]],
    )


def _venues(w3: Web3, index: IndexDeployment, core: Core) -> dict[str, str]:
    """Transaction → v2 or v3, by the taker that the index called."""
    logs = _decoded(index.contract(w3), ("Exchange",), _logs(w3, address=[index.address]))
    kinds = {core.v2_taker: "v2", core.v3_taker: "v3"}
    return {event["transactionHash"]: kinds.get(event["args"]["taker"], "other") for event in logs}


def _navs(w3: Web3, index: IndexDeployment, core: Core) -> dict[str, int]:
    """Transaction → {nUSD} of the index, as the guard valued it there."""
    topics = [None, "0x" + index.address[2:].lower().rjust(64, "0")]
    events = _decoded(core.contract(w3, "guard"), ("Value",), _logs(w3, address=[core.guard], topics=topics))
    return {
        event["transactionHash"]: int(event["args"]["navPerShare"]) * int(event["args"]["supply"]) // D27
        for event in events
    }


# --- flows ------------------------------------------------------------------------------------------------------------


def read_flows(
    world: Devnet, index: IndexDeployment, names: Mapping[str, str]
) -> tuple[tuple[Flow, ...], dict[str, list[int]]]:
    """Money in and out from the index's own events, and the {gas} of each kind of transaction."""
    w3 = world.w3
    contract = index.contract(w3)
    logs = _logs(w3, address=[index.address])
    events = _decoded(contract, ("Bootstrap", "Mint", "Redeem", "Collect", "UpdateComponents"), logs)
    receipts = _receipts(w3, [event["transactionHash"] for event in events])
    times = _times(w3, [int(event["blockNumber"]) for event in events])
    coins = {token.address: coin for coin, token in world.tokens.items()}
    listed: list[str] = []
    flows, gas = [], defaultdict(list)
    for event in events:
        facts, kind = event["args"], event["event"]
        if kind == "UpdateComponents":
            listed = [coins[token] for token in facts["components"]]
            continue
        name = {"Bootstrap": "create", "Mint": "mint", "Redeem": "redeem", "Collect": "collect"}[kind]
        gas[name].append(receipts[event["transactionHash"]])
        if kind == "Collect":
            continue
        amounts = facts["amounts" if kind == "Bootstrap" else "amountsIn" if kind == "Mint" else "amountsOut"]
        who = facts["receiver" if kind == "Bootstrap" else "caller" if kind == "Mint" else "owner"]
        flows.append(
            Flow(
                kind="seed" if kind == "Bootstrap" else name,
                who=names.get(who, who),
                time=times[int(event["blockNumber"])],
                block=int(event["blockNumber"]),
                shares=int(facts["shares"]),
                fee_shares=int(facts.get("feeShares", 0)),
                amounts={coin: int(amount) for coin, amount in zip(listed, amounts, strict=True)},
            )
        )
    return tuple(flows), dict(gas)


# --- books ------------------------------------------------------------------------------------------------------------


def read_books(world: Devnet, core: Core, index: IndexDeployment, actors: Actors, coins: Iterable[str]) -> Books:
    """Everything the accounting check compares, as of the last block."""
    w3 = world.w3
    tokens = [world.tokens[coin].address for coin in coins] + [index.address]
    contracts = _contract_names(core)
    pools = {
        pool.address: f"{pool.kind} pool of {world.tokens[coin].symbol}"
        for coin in coins
        for pool in world.tokens[coin].pools
        if world.is_open(pool)
    }
    names = {**pools, **contracts, **actors.names(), LOCKED_HOLDER: "locked", index.address: index.symbol}
    accounts = list(names)

    transfers = [_transfer(log) for log in _logs(w3, address=tokens, topics=[TRANSFER])]
    pairs = [(token, account) for token in tokens for account in accounts]
    approvals = {
        (to_checksum_address(log["address"]), _address(log["topics"][1]), _address(log["topics"][2]))
        for log in _logs(w3, address=tokens, topics=[APPROVAL])
    }
    guarded = {*contracts, index.address}
    relevant = sorted(key for key in approvals if key[1] in guarded or key[2] in guarded)
    contract = index_contract(w3, index.address)
    state = read_state(w3, core, index.address)
    ether = rpc_batch(w3, [("eth_getBalance", [address, "latest"]) for address in [*contracts, index.address]])
    return Books(
        index=index.address,
        transfers=tuple(transfers),
        balances=dict(
            zip(pairs, read_words(w3, [(token, _balance_of(account)) for token, account in pairs]), strict=True)
        ),
        total_supply=int(contract.functions.totalSupply().call()),
        pending_fee_shares=state.pending_fee_shares,
        allowances=dict(
            zip(
                relevant,
                read_words(w3, [(t, _allowance(owner, spender)) for t, owner, spender in relevant]),
                strict=True,
            )
        ),
        owed=dict(
            zip(
                tokens,
                read_words(w3, [(index.address, contract.encode_abi("claimsOwed", [token])) for token in tokens]),
                strict=True,
            )
        ),
        ether={address: int(str(wei), 16) for address, wei in zip([*contracts, index.address], ether, strict=True)},
        names=names,
        contracts=tuple(contracts),
    )


def _contract_names(core: Core) -> dict[str, str]:
    return {address: name for name, address in core.addresses().items()}


def _balance_of(account: str) -> str:
    return "0x70a08231" + account[2:].lower().rjust(64, "0")


def _allowance(owner: str, spender: str) -> str:
    return "0xdd62ed3e" + owner[2:].lower().rjust(64, "0") + spender[2:].lower().rjust(64, "0")


def _transfer(log: Mapping[str, Any]) -> Transfer:
    return Transfer(
        token=to_checksum_address(log["address"]),
        sender=_address(log["topics"][1]),
        receiver=_address(log["topics"][2]),
        amount=int(log["data"], 16),
        block=int(log["blockNumber"], 16),
    )


def _address(topic: str) -> str:
    return to_checksum_address("0x" + topic[-40:])


# --- gas --------------------------------------------------------------------------------------------------------------


def gas_of(
    plans: Iterable[Plan], flows: Mapping[str, Sequence[int]], others: Mapping[str, Sequence[int]]
) -> dict[str, tuple[int, ...]]:
    """{gas} of each operation, by the name a reader knows it by."""
    found: dict[str, list[int]] = defaultdict(list)
    for plan in plans:
        found["start plan"].append(plan.start_gas)
        if plan.end_gas:
            found["end plan"].append(plan.end_gas)
        for swap in plan.swaps:
            found[f"swap {swap.venue}"].append(swap.gas)
    for source in (flows, others):
        for name, values in source.items():
            found[name] += values
    return {name: tuple(values) for name, values in found.items()}


# --- events -----------------------------------------------------------------------------------------------------------


def _logs(w3: Web3, *, address: list[str], topics: list[str | None] | None = None) -> list[dict[str, Any]]:
    """Raw logs of the whole chain, in order, a few hundred blocks at a time."""
    last = w3.eth.block_number
    asked = [
        (
            "eth_getLogs",
            [{"address": address, "topics": topics or [], "fromBlock": hex(first), "toBlock": hex(min(first + LOG_BLOCKS - 1, last))}],
        )
        for first in range(0, last + 1, LOG_BLOCKS)
    ]  # fmt: skip
    return [log for call in asked for logs in rpc_batch(w3, [call]) for log in cast("list[dict[str, Any]]", logs)]  # type: ignore[list-item]


def _decoded(contract: Contract, names: Sequence[str], logs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Events of these names, decoded."""
    kinds = {str(contract.events[name]().topic): contract.events[name]() for name in names}
    decoded = []
    for log in logs:
        kind = kinds.get(log["topics"][0])
        if kind is not None:
            event = kind.process_log(_typed(log))
            decoded.append(
                {
                    "event": event["event"],
                    "args": event["args"],
                    "transactionHash": log["transactionHash"],
                    "blockNumber": int(log["blockNumber"], 16),
                    "logIndex": int(log["logIndex"], 16),
                }
            )
    return decoded


def _typed(log: Mapping[str, Any]) -> Any:
    """A raw log as web3's decoder wants it."""
    return {
        **log,
        "topics": [bytes.fromhex(topic[2:]) for topic in log["topics"]],
        "data": bytes.fromhex(log["data"][2:]),
        "logIndex": int(log["logIndex"], 16),
        "transactionIndex": int(log["transactionIndex"], 16),
        "blockNumber": int(log["blockNumber"], 16),
        "address": to_checksum_address(log["address"]),
    }


def _receipts(w3: Web3, hashes: Iterable[str]) -> dict[str, int]:
    """{gas} used by each transaction."""
    wanted = sorted(set(hashes))
    answers = rpc_batch(w3, [("eth_getTransactionReceipt", [tx]) for tx in wanted])
    return {tx: int(answer["gasUsed"], 16) for tx, answer in zip(wanted, answers, strict=True)}  # type: ignore[index]


def _times(w3: Web3, blocks: Iterable[int]) -> dict[int, int]:
    wanted = sorted(set(blocks))
    answers = rpc_batch(w3, [("eth_getBlockByNumber", [hex(block), False]) for block in wanted])
    return {block: int(answer["timestamp"], 16) for block, answer in zip(wanted, answers, strict=True)}  # type: ignore[index]
