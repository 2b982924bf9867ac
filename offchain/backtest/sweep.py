"""Many variants of one index, each with the whole `decide`: on processes, threads, or a cluster; resumable; the same for any of them.

    variants = grid({"universe.top": [5, 10, 20], "weights.max_weight": [0.25, 0.4], "costs.fee_bps": [10.0, 30.0]})
    result = sweep(spec, market, variants, start="2021-01-01", jobs=2, journal=Path("lc10.jsonl"))
    print(result.table())

A key is "section.key" of the index file, or "costs.x" of the CostModel, or "rules.x" of the Rules of a backtest. Each finished variant is
one line in the journal under a hash of everything it depends on, so that a sweep that was killed goes on where it was. The table
shows the deflated Sharpe ratio: what the best is worth after so many trials.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, Protocol, cast

import joblib
import numpy as np
import pandas as pd

from offchain.backtest.chance import (
    YEAR,
    Overfitting,
    SharpeFacts,
    deflated_sharpe,
    effective_trials,
    overfitting,
    sharpe_facts,
)
from offchain.backtest.costs import CostModel
from offchain.backtest.engine import Rules, backtest
from offchain.backtest.fees import Terms
from offchain.backtest.results import BASE, LEVEL_DECIMALS, Run
from offchain.backtest.solve import Floats
from offchain.canonical import keccak_hex, utc_text
from offchain.errors import BallastError, MarketDataError, did_you_mean
from offchain.market.snapshot import Market, Time, as_utc
from offchain.methodology import Methodology
from offchain.signals import Versions
from offchain.spec.load import INDEXES
from offchain.spec.model import IndexSpec
from offchain.spec.variants import changed
from offchain.universe.records import Records

FORMAT = "ballast-sweep/1"
BACKENDS = ("loky", "threading", "sequential")
MEASURES = (
    "cagr", "cagr_gross", "gap", "volatility", "sharpe", "drawdown", "turnover", "cost", "rebalances", "days",
    "sharpe_daily", "skewness", "kurtosis",
)  # fmt: skip
CLUSTER_HINT = "run `uv pip install distributed` on every machine, with the same version of this project"

Changes = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """One variant. `measures`: yearly numbers of 365 days; `net`: levels, from `first` on; `problem`: why there are none."""

    key: str
    changes: Changes
    measures: Mapping[str, float]
    first: str = ""
    net: tuple[float, ...] = ()
    problem: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweep:
    """All variants, in the order they were asked for. `resumed`: how many were in the journal already."""

    outcomes: tuple[Outcome, ...]
    resumed: int = 0

    def table(self, *, by: str = "sharpe") -> pd.DataFrame:
        """Ranked, best first, changes and measures in columns; variants with a problem last. Ties in the order asked for."""
        rows = [{**outcome.changes, **outcome.measures, "problem": outcome.problem} for outcome in self.outcomes]
        table = pd.DataFrame(rows)
        if by not in table.columns:
            raise MarketDataError(
                f'rank by "{by}"? Known: {", ".join(map(str, table.columns))}.{did_you_mean(by, table.columns)}'
            )
        table = table.assign(**self._deflated)
        return table.sort_values(by, ascending=False, kind="stable", na_position="last").reset_index(drop=True)

    @property
    def trials(self) -> int:
        """Variants that have a result."""
        return sum(1 for outcome in self.outcomes if not outcome.problem)

    @cached_property
    def levels(self) -> pd.DataFrame:
        """Net levels, time × position of the variant, over the days that all of them have."""
        lines = {
            at: pd.Series(outcome.net, index=pd.date_range(outcome.first, periods=len(outcome.net), freq="D", tz="UTC"))
            for at, outcome in enumerate(self.outcomes)
            if outcome.net
        }
        return pd.concat(lines, axis=1, join="inner") if lines else pd.DataFrame()

    def overfitting(self, *, splits: int = 10) -> Overfitting:
        """How often the best in one half of the days is below the middle in the other."""
        return overfitting(_returns(self.levels), splits=splits)

    @cached_property
    def _deflated(self) -> dict[str, list[float]]:
        """For as many trials as there were, and for as many as their correlation leaves."""
        good = [outcome for outcome in self.outcomes if "sharpe_daily" in outcome.measures]
        if len(good) < 2:
            return {name: [math.nan] * len(self.outcomes) for name in ("deflated", "deflated_effective")}
        variance = float(np.var([outcome.measures["sharpe_daily"] for outcome in good], ddof=1))
        effective = effective_trials(_returns(self.levels))
        return {
            name: [_deflate(outcome, variance=variance, trials=trials) for outcome in self.outcomes]
            for name, trials in (("deflated", float(len(good))), ("deflated_effective", effective))
        }


def grid(axes: Mapping[str, Sequence[object]]) -> list[dict[str, object]]:
    """Every combination, the last axis innermost."""
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def sweep(
    spec: IndexSpec,
    market: Market,
    variants: Sequence[Changes],
    *,
    start: Time | None = None,
    end: Time | None = None,
    costs: CostModel | None = None,
    rules: Rules | None = None,
    terms: Terms | None = None,
    jobs: int = 1,
    backend: str = "loky",
    cluster: str = "",
    journal: Path | None = None,
    on_done: Callable[[int, int], None] = lambda done, total: None,
    folder: Path = INDEXES,
    records: Records | None = None,
) -> Sweep:
    """Runs every variant once. `folder`: where the paths in the index file begin; `records`: instead of those in files. `jobs`: processes or threads; `cluster`: address of a Dask scheduler ("tcp://host:8786") instead.

    `journal`: file with one line for each finished variant; what is in it is not run again. `on_done`: told (finished, to be run). A variant whose file is contradictory, or
    that cannot be run, keeps its place with the problem. Raises SpecError or MarketDataError for keys that do not exist.
    """
    if backend not in BACKENDS:
        raise MarketDataError(
            f'backend = "{backend}"; use one of {", ".join(BACKENDS)}.{did_you_mean(backend, BACKENDS)}'
        )
    task = _Task(
        spec=spec,
        start=market.start + market.lag if start is None else as_utc(start),
        end=market.end + market.lag if end is None else as_utc(end),
        costs=CostModel() if costs is None else costs,
        rules=rules,
        terms=terms,
        folder=folder,
        records=records,
    )
    for changes in variants:
        _known_keys(spec, changes)
    base = keccak_hex({"format": FORMAT, "market": market_hash(market), "task": task.facts()})
    keys = [
        keccak_hex({"base": base, "changes": {name: _plain(value) for name, value in changes.items()}})
        for changes in variants
    ]
    done = _read_journal(journal)
    todo = [(key, changes) for key, changes in dict(zip(keys, variants, strict=True)).items() if key not in done]
    resumed = len(set(keys) & set(done))
    with _appending(journal) as write:
        finished = _outcomes(task, market, todo, jobs=jobs, backend=backend, cluster=cluster)
        for count, outcome in enumerate(finished, start=1):
            done[outcome.key] = outcome
            write(outcome)
            on_done(count, len(todo))
    outcomes = tuple(
        dataclasses.replace(done[key], changes=dict(changes)) for key, changes in zip(keys, variants, strict=True)
    )
    return Sweep(outcomes=outcomes, resumed=resumed)


def best_frequency(
    spec: IndexSpec,
    market: Market,
    *,
    calendars: Sequence[str] = ("daily", "weekly", "monthly"),
    bands: Sequence[float] = (0.0, 0.02, 0.05),
    start: Time | None = None,
    end: Time | None = None,
    costs: CostModel | None = None,
    jobs: int = 1,
) -> pd.DataFrame:
    """How often to rebalance: net return, cost and turnover of every calendar and drift band, best net return first.

    `gap`: yearly distance of net to gross, which is what trading more often has to earn back.
    """
    variants = grid({"rebalance.calendar": list(calendars), "rebalance.drift_band": list(bands)})
    result = sweep(spec, market, variants, start=start, end=end, costs=costs, jobs=jobs, backend="threading")
    table = result.table(by="cagr")
    kept = [
        *variants[0],
        "cagr",
        "cagr_gross",
        "gap",
        "turnover",
        "cost",
        "rebalances",
        "sharpe",
        "drawdown",
        "problem",
    ]
    return table[[name for name in kept if name in table.columns]]


def market_hash(market: Market) -> str:
    """sha256 of dates, ids and every number of a market."""
    digest = hashlib.sha256()
    digest.update(
        json.dumps([market.start.isoformat(), len(market.dates), market.ids, market.lag.total_seconds()]).encode()
    )
    digest.update(json.dumps(market.meta.astype(str).to_numpy().tolist()).encode())
    for frame in (
        market.price,
        market.market_cap,
        market.volume,
        *(market.panels[name] for name in sorted(market.panels)),
    ):
        digest.update(np.ascontiguousarray(frame.to_numpy()).tobytes())
    for name in sorted(market.series):
        digest.update(name.encode() + market.series[name].to_numpy().tobytes())
    return "0x" + digest.hexdigest()


# --- one variant ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Task:
    """What all variants of a sweep have in common."""

    spec: IndexSpec
    start: datetime
    end: datetime
    costs: CostModel
    rules: Rules | None
    terms: Terms | None
    folder: Path
    records: Records | None

    def facts(self) -> dict[str, object]:
        return {
            "spec": self.spec.spec_hash,
            "start": utc_text(self.start),
            "end": utc_text(self.end),
            "costs": self.costs,
            "rules": None if self.rules is None else _rules_facts(self.rules),
            "terms": self.terms,
            **self._said(),
        }

    def _said(self) -> dict[str, object]:
        """Hashes of what stands in files beside the index file, of those that it names."""
        known = Methodology(self.spec, folder=self.folder, records=self.records)
        models = known.model.models if isinstance(known.model, Versions) else (known.model,)
        said = {
            "records": known.records.inputs_hash if known.records != Records() else "",
            "models": [one.model_hash for one in models if one is not None],
        }
        return {name: value for name, value in said.items() if value}


def run_variant(task: _Task, market: Market, key: str, changes: Changes) -> Outcome:
    """One variant from beginning to end; refusals of the engine become its problem."""
    try:
        run = _run(task, market, changes)
    except BallastError as error:
        return Outcome(key=key, changes=changes, measures={}, problem=str(error).replace("\n", " "))
    return Outcome(
        key=key,
        changes=changes,
        measures=measures_of(run),
        first=f"{run.times[0]:%Y-%m-%d}",
        net=tuple(round(level, LEVEL_DECIMALS) for level in run.net.tolist()),
    )


def _run(task: _Task, market: Market, changes: Changes) -> Run:
    of_spec = {name: value for name, value in changes.items() if _own(name) is None}
    spec = changed(task.spec, of_spec)
    costs = dataclasses.replace(task.costs, **_part(changes, "costs"))
    rules = Rules.of(spec) if task.rules is None else task.rules
    if task.rules is not None and any(name.startswith("rebalance.") for name in of_spec):
        fresh = Rules.of(spec)
        rules = dataclasses.replace(rules, calendar=fresh.calendar, band=fresh.band, dust_usd=fresh.dust_usd)
    rules = dataclasses.replace(rules, **_part(changes, "rules"))
    terms = Terms.of(spec) if task.terms is None else task.terms
    return backtest(
        spec,
        market,
        start=task.start,
        end=task.end,
        costs=costs,
        rules=rules,
        terms=terms,
        folder=task.folder,
        records=task.records,
    )


def measures_of(run: Run) -> dict[str, float]:
    """Numbers of a run for a ranking; rates are a year of 365 days, `sharpe_daily` with its moments for deflating."""
    years = max((run.times[-1] - run.times[0]) / timedelta(days=YEAR), 1.0 / YEAR)
    returns = run.returns().to_numpy(dtype=np.float64)
    facts = sharpe_facts(returns)
    levels = np.concatenate([[BASE], run.net])
    cagr, gross = (float(line[-1] / BASE) ** (1.0 / years) - 1.0 for line in (run.net, run.gross))
    return {
        "cagr": cagr,
        "cagr_gross": gross,
        "gap": gross - cagr,
        "volatility": float(returns.std(ddof=1)) * math.sqrt(YEAR),
        "sharpe": facts.sharpe * math.sqrt(YEAR),
        "drawdown": float((1.0 - levels / np.maximum.accumulate(levels)).max()),
        "turnover": run.turnover / years,
        "cost": sum(review.cost for review in run.reviews) / years,
        "rebalances": float(run.rebalances),
        "days": float(len(run)),
        "sharpe_daily": facts.sharpe,
        "skewness": facts.skewness,
        "kurtosis": facts.kurtosis,
    }


def _own(dotted: str) -> str | None:
    """ "costs" or "rules" when the key is not of the index file."""
    section = dotted.partition(".")[0]
    return section if section in ("costs", "rules") else None


def _part(changes: Changes, section: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dotted, value in changes.items():
        if _own(dotted) == section:
            name = dotted.partition(".")[2]
            found["lag" if name == "lag_days" else name] = (
                timedelta(days=cast(float, value)) if name == "lag_days" else value
            )
    return found


def _known_keys(spec: IndexSpec, changes: Changes) -> None:
    """Refuses keys of costs and rules that do not exist, before anything runs; keys of the file are checked by `changed`."""
    known = {
        "costs": [row.name for row in dataclasses.fields(CostModel)],
        "rules": ["lag_days", *(row.name for row in dataclasses.fields(Rules) if row.name != "lag")],
    }
    for dotted in changes:
        section, _, name = dotted.partition(".")
        if section in known and name not in known[section]:
            raise MarketDataError(
                f"{dotted}: no such key; known are {', '.join(known[section])}.{did_you_mean(name, known[section])}"
            )


def _deflate(outcome: Outcome, *, variance: float, trials: float) -> float:
    if "sharpe_daily" not in outcome.measures:
        return math.nan
    facts = SharpeFacts(
        sharpe=outcome.measures["sharpe_daily"],
        count=int(outcome.measures["days"]),
        skewness=outcome.measures["skewness"],
        kurtosis=outcome.measures["kurtosis"],
    )
    return deflated_sharpe(facts, variance=variance, trials=trials)


def _returns(levels: pd.DataFrame) -> Floats:
    values = levels.to_numpy(dtype=np.float64)
    return np.asarray(values[1:] / values[:-1] - 1.0)


# --- who runs them ----------------------------------------------------------------------------------------------------


def _outcomes(
    task: _Task, market: Market, todo: Sequence[tuple[str, Changes]], *, jobs: int, backend: str, cluster: str
) -> Iterator[Outcome]:
    """Finished variants in any order."""
    if not todo:
        return iter(())
    if cluster:
        return _on_cluster(task, market, todo, cluster)
    if jobs == 1 or backend == "sequential":
        return (run_variant(task, market, key, changes) for key, changes in todo)
    pool = joblib.Parallel(n_jobs=jobs, backend=backend, return_as="generator_unordered")
    return cast(
        "Iterator[Outcome]", pool(joblib.delayed(run_variant)(task, market, key, changes) for key, changes in todo)
    )


class _Client(Protocol):
    """What is used of `distributed.Client`."""

    def scatter(self, data: object, *, broadcast: bool) -> object: ...
    def submit(self, function: Callable[..., object], /, *args: object, pure: bool) -> object: ...
    def close(self) -> None: ...


def _on_cluster(task: _Task, market: Market, todo: Sequence[tuple[str, Changes]], address: str) -> Iterator[Outcome]:
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise BallastError(f'cluster = "{address}" needs Dask, which is not installed; {CLUSTER_HINT}') from error
    try:
        client: _Client = distributed.Client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise BallastError(
            f"no Dask scheduler answers at {address} ({error}); start one with `dask scheduler`"
        ) from error
    try:
        shared = client.scatter(market, broadcast=True)
        waiting = [client.submit(run_variant, task, shared, key, changes, pure=False) for key, changes in todo]
        for future in distributed.as_completed(waiting):
            yield future.result()
    finally:
        client.close()


# --- the journal ------------------------------------------------------------------------------------------------------


def _read_journal(journal: Path | None) -> dict[str, Outcome]:
    """{key: outcome}; a last line that was cut off while it was written is left out."""
    if journal is None or not journal.is_file():
        return {}
    text = journal.read_text(encoding="utf-8")
    whole, _, _ = text.rpartition("\n")
    found = {}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            row = json.loads(line)
            if row.pop("format") != FORMAT:
                raise ValueError("another format")
            row["net"] = tuple(row["net"])
            found[row["key"]] = Outcome(**row)
        except (KeyError, TypeError, ValueError) as error:
            raise MarketDataError(
                f"{journal.name}: line {number} is no finished variant ({error}); remove it, or use another file"
            ) from error
    return found


@contextmanager
def _appending(journal: Path | None) -> Iterator[Callable[[Outcome], None]]:
    """Writes one whole line at a time to the disk, after cutting off a line that is not whole."""
    if journal is None:
        yield lambda outcome: None
        return
    journal.parent.mkdir(parents=True, exist_ok=True)
    with journal.open("a+b") as file:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)

        def write(outcome: Outcome) -> None:
            row = {
                "format": FORMAT,
                **{field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)},
            }
            row["changes"] = {name: _plain(value) for name, value in outcome.changes.items()}
            file.write(json.dumps(row, sort_keys=True, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

        yield write


def _plain(value: object) -> object:
    """Values of changes as JSON."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise MarketDataError(f"{value!r} cannot be a value of a variant; use numbers, text, lists or tables")


def _rules_facts(rules: Rules) -> dict[str, object]:
    facts: dict[str, object] = {row.name: getattr(rules, row.name) for row in dataclasses.fields(rules)}
    return {**facts, "lag": rules.lag.total_seconds()}
