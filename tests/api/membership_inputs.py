"""Requests about tiers and fans' credit, and what is wrong in each of their fields."""

from __future__ import annotations

from typing import Final

from tests.api.book_inputs import NOT_A_REASON, NOT_A_TIME, NOT_MONEY
from tests.api.deployment import PHONE_PREFIX
from tests.api.wrong_values import (
    DECEIVING,
    NOT_A_CURRENCY,
    NOT_AN_AMOUNT,
    NOT_AN_INTEGER,
    NOT_TEXT,
    Request,
)

ID: Final = "00000000-0000-4000-8000-000000000006"
TIERS: Final = f"/creators/{ID}/tiers"
NOT_A_VERSION: Final = (*NOT_AN_INTEGER, "0", "10001")
FORTNIGHT_LESS_A_SECOND: Final = str(14 * 24 * 3600 - 1)

TIER: Final = Request(
    "tier",
    "POST",
    TIERS,
    {"name": "Friends", "trial_days": 7},
    {
        "name": (
            *NOT_TEXT, *DECEIVING, "null", '""', '"  "', f'"{"z" * 81}"', '"zqzq@example.org"',
            f'"zqzq {PHONE_PREFIX}000"', '"zqzq 0709 481 000"',
        ),
        "trial_days": (*NOT_AN_INTEGER, "91"),
    },
    frozenset({"trial_days"}),
)  # fmt: skip
PRICE: Final = Request(
    "price",
    "POST",
    f"{TIERS}/{ID}/prices",
    {
        "money": {"amount": 100, "currency": "KES"},
        "interval": {"unit": "month", "count": 3},
    },
    {
        "money": NOT_MONEY,
        "money.amount": NOT_AN_AMOUNT,
        "money.currency": NOT_A_CURRENCY,
        "interval": ("null", "1", '"month"', "[]", "{}"),
        "interval.unit": (*NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"Month"', '"months"'),
        "interval.count": (*NOT_AN_INTEGER, "0", "366"),
    },
    frozenset({"interval.count"}),
)
MIGRATION: Final = Request(
    "price_migration",
    "POST",
    f"{TIERS}/{ID}/price-migrations",
    {
        "from_version": 1,
        "to_version": 2,
        "begins_at": "2126-01-01T00:00:00+03:00",
        "notice_seconds": 30 * 24 * 3600,
    },
    {
        "from_version": NOT_A_VERSION,
        "to_version": NOT_A_VERSION,
        "begins_at": (*(wrong for wrong in NOT_A_TIME if wrong not in NOT_TEXT), "null", "[]"),
        "notice_seconds": (
            # Without it the platform's own notice is meant.
            *(wrong for wrong in NOT_AN_INTEGER if wrong != "null"),
            *("0", FORTNIGHT_LESS_A_SECOND, str(366 * 24 * 3600 + 1)),
        ),
    },
    frozenset({"notice_seconds"}),
)
CREDIT_REFUND: Final = Request(
    "credit_refund",
    "POST",
    f"/payments/{ID}/credit-refunds",
    {"money": {"amount": 100, "currency": "KES"}, "reason": "the fan asked for it"},
    {
        # Without it all that is left is meant.
        "money": tuple(wrong for wrong in NOT_MONEY if wrong != "null"),
        "money.amount": NOT_AN_AMOUNT,
        "money.currency": NOT_A_CURRENCY,
        "reason": NOT_A_REASON,
    },
    frozenset({"money"}),
)
MEMBERSHIP_REQUESTS: Final = (TIER, PRICE, MIGRATION, CREDIT_REFUND)
