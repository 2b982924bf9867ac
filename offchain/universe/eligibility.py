"""May this coin be in the index today? One screen per coin; the first rule it fails is the reason it is out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from offchain.errors import MissingHistory
from offchain.market.confirm import CONFIRM_DAYS, MAX_GAP_DAYS
from offchain.market.history import History
from offchain.market.snapshot import CoinFacts, MarketSnapshot
from offchain.spec.universe_rules import UniverseRules
from offchain.universe.classes import classify
from offchain.universe.measures import Measured, known_days, middle, newest, total, worst_fall
from offchain.universe.taxonomy import sector_of, themes_of
from offchain.universe.vetting import Dossiers, dossier_at, objection
from offchain.universe.votes import NOTHING, Ballot, Voted, standing

MAX_IDLE_DAYS = 7
SLOW_DAYS = 30  # supply, listings and unlocks are published rarely: their newest value within this time counts
COMMIT_DAYS = 90

# why a coin is out, by what could bring it back: "parent" would do with other themes, sectors or sizes
KINDS = ("", "barred", "dead", "kind", "parent", "limit", "unknown", "chain")


@dataclass(frozen=True, kw_only=True)
class Screened:
    """The outcome for one coin: `reason` is why it is out, empty when it is eligible; `note` is a doubt to show.

    `kind`: one of KINDS, of the reason.
    """

    coin: CoinFacts
    reason: str = ""
    note: str = ""
    kind: str = ""

    @property
    def is_eligible(self) -> bool:
        return not self.reason


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What selection knows besides the snapshot, each part as of the snapshot's time.

    `barred`: {id: why it may not be held}, from outside. `held`: ids the index has.
    """

    t: datetime
    held: frozenset[str] = frozenset()
    history: History | None = None
    voted: Voted = NOTHING
    dossiers: Dossiers = field(default_factory=dict)
    barred: Mapping[str, str] = field(default_factory=dict)

    def measured(self, read: Callable[[History], Measured], *, what: str) -> Measured:
        """What `read` finds in the history. Raises MissingHistory when there is none."""
        if self.history is None:
            raise MissingHistory(
                f"universe.{what} looks back; give select a history, as market.history(t, days=…, fields=…) by universe.needs"
            )
        return read(self.history)


def screen(
    snapshot: MarketSnapshot,
    rules: UniverseRules,
    *,
    tradable: Collection[str] | None = None,
    held: Collection[str] = (),
    history: History | None = None,
    votes: Sequence[Ballot] = (),
    dossiers: Dossiers | None = None,
    barred: Mapping[str, str] | None = None,
) -> tuple[Screened, ...]:
    """Every coin of the snapshot, in its order. `tradable`: ids with a token and a feed; None when no chain is meant."""
    evidence = Evidence(
        t=snapshot.t,
        held=frozenset(held),
        history=history,
        voted=standing(votes, snapshot.t),
        dossiers=dossiers or {},
        barred=barred or {},
    )
    return Screen(snapshot=snapshot, rules=rules, evidence=evidence, tradable=tradable).outcomes


def candidates(
    snapshot: MarketSnapshot,
    rules: UniverseRules,
    *,
    tradable: Collection[str] | None = None,
    held: Collection[str] = (),
    votes: Sequence[Ballot] = (),
    dossiers: Dossiers | None = None,
    barred: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Ids whose history can still matter, sorted: they pass every rule that asks for none, or are held."""
    evidence = Evidence(
        t=snapshot.t,
        held=frozenset(held),
        voted=standing(votes, snapshot.t),
        dossiers=dossiers or {},
        barred=barred or {},
    )
    one = Screen(snapshot=snapshot, rules=rules, evidence=evidence, tradable=tradable)
    open_kinds = ("", "parent") if rules.min_members else ("",)
    return tuple(
        coin.id for coin in snapshot.coins if coin.id in evidence.held or one.reason_now(coin)[1] in open_kinds
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Screen:
    """The rules of one index held against one snapshot. `outcomes`: one for each coin, in the snapshot's order."""

    snapshot: MarketSnapshot
    rules: UniverseRules
    evidence: Evidence
    tradable: Collection[str] | None = None

    @cached_property
    def outcomes(self) -> tuple[Screened, ...]:
        return tuple(self._one(coin) for coin in self.snapshot.coins)

    def _one(self, coin: CoinFacts) -> Screened:
        reason, kind = self.reason_now(coin)
        if not reason or (kind == "parent" and self.rules.min_members):
            late, late_kind = self._reason_from_history(coin)
            if late:
                reason, kind = late, late_kind
        return Screened(coin=coin, reason=reason, note="" if reason else _doubt(coin), kind=kind)

    def reason_now(self, coin: CoinFacts) -> tuple[str, str]:
        """(reason, kind) by every rule that asks for no history."""
        t, rules, evidence = self.evidence.t, self.rules, self.evidence
        is_voted_in = coin.id in evidence.voted.include
        if reason := _excluded_by_name(coin, rules) or evidence.barred.get(coin.id) or _voted_out(coin, evidence.voted):
            return reason, "barred"
        if reason := _dead(coin, t):
            return reason, "dead"
        if reason := _excluded_by_class(coin, rules):
            return reason, "kind"
        if reason := _unknown(coin):
            return reason, "unknown"
        if not is_voted_in and (reason := _below_threshold(coin, rules, is_held=coin.id in evidence.held)):
            return reason, "limit"
        if reason := self._not_on_chain(coin):
            return reason, "chain"
        if reason := objection(dossier_at(evidence.dossiers, coin.id, t), rules, t):
            return reason, "barred"
        if reason := _excluded_by_theme(coin, rules):
            return reason, "kind"
        if not is_voted_in and (reason := _outside_of_segment(coin, rules)):
            return reason, "parent"
        return "", ""

    def _reason_from_history(self, coin: CoinFacts) -> tuple[str, str]:
        if reason := self.fallen(coin):
            return reason, "barred"
        if coin.id in self.evidence.voted.include:
            return "", ""
        return self._below_limit(coin), "limit"

    def _not_on_chain(self, coin: CoinFacts) -> str:
        if self._on_chain is None or coin.id in self._on_chain:
            return ""
        return "no token or feed on this chain"

    @cached_property
    def _on_chain(self) -> frozenset[str] | None:
        return None if self.tradable is None or not self.rules.require_tradable else frozenset(self.tradable)

    # --- what looks back ----------------------------------------------------------------------------------------------

    def fallen(self, coin: CoinFacts) -> str:
        """Why universe.max_fall keeps this coin out, "" when it does not."""
        if not self.rules.max_fall:
            return ""
        fall = self._falls.get(coin.id)
        if fall is None or fall <= self.rules.max_fall:
            return ""
        rules = self.rules
        return (
            f"fell by {fall:.1%} within {rules.fall_days} days (universe.max_fall {rules.max_fall:.0%}); "
            f"stays out for {rules.quarantine_days} days"
        )

    @cached_property
    def _falls(self) -> Measured:
        rules = self.rules
        return self.evidence.measured(
            lambda history: worst_fall(history, days=rules.quarantine_days + 1, within=rules.fall_days), what="max_fall"
        )

    def _below_limit(self, coin: CoinFacts) -> str:
        for what, limit, is_least, unit, values in self._limits:
            value = values.get(coin.id)
            if value is None:
                return f"{_WORDS[what]} unknown (universe.{what} {unit.format(limit)})"
            if (value < limit) if is_least else (value > limit):
                return f"{_WORDS[what]} {unit.format(value)} (universe.{what} {unit.format(limit)})"
        return ""

    @cached_property
    def _limits(self) -> tuple[tuple[str, float, bool, str, Measured], ...]:
        """(key, limit, whether it is a least, format, {id: value}) of every limit that is on."""
        rules, measured = self.rules, self.evidence.measured
        found: list[tuple[str, float, bool, str, Measured]] = []
        if rules.min_history_days:
            values = measured(lambda history: known_days(history, "price"), what="min_history_days")
            found.append(("min_history_days", rules.min_history_days, True, "{:.0f} days", values))
        if rules.min_venue_volume_usd:
            values = measured(
                lambda history: middle(history, "venue_volume", days=rules.volume_days), what="min_venue_volume_usd"
            )
            found.append(("min_venue_volume_usd", rules.min_venue_volume_usd, True, "${:,.0f} a day", values))
        if rules.min_listings:
            values = measured(lambda history: newest(history, "listings", days=SLOW_DAYS), what="min_listings")
            found.append(("min_listings", rules.min_listings, True, "{:.0f} venues", values))
        if rules.min_free_float:
            values = measured(free_float_part, what="min_free_float")
            found.append(("min_free_float", rules.min_free_float, True, "{:.1%} of supply", values))
        if rules.max_unlock < 1:
            values = measured(lambda history: newest(history, "unlocks", days=SLOW_DAYS), what="max_unlock")
            found.append(("max_unlock", rules.max_unlock, False, "{:.1%} of supply", values))
        if rules.min_commits:
            values = measured(lambda history: total(history, "commits", days=COMMIT_DAYS), what="min_commits")
            found.append(("min_commits", rules.min_commits, True, "{:.0f} in 90 days", values))
        return tuple(found)


_WORDS = {
    "min_history_days": "price known for the last",
    "min_venue_volume_usd": "median volume on our venues",
    "min_listings": "listed on",
    "min_free_float": "free float",
    "max_unlock": "due to be released in 30 days",
    "min_commits": "changes to its source",
}


def free_float_part(history: History) -> Measured:
    """Free float over circulating supply, {1}; the newest of each within SLOW_DAYS."""
    free, supply = newest(history, "free_float", days=SLOW_DAYS), newest(history, "supply", days=SLOW_DAYS)
    return {name: _ratio(free[name], supply[name]) for name in history.ids}


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _excluded_by_name(coin: CoinFacts, rules: UniverseRules) -> str:
    if coin.id in rules.exclude:
        return "excluded by name (universe.exclude)"
    if rules.include_only and coin.id not in rules.include_only:
        return "not in universe.include_only"
    return ""


def _voted_out(coin: CoinFacts, voted: Voted) -> str:
    ballot = voted.exclude.get(coin.id)
    return "" if ballot is None else f"voted out by {ballot}"


def _excluded_by_class(coin: CoinFacts, rules: UniverseRules) -> str:
    for kind, why in classify(coin).items():
        if kind in rules.exclude_classes:
            return f"{kind}: {why}"
    return ""


def _excluded_by_theme(coin: CoinFacts, rules: UniverseRules) -> str:
    unwanted = [theme for theme in themes_of(coin) if theme in rules.exclude_themes] if rules.exclude_themes else []
    return f"of theme {', '.join(unwanted)} (universe.exclude_themes)" if unwanted else ""


def _outside_of_segment(coin: CoinFacts, rules: UniverseRules) -> str:
    if rules.themes:
        themes = themes_of(coin)
        if not set(themes) & set(rules.themes):
            return f"of themes {', '.join(themes) or 'unknown'}, not of universe.themes ({', '.join(rules.themes)})"
    if rules.sectors:
        sector = sector_of(coin)
        if sector not in rules.sectors:
            return f"of sector {sector or 'unknown'}, not of universe.sectors ({', '.join(rules.sectors)})"
    if rules.max_market_cap_usd and (coin.market_cap or 0.0) > rules.max_market_cap_usd:
        return f"market cap ${coin.market_cap:,.0f} (universe.max_market_cap_usd ${rules.max_market_cap_usd:,.0f})"
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


def _below_threshold(coin: CoinFacts, rules: UniverseRules, *, is_held: bool) -> str:
    cap = coin.market_cap or 0.0
    least_cap, cap_key = _threshold(rules, "market_cap_usd", is_held=is_held)
    least_volume, volume_key = _threshold(rules, "volume_usd", is_held=is_held)
    if coin.age_days is not None and coin.age_days < rules.min_age_days:
        return f"first price {coin.age_days} days ago (universe.min_age_days {rules.min_age_days})"
    if cap < least_cap:
        return f"market cap ${cap:,.0f} (universe.{cap_key} ${least_cap:,.0f})"
    if coin.volume < least_volume:
        return f"median volume ${coin.volume:,.0f} a day (universe.{volume_key} ${least_volume:,.0f})"
    if (coin.price or 0.0) < rules.min_price_usd:
        return f"price ${coin.price or 0.0:.6g} (universe.min_price_usd ${rules.min_price_usd:g})"
    if coin.volume < rules.min_turnover * cap:
        return f"turns over {coin.volume / cap:.4%} of its market cap a day (universe.min_turnover {rules.min_turnover:.4%})"
    return ""


def _threshold(rules: UniverseRules, what: str, *, is_held: bool) -> tuple[float, str]:
    """(limit, its key): what a held coin has to meet is less, when the index file says so."""
    stay = float(getattr(rules, f"stay_{what}"))
    if is_held and stay:
        return stay, f"stay_{what}"
    return float(getattr(rules, f"min_{what}")), f"min_{what}"


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
