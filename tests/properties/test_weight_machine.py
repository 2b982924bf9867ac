"""Invariant 8: executed weights match what was proposed, sum to 1e18, are within bounds, after the delay, not vetoed.

A strategist who tries everything, a guardian who vetoes some of it, a governor who changes rules and allow-list, and
somebody who executes whatever he has ever seen, at any time. The ghost remembers who said what and when; after every step
the chain's weights are the ghost's, and the book can be rebuilt from the events alone (G6).
"""

from __future__ import annotations

from typing import ClassVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tests.properties.chain import At, Call, Failure
from tests.properties.machine import Machine, run
from tests.properties.world import Shape, Worlds

WAD = 10**18
HOUR, DAY = 3_600, 86_400
ZERO = "0x" + "0" * 40
SPEC, INPUTS = b"\x51" * 32, b"\x1a" * 32

Epoch = tuple[str, int, bytes, bytes, tuple[str, ...], tuple[int, ...]]
Rules = tuple[int, int, int, int, int, int, str]
CHOICES: tuple[Rules, ...] = (
    (WAD // 100, WAD, WAD // 2, DAY, HOUR, DAY, ZERO),
    (1, WAD * 6 // 10, 2 * WAD, HOUR, HOUR, HOUR, ZERO),
    (WAD // 20, WAD * 4 // 10, WAD // 5, 7 * DAY, DAY, 2 * DAY, ZERO),
)


class WeightMachine(Machine):
    shapes: ClassVar[tuple[Shape, ...]] = (Shape(name="weights", decimals=(18, 6, 8, 18), spares=(18, 0)),)

    @initialize(rules=st.sampled_from(CHOICES))
    def begin(self, rules: Rules) -> None:
        type(self).runs += 1
        self.world = self.worlds.open(self.shapes)[0]
        self.chain = self.world.chain
        self.governor, self.strategist = self.world.people["governor"], self.world.people["alice"]
        self.guardian, self.stranger = self.world.people["bob"], self.world.people["eve"]
        self.registry: At = self.chain.deploy("WeightRegistry")
        self.first_block = self.chain.block
        self.index = self.world.index.address
        functions = self.registry.interface.functions
        for role, name, who in ((2, "propose", self.strategist), (1, "veto", self.guardian)):
            call = (self.registry.address, (functions[name].selector,), role)
            self.chain.send(self.governor, Call(self.world.authority, "setTargetFunctionRole", call))
            self.chain.send(self.governor, Call(self.world.authority, "grantRole", (role, who, 0)))
        self.tokens = sorted(self.world.tokens, key=lambda token: int(token, 16))
        self.allowed = set(self.tokens)
        self.rules = (*rules[:1], WAD, *rules[2:])  # the first weights must fit
        self.weights = dict(zip(self.tokens[:4], [WAD // 4] * 4, strict=True))
        self.number, self.executed_at = 1, self.chain.now
        first = self.epoch(self.weights)
        first = (first[0], 1, *first[2:])
        self.chain.send(self.governor, Call(self.registry, "register", (first, self.rules)))
        self.seen: list[Epoch] = [first]
        self.pending: Epoch | None = None
        self.proposed_at = 0
        self.is_sound = True

    def epoch(self, weights: dict[str, int]) -> Epoch:
        tokens = tuple(sorted(weights, key=lambda token: int(token, 16)))
        return (self.index, self.number + 1, SPEC, INPUTS, tokens, tuple(weights[token] for token in tokens))

    def change(self, weights: dict[str, int]) -> int:
        """Σ|after − before| over everything that enters, stays or leaves."""
        return sum(abs(weights.get(t, 0) - self.weights.get(t, 0)) for t in {*weights, *self.weights})

    # --- what people do ---------------------------------------------------------------------------------------------

    @rule(
        move=st.one_of(st.integers(0, WAD // 12), st.integers(0, WAD // 3)), give=st.integers(0, 5), take=st.integers(0, 5), drop=st.sampled_from((False, True, False)),
        wild=st.sampled_from(("", "", "", "", "sum", "number", "order")),
    )  # fmt: skip
    def propose(self, move: int, give: int, take: int, drop: bool, wild: str) -> None:
        """From the last weights: moves some weight between two tokens, or all of it; sometimes wrong on purpose."""
        weights = dict(self.weights)
        source, target = self.tokens[take], self.tokens[give]
        amount = weights.get(source, 0) if drop else min(move, weights.get(source, 0))
        weights[source] = weights.get(source, 0) - amount
        weights[target] = weights.get(target, 0) + amount
        weights = {token: weight for token, weight in weights.items() if weight}
        if wild == "sum":
            weights[max(weights, key=weights.__getitem__)] += 1
        epoch = self.epoch(weights)
        if wild == "number":
            epoch = (epoch[0], epoch[1] + 1, *epoch[2:])
        if wild == "order":
            epoch = (*epoch[:4], epoch[4][::-1], epoch[5][::-1])
        reason = self.objection(epoch, weights)
        actual = self.chain.attempt(self.strategist, Call(self.registry, "propose", (epoch, b"")))
        self.judge("propose", actual, reason)
        if reason == "":
            self.pending, self.proposed_at = epoch, self.chain.now
            self.seen.append(epoch)

    def objection(self, epoch: Epoch, weights: dict[str, int]) -> str:
        """Why the registry has to refuse, or nothing: in the ghost's own words."""
        low, high, most = self.rules[:3]
        if epoch[1] != self.number + 1:
            return "EpochMismatch"
        if self.pending is not None and self.chain.now < self.lapses_at:
            return "ProposalPending"
        for before, token in zip(("", *epoch[4]), epoch[4], strict=False):
            if before and int(token, 16) <= int(before, 16):
                return "TokensNotAscending"
            if weights[token] < low:
                return "WeightTooLow"
            if weights[token] > high:
                return "WeightTooHigh"
        if sum(weights.values()) != WAD:
            return "WeightsSumInvalid"
        if not set(weights) <= self.allowed:
            return "TokenNotAllowed"
        return "ChangeTooLarge" if self.change(weights) > most else ""

    @property
    def ready_at(self) -> int:
        return max(self.proposed_at + self.rules[4], self.executed_at + self.rules[3])

    @property
    def lapses_at(self) -> int:
        return self.ready_at + self.rules[5]

    @rule(which=st.integers(0, 40), latest=st.booleans())
    def execute(self, which: int, latest: bool) -> None:
        """Anything that was ever said, by anyone."""
        self.try_execution(self.pending if latest and self.pending else self.seen[which % len(self.seen)])

    def try_execution(self, epoch: Epoch) -> None:
        weights = dict(zip(epoch[4], epoch[5], strict=True))
        if self.pending is None:
            reason = "NothingProposed"
        elif epoch != self.pending:
            reason = "HashMismatch"
        elif self.chain.now < self.ready_at:
            reason = "EpochTooEarly"
        elif self.chain.now >= self.lapses_at:
            reason = "ProposalLapsed"
        else:
            reason = "" if set(weights) <= self.allowed else "TokenNotAllowed"
        actual = self.chain.attempt(self.stranger, Call(self.registry, "execute", (epoch,)))
        self.judge("execute", actual, reason)
        if reason:
            return
        low, high, most, interval, delay = self.rules[:5]
        assert sum(weights.values()) == WAD
        assert all(low <= weight <= high for weight in weights.values())
        assert self.change(weights) <= most
        assert self.chain.now >= self.proposed_at + delay and self.chain.now >= self.executed_at + interval
        self.weights, self.number, self.executed_at, self.pending = weights, epoch[1], self.chain.now, None

    @rule(edge=st.sampled_from(("ready", "ready", "ready", "almost", "last", "lapsed")))
    def see_it_through(self, edge: str) -> None:
        """Waits for an edge of the pending proposal's time and executes it there."""
        if self.pending is None:
            self.count("see it through", "nothing pending")
            return
        moment = {"ready": self.ready_at, "almost": self.ready_at - 1, "last": self.lapses_at - 1}
        self.chain.advance(max(0, moment.get(edge, self.lapses_at) - self.chain.now))
        self.try_execution(self.pending)

    @rule(right=st.sampled_from((True, True, True, False)))
    def veto(self, right: bool) -> None:
        number = self.number + 1 if right else self.number
        reason = "NothingProposed" if self.pending is None else "" if right else "EpochMismatch"
        actual = self.chain.attempt(self.guardian, Call(self.registry, "veto", (self.index, number)))
        self.judge("veto", actual, reason)
        if reason == "":
            self.pending = None

    @rule(rules=st.sampled_from(CHOICES), really=st.sampled_from((False, False, True)))
    def set_rules(self, rules: Rules, really: bool) -> None:
        if not really:  # it drops what is pending, so it must not happen all the time
            return
        self.judge(
            "setRules", self.chain.attempt(self.governor, Call(self.registry, "setRules", (self.index, rules))), ""
        )
        self.rules, self.pending = rules, None

    @rule(which=st.integers(0, 5))
    def set_allowed(self, which: int) -> None:
        """Takes a token off the list, or puts back the one that is off."""
        token = next((token for token in self.tokens if token not in self.allowed), self.tokens[which])
        call = Call(self.world.rebalancer, "setAllowed", (self.index, (token,), token not in self.allowed))
        self.chain.send(self.governor, call)
        self.allowed ^= {token}
        self.count("setAllowed")

    @rule(who=st.sampled_from(("propose", "veto", "setRules")))
    def usurp(self, who: str) -> None:
        """E6: nobody takes another's part."""
        arguments = {
            "propose": (self.epoch(self.weights), b""), "veto": (self.index, self.number + 1), "setRules": (self.index, self.rules),
        }  # fmt: skip
        for person in {self.strategist, self.guardian, self.stranger}:
            if (who, person) in (("propose", self.strategist), ("veto", self.guardian)):
                continue
            actual = self.chain.call(Call(self.registry, who, arguments[who]), sender=person)
            assert isinstance(actual, Failure) and actual.reason == "NotAuthorized", actual
        self.count("usurp", "refused")

    @rule(seconds=st.sampled_from((1, HOUR - 1, HOUR, DAY, DAY, 2 * DAY, 7 * DAY)))
    def wait_a_while(self, seconds: int) -> None:
        self.chain.advance(seconds)
        self.count("wait")

    def judge(self, what: str, actual: object, reason: str) -> None:
        if reason:
            assert isinstance(actual, Failure) and actual.reason == reason, f"{what}: {actual}, the ghost says {reason}"
            self.count(what, reason)
        else:
            assert not isinstance(actual, Failure), f"{what}: {actual}, but nothing speaks against it"
            self.count(what)

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def executed_weights_are_the_ghosts(self) -> None:
        if not hasattr(self, "registry"):
            return
        found = cast(
            "tuple[int, ...]", self.chain.read(Call(self.registry, "weightsOf", (self.index, tuple(self.tokens))))
        )
        assert list(found) == [self.weights.get(token, 0) for token in self.tokens]
        assert sum(found) == WAD

    def teardown(self) -> None:
        """G6: the book and the rules, rebuilt from the events."""
        if not hasattr(self, "registry"):
            return
        number = executed_at = ready_at = lapses_at = 0
        rules: object = None
        pending: object = None
        for log in self.chain.logs([self.registry], from_block=self.first_block):
            if log.name == "SetRules":
                rules = log.args["rules"]
            elif log.name == "Propose":
                pending, ready_at, lapses_at = log.args["epoch"], log.args["readyAt"], log.args["lapsesAt"]
            else:
                pending, ready_at, lapses_at = None, 0, 0
                if log.name == "Execute":
                    number, executed_at = cast("int", log.args["number"]), log.timestamp
        book = cast("tuple[object, ...]", self.chain.read(Call(self.registry, "bookOf", (self.index,))))
        hash_ = b"\0" * 32 if pending is None else self.chain.read(Call(self.registry, "hashOf", (pending,)))
        assert book == (number, executed_at, ready_at, lapses_at, hash_)
        assert rules == self.chain.read(Call(self.registry, "rulesOf", (self.index,)))


def test_executed_weights_are_proposed_bounded_delayed_and_not_vetoed(worlds: Worlds, statistics: list[str]) -> None:
    """Invariant 8; E8: nothing that is sent moves faster than step and interval."""
    needed = (
        "propose: done", "propose: ChangeTooLarge", "propose: ProposalPending", "propose: WeightsSumInvalid",
        "propose: TokenNotAllowed", "execute: done", "execute: EpochTooEarly", "execute: HashMismatch",
        "execute: ProposalLapsed", "veto: done", "setRules: done",
    )  # fmt: skip
    statistics.append(run(WeightMachine, worlds, examples=80, steps=50, needed=needed))
