"""From an index file and a market to a decision. The same object decides in a backtest and live.

    methodology = Methodology(load_spec("offchain/indexes/lc10.toml"))
    decision = methodology.decide(market, t, holdings)       reads market.until(t) and nothing else
    methodology.verify(decision, market)                     recomputes it, from a market or from published inputs

The stages, each of which leaves a `Step` with its numbers:

    inputs       what was known at t, and no more             offchain/market
    signals      bullish, neutral or bearish, how sure        offchain/signals, from offchain/features
    universe     who is in, and why everyone else is not      offchain/universe
    weights      scheme, tilt, limits: exact integers         offchain/weights
    sleeves      other indexes as parts of this one           offchain/risk/sleeves.py
    exposure     how much is at risk at all                   offchain/risk

A decision is pure: the same spec, inputs, holdings and tradable coins give the same integers and the same hash on every
machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from offchain import risk, signals, universe, weights
from offchain.canonical import utc_text
from offchain.errors import DecisionMismatch, EmptyUniverse, MissingHistory
from offchain.market.history import History, Needs
from offchain.market.snapshot import Market, MarketSnapshot, Time
from offchain.methodology.decision import Decision
from offchain.methodology.inputs import Inputs
from offchain.signals.outcome import SignalSet
from offchain.spec.load import find_spec
from offchain.spec.model import IndexSpec
from offchain.steps import Weighing
from offchain.universe.selection import Universe

Holdings = Mapping[str, float] | Collection[str]


class Methodology:
    """The rules of one index. `sleeves`: the rules of the indexes it is made of, by symbol; read from their files."""

    def __init__(self, spec: IndexSpec, *, model: signals.Model | None = None) -> None:
        self.spec = spec
        self.model = model
        self.sleeves = {row.index: Methodology(find_spec(row.index)) for row in spec.sleeves}

    @cached_property
    def needs(self) -> Needs:
        """How far back, and at which fields, the stages look."""
        return (
            signals.needs(self.spec.signals)
            | universe.needs(self.spec.universe)
            | weights.needs(self.spec.weights)
            | risk.needs(self.spec.risk)
        )

    @cached_property
    def remembers(self) -> bool:
        """Whether what is held now, or how the index did, has a say besides who is a member."""
        return weights.uses_held(self.spec.weights) or risk.uses_held(self.spec.risk)

    def inputs(self, market: Market, t: Time, holdings: Holdings = (), *, levels: tuple[float, ...] = ()) -> Inputs:
        """What a decision reads. `holdings`, `levels`: as in `decide`; left out where the rules do not remember."""
        snapshot = market.snapshot(t, volume_days=self.spec.universe.volume_days)
        return Inputs(
            snapshot=snapshot,
            history=self._history(market, snapshot, holdings) if self.needs else None,
            held=_parts(holdings) if self.remembers else {},
            levels=levels if self.remembers else (),
            sleeves={symbol: rules.inputs(market, t, holdings) for symbol, rules in self.sleeves.items()},
        )

    def decide(
        self,
        market: Market,
        t: Time,
        holdings: Holdings = (),
        *,
        tradable: Collection[str] | None = None,
        levels: tuple[float, ...] = (),
    ) -> Decision:
        """The decision at `t`. `holdings`: ids held now, or {id: value or weight} in one unit, where zero is not held.

        `tradable`: ids with a token and a feed on the chain; None does not ask. `levels`: the index's own level on each
        day up to `t`, oldest first; rules with stops read it. Raises EmptyUniverse, InfeasibleWeights or
        MissingHistory, each with the numbers.
        """
        return self.decide_on(self.inputs(market, t, holdings, levels=levels), holdings, tradable=tradable)

    def decide_on(
        self, inputs: Inputs | MarketSnapshot, holdings: Holdings = (), *, tradable: Collection[str] | None = None
    ) -> Decision:
        """The same from published inputs, without the market."""
        given = Inputs(snapshot=inputs) if isinstance(inputs, MarketSnapshot) else inputs
        self._require_fitting(given)
        incumbents = _held(holdings)
        on_chain = None if tradable is None else tuple(sorted(set(tradable)))
        seen = self._signals(given)
        chosen = self._select(given, incumbents, on_chain, seen)
        weighed = self._weigh(given, chosen, seen, incumbents, on_chain)
        at_risk = weighed
        if risk.is_used(self.spec.risk):
            at_risk = risk.expose(
                weighed.weights,
                self.spec.risk,
                history=_known(given.history),
                signals=seen,
                held=given.held,
                levels=given.levels,
                prices={coin.id: coin.price for coin in given.snapshot.coins},
            )
        return Decision(
            symbol=self.spec.symbol,
            t=given.t,
            target_weights=at_risk.weights,
            universe=chosen,
            incumbents=incumbents,
            tradable=on_chain,
            spec_hash=self.spec.spec_hash,
            inputs_hash=given.inputs_hash,
            findings=(
                *_findings(chosen, self.spec.universe.top + self.spec.universe.buffer),
                *_said(seen, weighed, at_risk),
            ),
            steps=weighed.steps if at_risk is weighed else (*weighed.steps, *at_risk.steps),
            labels={} if seen is None else {name: signal.label for name, signal in sorted(seen.signals.items())},
            phase="" if seen is None else seen.phase.name,
            model_hash="" if seen is None else seen.model_hash,
        )

    def verify(
        self,
        decision: Decision,
        source: Market | Inputs | MarketSnapshot,
        *,
        holdings: Holdings = (),
        levels: tuple[float, ...] = (),
    ) -> None:
        """Recomputes `decision` and returns quietly, or raises DecisionMismatch naming each difference.

        From a market, rules that remember need the `holdings` and `levels` of then; published inputs have them.
        """
        given = (
            self.inputs(source, decision.t, holdings or decision.incumbents, levels=levels)
            if isinstance(source, Market)
            else source
        )
        again = self.decide_on(given, decision.incumbents, tradable=decision.tradable)
        differences = _differences(decision, again)
        if differences:
            raise DecisionMismatch(
                f"{decision.symbol} at {utc_text(decision.t)} does not follow from its inputs: "
                + "; ".join(differences)
            )

    def _history(self, market: Market, snapshot: MarketSnapshot, holdings: Holdings) -> History:
        """Of the coins that could become members, of what is held, and of what else the rules name."""
        candidates = {one.coin.id for one in universe.screen(snapshot, self.spec.universe) if one.is_eligible}
        named = {"bitcoin", "ethereum", *_held(holdings), *risk.names(self.spec.risk)}
        return market.history(
            snapshot.t, days=self.needs.days, fields=self.needs.fields, ids=candidates | (named & set(market.ids))
        )

    def _require_fitting(self, inputs: Inputs) -> None:
        days = self.spec.universe.volume_days
        if inputs.snapshot.volume_days != days:
            raise DecisionMismatch(
                f"the snapshot's volumes are medians of {inputs.snapshot.volume_days} days, "
                f"universe.volume_days is {days}; take it with methodology.inputs"
            )
        if self.needs and inputs.history is None:
            raise DecisionMismatch(
                f"{self.spec.symbol} looks back {self.needs.days} days at {', '.join(self.needs.fields)}; "
                "a snapshot alone does not do, take the inputs with methodology.inputs"
            )
        missing = sorted(set(self.sleeves) - set(inputs.sleeves))
        if missing:
            raise DecisionMismatch(f"{self.spec.symbol} is made of {', '.join(missing)}, whose inputs are not there")

    def _signals(self, inputs: Inputs) -> SignalSet | None:
        if self.spec.signals.mode == "off":
            return None
        tags = {coin.id: coin.tags for coin in inputs.snapshot.coins}
        return signals.assess(_known(inputs.history), self.spec.signals, model=self.model, tags=tags)

    def _select(
        self, inputs: Inputs, incumbents: tuple[str, ...], tradable: tuple[str, ...] | None, seen: SignalSet | None
    ) -> Universe:
        chosen = universe.select(
            inputs.snapshot,
            self.spec.universe,
            incumbents=incumbents,
            tradable=tradable,
            history=inputs.history,
            signals=seen,
            barred=_barred(seen, self.spec.signals.exclude),
        )
        if not chosen.members:
            raise EmptyUniverse(_nobody(self.spec, chosen))
        return chosen

    def _weigh(
        self,
        inputs: Inputs,
        chosen: Universe,
        seen: SignalSet | None,
        incumbents: tuple[str, ...],
        tradable: tuple[str, ...] | None,
    ) -> Weighing:
        weighed = weights.weigh(
            [inputs.snapshot[name] for name in chosen.members],
            self.spec.weights,
            history=inputs.history,
            signals=seen,
            held=inputs.held,
        )
        if not self.sleeves:
            return weighed
        parts = {
            symbol: (rules.decide_on(inputs.sleeves[symbol], incumbents, tradable=tradable).target_weights)
            for symbol, rules in self.sleeves.items()
        }
        return risk.blend(parts, self.spec.sleeves, seen)


def verify(decision: Decision, source: Market | Inputs | MarketSnapshot, *, spec: IndexSpec) -> None:
    """Recomputes `decision` by the rules of `spec`; raises DecisionMismatch naming each difference."""
    Methodology(spec).verify(decision, source)


def _held(holdings: Holdings) -> tuple[str, ...]:
    if isinstance(holdings, str):
        raise TypeError(f'holdings = "{holdings}" is one text; give a collection of ids or {{id: value}}')
    if isinstance(holdings, Mapping):
        return tuple(sorted(name for name, amount in holdings.items() if amount))
    return tuple(sorted(set(holdings)))


def _parts(holdings: Holdings) -> dict[str, float]:
    """{id: part of 1} to twelve digits, sorted by id; of ids without values, nothing."""
    if not isinstance(holdings, Mapping):
        return {}
    values = {name: float(value) for name, value in sorted(holdings.items()) if value}
    total = sum(values.values())
    return {name: float(f"{value / total:.12g}") for name, value in values.items()}


def _known(history: History | None) -> History:
    if history is None:
        raise MissingHistory("these rules look back, and no history was given; take the inputs with methodology.inputs")
    return history


def _barred(seen: SignalSet | None, labels: Collection[str]) -> dict[str, str]:
    if seen is None:
        return {}
    return {
        name: f"{signal.label}: {signal.reason}"
        for name, signal in seen.signals.items()
        if signal.label in labels and not signal.is_fallback
    }


def _said(seen: SignalSet | None, weighed: Weighing, at_risk: Weighing) -> tuple[str, ...]:
    said = () if seen is None else seen.findings
    return (*said, *weighed.findings, *(() if at_risk is weighed else at_risk.findings))


def _findings(chosen: Universe, depth: int) -> tuple[str, ...]:
    near = [verdict for verdict in chosen.verdicts if verdict.rank is not None and verdict.rank <= depth]
    return tuple(f"{verdict.id}: {verdict.note}" for verdict in near if verdict.note)


def _nobody(spec: IndexSpec, chosen: Universe) -> str:
    largest = sorted(chosen.verdicts, key=lambda verdict: (-(verdict.market_cap or 0.0), verdict.id))[:3]
    why = "; ".join(f"{verdict.id}: {verdict.reason}" for verdict in largest) or "the market holds no coin at all"
    return f"{spec.symbol}: none of {len(chosen.verdicts)} coins passes [universe]; the largest are out because {why}"


def _differences(given: Decision, again: Decision) -> list[str]:
    found = []
    for name in ("symbol", "t", "spec_hash", "inputs_hash"):
        if getattr(given, name) != getattr(again, name):
            found.append(f"{name} is {getattr(given, name)}, recomputed {getattr(again, name)}")
    for coin in sorted({*given.target_weights, *again.target_weights}):
        before, after = given.target_weights.get(coin, 0), again.target_weights.get(coin, 0)
        if before != after:
            found.append(f"weight of {coin} is {before}, recomputed {after}")
    return found
