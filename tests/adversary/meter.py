"""What an agent cost the holders, measured from outside: balances, supply and prices, never what the contracts say of it.

A passive holder's share is worth Σ reserves·price / supply. An operation happens at one moment, so its harm is how much
less a share is worth after it than before it, at the same prices; a move of the market between two operations is nobody's
harm and drops out. The streaming fee is not harm either, as far as it is exp(rate·time) and not a second more.

gross    what every operation that lost something took from a share, added up; gains are never set against it.
         This is what G2 bounds: between any two moments, at most C·(1 + T/W).
net      the same with gains, less what the holder's twin lost, who has the same honest keeper and no agent
profit   what the agent has more, of the value of the others' shares

Each is kept at the oracle's prices, for which the promise is made, and at the market's, which is what tokens really are
worth while the oracle lags behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

BPS = 10_000
DAY = 86_400  # {s}


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What the chain showed at one moment. Amounts {tok}, prices D27{nUSD/tok}; `held` and `shares` are the agent's."""

    time: int
    supply: int
    reserves: tuple[int, ...]
    held: tuple[int, ...]
    shares: int

    def share_value(self, prices: Sequence[int]) -> Fraction:
        """D27{nUSD/share} of one share, exactly."""
        return Fraction(sum(r * p for r, p in zip(self.reserves, prices, strict=True)), self.supply)

    def wealth(self, prices: Sequence[int]) -> Fraction:
        """D27{nUSD} of the agent: his tokens, claims and shares."""
        return sum(h * p for h, p in zip(self.held, prices, strict=True)) + self.shares * self.share_value(prices)

    def others(self, prices: Sequence[int]) -> Fraction:
        """D27{nUSD} of everybody else's shares."""
        return (self.supply - self.shares) * self.share_value(prices)


@dataclass(frozen=True, kw_only=True)
class Harm:
    """What happened between two sights, as fractions: of a share's value, and of the others' shares."""

    loss: Fraction
    profit: Fraction


def harm(before: Sight, after: Sight, prices: Sequence[int]) -> Harm:
    """Compares two sights at the same prices."""
    old = before.share_value(prices)
    return Harm(
        loss=1 - after.share_value(prices) / old,
        profit=(after.wealth(prices) - before.wealth(prices)) / before.others(prices),
    )


@dataclass(kw_only=True)
class Account:
    """One set of sums over time, at one kind of prices."""

    times: list[int] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)
    net: list[float] = field(default_factory=list)
    profit: list[float] = field(default_factory=list)

    def open(self, time: int) -> None:
        self.times.append(time)
        for series in (self.gross, self.net, self.profit):
            series.append(0.0)

    def add(self, time: int, change: Harm) -> None:
        self.times.append(time)
        self.gross.append(self.gross[-1] + max(float(change.loss), 0.0))
        self.net.append(self.net[-1] + float(change.loss))
        self.profit.append(self.profit[-1] + float(change.profit))

    def excuse(self, loss: Fraction) -> None:
        """What the twin lost as well is not the agent's."""
        self.net[-1] -= float(loss)

    def worst_within(self, seconds: int) -> float:
        """The largest gross loss between two moments at most `seconds` apart, both included."""
        worst, first = 0.0, 1
        for last in range(1, len(self.times)):
            while self.times[last] - self.times[first] > seconds:
                first += 1
            worst = max(worst, self.gross[last] - self.gross[first - 1])
        return worst

    def used(self, capacity: float, window: int) -> float:
        """The largest share of `capacity·(1 + T/window)` that was lost between any two moments; above 1 is a breach."""
        if len(self.times) < 2:
            return 0.0
        times, gross = np.array(self.times[1:], dtype=float), np.array(self.gross)
        worst = 0.0
        for last in range(len(times)):
            lost = gross[last + 1] - gross[: last + 1]
            bound = capacity * (1 + (times[last] - times[: last + 1]) / window)
            worst = max(worst, float((lost / bound).max()))
        return worst


@dataclass(kw_only=True)
class Meter:
    """Fed with a sight after every operation (`moved`) and after every pause (`waited`)."""

    capacity: float
    window: int
    oracle: Account = field(default_factory=Account)
    market: Account = field(default_factory=Account)
    last: Sight | None = None

    def begin(self, sight: Sight) -> None:
        self.last = sight
        self.oracle.open(sight.time)
        self.market.open(sight.time)

    def moved(self, sight: Sight, oracle: Sequence[int], market: Sequence[int]) -> Harm:
        """An operation: `oracle` and `market` are the prices before it."""
        assert self.last is not None
        change = harm(self.last, sight, oracle)
        self.oracle.add(sight.time, change)
        self.market.add(sight.time, harm(self.last, sight, market))
        self.last = sight
        return change

    def waited(self, sight: Sight, growth: Fraction, prices: Sequence[int]) -> None:
        """A pause: prices may have moved, which is nobody's harm; supply may have grown by the fee and nothing else.

        A fee beyond `growth`, or tokens that left, are harm like any other.
        """
        assert self.last is not None
        old, new = self.last.share_value(prices), sight.share_value(prices) * growth
        if new != old:
            change = Harm(loss=1 - new / old, profit=Fraction(0))
            self.oracle.add(sight.time, change)
            self.market.add(sight.time, change)
        self.last = sight

    def excuse(self, oracle: Fraction, market: Fraction) -> None:
        self.oracle.excuse(oracle)
        self.market.excuse(market)
