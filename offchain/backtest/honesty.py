"""Questions a backtest has to answer before anyone believes it: what a day's delay costs, and what the dead coins cost.

delay_curve(spec, market, start=…)            the same rules traded 0, 1, 2, 3 and 7 days late; a cliff after day 0 is look-ahead
survivorship_gap(spec, market, start=…)       the same rules if only coins that are alive at the end had ever existed
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

import pandas as pd

from offchain.backtest.costs import CostModel
from offchain.backtest.engine import Rules, backtest
from offchain.backtest.results import Run
from offchain.backtest.sweep import measures_of
from offchain.errors import MarketDataError
from offchain.market.confirm import MAX_GAP_DAYS
from offchain.market.snapshot import Market, Time, as_utc
from offchain.spec.model import IndexSpec

LAGS = (0, 1, 2, 3, 7)  # {days}


@dataclass(frozen=True, kw_only=True)
class SurvivorshipGap:
    """`cagr`: of all coins there were; `survivors`: of those alive at the end alone, which nobody could have known; parts of 1 a year.
    `dead`: coins that are gone at the end; `held_and_died`: those of them that the index held.
    """

    cagr: float
    survivors: float
    dead: int
    held_and_died: tuple[str, ...]

    @property
    def gap(self) -> float:
        """What looking only at survivors would have added to the yearly return."""
        return self.survivors - self.cagr


def delay_curve(
    spec: IndexSpec,
    market: Market,
    *,
    lags: Sequence[int] = LAGS,
    start: Time | None = None,
    end: Time | None = None,
    costs: CostModel | None = None,
) -> pd.DataFrame:
    """One row a delay: lag_days, cagr (gross and net), sharpe, over the days that all of them have. Lag 0 is look-ahead, shown to compare."""
    runs = {}
    for lag in lags:
        rules = dataclasses.replace(Rules.of(spec), lag=timedelta(days=lag), is_research=lag == 0)
        runs[lag] = backtest(spec, market, start=start, end=end, costs=costs, rules=rules)
    first = max(run.times[0] for run in runs.values())
    rows = []
    for lag, run in runs.items():
        measures = measures_of(_since(run, first))
        rows.append(
            {"lag_days": lag, **{name: measures[name] for name in ("cagr_gross", "cagr", "sharpe", "turnover")}}
        )
    return pd.DataFrame(rows).set_index("lag_days")


def survivorship_gap(
    spec: IndexSpec,
    market: Market,
    *,
    start: Time | None = None,
    end: Time | None = None,
    costs: CostModel | None = None,
) -> SurvivorshipGap:
    """Runs the rules twice, before costs of being wrong: on every coin there was, and on those with a price at the end."""
    last = market.end + market.lag if end is None else as_utc(end)
    known = market.until(last)
    alive = known.price.iloc[-1 - MAX_GAP_DAYS :].notna().any().to_numpy()
    names = [name for name, is_alive in zip(known.ids, alive.tolist(), strict=True) if is_alive]
    whole = backtest(spec, market, start=start, end=end, costs=costs)
    part = backtest(spec, only(market, names), start=start, end=end, costs=costs)
    dead = set(known.ids) - set(names)
    return SurvivorshipGap(
        cagr=measures_of(whole)["cagr"],
        survivors=measures_of(part)["cagr"],
        dead=len(dead),
        held_and_died=tuple(sorted(dead & set(whole.ids))),
    )


def only(market: Market, ids: Collection[str]) -> Market:
    """The market without the other coins."""
    kept = [name for name in market.ids if name in set(ids)]
    if not kept:
        raise MarketDataError("no coin is left; name at least one that the market has")
    frames = {name: getattr(market, name)[kept] for name in ("price", "market_cap", "volume")}
    panels = {name: frame[kept] for name, frame in market.panels.items()}
    return dataclasses.replace(market, **frames, meta=market.meta.loc[kept], panels=panels)


def _since(run: Run, first: object) -> Run:
    """The later rows of a run, levels starting anew."""
    row = next(at for at, time in enumerate(run.times) if time >= first)  # type: ignore[operator]
    base = 1_000.0
    return dataclasses.replace(
        run,
        times=run.times[row:],
        net=run.net[row:] / run.net[row] * base,
        gross=run.gross[row:] / run.gross[row] * base,
        reviews=run.reviews[1:],
    )
