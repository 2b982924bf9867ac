"""Redeems shares of an index in kind.

    brownie run redeem main LC10 2.5 alice --network devnet               [symbols to defer, such as USDT,XRP]
    brownie run redeem preview LC10 2.5 alice --network devnet            sends nothing
    brownie run redeem claim LC10 USDT alice --network devnet             pays what was deferred

A token that cannot move now is named, with the call that defers its leg and pays all others.
"""

from __future__ import annotations

from offchain.chain.accounts import resolve
from offchain.chain.deployments import open_index
from offchain.chain.investor import claim as pay_claim
from offchain.chain.investor import find_component, preview_redeem, redeem
from offchain.chain.reads import read_state
from offchain.chain.tables import receipt, redeem_preview, usd
from offchain.units import format_tokens, to_shares
from scripts.terminal import account_name, confirm, names, node, one_line_errors, signer, usage

USAGE = "brownie run redeem main <SYMBOL> <shares> [account] [defer symbols] --network <network>"


def main(symbol: str = "", shares: str = "", account: str = "", defer: str = "") -> None:
    if not symbol or not shares:
        raise usage(USAGE)
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "alice")
        amount = to_shares(shares)
        seen = preview_redeem(w3, core, index.address, amount, account=resolve(w3, name), defer=names(defer))
        print(redeem_preview(seen))
        confirm(w3, f"Redeem {shares} {symbol} for about {usd(seen.value)} to {name}.")
        done = redeem(w3, signer(w3, name), core, index.address, amount, defer=names(defer))
        print("\n" + receipt("redeemed", done))


def preview(symbol: str = "", shares: str = "", account: str = "", defer: str = "") -> None:
    if not symbol or not shares:
        raise usage(USAGE.replace("main", "preview"))
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        holder = resolve(w3, account_name(w3, account, "alice"))
        print(
            redeem_preview(
                preview_redeem(w3, core, index.address, to_shares(shares), account=holder, defer=names(defer))
            )
        )


def claim(symbol: str = "", component: str = "", account: str = "") -> None:
    if not symbol or not component:
        raise usage("brownie run redeem claim <SYMBOL> <component> [account] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "alice")
        confirm(w3, f"Claim {component} of {symbol} for {name}.")
        paid, tx = pay_claim(w3, signer(w3, name), core, index.address, component)
        token = find_component(read_state(w3, core, index.address), component)
        print(f"paid {format_tokens(paid, token.decimals)} {token.symbol} to {name}, tx {tx}")
