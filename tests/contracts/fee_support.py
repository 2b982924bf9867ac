"""Indexes with a performance fee, and its arithmetic done a second time, in exact fractions.

`charged(world, rate=…)` is a `Charged`: an index, the module that charges it, and the verbs that tests repeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from brownie import NotingRebalancer, OpenGuard, PerformanceFee, accounts

from tests.contracts.support import D27, DAY, DEPLOYER, FEE_RECIPIENT, GOVERNOR, HOUR, WAD, Index, World, now, wait

TENTH = WAD // 10
WEEK = 7 * DAY


def close(actual: int | Fraction, exact: int | Fraction, relative: Fraction = Fraction(1, 10**9)) -> bool:
    """Not above the exact number, and below it only by rounding."""
    return 0 <= exact - actual <= abs(exact) * relative + 1


@dataclass(kw_only=True)
class Charged:
    """`fee` charges `index`; `rebalancer` is one that notes what it exchanges, once `pretend` made it the index's."""

    index: Index
    fee: Any
    rebalancer: Any = None

    @property
    def token(self) -> Any:
        return self.index.token

    @property
    def tokens(self) -> list[Any]:
        return self.index.tokens

    @property
    def mark(self) -> int:
        return int(self.fee.accountOf(self.token)[0])

    def due_at(self) -> int:
        account = self.fee.accountOf(self.token)
        return int(account[1] + account[5])

    def record(self, i: int) -> int:
        """D27{tok/share} as last written."""
        return int(self.fee.recordOf(self.token, self.tokens[i])[0])

    def unit(self, i: int) -> int:
        """D27{tok/share} that a share holds."""
        return self.index.reserves()[i] * D27 // int(self.token.totalSupply())

    def set_price(self, i: int, numerator: int, denominator: int = 1) -> None:
        """Multiplies the price of a component."""
        price = self.index.price(i) * numerator // denominator
        self.index.feed(i).setPrice(price, {"from": accounts[DEPLOYER]})

    def set_prices(self, numerator: int, denominator: int = 1) -> None:
        """Multiplies the prices of all components."""
        for i in range(len(self.tokens)):
            self.set_price(i, numerator, denominator)

    def nav_per_share(self) -> Fraction:
        """{nUSD/share} of all that is held, exactly."""
        value = sum(Fraction(r * self.index.price(i), D27) for i, r in enumerate(self.index.reserves()))
        return value / int(self.token.totalSupply())

    def exact_shares(self, gain: Fraction, rate: int) -> Fraction:
        """{share} that are worth `rate` of a {nUSD/share} gain of all shares, once they exist."""
        fee = gain * rate / WAD
        return int(self.token.totalSupply()) * fee / (self.nav_per_share() - fee)

    def observe(self) -> Any:
        """Waits until the fee is due and looks once."""
        wait(max(1, self.due_at() - now()))
        return self.fee.observe(self.token, {"from": accounts[DEPLOYER]})

    def crystallise(self) -> int:
        """The whole of it: {share} that the recipient got."""
        self.observe()
        wait(HOUR)
        before = int(self.token.balanceOf(accounts[FEE_RECIPIENT]))
        self.fee.crystallise(self.token, {"from": accounts[DEPLOYER]})
        return int(self.token.balanceOf(accounts[FEE_RECIPIENT])) - before

    def take(self, gain: Fraction, rate: int = TENTH) -> int:
        """The whole of it, checked: the recipient gets `rate` of the {nUSD/share} gain, short of it only by rounding."""
        self.observe()
        wait(HOUR)
        exact = self.exact_shares(gain, rate)
        before = int(self.token.balanceOf(accounts[FEE_RECIPIENT]))
        self.fee.crystallise(self.token, {"from": accounts[DEPLOYER]})
        shares = int(self.token.balanceOf(accounts[FEE_RECIPIENT])) - before
        assert close(shares, exact), (shares, float(exact))
        return shares

    def govern(self, function: str, *arguments: Any) -> Any:
        return getattr(self.fee, function)(self.token, *arguments, {"from": accounts[GOVERNOR]})

    def donate(self, i: int, amount: int) -> None:
        self.tokens[i].mint(self.token, amount, {"from": accounts[DEPLOYER]})

    # --- exchanges ---

    def pretend(self) -> None:
        """Hands the index to a rebalancer that does what the test says, and to a guard that lets it."""
        self.rebalancer = accounts[DEPLOYER].deploy(NotingRebalancer)
        self.index.govern(self.token.setRebalancer, self.rebalancer)
        self.index.govern(self.token.setGuard, accounts[DEPLOYER].deploy(OpenGuard))

    def exchange(self, outs: dict[int, int], ins: dict[int, int], *, noted: bool = True) -> Any:
        """Sells and buys {tok} by component number."""
        taker = self.index.world.taker
        for i, amount in ins.items():
            self.tokens[i].mint(taker, amount, {"from": accounts[DEPLOYER]})
        send = self.rebalancer.exchange if noted else self.rebalancer.exchangeUnnoted
        legs = [[(self.tokens[i], amount) for i, amount in side.items()] for side in (outs, ins)]
        return send(self.token, *legs, taker, {"from": accounts[DEPLOYER]})

    def at_mid(self, sell: int, buy: int, amount: int) -> int:
        """{tok} of `buy` of the value of `amount` of `sell`, rounded down."""
        return amount * self.index.price(sell) // self.index.price(buy)


def charged(
    world: World,
    *,
    rate: int = TENTH,
    interval: int = WEEK,
    decimals: tuple[int, ...] = (18, 6, 8),
    tokens: list[Any] | None = None,
    **terms: Any,
) -> Charged:
    """A new index with a performance fee."""
    index = world.create(tokens or [world.token(d) for d in decimals], **terms)
    fee = accounts[DEPLOYER].deploy(PerformanceFee, world.oracle)
    fee.register(index.token, rate, interval, {"from": accounts[GOVERNOR]})
    index.govern(index.token.setFeeModule, fee)
    return Charged(index=index, fee=fee)
