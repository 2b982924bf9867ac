"""Plans, swaps, auctions, budgets and prices, against their model: a keeper who tries to lose money, an oracle that jumps.

The hostile keeper owns the taker and the payee: he sells as much as he is let, and his taker pays exactly the floor; he
opens auctions at their full discount and fills them himself. Around him people mint just in time, redeem, donate, and the
governor changes limits and fees. Fees and tips of rebalancing count as losses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from offchain.reference import basket_math, trade_math
from offchain.reference.constants import (
    D27,
    FEE_NOTICE,
    MAX_PRICE,
    MAX_SCALE,
    MAX_SLIPPAGE,
    MAX_STREAMING_FEE,
    PPM,
    WAD,
)
from offchain.reference.integers import Reverted, full_mul_div
from offchain.reference.model import (
    EXPONENTIAL,
    LINEAR,
    UNLIMITED,
    Auction,
    AuctionPolicy,
    Limits,
    Plan,
    Target,
)
from offchain.reference.replay import replay
from tests.fuzz import LONG
from tests.properties.chain import Call, Failure
from tests.properties.machine import SHARES, Machine, run
from tests.properties.replay import replay_modules
from tests.properties.world import INVESTORS, LIMITS, POLICY, Shape, Worlds, limits_words

PERSON = st.sampled_from(INVESTORS)
PICK = st.integers(0, 23)
PART = st.sampled_from((1, 100, 500, 999, 1000, 1000))  # per mille

TIGHT = Limits(
    loss_capacity=10**15, loss_window=3_600, turnover_capacity=4 * WAD, turnover_window=3_600, valuation_max_age=0
)
AUCTIONS = AuctionPolicy(
    max_premium=20_000, max_discount=20_000, min_duration=600, max_duration=3_600, warm_up=60, strategist_window=600,
    rebalance_fee=500, keeper_tip=200,
)  # fmt: skip
STALE = replace(LIMITS, valuation_max_age=3_600)


FINE = 10**36  # fractions of NAV are measured in these, so that one unit of the guard, 1e-18, is plenty


@dataclass(frozen=True)
class Fill:
    """One exchange that happened: {s}, and 1/FINE of NAV: what it cost at the guard's and at the live valuation."""

    at: int
    loss: int
    live_loss: int
    turnover: int


def allowed(capacity: int, window: int, seconds: int, fills: int) -> int:
    """1/FINE: `C·(1 + T/W)` and one unit a fill."""
    return capacity * FINE * (window + seconds) // (window * WAD) + fills * FINE // WAD


class Undone(Reverted):
    """Ends a trial run of the model."""


class RebalanceMachine(Machine):
    understated: ClassVar[float] = 1.0  # largest loss at live prices over loss at the guard's valuation

    shapes = (
        Shape(name="fresh", decimals=(6, 18, 8, 0), spares=(18,), limits=LIMITS, policy=POLICY),
        Shape(
            name="tight", decimals=(18, 27, 6), spares=(8,), limits=TIGHT,
            policy=replace(POLICY, max_slippage=MAX_SLIPPAGE, max_trade=WAD, min_interval=0),
        ),
        Shape(
            name="stale", decimals=(8, 18, 6), limits=STALE, streaming_fee=MAX_STREAMING_FEE, redeem_fee=WAD // 200,
            policy=replace(POLICY, cooldown=600),
        ),
    )  # fmt: skip

    @initialize(which=st.integers(0, 2), weights=st.lists(st.integers(0, 9), min_size=4, max_size=4))
    def start(self, which: int, weights: list[int]) -> None:
        self.open(which)
        self.prices = dict(self.world.prices)
        self.fills: list[Fill] = []
        self.tightest = self.plans.guard.limits  # largest capacities and paces in force so far
        self.expect(
            "auction policy", lambda: self.plans.set_auction_policy(AUCTIONS), self.world.governor,
            Call(self.world.auctions, "setAuctionPolicy", (self.world.index.address, words_of_auctions(AUCTIONS))),
        )  # fmt: skip
        self.do_start_plan(weights, duration=86_400)

    # --- the keeper

    @rule(weights=st.lists(st.integers(0, 9), min_size=4, max_size=5), duration=st.sampled_from((3_600, 86_400, 14 * 86_400)),
          add=st.integers(0, 5), slip=st.sampled_from((0, 0, 0, 1, -1)))  # fmt: skip
    def start_plan(self, weights: list[int], duration: int, add: int, slip: int) -> None:
        if self.plans.policy.min_interval:
            self.wait(self.plans.policy.min_interval)
        self.do_start_plan(weights, duration, add=add == 5, slip=slip)

    def do_start_plan(self, parts: list[int], duration: int, *, add: bool = False, slip: int = 0) -> None:
        """Weights in proportion to `parts`, the remainder to the first that has any; sometimes a new component."""
        spare = [token for token in self.world.tokens if token not in self.model.components]
        additions = spare[:1] if add else []
        n = len(self.model.components) + len(additions)
        parts = (parts * 3)[:n]
        parts = parts if any(parts) else [1] * n
        weights = [WAD * part // sum(parts) for part in parts]
        weights[parts.index(max(parts))] += WAD - sum(weights) + slip
        plan_id, version, governor = self.plans.plan.id + 1, self.model.version, self.world.governor
        with self.fees_are_recorded():
            self.expect(
                "start plan",
                lambda: self.plans.start_plan(
                    plan_id=plan_id, weights=weights, duration=duration, prices=self.prices, now=self.now,
                    additions=additions, version=version, caller=governor,
                ),
                governor,
                Call(
                    self.world.rebalancer, "startPlan",
                    (self.world.index.address, plan_id, version, tuple(additions), tuple(weights), duration),
                ),
            )  # fmt: skip

    @contextmanager
    def fees_are_recorded(self) -> Iterator[None]:
        """Fee and tip that the end of a plan pays are losses of the holders: they count against the same bound."""
        supply, issued = self.model.total_supply(self.now), self.model.supply.issued
        yield
        if paid := self.model.supply.issued - issued:
            self.exempt.update(self.model.components)
            loss = -(-paid * FINE // (supply + paid))  # what a share lost to the new ones
            self.fills.append(Fill(at=self.now, loss=loss, live_loss=loss, turnover=0))
            self.tally["fees and tips: paid"] += 1

    # --- auctions

    @rule(start=st.sampled_from((20_000, 5_000, 0, -20_000, 20_001)), end=st.sampled_from((-20_000, -20_000, 0, 5_000, -20_001)),
          duration=st.sampled_from((600, 3_600, 3_599, 3_601)), curve=st.integers(0, 1), stranger=st.integers(0, 4),
          flaw=st.sampled_from((0, 0, 0, 0, 1)))  # fmt: skip
    def open_auction(self, start: int, end: int, duration: int, curve: int, stranger: int, flaw: int) -> None:
        """The strategist as he likes; a stranger (one in five) mostly with the only terms that he may choose."""
        is_strategist = stranger > 0
        if not is_strategist and not flaw:
            start, end = AUCTIONS.max_premium, -AUCTIONS.max_discount
            duration, curve = AUCTIONS.max_duration, EXPONENTIAL
        plan_id, auction_id = self.plans.plan.id, self.plans.auction.id + 1 + flaw
        sender = self.world.governor if is_strategist else self.world.people["eve"]
        self.expect(
            "open auction",
            lambda: self.plans.open_auction(
                plan_id=plan_id, auction_id=auction_id, start_ppm=start, end_ppm=end, duration=duration, curve=curve,
                now=self.now, is_strategist=is_strategist,
            ),
            sender,
            Call(
                self.world.auctions, "openAuction",
                (self.world.index.address, plan_id, auction_id, start, end, duration, curve),
            ),
        )  # fmt: skip

    @rule(stranger=st.booleans(), flaw=st.sampled_from((0, 0, 1)))
    def close_auction(self, stranger: bool, flaw: int) -> None:
        auction_id = self.plans.auction.id + flaw
        self.expect(
            "close auction",
            lambda: self.plans.close_auction(auction_id, self.now, may_close=not stranger),
            self.world.people["eve"] if stranger else self.world.governor,
            Call(self.world.auctions, "closeAuction", (self.world.index.address, auction_id)),
        )

    @rule(sell=PICK, buy=PICK, part=PART, seconds=st.sampled_from((0, 1, 60, 600, 1_800, 3_600)),
          extra=st.sampled_from((0, 0, 0, 1, -1)), limit=st.sampled_from((None, None, "min", "max")))  # fmt: skip
    def fill(self, sell: int, buy: int, part: int, seconds: int, extra: int, limit: str | None) -> None:
        """Mallory waits for a better price, then takes as much as she can get; now and then she owes a unit or asks too much."""
        if self.now > self.plans.auction.ends_at and part > 1:
            self.open_auction(start=20_000, end=-20_000, duration=3_600, curve=sell % 2, stranger=1, flaw=0)
            self.wait(AUCTIONS.warm_up)
        self.wait(seconds)
        self.do_fill("fill", sell, buy, part, extra, limit)

    @rule(sells=st.lists(PICK, min_size=1, max_size=4), seconds=st.sampled_from((60, 600, 3_000)))
    def auction_drains(self, sells: list[int], seconds: int) -> None:
        """The strategist's worst auction, at its full discount from the first second on, filled leg by leg."""
        if self.now >= self.plans.plan.expires_at - 86_400:
            self.wait(self.plans.policy.min_interval)
            self.do_start_plan([1, 2, 3, 4], 14 * 86_400)
        least = -AUCTIONS.max_discount
        self.open_auction(start=least, end=least, duration=AUCTIONS.max_duration, curve=LINEAR, stranger=1, flaw=0)
        self.wait(AUCTIONS.warm_up)
        for sell in sells:
            self.everything_holds()
            self.do_fill("hostile fill", sell, sell // 3, 1000, 0, None)
            self.wait(seconds)

    def do_fill(self, rule: str, sell_pick: int, buy_pick: int, part: int, extra: int, limit: str | None) -> None:
        tokens, auction, plan_id = list(self.world.tokens), self.plans.auction, self.plans.plan.id
        before = {token: self.plans.gap(token, self.now) for token in tokens}
        sells = [token for token in tokens if before[token][0]] or tokens
        buys = [token for token in tokens if before[token][1]] or tokens
        sell, buy = sells[sell_pick % len(sells)], buys[buy_pick % len(buys)]
        most = max(1, before[sell][0] * part // 1000)
        amount, due = 0, 1
        if auction.plan_id == plan_id and auction.starts_at <= self.now <= auction.ends_at:
            try:
                amount, due = self.plans.fill_size(sell, buy, most, self.prices, self.now)
            except Reverted:
                pass  # refused below, by both for the same reason
        least, limit_buy = (amount + 1, due) if limit == "min" else (amount, due - 1 if limit == "max" and due else due)
        delivered, taker = max(0, due + extra), self.world.taker.address
        self.set_balance(buy, taker, delivered)
        value_before = self.live_value()
        data = b"".join(word.to_bytes(32, "big") for word in (32, 1, delivered))
        order = (
            self.world.index.address, plan_id, auction.id, sell, buy, least, most, limit_buy,
            self.world.people["mallory"], taker, data,
        )  # fmt: skip
        done = self.expect(
            rule,
            lambda: self.plans.fill(
                plan_id=plan_id, auction_id=auction.id, sell=sell, buy=buy, min_sell=least, max_sell=most,
                max_buy=limit_buy, extra=delivered - due, payee=self.world.people["mallory"], taker=taker,
                prices=self.prices, now=self.now,
            ),
            self.world.people["mallory"],
            Call(self.world.auctions, "fill", (order,)),
        )  # fmt: skip
        if done is None:
            return
        (sold, bought), actual = done
        assert actual == (sold, bought)
        self.fill_pays_its_price(sell, buy, sold, bought)
        self.exempt.add(sell)
        self.record(sell, buy, sold, bought, value_before)
        self.fill_moves_towards_the_target(sell, buy, sold, bought, before)

    def fill_pays_its_price(self, sell: str, buy: str, sold: int, bought: int) -> None:
        """G4, in exact fractions: between the strategist's premium and discount, never below the mid less the discount."""
        auction = self.plans.auction
        assert bought * self.prices[buy] * PPM >= sold * self.prices[sell] * (PPM + auction.end_ppm)
        ceiling = sold * self.prices[sell] * (PPM + auction.start_ppm)
        assert (bought - 2) * self.prices[buy] * PPM <= ceiling  # rounded up once, and a unit more as a gift

    @rule(scale=st.sampled_from((PPM - MAX_SCALE, PPM - 1_000, PPM + 1_000, PPM + MAX_SCALE, PPM + MAX_SCALE + 1)))
    def scale_plan(self, scale: int) -> None:
        plan_id = self.plans.plan.id
        self.expect(
            "scale plan", lambda: self.plans.scale_plan(plan_id, scale, self.now), self.world.governor,
            Call(self.world.rebalancer, "scalePlan", (self.world.index.address, plan_id, scale)),
        )  # fmt: skip

    @rule(weights=st.lists(st.integers(0, 9), min_size=4, max_size=4), sells=st.lists(PICK, min_size=1, max_size=4),
          seconds=st.sampled_from((0, 1, 600, 3_600, 20_000, 86_400)))  # fmt: skip
    def keeper_drains(self, weights: list[int], sells: list[int], seconds: int) -> None:
        """A plan of the keeper's liking, then swap after swap for the floor with pauses between."""
        if self.now >= self.plans.plan.expires_at - 4 * seconds:
            self.wait(self.plans.policy.min_interval)
            self.do_start_plan(weights, 14 * 86_400)
        for sell in sells:
            self.everything_holds()
            self.wait(seconds)
            self.swap("hostile swap", sell, sell // 3, 1000, squeeze=True, generosity=0)

    @rule(sell=PICK, buy=PICK, part=PART)
    def hostile_swap(self, sell: int, buy: int, part: int) -> None:
        """As much as the budgets let through, for exactly the floor."""
        self.swap("hostile swap", sell, buy, part, squeeze=True, generosity=0)

    @rule(sell=PICK, buy=PICK, part=PART, generosity=st.sampled_from((5_000, 20_000, 30_000, 60_000)))
    def honest_swap(self, sell: int, buy: int, part: int, generosity: int) -> None:
        """{ppm} above the floor: near the mid, and beyond it."""
        self.swap("honest swap", sell, buy, part, squeeze=False, generosity=generosity)

    @rule(
        sell=PICK,
        buy=PICK,
        part=PART,
        flaw=st.sampled_from(("below floor", "oversized", "late step", "old plan", "backwards")),
    )
    def flawed_swap(self, sell: int, buy: int, part: int, flaw: str) -> None:
        """Swaps that must be refused, with the reason that the model gives."""
        self.swap("flawed swap", sell, buy, part, squeeze=False, generosity=0, flaw=flaw)

    def swap(
        self, rule: str, sell_pick: int, buy_pick: int, part: int, *, squeeze: bool, generosity: int, flaw: str = ""
    ) -> None:
        tokens = list(self.world.tokens)
        gaps = {token: self.plans.gap(token, self.now) for token in tokens}
        sells = [token for token in tokens if gaps[token][0]] or tokens
        buys = [token for token in tokens if gaps[token][1]] or tokens
        if flaw == "backwards":
            sells, buys = buys, sells
        sell, buy = sells[sell_pick % len(sells)], buys[buy_pick % len(buys)]
        amount = max(1, gaps[sell][0] * part // 1000)
        if flaw == "oversized":
            amount = gaps[sell][0] + 1 + sell_pick
        elif self.prices.get(sell) and self.prices.get(buy):
            amount = self.sized(sell, buy, amount, gaps[buy][1], generosity)
        delivered = self.delivered(sell, buy, amount, generosity)
        if squeeze:
            for _ in range(24):
                refusal = self.trial(sell, buy, amount, delivered)
                if refusal not in ("LossBudgetExceeded", "TurnoverBudgetExceeded") or amount < 2:
                    break
                amount = amount * 2 // 3
                delivered = self.delivered(sell, buy, amount, generosity)
        if flaw == "below floor":
            delivered = max(0, delivered - 1)
        taker = self.world.taker.address
        self.set_balance(buy, taker, delivered)
        self.do_swap(rule, sell, buy, amount, delivered, flaw)

    def sized(self, sell: str, buy: str, amount: int, deficit: int, generosity: int) -> int:
        """`amount`, less if its price would pass the deficit or the largest trade."""
        factor = PPM - self.plans.policy.max_slippage + generosity
        largest = trade_math.max_sell(deficit, self.prices[sell], self.prices[buy], factor)
        nav = self.plans.plan.nav_per_share * self.model.total_supply(self.now) // D27
        trade = full_mul_div(nav * self.plans.policy.max_trade // WAD, D27, self.prices[sell])
        return max(1, min(amount, largest, trade))

    def delivered(self, sell: str, buy: str, amount: int, generosity: int) -> int:
        try:
            floor = self.plans.floor(sell, buy, amount, self.prices)
        except Reverted:
            return 1
        return floor + floor * generosity // PPM

    def trial(self, sell: str, buy: str, amount: int, delivered: int) -> str:
        """What the model says to this swap, without keeping it: the refusal, or nothing."""
        try:
            with self.plans.atomic():
                self.ledger(buy).balances[self.world.taker.address] = delivered
                self.model_swap(sell, buy, amount, delivered, self.plans.plan.id, self.plans.plan.steps)
                raise Undone("")
        except Reverted as refusal:
            return refusal.reason

    def model_swap(self, sell: str, buy: str, amount: int, delivered: int, plan_id: int, step: int) -> tuple[int, int]:
        return self.plans.swap(
            plan_id=plan_id, step=step, sell=sell, buy=buy, sell_amount=amount, min_buy=0, delivered=delivered,
            payee=self.world.people["mallory"], taker=self.world.taker.address, prices=self.prices, now=self.now,
        )  # fmt: skip

    def do_swap(self, rule: str, sell: str, buy: str, amount: int, delivered: int, flaw: str) -> None:
        plan_id = self.plans.plan.id - (flaw == "old plan")
        step = self.plans.plan.steps + (flaw == "late step")
        before = {token: self.plans.gap(token, self.now) for token in self.world.tokens}
        value_before = self.live_value()
        data = b"".join(word.to_bytes(32, "big") for word in (32, 1, delivered))
        order = (
            self.world.index.address, plan_id, step, sell, buy, amount, 0, self.world.people["mallory"],
            self.world.taker.address, data,
        )  # fmt: skip
        done = self.expect(
            rule, lambda: self.model_swap(sell, buy, amount, delivered, plan_id, step), self.world.governor,
            Call(self.world.rebalancer, "swap", (order,)),
        )  # fmt: skip
        if done is None:
            return
        (sold, bought), (actual,) = done
        assert actual == bought
        self.exempt.add(sell)
        self.record(sell, buy, sold, bought, value_before)
        self.fill_moves_towards_the_target(sell, buy, sold, bought, before)

    def live_value(self) -> int:
        """{nUSD} D27 of the whole basket at the prices of this moment, as the chain has it now."""
        state = self.read()
        return sum(state.available(token) * self.prices[token] for token in state.components)

    def record(self, sell: str, buy: str, sold: int, bought: int, value_before: int) -> None:
        lost = sold * self.prices[sell] - bought * self.prices[buy]
        nav = self.plans.guard.nav_per_share * self.model.total_supply(self.now)
        assert value_before - self.live_value() == lost
        fill = Fill(
            at=self.now,
            loss=max(0, lost) * FINE // nav,
            live_loss=max(0, lost) * FINE // value_before,
            turnover=sold * self.prices[sell] * FINE // nav,
        )
        self.fills.append(fill)
        if fill.live_loss * 1000 > fill.loss * 1001:
            self.tally["valuation: above the live one, loss understated"] += 1
            RebalanceMachine.understated = max(self.understated, fill.live_loss / fill.loss)

    def fill_moves_towards_the_target(
        self, sell: str, buy: str, sold: int, bought: int, before: dict[str, tuple[int, int]]
    ) -> None:
        """Invariant 6: after a fill no surplus or deficit has grown and none has changed side."""
        tokens = list(self.world.tokens)
        calls = [Call(self.world.rebalancer, "gapOf", (self.world.index.address, token)) for token in tokens]
        for token, (surplus, deficit) in zip(
            tokens, cast("list[tuple[int, int]]", self.chain.reads(calls)), strict=True
        ):
            old_surplus, old_deficit = before[token]
            assert surplus == old_surplus - (sold if token == sell else 0)
            assert deficit == old_deficit - (bought if token == buy else 0)

    @rule(stranger=st.booleans())
    def end_plan(self, stranger: bool) -> None:
        plan_id = self.plans.plan.id
        sender = self.world.people["eve"] if stranger else self.world.governor
        with self.fees_are_recorded():
            self.expect(
                "end plan",
                lambda: self.plans.end_plan(plan_id, self.now, is_strategist=not stranger, caller=sender),
                sender,
                Call(self.world.rebalancer, "endPlan", (self.world.index.address, plan_id)),
            )

    # --- prices, time, people

    @rule(pick=PICK, percent=st.sampled_from((10, 50, 80, 95, 99, 101, 110, 150, 400)))
    def oracle_jumps(self, pick: int, percent: int) -> None:
        token = list(self.world.tokens)[pick % len(self.world.tokens)]
        if not self.prices[token]:
            return
        self.wait(1)  # a price and a valuation of the same second are another matter
        self.prices[token] = min(MAX_PRICE, max(1, self.prices[token] * percent // 100))
        self.chain.send(self.world.governor, Call(self.world.feeds[token], "setPrice", (self.prices[token],)))
        self.count("oracle jumps")

    @rule(pick=PICK, dead=st.booleans())
    def oracle_dies_or_heals(self, pick: int, dead: bool) -> None:
        token = list(self.world.tokens)[pick % len(self.world.tokens)]
        self.wait(1)
        self.chain.send(self.world.governor, Call(self.world.feeds[token], "setDead", (dead,)))
        if dead:
            self.prices[token] = 0
        elif not self.prices[token]:
            self.prices[token] = self.world.prices[token]
            self.chain.send(self.world.governor, Call(self.world.feeds[token], "setPrice", (self.prices[token],)))
        self.count("oracle", "dead" if dead else "alive")

    @rule(seconds=st.sampled_from((1, 12, 600, 3_600, 20_000, 86_400, 30 * 86_400)))
    def pass_time(self, seconds: int) -> None:
        self.count("pass time")
        self.wait(seconds)

    @rule(who=PERSON, shares=SHARES)
    def mint(self, who: str, shares: int) -> None:
        self.do_mint("mint", self.world.people[who], shares)

    def do_mint(self, rule: str, account: str, shares: int) -> tuple[int, ...] | None:
        n, version = len(self.model.components), self.model.version
        done = self.expect(
            rule, lambda: self.model.mint(account, shares, receiver=account, now=self.now, version=version), account,
            Call(self.world.index, "mint", (shares, version, (UNLIMITED,) * n, account)),
        )  # fmt: skip
        return None if done is None else tuple(done[0])

    @rule(who=PERSON, part=PART, mask=st.integers(0, 7))
    def redeem(self, who: str, part: int, mask: int) -> None:
        self.do_redeem("redeem", self.world.people[who], part, mask)

    def do_redeem(self, rule: str, account: str, part: int, mask: int = 0) -> tuple[int, ...] | None:
        n, version = len(self.model.components), self.model.version
        shares = self.model.shares.get(account, 0) * part // 1000
        done = self.expect(
            rule,
            lambda: self.model.redeem(
                account, shares, receiver=account, now=self.now, version=version, defer_mask=mask
            ),
            account,
            Call(self.world.index, "redeem", (shares, version, (0,) * n, account, account, mask)),
        )
        return None if done is None else tuple(done[0])

    @rule(multiple=st.sampled_from((1, 10, 100)), sell=PICK, buy=PICK)
    def just_in_time_around_a_swap(self, multiple: int, sell: int, buy: int) -> None:
        """Eve mints many times the supply, the keeper swaps for the floor, she leaves: the fraction lost stays bounded."""
        account = self.world.people["eve"]
        shares = self.model.total_supply(self.now) * multiple
        if self.do_mint("jit in", account, shares) is None:
            return
        self.everything_holds()
        self.swap("jit swap", sell, buy, 1000, squeeze=True, generosity=0)
        self.everything_holds()
        self.do_redeem("jit out", account, 1000)

    @rule(who=PERSON, pick=PICK, amount=SHARES)
    def donation_changes_no_price_floor_or_budget(self, who: str, pick: int, amount: int) -> None:
        """Invariant 4: also the donor's own shares never gain more than he gave."""
        donor, index = self.world.people[who], self.world.index.address
        token = self.model.components[pick % len(self.model.components)]
        tokens = list(self.world.tokens)
        calls = [
            Call(self.world.guard, "usedOf", (index,)),
            Call(self.world.guard, "valuationOf", (index,)),
            *(Call(self.world.oracle, "tryPrice", (other,)) for other in tokens),
            *(
                Call(self.world.rebalancer, "floorOf", (index, one, other, 10**18))
                for one in tokens
                for other in tokens
            ),
        ]
        supply, shares = self.model.total_supply(self.now), self.model.shares.get(donor, 0)
        worth = basket_math.amount_out(shares, self.model.available(token), supply)
        before = self.chain.calls(calls)
        self.gifted.add(token)
        self.expect(
            "donate", lambda: self.ledger(token).transfer(donor, index, amount), donor,
            Call(self.world.tokens[token], "transfer", (index, amount)),
        )  # fmt: skip
        assert self.chain.calls(calls) == before
        state = self.read()
        assert state.supply == supply
        assert shares * state.available(token) // supply - worth <= amount

    @rule()
    def revalue(self) -> None:
        index = self.world.index.address
        self.expect(
            "revalue", lambda: self.plans.guard.revalue(self.prices, self.now), self.world.people["bob"],
            Call(self.world.guard, "revalue", (index,)),
        )  # fmt: skip

    @rule(loss=st.sampled_from((0, 10**14, 10**16)), window=st.sampled_from((3_600, 86_400)))
    def set_limits(self, loss: int, window: int) -> None:
        limits = replace(self.plans.guard.limits, loss_capacity=loss, loss_window=window)
        self.expect(
            "set limits", lambda: self.plans.guard.set_limits(limits, self.now), self.world.governor,
            Call(self.world.guard, "setLimits", (self.world.index.address, limits_words(limits))),
        )  # fmt: skip
        self.tightest = replace(
            self.tightest,
            loss_capacity=max(self.tightest.loss_capacity, loss),
            loss_window=min(self.tightest.loss_window, window),
        )

    @rule(fee=st.sampled_from((0, WAD // 100, MAX_STREAMING_FEE)))
    def set_streaming_fee(self, fee: int) -> None:
        if fee > self.model.streaming_fee:
            selector = self.world.index.interface.functions["setStreamingFee"].selector
            self.expect(
                "announce fee", lambda: self.model.announce_fee("setStreamingFee", fee, self.now), self.world.governor,
                Call(self.world.index, "announceFee", (selector, fee)),
            )  # fmt: skip
            self.wait(FEE_NOTICE)
        self.expect(
            "set streaming fee", lambda: self.model.set_streaming_fee(fee, self.now), self.world.governor,
            Call(self.world.index, "setStreamingFee", (fee,)),
        )  # fmt: skip

    @rule(seconds=st.sampled_from((60, 3_600)), arm=st.booleans())
    def pause_exchange(self, seconds: int, arm: bool) -> None:
        if arm:
            self.expect("arm pauses", self.model.arm_pauses, self.world.governor, Call(self.world.index, "armPauses"))
        else:
            self.expect(
                "pause exchange", lambda: self.model.pause_exchange(seconds, self.now), self.world.governor,
                Call(self.world.index, "pauseExchange", (seconds,)),
            )  # fmt: skip

    # --- invariants

    @invariant()
    def everything_holds(self) -> None:
        """One look at the chain for all invariants, each in its own check."""
        if not hasattr(self, "world"):
            return
        before, after = self.look()
        self.check_claims(after)
        self.check_supply(after)
        self.check_backing(before, after)
        self.check_model(after)
        self.check_modules()
        self.check_exit(after)
        self.losses_stay_within_the_budget()
        self.is_sound = True

    def losses_stay_within_the_budget(self) -> None:
        """Invariants 2 and 7: Σ loss ≤ C·(1 + T/W) over every period that ends with the last fill, plus one unit a fill.

        Measured here from amounts and prices. What a share lost at live prices, `1 − Π(1 − loss)`, is bounded the same
        where the guard values the index anew for each second. Turnover likewise.
        """
        limits, fresh = self.tightest, self.plans.guard.limits.valuation_max_age == 0
        loss, turnover, kept = 0, 0, FINE
        for number, fill in enumerate(reversed(self.fills), start=1):
            loss, turnover = loss + fill.loss, turnover + fill.turnover
            kept = -(-kept * (FINE - fill.live_loss) // FINE)
            seconds = self.fills[-1].at - fill.at
            bound = allowed(limits.loss_capacity, limits.loss_window, seconds, number)
            assert loss <= bound, f"lost {loss / FINE:.9f} of NAV in {seconds} s, the bound is {bound / FINE:.9f}"
            if fresh:
                assert FINE - kept <= bound, (
                    f"a share lost {1 - kept / FINE:.9f} in {seconds} s, bound {bound / FINE:.9f}"
                )
            assert turnover <= allowed(limits.turnover_capacity, limits.turnover_window, seconds, number)

    def check_modules(self) -> None:
        """Plan, targets, gaps, budgets and valuation equal the model's."""
        index, tokens, guard = self.world.index.address, list(self.world.tokens), self.plans.guard
        plan, budget, used, valuation, auction, *rest = self.chain.calls(
            [
                Call(self.world.rebalancer, "planOf", (index,)),
                Call(self.world.guard, "budgetOf", (index,)),
                Call(self.world.guard, "usedOf", (index,)),
                Call(self.world.guard, "valuationOf", (index,)),
                Call(self.world.auctions, "auctionOf", (index,)),
                *(Call(self.world.rebalancer, "targetOf", (index, token)) for token in tokens),
                *(Call(self.world.rebalancer, "gapOf", (index, token)) for token in tokens),
            ]
        )
        assert plan == (words_of_plan(self.plans.plan),)
        assert budget == ((guard.budget.loss_used, guard.budget.turnover_used, guard.budget.updated_at),)
        assert used == guard.used(self.now)
        assert valuation == (guard.nav_per_share, guard.valued_at)
        assert auction == (words_of_auction(self.plans.auction),)
        for token, target, gap in zip(tokens, rest[: len(tokens)], rest[len(tokens) :], strict=True):
            assert target == (words_of_target(self.plans.targets.get(token, Target())),)
            assert not isinstance(gap, Failure) and gap == self.plans.gap(token, self.now)

    def teardown(self) -> None:
        if hasattr(self, "world") and self.is_sound:
            self.replay_equals_storage()

    def replay_equals_storage(self) -> None:
        """Invariant 10: plan, targets, budgets, valuation, supply and claims from events alone."""
        world, index = self.world, self.world.index.address
        logs = self.chain.logs(
            [world.index, world.rebalancer, world.auctions, world.guard], from_block=world.first_block
        )
        state, plain = self.read(), replay(log for log in logs if log.address == index)
        assert (plain.word.base, plain.word.issued, plain.word.since) == (state.base, state.issued, state.since)
        assert {pair: plain.claims[pair] for pair in state.claims} == state.claims
        for token in set(world.tokens) - self.gifted:
            assert plain.reserves[token] == state.balances[token]
        modules = replay_modules(logs, index)
        calls = [
            Call(world.rebalancer, "planOf", (index,)), Call(world.guard, "budgetOf", (index,)),
            Call(world.guard, "valuationOf", (index,)), Call(world.guard, "limitsOf", (index,)),
            Call(world.rebalancer, "policyOf", (index,)), Call(world.auctions, "auctionOf", (index,)),
            *(Call(world.rebalancer, "targetOf", (index, token)) for token in world.tokens),
        ]  # fmt: skip
        plan, budget, valuation, limits, policy, auction, *targets = self.chain.reads(calls)
        assert plan == words_of_plan(modules.plan)
        assert budget == (modules.budget.loss_used, modules.budget.turnover_used, modules.budget.updated_at)
        assert valuation == modules.valuation
        assert (limits, policy) == (modules.limits, modules.policy)
        assert auction == (modules.auction or words_of_auction(Auction()))
        for token, target in zip(world.tokens, targets, strict=True):
            assert target == words_of_target(modules.targets.get(token, Target()))
        self.tally["replay: equal"] += 1


def words_of_plan(plan: Plan) -> tuple[int, ...]:
    return (
        plan.id, plan.steps, plan.started_at, plan.expires_at, plan.turnover, plan.scale, plan.noted, plan.manual,
        plan.streaming_rate, plan.nav_per_share, plan.rebalance_fee, plan.keeper_tip,
    )  # fmt: skip


def words_of_auctions(policy: AuctionPolicy) -> tuple[int, ...]:
    return (
        policy.max_premium, policy.max_discount, policy.min_duration, policy.max_duration, policy.warm_up,
        policy.strategist_window, policy.rebalance_fee, policy.keeper_tip,
    )  # fmt: skip


def words_of_auction(auction: Auction) -> tuple[int, ...]:
    return (
        auction.plan_id, auction.id, auction.starts_at, auction.ends_at, auction.start_ppm, auction.end_ppm, auction.curve,
    )  # fmt: skip


def words_of_target(target: Target) -> tuple[int, ...]:
    return (target.plan_id, target.last_trade_at, target.unit)


NEEDED = (
    "start plan: done", "hostile swap: done", "honest swap: done", "jit swap: done", "jit out: done", "mint: done",
    "redeem: done", "donate: done", "revalue: done", "end plan: done", "set limits: done", "replay: equal",
    "flawed swap: ShortDelivery", "flawed swap: SurplusExceeded", "flawed swap: StepMismatch", "flawed swap: PlanMismatch",
    "hostile swap: PlanExpired", "start plan: WeightsSumInvalid", "hostile swap: LossBudgetExceeded",
    "open auction: done", "close auction: done", "fill: done", "hostile fill: done", "fill: ShortDelivery",
    "fill: FillTooSmall", "fill: AuctionNotLive", "open auction: NotAuthorized", "scale plan: done", "fees and tips: paid",
)  # fmt: skip


def test_rebalancing_holds_its_invariants(worlds: Worlds, statistics: list[str]) -> None:
    statistics.append(run(RebalanceMachine, worlds, examples=120, steps=40 * (2 if LONG else 1), needed=NEEDED))
    statistics.append(
        f"    a valuation up to an hour old understated a loss by a factor of at most {RebalanceMachine.understated:.2f}"
    )
