"""Limits over several indexes at once."""

from __future__ import annotations

import pytest

from offchain.analytics.exposure import look_through
from offchain.analytics.limits import over_limits
from offchain.errors import UnusableHoldings

WAD = 10**18
INDEXES = {
    "LC10": {"bitcoin": 6 * WAD // 10, "ethereum": 4 * WAD // 10},
    "DEFI": {"aave": WAD // 2, "ethereum": WAD // 2},
}
HELD = look_through(INDEXES, {"LC10": 3e6, "DEFI": 1e6})


def test_aggregate_limits_name_the_coin_its_limit_and_where_it_is_held() -> None:
    """P9, §6.7-13: bitcoin is 1.8 of 4 M; aave is worth five days of its volume; ether is inside both limits."""
    found = over_limits(
        HELD, max_weight=0.43, volumes={"bitcoin": 1e9, "ethereum": 1e9, "aave": 1e5}, max_volume_days=2
    )
    assert found == (
        "bitcoin is 45.00 % of all holdings, limit 43.00 % (LC10 $1.80 M)",
        "aave is worth 5.0 days of its volume, limit 2 (DEFI $500,000.00)",
    )


def test_aggregate_limits_that_hold_say_nothing_and_no_volume_is_no_market() -> None:
    """P9."""
    assert over_limits(HELD, max_weight=0.45) == ()
    (row,) = over_limits(HELD, volumes={"bitcoin": 1e9, "ethereum": 1e9}, max_volume_days=1)
    assert row == "aave is held without any volume, limit 1 (DEFI $500,000.00)"


def test_aggregate_limits_that_are_none_are_refused() -> None:
    with pytest.raises(UnusableHoldings, match="limits 40 of 1"):
        over_limits(HELD, max_weight=40)
