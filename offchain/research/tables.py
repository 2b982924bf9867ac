"""The tables of a study, for a terminal, a page and a factsheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from offchain.analytics.exposure import concentration
from offchain.analytics.fees import Bill, bill
from offchain.analytics.measures import DEFINITIONS, Measure
from offchain.analytics.tracking import tracking_of
from offchain.backtest import Review
from offchain.methodology import Decision
from offchain.pages import LEFT, Table
from offchain.research.study import Study
from offchain.risk.tables import Cell
from offchain.units import WAD

ABSENT = "–"
TRACKING = {
    "timing": "timing: traded after the decision",
    "drift": "drift: bands, dust, what could not be bought",
    "slippage": "slippage: fee, spread and impact of trades",
    "fees": "fees of the index",
    "oracle": "oracle: the chain's prices against the market's",
}
DUST = 1e-6  # weights below it are not told


def measures_table(told: Study) -> Table:
    """Every absolute measure of every line; what has no value shows a dash."""
    names = list(told.lines)
    rows = [
        (row.title, *(shown(told.table[name][row.name], row.unit) for name in names))
        for row in DEFINITIONS
        if not row.is_relative
    ]
    return ("", *names), rows


def relative_table(told: Study) -> Table:
    """The index against its twin and each benchmark."""
    names = list(told.against)
    rows = [
        (row.title, *(shown(told.against[name][row.name], row.unit) for name in names))
        for row in DEFINITIONS
        if row.is_relative
    ]
    return (f"{told.spec.symbol} against", *names), rows


def definitions_table() -> Table:
    """What each measure is, and who defined it."""
    rows = [(row.title, row.formula, row.source) for row in DEFINITIONS]
    return ("measure", f"{LEFT}formula", f"{LEFT}source"), rows


def reasons_of_absence(told: Study) -> list[str]:
    """Why a dash stands where it does."""
    titles = {row.name: row.title for row in DEFINITIONS}
    found = [
        f"{titles[name]} of {line}: {one.reason}"
        for line, measures in told.table.items()
        for name, one in measures.items()
        if one.value is None
    ]
    return found


def trailing_table(told: Study) -> Table:
    """The last day, week, month, quarter, year, and since the start."""
    names = {"day": "1 day", "week": "1 week", "month": "1 month", "quarter": "3 months", "year": "1 year", "inception": "since start"}  # fmt: skip
    rows = [(told.spec.symbol, *(shown(told.trailing[key], "of 1", places=2) for key in names))]
    return ("", *names.values()), rows


def months_table(told: Study) -> Table:
    """One row a year, one column a month."""
    months = [f"{k:02d}" for k in range(1, 13)]
    cells: dict[str, dict[str, float]] = {}
    for period in told.months:
        year, _, month = period.label.partition("-")
        cells.setdefault(year, {})[month] = period.value
    rows = [
        (year, *(f"{row[month]:+.1%}" if month in row else "" for month in months), f"{_chained(row.values()):+.1%}")
        for year, row in sorted(cells.items())
    ]
    return ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "year"), rows


def drawdowns_table(told: Study) -> Table:
    """The deepest falls, with their days."""
    days = told.dates
    rows = [
        (
            f"{fall.depth:.1%}",
            f"{days[fall.peak]}",
            f"{days[fall.trough]}",
            "not yet" if fall.recovery is None else f"{days[fall.recovery]}",
            f"{(days[-1 if fall.recovery is None else fall.recovery] - days[fall.peak]).days}",
        )
        for fall in told.drawdowns
    ]
    return ("depth", f"{LEFT}from", f"{LEFT}lowest", f"{LEFT}back", "days"), rows


def holdings_table(told: Study) -> Table:
    """What it holds at the end and why, the heaviest first."""
    run = told.run
    last = {name: float(run.weights[-1, k]) for k, name in enumerate(run.ids) if run.weights[-1, k] > DUST}
    decision = last_decision(told)
    targets = next((review.weights for review in reversed(run.reviews) if review.weights), {})
    rows = []
    for name in sorted(last, key=lambda name: (-last[name], name)):
        target = targets.get(name, 0) / WAD
        since = next(
            row for row in range(len(run) - 1, -1, -1) if row == 0 or not run.units[row - 1, run.ids.index(name)]
        )
        rows.append(
            (
                name,
                f"{last[name]:.2%}",
                f"{target:.2%}" if target else "",
                f"{told.components.parts.get(name, 0.0):+.1%}",
                f"{run.times[since]:%Y-%m-%d}",
                _signal(decision, name),
                decision.why(name) if decision is not None else "",
            )
        )
    head = ("coin", "weight", "target", "added", f"{LEFT}held since", f"{LEFT}signal", f"{LEFT}why")
    return _without_empty((head, rows))


def reviews_table(told: Study) -> Table:
    """Every look at the rules: what was decided, who came and went, what it cost, and why nothing was traded."""
    rows, before = [], frozenset[str]()
    for review in told.run.reviews:
        after = frozenset(name for name, weight in review.weights.items() if weight) or before
        is_traded = review.traded_at is not None
        rows.append(
            (
                f"{review.time:%Y-%m-%d}",
                f"{review.traded_at:%Y-%m-%d}" if review.traded_at is not None else "",
                ", ".join(sorted(after - before)),
                ", ".join(sorted(before - after)),
                f"{review.drift:.2%}",
                f"{review.turnover:.2%}" if is_traded else "",
                f"{review.cost * 1e4:.1f}" if is_traded else "",
                review.reason,
            )
        )
        before = after if is_traded else before
    head = ("review", f"{LEFT}traded", f"{LEFT}in", f"{LEFT}out", "drift", "turnover", "cost, bps", f"{LEFT}why")
    return head, rows


def changes_table(told: Study) -> Table:
    """Who came and went, with the reason of the decision; without the first purchase."""
    rows = []
    before: frozenset[str] | None = None
    by_hash = {decision.decision_hash: decision for decision in told.run.decisions if isinstance(decision, Decision)}
    for review in told.run.reviews:
        if review.traded_at is None or not review.weights:
            continue
        after = frozenset(name for name, weight in review.weights.items() if weight)
        for name in sorted(after - before) if before is not None else ():
            rows.append((f"{review.time:%Y-%m-%d}", "in", name, _why_at(by_hash, review, name)))
        for name in sorted(before - after) if before is not None else ():
            rows.append((f"{review.time:%Y-%m-%d}", "out", name, _why_at(by_hash, review, name)))
        before = after
    return ("review", f"{LEFT}", f"{LEFT}coin", f"{LEFT}why"), rows


def costs_table(told: Study) -> Table:
    """What trading cost and what fees took, in USD of the simulated basket and in parts of its mean value."""
    run = told.run
    years = max((run.times[-1] - run.times[0]).days, 1) / 365.0
    mean = float(run.nav.mean())
    paid = {f"trading: {kind}": usd for kind, usd in run.costs.items() if kind != "gas"}
    gas = run.costs["gas"]
    fees = {f"fee: {kind}": usd for kind, (_, usd) in run.fees.items()}
    rows = [
        (name, f"${usd:,.2f}", f"{usd / mean:.3%}", f"{usd / mean / years:.3%}")
        for name, usd in {**paid, **fees}.items()
    ]
    by_whom = "paid by the keeper" if "gas_paid_by" in run.parameters.get("costs", "") and '"keeper"' in run.parameters["costs"] else "gas"  # fmt: skip
    rows.append((f"gas ({by_whom})", f"${gas:,.2f}", f"{gas / mean:.3%}", f"{gas / mean / years:.3%}"))
    rows.append(("turnover, one-way", "", f"{run.turnover:.1%}", f"{run.turnover / years:.1%}"))
    return ("", "USD", "of mean value", "a year"), rows


def tracking_table(told: Study) -> Table:
    """From the level to the token, in bps: in all, a year, and the part of the tracking error."""
    found = tracking_of(told.run)
    rows = [
        (
            TRACKING[name],
            f"{part * 1e4:+.1f}",
            f"{found.yearly[name] * 1e4:+.1f}",
            f"{found.shares[name]:.0%}" if name in found.shares else ABSENT,
        )
        for name, part in found.parts.items()
    ]
    error = ABSENT if found.error.value is None else f"{found.error.value * 1e4:.1f}"
    rows.append(
        ("ln(NAV per token / level)", f"{found.total * 1e4:+.1f}", f"{sum(found.yearly.values()) * 1e4:+.1f}", "")
    )
    rows.append(("tracking error", "", error, ""))
    return ("", "bps", "bps a year", "of the error"), rows


def bill_table(told: Study, *, usd: float = 10_000.0) -> Table:
    """What one investor pays who buys on the first day and redeems on the last."""
    paid = bill_of(told, usd=usd)
    rows = [
        ("put in", f"${paid.put_in:,.2f}"),
        ("without fees it would be", f"${paid.gross:,.2f}"),
        ("mint fee", f"${paid.mint:,.2f}"),
        ("streaming fee", f"${paid.streaming:,.2f}"),
        ("performance fee", f"${paid.performance:,.2f}"),
        ("redeem fee", f"${paid.redeem:,.2f}"),
        ("taken out", f"${paid.net:,.2f}"),
    ]
    return ("one investor", "USD"), rows


def bill_of(told: Study, *, usd: float = 10_000.0) -> Bill:
    """Fees on the level after trading cost, by the contracts' arithmetic."""
    return bill(told.run.nav.tolist(), told.dates, told.spec.fees, usd=usd)


def correlations_table(told: Study) -> Table:
    """Daily returns of the heaviest coins."""
    names = list(told.correlations)
    rows = [(a, *(shown(told.correlations[a][b], "1") for b in names)) for a in names]
    return ("", *names), rows


def luck_table(told: Study) -> Table:
    """Quantiles of what the same days could have become in another order."""
    luck = told.luck
    if luck is None:
        return ("",), []
    names = {"cagr": ("Return a year (CAGR)", "of 1"), "drawdown": ("Deepest drawdown", "of 1"), "sharpe": ("Sharpe ratio", "1")}  # fmt: skip
    rows = [
        (title, *(shown(Measure(value=value), unit) for value in luck.quantiles[name].values()))
        for name, (title, unit) in names.items()
    ]
    return ("", *(f"{q:.0%}" for q in luck.quantiles["cagr"])), rows


def stress_table(told: Study) -> Table:
    """What the holdings of the end would lose in past crashes and in ones that could be, the worst first."""
    rows = [
        (
            str(row["title"]),
            _part(row["loss"]),
            _part(row["exit_cost"]),
            _part(row["total"]),
            ", ".join(str(name) for name in _cells(row["estimated"])) or "",
        )
        for row in _rows(told.risk.get("stress"))
    ]
    head = ("what happens", "loss", "cost of selling", "together", f"{LEFT}estimated for")
    return _without_empty((head, rows)) if rows else (head, rows)


def risk_parts_table(told: Study) -> Table:
    """How much of the risk each coin brings."""
    rows = [
        (
            str(row["id"]),
            _part(row["weight"]),
            _part(row["volatility"]),
            _part(row["volatility_part"]),
            _plain_number(row["beta"]),
            _plain_number(row["exit_days"]),
        )
        for row in _rows(told.risk.get("coins"))
    ]
    return ("coin", "weight", "volatility a year", "part of the risk", "beta", "days to sell"), rows


def concentration_line(told: Study) -> str:
    """One sentence."""
    weights = {
        name: float(weight) for name, weight in zip(told.run.ids, told.run.weights[-1], strict=True) if weight > DUST
    }
    found = concentration(weights)
    name, share = found.largest
    return (
        f"{len(weights)} coins, as concentrated as {found.effective_names:.1f} of equal weight (HHI {found.hhi:.3f}); "
        f"the largest is {name} with {share:.1%}."
    )


def last_decision(told: Study) -> Decision | None:
    """The newest one of a methodology."""
    return next((one for one in reversed(told.run.decisions) if isinstance(one, Decision)), None)


def shown(one: Measure, unit: str, *, places: int = 1) -> str:
    """A measure as text: '12.3 %', '143', '1.92', or a dash."""
    if one.value is None:
        return ABSENT
    if unit == "of 1":
        return f"{one.value:.{places}%}"
    return f"{one.value:.0f}" if unit == "days" else f"{one.value:.2f}"


def _why_at(by_hash: Mapping[str, Decision], review: Review, name: str) -> str:
    decision = by_hash.get(review.decision)
    return "" if decision is None else decision.why(name)


def _signal(decision: Decision | None, name: str) -> str:
    return "" if decision is None else decision.labels.get(name, "")


def _rows(cell: Cell | None) -> list[dict[str, Cell]]:
    return [row for row in cell if isinstance(row, dict)] if isinstance(cell, list) else []


def _cells(cell: Cell) -> list[Cell]:
    return cell if isinstance(cell, list) else []


def _part(cell: Cell) -> str:
    return f"{cell:.1%}" if isinstance(cell, (int, float)) else ABSENT


def _plain_number(cell: Cell) -> str:
    return f"{cell:.2f}" if isinstance(cell, (int, float)) else ABSENT


def _chained(values: Iterable[float]) -> float:
    whole = 1.0
    for value in values:
        whole *= 1.0 + value
    return whole - 1.0


def _without_empty(table: Table) -> Table:
    """Without columns in which nothing stands."""
    head, rows = table
    kept = [k for k in range(len(head)) if k == 0 or any(row[k] for row in rows)]
    return [head[k] for k in kept], [[row[k] for k in kept] for row in rows]
