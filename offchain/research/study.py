"""Everything that a report says about an index over a time: its run beside its passive twin and benchmarks, and what it hinges on.

    result = study(find_spec("LC10"), market, start="2021-01-01", end="2021-09-30")

The passive twin holds the same kind of coins by market capitalisation, without signals and risk rules, at the same costs
and fees: what is better than it is what the rules were for. The survivorship gap is what the result would look better by if
only coins that still exist at the end had been considered. The delay curve is the result when every trade is some days
late: a cliff between 0 and 1 day would mean that the rules live on a price nobody can trade at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from offchain.analytics.attribution import Contributions, Decided
from offchain.analytics.books import components_of, decisions_of
from offchain.analytics.exposure import correlations
from offchain.analytics.measures import Drawdown, Measure, drawdowns, measure
from offchain.analytics.periods import Period, calendar, trailing
from offchain.backtest import CostModel, Rules, Run, Terms, run_decider
from offchain.backtest.chance import probabilistic_sharpe, resampled, sharpe_facts
from offchain.backtest.results import BASE
from offchain.errors import BallastError, MissingHistory
from offchain.market import Market
from offchain.market.confirm import MAX_GAP_DAYS
from offchain.market.snapshot import Time, as_utc
from offchain.methodology import Methodology
from offchain.risk.stress import Liquidity
from offchain.risk.tables import Cell, risk_table
from offchain.spec import IndexSpec
from offchain.spec.load import INDEXES, open_sleeves
from offchain.spec.weight_rules import WeightRules
from offchain.universe.records import Records

Floats = NDArray[np.float64]

DELAYS = (0, 1, 2, 3, 7)  # {days} from a decision to its trade
ROOM = 1.5  # cap × number of coins from which on a cap is a limit and not the weights themselves
PATHS, SEED = 1_000, 7  # of resampled histories
RISK_DAYS = 365
STEPS = ("index", "passive twin", "survivors only", "delay curve")


@dataclass(frozen=True, kw_only=True)
class Delay:
    """The result when trades come `days` after their decisions. `total_return`: net, None when it could not be run, for `reason`."""

    days: int
    total_return: float | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Survivorship:
    """`gap`: total return with coins that still exist at the end only, less that with all. `ended`: how many do not."""

    gap: float
    ended: int
    held: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Luck:
    """What chance could have made of the same days: blocks of them drawn anew, `paths` times. `quantiles`: {measure: {q: value}};
    `loss`: part of the histories that end below their start; `skill`: probability that the true Sharpe ratio is above 0
    (Bailey and López de Prado 2012), for an index that was not chosen among many.
    """

    paths: int
    block: float
    seed: int
    quantiles: Mapping[str, Mapping[float, float]]
    loss: float
    skill: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """`lines`: {name: net levels from BASE at the run's times}: the index, its twin, its benchmarks. `table`: {name:
    absolute measures}; `against`: {name: the index's measures relative to it}; `risk`: `risk_table` of what it holds at the end.
    """

    spec: IndexSpec
    market: str
    run: Run
    twin: Run | None
    lines: Mapping[str, Floats]
    table: Mapping[str, Mapping[str, Measure]]
    against: Mapping[str, Mapping[str, Measure]]
    months: tuple[Period, ...]
    trailing: Mapping[str, Measure]
    drawdowns: tuple[Drawdown, ...]
    components: Contributions
    decisions: Decided
    correlations: Mapping[str, Mapping[str, Measure]]
    survivorship: Survivorship | None
    delays: tuple[Delay, ...]
    luck: Luck | None = None
    risk: Mapping[str, Cell] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def dates(self) -> tuple[date, ...]:
        """Days of the run's rows."""
        return tuple(time.date() for time in self.run.times)


def study(
    spec: IndexSpec,
    market: Market,
    *,
    start: Time | None = None,
    end: Time | None = None,
    costs: CostModel | None = None,
    folder: Path = INDEXES,
    records: Records | None = None,
    is_quick: bool = False,
    on_step: Callable[[int], None] = lambda done: None,
) -> Study:
    """Runs the index and everything it is compared with. `is_quick`: without survivors and delays; `on_step`: called with the count of done STEPS.

    `folder`: where the paths in the index file begin; `records`: instead of those in files.
    """
    notes: list[str] = []
    walk = _Walk(start=start, end=end, costs=CostModel() if costs is None else costs, folder=folder, records=records)
    run = walk.run(spec, market)
    if run.reviews and walk.start is not None and run.reviews[0].time != as_utc(walk.start):
        notes.append(f"Its rules could not decide before {run.reviews[0].time:%Y-%m-%d}: {_first_finding(run)}")
    on_step(1)
    twin = _twin_run(spec, market, run, walk, notes)
    on_step(2)
    gap = None if is_quick else _survivorship(spec, market, run, walk, notes)
    on_step(3)
    delays = () if is_quick else _delays(spec, market, run, walk)
    on_step(4)
    lines = {spec.symbol: run.net, **({} if twin is None else {f"{spec.symbol} passive": twin.net})}
    lines |= _benchmarks(spec, market, run, notes)
    others = [name for name in lines if name != spec.symbol]
    held = [(name, float(run.weights[-1, k])) for k, name in enumerate(run.ids) if run.weights[-1, k] > 0.0]
    return Study(
        spec=spec,
        market=market.source,
        run=run,
        twin=twin,
        lines=lines,
        table={name: measure(_from_base(line)) for name, line in lines.items()},
        against={name: _relative(run.net, lines[name]) for name in others},
        months=calendar(_from_base(run.net)[1:], [time.date() for time in run.times], by="month"),
        trailing=trailing(run.net.tolist(), [time.date() for time in run.times]),
        drawdowns=drawdowns(run.net.tolist()),
        components=components_of(run),
        decisions=decisions_of(run, _first_benchmark(spec, lines)),
        correlations=_correlations(
            market, run, [name for name, _ in sorted(held, key=lambda pair: (-pair[1], pair[0]))]
        ),
        survivorship=gap,
        delays=delays,
        luck=_luck(run, notes),
        risk=_risk(spec, market, run, notes),
        notes=tuple(notes),
    )


def passive_twin(spec: IndexSpec, *, folder: Path = INDEXES) -> IndexSpec | None:
    """The same index by market capitalisation, without signals and risk rules; None when it is that already.

    Screens, number of coins, calendar and fees stay, and so do cap and floor where they leave room: a cap of a fifth on
    five coins would make it equal parts again. Of an index of indexes it is the core alone, when there is one core.
    """
    if spec.sleeves:
        cores = [row.index for row in spec.sleeves if row.role == "core"]
        return open_sleeves(spec, folder=folder)[cores[0]][0] if len(cores) == 1 < len(spec.sleeves) else None
    cap = spec.weights.max_weight
    has_room = cap * spec.universe.top >= ROOM
    weights = WeightRules(
        scheme="market_cap",
        max_weight=cap if has_room else 1.0,
        min_weight=spec.weights.min_weight if has_room else 0.0,
    )
    universe = replace(spec.universe, rank_by="market_cap", rank_also=())
    twin = replace(spec, universe=universe, weights=weights, signals=type(spec.signals)(), risk=type(spec.risk)())
    return None if twin.spec_hash == spec.spec_hash else twin


def survivors(market: Market, end: Time) -> Market:
    """The same market without coins that have no price any more at `end`: what somebody would see who looked back from there."""
    past = market.until(end)
    recent = past.price.to_numpy()[-(MAX_GAP_DAYS + 1) :]
    alive = {name for name, seen in zip(past.ids, (~np.isnan(recent)).any(axis=0), strict=True) if seen}
    kept = [name for name in market.ids if name in alive or name not in past.ids]
    return replace(
        market,
        price=market.price[kept],
        market_cap=market.market_cap[kept],
        volume=market.volume[kept],
        meta=market.meta.loc[kept],
        panels={name: frame[kept] for name, frame in market.panels.items()},
    )


# --- parts ------------------------------------------------------------------------------------------------------------


def _from_base(line: Floats) -> list[float]:
    """Levels with BASE in front, so that the cost of the first purchase counts."""
    return [BASE, *line.tolist()]


def _relative(line: Floats, other: Floats) -> dict[str, Measure]:
    own = measure(_from_base(line), benchmark=_from_base(other))
    absolute = measure(_from_base(line))
    return {name: value for name, value in own.items() if name not in absolute}


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """What all runs of a study share."""

    start: Time | None
    end: Time | None
    costs: CostModel
    folder: Path
    records: Records | None

    def run(self, spec: IndexSpec, market: Market, *, rules: Rules | None = None) -> Run:
        """Like `backtest`, with the files that the index names in its folder."""
        return run_decider(
            Methodology(spec, folder=self.folder, records=self.records),
            market,
            symbol=spec.symbol,
            start=self.start,
            end=self.end,
            costs=self.costs,
            rules=Rules.of(spec) if rules is None else rules,
            terms=Terms.of(spec),
        )


def _first_finding(run: Run) -> str:
    return next((finding for finding in run.findings if "no decision" in finding), "see the findings")


def _twin_run(spec: IndexSpec, market: Market, run: Run, walk: _Walk, notes: list[str]) -> Run | None:
    """Over the same days: it begins when the index could, which may need more history than its twin."""
    twin = passive_twin(spec, folder=walk.folder)
    if twin is None:
        own = "It is its own passive twin: by market capitalisation, without signals and risk rules."
        notes.append("It is made of cores only and has no passive twin." if spec.sleeves else own)
        return None
    found = replace(walk, start=run.reviews[0].time).run(twin, market)
    if found.times != run.times:
        notes.append(
            f"The passive twin begins on {found.times[0]:%Y-%m-%d}, another day than the index, and is left out."
        )
        return None
    return found


def _benchmarks(spec: IndexSpec, market: Market, run: Run, notes: list[str]) -> dict[str, Floats]:
    prices = market.believed_prices()
    found = {}
    for name in spec.index.benchmarks:
        if name not in prices.columns:
            notes.append(f"The benchmark {name} is not in the market data.")
            continue
        line = prices[name].ffill().reindex(run.index, method="ffill").to_numpy(dtype=np.float64)
        if np.isnan(line[0]):
            notes.append(f"The benchmark {name} has no price when the run begins.")
            continue
        found[name] = BASE * line / line[0]
    return found


def _first_benchmark(spec: IndexSpec, lines: Mapping[str, Floats]) -> Floats | None:
    return next((lines[name] for name in spec.index.benchmarks if name in lines), None)


def _survivorship(spec: IndexSpec, market: Market, run: Run, walk: _Walk, notes: list[str]) -> Survivorship | None:
    last = run.times[-1]
    alive = survivors(market, last)
    gone = set(market.until(last).ids) - set(alive.ids)
    held = tuple(sorted(gone & set(run.ids)))
    if not gone:
        return Survivorship(gap=0.0, ended=0, held=())
    try:
        again = walk.run(spec, alive)
    except BallastError as error:
        notes.append(f"The survivorship gap could not be measured: {error}")
        return None
    return Survivorship(gap=float((again.net[-1] - run.net[-1]) / BASE), ended=len(gone), held=held)


def _luck(run: Run, notes: list[str]) -> Luck | None:
    try:
        returns = run.returns().to_numpy(dtype=np.float64)
        found = resampled(returns, paths=PATHS, seed=SEED)
        skill = probabilistic_sharpe(sharpe_facts(returns))
    except BallastError as error:
        notes.append(f"Luck could not be measured: {error}")
        return None
    return Luck(paths=PATHS, block=found.block, seed=SEED, quantiles=found.quantiles(), loss=found.loss, skill=skill)


def _risk(spec: IndexSpec, market: Market, run: Run, notes: list[str]) -> Mapping[str, Cell]:
    """Of today's weights, through the year before the end."""
    held = {name: float(part) for name, part in zip(run.ids, run.weights[-1], strict=True) if part > 0.0}
    end = run.times[-1]
    try:
        history = market.history(end, days=RISK_DAYS + 1, fields=("price", "volume"), ids={*held, "bitcoin"})
        volumes = {name: float(np.nanmedian(history.panel("volume")[-30:, history.column(name)])) for name in held}
        liquidity = Liquidity(
            portfolio_usd=float(run.nav[-1]), volumes={name: usd for name, usd in volumes.items() if usd > 0.0}
        )
        themes = {name: tuple(str(market.meta.loc[name, "tags"]).split(";")) for name in held}
        return risk_table(
            held, history, days=RISK_DAYS, liquidity=liquidity, themes=themes, stable_ids=spec.risk.stable_ids
        )
    except BallastError as error:
        notes.append(f"The risk of what it holds could not be measured: {error}")
        return {}


def _delays(spec: IndexSpec, market: Market, run: Run, walk: _Walk) -> tuple[Delay, ...]:
    """Every run is measured from the first day of the slowest one, so that all are invested over the same days."""
    runs: dict[int, Run] = {}
    failed: dict[int, str] = {}
    for days in DELAYS:
        lag = timedelta(days=days)
        rules = replace(Rules.of(spec), lag=lag, is_research=days == 0)
        try:
            runs[days] = run if lag == timedelta(days=1) else walk.run(spec, market, rules=rules)
        except BallastError as error:
            failed[days] = str(error)
    first = max((one.times[0] for one in runs.values()), default=run.times[0])
    found = []
    for days in DELAYS:
        if days in failed:
            found.append(Delay(days=days, total_return=None, reason=failed[days]))
            continue
        one = runs[days]
        row = int(one.index.searchsorted(first))
        found.append(Delay(days=days, total_return=float(one.net[-1] / one.net[row] - 1.0)))
    return tuple(found)


def _correlations(market: Market, run: Run, names: Sequence[str], *, most: int = 12) -> dict[str, dict[str, Measure]]:
    """Of the heaviest coins at the end, over the days of the run."""
    if len(names) < 2:
        return {}
    prices = market.believed_prices().loc[run.times[0] : run.times[-1]]
    missing = [name for name in names if name not in prices.columns]
    if missing:
        raise MissingHistory(f"{market.source}: {', '.join(missing)} is held but not in the data")
    return correlations({name: prices[name].to_numpy(dtype=np.float64).tolist() for name in names[:most]})
