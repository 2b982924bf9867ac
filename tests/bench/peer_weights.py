"""Runs in the environment of peers.txt, where the project is not installed: one peer, one covariance, one line of JSON.

python peer_weights.py PEER RETURNS.npy LOW HIGH      LOW and HIGH of each weight, "none" for no bounds
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np

Solve = Callable[[], np.ndarray]


def main(peer: str, file: str, low: str, high: str) -> None:
    warnings.filterwarnings("ignore")
    returns = np.load(file)
    bounds = None if low == "none" else (float(low), float(high))
    solve = PEERS[peer](returns, bounds)
    weights = solve()
    times = []
    for _ in range(7 if times_out(returns) else 1):
        started = time.process_time()
        weights = solve()
        times.append(time.process_time() - started)
    print(json.dumps({"ms": min(times) * 1e3, "weights": np.asarray(weights, dtype=float).ravel().tolist()}))


def times_out(returns: np.ndarray) -> bool:
    """Whether one run is short enough to repeat."""
    return returns.shape[1] <= 100


def skfolio(returns: np.ndarray, bounds: tuple[float, float] | None) -> Solve:
    from skfolio.optimization import RiskBudgeting

    limits = {} if bounds is None else {"min_weights": bounds[0], "max_weights": bounds[1]}
    return lambda: RiskBudgeting(**limits).fit(returns).weights_


def riskfolio(returns: np.ndarray, bounds: tuple[float, float] | None) -> Solve:
    import pandas as pd
    import riskfolio as rp

    frame = pd.DataFrame(returns, columns=[f"a{number}" for number in range(returns.shape[1])])
    portfolio = rp.Portfolio(returns=frame)
    portfolio.assets_stats(method_mu="hist", method_cov="hist")
    if bounds is not None:
        count = returns.shape[1]
        portfolio.ainequality = np.vstack([np.eye(count), -np.eye(count)])
        portfolio.binequality = np.r_[np.full(count, bounds[1]), -np.full(count, bounds[0])].reshape(-1, 1)
    return lambda: portfolio.rp_optimization(model="Classic", rm="MV", rf=0, b=None).to_numpy()


def ffn(returns: np.ndarray, bounds: tuple[float, float] | None) -> Solve:
    import ffn as library
    import pandas as pd

    assert bounds is None, "ffn has no bounds for equal risk"
    frame = pd.DataFrame(returns)
    return lambda: library.core.calc_erc_weights(frame, covar_method="standard").to_numpy()


def cvxpy(returns: np.ndarray, bounds: tuple[float, float] | None) -> Solve:
    import cvxpy as cp

    assert bounds is None, "the convex form takes no bounds on weights"
    covariance = np.cov(returns.T)
    covariance = covariance / np.diag(covariance).mean()
    count = len(covariance)

    def solve() -> np.ndarray:
        x = cp.Variable(count)
        goal = cp.Minimize(0.5 * cp.quad_form(x, cp.psd_wrap(covariance)) - cp.sum(cp.log(x)) / count)
        cp.Problem(goal).solve(solver=cp.CLARABEL)
        return np.asarray(x.value / x.value.sum())

    return solve


PEERS: dict[str, Callable[[np.ndarray, tuple[float, float] | None], Solve]] = {
    "skfolio": skfolio,
    "Riskfolio-Lib": riskfolio,
    "ffn": ffn,
    "cvxpy + Clarabel": cvxpy,
}

if __name__ == "__main__":
    main(*sys.argv[1:5])
