"""Who can do what with an index, when, and within which bounds: read from the chain, whoever deployed it.

brownie run roles main LC10 --network devnet
brownie run roles main 0x… --network sepolia [first_block]      any index of these contracts; events from that block
"""

from __future__ import annotations

from web3 import Web3

from offchain.chain.accounts import name_of
from offchain.chain.deployments import first_block as first_block_of
from offchain.chain.deployments import open_index
from offchain.chain.roles import read_deployed, read_roles
from offchain.chain.roles_text import roles_text
from scripts.terminal import node, one_line_errors, usage


def main(index: str = "", first_block: str = "0") -> None:
    if not index or not first_block.isdigit():
        raise usage("brownie run roles main <SYMBOL or address> [first_block] --network <network>")
    with one_line_errors():
        w3 = node()
        if Web3.is_address(index):
            found = read_roles(w3, index, from_block=int(first_block))
        else:
            _, deployed = open_index(w3, index)
            found = read_deployed(w3, deployed, from_block=first_block_of(w3.eth.chain_id))
        print(roles_text(found, lambda address: name_of(w3, address)))
