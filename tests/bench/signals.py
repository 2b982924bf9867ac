"""How long signals take: a walk-forward classifier of 48 monthly folds, its training rows read one by one or every
second day, a weekly one, and the labels of 300 coins.

`rows()` → one dict a measurement: what, size, seconds of processor time (`cpu`) and of the clock (`wall`), goal and peer.
The box is shared, so processor time is what is compared; it is one thread throughout.

python -m tests.bench.signals
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import TypeVar

import numpy as np

from offchain.features import FEATURES
from offchain.market.history import History
from offchain.signals import Model, TrainingRules, assess, needs, train, walk_forward
from offchain.signals.training import Panel, prepare
from offchain.spec.signal_rules import SignalRules

DAYS, COINS, COUNT = 1_826, 50, 60
GOAL_SECONDS = 60.0
# measured once on such a box, one core: LightGBM 4.7, 100 trees × 3 classes × 31 leaves, expanding window
PEER = ("LightGBM, expanding", 138.0)
RULES = TrainingRules(first_test_days=386)

Answer = TypeVar("Answer")


def rows() -> list[dict[str, object]]:
    """Every measurement; about three minutes."""
    history = walk(DAYS, COINS)
    names = features_of(history)[:COUNT]
    size = f"{COINS} coins × 5 years × {COUNT} features"
    panel, cpu, wall = measured(lambda: prepare(history, names, RULES))
    found = [row("inputs and outcomes of all days", size, cpu, wall)]
    found.append(folds(history, names, panel, RULES, f"{size}, 48 monthly folds", goal=GOAL_SECONDS, peer=PEER))
    every_day = replace(RULES, stride_days=1)
    found.append(folds(history, names, panel, every_day, f"{size}, 48 monthly folds, every day", goal=None, peer=PEER))
    model, cpu, wall = measured(lambda: train(history, names, RULES, panel=panel))
    found.append(row("train one model, with feature importance", size, cpu, wall))
    many = walk(800, 300)
    few = SignalRules(mode="rules", use=tuple((name, 0.1) for name in features_of(many)[:20]))
    past = many.tail(needs(few).days)
    _, cpu, wall = measured(lambda: assess(past, few))
    found.append(row("assess by rules", "300 coins, 20 features", cpu, wall))
    listen = SignalRules(mode="model", model="m.json", require_payoff=False)
    late = replace(
        many, t=datetime.combine(model.train_cutoff + timedelta(days=2), clock(), UTC), dates=moved(many, model)
    )
    _, cpu, wall = measured(lambda: assess(late, listen, model=model))
    found.append(row("assess by a model, with what each feature adds", f"300 coins, {COUNT} features", cpu, wall))
    return found


def folds(
    history: History,
    names: list[str],
    panel: Panel,
    rules: TrainingRules,
    size: str,
    *,
    goal: float | None,
    peer: tuple[str, float],
) -> dict[str, object]:
    """One walk-forward test; on a random walk, so its verdict has to be that it does not pay."""
    tested, cpu, wall = measured(lambda: walk_forward(history, names, rules, panel=panel))
    assert len(tested.folds) == 48, len(tested.folds)
    found = tested.evaluation
    note = f"AUC {found.auc:.3f} ({found.auc_low:.3f} to {found.auc_high:.3f}), hash {tested.result_hash[:10]}"
    return row("walk forward", size, cpu, wall, goal=goal, peer=peer) | {"note": note}


def row(
    what: str, size: str, cpu: float, wall: float, *, goal: float | None = None, peer: tuple[str, float] | None = None
) -> dict[str, object]:
    return {
        "group": "signals",
        "operation": what,
        "size": size,
        "cpu": cpu,
        "wall": wall,
        "goal": goal,
        "peer": peer,
        "reached": None if goal is None else cpu <= goal,
        "note": "",
    }


def measured(work: Callable[[], Answer]) -> tuple[Answer, float, float]:
    """(answer, seconds of processor time, seconds of the clock)."""
    cpu, wall = time.process_time(), time.perf_counter()
    answer = work()
    return answer, time.process_time() - cpu, time.perf_counter() - wall


def walk(days: int, coins: int, *, seed: int = 1) -> History:
    """A random walk of prices with volumes: nothing in it can be foreseen."""
    dice = np.random.Generator(np.random.PCG64(seed))
    market = dice.normal(0.0, 0.03, (days, 1))
    price = 100.0 * np.exp(np.cumsum(market + dice.normal(size=(days, coins)) * np.linspace(0.02, 0.06, coins), axis=0))
    cap = price * np.linspace(1e6, 1e9, coins)
    dates = tuple(date(2020, 1, 1) + timedelta(days=day) for day in range(days))
    return History(
        t=datetime.combine(dates[-1], clock(), UTC),
        dates=dates,
        ids=tuple(f"coin-{number:03d}" for number in range(coins)),
        panels={"price": price, "market_cap": cap, "volume": cap * 0.1 * np.exp(dice.normal(0.0, 0.5, cap.shape))},
    )


def features_of(history: History) -> list[str]:
    """Features that need nothing but price, market cap and volume of the coin, by name."""
    return [
        name
        for name, feature in sorted(FEATURES.items())
        if set(feature.needs.fields) <= set(history.panels) and not feature.reads_bitcoin and not feature.reads_tags
        if feature.group != "macro" and feature.lookback <= 370
    ]


def moved(history: History, model: Model) -> tuple[date, ...]:
    """The same number of days, ending the day after the model's last."""
    end = model.train_cutoff + timedelta(days=2)
    return tuple(end - timedelta(days=back) for back in range(len(history) - 1, -1, -1))


if __name__ == "__main__":
    for measurement in rows():
        goal = measurement["goal"]
        print(
            f"{measurement['operation']:<48}{measurement['size']:<66}cpu {measurement['cpu']:7.2f} s  wall "
            f"{measurement['wall']:7.2f} s  {'' if goal is None else f'goal {goal:g} s'}  {measurement['note']}"
        )
