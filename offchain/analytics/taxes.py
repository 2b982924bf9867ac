"""Lots, disposals and the trade ledger: what was bought when and for how much, and what a sale gained. Integers only.

    ledger = settle(trades, method="fifo")       fifo, lifo, hifo or average
    ledger.lots                                  what is still held, with its cost
    disposals_csv(ledger), trades_csv(trades)    files for a tax adviser or a bookkeeping program

Amounts are counted in 1e-18 of a coin, money in nano-dollars. What a part of a lot cost is rounded down, and the rest
stays with what remains of the lot, so that nothing is lost: bought = sold + held, cost paid = cost of what was sold + cost
of what is held, to the last unit. A fee raises the cost of what is bought and lowers the proceeds of what is sold.

The records are complete; which method is allowed, and what is owed, depends on the country and on the person.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from offchain.canonical import utc_text
from offchain.errors import UnusableTrades, did_you_mean
from offchain.units import Number, from_tokens, to_tokens

METHODS = ("fifo", "lifo", "hifo", "average")
AMOUNT_DECIMALS, MONEY_DECIMALS = 18, 9
LONG_TERM_DAYS = 365


@dataclass(frozen=True, kw_only=True)
class Fill:
    """One coin bought or sold for dollars; a swap is two of them at the same time. `amount` {1e-18 coin}, money {nano-USD}.

    `value`: what it was worth without the fee; `fee`: what was paid on top; `note`: why, such as a decision's hash.
    """

    time: datetime
    coin: str
    side: str
    amount: int
    value: int
    fee: int = 0
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Lot:
    """What is left of one purchase. `cost` includes the fee, {nano-USD}."""

    coin: str
    time: datetime
    amount: int
    cost: int


@dataclass(frozen=True, kw_only=True)
class Disposal:
    """A sale out of one lot. `acquired`: when the lot was bought, None for the average method, which has no lots."""

    coin: str
    acquired: datetime | None
    time: datetime
    amount: int
    proceeds: int
    cost: int
    note: str = ""

    @property
    def gain(self) -> int:
        """{nano-USD}, below zero for a loss."""
        return self.proceeds - self.cost

    @property
    def held_days(self) -> int | None:
        """Whole days from purchase to sale."""
        return None if self.acquired is None else (self.time - self.acquired).days

    @property
    def is_long_term(self) -> bool | None:
        """Held for more than LONG_TERM_DAYS; None when the method does not say."""
        return None if self.held_days is None else self.held_days > LONG_TERM_DAYS


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """`lots`: still held, by coin and time; `disposals`: in the order of the sales."""

    method: str
    lots: tuple[Lot, ...]
    disposals: tuple[Disposal, ...]

    def held(self, coin: str) -> int:
        """{1e-18 coin} of all lots of a coin."""
        return sum(lot.amount for lot in self.lots if lot.coin == coin)

    @property
    def gain(self) -> int:
        """{nano-USD} realised by all sales."""
        return sum(disposal.gain for disposal in self.disposals)

    @property
    def cost(self) -> int:
        """{nano-USD} paid for what is still held."""
        return sum(lot.cost for lot in self.lots)

    def gains_by_year(self) -> dict[int, int]:
        """{year: nano-USD} by the UTC year of the sale."""
        years = sorted({disposal.time.year for disposal in self.disposals})
        return {year: sum(d.gain for d in self.disposals if d.time.year == year) for year in years}


def bought(time: datetime, coin: str, *, amount: Number, usd: Number, fee_usd: Number = 0, note: str = "") -> Fill:
    """A purchase, from whole coins and dollars; digits beyond the units are cut."""
    return _fill(time, coin, "buy", amount=amount, usd=usd, fee_usd=fee_usd, note=note)


def sold(time: datetime, coin: str, *, amount: Number, usd: Number, fee_usd: Number = 0, note: str = "") -> Fill:
    """A sale, from whole coins and dollars; digits beyond the units are cut."""
    return _fill(time, coin, "sell", amount=amount, usd=usd, fee_usd=fee_usd, note=note)


def settle(fills: Iterable[Fill], *, method: str = "fifo") -> Ledger:
    """Every sale taken out of what was bought before it. Raises UnusableTrades with the trade that does not fit.

    fifo: the oldest lot first; lifo: the newest; hifo: the dearest a coin, the oldest among equals; average: all at one cost.
    """
    if method not in METHODS:
        raise UnusableTrades(f'method "{method}": use one of {", ".join(METHODS)}.{did_you_mean(method, METHODS)}')
    ordered = list(fills)
    _check(ordered)
    open_lots: dict[str, list[Lot]] = {}
    disposals: list[Disposal] = []
    for fill in ordered:
        lots = open_lots.setdefault(fill.coin, [])
        if fill.side == "buy":
            _add(lots, fill, method)
        else:
            disposals += _sell(lots, fill, method)
    left = tuple(lot for coin in sorted(open_lots) for lot in sorted(open_lots[coin], key=lambda lot: lot.time))
    return Ledger(method=method, lots=left, disposals=tuple(disposals))


def compare_methods(fills: Sequence[Fill]) -> dict[str, Ledger]:
    """{method: ledger}: what choosing another one would have changed."""
    return {method: settle(fills, method=method) for method in METHODS}


def unrealised(ledger: Ledger, prices: Mapping[str, Number]) -> dict[str, int]:
    """{coin: nano-USD gained and not sold} at `prices` USD, rounded down."""
    gains: dict[str, int] = {}
    for coin, lots in groupby(ledger.lots, key=lambda lot: lot.coin):
        if coin not in prices:
            raise UnusableTrades(f"no price of {coin}, which is held; give one")
        price = to_tokens(prices[coin], MONEY_DECIMALS)
        together = list(lots)
        worth = sum(lot.amount for lot in together) * price // 10**AMOUNT_DECIMALS
        gains[coin] = worth - sum(lot.cost for lot in together)
    return gains


# --- files ------------------------------------------------------------------------------------------------------------


def trades_csv(fills: Iterable[Fill]) -> str:
    """time, side, coin, amount, value_usd, fee_usd, note; amounts in full, with a point."""
    head = ("time", "side", "coin", "amount", "value_usd", "fee_usd", "note")
    return _csv(
        head,
        ((utc_text(f.time), f.side, f.coin, coins(f.amount), dollars(f.value), dollars(f.fee), f.note) for f in fills),
    )


def disposals_csv(ledger: Ledger) -> str:
    """coin, amount, acquired, sold, proceeds_usd, cost_usd, gain_usd, held_days, term, method, note."""
    head = ("coin", "amount", "acquired", "sold", "proceeds_usd", "cost_usd", "gain_usd", "held_days", "term", "method", "note")  # fmt: skip
    return _csv(
        head,
        (
            (
                d.coin, coins(d.amount), utc_text(d.acquired) if d.acquired else "various", utc_text(d.time), dollars(d.proceeds),
                dollars(d.cost), dollars(d.gain), "" if d.held_days is None else str(d.held_days), _term(d), ledger.method, d.note,
            )
            for d in ledger.disposals
        ),
    )  # fmt: skip


def lots_csv(ledger: Ledger) -> str:
    """coin, amount, acquired, cost_usd: what is still held."""
    rows = ((lot.coin, coins(lot.amount), utc_text(lot.time), dollars(lot.cost)) for lot in ledger.lots)
    return _csv(("coin", "amount", "acquired", "cost_usd"), rows)


def read_trades_csv(text: str) -> tuple[Fill, ...]:
    """The inverse of `trades_csv`; also reads files of others with these columns. Raises UnusableTrades with the line."""
    reader = csv.DictReader(io.StringIO(text))
    needed = ("time", "side", "coin", "amount", "value_usd")
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise UnusableTrades(
            f"column {', '.join(missing)} is missing; needed are {', '.join(needed)}, then fee_usd, note"
        )
    fills = []
    for row in reader:
        try:
            time = datetime.fromisoformat(row["time"])
            if time.tzinfo is None:
                raise ValueError("the time has no zone; write 2021-05-10T00:00:00Z")
            if row["side"] not in ("buy", "sell"):
                raise ValueError(f'side "{row["side"]}" is neither buy nor sell')
            fills.append(
                _fill(
                    time,
                    row["coin"],
                    row["side"],
                    amount=row["amount"],
                    usd=row["value_usd"],
                    fee_usd=row.get("fee_usd") or 0,
                    note=row.get("note") or "",
                )
            )
        except ValueError as error:
            raise UnusableTrades(f"line {reader.line_num}: {error}") from error
    return tuple(fills)


def coins(amount: int) -> str:
    """{1e-18 coin} as plain digits."""
    return _plain(from_tokens(amount, AMOUNT_DECIMALS))


def dollars(value: int) -> str:
    """{nano-USD} as plain digits, cents at least."""
    sign, size = ("-" if value < 0 else ""), from_tokens(abs(value), MONEY_DECIMALS)
    text = _plain(size)
    whole, _, digits = text.partition(".")
    return f"{sign}{whole}.{digits.ljust(2, '0')}"


# --- settling ---------------------------------------------------------------------------------------------------------


def _fill(time: datetime, coin: str, side: str, *, amount: Number, usd: Number, fee_usd: Number, note: str) -> Fill:
    return Fill(
        time=time,
        coin=coin,
        side=side,
        amount=to_tokens(amount, AMOUNT_DECIMALS),
        value=to_tokens(usd, MONEY_DECIMALS),
        fee=to_tokens(fee_usd, MONEY_DECIMALS),
        note=note,
    )


def _check(fills: Sequence[Fill]) -> None:
    for number, fill in enumerate(fills, start=1):
        if fill.side not in ("buy", "sell"):
            raise UnusableTrades(f'trade {number}: side "{fill.side}" is neither buy nor sell')
        if fill.amount <= 0 or fill.value < 0 or fill.fee < 0:
            raise UnusableTrades(
                f"trade {number}, {fill.side} of {fill.coin} at {utc_text(fill.time)}: amount {coins(abs(fill.amount))} and "
                "money must be above zero; leave empty trades out"
            )
        if number > 1 and fill.time < fills[number - 2].time:
            raise UnusableTrades(
                f"trade {number} at {utc_text(fill.time)} comes before the one above it; sort them by time"
            )


def _add(lots: list[Lot], fill: Fill, method: str) -> None:
    lot = Lot(coin=fill.coin, time=fill.time, amount=fill.amount, cost=fill.value + fill.fee)
    if method == "average" and lots:
        lots[0] = replace(lots[0], amount=lots[0].amount + lot.amount, cost=lots[0].cost + lot.cost)
    else:
        lots.append(lot)


def _sell(lots: list[Lot], fill: Fill, method: str) -> list[Disposal]:
    held = sum(lot.amount for lot in lots)
    if fill.amount > held:
        raise UnusableTrades(
            f"{utc_text(fill.time)}: {coins(fill.amount)} {fill.coin} sold, but only {coins(held)} are held; add the missing purchase"
        )
    net = fill.value - fill.fee
    found: list[Disposal] = []
    amount_left, proceeds_left = fill.amount, net
    while amount_left:
        position = _next(lots, method)
        lot = lots[position]
        taken = min(lot.amount, amount_left)
        cost = lot.cost if taken == lot.amount else lot.cost * taken // lot.amount
        proceeds = proceeds_left if taken == amount_left else proceeds_left * taken // amount_left
        found.append(
            Disposal(
                coin=fill.coin,
                acquired=None if method == "average" else lot.time,
                time=fill.time,
                amount=taken,
                proceeds=proceeds,
                cost=cost,
                note=fill.note,
            )
        )
        amount_left, proceeds_left = amount_left - taken, proceeds_left - proceeds
        if taken == lot.amount:
            del lots[position]
        else:
            lots[position] = replace(lot, amount=lot.amount - taken, cost=lot.cost - cost)
    return found


def _next(lots: Sequence[Lot], method: str) -> int:
    if method == "lifo":
        return len(lots) - 1
    if method != "hifo":
        return 0
    best = 0
    for position in range(1, len(lots)):
        # cost / amount without dividing
        if lots[position].cost * lots[best].amount > lots[best].cost * lots[position].amount:
            best = position
    return best


def _term(disposal: Disposal) -> str:
    if disposal.is_long_term is None:
        return ""
    return "long" if disposal.is_long_term else "short"


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
