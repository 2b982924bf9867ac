"""One page about all indexes: what they hold, their level and returns, the phase of the market, alerts, and how much they overlap.

cards, alerts = look(desk, date="latest", start="2024-01-01")
dashboard_html(cards, alerts, …)                   self-contained, light and dark; the same input gives the same bytes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date as Day
from datetime import datetime
from html import escape

from offchain.analytics.exposure import overlaps
from offchain.analytics.measures import Measure
from offchain.analytics.periods import trailing
from offchain.errors import BallastError
from offchain.pages import LEFT, STYLE, Table, page, table_html
from offchain.research.statements import LIVE, statements
from offchain.research.tables import shown
from offchain.service.alerts import Alert, watch
from offchain.service.desk import HORIZONS, Desk
from offchain.service.live import Live
from offchain.spec.family import family
from offchain.units import format_percent, format_usd, from_wad

TITLES = {"day": "1 day", "week": "1 week", "month": "1 month", "inception": "since the start"}
MORE_STYLE = """
.quiet { color: #6b7785; font-size: 13px; } section { border-top: 1px solid #8884; margin-top: 1.5rem; }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: .6rem 0; padding: 0; list-style: none; }
.tiles li { border: 1px solid #8884; border-radius: 8px; padding: .4rem .7rem; min-width: 6.5rem; }
.tiles b { display: block; font-size: 1.15rem; font-variant-numeric: tabular-nums; } .tiles span { font-size: 12px; color: #6b7785; }
svg { width: 100%; height: 90px; color: #0b5fa5; } nav a { margin-right: .8rem; } .live { color: #2a9d6f; font-weight: 600; }
@media (prefers-color-scheme: dark) { .quiet, .tiles span { color: #9aa5b1; } svg { color: #6ab0f3; } a { color: #6ab0f3; } .fail { color: #ff6b6b; } }
"""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """One coin. Parts of 1: `target` of the decision now, `held` by the backtest, `live` on the chain, None when nobody looked."""

    id: str
    target: float
    held: float
    live: float | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """One index. `refused`: why there is nothing to show. `levels`: net, one for each of `dates`; `phase`: "" without signals."""

    symbol: str
    name: str
    family: str
    spec_hash: str
    holdings: tuple[Holding, ...] = ()
    dates: tuple[Day, ...] = ()
    levels: tuple[float, ...] = ()
    returns: Mapping[str, Measure] = field(default_factory=dict)
    phase: str = ""
    decision_hash: str = ""
    target_weights: Mapping[str, int] = field(default_factory=dict)
    live: Live | None = None
    refused: str = ""


def look(
    desk: Desk, *, date: str = "", start: str = "", live: Mapping[str, Live] | None = None
) -> tuple[tuple[Card, ...], tuple[Alert, ...]]:
    """(a card of each index, by symbol, alerts of all). `live`: {symbol: what is held on the chain}, which alerts then are about."""
    t, there = desk.time(date), live or {}
    held: dict[str, Mapping[str, float]] = {symbol: one.weights for symbol, one in there.items()}
    levels: dict[str, Sequence[float]] = {}
    cards = []
    for symbol in desk.indexes_by_symbol:
        try:
            run = desk.run(symbol, start, date)
            held.setdefault(symbol, run.holdings(t))
            levels[symbol] = run.net.tolist()
            cards.append(_card(desk, symbol, t, start, date, there.get(symbol)))
        except BallastError as error:
            cards.append(_blank(desk, symbol, there.get(symbol), str(error)))
    found = watch(desk.indexes_by_symbol, desk.market, t, held=held, levels=levels, refused=desk.refused)
    return tuple(cards), found


def dashboard_html(
    cards: Sequence[Card], alerts: Sequence[Alert], *, t: datetime, market: str, notes: Sequence[str] = ()
) -> str:
    """The page. `market`: where the prices come from; `notes`: what else has to be said, such as indexes that no chain has."""
    is_live = any(card.live for card in cards)
    said = [*statements(is_simulated=True), *([f"Columns named live: {LIVE}"] if is_live else [])]
    body = [
        f'<p class="quiet">{t:%Y-%m-%d %H:%M} UTC · prices: {escape(market)} · {len(cards)} indexes · levels and returns are '
        "simulated: the rules over the past, after costs and fees</p>",
        *(f'<p class="quiet">{escape(note)}</p>' for note in notes),
        "<nav>" + "".join(f'<a href="#{escape(card.symbol)}">{escape(card.symbol)}</a>' for card in cards) + "</nav>",
        "<h2>All of them</h2>",
        table_html(_summary(cards, alerts)),
        "<h2>Alerts</h2>",
        table_html(_alert_table(alerts)) if alerts else '<p class="ok">None.</p>',
        *_overlap(cards),
        *(_section(card, [alert for alert in alerts if alert.index == card.symbol]) for card in cards),
        f'<p class="quiet">{escape(" ".join(said))}</p>',
    ]
    return page("Ballast", body, style=STYLE + MORE_STYLE)


def card_document(card: Card) -> dict[str, object]:
    """Plain data, without the daily levels."""
    return {
        "symbol": card.symbol,
        "name": card.name,
        "family": card.family,
        "level": card.levels[-1] if card.levels else None,
        "returns": {name: one.value for name, one in card.returns.items()},
        "phase": card.phase,
        "holdings": card.holdings,
        "live": card.live,
        "spec_hash": card.spec_hash,
        "decision_hash": card.decision_hash or None,
        "refused": card.refused or None,
    }


# --- one index --------------------------------------------------------------------------------------------------------


def _card(desk: Desk, symbol: str, t: datetime, start: str, date: str, live: Live | None) -> Card:
    rules, run = desk.rules(symbol), desk.run(symbol, start, date)
    held = run.holdings(t)
    decision = rules.decide(desk.market, t, live.weights if live else held, levels=run.net.tolist())
    target = {name: from_wad(weight) for name, weight in decision.target_weights.items()}
    names = sorted({*target, *held, *(live.weights if live else ())}, key=lambda name: (-target.get(name, 0.0), name))
    dates = tuple(time.date() for time in run.times)
    return Card(
        symbol=symbol,
        name=rules.spec.name,
        family=family(rules.spec),
        spec_hash=rules.spec.spec_hash,
        holdings=tuple(
            Holding(
                id=name,
                target=target.get(name, 0.0),
                held=held.get(name, 0.0),
                live=live.weights.get(name, 0.0) if live else None,
                why=decision.why(name),
            )
            for name in names
        ),
        dates=dates,
        levels=tuple(run.net.tolist()),
        returns=trailing(run.net.tolist(), dates),
        phase=decision.phase,
        decision_hash=decision.decision_hash,
        target_weights=decision.target_weights,
        live=live,
    )


def _blank(desk: Desk, symbol: str, live: Live | None, why: str) -> Card:
    spec = desk.rules(symbol).spec
    return Card(symbol=symbol, name=spec.name, family=family(spec), spec_hash=spec.spec_hash, live=live, refused=why)


def _section(card: Card, alerts: Sequence[Alert]) -> str:
    head = f'<section><h2 id="{escape(card.symbol)}">{escape(card.name)} ({escape(card.symbol)})</h2>'
    if card.refused:
        return f'{head}<p class="fail">{escape(card.refused)}</p></section>'
    tiles = [
        ("level", f"{card.levels[-1]:,.2f}"),
        *((TITLES[name], shown(card.returns[name], "of 1")) for name in HORIZONS),
    ]
    tiles += [("family", card.family), *([("phase of the market", card.phase)] if card.phase else [])]
    parts = [
        head,
        '<ul class="tiles">' + "".join(f"<li><b>{escape(value)}</b><span>{escape(name)}</span></li>" for name, value in tiles) + "</ul>",
        _live_line(card.live),
        level_svg(card),
        *(f'<p class="fail">{escape(f"{alert.code} {alert.coin}".strip())}: {escape(alert.message)}</p>' for alert in alerts),
        table_html(_holdings(card)),
        f'<p class="quiet">methodology <code>{card.spec_hash}</code> · decision <code>{card.decision_hash}</code></p></section>',
    ]  # fmt: skip
    return "\n".join(part for part in parts if part)


def level_svg(card: Card) -> str:
    """The level as one line, in the colour of the page."""
    low, high = min(card.levels), max(card.levels)
    span, last = (high - low) or 1.0, max(len(card.levels) - 1, 1)
    points = " ".join(
        f"{k * 1000 / last:.1f},{84 - (level - low) / span * 78:.1f}" for k, level in enumerate(card.levels)
    )
    told = f"Level of {card.symbol} from {card.dates[0]} to {card.dates[-1]}: lowest {low:,.2f}, highest {high:,.2f}"
    return (
        f'<svg role="img" aria-label="{escape(told)}" viewBox="0 0 1000 90" preserveAspectRatio="none">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="2" vector-effect="non-scaling-stroke"/></svg>'
        f'<p class="quiet">{escape(told)}</p>'
    )


def _live_line(live: Live | None) -> str:
    if live is None:
        return ""
    said = [live.where]
    said += [] if live.nav_usd is None else [f"NAV {format_usd(round(live.nav_usd, 2))}"]
    said += [] if live.share_price_usd is None else [f"a share ${live.share_price_usd:,.2f}"]
    said += [] if live.shares is None else [f"{live.shares:,.2f} shares"]
    return f'<p><span class="live">live</span> {escape(", ".join(said))}</p>'


def _holdings(card: Card) -> Table:
    live = ("live",) if card.live else ()
    rows = [
        (
            one.id, _part(one.target), _part(one.held), *([_part(one.live or 0.0)] if card.live else []), one.why,
        )
        for one in card.holdings
    ]  # fmt: skip
    return ("coin", "target now", "held, simulated", *live, f"{LEFT}why"), rows


# --- all of them ------------------------------------------------------------------------------------------------------


def _summary(cards: Sequence[Card], alerts: Sequence[Alert]) -> Table:
    head = (
        "index",
        f"{LEFT}name",
        f"{LEFT}family",
        "coins",
        "level",
        *(TITLES[name] for name in HORIZONS),
        f"{LEFT}phase",
        "alerts",
    )
    rows = []
    for card in cards:
        count = str(sum(alert.index == card.symbol for alert in alerts) or "")
        if card.refused:
            rows.append((card.symbol, card.name, card.family, *[""] * (len(HORIZONS) + 3), count))
            continue
        returns = (shown(card.returns[name], "of 1") for name in HORIZONS)
        level, coins = f"{card.levels[-1]:,.2f}", str(len(card.target_weights))
        rows.append((card.symbol, card.name, card.family, coins, level, *returns, card.phase, count))
    return head, rows


def _alert_table(alerts: Sequence[Alert]) -> Table:
    rows = [(alert.index, alert.code, alert.coin, alert.message) for alert in alerts]
    return ("index", f"{LEFT}alert", f"{LEFT}coin", f"{LEFT}what"), rows


def _overlap(cards: Sequence[Card]) -> list[str]:
    known = {card.symbol: card.target_weights for card in cards if card.target_weights}
    if len(known) < 2:
        return []
    table = overlaps(known)
    rows = [(a, *(f"{from_wad(table[a][b]):.0%}" for b in known)) for a in known]
    return ["<h2>Overlap: part of one that is also in the other</h2>", table_html((("", *known), rows))]


def _part(value: float) -> str:
    return format_percent(value) if value else ""
