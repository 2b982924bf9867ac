"""An index on a local chain from definition to redemption, with a report and a picture of how it went.

Starts anvil, builds a market from MARKET (default: the synthetic one that is shipped), deploys the index, mints for
alice and bob, moves the market day by day while the keeper rebalances, redeems, and accounts for every token.

    make demo                                                       the shipped market
    make demo MARKET=../shared/market/coingecko_daily_2021.parquet  a file of daily prices, market caps and volumes
    python -m offchain.demo --weeks 12 --start 2024-11-04 --spec EQ5
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import shorten

import pandas as pd

from offchain.demo.story import PRUNED, Itinerary, Week, itinerary, live
from offchain.devnet import Anvil, Devnet
from offchain.errors import BallastError
from offchain.market import Market, load_market, synthetic_market
from offchain.report import Report, build_report, report_text, write_report
from offchain.spec import find_spec
from offchain.units import BPS, WAD

SYNTHETIC = "synthetic"
SYNTHETIC_START = "2024-04-01"  # a year in which names change often, one coin dies and one price is wrong for a day
MOST_WEEKS = 52
STOPPED = 130
REASON_LENGTH = 150
WEEK = "{:<10}  {:<7}  {:>11}  {:>7}  {:<12}  {:<12}  {:>6}  {:>8}  {:>8}  {:>5}  {:>7}  {:>6}"


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="%(levelname)s %(name)s %(message)s")
    try:
        return run(options)
    except BallastError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED


def run(options: argparse.Namespace) -> int:
    begun = time.monotonic()
    spec = find_spec(options.spec)
    market, name = read_market(options.market)
    start = options.start or (pd.Timestamp(SYNTHETIC_START) if name == SYNTHETIC else None)
    folder = options.out or Path("build") / "demo" / name
    plan = itinerary(market, spec, name=name, folder=folder, start=start, weeks=options.weeks, most=MOST_WEEKS)
    make_folder(folder)
    report = show(plan, market, port=options.port, begun=begun)
    files = write_report(report, folder)
    print("\n" + report_text(report))
    print("\n" + "\n".join(f"written: {path}" for path in files))
    print(f"{time.monotonic() - begun:.0f} s")
    if not report.passed:
        print("error: not every token is accounted for; see the lines marked FAIL", file=sys.stderr)
        return 1
    return 0


def show(plan: Itinerary, market: Market, *, port: int | None, begun: float) -> Report:
    """The story, told while it happens."""

    def tell(sentence: str) -> None:
        print(f"{sentence}  [{time.monotonic() - begun:.1f} s]", flush=True)

    def on_week(week: Week) -> None:
        if not told:
            print("\n" + WEEK.format("review", "outcome", "NAV", "level", "in", "out", "drift", "turnover", "bps NAV", "swaps", "gas", "time"))  # fmt: skip
            told.append(True)
        print(week_line(week, symbols, seconds=time.monotonic() - begun), flush=True)
        if week.review.outcome in ("retry", "halt"):
            print(
                f"            {shorten(week.review.attempts[-1].reason, REASON_LENGTH, placeholder=' …')}", flush=True
            )

    told: list[bool] = []
    symbols = dict(market.meta["symbol"].astype(str).str.upper())
    print(f"{plan.spec.name} on {plan.market_name}: {plan.weeks} weeks from {plan.start.date()}", flush=True)
    with Anvil.start(port, timestamp=Devnet.genesis(plan.start), extra=PRUNED) as node:
        return build_report(live(node, market, plan, tell=tell, on_week=on_week))


def week_line(week: Week, symbols: dict[str, str], *, seconds: float) -> str:
    review, plan = week.review, week.plan
    runs = f" ({len(review.attempts)})" if len(review.attempts) > 1 else ""
    traded = plan is not None and plan.nav > 0
    return WEEK.format(
        str(pd.Timestamp(week.day.time, unit="s").date()),
        review.outcome + runs,
        f"${week.day.nav / 1e9:,.0f}",
        f"{week.level:.2f}",
        names(review.entered, symbols, is_done=plan is not None),
        names(review.left, symbols, is_done=plan is not None),
        "" if review.drift is None else f"{review.drift / WAD:.2%}",
        f"{plan.sold / plan.nav:.2%}" if plan and traded else "",
        f"{plan.loss * BPS / plan.nav:.1f}" if plan and traded else "",
        str(len(plan.swaps)) if plan else "",
        f"{plan.gas / 1e6:.2f} M" if plan else "",
        f"{seconds:.1f} s",
    ).rstrip()


def names(coins: Iterable[str], symbols: Mapping[str, str], *, is_done: bool) -> str:
    """Symbols; in brackets what was decided and not traded."""
    text = ", ".join(symbols.get(coin, coin) for coin in coins)
    return f"({text})" if text and not is_done else text


def read_market(source: str) -> tuple[Market, str]:
    """The market and what to call it: the shipped one by its name, else the one in a file or folder."""
    if source == SYNTHETIC:
        return synthetic_market(), SYNTHETIC
    return load_market(source), Path(source).stem


def make_folder(folder: Path) -> None:
    """Before anything long begins."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.json").touch()
    except OSError as problem:
        raise BallastError(
            f"{folder}: the report cannot be written there ({problem.strerror}); choose another --out"
        ) from problem


def interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m offchain.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--market",
        default=os.environ.get("MARKET") or SYNTHETIC,
        help="a market file or folder, or `synthetic`; default: $MARKET, else synthetic",
    )
    made.add_argument("--spec", default="LC10", help="a shipped index or an index file (default LC10)")
    made.add_argument(
        "--start", type=date, help="first day, such as 2024-04-01; default: the market's first review day"
    )
    made.add_argument("--weeks", type=weeks, help=f"how long; default: as long as the data goes, at most {MOST_WEEKS}")
    made.add_argument(
        "--out", type=Path, help="folder of report.json, report.png and report.html (default build/demo/<market>)"
    )
    made.add_argument("--port", type=int, help="port of anvil (default: a free one)")
    return made


def date(text: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(text).normalize()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2024-04-01") from None


def weeks(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 520:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of weeks from 1 to 520")
    return int(text)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    sys.exit(main())
