"""What there is to do for an index now or later, one `Chore` each, drafted from the facts of one block.

A draft has a call once its time has come; whether that call goes through and is worth its gas, `upkeep.py` asks the node.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from web3.contract.contract import ContractFunction
from web3.exceptions import Web3RPCError

from offchain.canonical import utc_text
from offchain.chain import registry
from offchain.chain.artifacts import artifact
from offchain.chain.core import index_contract
from offchain.chain.tables import shares as shares_text
from offchain.chain.tables import usd
from offchain.chain.transactions import at
from offchain.chain.upkeep_facts import DAY, Facts, FeeAccount
from offchain.errors import ChainError
from offchain.reference import fee_math
from offchain.reference.constants import CHECKPOINT_INTERVAL, MAX_OBSERVATION_AGE, MIN_OBSERVATION_AGE, RECORD_WINDOW
from offchain.units import D27, WAD, format_percent

DUE, LATER, BLOCKED, DUST, OPTIONAL = "due", "later", "blocked", "costs more than it moves", "optional"
ANY_NAV = 2**256  # above every NAV
RECORDS_AT_ONCE = 50  # tokens in one transaction: some 3 M gas, three times that with averages of pools


@dataclass(frozen=True, kw_only=True)
class Chore:
    """One call that anyone may make. `name`: the contract's function. `why`: what makes it due, or when and why not.

    `does`: its effect in numbers. `at` {s}: when it can be done, 0 if time alone does not tell. `worth` {nUSD} that it
    moves; None: it is worth any gas. `fee_shares` {share} that it mints to the fee recipient. `gas` and `cost` {nUSD} as
    the node estimates them, 0 where it was not asked or the price of ether is unknown.
    """

    name: str
    why: str
    does: str = ""
    at: int = 0
    call: ContractFunction | None = None
    state: str = LATER
    worth: int | None = None
    fee_shares: int = 0
    gas: int = 0
    cost: int = 0

    @property
    def is_due(self) -> bool:
        return self.state == DUE


def records(facts: Facts) -> Iterator[Chore]:
    """Prices are always worth their gas where the methodology of the index reads them; elsewhere nobody needs them."""
    name, opens = "recordMany", (facts.day + 1) * DAY
    needed = facts.book is not None and facts.book.span != 0
    notes = _record_notes(facts)
    missing = [token for token in facts.tokens if not facts.recorded[token]]
    count = f"{len(facts.tokens) - len(missing)} of {len(facts.tokens)} tokens have a price of today"
    if not missing:
        yield Chore(name=name, why=f"{count}; the next one from {time_text(opens)}", does=notes, at=opens)
        return
    if facts.time >= facts.day * DAY + RECORD_WINDOW:
        why = f"{count}; the window is closed until {time_text(opens)}"
        yield Chore(name=name, why=why, does=notes, at=opens)
        return
    priced = [token for token in missing if facts.prices[token]]
    silent = [token for token in missing if not facts.prices[token]]
    closes = time_text(facts.day * DAY + RECORD_WINDOW)
    for start in range(0, len(priced), RECORDS_AT_ONCE):
        batch = priced[start : start + RECORDS_AT_ONCE]
        yield Chore(
            name=name,
            why=f"{count}; the window closes {closes}",
            does="; ".join(filter(None, (f"records {_listed(facts, batch)}", notes))),
            call=facts.contract("recorder").functions.recordMany(batch),
            state=LATER if needed else OPTIONAL,
        )
    for token in silent:  # asked one by one, because each has a reason of its own
        why = f"{facts.symbols[token]} has no price"
        if needed:
            yield Chore(name=name, why=why, call=facts.contract("recorder").functions.record(token))
        else:
            yield Chore(name=name, why=why, does=notes)


def _record_notes(facts: Facts) -> str:
    book = facts.book
    if book is not None and book.other_recorder:
        return f"the methodology reads another recorder, {book.other_recorder}"
    if book is None or not book.span:
        return "no methodology of this index reads them"
    if book.short:
        return f"too few records of {book.span} days yet (RecordsMissing): {_listed(facts, book.short)}"
    return ""


def checkpoints(facts: Facts) -> Iterator[Chore]:
    """A vault's rate is believed within a jump of its checkpoint: moved once half of that is used up."""
    for vault in facts.vaults:
        earliest, symbol = vault.moved_at + CHECKPOINT_INTERVAL, facts.symbols[vault.token]
        call = at(facts.w3, artifact("Erc4626Feed"), vault.feed).functions.moveCheckpoint()
        if vault.rate is None:
            yield Chore(name="moveCheckpoint", why=f"the vault of {symbol} tells no rate", call=call)
            continue
        moved = abs(vault.rate - vault.checkpoint) * WAD // vault.checkpoint
        why = f"the rate of {symbol} is {_percent(moved)} from its checkpoint of {time_text(vault.moved_at)}, believed to {_percent(vault.max_jump)}"
        if 2 * moved < vault.max_jump:
            yield Chore(name="moveCheckpoint", why=why)
        elif facts.time < earliest:
            yield Chore(name="moveCheckpoint", why=f"{why}; from {time_text(earliest)}", at=earliest)
        else:
            yield Chore(name="moveCheckpoint", why=why, call=call)


def epoch(facts: Facts) -> Iterator[Chore]:
    book = facts.book
    if book is None:
        return
    number = book.number + 1
    if not book.is_pending:
        yield Chore(name="execute", why="no weights are proposed")
    elif facts.time < book.ready_at:
        yield Chore(name="execute", why=f"epoch {number} is ready {time_text(book.ready_at)}", at=book.ready_at)
    elif facts.time >= book.lapses_at:
        yield Chore(name="execute", why=f"epoch {number} lapsed {time_text(book.lapses_at)}; it can be proposed again")
    else:
        why = f"epoch {number} is ready since {time_text(book.ready_at)}, lapses {time_text(book.lapses_at)}"
        try:
            found = registry.read_epoch(facts.w3, facts.core, facts.state.index, number).epoch
        except (ChainError, Web3RPCError) as error:  # a node without old events stops no other chore
            yield Chore(name="execute", why=f"{error}; {why}", state=BLOCKED)
            return
        does = f"weights of {len(found.tokens)} tokens become those of the index"
        call = facts.contract("registry").functions.execute(found.as_tuple())
        yield Chore(name="execute", why=why, does=does, call=call)


def plan(facts: Facts) -> Iterator[Chore]:
    plan = facts.state.plan
    if plan.expires_at == 0:
        yield Chore(name="endPlan", why="no plan waits for its end")
        return
    if facts.time < plan.expires_at:
        yield Chore(name="endPlan", why=f"plan {plan.id} runs until {time_text(plan.expires_at)}", at=plan.expires_at)
        return
    does = f"pays {shares_text(facts.tip)} shares to the caller and {shares_text(facts.fee)} to the fee recipient"
    if facts.empty:
        does += f", drops {_listed(facts, facts.empty)}"
    yield Chore(
        name="endPlan",
        why=f"plan {plan.id} expired {time_text(plan.expires_at)}",
        does=does,
        call=at(facts.w3, artifact("Rebalancer"), facts.state.rebalancer).functions.endPlan(facts.state.index, plan.id),
        worth=None if facts.empty else facts.value(facts.tip + facts.fee, minted=facts.tip + facts.fee),
        fee_shares=facts.fee,
    )


def performance(facts: Facts) -> Iterator[Chore]:
    """One of the two looks: the first from the due time on, the second in the life of the first."""
    account, functions = facts.account, facts.contract("performance_fee").functions
    if account is None:
        return
    ready, expires = account.observed_at + MIN_OBSERVATION_AGE, account.observed_at + MAX_OBSERVATION_AGE
    due_at = account.crystallised_at + account.interval
    if account.observed_at and facts.time <= expires:
        name, call, seen = "crystallise", functions.crystallise(facts.state.index), account.observed_nav
        when, wait = f"observed {time_text(account.observed_at)}, expires {time_text(expires)}", ready
    else:
        name, call, seen = "observe", functions.observe(facts.state.index), ANY_NAV
        when, wait = f"due since {time_text(due_at)}", due_at
        when += f"; the observation of {time_text(account.observed_at)} has expired" if account.observed_at else ""
    if facts.nav is None:
        yield Chore(name=name, why=when if facts.time >= wait else f"from {time_text(wait)}", at=wait, call=call if facts.time >= wait else None)  # fmt: skip
        return
    nav = min(facts.nav, seen)
    numbers = f"NAV {nav_text(nav)} a share, mark {nav_text(account.mark)}"
    minted = _fee_shares(facts, account, nav)
    does = f"the fee would be {_valued(facts, minted, minted)}" if minted else ""
    if facts.time < wait:
        yield Chore(name=name, why=f"from {time_text(wait)}; {numbers}", does=does, at=wait)
    elif nav <= account.mark:
        yield Chore(name=name, why=f"no gain: {numbers}")
    elif minted == 0:
        yield Chore(name=name, why=f"less than a share, or than what modules may mint this month: {numbers}")
    else:
        fee_shares = minted if name == "crystallise" else 0
        yield Chore(name=name, why=f"{when}; {numbers}", does=does, call=call, worth=facts.value(minted, minted=minted), fee_shares=fee_shares)  # fmt: skip


def _fee_shares(facts: Facts, account: FeeAccount, nav: int) -> int:
    """{share} that `crystallise` would mint at this NAV: the twin of the contract."""
    most = fee_math.part_of(facts.state.supply, facts.module_fee_left)
    backing = facts.backing or 0
    return fee_math.performance_fee(facts.state.supply, nav, account.mark, backing, account.rate, most)[0]


def sync(facts: Facts) -> Iterator[Chore]:
    """Worth what the fee on a gift that fills the difference would be."""
    if facts.account is None:
        return
    supply, above = facts.state.supply, {}
    for item in facts.state.components:
        record = facts.records[item.token]
        rate = max(facts.streaming_rate, record.streaming_rate)
        unit = fee_math.unit_after(record.unit, rate, facts.time - record.updated_at)
        # {nUSD} = D27{tok/share} * {share} / D27 * D27{nUSD/tok} / D27
        above[item.token] = max(0, unit - item.available * D27 // supply) * supply // D27 * item.price // D27
    value = sum(above.values())
    worth = value * facts.account.rate // WAD
    if worth == 0:
        yield Chore(name="sync", why="no record is above what is held")
        return
    tokens = _listed(facts, [token for token, much in above.items() if much])
    yield Chore(
        name="sync",
        why=f"the records of {tokens} are {usd(value)} above what is held",
        does=f"a gift that fills them could be charged {usd(worth)} as a gain",
        call=facts.contract("performance_fee").functions.sync(facts.state.index),
        worth=worth,
    )


def fees(facts: Facts, minted: int) -> Iterator[Chore]:
    """`minted` {share}: what the chores before this one add."""
    state, splitter = facts.state, facts.core.fee_splitter
    is_split = state.fee_recipient == splitter
    if is_split or (facts.in_splitter and facts.table):
        amount = facts.in_splitter + (state.pending_fee_shares + minted if is_split else 0)
        recipients, weights, burn = facts.table or ((), (), 0)
        paid = _valued(facts, sum(fee_math.part_of(amount, weight) for weight in weights), minted)
        burned = _valued(facts, fee_math.part_of(amount, burn), minted)
        does = f"{paid} to {len(recipients)} accounts, {burned} burned"
        call = facts.contract("fee_splitter").functions.distribute(state.index)
        yield _moving(facts, "distribute", amount, does, call, minted)
    if not is_split:
        call = index_contract(facts.w3, state.index).functions.collect()
        yield _moving(facts, "collect", state.pending_fee_shares, f"to {state.fee_recipient}", call, minted)


def _moving(facts: Facts, name: str, amount: int, does: str, call: ContractFunction, minted: int) -> Chore:
    if amount == 0:
        return Chore(name=name, why="nothing was earned since the last time")
    why, worth = f"{_valued(facts, amount, minted)} were earned", facts.value(amount, minted=minted)
    return Chore(name=name, why=why, does=does, call=call, worth=worth)


# --- words ------------------------------------------------------------------------------------------------------------


def time_text(seconds: int) -> str:
    """Unix seconds as '2025-01-06T00:00:00Z'."""
    return utc_text(datetime.fromtimestamp(seconds, tz=UTC))


def _valued(facts: Facts, shares: int, minted: int = 0) -> str:
    return f"{shares_text(shares)} shares ({usd(facts.value(shares, minted=minted))})"


def nav_text(nav: int) -> str:
    # {nUSD/SHARE} = D27{nUSD/share} * 1e18{share/SHARE} / D27
    return usd(nav * WAD // D27)


def _percent(ratio: int) -> str:
    return format_percent(ratio / WAD)


def _listed(facts: Facts, tokens: Sequence[str]) -> str:
    return ", ".join(facts.symbols[token] for token in tokens)
