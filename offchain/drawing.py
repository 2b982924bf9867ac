"""How pictures look: colours, headings, labels at the ends of lines that never cover each other. Shared by every report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import matplotlib

matplotlib.use("Agg")

import matplotlib.dates as mdates  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

INK, QUIET, GRID = "#1f2933", "#6b7785", "#e4e8ec"
INDEX, PAPER, BITCOIN, ETHER = "#0b5fa5", "#8a94a0", "#e58a00", "#6f5bb5"
GOOD, FEE, TRADING, REST = "#2a9d6f", "#c9762b", "#b23a48", "#7d8894"
COINS = (
    "#c9a227", "#2a9d8f", "#3a7ca5", "#7aa66b", "#c8553d", "#b0609b", "#4aa3b0", "#a67c52", "#d9779f", "#5f8f45",
    "#4f6d8f", "#979b3b", "#b5651d", "#8c7ae6", "#3f8079", "#b98290",
)  # fmt: skip
REST_OF_COINS = "#c5ccd3"
FIXED = {"bitcoin": BITCOIN, "ethereum": ETHER}


def colours_of(coins: Iterable[str]) -> dict[str, str]:
    """Coin → colour, in the given order; bitcoin and ethereum have theirs in every panel."""
    rest = iter(COINS)
    return {coin: FIXED.get(coin) or next(rest, REST_OF_COINS) for coin in coins}


def moment(date: str) -> float:
    return float(mdates.date2num(datetime.fromisoformat(date)))


def heading(axis: Axes, name: str, explained: str) -> None:
    axis.set_title(name, loc="left", fontsize=12.5, color=INK, weight="bold", pad=7)
    axis.annotate(
        explained, xy=(0, 1), xytext=(12.5 * 0.62 * len(name) + 14, 7.5), xycoords="axes fraction", textcoords="offset points",
        fontsize=9.5, color=QUIET, va="bottom",
    )  # fmt: skip


def spread_labels(axis: Axes, labels: Sequence[tuple[str, float, str]], *, gap: float) -> None:
    """Names at the line ends, moved apart until none covers another. `gap` as a share of the panel's height."""
    axis.figure.canvas.draw()  # fixes the limits and the scale
    low, high = axis.get_ylim()
    to_share = axis.transAxes.inverted()
    wanted = sorted(
        (float(to_share.transform(axis.transData.transform((0.0, value)))[1]), text, colour)
        for text, value, colour in labels
    )
    placed = apart([share for share, _, _ in wanted], gap)
    for (share, text, colour), where in zip(wanted, placed, strict=True):
        axis.annotate(
            text, xy=(1.0, share), xytext=(1.015, where), xycoords="axes fraction", textcoords="axes fraction", fontsize=9.5,
            color=colour, va="center", weight="bold", annotation_clip=False, parse_math=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0} if abs(share - where) > 0.01 else None,
        )  # fmt: skip
    axis.set_ylim(low, high)


def apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Ascending positions at least `gap` apart, as close to the wanted ones as a few sweeps get them."""
    places = list(wanted)
    for _ in range(200):
        for k in range(1, len(places)):
            lack = gap - (places[k] - places[k - 1])
            if lack > 1e-9:
                places[k - 1] -= lack / 2
                places[k] += lack / 2
    return places


def polish(axis: Axes, *, has_dates: bool = True) -> None:
    """A quiet frame; with `has_dates` the horizontal axis is one of days."""
    axis.grid(axis="y", color=GRID, linewidth=0.8)
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(GRID)
    axis.tick_params(colors=QUIET, labelsize=9, length=0)
    if not has_dates:
        return
    locator = mdates.AutoDateLocator(minticks=5, maxticks=13)
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator, show_offset=False))
