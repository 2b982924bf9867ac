"""The published methodology of an index: a Markdown page generated from its file, so that page and rules cannot differ.

    methodology_page(spec)             the text of one page
    stale_pages(), write_pages()       docs/methodologies, a page for every shipped index

The tables hold exactly what the spec hash covers: every key of the file with its default written out, except keys that
came later and change nothing while they have their default.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import cast

from offchain.pages import LEFT, Table, table_markdown
from offchain.research.statements import ADVICE, PAST, RISK
from offchain.spec import IndexSpec, find_spec, index_files
from offchain.spec.auction_rules import AuctionRules
from offchain.spec.family import FAMILIES, family
from offchain.spec.load import INDEXES
from offchain.spec.model import SECTIONS, Component
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.spec.risk_rules import RiskRules
from offchain.spec.signal_rules import SignalRules
from offchain.spec.universe_rules import UniverseRules
from offchain.spec.weight_rules import WeightRules

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "methodologies"

TITLES = {
    "universe": "Which coins may be in it",
    "signals": "What the signals do",
    "weights": "How the coins share it",
    "risk": "How much of it is at risk",
    "rebalance": "When it trades, and inside which limits",
    "auctions": "How it auctions what it sells",
    "fees": "What holders pay",
    "guard": "The most that trading may cost or move",
    "seed": "How it is born",
    "roles": "Who may do what",
    "governance": "Who governs",
    "sleeves": "The indexes it is made of",
    "components": "Tokens on its chain",
    "feeds": "Price feeds that are more than one address",
}

SCHEME_WORDS = {
    "market_cap": "in proportion to their market capitalisation",
    "free_float": "in proportion to the market capitalisation of their free float",
    "sqrt_market_cap": "in proportion to the square root of their market capitalisation",
    "power_market_cap": "in proportion to a power of their market capitalisation",
    "price": "in proportion to their price",
    "volume": "in proportion to their traded volume",
    "equal": "in equal parts",
    "fixed": "in fixed parts",
    "inverse_volatility": "in inverse proportion to their volatility",
    "erc": "so that every coin adds the same risk",
    "min_variance": "so that the whole varies least",
    "max_sharpe": "so that the expected return for each unit of risk is highest",
    "max_diversification": "so that the coins differ most from each other for the risk they have",
    "hrp": "by hierarchical risk parity",
    "sharpe": "in proportion to their Sharpe ratio",
    "conviction": "in proportion to the conviction of their signals",
    "blend": "as a blend of several schemes",
}
# keys that the sentences below put into words; every other one that is used gets a line of its own
UNIVERSE_SAID = (
    "themes", "exclude_themes", "sectors", "rank_by", "rank_also", "rank_days", "skip_top", "coverage", "stay_market_cap_usd",
    "stay_volume_usd", "max_fall", "fall_days", "quarantine_days",
)  # fmt: skip
WEIGHTS_SAID = ("fixed", "blend", "max_weight_largest")
SIGNALS_SAID = ("mode", "exclude")
RISK_SAID = ("stable",)
REBALANCE_SAID = ("triggers", "first_month")

RANK_WORDS = {
    "market_cap": "largest by market capitalisation",
    "free_float": "largest by the market capitalisation of their free float",
    "volume": "most traded",
    "venue_volume": "most traded on the venues it can trade on",
    "momentum": "strongest by momentum",
    "return_consistency": "most consistent by return",
    "volume_consistency": "most consistent by volume",
    "score": "best by the score of their signals",
}


def methodology_page(spec: IndexSpec, *, folder: Path = INDEXES) -> str:
    """The page, in Markdown. The same spec gives the same text. `folder`: where the paths in its file begin."""
    kind = family(spec, folder=folder)
    hashed = json.loads(spec.to_json())["spec"]
    parts = [
        f"# {spec.name} ({spec.symbol})",
        spec.index.description,
        _list(
            (
                f"Methodology hash: `{spec.spec_hash}`",
                f"Family: {kind}: {FAMILIES[kind]}",
                f"Benchmarks: {', '.join(spec.index.benchmarks) or 'none'}, and its passive twin: the same coins by "
                "market capitalisation, without signals or risk rules",
                "Returns and risk: a year has 365 days, days end at 00:00 UTC, prices in US dollars",
                "Weights: integers that sum to exactly 1e18; every limit below holds to the last unit",
            )
        ),
        "## In short",
        _list(_in_short(spec)),
        *[part for name in TITLES if name in hashed for part in _section(spec, name, hashed[name])],
        "## How to check it",
        "Every decision names this hash and the hash of the market data it was made from. "
        f"`ballast explain {spec.symbol} <date>` shows each step with its numbers, and `ballast verify <decision.json>` "
        "computes the decision again from its inputs; one digit of difference is reported.",
        "## Please read",
        _list((PAST, RISK, ADVICE)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_pages(folder: Path = FOLDER) -> list[Path]:
    """A page for every shipped index; pages of indexes that are gone are removed. Returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in stray_pages(folder):
        path.unlink()
    written = []
    for name, text in shipped_pages().items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def stale_pages(folder: Path = FOLDER) -> list[Path]:
    """Pages that are missing, differ from their index file, or have none."""
    differing = [
        folder / name
        for name, text in shipped_pages().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    return [*differing, *stray_pages(folder)]


def shipped_pages() -> dict[str, str]:
    """{file name: text} of every shipped index, and the list of them all."""
    specs = {name: find_spec(path) for name, path in index_files().items()}
    pages = {f"{name}.md": methodology_page(spec) for name, spec in specs.items()}
    return {"README.md": _contents(specs), **pages}


def stray_pages(folder: Path) -> list[Path]:
    """Markdown files in the folder that belong to no shipped index."""
    known = {"README.md", *(f"{name}.md" for name in index_files())}
    return sorted(path for path in folder.glob("*.md") if path.name not in known)


# --- in words ---------------------------------------------------------------------------------------------------------


def _in_short(spec: IndexSpec) -> list[str]:
    if spec.sleeves:
        parts = ", ".join(f"{shown(row.part, 'of 1')} of {row.index} ({row.role})" for row in spec.sleeves)
        said = [f"It holds other indexes: {parts}."]
    else:
        said = [_chosen(spec.universe), *_screens(spec.universe), _shared(spec.weights)]
        said += _also(spec.universe, UNIVERSE_SAID) + _also(spec.weights, WEIGHTS_SAID)
    if spec.signals.mode != "off":
        said += [_read(spec), *_also(spec.signals, SIGNALS_SAID)]
    if spec.risk != type(spec.risk)():
        said += [_at_risk(spec), *_also(spec.risk, RISK_SAID)]
    return [
        *said,
        _reviewed(spec.rebalance),
        *_also(spec.rebalance, REBALANCE_SAID),
        *_auctioned(spec.auctions),
        _paid(spec),
    ]


def _also(part: object, said: Collection[str]) -> list[str]:
    """A line for every key that is not at its default, came after the first index files, and was not put into words above."""
    rows = fields(part)  # type: ignore[arg-type]
    given = [row for row in rows if row.name not in said and row.metadata["later"] | _is_new(part)]
    changed = [row for row in given if getattr(part, row.name) != row.default]
    return [
        f"{row.metadata['doc'].rstrip('.')}: {shown(getattr(part, row.name), row.metadata['unit'])}." for row in changed
    ]


def _is_new(part: object) -> bool:
    """Whether the whole section came later."""
    return isinstance(part, (SignalRules, RiskRules))


def _chosen(rules: UniverseRules) -> str:
    themes = f" of the theme{'s' if len(rules.themes) > 1 else ''} {_or(rules.themes)}" if rules.themes else ""
    sectors = f" of the sector{'s' if len(rules.sectors) > 1 else ''} {_or(rules.sectors)}" if rules.sectors else ""
    among = f" out of {_and(rules.include_only)}" if rules.include_only else ""
    if rules.include_only and rules.top >= len(rules.include_only):
        return f"It holds {_and(rules.include_only)}, each while it passes the screens."
    rank = RANK_WORDS[rules.rank_by]
    if rules.rank_by in ("momentum", "return_consistency", "volume_consistency"):
        rank += f" over {rules.rank_days} days"
    if rules.rank_also:
        rank += f", with their ranks by {_and([name.replace('_', ' ') for name in rules.rank_also])} added up"
    after = f" after the first {rules.skip_top}" if rules.skip_top else ""
    count = f"up to {rules.top}" if rules.coverage else str(rules.top)
    text = f"It holds the {count} coins{themes}{sectors} that are {rank}{after}{among}."
    if rules.coverage:
        text += f" As many of them as hold {shown(rules.coverage, 'of 1')} of the market capitalisation of all that may be in it."
    if rules.buffer:
        text += (
            f" A newcomer needs rank {rules.top - rules.buffer} or better; a coin that is held keeps its place up to rank "
            f"{rules.top + rules.buffer}, so that names do not come and go for noise."
        )
    return text


def _screens(rules: UniverseRules) -> list[str]:
    needed = []
    if rules.min_age_days:
        needed.append(f"a first price at least {rules.min_age_days} days ago")
    if rules.min_market_cap_usd:
        needed.append(f"at least {_held(rules.min_market_cap_usd, rules.stay_market_cap_usd)} of market capitalisation")
    if rules.min_volume_usd:
        least = _held(rules.min_volume_usd, rules.stay_volume_usd)
        needed.append(f"a median of {least} traded a day over {rules.volume_days} days")
    said = [f"A coin needs {_and(needed)}."] if needed else []
    never = [*rules.exclude_classes, *rules.exclude_themes, *rules.exclude]
    if never:
        said.append(f"It never holds: {', '.join(never)}.")
    if rules.max_fall:
        said.append(
            f"A coin that fell by more than {shown(rules.max_fall, 'of 1')} within {rules.fall_days} days is out for "
            f"{rules.quarantine_days} days."
        )
    return said


def _held(enter: float, stay: float) -> str:
    return shown(enter, "USD") + (f" ({shown(stay, 'USD')} once it is held)" if stay else "")


def _shared(rules: WeightRules) -> str:
    how = SCHEME_WORDS[rules.scheme]
    if rules.scheme == "fixed":
        how += f" ({shown(rules.fixed, '')})"
    if rules.scheme == "blend":
        how += f" ({shown(rules.blend, '')})"
    limits = []
    if rules.max_weight_largest:
        limits.append(
            f"the largest at most {shown(rules.max_weight_largest, 'of 1')}, all others {shown(rules.max_weight, 'of 1')}"
        )
    elif rules.max_weight < 1:
        limits.append(f"none above {shown(rules.max_weight, 'of 1')}")
    if rules.min_weight:
        limits.append(f"none below {shown(rules.min_weight, 'of 1')}")
    cut = " What is cut goes to the others in proportion, until nothing is above." if rules.max_weight < 1 else ""
    return f"The coins share it {how}{', ' + ' and '.join(limits) if limits else ''}.{cut}"


def _read(spec: IndexSpec) -> str:
    rules = spec.signals
    who = (
        "a trained model"
        if rules.mode == "model"
        else f"written rules over {len(rules.use)} feature{'s' if len(rules.use) != 1 else ''}"
    )
    out = f" Coins that are {_or(rules.exclude)} stay out." if rules.exclude else ""
    return f"Each coin is called bullish, neutral or bearish by {who}.{out} Coins with too little data are neutral."


def _at_risk(spec: IndexSpec) -> str:
    stable = _and(spec.risk.stable_ids)
    if not stable:
        return "Limits on risk apply:"
    return f"Part of it can be held in {stable} instead of coins at risk; of all rules that apply the strictest counts:"


def _reviewed(rules: RebalanceRules) -> str:
    if rules.calendar == "never":
        return "It is a basket: bought once and never rebalanced."
    months = _and([calendar.month_name[month] for month in range(1, 13) if _is_month(rules, month)])
    when = {
        "daily": "every day",
        "weekly": f"every {rules.weekday.title()}",
        "monthly": "on the 1st of each month",
        "quarterly": f"on the 1st of {months}",
        "semiannual": f"on the 1st of {months}",
    }[rules.calendar]
    more = f" It is also reviewed on {_or(rules.triggers)}." if rules.triggers else ""
    return (
        f"It is reviewed {when} at 00:00 UTC, on what was known then, and traded afterwards. Nothing is traded while its "
        f"weights are within {shown(rules.drift_band, 'of 1')} of their targets (one-way).{more}"
    )


def _auctioned(rules: AuctionRules) -> list[str]:
    if not rules.are_on:
        return []
    who = {
        "never": "The keeper swaps; who may open an auction can do so all the same.",
        "rest": "The keeper auctions what it cannot swap.",
        "first": "The keeper auctions a plan first, and swaps what is left.",
    }[rules.use]
    return [
        f"What it sells may be auctioned: the price falls from at most {shown(rules.max_premium_bps, 'bps')} above the "
        f"oracle's to at most {shown(rules.max_discount_bps, 'bps')} below it, within at most {rules.max_minutes} minutes. {who}"
    ]


def _is_month(rules: RebalanceRules, month: int) -> bool:
    """Whether the 1st of this month is a review of a quarterly or semiannual calendar."""
    return rules.is_review_day(date(2024, month, 1))


def _paid(spec: IndexSpec) -> str:
    fees = spec.fees
    parts = [f"{shown(fees.streaming_bps, 'bps')} a year"] if fees.streaming_bps else []
    parts += [f"{shown(fees.mint_bps, 'bps')} when shares are minted"] if fees.mint_bps else []
    parts += [f"{shown(fees.redeem_bps, 'bps')} when they are redeemed"] if fees.redeem_bps else []
    parts += [f"{shown(fees.performance_bps, 'bps')} of new gains"] if fees.performance_bps else []
    traded = spec.auctions.rebalance_fee_bps + spec.auctions.keeper_tip_bps
    parts += [f"{shown(traded, 'bps')} of what a rebalance turns over"] if traded else []
    return f"Holders pay {_and(parts)}." if parts else "Holders pay no fee to the index."


# --- every key --------------------------------------------------------------------------------------------------------


def _section(spec: IndexSpec, name: str, hashed: object) -> list[str]:
    if not hashed:
        return []
    if isinstance(hashed, list):
        return [f"## {TITLES[name]}", table_markdown(_list_table(getattr(spec, name)))]
    return [f"## {TITLES[name]}", table_markdown(_key_table(spec, name, tuple(cast("dict[str, object]", hashed))))]


def _key_table(spec: IndexSpec, section: str, keys: Sequence[str]) -> Table:
    """Key, value, unit and meaning, in the order of the file's table of keys."""
    part = getattr(spec, section)
    rows = [
        (
            f"`{row.name}`",
            shown(getattr(part, row.name), row.metadata["unit"]),
            row.metadata["unit"] or "",
            row.metadata["doc"],
        )
        for row in fields(SECTIONS[section])
        if row.name in keys
    ]
    return (f"`[{section}]`", f"{LEFT}value", f"{LEFT}unit", f"{LEFT}meaning"), rows


def _list_table(parts: Sequence[object]) -> Table:
    """One row for each of [[components]], [[feeds]] or [[sleeves]], with the keys that any of them gives."""
    names = [row.name for row in fields(parts[0])]  # type: ignore[arg-type]
    units = {row.name: row.metadata["unit"] for row in fields(parts[0])}  # type: ignore[arg-type]
    used = [name for name in names if any(getattr(part, name) not in ("", (), 0) for part in parts)]
    if isinstance(parts[0], Component):
        used = ["symbol", "id", "address", "decimals", "feed"]
    head = [used[0], *(f"{LEFT}{name}" for name in used[1:])]
    return head, [[shown(getattr(part, name), units[name]) for name in used] for part in parts]


def shown(value: object, unit: str) -> str:
    """A value of the file for a reader: 0.25 of 1 → '25 %', 95 bps → '95 bps (0.95 %)', 5e6 USD → '$5,000,000'."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(_item(item) for item in value) or "none"
    if isinstance(value, (int, float)):
        return _number(float(value), unit)
    return str(value) or "none"


def _item(item: object) -> str:
    return f"{item[0]} {item[1]:g}" if isinstance(item, tuple) else str(item)


def _number(value: float, unit: str) -> str:
    if unit in (
        "of 1",
        "of NAV",
        "of the peak",
        "of its weight",
        "of max_shift",
        "of the peg",
        "of supply",
        "of 1, one way",
    ):
        return f"{value * 100:.10g} %"
    if unit.startswith("bps"):
        return f"{value:,.0f} bps ({value / 100:.10g} %)"
    if unit.startswith("USD"):
        return f"${value:,.10g}" if value < 1e6 else f"${value:,.0f}"
    return f"{value:,.10g}"


def _contents(specs: dict[str, IndexSpec]) -> str:
    rows = [
        (f"[{spec.symbol}]({name}.md)", spec.name, family(spec), spec.index.description, spec.rebalance.calendar, f"`{spec.spec_hash[:10]}…`")
        for name, spec in specs.items()
    ]  # fmt: skip
    return "\n\n".join(
        [
            "# Methodologies",
            "One page for each shipped index, generated from its file in `offchain/indexes` by `ballast methodology --write`; "
            "a test fails while a page is not what its file says.",
            table_markdown(
                (
                    (
                        "index",
                        f"{LEFT}name",
                        f"{LEFT}family",
                        f"{LEFT}what it holds",
                        f"{LEFT}reviewed",
                        f"{LEFT}methodology hash",
                    ),
                    rows,
                )
            ),
            f"{PAST} {ADVICE}\n",
        ]
    )


def _and(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
