"""An index as its operator describes it. These classes are the table of keys: kind, bound, default, unit and doc of each.

The loader (`load.py`) and the editor schema (`schema.py`) both walk this table, so that they cannot disagree.
Ratios are floats from 0 to 1; whole basis points end in `_bps`; money ends in `_usd`; times name their unit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from offchain.canonical import canonical_json, keccak_hex
from offchain.spec.auction_rules import AuctionRules
from offchain.spec.feeds import FeedRules
from offchain.spec.keys import COIN_ID, COIN_IDS, Address, Choice, FeedName, Integer, ListOf, Number, Parts, Text, key
from offchain.spec.rebalance_rules import RebalanceRules
from offchain.spec.risk_rules import RiskRules
from offchain.spec.signal_rules import SignalRules
from offchain.spec.sleeve_rules import SleeveRules
from offchain.spec.universe_rules import UniverseRules
from offchain.spec.weight_rules import WeightRules

FORMAT = "ballast-index/1"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """[index]: what the index is called and compared with."""

    name: str = key(Text(pattern=r"\S(.{0,62}\S)?", rule="1 to 64 characters on one line"), doc="Name of the share.")
    symbol: str = key(
        Text(pattern=r"[A-Z0-9]{1,11}", rule="1 to 11 characters out of A-Z and 0-9"),
        doc="Ticker of the share.",
    )
    description: str = key(
        Text(pattern=r"(?s:.{0,1000})", rule="at most 1000 characters"), default="", doc="One sentence for investors."
    )
    benchmarks: tuple[str, ...] = key(COIN_IDS, default=("bitcoin", "ethereum"), doc="Coins the reports compare with.")


@dataclass(frozen=True, kw_only=True)
class FeeRules:
    """[fees]: what holders pay; the contracts cap each one."""

    streaming_bps: int = key(Integer(low=0, high=500), unit="bps per year", default=0, doc="Annual fee, by dilution.")
    mint_bps: int = key(Integer(low=0, high=100), unit="bps", default=0, doc="Fee on minted shares.")
    redeem_bps: int = key(Integer(low=0, high=100), unit="bps", default=0, doc="Fee on redeemed shares.")
    recipient: str = key(Address(names=True), default="governor", doc="Who receives fees: an address or a role.")
    recipients: tuple[tuple[str, int], ...] = key(
        Parts(max_items=16),
        unit="bps of the fees",
        default=(),
        doc="Several who share the fees, instead of recipient.",
        later=True,
    )
    burn_bps: int = key(
        Integer(low=0, high=10_000),
        unit="bps of the fees",
        default=0,
        doc="Part that is burned for the holders.",
        later=True,
    )
    performance_bps: int = key(
        Integer(low=0, high=2_000),
        unit="bps of the gain",
        default=0,
        doc="Fee on gains above the high-water mark.",
        later=True,
    )
    performance_interval_days: int = key(
        Integer(low=7, high=365),
        unit="days",
        default=30,
        doc="Least time between two performance fees.",
        later=True,
    )

    @property
    def is_split(self) -> bool:
        """Whether a splitter receives the fees."""
        return bool(self.recipients or self.burn_bps)

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """Account → bps of the fees; with `burn_bps` they sum to 10,000."""
        if self.recipients or self.burn_bps == 10_000:
            return self.recipients
        return ((self.recipient, 10_000 - self.burn_bps),)


@dataclass(frozen=True, kw_only=True)
class GuardRules:
    """[guard]: the most that rebalancing may cost or move, whatever the keeper does."""

    loss_bps: int = key(Integer(low=1, high=500), unit="bps of NAV", default=50, doc="Loss budget per window.")
    loss_window_hours: int = key(Integer(low=1, high=720), unit="hours", default=24, doc="Window of the loss budget.")
    turnover_bps: int = key(
        Integer(low=1, high=40_000), unit="bps of NAV", default=10_000, doc="Turnover budget per window."
    )
    turnover_window_hours: int = key(
        Integer(low=1, high=720), unit="hours", default=24, doc="Window of the turnover budget."
    )
    valuation_max_age_minutes: int = key(
        Integer(low=0, high=60),
        unit="minutes",
        default=5,
        doc="Age at which the guard values the index anew; 0: every block.",
    )


@dataclass(frozen=True, kw_only=True)
class SeedRules:
    """[seed]: how the index is born."""

    shares: float = key(
        Number(low=0, high=1e12, above_low=True), unit="shares", default=1_000.0, doc="Shares minted at the start."
    )
    share_price_usd: float = key(
        Number(low=0, high=1e9, above_low=True), unit="USD", default=100.0, doc="NAV per share at the start."
    )
    supply_cap_shares: int = key(
        Integer(low=0, high=10**15), unit="shares", default=0, doc="Most shares that may exist; 0 is no cap."
    )


@dataclass(frozen=True, kw_only=True)
class RoleRules:
    """[roles]: who may do what; an address or the name of an account the wallet knows."""

    governor: str = key(Address(names=True), default="governor", doc="Sets fees within caps and the wiring.")
    guardian: str = key(Address(names=True), default="guardian", doc="May veto and pause, for at most 7 days.")
    strategist: str = key(Address(names=True), default="keeper", doc="Trades inside floor and budgets.")
    delay_hours: int = key(Integer(low=0, high=720), unit="hours", default=24, doc="Wait before new weights apply.")


@dataclass(frozen=True, kw_only=True)
class GovernanceRules:
    """[governance]: whether an account or the holders' vote is governor, and how a vote goes."""

    kind: str = key(
        Choice(options=("account", "votes")),
        default="account",
        doc='"account": roles.governor governs; "votes": the holders do, by wrapped shares and a timelock.',
    )
    voting_delay_hours: int = key(
        Integer(low=1, high=336), unit="hours", default=24, doc="From a proposal to the count of the votes."
    )
    voting_period_hours: int = key(Integer(low=24, high=720), unit="hours", default=120, doc="How long a vote lasts.")
    late_vote_hours: int = key(
        Integer(low=0, high=720), unit="hours", default=24, doc="Least time left to vote once the quorum is reached."
    )
    proposal_threshold: float = key(
        Number(low=0, high=0.05), unit="of 1", default=0.01, doc="Part of the wrapped shares a proposer needs."
    )
    quorum_percent: int = key(
        Integer(low=1, high=30), unit="% of all shares", default=4, doc="Votes for, or abstaining, that a vote needs."
    )
    timelock_hours: int = key(
        Integer(low=24, high=720), unit="hours", default=48, doc="From the end of a vote to what it changes."
    )


@dataclass(frozen=True, kw_only=True)
class Component:
    """[[components]]: one token on a real network; on the local devnet its manifest lists them instead."""

    id: str = key(COIN_ID, doc="CoinGecko id whose market data stands for this token.")
    symbol: str = key(
        Text(pattern=r"[A-Za-z0-9.$_-]{1,20}", rule="1 to 20 letters, digits or .$_-"), doc="The token's own symbol."
    )
    address: str = key(Address(), doc="The ERC-20.")
    decimals: int = key(Integer(low=0, high=27), doc="The token's decimals().")
    feed: str = key(
        FeedName(empty=True, address=True),
        default="",
        doc="Chainlink aggregator in USD, or the name of one of [[feeds]].",
    )
    max_age_minutes: int = key(
        Integer(low=1, high=1_440), unit="minutes", default=60, doc="Oldest answer of the feed that is accepted."
    )
    pools: tuple[str, ...] = key(ListOf(item=Address(), max_items=16), default=(), doc="DEX pools the keeper may use.")


@dataclass(frozen=True, kw_only=True)
class IndexSpec:
    """One index, frozen. `spec_hash` is keccak256 of its canonical JSON with every default written out.

    What came later (LATER_PARTS, `later`) is left out of it while it is as if it had never come, so that a newer version of this
    package recomputes the hashes that an older one published.
    """

    index: Identity
    universe: UniverseRules
    weights: WeightRules
    rebalance: RebalanceRules
    auctions: AuctionRules
    fees: FeeRules
    guard: GuardRules
    seed: SeedRules
    roles: RoleRules
    governance: GovernanceRules
    signals: SignalRules
    risk: RiskRules
    components: tuple[Component, ...] = ()
    feeds: tuple[FeedRules, ...] = ()
    sleeves: tuple[SleeveRules, ...] = ()

    @property
    def name(self) -> str:
        return self.index.name

    @property
    def symbol(self) -> str:
        return self.index.symbol

    @property
    def highest_weight(self) -> float:
        """Most that any component may weigh {1}, coins at risk and stable side alike: what the contracts are told."""
        stable = self.risk.stable_ids
        is_apart = {"stablecoin", "receipt"} <= set(
            self.universe.exclude_classes
        )  # else coins of [risk] may be members too
        aside = self.risk.most_aside if is_apart else 1.0
        return max(self.weights.highest, min(self.risk.max_stable, aside) if stable else 0.0)

    def to_json(self) -> str:
        """Canonical JSON; the same for two files that differ only in comments, order, or defaults left out."""
        return canonical_json({"format": FORMAT, "spec": self._canonical})

    @cached_property
    def spec_hash(self) -> str:
        """0x and 64 hex digits: the `specHash` of every epoch."""
        return keccak_hex({"format": FORMAT, "spec": self._canonical})

    @property
    def _canonical(self) -> dict[str, object]:
        parts: dict[str, object] = {}
        for row in fields(self):
            part = getattr(self, row.name)
            if row.name in LATER_PARTS:
                if part not in ((), SECTIONS.get(row.name, tuple)()):
                    parts[row.name] = part
            elif row.name in SECTIONS:
                parts[row.name] = {
                    field.name: value
                    for field in fields(part)
                    if (value := getattr(part, field.name)) != field.default or not field.metadata["later"]
                }
            else:
                parts[row.name] = part
        return parts


# Parts of the file that came after its hash was first published; for single keys, see `key(later=True)`.
LATER_PARTS = ("feeds", "governance", "signals", "risk", "sleeves", "auctions")

SECTIONS: dict[str, type] = {
    "index": Identity,
    "universe": UniverseRules,
    "weights": WeightRules,
    "rebalance": RebalanceRules,
    "auctions": AuctionRules,
    "fees": FeeRules,
    "guard": GuardRules,
    "seed": SeedRules,
    "roles": RoleRules,
    "governance": GovernanceRules,
    "signals": SignalRules,
    "risk": RiskRules,
}
