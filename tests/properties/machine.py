"""What all state machines share: a world per run, steps counted, the model as oracle, and how to run a machine.

A rule does one thing on the chain and in the model through `expect`; both must agree on the result or on the refusal.
Invariants then look at the chain itself, independently of the model. `Machine.tally` counts every rule by outcome, so
that a machine that only ever gets refused, which tests nothing, can be seen; `run` prints it and demands successes.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from offchain.reference.constants import LOCKED_SHARES_HOLDER, MAX_STREAMING_FEE, WAD, YEAR
from offchain.reference.integers import Reverted
from offchain.reference.model import IndexModel, PlanModel
from offchain.reference.replay import ZERO
from tests import fuzz
from tests.properties.chain import At, Call, Failure
from tests.properties.world import CANNOT_READ, REASONS, ModalTokenModel, Shape, World, Worlds

PHASES = (Phase.generate,) if os.environ.get("BALLAST_SHRINK") == "no" else (Phase.generate, Phase.shrink)
T = TypeVar("T")

SMALL_SHARES = st.sampled_from((1, 2, 3, 7, 10**6, 10**9, WAD // 3, WAD - 1, WAD, WAD + 1, 12_345 * 10**15))
SHARES = st.one_of(SMALL_SHARES, st.integers(1, 10**22), st.integers(0, 25).map(lambda digits: 10**digits))
WAITS = st.sampled_from((1, 12, 60, 3_600, 86_400, 7 * 86_400, 30 * 86_400, YEAR // 2))


@dataclass(frozen=True)
class State:
    """What the chain says, read in one call."""

    now: int
    base: int
    issued: int
    since: int
    supply: int
    pending: int
    claims_mask: int
    version: int
    mint_paused_until: int
    exchange_paused_until: int
    fees: tuple[int, int, int, int]
    supply_cap: int
    fee_recipient: str
    fee_module: str
    module_fee_left: int
    components: tuple[str, ...]
    shares: dict[str, int]
    balances: dict[str, int]
    owed: dict[str, int]
    claims: dict[tuple[str, str], int]

    def available(self, token: str) -> int:
        return max(0, self.balances[token] - self.owed[token])


class Machine(RuleBasedStateMachine):
    """One run in one world. Subclasses set `shapes` and call `open` in their `@initialize` rule."""

    worlds: ClassVar[Worlds]
    shapes: ClassVar[tuple[Shape, ...]]
    tally: ClassVar[Counter[str]]
    steps: ClassVar[int]
    runs: ClassVar[int]

    world: World
    is_sound = False  # whether nothing has failed so far, so that the checks at the end make sense

    def open(self, which: int) -> None:
        type(self).runs += 1
        self.world = self.worlds.open(self.shapes)[which % len(self.shapes)]
        self.chain = self.world.chain
        self.plans: PlanModel = self.world.fresh_model()
        self.model: IndexModel = self.plans.index
        self.people = [*self.world.people.values(), LOCKED_SHARES_HOLDER.lower(), self.world.index.address]
        self.prepare()
        self.state = self.read()
        self.exempt: set[str] = set()  # tokens whose backing this step may lower
        self.gifted: set[str] = set()  # tokens that moved without an event of the index
        self.waited = 0  # {s} since the last look
        self.is_sound = True

    def prepare(self) -> None:
        """Changes to a fresh world before the first look."""

    # --- doing ------------------------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.chain.now

    def count(self, rule: str, outcome: str = "done") -> None:
        self.tally[f"{rule}: {outcome}"] += 1
        type(self).steps += 1

    def wait(self, seconds: int) -> None:
        self.chain.advance(seconds)
        self.waited += seconds

    def expect(self, rule: str, twin: Callable[[], T], sender: str, call: Call) -> tuple[T, tuple[object, ...]] | None:
        """Does it in the model and on the chain. Both results, or None when both refuse for the same reason."""
        self.is_sound = False
        refusal: Reverted | None = None
        try:
            expected = twin()
        except Reverted as error:
            refusal = error
        actual = self.chain.attempt(sender, call)
        if refusal is not None:
            assert isinstance(actual, Failure), f"{rule}: the contract did what the model refuses ({refusal}): {actual}"
            reasons = REASONS.get(refusal.reason, (refusal.reason,))
            assert actual.reason in reasons, f"{rule}: refused with {actual}, the model with {refusal}"
            self.count(rule, refusal.reason)
            self.is_sound = True
            return None
        assert not isinstance(actual, Failure), f"{rule}: {actual}, but the model does it"
        self.count(rule)
        self.is_sound = True
        return expected, actual

    def ledger(self, token: str) -> ModalTokenModel:
        return cast("ModalTokenModel", self.model.tokens[token])

    def set_modes(self, token: str, modes: int) -> None:
        self.chain.send(self.world.governor, Call(self.world.tokens[token], "setModes", (modes,)))
        self.ledger(token).modes = modes

    def set_balance(self, token: str, account: str, amount: int) -> None:
        self.chain.send(self.world.governor, Call(self.world.tokens[token], "setBalance", (account, amount)))
        self.ledger(token).balances[account] = amount
        self.gifted.add(token)

    def set_blocked(self, token: str, account: str, blocked: bool) -> None:
        self.chain.send(self.world.governor, Call(self.world.tokens[token], "setBlocked", (account, blocked)))
        (self.ledger(token).blocked.add if blocked else self.ledger(token).blocked.discard)(account)

    # --- looking ----------------------------------------------------------------------------------------------------

    def read(self) -> State:
        tokens = tuple(self.world.tokens)
        call = Call(self.world.reader, "read", (self.world.index.address, tokens, tuple(self.people)))
        words = cast("tuple[object, ...]", self.chain.read(call))
        plain, lists = words[:14], cast("tuple[tuple[int, ...], ...]", words[14:])
        components, shares, balances, owed, claims = lists
        pairs = [(token, account) for token in tokens for account in self.people]
        return State(
            self.now,
            *plain,  # type: ignore[arg-type]
            components=cast("tuple[str, ...]", components),
            shares=dict(zip(self.people, shares, strict=True)),
            balances=dict(zip(tokens, balances, strict=True)),
            owed=dict(zip(tokens, owed, strict=True)),
            claims=dict(zip(pairs, claims, strict=True)),
        )

    def look(self) -> tuple[State, State]:
        """The state before and after the last step. The machine is sound again once its checks are done."""
        self.is_sound = False
        before, self.state = self.state, self.read()
        return before, self.state

    def is_readable(self, token: str) -> bool:
        return not self.ledger(token).modes & CANNOT_READ

    # --- checks that several machines share -------------------------------------------------------------------------

    def check_claims(self, state: State) -> None:
        """Invariant 1: Σ claimOf = claimsOwed for each token; the mask says exactly where there are claims."""
        owed: Counter[str] = Counter()
        for (token, _), amount in state.claims.items():
            owed[token] += amount
        for token, total in state.owed.items():
            assert owed[token] == total, f"{token}: claims sum to {owed[token]}, claimsOwed is {total}"
        mask = sum(1 << i for i, token in enumerate(state.components) if state.owed[token])
        assert state.claims_mask == mask, f"claimsMask {state.claims_mask:b}, claims are at {mask:b}"

    def check_model(self, state: State) -> None:
        """The contract's storage equals the model's, word by word."""
        model = self.model
        assert (state.base, state.issued, state.since) == (model.supply.base, model.supply.issued, model.supply.since)
        assert state.supply == model.total_supply(self.now)
        assert state.pending == model.pending_fee_shares(self.now)
        assert list(state.components) == model.components
        assert state.version == model.version
        assert state.claims_mask == model.claims_mask
        assert state.fees == (model.streaming_fee, model.streaming_rate, model.mint_fee, model.redeem_fee)
        assert state.supply_cap == model.supply_cap * WAD
        assert state.fee_recipient == model.fee_recipient
        assert state.fee_module == (model.fee_module or ZERO)
        assert state.module_fee_left == model.module_fee_left(self.now)
        assert state.mint_paused_until == model.mint_paused_until
        assert state.exchange_paused_until == model.exchange_paused_until
        assert state.shares == {account: model.shares.get(account, 0) for account in self.people}
        assert state.owed == {token: model.claims_owed.get(token, 0) for token in state.owed}
        assert state.claims == {pair: model.claim_of.get(pair, 0) for pair in state.claims}
        for token, balance in state.balances.items():
            expected = self.ledger(token).balances.get(model.address, 0) if self.is_readable(token) else 0
            assert balance == expected, f"{token}: balance {balance}, model {expected}"

    def check_supply(self, state: State) -> None:
        """Σ balances = issued ≤ supply, and the locked shares are there: supply is never zero."""
        assert sum(state.shares.values()) == state.issued
        assert state.issued <= state.supply
        assert state.pending == state.supply - state.issued
        assert state.shares[LOCKED_SHARES_HOLDER.lower()] >= 10**9

    def check_backing(self, before: State, after: State) -> None:
        """Invariant 2: R′·S ≥ R·S′ for every component, but for the streaming fee of the time that passed, ≤ 5 % a year."""
        allowed = (1 - MAX_STREAMING_FEE / WAD) ** (self.waited / YEAR)
        for token in set(before.components) & set(after.components) - self.exempt:
            old, new = before.available(token), after.available(token)
            if self.waited:
                assert new >= old, f"{token}: {old} became {new} by waiting"
                assert new * before.supply >= int(old * after.supply * allowed * (1 - 1e-12)), (
                    f"{token}: the fee of {self.waited} s took more than the cap from {old}/{before.supply}"
                )
            else:
                assert new * before.supply >= old * after.supply, (
                    f"{token}: backing per share fell from {old}/{before.supply} to {new}/{after.supply}"
                )
        self.exempt, self.waited = set(), 0

    def check_exit(self, state: State) -> None:
        """Invariant 5: with exactly the failing legs deferred, redeeming everything succeeds; with one less it fails."""
        holder = max(state.shares, key=lambda account: (account != self.world.index.address) * state.shares[account])
        shares, n = state.shares[holder], len(state.components)
        failing = [
            i
            for i, token in enumerate(state.components)
            if not self.is_readable(token) or not self.ledger(token).can_move(self.world.index.address, holder)
        ]
        mask = sum(1 << i for i in failing)

        def redeem(deferred: int) -> Call:
            return Call(self.world.index, "redeem", (shares, state.version, (0,) * n, holder, holder, deferred))

        exit_, *lesser = self.chain.calls(
            [redeem(mask), *(redeem(mask & ~(1 << i)) for i in failing[:4])], sender=holder
        )
        assert not isinstance(exit_, Failure), f"no exit for {holder} with mask {mask:b}: {exit_}"
        amounts = cast("tuple[tuple[int, ...]]", exit_)[0]
        after_fee = shares - -(-shares * state.fees[3] // WAD)
        for i, token in enumerate(state.components):
            due = after_fee * state.available(token) // state.supply if self.is_readable(token) else 0
            assert amounts[i] == due, f"exit pays {amounts[i]} of {token}, due are {due}"
        for i, result in zip(failing, lesser, strict=False):
            if amounts[i] or not self.is_readable(state.components[i]):
                assert isinstance(result, Failure), f"leg {i} was deferred without need"
        self.tally["exit: " + ("some legs deferred" if failing else "all legs paid")] += 1


def run(machine: type[Machine], worlds: Worlds, *, examples: int, steps: int, needed: Sequence[str] = ()) -> str:
    """Runs a machine; returns its statistics. `needed` are tally entries without which the machine would be blind."""
    machine.worlds, machine.tally, machine.steps, machine.runs = worlds, Counter(), 0, 0
    profile = settings(
        max_examples=fuzz.examples(examples),
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=PHASES,
        derandomize=not fuzz.LONG,
        report_multiple_bugs=False,
        suppress_health_check=HealthCheck.all(),
    )
    started = time.monotonic()
    run_state_machine_as_test(machine, settings=profile)
    seconds = time.monotonic() - started
    missing = [entry for entry in needed if not machine.tally[entry]]
    assert not missing, f"{machine.__name__} never reached {missing}; it did {dict(machine.tally)}"
    return report(machine, seconds)


def report(machine: type[Machine], seconds: float) -> str:
    rate = machine.steps / max(seconds, 1e-9)
    lines = [f"{machine.__name__}: {machine.runs} runs, {machine.steps} steps, {seconds:.1f} s, {rate:.0f} steps/s"]
    rules: dict[str, list[str]] = {}
    for entry, number in sorted(machine.tally.items()):
        rule, outcome = entry.split(": ", 1)
        rules.setdefault(rule, []).append(f"{outcome} {number}")
    lines += [f"    {rule:<22} {', '.join(outcomes)}" for rule, outcomes in rules.items()]
    return "\n".join(lines)


__all__ = ["SHARES", "WAITS", "At", "Machine", "State", "run"]
