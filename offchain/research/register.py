"""The risk register of an index and its quarterly review: what can go wrong, what limits it, how it stands, who has to look.

    risk_register(spec)                    from the rules alone
    risk_register(spec, told)              with the measured numbers of a study
    review_pack(told, quarter="2021-Q2")   the register, the quarter's results and decisions, and what to decide about

Every limit is read from the index file and every number from the study, so that the register cannot be out of date by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from offchain.errors import MarketDataError
from offchain.pages import LEFT, Table, table_markdown
from offchain.research import tables
from offchain.research.methodology_page import shown
from offchain.research.statements import statements
from offchain.research.study import Study
from offchain.spec import IndexSpec

KINDS = ("market", "smart contract", "methodology", "platform", "counterparty")


@dataclass(frozen=True, kw_only=True)
class Risk:
    """One line. `limit`: what holds it back, from the file; `stands`: how it is now, from the study, "" without one."""

    kind: str
    what: str
    limit: str
    stands: str = ""
    owner: str = ""


def risk_register(spec: IndexSpec, told: Study | None = None) -> tuple[Risk, ...]:
    """Every kind of KINDS, with the numbers of this index."""
    return (
        *_market(spec, told),
        *_contract(spec),
        *_methodology(spec, told),
        *_platform(spec, told),
        *_counterparty(spec),
    )


def register_table(risks: Sequence[Risk]) -> Table:
    """For a page."""
    head = ("kind", f"{LEFT}what can happen", f"{LEFT}what limits it", f"{LEFT}how it stands", f"{LEFT}who looks")
    return head, [(risk.kind, risk.what, risk.limit, risk.stands or "not measured", risk.owner) for risk in risks]


def quarter_days(quarter: str) -> tuple[date, date]:
    """'2021-Q2' → its first and last day. Raises MarketDataError for anything else."""
    year, sign, number = quarter.partition("-Q")
    if not sign or number not in ("1", "2", "3", "4") or not (year.isdigit() and len(year) == 4):
        raise MarketDataError(f'quarter "{quarter}" cannot be read; write 2021-Q2')
    first = date(int(year), 3 * int(number) - 2, 1)
    following = date(int(year) + int(number) // 4, (3 * int(number)) % 12 + 1, 1)
    return first, following - timedelta(days=1)


def review_pack(told: Study, *, quarter: str) -> str:
    """Markdown: results, holdings, correlation, decisions, cost, stress, register, and the questions of the review."""
    first, last = quarter_days(quarter)
    inside = [day for day in told.dates if first <= day <= last]
    if not inside:
        raise MarketDataError(
            f"the study runs {told.dates[0]} to {told.dates[-1]}, no day of {quarter}; name another quarter"
        )
    spec = told.spec
    parts = [
        f"# {spec.name} ({spec.symbol}): review of {quarter}",
        f"{inside[0]} to {inside[-1]} on {told.market}; methodology `{spec.spec_hash}`.",
        "## Results",
        table_markdown(tables.measures_table(told)),
        *([table_markdown(tables.relative_table(told))] if told.against else []),
        "## Holdings",
        tables.concentration_line(told),
        table_markdown(tables.holdings_table(told)),
        *(["## Correlation", table_markdown(tables.correlations_table(told))] if told.correlations else []),
        "## Decisions",
        table_markdown(tables.reviews_table(told)),
        "## Cost and tracking",
        table_markdown(tables.costs_table(told)),
        table_markdown(tables.tracking_table(told)),
        *(["## Stress", table_markdown(tables.stress_table(told))] if told.risk else []),
        "## Risk register",
        table_markdown(register_table(risk_register(spec, told))),
        "## To decide",
        "\n".join(f"- {question}" for question in _questions(told)),
        *([] if not told.run.findings else ["## Notes", "\n".join(f"- {note}" for note in told.run.findings)]),
        *statements(is_simulated=told.run.status == "simulated"),
    ]
    return "\n\n".join(parts) + "\n"


# --- lines ------------------------------------------------------------------------------------------------------------


def _market(spec: IndexSpec, told: Study | None) -> list[Risk]:
    stands = ""
    if told is not None:
        own = told.table[spec.symbol]
        stands = (
            f"deepest drawdown {tables.shown(own['max_drawdown'], 'of 1')}, volatility {tables.shown(own['volatility'], 'of 1')}, "
            f"worst day {tables.shown(own['worst_day'], 'of 1')}"
        )
    stable = ", ".join(spec.risk.stable_ids)
    held = f"part can be held in {stable}" if stable else "none by the rules: always fully invested"
    return [
        Risk(kind="market", what="all coins fall together", limit=held, stands=stands, owner="manager"),
        Risk(
            kind="market",
            what="one coin is too large a part, or collapses",
            limit=f"at most {shown(spec.weights.max_weight, 'of 1')} each, {spec.universe.top} coins, reviewed {spec.rebalance.calendar}",
            stands="" if told is None else tables.concentration_line(told),
            owner="manager",
        ),
    ]


def _contract(spec: IndexSpec) -> list[Risk]:
    governed = "the holders' vote" if spec.governance.kind == "votes" else f"{spec.roles.governor}"
    return [
        Risk(
            kind="smart contract",
            what="a fault in the contracts, or a captured key",
            limit=f"trading may lose {shown(spec.guard.loss_bps, 'bps')} in {spec.guard.loss_window_hours} h and turn over "
            f"{shown(spec.guard.turnover_bps, 'bps')} in {spec.guard.turnover_window_hours} h; new weights wait "
            f"{spec.roles.delay_hours} h; redemption in kind stays open",
            owner=f"guardian {spec.roles.guardian}, governed by {governed}",
        )
    ]


def _methodology(spec: IndexSpec, told: Study | None) -> list[Risk]:
    luck = gap = ""
    if told is not None and told.luck is not None:
        luck = f"{told.luck.loss:.0%} of resampled histories lose; Sharpe above zero with {told.luck.skill:.0%}"
    if told is not None and told.survivorship is not None:
        gap = f"survivorship gap {told.survivorship.gap:+.1%}; {len(told.run.findings)} notes on the data of the run"
    signals = (
        "no signals are used"
        if spec.signals.mode == "off"
        else f"stale or missing inputs make a coin neutral ({spec.signals.mode})"
    )
    return [
        Risk(
            kind="methodology",
            what="the rules worked by chance, or stop working",
            limit=signals,
            stands=luck,
            owner="manager",
        ),
        Risk(
            kind="methodology",
            what="data is wrong, late, or missing",
            limit=f"a coin needs {spec.universe.min_age_days} days of prices and {shown(spec.universe.min_volume_usd, 'USD')} "
            "a day; jumps wait for three days that agree; every decision can be recomputed from its inputs",
            stands=gap,
            owner="keeper",
        ),
    ]


def _platform(spec: IndexSpec, told: Study | None) -> list[Risk]:
    cost = ""
    if told is not None:
        cost = f"{told.run.rebalances} rebalances, turnover {told.run.turnover:.0%}, trading cost {told.decisions.parts['trading']:.2%}"
    return [
        Risk(
            kind="platform",
            what="trades cannot be made, or only at a bad price",
            limit=f"at most {shown(spec.rebalance.max_slippage_bps, 'bps')} a trade, {shown(spec.rebalance.max_trade_bps, 'bps')} of NAV each; "
            f"a plan expires after {spec.rebalance.plan_hours} h",
            stands=cost,
            owner=f"strategist {spec.roles.strategist}",
        )
    ]


def _counterparty(spec: IndexSpec) -> list[Risk]:
    rules = spec.risk
    issuers = (
        f"{', '.join(rules.stable_ids)}; off its peg by {shown(rules.peg_tolerance, 'of 1')} it is replaced"
        if rules.stable
        else ""
    )
    excluded = ", ".join(spec.universe.exclude_classes) or "nothing"
    return [
        Risk(
            kind="counterparty",
            what="an issuer, bridge or custodian of a coin fails",
            limit=f"never held: {excluded}" + (f"; stable side {issuers}" if issuers else ""),
            owner="manager",
        )
    ]


def _questions(told: Study) -> list[str]:
    asked = []
    twin = told.against.get(f"{told.spec.symbol} passive")
    if twin is not None and twin["information_ratio"].value is not None:
        asked.append(
            f"Were the rules worth it? Information ratio against the passive twin {twin['information_ratio'].value:.2f}, "
            f"drawdown spared {tables.shown(twin['drawdown_saved'], 'of 1')}."
        )
    quiet = sum(review.traded_at is None for review in told.run.reviews)
    asked.append(
        f"Is the calendar right? {len(told.run.reviews)} reviews, {quiet} without a trade, turnover {told.run.turnover:.0%}, "
        f"trading {told.decisions.parts['trading']:+.2%}, timing {told.decisions.parts['timing']:+.2%}."
    )
    if told.survivorship is not None and told.survivorship.held:
        asked.append(f"Should these have been held? {', '.join(told.survivorship.held)} ended.")
    asked.append("Does anything in the register need another limit? Change the file; its hash and page change with it.")
    return asked
