"""A thousand plain index rules at once: top N by market cap, a power of it as weight, a cap, a calendar, a cost, from one panel.

    panel = panel_of(market, spec.universe, start=…, end=…, calendars=("weekly", "monthly"))
    result = sweep_grid(panel, Grid(tops=(5, 10, 20), caps=(0.25, 1.0), calendars=("weekly", "monthly"), costs_bps=(0.0, 30.0)))
    print(result.table())

Eligibility is the real one of the index file, day by day; what differs between variants is only what the grid names. Buffers, signals,
risk rules and impact need the whole `decide`: see sweep.py. Costs do not change what is held, so variants that differ in cost alone share
one walk through the prices; everything else is machine code on as many threads as asked for, with the same numbers for any of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from offchain.backtest.chance import YEAR, SharpeFacts, deflated_sharpe, effective_trials
from offchain.backtest.kernel import Rows, has_numba, simulate
from offchain.backtest.marks import daily_marks
from offchain.backtest.solve import Floats, Legs
from offchain.errors import BallastError, MarketDataError
from offchain.market.snapshot import Market, Time, as_utc
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.spec.universe_rules import UniverseRules
from offchain.units import BPS
from offchain.universe.eligibility import screen

CAP_DIGITS = 9  # caps that agree in so many digits are a tie, as in the universe; then the id decides


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """`times` × `ids`: `prices` and `caps`, USD, NaN unknown; `eligible`; `reviews` {calendar: rows on which it reviews}."""

    times: tuple[datetime, ...]
    ids: tuple[str, ...]
    prices: Floats
    caps: Floats
    eligible: NDArray[np.bool_]
    reviews: dict[str, Rows]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One variant. `power` of the market cap: 1, 0.5, 0 for equal; `cap`: most one coin may weigh; `cost_bps` of what is put into a
    pool, as in CostModel.
    """

    top: int
    power: float = 1.0
    cap: float = 1.0
    calendar: str = "weekly"
    band: float = 0.0
    lag: int = 1
    cost_bps: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every combination of these."""

    tops: tuple[int, ...] = (10,)
    powers: tuple[float, ...] = (1.0,)
    caps: tuple[float, ...] = (1.0,)
    calendars: tuple[str, ...] = ("weekly",)
    bands: tuple[float, ...] = (0.0,)
    lags: tuple[int, ...] = (1,)
    costs_bps: tuple[float, ...] = (30.0,)

    def rules(self) -> list[Rule]:
        """In a fixed order, costs innermost."""
        axes = (self.tops, self.powers, self.caps, self.calendars, self.bands, self.lags, self.costs_bps)
        return [
            Rule(top=top, power=power, cap=cap, calendar=calendar, band=band, lag=lag, cost_bps=cost)
            for top, power, cap, calendar, band, lag, cost in product(*axes)
        ]


@dataclass(frozen=True, kw_only=True, eq=False)
class GridResult:
    """`net`: variants × times, 1 before the first purchase, NaN until then. `measures`: one row a variant, in the order of `rules`."""

    rules: tuple[Rule, ...]
    times: tuple[datetime, ...]
    net: Floats
    measures: pd.DataFrame

    def table(self, *, by: str = "sharpe") -> pd.DataFrame:
        """Ranked, best first, with the deflated Sharpe ratio of each for the number of trials; ties in the order of `rules`."""
        measures = self.measures.assign(**_deflated(self.net, self.measures))
        rules = pd.DataFrame([vars(rule) for rule in self.rules])
        whole = pd.concat([rules, measures], axis=1)
        return whole.sort_values(by, ascending=False, kind="stable").reset_index(drop=True)


def panel_of(
    market: Market,
    rules: UniverseRules,
    *,
    start: Time | None = None,
    end: Time | None = None,
    calendars: Sequence[str] = ("weekly",),
    weekday: str = "monday",
) -> Panel:
    """What a grid needs of a market: marks, caps, and who passes `rules` on each review day, screened as `decide` does."""
    first = market.start + market.lag if start is None else as_utc(start)
    last = market.end + market.lag if end is None else as_utc(end)
    marks = daily_marks(market, start=first, end=last)
    caps = market.history(last, days=len(market.dates), fields=("market_cap",)).panel("market_cap")
    known = market.until(last)
    rows = np.flatnonzero(np.isin(known.dates + market.lag, pd.DatetimeIndex(marks.times)))
    position = {name: column for column, name in enumerate(known.ids)}
    columns = np.array([position.get(name, -1) for name in marks.ids])
    sized = np.where(columns >= 0, caps[rows][:, np.maximum(columns, 0)], np.nan)
    reviews = {name: _review_rows(marks.times, name, weekday) for name in calendars}
    eligible = np.zeros(sized.shape, dtype=np.bool_)
    at = {name: column for column, name in enumerate(marks.ids)}
    for row in sorted({int(row) for found in reviews.values() for row in found}):
        snapshot = market.snapshot(marks.times[row], volume_days=rules.volume_days)
        eligible[row, [at[one.coin.id] for one in screen(snapshot, rules) if one.is_eligible]] = True
    return Panel(times=marks.times, ids=marks.ids, prices=marks.prices, caps=sized, eligible=eligible, reviews=reviews)


def sweep_grid(panel: Panel, grid: Grid | Sequence[Rule], *, threads: int = 2, engine: str = "auto") -> GridResult:
    """Every variant of the grid. `engine` "numpy" walks them one by one through the reference kernel, to the same numbers."""
    rules = tuple(grid.rules() if isinstance(grid, Grid) else grid)
    _check(panel, rules)
    if engine == "numba" and not has_numba():
        raise BallastError('engine = "numba": numba is not installed; run `uv sync --group fast`, or use "numpy"')
    if engine == "numpy" or not has_numba():
        return _by_reference(panel, rules)
    return _by_machine(panel, rules, threads)


def _by_machine(panel: Panel, rules: tuple[Rule, ...], threads: int) -> GridResult:
    from offchain.backtest.machine import grid_paths, measure_path

    days = len(panel.times)
    order, members = _ranking(panel, max(rule.top for rule in rules))
    where = {int(row): index for index, row in enumerate(members[:, 0])}
    schedules = {
        name: np.array([where[int(row)] for row in rows], dtype=np.int64) for name, rows in panel.reviews.items()
    }
    prices, caps = np.ascontiguousarray(panel.prices), np.ascontiguousarray(panel.caps)
    net = np.empty((len(rules), days))
    turnover, cost = np.zeros(len(rules)), np.zeros(len(rules))
    trades, facts = np.zeros(len(rules), dtype=np.int64), np.empty((len(rules), 6))

    def walk(group: list[int]) -> None:
        rule = rules[group[0]]
        rates = np.array([rules[index].cost_bps / BPS for index in group])
        rows = np.array(group)
        grid_paths(
            prices, caps, order, members, schedules[rule.calendar], rule.lag, rule.top, rule.power, rule.cap, rule.band,
            rates, rows, net, turnover, cost, trades,
        )  # fmt: skip
        for index in group:
            measure_path(net[index], facts[index])

    groups = list(_groups(rules).values())
    if threads > 1 and len(groups) > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(walk, groups))
    else:
        for group in groups:
            walk(group)
    return GridResult(rules=rules, times=panel.times, net=net, measures=_measures(net, facts, turnover, cost, trades))


def _groups(rules: tuple[Rule, ...]) -> dict[Rule, list[int]]:
    """Variants that differ in cost alone, together."""
    groups: dict[Rule, list[int]] = {}
    for index, rule in enumerate(rules):
        groups.setdefault(replace(rule, cost_bps=0.0), []).append(index)
    return groups


def _ranking(panel: Panel, top: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(reviews × top: columns by falling market cap, reviews × 2: row and how many there are)."""
    rows = sorted({int(row) for found in panel.reviews.values() for row in found})
    order, members = np.zeros((len(rows), top), dtype=np.int64), np.zeros((len(rows), 2), dtype=np.int64)
    for at, row in enumerate(rows):
        best = ranked(panel.caps[row], panel.eligible[row], top)
        order[at, : len(best)], members[at] = best, (row, len(best))
    return order, members


def ranked(caps: Floats, eligible: NDArray[np.bool_], top: int) -> NDArray[np.int64]:
    """Columns of the `top` largest, largest first; a tie goes to the lower column. Caps are compared in CAP_DIGITS digits."""
    usable = np.flatnonzero(eligible & (caps > 0.0))
    sizes = caps[usable]
    if len(usable) > top:
        # ties at the border stay in until the digits are compared
        border = np.partition(sizes, len(sizes) - top)[len(sizes) - top]
        near = sizes >= border * (1.0 - 10.0**-CAP_DIGITS)
        usable, sizes = usable[near], sizes[near]
    order = np.argsort(-sizes, kind="stable")
    falling = sizes[order]
    near = falling[:-1] - falling[1:] <= 10.0 ** (1 - CAP_DIGITS) * falling[:-1]
    if near.any():
        # only neighbours can be ties: their digits are compared, everything else is in order already
        close = np.flatnonzero(np.concatenate([near, [False]]) | np.concatenate([[False], near]))
        shown = falling.copy()
        shown[close] = [float(f"{size:.{CAP_DIGITS}g}") for size in falling[close].tolist()]
        order = order[np.lexsort((usable[order], -shown))]
    return np.asarray(usable[order][:top], dtype=np.int64)


def weights_of(caps: Floats, rule: Rule) -> Floats | None:
    """Weights in proportion to a power of falling `caps`, none above the rule's cap; None when the cap cannot hold them."""
    count = len(caps)
    if count == 0 or count * rule.cap < 1.0 - 1e-12:
        return None
    raw = np.sqrt(caps) if rule.power == 0.5 else caps**rule.power
    tails = np.cumsum(raw[::-1])[::-1]
    for full in range(count):
        scale = (1.0 - rule.cap * full) / tails[full]
        if raw[full] * scale <= rule.cap:
            return np.concatenate([np.full(full, rule.cap), raw[full:] * scale])
    return np.full(count, rule.cap)


def _by_reference(panel: Panel, rules: tuple[Rule, ...]) -> GridResult:
    days, coins = panel.prices.shape
    net = np.full((len(rules), days), np.nan)
    turnover, cost, trades = np.zeros(len(rules)), np.zeros(len(rules)), np.zeros(len(rules), dtype=np.int64)
    facts = np.empty((len(rules), 6))
    filled = np.nan_to_num(panel.prices, nan=0.0)
    for index, rule in enumerate(rules):
        rows, weights = [], []
        for decided in panel.reviews[rule.calendar].tolist():
            row = decided + rule.lag
            if row >= days:
                break
            best = ranked(panel.caps[decided], panel.eligible[decided], rule.top)
            best = best[filled[row, best] > 0.0]
            share = weights_of(panel.caps[decided, best], rule)
            if share is not None:
                target = np.zeros(coins)
                target[best] = share
                rows.append(row)
                weights.append(target / target.sum())
        if rows:
            rate = np.full(coins, rule.cost_bps / BPS)
            legs = Legs(sell=rate, buy=rate / (1.0 - rate), depth=np.full(coins, np.inf))
            path = simulate(filled, np.array(rows), np.array(weights), legs=legs, band=rule.band, engine="numpy")
            net[index], cost[index] = path.net, path.cost.sum()
            turnover[index], trades[index] = path.turnover[1:].sum(), int(path.traded[1:].sum())
        facts[index] = _facts(net[index])
    return GridResult(rules=rules, times=panel.times, net=net, measures=_measures(net, facts, turnover, cost, trades))


def _facts(net: Floats) -> Floats:
    """(first row, mean, deviation, skewness, kurtosis, drawdown) as `machine.measure_path`."""
    known = net[~np.isnan(net)]
    first = float(len(net) - len(known))
    if len(known) < 3:
        return np.array([first, *[np.nan] * 5])
    returns = known / np.concatenate([[1.0], known[:-1]]) - 1.0
    centred = returns - returns.mean()
    second = float(np.mean(centred**2))
    skewness = float(np.mean(centred**3)) / second**1.5 if second > 0.0 else 0.0
    kurtosis = float(np.mean(centred**4)) / second**2 if second > 0.0 else 3.0
    fall = 1.0 - known / np.maximum(np.maximum.accumulate(known), 1.0)
    return np.array([first, returns.mean(), returns.std(ddof=1), skewness, kurtosis, fall.max()])


def _measures(net: Floats, facts: Floats, turnover: Floats, cost: Floats, trades: NDArray[np.int64]) -> pd.DataFrame:
    """One row a variant. Yearly numbers are of 365 days; `turnover` is one-way, a year; `cost` part of the value, a year."""
    count = net.shape[1] - facts[:, 0]
    years = np.maximum(count - 1.0, 1.0) / YEAR
    with np.errstate(invalid="ignore", divide="ignore"):
        daily = np.where(facts[:, 2] > 0.0, facts[:, 1] / facts[:, 2], 0.0)
    return pd.DataFrame(
        {
            "final": net[:, -1],
            "cagr": net[:, -1] ** (1.0 / years) - 1.0,
            "volatility": facts[:, 2] * math.sqrt(YEAR),
            "sharpe": np.where(np.isnan(facts[:, 1]), np.nan, daily * math.sqrt(YEAR)),
            "drawdown": facts[:, 5],
            "turnover": turnover / years,
            "cost": cost / years,
            "trades": trades,
            "skewness": facts[:, 3],
            "kurtosis": facts[:, 4],
            "days": count.astype(np.int64),
        }
    )


def _deflated(net: Floats, measures: pd.DataFrame) -> dict[str, Floats]:
    """Deflated Sharpe ratio of every variant: for all of them as trials, and for as many as their correlation leaves."""
    daily = measures["sharpe"].to_numpy() / math.sqrt(YEAR)
    good = ~np.isnan(daily)
    blank = np.full(len(daily), np.nan)
    if good.sum() < 2:
        return {"deflated": blank, "deflated_effective": blank.copy()}
    variance = float(np.var(daily[good], ddof=1))
    first = int((net.shape[1] - measures["days"].to_numpy()[good]).max())
    common = net[good][:, first:]
    effective = effective_trials((common[:, 1:] / common[:, :-1] - 1.0).T)
    found = {"deflated": blank, "deflated_effective": blank.copy()}
    for name, trials in (("deflated", float(good.sum())), ("deflated_effective", effective)):
        for row in np.flatnonzero(good).tolist():
            facts = SharpeFacts(
                sharpe=float(daily[row]),
                count=int(measures["days"].iloc[row]),
                skewness=float(measures["skewness"].iloc[row]),
                kurtosis=float(measures["kurtosis"].iloc[row]),
            )
            found[name][row] = deflated_sharpe(facts, variance=variance, trials=trials) if facts.error > 0.0 else np.nan
    return found


def _review_rows(times: Sequence[datetime], calendar: str, weekday: str) -> Rows:
    """The first row, and every row of a review day."""
    rules = RebalanceRules(calendar=calendar, weekday=weekday)
    return np.array(
        [row for row, time in enumerate(times) if row == 0 or rules.is_review_day(time.date())], dtype=np.int64
    )


def _check(panel: Panel, rules: Sequence[Rule]) -> None:
    if not rules:
        raise MarketDataError("an empty grid; give at least one value for each axis")
    for rule in rules:
        if rule.calendar not in panel.reviews:
            raise MarketDataError(
                f'the panel has no reviews for "{rule.calendar}"; it was made for {", ".join(panel.reviews)}'
            )
        if (
            rule.top < 1
            or rule.lag < 1
            or rule.power < 0.0
            or not 0.0 < rule.cap <= 1.0
            or not 0.0 <= rule.cost_bps < BPS
        ):
            raise MarketDataError(
                f"{rule}: top and lag must be at least 1, power ≥ 0, cap in (0, 1], cost_bps in [0, 10,000)"
            )
