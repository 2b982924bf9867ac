"""Coins, snapshots and histories written by hand, for tests of selection."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np

from offchain.market import CoinFacts, MarketSnapshot
from offchain.market.history import History
from offchain.spec.universe_rules import UniverseRules
from offchain.universe import Universe, select

T = datetime(2024, 6, 3, tzinfo=UTC)
RULES = UniverseRules(top=3, min_age_days=0, min_volume_usd=1e6)


def coin(coin_id: str = "coin", **known: object) -> CoinFacts:
    """An ordinary coin of a billion dollars."""
    facts = CoinFacts(
        id=coin_id, symbol=coin_id.upper(), name=coin_id, tags=(), decimals=None, price=1.5, observed_price=1.5, state="ok",
        market_cap=1e9, market_cap_state="ok", volume=5e6, age_days=None, gap_days=0, idle_days=0, tracks=None,
    )  # fmt: skip
    return dataclasses.replace(facts, **known)  # type: ignore[arg-type]


def ranked(*ids: str) -> list[CoinFacts]:
    """Coins of falling market caps: 1,000 million, 999 million, …"""
    return [coin(name, market_cap=1e9 - 1e6 * place) for place, name in enumerate(ids)]


def snapshot(coins: Collection[CoinFacts], t: datetime = T) -> MarketSnapshot:
    """The facts of `coins` at `t`."""
    return MarketSnapshot(t=t, source="test", volume_days=30, coins=tuple(sorted(coins, key=lambda one: one.id)))


def history(panels: Mapping[str, Mapping[str, Sequence[float]]], t: datetime = T) -> History:
    """{field: {id: values, the newest last}}; every field has the same coins and days."""
    ids = sorted(next(iter(panels.values())))
    days = len(next(iter(next(iter(panels.values())).values())))
    dates: tuple[date, ...] = tuple((t - timedelta(days=back)).date() for back in range(days - 1, -1, -1))
    return History(
        t=t,
        dates=dates,
        ids=tuple(ids),
        panels={name: np.array([rows[one] for one in ids], dtype=float).T.copy() for name, rows in panels.items()},
    )


def chosen(coins: Collection[CoinFacts], *, held: Collection[str] = (), **more: object) -> Universe:
    """`select` on hand-written coins; keys of UniverseRules and arguments of select, each by its name."""
    keys = {row.name for row in dataclasses.fields(UniverseRules)}
    arguments = {"history", "signals", "barred", "reconstitute", "tradable"}
    given = {name: value for name, value in more.items() if name in arguments}
    if "ballots" in more:
        given["votes"] = more["ballots"]
    if "files" in more:
        given["dossiers"] = more["files"]
    changed = {name: value for name, value in more.items() if name in keys}
    unknown = set(more) - set(given) - set(changed) - {"ballots", "files"}
    assert not unknown, unknown
    rules = dataclasses.replace(RULES, **changed)  # type: ignore[arg-type]
    return select(snapshot(coins), rules, incumbents=held, **given)  # type: ignore[arg-type]
