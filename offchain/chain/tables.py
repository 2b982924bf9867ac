"""Short aligned tables of what an investor sees, with units. Pure text; the scripts print it."""

from __future__ import annotations

from collections.abc import Sequence

from offchain.chain.investor import Movement, Preview
from offchain.units import NANO, SHARE_DECIMALS, format_tokens, format_usd

NUMERIC = 1  # columns from here on are aligned to the right


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table: the first column to the left, the others to the right, two spaces between."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < NUMERIC else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """'label  value' lines with the values in one column."""
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"{label.ljust(width)}  {value}" for label, value in rows)


def usd(nano: int) -> str:
    """{nUSD} as text."""
    return format_usd(f"{nano // NANO}.{nano % NANO:09d}")


def shares(amount: int) -> str:
    """{share} as whole shares."""
    return format_tokens(amount, SHARE_DECIMALS)


def mint_preview(preview: Preview) -> str:
    """What a mint takes, component by component."""
    rows = [
        (
            leg.symbol,
            format_tokens(leg.amount, leg.decimals),
            format_tokens(leg.limit, leg.decimals),
            format_tokens(leg.balance, leg.decimals),
            usd(leg.value),
        )
        for leg in preview.legs
    ]
    title = f"Mint {shares(preview.shares)} {preview.symbol} at block {preview.block}: gives {usd(preview.value)}"
    return "\n".join([title, columns(("component", "takes", "at most", "balance", "value USD"), rows), _fee(preview)])


def redeem_preview(preview: Preview) -> str:
    """What a redemption pays, component by component."""
    rows = [
        (
            leg.symbol,
            format_tokens(leg.amount, leg.decimals),
            format_tokens(leg.limit, leg.decimals),
            usd(leg.value),
            "deferred" if leg.deferred else "paid",
        )
        for leg in preview.legs
    ]
    title = f"Redeem {shares(preview.shares)} {preview.symbol} at block {preview.block}: returns {usd(preview.value)}"
    return "\n".join([title, columns(("component", "pays", "at least", "value USD", "leg"), rows), _fee(preview)])


def receipt(verb: str, done: Movement) -> str:
    """What was moved, and what it cost."""
    rows = [
        (leg.symbol, format_tokens(leg.amount, leg.decimals), usd(leg.value), "deferred" if leg.deferred else "")
        for leg in done.legs
    ]
    approved = f", after {len(done.approvals)} approvals" if done.approvals else ""
    ether = format_tokens(done.gas_cost, 18)
    deferred = [leg.symbol for leg in done.legs if leg.deferred and leg.amount]
    lines = [
        columns(("component", "moved", "value USD", ""), rows),
        f"{verb} {shares(done.shares)} {done.symbol} (fee {shares(done.fee_shares)}), {usd(done.value)}{approved}",
        f"gas {done.gas_used:,} ({ether} ETH), block {done.block}, tx {done.tx}",
    ]
    if deferred:
        lines.append(f"owed to you until they move again, then claim: {', '.join(deferred)}")
    return "\n".join(lines)


def _fee(preview: Preview) -> str:
    return f"fee {shares(preview.fee_shares)} shares"
