"""What vectorbt and bt make of the prices and units in an .npz file: processor seconds as JSON, and vectorbt's values beside it.

Runs in the environment of peers_backtest.txt, never in the project's own.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

SPARE = 1e6  # cash beside the index, so that no order is cut for the last digit of it
LARGEST_FOR_BT = 50  # it takes half a minute at 2,000 coins


def main(file: str) -> None:
    data = np.load(file)
    prices, rows, units = data["prices"], data["rows"], data["units"]
    seconds = {
        "vectorbt": run_vectorbt(
            prices, rows, units, float(data["rate"]), float(data["value"]), Path(file).with_name("vectorbt.npy")
        )
    }
    if prices.shape[1] <= LARGEST_FOR_BT:
        seconds["bt"] = run_bt(prices, rows, data["weights"], float(data["rate"]))
    print(json.dumps(seconds))


def run_vectorbt(
    prices: np.ndarray, rows: np.ndarray, units: np.ndarray, rate: float, value: float, out: Path
) -> float:
    import vectorbt as vbt

    close = pd.DataFrame(prices, index=pd.date_range("2020-01-01", periods=len(prices)))
    size = np.full(prices.shape, np.nan)
    size[rows] = units

    def run() -> np.ndarray:
        portfolio = vbt.Portfolio.from_orders(
            close, size=size, size_type="targetamount", fees=rate, init_cash=value + SPARE, cash_sharing=True, group_by=True,
            call_seq="auto", freq="1D",
        )  # fmt: skip
        return np.asarray(portfolio.value()).ravel() - SPARE

    values = run()
    best = min(_timed(run) for _ in range(2))
    np.save(out, values)
    return best


def run_bt(prices: np.ndarray, rows: np.ndarray, weights: np.ndarray, rate: float) -> float:
    import bt

    names = [f"c{number}" for number in range(prices.shape[1])]
    close = pd.DataFrame(prices, index=pd.date_range("2020-01-01", periods=len(prices)), columns=names)
    targets = pd.DataFrame(weights, index=close.index[rows], columns=names)

    def run() -> None:
        strategy = bt.Strategy("peer", [bt.algos.WeighTarget(targets), bt.algos.Rebalance()])
        test = bt.Backtest(
            strategy, close, initial_capital=1e6, integer_positions=False, commissions=lambda q, p: abs(q) * p * rate,
            progress_bar=False,
        )  # fmt: skip
        bt.run(test)

    return min(_timed(run) for _ in range(1))


def _timed(work) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main(sys.argv[1])
