"""What the contracts charge, in integers, day by day: streaming, mint, redeem, performance, rebalance fee and the keeper's tip.

Everything is paid in new shares, so the state of all fees is the supply word, the high-water mark and the allowance of
modules. Each step below calls the twins of the contracts and nothing else; there is no other arithmetic with shares.

    terms = Terms.of(spec)
    book = opened(terms, shares=10**21, now=t0)
    book = accrued(book, terms, now=t1, nav=nav)           streaming; the performance fee when it is due
    book = minted(book, terms, shares=10**18, now=t1)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from offchain.errors import MarketDataError
from offchain.reference import basket_math, budget_math, constants, fee_math, trade_math
from offchain.reference.basket_math import SupplyWord
from offchain.reference.constants import D27, PPM, WAD
from offchain.reference.integers import zero_floor_sub
from offchain.spec.model import IndexSpec
from offchain.units import BPS, bps_to_wad

KINDS = ("streaming", "mint", "redeem", "performance", "rebalance", "tip")
DAY = 86_400  # {s}
PPM_PER_BPS = PPM // BPS


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Rates. `streaming` D18{1/year}; `mint`, `redeem`, `performance` D18{1}; `interval` {s}; `rebalance`, `tip` {ppm} of one-way
    turnover; `loss_capacity` D18{1}: what the guard lets one plan lose, the fee of the plan included.
    """

    streaming: int = 0
    mint: int = 0
    redeem: int = 0
    performance: int = 0
    interval: int = 30 * DAY
    rebalance: int = 0
    tip: int = 0
    loss_capacity: int = constants.MAX_LOSS_CAPACITY

    def __post_init__(self) -> None:
        bounds = {
            "streaming": constants.MAX_STREAMING_FEE,
            "mint": constants.MAX_MINT_FEE,
            "redeem": constants.MAX_REDEEM_FEE,
            "performance": constants.MAX_PERFORMANCE_FEE,
            "rebalance": constants.MAX_REBALANCE_FEE,
            "tip": constants.MAX_KEEPER_TIP,
            "loss_capacity": constants.MAX_LOSS_CAPACITY,
        }
        for name, high in bounds.items():
            if not 0 <= getattr(self, name) <= high:
                raise MarketDataError(f"fees: {name} = {getattr(self, name)}; the contracts allow 0 to {high}")
        if not constants.MIN_FEE_INTERVAL <= self.interval <= constants.MAX_FEE_INTERVAL:
            raise MarketDataError(
                f"fees: interval = {self.interval} s; the contracts allow {constants.MIN_FEE_INTERVAL} "
                f"to {constants.MAX_FEE_INTERVAL}"
            )

    @property
    def rate(self) -> int:
        """D18{1/year} by which the supply grows."""
        return fee_math.streaming_rate(self.streaming)

    @classmethod
    def of(cls, spec: IndexSpec) -> Terms:
        """As an index file has them."""
        return cls(
            streaming=bps_to_wad(spec.fees.streaming_bps),
            mint=bps_to_wad(spec.fees.mint_bps),
            redeem=bps_to_wad(spec.fees.redeem_bps),
            performance=bps_to_wad(spec.fees.performance_bps),
            interval=spec.fees.performance_interval_days * DAY,
            rebalance=spec.auctions.rebalance_fee_bps * PPM_PER_BPS,
            tip=spec.auctions.keeper_tip_bps * PPM_PER_BPS,
            loss_capacity=bps_to_wad(spec.guard.loss_bps),
        )


@dataclass(frozen=True, kw_only=True)
class Book:
    """{share} and what they hang on. `charged` {kind: shares so far}; `mark` D27{nUSD/share}; `observed`: (D27, {s}) or zeros;
    `module_used`: (D18{1}, {s}).
    """

    word: SupplyWord
    mark: int
    crystallised_at: int
    observed: tuple[int, int] = (0, 0)
    module_used: tuple[int, int] = (0, 0)
    charged: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def supply(self, terms: Terms, now: int) -> int:
        """{share} that the value is divided by, unminted fees included."""
        return basket_math.effective_supply(self.word, terms.rate, now)


def opened(*, shares: int, nav: int, now: int) -> Book:
    """The first {share}, worth `nav` D27{nUSD/share} each, which is the first mark."""
    return Book(
        word=SupplyWord(base=shares, issued=shares, since=now), mark=nav, crystallised_at=now, module_used=(0, now)
    )


def accrued(book: Book, terms: Terms, *, value: int, now: int) -> Book:
    """Collects what streamed, then charges the performance fee where its contract would. `value` {nUSD} of the basket."""
    return _performed(_collected(book, terms, "streaming", now=now), terms, value=value, now=now)


def minted(book: Book, terms: Terms, *, shares: int, now: int) -> tuple[Book, int]:
    """(the book, {share} that the investor gets) after a mint of `shares`; the basket grows by shares / supply before."""
    book = _collected(book, terms, "streaming", now=now)
    supply = book.supply(terms, now)
    fee = fee_math.one_off_fee(shares, terms.mint)
    word = basket_math.enter(book.word, received=shares - fee, supply=supply + shares, now=now)
    return _collected(replace(book, word=word), terms, "mint", now=now), shares - fee


def redeemed(book: Book, terms: Terms, *, shares: int, now: int) -> tuple[Book, int]:
    """(the book, {share} that the basket pays out on) after a redemption of `shares`."""
    book = _collected(book, terms, "streaming", now=now)
    supply = book.supply(terms, now)
    fee = fee_math.one_off_fee(shares, terms.redeem)
    word = basket_math.leave(book.word, burned=shares, supply=supply - (shares - fee), now=now)
    return _collected(replace(book, word=word), terms, "redeem", now=now), shares - fee


def settled(book: Book, terms: Terms, *, turnover: int, loss: int, now: int) -> Book:
    """Tip and fee of a plan that moved D18 `turnover` of NAV and lost D18 `loss` of it to trading."""
    left = min(zero_floor_sub(terms.loss_capacity, loss), module_left(book, now))
    tip = min(turnover * terms.tip // PPM, left)
    fee = min(turnover * terms.rebalance // PPM, left - tip)
    supply = book.supply(terms, now)
    for kind, fraction in (("tip", tip), ("rebalance", fee)):
        shares = trade_math.fee_shares(supply, fraction)
        if shares:
            book = _module_minted(book, terms, kind, shares, now=now)
    return book


def module_left(book: Book, now: int) -> int:
    """D18{1} of the supply that modules may still mint."""
    used, at = book.module_used
    return constants.MAX_MODULE_FEE - budget_math.used_after(
        used, constants.MAX_MODULE_FEE, constants.MODULE_FEE_WINDOW, now - at
    )


def nav_per_share(book: Book, terms: Terms, *, value: int, now: int) -> int:
    """D27{nUSD/share}, rounded down."""
    return trade_math.nav_per_share(value, book.supply(terms, now))


def _performed(book: Book, terms: Terms, *, value: int, now: int) -> Book:
    """A gain is seen twice, at most a day apart, and the lower of the two is charged."""
    if terms.performance == 0 or now < book.crystallised_at + terms.interval:
        return book
    nav = nav_per_share(book, terms, value=value, now=now)
    seen, seen_at = book.observed
    age = now - seen_at
    if seen_at and constants.MIN_OBSERVATION_AGE <= age <= constants.MAX_OBSERVATION_AGE:
        return _crystallised(book, terms, nav=min(nav, seen), backing=nav, now=now)
    if nav > book.mark and (seen_at == 0 or age > constants.MAX_OBSERVATION_AGE):
        return replace(book, observed=(nav, now))
    return book


def _crystallised(book: Book, terms: Terms, *, nav: int, backing: int, now: int) -> Book:
    supply = book.supply(terms, now)
    room = fee_math.part_of(supply, module_left(book, now))
    shares, mark = fee_math.performance_fee(supply, nav, book.mark, backing, terms.performance, room)
    if shares == 0:
        return book
    paid = _module_minted(book, terms, "performance", shares, now=now)
    return replace(paid, mark=mark, crystallised_at=now, observed=(0, 0))


def _module_minted(book: Book, terms: Terms, kind: str, shares: int, *, now: int) -> Book:
    supply = book.supply(terms, now)
    used = constants.MAX_MODULE_FEE - module_left(book, now) + budget_math.fraction_up(shares, supply)
    word = basket_math.enter(book.word, received=shares, supply=supply + shares, now=now)
    return _noted(replace(book, word=word, module_used=(used, now)), kind, shares)


def _collected(book: Book, terms: Terms, kind: str, *, now: int) -> Book:
    """Mints what is owed at once, so that what another fee owes later is not mixed with it; the supply stays as it is."""
    word, shares = basket_math.collect(book.word, rate=terms.rate, now=now)
    return _noted(replace(book, word=word), kind, shares)


def _noted(book: Book, kind: str, shares: int) -> Book:
    return replace(book, charged={**book.charged, kind: book.charged[kind] + shares}) if shares else book


def entry_shares(usd_nano: int, nav: int) -> int:
    """{share} that {nUSD} mint at D27{nUSD/share}, rounded down."""
    return usd_nano * D27 // nav


def year_of_streaming(terms: Terms) -> int:
    """D18{1}: what a share loses in a year."""
    return WAD - WAD * WAD // fee_math.growth(terms.rate, constants.YEAR)
