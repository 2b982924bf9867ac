"""`python -m offchain.devnet` builds a local market and leaves it open until Ctrl-C.

`python -m offchain.devnet step --to 2024-05-01`, in another terminal, moves it on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pandas as pd

from offchain.chain.client import connect
from offchain.chain.deployments import MARKET_FILE, deployments_folder
from offchain.chain.markets import read_market
from offchain.devnet.anvil import CHAIN_ID, Anvil
from offchain.devnet.node import LocalNode
from offchain.devnet.quotes import choose_coins, to_date, to_seconds
from offchain.devnet.world import Devnet
from offchain.errors import BallastError, ChainError, MarketDataError
from offchain.market import Market
from offchain.spec import find_spec, index_files

DEFAULT_PORT = 8545
HISTORY_DAYS = 90  # days of the market that lie before the default date


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return step(options) if options.verb == "step" else up(options)
    except BallastError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def up(options: argparse.Namespace) -> int:
    market = read_market(options.market)
    date = options.date or default_date(market)
    if not to_seconds(market.start) <= to_seconds(date) <= to_seconds(market.end):
        raise MarketDataError(
            f"{date} is outside of the market, which goes from {market.start:%Y-%m-%d} to {market.end:%Y-%m-%d}"
        )
    coins = sorted({*choose_coins(market, [date], top=options.coins), *stable_coins(market)})
    asked_to_stop = stop_on_signal()
    with Anvil.start(options.port, timestamp=Devnet.genesis(date)) as node:
        world = Devnet.build(node, market, start=date, coins=coins)
        forget_former_chain()
        path = write_manifest(world, url=node.url, market=options.market)
        print(table(world))
        print(
            f"\n{len(world.tokens)} coins at {to_date(world.now)} (chain time) on {node.url}, chain {node.w3.eth.chain_id}"
        )
        print(f"written: {path}\nCtrl-C stops it; `python -m offchain.devnet step` moves it on by a day", flush=True)
        try:
            while not asked_to_stop.wait(1.0):
                _ = node.w3.eth.block_number  # raises NodeDied when it is gone
        finally:
            path.unlink(missing_ok=True)
    print("stopped")
    return 0


def step(options: argparse.Namespace) -> int:
    path = manifest_path()
    if not path.exists():
        raise ChainError(f"no local market is open: there is no {path}; start one with `make chain`")
    manifest = json.loads(path.read_text())
    url, source = manifest.pop("url"), manifest.pop("market")
    world = Devnet.attach(LocalNode(connect(url, manifest["chain_id"])), read_market(source), manifest)
    day = pd.Timestamp(world.now, unit="s").normalize() + pd.Timedelta(days=1)
    world.step(options.to or day)
    print(table(world))
    print(f"\nnow at {to_date(world.now)} (chain time)")
    return 0


def default_date(market: Market) -> str:
    """HISTORY_DAYS after the market's first day, or its last day if that is earlier."""
    return str(min(pd.Timestamp(market.start) + pd.Timedelta(days=HISTORY_DAYS), pd.Timestamp(market.end)).date())


def stable_coins(market: Market) -> set[str]:
    """What shipped index files hold in bad times, as far as the market has it."""
    return {name for file in index_files() for name in find_spec(file).risk.stable_ids} & set(market.ids)


def manifest_path(chain_id: int = CHAIN_ID) -> Path:
    return deployments_folder(chain_id) / MARKET_FILE


def forget_former_chain() -> None:
    """Removes what was deployed on, and kept of, an earlier local chain: it ended with its process."""
    shutil.rmtree(deployments_folder(CHAIN_ID), ignore_errors=True)


def write_manifest(world: Devnet, *, url: str, market: str) -> Path:
    path = manifest_path(world.w3.eth.chain_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"url": url, "market": market, **world.manifest()}, indent=2) + "\n")
    return path


def table(world: Devnet) -> str:
    """Coins, feeds and pools as text: prices in USD, pool size in thousands of USD."""
    prices = world.prices()
    lines = [
        f"{'coin':<24}{'symbol':<8}{'address':<44}{'feed, USD':>16}{'age':>6}   pools (mid price, size in thousand USD)"
    ]
    for coin, token in world.tokens.items():
        price = f"{prices[coin]:.6g}" if coin in prices else "–"
        age = f"{world.age(coin) // 3600} h" if coin in prices else "–"
        pools = [
            f"{pool.kind} {pool.fee / 10_000:g} % ({float(world.pool_price(coin, pool)):.6g}, {float(world.pool_value(pool)) / 1000:,.0f})"
            for pool in token.pools
            if world.is_open(pool)
        ]
        lines.append(f"{coin:<24}{token.symbol:<8}{token.address:<44}{price:>16}{age:>6}   {', '.join(pools)}")
    return "\n".join(lines)


def stop_on_signal() -> threading.Event:
    """An event that Ctrl-C, a terminal that closes, and `kill` set; a second Ctrl-C interrupts at once."""
    asked = threading.Event()

    def ask(number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), ask)
    return asked


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m offchain.devnet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "verb",
        nargs="?",
        choices=["up", "step"],
        default="up",
        help="up (default): open a market; step: move the open one",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=int(os.environ.get("BALLAST_PORT", DEFAULT_PORT)),
        help="default 8545, or BALLAST_PORT",
    )
    parser.add_argument(
        "--market",
        default=os.environ.get("MARKET", "synthetic"),
        help="a market file or folder, or `synthetic` (default)",
    )
    parser.add_argument(
        "--date", type=_date, help=f"first day, such as 2024-06-03; default: {HISTORY_DAYS} days into the market"
    )
    parser.add_argument("--coins", type=int, default=45, help="how many of the largest coins (default 45)")
    parser.add_argument("--to", type=_date, help="step: the day to move to; default: the next day")
    return parser


def _date(text: str) -> str:
    try:
        return str(pd.Timestamp(text).date())
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2024-06-03") from None


if __name__ == "__main__":
    sys.exit(main())
