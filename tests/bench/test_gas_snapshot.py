"""Gas is deterministic: what a change costs shows as a diff of gas.json that somebody signs.

Run `make bench` to write the file anew.
"""

from __future__ import annotations

import pytest

from tests.bench.gas import measure, read_snapshot

SIGNED_SIZES = (2, 10)


@pytest.mark.parametrize("size", SIGNED_SIZES)
def test_gas_equals_the_signed_snapshot(size: int) -> None:
    signed = {operation: gas[str(size)] for operation, gas in read_snapshot().items()}

    measured = {row.operation: row.gas for row in measure([size])}

    assert measured == signed, "gas has changed: run `make bench` and look at the diff of tests/bench/gas.json"


@pytest.mark.parametrize("operation", ["mint", "redeem", "transfer", "collect"])
def test_signed_gas_is_within_the_goal(operation: str) -> None:
    from tests.bench.goals import SIZES, Row

    rows = [Row(operation=operation, size=size, gas=read_snapshot()[operation][str(size)]) for size in SIZES]

    assert [row.size for row in rows if row.goal is None or row.gas > row.goal] == []
