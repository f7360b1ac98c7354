"""Requests about payouts and standing, and what is wrong in each of their fields."""

from __future__ import annotations

from typing import Any, Final

from tests.api.book_inputs import NOT_A_REASON, NOT_A_TIME, NOT_MONEY
from tests.api.deployment import PHONE_PREFIX
from tests.api.wrong_values import (
    DECEIVING,
    NOT_A_CURRENCY,
    NOT_A_PHONE,
    NOT_A_UUID,
    NOT_AN_AMOUNT,
    NOT_AN_INTEGER,
    NOT_BASIS_POINTS,
    NOT_TEXT,
    Request,
)

ID: Final = "00000000-0000-4000-8000-000000000004"
REASON: Final = "It was agreed on the telephone."
NOT_A_WORD: Final = (*NOT_TEXT, *DECEIVING, '""', '"zqzq"', '"WEEKLY"', '"weekly "')
SHILLING: Final = {"amount": 100, "currency": "KES"}
MONEY: Final = {
    # Without it everything available is meant.
    "money": tuple(wrong for wrong in NOT_MONEY if wrong != "null"),
    "money.amount": NOT_AN_AMOUNT,
    "money.currency": NOT_A_CURRENCY,
}

DESTINATION: Final = Request(
    "destination",
    "POST",
    f"/creators/{ID}/destinations",
    {"phone": f"{PHONE_PREFIX}000", "provider": "sandbox"},
    {
        "phone": NOT_A_PHONE,
        "provider": (
            *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"SANDBOX"', f'"{"z" * 41}"',
        ),
    },
    frozenset({"provider"}),
)  # fmt: skip
SCHEDULE: Final = Request(
    "schedule",
    "PUT",
    f"/creators/{ID}/payout-schedule",
    {"interval": "weekly", "day": 5, "destination_id": ID, "minimum": 100},
    {
        "interval": NOT_A_WORD,
        "day": (*NOT_AN_INTEGER, "0", "8", "29"),
        "destination_id": (*NOT_A_UUID, "null"),
        "minimum": NOT_AN_AMOUNT,
    },
    frozenset({"day", "minimum"}),
)
PAYOUT: Final = Request(
    "payout",
    "POST",
    f"/creators/{ID}/payouts",
    {"destination_id": ID, "money": SHILLING},
    {"destination_id": (*NOT_A_UUID, "null"), **MONEY},
    frozenset({"money"}),
)
VERIFICATION: Final = Request(
    "verification",
    "PUT",
    f"/admin/creators/{ID}/verification",
    {"verification": "verified", "reason": REASON},
    {
        "verification": (*NOT_A_WORD, "null"),
        "reason": tuple(wrong for wrong in NOT_A_REASON if wrong != "null"),
    },
    frozenset({"reason"}),
)
TAX_PROFILE: Final = Request(
    "tax_profile",
    "PUT",
    f"/admin/creators/{ID}/tax-profile",
    {"country": "KE", "withholding_basis_points": 500, "tax_number": "A001234567Z"},
    {
        "country": (*NOT_TEXT, *DECEIVING, "null", '""', '"ke"', '"KEN"', '"K1"', '"zqzq"'),
        "withholding_basis_points": NOT_BASIS_POINTS,
        "tax_number": (
            *NOT_TEXT, *DECEIVING, '""', '"zq"', '"zqzq@"', '"\u00e9zqzq"', f'"{"z" * 41}"',
        ),
    },
    frozenset({"tax_number"}),
)  # fmt: skip
HOLD: Final = Request(
    "hold",
    "POST",
    f"/admin/creators/{ID}/holds",
    {"money": SHILLING, "reason": REASON, "expires_at": "2126-01-01T00:00:00Z"},
    {
        **MONEY,
        "money": NOT_MONEY,
        "reason": NOT_A_REASON,
        "expires_at": (*(wrong for wrong in NOT_A_TIME if wrong not in NOT_TEXT), "null", "[]"),
    },
)


def _why(name: str, path: str, field: str = "reason") -> Request:
    body: dict[str, Any] = {field: REASON}
    return Request(name, "POST", path, body, {field: NOT_A_REASON})


PAYOUT_REQUESTS: Final = (
    DESTINATION,
    SCHEDULE,
    PAYOUT,
    VERIFICATION,
    TAX_PROFILE,
    HOLD,
    *(
        _why(action, f"/admin/creators/{ID}/{action}")
        for action in ("suspend", "reinstate", "close")
    ),
    *(_why(f"payout_{action}", f"/admin/payouts/{ID}/{action}") for action in ("hold", "reject")),
    _why("payout_attest", f"/admin/payouts/{ID}/attest-failure", "evidence"),
)
