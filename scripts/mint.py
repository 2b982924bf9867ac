"""Mints shares of an index in kind: shows what it takes, checks balances, approves exactly that, mints.

    brownie run mint main LC10 2.5 alice --network devnet          [max_slippage_bps, default 10]
    brownie run mint preview LC10 2.5 alice --network devnet       sends nothing
    brownie run mint faucet LC10 2.5 alice --network devnet        gives alice the components, on a local market only

BALLAST_FAUCET=1 does the last before the first. BALLAST_APPROVE=0 refuses instead of approving.
"""

from __future__ import annotations

import os

from offchain.chain.accounts import is_local, resolve
from offchain.chain.deployments import open_index
from offchain.chain.investor import DEFAULT_SLIPPAGE_BPS, mint, preview_mint, require_funds
from offchain.chain.tables import mint_preview, receipt, usd
from offchain.launch import fund_locally
from offchain.units import to_shares
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage, whole_bps

USAGE = "brownie run mint main <SYMBOL> <shares> [account] [max_slippage_bps] --network <network>"


def main(symbol: str = "", shares: str = "", account: str = "", max_slippage_bps: str = "") -> None:
    if not symbol or not shares:
        raise usage(USAGE)
    with one_line_errors():
        if os.environ.get("BALLAST_FAUCET") == "1":
            _fund(symbol, shares, account)
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "alice")
        slippage = whole_bps(max_slippage_bps, DEFAULT_SLIPPAGE_BPS)
        amount = to_shares(shares)
        seen = preview_mint(w3, core, index.address, amount, account=resolve(w3, name), max_slippage_bps=slippage)
        print(mint_preview(seen))
        confirm(w3, f"Mint {shares} {symbol} for about {usd(seen.value)} from {name}.")
        approve = os.environ.get("BALLAST_APPROVE") != "0"
        if is_local(w3):
            require_funds(seen, resolve(w3, name), way_out=f"Get it: brownie run mint faucet {symbol} {shares} {name}")
        done = mint(w3, signer(w3, name), core, index.address, amount, max_slippage_bps=slippage, approve=approve)
        print("\n" + receipt("minted", done))


def preview(symbol: str = "", shares: str = "", account: str = "") -> None:
    if not symbol or not shares:
        raise usage(USAGE.replace("main", "preview"))
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        holder = resolve(w3, account_name(w3, account, "alice"))
        print(mint_preview(preview_mint(w3, core, index.address, to_shares(shares), account=holder)))


def faucet(symbol: str = "", shares: str = "", account: str = "") -> None:
    if not symbol or not shares:
        raise usage(USAGE.replace("main", "faucet"))
    with one_line_errors():
        print(_fund(symbol, shares, account))


def _fund(symbol: str, shares: str, account: str) -> str:
    w3 = node()
    core, index = open_index(w3, symbol)
    name = account_name(w3, account, "alice")
    holder = resolve(w3, name)
    seen = preview_mint(w3, core, index.address, to_shares(shares), account=holder)
    given = fund_locally(w3, holder, {leg.token: leg.limit for leg in seen.legs})
    return f"{name} was given {len(given)} tokens, enough for {shares} {symbol}"
