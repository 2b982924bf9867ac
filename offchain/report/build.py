"""From what was seen to the report: `report = build_report(run)`. Pure; the same run gives the same report and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from offchain.report.accounting import Accounting, audit, dollars
from offchain.report.performance import (
    BASE,
    Levels,
    Parts,
    Tracking,
    after_fee,
    largest_fall,
    paper_levels,
    parts,
    rebased,
    tracking,
)
from offchain.report.record import Plan, Review, Run
from offchain.units import BPS, NANO, WAD

FORMAT = "ballast-demo/1"
DIGITS = 10  # significant ones of every float in the JSON


@dataclass(frozen=True, kw_only=True)
class Week:
    """One review. `turnover` one-way and `cost_bps` of NAV, `traded_bps` of what was sold; None where nothing was traded."""

    date: str
    outcome: str
    runs: int
    reason: str
    nav_usd: float
    level: float
    entered: Mapping[str, str]
    left: Mapping[str, str]
    drift: float | None
    drift_after: float | None
    turnover: float | None
    cost_bps: float | None
    traded_bps: float | None
    swaps: int
    gas: int
    kept_out: tuple[str, ...]
    doubts: tuple[str, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class GasLine:
    """{gas} of one operation."""

    operation: str
    count: int
    least: int
    middle: int
    most: int


@dataclass(frozen=True, kw_only=True)
class Investor:
    """USD at the oracle's prices of the moment; `inside`: what the shares still held are worth at the end."""

    who: str
    put_in: float
    taken_out: float
    inside: float
    shares_left: float

    @property
    def gain(self) -> float:
        return self.taken_out + self.inside - self.put_in


@dataclass(frozen=True, kw_only=True)
class Trading:
    """All rebalances together. `turnover` is one-way and summed; `cost_bps` of NAV summed, `traded_bps` of all that was sold."""

    rebalances: int
    swaps: int
    sold_usd: float
    cost_usd: float
    turnover: float
    turnover_yearly: float
    cost_bps: float
    cost_bps_yearly: float
    traded_bps: float
    gas: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is shown. `weights`: fractions of NAV by coin, one a day."""

    run: Run
    levels: Levels
    parts: Parts
    tracking: Tracking
    falls: Mapping[str, float]
    weeks: tuple[Week, ...]
    trading: Trading
    gas: tuple[GasLine, ...]
    investors: tuple[Investor, ...]
    weights: Mapping[str, tuple[float, ...]]
    accounting: Accounting

    @property
    def title(self) -> str:
        first, last = date_text(self.run.days[0].time), date_text(self.run.days[-1].time)
        return f"{self.run.name} ({self.run.symbol}) on {self.run.market}, {first} to {last}"

    @property
    def passed(self) -> bool:
        return self.accounting.passed

    def to_json(self) -> str:
        """Sorted, indented, floats to ten digits; no wall-clock time in it."""
        return json.dumps(_rounded(as_dict(self)), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def build_report(run: Run) -> Report:
    """Every number, from what was seen."""
    times = [day.time for day in run.days]
    levels = levels_of(run)
    losses = [(run.position(plan.block), plan.loss / plan.nav) for plan in run.plans if plan.nav]
    split = parts(levels.index, levels.paper, times, growth=run.growth, losses=losses)
    everything = {run.symbol: levels.index, "paper": levels.paper, **levels.benchmarks}
    return Report(
        run=run,
        levels=levels,
        parts=split,
        tracking=tracking(levels.index, levels.paper, times, split),
        falls={name: largest_fall(series) for name, series in everything.items()},
        weeks=tuple(_week(run, review) for review in run.reviews),
        trading=_trading(run.plans, years=(times[-1] - times[0]) / (365 * 86_400)),
        gas=_gas_lines(run.gas),
        investors=_investors(run),
        weights=weights_by_day(run),
        accounting=audit(run),
    )


# --- parts ------------------------------------------------------------------------------------------------------------


def levels_of(run: Run) -> Levels:
    """The index, its paper twin, and holding one coin."""
    times = [day.time for day in run.days]
    index = rebased([float(day.nav_per_share) for day in run.days])
    changes: list[tuple[int, Mapping[str, float]]] = [(0, _seed_weights(run))]
    for plan in run.plans:
        changes.append((run.position(plan.block), {coin: weight / WAD for coin, weight in plan.weights.items()}))
    paper = paper_levels(run.prices, changes)
    return Levels(
        index=index,
        paper=paper,
        paper_after_fee=after_fee(paper, times, run.growth),
        benchmarks={coin: rebased(run.prices[coin]) for coin in run.benchmarks},
    )


def _seed_weights(run: Run) -> dict[str, float]:
    """Of the seed, at the market's prices."""
    seed = next(flow for flow in run.flows if flow.kind == "seed")
    values = {
        coin: amount / 10 ** run.coins[coin].decimals * run.prices[coin][0] for coin, amount in seed.amounts.items()
    }
    total = sum(values.values())
    return {coin: value / total for coin, value in values.items()}


def weights_by_day(run: Run) -> dict[str, tuple[float, ...]]:
    """Fractions of NAV by coin, the largest on average first."""
    rows = []
    for day in run.days:
        values = day.values
        total = sum(values.values()) or 1
        rows.append({coin: value / total for coin, value in values.items()})
    coins = {coin for row in rows for coin in row}
    order = sorted(coins, key=lambda coin: (-sum(row.get(coin, 0.0) for row in rows), coin))
    return {coin: tuple(row.get(coin, 0.0) for row in rows) for coin in order}


def _week(run: Run, review: Review) -> Week:
    day = run.days[max(k for k, day in enumerate(run.days) if day.time <= review.time)]
    plans = [run.plan_of[number] for number in review.plans if number in run.plan_of]
    sold, loss = sum(plan.sold for plan in plans), sum(plan.loss for plan in plans)
    nav = plans[0].nav if plans else 0
    return Week(
        date=date_text(review.time),
        outcome=review.outcome,
        runs=len(review.attempts),
        reason=review.attempts[-1].reason,
        nav_usd=day.nav / NANO,
        level=BASE * day.nav_per_share / run.days[0].nav_per_share,
        entered=review.entered,
        left=review.left,
        drift=_fraction(review.drift),
        drift_after=_fraction(review.drift_after) if plans else None,
        turnover=sold / nav if nav else None,
        cost_bps=loss * BPS / nav if nav else None,
        traded_bps=loss * BPS / sold if sold else None,
        swaps=sum(len(plan.swaps) for plan in plans),
        gas=sum(plan.gas for plan in plans),
        kept_out=review.kept_out,
        doubts=review.doubts,
        refused=review.refused,
    )


def _fraction(value: int | None) -> float | None:
    return None if value is None else value / WAD


def _trading(plans: Sequence[Plan], *, years: float) -> Trading:
    sold, loss = sum(plan.sold for plan in plans), sum(plan.loss for plan in plans)
    turnover = sum(plan.sold / plan.nav for plan in plans if plan.nav)
    cost = sum(plan.loss / plan.nav for plan in plans if plan.nav) * BPS
    return Trading(
        rebalances=sum(1 for plan in plans if plan.swaps),
        swaps=sum(len(plan.swaps) for plan in plans),
        sold_usd=sold / NANO,
        cost_usd=loss / NANO,
        turnover=turnover,
        turnover_yearly=turnover / years,
        cost_bps=cost,
        cost_bps_yearly=cost / years,
        traded_bps=loss * BPS / sold if sold else 0.0,
        gas=sum(plan.gas for plan in plans),
    )


def _gas_lines(gas: Mapping[str, Sequence[int]]) -> tuple[GasLine, ...]:
    return tuple(
        GasLine(operation=name, count=len(used), least=min(used), middle=int(median(used)), most=max(used))
        for name, used in sorted(gas.items())
        if used
    )


def _investors(run: Run) -> tuple[Investor, ...]:
    """Everybody who put something in, took something out, or holds shares at the end."""
    addresses = {name: address for address, name in run.books.names.items()}
    holders = [run.books.names[account] for (token, account), held in run.books.balances.items() if token == run.books.index and held]  # fmt: skip
    seed = next(flow.who for flow in run.flows if flow.kind == "seed")
    found = []
    for who in dict.fromkeys([*(flow.who for flow in run.flows), *holders]):
        flows = [flow for flow in run.flows if flow.who == who]
        worth = [(flow.kind, _worth(run, flow.block, flow.amounts)) for flow in flows]
        left = run.books.balances.get((run.books.index, addresses.get(who, "")), 0)
        found.append(
            Investor(
                who=f"{who} (seed)" if who == seed else who,
                put_in=sum(value for kind, value in worth if kind != "redeem"),
                taken_out=sum(value for kind, value in worth if kind == "redeem"),
                inside=left * run.days[-1].nav_per_share / 10**27 / NANO,
                shares_left=left / WAD,
            )
        )
    return tuple(found)


def _worth(run: Run, block: int, amounts: Mapping[str, int]) -> float:
    marks = run.days[run.position(block)].marks
    return sum(amount * marks[coin] for coin, amount in amounts.items()) / 10**27 / NANO


# --- JSON -------------------------------------------------------------------------------------------------------------


def as_dict(report: Report) -> dict[str, object]:
    """The report as plain data: summary first, then one list a table, then the daily series."""
    run, track, trading = report.run, report.tracking, report.trading
    return {
        "format": FORMAT,
        "market": run.market,
        "index": {
            "name": run.name, "symbol": run.symbol, "spec_hash": run.spec_hash, "streaming_bps": run.streaming_bps,
            "max_slippage_bps": run.max_slippage_bps, "drift_band": run.drift_band,
        },
        "period": {"from": date_text(run.days[0].time), "to": date_text(run.days[-1].time), "days": len(run.days) - 1},
        "tracking": vars(track),
        "returns": {name: series[-1] / BASE - 1 for name, series in _all_levels(report).items()},
        "largest_fall": dict(report.falls),
        "trading": vars(trading),
        "weeks": [vars(week) for week in report.weeks],
        "plans": [_plan_dict(run, plan) for plan in run.plans],
        "gas": [vars(line) for line in report.gas],
        "investors": [{**vars(person), "gain": person.gain} for person in report.investors],
        "accounting": {
            "passed": report.passed,
            "checks": [vars(check) for check in report.accounting.checks],
            "tokens": [{**vars(line), "symbol": run.symbol_of(line.coin), "difference": line.difference} for line in report.accounting.tokens],
            "value_usd": {name: dollars(value) for name, value in vars(report.accounting.value).items()},
        },
        "days": [date_text(day.time) for day in run.days],
        "levels": {name: list(series) for name, series in _all_levels(report).items()},
        "difference_bps": {name: list(series) for name, series in vars(report.parts).items()},
        "weights": {coin: list(series) for coin, series in report.weights.items()},
        "unpriced": {date_text(day.time): list(day.unpriced) for day in run.days if day.unpriced},
    }  # fmt: skip


def _all_levels(report: Report) -> dict[str, tuple[float, ...]]:
    levels = report.levels
    return {
        "index": levels.index,
        "paper": levels.paper,
        "paper_after_fee": levels.paper_after_fee,
        **levels.benchmarks,
    }


def _plan_dict(run: Run, plan: Plan) -> dict[str, object]:
    return {
        "id": plan.id,
        "date": date_text(plan.time),
        "nav_usd": plan.nav / NANO,
        "weights": {coin: weight / WAD for coin, weight in plan.weights.items()},
        "gas": plan.gas,
        "swaps": [
            {
                "step": swap.step, "sell": swap.sell, "buy": swap.buy, "sold": str(swap.sold), "bought": str(swap.bought),
                "value_usd": swap.value / NANO, "cost_bps": swap.loss * BPS / swap.value if swap.value else 0.0,
                "venue": swap.venue, "gas": swap.gas,
            }
            for swap in plan.swaps
        ],
    }  # fmt: skip


def date_text(time: int) -> str:
    """'2024-04-08'"""
    return datetime.fromtimestamp(time, tz=UTC).date().isoformat()


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
