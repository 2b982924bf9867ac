"""[auctions]: Dutch auctions of what a plan sells, in the contract's own bounds, and whether the keeper opens them.

    [auctions]
    max_minutes = 60            # 0, the default, is no auctions
    max_premium_bps = 200       # from 2 % above the oracle's price
    max_discount_bps = 50       # down to 0.5 % below it
    use = "first"               # the keeper auctions a plan, then swaps what is left

The floor of swaps (rebalance.max_slippage_bps) does not bind auctions: how far below the oracle one may end is the discount
alone. The guard's budgets bind both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from offchain.spec.keys import Choice, Integer, key
from offchain.spec.rebalance_rules import RebalanceRules

USES = ("never", "rest", "first")


@dataclass(frozen=True, kw_only=True)
class AuctionRules:
    """[auctions]: Dutch auctions of what a plan sells, and what rebalancing pays in shares."""

    max_minutes: int = key(
        Integer(low=0, high=10_080), unit="minutes", default=0, doc="Longest auction; 0: there are no auctions."
    )
    min_minutes: int = key(Integer(low=5, high=10_080), unit="minutes", default=5, doc="Shortest auction.")
    max_premium_bps: int = key(
        Integer(low=0, high=5_000),
        unit="bps",
        default=200,
        doc="Most above the oracle's price that an auction starts at.",
    )
    max_discount_bps: int = key(
        Integer(low=0, high=500), unit="bps", default=50, doc="Most below the oracle's price that an auction ends at."
    )
    warm_up_seconds: int = key(
        Integer(low=0, high=86_400), unit="seconds", default=60, doc="From the opening of an auction to its first fill."
    )
    strategist_window_minutes: int = key(
        Integer(low=0, high=20_160),
        unit="minutes",
        default=60,
        doc="From the start of a plan, only the strategist opens auctions; afterwards anyone.",
    )
    use: str = key(
        Choice(options=USES),
        default="never",
        doc='What the keeper auctions: "rest": what it cannot swap; "first": the plan, and swaps what is left.',
    )
    rebalance_fee_bps: int = key(
        Integer(low=0, high=20),
        unit="bps of one-way turnover",
        default=0,
        doc="Shares for the fee recipient at the end of a plan.",
    )
    keeper_tip_bps: int = key(
        Integer(low=0, high=10),
        unit="bps of one-way turnover",
        default=0,
        doc="Shares for whoever ends a plan.",
    )

    @property
    def are_on(self) -> bool:
        """Whether there are auctions at all."""
        return self.max_minutes > 0

    @property
    def is_used(self) -> bool:
        """Whether the keeper opens any."""
        return self.use != "never"


_WITHOUT_AUCTIONS = ("max_minutes", "rebalance_fee_bps", "keeper_tip_bps")  # what says something without any auction


def contradictions(rules: AuctionRules, rebalance: RebalanceRules) -> list[str]:
    """Mistakes that show when two keys of [auctions], or one and [rebalance], are read together."""
    if not rules.are_on:
        idle = [
            f"{row.name} = {_shown(getattr(rules, row.name))}"
            for row in fields(rules)
            if row.name not in _WITHOUT_AUCTIONS and getattr(rules, row.name) != row.default
        ]
        if not idle:
            return []
        return [
            f"auctions.max_minutes = 0 means no auctions, so {', '.join(idle)} would have no effect: "
            "set max_minutes to at least 5, or remove them"
        ]
    found = []
    if rules.min_minutes > rules.max_minutes:
        found.append(
            f"auctions.min_minutes = {rules.min_minutes} is above auctions.max_minutes = {rules.max_minutes}: "
            "lower the one or raise the other"
        )
    taken, given = rules.warm_up_seconds + 60 * rules.max_minutes, 3_600 * rebalance.plan_hours
    if rules.is_used and taken >= given:
        found.append(
            f"auctions.max_minutes = {rules.max_minutes} with warm_up_seconds = {rules.warm_up_seconds} leaves nothing of "
            f"rebalance.plan_hours = {rebalance.plan_hours} for swaps: shorten the auction or let plans last longer"
        )
    return found


def _shown(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)
