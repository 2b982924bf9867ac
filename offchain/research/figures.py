"""The pictures of a report as SVG that stands inside a page: text stays text, nothing is loaded from elsewhere."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape

import matplotlib
import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from offchain.analytics.measures import drawdown_line
from offchain.drawing import (
    BITCOIN,
    ETHER,
    GOOD,
    INDEX,
    INK,
    PAPER,
    QUIET,
    REST_OF_COINS,
    TRADING,
    colours_of,
    heading,
    polish,
    spread_labels,
)
from offchain.research.study import Study

WIDTH = 11.0  # {inch}
MOST_BANDS = 14  # coins with a band of their own; the rest share one
FONTS = ["system-ui", "DejaVu Sans"]


def figure(svg: str, caption: str) -> str:
    """A picture in a page, with words for who cannot see it."""
    return f'<figure role="img" aria-label="{escape(caption)}">{svg}<figcaption>{escape(caption)}</figcaption></figure>'


def level_figure(told: Study) -> str:
    """The index, its twin and its benchmarks, from 100."""
    picture, axis = _figure(3.9, right=0.82)
    everything = [float(value) for line in told.lines.values() for value in (line.min(), line.max())]
    is_wide = max(everything) / min(everything) > 3
    heading(axis, "Level", "after all cost and fees, start = 100" + (", logarithmic scale" if is_wide else ""))
    labels = []
    for name, line in reversed(list(told.lines.items())):
        colour, width, dashes = _line_style(told, name)
        values = line / line[0] * 100.0
        axis.plot(_days(told), values, color=colour, linewidth=width, linestyle=dashes)
        labels.append((f"{_short(name)} {values[-1]:,.0f}", float(values[-1]), colour))
    if is_wide:
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0, 7.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.axhline(100, color=QUIET, linewidth=0.7)
    _finish(axis, told)
    spread_labels(axis, labels, gap=0.075)
    return _svg(picture, "level")


def drawdown_figure(told: Study) -> str:
    """How far each line is below its highest level so far."""
    picture, axis = _figure(2.7, right=0.82)
    heading(axis, "Drawdown", "fall below the highest level so far")
    labels = []
    for name, line in reversed(list(told.lines.items())):
        colour, width, dashes = _line_style(told, name)
        falls = [-fall for fall in drawdown_line(line.tolist())]
        if name == told.spec.symbol:
            axis.fill_between(_days(told), falls, 0, color=colour, alpha=0.15, linewidth=0)
        axis.plot(_days(told), falls, color=colour, linewidth=width * 0.8, linestyle=dashes)
        labels.append((f"{_short(name)} {min(falls):.0%}", falls[-1], colour))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _finish(axis, told)
    spread_labels(axis, labels, gap=0.105)
    return _svg(picture, "drawdown")


def weights_figure(told: Study) -> str:
    """What it held, stacked; the largest at the bottom."""
    picture, axis = _figure(3.9, right=0.82)
    heading(axis, "Weights", "after the trades of each day; target weights change at reviews")
    weights, ids = np.nan_to_num(told.run.weights), told.run.ids
    order = sorted(range(len(ids)), key=lambda k: (-float(weights[:, k].sum()), ids[k]))
    shown, rest = order[:MOST_BANDS], order[MOST_BANDS:]
    series = [weights[:, k] for k in shown] + ([weights[:, rest].sum(axis=1)] if rest else [])
    names = [ids[k] for k in shown]
    colours = [*colours_of(names).values(), *([REST_OF_COINS] if rest else [])]
    axis.stackplot(_days(told), *series, colors=colours, edgecolor="white", linewidth=0.3, step="post")
    axis.set_ylim(0, 1)
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    labels, floor = [], 0.0
    for name, line, colour in zip([*names, "others"], series, colours, strict=False):
        last = float(line[-1])
        if last > 0.001:
            labels.append((f"{name} {last:.0%}", floor + last / 2, colour))
        floor += last
    _finish(axis, told)
    spread_labels(axis, labels, gap=0.047)
    return _svg(picture, "weights")


def decisions_figure(told: Study) -> str:
    """From the benchmark to what the holder got, one decision after the other."""
    picture, axis = _figure(2.9, right=0.97)
    heading(axis, "Where the return came from", "decision by decision; the steps add up exactly")
    before, reached = 0.0, [0.0]
    names = list(told.decisions.parts)
    for k, name in enumerate(names):
        part = told.decisions.parts[name]
        colour = QUIET if k == 0 and name == "benchmark" else (GOOD if part >= 0 else TRADING)
        axis.bar(k, part, bottom=before, width=0.62, color=colour)
        low, high = sorted((before, before + part))
        axis.annotate(f"{part:+.1%}", xy=(k, high), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9, color=INK)  # fmt: skip
        axis.plot([k - 0.31, k + 1.31], [before + part] * 2, color=QUIET, linewidth=0.6)
        before += part
        reached.append(before)
    axis.bar(len(names), before, width=0.62, color=INDEX)
    axis.annotate(f"{before:+.1%}", xy=(len(names), max(before, 0)), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9, color=INK, weight="bold")  # fmt: skip
    axis.set_xticks(range(len(names) + 1))
    base = next(iter(told.lines.keys() & set(told.spec.index.benchmarks)), "benchmark")
    axis.set_xticklabels([_benchmark_name(told, base) if name == "benchmark" else name for name in names] + [told.spec.symbol])  # fmt: skip
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.axhline(0, color=INK, linewidth=0.7)
    _leave_room(axis, reached)
    polish(axis, has_dates=False)
    return _svg(picture, "decisions")


def components_figure(told: Study, *, most: int = 12) -> str:
    """What each coin added, the best and the worst of them."""
    parts = sorted(told.components.parts.items(), key=lambda pair: (-abs(pair[1]), pair[0]))
    shown = sorted(parts[:most], key=lambda pair: pair[1])
    rest = sum(part for _, part in parts[most:])
    rows = [*([("other coins", rest)] if parts[most:] else []), ("trading cost", told.components.rest), *shown]
    picture, axis = _figure(0.9 + 0.25 * len(rows), right=0.9, left=0.2)
    heading(axis, "What each coin added", "part of the value at the start, before fees of the index")
    for k, (_, part) in enumerate(rows):
        axis.barh(k, part, color=GOOD if part >= 0 else TRADING, height=0.66)
        axis.annotate(f"{part:+.1%}", xy=(part, k), xytext=(4 if part >= 0 else -4, 0), textcoords="offset points", va="center", ha="left" if part >= 0 else "right", fontsize=8.5, color=INK)  # fmt: skip
    axis.set_yticks(range(len(rows)))
    axis.set_yticklabels([name for name, _ in rows])
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.axvline(0, color=INK, linewidth=0.7)
    axis.margins(x=0.16)
    polish(axis, has_dates=False)
    return _svg(picture, "components")


def delay_figure(told: Study) -> str:
    """The result when every trade comes so many days after its decision; empty without a curve."""
    known = [(delay.days, delay.total_return) for delay in told.delays if delay.total_return is not None]
    if len(known) < 2:
        return ""
    picture, axis = _figure(2.2, right=0.97)
    heading(
        axis, "If trades came late", "return over the same days, by days from a decision to its trade; 0 cannot be had"
    )
    for days, value in known:
        axis.bar(str(days), value, width=0.5, color=INDEX if days == 1 else PAPER)
        axis.annotate(f"{value:+.1%}", xy=(str(days), max(value, 0.0)), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9, color=INK)  # fmt: skip
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.axhline(0, color=INK, linewidth=0.7)
    _leave_room(axis, [0.0, *(value for _, value in known)])
    polish(axis, has_dates=False)
    return _svg(picture, "delay")


# --- small things -----------------------------------------------------------------------------------------------------


def _figure(height: float, *, right: float, left: float = 0.07) -> tuple[Figure, Axes]:
    with _style("figure"):
        picture = Figure(figsize=(WIDTH, height))
        axis = picture.add_axes((left, 0.33 / height, right - left, 1 - 0.75 / height))
    picture.patch.set_alpha(0)
    axis.patch.set_alpha(0)
    return picture, axis


def _leave_room(axis: Axes, values: Sequence[float]) -> None:
    """For the numbers above the bars."""
    low, high = min(values), max(values)
    room = 0.16 * ((high - low) or 1.0)
    axis.set_ylim(low - (room / 2 if low < 0 else 0.0), high + room)


def _finish(axis: Axes, told: Study) -> None:
    days = _days(told)
    axis.set_xlim(days[0], max(days[-1], days[0] + 1))
    polish(axis)


def _days(told: Study) -> Sequence[float]:
    return [float(mdates.date2num(time)) for time in told.run.times]


def _line_style(told: Study, name: str) -> tuple[str, float, str | tuple[int, tuple[float, float]]]:
    if name == told.spec.symbol:
        return INDEX, 2.4, "-"
    if name == f"{told.spec.symbol} passive":
        return PAPER, 1.7, (0, (3.0, 1.5))
    colour = {"bitcoin": BITCOIN, "ethereum": ETHER}.get(name, REST_OF_COINS)
    return colour, 1.3, "-"


def _short(name: str) -> str:
    return {"bitcoin": "BTC", "ethereum": "ETH"}.get(name, "passive" if name.endswith(" passive") else name)


def _benchmark_name(told: Study, base: str) -> str:
    return next((_short(name) for name in told.spec.index.benchmarks if name in told.lines), base)


def _style(name: str) -> AbstractContextManager[None]:
    """Fonts of the reader's system, text as text, and identifiers that depend on the name of the picture only."""
    return matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.sans-serif": FONTS}
    )


def _svg(picture: Figure, name: str) -> str:
    """The same study gives the same bytes: no date in it, and identifiers that depend on the name of the picture only."""
    text = io.StringIO()
    with _style(name):
        picture.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    body = re.sub(r"<metadata>.*?</metadata>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    # identifiers of several pictures on one page must not meet
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'xlink:href="#{name}-\1"', body)
    return re.sub(
        r'<svg ([^>]*?)width="[^"]+" ',
        r"<svg \1",
        re.sub(r'(<svg [^>]*?)height="[^"]+" ', r"\1", body, count=1),
        count=1,
    )
