"""What a whole history shows about itself: a report for people, read by no decision, so it may look at all of it.

    for finding in examine(market): print(finding)
    print(coverage(market))

Nothing is changed here. What stands in the way of decisions is judged day by day in `confirm.py`; what is a corporate
action has to be written down as one (`events.py`).

    gap                a hole of more than three days between two known prices
    dead-coin          no price in the last 30 days of the data, or nothing traded in them that was traded before
    stale-price        the same price for 7 days or more, of a coin that does not stay at one dollar
    unit-jump          price and market cap both jump by about a power of ten, at least 100: other units, such as cents
    redenomination?    the price jumps once by about a power of ten, between two calm times; the market cap does not move
    supply-jump        the market cap jumps by half or more in a day, the price does not
    no-cap-at-all      a coin without any market cap
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.market.confirm import MAX_GAP_DAYS
from offchain.market.fields import PANELS, SERIES
from offchain.market.snapshot import Market
from offchain.market.validation import Finding

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

DEAD_DAYS = 30
STALE_DAYS = 7
# a market cap or a price that is about the same as the day before: times or divided by at most this
STEADY = 1.5
# a jump that is about a power of ten: times or divided by at most this
NEAR = 1.25
UNIT_JUMP = 100.0
MAX_RATIO = 1e12
STAYS_DAYS = 3
NEAR_DOLLAR = 0.02


def examine(market: Market) -> tuple[Finding, ...]:
    """Everything suspicious about the prices, market caps and volumes of `market`, one Finding per kind.

    Redenominations are one Finding per coin, because each asks for a line in the file of events.
    """
    price, cap, volume = (frame.to_numpy() for frame in (market.price, market.market_cap, market.volume))
    checks: tuple[tuple[str, Mask, str], ...] = (
        ("gap", _gap_ends(price), f"bridged for {MAX_GAP_DAYS} days, then unknown until the price is back"),
        ("dead-coin", _deaths(price, volume), "kept up to its last day"),
        ("stale-price", _stale_starts(price), "kept; compare with another source"),
        ("unit-jump", _unit_jumps(price, cap), "kept; not believed until three days agree (confirm.py)"),
        ("supply-jump", _supply_jumps(price, cap), "kept; the supply behind it was changed or wrong"),
        ("no-cap-at-all", _capless(price, cap), "kept; rules by market cap leave it out"),
    )
    plain = [_finding(code, mask, market, action) for code, mask, action in checks if mask.any()]
    return (*plain, *_redenominations(price, cap, market))


def coverage(market: Market) -> pd.DataFrame:
    """Which fields are filled: one row per field and series; coins, days, filled (part of coin-days with a price), first, last."""
    priced = ~np.isnan(market.price.to_numpy())
    frames = {"price": market.price, "market_cap": market.market_cap, "volume": market.volume, **market.panels}
    rows = [_covered(name, frame.to_numpy(), priced, market, PANELS[name].unit) for name, frame in frames.items()]
    line = priced.any(axis=1)[:, None]
    rows += [
        _covered(name, values.to_numpy()[:, None], line, market, SERIES[name].unit)
        for name, values in market.series.items()
    ]
    return pd.DataFrame(rows, columns=["field", "unit", "coins", "days", "filled", "first", "last"]).set_index("field")


def _covered(name: str, values: Floats, priced: Mask, market: Market, unit: str) -> dict[str, object]:
    known = ~np.isnan(values)
    days = np.flatnonzero(known.any(axis=1))
    return {
        "field": name,
        "unit": unit,
        "coins": int(known.any(axis=0).sum()),
        "days": len(days),
        "filled": float((known & priced).sum() / max(int(priced.sum()), 1)),
        "first": market.dates[days[0]].date() if len(days) else None,
        "last": market.dates[days[-1]].date() if len(days) else None,
    }


def _gap_ends(price: Floats) -> Mask:
    """The first known day after a hole of more than MAX_GAP_DAYS days."""
    rows = np.arange(len(price))[:, None]
    known = ~np.isnan(price)
    last_known = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    before = np.vstack([np.full((1, price.shape[1]), -1), last_known[:-1]])
    return np.asarray(known & (before >= 0) & (rows - before > MAX_GAP_DAYS + 1))


def _deaths(price: Floats, volume: Floats) -> Mask:
    """The last day with a price, or the last day with trades, of coins that had none in the last DEAD_DAYS days."""
    mask = np.zeros(price.shape, dtype=bool)
    for last in (_last_day(np.asarray(~np.isnan(price))), _last_day(np.asarray(np.nan_to_num(volume) > 0))):
        died = np.flatnonzero((last >= 0) & (last < len(price) - DEAD_DAYS) & ~mask.any(axis=0))
        mask[last[died], died] = True
    return mask


def _last_day(alive: Mask) -> NDArray[np.intp]:
    """The last row in which each column is true, -1 for never."""
    rows = np.arange(len(alive), dtype=np.intp)[:, None]
    return np.asarray(np.where(alive, rows, -1).max(axis=0, initial=-1))


def _stale_starts(price: Floats) -> Mask:
    """The first day of each run of at least STALE_DAYS equal prices."""
    same = np.zeros(price.shape, dtype=bool)
    same[1:] = price[1:] == price[:-1]
    starts = np.zeros(price.shape, dtype=bool)
    if len(price) < STALE_DAYS:
        return starts
    count = len(price) - STALE_DAYS + 1
    run = np.lib.stride_tricks.sliding_window_view(same[1:], STALE_DAYS - 1, axis=0).all(axis=-1)
    starts[:count] = run & ~same[:count] & (np.abs(price[:count] - 1.0) > NEAR_DOLLAR)
    return starts


def _ratios(values: Floats) -> Floats:
    """Each day over the day before; NaN on the first."""
    ratio = np.full(values.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio[1:] = values[1:] / values[:-1]
    return ratio


def _near_power(ratio: Floats, *, at_least: float) -> Mask:
    """Whether a ratio is 10, 100, … or 1/10, 1/100, …, within NEAR, between `at_least` and MAX_RATIO either way."""
    with np.errstate(invalid="ignore", divide="ignore"):
        size = np.abs(np.log10(ratio))
        near = np.abs(size - np.round(size)) <= np.log10(NEAR)
    power = np.round(size)
    return np.asarray(near & (power >= np.log10(at_least)) & (power <= np.log10(MAX_RATIO)))


def _steady(ratio: Floats) -> Mask:
    return np.asarray((ratio <= STEADY) & (ratio >= 1.0 / STEADY))


def _unit_jumps(price: Floats, cap: Floats) -> Mask:
    moves, caps = _ratios(price), _ratios(cap)
    with np.errstate(invalid="ignore", divide="ignore"):
        together = _steady(moves / caps)
    return np.asarray(_near_power(moves, at_least=UNIT_JUMP) & together)


def _supply_jumps(price: Floats, cap: Floats) -> Mask:
    caps = _ratios(cap)
    return np.asarray(~np.isnan(caps) & ~_steady(caps) & _steady(_ratios(price)))


def _capless(price: Floats, cap: Floats) -> Mask:
    mask = np.zeros(price.shape, dtype=bool)
    never = np.flatnonzero(np.isnan(cap).all(axis=0) & ~np.isnan(price).all(axis=0))
    mask[np.argmax(~np.isnan(price[:, never]), axis=0), never] = True
    return mask


def _redenominations(price: Floats, cap: Floats, market: Market) -> list[Finding]:
    moves = _ratios(price)
    before = np.zeros(price.shape, dtype=bool)
    before[1:] = _stays(price[::-1])[::-1][:-1]
    suspect = _near_power(moves, at_least=10.0) & _steady(_ratios(cap)) & before & _stays(price)
    found = []
    for day, column in zip(*np.nonzero(suspect), strict=True):
        ratio = float(10.0 ** np.round(np.log10(moves[day, column])))
        written = f"1:{ratio:.0f}" if ratio > 1 else f"{1 / ratio:.0f}:1"
        found.append(
            Finding(
                code="redenomination?",
                count=1,
                example=f"{market.ids[column]} on {market.dates[day]:%Y-%m-%d}: price × {moves[day, column]:.4g}, cap steady",
                action=f'kept; if it is one, write it into the events: kind = "redenomination", ratio = "{written}"',
            )
        )
    return found


def _stays(price: Floats) -> Mask:
    """Whether the price of each day is still about the same on the STAYS_DAYS days after it; false where they are unknown."""
    stays = np.zeros(price.shape, dtype=bool)
    count = max(len(price) - STAYS_DAYS, 0)
    stays[:count] = True
    for later in range(1, STAYS_DAYS + 1):
        with np.errstate(invalid="ignore", divide="ignore"):
            stays[:count] &= _steady(price[later : later + count] / price[:count])
    return stays


def _finding(code: str, mask: Mask, market: Market, action: str) -> Finding:
    # by coin, then by day: the first coin in order of id
    column, day = (int(index[0]) for index in np.nonzero(mask.T))
    example = f"{market.ids[column]} on {market.dates[day]:%Y-%m-%d}"
    return Finding(code=code, count=int(mask.sum()), example=example, action=action)
