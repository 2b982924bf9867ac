"""Deploys an index from its file, and the core if it is missing.

    brownie run deploy main offchain/indexes/lc10.toml --network devnet
    brownie run deploy main offchain/indexes/sepolia-example.toml my-keystore --network sepolia
    brownie run deploy core_governor 0x… my-keystore --network sepolia     he alone governs the oracle from then on

A repeated call goes on where the last one stopped. On a live network it asks once before it sends anything.
"""

from __future__ import annotations

from offchain.chain.accounts import name_of, resolve
from offchain.chain.deploy import hand_over
from offchain.chain.deployments import first_block, open_core
from offchain.chain.roles import read_deployed
from offchain.chain.roles_text import roles_text
from offchain.launch import launch, plan_launch
from offchain.launch_tables import launched_text, plan_text, question
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage


def main(file: str = "", account: str = "") -> None:
    if not file:
        raise usage("brownie run deploy main <index.toml> [account] --network <network>")
    with one_line_errors():
        w3 = node()
        name = account_name(w3, account, "deployer")
        plan = plan_launch(w3, resolve(w3, name), file)
        print(plan_text(w3, plan))
        if plan.existing is None:
            confirm(w3, question(plan))
        done = launch(w3, signer(w3, name) if plan.existing is None else plan.account, plan)
        print(launched_text(done))
        roles = read_deployed(w3, done.index, from_block=first_block(w3.eth.chain_id))
        print("\n" + roles_text(roles, lambda address: name_of(w3, address)))


def core_governor(governor: str = "", account: str = "", delay_hours: str = "0") -> None:
    if not governor or not delay_hours.isdigit():
        raise usage("brownie run deploy core_governor <address> [account] [delay_hours] --network <network>")
    with one_line_errors():
        w3 = node()
        core = open_core(w3)
        name = account_name(w3, account, "deployer")
        to = resolve(w3, governor)
        confirm(w3, f"Make {to} the only governor of the oracle {core.oracle}; {name} gives that power up for good.")
        hand_over(w3, signer(w3, name), core.authority, to, delay=int(delay_hours) * 3600)
        print(f"the oracle {core.oracle} is governed by {to}")
