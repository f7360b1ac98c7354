"""The chart of accounts: which names exist, and which way each account grows."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from pydantic import ValidationError

from ledger.accounts import (
    ACCOUNT_PATTERN,
    PLATFORM_FEES,
    PROVIDER_NAME,
    VAT,
    CreatorFunds,
    FanFunds,
    Side,
    collection,
    creator_funds,
    creator_of,
    disbursement,
    fan_funds,
    normal_balance,
    provider_of,
    side_of,
    suspense,
)
from ledger.journal_entry import Posting

CREATOR = UUID("01234567-89ab-cdef-0123-456789abcdef")
FAN = UUID("fedcba98-7654-3210-fedc-ba9876543210")
NAMES = [
    collection("mtn_momo"),
    suspense("mtn_momo"),
    PLATFORM_FEES,
    VAT,
    *(creator_funds(CREATOR, funds) for funds in CreatorFunds),
    *(fan_funds(FAN, funds) for funds in FanFunds),
]


@pytest.mark.parametrize("account", NAMES)
def test_every_name_that_the_rules_make_is_in_the_chart(account: str) -> None:
    assert re.match(ACCOUNT_PATTERN, account)
    assert Posting(account=account, amount=1, currency="KES").account == account
    assert side_of(account) in Side


@pytest.mark.parametrize(
    "account",
    [
        "",
        "creator",
        "creator:nobody:pending",
        f"creator:{'-' * 36}:available",
        f"creator:{CREATOR}:savings",
        f"creator:{CREATOR}:pending\n",
        f" creator:{CREATOR}:pending",
        f"creator:{str(CREATOR).upper()}:pending",
        "provider:MTN:collection",
        "provider:mtn momo:collection",
        "platform:fees:extra",
        "suspense:",
        "fan:wallet",
        f"fan:{FAN}",
        f"fan:{FAN}:pending",
        f"fan:{FAN}:reserved",
        f"fan:{'-' * 36}:credit",
        f"creator:{CREATOR}:credit",
    ],
)
def test_a_name_outside_the_chart_cannot_be_posted_to(account: str) -> None:
    with pytest.raises(ValidationError):
        Posting(account=account, amount=1, currency="KES")


def test_names_are_stable() -> None:
    assert NAMES[:5] == [
        "provider:mtn_momo:collection",
        "suspense:mtn_momo",
        "platform:fees",
        "tax:vat",
        "creator:01234567-89ab-cdef-0123-456789abcdef:pending",
    ]
    assert NAMES[-3:] == [
        "fan:fedcba98-7654-3210-fedc-ba9876543210:credit",
        "fan:fedcba98-7654-3210-fedc-ba9876543210:goodwill",
        "fan:fedcba98-7654-3210-fedc-ba9876543210:credit_reserved",
    ]


def test_assets_grow_by_debits_and_what_we_owe_or_earn_by_credits() -> None:
    assert normal_balance(collection("sandbox"), 500) == 500
    assert normal_balance(creator_funds(CREATOR, CreatorFunds.AVAILABLE), -500) == 500
    assert normal_balance(fan_funds(FAN, FanFunds.GOODWILL), -500) == 500
    assert normal_balance(suspense("sandbox"), -500) == 500
    assert normal_balance(PLATFORM_FEES, -500) == 500
    assert normal_balance(VAT, -500) == 500
    assert side_of(PLATFORM_FEES) is Side.INCOME


def test_a_creators_accounts_say_whose_they_are() -> None:
    assert {creator_of(creator_funds(CREATOR, funds)) for funds in CreatorFunds} == {CREATOR}
    assert creator_of(PLATFORM_FEES) is creator_of(suspense("creator")) is None
    assert creator_of(fan_funds(CREATOR, FanFunds.CREDIT)) is None


def test_a_providers_accounts_say_whose_they_are() -> None:
    assert (
        provider_of(collection("mtn_momo")) == provider_of(disbursement("mtn_momo")) == "mtn_momo"
    )
    assert provider_of(PLATFORM_FEES) is provider_of(suspense("mtn_momo")) is None


def test_an_account_that_is_not_in_the_chart_has_no_side() -> None:
    with pytest.raises(KeyError):
        side_of("piggy_bank:mine")


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("mpesa", True), ("mtn_momo2", True), ("", False), ("MTN", False), ("a" * 41, False)],
)
def test_a_provider_is_named_in_small_letters(name: str, *, accepted: bool) -> None:
    assert bool(PROVIDER_NAME.match(name)) is accepted
