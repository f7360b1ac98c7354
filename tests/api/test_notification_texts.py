"""What people read: exact amounts, days that cannot be misread, short enough for an SMS."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final, get_args
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.notifications.texts import (
    Cancelled,
    CreditReceipt,
    Ended,
    Expired,
    Letter,
    PayoutSent,
    PhoneCode,
    PriceChange,
    Receipt,
    RenewalReminder,
    RenewalUnpaid,
    TrialBegun,
    TrialEnding,
    amount,
    words_of,
)
from ledger.money import Money, exponents

DAY: Final = date(2026, 3, 5)
LINK: Final = "https://hesabu.example/pay/x"
PRICE: Final = Money(amount=125_000, currency="KES")
ID: Final = UUID(int=1)

SAID: Final[dict[Letter, str]] = {
    Receipt(money=PRICE, payment_id=ID, paid_on=DAY): (
        f"We received KES 1,250.00 on 5 March 2026. Thank you. Payment {ID}."
    ),
    RenewalReminder(money=PRICE, days=3, renews_on=DAY, pay_link=LINK): (
        f"Your subscription renews in 3 days, on 5 March 2026, for KES 1,250.00. Pay now: {LINK}"
    ),
    RenewalReminder(money=PRICE, days=1, renews_on=DAY, pay_link=LINK): (
        f"Your subscription renews tomorrow, on 5 March 2026, for KES 1,250.00. Pay now: {LINK}"
    ),
    CreditReceipt(money=PRICE, payment_id=ID, paid_on=DAY): (
        "We received KES 1,250.00 on 5 March 2026. No invoice was open for it, so it is your "
        f"credit. Payment {ID}."
    ),
    RenewalUnpaid(money=PRICE, has_access=True, payable_until=DAY, pay_link=LINK): (
        "We could not collect KES 1,250.00 for your subscription. It stays open until "
        f"5 March 2026. Pay now: {LINK}"
    ),
    RenewalUnpaid(money=PRICE, has_access=False, payable_until=DAY, pay_link=LINK): (
        "We could not collect KES 1,250.00 for your subscription. You can go on if you pay by "
        f"5 March 2026. Pay now: {LINK}"
    ),
    Expired(ended_on=DAY): (
        "Your subscription ended on 5 March 2026, since it was not paid. "
        "You can subscribe again at any time."
    ),
    Cancelled(access_until=DAY): (
        "Your subscription is cancelled. It stays open until 5 March 2026; "
        "you will not be charged again."
    ),
    Ended(ended_on=DAY): (
        "Your subscription ended on 5 March 2026. You will not be charged again."
    ),
    TrialBegun(money=PRICE, ends_on=DAY): (
        "Your trial lasts until 5 March 2026. To go on after that costs KES 1,250.00."
    ),
    TrialEnding(money=PRICE, ends_on=DAY, pay_link=LINK): (
        f"Your trial ends on 5 March 2026. To go on for KES 1,250.00, pay here: {LINK}"
    ),
    PriceChange(old=PRICE, new=Money(amount=150_000, currency="KES"), starts_on=DAY): (
        "Your subscription costs KES 1,500.00 instead of KES 1,250.00 from 5 March 2026 on. "
        "You can cancel it before."
    ),
    PayoutSent(money=PRICE, payout_id=ID): f"We sent you KES 1,250.00, net of fees. Payout {ID}.",
    PhoneCode(code="012345", minutes=10): (
        "012345 is your code, for 10 minutes. Nobody will ever ask you for it."
    ),
}


@pytest.mark.parametrize("letter", SAID, ids=[letter.KIND for letter in SAID])
def test_every_letter_is_said_in_these_words(letter: Letter) -> None:
    words = words_of(letter)
    assert words.text == SAID[letter]
    assert 0 < len(words.subject) <= 60
    # One SMS in its plain alphabet is 160 letters; a link is as long as it must be.
    assert len(words.text.replace(LINK, "")) <= 160
    assert words.text.isascii()
    assert words.subject.isascii()


def test_no_letter_is_without_an_example() -> None:
    assert {type(letter) for letter in SAID} == set(get_args(Letter))
    assert len({letter.KIND for letter in SAID}) == len(get_args(Letter))


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (1, "KES", "KES 0.01"),
        (100_000_000, "KES", "KES 1,000,000.00"),
        (5_000, "UGX", "UGX 5,000"),
        (1_005, "KWD", "KWD 1.005"),
        (10**15, "KES", "KES 10,000,000,000,000.00"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(minor: int, currency: str, said: str) -> None:
    assert amount(Money(amount=minor, currency=currency)) == said


@given(st.integers(1, 10**15), st.sampled_from(sorted(exponents())))
def test_an_amount_that_is_read_back_is_the_same(minor: int, currency: str) -> None:
    said = amount(Money(amount=minor, currency=currency))
    major = Decimal(said.removeprefix(f"{currency} ").replace(",", ""))
    assert major.scaleb(exponents()[currency]) == minor


def test_codes_and_links_are_not_in_what_a_log_would_show() -> None:
    assert "012345" not in repr(PhoneCode(code="012345", minutes=10))
    assert LINK not in repr(
        RenewalUnpaid(money=PRICE, has_access=True, payable_until=DAY, pay_link=LINK)
    )
