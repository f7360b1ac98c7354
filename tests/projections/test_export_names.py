"""What an account is called elsewhere is a name there, and leads back to ours."""

from __future__ import annotations

import pytest
from beancount.core.account import is_valid
from hypothesis import given
from hypothesis import strategies as st

from ledger.accounts import ACCOUNT_PATTERN
from projections.exports.beancount import beancount_account
from projections.exports.hledger import hledger_account
from projections.exports.scope import major_units
from tests.projections.export_readers import named_in_beancount, named_in_hledger

ACCOUNTS = st.from_regex(ACCOUNT_PATTERN.removesuffix("$"), fullmatch=True)


@given(ACCOUNTS)
def test_a_name_of_hledger_leads_back_to_ours(account: str) -> None:
    name = hledger_account(account)
    assert named_in_hledger(name) == account
    assert not set(name) & set(" ;()[]")


@given(ACCOUNTS)
def test_a_name_of_beancount_is_valid_there_and_leads_back_to_ours(account: str) -> None:
    name = beancount_account(account)
    assert is_valid(name)
    assert named_in_beancount(name) == account


@pytest.mark.parametrize(
    ("account", "name"),
    [
        ("provider:mpesa_ke:collection", "Assets:Provider:Mpesa-ke:Collection"),
        ("suspense:_x", "Liabilities:Suspense:XX-x"),
        ("suspense:__", "Liabilities:Suspense:XX--"),
        ("suspense:x_x", "Liabilities:Suspense:X-x"),
        ("suspense:xx_x", "Liabilities:Suspense:Xx-x"),
        ("suspense:2go", "Liabilities:Suspense:2go"),
        (
            "creator:aaaaaaaa-0000-4000-8000-000000000000:in_transit",
            "Liabilities:Creator:Aaaaaaaa-0000-4000-8000-000000000000:In-transit",
        ),
        ("expense:provider_fees", "Expenses:Expense:Provider-fees"),
        ("equity:capital", "Equity:Equity:Capital"),
        ("platform:fees", "Income:Platform:Fees"),
    ],
)
def test_names_of_beancount(account: str, name: str) -> None:
    assert beancount_account(account) == name
    assert named_in_beancount(name) == account


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (0, "KES", "0.00"),
        (-1, "KES", "-0.01"),
        (-100, "KES", "-1.00"),
        (2**53 + 1, "KES", "90071992547409.93"),
        (2**53 + 1, "UGX", "9007199254740993"),
        (-(10**30) - 1, "KWD", "-1000000000000000000000000000.001"),
        (0, "UGX", "0"),
    ],
)
def test_amounts_are_exact_in_major_units(amount: int, currency: str, text: str) -> None:
    assert major_units(amount, currency) == text
