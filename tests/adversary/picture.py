"""The run as one picture: what each agent had taken from a share by the end of each day, under the bound."""

from __future__ import annotations

from collections.abc import Sequence

from offchain.chain.artifacts import ROOT
from tests.adversary.report import BPS, Result

PICTURE = ROOT / "docs" / "adversary.png"
INK, QUIET, GRID, BOUND = "#1f2933", "#6b7785", "#e4e8ec", "#b23a48"
COLOURS = (
    "#0b5fa5", "#e58a00", "#2a9d6f", "#6f5bb5", "#c9762b", "#4aa3b0", "#a67c52", "#d9779f", "#5f8f45", "#4f6d8f",
    "#979b3b", "#8c7ae6", "#3f8079", "#b98290", "#c9a227", "#7d8894", "#3a7ca5", "#7aa66b",
)  # fmt: skip


def draw(results: Sequence[Result]) -> str:
    """Writes the picture and returns where it is, from the root of the project."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    shown = [result for result in results if not result.is_canary]
    days = max(result.days for result in shown)
    capacity = shown[0].bound / (1 + shown[0].days) / BPS
    figure = Figure(figsize=(11, 6.2), dpi=120, facecolor="white")
    axis = figure.add_axes((0.07, 0.09, 0.7, 0.8))
    axis.plot(
        range(days + 1), [capacity * BPS * (1 + day) for day in range(days + 1)], color=BOUND, linewidth=2, zorder=3
    )
    axis.text(
        days, capacity * BPS * (1 + days), "bound C·(1 + T/W)", color=BOUND, ha="right", va="bottom", fontsize=9.5
    )
    for number, result in enumerate(sorted(shown, key=lambda result: -result.gross)):
        colour = COLOURS[number % len(COLOURS)]
        style = "-" if number % 2 == 0 else (0, (4, 1.5))
        axis.plot(range(days + 1), [0.0, *result.days_of], color=colour, linewidth=1.5, linestyle=style)
        figure.text(
            0.785,
            0.87 - 0.042 * number,
            f"{result.agent}  {result.gross:,.1f}",
            color=colour,
            fontsize=9,
            weight="bold",
        )
    axis.set_title("What hostile agents took from a share", loc="left", color=INK, fontsize=13, weight="bold")
    axis.set_xlabel("day", color=QUIET)
    axis.set_ylabel("bps of NAV at the oracle's prices, gains not set against it", color=QUIET)
    axis.set_xlim(0, days)
    axis.set_ylim(0, None)
    axis.grid(axis="y", color=GRID)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.tick_params(colors=QUIET, length=0)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, metadata={"Software": None})
    return str(PICTURE.relative_to(ROOT))
