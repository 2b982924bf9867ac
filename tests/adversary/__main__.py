"""`make adversary`: hostile agents against an index on a local market, each for thirty days, and what they got.

Prints one row per agent in bps of NAV and exits with 1 when any agent passes the bound C·(1 + T/W) over any period,
when one did nothing, when a holder could not redeem, or when the canary, who has no guard before him, does not pass it.
A run of full length replaces the rows of its agents in adversary.json, of those that are well.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.adversary.cast import cast
from tests.adversary.picture import draw
from tests.adversary.report import JSON, Result, heading, print_row, write_json
from tests.adversary.run import play_all

DAYS, SEED = 30, 1


def main(arguments: list[str] | None = None) -> int:
    names = list(cast())
    parser = argparse.ArgumentParser(prog="make adversary", description=__doc__)
    parser.add_argument("agents", nargs="*", metavar="agent", help=f"only these of: {', '.join(names)}")
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=2, help="chains that run side by side")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.agents if name not in names]:
        parser.error(f"no agent {unknown[0]!r}; there are: {', '.join(names)}")
    chosen = options.agents or names

    print(f"{len(chosen)} agents, {options.days} days each, seed {options.seed}; losses and profit in bps of NAV\n")
    print(heading(), flush=True)
    began = time.monotonic()
    done: dict[str, Result] = {}
    for result in play_all(chosen, options.days, options.seed, options.workers):
        done[result.agent] = result
        print(print_row(result), flush=True)
    results = [done[name] for name in chosen]
    failed = [result for result in results if result.verdict]
    print(f"\n{time.monotonic() - began:.0f} s. " + conclusion(results, failed))
    well = [result for result in results if not result.verdict]
    if (options.days, options.seed) == (DAYS, SEED) and well:
        everything = write_json(well, options.seed, names)
        print(f"Written: {JSON.relative_to(JSON.parents[2])} and {draw(everything)}")
    return 1 if failed else 0


def conclusion(results: list[Result], failed: list[Result]) -> str:
    if failed:
        return "FAILED: " + "; ".join(f"{result.agent} {result.verdict}" for result in failed)
    honest = [result for result in results if not result.is_canary]
    worst = max(honest, key=lambda result: result.used / result.stretch, default=None)
    if worst is None:
        return "Only the canary ran, and it broke the bound, as it should"
    wider = [
        f"{result.agent} used {result.used:.1%}, {result.stretch:.3f} being his"
        for result in honest
        if result.stretch != 1
    ]
    notes = f" (with an old valuation: {'; '.join(wider)})" if wider else ""
    return f"No agent passed his bound; the nearest is {worst.agent} with {worst.used / worst.stretch:.4%} of it{notes}"


if __name__ == "__main__":
    sys.exit(main())
