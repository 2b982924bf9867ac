"""The index alone, against its model: investors, donors, a hostile token owner, a governor and a module that exchanges.

The rebalancer of this machine is the governor himself and the guard nods, so that the exchange primitive and the
component list are driven directly. Budgets and plans have their own machine.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from offchain.reference.constants import (
    FEE_NOTICE,
    MAX_MINT_FEE,
    MAX_PAUSE,
    MAX_REDEEM_FEE,
    MAX_STREAMING_FEE,
    WAD,
)
from offchain.reference.model import UNLIMITED
from offchain.reference.replay import ZERO, replay
from tests.fuzz import LONG
from tests.properties.chain import Call
from tests.properties.machine import SHARES, WAITS, Machine, run
from tests.properties.world import (
    BOMBS,
    BURNS_GAS_MOVING,
    BURNS_GAS_READING,
    INVESTORS,
    LONG_ANSWER,
    MUTE,
    NO_ANSWER,
    PAUSED,
    RETURNS_FALSE,
    SHORT_ANSWER,
    TAKES_FEE,
    Shape,
    Worlds,
)

MODES = (
    0, 0, PAUSED, RETURNS_FALSE, TAKES_FEE, MUTE, BURNS_GAS_MOVING, BURNS_GAS_READING, BOMBS, SHORT_ANSWER, LONG_ANSWER,
    NO_ANSWER, PAUSED | MUTE, NO_ANSWER | LONG_ANSWER, TAKES_FEE | NO_ANSWER,
)  # fmt: skip
PERSON = st.sampled_from(INVESTORS)
PICK = st.integers(0, 63)
PART = st.sampled_from((0, 1, 10, 333, 500, 999, 1000))  # per mille
MASK = st.sampled_from((0, 0, 0, 1, 2, 5, 2**64 - 1, 2**256 - 1))


class IndexMachine(Machine):
    shapes = (
        Shape(name="one", decimals=(18,), spares=(6,)),
        Shape(name="three", decimals=(0, 8, 27), spares=(6, 18)),
        Shape(
            name="five", decimals=(6, 18, 0, 27, 8), spares=(1,), mint_fee=MAX_MINT_FEE // 3, redeem_fee=MAX_REDEEM_FEE
        ),
        Shape(name="costly", decimals=(2, 18), streaming_fee=MAX_STREAMING_FEE, mint_fee=MAX_MINT_FEE),
    )

    def prepare(self) -> None:
        world = self.world
        nod = self.chain.deploy("NodGuard")
        self.model.rebalancer = world.governor
        for function, target in (("setRebalancer", world.governor), ("setGuard", nod.address)):
            self.chain.send(world.governor, Call(world.index, function, (target,)))

    @initialize(which=st.integers(0, 3))
    def start(self, which: int) -> None:
        self.open(which)

    # --- investors

    @rule(who=PERSON, to=PERSON, shares=SHARES, slack=st.sampled_from((None, None, 0, -1)), stale=st.booleans())
    def mint(self, who: str, to: str, shares: int, slack: int | None, stale: bool) -> None:
        self.do_mint("mint", self.world.people[who], self.world.people[to], shares, slack, stale and slack == -1)

    def do_mint(
        self, rule: str, who: str, to: str, shares: int, slack: int | None = None, stale: bool = False
    ) -> tuple[int, ...] | None:
        """Limits are exact (slack 0), one too low (-1) or none."""
        limits = [UNLIMITED] * len(self.model.components)
        if slack is not None and all(self.is_readable(token) for token in self.model.components) and shares < 2**200:
            limits = [max(0, amount + slack) for amount in self.model.preview_mint(shares, self.now)[0]]
        version = self.model.version - stale
        done = self.expect(
            rule,
            lambda: self.model.mint(who, shares, receiver=to, now=self.now, version=version, max_in=limits),
            who,
            Call(self.world.index, "mint", (shares, version, tuple(limits), to)),
        )
        if done is None:
            return None
        expected, (actual,) = done
        assert tuple(expected) == actual
        return tuple(expected)

    @rule(who=PERSON, to=PERSON, part=PART, mask=MASK)
    def redeem(self, who: str, to: str, part: int, mask: int) -> None:
        account = self.world.people[who]
        shares = self.model.shares.get(account, 0) * part // 1000
        self.do_redeem("redeem", account, account, self.world.people[to], shares, mask)

    @rule(who=PERSON, to=PERSON, part=PART, extra=st.integers(0, 3))
    def redeem_what_moves(self, who: str, to: str, part: int, extra: int) -> None:
        """Defers the legs that cannot be paid, as an informed investor does, and sometimes one more."""
        account, receiver = self.world.people[who], self.world.people[to]
        mask = 1 << extra
        for i, token in enumerate(self.model.components):
            if not self.is_readable(token) or not self.ledger(token).can_move(self.model.address, receiver):
                mask |= 1 << i
        shares = self.model.shares.get(account, 0) * part // 1000
        self.do_redeem("redeem with mask", account, account, receiver, shares, mask)

    @rule(who=PERSON, to=PERSON, owner=PERSON, part=PART, slack=st.sampled_from((None, 0, 1)))
    def redeem_for(self, who: str, to: str, owner: str, part: int, slack: int | None) -> None:
        people = self.world.people
        held = self.model.shares.get(people[owner], 0)
        shares = held * part // 1000 + (part == 1000)  # one too many at the end
        self.do_redeem("redeem for another", people[who], people[owner], people[to], shares, 0, slack)

    def do_redeem(
        self, rule: str, who: str, owner: str, to: str, shares: int, mask: int = 0, slack: int | None = None
    ) -> tuple[int, ...] | None:
        limits = [0] * len(self.model.components)
        if slack is not None and all(self.is_readable(token) for token in self.model.components):
            limits = [amount + slack for amount in self.model.preview_redeem(shares, self.now)[0]]
        version = self.model.version
        done = self.expect(
            rule,
            lambda: self.model.redeem(
                who, shares, owner=owner, receiver=to, now=self.now, version=version, min_out=limits, defer_mask=mask
            ),
            who,
            Call(self.world.index, "redeem", (shares, version, tuple(limits), owner, to, mask)),
        )
        if done is None:
            return None
        expected, (actual,) = done
        assert tuple(expected) == actual
        return tuple(expected)

    @rule(who=PERSON, shares=SHARES, mask=MASK)
    def mint_then_redeem_never_profits(self, who: str, shares: int, mask: int) -> None:
        """Invariant 3: what comes out is at most what went in, for each component (see `check_round_trip`)."""
        self.round_trip("round trip", self.world.people[who], shares, mask=mask)

    @rule(who=PERSON, shares=SHARES, seconds=WAITS)
    def mint_wait_redeem_never_profits(self, who: str, shares: int, seconds: int) -> None:
        """Invariant 3 with time between: the fee only ever takes."""
        self.round_trip("patient trip", self.world.people[who], shares, seconds=seconds)

    def round_trip(self, rule: str, account: str, shares: int, *, seconds: int = 0, mask: int = 0) -> None:
        held = self.model.shares.get(account, 0)
        paid = self.do_mint(f"{rule} in", account, account, shares)
        if paid is None:
            return
        if seconds:
            self.wait(seconds)
            self.exempt.update(self.model.components)  # what the fee of a wait may take is checked in `pass_time`
        got = self.do_redeem(f"{rule} out", account, account, account, self.model.shares[account] - held, mask)
        if got is not None:
            self.check_round_trip(paid, got)

    def check_round_trip(self, paid: tuple[int, ...], got: tuple[int, ...]) -> None:
        """out ≤ in, to the last base unit."""
        for in_, out in zip(paid, got, strict=True):
            assert out <= in_, f"in {paid}, out {got}"
            self.tally["round trips: " + ("even" if out == in_ else "loss")] += 1

    @rule(who=PERSON, to=PERSON, part=PART)
    def transfer(self, who: str, to: str, part: int) -> None:
        sender, receiver = self.world.people[who], self.world.people[to]
        shares = self.model.shares.get(sender, 0) * part // 1000
        self.expect(
            "transfer", lambda: self.model.transfer(sender, receiver, shares), sender,
            Call(self.world.index, "transfer", (receiver, shares)),
        )  # fmt: skip

    @rule(owner=PERSON, spender=PERSON, shares=st.one_of(SHARES, st.just(UNLIMITED)))
    def approve(self, owner: str, spender: str, shares: int) -> None:
        people = self.world.people
        self.expect(
            "approve", lambda: self.model.approve(people[owner], people[spender], shares), people[owner],
            Call(self.world.index, "approve", (people[spender], shares)),
        )  # fmt: skip

    @rule(who=PERSON, account=PERSON, to=PERSON, pick=PICK)
    def claim(self, who: str, account: str, to: str, pick: int) -> None:
        """Mostly a claim that exists, sometimes one that does not or belongs to another."""
        people = self.world.people
        open_ = sorted(pair for pair, amount in self.model.claim_of.items() if amount)
        token, owner = open_[pick % len(open_)] if open_ and pick % 5 else (self.token(pick), people[account])
        caller = owner if pick % 3 else people[who]
        receiver = people[to] if pick % 2 else owner
        before = self.model.claim_of.get((token, owner), 0)
        done = self.expect(
            "claim", lambda: self.model.claim(caller, token, account=owner, receiver=receiver), caller,
            Call(self.world.index, "claim", (token, owner, receiver)),
        )  # fmt: skip
        if done is not None:
            assert done[1] == (before,) and before > 0

    @rule()
    def collect(self) -> None:
        done = self.expect(
            "collect", lambda: self.model.collect(self.now), self.world.governor, Call(self.world.index, "collect")
        )
        assert done is not None and (done[0],) == done[1]

    # --- time, donors and token owners

    @rule(seconds=WAITS)
    def pass_time(self, seconds: int) -> None:
        self.count("pass time")
        self.wait(seconds)

    @rule(who=PERSON, pick=PICK, amount=SHARES)
    def donation_never_pays_the_donor(self, who: str, pick: int, amount: int) -> None:
        """Invariant 4: what the donor's shares are worth more is at most what he gave, in that token; supply is unmoved."""
        donor, token = self.world.people[who], self.token(pick)
        if not self.is_readable(token):
            return
        supply, shares = self.model.total_supply(self.now), self.model.shares.get(donor, 0)
        worth = shares * self.model.available(token) // supply
        self.gifted.add(token)
        done = self.expect(
            "donate", lambda: self.ledger(token).transfer(donor, self.world.index.address, amount), donor,
            Call(self.world.tokens[token], "transfer", (self.world.index.address, amount)),
        ) if not self.ledger(token).modes else None  # fmt: skip
        if done is None:
            return
        state = self.read()
        assert state.supply == supply
        assert shares * state.available(token) // supply - worth <= amount

    @rule(pick=PICK, mille=st.sampled_from((0, 1, 500, 900, 999, 1001, 1100, 3000)))
    def rebase(self, pick: int, mille: int) -> None:
        token = self.token(pick)
        balance = self.ledger(token).balances.get(self.model.address, 0)
        if mille < 1000:
            self.exempt.add(token)
        self.set_balance(token, self.model.address, balance * mille // 1000)
        self.count("rebase", "down" if mille < 1000 else "up")

    @rule(pick=PICK, modes=st.sampled_from(MODES))
    def misbehave(self, pick: int, modes: int) -> None:
        token = self.token(pick)
        self.exempt.add(token)  # becoming unreadable looks like an empty balance
        self.gifted.add(token)
        self.set_modes(token, modes)
        self.count("misbehave", f"{modes:#x}")

    @rule()
    def heal(self) -> None:
        for token in self.world.tokens:
            if self.ledger(token).modes or self.ledger(token).blocked:
                self.exempt.add(token)
                self.set_modes(token, 0)
                for account in sorted(self.ledger(token).blocked):
                    self.set_blocked(token, account, False)
        self.count("heal")

    @rule(pick=PICK, who=PERSON, index=st.booleans())
    def blocklist(self, pick: int, who: str, index: bool) -> None:
        self.set_blocked(self.token(pick), self.model.address if index else self.world.people[who], True)
        self.count("blocklist", "index" if index else "investor")

    # --- governor and guardian

    @rule(fee=st.sampled_from((0, 1, WAD // 100, MAX_STREAMING_FEE - 1, MAX_STREAMING_FEE, MAX_STREAMING_FEE + 1)))
    def set_streaming_fee(self, fee: int) -> None:
        self.govern("setStreamingFee", lambda: self.model.set_streaming_fee(fee, self.now), fee)

    @rule(fee=st.sampled_from((0, 1, WAD // 300, MAX_MINT_FEE, MAX_MINT_FEE + 1)), mint=st.booleans())
    def set_one_off_fee(self, fee: int, mint: bool) -> None:
        if mint:
            self.govern("setMintFee", lambda: self.model.set_mint_fee(fee, self.now), fee)
        else:
            self.govern("setRedeemFee", lambda: self.model.set_redeem_fee(fee, self.now), fee)

    @rule(
        setter=st.sampled_from(("setStreamingFee", "setMintFee", "setRedeemFee")),
        fee=st.sampled_from((1, WAD // 300, MAX_MINT_FEE, MAX_STREAMING_FEE)),
        seconds=st.sampled_from((FEE_NOTICE - 1, FEE_NOTICE, FEE_NOTICE + 86_400)),
    )
    def raise_fee(self, setter: str, fee: int, seconds: int) -> None:
        """Announces, waits, sets: a second too early is too early."""
        self.announce(setter, fee)
        self.wait(seconds)
        self.exempt.update(self.model.components)  # what the fee of a wait may take is checked in `pass_time`
        if setter == "setStreamingFee":
            self.set_streaming_fee(fee)
        else:
            self.set_one_off_fee(fee, setter == "setMintFee")

    def announce(self, setter: str, fee: int) -> None:
        selector = self.world.index.interface.functions[setter].selector
        self.govern("announceFee", lambda: self.model.announce_fee(setter, fee, self.now), selector, fee)

    @rule(who=st.sampled_from(("treasury", "mallory", None)))
    def set_fee_module(self, who: str | None) -> None:
        module = self.world.people[who] if who else None
        self.govern("setFeeModule", lambda: self.model.set_fee_module(module), module or ZERO)

    @rule(
        who=st.sampled_from(("governor", "treasury", "mallory")),
        to=PERSON,
        mille=st.sampled_from((0, 1, 30, 99, 100, 101)),
    )
    def mint_fee_shares(self, who: str, to: str, mille: int) -> None:
        """The governor plays the rebalancer here. A holder is diluted by the fee shares and by no more."""
        caller, receiver = self.world.people[who], self.world.people[to]
        shares = self.model.total_supply(self.now) * mille // 1000
        self.exempt.update(self.model.components)
        self.expect(
            "mint fee shares", lambda: self.model.mint_fee_shares(caller, shares, receiver=receiver, now=self.now), caller,
            Call(self.world.index, "mintFeeShares", (shares, receiver)),
        )  # fmt: skip

    @rule(who=PERSON, part=PART)
    def burn(self, who: str, part: int) -> None:
        account = self.world.people[who]
        shares = self.model.shares.get(account, 0) * part // 1000 + (part == 1000)  # one too many at the end
        self.expect(
            "burn",
            lambda: self.model.burn(account, shares, self.now),
            account,
            Call(self.world.index, "burn", (shares,)),
        )

    @rule(who=st.sampled_from(("collector", "treasury", "alice")))
    def set_fee_recipient(self, who: str) -> None:
        recipient = self.world.people[who]
        self.govern("setFeeRecipient", lambda: self.model.set_fee_recipient(recipient, self.now), recipient)

    @rule(whole=st.sampled_from((0, 0, 0, 1, 3_000, 10**7, 2**48 - 1, 2**48)))
    def set_supply_cap(self, whole: int) -> None:
        self.govern("setSupplyCap", lambda: self.model.set_supply_cap(whole), whole)

    @rule(seconds=st.sampled_from((0, 1, 60, 3_600, 86_400, MAX_PAUSE, MAX_PAUSE + 1)), mint=st.booleans())
    def pause(self, seconds: int, mint: bool) -> None:
        """Invariant 12: no pause ends later than seven days from now."""
        if mint:
            self.govern("pauseMint", lambda: self.model.pause_mint(seconds, self.now), seconds)
        else:
            self.govern("pauseExchange", lambda: self.model.pause_exchange(seconds, self.now), seconds)

    @rule()
    def arm_pauses(self) -> None:
        self.govern("armPauses", self.model.arm_pauses)

    @rule(really=st.integers(0, 49))
    def deprecate(self, really: int) -> None:
        if really == 49:
            self.govern("deprecate", self.model.deprecate)

    def govern(self, function: str, twin: object, *args: object) -> None:
        self.expect(function, twin, self.world.governor, Call(self.world.index, function, args))  # type: ignore[arg-type]

    # --- module

    @rule(out=PICK, into=PICK, third=PICK, part=PART, bring=PART, ask=st.sampled_from((0, 1000, 1001)))
    def exchange(self, out: int, into: int, third: int, part: int, bring: int, ask: int) -> None:
        """One token out, one or two in; the taker brings per mille of a made-up amount and is asked for more or less."""
        sell, buys = (
            self.token(out),
            list(dict.fromkeys((self.token(out + 1 + into % 3), self.token(out + 1 + third % 3)))),
        )
        held = (
            self.ledger(sell).balances.get(self.model.address, 0) * part // 1000
        )  # claims included: too much at the end
        amounts = [(10**9 + i) * bring for i, _ in enumerate(buys)]
        taker = self.world.taker.address
        for token, amount in zip(buys, amounts, strict=True):
            self.set_balance(token, taker, amount)
        outs, ins = [(sell, held)], [(token, amount * ask // 1000) for token, amount in zip(buys, amounts, strict=True)]
        self.exempt.add(sell)
        self.gifted.update(token for token in (sell, *buys) if self.ledger(token).modes)
        data = (len(amounts)).to_bytes(32, "big") + b"".join(amount.to_bytes(32, "big") for amount in amounts)
        done = self.expect(
            "exchange",
            lambda: self.model.exchange(
                outs=outs, ins=ins, delivered=amounts, payee=self.world.people["treasury"], taker=taker, now=self.now
            ),
            self.world.governor,
            Call(
                self.world.index,
                "exchange",
                (tuple(outs), tuple(ins), self.world.people["treasury"], taker, (32).to_bytes(32, "big") + data),
            ),
        )
        if done is not None:
            (sold, bought), (actual_sold, actual_bought) = done
            assert (tuple(sold), tuple(bought)) == (actual_sold, actual_bought)

    @rule(pick=PICK, bits=st.integers(0, 7), empty=st.booleans(), add=st.booleans())
    def update_components(self, pick: int, bits: int, empty: bool, add: bool) -> None:
        """Drops what is (sometimes: made) empty, appends a token that is not there, sometimes one that is."""
        mask = bits & (1 << len(self.model.components)) - 1
        kept = [token for i, token in enumerate(self.model.components) if not mask >> i & 1]
        if empty:
            for i, token in enumerate(self.model.components):
                if mask >> i & 1:
                    self.exempt.add(token)
                    self.set_balance(token, self.model.address, self.model.claims_owed.get(token, 0))
        fresh = [token for token in self.world.tokens if token not in kept]
        additions = [fresh[pick % len(fresh)]] if add and fresh else [kept[0]] if add and kept and pick % 3 == 0 else []
        self.expect(
            "update components", lambda: self.model.update_components(mask, additions, now=self.now), self.world.governor,
            Call(self.world.index, "updateComponents", (mask, tuple(additions))),
        )  # fmt: skip

    def token(self, pick: int) -> str:
        """A component, or now and then a token outside the list."""
        known = self.model.components if pick % 8 and self.model.components else list(self.world.tokens)
        return known[pick % len(known)]

    # --- invariants

    @invariant()
    def everything_holds(self) -> None:
        """One look at the chain for all invariants, each in its own check."""
        if not hasattr(self, "world"):
            return
        before, after = self.look()
        self.check_claims(after)
        self.claims_are_covered(after)
        self.check_supply(after)
        self.check_backing(before, after)
        self.check_model(after)
        self.pauses_end_within_seven_days(after)
        if after.components:
            self.check_exit(after)
        self.is_sound = True

    def claims_are_covered(self, state: object) -> None:
        """Invariant 1: balance ≥ claimsOwed for every token whose owner took nothing away."""
        for token, owed in self.state.owed.items():
            if token not in self.gifted:
                assert self.state.balances[token] >= owed

    def pauses_end_within_seven_days(self, state: object) -> None:
        """Invariant 12."""
        if not self.model.deprecated:
            assert max(self.state.mint_paused_until, self.state.exchange_paused_until) <= self.now + MAX_PAUSE

    def teardown(self) -> None:
        if hasattr(self, "world") and self.is_sound:
            self.replay_equals_storage()
            self.exit_survives_everything()

    def exit_survives_everything(self) -> None:
        """Invariant 5 at its worst: every feed dead, guard and rebalancer garbage, all paused, deprecated, no authority."""
        world, governor = self.world, self.world.governor
        for feed in list(world.feeds.values())[:4]:
            self.chain.send(governor, Call(feed, "setDead", (True,)))
        for function, args in (
            ("pauseMint", (86_400,)), ("pauseExchange", (86_400,)), ("deprecate", ()),
            ("setGuard", (world.feeds[self.token(1)].address,)), ("setRebalancer", (world.feeds[self.token(1)].address,)),
        ):  # fmt: skip
            self.chain.attempt(governor, Call(world.index, function, args))
        self.chain.rpc("anvil_setCode", world.authority.address, "0xfe")
        if self.state.components:
            self.check_exit(self.read())

    def replay_equals_storage(self) -> None:
        """Invariant 10: supply word, shares, claims, list, terms, pauses and reserves from events alone."""
        state = self.read()
        replayed = replay(self.chain.logs([self.world.index], from_block=self.world.first_block))
        assert (replayed.word.base, replayed.word.issued, replayed.word.since) == (
            state.base,
            state.issued,
            state.since,
        )
        assert {account: replayed.shares[account] for account in self.people} == state.shares
        assert {pair: replayed.claims[pair] for pair in state.claims} == state.claims
        assert {token: replayed.owed[token] for token in state.owed} == state.owed
        assert (replayed.version, replayed.components) == (state.version, state.components)
        assert tuple(replayed.fees) == state.fees
        assert (replayed.supply_cap, replayed.fee_recipient) == (state.supply_cap, state.fee_recipient)
        assert replayed.fee_module == state.fee_module
        assert replayed.module_fee_left(self.now) == state.module_fee_left
        assert replayed.mint_paused_until == state.mint_paused_until
        assert replayed.exchange_paused_until == state.exchange_paused_until
        for token in set(self.world.tokens) - self.gifted:
            assert replayed.reserves[token] == state.balances[token]
        self.tally["replay: equal"] += 1


class ManyComponentsMachine(IndexMachine):
    """The same with 64 and 33 components of 0 to 27 decimals."""

    shapes = (
        Shape(name="sixty-four", decimals=tuple(i % 28 for i in range(64)), redeem_fee=MAX_REDEEM_FEE // 2),
        Shape(name="thirty-three", decimals=tuple((i * 5) % 28 for i in range(33)), spares=(8, 18)),
    )


NEEDED = (
    "mint: done", "redeem: done", "round trip out: done", "patient trip out: done", "claim: done", "collect: done",
    "exchange: done", "update components: done", "donate: done", "exit: some legs deferred", "replay: equal",
    "mint: MintPaused", "redeem: TransferFailed", "redeem: BalanceUnreadable", "redeem with mask: done",
    "redeem for another: done", "claim: TransferFailed", "exchange: done", "round trips: loss",
    "burn: done", "mint fee shares: done", "mint fee shares: ModuleFeeExceeded", "setMintFee: done", "setMintFee: FeeNotDue",
)  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "examples", "steps", "needed"),
    [(IndexMachine, 80, 60, NEEDED), (ManyComponentsMachine, 30, 20, NEEDED[:2])],
    ids=["few components", "many components"],
)
def test_index_holds_its_invariants(
    worlds: Worlds, machine: type[Machine], examples: int, steps: int, needed: tuple[str, ...], statistics: list[str]
) -> None:
    statistics.append(run(machine, worlds, examples=examples, steps=steps * (2 if LONG else 1), needed=needed))
