"""The catalogue as a page: docs/features.md is what `catalogue_page()` gives, and a test holds them together."""

from __future__ import annotations

from offchain.features.catalogue import FEATURES, VERSION, catalogue_table
from offchain.features.feature import CARRY_DAYS, GROUPS

TITLES = {
    "price": "Price",
    "trend": "Trend",
    "momentum": "Momentum",
    "volatility": "Volatility",
    "drawdown": "Drawdown",
    "volume": "Volume",
    "liquidity": "Liquidity",
    "onchain": "On chain",
    "sentiment": "Sentiment",
    "macro": "The market and the world",
    "fundamental": "Fundamentals",
    "cross-section": "A coin among the others",
}


def catalogue_page() -> str:
    """Markdown: what holds for all features, then a table per group."""
    lines = [
        "# Features",
        "",
        f"{len(FEATURES)} data points per coin (version {VERSION}), the newest value or a table of days × coins:",
        "",
        "    from offchain.features import compute, compute_panel, needs",
        '    looked = needs(["momentum_90d", "rsi_14"])',
        '    history = market.history("2021-06-01", days=looked.days, fields=looked.fields)',
        '    compute(history, ["momentum_90d", "rsi_14"]).row("bitcoin")',
        "",
        "- A value depends on the days that *reads* names, the newest included, and on nothing before or after them: the same",
        "  bits from the whole history, from its last days and in a panel computed years later.",
        "- A number that no whole window gives is unknown (NaN), never 0. One unknown day of the coin itself makes it unknown until",
        "  that day has left the window. Where other coins are read, unknown ones are left out of the day; a series such as a",
        f"  rate is carried on for {CARRY_DAYS} days, and counts from the day on which it was published.",
        "- The market, where it is read, is the coins of the history: whoever leaves out stablecoins and copies has it without them.",
        "- A recursion (Wilder's and exponential means) begins inside its window, with the seed that its row names.",
        "- 12 significant digits, from +, −, ×, ÷ and √ only: the same digits on every processor.",
        "- *Warm-up* is one day less than the longest window; a history that is too short or lacks a field gives a reason.",
        "- `catalogue_hash(names)` names the declarations; a model trained on others is refused.",
    ]
    rows = catalogue_table()
    for group in GROUPS:
        members = [row for row in rows if row["group"] == group]
        lines += [
            "",
            f"## {TITLES[group]} ({len(members)})",
            "",
            "| name | what | unit | reads (days) | source |",
            "|---|---|---|---|---|",
        ]
        for row in members:
            what = row["doc"] + (f" Seed: {row['seed']}." if row["seed"] else "")
            cells = (f"`{row['name']}`", what, row["unit"], row["fields"], row["source"])
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
