"""Every shipped index on the real records of 2021, with all their dirt.

a decision at t
├── knows nothing later: with every value after t changed it is the same, bit for bit
├── does not depend on the order of rows and columns
├── follows from its published inputs alone, also after a restart
└── is the same under ten settings of processor and threads

a backtest from January to September
└── runs for every index without a hand on the data, and its level is that of its own trades
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from offchain.backtest import backtest
from offchain.epochs import Publication
from offchain.errors import DecisionMismatch
from offchain.market import Market
from offchain.methodology import Decision, Methodology
from offchain.spec import find_spec
from tests.engine.shipped import NAMES, decide, held

ROOT = Path(__file__).resolve().parents[2]
T = "2021-05-24"
PROCESSORS = ("Haswell", "SkylakeX", "Zen", "Prescott", "Nehalem")


@pytest.fixture(scope="module")
def decided(market: Market) -> dict[str, Decision]:
    return {name: decide(market, name, T) for name in NAMES}


@pytest.fixture(scope="module")
def poisoned(market: Market) -> Market:
    """The same past, and a future of noise: prices times up to a thousand, caps and volumes of other days, coins that vanish."""
    dice = np.random.default_rng(7)
    later = market.dates > pd.Timestamp(T, tz="UTC")
    panels = {}
    for name in ("price", "market_cap", "volume"):
        values = np.array(getattr(market, name).to_numpy())
        future = values[later]
        future *= 10.0 ** dice.uniform(-3, 3, future.shape)
        future[dice.random(future.shape) < 0.2] = np.nan
        values[later] = future
        panels[name] = values
    frame = market.price.stack(future_stack=True).rename("price").to_frame()
    for name, values in panels.items():
        frame[name] = values.reshape(-1)
    frame = frame.reset_index()
    frame.columns = ["date", "id", *frame.columns[2:]]
    return Market.from_frame(frame.dropna(subset=["price"]), meta=market.meta, source=market.source)


@pytest.mark.parametrize("name", NAMES)
def test_a_decision_knows_nothing_of_the_future(name: str, poisoned: Market, decided: dict[str, Decision]) -> None:
    """M6, D13: everything after t replaced; weights, reasons, hash and inputs stay."""
    again = decide(poisoned, name, T)
    assert again.to_json() == decided[name].to_json()


@pytest.fixture(scope="module")
def shuffled(market: Market) -> Market:
    dice = np.random.default_rng(11)
    frame = market.price.stack(future_stack=True).rename("price").to_frame()
    for name in ("market_cap", "volume"):
        frame[name] = getattr(market, name).to_numpy().reshape(-1)
    frame = frame.reset_index()
    frame.columns = ["date", "id", *frame.columns[2:]]
    frame = frame.dropna(subset=["price"])
    rows = frame.iloc[dice.permutation(len(frame))][["volume", "id", "market_cap", "date", "price"]]
    return Market.from_frame(rows, meta=market.meta.iloc[dice.permutation(len(market.meta))], source=market.source)


@pytest.mark.parametrize("name", NAMES)
def test_a_decision_does_not_depend_on_row_and_column_order(
    name: str, shuffled: Market, decided: dict[str, Decision]
) -> None:
    assert decide(shuffled, name, T).to_json() == decided[name].to_json()


@pytest.mark.parametrize("name", NAMES)
def test_a_decision_follows_from_its_published_inputs(name: str, market: Market, decided: dict[str, Decision]) -> None:
    """T1, G5: from the file alone, without the market; one number changed is found."""
    rules = Methodology.open(name)
    inputs = rules.inputs(market, T, held(market, name))
    tokens = {coin: f"0x{number:040x}" for number, coin in enumerate(sorted(decided[name].target_weights), start=1)}
    published = Publication.of(decided[name], inputs, tokens)
    read = Publication.from_json(published.to_json())
    assert read.inputs_hash == published.inputs_hash
    rules.verify(decided[name], read.inputs)
    assert rules.decide_on(read.inputs, read.incumbents).decision_hash == decided[name].decision_hash
    assert Decision.from_json(decided[name].to_json()) == decided[name]
    coins = list(read.inputs.snapshot.coins)
    place = next(number for number, coin in enumerate(coins) if coin.market_cap)
    coins[place] = replace(coins[place], market_cap=2.0 * (coins[place].market_cap or 0.0))
    other = replace(read.inputs, snapshot=replace(read.inputs.snapshot, coins=tuple(coins)))
    with pytest.raises(DecisionMismatch, match="inputs_hash is"):
        rules.verify(decided[name], other)


def test_the_same_hashes_under_ten_settings_of_processor_and_threads(decided: dict[str, Decision]) -> None:
    """M6: each setting in a process of its own, so after a restart as well."""
    expected = [f"{name} {decided[name].decision_hash} {decided[name].inputs_hash}" for name in NAMES]
    for processor in PROCESSORS:
        for threads in ("1", "2"):
            settings = {"OPENBLAS_CORETYPE": processor, "OPENBLAS_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads}
            done = subprocess.run(
                [sys.executable, "-m", "tests.engine.shipped", T],
                cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=600,
            )  # fmt: skip
            assert done.stdout.splitlines() == expected, settings


@pytest.mark.parametrize("name", NAMES)
def test_every_index_runs_over_2021_without_a_hand_on_the_data(name: str, market: Market) -> None:
    """U16, P2, F8: nine months of dirt; the level of every day is that of the units held, the fees and the costs paid."""
    run = backtest(find_spec(name), market, start="2021-01-01", end="2021-09-30")
    assert run.rebalances >= 3 and len(run) >= 200
    assert np.isfinite(run.net).all() and (run.net > 0).all() and (run.net <= run.gross * (1 + 1e-9)).all()
    worth = np.nansum(np.where(run.units > 0, run.units * run.prices, 0.0), axis=1)
    bought = int(np.argmax(worth > 0))
    assert np.allclose(worth[bought:], run.nav[bought:], rtol=1e-9)
    assert run.turnover > 0 and sum(run.costs.values()) > 0
    print(f"{name}: level {run.net[-1]:.1f}, {run.rebalances} rebalances, turnover {run.turnover:.2f}")
