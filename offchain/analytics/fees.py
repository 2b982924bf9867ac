"""What fees do to an investor, and what they bring an operator: the contracts' own arithmetic on any line of levels.

    bill(levels, dates, rules, usd=10_000)             one investor in on the first day, out on the last
    revenue(levels, dates, rules, usd=…, flows=…)      the operator's income month by month, also when markets fall

Both run the integer twins of the contracts (`offchain.reference.fee_math`): shares in 1e-18, NAV per share as
D27{nUSD/share}, streaming fee by growth of the supply, mint and redeem fee in shares rounded up, performance fee above
the high-water mark at most once in `performance_interval_days`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from offchain.analytics.measures import Levels
from offchain.errors import UnusableLevels
from offchain.reference.fee_math import growth, one_off_fee, performance_fee, streaming_rate
from offchain.spec.model import FeeRules
from offchain.units import D27, NANO, WAD, bps_to_wad, to_tokens

DAY = 86_400  # {s}
START = 100 * NANO * D27 // WAD  # D27{nUSD/share quantum} of 100 USD for a whole share


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What one investor paid, USD. `gross`: what the same money would have become without any fee; `net`: what came out."""

    put_in: float
    gross: float
    net: float
    mint: float
    streaming: float
    performance: float
    redeem: float

    @property
    def total(self) -> float:
        """All fees, in USD of the last day: gross less net."""
        return self.gross - self.net

    @property
    def drag(self) -> float:
        """Part of the gross result that fees took."""
        return self.total / self.gross if self.gross else 0.0


@dataclass(frozen=True, kw_only=True)
class Income:
    """One month of the operator, USD. `nav`: of all holders at its end, after fees."""

    month: str
    nav: float
    streaming: float
    mint: float
    redeem: float
    performance: float

    @property
    def total(self) -> float:
        return self.streaming + self.mint + self.redeem + self.performance


@dataclass(kw_only=True)
class _Books:
    """Supply {share} and NAV {nUSD} of a fund, with its high-water mark; `fees`: {kind: nUSD taken so far}."""

    rules: FeeRules
    supply: int = 0
    nav: int = 0
    mark: int = START
    charged: date | None = None
    fees: dict[str, int]

    def value(self, shares: int) -> int:
        return self.nav * shares // self.supply if self.supply else 0

    def dilute(self, shares: int, kind: str) -> int:
        """New shares for the operator, who is paid out at once, so that only holders are left in the books."""
        self.supply += shares
        worth = self.value(shares)
        self.fees[kind] += worth
        self.supply -= shares
        self.nav -= worth
        return worth


def bill(levels: Levels, dates: Sequence[date], rules: FeeRules, *, usd: float = 10_000.0) -> Bill:
    """Fees of one investor who buys for `usd` on the first day and redeems everything on the last. `levels` before fees."""
    books = _run(levels, dates, rules, flows={0: usd}, incomes=None)
    kept = books.supply - one_off_fee(books.supply, bps_to_wad(rules.redeem_bps))
    net = books.value(kept)
    books.fees["redeem"] += books.nav - net
    return Bill(
        put_in=usd,
        gross=usd * levels[-1] / levels[0],
        net=net / NANO,
        mint=books.fees["mint"] / NANO,
        streaming=books.fees["streaming"] / NANO,
        performance=books.fees["performance"] / NANO,
        redeem=books.fees["redeem"] / NANO,
    )


def revenue(
    levels: Levels,
    dates: Sequence[date],
    rules: FeeRules,
    *,
    usd: float,
    flows: Mapping[int, float] | None = None,
) -> tuple[Income, ...]:
    """The operator's income, a row a month. `usd`: NAV on the first day, minted before it; `flows`: {row: USD in, or out below 0}."""
    incomes: list[Income] = []
    _run(levels, dates, rules, flows=flows or {}, incomes=incomes, seed=usd)
    return tuple(incomes)


def _run(
    levels: Levels,
    dates: Sequence[date],
    rules: FeeRules,
    *,
    flows: Mapping[int, float],
    incomes: list[Income] | None,
    seed: float = 0.0,
) -> _Books:
    if len(levels) != len(dates) or len(levels) < 2:
        raise UnusableLevels(
            f"{len(levels)} levels and {len(dates)} dates; give one date for each of at least two levels"
        )
    books = _Books(rules=rules, fees=dict.fromkeys(("streaming", "mint", "redeem", "performance"), 0), charged=dates[0])
    if seed:
        books.nav = to_tokens(seed, 9)
        books.supply = books.nav * D27 // START
    rate = streaming_rate(bps_to_wad(rules.streaming_bps))
    before = dict(books.fees)
    for row, day in enumerate(dates):
        if row and books.supply:
            _pass_time(books, levels[row - 1], levels[row], rate, (day - dates[row - 1]).days)
            _crystallise(books, day)
        if row in flows:
            _flow(books, flows[row])
        is_month_end = row == len(dates) - 1 or dates[row + 1].month != day.month
        if incomes is not None and is_month_end:
            incomes.append(_income(day, books, before))
            before = dict(books.fees)
    return books


def _pass_time(books: _Books, last: float, level: float, rate: int, days: int) -> None:
    # eighteen digits of the ratio: far below a nano-dollar of any fund
    books.nav = books.nav * to_tokens(level, 18) // to_tokens(last, 18)
    grown = books.supply * growth(rate, days * DAY) // WAD
    books.dilute(grown - books.supply, "streaming")


def _crystallise(books: _Books, day: date) -> None:
    rules = books.rules
    if not rules.performance_bps or books.charged is None:
        return
    if (day - books.charged).days < rules.performance_interval_days:
        return
    per_share = books.nav * D27 // books.supply
    shares, mark = performance_fee(
        books.supply, per_share, books.mark, per_share, bps_to_wad(rules.performance_bps), books.supply // 10
    )
    books.mark = mark
    if shares:
        books.charged = day
        books.dilute(shares, "performance")


def _flow(books: _Books, usd: float) -> None:
    price = books.nav * D27 // books.supply if books.supply else START
    if usd >= 0:
        paid = to_tokens(usd, 9)
        shares = paid * D27 // price
        fee = one_off_fee(shares, bps_to_wad(books.rules.mint_bps))
        worth = fee * price // D27
        books.fees["mint"] += worth
        books.supply += shares - fee
        books.nav += paid - worth
        return
    shares = min(to_tokens(-usd, 9) * D27 // price, books.supply)
    worth = books.value(one_off_fee(shares, bps_to_wad(books.rules.redeem_bps)))
    gone = books.value(shares)
    books.fees["redeem"] += worth
    books.supply -= shares
    books.nav -= gone


def _income(day: date, books: _Books, before: Mapping[str, int]) -> Income:
    earned = {kind: (books.fees[kind] - before[kind]) / NANO for kind in books.fees}
    return Income(month=f"{day:%Y-%m}", nav=books.nav / NANO, **earned)
