"""Mints and redeems with one token, along the pools of the chain's market.

    brownie run zap mint LC10 2.5 USDC alice --network devnet         exactly 2.5 shares; what is not needed returns
    brownie run zap spend LC10 1000 USDC alice --network devnet       all of 1,000 USDC, for as many shares as it gives
    brownie run zap redeem LC10 2.5 ETH alice --network devnet        2.5 shares for ether
    brownie run zap migrate LC10 EQ5 2.5 alice --network devnet       2.5 shares of LC10 for shares of EQ5

The token is a symbol of the market, or ETH. A last argument is the most that may be lost to the pools since the quote, in
basis points (default 50). BALLAST_FAUCET=1 gives the account what it pays with, on a local market only.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from web3 import Web3

from offchain.chain.accounts import resolve
from offchain.chain.core import Core
from offchain.chain.deployments import open_index
from offchain.chain.markets import local_manifest
from offchain.chain.zap import (
    DEFAULT_SLIPPAGE_BPS,
    ETHER,
    ZapMarket,
    ZapPlan,
    ZapToken,
    execute,
    find_token,
    plan_migrate,
    plan_mint,
    plan_redeem,
    plan_spend,
    summary,
)
from offchain.launch import fund_locally
from offchain.units import SHARE_DECIMALS, format_tokens, to_shares, to_tokens
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage, whole_bps

Planned = tuple[ZapPlan, ZapToken, ZapToken]  # plan, what is paid, what comes
Planner = Callable[[Web3, Core, ZapMarket, str, int], Planned]


def mint(symbol: str = "", shares: str = "", token: str = "", account: str = "", max_slippage_bps: str = "") -> None:
    def plan(w3: Web3, core: Core, market: ZapMarket, index: str, bps: int) -> Planned:
        paid, amount = find_token(local_manifest(w3), token), to_shares(shares)
        made = plan_mint(w3, core, market, index, pay=paid.address, shares=amount, max_slippage_bps=bps)
        return made, paid, _share(symbol, index)

    _run("mint <SYMBOL> <shares> <token>", (symbol, shares, token), account, max_slippage_bps, plan)


def spend(symbol: str = "", amount: str = "", token: str = "", account: str = "", max_slippage_bps: str = "") -> None:
    def plan(w3: Web3, core: Core, market: ZapMarket, index: str, bps: int) -> Planned:
        paid = find_token(local_manifest(w3), token)
        all_of_it = to_tokens(amount, paid.decimals)
        made = plan_spend(w3, core, market, index, pay=paid.address, amount=all_of_it, max_slippage_bps=bps)
        return made, paid, _share(symbol, index)

    _run("spend <SYMBOL> <amount> <token>", (symbol, amount, token), account, max_slippage_bps, plan)


def redeem(symbol: str = "", shares: str = "", token: str = "", account: str = "", max_slippage_bps: str = "") -> None:
    def plan(w3: Web3, core: Core, market: ZapMarket, index: str, bps: int) -> Planned:
        got, amount = find_token(local_manifest(w3), token), to_shares(shares)
        made = plan_redeem(w3, core, market, index, get=got.address, shares=amount, max_slippage_bps=bps)
        return made, _share(symbol, index), got

    _run("redeem <SYMBOL> <shares> <token>", (symbol, shares, token), account, max_slippage_bps, plan)


def migrate(symbol: str = "", into: str = "", shares: str = "", account: str = "", max_slippage_bps: str = "") -> None:
    def plan(w3: Web3, core: Core, market: ZapMarket, index: str, bps: int) -> Planned:
        other, amount = open_index(w3, into)[1].address, to_shares(shares)
        made = plan_migrate(w3, core, market, index, other, shares=amount, max_slippage_bps=bps)
        return made, _share(symbol, index), _share(into, other)

    _run("migrate <SYMBOL> <SYMBOL> <shares>", (symbol, into, shares), account, max_slippage_bps, plan)


def _run(call: str, needed: tuple[str, ...], account: str, max_slippage_bps: str, planner: Planner) -> None:
    if not all(needed):
        raise usage(f"brownie run zap {call} [account] [max_slippage_bps] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, needed[0])
        name = account_name(w3, account, "alice")
        bps = whole_bps(max_slippage_bps, DEFAULT_SLIPPAGE_BPS)
        market = ZapMarket.of_manifest(local_manifest(w3))
        plan, paid, got = planner(w3, core, market, index.address, bps)
        print(summary(plan, paid=paid, got=got))
        if os.environ.get("BALLAST_FAUCET") == "1" and paid.address not in (ETHER, index.address):
            fund_locally(w3, resolve(w3, name), {paid.address: plan.paid})
        confirm(w3, f"Zap up to {format_tokens(plan.paid, paid.decimals)} {paid.symbol} of {name}.")
        done = execute(w3, signer(w3, name), core, plan)
        print(f"got {format_tokens(done.got, got.decimals)} {got.symbol}, gas {done.gas_used:,}, tx {done.tx}")


def _share(symbol: str, address: str) -> ZapToken:
    return ZapToken(address=address, symbol=symbol, decimals=SHARE_DECIMALS)
