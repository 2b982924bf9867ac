"""The report as one picture: weights over time, levels, what rebalancing moved and cost, where the difference went."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.dates as mdates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from offchain.drawing import (
    FEE,
    GOOD,
    INDEX,
    INK,
    PAPER,
    QUIET,
    REST,
    TRADING,
    colours_of,
    heading,
    moment,
    polish,
    spread_labels,
)
from offchain.report.build import Report, date_text
from offchain.units import D27, NANO, WAD

SIZE = (13.0, 14.5)  # {inch}
DPI = 120
THIN_BAND, THICK_BAND = 0.033, 0.045  # a band must be that thick to carry its name, in small or in normal letters
PLAIN_NAMES = {"bitcoin": "BTC", "ethereum": "ETH"}


def draw(report: Report, path: Path) -> None:
    """Writes the picture."""
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
    grid = figure.add_gridspec(
        4, 1, height_ratios=(1.6, 1.25, 0.8, 0.8), left=0.07, right=0.87, top=0.905, bottom=0.045, hspace=0.34
    )
    axes = [figure.add_subplot(grid[row]) for row in range(4)]
    title(figure, report)
    draw_weights(axes[0], report)
    draw_levels(axes[1], report)
    draw_rebalances(axes[2], report)
    draw_difference(axes[3], report)
    dates = days(report)
    for axis in axes:
        axis.set_xlim(dates[0], dates[-1])
        polish(axis)
    figure.savefig(path, metadata={"Software": None})


def title(figure: Figure, report: Report) -> None:
    run, last = report.run, report.run.days[-1]
    first, end = (mdates.num2date(number) for number in (days(report)[0], days(report)[-1]))
    facts = (
        f"market: {run.market}   ·   {first:%d %b %Y} to {end:%d %b %Y}   ·   NAV ${last.nav / NANO:,.0f}, "
        f"${last.nav_per_share / D27 / NANO * WAD:,.2f} a share   ·   {report.trading.rebalances} rebalances in {len(report.weeks)} reviews"
    )
    verdict, colour = ("every token accounted for", GOOD) if report.passed else ("ACCOUNTING FAILED", TRADING)
    figure.text(0.07, 0.975, f"{run.name} ({run.symbol})", fontsize=19, color=INK, weight="bold", va="center", parse_math=False)  # fmt: skip
    figure.text(0.07, 0.952, facts, fontsize=10.5, color=QUIET, va="center", parse_math=False)
    figure.text(0.985, 0.975, verdict, fontsize=10.5, color=colour, weight="bold", va="center", ha="right")


# --- panels -----------------------------------------------------------------------------------------------------------


def draw_weights(axis: Axes, report: Report) -> None:
    """Stacked, the largest at the bottom, each band named where it is thickest, and at the end."""
    heading(axis, "Weights", "share of NAV, each day at 00:00 UTC before trading")
    dates, coins, symbol = days(report), list(report.weights), report.run.symbol_of
    colours = colours_of(coins)
    series = [report.weights[coin] for coin in coins]
    axis.stackplot(
        dates, *series, colors=[colours[coin] for coin in coins], edgecolor="white", linewidth=0.35, step="post"
    )
    floor = [0.0] * len(dates)
    for coin, weights in zip(coins, series, strict=True):
        for start, stop in spells(weights):
            name_band(axis, dates, weights, floor, start, stop, symbol(coin))
        floor = [low + weight for low, weight in zip(floor, weights, strict=True)]
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    held = [(k, coin) for k, coin in enumerate(coins) if series[k][-1] > 0.001]
    labels = [(f"{symbol(coin)} {series[k][-1]:.0%}", floor_at_end(series, k), colours[coin]) for k, coin in held]
    spread_labels(axis, labels, gap=0.042)


def floor_at_end(series: Sequence[Sequence[float]], position: int) -> float:
    """Middle of a band on the last day."""
    return sum(weights[-1] for weights in series[:position]) + series[position][-1] / 2


def spells(weights: Sequence[float]) -> list[tuple[int, int]]:
    """Stretches [start, stop) in which a coin is held."""
    found, start = [], None
    for day, weight in enumerate([*weights, 0.0]):
        if weight > 0.0005 and start is None:
            start = day
        elif weight <= 0.0005 and start is not None:
            found.append((start, day))
            start = None
    return found


def name_band(
    axis: Axes,
    dates: Sequence[float],
    weights: Sequence[float],
    floor: Sequence[float],
    start: int,
    stop: int,
    name: str,
) -> None:
    """The coin's name inside its band, if it is there long and thick enough."""
    if stop - start < len(dates) * 0.05:
        return
    inner = range(start + (stop - start) // 4, max(start + 1, stop - (stop - start) // 4))
    best = max(inner, key=lambda day: weights[day])
    if weights[best] >= THIN_BAND:
        size = 9.5 if weights[best] >= THICK_BAND else 6.5
        middle = floor[best] + weights[best] / 2
        axis.text(dates[best], middle, name, ha="center", va="center", fontsize=size, color="white", weight="bold", parse_math=False)  # fmt: skip


def draw_levels(axis: Axes, report: Report) -> None:
    """The index against its paper twin and the benchmarks, rebased to 100."""
    levels, run, dates = report.levels, report.run, days(report)
    everything = [*levels.index, *levels.paper, *(value for series in levels.benchmarks.values() for value in series)]
    is_wide = max(everything) / min(everything) > 4
    heading(axis, "Level", "start = 100" + (", logarithmic scale" if is_wide else ""))
    labels = []
    colours = colours_of(levels.benchmarks)
    for coin, series in levels.benchmarks.items():
        axis.plot(dates, series, color=colours[coin], linewidth=1.3, alpha=0.9)
        name = PLAIN_NAMES.get(coin, run.symbol_of(coin))
        labels.append((f"{name} {series[-1]:.1f}", series[-1], colours[coin]))
    axis.plot(dates, levels.paper, color=PAPER, linewidth=1.6, linestyle=(0, (3, 1.5)))
    axis.plot(dates, levels.index, color=INDEX, linewidth=2.4)
    for name, series, colour in (("paper", levels.paper, QUIET), (run.symbol, levels.index, INDEX)):
        labels.append((f"{name} {series[-1]:.1f}", series[-1], colour))
    if is_wide:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(which="minor", length=0)
    axis.axhline(100, color=QUIET, linewidth=0.7)
    spread_labels(axis, labels, gap=0.075)


def draw_rebalances(axis: Axes, report: Report) -> None:
    """Bars up: one-way turnover; bars down: cost in bps of NAV; ticks where the review traded nothing."""
    facts = report.trading
    heading(
        axis,
        "Rebalances",
        f"turnover of NAV up ({facts.turnover:.0%} in all), cost in bps of NAV down ({facts.cost_bps:.1f} in all, {facts.traded_bps:.0f} bps of what was sold)",
    )
    width = 3.4
    most = max((week.turnover or 0.0 for week in report.weeks), default=0.0) or 0.01
    dearest = max((week.cost_bps or 0.0 for week in report.weeks), default=0.0) or 1.0
    scale = (
        0.6 * most / dearest
    )  # one axis, two units: the deepest cost bar is 60 % as long as the tallest turnover bar
    for week in report.weeks:
        date = moment(week.date)
        if week.turnover is None:
            axis.plot([date], [0], marker="|", color=QUIET, markersize=5)
            continue
        axis.bar(date, week.turnover, width=width, color=INDEX, alpha=0.85)
        axis.bar(date, -(week.cost_bps or 0.0) * scale, width=width, color=TRADING, alpha=0.85)
        changed = len(week.entered)
        if changed:
            axis.text(date, week.turnover, "\n".join(report.run.symbol_of(coin) for coin in week.entered), ha="center", va="bottom", fontsize=7, color=INK, linespacing=0.9)  # fmt: skip
    axis.set_ylim(-0.75 * most, 1.32 * most)
    axis.axhline(0, color=INK, linewidth=0.7)
    up = [most * part for part in (1.0, 0.5)]
    down = [-0.6 * most, -0.3 * most]
    axis.set_yticks([*up, 0, *down])
    axis.set_yticklabels([*(f"{value:.1%}" for value in up), "0", *(f"{-value / scale:.1f} bps" for value in down)])


def draw_difference(axis: Axes, report: Report) -> None:
    """ln(index / paper) and its parts, cumulative, in bps."""
    split, dates, track = report.parts, days(report), report.tracking
    heading(
        axis,
        "Tracking difference",
        f"ln(index / paper) in bps, cumulative   ·   {track.relative:+.2%} over the period, {track.yearly:+.2%} a year",
    )
    axis.axhline(0, color=INK, linewidth=0.7)
    for series, colour, line in ((split.fee, FEE, 1.6), (split.trading, TRADING, 1.6), (split.rest, REST, 1.2), (split.total, INDEX, 2.4)):  # fmt: skip
        axis.plot(dates, series, color=colour, linewidth=line, drawstyle="steps-post" if series is split.trading else "default")  # fmt: skip
    labels = [
        (f"fee {split.fee[-1]:+.0f}", split.fee[-1], FEE),
        (f"trading {split.trading[-1]:+.0f}", split.trading[-1], TRADING),
        (f"rest {split.rest[-1]:+.0f}", split.rest[-1], REST),
        (f"difference {split.total[-1]:+.0f}", split.total[-1], INDEX),
    ]
    spread_labels(axis, labels, gap=0.13)


# --- small things -----------------------------------------------------------------------------------------------------


def days(report: Report) -> list[float]:
    """Matplotlib's numbers of the days."""
    return [moment(date_text(day.time)) for day in report.run.days]
