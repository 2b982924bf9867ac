"""W8, W11: exact integer weights on machine words are those of the arbitrary-precision water-fill, to the wei."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.backtest.exact import LARGEST_SUM, capped_weights, whole_cents
from offchain.errors import InfeasibleWeights, UnitError
from offchain.weights.limits import limit_weights
from tests.fuzz import examples

WAD = 10**18


@settings(max_examples=examples(300))
@given(
    st.lists(st.integers(1, 10**13), min_size=1, max_size=40), st.integers(0, 10**18), st.integers(1, 10), st.booleans()
)
def test_words_give_the_weights_of_unlimited_integers(raw: list[int], more: int, scale: int, has_ties: bool) -> None:
    if has_ties:
        raw = [value % 7 + 1 for value in raw]
    cap = min(-(-WAD // len(raw)) + more // scale, WAD)
    assert capped_weights(np.array(raw), cap=cap).tolist() == limit_weights(raw, cap=cap)


def test_two_thousand_coins_sum_to_one_and_keep_the_cap() -> None:
    caps = np.exp(np.random.default_rng(3).normal(16, 3, 2_000))
    for cap in (WAD, 10**17, 10**15, 5 * 10**14):
        weights = capped_weights(whole_cents(caps), cap=cap)
        assert int(weights.sum()) == WAD and int(weights.max()) <= cap
        assert weights.tolist() == limit_weights(whole_cents(caps).tolist(), cap=cap)


def test_words_hold_up_to_ninety_trillion_dollars() -> None:
    """The remainder stays inside a word at the largest sum that is allowed."""
    dice = np.random.default_rng(11)
    for coins in (3, 50, 2_000):
        raw = dice.random(coins) ** 8 + 1e-9
        cents = np.maximum(np.floor(raw / raw.sum() * (LARGEST_SUM - coins)), 1.0).astype(np.int64)
        cap = max(WAD // 7, -(-WAD // coins))
        assert capped_weights(cents, cap=cap).tolist() == limit_weights(cents.tolist(), cap=cap)


def test_what_cannot_be_exact_is_refused() -> None:
    with pytest.raises(InfeasibleWeights, match="3 coins with a cap of 0.3"):
        capped_weights(np.array([1, 2, 3]), cap=3 * 10**17)
    with pytest.raises(UnitError, match="market caps sum to"):
        whole_cents(np.array([LARGEST_SUM / 50.0]))
    assert whole_cents(np.array([0.001, 1.25])).tolist() == [1, 125]
