"""The terms of an index survive being written down between two calls of the deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from offchain.canonical import canonical_json
from offchain.chain.terms import IndexTerms, ListedToken
from offchain.errors import ChainError
from offchain.launch import _terms_from_json
from offchain.spec import load_spec
from offchain.spec.load import parse_spec

LC10 = Path(__file__).resolve().parents[2] / "offchain" / "indexes" / "lc10.toml"
ALICE, BOB = "0x" + "aA" * 20, "0x" + "bB" * 20
FEES = """
recipients = { governor = 6_000, keeper = 3_000 }
burn_bps = 1_000
performance_bps = 1_000
performance_interval_days = 30
"""


def terms_of(text: str, accounts: dict[str, str]) -> IndexTerms:
    token = ListedToken(id="bitcoin", symbol="WBTC", address="0x" + "11" * 20, decimals=8, feed="", max_age=3600)
    return IndexTerms.from_spec(
        parse_spec(text),
        tokens=[token],
        prices={"bitcoin": 10**36},
        weights={"bitcoin": 10**18},
        receiver=ALICE,
        governor=ALICE,
        guardian=ALICE,
        strategist=ALICE,
        fee_accounts=accounts,
    )


def with_fees(fees: str) -> str:
    return LC10.read_text(encoding="utf-8").replace('recipient = "governor"\n', fees)


@pytest.mark.parametrize("fees", ["", FEES])
def test_terms_are_read_back_as_written(fees: str) -> None:
    terms = terms_of(with_fees(fees), {"governor": ALICE, "keeper": BOB})
    assert _terms_from_json(json.loads(canonical_json(terms))) == terms


def test_fees_of_a_file_become_what_the_contracts_take() -> None:
    terms = terms_of(with_fees(FEES), {"governor": ALICE, "keeper": BOB})
    assert terms.fee_table == ((ALICE, 6 * 10**17), (BOB, 3 * 10**17)) and terms.fee_burn == 10**17
    assert (terms.performance_fee, terms.performance_interval) == (10**17, 30 * 86_400)


def test_an_index_without_them_has_no_table_and_no_performance_fee() -> None:
    assert load_spec(LC10).fees.performance_bps == 0
    terms = terms_of(with_fees(""), {"governor": ALICE})
    assert (terms.fee_table, terms.fee_burn, terms.performance_fee, terms.performance_interval) == ((), 0, 0, 0)


def test_two_names_of_one_account_are_refused() -> None:
    with pytest.raises(ChainError, match="the same account here"):
        terms_of(with_fees(FEES), {"governor": ALICE, "keeper": ALICE})
