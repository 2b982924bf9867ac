"""Dutch auctions of what a plan sells: shown, opened, closed, filled.

    brownie run auctions show LC10 --network devnet                        plan, auction, surpluses, deficits, costs of a fill
    brownie run auctions open LC10 --network devnet                        on the public terms: the whole range of the policy
    brownie run auctions open LC10 150 -30 60 linear --network devnet      from 1.5 % above the oracle to 0.3 % below, 60 minutes
    brownie run auctions close LC10 --network devnet                       strategist or guardian
    brownie run auctions fill LC10 WBTC WETH 0.5 bob --network devnet      takes at most 0.5 WBTC of the surplus for WETH

A last argument names the account that signs (default: keeper; fills: alice). A fill pays from that account's tokens: it
approves exactly the most it may pay, and takes the rest of the allowance back; one more argument is how far the price may move
until it is mined, in basis points (default 50). BALLAST_FAUCET=1 gives the account what it pays with, on a local market only.
"""

from __future__ import annotations

import os

from offchain.chain import auctions
from offchain.chain.accounts import resolve
from offchain.chain.auctions_text import auctions_text, fill_text, filled_text
from offchain.chain.deployments import open_index
from offchain.chain.investor import find_component
from offchain.chain.reads import read_state
from offchain.chain.terms import MINUTE, PPM_PER_BPS
from offchain.errors import UnitError
from offchain.launch import fund_locally
from offchain.units import format_tokens, to_tokens
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage


def show(symbol: str = "") -> None:
    if not symbol:
        raise usage("brownie run auctions show <SYMBOL> --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        print(auctions_text(auctions.read_auctions(w3, core, index.address)))


def open(  # noqa: A001 (a script's functions are its verbs)
    symbol: str = "", start_bps: str = "", end_bps: str = "", minutes: str = "", curve: str = "", account: str = ""
) -> None:
    if not symbol or (end_bps and not curve):
        raise usage(
            "brownie run auctions open <SYMBOL> [<start_bps> <end_bps> <minutes> linear|exponential] [account] "
            "--network <network>"
        )
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        chosen = None
        if end_bps:
            chosen = auctions.AuctionTerms(
                start_ppm=_whole("start_bps", start_bps) * PPM_PER_BPS,
                end_ppm=_whole("end_bps", end_bps) * PPM_PER_BPS,
                duration=_whole("minutes", minutes) * MINUTE,
                curve=curve,
            )
        elif start_bps:  # the public terms, by a named account
            account = start_bps
        name = account_name(w3, account, "keeper")
        confirm(w3, f"Open an auction of {symbol} with {name}.")
        print(auctions_text(auctions.open_auction(w3, signer(w3, name), core, index.address, chosen)))


def close(symbol: str = "", account: str = "") -> None:
    if not symbol:
        raise usage("brownie run auctions close <SYMBOL> [account] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "keeper")
        confirm(w3, f"Close the auction of {symbol} with {name}.")
        view = auctions.close_auction(w3, signer(w3, name), core, index.address)
        print(f"{symbol} auction {view.auction.id} closed")


def fill(
    symbol: str = "", sell: str = "", buy: str = "", amount: str = "", account: str = "", tolerance_bps: str = ""
) -> None:
    if not symbol or not sell or not buy or not amount:
        raise usage(
            "brownie run auctions fill <SYMBOL> <SELL> <BUY> <amount of SELL> [account] [tolerance_bps] --network <network>"
        )
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "alice")
        decimals = find_component(read_state(w3, core, index.address), sell).decimals
        bps = _whole("tolerance_bps", tolerance_bps) if tolerance_bps else auctions.DEFAULT_TOLERANCE_BPS
        plan = auctions.plan_fill(w3, core, index.address, sell, buy, to_tokens(amount, decimals), tolerance_bps=bps)
        print(fill_text(plan))
        if os.environ.get("BALLAST_FAUCET") == "1":
            fund_locally(w3, resolve(w3, name), {plan.buy.token: plan.max_pay})
        most = format_tokens(plan.max_pay, plan.buy.decimals)
        confirm(w3, f"Pay at most {most} {plan.buy.symbol} of {name}.")
        print(filled_text(auctions.fill(w3, signer(w3, name), core, plan)))


def _whole(name: str, text: str) -> int:
    """A whole number with its sign, as typed."""
    if not text.lstrip("+-").isdigit() or len(text) - len(text.lstrip("+-")) > 1:
        raise UnitError(f"{name} {text!r} is not a whole number, such as 150 or -30")
    return int(text)
