"""What the tests of the shipped indexes share: their names, and one decision of each as one line of hashes.

python -m tests.engine.shipped 2021-05-24      prints every decision's hash; the same on every machine
"""

from __future__ import annotations

import sys

from offchain.market import Market, load_market
from offchain.methodology import Decision, Methodology
from offchain.spec import index_files
from offchain.units import from_wad

NAMES = tuple(name for name in index_files() if name != "sepolia-example")
BEFORE = "2021-04-05"  # what an index decided then is what it holds now


def held(market: Market, name: str) -> dict[str, float]:
    """{id: part} that a shipped index holds, by its own decision of seven weeks before."""
    weights = Methodology.open(name).decide(market, BEFORE).target_weights
    return {coin: from_wad(weight) for coin, weight in weights.items()}


def decide(market: Market, name: str, t: str) -> Decision:
    """The decision of a shipped index that holds something already."""
    return Methodology.open(name).decide(market, t, held(market, name))


def main(date: str) -> None:
    market = load_market()
    for name in NAMES:
        decision = decide(market, name, date)
        print(name, decision.decision_hash, decision.inputs_hash)


if __name__ == "__main__":
    main(sys.argv[1])
