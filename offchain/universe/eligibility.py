"""May this coin be in the index today? One screen per coin; the first rule it fails is the reason it is out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from offchain.market.confirm import CONFIRM_DAYS, MAX_GAP_DAYS
from offchain.market.snapshot import CoinFacts, MarketSnapshot
from offchain.spec.universe_rules import UniverseRules
from offchain.universe.classes import classify

MAX_IDLE_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Screened:
    """The outcome for one coin: `reason` is why it is out, empty when it is eligible; `note` is a doubt to show."""

    coin: CoinFacts
    reason: str = ""
    note: str = ""

    @property
    def is_eligible(self) -> bool:
        return not self.reason


def screen(
    snapshot: MarketSnapshot, rules: UniverseRules, *, tradable: Collection[str] | None = None
) -> tuple[Screened, ...]:
    """Every coin of the snapshot, in its order. `tradable`: ids with a token and a feed; None when no chain is meant."""
    on_chain = None if tradable is None or not rules.require_tradable else frozenset(tradable)
    return tuple(_screen_one(coin, snapshot.t, rules, on_chain) for coin in snapshot.coins)


def _screen_one(coin: CoinFacts, t: datetime, rules: UniverseRules, on_chain: frozenset[str] | None) -> Screened:
    reason = (
        _excluded_by_name(coin, rules)
        or _dead(coin, t)
        or _excluded_by_class(coin, rules)
        or _unknown(coin)
        or _below_threshold(coin, rules)
        or ("no token or feed on this chain" if on_chain is not None and coin.id not in on_chain else "")
    )
    return Screened(coin=coin, reason=reason, note="" if reason else _doubt(coin))


def _excluded_by_name(coin: CoinFacts, rules: UniverseRules) -> str:
    if coin.id in rules.exclude:
        return "excluded by name (universe.exclude)"
    if rules.include_only and coin.id not in rules.include_only:
        return "not in universe.include_only"
    return ""


def _excluded_by_class(coin: CoinFacts, rules: UniverseRules) -> str:
    for kind, why in classify(coin).items():
        if kind in rules.exclude_classes:
            return f"{kind}: {why}"
    return ""


def _dead(coin: CoinFacts, t: datetime) -> str:
    if coin.gap_days > MAX_GAP_DAYS or coin.state in ("gone", "none"):
        last = (t - timedelta(days=coin.gap_days)).date()
        return f"no price since {last} ({coin.gap_days} days, limit {MAX_GAP_DAYS})"
    if coin.idle_days >= MAX_IDLE_DAYS:
        return f"nothing traded for {coin.idle_days} days (limit {MAX_IDLE_DAYS - 1})"
    return ""


def _unknown(coin: CoinFacts) -> str:
    if coin.state == "new":
        return f"price known for fewer than {CONFIRM_DAYS} days that agree"
    if coin.state == "jump_down":
        return f"price fell to {_times(coin)} the last believed one; not believed until {CONFIRM_DAYS} days agree"
    if coin.market_cap is None:
        new = coin.market_cap_state == "new"
        return f"market cap known for fewer than {CONFIRM_DAYS} days that agree" if new else "market cap unknown"
    return ""


def _below_threshold(coin: CoinFacts, rules: UniverseRules) -> str:
    cap = coin.market_cap or 0.0
    if coin.age_days is not None and coin.age_days < rules.min_age_days:
        return f"first price {coin.age_days} days ago (universe.min_age_days {rules.min_age_days})"
    if cap < rules.min_market_cap_usd:
        return f"market cap ${cap:,.0f} (universe.min_market_cap_usd ${rules.min_market_cap_usd:,.0f})"
    if coin.volume < rules.min_volume_usd:
        return f"median volume ${coin.volume:,.0f} a day (universe.min_volume_usd ${rules.min_volume_usd:,.0f})"
    return ""


def _doubt(coin: CoinFacts) -> str:
    if coin.state == "jump_up":
        return f"price jumped to {_times(coin)} the last believed one; ranked as before until {CONFIRM_DAYS} days agree"
    if coin.state == "bridged" or coin.gap_days > 0:
        return f"no price today; that of {coin.gap_days} days ago is used"
    if coin.market_cap_state.startswith("jump"):
        return f"market cap jumped; the last believed one is used until {CONFIRM_DAYS} days agree"
    if coin.market_cap_state == "bridged":
        return "no market cap today; the last known one is used"
    return ""


def _times(coin: CoinFacts) -> str:
    if not coin.price or coin.observed_price is None:
        return "a multiple of"
    ratio = coin.observed_price / coin.price
    return f"{ratio:,.0f} times" if ratio >= 1 else f"{ratio:.2g} times"
