"""The report as text: short aligned tables with units, for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten

from offchain.pages import Table, render
from offchain.report.build import Report, Week, date_text
from offchain.units import BPS, format_tokens, format_usd

WHY_HELD = {"governor": "fees", "locked": "locked for ever"}
NOTES, NOTE_LENGTH = 12, 180


def report_text(report: Report) -> str:
    """All of it."""
    sections = [
        ("Performance", performance(report)),
        ("Tracking difference: where it went", difference(report)),
        ("Rebalances", rebalances(report)),
        ("Among the largest of the market, and refused", refused(report)),
        ("Trading, all rebalances", trading(report)),
        ("Gas", gas(report)),
        ("Investors, USD at oracle prices", investors(report)),
        ("Every token of the index, in whole tokens", tokens(report)),
    ]
    blocks = [f"{title}\n{render(table)}" for title, table in sections if table[1]]
    remarks = notes(report)
    told = [f"  {shorten(note, NOTE_LENGTH, placeholder=' …')}" for note in remarks[:NOTES]]
    if len(remarks) > NOTES:
        told.append(f"  and {len(remarks) - NOTES} more, in report.html")
    return "\n\n".join([report.title, *blocks, *(["\n".join(["Notes", *told])] if told else []), accounting(report)])


def performance(report: Report) -> Table:
    levels, run = report.levels, report.run
    rows = [
        _performance_row(report, run.symbol, levels.index, run.symbol),
        _performance_row(report, "paper index: no cost, no fee", levels.paper, "paper"),
        _performance_row(report, f"paper index less {run.streaming_bps / 100:g} % a year", levels.paper_after_fee, ""),
    ]
    for coin, series in levels.benchmarks.items():
        rows.append(_performance_row(report, f"{coin}", series, coin))
    return ("", "level", "return", "largest fall", f"{run.symbol} against it"), rows


def _performance_row(report: Report, name: str, series: Sequence[float], key: str) -> tuple[str, ...]:
    ratio = report.levels.index[-1] / series[-1] - 1
    fall = report.falls.get(key)
    return (
        name,
        f"{series[-1]:.2f}",
        f"{series[-1] / series[0] - 1:+.2%}",
        "" if fall is None else f"{-fall:.1%}",
        "" if key == report.run.symbol else f"{ratio:+.2%}",
    )


def difference(report: Report) -> Table:
    track = report.tracking
    total = track.fee_bps + track.trading_bps + track.rest_bps

    def row(name: str, value: float) -> tuple[str, ...]:
        return name, f"{value:+.1f}", f"{value / track.years:+.1f}"

    rows = [
        row("streaming fee", track.fee_bps),
        row("trading cost", track.trading_bps),
        row("rest: gaps left by plans, rounding, timing", track.rest_bps),
        row("ln(index / paper)", total),
        ("return of index − return of paper", f"{track.difference * BPS:+.1f}", ""),
        ("tracking error of daily returns", "", f"{track.error * BPS:.1f}"),
    ]
    return ("", "bps", "bps a year"), rows


def rebalances(report: Report) -> Table:
    head = ("review", "<outcome", "runs", "NAV", "level", "<in", "<out", "drift", "after", "turnover", "bps of NAV", "bps of sold", "swaps", "gas")  # fmt: skip
    return head, [week_cells(report, week) for week in report.weeks]


def week_cells(report: Report, week: Week) -> tuple[str, ...]:
    return (
        week.date,
        week.outcome,
        str(week.runs),
        f"${week.nav_usd:,.0f}",
        f"{week.level:.2f}",
        names(report, week, week.entered),
        names(report, week, week.left),
        percent(week.drift),
        percent(week.drift_after),
        percent(week.turnover),
        number(week.cost_bps),
        number(week.traded_bps),
        str(week.swaps) if week.swaps else "",
        f"{week.gas / 1e6:.2f} M" if week.gas else "",
    )


def trading(report: Report) -> Table:
    facts = report.trading
    rows = [
        ("reviews", f"{len(report.weeks)}", ""),
        ("rebalances", f"{facts.rebalances}", ""),
        ("swaps", f"{facts.swaps}", ""),
        ("coins that entered", str(sum(len(week.entered) for week in report.weeks if week.swaps)), ""),
        ("coins that left", str(sum(len(week.left) for week in report.weeks if week.swaps)), ""),
        ("sold", format_usd(round(facts.sold_usd, 2)), ""),
        ("turnover, one-way", percent(facts.turnover), percent(facts.turnover_yearly)),
        ("cost against the oracle's mid", format_usd(round(facts.cost_usd, 2)), ""),
        ("cost, bps of NAV", number(facts.cost_bps), number(facts.cost_bps_yearly)),
        ("cost, bps of what was sold", number(facts.traded_bps), ""),
        ("gas", f"{facts.gas / 1e6:.1f} M", f"{facts.gas / 1e6 / report.tracking.years:.1f} M"),
    ]
    return ("", "period", "a year"), rows


def gas(report: Report) -> Table:
    order = ["create", "mint", "redeem", "start plan", "swap v2", "swap v3", "end plan", "collect", "transfer"]
    lines = sorted(report.gas, key=lambda line: (order.index(line.operation) if line.operation in order else 99, line.operation))  # fmt: skip
    rows = [
        (line.operation, str(line.count), f"{line.least:,}", f"{line.middle:,}", f"{line.most:,}") for line in lines
    ]
    return ("operation", "times", "least", "median", "most"), rows


def investors(report: Report) -> Table:
    rows = [
        (
            person.who, f"${person.put_in:,.2f}", f"${person.taken_out:,.2f}", f"${person.inside:,.2f}",
            f"{person.gain / person.put_in:+.2%}" if person.put_in else WHY_HELD.get(person.who, ""),
        )
        for person in report.investors
    ]  # fmt: skip
    return ("", "put in", "taken out", "still inside", "result"), rows


def tokens(report: Report) -> Table:
    rows = []
    for line in report.accounting.tokens:
        coin = report.run.coins[line.coin]
        amounts = (line.put_in, line.bought, line.sold, line.taken_out, line.held)
        rows.append(
            (coin.symbol, *(format_tokens(amount, coin.decimals, places=4) for amount in amounts), str(line.difference))
        )
    return ("token", "put in", "bought", "sold", "taken out", "held", "difference"), rows


def accounting(report: Report) -> str:
    lines = [f"  {check}" for check in report.accounting.checks]
    verdict = "every token is accounted for" if report.passed else "NOT every token is accounted for"
    return "\n".join(["Accounting, exact to the base unit", *lines, f"  => {verdict}"])


def notes(report: Report) -> list[str]:
    """What a careful reader should know: days without a price, coins kept out, doubts about data, unfinished reviews."""
    found = []
    for week in report.weeks:
        if week.outcome in ("retry", "halt"):
            found.append(f"{week.date}: the review ended with {week.outcome} after {week.runs} runs: {week.reason}")
        for coin in week.kept_out:
            found.append(f"{week.date}: {coin} ranked among the members, but the chain does not list it")
        for doubt in week.doubts:
            found.append(f"{week.date}: {doubt}")
    for day in report.run.days:
        for coin in day.unpriced:
            found.append(
                f"{date_text(day.time)}: no usable price of {report.run.symbol_of(coin)} on chain; it counts for nothing that day"
            )
    return found


def changes(report: Report) -> Table:
    """Who came and went, and why."""
    rows = []
    for week in report.weeks:
        if not week.swaps:
            continue
        rows += [(week.date, "in", report.run.symbol_of(coin), why) for coin, why in week.entered.items()]
        rows += [(week.date, "out", report.run.symbol_of(coin), why) for coin, why in week.left.items()]
    return ("review", "<", "<coin", "<why"), rows


def refused(report: Report) -> Table:
    """What an index of the largest names in the file, taken as they are, would have held, and why this one does not."""
    weeks: dict[str, list[Week]] = {}
    for week in report.weeks:
        for coin in week.refused:
            weeks.setdefault(coin, []).append(week)
    order = sorted(weeks, key=lambda coin: (-len(weeks[coin]), coin))
    rows = [(coin, str(len(weeks[coin])), weeks[coin][0].date, weeks[coin][0].refused[coin]) for coin in order]
    return ("coin", "reviews", "<first", "<why, the first time"), rows


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def names(report: Report, week: Week, coins: Mapping[str, str]) -> str:
    """Symbols; in brackets what was decided and not traded."""
    text = ", ".join(report.run.symbol_of(coin) for coin in coins)
    return f"({text})" if text and not week.swaps else text
