"""An entry that does not balance cannot exist: not when it is built, not when it is read back."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ledger.journal_entry import JournalEntry, Posting, entry
from ledger.money import Money
from ledger.postings import FeePlan, payment_received, receipt_parked, split_gross

CREATOR = UUID(int=7)
ACCOUNTS = ["provider:sandbox:collection", "suspense:sandbox", "tax:vat", "platform:fees"]
CURRENCIES = ["KES", "UGX", "KWD"]

postings = st.lists(
    st.fixed_dictionaries(
        {
            "account": st.sampled_from(ACCOUNTS),
            "amount": st.integers(-(10**16), 10**16),
            "currency": st.sampled_from(CURRENCIES),
        }
    ),
    max_size=6,
)


def balances_by_hand(legs: list[dict[str, Any]]) -> bool:
    sums: dict[str, int] = defaultdict(int)
    for leg in legs:
        sums[leg["currency"]] += leg["amount"]
    return len(legs) >= 2 and all(leg["amount"] for leg in legs) and not any(sums.values())


@given(postings)
def test_an_entry_exists_exactly_when_it_balances_in_every_currency(
    legs: list[dict[str, Any]],
) -> None:
    # Half of the examples are made to balance, else almost none would.
    closing = [{**leg, "amount": -leg["amount"], "account": "suspense:other"} for leg in legs]
    for candidate in (legs, legs + closing):
        stored = json.dumps({"postings": candidate})
        if balances_by_hand(candidate):
            built = JournalEntry.model_validate({"postings": candidate})
            assert JournalEntry.model_validate_json(stored) == built
            assert JournalEntry.model_validate_json(built.model_dump_json()) == built
        else:
            with pytest.raises(ValidationError):
                JournalEntry.model_validate({"postings": candidate})
            with pytest.raises(ValidationError):
                JournalEntry.model_validate_json(stored)


@pytest.mark.parametrize("tampered", [{"amount": 101}, {"currency": "UGX"}, {"amount": 0}])
def test_a_stored_entry_whose_line_was_changed_cannot_be_read_back(
    tampered: dict[str, object],
) -> None:
    stored = entry("KES", (ACCOUNTS[0], 100), (ACCOUNTS[1], -100)).model_dump()
    lines = [dict(line) for line in stored["postings"]]
    lines[0].update(tampered)
    with pytest.raises(ValidationError):
        JournalEntry.model_validate_json(json.dumps({"postings": lines}))


def test_two_currencies_do_not_make_up_for_each_other() -> None:
    with pytest.raises(ValidationError, match="differ by 100 KES"):
        JournalEntry(
            postings=(
                Posting(account=ACCOUNTS[0], amount=100, currency="KES"),
                Posting(account=ACCOUNTS[1], amount=-100, currency="UGX"),
            )
        )


@pytest.mark.parametrize("amount", [1.0, "1", True, None])
def test_a_posting_is_an_integer(amount: object) -> None:
    with pytest.raises(ValidationError):
        Posting.model_validate({"account": ACCOUNTS[0], "amount": amount, "currency": "KES"})


def test_zero_legs_are_left_out_of_an_entry() -> None:
    free = FeePlan(fee_basis_points=0, vat_basis_points=0)
    built = payment_received(
        split_gross(500, free), currency="KES", provider="sandbox", creator_id=CREATOR
    )
    assert [(line.account, line.amount) for line in built.postings] == [
        ("provider:sandbox:collection", 500),
        (f"creator:{CREATOR}:pending", -500),
    ]


def test_money_received_goes_to_the_creator_the_platform_and_the_tax_office() -> None:
    plan = FeePlan(fee_basis_points=1_000, vat_basis_points=1_600)
    built = payment_received(
        split_gross(100_000, plan), currency="KES", provider="sandbox", creator_id=CREATOR
    )
    assert [(line.account, line.amount) for line in built.postings] == [
        ("provider:sandbox:collection", 100_000),
        (f"creator:{CREATOR}:pending", -88_400),
        ("platform:fees", -10_000),
        ("tax:vat", -1_600),
    ]


def test_money_that_is_not_understood_waits_in_suspense() -> None:
    built = receipt_parked(Money(amount=70, currency="UGX"), provider="sandbox")
    assert [(line.account, line.amount, line.currency) for line in built.postings] == [
        ("provider:sandbox:collection", 70, "UGX"),
        ("suspense:sandbox", -70, "UGX"),
    ]


@given(st.integers(2, 10**15), st.integers(0, 5_000), st.integers(0, 5_000))
def test_every_payment_that_can_be_split_can_be_posted(gross: int, fee: int, vat: int) -> None:
    plan = FeePlan(fee_basis_points=fee, vat_basis_points=vat)
    built = payment_received(
        split_gross(gross, plan), currency="KES", provider="sandbox", creator_id=CREATOR
    )
    assert sum(line.amount for line in built.postings) == 0
