"""First, second, third: coins in order of one measure or of several, with ties broken by a rule and never by a float.

Two coins whose measures differ by less than 1e-9 of the larger are tied, and so are those tied with either. A tie goes to
the coin that is held, then to the larger volume, then to the lower id.

With rank_also a coin is ranked by each measure on its own and the ranks are added up; the lowest sum is first, equal sums
go by rank_by (MarketVector's rule for its children of a parent index).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from offchain.errors import MissingHistory
from offchain.market.history import History, Needs
from offchain.market.snapshot import CoinFacts
from offchain.signals.outcome import SignalSet
from offchain.spec.universe_rules import UniverseRules
from offchain.universe.eligibility import COMMIT_DAYS, SLOW_DAYS, Evidence
from offchain.universe.measures import Measured, middle, momentum, newest, return_consistency, volume_consistency

NEAR = 1e-9


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One thing that coins are ranked by. `fields`: of the history, none when the snapshot is enough; `shown`: how its
    number is written.
    """

    words: str
    shown: str
    fields: tuple[str, ...] = ()
    days: Callable[[UniverseRules], int] = lambda rules: 0


MEASURES = {
    "market_cap": Measure(words="market cap", shown="${:,.0f}"),
    "free_float": Measure(words="free-float market cap", shown="${:,.0f}", fields=("free_float",), days=lambda rules: SLOW_DAYS),
    "volume": Measure(words="median volume", shown="${:,.0f} a day"),
    "venue_volume": Measure(
        words="median volume on our venues", shown="${:,.0f} a day", fields=("venue_volume",), days=lambda rules: rules.volume_days
    ),
    "momentum": Measure(words="momentum", shown="{:+.1%}", fields=("price",), days=lambda rules: rules.rank_days + 1),
    "return_consistency": Measure(
        words="return consistency", shown="{:+.3f}", fields=("price",), days=lambda rules: rules.rank_days + 1
    ),
    "volume_consistency": Measure(
        words="volume consistency", shown="{:.3f}", fields=("volume",), days=lambda rules: rules.rank_days
    ),
    "score": Measure(words="score", shown="{:+.3f}"),
}  # fmt: skip


def needs(rules: UniverseRules) -> Needs:
    """What selection looks back at; nothing when the snapshot is enough."""
    found = Needs()
    for name in (rules.rank_by, *rules.rank_also):
        measure = MEASURES[name]
        found |= Needs(days=measure.days(rules), fields=measure.fields)
    for is_on, days, fields in (
        (rules.min_history_days > 0, rules.min_history_days, ("price",)),
        (rules.min_venue_volume_usd > 0, rules.volume_days, ("venue_volume",)),
        (rules.min_listings > 0, SLOW_DAYS, ("listings",)),
        (rules.min_free_float > 0, SLOW_DAYS, ("free_float", "supply")),
        (rules.max_unlock < 1, SLOW_DAYS, ("unlocks",)),
        (rules.min_commits > 0, COMMIT_DAYS, ("commits",)),
        (rules.max_fall > 0, rules.quarantine_days + 1 + rules.fall_days, ("price",)),
    ):
        if is_on:
            found |= Needs(days=days, fields=fields)
    return found


def measure(
    name: str, coins: Sequence[CoinFacts], rules: UniverseRules, *, evidence: Evidence, signals: SignalSet | None
) -> Measured:
    """{id: value} of the coins by one of RANKS; None is unknown. Raises MissingHistory when what it reads is not there."""
    if name == "market_cap":
        return {coin.id: coin.market_cap for coin in coins}
    if name == "volume":
        return {coin.id: coin.volume for coin in coins}
    if name == "score":
        if signals is None:
            raise MissingHistory(
                'universe.rank_by = "score" needs signals; set signals.mode, or rank by another measure'
            )
        return {coin.id: signals.signals[coin.id].score if coin.id in signals.signals else None for coin in coins}
    found = evidence.measured(lambda history: _from_history(name, history, rules), what=f'rank_by = "{name}"')
    if name == "free_float":
        return {coin.id: _times(found.get(coin.id), coin.price) for coin in coins}
    return {coin.id: found.get(coin.id) for coin in coins}


def _from_history(name: str, history: History, rules: UniverseRules) -> Measured:
    if name == "free_float":
        return newest(history, "free_float", days=SLOW_DAYS)
    if name == "venue_volume":
        return middle(history, "venue_volume", days=rules.volume_days)
    if name == "momentum":
        return momentum(history, days=rules.rank_days)
    if name == "return_consistency":
        return return_consistency(history, days=rules.rank_days)
    return volume_consistency(history, days=rules.rank_days)


def _times(amount: float | None, price: float | None) -> float | None:
    return None if amount is None or price is None else amount * price


def in_order(coins: Sequence[CoinFacts], values: Mapping[str, float], *, held: frozenset[str]) -> list[CoinFacts]:
    """Coins by falling value, ties by the rule above. Does not depend on the order of `coins`."""
    falling = sorted(coins, key=lambda coin: (-values[coin.id], coin.id))
    answer: list[CoinFacts] = []
    tied: list[CoinFacts] = []
    for coin in falling:
        if tied and not _is_near(values[tied[-1].id], values[coin.id]):
            answer += _settled(tied, held)
            tied = []
        tied.append(coin)
    return answer + _settled(tied, held)


def by_all_ranks(
    coins: Sequence[CoinFacts], measured: Sequence[Mapping[str, float]], *, held: frozenset[str]
) -> list[CoinFacts]:
    """Coins by the sum of their ranks in each of `measured`; equal sums by the first."""
    orders = [in_order(coins, values, held=held) for values in measured]
    places = [{coin.id: place for place, coin in enumerate(order)} for order in orders]
    return sorted(coins, key=lambda coin: (sum(place[coin.id] for place in places), places[0][coin.id]))


def _is_near(above: float, below: float) -> bool:
    return above - below <= NEAR * max(abs(above), abs(below))


def _settled(tied: list[CoinFacts], held: frozenset[str]) -> list[CoinFacts]:
    return sorted(tied, key=lambda coin: (coin.id not in held, -coin.volume, coin.id))
