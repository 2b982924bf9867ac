"""Weights beside the libraries that compute them: equal risk with and without bounds, caps as integers, groups in floats.

rows()                     measures us, and every peer if its environment is there; a row for each
make_peers()               builds that environment from peers.txt, outside of the project's lock

Time is processor time, the best of several runs, in a process to be started with OPENBLAS_NUM_THREADS=1 as the peers are; a peer's is that of
its own solve, imports not counted.
`error`: for equal risk, the largest relative distance of a risk contribution from the mean of those that no bound holds; for
caps, the worst violation of a limit in weight.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from offchain.units import WAD
from offchain.weights import Limits, fit, limit_weights, project
from offchain.weights.kernels import compiled
from offchain.weights.risk_parity import equal_risk, risk_contributions

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PEER_ENVIRONMENT = ROOT / "build" / "peers"
BUILT = "built-from.txt"  # written last: an environment without it was cut short
PEER_TIMEOUT = 600  # {s}
DAYS = 1500
SIZES = (10, 100, 1000)
LOW, HIGH = 0.6, 1.3  # bounds, times 1/n
# {ms}: what GOALS asks for; None where there is no goal of its own
GOALS: dict[tuple[str, int], float] = {
    ("equal risk, numba", 1000): 6.0,
    ("equal risk, numpy", 1000): 110.0,
    ("equal risk with caps and floors", 1000): 30.0,
    ("capped weights as integers", 1000): 1.5,
    ("caps, floors and groups", 1000): 0.5,
}


def rows() -> list[dict[str, object]]:
    """One dictionary for each measurement: work, n, who, ms, error, goal_ms, note."""
    return list(measure())


def measure() -> Iterator[dict[str, object]]:
    """The rows, each as soon as it is known; minutes with peers, seconds without."""
    yield from _cap_rows()
    for count in SIZES:
        yield from _equal_risk_rows(count)


def make_peers(requirements: str = "peers.txt") -> Path:
    """The python of the peers' environment, built when it is not there or not whole. Needs uv and a package index."""
    place = PEER_ENVIRONMENT.with_name(Path(requirements).stem)
    python, wanted = place / "bin" / "python", (HERE / requirements).read_text(encoding="utf-8")
    built = place / BUILT
    if not built.is_file() or built.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(place, ignore_errors=True)
        uv = str(next((ROOT / ".toolchain" / "uv").glob("**/bin/uv"), "uv"))
        subprocess.run([uv, "venv", "-q", "--python", "3.11", str(place)], check=True)
        subprocess.run(
            [uv, "pip", "install", "-q", "--python", str(python), "-r", str(HERE / requirements)], check=True
        )
        built.write_text(wanted, encoding="utf-8")
    return python


def returns(count: int) -> np.ndarray:
    """Daily returns of `count` coins with five factors, days × coins."""
    rng = np.random.default_rng(0)
    factors = rng.normal(0.0, 0.02, (DAYS, 5))
    own = rng.normal(0.0, 1.0, (DAYS, count)) * rng.uniform(0.01, 0.06, count)
    return np.asarray(factors @ rng.normal(0.6, 0.4, (count, 5)).T + own)


def _equal_risk_rows(count: int) -> Iterator[dict[str, object]]:
    daily = returns(count)
    covariance = np.cov(daily.T)
    low, high = np.full(count, LOW / count), np.full(count, HIGH / count)
    for name, flag in {"numpy": False, "numba": True}.items():
        if flag and compiled() is None:
            continue
        weights, best = _best(partial(equal_risk, covariance, is_compiled=flag), count)
        yield _row(f"equal risk, {name}", count, "ours", best, _spread(covariance, weights, None))
    weights, best = _best(partial(equal_risk, covariance, lower=low, upper=high), count)
    violation = max(float((low - weights).max()), float((weights - high).max()), 0.0)
    error = _spread(covariance, weights, (low, high))
    yield _row("equal risk with caps and floors", count, "ours", best, error, f"bounds broken by {violation:g}")
    yield from _peer_rows(daily, covariance, count)


def _peer_rows(daily: np.ndarray, covariance: np.ndarray, count: int) -> Iterator[dict[str, object]]:
    python = PEER_ENVIRONMENT / "bin" / "python"
    if not (PEER_ENVIRONMENT / BUILT).is_file():
        note = "not measured: build them with tests.bench.weights.make_peers"
        yield _row("equal risk", count, "peers", None, None, note)
        return
    low, high = np.full(count, LOW / count), np.full(count, HIGH / count)
    for peer in ("ffn", "skfolio", "Riskfolio-Lib", "cvxpy + Clarabel"):
        yield _peer(python, peer, daily, covariance, None)
        if peer in ("skfolio", "Riskfolio-Lib"):
            yield _peer(python, peer, daily, covariance, (low, high))


def _peer(
    python: Path, peer: str, daily: np.ndarray, covariance: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, object]:
    count = daily.shape[1]
    work = "equal risk" if bounds is None else "equal risk with caps and floors"
    texts = ["none", "none"] if bounds is None else [repr(float(bound[0])) for bound in bounds]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "returns.npy"
        np.save(file, daily)
        command = [str(python), str(HERE / "peer_weights.py"), peer, str(file), *texts]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""}
        try:
            run = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=PEER_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            return _row(work, count, peer, None, None, f"not finished in {PEER_TIMEOUT} s")
    if run.returncode != 0:
        return _row(work, count, peer, None, None, f"failed: {run.stderr.strip().splitlines()[-1][:120]}")
    answer = json.loads(run.stdout.strip().splitlines()[-1])
    return _row(work, count, peer, answer["ms"], _spread(covariance, np.array(answer["weights"]), bounds))


def _cap_rows() -> list[dict[str, object]]:
    found = []
    for count in SIZES:
        rng = np.random.default_rng(5)
        caps = [int(value * 1e18) + 1 for value in np.exp(rng.normal(0.0, 2.0, count))]
        cap, floor = 3 * WAD // count, WAD // (5 * count)
        weights, best = _best(partial(limit_weights, caps, cap=cap, floor=floor), count)
        error = max(0, max(weights) - cap, floor - min(weights), abs(sum(weights) - WAD)) / WAD
        found.append(_row("capped weights as integers", count, "ours", best, error))
        limits = _groups(count, rng)
        weights, best = _best(partial(fit, caps, limits), count)
        found.append(_row("caps, floors and groups as integers", count, "ours", best, limits.violation(weights) / WAD))
        x = np.array(caps, dtype=np.float64)
        bounds = {
            "lower": np.array(limits.lower) / WAD,
            "upper": np.array(limits.upper) / WAD,
            "groups": np.array(limits.groups),
            "group_lower": np.array(limits.group_lower) / WAD,
            "group_upper": np.array(limits.group_upper) / WAD,
        }
        floats, best = _best(partial(project, x, **bounds), count)
        error = float(np.abs(floats - np.array(weights) / WAD).max())
        found.append(_row("caps, floors and groups", count, "ours", best, error, "error: distance from the integers"))
    return found


def _groups(count: int, rng: np.random.Generator) -> Limits:
    """Eight groups, some of which bind."""
    return Limits(
        lower=tuple(int(value) for value in rng.uniform(0.0, 0.3, count) / count * WAD),
        upper=tuple(min(WAD, int(value)) for value in rng.uniform(2.0, 6.0, count) / count * WAD),
        groups=tuple((np.arange(count) % 9 - 1).tolist()),
        group_lower=(0, 0, 0, 0, 0, 0, WAD // 7, WAD // 6),
        group_upper=(WAD // 12, WAD // 10, WAD // 8, WAD // 4, WAD // 4, WAD // 2, WAD, WAD),
    )


def _spread(covariance: np.ndarray, weights: np.ndarray, bounds: tuple[np.ndarray, np.ndarray] | None) -> float:
    added = risk_contributions(covariance, weights)
    if bounds is not None:
        near = 1e-6 / len(weights)
        added = added[(weights > bounds[0] + near) & (weights < bounds[1] - near)]
    return float(np.abs(added / added.mean() - 1.0).max())


def _best(work: Callable[[], object], count: int) -> tuple[np.ndarray, float]:
    """(answer, ms): the best of a few runs, after one that is not counted."""
    answer, best = work(), float("inf")
    for _ in range(5 if count >= 1000 else 30):
        started = time.process_time()
        answer = work()
        best = min(best, time.process_time() - started)
    return answer, best * 1e3  # type: ignore[return-value]


def _row(work: str, count: int, who: str, ms: float | None, error: float | None, note: str = "") -> dict[str, object]:
    goal = GOALS.get((work, count)) if who == "ours" else None
    return {"work": work, "n": count, "who": who, "ms": ms, "error": error, "goal_ms": goal, "note": note}


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row), flush=True)
