"""The same integers on every processor: five kernels of OpenBLAS, one and two threads, one hash.

Each setting needs a process of its own, since the kernel is chosen when numpy is loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from offchain.canonical import keccak_hex
from offchain.spec.weight_rules import COVARIANCE_SCHEMES, WeightRules

ROOT = Path(__file__).resolve().parents[2]
KERNELS = ("Haswell", "SkylakeX", "Zen", "Prescott", "Nehalem")
SETTINGS = [(kernel, threads) for kernel in KERNELS for threads in ("1", "2")]
SIZES = (10, 45)


def test_weights_are_the_same_integers_on_ten_settings_of_processor_and_threads() -> None:
    """W3–W5, W10: ten settings, one hash of all integer weights, with limits and without."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        hashes = list(pool.map(in_a_process, SETTINGS))
    assert len(hashes) == 10
    assert set(hashes) == {hashes[0]}, dict(zip(SETTINGS, hashes, strict=True))


def in_a_process(setting: tuple[str, str]) -> str:
    kernel, threads = setting
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-m", "tests.properties.test_weight_processors"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def hash_of_all() -> str:
    """keccak256 of the weights of every solved scheme."""
    from offchain.weights import weigh
    from tests.offchain.weight_cases import coins, history

    found = {}
    for count in SIZES:
        given, members = history(count), coins(count)
        for scheme in (*COVARIANCE_SCHEMES, "inverse_volatility", "sharpe"):
            for cap, floor in ((1.0, 0.0), (1.5 / count, 0.4 / count)):
                rules = WeightRules(
                    scheme=scheme, volatility_days=90, max_weight=round(cap, 6), min_weight=round(floor, 6)
                )
                found[f"{scheme} {count} {cap:g}"] = dict(weigh(members, rules, history=given).weights)
    return keccak_hex(found)


if __name__ == "__main__":
    print(hash_of_all())
