"""What is not as documented, by kind of field, and the requests in which it is put."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.api.deployment import PHONE_PREFIX

ECHO: Final = "zqzq"
"""In every wrong text: it must not come back."""

HUGE: Final = "9" * 5_000
SURROGATE: Final = r'"zqzq\ud800"'
NUL: Final = r'"zqzq\u0000"'
BIDI: Final = r'"zqzq\u202e"'
DECEIVING: Final = (SURROGATE, NUL, BIDI, r'"zqzq\u0007"', r'"zqzq\n"', r'"zqzq\u2066"')

NOT_TEXT: Final = ("1", "true", "[]", "{}", '["zqzq"]', '{"zqzq": 1}')
NOT_AN_INTEGER: Final = (
    '"100"', '"zqzq"', '""', "true", "false", "null", "1.0", "1.5", "1e2", "1e400", "-1e400",
    "NaN", "Infinity", "-Infinity", "[]", "{}", "[1]", "-1", str(10**30), str(-(10**30)),
    HUGE, f"-{HUGE}", "0x10", "01", "1_000", "+1", ".5", "1.", "1e", "--1",
)  # fmt: skip
NOT_AN_AMOUNT: Final = (*NOT_AN_INTEGER, "0", "-0", str(10**15 + 1))
NOT_BASIS_POINTS: Final = (*NOT_AN_INTEGER, "10001")
NOT_A_UUID: Final = (
    *NOT_TEXT, *DECEIVING, '""', '"zqzq"', '"00000000-0000-4000-8000-00000000000"',
    '"00000000-0000-4000-8000-0000000000000"', '"zqzq0000-0000-4000-8000-000000000000"',
    '"00000000-0000-4000-8000-00000000000\u0661"', f'"{"0" * 60_000}"',
)  # fmt: skip
NOT_A_CURRENCY: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"kes"', '"KE"', '"KESS"', '"KES "', '" KES"',
    '"XYZ"', '"XAU"', '"XXX"', '"XTS"', '"404"', '"\u212aES"',
)  # fmt: skip
NOT_A_PHONE: Final = (
    *NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"+"', '"++254709481000"', '"254709481000"',
    '"0709481000"', '"00254709481000"', '"+254"', '"+25470948100000"', '"+254709481"',
    '"+254 709481000"', '"+254-709-481000"', '"+254709481000 "', '"+254709481OOO"',
    '"+999709481000"', '"+000000000000"', '"tel:+254709481000"', '"+254709481000;ext=1"',
    '"+\u0662\u0665\u0664\u0667\u0660\u0669\u0664\u0668\u0661\u0660\u0660\u0660"',
    f'"+{"2" * 1_000}"', "254709481000",
)  # fmt: skip
NOT_A_NAME: Final = (*NOT_TEXT, *DECEIVING, '""', f'"{"z" * 201}"')


@dataclass(frozen=True)
class Request:
    """A route with a body, and what lies in it when it is right."""

    name: str
    method: str
    path: str
    body: dict[str, Any]
    wrong: dict[str, tuple[str, ...]]
    optional: frozenset[str] = frozenset()
    keyed: bool = True
    """Whether it takes an idempotency key."""


PAYMENT: Final = Request(
    "payment",
    "POST",
    "/payments",
    {
        "creator_id": "00000000-0000-4000-8000-000000000000",
        "money": {"amount": 125_000, "currency": "KES"},
        "purpose": "purchase",
        "reference": "video-1",
        "phone": f"{PHONE_PREFIX}000",
        "provider": "sandbox",
    },
    {
        "creator_id": (*NOT_A_UUID, "null"),
        "money": ("null", "1", '"zqzq"', "true", "[]", "[1]", "{}"),
        "money.amount": NOT_AN_AMOUNT,
        "money.currency": NOT_A_CURRENCY,
        "purpose": (*NOT_TEXT, *DECEIVING, "null", '""', '"zqzq"', '"TIP"', '"tip "'),
        "reference": (
            *NOT_TEXT,
            *DECEIVING,
            "null",
            '""',
            '"zqzq zqzq"',
            '"zqzq/"',
            '"\u00e9"',
            f'"{"z" * 65}"',
        ),
        "phone": NOT_A_PHONE,
        "provider": (
            *NOT_TEXT,
            *DECEIVING,
            "null",
            '""',
            '"zqzq"',
            '"SANDBOX"',
            '"sand box"',
            f'"{"z" * 41}"',
        ),
    },
    frozenset({"purpose", "reference", "provider"}),
)
PLAN: Final = {
    "fee_basis_points": NOT_BASIS_POINTS,
    "vat_basis_points": NOT_BASIS_POINTS,
    "keep_fee": ("1", "0", '"true"', "null", "1.0", "[]", "{}"),
}
CREATOR: Final = Request(
    "creator",
    "POST",
    "/admin/creators",
    {
        "id": "00000000-0000-4000-8000-000000000001",
        "name": "Amina",
        "settlement_currency": "KES",
        "plan": {"fee_basis_points": 1_000, "vat_basis_points": 1_600, "keep_fee": False},
    },
    {
        "id": NOT_A_UUID,
        "name": NOT_A_NAME,
        "settlement_currency": NOT_A_CURRENCY,
        "plan": ("null", "1", '"zqzq"', "true", "[]", "[1]"),
        **{f"plan.{name}": values for name, values in PLAN.items()},
    },
    frozenset({"id", "name", "plan.vat_basis_points", "plan.keep_fee"}),
)
FEE_PLAN: Final = Request(
    "fee_plan",
    "PUT",
    "/admin/creators/00000000-0000-4000-8000-000000000002/fee-plan",
    {"fee_basis_points": 1_000, "vat_basis_points": 1_600, "keep_fee": False},
    PLAN,
    frozenset({"vat_basis_points", "keep_fee"}),
)
