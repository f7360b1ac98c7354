"""Requests of fans about themselves and subscriptions, and what is wrong in each field of them."""

from __future__ import annotations

from typing import Any, Final

from tests.api.book_inputs import NOT_A_TIME
from tests.api.deployment import PHONE_PREFIX
from tests.api.wrong_values import (
    DECEIVING,
    NOT_A_PHONE,
    NOT_A_UUID,
    NOT_AN_INTEGER,
    NOT_TEXT,
    Request,
)

ID: Final = "00000000-0000-4000-8000-000000000007"
OF_ONE: Final = f"/subscriptions/{ID}"
NOT_AN_OBJECT: Final = ("null", "1", '"zqzq"', "true", "[]", "[1]", "{}")
NOT_A_WORD: Final = (*NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"')
NOT_A_SWITCH: Final = ("1", "0", '"true"', "null", "1.0", "[]", "{}")

INTERVAL: Final[dict[str, Any]] = {"unit": "month", "count": 1}
WRONG_INTERVAL: Final = {
    "interval": NOT_AN_OBJECT,
    "interval.unit": (*NOT_A_WORD, '"Month"', '"month "', '"fortnight"'),
    "interval.count": (*NOT_AN_INTEGER, "0", "366"),
}
METHOD: Final = {"kind": "phone", "phone": f"{PHONE_PREFIX}000", "provider": "sandbox"}
CARD: Final = {"kind": "card", "card": "card_000"}
WRONG_METHOD: Final = {
    "method": NOT_AN_OBJECT,
    "method.kind": (*NOT_A_WORD, '"Phone"', '"phone "', '"till"'),
    "method.phone": NOT_A_PHONE,
    "method.provider": (*NOT_A_WORD, '"SANDBOX"', '"sand box"', f'"{"z" * 41}"'),
}
NOT_A_CARD: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"4111111111111111"', '"4111 1111 1111 1111"',
    '"zqzq zqzq"', '"\u00e9zqzq"', f'"{"z" * 201}"',
)  # fmt: skip
NOT_A_ZONE: Final = (
    *NOT_TEXT, *DECEIVING, '""', '"zqzq"', '"Africa"', '"Africa/Zqzq"', '"../zqzq"', '"/zqzq"',
    '"Africa/Nairobi "', '"+03:00"', f'"{"z" * 65}"',
)  # fmt: skip
NOT_A_CODE: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"12345"', '"1234567"', '"12345 "', '" 12345"',
    '"+12345"', '"12 345"', '"1234.5"', '"\uff11\uff12\uff13\uff14\uff15\uff16"', "123456",
)  # fmt: skip
NOT_AN_EMAIL: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"@"', '"zqzq@"', '"@zqzq.org"', '"zqzq@zqzq"',
    '"zqzq@zqzq.org "', '"zqzq zqzq@zqzq.org"', '"zqzq@@zqzq.org"', '"zqzq@zqzq@zqzq.org"',
    '"zqzq\u00e9@zqzq.org"', f'"{"z" * 250}@zqzq.org"',
)  # fmt: skip

SUBSCRIPTION: Final = Request(
    "subscription",
    "POST",
    "/subscriptions",
    {
        "creator_id": ID,
        "tier_id": ID,
        "interval": INTERVAL,
        "time_zone": "Africa/Nairobi",
        "method": METHOD,
        "trial": False,
    },
    {
        "creator_id": (*NOT_A_UUID, "null"),
        "tier_id": (*NOT_A_UUID, "null"),
        **WRONG_INTERVAL,
        "time_zone": NOT_A_ZONE,
        **WRONG_METHOD,
        "trial": NOT_A_SWITCH,
    },
    frozenset({"interval.count", "time_zone", "method.provider", "trial"}),
)
ANOTHER_METHOD: Final = Request(
    "payment_method",
    "POST",
    f"{OF_ONE}/payment-method",
    {"method": METHOD},
    WRONG_METHOD,
    frozenset({"method.provider"}),
)
ANOTHER_CARD: Final = Request(
    "payment_card",
    "POST",
    f"{OF_ONE}/payment-method",
    {"method": CARD},
    {"method.card": NOT_A_CARD},
)
CHANGE: Final = Request(
    "change_tier",
    "POST",
    f"{OF_ONE}/change-tier",
    {
        "tier_id": ID,
        "interval": INTERVAL,
        "quoted_at": "2026-01-01T00:00:00Z",
        "amount_due": 0,
    },
    {
        "tier_id": (*NOT_A_UUID, "null"),
        **WRONG_INTERVAL,
        "quoted_at": (*(wrong for wrong in NOT_A_TIME if wrong not in NOT_TEXT), "null", "[]"),
        "amount_due": (*NOT_AN_INTEGER, str(10**15 + 1)),
    },
    frozenset({"interval.count"}),
)
PREPAYMENT: Final = Request(
    "prepayment",
    "POST",
    f"{OF_ONE}/prepay",
    {"count": 24},
    {"count": (*NOT_AN_INTEGER, "0", "25")},
)
PHONE: Final = Request(
    "phone", "POST", "/me/phones", {"phone": f"{PHONE_PREFIX}000"}, {"phone": NOT_A_PHONE}
)
CODE: Final = Request(
    "code", "POST", f"/me/phones/{ID}/confirm", {"code": "000000"}, {"code": NOT_A_CODE}
)
EMAIL: Final = Request(
    "email", "PUT", "/me/email", {"email": "fan@example.org"}, {"email": NOT_AN_EMAIL}
)


def _when(action: str) -> Request:
    wrong: dict[str, tuple[str, ...]] = {"when": (*NOT_A_WORD, '"NOW"', '"now "', '"later"')}
    return Request(action, "POST", f"{OF_ONE}/{action}", {"when": "now"}, wrong)


SUBSCRIPTION_REQUESTS: Final = (
    SUBSCRIPTION,
    ANOTHER_METHOD,
    ANOTHER_CARD,
    CHANGE,
    PREPAYMENT,
    PHONE,
    CODE,
    EMAIL,
    _when("cancel"),
    _when("pause"),
)
