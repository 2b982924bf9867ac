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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from offchain import risk, signals, universe, weights
from offchain.canonical import utc_text
from offchain.errors import DecisionMismatch, EmptyUniverse
from offchain.market.events import gone_at
from offchain.market.history import History, Needs
from offchain.market.snapshot import Market, MarketSnapshot, Time
from offchain.methodology.decision import Decision
from offchain.methodology.inputs import Inputs
from offchain.rebalance import is_reconstitution
from offchain.signals.outcome import SignalSet
from offchain.spec.load import INDEXES, PathText, find_spec, folder_of, open_sleeves
from offchain.spec.model import IndexSpec
from offchain.steps import Weighing
from offchain.universe.records import GOVERNOR, Records, load_records
from offchain.universe.selection import Universe, Verdict
from offchain.universe.votes import Ballot

LEADERS = ("bitcoin", "ethereum")  # always in the history: what others are compared with

Holdings = Mapping[str, float] | Collection[str]


class Methodology:
    """The rules of one index. `folder`: where the paths in its file begin; `model`, `records`: instead of those in files."""

    def __init__(
        self,
        spec: IndexSpec,
        *,
        folder: Path = INDEXES,
        model: signals.Model | signals.Versions | None = None,
        records: Records | None = None,
    ) -> None:
        self.spec = spec
        self.model = model or signals.model_for(spec.signals, folder)
        self._folder, self._records = folder, records
        self.sleeves = {
            name: Methodology(sleeve, folder=place, records=records)
            for name, (sleeve, place) in open_sleeves(spec, folder=folder).items()
        }

    @classmethod
    def open(
        cls, name: PathText, *, model: signals.Model | signals.Versions | None = None, records: Records | None = None
    ) -> Methodology:
        """Of a shipped index by its symbol, or of the file at a path; its own files are looked for beside it."""
        return cls(find_spec(name), folder=folder_of(name), model=model, records=records)

    @cached_property
    def needs(self) -> Needs:
        """How far back, and at which fields, the stages look."""
        found = universe.needs(self.spec.universe) | weights.needs(self.spec.weights) | risk.needs(self.spec.risk)
        if self.is_watched:
            found |= universe.monitor_needs(self.spec.universe)
        return found | signals.needs(self.spec.signals, model=self.model) if self.has_signals else found

    @property
    def is_watched(self) -> bool:
        """Whether a red flag takes a coin out, at reviews and between them."""
        return "emergency" in self.spec.rebalance.triggers

    @cached_property
    def records(self) -> Records:
        """Ballots, dossiers and incidents: those given, else those of the files that [universe] names."""
        if self._records is None:
            return load_records(self.spec.universe, folder=self._folder)
        return self._records

    @property
    def asks_governor(self) -> bool:
        """Whether what holders voted on the chain has a say: `with_ballots` is given it."""
        return self.spec.universe.votes == GOVERNOR

    def with_ballots(self, ballots: Sequence[Ballot]) -> Methodology:
        """The same rules, which know these ballots beside the records of their files."""
        records = load_records(self.spec.universe, folder=self._folder, ballots=ballots)
        return Methodology(self.spec, folder=self._folder, model=self.model, records=records)

    @property
    def has_signals(self) -> bool:
        """Whether coins get labels."""
        return self.spec.signals.mode != "off"

    @cached_property
    def remembers(self) -> bool:
        """Whether what is held now, in parts, has a say besides who is a member."""
        return weights.uses_held(self.spec.weights) or risk.uses_held(self.spec.risk)

    def snapshot(self, market: Market, t: Time) -> MarketSnapshot:
        """The facts of the day, which every decision stands on and some need nothing but."""
        return market.snapshot(t, volume_days=self.spec.universe.volume_days)

    def red_flags(
        self, market: Market, t: Time, members: Holdings, *, levels: Sequence[float] = ()
    ) -> tuple[universe.RedFlag, ...]:
        """What is wrong with these coins at `t`, nothing when the rules do not watch: `rebalance.due` is told.

        Of holdings in parts also what [risk] cannot leave until the next review; `levels` as in `decide`.
        """
        return self.flags(market, t, members, levels=levels) if self.is_watched else ()

    def flags(
        self, market: Market, t: Time, members: Holdings, *, levels: Sequence[float] = ()
    ) -> tuple[universe.RedFlag, ...]:
        """The same whether or not the rules watch: for who looks after the index."""
        alarms = self._alarms(market, t, members, tuple(levels)) if isinstance(members, Mapping) else ()
        need, narrow = universe.monitor_needs(self.spec.universe), _narrow(market, tuple(sorted(set(members))))
        snapshot = self.snapshot(narrow, t)
        history = narrow.history(snapshot.t, days=need.days, fields=need.fields)
        return (*self._flagged(members, snapshot, history, self.records.until(snapshot.t)), *alarms)

    def _alarms(
        self, market: Market, t: Time, held: Mapping[str, float], levels: tuple[float, ...]
    ) -> tuple[universe.RedFlag, ...]:
        if not risk.is_used(self.spec.risk):
            return ()
        need, ids = risk.needs(self.spec.risk), tuple(sorted({*held, *risk.names(self.spec.risk)}))
        history = _narrow(market, ids).history(t, days=need.days, fields=need.fields)
        return risk.alarms(self.spec.risk, history=history, held=held, levels=levels)

    def inputs(
        self,
        market: Market,
        t: Time,
        holdings: Holdings = (),
        *,
        levels: Sequence[float] = (),
        labels: Mapping[str, str] | None = None,
    ) -> Inputs:
        """What a decision reads; arguments as in `decide`. What these rules do not read is left out."""
        return self._inputs(market, self.snapshot(market, t), holdings, tuple(levels), labels or {})

    def decide(
        self,
        market: Market,
        t: Time,
        holdings: Holdings = (),
        *,
        tradable: Collection[str] | None = None,
        levels: Sequence[float] = (),
        labels: Mapping[str, str] | None = None,
    ) -> Decision:
        """The decision at `t`. `holdings`: ids held now, or {id: value or weight} in one unit, where zero is not held.

        `tradable`: ids with a token and a feed on the chain; None does not ask. `levels`: the index's own level on each
        day up to `t`, oldest first; rules with stops read it. `labels`: those of the decision before. Raises
        EmptyUniverse, InfeasibleWeights or MissingHistory, each with the numbers.
        """
        return self.decide_on(
            self.inputs(market, t, holdings, levels=levels, labels=labels), holdings, tradable=tradable
        )

    def decide_on(
        self, inputs: Inputs | MarketSnapshot, holdings: Holdings = (), *, tradable: Collection[str] | None = None
    ) -> Decision:
        """The same from published inputs, without the market."""
        given = Inputs(snapshot=inputs) if isinstance(inputs, MarketSnapshot) else inputs
        self._require_fitting(given)
        asked = _Asked(
            inputs=given,
            incumbents=_held(holdings),
            tradable=None if tradable is None else tuple(sorted(set(tradable))),
            signals=self.assess(given),
        )
        chosen, weighed = self._blend(asked) if self.sleeves else self._choose(asked)
        steps, findings = weighed.steps, weighed.findings
        if risk.is_used(self.spec.risk):
            weighed = risk.expose(
                weighed.weights,
                self.spec.risk,
                history=given.history,
                signals=asked.signals,
                held=given.held,
                levels=given.levels,
                tradable=asked.tradable,
            )
            steps, findings = (*steps, *weighed.steps), (*findings, *weighed.findings)
        return Decision(
            symbol=self.spec.symbol,
            t=given.t,
            target_weights={name: weight for name, weight in weighed.weights.items() if weight},
            universe=chosen,
            incumbents=asked.incumbents,
            tradable=asked.tradable,
            spec_hash=self.spec.spec_hash,
            inputs_hash=given.inputs_hash,
            findings=(*_doubts(chosen, self.spec.universe.top + self.spec.universe.buffer), *asked.findings, *findings),
            steps=steps,
            labels=asked.labels,
            phase="" if asked.signals is None else asked.signals.phase.name,
            model_hash="" if asked.signals is None else asked.signals.model_hash,
        )

    def verify(self, decision: Decision, source: Market | Inputs | MarketSnapshot) -> None:
        """Recomputes `decision` and returns quietly, or raises DecisionMismatch naming each difference.

        A market is enough for rules that read nothing but the market; for others take the inputs that were published.
        """
        given = self.inputs(source, decision.t, decision.incumbents) if isinstance(source, Market) else source
        again = self.decide_on(given, decision.incumbents, tradable=decision.tradable)
        differences = _differences(decision, again)
        if differences:
            raise DecisionMismatch(
                f"{decision.symbol} at {utc_text(decision.t)} does not follow from its inputs: "
                + "; ".join(differences)
            )

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _inputs(
        self,
        market: Market,
        snapshot: MarketSnapshot,
        holdings: Holdings,
        levels: tuple[float, ...],
        labels: Mapping[str, str],
    ) -> Inputs:
        records = self.records.until(snapshot.t)
        return Inputs(
            snapshot=snapshot,
            history=self._history(market, snapshot, holdings, records) if self.needs else None,
            held=_parts(holdings) if self.remembers else {},
            levels=levels if risk.uses_levels(self.spec.risk) else (),
            labels=dict(sorted(labels.items())) if self.spec.signals.hysteresis else {},
            records=records,
            gone=gone_at(market.events, snapshot.t),
            sleeves={
                # a sleeve cannot tell its own part of what is held: it sees names, so its limits on change do not act
                name: rules._inputs(market, rules._same_day(market, snapshot), _held(holdings), (), labels)
                for name, rules in self.sleeves.items()
            },
        )

    def _same_day(self, market: Market, near: MarketSnapshot) -> MarketSnapshot:
        days = self.spec.universe.volume_days
        return near if near.volume_days == days else self.snapshot(market, near.t)

    def _history(self, market: Market, snapshot: MarketSnapshot, holdings: Holdings, records: Records) -> History:
        """Of the coins that could become members, of what is held, and of what else the rules name."""
        named = {*LEADERS, *_held(holdings), *risk.names(self.spec.risk)} & set(market.ids)
        ids = named | self._candidates(snapshot, records)
        return market.history(snapshot.t, days=self.needs.days, fields=self.needs.fields, ids=ids)

    def _candidates(self, snapshot: MarketSnapshot, records: Records) -> set[str]:
        if self.sleeves:
            return {name for rules in self.sleeves.values() for name in rules._candidates(snapshot, records)}
        said = records.arguments(snapshot.t)
        return set(universe.candidates(snapshot, self.spec.universe, votes=said["votes"], dossiers=said["dossiers"]))

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

    # --- stages -------------------------------------------------------------------------------------------------------

    def assess(self, inputs: Inputs) -> SignalSet | None:
        """What the signals say of the candidates, None for rules without signals."""
        if not self.has_signals or inputs.history is None:
            return None
        tags = {coin.id: universe.themes_of(coin) for coin in inputs.snapshot.coins}
        return signals.assess(inputs.history, self.spec.signals, model=self.model, tags=tags, previous=inputs.labels)

    def _flagged(
        self, members: Collection[str], snapshot: MarketSnapshot, history: History, records: Records
    ) -> tuple[universe.RedFlag, ...]:
        dossiers = records.arguments(snapshot.t)["dossiers"] if self.spec.universe.is_vetted else None
        return universe.monitor(
            snapshot, members, self.spec.universe, history=history, dossiers=dossiers, incidents=records.incidents
        )

    def _barred_by_flags(self, inputs: Inputs) -> dict[str, str]:
        """Held or not: a coin that was taken out does not come back while the sign lasts."""
        if not self.is_watched or inputs.history is None:
            return {}
        known = [name for name in inputs.history.ids if name in inputs.snapshot]
        flags = self._flagged(known, inputs.snapshot, inputs.history, inputs.records)
        return {flag.id: f"red flag, {flag.code}: {flag.reason}" for flag in reversed(flags)}

    def _choose(self, asked: _Asked) -> tuple[Universe, Weighing]:
        inputs, rules = asked.inputs, self.spec.universe
        said = inputs.records.arguments(inputs.t)
        chosen = universe.select(
            inputs.snapshot,
            rules,
            incumbents=asked.incumbents,
            tradable=asked.tradable,
            history=inputs.history,
            votes=said["votes"],
            dossiers=said["dossiers"],
            signals=asked.signals,
            barred=_barred(asked.signals, self.spec.signals.exclude)
            | self._barred_by_flags(inputs)
            | dict(said["barred"])
            | dict(inputs.gone),
            reconstitute=is_reconstitution(rules, self.spec.rebalance, inputs.t),
        )
        if not chosen.members:
            raise EmptyUniverse(_nobody(self.spec, chosen))
        weighed = weights.weigh(
            [inputs.snapshot[name] for name in chosen.members],
            self.spec.weights,
            history=inputs.history,
            signals=asked.signals,
            held={name: part for name, part in inputs.held.items() if name not in risk.names(self.spec.risk)},
        )
        return chosen, weighed

    def _blend(self, asked: _Asked) -> tuple[Universe, Weighing]:
        """The indexes it is made of, each decided by its own rules on its own inputs."""
        decided = {
            name: rules.decide_on(asked.inputs.sleeves[name], asked.incumbents, tradable=asked.tradable)
            for name, rules in self.sleeves.items()
        }
        weighed = risk.blend(
            {name: decision.target_weights for name, decision in decided.items()},
            self.spec.sleeves,
            asked.signals,
            top=self.spec.risk.rotation_top,
        )
        silent = tuple(
            f"{name}: its limits on change (turnover, steps) do not act inside {self.spec.symbol}"
            for name, rules in self.sleeves.items()
            if rules.remembers
        )
        return _union(decided, weighed), replace(weighed, findings=(*weighed.findings, *silent))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One decision while it is made."""

    inputs: Inputs
    incumbents: tuple[str, ...]
    tradable: tuple[str, ...] | None
    signals: SignalSet | None

    @property
    def labels(self) -> dict[str, str]:
        given = {} if self.signals is None else self.signals.signals
        return {name: signal.label for name, signal in sorted(given.items())}

    @property
    def findings(self) -> tuple[str, ...]:
        return () if self.signals is None else self.signals.findings


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


def _union(decided: Mapping[str, Decision], weighed: Weighing) -> Universe:
    """Members by weight; a coin's reason is that of the first sleeve that holds it, else of the first one that looked at it."""
    t = next(iter(decided.values())).t
    verdicts: dict[str, Verdict] = {}
    for name, decision in decided.items():
        for verdict in decision.universe.verdicts:
            said = replace(verdict, reason=f"{name}: {verdict.reason}", rank=None)
            known = verdicts.get(verdict.id)
            if known is None or (said.is_member and not known.is_member):
                verdicts[verdict.id] = said
    by_weight = sorted(
        (name for name, weight in weighed.weights.items() if weight), key=lambda n: (-weighed.weights[n], n)
    )
    members = tuple(name for name in by_weight if name in verdicts and verdicts[name].is_member)
    ranked = {name: rank for rank, name in enumerate(members, start=1)}
    final = [replace(row, rank=ranked.get(name), is_member=name in ranked) for name, row in verdicts.items()]
    return Universe(
        t=t,
        members=members,
        verdicts=tuple(sorted(final, key=lambda row: (row.rank is None, row.rank or 0, row.id))),
    )


@lru_cache(maxsize=8)
def _narrow(market: Market, ids: tuple[str, ...]) -> Market:
    """The market of these coins alone: what is known of a coin itself is the same in it, and looking every day is cheap."""
    known = [name for name in ids if name in market.ids]
    frames = {name: getattr(market, name)[known] for name in ("price", "market_cap", "volume")}
    return replace(
        market,
        **frames,
        meta=market.meta.loc[known],
        panels={name: frame[known] for name, frame in market.panels.items()},
        findings=(),
    )


def _barred(seen: SignalSet | None, labels: Collection[str]) -> dict[str, str]:
    if seen is None:
        return {}
    return {
        name: signal.reason  # which begins with its label
        for name, signal in seen.signals.items()
        if signal.label in labels and not signal.is_fallback
    }


def _doubts(chosen: Universe, depth: int) -> tuple[str, ...]:
    near = [verdict for verdict in chosen.verdicts if verdict.rank is not None and verdict.rank <= depth]
    return tuple(f"{verdict.id}: {verdict.note}" for verdict in near if verdict.note)


def _nobody(spec: IndexSpec, chosen: Universe) -> str:
    largest = sorted(chosen.verdicts, key=lambda verdict: (-(verdict.market_cap or 0.0), verdict.id))[:3]
    why = "; ".join(f"{verdict.id}: {verdict.reason}" for verdict in largest) or "the market holds no coin at all"
    return f"{spec.symbol}: none of {len(chosen.verdicts)} coins passes [universe]; the largest are out because {why}"


def _differences(given: Decision, again: Decision) -> list[str]:
    found = []
    for name in ("symbol", "t", "spec_hash", "inputs_hash", "model_hash"):
        if getattr(given, name) != getattr(again, name):
            found.append(f"{name} is {getattr(given, name)}, recomputed {getattr(again, name)}")
    for coin in sorted({*given.target_weights, *again.target_weights}):
        before, after = given.target_weights.get(coin, 0), again.target_weights.get(coin, 0)
        if before != after:
            found.append(f"weight of {coin} is {before}, recomputed {after}")
    return found
