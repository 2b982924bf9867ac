"""Weights through the registry: published, proposed, open to a veto, executed.

    brownie run weights show LC10 --network devnet               rules, epochs, what is pending
    brownie run weights register LC10 --network devnet           governor: epoch 1, the weights the rules want now; where
                                                                 his actions wait, once to schedule and once to execute
    brownie run weights bind LC10 --network devnet               governor: from then on plans can only go to executed weights
    brownie run weights unbind LC10 --network devnet             governor: plans are free again
    brownie run weights propose LC10 --network devnet            strategist: publishes the inputs and proposes what follows
    brownie run weights veto LC10 2 --network devnet             guardian: drops what is pending
    brownie run weights execute LC10 2 --network devnet          anyone, after the delay

A last argument names the account that signs. What is proposed can be checked by anyone: brownie run verify main LC10 2
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from offchain.chain import registry
from offchain.chain.accounts import resolve
from offchain.chain.core import index_contract
from offchain.chain.deployments import deployments_folder, open_index, shown
from offchain.epochs import Publication, draft_epoch, first_epoch, rules_for
from offchain.errors import ChainError
from offchain.keeper import Keeper, open_keeper
from offchain.keeper.outcomes import time_text
from offchain.units import format_weight
from scripts.terminal import account_name, confirm, node, one_line_errors, signer, usage


def show(symbol: str = "") -> None:
    if not symbol:
        raise usage("brownie run weights show <SYMBOL> --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        rules = registry.rules_of(w3, core, index.address)
        rule = registry.read_rule(w3, rules.methodology)
        number, _, ready_at, lapses_at, _ = core.contract(w3, "registry").functions.bookOf(index.address).call()
        print(f"{symbol}: epoch {number}, {rule.name if rule else 'managed'}")
        print(f"  weights {format_weight(rules.min_weight)} to {format_weight(rules.max_weight)}, change at most {format_weight(rules.max_change)}")  # fmt: skip
        _print_weights(registry.read_epoch(w3, core, index.address, number).epoch)
        if lapses_at:
            print(f"  epoch {number + 1} is pending: ready {time_text(ready_at)}, lapses {time_text(lapses_at)}")
            _print_weights(registry.read_epoch(w3, core, index.address, number + 1).epoch)


def register(symbol: str = "", account: str = "") -> None:
    """Where the governor's actions wait, the first call schedules and the second, after the delay, executes."""
    with _keeper("register", symbol, account, "governor") as (keeper, name):
        w3, core, index = keeper.w3, keeper.places.core, keeper.places.index
        authority = index_contract(w3, index).functions.authority().call()
        waiting = registry.scheduled_registration(w3, core, index, authority, resolve(w3, name))
        if waiting is not None:
            data, ready_at = waiting
            if int(w3.eth.get_block("latest")["timestamp"]) < ready_at:
                raise ChainError(f"the registration of {symbol} is scheduled; execute it after {time_text(ready_at)}")
            confirm(w3, f"Execute the scheduled registration of {symbol} with {name}.")
            registry.execute_registration(w3, signer(w3, name), core, authority, data)
            print(f"{symbol} epoch 1 executed")
            return
        decision, publication = keeper.publish()
        first = first_epoch(index, decision, publication)
        _print_weights(first)
        _publish(keeper, publication)
        confirm(w3, f"Register {symbol} in the weight registry with {name}.")
        later = registry.schedule_registration(w3, signer(w3, name), core, authority, first, rules_for(keeper.spec))
        print(
            f"{symbol} registration scheduled; again after {time_text(later)}"
            if later
            else f"{symbol} epoch 1 executed"
        )


def bind(symbol: str = "", account: str = "") -> None:
    _bind("bind", symbol, account)


def unbind(symbol: str = "", account: str = "") -> None:
    _bind("unbind", symbol, account)


def propose(symbol: str = "", account: str = "") -> None:
    with _keeper("propose", symbol, account, "keeper") as (keeper, name):
        core = keeper.places.core
        decision, publication = keeper.publish()
        draft = draft_epoch(keeper.w3, core, keeper.places.index, decision, publication)
        _print_weights(draft.epoch)
        _publish(keeper, publication)
        confirm(keeper.w3, f"Propose epoch {draft.epoch.number} of {symbol} with {name}.")
        registry.propose(keeper.w3, signer(keeper.w3, name), core, draft.epoch, draft.inputs)
        print(f"{symbol} epoch {draft.epoch.number} proposed")


def veto(symbol: str = "", epoch: str = "", account: str = "") -> None:
    _send("veto", symbol, epoch, account, "guardian")


def execute(symbol: str = "", epoch: str = "", account: str = "") -> None:
    _send("execute", symbol, epoch, account, "keeper")


def _bind(verb: str, symbol: str, account: str) -> None:
    """Where the governor's actions wait, the first call schedules and the second, after the delay, executes."""
    if not symbol:
        raise usage(f"brownie run weights {verb} <SYMBOL> [account] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, "governor")
        source = core.registry if verb == "bind" else registry.NOBODY
        if verb == "bind":
            registry.rules_of(w3, core, index.address)  # unregistered, no plan could start any more
        what = "only to weights the registry executed" if verb == "bind" else "to any weights again"
        confirm(w3, f"Let plans of {symbol} go {what}, with {name}.")
        later = registry.bind(w3, signer(w3, name), core, index.authority, index.address, source)
        print(f"{symbol} {verb} scheduled; again after {time_text(later)}" if later else f"{symbol} plans go {what}")


def _send(verb: str, symbol: str, epoch: str, account: str, local: str) -> None:
    if not symbol or not epoch.isdigit():
        raise usage(f"brownie run weights {verb} <SYMBOL> <epoch> [account] --network <network>")
    with one_line_errors():
        w3 = node()
        core, index = open_index(w3, symbol)
        name = account_name(w3, account, local)
        found = registry.read_epoch(w3, core, index.address, int(epoch)).epoch
        _print_weights(found)
        confirm(w3, f"{verb.capitalize()} epoch {epoch} of {symbol} with {name}.")
        if verb == "veto":
            registry.veto(w3, signer(w3, name), core, index.address, found.number)
        else:
            registry.execute(w3, signer(w3, name), core, found)
        print(f"{symbol} epoch {epoch} {'vetoed' if verb == 'veto' else 'executed'}")


@contextmanager
def _keeper(verb: str, symbol: str, account: str, local: str) -> Iterator[tuple[Keeper, str]]:
    if not symbol:
        raise usage(f"brownie run weights {verb} <SYMBOL> [account] --network <network>")
    with one_line_errors():
        w3 = node()
        name = account_name(w3, account, local)
        with open_keeper(w3, symbol, resolve(w3, name)) as keeper:
            yield keeper, name


def _publish(keeper: Keeper, publication: Publication) -> None:
    """Writes the inputs before their hash goes on the chain: what is proposed can be checked from the first second."""
    path = publication.write(deployments_folder(keeper.places.core.chain_id) / "publications")
    print(f"published {shown(path)}")


def _print_weights(epoch: registry.Epoch) -> None:
    for token, weight in zip(epoch.tokens, epoch.weights, strict=True):
        print(f"  {token}  {format_weight(weight)}")
