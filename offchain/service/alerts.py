"""What somebody should look at: an alert is a fact about an index and a time, so that looking twice says the same twice.

    alerts = watch(indexes, market, t)                      every index, sorted
    change = compare(alerts, seen, looked=indexes)          what is new since, what is over

    stale       no new data for the whole market, or no price of a coin that is held
    drift       what is held is further from what would be decided now than the index's band
    enters      a coin that would be bought now           leaves      one that would be sold
    refused     the rules cannot decide, or cannot be read
    and every red flag of universe/monitor.py and risk/alarms.py, whether or not the rules act on it

What is held is what is given; without it what the last review decided, moved by the prices since then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from offchain.errors import BallastError, MissingHistory
from offchain.market import Market
from offchain.market.confirm import MAX_GAP_DAYS
from offchain.market.snapshot import Time, as_utc
from offchain.methodology import Decision, Methodology
from offchain.rebalance import drift, off_band
from offchain.units import format_percent, from_wad

MAX_AGE_DAYS = 2
NOTHING = 1e-9  # weights and gaps below it are none


@dataclass(frozen=True, kw_only=True, order=True)
class Alert:
    """One thing to look at. `coin`: "" for the index as a whole; `message`: with its numbers, which `key` leaves out."""

    index: str
    code: str
    coin: str
    message: str

    @property
    def key(self) -> str:
        """The state that it is about: the same from one look to the next while nothing but numbers change."""
        return f"{self.index}/{self.code}/{self.coin}"

    def __str__(self) -> str:
        return f"{self.index}: {self.code}{' ' + self.coin if self.coin else ''}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Change:
    """`raised`: alerts that were not there before; `cleared`: keys of those that are over; `seen`: what to remember."""

    raised: tuple[Alert, ...]
    cleared: tuple[str, ...]
    seen: tuple[str, ...]


def watch(
    indexes: Mapping[str, Methodology],
    market: Market,
    t: Time,
    *,
    held: Mapping[str, Mapping[str, float]] | None = None,
    levels: Mapping[str, Sequence[float]] | None = None,
    refused: Mapping[str, str] | None = None,
    max_age_days: int = MAX_AGE_DAYS,
) -> tuple[Alert, ...]:
    """Every index. `held`: {symbol: {id: value or weight}}; `levels`: {symbol: its own levels, one a day}, which stops read;
    `refused`: {name: why its file cannot be used}.
    """
    found = [Alert(index=name, code="refused", coin="", message=why) for name, why in (refused or {}).items()]
    for symbol, rules in indexes.items():
        own = (held or {}).get(symbol)
        found += alerts_of(rules, market, t, held=own, levels=(levels or {}).get(symbol, ()), max_age_days=max_age_days)
    return tuple(sorted(found))


def alerts_of(
    rules: Methodology,
    market: Market,
    t: Time,
    *,
    held: Mapping[str, float] | None = None,
    levels: Sequence[float] = (),
    max_age_days: int = MAX_AGE_DAYS,
) -> tuple[Alert, ...]:
    """One index. Data that ended too long ago is an alert, and the rest is told of its last day."""
    symbol = rules.spec.symbol
    asked = as_utc(t)
    found: list[Alert] = []
    try:
        known = _newest(market, asked)
        late = (asked - known) // timedelta(days=1)
        if late > max_age_days:
            said = f"the market data ends {known:%Y-%m-%d}, {late} days before {asked:%Y-%m-%d} (limit {max_age_days})"
            found.append(Alert(index=symbol, code="stale", coin="", message=said))
        now = asked if late <= MAX_GAP_DAYS else known
        own = parts(held) if held is not None else last_held(rules, market, now)
        found += _flags(rules, market, now, own, levels)
        found += _silent(rules, market, now, own, max_age_days)
        decision = rules.decide(market, now, own, levels=tuple(levels))
    except BallastError as error:
        found.append(Alert(index=symbol, code="refused", coin="", message=str(error)))
    else:
        found += _differences(rules, decision, own) if own else _flags(rules, market, now, _weights(decision), levels)
    return tuple(sorted(found))


def compare(alerts: Sequence[Alert], seen: Collection[str], *, looked: Collection[str]) -> Change:
    """`seen`: keys that were open before. Those of indexes that nobody `looked` at now stay as they are."""
    now = {alert.key for alert in alerts}
    names = {*looked, *(alert.index for alert in alerts)}
    cleared = sorted(key for key in set(seen) - now if key.split("/", 1)[0] in names)
    return Change(
        raised=tuple(alert for alert in alerts if alert.key not in seen),
        cleared=tuple(cleared),
        seen=tuple(sorted((set(seen) | now) - set(cleared))),
    )


def last_held(rules: Methodology, market: Market, t: datetime) -> dict[str, float]:
    """{id: part} that the last review decided, moved by the prices up to `t`; empty when the data begins after that review."""
    review = rules.spec.rebalance.last_review(t)
    if review < market.start + market.lag:
        return {}
    weights = _weights(rules.decide(market, review))
    then, now = rules.snapshot(market, review), rules.snapshot(market, t)
    values = {}
    for name, weight in weights.items():
        before = then[name].price if name in then else None
        after = now[name].price if name in now else None
        values[name] = weight * after / before if before and after else weight
    return parts(values)


def parts(values: Mapping[str, float]) -> dict[str, float]:
    """{id: part of 1} of what has any value, sorted by id."""
    total = sum(values[name] for name in sorted(values))
    return {name: values[name] / total for name in sorted(values) if values[name] > 0.0}


# --- each kind --------------------------------------------------------------------------------------------------------


def _flags(
    rules: Methodology, market: Market, now: datetime, held: Mapping[str, float], levels: Sequence[float]
) -> list[Alert]:
    flags = rules.flags(market, now, held, levels=levels) if held else ()
    return [Alert(index=rules.spec.symbol, code=flag.code, coin=flag.id, message=flag.reason) for flag in flags]


def _silent(
    rules: Methodology, market: Market, now: datetime, held: Mapping[str, float], max_age_days: int
) -> list[Alert]:
    snapshot = rules.snapshot(market, now)
    gaps = {name: snapshot[name].gap_days for name in held if name in snapshot}
    return [
        Alert(
            index=rules.spec.symbol, code="stale", coin=name, message=f"no price for {days} days (limit {max_age_days})"
        )
        for name, days in gaps.items()
        if days > max_age_days
    ]


def _differences(rules: Methodology, decision: Decision, held: Mapping[str, float]) -> list[Alert]:
    symbol, target = rules.spec.symbol, _weights(decision)
    found = [
        Alert(
            index=symbol,
            code="enters",
            coin=name,
            message=f"{format_percent(part)} would be bought: {decision.why(name)}",
        )
        for name, part in target.items()
        if held.get(name, 0.0) <= NOTHING
    ]
    found += [
        Alert(
            index=symbol,
            code="leaves",
            coin=name,
            message=f"{format_percent(part)} would be sold: {decision.why(name)}",
        )
        for name, part in held.items()
        if part > NOTHING and name not in target
    ]
    apart, band = drift(held, target), rules.spec.rebalance.drift_band
    if apart >= band and apart > NOTHING:
        said = f"{format_percent(apart)} one-way between what is held and what would be decided (band {format_percent(band)})"
        found.append(Alert(index=symbol, code="drift", coin="", message=said))
    found += [
        Alert(
            index=symbol,
            code="drift",
            coin=name,
            message=f"{gap * 100:+.2f} pp off its target of {format_percent(target[name])}",
        )
        for name, gap in off_band(held, target, rules.spec.rebalance).items()
        if name in target
    ]
    return found


def _weights(decision: Decision) -> dict[str, float]:
    return {name: from_wad(weight) for name, weight in decision.target_weights.items()}


def _newest(market: Market, t: datetime) -> datetime:
    """When the newest row that is known at `t` became known. Raises MissingHistory when there is none."""
    rows = int((market.dates <= pd.Timestamp(t - market.lag)).sum())
    if rows == 0:
        raise MissingHistory(
            f"{market.source}: nothing is known at {t:%Y-%m-%d}; the data begins {market.start:%Y-%m-%d}"
        )
    newest: datetime = market.dates[rows - 1].to_pydatetime() + market.lag
    return newest
