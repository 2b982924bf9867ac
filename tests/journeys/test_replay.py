"""The backtest against the chain: 26 weeks of genuine swaps, and the same weeks on paper."""

from __future__ import annotations

import json
from pathlib import Path

from offchain.demo.replay import WEEKS, plan_of, replay, write
from offchain.market import synthetic_market
from offchain.spec import find_spec


def test_the_chain_is_never_further_from_the_backtest_than_stated(tmp_path: Path) -> None:
    """R7, P1, F8: decided by the same rules, executed by the keeper through Uniswap; every level within the stated error."""
    market = synthetic_market()
    plan = plan_of(market, find_spec("LC10"), name="synthetic", folder=tmp_path, weeks=WEEKS, start=None)
    said: list[str] = []
    result = replay(market, plan, tell=said.append)
    print(result)
    assert result.holds, str(result)
    on_chain, on_paper = result.rebalances
    assert on_chain == on_paper >= 6
    assert len(result.dates) >= 6 * WEEKS
    # a stated error that allows anything would prove nothing
    assert max(result.bound_bps) < 25 and result.turnover > 0.2
    moves = [abs(after / before - 1) for before, after in zip(result.chain, result.chain[1:], strict=False)]
    assert max(moves) > 0.02
    table, picture = write(result, tmp_path)
    assert json.loads(table.read_text())["symbol"] == "LC10" and picture.stat().st_size > 10_000
