"""A backtest held against the chain: the same index, the same market and the same weeks, once on paper and once on genuine pools.

    python -m offchain.demo.replay                     26 weeks of LC10 on the shipped market
    python -m offchain.demo.replay --spec EQ5 --weeks 26 --market coins.parquet

On the local chain the keeper decides, plans and swaps through Uniswap as it does for real; the backtest asks the same
`decide`, trades at the same prices and takes its costs from the model. Writes replay.json and replay.png.

The two levels may differ by the stated error, and no more. It is the sum of three things, each an upper bound:

    routing      the model sees all the depth of a coin as one pool; on the chain it is split between Uniswap V2 and V3, and a
                 trade that takes the smaller one pays 1 / (1 − V3_SHARE) times the impact
    leftovers    trades below rebalance.min_trade_usd are not made; what stays off its target costs as much as prices move apart
                 until the next review, taken as a tenth
    rounding     feeds have eight decimals, amounts are whole base units: 1 bps
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from offchain.backtest import CostModel, Rules, Run, Terms, run_decider
from offchain.backtest.costs import Coin
from offchain.canonical import canonical_json
from offchain.demo.__main__ import make_folder, read_market
from offchain.demo.story import PRUNED, Itinerary, Stage, itinerary, set_up, walk
from offchain.devnet import Anvil, Devnet
from offchain.devnet.liquidity import V3_SHARE
from offchain.errors import BallastError
from offchain.market import Market
from offchain.market.snapshot import Time
from offchain.methodology import Decision, Methodology
from offchain.report.record import Day
from offchain.spec import IndexSpec, find_spec
from offchain.units import BPS, NANO

WEEKS = 26
BASE = 100.0
ROUNDING_BPS = 1.0
MOVED_APART = 0.1  # {1} how far prices move apart from one review to the next
INK, CHAIN, PAPER, BAND = "#1f2933", "#0b6e99", "#d1495b", "#c9d6df"

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """One number a day each. `chain`, `paper`: NAV per share, BASE on the first day; `bound_bps`: how far they may be apart by
    then. Days of reviews are left out: the chain is looked at before its trades, the backtest after them.
    """

    symbol: str
    market: str
    dates: tuple[datetime, ...]
    chain: tuple[float, ...]
    paper: tuple[float, ...]
    bound_bps: tuple[float, ...]
    turnover: float
    rebalances: tuple[int, int]
    seconds: float

    @property
    def difference_bps(self) -> tuple[float, ...]:
        """The chain against the backtest."""
        return tuple(BPS * (chain / paper - 1.0) for chain, paper in zip(self.chain, self.paper, strict=True))

    @property
    def holds(self) -> bool:
        """Whether they were never further apart than the model says."""
        return all(abs(off) <= bound for off, bound in zip(self.difference_bps, self.bound_bps, strict=True))

    def __str__(self) -> str:
        worst = max(self.difference_bps, key=abs)
        return (
            f"{self.symbol} on {self.market}, {len(self.dates)} days, {self.rebalances[0]} rebalances on the chain and "
            f"{self.rebalances[1]} on paper: level {self.chain[-1]:.2f} and {self.paper[-1]:.2f}; at most {worst:+.2f} bps "
            f"apart, {self.bound_bps[-1]:.2f} bps stated at the end for {self.turnover:.1%} of turnover: "
            + ("holds" if self.holds else "DOES NOT HOLD")
        )


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """The methodology, on the coins that the chain knows."""

    rules: Methodology
    tradable: Collection[str]

    def decide(self, market: Market, t: Time, holdings: Mapping[str, float], /) -> Decision:
        return self.rules.decide(market, t, holdings, tradable=self.tradable)


def replay(market: Market, plan: Itinerary, *, port: int | None = None, tell: Tell = print) -> Replay:
    """Runs both and compares them."""
    begun = time.monotonic()
    with Anvil.start(port, timestamp=Devnet.genesis(plan.start), extra=PRUNED) as node:
        stage = set_up(node, market, plan, tell=tell)
        with stage.keeper:
            costs = cost_model(stage)
            walk(stage, tell=tell, on_week=lambda week: None)
        seconds = time.monotonic() - begun
        tell(f"{plan.weeks} weeks on the chain in {seconds:.0f} s")
        tradable = sorted(stage.world.tokens)
        days, traded = list(stage.days), sum(1 for review in stage.reviews if review.outcome == "done")
    run = paper(market, plan, tradable=tradable, costs=costs, days=days)
    return compare(plan, days, run, costs, traded=traded, seconds=seconds)


def cost_model(stage: Stage) -> CostModel:
    """The rule by which the market's pools are filled; its error is measured on the pools as they stand now."""
    situation = stage.keeper.read()
    weth_and_dollar = {coin for coin in stage.world.tokens if coin in ("ethereum", "weth", "usd-coin")}
    coins = {
        coin.id: Coin(token=coin.address, decimals=coin.decimals, price=coin.price * 10.0**coin.decimals / 10**36)
        for coin in situation.coins.values()
        if coin.is_tradable and coin.id not in weth_and_dollar
    }
    measured = CostModel.from_pools(situation.pools, coins)
    return CostModel(error_bps=measured.error_bps)


def stated_error(run: Run, spec: IndexSpec, costs: CostModel) -> dict[date, float]:
    """{day: bps of NAV}, from the second rebalance on: the first one buys the basket in kind, on the chain as on paper."""
    nav = {stamp.date(): float(value) for stamp, value in zip(run.times, run.nav, strict=True)}
    first = next(review.traded_at for review in run.reviews if review.traded_at is not None)
    sums: dict[date, float] = {}
    days_traded: dict[date, int] = {}
    for trade in run.trades:
        if trade.time > first:
            day = trade.time.date()
            routing = trade.impact * (1.0 / (1.0 - V3_SHARE) - 1.0) + trade.value * costs.error_bps / BPS
            sums[day] = sums.get(day, 0.0) + BPS * routing / nav[day]
            days_traded[day] = int((run.units[-1] > 0).sum())
    for day, coins in days_traded.items():
        sums[day] += BPS * coins * spec.rebalance.min_trade_usd * MOVED_APART / nav[day]
    return sums


def paper(market: Market, plan: Itinerary, *, tradable: Sequence[str], costs: CostModel, days: Sequence[Day]) -> Run:
    """The backtest of what the chain did: trades in the minute of the decision, as the keeper does; bought in kind."""
    spec = plan.spec
    rules = Rules(
        calendar=spec.rebalance,
        band=Rules.of(spec).band,
        dust_usd=spec.rebalance.min_trade_usd,
        lag=timedelta(0),
        is_research=True,
        has_entry_cost=False,
        value_usd=days[1].nav / NANO,  # with what alice brought on the first day
        share_price_usd=spec.seed.share_price_usd,
    )
    return run_decider(
        _Listed(rules=Methodology(spec), tradable=tradable),
        market,
        symbol=spec.symbol,
        start=plan.days[0].tz_localize("UTC").to_pydatetime(),
        end=plan.days[-1].tz_localize("UTC").to_pydatetime(),
        rules=rules,
        terms=Terms.of(spec),
        costs=costs,
    )


def compare(plan: Itinerary, days: Sequence[Day], run: Run, costs: CostModel, *, traded: int, seconds: float) -> Replay:
    """Both lines on the days on which nothing is traded, and how far apart they may be."""
    on_paper = {stamp.date(): level for stamp, level in zip(run.times, run.net, strict=True)}
    later = [review for review in run.reviews if review.traded_at is not None][1:]  # the first one buys the basket
    error = stated_error(run, plan.spec, costs)
    chain = {datetime.fromtimestamp(day.time, UTC).date(): day.nav_per_share for day in days}
    common = sorted(set(chain) & set(on_paper))
    total = dict(zip(common, accumulate(error.get(day, 0.0) for day in common), strict=True))
    quiet = [day for day in common if not plan.spec.rebalance.is_review_day(day)]
    first = quiet[0]
    return Replay(
        symbol=plan.spec.symbol,
        market=plan.market_name,
        dates=tuple(datetime(day.year, day.month, day.day, tzinfo=UTC) for day in quiet),
        chain=tuple(BASE * chain[day] / chain[first] for day in quiet),
        paper=tuple(BASE * on_paper[day] / on_paper[first] for day in quiet),
        bound_bps=tuple(total[day] - total[first] + ROUNDING_BPS for day in quiet),
        turnover=sum(review.turnover for review in later),
        rebalances=(traded, len(later)),
        seconds=round(seconds, 1),
    )


def draw(result: Replay, path: Path) -> None:
    """Both lines above, their difference inside the stated error below."""
    figure = Figure(figsize=(11, 6.4), dpi=110, facecolor="white", layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    above.plot(result.dates, result.paper, color=PAPER, linewidth=3.2, alpha=0.5, label="backtest")
    above.plot(
        result.dates, result.chain, color=CHAIN, linewidth=1.3, label="on the local chain, through genuine pools"
    )
    above.set_title(f"{result.symbol}: the backtest and the chain, {len(result.dates)} days", loc="left", color=INK)
    above.set_ylabel("NAV per share, first day = 100")
    above.legend(frameon=False, loc="upper left")
    low = [-bound for bound in result.bound_bps]
    below.fill_between(
        result.dates, low, result.bound_bps, color=BAND, step="post", label="stated error of the cost model"
    )
    below.plot(result.dates, result.difference_bps, color=CHAIN, linewidth=1.3, label="chain against backtest")
    below.set_ylabel("bps")
    below.legend(frameon=False, loc="upper left")
    for axis in (above, below):
        axis.grid(color="#e5e9ec", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})


def write(result: Replay, folder: Path) -> tuple[Path, Path]:
    """replay.json and replay.png."""
    table, picture = folder / "replay.json", folder / "replay.png"
    table.write_text(canonical_json(result) + "\n", encoding="utf-8")
    draw(result, picture)
    return table, picture


def plan_of(
    market: Market, spec: IndexSpec, *, name: str, folder: Path, weeks: int, start: pd.Timestamp | None
) -> Itinerary:
    """26 weeks from `start`, by default from the market's first review day."""
    return itinerary(market, spec, name=name, folder=folder, start=start, weeks=weeks, most=weeks)


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--market", default="synthetic", help="a market file or folder, or `synthetic` (default)")
    made.add_argument("--spec", default="LC10", help="a shipped index or an index file (default LC10)")
    made.add_argument("--start", type=pd.Timestamp, help="first day; default: the market's first review day")
    made.add_argument("--weeks", type=int, default=WEEKS, help=f"how long (default {WEEKS})")
    made.add_argument("--out", type=Path, default=Path("build") / "replay", help="folder of replay.json and replay.png")
    options = made.parse_args(arguments)
    try:
        market, name = read_market(options.market)
        make_folder(options.out)
        plan = plan_of(
            market, find_spec(options.spec), name=name, folder=options.out, weeks=options.weeks, start=options.start
        )
        result = replay(market, plan)
    except BallastError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.exit_code
    print(result)
    for path in write(result, options.out):
        print(f"written: {path}")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
