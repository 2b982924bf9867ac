"""An auction as its operator and its fillers see it: short aligned text with units. Pure text; the scripts print it."""

from __future__ import annotations

from datetime import UTC, datetime

from offchain.canonical import utc_text
from offchain.chain.auctions import CURVES, Auctions, Filled, FillPlan, Quote
from offchain.chain.reads import ComponentState
from offchain.chain.tables import columns, facts, usd
from offchain.chain.terms import MINUTE, PPM_PER_BPS
from offchain.reference.trade_math import value_down
from offchain.units import BPS, NANO, format_tokens

DUST = NANO // 100  # {nUSD} a cent


def auctions_text(view: Auctions) -> str:
    """The whole page: plan, auction, what is to be sold and bought, and what filling costs now."""
    state = view.state
    rows = [("plan", _plan(view)), ("auctions", _policy(view))]
    if state.is_plan_live and view.are_on:
        rows += [("auction", _auction(view)), ("opening", _opening(view))]
    parts = [f"{state.symbol} at block {state.block_number}, {_time(state.timestamp)}", facts(rows)]
    parts = ["\n".join(parts)]
    if state.is_plan_live:
        parts.append(_gaps(view))
    if view.is_live:
        parts.append(_costs(view))
    return "\n\n".join(parts)


def fill_text(plan: FillPlan) -> str:
    """What a fill gets and pays now, and at the worst."""
    sell, buy = plan.sell, plan.buy
    rows = [
        (sell.symbol, "gets", format_tokens(plan.get, sell.decimals), f"at least {format_tokens(plan.min_get, sell.decimals)}"),
        (buy.symbol, "pays", format_tokens(plan.pay, buy.decimals), f"at most {format_tokens(plan.max_pay, buy.decimals)}"),
    ]  # fmt: skip
    lines = [f"Fill auction {plan.auction_id} of {plan.symbol} at {_bps(plan.offset)} of the oracle's price"]
    lines.append(columns(("token", "", "now", "when mined"), rows))
    if plan.get < plan.asked:
        lines.append(
            f"{format_tokens(plan.asked, sell.decimals)} {sell.symbol} was asked for: {plan.symbol} has no more to sell for "
            f"{buy.symbol}"
        )
    return "\n".join(lines)


def filled_text(done: Filled) -> str:
    """What a fill did, against the oracle."""
    return (
        f"got {format_tokens(done.got, done.sell.decimals)} {done.sell.symbol} ({usd(done.got_value)}) for "
        f"{format_tokens(done.paid, done.buy.decimals)} {done.buy.symbol} ({usd(done.paid_value)}), "
        f"{done.paid_bps:+.1f} bps of the oracle's price; gas {done.gas_used:,}, tx {done.tx}"
    )


# --- parts ------------------------------------------------------------------------------------------------------------


def _plan(view: Auctions) -> str:
    plan = view.state.plan
    if not plan.id:
        return "none yet"
    if not view.state.is_plan_live:
        return f"{plan.id}, over"
    manual = ", manual: prices are the governor's ranges" if plan.manual else ""
    return f"{plan.id}, live until {_time(plan.expires_at)}, {plan.steps} swaps{manual}"


def _policy(view: Auctions) -> str:
    policy = view.policy
    paid = f"; of turnover {_bps(policy.rebalance_fee)} fee, {_bps(policy.keeper_tip)} tip"
    paid = paid if policy.rebalance_fee or policy.keeper_tip else ""
    if not view.are_on:
        return f"none: the policy allows 0 minutes{paid}"
    return (
        f"from at most {_bps(policy.max_premium)} to at least {_bps(-policy.max_discount)}, "
        f"{policy.min_duration // MINUTE} to {policy.max_duration // MINUTE} minutes, warm-up {policy.warm_up} s{paid}"
    )


def _auction(view: Auctions) -> str:
    last, now = view.auction, view.state.timestamp
    if not view.is_of_plan:
        return "none of this plan yet"
    if last.ends_at == 0:
        return f"{last.id}, closed"
    if not view.is_open:
        return f"{last.id}, over since {_time(last.ends_at)}"
    curve = CURVES[last.curve]
    if view.state.plan.manual:
        path = f"{curve} through the governor's ranges"
    else:
        path = (
            f"{_bps(last.offset_at(now))} now, {_bps(last.offset_at(view.ends_at))} at its end, {curve} from "
            f"{_bps(last.start_ppm)}"
        )
    when = f"until {_time(view.ends_at)}"
    if not view.is_live:
        when = f"from {_time(last.starts_at)} (warm-up), {when}"
    return f"{last.id}, {when}: {path}"


def _opening(view: Auctions) -> str:
    """Who may open the next one, and when."""
    expires = view.state.plan.expires_at
    mine = f"the strategist from {_time(view.auction.ends_at + 1)}" if view.is_open else "the strategist now"
    mine = mine if not view.is_open or view.auction.ends_at + 1 < expires else "the strategist not before the next plan"
    if view.public_from >= expires:
        return f"{mine}, others not in this plan"
    terms = "on the whole range and the longest duration"
    if view.public_from <= view.state.timestamp:
        return f"{mine}, anyone now, {terms}"
    if view.is_open and view.public_from == view.auction.ends_at + 1:
        return f"anyone from {_time(view.public_from)}; who is no strategist {terms}"
    return f"{mine}, anyone from {_time(view.public_from)}, {terms}"


def _gaps(view: Auctions) -> str:
    rows = [_gap(item, "sells", item.surplus) for item in view.surpluses if not _is_dust(item)]
    rows += [_gap(item, "buys", item.deficit) for item in view.deficits if not _is_dust(item)]
    table = columns(("token", "plan", "amount", "value"), rows) if rows else "nothing is left to sell or buy"
    dust = [item.symbol for item in (*view.surpluses, *view.deficits) if _is_dust(item)]
    return "\n".join([table, f"less than {usd(DUST)} off: {', '.join(dust)}"] if dust else [table])


def _is_dust(item: ComponentState) -> bool:
    """Whether what is above or below target is not worth a line; what has no price may be."""
    return bool(item.price) and value_down(item.surplus + item.deficit, item.price) < DUST


def _gap(item: ComponentState, verb: str, amount: int) -> tuple[str, ...]:
    value = usd(value_down(amount, item.price)) if item.price else "no price"
    return item.symbol, verb, format_tokens(amount, item.decimals), value


def _costs(view: Auctions) -> str:
    """What the largest fill of each pair gets and pays now."""
    rows = [_cost(quote) for quote in view.quotes if not (_is_dust(quote.sell) or _is_dust(quote.buy))]
    if not rows:
        return "nothing can be filled: there is no surplus, or no deficit"
    return columns(("fill", "gets", "pays", "for", "vs oracle"), rows)


def _cost(quote: Quote) -> tuple[str, ...]:
    pair = f"{quote.sell.symbol} for {quote.buy.symbol}"
    if quote.refusal:
        return pair, "", "", "", quote.refusal
    gets, pays = quote.sell_amount * quote.sell.price, quote.buy_amount * quote.buy.price
    return (
        pair,
        format_tokens(quote.sell_amount, quote.sell.decimals),
        format_tokens(quote.buy_amount, quote.buy.decimals),
        usd(value_down(quote.buy_amount, quote.buy.price)) if quote.buy.price else "no price",
        f"{(pays - gets) * BPS / gets:+.1f} bps" if gets else "?",
    )


def _time(seconds: int) -> str:
    return utc_text(datetime.fromtimestamp(seconds, UTC))


def _bps(ppm: int) -> str:
    return f"{ppm / PPM_PER_BPS:+.10g} bps"
