"""What an index is made of on chain, in exact integers: `IndexTerms.from_spec(spec, tokens, prices, weights, ...)`.

Basis points become D18 (× 1e14) or ppm (× 100) here and nowhere else. Seed amounts round up: the index is born with at
least its share price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from offchain.chain.feeds import AnyFeed
from offchain.errors import ChainError
from offchain.spec.model import IndexSpec
from offchain.units import D27, UINT256_MAX, WAD, bps_to_wad, fraction_to_wad, to_shares, usd_to_nano

PPM_PER_BPS = 100
DAY, HOUR, MINUTE = 86_400, 3600, 60
MIN_PLAN_INTERVAL = HOUR  # {s} between the starts of two plans: the budgets bound the loss, this the noise


@dataclass(frozen=True, kw_only=True)
class ListedToken:
    """One coin as a token of a chain, with its price feed. `max_age` {s} of an answer that is accepted.

    `feed` is a Chainlink proxy, unless `source` is another kind of feed.
    """

    id: str
    symbol: str
    address: str
    decimals: int
    feed: str
    max_age: int
    source: AnyFeed | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """IRebalancer.Policy: ppm, {s}, D18."""

    max_slippage: int
    cooldown: int
    min_interval: int
    max_duration: int
    max_trade: int
    max_weight: int

    def as_tuple(self) -> tuple[int, ...]:
        return (
            self.max_slippage,
            self.cooldown,
            self.min_interval,
            self.max_duration,
            self.max_trade,
            self.max_weight,
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """IExchangeGuard.Limits: D18 of NAV and {s}."""

    loss_capacity: int
    loss_window: int
    turnover_capacity: int
    turnover_window: int
    valuation_max_age: int

    def as_tuple(self) -> tuple[int, ...]:
        return (
            self.loss_capacity,
            self.loss_window,
            self.turnover_capacity,
            self.turnover_window,
            self.valuation_max_age,
        )


@dataclass(frozen=True, kw_only=True)
class AuctionPolicy:
    """IAuctionHouse.AuctionPolicy: ppm and {s}. `max_duration` 0: no auctions."""

    max_premium: int
    max_discount: int
    min_duration: int
    max_duration: int
    warm_up: int
    strategist_window: int
    rebalance_fee: int
    keeper_tip: int

    def as_tuple(self) -> tuple[int, ...]:
        return (
            self.max_premium,
            self.max_discount,
            self.min_duration,
            self.max_duration,
            self.warm_up,
            self.strategist_window,
            self.rebalance_fee,
            self.keeper_tip,
        )


@dataclass(frozen=True, kw_only=True)
class IndexTerms:
    """Everything `create_index` needs. `components` and `seed_amounts` {tok} go together; `supply_cap` in whole shares.

    `admin_delay` {s}: how long the governor's own actions wait. `authority`: an AccessManager to use instead of a new
    one; the signer must be its admin. `spec_hash` is kept in the deployment file. `fee_table` (address, D18 weight) and
    `fee_burn` D18 sum to 1e18; with them the core's splitter receives the fees instead of `fee_recipient`.
    `performance_fee` D18 of the gain, charged at most once in `performance_interval` {s}; zero for none. `auctions`: None
    leaves the auction house as an index finds it, without auctions, fee or tip.
    """

    name: str
    symbol: str
    components: tuple[str, ...]
    seed_amounts: tuple[int, ...]
    seed_shares: int
    receiver: str
    governor: str
    guardian: str
    strategist: str
    fee_recipient: str
    streaming_fee: int = 0
    mint_fee: int = 0
    redeem_fee: int = 0
    fee_table: tuple[tuple[str, int], ...] = ()
    fee_burn: int = 0
    performance_fee: int = 0
    performance_interval: int = 0
    supply_cap: int = 0
    policy: Policy
    limits: Limits
    auctions: AuctionPolicy | None = None
    allowed: tuple[str, ...]
    admin_delay: int = 0
    authority: str = ""
    spec_hash: str = ""

    @property
    def salt(self) -> bytes:
        """The same terms give the same salt, so that an index cannot be created twice by repeating a command."""
        return keccak(text=f"{self.symbol}:{self.spec_hash}")

    @classmethod
    def from_spec(
        cls,
        spec: IndexSpec,
        *,
        tokens: Sequence[ListedToken],
        prices: Mapping[str, int],
        weights: Mapping[str, int],
        receiver: str,
        governor: str,
        guardian: str,
        strategist: str,
        fee_recipient: str | None = None,
        fee_accounts: Mapping[str, str] | None = None,
        admin_delay: int | None = None,
    ) -> IndexTerms:
        """The terms of a spec. `weights`: D18 by coin id, zeros left out; `prices`: D27{nUSD/tok} by coin id.

        `fee_accounts`: address of each account that shares the fees, by its name in the file.

        `tokens` are all that may ever enter; those with a weight are the first components, in order of weight, then id.
        """
        listed = {token.id: token for token in tokens}
        missing = sorted(coin for coin, weight in weights.items() if weight and coin not in listed)
        if missing:
            raise ChainError(f"no token on this chain for {', '.join(missing)}: add [[components]] or leave them out")
        members = sorted((coin for coin, weight in weights.items() if weight), key=lambda coin: (-weights[coin], coin))
        shares = to_shares(spec.seed.shares)
        share_price = usd_to_nano(spec.seed.share_price_usd)
        return cls(
            name=spec.name,
            symbol=spec.symbol,
            components=tuple(listed[coin].address for coin in members),
            seed_amounts=tuple(
                seed_amount(weights[coin], share_price=share_price, shares=shares, price=prices[coin])
                for coin in members
            ),
            seed_shares=shares,
            receiver=receiver,
            governor=governor,
            guardian=guardian,
            strategist=strategist,
            fee_recipient=fee_recipient or governor,
            streaming_fee=bps_to_wad(spec.fees.streaming_bps),
            mint_fee=bps_to_wad(spec.fees.mint_bps),
            redeem_fee=bps_to_wad(spec.fees.redeem_bps),
            fee_table=_fee_table(spec, fee_accounts or {}),
            fee_burn=bps_to_wad(spec.fees.burn_bps),
            performance_fee=bps_to_wad(spec.fees.performance_bps),
            performance_interval=spec.fees.performance_interval_days * DAY if spec.fees.performance_bps else 0,
            supply_cap=spec.seed.supply_cap_shares,
            policy=policy_of(spec),
            limits=limits_of(spec),
            auctions=auction_policy_of(spec),
            allowed=tuple(token.address for token in tokens),
            admin_delay=spec.roles.delay_hours * HOUR if admin_delay is None else admin_delay,
            spec_hash=spec.spec_hash,
        )


def _fee_table(spec: IndexSpec, accounts: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """(address, D18 weight) of each recipient, if there is more than one part."""
    if not spec.fees.is_split:
        return ()
    table = tuple((accounts.get(name, name), bps_to_wad(bps)) for name, bps in spec.fees.parts)
    if len(dict(table)) < len(table):
        raise ChainError("two of fees.recipients are the same account here: write it once, with the sum of its parts")
    return table


def seed_amount(weight: int, *, share_price: int, shares: int, price: int) -> int:
    """{tok} rounded up that give `shares` {share} a value of `weight` D18 × `share_price` {nUSD/SHARE}."""
    # {tok} = D18{1} * {nUSD/SHARE} * {share} * D27 / (D18 * 1e18{share/SHARE} * D27{nUSD/tok})
    numerator, denominator = weight * share_price * shares * D27, WAD * WAD * price
    amount = -(-numerator // denominator)
    if not 0 < amount <= UINT256_MAX:
        raise ChainError(f"a seed of {amount} base units is not possible; check the price and seed.shares")
    return amount


def policy_of(spec: IndexSpec) -> Policy:
    """The rebalancer's policy of a spec."""
    rules = spec.rebalance
    return Policy(
        max_slippage=rules.max_slippage_bps * PPM_PER_BPS,
        cooldown=rules.cooldown_minutes * MINUTE,
        min_interval=MIN_PLAN_INTERVAL,
        max_duration=rules.plan_hours * HOUR,
        max_trade=bps_to_wad(rules.max_trade_bps),
        max_weight=fraction_to_wad(spec.highest_weight),
    )


def limits_of(spec: IndexSpec) -> Limits:
    """The guard's limits of a spec."""
    guard = spec.guard
    return Limits(
        loss_capacity=bps_to_wad(guard.loss_bps),
        loss_window=guard.loss_window_hours * HOUR,
        turnover_capacity=bps_to_wad(guard.turnover_bps),
        turnover_window=guard.turnover_window_hours * HOUR,
        valuation_max_age=guard.valuation_max_age_minutes * MINUTE,
    )


def auction_policy_of(spec: IndexSpec) -> AuctionPolicy | None:
    """The auction house's policy of a spec; None when it says nothing that an index without a policy does not do."""
    rules = spec.auctions
    if rules == type(rules)():
        return None
    return AuctionPolicy(
        max_premium=rules.max_premium_bps * PPM_PER_BPS,
        max_discount=rules.max_discount_bps * PPM_PER_BPS,
        min_duration=rules.min_minutes * MINUTE,
        max_duration=rules.max_minutes * MINUTE,
        warm_up=rules.warm_up_seconds,
        strategist_window=rules.strategist_window_minutes * MINUTE,
        rebalance_fee=rules.rebalance_fee_bps * PPM_PER_BPS,
        keeper_tip=rules.keeper_tip_bps * PPM_PER_BPS,
    )
