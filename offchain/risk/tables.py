"""Everything about the risk of today's weights in one dict of plain numbers, for a report, a page or JSON.

    table = risk_table(weights, history, liquidity=Liquidity(portfolio_usd=1e6, volumes=volumes), themes=themes)

It looks forward from what is held: the same weights through the days of the history. What an index really did is in
its levels, and in analytics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import TypeAlias

import numpy as np

from offchain.errors import MissingHistory
from offchain.market.history import Floats, History
from offchain.risk.basket import MIN_DAYS, basket_returns, correlations, returns
from offchain.risk.measures import (
    Tail,
    beta,
    betas,
    between_known_days,
    contributions,
    covariance,
    diversification_ratio,
    exit_days,
    shock_correlation,
    shortfall_contributions,
    tail_risk,
)
from offchain.risk.scenarios import (
    HISTORICAL,
    Scenario,
    all_at_once,
    liquidity_halves,
    market_falls,
    one_to_zero,
    stable_breaks,
)
from offchain.risk.stress import Liquidity, Stressed, coin_falls_for, market_move_for, replay, stress

REVERSE_LOSS = 0.3

Cell: TypeAlias = "str | int | float | None | list[Cell] | dict[str, Cell]"


def risk_table(
    weights: Mapping[str, float],
    history: History,
    *,
    days: int = 365,
    liquidity: Liquidity | None = None,
    themes: Mapping[str, tuple[str, ...]] | None = None,
    stable_ids: Sequence[str] = (),
    benchmark: str = "bitcoin",
    confidence: float = 0.95,
    share: float = 0.1,
) -> dict[str, Cell]:
    """`weights` {id: part of 1} through the last `days` of `history`. Numbers are parts of 1, per year where said; null
    is unknown.

    A coin without a return on half of the days, or without enough in common with the others, is left out of volatility
    and tails; `notes` names it with its weight.
    Raises MissingHistory when no coin is left. `share`: of each coin's volume that may be sold in a day.
    """
    window = history.tail(days + 1)
    young = _young(weights, window)
    old = {name: weight for name, weight in sorted(weights.items()) if name not in young and weight > 0}
    if not old:
        raise MissingHistory(
            f"none of {', '.join(sorted(weights))} has returns on half of {len(window)} days, and at least {MIN_DAYS}; "
            "give a longer history"
        )
    matrix = covariance(window, list(old), days=days)
    daily = basket_returns(window, old)
    slopes = betas(window, list(weights), benchmark=benchmark, days=days) if benchmark in window.ids else {}
    volatilities = {name: math.sqrt(float(matrix[row, row])) for row, name in enumerate(old)}
    market = None if liquidity is None else replace(liquidity, volatilities={**volatilities, **liquidity.volatilities})
    against = basket_returns(window, {benchmark: 1.0}) if benchmark in window.ids else None
    return {
        "days": len(window) - 1,
        "volatility": math.fsum(row.added for row in contributions(old, matrix)),
        "diversification_ratio": diversification_ratio(old, matrix),
        "beta": None if against is None else _number(beta(daily, against)),
        "benchmark": benchmark,
        "tails": [_tail(daily, confidence=level, horizon=span) for level in (confidence, 0.99) for span in (1, 10)],
        "coins": _coins(weights, old, window, matrix, slopes, liquidity, confidence, share),
        "correlations": _correlations(old, window, days),
        "equities": _equities(daily, window),
        "stress": _stress_rows(weights, slopes, volatilities, stable_ids, themes or {}, market),
        "replays": _replays(weights, history),
        "reverse": _reverse(weights, slopes),
        "notes": [
            f"{name} ({weights[name]:.2%} of the index): too few prices for volatility and tails, which leave it out"
            for name in young
        ],
    }


def scenarios_for(
    weights: Mapping[str, float],
    *,
    betas: Mapping[str, float],
    volatilities: Mapping[str, float],
    stable_ids: Sequence[str] = (),
) -> tuple[Scenario, ...]:
    """The historical ones and those that could be: bitcoin -50 %, the largest coin to zero, the peg broken by 10 %, half of
    the liquidity, every coin three deviations down on one day.
    """
    stable = tuple(name for name in stable_ids if weights.get(name, 0.0) > 0)
    at_risk = {name: weight for name, weight in weights.items() if name not in stable_ids}
    largest = min(at_risk, key=lambda name: (-at_risk[name], name), default="")
    return (
        *HISTORICAL,
        market_falls(-0.5, {name: 0.0 if name in stable_ids else betas.get(name, math.nan) for name in weights}),
        *([one_to_zero(largest)] if largest else []),
        *([stable_breaks(stable)] if stable else []),
        liquidity_halves(),
        all_at_once(volatilities),
    )


def _young(weights: Mapping[str, float], window: History) -> tuple[str, ...]:
    """Coins known on fewer than half of the days; then, until the rest has half of the days in common, the one known least."""
    ids = sorted(name for name, weight in weights.items() if weight > 0)
    known = ~np.isnan(returns(window.panel("price")[:, [window.column(name) for name in ids]]))
    half = len(known) / 2
    left = [row for row in range(len(ids)) if known[:, row].sum() >= half]
    while left and known[:, left].all(axis=1).sum() < max(half, MIN_DAYS):
        left.remove(min(left, key=lambda row: (int(known[:, row].sum()), ids[row])))
    return tuple(name for row, name in enumerate(ids) if row not in left)


def _tail(daily: Floats, *, confidence: float, horizon: int) -> dict[str, Cell]:
    found = tail_risk(daily, confidence=confidence, horizon=horizon)
    rows: tuple[Tail, ...] = (found.historical, found.cornish_fisher, found.ewma)
    return {"confidence": confidence, "horizon": horizon, "days": found.days, "methods": [asdict(row) for row in rows]}


def _coins(
    weights: Mapping[str, float],
    old: Mapping[str, float],
    window: History,
    matrix: Floats,
    slopes: Mapping[str, float],
    liquidity: Liquidity | None,
    confidence: float,
    share: float,
) -> list[Cell]:
    added = {row.id: row for row in contributions(old, matrix)}
    tails = shortfall_contributions(window, old, confidence=confidence)
    days: Mapping[str, float] = {}
    if liquidity is not None and liquidity.volumes:
        days = exit_days(weights, liquidity.volumes, portfolio_usd=liquidity.portfolio_usd, share=share).days
    return [
        {
            "id": name,
            "weight": weight,
            "volatility": added[name].volatility if name in added else None,
            "volatility_added": added[name].added if name in added else None,
            "volatility_part": added[name].part if name in added else None,
            "shortfall_added": tails.get(name),
            "beta": _number(slopes.get(name, math.nan)),
            "exit_days": _number(days.get(name, math.nan)),
        }
        for name, weight in sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
        if weight > 0
    ]


def _correlations(old: Mapping[str, float], window: History, days: int) -> dict[str, Cell]:
    ids = sorted(old)
    table = correlations(window, ids, days=days)
    upper = table[np.triu_indices(len(ids), k=1)]
    known = upper[~np.isnan(upper)]
    return {
        "ids": list(ids),
        "table": [[_number(value) for value in row] for row in table.tolist()],
        "mean": float(known.mean()) if len(known) else None,
    }


def _equities(daily: Floats, window: History) -> dict[str, Cell] | None:
    """How the index moves with stocks, on all days and on their worst tenth; None without that series."""
    if "equities" not in window.series:
        return None
    own, other = between_known_days(daily, window.line("equities"))
    everywhere, worst = shock_correlation(own, other)
    return {"correlation": _number(everywhere), "on_their_worst_days": _number(worst), "days": len(own)}


def _stress_rows(
    weights: Mapping[str, float],
    slopes: Mapping[str, float],
    volatilities: Mapping[str, float],
    stable_ids: Sequence[str],
    themes: Mapping[str, tuple[str, ...]],
    market: Liquidity | None,
) -> list[Cell]:
    cases = scenarios_for(weights, betas=slopes, volatilities=volatilities, stable_ids=stable_ids)
    tagged = {name: (*themes.get(name, ()), *(("stablecoin",) if name in stable_ids else ())) for name in weights}
    return [_stress_row(row) for row in stress(weights, cases, themes=tagged, market=market)]


def _stress_row(row: Stressed) -> dict[str, Cell]:
    return {
        "name": row.scenario.name,
        "title": row.scenario.title,
        "loss": row.loss,
        "exit_cost": row.exit_cost,
        "total": row.total,
        "worst": row.worst,
        "by_coin": {name: value for name, value in row.by_coin.items()},
        "estimated": row.estimated,
        "unknown_exit": list(row.unknown),
        "sources": list(row.scenario.sources),
        "estimates": list(row.scenario.estimates),
    }


def _replays(weights: Mapping[str, float], history: History) -> list[Cell]:
    """Of every event whose days the history has, with at least half of the index priced on the first."""
    rows: list[Cell] = []
    for scenario in HISTORICAL:
        first, last = scenario.start, scenario.end
        if first is None or last is None or not _covers(weights, history, first, last):
            continue
        found = replay(weights, history, start=first, end=last)
        rows.append(
            {
                "name": scenario.name,
                "loss": found.loss,
                "drawdown": found.drawdown,
                "worst_day": found.worst_day,
                "missing": list(found.missing),
                "ended": list(found.ended),
            }
        )
    return rows


def _covers(weights: Mapping[str, float], history: History, first: date, last: date) -> bool:
    if first not in history.dates or last not in history.dates:
        return False
    prices = history.panel("price")[history.dates.index(first)]
    priced = math.fsum(
        weight
        for name, weight in sorted(weights.items())
        if name in history.ids and not math.isnan(prices[history.column(name)])
    )
    return priced >= 0.5 * math.fsum(weights.values())


def _reverse(weights: Mapping[str, float], slopes: Mapping[str, float]) -> dict[str, Cell]:
    return {
        "loss": REVERSE_LOSS,
        "benchmark_move": market_move_for(weights, slopes, loss=REVERSE_LOSS),
        "coin_moves": {name: move for name, move in coin_falls_for(weights, loss=REVERSE_LOSS).items()},
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
