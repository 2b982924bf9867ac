"""Invariant 11: while a mutating call is on the stack, nobody can price shares or change anything.

Every token of this world calls a probe before and after each of its transfers. The probe tries each view that integrators
use and each function that moves something. Before the run the same calls are made outside of any call, where every one of
them must succeed: a probe that cannot succeed would prove nothing.
"""

from __future__ import annotations

from typing import cast

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from offchain.reference.constants import WAD
from offchain.reference.model import UNLIMITED
from tests.fuzz import LONG
from tests.properties.chain import At, Call
from tests.properties.machine import SHARES, WAITS, Machine, run
from tests.properties.world import CALLS_OUT, INVESTORS, RICHES, Shape, Worlds

PERSON = st.sampled_from(INVESTORS[:3])
PICK = st.integers(0, 23)
PROBED = 10**12  # {share} that the probe mints and redeems


class MidCallMachine(Machine):
    shapes = (
        Shape(name="hooked", decimals=(6, 18, 8), redeem_fee=WAD // 1000),
        Shape(name="hooked pair", decimals=(18, 27)),
    )

    @initialize(which=st.integers(0, 1))
    def start(self, which: int) -> None:
        self.open(which)
        world, probe = self.world, self.world.probe
        n, governor = len(self.model.components), world.governor
        for token in self.model.components:
            self.set_balance(token, probe.address, RICHES)
        self.people.append(probe.address)
        self.start_plan([WAD] + [0] * (n - 1))
        for target, function, args in self.program():
            self.chain.send(
                governor, Call(probe, "program", (target.address, bytes.fromhex(Call(target, function, args).data[2:])))
            )
        for _ in range(2):  # outside of a call everything works; the second time the probe has shares to redeem
            self.chain.send(governor, Call(probe, "moved"))
        tally = cast("tuple[int, ...]", self.chain.read(Call(probe, "tally")))
        assert all(tally), f"the probe is blind: {tally}"
        self.allowed_successes, self.runs_before = tally, 2
        for _ in range(2):
            self.model.mint(probe.address, PROBED, receiver=probe.address, now=self.now)
            self.model.redeem(probe.address, PROBED // 2, receiver=probe.address, now=self.now)
            self.model.collect(self.now)
        for token in self.model.components:
            self.set_modes(token, CALLS_OUT)
        self.plans.guard.revalue(world.prices, self.now)
        self.state = self.read()

    def program(self) -> list[tuple[At, str, tuple[object, ...]]]:
        world, n = self.world, len(self.model.components)
        index, probe, token = world.index, world.probe.address, self.model.components[0]
        return [
            (index, "previewMint", (WAD,)),
            (index, "previewRedeem", (WAD,)),
            (index, "reserves", ()),
            (world.lens, "stateOf", (index.address,)),
            (world.lens, "navOf", (index.address,)),
            (world.rebalancer, "gapOf", (index.address, token)),
            (world.guard, "revalue", (index.address,)),
            (index, "mint", (PROBED, 1, (UNLIMITED,) * n, probe)),
            (index, "redeem", (PROBED // 2, 1, (0,) * n, probe, probe, 0)),
            (index, "collect", ()),
        ]

    def start_plan(self, weights: list[int]) -> None:
        plan_id = self.plans.plan.id + 1
        self.expect(
            "start plan",
            lambda: self.plans.start_plan(
                plan_id=plan_id, weights=weights, duration=86_400, prices=self.world.prices, now=self.now
            ),
            self.world.governor,
            Call(
                self.world.rebalancer, "startPlan", (self.world.index.address, plan_id, 1, (), tuple(weights), 86_400)
            ),
        )

    @rule(who=PERSON, shares=SHARES)
    def mint(self, who: str, shares: int) -> None:
        account, n = self.world.people[who], len(self.model.components)
        self.expect(
            "mint", lambda: self.model.mint(account, shares, receiver=account, now=self.now), account,
            Call(self.world.index, "mint", (shares, 1, (UNLIMITED,) * n, account)),
        )  # fmt: skip

    @rule(who=PERSON, part=st.integers(1, 10), mask=st.integers(0, 3))
    def redeem(self, who: str, part: int, mask: int) -> None:
        account, n = self.world.people[who], len(self.model.components)
        shares = self.model.shares.get(account, 0) * part // 10
        self.expect(
            "redeem", lambda: self.model.redeem(account, shares, receiver=account, now=self.now, defer_mask=mask), account,
            Call(self.world.index, "redeem", (shares, 1, (0,) * n, account, account, mask)),
        )  # fmt: skip

    @rule(who=PERSON, pick=PICK)
    def claim(self, who: str, pick: int) -> None:
        account, token = self.world.people[who], self.model.components[pick % len(self.model.components)]
        self.expect(
            "claim", lambda: self.model.claim(account, token, account=account, receiver=account), account,
            Call(self.world.index, "claim", (token, account, account)),
        )  # fmt: skip

    @rule(part=st.integers(1, 100), pick=PICK)
    def swap(self, part: int, pick: int) -> None:
        if self.now >= self.plans.plan.expires_at:
            n = len(self.model.components)
            self.wait(self.plans.policy.min_interval)
            self.start_plan([WAD if i == pick % n else 0 for i in range(n)])
        gaps = {token: self.plans.gap(token, self.now) for token in self.model.components}
        sell = max(gaps, key=lambda token: gaps[token][0])
        buy = max(gaps, key=lambda token: gaps[token][1])
        amount, prices = gaps[sell][0] * part // 5000 + 1, self.world.prices
        delivered = -(-amount * prices[sell] // prices[buy])
        taker, step, plan_id = self.world.taker.address, self.plans.plan.steps, self.plans.plan.id
        self.set_balance(buy, taker, delivered)
        data = b"".join(word.to_bytes(32, "big") for word in (32, 1, delivered))
        self.exempt.add(sell)
        self.expect(
            "swap",
            lambda: self.plans.swap(
                plan_id=plan_id, step=step, sell=sell, buy=buy, sell_amount=amount, min_buy=0, delivered=delivered,
                payee=taker, taker=taker, prices=prices, now=self.now,
            ),
            self.world.governor,
            Call(
                self.world.rebalancer, "swap",
                ((self.world.index.address, plan_id, step, sell, buy, amount, 0, taker, taker, data),),
            ),
        )  # fmt: skip

    @rule(seconds=WAITS)
    def pass_time(self, seconds: int) -> None:
        self.count("pass time")
        self.wait(seconds)

    @invariant()
    def nothing_gets_through_mid_call(self) -> None:
        """Invariant 11: of all calls the probe made while something moved, none succeeded."""
        if not hasattr(self, "allowed_successes"):
            return
        tally, runs = self.chain.reads([Call(self.world.probe, "tally"), Call(self.world.probe, "runs")])
        assert tally == self.allowed_successes, f"got through mid-call: {tally}, before {self.allowed_successes}"
        self.tally["probe: runs mid-call"] += cast("int", runs) - self.runs_before
        self.runs_before = cast("int", runs)
        before, after = self.look()
        self.check_claims(after)
        self.check_supply(after)
        self.check_backing(before, after)
        self.check_model(after)


NEEDED = ("mint: done", "redeem: done", "claim: done", "swap: done", "probe: runs mid-call")


def test_nobody_prices_or_changes_an_index_mid_call(worlds: Worlds, statistics: list[str]) -> None:
    statistics.append(run(MidCallMachine, worlds, examples=40, steps=25 * (2 if LONG else 1), needed=NEEDED))
