"""The holders' vote of an index: wrap shares, propose, vote, queue, execute; the guardian vetoes.

    brownie run govern show LC10 --network devnet
    brownie run govern wrap LC10 2.5 alice --network devnet                      unwrap likewise, at any time
    brownie run govern propose LC10 'index.setSupplyCap(1000000)' 'A cap of a million' alice --network devnet
    brownie run govern vote LC10 <proposal> for alice --network devnet           or against, or abstain
    brownie run govern queue LC10 <proposal> alice --network devnet              then execute; veto by the guardian

Calls begin with index, rebalancer, guard, oracle, authority, governor or timelock; several are separated by semicolons.
"""

from __future__ import annotations

from web3 import Web3

from offchain.chain import voting
from offchain.chain.deploy import IndexDeployment
from offchain.chain.deployments import first_block, open_index
from offchain.chain.governance import Governance
from offchain.chain.roles import Roles, read_deployed
from offchain.chain.roles_text import proposals_text
from offchain.units import to_shares
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage


def show(symbol: str = "") -> None:
    if not symbol:
        raise usage("brownie run govern show <SYMBOL> --network <network>")
    with one_line_errors():
        w3, index, roles, governance = _open(symbol)
        print(proposals_text(roles, voting.read_proposals(w3, governance, from_block=index.block)))


def wrap(symbol: str = "", shares: str = "", account: str = "") -> None:
    _move("wrap", symbol, shares, account)


def unwrap(symbol: str = "", shares: str = "", account: str = "") -> None:
    _move("unwrap", symbol, shares, account)


def propose(symbol: str = "", calls: str = "", text: str = "", account: str = "") -> None:
    if not symbol or not calls or not text:
        raise usage("brownie run govern propose <SYMBOL> '<calls>' '<text>' [account] --network <network>")
    with one_line_errors():
        w3, _, roles, governance = _open(symbol)
        parsed = voting.parse_calls(calls, voting.places_of(roles))
        name = account_name(w3, account, "alice")
        confirm(w3, f"Propose {calls} to the holders of {symbol} from {name}.")
        done = voting.propose(w3, signer(w3, name), governance, parsed, text)
        print(proposals_text(roles, [done]))


def vote(symbol: str = "", proposal: str = "", support: str = "", account: str = "") -> None:
    if not proposal.isdigit() or not support:
        raise usage("brownie run govern vote <SYMBOL> <proposal> for|against|abstain [account] --network <network>")
    with one_line_errors():
        w3, index, roles, governance = _open(symbol)
        name = account_name(w3, account, "alice")
        confirm(w3, f"Vote {support} proposal {proposal} of {symbol} from {name}.")
        voting.vote(w3, signer(w3, name), governance, int(proposal), support)
        print(proposals_text(roles, [voting.find_proposal(w3, governance, int(proposal), from_block=index.block)]))


def queue(symbol: str = "", proposal: str = "", account: str = "") -> None:
    _act("queue", symbol, proposal, account, "alice")


def execute(symbol: str = "", proposal: str = "", account: str = "") -> None:
    _act("execute", symbol, proposal, account, "alice")


def veto(symbol: str = "", proposal: str = "", account: str = "") -> None:
    _act("veto", symbol, proposal, account, "guardian")


def _open(symbol: str) -> tuple[Web3, IndexDeployment, Roles, Governance]:
    w3 = node()
    _, index = open_index(w3, symbol)
    roles = read_deployed(w3, index, from_block=first_block(w3.eth.chain_id))
    return w3, index, roles, voting.governance_of(roles)


def _move(verb: str, symbol: str, shares: str, account: str) -> None:
    if not symbol or not shares:
        raise usage(f"brownie run govern {verb} <SYMBOL> <shares> [account] --network <network>")
    with one_line_errors():
        w3, index, _, governance = _open(symbol)
        name, amount = account_name(w3, account, "alice"), to_shares(shares)
        confirm(w3, f"{verb.capitalize()} {shares} {symbol} of {name}.")
        if verb == "wrap":
            voting.wrap(w3, signer(w3, name), governance, index.address, amount)
        else:
            voting.unwrap(w3, signer(w3, name), governance, amount)
        print(f"{verb}ped {shares} {symbol} at {governance.votes}")


def _act(verb: str, symbol: str, proposal: str, account: str, usual: str) -> None:
    if not symbol or not proposal.isdigit():
        raise usage(f"brownie run govern {verb} <SYMBOL> <proposal> [account] --network <network>")
    with one_line_errors():
        w3, index, roles, governance = _open(symbol)
        found = voting.find_proposal(w3, governance, int(proposal), from_block=index.block)
        name = account_name(w3, account, usual)
        confirm(w3, f"{verb.capitalize()} proposal {found.text!r} of {symbol} from {name}.")
        {"queue": voting.queue, "execute": voting.execute, "veto": voting.veto}[verb](
            w3, signer(w3, name), governance, found
        )
        print(proposals_text(roles, [voting.find_proposal(w3, governance, found.id, from_block=index.block)]))
