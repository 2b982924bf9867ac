"""A situation as a table, for the terminal."""

from __future__ import annotations

from offchain.keeper.outcomes import time_text
from offchain.keeper.reading import Situation
from offchain.trading.plan import aligned
from offchain.units import D27, NANO, WAD, format_tokens, format_usd, format_weight


def situation_text(situation: Situation) -> str:
    """Index, plan, budgets and components, with units."""
    state, limits = situation.state, situation.state.limits
    plan = state.plan
    live = f"live at step {plan.steps} until {time_text(plan.expires_at)}" if state.is_plan_live else "not live"
    rows: list[tuple[str, ...]] = [("token", "holds", "price USD", "value", "weight", "surplus", "deficit")]
    for item in state.components:
        price = item.price * 10**item.decimals / (D27 * NANO)
        rows.append(
            (
                item.symbol or item.token,
                format_tokens(item.available, item.decimals),
                f"{price:.6g}" if item.price else "none",
                format_usd(round(item.value / NANO, 2)),
                format_weight(item.value * WAD // state.nav) if state.nav else "",
                format_tokens(item.surplus, item.decimals) if item.surplus else "",
                format_tokens(item.deficit, item.decimals) if item.deficit else "",
            )
        )
    return "\n".join(
        [
            f"{state.symbol} at block {situation.block}, {time_text(situation.time)}: NAV {format_usd(round(state.nav / NANO, 2))}, "
            f"{format_usd(round(state.share_price_usd, 4))} a share",
            f"plan {plan.id}: {live}",
            f"budgets: loss {format_weight(state.loss_used)} of {format_weight(limits.loss_capacity)} used, "
            f"turnover {format_weight(state.turnover_used)} of {format_weight(limits.turnover_capacity)}",
            f"keeper {situation.keeper}: {situation.balance / WAD:.4f} ETH, {len(situation.pools)} pools known",
            "",
            *aligned(rows),
        ]
    )
